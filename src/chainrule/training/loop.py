"""Epochs: rows in a drawn order, batches in slices short enough that Ctrl-C is answered."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, Self

import numpy as np

from ..emit.engine import Runner, is_batched
from ..graph.tensor import Tensor
from ..nn.init import Purpose
from .plan import Plan
from .progress import Progress
from .supply import Part, Supply

Array = np.ndarray[Any, Any]
SLICE_SECONDS = 0.1  # how long Python waits for compiled code at a time
FIRST = 1000  # steps whose losses there is room for at first, where nobody knows how many there will be
KEEP_SECONDS = 0.5  # how often the state is kept, to go back to if numbers become infinite


class Shuffler:
    """The order of rows in each epoch.

    That of epoch e is ``Generator(Philox(key=[seed, 2], counter=[0, e, 0, 0])).permutation(rows)``: it
    depends on the seed and the epoch, not on the orders drawn before. That of a stream's window k, counted
    from 0, has ``counter=[0, e, k, 0]``.
    """

    def __init__(self, seed: int) -> None:
        self.philox = np.random.Philox(key=np.array([seed, int(Purpose.SHUFFLE)], np.uint64))
        self.generator = np.random.Generator(self.philox)
        self.fresh: Any = self.philox.state

    def order(self, rows: int, epoch: int) -> Array:
        """A permutation of so many rows."""
        return self.begin(epoch).permutation(rows)

    def begin(self, epoch: int, window: int = 0) -> np.random.Generator:
        """The generator at the first number of an epoch, or of one of its windows."""
        self.fresh["state"]["counter"][:] = [0, epoch, window, 0]
        self.philox.state = self.fresh  # a new generator would cost more than a small network's epoch
        return self.generator


class Interrupt:
    """Within it, the first Ctrl-C sets `requested` instead of raising; a second one raises.

    So a step is never cut in two. Off the main thread, or where the program handles the signal in its own
    way or ignores it (as behind nohup), nothing is changed.
    """

    def __init__(self) -> None:
        self.requested = False
        self.installed = False

    def __enter__(self) -> Self:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._handle)
            self.installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


class Pace:
    """How many steps fill a slice, from how long the last ones took. The results do not depend on it."""

    def __init__(self) -> None:
        self.steps = 1

    def record(self, steps: int, seconds: float) -> None:
        """So many steps took so long."""
        wanted = steps * SLICE_SECONDS / max(seconds, 1e-9)
        self.steps = max(1, int(min(wanted, 16 * self.steps)))


@dataclass(frozen=True)
class Divergence:
    """Where a training left the numbers that can be reckoned with.

    Attributes
    ----------
    epoch, step : int
        Of the step at fault, each counted from 0; the step within its epoch.
    rows : ndarray of int64
        Its batch.
    loss : float
        That step's loss; finite if it is the update that failed.
    tables : list of ndarray or None
        The rows as a supply gave them, for each of the program's inputs with rows.
    """

    epoch: int
    step: int
    rows: Array
    loss: float
    tables: list[Array] | None = None


class Loop:
    """Runs a plan's epochs, in slices.

    Parameters
    ----------
    runner : Runner
        Of a program whose first output is the loss, its variables loaded.
    plan : Plan
    arrays : callable
        ``arrays(first, count)`` gives the program's inputs for so many steps from the one with that number,
        counted over all epochs: the tables whole, other inputs as one number or as one for each step.
    progress : Progress
    supply : callable, optional
        Where rows do not lie ready in `arrays`: makes what gives them, from a function that gives the order
        of an epoch's rows.
    start : (int, ndarray), optional
        Where a fit goes on: so many epochs are finished, and the losses of the next one's steps so far.
    shuffler : Shuffler, optional
        What draws the rows of each epoch, where it is not just their order.

    Attributes
    ----------
    done : int
        How many steps there have been.
    losses : ndarray of float64, shape (steps,)
        Of the present epoch.
    torn : bool
        Whether a second Ctrl-C ended it at once, so that the variables may be those of a later step.
    between : callable, optional
        Called in the middle of epochs, after slices.
    stride : int or None
        Slices end at multiples of so many steps.
    """

    def __init__(
        self,
        runner: Runner,
        plan: Plan,
        arrays: Callable[[int, int], Sequence[Any]],
        progress: Progress,
        supply: Callable[[Callable[[int], Array]], Supply] | None = None,
        start: tuple[int, Array] = (0, np.zeros(0)),
        shuffler: Shuffler | None = None,
    ) -> None:
        self.runner, self.plan, self.arrays, self.progress = runner, plan, arrays, progress
        self.shuffler, self.pace = shuffler or Shuffler(plan.seed), Pace()
        self.in_order = np.arange(plan.rows if plan.length is None else 0)
        self.supply = None if supply is None else supply(self._order)
        self.batched = [is_batched(leaf) for leaf in runner.program.inputs]
        self.divergence: Divergence | None = None
        self.torn = False
        self.between: Callable[[], None] | None = None
        self.stride: int | None = None
        self.first_epoch, earlier = start
        self.done, self.kept_at = 0, 0.0
        self.losses = np.zeros(min(plan.steps, FIRST) if plan.length == 0 else plan.steps)
        self.losses[: len(earlier)] = earlier
        self._keep(self.first_epoch * plan.steps + len(earlier))

    def run(self, on_epoch: Callable[[float], bool]) -> bool:
        """Train until the plan is done, Ctrl-C, a loss that is not finite, or until told to stop.

        After a loss or weight that is not finite, `divergence` says where, and the runner has the weights of
        before the step at fault.

        Parameters
        ----------
        on_epoch : callable
            Takes an epoch's mean loss after its last update; says whether to go on.

        Returns
        -------
        bool
            Whether it was interrupted.
        """
        with Interrupt() as interrupt:
            if self.supply is not None:
                self.supply.stopped = lambda: interrupt.requested
            try:
                for epoch in range(self.first_epoch, self.plan.epochs):
                    loss = self._epoch(epoch, interrupt)
                    if loss is None or not on_epoch(loss) or interrupt.requested:
                        break
                if self.divergence is None and not self._finite():
                    self._go_back(self.done, math.nan)
            except KeyboardInterrupt:
                interrupt.requested = self.torn = True
        return interrupt.requested

    def _epoch(self, epoch: int, interrupt: Interrupt) -> float | None:
        """The mean loss of an epoch; None if it was not finished."""
        first = epoch * self.plan.steps
        order = self._order(epoch) if self.supply is None else None
        done = self.done - first
        while done < self.plan.steps:
            count = min(self.pace.steps, self.plan.steps - done)
            if self.stride is not None:
                count = min(count, self.stride - (first + done) % self.stride)
            started = time.perf_counter()
            losses = self._steps(epoch, order, done, count)
            count = len(losses)
            if not count:
                if interrupt.requested:  # while rows were waited for
                    return None
                self.plan.length = done  # the stream has told how long an epoch is
                self.progress.found(done)
                break
            now = time.perf_counter()
            self.pace.record(count, now - started)
            if not np.isfinite(losses).all():
                at = int(np.argmin(np.isfinite(losses)))
                self._go_back(first + done + at, float(losses[at]))
                return None
            if done + count > len(self.losses):
                self.losses = np.concatenate([self.losses, np.zeros(done + count)])
            self.losses[done : done + count] = losses
            done += count
            self.done = first + done
            self.progress.advance(count)
            if now - self.kept_at > KEEP_SECONDS or (self.supply is not None and self.supply.spent):
                if not self._finite():
                    self._go_back(self.done, math.nan)
                    return None
                self._keep(self.done)
            if done < self.plan.steps:
                if interrupt.requested:
                    return None
                if self.between is not None:
                    self.between()
        # of them all at once: a sum of the sums of slices would depend on the clock
        return self.plan.mean(self.losses[:done])

    def _order(self, epoch: int) -> Array:
        plan = self.plan
        return self.shuffler.order(plan.rows, plan.first_epoch + epoch) if plan.shuffle else self.in_order

    def _steps(self, epoch: int, order: Array | None, done: int, count: int) -> Array:
        """The losses of some steps of an epoch; fewer only where a supply gives fewer."""
        first, size = epoch * self.plan.steps + done, self.plan.batch_size
        if self.supply is None:
            assert order is not None
            return self.runner.epoch(
                self.arrays(first, count), order[done * size : (done + count) * size], size
            )
        found = [np.zeros(0)]
        for taken in self.supply.take(epoch, done, count):
            arrays = self._filled(taken, first, taken.steps)
            found.append(self.runner.epoch(arrays, taken.rows, taken.size))
            first += taken.steps
        return np.concatenate(found)

    def _filled(self, part: Part, first: int, count: int) -> list[Any]:
        """The program's inputs for some steps, with tables that a supply gave."""
        own = iter(part.tables)
        arrays = zip(self.arrays(first, count), self.batched, strict=True)
        return [next(own) if batched else array for array, batched in arrays]

    # going back -------------------------------------------------------------------------------

    def _keep(self, step: int) -> None:
        """Remember the state before a step, to go back to."""
        self.kept, self.done = (step, self.runner.state), step
        self.kept_at = time.perf_counter()

    def _finite(self) -> bool:
        return finite(self.runner.state)

    def _go_back(self, step: int, loss: float) -> None:
        """Put the runner before the first step from which on something is not finite, and say which it is.

        The steps since the state that was kept are made again: they give the same numbers. A variable that is
        not finite stays so; bisection makes fewer steps anew than there were, however many they are.
        """
        self._replay(step)
        if not self._finite():
            loss = math.nan
            while step - self.kept[0] > 1:
                middle = (step + self.kept[0]) // 2
                self._replay(middle)
                if self._finite():
                    self._keep(middle)
                else:
                    step = middle
            step = self.kept[0]
            self._replay(step)
        epoch, at = divmod(step, self.plan.steps)
        self.done = step
        if self.supply is None:
            size = self.plan.batch_size
            self.divergence = Divergence(epoch, at, self._order(epoch)[at * size : (at + 1) * size], loss)
        else:
            for part in self.supply.take(epoch, at, 1):
                taken = [table[part.rows] for table in part.tables]
                self.divergence = Divergence(epoch, at, part.numbers, loss, taken)

    def _replay(self, end: int) -> None:
        """Everything as it was before step `end`."""
        step, state = self.kept
        self.runner.load(state)
        while step < end:
            epoch, at = divmod(step, self.plan.steps)
            count = min(self.plan.steps - at, end - step)
            self._steps(epoch, self._order(epoch) if self.supply is None else None, at, count)
            step += count


def finite(state: Mapping[Tensor, Array]) -> bool:
    """Whether all variables are finite numbers."""
    return all(np.isfinite(x).all() for x in state.values() if x.dtype.kind == "f")


def tell(message: str) -> None:
    """A line on standard error, for what a person should know whatever else is shown."""
    print(message, file=sys.stderr)
