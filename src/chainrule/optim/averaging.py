"""Averages of the weights along a training, which often predict better than the last weights do.

An average is graph: ``average = average + share * (weights - average)`` after each step, for every trained
parameter. The share is an input of the step, as the learning rate is; what it is in which step is all that
kinds of averages differ in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..checks import positive_int, real_number
from ..errors import ParameterError, unknown_name
from .rates import checked_settings

Array = np.ndarray[Any, Any]


class Stretch(NamedTuple):
    """The steps that a fit makes: the changes of the weights.

    Attributes
    ----------
    per_epoch, epochs : int
        Steps in an epoch; epochs.
    first_epoch : int
        How many there have been before, of a fit that goes on from another.
    taken : int
        Of how many weights the average is that such a fit begins with.
    """

    per_epoch: int
    epochs: int
    first_epoch: int = 0
    taken: int = 0


@dataclass(frozen=True)
class Averaging:
    """What averages of weights share.

    Attributes
    ----------
    name : str
    """

    name: ClassVar[str]

    def shares(self, steps: Array, stretch: Stretch) -> Array:
        """What share of the average the weights after each of these steps get, of float64.

        The first share that is not 0 is 1, so that it does not matter where the average starts.

        Parameters
        ----------
        steps : ndarray of int64
            Steps of the fit, counted from 0.
        stretch : Stretch
        """
        raise NotImplementedError

    def taken(self, steps: int, stretch: Stretch) -> int:
        """Of how many weights the average is after so many steps of the fit; 0 where there is none yet."""
        raise NotImplementedError

    def check(self, stretch: Stretch) -> None:
        """Raise ParameterError if there would be no average at the end of a fit."""

    def to_json(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": self.name, "settings": dataclasses.asdict(self)}


@dataclass(frozen=True)
class EMA(Averaging):
    """The exponential moving average of the weights: those after each step count more than those before.

    It is the weighted mean of the weights after all steps so far, of which each counts `decay` times as much
    as the next one. The first steps are not drawn to the initial weights: after k steps the newest weights'
    share is (1 - decay) / (1 - decay**k), which is Adam's correction of its moving averages.

    Parameters
    ----------
    decay : float
        Above 0 and below 1. About 1 / (1 - decay) steps count: 100 of 0.99. They should be a small part of
        the training, for else its beginning, when the weights were far from good, is averaged along.

    Raises
    ------
    ParameterError
        For a decay out of its range.

    Notes
    -----
    PyTorch's and Keras's averages start at the weights after the first step and are not corrected: these
    count decay**k too much in theirs, after k steps.

    References
    ----------
    Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging. Kingma and Ba (2015),
    Adam, section 7.2, for the correction.
    """

    name = "ema"
    decay: float = 0.99

    def __post_init__(self) -> None:
        decay = real_number(self.decay, "EMA: decay", 0, 1, low_too=False)
        object.__setattr__(self, "decay", decay)

    def shares(self, steps: Array, stretch: Stretch) -> Array:
        count = stretch.taken + steps + 1
        found: Array = (1 - self.decay) / (1 - self.decay**count)
        return found

    def taken(self, steps: int, stretch: Stretch) -> int:
        return stretch.taken + steps


@dataclass(frozen=True)
class SWA(Averaging):
    """Stochastic weight averaging: the plain mean of the weights after some epochs near the end.

    Parameters
    ----------
    start : int or float
        The first epoch whose last weights are taken, counted from 1; a share of the fit's epochs if it is a
        float from 0 to below 1: 0.75 of 40 epochs is the 30th. Before it there is no average, and the network
        has the weights of that moment.
    every : int
        Epochs from one to the next that are taken.

    Raises
    ------
    ParameterError
        For a start or a number of epochs that is none; by `fit` if the start comes after its last epoch.

    Notes
    -----
    The paper keeps the learning rate high, constant or in cycles, while it averages: so the weights travel
    around a minimum, whose middle is their mean. Choose the schedule for it: decay to almost nothing leaves
    little to average.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson (2018), Averaging weights leads to wider optima and
    better generalization, algorithm 1.
    """

    name = "swa"
    start: int | float = 0.75
    every: int = 1

    def __post_init__(self) -> None:
        start: int | float = self.start
        if isinstance(start, float | np.floating):
            start = real_number(start, "SWA: start, a share of the epochs,", 0, 1)
        else:
            start = positive_int(start, "SWA: start", "start=10, or start=0.75")
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "every", positive_int(self.every, "SWA: every", "every=1"))

    def _first(self, stretch: Stretch) -> int:
        """The first epoch that is taken, counted from 1 over all fits that went on."""
        if isinstance(self.start, int):
            return self.start
        return stretch.first_epoch + max(1, math.ceil(self.start * stretch.epochs))

    def shares(self, steps: Array, stretch: Stretch) -> Array:
        epochs, rest = np.divmod(steps + 1, stretch.per_epoch)
        later = stretch.first_epoch + epochs - self._first(stretch)
        taken = (rest == 0) & (later >= 0) & (later % self.every == 0)
        return np.where(taken, 1 / np.maximum(self._count(epochs, stretch), 1), 0.0)

    def taken(self, steps: int, stretch: Stretch) -> int:
        return int(self._count(steps // stretch.per_epoch, stretch))

    def _count(self, epochs: Any, stretch: Stretch) -> Any:
        """How many weights are taken by the end of epochs of the fit; an epoch cut short has taken none."""
        late = stretch.first_epoch - self._first(stretch)
        before, after = (np.maximum((late + k) // self.every + 1, 0) for k in (0, epochs))
        earlier = stretch.taken if isinstance(self.start, int) else 0
        return earlier + after - before

    def check(self, stretch: Stretch) -> None:
        if self._first(stretch) > stretch.first_epoch + stretch.epochs:
            raise ParameterError(
                f"fit: the average of SWA starts with epoch {self.start}, and the fit ends with epoch "
                f"{stretch.first_epoch + stretch.epochs}: they contradict each other. Pass an earlier start, "
                "or more epochs."
            )


AVERAGES: dict[str, type[Averaging]] = {cls.name: cls for cls in (EMA, SWA)}


def find_averaging(average: object) -> Averaging | None:
    """An average as it is, by name with its default settings, or none; raises ParameterError."""
    if average is None or isinstance(average, Averaging):
        return average
    if not isinstance(average, str):
        raise ParameterError(
            f"average must be 'ema', 'swa' or an object such as EMA(0.99), got {average!r:.60}."
        )
    if average not in AVERAGES:
        raise unknown_name("average", average, AVERAGES)
    return AVERAGES[average]()


def averaging_from_json(value: Mapping[str, Any]) -> Averaging:
    """The average that `Averaging.to_json` has written; errors as of optimizers."""
    if value["name"] not in tuple(AVERAGES):
        raise unknown_name("average", value["name"], AVERAGES)
    cls = AVERAGES[value["name"]]
    return cls(**checked_settings(cls, value["settings"]))
