"""A network's structure, weights and graph: all of it but the training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..autodiff.gradient import gradient
from ..emit.numpy_source import numpy_source
from ..errors import NotFittedError, ParameterError, ShapeError, unknown_name
from ..graph.program import Program
from ..graph.tensor import Tensor, placeholder
from ..optim.rules import SGD, Optimizer, find_optimizer
from .checks import checked_seed, counted, positive_int
from .layers import Dense, Layer
from .losses import find_loss

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Graph:
    """The nodes that programs are made of.

    Attributes
    ----------
    x, t, lr : Tensor
        Places for a batch, its targets and the learning rate.
    output, loss : Tensor
        The last layer's result, shape (n, outputs), and the loss, shape ().
    prediction : Tensor
        The output, or the probabilities of a classifier.
    parameters : dict of str to Tensor
        Leaves by the names hidden1.W, hidden1.b, ...
    """

    x: Tensor
    t: Tensor
    lr: Tensor
    output: Tensor
    prediction: Tensor
    loss: Tensor
    parameters: dict[str, Tensor]


class BaseNetwork:
    """Layers, their weights, and the graph that they make."""

    def __init__(self, layers: Sequence[Layer], loss: str, dtype: str = "float32") -> None:
        self.layers = _checked_layers(layers)
        self._loss = find_loss(loss)
        self.dtype = _checked_dtype(dtype)
        self.names = _layer_names(self.layers)
        self.optimizer: Optimizer | None = None
        self._graph: Graph | None = None
        self._programs: dict[Optimizer, Program] = {}
        self._sizes: list[int] = []  # inputs, then every layer's outputs; empty before they are known
        self._check_loss()
        known = self.layers[0].inputs
        if known is not None:
            self._set_sizes(known)
            self._fill_if_given()

    # what it is -------------------------------------------------------------------------------

    @property
    def loss(self) -> str:
        """The loss's name."""
        return self._loss.name

    @property
    def built(self) -> bool:
        """Whether there are weights."""
        return bool(self.layers[-1].values)

    @property
    def inputs(self) -> int | None:
        """The number of inputs, None before it is known."""
        return self._sizes[0] if self._sizes else None

    @property
    def outputs(self) -> int | None:
        """The number of outputs, None before it is known."""
        if self._sizes:
            return self._sizes[-1]
        return self.layers[-1].outputs(0) or None

    @property
    def parameters(self) -> dict[str, Array]:
        """All weights by name, hidden1.W, hidden1.b, ...; read-only arrays. Empty before there are any."""
        return {
            f"{name}.{parameter}": value
            for name, layer in zip(self.names, self.layers, strict=True)
            for parameter, value in layer.values.items()
        }

    def __getitem__(self, name: str | int) -> Layer:
        """A layer, by name or position."""
        if isinstance(name, int) and -len(self.layers) <= name < len(self.layers):
            return self.layers[name]
        if name not in self.names:
            raise unknown_name("layer", name, self.names)
        return self.layers[self.names.index(str(name))]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return f"Network([{layers}], loss={self.loss!r}, dtype={self.dtype.name!r})"

    def __copy__(self) -> Self:
        """A deep copy: two networks never share weights."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or pickle takes along: no graph and nothing compiled; these are made again."""
        return {**self.__dict__, "_graph": None, "_programs": {}, "_loss": self.loss}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._loss = find_loss(state["_loss"])

    # weights ----------------------------------------------------------------------------------

    def build(self, inputs: int | None = None, seed: int = 0) -> None:
        """Draw the weights that are not there; without this, the first fit does.

        Parameters
        ----------
        inputs : int, optional
            The number of inputs; not needed where the first layer's weights tell it.
        seed : int

        Raises
        ------
        ParameterError
            For a number of inputs or a seed that is none.
        ShapeError
            If the weights that are there are for another number of inputs.
        """
        seed = checked_seed(seed)
        if inputs is not None:
            inputs = positive_int(inputs, "build: inputs", "build(64)")
        elif self.inputs is None:
            raise ParameterError("build: the number of inputs is not known. Pass it, e.g. build(64).")
        if self.inputs is None:
            self._set_sizes(inputs)  # type: ignore[arg-type]
        elif inputs not in (None, self.inputs):
            n = counted(self.inputs, "input")
            raise ShapeError(f"build: the network has weights for {n}, got {inputs:,}.")
        if not self.built:
            self._fill(seed)

    def reset(self) -> None:
        """Forget the weights: the next fit draws them again, and takes those given to layers from there."""
        for layer in self.layers:
            layer.values = {}
        if self.layers[0].inputs is None:
            self._sizes = []
            self._forget_graph()
        else:
            self._fill_if_given()

    def _with_inputs(self) -> list[tuple[Layer, int]]:
        return list(zip(self.layers, self._sizes[:-1], strict=True))

    def _outputs_for(self, inputs: int) -> int:
        for layer in self.layers:
            inputs = layer.outputs(inputs)
        return inputs

    def _set_sizes(self, inputs: int) -> None:
        sizes = [inputs]
        for layer in self.layers:
            layer.check(sizes[-1])
            sizes.append(layer.outputs(sizes[-1]))
        self._sizes = sizes

    def _fill_if_given(self) -> None:
        """Take the weights given if nothing is left to be drawn."""
        if all(set(layer.drawn) <= set(layer.given) for layer in self.layers):
            self._fill(0)

    def _fill(self, seed: int) -> None:
        for position, (layer, inputs) in enumerate(self._with_inputs()):
            layer.fill(inputs, seed, position, self.dtype)

    def _take(self, values: dict[Tensor, Array]) -> None:
        """Set the weights from the values of their leaves."""
        for name, leaf in self.graph.parameters.items():
            layer, _, parameter = name.partition(".")
            if parameter in self[layer].trained:
                self[layer].set(parameter, values[leaf], self.dtype)

    def _values(self) -> dict[Tensor, Array]:
        """The weights by their leaves."""
        weights = self.parameters
        return {leaf: weights[name] for name, leaf in self.graph.parameters.items()}

    # graph ------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The forward pass and the loss; raises NotFittedError before the number of inputs is known."""
        if not self._sizes:
            raise NotFittedError(
                "the network does not know its number of inputs yet. Call fit, or build(inputs, seed=0)."
            )
        if self._graph is None:
            self._graph = self._make_graph()
        return self._graph

    def _make_graph(self) -> Graph:
        x = node = placeholder(("n", self._sizes[0]), self.dtype, "x")
        parameters: dict[str, Tensor] = {}
        for (layer, inputs), name, tag in zip(self._with_inputs(), self.names, self._tags(), strict=True):
            leaves = {
                parameter: placeholder(shape, self.dtype, f"{parameter}{tag}")
                for parameter, shape in layer.shapes(inputs).items()
            }
            parameters |= {f"{name}.{parameter}": leaf for parameter, leaf in leaves.items()}
            node = layer.forward(node, leaves, tag)
        if self._loss.target == "classes":
            t = placeholder(("n",), "int64", "t")
        else:
            t = placeholder(("n", self._sizes[-1]), self.dtype, "t")
        prediction = node
        if self._loss.probability is not None:
            prediction = self._loss.probability(node)
            prediction.name = "p"
        lr = placeholder((), self.dtype, "lr")
        return Graph(x, t, lr, node, prediction, self._loss.function(node, t), parameters)

    def _tags(self) -> list[str]:
        """What the names of each layer's nodes end with: its number, or _ and its name."""
        tags, number = [], 0
        for layer in self.layers:
            number += not layer.suffix
            tags.append(f"_{layer.name}" if layer.name else layer.suffix or str(number))
        return tags

    def program(self, optimizer: Optimizer | str | None = None) -> Program:
        """The training step: inputs x, t and lr, output loss, updates of the weights and the rule's state.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            Plain gradient descent where none is given. Its learning rate is no part of the program.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        rule = find_optimizer(SGD() if optimizer is None else optimizer).rule
        if rule not in self._programs:
            g = self.graph
            trained = [leaf for name, leaf in g.parameters.items() if self._is_trained(name)]
            made = rule.updates(trained, gradient(g.loss, trained), g.lr)
            parameters = {leaf: made.pop(leaf) for leaf in trained}
            self._programs[rule] = Program([g.x, g.t, g.lr], {"loss": g.loss}, parameters | made)
        return self._programs[rule]

    def _is_trained(self, name: str) -> bool:
        layer, _, parameter = name.partition(".")
        return parameter in self[layer].trained

    def _forget_graph(self) -> None:
        self._graph = None
        self._programs = {}

    def source(self, optimizer: Optimizer | str | None = None) -> str:
        """The training step as Python that a person would have written, and that runs with NumPy alone.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            Whose update is printed: that of the last fit where none is given, or plain gradient descent.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        return numpy_source(self.program(optimizer or self.optimizer))

    # checks -----------------------------------------------------------------------------------

    def _check_loss(self) -> None:
        last = self.layers[-1]
        if self._loss.probability is not None and isinstance(last, Dense) and last.activation != "linear":
            raise ParameterError(
                f"Network: {self.loss} takes logits, but the last layer applies {last.activation!r}. "
                f"Make it linear: Dense({last.units}); predict_proba gives probabilities."
            )
        if self.loss == "cross_entropy" and self.outputs == 1:
            raise ParameterError(
                "Network: cross_entropy needs an output for each class, at least 2, got 1. "
                "Use Dense(2), or loss='binary_cross_entropy'."
            )


def _checked_layers(layers: Any) -> list[Layer]:
    """Copies of the layers, so that two networks never share weights."""
    if not isinstance(layers, list | tuple) or not layers:
        raise ParameterError(
            f"Network: layers must be a list with at least one layer, got {layers!r:.60}. "
            "Pass e.g. [Dense(64, 'relu'), Dense(10)]."
        )
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ParameterError(f"Network: expected layers, got {layer!r:.60}. Pass e.g. Dense(64, 'relu').")
    return [layer.copy() for layer in layers]


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ParameterError(f"Network: dtype must be 'float32' or 'float64', got {dtype!r}.")
    checked: np.dtype[Any] = np.dtype(dtype)
    return checked


def _layer_names(layers: Sequence[Layer]) -> list[str]:
    """Given names, and hidden1, hidden2, ..., output for the others; the kind for layers without a number."""
    last = max((i for i, layer in enumerate(layers) if not layer.suffix), default=-1)
    names, number = [], 0
    for i, layer in enumerate(layers):
        number += not layer.suffix and i != last
        own = layer.kind if layer.suffix else "output" if i == last else f"hidden{number}"
        names.append(layer.name or own)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"Network: two layers are called {twice[0]!r}. Give them different names.")
    return names
