"""What a fit does: how many rows, steps and epochs there are, and what is done in which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optim.averaging import Stretch

Array = np.ndarray[Any, Any]
ENDLESS = 2**40  # steps in an epoch of which nobody knows how many there are


@dataclass
class Plan:
    """What a fit does.

    Attributes
    ----------
    rows, batch_size, epochs : int
        The last batch of an epoch has the rows that are left.
    shuffle : bool
        Draw the order of rows anew for each epoch.
    seed : int
    first_epoch, first_step : int
        How many there have been before, of a fit that goes on: orders and layers draw other numbers then.
    row_means : bool
        Whether an epoch's loss is the mean over its rows; else over its batches, of which the last may have
        fewer rows than the others.
    accumulate : int
        The weights are changed after so many steps, by the gradients of them all, and after an epoch's last.
    sampling : list of int, optional
        How many draws of an epoch each class has, where rows are drawn by their classes.
    averaged : int
        Of how many weights the average is that a fit goes on with.
    length : int or None
        Of a stream the steps in an epoch, 0 while nobody knows; None where rows lie in tables.
    """

    rows: int
    batch_size: int
    epochs: int
    shuffle: bool
    seed: int
    first_epoch: int = 0
    first_step: int = 0
    row_means: bool = False
    accumulate: int = 1
    sampling: list[int] | None = None
    length: int | None = None
    averaged: int = 0

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        if self.length is not None:
            return self.length or ENDLESS
        return -(-self.rows // self.batch_size)

    @property
    def settings(self) -> dict[str, int]:
        """What a user has set of it, by the names of `fit`."""
        names = ("rows", "batch_size", "epochs", "shuffle", "seed")
        return {name: getattr(self, name) for name in names}

    @property
    def updates(self) -> int:
        """How often the weights are changed in an epoch."""
        return -(-self.steps // self.accumulate)

    def update_of(self, steps: Array) -> tuple[Array, Array]:
        """Which change of the weights steps go into, both counted over all epochs; whether as its last."""
        epochs, within = np.divmod(steps, self.steps)
        updates, parts = np.divmod(within, self.accumulate)
        last = (parts == self.accumulate - 1) | (within == self.steps - 1)
        return epochs * self.updates + updates, last.astype(np.int64)

    def updates_made(self, steps: int) -> int:
        """How often the weights have been changed after so many steps."""
        epochs, within = divmod(steps, self.steps)
        return epochs * self.updates + within // self.accumulate

    @property
    def stretch(self) -> Stretch:
        """The changes of the weights."""
        return Stretch(self.updates, self.epochs, self.first_epoch, self.averaged)

    def mean(self, losses: Array) -> float:
        """An epoch's loss from that of its batches."""
        last = self.rows - (self.steps - 1) * self.batch_size
        if not self.row_means or last == self.batch_size:
            return float(np.add.reduce(losses)) / len(losses)
        return float(losses[:-1].sum() * self.batch_size + losses[-1] * last) / self.rows
