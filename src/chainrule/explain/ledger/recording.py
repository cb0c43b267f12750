"""A training that is written down: the steps of the NumPy engine, each taken apart before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...autodiff.gradient import gradient
from ...emit.engine import Runner, compile_program, is_batched
from ...graph.program import Program
from ...graph.tensor import Tensor, placeholder, topological
from ...training.fitting import Fit
from ..naming import Selection
from ..why.rows import read_rows, row_loss, row_terms, rows_apart
from .splitting import GRADIENT, MEMORY, OTHER, WEIGHT, split_update

Array = np.ndarray[Any, Any]
TERMS = ("data", "penalty", "memory", "decay", "other")


@dataclass(frozen=True)
class Entry:
    """One step, taken apart.

    Attributes
    ----------
    rows : ndarray of int64, shape (batch,)
        The rows of its batch, as counted in the data.
    value, slope, update : ndarray, shape (numbers,)
        Each recorded number before the step, the loss's derivative by it, and its change.
    data, penalty : ndarray, shape (numbers,)
        The parts of the slope.
    terms : dict of str to ndarray, shape (numbers,)
        The parts of the update, by `TERMS`.
    by_row : ndarray or None, shape (numbers, batch)
        What each row adds to `data`.
    pulls : ndarray or None, shape (numbers, batch)
        What each row adds to the update's part of the data.
    """

    rows: Array
    value: Array
    slope: Array
    update: Array
    data: Array
    penalty: Array
    terms: dict[str, Array]
    by_row: Array | None
    pulls: Array | None


class Recorder:
    """Runs a fit's program as it is, and tells every step to a listener.

    Parameters
    ----------
    fit : Fit
    runner : Runner
        Of the NumPy engine.
    chosen : list of Selection
    tell : callable
        Takes an `Entry`.
    """

    def __init__(
        self, fit: Fit, runner: Runner, chosen: Sequence[Selection], tell: Callable[[Entry], None]
    ) -> None:
        self.runner, self.chosen, self.tell = runner, list(chosen), tell
        self.program = runner.program
        self.graph, self.weights = fit.graph, fit.rows.weights
        self.open = True  # until a number is not finite any more: the loop then goes back, and ends
        self._prepare(fit)

    def _prepare(self, fit: Fit) -> None:
        """The programs that take a step apart."""
        network, loss = fit.network, self.program.outputs["loss"]
        leaves = fit.leaves
        self.given = {leaf: placeholder(leaf.shape, leaf.dtype, f"g_{leaf.name}") for leaf in leaves}
        self.new = network.new_values(fit.rule, leaves, list(self.given.values()))
        picked = [s.leaf for s in self.chosen]
        self.split = list(dict.fromkeys(picked))
        used = set(topological([self.new[leaf] for leaf in self.split]))
        self.sloped = [leaf for leaf in leaves if self.given[leaf] in used or leaf in set(self.split)]
        outputs = {f"g{k}": g for k, g in enumerate(gradient(loss, self.sloped))}
        by_rows = row_loss(network)
        penalties = set(topological(network._penalties())) if by_rows is not None else set()
        self.penalised = penalties.intersection(picked)
        self.terms: list[list[tuple[str, str | None]] | None] = []
        passes: list[tuple[Tensor, Program] | None] = []  # where rows cannot be read off
        self.by_rows = by_rows is not None
        if by_rows is not None:
            apart = rows_apart(network)
            for k, (leaf, slope) in enumerate(zip(picked, gradient(by_rows, picked), strict=True)):
                if leaf in self.penalised:
                    outputs[f"d{k}"] = slope
                found = row_terms(slope) if apart else None
                self.terms.append(None if found is None else self._named(k, found, outputs))
                passes.append(None if found is not None else self._pass(leaf, slope))
        self.taken = compile_program(self._program(outputs, []), "numpy")
        self.passes = [None if p is None else (p[0], compile_program(p[1], "numpy")) for p in passes]

    def _pass(self, leaf: Tensor, slope: Tensor) -> tuple[Tensor, Program]:
        """The derivative of one element's slope by the rows' weights; the tangent says which element's."""
        tangent = placeholder(leaf.shape, leaf.dtype, "tangent")
        (each,) = gradient((slope * tangent).sum(), [self.graph.weights])
        return tangent, self._program({"rows": each}, [tangent])

    @staticmethod
    def _named(
        k: int, found: Sequence[tuple[Tensor, Tensor | None]], outputs: dict[str, Tensor]
    ) -> list[tuple[str, str | None]]:
        """Enter the nodes of `row_terms` among the outputs; their names there."""
        listed: list[tuple[str, str | None]] = []
        for i, (x, y) in enumerate(found):
            outputs[f"x{k}_{i}"] = x
            if y is not None:
                outputs[f"y{k}_{i}"] = y
            listed.append((f"x{k}_{i}", None if y is None else f"y{k}_{i}"))
        return listed

    def _program(self, outputs: Mapping[str, Tensor], further: Sequence[Tensor]) -> Program:
        g = self.graph
        used = set(topological(outputs.values()))
        inputs = [x for x in (*g.xs, *g.ts, g.weights, g.seed, g.step, *g.parameters.values()) if x in used]
        return Program([*inputs, *further], outputs, name="taken_apart")

    # the runner's face ------------------------------------------------------------------------

    def load(self, values: Mapping[Tensor, Any]) -> None:
        """Set variables."""
        self.runner.load(values)

    @property
    def state(self) -> dict[Tensor, Array]:
        """Copies of all variables."""
        return self.runner.state

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        """One call, which is not written down."""
        return self.runner(*arrays)

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        """Steps, each written down."""
        losses = []
        for number, start in enumerate(range(0, len(rows), batch_size)):
            part = rows[start : start + batch_size]
            single = [
                np.ravel(a)[number : number + 1] if leaf.shape == () and np.ndim(a) else a
                for leaf, a in zip(self.program.inputs, arrays, strict=True)
            ]
            before = self.runner.state
            (loss,) = self.runner.epoch(single, part, batch_size)
            losses.append(loss)
            after = self.runner.state
            if self.open:
                fine = [np.isfinite(x).all() for x in after.values() if x.dtype.kind == "f"]
                self.open = bool(np.isfinite(loss)) and all(fine)
            if self.open:
                self.tell(self._entry(single, part, before, after))
        return np.array(losses)

    # a step -----------------------------------------------------------------------------------

    def _entry(
        self, arrays: Sequence[Any], rows: Array, before: dict[Tensor, Array], after: dict[Tensor, Array]
    ) -> Entry:
        feed: dict[Tensor, Any] = dict(before)
        for leaf, a in zip(self.program.inputs, arrays, strict=True):
            feed[leaf] = np.asarray(a)[rows] if is_batched(leaf) else np.asarray(np.ravel(a)[0], leaf.dtype)
        w = self.graph.weights
        feed.setdefault(w, np.ones(len(rows), w.dtype))
        found = self.taken(*(feed[x] for x in self.taken.program.inputs))
        slopes = {leaf: found[f"g{k}"] for k, leaf in enumerate(self.sloped)}
        splits = self._splits(feed, slopes)
        columns: dict[str, list[Array]] = {name: [] for name in ("value", "slope", "update", "data", *TERMS)}
        by_row, pulls = [], []
        for k, s in enumerate(self.chosen):
            at = s.places
            parts = {name: np.ravel(part)[at].astype(float) for name, part in splits[s.leaf].items()}
            slope = slopes[s.leaf].ravel()[at].astype(float)
            data = found[f"d{k}"].ravel()[at].astype(float) if s.leaf in self.penalised else slope
            columns["value"].append(before[s.leaf].ravel()[at].astype(float))
            columns["update"].append(
                after[s.leaf].ravel()[at].astype(float) - before[s.leaf].ravel()[at].astype(float)
            )
            columns["slope"].append(slope)
            columns["data"].append(data)
            columns["penalty"].append(parts[GRADIENT] * (slope - data))
            columns["memory"].append(parts[MEMORY])
            columns["decay"].append(parts[WEIGHT])
            columns["other"].append(parts[OTHER])
            columns.setdefault("scale", []).append(parts[GRADIENT])
            if self.by_rows:
                by_row.append(self._rows(k, s, found, feed))
                pulls.append(parts[GRADIENT][:, None] * by_row[-1])
        whole = {name: np.concatenate(c) for name, c in columns.items()}
        terms = {name: whole[name] for name in TERMS} | {"data": whole["scale"] * whole["data"]}
        return Entry(
            rows=rows,
            value=whole["value"],
            slope=whole["slope"],
            update=whole["update"],
            data=whole["data"],
            penalty=whole["slope"] - whole["data"],
            terms=terms,
            by_row=np.concatenate(by_row) if by_row else None,
            pulls=np.concatenate(pulls) if pulls else None,
        )

    def _splits(
        self, feed: Mapping[Tensor, Any], slopes: Mapping[Tensor, Array]
    ) -> dict[Tensor, dict[str, Array]]:
        """Each parameter's update as terms."""
        remembered = {leaf.name: feed[leaf] for leaf in self.program.updates}
        values = {self.given[leaf]: slope for leaf, slope in slopes.items()}
        values |= {leaf: feed[leaf] for leaf in slopes}
        values[self.graph.lr] = feed[self.graph.lr]
        state = [leaf for leaf in self.new if leaf not in self.given]
        values |= {leaf: remembered[leaf.name] for leaf in state}
        return {
            leaf: split_update(self.new[leaf], leaf, self.given[leaf], state, values) for leaf in self.split
        }

    def _rows(self, k: int, s: Selection, found: Mapping[str, Array], feed: Mapping[Tensor, Any]) -> Array:
        """What each row adds to the data's slope, shape (numbers, batch)."""
        shape = tuple(int(d) for d in s.leaf.shape if isinstance(d, int))
        terms, derived = self.terms[k], self.passes[k]
        if terms is not None:
            parts = [read_rows(found[x], None if y is None else found[y], s.places, shape) for x, y in terms]
            total: Array = np.sum(parts, axis=0, dtype=float)
            return total
        rows = len(feed[self.graph.weights])
        made: Array = np.zeros((len(s.places), rows))
        if derived is not None:
            tangent, runner = derived
            for i, place in enumerate(s.places):
                one = np.zeros(shape, s.leaf.dtype)
                one.ravel()[place] = 1
                given = {**feed, tangent: one}
                made[i] = runner(*(given[x] for x in runner.program.inputs))["rows"]
            made *= feed[self.graph.weights]
        return made
