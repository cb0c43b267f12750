"""Writes frameworks.json: what Keras's and scikit-learn's update rules do. Needs Keras and PyTorch.

The problem is that of optimizers.json: rows of two inputs and three targets, in batches of four without
shuffling; a layer of tanh, and the mean squared error over a batch. All in float64.
"""

import json
import os
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "torch"

import keras
import sklearn
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

keras.config.set_floatx("float64")
HERE = Path(__file__).parent
PROBLEM = {
    key: np.array(value)
    for key, value in json.loads((HERE / "optimizers.json").read_text())["problem"].items()
}
STEPS, RECORDED = 100, (1, 2, 10, 100)
RULES = {
    "keras": [
        ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, "SGD"),
        ("adagrad", {"learning_rate": 0.1}, "Adagrad"),
        ("rmsprop", {}, "RMSprop"),
        ("rmsprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}, "RMSprop"),
        ("adam", {"learning_rate": 0.05}, "Adam"),
        ("adamw", {"learning_rate": 0.05}, "AdamW"),
        ("nadam", {"learning_rate": 0.05}, "Nadam"),
        ("lion", {"learning_rate": 0.01}, "Lion"),
    ],
    "scikit-learn": [
        ("sgd", {"learning_rate": 0.05}, SGDOptimizer),
        ("adam", {"learning_rate": 0.05}, AdamOptimizer),
    ],
}


def gradients(W, b, step):
    """The slopes of the loss on the step's batch, by hand."""
    batch, rows = int(PROBLEM["batch"]), len(PROBLEM["X"])
    taken = [(step * batch + i) % rows for i in range(batch)]
    X, T = PROBLEM["X"][taken], PROBLEM["T"][taken]
    a = np.tanh(X @ W + b)
    d_z = 2 * (a - T) / a.size * (1 - a * a)
    return X.T @ d_z, d_z.sum(axis=0)


def by_keras(settings, name):
    variables = [keras.Variable(PROBLEM[key].copy()) for key in ("W", "b")]
    optimizer, recorded = getattr(keras.optimizers, name)(**settings), {}
    for step in range(STEPS):
        values = [keras.ops.convert_to_numpy(v) for v in variables]
        slopes = [torch.tensor(g) for g in gradients(*values, step)]
        optimizer.apply(slopes, variables)
        if step + 1 in RECORDED:
            recorded[step + 1] = [keras.ops.convert_to_numpy(v).tolist() for v in variables]
    return recorded


def by_sklearn(settings, rule):
    variables = [PROBLEM[key].copy() for key in ("W", "b")]
    rate = settings["learning_rate"]
    optimizer, recorded = rule(variables, learning_rate_init=rate), {}
    for step in range(STEPS):
        optimizer.update_params(variables, gradients(*variables, step))
        if step + 1 in RECORDED:
            recorded[step + 1] = [v.tolist() for v in variables]
    return recorded


def main():
    made = {"keras": by_keras, "scikit-learn": by_sklearn}
    entries = [
        {
            "framework": framework,
            "rule": rule,
            "settings": settings,
            "values": made[framework](settings, name),
        }
        for framework, rules in RULES.items()
        for rule, settings, name in rules
    ]
    lines = ",\n  ".join(json.dumps(entry) for entry in entries)
    source = f"Keras {keras.__version__}, scikit-learn {sklearn.__version__}"
    (HERE / "frameworks.json").write_text(f'{{\n"source": "{source}",\n"rules": [\n  {lines}\n]\n}}\n')


if __name__ == "__main__":
    main()
