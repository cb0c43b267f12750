"""The compiled reading, to read: every loop nest and product of a program in the order they run."""

from __future__ import annotations

from ..graph.program import Program
from ..graph.tensor import Tensor
from .native.code import Loop, make_code
from .native.nest import Memory
from .native.render import Kernel
from .native.steps import Product, base_of


def loop_source(program: Program) -> str:
    """The loops that the compiled engine runs, as text.

    Each nest says first what it computes and which array each name stands for: ``p0``, ``p1`` are
    addresses and ``n0``, ``n1`` sizes, as kernels are shared between programs.
    """
    code = make_code(program)
    names = _Names()
    blocks = []
    for step, kernel in zip(code.plan.steps, code.kernels, strict=True):
        results = ", ".join(names.of(x) for x in step.anchors)
        if isinstance(kernel, Product):
            blocks.append(f"# {_product_text(kernel, names)}\n")
        elif isinstance(kernel, Loop):
            inner = loop_source(kernel.body.program).replace("\n", "\n    ").rstrip()
            blocks.append(f"# {results}: {kernel.node.attrs['length']} times\n    {inner}\n")
        else:
            blocks.append(f"# {results}\n{_legend(kernel, names)}{_body(kernel)}\n")
    return "\n".join(blocks)


class _Names:
    """What nodes are called here: their names, or v1, v2, ..."""

    def __init__(self) -> None:
        self.known: dict[Tensor, str] = {}

    def of(self, node: Tensor) -> str:
        if node not in self.known:
            self.known[node] = node.name or f"{node.op.name}_{len(self.known)}"
        return self.known[node]


def _product_text(p: Product, names: _Names) -> str:
    a, b = (f"{names.of(base_of(x))}{'.T' if turned else ''}" for x, turned in
            ((p.a, p.a_transposed), (p.b, p.b_transposed)))  # fmt: skip
    if p.into is None:
        return f"{names.of(p.node)} = {a} @ {b}"
    sign = "-" if p.subtract else "+"
    assert p.scale is not None
    return f"{names.of(p.into)} {sign}= {names.of(p.scale)} * ({a} @ {b})"


def _legend(kernel: Kernel, names: _Names) -> str:
    sizes = [f"n{i} = {d}" for i, d in enumerate(kernel.sizes)]
    memories = [f"p{i} = {_memory_name(m, names)}" for i, m in enumerate(kernel.memories)]
    return f"# {', '.join([*sizes, *memories])}\n"


def _memory_name(memory: Memory, names: _Names) -> str:
    if memory.node is None:
        return memory.role
    return names.of(memory.node) + (" of a row" if memory.role == "scratch" else "")


def _body(kernel: Kernel) -> str:
    lines = kernel.source.split("\n")
    start = lines.index("def kernel(block):")
    skip = start + 2 + len(kernel.sizes) + len(kernel.memories)
    return "\n".join([*lines[:start], *(line[4:] for line in lines[skip:])])
