"""How weights, activations and gradients are distributed, layer by layer, over a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ParameterError, unknown_name
from .plotting import QUIET, TRAINING, new_figure, plain, tidy
from .recording import KINDS, Histograms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
MOST, ROWS = 30, 80  # panels in a figure; cells from the bottom of one to its top


def histograms(record: Histograms, kind: str = "weights", names: Sequence[str] | None = None) -> Figure:
    """How weights, activations or gradients of each layer are distributed, epoch by epoch.

    Each column of a panel is a histogram, the darker, the more numbers lie there; lines show the median and
    between what 90 % of the numbers lie.

    Parameters
    ----------
    record : Histograms
        The callback that kept them.
    kind : {"weights", "activations", "gradients"}
    names : sequence of str, optional
        Of layers or parameters, such as "hidden1.W"; all where none are named.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        If there is no such kind or name.
    ParameterError
        If the record is empty or has nothing of this kind, or there would be more than 30 panels.
    MissingExtraError
        If matplotlib is not installed.
    """
    if kind not in KINDS:
        raise unknown_name("histograms: kind", kind, KINDS)
    record.need(1, "plots.histograms")
    known = record.names(kind)
    if not known:
        needed = "X" if kind == "activations" else "X and y"
        raise ParameterError(
            f"plots.histograms: the record has no {kind}. Make it with Histograms({needed})."
        )
    chosen = known if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise unknown_name(f"plots.histograms: {kind} of", name, known)
    if len(chosen) > MOST:
        raise ParameterError(
            f"plots.histograms: there are {len(chosen)} panels, at most {MOST} have room. Pass names, "
            f"e.g. names={chosen[:2]}."
        )
    columns = min(len(chosen), 3 if len(chosen) > 4 else 2)
    rows = math.ceil(len(chosen) / columns)
    figure, parts = new_figure(3.6 * columns + 0.6, 2.5 * rows + 0.5, rows, columns)
    for name, axes in zip(chosen, parts, strict=False):
        moments = [kept[kind, name] for kept in record.kept]
        _panel(axes, record.epochs, moments, name)
    for axes in parts[len(chosen) :]:
        axes.set_visible(False)
    figure.suptitle(
        f"{kind}, epoch by epoch: the median, and the middle 90 % between dashes",
        fontsize=11,
        x=0.01,
        ha="left",
    )
    return figure


def _panel(
    axes: Axes, epochs: Sequence[int], moments: Sequence[tuple[float, float, Array]], name: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    lines = np.array([quantiles(*moment, [0.05, 0.5, 0.95]) for moment in moments])
    ends = np.array([quantiles(*moment, [0.005, 0.995]) for moment in moments])
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    margin = 0.05 * (high - low)
    edges = np.linspace(low - margin, high + margin, ROWS + 1)
    dense = np.array([spread(*moment, edges) for moment in moments]).T
    shade = dense / np.maximum(dense.max(axis=0, keepdims=True), 1e-300)
    times = np.array(epochs, dtype=np.float64)
    between = (times[1:] + times[:-1]) / 2
    sides = np.concatenate([[times[0] - 0.5], between, [times[-1] + 0.5]])
    axes.pcolormesh(sides, edges, shade, cmap="Blues", vmin=0, vmax=1.4, rasterized=True)
    if len(epochs) > 1:
        axes.plot(times, lines[:, 1], color=TRAINING, linewidth=1.4, label="median")
        axes.plot(times, lines[:, [0, 2]], color=QUIET, linewidth=0.9, linestyle="--")
    axes.set_title(plain(name), fontsize=10, loc="left")
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.tick_params(labelsize=8)
    tidy(axes)


def quantiles(low: float, high: float, counts: Array, shares: Sequence[float]) -> Array:
    """Below which numbers such shares of a histogram lie, if the numbers of a bin are spread evenly."""
    below = np.concatenate([[0.0], np.cumsum(counts)]) / max(counts.sum(), 1)
    found: Array = np.interp(shares, below, np.linspace(low, high, len(counts) + 1))
    return found


def spread(low: float, high: float, counts: Array, edges: Array) -> Array:
    """The same histogram with other edges."""
    below = np.concatenate([[0.0], np.cumsum(counts)])
    found: Array = np.diff(np.interp(edges, np.linspace(low, high, len(counts) + 1), below))
    return found
