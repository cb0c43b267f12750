"""What holds where a user states nothing: how tables are prepared, and how networks for them are trained.

All numbers that were found by trying stand here.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST_OFTEN = 10  # rows that a category must have to get an input of its own; rarer ones share one
SMALL = 200  # rows below which a table is an example: a plain network, trained plainly
LARGE = 2000  # rows from which on rare categories share an input
ONE_HOT = 60  # categories that get an input each; columns with more become the target's mean in each
MOST_PIECES = 512  # of all columns together
LINEAR_ROWS = 20_000  # that the linear model is fitted to, drawn evenly from those of the training
LINEAR_STEPS = 100
LINEAR_WORK = 4e10  # multiplications that it may take: seconds. Many inputs and many classes leave fewer rows
LARGEST_BATCH = 512


@dataclass(frozen=True)
class Defaults:
    """Settings of a network and its training.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    pieces : int
        Pieces that a number of many values is cut into; 0 for none.
    dropout : float
        Share of each hidden layer's outputs dropped in training.
    optimizer : str
    learning_rate, weight_decay : float
        The second for optimizers that have one.
    schedule : str or None
        How the learning rate changes.
    batch_size : int
        Rows a step.
    epochs : int
        At least.
    steps : int
        At least, so that small tables are seen often enough.
    validation_size : float
        Share of the rows to train on that is held apart with early stopping.
    test_size : float
        Share of all rows that is held back.
    """

    hidden: tuple[int, ...] = (128, 64)
    pieces: int = 16
    dropout: float = 0.2
    optimizer: str = "adamw"
    learning_rate: float = 0.005
    weight_decay: float = 0.3
    schedule: str | None = "one_cycle"
    batch_size: int = 32
    epochs: int = 20
    steps: int = 500
    validation_size: float = 0.1
    test_size: float = 0.2

    def epochs_of(self, rows: int, batch_size: int) -> int:
        """The epochs for batches of this size; of a small table so many that there are enough steps."""
        return max(self.epochs, -(-self.steps // -(-rows // batch_size)))

    def pieces_of(self, columns: int) -> int:
        """The pieces of each of so many columns; fewer where there are many columns."""
        pieces = min(self.pieces, MOST_PIECES // max(columns, 1))
        return pieces if pieces > 1 else 0


PLAIN = Defaults(
    (64,), pieces=0, dropout=0.0, optimizer="adam", learning_rate=0.001, schedule=None, epochs=40, steps=1000
)


def defaults(rows: int) -> Defaults:
    """The settings for a table of so many rows.

    Small and large tables have the same network and the same training, and differ in the batch alone, which
    grows with the rows, so that the number of steps grows more slowly than they do. All rows are trained on:
    dropout, weight decay and a learning rate that falls to nearly nothing at the end keep the network from
    learning them by heart, and for these tables did better than ending early by rows held apart.
    """
    if rows < SMALL:
        return PLAIN
    batch_size = 32
    while batch_size < LARGEST_BATCH and rows >= 100 * batch_size:
        batch_size *= 2
    return Defaults(batch_size=batch_size)


def least_often(rows: int) -> int:
    """Rows that a category must have to get an input of its own, for a table of so many rows."""
    return LEAST_OFTEN if rows >= LARGE else 1
