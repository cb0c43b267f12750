"""What a diagram of a network shows: its groups of neurons, what links them, and the numbers of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...autodiff.gradient import gradient
from ...checks import counted
from ...errors import NotFittedError, ParameterError, unknown_name
from ...graph.tensor import Tensor, topological
from ...nn.dense import Affine
from ...nn.layers import Layer
from ...nn.maxout import Maxout
from ...nn.merge import Concatenate, Merge
from ...nn.scaling import Pieces
from ...nn.wiring import numbered
from ..step import Step
from .svg import short

if TYPE_CHECKING:
    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
EDGES = ("gradients", "none", "weights")
NEURONS = ("activations", "biases", "gradients", "none")
SIGNS = {"add": ("+", "sum"), "multiply": ("×", "product")}  # in a neuron, and above it


@dataclass
class Group:
    """Neurons that stand in one column, or the band of a layer that only changes each number for itself.

    Attributes
    ----------
    kind : {"input", "units", "join", "band"}
    title, detail : str
        What stands above it.
    size : int
        How many neurons are drawn, or dots in the place of some.
    whole : int
        How many there are.
    places : list of int
        Which neuron each drawn one is; -1 for dots.
    names : list of str
        Beside inputs and outputs; empty where they have none.
    bias_name : str
        As in "hidden1.b"; empty for a group without.
    biases, numbers : ndarray of shape (size,), or None
        The numbers of its biases, or of their derivatives; and those in the neurons.
    """

    kind: str
    title: str
    detail: str
    size: int
    names: list[str] = field(default_factory=list)
    biases: Array | None = None
    numbers: Array | None = None
    bias_name: str = ""
    whole: int = 0
    places: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.whole = self.whole or self.size
        self.places = self.places or list(range(self.size))


@dataclass
class Link:
    """Which numbers of one group go into another.

    Attributes
    ----------
    source, target : int
        The groups' places.
    name : str
        Of the weights, as in "hidden1.W".
    weights : ndarray, shape (source's size, target's size), or None
    pairs : list of (int, int)
        Where there are no weights: which of the source goes into which of the target; none if it is unknown.
    """

    source: int
    target: int
    name: str = ""
    weights: Array | None = None
    pairs: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Plan:
    """All that a diagram shows.

    Attributes
    ----------
    groups : list of Group
    links : list of Link
    edges, neurons : str
        What the numbers are.
    notes : list of str
        Sentences about them.
    title : str
    """

    groups: list[Group]
    links: list[Link]
    edges: str
    neurons: str
    notes: list[str]
    title: str


def make_plan(
    network: MeasuredNetwork,
    X: Any = None,
    y: Any = None,
    edges: str = "weights",
    neurons: str | None = None,
    rows: int | Sequence[int] | None = None,
) -> Plan:
    """What `Network.draw` shows; it says what the arguments are, and what is raised."""
    if not network.built:
        raise NotFittedError("draw: the network has no weights yet. Call fit, or build(inputs, seed=0).")
    chosen = ("none" if X is None else "activations") if neurons is None else neurons
    if edges not in EDGES:
        raise unknown_name("draw: edges", edges, EDGES)
    if chosen not in NEURONS:
        raise unknown_name("draw: neurons", chosen, NEURONS)
    if X is None and (y is not None or rows is not None or "gradients" in (edges, chosen)):
        raise ParameterError("draw: gradients, targets and rows belong to data. Pass X as well.")
    if X is None and chosen == "activations":
        raise ParameterError("draw: there are no activations without data. Pass X as well.")
    if y is None and "gradients" in (edges, chosen):
        raise ParameterError("draw: there are no gradients without targets. Pass y as well.")
    step, notes = None, []
    if X is not None:
        X, y, told = picked(network, X, y, rows)
        step = Step(network, X, y)
        notes.append(told)
    return _Maker(network, step, edges, chosen, notes).plan()


def picked(
    network: MeasuredNetwork, X: Any, y: Any, rows: int | Sequence[int] | None
) -> tuple[Any, Any, str]:
    """The rows asked for of the data, with a sentence that says which they are."""
    several_y = len(network._losses) > 1
    if len(network._wiring.inputs) == 1 and np.ndim(X) == 1:
        X = np.reshape(X, (1, -1))
        if y is not None and not several_y:
            y = np.reshape(y, (1, -1) if np.ndim(y) else (1,))
    tables = network._tables(X)
    count = tables[0].shape[0]
    if rows is None:
        return _single(tables), y, f"Data: {'one row' if count == 1 else f'all {count:,} rows'}."
    asked = np.atleast_1d(np.asarray(rows))
    if asked.size and (asked.ndim > 1 or asked.dtype.kind not in "iu"):
        raise ParameterError(
            f"draw: rows must be a row's number or a list of them, got {rows!r:.60}. Pass e.g. rows=[0, 2]."
        )
    listed = [int(row) for row in asked]
    for row in listed:
        if not -count <= row < count:
            raise ParameterError(
                f"draw: there is no row {row}; the data have {counted(count, 'row')}, from 0."
            )
    if not listed:
        raise ParameterError("draw: rows is empty. Pass e.g. rows=0.")
    if several_y and y is not None:
        parts = list(y.values()) if isinstance(y, dict) else list(y)
        y = [np.asarray(part)[listed] for part in parts]
    elif y is not None:
        y = np.asarray(y)[listed]
    several = f"rows {', '.join(map(str, listed[:6]))}{', …' if len(listed) > 6 else ''}"
    told = f"row {listed[0]}" if len(listed) == 1 else several
    return _single([table[listed] for table in tables]), y, f"Data: {told}."


def _single(tables: list[Any]) -> Any:
    """The one table of most networks, or the list."""
    return tables[0] if len(tables) == 1 else tables


def value_nodes(network: MeasuredNetwork, training: bool) -> list[Tensor]:
    """The nodes of all values of the wiring, inputs first: of a training step, or of a prediction."""
    g = network.graph
    if training or not network.two_modes:
        return [*g.xs, *g.trained_values]
    return network._forward(g.xs, network._leaves(), False, g.seed, g.step, {})


class _Maker:
    """Groups and links, from a network's wiring."""

    def __init__(
        self, network: MeasuredNetwork, step: Step | None, edges: str, neurons: str, notes: list[str]
    ) -> None:
        self.network, self.step, self.edges, self.neurons = network, step, edges, neurons
        self.notes = notes
        self.groups: list[Group] = []
        self.links: list[Link] = []
        self.shown: list[Tensor | None] = []  # of each group the node whose numbers it has
        self.weighted: list[Tensor] = []  # the leaves of weights and biases, in the order they were met

    def plan(self) -> Plan:
        network, wiring = self.network, self.network._wiring
        nodes = self._nodes()
        tags = network._tags()
        columns = column_names(network)
        places: list[int] = []  # of each value the group that ends in it
        uses: dict[int, int] = {}
        for i, (_, given) in enumerate(wiring.inputs):
            name = given or numbered("x", i, len(wiring.inputs))
            names = columns or [f"{name}[{k}]" for k in range(network._sizes[i])]
            places.append(self._enter(Group("input", name, "input", network._sizes[i], names), nodes[i]))
        for call in wiring.calls:
            layer, name = network.layers[call.layer], network.names[call.layer]
            uses[call.layer] = uses.get(call.layer, 0) + 1
            title = name if uses[call.layer] == 1 else f"{name}, again"
            value = nodes[len(places)]
            sources = [places[k] for k in call.sources]
            size = network._sizes[len(places)]
            if isinstance(layer, Maxout):
                tag = tags[call.layer] + (f"_{uses[call.layer]}" if uses[call.layer] > 1 else "")
                z = next(x for x in topological([value]) if x.name == f"z{tag}")
                self._dense(layer, name, title, f"sum, {layer.pieces} a unit", layer.columns, sources[0], z)
                last = len(self.groups) - 1
                places.append(self._enter(Group("join", title, "largest", size), value))
                pairs = [(piece * size + j, j) for piece in range(layer.pieces) for j in range(size)]
                self.links.append(Link(last, places[-1], pairs=pairs))
            elif isinstance(layer, Affine):
                detail = str(getattr(layer, "activation", layer.kind))
                places.append(self._dense(layer, name, title, detail, size, sources[0], value))
            else:
                kind = "band" if _keeps_columns(layer, size, sources, self.groups) else "join"
                places.append(self._enter(Group(kind, title, _detail(layer, name), size), value))
                self._pairs(layer, sources, places[-1])
        self._outputs(places, nodes)
        self._fill_in()
        return Plan(
            self.groups, self.links, self.edges, self.neurons, self.notes, _title(self.groups, network)
        )

    def _nodes(self) -> list[Tensor]:
        """The node of every value: of the training step where there are targets, else of a prediction."""
        training = self.step is not None and self.step.loss is not None
        if training and self.network.two_modes:
            self.notes.append("As in training: dropout and batch normalisation act as in a step.")
        return value_nodes(self.network, training)

    def _enter(self, group: Group, node: Tensor | None) -> int:
        self.groups.append(group)
        self.shown.append(node)
        return len(self.groups) - 1

    def _dense(
        self, layer: Affine, name: str, title: str, detail: str, size: int, source: int, node: Tensor
    ) -> int:
        group = Group("units", title, detail, size)
        if "b" in layer.trained:
            group.biases, group.bias_name = np.asarray(layer.value("b")), f"{name}.b"
        place = self._enter(group, node)
        self.links.append(Link(source, place, f"{name}.W", np.asarray(layer.value("W"))))
        return place

    def _pairs(self, layer: Layer, sources: Sequence[int], target: int) -> None:
        start = 0
        for source in sources:
            size = self.groups[source].size
            pairs = [(k, k + start) for k in range(size)]
            if isinstance(layer, Pieces):
                cut, knots = layer.given["knots"].shape
                pairs += [(c, size + c * (knots - 1) + k) for c in range(cut) for k in range(knots - 1)]
            elif not isinstance(layer, Merge) and size != self.groups[target].size:
                pairs = []
            start += size if isinstance(layer, Concatenate) else 0
            self.links.append(Link(source, target, pairs=pairs))

    def _outputs(self, places: list[int], nodes: list[Tensor]) -> None:
        """A band of probabilities behind each output that has some, and the names of classes or targets."""
        network, wiring = self.network, self.network._wiring
        labels = network.classes if isinstance(network.classes, list) else [network.classes]
        target = getattr(network, "metadata", {}).get("target")
        for k, (i, loss) in enumerate(zip(wiring.outputs, network._losses, strict=True)):
            place, node = places[i], nodes[i]
            size = self.groups[place].size
            p = loss.prediction(node)
            if p is not node:
                title = numbered("p", k, len(wiring.outputs))
                last = self._enter(Group("band", title, p.op.name.replace("_", " "), size), p)
                self.links.append(Link(place, last, pairs=[(j, j) for j in range(size)]))
                place = last
            known = labels[k]
            if known is not None and len(known) in (size, size + 1):
                self.groups[place].names = [str(label) for label in list(known)[-size:]]
            elif size == 1 and isinstance(target, str) and len(wiring.outputs) == 1:
                self.groups[place].names = [target]

    def _fill_in(self) -> None:
        """The numbers asked for, all computed in one go."""
        step = self.step
        wanted: list[tuple[Tensor, Any]] = []  # a node, and what takes its value
        if self.neurons == "biases":
            for group in self.groups:
                group.numbers = group.biases
        if step is not None and self.neurons == "activations":
            self._say_activations(step.rows)
            for group, node in zip(self.groups, self.shown, strict=True):
                if node is not None:
                    wanted.append((node, lambda v, g=group: setattr(g, "numbers", v.mean(axis=0))))
        if step is not None and self.neurons == "gradients":
            self.notes.append(
                "Neurons: by how much the loss changes with what comes out of them, summed over the rows."
            )
            loss = step.need_loss()
            inside = set(topological([loss]))
            own = [
                (g, n) for g, n in zip(self.groups, self.shown, strict=True) if n in inside and n is not None
            ]
            for (group, _), d in zip(own, gradient(loss, [n for _, n in own]), strict=True):
                wanted.append((d, lambda v, g=group: setattr(g, "numbers", v.sum(axis=0))))
        if step is not None and self.edges == "gradients":
            self._gradients_of_weights(step, wanted)
        if step is not None and step.loss is not None:
            wanted.append((step.loss, self._say_loss))
        if step is not None:
            for (_, take), value in zip(wanted, step.values([node for node, _ in wanted]), strict=True):
                take(value)
        if self.edges == "none":
            for group in self.groups:
                group.biases = None

    def _gradients_of_weights(self, step: Step, wanted: list[tuple[Tensor, Any]]) -> None:
        leaves = self.network.graph.parameters
        links = [link for link in self.links if link.weights is not None]
        groups = [group for group in self.groups if group.bias_name]
        names = [link.name for link in links] + [group.bias_name for group in groups]
        found = gradient(step.need_loss(), [leaves[name] for name in names])
        for link, d in zip(links, found, strict=False):
            wanted.append((d, lambda v, own=link: setattr(own, "weights", v)))
        for group, d in zip(groups, found[len(links) :], strict=True):
            wanted.append((d, lambda v, own=group: setattr(own, "biases", v)))

    def _say_activations(self, rows: int) -> None:
        self.notes.append(f"Neurons: what comes out of them{', the mean over the rows' if rows > 1 else ''}.")

    def _say_loss(self, value: Array) -> None:
        self.notes.append(f"Loss {short(float(value), 6)}.")


