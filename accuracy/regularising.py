"""What each regulariser does to training and held-back loss, beside a plain network, over seeds."""

import math
import statistics

import numpy as np

import chainrule as cr
from chainrule.nn.losses import CrossEntropy
from datasets import DATASETS
from methods import numbers
from mnist import DataMissing
from table import table

SETS = {"digits": 200, "credit": 1000, "wine": 500, "student": 316}  # rows to train on
HELD = 5000  # the most rows to measure on
UNITS, RATE, BATCH, EPOCHS = 64, 0.003, 32, 100
SEEDS = 10
PLAIN = "plain"


def network(outputs, loss, hidden=None, between=(), first=(), mixup=0.0):
    """Two hidden layers, each followed by layers of the kinds given."""
    layers = list(first)
    for _ in range(2):
        layers += [cr.Dense(UNITS, "relu", **(hidden or {})), *(make() for make in between)]
    return cr.Network([*layers, cr.Dense(outputs)], loss, mixup=mixup)


def adam(**more):
    return cr.Adam(RATE, **more)


WAYS = {
    PLAIN: {},
    "dropout 0.3": {"between": [lambda: cr.Dropout(0.3)]},
    "L2, 0.001": {"hidden": {"l2": 1e-3}},
    "weight decay 0.1": {"rule": lambda: cr.AdamW(RATE, weight_decay=0.1)},
    "L1, 0.0003": {"hidden": {"l1": 3e-4}},
    "batch norm": {"between": [cr.BatchNorm]},
    "layer norm": {"between": [cr.LayerNorm]},
    "label smoothing 0.1": {"loss": lambda: CrossEntropy(label_smoothing=0.1)},
    "max-norm 1.5": {"hidden": {"max_norm": 1.5}},
    "input noise 0.3": {"first": [lambda: cr.GaussianNoise(0.3)]},
    "mixup 0.2": {"mixup": 0.2},
    "EMA 0.99": {"rule": lambda: adam(average=cr.EMA(0.99))},
    "SWA 0.75": {"rule": lambda: adam(average=cr.SWA(0.75))},
}
"""Names with their moderate settings, chosen beforehand and the same for all sets."""


def report(seeds, tell):
    """The section's text; nothing is asked."""
    parts, notes, verdicts = [], [], {way: [] for way in WAYS if way != PLAIN}
    for name, rows in SETS.items():
        dataset = DATASETS[name]
        try:
            found = [measured(dataset, rows, seed, tell) for seed in range(seeds or SEEDS)]
        except DataMissing as error:
            notes.append(f"{dataset.title}: {error}")
            continue
        text, told = of_set(dataset, rows, found)
        parts.append(text)
        for way in verdicts:
            verdicts[way].append(told.get(way, ""))
    head = ["held-back loss", *(name for name in SETS if not any(DATASETS[name].title in n for n in notes))]
    rows = [[way, *told] for way, told in verdicts.items()]
    text = (
        f"Two hidden layers of {UNITS} relu units, Adam({RATE}), {BATCH} rows a step, {EPOCHS} epochs, no "
        f"early stopping: long enough to overfit. {seeds or SEEDS} seeds, each with rows and first weights "
        "of its own. The first line of each table is the plain network's mean; the others are mean "
        "differences from it, seed by seed, with their standard errors. Losses are the cross-entropy in nats "
        "or the squared error of the standardised target, without penalties, smoothing, noise or mixing. The "
        "last table says where the held-back loss is smaller or larger by more than two standard errors."
    )
    return "\n\n".join([text, *parts, *([table(head, rows)] if parts else []), *notes]), True


def measured(dataset, rows, seed, tell):
    """For each way training loss, held-back loss, and accuracy or R2."""
    classes = dataset.task == "classification"
    drawn = dataset.rows(seed)
    order = np.random.default_rng(seed).permutation(len(drawn.y))[:rows]
    columns = numbers(drawn.X[order])
    X, X_test = columns.fit_transform(drawn.X[order]), columns.transform(drawn.X_test)[:HELD]
    y, y_test = drawn.y[order], drawn.y_test[:HELD]
    if classes:
        labels = np.unique(drawn.y)
        y, y_test = np.searchsorted(labels, y), np.searchsorted(labels, y_test)
    else:
        mean, spread = y.mean(), y.std()
        y, y_test = (y - mean) / spread, (y_test - mean) / spread
    found = {}
    for way, settings in WAYS.items():
        given = dict(settings)
        loss = given.pop("loss", None)
        if loss is not None and not classes:
            continue
        rule = given.pop("rule", adam)()
        given["first"] = [make() for make in given.get("first", ())]
        chosen = loss() if loss is not None else "cross_entropy" if classes else "mse"
        net = network(len(labels) if classes else 1, chosen, **given)
        net.fit(
            X, y, optimizer=rule, batch_size=BATCH, epochs=EPOCHS, seed=seed, engine="numba", verbose=False
        )
        found[way] = (*score(net, X, y)[:1], *score(net, X_test, y_test))
    tell(f"{dataset.name}, seed {seed}: held-back loss {found[PLAIN][1]:.3f} of the plain network")
    return found


def score(net, X, y):
    """The plain loss, and accuracy or R2."""
    if net.classes is None:
        error = float(np.mean((net.predict(X) - y) ** 2))
        return error, 1 - error / float(np.var(y))
    p = net.predict_proba(X)[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(np.maximum(p, 1e-30)).mean()), float((net.predict(X) == y).mean())


def of_set(dataset, rows, found):
    """A set's table, and for each way whether its held-back loss is better or worse."""
    head = [
        f"{dataset.title}, {rows} rows",
        "training loss",
        "held-back loss",
        "accuracy" if dataset.task == "classification" else "R2",
    ]
    plain = np.array([one[PLAIN] for one in found])
    lines, told = [[PLAIN, *(f"{mean:.3f}" for mean in plain.mean(axis=0))]], {}
    for way in WAYS:
        if way == PLAIN or way not in found[0]:
            continue
        gains = np.array([one[way] for one in found]) - plain
        means = gains.mean(axis=0)
        errors = [statistics.stdev(column) / math.sqrt(len(found)) for column in gains.T]
        lines.append([way, *(f"{m:+.3f} ± {e:.3f}" for m, e in zip(means, errors, strict=True))])
        far = abs(means[1]) > 2 * errors[1]
        told[way] = ("smaller" if means[1] < 0 else "larger") if far else "no difference"
    return table(head, lines), told
