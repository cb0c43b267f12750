"""Measures of a network's predictions, all of them scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import NotFittedError, ParameterError, unknown_name
from .data import encode_targets
from .prediction import PredictingNetwork

Array = np.ndarray[Any, Any]


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

    def scorer(self, metric: str) -> Callable[[Any, Any], float]:
        """A function of X and y that gives one of scikit-learn's scores for the weights of that moment.

        Parameters
        ----------
        metric : str
            The name of a scorer: "accuracy", "f1_macro", "roc_auc_ovr", "r2", "neg_log_loss", ...

        Raises
        ------
        UnknownNameError
            If scikit-learn has no scorer of that name.
        ParameterError
            If the network has several outputs.
        """
        from sklearn.metrics import get_scorer, get_scorer_names

        if metric not in get_scorer_names():
            raise unknown_name("metric", metric, get_scorer_names())
        self._refuse_several("metric")
        score = get_scorer(metric)
        return lambda X, y: float(score(_as_estimator(self), X, self._as_labels(y)))

    def score(self, X: Any, y: Any, metric: str | None = None) -> float:
        """One of scikit-learn's scores on rows and their targets.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        metric : str, optional
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


def _as_estimator(network: Measures) -> Any:
    """What scikit-learn's scorers take."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    kind: Any = RegressorMixin if network.classes is None else ClassifierMixin

    class Fitted(kind, BaseEstimator):  # type: ignore[misc]
        """The network's predictions, to be scored."""

        classes_ = network.classes
        predict = staticmethod(network.predict)
        predict_proba = staticmethod(network.predict_proba)

        def __sklearn_is_fitted__(self) -> bool:
            return True

    return Fitted()
