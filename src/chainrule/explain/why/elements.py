"""One element of a node as a formula of elements: W2[0, 1], a1[0] * (1 - a1[0]), with its numbers.

The records say all that is needed: a map's element is its expression of its operands' elements; a product's
and a sum's are sums of terms, of which only those are written that are not 0 by construction; a move's is
an element of its operand, found by moving the places themselves. Where an op has no such form, as the
softmax of a row, there is no formula.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...emit.notation import Part, Writer, find_notation
from ...graph.evaluate import compute
from ...graph.op import Kind
from ...graph.tensor import CONSTANT, LEAF, SIZE, Tensor, apply, constant
from ...shapes import evaluate, evaluate_shape
from ..naming import Index

Array = np.ndarray[Any, Any]
LONGEST = 14  # ops in a formula; a longer one explains nothing
TERMS = 4  # of a sum that is written out
SCANNED = 4096  # elements of a sum that are looked at

_ONE = constant(1.0)
_ADD, _MULTIPLY, _DIVIDE, _NEGATIVE = (
    apply("add", _ONE, _ONE),
    apply("multiply", _ONE, _ONE),
    apply("divide", _ONE, _ONE),
    apply("negative", _ONE),
)


@dataclass(frozen=True)
class Element:
    """An element as text.

    Attributes
    ----------
    formula, numbers : Part
        With names, and with numbers in their place.
    value : float or bool
    ops : int
        How many the formula shows.
    plain : bool
        Whether it is a number by construction, not of data: a 0 of these adds nothing, a 1 is no factor.
    factors : (Element, Element) or None
        A plain number and what it is multiplied by, where the formula is such a product.
    """

    formula: Part
    numbers: Part
    value: Any
    ops: int = 0
    plain: bool = False
    factors: tuple[Element, Element] | None = None

    def is_plain(self, value: float) -> bool:
        """Whether it is this number by construction."""
        return self.plain and bool(self.value == value)


class Reader:
    """Reads elements of nodes.

    Parameters
    ----------
    notation : {"text", "latex"}
    known : mapping of str to ndarray
        Nodes at which formulas stop, by their names.
    rows : int
        What the size n stands for.
    chosen : mapping of Tensor to tuple of int, optional
        Leaves that are 1 at one place and 0 elsewhere.
    labels : mapping of Tensor to (str, ndarray), optional
        Further nodes at which formulas stop, with a name and value of their own.
    """

    def __init__(
        self,
        notation: str,
        known: Mapping[str, Array],
        rows: int,
        chosen: Mapping[Tensor, Index] | None = None,
        labels: Mapping[Tensor, tuple[str, Array]] | None = None,
    ) -> None:
        self.writer: Writer = find_notation(notation)
        self.known, self.rows = known, rows
        self.chosen, self.labels = dict(chosen or {}), dict(labels or {})
        self.sizes = {"n": rows}
        self.moves: dict[Tensor, list[Array]] = {}

    def read(self, node: Tensor, index: Index, *, whole: bool = True) -> Element | None:
        """An element; None where it has no formula of reasonable length.

        Parameters
        ----------
        node : Tensor
        index : tuple of int
        whole : bool
            Whether a name of the node itself may stand for it.
        """
        if node in self.chosen:
            return self._plain(float(index == self.chosen[node]))
        if whole and node in self.labels:
            name, value = self.labels[node]
            return self._named(name, node, index, value)
        if node.name and node.name in self.known and (whole or node.op is LEAF):
            return self._named(node.name, node, index, self.known[node.name])
        found = self._expression(node, index)
        return None if found is None or found.ops > LONGEST else found

    def _expression(self, node: Tensor, index: Index) -> Element | None:
        if node.op is CONSTANT:
            return self._plain(node.attrs["value"])
        if node.op is SIZE:
            number = evaluate(node.attrs["dim"], self.sizes)
            found = self._plain(number)
            if number == 1:
                return found
            return Element(self.writer.size(node.attrs["dim"]), found.numbers, number)
        kind = node.op.kind
        if kind is Kind.MAP:
            return self._map(node, index)
        if kind is Kind.MOVE:
            return self._move(node, index)
        if kind is Kind.PRODUCT:
            return self._product(node, index)
        if kind is Kind.REDUCE and node.op.name in ("sum", "mean"):
            return self._sum(node, index)
        return None

    # leaves -----------------------------------------------------------------------------------

    def _plain(self, value: Any) -> Element:
        number = self.writer.number(np.asarray(value)[()])
        return Element(number, number, value, plain=True)

    def _named(self, name: str, node: Tensor, index: Index, value: Array) -> Element:
        number = np.asarray(value)[index]
        return Element(element_name(self.writer, name, node, index, self.rows), self._number(number), number)

    def _number(self, value: Any) -> Part:
        return self.writer.number(np.asarray(value)[()])

    # kinds of ops -----------------------------------------------------------------------------

    def _map(self, node: Tensor, index: Index) -> Element | None:
        name = node.op.name
        if name == "where":
            condition = self.read(node.inputs[0], self._under(node, node.inputs[0], index))
            if condition is None:
                return None
            branch = node.inputs[1 if condition.value else 2]
            return self.read(branch, self._under(node, branch, index))
        parts = []
        for x in node.inputs:
            part = self.read(x, self._under(node, x, index))
            if part is None:
                return None
            if name == "multiply" and part.is_plain(0):
                return self._plain(0.0)
            parts.append(part)
        if name in ("astype", "stop_gradient"):
            (part,) = parts
            return part
        folded = _FOLDS.get(name, _no_fold)(self, parts)
        return folded if folded is not None else self._written(node, parts)

    def _written(self, node: Tensor, parts: Sequence[Element]) -> Element:
        """The expression of an op, from those of its operands."""
        stand_in = Tensor(node.op, [_ONE] * len(parts), node.attrs, (), node.dtype)
        with np.errstate(all="ignore"):
            value = compute(stand_in, [np.asarray(p.value)[()] for p in parts])
        scaled = node.op.name == "multiply" and parts[0].plain
        return Element(
            self.writer.node(stand_in, [p.formula for p in parts]),
            self.writer.node(stand_in, [p.numbers for p in parts]),
            np.asarray(value)[()],
            1 + sum(p.ops for p in parts),
            all(p.plain for p in parts),
            (parts[0], parts[1]) if scaled else None,
        )

    def _move(self, node: Tensor, index: Index) -> Element | None:
        if node.op.name == "one_hot":
            (classes,) = node.inputs
            given = self.known.get(classes.name or "")
            return None if given is None else self._plain(float(given[index[:-1]] == index[-1]))
        if node not in self.moves:
            made = self._moved(node)
            if made is None:
                return None
            self.moves[node] = made
        for x, places in zip(node.inputs, self.moves[node], strict=False):
            at = int(places[index])
            if at:
                return self.read(x, tuple(int(i) for i in np.unravel_index(at - 1, self._shape(x))))
        return self._plain(0.0)

    def _moved(self, node: Tensor) -> list[Array] | None:
        """For each operand that moves: which of its elements, from 1, stands where; 0 for none."""
        indices: dict[int, Array] = {}
        if node.op.name in ("take", "pick"):
            given = self.known.get(node.inputs[1].name or "")
            if given is None:
                return None
            indices[1] = given
        made = []
        for k, mover in enumerate(node.inputs):
            if k in indices:
                continue
            places = np.arange(1, np.prod(self._shape(mover)) + 1).reshape(self._shape(mover))
            if node.op.name == "expand":  # a constant would be written into its expression
                made.append(np.broadcast_to(places, self._shape(node)))
                continue
            others = [indices.get(i, np.zeros(self._shape(x), np.int64)) for i, x in enumerate(node.inputs)]
            made.append(np.asarray(compute(node, [*others[:k], places, *others[k + 1 :]], self.sizes)))
        return made

    def _product(self, node: Tensor, index: Index) -> Element | None:
        x, y = node.inputs
        lead, i, j = index[:-2], index[-2], index[-1]
        places: Sequence[int] = range(self._shape(x)[-1])
        if x in self.chosen:
            places = [self.chosen[x][-1]]
        elif y in self.chosen:
            places = [self.chosen[y][-2]]
        pairs: list[tuple[Element, Element]] = []
        for k in places:
            left = self.read(x, (*_cut(lead, self._shape(x)[:-2]), i, k))
            if left is not None and left.is_plain(0):
                continue
            right = self.read(y, (*_cut(lead, self._shape(y)[:-2]), k, j))
            if right is not None and right.is_plain(0):
                continue
            if left is None or right is None or len(pairs) == TERMS:
                return None
            pairs.append((left, right))
        return self._added([self._times(left, right) for left, right in pairs])

    def _sum(self, node: Tensor, index: Index) -> Element | None:
        (x,) = node.inputs
        axes, shape = node.attrs["axis"], self._shape(x)
        if np.prod([shape[a] for a in axes]) > SCANNED:
            return None
        kept = list(index)
        if node.attrs["keepdims"]:
            kept = [k for a, k in enumerate(index) if a not in axes]
        terms: list[Element] = []
        for inner in itertools.product(*(range(shape[a]) for a in axes)):
            along, rest = iter(inner), iter(kept)
            place = tuple(next(along) if a in axes else next(rest) for a in range(len(shape)))
            term = self.read(x, place)
            if term is None:
                return None
            if not term.is_plain(0):
                if len(terms) == TERMS:
                    return None
                terms.append(term)
        total = self._added(terms)
        count = int(np.prod([shape[a] for a in axes]))
        if node.op.name == "sum" or count == 1 or total.is_plain(0):
            return total
        return self._written(_DIVIDE, [total, self._plain(count)])

    # small ones -------------------------------------------------------------------------------

    def _added(self, terms: Sequence[Element]) -> Element:
        if not terms:
            return self._plain(0.0)
        total = terms[0]
        for term in terms[1:]:
            total = self._written(_ADD, [total, term])
        return total

    def _times(self, left: Element, right: Element) -> Element:
        if left.is_plain(1):
            return right
        return left if right.is_plain(1) else self._written(_MULTIPLY, [left, right])

    def _shape(self, node: Tensor) -> Index:
        return evaluate_shape(node.shape, self.sizes)

    def _under(self, node: Tensor, x: Tensor, index: Index) -> Index:
        return _cut(index, self._shape(x))


def element_name(writer: Writer, name: str, node: Tensor, index: Index, rows: int) -> Part:
    """How an element is called in a formula; the row is left out where there is one."""
    stem = writer.name(name)
    if node.shape and not isinstance(node.shape[0], int) and rows == 1 and len(index) > 1:
        index = index[1:]
    return Part(f"{stem.text}[{', '.join(map(str, index))}]", stem.level) if index else stem


def _cut(index: Index, shape: Index) -> Index:
    """The element of an operand that is stretched to the result by NumPy's rule."""
    lead = len(index) - len(shape)
    return tuple(0 if d == 1 else i for i, d in zip(index[lead:], shape, strict=True))


