"""Planning: what gets a place in memory, what is recomputed where it is used, and in which order.

A node is an *anchor* if it needs a place of its own: results, operands of products, reductions,
costly maps. Every other map or move is virtual: it is written out where it is used. Anchors that
walk over the same rows share one loop nest, so that what a person would write in one loop is one.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from ...errors import DTypeError, ShapeError
from ...graph.op import OPS, Kind
from ...graph.program import Program
from ...graph.tensor import CONSTANT, LEAF, SIZE, Tensor, topological
from ...shapes import Shape
from ..simplify import simplify
from .access import Place, Reads, is_squeeze
from .steps import Layout, Plan, Product, Step, base_of, layout_of

CHEAP = 3  # additions' worth of work that is rather done twice than kept
SHORT = 32  # columns up to which a costly map gets a loop of its own over all elements
LONGEST = 48  # virtual nodes that one element may be computed from, before one of them is kept
COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}
EXACT = {"maximum", "minimum", "where", "relu", "abs", "negative", "stop_gradient"}  # maps that do not round


def make_plan(program: Program) -> Plan:
    """Plan a program for the compiled engine."""
    return _Planner(program).plan


class _Planner:
    def __init__(self, program: Program) -> None:
        self.plan = Plan(program)
        self._normalise(_numbers_kept(simplify(program.roots, lower=True)))
        self.roots = {*self.plan.outputs.values(), *self.plan.updates.values()}
        self.order = sorted(topological(self.roots), key=lambda x: x.serial)
        self.users: dict[Tensor, list[Tensor]] = {}
        for node in self.order:
            _require_supported(node)
            for x in node.inputs:
                self.users.setdefault(x, []).append(node)
            if node.op.kind is Kind.ITEM:
                self.plan.items.setdefault(node.inputs[0], []).append(node)
        self.products: dict[Tensor, Product] = {}
        self.absorbed: set[Tensor] = set()
        self.alone: set[Tensor] = set()
        self.readers: dict[Tensor, list[Tensor]] = {}  # the anchors that read something in memory
        self._find_products()
        self._choose_anchors()
        self._collect_reads()
        for anchor in self._ordered():
            self._place(anchor)
        self.plan.finish()

    def _normalise(self, roots: Sequence[Tensor]) -> None:
        """Give every output and every new value a node of its own."""
        count = len(self.plan.program.outputs)
        seen: set[Tensor] = set()

        def own(node: Tensor) -> Tensor:
            plain = node.op.kind in (
                Kind.MAP,
                Kind.REDUCE,
                Kind.PRODUCT,
                Kind.MOVE,
                Kind.RANDOM,
                Kind.SCATTER,
            )
            if node in seen or not plain or node.op.name == "reshape":
                node = _copy(node)
            seen.add(node)
            return node

        for variable, new in zip(self.plan.program.updates, roots[count:], strict=True):
            self.plan.updates[variable] = own(new)
            self.plan.written[self.plan.updates[variable]] = variable
        for name, node in zip(self.plan.program.outputs, roots[:count], strict=True):
            self.plan.outputs[name] = own(node)

    # products ---------------------------------------------------------------------------------

    def _find_products(self) -> None:
        for node in self.order:
            if node.op.kind is Kind.PRODUCT:
                (a, ta), (b, tb) = (self._operand(x) for x in node.inputs)
                self.products[node] = Product(node, a, b, ta, tb)
        for variable, new in self.plan.updates.items():
            self._fold_update(variable, new)

    def _operand(self, x: Tensor) -> tuple[Tensor, bool]:
        """An operand without its transposition, and whether it had one."""
        if x.op.name == "transpose":
            axes = x.attrs["axes"]
            last = len(axes) - 1
            if axes == (*range(last - 1), last, last - 1):
                return x.inputs[0], True
        return x, False

    def _fold_update(self, variable: Tensor, new: Tensor) -> None:
        """``W - scale * (A @ B)`` as one product that adds to W where it lies."""
        if new.op.name not in ("subtract", "add") or new.inputs[0] is not variable or variable.ndim != 2:
            return
        scaled = new.inputs[1]
        if scaled.op.name != "multiply" or len(self.users[scaled]) != 1:
            return
        for scale, product in (scaled.inputs, scaled.inputs[::-1]):
            found = self.products.get(product)
            if found is None or scale.shape != () or scale.op is CONSTANT or scale.op is SIZE:
                continue
            alone = len(self.users[product]) == 1 and self.roots.isdisjoint((product, scaled))
            alike = product.shape == variable.shape and product.dtype == scale.dtype == variable.dtype
            if alone and alike and all(base_of(x) not in self.plan.updates for x in (found.a, found.b)):
                del self.products[product]
                subtract = new.op.name == "subtract"
                self.products[new] = Product(
                    new, found.a, found.b, found.a_transposed, found.b_transposed, scale, subtract, variable
                )
                self.absorbed |= {product, scaled}
                return

    # anchors ----------------------------------------------------------------------------------

    def _choose_anchors(self) -> None:
        anchors = self.roots | set(self.products)
        for node in self.order:
            if node in self.absorbed:
                continue
            if node in self.products:
                anchors.update(base_of(x) for x in self.products[node].operands)
            kind = node.op.kind
            if kind in (Kind.REDUCE, Kind.SCATTER, Kind.CONTROL):
                anchors.add(node)
            if kind is Kind.RANDOM or (kind is Kind.MAP and node.op.cost > CHEAP):
                anchors.add(node)
                if _is_short(node):  # a loop over few columns is no vector code
                    anchors.add(base_of(node.inputs[0]))
                    self.alone.add(node)
            if kind is Kind.CONTROL:
                anchors.update(base_of(x) for x in node.inputs)
            if node.op.name == "reshape" and not is_squeeze(node.inputs[0].shape, node.shape):
                anchors.add(base_of(node))
            if node.op.name == "take":
                anchors.add(base_of(node.inputs[0]))
            if node.op.name in COMPARISONS and all(x.op is not CONSTANT for x in node.inputs):
                anchors.update(x for x in _rounded(node.inputs) if len(self.users[x]) > 1)
        weight: dict[Tensor, int] = {}
        for node in self.order:  # no expression grows without bound
            weight[node] = 1 + sum(weight[x] for x in node.inputs if x not in anchors and not x.is_leaf)
            if weight[node] > LONGEST and node.op.kind in (Kind.MAP, Kind.MOVE) and node not in self.absorbed:
                anchors.add(base_of(node))
                weight[node] = 1
        self.plan.anchors = {
            x for x in anchors if x.op.kind not in (Kind.SOURCE, Kind.ITEM) and x.op.name != "reshape"
        } - self.absorbed

    # what each anchor reads -------------------------------------------------------------------

    def _collect_reads(self) -> None:
        for node in self.order:
            if node not in self.plan.anchors:
                continue
            found: list[tuple[Tensor, Place, Shape]]
            if node in self.products:
                found = [(base_of(x), (), x.shape) for x in self.products[node].operands]
            elif node.op.kind is Kind.CONTROL:
                found = [(base_of(x), (), x.shape) for x in node.inputs]
            else:
                layout = self.plan.layouts[node] = layout_of(node)
                reads = Reads(self.plan.in_memory)
                if node.op.kind is Kind.REDUCE:
                    reads.value(node.inputs[0], layout.place)
                elif node.op.kind is Kind.SCATTER:
                    for x in node.inputs:
                        reads.value(x, layout.place[: x.ndim])
                else:
                    reads.computed(node, layout.place)
                found = [(base_of(x), place, shape) for x, place, shape in reads.found]
            self.plan.reads[node] = [(_source(x), place, shape) for x, place, shape in found]
            for source in {source for source, _, _ in self.plan.reads[node]}:
                self.readers.setdefault(source, []).append(node)

    # order ------------------------------------------------------------------------------------

    def _ordered(self) -> list[Tensor]:
        """Anchors so that each comes after what it reads, and a new value after all readers of the old."""
        listed = [x for x in self.order if x in self.plan.anchors]
        listed += [self._deferred(x) for x in listed if x in self.plan.written and self._reads_apart(x)]
        while True:
            order = self._sorted(listed)
            if len(order) == len(listed):
                return order
            stuck = [x for x in listed if x not in set(order) and x in self.plan.written]
            listed.append(self._deferred(next(x for x in stuck if not self._adds_in_place(x))))

    def _reads_apart(self, new: Tensor) -> bool:
        """Whether a new value is made of other elements of the old one than its own."""
        variable = self.plan.written[new]
        if new in self.products:
            product = self.products[new]
            return any(base_of(x) is variable for x in (product.a, product.b))
        layout = self.plan.layouts.get(new)
        if layout is None or layout.reduces or new.op.kind is Kind.SCATTER:
            return any(source is variable for source, _, _ in self.plan.reads[new])
        return any(source is variable and place != layout.place for source, place, _ in self.plan.reads[new])

    def _sorted(self, listed: Sequence[Tensor]) -> list[Tensor]:
        before: dict[Tensor, set[Tensor]] = {x: set() for x in listed}
        readers: dict[Tensor, set[Tensor]] = {}
        for x in listed:
            for source, _, _ in self.plan.reads[x]:
                if source in before and source is not x:
                    before[x].add(source)
                readers.setdefault(source, set()).add(x)
        for new, variable in self.plan.written.items():
            before[new] |= readers.get(variable, set()) - {new}
        after: dict[Tensor, list[Tensor]] = {}
        for x, needed in before.items():
            for y in needed:
                after.setdefault(y, []).append(x)
        ready = [(x.serial, i) for i, x in enumerate(listed) if not before[x]]
        heapq.heapify(ready)
        place = {x: i for i, x in enumerate(listed)}
        order: list[Tensor] = []
        while ready:
            x = listed[heapq.heappop(ready)[1]]
            order.append(x)
            for y in after.get(x, ()):
                before[y].discard(x)
                if not before[y]:
                    heapq.heappush(ready, (y.serial, place[y]))
        return order

    def _adds_in_place(self, new: Tensor) -> bool:
        return new in self.products and self.products[new].into is not None

    def _deferred(self, new: Tensor) -> Tensor:
        """Where two new values need each other's old one: keep one aside and copy it at the end."""
        variable = self.plan.written[new]
        copy = _copy(new)
        del self.plan.written[new]
        self.plan.updates[variable], self.plan.written[copy] = copy, variable
        self.plan.anchors.add(copy)
        layout = self.plan.layouts[copy] = layout_of(copy)
        self.plan.reads[copy] = [(new, layout.place, new.shape)]
        return copy

    # nests ------------------------------------------------------------------------------------

    def _place(self, x: Tensor) -> None:
        plan = self.plan
        if x in self.products:
            self._append(Step("product", [x], product=self.products[x]))
        elif x.op.kind is Kind.CONTROL:
            self._append(Step("control", [x]))
        elif x.op.kind is Kind.SCATTER:
            layout = plan.layouts[x]
            self._append(Step("scatter", [x], layout.space, layout.split))
        elif x in self.alone:
            self._append(Step("nest", [x], plan.layouts[x].space, closed=True))
        else:
            earliest = self._earliest(x)
            for i in range(earliest, len(plan.steps)):
                if self._joins(x, i):
                    self._join(x, i)
                    return
            layout = plan.layouts[x]
            self._append(Step("nest", [x], layout.space, layout.split))

    def _append(self, step: Step) -> None:
        self.plan.step_of[step.anchors[0]] = len(self.plan.steps)
        self.plan.steps.append(step)

    def _earliest(self, x: Tensor) -> int:
        """The first step in which x may stand: not before what it reads, nor before it may write."""
        plan, first = self.plan, 0
        for source, _, _ in plan.reads[x]:
            if source in plan.step_of:
                first = max(first, plan.step_of[source])
        variable = plan.written.get(x)
        for y in self.readers.get(variable, ()) if variable is not None else ():
            if y in plan.step_of:
                first = max(first, plan.step_of[y] + 1)
        return first

    def _joins(self, x: Tensor, i: int) -> bool:
        plan, step, layout = self.plan, self.plan.steps[i], self.plan.layouts[x]
        if step.kind != "nest" or step.closed or bool(layout.space) != bool(step.space):
            return False
        fitted = _fit(step, layout)
        if fitted is None:
            return False
        space, split = fitted
        if not self._related(x, step):
            return False
        for source, place, shape in plan.reads[x]:
            if plan.step_of.get(source) == i and not self._available(source, place, shape, split, len(space)):
                return False
        return True

    def _related(self, x: Tensor, step: Step) -> bool:
        mine = {s for s, _, _ in self.plan.reads[x] if s.op is not LEAF or s.shape != ()}
        return any(y in mine or any(s in mine for s, _, _ in self.plan.reads[y]) for y in step.anchors)

    def _available(self, source: Tensor, place: Place, shape: Shape, split: int | None, depth: int) -> bool:
        """Whether another anchor of the nest has its value at the place when it is asked for."""
        layout = self.plan.layouts[source]
        if layout.reduces in ("all", "column") or shape != source.shape:
            return False
        wide = [p for p, d in zip(place, shape, strict=True) if d != 1]
        if [p.loop for p in wide] != list(range(len(wide))):
            return False
        if layout.reduces == "row":
            return split is not None and len(wide) == split
        return True

    def _join(self, x: Tensor, i: int) -> None:
        plan, step = self.plan, self.plan.steps[i]
        fitted = _fit(step, plan.layouts[x])
        if fitted is not None:
            step.space, step.split = fitted
        step.anchors.append(x)
        plan.step_of[x] = i


