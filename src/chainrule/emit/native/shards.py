"""A batch shared out among lanes: each works on some of the rows, then the sums over rows are added.

Rows of a batch meet only where something is summed over them: a parameter's gradient, the loss. A
program of that kind is cut there in two. The first part gives each lane's sums; the second adds
them, in a fixed order, and does the rest. A large product over rows, as the gradient of a wide layer's
weights, is not made twice and added: all lanes' rows lie side by side, and each lane makes some rows of
the product in the second part. How many lanes there are follows from the work alone, so that the result
does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...graph.op import Kind
from ...graph.program import Program
from ...graph.tensor import LEAF, SIZE, Tensor, placeholder, topological
from ...shapes import Dim, Size, evaluate, names_in, product
from ..engine import is_batched
from ..simplify import simplify

LANES = 2
ROWS = "n"
LARGE = 2**15
"""Elements of a product from which adding two of them costs more than lanes' waiting for one another."""


@dataclass
class Cut:
    """A program cut at its sums over rows."""

    rows: Program  # from a lane's rows to its sums
    rest: Program  # from all lanes' sums to outputs and updates
    sums: list[Tensor]  # inputs of `rest`, those of the first lane, then of the second, ...
    sizes: dict[Dim, Tensor]  # inputs of both that hold the whole batch's sizes
    whole: dict[Tensor, Tensor | str]  # inputs of `rest`: all lanes' rows of an input or output of `rows`


def cut_rows(program: Program) -> Cut | None:
    """Cut a program at its sums over rows; None if rows meet in another way."""
    named = [x for x in program.inputs if is_batched(x)]
    batched = [x for x in named if x.shape[0] == Size.named(ROWS)]
    again = any(ROWS in names_in(x.shape[1:]) for x in program.inputs)
    if not batched or again or len(batched) < len(named) or not program.updates:
        return None
    roots = simplify(program.roots, lower=True)
    order = topological(roots)
    kind: dict[Tensor, str] = {}
    for node in order:
        found = _kind(node, kind)
        if found is None:
            return None
        kind[node] = found
    if any(kind[root] in ("rows", "turned") for root in roots):
        return None
    sizes: dict[Dim, Tensor] = {}

    def size_input(node: Tensor) -> Tensor:
        dim = node.attrs["dim"]
        if dim not in sizes:
            sizes[dim] = placeholder((), node.dtype)
        return sizes[dim]

    large = [node for node in order if kind[node] == "sum" and _is_large_product(node)]
    sums = [node for node in order if kind[node] == "sum" and node not in set(large)]
    factors = dict.fromkeys(x for node in large for x in (node.inputs[0].inputs[0], node.inputs[1]))
    gathered = {x: placeholder(x.shape, x.dtype) for x in factors}
    rows_swap: dict[Tensor, Tensor] = {}
    rest_swap: dict[Tensor, Tensor] = {}
    for node in large:
        turned, right = node.inputs
        left = _rebuilt(turned, {turned.inputs[0]: gathered[turned.inputs[0]]})
        rest_swap[node] = _rebuilt(node, {turned: left, right: gathered[right]})
    parts: list[list[Tensor]] = [[placeholder(s.shape, s.dtype) for s in sums] for _ in range(LANES)]
    for i, node in enumerate(sums):
        total = parts[0][i]
        for lane in range(1, LANES):
            total = total + parts[lane][i]
        rest_swap[node] = total
    for node in order:
        if node.op is SIZE and ROWS in names_in([node.attrs["dim"]]):
            rows_swap[node] = rest_swap[node] = size_input(node)
        if node not in rows_swap and kind[node] != "after":
            rows_swap[node] = _rebuilt(node, rows_swap)
        if node not in rest_swap and kind[node] in ("whole", "after"):
            rest_swap[node] = _rebuilt(node, rest_swap)
    scalars = [x for x in program.inputs if ROWS not in names_in(x.shape)]  # others have rows, or no use
    given = {x: x if x.op is LEAF else f"rows_{i}" for i, x in enumerate(gathered)}
    rows = Program(
        [*batched, *sizes.values(), *scalars],
        {f"sum_{i}": rows_swap[s] for i, s in enumerate(sums)}
        | {name: rows_swap[x] for x, name in given.items() if isinstance(name, str)},
        name="rows",
    )
    outputs = dict(zip(program.outputs, (rest_swap[r] for r in roots), strict=False))
    updates = dict(zip(program.updates, (rest_swap[r] for r in roots[len(outputs) :]), strict=True))
    every = [x for lane in parts for x in lane]
    inputs = [*every, *gathered.values(), *sizes.values(), *scalars]
    rest = Program(inputs, outputs, updates, name="rest")
    return Cut(rows, rest, every, sizes, {leaf: given[x] for x, leaf in gathered.items()})


