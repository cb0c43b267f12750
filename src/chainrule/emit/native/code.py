"""A program's machine code: its plan, its buffers, and a kernel for each step."""

from __future__ import annotations

from dataclasses import dataclass

from ...graph.program import Program
from ...graph.tensor import Tensor
from .kernels import addresses
from .memory import MemoryPlan, plan_memory
from .nest import NestWriter, type_name
from .plan import make_plan
from .render import Kernel, render, write_nest
from .steps import Plan, Product


@dataclass
class Loop:
    """A scan: the code of its body, and the node that says how often and over what."""

    node: Tensor
    items: dict[int, Tensor]
    body: Code
    outputs: dict[int, Tensor]  # of the body, by the number of the result


@dataclass
class Code:
    """A planned program: its kernels' sources and where each finds its numbers."""

    program: Program
    plan: Plan
    memory: MemoryPlan
    kernels: list[Kernel | Product | Loop]

    @property
    def sources(self) -> list[str]:
        """What has to be compiled: a body, or a fixed kernel's name, for each step."""
        return [_source_of(k) for k in self.kernels]

    @property
    def addresses(self) -> list[int]:
        """The machine code of each step."""
        return addresses(self.sources)


def _source_of(kernel: Kernel | Product | Loop) -> str:
    if isinstance(kernel, Kernel):
        return kernel.source
    if isinstance(kernel, Loop):
        return "repeat"
    return f"gemm_{type_name(kernel.node.dtype)}"


def make_code(program: Program) -> Code:
    """Plan a program and write its nests."""
    plan = make_plan(program)
    nests: dict[int, NestWriter] = {
        i: write_nest(plan, step, plan.in_memory)
        for i, step in enumerate(plan.steps)
        if step.kind in ("nest", "scatter")
    }
    memory = plan_memory(plan, nests)
    kernels: list[Kernel | Product | Loop] = []
    for i, step in enumerate(plan.steps):
        if step.product is not None:
            kernels.append(step.product)
        elif step.kind == "control":
            kernels.append(_make_loop(plan, step.anchors[0]))
        else:
            kernels.append(render(nests[i], memory.buffer))
    return Code(program, plan, memory, kernels)


def _make_loop(plan: Plan, node: Tensor) -> Loop:
    """The code of a scan's body, with the outputs that are used."""
    body: Program = node.attrs["program"]
    items = {x.attrs["item"]: x for x in plan.items[node]}
    listed = list(body.outputs.items())
    wanted = [k for k in range(len(listed)) if k < node.attrs["carries"] or k in items]
    code = make_code(Program(body.inputs, dict(listed[k] for k in wanted), name=body.name))
    return Loop(node, items, code, {k: code.plan.outputs[listed[k][0]] for k in wanted})
