"""How messages call what stands in tables: no name or cell can be long, or act on a terminal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from ..errors import UnknownNameError

MOST_LETTERS = 40  # of a name or cell in a message


def shown(name: object, most: int = MOST_LETTERS) -> str:
    """A name or word between quotes, cut where it is long, what cannot be seen escaped; others as they are.

    >>> print(shown("age"), shown("x" * 50, 8), shown(3))
    'age' 'xxxxx...' 3
    """
    text = str(name)
    if not isinstance(name, str):
        return text
    return repr(text if len(text) <= most else f"{text[: most - 3]}...")


def printable(text: str) -> str:
    """Text with all that cannot be seen escaped, so that a terminal shows it and obeys none of it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def listed(names: Sequence[object], most: int = 5) -> str:
    """The first names or values, and how many more there are."""
    first = ", ".join(shown(name, 20) for name in names[:most])
    return f"{first} and {len(names) - most:,} more" if len(names) > most else first


def place(data: str, row: int, column: str) -> str:
    """A cell's place as messages tell it; rows are counted from 1, the line of names apart."""
    return f"{data}: row {row + 1}, column {shown(column)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another one, whatever the case of its letters; None if none is."""
    lowered = {other[:100].lower().strip(): other for other in known}
    near = difflib.get_close_matches(name[:100].lower().strip(), lowered, n=1)
    return lowered[near[0]] if near else None


def unknown_column(data: str, name: str, known: Sequence[str]) -> UnknownNameError:
    """The error for a column that a table has not got: names the nearest, and some of those that it has."""
    near = nearest(name, known)
    hint = f"; did you mean {shown(near)}?" if near is not None else "."
    if len(known) == 1:
        hint = (
            ", and there is only one. Pass --separator if something else than , ; | or tabs "
            "separates the columns."
        )
    return UnknownNameError(f"{data}: column {shown(name)} is unknown{hint} Columns: {listed(known)}.")
