"""From a nest's statements to its canonical source: loops merged, tokens replaced by names.

Names stand in the order of their first use; sizes and addresses come from a block that is passed at
run time. Two networks that do the same thing to other sizes share one kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...graph.op import Kind
from ...graph.tensor import Tensor
from ...shapes import Dim, Shape, product
from .access import Index, Place
from .nest import Memory, NestWriter, type_name
from .steps import Plan, Step

_CONSTANT = re.compile(r"\b[fi][1248]\(-?(?:[0-9][0-9.e+-]*|inf|nan)\)")
_TOKEN = re.compile(r"@([PSOL])(\d+)@")


@dataclass
class Kernel:
    """A nest's source, and what its block holds: sizes, then addresses.

    `flat` has the memories that one loop over all elements walks through; it is empty for other nests.
    """

    source: str
    sizes: list[Dim]
    memories: list[Memory]
    flat: frozenset[int] = frozenset()


def write_nest(plan: Plan, step: Step, in_memory: Callable[[Tensor], bool]) -> NestWriter:
    """The nest of a step, as one loop where it can be, else as rows and columns."""
    if step.split is not None:
        return NestWriter(plan, step, in_memory, step.split)
    flat = NestWriter(plan, step, in_memory, 0)
    if len(step.space) < 2 or len(_loops(flat)) == 1:
        return flat
    return NestWriter(plan, step, in_memory, len(step.space) - 1)


def _loops(nest: NestWriter) -> list[list[int]]:
    """The nest's loops, neighbours merged where every access lets them be one."""
    groups: list[list[int]] = []
    for k in range(len(nest.step.space)):
        together = (
            groups
            and k != nest.split
            and all(_lets_merge(nest, place, shape, k - 1, k) for place, shape in nest.offsets)
        )
        if together and not {k - 1, k} & nest.pinned:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _lets_merge(nest: NestWriter, place: Place, shape: Shape, k: int, after: int) -> bool:
    """Whether an access walks two loops as one: it has both side by side and whole, or neither."""
    if not any({k, after} & index.counters for index in place):
        return True
    wide = [(p, d) for p, d in zip(place, shape, strict=True) if d != 1]
    loops = [p.loop for p, _ in wide]
    if k not in loops or after not in loops:
        return False
    at = loops.index(k)
    uses = sum(1 for p, _ in wide if {k, after} & p.counters)
    return uses == 2 and loops[at + 1 : at + 2] == [after] and wide[at + 1][1] == nest.step.space[after]


def render(nest: NestWriter, buffer_of: Callable[[Memory], object]) -> Kernel:
    """The canonical source; memories in one buffer share one name, so that the compiler sees it."""
    groups = _loops(nest)
    rows = [g for g in groups if g[0] < nest.split]
    columns = [g for g in groups if g[0] >= nest.split]
    counters = {g[0]: f"r{i}" for i, g in enumerate(rows)} | {g[0]: f"c{i}" for i, g in enumerate(columns)}
    extents = {g[0]: product(nest.step.space[k] for k in g) for g in groups}
    lines = list(nest.before)
    indent = ""
    for g in rows:
        lines.append(f"{indent}for @L{g[0]}@ in range({nest.size(extents[g[0]])}):")
        indent += "    "
    phases = [*nest.rows, *nest.columns, *nest.row_stores, *nest.column_stores]
    for phase in range(max(phases, default=-1) + 1):
        lines += [indent + s for s in nest.rows.get(phase, [])]
        lines += [indent + s for s in nest.row_stores.get(phase, [])]
        inner = nest.columns.get(phase, []) + nest.column_stores.get(phase, [])
        if inner:
            deep = indent
            for g in columns:
                lines.append(f"{deep}for @L{g[0]}@ in range({nest.size(extents[g[0]])}):")
                deep += "    "
            lines += [deep + s for s in inner]
    lines += nest.after
    return _canonical(nest, lines, counters, groups, buffer_of)


