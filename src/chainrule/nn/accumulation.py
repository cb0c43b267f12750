"""Gradients summed over several parts of a batch before the weights are changed."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from ..autodiff.gradient import gradient
from ..errors import ParameterError
from ..graph.tensor import Tensor, placeholder
from ..ops import where
from ..optim.base import Optimizer, Updates, state_like

if TYPE_CHECKING:
    from .network import BaseNetwork

SUMMED, ROWS = "summed", "rows_summed"  # what the names of sums begin with; the number of rows in them


def accumulated(network: BaseNetwork, rule: Optimizer, leaves: Sequence[Tensor], weighted: bool) -> Updates:
    """New values for a step on a part of a batch: of the sums, and after the last part of the weights.

    After the last part the rule is given the gradients that it would have for all parts as one batch: each
    part's gradient of the data counts by its rows, or by the sum of their weights; a loss that is a sum over
    rows is added up; penalties come in once. Which part is a batch's last is an input of the step, 0 or 1.

    Raises
    ------
    ParameterError
        If a loss gives one number for a whole batch, losses that are means and sums over rows are mixed, or
        the rule needs a batch's gradients before it takes others.
    """
    require_parts(network, rule)
    g = network.graph
    losses = network.trained_losses(g.weights if weighted else None)
    data, penalties = network._total(losses), network._penalties()
    means, per_row = network._losses[0].over != "sum", network.penalties == "per_row" and bool(penalties)
    part = g.weights.sum() if weighted else network._rows(weighted)  # 0 where no row of the part counts
    before = placeholder((), network.dtype, ROWS)
    rows = before + part
    whole = where(rows > 0, rows, 1)
    part.name, rows.name = "part_rows", "rows_so_far"
    made: Updates = {before: rows} if means or per_row else {}
    slopes = []
    for leaf, slope in zip(leaves, gradient(data, leaves), strict=True):
        summed = state_like(leaf, SUMMED)
        made[summed] = summed + (part * slope if means else slope)
        made[summed].name = f"so_far_{leaf.name}"
        slopes.append(made[summed] / whole if means else made[summed])
    if penalties:
        penalty = reduce(operator.add, penalties)
        of_penalty = gradient(penalty / whole if per_row else penalty, leaves)
        slopes = [slope + further for slope, further in zip(slopes, of_penalty, strict=True)]
    for leaf, slope in zip(leaves, slopes, strict=True):
        slope.name = f"mean_d_{leaf.name}" if means else f"sum_d_{leaf.name}"
    last = g.last_part > 0
    last.name = "is_last"
    found: Updates = {leaf: where(last, 0, new) for leaf, new in made.items()}
    changed = network.new_values(rule, leaves, slopes)
    return {leaf: where(last, new, leaf) for leaf, new in changed.items()} | found


def is_sum(leaf: Tensor) -> bool:
    """Whether a leaf holds a sum over the parts of a batch that is not finished."""
    name = leaf.name or ""
    return name == ROWS or name.startswith(f"{SUMMED}_")


def require_parts(network: BaseNetwork, rule: Optimizer) -> None:
    """Raise ParameterError where parts of a batch cannot be added up to what the whole of it would give."""
    g = network.graph
    for loss, z, t in zip(network._losses, g.trained_outputs, g.ts, strict=True):
        if loss.elements(z, t).ndim == 0:
            raise ParameterError(
                f"accumulate: loss {loss.name} gives one number for a batch, which parts of it do not add up "
                "to. Return an element for each row."
            )
    if len({loss.over == "sum" for loss in network._losses}) > 1:
        names = " and ".join(dict.fromkeys(loss.name for loss in network._losses))
        raise ParameterError(
            f"accumulate: the losses {names} are partly means over rows and partly sums, which count "
            "differently in parts of a batch. Take losses of one kind."
        )
    if rule.sam is not None:
        raise ParameterError(
            "accumulate and sam contradict each other: sam needs the gradients of a whole batch before it "
            "takes those that count. Leave one out."
        )
