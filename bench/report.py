"""From readings to Markdown tables."""

import statistics

from cold_start import STARTS
from networks import MEMORY, NETWORKS, RULE_LIBRARIES, RULES
from processes import LIBRARIES
from streams import IN_MEMORY

TITLES = {"sgd": "plain gradient descent", "adam": "Adam"}
RULE_TITLES = {
    "sgd": "SGD",
    "momentum": "SGD, momentum",
    "adagrad": "Adagrad",
    "rmsprop": "RMSProp",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "NAdam",
    "lion": "Lion",
    "rprop": "Rprop",
}
WIDTH = 100  # of the report, in characters
STEP = """\
## Time per step

A step is a batch's gather, forward pass, loss, backward pass and update; its share of the shuffle
and of what a library does once per call of its training function is included (`bench/README.md`).
Each time is the better of one and two threads (an asterisk: two) and the median over rounds; each
ratio is the median of the rounds' ratios. "NumPy" is this network written by hand in plain, careful
NumPy, which the targets refer to; "tuned NumPy" is an expert's version (one vector for all
parameters, everything allocated beforehand, sums by BLAS), shown as one more library.
"""


def best_times(readings, names=("optimizer", "network", "library"), measure="us_per_step"):
    """{values of `names`: (median, threads, {round: value})} of what was measured, threads the better."""
    series = {}
    for r in readings:
        key = tuple(r[name] for name in names)
        series.setdefault(key, {}).setdefault(r["threads"], {})[r["round"]] = r[measure]
    best = {}
    for key, by_threads in series.items():
        threads = min(by_threads, key=lambda count: statistics.median(by_threads[count].values()))
        best[key] = (statistics.median(by_threads[threads].values()), threads, by_threads[threads])
    return best


def ratio(best, slower, faster):
    """How many times as fast `faster` is: the median over the rounds of the two times' ratio in one round."""
    a, b = best.get(slower), best.get(faster)
    if a is None or b is None or not (rounds := a[2].keys() & b[2].keys()):
        return None
    return statistics.median(a[2][turn] / b[2][turn] for turn in rounds)


def step_tables(readings, libraries):
    best = best_times(readings)
    networks = measured(readings, "network", NETWORKS)
    yield STEP
    for optimizer in measured(readings, "optimizer", TITLES):
        yield times(best, optimizer, networks, libraries)
        if "numpy" in libraries and len(libraries) > 1:
            yield ratios_to_numpy(best, optimizer, networks, libraries)
        if "chainrule" in libraries and len(libraries) > 1:
            yield ratios_of_chainrule(best, optimizer, networks, libraries)


def times(best, optimizer, networks, libraries):
    rows = []
    for name in networks:
        cells = [best.get((optimizer, name, library)) for library in libraries]
        rows.append([NETWORKS[name].label, *(time_cell(*c[:2]) if c else "-" for c in cells)])
    heading = f"### Microseconds per step, {TITLES[optimizer]}\n\n"
    return heading + table(["network/batch", *shown(libraries)], rows)


def time_cell(microseconds, threads):
    """Three digits or more; then an asterisk for two threads or a space, so that the digits stay in line."""
    decimals = 2 if microseconds < 9.995 else 1 if microseconds < 99.95 else 0
    return f"{microseconds:,.{decimals}f}{' ' if threads == 1 else '*'}"


def ratios_to_numpy(best, optimizer, networks, libraries):
    others = [library for library in libraries if library != "numpy"]
    rows = []
    for name in networks:
        ratios = {x: ratio(best, (optimizer, name, "numpy"), (optimizer, name, x)) for x in others}
        target, reached = NETWORKS[name].target, ratios.get("chainrule")
        verdict = "-" if reached is None else "yes" if reached >= target else "no"
        rows.append([NETWORKS[name].label, *map(number, ratios.values()), f"{target:g}", verdict])
    heading = f"### How many times as fast as NumPy by hand, {TITLES[optimizer]}\n\n"
    return heading + table(["network/batch", *shown(others), "target", "met"], rows)


def ratios_of_chainrule(best, optimizer, networks, libraries):
    others = [library for library in libraries if library != "chainrule"]
    rows = []
    for name in networks:
        ratios = [ratio(best, (optimizer, name, x), (optimizer, name, "chainrule")) for x in others]
        known = [r for r in ratios if r is not None]
        fastest = "-" if not known else "yes" if min(known) > 1 else "no"
        rows.append([NETWORKS[name].label, *map(number, ratios), fastest])
    heading = f"### How many times as fast chainrule is as each of the others, {TITLES[optimizer]}\n\n"
    return heading + table(["network/batch", *shown(others), "fastest"], rows)


RULE = """\
## Time per step, each update rule

The same measure for each of chainrule's rules, beside those of the same name in PyTorch and
scikit-learn; every rule with its usual settings. What a rule adds to plain gradient descent is the
difference to the first row. The last columns tell how many times as fast chainrule is.
"""


