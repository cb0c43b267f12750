"""The same values with less work: constants folded, common subexpressions shared, identities used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph.evaluate import compute
from ..graph.op import Kind
from ..graph.tensor import CONSTANT, LEAF, Tensor, apply, constant, size, topological
from ..shapes import Shape, broadcast, product

Rule = Callable[["Simplifier", Tensor], Tensor | None]
RULES: dict[str, list[Rule]] = {}


def rule(*op_names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for nodes of these ops: a node in, an equal simpler one or None out."""

    def enter(function: Rule) -> Rule:
        for name in op_names:
            RULES.setdefault(name, []).append(function)
        return function

    return enter


def simplify(roots: Sequence[Tensor], lower: bool = False) -> list[Tensor]:
    """Equal roots with less work. Leaves stay the same nodes.

    Parameters
    ----------
    roots : sequence of Tensor
    lower : bool
        Replace ops that state a `lower` form by it, for the compiled engine.
    """
    simplifier = Simplifier(lower)
    done: dict[Tensor, Tensor] = {}
    for node in sorted(topological(roots), key=lambda x: x.serial):
        done[node] = simplifier.convert(node, [done[x] for x in node.inputs])
    return [done[root] for root in roots]


class Simplifier:
    """Makes nodes, each once, by the rules."""

    def __init__(self, lower: bool) -> None:
        self.lower = lower
        self.table: dict[Any, Tensor] = {}
        self.logits: dict[Tensor, Tensor] = {}  # of each log_softmax that was lowered

    def convert(self, node: Tensor, inputs: Sequence[Tensor]) -> Tensor:
        """The simplified form of an original node whose inputs are simplified already."""
        if node.op is LEAF:
            return node
        if self.lower and node.op.name == "exp" and node.inputs[0].op.name == "log_softmax":
            x = node.inputs[0]  # exp(log_softmax(x)) is softmax(x), and shares its sum
            new = self._lowered(apply("softmax", self.logits[x], **x.attrs))
        else:
            new = self.settle(Tensor(node.op, inputs, node.attrs, node.shape, node.dtype))
        if self.lower and node.op.name == "log_softmax":
            self.logits[node] = inputs[0]
        if node.name and not new.name and not new.is_leaf:
            new.name = node.name
        return new

    def make(self, op_name: str, *inputs: Any, **attrs: Any) -> Tensor:
        """A simplified node of an op applied to simplified nodes and numbers."""
        return self.settle(apply(op_name, *inputs, **attrs))

    def settle(self, node: Tensor) -> Tensor:
        """The one simplified node that stands for `node`, whose inputs are simplified."""
        if self.lower and node.op.lower is not None:
            return self._lowered(node)
        found = self.table.get(key := self._key(node))
        if found is not None:
            return found
        new = self._fold(node)
        if new is None:
            for apply_rule in RULES.get(node.op.name, ()):
                new = apply_rule(self, node)
                if new is not None:
                    break
        if new is None:
            new = node
        elif new.shape != node.shape:
            new = self.make("expand", new, shape=node.shape)
        self.table[key] = new
        return new

    def _lowered(self, node: Tensor) -> Tensor:
        """The lowered form of a node, itself simplified."""
        if node.op.lower is None:
            return self.settle(node)
        known = set(node.inputs)
        form = node.op.lower(*node.inputs, **node.attrs)
        done: dict[Tensor, Tensor] = {x: x for x in known}
        for x in topological([form], known=lambda x: x in known):
            done[x] = self.settle(Tensor(x.op, [done[i] for i in x.inputs], x.attrs, x.shape, x.dtype))
        return done[form]

    def _key(self, node: Tensor) -> Any:
        if node.op is CONSTANT:
            value = np.asarray(node.attrs["value"])
            return ("constant", value.dtype, value.tobytes())
        inputs = [self._key(x) if x.op is CONSTANT else x.serial for x in node.inputs]
        if node.op.name in ("add", "multiply"):
            inputs.sort(key=str)
        attrs = tuple(sorted((k, v) for k, v in node.attrs.items()))
        return (node.op.name, tuple(inputs), attrs, node.shape, node.dtype)

    def same(self, x: Tensor, y: Tensor) -> bool:
        """Whether two simplified nodes are one value."""
        return x is y or (x.op is CONSTANT and y.op is CONSTANT and self._key(x) == self._key(y))

    def _fold(self, node: Tensor) -> Tensor | None:
        if node.op.kind is not Kind.MAP or any(x.op is not CONSTANT for x in node.inputs):
            return None
        with np.errstate(all="ignore"):
            value = compute(node, [x.attrs["value"] for x in node.inputs])
        return constant(value, node.dtype)


