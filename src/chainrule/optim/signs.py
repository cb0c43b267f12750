"""Rules that take the sign of a gradient and not its size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..graph.tensor import Tensor
from ..ops import maximum, minimum, sign, where
from .base import Optimizer, Rate, Updates, state_like
from .rates import Constant


@dataclass(frozen=True)
class SignSGD(Optimizer):
    """Every element moves by the learning rate, against its gradient's sign: theta = theta - lr * sign(g).

    The size of gradients does not count: early layers move as fast as late ones, and a loss times a thousand
    makes the same steps. Steps do not become smaller near a minimum unless the learning rate does. It is also
    called the Manhattan update; with momentum it is `Lion` with equal betas.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        How far every element moves in a step.
    clip_value, clip_norm : float, optional
        See `Optimizer`; without effect here, since signs are all that counts.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Bernstein, Wang, Azizzadenesheli and Anandkumar (2018), signSGD: compressed optimisation for non-convex
    problems, algorithm 1. Peterson and Hartman (1989), Explorations of the mean field theory learning
    algorithm, which has it as Manhattan learning.
    """

    name = "signsgd"

    learning_rate: Rate = 0.001

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        return {theta: theta - lr * sign(g) for theta, g in zip(parameters, gradients, strict=True)}


@dataclass(frozen=True)
class Lion(Optimizer):
    """Every element moves by the learning rate, in the direction of a momentum's sign.

    theta = theta - lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * theta), and afterwards
    m = beta2 * m + (1 - beta2) * g. Its learning rates are three to ten times smaller than Adam's, and its
    weight decays that much larger, says the paper. PyTorch has no such rule.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    beta1, beta2 : float
        From 0 to below 1.
    weight_decay : float
        At least 0; for every parameter.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Chen, Liang, Huang, Real, Wang, et al. (2023), Symbolic discovery of optimization algorithms,
    algorithm 2.
    """

    name = "lion"

    learning_rate: Rate = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", 0, 1, low_too=True)
        self._check("beta2", 0, 1, low_too=True)
        self._check_not_negative("weight_decay")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        beta1, beta2, made = self.beta1, self.beta2, Updates()
        for theta, g in zip(parameters, gradients, strict=True):
            m = state_like(theta, "m")
            step = sign(beta1 * m + (1 - beta1) * g)
            if self.weight_decay:
                step = step + self.weight_decay * theta
            made[m] = beta2 * m + (1 - beta2) * g
            made[theta] = theta - lr * step
        return made


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Every element has a step size of its own, which grows while its slope keeps its sign.

    If the sign is that of the step before, the size is multiplied by eta_plus; if it is the opposite, by
    eta_minus, and this element rests for one step and starts anew. Then theta = theta - size * sign(g). This
    is the variant without weight-backtracking that is called iRprop-, and PyTorch's. It is meant for batches
    of all rows: between small batches signs change by chance.

    Parameters
    ----------
    learning_rate : float
        The first step size; it has no schedule, for the sizes find their own way from there.
    eta_minus, eta_plus : float
        Between 0 and 1, and above 1.
    step_min, step_max : float
        Between which sizes are kept.
    clip_value, clip_norm : float, optional
        See `Optimizer`; without effect here, since signs are all that counts.

    Raises
    ------
    ParameterError
        If a number is out of its range, or the learning rate is a schedule or a function.

    References
    ----------
    Riedmiller and Braun (1993), A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm. Igel and Hüsken (2003), Empirical evaluation of the improved Rprop learning algorithms.
    """

    name = "rprop"

    learning_rate: Rate = 0.01
    eta_minus: float = 0.5
    eta_plus: float = 1.2
    step_min: float = 1e-6
    step_max: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.schedule, Constant):
            raise ParameterError(
                f"Rprop: learning_rate is the first step size, a number, got {self.learning_rate!r:.60}. The "
                "sizes adapt from there: leave the schedule out, or take another optimizer."
            )
        self._check("eta_minus", 0, 1)
        self._check("eta_plus", 1, math.inf)
        self._check("step_min", 0, math.inf)
        self._check("step_max", 0, math.inf)
        if self.step_min > self.step_max:
            raise ParameterError(f"Rprop: step_min {self.step_min:g} is above step_max {self.step_max:g}.")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        made: Updates = {}
        for theta, g in zip(parameters, gradients, strict=True):
            before, size = state_like(theta, "sign"), state_like(theta, "size")
            agree, last = before * sign(g), where(size > 0, size, lr)
            adapted = where(agree > 0, self.eta_plus * last, where(agree < 0, self.eta_minus * last, last))
            step = minimum(maximum(adapted, self.step_min), self.step_max)
            direction = where(agree < 0, 0, sign(g))
            agree.name, step.name, direction.name = (
                f"{name}_{theta.name}" for name in ("agree", "step", "direction")
            )
            made[before], made[size] = direction, step
            made[theta] = theta - step * direction
        return made
