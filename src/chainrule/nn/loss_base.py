"""What all losses share: elements become one number, rows are weighted, targets are checked.

A loss states its elements, a number for each output or for each row. How they become one number, and
what weights of rows do, is the same for all and stands in `Loss.__call__`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..checks import real_number
from ..errors import DataError, ParameterError, ShapeError
from ..graph.tensor import Tensor, as_tensor
from ..ops import where

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Loss:
    """What losses share: own ones are classes of it with a name, `elements`, and what else differs.

    Attributes
    ----------
    name : str
    target : {"values", "classes", "binary"}
        What targets are: numbers of shape (n, outputs), one whole number a row, or numbers from 0 to 1.
    over : {"mean", "row_sum", "sum"}
        How elements become one number: their mean; their sum over a row's outputs, then the mean over
        rows; the sum of them all.
    probabilities : bool
        Whether `prediction` gives probabilities; the outputs are logits then.
    squares : float
        Where elements are squared errors of the outputs, times what; 0 where they are not.
    """

    name: ClassVar[str]
    target: ClassVar[str] = "values"
    over: ClassVar[str] = "mean"
    probabilities: ClassVar[bool] = False
    squares: ClassVar[float] = 0.0

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        """The loss of each output, shape (n, outputs), or of each row, shape (n,).

        Parameters
        ----------
        z : Tensor, shape (n, outputs)
            The network's outputs.
        t : Tensor
            Targets: for classes whole numbers of shape (n,), else numbers of the outputs' shape.
        """
        raise NotImplementedError

    def prediction(self, z: Tensor) -> Tensor:
        """What the outputs predict, in the targets' unit; for classes, probabilities."""
        return z

    def check(self, t: Array, what: str) -> None:
        """Raise DataError if targets of the right shape hold what this loss is not for.

        Parameters
        ----------
        t : ndarray
            Targets as `elements` takes them.
        what : str
            What errors call them.
        """

    def to_json(self) -> Any:
        """Its name, or where settings are not the default ones name and settings, for `loss_from_json`."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = all(field.default == settings[field.name] for field in dataclasses.fields(self))
        return self.name if plain else {"name": self.name, **settings}

    def __call__(self, z: Any, t: Any, weights: Any = None) -> Tensor:
        """The loss of a batch.

        Parameters
        ----------
        z : tensor-like, shape (n, outputs)
        t : tensor-like, shape (n,) for classes, else (n, outputs)
        weights : tensor-like, shape (n,), optional
            How much each row counts: a mean becomes the weighted mean, sum(w * l) / sum(w). If all are 0, so
            is the loss.

        Returns
        -------
        Tensor, shape ()

        Raises
        ------
        ShapeError
            If the shapes do not fit; nothing is broadcast.
        """
        z, t = as_tensor(z), as_tensor(t)
        self._check_shapes(z, t)
        each = self.elements(z, t)
        loss = self._mean(each) if weights is None else self._weighted(each, as_tensor(weights, z.dtype))
        loss.name = "loss"
        return loss

    def _require_setting(self, field: str, low: float, high: float = math.inf, low_too: bool = True) -> None:
        """Make a setting a float from `low` (or above it) to below `high`; raises ParameterError."""
        what = f"{type(self).__name__}: {field}"
        number = real_number(getattr(self, field), what, low, high, low_too=low_too)
        object.__setattr__(self, field, number)  # the dataclass is frozen

    def _mean(self, each: Tensor) -> Tensor:
        if self.over == "sum":
            return each.sum()
        return each.sum(axis=1).mean() if self.over == "row_sum" and each.ndim == 2 else each.mean()

    def _weighted(self, each: Tensor, weights: Tensor) -> Tensor:
        if each.ndim == 0:
            raise ParameterError(
                f"loss {self.name} gives one number for a batch, so its rows cannot be weighted. "
                "Return an element for each row."
            )
        if weights.shape != each.shape[:1]:
            raise ShapeError(f"{self.name}: one weight a row is needed, got {weights.shape} for {each.shape}")
        if each.ndim == 2:
            each = each.mean(axis=1) if self.over == "mean" else each.sum(axis=1)
        total = (weights * each).sum()
        if self.over == "sum":
            return total
        whole = named(weights.sum(), "total_weight")
        return total / where(whole > 0, whole, 1)

    def _check_shapes(self, z: Tensor, t: Tensor) -> None:
        if self.target == "classes":
            if z.ndim != 2 or t.ndim != 1:
                raise ShapeError(
                    f"{self.name}: logits of shape (n, classes) and one class a row, shape (n,), are "
                    f"needed, got {z.shape} and {t.shape}"
                )
        elif z.shape != t.shape or z.ndim != 2:
            raise ShapeError(
                f"{self.name}: prediction and target must both have shape (n, outputs), "
                f"got {z.shape} and {t.shape}"
            )


def require_targets(right: Array, t: Array, what: str, needs: str) -> None:
    """Raise DataError that shows the first target where `right` is false."""
    if not right.all():
        place = tuple(int(i) for i in np.argwhere(~right)[0])
        position = f"row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
        raise DataError(f"{what}: {needs}, got {t[place]} in {position}.")


def named(x: Tensor, name: str) -> Tensor:
    """A node with the name that printed source calls it by."""
    x.name = name
    return x
