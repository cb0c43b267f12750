"""First weights from the data: orthonormal ones, scaled so that every layer's sums have variance 1."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_seed, counted, positive_int, real_number
from ..errors import DataError, ParameterError
from ..graph.evaluate import interpret
from ..graph.tensor import Tensor, topological
from ..nn.dense import Affine
from ..nn.init import Orthogonal
from .loop import Shuffler
from .sparse import dense

if TYPE_CHECKING:
    from .prediction import PredictingNetwork

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LayerScale:
    """What was done to a layer.

    Attributes
    ----------
    layer : str
    before, after : float
        The variance of its weighted sums: with orthonormal weights, and in the end.
    factor : float
        By what its weights were multiplied.
    rounds : int
        How often.
    """

    layer: str
    before: float
    after: float
    factor: float
    rounds: int


@dataclass(frozen=True)
class LSUVReport:
    """First weights as `build_lsuv` has found them; prints as a table.

    Attributes
    ----------
    layers : tuple of LayerScale
        In the order in which they were scaled; layers whose weights were given are not among them.
    rows : int
        How many rows the variances are of.
    """

    layers: tuple[LayerScale, ...]
    rows: int

    def __str__(self) -> str:
        width = max(5, *(len(each.layer) for each in self.layers))
        lines = [f"{'layer':<{width}}  {'variance before':>15}  {'after':>9}  {'factor':>9}  rounds"]
        lines += [
            f"{x.layer:<{width}}  {x.before:>15.4g}  {x.after:>9.4g}  {x.factor:>9.4g}  {x.rounds:>6}"
            for x in self.layers
        ]
        return "\n".join([*lines, f"Variances of the weighted sums of {counted(self.rows, 'row')}."])


def build_lsuv(
    network: PredictingNetwork, X: Any, seed: int, rows: int, tolerance: float, max_iterations: int
) -> LSUVReport:
    """What `Network.build_lsuv` does; see there."""
    seed = checked_seed(seed)
    rows = positive_int(rows, "build_lsuv: rows", "rows=512")
    tolerance = real_number(tolerance, "build_lsuv: tolerance", 0, 1, low_too=False)
    limit = positive_int(max_iterations, "build_lsuv: max_iterations", "max_iterations=10")
    if network.built:
        raise ParameterError(
            "build_lsuv: the network has its weights already. Call reset() first, or leave weights= out of "
            "its layers."
        )
    tables = network._tables(X)
    chosen = Shuffler(seed).order(tables[0].shape[0], 0)[:rows]
    network._learn_sizes([table.shape[1] for table in tables], "build_lsuv")
    given = {name for name, layer in zip(network.names, network.layers, strict=True) if "W" in layer.given}
    network._fill(seed)
    try:
        scaled = _scaled(network, [dense(table[chosen]) for table in tables], given, seed, tolerance, limit)
    except DataError:
        network.reset()
        raise
    return LSUVReport(tuple(scaled), len(chosen))


def _scaled(
    network: PredictingNetwork, tables: list[Array], given: set[str], seed: int, tolerance: float, limit: int
) -> list[LayerScale]:
    """Layer after layer, each with what the scaled ones before it give."""
    g, wiring = network.graph, network._wiring
    feed: dict[Tensor, Array] = {**dict(zip(g.xs, tables, strict=True)), **network._values()}
    feed |= {g.seed: np.asarray(seed), g.step: np.asarray(0)}
    found: list[LayerScale] = []
    seen: set[int] = set()
    for call, value in zip(wiring.calls, g.trained_values, strict=True):
        layer, name = network.layers[call.layer], network.names[call.layer]
        if isinstance(layer, Affine) and name not in given and call.layer not in seen:
            leaf = g.parameters[f"{name}.W"]
            start = _orthonormal(layer, seed, call.layer)
            sums = _weighted_sums(value, leaf, feed)
            factor, rounds = 1.0, 0
            before = after = _variance(network, name, leaf, start, sums, feed)
            while abs(after - 1) > tolerance and rounds < limit:
                factor, rounds = factor / after**0.5, rounds + 1
                after = _variance(network, name, leaf, factor * start, sums, feed)
            if abs(after - 1) > tolerance:
                raise DataError(
                    f"build_lsuv: after {counted(rounds, 'round')} the sums of {name} have the variance "
                    f"{after:.4g}, not 1 within {tolerance:g}: its biases vary too much. Leave bias= out, or "
                    "pass a larger max_iterations."
                )
            found.append(LayerScale(name, before, after, factor, rounds))
        seen.add(call.layer)
        (feed[value],) = interpret([value], feed)
    return found


def _orthonormal(layer: Affine, seed: int, position: int) -> Array:
    """Weights for a layer, whatever law it has; the layer stays as it is."""
    like = copy.copy(layer)
    like.init = Orthogonal()
    return like.draw_weights(layer.W.shape[0], seed, position)


def _weighted_sums(value: Tensor, leaf: Tensor, known: Mapping[Tensor, Array]) -> Tensor:
    """The node that a layer's result is made of and that has the name of its sums, x @ W + b."""
    named = f"z{(leaf.name or '').removeprefix('W')}"
    return next(x for x in topological([value], known=lambda x: x in known) if x.name == named)


def _variance(
    network: PredictingNetwork, name: str, leaf: Tensor, W: Array, sums: Tensor, feed: dict[Tensor, Array]
) -> float:
    """That of a layer's weighted sums, all rows and units together, with these weights, which it takes."""
    network._take({f"{name}.W": W})
    feed[leaf] = network[name].value("W")
    (z,) = interpret([sums], feed)
    with np.errstate(all="ignore"):  # what is not finite is said below
        found = float(np.var(z, dtype=np.float64))
    if not np.isfinite(found) or found == 0:
        what = "are the same for all rows and units" if found == 0 else "are not finite"
        raise DataError(
            f"build_lsuv: the weighted sums of {name} {what} (variance {found:g}): no factor makes that 1. "
            "Are the inputs constant or not scaled, or all units before it dead?"
        )
    return found
