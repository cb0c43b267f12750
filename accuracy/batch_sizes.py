"""Batch, mini-batch and stochastic descent on the handwritten digits: the table of docs/batch_sizes.md.

python accuracy/batch_sizes.py

For each batch size the learning rate is the one of `RATES` with the best accuracy on rows that are neither
trained nor tested on, apart for each of the two questions: what is reached after so many epochs, and what
in so many seconds. Accuracies are means over seeds; times are the least over seeds, compilation apart.
"""

import sys
from functools import cache

import numpy as np

import chainrule as cr
from table import table
from worked_examples import fit

BATCH_SIZES = (1, 8, 32, 128, None)  # None: all rows
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
EPOCHS = 10
SECONDS = 0.02
SEEDS = 5


@cache
def digits():
    """Rows to train on, to choose rates by, and to test on, each as X and y."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_rest, y_train, y_rest = train_test_split(X / 16, y, test_size=0.4, random_state=0, stratify=y)
    X_choose, X_test, y_choose, y_test = train_test_split(
        X_rest, y_rest, test_size=0.5, random_state=0, stratify=y_rest
    )
    return (X_train, y_train), (X_choose, y_choose), (X_test, y_test)


def trained(batch_size, rate, epochs, seed, engine="numba"):
    """Seconds, and the accuracies on the rows to choose by and to test on."""
    (X, y), choosing, testing = digits()
    net = cr.Network([cr.Dense(32, "relu"), cr.Dense(10)], loss="cross_entropy")
    history = fit(
        net,
        X,
        y,
        optimizer=cr.SGD(rate),
        batch_size=batch_size or len(X),
        epochs=epochs,
        seed=seed,
        engine=engine,
    )
    return history.seconds, net.evaluate(*choosing)["accuracy"], net.evaluate(*testing)["accuracy"]


def best(batch_size, epochs):
    """The rate that is best after so many epochs, the seconds, and the accuracy on the test rows."""
    found = {rate: [trained(batch_size, rate, epochs, seed) for seed in range(SEEDS)] for rate in RATES}
    rate = max(found, key=lambda rate: np.mean(found[rate], axis=0)[1])
    return rate, min(seconds for seconds, *_ in found[rate]), np.mean(found[rate], axis=0)[2]


def row(batch_size):
    rows = len(digits()[0][1])
    size = batch_size or rows
    updates = -(-rows // size)
    trained(batch_size, RATES[0], 1, 0)  # compiles
    rate, seconds, accuracy = best(batch_size, EPOCHS)
    in_numpy = min(trained(batch_size, rate, EPOCHS, seed, "numpy")[0] for seed in range(SEEDS))
    epoch = min(trained(batch_size, rate, 100, seed)[0] / 100 for seed in range(SEEDS))
    epochs = max(1, round(SECONDS / epoch))
    timed_rate, timed, timed_accuracy = best(batch_size, epochs)
    return [
        f"{size:,}",
        f"{updates * EPOCHS:,}",
        f"{rate:g}",
        f"{1000 * seconds:.1f}",
        f"{1000 * in_numpy:.0f}",
        f"{accuracy:.1%}",
        f"{epochs:,}",
        f"{updates * epochs:,}",
        f"{timed_rate:g}",
        f"{1000 * timed:.0f}",
        f"{timed_accuracy:.1%}",
    ]


def report():
    """The tables, as Markdown."""
    rows = []
    for k, batch_size in enumerate(BATCH_SIZES):
        print(f"batch size {batch_size or 'all'}: {k + 1} of {len(BATCH_SIZES)}", file=sys.stderr)
        rows.append(row(batch_size))
    epochs = ["batch", "updates", "rate", "ms compiled", "ms in NumPy", "accuracy"]
    seconds = ["batch", "epochs", "updates", "rate", "ms compiled", "accuracy"]
    return "\n\n".join(
        [
            f"After {EPOCHS} epochs:",
            table(epochs, [row[:6] for row in rows]),
            f"In {1000 * SECONDS:.0f} milliseconds:",
            table(seconds, [[row[0], *row[6:]] for row in rows]),
        ]
    )


if __name__ == "__main__":
    print(report())
