"""A program's buffers, and the blocks that tell its kernels sizes and addresses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ...graph.tensor import Tensor
from ...shapes import Dim, evaluate, evaluate_shape, product
from .blas import gemm_address
from .blocks import COPY, GEMM, REPEAT, Call, block, table
from .code import Code, Loop
from .kernels import addresses
from .memory import Buffer
from .render import Kernel
from .shards import LARGE
from .steps import Product, base_of

Array = np.ndarray[Any, Any]
Bounds = tuple[int, ...]
LINE = 64  # elements: lanes never write to one cache line


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
        self.calls: list[Call] = [
            (function, self._block(k)) for function, k in zip(code.addresses, code.kernels, strict=True)
        ]

    def array(self, node: Tensor) -> Array:
        return self.arrays[self.code.memory.of[node]]

    def _size(self, dim: Dim) -> int:
        return evaluate(dim, self.sizes)

    def _block(self, kernel: Kernel | Product | Loop) -> Array:
        if isinstance(kernel, Product):
            return self._product_block(kernel)
        if isinstance(kernel, Loop):
            return self._loop_block(kernel)
        buffer = self.code.memory.buffer
        memories = [self.flag if m.role == "flag" else self.arrays[buffer(m)] for m in kernel.memories]
        numbers = [self._size(d) for d in kernel.sizes] + [a.ctypes.data for a in memories]
        return np.array(numbers or [0], np.int64)

    def shares(self, kernel: Kernel | Product | Loop, lanes: int) -> tuple[list[Array], Bounds] | None:
        """Blocks that share a step out among lanes, and where each lane's part begins; None if they cannot.

        One flat loop can be shared out, and a large product, by its rows.
        """
        if isinstance(kernel, Product):
            shape = evaluate_shape(kernel.node.shape, self.sizes)
            if len(shape) != 2 or math.prod(shape) < LARGE:
                return None
            rows = [shape[0] * i // lanes for i in range(lanes + 1)]
            blocks = [self._product_block(kernel, part) for part in pairwise(rows)]
            return blocks, tuple(row * shape[1] for row in rows)
        if not isinstance(kernel, Kernel) or not kernel.flat:
            return None
        whole = self._block(kernel)
        total = int(whole[0])
        bounds = [total * i // lanes // LINE * LINE for i in range(lanes)] + [total]
        blocks = []
        for first, end in pairwise(bounds):
            part = whole.copy()
            part[0] = end - first
            for i, memory in enumerate(kernel.memories):
                if i in kernel.flat:
                    part[len(kernel.sizes) + i] += first * memory.dtype.itemsize
            blocks.append(part)
        return blocks, tuple(bounds)

    def _product_block(self, p: Product, rows: tuple[int, int] | None = None) -> Array:
        """The numbers of a call of gemm, for some rows of a single product or for all.

        Its columns are our rows, so that B comes before A.
        """
        dtype = p.node.dtype
        a, b = evaluate_shape(p.a.shape, self.sizes), evaluate_shape(p.b.shape, self.sizes)
        m, n = evaluate_shape(p.node.shape[-2:], self.sizes)
        k = a[-2] if p.a_transposed else a[-1]
        count = self._size(product(p.node.shape[:-2]))
        a_step, b_step = (0 if product(x[:-2]) == 1 else x[-1] * x[-2] * dtype.itemsize for x in (a, b))
        if count > 1 and a_step and not b_step and not p.a_transposed:
            m, count = m * count, 1  # the same B for every matrix: one tall product
        first, m = (0, m) if rows is None else (rows[0], rows[1] - rows[0])
        into = p.node if p.into is None else p.into
        numbers = np.array([1, 0 if p.into is None else 1, -1 if p.subtract else 1, 1], dtype)
        letters = np.array(
            [ord("T" if turned else "N") for turned in (p.b_transposed, p.a_transposed)], np.uint8
        )
        whole = np.array([n, m, k, max(b[-1], 1), max(a[-1], 1), max(n, 1)], np.int32)
        letter, number, size = (x.ctypes.data for x in (letters, numbers, whole))
        at, one = dtype.itemsize, 4
        arguments = np.array(
            [letter, letter + 1, size, size + one, size + 2 * one,
             number, 0, size + 3 * one, 0, size + 4 * one, number + at, 0, size + 5 * one],
            np.int64,
        )  # fmt: skip
        self.keep += [numbers, letters, whole, arguments]
        return block(
            GEMM,
            numbers=numbers,
            scale=numbers[3:] if p.scale is None else self.array(p.scale),
            gemm=gemm_address(dtype),
            count=count,
            a=self.array(base_of(p.a))[first if p.a_transposed else first * a[-1] :],
            a_step=a_step,
            b=self.array(base_of(p.b)),
            b_step=b_step,
            c=self.array(base_of(into))[first * n :],
            c_step=m * n * dtype.itemsize,
            arguments=arguments,
        )

    def _loop_block(self, loop: Loop) -> Array:
        """A scan's numbers: its body's buffers and blocks, and what is copied in and out each time.

        The carry lies where the last carry is wanted; tensors from outside are read where they are.
        """
        attrs, places, memory = loop.node.attrs, loop.body.program.inputs, loop.body.memory
        count, rows, steps = attrs["carries"], attrs["rows"], self._size(attrs["length"])
        given = [self.array(base_of(x)) for x in loop.node.inputs]
        fixed = {memory.of[p]: x for p, x in list(zip(places, given, strict=True))[count + rows :]}
        fixed |= {memory.of[places[k]]: self.array(loop.items[k]) for k in range(count) if k in loop.items}
        inner = Instance(loop.body, fixed, self.sizes, self.flag)

        def copy(source: Array, target: Array, like: Tensor, moves: str = "") -> Array:
            """A block of `runtime.copy`; what `moves` goes from row to row."""
            size = self._size(product(like.shape)) * like.dtype.itemsize
            numbers = {"bytes": size}
            for name, array in (("source", source), ("target", target)):
                step = size if moves == name else 0
                start, step = (step * (steps - 1), -step) if attrs["reverse"] else (0, step)
                numbers |= {name: array.ctypes.data + start, f"{name}_step": step}
            return block(COPY, **numbers)

        own = [inner.array(p) for p in places[: count + rows]]
        first = [copy(given[k], own[k], places[k]) for k in range(count)]
        before = [copy(given[k], own[k], places[k], "source") for k in range(count, count + rows)]
        after = [
            copy(inner.array(x), self.array(loop.items[k]), x, "target")
            for k, x in loop.outputs.items()
            if k >= count
        ]
        after += [copy(inner.array(loop.outputs[k]), own[k], places[k]) for k in range(count)]
        moving = np.array([*before, *after], np.int64).reshape(-1, len(COPY))
        start = moving.copy()
        first.append(block(COPY, source=start, target=moving, bytes=moving.nbytes))
        copier = addresses(["copy"])[0]
        copies = [(copier, row) for row in moving]
        once = [(copier, b) for b in first]
        each = [*copies[: len(before)], *inner.calls, *copies[len(before) :]]
        tables = table(once), table(each)
        self.keep += [inner, moving, start, once, *tables]
        return block(
            REPEAT, first_count=len(once), first=tables[0], each_count=len(each), each=tables[1], times=steps
        )
