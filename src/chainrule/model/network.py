"""Network: layers that learn from data, predict, and are saved and loaded."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_seed, counted, positive_int
from ..emit.engine import ENGINES
from ..errors import NotFittedError, ParameterError, ShapeError, unknown_name
from ..images.augment import Augment
from ..nn.folding import folded_nodes
from ..nn.layers import Layer
from ..nn.wiring import Node
from ..optim.rules import Adam, Optimizer, find_optimizer
from ..optim.schedules import Course, checked_rates
from ..training.callbacks import checked_callbacks
from ..training.data import Coding, row_weights
from ..training.fitting import Fit, Rows, Validation
from ..training.history import History, Past
from ..training.loop import Plan, tell
from ..training.lsuv import LSUVReport, build_lsuv
from ..training.metrics import Metric
from ..training.rate_finder import RateReport, find_learning_rate
from ..training.resume import identity_of, require_same, saved_fit, the_checkpoint
from ..training.sampling import Sampler, make_sampler
from ..training.supply import Transform, require_transform, told_transform
from .cross_validated import StoppingReport, fit_cross_validated_stopping
from .deciding import DecidingNetwork
from .dry_run import DryRunReport, dry_run
from .overfitting import OverfitReport, overfit_one_batch

if TYPE_CHECKING:
    from ..explain.ledger.ledger import Ledger

Array = np.ndarray[Any, Any]
Metrics = str | Sequence[str] | Mapping[str, Metric]
SAMPLED = 10_000  # epochs whose learning rate is looked at before the first step; the others when they come


class Network(DecidingNetwork):
    """Layers with a loss, trained on batches.

    Parameters
    ----------
    layers : sequence of Layer, or Node or sequence of Node
        One layer after another; or the node, or several, that a network drawn from `Input` ends in. The
        network takes copies; weights of layers given start it, the others are drawn by the first fit.
    loss : str, Loss or callable, or a list of such
        By name (mse, half_sum, cross_entropy, binary_cross_entropy, ...), as an object with settings, or a
        function of tensors; for several outputs one each. Losses for classes take logits: the last layer is
        linear then.
    dtype : {"float32", "float64"}
    loss_weights : sequence of float, optional
        By what the losses of several outputs are multiplied before they are added.
    penalties : {"whole", "per_row"}
        What the layers' l1 and l2 add to a batch's loss: all of it, or all of it divided by the batch's rows
        (by the sum of their weights, where they have some), so that it counts less the larger batches are, as
        scikit-learn's alpha does.
    mixup : float
        The alpha of mixup; 0 for none. In training, each batch is mixed with itself in the opposite order: a
        row becomes lam * x + (1 - lam) * its partner, and its loss lam * that for its own target + (1 - lam)
        * that for the partner's, with a lam drawn from Beta(alpha, alpha) for each step. 0.1 to 0.4 are usual
        for classes. Batches of one row stay as they are.

    Attributes
    ----------
    layers : list of Layer
    metadata : dict
        Anything that JSON can hold; saved along.
    attachments : dict of str to bytes
        Whatever else belongs to the model, such as what prepares its inputs; saved along, and never opened.
    optimizer : Optimizer or None
        The last fit's.

    Raises
    ------
    ParameterError
        If there are no layers, two have one name, or the last does not suit the loss.
    UnknownNameError
        If there is no such loss.
    ShapeError
        If the weights given to layers do not fit one another.

    References
    ----------
    mixup: Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: beyond empirical risk minimization.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(8, "relu"), cr.Dense(2)], loss="cross_entropy")
    >>> history = net.fit([[0.0], [1.0]], ["no", "yes"], epochs=200, engine="numpy", verbose=False)
    >>> net.predict([[0.1], [0.9]]).tolist()
    ['no', 'yes']
    """

    def __init__(
        self,
        layers: Sequence[Layer] | Node | Sequence[Node],
        loss: Any,
        dtype: str = "float32",
        loss_weights: Sequence[float] | None = None,
        penalties: str = "whole",
        mixup: float = 0.0,
    ) -> None:
        super().__init__(layers, loss, dtype, loss_weights, penalties, mixup)

    # starting ---------------------------------------------------------------------------------

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

        The copy is trained without dropout, noise and penalties until the loss is next to the least that there is;
        where it does not get there, what `diagnose` finds is in the report. The network stays as it is.

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
        return overfit_one_batch(self, X, y, optimizer, rows, steps, share, seed, engine)

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
        return dry_run(self, X, y, settings)

    # training ---------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer | str | None = None,
        batch_size: int = 32,
        epochs: int = 20,
        validation_data: tuple[Any, Any] | None = None,
        metrics: Metrics = (),
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "auto",
        verbose: bool = True,
        callbacks: Iterable[Any] = (),
        go_on: bool = False,
        resume: bool = False,
        record: Ledger | None = None,
        accumulate: int = 1,
        transform: Transform | None = None,
        sampling: Mapping[Any, float] | str | None = None,
    ) -> History:
        """Train on rows of X and their targets, from the weights that are there or from drawn ones.

        Ctrl-C ends the training after the step at hand; the weights trained so far are kept, and the history
        says that it was interrupted.

        Parameters
        ----------
        X : array-like or sparse matrix of numbers, shape (rows, inputs)
            For several inputs a list of such, or a dict by their names. Of sparse ones, only the rows at hand
            are made dense.
        y : array-like
            For cross_entropy labels of any kind, shape (rows,), or one-hot rows; for binary_cross_entropy two
            labels, or columns of numbers from 0 to 1; else values, shape (rows,) or (rows, outputs). For
            several outputs a list of such.
        optimizer : Optimizer or str, optional
            Adam(0.001) where none is given. Its state starts anew with each fit that does not go on.
        batch_size : int
            Rows a step: 1 is stochastic gradient descent, len(X) (or more) takes all of them at once.
        epochs : int
            How often every row is seen.
        validation_data : (X, y), optional
            Measured after each epoch, never trained on.
        metrics : str, sequence of str, or dict of str to scorer
            Names of scikit-learn's scorers, such as "f1_macro", or scorers of your own by names that you
            choose, as `make_scorer` makes them: measured on the validation data as well.
        sample_weight : array-like, shape (rows,), optional
            How much each row counts among those of its batch; not negative.
        class_weight : dict or "balanced", optional
            How much each class counts, by label, 1 for those left out; "balanced" lets every class count the
            same, as scikit-learn's.
        shuffle : bool
            Take the rows in a newly drawn order in each epoch.
        seed : int
            Of initial weights, orders, and what layers draw.
        engine : {"auto", "numpy", "numba"}
            Printed NumPy, compiled loops, or whichever the work is worth.
        verbose : bool
            Show a progress bar on standard error.
        callbacks : iterable
            Objects with methods of `Callback`, such as ``on_epoch_end(network, history)``.
        go_on : bool
            Go on as if the last fit had not ended: with what its optimizer remembers, and with the random
            numbers of the epochs and steps that would have come next. Schedules start anew.
        resume : bool
            Go on from the last checkpoint in the folder of the `Checkpoint` among the callbacks, to `epochs`
            in all, bit for bit as if the fit had not ended; start anew where there is none. All else must be
            as it was.
        record : Ledger, optional
            Writes down what moved chosen weights, step by step; the weights become the same. Trains with
            the NumPy engine.
        accumulate : int
            Change the weights after so many batches, and after an epoch's last, as for one batch of all their
            rows: it takes no more memory than one of these batches. Layers that look at a batch, as
            normalisation and dropout, see each by itself.
        transform : callable, optional
            Changes rows on their way to the training, as augmentation does: ``transform(x, numbers, epoch,
            seed)`` takes some rows of X as an array, shape (rows, inputs), for several inputs a list of such;
            the numbers of these rows in X; the epoch, counted from 0; and the fit's seed. It returns rows of
            the same shape, and may change x itself. A thread makes the rows of the next steps while the last
            ones are trained on. Random numbers must be drawn from `numbers`, `epoch` and `seed` alone, so
            that a fit can resume.
        sampling : "balanced" or dict, optional
            Draw the rows of an epoch so that all classes come equally often, or each with the share that the
            dict has by its label. An epoch keeps its number of rows: those of rare classes come several times
            in it, of frequent ones a part, another in each epoch. History.loss is that of the rows drawn.

        Returns
        -------
        History

        Raises
        ------
        ShapeError, DTypeError, DataError
            If X or y cannot be learned from; nothing is changed then.
        ParameterError
            If an argument is outside what is accepted, the network's type cannot hold the learning rate, or
            there is no fit of this kind of optimizer to go on from; UnknownNameError for an engine, optimiser
            or metric that does not exist.
        CheckpointError
            If a checkpoint is one of another network, other data or other settings, with the differences;
            or if the folder cannot be used.

        Warns
        -----
        RuntimeWarning
            If the loss or a weight becomes NaN or infinite; training ends there, with the weights of before
            that step. The warning and `History.stopped` name epoch, step and layer.
        """
        rule = find_optimizer(Adam() if optimizer is None else optimizer)
        batch_size = positive_int(batch_size, "fit: batch_size", "batch_size=32")
        epochs = positive_int(epochs, "fit: epochs", "epochs=20")
        accumulate = positive_int(accumulate, "fit: accumulate", "accumulate=4")
        seed = checked_seed(seed)
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        if record is not None:
            from ..explain.ledger.ledger import checked_record

            record = checked_record(record, engine)
        watching = checked_callbacks(callbacks)
        tables = self._tables(X)
        ts, known = self._targets(y, tables, self._codings)
        codings = [replace(coding, threshold=None) for coding in known]
        weights = row_weights(sample_weight, class_weight, ts, codings, self.dtype)
        validation = None
        if validation_data is not None:
            validation = self._validation(validation_data, codings, tables, metrics)
        elif metrics:
            raise ParameterError("fit: metrics are measured on validation data. Pass validation_data=(X, y).")
        if transform is not None:
            require_transform(transform, rule)
        if isinstance(transform, Augment):
            for table in tables:
                transform.require_images(table.shape)
        rows = tables[0].shape[0]
        size = rows if rule.whole_batch else min(batch_size, rows)
        checkpoint = the_checkpoint(watching, rule, resume, go_on, record is not None)
        past = self._past_of(rule) if go_on else Past()
        saved = saved_fit(checkpoint) if checkpoint is not None and resume else None
        if saved is not None:
            past = saved.past
        sampler = self._sampler(sampling, seed, ts, codings, shuffle, class_weight, rule)
        draws = None if sampler is None else sampler.draws
        before = past.epochs, past.steps
        plan = Plan(rows, size, epochs, shuffle, seed, *before, accumulate=accumulate, sampling=draws)
        if rule.averaging is not None:
            rule.averaging.check(plan.stretch)
        looked_at = np.linspace(0, epochs - 1, min(epochs, SAMPLED)).astype(np.int64) * plan.updates
        checked_rates(rule.schedule, looked_at, Course(plan.updates, epochs), self.dtype)
        identity = {}
        if checkpoint is not None:
            given: dict[str, Any] = {"X": tables, "y": ts, "weights": [weights]}
            if validation is not None:
                given |= {"validation X": validation.rows.tables, "validation y": validation.rows.ts}
            scorers = [] if validation is None else list(validation.scorers)
            identity = identity_of(self, rule, plan, given, watching, codings) | {"metrics": scorers}
            identity["transform"] = None if transform is None else told_transform(transform)
        if saved is not None:
            require_same(saved, identity)
        self._learn_sizes([table.shape[1] for table in tables], "fit")
        if saved is not None:
            self._take(saved.weights)
        if not self.built:
            self._fill(seed)
        data = Rows(tables, ts, weights, codings)
        job = Fit(
            self,
            rule,
            plan,
            data,
            validation,
            engine,
            watching,
            past,
            record,
            identity,
            saved,
            transform=transform,
            shuffler=sampler,
        )
        self._codings, self.optimizer = codings, rule
        history = job.run(verbose)
        if job.fault is not None:
            warnings.warn(job.fault, RuntimeWarning, stacklevel=2)
        if history.interrupted:
            done = f"{history.epochs:,} of {counted(epochs, 'epoch')}"
            tell(f"Stopped by Ctrl-C after {done}; the weights trained so far are kept.")
        self._past = job.past
        return history

    def fit_cross_validated_stopping(
        self,
        X: Any,
        y: Any,
        *,
        epochs: int,
        cv: Any = 10,
        groups: Any = None,
        n_jobs: int | None = None,
        **settings: Any,
    ) -> StoppingReport:
        """Find by cross-validation how many epochs to train, then train so long on all rows.

        For each fold a copy of the network is trained on the other folds for `epochs`, and the epoch after
        which its validation loss is smallest is noted; the network itself is then trained on all rows for the
        mean of these. So no row has to be kept out of the final training to know when to stop.

        Parameters
        ----------
        X, y : array-like
            As for `fit`; for networks with one input and one output.
        epochs : int
            The most that a fold is trained.
        cv : int, splitter or iterable of (train, test)
            As scikit-learn's: a number of folds (stratified for classes), or GroupKFold(5),
            TimeSeriesSplit(5), ...
        groups : array-like, shape (rows,), optional
            For splitters that keep the rows of a group together.
        n_jobs : int, optional
            How many folds are trained at once, by joblib and the backend that is chosen there; -1 for as many
            as there are processors.
        **settings
            Of `fit`: optimizer, batch_size, sample_weight, class_weight, sampling, shuffle, seed, engine,
            verbose.

        Returns
        -------
        StoppingReport
            Printed, a table of the folds and how much they disagree.

        Raises
        ------
        ParameterError
            If the rows cannot be split so, or a setting belongs to the procedure.

        References
        ----------
        Mitchell (1997), Machine Learning, section 4.6.5.
        """
        return fit_cross_validated_stopping(
            self, X, y, epochs=epochs, cv=cv, groups=groups, n_jobs=n_jobs, **settings
        )

    def fold(self) -> Network:
        """A network without batch normalisation that predicts the same, to rounding.

        In prediction, batch normalisation is a scale and a shift of every column, which a linear dense layer
        before it takes into its weights and biases, or dense and maxout layers after it take into theirs.
        The new network is for predictions, to be exported or explained: trained further, it would not train
        as this one.

        Returns
        -------
        Network
            With class labels, metadata and attachments of this one, which stays as it is; a copy where there
            is no batch normalisation.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        ParameterError
            If there is batch normalisation that cannot be folded: between a layer with an activation and
            an output, a sum of layers, or other layers that are not dense. It is named, with the reasons.

        References
        ----------
        Jacob et al. (2018), Quantization and training of neural networks for efficient
        integer-arithmetic-only inference, section 3.2.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(4, "relu"), cr.BatchNorm(), cr.Dense(1)], loss="mse")
        >>> net.build(3)
        >>> net.fold()
        Network([Dense(4, 'relu'), Dense(1, 'linear')], loss='mse', dtype='float32')
        """
        if not self.built:
            raise NotFittedError("fold: the network has no weights yet. Call fit first.")
        new = Network(
            folded_nodes(self), self._losses, self.dtype.name, self._loss_weights, self.penalties, self.mixup
        )
        new._codings, new.optimizer = list(self._codings), self.optimizer
        new.metadata, new.attachments = copy.deepcopy(self.metadata), dict(self.attachments)
        return new

    def _past_of(self, rule: Optimizer) -> Past:
        if self._past is None or self.optimizer is None or self.optimizer.rule != rule.rule:
            last = "there was none" if self._past is None else f"the last one's was {self.optimizer}"
            raise ParameterError(f"fit: no fit with {rule} to go on from: {last}. Leave go_on out.")
        return self._past

    def _sampler(
        self,
        sampling: Any,
        seed: int,
        ts: list[Array],
        codings: list[Coding],
        shuffle: bool,
        class_weight: Any,
        rule: Optimizer,
    ) -> Sampler | None:
        """What draws rows by their classes; of several outputs there are no such."""
        coding = codings[0] if len(codings) == 1 else Coding()
        whole = type(rule).__name__ if rule.whole_batch else None
        return make_sampler(
            sampling, seed, ts[0], coding, shuffle=shuffle, class_weight=class_weight, whole_batch=whole
        )

    def _validation(
        self, pair: Any, codings: list[Coding], tables: list[Array], metrics: Metrics
    ) -> Validation:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ParameterError("fit: validation_data must be a pair (X, y).")
        rows = self._tables(pair[0], "validation X")
        for own, table in zip(rows, tables, strict=True):
            if own.shape[1] != table.shape[1]:
                raise ShapeError(
                    f"validation X: the network has {counted(table.shape[1], 'input')}, "
                    f"got {counted(own.shape[1], 'column')}."
                )
        ts, _ = self._targets(pair[1], rows, codings, "validation y")
        listed = [metrics] if isinstance(metrics, str) else metrics
        named = listed if isinstance(listed, Mapping) else {name: name for name in listed}
        scorers = {name: self.scorer(metric) for name, metric in named.items()}
        return Validation(Rows(rows, ts, None, codings), scorers, (pair[0], pair[1]))
