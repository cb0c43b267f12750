"""Moves: elements change their place or are repeated; none is computed.

Each record says by `element` which element of which input stands at a place of the result. Its
arguments are the node and the result's index, one entry an axis; entries have the arithmetic of
`chainrule.emit.native.access.Index`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph.op import Kind, op, promote
from ..graph.tensor import CONSTANT, Tensor, apply, as_tensor, function
from ..shapes import Dim, Shape, axis_of, broadcast, product, reduced, shape_of


def keep_dtype(x: np.dtype[Any], *_others: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    return x


def given_shape(*_shapes: Shape, shape: Shape, **_attrs: Any) -> Shape:
    return shape


# transpose, reshape, expand -------------------------------------------------------------------


def _transpose_text(node: Tensor, texts: Sequence[str]) -> str:
    axes = node.attrs["axes"]
    if axes == tuple(range(len(axes)))[::-1]:
        return f"({texts[0]}).T"
    return f"({texts[0]}).transpose({', '.join(map(str, axes))})"


def _expand_text(node: Tensor, texts: Sequence[str]) -> str:
    shape = node.attrs["shape"]
    if node.inputs[0].op is CONSTANT:
        return f"np.full({shape!r}, {texts[0]}, {node.dtype.name!r})"
    return f"np.broadcast_to({texts[0]}, {shape!r})"


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axes.index(i) for i in range(len(axes)))


op(
    "transpose",
    kind=Kind.MOVE,
    shape=lambda x, axes: tuple(x[a] for a in axes),
    dtype=keep_dtype,
    numpy=_transpose_text,
    latex=lambda node, texts: (
        f"{texts[0]}^T"
        if node.attrs["axes"] == (*range(node.ndim - 2), node.ndim - 1, node.ndim - 2)
        else rf"\operatorname{{transpose}}_{{{', '.join(map(str, node.attrs['axes']))}}}({texts[0]})"
    ),
    vjp=lambda g, y, x, axes: (transpose(g, _inverse(axes)),),
    element=lambda node, index: (0, tuple(index[a] for a in _inverse(node.attrs["axes"]))),
    samples=lambda: [({"axes": (1, 0)},)],
)
op(
    "reshape",
    kind=Kind.MOVE,
    shape=given_shape,
    dtype=keep_dtype,
    numpy="({x}).reshape({shape!r})",
    latex="{x}",
    vjp=lambda g, y, x, shape: (reshape(g, x.shape),),
    samples=lambda: [({"shape": (2, 2, 3)},), ({"shape": (12,)},)],
)
op(
    "expand",
    kind=Kind.MOVE,
    shape=given_shape,
    dtype=keep_dtype,
    numpy=_expand_text,
    latex="{x}",
    vjp=lambda g, y, x, shape: (g,),  # summed where every broadcast is: in gradient
    element=lambda node, index: (0, index),
    samples=lambda: [({"shape": (2, 3, 4)},)],
)

# concatenate ----------------------------------------------------------------------------------


def _concatenated(*shapes: Shape, axis: int) -> Shape:
    first = shapes[0]
    for other in shapes[1:]:
        if reduced(other, [axis], False) != reduced(first, [axis], False) or len(other) != len(first):
            raise ShapeError(f"concatenate: shapes {first} and {other} differ off axis {axis}")
    along: Dim = 0
    for s in shapes:
        along = along + s[axis]
    return (*first[:axis], along, *first[axis + 1 :])


def _concatenate_vjp(g: Tensor, y: Tensor, *xs: Tensor, axis: int) -> tuple[Tensor, ...]:
    parts = []
    start: Dim = 0
    for x in xs:
        stop = start + x.shape[axis]
        key = tuple((start, stop, 1) if a == axis else (None, None, 1) for a in range(g.ndim))
        parts.append(apply("slice", g, key=key))
        start = stop
    return tuple(parts)


op(
    "concatenate",
    kind=Kind.MOVE,
    inputs=("x", "y"),
    shape=_concatenated,
    dtype=lambda *dtypes, axis: promote(*dtypes),
    numpy=lambda node, texts: f"np.concatenate([{', '.join(texts)}], axis={node.attrs['axis']})",
    latex=lambda node, texts: rf"[{'; '.join(texts)}]",
    vjp=_concatenate_vjp,
    samples=lambda: [({"axis": 0},), ({"axis": 1}, (2, 1), (2, 3), (2, 0))],
)

# functions of the package ---------------------------------------------------------------------


@function
def transpose(x: Any, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in another order; in reverse: None."""
    x = as_tensor(x)
    if not isinstance(axes, tuple | list | None):
        raise ShapeError(f"transpose: axes must be a tuple or list of whole numbers, got {axes!r}")
    listed = range(x.ndim)[::-1] if axes is None else axes
    order = tuple(axis_of(a, x.ndim, "transpose") for a in listed)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(f"transpose: axes {axes} do not name each of {x.ndim} axes once")
    return x if order == tuple(range(x.ndim)) else apply("transpose", x, axes=order)


@function
def reshape(x: Any, shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1 and is worked out.

    Raises
    ------
    ShapeError
        If the numbers of elements differ.
    """
    x = as_tensor(x)
    dims = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    total = product(x.shape)
    if any(isinstance(d, int) and d == -1 for d in dims):
        rest = shape_of([d for d in dims if not (isinstance(d, int) and d == -1)])
        known = product(rest)
        if len(rest) != len(dims) - 1 or known == 0:
            raise ShapeError(f"reshape: cannot work out the size -1 in {dims} for shape {x.shape}")
        if isinstance(total, int) and isinstance(known, int) and total % known:
            raise ShapeError(f"reshape: shape {x.shape} has {total} elements, not a multiple of {known}")
        left = total // known if isinstance(total, int) and isinstance(known, int) else _divided(total, known)
        dims = tuple(left if isinstance(d, int) and d == -1 else d for d in dims)
    new = shape_of(dims)
    if product(new) != total:
        raise ShapeError(f"reshape: {x.shape} has {total} elements, {new} has {product(new)}")
    return x if new == x.shape else apply("reshape", x, shape=new)


def _divided(total: Dim, known: Dim) -> Dim:
    if isinstance(total, int):
        raise ShapeError(f"reshape: {total} elements cannot be divided by {known}")
    return total // known


def expand(x: Any, shape: Any) -> Tensor:
    """x repeated to `shape` by NumPy's rule, as ``numpy.broadcast_to`` does."""
    x = as_tensor(x)
    new = shape_of(shape)
    if broadcast(x.shape, new, what="expand") != new:
        raise ShapeError(f"expand: shape {x.shape} does not stretch to {new}")
    return x if new == x.shape else apply("expand", x, shape=new)


broadcast_to = expand


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Tensors joined along an axis."""
    parts = [as_tensor(x) for x in tensors]
    if not parts:
        raise ShapeError("concatenate: no tensors given")
    if not parts[0].ndim:
        raise ShapeError("concatenate: tensors without axes cannot be joined")
    axis = axis_of(axis, parts[0].ndim, "concatenate")
    return parts[0] if len(parts) == 1 else apply("concatenate", *parts, axis=axis)


__all__ = ["broadcast_to", "concatenate", "expand", "reshape", "transpose"]
