"""Networks that predict: rows through the graph, classes and probabilities from what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..emit import engine as engines
from ..emit.engine import Runner
from ..errors import NotFittedError, ParameterError
from ..graph.program import Program
from ..nn.losses import Loss
from ..nn.network import BaseNetwork
from ..nn.wiring import numbered
from .data import Coding, check_inputs, checked_rows, encode_targets, split_tables

Array = np.ndarray[Any, Any]
CHUNK = 4096  # rows predicted at a time, so that large data needs little memory


class PredictingNetwork(BaseNetwork):
    """A network with what it knows of its targets, and its compiled programs."""

    def __init__(
        self, layers: Any, loss: Any, dtype: str = "float32", loss_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__(layers, loss, dtype, loss_weights)
        self._codings: list[Coding] = []  # of each output's targets; empty before a fit
        self._runners: dict[str, tuple[Any, Runner]] = {}

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
        return {**super().__getstate__(), "_runners": {}}

    def _forget_graph(self) -> None:
        super()._forget_graph()
        self._runners = {}

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
            encode_targets(part, len(tables[0]), loss, k, self.dtype, coding, label)
            for (label, part), loss, k, coding in zip(parts, self._losses, units, known, strict=True)
        ]
        for (t, _), loss, (label, _part) in zip(made, self._losses, parts, strict=True):
            loss.check(t, label)
        return [t for t, _ in made], [coding for _, coding in made]

    def _output_names(self) -> list[str]:
        count = len(self._losses)
        return [numbered("y", k, count) for k in range(count)]

    # running ----------------------------------------------------------------------------------

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
        tables = self._tables(X)
        g = self.graph  # first: where layers were frozen since, it is a new one, and forgets the runners
        if "predict" not in self._runners:
            pairs = zip(g.outputs, g.predictions, strict=True)
            outputs = {
                f"{kind}{k}": x for k, pair in enumerate(pairs) for kind, x in zip("zp", pair, strict=True)
            }
            self._runner("predict", Program(g.xs, outputs, name="predict"), "numpy")
        runner = self._runners["predict"][1]
        runner.load(self._values(runner.program))
        rows = len(tables[0])
        parts = [runner(*(table[i : i + CHUNK] for table in tables)) for i in range(0, rows, CHUNK)]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return [(whole[f"z{k}"], whole[f"p{k}"]) for k in range(len(self._losses))]

    def _measure(self, tables: list[Array], ts: list[Array], codings: list[Coding]) -> dict[str, float]:
        """The loss, and for each output with classes the accuracy."""
        g = self.graph  # first, as in `_run`
        if "evaluate" not in self._runners:
            losses = {f"loss{k}": x for k, x in enumerate(g.losses)}
            outputs = {**losses, **{f"z{k}": z for k, z in enumerate(g.outputs)}}
            self._runner("evaluate", Program([*g.xs, *g.ts], outputs, name="evaluate"), "numpy")
        runner = self._runners["evaluate"][1]
        runner.load(self._values(runner.program))
        rows, total, right = len(tables[0]), 0.0, [0] * len(ts)
        weighted = list(zip(self._losses, self._loss_weights, strict=True))
        for i in range(0, rows, CHUNK):
            parts = [t[i : i + CHUNK] for t in ts]
            result = runner(*(table[i : i + CHUNK] for table in tables), *parts)
            for k, (loss, weight) in enumerate(weighted):
                share = 1 if loss.over == "sum" else len(parts[k]) / rows
                total += weight * float(result[f"loss{k}"]) * share
            for k, part in enumerate(parts):
                right[k] += int((places(result[f"z{k}"]) == part.reshape(len(part), -1)[:, 0]).sum())
        measured = {"loss": total}
        for k, coding in enumerate(codings):
            if coding.classes is not None:
                measured[numbered("accuracy", k, len(codings))] = right[k] / rows
        return measured

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


def _labels(loss: Loss, z: Array, p: Array, coding: Coding | None) -> Array:
    """What an output predicts, in the form of its targets."""
    if loss.target == "values":
        return p if coding is None or coding.columns else p[:, 0]
    if loss.target == "binary" and (z.shape[1] > 1 or (coding is not None and coding.classes is None)):
        return (z > 0).astype(np.int64)
    found = places(z)
    return found if coding is None or coding.classes is None else coding.classes[found]
