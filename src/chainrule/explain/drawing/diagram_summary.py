"""A large network in short: the first and last neurons of every layer, and below them the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .diagram import Group, Link, Plan
from .diagram_full import LEAST_WIDTH, draw_neurons, legend, strongest
from .diagram_layout import LINE, Layout
from .svg import Canvas, cut, number, short

Array = np.ndarray[Any, Any]
SHOWN, FIRST, LAST = 8, 5, 2  # up to so many neurons all are drawn; else the first, dots, and the last
PANEL, HEAT, BARS = 132.0, 96.0, 26.0  # the width of a panel of weights, its map's side, its bars' height
CELLS, BINS, LEAST_SIDE = 48, 32, 0.4


def draw_summary(plan: Plan, canvas: Canvas) -> tuple[float, float]:
    """Draw the first and last neurons of each layer, and maps and distributions of the weights."""
    reduced = shortened(plan)
    layout = draw_neurons(reduced, canvas, numbers=False, wide=PANEL + 6)
    bottom = layout.height + 6
    if plan.edges != "none":
        bottom = _panels(plan, layout, canvas, bottom)
    width = max(layout.width, LEAST_WIDTH)
    reduced.notes = list(plan.notes)
    if plan.edges != "none":
        reduced.notes.append(
            "Maps: a row for each input, a column for each neuron, every cell the mean of what lies in it. "
            "Bars: how many are of which size."
        )
    reduced.groups = [replace(group, biases=None) for group in reduced.groups]
    reduced.links = plan.links  # of all weights, not of the lines drawn alone, the largest is told
    return width, legend(reduced, canvas, width, bottom)


def shortened(plan: Plan) -> Plan:
    """The plan with the first and last neurons of large groups alone."""
    groups = [_shortened_group(group) for group in plan.groups]
    links = []
    for link in plan.links:
        rows, columns = groups[link.source].places, groups[link.target].places
        weights = None
        if link.weights is not None:
            weights = link.weights[np.ix_(rows, columns)]
        slot_j = {place: slot for slot, place in enumerate(rows) if place >= 0}
        slot_k = {place: slot for slot, place in enumerate(columns) if place >= 0}
        pairs = [(slot_j[j], slot_k[k]) for j, k in link.pairs if j in slot_j and k in slot_k]
        links.append(Link(link.source, link.target, link.name, weights, pairs))
    return Plan(groups, links, plan.edges, plan.neurons, plan.notes, plan.title)


def _shortened_group(group: Group) -> Group:
    if group.size <= SHOWN:
        return replace(group)
    places = [*range(FIRST), -1, *range(group.size - LAST, group.size)]
    return replace(
        group,
        size=len(places),
        whole=group.size,
        places=places,
        names=[group.names[k] if k >= 0 else "" for k in places] if group.names else [],
        numbers=None if group.numbers is None else group.numbers[places],
        biases=None if group.biases is None else group.biases[places],
    )


def _panels(plan: Plan, layout: Layout, canvas: Canvas, top: float) -> float:
    """A panel for each link with weights, below the middle of its lines; returns where the lowest ends."""
    used: dict[float, float] = {}
    where = {k: c for c, column in enumerate(layout.columns) for k in column}
    for link in plan.links:
        if link.weights is None:
            continue
        c = where[link.target]
        left = max(layout.boxes[k].x + layout.boxes[k].half for k in layout.columns[c - 1])
        right = min(layout.boxes[k].x - layout.boxes[k].half for k in layout.columns[c])
        middle = (left + right) / 2
        used[c] = _panel(link, canvas, middle, used.get(c, top))
    return max(used.values(), default=top)


def _panel(link: Link, canvas: Canvas, middle: float, y: float) -> float:
    weights = np.asarray(link.weights, dtype=np.float64)
    inputs, units = weights.shape
    cells = coarse(weights)
    high, wide = (HEAT * max(LEAST_SIDE, size / max(inputs, units)) for size in (inputs, units))
    y += LINE / 2
    canvas.text(middle, y, cut(link.name, PANEL), anchor="middle", bold=True)
    y += LINE
    canvas.text(middle, y, f"{inputs:,} × {units:,}", anchor="middle", look="quiet")
    y += 10
    canvas.add(
        "rect",
        x=middle - wide / 2 - 1,
        y=y - 1,
        width=wide + 2,
        height=high + 2,
        class_="page thin",
    )
    tip = f"{link.name}: every cell is the mean of what lies in it"
    canvas.image(cells / strongest([cells]), middle - wide / 2, y, wide, high, tip)
    y += high + 8
    y = _bars(weights, canvas, middle, y)
    finite = weights[np.isfinite(weights)]
    low, most = (short(value, 2) for value in (weights.min(), weights.max()))
    y += LINE / 2
    canvas.text(middle - PANEL / 2, y, low, look="quiet")
    canvas.text(middle + PANEL / 2, y, most, anchor="end", look="quiet")
    y += LINE
    spread = short(float(finite.std()), 2) if finite.size else "NaN"
    canvas.text(middle, y, f"standard deviation {spread}", anchor="middle", look="quiet")
    return y + LINE


def coarse(weights: Array, most: int = CELLS) -> Array:
    """Means over blocks of weights, at most so many rows and columns of them."""
    for axis in (0, 1):
        size = weights.shape[axis]
        if size > most:
            starts = np.arange(most) * size // most
            counts = np.diff([*starts, size])
            shape = (-1, 1) if axis == 0 else (1, -1)
            weights = np.add.reduceat(weights, starts, axis=axis) / counts.reshape(shape)
    return weights


def _bars(weights: Array, canvas: Canvas, middle: float, y: float) -> float:
    """How many weights are of which size, from the smallest to the largest, with 0 marked."""
    finite = weights[np.isfinite(weights)]
    left = middle - PANEL / 2
    if finite.size and finite.min() < finite.max():
        low, high = float(finite.min()), float(finite.max())
        counts, edges = np.histogram(finite, bins=BINS, range=(low, high))
        step = PANEL / BINS
        for sign in ("plus", "minus"):
            chosen = [
                (k, count)
                for k, count in enumerate(counts)
                if count and ((edges[k] + edges[k + 1] >= 0) == (sign == "plus"))
            ]
            path = "".join(
                f"M{number(left + k * step)} {number(y + BARS)}v-{number(BARS * count / counts.max())}"
                f"h{number(step - 0.6)}V{number(y + BARS)}z"
                for k, count in chosen
            )
            if path:
                canvas.add("path", d=path, class_=f"f{sign}")
        if low < 0 < high:
            zero = left - low / (high - low) * PANEL
            canvas.add("path", d=f"M{number(zero)} {number(y)}V{number(y + BARS + 3)}", class_="rim")
    canvas.add("path", d=f"M{number(left)} {number(y + BARS)}h{number(PANEL)}", class_="thin")
    return y + BARS + 2
