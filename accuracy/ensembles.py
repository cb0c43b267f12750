"""Ensembles of five networks beside one, and small networks that learn from them, on rows held back."""

import statistics
import time
from dataclasses import dataclass

import numpy as np

import chainrule as cr
from datasets import DATASETS
from methods import numbers
from mnist import DataMissing
from table import table

SETS = ("digits", "adult", "credit", "california", "wine")
SEEDS, MEMBERS, STEPS, BATCH = 10, 5, 2000, 32
MOST = 3000  # rows trained on, and rows tested on, where a set has more
KINDS = {
    "seeds": ("deep ensemble", cr.DeepEnsemble),
    "bagging": ("bagging", cr.Bagging),
    "committee": ("committee", cr.Committee),
    "snapshot": ("snapshots", cr.SnapshotEnsemble),
}


STUDENTS = {
    "plain": "on labels",
    "same": "distilled on the same rows",
    "more": "distilled on more rows without labels",
}
TOLD = (
    "A network with hidden layers of 64 and 32 relu units, trained by Adam from 0.003 down a cosine "
    "for about {steps:,} steps of {batch} rows, beside ensembles of {members} such networks "
    "(snapshots: a cosine for each). Half of the rows that each of {seeds} seeds leaves for training "
    "have labels, at most {most:,}; at most as many that it holds back test. Accuracy for classes and "
    "R2 for values; the loss (cross-entropy, or the mean squared error over the variance); the mean "
    "paired difference to one network with its standard error; and the processor's time as a multiple "
    "of one network's. Asked is that the deep ensemble is nowhere worse in the mean.",
    "Whether the spread tells where an ensemble is wrong. The rows are cut into halves by the deep "
    "ensemble's spread, of the probability of the class that it predicts, or of values: accuracy, or "
    "the root mean squared error over the standard deviation, of the half with the smaller spread and "
    "of the other. The same for classes by the entropy of the mean of the probabilities. Asked is "
    "that the first half is better.",
    "What a network with one hidden layer of 8 units learns in as many steps: from labels, from what "
    "the deep ensemble says of the same rows (temperature 2, no labels), and from what it says of "
    "these and of rows that have no labels, up to {more:,} in all. Differences are to the network "
    "that learned from labels; then how often it predicts the ensemble's class, or R2 with the "
    "ensemble's values. Asked is that the network that learned from more rows predicts more as the "
    "ensemble does than the one that learned from labels.",
)
"""What is said above each table."""


@dataclass(frozen=True)
class Set:
    """Rows of a seed, as networks take them."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_more: np.ndarray  # the rows to train on, and others, whose targets nobody sees
    classes: bool


def report(seeds, tell):
    """The section's text, and whether what is asked is met."""
    scored, spreads, students, met, notes = [], [], [], [], []
    for name in SETS:
        try:
            found = [one(DATASETS[name], seed, tell) for seed in range(seeds or SEEDS)]
        except DataMissing as error:
            notes.append(f"{DATASETS[name].title}: {error}")
            continue
        title, single = DATASETS[name].title, column(found, "single")
        first = [title, "one network", f"{single[0].mean():.4f}", "", f"{single[1].mean():.4f}", "", "1.0"]
        scored += [first, *(["", KINDS[kind][0], *beside(column(found, kind), single)] for kind in KINDS)]
        means = np.mean([run["halves"] for run in found], axis=0)
        spreads.append([title, *(f"{mean:.3f}" for mean in means), *[""] * (4 - len(means))])
        students += of_students(title, found)
        met.append((column(found, "seeds")[0] - single[0]).mean() >= 0)
        met.append(means[0] > means[1] if found[0]["classes"] else means[0] < means[1])
        met.append(np.mean([run["more agrees"] - run["plain agrees"] for run in found]) >= 0)
    texts = [
        part.format(seeds=seeds or SEEDS, most=MOST, more=3 * MOST, members=MEMBERS, steps=STEPS, batch=BATCH)
        for part in TOLD
    ]
    tables = [
        table(["set", "", "score", "gain", "loss", "less", "time"], scored),
        table(["set", "small spread", "large spread", "low entropy", "high entropy"], spreads),
        table(["set", "", "score", "gain", "loss", "less", "as ensemble"], students),
    ]
    parts = [part for pair in zip(texts, tables, strict=True) for part in pair]
    return "\n\n".join([*parts, *notes]), all(met)


def of_students(title, found):
    """Rows of the table of small networks."""
    plain = column(found, "plain")
    lines = []
    for name, label in STUDENTS.items():
        own, agreed = column(found, name), np.mean([run[f"{name} agrees"] for run in found])
        cells = beside([*own, own[0]], [*plain, plain[0]])[:4]
        if name == "plain":
            cells[1] = cells[3] = ""
        lines.append(["" if lines else title, label, *cells, f"{agreed:.3f}"])
    return lines


def column(found, name):
    """Scores, losses, and where they were taken seconds, of a method over the seeds."""
    return [np.array(values) for values in zip(*(run[name] for run in found), strict=True)]


