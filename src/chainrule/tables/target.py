"""The column to predict: its values, and whether they are classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError
from . import cells
from .kinds import guess_kind
from .wording import place, shown

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
EXACT = 2**53  # from here on not every whole number is a float64
FEW = 10  # different whole numbers at most are classes: more are counts or marks, which have an order
LABELS = 50  # different words that a target may have, however few rows there are


def read_target(data: str, name: str, values: polars.Series, classes: Array | None = None) -> Array:
    """A target's values, none of them missing.

    Parameters
    ----------
    data, name : str
    values : polars.Series
    classes : ndarray, optional
        Labels that the values are to be compared with: they are read as what these are.

    Returns
    -------
    ndarray of int64, float64, bool or str, shape (rows,)

    Raises
    ------
    DataError
        If a cell is missing, is not like the others, or cannot be a target: row and column are named.
    """
    import polars as pl

    if classes is not None and classes.dtype.kind == "U":
        return _words(data, name, values)
    if values.null_count() == len(values):
        raise DataError(f"{data}: column {shown(name)}, the target, has missing values alone. Fill it in.")
    kind = "number"
    if classes is None or classes.dtype.kind == "b":  # which are words in a text file
        kind, _ = guess_kind(data, name, values)
    if values.dtype == pl.Boolean or kind == "truth value":
        found = cells.truths(data, name, values)
        _refuse_missing(data, name, values, found)
        return found.to_numpy().astype(np.bool_)
    if kind == "number":
        return _numbers(data, name, values)
    if kind == "date":
        raise DataError(f"{data}: column {shown(name)} holds dates. Take a target of numbers or words.")
    return _words(data, name, values)


def read_values(data: str, name: str, values: polars.Series) -> Array:
    """A target's numbers as float64, shape (rows,); raises DataError for a cell that is none or missing."""
    found = cells.numbers(data, name, values, advice="A target of numbers is needed: correct it.")
    _refuse_missing(data, name, values, found)
    return found.to_numpy()


def _numbers(data: str, name: str, values: polars.Series) -> Array:
    import polars as pl

    found = read_values(data, name, values)
    if values.dtype == pl.String:
        whole = values.str.contains(r"^[-+]?\d+$").all()
    else:
        whole = values.dtype.is_integer()
    return found.astype(np.int64) if whole and (np.abs(found) < EXACT).all() else found


def _words(data: str, name: str, values: polars.Series) -> Array:
    found = cells.words(data, name, values)
    _refuse_missing(data, name, values, found)
    distinct = found.n_unique()
    if distinct > LABELS and distinct > 0.5 * len(found):
        raise DataError(
            f"{data}: column {shown(name)} has {distinct:,} different words in {counted(len(found), 'row')}, "
            "too many to be classes. Take another target."
        )
    return found.to_numpy().astype(np.str_)


def _refuse_missing(data: str, name: str, values: polars.Series, found: polars.Series) -> None:
    missing = found.is_null()
    if missing.any():
        row = int(missing.arg_true()[0])
        mark = f" ({shown(values[row], 20)})" if isinstance(values[row], str) else ""
        count = counted(int(missing.sum()), "cell")
        raise DataError(
            f"{place(data, row, name)}: the target is missing{mark}, in {count} altogether. "
            "Fill them, or remove these rows."
        )


def guess_task(y: Array) -> tuple[str, str]:
    """Classes for text, truth values, two numbers, or few whole numbers that come often; else values.

    Parameters
    ----------
    y : ndarray, shape (rows,)

    Returns
    -------
    task : {"classification", "regression"}
    why : str
        What of the values tells it.

    >>> guess_task(np.array([1.5, 2.0, 3.25])), guess_task(np.array(["a", "b", "a"]))
    (('regression', 'it has 3 different numbers'), ('classification', 'it has 2 different words'))
    """
    distinct = np.unique(y)
    if y.dtype.kind in "bU":
        return "classification", f"it has {counted(len(distinct), f'{_different(distinct)}{_sort(y)}')}"
    whole = bool((distinct == np.floor(distinct)).all()) and np.abs(distinct).max() < EXACT
    few = len(distinct) <= 2 or (len(distinct) <= FEW and len(y) >= 5 * len(distinct))
    if whole and few:
        noun = f"{_different(distinct)}whole number"
        return "classification", f"it has {counted(len(distinct), noun)} in {counted(len(y), 'row')}"
    return "regression", f"it has {counted(len(distinct), f'{_different(distinct)}number')}"


def _different(distinct: Array) -> str:
    return "different " if len(distinct) > 1 else ""


def _sort(y: Array) -> str:
    return "word" if y.dtype.kind == "U" else "truth value"
