"""A compiled program with a state: calls, and epochs without Python in between."""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...graph.program import Program
from ...graph.tensor import Tensor
from ...shapes import evaluate, evaluate_shape, product
from ..engine import (
    checked_inputs,
    checked_rows,
    checked_scalars,
    checked_tables,
    checked_variable,
    is_batched,
    row_count,
)
from ..work import operations
from .code import Code, make_code
from .memory import aligned
from .shards import LANES, ROWS, Cut, cut_rows
from .stage import Stage, plain_stage, shared_stage
from .threads import thread_count
from .turn import turn_narrow

Array = np.ndarray[Any, Any]
SHARED = (6e6, 1.2e8)
"""Operations of a step from which, and up to which, its rows are shared out among lanes."""


SMALL = 4e5
"""Operations of a step below which BLAS does not think of threads, so that nobody need tell it."""


class NativeRunner:
    """Runs compiled loops; see `chainrule.emit.engine.Runner`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        thread_count()  # asked once, before anybody limits the threads of BLAS for a while
        self._lock = threading.RLock()  # the interpreter's own is released while machine code runs
        self._turned_program, self._turned = turn_narrow(program)
        self.code = make_code(self._turned_program)
        self.code.addresses  # noqa: B018  compile now, not at the first call
        self._variables = {
            self._turned.get(v, v): aligned(evaluate(product(v.shape), {}), v.dtype)
            for v in program.variables
        }
        self._missing = set(program.variables)
        self.load({v: v.value for v in program.variables if v.value is not None})
        self._stages: dict[tuple[tuple[str, int], ...], Stage] = {}
        self._fed: dict[int, tuple[list[Any], Stage]] = {}
        self._batched = [is_batched(x) for x in program.inputs]
        self._cut: tuple[Cut, Code, Code] | None = None
        self._asked = False

    def load(self, values: Mapping[Tensor, Any]) -> None:
        with self._lock:
            for variable, value in values.items():
                array = checked_variable(variable, value)
                if variable in self._turned:
                    self._variables[self._turned[variable]][:] = array.T.ravel()
                else:
                    self._variables[variable][:] = array.ravel()
                self._missing.discard(variable)

    @property
    def state(self) -> dict[Tensor, Array]:
        with self._lock:
            return {v: self._value(v) for v in self.program.variables if v not in self._missing}

    def _value(self, variable: Tensor) -> Array:
        own = self._turned.get(variable, variable)
        lying = self._variables[own].reshape(evaluate_shape(own.shape, {}))
        return (lying if own is variable else lying.T).copy()

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        converted, sizes = checked_inputs(self.program, arrays)
        with self._lock:
            stage = self._stage(sizes)
            for leaf, array in zip(self.program.inputs, converted, strict=True):
                stage.put(leaf, array)
            stage.call()
            return {name: stage.output(name) for name in self.program.outputs}

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        with self._lock:
            tables = [a for a, batched in zip(arrays, self._batched, strict=False) if batched]
            if self._known(tables, batch_size) is None:
                checked_tables(self.program, arrays, batch_size)
            rows = checked_rows(rows, batch_size, row_count(tables))
            scalars = checked_scalars(self.program, arrays, len(rows), batch_size)
            count, rest = divmod(len(rows), batch_size)
            if not rest:
                return self._batches(arrays, tables, rows, scalars, batch_size) if count else np.zeros(0)
            whole, losses = len(rows) - rest, []
            if count:
                first = {leaf: values[:count] if values.ndim else values for leaf, values in scalars.items()}
                losses.append(self._batches(arrays, tables, rows[:whole], first, batch_size))
            last = {leaf: values[count:] if values.ndim else values for leaf, values in scalars.items()}
            losses.append(self._batches(arrays, tables, rows[whole:], last, rest))
            return np.concatenate(losses)

    def _batches(
        self,
        arrays: Sequence[Any],
        tables: list[Any],
        rows: Array,
        scalars: Mapping[Tensor, Array],
        size: int,
    ) -> Array:
        stage = self._known(tables, size) or self._feed(arrays, tables, size)
        if len(tables) + len(scalars) < len(arrays):
            for leaf, array, batched in zip(self.program.inputs, arrays, self._batched, strict=True):
                if not batched and leaf not in scalars:
                    stage.put(leaf, np.asarray(array, leaf.dtype))
        return stage.run(len(rows) // size, rows, scalars)

    def _known(self, tables: list[Any], size: int) -> Stage | None:
        """The stage that was fed with these tables for that batch size, while they stay the same objects."""
        last = self._fed.get(size)
        if last is None or len(last[0]) != len(tables) or not all(map(operator.is_, last[0], tables)):
            return None
        return last[1]

    def _feed(self, arrays: Sequence[Any], tables: list[Any], size: int) -> Stage:
        converted, sizes = checked_tables(self.program, arrays, size)
        stage = self._stage(sizes)
        leaves = self.program.inputs
        fed = [(x, a) for x, a in zip(leaves, converted, strict=True) if is_batched(x)]
        stage.feed(fed, [x for x in leaves if x.shape == ()], size)
        self._fed = {k: v for k, v in self._fed.items() if v[1] is not stage and k != size}
        copied = any(not np.shares_memory(t, a) for t, a in zip(stage.tables, tables, strict=True))
        if not copied:  # a copy would not follow changes of the array
            self._fed[size] = (tables, stage)
        while len(self._fed) > 4:
            self._fed.pop(next(iter(self._fed)))
        return stage

    def _stage(self, sizes: dict[str, int]) -> Stage:
        if self._missing:
            name = min(v.name or "" for v in self._missing)
            raise EvaluationError(f"variable {name} has no value. Call load first.")
        key = tuple(sorted(sizes.items()))
        if key not in self._stages:
            while len(self._stages) > 8:
                self._stages.pop(next(iter(self._stages)))
            self._stages[key] = self._new_stage(sizes)
        return self._stages[key]

    def _new_stage(self, sizes: dict[str, int]) -> Stage:
        effort = operations(self.program, sizes)
        if SHARED[0] <= effort <= SHARED[1] and sizes.get(ROWS, 0) >= 2 * LANES:
            if not self._asked:
                cut = cut_rows(self._turned_program)
                self._cut = None if cut is None else (cut, make_code(cut.rows), make_code(cut.rest))
                self._asked = True
            if self._cut is not None:
                return shared_stage(*self._cut, self._variables, sizes)
        many = None if effort < SMALL else effort > SHARED[1]
        return plain_stage(self.code, self._variables, sizes, many)
