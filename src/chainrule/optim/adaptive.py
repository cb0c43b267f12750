"""Steps scaled, element by element, by how large the gradients have been."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import ParameterError
from ..graph.tensor import Tensor, placeholder, tensor
from ..ops import maximum, sqrt
from .base import Optimizer, Rate, Updates, scalar_like, state_like


def _root(v: Tensor, eps: float, inside: bool) -> Tensor:
    """What a step is divided by: the root of v, with eps added to it or, `inside`, to v."""
    return sqrt(v + eps) if inside else sqrt(v) + eps


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    v = v + g * g and theta = theta - lr * g / (sqrt(v) + eps). What rarely has a gradient keeps large steps;
    all steps become smaller and smaller. eps is added to the root, as in the paper and in PyTorch. PyTorch's
    lr_decay is left to schedules.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    eps : float
        Above 0.
    initial : float
        Where v starts; PyTorch's initial_accumulator_value.
    eps_inside : bool
        Add eps to v instead of to its root, as Keras does.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and stochastic
    optimization, figure 1 with diagonal matrices.
    """

    name = "adagrad"

    learning_rate: Rate = 0.01
    eps: float = 1e-10
    initial: float = 0.0
    eps_inside: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("eps", 0, math.inf)
        self._check_not_negative("initial")
        self._check_flag("eps_inside")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        made: Updates = {}
        for theta, g in zip(parameters, gradients, strict=True):
            v = state_like(theta, "v", self.initial)
            made[v] = v + g * g
            made[theta] = theta - lr * g / _root(made[v], self.eps, self.eps_inside)
        return made


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    v = rho * v + (1 - rho) * g * g and theta = theta - lr * g / (sqrt(v) + eps). With momentum,
    b = momentum * b + g / (sqrt(v) + eps) and theta = theta - lr * b. Centred, v gives way to an estimate of
    the gradient's variance, v - m * m with m = rho * m + (1 - rho) * g.

    v starts at 0 and is not corrected for it, so that the first steps are long, up to lr / sqrt(1 - rho);
    eps is added to the root. Both as in PyTorch, where rho is called alpha. Where rounding makes v - m * m
    negative, 0 is taken; PyTorch gives NaN.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    rho : float
        From 0 to below 1.
    eps : float
        Above 0.
    momentum : float
        From 0 (none) to below 1.
    centered : bool
    initial : float
        Where v starts: 1 in TensorFlow 1, which makes the first steps short.
    eps_inside : bool
        Add eps to v (centred, to v - m * m) instead of to its root, as Keras and TensorFlow do. So 1e-7
        there has the effect of 3e-4 here where gradients are small.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Hinton, Srivastava and Swersky (2012), Neural networks for machine learning, lecture 6e. Centred, with
    momentum: Graves (2013), Generating sequences with recurrent neural networks, eq. 38 to 41.
    """

    name = "rmsprop"

    learning_rate: Rate = 0.01
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    initial: float = field(default=0.0, kw_only=True)
    eps_inside: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rho", 0, 1, low_too=True)
        self._check("eps", 0, math.inf)
        self._check("momentum", 0, 1, low_too=True)
        self._check_flag("centered")
        self._check_not_negative("initial")
        self._check_flag("eps_inside")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        rho, made = self.rho, Updates()
        for theta, g in zip(parameters, gradients, strict=True):
            v = state_like(theta, "v", self.initial)
            made[v] = spread = rho * v + (1 - rho) * (g * g)
            if self.centered:
                m = state_like(theta, "m")
                made[m] = rho * m + (1 - rho) * g
                spread = maximum(spread - made[m] * made[m], 0)
            step = g / _root(spread, self.eps, self.eps_inside)
            if self.momentum:
                b = state_like(theta, "velocity")
                made[b] = step = self.momentum * b + step
            made[theta] = theta - lr * step
        return made


@dataclass(frozen=True)
class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square, both corrected for starting at 0.

    With k counting the steps from 1: m = beta1 * m + (1 - beta1) * g, v = beta2 * v + (1 - beta2) * g * g,
    and theta = theta - lr * (m / (1 - beta1**k)) / (sqrt(v / (1 - beta2**k)) + eps). So eps is added after
    the correction of v: algorithm 1 of the paper, and PyTorch's convention. The corrections are computed in
    float64, whatever the parameters' type: in float32, 1 - beta2**k has three wrong digits at the start.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    beta1, beta2 : float
        From 0 to below 1.
    eps : float
        Above 0.
    late_correction : bool
        Correct the step instead of m and v: theta = theta - lr * c * m / (sqrt(v) + eps) with
        c = sqrt(1 - beta2**k) / (1 - beta1**k), so that eps counts more in the first steps. Keras and
        scikit-learn have this form.
    eps_inside : bool
        Add eps to what the root is taken of instead of to the root.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1; the late correction is that
    of the end of section 2.
    """

    name = "adam"

    learning_rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    late_correction: bool = field(default=False, kw_only=True)
    eps_inside: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("beta1", 0, 1, low_too=True)
        self._check("beta2", 0, 1, low_too=True)
        self._check("eps", 0, math.inf)
        self._check_flag("late_correction")
        self._check_flag("eps_inside")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        beta1, beta2, eps, inside = self.beta1, self.beta2, self.eps, self.eps_inside
        steps = placeholder((), "float64", "k")
        k = steps + 1
        made: Updates = {steps: k}
        if self.late_correction:
            rate = lr * scalar_like(sqrt(1 - beta2**k) / (1 - beta1**k), lr, "correction")
            rate.name = "corrected_lr"
            for theta, g in zip(parameters, gradients, strict=True):
                m = state_like(theta, "m")
                v = state_like(theta, "v")
                made[m] = beta1 * m + (1 - beta1) * g
                made[v] = beta2 * v + (1 - beta2) * (g * g)
                made[theta] = theta - rate * made[m] / _root(made[v], eps, inside)
            return made
        unbias_m = scalar_like(1 / (1 - beta1**k), lr, "unbias_m")
        unbias_v = scalar_like(1 / (1 - beta2**k), lr, "unbias_v")
        for theta, g in zip(parameters, gradients, strict=True):
            m = state_like(theta, "m")
            v = state_like(theta, "v")
            made[m] = beta1 * m + (1 - beta1) * g
            made[v] = beta2 * v + (1 - beta2) * (g * g)
            m_hat = made[m] * unbias_m
            v_hat = made[v] * unbias_v
            made[theta] = theta - lr * m_hat / _root(v_hat, eps, inside)
        return made


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weights shrink by a share of their own in every step.

    As Adam, and theta = theta - lr * weight_decay * theta with the theta before the step. So the decay is
    not divided by the root of v, as it would be if it were part of the gradient. It is for every parameter,
    biases too, and is multiplied by the learning rate, both as in PyTorch; the paper multiplies it by the
    schedule's factor alone.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    beta1, beta2, eps, late_correction, eps_inside
        See `Adam`.
    weight_decay : float
        At least 0.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Loshchilov and Hutter (2019), Decoupled weight decay regularization, algorithm 2.
    """

    name = "adamw"

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_not_negative("weight_decay")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        made = super().updates(parameters, gradients, lr)
        for theta in parameters:
            made[theta] = made[theta] - lr * self.weight_decay * theta
        return made


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum, which grows over the first steps.

    With k counting the steps from 1: mu_k = beta1 * (1 - 0.96**(k * momentum_decay) / 2), P = mu_1 * ... *
    mu_k, m and v as in Adam, and theta = theta - lr * m_hat / (sqrt(v / (1 - beta2**k)) + eps) with
    m_hat = mu_(k + 1) * m / (1 - P * mu_(k + 1)) + (1 - mu_k) * g / (1 - P). This is PyTorch's convention:
    the running mean m takes beta1, where the paper's takes mu_k. Powers, products and corrections are
    computed in float64.

    Parameters
    ----------
    learning_rate : float, Schedule or callable
    beta1, beta2, eps, eps_inside
        See `Adam`.
    momentum_decay : float
        At least 0: how fast mu grows from about beta1 / 2 to beta1; by half of that in
        17 / momentum_decay steps.
    clip_value, clip_norm : float, optional
        See `Optimizer`.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Dozat (2016), Incorporating Nesterov momentum into Adam, algorithm 2.
    """

    name = "nadam"

    learning_rate: Rate = 0.002
    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_not_negative("momentum_decay")
        if self.late_correction:
            raise ParameterError("NAdam: has no late_correction; its m is corrected in a way of its own.")

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        beta1, beta2 = self.beta1, self.beta2
        steps, product = placeholder((), "float64", "k"), tensor(1.0, "mu_product")
        k = steps + 1
        mu, mu_next = self._momentum(k), self._momentum(k + 1)
        mu.name, mu_next.name = "mu", "mu_next"
        P = product * mu
        made: Updates = {steps: k, product: P}
        of_m = scalar_like(mu_next / (1 - P * mu_next), lr, "share_of_m")
        of_g = scalar_like((1 - mu) / (1 - P), lr, "share_of_g")
        unbias_v = scalar_like(1 / (1 - beta2**k), lr, "unbias_v")
        for theta, g in zip(parameters, gradients, strict=True):
            m, v = state_like(theta, "m"), state_like(theta, "v")
            made[m] = beta1 * m + (1 - beta1) * g
            made[v] = beta2 * v + (1 - beta2) * (g * g)
            m_hat = of_m * made[m] + of_g * g
            v_hat = made[v] * unbias_v
            made[theta] = theta - lr * m_hat / _root(v_hat, self.eps, self.eps_inside)
        return made

    def _momentum(self, k: Tensor) -> Tensor:
        return self.beta1 * (1 - 0.5 * 0.96 ** (k * self.momentum_decay))
