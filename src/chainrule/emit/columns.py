"""The same graph with a sample in each column in place of each row: z = W @ a + b, as many books write it.

What has two axes lies transposed, and a vector that is added to every sample (a bias) is a column; what has
one number for each sample stays as it is. Nothing trains this way: it is a reading, for formulas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph.op import Kind
from ..graph.tensor import LEAF, Tensor, apply, topological
from ..shapes import Shape, names_in, product

Array = np.ndarray[Any, Any]


def as_columns(roots: Sequence[Tensor]) -> dict[Tensor, Tensor]:
    """For every node that roots are made of, the node whose value is the transposed one."""
    made: dict[Tensor, Tensor] = {}
    for node in sorted(topological(roots), key=lambda x: x.serial):
        made[node] = _turned(node, [made[x] for x in node.inputs])
    return made


def turned_shape(shape: Shape) -> Shape:
    """The shape of a node's value when it lies transposed."""
    if len(shape) == 2:
        return shape[::-1]
    return (*shape, 1) if _is_vector(shape) else shape


def turned_value(value: Array, shape: Shape) -> Array:
    """The transposed value of a node of that shape."""
    if len(shape) == 2:
        return value.T
    return value[:, None] if _is_vector(shape) else value


def _is_vector(shape: Shape) -> bool:
    """Whether it is one number for each unit, and not one for each sample."""
    return len(shape) == 1 and not names_in(shape)


def _turned(node: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    if not node.inputs:
        if node.op is LEAF:
            shape = turned_shape(node.shape)
            return Tensor(LEAF, (), {"shape": shape}, shape, node.dtype, node.name)
        return node if node.shape == () else _forth(node)
    if any(len(x.shape) > 2 for x in (node, *node.inputs)):
        return _as_it_was(node, inputs)
    rule = _RULES.get(node.op.name, _RULES_OF_KINDS.get(node.op.kind))
    made = None if rule is None else rule(node, inputs)
    return made if made is not None and made.shape == turned_shape(node.shape) else _as_it_was(node, inputs)


def _as_it_was(node: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """The op on inputs that are laid back as they were, and its result transposed: right for every op."""
    back = [_back(x, original.shape) for x, original in zip(inputs, node.inputs, strict=True)]
    return _forth(Tensor(node.op, back, node.attrs, node.shape, node.dtype))


def _forth(x: Tensor) -> Tensor:
    if len(x.shape) == 2:
        return _transposed(x)
    return apply("reshape", x, shape=turned_shape(x.shape)) if _is_vector(x.shape) else x


def _back(x: Tensor, shape: Shape) -> Tensor:
    if len(shape) == 2:
        return _transposed(x)
    return apply("reshape", x, shape=shape) if _is_vector(shape) else x


def _transposed(x: Tensor) -> Tensor:
    return x.inputs[0] if x.op.name == "transpose" else apply("transpose", x, axes=(1, 0))


# rules: the same op on what lies transposed -------------------------------------------------------


def _map(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    if any(len(x.shape) == 1 for x in inputs) and node.ndim == 2:
        return None  # a number for each sample beside two axes
    return apply(node.op.name, *inputs, **node.attrs)


def _product(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    return apply(node.op.name, inputs[1], inputs[0], **node.attrs)


def _reduction(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    (x,), shape = inputs, node.inputs[0].shape
    axes: tuple[int, ...] = node.attrs["axis"]
    if len(shape) == 2:
        axes = tuple(sorted(1 - a for a in axes))
    elif _is_vector(shape) and "keepdims" in node.attrs:
        axes = (0, 1)
    given = {**node.attrs, "axis": axes}
    if "keepdims" in given and _is_vector(node.shape):
        given["keepdims"] = True
    return apply(node.op.name, x, **given)


def _transpose(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    return _transposed(inputs[0]) if node.attrs["axes"] == (1, 0) else None


def _expand(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    return apply("expand", inputs[0], shape=turned_shape(node.shape))


def _reshape(node: Tensor, inputs: Sequence[Tensor]) -> Tensor | None:
    """Of a row or column to another one: the order of its numbers is the same."""
    if any(product(s) != 1 and sum(d != 1 for d in s) > 1 for s in (node.shape, node.inputs[0].shape)):
        return None
    shape = turned_shape(node.shape)
    return inputs[0] if inputs[0].shape == shape else apply("reshape", inputs[0], shape=shape)


_RULES = {"transpose": _transpose, "expand": _expand, "reshape": _reshape}
_RULES_OF_KINDS = {Kind.MAP: _map, Kind.PRODUCT: _product, Kind.REDUCE: _reduction}