def _rounded(nodes: Sequence[Tensor]) -> list[Tensor]:
    """The real numbers that some are chosen from, where they were rounded last.

    Compiled twice, one expression may be rounded in two ways; so a maximum would differ from its operand.
    """
    found: list[Tensor] = []
    seen: set[Tensor] = set()
    stack = [x for x in nodes if x.dtype.kind == "f"]
    while stack:
        x = stack.pop()
        if x in seen or x.dtype.kind != "f":
            continue
        seen.add(x)
        if x.op.kind is Kind.MAP and x.op.name not in EXACT:
            found.append(x)
        elif x.op.kind in (Kind.MAP, Kind.MOVE):
            stack.extend(x.inputs)
    return found


def _source(node: Tensor) -> Tensor:
    """The control op whose result an item is; any other node itself."""
    return node.inputs[0] if node.op.kind is Kind.ITEM else node


def _is_short(node: Tensor) -> bool:
    """Whether a costly map of one operand runs over rows of few columns."""
    wide = [d for d in node.shape if d != 1]
    few = len(wide) > 1 and isinstance(wide[-1], int) and wide[-1] <= SHORT
    return few and len(node.inputs) == 1 and node.op.cost > CHEAP and node.op.name != "sqrt"


def _numbers_kept(roots: Sequence[Tensor]) -> list[Tensor]:
    """The roots with a place in memory for each number that is passed to a control op."""
    order = topological(roots)
    if all(node.op.kind is not Kind.CONTROL for node in order):
        return list(roots)
    swap: dict[Tensor, Tensor] = {}
    for node in order:
        inputs = [swap[x] for x in node.inputs]
        if node.op.kind is Kind.CONTROL:
            inputs = [_copy(x) if x.op is CONSTANT or x.op is SIZE else x for x in inputs]
        same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
        swap[node] = node if same else Tensor(node.op, inputs, node.attrs, node.shape, node.dtype, node.name)
    return [swap[root] for root in roots]


