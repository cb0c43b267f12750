"""The check: every derivative against numerical differentiation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DTypeError, GradientError, ParameterError
from ..graph.evaluate import interpret
from ..graph.op import Kind, Op
from ..graph.tensor import Tensor, apply, apply_record, tensor, topological
from .gradient import gradient
from .numerical import Array, Numerical, first_true, nested, path_to, place_text


def check_gradients(
    function: Callable[..., Tensor],
    *arrays: Any,
    order: int = 1,
    elements: int | None = None,
    seed: int = 0,
) -> None:
    """Compare a function's gradients with numerical differentiation.

    Parameters
    ----------
    function : callable
        Takes a tensor for each of `arrays`, returns a tensor of real numbers of any shape. It is
        called once.
    *arrays : array-like
        The points to check at. Real numbers are converted to float64 and differentiated; whole numbers
        and truth values are passed on as they are. A result with several elements is weighted by random
        numbers, so that a fault in any of them shows; the numbers in messages are of that sum.
    order : {1, 2}
        2 checks the gradient's own gradient as well.
    elements : int, optional
        Check at most so many elements of each array, drawn by `seed`; all of them if left out.
    seed : int
        Of the weights and of the choice of elements.

    Raises
    ------
    GradientError
        If a derivative differs from the numerical one by more than a part in 1e10 (complex step) or
        1e7 (five points): the message names the op at fault, its input and the element. Also if the
        function has a kink at the point, is not finite there, or depends on none of the arrays.
    DTypeError, ParameterError
        If an argument is of another kind than described here, or not finite.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.check_gradients(lambda x, w: cr.tanh(x @ w), [[0.5, -1.0]], [[0.1], [0.2]], order=2)
    """
    if not callable(function):
        raise DTypeError(
            f"check_gradients: the first argument must be a function, got {function!r:.60}. "
            "Write check_gradients(lambda x: cr.tanh(x), [0.5, 1.0])."
        )
    if order not in (1, 2):
        raise ParameterError(f"check_gradients: order must be 1 or 2, got {order!r}")
    if elements is not None and elements < 1:
        raise ParameterError(f"check_gradients: elements must be a positive int or None, got {elements!r}")
    inputs = [_point(value, i) for i, value in enumerate(arrays)]
    leaves = [x for x in inputs if x.dtype.kind == "f"]
    if not leaves:
        raise GradientError(
            "check_gradients: nothing to differentiate; pass at least one array of real numbers"
        )
    y = function(*inputs)
    if not isinstance(y, Tensor):
        raise DTypeError(
            f"check_gradients: the function must return a tensor, got {type(y).__name__}. "
            "Compute with chainrule's functions, and leave out .numpy() and float()."
        )
    if y.dtype.kind != "f":
        raise GradientError(
            f"check_gradients: the result holds {y.dtype}; only real numbers have derivatives"
        )
    if not path_to([y], leaves) and all(y is not x for x in leaves):
        _require_way(y, leaves)
    places = [i for i, x in enumerate(inputs) if x.dtype.kind == "f"]
    draw = _Draw(seed, elements)
    fault = _first_fault(y, leaves, order, draw)
    if fault is None:
        return
    seen = f"{getattr(function, '__name__', 'the function')}, {fault.at(places)}"
    found = _op_at_fault(y, leaves, order, draw)
    if found is not None:
        name, inner, inner_places = found
        raise GradientError(f"{name}, {inner.at(inner_places)}: {inner.says}. First seen at {seen}.")
    for record in _nested_ops(path_to([y], leaves)):
        try:
            check_rule(record, order)
        except GradientError as error:
            raise GradientError(f"{error}. First seen at {seen}, within a nested program.") from None
    raise GradientError(f"{seen}: {fault.says}. Each op agrees by itself: their connection is at fault.")


def check_rule(record: Op, order: int = 2, seed: int = 0) -> None:
    """Compare an op's rule with numerical differentiation, on operands drawn from what its record states.

    Parameters
    ----------
    record : Op
    order : {1, 2}
    seed : int
        Of the operands and weights.

    Raises
    ------
    GradientError
        If they differ (the message names the op, the input and the element), or if the op has no
        derivative.
    ParameterError
        If the op runs a nested program.
    """
    if record.vjp is None or record.kind in (Kind.SOURCE, Kind.RANDOM):
        raise GradientError(f"op {record.name!r} has no derivative: there is nothing to check")
    if record.kind in (Kind.CONTROL, Kind.ITEM):
        raise ParameterError(
            f"check_rule: op {record.name!r} runs a program; check a function that uses it, with "
            "check_gradients"
        )
    for attrs, arrays in rule_cases(record, seed):
        operands = [tensor(a) for a in arrays]
        places = [i for i, x in enumerate(operands) if x.dtype.kind == "f"]
        node = apply_record(record, operands, attrs)
        fault = _first_fault(node, [operands[i] for i in places], order, _Draw(seed, None))
        if fault is not None:
            shapes = ", ".join(str(x.shape) for x in operands)
            given = f" (shapes {shapes}{f', {attrs}' if attrs else ''})"
            raise GradientError(f"{record.name}, {fault.at(places)}: {fault.says}{given}")


# operands -------------------------------------------------------------------------------------


def rule_cases(record: Op, seed: int = 0) -> list[tuple[dict[str, Any], list[Array]]]:
    """Attributes and operands to try an op with: those of its record's samples, drawn from its domain.

    Operands that the samples do not state have shape (3, 4); maps of several are also tried where
    they broadcast.
    """
    random = np.random.default_rng(seed)
    common: list[tuple[Any, ...]] = [((3, 4),) * len(record.inputs)]
    if record.kind is Kind.MAP and len(record.inputs) > 1:
        common += [((3, 1), (1, 4), (4,))[: len(record.inputs)], ((2, 3), (), (3,))[: len(record.inputs)]]
    cases: list[tuple[dict[str, Any], list[Array]]] = []
    for attrs, *stated in record.samples() if record.samples else [({},)]:
        cases += [(attrs, _drawn(record, operands, random)) for operands in ([stated] if stated else common)]
    return cases


def _drawn(record: Op, operands: Sequence[Any], random: np.random.Generator) -> list[Array]:
    domain = list(record.domain) + [record.domain[-1]] * len(operands)
    for _ in range(1000):
        arrays = [
            _spread(x, *domain[i], random) if isinstance(x, tuple) else np.asarray(x)
            for i, x in enumerate(operands)
        ]
        at = arrays[0] if len(arrays) == 1 else arrays[0] - arrays[1] if record.kinks else 0.0
        if all(np.all(np.abs(at - kink) > 0.05) for kink in record.kinks):
            return arrays
    raise ParameterError(f"{record.name}: no point of its domain {record.domain} is away from its kinks")


def _spread(shape: tuple[int, ...], low: float, high: float, random: np.random.Generator) -> Array:
    """Random numbers in a range, no two close to each other, so that none ties with another."""
    n = math.prod(shape)
    places = (random.permutation(n) + random.uniform(0.25, 0.75, n)) / max(n, 1)
    return (low + (high - low) * places).reshape(shape)


def _point(value: Any, i: int) -> Tensor:
    x = value if isinstance(value, Tensor) else tensor(value)
    array = x.numpy()
    if array.dtype.kind == "c":
        raise DTypeError(f"check_gradients: array {i} is complex; only real functions are checked")
    if array.dtype.kind != "f":
        return tensor(array)
    if not np.isfinite(array).all():
        where = first_true(~np.isfinite(array))
        raise ParameterError(f"check_gradients: array {i} is {array[where]} at element {place_text(where)}")
    return tensor(array, dtype=np.float64)


def _require_way(y: Tensor, leaves: Sequence[Tensor]) -> None:
    gradient(apply("sum", y, axis=tuple(range(y.ndim)), keepdims=False), leaves)  # names the op that bars it
    raise GradientError(
        "check_gradients: the result depends on none of the arrays that could be differentiated. "
        "Compute it from the function's arguments, without .numpy(), float() and stop_gradient."
    )


# comparison -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Fault:
    operand: int
    element: tuple[int, ...]
    order: int
    says: str

    def at(self, places: Sequence[int]) -> str:
        """Which input (`places` gives the numbers of those that are differentiated) and element."""
        known = self.operand < len(places)
        operand = f"input {places[self.operand]}" if known else "incoming gradient"
        second = ", second derivative" if self.order == 2 else ""
        return f"{operand}, element {place_text(self.element)}{second}"


class _Draw:
    """What is left to chance: the weights of results, and which elements are looked at."""

    def __init__(self, seed: int, elements: int | None) -> None:
        self.seed = seed
        self.elements = elements

    def weights(self, shape: tuple[int, ...], purpose: int) -> Array:
        """1 for one element; for more, half to three halves of either sign, so that none hides another."""
        if math.prod(shape) == 1:
            return np.ones(shape)
        random = np.random.default_rng([self.seed, purpose])
        return np.asarray(random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape))

    def places(self, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        every = itertools.product(*map(range, shape))
        n = math.prod(shape)
        if self.elements is None or n <= self.elements:
            return every
        chosen = np.random.default_rng(self.seed).choice(n, self.elements, replace=False)
        return (tuple(map(int, np.unravel_index(k, shape))) for k in sorted(chosen))


def _first_fault(y: Tensor, leaves: Sequence[Tensor], order: int, draw: _Draw) -> _Fault | None:
    """The first element whose derivative is wrong, or whose derivative's derivative is.

    The gradient is checked as a function of what it starts from as well.
    """
    weight = tensor(draw.weights(_numbers(y), 0))
    stopped = [node for node in topological([y]) if node.op.name == "stop_gradient"]
    fault = _compare([y], [weight], leaves, stopped, 1, draw)
    if fault is not None or order == 1:
        return fault
    slopes = gradient(_weighted([y], [weight]), leaves)
    weights = [tensor(draw.weights(_numbers(x), 1 + i)) for i, x in enumerate(slopes)]
    return _compare(slopes, weights, [*leaves, weight], stopped, 2, draw)


def _weighted(ys: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    total, *rest = (
        apply("sum", y * w, axis=tuple(range(y.ndim)), keepdims=False)
        for y, w in zip(ys, weights, strict=True)
    )
    for part in rest:
        total = total + part
    return total


def _compare(
    ys: Sequence[Tensor],
    weights: Sequence[Tensor],
    leaves: Sequence[Tensor],
    stopped: Sequence[Tensor],
    order: int,
    draw: _Draw,
) -> _Fault | None:
    numerical = Numerical(ys, [w.numpy() for w in weights], leaves, stopped)
    found = interpret(gradient(_weighted(ys, weights), leaves), {})
    finite = [np.abs(a[np.isfinite(a)]) for a in found]
    largest = max((float(a.max()) for a in finite if a.size), default=0.0)
    for i, (leaf, analytical) in enumerate(zip(leaves, found, strict=True)):
        for element in draw.places(_numbers(leaf)):
            says = numerical.contradicts(float(analytical[element]), leaf, element, largest)
            if says:
                return _Fault(i, element, order, says)
    return None


# the op at fault ------------------------------------------------------------------------------


def _op_at_fault(
    y: Tensor, leaves: Sequence[Tensor], order: int, draw: _Draw
) -> tuple[str, _Fault, list[int]] | None:
    """The first node whose rule fails by itself, with the operands that it has there."""
    path = path_to([y], leaves)
    moving = {*leaves, *path}
    for node in path:
        if node.op.kind in (Kind.CONTROL, Kind.ITEM):
            continue
        operands = [tensor(value) for value in interpret(node.inputs, {})]
        places = [i for i, x in enumerate(node.inputs) if x in moving]
        alone = apply_record(node.op, operands, node.attrs)
        fault = _first_fault(alone, [operands[i] for i in places], order, draw)
        if fault is not None:
            return node.op.name, fault, places
    return None


def _nested_ops(path: Sequence[Tensor]) -> list[Op]:
    """The ops with a rule of their own in the programs that nodes run."""
    found: dict[Op, None] = {}
    waiting = list(path)
    while waiting:
        inside = nested(waiting.pop())
        waiting += inside
        found.update(dict.fromkeys(x.op for x in inside))
    apart = (Kind.SOURCE, Kind.RANDOM, Kind.CONTROL, Kind.ITEM)
    return [record for record in found if record.vjp is not None and record.kind not in apart]


def _numbers(x: Tensor) -> tuple[int, ...]:
    return tuple(d for d in x.shape if isinstance(d, int))
