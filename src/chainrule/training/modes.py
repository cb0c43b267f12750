"""Reverse mode, forward mode and finite differences side by side: what each costs as a network grows."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..autodiff.forward import jvp
from ..autodiff.gradient import gradient
from ..checks import checked_seed, positive_int, real_number
from ..emit.engine import Runner, compile_program
from ..errors import ParameterError, ShapeError, unknown_name
from ..graph.program import Program
from ..graph.tensor import Tensor, placeholder
from ..nn.dense import Dense
from ..nn.maxout import Maxout
from ..nn.wiring import Wiring
from ..shapes import evaluate_shape
from .loop import tell
from .mode_table import Cost, ModeComparison, ModeRow
from .prediction import PredictingNetwork

Array = np.ndarray[Any, Any]
Place = tuple[int, ...]
T = TypeVar("T")

NETWORKS = 4  # how many a series has if no widths are given, each twice as wide as the one before
WEIGHTS = 400_000  # what the widest of them may have at most
SECONDS = 0.15  # how long each measurement goes on
FEWEST, MOST = 5, 200  # timings, or weights of a sample
ALLOCATION = 30 << 20  # bytes: once it has freed a block as large, the C library keeps smaller ones at hand
CLOCK = time.perf_counter if sys.platform == "win32" else time.process_time
"""The processor's time, of which other work on the machine takes little; Windows counts it too coarsely."""
STEP = float(np.cbrt(np.finfo(np.float64).eps))  # where rounding and curvature cost a difference alike


def compare_modes(
    network: PredictingNetwork,
    x: Any,
    y: Any,
    *,
    widths: Sequence[float] | None = None,
    rows: int = 1024,
    engine: str = "numpy",
    seed: int = 0,
    verbose: bool = False,
) -> ModeComparison:
    """Time all derivatives of a loss in reverse mode, in forward mode and by finite differences.

    For networks of the same layers with hidden layers of growing width. One reverse sweep gives the
    derivatives by all P weights at once; a forward sweep, or a central difference, gives that by one. So
    backpropagation's cost is proportional to P, and that of the others to its square.

    Each way runs in float64, whatever the network's type, with one thread for products of matrices. The times
    are medians of the processor's time, which other work on the machine disturbs little (on Windows, of the
    clock's). Where P is large, forward sweeps and differences are timed for a drawn sample of the weights and
    multiplied; the sample's derivatives are compared with those of reverse mode.

    Parameters
    ----------
    network : Network
        Stays as it is. Its weights count as they are in the network of its own width; others are drawn.
    x, y : array-like
        As for `Network.fit`.
    widths : sequence of float, optional
        What the numbers of units of the hidden layers are multiplied by. Where none are given there are four
        networks, each twice as wide as the one before, the last at most eight times as wide as `network` and
        small enough to be measured in seconds.
    rows : int
        At most so many rows of the data are taken, the first ones.
    engine : {"numpy", "numba"}
        What the programs run in. Compiling them for "numba" takes longer than measuring them.
    seed : int
        Of weights and samples.
    verbose : bool
        Say on standard error how far it is, and how long the rest will take.

    Returns
    -------
    ModeComparison
        Prints as a table; `rows` has the numbers, `exponents` how fast each way's time grows with P.

    Raises
    ------
    ParameterError
        If `network` is no network, has no hidden layer, or cannot be made wider or narrower, or an argument
        is outside what is accepted; UnknownNameError, one of its kinds, if there is no such engine.
    ShapeError, DTypeError, DataError
        If `x` or `y` does not fit the network.

    References
    ----------
    Baur and Strassen (1983), The complexity of partial derivatives.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse")
    >>> found = compare_modes(net, [[0.0, 1.0], [1.0, 1.0]], [0.0, 1.0], widths=[1, 2])
    >>> [(row.weights, row.forward.evaluations) for row in found.rows]
    [(33, 33), (65, 65)]
    """
    from threadpoolctl import threadpool_limits

    if not isinstance(network, PredictingNetwork):
        raise ParameterError(
            f"compare_modes: expected a network, got {network!r:.60}. Pass e.g. "
            "Network([Dense(64, 'relu'), Dense(10)], loss='cross_entropy')."
        )
    if engine not in ("numpy", "numba"):
        raise unknown_name("engine", engine, ("numpy", "numba"))
    rows, seed = positive_int(rows, "compare_modes: rows", "rows=1024"), checked_seed(seed)
    base = _copied(network)
    tables = base._tables(x)
    ts, _ = base._targets(y, tables, network._codings)
    data = [a[:rows] for a in (*tables, *ts)]
    columns = [table.shape[1] for table in tables]
    base.build(columns, seed)
    if not base.trained_leaves():
        raise ParameterError("compare_modes: training changes no weight of the network. Unfreeze a layer.")
    factors = _default_widths(base) if widths is None else _checked_widths(widths)
    networks = [_scaled(base, factor, columns, seed) for factor in sorted(factors)]
    np.empty(ALLOCATION, np.uint8)
    series = {_count(net.trained_leaves()): net for net in networks}  # no number of weights twice
    with threadpool_limits(1):
        measured = [
            _measured(_Ways(net, data, engine), np.random.default_rng(seed)) for net in _told(series, verbose)
        ]
    return ModeComparison(tuple(measured), len(data[0]), engine)


