"""Files that are read in parts: where the parts of a Parquet or text file are, and one part as a table."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import DataError, MissingExtraError
from ..nn.init import Purpose
from . import cells
from .reading import GZIP, PARQUET, parquet_errors
from .text import BOM, SAMPLE, column_names, find_separator, read_text
from .wording import place, shown, unknown_column

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
BLOCK = 2**23  # bytes of a text file in a part, more where a row is longer
LONGEST = 2**27  # bytes of a row: in one that is longer, a quote is not closed
LEAST = 2**13  # rows that smaller groups of a Parquet file are put together to
SAMPLES, SAMPLED = 16, 2**16  # how many places of a file tell it from others, and how many bytes of each


@dataclass(frozen=True)
class FilePart:
    """Rows of a file that are read at once.

    Attributes
    ----------
    file : TableFile
    first, rows : int
        Number of the first row in the file, and how many there are.
    start, end : int
        Of a text file the bytes.
    """

    file: TableFile
    first: int
    rows: int
    start: int = 0
    end: int = 0


def found_files(files: Any) -> list[str]:
    """The paths that a path, a pattern, or several of them stand for.

    Raises
    ------
    DataError
        If a pattern fits no file.
    """
    listed = [files] if isinstance(files, str | os.PathLike) else list(files)
    found = []
    for one in map(os.fsdecode, listed):
        fitting = [one] if os.path.exists(one) else sorted(glob.glob(one, recursive=True))
        if not fitting:
            raise DataError(f"{one}: there is no such file. Check the path or the pattern.")
        found += fitting
    if not found:
        raise DataError(
            "FileStream: got no files. Pass a path, a pattern such as 'part*.parquet', or a list."
        )
    return found


def part_order(count: int, epoch: int, seed: int | None) -> Array:
    """The order in which parts are read in an epoch; their own where the seed is None."""
    if seed is None:
        return np.arange(count)
    key, counter = np.array([seed, int(Purpose.SHUFFLE)], np.uint64), np.array([0, epoch, 0, 1], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter)).permutation(count)


def table_file(path: str, separator: str | None = None) -> TableFile:
    """A file as what it is by its first bytes.

    Raises
    ------
    DataError
        If it cannot be read, or not in parts.
    MissingExtraError
        If polars is not installed.
    """
    if find_spec("polars") is None:
        raise MissingExtraError(
            "tables in files need polars, which is not installed. Run: pip install 'chainrule[cli]'"
        )
    try:
        with open(path, "rb") as file:
            start = file.read(SAMPLE)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if start.startswith(GZIP):
        raise DataError(f"{path}: is packed with gzip, which cannot be read in parts. Unpack it first.")
    return ParquetFile(path) if start.startswith(PARQUET) else TextFile(path, start, separator)


class TableFile:
    """A file of rows.

    Attributes
    ----------
    path : str
    names : list of str
        Of its columns.
    """

    path: str
    names: list[str]

    def require(self, columns: Sequence[str]) -> None:
        """Raise UnknownNameError for a column that it has not."""
        for name in columns:
            if name not in self.names:
                raise unknown_column(self.path, name, self.names)

    def number_columns(self, columns: Sequence[str]) -> None:
        """Raise DataError for columns whose type is not one of numbers."""

    def narrow(self, columns: Sequence[str]) -> bool:
        """Whether float32 holds all that such columns can hold."""
        return False

    def parts(self, target: str) -> Iterator[tuple[FilePart, polars.Series]]:
        """Its parts in order, each with its part of a column."""
        raise NotImplementedError

    def read(self, part: FilePart, numbers: Sequence[str], target: str) -> polars.DataFrame:
        """Columns of numbers and the target, of a part.

        Raises
        ------
        DataError
            For a cell that is no number, or a missing one, and for a file that is damaged.
        """
        raise NotImplementedError

    def frame(self, part: FilePart, columns: Sequence[str] | None = None) -> polars.DataFrame:
        """Columns of a part as `read_table` gives them: those of a text file as text."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """Its name and size, and a digest of some of its bytes, here and there."""
        size, digest = os.path.getsize(self.path), hashlib.blake2b(digest_size=16)
        with open(self.path, "rb") as file:
            for k in range(SAMPLES):
                file.seek(max(0, size - SAMPLED) * k // (SAMPLES - 1))
                digest.update(file.read(SAMPLED))
        return {"name": os.path.basename(self.path), "bytes": size, "content": digest.hexdigest()}

    def _require_all(self, frame: polars.DataFrame, part: FilePart) -> None:
        """Raise DataError for the first missing cell."""
        for column in frame:
            if column.null_count():
                row = part.first + int(column.is_null().arg_true()[0])
                where = place(self.path, row, column.name)
                raise DataError(f"{where}: the cell is empty. Fill it, or drop the row, first.")


class ParquetFile(TableFile):
    """Parts are the file's row groups, small ones put together."""

    def __init__(self, path: str) -> None:
        import polars as pl

        self.path = path
        with parquet_errors(self.path):
            self.schema = pl.read_parquet_schema(path)
        self.names = list(self.schema)

    def number_columns(self, columns: Sequence[str]) -> None:
        import polars as pl

        for name in columns:
            kind = self.schema[name]
            if not (kind.is_numeric() or kind == pl.Boolean):
                raise DataError(
                    f"{self.path}: column {shown(name)} is of type {kind}, not numbers. Encode it first, or "
                    "leave it out of columns."
                )

    def narrow(self, columns: Sequence[str]) -> bool:
        import polars as pl

        small = {pl.Float32, pl.Int8, pl.Int16, pl.UInt8, pl.UInt16, pl.Boolean}
        return all(self.schema[name] in small for name in columns)

    def parts(self, target: str) -> Iterator[tuple[FilePart, polars.Series]]:
        import polars as pl

        with parquet_errors(self.path):
            column = pl.scan_parquet(self.path, glob=False).select(pl.col(target)).collect().to_series()
        first, rows, sizes = 0, 0, [chunk.len() for chunk in column.get_chunks()]
        for k, size in enumerate(sizes):
            rows += size
            if rows >= LEAST or (rows and k == len(sizes) - 1):
                yield FilePart(self, first, rows), column[first : first + rows]
                first, rows = first + rows, 0

    def read(self, part: FilePart, numbers: Sequence[str], target: str) -> polars.DataFrame:
        frame = self.frame(part, [*numbers, target])
        self._require_all(frame, part)
        return frame

    def frame(self, part: FilePart, columns: Sequence[str] | None = None) -> polars.DataFrame:
        import polars as pl

        with parquet_errors(self.path):
            table = pl.scan_parquet(self.path, glob=False).select(self.names if columns is None else columns)
            return table.slice(part.first, part.rows).collect()


