"""Cross-validation committees: a member for each fold, which tests it and may say when to stop."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..model.cross_validated import folds
from ..model.network import Network
from .agreement import CLASSES, kind_of
from .left_out import LeftOut, left_out
from .training import Job, TrainedEnsemble, checked_settings, member_seeds, rows_of

Array = np.ndarray[Any, Any]


class Committee(TrainedEnsemble):
    """A member for each fold, trained on the others; its own fold validates it.

    So every row trains all members but one, and early stopping costs no rows: ``callbacks=[EarlyStopping()]``
    goes by the loss on the fold that was left out.

    Parameters
    ----------
    network : Network
        What members are copies of; it is left as it is.
    cv : int, splitter or iterable of (train, test)
        As scikit-learn's: a number of folds (stratified for classes), or GroupKFold(5), TimeSeriesSplit(5).
    combine : {"mean", "vote"}
        As for `Ensemble`.

    Attributes
    ----------
    members, seeds, histories, interrupted
        As for `DeepEnsemble`.
    out_of_fold : LeftOut
        After `fit`: what each member says of its own fold, and how good that is, which is the score that
        cross-validation gives a single network. It flatters where early stopping went by these rows.

    References
    ----------
    Parmanto, Munro and Doyle (1996), Reducing variance of committee prediction with resampling techniques.
    Krogh and Vedelsby (1995), Neural network ensembles, cross validation, and active learning.
    """

    kind = "committee"

    def __init__(self, network: Network, cv: Any = 5, combine: str = "mean") -> None:
        super().__init__(network, None, combine)
        self._one_network()
        self.cv = cv

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        groups: Any = None,
        seed: int = 0,
        n_jobs: int | None = None,
        verbose: bool = True,
        **settings: Any,
    ) -> Self:
        """Train a member for each fold.

        Parameters
        ----------
        X, y : array-like
            As for `Network.fit`; for networks with one input.
        groups : array-like, shape (rows,), optional
            For splitters that keep the rows of a group together.
        seed, n_jobs, verbose, **settings
            As for `DeepEnsemble.fit`; there is no validation_data, which the folds are.

        Returns
        -------
        Committee
            Itself.

        Raises
        ------
        ParameterError
            If the rows cannot be split so, or a setting cannot be passed.
        ShapeError, DTypeError, DataError
            As for `Network.fit`.

        Warns
        -----
        RuntimeWarning
            If a member's loss or weights became NaN or infinite.
        """
        given = checked_settings(
            "Committee.fit", settings, {"validation_data": "each member is validated with its own fold"}
        )
        given.pop("validation_data", None)
        network = self._prepared(X, y)[0]
        table, targets = rows_of("Committee", network, X), np.asarray(y)
        classes = kind_of(network) == CLASSES
        labels = targets if targets.ndim == 1 or not classes else targets.argmax(axis=1)
        parts = folds(table, labels, self.cv, groups, classes)
        self.size = len(parts)
        self.seeds = member_seeds(seed, self.size)
        jobs = [
            Job(k, network, table, targets, own, given, train, held)
            for k, (own, (train, held)) in enumerate(zip(self.seeds, parts, strict=True), 1)
        ]
        self._train(jobs, n_jobs, verbose)
        apart = [held for _, held in parts[: len(self.members)]]
        self.out_of_fold: LeftOut = left_out(self, table, targets, apart)
        return self
