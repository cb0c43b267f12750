"""Losses: functions of tensors that give one number, registered by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ShapeError, unknown_name
from ..graph.tensor import Tensor, as_tensor
from ..ops import log_softmax, logistic, pick, softmax, softplus


@dataclass(frozen=True)
class Loss:
    """A loss and what belongs to it.

    Attributes
    ----------
    name : str
    function : callable
        ``function(z, t)``: the network's outputs, shape (n, outputs), and the targets.
    target : {"values", "classes", "binary"}
        What targets are: numbers of shape (n, outputs), one whole number a row, or numbers from 0 to 1.
    probability : callable or None
        What turns outputs into probabilities; then the outputs are logits.
    """

    name: str
    function: Callable[[Any, Any], Tensor]
    target: str
    probability: Callable[[Tensor], Tensor] | None = None


def mse(p: Any, t: Any) -> Tensor:
    """Mean squared error, L = mean((p - t)**2) over rows and outputs.

    Parameters
    ----------
    p, t : tensor-like, shape (n, outputs)
        Prediction and target, in the target's unit.

    Returns
    -------
    Tensor, shape ()
        In the target's unit squared.

    Raises
    ------
    ShapeError
        If the shapes differ; nothing is broadcast.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 5.11.
    """
    squared: Tensor = _error("mse", p, t) ** 2
    loss = squared.mean()
    loss.name = "loss"
    return loss


def half_sum(p: Any, t: Any) -> Tensor:
    """Half the squared errors, summed over outputs, mean over rows: L = mean(sum((p - t)**2, axis=1) / 2).

    For a single row this is the error of many textbooks.

    Parameters
    ----------
    p, t : tensor-like, shape (n, outputs)
        Prediction and target, in the target's unit.

    Returns
    -------
    Tensor, shape ()
        In the target's unit squared.

    Raises
    ------
    ShapeError
        If the shapes differ; nothing is broadcast.

    References
    ----------
    Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors, eq. 3.
    """
    squared: Tensor = _error("half_sum", p, t) ** 2
    loss = (0.5 * squared.sum(axis=1)).mean()
    loss.name = "loss"
    return loss


def cross_entropy(z: Any, t: Any) -> Tensor:
    """Cross-entropy of the softmax of logits, L = -mean(log p[t]), in nats; safe for any finite logits.

    Parameters
    ----------
    z : tensor-like, shape (n, classes)
        Logits: the outputs before the softmax.
    t : tensor-like of whole numbers, shape (n,)
        The class of each row, counted from 0.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ShapeError
        If there is not one class a row.
    DTypeError
        If `t` does not hold whole numbers.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.108.
    """
    log_p = log_softmax(z)
    log_p.name = "log_p"
    loss = -pick(log_p, t).mean()
    loss.name = "loss"
    return loss


def binary_cross_entropy(z: Any, t: Any) -> Tensor:
    """Cross-entropy of the logistic of logits, mean over rows and outputs, in nats.

    Safe for any finite logits: L = mean(-t * log(p) - (1 - t) * log(1 - p)) with p = logistic(z), written as
    mean(softplus(z) - t * z), which is the same number.

    Parameters
    ----------
    z : tensor-like, shape (n, outputs)
        Logits: the outputs before the logistic.
    t : tensor-like, shape (n, outputs)
        Targets from 0 to 1.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ShapeError
        If the shapes differ; nothing is broadcast.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.90.
    """
    z, t = _same_shape("binary_cross_entropy", z, t)
    loss: Tensor = (softplus(z) - t * z).mean()
    loss.name = "loss"
    return loss


def _same_shape(name: str, p: Any, t: Any) -> tuple[Tensor, Tensor]:
    p, t = as_tensor(p), as_tensor(t)
    if p.shape != t.shape or p.ndim != 2:
        raise ShapeError(
            f"{name}: prediction and target must both have shape (n, outputs), got {p.shape} and {t.shape}"
        )
    return p, t


def _error(name: str, p: Any, t: Any) -> Tensor:
    p, t = _same_shape(name, p, t)
    error: Tensor = p - t
    error.name = "error"
    return error


LOSSES = {
    loss.name: loss
    for loss in (
        Loss("mse", mse, "values"),
        Loss("half_sum", half_sum, "values"),
        Loss("cross_entropy", cross_entropy, "classes", softmax),
        Loss("binary_cross_entropy", binary_cross_entropy, "binary", logistic),
    )
}


def find_loss(name: object) -> Loss:
    """The loss of that name; raises UnknownNameError."""
    if not isinstance(name, str) or name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    return LOSSES[name]
