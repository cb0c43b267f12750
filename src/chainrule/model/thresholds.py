"""The probability from which on a network says yes, chosen by a measure on rows held back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError, NotFittedError, ParameterError
from ..training.metrics import Metric, as_estimator, find_scorer, scored, without_one

if TYPE_CHECKING:
    from .deciding import DecidingNetwork

Array = np.ndarray[Any, Any]
MOST = 200  # thresholds that are tried


@dataclass(frozen=True)
class ThresholdReport:
    """A threshold, and what it does on the rows that it was chosen on.

    Attributes
    ----------
    threshold : float
        The probability of `label` from which on it is predicted.
    label : object
        The second of the network's classes.
    measure : str
    score, before : float
        With the threshold, and with that of before: 0.5 where there was none.
    rows : int
    thresholds, scores : ndarray, shape (thresholds,)
        All that were tried.
    """

    threshold: float
    label: Any
    measure: str
    score: float
    before: float
    rows: int
    thresholds: Array = field(repr=False)
    scores: Array = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold; of the thresholds the chosen one."""
        return {
            "threshold": self.threshold,
            "label": self.label,
            "measure": self.measure,
            "score": self.score,
            "before": self.before,
            "rows": self.rows,
        }

    def __str__(self) -> str:
        return (
            f"{self.label!r:.40} from a probability of {self.threshold:.4g} on\n"
            f"{self.measure} {self.before:.4f} before, {self.score:.4f} after\n"
            f"on the {counted(self.rows, 'row')} that it was chosen on"
        )


def need_two_classes(network: DecidingNetwork, what: str) -> None:
    """Raise where there is no probability of yes that a threshold could be for."""
    if not network.built or not network._codings:
        raise NotFittedError(f"{what}: the network was not fitted yet. Call fit first.")
    network._refuse_several(what)
    loss, classes = network._losses[0], network.classes
    if classes is None or not loss.probabilities:
        raise ParameterError(
            f"{what}: is for probabilities of two classes, and loss {loss.name!r} gives none here."
        )
    if len(classes) != 2:
        raise ParameterError(
            f"{what}: is for two classes, and the network has {len(classes)}: thresholds for several would "
            "leave rows without a class, or with two. Take class_weight or sampling."
        )


def tune_threshold(network: DecidingNetwork, X: Any, y: Any, measure: Metric) -> ThresholdReport:
    """See `Network.tune_threshold`."""
    need_two_classes(network, "tune_threshold")
    score = find_scorer(measure)
    tables = network._tables(X)
    ts, _ = network._targets(y, tables, network._codings)
    places = ts[0].reshape(-1).astype(np.int64)
    if len(np.unique(places)) < 2:
        only = network.classes[places[0]].item()
        raise DataError(f"tune_threshold: all rows are of class {only!r}. Pass rows of both classes.")
    p = np.asarray(network.predict_proba(X), np.float64)
    numbered = isinstance(measure, str) and without_one(network.classes)
    classes = np.arange(2) if numbered else network.classes
    present = 0.5 if network.threshold is None else network.threshold

    def measured(threshold: float) -> float:
        chosen = classes[(p[:, 1] >= threshold).astype(np.int64)]
        fitted = as_estimator(classes, lambda X: chosen, lambda X: p)
        return scored(score, measure, fitted, X, classes[places])

    tried = np.union1d(candidates(p[:, 1], places), [present])
    scores = np.array([measured(threshold) for threshold in tried])
    name = measure if isinstance(measure, str) else name_of(measure)
    if np.isnan(scores).all() or np.nanmin(scores) == np.nanmax(scores):
        raise ParameterError(
            f"tune_threshold: {name} is {scores[0]:.6g} with every threshold. Take a measure of decisions, "
            "such as 'f1' or 'balanced_accuracy'."
        )
    best = np.flatnonzero(scores == np.nanmax(scores))
    at = best[np.abs(tried[best] - 0.5).argmin()]  # of equal ones, that which changes least
    network.threshold = float(tried[at])
    before = float(scores[np.searchsorted(tried, present)])
    label = network.classes[1].item()
    return ThresholdReport(
        float(tried[at]), label, name, float(scores[at]), before, len(places), tried, scores
    )


def candidates(p: Array, places: Array) -> Array:
    """Thresholds halfway between the probability of a row that is a yes and the next smaller one of any row.

    A measure that rewards every yes that is found, and every no that is left out, is best at one of these. Of
    very many there is an even selection.

    >>> candidates(np.array([0.1, 0.3, 0.6, 0.8]), np.array([0, 1, 0, 1]))
    array([0.2, 0.7])
    """
    every = np.unique(p)
    below = np.concatenate([[0.0], every[:-1]])
    of_yes = np.searchsorted(every, np.unique(p[places == 1]))
    found: Array = (every[of_yes] + below[of_yes]) / 2
    found = found[(found > 0) & (found < 1)]
    if len(found) > MOST:
        found = found[np.linspace(0, len(found) - 1, MOST).round().astype(np.int64)]
    return found


def name_of(measure: Any) -> str:
    """What a scorer of one's own is called: scikit-learn's know their function."""
    function = getattr(measure, "_score_func", measure)
    return str(getattr(function, "__name__", type(function).__name__))
