"""Layers that join several inputs: sums, products, and inputs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..errors import ParameterError, ShapeError
from ..graph.tensor import Tensor
from ..ops import concatenate
from .layers import Context, Layer

Array = np.ndarray[Any, Any]


class Merge(Layer):
    """A layer of two or more inputs, without parameters."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @property
    def inputs(self) -> None:
        return None

    def outputs(self, *inputs: int) -> int:
        if len(inputs) < 2:
            raise ParameterError(f"{type(self).__name__}: needs at least two inputs, got {len(inputs)}.")
        return self.width(inputs)

    def width(self, inputs: Sequence[int]) -> int:
        """The number of outputs; of a sum or product that of each input."""
        if len(set(inputs)) > 1:
            listed = ", ".join(map(str, inputs))
            raise ShapeError(f"{type(self).__name__}: all inputs need one number of columns, got {listed}.")
        return inputs[0]

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {}

    def join(self, xs: Sequence[Tensor], leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        joined = self.joined(xs)
        joined.name = context.tag.lstrip("_")
        return joined

    def joined(self, xs: Sequence[Tensor]) -> Tensor:
        """The inputs, each of shape (n, columns), as one tensor."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        return {}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        if settings or parameters:
            raise ParameterError(f"{cls.__name__}: has no parameters, got {sorted([*settings, *parameters])}")
        return cls(name=name)


class Add(Merge):
    """The sum of its inputs, all of one width: a skip connection.

    Parameters
    ----------
    name : str, optional

    References
    ----------
    He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition.
    """

    kind = "add"

    def joined(self, xs: Sequence[Tensor]) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total + x
        return total


class Multiply(Merge):
    """The product of its inputs, element by element, all of one width: a gate.

    Parameters
    ----------
    name : str, optional
    """

    kind = "multiply"

    def joined(self, xs: Sequence[Tensor]) -> Tensor:
        total = xs[0]
        for x in xs[1:]:
            total = total * x
        return total


class Concatenate(Merge):
    """Its inputs side by side, in the order given.

    Parameters
    ----------
    name : str, optional
    """

    kind = "concatenate"

    def width(self, inputs: Sequence[int]) -> int:
        return sum(inputs)

    def joined(self, xs: Sequence[Tensor]) -> Tensor:
        return concatenate(list(xs), axis=1)
