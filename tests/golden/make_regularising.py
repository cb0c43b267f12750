"""Writes regularising.json: weights averaged by PyTorch and Keras, and kept to a norm by Keras. Needs both.

The problem is that of optimizers.json: rows of two inputs and three targets, in batches of four without
shuffling; a layer of tanh, and the mean squared error over a batch. All in float64.
"""

import json
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import torch
from make_frameworks import HERE, PROBLEM, gradients
from torch.optim import swa_utils

keras.config.set_floatx("float64")
DECAY, RATE, MOMENTUM, STEPS = 0.9, 0.1, 0.9, 50
PER_EPOCH = len(PROBLEM["X"]) // int(PROBLEM["batch"])
START, EVERY = 4, 2  # epochs
MAX_NORM = 0.8


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.W, self.b = (torch.nn.Parameter(torch.tensor(PROBLEM[key])) for key in ("W", "b"))


def by_pytorch():
    """The weights after the first step, the exponential average and the mean over epochs, at the end."""
    model = Layer()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=MOMENTUM)
    ema = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(DECAY))
    swa = swa_utils.AveragedModel(model)
    first = None
    for step in range(STEPS):
        slopes = gradients(model.W.detach().numpy(), model.b.detach().numpy(), step)
        model.W.grad, model.b.grad = (torch.tensor(g) for g in slopes)
        optimizer.step()
        ema.update_parameters(model)
        first = first or listed(model)
        epoch, rest = divmod(step + 1, PER_EPOCH)
        if rest == 0 and epoch >= START and (epoch - START) % EVERY == 0:
            swa.update_parameters(model)
    return {"first": first, "ema": listed(ema.module), "swa": listed(swa.module), "last": listed(model)}


def by_keras():
    """The exponential average, and weights of a largest norm, after all steps."""
    found = {}
    for name, settings in (("ema", {"use_ema": True, "ema_momentum": DECAY}), ("max_norm", {})):
        W, b = (keras.Variable(PROBLEM[key].copy()) for key in ("W", "b"))
        if name == "max_norm":
            W.constraint = keras.constraints.MaxNorm(MAX_NORM, axis=0)
        optimizer = keras.optimizers.SGD(RATE, momentum=MOMENTUM, **settings)
        for step in range(STEPS):
            slopes = gradients(*(keras.ops.convert_to_numpy(v) for v in (W, b)), step)
            optimizer.apply([torch.tensor(g) for g in slopes], [W, b])
        if name == "ema":
            optimizer.finalize_variable_values([W, b])
        found[name] = {
            key: keras.ops.convert_to_numpy(v).tolist() for key, v in zip("Wb", (W, b), strict=True)
        }
    return found


def listed(model):
    return {"W": model.W.tolist(), "b": model.b.tolist()}


if __name__ == "__main__":
    record = {
        "source": f"PyTorch {torch.__version__}, Keras {keras.__version__}, float64",
        "settings": {
            "decay": DECAY,
            "learning_rate": RATE,
            "momentum": MOMENTUM,
            "steps": STEPS,
            "start": START,
            "every": EVERY,
            "max_norm": MAX_NORM,
        },
        "pytorch": by_pytorch(),
        "keras": by_keras(),
    }
    path = Path(HERE) / "regularising.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
