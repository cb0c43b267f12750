"""Epochs: rows in a drawn order, batches in slices short enough that Ctrl-C is answered."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

import numpy as np

from ..emit.engine import Runner
from ..nn.init import Purpose
from .progress import Progress

Array = np.ndarray[Any, Any]
SLICE_SECONDS = 0.1  # how long Python waits for compiled code at a time


class Shuffler:
    """The order of rows in each epoch.

    That of epoch e is ``Generator(Philox(key=[seed, 2], counter=[0, e, 0, 0])).permutation(rows)``: it
    depends on the seed and the epoch, not on the orders drawn before.
    """

    def __init__(self, seed: int) -> None:
        self.philox = np.random.Philox(key=np.array([seed, int(Purpose.SHUFFLE)], np.uint64))
        self.generator = np.random.Generator(self.philox)
        self.fresh: Any = self.philox.state

    def order(self, rows: int, epoch: int) -> Array:
        """A permutation of so many rows."""
        self.fresh["state"]["counter"][:] = [0, epoch, 0, 0]
        self.philox.state = self.fresh  # a new generator would cost more than a small network's epoch
        return self.generator.permutation(rows)


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


def run_epochs(
    runner: Runner,
    arrays: Sequence[Any],
    *,
    rows: int,
    batch_size: int,
    epochs: int,
    shuffle: bool,
    seed: int,
    progress: Progress,
    on_epoch: Callable[[float], bool],
) -> bool:
    """Train for some epochs, or until Ctrl-C.

    Parameters
    ----------
    runner : Runner
        Of a program whose first output is the loss, its variables loaded.
    arrays : sequence of array-like
        The program's inputs for all rows.
    rows, batch_size, epochs : int
        The last batch of an epoch has the rows that are left.
    shuffle : bool
        Draw the order of rows anew for each epoch.
    seed : int
    progress : Progress
    on_epoch : callable
        Takes an epoch's mean loss after its last update; says whether to go on.

    Returns
    -------
    bool
        Whether it was interrupted.
    """
    shuffler, pace = Shuffler(seed), Pace()
    in_order = np.arange(rows)
    steps = -(-rows // batch_size)
    losses = np.empty(steps)
    with Interrupt() as interrupt:
        try:
            for epoch in range(epochs):
                order = shuffler.order(rows, epoch) if shuffle else in_order
                done = 0
                while done < steps:
                    count = min(pace.steps, steps - done)
                    started = time.perf_counter()
                    part = order[done * batch_size : (done + count) * batch_size]
                    losses[done : done + count] = runner.epoch(arrays, part, batch_size)
                    pace.record(count, time.perf_counter() - started)
                    done += count
                    progress.advance(count)
                    if interrupt.requested:
                        break
                if done < steps or not on_epoch(float(losses.sum()) / steps):
                    break
                if interrupt.requested:
                    break
        except KeyboardInterrupt:
            interrupt.requested = True
    return interrupt.requested


def tell(message: str) -> None:
    """A line on standard error, for what a person should know whatever else is shown."""
    print(message, file=sys.stderr)
