"""Rows held back from training, drawn from the seed.

scikit-learn's `train_test_split` would do, but importing it takes longer than most trainings.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import DataError

Array = np.ndarray[Any, Any]


class Purpose(IntEnum):
    """What rows are drawn for; further purposes of a seed stand in `nn.init`."""

    TEST = 3
    VALIDATION = 4


def hold_back(y: Array, share: float, seed: int, purpose: Purpose, by_class: bool) -> tuple[Array, Array]:
    """Draw rows to keep and rows to hold back.

    Parameters
    ----------
    y : ndarray, shape (rows,)
        Targets.
    share : float
        Of the rows, between 0 and 1: so many are held back, at least one.
    seed : int
    purpose : Purpose
        Draws for different purposes have nothing in common.
    by_class : bool
        Hold back the same share of each class, and always keep a row of each.

    Returns
    -------
    kept, held : ndarray of int64
        Places in y, each in order.

    Raises
    ------
    DataError
        If too few rows would be left.
    """
    rows = len(y)
    count = max(1, round(share * rows))
    philox = np.random.Philox(key=np.array([seed, int(purpose)], np.uint64))
    order = np.random.Generator(philox).permutation(rows)
    if by_class:
        order = order[np.argsort(y[order], kind="stable")]
        first_of_each = np.unique(y[order], return_index=True)[1]
        order = np.delete(order, first_of_each)
    else:
        order = order[1:]
    if count > len(order):
        few = f"{counted(rows, 'row')} {'is' if rows == 1 else 'are'} too few to hold back {count:,}"
        raise DataError(f"{few} and to keep {'one of every class' if by_class else 'one'}.")
    spread = (np.arange(count) + 0.5) * (len(order) / count)  # evenly over the classes, which lie in order
    held = np.sort(order[spread.astype(np.int64)])
    return np.setdiff1d(np.arange(rows), held), held
