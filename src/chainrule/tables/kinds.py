"""What kind of column it is that a table has, told from its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DataError, ModelFileError, ParameterError, unknown_name
from ..training.loop import tell
from . import cells
from .wording import place, printable, shown, unknown_column

if TYPE_CHECKING:
    import polars

USABLE = ("number", "truth value", "category", "date")
STATED = {
    "number": "number",
    "boolean": "truth value",
    "category": "category",
    "date": "date",
    "ignore": "ignored",
}
"""What a user can say of a column, and which kind that is."""

MOST = 0.9  # of a column's cells must be numbers (dates, ...) for the others to be mistakes in it
DISTINCT = 0.9  # of a column's words must differ for it to name the rows, not to tell something of them
TEXT_WORDS, TEXT_DISTINCT = 4, 0.5  # words a cell, and share of distinct cells, from which on it is free text
DATES = 0.5  # of a column's cells must be dates for it to be one: 10-11 and 1.2.24 may be something else
DATE_LIKE = (
    r"^(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4}))([T ]\d{1,2}:\d{2}.*)?$"
)
MONTH_FIRST, DAY_FIRST = "%m/%d", "%d/%m"
DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y.%m.%d"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y"),
)
MONTHS = "%Y-%m"
TIMES = ("%H:%M:%S%.f", "%H:%M", "%H:%M:%S%.f%#z", "%H:%M%#z", "%I:%M:%S %p", "%I:%M %p")
LOOKED_AT = 1000  # cells of a column by which it is told how dates are written
SPLIT_WORDS = {"train", "training", "valid", "validation", "val", "dev", "test", "testing"}


@dataclass(frozen=True)
class Column:
    """A column that can be learned from.

    Attributes
    ----------
    name : str
    kind : {"number", "truth value", "category", "date"}
    form : str or None
        How text writes its dates, as "%Y-%m-%d".
    parts : tuple of str
        What is taken of a date: of "days", "month", "weekday" and "hour" those that differ.
    """

    name: str
    kind: str
    form: str | None = None
    parts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As what JSON can hold."""
        return {key: value for key, value in asdict(self).items() if value}

    @staticmethod
    def from_json(value: Any) -> Column:
        """From JSON, checked; raises ModelFileError."""
        fields = {"name": str, "kind": str, "form": str, "parts": list}
        if not isinstance(value, dict) or not all(
            key in fields and isinstance(own, fields[key]) for key, own in value.items()
        ):
            raise ModelFileError("a column's description is broken.")
        column = Column(**{**value, "parts": tuple(value.get("parts", ()))})
        if column.kind not in USABLE or not set(column.parts) <= set(PARTS):
            raise ModelFileError(f"column {shown(column.name)} is of an unknown kind.")
        return column


PARTS = ("days", "month", "weekday", "hour")


@dataclass(frozen=True)
class Kinds:
    """The columns that can be learned from, and why the others cannot."""

    columns: list[Column]
    left_out: dict[str, str]


def find_kinds(data: str, frame: polars.DataFrame, target: str | None, stated: Mapping[str, str]) -> Kinds:
    """What kinds of columns a table has.

    Parameters
    ----------
    data : str
        What messages call the table.
    frame : polars.DataFrame
    target : str or None
        The column that is no input.
    stated : mapping of str to str
        Kinds that a user says, by column: those of `STATED`.

    Raises
    ------
    UnknownNameError
        If a kind is stated of a column that is not there.
    DataError
        If a column is empty or holds lists, a cell is no date like the others, or there is no column that
        can be learned from.
    """
    for name in stated:
        if name not in frame.columns:
            raise unknown_column(data, name, frame.columns)
        if name == target:
            raise ParameterError(
                f"--column {shown(name)}: this is the target. Leave it out; --task says its kind."
            )
    columns, left_out = [], {}
    for values in frame:
        name = values.name
        if name == target:
            continue
        kind, why = stated.get(name), ""
        if kind is None:
            kind, why = guess_kind(data, name, values)
        if kind in USABLE:
            columns.append(_described(data, name, kind, values))
        else:
            left_out[name] = why or kind
    if not columns:
        raise _nothing(data, target, left_out)
    return Kinds(columns, left_out)


def _nothing(data: str, target: str | None, left_out: Mapping[str, str]) -> DataError:
    if not left_out:
        return DataError(f"{data}: has no column beside the target {shown(target)} to learn from. Add one.")
    name, why = next(iter(left_out.items()))
    return DataError(
        f"{data}: has no column to learn from: column {shown(name)} is left out ({why}). "
        "Add others, or pass --column NAME=category."
    )


def guess_kind(data: str, name: str, values: polars.Series) -> tuple[str, str]:
    """A column's kind, or what else it is, and why it cannot be learned from then.

    Raises
    ------
    DataError
        If all cells are missing or hold lists and the like, or numbers are written with commas.
    """
    import polars as pl

    dtype = values.dtype
    if values.null_count() == len(values):
        raise _empty(data, name)
    if dtype.is_numeric():
        if values.dtype.is_float() and values.is_nan().fill_null(True).all():
            raise _empty(data, name)
        return "number", ""
    if dtype == pl.Boolean:
        return "truth value", ""
    if dtype in (pl.Date, pl.Datetime):
        return "date", ""
    if dtype in (pl.Categorical, pl.Enum):
        return "category", ""
    if dtype != pl.String:
        kind = str(dtype).split("(")[0].lower()
        raise DataError(
            f"{data}: column {shown(name)} holds {kind}, which cannot be learned from. "
            f"Convert it, or pass --column {shown(name, 20)[1:-1]}=ignore."
        )
    return _kind_of_words(data, name, values)


