"""The curvature of a loss that is a sum of squares, as the outputs' slopes by all weights tell it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

from ..autodiff.forward import jvp
from ..autodiff.gradient import gradient
from ..autodiff.rows import each_row
from ..emit.native.shards import rows_apart
from ..errors import ParameterError
from ..graph.program import Program
from ..graph.tensor import Tensor, constant, placeholder
from ..ops import concatenate, expand, reshape
from ..shapes import evaluate, product
from .network import BaseNetwork
from .wiring import numbered


def require_squares(network: BaseNetwork, who: str) -> None:
    """Raise ParameterError where a network's training loss is more than a sum of squares.

    Parameters
    ----------
    network : BaseNetwork
    who : str
        That asks for it.
    """
    for loss in network._losses:
        if not loss.squares:
            raise ParameterError(
                f"{who}: is for losses that are sums of squares, such as mse, half_sum and sum, which "
                f"{loss.name} is not. Take another loss, or another optimizer, such as lbfgs."
            )
    for name, layer in zip(network.names, network.layers, strict=True):
        if getattr(layer, "l1", 0):
            raise ParameterError(
                f"{who}: the penalty l1 of {name} is no sum of squares. Take l2, or another optimizer, such "
                "as lbfgs."
            )


def curvature_program(network: BaseNetwork, leaves: Sequence[Tensor], weighted: bool) -> Program:
    """One output column's part of the Gauss-Newton matrix, summed over the rows of a batch.

    With J, shape (n, parameters), the slopes of each row's output, and c the rows' scales, it is
    J^T diag(c) J. Which column is said by the inputs `pick`, a number for each column of each output, all 0
    but for a 1; c is the input `scale`, by the row's weight where rows have weights. The second output,
    `bend`, is the diagonal of the penalties' curvature, where there are any.

    Raises
    ------
    GradientError
        If a layer makes something of its weights through which single rows cannot be followed.
    ParameterError
        If rows meet on their way through the network.
    """
    g = network.graph
    rows = g.xs[0].shape[0]
    outputs = {f"z{k}": z for k, z in enumerate(g.trained_outputs)}
    if not rows_apart(Program(g.xs, outputs, name="outputs")):
        raise ParameterError(
            "the network's rows meet on their way through its layers, so that there are no slopes of single "
            "rows. Take another optimizer, such as lbfgs."
        )
    count = len(g.trained_outputs)
    picks = [
        placeholder(z.shape[1:], network.dtype, numbered("pick", k, count))
        for k, z in enumerate(g.trained_outputs)
    ]
    picked = reduce(operator.add, ((z * p).sum() for z, p in zip(g.trained_outputs, picks, strict=True)))
    sizes = [evaluate(product(leaf.shape), {}) for leaf in leaves]
    parts = [
        reshape(each_row(slope, rows), (rows, size))
        for slope, size in zip(gradient(picked, leaves), sizes, strict=True)
    ]
    for part, leaf in zip(parts, leaves, strict=True):
        part.name = f"J_{leaf.name}"
    scale = placeholder((), "float64", "scale")
    J = concatenate(parts, axis=1).astype("float64")
    J.name = "J"
    c = scale * g.weights.astype("float64")[:, None] if weighted else scale
    found = {"H": J.T @ (c * J)}
    inputs = [*g.xs, *picks, *([g.weights] if weighted else []), scale]
    penalties = network._penalties()
    if penalties:
        slopes = gradient(reduce(operator.add, penalties), leaves)
        ones = {leaf: expand(constant(1.0, leaf.dtype), leaf.shape) for leaf in leaves}
        bends = [reshape(b, (size,)) for b, size in zip(jvp(slopes, ones), sizes, strict=True)]
        found["bend"] = concatenate(bends).astype("float64")
    return Program(inputs, found, name="curvature")
