"""A network drawn neuron by neuron, with numbers on its lines and in its neurons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .diagram import SIGNS, Group, Link, Plan
from .diagram_layout import MARGIN, WIDE, Box, Layout, lay_out, size_and_detail
from .svg import PLAIN, SMALL, Canvas, cut, exact, number, short, text_width, wrap

Array = np.ndarray[Any, Any]
MANY = 30  # lines between two columns, above which their numbers have two digits
NAME = 150.0  # how wide a name may be
LEAST_WIDTH = 340.0
ASIDE = 7.0


def draw_full(plan: Plan, canvas: Canvas, numbers: bool = True) -> tuple[float, float]:
    """Draw every neuron of the plan; returns the width and the height."""
    layout = draw_neurons(plan, canvas, numbers)
    width = max(layout.width, LEAST_WIDTH)
    return width, legend(plan, canvas, width, layout.height + 4)


def draw_neurons(plan: Plan, canvas: Canvas, numbers: bool, wide: float = WIDE) -> Layout:
    """Draw neurons, lines, and the numbers of neurons, with those of lines and biases if they are wanted."""
    for group in plan.groups:
        group.names = [cut(name, NAME) for name in group.names]
        group.title, group.detail = cut(group.title, NAME, PLAIN, bold=True), cut(group.detail, NAME)
    weighted = {i: link.weights for i, link in enumerate(plan.links) if link.weights is not None}
    digits = 3 if all(w.size <= MANY for w in weighted.values()) else 2
    texts = {i: _texts(w, digits) for i, w in weighted.items() if numbers and plan.edges != "none"}
    inside = [_inside(group, digits) for group in plan.groups]
    captions = [_captions(group, digits) if numbers else [] for group in plan.groups]
    layout = lay_out(plan, texts, inside, captions, wide)
    _lines(plan, layout, canvas)
    for skip in layout.skips:
        _skip(plan, layout, skip, canvas)
    halos = [(own.x, own.y, own.width) for labels in layout.labels.values() for own in labels]
    for box, texts_below in zip(layout.boxes, captions, strict=True):
        halos += [
            (box.x, y + box.half + 8, text_width(text, SMALL))
            for y, text in zip(box.ys, texts_below, strict=False)
        ]
    if halos:  # what lies behind numbers gives way to them
        boxes = "".join(
            f"M{number(x - wide / 2 - 1)} {number(y - 6)}h{number(wide + 2)}v12h-{number(wide + 2)}z"
            for x, y, wide in halos
        )
        canvas.add("path", d=boxes, class_="page", fill_opacity=0.92)
    for k, group in enumerate(plan.groups):
        _group(group, layout.boxes[k], layout.headers[k], inside[k], captions[k], plan.neurons, canvas)
    for i, own in layout.labels.items():
        values = np.ravel(plan.links[i].weights)  # type: ignore[arg-type]
        for label, w in zip(own, values, strict=True):
            canvas.text(label.x, label.y, label.text, anchor="middle", look=_text_look(float(w)))
    return layout


def _texts(weights: Array, digits: int) -> list[list[str]]:
    """Numbers for lines: where there are many, as few places after the point as the largest needs."""
    most = strongest([weights])
    if digits > 2 or not 0.01 <= most < 1e5 or not np.isfinite(weights).all():
        return [[short(w, digits) for w in row] for row in weights]
    places = max(0, 2 - math.floor(math.log10(most)))
    return [[f"{w:.{places}f}".replace("-", "−") if w else "0" for w in row] for row in weights.tolist()]


def _inside(group: Group, digits: int) -> list[str]:
    if group.numbers is not None:
        return [short(v, digits) if p >= 0 else "" for p, v in zip(group.places, group.numbers, strict=True)]
    signs = [sign for sign, word in SIGNS.values() if word == group.detail and group.kind == "join"]
    return [*signs, ""][:1] * group.size


def _captions(group: Group, digits: int) -> list[str]:
    if group.kind in ("input", "band"):
        return []
    if group.biases is None:
        return [f"[{k}]" for k in range(group.size)]
    return [f"b[{k}] {short(b, digits)}" for k, b in enumerate(group.biases)]


def look(value: float) -> str:
    """The class of a line or shade that stands for a number: by its sign."""
    return "plus" if value > 0 else "minus" if value < 0 else "thin"


def _text_look(value: float) -> str:
    return f"f{look(value)}" if value else "quiet"


def strongest(arrays: list[Array | None]) -> float:
    """The largest of all sizes that are finite; 1 where all are 0."""
    found = [np.abs(a[np.isfinite(a)]).max(initial=0.0) for a in arrays if a is not None]
    return float(max(found, default=0.0)) or 1.0


def _lines(plan: Plan, layout: Layout, canvas: Canvas) -> None:
    most = strongest([link.weights for link in plan.links])
    round_ = {id(skip.link) for skip in layout.skips}
    what = "d loss / d " if plan.edges == "gradients" else ""
    canvas.open(fill="none")
    for link in plan.links:
        a, b = layout.boxes[link.source], layout.boxes[link.target]
        if id(link) in round_:
            continue
        if link.weights is None:
            _pairs(link, a, b, canvas)
            continue
        order = np.argsort(np.abs(link.weights).ravel(), kind="stable")
        for j, k in zip(*np.unravel_index(order, link.weights.shape), strict=True):
            m, n = plan.groups[link.source].places[j], plan.groups[link.target].places[k]
            if m < 0 or n < 0:
                continue
            w = float(link.weights[j, k])
            size = min(abs(w) / most, 1.0) if np.isfinite(w) else 1.0
            path = _straight(a.x + a.half, a.ys[j], b.x - b.half, b.ys[k])
            if plan.edges == "none":
                canvas.add("path", d=path, class_="thin")
                continue
            tip = f"{what}{link.name}[{m}, {n}] = {exact(w)}"
            canvas.add(
                "path",
                tip,
                d=path,
                class_=look(w),
                stroke_width=0.7 + 3.6 * size,
                stroke_opacity=0.4 + 0.6 * size,
            )
    canvas.close()


def _straight(x1: float, y1: float, x2: float, y2: float) -> str:
    return f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"


def _pairs(link: Link, a: Box, b: Box, canvas: Canvas) -> None:
    if link.pairs:
        parts = [_straight(a.x + a.half, a.ys[j], b.x - b.half, b.ys[k]) for j, k in link.pairs]
        canvas.add("path", d="".join(parts), class_="thin")
    else:
        ends = [(a.x + a.half, a.ys), (b.x - b.half, b.ys)]
        (x1, ys1), (x2, ys2) = ends
        path = (
            f"M{number(x1)} {number(ys1[0])}L{number(x2)} {number(ys2[0])}V{number(ys2[-1])}"
            f"L{number(x1)} {number(ys1[-1])}z"
        )
        canvas.add("path", d=path, class_="thin", stroke_dasharray="3 3")


def _skip(plan: Plan, layout: Layout, skip: Any, canvas: Canvas) -> None:
    """A connection that goes round: a bus beside the first column, a track below, a bus beside the last."""
    a, b = layout.boxes[skip.link.source], layout.boxes[skip.link.target]
    pairs = skip.link.pairs
    from_ys = sorted({float(a.ys[j]) for j, _ in pairs})
    to_ys = sorted({float(b.ys[k]) for _, k in pairs})
    # A little below the middle of the neurons, apart from the lines to and from the columns beside.
    from_ys, to_ys = [y + ASIDE for y in from_ys], [y + ASIDE for y in to_ys]
    out, into = (math.sqrt(max(box.half**2 - ASIDE**2, 0)) for box in (a, b))
    stubs = [f"M{number(a.x + out)} {number(y)}H{number(skip.start)}" for y in from_ys]
    stubs += [f"M{number(skip.end)} {number(y)}H{number(b.x - into)}" for y in to_ys]
    round_ = (
        f"M{number(skip.start)} {number(from_ys[0])}V{number(skip.y)}H{number(skip.end)}V{number(to_ys[0])}"
    )
    canvas.add("path", d="".join([round_, *stubs]), class_="thin", fill="none", stroke_width=1.4)
    middle = (skip.start + skip.end) / 2
    names = f"{plan.groups[skip.link.source].title} → {plan.groups[skip.link.target].title}"
    text = cut(names, abs(skip.end - skip.start) - 12)
    wide = text_width(text, SMALL) + 6
    canvas.add("rect", x=middle - wide / 2, y=skip.y - 6, width=wide, height=12, class_="page")
    canvas.text(middle, skip.y, text, anchor="middle", look="quiet")


def _group(
    group: Group,
    box: Box,
    top: float,
    inside: list[str],
    captions: list[str],
    neurons: str,
    canvas: Canvas,
) -> None:
    canvas.text(box.x, top + 7, group.title, size=PLAIN, anchor="middle", bold=True)
    canvas.text(box.x, top + 22, size_and_detail(group), anchor="middle", look="quiet")
    most = strongest([group.numbers])
    if group.kind == "band":
        reach = 13.0
        canvas.add(
            "rect",
            x=box.x - box.half,
            y=box.ys[0] - reach,
            width=2 * box.half,
            height=box.ys[-1] - box.ys[0] + 2 * reach,
            rx=6,
            class_="panel",
        )
    what = "d loss / d " if neurons == "gradients" else "bias of " if neurons == "biases" else ""
    for k, (place, y) in enumerate(zip(group.places, box.ys, strict=True)):
        if place < 0:
            for dot in (-6, 0, 6):
                canvas.add("circle", cx=box.x, cy=y + dot, r=1.7, class_="fthin")
            continue
        value = None if group.numbers is None else float(group.numbers[k])
        tip = f"{group.title}[{place}]" if value is None else f"{what}{group.title}[{place}] = {exact(value)}"
        if group.kind != "band":
            canvas.add("circle", tip, cx=box.x, cy=y, r=box.half, class_="page rim", stroke_width=1.2)
            if value:
                shade = 0.35 * min(abs(value) / most, 1.0) if np.isfinite(value) else 0.35
                canvas.add(
                    "circle",
                    cx=box.x,
                    cy=y,
                    r=box.half,
                    class_=f"f{look(value)}",
                    fill_opacity=shade,
                    pointer_events="none",
                )
        canvas.text(box.x, y, inside[k], anchor="middle", tip=tip if group.kind == "band" else "")
        if captions:
            canvas.text(box.x, y + box.half + 8, captions[k], anchor="middle", look="quiet")
        if group.names and group.kind == "input":
            canvas.text(box.x - box.half - 6, y, group.names[k], anchor="end")
        elif group.names:
            canvas.text(box.x + box.half + 6, y, group.names[k])


def legend(plan: Plan, canvas: Canvas, width: float, y: float) -> float:
    """What colours and numbers mean, below the drawing; returns where it ends."""
    notes = []
    if plan.edges != "none":
        y += 12
        x = MARGIN
        for own, text in (("plus", "above 0"), ("minus", "below 0")):
            canvas.add("path", d=_straight(x, y, x + 22, y), class_=own, stroke_width=3)
            canvas.text(x + 28, y, text, look="quiet")
            x += 40 + text_width(text, SMALL)
        y += 6
        most = short(strongest([link.weights for link in plan.links]))
        what = {"weights": "weights", "gradients": "by how much the loss changes with each weight"}[
            plan.edges
        ]
        notes.append(f"Lines: {what}; the wider, the larger, up to {most}.")
        if any(group.biases is not None for group in plan.groups):
            own = "biases" if plan.edges == "weights" else "the same for biases"
            notes.append(f"b: {own}.")
    notes += plan.notes
    for line in wrap(" ".join(notes), width - 2 * MARGIN):
        y += 16
        canvas.text(MARGIN, y, line, look="quiet")
    return y + MARGIN