def _empty(data: str, name: str) -> DataError:
    return DataError(
        f"{data}: column {shown(name)} is empty: all its cells are missing. Fill it, or remove it, "
        f"or pass --column {shown(name, 20)[1:-1]}=ignore."
    )


def _kind_of_words(data: str, name: str, values: polars.Series) -> tuple[str, str]:
    if cells.lenient_numbers(values).null_count() == values.null_count():
        return "number", ""
    given = cells.known(values)
    count = len(given) - given.null_count()
    if not count:
        raise _empty(data, name)
    for kind, read in (("number", cells.lenient_numbers), ("truth value", cells.lenient_truths)):
        fitting = read(given)
        if len(fitting) - fitting.null_count() >= MOST * count:
            return kind, ""
    if given.str.contains(DATE_LIKE).sum() >= MOST * count:
        dates = cells.parsed_moments(given, find_form(given))
        if len(dates) - dates.null_count() >= DATES * count:
            return "date", ""
    separated = given.str.contains(cells.SEPARATED)
    if int(separated.sum() or 0) >= MOST * count:
        row = int(given.is_not_null().arg_true()[0])
        raise DataError(
            f"{place(data, row, name)}: {shown(values[row])} has a comma, or points between thousands. "
            f"Write numbers as 1234.5, or pass --column {shown(name, 20)[1:-1]}=category."
        )
    return _kind_of_labels(values.drop_nulls())


def _kind_of_labels(labels: polars.Series) -> tuple[str, str]:
    """A category; or free text, names of rows, or a mark of what the rows are for."""
    distinct = labels.n_unique()
    if distinct > 1 and set(labels.str.to_lowercase().unique().head(9)) <= SPLIT_WORDS:
        return "split", "says what the rows are for; pass --split with its name to use it so"
    if distinct <= TEXT_DISTINCT * len(labels) or len(labels) < 2:
        return "category", ""
    spaces = float(labels.str.count_matches(r"\s+").mean() or 0)  # type: ignore[arg-type]
    if spaces >= TEXT_WORDS - 1:
        return "text", "free text"
    if distinct > DISTINCT * len(labels):
        return "identifier", f"{distinct:,} different words in {len(labels):,} cells"
    return "category", ""


def _described(data: str, name: str, kind: str, values: polars.Series) -> Column:
    """The column with what is to be known for reading others like it."""
    import polars as pl

    if kind != "date":
        return Column(name, kind)
    if values.dtype != pl.String:
        return Column(name, kind, None, date_parts(cells.moments(data, name, values, None)))
    form = find_form(values)
    swapped = form.replace(MONTH_FIRST, DAY_FIRST)
    if swapped != form and cells.parsed_moments(values, swapped).null_count() == values.null_count():
        tell(
            f"chainrule: {printable(data)}: column {shown(name)} is read month first, and could be day "
            "first. If it is, write YYYY-MM-DD."
        )
    return Column(name, kind, form, date_parts(cells.parsed_moments(values, form)))


def find_form(values: polars.Series) -> str:
    """How most cells of a column write dates.

    >>> import polars
    >>> find_form(polars.Series(["31.12.2024", "01.01.2025"]))
    '%d.%m.%Y'
    """
    given = cells.known(values).drop_nulls()
    given = given.gather_every(max(1, len(given) // LOOKED_AT))
    forms: Sequence[str] = (*DAYS, MONTHS)
    if given.str.contains(":").any():
        forms = [f"{day}{between}{time}" for day in DAYS for between in "T " for time in TIMES]
    return max(forms, key=lambda form: len(given) - cells.parsed_moments(given, form).null_count())


def date_parts(found: polars.Series) -> tuple[str, ...]:
    """What can be taken of dates: the day, and of month, weekday and hour those that differ."""
    found = found.drop_nulls()
    varying = {
        "month": found.dt.month().n_unique() > 1,
        "weekday": found.dt.weekday().n_unique() > 1 and found.dt.day().n_unique() > 1,
        "hour": found.dt.hour().n_unique() > 1,
    }
    return ("days", *(part for part, differs in varying.items() if differs))


def stated_kinds(pairs: Sequence[str]) -> dict[str, str]:
    """Kinds that a user says, as NAME=KIND; raises ParameterError for what is no such pair or kind."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, kind = pair.rpartition("=")
        if not equals or not name:
            raise ParameterError(f"--column must be NAME=KIND, got {shown(pair)}. Pass e.g. zip=category.")
        if kind not in STATED:
            raise unknown_name(f"--column {shown(name)}: kind", kind[:40], STATED)
        if found.setdefault(name, STATED[kind]) != STATED[kind]:
            raise ParameterError(f"--column {shown(name)} is given twice. Give it once.")
    return found
