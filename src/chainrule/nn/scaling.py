"""Layers that put inputs on one scale and outputs in the target's unit; training leaves them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..checks import real_array
from ..errors import DataError, ParameterError, ShapeError
from ..graph.tensor import Tensor
from .layers import Context, Layer

Array = np.ndarray[Any, Any]


class _Affine(Layer):
    """A mean and a spread for every column, fixed while the network trains."""

    def __init__(self, mean: Any, std: Any, name: str | None) -> None:
        super().__init__(name)
        kind = type(self).__name__
        self.given = {"mean": real_array(mean, f"{kind}: mean", 1), "std": real_array(std, f"{kind}: std", 1)}
        if self.given["mean"].shape != self.given["std"].shape or not len(self.given["mean"]):
            shapes = f"{self.given['mean'].shape} and {self.given['std'].shape}"
            raise ShapeError(f"{kind}: mean and std need one number a column each, got shapes {shapes}")
        if (self.given["std"] <= 0).any():
            raise DataError(f"{kind}: std must be positive. Use 1 for a column that is constant.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.given['mean'])} columns)"

    @property
    def mean(self) -> Array:
        """The mean of every column."""
        return self.value("mean")

    @property
    def std(self) -> Array:
        """The standard deviation of every column."""
        return self.value("std")

    @property
    def inputs(self) -> int:
        return len(self.given["mean"])

    def outputs(self, *inputs: int) -> int:
        return self.inputs

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"mean": (inputs,), "std": (inputs,)}

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        raise ParameterError(f"{type(self).__name__}: {parameter} was not given")

    def settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        if settings or set(parameters) != {"mean", "std"}:
            raise ParameterError(f"{cls.__name__}: parameters are mean and std, got {sorted(parameters)}")
        return cls(parameters["mean"], parameters["std"], name=name)


class Standardize(_Affine):
    """Inputs on one scale: (x - mean) / std for every column.

    Parameters
    ----------
    mean, std : array-like, shape (inputs,)
        Of the training rows; in the inputs' units.
    name : str, optional

    Raises
    ------
    ShapeError, DTypeError, DataError
        For other shapes or types, numbers that are not finite, or a std that is not positive.
    """

    kind = "standardize"
    suffix = "_x"

    def __init__(self, mean: Any, std: Any, *, name: str | None = None) -> None:
        super().__init__(mean, std, name)

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        scaled = (x - leaves["mean"]) / leaves["std"]
        scaled.name = f"scaled{context.tag}"
        return scaled


class Rescale(_Affine):
    """Outputs in the target's own unit: z * std + mean for every column; the inverse of `Standardize`.

    Parameters
    ----------
    mean, std : array-like, shape (outputs,)
        Of the training rows' targets; in the target's unit.
    name : str, optional

    Raises
    ------
    ShapeError, DTypeError, DataError
        For other shapes or types, numbers that are not finite, or a std that is not positive.
    """

    kind = "rescale"
    suffix = "_y"

    def __init__(self, mean: Any, std: Any, *, name: str | None = None) -> None:
        super().__init__(mean, std, name)

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        y = x * leaves["std"] + leaves["mean"]
        y.name = f"rescaled{context.tag}" if self.name else "y"
        return y
