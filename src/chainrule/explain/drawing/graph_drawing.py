"""`draw_graph`: the computation graph of a tensor or a network's step, with each node's data and gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...autodiff.gradient import backpropagate
from ...checks import counted, positive_int
from ...emit.formula import formula
from ...errors import DTypeError, ParameterError, unknown_name
from ...graph.op import Kind
from ...graph.tensor import LEAF, Tensor, topological
from ..step import Step
from .diagram import picked
from .layering import layered
from .svg import (
    PLAIN,
    SMALL,
    Canvas,
    Picture,
    check_theme,
    cut,
    exact,
    finished,
    number,
    print_scale,
    short,
    text_width,
    wrap,
)

if TYPE_CHECKING:
    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
MOST = 150  # nodes that can be drawn
DETAILS = ("named", "ops")
SIGNS = {
    "add": "+",
    "divide": "÷",
    "matmul": "@",
    "multiply": "×",
    "negative": "−",
    "subtract": "−",
}
LINE, PAD, APART, MARGIN = 15.0, 7.0, 16.0, 20.0
BETWEEN, BELOW_EACH = 46.0, 32.0  # from layer to layer, side by side and below each other
LEAST_WIDTH = 260.0
WIDEST = 230.0  # of a line in a box
ROWS, COLUMNS = 4, 4  # of a matrix whose numbers are all shown
DEEPEST = 6  # ops of a formula, one inside the other


@dataclass
class Item:
    """A node as it is drawn: the op's sign, lines of text and how they look, and a browser's tip."""

    sign: str
    lines: list[tuple[str, str]]
    tip: str
    kind: str
    inputs: list[int]

    @property
    def sign_width(self) -> float:
        return text_width(self.sign, PLAIN, bold=True) + 2 * PAD if self.sign else 0.0

    @property
    def width(self) -> float:
        wide = [text_width(line, SMALL, bold=look == "bold") for line, look in self.lines]
        return self.sign_width + (max(wide) + 2 * PAD if wide else 0.0)

    @property
    def height(self) -> float:
        return max(len(self.lines), 1) * LINE + PAD


def draw_graph(
    tensor: Tensor, *, detail: str = "ops", depth: int | None = None, theme: str = "auto"
) -> Picture:
    """The graph that a tensor is made of, with each node's value and the tensor's derivative by it.

    Parameters
    ----------
    tensor : Tensor
        Where the graph ends. Derivatives are its own by each node, so it needs to be one number for there to
        be some. Nodes that depend on a place without a value have their shape alone.
    detail : {"ops", "named"}
        A box for every op; or only for tensors that have a name, each with its formula.
    depth : int, optional
        How many ops to go back from the tensor; all where it is left out.
    theme : {"auto", "light", "dark"}
        Colours; "auto" asks the viewer's system.

    Returns
    -------
    Picture
        As SVG; a notebook shows it, and its `save` writes it to a file.

    Raises
    ------
    DTypeError
        If `tensor` is none.
    UnknownNameError
        If there is no such detail or theme.
    ParameterError
        If depth is not a positive int, or more than 150 nodes would have to be drawn.

    Examples
    --------
    >>> import chainrule as cr
    >>> a, b = cr.tensor(2.0, name="a"), cr.tensor(-3.0, name="b")
    >>> cr.draw_graph(a * b + cr.tanh(a)).title
    'graph of add, 5 nodes'
    """
    if not isinstance(tensor, Tensor):
        raise DTypeError(f"draw_graph: expected a tensor, got {tensor!r:.60}. Pass e.g. loss.")

    def values(nodes: Sequence[Tensor]) -> list[Array | None]:
        blank = _without_value(nodes)
        return [None if node in blank else node.numpy() for node in nodes]

    return _draw([tensor], tensor, values, detail, depth, theme)


def draw_network_graph(
    network: MeasuredNetwork,
    X: Any,
    y: Any = None,
    rows: int | Sequence[int] | None = None,
    detail: str = "named",
    depth: int | None = None,
    theme: str = "auto",
) -> Picture:
    """See `Network.draw_graph`."""
    step = Step(network, *picked(network, X, y, rows)[:2])
    roots = network.graph.predictions if step.loss is None else [step.loss]

    def values(nodes: Sequence[Tensor]) -> list[Array | None]:
        return list(step.values(nodes))

    return _draw(roots, step.loss, values, detail, depth, theme)


def _without_value(nodes: Sequence[Tensor]) -> set[Tensor]:
    """The nodes that depend on a place without a value."""
    blank: set[Tensor] = set()
    for node in topological(nodes):
        if (node.op is LEAF and node.value is None) or any(x in blank for x in node.inputs):
            blank.add(node)
    return blank


def _draw(
    roots: Sequence[Tensor],
    loss: Tensor | None,
    values: Callable[[Sequence[Tensor]], list[Array | None]],
    detail: str,
    depth: int | None,
    theme: str,
) -> Picture:
    check_theme(theme)
    if detail not in DETAILS:
        raise unknown_name("draw_graph: detail", detail, DETAILS)
    if depth is not None:
        depth = positive_int(depth, "draw_graph: depth", "depth=5")
    inputs = _named(roots, depth) if detail == "named" else _every(roots, depth)
    nodes = list(inputs)
    name = ", ".join(root.name or root.op.name for root in roots)
    if len(nodes) > MOST:
        smaller = (
            "depth=5" if detail == "named" else "depth=5, or detail='named' for tensors with names alone"
        )
        raise ParameterError(
            f"draw_graph: the graph of {name} has {counted(len(nodes), 'node')}, and up to {MOST} can be "
            f"drawn. Draw a part of it: pass {smaller}, or a tensor inside it."
        )
    slopes: dict[Tensor, Tensor] = {}
    if loss is not None and loss.dtype.kind == "f" and all(size == 1 for size in loss.shape):
        real = [x for x in nodes if x.dtype.kind == "f" and x.op.kind is not Kind.CONTROL]
        found = backpropagate(loss, real)
        slopes = {x: found[x] for x in real if x in found}
    shown = [x for x in nodes if x.op.kind is not Kind.CONTROL]
    data = dict(zip([*shown, *slopes.values()], values([*shown, *slopes.values()]), strict=True))
    number_of = {x: k for k, x in enumerate(nodes)}
    items = [
        _item(
            x, data.get(x), data.get(slopes[x]) if x in slopes else None, detail, [number_of[i] for i in own]
        )
        for x, own in inputs.items()
    ]
    title = f"graph of {name}, {counted(len(nodes), 'node')}"
    of = None if loss is None or not slopes else loss.name or loss.op.name
    canvas = Canvas()
    width, height = _paint(items, canvas, of, depth)
    lines = [" ".join([item.sign, *(line for line, _ in item.lines)]).strip() + "." for item in items]
    return finished(canvas, width, height, title, lines, theme)


def _every(roots: Sequence[Tensor], depth: int | None) -> dict[Tensor, list[Tensor]]:
    """The nodes to draw, inputs first, and those of its inputs that are drawn as well."""
    near = _within(roots, depth, lambda node: node.inputs)
    order = [node for node in topological(roots) if node in near]
    last = set() if depth is None else {node for node, far in near.items() if far == depth}
    return {node: [] if node in last else [x for x in node.inputs if x in near] for node in order}


def _named(roots: Sequence[Tensor], depth: int | None) -> dict[Tensor, list[Tensor]]:
    """The same, of tensors with a name alone: inputs are the next named ones on the way back."""
    order = topological(roots)
    ends = set(roots)
    below: dict[Tensor, list[Tensor]] = {}  # of every node, the named ones that its expression is made of
    for node in order:
        found: dict[Tensor, None] = {}
        for x in node.inputs:
            found |= dict.fromkeys([x] if x.name else below[x])
        below[node] = list(found)
    near = _within(roots, depth, lambda node: below[node])
    last = set() if depth is None else {node for node, far in near.items() if far == depth}
    return {
        node: [] if node in last else [x for x in below[node] if x in near]
        for node in order
        if node in near and (node.name or node in ends)
    }


def _within(
    roots: Sequence[Tensor], depth: int | None, inputs: Callable[[Tensor], Sequence[Tensor]]
) -> dict[Tensor, int]:
    """How many steps each node is from the nearest root, of those that are near enough."""
    near = dict.fromkeys(roots, 0)
    edge = list(near)
    while edge and (depth is None or near[edge[0]] < depth):
        edge = list(dict.fromkeys(x for node in edge for x in inputs(node) if x not in near))
        near |= dict.fromkeys(edge, max(near.values()) + 1)
    return near


def _item(node: Tensor, data: Array | None, slope: Array | None, detail: str, inputs: list[int]) -> Item:
    if node.op.kind is Kind.SOURCE and node.op is not LEAF:
        text = node.op.name if data is None else short(float(data), 6)
        return Item("", [(text, "ink")], "", "constant", inputs)
    sign = SIGNS.get(node.op.name, node.op.name.replace("_", " ")) if node.inputs else ""
    lines = [(cut(node.name, WIDEST, bold=True), "bold")] if node.name else []
    if detail == "named" and node.inputs:
        sign, text = "", formula(node, depth=DEEPEST)
        text = f"= {text.partition(' = ')[2]}" if node.name else text
        lines += [(cut(line, WIDEST), "ink") for line in wrap(text, WIDEST)]
    if data is None:
        lines.append((f"shape {node.shape}" if node.shape else "no value", "quiet"))
    else:
        lines += [(line, "ink") for line in _numbers("data", data)]
    if slope is not None:
        lines += [(line, "fplus") for line in _numbers("grad", slope)]
    tips = [
        f"{what} = {exact(float(value.item()))}"
        for what, value in (("data", data), ("grad", slope))
        if value is not None and value.size == 1
    ]
    return Item(sign, lines, "; ".join(tips), "op" if node.inputs else "leaf", inputs)


def _numbers(what: str, value: Array) -> list[str]:
    """A value as lines of text: all of it where it is small."""
    if value.size == 1:
        return [f"{what} {short(value.item(), 4)}"]
    size = " × ".join(map(str, value.shape))
    if not value.size:
        return [f"{what} {size}"]
    if value.ndim <= 2 and value.shape[-1] <= COLUMNS and (value.ndim == 1 or len(value) <= ROWS):
        rows = [", ".join(short(x) for x in row) for row in np.atleast_2d(value)]
        if value.ndim == 1:
            return [f"{what} [{rows[0]}]"]
        return [f"{what} [{rows[0]}]", *(f"[{row}]" for row in rows[1:])]
    return [f"{what} {size}, {short(value.min(), 2)} to {short(value.max(), 2)}"]


@dataclass
class Placed:
    """Boxes by their left and top; lines by their points, from where they leave to where they arrive."""

    corners: list[tuple[float, float]]
    lines: list[list[tuple[float, float]]]
    down: bool

    def size(self, items: list[Item]) -> tuple[float, float]:
        """How far they reach to the right and down."""
        ends = [(x + own.width, y + own.height) for (x, y), own in zip(self.corners, items, strict=True)]
        ends += [point for line in self.lines for point in line]
        return max(x for x, _ in ends), max(y for _, y in ends)


def _place(items: list[Item], down: bool) -> Placed:
    """Places with layers from left to right, or from the top down."""
    along = [item.height if down else item.width for item in items]
    across = [item.width if down else item.height for item in items]
    places = layered([item.inputs for item in items], across, APART)
    at: dict[int, float] = {}
    thick: dict[int, float] = {}
    start = MARGIN
    for own in places.layers:
        wide = max([0.0, *(along[k] for k in own if k < len(items))])
        at |= dict.fromkeys(own, start)
        thick |= dict.fromkeys(own, wide)
        start += wide + (BELOW_EACH if down else BETWEEN)

    def turned(a: float, b: float) -> tuple[float, float]:
        return (b, a) if down else (a, b)

    corners = [
        turned(at[k] + (thick[k] - along[k]) / 2, MARGIN + float(places.height[k]) - across[k] / 2)
        for k in range(len(items))
    ]
    lines = []
    for path in places.paths:
        spots = []
        for i, k in enumerate(path):
            b = MARGIN + float(places.height[k])
            if i == 0:
                spots += [turned(at[k] + (thick[k] + along[k]) / 2, b), turned(at[k] + thick[k], b)]
            elif i == len(path) - 1:
                spots += [turned(at[k], b), turned(at[k] + (thick[k] - along[k]) / 2, b)]
            else:
                spots += [turned(at[k], b), turned(at[k] + thick[k], b)]
        lines.append(spots)
    return Placed(corners, lines, down)


def _paint(items: list[Item], canvas: Canvas, of: str | None, depth: int | None) -> tuple[float, float]:
    """Draw it in the direction in which it prints larger."""
    tried = [_place(items, down) for down in (False, True)]
    best = max(tried, key=lambda placed: print_scale(*placed.size(items)))
    _edges(best, canvas)
    for item, (left, top) in zip(items, best.corners, strict=True):
        _box(item, left, top, canvas)
    right, bottom = best.size(items)
    notes = ["data: the value."]
    if of:
        notes.append(f"grad: the derivative of {of} by it.")
    if depth is not None:
        notes.append(f"Drawn {counted(depth, 'step')} back.")
    width, y = max(right + MARGIN, LEAST_WIDTH), bottom + 6
    for line in wrap(" ".join(notes), width - 2 * MARGIN):
        y += LINE
        canvas.text(MARGIN, y, line, look="quiet")
    return width, y + MARGIN


def _edges(placed: Placed, canvas: Canvas) -> None:
    """Lines from nodes to their users, straight where they leave and arrive, with a point at the end."""
    lines, points = [], []
    for (x, y), *spots in placed.lines:
        text = f"M{number(x)} {number(y)}"
        for x2, y2 in spots:
            if x == x2 or y == y2:
                text += f"L{number(x2)} {number(y2)}"
            else:
                p, q = (x + x2) / 2, (y + y2) / 2
                ends = (x, q, x2, q) if placed.down else (p, y, p, y2)
                text += "C" + " ".join(number(value) for value in (*ends, x2, y2))
            x, y = x2, y2
        lines.append(text)
        points.append(f"M{number(x)} {number(y)}" + ("l-3.5 -7h7z" if placed.down else "l-7 -3.5v7z"))
    if lines:
        canvas.add("path", d="".join(lines), class_="thin", fill="none", stroke_width=1.3)
        canvas.add("path", d="".join(points), class_="fthin")


def _box(item: Item, left: float, top: float, canvas: Canvas) -> None:
    look = {"op": "panel", "leaf": "page rim", "constant": "page thin"}[item.kind]
    canvas.add(
        "rect",
        item.tip,
        x=left,
        y=top,
        width=item.width,
        height=item.height,
        rx=5,
        class_=look,
        stroke_width=1.2,
    )
    middle = top + item.height / 2
    if item.sign:
        canvas.text(left + item.sign_width / 2, middle, item.sign, size=PLAIN, anchor="middle", bold=True)
        if item.lines:
            x = left + item.sign_width
            canvas.add("path", d=f"M{number(x)} {number(top)}v{number(item.height)}", class_="thin")
    for i, (line, own) in enumerate(item.lines):
        y, bold = top + PAD / 2 + LINE * (i + 0.5), own == "bold"
        canvas.text(left + item.sign_width + PAD, y, line, look="ink" if bold else own, bold=bold)
