"""Eight ways to use a slope: how many epochs each takes to learn an encoder.

Eight rows, in each of which one of eight units is on, go through three units
and are to come out again: Fahlman's encoder, here of size 8-3-8. All rows are
a batch. It is learned as soon as every output is within 0.4 of its target. If
that takes more than 400 epochs, training starts again from other weights, and
epochs go on being counted. Each rule has the learning rate that is best for
it of a few.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

SOURCE = "Fahlman (1988), An empirical study of learning speed, CMU-CS-88-162"
SECONDS = 5
QUICK = {"seeds": 2}
NEAR, MOST, SLICE = 0.4, 400, 50
RULES: dict[str, tuple[Any, str]] = {
    "gradient descent": (cr.SGD(32.0), "logistic"),
    "momentum 0.5": (cr.SGD(16.0, momentum=0.5), "logistic"),
    "descent, slopes + 0.1": (cr.SGD(16.0), "logistic(flat_spot=0.1)"),
    "signs alone": (cr.SignSGD(0.1), "logistic"),
    "delta-bar-delta": (cr.DeltaBarDelta(16.0, kappa=4.8, phi=0.3), "logistic"),
    "Rprop": (cr.Rprop(0.1), "logistic"),
    "quickprop": (cr.Quickprop(16.0, weight_decay=1e-4 / 8), "logistic"),
    "quickprop, slopes + 0.1": (cr.Quickprop(8.0, weight_decay=1e-4 / 8), "logistic(flat_spot=0.1)"),
}
"""Update rules and activations. A slope is a mean over rows, in the paper a sum: eight times as large."""


class Training:
    """A network's step on all rows, compiled once; it counts what was wrong before each update."""

    def __init__(
        self,
        net: cr.Network,
        rule: Any,
        X: np.ndarray,
        T: np.ndarray,
        answer: Callable[[cr.Tensor], cr.Tensor] = lambda output: output,
    ) -> None:
        net.build(X.shape[1])
        graph = net.graph
        made: Any = net.program(rule)
        near = cr.abs(answer(graph.trained_outputs[0]) - graph.ts[0]) < NEAR
        wrong = cr.where(near, 0.0, 1.0).sum()
        self.step = cr.compile(cr.Program(made.inputs, {"wrong": wrong}, made.updates), "numba")
        parameters = graph.parameters
        self.parameters = [(parameters[name], value.shape) for name, value in net.parameters.items()]
        memory = set(made.updates) - set(parameters.values())
        self.memory = {leaf: np.zeros(leaf.shape) for leaf in memory}
        self.tables = [X, T]

    def wrong(self, random: np.random.Generator, spread: float, rate: float, most: int) -> np.ndarray:
        """How many outputs are far from their targets after 0, 1, 2, ... epochs, until there are none."""
        drawn = {leaf: random.uniform(-spread, spread, shape) for leaf, shape in self.parameters}
        self.step.load(drawn | self.memory)
        rows, counts = len(self.tables[0]), np.zeros(0)
        while len(counts) < most and (counts > 0).all():
            order = np.tile(np.arange(rows), min(SLICE, most - len(counts)))
            counts = np.append(counts, self.step.epoch([*self.tables, np.float64(rate)], order, rows))
        return counts

    def epochs(self, seed: int, rate: float, most: int = MOST) -> tuple[int, int]:
        """Until all is learned, those of failed starts included; and how many starts failed, 50 at most."""
        random, failed = np.random.Generator(np.random.Philox(key=seed)), 0
        while failed < 50:
            counts = self.wrong(random, 1.0, rate, most)
            if (counts == 0).any():
                return failed * most + int((counts == 0).argmax()), failed
            failed += 1
        return failed * most, failed


def encoder(size: int, hidden: int, activation: str) -> cr.Network:
    """The network that squeezes rows through fewer units."""
    return cr.Network(
        [cr.Dense(hidden, activation), cr.Dense(size, activation)], loss="half_sum", dtype="float64"
    )


def run(show: Callable[..., None], seeds: int = 11) -> list[tuple[str, str, float]]:
    """The rules one after the other, then their medians."""
    rows, medians = np.eye(8), []
    show("Epochs of each seed; and where trainings had to start again, how many")
    for name, (rule, activation) in RULES.items():
        training = Training(encoder(8, 3, activation), rule, rows, rows)
        found = [training.epochs(seed, rule.learning_rate) for seed in range(seeds)]
        show(name, *(float(epochs) for epochs, _ in found))
        if again := sum(failed > 0 for _, failed in found):
            show("  started again", float(again))
        medians.append((name, "", float(np.median([epochs for epochs, _ in found]))))
    return medians
