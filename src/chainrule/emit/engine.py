"""Engines: the same program run as printed NumPy, or as compiled loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from ..errors import DataError, DTypeError, EvaluationError, ParameterError, ShapeError, unknown_name
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..shapes import bind
from .numpy_source import compile_source, signature
from .work import COMPILATION

Array = np.ndarray[Any, Any]
ENGINES = ("auto", "numba", "numpy")


class Runner(Protocol):
    """A program with a state: the present values of its variables."""

    program: Program

    def load(self, values: Mapping[Tensor, Any]) -> None:
        """Set variables."""

    @property
    def state(self) -> dict[Tensor, Array]:
        """Copies of all variables."""

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        """One call: the outputs by name; the updates are applied.

        Raises
        ------
        EvaluationError
            If an index from the data lies outside its axis. The compiled engine notices at the end of
            its slice of work: its variables are then not to be relied on.
        """

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        """A call for each batch of rows, in order; the first output of each. Errors as for a call.

        An input without axes takes one number for all batches, or an array with a number for each.
        """


def choose_engine(seconds: float, compilation: float = COMPILATION) -> str:
    """The engine that "auto" stands for: "numba" where its compilation pays.

    Parameters
    ----------
    seconds : float
        Of work in NumPy, estimated from shapes (`chainrule.emit.work.numpy_seconds`), never by a clock or by
        what lies in a cache: one seed gives one result.
    compilation : float
        What compiling may cost, in such seconds.

    Returns
    -------
    {"numpy", "numba"}
    """
    return "numba" if seconds > compilation else "numpy"


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
    converted = _converted(program, arrays)
    sizes: dict[str, int] = {}
    for leaf, array in zip(program.inputs, converted, strict=True):
        bind(leaf.shape, array.shape, f"input {leaf.name}", sizes)
    return converted, sizes


def checked_tables(
    program: Program, arrays: Sequence[Any], batch_size: int
) -> tuple[list[Array], dict[str, int]]:
    """Arrays of the inputs' types for an epoch, and what the named sizes stand for in a batch.

    Raises
    ------
    ShapeError, DTypeError
        If an array does not fit its input, or the first output is not one real number.
    """
    first = next(iter(program.outputs.values()), None)
    if first is None or first.shape != () or first.dtype.kind != "f":
        raise DTypeError(f"epoch: the first output of {program!r} has to be one real number, the loss")
    converted = _converted(program, arrays)
    sizes: dict[str, int] = {}
    for leaf, array in zip(program.inputs, converted, strict=True):
        if leaf.shape == ():
            continue  # `checked_scalars` looks at these
        shape = (batch_size, *array.shape[1:]) if is_batched(leaf) else array.shape
        bind(leaf.shape, shape, f"input {leaf.name}", sizes)
    return converted, sizes


def checked_scalars(
    program: Program, arrays: Sequence[Any], rows: int, batch_size: int
) -> dict[Tensor, Array]:
    """Each input without axes: an array without axes, or with a number for each batch.

    Raises
    ------
    ShapeError, DTypeError
        If it is neither.
    """
    batches = -(-rows // batch_size)
    found = {}
    for leaf, value in zip(program.inputs, arrays, strict=True):
        if leaf.shape == ():
            array = _of_type(leaf, value)
            if array.shape not in ((), (batches,)):
                raise ShapeError(
                    f"input {leaf.name}: expected one number, or one for each of {batches} batches, "
                    f"got shape {array.shape}"
                )
            found[leaf] = array
    return found


def checked_rows(rows: Any, batch_size: int, count: int) -> Array:
    """The row numbers of an epoch.

    Raises
    ------
    ParameterError, DTypeError, DataError
        If the batch size is not positive, or a number is no whole one or no row's.
    """
    if batch_size < 1:
        raise ParameterError(f"epoch: the batch size must be a positive int, got {batch_size!r}")
    listed = np.asarray(rows)
    if listed.ndim != 1 or (listed.dtype.kind not in "iu" and listed.size):
        raise DTypeError(f"epoch: rows are whole numbers in one axis, got {listed.dtype} {listed.shape}")
    numbers = np.ascontiguousarray(listed, np.int64)
    if numbers.size and numbers.view(np.uint64).max() >= count:  # a negative number is a huge one here
        raise DataError(f"epoch: a row number is outside the {count} rows that there are")
    return numbers


def row_count(tables: Sequence[Any]) -> int:
    """The rows that all tables of an epoch have; without tables, any number."""
    return min(map(len, tables), default=2**62)


def _converted(program: Program, arrays: Sequence[Any]) -> list[Array]:
    if len(arrays) != len(program.inputs):
        raise DTypeError(f"{program!r} takes {len(program.inputs)} inputs, got {len(arrays)}")
    return [_of_type(leaf, value) for leaf, value in zip(program.inputs, arrays, strict=True)]


def _of_type(leaf: Tensor, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype == leaf.dtype:
        return array
    if not np.can_cast(array.dtype, leaf.dtype, "same_kind"):
        raise DTypeError(f"input {leaf.name}: expected {leaf.dtype}, got {array.dtype}")
    return array.astype(leaf.dtype)


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
            name: np.array(value, dtype=node.dtype)
            for (name, node), value in zip(self.program.outputs.items(), results, strict=False)
        }

    def _step(self, arrays: Sequence[Array]) -> Sequence[Any]:
        values: dict[Tensor, Any] = dict(zip(self.program.inputs, arrays, strict=True))
        for variable in self.program.variables:
            if variable not in self._values:
                raise EvaluationError(f"variable {variable.name} has no value. Call load first.")
        values.update(self._values)
        with np.errstate(all="ignore"):
            try:
                results = self._function(*(_scalar(values[leaf]) for leaf in self._order))
            except IndexError as error:
                raise EvaluationError(f"an index lies outside its axis: {error}") from None
        results = results if isinstance(results, tuple) else (results,)
        for variable, new in zip(self.program.updates, results[len(self.program.outputs) :], strict=True):
            value = np.asarray(new, dtype=variable.dtype)
            given = any(np.may_share_memory(value, a) for a in arrays)
            self._values[variable] = value.copy() if given else value
        return results

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        tables, _ = checked_tables(self.program, arrays, batch_size)
        batched = [a for x, a in zip(self.program.inputs, tables, strict=True) if is_batched(x)]
        rows = checked_rows(rows, batch_size, row_count(batched))
        batches = -(-len(rows) // batch_size)
        scalars = {
            leaf: np.broadcast_to(array, batches)
            for leaf, array in checked_scalars(self.program, arrays, len(rows), batch_size).items()
        }
        losses = []
        for number, start in enumerate(range(0, len(rows), batch_size)):
            batch = rows[start : start + batch_size]
            taken = [
                a[batch] if is_batched(leaf) else scalars[leaf][number] if leaf in scalars else a
                for leaf, a in zip(self.program.inputs, tables, strict=True)
            ]
            losses.append(float(self._step(taken)[0]))
        return np.array(losses)


def _scalar(value: Any) -> Any:
    """Arrays without axes as NumPy's numbers, which keep their type in arithmetic."""
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
