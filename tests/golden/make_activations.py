"""Writes activations.json: what PyTorch's activations give, and their slopes. Needs PyTorch."""

import json
from pathlib import Path

import torch
from torch.nn import functional as F

POINTS = [-1000.0, -100.0, -37.5, -8.25, -3.0, -2.5, -1.0, -0.625, -1e-3, -1e-9, 0.0]
POINTS += [-x for x in reversed(POINTS[:-1])]  # with the corners at -3, -1, 0, 1 and 3

PEERS = {
    "elu": F.elu,
    "exponential": torch.exp,
    "gelu": lambda z: F.gelu(z, approximate="tanh"),
    "hard_sigmoid": lambda z: F.relu6(z + 3) / 6,  # F.hardsigmoid has its slope in single precision
    "hard_tanh": F.hardtanh,
    "leaky_relu": F.leaky_relu,
    "linear": lambda z: 1 * z,
    "logistic": torch.sigmoid,
    "mish": F.mish,
    "relu": F.relu,
    "selu": F.selu,
    "silu": F.silu,
    "softplus": lambda z: F.softplus(z, threshold=40),  # above it is z itself
    "softsign": F.softsign,
    "tanh": torch.tanh,
}

record = {"source": f"PyTorch {torch.__version__}, float64", "points": POINTS, "values": {}, "slopes": {}}
for name, peer in PEERS.items():
    z = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    a = peer(z)
    a.sum().backward()
    record["values"][name], record["slopes"][name] = a.tolist(), z.grad.tolist()
Path(__file__).with_name("activations.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