def beside(own, single):
    """Cells of a method beside those of a single network."""
    return [
        f"{own[0].mean():.4f}",
        difference(own[0], single[0]),
        f"{own[1].mean():.4f}",
        difference(single[1], own[1]),
        f"{own[2].sum() / single[2].sum():.1f}",
    ]


def difference(ours, theirs):
    """The mean paired difference and its standard error."""
    gain = ours - theirs
    error = statistics.stdev(gain) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
    return f"{gain.mean():+.4f} ± {error:.4f}"


def one(dataset, seed, tell):
    """Everything that a seed is measured by."""
    rows = prepared(dataset, seed)
    epochs = -(-STEPS * BATCH // (len(rows.y) * MEMBERS)) * MEMBERS  # whole cycles of snapshots
    settings = {"epochs": epochs, "batch_size": BATCH, "seed": seed, "verbose": False, "engine": "numba"}
    falling = {**settings, "optimizer": cr.Adam(cr.schedules.CosineDecay(0.003))}
    network(rows).fit(rows.X, rows.y, **{**falling, "epochs": 1})  # compiled now, not in what is timed
    found = {"classes": rows.classes, "single": timed(network(rows), rows, falling)}
    for kind, (_, make) in KINDS.items():
        own = {**settings, "optimizer": cr.Adam(0.003)} if kind == "snapshot" else falling
        ensemble = make(network(rows), MEMBERS)
        found[kind] = timed(ensemble, rows, own)
        if kind == "seeds":
            deep = ensemble
    found["halves"] = halves(deep, rows)
    small = {name: network(rows, (8,)) for name in STUDENTS}
    small["plain"].fit(rows.X, rows.y, **falling)
    small["same"] = deep.distill(small["same"], rows.X, **falling)
    fewer = round(epochs * len(rows.X) / len(rows.X_more))  # that are as many steps
    small["more"] = deep.distill(small["more"], rows.X_more, **{**falling, "epochs": fewer})
    for name, net in small.items():
        found |= {name: measured(net, rows), f"{name} agrees": agreement(net, deep, rows)}
    scores = ", ".join(f"{kind} {found[kind][0]:.4f}" for kind in ("single", *KINDS, *STUDENTS))
    tell(f"{dataset.name}, seed {seed}: {scores}")
    return found


def timed(model, rows, settings):
    """Score, loss, and the processor's seconds of a fit."""
    started = time.process_time()
    model.fit(rows.X, rows.y, **settings)
    seconds = time.process_time() - started
    return *measured(model, rows), seconds


def prepared(dataset, seed):
    """Some of the rows of a seed: columns standardised and one-hot, values with mean 0 and variance 1."""
    rows, classes = dataset.rows(seed), dataset.task == "classification"
    draw = np.random.default_rng(seed)
    order, test = draw.permutation(len(rows.y)), draw.permutation(len(rows.y_test))[:MOST]
    train = order[: min(MOST, len(order) // 2)]
    columns = numbers(rows.X)
    X = np.asarray(columns.fit_transform(rows.X[train]), np.float32)
    X_test, more = (
        np.asarray(columns.transform(frame), np.float32)
        for frame in (rows.X_test[test], rows.X[order[: 3 * MOST]])
    )
    y, y_test = rows.y[train], rows.y_test[test]
    if not classes:
        mean, spread = y.mean(), y.std()
        y, y_test = (y - mean) / spread, (y_test - mean) / spread
    return Set(X, y, X_test, y_test, more, classes)


def network(rows, hidden=(64, 32)):
    """A network that is not trained."""
    outputs, loss = (len(np.unique(rows.y)), "cross_entropy") if rows.classes else (1, "mse")
    return cr.Network([*(cr.Dense(units, "relu") for units in hidden), cr.Dense(outputs)], loss=loss)


def measured(model, rows):
    """Score and loss on the rows held back."""
    return model.score(rows.X_test, rows.y_test), model.calculate_loss(rows.X_test, rows.y_test)


def halves(ensemble, rows):
    """How good it is where the spread is small and where it is large; for classes also by the entropy."""
    predicted, spread = ensemble.predict(rows.X_test), ensemble.predict_spread(rows.X_test)
    if not rows.classes:
        return [rmse(predicted, rows.y_test, half) for half in cut(spread)]
    places = np.searchsorted(ensemble.classes, predicted)
    right = predicted == rows.y_test
    by = [spread[np.arange(len(places)), places], ensemble.predict_entropy(rows.X_test).total]
    return [right[half].mean() for measure in by for half in cut(measure)]


def cut(measure):
    """The half of the rows where something is small, and the other."""
    order = np.argsort(measure, kind="stable")
    return order[: len(order) // 2], order[len(order) // 2 :]


def rmse(predicted, y, rows):
    return float(np.sqrt(np.mean((predicted[rows] - y[rows]) ** 2)))


def agreement(net, ensemble, rows):
    """How often a network predicts the ensemble's class, or R2 with its values."""
    own, said = net.predict(rows.X_test), ensemble.predict(rows.X_test)
    return float(np.mean(own == said)) if rows.classes else 1 - np.mean((own - said) ** 2) / said.var()
