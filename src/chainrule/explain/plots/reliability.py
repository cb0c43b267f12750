"""Whether probabilities come true: what a network says, beside how often it is so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted, positive_int
from ...errors import ParameterError
from .plotting import GRID, QUIET, colour_of, marker_of, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
MOST = 8  # networks in a figure


def reliability(
    networks: MeasuredNetwork | Mapping[str, MeasuredNetwork], X: Any, y: Any, *, bins: int = 10
) -> Figure:
    """How often a class comes true, over the probability that networks give it.

    Rows are put into bins of as many each, by probability; of a calibrated network the points lie on the
    diagonal. For two classes it is the probability of the second, for more that of the class which is
    predicted. Below, how the probabilities are distributed.

    Parameters
    ----------
    networks : Network or dict of str to Network
        One, or several with what they are called.
    X, y : array-like
        Rows that were not trained on, and not calibrated on.
    bins : int

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If there are no networks, or more than eight, or one gives no probabilities of classes.
    NotFittedError, ShapeError, DTypeError, DataError
        If a network is not fitted, or X or y does not fit it.
    MissingExtraError
        If matplotlib is not installed.

    References
    ----------
    DeGroot and Fienberg (1983), The comparison and evaluation of forecasters. scikit-learn's
    `calibration_curve`.
    """
    from sklearn.calibration import calibration_curve

    named = dict(networks) if isinstance(networks, Mapping) else {"": networks}
    bins = positive_int(bins, "plots.reliability: bins", "bins=10")
    if not 1 <= len(named) <= MOST:
        raise ParameterError(
            f"plots.reliability: from 1 to {MOST} networks have room, got {len(named)}. Pass a network, or a "
            "dict of them by name."
        )
    found = {name: _told(network, X, y) for name, network in named.items()}
    figure, (axes, below) = new_figure(5.4, 6.4, rows=2)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.9, linestyle="--")
    for k, (name, (right, p)) in enumerate(found.items()):
        share, mean = calibration_curve(right, p, n_bins=bins, strategy="quantile")
        colour = colour_of(k)
        axes.plot(mean, share, color=colour, marker=marker_of(k), markersize=5, label=plain(name))
        below.hist(p, bins=20, range=(0, 1), histtype="step", color=colour, linewidth=1.4)
    first = next(iter(named.values()))
    two = len(first.classes) == 2
    what = plain(f"{first.classes[1].item()!r}") if two else "the class that is predicted"
    axes.set_ylabel("how often it is so")
    axes.set_title(counted(len(next(iter(found.values()))[0]), "row"), fontsize=10, loc="left")
    below.set_xlabel(f"probability of {what}")
    below.set_ylabel("rows")
    axes.set_ylim(-0.02, 1.02)
    for part in (axes, below):
        part.set_xlim(-0.02, 1.02)
        part.grid(color=GRID, linewidth=0.8)
        part.set_axisbelow(True)
        tidy(part)
    if isinstance(networks, Mapping):
        axes.legend(frameon=False, fontsize=9)
    return figure


def _told(network: MeasuredNetwork, X: Any, y: Any) -> tuple[Array, Array]:
    """Whether it is so, and the probability of it, row by row."""
    classes = network._known_classes("plots.reliability")
    p = np.asarray(network.predict_proba(X), np.float64)
    labels = np.asarray(network._as_labels(y))
    if p.shape[1] == 2:
        return labels == classes[1], p[:, 1]
    chosen = p.argmax(axis=1)
    return classes[chosen] == labels, np.clip(p[np.arange(len(p)), chosen], 0, 1)
