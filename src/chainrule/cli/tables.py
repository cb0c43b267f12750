"""Numeric tables from files: what is read, and where in the file something is that cannot be used."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError, unknown_name
from ..training.loop import tell

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
MISSING = ("", "-", "?", "n/a", "na", "nan", "nil", "none", "null")  # how files write a missing value
EXACT = 2**53  # from here on not every whole number is a float64
LARGEST = 1e37  # differences and sums of a few such numbers still fit into float32


@dataclass(frozen=True)
class Table:
    """Rows to learn from or to predict.

    Attributes
    ----------
    name : str
        Of the set or file.
    columns : list of str
        The inputs' names.
    X : ndarray of float64, shape (rows, inputs)
    target : str or None
        The target's name.
    y : ndarray or None
        Numbers, truth values or text.
    task : {"classification", "regression"} or None
        What the target seems to be for; None where there is no target.
    """

    name: str
    columns: list[str]
    X: Array
    target: str | None = None
    y: Array | None = None
    task: str | None = None

    @property
    def rows(self) -> int:
        return len(self.X)

    def values(self, why: str) -> Array:
        """The target's numbers; raises DataError for a target of text, with the reason given."""
        y = np.asarray(self.y)
        if y.dtype.kind == "U":
            row = next((i for i, word in enumerate(y.tolist()) if not _is_number(word)), 0)
            raise DataError(f"{self.place(row)}: {y[row].item()!r:.40} is not a number, and {why}.")
        return y

    def place(self, row: int, column: str | None = None) -> str:
        """A value's place as messages tell it; rows are counted from 1, the header line apart."""
        return _place(self.name, row, column or str(self.target))


def _place(name: str, row: int, column: str) -> str:
    return f"{name}: row {row + 1}, column {column!r}"


def read_frame(data: str) -> polars.DataFrame:
    """A CSV or Parquet file as a data frame; raises DataError."""
    import polars as pl

    path = Path(data)
    if path.is_dir():
        raise DataError(f"{data}: is a folder. Pass a CSV or Parquet file.")
    parquet = path.suffix.lower() == ".parquet"
    try:
        frame = pl.read_parquet(path) if parquet else pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        hint = "" if parquet else _separator_hint(_first_line(path))
        if not parquet and not hint:
            reason = _long_row(path) or reason
        raise DataError(f"{data}: cannot be read as a table: {reason}.{hint}") from error
    except pl.exceptions.PanicException:  # polars' way to meet some damaged files
        raise DataError(f"{data}: cannot be read as a table: it is damaged.") from None
    if not frame.height or not frame.width:
        size = counted(frame.height, "row")
        raise DataError(f"{data}: has {size}. A header line and rows below it are needed.")
    if not parquet:
        _check_header(data, frame.columns)
    return frame


def _first_line(path: Path) -> str:
    with open(path, "rb") as file:
        return file.readline(10_000).decode(errors="replace")


