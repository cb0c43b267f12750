"""How a trace is made: which lines of a step are wanted, whose they are, and the gradients beside them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...autodiff.gradient import backpropagate
from ...checks import counted
from ...emit.numpy_source import FORWARD, Assigned
from ...errors import DataError, ParameterError, unknown_name
from ...graph.op import Kind
from ...graph.program import Program
from ...graph.tensor import Tensor, topological
from ...nn.network import BaseNetwork
from ...shapes import Shape, evaluate_shape, names_in
from ..step import Step
from .line_formulas import Formulas
from .lines import Key, Lines
from .notation import find_reader_notation
from .trace import GIVEN, LOSS, SECTIONS, Entry, Trace

Array = np.ndarray[Any, Any]
MOST = 1_000_000  # numbers that a trace holds


class TraceSizeError(ParameterError):
    """A trace that would be too large, and which parts of it would not.

    Attributes
    ----------
    numbers : int
    parts : dict of str to int
        Layers whose numbers are few enough, the last first.
    """

    def __init__(self, numbers: int, parts: dict[str, int], rows: int) -> None:
        self.numbers, self.parts = numbers, parts
        ways = [f"layers=[{name!r}] ({size:,})" for name, size in [*parts.items()][:3]]
        ways += ["only=['loss'], or other names of net.source()", *(["fewer rows"] if rows > 1 else [])]
        super().__init__(
            f"trace: this would be {numbers:,} numbers, and a trace holds at most {MOST:,}. "
            f"Ask for a part: {'; '.join(ways)}."
        )


def trace(
    step: Step,
    *,
    notation: Any = None,
    layers: str | Sequence[str] | None = None,
    only: str | Sequence[str] | None = None,
    rows: int | Sequence[int] | None = None,
) -> Trace:
    """The trace of a step; see `Network.trace`."""
    network, style = step.network, find_reader_notation(notation)
    program = _forward(step) if step.program is None else step.program
    lines = Lines(program)
    part = _Part(step, lines, layers, only, rows)
    formulas = Formulas(network, style, lines, part.sizes)
    part.check_size()
    values: dict[Key, Array] = {leaf: lines.value(leaf, step.feed) for leaf in lines.leaves}
    values |= lines.run(step.feed, lambda line: part.has(line) or formulas.puts_in(line))
    formulas.give(values)
    gradients = part.gradients()

    def entry(key: Key) -> Entry:
        name, section, node = part.describe(key)
        gradient = gradients.get(name) if section in (GIVEN, FORWARD, LOSS) else None
        return Entry(
            section,
            name,
            part.layer_of(name, node),
            formulas.of(key),
            formulas.laid(part.cut(values[key], node.shape), node.shape),
            None if gradient is None else formulas.laid(part.cut(gradient, node.shape), node.shape),
        )

    keys = [key for key in lines.keys if part.has(key)]
    entries = sorted((entry(key) for key in keys), key=lambda e: SECTIONS.index(e.section))
    return Trace(entries, step.rows, style, step.program is not None)


def _forward(step: Step) -> Program:
    """The forward pass alone, as in prediction."""
    g = step.network.graph
    outputs = {x.name or f"y{k + 1}": x for k, x in enumerate(g.predictions)}
    return Program(g.xs, outputs, name="forward")


class _Part:
    """What of a step's lines is wanted, and where it belongs."""

    def __init__(
        self,
        step: Step,
        lines: Lines,
        layers: str | Sequence[str] | None,
        only: str | Sequence[str] | None,
        rows: int | Sequence[int] | None,
    ) -> None:
        self.step, self.lines = step, lines
        self.forward = self._needed_by_outputs()
        self.sizes = {"n": step.rows}
        self.rows = None if rows is None else _checked_rows(rows, step.rows)
        self.owners = _Owners(step.network, lines)
        self.names = dict.fromkeys(self.describe(key)[0] for key in lines.keys)
        self.layers = None if layers is None else _listed(layers, "layers")
        for name in self.layers or ():
            if name not in step.network.names:
                raise unknown_name("layer", name, step.network.names)
        self.only = None if only is None else _listed(only, "only")
        for name in self.only or ():
            if name not in self.names:
                raise unknown_name("trace: node", name, self.names)

    def describe(self, key: Key) -> tuple[str, str, Tensor]:
        """A leaf's or line's name, section and node."""
        if isinstance(key, Tensor):
            return self.lines.names[key], GIVEN, key
        section = key.section.partition(":")[0] or FORWARD  # a program without updates has no sections
        whole = key.node.inputs[0] if key.node.op.kind is Kind.ITEM else key.node
        if section == FORWARD and whole not in self.forward and key.node not in self.forward:
            section = LOSS
        name = key.name if key.variable is None else self.lines.names[key.variable]
        return name, section, key.node

    def _needed_by_outputs(self) -> set[Tensor]:
        if self.step.program is None:
            return {line.node for line in self.lines.assigned}
        ends = {x.name for x in self.step.network.graph.trained_outputs}
        return set(topological([line.node for line in self.lines.assigned if line.name in ends]))

    def has(self, key: Key) -> bool:
        """Whether a leaf or line is wanted."""
        name, _, node = self.describe(key)
        if self.only is not None:
            return name in self.only
        owner = self.layer_of(name, node)
        return self.layers is None or owner is None or owner in self.layers

    def layer_of(self, name: str, node: Tensor) -> str | None:
        return self.owners.find(name, node)

    def cut(self, value: Array, shape: Shape) -> Array:
        """The rows that are wanted, of what has a row for each sample."""
        per_row = bool(shape) and bool(names_in(shape[:1]))
        return value[self.rows] if self.rows is not None and per_row else value

    def gradients(self) -> dict[str, Array]:
        """The loss's derivatives by what is given to the network and by its forward pass, by name."""
        loss = self.step.loss
        if loss is None:
            return {}
        nodes = self._originals(loss)
        found = backpropagate(loss, nodes.values())
        names = [name for name, node in nodes.items() if node in found]
        values = self.step.values([found[nodes[name]] for name in names])
        return dict(zip(names, values, strict=True))

    def _originals(self, loss: Tensor) -> dict[str, Tensor]:
        """The nodes of the loss that were simplified to those of the lines, by the lines' names.

        Several nodes may have one name, as the errors of two outputs; their order is that of their lines.
        """
        xs = set(self.step.network.graph.xs)
        nodes = {self.lines.names[x]: x for x in self.lines.leaves if x in xs and self.has(x)}
        called: dict[str, list[Tensor]] = {}
        for node in sorted(topological([loss]), key=lambda x: x.serial):
            if node.name and node.inputs and node.dtype.kind == "f":
                called.setdefault(node.name, []).append(node)
        lines: dict[str, list[Assigned]] = {}
        for line in self.lines.assigned:
            if self.describe(line)[1] in (FORWARD, LOSS) and line.node.name and line.node.dtype.kind == "f":
                lines.setdefault(line.node.name, []).append(line)
        for name, own in lines.items():
            if len(own) == len(called.get(name, ())):
                pairs = zip(own, called[name], strict=True)
                nodes |= {line.name: node for line, node in pairs if self.has(line) and node is not loss}
        return nodes

    def numbers(self, layers: Sequence[str] | None = None) -> int:
        """How many numbers the part holds, or would hold with these layers alone."""
        total = 0
        for key in self.lines.keys:
            name, section, node = self.describe(key)
            owner = self.layer_of(name, node)
            if (self.has(key) if layers is None else owner is None or owner in layers) and node.shape != ():
                own = math.prod(evaluate_shape(node.shape, self.sizes))
                if self.rows is not None and names_in(node.shape[:1]):
                    own = own // self.step.rows * len(self.rows)
                total += own * (2 if section in (FORWARD, LOSS) else 1)
        return total

    def check_size(self) -> None:
        """Raise TraceSizeError if that is too much."""
        total = self.numbers()
        if total > MOST:
            names = self.step.network.names
            sizes = {name: self.numbers([name]) for name in reversed(names)}
            parts = {name: size for name, size in sizes.items() if size <= MOST}
            raise TraceSizeError(total, parts, self.step.rows)


