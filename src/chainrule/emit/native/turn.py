"""Narrow matrices that are trained lie turned: the columns of a layer with few units side by side.

BLAS works on whole vectors along the axis that lies side by side in memory. Where that is the shorter axis
of a layer's weights, 10 say, a small batch's two products of the backward pass take up to twice as long.
The program is written anew with the transposed matrix as its variable; whoever loads and reads variables
turns them.
"""

from __future__ import annotations

from ...graph.op import Kind
from ...graph.program import Program
from ...graph.tensor import LEAF, Tensor, apply, placeholder, topological
from ...shapes import Shape
from ..simplify import simplify

LEAST_ROWS, MOST_COLUMNS = 16, 32
"""Of a matrix that pays to turn; measured, with OpenBLAS, for batches of 10 to 256 rows."""


def turn_narrow(program: Program) -> tuple[Program, dict[Tensor, Tensor]]:
    """The same program on transposed matrices, and the leaf that stands for each variable that was turned."""
    narrow = {v for v in program.updates if _is_narrow(v.shape)}
    if not narrow:
        return program, {}
    roots = simplify(program.roots, lower=True)
    new_values = dict(zip(program.updates, roots[len(program.outputs) :], strict=True))
    order = topological(roots)
    chosen = _chosen(narrow, new_values, order)
    leaves = {v: placeholder(v.shape[::-1], v.dtype) for v in program.updates if v in chosen}
    if not leaves:
        return program, {}
    wanted = _with_parts({new_values[v] for v in leaves})
    plain: dict[Tensor, Tensor] = {v: _transposed(leaf) for v, leaf in leaves.items()}
    turned: dict[Tensor, Tensor] = dict(leaves)
    for node in order:
        if node in wanted and node not in turned:
            turned[node] = _turned(node, turned, plain)
            plain[node] = _transposed(turned[node])
        elif node not in plain:
            plain[node] = _rebuilt(node, [plain[x] for x in node.inputs])
    outputs = {name: plain[x] for name, x in zip(program.outputs, roots, strict=False)}
    updates = {leaves.get(v, v): turned[x] if v in leaves else plain[x] for v, x in new_values.items()}
    return Program(program.inputs, outputs, updates, program.name), leaves


def _is_narrow(shape: Shape) -> bool:
    """Whether it is a matrix with many rows and few columns."""
    if len(shape) != 2:
        return False
    rows, columns = shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        return False
    return rows >= LEAST_ROWS and columns <= MOST_COLUMNS and columns < rows


def _chosen(narrow: set[Tensor], new_values: dict[Tensor, Tensor], order: list[Tensor]) -> set[Tensor]:
    """Factors of products that are used in no way that a turned matrix would be slower in, and their kin:
    the rule's own variables (moments, ...), which meet them element by element."""
    factors, unfit = set[Tensor](), set[Tensor]()
    for node in order:
        for x in node.inputs:
            if x in narrow:
                if node.op.kind is Kind.PRODUCT:
                    factors.add(x)
                elif node.op.kind not in (Kind.MAP, Kind.REDUCE) and node.op.name != "transpose":
                    unfit.add(x)
    chosen = set[Tensor]()
    for v in factors:
        kin = {x for x in _with_parts({new_values[v]}) if x in narrow} | {v}
        if not kin & unfit:
            chosen |= kin
    return chosen


def _with_parts(nodes: set[Tensor]) -> set[Tensor]:
    """Nodes, and all that they are made of element by element."""
    found, waiting = set(nodes), list(nodes)
    while waiting:
        node = waiting.pop()
        if _elementwise(node):
            new = {x for x in node.inputs if x.shape == node.shape} - found
            found |= new
            waiting += new
    return found


def _elementwise(node: Tensor) -> bool:
    """Whether it is a map of numbers and of matrices of its own shape."""
    return node.op.kind is Kind.MAP and all(x.shape in ((), node.shape) for x in node.inputs)


def _turned(node: Tensor, turned: dict[Tensor, Tensor], plain: dict[Tensor, Tensor]) -> Tensor:
    """The transposed matrix, made of transposed ones."""
    if _elementwise(node):
        inputs = [turned[x] if x.shape else plain[x] for x in node.inputs]
        return Tensor(node.op, inputs, node.attrs, node.shape[::-1], node.dtype)
    if node.op.kind is Kind.PRODUCT and all(x.ndim == 2 for x in node.inputs):
        x, y = (plain[x] for x in node.inputs)
        return Tensor(node.op, [_transposed(y), _transposed(x)], node.attrs, node.shape[::-1], node.dtype)
    return _transposed(_rebuilt(node, [plain[x] for x in node.inputs]))


def _transposed(x: Tensor) -> Tensor:
    if x.op.name == "transpose":  # a matrix has one way to be turned
        return x.inputs[0]
    return apply("transpose", x, axes=(1, 0))


def _rebuilt(node: Tensor, inputs: list[Tensor]) -> Tensor:
    if node.op is LEAF or all(new is x for new, x in zip(inputs, node.inputs, strict=True)):
        return node
    return Tensor(node.op, inputs, node.attrs, node.shape, node.dtype)
