"""Shapes: broadcasting, axes, and sizes that have a name instead of a number.

A size is an int, or a :class:`Size`: a sum of products of names such as ``n`` (batch) or ``n*t``
(batch by time). One graph with named sizes serves every batch and every sequence length.
"""

from __future__ import annotations

import keyword
import math
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .errors import ParameterError, ShapeError


def identifier(name: object, what: str, example: str) -> str:
    """`name`, if printed source can call something so; ParameterError if not."""
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ParameterError(f"{what} {name!r} is not a plain identifier. Use e.g. {example!r}.")
    return name


class Size:
    """A polynomial with whole coefficients in named sizes, e.g. ``n``, ``n*t`` or ``n - 1``.

    Two sizes are equal when their polynomials are. A polynomial without names is never a
    Size: arithmetic gives back an int where the names cancel.

    >>> n, t = Size.named("n"), Size.named("t")
    >>> n * t + 1, n - n, (n * t) // t
    (n*t + 1, 0, n)
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[tuple[str, ...], int]) -> None:
        self.terms = tuple(sorted((names, k) for names, k in terms.items() if k))

    @staticmethod
    def named(name: str) -> Size:
        """The size called `name`, a plain identifier."""
        return Size({(identifier(name, "size name", "n"),): 1})

    def _lowered(self) -> Dim:
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return self

    def __add__(self, other: Dim) -> Dim:
        if not _is_dim(other):
            return NotImplemented
        terms = dict(self.terms)
        for names, k in _terms(other):
            terms[names] = terms.get(names, 0) + k
        return Size(terms)._lowered()

    __radd__ = __add__

    def __mul__(self, other: Dim) -> Dim:
        if not _is_dim(other):
            return NotImplemented
        terms: dict[tuple[str, ...], int] = {}
        for names, k in self.terms:
            for more, j in _terms(other):
                both = tuple(sorted(names + more))
                terms[both] = terms.get(both, 0) + k * j
        return Size(terms)._lowered()

    __rmul__ = __mul__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        if not _is_dim(other):
            return NotImplemented
        return self + other * -1

    def __rsub__(self, other: int) -> Dim:
        if not _is_dim(other):
            return NotImplemented
        return -self + other

    def __floordiv__(self, other: Dim) -> Dim:
        """Division by one product that goes into every term; raises ShapeError where it does not."""
        if not _is_dim(other):
            return NotImplemented
        divisor = _terms(other)
        if len(divisor) == 1 and divisor[0][1]:
            by, j = divisor[0]
            quotient: dict[tuple[str, ...], int] = {}
            for names, k in self.terms:
                left = Counter(names)
                left.subtract(by)
                if min(left.values(), default=0) >= 0 and k % j == 0:
                    quotient[tuple(sorted(left.elements()))] = k // j
            if len(quotient) == len(self.terms):
                return Size(quotient)._lowered()
        raise ShapeError(f"size {self} is not divisible by {other}")

    def __rfloordiv__(self, other: int) -> Dim:
        if other == 0:
            return 0
        raise ShapeError(f"size {other} is not divisible by {self}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(self.terms)

    def __repr__(self) -> str:
        text = ""
        for names, k in reversed(self.terms):
            factors = ([] if abs(k) == 1 and names else [str(abs(k))]) + list(names)
            sign = (" + " if text else "") if k > 0 else (" - " if text else "-")
            text += sign + "*".join(factors)
        return text


Dim = int | Size
Shape = tuple[Dim, ...]


def _terms(value: Dim) -> Sequence[tuple[tuple[str, ...], int]]:
    return value.terms if isinstance(value, Size) else (((), operator.index(value)),)


def _is_dim(value: object) -> bool:
    return isinstance(value, Size) or hasattr(value, "__index__")


def shape_of(dims: object) -> Shape:
    """A shape from what people write: an int, a name, or a sequence of ints, names and sizes.

    >>> shape_of(("n", 64))
    (n, 64)
    """
    if isinstance(dims, int | str | Size):
        dims = (dims,)
    if not isinstance(dims, Iterable):
        raise ShapeError(f"a shape is a tuple of sizes, got {dims!r}. Write e.g. ('n', 64).")
    return tuple(_dim(d) for d in dims)


def _dim(value: object) -> Dim:
    if isinstance(value, Size):
        return value
    if isinstance(value, str):
        return Size.named(value)
    try:
        size = value.__index__()  # type: ignore[attr-defined]
    except AttributeError:
        raise ShapeError(f"a size is a whole number or a name, got {value!r}") from None
    if size < 0:
        raise ShapeError(f"a size cannot be negative, got {size}")
    return int(size)


def names_in(shape: Iterable[Dim]) -> set[str]:
    """The names that occur in a shape's sizes."""
    return {name for d in shape if isinstance(d, Size) for names, _ in d.terms for name in names}


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """The number that a size stands for, given its names' numbers.

    >>> evaluate(Size.named("n") * 2, {"n": 32})
    64
    """
    if isinstance(dim, int):
        return dim
    return sum(k * math.prod(sizes[name] for name in names) for names, k in dim.terms)


