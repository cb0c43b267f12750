"""Why a derivative is what it is: paths, rows, and the update that comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...autodiff.gradient import gradient
from ...checks import positive_int
from ...emit.simplify import simplify
from ...graph.op import Kind
from ...graph.tensor import LEAF, Tensor, topological
from ...optim.rules import Optimizer
from ...training.metrics import MeasuredNetwork
from ..naming import Index, Names, Place
from ..step import Step
from .derivation import Chain, Derivation, Factor, Line, Sample, Update, Written
from .elements import Element, Reader, element_name
from .paths import Path, find_paths
from .rows import each_row, row_loss
from .stations import Way, forward_values

Array = np.ndarray[Any, Any]
NOTATIONS = ("text", "latex")


def why(
    network: MeasuredNetwork,
    name: str,
    X: Any,
    y: Any = None,
    *,
    paths: int = 5,
    samples: int = 5,
    optimizer: Optimizer | str | None = None,
    step: Step | None = None,
) -> Derivation:
    """The derivation of the loss's derivative by one number; see `Network.why`."""
    paths = positive_int(paths, "why: paths", "paths=5")
    samples = positive_int(samples, "why: samples", "samples=5")
    step = Step(network, X, y, optimizer=optimizer) if step is None else step
    return _Why(step, name).derivation(paths, samples)


