"""What an update is made of: the gradient, what the optimizer remembers, and the weight's own decay.

An update is a sum of such terms times a scale: gradient descent's velocity holds old gradients beside the new
one, Adam divides both by a root of squared gradients. The split follows the graph of the update, so that it
holds for any rule: sums and numbers in front pass the terms on; of a quotient, the denominator counts as a
scale, and so does a factor without a gradient beside one that has it; what bends a number (its sign, a limit)
scales the terms as it scales the number. Terms always add up to the update.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...graph.evaluate import compute
from ...graph.tensor import LEAF, Tensor, topological

Array = np.ndarray[Any, Any]
Parts = dict[str, Array]
GRADIENT, MEMORY, WEIGHT, OTHER = "gradient", "memory", "weight", "other"


def split_update(
    new: Tensor, theta: Tensor, gradient: Tensor, state: Sequence[Tensor], values: Mapping[Tensor, Array]
) -> Parts:
    """The change of a parameter as a sum of terms.

    Parameters
    ----------
    new : Tensor
        Its new value.
    theta, gradient : Tensor
        The leaves of its old value and of its gradient.
    state : sequence of Tensor
        The leaves of what the rule remembers.
    values : mapping of Tensor to ndarray
        Of all leaves.

    Returns
    -------
    dict of str to ndarray, each of the parameter's shape
        "gradient": what one unit of the gradient makes of the change. "memory", "weight", "other": the
        changes that come of what is remembered, of the weight itself (its decay), and of all else.
    """
    remembered = {x for x in state if x.shape == theta.shape}
    known: dict[Tensor, Array] = {}
    parts: dict[Tensor, Parts] = {}
    with np.errstate(all="ignore"):
        for node in topological([new]):
            if node.op is LEAF:
                known[node] = values[node]
                if node is gradient:
                    parts[node] = {GRADIENT: np.ones_like(known[node])}
                elif node is theta or node in remembered:
                    parts[node] = {WEIGHT if node is theta else MEMORY: known[node]}
                continue
            known[node] = np.asarray(compute(node, [known[x][()] for x in node.inputs]), dtype=node.dtype)
            rule = _RULES.get(node.op.name)
            if rule is not None and any(x in parts for x in node.inputs):
                made = rule(node, known, parts)
                if made is not None:
                    parts[node] = made
    old, after = values[theta], known[new]
    found = parts.get(new, {OTHER: after})
    terms = {name: np.broadcast_to(found.get(name, np.zeros(1)), old.shape) for name in (GRADIENT, MEMORY)}
    terms[WEIGHT] = found[WEIGHT] - old if WEIGHT in found else np.zeros_like(old)
    whole = terms[GRADIENT] * values[gradient] + terms[MEMORY] + terms[WEIGHT]
    terms[OTHER] = np.zeros_like(old) if OTHER not in found else (after - old) - whole
    return terms


# how ops pass terms on ------------------------------------------------------------------------

Rule = Callable[[Tensor, Mapping[Tensor, Array], Mapping[Tensor, Parts]], Parts | None]


def _added(node: Tensor, known: Mapping[Tensor, Array], parts: Mapping[Tensor, Parts]) -> Parts:
    """Sums, differences and negatives: term by term."""
    signs = (1, -1) if node.op.name == "subtract" else (1, 1)
    made: Parts = {}
    for x, sign in zip(node.inputs, signs, strict=False):
        sign = -1 if node.op.name == "negative" else sign
        for name, part in parts.get(x, {OTHER: known[x]}).items():
            made[name] = made[name] + sign * part if name in made else sign * part
    return made


def _scaled(
    node: Tensor,
    known: Mapping[Tensor, Array],
    parts: Mapping[Tensor, Parts],
) -> Parts | None:
    """Products: one operand is a scale; None where both have a gradient, or neither of two has."""
    x, y = node.inputs
    if x in parts and y in parts:
        has = [GRADIENT in parts[x], GRADIENT in parts[y]]
        if has[0] == has[1]:
            return None
        split, scale = (x, y) if has[0] else (y, x)
    else:
        split, scale = (x, y) if x in parts else (y, x)
    return {name: part * known[scale] for name, part in parts[split].items()}


def _divided(
    node: Tensor,
    known: Mapping[Tensor, Array],
    parts: Mapping[Tensor, Parts],
) -> Parts | None:
    x, y = node.inputs
    return {name: part / known[y] for name, part in parts[x].items()} if x in parts else None


def _chosen(node: Tensor, known: Mapping[Tensor, Array], parts: Mapping[Tensor, Parts]) -> Parts:
    condition, *branches = node.inputs
    sides = [parts.get(x, {OTHER: known[x]} if np.any(known[x]) else {}) for x in branches]
    nothing = np.zeros((), node.dtype)
    names = dict.fromkeys([*sides[0], *sides[1]])
    return {n: np.where(known[condition], *(side.get(n, nothing) for side in sides)) for n in names}


def _bent(
    node: Tensor,
    known: Mapping[Tensor, Array],
    parts: Mapping[Tensor, Parts],
) -> Parts | None:
    """Signs and limits: all terms grow as the number does."""
    split = [x for x in node.inputs if x in parts]
    if len(split) != 1:
        return None
    x, y = known[split[0]], known[node]
    scale = np.divide(y, x, out=np.zeros_like(np.broadcast_to(y, np.shape(y))), where=x != 0)
    made = {name: part * scale for name, part in parts[split[0]].items()}
    rest = np.where(x == 0, y, 0)
    if rest.any():
        made[OTHER] = made.get(OTHER, np.zeros_like(y)) + rest
    return made


def _passed(node: Tensor, known: Mapping[Tensor, Array], parts: Mapping[Tensor, Parts]) -> Parts:
    return parts[node.inputs[0]]


_RULES: dict[str, Rule] = {
    **dict.fromkeys(("add", "subtract", "negative"), _added),
    **dict.fromkeys(("sign", "minimum", "maximum"), _bent),
    **dict.fromkeys(("astype", "stop_gradient"), _passed),
    "multiply": _scaled,
    "divide": _divided,
    "where": _chosen,
}
