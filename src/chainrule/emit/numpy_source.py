"""A program as the Python that a person would have written, running with NumPy alone."""

from __future__ import annotations

import ast
import inspect
import keyword
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..graph.op import HELPERS, Kind, literal
from ..graph.program import Program
from ..graph.tensor import CONSTANT, LEAF, SIZE, Tensor, topological
from ..shapes import Dim, Shape, Size, names_in
from .simplify import simplify

WIDTH = 62  # an expression longer than this gets a line and a name of its own
COMMENT_AT = 44


def numpy_source(program: Program) -> str:
    """The program as one Python file that needs NumPy alone.

    Returns
    -------
    str
        The helpers, then a function with the program's name. It takes the inputs with axes, the
        variables, then the inputs without axes (the learning rate), and returns the outputs and
        the variables' new values.
    """
    writer = SourceWriter(program)
    body = writer.body()
    used = sorted(writer.helpers, key=list(HELPERS).index)
    texts = [_helper_source(name) for name in used]
    imports = "import math\n\n" if any("math." in text for text in texts) else ""
    blocks = [f"{imports}import numpy as np\n", *texts, body]
    return "\n\n".join(blocks)


def signature(program: Program) -> list[Tensor]:
    """The leaves in the order in which the printed function takes them."""
    arrays = [x for x in program.inputs if x.shape != ()]
    scalars = [x for x in program.inputs if x.shape == ()]
    return [*arrays, *program.variables, *scalars]


def _helper_source(name: str) -> str:
    text = inspect.getsource(HELPERS[name])
    lines = [line for line in text.splitlines() if not line.startswith("@")]
    lines[0] = lines[0].split("  # type:")[0]
    return "\n".join(lines) + "\n"


