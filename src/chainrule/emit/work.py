"""How much work a program is, estimated from its shapes alone: what choices are made by."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph.op import Kind
from ..graph.program import Program
from ..graph.tensor import Tensor, topological
from ..shapes import evaluate, names_in, product

CALL = 1.5e-6  # seconds that NumPy takes to start an operation
OPERATION = 5e-10  # seconds an elementary operation on one element
PRODUCT = 2.5e-11  # seconds a multiplication or addition in a matrix product
COMPILATION = 1.5  # seconds that a first compilation may take


def operations(program: Program, sizes: Mapping[str, int]) -> float:
    """Rough number of arithmetic operations of one call; a name without a number counts as 1."""
    return sum(_product(x, sizes) + _elements(x, sizes) * x.op.cost for x in _nodes(program))


def numpy_seconds(program: Program, sizes: Mapping[str, int]) -> float:
    """Rough time of one call in NumPy."""
    nodes = _nodes(program)
    return sum(
        CALL + _product(x, sizes) * PRODUCT + _elements(x, sizes) * x.op.cost * OPERATION for x in nodes
    )


def _nodes(program: Program) -> list[Tensor]:
    return [x for x in topological(program.roots) if x.op.kind is not Kind.SOURCE]


def _count(shape: object, sizes: Mapping[str, int]) -> float:
    dim = product(shape)  # type: ignore[arg-type]
    return float(evaluate(dim, dict.fromkeys(names_in([dim]), 1) | dict(sizes)))


def _product(node: Tensor, sizes: Mapping[str, int]) -> float:
    if node.op.kind is not Kind.PRODUCT:
        return 0.0
    return 2.0 * _count((*node.shape, node.inputs[0].shape[-1]), sizes)


def _elements(node: Tensor, sizes: Mapping[str, int]) -> float:
    if node.op.kind is Kind.CONTROL:
        inner = sum(_product(x, sizes) + _elements(x, sizes) for x in _nodes(node.attrs["program"]))
        return inner * _count((node.attrs["length"],), sizes)
    return 0.0 if node.op.kind is Kind.PRODUCT else _count(node.shape, sizes)
