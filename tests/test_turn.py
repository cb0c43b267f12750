"""Narrow matrices that lie turned in compiled programs: which do, and that nothing else changes."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.emit.native.turn import turn_narrow
from chainrule.optim.rules import OPTIMIZERS

X = np.random.default_rng(0).normal(size=(50, 20))
Y = np.random.default_rng(1).integers(0, 5, 50)


def variable(rows, columns, name):
    return cr.tensor(np.random.default_rng(2).normal(size=(rows, columns)), name=name)


def descent(rows=20, columns=5, use=None):
    """A step of gradient descent on a matrix W that is a factor, and used in another way too."""
    x, w = cr.placeholder(("n", rows), "float64", "x"), variable(rows, columns, "W")
    y = x @ w
    loss = cr.mean(y * y) if use is None else cr.mean(y * y) + cr.sum(use(w))
    (slope,) = cr.gradient(loss, [w])
    return w, cr.Program([x], {"loss": loss}, {w: w - 0.1 * slope})


@pytest.mark.parametrize(
    ("rows", "columns", "turned"),
    [(20, 5, True), (16, 15, True), (64, 32, True), (64, 33, False), (15, 5, False), (20, 20, False)],
)
def test_tall_and_narrow_matrices_are_turned(rows, columns, turned):
    w, program = descent(rows, columns)
    new, leaves = turn_narrow(program)
    assert list(leaves) == ([w] if turned else [])
    assert (new is program) == (not turned)
    if turned:
        assert leaves[w].shape == (columns, rows)
        assert list(new.updates) == [leaves[w]]


@pytest.mark.parametrize(
    ("use", "turned"),
    [
        (lambda w: w * w, True),
        (lambda w: cr.exp(w.T), True),
        (lambda w: w[2:4], False),
        (lambda w: cr.take(w, np.array([1, 1])), False),
        (lambda w: cr.reshape(w, (100,)) ** 2, False),
    ],
    ids=["map", "transpose", "slice", "take", "reshape"],
)
def test_matrices_that_others_read_row_by_row_stay(use, turned):
    w, program = descent(use=use)
    assert bool(turn_narrow(program)[1]) == turned
    x = np.random.default_rng(3).normal(size=(7, 20))
    found = {}
    for engine in ("numpy", "numba"):
        runner = compile_program(program, engine)
        losses = [float(runner(x)["loss"]) for _ in range(3)]
        found[engine] = (losses, runner.state[w])
    assert np.allclose(found["numba"][0], found["numpy"][0], rtol=1e-12)
    assert np.allclose(found["numba"][1], found["numpy"][1], rtol=1e-11)


def test_what_is_not_trained_or_no_factor_stays():
    x, w, v = cr.placeholder(("n", 20), "float64", "x"), variable(20, 5, "W"), variable(20, 5, "V")
    frozen = cr.Program([x], {"loss": cr.sum(x @ w)}, {v: 2 * v})
    assert turn_narrow(frozen)[1] == {}


def test_the_moments_of_a_rule_are_turned_with_their_matrix():
    net = cr.Network([cr.Dense(5)], loss="cross_entropy", dtype="float64")
    net.build(20)
    program = net.program(cr.Adam(0.01))
    turned = turn_narrow(program)[1]
    assert len(turned) == 3
    assert {v.shape for v in turned} == {(20, 5)}


@pytest.mark.parametrize("name", sorted(k for k, rule in OPTIMIZERS.items() if not rule.whole_batch))
def test_both_engines_train_the_same_weights(name):
    found = {}
    for engine in ("numpy", "numba"):
        layers = [cr.Dense(18, "tanh", l2=0.01), cr.Dense(5, l1=0.001)]
        net = cr.Network(layers, loss="cross_entropy", dtype="float64")
        net.fit(X, Y, optimizer=OPTIMIZERS[name](0.01), batch_size=16, epochs=3, engine=engine, verbose=False)
        found[engine] = net.parameters
    for key, value in found["numpy"].items():
        assert np.allclose(found["numba"][key], value, rtol=1e-9, atol=1e-12), key


def test_what_is_loaded_comes_back():
    w, program = descent()
    runner = compile_program(program, "numba")
    assert np.array_equal(runner.state[w], w.value)
    value = np.arange(100.0).reshape(20, 5)
    runner.load({w: value})
    state = runner.state[w]
    assert np.array_equal(state, value)
    assert state.flags.c_contiguous
    state[:] = 0
    assert np.array_equal(runner.state[w], value)
