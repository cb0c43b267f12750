"""What holds where a user states nothing: how tables are prepared, and how networks for them are trained.

All numbers that were found by trying stand here.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_OFTEN = 10  # rows that a category must have to get an input of its own; rarer ones share one
LARGE = 2000  # rows from which on a table has enough to hold some apart, and for the ranks of its numbers
ONE_HOT = 60  # categories that get an input each; columns with more become the target's mean in each
RANKS = 200  # quantiles that the ranks of a number are taken from
RANKED = 20  # different numbers that a column must have for its ranks to tell more
LINEAR_ROWS = 20_000  # that the linear model is fitted to, drawn evenly from those of the training
LINEAR_STEPS = 100
LEAST_STEPS = 1000  # so that small tables are seen often enough
LARGEST_BATCH = 512


@dataclass(frozen=True)
class Defaults:
    """Settings of a network and its training.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    batch_size : int
        Rows a step.
    epochs : int
        At most.
    patience : int or None
        Epochs without a smaller validation loss that end the training; None for all epochs.
    validation_size : float
        Share of the rows to train on that is held apart where there is a patience.
    test_size : float
        Share of all rows that is held back.
    """

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    patience: int | None
    validation_size: float = 0.1
    test_size: float = 0.2

    def epochs_of(self, rows: int, batch_size: int) -> int:
        """The epochs for batches of this size; of a small table so many that there are enough steps."""
        steps = -(-rows // batch_size)
        return max(self.epochs, -(-LEAST_STEPS // steps)) if self.patience is None else self.epochs


def defaults(rows: int) -> Defaults:
    """The settings for a table of so many rows.

    A small table is seen often, in small batches, with all its rows. A larger one has larger batches, so that
    the number of steps grows more slowly than that of rows, and rows to tell from when to stop.
    """
    if rows < LARGE:
        return Defaults((64,), 32, 40, None)
    batch_size = 32
    while batch_size < LARGEST_BATCH and rows >= 200 * batch_size:
        batch_size *= 2
    return Defaults((64,), batch_size, 100, 10)


def least_often(rows: int) -> int:
    """Rows that a category must have to get an input of its own, for a table of so many rows."""
    return LEAST_OFTEN if rows >= LARGE else 1
