"""Words and numbers of answers: lines of 80 columns, nine significant digits."""

from __future__ import annotations

WIDTH = 80


def nine(value: float | None) -> str:
    """Nine significant digits."""
    return "" if value is None else f"{value + 0:.9g}"


def fill(text: str, indent: str = "", later: str | None = None, first: str | None = None) -> list[str]:
    """Words in lines of at most 80 columns.

    Parameters
    ----------
    text : str
    indent : str
        Before every line.
    first, later : str, optional
        Before the first line, and before those that follow, where these are not indented alike.
    """
    lines, line = [], indent if first is None else first
    for word in text.split(" "):
        if len(line) + len(word) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent if later is None else later
        line += word + " "
    return [*lines, line.rstrip()]
