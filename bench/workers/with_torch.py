"""PyTorch, eager: Sequential, CrossEntropyLoss and torch.optim in the usual loop, batches taken by index.

The optimisers are the fused ones where torch.optim has them, else the plain ones: of the kinds that there are
mostly the fastest on a CPU.
"""

import os

import torch
from torch import nn

from networks import BETA1, BETA2, EPSILON, MOMENTUM
from workers import harness

torch.set_num_threads(int(os.environ["BENCH_THREADS"]))

RULES = {
    "sgd": (torch.optim.SGD, {"fused": True}),
    "momentum": (torch.optim.SGD, {"fused": True, "momentum": MOMENTUM}),
    "adagrad": (torch.optim.Adagrad, {"fused": True}),
    "rmsprop": (torch.optim.RMSprop, {}),
    "adam": (torch.optim.Adam, {"fused": True, "betas": (BETA1, BETA2), "eps": EPSILON}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "nadam": (torch.optim.NAdam, {}),
    "rprop": (torch.optim.Rprop, {}),
}


class Trainer:
    optimizers = tuple(RULES)

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
        rule, options = RULES[optimizer]
        self.optimizer = rule(self.model.parameters(), lr=learning_rate, **options)

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
