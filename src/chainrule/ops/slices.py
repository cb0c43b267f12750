"""Slices: parts of a tensor by whole numbers, ranges and None, and their way back into zeros."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.op import Kind, op
from ..graph.tensor import Tensor, apply, as_tensor, function
from ..shapes import Dim, Shape
from .gather import take
from .move import given_shape, keep_dtype

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
    dtype=keep_dtype,
    numpy=_slice_text,
    latex=lambda node, texts: f"{texts[0]}[{_key_text(node.attrs['key']).rstrip(',')}]",
    vjp=lambda g, y, x, key: (apply("place", g, key=key, shape=x.shape),),
    element=_slice_element,
    samples=lambda: [({"key": ((1, None, 1), None, 2)},), ({"key": ((None, None, -1), (0, 4, 3))},)],
)
op(
    "place",
    kind=Kind.MOVE,
    shape=given_shape,
    dtype=keep_dtype,
    numpy=lambda node, texts: f"place({node.attrs['shape']!r}, {_key_object(node.attrs['key'])}, {texts[0]})",
    helpers=["place"],
    latex=lambda node, texts: (
        rf"\operatorname{{place}}_{{[{_key_text(node.attrs['key']).rstrip(',')}]}}({texts[0]})"
    ),
    vjp=lambda g, y, x, key, shape: (apply("slice", g, key=key),),
    samples=lambda: [({"key": ((1, 4, 1), (0, 4, 1)), "shape": (6, 4)},)],
)

# the function of the package ------------------------------------------------------------------


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
