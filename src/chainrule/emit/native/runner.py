"""A compiled program with a state: buffers, blocks, and calls."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import DataError, EvaluationError
from ...graph.program import Program
from ...graph.tensor import LEAF, Tensor
from ...shapes import Dim, evaluate, evaluate_shape, product
from ..engine import checked_inputs, checked_variable, is_batched
from .blas import gemm_address
from .kernels import addresses
from .memory import Buffer, MemoryPlan, aligned, plan_memory
from .nest import Kernel, NestWriter, render, write_nest
from .plan import Plan, Product, base_of, make_plan

Array = np.ndarray[Any, Any]


@dataclass
class Code:
    """A planned program: its kernels' sources and where each finds its numbers."""

    plan: Plan
    memory: MemoryPlan
    kernels: list[Kernel | Product]

    @property
    def sources(self) -> list[str]:
        """What has to be compiled, a body for each step."""
        return [
            f"gemm_{'f4' if k.node.dtype == np.float32 else 'f8'}" if isinstance(k, Product) else k.source
            for k in self.kernels
        ]


def make_code(program: Program) -> Code:
    """Plan a program and write its nests."""
    plan = make_plan(program)
    nests: dict[int, NestWriter] = {
        i: write_nest(plan, step, plan.in_memory)
        for i, step in enumerate(plan.steps)
        if step.kind in ("nest", "scatter")
    }
    memory = plan_memory(plan, nests)
    kernels: list[Kernel | Product] = []
    for i, step in enumerate(plan.steps):
        if step.product is not None:
            kernels.append(step.product)
        else:
            kernels.append(render(nests[i], memory.buffer))
    return Code(plan, memory, kernels)


