"""Which element is read: indices as sums of loop counters, and the walk from a node to what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ...graph.op import Kind
from ...graph.tensor import CONSTANT, SIZE, Tensor
from ...ops.slices import place_spans
from ...shapes import Dim, Shape

V = TypeVar("V")


@dataclass(frozen=True)
class Index:
    """A place along one axis: a constant, plus loop counters times whole numbers, plus a computed part.

    `loops` holds pairs (number of the loop, factor); `computed` names an integer that the nest has
    read from an array of indices, known once the loops below `depth` run.
    """

    loops: tuple[tuple[int, int], ...] = ()
    offset: Dim = 0
    computed: str = ""
    depends: frozenset[int] = field(default_factory=frozenset)  # the loops that `computed` needs

    def __add__(self, other: Dim) -> Index:
        return Index(self.loops, self.offset + other, self.computed, self.depends)

    def __mul__(self, factor: int) -> Index:
        if factor == 1:
            return self
        computed = f"({self.computed}) * {factor}" if self.computed else ""
        loops = tuple((k, c * factor) for k, c in self.loops)
        return Index(loops, self.offset * factor, computed, self.depends)

    @property
    def counters(self) -> frozenset[int]:
        """The loops that the index changes with."""
        return frozenset(k for k, _ in self.loops) | self.depends

    @property
    def loop(self) -> int | None:
        """The loop whose counter this is, unchanged; None for anything else."""
        plain = len(self.loops) == 1 and self.loops[0][1] == 1 and not self.computed
        return self.loops[0][0] if plain and isinstance(self.offset, int) and self.offset == 0 else None


ZERO = Index()
Place = tuple[Index, ...]


def counter(loop: int) -> Index:
    """The index that is a loop's counter."""
    return Index(((loop, 1),))


def stretch(index: Sequence[Index], shape: Shape, target: Shape) -> Place:
    """The place in an operand of shape `target` that is read for a place in the broadcast `shape`."""
    lead = len(shape) - len(target)
    return tuple(ZERO if d == 1 else index[lead + a] for a, d in enumerate(target))


def is_squeeze(x: Shape, y: Shape) -> bool:
    """Whether two shapes differ by axes of size 1 only."""
    return [d for d in x if d != 1] == [d for d in y if d != 1]


