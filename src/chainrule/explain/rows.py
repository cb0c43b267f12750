"""What each row of a batch adds to a derivative.

A batch's loss is a mean (or sum) over rows. With a weight for each row's share in it, the derivative by a
parameter is a sum over rows of weight times the row's own derivative; so the derivative of that sum by the
weights is what each row adds. It holds for any network, also where rows meet, as in batch normalisation: a
row stands for its term of the loss.
"""

from __future__ import annotations

import operator
from functools import reduce

from ..autodiff.gradient import gradient
from ..graph.tensor import Tensor
from ..nn.network import BaseNetwork
from ..ops import stop_gradient, where


def row_loss(network: BaseNetwork) -> Tensor | None:
    """The loss of the data in training, without penalties, as a sum of weights times numbers of the rows.

    The graph's row weights are those of `Network.fit`. What they are divided by counts as a constant, so that
    the derivative by a weight, times the weight, is what the row adds. None for a loss that gives one number
    for a whole batch.
    """
    g = network.graph
    pairs = list(zip(network._losses, g.trained_outputs, g.ts, strict=True))
    if any(loss.elements(z, t).ndim == 0 for loss, z, t in pairs):
        return None
    parts = []
    for loss, part in zip(
        network._losses, network._each_loss(g.trained_outputs, g.ts, g.weights), strict=True
    ):
        if loss.over != "sum":
            whole = g.weights.sum()
            fixed = stop_gradient(whole)
            part = part * (whole / where(fixed > 0, fixed, 1))
        parts.append(part)
    pairs_of = zip(parts, network._loss_weights, strict=True)
    return reduce(operator.add, (part if factor == 1 else factor * part for part, factor in pairs_of))


def each_row(loss: Tensor, node: Tensor, index: tuple[int, ...], weights: Tensor) -> tuple[Tensor, Tensor]:
    """The derivative of `row_loss` by one element of a node, and its derivatives by the weights."""
    (slope,) = gradient(loss, [node])
    one = slope[index] if index else slope
    return one, gradient(one, [weights])[0]
