"""How long to train, by cross-validation, beside a fixed number of epochs: held-back rows over seeds."""

import statistics

import numpy as np

import chainrule as cr
from datasets import DATASETS
from methods import numbers, r2
from mnist import DataMissing
from table import table

SETS = ("student", "grades", "wine")
FIXED = 200  # epochs, and the most that a fold is trained
SEEDS = 10


def report(seeds, tell):
    """The section's text, and whether cross-validation does no worse on every set."""
    rows, met, notes = [], [], []
    for name in SETS:
        try:
            found = [one(DATASETS[name], seed, tell) for seed in range(seeds or SEEDS)]
        except DataMissing as error:
            notes.append(f"{DATASETS[name].title}: {error}")
            continue
        ours, fixed, epochs, spreads = (np.array(column) for column in zip(*found, strict=True))
        gain = ours - fixed
        error = statistics.stdev(gain) / len(gain) ** 0.5
        rows.append(
            [
                DATASETS[name].title,
                f"{epochs.mean():.0f} ({epochs.min()} to {epochs.max()})",
                f"{spreads.mean():.0f}",
                f"{ours.mean():.3f}",
                f"{fixed.mean():.3f}",
                f"{gain.mean():+.3f} ± {error:.3f}",
                f"{np.sum(gain >= 0)} of {len(gain)}",
            ]
        )
        met.append(bool(gain.mean() >= 0))
    head = ["set", "epochs", "of folds", "R2 so", f"R2, {FIXED} epochs", "gain", "no worse"]
    told = (
        f"A network of 64 relu units with Adam(0.001), 32 rows a step. Mitchell's procedure with ten folds "
        f"says how many of at most {FIXED} epochs it is trained on all rows (mean and range over "
        f"{seeds or SEEDS} seeds; then the standard deviation of the folds' best epochs), beside {FIXED} "
        "epochs. R2 is of the fifth of the rows that each seed holds back; the gain has its standard error. "
        "Asked is a mean gain that is not negative."
    )
    return "\n\n".join([told, table(head, rows), *notes]), all(met)


def one(dataset, seed, tell):
    """R2 of the held-back rows after cross-validated stopping and after the fixed epochs."""
    rows = dataset.rows(seed)
    columns = numbers(rows.X)
    X, X_test = columns.fit_transform(rows.X), columns.transform(rows.X_test)
    mean, spread = rows.y.mean(), rows.y.std()
    y = (rows.y - mean) / spread
    settings = {"optimizer": cr.Adam(0.001), "batch_size": 32, "seed": seed, "verbose": False}
    stopped, fixed = network(), network()
    found = stopped.fit_cross_validated_stopping(X, y, epochs=FIXED, cv=10, engine="numba", **settings)
    fixed.fit(X, y, epochs=FIXED, engine="numba", **settings)
    scores = [r2(rows.y_test, net.predict(X_test) * spread + mean) for net in (stopped, fixed)]
    tell(f"{dataset.name}, seed {seed}: {found.epochs} epochs, R2 {scores[0]:.3f}; else {scores[1]:.3f}")
    return *scores, found.epochs, found.spread


def network():
    """A network for one value."""
    return cr.Network([cr.Dense(64, "relu"), cr.Dense(1)], loss="mse")
