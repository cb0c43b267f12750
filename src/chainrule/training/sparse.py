"""Sparse tables: rows made dense a few at a time, so that the whole never is."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError

Array = np.ndarray[Any, Any]
BYTES = 2**23  # of dense rows at a time: what a processor's cache and a batch of usual size have room for

WHOLE = 2**31  # of a table that has to be dense as a whole


def is_sparse(table: Any) -> bool:
    """Whether a table is one of SciPy's sparse ones."""
    return hasattr(table, "tocsr")


def dense(part: Any) -> Any:
    """Some rows of a table as a dense array."""
    return part.toarray() if is_sparse(part) else part


def wholly_dense(table: Any, why: str) -> Any:
    """A whole table as a dense array; raises DataError where that would be more than `WHOLE` bytes."""
    if is_sparse(table):
        rows, columns = table.shape
        needed = rows * columns * table.dtype.itemsize
        if needed > WHOLE:
            raise DataError(
                f"X: is sparse, and {why}. As a dense array of shape ({rows:,}, {columns:,}) it would take "
                f"{needed / 2**30:.1f} GiB. Take fewer rows or columns, or an optimizer that works on "
                "batches, such as Adam."
            )
    return dense(table)


def rows_at_a_time(columns: int, dtype: np.dtype[Any]) -> int:
    """How many dense rows take no more than `BYTES`; at least one."""
    return max(1, BYTES // max(1, columns * dtype.itemsize))