class NativeRunner:
    """Runs compiled loops; see `chainrule.emit.engine.Runner`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.code = make_code(program)
        self._addresses = addresses([*self.code.sources, "drive"])
        memory = self.code.memory
        self._fixed: dict[Buffer, Array] = {}
        for leaf in program.variables:
            buffer = memory.of[leaf]
            self._fixed[buffer] = buffer.allocate({})
            if leaf.value is not None:
                self._fixed[buffer][:] = leaf.value.ravel()
        self._missing = {v for v in program.variables if v.value is None}
        self._instances: dict[tuple[tuple[str, int], ...], Instance] = {}

    def load(self, values: Mapping[Tensor, Any]) -> None:
        for variable, value in values.items():
            self._array(variable)[:] = checked_variable(variable, value).ravel()
            self._missing.discard(variable)

    def _array(self, variable: Tensor) -> Array:
        return self._fixed[self.code.memory.of[variable]]

    @property
    def state(self) -> dict[Tensor, Array]:
        return {
            v: self._array(v)[: int(np.prod(v.shape, dtype=int))].reshape(v.shape).copy()
            for v in self.program.variables
            if v not in self._missing
        }

    def _instance(self, sizes: dict[str, int]) -> Instance:
        if self._missing:
            name = min(v.name or "" for v in self._missing)
            raise EvaluationError(f"variable {name} has no value. Call load first.")
        key = tuple(sorted(sizes.items()))
        if key not in self._instances:
            while len(self._instances) > 8:
                self._instances.pop(next(iter(self._instances)))
            self._instances[key] = Instance(self.code, self._addresses, self._fixed, sizes)
        return self._instances[key]

    def __call__(self, *arrays: Any) -> dict[str, Array]:
        converted, sizes = checked_inputs(self.program, arrays)
        instance = self._instance(sizes)
        for leaf, array in zip(self.program.inputs, converted, strict=True):
            instance.array(leaf)[: array.size] = array.ravel()
        instance.run(1, None, 0)
        return {
            name: instance.array(node)[: int(np.prod(shape, dtype=int))].reshape(shape).copy()
            for name, node in self.code.plan.outputs.items()
            for shape in [evaluate_shape(node.shape, sizes)]
        }

    def epoch(self, arrays: Sequence[Any], rows: Array, batch_size: int) -> Array:
        rows = np.ascontiguousarray(rows, np.int64)
        losses = []
        whole = len(rows) // batch_size * batch_size
        for part, size in ((rows[:whole], batch_size), (rows[whole:], len(rows) - whole)):
            if len(part):
                losses.append(self._batches(arrays, part, size))
        return np.concatenate(losses) if losses else np.zeros(0)

    def _batches(self, arrays: Sequence[Any], rows: Array, size: int) -> Array:
        heads = [
            np.broadcast_to(0, (size, *np.shape(a)[1:])) if is_batched(leaf) else a
            for leaf, a in zip(self.program.inputs, arrays, strict=True)
        ]
        sizes: dict[str, int] = {}
        from ...shapes import bind

        for leaf, head in zip(self.program.inputs, heads, strict=True):
            bind(leaf.shape, np.shape(head), f"input {leaf.name}", sizes)
        instance = self._instance(sizes)
        sources = []
        for leaf, array in zip(self.program.inputs, arrays, strict=True):
            if is_batched(leaf):
                table = np.ascontiguousarray(array, leaf.dtype)
                if rows.min() < 0 or rows.max() >= len(table):
                    raise DataError(f"epoch: a row is outside input {leaf.name} of {len(table)} rows")
                sources.append((leaf, table))
            else:
                flat = np.asarray(array, leaf.dtype).ravel()
                instance.array(leaf)[: flat.size] = flat
        return instance.run(len(rows) // size, rows, size, sources)


@dataclass
class Instance:
    """A program's buffers and blocks for one batch size."""

    code: Code
    kernels: list[int]
    fixed: dict[Buffer, Array]
    sizes: dict[str, int]
    keep: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        memory = self.code.memory
        self.arrays = {b: self.fixed[b] if b in self.fixed else b.allocate(self.sizes) for b in memory.buffers}
        self.flag = memory.flag.allocate({})
        for node, buffer in memory.of.items():
            if isinstance(node, Tensor) and node.op is LEAF and node.value is not None:
                if buffer not in self.fixed:
                    self.arrays[buffer][: node.value.size] = node.value.ravel()
        self.blocks = [self._block(k) for k in self.code.kernels]
        self.row_cell = np.zeros(1, np.int64)
        self.control = np.zeros(2, np.int32)
        self.gathers: dict[Tensor, tuple[int, Array]] = {}

    def array(self, node: Tensor) -> Array:
        return self.arrays[self.code.memory.of[node]]

    def _address(self, node: Tensor) -> int:
        return self.array(base_of(node)).ctypes.data

    def _size(self, dim: Dim) -> int:
        return evaluate(dim, self.sizes)

    def _block(self, kernel: Kernel | Product) -> Array:
        if isinstance(kernel, Product):
            return self._product_block(kernel)
        buffer = self.code.memory.buffer
        memories = [
            self.flag if m.role == "flag" else self.arrays[buffer(m)] for m in kernel.memories
        ]
        numbers = [self._size(d) for d in kernel.sizes] + [a.ctypes.data for a in memories]
        return np.array(numbers or [0], np.int64)

    def _product_block(self, p: Product) -> Array:
        """The numbers of a call of gemm; in C order, so that B and A change places."""
        dtype = p.node.dtype
        item = dtype.itemsize
        a, b = evaluate_shape(p.a.shape, self.sizes), evaluate_shape(p.b.shape, self.sizes)
        m, n = evaluate_shape(p.node.shape[-2:], self.sizes)
        k = a[-2] if p.a_transposed else a[-1]
        count = self._size(product(p.node.shape[:-2]))
        steps = [0 if product(x[:-2]) == 1 else x[-1] * x[-2] * item for x in (a, b)]
        if count > 1 and steps[1] == 0 and steps[0] and not p.a_transposed:
            m, count = m * count, 1  # the same B for every matrix: one tall product
        work = np.zeros(12, np.int64)  # 16 bytes of numbers, then letters, then six sizes
        numbers = work.view(dtype)
        numbers[1 if item == 8 else 2] = 1.0 if p.into is not None else 0.0
        letters = work.view(np.uint8)
        letters[16], letters[17] = ord("T" if p.b_transposed else "N"), ord("T" if p.a_transposed else "N")
        whole = work.view(np.int32)
        whole[6:12] = [n, m, k, max(b[-1], 1), max(a[-1], 1), max(n, 1)]
        self.keep.append(work)
        at = work.ctypes.data
        out = p.into if p.into is not None else p.node
        return np.array(
            [
                at, self._address(p.scale) if p.scale is not None else 0, int(p.subtract), gemm_address(dtype),
                count, self._address(p.a), steps[0], self._address(p.b), steps[1], self._address(out), m * n * item,
                at + 16, at + 17, at + 24, at + 28, at + 32, at + 36, at + 40, at + 44,
            ],
            np.int64,
        )  # fmt: skip

    def run(
        self, batches: int, rows: Array | None, size: int, sources: Sequence[tuple[Tensor, Array]] = ()
    ) -> Array:
        """Run all kernels for each batch; gives the first output of each."""
        functions, blocks = [], []
        for leaf, table in sources:
            target = self.array(leaf)
            width = table.itemsize * int(np.prod(table.shape[1:], dtype=int))
            words = width % 4 == 0
            name = "gather" if words else "gather_bytes"
            block = np.array(
                [size, width // 4 if words else width, table.ctypes.data, target.ctypes.data,
                 self.row_cell.ctypes.data], np.int64,
            )  # fmt: skip
            functions.append(addresses([name])[0])
            blocks.append(block)
        functions += self.kernels[:-1]
        blocks += self.blocks
        calls = np.array(functions or [0], np.int64)
        arguments = np.array([b.ctypes.data for b in blocks] or [0], np.int64)
        losses = np.zeros(batches)
        first = next(iter(self.code.plan.outputs.values()), None)
        number = first is not None and first.shape == () and first.dtype.kind == "f"
        loss = self.array(first) if number and first is not None else losses
        self.flag[0] = 0
        block = np.array(
            [
                len(functions), calls.ctypes.data, arguments.ctypes.data, batches,
                rows.ctypes.data if rows is not None else 0, size, self.row_cell.ctypes.data, losses.ctypes.data,
                loss.ctypes.data, int(loss.dtype == np.float64), self.control.ctypes.data, 0, self.flag.ctypes.data,
            ],
            np.int64,
        )  # fmt: skip
        _call(self.kernels[-1], block.ctypes.data)
        if self.flag[0]:
            raise EvaluationError("an index is outside its axis: check the labels or indices that were passed")
        return losses


_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_int64)


def _call(address: int, block: int) -> None:
    """Call machine code; the interpreter lock is released meanwhile."""
    _PROTOTYPE(address)(block)


__all__ = ["Code", "NativeRunner", "aligned", "make_code"]
