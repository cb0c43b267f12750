"""Sharpness-aware minimisation: the gradient is taken a little uphill of the weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..autodiff.gradient import gradient
from ..errors import ParameterError
from ..graph.substitute import substitute
from ..graph.tensor import Tensor
from ..ops import sqrt

if TYPE_CHECKING:
    from .base import Optimizer


def SAM(rule: Optimizer, rho: float = 0.05) -> Optimizer:
    """An update rule that looks for weights in whose neighbourhood the loss is small throughout.

    Each step takes two gradients: g at the weights, and one at the weights plus e = rho * g / |g|, where the
    loss grows fastest, |g| being the norm of all gradients together. The rule then changes the weights, not
    those moved by e, by the second gradient. That takes twice the time. Dropout leaves out the same numbers
    in both passes, and batch normalisation's running mean and variance are those of the first one. The loss
    that is told is that at the weights.

    This is the rule's setting `sam`: ``SAM(SGD(0.1), rho=0.05)`` is ``SGD(0.1, sam=0.05)``.

    Parameters
    ----------
    rule : Optimizer
        With steps of its own: not one that works on all rows at once.
    rho : float
        How far to look, above 0, in the weights' unit; 0.05 is the paper's advice.

    Returns
    -------
    Optimizer

    Raises
    ------
    ParameterError
        For another rho, or a rule that works on all rows at once or has `sam` already.

    Notes
    -----
    Penalties of layers are part of the loss, whose gradient is taken at the moved weights; a rule's own
    weight_decay is not.

    References
    ----------
    Foret, Kleiner, Mobahi and Neyshabur (2021), Sharpness-aware minimization for efficiently improving
    generalization, algorithm 1.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.SAM(cr.SGD(0.1, momentum=0.9)).sam
    0.05
    """
    from .base import Optimizer

    if not isinstance(rule, Optimizer):
        raise ParameterError(f"SAM: expected an update rule, got {rule!r:.60}. Pass e.g. SAM(SGD(0.1)).")
    if rule.whole_batch:
        raise ParameterError(
            f"SAM: {type(rule).__name__} works on all rows at once, and takes no steps of its own. Pass a "
            "rule such as SGD(0.1, momentum=0.9)."
        )
    if rule.sam is not None:
        raise ParameterError(f"SAM: {type(rule).__name__} has sam={rule.sam:g} already. State it once.")
    return dataclasses.replace(rule, sam=rho)


def uphill_slopes(loss: Tensor, parameters: Sequence[Tensor], rho: float) -> list[Tensor]:
    """The loss's gradients at the parameters moved by rho along its gradient."""
    slopes = gradient(loss, parameters)
    norm = sqrt(sum(((g * g).sum() for g in slopes[1:]), (slopes[0] * slopes[0]).sum()))
    scale = rho / (norm + 1e-12)
    norm.name, scale.name = "sam_norm", "sam_scale"
    moved = {}
    for theta, g in zip(parameters, slopes, strict=True):
        moved[theta] = theta + scale * g
        moved[theta].name = f"{theta.name}_sam"
    (there,) = substitute([loss], moved, "_sam")
    return gradient(there, list(moved.values()))
