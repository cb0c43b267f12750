"""Rows shared out among lanes: the same result on one thread and on two, and as without lanes."""

import os
import subprocess
import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.emit.native import instance as instances
from chainrule.emit.native import runner as runners
from chainrule.emit.native import shards
from chainrule.emit.native.shards import cut_rows

SCRIPT = """
import sys
import numpy as np
import chainrule as cr
from chainrule.emit.native import runner
runner.SHARED = (0, 1e30)
X = np.random.default_rng(0).normal(size=(70, 5)).astype("f4")
y = (X.sum(axis=1) > 0).astype(int)
net = cr.Network([cr.Dense(40, "tanh"), cr.Dense(6, "relu"), cr.Dense(2)], loss="cross_entropy")
net.fit(X, y, optimizer=cr.Adam(1e-2), batch_size=16, epochs=3, engine="numba", verbose=False, seed=1)
sys.stdout.buffer.write(b"".join(net[name].W.tobytes() for name in ("hidden1", "hidden2", "output")))
"""


def trained(threads):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True
    ).stdout


def test_one_thread_and_two_give_the_same_bits():
    one = trained(1)
    assert len(one) == 4 * (5 * 40 + 40 * 6 + 6 * 2)
    assert one == trained(2)


def classifier(activation, optimizer, dtype):
    """A training step, and values for its variables: random matrices, all else zero."""
    net = cr.Network([cr.Dense(7, activation), cr.Dense(3)], loss="cross_entropy", dtype=dtype)
    net.build(4, seed=3)
    program, numbers = net.program(optimizer), np.random.default_rng(2)
    drawn = {
        v: numbers.normal(size=v.shape) if v.name in ("W1", "W2") else np.zeros(v.shape)
        for v in program.variables
    }
    return program, drawn


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", [cr.SGD(0.1), cr.SGD(0.1, momentum=0.9), cr.Adam(0.01)], ids=str)
@pytest.mark.parametrize(("activation", "large"), [("relu", 22), ("tanh", 1), ("tanh", 2**15)])
def test_lanes_agree_with_the_numpy_engine(monkeypatch, activation, large, optimizer, dtype):
    """Also where all weights' gradients, or those of W1 alone, are large products that lanes share."""
    monkeypatch.setattr(runners, "SHARED", (0, 1e30))
    for module in (shards, instances):
        monkeypatch.setattr(module, "LARGE", large)
    program, start = classifier(activation, optimizer, dtype)
    assert len(cut_rows(program).whole) == {22: 2, 1: 4, 2**15: 0}[large]
    numbers = np.random.default_rng(1)
    X, t = numbers.normal(size=(50, 4)).astype(dtype), numbers.integers(0, 3, 50)
    rows = numbers.permutation(50)
    a, b = (compile_program(program, engine) for engine in ("numba", "numpy"))
    for each in (a, b):
        each.load(start)
    tolerance = 1e-11 if dtype == "float64" else 3e-5
    for _ in range(3):
        losses = [r.epoch([X, t, 0.1], rows, 12) for r in (a, b)]  # batches of 12, 12, 12, 12 and 2
        np.testing.assert_allclose(*losses, rtol=tolerance)
    assert a(X, t, 0.1)["loss"] == pytest.approx(float(b(X, t, 0.1)["loss"]), rel=tolerance)
    for variable, value in b.state.items():
        np.testing.assert_allclose(a.state[variable], value, rtol=tolerance, atol=tolerance)


def step(make):
    x = cr.placeholder(("n", 4), "float64", "x")
    W = cr.tensor(np.ones((4, 2)), name="W")
    loss = make(x, W)
    (by_W,) = cr.gradient(loss, [W])
    return cr.Program([x], {"loss": loss}, {W: W - 0.1 * by_W})


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sums go back to the rows", lambda x, W: cr.mean(((x - cr.mean(x, 0)) @ W) ** 2)),
        ("a largest over rows", lambda x, W: cr.max(x @ W)),
        ("rows in another order", lambda x, W: cr.mean((x[::-1] @ W) * (x @ W))),
        ("rows merged with columns", lambda x, W: cr.mean(cr.reshape(x @ W, (-1,)) ** 2)),
        (
            "rows taken from rows",
            lambda x, W: cr.mean((x @ W).T @ (x @ W)[:, :1] * cr.logsumexp(x @ W, 0)[0]),
        ),
    ],
)
def test_programs_whose_rows_meet_otherwise_are_not_cut(name, make):
    assert cut_rows(step(make)) is None


def test_a_loss_for_each_row_is_no_sum_and_not_cut():
    x = cr.placeholder(("n", 4), "float64", "x")
    W = cr.tensor(np.ones((4, 2)), name="W")
    rows = cr.sum(x @ W, 1)
    (by_W,) = cr.gradient(cr.mean(rows), [W])
    assert cut_rows(cr.Program([x], {"rows": rows}, {W: W - by_W})) is None
    assert cut_rows(cr.Program([x], {"mean": cr.mean(rows)})) is None  # nothing is learned: no updates
