"""Update rules as graph: from parameters and their gradients to new values, in the papers' letters."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from ..errors import ParameterError, unknown_name
from ..graph.tensor import Tensor, placeholder
from ..ops import sqrt

Updates = dict[Tensor, Tensor]


@dataclass(frozen=True)
class Optimizer:
    """What update rules share: the learning rate, which programs take as an input."""

    learning_rate: float

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        """New values of parameters and of the rule's own state, whose leaves it makes; state starts at 0.

        Parameters
        ----------
        parameters : sequence of Tensor
            Leaves.
        gradients : sequence of Tensor
            One of each parameter's shape.
        lr : Tensor, shape ()
            The learning rate.
        """
        raise NotImplementedError

    @property
    def rule(self) -> Optimizer:
        """The rule without its learning rate: equal for optimisers that make the same program."""
        return dataclasses.replace(self, learning_rate=1.0)

    def _check(self, name: str, low: float, high: float, *, low_too: bool = False) -> None:
        value = getattr(self, name)
        number = math.nan
        if not isinstance(value, bool) and isinstance(value, Real):
            with contextlib.suppress(OverflowError):  # a whole number that no float holds: refused below
                number = float(value)
        if not (low < number < high or (low_too and number == low)):
            rule = type(self).__name__
            interval = f"{'at least' if low_too else 'above'} {low:g}"
            interval += " and finite" if math.isinf(high) else f" and below {high:g}"
            raise ParameterError(f"{rule}: {name} must be {interval}, got {value!r}.")
        object.__setattr__(self, name, number)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent on batches: theta = theta - lr * g.

    With momentum, v = momentum * v + g and theta = theta - lr * v; Nesterov's looks ahead, theta =
    theta - lr * (g + momentum * v). This is PyTorch's form; while the learning rate is constant, it takes
    the same steps as the papers'.

    Parameters
    ----------
    learning_rate : float
    momentum : float
        From 0 (none) to below 1.
    nesterov : bool

    Raises
    ------
    ParameterError
        If a number is out of its range, or nesterov is asked for without momentum.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton (2013), On the importance of initialization and momentum in deep
    learning, eq. 1 to 4.
    """

    learning_rate: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        self._check("learning_rate", 0, math.inf)
        self._check("momentum", 0, 1, low_too=True)
        if self.nesterov and not self.momentum:
            raise ParameterError(
                "SGD: nesterov needs momentum. Pass e.g. SGD(0.1, momentum=0.9, nesterov=True)."
            )

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        made: Updates = {}
        for theta, g in zip(parameters, gradients, strict=True):
            step = g
            if self.momentum:
                v = placeholder(theta.shape, theta.dtype, f"velocity_{theta.name}")
                made[v] = self.momentum * v + g
                step = g + self.momentum * made[v] if self.nesterov else made[v]
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
    learning_rate : float
    beta1, beta2 : float
        From 0 to below 1.
    eps : float
        Above 0.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Kingma and Ba (2015), Adam: a method for stochastic optimization, algorithm 1.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        self._check("learning_rate", 0, math.inf)
        self._check("beta1", 0, 1, low_too=True)
        self._check("beta2", 0, 1, low_too=True)
        self._check("eps", 0, math.inf)

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        beta1, beta2, eps = self.beta1, self.beta2, self.eps
        steps = placeholder((), "float64", "k")
        k = steps + 1
        made: Updates = {steps: k}
        unbias_m = _scalar(1 / (1 - beta1**k), lr, "unbias_m")
        unbias_v = _scalar(1 / (1 - beta2**k), lr, "unbias_v")
        for theta, g in zip(parameters, gradients, strict=True):
            m = placeholder(theta.shape, theta.dtype, f"m_{theta.name}")
            v = placeholder(theta.shape, theta.dtype, f"v_{theta.name}")
            made[m] = beta1 * m + (1 - beta1) * g
            made[v] = beta2 * v + (1 - beta2) * (g * g)
            m_hat = made[m] * unbias_m
            v_hat = made[v] * unbias_v
            made[theta] = theta - lr * m_hat / (sqrt(v_hat) + eps)
        return made


def _scalar(value: Tensor, like: Tensor, name: str) -> Tensor:
    """A number in another's type, with a name."""
    value = value if value.dtype == like.dtype else value.astype(like.dtype)
    value.name = name
    return value


OPTIMIZERS: dict[str, type[Optimizer]] = {"adam": Adam, "sgd": SGD}


def find_optimizer(optimizer: Optimizer | str) -> Optimizer:
    """An optimiser as it is, or by name with its default settings; raises ParameterError."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZERS:
            raise unknown_name("optimizer", optimizer, OPTIMIZERS)
        return OPTIMIZERS[optimizer]()  # type: ignore[call-arg]
    raise ParameterError(f"optimizer must be one such as Adam(1e-3), got {optimizer!r:.60}.")
