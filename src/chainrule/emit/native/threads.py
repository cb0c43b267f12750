"""Threads: how many there may be, those of BLAS, and our own that run lanes side by side."""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from .blas import blas_module
from .kernels import addresses

Array = np.ndarray[Any, Any]


@cache
def _blas() -> Any:
    """The controller of the threads of SciPy's BLAS; None if it has none that can be set."""
    from threadpoolctl import ThreadpoolController

    blas_module()  # loads the library that is looked for
    found = [x for x in ThreadpoolController().lib_controllers if x.user_api == "blas"]
    ours = [x for x in found if "scipy" in os.path.basename(os.path.dirname(x.filepath) or "")]
    chosen = ours or found
    return chosen[-1] if chosen else None


@cache
def thread_count() -> int:
    """The threads that may run at once: the processors there are, or fewer where BLAS is told so."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    library = _blas()
    return max(1, min(processors, library.get_num_threads() if library is not None else 1))


_blas_lock = threading.RLock()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Within it, BLAS uses so many threads for a product, and nobody else is within."""
    library = _blas()
    with _blas_lock:  # the number is the whole process's
        before = library.get_num_threads() if library is not None else count
        if before != count:
            library.set_num_threads(count)
        try:
            yield
        finally:
            if before != count:
                library.set_num_threads(before)


@cache
def yield_address() -> int:
    """The address of the system's function that gives the processor to other work; 0 if there is none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (AttributeError, OSError, TypeError):
        return 0


@cache
def _driver() -> Any:
    """`runtime.repeat` as a function of its block's address; it runs without the interpreter lock."""
    return ctypes.CFUNCTYPE(None, ctypes.c_int64)(addresses(["repeat"])[0])


class _Helper(threading.Thread):
    """A thread that waits for blocks to drive."""

    def __init__(self) -> None:
        super().__init__(daemon=True, name="chainrule lane")
        self.tasks: queue.SimpleQueue[tuple[Any, int, threading.Event]] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            function, block, done = self.tasks.get()
            function(block)
            done.set()


_helpers: list[_Helper] = []


def _forked() -> None:
    """Threads do not live on in a forked process: neither ours nor one that holds the lock."""
    global _blas_lock
    _helpers.clear()
    _blas_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def drive(blocks: Sequence[int], barrier: Array, many: bool | None) -> None:
    """Run what the blocks of `runtime.repeat` at these addresses say, each on a thread of its own.

    Parameters
    ----------
    blocks : sequence of int
    barrier : ndarray of int64, shape (1,)
        Where the threads meet: how many have come, in all.
    many : bool or None
        Whether BLAS may use several threads; None where its products are too small for it to try.
    """
    function = _driver()
    with nullcontext() if many is None else blas_threads(thread_count() if many else 1):
        if len(blocks) == 1:
            function(blocks[0])
            return
        while len(_helpers) < len(blocks) - 1:
            _helpers.append(_Helper())
        events: list[threading.Event] = []
        try:
            for helper, block in zip(_helpers, blocks[1:], strict=False):
                done = threading.Event()
                helper.tasks.put((function, block, done))
                events.append(done)
            function(blocks[0])
        finally:
            barrier[0] += 1 << 40  # whoever still waits need not: all are done, or this one was interrupted
            _wait_for(events)


def _wait_for(events: Sequence[threading.Event]) -> None:
    """Until all have come, whatever comes in between: what other threads write to must stay as long."""
    interrupt = None
    for event in events:
        while not event.is_set():
            try:
                event.wait()
            except KeyboardInterrupt as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt
