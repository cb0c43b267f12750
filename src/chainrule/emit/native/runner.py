"""A compiled program with a state: buffers, blocks, and calls."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from .nest import Kernel, NestWriter, render, type_name, write_nest
from .plan import Plan, Product, base_of, make_plan

Array = np.ndarray[Any, Any]


@dataclass
class Loop:
    """A scan: the code of its body, and the node that says how often and over what."""

    node: Tensor
    items: dict[int, Tensor]
    body: Code
    outputs: dict[int, Tensor]  # of the body, by the number of the result


@dataclass
class Code:
    """A planned program: its kernels' sources and where each finds its numbers."""

    program: Program
    plan: Plan
    memory: MemoryPlan
    kernels: list[Kernel | Product | Loop]

    @property
    def sources(self) -> list[str]:
        """What has to be compiled: a body, or a fixed kernel's name, for each step."""
        return [_source_of(k) for k in self.kernels]

    @property
    def addresses(self) -> list[int]:
        """The machine code of each step."""
        return addresses(self.sources)


def _source_of(kernel: Kernel | Product | Loop) -> str:
    if isinstance(kernel, Kernel):
        return kernel.source
    if isinstance(kernel, Loop):
        return "repeat"
    return f"gemm_{type_name(kernel.node.dtype)}"


def make_code(program: Program) -> Code:
    """Plan a program and write its nests."""
    plan = make_plan(program)
    nests: dict[int, NestWriter] = {
        i: write_nest(plan, step, plan.in_memory)
        for i, step in enumerate(plan.steps)
        if step.kind in ("nest", "scatter")
    }
    memory = plan_memory(plan, nests)
    kernels: list[Kernel | Product | Loop] = []
    for i, step in enumerate(plan.steps):
        if step.product is not None:
            kernels.append(step.product)
        elif step.kind == "control":
            kernels.append(_make_loop(plan, step.anchors[0]))
        else:
            kernels.append(render(nests[i], memory.buffer))
    return Code(program, plan, memory, kernels)


def _make_loop(plan: Plan, node: Tensor) -> Loop:
    """The code of a scan's body, with the outputs that are used."""
    body: Program = node.attrs["program"]
    items = {x.attrs["item"]: x for x in plan.items[node]}
    listed = list(body.outputs.items())
    wanted = [k for k in range(len(listed)) if k < node.attrs["carries"] or k in items]
    code = make_code(Program(body.inputs, dict(listed[k] for k in wanted), name=body.name))
    return Loop(node, items, code, {k: code.plan.outputs[listed[k][0]] for k in wanted})


class NativeRunner:
    """Runs compiled loops; see `chainrule.emit.engine.Runner`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.code = make_code(program)
        self._addresses = self.code.addresses
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
            self._instances[key] = Instance(self.code, self._fixed, sizes)
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


class Instance:
    """A program's buffers and blocks for one batch size."""

    def __init__(
        self, code: Code, fixed: Mapping[Buffer, Array], sizes: dict[str, int], flag: Array | None = None
    ) -> None:
        self.code, self.sizes = code, sizes
        self.keep: list[Any] = []  # what machine code has addresses of
        memory = code.memory
        self.arrays = {b: fixed[b] if b in fixed else b.allocate(sizes) for b in memory.buffers}
        self.flag = memory.flag.allocate({}) if flag is None else flag
        for node, buffer in memory.of.items():
            if isinstance(node, Tensor) and node.value is not None and node.is_leaf and buffer not in fixed:
                self.arrays[buffer][: node.value.size] = node.value.ravel()
        self.functions = code.addresses
        self.blocks = [self._block(k) for k in code.kernels]
        self.row_cell = np.zeros(1, np.int64)
        self.control = np.zeros(2, np.int32)

    def array(self, node: Tensor) -> Array:
        return self.arrays[self.code.memory.of[node]]

    def _address(self, node: Tensor) -> int:
        return self.array(base_of(node)).ctypes.data

    def _size(self, dim: Dim) -> int:
        return evaluate(dim, self.sizes)

    def _block(self, kernel: Kernel | Product | Loop) -> Array:
        if isinstance(kernel, Product):
            return self._product_block(kernel)
        if isinstance(kernel, Loop):
            return self._loop_block(kernel)
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

    def _loop_block(self, loop: Loop) -> Array:
        """A scan's numbers: its body's buffers and blocks, and what is copied in and out each time.

        The carry lies where the last carry is wanted; tensors from outside are read where they are.
        """
        node, body, memory = loop.node, loop.body, loop.body.memory
        count, rows = node.attrs["carries"], node.attrs["rows"]
        steps = self._size(node.attrs["length"])
        places = body.program.inputs
        fixed = {memory.of[p]: self.array(base_of(x)) for p, x in zip(places, node.inputs, strict=True)}
        for p in places[: count + rows]:
            del fixed[memory.of[p]]
        for k in range(count):
            if k in loop.items:
                fixed[memory.of[places[k]]] = self.array(loop.items[k])
        inner = Instance(body, fixed, self.sizes, self.flag)

        def copy(source: Array, target: Array, node: Tensor, by_source: int, by_target: int) -> list[int]:
            size = self._size(product(node.shape)) * node.dtype.itemsize
            start = size * (steps - 1) if node_reversed else 0
            sign = -size if node_reversed else size
            return [
                source.ctypes.data + by_source * start, by_source * sign,
                target.ctypes.data + by_target * start, by_target * sign, size, 0,
            ]  # fmt: skip

        node_reversed = node.attrs["reverse"]
        first = [copy(self.array(base_of(x)), inner.array(p), p, 0, 0)
                 for p, x in zip(places[:count], node.inputs, strict=False)]  # fmt: skip
        before = [copy(self.array(base_of(x)), inner.array(p), p, 1, 0)
                  for p, x in zip(places[count : count + rows], node.inputs[count:], strict=False)]  # fmt: skip
        after = [copy(inner.array(loop.outputs[k]), self.array(loop.items[k]), loop.outputs[k], 0, 1)
                 for k in loop.outputs if k >= count]  # fmt: skip
        after += [copy(inner.array(loop.outputs[k]), inner.array(places[k]), places[k], 0, 0)
                  for k in range(count)]  # fmt: skip
        copies = np.array([*first, *before, *after] or [[0] * 6], np.int64)
        functions = np.array(inner.functions or [0], np.int64)
        blocks = np.array([b.ctypes.data for b in inner.blocks] or [0], np.int64)
        self.keep += [inner, copies, functions, blocks]
        return np.array(
            [steps, len(inner.functions), functions.ctypes.data, blocks.ctypes.data,
             len(first), len(before), len(after), copies.ctypes.data], np.int64,
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
        functions += self.functions
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
        _call(addresses(["drive"])[0], block.ctypes.data)
        if self.flag[0]:
            raise EvaluationError("an index is outside its axis: check the labels or indices that were passed")
        return losses


_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_int64)


def _call(address: int, block: int) -> None:
    """Call machine code; the interpreter lock is released meanwhile."""
    _PROTOTYPE(address)(block)


__all__ = ["Code", "NativeRunner", "aligned", "make_code"]
