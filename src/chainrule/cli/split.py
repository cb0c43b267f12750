"""Rows held back from training, drawn from the seed.

scikit-learn's `train_test_split` would do, but importing it takes longer than most trainings.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError
from ..tables.wording import shown, unknown_column

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]


class Purpose(IntEnum):
    """What rows are drawn for; further purposes of a seed stand in `nn.init`."""

    TEST = 3
    VALIDATION = 4


def hold_back(y: Array, share: float, seed: int, purpose: Purpose, by_class: bool) -> tuple[Array, Array]:
    """Draw rows to keep and rows to hold back.

    Parameters
    ----------
    y : ndarray, shape (rows,)
        Targets.
    share : float
        Of the rows, between 0 and 1: so many are held back, at least one.
    seed : int
    purpose : Purpose
        Draws for different purposes have nothing in common.
    by_class : bool
        Hold back the same share of each class, and always keep a row of each.

    Returns
    -------
    kept, held : ndarray of int64
        Places in y, each in order.

    Raises
    ------
    DataError
        If too few rows would be left.
    """
    rows = len(y)
    count = max(1, round(share * rows))
    philox = np.random.Philox(key=np.array([seed, int(purpose)], np.uint64))
    order = np.random.Generator(philox).permutation(rows)
    if by_class:
        order = order[np.argsort(y[order], kind="stable")]
        first_of_each = np.unique(y[order], return_index=True)[1]
        order = np.delete(order, first_of_each)
    else:
        order = order[1:]
    if count > len(order):
        few = f"{counted(rows, 'row')} {'is' if rows == 1 else 'are'} too few to hold back {count:,}"
        keep = "one of every class" if by_class else "one"
        raise DataError(f"{few} and to keep {keep}. Add rows, or hold back fewer.")
    spread = (np.arange(count) + 0.5) * (len(order) / count)  # evenly over the classes, which lie in order
    held = np.sort(order[spread.astype(np.int64)])
    return np.setdiff1d(np.arange(rows), held), held


MARKS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def split_by_column(name: str, frame: polars.DataFrame) -> dict[str, Array]:
    """The places of the rows that a column calls train, validation (if any) and test.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    DataError
        If a cell says something else, or no row is for training or for the test.
    """
    if name not in frame.columns:
        raise unknown_column("--split", name, frame.columns)
    marks = [str(cell).strip().lower() for cell in frame[name].to_list()]
    for row, mark in enumerate(marks):
        if mark not in MARKS:
            raise DataError(
                f"row {row + 1}, column {shown(name)}: {shown(mark)} does not say what the row is for. "
                "Write train, validation or test."
            )
    found = {}
    for part in ("train", "validation", "test"):
        rows = np.array([row for row, mark in enumerate(marks) if MARKS[mark] == part], np.int64)
        if len(rows):
            found[part] = rows
        elif part != "validation":
            raise DataError(f"column {shown(name)} calls no row {part}. Name another column.")
    return found
