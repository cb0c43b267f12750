"""From parameters to a network with its first weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..model.network import Network
from ..nn.activations import find_activation
from ..nn.dense import Affine, Dense
from ..nn.init import Init
from ..nn.layers import Layer
from ..nn.loss_base import Loss
from ..nn.regularise import BatchNorm, Dropout, GaussianNoise, LayerNorm
from ..nn.structure import Structure
from ..nn.wiring import Node
from .parameters import hidden_sizes, per_layer

Array = np.ndarray[Any, Any]
LARGEST_SEED = np.iinfo(np.int32).max


def make_network(estimator: Any, inputs: int, outputs: int, loss: Loss, dtype: np.dtype[Any]) -> Network:
    """The network that the parameters describe, without weights.

    Parameters
    ----------
    estimator : BasePerceptron
    inputs, outputs : int
    loss : Loss
    dtype : numpy.dtype

    Raises
    ------
    ParameterError
        If a list of settings is not as long as there are layers, or the layers given are none.
    """
    if estimator.layers is None:
        layers: Any = _hidden_layers(estimator)
        layers.append(Dense(outputs, name=None))
    else:
        layers = _given_layers(estimator.layers, inputs, outputs)
    network = Network(layers, loss, dtype.name, penalties="per_row", mixup=estimator.mixup)
    network.metadata["penalised"] = [
        name
        for name, layer in zip(network.names, network.layers, strict=True)
        if isinstance(layer, Affine) and not (layer.l1 or layer.l2)
    ]
    adjust(estimator, network)
    return network


def structure(estimator: Any) -> tuple[Any, ...]:
    """What of the parameters says which layers there are; such tuples can be compared."""
    e = estimator
    if e.layers is not None:
        return ("layers", e.layers, e.mixup)
    sizes = hidden_sizes(e)
    rates = per_layer(e.dropout, len(sizes), f"{type(e).__name__}: dropout", 1)
    return (*zip(sizes, activations(e), rates, strict=True), e.norm, e.max_norm, e.input_noise, e.mixup)


def rebuilt(estimator: Any, old: Network, weights: dict[str, Array]) -> Network:
    """The network that the parameters describe now, with the weights of one that they described before.

    Raises
    ------
    ParameterError
        If the weights are not those of such a network.
    """
    new = make_network(estimator, int(old.inputs or 0), int(old.outputs or 0), old._losses[0], old.dtype)
    new.build(old.inputs, seed=0)
    shapes = {name: value.shape for name, value in new.parameters.items()}
    before = {name: np.shape(value) for name, value in weights.items()}
    if shapes != before:
        raise ParameterError(
            f"{type(estimator).__name__}: the parameters describe other layers than those that were fitted: "
            f"weights of shapes {list(shapes.values())}, not {list(before.values())}. Fit anew with "
            "warm_start=False."
        )
    new.set_parameters(weights)
    return new


def _hidden_layers(e: Any) -> list[Layer]:
    sizes, kind = hidden_sizes(e), type(e).__name__
    rates = per_layer(e.dropout, len(sizes), f"{kind}: dropout", 1)
    layers: list[Layer] = [GaussianNoise(e.input_noise)] if e.input_noise else []
    for size, activation, rate in zip(sizes, activations(e), rates, strict=True):
        layers.append(Dense(size, activation, max_norm=e.max_norm))
        if e.norm is not None:
            layers.append(BatchNorm() if e.norm == "batch" else LayerNorm())
        if rate:
            layers.append(Dropout(rate))
    return layers


def activations(e: Any) -> list[Any]:
    """The activation of each hidden layer."""
    count, given = len(hidden_sizes(e)), e.activation
    listed = list(given) if isinstance(given, list | tuple) else [given] * count
    if len(listed) != count:
        raise ParameterError(
            f"{type(e).__name__}: activation must be one, or {count}, one a hidden layer, got {len(listed)}."
        )
    for activation in listed:
        find_activation(activation)
    return listed


def _given_layers(given: Any, inputs: int, outputs: int) -> Any:
    """The layers or nodes given with an output layer after them, or what a function of the sizes gives."""
    if isinstance(given, Node):
        return Dense(outputs)(given)
    if isinstance(given, list | tuple):
        return [*given, Dense(outputs)]
    if isinstance(given, Callable):  # type: ignore[arg-type]
        return given(inputs, outputs)
    raise ParameterError(
        "layers must be a list of layers, a node drawn from Input, or a function of the numbers of inputs "
        f"and outputs that returns such, got {given!r:.60}."
    )


def adjust(estimator: Any, network: Network) -> None:
    """Give a network what may change from fit to fit: alpha, l1, and what is frozen.

    alpha and l1 are for the layers that bring no penalties of their own.
    """
    names, kind = network.metadata["penalised"], type(estimator).__name__
    alphas = per_layer(estimator.alpha, len(names), f"{kind}: alpha")
    l1s = per_layer(estimator.l1, len(names), f"{kind}: l1")
    for name, alpha, l1 in zip(names, alphas, l1s, strict=True):
        layer: Any = network[name]
        if (layer.l1, layer.l2) != (l1, alpha / 2):
            layer.l1, layer.l2 = l1, alpha / 2
            network._forget_graph()
    _freeze(network, estimator.frozen)


def _freeze(network: Structure, frozen: Any) -> None:
    """Freeze layers by name, or single parameters as in hidden1.W."""
    chosen: dict[str, set[str]] = {}
    for name in [frozen] if isinstance(frozen, str) else list(frozen):
        layer, _, parameter = str(name).partition(".")
        chosen.setdefault(layer, set()).update([parameter] if parameter else network[layer].trained)
    for layer, parameters in chosen.items():
        network[layer].freeze(parameters)


def weighted_layers(network: Structure) -> list[Affine]:
    """The layers whose weights are listed in `coefs_`."""
    return [layer for layer in network.layers if isinstance(layer, Affine)]


def weight_names(network: Structure) -> tuple[list[str], list[str]]:
    """The names of the parameters that `coefs_` and `intercepts_` list."""
    named = [
        (name, layer)
        for name, layer in zip(network.names, network.layers, strict=True)
        if isinstance(layer, Affine)
    ]
    return [f"{n}.W" for n, _ in named], [f"{n}.b" for n, layer in named if "b" in layer.trained]


def new_seed(random: np.random.RandomState) -> int:
    """A seed for this package's generator."""
    return int(random.randint(LARGEST_SEED))


