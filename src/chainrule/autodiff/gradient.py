"""The chain rule in reverse: gradients as more graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import GradientError, ShapeError
from ..graph.evaluate import evaluate
from ..graph.op import Kind
from ..graph.tensor import LEAF, Tensor, apply, as_tensor, constant, function, tensor, topological
from ..ops.move import expand, reshape
from ..shapes import Shape, kept_axes, reduced


def sum_to(g: Tensor, shape: Shape) -> Tensor:
    """The gradient by an operand, from that by its broadcast: sum over what was repeated."""
    if g.shape == shape:
        return g
    axes = kept_axes(g.shape, shape)
    if axes:
        lead = len(g.shape) - len(shape)
        keep = any(a >= lead for a in axes)
        g = apply("sum", g, axis=axes, keepdims=keep)
        if keep and lead:
            g = reshape(g, reduced(g.shape, range(lead), False))
    return expand(g, shape)


def gradient(y: Tensor, by: Sequence[Tensor], seed: Tensor | None = None) -> list[Tensor]:
    """The derivatives of `y` by each of `by`, as graph nodes; differentiate them again at will.

    Parameters
    ----------
    y : Tensor
        With one element, unless `seed` is given.
    by : sequence of Tensor
        Leaves or intermediate nodes.
    seed : Tensor, optional
        The gradient to start from, of y's shape.

    Returns
    -------
    list of Tensor
        One of each shape in `by`; zeros where `y` does not depend on it.

    Raises
    ------
    GradientError
        If `y` has several elements and no seed is given, if a tensor in `by` holds whole numbers or
        truth values, or if every way from it to `y` leads through an op that has no derivative.

    Examples
    --------
    >>> import chainrule as cr
    >>> x = cr.tensor(3.0, name="x")
    >>> (slope,) = cr.gradient(x**2, [x])
    >>> (bend,) = cr.gradient(slope, [x])
    >>> float(slope), float(bend)
    (6.0, 2.0)
    """
    if isinstance(by, Tensor):
        raise GradientError("gradient: expected a list of tensors, got one. Write gradient(y, [x]).")
    by = list(by)
    for x in (y, *by):
        if not isinstance(x, Tensor):
            raise GradientError(f"gradient: expected tensors, got {x!r:.60}. Write gradient(y, [x]).")
        _require_real(x)
    grads = backpropagate(y, by, seed)
    missing = [x for x in by if x not in grads]
    if missing:
        _refuse_blocked(y, missing, grads)
    return [grads[x] if x in grads else expand(constant(0.0, x.dtype), x.shape) for x in by]


def _require_real(x: Tensor) -> None:
    if x.dtype.kind != "f":
        raise GradientError(
            f"gradient: {x.name or x.op.name} holds {x.dtype}; only real numbers have derivatives"
        )


def _differentiable(node: Tensor) -> bool:
    if node.op.vjp is None:
        return False
    if node.dtype.kind == "f" or node.op.kind is Kind.CONTROL:
        return True
    return all(x.dtype.kind != "f" for x in node.inputs)  # not where real numbers turn into whole ones


def backpropagate(
    y: Tensor,
    by: Iterable[Tensor],
    seed: Tensor | None = None,
    known: Callable[[Tensor], bool] | None = None,
) -> dict[Tensor, Tensor]:
    """The gradients of all nodes on the way from `y` down to `by`, none beyond those `known`."""
    if seed is None:
        if y.shape != () and any(d != 1 for d in y.shape):
            raise GradientError(
                f"gradient: {y.name or y.op.name} has shape {y.shape}; only one number can be "
                "differentiated. Take its sum or mean, or pass a gradient to start from."
            )
        seed = expand(constant(1.0, y.dtype), y.shape)
    elif seed.shape != y.shape:
        raise ShapeError(f"gradient: the seed has shape {seed.shape}, y has {y.shape}")
    order = topological([y], known)
    needed = set(by)
    for node in order:
        if any(x in needed for x in node.inputs):
            needed.add(node)
    grads: dict[Any, Any] = {y: seed} if y in needed else {}
    for node in reversed(order):
        if node.name and node in grads and not grads[node].name and not grads[node].is_leaf:
            grads[node].name = f"d_{node.name}"
        vjp = node.op.vjp
        if node not in grads or node not in needed or not node.inputs:
            continue
        if vjp is None or not _differentiable(node):
            continue
        if node.op.kind is Kind.ITEM:  # one result of several: their gradients travel together
            grads.setdefault(node.inputs[0], {})[node.attrs["item"]] = grads[node]
            continue
        parts = vjp(grads[node], node, *node.inputs, **node.attrs)
        for x, part in zip(node.inputs, parts, strict=True):
            if part is not None and x in needed:
                part = _fitted(part, x, node)
                if part.dtype != x.dtype and x.dtype.kind == "f":
                    part = apply("astype", part, dtype=x.dtype.name)
                grads[x] = grads[x] + part if x in grads else part
    return grads


def _fitted(part: Tensor, x: Tensor, user: Tensor) -> Tensor:
    try:
        return sum_to(part, x.shape)
    except ShapeError:
        raise GradientError(
            f"gradient: op {user.op.name!r} gives an input of shape {x.shape} "
            f"a gradient of shape {part.shape}"
        ) from None


def _refuse_blocked(y: Tensor, by: Iterable[Tensor], grads: Mapping[Tensor, Any]) -> None:
    """Raise for a tensor whose gradient was stopped by an op that has none."""
    order = topological([y])
    for x in by:
        made_of_x = {x}
        for node in order:
            if made_of_x.isdisjoint(node.inputs) or node.op.name == "stop_gradient":
                continue
            if node in grads and not _differentiable(node):
                raise GradientError(
                    f"gradient: op {node.op.name!r} has no derivative, and every way from "
                    f"{x.name or x.op.name} to {y.name or y.op.name} leads through one like it. "
                    "Use stop_gradient if a constant is meant."
                )
            made_of_x.add(node)


def value_and_grad(function_of: Any, by: int | Sequence[int] = 0) -> Any:
    """A function that gives a function's value and its derivatives, as graph nodes.

    Parameters
    ----------
    function_of : callable
        Takes tensors (arrays and numbers are made tensors), returns one with one element.
    by : int or sequence of int
        Which arguments to differentiate by.

    Examples
    --------
    >>> import chainrule as cr
    >>> value, slope = cr.value_and_grad(lambda x: x**2)(3.0)
    >>> float(value), float(slope)
    (9.0, 6.0)
    """

    def both(*arguments: Any) -> tuple[Tensor, Any]:
        nodes = [a if isinstance(a, Tensor) else tensor(a) for a in arguments]
        places = [by] if isinstance(by, int) else list(by)
        if any(not -len(nodes) <= i < len(nodes) for i in places):
            raise GradientError(f"value_and_grad: by={by} is not one of the {len(nodes)} arguments")
        value = function_of(*nodes)
        grads = gradient(value, [nodes[i] for i in places])
        return value, grads[0] if isinstance(by, int) else grads

    return both


@function
def backward(y: Tensor, seed: Any = None) -> None:
    """Add the derivatives of `y` to the `grad` of every node that it is made of."""
    _require_real(y)
    order = [
        x
        for x in topological([y])
        if x.dtype.kind == "f" and x.op.kind is not Kind.CONTROL and (x.inputs or x.op is LEAF)
    ]
    grads = backpropagate(y, order, None if seed is None else as_tensor(seed, y.dtype))
    leaves = [x for x in order if x.op is LEAF]
    if not any(x in grads for x in leaves):
        _refuse_blocked(y, leaves, grads)
    for x in order:
        part = grads.get(x)
        if part is None:
            continue
        x.grad = part if x.grad is None else x.grad + part
    for x in leaves:
        if x.grad is not None and x.value is not None:
            evaluate(x.grad)
