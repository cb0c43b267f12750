"""A program as the Python that a person would have written, running with NumPy alone."""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..graph.op import HELPERS, Kind, literal
from ..graph.program import Program
from ..graph.tensor import CONSTANT, LEAF, SIZE, Tensor, topological
from ..shapes import Shape, Size, names_in
from .simplify import simplify

WIDTH = 62  # an expression longer than this gets a line and a name of its own
COMMENT_AT = 44
BUILT_IN = {"np", "math", "range", "reversed", "slice"}  # what printed lines use
NUMBERS: dict[str, Any] = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": 0j}  # Python's, by kind of type
ARITHMETIC = {"add", "subtract", "multiply", "divide", "negative", "power", "stop_gradient"}
FORWARD, UPDATE = "forward", "update"
BACKWARD = "backward: how the loss changes with each of them, from the last to the first"
SECTIONS = (FORWARD, BACKWARD, UPDATE)  # none needs a later one


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


@dataclass(frozen=True, eq=False)
class Assigned:
    """What a line of the function gives a name to.

    Attributes
    ----------
    section : str
        One of `SECTIONS`.
    name : str
    node : Tensor
        Of the simplified graph.
    variable : Tensor or None
        Whose new value it is.
    """

    section: str
    name: str
    node: Tensor
    variable: Tensor | None = None