def draw(estimator: Any, network: Network, X: Any, random: np.random.RandomState) -> None:
    """Give the network its first weights.

    Dense layers have scikit-learn's weights and biases, drawn in its order, so that the same random_state
    starts with the same numbers: uniform between plus and minus sqrt(6 / (inputs + units)), or sqrt(2 / ...)
    after the logistic function.

    References
    ----------
    Glorot and Bengio (2010), eq. 16.
    """
    init, plain, inputs = estimator.init, estimator.layers is None, X.shape[1]
    if isinstance(init, str) and init == "lsuv":
        network.build_lsuv(X, seed=new_seed(random))
        return
    start: dict[str, Array] = {}
    if plain and init is None:
        start = _like_sklearn(estimator, inputs, network, random)
    if isinstance(init, str | Init):
        for layer in weighted_layers(network):
            layer.init = Dense(1, init=init).init
    network.build(inputs, seed=0 if start else new_seed(random))
    if init is not None and not isinstance(init, str | Init):
        start = given_weights(network, init)
    network.set_parameters(start)


def _like_sklearn(e: Any, inputs: int, network: Network, random: np.random.RandomState) -> dict[str, Array]:
    functions = [find_activation(a)[0] for a in activations(e)] or [find_activation(_only(e))[0]]
    functions.append(functions[-1])  # the output layer's weights are drawn as the last hidden layer's
    drawn: dict[str, Array] = {}
    for layer, name, function in zip(
        weighted_layers(network), weight_names(network)[0], functions, strict=False
    ):
        units = layer.columns
        bound = math.sqrt((2.0 if function == "logistic" else 6.0) / (inputs + units))
        drawn[name] = random.uniform(-bound, bound, (inputs, units))
        drawn[f"{name.removesuffix('.W')}.b"] = random.uniform(-bound, bound, units)
        inputs = units
    return drawn


def _only(e: Any) -> Any:
    """The activation of a network without hidden layers, which counts for its output's first weights."""
    return e.activation if not isinstance(e.activation, list | tuple) else "linear"


def given_weights(network: Network, given: Any) -> dict[str, Array]:
    """Weights by name from a dict, or from a pair of lists as `coefs_` and `intercepts_` are.

    Raises
    ------
    ParameterError
        If it is neither, or the lists are not as long as there are layers.
    """
    if isinstance(given, dict):
        return given
    names = weight_names(network)
    pair = list(given) if isinstance(given, Sequence) else []
    if len(pair) != 2 or [len(part) for part in pair] != [len(part) for part in names]:
        raise ParameterError(
            "init must be the name of a law such as 'he', an object such as inits.He(), a dict of arrays by "
            f"parameter, or a pair (coefs, intercepts) of {len(names[0])} and {len(names[1])} arrays."
        )
    return dict(zip([*names[0], *names[1]], [*pair[0], *pair[1]], strict=True))
