"""Members trained: each a fit of its own, several at once by joblib, the same whatever runs beside it."""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..checks import checked_seed, counted, positive_int
from ..errors import ParameterError
from ..model.network import Network
from ..nn.init import Purpose
from ..training.callbacks import checked_callbacks
from ..training.checkpoint import Checkpoint
from ..training.history import History
from ..training.loop import tell
from ..training.streams import as_stream
from ..training.tracking.tracker import Tracker
from .agreement import checked_networks, require_same_targets
from .ensemble import Ensemble

Array = np.ndarray[Any, Any]
REFUSED = {
    "go_on": "members start anew",
    "record": "a ledger is of one network",
}


class TrainedEnsemble(Ensemble):
    """An ensemble that trains its members.

    Parameters
    ----------
    network : Network or sequence of Network
        What members are copies of; several are taken in turn. They are left as they are.
    members : int or None
    combine : {"mean", "vote"}
    """

    def __init__(
        self, network: Network | Sequence[Network], members: int | None = None, combine: str = "mean"
    ) -> None:
        self._start(combine)
        self.networks = checked_networks(network)
        what = type(self).__name__
        if members is None:
            members = len(self.networks) if len(self.networks) > 1 else 5
        elif len(self.networks) > 1:
            raise ParameterError(
                f"{what}: members={members!r} and {counted(len(self.networks), 'network')} both say how many "
                "there are to be. Leave members out."
            )
        self.size = positive_int(members, f"{what}: members", "members=5")
        self.interrupted = False

    def _one_network(self) -> Network:
        if len(self.networks) > 1:
            raise ParameterError(f"{type(self).__name__}: takes one network, got {len(self.networks)}.")
        return self.networks[0]

    def _prepared(self, X: Any, y: Any) -> list[Network]:
        """A fresh copy of each network that knows its inputs and targets, as all rows tell them."""
        require_table(f"{type(self).__name__}.fit", X)
        found = []
        for network in self.networks:
            new = fresh(network)
            tables = new._tables(X)
            _, new._codings = new._targets(y, tables, [])
            new._learn_sizes([table.shape[1] for table in tables], "fit")
            found.append(new)
        require_same_targets(found, self.combine)
        return found

    def _copies(self, X: Any, y: Any) -> list[Network]:
        """What each member is trained from."""
        found = self._prepared(X, y)
        return [found[k % len(found)] for k in range(self.size)]

    def _train(self, jobs: Sequence[Job], n_jobs: int | None, verbose: bool) -> Self:
        """Train the members, and take those that are finished."""
        self.members, self.histories, self.interrupted = [], [], False
        trained, self.interrupted = run_jobs(jobs, n_jobs, verbose)
        self._take_members([network for network, _ in trained], [history for _, history in trained])
        return self

    def _take_members(self, networks: list[Network], histories: list[History]) -> None:
        if not networks:  # Ctrl-C, before there was anything
            raise KeyboardInterrupt
        ended = {k: history.stopped for k, history in enumerate(histories, 1) if history.diverged}
        if ended:
            listed = "; ".join(f"of member {k} {why}" for k, why in ended.items())
            warnings.warn(
                f"trainings ended early, with the weights of before the step: {listed}. Lower the learning "
                "rate, scale the inputs, or leave these members out.",
                RuntimeWarning,
                stacklevel=4,
            )
        if self.interrupted:
            which = counted(len(networks), "finished member")
            tell(f"Stopped by Ctrl-C; kept {'is' if len(networks) == 1 else 'are'} the {which}.")
        self.members, self.histories = networks, histories


def fresh(network: Network) -> Network:
    """A copy without weights, apart from those that are given to layers or frozen in them."""
    new = copy.deepcopy(network)
    for layer in new.layers:
        layer.given |= {name: value for name, value in layer.values.items() if name in layer.frozen}
    new.reset()
    return new


def member_seeds(seed: int, count: int) -> list[int]:
    """The members' seeds: draws of ``Philox(key=[seed, 20], counter=[0, k, 0, 0])`` below 2**63, k from 0."""
    key = np.array([checked_seed(seed), int(Purpose.MEMBERS)], np.uint64)
    streams = (np.random.Philox(key=key, counter=[0, k, 0, 0]) for k in range(count))
    return [int(np.random.Generator(stream).integers(2**63)) for stream in streams]


