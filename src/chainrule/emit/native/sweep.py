"""Many rows through a program that keeps them apart: a few at a time, on as many threads as there may be.

A chunk of rows stays in the processor's cache from the first product to the last. How the rows are cut
depends on their number alone, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...graph.program import Program
from ...graph.tensor import Tensor
from ...shapes import bind, evaluate, evaluate_shape, product
from ..engine import is_batched
from ..work import operations
from .blocks import COPY, REPEAT, Call, block, table
from .code import Code, make_code
from .instance import Instance
from .kernels import addresses
from .memory import aligned
from .shards import ROWS
from .threads import blas_threads, drive, thread_count

Array = np.ndarray[Any, Any]
CACHE = 2**20  # bytes of a chunk's rows and results
FEWEST, MOST = 32, 2048  # rows of a chunk
SHARES = 4  # chunks come in multiples of this, so that so many threads have the same to do
SLICE = 1e10  # operations after which Ctrl-C is answered
KEPT = 8  # numbers of rows whose buffers are kept
SOURCE, TARGET = COPY.index("source"), COPY.index("target")
TIMES, FIRST_COUNT = REPEAT.index("times"), REPEAT.index("first_count")


class Sweep:
    """Runs a program of the rows of tables.

    Parameters
    ----------
    program : Program
        Without updates, and one for which `shards.rows_apart` holds.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.code = make_code(program)
        self.code.addresses  # noqa: B018  compile now, not at the first call
        thread_count()  # asked once, before anybody limits the threads of BLAS for a while
        self._tables = [x for x in program.inputs if is_batched(x)]
        self._fixed = {
            x: aligned(evaluate(product(x.shape), {}), x.dtype) for x in program.inputs if not is_batched(x)
        }
        parts = [(b.elements, b.dtype.itemsize) for b in self.code.memory.buffers]
        one, two = (sum(evaluate(e, {ROWS: n}) * size for e, size in parts) for n in (1, 2))
        self._most = int(np.clip(CACHE // max(two - one, 1), FEWEST, MOST))
        self._kept: dict[int, list[_Lane]] = {}

    def __call__(self, tables: Sequence[Array], values: Sequence[Array]) -> dict[str, Array]:
        """The outputs for all rows.

        Parameters
        ----------
        tables : sequence of ndarray
            Contiguous, of the types of the inputs with rows, in their order, with equally many rows.
        values : sequence of ndarray
            For the other inputs, in their order.

        Raises
        ------
        ShapeError
            If one of the others has another shape.
        EvaluationError
            If an index that is computed lies outside its axis.
        """
        for leaf, value in zip(self._fixed, values, strict=True):
            bind(leaf.shape, np.shape(value), f"input {leaf.name}", {})
        rows = len(tables[0])
        outputs = self.code.plan.outputs
        shapes = {name: evaluate_shape(node.shape, {ROWS: rows}) for name, node in outputs.items()}
        found = {name: np.empty(shapes[name], node.dtype) for name, node in outputs.items()}
        with blas_threads(1):  # for one call at a time, in the whole process
            for own, value in zip(self._fixed.values(), values, strict=True):
                own[:] = np.ravel(value)
            if rows not in self._kept:
                while len(self._kept) >= KEPT:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[rows] = self._lanes(rows)
            lanes = self._kept[rows]
            for lane in lanes:
                lane.aim(tables, list(found.values()))
            barrier = np.zeros(1, np.int64)
            while any(lane.left for lane in lanes):
                drive([lane.take() for lane in lanes], barrier, many=None)
            if any(lane.failed for lane in lanes):
                raise EvaluationError("an index lies outside its axis: check the indices that were passed")
        return found

    def _lanes(self, rows: int) -> list[_Lane]:
        """One for each thread, with its part of the chunks; the first has what is left over as well."""
        chunks = SHARES * -(-rows // (SHARES * self._most))
        size, rest = divmod(rows, chunks)
        if not size:
            chunks, size, rest = 0, 0, rows
        threads = min(thread_count(), chunks) or 1
        bounds = [chunks * i // threads for i in range(threads + 1)]
        at_once = max(1, int(SLICE / max(operations(self.program, {ROWS: size}), 1)))
        lanes = [
            _Lane(self.code, self._fixed, self._tables, (first * size, size, end - first), at_once)
            for first, end in pairwise(bounds)
        ]
        if rest:
            lanes[0].add_rest(_Chunk(self.code, self._fixed, self._tables, rest), chunks * size)
        return lanes


class _Chunk:
    """Buffers for a number of rows, and the calls that fetch the rows, compute, and put the results away."""

    def __init__(
        self, code: Code, fixed: Mapping[Tensor, Array], tables: Sequence[Tensor], size: int
    ) -> None:
        places = {code.memory.of[x]: array for x, array in fixed.items()}
        self.instance = instance = Instance(code, places, {ROWS: size})
        nodes = list(code.plan.outputs.values())
        self.widths = [self._width(x) for x in (*tables, *nodes)]
        self.fetch = [
            block(COPY, target=instance.array(x), source_step=size * width, bytes=size * width)
            for x, width in zip(tables, self.widths, strict=False)
        ]
        self.store = [
            block(COPY, source=instance.array(x), target_step=size * width, bytes=size * width)
            for x, width in zip(nodes, self.widths[len(tables) :], strict=True)
        ]
        copier = addresses(["copy"])[0]
        self.calls: list[Call] = [
            *((copier, b) for b in self.fetch),
            *instance.calls,
            *((copier, b) for b in self.store),
        ]
        self.table = table(self.calls)

    @staticmethod
    def _width(node: Tensor) -> int:
        """Bytes of a row."""
        return evaluate(product(node.shape[1:]), {}) * node.dtype.itemsize

    def aim(self, first: int, tables: Sequence[Array], results: Sequence[Array]) -> None:
        """Begin with this row of the tables and results."""
        starts = [
            array.ctypes.data + first * width
            for array, width in zip([*tables, *results], self.widths, strict=True)
        ]
        for own, start in zip(self.fetch, starts, strict=False):
            own[SOURCE] = start
        for own, start in zip(self.store, starts[len(tables) :], strict=True):
            own[TARGET] = start


class _Lane:
    """What one thread does: chunk after chunk of its own rows."""

    def __init__(
        self,
        code: Code,
        fixed: Mapping[Tensor, Array],
        tables: Sequence[Tensor],
        part: tuple[int, int, int],
        at_once: int,
    ) -> None:
        self.first, size, self.count = part
        self.at_once, self.left = at_once, 0
        self.chunks = [(_Chunk(code, fixed, tables, size), self.first)] if size else []
        whole = self.chunks[0][0].table if size else table([])
        self.block = block(REPEAT, each_count=len(whole), each=whole)
        self.kept = whole

    def add_rest(self, chunk: _Chunk, first: int) -> None:
        """Rows that are left over, taken before the others."""
        self.chunks.append((chunk, first))
        self.block[REPEAT.index("first")] = chunk.table.ctypes.data

    def aim(self, tables: Sequence[Array], results: Sequence[Array]) -> None:
        for chunk, first in self.chunks:
            chunk.instance.flag[0] = 0
            chunk.aim(first, tables, results)
        self.left = max(self.count, 1)
        rest = len(self.chunks) > (self.count > 0)
        self.block[FIRST_COUNT] = len(self.chunks[-1][0].table) if rest else 0

    def take(self) -> int:
        """The address of the block for the next chunks."""
        if self.left < max(self.count, 1):
            self.block[FIRST_COUNT] = 0
        self.block[TIMES] = min(self.left, self.at_once) if self.count else 0
        self.left -= min(self.left, self.at_once)
        return self.block.ctypes.data

    @property
    def failed(self) -> bool:
        return any(bool(chunk.instance.flag[0]) for chunk, _ in self.chunks)
