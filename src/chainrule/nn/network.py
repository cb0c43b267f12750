"""A network's structure, weights and graph: all of it but the training."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np

from ..autodiff.gradient import gradient
from ..checks import checked_seed, counted, positive_int, real_array, real_number
from ..emit.numpy_source import numpy_source
from ..errors import NotFittedError, ParameterError, ShapeError, unknown_name
from ..graph.program import Program
from ..graph.tensor import Tensor, placeholder, topological
from ..optim.rules import SGD, Optimizer, find_optimizer
from .dense import Dense
from .layers import Context, Layer
from .losses import Loss, find_loss
from .wiring import Node, Wiring, chain, drawn, layer_names, numbered

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Graph:
    """The nodes that programs are made of.

    Attributes
    ----------
    xs, ts : list of Tensor
        Places for a batch's inputs and targets.
    weights, lr, seed, step : Tensor
        Places for the rows' weights, shape (n,), and for the learning rate, the fit's seed and the number of
        the step, each one number.
    parameters : dict of str to Tensor
        Leaves by the names hidden1.W, hidden1.b, ...
    trained_values : list of Tensor
        In training, the result of every use of a layer, shape (n, columns).
    trained_outputs, outputs : list of Tensor
        The results that targets are for, in training and in prediction.
    predictions : list of Tensor
        The outputs, or the probabilities of a classifier.
    losses : list of Tensor
        Of each output in prediction.
    loss : Tensor
        The losses' weighted sum; without penalties.
    changes : dict of Tensor to Tensor
        New values of leaves that training changes without a gradient.
    """

    xs: list[Tensor]
    ts: list[Tensor]
    weights: Tensor
    lr: Tensor
    seed: Tensor
    step: Tensor
    parameters: dict[str, Tensor]
    trained_values: list[Tensor]
    trained_outputs: list[Tensor]
    outputs: list[Tensor]
    predictions: list[Tensor]
    losses: list[Tensor]
    loss: Tensor
    changes: dict[Tensor, Tensor]


class BaseNetwork:
    """Layers, their weights, and the graph that they make."""

    def __init__(
        self,
        layers: Sequence[Layer] | Node | Sequence[Node],
        loss: Any,
        dtype: str = "float32",
        loss_weights: Sequence[float] | None = None,
    ) -> None:
        wiring = _checked_wiring(layers)
        self.layers = [layer.copy() for layer in wiring.layers]
        self._wiring = Wiring(self.layers, wiring.calls, wiring.inputs, wiring.outputs)
        self._losses = _checked_losses(loss, len(wiring.outputs))
        self._loss_weights = _checked_loss_weights(loss_weights, len(self._losses))
        self.dtype = _checked_dtype(dtype)
        self.names = layer_names(self._wiring)
        self.optimizer: Optimizer | None = None
        self._graph: Graph | None = None
        self._graph_frozen: list[frozenset[str]] = []  # what was frozen when the graph was made
        self._programs: dict[Any, Program] = {}
        self._sizes: list[int] = []  # columns of every value, inputs first; empty before they are known
        self._check_losses()
        known = self._known_inputs()
        if None not in known:
            self._set_sizes([int(k) for k in known if k is not None])
            self._fill_if_given()

    # what it is -------------------------------------------------------------------------------

    @property
    def loss(self) -> str:
        """The loss's name; several outputs' with commas between."""
        return ", ".join(loss.name for loss in self._losses)

    @property
    def built(self) -> bool:
        """Whether there are weights."""
        return bool(self._sizes) and all(
            set(layer.shapes(inputs)) <= set(layer.values) for layer, inputs in self._with_inputs()
        )

    @property
    def inputs(self) -> int | None:
        """The number of inputs, those of all tables together; None before it is known."""
        return sum(self._sizes[: len(self._wiring.inputs)]) if self._sizes else None

    @property
    def outputs(self) -> int | None:
        """The number of outputs, those of all targets together; None before it is known."""
        if self._sizes:
            return sum(self._sizes[i] for i in self._wiring.outputs)
        return self.layers[-1].outputs(0) or None if len(self._wiring.outputs) == 1 else None

    @property
    def widths(self) -> list[int]:
        """The number of columns of each output; empty before they are known."""
        return [self._sizes[i] for i in self._wiring.outputs] if self._sizes else []

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
        return {**self.__dict__, "_graph": None, "_programs": {}}

    # weights ----------------------------------------------------------------------------------

    def build(self, inputs: int | Sequence[int] | None = None, seed: int = 0) -> None:
        """Draw the weights that are not there; without this, the first fit does.

        Parameters
        ----------
        inputs : int or sequence of int, optional
            The number of inputs, for several tables that of each; not needed where the network knows it.
        seed : int

        Raises
        ------
        ParameterError
            For a number of inputs or a seed that is none.
        ShapeError
            If the weights that are there are for another number of inputs.
        """
        seed = checked_seed(seed)
        tables = len(self._wiring.inputs)
        if inputs is not None:
            listed = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
            sizes = [positive_int(k, "build: inputs", "build(64)") for k in listed]
            if len(sizes) != tables:
                raise ParameterError(f"build: the network has {tables} inputs, got {len(sizes)} sizes.")
            self._learn_sizes(sizes, "build")
        elif not self._sizes:
            raise ParameterError("build: the number of inputs is not known. Pass it, e.g. build(64).")
        if not self.built:
            self._fill(seed)

    def _learn_sizes(self, sizes: list[int], what: str) -> None:
        for known, size in zip(self._known_inputs(), sizes, strict=True):
            if known not in (None, size):
                n = counted(known, "input")
                raise ShapeError(f"{what}: the network has weights for {n}, got {size:,}.")
        if not self._sizes:
            self._set_sizes(sizes)

    def reset(self) -> None:
        """Forget the weights: the next fit draws them again, and takes those given to layers from there."""
        for layer in self.layers:
            layer.values = {}
        self._sizes = []
        known = self._known_inputs()
        if None in known:
            self._forget_graph()
        else:
            self._set_sizes([int(k) for k in known if k is not None])
            self._fill_if_given()

    def _known_inputs(self) -> list[int | None]:
        """The columns of each input, where weights or the drawing tell them."""
        count = len(self._wiring.inputs)
        if self._sizes:
            return list(self._sizes[:count])
        known = [columns for columns, _ in self._wiring.inputs]
        for call in self._wiring.calls:
            told = self.layers[call.layer].inputs
            if told is not None and call.sources[0] < count:
                known[call.sources[0]] = known[call.sources[0]] or told
        return known

    def _with_inputs(self) -> list[tuple[Layer, int]]:
        """Each layer with the columns of its first use's input."""
        first: dict[int, int] = {}
        for call in self._wiring.calls:
            first.setdefault(call.layer, self._sizes[call.sources[0]])
        return [(layer, first[i]) for i, layer in enumerate(self.layers)]

    def _sizes_for(self, inputs: list[int]) -> list[int]:
        """The columns of every value, for so many columns of the inputs."""
        sizes = list(inputs)
        for call in self._wiring.calls:
            layer, given = self.layers[call.layer], [sizes[i] for i in call.sources]
            layer.check(given[0])
            sizes.append(layer.outputs(*given))
        return sizes

    def _outputs_for(self, inputs: list[int]) -> list[int]:
        sizes = self._sizes_for(inputs)
        return [sizes[i] for i in self._wiring.outputs]

    def _set_sizes(self, inputs: list[int]) -> None:
        self._sizes = self._sizes_for(inputs)

    def _fill_if_given(self) -> None:
        """Take the weights given if nothing is left to be drawn."""
        if all(set(layer.drawn) <= set(layer.given) for layer in self.layers):
            self._fill(0)

    def _fill(self, seed: int) -> None:
        for position, (layer, inputs) in enumerate(self._with_inputs()):
            layer.fill(inputs, seed, position, self.dtype)

    def _take(self, values: dict[Tensor, Array]) -> None:
        """Set the weights from the values of their leaves, where training may have changed them."""
        for name, leaf in self.graph.parameters.items():
            layer, _, parameter = name.partition(".")
            if leaf in values:
                self[layer].set(parameter, values[leaf], self.dtype)

    def _values(self, program: Program | None = None) -> dict[Tensor, Array]:
        """The weights by their leaves; those that a program has, if one is given."""
        weights = self.parameters
        known = None if program is None else set(program.variables)
        leaves = self.graph.parameters.items()
        return {leaf: weights[name] for name, leaf in leaves if known is None or leaf in known}

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Set weights by name, hidden1.W, hidden1.b, ...

        Parameters
        ----------
        values : mapping of str to array-like
            In the shapes of `parameters`; those not named stay.

        Raises
        ------
        UnknownNameError
            If the network has no such weights.
        ShapeError, DTypeError, DataError
            If a value has another shape, or is no finite numbers; nothing is changed then.
        """
        present = self.parameters
        checked = {}
        for name, value in values.items():
            if name not in present:
                raise unknown_name("parameter", name, present)
            array = real_array(value, name, present[name].ndim)
            if array.shape != present[name].shape:
                raise ShapeError(f"{name}: expected shape {present[name].shape}, got {array.shape}")
            checked[name] = array
        for name, array in checked.items():
            layer, _, parameter = name.partition(".")
            self[layer].set(parameter, array, self.dtype)

    # graph ------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The forward pass and the loss; raises NotFittedError before the number of inputs is known."""
        if not self._sizes:
            raise NotFittedError(
                "the network does not know its number of inputs yet. Call fit, or build(inputs, seed=0)."
            )
        frozen = [layer.frozen for layer in self.layers]
        if self._graph is None or self._graph_frozen != frozen:
            self._forget_graph()
            self._graph, self._graph_frozen = self._make_graph(), frozen
        return self._graph

    def _make_graph(self) -> Graph:
        wiring = self._wiring
        xs = [
            placeholder(("n", size), self.dtype, wiring.inputs[i][1] or numbered("x", i, len(wiring.inputs)))
            for i, size in enumerate(self._sizes[: len(wiring.inputs)])
        ]
        leaves = [
            {
                parameter: placeholder(shape, self.dtype, f"{parameter}{tag}")
                for parameter, shape in layer.shapes(inputs).items()
            }
            for (layer, inputs), tag in zip(self._with_inputs(), self._tags(), strict=True)
        ]
        seed, step = (placeholder((), "int64", name) for name in ("seed", "step_number"))
        changes: dict[Tensor, Tensor] = {}
        values = trained = self._forward(xs, leaves, False, seed, step, {})
        if any(layer.two_modes for layer in self.layers):
            trained = self._forward(xs, leaves, True, seed, step, changes)
        outputs = [values[i] for i in wiring.outputs]
        ts = [
            placeholder(("n",), "int64", name)
            if loss.target == "classes"
            else placeholder(("n", z.shape[1]), self.dtype, name)
            for loss, z, name in zip(self._losses, outputs, self._target_names(), strict=True)
        ]
        predictions = [loss.prediction(z) for loss, z in zip(self._losses, outputs, strict=True)]
        for k, (p, z) in enumerate(zip(predictions, outputs, strict=True)):
            if p is not z:
                p.name = numbered("p", k, len(outputs))
        losses = self._each_loss(outputs, ts)
        parameters = {
            f"{name}.{parameter}": leaf
            for name, own in zip(self.names, leaves, strict=True)
            for parameter, leaf in own.items()
        }
        return Graph(
            xs=xs,
            ts=ts,
            weights=placeholder(("n",), self.dtype, "w"),
            lr=placeholder((), self.dtype, "lr"),
            seed=seed,
            step=step,
            parameters=parameters,
            trained_values=trained[len(xs) :],
            trained_outputs=[trained[i] for i in wiring.outputs],
            outputs=outputs,
            predictions=predictions,
            losses=losses,
            loss=self._total(losses),
            changes=changes,
        )

    def _forward(
        self,
        xs: list[Tensor],
        leaves: list[dict[str, Tensor]],
        training: bool,
        seed: Tensor,
        step: Tensor,
        changes: dict[Tensor, Tensor],
    ) -> list[Tensor]:
        """All values; what training changes without a gradient is entered into `changes`."""
        values, tags, uses = list(xs), self._tags(), [0] * len(self.layers)
        for call in self._wiring.calls:
            i = call.layer
            uses[i] += 1
            tag = tags[i] if uses[i] == 1 else f"{tags[i]}_{uses[i]}"
            context = Context(tag, i, training, seed, step, changes, uses[i])
            values.append(self.layers[i].join([values[k] for k in call.sources], leaves[i], context))
        return values

    def _target_names(self) -> list[str]:
        return [numbered("t", k, len(self._losses)) for k in range(len(self._losses))]

    def _each_loss(
        self, outputs: list[Tensor], ts: list[Tensor], weights: Tensor | None = None
    ) -> list[Tensor]:
        return [loss(z, t, weights) for loss, z, t in zip(self._losses, outputs, ts, strict=True)]

    def _total(self, parts: list[Tensor]) -> Tensor:
        """The losses of all outputs together."""
        if self._loss_weights == [1.0]:
            return parts[0]
        for k, part in enumerate(parts):
            part.name = f"loss{k + 1}"
        pairs = zip(parts, self._loss_weights, strict=True)
        total = reduce(operator.add, (part if factor == 1 else factor * part for part, factor in pairs))
        total.name = "loss"
        return total

    def _training_loss(self, weighted: bool) -> Tensor:
        g, penalties = self.graph, self._penalties()
        if not weighted and not penalties and not any(layer.two_modes for layer in self.layers):
            return g.loss
        loss = self._total(self._each_loss(g.trained_outputs, g.ts, g.weights if weighted else None))
        if penalties:
            loss.name = "data_loss"
            loss = reduce(operator.add, penalties, loss)
            loss.name = "loss"
        return loss

    def _penalties(self) -> list[Tensor]:
        """What the layers add to the loss in training."""
        found = []
        for name, layer in zip(self.names, self.layers, strict=True):
            start = f"{name}."
            leaves = self.graph.parameters.items()
            penalty = layer.penalty({p.removeprefix(start): x for p, x in leaves if p.startswith(start)})
            if penalty is not None:
                penalty.name = f"penalty_{name}"
                found.append(penalty)
        return found

    def _tags(self) -> list[str]:
        """What the names of each layer's nodes end with: its number, or _ and its name."""
        tags, number = [], 0
        kinds = [layer.kind for layer in self.layers]
        for layer, name in zip(self.layers, self.names, strict=True):
            number += layer.numbered
            own = str(number) if layer.numbered else f"_{name}"
            if layer.suffix and kinds.count(layer.kind) == 1:
                own = layer.suffix
            tags.append(f"_{layer.name}" if layer.name else own)
        return tags

    def program(self, optimizer: Optimizer | str | None = None, *, weighted: bool = False) -> Program:
        """The training step: inputs x, t and lr, output loss, updates of the weights and the rule's state.

        With several inputs or outputs there are x1, x2, ... and t1, t2, ...; with layers that draw random
        numbers also the seed and the step's number.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            Plain gradient descent where none is given. Its learning rate is no part of the program.
        weighted : bool
            Whether rows have weights, a further input w.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        rule = find_optimizer(SGD() if optimizer is None else optimizer).rule
        if rule.whole_batch:
            raise ParameterError(
                f"{type(rule).__name__} takes no steps that could be printed: SciPy makes them from the "
                "gradients. Name another optimizer."
            )
        g, leaves = self.graph, self.trained_leaves()
        key = (rule, weighted, frozenset(leaves))
        if key not in self._programs:
            loss = self._training_loss(weighted)
            made = rule.new_values(leaves, gradient(loss, leaves) if leaves else [], g.lr)
            updates = {leaf: made.pop(leaf) for leaf in leaves} | g.changes | made
            inputs = [*self._inputs_of([loss, *updates.values()]), g.lr]
            self._programs[key] = Program(inputs, {"loss": loss}, updates)
        return self._programs[key]

    def gradient_program(self, *, weighted: bool = False) -> Program:
        """The loss and its slopes by what is trained (slope0, slope1, ...), without an update.

        Raises
        ------
        ParameterError
            If a layer does another thing in training than in prediction.
        """
        for layer in self.layers:
            if layer.two_modes:
                raise ParameterError(
                    f"{type(layer).__name__} changes from step to step, which an optimizer that works on all "
                    "rows at once cannot follow. Leave it out, or use e.g. Adam."
                )
        leaves = self.trained_leaves()
        key = ("gradient", weighted, frozenset(leaves))
        if key not in self._programs:
            loss = self._training_loss(weighted)
            slopes = {f"slope{k}": g for k, g in enumerate(gradient(loss, leaves))}
            inputs = self._inputs_of([loss, *slopes.values()])
            self._programs[key] = Program(inputs, {"loss": loss, **slopes}, name="slopes")
        return self._programs[key]

    def _inputs_of(self, roots: Sequence[Tensor]) -> list[Tensor]:
        """The inputs that a program of these roots takes, the learning rate apart."""
        g, used = self.graph, set(topological(roots))
        return [*g.xs, *g.ts, *(x for x in (g.weights, g.seed, g.step) if x in used)]

    def trained_leaves(self) -> list[Tensor]:
        """The leaves of the parameters that training changes by their gradients."""
        found = []
        for name, leaf in self.graph.parameters.items():
            layer, _, parameter = name.partition(".")
            if parameter in self[layer].trained and parameter not in self[layer].frozen:
                found.append(leaf)
        return found

    def _forget_graph(self) -> None:
        self._graph = None
        self._programs = {}

    def summary(self) -> str:
        """A table of the layers: shapes, parameters, operations and memory, at most 80 columns wide.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        from .summary import summary

        return summary(self)

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

    def _check_losses(self) -> None:
        for loss, i in zip(self._losses, self._wiring.outputs, strict=True):
            call = self._wiring.calls[i - len(self._wiring.inputs)]
            last = self.layers[call.layer]
            if not isinstance(last, Dense):
                continue
            if loss.probabilities and last.activation != "linear":
                raise ParameterError(
                    f"Network: {loss.name} takes logits, but the last layer applies {last.activation!r}. "
                    f"Make it linear: Dense({last.units}); predict_proba gives probabilities."
                )
            if loss.target == "classes" and last.units == 1:
                raise ParameterError(
                    f"Network: {loss.name} needs an output for each class, at least 2, got 1. "
                    "Use Dense(2), or loss='binary_cross_entropy'."
                )


