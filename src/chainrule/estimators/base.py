"""What MLPClassifier and MLPRegressor share: fitting, the network within, and what comes out of it."""

from __future__ import annotations

import os
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import DataError, ParameterError, ShapeError
from ..model.network import Network
from ..nn.loss_base import Loss
from ..nn.losses import Poisson, find_loss
from ..optim.rules import Optimizer
from ..training.callbacks import checked_callbacks
from ..training.data import check_inputs, refuse_masked, row_weights
from ..training.describe import Functions
from ..training.fitting import Rows
from ..training.sampling import Sampler
from ..training.sparse import dense, is_sparse
from . import building, solving
from .bridge import CallbackSupportMixin, bridge
from .files import load_estimator, save_estimator
from .parameters import check_average, check_parameters
from .predicting import outputs_if_finite, plainly_right
from .resuming import check_resume
from .watching import Held, Progress, Watch, begin_counts, first_counts

Array = np.ndarray[Any, Any]


class BasePerceptron(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Fitting and predicting; classes of it say what targets are."""

    n_outputs_: int
    _best_parameters: dict[str, Array]
    _network: Network
    _seed: int | None
    _structure: tuple[Any, ...]
    quantiles: Any = None

    # fitting ----------------------------------------------------------------------------------

    def _targets_of(self, y: Any, incremental: bool, first: bool) -> Any:
        """What is known of the targets: `Labels` or `Values`, found in y or checked against it."""
        raise NotImplementedError

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: tuple[Any, Any, Any],
        incremental: bool = False,
    ) -> Self:
        check_parameters(self)
        own_callbacks = checked_callbacks(self.callbacks)
        data = X, y, sample_weight
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        stochastic = not self._whole_batch
        if self.early_stopping and incremental:
            raise ParameterError("partial_fit does not support early_stopping=True: a call is one epoch.")
        if incremental:
            check_average(self)
        check_resume(self, incremental)
        X, y = self._validated(X, y, reset=first)
        targets = self._targets_of(y, incremental, first)
        self._loss = loss = targets.loss(self._stated_loss)
        outputs = targets.outputs(loss)
        self._random_state = check_random_state(self.random_state)
        dtype = self._network.dtype if not first and hasattr(self, "_network") else X.dtype
        if first or not hasattr(self, "_network"):
            self._begin(X, outputs, loss, dtype, first)
        elif X.shape[1] != self.n_features_in_ or outputs != self.n_outputs_:
            raise ShapeError(
                f"the network has {self.n_features_in_} inputs and {self.n_outputs_} outputs, got data for "
                f"{X.shape[1]} and {outputs}. Fit anew with warm_start=False."
            )
        else:
            if building.structure(self) != self._structure:
                self._network = building.rebuilt(self, self._network, self._weights())
                self._structure = building.structure(self)
            if loss != self._network._losses[0]:
                self._network._losses = [loss]
                self._network._forget_graph()
                self.out_activation_ = out_activation(loss)
            building.adjust(self, self._network)
            self._network.set_parameters(self._weights())
        if not incremental or not hasattr(self, "_optimizer"):
            self._optimizer = Progress(float(self.learning_rate_init))
        begin_counts(self, stochastic)
        early = bool(self.early_stopping) and stochastic
        held = self._given_validation(validation, targets, loss)
        if X.dtype != self._network.dtype or is_sparse(X):  # else scikit-learn's check was enough
            X = check_inputs(X, None, self._network.dtype)
        rows, split = self._rows(X, y, sample_weight, targets, loss, early and held is None, incremental)
        held = held or split
        if self._seed is None:  # after all that scikit-learn draws before its first epoch
            self._seed = building.new_seed(self._random_state)
        watch = Watch(self, self._optimizer, rows.tables[0].shape[0], held, early, stochastic)
        epochs = 1 if incremental else int(self.max_iter)
        told = bridge(self, epochs, *data)
        callbacks = [watch, *own_callbacks, *([] if told is None else [told])]
        rule = solving.make_rule(self, self._optimizer)
        sampler = self._sampler(rows, rule, incremental)
        job = solving.run(self, self._network, rule, rows, held, watch.progress, callbacks, epochs, sampler)
        if early:
            self._network.set_parameters(self._best_parameters)
        self._take_weights()
        self.history_ = job.history
        if told is not None:
            told.end()
        solving.tell_end(self, job, incremental)
        return self

    def _in_steps(self) -> bool:
        """Whether there is a `partial_fit`; raises AttributeError where there is none."""
        if self._whole_batch:
            raise AttributeError(f"partial_fit: solver {self.solver!r} works on all rows at once.")
        return True

    def _has_probabilities(self) -> bool:
        """Whether there are probabilities; raises AttributeError where there are none."""
        if self.loss != "log_loss" and not find_loss(self.loss).probabilities:
            raise AttributeError(f"predict_proba: loss {self.loss!r} gives no probabilities.")
        return True

    @property
    def _whole_batch(self) -> bool:
        """Whether the solver works on all rows at once."""
        return solving.is_whole_batch(self.solver)

    @property
    def _stated_loss(self) -> Any:
        """The loss as stated; where that of scikit-learn tells a mean but has a sum's slope, the sum."""
        squares = isinstance(self.loss, str) and self.loss == "squared_error" and self.quantiles is None
        return "half_sum" if squares and solving.needs_true_slopes(self.solver) else self.loss

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        from sklearn.utils.validation import column_or_1d

        refuse_masked(X, "X")
        refuse_masked(y, "y")
        with config_context(array_api_dispatch=False):  # arrays of other libraries become NumPy's
            X, y = validate_data(
                self,
                X,
                y,
                accept_sparse="csr",
                multi_output=True,
                y_numeric=self._values,
                dtype=(np.float64, np.float32),
                reset=reset,
            )
        y = dense(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X if is_sparse(X) else np.ascontiguousarray(X), y

    def _begin(self, X: Any, outputs: int, loss: Loss, dtype: np.dtype[Any], first: bool) -> None:
        """A network with its first weights, and curves without entries."""
        self._network = building.make_network(self, X.shape[1], outputs, loss, dtype)
        self._structure = building.structure(self)
        building.draw(self, self._network, X, self._random_state)
        self._seed = None
        if not first:  # weights were set by hand before the first fit
            self._network.set_parameters(self._weights())
        self._describe(outputs, loss)
        self._best_parameters = self._network.parameters
        first_counts(self)
        self.__dict__.pop("_optimizer", None)

    def _rows(
        self,
        X: Any,
        y: Array,
        sample_weight: Any,
        targets: Any,
        loss: Loss,
        hold_back: bool,
        incremental: bool,
    ) -> tuple[Rows, Held | None]:
        """The rows to train on, and those held back for early stopping."""
        numbers = targets.numbers(y)
        t = targets.targets(numbers, loss, self._network.dtype)
        loss.check(t, "y")
        coding = targets.coding(loss)
        if isinstance(sample_weight, Real):
            sample_weight = np.full(len(t), sample_weight)
        weights = self._row_weights(sample_weight, numbers, incremental)
        self._network._codings = [coding]
        if not hold_back:
            return Rows([X], [t], weights, [coding]), None
        from sklearn.model_selection import train_test_split

        stratify = None if self._values or self.n_outputs_ > 1 else t.astype(bool)
        train, test = train_test_split(
            np.arange(X.shape[0]),
            random_state=self._random_state,
            test_size=self.validation_fraction,
            stratify=stratify,
        )
        if len(test) < 2:
            raise DataError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        own, others = (None, None) if weights is None else (weights[train], weights[test])
        plain = None if sample_weight is None else np.asarray(sample_weight)[test]
        if own is not None and others is not None and not (own.any() and others.any()):
            which = "held back" if own.any() else "to train on"
            raise DataError(
                f"sample_weight: all rows {which} have the weight 0. Leave rows of weight 0 out, or pass "
                "X_val and y_val."
            )
        held = Held(X[test], t[test], others, numbers[test], plain)
        return Rows([X[train]], [t[train]], own, [coding]), held

    def _row_weights(self, sample_weight: Any, numbers: Array, incremental: bool) -> Array | None:
        """How much each row counts; None where all count the same."""
        return row_weights(sample_weight, None, [numbers], [], self._network.dtype)

    def _sampler(self, rows: Rows, rule: Optimizer, incremental: bool) -> Sampler | None:
        """What draws rows by their classes; None where every row comes once in an epoch."""
        return None

    def _as_given(self, numbers: Array) -> Array:
        """Targets as a user has them."""
        raise NotImplementedError

    def _given_validation(self, given: tuple[Any, Any, Any], targets: Any, loss: Loss) -> Held | None:
        """The rows that the user gave to be measured."""
        X, y, weight = given
        if X is None and y is None:
            if weight is not None:
                raise ParameterError("fit: sample_weight_val needs X_val and y_val.")
            return None
        if X is None or y is None:
            raise ParameterError("fit: X_val and y_val belong together: pass both.")
        X, y = self._validated(X, y, reset=False)
        if self._values and self.early_stopping and len(y) < 2:
            raise DataError("X_val: early stopping goes by R2, which one row has not got. Pass more rows.")
        numbers, dtype = targets.numbers(y), self._network.dtype
        t = targets.targets(numbers, loss, dtype)
        loss.check(t, "y_val")
        if isinstance(weight, Real):
            weight = np.full(len(t), weight)
        weights = row_weights(weight, None, [numbers], [], dtype)
        return Held(check_inputs(X, None, dtype, "X_val"), t, weights, numbers, weights)

    def _take_weights(self) -> None:
        """The network's weights as arrays of one's own."""
        values = self._network.parameters
        coefs, intercepts = building.weight_names(self._network)
        self.coefs_ = [np.array(values[name]) for name in coefs]
        self.intercepts_ = [np.array(values[name]) for name in intercepts]

    def _weights(self) -> dict[str, Array]:
        """All parameters by name: those of `coefs_` and `intercepts_`, which may have been set by hand."""
        coefs, intercepts = building.weight_names(self._network)
        if len(coefs) != len(self.coefs_) or len(intercepts) != len(self.intercepts_):
            raise ShapeError(
                f"coefs_ and intercepts_ must have {len(coefs)} and {len(intercepts)} arrays, got "
                f"{len(self.coefs_)} and {len(self.intercepts_)}."
            )
        own = dict(zip([*coefs, *intercepts], [*self.coefs_, *self.intercepts_], strict=True))
        if len(own) == len(self._network.parameters):
            return own
        return {**self._network.parameters, **own}

    @property
    def network_(self) -> Network:
        """The network, with the weights of `coefs_` and `intercepts_`: to print, explain, check or save."""
        check_is_fitted(self)
        self._network.set_parameters(self._weights())
        return self._network

    def _describe(self, outputs: int, loss: Loss) -> None:
        self.n_outputs_ = outputs
        self.n_layers_ = len(building.weighted_layers(self._network)) + 1
        self.out_activation_ = out_activation(loss)

    # files ------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, whole or not at all; `chainrule.load` gives its network.

        The file holds no code. What the optimizer remembers is not kept either: a `partial_fit` after
        loading starts it anew.

        Parameters
        ----------
        path : path-like
            By habit something.chainrule.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ModelFileError
            If the file cannot be written.
        """
        save_estimator(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], functions: Functions | None = None) -> Self:
        """An estimator from the file that `save` wrote; nothing in the file is run.

        Parameters
        ----------
        path : path-like
        functions : mapping of str to callable, optional
            Activations and losses of your own, by their names.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged, or not one of such an estimator.

        Warns
        -----
        UserWarning
            If parameters were left out of the file: functions, layers, callbacks, random states.
        """
        loaded: Self = load_estimator(cls, path, functions)
        return loaded

    def _adopt(self, network: Network) -> None:
        """Take a network from a file."""
        check_parameters(self)
        targets = self._known_targets(network)
        self._loss = targets.loss(self._stated_loss)
        if targets.outputs(self._loss) != network.outputs:
            raise ParameterError(f"the network has {network.outputs} outputs, its targets need others.")
        self._network, self._random_state = network, check_random_state(self.random_state)
        self._structure = building.structure(self)
        network._losses = [self._loss]  # scikit-learn's, where the file names its kin
        network._forget_graph()
        self.n_features_in_ = int(network.inputs or 0)
        self._describe(int(network.outputs or 0), self._loss)
        building.adjust(self, network)
        self._best_parameters = network.parameters
        self._take_weights()

    def _known_targets(self, network: Network) -> Any:
        """`Labels` or `Values` of a network from a file."""
        raise NotImplementedError

    # what comes out ---------------------------------------------------------------------------

    def _outputs(self, X: Any, kind: str) -> Array:
        """The network's outputs ("z") or what they predict ("p") for rows."""
        check_is_fitted(self)
        network, weights = self._network, self._weights()
        if plainly_right(X, self.n_features_in_) and not hasattr(self, "feature_names_in_"):
            found = outputs_if_finite(network, X, kind, weights)
            if found is not None:
                return found
        refuse_masked(X, "X")
        with config_context(array_api_dispatch=False):
            X = validate_data(self, X, accept_sparse="csr", reset=False)
        X = check_inputs(X, None, network.dtype)
        return network._outputs_of_rows([X], kind, weights)[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def out_activation(loss: Loss) -> str:
    """scikit-learn's name for what makes predictions of the last layer's outputs."""
    if loss.probabilities:
        return "logistic" if loss.target == "binary" else "softmax"
    return "exp" if isinstance(loss, Poisson) else "identity"