def rule_tables(readings):
    best = best_times(readings)
    libraries = measured(readings, "library", RULE_LIBRARIES)
    others = [library for library in libraries if library != "chainrule"]
    yield RULE
    for network in measured(readings, "network", NETWORKS):
        rows = []
        for rule in measured(readings, "optimizer", RULES):
            cells = [best.get((rule, network, library)) for library in libraries]
            ratios = [ratio(best, (rule, network, x), (rule, network, "chainrule")) for x in others]
            times = [time_cell(*c[:2]) if c else "-" for c in cells]
            rows.append([RULE_TITLES[rule], *times, *map(number, ratios)])
        head = ["rule", *shown(libraries), *(f"vs. {name}" for name in shown(others))]
        yield f"### Microseconds per step, {NETWORKS[network].label}\n\n" + table(head, rows)


START = """\
## From a cold start to 97% on the digits

Seconds of a whole process: Python's start, imports, 1,437 rows, training 64-64-10 with Adam in
batches of 32 until 97% of 360 other rows are read right (looked at after each epoch), Python's
end. Medians over seeds, the better of one and two threads (an asterisk: two). The three columns
after the seconds split them; what a library imports late counts as training. The last column is
the part of scikit-learn's time: the median over the seeds.
"""
START_TARGET = 0.5  # of scikit-learn's time, for chainrule with what it compiled before


def start_table(readings):
    best = best_times(readings, ["start"], "seconds")
    rows = []
    for name in measured(readings, "start", STARTS):
        seconds, threads, _ = best[name,]
        runs = [r for r in readings if r["start"] == name and r["threads"] == threads]
        parts = [statistics.median(r[part] for r in runs) for part in ("imports", "training", "exit")]
        epochs = statistics.median(r["epochs"] for r in runs)
        part = ratio(best, (name,), ("sklearn",))
        rows.append(
            [
                STARTS[name][0],
                f"{seconds:.2f}{' ' if threads == 1 else '*'}",
                *(f"{part:.2f}" for part in parts),
                f"{epochs:g}",
                number(part),
            ]
        )
    yield START
    yield table(["", "seconds", "start, imports", "training", "end", "epochs", "of scikit-learn's"], rows)
    if (reached := ratio(best, ("chainrule",), ("sklearn",))) is not None:
        met = "yes" if reached <= START_TARGET else "no"
        yield (
            f"Target: chainrule, compiled before, takes at most {START_TARGET:g} of scikit-learn's time. "
            f"Met: {met} ({reached:.2f}).\n"
        )


ESTIMATOR = """\
## Estimators beside scikit-learn's

Seconds that `MLPClassifier` takes to fit a given number of epochs and to predict the rows that it was
fitted to: scikit-learn's and chainrule's with scikit-learn's settings, kernels compiled before. The
better of one and two threads (an asterisk: two), medians over rounds; the ratio is the median of the
rounds' ratios. Losses are those of the last epoch, without rounds; the order of rows differs.
"""
ESTIMATOR_TARGETS = {"fit": 3, "predict": 2}  # times as fast


def estimator_tables(readings):
    yield ESTIMATOR
    for what, target in ESTIMATOR_TARGETS.items():
        best = best_times(readings, ("dataset", "dtype", "library"), what)
        rows = []
        for name, dtype in dict.fromkeys((r["dataset"], r["dtype"]) for r in readings):
            theirs, ours = ((name, dtype, library) for library in ("sklearn", "chainrule"))
            if theirs not in best or ours not in best:
                continue
            faster = ratio(best, theirs, ours)
            losses = [next(r["loss"] for r in readings if key_of(r) == key) for key in (theirs, ours)]
            times = [f"{best[key][0]:.4f}{' ' if best[key][1] == 1 else '*'}" for key in (theirs, ours)]
            met = "yes" if faster >= target else "no"
            loss = [f"{losses[0]:.4f}", f"{losses[1]:.4f}"] if what == "fit" else []
            rows.append([f"{name}, {dtype}", *times, number(faster), f"{target:g}", met, *loss])
        head = ["set", "scikit-learn, s", "chainrule, s", "times as fast", "target", "met"]
        head += ["its loss", "ours"] if what == "fit" else []
        yield f"### {what}\n\n" + table(head, rows)


def key_of(reading):
    return reading["dataset"], reading["dtype"], reading["library"]


STREAMS = """\
## Streams

A Parquet file of {size:.2f} GB, as Polars writes it: 100 columns of random float32, and a target.
"Streamed" is one epoch of `Network.fit` on `FileStream`, with its first look at the target column, its
shuffling, and its thread that reads ahead; "in memory" is `fit` on {rows:,} of the rows, whose reading
does not count. Each runs in a process of its own. Memory is what the peak of resident memory, mapped
files and all, grew by after the network had been trained on a small array. Speeds are the better of one
and two threads (an asterisk: two) and medians over rounds; targets: 0.7 of the speed in memory, 500 MB.
"""
SHARE, MEGABYTES = 0.7, 500


