"""How arrays are shown: small ones whole, with nine significant digits; large ones summarised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import counted
from ..emit.notation import digits

Array = np.ndarray[Any, Any]
WHOLE = 24  # numbers that are shown all
FIRST = 6  # shown of more
SAME = 3  # elements of one number, above which it is shown once


def rows_of(value: Array) -> list[list[str]] | None:
    """The numbers of a small array as text, a list for each row; None of one that is summarised."""
    if value.size > WHOLE or value.ndim > 2 or _is_one_number(value):
        return None
    return [[digits(x) for x in row] for row in np.atleast_2d(value)]


def _is_one_number(value: Array) -> bool:
    """Whether many elements are the same number."""
    return value.size > SAME and bool((value == value.flat[0]).all())


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of numbers as lines, each column as wide as its widest number."""
    if not rows or not rows[0]:
        return ["(no numbers)"]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{x:<{w}}" for x, w in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def summary(value: Array) -> list[str]:
    """A large array in words: its first numbers, and least, mean and greatest; or that all are the same."""
    flat = value.ravel()
    if _is_one_number(value):
        return [f"all {value.size:,} are {digits(flat[0])}"]
    first = " ".join(digits(x) for x in flat[:FIRST])
    lines = [f"{counted(value.size, 'number')}: {first} ..."]
    if value.dtype.kind == "b":
        return [*lines, f"{int(flat.sum()):,} of them True"]
    finite = flat[np.isfinite(flat)]
    if finite.size:
        with np.errstate(all="ignore"):
            parts = [
                f"{name} {digits(x)}"
                for name, x in (("min", finite.min()), ("mean", finite.mean()), ("max", finite.max()))
            ]
        lines.append(", ".join(parts))
    if finite.size < flat.size:
        lines.append(f"{flat.size - finite.size:,} of them not finite")
    return lines


def lines_of(value: Array) -> list[str]:
    """An array as lines of text."""
    rows = rows_of(value)
    return summary(value) if rows is None else aligned(rows)


def shape_text(shape: Sequence[Any]) -> str:
    """A shape as Python writes it; nothing for one number."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})" if shape else ""


def as_json(value: Array) -> Any:
    """Numbers as JSON can hold them: those that are not finite as text."""
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        return _replaced(value.tolist())
    return value.tolist()


def plain(value: float | None) -> float | str | None:
    """One number as JSON can hold it: one that is not finite as text."""
    return value if value is None or np.isfinite(value) else str(value)


def _replaced(value: Any) -> Any:
    return [_replaced(x) for x in value] if isinstance(value, list) else plain(value)
