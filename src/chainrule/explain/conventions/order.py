"""Updates in the wrong order, layer by layer: a fault of some books and programs, made to be recognised."""

from __future__ import annotations

from collections.abc import Sequence

from ...autodiff.gradient import gradient
from ...graph.program import Program
from ...graph.tensor import Tensor, topological
from ...optim.rules import Optimizer
from ...training.metrics import MeasuredNetwork


def layered_program(network: MeasuredNetwork, rule: Optimizer) -> Program:
    """The training step with each layer updated before the slopes of the layers below it are computed.

    The forward pass is one, with the old weights. On the way back the last layer comes first; the slopes that
    go on to the layer below it are multiplied by its new weights, where those of the forward pass belong.
    Clipping by norm knows one layer at a time.

    Parameters
    ----------
    network : MeasuredNetwork
        With weights.
    rule : Optimizer
    """
    right = network.program(rule)
    g, loss = network.graph, right.outputs["loss"]
    forward = {node for node in topological([loss]) if not node.is_leaf}
    leaves = set(network.trained_leaves())
    new: dict[Tensor, Tensor] = {}
    state: dict[Tensor, Tensor] = {}
    names: set[str | None] = set()
    for name in reversed(network.names):
        own = [x for key, x in g.parameters.items() if key.startswith(f"{name}.") and x in leaves]
        made = network.new_values(rule, own, _with_new(gradient(loss, own), forward, new))
        for leaf, value in made.items():
            if leaf in leaves:
                continue
            if leaf.name in names:  # a counter of steps, of which each layer has one
                leaf.name = f"{leaf.name}_{name}"
            names.add(leaf.name)
            state[leaf] = value
        new |= {leaf: made[leaf] for leaf in own}
    return Program(right.inputs, {"loss": loss}, {**new, **g.changes, **state})


def _with_new(slopes: Sequence[Tensor], forward: set[Tensor], new: dict[Tensor, Tensor]) -> list[Tensor]:
    """The slopes with new weights for old ones wherever they come in on the way back."""
    swap = dict(new)
    for node in topological(slopes, lambda node: node in forward):
        if node not in swap and any(x in swap for x in node.inputs):
            inputs = [swap.get(x, x) for x in node.inputs]
            swap[node] = Tensor(node.op, inputs, node.attrs, node.shape, node.dtype, node.name)
    return [swap.get(slope, slope) for slope in slopes]
