"""Moves: elements change their place or are repeated; none is computed.

Each record says by `element` which element of which input stands at a place of the result. Its
arguments are the node and the result's index, one entry an axis; entries have the arithmetic of
`chainrule.emit.access.Index`.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.op import Kind, op, promote
from ..graph.tensor import CONSTANT, Tensor, apply, as_tensor, function
from ..shapes import Dim, Shape, axis_of, broadcast, product, reduced, shape_of


def _keep_dtype(x: np.dtype[Any], *_others: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    return x


def _given_shape(*_shapes: Shape, shape: Shape, **_attrs: Any) -> Shape:
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
    dtype=_keep_dtype,
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
    shape=_given_shape,
    dtype=_keep_dtype,
    numpy="({x}).reshape({shape!r})",
    latex="{x}",
    vjp=lambda g, y, x, shape: (reshape(g, x.shape),),
    samples=lambda: [({"shape": (2, 2, 3)},), ({"shape": (12,)},)],
)
op(
    "expand",
    kind=Kind.MOVE,
    shape=_given_shape,
    dtype=_keep_dtype,
    numpy=_expand_text,
    latex="{x}",
    vjp=lambda g, y, x, shape: (g,),  # summed where every broadcast is: in gradient
    element=lambda node, index: (0, index),
    samples=lambda: [({"shape": (2, 3, 4)},)],
)


# slices ---------------------------------------------------------------------------------------

Key = tuple[Any, ...]  # an entry an axis: int, None, or (start, stop, step) of ints and Sizes


def _key_text(key: Key) -> str:
    return ", ".join(_entry_text(entry) for entry in key) + ("," if len(key) == 1 else "")


def _entry_text(entry: Any) -> str:
    if not isinstance(entry, tuple):
        return repr(entry)
    start, stop, step = entry
    text = f"{'' if start is None else start}:{'' if stop is None else stop}"
    return text if step == 1 else f"{text}:{step}"


def _key_object(key: Key) -> str:
    """The same key as an expression that can be passed to a function."""
    parts = [f"slice{e}" if isinstance(e, tuple) else repr(e) for e in key]
    return f"({', '.join(parts)},)"


def _slice_text(node: Tensor, texts: Sequence[str]) -> str:
    key = list(node.attrs["key"])
    while len(key) > 1 and key[-1] == (None, None, 1):
        key.pop()
    return f"({texts[0]})[{_key_text(tuple(key)).rstrip(',')}]"


def _slice_shape(x: Shape, key: Key) -> Shape:
    out: list[Dim] = []
    axes = iter(x)
    for entry in key:
        if entry is None:
            out.append(1)
        elif isinstance(entry, tuple):
            out.append(_span(entry, next(axes))[2])
        else:
            next(axes)
    return tuple(out)


def _span(entry: tuple[Any, Any, int], length: Dim) -> tuple[Dim, int, Dim]:
    """First index, step and number of elements of a slice along an axis of `length`."""
    start, stop, step = entry
    if isinstance(length, int):
        span = range(*slice(start, stop, step).indices(length))
        return span.start, step, len(span)
    if step == -1 and start is None and stop is None:
        return length - 1, -1, length
    first = _from_start(0 if start is None else start, length)
    return first, step, _from_start(length if stop is None else stop, length) - first


def _from_start(place: Dim, length: Dim) -> Dim:
    return length + place if isinstance(place, int) and place < 0 else place


def _slice_element(node: Tensor, index: Sequence[Any]) -> tuple[int, tuple[Any, ...]]:
    out: list[Any] = []
    axes = iter(node.inputs[0].shape)
    places = iter(index)
    for entry in node.attrs["key"]:
        if entry is None:
            next(places)
        elif isinstance(entry, tuple):
            start, step, _ = _span(entry, next(axes))
            out.append(next(places) * step + start)
        else:
            length = next(axes)
            out.append(entry if entry >= 0 else length + entry)
    return 0, tuple(out)


def place_spans(key: Key, shape: Shape) -> list[tuple[Dim, int, Dim, Dim]]:
    """Lowest index, step, number of elements and first index that a key takes along each axis."""
    spans: list[tuple[Dim, int, Dim, Dim]] = []
    axes = iter(shape)
    for entry in key:
        if isinstance(entry, tuple):
            first, step, count = _span(entry, next(axes))
            spans.append((first if step > 0 else first + (count - 1) * step, step, count, first))
        elif entry is not None:
            length = next(axes)
            at = _from_start(entry, length)
            spans.append((at, 1, 1, at))
    return spans


op(
    "slice",
    kind=Kind.MOVE,
    shape=_slice_shape,
    dtype=_keep_dtype,
    numpy=_slice_text,
    latex=lambda node, texts: f"{texts[0]}[{_key_text(node.attrs['key']).rstrip(',')}]",
    vjp=lambda g, y, x, key: (apply("place", g, key=key, shape=x.shape),),
    element=_slice_element,
    samples=lambda: [({"key": ((1, None, 1), None, 2)},), ({"key": ((None, None, -1), (0, 4, 3))},)],
)
op(
    "place",
    kind=Kind.MOVE,
    shape=_given_shape,
    dtype=_keep_dtype,
    numpy=lambda node, texts: f"place({node.attrs['shape']!r}, {_key_object(node.attrs['key'])}, {texts[0]})",
    helpers=["place"],
    latex=lambda node, texts: (
        rf"\operatorname{{place}}_{{[{_key_text(node.attrs['key']).rstrip(',')}]}}({texts[0]})"
    ),
    vjp=lambda g, y, x, key, shape: (apply("slice", g, key=key),),
    samples=lambda: [({"key": ((1, 4, 1), (0, 4, 1)), "shape": (6, 4)},)],
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


# gather and scatter ---------------------------------------------------------------------------


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


def take(x: Any, indices: Any, axis: int = 0) -> Tensor:
    """The slices of x along `axis` that `indices` name; the gradient adds up where one is named twice."""
    x = as_tensor(x)
    axis = axis_of(axis, x.ndim, "take")
    t = _indices(indices, x.shape[axis], "take")
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
    return apply("pick", x, _indices(t, x.shape[-1], "pick"))


def one_hot(t: Any, classes: int) -> Tensor:
    """True at the place that t names, shape (..., classes).

    Parameters
    ----------
    t : shape (...), whole numbers from 0 to classes - 1
    """
    (size,) = shape_of(classes)
    return apply("one_hot", _indices(t, size, "one_hot"), classes=size)


def _indices(t: Any, length: Dim, what: str) -> Tensor:
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


@function
def getitem(x: Any, key: Any) -> Tensor:
    """NumPy's indexing by whole numbers, slices, None, ``...``, and one array of indices."""
    x = as_tensor(x)
    entries = list(key) if isinstance(key, tuple) else [key]
    used = sum(1 for e in entries if e is not None and e is not Ellipsis)
    if used > x.ndim:
        raise ShapeError(f"too many indices: {used} for shape {x.shape}")
    if sum(1 for e in entries if e is Ellipsis) > 1:
        raise ShapeError("an index may have one '...'")
    at = next((i for i, e in enumerate(entries) if e is Ellipsis), None)
    fill: list[Any] = [slice(None)] * (x.ndim - used)
    entries = [*entries, *fill] if at is None else [*entries[:at], *fill, *entries[at + 1 :]]
    arrays = [e for e in entries if isinstance(e, Tensor | np.ndarray | list)]
    if arrays:
        return _by_array(x, entries)
    normal: list[Any] = []
    axis = 0
    for entry in entries:
        normal.append(_key_entry(entry, x.shape[axis]) if entry is not None else None)
        axis += entry is not None
    if all(entry == (None, None, 1) for entry in normal):
        return as_tensor(x)
    return apply("slice", x, key=tuple(normal))


