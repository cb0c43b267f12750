"""Tables in files that may be larger than memory, as a stream for `Network.fit`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive_int
from ..errors import DataError, ParameterError
from ..training.streams import Batch, Stream
from .cells import MISSING, known, lenient_numbers
from .file_parts import FilePart, found_files, part_order, table_file
from .text import checked_separator
from .wording import place, shown

if TYPE_CHECKING:
    import os

    import polars

Array = np.ndarray[Any, Any]
ROWS = 2**11  # that are made an array at a time: they stay in the processor's cache until they are copied
MOST_LABELS = 1000


class FileStream(Stream):
    """The rows of Parquet or CSV files, read part after part.

    A Parquet file is read by row groups, a text file in blocks of 8 MB. Where `fit` shuffles, the parts of
    all files come in an order drawn from the seed and the epoch, and so do the rows within each window. In
    memory are two windows, and the row group or block at hand: a file written as one row group is decoded as
    a whole.

    At the start the target column of every file is read once, and so a text file as a whole: for the number
    of rows, and for the class labels.

    Parameters
    ----------
    files : path, or sequence of paths
        Or patterns, such as "data/part-*.parquet". All have these columns; text files have a line of names.
    target : str
        The column of targets: numbers, or labels of any kind for a loss for classes.
    columns : sequence of str, optional
        The inputs, columns of numbers or truth values, in this order; all but target and weights where none
        are named.
    weights : str, optional
        A column of how much each row counts.
    window : int, optional
        How many rows are collected and drawn from; 32 MB of them where it is left out.
    classes : sequence, optional
        The labels, where not all are in the files.
    separator : str, optional
        The letter between the columns of text files; found out where it is left out.
    ahead : bool
        Read in a thread while the last rows are trained on.

    Attributes
    ----------
    rows : int
    columns : list of str

    Raises
    ------
    DataError
        If a file cannot be read, or not in parts, or has no rows, or a column's type is not one of numbers;
        while it is read, for an empty cell, a word among numbers, NaN or infinity: with file, row and column.
    UnknownNameError
        If there is no such column.
    ParameterError
        If no column is left for inputs, or one is named twice.
    MissingExtraError
        If polars is not installed.
    """

    batched = False

    def __init__(
        self,
        files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        target: str,
        *,
        columns: Sequence[str] | None = None,
        weights: str | None = None,
        window: int | None = None,
        classes: Sequence[Any] | Array | None = None,
        separator: str | None = None,
        ahead: bool = True,
    ) -> None:
        if isinstance(columns, str):
            raise ParameterError(
                f"FileStream: columns must be a list of names, got {shown(columns)}. Pass [{shown(columns)}]."
            )
        checked = checked_separator(separator, "FileStream: separator")
        self.files = [table_file(path, checked) for path in found_files(files)]
        self.target, self.weights, self.ahead, self.classes = target, weights, bool(ahead), classes
        self.window = None if window is None else positive_int(window, "FileStream: window", "window=65_536")
        named = [target] if weights is None else [target, weights]
        first = self.files[0]
        first.require(named)
        self.columns = [x for x in first.names if x not in named] if columns is None else list(columns)
        twice = [x for k, x in enumerate(self.columns) if x in (*named, *self.columns[:k])]
        if twice or not self.columns:
            wrong = f"column {shown(twice[0])} is named twice" if twice else "there is no column for inputs"
            raise ParameterError(f"FileStream: {wrong}. Name the inputs in columns.")
        self.numbers = [*self.columns, *named[1:]]
        for file in self.files:
            file.require([*self.numbers, target])
            file.number_columns(self.numbers)
        self.narrow = all(file.narrow(self.columns) for file in self.files)
        self.file_parts: list[FilePart] = []
        self.found: set[Any] | None = set()
        self.kinds: set[str] = set()  # of the target's parts
        for file in self.files:
            for part, column in file.parts(target):
                self.file_parts.append(part)
                self._collect(column, part)
        self.rows = sum(part.rows for part in self.file_parts)
        if not self.rows:
            raise DataError(f"{first.path}: has no rows. A line of names and rows below it are needed.")

    # what fit asks ----------------------------------------------------------------------------

    def parts(self, epoch: int, seed: int | None) -> Iterator[Batch]:
        listed, starts = self.file_parts, self._starts()
        order = part_order(len(listed), epoch, seed).tolist()
        for k, frame in zip(order, self._frames([listed[k] for k in order]), strict=True):
            columns = [_numbers(frame[name]) for name in self.columns]
            y = self._targets(frame[self.target], listed[k])
            weights = None if self.weights is None else _numbers(frame[self.weights])
            for start in range(0, frame.height, ROWS):
                at = slice(start, start + ROWS)
                X = self._rows(columns, y[at], listed[k], start)
                yield Batch(X, y[at], None if weights is None else weights[at], starts[k] + start)
            del frame, columns  # or there would be three parts in memory while the next is waited for

    def labels(self) -> Any:
        if self.classes is not None or self.found is None:
            return self.classes
        if self.kind == "words":
            return np.array(sorted(map(str, self.found)))
        if self.kind == "truths":
            return np.array([False, True])
        given = (x for x in self.found if str(x).lower() not in MISSING)
        values = np.array(sorted({float(x) for x in given}))
        return values.astype(np.int64) if np.array_equal(values, np.floor(values)) else values

    def identity(self) -> dict[str, Any]:
        files = [file.identity() for file in self.files]
        chosen = {"columns": self.columns, "target": self.target, "weights": self.weights}
        return {"files": files, **chosen, "window": self.window, "rows": self.rows}

    def __repr__(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"<FileStream of {self.files[0].path}{more}, {self.rows:,} rows>"

    # rows -------------------------------------------------------------------------------------

    def _frames(self, listed: Sequence[FilePart]) -> Iterator[polars.DataFrame]:
        """The tables of parts, each decoded while the rows of the one before are taken."""

        def read(part: FilePart) -> polars.DataFrame:
            return part.file.read(part, self.numbers, self.target)

        waiting = deque(listed)
        with ThreadPoolExecutor(1, "chainrule parts") as pool:
            ahead = pool.submit(read, waiting.popleft()) if waiting else None
            while ahead is not None:
                frame = ahead.result()
                ahead = pool.submit(read, waiting.popleft()) if waiting else None
                yield frame
                del frame

    def _starts(self) -> list[int]:
        """The number of each part's first row, counted through all files."""
        return [0, *np.cumsum([part.rows for part in self.file_parts]).tolist()]

    def _collect(self, column: polars.Series, part: FilePart) -> None:
        """Remember of a part of the target column what it holds, and its labels as long as they are few."""
        import polars as pl

        kind = "truths" if column.dtype == pl.Boolean else "numbers"
        if kind == "numbers" and not column.dtype.is_numeric():
            words = column.cast(pl.String)
            wrong = lenient_numbers(words).is_null() & words.is_not_null()
            if wrong.any() and (wrong := wrong & known(words).is_not_null()).any():
                row, kind = int(wrong.arg_true()[0]), "words"
                where = place(part.file.path, part.first + row, self.target)
                self.first_word = self.first_word or f"{where}: {shown(words[row])}"
        self.kinds.add(kind)
        if self.found is not None:
            self.found.update(column.drop_nulls().unique().head(MOST_LABELS + 1).to_list())
            if len(self.found) > MOST_LABELS:
                self.found = None

    @property
    def kind(self) -> str:
        """What all targets are read as: words, truths or numbers."""
        if "words" in self.kinds:
            return "words"
        return "truths" if self.kinds == {"truths"} else "numbers"

    def _rows(self, columns: Sequence[Array], y: Array, part: FilePart, start: int) -> Array:
        """Inputs for some rows of a part, from that one on; raises DataError for NaN and infinity."""
        X = np.empty((len(y), len(columns)), np.float32 if self.narrow else np.float64)
        np.stack([column[start : start + len(y)] for column in columns], axis=1, out=X)
        first = part.first + start
        if not np.isfinite(X.sum()) and not (finite := np.isfinite(X)).all():
            row, column = map(int, np.argwhere(~finite)[0])
            raise self._infinite(part, first + row, self.columns[column], X[row, column])
        if y.dtype.kind == "f" and not (finite := np.isfinite(y)).all():
            row = int(np.argmin(finite))
            raise self._infinite(part, first + row, self.target, y[row])
        return X

    def _targets(self, column: polars.Series, part: FilePart) -> Array:
        import polars as pl

        if self.kind == "words":
            return column.cast(pl.String).to_numpy().astype(np.str_)
        if self.kind == "truths" or column.dtype.is_integer():
            return column.to_numpy()
        found = column.cast(pl.Float64, strict=False)
        if found.null_count():
            row = int(found.is_null().arg_true()[0])
            where = place(part.file.path, part.first + row, self.target)
            raise DataError(
                f"{where}: {shown(column[row])} is no number. Fill it in, or drop the row, first."
            )
        return found.to_numpy()

    @staticmethod
    def _infinite(part: FilePart, row: int, column: str, value: float) -> DataError:
        kind = "NaN" if np.isnan(value) else "infinite"
        where = place(part.file.path, int(row), column)
        return DataError(f"{where}: the number is {kind}. Correct it, or drop the row, first.")


def _numbers(column: polars.Series) -> Array:
    """A column as an array, also of decimals and of integers of 128 bits, of which NumPy has none."""
    import polars as pl

    if column.dtype.is_decimal() or column.dtype == pl.Int128:
        column = column.cast(pl.Float64)
    return column.to_numpy()
