"""What a network is made of: layers and how they are wired, losses, names, sizes and weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..checks import checked_seed, counted, not_negative, positive_int, real_array, real_number
from ..errors import ParameterError, ShapeError, unknown_name
from .dense import Affine, Dense
from .layers import Layer
from .losses import Loss, find_loss
from .wiring import Call, Node, Wiring, chain, drawn, layer_names

Array = np.ndarray[Any, Any]
PENALTIES = ("per_row", "whole")


class Structure:
    """Layers, their wiring, losses and weights."""

    def __init__(
        self,
        layers: Sequence[Layer] | Node | Sequence[Node],
        loss: Any,
        dtype: str = "float32",
        loss_weights: Sequence[float] | None = None,
        penalties: str = "whole",
        mixup: float = 0.0,
    ) -> None:
        wiring = _checked_wiring(layers)
        self.layers = [layer.copy() for layer in wiring.layers]
        self._wiring = Wiring(self.layers, wiring.calls, wiring.inputs, wiring.outputs)
        self._losses = _checked_losses(loss, len(wiring.outputs))
        self._loss_weights = _checked_loss_weights(loss_weights, len(self._losses))
        self.dtype = _checked_dtype(dtype)
        if penalties not in PENALTIES:
            raise unknown_name("penalties", penalties, PENALTIES)
        self.penalties = penalties
        self.mixup = not_negative(mixup, "Network: mixup")
        self.names = layer_names(self._wiring)
        self._sizes: list[int] = []  # columns of every value, inputs first; empty before they are known
        self._check_losses()
        self._start()

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
    def two_modes(self) -> bool:
        """Whether training does another thing than prediction."""
        return self.mixup > 0 or any(layer.two_modes for layer in self.layers)

    @property
    def inputs(self) -> int | None:
        """The number of inputs, those of all tables together; None before it is known."""
        return sum(self._sizes[: len(self._wiring.inputs)]) if self._sizes else None

    @property
    def outputs(self) -> int | None:
        """The number of outputs, those of all targets together; None before it is known."""
        if self._sizes:
            return sum(self._sizes[i] for i in self._wiring.outputs)
        calls = [self._maker(i) for i in self._wiring.outputs]
        if len(calls) > 1 or len(calls[0].sources) > 1:  # what is joined is as wide as its parts
            return None
        return self.layers[calls[0].layer].outputs(0) or None

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

    def _maker(self, value: int) -> Call:
        """The use of a layer that a value comes from."""
        return self._wiring.calls[value - len(self._wiring.inputs)]

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
        self._start()

    def _start(self) -> None:
        """Take the sizes and weights that are given from the start."""
        known = self._known_inputs()
        if None not in known:
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
        first: dict[int, int] = {}
        for call in self._wiring.calls:
            layer, given = self.layers[call.layer], [sizes[i] for i in call.sources]
            layer.check(given[0])
            width = first.setdefault(call.layer, given[0])
            if layer.shapes(width) != layer.shapes(given[0]):
                raise ShapeError(
                    f"{self.names[call.layer]}: is used on {width} columns, and on {given[0]}. Uses share "
                    "its weights: give them inputs of one width."
                )
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
        self._take(checked)

    def _take(self, values: Mapping[str, Array]) -> None:
        """Set weights by name, unchecked."""
        for name, array in values.items():
            layer, _, parameter = name.partition(".")
            self[layer].set(parameter, array, self.dtype)

    # checks -----------------------------------------------------------------------------------

    def _check_losses(self) -> None:
        for loss, i in zip(self._losses, self._wiring.outputs, strict=True):
            last = self.layers[self._maker(i).layer]
            if loss.probabilities and isinstance(last, Dense) and last.activation != "linear":
                raise ParameterError(
                    f"Network: {loss.name} takes logits, but the last layer applies {last.activation!r}. "
                    f"Make it linear: Dense({last.units}); predict_proba gives probabilities."
                )
            if loss.target == "classes" and isinstance(last, Affine) and last.outputs(1) == 1:
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
    return chain(layers)


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
    given = weights if np.ndim(weights) else [weights]
    listed = [real_number(w, "Network: a loss weight", 0, math.inf, low_too=False) for w in given]
    if len(listed) != outputs:
        raise ParameterError(f"Network: expected {outputs} loss weights, got {len(listed)}.")
    return listed


def _checked_dtype(dtype: Any) -> np.dtype[Any]:
    if dtype not in ("float32", "float64", np.float32, np.float64):
        raise ParameterError(f"Network: dtype must be 'float32' or 'float64', got {dtype!r}.")
    checked: np.dtype[Any] = np.dtype(dtype)
    return checked
