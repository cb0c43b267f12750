"""scan: a loop with a carried state, as one op whose attribute is the loop's body as a Program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..autodiff.forward import Sweep, zeros
from ..autodiff.gradient import backpropagate
from ..errors import DTypeError, ParameterError, ShapeError
from ..graph.evaluate import interpret
from ..graph.op import OPS, Kind, op
from ..graph.program import Program
from ..graph.tensor import LEAF, Tensor, as_tensor, placeholder, topological
from ..ops.reduce import sum as total
from ..shapes import Dim, evaluate, evaluate_shape

Body = Callable[..., tuple[Any, Any]]


def scan(
    body: Body,
    init: Any,
    sequences: Any = (),
    length: Any = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run a body along the first axis of sequences, carrying a state from step to step.

    Parameters
    ----------
    body : callable
        ``body(carry, row) -> (new carry, output)``. A carry, row or output is one tensor or a
        tuple of tensors (an output may be None); it is called once, to make the graph of one
        step. Tensors from outside that it uses take part in differentiation.
    init : tensor or tuple of tensors
        The first carry.
    sequences : tensor or tuple of tensors, shape (length, ...)
        What each step gets a row of; () for none.
    length : int, str or Size, optional
        The number of steps, where there are no sequences.
    reverse : bool
        Run from the last row to the first; outputs stay in the rows' order.

    Returns
    -------
    carry, outputs
        The last carry, and the outputs stacked to shape (length, ...), in the form that `init`
        and the body's output have.

    Raises
    ------
    ShapeError, DTypeError
        If sequences differ in length, or a new carry differs from the carry in shape or type.

    Examples
    --------
    >>> import chainrule as cr
    >>> last, sums = cr.scan(lambda total, x: (total + x, total + x), 0.0, cr.tensor([1.0, 2.0, 3.0]))
    >>> float(last), sums.numpy().tolist()
    (6.0, [1.0, 3.0, 6.0])
    """
    carries, rebuild_carry = _listed(init)
    rows, rebuild_rows = _listed(sequences)
    steps = _length(rows, length)
    names = _argument_names(body)
    carry_places = [
        placeholder(x.shape, x.dtype, _numbered(names[0], i, carries)) for i, x in enumerate(carries)
    ]
    row_places = [placeholder(x.shape[1:], x.dtype, _numbered(names[1], i, rows)) for i, x in enumerate(rows)]
    answer: Any = body(rebuild_carry(carry_places), rebuild_rows(row_places))
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ParameterError("scan: the body returns a pair (new carry, output); None for no output")
    new_carries, _ = _listed(answer[0])
    outputs, rebuild_outputs = _listed(() if answer[1] is None else answer[1])
    _check_carries(carries, new_carries)
    results = _scan_node(carry_places, row_places, new_carries, outputs, carries, rows, steps, reverse)
    last = rebuild_carry(results[: len(carries)])
    stacked = results[2 * len(carries) :]
    return last, None if answer[1] is None else rebuild_outputs(stacked)


def _scan_node(
    carry_places: Sequence[Tensor],
    row_places: Sequence[Tensor],
    new_carries: Sequence[Tensor],
    outputs: Sequence[Tensor],
    carries: Sequence[Tensor],
    rows: Sequence[Tensor],
    steps: Dim,
    reverse: bool,
) -> list[Tensor]:
    """The op's node; its results are last carries, the carries before each step, and outputs.

    The carries before each step are what the gradient needs; nobody stores them if nobody asks.
    """
    roots, outside, inside = _closed([*new_carries, *carry_places, *outputs], [*carry_places, *row_places])
    count = len(carries)
    labels = [f"carry{i}" for i in range(count)] + [f"before{i}" for i in range(count)]
    labels += [f"output{i}" for i in range(len(outputs))]
    program = Program(
        [*carry_places, *row_places, *inside], dict(zip(labels, roots, strict=True)), name="scan"
    )
    shapes = [x.shape if i < count else (steps, *x.shape) for i, x in enumerate(roots)]
    attrs = {
        "program": program,
        "carries": count,
        "rows": len(rows),
        "length": steps,
        "reverse": reverse,
        "results": tuple(zip(shapes, [x.dtype.name for x in roots], strict=True)),
    }
    node = Tensor(OPS["scan"], [*carries, *rows, *outside], attrs, (), np.dtype(np.float64))
    return [
        Tensor(OPS["item"], (node,), {"item": i}, shape, np.dtype(x.dtype))
        for i, (shape, x) in enumerate(zip(shapes, roots, strict=True))
    ]