# what rules ask -------------------------------------------------------------------------------


def is_number(x: Tensor, value: float) -> bool:
    """Whether a node is that constant."""
    return x.op is CONSTANT and bool(x.attrs["value"] == value)


def _same(new: Tensor, node: Tensor) -> Tensor | None:
    """`new` if it can stand for `node`: of its type, and stretching to its shape."""
    if new.dtype != node.dtype:
        return None
    return new if new.shape == node.shape or _stretches(new.shape, node.shape) else None


def _stretches(shape: Shape, target: Shape) -> bool:
    return len(shape) <= len(target) and broadcast(shape, target) == target


def _is_negated(x: Tensor, node: Tensor) -> bool:
    """Whether x is minus something, and the sign may be taken after the conversion to the node's type.

    Narrow whole numbers wrap around: minus 1 is 255 in eight bits without a sign.
    """
    return x.op.name == "negative" and (x.dtype.kind == "f" or x.dtype == node.dtype)


# rules ----------------------------------------------------------------------------------------


@rule("add", "subtract", "multiply", "divide", "negative", "where", "maximum", "minimum", "astype")
def _expand_last(s: Simplifier, node: Tensor) -> Tensor | None:
    """Work on what was repeated before it is repeated."""
    if not any(x.op.name == "expand" for x in node.inputs):
        return None
    bare = [x.inputs[0] if x.op.name == "expand" else x for x in node.inputs]
    return s.make(node.op.name, *bare, **node.attrs)


@rule("add")
def _add(s: Simplifier, node: Tensor) -> Tensor | None:
    x, y = node.inputs
    if is_number(y, 0):
        return _same(x, node)
    if is_number(x, 0):
        return _same(y, node)
    if _is_negated(y, node):
        return s.make("subtract", x, y.inputs[0])
    if _is_negated(x, node):
        return s.make("subtract", y, x.inputs[0])
    return None


@rule("subtract")
def _subtract(s: Simplifier, node: Tensor) -> Tensor | None:
    x, y = node.inputs
    if is_number(y, 0):
        return _same(x, node)
    if is_number(x, 0):
        return _same(s.make("negative", y), node) if y.dtype.kind != "b" else None
    if _is_negated(y, node):
        other = y.inputs[0]
        return s.make("subtract", other, x.inputs[0]) if _is_negated(x, node) else s.make("add", x, other)
    if x.op.name == y.op.name and x.op.name in ("multiply", "divide") and node.dtype.kind == "f":
        orders = (1, -1) if x.op.name == "multiply" else (1,)
        for (a, c), (b, d) in ((x.inputs[::i], y.inputs[::j]) for i in orders for j in orders):
            if s.same(c, d) and node.dtype in (a.dtype, b.dtype):
                return _same(s.make(x.op.name, s.make("subtract", a, b), c), node)
    return None


@rule("multiply")
def _multiply(s: Simplifier, node: Tensor) -> Tensor | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        if is_number(y, 1):
            return _same(x, node)
        if is_number(y, -1):
            return _same(s.make("negative", x), node) if x.dtype.kind != "b" else None
        if _is_negated(y, node):
            return s.make("negative", s.make("multiply", x, y.inputs[0]))
        if y.op.name == "divide" and y.shape == () and y.inputs[0].op is CONSTANT and y.dtype == node.dtype:
            top, bottom = y.inputs
            if is_number(top, 1):
                return _same(s.make("divide", x, bottom), node)
            if is_number(top, -1):
                return _same(s.make("negative", s.make("divide", x, bottom)), node)
    return None


@rule("divide")
def _divide(s: Simplifier, node: Tensor) -> Tensor | None:
    x, y = node.inputs
    if is_number(y, 1):
        return _same(x, node)
    if _is_negated(x, node):
        return s.make("negative", s.make("divide", x.inputs[0], y))
    return None


@rule("negative")
def _negative(s: Simplifier, node: Tensor) -> Tensor | None:
    (x,) = node.inputs
    if x.op.name == "negative":
        return x.inputs[0]
    if x.op.name == "subtract":
        return s.make("subtract", x.inputs[1], x.inputs[0])
    if x.op.name == "divide" and x.inputs[0].op is CONSTANT and x.inputs[0].dtype.kind in "if":
        return s.make("divide", s.make("negative", x.inputs[0]), x.inputs[1])
    return None


@rule("power")
def _power(s: Simplifier, node: Tensor) -> Tensor | None:
    x, y = node.inputs
    if is_number(y, 1):
        return _same(x, node)
    if s.lower and is_number(y, 2):
        return _same(s.make("multiply", x, x), node)
    if s.lower and is_number(y, 3):
        return _same(s.make("multiply", s.make("multiply", x, x), x), node)
    return None


