"""Sparse tables: rows made dense a few at a time, so that the whole never is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..emit.engine import is_batched
from ..errors import DataError
from ..graph.tensor import Tensor

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


class Unpacked:
    """The rows of tables in an order, dense, in arrays that are used again and again.

    Parameters
    ----------
    inputs : sequence of Tensor
        A program's, of which those with rows are tables.
    tables : sequence
        For each input a dense or sparse (CSR) table; anything for an input without rows.
    batch_size : int

    Attributes
    ----------
    rows : int
        The most that are taken at a time: a multiple of the batch size.
    """

    def __init__(self, inputs: Sequence[Tensor], tables: Sequence[Any], batch_size: int) -> None:
        self.batched = [is_batched(leaf) for leaf in inputs]
        chosen = zip(inputs, tables, strict=True)
        wide = [rows_at_a_time(table.shape[1], leaf.dtype) for leaf, table in chosen if is_sparse(table)]
        self.rows = max(1, min(wide) // batch_size) * batch_size
        self.arrays = [
            np.empty((self.rows, *table.shape[1:]), leaf.dtype) if batched else None
            for leaf, table, batched in zip(inputs, tables, self.batched, strict=True)
        ]

    def __call__(self, tables: Sequence[Any], rows: Array) -> tuple[list[Any], Array]:
        """Those rows, with other inputs as they are, and where the rows now are."""
        taken: list[Any] = list(tables)
        for i, (table, array) in enumerate(zip(tables, self.arrays, strict=True)):
            if array is None:
                continue
            if is_sparse(table):
                table[rows].toarray(out=array[: len(rows)])
            else:
                np.take(table, rows, axis=0, out=array[: len(rows)])
            taken[i] = array
        return taken, np.arange(len(rows))