def evaluate_shape(shape: Shape, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape with numbers in place of names."""
    return tuple(evaluate(d, sizes) for d in shape)


def bind(shape: Shape, actual: Sequence[int], what: str, sizes: dict[str, int]) -> None:
    """Match an array's shape to a declared one and record in `sizes` what the names stand for.

    Raises
    ------
    ShapeError
        If the number of axes, a fixed size, or a name's earlier value differs.
    """
    if len(shape) != len(actual):
        raise ShapeError(f"{what}: expected shape {shape}, got {tuple(actual)}")
    for declared, size in zip(shape, actual, strict=True):
        if isinstance(declared, Size) and len(declared.terms) == 1 and declared.terms[0][1] == 1:
            names = declared.terms[0][0]
            if len(names) == 1 and names[0] not in sizes:
                sizes[names[0]] = size
    for declared, size in zip(shape, actual, strict=True):
        unknown = names_in([declared]) - set(sizes)
        if unknown:
            raise ShapeError(f"{what}: cannot tell size {sorted(unknown)[0]!r} from shape {shape}")
        if evaluate(declared, sizes) != size:
            known = {k: v for k, v in sizes.items() if k in names_in(shape)}
            given = f" with {', '.join(f'{k} = {v}' for k, v in known.items())}" if known else ""
            raise ShapeError(f"{what}: expected shape {shape}{given}, got {tuple(actual)}")


def product(dims: Iterable[Dim]) -> Dim:
    """The product of sizes; 1 for none."""
    total: Dim = 1
    for d in dims:
        total = total * d
    return total


def broadcast(*shapes: Shape, what: str = "broadcast") -> Shape:
    """The shape that NumPy's rule gives: align on the right, a 1 stretches.

    >>> broadcast((3, 1), (4,))
    (3, 4)
    """
    first = shapes[0] if shapes else ()
    if shapes.count(first) == len(shapes):
        return first
    rank = max(len(s) for s in shapes)
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    out: list[Dim] = []
    for axis in range(rank):
        wide = dict.fromkeys(s[axis] for s in padded if s[axis] != 1)
        if len(wide) > 1:
            listed = " and ".join(str(s) for s in shapes)
            raise ShapeError(f"{what}: shapes {listed} do not broadcast ({' != '.join(map(str, wide))})")
        out.append(next(iter(wide), 1))
    return tuple(out)


def axis_of(axis: object, ndim: int, what: str) -> int:
    """An axis counted from the left, from one that may be counted from the right."""
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ShapeError(f"{what}: an axis is a whole number, got {axis!r}")
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{what}: axis {axis} is out of range for {ndim} axes")
    return axis % ndim


def axes_of(axis: object, ndim: int, what: str) -> tuple[int, ...]:
    """Sorted distinct axes, from None (all), one axis or several."""
    if axis is None:
        return tuple(range(ndim))
    listed = [axis_of(a, ndim, what) for a in (axis if isinstance(axis, tuple | list) else (axis,))]
    if len(set(listed)) != len(listed):
        raise ShapeError(f"{what}: axis {axis} names an axis twice")
    return tuple(sorted(listed))


def reduced(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """A shape after the reduction of `axes`."""
    return tuple(1 if i in axes else d for i, d in enumerate(shape) if keepdims or i not in axes)


def kept_axes(shape: Shape, target: Shape) -> tuple[int, ...]:
    """The axes to sum so that what was broadcast from `target` to `shape` goes back to it."""
    lead = len(shape) - len(target)
    return tuple(i for i, d in enumerate(shape) if i < lead or (target[i - lead] == 1 and d != 1))
