"""PyTorch, eager: Sequential, CrossEntropyLoss and torch.optim in the usual loop, batches taken by index.

The optimisers are the fused ones: of the three kinds that torch.optim has, mostly the fastest on a CPU.
"""

import os

import torch
from torch import nn

from networks import BETA1, BETA2, EPSILON
from workers import harness

torch.set_num_threads(int(os.environ["BENCH_THREADS"]))


class Trainer:
    version = torch.__version__

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.network = network
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        torch.manual_seed(0)
        modules = []
        for (inputs, units), (W, b) in zip(network.layers, weights, strict=True):
            linear = nn.Linear(inputs, units)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.T))
                linear.bias.copy_(torch.from_numpy(b))
            modules += [linear, nn.ReLU()]
        self.model = nn.Sequential(*modules[:-1])
        self.loss = nn.CrossEntropyLoss()
        if optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=learning_rate, fused=True)
        else:
            self.optimizer = torch.optim.Adam(
                self.model.parameters(), lr=learning_rate, betas=(BETA1, BETA2), eps=EPSILON, fused=True
            )

    def train(self, epochs):
        losses = []
        for _ in range(epochs):
            total = 0.0
            for index in torch.randperm(self.network.rows).split(self.network.batch):
                loss = self.loss(self.model(self.X[index]), self.y[index])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                total += loss.item()
            losses.append(total / self.network.steps)
        return losses

    def parameters(self):
        linears = [module for module in self.model if isinstance(module, nn.Linear)]
        return [(linear.weight.detach().numpy().T, linear.bias.detach().numpy()) for linear in linears]


if __name__ == "__main__":
    harness.main(Trainer)
