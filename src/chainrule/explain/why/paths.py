"""The paths from a number to the loss: their sum, their number, and the strongest, without listing all.

A path's strength is the absolute value of its product of derivatives. From the loss backwards, each element
learns how strong the best path from it to the loss is; with that known exactly, a search that always goes
on with the most promising beginning finds the k strongest paths, and looks at few others (A* with an exact
bound; the siblings of a step are ordered once and taken one at a time).
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.tensor import Tensor
from .stations import Relation, Stretch, Way

Array = np.ndarray[Any, Any]
NOTHING = -1e6  # the logarithm that stands for 0: paths with fewer zeros come first
ENTRIES = 4_000_000  # derivatives that are looked at in one go


@dataclass(frozen=True)
class Path:
    """One way from the number to the loss.

    Attributes
    ----------
    value : float
        The product of its derivatives.
    steps : list of (Tensor, int)
        Stations, and which element of each, counted as in the flattened node; the last is the loss.
    slopes : list of float
        The derivative of each by the one before; of the first, by the number.
    """

    value: float
    steps: list[tuple[Tensor, int]]
    slopes: list[float]


@dataclass(frozen=True)
class Paths:
    """What is known of all paths.

    Attributes
    ----------
    total : float
        The sum over all of them.
    count : int or float
        How many are not 0; a float where there are more than floats count exactly.
    strongest : list of Path
        From the strongest down, none of them 0; only where all are, one that is.
    """

    total: float
    count: float
    strongest: list[Path]


def find_paths(way: Way, most: int) -> Paths:
    """The sum over all paths, and up to `most` of the strongest."""
    first, touched = way.first(), way.touched()
    inner = [s for s in way.stretches if s.seed is not None]
    widest = max((way.width(s.start) * way.width(s.end) for s in inner), default=1)
    size = max(1, ENTRIES // widest) if way.by_rows else way.rows
    total, count = 0.0, 0.0
    strongest: list[Path] = []
    for begin in range(0, way.rows, size):
        part = _Rows(way, first, touched, np.arange(begin, min(begin + size, way.rows)), begin == 0)
        total += part.total
        count += part.count
        strongest += part.strongest(most)
        strongest.sort(key=lambda path: -abs(path.value))
        del strongest[most:]
    leading = [path for path in strongest if path.value != 0]
    return Paths(total, int(count) if count < 2**53 else count, leading or strongest[:1])


class _Rows:
    """The paths through some rows."""

    def __init__(
        self,
        way: Way,
        first: dict[Tensor, Array],
        touched: dict[Tensor, Array],
        rows: Array,
        direct: bool,
    ) -> None:
        self.way, self.rows = way, rows
        self.slopes = {id(s): way.slopes(s, rows) for s in way.stretches}
        self.leaving: dict[Tensor, list[Stretch]] = {}
        for s in way.stretches:
            self.leaving.setdefault(s.start, []).append(s)
        ends = [end for end in first if direct or end is not way.loss]
        self.first = {end: self._taken(first[end]) for end in ends}
        self.touched = {end: np.flatnonzero(self._taken(touched[end])) for end in ends}
        self.sums: dict[Tensor, Array] = {way.loss: np.ones(1)}
        self.best: dict[Tensor, Array] = {way.loss: np.zeros(1)}
        self.counts: dict[Tensor, Array] = {way.loss: np.ones(1)}
        for station in reversed(way.stations[:-1]):
            self._look_ahead(station)
        self.total = float(sum(column @ self.sums[end] for end, column in self.first.items()))
        self.count = float(sum((column != 0) @ self.counts[end] for end, column in self.first.items()))
        self.order: dict[tuple[Tensor | None, int], tuple[list[tuple[Tensor, int]], Array, Array]] = {}

    def _taken(self, column: Array) -> Array:
        """What belongs to these rows."""
        return column.reshape(self.way.rows, -1)[self.rows].ravel() if column.ndim else column.ravel()

    def _look_ahead(self, station: Tensor) -> None:
        """What lies between the elements of a station and the loss, from what lies after them."""
        size = len(self.rows) * self.way.width(station)
        sums, counts, best = np.zeros(size), np.zeros(size), np.full(size, -np.inf)
        for s in self.leaving.get(station, ()):
            J = self.slopes[id(s)]
            after = [table[s.end] for table in (self.sums, self.counts, self.best)]
            if s.relation is Relation.SAME:
                J = J.ravel()
                sums += J * after[0]
                counts += (J != 0) * after[1]
                best = np.maximum(best, _log(J) + after[2])
            elif s.relation is Relation.ROW:
                total, number, top = (table.reshape(len(self.rows), -1) for table in after)
                sums += np.einsum("nba,nb->na", J, total).ravel()
                counts += np.einsum("nba,nb->na", J != 0, number).ravel()
                best = np.maximum(best, (_log(J) + top[:, :, None]).max(axis=1).ravel())
            else:
                sums += after[0] @ J
                counts += after[1] @ (J != 0)
                best = np.maximum(best, (_log(J) + after[2][:, None]).max(axis=0))
        self.sums[station], self.counts[station], self.best[station] = sums, counts, best

    def strongest(self, most: int) -> list[Path]:
        """The strongest paths, from the strongest down."""
        found: list[Path] = []
        ticket = itertools.count()
        heap: list[Any] = []

        def push(steps: list[tuple[Tensor, int]], logs: float, values: list[float], rank: int) -> None:
            ends, _, promise = self._onward(steps[-1] if steps else None)
            if rank < len(ends):
                heapq.heappush(heap, (-(logs + promise[rank]), next(ticket), steps, logs, values, rank))

        push([], 0.0, [], 0)
        while heap and len(found) < most:
            promised, _, steps, logs, values, rank = heapq.heappop(heap)
            if found and -promised < NOTHING / 2:
                break  # all others are 0
            ends, slopes, _ = self._onward(steps[-1] if steps else None)
            push(steps, logs, values, rank + 1)
            way, slope = [*steps, ends[rank]], float(slopes[rank])
            if ends[rank][0] is self.way.loss:
                product = float(np.prod([*values, slope]))
                found.append(Path(product, [self._global(step) for step in way], [*values, slope]))
            else:
                push(way, logs + float(_log(np.asarray(slope))), [*values, slope], 0)
        return found

    def _onward(self, step: tuple[Tensor, int] | None) -> tuple[list[tuple[Tensor, int]], Array, Array]:
        """Where an element (None: the number itself) leads, the most promising first."""
        key = step if step is not None else (None, 0)
        if key not in self.order:
            ends: list[tuple[Tensor, int]] = []
            slopes: list[Array] = []
            promise: list[Array] = []
            for end, places, column in self._columns(step):
                ends += [(end, int(k)) for k in places]
                slopes.append(column)
                promise.append(_log(column) + self.best[end][places])
            every, hope = np.concatenate([np.empty(0), *slopes]), np.concatenate([np.empty(0), *promise])
            ranks = np.argsort(-hope, kind="stable")
            ranks = ranks[np.isfinite(hope[ranks])]
            self.order[key] = ([ends[k] for k in ranks], every[ranks], hope[ranks])
        return self.order[key]

    def _columns(self, step: tuple[Tensor, int] | None) -> list[tuple[Tensor, Array, Array]]:
        """The stations after an element: which of their elements depend on it, and the derivatives."""
        if step is None:
            return [(end, self.touched[end], column[self.touched[end]]) for end, column in self.first.items()]
        station, at = step
        found = []
        for s in self.leaving.get(station, ()):
            J, row, own = self.slopes[id(s)], at // self.way.width(station), at % self.way.width(station)
            if s.relation is Relation.SAME:
                found.append((s.end, np.array([at]), J.ravel()[at : at + 1]))
            elif s.relation is Relation.ROW:
                places = row * J.shape[1] + np.arange(J.shape[1])
                found.append((s.end, places, J[row, :, own]))
            else:
                found.append((s.end, np.arange(len(J)), J[:, at]))
        return found

    def _global(self, step: tuple[Tensor, int]) -> tuple[Tensor, int]:
        """An element counted among all rows."""
        station, at = step
        if station is self.way.loss:
            return step
        row, own = divmod(at, self.way.width(station))
        return station, int(self.rows[row]) * self.way.width(station) + own


def _log(values: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.abs(values)), NOTHING)
