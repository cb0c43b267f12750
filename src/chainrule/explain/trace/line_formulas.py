"""The formulas of a step's lines in a reader's notation, with names and with numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...emit.columns import as_columns, turned_shape, turned_value
from ...emit.formula import expression
from ...emit.notation import Part
from ...emit.numpy_source import Assigned
from ...graph.tensor import CONSTANT, SIZE, Tensor
from ...nn.network import BaseNetwork
from ...shapes import Shape, evaluate_shape, names_in
from .lines import Key, Lines
from .notation import Notation, ReaderLatex, ReaderText, Symbols

Array = np.ndarray[Any, Any]
PUT_IN = 16  # numbers that stand in a formula at most


@dataclass(frozen=True)
class LineFormula:
    """What a line says.

    Attributes
    ----------
    symbol, latex_symbol : str
        What is computed.
    becomes : bool
        Whether it is the new value of something.
    text, latex : str
        From what it is computed; empty for what is given.
    text_numbers, latex_numbers : str
        The same with numbers put in; empty where they would be too many, or nothing is to be computed.
    """

    symbol: str
    latex_symbol: str
    becomes: bool = False
    text: str = ""
    latex: str = ""
    text_numbers: str = ""
    latex_numbers: str = ""

    @property
    def sign(self) -> str:
        """What stands between symbol and formula in text."""
        return ReaderText.becomes if self.becomes else ReaderText.assigns

    @property
    def latex_sign(self) -> str:
        """The same in LaTeX."""
        return ReaderLatex.becomes if self.becomes else ReaderLatex.assigns

    @property
    def latex_line(self) -> str:
        """Symbol, sign and formula in LaTeX."""
        return f"{self.latex_symbol} {self.latex_sign} {self.latex}" if self.latex else self.latex_symbol


class Formulas:
    """Writes the lines of one program."""

    def __init__(
        self, network: BaseNetwork, notation: Notation, lines: Lines, sizes: Mapping[str, int]
    ) -> None:
        self.notation, self.lines, self.sizes = notation, lines, sizes
        symbols = Symbols(network, notation)
        symbols.check(list(lines.names.values()))
        self.text, self.latex = ReaderText(symbols), ReaderLatex(symbols)
        self.shown = {node: node for node in lines.names}
        if notation.columns:
            self.shown |= as_columns([line.node for line in lines.assigned])
        self.names: dict[Tensor, str] = {}
        for node, name in lines.names.items():
            self.names.setdefault(self.shown.get(node, node), name)
        self.first: dict[Tensor, Assigned] = {}  # the line that names a node
        for line in lines.assigned:
            self.first.setdefault(self.shown.get(line.node, line.node), line)
        self.values: dict[Tensor, Array] = {}

    def puts_in(self, line: Assigned) -> bool:
        """Whether a line's value is small enough to stand in the formulas of others."""
        return math.prod(evaluate_shape(line.node.shape, self.sizes)) <= PUT_IN

    def laid(self, value: Array, shape: Shape) -> Array:
        """A value as the notation shows it."""
        return turned_value(value, shape) if self.notation.columns else value

    def shape(self, shape: Shape) -> Shape:
        """A shape as the notation shows it."""
        return turned_shape(shape) if self.notation.columns else shape

    def give(self, values: Mapping[Key, Array]) -> None:
        """The values of leaves, and of lines that are kept; small ones are put into formulas."""
        for key, value in values.items():
            node = key if isinstance(key, Tensor) else key.node
            if value.size <= PUT_IN:
                self.values.setdefault(self.shown.get(node, node), self.laid(value, node.shape))

    def of(self, key: Key) -> LineFormula:
        """What a leaf or a line says."""
        if isinstance(key, Tensor):
            name = self.lines.names[key]
            return LineFormula(self.text.name(name).text, self.latex.name(name).text)
        variable = key.variable
        name = key.name if variable is None else self.lines.names[variable]
        root = self.shown.get(key.node, key.node)
        own = self.first[root] is key and bool(root.inputs)
        text, latex = (self._side(root, own, w, None) for w in (self.text, self.latex))
        numbers = self._numbers(root) if own else None
        return LineFormula(
            self.text.name(name).text,
            self.latex.name(name).text,
            variable is not None,
            text,
            latex,
            "" if numbers is None else self._sized(self._side(root, True, self.text, numbers)),
            "" if numbers is None else self._side(root, True, self.latex, numbers),
        )

    def _side(
        self,
        root: Tensor,
        own: bool,
        writer: ReaderText | ReaderLatex,
        numbers: Mapping[Tensor, Array] | None,
    ) -> str:
        """The right-hand side: the node's own expression, or where it is another's, that one's name."""
        ends = _Ends(writer, self, numbers)
        return expression(root, writer, ends.find).text if own else ends.required(root).text

    def _sized(self, text: str) -> str:
        """Text with numbers for the sizes that are part of an op's own words, as in arange(n)."""
        for name, number in self.sizes.items():
            text = re.sub(rf"\b{name}\b", str(number), text)
        return text

    def _numbers(self, root: Tensor) -> dict[Tensor, Array] | None:
        """The values of what a node is computed from; None where they are too many to be put in."""
        found: dict[Tensor, Array] = {}
        stack, seen = list(root.inputs), set(root.inputs)
        while stack:
            node = stack.pop()
            if node in self.names:
                value = self.values.get(node)
                if value is None or value.ndim > 2:
                    return None
                found[node] = value
            else:
                stack += [x for x in node.inputs if x not in seen]
                seen.update(node.inputs)
        total = sum(value.size for value in found.values())
        return found if found and total <= PUT_IN else None

    def size(self, node: Tensor) -> int:
        """The number that a named size stands for."""
        (number,) = evaluate_shape((node.attrs["dim"],), self.sizes)
        return int(number)


class _Ends:
    """What stands for nodes that have a name, and for leaves."""

    def __init__(
        self, writer: ReaderText | ReaderLatex, formulas: Formulas, numbers: Mapping[Tensor, Array] | None
    ) -> None:
        self.writer, self.formulas, self.numbers = writer, formulas, numbers

    def find(self, node: Tensor) -> Part | None:
        """What stands for a node; None if its expression does."""
        if self.numbers is not None and node in self.numbers:
            return self.writer.array(self.numbers[node])
        if node in self.formulas.names:
            return self.writer.name(self.formulas.names[node])
        return self.required(node) if node.is_leaf else None

    def required(self, node: Tensor) -> Part:
        """What stands for a leaf, or for a node with a name."""
        if node.op is CONSTANT:
            return self.writer.number(node.attrs["value"])
        if node.op is SIZE:
            if self.numbers is not None and names_in((node.attrs["dim"],)):
                return self.writer.number(self.formulas.size(node))
            return self.writer.size(node.attrs["dim"])
        return self.writer.name(self.formulas.names[node])