def column_names(network: MeasuredNetwork) -> list[str]:
    """The names of the columns that a table had, if they fit the one input."""
    kept = getattr(network, "metadata", {})
    for key in ("inputs", "columns"):
        names = kept.get(key)
        if isinstance(names, list) and len(network._wiring.inputs) == 1 and len(names) == network._sizes[0]:
            return [str(name) for name in names]
    return []


def _keeps_columns(layer: Layer, size: int, sources: Sequence[int], groups: Sequence[Group]) -> bool:
    return not isinstance(layer, Merge) and groups[sources[0]].size == size


def _detail(layer: Layer, name: str) -> str:
    """What stands under a layer's name: its kind, if the name does not say it, and its setting."""
    kind = layer.kind.replace("_", " ")
    rate = getattr(layer, "rate", None)
    if rate is not None:
        return f"rate {rate:g}" if name.startswith(layer.kind) else f"{kind} {rate:g}"
    if layer.kind in SIGNS:
        return SIGNS[layer.kind][1]
    return "" if name.startswith(layer.kind) else kind


def _title(groups: Sequence[Group], network: MeasuredNetwork) -> str:
    sizes = [group.size for group in groups if group.kind in ("input", "units")]
    return f"network {'-'.join(map(str, sizes))} with loss {network.loss}"
