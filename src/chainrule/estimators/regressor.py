"""A regressor with scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from .bridge import with_callbacks
from .intervals import IntervalPerceptron
from .targets import Values

Array = np.ndarray[Any, Any]


class MLPRegressor(RegressorMixin, IntervalPerceptron):  # type: ignore[misc]
    """A network for values, with scikit-learn's parameters and more.

    Parameters
    ----------
    loss : {"squared_error", "poisson"}, str, Loss or callable
        Half the squared error; half the Poisson deviance, with outputs that are logarithms of rates; or any
        loss of this package for values.
    hidden_layer_sizes : int or sequence of int
        The units of each hidden layer.
    activation : str, callable, or list of such
        Of the hidden layers, one for all or one each: identity, logistic, tanh, relu, or any that `Dense`
        knows.
    solver : {"adam", "sgd", "lbfgs", "cg", "levenberg_marquardt"}, str or Optimizer
        How weights are found: also any other update rule of this package, by name or as an object with
        settings (whose learning rate then counts). lbfgs, cg (conjugate gradients) and levenberg_marquardt
        (for squared errors and few weights) work on all rows at once.
    alpha : float or list of float
        The strength of the L2 penalty, alpha / 2 * sum(W**2) / n for a batch of n rows (or of weight n); one
        for all layers or one each, the output layer included.
    batch_size : int or "auto"
        Rows a step; min(200, rows).
    learning_rate : {"constant", "invscaling", "adaptive"}, Schedule or callable
        How the learning rate changes: invscaling, learning_rate_init / (rows seen + 1)**power_t, once an
        epoch; adaptive, divided by 5 whenever training gets no better; a schedule, or a function of the
        epoch. Adam takes the last two kinds alone.
    learning_rate_init : float
    power_t : float
    max_iter : int
        The most epochs; of lbfgs and its kind, iterations.
    shuffle : bool
        Take the rows in another order in each epoch.
    random_state : int, RandomState or None
        Of weights, orders, held-back rows, and what layers draw.
    tol : float
        The least gain that counts; of lbfgs and its kind, where the gradient is taken to vanish.
    verbose : bool
        Print the loss of each epoch.
    warm_start : bool
        Begin `fit` with the weights that are there.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping : bool
        Hold rows back and end the fit when their score gets no better; the best weights stay.
    validation_fraction : float
        The share of rows held back.
    beta_1, beta_2, epsilon : float
        Of adam.
    n_iter_no_change : int or infinity
        How many epochs without gain are let pass.
    max_fun : int
        Of lbfgs and its kind, the most evaluations of the loss.
    layers : list of Layer, Node or callable, optional
        What stands before the output layer, in place of `hidden_layer_sizes` and `activation`: layers, one
        after another, or a node drawn from `Input`. A function of the numbers of inputs and outputs gives the
        whole network instead. alpha and l1 are for those that have no l1 and l2 of their own; all penalties
        are divided by the batch's rows.
    dropout : float or list of float
        The share of each hidden layer's results that a training step leaves out.
    norm : {"batch", "layer"}, optional
        Normalise each hidden layer's results.
    l1 : float or list of float
        The strength of the L1 penalty, l1 * sum(abs(W)) / n, as alpha.
    init : str, Init, dict or pair of lists, optional
        The law of first weights, by name or object, or "lsuv", which scales them by the rows; or the weights,
        as a dict by name or as a pair (coefs, intercepts). scikit-learn's own draws where nothing is given.
    frozen : str or sequence of str
        Layers, or single parameters, that training leaves as they are: "hidden1", "hidden2.W", "output", ...
    clip_value, clip_norm : float, optional
        The largest element, or the largest norm, of the gradients.
    engine : {"auto", "numpy", "numba"}
        Printed NumPy, compiled loops, or whichever the work is worth.
    callbacks : sequence
        This package's; `set_callbacks` takes scikit-learn's.
    augment : Augment or callable, optional
        Changes the rows to train on anew in each epoch, ``augment(x, numbers, epoch, seed)``, as the
        `transform` of `Network.fit` does; rows held back and rows to predict stay as they are.
    quantiles : sequence of float, optional
        What is learned in place of the mean: rising numbers between 0 and 1, e.g. [0.05, 0.5, 0.95], each an
        output of the network, by the pinball loss in place of `loss`. See `predict_quantiles`.
    calibration_fraction : float, optional
        The share of rows that `fit` holds back from training for `predict_interval`; drawn by `random_state`.
    resume : bool
        Go on from the last checkpoint of the `Checkpoint` among the callbacks, if there is one; start anew
        where there is none. All else must be as it was, `max_iter` apart.
    scoring : str or callable, optional
        What early stopping goes by: R2 where nothing is given, the name of any of scikit-learn's scorers
        ("neg_mean_absolute_error", ...), what `make_scorer` gives, or "loss".
    max_norm : float, optional
        The largest norm of each hidden unit's incoming weights; see `Dense`.
    input_noise : float
        The standard deviation of normal noise that training adds to X, in X's unit: of use where columns are
        scaled alike.
    mixup : float
        The alpha of mixup, rows and targets mixed with others of their batch; see `Network`.
    averaging : {"ema", "swa"} or Averaging, optional
        Keep an average of the weights along the training in place of the last ones: a name, or an object such
        as EMA(0.99) or SWA(0.75). Scores of early stopping are the average's.
    accumulate : int
        Change the weights after so many batches, as for one batch of all their rows, in the memory of one.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights, shape (inputs, units), and biases, shape (units,), of each layer. Values set by hand count,
        in predictions too.
    loss_, best_loss_ : float
        The last epoch's loss and the smallest; None with early stopping.
    loss_curve_ : list of float
        Of each epoch, the mean over its rows, with penalties.
    validation_scores_, best_validation_score_ : list of float, float
        Of the rows held back, after each epoch: R2, or of quantiles the mean of their D2, the share of the
        pinball loss that the network saves over constants; or what `scoring` says. None without early
        stopping.
    validation_loss_curve_ : list of float
        The loss of the rows held back, without penalties.
    n_iter_, t_ : int
        Epochs of the last fit; rows seen in all.
    n_layers_, n_outputs_ : int
        Layers with the input; outputs of the network, for each column of y as many as there are quantiles.
    out_activation_ : str
    n_features_in_, feature_names_in_ : int, ndarray
        Columns of X, and their names where it has such.
    network_ : Network
        To be printed, explained, checked, saved.
    history_ : History
        Of the last fit.
    quantiles_ : tuple of float
        Those learned; empty where it is the mean.
    calibration_residuals_ : ndarray, shape (rows, outputs, quantiles or 1)
        Values minus predictions of the rows held back, or given to `calibrate`; there only after that.

    Examples
    --------
    >>> from chainrule import MLPRegressor
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 7.0]
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", alpha=0, random_state=0).fit(X, y)
    >>> model.predict([[4.0]]).round(3).tolist()
    [9.0]
    """

    _values = True

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: Any = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        layers: Any = None,
        dropout: Any = 0.0,
        norm: str | None = None,
        l1: Any = 0.0,
        init: Any = None,
        frozen: Any = (),
        clip_value: float | None = None,
        clip_norm: float | None = None,
        engine: str = "auto",
        callbacks: Any = (),
        quantiles: Any = None,
        calibration_fraction: float | None = None,
        resume: bool = False,
        augment: Any = None,
        scoring: Any = None,
        max_norm: float | None = None,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        averaging: Any = None,
        accumulate: int = 1,
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.layers = layers
        self.dropout = dropout
        self.norm = norm
        self.l1 = l1
        self.init = init
        self.frozen = frozen
        self.clip_value = clip_value
        self.clip_norm = clip_norm
        self.engine = engine
        self.callbacks = callbacks
        self.resume = resume
        self.augment = augment
        self.max_norm = max_norm
        self.input_noise = input_noise
        self.mixup = mixup
        self.averaging = averaging
        self.quantiles = quantiles
        self.calibration_fraction = calibration_fraction
        self.scoring = scoring
        self.accumulate = accumulate

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train on rows and their values.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)
        y : array-like, shape (rows,) or (rows, outputs)
        sample_weight : array-like, shape (rows,), optional
            How much each row counts; not negative.
        X_val, y_val, sample_weight_val : array-like, optional
            Rows that are measured after each epoch, and by which early stopping goes, in place of rows held
            back.

        Raises
        ------
        ValueError
            If a parameter is not what it can be, X or y cannot be learned from, or a weight became infinite.

        Warns
        -----
        ConvergenceWarning
            If the most iterations were not enough.
        """
        rows, held = self._hold_back(X, y, sample_weight)
        self._fit(*rows, (X_val, y_val, sample_weight_val))
        return self if held is None else self.calibrate(*held)

    @available_if(lambda self: self._in_steps())
    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows and their values for one more epoch; arguments as for `fit`.

        No rows are held back: before `predict_interval`, call `calibrate`.
        """
        self._forget_calibration()
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)

    def _targets_of(self, y: Array, incremental: bool, first: bool) -> Values:
        return self._values_of(1 if y.ndim == 1 else y.shape[1], first)

    def _as_given(self, numbers: Array) -> Array:
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers

    def _score_outputs(self, z: Array, numbers: Array, weights: Array | None) -> float:
        from sklearn.metrics import r2_score

        if self.quantiles_:
            return self._score_quantiles(z, numbers, weights)
        return float(r2_score(numbers, z, sample_weight=weights)) if np.isfinite(z).all() else float("nan")

    def predict(self, X: Any) -> Array:
        """The value of each row.

        Where quantiles are learned, the median; if 0.5 is not among them, what lies linearly between its
        neighbours, and of a single quantile this one.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)

        Returns
        -------
        ndarray, shape (rows,), or (rows, outputs) for several
        """
        p = self._at(self._centres(X), 0.5) if self.quantiles_ else self._outputs(X, "p")
        return p[:, 0] if p.shape[1] == 1 else p
