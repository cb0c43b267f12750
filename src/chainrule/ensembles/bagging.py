"""Bagging: each member is trained on rows drawn with replacement."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..nn.init import Purpose
from .left_out import LeftOut, left_out
from .training import Job, TrainedEnsemble, checked_settings, member_seeds, rows_of

Array = np.ndarray[Any, Any]


def bootstrap(rows: int, seed: int) -> Array:
    """As many places as there are rows, drawn with replacement, in rising order; int64.

    They are draws of ``Philox(key=[seed, 21])``. About 63.2% of the rows are among them, 1 - 1 / e of many.
    """
    key = np.array([seed, int(Purpose.BOOTSTRAP)], np.uint64)
    return np.sort(np.random.Generator(np.random.Philox(key=key)).integers(rows, size=rows))


class Bagging(TrainedEnsemble):
    """Networks that are each trained on as many rows as there are, drawn from them with replacement.

    A member sees about 63.2% of the rows, some of them several times; the others test it, so that the
    ensemble's score on rows it was not trained on is known without any held back.

    Parameters
    ----------
    network : Network or sequence of Network
        As for `DeepEnsemble`.
    members : int, optional
        How many: 5 where one network is passed.
    combine : {"mean", "vote"}
        As for `Ensemble`.

    Attributes
    ----------
    members, seeds, histories, interrupted
        As for `DeepEnsemble`.
    out_of_bag : LeftOut
        After `fit`: what the members say of rows that each was not trained on, and how good it is.

    Raises
    ------
    ParameterError
        If `members` is no positive int, or both it and several networks are given.

    References
    ----------
    Breiman (1996), Bagging predictors; (1996), Out-of-bag estimation.
    """

    kind = "bagging"

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        seed: int = 0,
        n_jobs: int | None = None,
        verbose: bool = True,
        **settings: Any,
    ) -> Self:
        """Train the members, each on its own rows.

        All members know all classes, also one whose rows lack some.

        Parameters
        ----------
        X, y : array-like
            As for `Network.fit`; for networks with one input.
        seed, n_jobs, verbose, **settings
            As for `DeepEnsemble.fit`. A member's rows are drawn from its seed; `sample_weight` follows them.

        Returns
        -------
        Bagging
            Itself.

        Raises
        ------
        ParameterError, ShapeError, DTypeError, DataError
            As for `DeepEnsemble.fit`.

        Warns
        -----
        RuntimeWarning
            If a member's loss or weights became NaN or infinite.
        """
        given = checked_settings("Bagging.fit", settings, {})
        networks = self._copies(X, y)
        table, targets = rows_of("Bagging", networks[0], X), np.asarray(y)
        self.seeds = member_seeds(seed, self.size)
        drawn = [bootstrap(len(targets), own) for own in self.seeds]
        parts = zip(networks, self.seeds, drawn, strict=True)
        jobs = [Job(k, net, table, targets, own, given, rows) for k, (net, own, rows) in enumerate(parts, 1)]
        self._train(jobs, n_jobs, verbose)
        everything = np.arange(len(targets))
        apart = [np.setdiff1d(everything, rows) for rows in drawn[: len(self.members)]]
        self.out_of_bag: LeftOut = left_out(self, table, targets, apart)
        return self
