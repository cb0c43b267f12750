"""Losses: what a network's outputs are to be, as functions of tensors that give one number.

Those for values stand here, those for classes and probabilities in `class_losses`; all are to be had from
this module, and by name.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted, real_number
from ..errors import ParameterError, ShapeError, unknown_name
from ..graph.tensor import Tensor
from ..ops import abs as absolute
from ..ops import concatenate, exp, expand, relu, sqrt, where
from ..ops.elementwise import like
from .class_losses import (
    BinaryCrossEntropy,
    CategoricalHinge,
    CrossEntropy,
    Focal,
    Hinge,
    KLDivergence,
)
from .loss_base import Array, Loss, named, require_targets

Function = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class MSE(Loss):
    """Mean squared error, L = mean((p - t)**2) over rows and outputs; in the target's unit squared.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, eq. 5.11.
    """

    name = "mse"
    squares = 1.0

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        return _error(z, t) ** 2


@dataclass(frozen=True)
class HalfSum(Loss):
    """Half the squared errors, summed over outputs, mean over rows: L = mean(sum((p - t)**2, axis=1) / 2).

    For a single row this is the error of many textbooks. In the target's unit squared.

    References
    ----------
    Rumelhart, Hinton and Williams (1986), Learning representations by back-propagating errors, eq. 3.
    """

    name = "half_sum"
    over = "row_sum"
    squares = 0.5

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        return 0.5 * _error(z, t) ** 2


@dataclass(frozen=True)
class Sum(Loss):
    """The sum of squared errors, L = sum((p - t)**2) over a batch's rows and outputs.

    Its slope grows with the number of rows in a batch. In the target's unit squared.
    """

    name = "sum"
    over = "sum"
    squares = 1.0

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        return _error(z, t) ** 2


@dataclass(frozen=True)
class MAE(Loss):
    """Mean absolute error, L = mean(|p - t|) over rows and outputs; in the target's unit.

    Its best constant prediction is the median. Where p = t, the slope 0 is taken.
    """

    name = "mae"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        return absolute(_error(z, t))


@dataclass(frozen=True)
class Huber(Loss):
    """Half the squared error where it is small, straight lines beyond; in the target's unit squared.

    With e = p - t, the mean over rows and outputs of e**2 / 2 where |e| <= delta, and of
    delta * (|e| - delta / 2) elsewhere. Its slope has no jump.

    Parameters
    ----------
    delta : float
        In the target's unit; above 0.

    Raises
    ------
    ParameterError
        For another delta.

    References
    ----------
    Huber (1964), Robust estimation of a location parameter.
    """

    name = "huber"
    delta: float = 1.0

    def __post_init__(self) -> None:
        self._require_setting("delta", 0, low_too=False)

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        error = _error(z, t)
        size = named(absolute(error), "size")
        small = named(size <= self.delta, "small")
        return where(small, 0.5 * error**2, self.delta * (size - 0.5 * self.delta))


@dataclass(frozen=True)
class Quantile(Loss):
    """The loss whose best constant prediction is a quantile (pinball loss); in the target's unit.

    L = mean(max(q * (t - p), (1 - q) * (p - t))) over rows and outputs. Where p = t, the slope -q is taken,
    that of smaller predictions.

    Parameters
    ----------
    q : float
        Which quantile, between 0 and 1: 0.5 gives the median, and half the mean absolute error.

    Raises
    ------
    ParameterError
        For another q.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles.
    """

    name = "quantile"
    q: float = 0.5

    def __post_init__(self) -> None:
        self._require_setting("q", 0, 1, low_too=False)

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        error = _error(z, t)
        slope = named(where(error > 0, like(1 - self.q, error), -self.q), "slope")
        return slope * error


@dataclass(frozen=True)
class Quantiles(Loss):
    """Several quantiles at once, an output for each (pinball losses); in the target's unit.

    L = mean(max(q * (t - p), (1 - q) * (p - t))) over rows and outputs, where q goes through `qs` from output
    to output, and begins anew after the last. Targets have as many columns as there are outputs: the
    same number is repeated for all its quantiles. Where p = t, the slope -q is taken. Outputs may cross; in
    each row, sorting those of one target makes the loss smaller.

    Parameters
    ----------
    qs : sequence of float
        Which quantiles, rising, each between 0 and 1.

    Raises
    ------
    ParameterError
        For other qs.
    ShapeError
        When called, if the outputs are not as many as the quantiles, or a multiple of that.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles. Chernozhukov, Fernandez-Val and Galichon (2010),
    Quantile and probability curves without crossing: what sorting does.
    """

    name = "quantiles"
    qs: tuple[float, ...] = (0.05, 0.5, 0.95)

    def __post_init__(self) -> None:
        object.__setattr__(self, "qs", checked_quantiles(self.qs, "Quantiles: qs"))  # the dataclass is frozen

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        outputs, count = z.shape[1], len(self.qs)
        if not isinstance(outputs, int) or outputs % count:
            raise ShapeError(
                f"loss quantiles: {counted(count, 'quantile')} need {count} outputs, or a multiple of that, "
                f"got {outputs}. Give the last layer {counted(count, 'unit')} for each column of targets, or "
                "take loss quantile for a single one."
            )
        each = [expand(like(q, z), (1,)) for q in self.qs]
        q = named(concatenate(each * (outputs // count)), "q")
        error = _error(z, t)
        slope = named(where(error > 0, 1 - q, -q), "slope")
        return slope * error


def checked_quantiles(values: Any, what: str) -> tuple[float, ...]:
    """Rising numbers between 0 and 1 as floats; raises ParameterError."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(listed, list | tuple) or not listed:
        raise ParameterError(
            f"{what} must be a list of numbers between 0 and 1, got {values!r:.60}. "
            "Pass e.g. [0.05, 0.5, 0.95]."
        )
    found = tuple(real_number(q, what, 0, 1, low_too=False) for q in listed)
    if any(low >= high for low, high in itertools.pairwise(found)):
        raise ParameterError(f"{what} must rise from one to the next, got {values!r:.60}. Sort them.")
    return found


