"""A training step with the value of every line of its printed source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...checks import counted
from ...emit.numpy_source import FORWARD, UPDATE
from ...errors import ParameterError, unknown_name
from ..numbers import as_json
from .line_formulas import LineFormula
from .notation import Notation

Array = np.ndarray[Any, Any]
GIVEN, LOSS, BACKWARD = "given", "loss", "backward"
SECTIONS = (GIVEN, FORWARD, LOSS, BACKWARD, UPDATE)


@dataclass(frozen=True)
class Entry:
    """A number or array of the step.

    Attributes
    ----------
    section : {"given", "forward", "loss", "backward", "update"}
    name : str
        As printed source calls it.
    layer : str or None
        Whose it is.
    formula : LineFormula
        How it is computed, in the trace's notation; of what is given, its name alone.
    value : ndarray
    gradient : ndarray or None
        The derivative of the loss by it, of the same shape.
    """

    section: str
    name: str
    layer: str | None
    formula: LineFormula
    value: Array
    gradient: Array | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        made = self.formula
        found: dict[str, Any] = {
            "section": self.section,
            "name": self.name,
            "layer": self.layer,
            "symbol": made.symbol,
            "formula": made.text,
            "with_numbers": made.text_numbers,
            "latex": made.latex_line,
            "shape": list(self.value.shape),
            "value": as_json(self.value),
        }
        if self.gradient is not None:
            found["gradient"] = as_json(self.gradient)
        return found


class Trace:
    """Every number of a training step, in the order in which they come about.

    ``str(trace)`` is plain text; notebooks show it as HTML.

    Attributes
    ----------
    entries : list of Entry
    rows : int
        Those of the batch.
    notation : Notation
    complete : bool
        Whether there were targets: without them there is a forward pass alone.
    """

    def __init__(self, entries: Sequence[Entry], rows: int, notation: Notation, complete: bool) -> None:
        self.entries = list(entries)
        self.rows, self.notation, self.complete = rows, notation, complete

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __getitem__(self, name: str | tuple[str, str]) -> Entry:
        """An entry by its name in printed source, or by section and name where a weight's new value is meant.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        section, own = name if isinstance(name, tuple) else (None, name)
        for entry in self.entries:
            if entry.name == own and section in (None, entry.section):
                return entry
        known = dict.fromkeys(entry.name for entry in self.entries if section in (None, entry.section))
        raise unknown_name("trace: node" if section is None else f"trace: node of {section}", own, known)

    @property
    def loss(self) -> float:
        """The step's loss; raises ParameterError where there were no targets."""
        if not self.complete:
            raise ParameterError("there is no loss without targets. Pass y as well.")
        return float(self["loss"].value)

    def sections(self) -> Iterator[tuple[str, list[Entry]]]:
        """The sections that have entries, with these."""
        for section in SECTIONS:
            found = [entry for entry in self.entries if entry.section == section]
            if found:
                yield section, found

    @property
    def title(self) -> str:
        """What it is of, in a line."""
        what = "A training step" if self.complete else "A forward pass"
        return f"{what} on {counted(self.rows, 'row')}"

    def __str__(self) -> str:
        from .trace_text import as_text

        return as_text(self)

    def __repr__(self) -> str:
        entries = counted(len(self), "line")
        return f"<Trace: {self.title[0].lower()}{self.title[1:]}, {entries}>"

    def table(self, width: int = 80, color: bool = False) -> str:
        """The trace as a table for a terminal.

        Parameters
        ----------
        width : int
            Letters in a line, at least 72; nothing is cut, but goes on in the next line.
        color : bool
            Whether to write what colours text in a terminal.

        Raises
        ------
        ParameterError
            If the width is less.
        """
        from .trace_text import as_table

        return as_table(self, width, color)

    def to_json(self) -> dict[str, Any]:
        """The trace as JSON can hold it, every number with all its digits."""
        return {
            "title": self.title,
            "rows": self.rows,
            "loss": as_json(self["loss"].value) if self.complete and "loss" in self._names() else None,
            "notation": self.notation.to_json(),
            "entries": [entry.to_json() for entry in self.entries],
        }

    def _names(self) -> set[str]:
        return {entry.name for entry in self.entries}

    def to_markdown(self) -> str:
        """The trace in Markdown, formulas in LaTeX."""
        from .trace_markup import as_markdown

        return as_markdown(self)

    def to_html(self) -> str:
        """The trace as one HTML file that needs nothing else; formulas are MathML."""
        from .trace_markup import as_html

        return as_html(self)

    def _repr_html_(self) -> str:
        from .trace_markup import as_fragment

        return as_fragment(self)
