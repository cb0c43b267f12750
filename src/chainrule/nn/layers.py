"""Layers: each makes graph from a tensor, and holds its parameters' values."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from ..errors import NotFittedError, ParameterError, ShapeError, unknown_name
from ..graph.tensor import Tensor
from ..ops import elu, gelu, leaky_relu, logistic, relu, silu, softplus, tanh
from .checks import checked_name, positive_int, real_array
from .init import INITS, initial_weights

Array = np.ndarray[Any, Any]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": elu,
    "gelu": gelu,
    "leaky_relu": leaky_relu,
    "linear": lambda z: z,
    "logistic": logistic,
    "relu": relu,
    "silu": silu,
    "softplus": softplus,
    "tanh": tanh,
}
ALIASES = {"identity": "linear", "sigmoid": "logistic", "swish": "silu"}
# These let about half of the signal through, so that He's weights suit them.
RECTIFIERS = {"elu", "gelu", "leaky_relu", "relu", "silu"}


class Layer:
    """What all layers share: a name, the parameters given, the parameters now.

    Attributes
    ----------
    name : str or None
        As given; a network calls layers without one hidden1, hidden2, ..., output.
    values : dict of str to ndarray
        The present parameters, read-only, in the network's dtype; empty before there are any.
    """

    kind: ClassVar[str]
    suffix: ClassVar[str] = ""  # of printed names; W1, W2, ... by position where there is none
    trained: ClassVar[tuple[str, ...]] = ()  # the parameters that training changes
    drawn: ClassVar[tuple[str, ...]] = ()  # those that start random where they are not given

    def __init__(self, name: str | None) -> None:
        self.name = checked_name(name, type(self).__name__)
        self.given: dict[str, Array] = {}
        self.values: dict[str, Array] = {}

    def copy(self) -> Layer:
        """A layer of the same settings that starts from this one's present weights."""
        new = copy.copy(self)
        new.given = {**self.given, **self.values}
        new.values = {}
        return new

    @property
    def inputs(self) -> int | None:
        """The number of inputs, where the parameters given tell it."""
        raise NotImplementedError

    def outputs(self, inputs: int) -> int:
        """The number of outputs for so many inputs."""
        raise NotImplementedError

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter."""
        raise NotImplementedError

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        """The initial value of a parameter that was not given."""
        raise NotImplementedError

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], tag: str) -> Tensor:
        """The layer's result as graph; `tag` ends the names of its nodes, as in z1 and z_gate."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The arguments to make it again, without its parameters, as JSON has them."""
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

    def value(self, parameter: str) -> Array:
        """A parameter's present value, or the one given; raises NotFittedError where there is none yet."""
        if parameter in self.values:
            return self.values[parameter]
        if parameter in self.given:
            return self.given[parameter]
        raise NotFittedError(
            f"{type(self).__name__} has no {parameter} yet. Call the network's fit, or build(inputs, seed=0)."
        )


class Dense(Layer):
    """Every output sees every input: activation(x @ W + b).

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str
        linear, relu, tanh, logistic, leaky_relu, elu, gelu, silu or softplus.
    weights : array-like, shape (inputs, units), optional
        Initial weights instead of drawn ones.
    bias : array-like, shape (units,), optional
        Initial biases instead of zeros.
    init : {"glorot", "he"}, optional
        How weights are drawn; He's for relu, leaky_relu, elu, gelu and silu, Glorot's else.
    name : str, optional
        A plain identifier: the layer is then net["gate"], and W_gate in printed source.

    Raises
    ------
    ParameterError
        For units that are not a positive int, or a name that is no identifier; UnknownNameError, one of
        its kinds, for an activation or init that does not exist.
    ShapeError, DTypeError, DataError
        For weights or a bias of another shape or type, or not finite.

    Examples
    --------
    >>> Dense(2, "relu", weights=[[1.0, -1.0]], bias=[0.0, 0.5])
    Dense(2, 'relu')
    """

    kind = "dense"
    trained = ("W", "b")
    drawn = ("W",)

    def __init__(
        self,
        units: int,
        activation: str = "linear",
        *,
        weights: Any = None,
        bias: Any = None,
        init: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = positive_int(units, "Dense: units", "Dense(8)")
        activation = ALIASES.get(str(activation), activation)
        if activation not in tuple(ACTIVATIONS):
            raise unknown_name("activation", activation, ACTIVATIONS)
        self.activation = activation
        if init is not None and init not in tuple(INITS):
            raise unknown_name("init", init, INITS)
        self.init = init or ("he" if activation in RECTIFIERS else "glorot")
        if weights is not None:
            W = real_array(weights, "Dense: weights", 2)
            if W.shape[1] != self.units or W.shape[0] == 0:
                raise ShapeError(
                    f"Dense: weights must have shape (inputs, {self.units}), got {W.shape}. "
                    "A column holds one unit's weights."
                )
            self.given["W"] = W
        if bias is not None:
            b = real_array(bias, "Dense: bias", 1)
            if b.shape != (self.units,):
                raise ShapeError(f"Dense: bias must have shape ({self.units},), got {b.shape}")
            self.given["b"] = b

    def __repr__(self) -> str:
        named = f", name={self.name!r}" if self.name else ""
        return f"Dense({self.units}, {self.activation!r}{named})"

    @property
    def W(self) -> Array:
        """The weights, shape (inputs, units)."""
        return self.value("W")

    @property
    def b(self) -> Array:
        """The biases, shape (units,)."""
        return self.value("b")

    @property
    def inputs(self) -> int | None:
        return self.given["W"].shape[0] if "W" in self.given else None

    def outputs(self, inputs: int) -> int:
        return self.units

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        return {"W": (inputs, self.units), "b": (self.units,)}

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        if parameter == "b":
            return np.zeros(self.units)
        return initial_weights(self.init, inputs, self.units, seed, position)

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], tag: str) -> Tensor:
        z = x @ leaves["W"] + leaves["b"]
        z.name = f"z{tag}"
        if self.activation == "linear":
            return z
        a = ACTIVATIONS[self.activation](z)
        a.name = f"a{tag}"
        return a

    def settings(self) -> dict[str, Any]:
        return {"units": self.units, "activation": self.activation, "init": self.init}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Dense:
        if set(parameters) != set(cls.trained):
            raise ParameterError(f"Dense: parameters are W and b, got {sorted(parameters)}")
        return cls(**settings, weights=parameters["W"], bias=parameters["b"], name=name)