class TextFile(TableFile):
    """Parts are blocks of lines; where they are is found by reading the file once."""

    def __init__(self, path: str, start: bytes, separator: str | None) -> None:
        self.path = path
        text = start.removeprefix(BOM).decode(errors="replace")
        self.separator = find_separator(text) if separator is None else separator
        with open(path, "rb") as file:
            self.line = _first_row(file)
        head = self.line.removeprefix(BOM).decode(errors="replace").replace("\r\n", "\n")
        if not head.strip():
            raise DataError(f"{path}: is empty. A line of names and rows below it are needed.")
        self.names = column_names(path, head, self.separator)

    def parts(self, target: str) -> Iterator[tuple[FilePart, polars.Series]]:
        first, start = 0, len(self.line)
        with open(self.path, "rb") as file:
            file.seek(start)
            for block in _blocks(file, self.separator.encode()):
                rows = _without_blank_end(block)
                if rows:
                    found = self._cells(rows, first, target)
                    yield FilePart(self, first, len(found), start, start + len(block)), found
                    first += len(found)
                start += len(block)

    def read(self, part: FilePart, numbers: Sequence[str], target: str) -> polars.DataFrame:
        import polars as pl

        block = self._block(part)
        kinds: dict[str, Any] = dict.fromkeys(self.names, pl.String)
        kinds |= dict.fromkeys(numbers, pl.Float64)
        used, frame = [*numbers, target], None
        with suppress(pl.exceptions.PolarsError, ValueError):  # what is wrong is told by the slower reader
            frame = pl.read_csv(block, separator=self.separator, has_header=False, schema=kinds)
            frame = frame.with_columns(_stripped(frame[target])).select(used)
        if frame is None or frame.height != part.rows or any(column.null_count() for column in frame):
            frame, advice = self._words(block, part.first), "Correct it, or leave the column out."
            label = f"{self.path}, after row {part.first}" if part.first else self.path
            found = [cells.numbers(label, name, frame[name], advice).alias(name) for name in numbers]
            frame = frame.with_columns(found)
            frame = frame.select(used)
        self._require_all(frame, part)
        return frame

    def frame(self, part: FilePart, columns: Sequence[str] | None = None) -> polars.DataFrame:
        found = self._words(self._block(part), part.first)
        return found if columns is None else found.select(columns)

    def _block(self, part: FilePart) -> bytes:
        with open(self.path, "rb") as file:
            file.seek(part.start)
            return _without_blank_end(file.read(part.end - part.start))

    def _cells(self, block: bytes, first: int, name: str) -> polars.Series:
        """A column of a block as text."""
        import polars as pl

        place = self.names.index(name)
        with suppress(pl.exceptions.PolarsError, ValueError):
            column = pl.read_csv(
                block, separator=self.separator, has_header=False, infer_schema=False, columns=[place]
            ).to_series()
            return _stripped(column.alias(name))
        return self._words(block, first)[name]

    def _words(self, block: bytes, first: int) -> polars.DataFrame:
        """All columns of a block as text; what is wrong with a row is told."""
        label = f"{self.path}, after row {first}" if first else self.path
        return read_text(label, self.line.rstrip(b"\r\n") + b"\n" + block, self.separator)


