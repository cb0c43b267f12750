"""The matrix product, batched as NumPy's is."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..graph.op import Kind, arithmetic, op
from ..graph.tensor import Tensor, apply, as_tensor, function
from ..shapes import Shape, broadcast, product
from .move import reshape, transpose


def matmul_shape(a: Shape, b: Shape) -> Shape:
    """(..., n, k) @ (..., k, m) -> (..., n, m)."""
    if a[-1] != b[-2]:
        raise ShapeError(f"matmul: inner sizes differ: {a} @ {b} ({a[-1]} != {b[-2]})")
    return (*broadcast(a[:-2], b[:-2], what="matmul"), a[-2], b[-1])


def _swapped(x: Tensor) -> Tensor:
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


op(
    "matmul",
    kind=Kind.PRODUCT,
    inputs=("x", "y"),
    shape=matmul_shape,
    dtype=arithmetic,
    numpy="({x}) @ ({y})",
    latex="{x}\\,{y}",
    vjp=lambda g, out, x, y: _matmul_vjp(g, x, y),
    samples=lambda: [
        ({}, (3, 4), (4, 2)),
        ({}, (2, 3, 4), (4, 2)),
        ({}, (3, 4), (2, 4, 2)),
        ({}, (2, 1, 3, 2), (3, 2, 1)),
        ({}, (2, 0), (0, 3)),
    ],
)


def _matmul_vjp(g: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if y.ndim == 2 and x.ndim > 2:  # rows of every batch meet the same matrix: one flat product
        n = product(x.shape[:-1])
        rows, flat = reshape(x, (n, x.shape[-1])), reshape(g, (n, g.shape[-1]))
        by_y = _swapped(rows) @ flat
    else:
        by_y = _swapped(x) @ g
    return g @ _swapped(y), by_y


@function
def matmul(x: Any, y: Any) -> Tensor:
    """The matrix product of the last two axes; the axes before them broadcast.

    A vector counts as a row on the left and as a column on the right, as in NumPy.

    Raises
    ------
    ShapeError
        If the inner sizes differ, or an operand has no axes.
    """
    x = as_tensor(x)
    y = as_tensor(y)
    if not x.ndim or not y.ndim:
        raise ShapeError(
            f"matmul: operands need axes, got shapes {x.shape} and {y.shape}. Use * for numbers."
        )
    left = reshape(x, (1, *x.shape)) if x.ndim == 1 else x
    right = reshape(y, (*y.shape, 1)) if y.ndim == 1 else y
    out = apply("matmul", left, right)
    if x.ndim == 1:
        out = reshape(out, (*out.shape[:-2], out.shape[-1]))
    return reshape(out, out.shape[:-1]) if y.ndim == 1 else out


__all__ = ["matmul"]