def _long_row(path: Path) -> str | None:
    """The first row with more values than the header line, in words; None if there is none."""
    with open(path, encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.reader(file, strict=False)
        try:
            names = len(next(lines, []))
            for row, values in enumerate(lines):
                if len(values) > names > 0:
                    return f"row {row + 1} has {len(values)} values for {counted(names, 'column')}"
        except csv.Error:  # not even this could split it into rows
            return None
    return None


def _separator_hint(header: str) -> str:
    """What to do about a header line that has other separators than commas."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if separator in header and "," not in header:
            return f" Its columns seem to be separated by {name}: separate them by commas."
    return ""


def _check_header(data: str, names: Sequence[str]) -> None:
    """Other separators are refused; names that are all numbers are told."""
    hint = _separator_hint(names[0])
    if len(names) == 1 and hint:
        raise DataError(f"{data}: has one column only, {names[0]!r:.60}.{hint}")
    if all(_is_number(re.sub(r"_duplicated_\d+$", "", name)) for name in names):
        tell(
            f"chainrule: warning: {data}: the first row was taken as column names, which are all numbers: "
            f"{listed(names)}. If it is data, put a header line above it."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def table_from(
    data: str, frame: polars.DataFrame, target: str | None, columns: Sequence[str] | None
) -> Table:
    """The inputs and the target of a data frame.

    Raises
    ------
    UnknownNameError
        If it has not got a column.
    DataError
        If there is no column to learn from, a value is missing or infinite, or an input is no number; file,
        row and column are named.
    """
    for name in [target, *(columns or [])]:
        if name is not None and name not in frame.columns:
            raise unknown_name(f"{data}: column", name, frame.columns)
    inputs = list(columns) if columns is not None else [c for c in frame.columns if c != target]
    if not inputs:
        raise DataError(f"{data}: has no column beside the target {target!r} to learn from.")
    for c in [*inputs, *([target] if target else [])]:
        _refuse_missing(data, c, frame[c])
    X = np.column_stack([_numbers(data, c, frame[c]) for c in inputs])
    if target is None:
        return Table(data, inputs, X)
    y = _target(data, target, frame[target])
    return Table(data, inputs, X, target, y, guess_task(y))


def _numbers(data: str, column: str, values: polars.Series) -> Array:
    """A column as float64."""
    import polars as pl

    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        row, first = _first_word(values)
        raise DataError(
            f"{_place(data, row, column)}: {first!r:.40} is not a number. "
            "Encode the column as numbers, or take it out."
        )
    numbers: Array = values.cast(pl.Float64).to_numpy()
    _refuse_large(data, column, numbers)
    return numbers


def _target(data: str, column: str, values: polars.Series) -> Array:
    """A target column as numbers, truth values or text."""
    import polars as pl

    if values.dtype == pl.Boolean:
        return values.to_numpy()
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return values.cast(pl.String).to_numpy().astype(np.str_)
    if not values.dtype.is_numeric():
        kind = str(values.dtype).split("(")[0].lower()
        raise DataError(f"{data}: column {column!r} holds {kind}. A target is numbers, truth values or text.")
    _refuse_large(data, column, values.cast(pl.Float64).to_numpy())
    whole = values.dtype.is_integer() and values.dtype not in (pl.Int128, pl.UInt64)
    return values.to_numpy() if whole else values.cast(pl.Float64).to_numpy()


def _refuse_large(data: str, column: str, numbers: Array) -> None:
    large = np.abs(numbers) > LARGEST
    if large.any():
        row = int(np.argmax(large))
        raise DataError(
            f"{_place(data, row, column)}: {numbers[row]:g} is too large for a network of float32. "
            "Use a larger unit."
        )


def _first_word(values: polars.Series) -> tuple[int, str]:
    """The first value that is no number, and its row."""
    import polars as pl

    words = pl.Series([str(value) for value in values.to_list()])
    row = int(words.cast(pl.Float64, strict=False).is_null().arg_max() or 0)
    return row, words[row]


def _refuse_missing(data: str, column: str, values: polars.Series) -> None:
    import polars as pl

    bad, kind = values.is_null(), "missing"
    if values.dtype.is_float():
        bad = bad | values.is_nan().fill_null(False) | values.is_infinite().fill_null(False)
        kind = "missing or infinite"
    elif values.dtype == pl.String:
        bad = bad | _missing_marks(values)
    if bad.any():
        first = int(bad.arg_true()[0])
        mark = f" ({values[first]!r:.20})" if isinstance(values[first], str) else ""
        count = counted(int(bad.sum()), f"{kind} value")
        raise DataError(
            f"{data}: column {column!r} has {count}, first in row {first + 1}{mark}. "
            "Fill them or drop the rows."
        )


def _missing_marks(words: polars.Series) -> polars.Series:
    """Where numbers are given as words that mean a missing value; nowhere in a column of other words."""
    numbers = words.cast(float, strict=False)
    marks = words.str.strip_chars().str.to_lowercase().is_in(MISSING).fill_null(False)
    number = (numbers.is_not_null() & ~marks).fill_null(False)
    real_words = words.is_not_null() & ~marks & ~number
    return marks & bool(number.any() and not real_words.any())


def guess_task(y: Array) -> str:
    """Classes for text, truth values, two numbers, or few whole numbers that each come often; else values.

    >>> guess_task(np.array([1.5, 2.0, 3.25])), guess_task(np.array(["a", "b", "a"]))
    ('regression', 'classification')
    """
    if y.dtype.kind in "bU":
        return "classification"
    distinct = np.unique(y)
    whole = bool((distinct == np.floor(distinct)).all()) and np.abs(distinct).max() < EXACT
    few = len(distinct) <= 2 or (len(distinct) <= 20 and len(y) >= 5 * len(distinct))
    return "classification" if whole and few else "regression"


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(repr(n) for n in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
