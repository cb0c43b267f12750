"""Where a training left the numbers that can be reckoned with: epoch, step and layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph.evaluate import interpret
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..nn.network import BaseNetwork, Graph

Array = np.ndarray[Any, Any]


def blame(network: BaseNetwork, graph: Graph, program: Program, values: Mapping[Tensor, Any]) -> str:
    """What is not finite in a step, in words.

    The first layer's result, the loss, a weight after the step, or else what the optimizer remembers.

    Parameters
    ----------
    network : BaseNetwork
    graph : Graph
        That the program was made from.
    program : Program
        The training step.
    values : mapping of Tensor to array-like
        The step's inputs and variables.

    Returns
    -------
    str
        As in "the output of hidden2 became infinite".
    """
    wiring, weights = network._wiring, {leaf: name for name, leaf in graph.parameters.items()}
    loss = next(iter(program.outputs.values()))
    changed = [(name, program.updates[x]) for x, name in weights.items() if x in program.updates]
    changed += [(f"the optimizer's {x.name}", new) for x, new in program.updates.items() if x not in weights]
    roots = [*graph.trained_values, loss, *(new for _, new in changed)]
    with np.errstate(all="ignore"):
        found = interpret(roots, values)
    names = [f"the output of {network.names[call.layer]}" for call in wiring.calls]
    names += ["the loss", *(name for name, _ in changed)]
    for name, value in zip(names, found, strict=True):
        if not np.isfinite(value).all():
            return f"{name} became {_kind(value)}"
    return "the loss or a weight became infinite"  # in the engine's own order of additions only


def _kind(value: Any) -> str:
    return "NaN" if np.isnan(value).any() else "infinite"
