"""Files of tables: CSV and its kin as text, and Parquet; either may be packed with gzip."""

from __future__ import annotations

import contextlib
import gzip
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..checks import counted
from ..errors import DataError
from ..training.loop import tell
from .text import read_text

if TYPE_CHECKING:
    import polars

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
OTHERS = {b"PK\x03\x04": "a zip archive or a spreadsheet", b"\xd0\xcf\x11\xe0": "an old spreadsheet"}
LARGE = 20_000_000  # bytes from which on it is said that a file is being read


def read_table(data: str, separator: str | None = None) -> polars.DataFrame:
    """A table from a file.

    Parameters
    ----------
    data : str
        Path of a text file with a line of names (CSV, TSV, ...) or of a Parquet file; either may be packed
        with gzip. What it is, is told from its first bytes.
    separator : str, optional
        The letter between the columns of a text file; found out where none is given.

    Returns
    -------
    polars.DataFrame
        Of a text file all columns are text, without spaces around it, and empty cells are null. Parquet
        keeps its types.

    Raises
    ------
    DataError
        If it cannot be read, is damaged, or has no rows; file, row and column are named where they can be.
    """
    content = _unpacked(data, _content(data))
    for mark, kind in OTHERS.items():
        if content.startswith(mark):
            raise DataError(f"{data}: is {kind}, not a table as text. Export it as CSV.")
    parquet = content.startswith(PARQUET)
    if not parquet and Path(data.removesuffix(".gz")).suffix.lower() == ".parquet":
        raise DataError(f"{data}: is no Parquet file, in spite of its name. Check it, or rename it to .csv.")
    frame = _parquet(data, content) if parquet else read_text(data, content, separator)
    if not frame.height or not frame.width:
        rows = counted(frame.height, "row")
        raise DataError(f"{data}: has {rows}. A line of names and rows below it are needed.")
    return frame


def _content(data: str) -> bytes:
    try:
        mode = os.stat(data).st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{data}: is a folder. Pass a CSV or Parquet file.")
        if not stat.S_ISREG(mode):
            raise DataError(f"{data}: is a device, a pipe or a socket, not a file. Save the table to a file.")
        if os.path.getsize(data) > LARGE:
            tell(f"reading {data}, {os.path.getsize(data) / 1e6:,.0f} MB")
        return Path(data).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{data}: cannot be read: {reason}. Check the file and its rights.") from None


def _unpacked(data: str, content: bytes) -> bytes:
    if content.startswith(GZIP):
        try:
            return gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise DataError(
                f"{data}: is a gzip file that is damaged or not whole. Copy it anew, or compress it again."
            ) from None
    if data.endswith(".gz"):
        raise DataError(
            f"{data}: is no gzip file, in spite of its name. Rename it without .gz, or compress it."
        )
    return content


def _parquet(data: str, content: bytes) -> polars.DataFrame:
    import polars as pl

    with parquet_errors(data):
        return pl.read_parquet(content)


@contextlib.contextmanager
def parquet_errors(data: str) -> Iterator[None]:
    """Within it, what polars says of a damaged Parquet file comes as DataError."""
    import polars as pl

    try:
        with _quiet():
            yield
            return
    except pl.exceptions.PanicException:  # polars' way to meet some damaged files
        reason = "it is damaged"
    except (pl.exceptions.PolarsError, OSError, ValueError, OverflowError, MemoryError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0][:80].rstrip(".")
    raise DataError(f"{data}: cannot be read as Parquet: {reason}. Export it anew.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within it, nothing reaches standard error: polars prints a report of its own before it raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
