"""Random numbers as ops: Philox4x64-10, keyed by seed and purpose, counted by step and position.

The same seed, purpose, step and place give the same number in every engine. The numbers are those
of ``numpy.random.Philox(key=[seed, purpose], counter=[0, step, 0, 0])``, in C order.

References
----------
Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..errors import DTypeError, ParameterError
from ..graph.op import Kind, number_type, op
from ..graph.tensor import Tensor, apply, constant
from ..shapes import Shape, shape_of
from .elementwise import cos, log1p, sqrt


def _whole(*dtypes: np.dtype[Any], dtype: str, **_attrs: Any) -> np.dtype[Any]:
    for given in dtypes:
        if given.kind not in "iu":
            raise DTypeError(f"random: seed and step are whole numbers, got {given}")
    return np.dtype(dtype)


def _shape(*_shapes: Shape, shape: Shape, **_attrs: Any) -> Shape:
    return shape


op(
    "random_uniform",
    kind=Kind.RANDOM,
    inputs=("seed", "step"),
    shape=_shape,
    dtype=_whole,
    numpy="uniform({shape!r}, {seed}, {step}, {purpose}, {dtype!r})",
    helpers=["uniform"],
    latex=r"\operatorname{{U}}(0, 1)",
    vjp=lambda g, y, seed, step, **attrs: (None, None),
    cost=20,
)


def random_uniform(shape: Any, seed: Any, step: Any = 0, purpose: int = 0, dtype: str = "float64") -> Tensor:
    """Uniform numbers in [0, 1).

    Parameters
    ----------
    shape : tuple of int, str and Size
    seed, step : int or Tensor of whole numbers
        Another step gives other numbers; so do another seed and another purpose.
    purpose : int
        Tells apart the uses of one seed (weights, shuffles, dropout of each layer).
    dtype : {"float64", "float32"}
        53 or 24 random bits.
    """
    made = number_type(dtype, "random_uniform")
    if made not in (np.float32, np.float64):
        raise DTypeError(f"random_uniform: dtype is float32 or float64, got {dtype}")
    if not 0 <= purpose < 2**63:
        raise ParameterError(f"random_uniform: purpose must be a whole number from 0, got {purpose!r}")
    return apply(
        "random_uniform",
        _counter(seed, "seed"),
        _counter(step, "step"),
        shape=shape_of(shape),
        purpose=int(purpose),
        dtype=made.name,
    )


def random_normal(shape: Any, seed: Any, step: Any = 0, purpose: int = 0, dtype: str = "float64") -> Tensor:
    """Normal numbers of mean 0 and variance 1, from two uniform ones each (Box and Muller, 1958).

    Parameters are those of `random_uniform`.
    """
    u = random_uniform((2, *shape_of(shape)), seed, step, purpose, dtype)
    return sqrt(-2.0 * log1p(-u[0])) * cos(2 * math.pi * u[1])


def _counter(value: Any, what: str) -> Tensor:
    """A whole number modulo 2**64 in the type int64, which keeps its bits."""
    if isinstance(value, Tensor):
        return value
    try:
        bits = operator.index(value) % 2**64
    except TypeError:
        raise DTypeError(f"random: {what} must be a whole number, got {value!r}") from None
    return constant(bits - 2**64 if bits >= 2**63 else bits, np.int64)


__all__ = ["random_normal", "random_uniform"]
