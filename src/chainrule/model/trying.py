"""What is done before a long training: first weights from data, learning rates, checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..optim.rules import Optimizer
from ..training.lsuv import LSUVReport, build_lsuv
from ..training.rate_finder import RateReport, find_learning_rate
from .deciding import DecidingNetwork
from .dry_run import DryRunReport, dry_run
from .overfitting import OverfitReport, overfit_one_batch

if TYPE_CHECKING:
    from .network import Network


class TryingNetwork(DecidingNetwork):
    """A network that can be tried out; it is no class of its own, but a part of `Network`."""

    def build_lsuv(
        self,
        X: Any,
        *,
        seed: int = 0,
        rows: int = 512,
        tolerance: float = 0.01,
        max_iterations: int = 10,
    ) -> LSUVReport:
        """Draw orthonormal weights, and scale them until each layer's sums have variance 1 on rows of X.

        Layer-sequential unit-variance: for any activation, and where no formula for the variance is known.
        The variance is that of x @ W + b over all rows and units together, as in a training step; layers are
        scaled one after another, those that are used several times by their first use. Layers with
        ``weights=`` keep them.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
            As for `fit`.
        seed : int
            Of the weights, and of the rows that are looked at.
        rows : int
            How many are looked at, drawn at random where there are more.
        tolerance : float
            How far a variance may be from 1; above 0 and below 1.
        max_iterations : int
            How often a layer is scaled at most; once is enough where its biases are 0.

        Returns
        -------
        LSUVReport
            Printed, a table of the layers.

        Raises
        ------
        ParameterError
            If the network has its weights already, or a number is out of its range.
        DataError
            If a layer's sums do not vary, or are not finite, as behind dead units, or their variance cannot
            be made 1: the layer is named, and the network has no weights then.

        References
        ----------
        Mishkin and Matas (2016), All you need is a good init, algorithm 1.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(32, "tanh"), cr.Dense(2)], loss="cross_entropy")
        >>> report = net.build_lsuv(np.random.default_rng(0).normal(50, 9, (100, 4)))
        >>> [round(layer.after, 3) for layer in report.layers]
        [1.0, 1.0]
        """
        return build_lsuv(self, X, seed, rows, tolerance, max_iterations)

    def find_learning_rate(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | str | None = None,
        batch_size: int = 32,
        low: float = 1e-6,
        high: float = 10.0,
        steps: int = 200,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        seed: int = 0,
        engine: str = "auto",
    ) -> RateReport:
        """Train a copy for some steps while the learning rate rises, and tell which rate to begin with.

        The network itself stays as it is, weights and all. The rate grows by one factor a step, and the test
        ends where the loss is about twice what it was. Suggested is half of the rate at the bottom of the
        first valley of the smoothed losses.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        optimizer : Optimizer or str, optional
            Whose rate to find; Adam where none is given. The one that it has counts for nothing.
        batch_size : int
            That of the fit to come: the best rate depends on it.
        low, high : float
            The rates of the first step and of the last.
        steps : int
            At least 20.
        sample_weight, class_weight : optional
            As for `fit`.
        seed : int
            Of weights that are not there yet, of orders, and of what layers draw: that of the fit to come.
        engine : {"auto", "numpy", "numba"}

        Returns
        -------
        RateReport
            Printed, a table; `plots.learning_rates` draws it.

        Raises
        ------
        ParameterError
            If a number is out of its range, or the optimizer has no rate to find.
        ShapeError, DTypeError, DataError
            If X or y cannot be learned from.

        References
        ----------
        Smith (2017), Cyclical learning rates for training neural networks, section 3.3, where the rate rises
        linearly. Howard and Gugger (2020), Fastai: a layered API for deep learning, where it rises by a
        factor.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> X = np.random.default_rng(0).normal(size=(500, 4))
        >>> net = cr.Network([cr.Dense(16, "tanh"), cr.Dense(1)], loss="mse")
        >>> report = net.find_learning_rate(X, X[:, 0] * X[:, 1], optimizer="sgd")
        >>> 0.001 < report.suggestion < 1, net.built
        (True, False)
        """
        return find_learning_rate(
            self,
            X,
            y,
            optimizer,
            batch_size,
            low,
            high,
            steps,
            sample_weight,
            class_weight,
            seed,
            engine,
        )

    def overfit_one_batch(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | str | None = None,
        rows: int = 32,
        steps: int = 1000,
        share: float = 0.01,
        seed: int = 0,
        engine: str = "auto",
    ) -> OverfitReport:
        """See whether a copy learns one small batch by heart: what cannot do that will not learn the rest.

        The copy is trained without dropout, penalties, noise, mixup and max-norm until the loss is next to
        the least that there is; where it does not get there, what `diagnose` finds is in the report. The
        network stays as it is.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        optimizer : Optimizer or str, optional
            As for `fit`.
        rows : int
            Of the batch, drawn at random; at least 2.
        steps : int
            The most that are made.
        share : float
            How near is near enough: the loss above the least one, as a share of that of the best constant
            answer.
        seed : int
        engine : {"auto", "numpy", "numba"}

        Returns
        -------
        OverfitReport
            True where the batch was learned; printed, it says what was seen.

        Raises
        ------
        ParameterError
            If a number is out of its range, or there is one row only.
        ShapeError, DTypeError, DataError
            If X or y cannot be learned from.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="binary_cross_entropy")
        >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        >>> bool(net.overfit_one_batch(X, y, optimizer=cr.Adam(0.1))), net.built
        (True, False)
        """
        return overfit_one_batch(cast("Network", self), X, y, optimizer, rows, steps, share, seed, engine)

    def dry_run(self, X: Any, y: Any, **settings: Any) -> DryRunReport:
        """Check what a fit would check, make its first steps on a copy, and tell what the whole will take.

        Everything stays as it is: weights, files, folders. Validation and metrics are measured once, and
        callbacks are asked whether they can work (their method `check`), not called.

        Parameters
        ----------
        X, y : array-like
            As for `fit`.
        **settings
            All else that the fit is to have, by the names of `fit`; all but `record`.

        Returns
        -------
        DryRunReport
            False where numbers are not finite; printed, a summary. Times and memory are estimates.

        Raises
        ------
        ChainruleError
            What `fit` would raise before its first step.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse")
        >>> report = net.dry_run([[0.0], [1.0]], [0.0, 2.0], epochs=500, batch_size=1)
        >>> report.ok, report.steps, net.built
        (True, 1000, False)
        """
        return dry_run(cast("Network", self), X, y, settings)
