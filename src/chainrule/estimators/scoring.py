"""Early stopping by any of scikit-learn's scorers, on the rows held back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..training.metrics import find_scorer, scored, without_one

if TYPE_CHECKING:
    from .watching import Held

LOSS = "loss"  # as of scikit-learn's boosting: the rows' loss, of which less is better


def check_scoring(estimator: Any) -> None:
    """Raise UnknownNameError, or ParameterError, for a scorer that is none."""
    if estimator.scoring not in (None, LOSS):
        find_scorer(estimator.scoring)


def held_score(estimator: Any, held: Held) -> float:
    """The score of rows held back, with the network's weights of that moment.

    By name, what is asked of one class of two ("f1", ...) is asked of the class 1, and where there is no such
    label of the second one. Rows count by their sample_weight; class weights are for training.
    """
    score: Callable[..., float] = find_scorer(estimator.scoring)
    model = copy.copy(estimator)
    model._take_weights()
    vars(model).pop("feature_names_in_", None)  # the rows were checked, and have no names any more
    y = model._as_given(held.numbers)
    if isinstance(estimator.scoring, str) and without_one(getattr(model, "classes_", None)):
        y, model.classes_ = held.numbers, np.arange(2)
    return scored(score, estimator.scoring, model, held.X, y, held.sample_weight)