# identities that tell a reader nothing --------------------------------------------------------

Fold = Callable[[Reader, Sequence[Element]], Element | None]


def _no_fold(reader: Reader, parts: Sequence[Element]) -> Element | None:
    return None


def _fold_multiply(reader: Reader, parts: Sequence[Element]) -> Element | None:
    left, right = parts
    if left.is_plain(1):
        return right
    if right.is_plain(1):
        return left
    if left.plain and right.factors is not None:  # 0.5 * (2 * e) is e
        inner, rest = right.factors
        number = reader._plain(left.value * inner.value)
        return rest if number.is_plain(1) else reader._written(_MULTIPLY, [number, rest])
    return None


def _fold_add(reader: Reader, parts: Sequence[Element]) -> Element | None:
    if parts[0].is_plain(0):
        return parts[1]
    return parts[0] if parts[1].is_plain(0) else None


def _fold_subtract(reader: Reader, parts: Sequence[Element]) -> Element | None:
    if parts[1].is_plain(0):
        return parts[0]
    return reader._written(_NEGATIVE, [parts[1]]) if parts[0].is_plain(0) else None


def _fold_divide(reader: Reader, parts: Sequence[Element]) -> Element | None:
    return parts[0] if parts[1].is_plain(1) or parts[0].is_plain(0) else None


def _fold_negative(reader: Reader, parts: Sequence[Element]) -> Element | None:
    return parts[0] if parts[0].is_plain(0) else None


_FOLDS: dict[str, Fold] = {
    "multiply": _fold_multiply,
    "add": _fold_add,
    "subtract": _fold_subtract,
    "divide": _fold_divide,
    "negative": _fold_negative,
}
