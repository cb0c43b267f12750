"""Network: layers that learn from data, predict, and are saved and loaded."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..checks import counted
from ..errors import NotFittedError
from ..nn.folding import folded_nodes
from ..nn.layers import Layer
from ..nn.wiring import Node
from ..optim.rules import Optimizer
from ..training.history import History
from ..training.loop import tell
from ..training.supply import Transform
from .cross_validated import StoppingReport, fit_cross_validated_stopping
from .preparing import Asked, Metrics, prepare
from .trying import TryingNetwork

if TYPE_CHECKING:
    from ..explain.ledger.ledger import Ledger


class Network(TryingNetwork):
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

    # training ---------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        optimizer: Optimizer | str | None = None,
        batch_size: int | None = None,
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
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train on rows of X and their targets, from the weights that are there or from drawn ones.

        Ctrl-C ends the training after the step at hand; the weights trained so far are kept, and the history
        says that it was interrupted.

        Parameters
        ----------
        X : array-like or sparse matrix of numbers, shape (rows, inputs)
            For several inputs a list of such, or a dict by their names. Of sparse ones, only the rows at hand
            are made dense. Instead of X and y, a stream that gives both, part after part: an iterator or
            iterable of (X, y) or (X, y, weights), a function that makes one for each epoch, or a `Stream`,
            such as `FileStream`.
        y : array-like
            For cross_entropy labels of any kind, shape (rows,), or one-hot rows; for binary_cross_entropy two
            labels, or columns of numbers from 0 to 1; else values, shape (rows,) or (rows, outputs). For
            several outputs a list of such.
        optimizer : Optimizer or str, optional
            Adam(0.001) where none is given. Its state starts anew with each fit that does not go on.
        batch_size : int, optional
            Rows a step, 32 where none is given: 1 is stochastic gradient descent, len(X) (or more) takes all
            of them at once. The parts of a stream without a window are the batches themselves.
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
        steps_per_epoch : int, optional
            Of a stream that has no end, or more rows than an epoch is to have.

        Returns
        -------
        History

        Raises
        ------
        ShapeError, DTypeError, DataError
            If X or y cannot be learned from; nothing is changed then.
        StreamError
            If a stream ends early, changes, or raises an error, which is its cause; the weights trained so
            far are kept, and `StreamError.history` is the history.
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
        asked = Asked(
            optimizer=optimizer,
            batch_size=batch_size,
            epochs=epochs,
            validation_data=validation_data,
            metrics=metrics,
            sample_weight=sample_weight,
            class_weight=class_weight,
            shuffle=shuffle,
            seed=seed,
            engine=engine,
            callbacks=callbacks,
            go_on=go_on,
            resume=resume,
            record=record,
            accumulate=accumulate,
            transform=transform,
            sampling=sampling,
            steps_per_epoch=steps_per_epoch,
        )
        job = prepare(self, X, y, asked)
        self._codings, self.optimizer = job.rows.codings, job.rule
        history = job.run(verbose)
        if job.fault is not None:
            warnings.warn(job.fault, RuntimeWarning, stacklevel=2)
        if history.interrupted:
            done = f"{history.epochs:,} of {counted(job.plan.epochs, 'epoch')}"
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
