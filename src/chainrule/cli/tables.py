"""Data for the command line: built-in sets, and numeric tables from files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ParameterError, UnknownNameError, unknown_name

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]


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
        raise DataError(f"{data}: cannot be read as a table: {reason[0]}.") from error
    if not frame.height or not frame.width:
        raise DataError(f"{data}: has {frame.height} rows. A header line and rows below it are needed.")
    return frame


def _from_frame(
    data: str, frame: polars.DataFrame, target: str | None, columns: Sequence[str] | None
) -> Table:
    for name in [target, *(columns or [])]:
        if name is not None and name not in frame.columns:
            raise unknown_name(f"{data}: column", name, frame.columns)
    inputs = list(columns) if columns is not None else [c for c in frame.columns if c != target]
    if not inputs:
        raise DataError(f"{data}: has no column beside the target {target!r} to learn from.")
    for c in [*inputs, *([target] if target else [])]:
        _refuse_missing(data, c, frame[c])
    text = [c for c in inputs if not (frame[c].dtype.is_numeric() or frame[c].dtype == bool)]
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
    bad = values.is_null()
    if values.dtype.is_float():
        bad = bad | values.is_nan().fill_null(False) | values.is_infinite().fill_null(False)
    if bad.any():
        first = int(bad.arg_true()[0]) + 1
        raise DataError(
            f"{data}: column {column!r} has {bad.sum()} missing or infinite values, first in row {first}. "
            "Fill them or drop the rows."
        )


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