def stream_table(readings):
    # best_times takes the smallest: of times a row
    timed = [r | {"seconds": 1 / r["rows_per_second"]} for r in readings]
    best = best_times(timed, ("hidden", "batch_size", "task"), "seconds")
    rows = []
    for hidden, batch in dict.fromkeys((r["hidden"], r["batch_size"]) for r in readings):
        ours, theirs = ((hidden, batch, task) for task in ("stream", "memory"))
        share = ratio(best, theirs, ours)
        if share is None:
            continue
        grown = max(r["grown"] for r in readings if (r["hidden"], r["batch_size"], r["task"]) == ours) / 1e6
        speeds = [f"{1 / best[key][0]:,.0f}{' ' if best[key][1] == 1 else '*'}" for key in (theirs, ours)]
        met = "yes" if share >= SHARE and grown <= MEGABYTES else "no"
        rows.append([f"100-{hidden}-1, {batch}", *speeds, number(share), f"{grown:.0f}", met])
    head = ["network, batch", "in memory, rows/s", "streamed, rows/s", "share", "memory, MB", "met"]
    about = STREAMS.format(size=readings[0]["bytes"] / 1e9, rows=IN_MEMORY)
    return about + "\n" + table(head, rows)


COMPILE = """\
## Compile time

Seconds of a whole one-epoch `fit`; medians. Numba and SciPy's BLAS are imported before the clock
starts (from the cache Numba is not imported at all); the last two rows show what each import takes.
"""


def compile_table(seconds, imports):
    """From {optimizer: {"first": s, "other": s, "cached": s}} and {module: s}."""
    fits = [
        ("64-64-10, empty cache", "first", "1.2"),
        ("then 20-48-5, same process", "other", "0.1"),
        ("64-64-10, new process, from the cache", "cached", "0.1"),
    ]
    rows = [[name, *(f"{s[key]:.3f}" for s in seconds.values()), target] for name, key, target in fits]
    for module, took in imports.items():
        rows.append([f"apart: import {module}", *[f"{took:.3f}"] * len(seconds), "-"])
    return f"{COMPILE}\n" + table(["", *(TITLES[optimizer] for optimizer in seconds), "target"], rows)


def import_table(answer):
    loads = ", ".join(answer["loads"]) or "none"
    heading = (
        "## Import time\n\nA whole process's time less that of `python -c pass`; the median of several.\n\n"
    )
    return heading + table(
        ["", "seconds", "target", "loads of scikit-learn, SciPy, Numba, pandas"],
        [
            ["import chainrule", f"{answer['seconds']:.3f}", "0.25", loads],
            ["import numpy, for comparison", f"{answer['numpy_seconds']:.3f}", "", ""],
        ],
    )


def memory_table(peaks):
    heading = "## Peak memory\n\nMiB of a process that trains on one thread, imports and data included.\n\n"
    row = [f"{NETWORKS[MEMORY].label}, Adam", *(f"{mib:,.0f}" for mib in peaks.values())]
    return heading + table(["network/batch", *shown(peaks)], [row])


def unused_table(found):
    heading = (
        "## Training tools that are not used\n\nMicroseconds of the processor a step, one thread: of whole "
        "fits without callbacks, validation,\nregularisers or any other tool; of the loop that a fit runs "
        "its steps with, and nothing after an\nepoch; of the compiled steps alone. The ratio, of fit to "
        "loop, is what all tools together cost when\nunused; its target is 1.05.\n\n"
    )
    columns = ("fit", "loop", "bare", "ratio")
    rows = [[name, *(f"{times[c]:.2f}" for c in columns)] for name, times in found.items()]
    return heading + table(["network/batch, rule", "fit", "loop", "steps", "ratio"], rows)


def measured(readings, name, known):
    """Those of `known`, in its order, that there are readings of."""
    return [value for value in known if any(r[name] == value for r in readings)]


def shown(libraries):
    return [LIBRARIES[library][0] for library in libraries]


def number(value):
    return "-" if value is None else f"{value:.2f}"


def table(head, rows):
    """A Markdown table with its columns in line; the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]

    def line(cells):
        first, *others = zip(cells, widths, strict=True)
        aligned = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(aligned)} |"

    rule = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), f"|{'|'.join(rule)}|", *map(line, rows)]) + "\n"


def renewed(old, new):
    """The old report with the new one's head, and its sections in the places of those of their names."""
    head, *sections = new.split("\n## ")
    _, *others = old.split("\n## ")
    fresh = {title_of(section): section for section in sections}
    kept = [fresh.pop(title_of(section), section) for section in others]
    ended = [section.rstrip("\n") + "\n" for section in (*kept, *fresh.values())]
    return "\n## ".join([head, *ended])


def title_of(section):
    return section.partition("\n")[0]
