"""Network: layers that learn from data, predict, and are saved and loaded."""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from ..emit import engine as engines
from ..emit.engine import ENGINES, Runner
from ..errors import ChainruleError, DataError, ModelFileError, NotFittedError, ParameterError, unknown_name
from ..graph.program import Program
from ..nn.checks import checked_seed, positive_int
from ..nn.layers import Layer
from ..nn.network import BaseNetwork
from ..optim.rules import Adam, Optimizer, find_optimizer
from .data import Coding, check_inputs, encode_targets
from .describe import (
    coding_from_json,
    coding_to_json,
    layers_from_json,
    network_to_json,
    optimizer_from_json,
    optimizer_to_json,
)
from .files import read_model, write_model
from .history import History
from .loop import run_epochs, tell
from .progress import Bar, Progress

Array = np.ndarray[Any, Any]
CHUNK = 4096  # rows predicted at a time, so that large data needs little memory


class Callback(Protocol):
    """What watches a fit."""

    def on_epoch_end(self, network: Network, history: History) -> None:
        """An epoch is finished; the network holds its weights."""


class Network(BaseNetwork):
    """Layers with a loss, trained on batches.

    Parameters
    ----------
    layers : sequence of Layer
        The network takes copies; weights of layers given start it, the others are drawn by the first fit.
    loss : str
        mse, half_sum, cross_entropy or binary_cross_entropy. The last two take logits: the last layer is
        linear then.
    dtype : {"float32", "float64"}

    Attributes
    ----------
    layers : list of Layer
    metadata : dict
        Anything that JSON can hold; saved along.
    optimizer : Optimizer or None
        The last fit's.

    Raises
    ------
    ParameterError
        If there are no layers, two have one name, or the last does not suit the loss.
    UnknownNameError
        If there is no such loss.
    ShapeError
        If the weights given to layers do not fit one another.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(8, "relu"), cr.Dense(2)], loss="cross_entropy")
    >>> history = net.fit([[0.0], [1.0]], ["no", "yes"], epochs=200, engine="numpy", verbose=False)
    >>> net.predict([[0.1], [0.9]]).tolist()
    ['no', 'yes']
    """

    def __init__(self, layers: Sequence[Layer], loss: str, dtype: str = "float32") -> None:
        super().__init__(layers, loss, dtype)
        self.metadata: dict[str, Any] = {}
        self.optimizer: Optimizer | None = None
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

    def source(self, optimizer: Optimizer | str | None = None) -> str:
        return super().source(optimizer or self.optimizer)

    # training ---------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | str | None = None,
        batch_size: int = 32,
        epochs: int = 20,
        validation_data: tuple[Any, Any] | None = None,
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "auto",
        verbose: bool = True,
        callbacks: Iterable[Callback] = (),
    ) -> History:
        """Train on rows of X and their targets, from the weights that are there or from drawn ones.

        Ctrl-C ends the training after the step at hand; the weights trained so far are kept, and the history
        says that it was interrupted.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
        y : array-like
            For cross_entropy labels of any kind, shape (rows,), or one-hot rows; for binary_cross_entropy two
            labels, or columns of numbers from 0 to 1; else values, shape (rows,) or (rows, outputs).
        optimizer : Optimizer or str, optional
            Adam(0.001) where none is given. Its state starts anew with each fit.
        batch_size : int
            Rows a step; at most all of them are taken.
        epochs : int
            How often every row is seen.
        validation_data : (X, y), optional
            Measured after each epoch, never trained on.
        shuffle : bool
            Take the rows in a newly drawn order in each epoch.
        seed : int
            Of initial weights and orders.
        engine : {"auto", "numpy", "numba"}
            Printed NumPy, compiled loops, or whichever the work is worth.
        verbose : bool
            Show a progress bar on standard error.
        callbacks : iterable
            Objects whose ``on_epoch_end(network, history)`` is called after each epoch.

        Returns
        -------
        History

        Raises
        ------
        ShapeError, DTypeError, DataError
            If X or y cannot be learned from; nothing is changed then.
        ParameterError
            If an argument is outside what is accepted; UnknownNameError for an engine or optimiser that does
            not exist.

        Warns
        -----
        RuntimeWarning
            If the loss becomes NaN; training ends there.
        """
        rule = find_optimizer(Adam() if optimizer is None else optimizer)
        batch_size = positive_int(batch_size, "fit: batch_size", "batch_size=32")
        epochs = positive_int(epochs, "fit: epochs", "epochs=20")
        seed = checked_seed(seed)
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        callbacks = _checked_callbacks(callbacks)
        rows, t, coding = self._checked(X, y, self._coding)
        validation = None
        if validation_data is not None:
            validation = self._checked_validation(validation_data, coding, rows.shape[1])
        self.build(rows.shape[1], seed)
        self._coding, self.optimizer = coding, rule
        batch_size = min(batch_size, len(rows))
        steps = math.ceil(len(rows) / batch_size)
        runner, history = self._step_runner(rule, engine, batch_size, epochs * steps)
        variables = runner.program.updates  # type: ignore[attr-defined]
        zeros = {leaf: np.zeros(leaf.shape, leaf.dtype) for leaf in variables}
        runner.load({**zeros, **self._values()})

        def on_epoch(loss: float) -> bool:
            history.loss.append(loss)
            if validation is not None or callbacks:
                self._take(runner.state)
            if validation is not None:
                self._validate(validation, history)
            progress.epoch(history)
            for callback in callbacks:
                callback.on_epoch_end(self, history)
            return not math.isnan(loss)

        started = time.perf_counter()
        with Bar(epochs, steps) if verbose else Progress() as progress:
            try:
                history.interrupted = run_epochs(
                    runner,
                    [rows, t, np.asarray(rule.learning_rate, self.dtype)],
                    rows=len(rows),
                    batch_size=batch_size,
                    epochs=epochs,
                    shuffle=shuffle,
                    seed=seed,
                    progress=progress,
                    on_epoch=on_epoch,
                )
            finally:
                self._take(runner.state)
                history.seconds = time.perf_counter() - started
        if history.interrupted:
            done = f"{history.epochs} of {epochs} epochs"
            tell(f"Stopped by Ctrl-C after {done}; the weights trained so far are kept.")
        if history.loss and math.isnan(history.loss[-1]):
            warnings.warn(
                f"the loss became NaN in epoch {history.epochs}, and training ended. Lower the learning rate "
                f"({rule.learning_rate:g}) or scale the inputs, and call reset().",
                RuntimeWarning,
                stacklevel=2,
            )
        return history

    def _checked(self, X: Any, y: Any, coding: Coding | None) -> tuple[Array, Array, Coding]:
        rows = check_inputs(X, self.inputs, self.dtype)
        t, coding = encode_targets(y, len(rows), self._loss, self._units(), self.dtype, coding)
        return rows, t, coding

    def _checked_validation(self, pair: Any, coding: Coding, inputs: int) -> tuple[Array, Array]:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ParameterError("fit: validation_data must be a pair (X, y).")
        rows = check_inputs(pair[0], inputs, self.dtype, "validation X")
        t, _ = encode_targets(
            pair[1], len(rows), self._loss, self._units(), self.dtype, coding, "validation y"
        )
        return rows, t

    def _units(self) -> int:
        return self._sizes[-1] if self._sizes else self.layers[-1].outputs(0)

    def _validate(self, data: tuple[Array, Array], history: History) -> None:
        measured = self._measure(*data)
        history.val_loss.append(measured["loss"])
        if "accuracy" in measured:
            history.val_accuracy.append(measured["accuracy"])

    # running ----------------------------------------------------------------------------------

    def _step_runner(
        self, rule: Optimizer, engine: str, batch_size: int, steps: int
    ) -> tuple[Runner, History]:
        """The compiled training step; that of the last fit where rule and engine are the same."""
        program = self.program(rule)
        if engine == "auto":
            engine = engines.choose_engine(program, sizes={"n": batch_size}, steps=steps)
        return self._runner("step", program, engine), History(engine=engine)

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

    def _measure(self, rows: Array, t: Array) -> dict[str, float]:
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
        if self.classes is not None:
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
        rows, t, _ = self._checked(X, y, self._coding)
        return self._measure(rows, t)

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

    # files ------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, layers and labels to one file, whole or not at all.

        The file is safetensors, with all else as JSON in its header.

        Parameters
        ----------
        path : path-like
            By habit something.chainrule.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        DataError
            If a weight is NaN or infinite.
        ParameterError
            If `metadata` holds what JSON cannot.
        ModelFileError
            If the file cannot be written.
        """
        if not self.built:
            raise NotFittedError("the network has no weights to save. Call fit, or build(inputs, seed=0).")
        for name, value in self.parameters.items():
            if not np.isfinite(value).all():
                raise DataError(
                    f"save: {name} holds NaN or infinity, the training diverged; nothing is written."
                )
        header = {
            **network_to_json(self),
            "targets": coding_to_json(self._coding),
            "optimizer": optimizer_to_json(self.optimizer),
            "metadata": self.metadata,
        }
        try:
            json.dumps(header, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ParameterError(f"save: metadata must be what JSON can hold ({error}).") from None
        write_model(path, header, self.parameters)


def load(path: str | os.PathLike[str]) -> Network:
    """A network from the file that `Network.save` wrote.

    Everything in the file is checked; nothing in it is run.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, not ours, of a later version, or contradicts itself.
    """
    header, tensors = read_model(path)
    try:
        return _from_file(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from None
    except (ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if type(error) is KeyError else error
        raise ModelFileError(f"{os.fspath(path)}: does not describe a network: {reason}") from error


def _from_file(header: dict[str, Any], tensors: dict[str, Array]) -> Network:
    layers, keys = layers_from_json(header, tensors)
    network = Network(layers, header["loss"], header["dtype"])
    if network.names != keys or not network.built:
        raise ModelFileError(f"its layers are called {keys}, expected {network.names}.")
    network._coding = coding_from_json(header["targets"], network.outputs)
    network.optimizer = optimizer_from_json(header["optimizer"])
    if not isinstance(header["metadata"], dict):
        raise ModelFileError("its metadata is no JSON object.")
    network.metadata = header["metadata"]
    return network


def _checked_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    listed = list(callbacks)
    for callback in listed:
        if not callable(getattr(callback, "on_epoch_end", None)):
            raise ParameterError(
                f"fit: callbacks must have a method on_epoch_end(network, history), got {callback!r:.60}."
            )
    return listed