@rule("astype")
def _astype(s: Simplifier, node: Tensor) -> Tensor | None:
    return node.inputs[0] if node.inputs[0].dtype == node.dtype else None


@rule("stop_gradient", "straight_through")
def _gradients_alone(s: Simplifier, node: Tensor) -> Tensor | None:
    """What matters to the chain rule alone."""
    return _same(node.inputs[0], node)


@rule("expand")
def _expand(s: Simplifier, node: Tensor) -> Tensor | None:
    (x,) = node.inputs
    if x.shape == node.shape:
        return x
    return s.make("expand", x.inputs[0], shape=node.shape) if x.op.name == "expand" else None


@rule("reshape")
def _reshape(s: Simplifier, node: Tensor) -> Tensor | None:
    (x,) = node.inputs
    shape = node.attrs["shape"]
    if x.shape == shape:
        return x
    if x.op.name == "reshape":
        return s.make("reshape", x.inputs[0], shape=shape)
    if x.op.name == "expand" and x.inputs[0].shape == ():
        return s.make("expand", x.inputs[0], shape=shape)
    if x.shape == ():
        return s.make("expand", x, shape=shape)
    return None


@rule("transpose")
def _transpose(s: Simplifier, node: Tensor) -> Tensor | None:
    (x,) = node.inputs
    axes = node.attrs["axes"]
    if axes == tuple(range(len(axes))):
        return x
    if x.op.name == "transpose":
        return s.make("transpose", x.inputs[0], axes=tuple(x.attrs["axes"][a] for a in axes))
    return None


@rule("sum", "mean", "max", "min", "argmax")
def _one_element(s: Simplifier, node: Tensor) -> Tensor | None:
    """A reduction of single elements is no reduction."""
    (x,) = node.inputs
    if any(x.shape[a] != 1 for a in node.attrs["axis"]):
        return None
    if node.op.name == "argmax":
        return s.make("expand", s.settle(constant(0, node.dtype)), shape=node.shape)
    return s.make("reshape", s.make("astype", x, dtype=node.dtype.name), shape=node.shape)


@rule("mean")
def _mean(s: Simplifier, node: Tensor) -> Tensor | None:
    """A negation is taken once, after the mean."""
    (x,) = node.inputs
    return s.make("negative", s.make("mean", x.inputs[0], **node.attrs)) if _is_negated(x, node) else None


@rule("sum")
def _sum(s: Simplifier, node: Tensor) -> Tensor | None:
    """A repeated number times how often; and each row of one_hot has one place that is true."""
    (x,) = node.inputs
    attrs = node.attrs
    name = x.op.name
    if _is_negated(x, node):
        return s.make("negative", s.make("sum", x.inputs[0], **attrs))
    if name in ("multiply", "divide") and attrs["axis"] == (x.ndim - 1,):
        one, scale = x.inputs if x.inputs[0].op.name == "one_hot" else x.inputs[::-1]
        if one.op.name == "one_hot" and scale.shape == () and (name == "multiply" or one is x.inputs[0]):
            return _same(s.make(name, 1.0, scale), node)
    if name == "expand" and x.inputs[0].shape == () and x.dtype.kind != "b":
        count = product(x.shape[a] for a in attrs["axis"])
        number = s.settle(size(count, x.dtype))
        return _same(s.make("multiply", x.inputs[0], number), node)
    return None


@rule("matmul")
def _matmul(s: Simplifier, node: Tensor) -> Tensor | None:
    """As BLAS takes it: operands of one type, each with one matrix or as many as the result."""
    if not s.lower:
        return None
    if node.dtype.kind != "f":
        return _whole_matmul(s, node)
    operands = [s.make("astype", x, dtype=node.dtype.name) for x in node.inputs]
    batch = node.shape[:-2]
    for i, x in enumerate(operands):
        if product(x.shape[:-2]) not in (1, product(batch)):
            operands[i] = s.make("expand", x, shape=(*batch, *x.shape[-2:]))
    same = all(a is b for a, b in zip(operands, node.inputs, strict=True))
    return None if same else s.make("matmul", *operands)


def _whole_matmul(s: Simplifier, node: Tensor) -> Tensor:
    """The product of matrices of whole numbers, which BLAS has not, as a sum of products."""
    x, y = node.inputs
    left = s.make("reshape", x, shape=(*x.shape, 1))
    right = s.make("reshape", y, shape=(*y.shape[:-2], 1, *y.shape[-2:]))
    terms = s.make("multiply", left, right)
    total = s.make("sum", terms, axis=(terms.ndim - 2,), keepdims=False)
    return s.make("astype", total, dtype=node.dtype.name)
