"""Blocks of the fixed kernels: rows of int64 that hold sizes and addresses, by the names of their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Call = tuple[int, Array]  # machine code and its block

GEMM = ("numbers", "scale", "gemm", "count", "a", "a_step", "b", "b_step", "c", "c_step", "arguments")
"""Of `runtime.gemm_f4`, which does C = alpha A B + beta C so many times. Its numbers are alpha, beta and what
alpha is of the scale: 1 or -1. Steps are in bytes; the arguments are addresses as BLAS wants them.
"""
GATHER = ("rows", "width", "source", "target", "places")
"""Of `runtime.gather`: the numbers of the rows are at `places`; a row's width is in bytes."""
COPY = ("source", "source_step", "target", "target_step", "bytes")
"""Of `runtime.copy`: the steps, in bytes, are added to the addresses after each copy."""
REPEAT = ("first_count", "first", "each_count", "each", "times")
"""Of `runtime.repeat`: tables of the calls made once, and of those made each time."""
MEET = ("barrier", "expected", "threads", "give_way")
"""Of `runtime.meet`: the counter shared by all threads, what it will be when all have come, and the address
of a function that yields the processor (or 0).
"""


def block(fields: tuple[str, ...], **values: int | Array) -> Array:
    """Values in the order of the fields, 0 for those left out; arrays stand for their addresses."""
    listed = [values.pop(f, 0) for f in fields]
    if values:
        raise TypeError(f"no such fields: {', '.join(values)}")
    return np.array([x.ctypes.data if isinstance(x, np.ndarray) else x for x in listed], np.int64)


def table(calls: Sequence[Call]) -> Array:
    """Calls as the driver reads them, shape (calls, 2); their blocks have to be kept elsewhere."""
    return np.array([(function, own.ctypes.data) for function, own in calls], np.int64).reshape(-1, 2)