def _canonical(
    nest: NestWriter,
    lines: Sequence[str],
    counters: dict[int, str],
    groups: Sequence[Sequence[int]],
    buffer_of: Callable[[Memory], object],
) -> Kernel:
    """Tokens replaced by names in the order of their first use."""
    first_of = {k: g[0] for g in groups for k in g}
    buffers: list[object] = []
    memories: list[Memory] = []
    sizes: list[Dim] = []
    size_names: dict[Dim, str] = {}

    def size_name(dim: Dim) -> str:
        if dim not in size_names:
            size_names[dim] = f"n{len(sizes)}"
            sizes.append(dim)
        return size_names[dim]

    def offset(place: Place, shape: Shape) -> str:
        """Horner's rule over the axes, merged loops as one."""
        entries: list[tuple[str, Dim]] = []
        for index, d in zip(place, shape, strict=True):
            loop = index.loop
            if d == 1 and not index.counters:
                continue
            if loop is not None and first_of[loop] != loop:
                text, wide = entries[-1]
                entries[-1] = (text, wide * d)
            elif loop is not None:
                entries.append((counters[loop], d))
            else:
                entries.append((_index(index), d))
        text = ""
        for part, d in entries:
            scaled = f"({text}) * {size_name(d)}" if " " in text else f"{text} * {size_name(d)}"
            text = part if not text or text == "0" else f"{scaled} + {part}" if part != "0" else scaled
        return text or "0"

    def _index(index: Index) -> str:
        parts = [f"{counters[k]} * {c}" if c != 1 else counters[k] for k, c in index.loops]
        parts += [index.computed] if index.computed else []
        if isinstance(index.offset, int):
            parts += [str(index.offset)] if index.offset else []
        else:
            parts.append(size_name(index.offset))
        return " + ".join(parts) or "0"

    def replace(match: re.Match[str]) -> str:
        kind, number = match[1], int(match[2])
        if kind == "P":
            memory = nest.memories[number]
            buffer = buffer_of(memory)
            if buffer not in buffers:
                buffers.append(buffer)
                memories.append(memory)
            return f"p{buffers.index(buffer)}"
        if kind == "S":
            return size_name(nest.sizes[number])
        if kind == "L":
            return counters[number]
        return settle(offset(*nest.offsets[number]))

    def settle(text: str) -> str:
        while _TOKEN.search(text):
            text = _TOKEN.sub(replace, text)
        return text

    body = _renumbered([settle(line) for line in lines])
    reduces = any(x.op.kind in (Kind.REDUCE, Kind.SCATTER) for x in nest.step.anchors)
    flat = frozenset[int]() if len(groups) != 1 or reduces else _walked("\n".join(body))
    head = ["a = i8p(block)"]
    head += [f"n{i} = a[{i}]" for i in range(len(sizes))]
    head += [f"p{i} = {type_name(m.dtype)}p(a[{i + len(sizes)}])" for i, m in enumerate(memories)]
    constants, body = _constants(body)
    source = "\n".join([*constants, "def kernel(block):", *(f"    {line}" for line in [*head, *body])])
    return Kernel(source, sizes, memories, flat)


def _walked(body: str) -> frozenset[int]:
    """The memories that a body's one loop walks through; none if a part of its turns would do something else.

    So it is where the size only ends the loop, and everything is read and written either at the
    loop's counter, or at its first element in all turns.
    """
    places = [(int(p), at) for p, at in re.findall(r"\bp(\d+)\[([^\]]*)\]", body)]
    walked = frozenset(p for p, at in places if at == "c0")
    fixed = {p for p, at in places if at == "0"}
    plain = all(at in ("c0", "0") for _, at in places) and walked.isdisjoint(fixed)
    uses = re.findall(r"\bn\d+\b|\bc0\b(?!\])", body)  # the sizes, and the counter but as an index
    return walked if plain and uses == ["c0", "n0"] else frozenset()


def _constants(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Typed numbers as names outside the function, which compiles faster than calls in it."""
    names: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"k{len(names)}")

    replaced = [_CONSTANT.sub(name, line) for line in lines]
    return [f"{k} = {text}" for text, k in names.items()], replaced


def _renumbered(lines: Sequence[str]) -> list[str]:
    """Variables numbered in the order in which they appear."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        kind = match[1]
        count = sum(1 for name in names if name[0] == kind)
        return names.setdefault(match[0], f"{kind}{count}")

    return [re.sub(r"\b([vs])\d+", rename, line) for line in lines]
