"""Buffers: which node lies where, planned from when each is last read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...graph.op import Kind
from ...graph.tensor import LEAF, Tensor
from ...shapes import Dim, Shape, evaluate, evaluate_shape, product
from .nest import Memory, NestWriter
from .steps import Plan, Step

ALIGNMENT = 64


@dataclass(eq=False)
class Buffer:
    """A piece of memory of a number of elements of a type, and the shapes that nodes have there."""

    elements: Dim
    dtype: np.dtype[Any]
    shapes: list[Shape] = field(default_factory=list)

    def allocate(self, sizes: dict[str, int]) -> np.ndarray[Any, Any]:
        """A flat array at an aligned address, zero at first.

        An index that is refused counts as 0, so there is room behind it even where an axis is empty.
        """
        count = evaluate(self.elements, sizes)
        rooms = [math.prod(max(d, 1) for d in evaluate_shape(s, sizes)) for s in self.shapes]
        return aligned(count or max(rooms, default=1), self.dtype)[:count]


def aligned(elements: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A flat array of zeros whose address is a multiple of a cache line."""
    count = max(elements, 1) * dtype.itemsize
    raw = np.zeros(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count].view(dtype)[:elements]


@dataclass
class MemoryPlan:
    """The buffer of every node that lies in memory, and those that a call allocates."""

    buffers: list[Buffer] = field(default_factory=list)
    of: dict[Any, Buffer] = field(default_factory=dict)
    flag: Buffer = field(default_factory=lambda: Buffer(1, np.dtype(np.int64)))

    def buffer(self, memory: Memory) -> Buffer:
        """The buffer behind something that a kernel has an address of."""
        if memory.role == "flag":
            return self.flag
        if memory.role == "scratch":
            key: Any = (memory.node, "scratch")
            if key not in self.of:
                assert memory.node is not None
                self.of[key] = self.new(memory.columns, memory.node.dtype)
            return self.of[key]
        return self.of[memory.node]

    def new(self, shape: Shape, dtype: np.dtype[Any]) -> Buffer:
        """A further buffer."""
        self.buffers.append(Buffer(product(shape), dtype, [shape]))
        return self.buffers[-1]


def plan_memory(plan: Plan, nests: dict[int, NestWriter]) -> MemoryPlan:
    """Give every stored node a buffer; one that is read no more serves the next of its size.

    A new value lies where its variable lies. Within a nest, a result may take the place of
    something that is read for the last time there, if each element is read before it is written.
    """
    memory = MemoryPlan()
    for leaf in (*plan.program.inputs, *plan.program.variables):
        memory.of[leaf] = memory.new(leaf.shape, leaf.dtype)
    for reads in plan.reads.values():  # a number that is no input keeps its value
        for node, _, _ in reads:
            if node.op is LEAF and node not in memory.of:
                memory.of[node] = memory.new(node.shape, node.dtype)
    kept = set(plan.outputs.values())
    dies: dict[int, list[Tensor]] = {}  # what is read for the last time in each step
    for node, at in _last_reads(plan).items():
        if node not in kept and node not in plan.written and node.op.kind not in (Kind.SOURCE, Kind.CONTROL):
            dies.setdefault(at, []).append(node)
    free: dict[tuple[Dim, np.dtype[Any]], list[Buffer]] = {}
    for i, step in enumerate(plan.steps):
        dying = {node: memory.of[node] for node in dies.get(i, ()) if node in memory.of}
        for node in step.anchors:
            if node in plan.written:
                memory.of[node] = memory.of[plan.written[node]]
            elif step.kind == "control":
                _control_buffers(memory, plan, node)
            elif plan.stored(node):
                memory.of[node] = _buffer_for(memory, node, step, nests.get(i), dying, free, node in kept)
        for buffer in dying.values():
            free.setdefault((buffer.elements, buffer.dtype), []).append(buffer)
    return memory


def _last_reads(plan: Plan) -> dict[Tensor, int]:
    last: dict[Tensor, int] = {}
    for anchor, reads in plan.reads.items():
        for node, _, _ in reads:
            last[node] = max(last.get(node, 0), plan.step_of[anchor])
    return last


def _control_buffers(memory: MemoryPlan, plan: Plan, node: Tensor) -> None:
    """Buffers for the results of a control op that are used."""
    for item in plan.items[node]:
        memory.of[item] = memory.new(item.shape, item.dtype)


def _buffer_for(
    memory: MemoryPlan,
    node: Tensor,
    step: Step,
    nest: NestWriter | None,
    dying: dict[Tensor, Buffer],
    free: dict[tuple[Dim, np.dtype[Any]], list[Buffer]],
    own: bool,
) -> Buffer:
    key = (product(node.shape), node.dtype)
    if own:
        return memory.new(node.shape, node.dtype)
    if nest is not None and step.kind == "nest" and node.op.kind is not Kind.REDUCE:
        whole = len(nest.plan.layouts[node].space) == len(step.space)
        for old, buffer in list(dying.items()):
            same = (buffer.elements, buffer.dtype) == key and old.shape == node.shape
            read_before = old not in nest.apart and nest.last_read.get(old, 99) <= nest.level(node)
            if whole and same and read_before:
                del dying[old]
                return buffer
    if free.get(key):
        free[key][-1].shapes.append(node.shape)
        return free[key].pop()
    return memory.new(node.shape, node.dtype)
