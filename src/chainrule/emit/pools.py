"""The threads of the BLAS libraries in the process: NumPy and SciPy have some each."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

MUCH = 2e7
"""Operations of a call from which several threads are worth it, even where others use the processors too."""


@cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401  loads SciPy's BLAS, which is to be among those found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def calm(operations: float) -> AbstractContextManager[Any]:
    """Within it, BLAS uses one thread if calls are small.

    Where NumPy's products and SciPy's take turns, or other programs use the processors too, threads wait for
    one another longer than they work: a small product can take fifty times as long as on one thread.
    """
    return nullcontext() if operations > MUCH else _libraries().limit(limits=1)
