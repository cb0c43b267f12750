"""A table to learn from: its cells, the kinds of its columns, and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ParameterError
from .kinds import Kinds, find_kinds
from .sources import sources
from .target import guess_task, read_target
from .text import is_number
from .wording import place, shown, unknown_column

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Table:
    """Rows to learn from.

    Attributes
    ----------
    name : str
        Of the set or file.
    frame : polars.DataFrame
        All its columns.
    kinds : Kinds
        Of the columns that are not the target.
    cells : polars.DataFrame
        The columns that can be learned from, as `sources` gives them.
    target : str
    y : ndarray of int64, float64, bool or str, shape (rows,)
    task : {"classification", "regression"}
        What the target seems to be for.
    why : str
        What of the target says so.
    """

    name: str
    frame: polars.DataFrame
    kinds: Kinds
    cells: polars.DataFrame
    target: str
    y: Array
    task: str
    why: str

    @property
    def rows(self) -> int:
        return len(self.y)

    def values(self, why: str) -> Array:
        """The target's numbers; raises DataError for a target of text, with the reason given."""
        if self.y.dtype.kind == "U":
            row = next((i for i, word in enumerate(self.y.tolist()) if not is_number(word)), 0)
            found = shown(self.y[row].item())
            raise DataError(f"{self.place(row)}: {found} is not a number, and {why}. Take another target.")
        return self.y

    def place(self, row: int) -> str:
        """Where a target stands, as messages tell it."""
        return place(self.name, row, self.target)


def make_table(name: str, frame: polars.DataFrame, target: str, stated: Mapping[str, str]) -> Table:
    """A table from a data frame.

    Parameters
    ----------
    name : str
        What messages call it.
    frame : polars.DataFrame
    target : str
        The column to predict.
    stated : mapping of str to str
        Kinds of columns that a user says; the others are told from the cells.

    Raises
    ------
    UnknownNameError
        If it has not got a column.
    DataError
        If a target is missing, no column can be learned from, or a cell does not fit its column.
    """
    if not target:
        raise ParameterError(f"{name}: --target is empty. Give the name of the column to predict.")
    if target not in frame.columns:
        raise unknown_column(name, target, frame.columns)
    y = read_target(name, target, frame[target])
    kinds = find_kinds(name, frame, target, stated)
    return Table(name, frame, kinds, sources(name, frame, kinds.columns), target, y, *guess_task(y))
