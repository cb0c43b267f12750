"""A Parquet file written, or an epoch of training on it: streamed, or on rows of it that are in memory.

Answers, of a training, rows per second, and by how much the peak of resident memory grew after the network
had been trained on a small array in the same process.
"""

import json
import resource
import sys
import time

import numpy as np

COLUMNS, SAMPLE = 100, 4096
EPOCHS = 3  # on rows in memory


def main():
    job = json.loads(sys.argv[1])
    answer = write(job["file"], job["rows"]) if job["task"] == "write" else train(job)
    print(json.dumps(answer))


def write(path, rows):
    """Normal numbers in float32, a target that can be learned from them, and Polars' own settings."""
    import polars as pl

    table = np.random.default_rng(0).standard_normal((COLUMNS, rows), np.float32)
    columns = {f"x{k}": values for k, values in enumerate(table)}
    pl.DataFrame(columns | {"y": np.tanh(table[:5].sum(axis=0))}).write_parquet(path)
    return {}


def train(job):
    import chainrule as cr

    settings = {"batch_size": job["batch_size"], "engine": "numba", "verbose": False, "seed": 0}

    def network():
        hidden = [cr.Dense(int(units), "relu") for units in job["hidden"].split("-")]
        return cr.Network([*hidden, cr.Dense(1)], loss="mse")

    X = np.random.default_rng(1).standard_normal((SAMPLE, COLUMNS), np.float32)
    network().fit(X, X[:, 0], epochs=2, **settings)  # compiles, and allocates what any training needs
    before, streamed = peak(), job["task"] == "stream"
    data = () if streamed else in_memory(job["file"], job["rows"])
    start = time.perf_counter()
    if streamed:
        data = (cr.FileStream(job["file"], "y"),)
    history = network().fit(*data, epochs=1 if streamed else EPOCHS, **settings)
    seconds = time.perf_counter() - start
    rows = data[0].rows if streamed else EPOCHS * len(data[0])
    return {"rows_per_second": rows / seconds, "grown": peak() - before, "loss": history.loss[0]}


def in_memory(path, rows):
    import polars as pl

    frame = pl.read_parquet(path, n_rows=rows)
    return frame.drop("y").to_numpy(order="c"), frame["y"].to_numpy()


def peak():
    """The most memory that this process has had, in bytes: all of it, files that are mapped as well."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
