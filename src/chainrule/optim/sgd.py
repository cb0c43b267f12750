"""Gradient descent on batches, with and without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..graph.tensor import Tensor, placeholder
from ..ops import where
from .base import Optimizer, Rate, Updates, scalar_like, state_like


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent on batches: theta = theta - lr * g.

    With momentum, v = momentum * v + g and theta = theta - lr * v; Nesterov's looks ahead, theta =
    theta - lr * (g + momentum * v). This is PyTorch's form; while the learning rate is constant, it takes
    the same steps as the papers', whose v holds the learning rate.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    momentum : float
        From 0 (none) to below 1.
    nesterov : bool
    dampening : float
        From 0 (none) to below 1: v = momentum * v + (1 - dampening) * g. The first velocity is the whole of
        the first gradient, as in PyTorch.
    weight_decay : float
        g = g + weight_decay * theta, for every parameter: the slope of weight_decay / 2 * sum(theta**2).
    rate_in_velocity : bool
        The papers' form, which is also Keras's and scikit-learn's: v = momentum * v - lr * g and
        theta = theta + v; Nesterov's theta = theta + momentum * v - lr * g. A change of the learning rate
        then shows in the velocity little by little.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range, nesterov or dampening is asked for without momentum, or both are; if
        dampening is asked for with rate_in_velocity.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum in deep
    learning, eq. 1 to 4.
    """

    name = "sgd"

    learning_rate: Rate = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    weight_decay: float = 0.0
    rate_in_velocity: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("momentum", 0, 1, low_too=True)
        self._check("dampening", 0, 1, low_too=True)
        self._check_not_negative("weight_decay")
        self._check_flag("nesterov")
        if self.nesterov and not self.momentum:
            raise ParameterError(
                "SGD: nesterov needs momentum. Pass e.g. SGD(0.1, momentum=0.9, nesterov=True)."
            )
        self._check_flag("rate_in_velocity")
        if self.dampening and (self.nesterov or self.rate_in_velocity or not self.momentum):
            raise ParameterError(
                "SGD: dampening needs momentum, not Nesterov's, and no rate_in_velocity. "
                "Pass e.g. SGD(0.1, momentum=0.9, dampening=0.5)."
            )

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        momentum, made = self.momentum, Updates()
        share = self._share_of_gradient(made, lr)
        for theta, g in zip(parameters, gradients, strict=True):
            if self.weight_decay:
                g = g + self.weight_decay * theta
            step = g
            if momentum and self.rate_in_velocity:
                v = state_like(theta, "velocity")
                made[v] = momentum * v - lr * g
                made[theta] = theta + (momentum * made[v] - lr * g if self.nesterov else made[v])
                continue
            if momentum:
                v = state_like(theta, "velocity")
                made[v] = momentum * v + (g if share is None else share * g)
                step = g + momentum * made[v] if self.nesterov else made[v]
            made[theta] = theta - lr * step
        return made

    def _share_of_gradient(self, made: Updates, lr: Tensor) -> Tensor | None:
        """What velocities take of a gradient, where that is not all of it."""
        if not self.dampening:
            return None
        k = placeholder((), "float64", "k")
        made[k] = k + 1
        return scalar_like(where(k > 0, 1 - self.dampening, 1.0), lr, "share")
