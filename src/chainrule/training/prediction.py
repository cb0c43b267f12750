"""Networks that predict: rows through the graph, classes and probabilities from what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emit import engine as engines
from ..emit.engine import Runner
from ..emit.work import numpy_seconds, operations
from ..errors import NotFittedError, ParameterError
from ..graph.program import Program
from ..nn.losses import Loss
from ..nn.network import BaseNetwork
from ..nn.wiring import numbered
from .data import Coding, check_inputs, checked_rows, encode_targets, split_tables
from .sparse import dense, is_packed, rows_at_a_time

if TYPE_CHECKING:
    from ..emit.native.sweep import Sweep

Array = np.ndarray[Any, Any]
CHUNK = 1024  # rows that NumPy computes at a time: what lies in between stays in the processor's cache
WORTH = 2e6  # operations from which compiled loops beat NumPy's calls


class PredictingNetwork(BaseNetwork):
    """A network with what it knows of its targets, and its compiled programs."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self._codings: list[Coding] = []  # of each output's targets; empty before a fit
        self._runners: dict[str, tuple[Any, Runner]] = {}
        self._works: dict[tuple[Program, int], tuple[float, float]] = {}
        self._sweeps: dict[str, Sweep | None] = {}
        self._compiled = False  # whether the last fit was: then large predictions are as well

    @property
    def classes(self) -> Any:
        """The class labels in the order of the outputs; None before a fit to classes.

        Of a network with several outputs, a list with those of each.
        """
        found = [coding.classes for coding in self._codings] or [None] * len(self._losses)
        return found[0] if len(found) == 1 else found

    def reset(self) -> None:
        """Forget the weights and classes; the next fit draws and takes new ones."""
        super().reset()
        self._codings = []

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_runners": {}, "_works": {}, "_sweeps": {}, "_compiled": False}

    def _forget_graph(self) -> None:
        super()._forget_graph()
        self._runners, self._works, self._sweeps = {}, {}, {}

    # data -------------------------------------------------------------------------------------

    def _tables(self, X: Any, what: str = "X") -> list[Array]:
        """The checked rows of every input."""
        count = len(self._wiring.inputs)
        names = [name or numbered("x", i, count) for i, (_, name) in enumerate(self._wiring.inputs)]
        parts = split_tables(X, names, what)
        known = self._known_inputs()
        tables = [
            check_inputs(part, columns, self.dtype, label)
            for (label, part), columns in zip(parts, known, strict=True)
        ]
        checked_rows(tables, [label for label, _ in parts])
        return tables

    def _targets(
        self, y: Any, tables: list[Array], codings: list[Coding], what: str = "y"
    ) -> tuple[list[Array], list[Coding]]:
        """The targets of every output as numbers, and how they were written."""
        units = self._outputs_for([table.shape[1] for table in tables])
        parts = split_tables(y, self._output_names(), what)
        known: Sequence[Coding | None] = codings or [None] * len(parts)
        made = [
            encode_targets(part, tables[0].shape[0], loss, k, self.dtype, coding, label)
            for (label, part), loss, k, coding in zip(parts, self._losses, units, known, strict=True)
        ]
        for (t, _), loss, (label, _part) in zip(made, self._losses, parts, strict=True):
            loss.check(t, label)
        return [t for t, _ in made], [coding for _, coding in made]

    def _output_names(self) -> list[str]:
        count = len(self._losses)
        return [numbered("y", k, count) for k in range(count)]

    # running ----------------------------------------------------------------------------------

    def work(self, program: Program, rows: int) -> tuple[float, float]:
        """Of a step with so many rows, roughly: its operations, and its seconds in NumPy."""
        key = program, rows
        if key not in self._works:  # looked up where there are many short fits
            sizes = {"n": rows}
            self._works[key] = operations(program, sizes), numpy_seconds(program, sizes)
        return self._works[key]

    def _runner(self, role: str, program: Program, engine: str) -> Runner:
        key, runner = self._runners.get(role, (None, None))
        if runner is None or key != (program, engine):
            runner = engines.compile_program(program, engine)
            self._runners[role] = ((program, engine), runner)
        return runner

    def _run(self, X: Any) -> list[tuple[Array, Array]]:
        """For each output what comes out, and what it predicts (of a classifier, probabilities)."""
        if not self.built:
            raise NotFittedError(
                "the network has no weights yet. Call fit, or build(inputs, seed=0) for drawn ones."
            )
        whole = self._outputs_of_rows(self._tables(X))
        return list(zip(whole[::2], whole[1::2], strict=True))

    def _outputs_of_rows(
        self, tables: Sequence[Any], kinds: str = "zp", weights: Mapping[str, Array] | None = None
    ) -> list[Array]:
        """What comes out for any number of rows; arguments as for `_outputs_of`.

        After a compiled fit in this process compiled as well, where that pays. With "s" in `kinds` there come
        also, for each input, sums of its numbers, which are not finite where one of them is not.
        """
        rows = tables[0].shape[0]
        sweep = None if any(map(is_packed, tables)) else self._sweep(kinds, rows)
        if sweep is not None:
            values = self.parameters if weights is None else weights
            return list(sweep(tables, [values[name] for name in self.graph.parameters]).values())
        size = min([CHUNK, *(rows_at_a_time(x.shape[1], self.dtype) for x in tables if is_packed(x))])
        summed, kinds = "s" in kinds, kinds.replace("s", "")
        parts = []
        for i in range(0, rows, size):
            taken = [dense(x[i : i + size]) for x in tables]
            sums = [np.array([x.sum()]) for x in taken] if summed else []
            parts.append([*self._outputs_of(taken, kinds, weights), *sums])
        return parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _sweep(self, kinds: str, rows: int) -> Sweep | None:
        """Compiled loops for predictions of so many rows; None where NumPy is to make them."""
        if not self._compiled:
            return None
        self.graph  # noqa: B018  first: where layers were frozen since, it is a new one
        if kinds not in self._sweeps:
            from ..emit.native.shards import rows_apart
            from ..emit.native.sweep import Sweep

            program = self._prediction(kinds)
            self._sweeps[kinds] = Sweep(program) if rows_apart(program) else None
        sweep = self._sweeps[kinds]
        many = sweep is not None and rows * self.work(sweep.program, CHUNK)[0] / CHUNK > WORTH
        return sweep if many else None

    def _prediction(self, kinds: str) -> Program:
        """The program that `_outputs_of` runs."""
        g = self.graph
        outputs = {
            f"{kind}{k}": x
            for k, (z, p) in enumerate(zip(g.outputs, g.predictions, strict=True))
            for kind, x in (("z", z), ("p", p))
            if kind in kinds
        }
        if "s" in kinds:
            outputs |= {f"s{k}": x.sum(axis=1) for k, x in enumerate(g.xs)}
        return Program([*g.xs, *g.parameters.values()], outputs, name="predict")

    def _outputs_of(
        self, tables: Sequence[Array], kinds: str = "zp", weights: Mapping[str, Array] | None = None
    ) -> list[Array]:
        """What comes out for rows that are checked already: one output after another.

        Nothing is kept in between, so that several threads may ask at once.

        Parameters
        ----------
        tables : sequence of ndarray
        kinds : {"z", "p", "zp"}
            The outputs, what they predict, or for each output both.
        weights : mapping of str to ndarray, optional
            By the names of `parameters`; the network's own where none are given.
        """
        g = self.graph  # first: where layers were frozen since, it is a new one, and forgets the runners
        role = f"predict {kinds}"
        if role not in self._runners:
            self._runner(role, self._prediction(kinds), "numpy")
        values = self.parameters if weights is None else weights
        found = self._runners[role][1](*tables, *(values[name] for name in g.parameters))
        return list(found.values())

    def _measure(self, tables: list[Array], ts: list[Array], codings: list[Coding]) -> dict[str, float]:
        """The loss, and for each output with classes the accuracy."""
        loss, found = self._losses_and_outputs(tables, ts)
        measured = {"loss": loss}
        for k, (coding, z, t) in enumerate(zip(codings, found, ts, strict=True)):
            if coding.classes is not None:
                found_places = places(z)
                if coding.threshold is not None:
                    found_places = decided(self._outputs_of_rows(tables, "p")[k], coding.threshold)
                right = (found_places == t.reshape(len(t), -1)[:, 0]).mean()
                measured[numbered("accuracy", k, len(codings))] = float(right)
        return measured

    def _losses_and_outputs(
        self, tables: Sequence[Any], ts: Sequence[Array], weights: Array | None = None
    ) -> tuple[float, list[Array]]:
        """The loss without penalties, and what comes out: values as predicted, else scores or logits."""
        g = self.graph  # first, as in `_outputs_of`
        role = "evaluate" if weights is None else "evaluate weighted"
        if role not in self._runners:
            each = g.losses if weights is None else self._each_loss(g.outputs, g.ts, g.weights)
            outputs = {f"loss{k}": x for k, x in enumerate(each)}
            for k, loss in enumerate(self._losses):
                outputs[f"z{k}"] = g.predictions[k] if loss.target == "values" else g.outputs[k]
            inputs = [*g.xs, *g.ts, *([] if weights is None else [g.weights]), *g.parameters.values()]
            self._runner(role, Program(inputs, outputs, name="evaluate"), "numpy")
        runner = self._runners[role][1]
        values = self.parameters
        arrays = [values[name] for name in g.parameters]
        rows, total = tables[0].shape[0], 0.0
        whole = rows if weights is None else float(weights.sum())
        found: list[list[Array]] = [[] for _ in ts]
        for i in range(0, rows, CHUNK):
            at = slice(i, i + CHUNK)
            own = [] if weights is None else [weights[at]]
            result = runner(*(dense(table[at]) for table in tables), *(t[at] for t in ts), *own, *arrays)
            counted = len(ts[0][at]) if weights is None else float(own[0].sum())
            for k, (loss, weight) in enumerate(zip(self._losses, self._loss_weights, strict=True)):
                share = 1 if loss.over == "sum" else counted / whole if whole else 0.0
                total += weight * float(result[f"loss{k}"]) * share
                found[k].append(result[f"z{k}"])
        return total, [np.concatenate(parts) for parts in found]

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """The loss on rows and their targets, without penalties, and for classes the accuracy.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.

        Returns
        -------
        dict of str to float
            "loss", and "accuracy" for classes (of several outputs "accuracy1", "accuracy2", ...).
        """
        if not self.built:
            raise NotFittedError("the network has no weights yet. Call fit first.")
        tables = self._tables(X)
        return self._measure(tables, *self._targets(y, tables, self._codings))

    def calculate_loss(self, X: Any, y: Any) -> float:
        """The loss on rows and their targets, without penalties; X and y as for `fit`."""
        return self.evaluate(X, y)["loss"]

    def predict(self, X: Any) -> Any:
        """Class labels as given in y, or values.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
            For several inputs a list of such, or a dict by their names.

        Returns
        -------
        ndarray, or list of ndarray for several outputs
            Labels, shape (rows,), numbers counted from 0 where y was one-hot or there was no fit; values of
            shape (rows, outputs), or (rows,) where y had one axis; 0 or 1 for every output of a network
            trained on several columns of yes or no.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        ShapeError, DTypeError, DataError
            If X does not fit the network.
        """
        codings: Sequence[Coding | None] = self._codings or [None] * len(self._losses)
        found = [
            _labels(loss, z, p, coding)
            for loss, (z, p), coding in zip(self._losses, self._run(X), codings, strict=True)
        ]
        return found[0] if len(found) == 1 else found

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)

        Returns
        -------
        ndarray, shape (rows, classes), or list of ndarray for several outputs
            In the order of `classes`; rows sum to 1. Of a network trained on columns of yes or no with
            binary_cross_entropy, each column's probability of yes.

        Raises
        ------
        ParameterError
            If the loss is not one for classes.
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict`.
        """
        for loss in self._losses:
            if not loss.probabilities:
                raise ParameterError(
                    f"predict_proba: loss {loss.name!r} gives no probabilities. "
                    "Use predict, or train with loss='cross_entropy'."
                )
        codings: Sequence[Coding | None] = self._codings or [None] * len(self._losses)
        found = []
        for loss, (_, p), coding in zip(self._losses, self._run(X), codings, strict=True):
            one = loss.target == "binary" and p.shape[1] == 1 and not (coding and coding.columns)
            found.append(np.concatenate([1 - p, p], axis=1) if one else p)
        return found[0] if len(found) == 1 else found


def places(output: Array) -> Array:
    """The place of each row's class among the classes."""
    return output.argmax(axis=1) if output.shape[1] > 1 else (output[:, 0] > 0).astype(np.int64)


def decided(p: Array, threshold: float) -> Array:
    """0 or 1 for each row, from the probability of the second class; compared without rounding."""
    return (p[:, -1] >= np.float64(threshold)).astype(np.int64)


def _labels(loss: Loss, z: Array, p: Array, coding: Coding | None) -> Array:
    """What an output predicts, in the form of its targets."""
    if loss.target == "values":
        return p if coding is None or coding.columns else p[:, 0]
    if loss.target == "binary" and (z.shape[1] > 1 or (coding is not None and coding.classes is None)):
        return (z > 0).astype(np.int64)
    threshold = None if coding is None else coding.threshold
    found = places(z) if threshold is None else decided(p, threshold)
    return found if coding is None or coding.classes is None else coding.classes[found]