class SourceWriter:
    """Writes one program: chooses names, what gets a line of its own, and the sections."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.helpers: set[str] = set()
        self.names: dict[Tensor, str] = {}
        self.taken: set[str] = {"np", "math", program.name, *HELPERS}
        self.texts: dict[Tensor, str] = {}
        self.lines: list[tuple[str, str]] = []
        roots = simplify(program.roots)
        self.outputs = roots[: len(program.outputs)]
        self.updates = dict(zip(program.updates, roots[len(program.outputs) :], strict=True))

    # names ------------------------------------------------------------------------------------

    def name(self, node: Tensor, wish: str | None = None) -> str:
        """The node's variable, unique among all."""
        if node not in self.names:
            self.names[node] = self.fresh(wish or node.name or "v1")
        return self.names[node]

    def fresh(self, wish: str) -> str:
        """A name that nothing else has: `wish`, or with the next number after it."""
        name, stem = wish, wish.rstrip("0123456789") or "v"
        number = 1
        while name in self.taken or keyword.iskeyword(name):
            number += 1
            name = f"{stem}{number}" if stem.endswith("_") or stem != wish else f"{stem}_{number}"
        self.taken.add(name)
        return name

    # the function -----------------------------------------------------------------------------

    def body(self) -> str:
        leaves = signature(self.program)
        sizes = {name for leaf in leaves for name in names_in(leaf.shape)}
        self.taken |= sizes
        for i, leaf in enumerate(leaves):
            self.texts[leaf] = self.name(leaf, leaf.name or f"x{i}")
        for root, wish in zip(self.outputs, self.program.outputs, strict=True):
            if root not in self.texts and root.op is not CONSTANT and not root.name and wish.isidentifier():
                self.name(root, wish)
        order = sorted(topological([*self.outputs, *self.updates.values()]), key=lambda x: x.serial)
        self.statements(order, set(self.outputs) | set(self.updates.values()))
        self._assign_updates()
        results = [self.texts[x] for x in self.outputs]
        results += [self.texts[v] for v in self.updates]
        head = f"def {self.program.name}({', '.join(self.texts[leaf] for leaf in leaves)}):"
        text = " ".join(code for code, _ in self.lines) + " ".join(results)
        prologue = self._size_lines(leaves, set(re.findall(r"[A-Za-z_]\w*", text)))
        lines = [(f"return {_minimal(', '.join(results)).strip('()')}", "")]
        return "\n".join([head, *(_aligned(line) for line in [*prologue, *self.lines, *lines])]) + "\n"

    def _size_lines(self, leaves: Sequence[Tensor], used: set[str]) -> list[tuple[str, str]]:
        lines, known = [], set[str]()
        for leaf in leaves:
            for axis, dim in enumerate(leaf.shape):
                name = repr(dim)
                if isinstance(dim, Size) and name.isidentifier() and name not in known and name in used:
                    known.add(name)
                    lines.append((f"{name} = {self.texts[leaf]}.shape[{axis}]", ""))
        return lines

    def statements(self, order: Sequence[Tensor], roots: set[Tensor]) -> None:
        """Lines for all nodes: one for each that has a name, several users, or a long expression."""
        users = Counter(x for node in order for x in set(node.inputs))
        sections = self._sections(order)
        section = None
        only_assigned = set(self.updates.values()) - set(self.outputs)
        at_once = {new: v for v, new in self.updates.items() if _reads_alone(new, v, order, users)}
        for node in order:
            if node in self.texts:
                continue
            if node.op is CONSTANT:
                self.texts[node] = self._number(node, order)
                continue
            if node.op is SIZE:
                self.texts[node] = repr(node.attrs["dim"])
                continue
            if sections and sections.get(node) != section and node.op is not LEAF:
                section = sections[node]
                self.lines.append((f"# {section}", ""))
            self.helpers.update(node.op.helpers)
            if node.op.kind is Kind.CONTROL:
                self.lines += node.op.source(self, node)  # type: ignore[misc]
                continue
            expression = self.expression(node)
            if node in only_assigned and not users[node]:
                self.texts[node] = expression
            elif node in at_once:
                self.texts[node] = self.texts[at_once[node]]
                self.lines.append((f"{self.texts[node]} = {expression}", _shape_comment(node.shape)))
            elif (
                node.name
                or node in roots
                or users[node] > 1
                and not _is_cheap(node)
                or len(expression) > WIDTH
                or self._is_repeated(node, order)
            ):
                self.texts[node] = self.name(node)
                self.lines.append((f"{self.texts[node]} = {expression}", _shape_comment(node.shape)))
            else:
                self.texts[node] = f"({expression})"

    def _number(self, node: Tensor, order: Sequence[Tensor]) -> str:
        """A constant; whole ones without a point where the other operand keeps the type."""
        text = literal(node.attrs["value"])
        plain = all(
            any(x.op is not CONSTANT and x.dtype == node.dtype for x in user.inputs)
            for user in order
            if any(x is node for x in user.inputs)
        )
        return text.removesuffix(".0") if plain else text

    def expression(self, node: Tensor) -> str:
        texts = [self.texts[x] for x in node.inputs]
        return _minimal(node.op.write(node.op.numpy, node, texts))

    def _is_repeated(self, node: Tensor, order: Sequence[Tensor]) -> bool:
        """Whether a user's expression would show this node's more than once."""
        for user in order:
            for i, x in enumerate(user.inputs):
                if x is node and user.op.kind is not Kind.CONTROL:
                    marks = [f"<{j}>" for j in range(len(user.inputs))]
                    if user.op.write(user.op.numpy, user, marks).count(marks[i]) > 1:
                        return True
        return False

    def _sections(self, order: Sequence[Tensor]) -> dict[Tensor, str]:
        """Forward is what the outputs need, backward what gradients need, the rest is the update."""
        if not self.updates:
            return {}
        forward = set(topological(self.outputs))
        variables = {f"d_{v.name}" for v in self.updates}
        backward = set(topological([x for x in order if x.name in variables]))
        titles = {True: "forward", False: "backward: how the loss changes with each of them, last to first"}
        return {
            x: titles[x in forward] if x in forward or x in backward else "update" for x in order
        }

    def _assign_updates(self) -> None:
        """New values under the variables' own names, unless a later line still reads an old one."""
        if not self.updates:
            return
        if all(text != "# update" for text, _ in self.lines):
            self.lines.append(("# update", ""))
        expressions = {v: self.texts[new] for v, new in self.updates.items()}
        pending = list(expressions)
        late: list[tuple[str, str]] = []
        for i, variable in enumerate(pending):
            name = self.texts[variable]
            later = [expressions[v] for v in pending[i + 1 :]] + [self.texts[x] for x in self.outputs]
            target = name
            if any(re.search(rf"\b{name}\b", text) for text in later):
                target = self.fresh(f"new_{name}")
                late.append((f"{name} = {target}", ""))
            if expressions[variable] != target:
                self.lines.append((f"{target} = {expressions[variable]}", ""))
        self.lines += late


def _reads_alone(new: Tensor, variable: Tensor, order: Sequence[Tensor], users: Counter[Tensor]) -> bool:
    """Whether a new value is the only one that reads the old: then it can take its name at once."""
    reader = variable
    while users[reader] == 1 and reader is not new:
        reader = next(user for user in order if any(x is reader for x in user.inputs))
    return reader is new and new is not variable


def _is_cheap(node: Tensor) -> bool:
    """Whether it costs nothing to write it again: a view of something that has a name."""
    return node.op.name in ("transpose", "expand") and node.inputs[0].op is LEAF


def _minimal(expression: str) -> str:
    """The expression without the parentheses that it does not need."""
    return ast.unparse(ast.parse(expression, mode="eval"))


def _shape_comment(shape: Shape) -> str:
    return f"# ({', '.join(map(repr, shape))}{',' if len(shape) == 1 else ''})" if shape else ""


def _aligned(line: tuple[str, str]) -> str:
    code, comment = line
    code = f"    {code}"
    return f"{code:<{COMMENT_AT}} {comment}" if comment else code


def dim_text(dim: Dim) -> str:
    """A size as Python source."""
    return repr(dim)


def compile_source(program: Program) -> Any:
    """The printed function itself."""
    source = numpy_source(program)
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<chainrule {program.name}>", "exec"), namespace)
    return namespace[program.name]
