"""Engines: the same program run as printed NumPy, or as compiled loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import DTypeError, EvaluationError, unknown_name
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..shapes import bind
from .numpy_source import compile_source, signature
from .work import COMPILATION, numpy_seconds

Array = np.ndarray[Any, Any]
ENGINES = ("auto", "numba", "numpy")


class Runner(Protocol):
    """A program with a state: the present values of its variables."""

    def load(self, values: Mapping[Tensor, Any]) -> None:
        """Set variables."""

    @property
    def state(self) -> dict[Tensor, Array]:
        """Copies of all variables."""

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        """One call: the outputs by name; the updates are applied."""

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        """A call for each batch of rows, in order; the first output of each."""


def choose_engine(program: Program, sizes: Mapping[str, int], steps: int) -> str:
    """The engine that "auto" stands for: "numba" where its compilation pays.

    Parameters
    ----------
    program : Program
    sizes : mapping of str to int
        What the named sizes stand for.
    steps : int
        The number of calls.

    Returns
    -------
    {"numpy", "numba"}
        By the work estimated from the shapes: never by a clock, nor by what lies in a cache.
    """
    return "numba" if steps * numpy_seconds(program, sizes) > COMPILATION else "numpy"


def compile_program(program: Program, engine: str = "numpy") -> Runner:
    """A program made ready to run.

    Parameters
    ----------
    program : Program
    engine : {"numpy", "numba"}
        `choose_engine` tells which pays.

    Raises
    ------
    UnknownNameError
        If there is no such engine.
    """
    if engine == "numpy":
        return NumpyRunner(program)
    if engine == "numba":
        from .native.runner import NativeRunner

        return NativeRunner(program)
    raise unknown_name("engine", engine, ENGINES)


def checked_inputs(program: Program, arrays: Sequence[Any]) -> tuple[list[Array], dict[str, int]]:
    """Arrays of the inputs' types, and what the named sizes stand for.

    Raises
    ------
    ShapeError, DTypeError
        If an array does not fit its input.
    """
    if len(arrays) != len(program.inputs):
        raise DTypeError(f"{program!r} takes {len(program.inputs)} inputs, got {len(arrays)}")
    sizes: dict[str, int] = {}
    converted = []
    for leaf, value in zip(program.inputs, arrays, strict=True):
        array = np.asarray(value)
        if not np.can_cast(array.dtype, leaf.dtype, "same_kind"):
            raise DTypeError(f"input {leaf.name}: expected {leaf.dtype}, got {array.dtype}")
        bind(leaf.shape, array.shape, f"input {leaf.name}", sizes)
        converted.append(array.astype(leaf.dtype, copy=False))
    return converted, sizes


def checked_variable(variable: Tensor, value: Any) -> Array:
    """A variable's new value in its type; raises ShapeError where its shape differs."""
    array = np.asarray(value, dtype=variable.dtype)
    bind(variable.shape, array.shape, f"variable {variable.name}", {})
    return array


def is_batched(leaf: Tensor) -> bool:
    """Whether an input has rows that a batch takes some of: its first size is a name."""
    return bool(leaf.shape) and not isinstance(leaf.shape[0], int)


class NumpyRunner:
    """Runs the printed source."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._function = compile_source(program)
        self._order = signature(program)
        self._values = {v: v.value for v in program.variables if v.value is not None}

    def load(self, values: Mapping[Tensor, Any]) -> None:
        for variable, value in values.items():
            self._values[variable] = checked_variable(variable, value).copy()

    @property
    def state(self) -> dict[Tensor, Array]:
        return {v: np.array(x) for v, x in self._values.items()}

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        converted, _ = checked_inputs(self.program, arrays)
        results = self._step(converted)
        return {
            name: np.array(np.broadcast_to(np.asarray(value, dtype=node.dtype), np.shape(value)))
            for (name, node), value in zip(self.program.outputs.items(), results, strict=False)
        }

    def _step(self, arrays: Sequence[Array]) -> Sequence[Any]:
        values: dict[Tensor, Any] = dict(zip(self.program.inputs, arrays, strict=True))
        for variable in self.program.variables:
            if variable not in self._values:
                raise EvaluationError(f"variable {variable.name} has no value. Call load first.")
        values.update(self._values)
        with np.errstate(all="ignore"):
            results = self._function(*(_scalar(values[leaf]) for leaf in self._order))
        results = results if isinstance(results, tuple) else (results,)
        for variable, new in zip(self.program.updates, results[len(self.program.outputs) :], strict=True):
            self._values[variable] = np.asarray(new, dtype=variable.dtype)
        return results

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        losses = []
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            taken = [
                np.asarray(a, leaf.dtype)[batch] if is_batched(leaf) else np.asarray(a, leaf.dtype)
                for leaf, a in zip(self.program.inputs, arrays, strict=True)
            ]
            losses.append(float(self._step(taken)[0]))
        return np.array(losses)


def _scalar(value: Any) -> Any:
    """Arrays without axes as NumPy's numbers, which keep their type in arithmetic."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