@dataclass(frozen=True)
class Poisson(Loss):
    """For counts: outputs are logarithms of rates, L = mean(exp(z) - t * z) over rows and outputs, in nats.

    The negative log-likelihood of Poisson distributions without log(t!), which no output changes.
    Predictions are the rates, exp(z), in the targets' unit. Above z = 50, which is a rate of 5e21, exp is
    continued along its tangent, so that loss and slope stay finite.

    References
    ----------
    McCullagh and Nelder (1989), Generalized Linear Models, chapter 6.
    """

    name = "poisson"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        beyond = named(relu(z - 50), "beyond")
        rate = named(exp(z - beyond) * (1 + beyond), "rate")
        return rate - t * z

    def prediction(self, z: Tensor) -> Tensor:
        return exp(z)

    def check(self, t: Array, what: str) -> None:
        require_targets(t >= 0, t, what, f"loss {self.name} needs counts or rates of at least 0")


@dataclass(frozen=True)
class Cosine(Loss):
    """One minus the cosine of the angle between a row of outputs and its target, mean over rows; 0 to 2.

    Only directions count, so predictions may have any length. A row of zeros has no direction: its cosine
    is taken as 0, and the slope of a row of zero outputs as -t / |t|.
    """

    name = "cosine"

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        lengths = named(_length(z, "z_length") * _length(t, "t_length"), "lengths")
        return 1 - named((z * t).sum(axis=1) / lengths, "cosine")


@dataclass(frozen=True)
class Custom(Loss):
    """A function of tensors as a loss.

    Parameters
    ----------
    function : callable
        ``function(z, t)`` takes outputs and targets, both of shape (n, outputs); returns elements, of shape
        (n, outputs) or (n,), whose mean is taken, or one number for the batch, of shape ().
    """

    function: Function

    @property
    def name(self) -> str:  # type: ignore[override]
        """The function's name."""
        return getattr(self.function, "__name__", "custom")

    def elements(self, z: Tensor, t: Tensor) -> Tensor:
        made: Any = self.function(z, t)
        if not isinstance(made, Tensor) or made.shape not in (z.shape, z.shape[:1], ()):
            got = f"a tensor of shape {made.shape}" if isinstance(made, Tensor) else f"{made!r:.60}"
            raise ParameterError(
                f"loss {self.name}: must return a tensor of shape {z.shape}, {z.shape[:1]} or (), got {got}."
            )
        return made

    def to_json(self) -> Any:
        """The function's name, marked as one that is no loss of this package."""
        return {"custom": self.name}


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        MSE, HalfSum, Sum, MAE, Huber, Quantile, Quantiles, Poisson, Cosine,
        CrossEntropy, Focal, CategoricalHinge, BinaryCrossEntropy, Hinge, KLDivergence,
    )
}  # fmt: skip


def find_loss(loss: object) -> Loss:
    """A loss as it is, by name with its default settings, or made of a function; raises ParameterError."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise ParameterError(f"loss {loss.__name__} is a class. Pass an object: {loss.__name__}().")
    if callable(loss):
        return Custom(loss)
    if not isinstance(loss, str) or loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    return LOSSES[loss]()


def loss_from_json(value: Any, functions: Mapping[str, Function | Loss] | None = None) -> Loss:
    """A loss from what `Loss.to_json` made of it.

    Parameters
    ----------
    value : str or dict
        A name; a name and settings; or the name of an own loss.
    functions : mapping of str to callable or Loss, optional
        Own losses by name: a function's ``__name__``, or the attribute `name` of an object.

    Raises
    ------
    ParameterError
        If an own loss is not among `functions`, or a setting is out of range; UnknownNameError, one of its
        kinds, if there is no such loss or setting.
    """
    settings = {"name": value} if isinstance(value, str) else dict(value)
    own = dict(functions or {})
    if "custom" in settings:
        name = settings["custom"]
        if name not in tuple(own):
            raise ParameterError(
                f"loss {name!r} is a function of your own, of which only the name is kept. "
                f"Pass it: functions={{{name!r}: ...}}."
            )
        return find_loss(own[name])
    name = settings.pop("name", None)
    if name in tuple(LOSSES):
        return _with_settings(LOSSES[name], settings)
    if name in tuple(own):
        return find_loss(own[name])
    raise unknown_name("loss", name, [*LOSSES, *own])


def _with_settings(loss: type[Loss], settings: Mapping[str, Any]) -> Loss:
    takes = {field.name for field in dataclasses.fields(loss)}
    for setting in settings:
        if setting not in takes:
            raise unknown_name(f"setting of loss {loss.name}", setting, takes)
    return loss(**settings)


def _error(p: Tensor, t: Tensor) -> Tensor:
    return named(p - t, "error")


def _length(x: Tensor, name: str) -> Tensor:
    """The Euclidean length of each row, 1 for a row of zeros."""
    squared = (x * x).sum(axis=1)
    return named(sqrt(where(squared > 0, squared, 1)), name)


__all__ = [
    "LOSSES", "MAE", "MSE", "BinaryCrossEntropy", "CategoricalHinge", "Cosine", "CrossEntropy", "Custom",
    "Focal", "HalfSum", "Hinge", "Huber", "KLDivergence", "Loss", "Poisson", "Quantile", "Quantiles", "Sum",
    "checked_quantiles", "find_loss", "loss_from_json",
]  # fmt: skip
