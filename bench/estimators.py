"""Fit and predict of MLPClassifier, chainrule's beside scikit-learn's, on sets of real data."""

from itertools import product

from processes import LIBRARIES, WorkerError, run_worker

SETS = {"digits": 100, "adult": 10, "mnist": 3}  # and the epochs of a fit
DTYPES = ("float32", "float64")
ESTIMATORS = ("sklearn", "chainrule")


def time_estimators(names, thread_counts, rounds, calls, progress):
    """One reading for each (dataset, dtype, library, threads, round), and what failed or was not there.

    A round goes through the libraries one beside the other, so that what changes in the machine meets both.
    """
    readings, failures, missing = [], {}, {}
    for turn, name, dtype in product(range(rounds), names, DTYPES):
        for library, threads in product(ESTIMATORS, thread_counts):
            if name in missing or (name, dtype, library) in failures:
                continue
            progress.show(f"estimators, {name}, {dtype}", f"{LIBRARIES[library][0]}, {threads} threads")
            job = {"dataset": name, "dtype": dtype, "library": library, "epochs": SETS[name], "calls": calls}
            try:
                answer = run_worker("workers.estimator", job, threads)
            except WorkerError as error:
                failures[name, dtype, library] = str(error)
                progress.note(f"{LIBRARIES[library][0]} failed on {name} in {dtype}: {error}")
                continue
            if "missing" in answer:
                missing[name] = answer["missing"]
                progress.note(f"skipped: {name} ({answer['missing']})")
                continue
            key = {"dataset": name, "dtype": dtype, "library": library, "threads": threads, "round": turn}
            readings.append(key | answer)
    return readings, failures