# networks -------------------------------------------------------------------------------------


def _copied(network: PredictingNetwork) -> PredictingNetwork:
    new = copy.copy(network)
    new.dtype = np.dtype(np.float64)
    return new


def _count(leaves: Sequence[Tensor]) -> int:
    return sum(math.prod(_shape(leaf)) for leaf in leaves)


def _shape(leaf: Tensor) -> tuple[int, ...]:
    return evaluate_shape(leaf.shape, {})


def _default_widths(base: PredictingNetwork) -> list[float]:
    """Powers of two; the number of weights grows with the square of the width at most."""
    weights = _count(base.trained_leaves())
    most = max(k for k in range(NETWORKS) if k == 0 or weights * 4**k <= WEIGHTS)
    return [2.0 ** (most - k) for k in range(NETWORKS)]


def _checked_widths(widths: Any) -> list[float]:
    listed = list(widths) if isinstance(widths, Sequence | np.ndarray) and not isinstance(widths, str) else []
    if not listed:
        raise ParameterError(
            f"compare_modes: widths must be a list of numbers, got {widths!r:.60}. Pass e.g. [0.5, 1, 2]."
        )
    return [real_number(w, "compare_modes: a width", 0, math.inf, low_too=False) for w in listed]


def _scaled(base: PredictingNetwork, factor: float, columns: list[int], seed: int) -> PredictingNetwork:
    """The network with hidden layers of another width, and weights for it."""
    if factor == 1:
        return base
    hidden = _hidden_layers(base._wiring)
    if not hidden:
        raise ParameterError(
            "compare_modes: the network has no hidden layer whose width could change. Add one before the "
            "last, e.g. Dense(64, 'relu')."
        )
    new = _copied(base)
    for i, layer in enumerate(new.layers):
        if i in hidden and isinstance(layer, Dense | Maxout):
            units = max(1, round(layer.units * factor))
            layer.units, layer.columns = units, layer.columns // layer.units * units
        if layer.trained:
            layer.given = {}
    try:
        new.reset()
        new.build(columns, seed)
    except ShapeError as error:
        raise ParameterError(
            f"compare_modes: with hidden layers {factor:g} times as wide the layers do not fit one another. "
            f"{error} Pass widths=[1] for this network alone."
        ) from None
    return new


def _hidden_layers(wiring: Wiring) -> set[int]:
    """Layers with a number of units that no output takes its columns from."""
    sized = {i for i, layer in enumerate(wiring.layers) if isinstance(layer, Dense | Maxout)}
    last, pending = set(), list(wiring.outputs)
    while pending:
        value = pending.pop() - len(wiring.inputs)
        if value >= 0:
            call = wiring.calls[value]
            if call.layer in sized:
                last.add(call.layer)
            else:
                pending += call.sources
    return sized - last


def _told(series: Mapping[int, PredictingNetwork], verbose: bool) -> Iterator[PredictingNetwork]:
    """The networks, one after another, with a line on standard error after each."""
    for done, (weights, net) in enumerate(series.items(), 1):
        started = time.perf_counter()
        yield net
        left = (time.perf_counter() - started) * (len(series) - done)
        if verbose:
            tell(f"{done} of {len(series)} networks, {weights:,} weights; about {left:.0f} s left")


# measurements ---------------------------------------------------------------------------------


