"""Writes sam.json: sharpness-aware minimisation by PyTorch's gradients and optimisers. Needs PyTorch.

The problem is that of optimizers.json. A step is algorithm 1 of Foret et al. (2021): the gradient, all
parameters moved by rho along it, the gradient there, the parameters put back, and the optimiser's step.
"""

import json
import platform
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)
HERE = Path(__file__).parent
STEPS, RECORDED = 100, (1, 2, 10, 100)
PROBLEM = json.loads((HERE / "optimizers.json").read_text("utf-8"))["problem"]
X, T = torch.tensor(PROBLEM["X"]), torch.tensor(PROBLEM["T"])

# ours, our settings; PyTorch's, its settings; rho
RULES = [
    ("SGD", {"learning_rate": 0.1}, "SGD", {"lr": 0.1}, 0.05),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, "SGD", {"lr": 0.1, "momentum": 0.9}, 0.5),
    ("Adam", {"learning_rate": 0.05}, "Adam", {"lr": 0.05}, 0.2),
]


def trained(name, options, rho):
    """The parameters after some of the steps."""
    parameters = [torch.tensor(PROBLEM[key], requires_grad=True) for key in ("W", "b")]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    batch, recorded = PROBLEM["batch"], {}
    for step in range(STEPS):
        rows = [(step * batch + i) % len(X) for i in range(batch)]

        def slopes(rows=rows):
            loss = ((torch.tanh(X[rows] @ parameters[0] + parameters[1]) - T[rows]) ** 2).mean()
            return torch.autograd.grad(loss, parameters)

        first = slopes()
        norm = torch.sqrt(sum((g * g).sum() for g in first))
        before = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for p, g in zip(parameters, first, strict=True):
                p.add_(rho * g / (norm + 1e-12))
        second = slopes()
        with torch.no_grad():
            for p, old, g in zip(parameters, before, second, strict=True):
                p.copy_(old)
                p.grad = g
        optimizer.step()
        if step + 1 in RECORDED:
            recorded[step + 1] = [p.detach().tolist() for p in parameters]
    return recorded


def main():
    golden = {
        "source": f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}",
        "rules": [
            {"rule": ours, "settings": settings, "rho": rho, "values": trained(name, options, rho)}
            for ours, settings, name, options, rho in RULES
        ],
    }
    listed = ",\n  ".join(map(json.dumps, golden["rules"]))
    text = f'{{\n"source": {json.dumps(golden["source"])},\n"rules": [\n  {listed}\n]\n}}\n'
    (HERE / "sam.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
