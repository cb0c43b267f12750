"""A program's buffers, and the blocks that tell its kernels sizes and addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...graph.tensor import Tensor
from ...shapes import Dim, evaluate, evaluate_shape, product
from .blas import gemm_address
from .code import Code, Loop
from .memory import Buffer
from .nest import Kernel
from .plan import Product, base_of

Array = np.ndarray[Any, Any]
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

    def halves(self, kernel: Kernel, lanes: int) -> list[Array] | None:
        """Blocks that share one flat loop out among lanes; None if the kernel is not one flat loop."""
        if not kernel.flat:
            return None
        whole = self._block(kernel)
        total = int(whole[0])
        bounds = [total * i // lanes // LINE * LINE for i in range(lanes)] + [total]
        blocks = []
        for first, end in zip(bounds, bounds[1:], strict=False):
            block = whole.copy()
            block[0] = end - first
            for i, memory in enumerate(kernel.memories):
                if i in kernel.flat:
                    block[len(kernel.sizes) + i] += first * memory.dtype.itemsize
            blocks.append(block)
        return blocks

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
