"""Nielsen's networks on MNIST, with his initial weights, costs and learning rates."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np

import chainrule as cr
from mnist import mnist
from worked_examples import draws, fit

SEEDS = 3
BATCH_SIZE = 10

images = cache(mnist)


@dataclass
class Run:
    """A training: how many of 10,000 images are read rightly after each epoch.

    Attributes
    ----------
    test : list of int
        On the test images.
    chosen_by : list of int
        On images that are neither trained on nor tested on, to choose the epoch by.
    """

    test: list[int] = field(default_factory=list)
    chosen_by: list[int] = field(default_factory=list)


class Count:
    """The callback that makes a Run, and reports the share that is done."""

    def __init__(self, run, epochs, done, tick):
        self.run, self.epochs, self.done, self.tick = run, epochs, done, tick

    def on_epoch_end(self, network, history):
        _, choosing, testing = images()
        self.run.chosen_by.append(right(network, choosing))
        self.run.test.append(right(network, testing))
        self.tick((self.done + history.epochs / self.epochs) / SEEDS)


def right(network, shown):
    """How many images a network with an output for each digit reads rightly."""
    answers = network.predict(shown.X)
    return int(((answers if answers.ndim == 1 else answers.argmax(axis=1)) == shown.y).sum())


def chapter_1(units, learning_rate, tick):
    """784-units-10 of logistic units with the quadratic cost; all weights and biases start normal, std 1."""

    def layers(random):
        for inputs, outputs in ((784, units), (units, 10)):
            b, W = random.standard_normal(outputs), random.standard_normal((inputs, outputs))
            yield cr.Dense(outputs, "logistic", weights=W, bias=b)

    return [train(layers, "half_sum", learning_rate, 30, seed, tick) for seed in range(SEEDS)]


def chapter_6(tick):
    """784-100-10 with softmax: hidden weights start normal with std 1 / sqrt(100), the last layer at 0."""

    def layers(random):
        b, W = random.standard_normal(100), random.standard_normal((784, 100)) / np.sqrt(100)
        yield cr.Dense(100, "logistic", weights=W, bias=b)
        yield cr.Dense(10, weights=np.zeros((100, 10)))

    return [train(layers, "cross_entropy", 0.1, 60, seed, tick) for seed in range(SEEDS)]


def train(layers, loss, learning_rate, epochs, seed, tick):
    training = images()[0]
    net, run = cr.Network(list(layers(draws(seed))), loss=loss), Run()
    fit(
        net,
        training.X,
        np.eye(10)[training.y],
        optimizer=cr.SGD(learning_rate),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        seed=seed,
        callbacks=[Count(run, epochs, seed, tick)],
    )
    return run


def by_average_darkness():
    """How many test images are of the digit whose mean brightness in training is nearest to theirs."""
    training, _, testing = images()
    brightness = training.X.mean(axis=1)
    of_digit = np.array([brightness[training.y == digit].mean() for digit in range(10)])
    answers = np.abs(testing.X.mean(axis=1)[:, None] - of_digit).argmin(axis=1)
    return int((answers == testing.y).sum())