def _require_supported(node: Tensor) -> None:
    """Raise for numbers that machine code is not written for, and for indices that nothing is at."""
    if node.dtype.kind not in "biuf" or (node.dtype.kind == "f" and node.dtype.itemsize not in (4, 8)):
        raise DTypeError(
            f"{node.name or node.op.name}: the compiled engine has no {node.dtype}. Use float32 or float64, "
            "or engine='numpy'."
        )
    if node.op.name in ("take", "pick", "scatter_add"):
        x, t = node.inputs if node.op.name != "scatter_add" else (node, node.inputs[0])
        if x.shape[-1 if node.op.name == "pick" else 0] == 0 and 0 not in t.shape:
            raise ShapeError(
                f"{node.op.name}: the axis has no elements, and there are indices of shape {t.shape}"
            )


def _copy(node: Tensor) -> Tensor:
    return Tensor(OPS["stop_gradient"], (node,), {}, node.shape, node.dtype)


def _fit(step: Step, layout: Layout) -> tuple[Shape, int | None] | None:
    """The loops that serve both a step and one more anchor; None if they do not go together."""
    short, long = sorted((step.space, layout.space), key=len)
    if long[: len(short)] != short:
        return None
    split = step.split if layout.split is None else layout.split
    if step.split is not None and layout.split is not None and step.split != layout.split:
        return None
    if len(short) != len(long):  # the shorter one's loops are the rows
        if split not in (None, len(short)):
            return None
        split = len(short)
    return long, split