class SourceWriter:
    """Writes one program: chooses names, what gets a line of its own, and the sections.

    Attributes
    ----------
    texts : dict of Tensor to str
        What stands for a node of the simplified graph: a name, or an expression.
    assigned : list of Assigned
        What lines give names to, in order; those within a loop apart, whose results come after it.
    """

    def __init__(self, program: Program) -> None:
        if program.name in BUILT_IN or program.name in HELPERS:
            raise ParameterError(
                f"program name {program.name!r} is what printed source calls a function of its own. "
                "Choose another, e.g. 'step'."
            )
        self.program = program
        self.helpers: set[str] = set()
        self.taken: set[str] = {*BUILT_IN, program.name, *HELPERS}
        self.texts: dict[Tensor, str] = {}
        self.lines: list[tuple[str, str]] = []
        self.assigned: list[Assigned] = []
        self.indent = ""
        self.section = self.headed = ""  # what the next line belongs to, and the last heading written
        self.readers: dict[Tensor, list[Tensor]] = {}
        self.plain: set[Tensor] = set()  # Python's numbers, which take the type of an array beside them
        roots = simplify(program.roots)
        self.outputs = roots[: len(program.outputs)]
        self.updates = dict(zip(program.updates, roots[len(program.outputs) :], strict=True))
        self.new_values = set(self.updates.values())

    # lines and names: the records of control ops use these too ------------------------------------

    def line(self, code: str, shape: Shape | None = None) -> None:
        """Add a line, with the shape of what it assigns."""
        if self.section != self.headed:
            self.headed = self.section
            self.lines.append((f"{self.indent}# {self.section}", ""))
        self.lines.append((self.indent + code, _shape_comment(shape) if shape else ""))

    def fresh(self, wish: str) -> str:
        """A name that nothing else has: `wish`, or with the next number after it."""
        wish = unicodedata.normalize("NFKC", wish)  # as Python reads it
        stem = wish.rstrip("0123456789") or "v"
        name, number = wish, 1
        while name in self.taken or keyword.iskeyword(name):
            number += 1
            name = f"{stem}{number}" if stem != wish else f"{stem}_{number}"
        self.taken.add(name)
        return name

    def atom(self, node: Tensor) -> str:
        """The node's text as a name; a longer expression gets a line first."""
        if not self.texts[node].isidentifier():
            name = self.fresh(node.name or "v1")
            self.line(f"{name} = {_minimal(self._typed(node))}", node.shape)
            self._note(name, node)
            self.texts[node] = name
        return self.texts[node]

    def _note(self, name: str, node: Tensor, variable: Tensor | None = None) -> None:
        if not self.indent:
            self.assigned.append(Assigned(self.section, name, node, variable))

    def results_of(self, node: Tensor) -> dict[int, Tensor]:
        """The results of a control op that are used."""
        return {x.attrs["item"]: x for x in self.readers.get(node, ())}

    @contextmanager
    def block(self, bound: Mapping[Tensor, str]) -> Iterator[None]:
        """Lines of an indented block, in which some leaves stand for expressions."""
        hidden = {x: self.texts[x] for x in bound if x in self.texts}
        self.texts.update(bound)
        self.indent += "    "
        yield
        self.indent = self.indent[4:]
        for x in bound:
            del self.texts[x]
        self.texts.update(hidden)

    def nested(self, program: Program, wanted: Sequence[int]) -> dict[int, str]:
        """Write a nested program's lines; the texts of the wanted outputs."""
        outputs = list(program.outputs.values())
        roots = simplify([outputs[k] for k in wanted])
        for root in roots:
            self.readers.setdefault(root, []).append(root)  # a line of its own if it is used twice
        self.statements(roots, {})
        return {k: _minimal(self.texts[root]) for k, root in zip(wanted, roots, strict=True)}

    # the function -----------------------------------------------------------------------------

    def body(self) -> str:
        """The function's text."""
        leaves = signature(self.program)
        self.taken |= {name for leaf in leaves for name in names_in(leaf.shape)}
        for i, leaf in enumerate(leaves):
            self.texts[leaf] = self.fresh(leaf.name or f"x{i}")
        for root, wish in zip(self.outputs, self.program.outputs, strict=True):
            if not root.name and not root.is_leaf and wish.isidentifier():
                root.name = wish
        self.statements([*self.outputs, *self.updates.values()], self.updates)
        for root in self.plain.intersection([*self.outputs, *self.updates.values()]):
            self.texts[root] = self._typed(root)
        results = [*(self.texts[x] for x in self.outputs), *self._assign_updates()]
        self.headed = self.section  # the return needs no heading
        self.line(f"return {', '.join(map(_minimal, results)) or '()'}")
        text = " ".join(code for code, _ in self.lines)
        head = f"def {self.program.name}({', '.join(self.texts[leaf] for leaf in leaves)}):"
        sizes = self._size_lines(leaves, set(re.findall(r"[^\W\d]\w*", text)))
        return "\n".join([head, *map(_aligned, [*sizes, *self.lines])]) + "\n"

    def _size_lines(self, leaves: Sequence[Tensor], used: set[str]) -> list[tuple[str, str]]:
        lines: dict[str, str] = {}
        for leaf in leaves:
            for axis, dim in enumerate(leaf.shape):
                if isinstance(dim, Size) and repr(dim) in used:
                    lines.setdefault(repr(dim), f"{dim} = {self.texts[leaf]}.shape[{axis}]")
        return [(line, "") for line in lines.values()]

    def statements(self, roots: Sequence[Tensor], updates: Mapping[Tensor, Tensor]) -> None:
        """Lines for all nodes: one for each that has a name, several users, or a long expression."""
        order = sorted(topological(roots), key=lambda x: x.serial)
        for node in order:
            for x in dict.fromkeys(node.inputs):
                self.readers.setdefault(x, []).append(node)
            computed = node.op.name in ARITHMETIC and self.plain.issuperset(node.inputs)
            if node.op is CONSTANT or node.op is SIZE or computed:
                self.plain.add(node)
        sections = self._sections(order) if updates else {}
        order.sort(key=lambda node: SECTIONS.index(sections.get(node, UPDATE)))  # and by serial within each
        assigned_last = set(updates.values()) - set(self.outputs)
        at_once = {new: v for v, new in updates.items() if self._reads_alone(new, v, set(roots))}
        for node in order:
            if node in self.texts:
                continue
            if node.is_leaf:
                self.texts[node] = self._leaf(node)
                continue
            self.section = sections.get(node, self.section)
            self.helpers.update(node.op.helpers)
            if node.op.source is not None:
                node.op.source(self, node)
                for item in self.results_of(node).values():
                    self._note(self.texts[item], item)
                continue
            expression = _minimal(node.op.write(node.op.numpy, node, self._operands(node)))
            if node in assigned_last and not self.readers.get(node):
                self.texts[node] = expression
            elif node in at_once or self._deserves_line(node, expression):
                variable = at_once.get(node)
                name = self.texts[variable] if variable is not None else self.fresh(node.name or "v1")
                self.texts[node] = name
                self.line(f"{name} = {expression}", node.shape)
                self._note(name, node, variable)
            else:
                self.texts[node] = f"({expression})"

    def _leaf(self, node: Tensor) -> str:
        """A constant or size; whole numbers without a point where the other operand keeps the type."""
        if node.op is not CONSTANT:
            return repr(node.attrs["dim"])
        text = literal(node.attrs["value"])
        kept = all(
            any(x not in self.plain and x.dtype == node.dtype for x in user.inputs)
            for user in self.readers.get(node, ())
        )
        return text.removesuffix(".0") if kept and node in self.readers else text

    def _operands(self, node: Tensor) -> list[str]:
        """The operands' texts; Python's numbers get a type where what is beside them does not give it."""
        plain = self.plain.intersection(node.inputs)
        if plain and node not in self.plain:
            arrays = [x.dtype for x in node.inputs if x not in plain]
            found = np.result_type(*arrays, *(NUMBERS[x.dtype.kind] for x in plain))
            same = found == np.result_type(*(x.dtype for x in node.inputs))
            if node.op.kind in (Kind.REDUCE, Kind.SCATTER) or node.op.name in ("slice", "place"):
                return [self._typed(x, always=True) for x in node.inputs]
            if not same and (node.op.kind is Kind.MAP or node.inputs[0].op is not CONSTANT):
                return [self._typed(x, always=True) for x in node.inputs]
        return [self.texts[x] for x in node.inputs]

    def _typed(self, node: Tensor, always: bool = False) -> str:
        """A node's text, with its type if it is one of Python's numbers and Python's own is another."""
        text = self.texts[node]
        if node not in self.plain or (not always and np.result_type(NUMBERS[node.dtype.kind]) == node.dtype):
            return text
        return f"np.{node.dtype.name}({text})"

    def _deserves_line(self, node: Tensor, expression: str) -> bool:
        readers = self.readers.get(node, ())
        if node.name or len(expression) > WIDTH:
            return True
        if len(readers) + (node in self.new_values) > 1:
            return not _is_cheap(node)
        return any(_shows_twice(reader, node) for reader in readers if reader is not node)

    def _sections(self, order: Sequence[Tensor]) -> dict[Tensor, str]:
        """Forward is what the outputs need, backward what gradients need, the rest is the update."""
        forward = set(topological(self.outputs))
        gradients = {f"d_{v.name}" for v in self.updates}
        backward = set(topological([x for x in order if x.name in gradients]))
        return {x: FORWARD if x in forward else BACKWARD if x in backward else UPDATE for x in order}

    def _reads_alone(self, new: Tensor, variable: Tensor, roots: set[Tensor]) -> bool:
        """Whether a new value is all that the old one is for: then it takes its name at once."""
        reader = variable
        while reader is not new and reader not in roots and len(self.readers.get(reader, ())) == 1:
            reader = self.readers[reader][0]
        return reader is new and new is not variable

    def _assign_updates(self) -> list[str]:
        """Assign the new values to the variables' own names, unless a later line still reads an old one.

        Gives the names under which the new values are returned.
        """
        pending = {v: self.texts[new] for v, new in self.updates.items() if self.texts[new] != self.texts[v]}
        self.section = UPDATE if self.updates else ""
        returned = {v: self.texts[v] for v in self.updates}
        listed = list(pending.items())
        for i, (variable, expression) in enumerate(listed):
            name = self.texts[variable]
            later = [text for _, text in listed[i + 1 :]] + [self.texts[x] for x in self.outputs]
            if any(re.search(rf"\b{name}\b", text) for text in later):
                returned[variable] = self.fresh(f"new_{name}")
            self.line(f"{returned[variable]} = {_minimal(expression)}")
            self._note(returned[variable], self.updates[variable], variable)
        return list(returned.values())


def _shows_twice(user: Tensor, node: Tensor) -> bool:
    """Whether the user's expression has this operand more than once."""
    marks = [f"_operand{i}_" for i in range(len(user.inputs))]
    if user.op.source is not None:
        return False
    text = user.op.write(user.op.numpy, user, marks)
    return sum(text.count(mark) for mark, x in zip(marks, user.inputs, strict=True) if x is node) > 1


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
    return (
        f"{code:<{COMMENT_AT}} {comment}"
        if len(code) < COMMENT_AT and comment
        else f"{code}  {comment}".rstrip()
    )


def compile_source(program: Program) -> Any:
    """The printed function itself."""
    source = numpy_source(program)
    namespace: dict[str, Any] = {}
    exec(compile(source, f"<chainrule {program.name}>", "exec"), namespace)
    return namespace[program.name]
