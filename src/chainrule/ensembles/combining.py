"""What networks predict together: means, votes, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NotFittedError, ParameterError, unknown_name
from ..model.network import Network
from ..training.data import Coding
from ..training.prediction import decided
from .agreement import ANSWERS, CLASSES, VALUES, kind_of
from .mixing import entropy, log_mean, log_probabilities

Array = np.ndarray[Any, Any]
COMBINE = ("mean", "vote")


@dataclass(frozen=True)
class Entropies:
    """How uncertain an ensemble is of each row, and how much of that is its members' disagreement; in nats.

    Of several answers of yes or no, each has a column for every answer.

    Attributes
    ----------
    total : ndarray of float64, shape (rows,)
        The entropy of the mean of the members' probabilities, the predictive entropy.
    expected : ndarray of float64, shape (rows,)
        The mean of the members' own entropies: what they hold to be chance.

    References
    ----------
    Houlsby, Huszár, Ghahramani and Lengyel (2011), Bayesian active learning for classification and preference
    learning, eq. 2. Depeweg, Hernández-Lobato, Doshi-Velez and Udluft (2018), Decomposition of uncertainty in
    Bayesian deep learning for efficient and risk-sensitive learning.
    """

    total: Array
    expected: Array

    @property
    def mutual_information(self) -> Array:
        """total - expected, at least 0: what the members disagree about, and more data could settle."""
        found: Array = np.maximum(self.total - self.expected, 0)  # below 0 by rounding alone
        return found


class Combined:
    """Networks that agree on their inputs and targets, and how their predictions become one."""

    def __init__(self, combine: str) -> None:
        if combine not in COMBINE:
            raise unknown_name("combine", combine, COMBINE)
        self.combine = combine
        self.members: list[Network] = []

    # what they share --------------------------------------------------------------------------

    @property
    def _first(self) -> Network:
        if not self.members:
            raise NotFittedError("the ensemble has no members yet. Call fit first.")
        return self.members[0]

    @property
    def built(self) -> bool:
        """Whether there are members."""
        return bool(self.members)

    @property
    def classes(self) -> Any:
        """The class labels in the order of the probabilities; None for values."""
        return self._first.classes

    @property
    def loss(self) -> str:
        """The name of the members' loss; where they differ, the names with commas between."""
        return ", ".join(dict.fromkeys(network.loss for network in self.members))

    @property
    def inputs(self) -> int | None:
        """The number of inputs, those of all tables together."""
        return self._first.inputs

    @property
    def widths(self) -> list[int]:
        """The number of columns of the first member's output."""
        return self._first.widths

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of predictions: the members', or the wider of two."""
        found: np.dtype[Any] = np.result_type(*(network.dtype for network in self.members))
        return found

    @property
    def _losses(self) -> list[Any]:
        return self._first._losses

    @property
    def _codings(self) -> list[Coding]:
        return self._first._codings

    @property
    def _kind(self) -> str:
        return kind_of(self._first)

    @property
    def _labels(self) -> Array:
        """The classes, or their numbers where there was no fit."""
        labels: Array = np.arange(max(2, self.widths[0])) if self.classes is None else self.classes
        return labels

    @property
    def _threshold(self) -> float | None:
        """The members' threshold; None where they have none, or vote, each by its own."""
        thresholds = list(dict.fromkeys(network.threshold for network in self.members))
        if len(thresholds) == 1:
            return thresholds[0]
        if self.combine == "vote":
            return None
        told = ", ".join("none" if x is None else f"{x:.4g}" for x in thresholds)
        raise ParameterError(
            f"the members have different thresholds ({told}), and combine='mean' can go by one. Give each "
            "the same, net.threshold = 0.5, or take it away by None; or pass combine='vote'."
        )

    def _without_probabilities(self) -> Network | None:
        """The first member whose loss gives no probabilities."""
        self._first  # noqa: B018  raises where there are no members
        return next((network for network in self.members if not network._losses[0].probabilities), None)

    # predictions ------------------------------------------------------------------------------

    def predict_members(self, X: Any) -> Array:
        """What each member predicts: probabilities of classes, or values.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
            For several inputs a list of such, or a dict by their names.

        Returns
        -------
        ndarray, shape (members, rows, classes), or (members, rows) or (members, rows, outputs) for values
            Of losses that give no probabilities 1 for the class that a member predicts, and 0 for others. Of
            several answers of yes or no, the probability of yes for each.

        Raises
        ------
        NotFittedError
            If there are no members yet.
        ShapeError, DTypeError, DataError
            If X does not fit the networks.
        """
        X = self._rows(X)
        return np.stack([self._told_by(network, X) for network in self.members]).astype(self.dtype)

    def _told_by(self, network: Network, X: Any) -> Array:
        if self._kind != VALUES and network._losses[0].probabilities:
            p: Array = network.predict_proba(X)
            return p
        told: Array = network.predict(X)
        if self._kind != CLASSES:
            return told
        return np.eye(len(self._labels))[np.searchsorted(self._labels, told)]

    def _rows(self, X: Any) -> Any:
        """Rows checked, and converted once where all members have one type."""
        tables = self._first._tables(X)
        if any(network.dtype != self._first.dtype for network in self.members):
            return X
        return tables if len(tables) > 1 else tables[0]

    def _mean(self, each: Array) -> Array:
        mean: Array = each.mean(axis=0, dtype=np.float64).astype(self.dtype)
        return mean

    def predict(self, X: Any) -> Array:
        """Class labels as given in y, or the means of the members' values.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
            As for `predict_members`.

        Returns
        -------
        ndarray
            In the form in which a member predicts.

        Raises
        ------
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict_members`.
        ParameterError
            If `combine` is "mean" and members have different thresholds.
        """
        X = self._rows(X)
        mean = self._mean(self.predict_members(X))
        if self._kind == VALUES:
            return mean
        votes = self.predict_votes(X) if self.combine == "vote" else None
        if self._kind == ANSWERS:
            yes = mean > 0.5
            if votes is not None:
                yes = np.where(2 * votes == len(self.members), yes, 2 * votes > len(self.members))
            return yes.astype(np.int64)
        if votes is not None:
            mean = np.where(votes == votes.max(axis=1, keepdims=True), mean, -1)
        elif (threshold := self._threshold) is not None:
            return np.asarray(self._labels[decided(mean, threshold)])
        found: Array = self._labels[mean.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Array:
        """The means of the members' probabilities, shape (rows, classes); also where `combine` is "vote".

        Of several answers of yes or no, the mean probability of yes for each.

        Raises
        ------
        ParameterError
            If a member's loss gives no probabilities.
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict_members`.
        """
        self._require_probabilities("predict_proba")
        X = self._rows(X)
        return self._mean(np.stack([network.predict_proba(X) for network in self.members]))

    def _require_probabilities(self, what: str) -> None:
        network = self._without_probabilities()
        if network is not None:
            raise ParameterError(
                f"{what}: loss {network.loss!r} of a member gives no probabilities. Use predict_votes, or "
                "train with loss='cross_entropy'."
            )

    def predict_votes(self, X: Any) -> Array:
        """How many members predict each class, int64 of shape (rows, classes).

        Of several answers of yes or no, how many members say yes to each.

        Raises
        ------
        ParameterError
            If the members predict values.
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict_members`.
        """
        self._require_classes("predict_votes")
        X = self._rows(X)
        told = [network.predict(X) for network in self.members]
        if self._kind == ANSWERS:
            answers: Array = np.stack(told).sum(axis=0, dtype=np.int64)
            return answers
        votes = np.zeros((len(told[0]), len(self._labels)), np.int64)
        for labels in told:
            votes[np.arange(len(labels)), np.searchsorted(self._labels, labels)] += 1
        return votes

    def _require_classes(self, what: str) -> None:
        if self._kind == VALUES:
            raise ParameterError(f"{what}: is for classes, and the ensemble predicts values.")

    def predict_spread(self, X: Any) -> Array:
        """How far the members are apart: the standard deviation of their values, or of their probabilities.

        It is that of the members that there are (divided by their number); in the target's unit, and for
        classes a probability.

        Returns
        -------
        ndarray
            Of the shape of `predict` for values, of that of `predict_proba` for classes.

        Raises
        ------
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict_members`.

        References
        ----------
        Lakshminarayanan, Pritzel and Blundell (2017), Simple and scalable predictive uncertainty estimation
        using deep ensembles, section 2.4.
        """
        spread: Array = self.predict_members(X).std(axis=0, dtype=np.float64).astype(self.dtype)
        return spread

    def predict_entropy(self, X: Any) -> Entropies:
        """How uncertain the ensemble is of each row's class, and how much of that is disagreement.

        Raises
        ------
        ParameterError
            If the members predict values, or a loss gives no probabilities.
        NotFittedError, ShapeError, DTypeError, DataError
            As for `predict_members`.
        """
        self._require_classes("predict_entropy")
        self._require_probabilities("predict_entropy")
        p = self.predict_members(X).astype(np.float64)
        if self._kind == ANSWERS:
            p = np.stack([1 - p, p], axis=-1)
        return Entropies(entropy(p.mean(axis=0)), entropy(p).mean(axis=0))

    def _log_mixture(self, X: Any, temperature: float = 1.0) -> Array:
        """The logarithms of the mean probabilities, the logits of each member divided by the temperature.

        Returns
        -------
        ndarray of float64, shape (rows, classes); of several answers (rows, outputs, 2), of no and of yes
        """
        X = self._rows(X)
        each = []
        for network in self.members:
            binary = network._losses[0].target == "binary"
            found = log_probabilities(network._run(X)[0][0], binary, temperature)
            each.append(found[:, 0] if binary and self._kind == CLASSES else found)
        return log_mean(each)
