"""What one batch size needs to run: instances, the calls of each lane in each phase, and the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...graph.tensor import Tensor
from ...shapes import Size, evaluate, evaluate_shape
from .code import Code
from .instance import Instance
from .kernels import addresses
from .memory import Buffer
from .render import Kernel
from .shards import LANES, ROWS, Cut
from .steps import Product, base_of
from .threads import run_lanes

Array = np.ndarray[Any, Any]
Calls = list[tuple[int, Array]]  # machine code and its block
Phases = list[list[Calls]]  # by phase and lane


class Stage:
    """Runs batches of one size.

    Parameters
    ----------
    lanes : sequence of Instance
        Each has its part of the rows.
    starts : sequence of int
        Where each lane's rows begin in a batch.
    last : Instance
        Where the outputs are.
    phases : list
    many : bool or None
        Whether BLAS may use several threads for each product; None: it has no reason to.
    """

    def __init__(
        self,
        lanes: Sequence[Instance],
        starts: Sequence[int],
        last: Instance,
        phases: Phases,
        many: bool | None,
    ) -> None:
        self.lanes, self.starts, self.last, self.phases, self.many = list(lanes), starts, last, phases, many
        self.instances = list(dict.fromkeys([*self.lanes, last]))
        self.flag = last.flag
        self.cells = np.zeros(len(self.lanes), np.int64)
        self.first_rows = np.array(starts, np.int64)
        self.tables: list[Array] = []
        self._tabulate([[] for _ in self.lanes])
        self.alone, self.kept = self.table, self.keep  # for single calls, which gather nothing

    # inputs and outputs -----------------------------------------------------------------------

    def put(self, leaf: Tensor, array: Array) -> None:
        """Set an input for a single call; rows are dealt out to the lanes."""
        for instance in self.instances:
            if leaf in instance.code.memory.of:
                part = array
                if instance in self.lanes and len(self.lanes) > 1 and leaf.shape[:1] == (Size.named(ROWS),):
                    i = self.lanes.index(instance)
                    part = array[self.starts[i] : self.starts[i] + instance.sizes[ROWS]]
                instance.array(leaf)[: part.size] = part.ravel()

    def output(self, name: str) -> Array:
        """A copy of an output."""
        node = self.last.code.plan.outputs[name]
        shape = evaluate_shape(node.shape, self.last.sizes)
        return self.last.array(node)[: int(np.prod(shape, dtype=int))].reshape(shape).copy()

    def feed(self, tables: Sequence[tuple[Tensor, Any]], size: int) -> None:
        """Let each batch of so many rows gather them from these arrays."""
        self.tables = [np.ascontiguousarray(a, leaf.dtype) for leaf, a in tables]
        gathers: list[Calls] = []
        for lane, instance in enumerate(self.lanes):
            count = size if len(self.lanes) == 1 else instance.sizes[ROWS]
            cell = self.cells.ctypes.data + 8 * lane
            gathers.append(
                [_gather(instance.array(leaf), table, count, cell)
                 for (leaf, _), table in zip(tables, self.tables, strict=True)
                 if leaf in instance.code.memory.of]
            )  # fmt: skip
        self._tabulate(gathers)

    def _tabulate(self, gathers: list[Calls]) -> None:
        """The addresses that the driver reads: count, functions and blocks of each phase and lane."""
        self.keep: list[Array] = []
        entries = []
        for phase, by_lane in enumerate(self.phases):
            for lane, calls in enumerate(by_lane):
                every = [*gathers[lane], *calls] if phase == 0 else calls
                functions = np.array([f for f, _ in every] or [0], np.int64)
                blocks = np.array([b.ctypes.data for _, b in every] or [0], np.int64)
                self.keep += [functions, blocks, *(b for _, b in every)]
                entries += [len(every), functions.ctypes.data, blocks.ctypes.data]
        self.table = np.array(entries or [0], np.int64)
        loss = next(iter(self.last.code.plan.outputs.values()), None)
        number = loss is not None and loss.shape == () and loss.dtype.kind == "f"
        at = self.last.array(loss) if loss is not None and number else None
        self.block = np.zeros(18, np.int64)
        self.block[[0, 3, 4, 8, 9]] = [
            len(self.phases), len(self.lanes), self.table.ctypes.data, self.cells.ctypes.data,
            self.first_rows.ctypes.data,
        ]  # fmt: skip
        if at is not None:
            self.block[[11, 12]] = at.ctypes.data, at.dtype == np.float64
        self.block[14] = self.flag.ctypes.data

    def run(self, batches: int, rows: Array | None = None, size: int = 0) -> Array:
        """Run batches; the first output of each, if it is a number.

        Raises
        ------
        EvaluationError
            If an index that is computed lies outside its axis.
        """
        losses = np.zeros(batches)
        self.flag[0] = 0
        self.block[4] = (self.alone if rows is None else self.table).ctypes.data
        self.block[[5, 6, 7, 10]] = (
            batches,
            rows.ctypes.data if rows is not None else 0,
            size,
            losses.ctypes.data,
        )
        run_lanes(self.block, len(self.lanes), self.many)
        if self.flag[0]:
            raise EvaluationError(
                "an index lies outside its axis: check the labels or indices that were passed"
            )
        return losses


def plain_stage(
    code: Code, variables: Mapping[Tensor, Array], sizes: dict[str, int], many: bool | None
) -> Stage:
    """One lane that does everything."""
    instance = Instance(code, _places(code, variables), sizes)
    return Stage(
        [instance], [0], instance, [[list(zip(instance.functions, instance.blocks, strict=True))]], many
    )


def shared_stage(
    cut: Cut, rows: Code, rest: Code, variables: Mapping[Tensor, Array], sizes: dict[str, int]
) -> Stage:
    """Lanes that work on parts of the rows, then share the rest out."""
    n = sizes[ROWS]
    starts = [n * i // LANES for i in range(LANES)] + [n]
    flag = rows.memory.flag.allocate({})
    lanes = [
        Instance(rows, _places(rows, variables), {**sizes, ROWS: end - start}, flag)
        for start, end in pairwise(starts)
    ]
    places = _places(rest, variables)
    results = list(rows.plan.outputs.values())
    for i, leaf in enumerate(cut.sums):
        lane, which = divmod(i, len(results))
        places[rest.memory.of[leaf]] = lanes[lane].array(results[which])
    last = Instance(rest, places, sizes, flag)
    for instance in (*lanes, last):
        for dim, leaf in cut.sizes.items():
            if leaf in instance.code.memory.of:
                instance.array(leaf)[0] = evaluate(dim, sizes)
    phases: Phases = [[list(zip(x.functions, x.blocks, strict=True)) for x in lanes], *_rest_phases(last)]
    return Stage(lanes, starts[:-1], last, phases, False)


def _places(code: Code, variables: Mapping[Tensor, Array]) -> dict[Buffer, Array]:
    return {code.memory.of[v]: a for v, a in variables.items() if v in code.memory.of}


def _rest_phases(instance: Instance) -> Phases:
    """The steps of the second part: flat loops in halves, others in the first lane.

    A step starts a new phase if it and an earlier one of the phase touch a buffer that either writes,
    unless both do it in the first lane, or in halves of loops of one length.
    """
    phases: Phases = []
    uses: dict[Buffer, set[int]] = {}  # in this phase: -1 by the first lane, 0 by all lanes, else in halves
    written: set[Buffer] = set()
    memory, plan = instance.code.memory, instance.code.plan
    for i, kernel in enumerate(instance.code.kernels):
        halves = instance.halves(kernel, LANES) if isinstance(kernel, Kernel) else None
        anchors = plan.steps[i].anchors
        results = [x for a in anchors for x in plan.items.get(a, [a])]
        new = {memory.of[x] for x in results if x in memory.of}
        if isinstance(kernel, Kernel):
            length = int(instance.blocks[i][0])
            mine = {
                memory.buffer(m): (length if k in kernel.flat else 0) if halves else -1
                for k, m in enumerate(kernel.memories)
            }
        else:
            read = kernel.operands if isinstance(kernel, Product) else kernel.node.inputs
            mine = dict.fromkeys([*(memory.of[base_of(x)] for x in read), *new], -1)
        clash = any(
            (b in new or b in written) and (use == 0 or uses[b] != {use})
            for b, use in mine.items()
            if b in uses
        )
        if clash or not phases:
            phases.append([[] for _ in range(LANES)])
            uses, written = {}, set()
        for lane in range(LANES):
            if halves is not None:
                phases[-1][lane].append((instance.functions[i], halves[lane]))
            elif lane == 0:
                phases[-1][0].append((instance.functions[i], instance.blocks[i]))
        for b, use in mine.items():
            uses.setdefault(b, set()).add(use)
        written |= new
    return phases


def _gather(target: Array, table: Array, count: int, cell: int) -> tuple[int, Array]:
    """The call that copies a batch's rows of a table."""
    width = table.itemsize * int(np.prod(table.shape[1:], dtype=int))
    words = width % 4 == 0
    block = [count, width // 4 if words else width, table.ctypes.data, target.ctypes.data, cell]
    return addresses(["gather" if words else "gather_bytes"])[0], np.array(block, np.int64)
