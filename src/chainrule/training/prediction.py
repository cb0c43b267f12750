"""Networks that predict: rows through the graph, classes and probabilities from what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..emit import engine as engines
from ..emit.engine import Runner
from ..errors import NotFittedError, ParameterError
from ..graph.program import Program
from ..nn.layers import Layer
from ..nn.network import BaseNetwork
from .data import Coding, check_inputs, encode_targets

Array = np.ndarray[Any, Any]
CHUNK = 4096  # rows predicted at a time, so that large data needs little memory


class PredictingNetwork(BaseNetwork):
    """A network with what it knows of its targets, and its compiled programs."""

    def __init__(self, layers: Sequence[Layer], loss: str, dtype: str = "float32") -> None:
        super().__init__(layers, loss, dtype)
        self._coding: Coding | None = None
        self._runners: dict[str, tuple[Any, Runner]] = {}

    @property
    def classes(self) -> Array | None:
        """The class labels in the order of the outputs; None before a fit to classes."""
        return None if self._coding is None else self._coding.classes

    def reset(self) -> None:
        """Forget the weights and classes; the next fit draws and takes new ones."""
        super().reset()
        self._coding = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_runners": {}}

    def _forget_graph(self) -> None:
        super()._forget_graph()
        self._runners = {}

    # running ----------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, coding: Coding | None) -> tuple[Array, Array, Coding]:
        rows = check_inputs(X, self.inputs, self.dtype)
        units = self._outputs_for(rows.shape[1])
        t, coding = encode_targets(y, len(rows), self._loss, units, self.dtype, coding)
        return rows, t, coding

    def _runner(self, role: str, program: Program, engine: str) -> Runner:
        key, runner = self._runners.get(role, (None, None))
        if runner is None or key != (program, engine):
            runner = engines.compile_program(program, engine)
            self._runners[role] = ((program, engine), runner)
        return runner

    def _forward(self, X: Any) -> dict[str, Array]:
        """The outputs, and a classifier's probabilities, for checked rows."""
        if not self.built:
            raise NotFittedError(
                "the network has no weights yet. Call fit, or build(inputs, seed=0) for drawn ones."
            )
        rows = check_inputs(X, self.inputs, self.dtype)
        if "predict" not in self._runners:
            g = self.graph
            outputs = {"output": g.output}
            if g.prediction is not g.output:
                outputs["p"] = g.prediction
            self._runner("predict", Program([g.x], outputs, name="predict"), "numpy")
        runner = self._runners["predict"][1]
        runner.load(self._values())
        parts = [runner(rows[i : i + CHUNK]) for i in range(0, len(rows), CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _measure(self, rows: Array, t: Array, coding: Coding) -> dict[str, float]:
        if "evaluate" not in self._runners:
            g = self.graph
            program = Program([g.x, g.t], {"loss": g.loss, "output": g.output}, name="evaluate")
            self._runner("evaluate", program, "numpy")
        runner = self._runners["evaluate"][1]
        runner.load(self._values())
        total, right = 0.0, 0
        for i in range(0, len(rows), CHUNK):
            part = t[i : i + CHUNK]
            result = runner(rows[i : i + CHUNK], part)
            total += float(result["loss"]) * len(part)
            right += int((self._places(result["output"]) == part.reshape(len(part), -1)[:, 0]).sum())
        measured = {"loss": total / len(rows)}
        if coding.classes is not None:
            measured["accuracy"] = right / len(rows)
        return measured

    def _places(self, output: Array) -> Array:
        """The place of each row's class among the classes."""
        return output.argmax(axis=1) if output.shape[1] > 1 else (output[:, 0] > 0).astype(np.int64)

    def evaluate(self, X: Any, y: Any) -> dict[str, float]:
        """The loss on rows and their targets, and for classes the accuracy.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.

        Returns
        -------
        dict of str to float
            "loss", and "accuracy" for classes.
        """
        if not self.built:
            raise NotFittedError("the network has no weights yet. Call fit first.")
        return self._measure(*self._checked(X, y, self._coding))

    def predict(self, X: Any) -> Array:
        """Class labels as given in y, or values.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)

        Returns
        -------
        ndarray
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
        output = self._forward(X)["output"]
        coding = self._coding or Coding(None, columns=True)
        if self._loss.target == "values":
            return output if coding.columns else output[:, 0]
        if self._loss.target == "binary" and self._coding is not None and coding.classes is None:
            return (output > 0).astype(np.int64)
        if self._loss.target == "binary" and output.shape[1] > 1:
            return (output > 0).astype(np.int64)
        places = self._places(output)
        return places if coding.classes is None else coding.classes[places]

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)

        Returns
        -------
        ndarray, shape (rows, classes)
            In the order of `classes`; rows sum to 1. Of a network trained on columns of yes or no with
            binary_cross_entropy, each column's probability of yes.

        Raises
        ------
        ParameterError
            If the loss is not one for classes.
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict`.
        """
        if self._loss.probability is None:
            raise ParameterError(
                f"predict_proba: loss {self.loss!r} gives no probabilities. "
                "Use predict, or train with loss='cross_entropy'."
            )
        p = self._forward(X)["p"]
        if self._loss.target == "binary" and p.shape[1] == 1 and not (self._coding and self._coding.columns):
            return np.concatenate([1 - p, p], axis=1)
        return p
