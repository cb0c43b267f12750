"""The dense layer, and what it shares with other layers that start with x @ W + b."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from ..checks import not_negative, positive_int, real_array, real_number
from ..errors import ParameterError, ShapeError
from ..graph.tensor import Tensor
from ..ops import abs as absolute
from ..ops import maximum, sqrt
from .activations import ACTIVATIONS, ALIASES, Activation, activate, find_activation, suitable_init
from .init import Draws, Init, find_init, init_from_json
from .layers import Context, Layer

Array = np.ndarray[Any, Any]


def weight_penalty(W: Tensor, l1: float, l2: float) -> Tensor | None:
    """l1 * sum(|W|) + l2 * sum(W**2); None if both are 0."""
    parts = []
    if l1:
        parts.append(l1 * absolute(W).sum())
    if l2:
        parts.append(l2 * (W**2).sum())
    return sum(parts[1:], parts[0]) if parts else None


class Affine(Layer):
    """A layer that starts with x @ W + b, of so many columns."""

    numbered = True
    trained: tuple[str, ...] = ("W", "b")
    drawn = ("W",)

    def __init__(
        self,
        columns: int,
        weights: Any,
        bias: Any,
        init: str | Init,
        l1: float,
        l2: float,
        frozen: bool | str | Iterable[str],
        name: str | None,
        max_norm: float | None,
    ) -> None:
        if bias is False:
            self.trained = ("W",)
        super().__init__(name, frozen)
        kind = type(self).__name__
        self.columns = columns
        self.init = find_init(init)
        self.l1, self.l2 = not_negative(l1, f"{kind}: l1"), not_negative(l2, f"{kind}: l2")
        if max_norm is not None:
            self.max_norm = real_number(max_norm, f"{kind}: max_norm", 0, math.inf, low_too=False)
        if weights is not None:
            W = real_array(weights, f"{kind}: weights", 2)
            if W.shape[1] != columns or W.shape[0] == 0:
                raise ShapeError(
                    f"{kind}: weights must have shape (inputs, {columns}), got {W.shape}. "
                    "A column holds one unit's weights."
                )
            self.given["W"] = W
        if bias is not None and bias is not False:
            b = real_array(bias, f"{kind}: bias", 1)
            if b.shape != (columns,):
                raise ShapeError(f"{kind}: bias must have shape ({columns},), got {b.shape}")
            self.given["b"] = b

    @property
    def W(self) -> Array:
        """The weights, shape (inputs, columns)."""
        return self.value("W")

    @property
    def b(self) -> Array:
        """The biases, shape (columns,)."""
        return self.value("b")

    @property
    def inputs(self) -> int | None:
        return self.given["W"].shape[0] if "W" in self.given else None

    def shapes(self, inputs: int) -> dict[str, tuple[int, ...]]:
        shapes = {"W": (inputs, self.columns), "b": (self.columns,)}
        return {name: shapes[name] for name in self.trained}

    def draw(self, parameter: str, inputs: int, seed: int, position: int) -> Array:
        if parameter == "b":
            return np.zeros(self.columns)
        return self.draw_weights(inputs, seed, position)

    def draw_weights(self, inputs: int, seed: int, position: int) -> Array:
        """Initial weights, shape (inputs, columns)."""
        return self.init.draw(inputs, self.columns, Draws(seed, position))

    def product(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        """x @ W + b, shape (n, columns)."""
        z = x @ leaves["W"]
        z = z + leaves["b"] if "b" in leaves else z
        z.name = f"z{context.tag}"
        return z

    def penalty(self, leaves: Mapping[str, Tensor]) -> Tensor | None:
        return weight_penalty(leaves["W"], self.l1, self.l2)

    def constrained(self, parameter: str, new: Tensor, name: str) -> Tensor:
        if parameter != "W" or self.max_norm is None:
            return new
        new.name = f"stepped_{name}"
        norm = sqrt((new * new).sum(axis=0))
        norm.name = f"norm_{name}"
        return new * (self.max_norm / maximum(norm, self.max_norm))

    def settings(self) -> dict[str, Any]:
        return {
            "init": self.init.to_json(),
            "l1": self.l1,
            "l2": self.l2,
            "frozen": sorted(self.frozen),
            "parameters": list(self.trained),
            "max_norm": self.max_norm,
        }

    @classmethod
    def restore(cls, settings: Mapping[str, Any], parameters: Mapping[str, Array], name: str | None) -> Self:
        made = dict(settings)
        expected = made.pop("parameters")
        if expected not in (["W"], ["W", "b"]) or sorted(parameters) != expected:
            raise ParameterError(f"{cls.__name__}: parameters are W and b, got {sorted(parameters)}")
        made["init"] = init_from_json(made["init"])
        return cls(**made, weights=parameters["W"], bias=parameters.get("b", False), name=name)


class Dense(Affine):
    """Every output sees every input: activation(x @ W + b).

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or callable
        linear, relu, tanh, logistic, hard_sigmoid, hard_tanh, softsign, leaky_relu, elu, selu, gelu, silu,
        mish, softplus, exponential, or a function of a tensor that gives one of the same shape. With another
        derivative by design, `activations.Sigmoid` and `activations.Tanh`, or "logistic(flat_spot=0.1)".
    weights : array-like, shape (inputs, units), optional
        Initial weights instead of drawn ones.
    bias : array-like, shape (units,), or False, optional
        Initial biases instead of zeros; False for a layer without.
    init : str or Init, optional
        How weights are drawn; He's for relu, leaky_relu, elu, gelu, silu and mish, LeCun's for selu, Glorot's
        else.
    l1, l2 : float
        Added to the loss in training: l1 * sum(abs(W)) + l2 * sum(W**2).
    frozen : bool or str
        True, "W" or "b": what training leaves as it is.
    name : str, optional
        A plain identifier: the layer is then net["gate"], and W_gate in printed source.
    max_norm : float, optional
        The largest norm that a unit's incoming weights, a column of W, may have after a step of training:
        longer columns are scaled down to it. Above 0; 3 to 4 are usual. Biases are left as they are.

    Raises
    ------
    ParameterError
        For units that are not a positive int, or a name that is no identifier; UnknownNameError, one of
        its kinds, for an activation or init that does not exist.
    ShapeError, DTypeError, DataError
        For weights or a bias of another shape or type, or not finite.

    References
    ----------
    max_norm: Srebro and Shraibman (2005), Rank, trace-norm and max-norm. Srivastava, Hinton, Krizhevsky,
    Sutskever and Salakhutdinov (2014), Dropout: a simple way to prevent neural networks from overfitting,
    section 5.1.

    Examples
    --------
    >>> Dense(2, "relu", weights=[[1.0, -1.0]], bias=[0.0, 0.5])
    Dense(2, 'relu')
    """

    kind = "dense"

    def __init__(
        self,
        units: int,
        activation: str | Activation = "linear",
        *,
        weights: Any = None,
        bias: Any = None,
        init: str | Init | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        frozen: bool | str | Iterable[str] = False,
        name: str | None = None,
        max_norm: float | None = None,
    ) -> None:
        self.units = positive_int(units, "Dense: units", "Dense(8)")
        self.activation, self._function = find_activation(activation)
        start = suitable_init(self.activation) if init is None else init
        super().__init__(self.units, weights, bias, start, l1, l2, frozen, name, max_norm)

    def __repr__(self) -> str:
        named = f", name={self.name!r}" if self.name else ""
        return f"Dense({self.units}, {self.activation!r}{named})"

    def outputs(self, *inputs: int) -> int:
        return self.units

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        z = self.product(x, leaves, context)
        a = activate(self._function, self.activation, z)
        if a is not z and a.name is None:
            a.name = f"a{context.tag}"
        return a

    def settings(self) -> dict[str, Any]:
        known = ACTIVATIONS.get(ALIASES.get(self.activation, self.activation))
        if known not in (None, self._function):
            raise ParameterError(
                f"Dense: the activation {self.activation} is a function of your own, with the name of one of "
                "the package's: a model file could not tell them apart. Rename it."
            )
        return {"units": self.units, "activation": self.activation, **super().settings()}
