"""How good a network is on rows it was not trained on, in numbers and in words.

What needs scikit-learn imports it when asked: that takes longer than most trainings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ..training.network import Network

Array = np.ndarray[Any, Any]
Scores = dict[str, float | None]


def predictions(network: Network, X: Array, probabilities: bool = False) -> Array:
    """What a network predicts; raises DataError for rows so far from those trained on that it overflows."""
    with np.errstate(all="ignore"):
        found: Array = network.predict_proba(X) if probabilities else network.predict(X)
    numbers = found.reshape(len(found), -1) if found.dtype.kind == "f" else np.zeros((1, 1))
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        raise DataError(
            f"row {int(np.argmax(bad)) + 1}: the prediction is not finite. Its inputs lie too far from those "
            "that the network was trained on."
        )
    return found


def scores(network: Network, X: Array, y: Array) -> Scores:
    """{"accuracy": ...} for a classifier, {"r2": ...} else; an R2 of a single row is None."""
    if network.classes is not None:
        return {"accuracy": network.evaluate(X, y)["accuracy"]}
    return {"r2": _r2(y, predictions(network, X))}


def baseline(task: str, y_train: Array, y_test: Array) -> Scores:
    """The score of always giving the most frequent class, or the mean, of the training rows."""
    if task == "classification":
        labels, counts = np.unique(y_train, return_counts=True)
        return {"accuracy": float((y_test == labels[counts.argmax()]).mean())}
    return {"r2": _r2(y_test, np.full(len(y_test), y_train.mean()))}


def _r2(y: Array, predicted: Array) -> float | None:
    from sklearn.metrics import r2_score

    return float(r2_score(y, predicted)) if len(y) > 1 else None


def report(network: Network, X: Array, y: Array) -> str:
    """A table: precision, recall and F1 of each class; or the errors of a regression."""
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    if network.classes is not None:
        return network.classification_report(X, y)
    predicted = predictions(network, X)
    lines = [
        ("R2", _r2(y, predicted)),
        ("root mean squared error", root_mean_squared_error(y, predicted)),
        ("mean absolute error", mean_absolute_error(y, predicted)),
    ]
    return "\n".join(f"{name:<24}{_in_words(value):>10}" for name, value in lines)


def summarise(result: dict[str, Any]) -> str:
    """The score beside the baseline's, as a sentence without its full stop."""
    test, least = result["test"], result["baseline"]
    if "accuracy" in test:
        return f"Accuracy {test['accuracy']:.4f}; always the most frequent class: {least['accuracy']:.4f}"
    return f"R2 {_in_words(test['r2'])}; always the mean: {_in_words(least['r2'])}"


def _in_words(value: float | None) -> str:
    """A score with four digits."""
    return "undefined" if value is None else f"{value:.4g}"
