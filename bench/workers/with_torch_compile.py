"""torch.compile: one compiled function a step, from the gather to the update.

`torch.func.grad_and_value` keeps the backward pass and the update in the same graph as the forward pass. A
compiled model and loss in the usual loop, with `loss.backward()` and an optimiser's `step()`, took four times
as long for 64-64-10. The mode is the default: "reduce-overhead" works through CUDA graphs, and took as long.
"""

import os

import torch
from torch.func import grad_and_value
from torch.nn.functional import cross_entropy

from networks import BETA1, BETA2, EPSILON
from workers import harness

torch.set_num_threads(int(os.environ["BENCH_THREADS"]))


def loss_of(layers, x, t):
    *hidden, (W, b) = layers
    for V, c in hidden:
        x = torch.relu(x @ V + c)
    return cross_entropy(x @ W + b, t)


def sgd(parameters, gradients, state, learning_rate):
    for p, g in zip(parameters, gradients, strict=True):
        p.sub_(g, alpha=learning_rate)


def adam(parameters, gradients, state, learning_rate):
    moments, t = state
    t.add_(1)
    rate, root_correction = learning_rate / (1 - BETA1**t), (1 - BETA2**t).sqrt()
    for p, g, (m, v) in zip(parameters, gradients, moments, strict=True):
        m.lerp_(g, 1 - BETA1)
        v.lerp_(g * g, 1 - BETA2)
        p.sub_(rate * m / (v.sqrt() / root_correction + EPSILON))


@torch.compile
def step(layers, state, X, y, index, total, update, learning_rate):
    """A step on these rows; adds their mean loss to `total`."""
    gradients, loss = grad_and_value(loss_of)(layers, X[index], y[index])
    update(flat(layers), flat(gradients), state, learning_rate)
    total.add_(loss)


def flat(layers):
    return [p for layer in layers for p in layer]


class Trainer:
    optimizers = ("sgd", "adam")

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.network = network
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        torch.manual_seed(0)
        self.layers = [(torch.tensor(W), torch.tensor(b)) for W, b in weights]
        self.update, self.learning_rate = {"sgd": sgd, "adam": adam}[optimizer], learning_rate
        moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in flat(self.layers)]
        self.state = None if optimizer == "sgd" else (moments, torch.zeros(()))

    def train(self, epochs):
        losses = []
        for _ in range(epochs):
            total = torch.zeros(())
            for index in torch.randperm(self.network.rows).split(self.network.batch):
                step(self.layers, self.state, self.X, self.y, index, total, self.update, self.learning_rate)
            losses.append(total.item() / self.network.steps)
        return losses

    def parameters(self):
        return [(W.numpy(), b.numpy()) for W, b in self.layers]


if __name__ == "__main__":
    harness.main(Trainer)
