"""Where a training left the numbers that can be reckoned with: epoch, step and layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..graph.evaluate import interpret
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..nn.network import BaseNetwork

Array = np.ndarray[Any, Any]


def blame(network: BaseNetwork, program: Program, values: Mapping[Tensor, Any]) -> str:
    """What is not finite in a step, in words: the first layer's result, the loss, or else a weight after it.

    Parameters
    ----------
    network : BaseNetwork
    program : Program
        The training step.
    values : mapping of Tensor to array-like
        The step's inputs and variables.

    Returns
    -------
    str
        As in "the output of hidden2 became infinite".
    """
    g, wiring = network.graph, network._wiring
    loss = next(iter(program.outputs.values()))
    changed = [(name, program.updates[x]) for name, x in g.parameters.items() if x in program.updates]
    roots = [*g.trained_values, loss, *(new for _, new in changed)]
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
