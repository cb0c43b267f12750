"""What members say of rows that they were not trained on: a test without rows held back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .agreement import ANSWERS, CLASSES
from .combining import Combined

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LeftOut:
    """Predictions of every row by those members only that were not trained on it.

    Attributes
    ----------
    predictions : ndarray of float64, shape (rows, classes), or (rows,) or (rows, outputs) for values
        Means of those members' probabilities or values; NaN for rows that all were trained on.
    members : ndarray of int64, shape (rows,)
        How many members were not trained on the row.
    measure : {"accuracy", "r2"}
    score : float
        Of the rows that some member was not trained on; NaN if there are too few.
    """

    predictions: Array
    members: Array
    measure: str
    score: float

    def __repr__(self) -> str:
        known = int((self.members > 0).sum())
        return f"<{self.measure} {self.score:.4g} on {known:,} of {len(self.members):,} rows>"


def left_out(ensemble: Combined, X: Any, y: Array, apart: Iterable[Array]) -> LeftOut:
    """What an ensemble's members say of the rows that each was not trained on.

    Parameters
    ----------
    ensemble : Combined
    X : array or sparse matrix, shape (rows, inputs)
    y : ndarray
    apart : iterable of ndarray of int64
        For each member the places of those rows.
    """
    counts, total = np.zeros(len(y), np.int64), None
    for network, rows in zip(ensemble.members, apart, strict=True):
        if not len(rows):
            continue
        told = ensemble._told_by(network, X[rows])
        total = np.zeros((len(y), *told.shape[1:])) if total is None else total
        total[rows] += told
        counts[rows] += 1
    known = np.flatnonzero(counts)
    if total is None:
        return LeftOut(np.full(len(y), np.nan), counts, _measure(ensemble), np.nan)
    with np.errstate(invalid="ignore"):
        means = total / counts.reshape(-1, *[1] * (total.ndim - 1))
    return LeftOut(means, counts, _measure(ensemble), _score(ensemble, X, y, means, known))


def _measure(ensemble: Combined) -> str:
    return "accuracy" if ensemble._kind in (CLASSES, ANSWERS) else "r2"


def _score(ensemble: Combined, X: Any, y: Array, means: Array, known: Array) -> float:
    if ensemble._kind == CLASSES:
        t = ensemble._first._targets(y[known], [X[known]], ensemble._codings)[0][0]
        return float((means[known].argmax(axis=1) == t.reshape(len(t), -1)[:, 0]).mean())
    if ensemble._kind == ANSWERS:
        return float(((means[known] > 0.5) == (y[known] > 0.5)).mean())
    from sklearn.metrics import r2_score

    return float(r2_score(y[known], means[known])) if len(known) > 1 else np.nan
