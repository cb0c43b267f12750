"""Run the graph node by node in NumPy, from the records' own expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ChainruleError, EvaluationError
from ..shapes import bind, names_in
from .op import HELPERS, Op
from .tensor import CONSTANT, Tensor, function, require_value, topological


@lru_cache(maxsize=4096)
def _compiled(expression: str, names: tuple[str, ...]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {expression}", {"np": np, **HELPERS})
    return compiled


def _operands(count: int) -> tuple[str, ...]:
    return tuple(f"_x{i}" for i in range(count))


@lru_cache(maxsize=4096)
def _of_record(record: Op) -> Callable[..., Any]:
    names = _operands(len(record.inputs))
    template: str = record.numpy  # type: ignore[assignment]
    return _compiled(template.format(**dict(zip(record.inputs, names, strict=True))), names)


def compute(node: Tensor, arrays: list[Any], sizes: Mapping[str, int] | None = None) -> Any:
    """The value of one node, given its inputs' values and the numbers of named sizes."""
    if node.op is CONSTANT:
        return node.attrs["value"]
    if node.op.run is not None:
        return node.op.run(node, sizes or {}, *arrays)
    if not node.attrs and isinstance(node.op.numpy, str):
        return _of_record(node.op)(*arrays)
    names = _operands(len(arrays))
    expression = node.op.write(node.op.numpy, node, names)
    return _compiled(expression, (*names, *(sizes or ())))(*arrays, *(sizes or {}).values())


def interpret(roots: Iterable[Tensor], values: Mapping[Tensor, Any]) -> list[Any]:
    """The values of `roots`, with `values` put in for some nodes; nothing is kept on the graph.

    What depends on a value put in is computed anew. Complex values pass as they are; others take
    their node's type. Named sizes get their numbers from the values' shapes.
    """
    known = dict(values)
    sizes: dict[str, int] = {}
    for node, value in values.items():
        if names_in(node.shape):
            bind(node.shape, np.shape(value), node.name or node.op.name, sizes)
    fresh = set(known)
    roots = list(roots)
    with np.errstate(all="ignore"):
        for node in topological(roots, known=lambda x: x in values):
            anew = not fresh.isdisjoint(node.inputs)
            if node.value is not None and not anew:
                known[node] = node.value
                continue
            require_value(node)
            value = compute(node, [known[x] for x in node.inputs], sizes)
            as_it_is = isinstance(value, tuple) or np.iscomplexobj(value)
            known[node] = value if as_it_is else _typed(value, node)
            if anew:
                fresh.add(node)
    return [known[root] for root in roots]


@function
def evaluate(root: Tensor) -> np.ndarray[Any, Any]:
    """The value of a tensor; every node on the way keeps its own, so that it is computed once.

    Raises
    ------
    EvaluationError
        If it depends on a placeholder, or NumPy cannot compute a node.
    """
    last: Any = root.value
    if last is not None:
        return last  # type: ignore[no-any-return]
    with np.errstate(all="ignore"):
        for node in topological([root], known=lambda x: x.value is not None):
            require_value(node)
            try:
                value = compute(node, [x.value for x in node.inputs])
            except ChainruleError:
                raise
            except (ValueError, IndexError, TypeError, MemoryError) as error:
                raise EvaluationError(f"{node.op.name}: {error}") from error
            node.value = last = _frozen(value, node)
    return last  # type: ignore[no-any-return]  # the root, which comes after all that it is made of


def _frozen(value: Any, node: Tensor) -> Any:
    array = _typed(value, node)
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
    return array


def _typed(value: Any, node: Tensor) -> Any:
    return value if isinstance(value, tuple) else np.asarray(value, dtype=node.dtype)