class _Ways:
    """A network's programs for each way, and their derivatives by one weight: a leaf's number and a place."""

    def __init__(self, net: PredictingNetwork, data: Sequence[Array], engine: str) -> None:
        graph = net.graph
        self.data, self.engine = data, engine
        self.inputs = [*graph.xs, *graph.ts]
        self.leaves = net.trained_leaves()
        self.values = {leaf: np.asarray(value, np.float64) for leaf, value in net._values().items()}
        moving = [placeholder(leaf.shape, leaf.dtype, f"{leaf.name}_dot") for leaf in self.leaves]
        slopes = {f"slope{k}": slope for k, slope in enumerate(gradient(graph.loss, self.leaves))}
        pushed = jvp(graph.loss, zip(self.leaves, moving, strict=True))
        self._loss = self._compiled({"loss": graph.loss})
        self._reverse = self._compiled({"loss": graph.loss, **slopes})
        self._forward = self._compiled({"loss": graph.loss, "loss_dot": pushed}, moving)
        self._tangents = [np.zeros(_shape(leaf)) for leaf in self.leaves]
        self._forward(*data, *self._tangents)  # a first call takes longer
        self._loss(*data)
        self.exact = list(self._reverse(*data).values())[1:]

    def _compiled(self, outputs: dict[str, Tensor], more: Sequence[Tensor] = ()) -> Runner:
        program = Program([*self.inputs, *more], outputs)
        runner = compile_program(program, self.engine)
        runner.load({leaf: self.values[leaf] for leaf in program.variables})
        return runner

    def reverse(self) -> float:
        """The seconds of a reverse sweep."""
        return _clocked(lambda: self._reverse(*self.data))[0]

    def forward(self, k: int, at: Place) -> tuple[float, float]:
        """The seconds of a forward sweep, and the derivative that it gives."""
        self._tangents[k][at] = 1.0
        seconds, found = _clocked(lambda: self._forward(*self.data, *self._tangents))
        self._tangents[k][at] = 0.0
        return seconds, float(found["loss_dot"])

    def differences(self, k: int, at: Place) -> tuple[float, float]:
        """The seconds of the loss at both ends of a step, and the derivative from their difference."""
        leaf = self.leaves[k]
        value = float(self.values[leaf][at])
        h = STEP * max(1.0, abs(value))
        ends = value + h, value - h
        moved, losses, total = self.values[leaf].copy(), [], 0.0
        for end in ends:
            moved[at] = end
            self._loss.load({leaf: moved})
            seconds, found = _clocked(lambda: self._loss(*self.data))
            losses.append(float(found["loss"]))
            total += seconds
        self._loss.load({leaf: self.values[leaf]})
        return total, (losses[0] - losses[1]) / (ends[0] - ends[1])


def _measured(ways: _Ways, random: np.random.Generator) -> ModeRow:
    weights = _count(ways.leaves)
    scale = max(float(np.abs(slope).max()) for slope in ways.exact) or 1.0
    ends = np.cumsum([slope.size for slope in ways.exact])
    sample = []
    for number in random.choice(weights, min(weights, MOST), replace=False):
        k = int(np.searchsorted(ends, number, side="right"))
        at = np.unravel_index(number - ends[k] + ways.exact[k].size, ways.exact[k].shape)
        sample.append((k, tuple(map(int, at))))

    def cost(derivative: Callable[[int, Place], tuple[float, float]], evaluations: int) -> Cost:
        made = _repeated(partial(derivative, k, at) for k, at in sample)
        times = [seconds for seconds, _ in made]
        seconds = sum(times) if len(times) == weights else float(np.median(times)) * weights
        found = zip(sample, made, strict=False)  # as many as there was time for
        apart = max(abs(value - float(ways.exact[k][at])) for (k, at), (_, value) in found)
        return Cost(seconds, evaluations * weights, len(times), apart / scale)

    sweeps = float(np.median(_repeated(ways.reverse for _ in range(MOST))))
    return ModeRow(weights, Cost(sweeps, 1, weights, 0.0), cost(ways.forward, 1), cost(ways.differences, 2))


def _clocked(call: Callable[[], dict[str, Array]]) -> tuple[float, dict[str, Array]]:
    started = CLOCK()
    result = call()
    return CLOCK() - started, result


def _repeated(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What the calls give, of as many as there is time for."""
    made, started = [], time.perf_counter()
    for call in calls:
        made.append(call())
        if len(made) >= FEWEST and time.perf_counter() - started > SECONDS:
            break
    return made
