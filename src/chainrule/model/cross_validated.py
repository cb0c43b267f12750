"""How long to train, by cross-validation: Mitchell's procedure for networks that are to see all rows."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted, positive_int
from ..errors import DataError, NotFittedError, ParameterError
from ..optim.rules import find_optimizer
from ..optim.schedules import CosineDecay, OneCycle
from ..training.callbacks import Callback
from ..training.loop import tell

if TYPE_CHECKING:
    from ..training.history import History
    from ..training.metrics import MeasuredNetwork
    from .network import Network

Array = np.ndarray[Any, Any]
SET_BY_IT = ("validation_data", "epochs", "go_on", "resume", "record", "callbacks")
WIDTH = 34  # letters of a fold's bar


@dataclass(frozen=True)
class StoppingReport:
    """How long each fold was best trained, and what came of it.

    Attributes
    ----------
    best_epochs : list of int
        For each fold the epoch, counted from 1, after which its validation loss was smallest.
    curves : list of list of float
        For each fold the validation loss after every epoch.
    most : int
        How many epochs the folds were trained.
    epochs : int
        The mean of `best_epochs`, rounded: how long the final network was trained, on all rows.
    history : History or None
        Of the final network; None if there is none yet.
    """

    best_epochs: list[int]
    curves: list[list[float]]
    most: int
    epochs: int
    history: History | None = None

    @property
    def trained(self) -> History:
        """Of the final network; raises NotFittedError if there is none yet."""
        if self.history is None:
            raise NotFittedError("StoppingReport: no final network has been trained. Fit one for `epochs`.")
        return self.history

    @property
    def spread(self) -> float:
        """The standard deviation of the folds' best epochs (of a sample); 0 means that they agree."""
        return float(np.std(self.best_epochs, ddof=1))

    @property
    def at_the_end(self) -> int:
        """In how many folds the last epoch was the best, so that more might have been better."""
        return sum(epoch == self.most for epoch in self.best_epochs)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "epochs": self.epochs,
            "best_epochs": self.best_epochs,
            "spread": self.spread,
            "at_the_end": self.at_the_end,
            "curves": self.curves,
        }

    def __str__(self) -> str:
        lines = ["fold  best epoch  its loss  the last epoch's"]
        for k, (epoch, curve) in enumerate(zip(self.best_epochs, self.curves, strict=True), 1):
            bar = "#" * max(1, round(WIDTH * epoch / self.most))
            lines.append(f"{k:>4}  {epoch:>10,}  {min(curve):>8.4g}  {curve[-1]:>16.4g}  {bar}")
        low, high = min(self.best_epochs), max(self.best_epochs)
        lines.append("")
        mean = float(np.mean(self.best_epochs))
        lines.append(f"Mean {mean:,.1f} of {self.most:,} epochs; the folds' are {low:,} to {high:,},")
        lines.append(f"standard deviation {self.spread:,.1f}.")
        if self.at_the_end:
            which = counted(self.at_the_end, "fold")
            lines.append(f"{which} became better to the end: more epochs may be better still.")
        return "\n".join(lines)


def fit_cross_validated_stopping(
    network: Network,
    X: Any,
    y: Any,
    *,
    epochs: int,
    cv: Any = 10,
    groups: Any = None,
    n_jobs: int | None = None,
    **settings: Any,
) -> StoppingReport:
    """See `Network.fit_cross_validated_stopping`."""
    most = positive_int(epochs, "fit_cross_validated_stopping: epochs", "epochs=200")
    wrong = [name for name in SET_BY_IT if name in settings]
    if wrong:
        raise ParameterError(
            f"fit_cross_validated_stopping: {wrong[0]} is set by the procedure itself. Leave it out."
        )
    if len(network._wiring.inputs) > 1 or len(network._losses) > 1:
        raise ParameterError("fit_cross_validated_stopping: is for networks with one input and one output.")
    table, targets = _rows(X), np.asarray(y)
    if table.shape[0] != len(targets):
        raise DataError(
            f"y: has {counted(len(targets), 'row')}, X has {table.shape[0]:,}. Pass the same rows."
        )
    classes = network._losses[0].target != "values"
    weights = settings.pop("sample_weight", None)
    own = None if weights is None else np.asarray(weights)
    parts = folds(table, targets, cv, groups, classes)
    trial = copy.deepcopy(network)
    trial._codings = network._targets(y, network._tables(X), network._codings)[1]  # folds may lack a class
    jobs = [_Job(copy.deepcopy(trial), table, targets, own, *part, most, settings) for part in parts]
    report = report_of(curves_of(jobs, n_jobs, settings.get("verbose", True)), most)
    given = settings.get("optimizer")
    if given is None or same_at_any_length(find_optimizer(given).schedule):
        settings["epochs"] = report.epochs
    else:
        settings |= {"epochs": most, "callbacks": [EndAfter(report.epochs)]}
    history = network.fit(X, y, sample_weight=weights, **settings)
    return StoppingReport(report.best_epochs, report.curves, report.most, report.epochs, history)


