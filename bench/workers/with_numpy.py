"""NumPy by hand, as a careful programmer writes it: arrays for every layer, and in place where that is easy.

The targets and the ratios of the report refer to this one. `with_numpy_tuned.py` goes further.
"""

import numpy as np

from networks import BETA1, BETA2, EPSILON
from workers import harness
from workers.numpy_trainer import NumpyTrainer


class Trainer(NumpyTrainer):
    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        super().__init__(network, optimizer, learning_rate, X, y)
        self.layers = [(W.copy(), b.copy()) for W, b in weights]
        if optimizer == "adam":
            self.moments = [(np.zeros_like(p), np.zeros_like(p)) for layer in self.layers for p in layer]

    def step(self, index):
        layers = self.layers
        rows, labels = np.arange(len(index)), self.y[index]

        # forward
        a = [self.X[index]]
        for k, (W, b) in enumerate(layers, start=1):
            z = a[-1] @ W
            z += b
            if k < len(layers):
                np.maximum(z, 0, out=z)
            a.append(z)

        # softmax cross-entropy and its gradient
        z -= z.max(axis=1, keepdims=True)
        right = z[rows, labels]
        d = np.exp(z, out=z)
        sums = d.sum(axis=1, keepdims=True)
        loss = np.log(sums).sum() - right.sum()
        d /= sums
        d[rows, labels] -= 1
        d /= len(index)

        # backward
        gradients = []
        for k in reversed(range(len(layers))):
            gradients.append((a[k].T @ d, d.sum(axis=0)))
            if k > 0:
                d = d @ layers[k][0].T
                d *= a[k] > 0

        parameters = [p for layer in layers for p in layer]
        self.update(parameters, [g for pair in reversed(gradients) for g in pair])
        return loss

    def sgd(self, parameters, gradients):
        for p, g in zip(parameters, gradients, strict=True):
            g *= self.learning_rate
            p -= g

    def adam(self, parameters, gradients):
        self.step_count += 1
        rate = self.learning_rate / (1 - BETA1**self.step_count)
        root_correction = (1 - BETA2**self.step_count) ** 0.5
        for p, g, (m, v) in zip(parameters, gradients, self.moments, strict=True):
            m *= BETA1
            m += (1 - BETA1) * g
            v *= BETA2
            g *= g
            g *= 1 - BETA2
            v += g
            change = np.sqrt(v)
            change /= root_correction
            change += EPSILON
            np.divide(m, change, out=change)
            change *= rate
            p -= change

    def parameters(self):
        return self.layers


if __name__ == "__main__":
    harness.main(Trainer)