def rows_apart(program: Program) -> bool:
    """Whether each output has rows, and each of them depends on that row of the inputs alone."""
    roots = simplify(program.roots, lower=True)
    kind: dict[Tensor, str] = {}
    for node in topological(roots):
        found = _kind(node, kind)
        if found is None or (node.op is SIZE and ROWS in names_in([node.attrs["dim"]])):
            return False
        kind[node] = found
    return all(kind[root] == "rows" for root in roots)


def _is_large_product(node: Tensor) -> bool:
    """Whether a sum over rows is a product with many elements, of factors that lie in memory as they are."""
    if node.op.kind is not Kind.PRODUCT:
        return False
    elements = evaluate(product(node.shape), {})
    turned, right = node.inputs
    plain = all(x.ndim == 2 and x.op.name != "reshape" for x in (turned.inputs[0], right))
    return plain and turned.op.name == "transpose" and elements >= LARGE


def _rebuilt(node: Tensor, swap: dict[Tensor, Tensor]) -> Tensor:
    if not node.inputs or all(swap.get(x, x) is x for x in node.inputs):
        return node
    inputs = [swap.get(x, x) for x in node.inputs]
    return Tensor(node.op, inputs, node.attrs, node.shape, node.dtype)


def _knows_rows(program: Program) -> bool:
    """Whether a nested program uses the number of rows."""
    return any(
        ROWS in names_in([*x.shape, *([x.attrs["dim"]] if x.op is SIZE else [])])
        or (x.op.kind is Kind.CONTROL and _knows_rows(x.attrs["program"]))
        for x in topological(program.roots)
    )


def _kind(node: Tensor, kind: dict[Tensor, str]) -> str | None:
    """What a node is: "rows" (an axis of rows comes first), "turned" (a transposed one), "sum" over
    rows, "after" (made of sums), or "whole" (made of neither); None if lanes cannot compute it."""
    inputs = [kind[x] for x in node.inputs]
    named = [d for d in node.shape if ROWS in names_in([d])]
    if node.op is SIZE:
        return "whole"
    if node.op.kind is Kind.CONTROL and _knows_rows(node.attrs["program"]):
        return None
    if "rows" not in inputs and "turned" not in inputs:
        if not named:
            return "after" if "sum" in inputs or "after" in inputs else "whole"
        first = node.shape[0] == Size.named(ROWS) and len(named) == 1
        return "rows" if first and (node.op is LEAF or node.op.name == "expand") else None
    if "sum" in inputs or "after" in inputs:
        return None  # a sum goes back to the rows, as in batch normalisation
    op, name = node.op, node.op.name
    if op.kind is Kind.PRODUCT:
        a, b = inputs
        if a == "rows" and b == "whole" and node.inputs[1].ndim == 2:
            return "rows"
        return (
            "sum" if a == "turned" and b == "rows" and node.ndim == 2 and node.inputs[1].ndim == 2 else None
        )
    if "turned" in inputs:
        return None
    x = node.inputs[0]
    if op.kind is Kind.REDUCE:
        if 0 in node.attrs["axis"]:
            return "sum" if name == "sum" else None
        return "rows"
    if name == "transpose":
        if node.attrs["axes"][0] == 0:
            return "rows"
        return "turned" if node.ndim == 2 else None
    if not node.shape or node.shape[0] != Size.named(ROWS) or len(named) != 1:
        return None
    if op.kind is Kind.MAP or name == "expand":
        aligned = all(k != "rows" or i.ndim == node.ndim for i, k in zip(node.inputs, inputs, strict=True))
        return "rows" if aligned else None
    if name in ("pick", "one_hot") or (name == "reshape" and x.shape[:1] == node.shape[:1]):
        return "rows"
    if name == "slice" and node.attrs["key"][0] == (None, None, 1):
        return "rows"
    if name == "concatenate" and node.attrs["axis"] != 0 and all(k == "rows" for k in inputs):
        return "rows"
    return None
