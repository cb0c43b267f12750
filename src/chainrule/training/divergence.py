"""Where a training left the numbers that can be reckoned with: epoch, step and layer, and the first op."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..emit.formula import formula
from ..graph.evaluate import interpret
from ..graph.op import Kind
from ..graph.program import Program
from ..graph.tensor import Tensor, topological
from ..nn.network import BaseNetwork, Graph

Array = np.ndarray[Any, Any]
Values = Callable[[Sequence[Tensor]], Sequence[Any]]


@dataclass(frozen=True)
class Fault:
    """The first number of a step that is not finite, and what it was made of.

    Attributes
    ----------
    what : str
        What came to be NaN or infinite of it, as in "the output of hidden2 became infinite".
    layer : str
        The layer whose results it is part of; else "the loss", or "the gradients and the update".
    formula : str
        Of the node, as in "a1 = exp(z1)".
    element : tuple of int
        The number's place in the node's value.
    row : int or None
        The row of the data that it is of; None for what belongs to no single row.
    became : str
        "NaN" or "infinite".
    went_in : tuple of str
        The numbers that it was computed from, as in "z1[0, 3] = 104.2".
    """

    what: str
    layer: str
    formula: str
    element: tuple[int, ...]
    row: int | None
    became: str
    went_in: tuple[str, ...]

    def __str__(self) -> str:
        place = f", from row {self.row} of the data (counted from 0)" if self.row is not None else ""
        at = f" at {list(self.element)}" if self.element else ""
        taken = f"; in went {', '.join(self.went_in)}" if self.went_in else ""
        return f"{self.what}: first {self.formula} ({self.layer}) was {self.became}{at}{place}{taken}"


def find_fault(
    network: BaseNetwork,
    graph: Graph,
    program: Program,
    values: Values,
    rows: Sequence[int] | Array | None = None,
) -> Fault | None:
    """The first number that is not finite in a step; None where all that matters is finite.

    What matters is each layer's result, the loss, the weights after the step, and what the optimizer
    remembers; what is infinite on the way to a finite result, such as in the branch that `where` does not
    take, is no fault.

    Parameters
    ----------
    network : BaseNetwork
    graph : Graph
        That the program was made from.
    program : Program
        The training step.
    values : callable
        Gives the values of nodes in that step.
    rows : sequence of int, optional
        Where the step's rows stand in the data; in that order where it is left out.
    """
    roots = _roots(network, graph, program)
    found = values([node for _, node in roots])
    for (name, root), value in zip(roots, found, strict=True):
        if not np.isfinite(value).all():
            return _first(name, root, network, graph, program, values, rows)
    return None


def blame(
    network: BaseNetwork,
    graph: Graph,
    program: Program,
    values: Mapping[Tensor, Any],
    rows: Sequence[int] | Array | None = None,
) -> tuple[str, Fault | None]:
    """What is not finite in a step, in words and as a fault, computed from the step's inputs and variables.

    The words name the first layer's result, the loss, a weight after the step, or else what the optimizer
    remembers, as in "the output of hidden2 became infinite".
    """
    fault = find_fault(network, graph, program, lambda nodes: interpret(nodes, values), rows)
    if fault is None:  # in the engine's own order of additions only
        return "the loss or a weight became infinite", None
    return fault.what, fault


def _roots(network: BaseNetwork, graph: Graph, program: Program) -> list[tuple[str, Tensor]]:
    """What has to be finite, in the order of its computation, with its name."""
    weights = {leaf: name for name, leaf in graph.parameters.items()}
    loss = next(iter(program.outputs.values()))
    names = [f"the output of {network.names[call.layer]}" for call in network._wiring.calls]
    roots = [*zip(names, graph.trained_values, strict=True), ("the loss", loss)]
    roots += [(name, program.updates[x]) for x, name in weights.items() if x in program.updates]
    others = [(x, new) for x, new in program.updates.items() if x not in weights]
    return roots + [(f"the optimizer's {x.name}", new) for x, new in others]


def _first(
    name: str,
    root: Tensor,
    network: BaseNetwork,
    graph: Graph,
    program: Program,
    values: Values,
    rows: Sequence[int] | Array | None,
) -> Fault:
    """The number that made a root's not finite: from there back, to one whose inputs are all finite."""
    order = topological([root])
    known = dict(zip(order, values(order), strict=True))
    node, element = root, _bad(known[root])
    became = _kind(known[root][element])
    what = f"{name} became {_kind(known[root])}"
    while True:
        guilty = next(((x, at) for x in node.inputs if (at := _source(x, node, element, known))), None)
        if guilty is None:
            break
        node, (element,) = guilty
        became = _kind(known[node][element])
    inputs = tuple(_told(x, node, element, known[x]) for x in node.inputs if x.op.name != "constant")
    row = None
    if node.shape and not isinstance(node.shape[0], int):
        row = element[0] if rows is None else int(rows[element[0]])
    layer = _layer(node, network, graph, program)
    return Fault(what, layer, _formula(node), element, row, became, inputs)


def _bad(value: Any) -> tuple[int, ...]:
    """The place of the first number that is not finite; NaN before infinity."""
    wrong = np.isnan(value) if np.isnan(value).any() else ~np.isfinite(value)
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _source(
    x: Tensor, node: Tensor, element: tuple[int, ...], known: Mapping[Tensor, Any]
) -> tuple[tuple[int, ...]] | None:
    """Where an input is not finite: for an operand of elements that at the same place, else anywhere."""
    value = known[x]
    if isinstance(value, tuple) or np.asarray(value).dtype.kind != "f":
        return None
    at = _same_place(x, node, element, value)
    if at is not None:
        return None if np.isfinite(value[at]) else (at,)
    return None if np.isfinite(value).all() else (_bad(value),)


def _same_place(x: Tensor, node: Tensor, element: tuple[int, ...], value: Any) -> tuple[int, ...] | None:
    """The element of an operand that an element of a map is computed from; None for other kinds of ops."""
    if node.op.kind is not Kind.MAP:
        return None
    shape = np.shape(value)
    tail = element[len(element) - len(shape) :]
    return tuple(0 if size == 1 else i for size, i in zip(shape, tail, strict=True))


def _told(x: Tensor, node: Tensor, element: tuple[int, ...], value: Any) -> str:
    """An input's number at that place, or the range of its numbers."""
    name = x.name or _formula(x)
    at = _same_place(x, node, element, value)
    if at is not None:
        index = f"[{', '.join(map(str, at))}]" if at else ""
        return f"{name}{index} = {float(value[at]):.6g}"
    array = np.asarray(value)
    if array.size == 0 or array.dtype.kind not in "biuf":
        return name
    return f"{name} from {float(array.min()):.6g} to {float(array.max()):.6g}"


def _layer(node: Tensor, network: BaseNetwork, graph: Graph, program: Program) -> str:
    """What a node is part of."""
    seen: set[Tensor] = set()
    for call, value in zip(network._wiring.calls, graph.trained_values, strict=True):
        seen |= set(topological([value], known=seen.__contains__))
        if node in seen:
            return network.names[call.layer]
    forward = set(topological(program.outputs.values()))
    return "the loss" if node in forward else "the gradients and the update"


def _formula(node: Tensor) -> str:
    return formula(node, depth=1) if node.inputs else str(node.name or node.op.name)


def _kind(value: Any) -> str:
    return "NaN" if np.isnan(value).any() else "infinite"
