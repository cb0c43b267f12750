"""Numerical derivatives, which know nothing of the rules.

Where all ops on the way extend to complex numbers, the derivative is the complex step,
Im f(x + ih) / h, which subtracts nothing and so loses no digits; elsewhere it is the central difference
over five points, whose error falls with the fourth power of the step.

References
----------
Squire and Trapp (1998), Using complex variables to estimate derivatives of real functions.
Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 25.3.6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import GradientError
from ..graph.evaluate import interpret
from ..graph.op import Kind
from ..graph.program import Program
from ..graph.tensor import Tensor, topological

Array = np.ndarray[Any, Any]

COMPLEX_STEP = 1e-20
COMPLEX_AGREEMENT = 1e-10
FIVE_POINT_STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
SIDE_STEPS = (1e-5, 1e-6)
FIVE_POINT_AGREEMENT = 1e-7
EPSILON = float(np.finfo(np.float64).eps)


class Numerical:
    """Numerical derivatives of weighted tensors by elements of leaves; what is `stopped` does not move.

    Where a record states that its derivative is altered by design, they are of what it states.
    """

    def __init__(
        self,
        ys: Sequence[Tensor],
        weights: Sequence[Array],
        leaves: Sequence[Tensor],
        stopped: Sequence[Tensor],
    ) -> None:
        self.ys, stopped = as_meant(ys, stopped)
        self.weights = weights
        path = path_to(self.ys, leaves, stopped)
        for node in path:
            if node.dtype.kind == "f" and node.dtype.itemsize < 8:
                raise GradientError(
                    f"check_gradients: op {node.op.name!r} computes in {node.dtype}, too coarse for "
                    "numerical differentiation. Check the function in float64."
                )
        self.complex = all(_analytic(node) for node in path)
        self.fixed = dict(zip(stopped, interpret(stopped, {}), strict=True))
        self.base = self._at({})
        for y, value in zip(self.ys, self.base, strict=True):
            if not np.isfinite(value).all():
                _refuse_not_finite(y)

    def _at(self, moved: dict[Tensor, Array]) -> list[Array]:
        return [np.asarray(v) for v in interpret(self.ys, {**self.fixed, **moved})]

    def contradicts(self, claim: float, leaf: Tensor, element: tuple[int, ...], largest: float) -> str:
        """What a numerical derivative has against this one; empty if they agree."""
        if not math.isfinite(claim):
            return f"the rule gives {claim}"
        if self.complex:
            value = self._complex_step(leaf, element)
            size = sum(float(np.abs(w * b).sum()) for w, b in zip(self.weights, self.base, strict=True))
            if _agree(claim, value, COMPLEX_AGREEMENT, 64 * EPSILON * (size + largest)):
                return ""
            return f"the rule gives {claim:.12g}, a complex step {value:.12g}"
        values: list[float] = []
        for step in FIVE_POINT_STEPS:  # smaller ones where a kink or an end of the domain is near
            value, noise = self._five_point(leaf, element, step)
            exact = noise <= FIVE_POINT_AGREEMENT * max(abs(claim), abs(value))
            if step < SIDE_STEPS[0] and not exact:
                break
            if _agree(claim, value, FIVE_POINT_AGREEMENT, noise + 64 * EPSILON * largest):
                return ""
            values.append(value)
        kink = self._kink(leaf, element)
        if kink:
            return f"{kink}, and the rule gives {claim:.9g}. Check at another point"
        return f"the rule gives {claim:.12g}, a five-point difference {_settled(values):.12g}"

    def _kink(self, leaf: Tensor, element: tuple[int, ...]) -> str:
        """That the slope has no limit at the point, or two; empty if it is smooth there."""
        (left, right), closer = (self._sides(leaf, element, step) for step in SIDE_STEPS)
        slopes = (left, right, *closer)
        size = sum(float(np.abs(w * b).sum()) for w, b in zip(self.weights, self.base, strict=True))
        if max(slopes) - min(slopes) <= 1e-3 * max(map(abs, slopes)) + 1e-8 * size:
            return ""
        if max(map(abs, closer)) > 5 * max(abs(left), abs(right)):
            return "a jump: the slope grows without end as one comes closer"
        return f"a kink: the slope is {left:.9g} on the left and {right:.9g} on the right"

    def _complex_step(self, leaf: Tensor, element: tuple[int, ...]) -> float:
        moved = leaf.numpy().astype(np.complex128)
        moved[element] += COMPLEX_STEP * 1j
        values = self._at({leaf: moved})
        pairs = zip(self.weights, values, strict=True)
        return sum(float((w * v.imag).sum()) for w, v in pairs) / COMPLEX_STEP

    def _shifted(self, leaf: Tensor, element: tuple[int, ...], by: float) -> list[Array]:
        moved = leaf.numpy().copy()
        moved[element] += by
        return self._at({leaf: moved})

    def _step(self, leaf: Tensor, element: tuple[int, ...], step: float) -> float:
        """A step in proportion to where it starts, which adds to it without rounding."""
        x = float(leaf.numpy()[element])
        return (x + step * max(1.0, abs(x))) - x

    def _five_point(self, leaf: Tensor, element: tuple[int, ...], step: float) -> tuple[float, float]:
        """The derivative, and how far rounding can have moved it."""
        h = self._step(leaf, element, step)
        around = [self._shifted(leaf, element, k * h) for k in (-2, -1, 1, 2)]
        slope = noise = 0.0
        for w, b, a2, a1, b1, b2 in zip(self.weights, self.base, *around, strict=True):
            part = (8 * (b1 - a1) - (b2 - a2)) / (12 * h)
            slope += float((w * part).sum())
            noise += float(np.abs(w * b)[part != 0].sum()) * 4 * EPSILON / abs(h)
        return slope, noise

    def _sides(self, leaf: Tensor, element: tuple[int, ...], step: float) -> tuple[float, float]:
        """The slopes on the left and on the right, from three points each."""
        sides = []
        for sign in (-1, 1):
            h = sign * self._step(leaf, element, step)
            near, far = self._shifted(leaf, element, h), self._shifted(leaf, element, 2 * h)
            points = zip(self.weights, self.base, near, far, strict=True)
            sides.append(sum(float((w * (4 * n - f - 3 * b)).sum()) for w, b, n, f in points) / (2 * h) + 0.0)
        return sides[0], sides[1]


def _settled(values: list[float]) -> float:
    """The estimate that differs least from the one before it."""
    later = [b for _, b in sorted((abs(b - a), b) for a, b in itertools.pairwise(values) if a - b == a - b)]
    return later[0] if later else values[0]


def _agree(claim: float, value: float, agreement: float, noise: float) -> bool:
    return abs(claim - value) <= agreement * max(abs(claim), abs(value)) + noise


def _analytic(node: Tensor) -> bool:
    inner = [x for x in nested(node) if x.dtype.kind == "f"]
    return node.op.analytic and all(_analytic(x) for x in inner)


def nested(node: Tensor) -> list[Tensor]:
    """The nodes of the program that an op of control flow runs; none for another op."""
    program = node.attrs.get("program")
    return topological(program.roots) if isinstance(program, Program) else []


def as_meant(ys: Sequence[Tensor], stopped: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """`ys` made of what ops are the derivatives of by design (`Op.meant`), and what then stands still."""
    new: dict[Tensor, Tensor] = {}
    held: list[Tensor] = []
    for node in topological(ys):
        inputs = [new[x] for x in node.inputs]
        if node.op.meant is not None:
            new[node] = form = node.op.meant(*inputs, **node.attrs)
            known = set(inputs)
            made = topological([form], known=lambda x, known=known: x in known)  # type: ignore[misc]
            held += [x for x in made if x.op.name == "stop_gradient"]
        elif all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            new[node] = node
        else:
            new[node] = Tensor(node.op, inputs, node.attrs, node.shape, node.dtype)
    return [new[y] for y in ys], [*(new.get(x, x) for x in stopped), *held]


def path_to(
    ys: Sequence[Tensor], leaves: Sequence[Tensor], stopped: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """The nodes through which `ys` change with the leaves; none is `stopped` (each stop_gradient: None)."""
    still = None if stopped is None else set(stopped)
    reached = set(leaves)
    path = []
    for node in topological(ys):
        carries = node.dtype.kind == "f" or node.op.kind is Kind.CONTROL
        stops = node.op.name == "stop_gradient" if still is None else node in still
        if carries and not stops and not reached.isdisjoint(node.inputs):
            reached.add(node)
            path.append(node)
    return path


def _refuse_not_finite(y: Tensor) -> None:
    nodes = topological([y])
    values = dict(zip(nodes, interpret(nodes, {}), strict=True))
    for node in nodes:
        if node.inputs and not isinstance(values[node], tuple) and not np.isfinite(values[node]).all():
            where = first_true(~np.isfinite(values[node]))
            raise GradientError(
                f"{node.op.name}, element {place_text(where)}: the value is {values[node][where]}; "
                "there is no derivative. Check at another point."
            )


def first_true(mask: Array) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(mask)[0])


def place_text(element: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, element))}{',' if len(element) == 1 else ''})"
