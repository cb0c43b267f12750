"""Tables as text: encoding, separator, names, and what is wrong with a row."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from ..checks import counted
from ..errors import DataError, ParameterError
from ..training.loop import tell
from .wording import listed, place, printable, shown

if TYPE_CHECKING:
    import polars

SEPARATORS = ",;\t|"
SAMPLE, LINES = 100_000, 50  # letters and lines that the separator is told from
BOM = b"\xef\xbb\xbf"


def read_text(data: str, content: bytes, separator: str | None) -> polars.DataFrame:
    """A table of text columns from the bytes of a CSV file or the like.

    Parameters
    ----------
    data : str
        What messages call it.
    content : bytes
    separator : str or None
        The letter between columns; found out where none is given.

    Raises
    ------
    DataError
        If it is not text in UTF-8, a name is missing or given twice, a row has more or fewer cells than
        there are names, or a quote is not closed; row and column are named.
    """
    import polars as pl

    text = _decoded(data, content.removeprefix(BOM)).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DataError(f"{data}: is empty. A line of names and rows below it are needed.")
    text = f"{text.strip(chr(10))}\n"  # blank lines at the end are nothing
    if separator is None:
        separator = find_separator(text[:SAMPLE])
    names = column_names(data, text, separator)
    frame = None
    with suppress(pl.exceptions.PolarsError, ValueError):  # what is wrong is told by the slower reader
        frame = pl.read_csv(text.encode(), separator=separator, infer_schema=False)
    if frame is None or frame.width != len(names) or frame[frame.columns[-1]].null_count():
        rows = _rows(data, text, names, separator)
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        series = [pl.Series(str(k), column, dtype=pl.String) for k, column in enumerate(columns)]
        frame = pl.DataFrame(series)
    frame.columns = names
    stripped = pl.all().str.strip_chars()
    return frame.select(pl.when(stripped != "").then(stripped).name.keep())


def checked_separator(separator: object, what: str = "--separator") -> str | None:
    """What a user says that separates the columns, as one letter; raises ParameterError."""
    named = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
    if separator is None:
        return None
    letter = named.get(separator, separator) if isinstance(separator, str) else ""
    if len(letter) != 1 or not letter.isascii() or letter in '"\n\r\0' or letter.isalnum():
        raise ParameterError(
            f"{what} must be one letter between columns, got {shown(separator)}. Pass e.g. ';' or tab."
        )
    return letter


def find_separator(text: str) -> str:
    """The letter that splits the line of names, and most lines after it into as many cells.

    >>> find_separator("a;b\\n1,5;2\\n")
    ';'
    """

    def fitness(separator: str) -> tuple[bool, float, int]:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        with _any_length():
            rows = list(islice(lines, LINES))
        names = len(rows[0]) if rows else 0
        return names > 1, sum(len(row) == names for row in rows) / max(len(rows), 1), names

    return max(SEPARATORS, key=fitness)


def _decoded(data: str, content: bytes) -> str:
    """The text of the bytes; raises DataError with the place of the first that is none."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{data}: is text in UTF-16 or UTF-32. Save it as UTF-8.")
    nul = content.find(b"\0")
    if nul >= 0:
        zeros = content[:1000].count(b"\0")
        if zeros * 3 > len(content[:1000]):
            raise DataError(
                f"{data}: holds NUL bytes throughout, as UTF-16 or UTF-32 does. Save it as UTF-8."
            )
        raise DataError(f"{_place_of_byte(data, content, nul)}: a NUL byte (0x00). Export the table anew.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        where = _place_of_byte(data, content, error.start)
        wrong = content[error.start]
        raise DataError(
            f"{where}: the byte 0x{wrong:02x} is not UTF-8. Save the file in that encoding."
        ) from None


def _place_of_byte(data: str, content: bytes, at: int) -> str:
    """Row and column of a byte, as far as what stands before it tells them."""
    before = content[:at].decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    separator = find_separator(before[:SAMPLE])
    with _any_length():
        rows = list(csv.reader(io.StringIO(before, newline=""), delimiter=separator))
    row = len(rows) - 1 + (before.endswith("\n") or not before)
    if row <= 0:
        return f"{data}: the line of names"
    cells = 1 if before.endswith("\n") else len(rows[-1])
    if cells > len(rows[0]):
        return f"{data}: row {row}"
    return place(data, row - 1, rows[0][cells - 1].strip())


def column_names(data: str, text: str, separator: str) -> list[str]:
    """The columns' names, each there and given once."""
    with _any_length():
        try:
            first = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [])
        except csv.Error:
            raise DataError(f"{data}: a quote in the line of names is not closed. Close it.") from None
    names = [name.strip() for name in first]
    for number, name in enumerate(names, 1):
        if not name:
            raise DataError(
                f"{data}: column {number} has no name. Give every column a name in the first line."
            )
    seen = set[str]()
    for name in names:
        if name in seen:
            raise DataError(f"{data}: column {shown(name)} is there twice. Rename one of the two.")
        seen.add(name)
    if all(is_number(name) for name in names):
        tell(
            f"chainrule: warning: {printable(data)}: the first row was taken as column names, which are all "
            f"numbers: {listed(names, 3)}. If it is data, put a line of names above it."
        )
    return names


def is_number(text: str) -> bool:
    """Whether a cell is a number as files write it."""
    return re.fullmatch(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", text) is not None


def _rows(data: str, text: str, names: Sequence[str], separator: str) -> list[list[str]]:
    """All rows, by Python's reader, which is slower than polars and knows where a mistake is."""
    rows: list[list[str]] = []
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    with _any_length():
        try:
            next(lines)
            for cells in lines:
                rows.append(cells)
                if len(cells) != len(names):
                    if not cells and len(names) == 1:
                        rows[-1] = [""]
                        continue
                    _refuse_length(data, len(rows), cells, names)
        except csv.Error as error:
            kind = "is not closed" if "end of data" in str(error) else "stands in the middle of a cell"
            raise DataError(
                f"{data}: row {len(rows) + 1}: a quote {kind}. Close it, or write it twice within quotes."
            ) from None
    return rows


def _refuse_length(data: str, row: int, cells: Sequence[str], names: Sequence[str]) -> None:
    if not cells:
        raise DataError(f"{data}: row {row} is a blank line. Remove it.")
    found = counted(len(cells), "value")
    raise DataError(
        f"{data}: row {row} has {found} for {counted(len(names), 'column')}. "
        "Correct the row, or put quotes around cells that hold the separator."
    )


@contextmanager
def _any_length() -> Iterator[None]:
    """Within it, Python's reader of CSV takes cells of any length."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)
