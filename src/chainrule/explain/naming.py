"""Numbers by name: "hidden1.W[0, 2]", "W1[0, 2]", "a1[2]", "x[3]"; one number each, or many by a pattern."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import ParameterError, ShapeError, unknown_name
from ..graph.tensor import Tensor, topological
from ..nn.network import BaseNetwork
from ..shapes import evaluate_shape

Array = np.ndarray[Any, Any]
Index = tuple[int, ...]

_NAME = re.compile(r"\s*([\w.*?]+)\s*(?:\[([^\[\]]*)\])?\s*")
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")


@dataclass(frozen=True)
class Place:
    """One number of a network, in a step on some rows.

    Attributes
    ----------
    name : str
        As it is best called: "hidden1.W[0, 2]"; of a node with rows "a1[2]" where there is one row, else
        "a1[row, 2]".
    node : Tensor
    index : tuple of int
        Of the node's value, the row first where the node has rows.
    """

    name: str
    node: Tensor
    index: Index


@dataclass(frozen=True)
class Selection:
    """Some numbers of one parameter.

    Attributes
    ----------
    parameter : str
        As in `Network.parameters`: "hidden1.W".
    leaf : Tensor
    places : ndarray of int64, shape (numbers,)
        Which, counted as in the flattened parameter; rising.
    names : list of str
        "hidden1.W[0, 2]", ...
    """

    parameter: str
    leaf: Tensor
    places: Array
    names: list[str]


class Names:
    """What the numbers of a network are called.

    Parameters are called as in `Network.parameters` ("hidden1.W") or as in printed source ("W1"); a layer's
    name stands for its result ("hidden1"), and every named node of the step for itself ("x", "z1", "a1").

    Parameters
    ----------
    network : BaseNetwork
        That knows its number of inputs.
    loss : Tensor, optional
        Of the step that is looked at. Without it, the nodes of a prediction have names.
    rows : int
        Of the step.
    """

    def __init__(self, network: BaseNetwork, loss: Tensor | None = None, rows: int = 1) -> None:
        g = network.graph
        self.rows = rows
        self.parameters = dict(g.parameters)
        self.own = {leaf: name for name, leaf in self.parameters.items()}
        order = topological([loss] if loss is not None else g.predictions)
        self.named: dict[str, Tensor] = {x.name: x for x in reversed([*order, *g.xs, *self.own]) if x.name}
        self.layers: dict[str, Tensor] = {}
        reached = set(order)
        for call, node in reversed(list(zip(network._wiring.calls, g.trained_values, strict=True))):
            result = node if node in reached else self.named.get(node.name or "")
            if result is not None:
                self.layers[network.names[call.layer]] = result

    def place(self, name: str) -> Place:
        """The number of that name.

        Raises
        ------
        UnknownNameError
            If nothing is called so; it offers the nearest name.
        ParameterError
            If it is no name at all, or names many numbers.
        ShapeError
            If the index has another number of axes, or lies outside the shape.
        """
        stem, entries = taken_apart(name)
        node = self.node(stem)
        shape = self.shape(node)
        if entries is None and shape and any(d != 1 for d in shape):
            raise ParameterError(f"{stem} is {_numbers(shape)}. Say which one, e.g. {self._example(node)!r}.")
        if entries is None:
            entries = ["0"] * len(shape)
        wrong = [entry for entry in entries if not _WHOLE.fullmatch(entry)]
        if wrong:
            raise ParameterError(
                f"{name!r}: an index is made of whole numbers, got {wrong[0].strip()!r}. "
                f"Write e.g. {self._example(node)!r}."
            )
        if self._has_rows(node) and self.rows == 1 and len(entries) == len(shape) - 1:
            entries = ["0", *entries]
        if len(entries) != len(shape):
            raise ShapeError(
                f"{name!r}: {stem} has shape {shape}, so its index needs {counted(len(shape), 'number')}, "
                f"got {len(entries)}. Write e.g. {self._example(node)!r}."
            )
        index = tuple(
            _in_range(int(entry), length, name, stem, shape)
            for entry, length in zip(entries, shape, strict=True)
        )
        return Place(self.text(node, index), node, index)

    def node(self, stem: str) -> Tensor:
        """The node that a name without an index stands for; raises UnknownNameError."""
        for table in (self.parameters, self.layers, self.named):
            if stem in table:
                return table[stem]
        raise unknown_name("number", stem, {**self.parameters, **self.layers, **self.named})

    def shape(self, node: Tensor) -> Index:
        """The node's shape in this step."""
        return evaluate_shape(node.shape, {"n": self.rows})

    def text(self, node: Tensor, index: Sequence[int]) -> str:
        """What an element of a node is called."""
        stem = self.own.get(node) or node.name
        if stem is None:
            stem = next((name for name, result in self.layers.items() if result is node), node.op.name)
        shown = index[1:] if self._has_rows(node) and self.rows == 1 and len(index) > 1 else index
        return f"{stem}[{', '.join(map(str, shown))}]" if shown else stem

    def select(self, pattern: str) -> list[Selection]:
        """The numbers of parameters that a pattern names, in the network's order.

        Parameters
        ----------
        pattern : str
            "hidden1.W[0, 2]", "hidden1.W[:, 2]" for a column, "hidden1.W" for all of it, or with ``*``
            for any letters: "output.*", "*.b".

        Raises
        ------
        UnknownNameError, ParameterError, ShapeError
            As `place`; also for what is no parameter.
        """
        stem, entries = taken_apart(pattern)
        printed = {leaf.name: name for name, leaf in self.parameters.items()}
        stem = printed.get(stem, stem)
        found = fnmatch.filter(self.parameters, stem) if "*" in stem or "?" in stem else [stem]
        if not found or found[0] not in self.parameters:
            raise unknown_name("parameter", stem, {**self.parameters, **{n: 0 for n in printed if n}})
        return [self._selected(name, entries, pattern) for name in found]

    def _selected(self, parameter: str, entries: list[str] | None, pattern: str) -> Selection:
        leaf = self.parameters[parameter]
        shape = self.shape(leaf)
        places = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
        if entries is not None:
            if len(entries) != len(shape):
                raise ShapeError(
                    f"{pattern!r}: {parameter} has shape {shape}, so its index needs "
                    f"{counted(len(shape), 'number')}, got {len(entries)}."
                )
            for axis, (entry, length) in enumerate(zip(entries, shape, strict=True)):
                if entry.strip() == ":":
                    continue
                if not _WHOLE.fullmatch(entry):
                    raise ParameterError(
                        f"{pattern!r}: an index has whole numbers, or : for all, got {entry.strip()!r}."
                    )
                at = _in_range(int(entry), length, pattern, parameter, shape)
                places = places.take([at], axis=axis)
        return self.selection(parameter, places.ravel())

    def selection(self, parameter: str, places: Array) -> Selection:
        """Numbers of a parameter by where they stand in it, flattened."""
        leaf = self.parameters[parameter]
        shape = self.shape(leaf)
        names = [self.text(leaf, [int(i) for i in np.unravel_index(k, shape)]) for k in places]
        return Selection(parameter, leaf, places, names)

    def _has_rows(self, node: Tensor) -> bool:
        return bool(node.shape) and not isinstance(node.shape[0], int)

    def _example(self, node: Tensor) -> str:
        return self.text(node, [0] * len(node.shape))


