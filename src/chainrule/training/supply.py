"""What gives the loop its rows where they do not lie ready in memory: those of some steps at a time.

A fit on dense tables needs none of this: there the engine takes rows by their numbers.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..emit.engine import is_batched
from ..errors import ChainruleError, DataError, ParameterError, ShapeError
from ..graph.tensor import Tensor
from ..optim.rules import Optimizer
from .sparse import Mapped, is_sparse, rows_at_a_time

if TYPE_CHECKING:
    from .plan import Plan

Array = np.ndarray[Any, Any]
Transform = Callable[[Any, Array, int, int], Any]
"""Takes rows, their numbers in the data, the epoch and the seed; gives rows of the same shape."""
PATIENCE = 0.1  # seconds from one look whether Ctrl-C came to the next, while rows are waited for


@dataclass(frozen=True)
class Part:
    """The rows of some steps, one after another.

    Attributes
    ----------
    tables : list of ndarray
        Of each input with rows, in the order of the program's inputs; the same objects for many parts.
    rows : ndarray of int64
        Where the steps' rows are in the tables.
    numbers : ndarray of int64
        The same rows' numbers in the data.
    size : int
        Rows a step. The last step of an epoch may have fewer.
    """

    tables: list[Array]
    rows: Array
    numbers: Array
    size: int

    @property
    def steps(self) -> int:
        return -(-len(self.rows) // self.size)


class Supply(Protocol):
    """What a loop takes its rows from, slice by slice.

    Attributes
    ----------
    stopped : callable
        Asked while rows are waited for; once it says yes, `take` ends early.
    spent : bool
        Whether the steps taken so far cannot be given again, so that the loop has to keep its state.
    """

    stopped: Callable[[], bool]
    spent: bool

    def take(self, epoch: int, step: int, count: int) -> Iterator[Part]:
        """The rows of so many steps of an epoch, from that step on; of fewer at the end of what lies ready.

        The loop asks for one slice after another, and, where numbers became infinite, again for steps since
        `spent` was last true. Where no step is left in the epoch, nothing comes.
        """

    def close(self) -> None:
        """The fit is over."""


class Gathered:
    """Rows of tables that are gathered before the engine sees them, in arrays that are used again and again.

    Sparse tables become dense so, a few rows at a time, and mapped files are converted. A transform changes
    the inputs' rows on the way: while the engine trains on some steps, a thread makes those of the next ones.

    Parameters
    ----------
    inputs : sequence of Tensor
        A program's, of which those with rows are tables.
    tables : sequence
        For each input a dense or sparse (CSR) table; anything for an input without rows.
    plan : Plan
    order : callable
        Gives the order of an epoch's rows.
    transform : callable, optional
        ``transform(x, numbers, epoch, seed)`` takes the rows, shape (rows, inputs), of a network with several
        inputs a list of such; where they stand in the data; the epoch, counted from 0; and the fit's seed. It
        may change the rows in place, and returns rows of the same shape. What it draws may depend on nothing
        but its arguments: the same steps may be asked for again.
    given : int
        How many of the tables, from the first, are inputs of the network: what the transform takes.
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        tables: Sequence[Any],
        plan: Plan,
        order: Callable[[int], Array],
        transform: Transform | None = None,
        given: int = 1,
    ) -> None:
        self.plan, self.order, self.transform, self.given = plan, order, transform, given
        chosen = [(x, table) for x, table in zip(inputs, tables, strict=True) if is_batched(x)]
        self.tables = [table for _, table in chosen]
        wide = min(rows_at_a_time(int(np.prod(table.shape[1:])), x.dtype) for x, table in chosen)
        self.steps = max(1, min(wide // plan.batch_size, plan.steps))
        rows = self.steps * plan.batch_size
        self.places = np.arange(rows)
        sets = 1 if transform is None else 2
        self.rooms = [[np.empty((rows, *t.shape[1:]), x.dtype) for x, t in chosen] for _ in range(sets)]
        self.orders: dict[int, Array] = {}
        self.present: tuple[int, int] | None = None
        self.ahead = None if transform is None else Ahead()
        self.stopped: Callable[[], bool] = lambda: False
        self.spent = False

    def take(self, epoch: int, step: int, count: int) -> Iterator[Part]:
        size, end = self.plan.batch_size, step + count
        while step < end:
            block, start = divmod(step, self.steps)
            numbers = self._block(epoch, block)
            if numbers is None:
                return
            taken = min(self.steps - start, end - step)
            at = slice(start * size, min((start + taken) * size, len(numbers)))
            yield Part(self.rooms[0], self.places[at], numbers[at], size)
            step += taken

    def close(self) -> None:
        if self.ahead is not None:
            self.ahead.close()

    def _block(self, epoch: int, block: int) -> Array | None:
        """Make a block the present one; the numbers of its rows, or None where nobody waits any more."""
        key = (epoch, block)
        numbers = self._numbers(*key)
        if key == self.present:
            return numbers
        if self.ahead is None:
            self._gather(self.rooms[0], numbers, epoch)
            self.present = key
            return numbers
        if self.ahead.asked != key:
            self.ahead.drop()  # where steps are made again, another block was to be next
            self._ask(*key)
        if not self.ahead.wait(self.stopped):
            return None
        self.rooms.reverse()
        self.present = key
        following = (epoch, block + 1) if (block + 1) * self.steps < self.plan.steps else (epoch + 1, 0)
        if following[0] < self.plan.epochs:
            self._ask(*following)
        return numbers

    def _ask(self, epoch: int, block: int) -> None:
        assert self.ahead is not None
        room, numbers = self.rooms[1], self._numbers(epoch, block)
        self.ahead.ask((epoch, block), lambda: self._gather(room, numbers, epoch))

    def _numbers(self, epoch: int, block: int) -> Array:
        if epoch not in self.orders:
            self.orders = {e: order for e, order in self.orders.items() if e == epoch - 1}
            self.orders[epoch] = self.order(epoch)
        rows = len(self.places)
        return self.orders[epoch][block * rows : (block + 1) * rows]

    def _gather(self, room: list[Array], numbers: Array, epoch: int) -> None:
        for table, array in zip(self.tables, room, strict=True):
            part = array[: len(numbers)]
            if is_sparse(table):
                table[numbers].toarray(out=part)
            elif isinstance(table, Mapped):
                part[...] = table[numbers]
            else:
                np.take(table, numbers, axis=0, out=part)
        if self.transform is not None:
            own = [array[: len(numbers)] for array in room[: self.given]]
            change(self.transform, own, numbers, self.plan.first_epoch + epoch, self.plan.seed)


def change(transform: Transform, own: list[Array], numbers: Array, epoch: int, seed: int) -> None:
    """Let a transform change inputs' rows, in place.

    Raises
    ------
    DataError
        With what the transform raised as its cause.
    ShapeError
        If it returns rows of another shape.
    """
    try:
        made = transform(own if len(own) > 1 else own[0], numbers, epoch, seed)
    except ChainruleError:
        raise
    except Exception as error:
        raise DataError(
            f"transform: {type(error).__name__} in epoch {epoch + 1}, for rows {numbers[0]} ... "
            f"{numbers[-1]}: {error}"
        ) from error
    for array, new in zip(own, made if len(own) > 1 else [made], strict=True):
        if new is array:
            continue
        if np.shape(new) != array.shape:
            raise ShapeError(
                f"transform: got rows of shape {array.shape}, gave shape {np.shape(new)}. Return rows of "
                "the same shape."
            )
        array[...] = new


def require_transform(transform: Any, rule: Optimizer) -> None:
    """Raise ParameterError for what cannot change rows, or an optimizer that sees all rows at once."""
    if isinstance(transform, type) or not callable(transform):
        raise ParameterError(
            "fit: transform must be callable, transform(x, numbers, epoch, seed), got "
            f"{transform!r:.60}. Pass a function or an object."
        )
    if rule.whole_batch:
        raise ParameterError(
            f"fit: transform and {type(rule).__name__} contradict each other: rows that change from epoch to "
            "epoch have no minimum to search for. Leave transform out, or take e.g. Adam."
        )


def told_transform(transform: Transform) -> str:
    """A transform as a checkpoint names it: a function by its name, others by their repr."""
    name = getattr(transform, "__qualname__", None)
    return repr(transform) if name is None else f"{transform.__module__}.{name}"


class Ahead:
    """Makes the next thing while the last one is in use: one at a time, in a thread of its own.

    Attributes
    ----------
    asked : hashable or None
        What is being made, or is ready.
    """

    def __init__(self) -> None:
        self.asked: Any = None
        self.jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.ready: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None

    def ask(self, key: Any, job: Callable[[], None]) -> None:
        """Start to make something."""
        if self.thread is None:
            # one that waits for a generator for ever must not keep the process from ending
            self.thread = threading.Thread(target=self._work, name="chainrule rows", daemon=True)
            self.thread.start()
        self.asked = key
        self.jobs.put(job)

    def wait(self, stopped: Callable[[], bool]) -> bool:
        """Wait until it is made, and raise what was raised there; False once that is not wanted any more."""
        while True:
            try:
                error = self.ready.get(timeout=PATIENCE)
            except queue.Empty:
                if stopped():
                    return False
                continue
            self.asked = None
            if error is not None:
                raise error
            return True

    def drop(self) -> None:
        """Wait until what was asked for is made, and forget it."""
        if self.asked is not None:
            self.ready.get()
            self.asked = None

    def close(self, last: Callable[[], None] = lambda: None) -> None:
        """End the thread after what it is making, and do a last thing there."""
        if self.thread is None:
            last()
        self.jobs.put(last)
        self.jobs.put(None)

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            try:
                job()
            except BaseException as error:
                self.ready.put(error)
            else:
                self.ready.put(None)
