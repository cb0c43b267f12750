"""A stream on its way to the loop: parts collected to windows, the next one made ahead, cut into steps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import StreamError
from .loop import Shuffler
from .plan import Plan
from .reader import Reader
from .supply import Ahead, Part, Transform, change

Array = np.ndarray[Any, Any]
WINDOW = 2**25  # bytes of rows that an order is drawn for, where no number of rows is given
GROUP, SECONDS = 2**23, 0.05  # bytes and seconds of batches that lie ready at a time, where they come as such


@dataclass(frozen=True)
class Window:
    """Rows that lie ready.

    Attributes
    ----------
    epoch, step : int
        The step of the epoch that it begins with.
    tables : list of ndarray
        Of each input with rows.
    rows, numbers : ndarray of int64
        Where the steps' rows are in the tables, and in the data.
    size : int
        Rows a step.
    """

    epoch: int
    step: int
    tables: list[Array]
    rows: Array
    numbers: Array
    size: int

    @property
    def steps(self) -> int:
        return -(-len(self.rows) // self.size)


class Streamed:
    """What a loop takes a stream's rows from.

    Only a window of rows, and the next one, are in memory; the loop keeps its state after each, so that no
    row of an earlier one is asked for again.

    Parameters
    ----------
    reader : Reader
        That has looked at the stream.
    plan : Plan
        Its `length` is 0 where nobody knows how many steps an epoch has.
    limited : bool
        Whether epochs end after `plan.length` steps, however many rows there are.
    start : int
        The first epoch.
    transform : callable, optional
        See `Gathered`.

    Attributes
    ----------
    spent : bool
        Whether the last step taken was its window's last.
    """

    def __init__(
        self, reader: Reader, plan: Plan, limited: bool, start: int, transform: Transform | None = None
    ) -> None:
        self.reader, self.plan, self.limited, self.transform = reader, plan, limited, transform
        self.stopped: Callable[[], bool] = lambda: False
        self.spent = False
        self.window: Window | None = None
        self.windows = self._all(start)
        self.made: Window | int = -1
        self.ahead = Ahead() if reader.stream.ahead else None
        self.shuffler = Shuffler(plan.seed)
        self.expected = plan.length or 0
        self.rest: list[tuple[list[Array], Array]] = []  # read already, of the next epoch
        row = sum(x.nbytes // len(x) for x in reader.first)
        rows = reader.stream.window or max(1, WINDOW // row)
        if reader.stream.rows is not None:
            rows = min(rows, reader.stream.rows)
        self.rows = -(-rows // plan.batch_size) * plan.batch_size
        self.rooms: list[list[Array]] = []

    # the loop's side --------------------------------------------------------------------------

    def take(self, epoch: int, step: int, count: int) -> Iterator[Part]:
        while self.window is None or not (
            self.window.epoch == epoch and self.window.step <= step < self.window.step + self.window.steps
        ):
            found = self._following()
            if found is None or found == epoch:
                return
            if isinstance(found, Window):
                self.window = found
        window = self.window
        start = step - window.step
        taken = min(count, window.steps - start)
        self.spent = start + taken == window.steps
        at = slice(start * window.size, (start + taken) * window.size)
        yield Part(window.tables, window.rows[at], window.numbers[window.rows[at]], window.size)

    def close(self) -> None:
        if self.ahead is None:
            self.reader.close()
        else:
            self.ahead.close(self.reader.close)

    def _following(self) -> Window | int | None:
        """The next window, or an epoch that ended; None where nobody waits any more."""
        if self.ahead is None:
            return next(self.windows)
        if self.ahead.asked is None:
            self.ahead.ask("next", self._make)
        if not self.ahead.wait(self.stopped):
            return None
        found = self.made
        if found != self.plan.epochs - 1:  # what comes next is read while this is trained on
            self.ahead.ask("next", self._make)
        return found

    # the reader's side ------------------------------------------------------------------------

    def _make(self) -> None:
        self.made = next(self.windows)

    def _all(self, start: int) -> Iterator[Window | int]:
        """The windows of all epochs; after those of each epoch its number."""
        for epoch in range(start, self.plan.epochs):
            made = self._as_they_come(epoch) if self.reader.stream.batched else self._collected(epoch)
            steps = 0
            for window in made:
                steps = window.step + window.steps
                if self.expected and steps > self.expected:
                    break
                yield window
            self._check(epoch, steps)
            yield epoch

    def _check(self, epoch: int, steps: int) -> None:
        """Raise StreamError where an epoch has not as many steps as it should."""
        self.expected = self.expected or steps
        if steps == self.expected:
            return
        shown = f"stream, epoch {self.plan.first_epoch + epoch + 1}"
        if self.limited:
            wanted = counted(self.expected, "step")
            raise StreamError(
                f"{shown}: ended after {steps:,} of {wanted}. Give more rows, or lower steps_per_epoch."
            )
        compared = "it has more" if steps > self.expected else f"it ended after {steps:,}"
        raise StreamError(
            f"{shown}: {compared} steps, where {self.expected:,} were expected, as before. Give each epoch "
            "the same rows, or pass steps_per_epoch."
        )

    def _collected(self, epoch: int) -> Iterator[Window]:
        """Windows of as many rows as there is room for, in a drawn order; the last has what is left."""
        size, filled, number = self.plan.batch_size, 0, 0
        room = self._room(number)
        left = self.expected * size if self.limited else sys.maxsize
        parts, self.rest = chain(self.rest, self.reader.parts(epoch)), []
        while left and (found := next(parts, None)) is not None:
            *tables, numbers = *found[0], found[1]
            while left and len(numbers):
                count = min(len(numbers), self.rows - filled, left)
                for own, x in zip(room, [*tables, numbers], strict=True):
                    own[filled : filled + count] = x[:count]
                *tables, numbers = [x[count:] for x in (*tables, numbers)]
                filled, left = filled + count, left - count
                if filled == self.rows:
                    yield self._ready(epoch, number, room, filled)
                    filled, number = 0, number + 1
                    room = self._room(number)
            if len(numbers) and self.reader.stream.once:
                self.rest = [(tables, numbers)]
        if filled:
            yield self._ready(epoch, number, room, filled)

    def _room(self, number: int) -> list[Array]:
        """Where a window's rows lie, and their numbers; the window before may still be in use."""
        if not self.rooms:
            kinds = [*((x.shape[1:], x.dtype) for x in self.reader.first), ((), np.dtype(np.int64))]
            self.rooms = [[np.empty((self.rows, *s), d) for s, d in kinds] for _ in range(2)]
        self.rooms.reverse()
        return self.rooms[0]

    def _ready(self, epoch: int, number: int, room: list[Array], rows: int) -> Window:
        *tables, numbers = room
        self._change([x[:rows] for x in tables], numbers[:rows], epoch)
        size, shown = self.plan.batch_size, self.plan.first_epoch + epoch
        order = np.arange(rows)
        if self.plan.shuffle:
            order = self.shuffler.begin(shown, number).permutation(rows)
        return Window(epoch, number * (self.rows // size), tables, order, numbers, size)

    def _as_they_come(self, epoch: int) -> Iterator[Window]:
        """Windows of batches of one size, as many as come within a short time."""
        step, group, since = 0, list[tuple[list[Array], Array]](), 0.0
        left = self.expected if self.limited else sys.maxsize
        parts = self.reader.parts(epoch)
        while left:
            try:
                found = next(parts, None)
            except StreamError:
                if group:  # these came before, and are trained on
                    yield self._grouped(epoch, step, group)
                raise
            if found is None:
                break
            if group and len(found[1]) != len(group[0][1]):
                yield self._grouped(epoch, step, group)
                step, group = step + len(group), []
            since = since if group else time.monotonic()
            group.append(found)
            left -= 1
            size = sum(x.nbytes for x in found[0]) * len(group)
            if size >= GROUP or time.monotonic() - since > SECONDS:
                yield self._grouped(epoch, step, group)
                step, group = step + len(group), []
        if group:
            yield self._grouped(epoch, step, group)

    def _grouped(self, epoch: int, step: int, group: list[tuple[list[Array], Array]]) -> Window:
        tables = [np.concatenate(parts) for parts in zip(*(own for own, _ in group), strict=True)]
        numbers = np.concatenate([own for _, own in group])
        self._change(tables, numbers, epoch)
        return Window(epoch, step, tables, np.arange(len(numbers)), numbers, len(group[0][1]))

    def _change(self, tables: list[Array], numbers: Array, epoch: int) -> None:
        if self.transform is not None:
            shown = self.plan.first_epoch + epoch
            inputs = len(self.reader.network._wiring.inputs)
            change(self.transform, tables[:inputs], numbers, shown, self.plan.seed)
