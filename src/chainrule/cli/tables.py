"""Data for the command line: built-in sets, and numeric tables from files."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError, ParameterError, UnknownNameError, unknown_name
from ..training.loop import tell

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
MISSING = ("", "-", "?", "n/a", "na", "nan", "nil", "none", "null")  # how files write a missing value


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
    task : {"classification", "regression"} or None
        None where there is no target.
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


def _sklearn(loader: str, task: str, target: str) -> Callable[[str], Table]:
    def load(name: str) -> Table:
        from sklearn import datasets

        data = getattr(datasets, f"load_{loader}")()
        y = np.asarray(data.target_names)[data.target] if task == "classification" else data.target
        columns = [str(c) for c in data.feature_names]
        return Table(name, columns, np.asarray(data.data, np.float64), target, y, task)

    return load


def _xor(name: str) -> Table:
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Table(name, ["a", "b"], X, "a xor b", np.array([0, 1, 1, 0]), "classification")


BUILT_IN: dict[str, Callable[[str], Table]] = {
    "breast-cancer": _sklearn("breast_cancer", "classification", "diagnosis"),
    "diabetes": _sklearn("diabetes", "regression", "progression"),
    "digits": _sklearn("digits", "classification", "digit"),
    "iris": _sklearn("iris", "classification", "species"),
    "wine": _sklearn("wine", "classification", "cultivar"),
    "xor": _xor,
}


def load_table(
    data: str, target: str | None, columns: Sequence[str] | None = None, to_learn: bool = False
) -> Table:
    """A built-in set by name, or a CSV or Parquet file with a header line.

    Parameters
    ----------
    data : str
        Name or path.
    target : str or None
        The column to predict; of a built-in set, None.
    columns : sequence of str, optional
        The inputs to take, in this order; all but the target where none are given.
    to_learn : bool
        Whether there must be a target.

    Raises
    ------
    UnknownNameError
        If there is no such set, file or column.
    ParameterError
        If a target is named for a built-in set, or none for a file that needs one.
    DataError
        If the file cannot be read, is empty, misses values, or holds inputs that are no numbers.
    """
    if data in BUILT_IN:
        table = BUILT_IN[data](data)
        if target not in (None, table.target):
            raise ParameterError(f"--target: {data} has its own target, {table.target!r}; leave it out.")
        return table
    frame = _read(data)
    if to_learn and target is None:
        listed = _listed(frame.columns)
        raise ParameterError(f"--target is needed: which column of {data} to predict? It has {listed}.")
    return _from_frame(data, frame, target, columns)


def _read(data: str) -> polars.DataFrame:
    import polars as pl

    path = Path(data)
    if path.is_dir():
        raise DataError(f"{data}: is a folder. Pass a CSV or Parquet file.")
    if not path.is_file():
        near = difflib.get_close_matches(data.lower(), BUILT_IN, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        sets = ", ".join(BUILT_IN)
        raise UnknownNameError(f"{data}: there is no such file, nor a built-in set.{hint} Sets: {sets}.")
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        hint = "" if path.suffix.lower() == ".parquet" else _separator_hint(_first_line(path))
        raise DataError(f"{data}: cannot be read as a table: {reason[0].rstrip('.')}.{hint}") from error
    if not frame.height or not frame.width:
        size = counted(frame.height, "row")
        raise DataError(f"{data}: has {size}. A header line and rows below it are needed.")
    if path.suffix.lower() != ".parquet":
        _check_header(data, frame.columns)
    return frame


def _first_line(path: Path) -> str:
    with open(path, "rb") as file:
        return file.readline(10_000).decode(errors="replace")


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
            f"{_listed(names)}. If it is data, put a header line above it."
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_frame(
    data: str, frame: polars.DataFrame, target: str | None, columns: Sequence[str] | None
) -> Table:
    import polars as pl

    for name in [target, *(columns or [])]:
        if name is not None and name not in frame.columns:
            raise unknown_name(f"{data}: column", name, frame.columns)
    inputs = list(columns) if columns is not None else [c for c in frame.columns if c != target]
    if not inputs:
        raise DataError(f"{data}: has no column beside the target {target!r} to learn from.")
    for c in [*inputs, *([target] if target else [])]:
        _refuse_missing(data, c, frame[c])
    text = [c for c in inputs if not (frame[c].dtype.is_numeric() or frame[c].dtype == pl.Boolean)]
    if text:
        which = f"columns {_listed(text)} are" if len(text) > 1 else f"column {text[0]!r} is"
        raise DataError(
            f"{data}: {which} not numeric ({_first_text(frame[text[0]])!r:.40}). "
            "Encode as numbers, or take out."
        )
    X = np.column_stack([frame[c].cast(float).to_numpy() for c in inputs])
    if target is None:
        return Table(data, inputs, X)
    y = frame[target].to_numpy()
    y = y.astype(np.str_) if y.dtype.kind == "O" else y
    return Table(data, inputs, X, target, y, guess_task(y))


def _first_text(values: polars.Series) -> str:
    """The first value that is no number."""
    words = values.cast(str, strict=False)
    return str(words.filter(words.is_not_null() & words.cast(float, strict=False).is_null()).first())


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
    whole = bool((distinct == np.floor(distinct)).all())
    few = len(distinct) <= 2 or (len(distinct) <= 20 and len(y) >= 5 * len(distinct))
    return "classification" if whole and few else "regression"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
