"""The chain rule forwards: how results move as what they are made of moves, as more graph.

No record has a rule for this direction. It follows from the rule that each has for the other one:

- A map's rule multiplies by the slope, element by element, which is the same in both directions.
- A product, reduction or move whose rule does not read an operand is linear in it, and is applied to
  the operand's tangent as it is.
- Any other rule is linear in the gradient that it is given, so that differentiating it by that gradient
  gives its transpose, which is the forward direction.

References
----------
Griewank and Walther (2008), Evaluating Derivatives, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

from ..errors import DTypeError, GradientError, ShapeError
from ..graph.op import Kind
from ..graph.tensor import Tensor, apply, as_tensor, constant, placeholder, topological
from ..ops.move import expand
from .gradient import backpropagate, gradient, sum_to

Tangents = Mapping[Tensor, Any] | Iterable[tuple[Tensor, Any]]

# Kinds that add nothing of their own to what they take: affine in an operand is then linear in it.
HOMOGENEOUS = frozenset({Kind.PRODUCT, Kind.REDUCE, Kind.MOVE, Kind.SCATTER})


@overload
def jvp(y: Tensor, tangents: Tangents) -> Tensor: ...
@overload
def jvp(y: Sequence[Tensor], tangents: Tangents) -> list[Tensor]: ...
def jvp(y: Tensor | Sequence[Tensor], tangents: Tangents) -> Tensor | list[Tensor]:
    """The tangent of `y`, a Jacobian-vector product: how fast `y` moves as tensors move by their tangents.

    One forward sweep; `gradient` is the reverse one. The result is more graph: print it, compile it,
    differentiate it again in either direction.

    Parameters
    ----------
    y : Tensor or sequence of Tensor
        Of real numbers and any shape.
    tangents : mapping, or pairs, of Tensor to tensor or array-like
        How each of some leaves or intermediate nodes moves: a tensor or array of its shape, converted
        to its type. What an intermediate node is given is added to what its own operands bring it.

    Returns
    -------
    Tensor or list of Tensor
        Of the shape and type of `y`, for a sequence one of each; zeros where `y` depends on none of them.

    Raises
    ------
    GradientError
        If `y` or a tensor that moves holds anything but real numbers, if every way from one to `y` leads
        through an op that has no derivative, or if a rule on the way is not linear in its gradient.
    ShapeError, DTypeError
        If a tangent has another shape than its tensor, or is complex.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 2.0, 3.0])
    >>> jvp(x * x, {x: [1.0, 0.0, 10.0]}).numpy().tolist()
    [2.0, 0.0, 60.0]

    Forward over reverse, the Hessian times a vector:

    >>> (slope,) = cr.gradient((x**3).sum(), [x])
    >>> jvp(slope, {x: [1.0, 1.0, 1.0]}).numpy().tolist()
    [6.0, 12.0, 18.0]
    """
    ys = [y] if isinstance(y, Tensor) else _listed(y)
    for one in ys:
        _require_real(one)
    given = _checked(tangents)
    sweep = Sweep(ys, given)
    missing = [x for i, x in enumerate(given) if not any(sweep.moved_by(one) >> i & 1 for one in ys)]
    if missing and sweep.blocked:
        for one in ys:  # raises where an op without derivative is all that bars the way
            gradient(one, missing, expand(constant(1.0, one.dtype), one.shape))
    found = [sweep.tangents.get(one) for one in ys]
    results = [zeros(one) if t is None else t for one, t in zip(ys, found, strict=True)]
    return results[0] if isinstance(y, Tensor) else results


class Sweep:
    """One pass over all nodes that `ys` are made of, from what is given a tangent to `ys`.

    Attributes
    ----------
    tangents : dict of Tensor to Tensor
        Of every node that moves.
    blocked : bool
        Whether an op without derivative was met.
    """

    def __init__(self, ys: Iterable[Tensor], given: Mapping[Tensor, Tensor]) -> None:
        self.tangents = dict(given)
        self.blocked = False
        self._results: dict[Tensor, dict[int, Tensor]] = {}  # of nested programs, by number
        self._movers = {x: 1 << i for i, x in enumerate(given)}
        theirs = set(given.values())
        for node in topological(ys):
            movers = 0
            for x in node.inputs:
                movers |= self._movers.get(x, 0)
            tangent = self._through(node) if movers else None
            if node in self._results:
                self._movers[node] = movers
            if tangent is None:
                continue
            if tangent.dtype != node.dtype:
                tangent = apply("astype", tangent, dtype=node.dtype.name)
            tangent = expand(tangent, node.shape)
            if node in given:
                tangent = given[node] + tangent
            if node.name and not tangent.name and not tangent.is_leaf and tangent not in theirs:
                tangent.name = f"{node.name}_dot"
            self.tangents[node] = tangent
            self._movers[node] = self._movers.get(node, 0) | movers

    def moved_by(self, y: Tensor) -> int:
        """A bit for each tensor given, set for those that move `y`."""
        return self._movers.get(y, 0)

    def _through(self, node: Tensor) -> Tensor | None:
        """What the operands' tangents make of a node's; None where they make nothing."""
        record = node.op
        moving = [self.tangents.get(x) for x in node.inputs]
        if record.kind is Kind.ITEM:
            return self._results[node.inputs[0]].get(node.attrs["item"])
        if record.kind is Kind.CONTROL:
            if record.jvp is None:
                raise GradientError(
                    f"jvp: op {record.name!r} has no forward mode. Use gradient, or stop_gradient if a "
                    "constant is meant."
                )
            self._results[node] = record.jvp(node, moving)
            return None
        if record.vjp is None or node.dtype.kind != "f":
            self.blocked = True
            return None
        if record.kind is Kind.MAP:
            return _sum(
                record.vjp(t, node, *node.inputs, **node.attrs)[i]
                for i, t in enumerate(moving)
                if t is not None
            )
        return _by_rule(node, moving)


def _by_rule(node: Tensor, moving: Sequence[Tensor | None]) -> Tensor | None:
    """The tangent of a node whose operands move, from the rule that takes gradients the other way."""
    assert node.op.vjp is not None
    g = placeholder(node.shape, node.dtype)
    parts = list(node.op.vjp(g, node, *node.inputs, **node.attrs))
    outside = {node, *node.inputs}
    reads = [_read(part, outside) for part in parts]
    taken = [i for i, part in enumerate(parts) if part is not None]
    operands = {node.inputs[i] for i in taken}
    live = {i: t for i, t in enumerate(moving) if t is not None and i in taken}
    if not live:
        return None
    if node.op.kind in HOMOGENEOUS:
        if all(reads[i].isdisjoint({node, *operands}) for i in taken):  # linear in all of them together
            return _applied(node, {i: zeros(node.inputs[i]) for i in taken} | live)
        if all(node not in reads[i] and reads[i] & operands == operands - {node.inputs[i]} for i in taken):
            return _sum(_applied(node, {i: t}) for i, t in live.items())
    total = _sum(_transposed(parts[i], g, node, node.inputs[i], t) for i, t in live.items())
    if g in _read(total, {g, *outside, *live.values()}):
        raise _not_linear(node)
    return total


def _applied(node: Tensor, others: Mapping[int, Tensor]) -> Tensor:
    """The node's op, with other operands in some places."""
    operands = [others.get(i, x) for i, x in enumerate(node.inputs)]
    return Tensor(node.op, operands, node.attrs, node.shape, node.dtype)


