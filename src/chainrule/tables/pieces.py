"""Where numbers are cut into pieces, so that a network can treat their ranges differently."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MANY = 20  # different numbers that a column must have more of to be cut


def has_many(distinct: int) -> bool:
    """Whether a column of so many different numbers is cut into pieces."""
    return distinct > MANY


def cut_columns(X: Array) -> int:
    """How many of the first columns have many different numbers.

    Parameters
    ----------
    X : ndarray of float32, shape (rows, inputs)
    """
    for column, values in enumerate(X.T):
        if not has_many(len(np.unique(values))):
            return column
    return int(X.shape[1])


def find_knots(X: Array, pieces: int) -> Array:
    """Numbers between which about the same number of rows lie, for each column.

    Where one number is that of many rows, some of these are equal; in their place come numbers that part the
    others, each counted once. So a column that is mostly 0 is cut where it is not.

    Parameters
    ----------
    X : ndarray of float32, shape (rows, columns)
        Each column of more than `MANY` different numbers.
    pieces : int
        At most `MANY`.

    Returns
    -------
    ndarray of float32, shape (columns, pieces + 1)
        Rising in each row, from the least to the largest number of the column.
    """
    return np.stack([_knots(values, pieces) for values in X.T])


def _knots(values: Array, pieces: int) -> Array:
    knots = np.unique(np.quantile(values, np.linspace(0, 1, pieces + 1), method="nearest"))
    others, missing = np.setdiff1d(values, knots), pieces + 1 - len(knots)
    places = np.linspace(0, len(others) - 1, missing).round().astype(np.int64)
    return np.union1d(knots, others[places])
