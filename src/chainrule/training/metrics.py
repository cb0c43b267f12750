"""Measures of a network's predictions, all of them scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ChainruleError, NotFittedError, ParameterError, unknown_name
from .data import encode_targets
from .prediction import PredictingNetwork

Array = np.ndarray[Any, Any]


Metric = str | Callable[[Any, Any, Any], float]
"""A scorer's name as scikit-learn has it, or a function of an estimator, X and y, as `make_scorer` gives."""


class Measures:
    """Scores and reports of what predicts: of a network, or of several together."""

    if TYPE_CHECKING:  # what they need
        built: Any
        classes: Any
        widths: Any
        dtype: Any
        _losses: Any
        _codings: Any

        def predict(self, X: Any) -> Any: ...
        def predict_proba(self, X: Any) -> Any: ...

    def scorer(self, metric: Metric) -> Callable[[Any, Any], float]:
        """A function of X and y that gives one of scikit-learn's scores for the weights of that moment.

        Parameters
        ----------
        metric : str or callable
            The name of a scorer ("accuracy", "f1_macro", "roc_auc_ovr", "r2", "neg_log_loss", ...), or one of
            your own as scikit-learn's `make_scorer` makes them. By name, what is asked of one class of two
            ("f1", "precision", "average_precision", ...) is asked of the class 1, as scikit-learn does, and
            where there is no such label of the second one.

        Raises
        ------
        UnknownNameError
            If scikit-learn has no scorer of that name.
        ParameterError
            If the network has several outputs; where it is called, if scikit-learn refuses.
        """
        score = find_scorer(metric)
        self._refuse_several("metric")
        return lambda X, y: scored(score, metric, *self._as_scored(metric, X, y))

    def _as_scored(self, metric: Metric, X: Any, y: Any) -> tuple[Any, Any, Any]:
        """What a scorer takes: an estimator, X and y."""
        if not (isinstance(metric, str) and without_one(self.classes)):
            return as_estimator(self.classes, self.predict, self.predict_proba), X, self._as_labels(y)
        second = self.classes[1]
        t, _ = encode_targets(y, len(y), self._losses[0], self.widths[0], self.dtype, self._codings[0])
        fitted = as_estimator(
            np.arange(2), lambda X: (self.predict(X) == second).astype(np.int64), self.predict_proba
        )
        return fitted, X, t.reshape(-1).astype(np.int64)

    def score(self, X: Any, y: Any, metric: Metric | None = None) -> float:
        """One of scikit-learn's scores on rows and their targets.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        metric : str or callable, optional
            As for `scorer`; where none is given, accuracy for classes and R2 for values.
        """
        default = "r2" if self.classes is None else "accuracy"
        return self.scorer(default if metric is None else metric)(X, y)

    def confusion_matrix(self, X: Any, y: Any) -> Array:
        """How many rows of each class were taken for which: scikit-learn's, shape (classes, classes).

        A row for each true class, a column for each predicted one, both in the order of `classes`.
        """
        from sklearn.metrics import confusion_matrix

        classes = self._known_classes("confusion_matrix")
        matrix: Array = confusion_matrix(self._as_labels(y), self.predict(X), labels=classes)
        return matrix

    def classification_report(self, X: Any, y: Any, digits: int = 3) -> str:
        """Precision, recall and F1 of each class as a table of text: scikit-learn's."""
        from sklearn.metrics import classification_report

        classes = self._known_classes("classification_report")
        report: str = classification_report(
            self._as_labels(y),
            self.predict(X),
            labels=classes,
            target_names=[str(c) for c in classes],
            digits=digits,
            zero_division=0,
        )
        return report.rstrip()

    def _as_labels(self, y: Any) -> Any:
        """One-hot rows as the labels that `predict` gives; others as they are."""
        if self.classes is None or np.ndim(y) != 2:
            return y
        t, _ = encode_targets(y, len(y), self._losses[0], self.widths[0], self.dtype, self._codings[0])
        return self.classes[t]

    def _known_classes(self, what: str) -> Array:
        if not self.built:
            raise NotFittedError("the network has no weights yet. Call fit first.")
        self._refuse_several(what)
        if self.classes is None:
            raise ParameterError(f"{what}: is for classes, and this network was not fitted to any.")
        classes: Array = self.classes
        return classes

    def _refuse_several(self, what: str) -> None:
        if len(self._losses) > 1:
            raise ParameterError(
                f"{what}: the network has {len(self._losses)} outputs. Measure the parts of predict yourself."
            )


class MeasuredNetwork(PredictingNetwork, Measures):
    """A network with scores and reports."""


def find_scorer(metric: Metric) -> Callable[..., float]:
    """A scorer by its name, or as it is; raises UnknownNameError, or ParameterError for what is neither."""
    from sklearn.metrics import get_scorer, get_scorer_names

    if callable(metric):
        return metric
    if not isinstance(metric, str):
        raise ParameterError(
            f"metric must be the name of a scorer or what make_scorer gives, got {metric!r:.60}. "
            "Pass e.g. 'f1_macro'."
        )
    if metric not in get_scorer_names():
        raise unknown_name("metric", metric, get_scorer_names())
    found: Callable[..., float] = get_scorer(metric)
    return found


def scored(
    score: Callable[..., float], metric: Metric, fitted: Any, X: Any, y: Any, weights: Array | None = None
) -> float:
    """A score, of weighted rows where there are weights.

    Raises
    ------
    ParameterError
        If the scorer refuses: "f1" more than two classes, one of one's own weights.
    """
    weighted = {} if weights is None else {"sample_weight": weights}
    try:
        return float(score(fitted, X, y, **weighted))
    except ChainruleError:
        raise
    except (ValueError, TypeError) as error:
        reason = str(error).strip().rstrip(".")
        raise ParameterError(f"metric {metric!r:.60}: {reason}. Take another.") from error


def without_one(classes: Any) -> bool:
    """Whether there are two classes of which none is called 1, what scorers by name take for yes."""
    return classes is not None and len(classes) == 2 and 1 not in classes.tolist()


def as_estimator(
    classes: Array | None, predict: Callable[[Any], Any], predict_proba: Callable[[Any], Any]
) -> Any:
    """What scikit-learn's scorers take."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    kind: Any = RegressorMixin if classes is None else ClassifierMixin

    class Fitted(kind, BaseEstimator):  # type: ignore[misc]
        """A network's predictions, to be scored."""

        classes_ = classes

        def predict(self, X: Any) -> Any:
            return predict(X)

        def predict_proba(self, X: Any) -> Any:
            return predict_proba(X)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Fitted()
