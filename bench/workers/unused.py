"""What a fit costs beside its compiled steps, where no callback, regulariser or other tool is used.

Three programs train the same network on the same orders of rows, in turn: `Network.fit`; the loop that it
runs its steps with, which draws orders, keeps slices short and checks losses, and does nothing after an
epoch; and the compiled steps alone. All training tools stand between the first and the second.
"""

import json
import statistics
import sys
import time

import numpy as np

import chainrule as cr
from chainrule.training.loop import Loop, Shuffler
from chainrule.training.plan import Plan
from chainrule.training.progress import Progress
from networks import NETWORKS, make_data, make_weights
from workers.harness import TIMING_RATES, epochs_that_take
from workers.with_chainrule import Trainer


class Bare:
    """The compiled steps of a fit, and the orders of rows that it would draw."""

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        trainer = Trainer(network, optimizer, learning_rate, X, y, weights)
        net = trainer.net
        program = net.program(trainer.optimizer)
        self.network, self.runner = network, cr.compile(program, "numba")
        self.arrays = [X, y, np.float32(learning_rate)]
        starts = net._values(program)
        others = [leaf for leaf in program.updates if leaf not in starts]
        self.runner.load(
            starts | {x: np.zeros(x.shape, x.dtype) if x.value is None else x.value for x in others}
        )

    def train(self, epochs):
        shuffler, network = Shuffler(0), self.network
        for epoch in range(epochs):
            losses = self.runner.epoch(self.arrays, shuffler.order(network.rows, epoch), network.batch)
        return [float(losses.mean())]


class Looped(Bare):
    """The loop that a fit runs its steps with."""

    def train(self, epochs):
        plan = Plan(self.network.rows, self.network.batch, epochs, shuffle=True, seed=0)
        means = []
        loop = Loop(self.runner, plan, lambda first, count: self.arrays, Progress())
        loop.run(lambda loss: means.append(loss) or True)
        return means


def compare(network, optimizer, rounds, seconds):
    """Microseconds of the processor a step, medians of rounds that have all three in turn, and ratios."""
    network = NETWORKS[network]
    given = network, optimizer, TIMING_RATES[optimizer], *make_data(network), make_weights(network)
    programs = {"fit": Trainer(*given), "loop": Looped(*given), "bare": Bare(*given)}
    for each in programs.values():
        each.train(2)  # compiles
    epochs = epochs_that_take(seconds, programs["fit"])
    times = {name: [] for name in programs}
    for _ in range(rounds):
        for name, each in programs.items():
            start = time.process_time()
            each.train(epochs)
            times[name].append((time.process_time() - start) / (epochs * network.steps) * 1e6)
    ratio = statistics.median(a / b for a, b in zip(times["fit"], times["loop"], strict=True))
    return {name: statistics.median(each) for name, each in times.items()} | {"ratio": ratio}


if __name__ == "__main__":
    print(json.dumps(compare(**json.loads(sys.argv[1]))))
