"""From a table as it was read to columns of one type each, which encoders take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import DataError, UnknownNameError
from . import cells
from .kinds import Column
from .wording import listed, shown, unknown_column

if TYPE_CHECKING:
    import polars


def source_names(columns: Sequence[Column]) -> list[str]:
    """The names of what `sources` gives for the columns."""
    found = []
    for column in columns:
        dated = column.kind == "date"
        found += [f"{column.name} ({part})" for part in column.parts] if dated else [column.name]
    return found


def sources(data: str, frame: polars.DataFrame, columns: Sequence[Column]) -> polars.DataFrame:
    """The columns as encoders take them: float64 or text, dates in their parts, null for missing cells.

    Raises
    ------
    UnknownNameError
        If columns are not there.
    DataError
        If a cell is not of its column's kind: row and column are named; or a column is called as a part of a
        date is.
    """
    import polars as pl

    seen = set[str]()
    for name in source_names(columns):
        if name in seen:
            raise DataError(
                f"{data}: column {shown(name)} is called as a part of the dates of "
                f"{shown(name.rpartition(' (')[0])} is. Rename it."
            )
        seen.add(name)
    there = dict(zip(frame.columns, frame, strict=True))
    missing = [column.name for column in columns if column.name not in there]
    if len(missing) > 1:
        raise UnknownNameError(
            f"{data}: columns {listed(missing)} are missing. Rename or add them. "
            f"Columns: {listed(frame.columns)}."
        )
    if missing:
        raise unknown_column(data, missing[0], frame.columns)
    found = []
    for column in columns:
        found += _source(data, there[column.name], column)
    return pl.DataFrame(found)


def _source(data: str, values: polars.Series, column: Column) -> list[polars.Series]:
    name = column.name
    if column.kind == "number":
        return [cells.numbers(data, name, values).alias(name)]
    if column.kind == "truth value":
        return [cells.truths(data, name, values).alias(name)]
    if column.kind == "category":
        return [cells.words(data, name, values).alias(name)]
    found = cells.moments(data, name, values, column.form)
    return [_part(found, part).alias(f"{name} ({part})") for part in column.parts]


def _part(found: polars.Series, part: str) -> polars.Series:
    """One number of each moment: days since the year 2000 began, month, weekday, or hour of the day."""
    import polars as pl

    if part == "days":
        start = pl.lit("2000-01-01").str.to_datetime(time_unit="us")
        return pl.select((found - start).dt.total_microseconds() / 86_400_000_000).to_series()
    if part == "hour":
        return found.dt.hour().cast(pl.Float64) + found.dt.minute() / 60
    return (found.dt.month() if part == "month" else found.dt.weekday()).cast(pl.Float64)
