"""What a network of two inputs answers, over the plane of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted, positive_int
from ...errors import NotFittedError, ParameterError
from ...training.sparse import dense
from ..drawing.diagram import column_names
from .plotting import CLASSES, colour_of, marker_of, new_figure, plain, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
MOST_POINTS, MOST_NAMES = 3000, 20  # that are drawn; that a legend has room for


def decision_regions(network: MeasuredNetwork, X: Any, y: Any = None, *, resolution: int = 200) -> Figure:
    """Which class, or which value, a network with two inputs predicts where.

    Colours are paler where the network is less sure.

    Parameters
    ----------
    network : Network
        With two inputs and one output.
    X : array-like, shape (rows, 2)
        Rows that are drawn as points; the plane reaches a little beyond them.
    y : array-like, shape (rows,), optional
        Their classes or values.
    resolution : int
        On how many points along each axis the network is asked.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NotFittedError
        If the network has no weights yet.
    ParameterError
        If it has another number of inputs or outputs.
    ShapeError, DTypeError, DataError
        If X does not fit the network.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not network.built:
        raise NotFittedError("plots.decision_regions: the network has no weights yet. Call fit first.")
    loss = network._losses[0]
    if network._sizes[: len(network._wiring.inputs)] != [2] or len(network._losses) > 1:
        sizes = ", ".join(map(str, network._sizes[: len(network._wiring.inputs)]))
        raise ParameterError(
            f"plots.decision_regions: is for one table of 2 inputs and one target; the network has {sizes} "
            f"inputs and {counted(len(network._losses), 'target')}. Train one on two columns."
        )
    if loss.target == "values" and network.widths != [1]:
        raise ParameterError(
            f"plots.decision_regions: is for one value or for classes; the network gives "
            f"{network.widths[0]} values."
        )
    resolution = positive_int(resolution, "plots.decision_regions: resolution", "resolution=200")
    points = np.asarray(dense(network._tables(X)[0]), dtype=np.float64)
    if y is not None and np.shape(network._as_labels(y)) != (len(points),):
        raise ParameterError(
            f"plots.decision_regions: y needs one label or value for each of {len(points):,} rows, "
            f"got shape {np.shape(y)}."
        )
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, 0.08 * (high - low), 0.5)
    xs, ys = (np.linspace(low[k] - margin[k], high[k] + margin[k], resolution) for k in (0, 1))
    plane = np.stack([a.ravel() for a in np.meshgrid(xs, ys)], axis=1).astype(network.dtype)
    figure, (axes,) = new_figure(6.4, 5.0)
    shown = points[:: -(-len(points) // MOST_POINTS)]
    known = None if y is None else np.asarray(network._as_labels(y))[:: -(-len(points) // MOST_POINTS)]
    if loss.target == "values":
        _values(figure, axes, (xs, ys), np.ravel(network.predict(plane)), shown, known)
    else:
        _classes(network, axes, (xs, ys), plane, shown, known)
    names = column_names(network) or ["x[0]", "x[1]"]
    axes.set_xlabel(plain(names[0]))
    axes.set_ylabel(plain(names[1]))
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(ys[0], ys[-1])
    tidy(axes)
    return figure


def _classes(
    network: MeasuredNetwork,
    axes: Axes,
    sides: tuple[Array, Array],
    plane: Array,
    points: Array,
    known: Array | None,
) -> None:
    from matplotlib.colors import to_rgb

    p = network.predict_proba(plane) if network._losses[0].probabilities else None
    labels = np.ravel(network.predict(plane))
    classes = network.classes if network.classes is not None else np.unique(labels)
    place = np.searchsorted(np.sort(classes), labels)
    place = np.argsort(classes)[place]
    shape = (len(sides[1]), len(sides[0]))
    sure = np.full(len(plane), 0.5)
    if p is not None and p.shape[1] > 1:
        sure = (p.max(axis=1) - 1 / p.shape[1]) / (1 - 1 / p.shape[1])
    colours = np.array([to_rgb(colour_of(k)) for k in range(len(classes))])[place]
    strength = (0.12 + 0.38 * sure)[:, None]
    image = (1 - strength) + strength * colours
    (x0, x1), (y0, y1) = ((side[0], side[-1]) for side in sides)
    axes.imshow(image.reshape(*shape, 3), extent=(x0, x1, y0, y1), origin="lower", aspect="auto")
    for k in range(len(classes)):
        inside = (place == k).reshape(shape).astype(np.float64)
        if 0 < inside.mean() < 1:
            axes.contour(*sides, inside, levels=[0.5], colors="white", linewidths=1.2)
    if known is None:
        axes.scatter(points[:, 0], points[:, 1], s=12, color="#333333", linewidths=0)
        return
    for k, label in enumerate(classes):
        own = points[known == label]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            s=24,
            label=plain(str(label), 24),
            color=colour_of(k),
            marker=marker_of(k),
            edgecolors="white",
            linewidths=0.5,
        )
    if len(classes) <= MOST_NAMES:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _values(
    figure: Figure,
    axes: Axes,
    sides: tuple[Array, Array],
    values: Array,
    points: Array,
    known: Array | None,
) -> None:
    from matplotlib.ticker import MaxNLocator

    finite = values if known is None else np.concatenate([values, known])
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    grid = values.reshape(len(sides[1]), len(sides[0]))
    levels = MaxNLocator(16).tick_values(low, high)
    filled = axes.contourf(*sides, grid, levels=levels, cmap="cividis")
    if known is None:
        axes.scatter(points[:, 0], points[:, 1], s=12, color="white", edgecolors=CLASSES[5], linewidths=0.6)
    else:
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=26,
            c=known,
            cmap="cividis",
            vmin=levels[0],
            vmax=levels[-1],
            edgecolors="white",
            linewidths=0.7,
        )
    label = "predicted" if known is None else "predicted; in the points, the true value"
    figure.colorbar(filled, ax=axes, label=label)
