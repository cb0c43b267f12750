"""Which layer takes whose results: a chain, or whatever was drawn by calling layers on nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..checks import checked_name, positive_int
from ..errors import ParameterError

if TYPE_CHECKING:
    from .layers import Layer

RESERVED = {"average_share", "lr", "seed", "step_number", "t", "w"}  # inputs of every training step


class Node:
    """A place in a network's drawing: an input, or what a layer makes of other nodes.

    Made by `Input` and by calling layers; ``a + b`` and ``a * b`` join two nodes of one width.
    """

    def __init__(self, layer: Layer | None, parents: Sequence[Node], columns: int | None, name: str | None):
        self.layer, self.parents, self.columns, self.name = layer, tuple(parents), columns, name

    def __add__(self, other: Node) -> Node:
        from .merge import Add

        return Add()(self, other)

    def __mul__(self, other: Node) -> Node:
        from .merge import Multiply

        return Multiply()(self, other)

    def __repr__(self) -> str:
        return f"<input {self.name}>" if self.layer is None else f"<node of {self.layer!r}>"


def Input(columns: int | None = None, *, name: str | None = None) -> Node:
    """Where rows enter a network that is drawn by calling layers.

    Parameters
    ----------
    columns : int, optional
        The number of columns; told from the data where it is not given.
    name : str, optional
        A plain identifier, needed where there are several inputs and rows are passed by name.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.Input(8)
    >>> h = cr.Dense(8, "relu")(x)
    >>> net = cr.Network(cr.Dense(1)(h + x), loss="mse")
    >>> [layer.kind for layer in net.layers]
    ['dense', 'add', 'dense']
    """
    if columns is not None:
        columns = positive_int(columns, "Input: columns", "Input(8)")
    return Node(None, (), columns, checked_name(name, "Input"))


@dataclass(frozen=True)
class Call:
    """A layer's use: its number among the layers, and the numbers of the values that it takes."""

    layer: int
    sources: tuple[int, ...]


@dataclass
class Wiring:
    """Layers and their uses, in an order in which each value is there before it is taken.

    Attributes
    ----------
    layers : list of Layer
        Each once, even if it is used several times.
    calls : list of Call
    inputs : list of (int or None, str or None)
        Number of columns and name of each input, where they are known.
    outputs : list of int
        Values are numbered: the inputs from 0, then one for each call.
    """

    layers: list[Layer]
    calls: list[Call]
    inputs: list[tuple[int | None, str | None]]
    outputs: list[int]


def chain(layers: Sequence[Layer]) -> Wiring:
    """One layer after another."""
    return Wiring(list(layers), [Call(i, (i,)) for i in range(len(layers))], [(None, None)], [len(layers)])


def drawn(outputs: Sequence[Node]) -> Wiring:
    """What was drawn from inputs to these nodes.

    Raises
    ------
    ParameterError
        If an output is an input, or is listed twice, or an input has a name that is taken.
    """
    if any(node.layer is None for node in outputs) or len(set(map(id, outputs))) < len(outputs):
        raise ParameterError("Network: each output must be another node that a layer makes.")
    order: list[Node] = []
    seen: set[int] = set()
    pending: list[Any] = [(node, False) for node in reversed(outputs)]
    while pending:
        node, ready = pending.pop()
        if ready:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            pending.append((node, True))
            pending += [(parent, False) for parent in reversed(node.parents)]
    inputs = [node for node in order if node.layer is None]
    names = [node.name for node in inputs if node.name is not None]
    for name in names:
        if names.count(name) > 1 or name in RESERVED:
            reason = (
                "another input has it"
                if names.count(name) > 1
                else "the training step calls another input so"
            )
            raise ParameterError(
                f"Network: an input cannot be called {name!r}: {reason}. Choose another name."
            )
    made = [node for node in order if node.layer is not None]
    layers: list[Any] = list({id(node.layer): node.layer for node in made}.values())
    place = {id(node): i for i, node in enumerate([*inputs, *made])}
    number = {id(layer): i for i, layer in enumerate(layers)}
    calls = [Call(number[id(node.layer)], tuple(place[id(p)] for p in node.parents)) for node in made]
    return Wiring(
        layers, calls, [(node.columns, node.name) for node in inputs], [place[id(node)] for node in outputs]
    )


def nodes_of(wiring: Wiring) -> list[Node]:
    """The nodes that a wiring's outputs are, drawn anew: the inverse of `drawn`."""
    nodes = [Node(None, (), columns, checked_name(name, "Input")) for columns, name in wiring.inputs]
    for call in wiring.calls:
        if not all(0 <= i < len(nodes) for i in (*call.sources,)) or call.layer < 0:
            raise ParameterError(f"a layer takes values {call.sources}, of which some are not made yet.")
        nodes.append(wiring.layers[call.layer](*(nodes[i] for i in call.sources)))
    return [nodes[i] for i in wiring.outputs]


def numbered(stem: str, i: int, count: int) -> str:
    """x for the only one, x1, x2, ... for several."""
    return stem if count == 1 else f"{stem}{i + 1}"


def layer_names(wiring: Wiring) -> list[str]:
    """Given names; hidden1, hidden2, ... and output for numbered layers; the kind for others."""
    last = _output_layers(wiring)
    names, number, kinds = [], 0, {}  # type: ignore[var-annotated]
    for i, layer in enumerate(wiring.layers):
        if layer.numbered and i in last:
            own = numbered("output", last.index(i), len(last))
        elif layer.numbered:
            number += 1
            own = f"hidden{number}"
        else:
            kinds[layer.kind] = kinds.get(layer.kind, 0) + 1
            count = sum(x.kind == layer.kind for x in wiring.layers)
            own = numbered(layer.kind, kinds[layer.kind] - 1, count)
        names.append(layer.name or own)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"Network: two layers are called {twice[0]!r}. Give them different names.")
    return names


def _output_layers(wiring: Wiring) -> list[int]:
    """For each output the last numbered layer on the way to it, each once."""
    found: list[int] = []
    for value in wiring.outputs:
        while value >= len(wiring.inputs):
            call = wiring.calls[value - len(wiring.inputs)]
            if wiring.layers[call.layer].numbered:
                if call.layer not in found:
                    found.append(call.layer)
                break
            value = call.sources[0]
    return found
