"""What one batch size needs to run: instances, the calls of each lane in each phase, and who makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...graph.tensor import Tensor
from ...shapes import Size, evaluate, evaluate_shape, product
from .blocks import COPY, GATHER, MEET, REPEAT, Call, block, table
from .code import Code
from .instance import Bounds, Instance
from .kernels import addresses
from .memory import Buffer, aligned
from .render import Kernel
from .shards import LANES, ROWS, Cut
from .steps import Product, base_of
from .threads import drive, thread_count, yield_address

Array = np.ndarray[Any, Any]
Phases = list[list[list[Call]]]
"""The calls of each phase and lane: the next phase starts when all lanes are done with one."""
Use = Bounds | str
"""How the steps of a phase use a buffer: where each lane's share of it begins, or one of the next two."""
FIRST, ALL = "by the first lane", "by all lanes, anywhere"
SOURCE, STEP, TARGET = (COPY.index(field) for field in ("source", "source_step", "target"))
TIMES, EXPECTED = REPEAT.index("times"), MEET.index("expected")


class Worker:
    """What one thread does: its lanes' calls of all phases, meeting the other threads after each.

    Parameters
    ----------
    lanes : range
    phases : list
    meeting : ndarray or None
        The block of `runtime.meet`; None if there is one thread.
    """

    def __init__(self, lanes: range, phases: Phases, meeting: Array | None) -> None:
        self.lanes, self.meeting = lanes, meeting
        self.calls: list[Call] = []
        for by_lane in phases:
            self.calls += [call for lane in lanes for call in by_lane[lane]]
            if meeting is not None:
                self.calls.append((addresses(["meet"])[0], meeting))
        self.table = table(self.calls)
        self.once = block(REPEAT, each_count=len(self.table), each=self.table, times=1)
        self.call_once = self.once.ctypes.data  # an array's address takes a microsecond to ask for

    def feed(
        self, places: Array, scalars: list[tuple[Tensor, Array]], gathers: list[Call], loss: Array | None
    ) -> None:
        """Let a batch begin with its rows' numbers put at `places`, its scalars put in their buffers, and
        gathers; end with its loss kept."""
        self.take = block(COPY, source_step=places.nbytes, target=places, bytes=places.nbytes)
        self.scalars = [(leaf, block(COPY, target=x, bytes=x.itemsize)) for leaf, x in scalars]
        size = 0 if loss is None else loss.itemsize
        self.keep = block(COPY, source=0 if loss is None else loss, target_step=size, bytes=size)
        copier = addresses(["copy"])[0]
        begin = [(copier, b) for b in (self.take, *(own for _, own in self.scalars))]
        calls = [*begin, *gathers, *self.calls, (copier, self.keep)]
        listed = table(calls)
        self.kept = places, calls, listed  # machine code has their addresses
        self.batches = block(REPEAT, each_count=len(calls), each=listed)
        self.call_batches = self.batches.ctypes.data

    def aim(self, batches: int, rows: int, scalars: Mapping[Tensor, tuple[int, int]], losses: int) -> None:
        """Take so many batches from the row numbers and scalars at these addresses; put their losses.

        Scalars come with the bytes from one batch's to the next one's.
        """
        self.batches[TIMES] = batches
        self.take[SOURCE], self.keep[TARGET] = rows, losses
        for leaf, own in self.scalars:
            own[SOURCE], own[STEP] = scalars[leaf]


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
        self.lanes, self.starts, self.last, self.many = list(lanes), starts, last, many
        self.instances = list(dict.fromkeys([*self.lanes, last]))
        self.tables: list[Array] = []
        self.barrier = np.zeros(1, np.int64)
        self.assign(phases)

    def assign(self, phases: Phases) -> None:
        """Give the lanes to as many workers as there may be threads."""
        self.phases, count = phases, len(self.lanes)
        threads = 1 if count == 1 else min(thread_count(), count)
        self.workers = []
        for first, end in pairwise(count * i // threads for i in range(threads + 1)):
            meeting = block(MEET, barrier=self.barrier, threads=threads, give_way=yield_address())
            self.workers.append(Worker(range(first, end), phases, meeting if threads > 1 else None))

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

    def feed(self, tables: Sequence[tuple[Tensor, Any]], scalars: Sequence[Tensor], size: int) -> None:
        """Let each batch of so many rows gather them from these arrays, and take its scalars from others."""
        self.tables = [np.ascontiguousarray(a, leaf.dtype) for leaf, a in tables]
        loss = self.last.array(next(iter(self.last.code.plan.outputs.values())))
        self.losses = np.zeros(0, loss.dtype)
        self.singles = {leaf: np.zeros(1, leaf.dtype) for leaf in scalars}
        self.places = {leaf: single.ctypes.data for leaf, single in self.singles.items()}
        for worker in self.workers:
            places, gathers = np.zeros(size, np.int64), []
            first = worker is self.workers[0]
            own = [self.lanes[lane] for lane in worker.lanes]
            for lane, instance in zip(worker.lanes, own, strict=True):
                start = self.starts[lane]
                count = size if len(self.lanes) == 1 else instance.sizes[ROWS]
                gathers += [
                    _gather(instance.array(leaf), array, places[start : start + count])
                    for (leaf, _), array in zip(tables, self.tables, strict=True)
                    if leaf in instance.code.memory.of
                ]
            holders = dict.fromkeys([*own, *([self.last] if first else [])])
            places_of = [
                (x, holder.array(x)) for x in scalars for holder in holders if x in holder.code.memory.of
            ]
            worker.feed(places, places_of, gathers, loss if first else None)

    def call(self) -> None:
        """Run once, on the inputs that were put."""
        self._drive([worker.call_once for worker in self.workers])

    def run(self, batches: int, rows: Array, scalars: Mapping[Tensor, Array]) -> Array:
        """Run batches of the rows with these numbers; the first output of each, as float64.

        Scalars are arrays of their input's type, without axes or with an element for each batch.

        Raises
        ------
        EvaluationError
            If an index that is computed lies outside its axis.
        """
        if len(self.losses) < batches:
            self.losses = np.zeros(batches, self.losses.dtype)
            self.results = self.losses.ctypes.data
        found = {}
        for leaf, array in scalars.items():
            if array.ndim:
                found[leaf] = array.ctypes.data, array.strides[0]
            else:
                self.singles[leaf][0] = array
                found[leaf] = self.places[leaf], 0
        numbers = rows.ctypes.data
        for worker in self.workers:
            worker.aim(batches, numbers, found, self.results)
        self._drive([worker.call_batches for worker in self.workers])
        return self.losses[:batches].astype(np.float64)

    def _drive(self, blocks: Sequence[int]) -> None:
        self.last.flag[0] = self.barrier[0] = 0
        for worker in self.workers:
            if worker.meeting is not None:
                worker.meeting[EXPECTED] = 0
        drive(blocks, self.barrier, self.many)
        if self.last.flag[0]:
            raise EvaluationError(
                "an index lies outside its axis: check the labels or indices that were passed"
            )


def plain_stage(
    code: Code, variables: Mapping[Tensor, Array], sizes: dict[str, int], many: bool | None
) -> Stage:
    """One lane that does everything."""
    instance = Instance(code, _places(code, variables), sizes)
    return Stage([instance], [0], instance, [[instance.calls]], many)


def shared_stage(
    cut: Cut, rows: Code, rest: Code, variables: Mapping[Tensor, Array], sizes: dict[str, int]
) -> Stage:
    """Lanes that work on parts of the rows, then share the rest out."""
    n = sizes[ROWS]
    starts = [n * i // LANES for i in range(LANES)] + [n]
    flag = rows.memory.flag.allocate({})
    places = _places(rest, variables)
    own = [_places(rows, variables) for _ in range(LANES)]
    for leaf, source in cut.whole.items():
        node = rows.plan.outputs[source] if isinstance(source, str) else source
        width = evaluate(product(leaf.shape[1:]), sizes)
        places[rest.memory.of[leaf]] = whole = aligned(n * width, leaf.dtype)
        for lane, (start, end) in enumerate(pairwise(starts)):
            own[lane][rows.memory.of[node]] = whole[start * width : end * width]
    lanes = [
        Instance(rows, own[lane], {**sizes, ROWS: end - start}, flag)
        for lane, (start, end) in enumerate(pairwise(starts))
    ]
    results = list(rows.plan.outputs.values())
    for i, leaf in enumerate(cut.sums):
        lane, which = divmod(i, len(cut.sums) // LANES)
        places[rest.memory.of[leaf]] = lanes[lane].array(results[which])
    last = Instance(rest, places, sizes, flag)
    for instance in (*lanes, last):
        for dim, leaf in cut.sizes.items():
            if leaf in instance.code.memory.of:
                instance.array(leaf)[0] = evaluate(dim, sizes)
    phases: Phases = [[x.calls for x in lanes], *_rest_phases(last)]
    return Stage(lanes, starts[:-1], last, phases, False)


def _places(code: Code, variables: Mapping[Tensor, Array]) -> dict[Buffer, Array]:
    return {code.memory.of[v]: a for v, a in variables.items() if v in code.memory.of}


def _rest_phases(instance: Instance) -> Phases:
    """The steps of the second part: flat loops and large products in shares, others in the first lane.

    A step starts a new phase if it and an earlier one of the phase touch a buffer that either writes,
    unless both do it in the first lane, or in the same shares.
    """
    phases: Phases = []
    uses: dict[Buffer, set[Use]] = {}
    written: set[Buffer] = set()
    memory, plan = instance.code.memory, instance.code.plan
    for i, kernel in enumerate(instance.code.kernels):
        function, whole = instance.calls[i]
        shares = instance.shares(kernel, LANES)
        anchors = plan.steps[i].anchors
        results = [x for a in anchors for x in plan.items.get(a, [a])]
        new = {memory.of[x] for x in results if x in memory.of}
        mine: dict[Buffer, Use]
        if isinstance(kernel, Kernel):
            mine = {
                memory.buffer(m): FIRST if shares is None else shares[1] if k in kernel.flat else ALL
                for k, m in enumerate(kernel.memories)
            }
        else:
            read = kernel.operands if isinstance(kernel, Product) else kernel.node.inputs
            mine = dict.fromkeys((memory.of[base_of(x)] for x in read), FIRST if shares is None else ALL)
            mine |= dict.fromkeys(new, FIRST if shares is None else shares[1])
        clash = any(
            (b in new or b in written) and (use is ALL or uses[b] != {use})
            for b, use in mine.items()
            if b in uses
        )
        if clash or not phases:
            phases.append([[] for _ in range(LANES)])
            uses, written = {}, set()
        for lane in range(LANES):
            if shares is not None:
                phases[-1][lane].append((function, shares[0][lane]))
            elif lane == 0:
                phases[-1][0].append((function, whole))
        for b, use in mine.items():
            uses.setdefault(b, set()).add(use)
        written |= new
    return phases


def _gather(target: Array, source: Array, places: Array) -> Call:
    """The call that copies the rows of a table whose numbers are at `places`."""
    width = source.itemsize * int(np.prod(source.shape[1:], dtype=int))
    own = block(GATHER, rows=len(places), width=width, source=source, target=target, places=places)
    return addresses(["gather"])[0], own
