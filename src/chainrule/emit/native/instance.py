"""A program's buffers, and the blocks that tell its kernels sizes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ...graph.tensor import Tensor
from ...shapes import Dim, evaluate, evaluate_shape, product
from .blas import gemm_address
from .code import Code, Loop
from .memory import Buffer
from .render import Kernel
from .steps import Product, base_of

Array = np.ndarray[Any, Any]
GEMM = (
    "numbers",
    "scale",
    "subtract",
    "gemm",
    "count",
    "a",
    "a_step",
    "b",
    "b_step",
    "c",
    "c_step",
    "letters",
    "whole",
)
"""The block of `runtime.gemm_f4`: alpha and beta, their factor, letters and sizes as BLAS wants them."""
REPEAT = ("times", "kernels", "functions", "blocks", "first", "before", "after", "copies")
"""The block of `runtime.repeat`: a body's kernels, and the copies around each time it runs."""
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
        self.functions = code.addresses
        self.blocks = [self._block(k) for k in code.kernels]

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

    def halves(self, kernel: Kernel, lanes: int) -> list[Array] | None:
        """Blocks that share one flat loop out among lanes; None if the kernel is not one flat loop."""
        if not kernel.flat:
            return None
        whole = self._block(kernel)
        total = int(whole[0])
        bounds = [total * i // lanes // LINE * LINE for i in range(lanes)] + [total]
        blocks = []
        for first, end in pairwise(bounds):
            block = whole.copy()
            block[0] = end - first
            for i, memory in enumerate(kernel.memories):
                if i in kernel.flat:
                    block[len(kernel.sizes) + i] += first * memory.dtype.itemsize
            blocks.append(block)
        return blocks

    def _product_block(self, p: Product) -> Array:
        """The numbers of a call of gemm. Its columns are our rows, so that B comes before A."""
        dtype = p.node.dtype
        a, b = evaluate_shape(p.a.shape, self.sizes), evaluate_shape(p.b.shape, self.sizes)
        m, n = evaluate_shape(p.node.shape[-2:], self.sizes)
        k = a[-2] if p.a_transposed else a[-1]
        count = self._size(product(p.node.shape[:-2]))
        a_step, b_step = (0 if product(x[:-2]) == 1 else x[-1] * x[-2] * dtype.itemsize for x in (a, b))
        if count > 1 and a_step and not b_step and not p.a_transposed:
            m, count = m * count, 1  # the same B for every matrix: one tall product
        into = p.node if p.into is None else p.into
        numbers = np.array([1.0, 0.0 if p.into is None else 1.0], dtype)  # alpha, beta
        letters = np.array(
            [ord("T" if turned else "N") for turned in (p.b_transposed, p.a_transposed)], np.uint8
        )
        whole = np.array([n, m, k, max(b[-1], 1), max(a[-1], 1), max(n, 1)], np.int32)
        self.keep += [numbers, letters, whole]
        return self._numbers(
            GEMM,
            numbers=numbers,
            scale=0 if p.scale is None else self.array(p.scale),
            subtract=int(p.subtract),
            gemm=gemm_address(dtype),
            count=count,
            a=self.array(base_of(p.a)),
            a_step=a_step,
            b=self.array(base_of(p.b)),
            b_step=b_step,
            c=self.array(base_of(into)),
            c_step=m * n * dtype.itemsize,
            letters=letters,
            whole=whole,
        )

    def _numbers(self, fields: tuple[str, ...], **values: int | Array) -> Array:
        """A block in the order of its fields; arrays stand for their addresses."""
        listed = [values[f] for f in fields]
        return np.array([x.ctypes.data if isinstance(x, np.ndarray) else x for x in listed], np.int64)

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

        def copy(source: Array, target: Array, like: Tensor, moves: str = "") -> list[int]:
            """Source, its step, target, its step, bytes; what `moves` goes from row to row."""
            size = self._size(product(like.shape)) * like.dtype.itemsize
            numbers = []
            for name, array in (("source", source), ("target", target)):
                step = size if moves == name else 0
                start, step = (step * (steps - 1), -step) if attrs["reverse"] else (0, step)
                numbers += [array.ctypes.data + start, step]
            return [*numbers, size]

        own = [inner.array(p) for p in places[: count + rows]]
        first = [copy(given[k], own[k], places[k]) for k in range(count)]
        before = [copy(given[k], own[k], places[k], "source") for k in range(count, count + rows)]
        after = [
            copy(inner.array(x), self.array(loop.items[k]), x, "target")
            for k, x in loop.outputs.items()
            if k >= count
        ]
        after += [copy(inner.array(loop.outputs[k]), own[k], places[k]) for k in range(count)]
        copies = np.array([*first, *before, *after], np.int64).reshape(-1, 5)
        functions = np.array(inner.functions, np.int64)
        blocks = np.array([b.ctypes.data for b in inner.blocks], np.int64)
        self.keep += [inner, copies, functions, blocks]
        return self._numbers(
            REPEAT,
            times=steps,
            kernels=len(functions),
            functions=functions,
            blocks=blocks,
            first=len(first),
            before=len(before),
            after=len(after),
            copies=copies,
        )
