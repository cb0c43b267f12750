"""What update rules share: a learning rate, clipping, and settings that are checked and stored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..autodiff.gradient import gradient
from ..checks import real_number
from ..errors import ParameterError
from ..graph.tensor import Tensor, placeholder, tensor
from ..ops import maximum, minimum, sqrt
from .averaging import Averaging, find_averaging
from .rates import Schedule, as_schedule
from .sam import uphill_slopes

Updates = dict[Tensor, Tensor]
Rate = float | Schedule | Callable[[float], float]

OPTIMIZERS: dict[str, type[Optimizer]] = {}
"""The package's rules by name; `rules` enters them."""


@dataclass(frozen=True)
class Optimizer:
    """What update rules share: the learning rate, which programs take as an input, and clipping.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        A number, a schedule, or a function that gives the rate for an epoch, counted from 0.0; within an
        epoch it is asked with fractions.
    clip_value : float, optional
        Every element of a gradient is kept between minus and plus this.
    clip_norm : float, optional
        If the norm of all gradients together is larger than this, they are scaled down to it; that is after
        `clip_value`. As in PyTorch, they are multiplied by clip_norm / (norm + 1e-6).
    sam : float, optional
        Take gradients not at the weights, but so far from them in the direction in which the loss grows
        fastest; above 0. See `SAM`.
    average : Averaging or str, optional
        The network gets an average of the weights along the training in place of the last ones: an object
        such as EMA(0.99) or SWA(0.75), or "ema" or "swa".

    Attributes
    ----------
    name : str
    whole_batch : bool
        Whether it works on the whole data at once and has no step of its own.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), On the difficulty of training recurrent neural networks, section 3.2.
    """

    name: ClassVar[str]
    whole_batch: ClassVar[bool] = False

    learning_rate: Rate
    clip_value: float | None = field(default=None, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    sam: float | None = field(default=None, kw_only=True)
    average: Averaging | str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if not isinstance(rate, Schedule) and (isinstance(rate, type) or not callable(rate)):
            self._check("learning_rate", 0, math.inf)
        for name in ("clip_value", "clip_norm", "sam"):
            if getattr(self, name) is not None:
                self._check(name, 0, math.inf)
        object.__setattr__(self, "average", self.averaging)

    @property
    def averaging(self) -> Averaging | None:
        """The average of the weights that is kept."""
        return find_averaging(self.average)

    @property
    def schedule(self) -> Schedule:
        """The learning rate as a schedule."""
        return as_schedule(self.learning_rate)

    def slopes(self, loss: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
        """The gradients that `new_values` is to be given."""
        if self.sam is None or not parameters:
            return gradient(loss, parameters)
        return uphill_slopes(loss, parameters, self.sam)

    def new_values(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        """`updates` with the gradients clipped."""
        clipped = self._clipped(gradients)
        for theta, g, kept in zip(parameters, gradients, clipped, strict=True):
            if kept is not g:
                kept.name = f"clipped_{theta.name}"
        return self.updates(parameters, clipped, lr)

    def _clipped(self, gradients: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.clip_value is not None:
            gradients = [minimum(maximum(g, -self.clip_value), self.clip_value) for g in gradients]
        if self.clip_norm is not None and gradients:
            squares = [(g * g).sum() for g in gradients]
            norm = sqrt(sum(squares[1:], squares[0]))
            norm.name = "gradient_norm"
            scale = minimum(self.clip_norm / (norm + 1e-6), 1)
            scale.name = "clip"
            gradients = [g * scale for g in gradients]
        return gradients

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        """New values of parameters and of the rule's own state, whose leaves it makes.

        Parameters
        ----------
        parameters : sequence of Tensor
            Leaves.
        gradients : sequence of Tensor
            One of each parameter's shape.
        lr : Tensor, shape ()
            The learning rate.

        Returns
        -------
        dict of Tensor to Tensor
            A leaf without a value starts at 0.
        """
        raise NotImplementedError

    @property
    def rule(self) -> Optimizer:
        """The rule without its learning rate: equal for optimisers that make the same program."""
        return dataclasses.replace(self, learning_rate=1.0)

    def to_json(self) -> dict[str, Any] | None:
        """Name and settings; None for a rule, schedule or function that is not of this package."""
        settings: dict[str, Any] = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        if self.averaging is None:
            settings.pop("average", None)
        else:
            settings["average"] = self.averaging.to_json()
        if not isinstance(self.learning_rate, float):
            settings["learning_rate"] = self.schedule.to_json()
            if settings["learning_rate"] is None:
                return None
        if OPTIMIZERS.get(getattr(self, "name", "")) is not type(self):
            return None
        return {"name": self.name, "settings": settings}

    def _check(self, name: str, low: float, high: float, *, low_too: bool = False) -> None:
        what = f"{type(self).__name__}: {name}"
        object.__setattr__(self, name, real_number(getattr(self, name), what, low, high, low_too=low_too))

    def _check_not_negative(self, name: str) -> None:
        self._check(name, 0, math.inf, low_too=True)

    def _check_flag(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, bool | np.bool_):
            raise ParameterError(f"{type(self).__name__}: {name} must be True or False, got {value!r:.60}.")
        object.__setattr__(self, name, bool(value))


def state_like(theta: Tensor, name: str, start: float = 0.0) -> Tensor:
    """A leaf of a parameter's shape and type for what a rule remembers of it."""
    name = f"{name}_{theta.name}"
    if start == 0:
        return placeholder(theta.shape, theta.dtype, name)
    return tensor(np.full(theta.shape, start, theta.dtype), name)


def scalar_like(value: Tensor, like: Tensor, name: str) -> Tensor:
    """A number in another's type, with a name."""
    value = value if value.dtype == like.dtype else value.astype(like.dtype)
    value.name = name
    return value
