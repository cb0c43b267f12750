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
from ..emit.engine import ENGINES
from ..errors import DataError, NotFittedError, ParameterError, unknown_name
from ..nn.checks import checked_seed, counted, positive_int
from ..nn.layers import Layer
from ..optim.rules import Adam, Optimizer, find_optimizer
from ..shapes import evaluate_shape
from .data import Coding, check_inputs, encode_targets
from .describe import (
    coding_to_json,
    network_to_json,
    optimizer_to_json,
)
from .history import History
from .loop import run_epochs, tell
from .prediction import PredictingNetwork
from .progress import Bar, Progress
from .storage import write_model

Array = np.ndarray[Any, Any]


class Callback(Protocol):
    """What watches a fit."""

    def on_epoch_end(self, network: Network, history: History) -> None:
        """An epoch is finished; the network holds its weights."""


class Network(PredictingNetwork):
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
            If an argument is outside what is accepted, or the network's type cannot hold the learning rate;
            UnknownNameError for an engine or optimiser that does not exist.

        Warns
        -----
        RuntimeWarning
            If the loss becomes NaN or infinite; training ends there.
        """
        rule = find_optimizer(Adam() if optimizer is None else optimizer)
        learning_rate = _checked_rate(rule.learning_rate, self.dtype)
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
        batch_size = min(batch_size, len(rows))
        steps = math.ceil(len(rows) / batch_size)
        program = self.program(rule)
        if engine == "auto":
            engine = engines.choose_engine(program, sizes={"n": batch_size}, steps=epochs * steps)
        runner = self._runner("step", program, engine)
        zeros = {leaf: np.zeros(evaluate_shape(leaf.shape, {}), leaf.dtype) for leaf in program.updates}
        runner.load({**zeros, **self._values()})
        self._coding, self.optimizer = coding, rule
        history = History(engine=engine)

        def on_epoch(loss: float) -> bool:
            history.loss.append(loss)
            if validation is not None or callbacks:
                self._take(runner.state)
            if validation is not None:
                measured = self._measure(*validation, coding)
                history.val_loss.append(measured["loss"])
                if "accuracy" in measured:
                    history.val_accuracy.append(measured["accuracy"])
            progress.epoch(history)
            for callback in callbacks:
                callback.on_epoch_end(self, history)
            return math.isfinite(loss)

        started = time.perf_counter()
        with Bar(epochs, steps) if verbose else Progress() as progress:
            try:
                history.interrupted = run_epochs(
                    runner,
                    [rows, t, learning_rate],
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
            done = f"{history.epochs:,} of {counted(epochs, 'epoch')}"
            tell(f"Stopped by Ctrl-C after {done}; the weights trained so far are kept.")
        if history.loss and not math.isfinite(history.loss[-1]):
            became = "NaN" if math.isnan(history.loss[-1]) else "infinite"
            warnings.warn(
                f"the loss became {became} in epoch {history.epochs}, and training ended. Lower the learning "
                f"rate ({rule.learning_rate:g}) or scale the inputs, and call reset().",
                RuntimeWarning,
                stacklevel=2,
            )
        return history

    def _checked_validation(self, pair: Any, coding: Coding, inputs: int) -> tuple[Array, Array]:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ParameterError("fit: validation_data must be a pair (X, y).")
        rows = check_inputs(pair[0], inputs, self.dtype, "validation X")
        t, _ = encode_targets(
            pair[1], len(rows), self._loss, self._outputs_for(inputs), self.dtype, coding, "validation y"
        )
        return rows, t

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
            If the file cannot be written, is write-protected, or is a folder or a device.
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


def _checked_rate(learning_rate: float, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        held = np.asarray(learning_rate, dtype)
    if not np.isfinite(held) or held == 0:
        size = "small" if held == 0 else "large"
        raise ParameterError(
            f"fit: learning_rate {learning_rate:g} is too {size} for {dtype}. Pass e.g. 0.001, "
            "or make the network with dtype='float64'."
        )
    return held


def _checked_callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    try:
        listed = list(callbacks)
    except TypeError:
        raise ParameterError(
            f"fit: callbacks must be a list, got {callbacks!r:.60}. Pass e.g. callbacks=[callback]."
        ) from None
    for callback in listed:
        if not callable(getattr(callback, "on_epoch_end", None)):
            raise ParameterError(
                f"fit: callbacks must have a method on_epoch_end(network, history), got {callback!r:.60}."
            )
    return listed
