"""An estimator that finds by cross-validation how long to train, then trains so long on all rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..errors import ParameterError
from ..model.cross_validated import (
    EndAfter,
    StoppingReport,
    curves_of,
    folds,
    report_of,
    same_at_any_length,
)
from ..optim.rules import Optimizer
from ..training.checkpoint import Checkpoint
from .base import BasePerceptron

Array = np.ndarray[Any, Any]
NEVER = 10**9  # epochs without a gain that never come


def _has(method: str) -> Any:
    return available_if(lambda self: hasattr(self.estimator, method))


class CrossValidatedStopping(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """`MLPClassifier` or `MLPRegressor`, trained on all rows for as long as cross-validation says.

    For each fold the estimator is trained on the others for its `max_iter` epochs, and the epoch after which
    its validation loss is smallest is noted; the mean of these is how long the final one is trained.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its `max_iter` is the most that is tried; its own ways of stopping are not used.
    cv : int, splitter or iterable
        As scikit-learn's; stratified for classes.
    n_jobs : int, optional
        Folds at once, by joblib.
    verbose : bool
        Tell of each fold on standard error.

    Attributes
    ----------
    estimator_ : the estimator trained on all rows
    report_ : StoppingReport
    classes_, n_features_in_ : as of `estimator_`

    References
    ----------
    Mitchell (1997), Machine Learning, section 4.6.5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from chainrule import CrossValidatedStopping, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = CrossValidatedStopping(MLPClassifier((8,), max_iter=30, random_state=0), cv=3).fit(X, y)
    >>> model.estimator_.n_iter_ == model.report_.epochs
    True
    """

    def __init__(
        self, estimator: Any = None, *, cv: Any = 10, n_jobs: int | None = None, verbose: bool = False
    ) -> None:
        self.estimator = estimator
        self.cv = cv
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Find how long to train, and train on all rows.

        Parameters
        ----------
        X, y, sample_weight : as for the estimator
        groups : array-like, shape (rows,), optional
            For splitters that keep the rows of a group together.

        Raises
        ------
        ParameterError
            If the estimator is none of ours or has no epochs, or the rows cannot be split so.
        """
        if not isinstance(self.estimator, BasePerceptron) or self.estimator._whole_batch:
            raise ParameterError(
                "CrossValidatedStopping: estimator must be a MLPClassifier or MLPRegressor of this package "
                f"that trains in epochs, got {self.estimator!r:.80}."
            )
        if any(isinstance(callback, Checkpoint) for callback in self.estimator.callbacks):
            raise ParameterError(
                "CrossValidatedStopping: its estimator has a Checkpoint among its callbacks, whose folder is "
                "for one fit, and here is one for each fold. Leave it out."
            )
        X, y = self._validated(X, y, reset=True)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=X.dtype)
        most = int(self.estimator.max_iter)
        parts = folds(X, y, self.cv, groups, is_classifier(self.estimator))
        jobs = [_Fold(self._trainee(most), X, y, weights, *part) for part in parts]
        self.report_: StoppingReport = report_of(curves_of(jobs, self.n_jobs, self.verbose), most)
        self.estimator_ = _fit(self._final(most, self.report_.epochs), X, y, weights)
        if is_classifier(self.estimator):
            self.classes_ = self.estimator_.classes_
        return self

    def _validated(self, X: Any, y: Any = "no_validation", reset: bool = False) -> Any:
        values = not is_classifier(self.estimator)
        kinds = (np.float64, np.float32)
        settings = {} if isinstance(y, str) else {"multi_output": True, "y_numeric": values}
        return validate_data(self, X, y, accept_sparse="csr", dtype=kinds, reset=reset, **settings)

    def _trainee(self, epochs: int) -> Any:
        """The estimator anew, to be trained for just so many epochs."""
        return clone(self.estimator).set_params(
            max_iter=epochs, early_stopping=False, n_iter_no_change=NEVER, warm_start=False
        )

    def _final(self, most: int, epochs: int) -> Any:
        """The estimator anew, to be trained for so many epochs at the learning rates that the folds had."""
        solver, rate = self.estimator.solver, self.estimator.learning_rate
        schedule = solver.schedule if isinstance(solver, Optimizer) else rate
        if same_at_any_length(schedule):
            return self._trainee(epochs)
        final = self._trainee(most)
        return final.set_params(callbacks=[*self.estimator.callbacks, EndAfter(epochs)])

    def predict(self, X: Any) -> Array:
        """What `estimator_` predicts."""
        check_is_fitted(self)
        found: Array = self.estimator_.predict(self._validated(X))
        return found

    @_has("predict_proba")
    def predict_proba(self, X: Any) -> Array:
        """The probabilities of `estimator_`."""
        check_is_fitted(self)
        found: Array = self.estimator_.predict_proba(self._validated(X))
        return found

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy or R2, as of `estimator_`."""
        check_is_fitted(self)
        return float(self.estimator_.score(self._validated(X), y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            own = self.estimator.__sklearn_tags__()
            tags.estimator_type = own.estimator_type
            tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
            tags.input_tags, tags.target_tags = own.input_tags, own.target_tags
        return tags


def _fit(model: Any, X: Any, y: Any, sample_weight: Any, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # its epochs are meant to run out
        return model.fit(X, y, sample_weight, **more)


@dataclass(frozen=True)
class _Fold:
    """A fold's training."""

    model: Any
    X: Any
    y: Any
    weights: Any
    train: Array
    test: Array

    def __call__(self) -> list[float]:
        own = None if self.weights is None else self.weights[self.train]
        held = {"X_val": self.X[self.test], "y_val": self.y[self.test]}
        trained = _fit(self.model, self.X[self.train], self.y[self.train], own, **held)
        curve: list[float] = trained.validation_loss_curve_
        return curve