class _Why:
    """One derivation in the making."""

    def __init__(self, step: Step, name: str) -> None:
        self.step, self.loss = step, step.need_loss()
        self.network, self.rows = step.network, step.rows
        self.names = Names(self.network, self.loss, self.rows)
        self.place: Place = self.names.place(name)
        (self.slope,) = gradient(self.loss, [self.place.node])
        order = topological([self.loss])
        shown = [x for x in order if x.name and x.op is not LEAF]
        values = step.values([*shown, self.slope])
        self.exact = dict(zip(shown, values, strict=False))
        self.derivative = shortest(values[-1][self.place.index])
        self.values = forward_values(self.loss, step.feed, self.exact)
        given = [x.name for x in self.values if x.name]
        alone = {x: x.name for x in self.values if x.name and given.count(x.name) == 1}
        self.known = {name: self.values[x] for x, name in alone.items()}
        # What the loss makes of outputs and targets element by element is told by these themselves.
        outside = set(topological(self.network.graph.trained_outputs))
        inner = {name for x, name in alone.items() if x.op.kind is Kind.MAP and x not in outside}
        self.simplified: dict[Tensor, Tensor] = {}
        self.factors: dict[Any, Factor] = {}  # paths share most of them
        self.spelled_out = {name: v for name, v in self.known.items() if name not in inner}

    def derivation(self, paths: int, samples: int) -> Derivation:
        way = Way(self.network, self.loss, self.place, self.values, self.rows)
        found = find_paths(way, paths)
        data, listed = self._samples()
        return Derivation(
            name=self.place.name,
            number=self._written(self.place.node, self.place.index),
            at=shortest(self.values[self.place.node][self.place.index]),
            rows=self.rows,
            loss=shortest(self.values[self.loss]),
            derivative=self.derivative,
            path_sum=found.total,
            path_count=found.count,
            chains=[self._chain(way, path) for path in found.strongest],
            data=data,
            by_row=listed,
            samples=[] if listed is None else _largest(listed, samples),
            left_out=[x.name or x.op.name for x in way.dropped],
            update=self._update(),
        )

    # paths ------------------------------------------------------------------------------------

    def _chain(self, way: Way, path: Path) -> Chain:
        factors: list[Factor] = []
        node, index = self.place.node, self.place.index
        for (end, flat), slope in zip(path.steps, path.slopes, strict=True):
            shape = self.values[end].shape
            at: Index = tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()
            key = (node, index, end, at)
            if key not in self.factors:
                parts = [self._slope(way, notation, node, index, end, at) for notation in NOTATIONS]
                names = self._written(end, at), self._written(node, index)
                value = shortest(self.network.dtype.type(slope))
                self.factors[key] = Factor(*names, value, *_sides(parts))
            factors.append(self.factors[key])
            node, index = end, at
        share = path.value / self.derivative if self.derivative else np.nan
        return Chain(path.value, share, factors)

    def _slope(
        self, way: Way, notation: str, start: Tensor, index: Index, end: Tensor, at: Index
    ) -> Element | None:
        """The formula of one factor."""
        if start is self.place.node:
            column, seed, tangent = way.starts[end]
            chosen, read_at = ({}, index) if seed is None else ({tangent: index}, at)
            node = column
        else:
            (stretch,) = [s for s in way.stretches if s.start is start and s.end is end]
            chosen = {} if stretch.seed is None else {stretch.seed: at}
            node, read_at = stretch.slope, index
        if node not in self.simplified:
            (self.simplified[node],) = simplify([node])
        node = self.simplified[node]
        found = Reader(notation, self.spelled_out, self.rows, chosen).read(node, read_at, whole=False)
        if found is None:
            found = Reader(notation, self.known, self.rows, chosen).read(node, read_at, whole=False)
        return found

    def _written(self, node: Tensor, index: Index) -> Written:
        name = node.name or self.names.text(node, ())
        text, latex = (
            element_name(Reader(notation, {}, self.rows).writer, name, node, index, self.rows).text
            for notation in NOTATIONS
        )
        return Written(text, latex)

    # rows -------------------------------------------------------------------------------------

    def _samples(self) -> tuple[float | None, Array | None]:
        """The derivative of the data's loss without penalties, and what each row adds to it."""
        loss = row_loss(self.network)
        below = set(topological(self.network.graph.trained_outputs))
        if loss is None or self.place.node not in below:
            return None, None
        weights = self.network.graph.weights
        nodes = each_row(loss, self.place.node, self.place.index, weights)
        data, rows = self.step.values(nodes, {weights: np.ones(self.rows, self.network.dtype)})
        return float(data), rows

    # the update -------------------------------------------------------------------------------

    def _update(self) -> Update:
        program, leaf, index = self.step.program, self.place.node, self.place.index
        rule = _short(self.step.rule)
        weights = set(self.network.graph.parameters.values())
        rate = shortest(np.asarray(self.step.rate, self.network.dtype))
        if program is None or leaf not in weights:
            return Update(rule, rate, "is no weight: no step changes it", [], None, None)
        if leaf not in program.updates:
            return Update(rule, rate, "is frozen: training leaves it as it is", [], None, None)
        new = program.updates[leaf]
        order = topological([new])
        state = [v for v in program.updates if v in set(order) and v not in weights]
        named = [x for x in order if x.name and x.op is not LEAF and x not in self.exact]
        targets = [new, *(program.updates[v] for v in state), *named]
        computed = dict(zip(targets, self.step.values(targets), strict=True))
        labels = {program.updates[v]: (f"new_{v.name}", computed[program.updates[v]]) for v in state}
        labels |= {x: (x.name or "", computed[x]) for x in named if x not in labels}
        known = dict(self.known)
        known |= {x.name: self.step.feed[x] for x in order if x.op is LEAF and x.name and x in self.step.feed}
        lines = []
        for v in state:
            at = index if v.shape == leaf.shape else ()
            lines.append(self._line(program.updates[v], f"new_{v.name}", at, computed, labels, known))
        for x in named:
            if x.name and not x.name.startswith("d_") and x.shape in (leaf.shape, ()):
                at = index if x.shape == leaf.shape else ()
                lines.append(self._line(x, x.name, at, computed, labels, known))
        lines.append(self._line(new, f"new_{leaf.name}", index, computed, labels, known))
        old, after = self.values[leaf][index], computed[new][index]
        return Update(rule, rate, None, lines, shortest(old), shortest(after))

    def _line(
        self,
        node: Tensor,
        name: str,
        index: Index,
        computed: dict[Tensor, Array],
        labels: dict[Tensor, tuple[str, Array]],
        known: dict[str, Array],
    ) -> Line:
        parts = [
            Reader(notation, known, self.rows, labels=labels).read(node, index, whole=False)
            for notation in NOTATIONS
        ]
        text, latex = (
            element_name(Reader(notation, {}, self.rows).writer, name, node, index, self.rows).text
            for notation in NOTATIONS
        )
        return Line(Written(text, latex), shortest(computed[node][index]), *_sides(parts))


def _sides(parts: Sequence[Element | None]) -> tuple[Written | None, Written | None]:
    """Formula and numbers, in both notations; None where there is no formula."""
    text, latex = parts
    if text is None or latex is None:
        return None, None
    return (
        Written(text.formula.text, latex.formula.text),
        Written(text.numbers.text, latex.numbers.text),
    )


def shortest(value: Any) -> float:
    """A number as a float: of single precision, the one with the fewest digits; a truth value as 1 or 0."""
    number = np.asarray(value)[()]
    return float(number) if number.dtype.kind == "b" else float(str(number))


def _short(rule: Optimizer) -> str:
    """The optimizer with the settings that are not the usual ones."""
    shown = []
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if field.name == "learning_rate":
            shown.append(repr(value))
        elif value != field.default:
            shown.append(f"{field.name}={value!r}")
    return f"{type(rule).__name__}({', '.join(shown)})"


def _largest(by_row: Array, most: int) -> list[Sample]:
    order = np.argsort(-np.abs(by_row), kind="stable")[:most]
    return [Sample(int(row), float(by_row[row])) for row in order]
