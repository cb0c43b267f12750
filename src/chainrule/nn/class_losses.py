"""Losses for classes, for yes or no, and for whole distributions, from logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..graph.tensor import Tensor
from ..ops import exp, log, log_softmax, logistic, one_hot, pick, relu, softmax, softplus, where
from .loss_base import Array, Loss, named, require_targets


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of the softmax of logits, L = -mean(log p[t]), in nats; safe for any finite logits.

    Targets are classes, counted from 0.

    Parameters
    ----------
    label_smoothing : float
        The share of each target that is spread evenly over all classes, from 0 to below 1.

    Raises
    ------
    ParameterError
        For another label_smoothing.
    DTypeError
        If the targets are no whole numbers.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.108. Szegedy et al. (2016), Rethinking the
    Inception architecture for computer vision, section 7.
    """

    name = "cross_entropy"
    target = "classes"
    probabilities = True
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self._require_setting("label_smoothing", 0, 1)

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        log_p = named(log_softmax(z), "log_p")
        smoothing = self.label_smoothing
        if not smoothing:
            return -pick(log_p, t)
        return -((1 - smoothing) * pick(log_p, t) + smoothing * log_p.mean(axis=1))

    def prediction(self, z: Tensor) -> Tensor:
        return softmax(z)


@dataclass(frozen=True)
class Focal(Loss):
    """Cross-entropy in which sure rows count less, L = -mean((1 - p[t])**gamma * log p[t]), in nats.

    For classes of very different frequency, where easy rows would outweigh the rest. Targets are classes,
    counted from 0. With gamma = 0 it is the cross-entropy, and so it is for a row whose 1 - p[t] is 0 in its
    type, where both are next to nothing and a gamma below 1 would have an infinite slope.

    Parameters
    ----------
    gamma : float
        At least 0.

    Raises
    ------
    ParameterError
        For another gamma.
    DTypeError
        If the targets are no whole numbers.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár (2017), Focal loss for dense object detection, eq. 4.
    """

    name = "focal"
    target = "classes"
    probabilities = True
    gamma: float = 2.0

    def __post_init__(self) -> None:
        self._require_setting("gamma", 0)

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        log_p = named(log_softmax(z), "log_p")
        log_pt = named(pick(log_p, t), "log_pt")
        missed = 1 - named(exp(log_pt), "p_t")
        focus = named(where(missed > 0, missed, 1) ** self.gamma, "focus")
        return -(focus * log_pt)

    def prediction(self, z: Tensor) -> Tensor:
        return softmax(z)


@dataclass(frozen=True)
class CategoricalHinge(Loss):
    """The hinge loss of several classes: every other class is to stay 1 below the right one.

    L = mean of max(0, 1 - z[t] + z[j]) over rows and classes, 0 for j = t. Targets are classes, counted from
    0. Outputs are scores without a unit; the largest tells the class. Where z[t] - z[j] = 1, the slope 0 is
    taken.

    Raises
    ------
    DTypeError
        If the targets are no whole numbers.

    References
    ----------
    Weston and Watkins (1999), Support vector machines for multi-class pattern recognition.
    """

    name = "categorical_hinge"
    target = "classes"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        rows, classes = z.shape
        right = named(one_hot(t, classes), "right")  # type: ignore[arg-type]  # a name is a size too
        margin = named(pick(z, t).reshape(rows, 1) - z, "margin")
        slack = named(relu(1 - margin), "slack")
        return where(right, 0.0, slack)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of the logistic of logits, mean over rows and outputs, in nats.

    Safe for any finite logits: L = mean(-t * log(p) - (1 - t) * log(1 - p)) with p = logistic(z), written as
    mean(softplus(z) - t * z), which is the same number. Targets lie between 0 and 1.

    Parameters
    ----------
    label_smoothing : float
        How far targets are drawn to 1/2, from 0 to below 1: t becomes (1 - s) * t + s / 2.

    Raises
    ------
    ParameterError
        For another label_smoothing.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.90.
    """

    name = "binary_cross_entropy"
    target = "binary"
    probabilities = True
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self._require_setting("label_smoothing", 0, 1)

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        if self.label_smoothing:
            t = (1 - self.label_smoothing) * t + 0.5 * self.label_smoothing
        return softplus(z) - t * z

    def prediction(self, z: Tensor) -> Tensor:
        return logistic(z)

    def check(self, t: Array, what: str) -> None:
        require_targets((t >= 0) & (t <= 1), t, what, f"loss {self.name} needs numbers from 0 to 1")


@dataclass(frozen=True)
class Hinge(Loss):
    """The hinge loss of support vector machines, L = mean(max(0, 1 - y * z)) over rows and outputs.

    Targets are 0 or 1, and y = 2 * t - 1. Outputs are scores without a unit; above 0 they say yes. Where
    y * z = 1, the slope 0 is taken.

    References
    ----------
    Cortes and Vapnik (1995), Support-vector networks.
    """

    name = "hinge"
    target = "binary"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        y = named(2 * t - 1, "y")
        return named(relu(1 - y * z), "slack")

    def check(self, t: Array, what: str) -> None:
        require_targets((t == 0) | (t == 1), t, what, f"loss {self.name} needs targets of 0 or 1")


@dataclass(frozen=True)
class KLDivergence(Loss):
    """How far distributions are from their targets, L = mean(sum(t * (log t - log p), axis=1)), in nats.

    The Kullback-Leibler divergence, where p is the softmax of logits and 0 * log 0 is 0; safe for any finite
    logits. Targets are rows of probabilities.

    References
    ----------
    Kullback and Leibler (1951), On information and sufficiency, eq. 2.4.
    """

    name = "kl_divergence"
    probabilities = True

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        log_t = named(log(where(t > 0, t, 1)), "log_t")
        log_p = named(log_softmax(z), "log_p")
        return (t * (log_t - log_p)).sum(axis=1)

    def prediction(self, z: Tensor) -> Tensor:
        return softmax(z)

    def check(self, t: Array, what: str) -> None:
        needs = f"loss {self.name} needs rows of probabilities"
        require_targets(t >= 0, t, what, needs)
        totals = t.sum(axis=1)
        wrong = np.flatnonzero(np.abs(totals - 1) > 1e-3)
        if len(wrong):
            raise DataError(
                f"{what}: {needs} that sum to 1, got a sum of {totals[wrong[0]]:.6g} in row {wrong[0]}. "
                "Divide each row by its sum."
            )
