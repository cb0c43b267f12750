"""Rows to train on with all classes of one size, by imbalanced-learn: repeated, left out, or made anew."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import DataError, MissingExtraError, unknown_name

Array = np.ndarray[Any, Any]
WAYS = ("over", "smote", "under")
NEIGHBOURS = 5  # of SMOTE


def need_imblearn(what: str) -> None:
    """Raise MissingExtraError where imbalanced-learn is not installed."""
    if find_spec("imblearn") is None:
        raise MissingExtraError(
            f"{what} needs imbalanced-learn, which is not installed. Run: pip install 'chainrule[imbalance]'"
        )


def resample(
    X: Array, y: Array, way: str, *, seed: int = 0, zero_or_one: Array | None = None, what: str = "resample"
) -> tuple[Array, Array]:
    """Rows of which all classes have as many.

    Parameters
    ----------
    X : ndarray, shape (rows, inputs)
        To be trained on: what is measured must stay as it is.
    y : ndarray, shape (rows,)
        Their classes.
    way : {"over", "under", "smote"}
        Rows of rare classes come again, those of frequent ones are left out, or new ones are made between a
        row and one of its five nearest neighbours of the same class.
    seed : int
    zero_or_one : ndarray of bool, shape (inputs,), optional
        Inputs that are 0 or 1, told from X where none are given. In new rows they are those of the nearer of
        the two rows, so that each has one word of a column, not parts of two. The others count by their
        standard deviation where neighbours are looked for.
    what : str
        What errors call it.

    Returns
    -------
    X, y : ndarray

    Raises
    ------
    MissingExtraError
        If imbalanced-learn is not installed.
    UnknownNameError
        If there is no such way.
    DataError
        For "smote", if a class has one row.

    References
    ----------
    Chawla, Bowyer, Hall and Kegelmeyer (2002), SMOTE: synthetic minority over-sampling technique.
    """
    if way not in WAYS:
        raise unknown_name(what, way, WAYS)
    need_imblearn(what)
    random_state = seed % 2**32
    if way == "smote":
        return _smote(X, y, random_state, zero_or_one, what)
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    sampler = {"over": RandomOverSampler, "under": RandomUnderSampler}[way](random_state=random_state)
    found = sampler.fit_resample(np.arange(len(y))[:, None], y)[0][:, 0]
    return X[found], y[found]


def _smote(
    X: Array, y: Array, random_state: int, zero_or_one: Array | None, what: str
) -> tuple[Array, Array]:
    from imblearn.over_sampling import SMOTE

    labels, counts = np.unique(y, return_counts=True)
    least = int(counts.min())
    if least < 2:
        label = labels[counts.argmin()].item()
        raise DataError(
            f"{what} smote: class {label!r:.40} has {counted(least, 'row')} to train on, and new ones lie "
            "between two. Take over."
        )
    fixed = np.isin(X, (0, 1)).all(axis=0) if zero_or_one is None else zero_or_one
    spread = np.where(fixed, 1.0, X.std(axis=0))
    spread[spread == 0] = 1.0
    sampler = SMOTE(random_state=random_state, k_neighbors=min(NEIGHBOURS, least - 1))
    made, classes = sampler.fit_resample(X / spread, y)
    made = made * spread
    made[:, fixed] = np.round(made[:, fixed])
    made[: len(X)] = X  # without the rounding of there and back
    return made, classes
