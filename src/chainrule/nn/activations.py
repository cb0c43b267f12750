"""Activations: functions of tensors by name, and what weights suit them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from ..errors import ParameterError, unknown_name
from ..graph.tensor import Tensor
from ..ops import abs as absolute
from ..ops import elu, exp, gelu, leaky_relu, logistic, relu, sign, silu, softplus, tanh, where
from .altered import Altered, Sigmoid, Tanh

Activation = Callable[[Tensor], Tensor]


def linear(z: Tensor) -> Tensor:
    """z itself."""
    return z


def hard_tanh(z: Tensor) -> Tensor:
    """max(-1, min(1, z)); flat from the corners on, so that the slope is 0 at them, as PyTorch takes it."""
    return where(absolute(z) < 1, z, sign(z))


def hard_sigmoid(z: Tensor) -> Tensor:
    """max(0, min(1, z / 6 + 1 / 2)), PyTorch's; Keras had z / 5 before its version 3.

    At the corners, -3 and 3, the slope is taken as 0.
    """
    return where(absolute(z) < 3, z / 6 + 0.5, 0.5 * sign(z) + 0.5)


def softsign(z: Tensor) -> Tensor:
    """z / (1 + abs(z)) (Glorot and Bengio, 2010): as tanh, but it nears its ends slowly."""
    return z / (1 + absolute(z))


def selu(z: Tensor) -> Tensor:
    """scale * elu(z, alpha), whose two constants keep mean 0 and variance 1 from layer to layer.

    References
    ----------
    Klambauer, Unterthiner, Mayr and Hochreiter (2017), Self-normalizing neural networks, eq. 2.
    """
    return 1.0507009873554805 * elu(z, 1.6732632423543772)


def mish(z: Tensor) -> Tensor:
    """z * tanh(softplus(z)) (Misra, 2019)."""
    return z * tanh(softplus(z))


ACTIVATIONS: dict[str, Activation] = {
    "elu": elu,
    "exponential": exp,
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "hard_tanh": hard_tanh,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "logistic": logistic,
    "mish": mish,
    "relu": relu,
    "selu": selu,
    "silu": silu,
    "softplus": softplus,
    "softsign": softsign,
    "tanh": tanh,
}
ALIASES = {"identity": "linear", "sigmoid": "logistic", "swish": "silu"}
ALTERED: dict[str, type[Altered]] = {cls.name: cls for cls in (Sigmoid, Tanh)}
"""Activations that take another derivative by design, written as logistic(flat_spot=0.1)."""
_TEXT = re.compile(r"(\w+)\((\w+)=([^()]+)\)")
# These let about half of the signal through, so that He's weights suit them.
RECTIFIERS = {"elu", "gelu", "leaky_relu", "mish", "relu", "silu"}


def find_activation(activation: object) -> tuple[str, Activation]:
    """An activation's name and function: by name, or a function of a tensor.

    A name may state another derivative, as in ``"logistic(flat_spot=0.1)"``.

    Raises
    ------
    UnknownNameError
        If there is no such activation, or it has no such setting.
    ParameterError
        If a setting is not what it can be.
    """
    if isinstance(activation, str) and (stated := _TEXT.fullmatch(activation)):
        activation = _altered(*stated.groups())
    if isinstance(activation, Altered):
        return activation.text, ACTIVATIONS.get(activation.text, activation)
    if callable(activation):
        known = [name for name, function in ACTIVATIONS.items() if function is activation]
        return (known or [getattr(activation, "__name__", "own")])[0], activation
    name = ALIASES.get(str(activation), activation)
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise unknown_name("activation", activation, ACTIVATIONS)
    return name, ACTIVATIONS[name]


def _altered(name: str, setting: str, text: str) -> Altered:
    name = ALIASES.get(name, name)
    if name not in ALTERED:
        raise unknown_name("activation with another derivative", name, ALTERED)
    cls = ALTERED[name]
    settings = [f.name for f in dataclasses.fields(cls)]
    if setting not in settings:
        raise unknown_name(f"{cls.__name__}: setting", setting, settings)
    try:
        number = float(text)
    except ValueError:
        raise ParameterError(f"{cls.__name__}: {setting} must be a number, got {text!r:.20}.") from None
    return cls(**{setting: number})


def activate(function: Activation, name: str, z: Tensor) -> Tensor:
    """The function of z, refused where it is no tensor of z's shape and type."""
    a: object = function(z)
    if not isinstance(a, Tensor) or (a.shape, a.dtype) != (z.shape, z.dtype):
        got = f"{a.dtype} of shape {a.shape}" if isinstance(a, Tensor) else f"{a!r:.60}"
        raise ParameterError(
            f"activation {name}: must return a tensor of its input's shape and type, {z.dtype} of shape "
            f"{z.shape}, got {got}. Compute with chainrule's functions."
        )
    return a


def suitable_init(activation: str) -> str:
    """The name of the initial weights that suit an activation."""
    return "lecun" if activation == "selu" else "he" if activation in RECTIFIERS else "glorot"
