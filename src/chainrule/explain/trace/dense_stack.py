"""A plain stack of dense layers, taken apart: each activation, penalty and the loss as a graph of its own."""

from __future__ import annotations

from dataclasses import dataclass

from ...autodiff.gradient import gradient
from ...errors import ParameterError
from ...graph.op import Kind
from ...graph.tensor import Tensor, placeholder, size, topological
from ...nn.activations import activate
from ...nn.dense import Dense
from ...nn.network import BaseNetwork

_FOR = "for a plain stack of dense layers, each unit with an activation of its own. Use trace, or source"


@dataclass(frozen=True)
class StackLayer:
    """A layer, with its activation and penalty as graphs of their own.

    Attributes
    ----------
    name, tag : str
    linear : bool
    z, a, slope : Tensor
        The pre-activation as a leaf, the activation of it, and its derivative.
    W, penalty : Tensor
        The weights as a leaf, and the derivative of the layer's penalty by them; None where it has none.
    bias : bool
    """

    name: str
    tag: str
    linear: bool
    z: Tensor
    a: Tensor
    slope: Tensor
    W: Tensor
    penalty: Tensor | None
    bias: bool

    @property
    def out(self) -> str:
        """The name of what it gives: a linear layer's z itself."""
        return f"z{self.tag}" if self.linear else f"a{self.tag}"


def dense_stack(network: BaseNetwork) -> list[StackLayer]:
    """The layers; ParameterError for a network that is no plain stack of dense layers."""
    wiring = network._wiring
    for kind, tables in (("inputs", wiring.inputs), ("outputs", wiring.outputs)):
        if len(tables) != 1:
            raise ParameterError(
                f"equations: the network has {len(tables)} {kind}, and the four equations are {_FOR}."
            )
    found, tags = [], network._tags()
    for k, call in enumerate(wiring.calls):
        layer, name, tag = network.layers[call.layer], network.names[call.layer], tags[call.layer]
        if not isinstance(layer, Dense):
            raise ParameterError(
                f"equations: layer {name!r} is {type(layer).__name__}, and the four equations are {_FOR}."
            )
        if call.layer != k or list(call.sources) != [k]:
            raise ParameterError(
                f"equations: layer {name!r} does not just follow the one before it, and the four equations "
                f"are {_FOR}."
            )
        z = placeholder(("n", layer.units), network.dtype, f"z{tag}")
        a = activate(layer._function, layer.activation, z)
        between = topological([a], known=lambda x, z=z: x is z)  # type: ignore[misc]
        if any(x.op.kind not in (Kind.MAP, Kind.SOURCE) and x.op.name != "expand" for x in between):
            raise ParameterError(
                f"equations: by the activation {layer.activation}, a unit of layer {name!r} depends on "
                f"others, and the four equations are {_FOR}."
            )
        (slope,) = gradient(a.sum(), [z])
        if a is not z:
            a.name = f"a{tag}"
        W = placeholder(network.graph.parameters[f"{name}.W"].shape, network.dtype, f"W{tag}")
        penalty = layer.penalty({"W": W})
        if penalty is not None:
            whole = penalty / size(z.shape[0], z.dtype) if network.penalties == "per_row" else penalty
            (penalty,) = gradient(whole, [W])
        bias = f"{name}.b" in network.graph.parameters
        found.append(StackLayer(name, tag, a is z, z, a, slope, W, penalty, bias))
    return found


def loss_graph(network: BaseNetwork, last: StackLayer) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The network's output and targets as leaves, the loss of them, and its derivative by the output."""
    given = network.graph.ts[0]
    out = placeholder(last.z.shape, network.dtype, last.out)
    t = placeholder(given.shape, given.dtype, given.name)
    loss = network._total([network._losses[0](out, t)])
    (slope,) = gradient(loss, [out])
    return out, t, loss, slope
