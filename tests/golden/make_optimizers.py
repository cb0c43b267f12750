"""Writes optimizers.json: what PyTorch's optimisers, schedulers and clipping do. Needs PyTorch.

The problem: rows of two inputs and two targets, in batches of four without shuffling; a layer of tanh, and
the mean squared error over a batch. It is written in float64, so that agreement to 1e-6 is agreement of the
rules.
"""

import json
import math
import platform
from pathlib import Path

import torch

torch.set_default_dtype(torch.float64)  # or NAdam keeps its product of momenta in float32
ROWS, BATCH, STEPS = 20, 4, 100
RECORDED = (1, 2, 10, 100)
GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(ROWS, 2, generator=GENERATOR).round(decimals=3)
T = torch.randn(ROWS, 3, generator=GENERATOR).round(decimals=3)
W = torch.randn(2, 3, generator=GENERATOR).round(decimals=3)
B = torch.randn(3, generator=GENERATOR).round(decimals=3)

# ours, our settings; PyTorch's, its settings
RULES = [
    ("SGD", {"learning_rate": 0.1}, "SGD", {"lr": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}, "SGD", {"lr": 0.1, "momentum": 0.9}),
    (
        "SGD",
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02},
    ),
    (
        "SGD",
        {"learning_rate": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.02},
        "SGD",
        {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.02},
    ),
    ("Adagrad", {}, "Adagrad", {}),
    (
        "Adagrad",
        {"learning_rate": 0.1, "eps": 1e-3, "initial": 0.2},
        "Adagrad",
        {"lr": 0.1, "eps": 1e-3, "initial_accumulator_value": 0.2},
    ),
    ("RMSProp", {}, "RMSprop", {}),
    (
        "RMSProp",
        {"learning_rate": 0.02, "rho": 0.9, "eps": 1e-3, "momentum": 0.7},
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "momentum": 0.7},
    ),
    (
        "RMSProp",
        {"learning_rate": 0.02, "rho": 0.9, "momentum": 0.5, "centered": True},
        "RMSprop",
        {"lr": 0.02, "alpha": 0.9, "momentum": 0.5, "centered": True},
    ),
    ("Adam", {}, "Adam", {}),
    (
        "Adam",
        {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3},
        "Adam",
        {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3},
    ),
    ("AdamW", {}, "AdamW", {}),
    (
        "AdamW",
        {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1},
        "AdamW",
        {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1},
    ),
    ("NAdam", {}, "NAdam", {}),
    (
        "NAdam",
        {"learning_rate": 0.05, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "momentum_decay": 0.1},
        "NAdam",
        {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "momentum_decay": 0.1},
    ),
    ("Rprop", {}, "Rprop", {}),
    (
        "Rprop",
        {"learning_rate": 0.1, "eta_minus": 0.4, "eta_plus": 1.5, "step_min": 0.01, "step_max": 0.3},
        "Rprop",
        {"lr": 0.1, "etas": (0.4, 1.5), "step_sizes": (0.01, 0.3)},
    ),
    ("SGD", {"learning_rate": 0.1, "clip_value": 0.05}, "SGD", {"lr": 0.1}),
    ("SGD", {"learning_rate": 0.1, "clip_norm": 0.2}, "SGD", {"lr": 0.1}),
    ("Adam", {"learning_rate": 0.05, "clip_value": 0.1, "clip_norm": 0.15}, "Adam", {"lr": 0.05}),
]

STEPS_PER_EPOCH, EPOCHS = 5, 8
MEASURED = [
    1.0,
    0.5,
    0.501,
    0.4995,
    0.6,
    0.45,
    0.45,
    0.45,
    0.45,
    0.4,
    0.4,
    0.4,
    0.4,
    math.nan,
    0.4,
    0.399,
    0.39,
]


def trained(settings, name, options):
    """The parameters after some of the steps."""
    parameters = [W.clone().requires_grad_(), B.clone().requires_grad_()]
    optimizer = getattr(torch.optim, name)(parameters, **options)
    recorded = {}
    for step in range(STEPS):
        rows = [(step * BATCH + i) % ROWS for i in range(BATCH)]
        optimizer.zero_grad()
        loss = ((torch.tanh(X[rows] @ parameters[0] + parameters[1]) - T[rows]) ** 2).mean()
        loss.backward()
        if "clip_value" in settings:
            torch.nn.utils.clip_grad_value_(parameters, settings["clip_value"])
        if "clip_norm" in settings:
            torch.nn.utils.clip_grad_norm_(parameters, settings["clip_norm"])
        optimizer.step()
        if step + 1 in RECORDED:
            recorded[step + 1] = [p.detach().tolist() for p in parameters]
    return recorded


