"""One loop nest as Python source for the compiler: rows, phases within a row, columns.

A reduction along a row is complete only after the loop over its columns, so what needs it stands
in the next *phase*, a further loop over the columns of the same row. The source is canonical:
names by order of use, sizes and addresses from a block that is passed at run time. Two networks
that do the same thing to other sizes share one kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...graph.op import Kind, literal
from ...graph.tensor import CONSTANT, Tensor
from ...shapes import Dim, Shape, product
from .access import ZERO, Index, Place, Walker, counter
from .steps import Layout, Plan, Step, base_of

OWN = {"exp_f4", "log_f4", "tanh_f4", "sqrt_f4", "logistic_f4", "logistic_f8", "softplus_f4", "softplus_f8"}
"""Functions of `runtime` that stand for math's, or that math has not."""

SHORT = {"f4", "f8", "i4", "i8", "u8"}
"""Types that `runtime` knows under these names."""

_CALLS = re.compile(r"(?:math\.)?\b(exp|log|tanh|sqrt|logistic|softplus)\(")


def type_name(dtype: np.dtype[Any]) -> str:
    """A type in kernels: f4, f8, i8, ... and b1 for truth values."""
    return np.dtype(dtype).str[1:]


def converter(dtype: np.dtype[Any]) -> str:
    """What kernels call to make a number one of that type."""
    name = type_name(dtype)
    return name if name in SHORT else f"np.{np.dtype(dtype).name}"


def number_text(value: object, dtype: np.dtype[Any]) -> str:
    """A number of a type."""
    if dtype.kind == "b":
        return str(bool(value))
    return f"{converter(dtype)}({literal(value).replace('np.', '')})"


class Value(NamedTuple):
    """An expression, and how deep in the nest it is known: 0 before it, 1 in a row, 2 in a column."""

    text: str
    depth: int


@dataclass(frozen=True, eq=False)
class Memory:
    """Something that a kernel has an address of: a node's buffer, a row of scratch, or the error flag."""

    node: Tensor | None
    role: str = "value"
    columns: Shape = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.node.dtype if self.node is not None else np.dtype(np.int64)


FLAG = Memory(None, "flag")


