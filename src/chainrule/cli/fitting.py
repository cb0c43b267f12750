"""The training itself: of one network, of folds, of several networks, or a trial in its place."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError
from ..model.network import Network
from ..optim.rules import Optimizer
from ..tables.defaults import Defaults
from ..training.callbacks import Callback, EarlyStopping
from ..training.checkpoint import Checkpoint
from ..training.history import History
from .balance import Balance, known_measure
from .building import spoken
from .ensembles import Course, Several, train_several, train_student
from .images import Placed
from .rows import Rows
from .settings import Settings
from .stopping import folds_of
from .trying import Tracking, try_out

if TYPE_CHECKING:
    from ..ensembles.ensemble import Ensemble
    from ..model.cross_validated import StoppingReport

ITERATIONS = 200  # of an optimizer that takes all rows at once, and ends by itself
MINUTES = 1.0  # from one checkpoint to the next, where an epoch takes longer


@dataclass(frozen=True)
class Task:
    """A training that is prepared.

    Attributes
    ----------
    parts : mapping of str to Rows
        "train", and "validation" where rows are held apart for that.
    network : Network
    rule : Optimizer
    settings : Settings
    usual : Defaults
    balance : Balance
    patience : int or None
        Epochs without a gain that end it.
    change : Placed or None
        What is changed of images.
    by_folds : bool
        Whether cross-validation says how long it takes.
    several : Several or None
        Where it is one of an ensemble.
    student : Network or None
        What learns from the ensemble.
    checkpoint : Path or None
    resume : bool
    tracking : Tracking
    """

    parts: Mapping[str, Rows]
    network: Network
    rule: Optimizer
    settings: Settings
    usual: Defaults
    balance: Balance
    patience: int | None
    change: Placed | None
    by_folds: bool
    several: Several | None
    student: Network | None
    checkpoint: Path | None
    resume: bool
    tracking: Tracking

    @property
    def seed(self) -> int:
        """Of held-back rows, initial weights and the order of rows."""
        return int(self.settings.get("training", "seed", 0))

    @property
    def batch_size(self) -> int:
        """The rows of a step."""
        rows = self.parts["train"].count
        wanted = self.settings.get("training", "batch_size", self.usual.batch_size)
        return rows if wanted == "all" or self.rule.whole_batch else int(min(wanted, rows))

    def shared(self) -> dict[str, Any]:
        """The arguments of `Network.fit` that any training has."""
        train, settings = self.parts["train"], self.settings
        rows = train.count
        accumulate = settings.get("training", "accumulate", 1)
        enough = self.usual.epochs_of(rows, self.batch_size * accumulate)
        return {
            "optimizer": self.rule,
            "batch_size": self.batch_size,
            "epochs": settings.get("training", "epochs", ITERATIONS if self.rule.whole_batch else enough),
            "class_weight": self.balance.weights_of(train.y) if train.stream else self.balance.class_weight,
            "sampling": self.balance.sampling,
            "seed": self.seed,
            "engine": settings.get("training", "engine", "auto"),
            "transform": self.change,
            "accumulate": accumulate,
        }

    def alone(self) -> dict[str, Any]:
        """Those that come to them where there are no folds."""
        validation = self.parts.get("validation")
        monitor = self.settings.get("training", "monitor", "loss")
        callbacks: list[Callback] = []
        if self.patience is not None:
            callbacks.append(EarlyStopping(f"val_{monitor}", patience=self.patience))
        callbacks += [*_kept_in(self.checkpoint), *self.tracking.callbacks()]
        return {
            "validation_data": None if validation is None else (validation.X, validation.y),
            "metrics": () if monitor == "loss" else monitor,
            "callbacks": callbacks,
            "resume": self.resume,
        }


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    predictor : Network or Ensemble
    history : History or Course
    stopping : StoppingReport or None
    ensemble : Ensemble or None
        Also where a network has learned from it.
    """

    predictor: Network | Ensemble
    history: History | Course
    stopping: StoppingReport | None = None
    ensemble: Ensemble | None = None


def patience_of(settings: Settings) -> int | None:
    """The epochs without a gain that end the training; None for none.

    Raises
    ------
    ParameterError
        If it is said what early stopping goes by, and there is none; UnknownNameError for a measure that does
        not exist.
    """
    stated, monitor = (settings.get("training", key) for key in ("early_stopping", "monitor"))
    label = settings.label("training", "monitor")
    if stated in (None, "off"):
        if monitor is not None:
            raise ParameterError(
                f"{label} says what early stopping goes by, and there is none. Pass --early-stopping as well."
            )
        return None
    if monitor not in (None, "loss"):
        known_measure(monitor, str(label))
    return int(stated)


def fit(task: Task) -> Trained:
    """Train; raises ParameterError if the loss leaves the numbers that can be reckoned with."""
    train, network = task.parts["train"], task.network
    with spoken(task.settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # numbers that overflow: an error below
        if task.by_folds:
            if "validation" in task.parts and task.balance.held_by is None:
                raise ParameterError(
                    "--stop cross-validated validates with its folds, and --split names other rows for that. "
                    "Name them train there."
                )
            folds = folds_of(task.settings, len(train.y))
            stopping = network.fit_cross_validated_stopping(train.X, train.y, **task.shared(), **folds)
            trained = Trained(network, stopping.trained, stopping)
        elif task.several is not None:
            trained = _fit_several(task, task.several)
        else:
            X, y = (train.X, train.y) if train.stream is None else (train.stream, None)
            trained = Trained(network, network.fit(X, y, **task.shared(), **task.alone()))
    if trained.history.diverged:
        advice = "another --optimizer"
        if not task.rule.whole_batch:
            advice = f"a smaller --learning-rate than {task.rule.schedule.learning_rate:g}, or --clip-norm 1"
        raise ParameterError(f"{trained.history.stopped}; nothing was saved. Pass {advice}.")
    return trained


def attempt(task: Task, trial: str, plot: Path | None, as_json: bool) -> None:
    """Make a trial in place of the training, and print what it shows; errors as in `try_out`."""
    rows = task.parts["train"]
    with spoken(task.settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        try_out(trial, task.network, (rows.X, rows.y), task.shared(), task.alone(), plot, as_json)


def _fit_several(task: Task, several: Several) -> Trained:
    """Train an ensemble, and the network that is to learn from it."""
    train, shared, alone = task.parts["train"], task.shared(), task.alone()
    if not task.settings.label("training", "epochs"):
        shared["epochs"] = several.epochs(shared["epochs"])
    ensemble, course = train_several(several, task.network, (train.X, train.y), shared, alone)
    if task.student is None or course.diverged:
        return Trained(ensemble, course, ensemble=ensemble)
    folder = None if task.checkpoint is None else task.checkpoint / "student"
    settings = {**shared, "callbacks": _kept_in(folder), "resume": task.resume}
    student, history = train_student(ensemble, task.student, train.X, settings)
    return Trained(student, history, ensemble=ensemble)


def _kept_in(folder: Path | None) -> list[Callback]:
    return [] if folder is None else [Checkpoint(folder, every_minutes=MINUTES)]
