"""Rules of 1988 that give each weight a step, or a learning rate, of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..graph.tensor import Tensor, placeholder
from ..ops import sign, where
from .base import Optimizer, Rate, Updates, state_like
from .rates import Constant


@dataclass(frozen=True)
class Quickprop(Optimizer):
    """Every weight steps to the minimum of a parabola through its last two slopes.

    With S = g + weight_decay * theta, and S_before and d the slope and the step of the time before, a step
    is d * S / (S_before - S), but no larger than mu * d; where the slope points onwards as the last step did,
    and in the first step, gradient descent's -lr * S is added. It is meant for batches of all rows: between
    small batches, slopes differ by chance, and the parabola means nothing.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
        The paper's epsilon, times the number of rows: its slopes are sums over rows, those of most losses
        here are means. The paper's is also divided by the number of each unit's inputs.
    mu : float
        Above 0: how much larger than the last one a step may be.
    weight_decay : float
        At least 0; for every parameter. The paper's 0.0001 is for slopes that are sums.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Fahlman (1988), An empirical study of learning speed in back-propagation networks, report CMU-CS-88-162.
    Details, such as what happens at slope 0, are those of his program quickprop.lisp.
    """

    name = "quickprop"

    learning_rate: Rate = 0.1
    mu: float = 1.75
    weight_decay: float = 0.0001

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("mu", 0, math.inf)
        self._check_not_negative("weight_decay")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        mu, made = self.mu, Updates()
        for theta, g in zip(parameters, gradients, strict=True):
            d, before = state_like(theta, "step"), state_like(theta, "slope")
            slope = _named("slope_now", theta, g + self.weight_decay * theta) if self.weight_decay else g
            way = _named("way", theta, sign(d))
            # The parabola's step is more than mu * d, or leads up to its maximum; the 1 is for 0 / 0.
            far = _named("far", theta, way * slope <= mu / (1 + mu) * (way * before))
            secant = _named("secant", theta, d * slope / where(far, 1.0, before - slope))
            onwards = _named("onwards", theta, where(way * slope <= 0, lr * slope, 0.0))
            step = _named("step_now", theta, where(far, mu * d, secant) - onwards)
            made[before], made[d] = slope, step
            made[theta] = theta + step
        return made


@dataclass(frozen=True)
class DeltaBarDelta(Optimizer):
    """Every weight has a learning rate of its own, which grows by sums and shrinks by factors.

    With delta the gradient and bar its average so far, bar = (1 - theta) * delta + theta * bar, a rate grows
    by kappa where delta has the sign of the bar before, and loses the share phi of itself where it has the
    other. Then w = w - rate * delta. It is meant for batches of all rows.

    Parameters
    ----------
    learning_rate : float
        The first rate of each weight; it has no schedule, for the rates find their own way from there.
    kappa : float
        At least 0: what is added, in the learning rate's unit.
    phi : float
        From 0 to below 1: the share that is taken away. With kappa=0 and phi=0 this is gradient descent.
    theta : float
        From 0 to below 1: how much of the average is kept.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range, or the learning rate is a schedule or a function.

    References
    ----------
    Jacobs (1988), Increased rates of convergence through learning rate adaptation, Neural Networks 1,
    section on the delta-bar-delta rule. The paper leaves the constants to the problem; the defaults are ours.
    """

    name = "delta_bar_delta"

    learning_rate: Rate = 0.1
    kappa: float = 0.01
    phi: float = 0.1
    theta: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.schedule, Constant):
            raise ParameterError(
                "DeltaBarDelta: learning_rate is the first rate of each weight, a number, got "
                f"{self.learning_rate!r:.60}. The rates adapt from there: leave the schedule out, or take "
                "another optimizer."
            )
        self._check_not_negative("kappa")
        self._check("phi", 0, 1, low_too=True)
        self._check("theta", 0, 1, low_too=True)

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        kappa, phi, theta, made = self.kappa, self.phi, self.theta, Updates()
        k = placeholder((), "float64", "k")
        made[k] = k + 1
        for w, delta in zip(parameters, gradients, strict=True):
            rate, bar = state_like(w, "rate"), state_like(w, "bar")
            agree = _named("agree", w, sign(bar) * sign(delta))
            last = _named("last", w, where(k > 0, rate, lr))
            changed = where(agree > 0, last + kappa, where(agree < 0, (1 - phi) * last, last))
            adapted = _named("adapted", w, changed)
            made[rate], made[bar] = adapted, (1 - theta) * delta + theta * bar
            made[w] = w - adapted * delta
        return made


def _named(name: str, theta: Tensor, node: Tensor) -> Tensor:
    """A node of a parameter's update, with the name that printed source shows."""
    node.name = f"{name}_{theta.name}"
    return node
