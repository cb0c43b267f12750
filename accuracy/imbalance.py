"""Classes of unequal size on real tables: what each tool gains, and what it costs."""

import statistics
import time
import warnings

import numpy as np

import chainrule as cr
from datasets import DATASETS, table, values
from methods import numbers
from mnist import DataMissing
from table import table as markdown
from tables import Paired

SEEDS = 10
TRAIN, HELD, TEST = 8_000, 2_000, 10_000  # rows that a seed draws, at most
TOOLS = ("plain", "class_weight", "sampling", "over", "under", "smote", "focal", "threshold", "calibrated")
SETTINGS = {"epochs": 12, "batch_size": 128, "engine": "numba", "verbose": False}


def credit():
    frame, y, _ = DATASETS["credit"].load()
    return frame, y == 1


def adult():
    frame, y, _ = DATASETS["adult"].load()
    return frame, y == ">50K"


def best_wines():
    frame = table("wine_quality.csv.gz").unique(maintain_order=True)
    return frame.drop("quality"), values(frame, "quality") >= 8


SETS = {
    "credit default, who defaults": credit,
    "adult, income above 50K": adult,
    "wine quality, 8 and better": best_wines,
}


def report(seeds, tell):
    """The section of RESULTS.md, and whether what is asked is met."""
    seeds = seeds or SEEDS
    parts, met = [], []
    for title, load in SETS.items():
        try:
            frame, y = load()
        except DataMissing as missing:
            parts.append(f"Skipped: {title}. {missing}")
            continue
        runs = []
        started = time.perf_counter()
        for seed in range(seeds):
            runs.append(compare(frame, y, seed))
            left = (time.perf_counter() - started) / (seed + 1) * (seeds - seed - 1)
            tell(f"{title}: {seed + 1} of {seeds} seeds, about {left:.0f} s left")
        met += asked(runs)
        parts.append(shown(title, y, runs))
    if met:
        parts.append(
            "Asked of each set, in every seed: class weights, sampling and a threshold find more of the rare "
            "class than plain training does, and bias-corrected calibration has a smaller log loss than the "
            f"sampling that it mends. {'All of it is met.' if all(met) else 'It is not met.'}"
        )
    return "\n\n".join(parts), all(met)


def compare(frame, y, seed):
    """One seed's split, and all tools on it."""
    from sklearn.model_selection import train_test_split

    places, test = train_test_split(np.arange(len(y)), test_size=0.25, random_state=seed, stratify=y)
    train, held = train_test_split(places, test_size=0.2, random_state=seed, stratify=y[places])
    train, held, test = train[:TRAIN], held[:HELD], test[:TEST]
    columns = numbers(frame).fit(frame[train])
    tables = [columns.transform(frame[rows]).astype(np.float32) for rows in (train, held, test)]
    network = cr.Network(
        [cr.Dense(64, "relu"), cr.Dropout(0.2), cr.Dense(32, "relu"), cr.Dropout(0.2), cr.Dense(2)],
        "cross_entropy",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found unknown categories")
        return cr.compare_imbalance(
            network,
            tables[0],
            y[train],
            validation_data=(tables[1], y[held]),
            test_data=(tables[2], y[test]),
            tools=TOOLS,
            measure="balanced_accuracy",
            optimizer=cr.AdamW(0.002, weight_decay=0.05),
            seed=seed,
            **SETTINGS,
        )


def asked(runs):
    """For each demand whether every seed meets it."""
    rare = [all(run[t].recall[1] > run["plain"].recall[1] for run in runs) for t in TOOLS[1:3]]
    threshold = all(run["threshold"].recall[1] > run["plain"].recall[1] for run in runs)
    mended = all(run["calibrated"].log_loss < run["sampling"].log_loss for run in runs)
    return [*rare, threshold, mended]


NUMBERS = {
    "recall": lambda r: r.recall[1],
    "precision": lambda r: r.precision[1],
    "F1": lambda r: r.f1[1],
    "recall of the rest": lambda r: r.recall[0],
    "balanced accuracy": lambda r: r.balanced_accuracy,
    "average precision": lambda r: r.average_precision,
    "log loss": lambda r: r.log_loss,
}


def shown(title, y, runs):
    """A set's table: means over the seeds, and for two of them the paired difference from plain."""
    rows = []
    for tool in TOOLS:
        row = [tool]
        for name, number in NUMBERS.items():
            own = {k: float(number(run[tool])) for k, run in enumerate(runs)}
            text = f"{statistics.fmean(own.values()):.3f}"
            if name in ("balanced accuracy", "average precision", "log loss") and tool != "plain":
                plain = {k: float(number(run["plain"])) for k, run in enumerate(runs)}
                paired = Paired.of(own, plain)
                text += f" ({paired.mean:+.3f} ± {paired.error:.3f})"
            row.append(text)
        rows.append(row)
    share = f"{y.mean():.1%} of {len(y):,} rows, {len(runs)} seeds, means"
    return f"### {title}: {share}\n\n{markdown(['tool', *NUMBERS], rows)}"