def _first_row(file: BinaryIO) -> bytes:
    """The first row of a text file, which may have several lines between quotes."""
    row = b""
    while line := file.readline():
        row += line
        if row.count(b'"') % 2 == 0:
            break
    return row


def _blocks(file: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """The rows from where the file is, whole ones of about `BLOCK` bytes at a time."""
    rest = b""
    while more := file.read(BLOCK):
        rest += more
        end = _last_end(rest, separator)
        if not end and len(rest) > LONGEST:  # the reader of rows tells which quote is not closed
            end = len(rest)
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _last_end(block: bytes, separator: bytes) -> int:
    """Where the last whole row ends; 0 where there is none."""
    end = block.rfind(b"\n") + 1
    if block.count(b'"', 0, end) % 2 == 0:
        return end
    # this end is within a cell, or a quote stands in the middle of one, where it opens nothing
    quoted = rb'(?:\A|[\n%s])"(?:[^"]+|"")*+"?' % re.escape(separator)
    end = len(block)
    for first, last in reversed([cell.span() for cell in re.finditer(quoted, block)]):
        newline = block.rfind(b"\n", last, end)
        if newline >= 0:
            return newline + 1
        end = first + 1
    return block.rfind(b"\n", 0, end) + 1


def _without_blank_end(block: bytes) -> bytes:
    """Rows without the blank lines below them, which are nothing."""
    return block.rstrip(b"\r\n") + b"\n" if block.strip() else b""


def _stripped(words: polars.Series) -> polars.Series:
    """Words as tables in memory are read: without spaces around them, and null where nothing is left."""
    found = words.str.strip_chars()
    return found.set((found == "").fill_null(False), None)
