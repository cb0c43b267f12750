"""What all layers share: each makes graph from tensors, and holds its parameters' values."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from ..checks import checked_name
from ..errors import NotFittedError, ParameterError, ShapeError, unknown_name
from ..graph.tensor import Tensor
from ..ops import random_normal, random_uniform
from ..shapes import Shape
from .init import Purpose
from .wiring import Node

Array = np.ndarray[Any, Any]


@dataclass
class Context:
    """What a layer's forward pass has beside its inputs and parameters.

    Attributes
    ----------
    tag : str
        Ends the names of the layer's nodes, as in z1 and z_gate.
    position : int
        The layer's, counted from 0.
    training : bool
        Whether this is the pass whose gradient is taken.
    seed, step : Tensor of int64, shape ()
        The fit's seed, and the number of the step, counted from 0 over all epochs.
    changes : dict of Tensor to Tensor
        New values of leaves that training changes without a gradient, such as running means.
    use : int
        1 for the first time that the layer is used in a pass, 2 for the second.
    keep : Tensor, shape (), optional
        What running means keep in a step, in place of what their layers say.
    """

    tag: str
    position: int
    training: bool
    seed: Tensor
    step: Tensor
    changes: dict[Tensor, Tensor] = field(default_factory=dict)
    use: int = 1
    keep: Tensor | None = None

    def uniform(self, shape: Shape, dtype: str) -> Tensor:
        """Random numbers in [0, 1), other ones for each layer, each use of it, and each step."""
        return random_uniform(shape, self.seed, self.step, self._purpose, dtype)

    def normal(self, shape: Shape, dtype: str) -> Tensor:
        """Random numbers of mean 0 and variance 1, others as `uniform`'s are."""
        return random_normal(shape, self.seed, self.step, self._purpose, dtype)

    @property
    def _purpose(self) -> int:
        return int(Purpose.LAYERS) * self.use + self.position


class Layer:
    """What all layers share: a name, the parameters given, the parameters now.

    Attributes
    ----------
    name : str or None
        As given; a network calls layers without one hidden1, hidden2, ..., output.
    frozen : frozenset of str
        The parameters that training leaves as they are.
    values : dict of str to ndarray
        The present parameters, read-only, in the network's dtype; empty before there are any.
    """

    kind: ClassVar[str]
    numbered: ClassVar[bool] = False  # whether it is a hidden1, hidden2, ... or output; others go by kind
    suffix: ClassVar[str] = ""  # of printed names, instead of the layer's
    two_modes: ClassVar[bool] = False  # whether it does another thing in training than in prediction
    trained: tuple[str, ...] = ()  # the parameters that have a gradient
    drawn: ClassVar[tuple[str, ...]] = ()  # those that start random where they are not given
    max_norm: float | None = None  # what `constrained` keeps weights to, where it does anything

    def __init__(self, name: str | None = None, frozen: bool | str | Iterable[str] = False) -> None:
        self.name = checked_name(name, type(self).__name__)
        self.frozen = self._checked_frozen(frozen)
        self.given: dict[str, Array] = {}
        self.values: dict[str, Array] = {}

    def _checked_frozen(self, frozen: bool | str | Iterable[str]) -> frozenset[str]:
        if isinstance(frozen, bool):
            return frozenset(self.trained if frozen else ())
        names = frozenset([frozen] if isinstance(frozen, str) else frozen)
        for name in sorted(names - set(self.trained), key=str):
            raise unknown_name(f"{type(self).__name__}: parameter to freeze", name, self.trained)
        return names

    def __call__(self, *nodes: Node) -> Node:
        """What the layer makes of inputs or other layers' nodes, to draw a network with; see `Input`."""
        if not nodes or not all(isinstance(node, Node) for node in nodes):
            raise ParameterError(
                f"{type(self).__name__}: layers are called on nodes, got {nodes!r:.60}. Start with Input()."
            )
        if len(nodes) > 1 and type(self).join is Layer.join:
            raise ParameterError(
                f"{type(self).__name__}: takes one input, got {len(nodes)}. Join them with Concatenate()."
            )
        return Node(self, nodes, None, None)

    def copy(self) -> Self:
        """A layer of the same settings that starts from this one's present weights."""
        new = copy.copy(self)
        new.given = {**self.given, **self.values}
        new.values = {}
        return new

    @property
    def inputs(self) -> int | None:
        """The number of inputs, where the parameters given tell it."""
        raise NotImplementedError

    def outputs(self, *inputs: int) -> int:
        """The number of outputs, for the number of columns of each input; all but merging layers have one.

        Raises
        ------
        ShapeError
            If the layer cannot take them.
        """
        raise NotImplementedError

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter."""
        raise NotImplementedError

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        """The initial value of a parameter that was not given."""
        raise NotImplementedError

    def join(self, xs: Sequence[Tensor], leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        """The result for a list of inputs; all but layers that merge take one."""
        return self.forward(xs[0], leaves, context)

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        """The layer's result as graph, of x of shape (n, inputs)."""
        raise NotImplementedError

    def penalty(self, leaves: Mapping[str, Tensor]) -> Tensor | None:
        """What is added to the loss in training; None for nothing."""
        return None

    def constrained(self, parameter: str, new: Tensor, name: str) -> Tensor:
        """A trained parameter's value after a step, from what the update rule makes of it.

        Parameters
        ----------
        parameter : str
        new : Tensor
        name : str
            The parameter's in printed source.
        """
        return new

    def settings(self) -> dict[str, Any]:
        """The arguments to make it again, without its parameters and its name, as JSON has them."""
        raise NotImplementedError

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Layer:
        """The layer from what a file holds: its settings, and every parameter."""
        raise NotImplementedError

    def fill(self, inputs: int, seed: int, position: int, dtype: np.dtype[Any]) -> None:
        """Take the parameters given, and draw the others."""
        self.check(inputs)
        for parameter in self.shapes(inputs):
            value = self.given.get(parameter)
            if value is None:
                value = self.draw(parameter, inputs, seed, position)
            self.set(parameter, value, dtype)

    def check(self, inputs: int) -> None:
        """Raise ShapeError if a parameter given does not fit so many inputs."""
        for parameter, shape in self.shapes(inputs).items():
            if parameter in self.given and self.given[parameter].shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}: {parameter} has shape {self.given[parameter].shape}, "
                    f"{inputs} inputs need {shape}"
                )

    def set(self, parameter: str, value: Array, dtype: np.dtype[Any]) -> None:
        """Set a parameter's present value."""
        array = np.array(value, dtype=dtype)
        array.flags.writeable = False
        self.values[parameter] = array

    def freeze(self, frozen: bool | str | Iterable[str] = True) -> None:
        """Say what training leaves as it is: True for all, False for nothing, or parameters by name."""
        self.frozen = self._checked_frozen(frozen)

    def value(self, parameter: str) -> Array:
        """A parameter's present value, or the one given; raises NotFittedError where there is none yet."""
        if parameter in self.values:
            return self.values[parameter]
        if parameter in self.given:
            return self.given[parameter]
        raise NotFittedError(
            f"{type(self).__name__} has no {parameter} yet. Call the network's fit, or build(inputs, seed=0)."
        )