class NestWriter(Walker[Value]):
    """Writes the nest of one step."""

    def __init__(self, plan: Plan, step: Step, in_memory: Callable[[Tensor], bool], split: int) -> None:
        super().__init__(in_memory)
        self.plan, self.step, self.split = plan, step, split
        self.inside = {x for x in step.anchors if step.kind == "nest"}
        self.phase = 0
        self.inline = False
        self.names = 0
        self.memo: dict[Any, Value] = {}
        self.before: list[str] = []
        self.after: list[str] = []
        self.rows: dict[int, list[str]] = {}
        self.columns: dict[int, list[str]] = {}
        self.row_stores: dict[int, list[str]] = {}
        self.column_stores: dict[int, list[str]] = {}
        self.memories: list[Memory] = []
        self.sizes: list[Dim] = []
        self.offsets: list[tuple[Place, Shape]] = []
        self.pinned: set[int] = set()
        self.levels: dict[Tensor, int] = {}
        self.last_read: dict[Tensor, int] = {}  # phase of the last read of each node in memory
        self.apart: set[Tensor] = set()  # read elsewhere than at the nest's own place
        self.scratch: set[Tensor] = set()
        self._write()

    # tokens: what is only known when the nest is whole ------------------------------------------

    def _token(self, kind: str, table: list[Any], entry: Any) -> str:
        if entry not in table:
            table.append(entry)
        return f"@{kind}{table.index(entry)}@"

    def pointer(self, memory: Memory) -> str:
        for i, known in enumerate(self.memories):
            if known.role == memory.role and known.node is memory.node:
                return f"@P{i}@"
        self.memories.append(memory)
        return f"@P{len(self.memories) - 1}@"

    def size(self, dim: Dim) -> str:
        return self._token("S", self.sizes, dim)

    def offset(self, place: Place, shape: Shape) -> str:
        self.offsets.append((place, shape))
        return f"@O{len(self.offsets) - 1}@"

    def index_text(self, index: Index) -> str:
        """An index as an expression; its loops keep counters of their own."""
        self.pinned |= {k for k, _ in index.loops}
        parts = [f"@L{k}@" if c == 1 else f"@L{k}@ * {c}" for k, c in index.loops]
        if index.computed:
            parts.append(index.computed)
        if not (isinstance(index.offset, int) and index.offset == 0):
            parts.append(self.size(index.offset) if not isinstance(index.offset, int) else str(index.offset))
        return " + ".join(parts) or "0"

    # statements -------------------------------------------------------------------------------

    def depth(self, place: Place) -> int:
        loops = frozenset().union(*(i.counters for i in place)) if place else frozenset()
        if not loops:
            return 0
        return 2 if max(loops) >= self.split else 1

    def assign(self, expression: str, depth: int) -> Value:
        """Give an expression a name, in the outermost place where it is known."""
        if self.inline:
            return Value(f"({expression})", depth)
        name = f"v{self.names}"
        self.names += 1
        self._slot(depth).append(f"{name} = {expression}")
        return Value(name, depth)

    def _slot(self, depth: int) -> list[str]:
        if depth == 0:
            return self.before
        return (self.rows if depth == 1 else self.columns).setdefault(self.phase, [])

    @contextmanager
    def _inlined(self) -> Iterator[None]:
        """Expressions in here may not run unless they are chosen: no names, no hoisting."""
        was, self.inline = self.inline, True
        yield
        self.inline = was

    # the walk ---------------------------------------------------------------------------------

    def value(self, node: Tensor, place: Place) -> Value:
        if self.inline:
            return super().value(node, place)
        key = (node, place, self.phase if self.depth(place) == 2 else None)
        if key not in self.memo:
            self.memo[key] = super().value(node, place)
        return self.memo[key]

    def load(self, node: Tensor, place: Place, shape: Shape) -> Value:
        source = base_of(node)
        if source in self.inside and shape == source.shape:
            found = self._own(source, place)
            if found is not None:
                return found
        depth = self.depth(place)
        self._note_read(source, place, shape)
        return self.assign(f"{self.pointer(Memory(source))}[{self.offset(place, shape)}]", depth)

    def _own(self, node: Tensor, place: Place) -> Value | None:
        """The value of an anchor of this nest, computed earlier in the same row."""
        layout = self.plan.layouts[node]
        if layout.reduces == "row":
            return self.memo[(node, "row")]
        key = (node, "own", self.phase if len(layout.space) > self.split else None)
        if place != layout.place or (key not in self.memo and self.level(node) >= self.phase):
            with self._inlined():
                return self.computed(node, place)
        if key in self.memo:
            return self.memo[key]
        if not self.plan.stored(node):
            self._keep_in_scratch(node)
        return self.memo.setdefault(key, self.assign(self._own_cell(node), 2))

    def _own_cell(self, node: Tensor) -> str:
        """Where an anchor's element of this row is kept between phases."""
        if self.plan.stored(node):
            return f"{self.pointer(Memory(node))}[{self.offset(self.plan.layouts[node].place, node.shape)}]"
        columns = self.step.space[self.split :]
        place = tuple(counter(self.split + k) for k in range(len(columns)))
        return f"{self.pointer(Memory(node, 'scratch', columns))}[{self.offset(place, columns)}]"

    def _keep_in_scratch(self, node: Tensor) -> None:
        if node not in self.scratch:
            self.scratch.add(node)
            phase = self.level(node)
            name = self.memo[(node, "own", phase)].text
            self.column_stores.setdefault(phase, []).append(f"{self._own_cell(node)} = {name}")

    def _note_read(self, node: Tensor, place: Place, shape: Shape) -> None:
        self.last_read[node] = max(self.last_read.get(node, 0), self.phase)
        wide = [p for p, d in zip(place, shape, strict=True) if d != 1]
        rows = [p.loop for p in wide[: self.split]] == list(range(min(self.split, len(wide))))
        whole = [p.loop for p in wide] == list(range(len(self.step.space)))
        hoisted = self.depth(place) == 1 and not self.inline
        row_only = hoisted and rows and len(wide) > self.split > 0
        if not (whole or row_only) or shape != node.shape:
            self.apart.add(node)

    def number(self, node: Tensor) -> Value:
        if node.op is CONSTANT:
            return Value(number_text(node.attrs["value"], node.dtype), 0)
        return Value(_cast(self.size(node.attrs["dim"]), node.dtype), 0)

    def combine(self, node: Tensor, values: Sequence[Value]) -> Value:
        op, name = node.op, node.op.name
        depth = max((v.depth for v in values), default=0)
        if name == "stop_gradient":
            return values[0]
        if name == "astype":
            text = values[0].text
            same = node.dtype == node.inputs[0].dtype
            return Value(text, depth) if same else self.assign(_cast(text, node.dtype), depth)
        wanted = node.dtype
        if wanted.kind == "b":
            wanted = np.result_type(*(x.dtype for x in node.inputs))
        texts = [
            v.text if x.dtype == wanted or (name == "where" and i == 0) else _cast(v.text, wanted)
            for i, (x, v) in enumerate(zip(node.inputs, values, strict=True))
        ]
        kind = type_name(wanted)
        form = op.loop.replace("one(", f"{converter(wanted)}(").replace("zero", number_text(0, wanted))
        form = _CALLS.sub(lambda m: f"{m[1]}_{kind}(" if f"{m[1]}_{kind}" in OWN else m[0], form)
        text = form.format(**dict(zip(op.inputs, texts, strict=True)), **node.attrs)
        if node.dtype.kind in "iu" and ("math." in text or node.dtype != np.int64):  # as in NumPy, it wraps
            text = _cast(f"i8({text})" if "math." in text else text, node.dtype)
        return self.assign(text, depth)

    def as_index(self, value: Value) -> Index:
        loops = range(self.split) if value.depth == 1 else range(len(self.step.space) if value.depth else 0)
        return Index(computed=value.text, depends=frozenset(loops))

    def _moved(self, node: Tensor, place: Place) -> Value:
        if node.op.name not in ("take", "pick"):
            return super()._moved(node, place)
        x, t = node.inputs
        at = place[: t.ndim]
        length = x.shape[0] if node.op.name == "take" else x.shape[-1]
        found = self.checked_index(t, at, length)
        return self.value(x, (found, *place[t.ndim :]) if node.op.name == "take" else (*place, found))

    def checked_index(self, node: Tensor, place: Place, length: Dim) -> Index:
        """An index from data: counted from the end where negative, refused through the flag outside."""
        value, size, flag = self.value(node, place), self.size(length), self.pointer(FLAG)
        text = value.text if node.dtype == np.int64 else f"i8({value.text})"
        if self.inline:
            return self.as_index(Value(f"inside({text}, {size}, {flag})", value.depth))
        found = self.assign(f"{text} if {text} >= 0 else {text} + {size}", value.depth)
        self._slot(value.depth).extend(
            [f"if {found.text} < 0 or {found.text} >= {size}:", f"    {flag}[0] = 1", f"    {found.text} = 0"]
        )
        return self.as_index(found)

    def choose(self, node: Tensor, index: Index, pieces: Any) -> Value:
        depth = self.depth((index,))
        at = self.index_text(index)
        covered = node.op.name == "concatenate"
        text = "" if covered else number_text(0, node.dtype)
        with self._inlined():
            for low, end, step, value in reversed(pieces):
                inner = value()
                depth = max(depth, inner.depth)
                cast = inner.text if node.dtype.kind == "b" else _cast(inner.text, node.dtype)
                if not text:
                    text = cast
                    continue
                last = self._bound(end)
                test = f"{at} < {last}" if covered else f"{self._bound(low)} <= {at} < {last}"
                if step != 1:
                    test += f" and ({at} - {self._bound(low)}) % {step} == 0"
                text = f"({cast} if {test} else {text})"
        return self.assign(text, depth)

    def _bound(self, dim: Dim) -> str:
        return str(dim) if isinstance(dim, int) else self.size(dim)

    def divided(self, index: Index, by: int) -> Index:
        return Index(computed=f"(({self.index_text(index)}) // {by})", depends=index.counters)

    def matches(self, node: Tensor, index: Index, place: Index) -> Value:
        depth = self.depth((index, place))
        return self.assign(f"{self.index_text(index)} == {self.index_text(place)}", depth)

    def random(self, node: Tensor, values: Sequence[Value], place: Place) -> Value:
        seed, step = (v.text for v in values)
        linear = self.offset(place, node.shape)
        call = f"uniform_{type_name(node.dtype)}({seed}, {step}, {node.attrs['purpose']}, {linear})"
        return self.assign(call, self.depth(place))

    # phases -----------------------------------------------------------------------------------

    def level(self, node: Tensor) -> int:
        """The first phase in which a node's value can be had."""
        if node in self.levels:
            return self.levels[node]
        if node in self.inside or not (self.in_memory(node) or node.is_leaf):
            level = max((self.level(x) for x in node.inputs), default=0)
            if node in self.inside and node.op.kind is Kind.REDUCE:
                level += 1
        else:
            level = 0
        self.levels[node] = level
        return level

    def _start(self, x: Tensor) -> int:
        """The phase in which an anchor is worked on: a reduction's is that of what it reduces."""
        return self.level(x) - 1 if x.op.kind is Kind.REDUCE else self.level(x)

    def _write(self) -> None:
        if self.step.kind == "scatter":
            self._scatter(self.step.anchors[0])
            return
        last = max(self._start(x) for x in self.step.anchors)
        for self.phase in range(last + 1):
            for x in self.step.anchors:
                if self._start(x) == self.phase:
                    self._anchor(x, self.plan.layouts[x])

    def _anchor(self, x: Tensor, layout: Layout) -> None:
        if x.op.kind is Kind.REDUCE:
            self._reduction(x, layout)
            return
        by_column = len(layout.space) > self.split
        made = self.computed(x, layout.place)
        self.memo[(x, "own", self.phase if by_column else None)] = made
        if not self.plan.stored(x):
            return
        store = f"{self.pointer(Memory(x))}[{self.offset(layout.place, x.shape)}] = {made.text}"
        if not layout.space:
            self.after.append(store)
        else:
            stores = self.column_stores if by_column else self.row_stores
            stores.setdefault(self.phase, []).append(store)

    def _result_place(self, x: Tensor, layout: Layout) -> Place:
        """Where a reduction's result goes."""
        axes, keep = x.attrs["axis"], x.attrs.get("keepdims", False)
        return tuple(
            ZERO if a in axes else layout.place[a] for a in range(x.inputs[0].ndim) if keep or a not in axes
        )

    def _reduction(self, x: Tensor, layout: Layout) -> None:
        source = x.inputs[0]
        part = self.value(source, layout.place)
        text = part.text if source.dtype == x.dtype or x.op.name == "argmax" else _cast(part.text, x.dtype)
        by_column = len(layout.space) > self.split
        here = (self.columns if by_column else self.rows).setdefault(self.phase, [])
        target = f"{self.pointer(Memory(x))}[{self.offset(self._result_place(x, layout), x.shape)}]"
        if layout.reduces == "column":
            kept = product(x.shape)
            self.before.append(f"for z in range({self.size(kept)}):")
            self.before.append(f"    {self.pointer(Memory(x))}[z] = {number_text(0, x.dtype)}")
            self.column_stores.setdefault(self.phase, []).append(f"{target} += {text}")
            return
        name = f"s{self.names}"
        self.names += 1
        if layout.reduces == "all":
            self.before.append(f"{name} = {number_text(0, x.dtype)}")
            here.append(f"{name} += {text}")
            self.after.append(f"{target} = {name}")
            return
        start = self.rows.setdefault(self.phase, []) if self.split else self.before
        if x.op.name == "sum":
            start.append(f"{name} = {number_text(0, x.dtype)}")
            here.append(f"{name} += {text}")
        else:
            self._extreme(x, name, text, start, here, layout)
        self.memo[(x, "row")] = Value(name, 1 if self.split else 2)
        if self.plan.stored(x):
            self.row_stores.setdefault(self.phase + 1, []).append(f"{target} = {name}")

    def _extreme(
        self, x: Tensor, name: str, text: str, start: list[str], here: list[str], layout: Layout
    ) -> None:
        """max, min and argmax; NaN counts as the extreme one, as in NumPy."""
        sign = "<" if x.op.name == "min" else ">"
        dtype = x.inputs[0].dtype
        if dtype.kind == "b":
            dtype, text = np.dtype(np.int64), f"i8({text})"
        limits = (-np.inf, np.inf) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        lowest = number_text(limits[sign == "<"], dtype)
        if x.op.name != "argmax":
            start.append(f"{name} = {lowest}")
            if dtype.kind == "f":
                better = f"{'smallest' if sign == '<' else 'largest'}({name}, {text})"
            else:
                better = f"{text} if {text} {sign} {name} else {name}"
            here.append(f"{name} = {better}")
            return
        columns = tuple(layout.space[self.split :])
        place = tuple(counter(self.split + k) for k in range(len(columns)))
        start += [f"{name}_best = {lowest}", f"{name} = i8(0)"]
        better = f"{text} > {name}_best or ({text} != {text} and {name}_best == {name}_best)"
        here += [
            f"if {better}:",
            f"    {name}_best = {text}",
            f"    {name} = {self.offset(place, columns)}",
        ]

    def _scatter(self, x: Tensor) -> None:
        t, source = x.inputs
        place = self.plan.layouts[x].place
        total = self.size(product(x.shape))
        pointer = self.pointer(Memory(x))
        self.before += [f"for z in range({total}):", f"    {pointer}[z] = {number_text(0, x.dtype)}"]
        row = self.checked_index(t, place[: t.ndim], x.shape[0])
        part = self.value(source, place)
        cell = f"{pointer}[{self.offset((row, *place[t.ndim :]), x.shape)}]"
        stores = self.column_stores if len(self.step.space) > self.split else self.row_stores
        sign = "|" if x.dtype.kind == "b" else "+"
        stores.setdefault(0, []).append(f"{cell} {sign}= {_cast(part.text, x.dtype)}")


def _cast(text: str, dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return f"({text} != 0)"
    return f"{converter(dtype)}({text})"