def checked_settings(
    what: str, settings: Mapping[str, Any], own: Mapping[str, str], single: bool = False
) -> dict[str, Any]:
    """Settings of `Network.fit` for every member; raises ParameterError for those that cannot be."""
    for name, why in {**REFUSED, **own}.items():
        if settings.get(name):
            raise ParameterError(f"{what}: {name} cannot be passed: {why}. Leave it out.")
    found = dict(settings)
    found["callbacks"] = checked_callbacks(found.get("callbacks", ()))
    trackers = [] if single else [c for c in found["callbacks"] if isinstance(c, Tracker)]
    if trackers:
        name = type(trackers[0]).__name__
        raise ParameterError(
            f"{what}: {name} writes down one fit, and each member is one. Leave it out, or see `histories`."
        )
    return found


def require_table(what: str, X: Any) -> None:
    """Raise ParameterError for a stream, which gives its rows once."""
    if as_stream(X) is not None:
        raise ParameterError(
            f"{what}: X is a stream, and its rows are needed more than once. Pass a table, or a part of it."
        )


def rows_of(what: str, network: Network, X: Any) -> Any:
    """The table of the only input, of which rows can be taken."""
    if len(network._wiring.inputs) > 1:
        raise ParameterError(f"{what}: is for networks with one input, whose rows are divided among members.")
    return X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)


@dataclass(frozen=True)
class Job:
    """A member's training.

    Attributes
    ----------
    number : int
        From 1.
    network : Network
    X, y : array-like
    seed : int
    settings : dict
        Of `Network.fit`.
    train : ndarray or None
        Places of the rows to train on; None for all.
    held : ndarray or None
        Places of the rows to validate with.
    """

    number: int
    network: Network
    X: Any
    y: Any
    seed: int
    settings: Mapping[str, Any]
    train: Array | None = None
    held: Array | None = None

    def __call__(self) -> tuple[Network, History]:
        network, settings = copy.deepcopy(self.network), dict(self.settings)
        settings["callbacks"] = [_own(callback, self.number) for callback in settings["callbacks"]]
        X, y = self.X, self.y
        if self.train is not None:
            X, y = X[self.train], y[self.train]
            weights = settings.get("sample_weight")
            settings["sample_weight"] = None if weights is None else np.asarray(weights)[self.train]
        if self.held is not None:
            settings["validation_data"] = (self.X[self.held], self.y[self.held])
        history = network.fit(X, y, seed=self.seed, verbose=False, **settings)
        if history.interrupted:
            raise KeyboardInterrupt
        return network, history


def _own(callback: Any, number: int) -> Any:
    """A member's own callback; of a checkpoint, with a folder of its own."""
    own = copy.deepcopy(callback)
    if isinstance(own, Checkpoint):
        own.folder = own.folder / f"member{number}"
    return own


def run_jobs(
    jobs: Sequence[Callable[[], tuple[Network, History]]], n_jobs: int | None, verbose: bool
) -> tuple[list[tuple[Network, History]], bool]:
    """Run trainings by joblib, with whatever backend is chosen there.

    Returns
    -------
    trained : list of (Network, History)
        In the order of the jobs; after Ctrl-C those of before the first that was not finished.
    interrupted : bool
    """
    from joblib import Parallel, delayed

    if n_jobs == 0 or isinstance(n_jobs, bool) or not (n_jobs is None or isinstance(n_jobs, int)):
        raise ParameterError(f"n_jobs must be an int other than 0, got {n_jobs!r:.60}. Pass e.g. n_jobs=2.")
    started = time.perf_counter()
    found: list[tuple[Network, History]] = []
    try:
        for network, history in Parallel(n_jobs=n_jobs, return_as="generator")(
            delayed(_run)(job) for job in jobs
        ):
            network._compiled = history.engine == "numba"  # which is lost on the way from another process
            found.append((network, history))
            if verbose:
                left = (time.perf_counter() - started) / len(found) * (len(jobs) - len(found))
                tell(f"member {len(found)} of {len(jobs)}: {_measured(history)}; {left:.0f} s left")
    except KeyboardInterrupt:
        return found, True
    return found, False


def _run(job: Callable[[], tuple[Network, History]]) -> tuple[Network, History]:
    """A function of the module, as Dask's backend wants it: it hashes what it is given to call."""
    return job()


def _measured(history: History) -> str:
    """How a member's training went, in words."""
    if not history.loss:
        return "stopped in its first epoch"
    told = [f"loss {history.loss[-1]:.4g}"]
    if history.val_loss:
        told.append(f"validation loss {history.val_loss[-1]:.4g}")
    return f"{', '.join(told)} after {counted(history.epochs, 'epoch')}"
