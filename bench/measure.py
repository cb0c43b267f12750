"""The measurements: time per step, peak memory, compile time, import time. Each returns plain dicts."""

import statistics
import tempfile
from itertools import product

from networks import MEMORY, NETWORKS
from processes import LIBRARIES, WorkerError, run_code, run_worker


def time_per_step(libraries, networks, optimizers, thread_counts, rounds, seconds, calls, progress):
    """Microseconds per step: one reading a round for each (library, network, optimizer, threads).

    A round goes through the libraries network by network, so that what changes in the machine meets all of
    them alike. Returns the readings and what failed.
    """
    readings, failures = [], {}
    for turn, name in product(range(rounds), networks):
        arguments = {"network": name, "optimizers": list(optimizers), "seconds": seconds, "calls": calls}
        for library, threads in product(libraries, thread_counts):
            if (library, name) in failures:
                continue
            heading = f"round {turn + 1} of {rounds}  {NETWORKS[name].label}"
            progress.show(heading, f"{LIBRARIES[library][0]}, {threads} threads")
            try:
                answer = run_worker(
                    f"workers.with_{library}", {"do": "time", "arguments": arguments}, threads
                )
            except WorkerError as error:
                failures[library, name] = str(error)
                progress.note(f"{LIBRARIES[library][0]} failed on {name}: {error}")
                continue
            for optimizer in (name for name in optimizers if name in answer):
                key = {"library": library, "network": name, "optimizer": optimizer, "threads": threads}
                readings.append(key | {"round": turn} | answer[optimizer])
    return readings, failures


def known_rules(names):
    """Those of chainrule's update rules, by name, that this version has; momentum is one of SGD's."""
    found = run_code("from chainrule.optim.rules import OPTIMIZERS; print(*OPTIMIZERS)")[1].split()
    return [name for name in names if name in (*found, "momentum")]


def peak_memory(libraries, progress):
    """Peak resident memory in MiB of a process that trains one middle network, imports and data included."""
    arguments = {"network": MEMORY, "optimizers": ["adam"], "seconds": 0.05, "calls": 1}
    peaks = {}
    for library in libraries:
        progress.show("peak memory", LIBRARIES[library][0])
        try:
            answer = run_worker(f"workers.with_{library}", {"do": "time", "arguments": arguments})
        except WorkerError as error:
            progress.note(f"{LIBRARIES[library][0]}: peak memory failed: {error}")
            continue
        peaks[library] = answer["peak_memory_mib"]
    return peaks


def compile_time(optimizers, rounds, progress):
    """Seconds of chainrule's first fits: with an empty cache folder, then in a new process without Numba."""
    answers = {}
    for optimizer in optimizers:
        progress.show("compile time", optimizer)
        empty, kept = [], []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                for runs, compiles in ((empty, True), (kept, False)):
                    job = {"optimizer": optimizer, "compiles": compiles}
                    runs.append(run_worker("workers.first_fit", job, CHAINRULE_CACHE=folder))
        answers[optimizer] = {
            "first": statistics.median(run["first"] for run in empty),
            "other": statistics.median(run["other"] for run in empty),
            "cached": statistics.median(run["first"] for run in kept),
        }
    return answers


def compile_imports(rounds, progress):
    """Seconds of the imports that `compile_time` leaves out, each in new processes that have NumPy."""
    progress.show("import time", "SciPy and Numba")
    seconds = {}
    for module in ("scipy.linalg.cython_blas", "numba"):
        code = f"import time, numpy; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        seconds[module] = statistics.median(float(run_code(code)[1]) for _ in range(rounds))
    return seconds


def import_time(rounds, progress):
    """Seconds that `import chainrule` adds to `python -c pass`, and which of the heavy packages it loads."""
    progress.show("import time")
    with_import, without = [], []
    for _ in range(rounds):
        without.append(run_code("pass")[0])
        with_import.append(run_code("import chainrule")[0])
    numpy_alone = statistics.median(run_code("import numpy")[0] for _ in range(rounds))
    heavy = ("sklearn", "scipy", "numba", "pandas")
    code = f"import sys, chainrule; print(*[name for name in {heavy!r} if name in sys.modules])"
    start = statistics.median(without)
    return {
        "seconds": statistics.median(with_import) - start,
        "numpy_seconds": numpy_alone - start,
        "loads": run_code(code)[1].split(),
    }


def unused(networks, optimizers, rounds, progress):
    """Microseconds a step of whole fits without any training tool, of their loop, and of the steps alone."""
    found = {}
    for name, optimizer in product(networks, optimizers):
        progress.show("tools unused", f"{NETWORKS[name].label}, {optimizer}")
        # long enough that what a fit does once, checking the data, does not count
        job = {"network": name, "optimizer": optimizer, "rounds": rounds, "seconds": 0.4}
        found[f"{NETWORKS[name].label}, {optimizer}"] = run_worker("workers.unused", job, 1)
    return found
