"""Quantiles of a regressor, and prediction intervals that hold what they promise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..checks import counted, real_number
from ..errors import DataError, NotFittedError, ParameterError
from ..model.network import Network
from ..nn.loss_base import Loss
from ..nn.losses import Quantile, Quantiles, checked_quantiles
from ..training.data import Coding
from .base import BasePerceptron
from .targets import Values

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class QuantileValues(Values):
    """What a regressor of quantiles knows of its targets.

    Attributes
    ----------
    quantiles : tuple of float
        Each has an output, for every column of y.
    """

    quantiles: tuple[float, ...]

    def outputs(self, loss: Loss) -> int:
        return self.columns * len(self.quantiles)

    def loss(self, loss: Any) -> Loss:
        """The loss of the quantiles; raises ParameterError where another was asked for."""
        if isinstance(loss, str) and loss in ("squared_error", Quantile.name, Quantiles.name):
            return Quantiles(self.quantiles)
        raise ParameterError(
            f"MLPRegressor: quantiles are learned by their own loss, and loss={loss!r:.60} is another. Leave "
            "one of them out."
        )

    def coding(self, loss: Loss) -> Coding:
        return Coding(None, True)

    def targets(self, numbers: Array, loss: Loss, dtype: np.dtype[Any]) -> Array:
        return np.repeat(super().targets(numbers, loss, dtype), len(self.quantiles), axis=1)


class IntervalPerceptron(BasePerceptron):
    """A network for values that predicts quantiles and intervals."""

    quantiles: Any
    calibration_fraction: Any
    quantiles_: tuple[float, ...] = ()

    # fitting ----------------------------------------------------------------------------------

    def _values_of(self, columns: int, first: bool) -> Values:
        """What is known of targets with so many columns; says in `quantiles_` what is learned of them."""
        kind, given = type(self).__name__, self.quantiles
        quantiles = () if given is None else checked_quantiles(given, f"{kind}: quantiles")
        if not first and quantiles != vars(self).get("quantiles_", quantiles):
            raise ParameterError(
                f"{kind}: the network was fitted to quantiles {list(self.quantiles_)} and cannot go on with "
                f"{list(quantiles)}. Fit anew with warm_start=False."
            )
        self.quantiles_ = quantiles
        return QuantileValues(columns, quantiles) if quantiles else Values(columns)

    def _hold_back(self, X: Any, y: Any, sample_weight: Any) -> tuple[tuple[Any, Any, Any], Any]:
        """Rows to train on, and X and y of those to calibrate by; None where none are held back."""
        self._forget_calibration()
        if self.calibration_fraction is None or y is None:  # no y: the fit says that it is needed
            return (X, y, sample_weight), None
        what = f"{type(self).__name__}: calibration_fraction"
        share = real_number(self.calibration_fraction, what, 0, 1, low_too=False)
        from sklearn.model_selection import train_test_split

        tables = [X, y] if sample_weight is None else [X, y, sample_weight]
        parts = train_test_split(*tables, test_size=share, random_state=self.random_state)
        weights = None if sample_weight is None else parts[4]
        return (parts[0], parts[2], weights), (parts[1], parts[3])

    def _forget_calibration(self) -> None:
        """Other weights make other errors."""
        self.__dict__.pop("calibration_residuals_", None)

    def calibrate(self, X: Any, y: Any) -> Self:
        """Measure the errors on rows that were not trained on, for `predict_interval`.

        Rows of an earlier calibration are forgotten. All rows count the same.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)
        y : array-like, shape (rows,) or (rows, outputs)

        Raises
        ------
        ValueError
            If X or y is not what the network was fitted to.
        """
        check_is_fitted(self)
        _, values = self._validated(X, y, reset=False)
        centres = self._centres(X)
        numbers = Values(centres.shape[1]).numbers(values)
        self.calibration_residuals_ = numbers[:, :, None] - centres
        return self

    # files ------------------------------------------------------------------------------------

    def _targets_to_json(self) -> dict[str, Any]:
        residuals = vars(self).get("calibration_residuals_")
        calibration = (
            None if residuals is None else {"dtype": residuals.dtype.name, "rows": residuals.tolist()}
        )
        return {"quantiles": list(self.quantiles_), "calibration": calibration}

    def _restore_targets(self, stored: dict[str, Any]) -> None:
        self.quantiles_ = checked_quantiles(stored["quantiles"], "quantiles") if stored["quantiles"] else ()
        calibration = stored["calibration"]
        if calibration is None:
            return
        if calibration["dtype"] not in ("float32", "float64"):
            raise ParameterError(f"residuals of type {calibration['dtype']!r:.40} are not known.")
        self.calibration_residuals_ = np.array(calibration["rows"], calibration["dtype"])

    def _known_targets(self, network: Network) -> Values:
        each = max(1, len(self.quantiles_))
        columns = (network.outputs or 1) // each
        residuals = vars(self).get("calibration_residuals_")
        if residuals is not None and (
            residuals.shape[1:] != (columns, each) or not np.isfinite(residuals).all()
        ):
            raise ParameterError("its residuals are broken.")
        return QuantileValues(columns, self.quantiles_) if self.quantiles_ else Values(columns)

    # what comes out ---------------------------------------------------------------------------

    def _has_quantiles(self) -> bool:
        """Whether quantiles are learned; raises AttributeError where they are not."""
        if self.quantiles is None:
            raise AttributeError(
                "predict_quantiles: no quantiles are learned. Pass e.g. quantiles=[0.05, 0.5, 0.95]."
            )
        return True

    def _centres(self, X: Any) -> Array:
        """The quantiles in rising order, or the one prediction, shape (rows, outputs, quantiles or 1)."""
        p = self._outputs(X, "p")
        if not self.quantiles_:
            return p[:, :, None]
        columns: Array = p.reshape(len(p), -1, len(self.quantiles_))
        return np.sort(columns, axis=2)

    def _at(self, centres: Array, q: float) -> Array:
        """The quantile q, shape (rows, outputs): linear between the nearest that were learned."""
        if not self.quantiles_:
            return centres[:, :, 0]
        shares = [np.interp(q, self.quantiles_, one) for one in np.eye(len(self.quantiles_))]
        mixed: Array = centres @ np.array(shares, centres.dtype)
        return mixed

    def _score_quantiles(self, z: Array, numbers: Array, weights: Array | None) -> float:
        """The mean D2 over quantiles, of outputs for rows with these values; NaN if they are not finite."""
        from sklearn.metrics import d2_pinball_score

        if not np.isfinite(z).all():
            return math.nan
        columns = np.sort(z.reshape(*numbers.shape, -1), axis=2)
        scores = [
            d2_pinball_score(numbers, columns[:, :, k], sample_weight=weights, alpha=q)
            for k, q in enumerate(self.quantiles_)
        ]
        return float(np.mean(scores))

    @available_if(lambda self: self._has_quantiles())
    def predict_quantiles(self, X: Any) -> Array:
        """The quantiles of each row's value, those of `quantiles_`.

        They never cross: a row's outputs are put in rising order, which brings them nearer to the true
        quantiles. That a share q of new rows lies below the quantile q is learned, not guaranteed;
        `predict_interval` guarantees.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)

        Returns
        -------
        ndarray, shape (rows, quantiles), or (rows, outputs, quantiles) for several outputs
            In the unit of y.

        References
        ----------
        Koenker and Bassett (1978), Regression quantiles. Chernozhukov, Fernandez-Val and Galichon (2010),
        Quantile and probability curves without crossing.
        """
        check_is_fitted(self)
        if not self.quantiles_:
            raise NotFittedError("predict_quantiles: the network was fitted without quantiles. Fit it anew.")
        return _without_one_output(self._centres(X))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Bounds between which each row's value lies with a probability of at least `coverage`.

        The guarantee, for n rows of calibration: if these and the new row are exchangeable (drawn alike and
        independently, for example), the value is within its bounds with a probability from `coverage` to
        coverage + 1 / (n + 1), whatever the network has learned (the upper limit where errors have no ties).
        It is for the average over new rows and calibrations, not for rows of one kind; for several outputs
        it is for each by itself.

        The bounds are predictions minus and plus an error, the ceil((n + 1) * coverage)-th smallest of the n
        rows. Without quantiles, errors are absolute residuals, and all intervals have one length. With them,
        predictions are the quantiles (1 - coverage) / 2 and (1 + coverage) / 2, and an error says by how much
        a value lies outside of them, negative within; so intervals are long where values scatter. A
        quantile that was not learned is taken linearly between the nearest that were, or is the outermost.
        Bounds that would cross become their middle.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)
        coverage : float
            Above 0 and below 1.

        Returns
        -------
        ndarray, shape (rows, 2), or (rows, outputs, 2) for several outputs
            Lower and upper bound, in the unit of y.

        Raises
        ------
        NotFittedError
            If there were no rows to calibrate by.
        DataError
            If they are too few: at least coverage / (1 - coverage) are needed.
        ParameterError
            For another coverage.

        References
        ----------
        Papadopoulos, Proedrou, Vovk and Gammerman (2002), Inductive confidence machines for regression.
        Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018), Distribution-free predictive inference for
        regression, theorem 2. Romano, Patterson and Candes (2019), Conformalized quantile regression,
        theorem 1.
        """
        check_is_fitted(self)
        share = Fraction(repr(real_number(coverage, "predict_interval: coverage", 0, 1, low_too=False)))
        if not hasattr(self, "calibration_residuals_"):
            raise NotFittedError(
                "predict_interval: there are no rows to calibrate by. Fit with calibration_fraction=0.2, or "
                "call calibrate(X, y) with rows that were not trained on."
            )
        residuals: Array = self.calibration_residuals_
        rank = conformal_rank(len(residuals), share)
        lower, upper = float((1 - share) / 2), float((1 + share) / 2)
        errors = np.maximum(-self._at(residuals, lower), self._at(residuals, upper))
        margin = np.partition(errors, rank - 1, axis=0)[rank - 1]
        centres = self._centres(X)
        low, high = self._at(centres, lower) - margin, self._at(centres, upper) + margin
        middle = (low + high) / 2
        return _without_one_output(np.stack([np.minimum(low, middle), np.maximum(high, middle)], axis=2))


def conformal_rank(rows: int, coverage: Fraction) -> int:
    """Which of the errors, from the smallest on, bounds a new one with the probability `coverage`.

    Parameters
    ----------
    rows : int
        Of the calibration.
    coverage : Fraction
        Exact, so that no rounding moves the rank.

    Returns
    -------
    int
        ceil((rows + 1) * coverage), from 1 to rows.

    Raises
    ------
    DataError
        If the rows are too few for this coverage.

    Examples
    --------
    >>> conformal_rank(99, Fraction("0.9"))
    90
    """
    rank = math.ceil((rows + 1) * coverage)
    if rank > rows:
        needed = math.ceil(coverage / (1 - coverage))
        raise DataError(
            f"predict_interval: coverage={float(coverage):g} needs at least "
            f"{counted(needed, 'row')} to calibrate by, got {rows:,}. Hold more rows back, or ask for less."
        )
    return rank


def _without_one_output(columns: Array) -> Array:
    """As it is, shape (rows, outputs, k); (rows, k) where there is one output."""
    return columns[:, 0] if columns.shape[1] == 1 else columns
