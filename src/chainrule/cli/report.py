"""How good a network is on rows it was not trained on, in numbers and in words.

What needs scikit-learn imports it when asked: that takes longer than most trainings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ensembles.ensemble import Ensemble
from ..errors import DataError
from ..model.network import Network
from ..tables.wording import printable
from .baseline import Scores, r2

Array = np.ndarray[Any, Any]


def predictions(network: Network | Ensemble, X: Array, data: str, probabilities: bool = False) -> Array:
    """What a network predicts; raises DataError for rows so far from those trained on that it overflows."""
    with np.errstate(all="ignore"):
        found: Array = network.predict_proba(X) if probabilities else network.predict(X)
    if not probabilities:
        found = found.reshape(len(found))  # of a network whose targets had an axis for its one output, too
    numbers = found.reshape(len(found), -1) if found.dtype.kind == "f" else np.zeros((1, 1))
    bad = ~np.isfinite(numbers).all(axis=1)
    if bad.any():
        raise DataError(
            f"{data}: row {int(np.argmax(bad)) + 1}: the prediction is not finite. Its inputs lie too far "
            "from those that the network was trained on. Correct them."
        )
    return found


def scores(network: Network | Ensemble, X: Array, y: Array, data: str) -> Scores:
    """{"accuracy": ...} for a classifier, {"r2": ...} else; an R2 of a single row is None."""
    if network.classes is not None:
        return {"accuracy": network.evaluate(X, y)["accuracy"]}
    return {"r2": r2(y, predictions(network, X, data))}


def report(network: Network | Ensemble, X: Array, y: Array, data: str) -> str:
    """A table: precision, recall and F1 of each class; or the errors of a regression."""
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    if network.classes is not None:
        return "\n".join(map(printable, network.classification_report(X, y).split("\n")))
    predicted = predictions(network, X, data)
    lines = [
        ("R2", r2(y, predicted)),
        ("root mean squared error", root_mean_squared_error(y, predicted)),
        ("mean absolute error", mean_absolute_error(y, predicted)),
    ]
    return "\n".join(f"{name:<24}{_in_words(value):>10}" for name, value in lines)


def summarise(result: dict[str, Any]) -> str:
    """The score beside the baselines', as a sentence without its full stop."""
    least, score = result["baseline"], next(iter(result["test"]))
    title, always = ("R2", "the mean") if score == "r2" else ("Accuracy", "the most frequent class")
    digits = ".4g" if score == "r2" else ".4f"
    own, usual = (_in_words(scores[score], digits) for scores in (result["test"], least))
    text = f"{title} {own}; always {always}: {usual}"
    linear = f"linear_{score}"
    return f"{text}; a linear model: {_in_words(least[linear], digits)}" if linear in least else text


def _in_words(value: float | None, digits: str = ".4g") -> str:
    """A score with four digits."""
    return "undefined" if value is None else f"{value:{digits}}"
