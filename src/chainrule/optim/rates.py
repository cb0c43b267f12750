"""What a schedule is: learning rates as a function of the step, not of what came before."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..checks import real_number
from ..errors import ParameterError, unknown_name

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Course:
    """What a schedule may look at.

    Attributes
    ----------
    steps_per_epoch, epochs : int
        Of the fit.
    measured : sequence of float
        For each finished epoch what is to become small: the validation loss, or the loss where there is no
        validation data.
    """

    steps_per_epoch: int
    epochs: int
    measured: Sequence[float] = ()

    @property
    def steps(self) -> int:
        """The steps of the whole fit."""
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True)
class Schedule:
    """A learning rate for each step.

    Parameters
    ----------
    learning_rate : float
        Where it starts, or its largest value.

    Attributes
    ----------
    name : str
    """

    name: ClassVar[str]
    learning_rate: float

    def __post_init__(self) -> None:
        self._check("learning_rate", 0, math.inf)

    def rates(self, steps: Array, course: Course) -> Array:
        """The learning rates of steps.

        Parameters
        ----------
        steps : ndarray of int64
            Counted from 0 over all epochs.
        course : Course

        Returns
        -------
        ndarray of float64, of the same shape
            None is negative.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any] | None:
        """Name and settings; None for a function, or for a schedule that is not of this package."""
        if SCHEDULES.get(getattr(self, "name", "")) is not type(self):
            return None
        return {"name": self.name, **dataclasses.asdict(self)}

    def _check(self, name: str, low: float, high: float, *, low_too: bool = False) -> None:
        what = f"{type(self).__name__}: {name}"
        object.__setattr__(self, name, real_number(getattr(self, name), what, low, high, low_too=low_too))

    def _check_min_rate(self, min_rate: float) -> None:
        self._check("min_rate", 0, math.inf, low_too=True)
        if min_rate > self.learning_rate:
            raise ParameterError(
                f"{type(self).__name__}: min_rate {min_rate:g} is above the learning_rate, "
                f"{self.learning_rate:g}. Pass a smaller one."
            )


SCHEDULES: dict[str, type[Schedule]] = {}
"""The package's schedules by name; `schedules` enters them."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same for every step."""

    name = "constant"

    def rates(self, steps: Array, course: Course) -> Array:
        return np.full(steps.shape, self.learning_rate)


@dataclass(frozen=True)
class Custom(Schedule):
    """A function of the epoch, which may be a fraction, as a schedule."""

    name = "custom"
    function: Callable[[float], float] = field(kw_only=True)

    def rates(self, steps: Array, course: Course) -> Array:
        return np.array([self._rate(step / course.steps_per_epoch) for step in steps.tolist()], np.float64)

    def _rate(self, epoch: float) -> float:
        rate = np.asarray(self.function(epoch))
        if rate.shape != () or rate.dtype.kind not in "iuf":
            raise ParameterError(
                f"fit: the function for the learning rate must return a number, got "
                f"{rate.tolist()!r:.60} for epoch {epoch:g}."
            )
        return float(rate)


def as_schedule(learning_rate: float | Schedule | Callable[[float], float]) -> Schedule:
    """A schedule as it is, or made of a number or a function of the epoch."""
    if isinstance(learning_rate, Schedule):
        return learning_rate
    if callable(learning_rate):
        return Custom(1.0, function=learning_rate)
    return Constant(learning_rate)


def checked_rates(schedule: Schedule, steps: Array, course: Course, dtype: np.dtype[Any]) -> Array:
    """Learning rates in the network's type; what decays below its smallest number becomes 0.

    Raises
    ------
    ParameterError
        If one is negative, NaN or infinite, if the type cannot hold it, or if there is not one a step.
    """
    rates = np.asarray(schedule.rates(steps, course))
    if rates.shape != steps.shape or rates.dtype.kind not in "iuf":
        raise ParameterError(
            f"fit: {type(schedule).__name__}.rates must return a number for each of {len(steps)} steps, got "
            f"{rates.dtype} of shape {rates.shape}."
        )
    with np.errstate(over="ignore", under="ignore"):
        held = rates.astype(dtype)
        lost = dtype.type(schedule.learning_rate) == 0
    bad = ~np.isfinite(held) | (rates < 0) | ((held == 0) & (rates != 0) & lost)
    if bad.any():
        i = int(np.argmax(bad))
        rate = rates[i]
        fault = "negative" if rate < 0 else "not a number" if np.isnan(rate) else f"too large for {dtype}"
        if held[i] == 0 and rate > 0:
            fault = f"too small for {dtype}"
        raise ParameterError(
            f"fit: learning_rate {rate:g} in step {int(steps[i]) + 1:,} is {fault}. Rates must be 0 or more; "
            "pass e.g. 0.001, or make the network with dtype='float64' for extreme ones."
        )
    return held


def checked_settings(cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an optimiser or schedule, which a file or a command line has given.

    Raises
    ------
    UnknownNameError
        If there is no such setting.
    ParameterError
        If one that is needed is missing.
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in settings:
        if key not in fields:
            raise unknown_name(f"{cls.__name__}: setting", key, fields)
    for key, f in fields.items():
        if f.default is dataclasses.MISSING and key not in settings:
            raise ParameterError(f"{cls.__name__}: {key} is missing. Known settings: {', '.join(fields)}.")
    return dict(settings)
