"""scikit-learn's callbacks (`set_callbacks`, since its version 1.9), told of each epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..training.callbacks import Callback
from .building import weight_names

if TYPE_CHECKING:
    from ..training.history import History
    from ..training.metrics import MeasuredNetwork

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # before version 1.9 there are none

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands where scikit-learn has no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as it is."""
        return method


__all__ = ["Bridge", "CallbackSupportMixin", "bridge", "with_callbacks"]


class Bridge(Callback):
    """Tells scikit-learn's callbacks of a fit and of its epochs.

    Parameters
    ----------
    estimator : BasePerceptron
    context : sklearn.callback.CallbackContext
        The fit's.
    epochs : int
    data : dict
        What callbacks may ask for: X, y and metadata.
    """

    def __init__(self, estimator: Any, context: Any, epochs: int, data: dict[str, Any]) -> None:
        self.estimator, self.context, self.epochs, self.data = estimator, context, epochs, data

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        self._begin_epoch()

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        if self.epoch.call_on_fit_task_end(
            estimator=self.estimator, **self.data, reconstruction_attributes=lambda: _fitted(network)
        ):
            history.stop("a callback of scikit-learn's asked for it")
        if history.stopped is None and history.epochs < self.epochs:
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end(self) -> None:
        """The fit is over, and the estimator fitted."""
        self.context.call_on_fit_task_end(estimator=self.estimator, **self.data, reconstruction_attributes={})


def bridge(estimator: Any, epochs: int, X: Any, y: Any, sample_weight: Any) -> Bridge | None:
    """Begin a fit for scikit-learn's callbacks; None where there are none."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    context = estimator._init_callback_context(max_subtasks=epochs)
    metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
    data = {"X": X, "y": y, "metadata": metadata}
    context.call_on_fit_task_begin(estimator=estimator, **data)
    return Bridge(estimator, context, epochs, data) if getattr(estimator, "_skl_callbacks", None) else None


def _fitted(network: MeasuredNetwork) -> dict[str, Any]:
    """The attributes of an estimator that was fitted up to this moment."""
    coefs, intercepts = weight_names(network)
    values = network.parameters
    own = {"coefs_": [values[n] for n in coefs], "intercepts_": [values[n] for n in intercepts]}
    shared = len(coefs) + len(intercepts) == len(values)
    return {**own, "_network": network if shared else copy.deepcopy(network)}
