"""Training without backpropagation beside training with it: what each costs, and that both go one way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...checks import counted, positive_int, real_number
from ...emit.engine import NumpyRunner, compile_program
from ...errors import ParameterError
from ...graph.program import Program
from ...graph.tensor import Tensor
from ...optim.rules import SGD
from ..step import Step
from ..wording import fill

Array = np.ndarray[Any, Any]
SHORTEST = 0.05  # seconds of steps that are timed at least, so that the clock's grain does not show


@dataclass(frozen=True)
class Cost:
    """What a step of gradient descent costs a network, both ways.

    Attributes
    ----------
    weights : int
        Those that are trained.
    evaluations : int
        Of the loss, for the gradient of one step by perturbation: two for each weight.
    perturbed, backpropagated : float
        Seconds a step.
    apart : float
        The largest difference between a weight reached by perturbation and the same reached by
        backpropagation.
    moved : float
        The largest change of a weight on the way.
    """

    weights: int
    evaluations: int
    perturbed: float
    backpropagated: float
    apart: float
    moved: float


@dataclass(frozen=True)
class Comparison:
    """Descent by perturbation and by backpropagation, for networks of several sizes.

    Attributes
    ----------
    costs : list of Cost
        By the number of weights, rising.
    rows, steps : int
    delta : float
        By how much a weight is moved up and down.
    """

    costs: list[Cost]
    rows: int
    steps: int
    delta: float

    @property
    def growth(self) -> tuple[float, float]:
        """The powers of the number of weights that the two times grow with; NaN for a single network."""
        if len(self.costs) < 2:
            return math.nan, math.nan
        x = np.log([c.weights for c in self.costs])
        times = [[c.perturbed for c in self.costs], [c.backpropagated for c in self.costs]]
        first, second = (float(np.polyfit(x, np.log(t), 1)[0]) for t in times)
        return first, second

    def __str__(self) -> str:
        lines = [
            *fill(
                f"{counted(self.steps, 'step')} of gradient descent on {counted(self.rows, 'row')}, by "
                f"moving one weight after another up and down by {self.delta:g}, and by backpropagation"
            ),
            "",
            f"{'':>8}{'evaluations a step':>24}{'milliseconds a step':>26}{'weights':>14}",
            f"{'weights':>8}{'moving':>12}{'backprop':>12}{'moving':>13}{'backprop':>13}{'differ by':>14}",
        ]
        lines += [
            f"{c.weights:>8,}{c.evaluations:>12,}{1:>12}{1e3 * c.perturbed:>13.3f}"
            f"{1e3 * c.backpropagated:>13.3f}{c.apart:>14.1e}"
            for c in self.costs
        ]
        most = self.costs[-1]
        times = most.perturbed / most.backpropagated
        said = (
            "Moving weights takes two evaluations of the loss for each; backpropagation one, and the way "
            f"back. With {counted(most.weights, 'weight')}, it is {times:.0f} times quicker. Both reach the "
            f"same weights: they moved by up to {most.moved:.2g}, and differ by "
            f"{max(c.apart for c in self.costs):.0e} at most."
        )
        if len(self.costs) > 1:
            moving, back = self.growth
            said += f" Time grew as the number of weights to the power {moving:.1f}, against {back:.1f}."
        return "\n".join([*lines, "", *fill(said)])


def compare_perturbation(
    networks: Any, X: Any, y: Any, *, steps: int = 10, learning_rate: float = 0.1, delta: float = 1e-5
) -> Comparison:
    """Train networks by moving one weight at a time, and by backpropagation, from the same weights.

    The slope by a weight is taken as (L(w + delta) - L(w - delta)) / (2 * delta). Each way takes the same
    steps of gradient descent on all rows. The networks keep their weights.

    Parameters
    ----------
    networks : Network or sequence of Network
        With weights, of type float64: the differences of losses are too small for float32.
    X, y : array-like
        As for `Network.fit`.
    steps : int
    learning_rate : float
    delta : float
        Above 0.

    Returns
    -------
    Comparison
        Evaluations and seconds of a step for each network, and how far apart the weights are in the end.

    Raises
    ------
    ParameterError
        If there are no networks, one is of another type than float64 or has layers that act at random, or an
        argument is out of its range.
    NotFittedError
        If a network has no weights yet.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(2, "tanh"), cr.Dense(1)], "mse", dtype="float64")
    >>> net.build(2)
    >>> found = compare_perturbation(net, [[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0], steps=3)
    >>> found.costs[0].evaluations, found.costs[0].apart < 1e-9
    (18, True)
    """
    steps = positive_int(steps, "compare_perturbation: steps", "steps=10")
    delta = real_number(delta, "compare_perturbation: delta", 0, math.inf, low_too=False)
    rule = SGD(learning_rate)
    listed = list(networks) if isinstance(networks, Sequence) else [networks]
    if not listed:
        raise ParameterError("compare_perturbation: needs at least one network.")
    costs, rows = [], 0
    for network in listed:
        if network.dtype != np.float64:
            raise ParameterError(
                f"compare_perturbation: the network is of type {network.dtype}, in which the differences of "
                "losses drown. Make it with dtype='float64'."
            )
        if network.two_modes:
            raise ParameterError(
                "compare_perturbation: a layer, or mixup, acts otherwise in every step. Leave it out."
            )
        step = Step(network, X, y, optimizer=rule)
        costs.append(_cost(step, steps, delta))
        rows = step.rows
    return Comparison(sorted(costs, key=lambda c: c.weights), rows, steps, delta)


def _cost(step: Step, steps: int, delta: float) -> Cost:
    """Both descents of one network."""
    loss, leaves = step.need_loss(), step.network.trained_leaves()
    start = {leaf: step.feed[leaf] for leaf in leaves}
    others = [x for x in step.feed if x not in start]
    inputs = [*others, *leaves]
    given = [step.feed[x] for x in others]
    evaluate = compile_program(Program(inputs, {"loss": loss}), "numpy")

    def value(weights: dict[Tensor, Array]) -> float:
        return float(evaluate(*given, *weights.values())["loss"])

    def perturb(weights: dict[Tensor, Array]) -> dict[Tensor, Array]:
        slopes = {leaf: np.empty_like(array) for leaf, array in weights.items()}
        moving = {leaf: array.copy() for leaf, array in weights.items()}
        for leaf, array in moving.items():
            for place in np.ndindex(*array.shape):
                there = array[place]
                array[place] = there + delta
                above = value(moving)
                array[place] = there - delta
                slopes[leaf][place] = (above - value(moving)) / (2 * delta)
                array[place] = there
        return {leaf: array - step.rate * slopes[leaf] for leaf, array in weights.items()}

    program = step.program
    if program is None:
        raise ParameterError("compare_perturbation: there is no loss without targets. Pass y as well.")
    runner = NumpyRunner(program)
    runner.load({leaf: step.feed[leaf] for leaf in program.variables})
    batch = [step.feed[x] for x in program.inputs]

    def backpropagate(weights: dict[Tensor, Array]) -> dict[Tensor, Array]:
        runner.load(weights)
        runner(*batch)
        state = runner.state
        return {leaf: state[leaf] for leaf in weights}

    slow, slow_seconds = _descend(perturb, start, steps)
    quick, quick_seconds = _descend(backpropagate, start, steps)
    count = sum(array.size for array in start.values())
    return Cost(
        weights=count,
        evaluations=2 * count,
        perturbed=slow_seconds,
        backpropagated=quick_seconds,
        apart=max(float(np.abs(slow[x] - quick[x]).max()) for x in leaves),
        moved=max(float(np.abs(quick[x] - start[x]).max()) for x in leaves),
    )


def _descend(
    take: Callable[[dict[Tensor, Array]], dict[Tensor, Array]], start: dict[Tensor, Array], steps: int
) -> tuple[dict[Tensor, Array], float]:
    """The weights after so many steps, and the seconds of one."""
    weights = start
    began = time.perf_counter()
    for _ in range(steps):
        weights = take(weights)
    taken, seconds = steps, time.perf_counter() - began
    while seconds < SHORTEST:  # more steps for the clock alone
        take(weights)
        taken, seconds = taken + 1, time.perf_counter() - began
    return weights, seconds / taken
