"""Tables of mixed columns larger than memory: a sample tells what is in them, and all rows are streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..training.streams import Batch, Stream
from .encoding import Encoding
from .file_parts import FilePart, TableFile, part_order, table_file
from .sources import sources
from .table import Table, make_table
from .target import read_target, read_values

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
ROWS = 2**15  # that are encoded at a time
SAMPLE = 200_000  # rows that kinds, encodings and scores are taken from
PURPOSE = 5  # of the seed: after those of `cli.split`
MOST_LABELS = 1000


@dataclass(frozen=True)
class Sampled:
    """A file, and a table of some of its rows.

    Attributes
    ----------
    file : TableFile
    parts : list of FilePart
    table : Table
    places : ndarray of int64
        The numbers in the file of the table's rows.
    """

    file: TableFile
    parts: list[FilePart]
    table: Table
    places: Array

    @property
    def rows(self) -> int:
        """Of the whole file."""
        return sum(part.rows for part in self.parts)


def sample_table(
    data: str,
    target: str,
    separator: str | None,
    stated: Mapping[str, str],
    seed: int,
    rows: int | None = None,
) -> Sampled:
    """Read a file part after part, and keep rows drawn from it, with one of each label.

    Parameters
    ----------
    data : str
        Path of a Parquet or text file.
    target : str
    separator : str or None
    stated : mapping of str to str
        Kinds of columns that a user says.
    seed : int
    rows : int, optional
        About how many, `SAMPLE` where none are given; all, where there are no more.

    Raises
    ------
    DataError, UnknownNameError
        As for `make_table`; MissingExtraError without polars.
    """
    import polars as pl

    file = table_file(data, separator)
    file.require([target])
    found = [(part, column) for part, column in file.parts(target)]
    parts = [part for part, _ in found]
    share = min(1.0, (rows or SAMPLE) / max(1, sum(part.rows for part in parts)))
    random = np.random.Generator(np.random.Philox(key=np.array([seed, PURPOSE], np.uint64)))
    seen: set[Any] = set()
    frames, places = [], []
    for part, column in found:
        chosen = random.random(part.rows) < share
        for label, row in _firsts(column).items():
            if label not in seen and len(seen) < MOST_LABELS:
                seen.add(label)
                chosen[row] = True
        if chosen.any():
            frames.append(file.frame(part).filter(pl.Series(chosen)))
            places.append(part.first + np.flatnonzero(chosen))
    table = make_table(data, pl.concat(frames) if frames else pl.DataFrame(schema=file.names), target, stated)
    return Sampled(file, parts, table, np.concatenate(places) if places else np.zeros(0, np.int64))


def _firsts(column: polars.Series) -> dict[Any, int]:
    """Where each label of a column first stands; none of them where they are numbers of many kinds."""
    if column.dtype.is_float() or column.n_unique() > MOST_LABELS:
        return {}
    labels = column.to_frame("y").with_row_index("row").drop_nulls().unique("y", keep="first")
    return dict(zip(labels["y"].to_list(), labels["row"].to_list(), strict=True))


class EncodedStream(Stream):
    """The rows of a file that are not held back, encoded as those of the sample were.

    Parameters
    ----------
    sampled : Sampled
    encoding : Encoding
        Learned from rows of the sample.
    trained : ndarray of int
        The places in the sample of rows that are trained on as well; the others are held back.
    classes : ndarray or None
        The labels; None for values.
    """

    batched = False
    rows: int

    def __init__(self, sampled: Sampled, encoding: Encoding, trained: Array, classes: Array | None) -> None:
        self.sampled, self.encoding, self.classes = sampled, encoding, classes
        self.held = np.delete(sampled.places, trained)
        self.rows = sampled.rows - len(self.held)
        self.columns = [*(column.name for column in encoding.columns), sampled.table.target]

    def parts(self, epoch: int, seed: int | None) -> Iterator[Batch]:
        file = self.sampled.file
        for k in part_order(len(self.sampled.parts), epoch, seed):
            part = self.sampled.parts[k]
            frame = file.frame(part, self.columns)
            for start in range(0, part.rows, ROWS):
                X, y = self._encoded(frame[start : start + ROWS], part.first + start)
                if len(y):
                    yield Batch(X, y)

    def _encoded(self, frame: polars.DataFrame, start: int) -> tuple[Array, Array]:
        """The rows that are not held back, of those from that number on."""
        path, target = self.sampled.file.path, self.sampled.table.target
        name = f"{path}, after row {start}" if start else path
        X = self.encoding.encode(sources(name, frame, self.encoding.columns))
        column = frame[target]
        if self.classes is None:
            y = read_values(name, target, column)
        else:
            y = read_target(name, target, column, self.classes)
        first, last = np.searchsorted(self.held, [start, start + len(y)])
        return np.delete(X, self.held[first:last] - start, axis=0), np.delete(
            y, self.held[first:last] - start
        )

    def identity(self) -> dict[str, Any]:
        return {"files": [self.sampled.file.identity()], "columns": self.columns, "rows": self.rows}

    def __repr__(self) -> str:
        return f"<stream of {self.sampled.file.path}, {self.rows:,} rows>"
