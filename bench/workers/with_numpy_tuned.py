"""NumPy by hand, tuned: as an expert would write it for speed; one more library to compare with.

Large arrays are made once, before the loop; all parameters lie in one vector and all gradients in another, so
that an update is a few calls for any number of layers; sums are products with ones, which BLAS does faster
than `sum`.
"""

import numpy as np

from networks import BETA1, BETA2, EPSILON
from workers import harness
from workers.numpy_trainer import NumpyTrainer


def views(vector, layers):
    """The (W, b) of every layer as views of one vector."""
    pairs, start = [], 0
    for inputs, units in layers:
        end = start + inputs * units
        pairs.append((vector[start:end].reshape(inputs, units), vector[end : end + units]))
        start = end + units
    return pairs


class Trainer(NumpyTrainer):
    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        super().__init__(network, optimizer, learning_rate, X, y)
        n = network.batch
        count = sum((inputs + 1) * units for inputs, units in network.layers)
        self.theta, self.gradient, self.m, self.v, self.scratch = np.zeros((5, count), np.float32)
        self.layers = views(self.theta, network.layers)
        self.gradients = views(self.gradient, network.layers)
        for (W, b), (W0, b0) in zip(self.layers, weights, strict=True):
            W[:], b[:] = W0, b0
        self.a = [np.empty((n, units), np.float32) for units in network.sizes]
        self.d = [np.empty((n, units), np.float32) for units in network.sizes]
        self.active = [np.empty((n, units), bool) for units in network.sizes]
        self.ones = np.ones(max(n, network.sizes[-1]), np.float32)
        self.first_of_row = np.arange(n) * network.sizes[-1]

    def step(self, index):
        a, d = self.a, self.d
        n, last = len(index), len(self.layers)

        # forward
        self.X.take(index, axis=0, out=a[0], mode="clip")  # the default mode copies through a buffer
        for k, (W, b) in enumerate(self.layers, start=1):
            np.matmul(a[k - 1], W, out=a[k])
            a[k] += b
            if k < last:
                np.maximum(a[k], 0, out=a[k])

        # softmax cross-entropy and its gradient
        z, target = a[last], self.first_of_row + self.y[index]
        z -= z.max(axis=1, keepdims=True)
        right = z.ravel()[target]
        p = np.exp(z, out=d[last])
        sums = p @ self.ones[: p.shape[1]]
        loss = np.log(sums).sum() - right.sum()
        sums *= n
        p /= sums[:, None]
        p.ravel()[target] -= np.float32(1 / n)

        # backward
        for k in range(last, 0, -1):
            W, _ = self.layers[k - 1]
            d_W, d_b = self.gradients[k - 1]
            np.matmul(a[k - 1].T, d[k], out=d_W)
            np.dot(self.ones[:n], d[k], out=d_b)
            if k > 1:
                np.matmul(d[k], W.T, out=d[k - 1])
                np.greater(a[k - 1], 0, out=self.active[k - 1])
                d[k - 1] *= self.active[k - 1]

        self.update()
        return loss

    def sgd(self):
        self.gradient *= self.learning_rate
        self.theta -= self.gradient

    def adam(self):
        self.step_count += 1
        g, m, v, scratch = self.gradient, self.m, self.v, self.scratch
        rate = self.learning_rate / (1 - BETA1**self.step_count)
        root_correction = (1 - BETA2**self.step_count) ** 0.5
        m *= BETA1
        np.multiply(g, 1 - BETA1, out=scratch)
        m += scratch
        v *= BETA2
        g *= g
        g *= 1 - BETA2
        v += g
        np.sqrt(v, out=scratch)
        scratch *= 1 / root_correction
        scratch += EPSILON
        np.divide(m, scratch, out=scratch)
        scratch *= rate
        self.theta -= scratch

    def parameters(self):
        return self.layers


if __name__ == "__main__":
    harness.main(Trainer)
