"""Any node as a formula, and a whole program as formulas, from the records that the engines run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import DTypeError, ParameterError
from ..graph.op import Kind
from ..graph.program import Program
from ..graph.tensor import CONSTANT, LEAF, SIZE, Tensor, topological
from ..shapes import names_in
from .notation import Part, Writer, find_notation
from .numpy_source import signature
from .simplify import simplify

LONGEST = 10_000  # letters of one formula; a graph that shares nodes could otherwise need billions
LINE = 8  # ops in an expression, above which it gets a line and a name of its own


def formula(tensor: Tensor, notation: str = "text", depth: int | None = None, values: bool = False) -> str:
    """A tensor as a formula of the named tensors that it is made of.

    Parameters
    ----------
    tensor : Tensor
        If it has a name, the formula starts with it: ``z1 = x @ W1 + b1``.
    notation : {"text", "latex"}
        NumPy's expressions without ``np.``, or LaTeX for math mode.
    depth : int, optional
        How many ops to show, one inside the other; three dots stand for what lies deeper. Without it the
        formula reaches down to tensors that have a name, and to leaves.
    values : bool
        Put in numbers, of nine significant digits, for tensors with one element, and end with the result if
        that has one element. A tensor that depends on an input without a value keeps its name.

    Returns
    -------
    str

    Raises
    ------
    DTypeError
        If `tensor` is none.
    UnknownNameError
        If there is no such notation.
    ParameterError
        If `depth` is not a positive int, or the formula would be longer than 10,000 letters.

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.tensor(2.0, name="a"), cr.tensor(-3.0, name="b")
    >>> c = a * b + cr.tanh(a)
    >>> c.name = "c"
    >>> print(formula(c))
    c = a * b + tanh(a)
    >>> print(formula(c, values=True))
    c = 2 * -3 + tanh(2) = -5.03597242
    >>> print(formula(c, notation="latex"))
    c = a \\cdot b + \\tanh(a)
    """
    writer = find_notation(notation)
    if not isinstance(tensor, Tensor):
        raise DTypeError(f"formula: expected a tensor, got {tensor!r:.60}. Pass e.g. loss or loss.grad.")
    if depth is not None and (type(depth) is not int or depth < 1):
        raise ParameterError(f"formula: depth must be a positive int or None, got {depth!r}. Pass depth=3.")
    ends = _Ends(writer, tensor, values)
    sides = [writer.name(tensor.name).text] if tensor.name else []
    if tensor.inputs:
        sides.append(expression(tensor, writer, ends.find, depth).text)
    elif not tensor.name:
        sides.append(ends.leaf(tensor).text)
    if values and (tensor.inputs or tensor.name) and _is_number(tensor) and _is_known(tensor):
        sides.append(writer.number(tensor.item()).text)
    return f" {writer.assigns} ".join(sides)


class _Ends:
    """Where a formula stops: names, numbers, and letters for leaves that have neither."""

    def __init__(self, writer: Writer, root: Tensor, values: bool) -> None:
        self.writer, self.root, self.values = writer, root, values
        self.given: dict[Tensor, Part] = {}

    def find(self, node: Tensor) -> Part | None:
        """What stands for a node below the root; None if its expression does."""
        if node.is_leaf:
            return self.leaf(node)
        if not node.name:
            return None
        if self.values and _is_number(node) and _is_known(node):
            return self.writer.number(node.item())
        return self.writer.name(node.name)

    def leaf(self, node: Tensor) -> Part:
        """A constant, a size, an input or a variable."""
        if node.op is CONSTANT:
            return self.writer.number(node.attrs["value"])
        if node.op is SIZE:
            return self.writer.size(node.attrs["dim"])
        if node.value is not None and _is_number(node) and (self.values or not node.name):
            return self.writer.number(node.item())
        return self.writer.name(node.name) if node.name else self._letter(node)

    def _letter(self, node: Tensor) -> Part:
        if node not in self.given:
            if not self.given:
                self.taken = {x.name for x in topological([self.root])}
            number = next(i for i in range(1, len(self.taken) + 2) if f"x{i}" not in self.taken)
            self.taken.add(f"x{number}")
            self.given[node] = self.writer.name(f"x{number}")
        return self.given[node]


def expression(
    root: Tensor, writer: Writer, find: Callable[[Tensor], Part | None], depth: int | None = None
) -> Part:
    """The expression of a node that is no leaf.

    Parameters
    ----------
    root : Tensor
    writer : Writer
    find : callable
        What stands for a node below the root; None where the node's own expression does. Leaves always have
        something.
    depth : int, optional
        How many ops to show; dots stand for what lies deeper.

    Raises
    ------
    ParameterError
        If it would be longer than 10,000 letters.
    """
    done: dict[tuple[Tensor, int | None], Part] = {}
    stack = [(root, depth)]  # no recursion: a graph may be deeper than the interpreter's stack
    while stack:
        node, left = stack[-1]
        below = None if left is None else left - 1
        waiting = []
        for x in dict.fromkeys(node.inputs):
            if (x, below) in done:
                continue
            end = find(x)
            if end is None and below == 0:
                end = Part(writer.dots)
            if end is None:
                waiting.append((x, below))
            else:
                done[x, below] = end
        if waiting:
            stack += reversed(waiting)
            _require_short(len(stack), root)
            continue
        stack.pop()
        if (node, left) not in done:
            done[node, left] = part = writer.node(node, [done[x, below] for x in node.inputs])
            _require_short(max(len(part.text), len(done)), root)
    return done[root, depth]


def _require_short(letters: int, root: Tensor) -> None:
    if letters > LONGEST:
        raise ParameterError(
            f"formula: that of {root.name or root.op.name} would be longer than {LONGEST:,} letters. Give "
            "intermediate tensors a name (z.name = 'z'), at which it stops, or pass e.g. depth=3."
        )


def _is_number(x: Tensor) -> bool:
    return x.op.kind is not Kind.CONTROL and x.dtype.kind in "biuf" and all(d == 1 for d in x.shape)


def _is_known(x: Tensor) -> bool:
    """Whether it depends on no input without a value, and on no size that only an input tells."""
    order = topological([x], known=lambda node: node.value is not None)
    return not any(node.op is LEAF or node.op is SIZE or names_in(node.shape) for node in order)


def _body(loop: Tensor) -> Program:
    """A loop's step as a program of its own, in which the carried state is what is updated."""
    program: Program = loop.attrs["program"]
    carries = loop.attrs["carries"]
    results = list(program.outputs.items())
    state = dict(zip(program.inputs[:carries], (new for _, new in results[:carries]), strict=True))
    return Program(program.inputs[carries:], dict(results[carries:]), state, program.name)