def _key_entry(entry: Any, length: Dim) -> Any:
    if isinstance(entry, slice):
        try:
            start, stop = (v if v is None else operator.index(v) for v in (entry.start, entry.stop))
            step = 1 if entry.step is None else operator.index(entry.step)
        except TypeError:
            raise DTypeError(f"a slice takes whole numbers, got {entry}") from None
        if step == 0:
            raise ShapeError("a slice's step cannot be zero")
        if not isinstance(length, int):
            whole = start is None and stop is None and step == -1
            if not whole and (step != 1 or (stop is not None and stop >= 0)):
                raise ShapeError(
                    f"slice {entry.start}:{entry.stop}:{step} of an axis of named size {length}: only a "
                    "start, a stop counted from the end, or ::-1 can be taken"
                )
        return (start, stop, step)
    try:
        place = None if isinstance(entry, bool | np.bool_) else operator.index(entry)
    except TypeError:
        place = None
    if place is None:
        raise DTypeError(f"an index is a whole number, slice, None, ... or array, got {entry!r}")
    if isinstance(length, int) and not -length <= place < length:
        raise ShapeError(f"index {place} is out of range for an axis of {length} elements")
    return place


def _by_array(x: Tensor, entries: list[Any]) -> Tensor:
    rest = [e for e in entries if not (isinstance(e, slice) and e == slice(None))]
    if len(rest) != 1:
        raise ShapeError("one array of indices with whole slices beside it can be taken; use take or pick")
    if as_tensor(rest[0]).dtype.kind == "b":
        raise DTypeError("a mask gives a shape that is not known before the values; use where")
    axis = next(i for i, e in enumerate(entries) if not isinstance(e, slice))
    return take(x, rest[0], axis)


__all__ = [
    "broadcast_to", "concatenate", "expand", "one_hot", "pick", "reshape", "take", "transpose",
]  # fmt: skip
