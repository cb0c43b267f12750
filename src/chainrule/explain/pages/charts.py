"""Charts for pages, as SVG that takes the page's colours: lines over epochs, and points about a diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
WIDTH, HEIGHT = 520.0, 300.0  # pixels
LEFT, RIGHT, TOP, BOTTOM = 58.0, 92.0, 14.0, 40.0  # what axes and names take of them
POINTS = 400  # of a line or cloud: more cannot be told apart
Line = tuple[str, Sequence[float], Sequence[float]]


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, at most so many.

    >>> ticks(0.0, 20.0)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    raw = (high - low) / max(1, most - 1)
    if not raw > 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Frame:
    """Axes with their numbers; turns values into places."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], names: tuple[str, str]) -> None:
        self.x, self.y = _widened(*x), _widened(*y)
        self.parts: list[str] = []
        for value in ticks(*self.y):
            place = self.down(value)
            self.parts.append(
                f'<path class="grid" stroke-width="1" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>'
            )
            self.parts.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value in ticks(*self.x):
            place = self.across(value)
            self.parts.append(
                f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        below, beside = map(escape, names)
        self.parts.append(
            f'<text class="quiet" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{below}</text>'
        )
        self.parts.append(f'<text class="quiet" x="4" y="{TOP + 2}">{beside}</text>')

    def across(self, value: float) -> float:
        low, high = self.x
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def down(self, value: float) -> float:
        low, high = self.y
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM - 14)

    def svg(self, key: str, title: str, description: str) -> str:
        """The picture, with its text for those who do not see it."""
        return (
            f'<svg class="chart" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}" '
            f'role="img" aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(title)}</title>'
            f'<desc id="{key}-d">{escape(description)}</desc>{"".join(self.parts)}</svg>'
        )


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that is not empty."""
    if high > low:
        return low, high
    return low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2


def lines(key: str, title: str, measure: str, drawn: Sequence[Line], floor: float | None = None) -> str:
    """Lines over epochs, the name of each at its end.

    Parameters
    ----------
    key : str
        What its elements' names begin with.
    title, measure : str
    drawn : sequence of (str, sequence of float, sequence of float)
        Name, epochs and values: one or two lines; what is not finite is left out.
    floor : float, optional
        Where the axis of values begins, if they do not lie below.
    """
    kept = [(name, *_finite(x, y)) for name, x, y in drawn]
    every = np.concatenate([y for _, _, y in kept])
    low = min(every.min(), every.min() if floor is None else floor)
    frame = Frame(
        (min(x.min() for _, x, _ in kept), max(x.max() for _, x, _ in kept)),
        (low, every.max()),
        ("epoch", measure),
    )
    places: list[float] = []
    for (name, x, y), kind in zip(kept, ("one", "two"), strict=False):
        path = "L".join(f"{frame.across(a):.1f} {frame.down(b):.1f}" for a, b in zip(x, y, strict=True))
        frame.parts.append(f'<path class="{kind}" d="M{path}{"h.01" if len(x) == 1 else ""}"/>')
        place = frame.down(y[-1]) + 4
        while any(abs(place - other) < 14 for other in places):
            place -= 14
        places.append(place)
        frame.parts.append(
            f'<text class="{kind}" x="{WIDTH - RIGHT + 8}" y="{place:.1f}">{escape(name)}</text>'
        )
    told = "; ".join(
        f"{name} from {y[0]:.4g} in epoch {x[0]:g} to {y[-1]:.4g} in epoch {x[-1]:g}, least {y.min():.4g}, "
        f"largest {y.max():.4g}"
        for name, x, y in kept
    )
    return frame.svg(key, title, f"{measure} over epochs: {told}.")


def _finite(x: Sequence[float | None], y: Sequence[float | None]) -> tuple[Array, Array]:
    places = np.array(x, np.float64), np.array(y, np.float64)
    kept = np.isfinite(places[1])
    if not kept.any():
        return np.zeros(1), np.zeros(1)
    chosen = np.flatnonzero(kept)
    if len(chosen) > POINTS:
        chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, POINTS).astype(int))]
    return places[0][chosen], places[1][chosen]


def points(key: str, title: str, names: tuple[str, str], x: Array, y: Array) -> str:
    """A cloud of points, with the line on which both are the same."""
    chosen = np.unique(np.linspace(0, len(x) - 1, POINTS).astype(int))
    a, b = x[chosen].astype(np.float64), y[chosen].astype(np.float64)
    low, high = float(min(a.min(), b.min())), float(max(a.max(), b.max()))
    frame = Frame((low, high), (low, high), names)
    (x1, y1), (x2, y2) = ((frame.across(v), frame.down(v)) for v in frame.x)
    diagonal = f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    frame.parts.append(f'<path class="grid" stroke-width="1.5" d="{diagonal}"/>')
    frame.parts += [
        f'<circle cx="{frame.across(p):.1f}" cy="{frame.down(q):.1f}" r="2.6"/>'
        for p, q in zip(a, b, strict=True)
    ]
    r = f"{np.corrcoef(a, b)[0, 1]:.3f}" if len(a) > 1 and a.std() > 0 and b.std() > 0 else "undefined"
    told = (
        f"{len(a):,} points; {names[0]} from {a.min():.4g} to {a.max():.4g}, {names[1]} from {b.min():.4g} "
        f"to {b.max():.4g}; their correlation is {r}."
    )
    return frame.svg(key, title, told)
