"""The way from one number to the loss in steps of a layer's size, and the derivative of each step.

*Stations* are nodes at which a reader would stop on the way: what layers compute, and inside a layer
whatever all of it passes through, such as z1 before a1. Between two stations lies a *stretch*: the
derivative of every element of the later one by every element of the earlier one, while all other stations
stand still. By the chain rule the derivative of the loss is the sum, over all paths from station to
station, of the product of the stretches' derivatives.

Which elements can depend on which follows from the kinds of the ops between (`Relation`); the derivatives
are those of `autodiff`, taken of one output after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ...autodiff.gradient import backpropagate, gradient
from ...graph.evaluate import interpret
from ...graph.op import Kind
from ...graph.tensor import Tensor, constant, placeholder, topological
from ...nn.network import BaseNetwork
from ...ops.move import expand
from ...shapes import names_in
from ..naming import Place

Array = np.ndarray[Any, Any]
Values = Mapping[Tensor, Array]
MOST = 4_000_000  # derivatives of one stretch that are held at a time
WIDEST = 30_000_000  # and for a single row, however many it has


class Relation(IntEnum):
    """Which elements of a node depend on which of another."""

    SAME = 0  # each on the one in its own place
    ROW = 1  # each on those of its row
    ALL = 2


@dataclass(frozen=True)
class Stretch:
    """From one station to the next.

    Attributes
    ----------
    start, end : Tensor
    relation : Relation
    slope : Tensor
        The derivative by `start`, of which part of `end` the seed says.
    seed : Tensor or None
        A place of the end's shape: how much each of its elements counts. None if the end is the loss.
    """

    start: Tensor
    end: Tensor
    relation: Relation
    slope: Tensor
    seed: Tensor | None


class Way:
    """The stations between a number and the loss, and the stretches between them.

    Parameters
    ----------
    network : BaseNetwork
    loss : Tensor
    place : Place
        The number.
    values : mapping of Tensor to ndarray
        Of every node that the loss is made of.
    rows : int

    Attributes
    ----------
    stations : list of Tensor
        Inputs before users; the last is the loss.
    starts : dict of Tensor to (Tensor, Tensor or None, Tensor)
        The stations that depend on the number without another between: the derivatives of all their
        elements by it as a node, the seed of that, and a place of the number's node that says which
        element of it is meant. Without a seed, the end is the loss, and the node the derivative by all.
    stretches : list of Stretch
        Between stations.
    by_rows : bool
        Whether rows stay apart from each other up to the loss.
    dropped : list of Tensor
        Stations left out, as the stretches after them have too many derivatives.
    """

    def __init__(self, network: BaseNetwork, loss: Tensor, place: Place, values: Values, rows: int) -> None:
        self.loss, self.place, self.values, self.rows = loss, place, values, rows
        order = topological([loss])
        reached = {place.node}
        for node in order:
            if not reached.isdisjoint(node.inputs):
                reached.add(node)
        wanted = _stops(network, order)
        chosen = [x for x in order if x in reached and x in wanted and x is not place.node]
        self.stations = [*chosen, loss]
        self.dropped: list[Tensor] = []
        while True:
            self._lay()
            heavy = self._too_large()
            if heavy is None:
                break
            self.stations = [x for x in self.stations if x is not heavy]
            self.dropped.append(heavy)

    # stretches --------------------------------------------------------------------------------

    def _lay(self) -> None:
        self.stretches: list[Stretch] = []
        self.starts: dict[Tensor, tuple[Tensor, Tensor | None, Tensor]] = {}
        ends = set(self.stations)
        for k, end in enumerate(self.stations):
            before = self.stations[:k]
            scalar = end is self.loss
            seed = None if scalar else placeholder(end.shape, end.dtype)
            given = expand(constant(1.0, end.dtype), end.shape) if seed is None else seed
            stop = _others(ends, end)
            found = backpropagate(end, [*before, self.place.node], given, stop)
            relations = {} if scalar else _relations(end, stop)
            side = frontier([found[x] for x in before if x in found], self.values)
            fixed = Relation.ALL if any(_odd(x) for x in side) else Relation.SAME
            for start in before:
                if start in found:
                    relation = Relation.ALL if scalar else max(relations[start], fixed)
                    self.stretches.append(Stretch(start, end, relation, found[start], seed))
            if self.place.node in found:
                self._start(end, found[self.place.node], seed)
        self.by_rows = all(s.relation is not Relation.ALL or s.end is self.loss for s in self.stretches)

    def _start(self, end: Tensor, slope: Tensor, seed: Tensor | None) -> None:
        """The derivative of all of a station by the one number, as a node."""
        tangent = placeholder(slope.shape, slope.dtype)
        if seed is None:
            self.starts[end] = (slope, None, tangent)
        else:
            (column,) = gradient((slope * tangent).sum(), [seed])
            self.starts[end] = (column, seed, tangent)

    def _too_large(self) -> Tensor | None:
        """A station whose stretch has more derivatives than can be held."""
        for s in reversed(self.stretches):
            if s.end is self.loss or s.relation is Relation.SAME:
                continue
            rows = 1 if self.by_rows else self.rows
            if s.relation is Relation.ALL:
                entries = self.values[s.start].size * self.values[s.end].size
            else:
                entries = rows * self.width(s.start) * self.width(s.end)
            if entries > (WIDEST if rows == 1 else MOST):
                return s.start
        return None

    # numbers ----------------------------------------------------------------------------------

    def width(self, node: Tensor) -> int:
        """Elements of one row of a station."""
        return max(1, self.values[node].size // self.rows)

    def first(self) -> dict[Tensor, Array]:
        """What the stations after the number change by, for each unit of it; in each station's shape."""
        found = {}
        for end, (column, seed, tangent) in self.starts.items():
            if seed is None:
                found[end] = np.asarray(self._compute(column, {})[self.place.index])
            else:
                one = np.zeros(self.values[self.place.node].shape, tangent.dtype)
                one[self.place.index] = 1
                nothing = np.zeros(self.values[end].shape, seed.dtype)
                found[end] = self._compute(column, {tangent: one, seed: nothing})
        return found

    def touched(self) -> dict[Tensor, Array]:
        """Which elements of the stations after the number depend on it, whatever the values are.

        Found by other values: all those known that are real numbers are put at odd ones, none of them 0.
        """
        found = {}
        for end, (column, seed, tangent) in self.starts.items():
            if seed is None:
                found[end] = np.ones((), bool)
                continue
            given: dict[Tensor, Array] = {seed: np.zeros(self.values[end].shape, seed.dtype)}
            given[tangent] = np.zeros(self.values[self.place.node].shape, tangent.dtype)
            given[tangent][self.place.index] = 1
            for x in frontier([column], self.values):
                value = self.values[x]
                if x.dtype.kind == "f":
                    given[x] = np.linspace(1, 2, value.size, dtype=x.dtype).reshape(value.shape)
            found[end] = self._compute(column, given) != 0
        return found

    def slopes(self, stretch: Stretch, rows: Array) -> Array:
        """The derivatives of a stretch for some rows.

        Returns
        -------
        ndarray
            Where each element depends on the same one: of shape (rows, width). Where on its row's: (rows,
            width of the end, width of the start). Else (elements of the end, elements of the start), the
            start's rows alone being those asked for if the end is the loss.
        """
        start, end, seed = stretch.start, stretch.end, stretch.seed
        if seed is None:
            whole = self._compute(stretch.slope, {})
            return np.reshape(whole, (self.rows, -1))[rows].reshape(1, -1)
        if stretch.relation is Relation.SAME:
            ones = np.ones((len(rows), *self.values[end].shape[1:]), seed.dtype)
            return self._compute(stretch.slope, {seed: ones}, rows).reshape(len(rows), -1)
        if stretch.relation is Relation.ROW:
            return self._of_rows(stretch, seed, rows)
        shape, count = self.values[end].shape, self.values[end].size
        made = np.empty((count, self.values[start].size), start.dtype)
        for k in range(count):
            one = np.zeros(count, seed.dtype)
            one[k] = 1
            made[k] = self._compute(stretch.slope, {seed: one.reshape(shape)}).ravel()
        return made

    def _of_rows(self, stretch: Stretch, seed: Tensor, rows: Array) -> Array:
        """Each output's derivatives: every row is computed once for each output, many at a time."""
        start, end = stretch.start, stretch.end
        inputs, outputs = self.width(start), self.width(end)
        made = np.empty((len(rows), outputs, inputs), start.dtype)
        ones = np.eye(outputs, dtype=seed.dtype)
        block = max(1, MOST // max(1, len(rows) * max(inputs, outputs)))
        for k in range(0, outputs, block):
            some = ones[k : k + block]
            repeated = np.repeat(rows, len(some))
            seeds = np.tile(some, (len(rows), 1)).reshape(len(repeated), *self.values[end].shape[1:])
            found = self._compute(stretch.slope, {seed: seeds}, repeated)
            made[:, k : k + block] = found.reshape(len(rows), len(some), inputs)
        return made

    def _compute(self, node: Tensor, given: Values, rows: Array | None = None) -> Array:
        """The value of a node beyond the forward pass; of some rows alone, perhaps repeated."""
        known = dict(given)
        for x in frontier([node], self.values):
            if x not in known:
                value = self.values[x]
                known[x] = value if rows is None or not has_rows(x) else value[rows]
        return np.asarray(interpret([node], known)[0])


# which nodes, and what depends on what --------------------------------------------------------


def has_rows(node: Tensor) -> bool:
    """Whether a node's first axis is the batch's."""
    return bool(node.shape) and not isinstance(node.shape[0], int)


def frontier(nodes: Sequence[Tensor], known: Values) -> list[Tensor]:
    """The known nodes that others are computed from, and are met first."""
    if all(x in known for x in nodes):
        return list(nodes)
    order = topological(nodes, known=lambda x: x in known)
    return list(dict.fromkeys(x for node in order for x in node.inputs if x in known))


def forward_values(loss: Tensor, feed: Values, exact: Values) -> dict[Tensor, Array]:
    """The values of all nodes that the loss is made of; those in `exact` as they are there."""
    order = topological([loss])
    known = {**feed, **exact}
    found = interpret(order, {x: known[x] for x in order if x in known})
    return dict(zip(order, found, strict=True))


def _others(stations: set[Tensor], end: Tensor) -> Callable[[Tensor], bool]:
    return lambda x: x in stations and x is not end


def _odd(node: Tensor) -> bool:
    """Whether rows stand anywhere but alone in the first axis, so that some of them cannot be taken."""
    return bool(names_in(node.shape[1:])) or (has_rows(node) and repr(node.shape[0]) != "n")


def _stops(network: BaseNetwork, order: Sequence[Tensor]) -> set[Tensor]:
    """The results of layers, and within a layer the nodes that everything in it passes through."""
    g = network.graph
    values = [*g.xs, *g.trained_values]
    place = {node: k for k, node in enumerate(order)}
    stops = {x for x in g.trained_values if x in place and x.inputs}
    for call, result in zip(network._wiring.calls, g.trained_values, strict=True):
        if result in place:
            stops |= _passages({values[k] for k in call.sources}, result, place)
    return stops


def _passages(sources: set[Tensor], result: Tensor, place: Mapping[Tensor, int]) -> set[Tensor]:
    """Named nodes between a layer's inputs and its result that no way leads around."""
    inside = topological([result], known=lambda x: x in sources)
    reached = set(sources)
    for node in inside:
        if not reached.isdisjoint(node.inputs):
            reached.add(node)
    inside = [x for x in inside if x in reached]
    last_use: dict[Tensor, int] = {}  # of each source and node inside, the last node that reads it
    for k, node in enumerate(inside):
        for x in node.inputs:
            if x in reached:
                last_use[x] = k
    found, open_until = set(), max((last_use.get(x, -1) for x in sources), default=-1)
    for k, node in enumerate(inside):
        if open_until <= k and node.name and node.dtype.kind == "f" and has_rows(node):
            found.add(node)
        open_until = max(open_until, last_use.get(node, -1))
    return {x for x in found if x in place}


def _relations(end: Tensor, stop: Callable[[Tensor], bool]) -> dict[Tensor, Relation]:
    """How a station depends on each of those before it."""
    known: dict[Tensor, dict[Tensor, Relation]] = {}
    for node in topological([end], known=stop):
        own: dict[Tensor, Relation] = {}
        for x in node.inputs:
            step = relation(node, x)
            for start, so_far in ({x: Relation.SAME} if stop(x) else known[x]).items():
                own[start] = max(own.get(start, Relation.SAME), so_far, step)
        known[node] = own
    return known[end]


_KEEPS_ROWS: dict[str, Callable[[Tensor], bool]] = {
    "concatenate": lambda node: node.attrs["axis"] != 0,
    "expand": lambda node: True,
    "pick": lambda node: True,
    "place": lambda node: node.attrs["key"][0] == (None, None, 1),
    "reshape": lambda node: True,
    "slice": lambda node: node.attrs["key"][0] == (None, None, 1),
    "transpose": lambda node: node.attrs["axes"][0] == 0,
}
"""Moves that leave every row where it is, if the first axis is the same before and after."""


def relation(node: Tensor, x: Tensor) -> Relation:
    """How an op's result depends on one of its inputs."""
    kind = node.op.kind
    if kind is Kind.MAP and x.shape == node.shape:
        return Relation.SAME
    aligned = has_rows(x) and has_rows(node) and x.shape[0] == node.shape[0]
    if kind is Kind.MAP:
        keeps = aligned and x.ndim == node.ndim
    elif kind is Kind.PRODUCT:
        keeps = aligned and x is node.inputs[0] and x is not node.inputs[1] and x.ndim == 2
    elif kind is Kind.REDUCE:
        keeps = aligned and 0 not in node.attrs["axis"]
    else:
        stays = _KEEPS_ROWS.get(node.op.name)
        keeps = aligned and stays is not None and stays(node)
    return Relation.ROW if keeps else Relation.ALL
