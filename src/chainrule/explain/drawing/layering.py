"""A graph in layers from left to right: which layer, in which order, and how high.

References
----------
Sugiyama, Tagawa and Toda (1981), Methods for visual understanding of hierarchical system structures. The
order within layers is theirs (barycentres, up and down); heights are set by least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SWEEPS = 12
BEND = 14.0  # how much room a line takes that only passes through a layer


@dataclass
class Layered:
    """A graph's places.

    Attributes
    ----------
    layers : list of list of int
        The nodes of each layer, from the top. Numbers beyond those of the nodes are bends: places where a
        line passes through a layer.
    height : ndarray
        Of every node's and bend's middle.
    paths : list of list of int
        For each edge its nodes: the ends, and the bends between.
    """

    layers: list[list[int]]
    height: Array
    paths: list[list[int]]


def layered(inputs: Sequence[Sequence[int]], sizes: Sequence[float], apart: float) -> Layered:
    """Layers, order and heights of a graph without cycles.

    Parameters
    ----------
    inputs : sequence of sequence of int
        For each node those that it is made of, all with smaller numbers than its own.
    sizes : sequence of float
        How high each node is.
    apart : float
        How far nodes of a layer are apart.
    """
    layer = longest_paths(inputs)
    height = list(sizes)
    where = list(layer)
    paths = []
    for node, own in enumerate(inputs):
        for source in dict.fromkeys(own):
            path = [source]
            for between in range(layer[source] + 1, layer[node]):
                path.append(len(height))
                height.append(BEND)
                where.append(between)
            paths.append([*path, node])
    layers: list[list[int]] = [[] for _ in range(max(where) + 1)]
    for k, own_layer in enumerate(where):
        layers[own_layer].append(k)
    links = [pair for path in paths for pair in pairwise(path)]
    layers = fewest_crossings(layers, links)
    return Layered(layers, _heights(layers, links, np.array(height), apart), paths)


def longest_paths(inputs: Sequence[Sequence[int]]) -> list[int]:
    """The layer of each node: after the last of its inputs; of those without any, before their first user."""
    layer: list[int] = []
    for own in inputs:
        layer.append(max((layer[k] + 1 for k in own), default=0))
    users: list[list[int]] = [[] for _ in inputs]
    for node, own in enumerate(inputs):
        for k in own:
            users[k].append(node)
    for k, own in enumerate(inputs):
        if not own and users[k]:
            layer[k] = min(layer[user] for user in users[k]) - 1
    first = min(layer, default=0)
    return [k - first for k in layer]


def fewest_crossings(layers: list[list[int]], links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The layers in the best order found in sweeps to and fro that sort by the neighbours' mean place."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for a, b in links:
        after.setdefault(a, []).append(b)
        before.setdefault(b, []).append(a)
    best, least = [list(own) for own in layers], crossings(layers, links)
    for sweep in range(SWEEPS):
        if not least:
            break
        forward = sweep % 2 == 0
        beside = before if forward else after
        for own in layers[1:] if forward else layers[-2::-1]:
            place = {k: i for nodes in layers for i, k in enumerate(nodes)}
            near = {k: [place[x] for x in beside.get(k, [])] for k in own}
            own.sort(key=lambda k: float(np.mean(near[k])) if near[k] else float(place[k]))
        found = crossings(layers, links)
        if found < least:
            best, least = [list(own) for own in layers], found
    return best


def crossings(layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]]) -> int:
    """How many pairs of lines between neighbouring layers cross."""
    place = {k: i for own in layers for i, k in enumerate(own)}
    where = {k: i for i, own in enumerate(layers) for k in own}
    total = 0
    for i in range(len(layers)):
        ends = np.array([(place[a], place[b]) for a, b in links if where[a] == i])
        if len(ends):
            left, right = (np.sign(np.subtract.outer(column, column)) for column in ends.T)
            total += int((left * right < 0).sum()) // 2
    return total


def _heights(
    layers: Sequence[Sequence[int]], links: Sequence[tuple[int, int]], sizes: Array, apart: float
) -> Array:
    """Heights that make lines as level as the nodes' sizes let them."""
    near: list[list[int]] = [[] for _ in sizes]
    for a, b in links:
        near[a].append(b)
        near[b].append(a)
    height = np.zeros(len(sizes))
    steps = []
    for own in layers:
        half = sizes[list(own)] / 2
        steps.append(np.concatenate([[0.0], np.cumsum(half[:-1] + half[1:] + apart)]))
        height[list(own)] = steps[-1] - steps[-1][-1] / 2
    for sweep in range(SWEEPS):
        forward = sweep % 2 == 0
        for i in range(len(layers)) if forward else reversed(range(len(layers))):
            own = list(layers[i])
            wanted = np.array([np.mean(height[near[k]]) if near[k] else height[k] for k in own])
            height[own] = rising(wanted - steps[i]) + steps[i]
    settled: Array = height - (height - sizes / 2).min()
    return settled


def rising(values: Array) -> Array:
    """The nearest values, by least squares, of which none is smaller than the one before.

    References
    ----------
    Barlow, Bartholomew, Bremner and Brunk (1972), Statistical inference under order restrictions, section
    1.2: neighbours that fall are replaced by their mean.

    Examples
    --------
    >>> rising(np.array([1.0, 3.0, 2.0, 4.0])).tolist()
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        mean, count = value, 1
        while blocks and blocks[-1][0] > mean:
            last, many = blocks.pop()
            mean, count = (last * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    return np.array([mean for mean, count in blocks for _ in range(count)])