# programs -------------------------------------------------------------------------------------


def formulas(program: Program, notation: str = "text") -> str:
    """A program as formulas, a line each, of its simplified graph.

    Every tensor that has a name or several users gets a line, in the order forward, backward, update. New
    values of variables have an arrow. Read from top to bottom: a name means what was last said of it. The
    lines of a loop's body are indented below it.

    Parameters
    ----------
    program : Program
    notation : {"text", "latex"}

    Raises
    ------
    UnknownNameError
        If there is no such notation.

    Examples
    --------
    >>> import chainrule as cr
    >>> w = cr.tensor(1.0, name="w")
    >>> x = cr.placeholder((), "float64", name="x")
    >>> loss = (w * x - 1) ** 2
    >>> (slope,) = cr.gradient(loss, [w])
    >>> print(formulas(cr.Program([x], {"loss": loss}, {w: w - 0.1 * slope})))
    v1 = w * x - 1
    loss = v1 ** 2
    d_w = 2 * v1 * x
    w <- w - 0.1 * d_w
    """
    return "\n".join(_Lines(program, find_notation(notation)).written())


class _Lines:
    """Writes the formulas of one program: what gets a line, its name, and the order."""

    def __init__(self, program: Program, writer: Writer, indent: str = "") -> None:
        self.program, self.writer, self.indent = program, writer, indent
        roots = simplify(program.roots)
        self.outputs = dict(zip(program.outputs, roots, strict=False))
        self.updates = dict(zip(program.updates, roots[len(self.outputs) :], strict=True))
        self.order = sorted(topological(roots), key=lambda x: x.serial)
        self.readers: dict[Tensor, list[Tensor]] = {}
        for node in self.order:
            for x in node.inputs:
                self.readers.setdefault(x, []).append(node)
        self.taken: set[str] = set()
        self.names: dict[Tensor, str] = {}
        self.parts: dict[Tensor, Part] = {}
        self.old: dict[Tensor, frozenset[Tensor]] = {}  # the variables that each node's part shows
        self.weight: dict[Tensor, int] = {}  # how many ops each node's part shows
        self.lines: list[str] = []

    def written(self) -> list[str]:
        """All lines."""
        for i, leaf in enumerate(signature(self.program)):
            self._call(leaf, leaf.name or f"x{i}")
        shown = set(self.outputs.values())
        wishes = {new: f"new_{self.names[v]}" for v, new in self.updates.items()}
        wishes |= {root: label for label, root in reversed(self.outputs.items()) if label.isidentifier()}
        at_once = {new: v for v, new in self.updates.items() if v not in shown and self._reads_alone(new, v)}
        last = {new for new in self.updates.values() if new not in shown and new not in self.readers}
        for node in self._in_sections():
            if node.is_leaf:
                self._leaf(node)
                continue
            part = self._inline(node)
            if node in last:
                continue
            if node in at_once:
                variable = at_once[node]
                self.names[node], self.parts[node] = self.names[variable], self.parts[variable]
                self.old[node], self.weight[node] = frozenset(), 0
                self._line(self.parts[node], self.writer.becomes, part)
            elif node in wishes or self._deserves_line(node):
                self._call(node, node.name or wishes.get(node, node.op.name if self._is_loop(node) else "v1"))
                self._line(self.parts[node], self.writer.assigns, part)
            if self._is_loop(node):
                self.lines += _Lines(_body(node), self.writer, self.indent + self.writer.indent).written()
        self._labels()
        self._new_values()
        return self.lines

    def _leaf(self, node: Tensor) -> None:
        if node not in self.parts:
            self.parts[node] = _Ends(self.writer, node, values=False).leaf(node)
        self.old[node] = frozenset({node} if node in self.updates else ())
        self.weight[node] = 0

    def _inline(self, node: Tensor) -> Part:
        """Enter a node's expression as what stands for it."""
        self.parts[node] = part = self.writer.node(node, [self.parts[x] for x in node.inputs])
        self.old[node] = frozenset().union(*(self.old[x] for x in node.inputs))
        self.weight[node] = 1 + sum(self.weight[x] for x in node.inputs)
        return part

    def _call(self, node: Tensor, wish: str) -> None:
        """Let a name stand for a node."""
        self.names[node] = self._fresh(wish)
        self.parts[node] = self.writer.name(self.names[node])
        self.weight[node] = 0
        if node.inputs:
            self.old[node] = frozenset()

    def _fresh(self, wish: str) -> str:
        """A name that nothing else has: `wish`, or with another number."""
        stem = wish.rstrip("0123456789")
        name, number = wish, 1
        while name in self.taken:
            number += 1
            name = f"{stem}{number}" if stem != wish else f"{stem}_{number}"
        self.taken.add(name)
        return name

    def _line(self, left: Part, sign: str, right: Part) -> None:
        self.lines.append(f"{self.indent}{left.text} {sign} {right.text}")

    def _in_sections(self) -> Sequence[Tensor]:
        """Forward is what outputs need, backward what gradients need, the rest is the update."""
        forward = set(topological(self.outputs.values()))
        gradients = {f"d_{v.name}" for v in self.updates}
        backward = set(topological([x for x in self.order if x.name in gradients]))
        return sorted(self.order, key=lambda x: 0 if x in forward else 1 if x in backward else 2)

    @staticmethod
    def _is_loop(node: Tensor) -> bool:
        return isinstance(node.attrs.get("program"), Program)

    def _deserves_line(self, node: Tensor) -> bool:
        if node.name or self._is_loop(node) or self.weight[node] > LINE:
            return True
        view = node.op.kind is Kind.ITEM or node.op.name in ("transpose", "expand", "astype", "reshape")
        return len(self.readers.get(node, ())) > 1 and not (view and node.inputs[0] in self.names)

    def _reads_alone(self, new: Tensor, variable: Tensor) -> bool:
        """Whether the old value is read on the way to the new one only, so that the name can change there."""
        reader = variable
        while reader is not new and len(self.readers.get(reader, ())) == 1:
            reader = self.readers[reader][0]
        return reader is new and new is not variable

    def _labels(self) -> None:
        """Outputs whose tensors are called otherwise."""
        for label, root in self.outputs.items():
            passed_on = self.indent and root.is_leaf
            if self.names.get(root) != label and not passed_on:
                name = self._fresh(label if label.isidentifier() else "output")
                self._line(self.writer.name(name), self.writer.assigns, self.parts[root])

    def _new_values(self) -> None:
        """What is left to assign; a later line may still read an old value."""
        pending = [(v, new) for v, new in self.updates.items() if self.names.get(new) != self.names[v]]
        after: list[tuple[Part, Part]] = []
        for i, (variable, new) in enumerate(pending):
            target, part = self.parts[variable], self.parts[new]
            if any(variable in self.old[other] for _, other in pending[i + 1 :]):
                kept = self.writer.name(self._fresh(f"new_{self.names[variable]}"))
                after.append((target, kept))
                self._line(kept, self.writer.assigns, part)
            else:
                self._line(target, self.writer.becomes, part)
        for target, kept in after:
            self._line(target, self.writer.becomes, kept)


__all__ = ["formula", "formulas"]
