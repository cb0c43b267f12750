"""How long chainrule's first fits take in a new process.

Answers the seconds of two one-epoch fits, whole: of 64-64-10, then of a network with other sizes. SciPy's
BLAS is imported beforehand, and Numba too where the job says that the fits will compile. Where it says that
they will not, since the folder CHAINRULE_CACHE has what they need, a fit that imports Numba is an error.
"""

import json
import sys
import time

import scipy.linalg.cython_blas  # noqa: F401

import chainrule as cr
from networks import NETWORKS, Network, make_data

FIRST = NETWORKS["64-64-10"]
OTHER = Network((20, 48, 5), batch=16, rows=1600, target=0)


def seconds_of_fit(network, optimizer):
    X, y = make_data(network)
    net = cr.Network(
        [cr.Dense(network.sizes[1], "relu"), cr.Dense(network.sizes[2])],
        loss="cross_entropy",
        dtype="float32",
    )
    rule = {"sgd": cr.SGD, "adam": cr.Adam}[optimizer](0.001)
    start = time.perf_counter()
    net.fit(X, y, optimizer=rule, batch_size=network.batch, epochs=1, seed=0, engine="numba", verbose=False)
    return time.perf_counter() - start


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    if job["compiles"]:
        import numba  # noqa: F401
    answer = {
        "first": seconds_of_fit(FIRST, job["optimizer"]),
        "other": seconds_of_fit(OTHER, job["optimizer"]),
    }
    if not job["compiles"] and "numba" in sys.modules:
        raise RuntimeError("a fit whose code is in the cache imported Numba")
    print(json.dumps(answer))
