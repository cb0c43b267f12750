"""How long MLPClassifier takes to fit and to predict, scikit-learn's or chainrule's.

The sets are those of accuracy/datasets.py, with the same columns for both. Answers seconds of a fit of some
epochs, seconds of a prediction of all rows to train on, and the last epoch's loss; or why the set is missing.
"""

import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "accuracy"))
from datasets import DATASETS
from methods import numbers
from mnist import DataMissing

LEAST_SECONDS = 0.2  # of predictions that are timed together


def main():
    job = json.loads(sys.argv[1])
    warnings.filterwarnings("ignore", message=".*maximum (of|iterations)")  # it should be reached
    try:
        rows = DATASETS[job["dataset"]].rows(0)
    except DataMissing as missing:
        print(json.dumps({"missing": str(missing)}))
        return
    X = np.ascontiguousarray(numbers(rows.X).fit_transform(rows.X), job["dtype"])
    print(json.dumps(time_estimator(estimator(job["library"], job["epochs"]), X, rows.y, job["calls"])))


def estimator(library, epochs):
    """With scikit-learn's settings, but for the number of epochs."""
    if library == "sklearn":
        from sklearn.neural_network import MLPClassifier
    else:
        from chainrule import MLPClassifier
    return MLPClassifier(max_iter=epochs, n_iter_no_change=10**6, random_state=0)


def time_estimator(model, X, y, calls):
    model.fit(X, y)  # compiles, allocates, warms caches
    fits = [seconds(lambda: model.fit(X, y)) for _ in range(calls)]
    once = seconds(lambda: model.predict(X))
    together = max(1, round(LEAST_SECONDS / once))
    predictions = [seconds(lambda: [model.predict(X) for _ in range(together)]) for _ in range(calls)]
    return {
        "fit": statistics.median(fits),
        "predict": statistics.median(predictions) / together,
        "loss": float(model.loss_),
    }


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
