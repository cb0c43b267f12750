"""What is looked at after each epoch: loss, scores, whether to stop, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..optim.rates import Array, Course, Schedule
from ..training.callbacks import WEIGHTS, Callback
from ..training.history import Past
from .scoring import LOSS, held_score

if TYPE_CHECKING:
    from ..training.history import History
    from ..training.metrics import MeasuredNetwork

LEAST_RATE = 1e-6
COUNTS = ("n_iter_", "t_", "loss_", "_no_improvement_count", "best_loss_", "best_validation_score_")
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")


@dataclass
class Progress:
    """How far an estimator's training is; it goes on from there in the next partial_fit.

    Attributes
    ----------
    learning_rate : float
        The present one.
    past : Past
        Epochs and steps made, and what the update rule remembers.
    """

    learning_rate: float
    past: Past = field(default_factory=Past)


@dataclass(frozen=True, eq=False)
class Followed(Schedule):
    """The learning rate that a `Progress` has at that moment."""

    progress: Progress = field(kw_only=True)

    def rates(self, steps: Array, course: Course) -> Array:
        return np.full(steps.shape, self.progress.learning_rate)


@dataclass(frozen=True)
class Held:
    """Rows held back to be measured: as the user has them, and as the network takes them.

    Attributes
    ----------
    X, t : ndarray
    weights : ndarray or None
        Those of the loss: with class weights.
    numbers : ndarray
        Places of classes, or values in columns.
    sample_weight : ndarray or None
        As the user gave it.
    """

    X: Any
    t: Array
    weights: Array | None
    numbers: Array
    sample_weight: Array | None = None


class Watch(Callback):
    """Keeps an estimator's curves and counts, and ends the fit by scikit-learn's rule.

    An epoch gains if its loss is below the best so far by at least tol, or with early stopping its score
    above it. After more than n_iter_no_change epochs in a row without gain the fit ends; with an adaptive
    learning rate that is divided by 5 instead, and the fit ends once it is at most 1e-6.

    Parameters
    ----------
    estimator : BasePerceptron
    progress : Progress
    rows : int
        Of the training data.
    held : Held or None
    early_stopping : bool
    stops : bool
        Whether rows are counted and the rule is looked at; not so for L-BFGS, which ends by itself.
    """

    def __init__(
        self,
        estimator: Any,
        progress: Progress,
        rows: int,
        held: Held | None,
        early_stopping: bool,
        stops: bool,
    ) -> None:
        self.estimator, self.progress, self.rows, self.held = estimator, progress, rows, held
        self.early_stopping, self.stops = early_stopping, stops
        self.rule = rate_rule(estimator)
        self.needs_weights = held is not None

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        e = self.estimator
        e.n_iter_ += 1
        e.loss_ = history.loss[-1]
        e.t_ += self.rows if self.stops else 0
        e.loss_curve_.append(e.loss_)
        if e.verbose:
            print(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        if self.held is not None:
            self._measure(network, self.held)
        if not self.stops:
            return
        self._count()
        if self.rule == "invscaling":
            self.progress.learning_rate = e.learning_rate_init / (e.t_ + 1) ** e.power_t
        if e._no_improvement_count > e.n_iter_no_change:
            self._act(history)

    def state(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it: the estimator's curves, counts and bests."""
        e = self.estimator
        found = {name: getattr(e, name, None) for name in (*COUNTS, *CURVES)}
        known = {name: value for name, value in found.items() if value is not None}
        best = e._best_parameters if self.early_stopping else {}
        weights = {f"{WEIGHTS}{name}": value for name, value in best.items()}
        return {**known, "learning_rate": self.progress.learning_rate, **weights}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        e = self.estimator
        for name in COUNTS:
            if name in state:
                setattr(e, name, state[name].item())
        for name in CURVES:
            if name in state:
                setattr(e, name, state[name].tolist())
        self.progress.learning_rate = float(state["learning_rate"])
        best = {name for name in state if name.startswith(WEIGHTS)}
        if best:
            e._best_parameters = {name.removeprefix(WEIGHTS): state[name] for name in best}

    def _measure(self, network: MeasuredNetwork, held: Held) -> None:
        e = self.estimator
        loss, (z,) = network._losses_and_outputs([held.X], [held.t], held.weights)
        e.validation_loss_curve_.append(loss)
        if self.early_stopping:
            score = self._score(z, loss, held)
            e.validation_scores_.append(score)
            if e.verbose:
                print(f"Validation score: {score:f}")

    def _score(self, z: Array, loss: float, held: Held) -> float:
        """What early stopping goes by: larger is better."""
        e = self.estimator
        if e.scoring is None:
            return float(e._score_outputs(z, held.numbers, held.weights))
        if e.scoring == LOSS:
            return -loss
        return held_score(e, held) if np.isfinite(z).all() else math.nan

    def _count(self) -> None:
        """Count the epochs without gain, and remember the best."""
        e = self.estimator
        if self.early_stopping:
            score, best = e.validation_scores_[-1], e.best_validation_score_
            gains = not score < best + e.tol
            if score > best:
                e.best_validation_score_ = score
                e._best_parameters = e._network.parameters
        else:
            loss = e.loss_curve_[-1]
            gains = not loss > e.best_loss_ - e.tol
            e.best_loss_ = min(e.best_loss_, loss)
        e._no_improvement_count = 0 if gains else e._no_improvement_count + 1

    def _act(self, history: History) -> None:
        """End the fit, or make the learning rate smaller."""
        e = self.estimator
        what = "validation score" if self.early_stopping else "training loss"
        reason = f"the {what} did not get better by tol={e.tol:g} for {e.n_iter_no_change} epochs in a row"
        if self.rule == "adaptive" and self.progress.learning_rate > LEAST_RATE:
            self.progress.learning_rate /= 5
            e._no_improvement_count = 0
            consequence = f"Setting learning rate to {self.progress.learning_rate:f}"
        else:
            history.stop(reason)
            consequence = "Stopping."
        if e.verbose:
            print(f"{reason[0].upper()}{reason[1:]}. {consequence}")


def rate_rule(e: Any) -> str:
    """By which of scikit-learn's rules the learning rate changes; Adam's does not, as theirs."""
    return e.learning_rate if isinstance(e.learning_rate, str) and e.solver != "adam" else "constant"


def first_counts(e: Any) -> None:
    """Curves, counts and bests before the first epoch."""
    e.n_iter_, e.t_, e.loss_curve_, e.validation_loss_curve_ = 0, 0, [], []
    e._no_improvement_count = 0
    e.best_loss_ = e.best_validation_score_ = e.validation_scores_ = None


def begin_counts(e: Any, compared: bool) -> None:
    """Bests before the first epoch, where epochs are compared with them."""
    e.n_iter_ = 0
    if not compared:
        return
    if e.early_stopping and e.validation_scores_ is None:
        e.best_validation_score_, e.validation_scores_ = -math.inf, []
    elif not e.early_stopping and e.best_loss_ is None:
        e.best_loss_ = math.inf