def _closed(
    roots: Sequence[Tensor], places: Sequence[Tensor]
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """The roots with tensors from outside replaced by places: roots, outside tensors, their places."""
    known = set(places)
    order = topological(roots)
    depends, fixed = set(known), set[Tensor]()
    for node in order:
        if any(x in depends for x in node.inputs):
            depends.add(node)
        elif node.op is not LEAF and all(x in fixed for x in node.inputs):
            fixed.add(node)  # made of numbers alone
    swap: dict[Tensor, Tensor] = {x: x for x in (*known, *fixed)}
    outside: dict[Tensor, Tensor] = {}

    def inner(node: Tensor) -> Tensor:
        if node in swap:
            return swap[node]
        if node.op.name == "transpose":  # costs nothing where it is read
            return Tensor(node.op, [inner(node.inputs[0])], node.attrs, node.shape, node.dtype)
        if node not in outside:
            outside[node] = placeholder(node.shape, node.dtype, node.name)
        return outside[node]

    for node in order:
        if node in depends and node not in swap:
            inputs = [inner(x) for x in node.inputs]
            swap[node] = Tensor(node.op, inputs, node.attrs, node.shape, node.dtype, node.name)
    return [inner(root) for root in roots], list(outside), list(outside.values())


def _listed(value: Any) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
    """Tensors from one or a tuple of them, and the way back to that form."""
    if isinstance(value, tuple | list):
        return [as_tensor(x) for x in value], tuple
    return [as_tensor(value)], lambda xs: xs[0]


def _numbered(name: str, i: int, among: Sequence[Tensor]) -> str:
    return name if len(among) == 1 else f"{name}{i + 1}"


def _argument_names(body: Body) -> tuple[str, str]:
    try:
        names = [p.name for p in inspect.signature(body).parameters.values()]
    except (TypeError, ValueError):
        names = []
    return (names[0], names[1]) if len(names) == 2 and names[1] != "_" else ("carry", "row")


def _length(rows: Sequence[Tensor], length: Any) -> Dim:
    for x in rows:
        if not x.ndim:
            raise ShapeError("scan: a sequence needs an axis of steps, got a tensor without axes")
        if x.shape[0] != rows[0].shape[0]:
            raise ShapeError(f"scan: sequences differ in length: {rows[0].shape[0]} and {x.shape[0]}")
    if rows:
        if length is not None and length != rows[0].shape[0]:
            raise ShapeError(f"scan: length {length} differs from the sequences' {rows[0].shape[0]}")
        return rows[0].shape[0]
    if length is None:
        raise ParameterError("scan: without sequences the number of steps is needed: length=10")
    return placeholder((length,)).shape[0]


def _check_carries(old: Sequence[Tensor], new: Sequence[Tensor]) -> None:
    if len(old) != len(new):
        raise ShapeError(f"scan: the carry has {len(old)} tensors, the body's new carry {len(new)}")
    for before, after in zip(old, new, strict=True):
        if before.shape != after.shape:
            raise ShapeError(f"scan: the carry has shape {before.shape}, the new carry {after.shape}")
        if before.dtype != after.dtype:
            raise DTypeError(f"scan: the carry is {before.dtype}, the new carry {after.dtype}")


# readings -------------------------------------------------------------------------------------


def _run(node: Tensor, sizes: Mapping[str, int], *arrays: Any) -> tuple[Any, ...]:
    """Interpret the body for each step."""
    attrs = node.attrs
    program: Program = attrs["program"]
    count, rows = attrs["carries"], attrs["rows"]
    carry, sequences, outside = list(arrays[:count]), arrays[count : count + rows], arrays[count + rows :]
    steps = evaluate(attrs["length"], sizes)
    stacked = [np.zeros(evaluate_shape(shape, sizes), dtype) for shape, dtype in attrs["results"][count:]]
    roots = list(program.outputs.values())
    for i in _order(steps, attrs["reverse"]):
        values = dict(zip(program.inputs, [*carry, *(s[i] for s in sequences), *outside], strict=True))
        results = interpret(roots, values)
        carry = results[:count]
        for k, part in enumerate(results[count:]):
            if np.iscomplexobj(part) and not np.iscomplexobj(stacked[k]):
                stacked[k] = stacked[k].astype(complex)
            stacked[k][i] = part
    return (*carry, *stacked)


def _order(steps: int, reverse: bool) -> Iterator[int]:
    return iter(range(steps - 1, -1, -1) if reverse else range(steps))


def _vjp(grads: dict[int, Tensor], y: Tensor, *inputs: Tensor, **attrs: Any) -> tuple[Tensor | None, ...]:
    """The loop backwards: it carries the carry's gradient and sums those of tensors from outside."""
    program: Program = attrs["program"]
    count, rows, steps = attrs["carries"], attrs["rows"], attrs["length"]
    roots = list(program.outputs.values())
    places = list(program.inputs)
    smooth = [i for i, p in enumerate(places) if p.dtype.kind == "f"]
    carried = [i for i in range(count) if i in smooth]
    outer = [i for i in range(count + rows, len(places)) if i in smooth]
    through = [i for i in range(count, count + rows) if i in smooth]
    given = [k for k in sorted(grads) if k >= count]

    def item(k: int) -> Tensor:
        shape, dtype = attrs["results"][k]
        return Tensor(OPS["item"], (y,), {"item": k}, shape, np.dtype(dtype))

    first = tuple([grads.get(i, zeros(places[i])) for i in carried] + [zeros(inputs[i]) for i in outer])
    sequences = (
        *(item(count + i) for i in range(count)),
        *inputs[count : count + rows],
        *(grads[k] for k in given),
    )
    outside = inputs[count + rows :]

    def back(carry: tuple[Tensor, ...], row: tuple[Tensor, ...]) -> tuple[Any, Any]:
        before, given_rows = row[: count + rows], row[count + rows :]
        free = [placeholder(x.shape, x.dtype) for x in outside]  # apart, though one is made of another
        new = _substituted(roots, places, [*before, *free])
        slopes, sums = carry[: len(carried)], carry[len(carried) :]
        weighed = [total(new[i] * slope) for i, slope in zip(carried, slopes, strict=True)]
        weighed += [total(new[k] * g) for k, g in zip(given, given_rows, strict=True)]
        objective = weighed[0]
        for part in weighed[1:]:
            objective = objective + part
        inner = [before[i] for i in (*carried, *through)] + [free[i - count - rows] for i in outer]
        found = backpropagate(objective, inner)
        parts = _substituted([found[x] if x in found else zeros(x) for x in inner], free, outside)
        by_carry, by_row = parts[: len(carried)], parts[len(carried) : len(carried) + len(through)]
        by_outside = parts[len(carried) + len(through) :]
        sums = tuple(s + p for s, p in zip(sums, by_outside, strict=True))
        return (*by_carry, *sums), tuple(by_row)

    last, stacked = scan(back, first, sequences, length=steps, reverse=not attrs["reverse"])
    found: dict[int, Tensor] = dict(zip([*carried, *outer], last, strict=True))
    found.update(zip(through, stacked, strict=True))
    return tuple(found.get(i) for i in range(len(inputs)))


def _jvp(y: Tensor, tangents: Sequence[Tensor | None]) -> dict[int, Tensor]:
    """A loop of the same direction that carries the carry and its tangent."""
    attrs = y.attrs
    program: Program = attrs["program"]
    count, rows = attrs["carries"], attrs["rows"]
    roots, places = list(program.outputs.values()), list(program.inputs)
    moving = {i for i, t in enumerate(tangents) if t is not None}
    while True:  # a carry that stands still at first may move from the second step on
        dots = {i: placeholder(places[i].shape, places[i].dtype) for i in sorted(moving)}
        moved = Sweep(roots, {places[i]: dot for i, dot in dots.items()}).tangents
        started = {i for i in range(count) if roots[i] in moved} - moving
        if not started:
            break
        moving |= started
    carried = [i for i in dots if i < count]
    through = [i for i in dots if count <= i < count + rows]
    outer = [i for i in dots if i >= count + rows]
    given = [k for k in range(count, len(roots)) if roots[k] in moved]
    wanted = [
        *roots[:count],
        *(moved.get(roots[i], zeros(roots[i])) for i in carried),
        *(moved[roots[k]] for k in given),
    ]
    inner = [*places, *(dots[i] for i in (*carried, *through, *outer))]

    def forth(carry: tuple[Tensor, ...], row: tuple[Tensor, ...]) -> tuple[Any, Any]:
        values = [*carry[:count], *row[:rows], *y.inputs[count + rows :], *carry[count:], *row[rows:]]
        found = _substituted(wanted, inner, [*values, *_present(tangents, outer)])
        return tuple(found[: count + len(carried)]), tuple(found[count + len(carried) :])

    first = [zeros(places[i]) if (t := tangents[i]) is None else t for i in carried]
    last, stacked = scan(
        forth,
        (*y.inputs[:count], *first),
        (*y.inputs[count : count + rows], *_present(tangents, through)),
        length=attrs["length"],
        reverse=attrs["reverse"],
    )
    return dict(zip([*carried, *given], [*last[count:], *stacked], strict=True))


def _present(tangents: Sequence[Tensor | None], places: Sequence[int]) -> list[Tensor]:
    return [t for t in (tangents[i] for i in places) if t is not None]


def _substituted(roots: Sequence[Tensor], places: Sequence[Tensor], values: Sequence[Tensor]) -> list[Tensor]:
    """The body's results for other inputs."""
    swap = dict(zip(places, values, strict=True))
    for node in topological(roots):
        if node not in swap:
            inputs = [swap[x] for x in node.inputs]
            swap[node] = Tensor(node.op, inputs, node.attrs, node.shape, node.dtype) if inputs else node
    return [swap[root] for root in roots]


def _source(writer: Any, node: Tensor) -> None:
    """A for loop in the printed source."""
    attrs = node.attrs
    program: Program = attrs["program"]
    count, rows, steps = attrs["carries"], attrs["rows"], attrs["length"]
    used = writer.results_of(node)
    places = program.inputs
    texts = [writer.atom(x) for x in node.inputs]
    names = [writer.fresh(p.name or "carry") for p in places[:count]]
    for name, text in zip(names, texts, strict=False):
        writer.line(f"{name} = {text}")
    stacks = {}
    for k in sorted(used):
        if k >= count:
            shape, dtype = attrs["results"][k]
            stacks[k] = writer.fresh(used[k].name or ("before" if k < 2 * count else "outputs"))
            writer.line(f"{stacks[k]} = np.zeros({shape!r}, {dtype!r})", shape)
    i = writer.fresh("i")
    order = f"reversed(range({steps}))" if attrs["reverse"] else f"range({steps})"
    writer.line(f"for {i} in {order}:")
    row_texts = [f"{text}[{i}]" for text in texts[count : count + rows]]
    bound = dict(zip(places, [*names, *row_texts, *texts[count + rows :]], strict=True))
    wanted = [k for k in range(len(program.outputs)) if k < count or k in used]
    with writer.block(bound):
        results = writer.nested(program, wanted)
        for k in stacks:
            writer.line(f"{stacks[k]}[{i}] = {results[k]}")
        if names:
            writer.line(f"{', '.join(names)} = {', '.join(results[k] for k in range(count))}")
    for k, item in used.items():
        writer.texts[item] = names[k] if k < count else stacks[k]


op(
    "scan",
    kind=Kind.CONTROL,
    inputs=(),
    shape=lambda *shapes, **attrs: (),
    numpy="",
    latex=lambda node, texts: rf"\operatorname{{scan}}({', '.join(texts)})",
    run=_run,
    vjp=_vjp,
    jvp=_jvp,
    source=_source,
)
op(
    "item",
    kind=Kind.ITEM,
    inputs=("x",),
    shape=lambda *shapes, **attrs: (),
    numpy="{x}[{item}]",
    latex="{x}_{{{item}}}",
    vjp=lambda g, y, x, item: (g,),
)

__all__ = ["scan"]
