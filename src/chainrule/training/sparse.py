"""Tables whose rows are made ready a few at a time: sparse ones, and mapped files of another type."""

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


class Mapped:
    """A file in memory's place (`numpy.memmap`), whose rows are converted when they are taken.

    Parameters
    ----------
    array : ndarray, shape (rows, columns)
    dtype : numpy.dtype
        Of what is taken.
    """

    def __init__(self, array: Array, dtype: np.dtype[Any]) -> None:
        self.array, self.dtype, self.shape = array, dtype, array.shape

    def __getitem__(self, rows: Any) -> Array:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(self.array[rows], self.dtype)

    def __len__(self) -> int:
        return len(self.array)


def is_packed(table: Any) -> bool:
    """Whether the engine cannot take a table's rows as they lie."""
    return is_sparse(table) or isinstance(table, Mapped)


def dense(part: Any) -> Any:
    """Some rows of a table as a dense array."""
    return part.toarray() if is_sparse(part) else part


def wholly_dense(table: Any, why: str) -> Any:
    """A whole table as a dense array; raises DataError where that would be more than `WHOLE` bytes."""
    if is_packed(table):
        rows, columns = table.shape
        needed = rows * columns * table.dtype.itemsize
        if needed > WHOLE:
            kind = "sparse" if is_sparse(table) else "a mapped file"
            raise DataError(
                f"X: is {kind}, and {why}. As a dense array of shape ({rows:,}, {columns:,}) it would take "
                f"{needed / 2**30:.1f} GiB. Take fewer rows or columns, or an optimizer that works on "
                "batches, such as Adam."
            )
    return table[:] if isinstance(table, Mapped) else dense(table)


def rows_at_a_time(columns: int, dtype: np.dtype[Any]) -> int:
    """How many dense rows take no more than `BYTES`; at least one."""
    return max(1, BYTES // max(1, columns * dtype.itemsize))