def _listed(given: Any, what: str) -> list[Any]:
    """What was named, one or several."""
    listed = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    if not listed:
        raise ParameterError(f"trace: {what} names nothing. Leave it out, or name at least one.")
    return listed


def _checked_rows(rows: Any, count: int) -> list[int]:
    given = _listed(rows, "rows")
    for row in given:
        whole = isinstance(row, int | np.integer) and not isinstance(row, bool)
        if not whole or not 0 <= row < count:
            raise DataError(
                f"trace: row {row!r:.60} is not in the data, which has {counted(count, 'row')}. "
                "Rows are counted from 0."
            )
    return [int(row) for row in given]


class _Owners:
    """Whose each name is."""

    def __init__(self, network: BaseNetwork, lines: Lines) -> None:
        found = []
        for name, tag in zip(network.names, network._tags(), strict=True):
            own = rf"(?:^|_)[zaWb]{tag}" if tag.isdigit() else re.escape(tag)
            found.append((len(tag), re.compile(rf"(?:{own}|_{re.escape(name)})(?:_\d+)?$"), name))
        longest_first = sorted(found, key=lambda x: -x[0])  # norm ends as batch_norm does
        self._patterns = [(pattern, name) for _, pattern, name in longest_first]
        self._known: dict[str, str | None] = {}
        self._readers = _readers(lines)

    def find(self, name: str, node: Tensor) -> str | None:
        """The layer that a name belongs to; of a line without a name of its own, that of all its readers."""
        if name not in self._known:
            readers = self._readers.get(node, ()) if node.name is None else ()
            found = {self.find(line.name, line.node) for line in readers}
            if not found:
                matching = (layer for pattern, layer in self._patterns if pattern.search(name))
                found = {next(matching, None)}
            self._known[name] = found.pop() if len(found) == 1 else None
        return self._known[name]


def _readers(lines: Lines) -> dict[Tensor, list[Assigned]]:
    """For every node with a line, the lines that read it."""
    found: dict[Tensor, list[Assigned]] = {}
    for line in lines.assigned:
        stack = list(dict.fromkeys(line.node.inputs))
        seen = set(stack)
        while stack:
            node = stack.pop()
            if node in lines.names:
                found.setdefault(node, []).append(line)
                continue
            stack += [x for x in dict.fromkeys(node.inputs) if x not in seen]
            seen.update(node.inputs)
    return found
