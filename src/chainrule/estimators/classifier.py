"""A classifier with scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from ..errors import DataError, ParameterError
from ..model.network import Network
from ..optim.rules import Optimizer
from ..training.data import Coding, row_weights
from ..training.fitting import Rows
from ..training.sampling import Sampler, make_sampler
from .base import BasePerceptron
from .bridge import with_callbacks
from .targets import Labels, found_labels

Array = np.ndarray[Any, Any]


class MLPClassifier(ClassifierMixin, BasePerceptron):  # type: ignore[misc]
    """A network for classes, with scikit-learn's parameters and more.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        The units of each hidden layer.
    activation : str, callable, or list of such
        Of the hidden layers, one for all or one each: identity, logistic, tanh, relu, or any that `Dense`
        knows.
    solver : {"adam", "sgd", "lbfgs", "cg"}, str or Optimizer
        How weights are found: also any other update rule of this package, by name or as an object with
        settings (whose learning rate then counts). lbfgs and cg (conjugate gradients) work on all rows at
        once.
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
    loss : str, Loss or callable
        log_loss, or any loss of this package.
    class_weight : dict or "balanced", optional
        How much each class counts, by label, 1 for those left out.
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
    resume : bool
        Go on from the last checkpoint of the `Checkpoint` among the callbacks, if there is one; start anew
        where there is none. All else must be as it was, `max_iter` apart.
    augment : Augment or callable, optional
        Changes the rows to train on anew in each epoch, ``augment(x, numbers, epoch, seed)``, as the
        `transform` of `Network.fit` does; rows held back and rows to predict stay as they are.
    scoring : str or callable, optional
        What early stopping goes by: accuracy where nothing is given, the name of any of scikit-learn's
        scorers ("f1_macro", "neg_log_loss", ...), what `make_scorer` gives, or "loss".
    sampling : "balanced" or dict, optional
        Draw the rows of an epoch so that all classes come equally often, or each with the share that the dict
        has by its label; of the rows trained on, never of those held back. Not with class_weight="balanced".
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
    classes_ : ndarray
        The labels, in the order of the outputs.
    coefs_, intercepts_ : list of ndarray
        Weights, shape (inputs, units), and biases, shape (units,), of each layer. Values set by hand count,
        in predictions too.
    loss_, best_loss_ : float
        The last epoch's loss and the smallest; None with early stopping.
    loss_curve_ : list of float
        Of each epoch, the mean over its rows, with penalties.
    validation_scores_, best_validation_score_ : list of float, float
        Of the rows held back, after each epoch: accuracy, or what `scoring` says; None without early
        stopping.
    validation_loss_curve_ : list of float
        The loss of the rows held back, without penalties.
    n_iter_, t_ : int
        Epochs of the last fit; rows seen in all.
    n_layers_, n_outputs_ : int
    out_activation_ : str
    n_features_in_, feature_names_in_ : int, ndarray
        Columns of X, and their names where it has such.
    network_ : Network
        To be printed, explained, checked, saved.
    history_ : History
        Of the last fit.

    Examples
    --------
    >>> from chainrule import MLPClassifier
    >>> X, y = [[0.0], [0.2], [0.8], [1.0]], ["low", "low", "high", "high"]
    >>> model = MLPClassifier(hidden_layer_sizes=(8,), solver="lbfgs", random_state=0).fit(X, y)
    >>> model.predict([[0.1], [0.9]]).tolist()
    ['low', 'high']
    """

    _values = False

    def __init__(
        self,
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
        loss: Any = "log_loss",
        class_weight: Any = None,
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
        resume: bool = False,
        augment: Any = None,
        scoring: Any = None,
        sampling: Any = None,
        max_norm: float | None = None,
        input_noise: float = 0.0,
        mixup: float = 0.0,
        averaging: Any = None,
        accumulate: int = 1,
    ) -> None:
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
        self.accumulate = accumulate
        self.loss = loss
        self.class_weight = class_weight
        self.scoring = scoring
        self.sampling = sampling

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
        """Train on rows and their labels.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)
        y : array-like, shape (rows,), or of several labels a row (rows, labels) of 0 and 1
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
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(lambda self: self._in_steps())
    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train on rows and their labels for one more epoch.

        Parameters
        ----------
        X, y, sample_weight : array-like
            As for `fit`.
        classes : array-like, shape (classes,), optional
            All labels that there will be; needed in the first call.
        """
        self._take_classes(y, classes)
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)

    def _take_classes(self, y: Any, classes: Any) -> None:
        """The labels named in the first call; the same, where they are named again."""
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ParameterError("classes must be passed on the first call to partial_fit: all labels.")
            from sklearn.utils.multiclass import unique_labels

            columns = np.asarray(y)
            several = columns.ndim == 2 and columns.shape[1] > 1
            labels = found_labels(columns) if several else Labels(np.asarray(unique_labels(classes)), False)
            self._labels, self.classes_ = labels, labels.classes
        elif classes is not None and not np.array_equal(self.classes_, np.unique(classes)):
            raise ParameterError(
                f"classes must be those of the first partial_fit, {self.classes_}, got {classes!r:.60}."
            )

    def _targets_of(self, y: Array, incremental: bool, first: bool) -> Labels:
        if incremental:
            labels: Labels = self._labels
            return labels
        found = found_labels(y)
        if not first and hasattr(self, "_labels") and not found.same_as(self._labels):
            raise DataError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {found.classes}"
            )
        self._labels, self.classes_ = found, found.classes
        return found

    def _row_weights(self, sample_weight: Any, numbers: Array, incremental: bool) -> Array | None:
        if self.class_weight is not None and self._labels.multilabel:
            raise ParameterError("class_weight: is for one label a row. Use sample_weight.")
        if incremental and self.class_weight == "balanced":
            raise ParameterError(
                "partial_fit: class_weight='balanced' needs all rows at once. Pass a dict, or sample_weight."
            )
        coding = Coding(self.classes_)
        return row_weights(sample_weight, self.class_weight, [numbers], [coding], self._network.dtype)

    def _sampler(self, rows: Rows, rule: Optimizer, incremental: bool) -> Sampler | None:
        if self.sampling is None:
            return None
        if incremental:
            raise ParameterError("partial_fit: sampling needs all rows at once. Pass sample_weight instead.")
        if self._labels.multilabel:
            raise ParameterError("sampling: is for one label a row. Use sample_weight.")
        t = rows.ts[0]
        columns = t.ndim == 2 and t.shape[1] > 1
        return make_sampler(
            self.sampling,
            int(self._seed or 0),
            t.argmax(axis=1) if columns else t,
            Coding(self.classes_),
            shuffle=bool(self.shuffle),
            class_weight=self.class_weight,
            whole_batch=f"solver={self.solver!r:.40}" if rule.whole_batch else None,
        )

    def _as_given(self, numbers: Array) -> Array:
        labels: Array = numbers if self._labels.multilabel else self.classes_[numbers]
        return labels

    def _targets_to_json(self) -> dict[str, Any]:
        kind = self.classes_.dtype
        return {
            "classes": self.classes_.tolist(),
            "dtype": "str" if kind.kind == "U" else kind.name,
            "multilabel": self._labels.multilabel,
        }

    def _restore_targets(self, stored: dict[str, Any]) -> None:
        kind = stored["dtype"]
        if kind not in ("str", "object") and np.dtype(kind).kind not in "biuf":
            raise ParameterError(f"class labels of type {kind!r:.40} are not known.")
        if not all(isinstance(label, str | bool | int | float) for label in stored["classes"]):
            raise ParameterError("its class labels are broken.")
        self.classes_ = np.array(stored["classes"], dtype=kind)
        self._labels = Labels(self.classes_, bool(stored["multilabel"]))

    def _known_targets(self, network: Network) -> Labels:
        return self._labels

    def _score_outputs(self, z: Array, numbers: Array, weights: Array | None) -> float:
        right = self._labels.read(z, self._loss) == numbers
        return float(np.average(right.all(axis=1) if right.ndim == 2 else right, weights=weights))

    def predict(self, X: Any) -> Array:
        """The label of each row.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)

        Returns
        -------
        ndarray, shape (rows,), or of several labels a row (rows, labels) of 0 and 1
        """
        z = self._outputs(X, "z")
        places = self._labels.read(z, self._loss)
        found: Array = places if self._labels.multilabel else self.classes_[places]
        return found

    @available_if(lambda self: self._has_probabilities())
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (rows, columns)

        Returns
        -------
        ndarray, shape (rows, classes)
            In the order of `classes_`; rows sum to 1, but where a row may have several labels.
        """
        p = self._outputs(X, "p")
        if self._labels.multilabel:
            return p
        if self._labels.count == 1:
            return np.ones((len(p), 1), p.dtype)
        if p.shape[1] == 1:
            return np.concatenate([1 - p, p], axis=1)
        return p / p.sum(axis=1, keepdims=True) if self._loss.target == "binary" else p

    @available_if(lambda self: self._has_probabilities())
    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of each class's probability; X and shape as for `predict_proba`."""
        logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
