"""Rows drawn so that every class has a chosen share of an epoch, however many rows it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..checks import counted, real_array
from ..errors import DataError, ParameterError, unknown_name
from .data import Coding, listed
from .loop import Shuffler

Array = np.ndarray[Any, Any]


class Sampler(Shuffler):
    """The rows of each epoch where classes have chosen shares of it.

    An epoch has as many draws as there are rows. Within a class all rows come before one comes again: of a
    class with more rows than draws there is a part, another one in each epoch. Like the orders of a
    `Shuffler`, the draws of an epoch depend on the seed and its number alone.

    Parameters
    ----------
    seed : int
    places : ndarray of int, shape (rows,)
        The class of each row, counted from 0.
    draws : sequence of int
        How many draws of an epoch each class has.
    """

    def __init__(self, seed: int, places: Array, draws: Sequence[int]) -> None:
        super().__init__(seed)
        self.draws = list(draws)
        self.members = [np.flatnonzero(places == k) for k in range(len(self.draws))]

    def order(self, rows: int, epoch: int) -> Array:
        """The rows of an epoch, in the order in which they are taken."""
        generator = self.begin(epoch)
        drawn = []
        for own, count in zip(self.members, self.draws, strict=True):
            if count:
                passes = -(-count // len(own))
                drawn.append(np.concatenate([generator.permutation(own) for _ in range(passes)])[:count])
        return generator.permutation(np.concatenate(drawn))


def make_sampler(
    sampling: Mapping[Any, float] | str | None,
    seed: int,
    places: Array,
    coding: Coding,
    *,
    shuffle: bool,
    class_weight: Any,
    whole_batch: str | None,
) -> Sampler | None:
    """What draws the rows; None where every row comes once in an epoch.

    Parameters
    ----------
    sampling : "balanced", mapping of labels to shares, or None
    seed : int
    places : ndarray, shape (rows,) or (rows, 1)
        The class of each row, counted from 0.
    coding : Coding
        With the labels.
    shuffle : bool
    class_weight : object
        As the fit has it.
    whole_batch : str or None
        The name of an update rule that takes all rows at once.

    Raises
    ------
    ParameterError
        If there are no classes, the shares are none, or another argument contradicts it.
    DataError
        If a class would have no row in an epoch.
    """
    if sampling is None:
        return None
    if coding.classes is None:
        raise ParameterError("sampling: is for networks with one output of classes.")
    if not shuffle:
        raise ParameterError(
            "sampling and shuffle=False contradict each other: the rows of an epoch are drawn, or taken in "
            "their order. Pass one of them."
        )
    if whole_batch is not None:
        raise ParameterError(
            f"sampling and {whole_batch} contradict each other: the rule takes all rows at once. "
            "Pass class_weight instead."
        )
    if isinstance(class_weight, str):
        raise ParameterError(
            f"sampling and class_weight={class_weight!r} contradict each other: both even the classes out, "
            "and rare ones would count twice over. Pass one of them."
        )
    whole = places.reshape(len(places), -1)[:, 0].astype(np.int64)
    counts = np.bincount(whole, minlength=len(coding.classes))
    draws = _apportioned(_shares(sampling, coding.classes, counts), len(whole))
    empty = (counts > 0) & (draws == 0)
    if empty.any():
        label = coding.classes[empty][0].item()
        raise DataError(
            f"sampling: with {counted(len(whole), 'row')} an epoch has none of class {label!r}. Raise its "
            "share."
        )
    return Sampler(seed, whole, draws.tolist())


def _shares(sampling: Mapping[Any, float] | str, classes: Array, counts: Array) -> Array:
    """The share of each class, in their order."""
    if isinstance(sampling, str):
        if sampling != "balanced":
            raise unknown_name("sampling", sampling, ["balanced"])
        return (counts > 0) / np.count_nonzero(counts)
    if not isinstance(sampling, Mapping):
        raise ParameterError(f"sampling must be a dict or 'balanced', got {sampling!r:.60}.")
    labels = classes.tolist()
    for label in sampling:
        if label not in labels:
            raise ParameterError(f"sampling: {label!r} is not among the classes, {listed(classes)}.")
    for label, count in zip(labels, counts, strict=True):
        if count and label not in sampling:
            raise ParameterError(f"sampling: the share of class {label!r} is missing. Name every class's.")
        if not count and sampling.get(label):
            raise DataError(f"sampling: there is no row of class {label!r} to draw. Give it no share.")
    shares = real_array([sampling.get(label, 0.0) for label in labels], "sampling", 1)
    if (shares[counts > 0] <= 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ParameterError(
            f"sampling: shares must be above 0 and sum to 1, got {dict(sampling)!r:.80}. Leave the rows of a "
            "class out to train without it."
        )
    return shares


def _apportioned(shares: Array, rows: int) -> Array:
    """Whole numbers that sum to `rows`, each within 1 of its share of them: by largest remainders."""
    exact = shares * rows
    draws = np.floor(exact + 1e-9).astype(np.int64)
    late = np.argsort(draws - exact, kind="stable")[: rows - int(draws.sum())]
    draws[late] += 1
    return draws
