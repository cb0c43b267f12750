"""The loss along one number, or over two, with everything else as it is; as values and as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import positive_int
from ...errors import ParameterError
from ...graph.evaluate import interpret
from ...graph.tensor import LEAF
from ..naming import Names, Place
from ..plots.plotting import new_figure, tidy
from ..step import Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .what_if import WhatIf

Array = np.ndarray[Any, Any]
INK, NOW, THEN, QUIET = "#1f5fa8", "#222222", "#d1652b", "#6b6b6b"  # told apart by all eyes, and in grey
ARROW = {"arrowstyle": "->", "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}


@dataclass(frozen=True)
class Slice:
    """The loss for values of one number.

    Attributes
    ----------
    name : str
    values, losses : ndarray, shape (points,)
    """

    name: str
    values: Array
    losses: Array


@dataclass(frozen=True)
class Surface:
    """The loss for values of two numbers.

    Attributes
    ----------
    names : (str, str)
    xs, ys : ndarray, shape (points,)
        Values of the first and of the second.
    losses : ndarray, shape (points, points)
        A row for each of `ys`, a column for each of `xs`.
    """

    names: tuple[str, str]
    xs: Array
    ys: Array
    losses: Array


def loss_slice(step: Step, name: str, low: float, high: float, points: int = 81) -> Slice:
    """The loss where one number goes from `low` to `high`, all others staying as they are.

    Raises
    ------
    ParameterError
        If the range is empty, or there are fewer than two points.
    UnknownNameError, ShapeError
        If there is no such number.
    """
    _check_range(low, high, points)
    place = Names(step.network, step.need_loss(), step.rows).place(name)
    values = np.linspace(low, high, points)
    return Slice(place.name, values, _losses(step, [place], values[:, None]))


def loss_surface(
    step: Step, names: Sequence[str], spans: Sequence[tuple[float, float]], points: int = 41
) -> Surface:
    """The loss where two numbers go through ranges of their own; errors as in `loss_slice`."""
    for low, high in spans:
        _check_range(low, high, points)
    table = Names(step.network, step.need_loss(), step.rows)
    first, second = (table.place(name) for name in names)
    xs, ys = (np.linspace(low, high, points) for low, high in spans)
    grid = np.stack([a.ravel() for a in np.meshgrid(xs, ys)], axis=1)
    losses = _losses(step, [first, second], grid).reshape(points, points)
    return Surface((first.name, second.name), xs, ys, losses)


def _check_range(low: float, high: float, points: int) -> None:
    if positive_int(points, "points", "points=81") < 2:
        raise ParameterError(f"points must be at least 2, got {points}.")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ParameterError(f"a slice goes from a lower to a higher number, got {low} and {high}.")


def _losses(step: Step, places: Sequence[Place], points: Array) -> Array:
    """The loss with the numbers put at each row of `points`."""
    loss = step.need_loss()
    nodes = list(dict.fromkeys(p.node for p in places))
    present = dict(zip(nodes, step.values(nodes), strict=True))
    plain = all(node.op is LEAF for node in nodes)
    compute = step.function([loss], nodes) if plain else None
    found = np.empty(len(points))
    for k, point in enumerate(points):
        moved = {node: np.array(present[node]) for node in nodes}
        for place, value in zip(places, point, strict=True):
            moved[place.node][place.index] = value
        at = compute(moved) if compute is not None else interpret([loss], {**step.feed, **moved})
        found[k] = float(at[0])
    return found


# pictures -------------------------------------------------------------------------------------


def draw_slice(told: WhatIf, cut: Slice) -> Figure:
    """The loss along a number: the curve, the slope that foretells it, and both ends of the change."""
    figure, (axes,) = new_figure(7.2, 4.4)
    tidy(axes)
    (before,), (after,), (slope,) = told.before, told.after, told.slopes
    bend = 2 * (told.foretold_bent - told.foretold) / told.changes[0] ** 2
    axes.plot(cut.values, cut.losses, color=INK, linewidth=2, label="loss")
    low, high = float(cut.losses.min()), float(cut.losses.max())
    room = 0.12 * (high - low) or 0.5
    x = cut.values - before
    axes.plot(
        cut.values, told.loss + slope * x, color=QUIET, linewidth=1.2, linestyle="--", label="its slope"
    )
    axes.plot(
        cut.values,
        told.loss + slope * x + bend / 2 * x**2,
        color=QUIET,
        linewidth=1.2,
        linestyle=":",
        label="slope and bend",
    )
    axes.plot([before], [told.loss], "o", color=NOW, markersize=7, label=f"now: {told.loss:.4g}")
    then = f"at {after:.4g}: {told.loss_after:.4g}"
    axes.plot([after], [told.loss_after], "s", color=THEN, markersize=7, label=then)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(cut.values[0], cut.values[-1])
    axes.set_xlabel(cut.name)
    axes.set_ylabel("loss")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title(f"The loss along {cut.name}, all else as it is", fontsize=11, loc="left")
    return figure


def draw_surface(told: WhatIf, area: Surface) -> Figure:
    """The loss over two numbers, with lines of equal loss, the change, and the way down the slope."""
    figure, (axes,) = new_figure(6.8, 5.4)
    tidy(axes)
    shades = axes.contourf(area.xs, area.ys, area.losses, levels=24, cmap="Blues")
    axes.contour(area.xs, area.ys, area.losses, levels=12, colors="white", linewidths=0.7, alpha=0.8)
    start, end = (told.before[0], told.before[1]), (told.after[0], told.after[1])
    axes.annotate("", end, start, arrowprops={**ARROW, "color": THEN})
    down = -np.array(told.slopes)
    longest = np.max(np.abs(down) / [area.xs[-1] - area.xs[0], area.ys[-1] - area.ys[0]])
    if longest > 0:
        x, y = (0.18 * down / longest).tolist()
        foot = (start[0] + x, start[1] + y)
        axes.annotate("", foot, start, arrowprops={**ARROW, "color": NOW, "linestyle": "--"})
    axes.plot(*start, "o", color=NOW, markersize=7, label=f"now: {told.loss:.4g}")
    axes.plot(*end, "s", color=THEN, markersize=7, label=f"then: {told.loss_after:.4g}")
    axes.plot([], [], color=NOW, linestyle="--", linewidth=1.4, label="steepest way down")
    axes.set_xlabel(area.names[0])
    axes.set_ylabel(area.names[1])
    axes.legend(frameon=True, framealpha=0.9, fontsize=9)
    axes.set_title("The loss over two weights, all else as it is", fontsize=11, loc="left")
    figure.colorbar(shades, ax=axes, label="loss")
    return figure
