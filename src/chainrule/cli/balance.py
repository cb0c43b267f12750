"""Classes of unequal size on the command line: what training sees of them, and what is decided afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError, ParameterError
from ..model.network import Network
from ..tables.encoding import Encoding
from ..tables.wording import listed, shown
from ..training.loop import tell
from ..training.resampling import need_imblearn, resample
from .building import Goal, spoken
from .settings import Settings

Array = np.ndarray[Any, Any]
KEYS = ("class_weight", "sampling", "resample", "threshold", "calibrate")
EVENING = ("class_weight", "sampling", "resample")


@dataclass(frozen=True)
class Balance:
    """What was asked for.

    Attributes
    ----------
    settings : Settings
    class_weight, sampling : dict, "balanced" or None
        By the table's own labels.
    resample : {"over", "under", "smote"} or None
    threshold : str, float or None
        A measure to choose it by, or the probability itself.
    calibrate : str or None
    """

    settings: Settings
    class_weight: Any = None
    sampling: Any = None
    resample: str | None = None
    threshold: Any = None
    calibrate: str | None = None

    @property
    def decides(self) -> bool:
        """Whether anything is decided after the training."""
        return self.threshold is not None or self.calibrate is not None

    @property
    def held_by(self) -> str | None:
        """The key of the setting that needs rows held apart; None if none does."""
        if isinstance(self.threshold, str):
            return "threshold"
        return None if self.calibrate is None else "calibrate"

    def weights_of(self, y: Array) -> Any:
        """The classes' weights by label, where "balanced" is to be by how often they are in these rows."""
        if self.class_weight != "balanced":
            return self.class_weight
        labels, counts = np.unique(y, return_counts=True)
        return dict(zip(labels.tolist(), (len(y) / (len(labels) * counts)).tolist(), strict=True))

    def rows(self, X: Array, y: Array, encoding: Encoding) -> tuple[Array, Array]:
        """The rows to train on, those of rare classes added or those of frequent ones left out."""
        if self.resample is None:
            return X, y
        label = str(self.settings.label("training", "resample"))
        seed = self.settings.get("training", "seed", 0)
        return resample(X, y, self.resample, seed=seed, zero_or_one=~encoding.scaled, what=label)

    def decide(self, network: Network, X: Array, y: Array) -> dict[str, Any]:
        """Calibrate, then choose the threshold, on rows held apart.

        What these rows do not allow is told and left out: the training is not to be lost for it.

        Returns
        -------
        dict of str to Calibration, ThresholdReport or None
            By key, what was asked for; None for what was left out.
        """
        done: dict[str, Any] = {}
        steps: dict[str, Callable[[], Any]] = {}
        if self.calibrate is not None:
            steps["calibrate"] = lambda: network.calibrate(X, y, str(self.calibrate))
        if isinstance(self.threshold, str):
            steps["threshold"] = lambda: network.tune_threshold(X, y, self.threshold)
        elif self.threshold is not None:
            network.threshold = self.threshold
        for key, step in steps.items():
            try:
                with spoken(self.settings):
                    done[key] = step()
            except DataError as error:
                tell(f"left out: {error}")
                done[key] = None
        return done


def find_balance(settings: Settings, goal: Goal, y: Array) -> Balance:
    """What the settings ask for, checked to suit the task.

    Parameters
    ----------
    settings : Settings
    goal : Goal
    y : ndarray, shape (rows,)
        The table's target.

    Raises
    ------
    ParameterError
        If it is for classes and there are none, or two, or settings contradict each other; UnknownNameError
        for a measure or label that does not exist.
    MissingExtraError
        If imbalanced-learn is needed and not there.
    """
    stated = {key: settings.get("training", key) for key in KEYS}
    labels = {key: settings.label("training", key) for key in KEYS}
    given = [key for key in KEYS if stated[key] is not None]
    if given and goal.task == "regression":
        raise ParameterError(f"{labels[given[0]]} is for classes, and this is a regression. Leave it out.")
    evening = [key for key in given if key in EVENING and not (key == "class_weight" and _own(stated[key]))]
    if len(evening) > 1:
        first, second = (labels[key] for key in evening[:2])
        raise ParameterError(
            f"{first} and {second} contradict each other: both even the classes out, and rare ones would "
            "count twice over. Leave one out."
        )
    if stated["resample"] is not None:
        need_imblearn(str(labels["resample"]))
    classes = np.unique(y) if given else y[:0]
    for key in ("class_weight", "sampling"):
        if _own(stated[key]):
            stated[key] = _by_label(stated[key], classes, str(labels[key]))
    for key in ("threshold", "calibrate"):
        if stated[key] is not None and not goal.loss.probabilities:
            raise ParameterError(
                f"{labels[key]} is for probabilities, and loss {goal.loss.name} gives none. Leave one out."
            )
    if stated["threshold"] is not None and len(classes) != 2:
        raise ParameterError(
            f"{labels['threshold']} is for two classes, and there are {len(classes)}. Leave it out; class "
            "weights and sampling work for any number."
        )
    if isinstance(stated["threshold"], str):
        known_measure(stated["threshold"], str(labels["threshold"]))
    return Balance(settings, **stated)


def known_measure(name: str, label: str) -> None:
    """Raise UnknownNameError where scikit-learn has no scorer of a name."""
    from sklearn.metrics import get_scorer_names

    from ..errors import unknown_name

    if name not in get_scorer_names():
        raise unknown_name(label, name, get_scorer_names())


def _own(value: Any) -> bool:
    return isinstance(value, Mapping)


def _by_label(given: Mapping[str, float], classes: Array, label: str) -> dict[Any, float]:
    """Numbers by the table's own labels, from those by words."""
    known = {str(own).casefold() if classes.dtype.kind == "b" else str(own): own for own in classes.tolist()}
    found = {}
    for word, number in given.items():
        key = word.casefold() if classes.dtype.kind == "b" else word
        if key not in known:
            all_of_them = listed(classes.tolist())
            raise ParameterError(
                f"{label}: {shown(word, 40)} is not among the classes, {all_of_them}. Correct it."
            )
        found[known[key]] = number
    return found
