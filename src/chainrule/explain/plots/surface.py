"""The loss as a landscape over two directions in the space of weights, and the way down through it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import positive_int, real_number
from ...emit.engine import compile_program
from ...errors import NotFittedError, ParameterError
from ...graph.program import Program
from ...training.sparse import dense
from ..naming import Names, Place
from .plotting import VALIDATION, new_figure, plain, tidy
from .recording import DescentPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
LEVELS = 24


def error_surface(
    network: MeasuredNetwork,
    X: Any,
    y: Any,
    weights: Sequence[str] | None = None,
    *,
    path: DescentPath | None = None,
    span: float | None = None,
    resolution: int = 41,
) -> Figure:
    """The loss over two weights, or over the two directions in which a descent moved most.

    All other weights stay as they are now. The loss is that of a prediction, without penalties, as `evaluate`
    gives it. The network is not changed.

    Parameters
    ----------
    network : Network
    X, y : array-like
        As for `fit`.
    weights : (str, str), optional
        Two weights, such as ("hidden1.W[0, 0]", "output.b[1]"). Without them, the first two principal
        components of the path, from where the weights are now.
    path : DescentPath, optional
        The callback that kept the way; it is drawn as well. It is seen from above: on the way, what the
        picture leaves as it is was otherwise.
    span : float, optional
        How far the picture reaches from the present weights at least, in the weights' unit; as far as the
        path needs, or 2 without one.
    resolution : int
        At how many points along each axis the loss is computed.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NotFittedError
        If the network has no weights yet.
    ParameterError
        If there are neither weights nor a path, the path has fewer than three moments or is that of another
        network, the two weights are one, the span is not above 0, or the resolution is below 2.
    UnknownNameError, ShapeError
        If there is no such weight.
    MissingExtraError
        If matplotlib is not installed.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein (2018), Visualizing the loss landscape of neural nets, section 7.
    """
    if not network.built:
        raise NotFittedError("plots.error_surface: the network has no weights yet. Call fit first.")
    resolution = positive_int(resolution, "plots.error_surface: resolution", "resolution=41")
    if resolution < 2:
        raise ParameterError("plots.error_surface: resolution must be at least 2. Pass e.g. resolution=41.")
    if span is not None:
        span = real_number(span, "plots.error_surface: span", 0, math.inf, low_too=False)
    present = {name: np.asarray(value, dtype=np.float64) for name, value in network.parameters.items()}
    names = list(present)
    if path is not None:
        path.need(1 if weights is not None else 3, "plots.error_surface")
        if {name: v.shape for name, v in path.kept[-1].items()} != {
            name: v.shape for name, v in present.items()
        }:
            raise ParameterError("plots.error_surface: the path is that of another network.")
    origin = np.concatenate([present[name].ravel() for name in names])
    ways = np.zeros((0, len(origin))) if path is None else path.flat(names)
    if weights is not None:
        chosen = _two(network, weights)
        places = [_flat_place(place, present, network) for place in chosen]
        directions = np.eye(len(origin))[places]
        labels = [place.name for place in chosen]
        start = origin[places]
    elif path is not None:
        directions, labels = _components(ways - origin)
        start = np.zeros(2)
    else:
        raise ParameterError(
            "plots.error_surface: name two weights, or pass the path of a fit (callbacks=[path]) whose main "
            "directions to take."
        )
    spots = (ways - origin) @ directions.T + start
    reach = 2.0 if span is None and not len(spots) else span or 0.0
    axes_of = [_axis(spots[:, k], start[k], reach, resolution) for k in (0, 1)]
    surface = _losses(network, X, y, names, present, origin, directions, start, axes_of)
    figure, (axes,) = new_figure(6.6, 5.2)
    _draw(figure, axes, axes_of, surface, spots, start)
    axes.set_xlabel(plain(labels[0]))
    axes.set_ylabel(plain(labels[1]))
    return figure


def _two(network: MeasuredNetwork, weights: Sequence[str]) -> list[Place]:
    if isinstance(weights, str) or len(weights) != 2:
        raise ParameterError(
            f"plots.error_surface: weights are two names, got {weights!r:.60}. "
            "Pass e.g. ('hidden1.W[0, 0]', 'output.b[0]')."
        )
    table = Names(network)
    found = [table.place(name) for name in weights]
    own = set(network.graph.parameters.values())
    for place in found:
        if place.node not in own:
            raise ParameterError(
                f"plots.error_surface: {place.name} is no weight. Pass e.g. 'hidden1.W[0, 0]'."
            )
    if found[0].name == found[1].name:
        raise ParameterError(f"plots.error_surface: {found[0].name} is named twice. Name two weights.")
    return found


def _flat_place(place: Place, present: Mapping[str, Array], network: MeasuredNetwork) -> int:
    """Where a weight stands in all weights one after another."""
    before = 0
    for name, leaf in network.graph.parameters.items():
        if leaf is place.node:
            return before + int(np.ravel_multi_index(place.index, present[name].shape))
        before += present[name].size
    raise ParameterError(f"plots.error_surface: {place.name} is no weight.")


def _components(ways: Array) -> tuple[Array, list[str]]:
    """The first two principal components of the moves from where the path ended."""
    _, strength, directions = np.linalg.svd(ways, full_matrices=False)
    if len(strength) < 2 or strength[1] <= 1e-9 * strength[0]:
        raise ParameterError(
            "plots.error_surface: the path does not leave a line, so it has no second direction. "
            "Name two weights."
        )
    share = strength**2 / (strength**2).sum()
    labels = [f"component {k + 1} of the path ({share[k]:.0%})" for k in (0, 1)]
    return directions[:2], labels


def _axis(spots: Array, start: float, reach: float, resolution: int) -> Array:
    low, high = min([start - reach, *spots]), max([start + reach, *spots])
    margin = 0.15 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, resolution)


def _losses(
    network: MeasuredNetwork,
    X: Any,
    y: Any,
    names: Sequence[str],
    present: Mapping[str, Array],
    origin: Array,
    directions: Array,
    start: Array,
    axes_of: Sequence[Array],
) -> Array:
    """The loss at each point, a row for each of the second axis."""
    g = network.graph
    tables = [dense(table) for table in network._tables(X)]
    ts, _ = network._targets(y, tables, network._codings)
    leaves = [g.parameters[name] for name in names]
    runner = compile_program(Program([*g.xs, *g.ts, *leaves], {"loss": g.loss}, name="surface"), "numpy")
    ends = np.cumsum([present[name].size for name in names])[:-1]
    found = np.empty((len(axes_of[1]), len(axes_of[0])))
    for (row, column), _ in np.ndenumerate(found):
        point = np.array([axes_of[0][column], axes_of[1][row]]) - start
        moved = np.split(origin + point @ directions, ends)
        values = [
            part.reshape(present[name].shape).astype(network.dtype)
            for name, part in zip(names, moved, strict=True)
        ]
        found[row, column] = float(runner(*tables, *ts, *values)["loss"])
    return found


def _draw(
    figure: Figure, axes: Axes, axes_of: Sequence[Array], surface: Array, spots: Array, start: Array
) -> None:
    finite = surface[np.isfinite(surface)]
    if not finite.size:
        raise ParameterError("plots.error_surface: the loss is nowhere finite here. Pass a smaller span.")
    low, high = float(finite.min()), float(finite.max())
    high = high if high > low else low + 1.0
    # Closer together at the bottom: valleys are shallow where walls are steep.
    levels = low + (high - low) * np.linspace(0, 1, LEVELS) ** 2.5
    filled = axes.contourf(
        *axes_of, np.where(np.isfinite(surface), surface, high), levels=levels, cmap="Blues_r"
    )
    axes.contour(*axes_of, surface, levels=levels[1::2], colors="white", linewidths=0.5, alpha=0.6)
    digits = 3 + max(0, math.ceil(math.log10(max(abs(high), abs(low)) / (high - low))))
    ticks = levels[:: LEVELS // 6]
    bar = figure.colorbar(
        filled, ax=axes, label="loss", ticks=ticks, format=f"%.{digits}g", spacing="uniform"
    )
    bar.ax.tick_params(labelsize=8)
    if len(spots):
        axes.plot(*spots.T, color="white", linewidth=3.2)
        axes.plot(
            *spots.T, color=VALIDATION, linewidth=1.6, marker=".", markersize=4, label="path of descent"
        )
        axes.plot(
            *spots[0],
            color=VALIDATION,
            marker="o",
            markersize=8,
            markeredgecolor="white",
            label="start",
            linestyle="",
        )
    axes.plot(
        *start,
        color=VALIDATION,
        marker="*",
        markersize=14,
        markeredgecolor="white",
        label="now",
        linestyle="",
    )
    axes.legend(loc="best", fontsize=8, framealpha=0.9)
    tidy(axes)
