"""Gathering by indices that are data: take, pick, one_hot, and scatter_add, the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.op import Kind, op
from ..graph.tensor import Tensor, apply, as_tensor
from ..shapes import Dim, Shape, axis_of, shape_of
from .move import reshape, transpose


def _index_dtype(x: np.dtype[Any], t: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    if t.kind not in "iu":
        raise DTypeError(f"an index must be of whole numbers, got {t}. Convert it with .astype('int64').")
    return x


op(
    "take",
    kind=Kind.MOVE,
    inputs=("x", "t"),
    shape=lambda x, t: (*t, *x[1:]),
    dtype=_index_dtype,
    numpy="({x})[{t}]",
    latex="{x}[{t}]",
    vjp=lambda g, y, x, t: (apply("scatter_add", t, g, shape=x.shape), None),
    samples=lambda: [({}, (3, 4), np.array([2, 0, 2, -1])), ({}, (3,), np.array([[1, 1], [0, 2]]))],
)
op(
    "scatter_add",
    kind=Kind.SCATTER,
    inputs=("t", "x"),
    shape=lambda t, x, shape: shape,
    dtype=lambda t, x, shape: _index_dtype(x, t),
    numpy="scatter_add({shape!r}, {t}, {x})",
    helpers=["scatter_add"],
    latex=r"\operatorname{{scatter}}_{{{t}}}({x})",
    vjp=lambda g, y, t, x, shape: (None, apply("take", g, t)),
    samples=lambda: [
        ({"shape": (3, 4)}, np.array([2, 0, 2, -1]), (4, 4)),
        ({"shape": (3,)}, np.array([[1, 1], [0, 2]]), (2, 2)),
    ],
)


def _pick_shape(x: Shape, t: Shape) -> Shape:
    if x[:-1] != t:
        raise ShapeError(f"pick: one index a row is needed: shape {x[:-1]} for {x}, got {t}")
    return t


def _pick_text(node: Tensor, texts: Sequence[str]) -> str:
    x, t = texts
    rows = node.inputs[1].shape
    if len(rows) == 1:
        return f"({x})[np.arange({rows[0]}), {t}]"
    return f"np.take_along_axis({x}, np.expand_dims({t}, -1), -1).squeeze(-1)"


op(
    "pick",
    kind=Kind.MOVE,
    inputs=("x", "t"),
    shape=_pick_shape,
    dtype=_index_dtype,
    numpy=_pick_text,
    latex=r"{x}[\cdot, {t}]",
    vjp=lambda g, y, x, t: (_column(g) * one_hot(t, x.shape[-1]), None),
    samples=lambda: [({}, (3, 4), np.array([3, 0, 3])), ({}, (2, 1, 3), np.array([[2], [0]]))],
)
op(
    "one_hot",
    kind=Kind.MOVE,
    inputs=("t",),
    shape=lambda t, classes: (*t, classes),
    dtype=lambda t, classes: _index_dtype(np.dtype(np.bool_), t),
    numpy="one_hot({t}, {classes})",
    helpers=["one_hot"],
    latex=r"[{t} = j]",
    analytic=False,
)


def _column(g: Tensor) -> Tensor:
    return reshape(g, (*g.shape, 1))


# functions of the package ---------------------------------------------------------------------


def take(x: Any, indices: Any, axis: int = 0) -> Tensor:
    """The slices of x along `axis` that `indices` name; the gradient adds up where one is named twice."""
    x = as_tensor(x)
    axis = axis_of(axis, x.ndim, "take")
    t = index_tensor(indices, x.shape[axis], "take")
    if axis == 0:
        return apply("take", x, t)
    front = transpose(x, (axis, *(a for a in range(x.ndim) if a != axis)))
    out = apply("take", front, t)
    order = [*range(t.ndim, t.ndim + axis), *range(t.ndim), *range(t.ndim + axis, out.ndim)]
    return transpose(out, order)


def pick(x: Any, t: Any) -> Tensor:
    """One element of each row: ``x[..., t]`` with an index for each row.

    Parameters
    ----------
    x : shape (..., classes)
    t : shape (...), whole numbers from 0 to classes - 1

    Returns
    -------
    Tensor, shape (...)
    """
    x = as_tensor(x)
    if not x.ndim:
        raise ShapeError("pick: the tensor has no axes")
    return apply("pick", x, index_tensor(t, x.shape[-1], "pick"))


def one_hot(t: Any, classes: int) -> Tensor:
    """True at the place that t names, shape (..., classes).

    Parameters
    ----------
    t : shape (...), whole numbers from 0 to classes - 1
    """
    (size,) = shape_of(classes)
    return apply("one_hot", index_tensor(t, size, "one_hot"), classes=size)


def index_tensor(t: Any, length: Dim, what: str) -> Tensor:
    """Indices as a tensor; those given as numbers are looked at now, and counted from the start."""
    if isinstance(t, Tensor):
        return t
    array = np.asarray(t)
    if not array.size and not isinstance(t, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind in "iu" and isinstance(length, int) and array.size:
        least, most = int(array.min()), int(array.max())
        if least < -length or most >= length:
            wrong = least if least < -length else most
            raise ShapeError(f"{what}: index {wrong} is out of range for an axis of {length} elements")
        if least < 0:
            array = array.astype(np.int64)
            array = np.where(array < 0, array + length, array)
    return as_tensor(array)


__all__ = ["one_hot", "pick", "take"]
