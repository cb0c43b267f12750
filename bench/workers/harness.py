"""What all workers share: read a job, train, time, answer with JSON.

A worker module has one class, `Trainer(network, optimizer, learning_rate, X, y, weights)`, with

- `train(epochs)`: train on; every epoch shuffles the rows and takes every one of them; returns each epoch's
  mean loss. What a user of that library pays for these epochs is inside, preparation included.
- `parameters()`: [(W, b), ...], W of shape (inputs, units)
- `optimizers`: the names that it knows

and ends with `harness.main(Trainer)`. The job is the first argument, as JSON; the answer is the last line of
output.
"""

import dataclasses
import json
import math
import resource
import statistics
import sys
import time

from networks import NETWORKS, RULES, make_data, make_weights

# Timing trains tens of thousands of steps. Rates this small keep the network as it is early in a training: no
# dead units and no vanished gradients, whose denormal numbers slow down libraries that do not flush them.
TIMING_RATES = dict.fromkeys(RULES, 1e-6) | {"sgd": 1e-4, "momentum": 1e-5}
VERIFYING_RATES = dict.fromkeys(RULES, 0.001) | {"sgd": 0.1, "momentum": 0.05, "adagrad": 0.01}


def main(trainer_class):
    job = json.loads(sys.argv[1])
    answer = {"time": time_training, "verify": trace_training}[job["do"]](trainer_class, **job["arguments"])
    answer["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(answer))


def time_training(trainer_class, network, optimizers, seconds, calls):
    """Microseconds per step for each optimiser that it knows: the median over `calls` calls of `train`.

    Each call trains as many epochs as take about `seconds`, so that what a library does once per call
    (checking the data, making buffers) weighs as it would in a short training, not in a single step.
    """
    network = NETWORKS[network]
    X, y = make_data(network)
    answer = {}
    for optimizer in optimizers:
        if optimizer not in trainer_class.optimizers:
            continue
        trainer = trainer_class(network, optimizer, TIMING_RATES[optimizer], X, y, make_weights(network))
        trainer.train(2)  # compiles, allocates, warms caches
        epochs = epochs_that_take(seconds, trainer)
        wall, busy = [], []
        for _ in range(calls):
            start, cpu_start = time.perf_counter(), time.process_time()
            losses = trainer.train(epochs)
            wall.append(time.perf_counter() - start)
            busy.append(time.process_time() - cpu_start)
            if len(losses) != epochs or not math.isfinite(losses[-1]):
                raise RuntimeError(f"{optimizer}: asked for {epochs} epochs, got losses {losses[-3:]}")
        answer[optimizer] = {
            "us_per_step": statistics.median(wall) / (epochs * network.steps) * 1e6,
            "epochs_per_call": epochs,
            "cores_busy": sum(busy) / sum(wall),
            "last_loss": float(losses[-1]),
        }
    return answer


def epochs_that_take(seconds, trainer):
    epochs = 1
    while True:
        start = time.perf_counter()
        trainer.train(epochs)
        took = time.perf_counter() - start
        if took > seconds / 4 or epochs >= 4096:
            return max(1, round(epochs * seconds / took))
        epochs *= 4


def trace_training(trainer_class, network, optimizers, epochs):
    """Losses and weights of a few steps, each on all rows at once, so that their order does not matter."""
    network = dataclasses.replace(NETWORKS[network], rows=512, batch=512)
    X, y = make_data(network)
    answer = {}
    for optimizer in optimizers:
        if optimizer not in trainer_class.optimizers:
            continue
        trainer = trainer_class(network, optimizer, VERIFYING_RATES[optimizer], X, y, make_weights(network))
        answer[optimizer] = {
            "losses": [float(loss) for loss in trainer.train(epochs)],
            "weights": [[W.tolist(), b.tolist()] for W, b in trainer.parameters()],
        }
    return answer