def taken_apart(name: object) -> tuple[str, list[str] | None]:
    """What stands before the brackets, and the entries within; raises ParameterError."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None:
        raise ParameterError(f"expected a name such as 'hidden1.W[0, 2]' or 'a1[2]', got {name!r:.60}.")
    stem, inside = found.groups()
    return stem, None if inside is None else inside.split(",") if inside.strip() else []


def index_of(entries: Sequence[str] | None, shape: Index) -> Index | None:
    """Where the entries of an index lead in a shape; None where that is no element of it.

    >>> index_of(["-1", "0"], (3, 2)), index_of(None, (1,)), index_of(None, (2,))
    ((2, 0), (0,), None)
    """
    if entries is None:
        entries = ["0"] * len(shape) if all(d == 1 for d in shape) else []
    if len(entries) != len(shape) or not all(_WHOLE.fullmatch(entry) for entry in entries):
        return None
    index = tuple(int(entry) for entry in entries)
    inside = all(-length <= at < length for at, length in zip(index, shape, strict=True))
    return tuple(at % length for at, length in zip(index, shape, strict=True)) if inside else None


def _in_range(at: int, length: int, name: str, stem: str, shape: Index) -> int:
    if not -length <= at < length:
        raise ShapeError(
            f"{name!r}: {at} is out of range: {stem} has shape {shape}, so here go 0 to {length - 1}."
        )
    return at % length


def _numbers(shape: Index) -> str:
    return f"{counted(int(np.prod(shape)), 'number')}, shape {shape}"
