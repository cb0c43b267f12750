"""What a plan is made of: steps, products, the layout of an anchor, and the plan itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ...graph.op import Kind
from ...graph.program import Program
from ...graph.tensor import LEAF, Tensor
from ...shapes import Shape
from .access import ZERO, Place, counter, is_squeeze


@dataclass
class Product:
    """A matrix product: operands in memory, transposed or not, and perhaps an update in place."""

    node: Tensor
    a: Tensor
    b: Tensor
    a_transposed: bool
    b_transposed: bool
    scale: Tensor | None = None  # C = C -+ scale * A @ B
    subtract: bool = False
    into: Tensor | None = None

    @property
    def operands(self) -> list[Tensor]:
        return [x for x in (self.a, self.b, self.scale, self.into) if x is not None]


@dataclass
class Step:
    """One thing to do: a loop nest, a product, a scatter or a control op."""

    kind: str
    anchors: list[Tensor]
    space: Shape = ()
    split: int | None = None  # how many of the loops are rows; None: any number will do
    product: Product | None = None
    closed: bool = False  # whether nothing may join it


@dataclass
class Layout:
    """How an anchor walks: the sizes of its loops, how many are rows, the place it reads and writes."""

    space: Shape
    split: int | None
    place: Place  # of the node, or of a reduction's input
    reduces: str = ""  # "row": complete after each row; "all", "column": complete after the nest


@dataclass
class Plan:
    """The steps of a program in order, and who reads what."""

    program: Program
    outputs: dict[str, Tensor] = field(default_factory=dict)
    updates: dict[Tensor, Tensor] = field(default_factory=dict)  # variable -> node of its new value
    written: dict[Tensor, Tensor] = field(default_factory=dict)  # the other way round
    steps: list[Step] = field(default_factory=list)
    anchors: set[Tensor] = field(default_factory=set)
    layouts: dict[Tensor, Layout] = field(default_factory=dict)
    reads: dict[Tensor, list[tuple[Tensor, Place, Shape]]] = field(default_factory=dict)
    step_of: dict[Tensor, int] = field(default_factory=dict)
    items: dict[Tensor, list[Tensor]] = field(default_factory=dict)  # results of control ops that are used

    def in_memory(self, node: Tensor) -> bool:
        """Whether a node has a place of its own, or is a view of one that has."""
        if node.op.name == "reshape":
            base = base_of(node)
            return not is_squeeze(node.inputs[0].shape, node.shape) and self.in_memory(base)
        return node in self.anchors or node.op is LEAF or node.op.kind is Kind.ITEM

    def stored(self, node: Tensor) -> bool:
        """Whether an anchor is read by another step, or is a result."""
        here = self.step_of[node]
        step = self.steps[here]
        return step.kind != "nest" or node in self._roots or node in self._read_elsewhere

    def finish(self) -> None:
        """Note who is read by other steps, once all are placed."""
        self._roots = set(self.outputs.values()) | set(self.updates.values())
        self._read_elsewhere = {
            node
            for anchor, reads in self.reads.items()
            for node, _, _ in reads
            if node in self.step_of and self.step_of[node] != self.step_of[anchor]
        }


def base_of(node: Tensor) -> Tensor:
    """The node whose memory a view shares."""
    while node.op.name == "reshape":
        node = node.inputs[0]
    return node


def layout_of(node: Tensor) -> Layout:
    """How an anchor walks over its elements."""
    x = node.inputs[0] if node.op.kind is Kind.REDUCE else node
    if node.op.kind is Kind.SCATTER:
        x = node.inputs[1]
    wide = [a for a, d in enumerate(x.shape) if d != 1]
    if node.op.kind is not Kind.REDUCE:
        return Layout(tuple(x.shape[a] for a in wide), None, _counters(x.shape, wide))
    axes = [a for a in wide if a in node.attrs["axis"]]
    kept = [a for a in wide if a not in axes]
    if not kept and node.op.name == "sum":
        return Layout(tuple(x.shape[a] for a in wide), None, _counters(x.shape, wide), "all")
    if node.op.name == "sum" and kept and axes and max(axes) < min(kept):
        return Layout(tuple(x.shape[a] for a in wide), len(axes), _counters(x.shape, wide), "column")
    order = kept + axes
    return Layout(tuple(x.shape[a] for a in order), len(kept), _counters(x.shape, order), "row")


def _counters(shape: Shape, order: Sequence[int]) -> Place:
    """The place whose axes are the loops in the given order; axes of size 1 stay at 0."""
    loop = {axis: k for k, axis in enumerate(order)}
    return tuple(counter(loop[a]) if a in loop else ZERO for a in range(len(shape)))