def folds(X: Any, y: Array, cv: Any, groups: Any, classes: bool) -> list[tuple[Array, Array]]:
    """The rows of each fold, to train on and to validate with, as scikit-learn splits them.

    Raises
    ------
    ParameterError
        If they cannot be split so.
    """
    from sklearn.model_selection import check_cv

    try:
        splitter = check_cv(cv, y, classifier=classes)
        parts = list(splitter.split(X, y, groups))
    except (ValueError, TypeError) as error:
        raise ParameterError(f"cv={cv!r:.60}: {error}") from error
    if len(parts) < 2:
        raise ParameterError(f"cv={cv!r:.60} makes no two folds. Pass e.g. cv=5.")
    return parts


def curves_of(jobs: Sequence[Any], n_jobs: int | None, verbose: bool) -> list[list[float]]:
    """Run folds by joblib, with whatever backend is chosen there; for each its validation losses."""
    from joblib import Parallel, delayed

    started, found = time.perf_counter(), []
    running = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_run)(job) for job in jobs)
    for k, curve in enumerate(running, 1):
        found.append(list(curve))
        if verbose and len(curve):
            left = (time.perf_counter() - started) / k * (len(jobs) - k)
            best = int(np.argmin(curve)) + 1
            tell(f"fold {k} of {len(jobs)}: best after {counted(best, 'epoch')}; {left:.0f} s left")
    return found


def _run(job: Any) -> Any:
    """A function of the module, as Dask's backend wants it: it hashes what it is given to call."""
    return job()


def report_of(curves: Sequence[Sequence[float]], most: int) -> StoppingReport:
    """What the folds' curves say; raises DataError where a fold's training became infinite at once."""
    empty = [k for k, curve in enumerate(curves, 1) if not len(curve)]
    if empty:
        raise DataError(
            f"fit_cross_validated_stopping: in fold {empty[0]} the loss became infinite in the first epoch. "
            "Lower the learning rate, or scale the inputs."
        )
    best = [int(np.argmin(curve)) + 1 for curve in curves]
    return StoppingReport(best, [list(curve) for curve in curves], most, max(1, round(float(np.mean(best)))))


def same_at_any_length(schedule: Any) -> bool:
    """Whether a learning rate takes the same course however many epochs a fit has."""
    return not isinstance(schedule, CosineDecay | OneCycle)


class EndAfter(Callback):
    """Ends the final training where the folds were best, its learning rates those that the folds had.

    Parameters
    ----------
    epochs : int
    """

    needs_weights = False

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        if history.epochs >= self.epochs:
            history.stop("that is how long the folds were best trained, in the mean")


@dataclass(frozen=True)
class _Job:
    """A fold's training, from the network as it is."""

    network: Network
    X: Any
    y: Array
    weights: Array | None
    train: Array
    test: Array
    epochs: int
    settings: Mapping[str, Any]

    def __call__(self) -> list[float]:
        own = None if self.weights is None else self.weights[self.train]
        history = self.network.fit(
            self.X[self.train],
            self.y[self.train],
            epochs=self.epochs,
            validation_data=(self.X[self.test], self.y[self.test]),
            sample_weight=own,
            **{**self.settings, "verbose": False},
        )
        if history.interrupted:
            raise KeyboardInterrupt
        return history.val_loss


def _rows(X: Any) -> Any:
    return X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)
