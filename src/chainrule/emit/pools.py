"""The threads of the BLAS libraries in the process: NumPy and SciPy have some each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

MUCH = 2e7
"""Operations of a call from which several threads are worth it, even where others use the processors too."""


class _Limit:
    """One thread for BLAS while anybody asks for it, then as many as before."""

    def __init__(self) -> None:
        import scipy.linalg  # noqa: F401  loads SciPy's BLAS, which is to be among those found
        from threadpoolctl import ThreadpoolController

        self.libraries = ThreadpoolController().select(user_api="blas")
        self.lock = threading.Lock()
        self.users = 0
        self.threads = 1
        self.active: Any = None

    def begin(self) -> None:
        with self.lock:
            if not self.users:
                counts = [library.get_num_threads() for library in self.libraries.lib_controllers]
                self.threads = max([1, *counts])
                self.active = self.libraries.limit(limits=1)
            self.users += 1

    def end(self) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self.active.restore_original_limits()


@cache
def _limit() -> _Limit:
    return _Limit()


@contextmanager
def calm(operations: float = 0) -> Iterator[int]:
    """Within it, BLAS uses one thread if calls are small; gives the number of threads that it had.

    Where NumPy's products and SciPy's take turns, or other programs use the processors too, threads wait for
    one another longer than they work: a small product can take fifty times as long as on one thread.
    """
    if operations > MUCH:
        yield 1
        return
    limit = _limit()
    limit.begin()
    try:
        yield limit.threads
    finally:
        limit.end()
