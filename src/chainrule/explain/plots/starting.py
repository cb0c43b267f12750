"""How a training starts: signals from layer to layer, and the test for the learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ParameterError
from .plotting import GRID, QUIET, TRAINING, VALIDATION, colour_of, marker_of, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...training.rate_finder import RateReport
    from ..health.signals import Signals

Array = np.ndarray[Any, Any]
MOST = 10  # networks in one picture, each with a colour of its own


def signals(networks: Mapping[str, Signals] | Signals) -> Figure:
    """How large signals and gradients are from layer to layer, of one network or of several.

    Parameters
    ----------
    networks : Signals or mapping of str to Signals
        What `Network.signals` gave; for several, by the names that the legend has.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels with logarithmic scales; what is 0 or not finite is left out.

    Raises
    ------
    ParameterError
        If there are no networks, or more than 10.
    MissingExtraError
        If matplotlib is not installed.
    """
    given = dict(networks) if isinstance(networks, Mapping) else {"": networks}
    if not 1 <= len(given) <= MOST:
        raise ParameterError(
            f"plots.signals: there is room for 1 to {MOST} networks, got {len(given)}. Pass e.g. "
            "{'he': net.signals(X, y)}."
        )
    figure, (forward, backward) = new_figure(9.5, 3.9, 1, 2)
    for k, (name, found) in enumerate(given.items()):
        hidden = found.layers[:-1] or found.layers
        places = np.arange(1, len(hidden) + 1)
        style: dict[str, Any] = {"color": colour_of(k), "marker": marker_of(k), "markersize": 3.5}
        style |= {"linewidth": 1.3, "label": plain(name)}
        _line(forward, places, np.array([x.std for x in hidden]), style)
        _line(backward, places, np.array([x.gradient for x in hidden]), style)
    forward.set_title("standard deviation of the results", fontsize=10, loc="left")
    backward.set_title("gradient of the loss by them, root mean square", fontsize=10, loc="left")
    for axes in (forward, backward):
        axes.set_xlabel("hidden layer", fontsize=9)
        axes.set_yscale("log")
        axes.grid(True, color=GRID, linewidth=0.6)
        axes.tick_params(labelsize=8)
        tidy(axes)
    if len(given) > 1:
        backward.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _line(axes: Axes, places: Array, sizes: Array, style: Mapping[str, Any]) -> None:
    shown = np.isfinite(sizes) & (sizes > 0)
    axes.plot(places[shown], sizes[shown], **style)


def learning_rates(report: RateReport) -> Figure:
    """The losses of a test for the learning rate, with the rate that it suggests.

    Parameters
    ----------
    report : RateReport
        What `Network.find_learning_rate` gave.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    figure, (axes,) = new_figure(6.4, 3.9)
    top = float(np.nanmax(report.smoothed)) if np.isfinite(report.smoothed).any() else 1.0
    bottom = min(float(np.nanmin(x)) for x in (report.smoothed, report.losses) if np.isfinite(x).any())
    axes.plot(report.rates, report.losses, color=QUIET, linewidth=0.6, alpha=0.6, label="each batch")
    axes.plot(report.rates, report.smoothed, color=TRAINING, linewidth=1.8, label="smoothed")
    if report.lowest is not None and report.suggestion is not None:
        axes.axvline(report.lowest, color=QUIET, linewidth=0.9, linestyle="--", label="bottom of the valley")
        label = f"suggested: {report.suggestion:.2g}"
        axes.axvline(report.suggestion, color=VALIDATION, linewidth=1.6, label=label)
    axes.set_xscale("log")
    margin = 0.05 * (top - bottom)
    axes.set_ylim(bottom - margin, top + margin)
    axes.set_xlabel("learning rate", fontsize=9)
    axes.set_ylabel("loss", fontsize=9)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8)
    tidy(axes)
    return figure
