"""Learning rates that change as training goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted, positive_int
from ..errors import ParameterError, unknown_name
from .rates import (
    SCHEDULES,
    Array,
    Constant,
    Course,
    Custom,
    Schedule,
    as_schedule,
    checked_rates,
    checked_settings,
)


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiplied by a factor every so many epochs; PyTorch's StepLR.

    Parameters
    ----------
    learning_rate : float
        Of the first epochs.
    factor : float
        Above 0 and below 1.
    every : int
        Epochs from one change to the next.

    Raises
    ------
    ParameterError
        If a number is out of its range.
    """

    name = "step"

    factor: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("factor", 0, 1)
        object.__setattr__(self, "every", positive_int(self.every, "StepDecay: every", "every=10"))

    def rates(self, steps: Array, course: Course) -> Array:
        changes = steps // course.steps_per_epoch // self.every
        return np.asarray(self.learning_rate * self.factor**changes)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """learning_rate / k**power, with k counting the steps from 1.

    Descent on batches finds the minimum of a convex loss if the rates' sum is infinite and that of their
    squares is not: for a power above 1/2 and up to 1. scikit-learn's "invscaling" takes the same formula with
    k counting the rows seen, and changes the rate once an epoch.

    Parameters
    ----------
    learning_rate : float
        Of the first step.
    power : float
        Above 0.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Robbins and Monro (1951), A stochastic approximation method, section 4.
    """

    name = "inverse_scaling"

    power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("power", 0, math.inf)

    def rates(self, steps: Array, course: Course) -> Array:
        return np.asarray(self.learning_rate / (steps + 1.0) ** self.power)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Multiplied by a factor after every epoch; PyTorch's ExponentialLR.

    Parameters
    ----------
    learning_rate : float
        Of the first epoch.
    factor : float
        Above 0 and below 1.

    Raises
    ------
    ParameterError
        If a number is out of its range.
    """

    name = "exponential"

    factor: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("factor", 0, 1)

    def rates(self, steps: Array, course: Course) -> Array:
        return np.asarray(self.learning_rate * self.factor ** (steps // course.steps_per_epoch))


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """A linear warm-up, then half a cosine down to the least rate at the end of the fit.

    With w steps of warm-up, the rate of step s, counted from 0, is learning_rate * (s + 1) / (w + 1) before
    step w, has the full learning_rate at step w, and then follows the cosine with every step. That is
    PyTorch's LinearLR(start_factor=1 / (w + 1), total_iters=w) and after it CosineAnnealingLR over the steps
    that are left: like there, the step after the last would have the least rate.

    Parameters
    ----------
    learning_rate : float
        The largest.
    warmup : float
        In epochs; a fraction is rounded to steps. At least 0 (none).
    min_rate : float
        From 0 to the learning rate.

    Raises
    ------
    ParameterError
        If a number is out of its range, or the warm-up takes all of the fit.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, eq. 5, without
    restarts. Goyal et al. (2017), Accurate, large minibatch SGD, section 2.2.
    """

    name = "cosine"

    warmup: float = 0.0
    min_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("warmup", 0, math.inf, low_too=True)
        self._check_min_rate(self.min_rate)

    def rates(self, steps: Array, course: Course) -> Array:
        rising = round(self.warmup * course.steps_per_epoch)
        if rising >= course.steps:
            raise ParameterError(
                f"CosineDecay: a warm-up of {self.warmup:g} epochs leaves nothing of a fit of "
                f"{counted(course.epochs, 'epoch')}. Pass a smaller warmup, or more epochs to fit."
            )
        warm = self.learning_rate * (steps + 1) / (rising + 1)
        falling = _cosine(self.learning_rate, self.min_rate, (steps - rising) / (course.steps - rising))
        return np.where(steps < rising, warm, falling)


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Half a cosine down to the least rate, then up to the full rate at once, again and again.

    Step s of a cycle of S steps has min_rate + (learning_rate - min_rate) * (1 + cos(pi * s / S)) / 2, with s
    counted from 0: PyTorch's CosineAnnealingWarmRestarts, called for every step.

    Parameters
    ----------
    learning_rate : float
        Of each cycle's first step.
    cycle : int
        The first cycle's epochs.
    growth : int
        How many times as long as a cycle the next one is: 1 for equal ones.
    min_rate : float
        From 0 to the learning rate.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, eq. 5.
    """

    name = "cosine_restarts"

    cycle: int = 10
    growth: int = 1
    min_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, example in (("cycle", "cycle=10"), ("growth", "growth=2, or 1")):
            number = positive_int(getattr(self, field), f"CosineRestarts: {field}", example)
            object.__setattr__(self, field, number)
        self._check_min_rate(self.min_rate)

    def rates(self, steps: Array, course: Course) -> Array:
        starts, lengths = [0], [self.cycle * course.steps_per_epoch]
        while self.growth > 1 and starts[-1] + lengths[-1] <= steps.max(initial=0):
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.growth)
        begun = np.searchsorted(starts, steps, side="right") - 1
        length = np.take(lengths, begun)
        share = (steps - np.take(starts, begun)) % length / length
        return _cosine(self.learning_rate, self.min_rate, share)


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to the learning rate along half a cosine, then down along another to nearly nothing.

    PyTorch's OneCycleLR with anneal_strategy="cos" and a call for every step: it starts at learning_rate /
    div_factor, is largest at step rise * steps - 1, counted from 0, and its last step has the start's rate /
    final_div_factor. Momentum is left as it is, where PyTorch's moves it the other way unless told not to.

    Parameters
    ----------
    learning_rate : float
        The largest.
    rise : float
        The share of the fit's steps that go up, from 0 to below 1.
    div_factor, final_div_factor : float
        At least 1.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Smith (2018), A disciplined approach to neural network hyper-parameters: part 1, section 4.2. Smith and
    Topin (2019), Super-convergence: very fast training of neural networks using large learning rates.
    """

    name = "one_cycle"

    rise: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("rise", 0, 1, low_too=True)
        self._check("div_factor", 1, math.inf, low_too=True)
        self._check("final_div_factor", 1, math.inf, low_too=True)

    def rates(self, steps: Array, course: Course) -> Array:
        first = self.learning_rate / self.div_factor
        peak, end = self.rise * course.steps - 1, course.steps - 1
        falling = _cosine(self.learning_rate, first / self.final_div_factor, (steps - peak) / (end - peak))
        if peak <= 0:
            return falling
        return np.where(steps <= peak, _cosine(first, self.learning_rate, steps / peak), falling)


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Multiplied by a factor whenever the measure has not become smaller for some epochs.

    The measure is the validation loss, or the loss where there is no validation data. An epoch gains if its
    measure is below the best so far by more than `min_delta`; after more than `patience` epochs in a row
    without gain the next one has the smaller rate, and counting starts anew. That is PyTorch's
    ReduceLROnPlateau with threshold_mode="abs" and without its eps, which leaves out changes below 1e-8.

    Parameters
    ----------
    learning_rate : float
        The first.
    factor : float
        Above 0 and below 1.
    patience : int
        Epochs without gain that are let pass; at least 0.
    min_delta : float
        In the measure's unit, at least 0.
    min_rate : float
        From 0 to the learning rate: the rate becomes no smaller.

    Raises
    ------
    ParameterError
        If a number is out of its range.
    """

    name = "reduce_on_plateau"

    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    min_rate: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("factor", 0, 1)
        if self.patience != 0 or isinstance(self.patience, bool):
            patience = positive_int(self.patience, "ReduceOnPlateau: patience", "patience=10, or 0")
            object.__setattr__(self, "patience", patience)
        self._check("min_delta", 0, math.inf, low_too=True)
        self._check_min_rate(self.min_rate)

    def rates(self, steps: Array, course: Course) -> Array:
        known = np.minimum(steps // course.steps_per_epoch, len(course.measured))
        by_epoch = self.learning_rate * self.factor ** np.array(self._reductions(course.measured))
        return np.asarray(np.maximum(by_epoch, self.min_rate)[known])

    def _reductions(self, measured: Sequence[float]) -> list[int]:
        """How often the rate has been reduced before each epoch, also before the next one."""
        best, waited, reductions = math.inf, 0, [0]
        for measure in measured:
            gains = measure < best - self.min_delta
            best = measure if gains else best
            waited = 0 if gains else waited + 1
            plateau = waited > self.patience
            waited = 0 if plateau else waited
            reductions.append(reductions[-1] + plateau)
        return reductions


def _cosine(start: float, end: float, share: Array) -> Array:
    """From start to end along half a cosine; after the end the rate stays."""
    return end + (start - end) * (1 + np.cos(math.pi * np.minimum(share, 1))) / 2


SCHEDULES.update(
    {
        cls.name: cls
        for cls in (
            Constant, StepDecay, InverseScaling, ExponentialDecay, CosineDecay, CosineRestarts, OneCycle,
            ReduceOnPlateau,
        )
    }
)  # fmt: skip


def make_schedule(name: str, settings: Mapping[str, Any]) -> Schedule:
    """The schedule of that name with some settings, the others at their defaults.

    Raises
    ------
    UnknownNameError
        If there is no such schedule, or it has no such setting.
    ParameterError
        If a setting is not what it can be, or learning_rate is missing.
    """
    if name not in tuple(SCHEDULES):
        raise unknown_name("schedule", name, SCHEDULES)
    return SCHEDULES[name](**checked_settings(SCHEDULES[name], settings))


def schedule_from_json(value: Any) -> Any:
    """A schedule from what `Schedule.to_json` has written; anything but a mapping as it is."""
    if not isinstance(value, dict):
        return value
    settings = dict(value)
    return make_schedule(settings.pop("name"), settings)


__all__ = [
    "SCHEDULES",
    "Constant",
    "CosineDecay",
    "CosineRestarts",
    "Course",
    "Custom",
    "ExponentialDecay",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "as_schedule",
    "checked_rates",
    "make_schedule",
    "schedule_from_json",
]
