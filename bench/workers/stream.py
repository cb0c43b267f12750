"""A Parquet file written, or an epoch of training on it: streamed, or on as many of its rows as are kept in memory.

Answers, of a training, rows per second, and how much the peak of resident memory grew over that of the same process
with the network built and trained on a small array.
"""

import json
import resource
import sys
import time

import numpy as np

COLUMNS, SAMPLE = 100, 4096


def main():
    job = json.loads(sys.argv[1])
    if job["task"] == "write":
        answer = write(job["file"], job["rows"])
    else:
        answer = train(job)
    print(json.dumps(answer))


def write(path, rows):
    """Normal numbers in float32, a target that is learned from them, and Polars' own settings."""
    import polars as pl

    random = np.random.default_rng(0)
    table = random.standard_normal((COLUMNS, rows), np.float32)
    columns = {f"x{k}": values for k, values in enumerate(table)}
    pl.DataFrame(columns | {"y": np.tanh(table[:5].sum(axis=0))}).write_parquet(path)
    return {}


def train(job):
    import chainrule as cr

    settings = {"batch_size": job["batch_size"], "engine": "numba", "verbose": False, "seed": 0}

    def network():
        return cr.Network([cr.Dense(job["units"], "relu"), cr.Dense(1)], loss="mse")

    X = np.random.default_rng(1).standard_normal((SAMPLE, COLUMNS), np.float32)
    net = network()
    net.fit(X, X[:, 0], epochs=2, **settings)  # compiles, and allocates all that a training needs
    before = peak()
    data = (
        (cr.FileStream(job["file"], "y"),) if job["task"] == "stream" else in_memory(job["file"], job["rows"])
    )
    rows = data[0].rows if job["task"] == "stream" else len(data[0])
    epochs = 1 if job["task"] == "stream" else 3
    start = time.perf_counter()
    history = network().fit(*data, epochs=epochs, **settings)
    seconds = time.perf_counter() - start
    return {"rows_per_second": rows * epochs / seconds, "grown": peak() - before, "loss": history.loss[0]}


def in_memory(path, rows):
    import polars as pl

    frame = pl.read_parquet(path, n_rows=rows)
    return frame.drop("y").to_numpy(order="c"), frame["y"].to_numpy()


def peak():
    """The most memory that this process has had, in bytes: all of it, files that are mapped as well."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
