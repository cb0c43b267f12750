"""Callbacks that keep what plots show of a training's course, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...autodiff.gradient import gradient
from ...checks import positive_int
from ...errors import ParameterError
from ...training.callbacks import Callback
from ..drawing.diagram import value_nodes
from ..step import Step

if TYPE_CHECKING:
    from ...training.history import History
    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
KINDS = ("activations", "gradients", "weights")


class Recorder(Callback):
    """Keeps something of the start and of epochs; if there are too many, of every second, fourth, ... one.

    Attributes
    ----------
    epochs : list of int
        Of which epochs it is kept, 0 being before the first; the last one always is.
    """

    def __init__(self, most: int) -> None:
        self.most = positive_int(most, f"{type(self).__name__}: most", "most=50")
        if self.most < 2:
            raise ParameterError(f"{type(self).__name__}: most must be at least 2, the start and the end.")
        self._clear()

    def _clear(self) -> None:
        self.epochs: list[int] = []
        self.kept: list[Any] = []
        self._every = 1

    def take(self, network: MeasuredNetwork) -> Any:
        """What is kept of this moment."""
        raise NotImplementedError

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        self._clear()
        self._keep(network, 0)

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        if history.epochs % self._every == 0:
            self._keep(network, history.epochs)

    def on_fit_end(self, network: MeasuredNetwork, history: History) -> None:
        while self.epochs and self.epochs[-1] > history.epochs:  # epochs that were taken back
            self.epochs.pop()
            self.kept.pop()
        if not self.epochs or self.epochs[-1] != history.epochs:
            self._keep(network, history.epochs, last=True)

    def _keep(self, network: MeasuredNetwork, epoch: int, last: bool = False) -> None:
        if len(self.epochs) == self.most:
            self._every *= 2
            chosen = [k for k, own in enumerate(self.epochs) if own % self._every == 0]
            self.epochs, self.kept = [self.epochs[k] for k in chosen], [self.kept[k] for k in chosen]
            if epoch % self._every and not last:
                return
        self.epochs.append(epoch)
        self.kept.append(self.take(network))

    def need(self, moments: int, what: str) -> None:
        """Raise ParameterError if fewer moments than that are kept."""
        if len(self.epochs) < moments:
            name = type(self).__name__
            raise ParameterError(
                f"{what}: the {name} has kept nothing yet. Pass it to fit: callbacks=[record]."
                if not self.epochs
                else f"{what}: the {name} has kept {len(self.epochs)} of the moments, needs "
                f"{moments}. Fit longer."
            )


class Histograms(Recorder):
    """Keeps how weights, activations and gradients are distributed, epoch by epoch; see `plots.histograms`.

    Parameters
    ----------
    X, y : array-like, optional
        Rows on which activations (with X) and gradients (with y as well) are taken; as for `fit`. Some
        hundred are enough. With y, activations are those of a training step.
    bins : int
        Of each histogram.
    most : int
        How many moments are kept at most; then every second one is dropped. So the memory is at most
        8 * bins * most bytes for each layer's weights, biases, activations and gradients.

    Raises
    ------
    ParameterError
        For numbers that are not positive, or y without X.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> X, y = np.eye(4), [0, 1, 0, 1]
    >>> record = cr.Histograms(X, y)
    >>> net = cr.Network([cr.Dense(3, "tanh"), cr.Dense(2)], loss="cross_entropy")
    >>> history = net.fit(X, y, epochs=3, verbose=False, engine="numpy", callbacks=[record])
    >>> record.epochs, record.names("gradients")
    ([0, 1, 2, 3], ['hidden1.W', 'hidden1.b', 'output.W', 'output.b'])
    """

    def __init__(self, X: Any = None, y: Any = None, *, bins: int = 40, most: int = 60) -> None:
        super().__init__(most)
        if X is None and y is not None:
            raise ParameterError("Histograms: gradients are taken on rows. Pass X as well as y.")
        self.X, self.y = X, y
        self.bins = positive_int(bins, "Histograms: bins", "bins=40")

    def names(self, kind: str) -> list[str]:
        """Of what there are histograms of this kind: layers, or parameters."""
        found = dict.fromkeys(name for kept in self.kept for own, name in kept if own == kind)
        return list(found)

    def take(self, network: MeasuredNetwork) -> dict[tuple[str, str], tuple[float, float, Array]]:
        values: dict[tuple[str, str], Array] = {}
        leaves = dict(zip(_trained(network), network.trained_leaves(), strict=True))
        parameters = network.parameters
        values |= {("weights", name): parameters[name] for name in leaves}
        if self.X is not None:
            step = Step(network, self.X, self.y)
            nodes = value_nodes(network, step.loss is not None)[len(network.graph.xs) :]
            named = dict(zip(_uses(network), nodes, strict=True))
            slopes = [] if step.loss is None else gradient(step.loss, list(leaves.values()))
            found = step.values([*named.values(), *slopes])
            values |= {("activations", name): a for name, a in zip(named, found, strict=False)}
            values |= {
                ("gradients", n): d for n, d in zip(leaves, found[len(named) :], strict=len(slopes) > 0)
            }
        return {key: self._histogram(value) for key, value in values.items()}

    def _histogram(self, value: Array) -> tuple[float, float, Array]:
        finite = value[np.isfinite(value)].astype(np.float64)
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
        if low == high:  # as biases are before the first step
            near = max(abs(low) * 1e-6, 1e-9)
            low, high = low - near, high + near
        counts, _ = np.histogram(finite, bins=self.bins, range=(low, high))
        return low, high, counts


def _trained(network: MeasuredNetwork) -> list[str]:
    own = {leaf: name for name, leaf in network.graph.parameters.items()}
    return [own[leaf] for leaf in network.trained_leaves()]


def _uses(network: MeasuredNetwork) -> list[str]:
    """A name for each use of a layer."""
    names: list[str] = []
    for call in network._wiring.calls:
        name = network.names[call.layer]
        again = sum(own == name or own.startswith(f"{name}, use ") for own in names)
        names.append(f"{name}, use {again + 1}" if again else name)
    return names


class DescentPath(Recorder):
    """Keeps all weights, epoch by epoch: the way that a descent took; see `plots.error_surface`.

    Parameters
    ----------
    most : int
        How many moments are kept at most; then every second one is dropped. So the memory is at most `most`
        times that of the weights.
    """

    def __init__(self, most: int = 200) -> None:
        super().__init__(most)

    def take(self, network: MeasuredNetwork) -> dict[str, Array]:
        return dict(network.parameters)  # read-only arrays, which training replaces and never changes

    def flat(self, names: Sequence[str]) -> Array:
        """Some parameters of all moments in one table, shape (moments, numbers)."""
        return np.array(
            [np.concatenate([kept[name].ravel() for name in names]) for kept in self.kept], dtype=np.float64
        )


class HiddenViews(Recorder):
    """Keeps what every hidden layer makes of some rows, epoch by epoch; see `plots.hidden_layers`.

    Parameters
    ----------
    X : array-like
        As for `fit`; at most `rows` of them are kept, spread evenly.
    y : array-like, optional
        Their classes or values, which colour the points.
    rows : int
    most : int
        How many moments are kept at most; then every second one is dropped. So the memory is at most
        8 * rows * most bytes for each neuron.
    """

    def __init__(self, X: Any, y: Any = None, *, rows: int = 500, most: int = 8) -> None:
        super().__init__(most)
        self.X, self.y = X, y
        self.rows = positive_int(rows, "HiddenViews: rows", "rows=500")
        self.labels: Array | None = None

    def take(self, network: MeasuredNetwork) -> dict[str, Array]:
        tables = network._tables(self.X)
        count = tables[0].shape[0]
        chosen = np.unique(np.linspace(0, count - 1, min(self.rows, count)).round().astype(np.int64))
        if self.y is not None:
            labels = np.asarray(network._as_labels(self.y))
            if labels.ndim != 1 or len(labels) != count:
                raise ParameterError(
                    f"HiddenViews: y needs one label or value for each of {count:,} rows, got "
                    f"shape {labels.shape}."
                )
            self.labels = labels[chosen]
        picked = [table[chosen] for table in tables]
        step = Step(network, picked[0] if len(picked) == 1 else picked)
        nodes = value_nodes(network, False)[len(network.graph.xs) :]
        outputs = {id(nodes[i - len(network.graph.xs)]) for i in network._wiring.outputs}
        calls = network._wiring.calls
        hidden = {
            name: node
            for name, call, node in zip(_uses(network), calls, nodes, strict=True)
            if id(node) not in outputs and network.layers[call.layer].numbered
        }
        if not hidden:
            raise ParameterError(
                "HiddenViews: the network has no hidden layer. Add one, e.g. Dense(8, 'tanh')."
            )
        return dict(zip(hidden, step.values(list(hidden.values())), strict=True))
