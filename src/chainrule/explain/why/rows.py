"""What each row of a batch adds to a derivative.

A batch's loss is a mean (or sum) over rows. With a weight for each row's share in it, the derivative by a
parameter is a sum over rows of weight times the row's own derivative; so the derivative of that sum by the
weights is what each row adds. It holds for any network, also where rows meet, as in batch normalisation: a
row stands for its term of the loss.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np

from ...autodiff.gradient import gradient
from ...graph.op import Kind
from ...graph.tensor import Tensor, topological
from ...nn.network import BaseNetwork
from ...ops import stop_gradient, where
from .stations import Relation, has_rows, relation

Array = np.ndarray[Any, Any]


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
    for loss, part in zip(network._losses, network.trained_losses(g.weights), strict=True):
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


# rows read off products and sums --------------------------------------------------------------


def rows_apart(network: BaseNetwork) -> bool:
    """Whether no number of a row depends on another row, up to the outputs in training."""
    for node in topological(network.graph.trained_outputs):
        for x in node.inputs:
            if has_rows(x) and relation(node, x) is Relation.ALL:
                return False
    return True


def row_terms(slope: Tensor) -> list[tuple[Tensor, Tensor | None]] | None:
    """A parameter's gradient as sums over rows, where rows stay apart.

    Returns
    -------
    list of (Tensor, Tensor or None)
        For each sum either the factors of a matrix product over rows, (k, n) and (n, m), or what is summed
        over its first axis. None where the gradient is made otherwise.
    """
    if slope.op.name == "add":
        found = [row_terms(x) for x in slope.inputs]
        return None if any(f is None for f in found) else [term for f in found for term in f or []]
    if slope.op.kind is Kind.PRODUCT:
        x, y = slope.inputs
        return [(x, y)] if x.ndim == y.ndim == 2 and has_rows(y) else None
    if slope.op.name == "sum" and slope.attrs["axis"] == (0,) and has_rows(slope.inputs[0]):
        return [(slope.inputs[0], None)] if slope.inputs[0].ndim == 2 and slope.ndim == 1 else None
    return None


def read_rows(x: Array, y: Array | None, places: Array, shape: tuple[int, ...]) -> Array:
    """What each row adds to elements of a parameter, from the values of a pair of `row_terms`.

    Returns
    -------
    ndarray, shape (places, rows)
    """
    if y is None:
        return x[:, places].T
    i, j = np.unravel_index(places, shape)
    found: Array = x[i, :] * y[:, j].T
    return found
