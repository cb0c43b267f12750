"""The losses of scikit-learn's perceptrons, where they are not quite those of this package.

In model files they are called by the name of their kin here, which predict the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..graph.tensor import Tensor
from ..nn.class_losses import BinaryCrossEntropy, CrossEntropy
from ..nn.loss_base import Loss, named
from ..nn.losses import HalfSum, Poisson, find_loss
from ..ops import log, stop_gradient, where


@dataclass(frozen=True)
class SquaredError(HalfSum):
    """Half the mean squared error over rows and outputs, with the slope of half the sum over outputs.

    scikit-learn tells the mean over outputs and descends along the slope of their sum; with one output there
    is no difference.
    """

    def __call__(self, z: Any, t: Any, weights: Any = None) -> Tensor:
        total = super().__call__(z, t, weights)
        total.name = "summed_loss"
        others = 1 - 1 / z.shape[1]
        return named(total - stop_gradient(others * total), "loss")


@dataclass(frozen=True)
class LabelsLogLoss(BinaryCrossEntropy):
    """Binary cross-entropy, summed over labels, mean over rows."""

    over = "row_sum"


@dataclass(frozen=True)
class HalfPoissonDeviance(Poisson):
    """Half the Poisson deviance, exp(z) - t + t * (log(t) - z), summed over outputs, mean over rows.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, table 2.1.
    """

    over = "row_sum"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        constant = named(t * log(where(t > 0, t, 1)) - t, "constant")
        return super().elements(z, t) + constant


def regression_loss(loss: Any, outputs: int) -> Loss:
    """scikit-learn's losses for values by its names; any other of this package's."""
    if loss == "squared_error":
        return HalfSum() if outputs == 1 else SquaredError()
    return HalfPoissonDeviance() if loss == "poisson" else find_loss(loss)


def classification_loss(loss: Any, multilabel: bool, classes: int) -> Loss:
    """scikit-learn's loss for classes by its name; any other of this package's."""
    if loss != "log_loss":
        return find_loss(loss)
    if multilabel:
        return LabelsLogLoss()
    return CrossEntropy() if classes > 2 else BinaryCrossEntropy()
