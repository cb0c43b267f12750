"""A trace as plain text, and as a table for a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...checks import positive_int
from ...errors import MissingExtraError, ParameterError
from ..numbers import Array, aligned, lines_of, rows_of, shape_text, summary

if TYPE_CHECKING:
    from .trace import Entry, Trace

WIDTH = 80
NARROWEST = 72
MOST_DIGITS = 17  # letters of one number, and a bracket on each side
GAP = 3  # letters between columns
HEADINGS = {
    "given": "given",
    "forward": "forward",
    "loss": "loss",
    "backward": "backward: how the loss changes with each of them, from the last to the first",
    "update": "update",
}


def as_text(trace: Trace) -> str:
    """Plain text: each formula, the same with numbers put in, its value, and the gradient below it."""
    blocks = [trace.title]
    for section, entries in trace.sections():
        blocks.append("\n".join([HEADINGS[section], *(line for entry in entries for line in _block(entry))]))
    return "\n\n".join(blocks)


def _block(entry: Entry) -> Iterator[str]:
    """An entry's lines."""
    made, indent = entry.formula, "  "
    shape = shape_text(entry.value.shape)
    head = f"{made.symbol} {made.sign} {made.text}" if made.text else made.symbol
    first, *more = _wrapped(head, indent, f"{indent}    ", WIDTH - len(shape) - 2 if shape else WIDTH)
    yield f"{first:<{WIDTH - len(shape)}}{shape}".rstrip()
    yield from more
    if made.text_numbers:
        yield from _wrapped(f"= {made.text_numbers}", f"{indent}  ", f"{indent}    ")
    yield from _listed("=", lines_of(entry.value))
    if entry.gradient is not None:
        yield from _listed("gradient", lines_of(entry.gradient))


def _listed(sign: str, lines: list[str]) -> Iterator[str]:
    """Lines of numbers behind a sign."""
    start = f"    {sign} "
    for k, line in enumerate(lines):
        yield from _wrapped(line, start if k == 0 else " " * len(start), " " * len(start))


def _wrapped(text: str, first: str, later: str, width: int = WIDTH) -> list[str]:
    """Text in lines; what has no space to break at goes beyond the width."""
    return textwrap.wrap(
        text,
        max(width, len(later) + 20),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [first]


def as_table(trace: Trace, width: int, color: bool) -> str:
    """A table: name and shape, formula, value, gradient."""
    if positive_int(width, "table: width", "width=80") < NARROWEST:
        raise ParameterError(f"table: width must be at least {NARROWEST}, got {width}. Pass e.g. width=80.")
    try:
        from rich.console import Console
    except ImportError:
        raise MissingExtraError(
            "a table needs rich, which is not installed. Run: pip install rich, or use str(trace)."
        ) from None
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=color,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(trace.title, style="bold")
    for section, entries in trace.sections():
        console.print()
        console.print(_section(HEADINGS[section], entries, width))
    lines = stream.getvalue().split("\n")
    return "\n".join(line.rstrip() for line in lines).rstrip("\n")


def _section(title: str, entries: list[Entry], width: int) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    computed = any(entry.formula.text for entry in entries)
    slopes = any(entry.gradient is not None for entry in entries)
    names = [line for entry in entries for line in (entry.formula.symbol, shape_text(entry.value.shape))]
    widths = {"name": min(width // 4, max(4, *map(len, names)))}
    left = width - widths["name"] - GAP * (1 + computed + slopes)
    room = max(MOST_DIGITS, int(left * (0.55, 0.3)[slopes]) if computed else left // (1 + slopes))
    values = [_fitted(entry.value, room) for entry in entries]
    gradients = ["" if entry.gradient is None else _fitted(entry.gradient, room) for entry in entries]
    widths["value"] = _widest("value", values)
    if slopes:
        widths["gradient"] = _widest("gradient", gradients)
    if computed:
        widths["formula"] = left - widths["value"] - widths.get("gradient", 0)
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for heading in ("name", "formula", "value", "gradient"):
        if heading in widths:
            table.add_column(heading, overflow="fold", width=widths[heading])
    for entry, value, gradient in zip(entries, values, gradients, strict=True):
        made = entry.formula
        cells = [Text(made.symbol, style="bold cyan")]
        shape = shape_text(entry.value.shape)
        if shape:
            cells[0].append(f"\n{shape}", style="not bold dim")
        if computed:
            cells.append(Text(f"{made.sign} {made.text}" if made.text else ""))
            if made.text_numbers:
                cells[-1].append(f"\n= {made.text_numbers}", style="dim")
        cells.append(Text(value))
        if slopes:
            cells.append(Text(gradient))
        table.add_row(*cells)
    return table


def _widest(heading: str, cells: list[str]) -> int:
    return max(len(line) for cell in (heading, *cells) for line in cell.split("\n"))


def _fitted(value: Array, room: int) -> str:
    """An array in lines of so many letters: rows that are longer stand between brackets."""
    rows = rows_of(value)
    if rows is None:
        return "\n".join(line for text in summary(value) for line in textwrap.wrap(text, room))
    lines = aligned(rows)
    if max(map(len, lines)) <= room:
        return "\n".join(lines)
    wide = [f"[{' '.join(row)}]" for row in rows]
    wrapped = (textwrap.wrap(row, room, subsequent_indent=" ", break_on_hyphens=False) for row in wide)
    return "\n".join(line for row in wrapped for line in row)
