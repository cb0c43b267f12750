"""What a network's scores are set beside: always the same answer, and a linear model of the same inputs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted
from ..tables.defaults import LINEAR_ROWS, LINEAR_STEPS, LINEAR_WORK
from ..tables.encoding import MANY
from ..training.loop import tell

Array = np.ndarray[Any, Any]
Scores = dict[str, float | None]


@dataclass(frozen=True)
class Baseline:
    """The simplest answers to a task.

    Attributes
    ----------
    task : {"classification", "regression"}
    usual : object
        The most frequent class, or the mean, of the rows trained on.
    linear : estimator of scikit-learn's, or None
        LogisticRegression or Ridge on standardised inputs.
    """

    task: str
    usual: Any
    linear: Any

    def scores(self, X: Array, y: Array) -> Scores:
        """{"accuracy": ..., "linear_accuracy": ...} for classes, {"r2": ..., "linear_r2": ...} else."""
        predicted = {"": np.full(len(y), self.usual)}
        if self.linear is not None:
            predicted["linear_"] = self.linear.predict(X)
        if self.task == "regression":
            return {f"{name}r2": r2(y, p) for name, p in predicted.items()}
        return {f"{name}accuracy": float((y == p).mean()) for name, p in predicted.items()}


def usual_answer(task: str, y: Array) -> Any:
    """The most frequent class, or the mean as a float."""
    if task == "regression":
        return float(y.mean())
    labels, counts = np.unique(y, return_counts=True)
    return labels[counts.argmax()].item()


def fit_baseline(task: str, X: Array, y: Array) -> Baseline:
    """The baselines of the rows to train on; of very many rows, the linear model takes an even selection.

    Parameters
    ----------
    task : {"classification", "regression"}
    X : ndarray, shape (rows, inputs)
    y : ndarray, shape (rows,)
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows, classes = np.arange(len(y)), np.unique(y, return_index=True)[1]
    each = X.shape[1] * (X.shape[1] if task == "regression" else len(classes) * LINEAR_STEPS)
    most = min(LINEAR_ROWS, max(int(LINEAR_WORK / each), 100))
    if len(y) > most:
        rows = np.linspace(0, len(y) - 1, most).astype(np.int64)
        if task == "classification":
            rows = np.union1d(rows, classes)  # each class at least once
    if X.size > MANY:
        tell(f"fitting a linear model to {counted(len(rows), 'row')}, to compare with")
    model = Ridge() if task == "regression" else LogisticRegression(max_iter=LINEAR_STEPS)
    linear = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to the best for a comparison
        linear.fit(X[rows], y[rows])
    return Baseline(task, usual_answer(task, y), linear)


def r2(y: Array, predicted: Array) -> float | None:
    """R2 as scikit-learn has it; None for a single row, which has none."""
    from sklearn.metrics import r2_score

    return float(r2_score(y, predicted)) if len(y) > 1 else None