def _checked_wiring(layers: Any) -> Wiring:
    if isinstance(layers, Node):
        return drawn([layers])
    if not isinstance(layers, list | tuple) or not layers:
        raise ParameterError(
            f"Network: layers must be a list with at least one layer, got {layers!r:.60}. "
            "Pass e.g. [Dense(64, 'relu'), Dense(10)]."
        )
    if all(isinstance(node, Node) for node in layers):
        return drawn(layers)
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ParameterError(f"Network: expected layers, got {layer!r:.60}. Pass e.g. Dense(64, 'relu').")
    return chain([layer.copy() for layer in layers])


def _checked_losses(loss: Any, outputs: int) -> list[Loss]:
    listed = list(loss) if isinstance(loss, list | tuple) else [loss]
    if len(listed) != outputs:
        raise ParameterError(
            f"Network: {counted(outputs, 'output')} need as many losses, got {len(listed)}. "
            "Pass e.g. loss=['mse', 'cross_entropy']."
        )
    return [find_loss(own) for own in listed]


def _checked_loss_weights(weights: Any, outputs: int) -> list[float]:
    if weights is None:
        return [1.0] * outputs
    listed = [real_number(w, "Network: a loss weight", 0, math.inf, low_too=False) for w in weights]
    if len(listed) != outputs:
        raise ParameterError(f"Network: expected {outputs} loss weights, got {len(listed)}.")
    return listed


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ParameterError(f"Network: dtype must be 'float32' or 'float64', got {dtype!r}.")
    checked: np.dtype[Any] = np.dtype(dtype)
    return checked
