"""Cells of a column as numbers, truth values, moments or words; what does not fit is named with its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import DataError
from .wording import place, shown

if TYPE_CHECKING:
    import polars

MISSING = ("", "-", "?", "n/a", "na", "nan", "nil", "none", "null")  # how files write a missing number
LARGEST = 1e37  # differences and sums of a few such numbers still fit into float32
TRUTHS = {"true": 1.0, "false": 0.0}
DAY_FORMS = {"%Y": "YYYY", "%y": "YY", "%m": "MM", "%d": "DD"}
TIME_FORMS = {"%H": "hh", "%I": "hh", "%M": "mm", "%S": "ss", "%.f": "", "%#z": "+hh:mm", "%p": "AM"}
FIRST_YEAR = 1000  # before it a year would be written with fewer than four digits, and 24 is no such year
SEPARATED = r"^[-+]?\d{1,3}([,.' \u00a0]\d{3})*([,.]\d+)?$"  # 1,234.5 or 1.234,5 or 1,5


def known(words: polars.Series) -> polars.Series:
    """Words, with null for those that say that a number is missing."""
    marks = words.str.to_lowercase().is_in(MISSING)
    return words.set(marks.fill_null(False), None)


def lenient_numbers(words: polars.Series) -> polars.Series:
    """Words as float64, null for what is none."""
    import polars as pl

    found = words.str.strip_chars().cast(pl.Float64, strict=False)
    return found.fill_nan(None)


def lenient_truths(words: polars.Series) -> polars.Series:
    """true and false, in capitals or not, as 1.0 and 0.0; null for what is neither."""
    import polars as pl

    return words.str.to_lowercase().replace_strict(TRUTHS, default=None, return_dtype=pl.Float64)


def numbers(data: str, column: str, cells: polars.Series, advice: str | None = None) -> polars.Series:
    """A column as float64, null where a cell is missing.

    Parameters
    ----------
    data, column : str
        What messages call the table and the column.
    cells : polars.Series
    advice : str, optional
        What is to be done about a word, if not what a user can do who trains.

    Raises
    ------
    DataError
        For a cell that is no number, is infinite, or too large for float32: row and column are named.
    """
    import polars as pl

    if cells.dtype == pl.String:
        found = lenient_numbers(cells)
        _refuse_words(data, column, cells, found, advice)
    elif cells.dtype.is_numeric() or cells.dtype == pl.Boolean:
        found = cells.cast(pl.Float64).fill_nan(None)
    elif cells.dtype == pl.Null:
        found = cells.cast(pl.Float64)
    else:
        raise _wrong_type(data, column, cells, "numbers")
    if float(found.abs().max() or 0) > LARGEST:  # type: ignore[arg-type]
        infinite = found.is_infinite()
        _refuse(data, column, found, infinite, "is infinite. Write a number, or leave the cell empty.")
        large = found.abs() > LARGEST
        _refuse(data, column, found, large, "is too large for a network of float32. Use a larger unit.")
    return found


def _refuse_words(
    data: str, column: str, cells: polars.Series, found: polars.Series, advice: str | None
) -> None:
    """Raise DataError for the first cell that is no number, and no word for a missing one."""
    if found.null_count() == cells.null_count():
        return
    wrong = known(cells).is_not_null() & found.is_null()
    if wrong.any():
        row = int(wrong.arg_true()[0])
        if re.match(SEPARATED, cells[row]):
            advice = "Write it as 1234.5."
        elif advice is None:
            advice = f"Correct it; for words, train with --column {shown(column, 20)[1:-1]}=category."
        raise DataError(f"{place(data, row, column)}: {shown(cells[row])} is not a number. {advice}")


def truths(data: str, column: str, cells: polars.Series) -> polars.Series:
    """Truth values as 1.0 and 0.0, null where a cell is missing; raises DataError for others."""
    import polars as pl

    if cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64)
    if cells.dtype.is_numeric():
        found = numbers(data, column, cells)
        _refuse(data, column, found, ~found.is_in([0.0, 1.0]), "is no truth value. Use true and false.")
        return found
    if cells.dtype != pl.String and cells.dtype != pl.Null:
        raise _wrong_type(data, column, cells, "truth values")
    given = known(cells.cast(pl.String))
    found = lenient_truths(given)
    wrong = given.is_not_null() & found.is_null()
    _refuse(data, column, cells, wrong, "is no truth value. Use true and false.")
    return found


def words(data: str, column: str, cells: polars.Series) -> polars.Series:
    """A column as text, null where a cell is missing; raises DataError for lists and the like."""
    import polars as pl

    if cells.dtype.is_nested() or cells.dtype in (pl.Binary, pl.Object):
        raise _wrong_type(data, column, cells, "words")
    found = cells.cast(pl.String)
    return found.set((found == "").fill_null(False), None)


def moments(data: str, column: str, cells: polars.Series, form: str | None) -> polars.Series:
    """Dates, with or without the time of day, null where a cell is missing.

    Parameters
    ----------
    data, column : str
    cells : polars.Series
    form : str or None
        How text writes them, as "%Y-%m-%d"; None for a column that was of a type for dates.

    Raises
    ------
    DataError
        For a cell that is no date, or written in another way.
    """
    import polars as pl

    if cells.dtype == pl.Date or cells.dtype == pl.Null:
        return cells.cast(pl.Datetime("us"))
    if cells.dtype == pl.Datetime:
        return cells.dt.replace_time_zone(None).cast(pl.Datetime("us"))
    if cells.dtype != pl.String:
        raise _wrong_type(data, column, cells, "dates")
    given = known(cells)
    form = form or "%Y-%m-%d"
    found = parsed_moments(given, form)
    wrong = given.is_not_null() & found.is_null()
    _refuse(data, column, cells, wrong, f"is no date like the others ({_in_letters(form)}). Correct it.")
    return found


def _in_letters(form: str) -> str:
    """A way of writing dates as people tell it: YYYY-MM-DD."""
    for mark, letters in (DAY_FORMS | TIME_FORMS).items():
        form = form.replace(mark, letters)
    return form


def parsed_moments(given: polars.Series, form: str) -> polars.Series:
    """Text as moments by one way of writing them, null for what is written otherwise."""
    import polars as pl

    if form == "%Y-%m":
        given, form = given + "-01", "%Y-%m-%d"
    if ":" in form:
        found = given.str.to_datetime(form, strict=False, time_unit="us").dt.replace_time_zone(None)
    else:
        found = given.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    return found.set((found.dt.year() < FIRST_YEAR).fill_null(False), None)


def _refuse(data: str, column: str, cells: polars.Series, wrong: polars.Series, why: str) -> None:
    """Raise DataError for the first cell that is wrong, if there is one."""
    bad = wrong.fill_null(False)
    if bad.any():
        row = int(bad.arg_true()[0])
        cell = f"{cells[row]:g}" if isinstance(cells[row], float) else shown(cells[row])
        raise DataError(f"{place(data, row, column)}: {cell} {why}")


def _wrong_type(data: str, column: str, cells: polars.Series, wanted: str) -> DataError:
    kind = str(cells.dtype).split("(")[0].lower()
    first = cells.is_not_null().arg_true()
    where = place(data, int(first[0]) if len(first) else 0, column)
    return DataError(
        f"{where}: the column holds {kind}, where {wanted} are needed. Convert it, or take another."
    )
