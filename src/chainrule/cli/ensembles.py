"""`--ensemble`: several networks trained as one model, or one that has learned from them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..checks import counted
from ..ensembles.bagging import Bagging
from ..ensembles.committee import Committee
from ..ensembles.deep import DeepEnsemble
from ..ensembles.distillation import distill
from ..ensembles.ensemble import Ensemble
from ..ensembles.snapshot import SnapshotEnsemble
from ..errors import ParameterError
from ..model.network import Network
from ..training.history import History
from .building import LSUV, Goal
from .report import scores
from .settings import Settings

Array = np.ndarray[Any, Any]
KINDS: Mapping[str, Any] = {
    "seeds": DeepEnsemble,
    "bagging": Bagging,
    "snapshot": SnapshotEnsemble,
    "committee": Committee,
}


SIDES = "copies of a row would be on both sides of what members leave out"
CONTRADICTED: Mapping[str, Mapping[tuple[str, str], str]] = {
    "snapshot": {
        ("schedule", "name"): "it sets the learning rate's course",
        ("training", "early_stopping"): "its members come at set epochs",
        ("training", "jobs"): "its members come one after another",
    },
    "bagging": {("training", "resample"): SIDES},
    "committee": {
        ("training", "resample"): SIDES,
        ("training", "validation_size"): "each member is validated with its own fold",
    },
}


@dataclass(frozen=True)
class Several:
    """What is asked for.

    Attributes
    ----------
    kind : str
    members : int
    student : tuple of int or None
        Units of the hidden layers of the network that learns from the ensemble.
    jobs : int or None
    """

    kind: str
    members: int
    student: tuple[int, ...] | None
    jobs: int | None

    @property
    def holds_back(self) -> bool:
        """Whether rows are held back for members to be validated with; a committee's have folds."""
        return self.kind != "committee"

    def epochs(self, usual: int) -> int:
        """The epochs where none are stated: of snapshots, so many that cycles are whole."""
        return -(-usual // self.members) * self.members if self.kind == "snapshot" else usual

    def describe(self) -> str:
        """A line of what is trained."""
        by = {
            "seeds": "from other starts",
            "bagging": "each on rows drawn with replacement",
            "snapshot": "from one training, whose learning rate starts again",
            "committee": "each without a fold, which validates it",
        }[self.kind]
        student = ""
        if self.student is not None:
            sizes = "-".join(map(str, self.student)) or "none"
            student = f"; a network with hidden layers of {sizes} learns from them"
        return f"ensemble of {counted(self.members, 'network')} {by}{student}"


def asked_for(settings: Settings, goal: Goal, single: Sequence[str]) -> Several | None:
    """The ensemble that settings ask for; None for a single network.

    Parameters
    ----------
    settings : Settings
    goal : Goal
    single : sequence of str
        What was stated beside them and is of one training, by option.

    Raises
    ------
    ParameterError
        If settings contradict each other.
    """
    members = settings.get("training", "ensemble")
    if members is None:
        for key in ("ensemble_kind", "distill"):
            if label := settings.label("training", key):
                raise ParameterError(f"{label} is for --ensemble N. Pass that as well, or leave it out.")
        return None
    kind = settings.get("training", "ensemble_kind", "seeds")
    own, whole = settings.label("training", "ensemble_kind"), settings.label("training", "ensemble")
    for (table, key), why in CONTRADICTED.get(kind, {}).items():
        if label := settings.label(table, key):
            raise ParameterError(f"{own} {kind} and {label} contradict each other: {why}. Leave one out.")
    if settings.get("init", "name") == LSUV:
        raise ParameterError(
            f"{settings.label('init', 'name')} {LSUV} and {whole} contradict each other: each member draws "
            "weights of its own, and that scales those of one network. Leave one out."
        )
    if goal.task == "classification" and not goal.loss.probabilities:
        raise ParameterError(
            f"{whole} and {settings.label('loss', 'name')} {goal.loss.name} contradict each other: members "
            "predict by the mean of their probabilities, and that loss gives none. Leave one out."
        )
    epochs = settings.get("training", "epochs", members)
    if kind == "snapshot" and epochs % members:
        raise ParameterError(
            f"{settings.label('training', 'epochs')} must be a multiple of {whole}, {members}, so that each "
            f"member has as many, got {epochs}. Pass e.g. {-(-epochs // members) * members}."
        )
    decided = [settings.label("training", key) for key in ("threshold", "calibrate")]
    for label in (*decided, *single):
        if label is not None:
            raise ParameterError(
                f"{whole} and {label} contradict each other: that is for one network. Leave one out."
            )
    return Several(kind, members, settings.get("training", "distill"), settings.get("training", "jobs"))


@dataclass(frozen=True)
class Course:
    """How several trainings went, told as one.

    Attributes
    ----------
    histories : list of History
    seconds : float
        By the clock, all of them together.
    interrupted : bool
    """

    histories: Sequence[History]
    seconds: float
    interrupted: bool

    @property
    def epochs(self) -> int:
        """The most of any."""
        return max(history.epochs for history in self.histories)

    @property
    def loss(self) -> list[float]:
        """The mean of the last losses, as a list of one."""
        return [float(np.mean([history.loss[-1] for history in self.histories]))]

    @property
    def engine(self) -> str:
        return self.histories[0].engine

    @property
    def diverged(self) -> bool:
        return any(history.diverged for history in self.histories)

    @property
    def stopped(self) -> str | None:
        """Why the first that ended early did."""
        return next((history.stopped for history in self.histories if history.stopped), None)

    def to_json(self) -> dict[str, Any]:
        """The measures of each training."""
        return {"members": [history.to_json() for history in self.histories]}


def train_several(
    several: Several,
    network: Network,
    rows: tuple[Array, Array],
    arguments: Mapping[str, Any],
    whole: Mapping[str, Any],
) -> tuple[Ensemble, Course]:
    """Train an ensemble of copies of a network.

    Parameters
    ----------
    several : Several
    network : Network
    rows : (X, y)
    arguments, whole : mapping
        Of `Network.fit`; with the second, validation_data.

    Raises
    ------
    ParameterError
        If there are rows to validate with, and each member has a fold for that.
    """
    given = {**arguments, **whole}
    if several.kind != "snapshot":
        given["n_jobs"] = several.jobs
    if not several.holds_back and given.pop("validation_data") is not None:
        raise ParameterError(
            "--ensemble-kind committee validates each member with its own fold, and --split names other rows "
            "for that. Name them train there, or take another kind."
        )
    ensemble = KINDS[several.kind](network, several.members)
    started = time.perf_counter()
    ensemble.fit(*rows, **given)
    return ensemble, Course(ensemble.histories, time.perf_counter() - started, ensemble.interrupted)


def train_student(
    ensemble: Ensemble, student: Network, X: Array, settings: Mapping[str, Any]
) -> tuple[Network, History]:
    """Train a network on what an ensemble predicts for rows."""
    given = {name: value for name, value in settings.items() if name not in ("class_weight", "sampling")}
    return distill(ensemble, student, X, None, None, 0.0, given)


class Tested(Protocol):
    """Rows with their right answers."""

    @property
    def X(self) -> Array: ...
    @property
    def y(self) -> Array: ...


def measured_members(several: Several, ensemble: Ensemble, test: Tested, data: str) -> dict[str, Any]:
    """Kind, scores of the ensemble and of each member, and how good members are on rows they left out."""
    found: dict[str, Any] = {
        "kind": several.kind,
        "test": scores(ensemble, test.X, test.y, data),
        "members": [scores(network, test.X, test.y, data) for network in ensemble],
    }
    if isinstance(ensemble, Bagging):
        found["out_of_bag"] = _known(ensemble.out_of_bag.score)
    if isinstance(ensemble, Committee):
        found["out_of_fold"] = _known(ensemble.out_of_fold.score)
    return found


def _known(score: float) -> float | None:
    return None if np.isnan(score) else score


def in_words(found: Mapping[str, Any], distilled: bool) -> str:
    """Members' scores beside the ensemble's, as a sentence without its full stop."""
    measure, own = next(iter(found["test"].items()))
    each = [value[measure] for value in found["members"]]
    parts = []
    if distilled:
        parts.append(f"The ensemble that it learned from: {_digits(own)}")
    if None not in each:
        low, high = _digits(min(each)), _digits(max(each))
        parts.append(f"{'its' if distilled else 'Its'} members alone: {low} to {high}")
    for key, name in (("out_of_bag", "out of bag"), ("out_of_fold", "out of fold")):
        if found.get(key) is not None:
            parts.append(f"on rows that members were not trained on ({name}): {_digits(found[key])}")
    return "; ".join(parts) or "Its members cannot be measured on one row"


def _digits(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
