"""The same graph with other nodes in the place of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .tensor import Tensor, topological


def substitute(roots: Sequence[Tensor], swap: Mapping[Tensor, Tensor], tail: str) -> list[Tensor]:
    """Roots made anew of other nodes; whatever does not depend on these stays the node that it is.

    Parameters
    ----------
    roots : sequence of Tensor
    swap : mapping of Tensor to Tensor
        What stands in for which node, of the same shape and type.
    tail : str
        What the names of the nodes made anew end with.
    """
    made = dict(swap)
    for node in topological(roots, known=made.__contains__):
        if any(x in made for x in node.inputs):
            inputs = [made.get(x, x) for x in node.inputs]
            name = f"{node.name}{tail}" if node.name else None
            made[node] = Tensor(node.op, inputs, node.attrs, node.shape, node.dtype, name)
    return [made.get(root, root) for root in roots]
