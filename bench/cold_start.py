"""From a cold start to 97% on the digits: whole processes, from Python's start to their end."""

import tempfile
import time
from itertools import product
from pathlib import Path

from processes import WorkerError, run_worker

STARTS = {  # shown as, the library, and for chainrule the engine
    "numpy": ("NumPy by hand", "numpy", None),
    "chainrule": ("chainrule, compiled before", "chainrule", "numba"),
    "chainrule_empty": ("chainrule, empty cache", "chainrule", "numba"),
    "chainrule_numpy": ('chainrule, engine="numpy"', "chainrule", "numpy"),
    "sklearn": ("scikit-learn", "sklearn", None),
    "torch": ("PyTorch", "torch", None),
    "keras": ("Keras", "keras", None),
}


def time_to_accuracy(libraries, thread_counts, rounds, progress):
    """One reading for each (start, threads, round), the round being the seed, and what failed.

    Before them every start is made once and not counted: it fills chainrule's cache, Python's of bytecode and
    the system's of files.
    """
    names = [name for name, (_, library, _) in STARTS.items() if library in libraries]
    readings, failures = [], {}
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "digits.npy")
        run_worker("starts.digits", {"save": data})
        for turn, name, threads in product(range(-1, rounds), names, thread_counts):
            if name in failures or (turn < 0 and threads != thread_counts[0]):
                continue
            shown, library, engine = STARTS[name]
            progress.show("from a cold start to 97%", f"{shown}, {threads} threads")
            job = {"data": data, "seed": max(turn, 0), "engine": engine}
            cache = tempfile.mkdtemp(dir=folder) if name == "chainrule_empty" else f"{folder}/cache"
            start = time.time()
            try:
                answer = run_worker(f"starts.with_{library}", job, threads, CHAINRULE_CACHE=cache)
            except WorkerError as error:
                failures[name] = str(error)
                progress.note(f"{shown} failed: {error}")
                continue
            end = time.time()
            if turn >= 0:
                key = {"start": name, "threads": threads, "round": turn}
                spans = {
                    "seconds": end - start,
                    "imports": answer["imported"] - start,
                    "training": answer["trained"] - answer["imported"],
                    "exit": end - answer["trained"],
                }
                readings.append(key | spans | {k: answer[k] for k in ("epochs", "accuracy")})
    return readings, failures
