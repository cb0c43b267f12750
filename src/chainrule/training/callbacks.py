"""What watches a fit, and may end it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted, not_negative, positive_int
from ..errors import ParameterError
from .history import falls

if TYPE_CHECKING:
    from .history import History
    from .metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
WEIGHTS = "weights:"  # before the names of weights, among what a callback remembers
MOMENTS = ("on_fit_begin", "on_epoch_end", "on_fit_end")


class Callback:
    """What a fit calls, each time with the network and the fit's history. Override what you need.

    The network holds the weights of that moment. ``history.stop(reason)`` ends the fit after the epoch.
    Weights that are set before the end are overwritten by the training, and what is frozen or released
    counts from the next fit on.

    Attributes
    ----------
    needs_weights : bool
        Whether the network is to hold the weights of that moment. Where no callback needs them, small
        networks train faster.
    """

    needs_weights: bool = True

    def check(self, network: MeasuredNetwork, history: History) -> None:
        """Raise where such a fit could not use it, and change nothing: what `Network.dry_run` asks."""

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        """All arguments are checked, the weights drawn, and nothing trained yet."""

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        """An epoch is finished and measured."""

    def on_fit_end(self, network: MeasuredNetwork, history: History) -> None:
        """The fit is over, whatever the reason; weights set now stay."""


class EarlyStopping(Callback):
    """Stop when a measure has not become better for some epochs.

    Parameters
    ----------
    monitor : str
        "val_loss", "val_accuracy", "loss", or a metric that `fit` was asked for, such as "val_f1_macro".
        The two losses are to become small, all else large, as scikit-learn's scorers are ("val_neg_log_loss"
        too).
    patience : int
        How many epochs in a row without a gain end the fit.
    min_delta : float
        The least gain that counts.
    restore_best : bool
        Put the weights of the best epoch back at the end.

    Attributes
    ----------
    best_epoch : int
        Counted from 1; 0 before there is one.
    best : float

    Raises
    ------
    ParameterError
        For a patience or least gain that is none; at the start of a fit, if it has not got the measure.

    References
    ----------
    Prechelt (1998), Early stopping - but when?
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        self.monitor = monitor
        self.patience = positive_int(patience, "EarlyStopping: patience", "patience=10")
        self.min_delta = not_negative(min_delta, "EarlyStopping: min_delta")
        self.restore_best = self.needs_weights = restore_best
        self.best, self.best_epoch = math.nan, 0
        self._weights: dict[str, Array] = {}

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, patience={self.patience})"

    def check(self, network: MeasuredNetwork, history: History) -> None:
        if self.monitor not in history.measures:
            hint = " Pass validation_data." if self.monitor.startswith("val_") else ""
            raise ParameterError(
                f"EarlyStopping: there is no measure {self.monitor!r}; this fit has "
                f"{', '.join(history.measures)}.{hint}"
            )

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        self.check(network, history)
        self.best, self.best_epoch, self._weights = math.nan, 0, {}

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        value = history[self.monitor][-1]
        gain = self.best - value if falls(self.monitor) else value - self.best
        if math.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch = value, history.epochs
            if self.restore_best:
                self._weights = network.parameters
        elif history.epochs - self.best_epoch >= self.patience:
            waited = counted(self.patience, "epoch")
            history.stop(
                f"{self.monitor} has not become better for {waited}; its best was {self.best:.6g}, "
                f"in epoch {self.best_epoch}"
            )

    def state(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it."""
        weights = {f"{WEIGHTS}{name}": value for name, value in self._weights.items()}
        return {"best": self.best, "best_epoch": self.best_epoch, **weights}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        own = {name for name in state if name.startswith(WEIGHTS)}
        self._weights = {name.removeprefix(WEIGHTS): state[name] for name in own}

    def on_fit_end(self, network: MeasuredNetwork, history: History) -> None:
        if self.restore_best and self._weights:
            network.set_parameters(self._weights)


def checked_callbacks(callbacks: Any) -> list[Any]:
    """Callbacks as a list; raises ParameterError for what has none of the moments."""
    try:
        listed = list(callbacks)
    except TypeError:
        raise ParameterError(
            f"fit: callbacks must be a list, got {callbacks!r:.60}. Pass e.g. callbacks=[callback]."
        ) from None
    for callback in listed:
        if isinstance(callback, type) or not any(callable(getattr(callback, m, None)) for m in MOMENTS):
            raise ParameterError(
                "fit: callbacks must have a method such as on_epoch_end(network, history), "
                f"got {callback!r:.60}."
            )
    return listed


def call(callbacks: list[Any], moment: str, network: MeasuredNetwork, history: History) -> None:
    """Tell each callback that has the moment."""
    for callback in callbacks:
        method = getattr(callback, moment, None)
        if method is not None:
            method(network, history)
