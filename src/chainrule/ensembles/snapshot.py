"""Snapshot ensembles: one training that ends in a minimum again and again, and a member from each."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..checks import positive_int
from ..errors import ParameterError
from ..model.network import Network
from ..optim.rates import Constant
from ..optim.rules import Adam, Optimizer, find_optimizer
from ..optim.schedules import CosineRestarts
from ..training.callbacks import Callback
from ..training.history import History
from .training import TrainedEnsemble, checked_settings, fresh

Array = np.ndarray[Any, Any]


class SnapshotEnsemble(TrainedEnsemble):
    """Members from a single training, whose learning rate falls to 0 along a cosine and starts again.

    Each time that the rate has fallen, the network is in a minimum, and a copy of it becomes a member; then
    the large rate drives it out. So an ensemble costs no more than one network; but every member is trained
    for a part of the epochs only, and they are more alike than those of other ensembles.

    Parameters
    ----------
    network : Network
        What is trained; it is left as it is.
    members : int
        How many cycles there are.
    combine : {"mean", "vote"}
        As for `Ensemble`.

    Attributes
    ----------
    members : list of Network
        In the order of their cycles: the last ones are usually the best. ``Ensemble(snapshots[-3:])`` has
        three of them.
    histories : list of History
        One: of the whole training.
    interrupted : bool
        Whether Ctrl-C ended the last fit; the members of finished cycles are kept.

    Raises
    ------
    ParameterError
        If `members` is no positive int, or several networks are given.

    References
    ----------
    Huang, Li, Pleiss, Liu, Hopcroft and Weinberger (2017), Snapshot ensembles: train 1, get M for
    free, eq. 2.
    """

    kind = "snapshot"

    def __init__(self, network: Network, members: int = 5, combine: str = "mean") -> None:
        super().__init__(network, None, combine)
        self._one_network()
        self.size = positive_int(members, "SnapshotEnsemble: members", "members=5")

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int = 20,
        optimizer: Optimizer | str | None = None,
        seed: int = 0,
        verbose: bool = True,
        **settings: Any,
    ) -> Self:
        """Train, and keep a member at the end of every cycle.

        Parameters
        ----------
        X, y : array-like
            As for `Network.fit`.
        epochs : int
            Of all cycles together: a multiple of their number.
        optimizer : Optimizer or str, optional
            Its learning rate, one number, is where each cycle starts; Adam(0.001) where none is given.
        seed : int
        verbose : bool
            Show a progress bar on standard error.
        **settings
            Of `Network.fit`. Where a callback ends the training, the finished cycles are the members.

        Returns
        -------
        SnapshotEnsemble
            Itself.

        Raises
        ------
        ParameterError
            If epochs are no multiple of the members, or the optimizer's rate is no single number.
        ShapeError, DTypeError, DataError
            As for `Network.fit`.

        Warns
        -----
        RuntimeWarning
            If the loss or a weight became NaN or infinite.
        """
        given = checked_settings(
            "SnapshotEnsemble.fit", settings, {"n_jobs": "its members come one by one"}, True
        )
        given.pop("n_jobs", None)
        epochs = positive_int(epochs, "SnapshotEnsemble.fit: epochs", "epochs=20")
        if epochs % self.size:
            more = -(-epochs // self.size) * self.size
            raise ParameterError(
                f"SnapshotEnsemble.fit: epochs={epochs} cannot be shared among members={self.size} cycles of "
                f"whole epochs. Pass e.g. epochs={more}."
            )
        rule = with_restarts(find_optimizer(Adam() if optimizer is None else optimizer), epochs // self.size)
        network, kept = fresh(self.networks[0]), Snapshots(epochs // self.size)
        given["callbacks"] = [*given["callbacks"], kept]
        history = network.fit(X, y, optimizer=rule, epochs=epochs, seed=seed, verbose=verbose, **given)
        self.interrupted = history.interrupted
        members = []
        for weights in kept.weights:
            member = copy.deepcopy(network)
            member.set_parameters(weights)
            member._compiled = network._compiled
            members.append(member)
        if not members and not history.interrupted:
            raise ParameterError(
                f"SnapshotEnsemble.fit: the training ended before the first cycle of {epochs // self.size} "
                f"epochs did: {history.stopped}."
            )
        self._take_members(members, [history])
        return self


def with_restarts(rule: Optimizer, cycle: int) -> Optimizer:
    """An optimizer whose learning rate falls and starts again; raises ParameterError where it cannot."""
    if rule.whole_batch or not isinstance(rule.schedule, Constant):
        what = "takes no rate" if rule.whole_batch else f"has a schedule, {type(rule.schedule).__name__}"
        raise ParameterError(
            f"SnapshotEnsemble.fit: sets the learning rate itself, and the optimizer {what}. Pass one with a "
            "single number, e.g. SGD(0.1, momentum=0.9)."
        )
    restarts = CosineRestarts(rule.schedule.learning_rate, cycle=cycle)
    try:
        return dataclasses.replace(rule, learning_rate=restarts)
    except ParameterError:
        raise ParameterError(
            f"SnapshotEnsemble.fit: sets the learning rate itself, which {type(rule).__name__} adapts from "
            "step to step. Pass another optimizer, e.g. SGD(0.1, momentum=0.9)."
        ) from None


class Snapshots(Callback):
    """Keeps the weights after every so many epochs; a checkpoint takes them along."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.weights: list[dict[str, Array]] = []

    def on_fit_begin(self, network: Any, history: History) -> None:
        self.weights = []

    def on_epoch_end(self, network: Any, history: History) -> None:
        if history.epochs % self.every == 0:
            self.weights.append(network.parameters)

    def state(self) -> dict[str, Array]:
        """What a checkpoint is to hold of it."""
        return {f"{k}:{name}": x for k, own in enumerate(self.weights) for name, x in own.items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        self.weights = [{} for _ in {name.partition(":")[0] for name in state}]
        for name, value in state.items():
            k, _, own = name.partition(":")
            self.weights[int(k)][own] = value
