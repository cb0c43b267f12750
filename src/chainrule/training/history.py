"""What a fit leaves behind: its measures, epoch by epoch, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted

if TYPE_CHECKING:
    from .divergence import Fault

Array = np.ndarray[Any, Any]
KEPT = 500  # epochs that a model file holds: as fine as any picture of them


def falls(measure: str) -> bool:
    """Whether a measure is to become small; scikit-learn's scorers are to become large, all of them."""
    return measure in ("loss", "val_loss")


class History:
    """The course of a fit.

    ``history["val_loss"]`` is a measure's list, with a number for each finished epoch.

    Attributes
    ----------
    loss : list of float
        For each epoch the mean over its batches, each taken before its update; with the layers' penalties.
    val_loss : list of float
        For each epoch the loss on the validation data, after its last update and without penalties; empty
        without such data.
    val_accuracy : list of float
        For each epoch the share of the validation rows classified correctly; empty without classes.
    learning_rate : list of float
        Of each epoch's last step; empty for an optimiser that has none.
    interrupted : bool
        Whether Ctrl-C ended it; an epoch that was not finished is not listed.
    stopped : str or None
        Why it ended before its last epoch: what a callback said, or where the loss was not finite any more.
    diverged : bool
        Whether it ended because a loss or a weight was not finite.
    failed : bool
        Whether it ended because its stream gave no more; what `fit` raises then has this history.
    fault : Fault or None
        The first number that was not finite, with op, row, and what went in.
    engine : str
        The engine that ran it.
    settings : dict of str
        What it was made with: optimizer, rows, batch_size, epochs, shuffle, seed.
    seconds : float
        How long the epochs took, compilation apart.
    evaluations : int
        How often an optimiser that works on all rows at once has computed the loss and its gradient.
    """

    def __init__(self, measures: Sequence[str] = ("loss",), engine: str = "") -> None:
        self._measured: dict[str, list[float]] = {name: [] for name in measures}
        self.learning_rate: list[float] = []
        self.interrupted = False
        self.stopped: str | None = None
        self.diverged = self.failed = False
        self.fault: Fault | None = None
        self.engine = engine
        self.settings: dict[str, Any] = {}
        self.seconds = 0.0
        self.evaluations = 0

    @property
    def measures(self) -> list[str]:
        """The names of what is measured in each epoch."""
        return list(self._measured)

    def __getitem__(self, name: str) -> list[float]:
        return self._measured[name]

    @property
    def loss(self) -> list[float]:
        return self._measured["loss"]

    @property
    def val_loss(self) -> list[float]:
        return self._measured.get("val_loss", [])

    @property
    def val_accuracy(self) -> list[float]:
        return self._measured.get("val_accuracy", [])

    def record(self, values: Mapping[str, float]) -> None:
        """Enter an epoch's measures."""
        for name, value in values.items():
            self._measured[name].append(value)

    def cut(self, epochs: int) -> None:
        """Forget all but so many epochs: those whose weights are there no more."""
        for values in (*self._measured.values(), self.learning_rate):
            del values[epochs:]

    def stop(self, reason: str) -> None:
        """End the fit after this epoch; the first reason given stays."""
        self.stopped = self.stopped or reason

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.loss)

    def to_json(self) -> dict[str, list[float | None]]:
        """Every measure by name, the learning rates, and the epochs that they are of.

        Epochs are evenly chosen where there are more than 500. What is not finite is None, as JSON has it.
        """
        last = self.epochs - 1
        chosen = sorted({round(k * last / (KEPT - 1)) for k in range(KEPT)}) if self.epochs else []
        course = {**self._measured, "learning_rate": self.learning_rate}
        kept: dict[str, list[float | None]] = {
            name: [values[i] if math.isfinite(values[i]) else None for i in chosen]
            for name, values in course.items()
            if values
        }
        return {"epoch": [float(i + 1) for i in chosen], **kept}

    def __repr__(self) -> str:
        if not self.loss:
            return "<History of 0 epochs>"
        parts = [f"loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g}"]
        parts += [f"{name} {self[name][-1]:.4g}" for name in self.measures if name != "loss" and self[name]]
        if self.interrupted:
            parts.append("interrupted")
        if self.stopped:
            parts.append("stopped")
        return f"<History of {counted(self.epochs, 'epoch')}: {', '.join(parts)}>"


@dataclass(frozen=True)
class Past:
    """What a fit leaves behind for one that goes on from there, beside the weights.

    Attributes
    ----------
    epochs, steps : int
        How many there have been.
    state : dict of str to ndarray
        What the rule remembers, by the names of its leaves: velocities, means of squared gradients, ...
    live : dict of str to ndarray
        Where the network got averages of weights, the last weights themselves, by the names of parameters.
    given : dict of str to ndarray
        What the network got in their place.
    averaged : int
        Of how many weights the average is.
    """

    epochs: int = 0
    steps: int = 0
    state: dict[str, Array] = field(default_factory=dict)
    live: Mapping[str, Array] = field(default_factory=dict)
    given: Mapping[str, Array] = field(default_factory=dict)
    averaged: int = 0

    def weights_from(self, present: Mapping[str, Array]) -> Mapping[str, Array]:
        """The weights that training goes on from: the last ones, unless the network has got others since."""
        same = all(np.array_equal(present[name], value) for name, value in self.given.items())
        return {**present, **self.live} if same else present
