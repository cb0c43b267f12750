"""Layers that put inputs on one scale and outputs in the target's unit; training leaves them as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..checks import positive_int, real_array
from ..errors import DataError, ParameterError, ShapeError
from ..graph.tensor import Tensor
from ..ops import concatenate, maximum, minimum
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


class Pieces(Layer):
    """The first columns once more, each cut into pieces: a piecewise-linear encoding of numbers.

    A column with the knots b0 < b1 < ... also becomes, for every piece between two knots, how much of it lies
    below the number: (x - b0) / (b1 - b0), from 0 to 1. The network can then bend what it makes of the column
    at every knot, which it otherwise has to learn. The inputs come first and unchanged, then the pieces.

    Parameters
    ----------
    knots : array-like, shape (columns, pieces + 1)
        Rising in each row, in the inputs' units. Quantiles of the training rows do well.
    inputs : int, optional
        How many columns there are in all; else the data tell.
    name : str, optional

    Raises
    ------
    ShapeError, DTypeError, DataError
        For other shapes or types, or knots that are not finite or do not rise.

    References
    ----------
    Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep learning,
    section 3.2.
    """

    kind = "pieces"
    suffix = "_p"

    def __init__(self, knots: Any, inputs: int | None = None, *, name: str | None = None) -> None:
        super().__init__(name)
        knots = real_array(knots, "Pieces: knots", 2)
        if knots.shape[0] < 1 or knots.shape[1] < 2:
            raise ShapeError(f"Pieces: knots need two numbers a column or more, got shape {knots.shape}")
        if not (np.diff(knots, axis=1) > 0).all():
            row = int(np.argmin((np.diff(knots, axis=1) > 0).all(axis=1)))
            raise DataError(f"Pieces: knots must rise; those of column {row} do not. Leave out equal ones.")
        self.given = {"knots": knots}
        self._inputs = None if inputs is None else positive_int(inputs, "Pieces: inputs", "inputs=3")
        self._found: int | None = None

    def __repr__(self) -> str:
        columns, knots = self.given["knots"].shape
        return f"Pieces({columns} columns, {knots - 1} pieces)"

    @property
    def inputs(self) -> int | None:
        return self._found if self.values else self._inputs

    def fill(self, inputs: int, seed: int, position: int, dtype: np.dtype[Any]) -> None:
        super().fill(inputs, seed, position, dtype)
        self._found = inputs

    def outputs(self, *inputs: int) -> int:
        columns, knots = (int(size) for size in self.given["knots"].shape)
        if inputs[0] < columns:
            raise ShapeError(f"Pieces: has knots for {columns} columns, got an input of {inputs[0]}.")
        return inputs[0] + columns * (knots - 1)

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"knots": self.given["knots"].shape}

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        raise ParameterError(f"Pieces: {parameter} was not given")

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        knots = leaves["knots"]
        columns, count = self.given["knots"].shape
        low = knots[:, :-1]
        share = (x[:, :columns, None] - low) / (knots[:, 1:] - low)
        share = minimum(maximum(share, 0), 1)
        share.name = f"share{context.tag}"
        both = concatenate([x, share.reshape(x.shape[0], columns * (count - 1))], axis=1)
        both.name = f"pieces{context.tag}"
        return both

    def settings(self) -> dict[str, Any]:
        return {"inputs": self.inputs}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        if set(parameters) != {"knots"}:
            raise ParameterError(f"Pieces: its parameter is knots, got {sorted(parameters)}")
        return cls(parameters["knots"], settings["inputs"], name=name)
