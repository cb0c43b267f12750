"""Batch normalisation folded into the layers beside it: the same predictions with fewer layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ParameterError
from .dense import Affine, Dense
from .layers import Layer
from .regularise import BatchNorm, Randomised
from .structure import Structure
from .wiring import Node, Wiring, nodes_of

Array = np.ndarray[Any, Any]


def folded_nodes(network: Structure) -> list[Node]:
    """The nodes that a network's outputs are, drawn anew without batch normalisation.

    In prediction batch normalisation is scale * x + shift for every column. A linear layer before it, or the
    layers after it that start with x @ W + b, take that in; layers that do nothing in prediction may stand
    between.

    Raises
    ------
    ParameterError
        If there is batch normalisation that neither side can take in; it is named, with the reasons.
    """
    wiring = network._wiring
    layers = [layer.copy() for layer in wiring.layers]
    names = dict(zip(map(id, layers), network.names, strict=True))
    outputs = nodes_of(Wiring(layers, wiring.calls, wiring.inputs, wiring.outputs))
    reasons: dict[str, str] = {}
    again = True
    while again:  # one behind another is folded once the second has gone
        again, reasons = False, {}
        for node in _all(outputs):
            if isinstance(node.layer, BatchNorm):
                drawing = _Drawing(outputs, names)
                reason = drawing.fold(node, node.layer)
                if reason is None:
                    outputs, again = drawing.without(node), True
                else:
                    reasons[names[id(node.layer)]] = reason
    if reasons:
        raise ParameterError(
            "fold: " + "; ".join(f"{name} cannot be folded: {why}" for name, why in reasons.items()) + "."
        )
    return outputs


def _all(outputs: Sequence[Node]) -> list[Node]:
    """All nodes that lead to the outputs, each once."""
    found: dict[int, Node] = {}
    pending = list(outputs)
    while pending:
        node = pending.pop()
        if id(node) not in found:
            found[id(node)] = node
            pending += node.parents
    return list(found.values())


class _Drawing:
    """Who reads what, in a network as it is drawn at that moment."""

    def __init__(self, outputs: list[Node], names: dict[int, str]) -> None:
        self.outputs, self.names, self.nodes = outputs, names, _all(outputs)

    def readers(self, node: Node) -> list[Node]:
        return [other for other in self.nodes if any(parent is node for parent in other.parents)]

    def uses(self, layer: Layer | None) -> int:
        return sum(node.layer is layer for node in self.nodes)

    def ends_in(self, node: Node) -> bool:
        """Whether it is an output of the network."""
        return any(node is output for output in self.outputs)

    def name(self, node: Node) -> str:
        return "an input" if node.layer is None else self.names[id(node.layer)]

    def without(self, gone: Node) -> list[Node]:
        """The outputs, after what read a node reads the one before it."""
        (before,) = gone.parents
        for node in self.readers(gone):
            node.parents = tuple(before if parent is gone else parent for parent in node.parents)
        return [before if output is gone else output for output in self.outputs]

    def fold(self, node: Node, norm: BatchNorm) -> str | None:
        """Give the layers before or after it the scale and shift; why not, where neither can take them."""
        if self.uses(norm) > 1:
            return "it is used in several places"
        gamma, beta, mean, var = (norm.given[key].astype(np.float64) for key in norm.starts)
        scale = gamma / np.sqrt(var + norm.eps)
        shift = beta - mean * scale
        layer = self._before(node)
        if isinstance(layer, Affine):
            _set(layer, layer.given["W"] * scale, _bias(layer) * scale + shift)
            return None
        after = self._after(node)
        if isinstance(after, str):
            return f"{layer}, and {after}"
        for reader in after:
            W = reader.given["W"].astype(np.float64)
            _set(reader, scale[:, None] * W, _bias(reader) + shift @ W)
        return None

    def _before(self, node: Node) -> Affine | str:
        """The linear layer whose result goes here and nowhere else; or why there is none."""
        while True:
            (before,) = node.parents
            if len(self.readers(before)) > 1 or self.ends_in(before):
                return f"the result of {self.name(before)} before it goes elsewhere as well"
            if not isinstance(before.layer, Randomised):
                break
            node = before
        layer = before.layer
        if not isinstance(layer, Dense) or layer.activation != "linear":
            return f"{self.name(before)} before it is no linear dense layer"
        if self.uses(layer) > 1:
            return f"{self.name(before)} before it is used in several places"
        return layer

    def _after(self, node: Node) -> list[Affine] | str:
        """The layers that its result goes to, if all can take it in; or why not."""
        found: list[Affine] = []
        pending = [node]
        while pending:
            place = pending.pop()
            if self.ends_in(place):
                return "its result is an output of the network"
            for reader in self.readers(place):
                if isinstance(reader.layer, Randomised):
                    pending.append(reader)
                    continue
                if not isinstance(reader.layer, Affine):
                    return f"{self.name(reader)} after it is no dense layer"
                if self.uses(reader.layer) > 1:
                    return f"{self.name(reader)} after it is used in several places"
                found.append(reader.layer)
        return found


def _bias(layer: Affine) -> Array:
    """The bias, 0 where there is none."""
    b: Array = layer.given.get("b", np.zeros(layer.columns)).astype(np.float64)
    return b


def _set(layer: Affine, W: Array, b: Array) -> None:
    layer.given |= {"W": W, "b": b}
    layer.trained = ("W", "b")
