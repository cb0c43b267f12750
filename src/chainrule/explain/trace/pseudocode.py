"""A network's training algorithm in the signs of mathematics, from the lines of its printed source."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from ...emit.mathtree import plain_math
from ...graph.tensor import Tensor
from ...nn.network import BaseNetwork
from ...optim.rules import Optimizer
from ..numbers import shape_text
from .line_formulas import Formulas
from .lines import Lines
from .notation import find_reader_notation

WIDTH = 80
INDENT = "    "


def pseudocode(network: BaseNetwork, optimizer: Optimizer | str | None = None, notation: Any = None) -> str:
    """The algorithm as text; see `Network.pseudocode`."""
    lines = Lines(network.program(optimizer or network.optimizer))
    formulas = Formulas(network, find_reader_notation(notation), lines, {})

    def name(leaf: Tensor) -> str:
        return plain_math(formulas.of(leaf).latex_symbol)

    def shaped(leaf: Tensor) -> str:
        shape = shape_text(formulas.shape(leaf.shape))
        return f"{name(leaf)} {shape}".rstrip()

    graph = network.graph
    weights = set(graph.parameters.values())
    rows = ", ".join(map(name, (*graph.xs, *graph.ts)))
    state = [leaf for leaf in lines.program.updates if leaf not in weights]
    given = ", ".join(shaped(leaf) for leaf in graph.xs)
    targets = ", ".join(shaped(leaf) for leaf in graph.ts)
    written = [
        *_listed("given: ", [f"inputs {given}", f"targets {targets}", f"learning rate {name(graph.lr)}"]),
        *_listed("weights: ", [shaped(leaf) for leaf in lines.leaves if leaf in weights]),
        *_listed("start: ", [f"{name(leaf)} ← {_start(leaf)}" for leaf in state]),
        "repeat for each epoch:",
        f"{INDENT}for each batch ({rows}) of n rows:",
    ]
    section = ""
    for line in lines.assigned:
        if line.section != section:
            section = line.section
            written.append(f"{INDENT * 2}{section.partition(':')[0]}")
        made = formulas.of(line)
        text = f"{plain_math(made.latex_symbol)} ← {plain_math(made.latex)}"
        written += _assignment(text, shape_text(formulas.shape(line.node.shape)))
    return "\n".join(written)


def _start(leaf: Tensor) -> str:
    return "0" if leaf.value is None else f"{np.ravel(leaf.value)[0]:.9g}"


def _listed(title: str, parts: list[str]) -> list[str]:
    text = title + ", ".join(parts)
    return textwrap.wrap(text, WIDTH, subsequent_indent=INDENT) if parts else []


def _assignment(text: str, shape: str) -> list[str]:
    """A line of the innermost block, with its shape at the right where there is room."""
    indent = INDENT * 3
    first, *more = textwrap.wrap(
        text,
        WIDTH - len(shape) - 2,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [f"{first:<{WIDTH - len(shape)}}{shape}".rstrip(), *more]
