"""Where the parts of a network's diagram stand, so that no two of its labels meet."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .diagram import Group, Link, Plan
from .svg import ABOVE, BELOW, PLAIN, SMALL, UNSCALED, print_scale, text_width

Array = np.ndarray[Any, Any]

MARGIN = 20.0
LEAST_RADIUS, BAND = 14.0, 16.0
LINE = SMALL * (ABOVE + BELOW) + 1.5  # what one line of small type takes
HEADER = 2 * LINE + 8
CHANNEL = 14.0  # beside a column, for a connection that goes round others
NARROW, WIDE, ENDS = 44.0, 104.0, 12.0  # between columns; and what lines have free at both ends
STRETCH = (
    1.0,
    1.12,
    1.25,
    1.4,
    1.6,
    1.8,
)  # of the distance between neurons
ENOUGH = 0.96  # of the largest print that stretching can reach: the least stretch that comes so far is taken
LEGEND = 80.0  # about what the legend will take below
MANY = 1 << 30  # more lines than there are


@dataclass
class Box:
    """A group's place: its neurons stand at (x, ys[k]); left and right of x its texts reach so far.

    `half` is a neuron's radius, or half a band's width.
    """

    x: float
    ys: Array
    half: float
    left: float
    right: float


@dataclass
class Label:
    """A number on a line: the middle of its text, and its width."""

    x: float
    y: float
    text: str
    width: float


@dataclass
class Skip:
    """A connection that goes round the columns between: down at the first x, along at y, up at the second."""

    link: Link
    start: float
    end: float
    y: float


@dataclass
class Layout:
    """The whole: boxes in the groups' order, labels in the order of the links' weights.

    `headers` are the heights of the groups' headers.
    """

    boxes: list[Box]
    headers: list[float]
    labels: dict[int, list[Label]]
    skips: list[Skip]
    width: float
    height: float
    pitch: float = 0.0
    columns: list[list[int]] = field(default_factory=list)


def columns_of(plan: Plan) -> list[list[int]]:
    """The groups by the column that each stands in: one after the last that it takes numbers from."""
    depth = [0] * len(plan.groups)
    for link in plan.links:
        depth[link.target] = max(depth[link.target], depth[link.source] + 1)
    columns: list[list[int]] = [[] for _ in range(max(depth) + 1)]
    for k, own in enumerate(depth):
        columns[own].append(k)
    height = {k: float(i) for column in columns for i, k in enumerate(column)}
    for column in columns[1:]:
        near = {k: [height[link.source] for link in plan.links if link.target == k] for k in column}
        column.sort(key=lambda k: float(np.mean(near[k])) if near[k] else 0.0)
        height |= {k: float(i) for i, k in enumerate(column)}
    return columns


def lay_out(
    plan: Plan,
    texts: dict[int, list[list[str]]],
    inside: Sequence[Sequence[str]],
    captions: Sequence[Sequence[str]],
    wide: float = WIDE,
) -> Layout:
    """Places for all of it.

    Parameters
    ----------
    plan : Plan
    texts : dict of int to list of list of str
        By the number of a link, what stands on its lines: a list for each source, of one for each target.
    inside, captions : sequence of sequence of str
        For every group, what stands in its neurons, and under them.
    wide : float
        How far columns with weights between them are apart at least.
    """
    columns = columns_of(plan)
    radius = LEAST_RADIUS
    for group, own in zip(plan.groups, inside, strict=True):
        if group.kind != "band":
            radius = max([radius, *(text_width(text, SMALL) / 2 + 4 for text in own)])
    under = LINE + 2 if any(map(len, captions)) else 0.0
    pitch = max(2 * radius + under + 8, 30.0)
    tried = []
    for stretch in STRETCH:
        found = _attempt(plan, columns, texts, inside, captions, radius, pitch * stretch, under, wide)
        tried.append((print_scale(found.width, found.height + LEGEND), found))
        if tried[-1][0] == UNSCALED:
            break
    best = max(scale for scale, _ in tried)
    return next(found for scale, found in tried if scale >= ENOUGH * best)


def _attempt(
    plan: Plan,
    columns: list[list[int]],
    texts: dict[int, list[list[str]]],
    inside: Sequence[Sequence[str]],
    captions: Sequence[Sequence[str]],
    radius: float,
    pitch: float,
    under: float,
    wide: float,
) -> Layout:
    stacked = any(len(column) > 1 for column in columns)
    apart = HEADER + under + 6 if stacked else 0.0
    heights = [sum(plan.groups[k].size * pitch + apart for k in column) for column in columns]
    top, tallest = MARGIN + (0.0 if stacked else HEADER), max(heights)
    boxes: list[Box] = [Box(0, np.zeros(0), 0, 0, 0)] * len(plan.groups)
    headers = [MARGIN] * len(plan.groups)
    for column, height in zip(columns, heights, strict=True):
        y = top + (tallest - height) / 2
        for k in column:
            if stacked:
                headers[k] = y + under / 2
                y += apart
            group = plan.groups[k]
            boxes[k] = _box(group, y + pitch * (np.arange(group.size) + 0.5), inside[k], captions[k], radius)
            if stacked:  # a header may stand beside lines then: nothing else may come where it is
                half = header_width(group) / 2 + 2
                boxes[k].left, boxes[k].right = max(boxes[k].left, half), max(boxes[k].right, half)
            y += group.size * pitch
    where = {k: c for c, column in enumerate(columns) for k in column}
    round_ = [link for link in plan.links if where[link.target] > where[link.source] + 1]
    labels: dict[int, list[Label]] = {}
    x = MARGIN
    for c, column in enumerate(columns):
        left = max(boxes[k].left for k in column)
        if c == 0:
            x += max([left, *(header_width(plan.groups[k]) / 2 for k in column)])
        else:
            x += _gap(plan, boxes, columns[c - 1], column, where, c, round_, texts, labels, x, wide)
        for k in column:
            boxes[k].x = x
    last = columns[-1]
    width = x + max([*(boxes[k].right for k in last), *(header_width(plan.groups[k]) / 2 for k in last)])
    bottom = top + tallest + 2
    skips = []
    for i, link in enumerate(round_):
        start = _right(boxes, columns[where[link.source]]) + CHANNEL * (1 + _before(round_, i, where, True))
        end = _left(boxes, columns[where[link.target]]) - CHANNEL * (1 + _before(round_, i, where, False))
        skips.append(Skip(link, start, end, bottom + LINE * (i + 1)))
    height = bottom + (LINE * (len(skips) + 1) if skips else 0)
    return Layout(boxes, headers, labels, skips, width + MARGIN, height, pitch, columns)


def header_width(group: Group) -> float:
    """How much room the two lines above a group take."""
    lines = (text_width(group.title, PLAIN, bold=True), text_width(size_and_detail(group), SMALL))
    return max(lines) + 12


def size_and_detail(group: Group) -> str:
    """The second line above a group.

    >>> size_and_detail(Group("units", "hidden1", "tanh", 3))
    '3 × tanh'
    """
    if group.kind == "band" and group.detail:
        return group.detail
    return f"{group.whole:,} × {group.detail}" if group.detail else f"{group.whole:,}"


def _box(group: Group, ys: Array, inside: Sequence[str], captions: Sequence[str], radius: float) -> Box:
    half = radius
    if group.kind == "band":
        half = max([BAND / 2, *(text_width(text, SMALL) / 2 + 5 for text in inside)])
    wide = max([half, *(text_width(text, SMALL) / 2 + 2 for text in captions)])
    beside = max([0.0, *(text_width(name, SMALL) + 10 for name in group.names)])
    at_left = group.kind == "input"
    left = max(wide, half + beside if at_left else 0)
    right = max(wide, 0 if at_left else half + beside)
    return Box(0.0, ys, half, left, right)


def _right(boxes: Sequence[Box], column: Sequence[int]) -> float:
    return max(boxes[k].x + boxes[k].right for k in column)


def _left(boxes: Sequence[Box], column: Sequence[int]) -> float:
    return min(boxes[k].x - boxes[k].left for k in column)


def _before(links: Sequence[Link], i: int, where: dict[int, int], at_start: bool) -> int:
    """How many earlier connections use the same channel."""
    own = links[i].source if at_start else links[i].target
    ends = [link.source if at_start else link.target for link in links[:i]]
    return sum(where[k] == where[own] for k in ends)


def _gap(
    plan: Plan,
    boxes: list[Box],
    before: Sequence[int],
    after: Sequence[int],
    where: dict[int, int],
    c: int,
    round_: Sequence[Link],
    texts: dict[int, list[list[str]]],
    labels: dict[int, list[Label]],
    x: float,
    apart: float,
) -> float:
    """How far apart two columns stand; enters the labels between them."""
    going = sum(where[link.source] == c - 1 for link in round_) * CHANNEL
    coming = sum(where[link.target] == c for link in round_) * CHANNEL
    right = max(boxes[k].right for k in before) + (going + 6 if going else 0)
    left = max(boxes[k].left for k in after) + (coming + 6 if coming else 0)
    between = [i for i, link in enumerate(plan.links) if link.source in before and link.target in after]
    weighted = [i for i in between if plan.links[i].weights is not None]
    least = right + left + (apart if weighted else NARROW)
    if all(len(column) == 1 for column in (before, after)):
        headers = (header_width(plan.groups[k]) / 2 for k in (before[0], after[0]))
        least = max(least, sum(headers) + 8)
    labelled = [i for i in weighted if i in texts]
    if not labelled:
        return least
    lines = [
        (i, plan.links[i].source, j, plan.links[i].target, k)
        for i in labelled
        for j in range(plan.groups[plan.links[i].source].size)
        for k in range(plan.groups[plan.links[i].target].size)
    ]
    words = [texts[i][j][k] for i, _, j, _, k in lines]
    wide = max(text_width(word, SMALL) for word in words) + 5
    y1 = np.array([boxes[s].ys[j] for _, s, j, _, _ in lines])
    y2 = np.array([boxes[t].ys[k] for _, _, _, t, k in lines])
    x1 = np.array([boxes[s].half for _, s, _, _, _ in lines])
    from_right = np.array([boxes[t].half for _, _, _, t, _ in lines])
    high = max(y1.max(), y2.max()) - min(y1.min(), y2.min())
    # Fewer lanes have no room for so many labels; more fit between the columns as they stand.
    lanes = max(int(len(lines) * LINE / (high + LINE)), int((least - right - left - 2 * ENDS) / wide) - 1)
    while True:
        lanes += 1
        room = max(least, right + left + 2 * ENDS + lanes * wide)
        free = room - right - left - 2 * ENDS
        at = right + ENDS + free * (np.arange(lanes) + 0.5) / lanes
        share = (at[None] - x1[:, None]) / (room - from_right - x1)[:, None]
        heights = y1[:, None] * (1 - share) + y2[:, None] * share
        lane = choose_lanes(heights, LINE)
        if lane is not None:  # at the latest where there are as many lanes as lines
            break
    for (i, *_), k, own, word in zip(lines, lane, heights, words, strict=True):
        label = Label(x + float(at[k]), float(own[k]), word, text_width(word, SMALL))
        labels.setdefault(i, []).append(label)
    return room


def choose_lanes(heights: Array, apart: float) -> Array | None:
    """For each line the lane in which its label stands, so that labels in one lane are far enough apart.

    Parameters
    ----------
    heights : ndarray, shape (lines, lanes)
        How high each line runs in the middle of each lane.
    apart : float

    Returns
    -------
    ndarray of int, shape (lines,), or None
        None if no such choice was found.

    Notes
    -----
    Each line in turn takes, of the lanes that are free where it runs, the one in which the next line is
    farthest: there a reader sees best whose number it is. Where none is free, a label that alone is in the
    way moves to another lane. Steep lines, flat lines and the order of the lines are tried first in turn.
    """
    lines = np.arange(len(heights))
    clear = np.empty_like(heights)
    for k in range(heights.shape[1]):
        order = np.argsort(heights[:, k], kind="stable")
        gaps = np.concatenate([[np.inf], np.diff(heights[order, k]), [np.inf]])
        clear[order, k] = np.minimum(gaps[:-1], gaps[1:])
    preferred = np.argsort(-np.round(np.minimum(clear, 3 * apart), 3), axis=1, kind="stable").tolist()
    steep = np.abs(heights[:, -1] - heights[:, 0])
    for order in (np.argsort(-steep, kind="stable"), lines, np.argsort(steep, kind="stable")):
        lanes = _Lanes(heights.tolist(), preferred, apart)
        if all(lanes.place(line) for line in order.tolist()):
            return np.array([lanes.lane[line] for line in lines.tolist()])
    return None


class _Lanes:
    """Labels in lanes, each lane sorted by height."""

    def __init__(self, heights: list[list[float]], preferred: list[list[int]], apart: float) -> None:
        self.heights, self.preferred, self.apart = heights, preferred, apart
        self.taken: list[list[tuple[float, int]]] = [[] for _ in heights[0]]
        self.lane: dict[int, int] = {}

    def place(self, line: int) -> bool:
        """Find a lane for a line's label; False if there is none."""
        if self._place_where_free(line):
            return True
        for k in self.preferred[line]:
            way = self._in_the_way(line, k)
            if len(way) == 1:
                other = way[0]
                self.taken[k].remove((self.heights[other][k], other))
                self._put(line, k)
                if self._place_where_free(other):
                    return True
                self.taken[k].remove((self.heights[line][k], line))
                self._put(other, k)
        return False

    def _place_where_free(self, line: int) -> bool:
        for k in self.preferred[line]:
            if not self._in_the_way(line, k):
                self._put(line, k)
                return True
        return False

    def _in_the_way(self, line: int, k: int) -> list[int]:
        y, own = self.heights[line][k], self.taken[k]
        low, high = (
            bisect.bisect_right(own, (y - self.apart, MANY)),
            bisect.bisect_left(own, (y + self.apart, -1)),
        )
        return [other for _, other in own[low:high]]

    def _put(self, line: int, k: int) -> None:
        bisect.insort(self.taken[k], (self.heights[line][k], line))
        self.lane[line] = k
