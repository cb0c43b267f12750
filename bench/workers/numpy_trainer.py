"""What both NumPy workers share: epochs of shuffled batches."""

import numpy as np


class NumpyTrainer:
    """Trains by a subclass's `step(index)`: one step on these rows, which returns the sum of their losses."""

    optimizers = ("sgd", "adam")

    def __init__(self, network, optimizer, learning_rate, X, y):
        self.network, self.X, self.y, self.learning_rate = network, X, y, learning_rate
        self.update = {"sgd": self.sgd, "adam": self.adam}[optimizer]
        self.step_count = 0
        self.random = np.random.default_rng(0)

    def train(self, epochs):
        rows, batch = self.network.rows, self.network.batch
        order = np.arange(rows)
        losses = []
        for _ in range(epochs):
            self.random.shuffle(order)
            total = 0.0
            for start in range(0, rows, batch):
                total += self.step(order[start : start + batch])
            losses.append(total / rows)
        return losses