def _read(part: Tensor | None, outside: set[Tensor]) -> set[Tensor]:
    """Which nodes a rule's result is made of, among those that the rule did not make."""
    if part is None:
        return set()
    inner = topological([part], known=outside.__contains__)
    return outside & {part, *(x for node in inner for x in node.inputs)}


def _transposed(part: Tensor, g: Tensor, node: Tensor, x: Tensor, t: Tensor) -> Tensor | None:
    """The transpose of the linear function from g to an operand's gradient, applied to its tangent."""
    part = sum_to(part, x.shape)
    if part.dtype != x.dtype:
        part = apply("astype", part, dtype=x.dtype.name)
    outside = {node, *node.inputs}
    found = backpropagate(part, [g], t, outside.__contains__).get(g)
    if found is None and g in _read(part, {g, *outside}):
        raise _not_linear(node)
    return found


def _not_linear(node: Tensor) -> GradientError:
    return GradientError(
        f"jvp: the rule of op {node.op.name!r} is not a differentiable, linear function of the gradient that "
        "it is given, so that it cannot be turned round. Use gradient."
    )


def _sum(parts: Iterable[Tensor | None]) -> Tensor | None:
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total


def zeros(x: Tensor) -> Tensor:
    """Zeros of the shape and type of x."""
    return expand(constant(0.0, x.dtype), x.shape)


# arguments ------------------------------------------------------------------------------------


def _listed(ys: Any) -> list[Tensor]:
    listed = list(ys) if isinstance(ys, Sequence) else [ys]
    for y in listed:
        if not isinstance(y, Tensor):
            raise GradientError(f"jvp: expected tensors, got {y!r:.60}. Write jvp(y, {{x: tangent}}).")
    return listed


def _checked(tangents: Any) -> dict[Tensor, Tensor]:
    pairs = tangents.items() if isinstance(tangents, Mapping) else tangents
    given: dict[Tensor, Tensor] = {}
    for pair in pairs if isinstance(pairs, Iterable) and not isinstance(pairs, Tensor) else [pairs]:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], Tensor):
            raise GradientError(
                f"jvp: expected tensors with their tangents, got {pair!r:.60}. Write jvp(y, {{x: tangent}})."
            )
        x, value = pair
        _require_real(x)
        if x in given:
            raise GradientError(f"jvp: {_called(x)} is given two tangents. Add them up.")
        tangent = as_tensor(value, x.dtype)
        if tangent.dtype.kind == "c":
            raise DTypeError(f"jvp: the tangent of {_called(x)} is complex. Pass real numbers.")
        if tangent.shape != x.shape:
            raise ShapeError(
                f"jvp: the tangent of {_called(x)} has shape {tangent.shape}, {_called(x)} has {x.shape}. "
                "Pass a number for each element."
            )
        same = tangent.dtype == x.dtype
        given[x] = tangent if same else apply("astype", tangent, dtype=x.dtype.name)
    return given


def _require_real(x: Tensor) -> None:
    if x.dtype.kind != "f":
        raise GradientError(f"jvp: {_called(x)} holds {x.dtype}; only real numbers have derivatives")


def _called(x: Tensor) -> str:
    return x.name or x.op.name
