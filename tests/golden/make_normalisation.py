"""Writes normalisation.json: PyTorch's batch and layer normalisation in prediction. Needs PyTorch."""

import json
from pathlib import Path

import numpy as np
import torch

numbers = np.random.default_rng(8)
x, weight = 3 * numbers.normal(size=(6, 4)) + 1, numbers.normal(size=(6, 4))
parameters = {
    "gamma": numbers.normal(size=4),
    "beta": numbers.normal(size=4),
    "mean": numbers.normal(size=4),
    "var": numbers.uniform(0.1, 3, size=4),
}
batch = torch.nn.BatchNorm1d(4, eps=1e-5, dtype=torch.float64)
layer = torch.nn.LayerNorm(4, eps=1e-3, dtype=torch.float64)
with torch.no_grad():
    for module in (batch, layer):
        module.weight.copy_(torch.tensor(parameters["gamma"]))
        module.bias.copy_(torch.tensor(parameters["beta"]))
    batch.running_mean.copy_(torch.tensor(parameters["mean"]))
    batch.running_var.copy_(torch.tensor(parameters["var"]))


def outputs_and_slopes(module):
    """The result, and the derivatives of its sum weighted by `weight`."""
    inputs = torch.tensor(x, requires_grad=True)
    module.zero_grad()
    y = module(inputs)
    (y * torch.tensor(weight)).sum().backward()
    slopes = {"x": inputs.grad, "gamma": module.weight.grad, "beta": module.bias.grad}
    return {"y": y.tolist(), **{f"d_{name}": slope.tolist() for name, slope in slopes.items()}}


record = {
    "source": f"PyTorch {torch.__version__}, float64; eps 1e-5 of batch_norm, 1e-3 of layer_norm",
    "x": x.tolist(),
    "weight": weight.tolist(),
    **{name: value.tolist() for name, value in parameters.items()},
    "batch_norm, prediction": outputs_and_slopes(batch.eval()),
    "batch_norm, training": outputs_and_slopes(batch.train()),
    "layer_norm": outputs_and_slopes(layer),
}
path = Path(__file__).with_name("normalisation.json")
path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