class Walker(Generic[V]):
    """Goes from an element of a node to what it is computed from; subclasses say what to do there.

    `in_memory` tells which nodes the walk stops at.
    """

    def __init__(self, in_memory: Callable[[Tensor], bool]) -> None:
        self.in_memory = in_memory

    def load(self, node: Tensor, place: Place, shape: Shape) -> V:
        """An element of something in memory, seen with `shape`."""
        raise NotImplementedError

    def number(self, node: Tensor) -> V:
        """A constant or a size."""
        raise NotImplementedError

    def combine(self, node: Tensor, values: Sequence[V]) -> V:
        """A map of its inputs' elements."""
        raise NotImplementedError

    def as_index(self, value: V) -> Index:
        """A value used as an index."""
        raise NotImplementedError

    def choose(
        self, node: Tensor, index: Index, pieces: Sequence[tuple[Dim, Dim, int, Callable[[], V]]]
    ) -> V:
        """The piece (first, end, step, value) that an index falls in; 0 where it falls in none."""
        raise NotImplementedError

    def matches(self, node: Tensor, index: Index, place: Index) -> V:
        """Whether a computed index is the place."""
        raise NotImplementedError

    def random(self, node: Tensor, values: Sequence[V], place: Place) -> V:
        """An element of a random op."""
        raise NotImplementedError

    def value(self, node: Tensor, place: Place) -> V:
        """An element of a node."""
        if node.op is CONSTANT or node.op is SIZE:
            return self.number(node)
        if self.in_memory(node):
            return self.load(node, place, node.shape)
        return self.computed(node, place)

    def computed(self, node: Tensor, place: Place) -> V:
        """An element of a node, from its inputs, even where the node is in memory."""
        kind, name = node.op.kind, node.op.name
        if kind is Kind.MAP or name == "expand":
            parts = [self.value(x, stretch(place, node.shape, x.shape)) for x in node.inputs]
            return parts[0] if name == "expand" else self.combine(node, parts)
        if kind is Kind.RANDOM:
            return self.random(node, [self.value(x, ()) for x in node.inputs], place)
        if kind is Kind.MOVE:
            return self._moved(node, place)
        raise TypeError(f"op {node.op.name} has no elements of its own")

    def _moved(self, node: Tensor, place: Place) -> V:
        name, x = node.op.name, node.inputs[0]
        if node.op.element is not None:
            which, inner = node.op.element(node, place)
            at = tuple(i if isinstance(i, Index) else Index(offset=i) for i in inner)
            return self.value(node.inputs[which], at)
        if name == "reshape":
            if is_squeeze(x.shape, node.shape):
                wide = iter(i for i, d in zip(place, node.shape, strict=True) if d != 1)
                return self.value(x, tuple(ZERO if d == 1 else next(wide) for d in x.shape))
            return self.load(x, place, node.shape)
        if name == "take":
            t = node.inputs[1]
            row = self.as_index(self.value(t, place[: t.ndim]))
            return self.value(x, (row, *place[t.ndim :]))
        if name == "pick":
            return self.value(x, (*place, self.as_index(self.value(node.inputs[1], place))))
        if name == "one_hot":
            return self.matches(node, self.as_index(self.value(x, place[:-1])), place[-1])
        if name == "concatenate":
            return self._joined(node, place)
        if name == "place":
            return self._placed(node, place)
        raise TypeError(f"op {name} does not say where its elements come from")

    def _joined(self, node: Tensor, place: Place) -> V:
        axis = node.attrs["axis"]
        pieces: list[tuple[Dim, Dim, int, Callable[[], V]]] = []
        start: Dim = 0
        for x in node.inputs:
            at = (*place[:axis], place[axis] + -start, *place[axis + 1 :])
            pieces.append((start, start + x.shape[axis], 1, _later(self.value, x, at)))
            start = start + x.shape[axis]
        return self.choose(node, place[axis], pieces)

    def _placed(self, node: Tensor, place: Place) -> V:
        """Where the values were put, axis by axis; 0 elsewhere."""
        x = node.inputs[0]
        spans = place_spans(node.attrs["key"], node.shape)

        def along(axis: int, inner: tuple[Index, ...]) -> V:
            if axis == len(spans):
                wide = iter(inner)
                return self.value(x, tuple(ZERO if d == 1 else next(wide) for d in x.shape))
            low, step, count, first = spans[axis]
            at = place[axis]
            if count != 1:
                shifted = at + -first if step > 0 else at * -1 + first
                inner = (*inner, shifted if abs(step) == 1 else self.divided(shifted, abs(step)))
            end = low + ((count - 1) * abs(step) + 1)
            if abs(step) == 1 and low == 0 and end == node.shape[axis]:
                return along(axis + 1, inner)
            return self.choose(node, at, [(low, end, abs(step), _later(along, axis + 1, inner))])

        return along(0, ())

    def divided(self, index: Index, by: int) -> Index:
        """An index divided by a whole number that goes into it."""
        raise NotImplementedError


def _later(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: function(*arguments)


class Reads(Walker[None]):
    """Collects what an element reads: pairs of a node in memory and the place."""

    def __init__(self, in_memory: Callable[[Tensor], bool]) -> None:
        super().__init__(in_memory)
        self.found: list[tuple[Tensor, Place, Shape]] = []

    def load(self, node: Tensor, place: Place, shape: Shape) -> None:
        self.found.append((node, place, shape))

    def number(self, node: Tensor) -> None:
        return None

    def combine(self, node: Tensor, values: Sequence[None]) -> None:
        return None

    def as_index(self, value: None) -> Index:
        return Index(computed="?")

    def choose(self, node: Tensor, index: Index, pieces: Any) -> None:
        for *_, value in pieces:
            value()

    def matches(self, node: Tensor, index: Index, place: Index) -> None:
        return None

    def random(self, node: Tensor, values: Sequence[None], place: Place) -> None:
        return None

    def divided(self, index: Index, by: int) -> Index:
        return Index(computed="?")
