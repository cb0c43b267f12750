"""Targets: class labels and values as networks take them, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError, ParameterError
from ..nn.loss_base import Loss
from ..training.data import Coding, finite_array
from .losses import classification_loss, regression_loss

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Labels:
    """What a classifier knows of its targets.

    Attributes
    ----------
    classes : ndarray
        Sorted labels; the numbers of the columns where a row may have several.
    multilabel : bool
    """

    classes: Array
    multilabel: bool

    @property
    def count(self) -> int:
        """How many labels there are."""
        return len(self.classes)

    def same_as(self, other: Labels) -> bool:
        """Whether the labels are those of another fit."""
        return self.multilabel == other.multilabel and np.array_equal(self.classes, other.classes)

    def outputs(self, loss: Loss) -> int:
        """How many outputs the network has."""
        if self.multilabel or self.count > 2:
            return self.count
        return 1 if loss.target == "binary" else 2

    def loss(self, loss: Any) -> Loss:
        """The loss as an object; raises ParameterError where it is not for such targets."""
        found = classification_loss(loss, self.multilabel, self.count)
        if self.multilabel and found.target == "classes":
            raise ParameterError(
                f"loss {found.name} is for one label a row; y has columns of labels. Use 'log_loss'."
            )
        return found

    def coding(self, loss: Loss) -> Coding:
        """As a network keeps it."""
        classes = self.classes.astype(str) if self.classes.dtype.kind == "O" else self.classes
        plain = loss.target != "values" and self.count >= 2
        plain = plain and (loss.target == "classes" or self.count == 2)
        return Coding(classes, False) if plain and not self.multilabel else Coding(None, True)

    def numbers(self, y: Array) -> Array:
        """The place of each label among the classes, shape (rows,); of several labels 0 or 1 in columns.

        Raises
        ------
        DataError
            If a label is not among the classes.
        """
        if self.multilabel:
            if y.ndim != 2 or y.shape[1] != self.count:
                raise DataError(f"y: columns for {self.count} labels are needed, got shape {y.shape}.")
            return np.asarray(y != 0, np.int64)
        if y.dtype.kind != self.classes.dtype.kind and "U" in (y.dtype.kind, self.classes.dtype.kind):
            y = y.astype(object)
        try:
            places: Array = np.searchsorted(self.classes, y)
            places[places == self.count] = 0
            strange = self.classes[places] != y
        except TypeError:  # numbers and words cannot be put in order
            known = set(self.classes.tolist())
            strange = np.array([label not in known for label in y.tolist()])
        if np.any(strange):
            raise DataError(
                f"y has classes not in `self.classes_`. `self.classes_` has {self.classes}, y has "
                f"{y[strange][0]!r}."
            )
        return places.astype(np.int64)

    def targets(self, numbers: Array, loss: Loss, dtype: np.dtype[Any]) -> Array:
        """The numbers as the loss takes them."""
        if loss.target == "classes":
            return numbers
        if self.multilabel:
            return np.ascontiguousarray(numbers, dtype)
        if self.outputs(loss) == 1:
            return np.asarray(numbers[:, None], dtype)
        rows: Array = np.eye(self.outputs(loss), dtype=dtype)[numbers]
        return rows

    def read(self, z: Array, loss: Loss) -> Array:
        """The places of the classes from a network's outputs; of several labels 0 or 1 in columns."""
        threshold = 0.0 if loss.target == "binary" else 0.5
        if self.multilabel:
            return (z > threshold).astype(np.int64)
        if z.shape[1] == 1:
            return (z[:, 0] > threshold).astype(np.int64) if self.count > 1 else np.zeros(len(z), np.int64)
        places: Array = np.minimum(z.argmax(axis=1), self.count - 1)
        return places


def found_labels(y: Array) -> Labels:
    """The labels that are in y, shape (rows,), or (rows, labels) of 0 and 1.

    Raises
    ------
    ValueError
        scikit-learn's, if y holds continuous values, or several outputs of classes.
    """
    from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind.startswith("multiclass-multioutput"):
        raise DataError(
            "y: Multioutput target data is not supported: of several columns each must hold 0 and 1 alone. "
            "Fit a classifier for each."
        )
    multilabel = kind == "multilabel-indicator"
    return Labels(np.arange(y.shape[1]) if multilabel else np.asarray(unique_labels(y)), multilabel)


@dataclass(frozen=True)
class Values:
    """What a regressor knows of its targets.

    Attributes
    ----------
    columns : int
    """

    columns: int

    def outputs(self, loss: Loss) -> int:
        return self.columns

    def loss(self, loss: Any) -> Loss:
        """The loss as an object; raises ParameterError where it is for classes."""
        found = regression_loss(loss, self.columns)
        if found.target != "values":
            raise ParameterError(f"MLPRegressor: loss {found.name} is for classes. Use MLPClassifier.")
        return found

    def coding(self, loss: Loss) -> Coding:
        return Coding(None, self.columns > 1)

    def numbers(self, y: Array) -> Array:
        """The values in columns; raises DataError where there are not as many as before."""
        columns = y.reshape(len(y), -1)
        if columns.shape[1] != self.columns:
            raise DataError(f"y: {self.columns} columns are needed, got {columns.shape[1]}.")
        return columns

    def targets(self, numbers: Array, loss: Loss, dtype: np.dtype[Any]) -> Array:
        return finite_array(numbers, dtype, "y")