def rates(make, *, per_epoch=False, measured=None):
    """The rates of all steps of a scheduler, or of all epochs; of one more than it has been told of."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.2)
    scheduler = make(optimizer)
    made = []
    steps = len(measured) + 1 if measured else EPOCHS if per_epoch else EPOCHS * STEPS_PER_EPOCH
    for step in range(steps):
        made.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < steps - 1:
            scheduler.step(*([measured[step]] if measured else []))
    return made


def warm_cosine(optimizer, warmup, least):
    schedulers = torch.optim.lr_scheduler
    left = schedulers.CosineAnnealingLR(optimizer, EPOCHS * STEPS_PER_EPOCH - warmup, eta_min=least)
    if not warmup:
        return left
    rise = schedulers.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return schedulers.SequentialLR(optimizer, [rise, left], milestones=[warmup])


def schedules():
    """Ours, our settings, how many steps an epoch has, what is measured, and the rates."""
    schedulers = torch.optim.lr_scheduler
    yield (
        "StepDecay",
        {"factor": 0.3, "every": 3},
        [],
        rates(lambda o: schedulers.StepLR(o, step_size=3, gamma=0.3), per_epoch=True),
    )
    yield (
        "ExponentialDecay",
        {"factor": 0.9},
        [],
        rates(lambda o: schedulers.ExponentialLR(o, gamma=0.9), per_epoch=True),
    )
    yield (
        "InverseScaling",
        {"power": 0.5},
        [],
        rates(lambda o: schedulers.LambdaLR(o, lambda step: 1 / math.sqrt(step + 1))),
    )
    yield "CosineDecay", {}, [], rates(lambda o: warm_cosine(o, 0, 0.0))
    yield "CosineDecay", {"warmup": 1.4, "min_rate": 0.01}, [], rates(lambda o: warm_cosine(o, 7, 0.01))
    for settings, options in (
        ({"cycle": 3}, {"T_0": 15}),
        ({"cycle": 1, "growth": 2, "min_rate": 0.01}, {"T_0": 5, "T_mult": 2, "eta_min": 0.01}),
    ):
        yield (
            "CosineRestarts",
            settings,
            [],
            rates(lambda o, options=options: schedulers.CosineAnnealingWarmRestarts(o, **options)),
        )
    for settings, options in (
        ({}, {}),
        (
            {"rise": 0.45, "div_factor": 4.0, "final_div_factor": 10.0},
            {"pct_start": 0.45, "div_factor": 4.0, "final_div_factor": 10.0},
        ),
        ({"rise": 0.01}, {"pct_start": 0.01}),
    ):
        yield (
            "OneCycle",
            settings,
            [],
            rates(
                lambda o, options=options: schedulers.OneCycleLR(
                    o, max_lr=0.2, total_steps=EPOCHS * STEPS_PER_EPOCH, cycle_momentum=False, **options
                )
            ),
        )
    for settings in (
        {"factor": 0.5, "patience": 1},
        {"factor": 0.1, "patience": 0, "min_rate": 0.001},
        {"factor": 0.5, "patience": 2, "min_delta": 0.02},
    ):
        options = {
            "factor": settings["factor"],
            "patience": settings["patience"],
            "threshold": settings.get("min_delta", 1e-4),
            "min_lr": settings.get("min_rate", 0),
        }
        yield (
            "ReduceOnPlateau",
            settings,
            MEASURED,
            rates(
                lambda o, options=options: schedulers.ReduceLROnPlateau(
                    o, threshold_mode="abs", eps=0.0, **options
                ),
                measured=MEASURED,
            ),
        )


def main():
    golden = {
        "source": f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}",
        "problem": {"X": X.tolist(), "T": T.tolist(), "W": W.tolist(), "b": B.tolist(), "batch": BATCH},
        "rules": [
            {"rule": ours, "settings": settings, "values": trained(settings, name, options)}
            for ours, settings, name, options in RULES
        ],
        "steps_per_epoch": STEPS_PER_EPOCH,
        "epochs": EPOCHS,
        "schedules": [
            {
                "schedule": ours,
                "settings": {"learning_rate": 0.2, **settings},
                "measured": [None if math.isnan(m) else m for m in measured],
                "rates": made,
            }
            for ours, settings, measured, made in schedules()
        ],
    }
    text = ",\n".join(f"{json.dumps(key)}: {dumped(value)}" for key, value in golden.items())
    Path(__file__).with_name("optimizers.json").write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


def dumped(value):
    """JSON with an entry of a list on each line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n]"


if __name__ == "__main__":
    main()
