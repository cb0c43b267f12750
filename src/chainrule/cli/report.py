"""How good a network is on rows it was not trained on, in numbers and in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..training.network import Network

Array = np.ndarray[Any, Any]


def scores(network: Network, X: Array, y: Array) -> dict[str, float]:
    """{"accuracy": ...} for a classifier, {"r2": ...} else."""
    from sklearn.metrics import accuracy_score, r2_score

    predicted = network.predict(X)
    if network.classes is not None:
        return {"accuracy": float(accuracy_score(y, predicted))}
    return {"r2": float(r2_score(y, predicted))}


def baseline(task: str, y_train: Array, y_test: Array) -> dict[str, float]:
    """The score of always giving the most frequent class, or the mean, of the training rows."""
    from sklearn.metrics import accuracy_score, r2_score

    if task == "classification":
        labels, counts = np.unique(y_train, return_counts=True)
        return {"accuracy": float(accuracy_score(y_test, np.full(len(y_test), labels[counts.argmax()])))}
    return {"r2": float(r2_score(y_test, np.full(len(y_test), y_train.mean())))}


def report(network: Network, X: Array, y: Array) -> str:
    """A table: precision, recall and F1 of each class; or the errors of a regression."""
    from sklearn.metrics import classification_report, mean_absolute_error, r2_score, root_mean_squared_error

    predicted = network.predict(X)
    if network.classes is not None:
        table: str = classification_report(y, predicted, digits=3, zero_division=0)
        return table.rstrip()
    lines = [
        ("R2", r2_score(y, predicted)),
        ("root mean squared error", root_mean_squared_error(y, predicted)),
        ("mean absolute error", mean_absolute_error(y, predicted)),
    ]
    return "\n".join(f"{name:<24}{value:>10.4g}" for name, value in lines)
