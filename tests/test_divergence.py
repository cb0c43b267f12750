"""Losses and weights that are not finite: the fit ends, names the place, keeps the weights of before."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.training import loop

ENGINES = ["numpy", "numba"]
SILENT = {"verbose": False, "seed": 0}


def numbers(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


def diverging(engine, epochs=40):
    """A fit whose loss grows from step to step until it is no number; the network and the history."""
    X = numbers(60, 3)
    net = cr.Network([cr.Dense(8), cr.Dense(6), cr.Dense(1)], loss="mse")
    with pytest.warns(RuntimeWarning, match="training ended with the weights of before that step") as caught:
        history = net.fit(
            X, X.sum(axis=1), optimizer=cr.SGD(0.8), batch_size=10, epochs=epochs, engine=engine, **SILENT
        )
    return net, history, str(caught[0].message)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_place_is_named_and_the_weights_of_before_are_kept(engine):
    net, history, message = diverging(engine)
    place = re.match(r"in epoch (\d+), step (\d+) of 6, (.*) became (NaN|infinite)", history.stopped)
    assert place, history.stopped
    assert message.startswith(history.stopped)
    assert history.diverged
    assert history.epochs == int(place[1]) - 1
    assert all(np.isfinite(value).all() for value in net.parameters.values())
    assert np.isfinite(history.loss).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_weights_are_those_of_the_steps_before(engine):
    """As many steps as were good, made one by one, give the same weights to the last bit."""
    net, history, _ = diverging(engine)
    epoch, step = map(int, re.match(r"in epoch (\d+), step (\d+)", history.stopped).groups())
    again = cr.Network([cr.Dense(8), cr.Dense(6), cr.Dense(1)], loss="mse")
    again.build(3, seed=0)
    program = again.program(cr.SGD(0.8))
    runner = cr.compile(program, engine)
    leaves = again.graph.parameters
    runner.load({leaf: again.parameters[name] for name, leaf in leaves.items()})
    X = numbers(60, 3)
    arrays = [X.astype(np.float32), X.sum(axis=1, keepdims=True).astype(np.float32), np.float32(0.8)]
    for k in range((epoch - 1) * 6 + step - 1):
        order = loop.Shuffler(0).order(60, k // 6)
        runner.epoch(arrays, order[k % 6 * 10 : k % 6 * 10 + 10], 10)
    for name, value in net.parameters.items():
        assert np.array_equal(value, runner.state[leaves[name]]), name


def test_a_kept_state_far_back_gives_the_same(monkeypatch):
    """How often the state is kept decides how much is made again, not what comes out."""
    far = diverging("numpy")[0]
    monkeypatch.setattr(loop, "KEEP_SECONDS", 0.0)
    near = diverging("numpy")[0]
    for name, value in far.parameters.items():
        assert np.array_equal(value, near.parameters[name]), name


def test_the_layer_at_fault_is_named():
    net = cr.Network([cr.Dense(4, weights=np.full((1, 4), 1e30)), cr.Dense(4), cr.Dense(1)], loss="mse")
    net.build(1)
    net.set_parameters({"hidden2.W": np.full((4, 4), 1e30)})
    before = dict(net.parameters)
    with pytest.warns(RuntimeWarning, match="in epoch 1, step 1 of 1, the output of hidden2 became infinite"):
        history = net.fit([[1.0]], [0.0], epochs=3, engine="numpy", **SILENT)
    assert history.epochs == 0
    for name, value in before.items():
        assert np.array_equal(value, net.parameters[name])


def test_an_update_that_overflows_is_found_even_in_the_last_step():
    net = cr.Network([cr.Dense(1, weights=[[1.0]], bias=[0.0])], loss="mse")
    with pytest.warns(RuntimeWarning, match=r"in epoch 1, step 1 of 1, output\.W became infinite"):
        net.fit([[1e10]], [0.0], optimizer=cr.SGD(1e25), epochs=1, engine="numpy", **SILENT)
    assert net.parameters["output.W"].tolist() == [[1.0]]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_a_loss_that_overflows_is_named():
    net = cr.Network([cr.Dense(1)], loss="mse")
    with pytest.warns(RuntimeWarning, match="in epoch 1, step 1 of 1, the loss became infinite"):
        history = net.fit([[1e30]], [0.0], epochs=5, engine="numpy", **SILENT)
    assert history.loss == []
    assert net.fit([[1.0]], [0.0], epochs=1, engine="numpy", **SILENT).epochs == 1


# rules that work on all rows at once ------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_lbfgs_fits_a_regression_to_the_end_of_the_slope(engine):
    X = numbers(80, 4)
    y = X @ [1.0, -2.0, 0.5, 3.0] + 0.25
    net = cr.Network([cr.Dense(1)], loss="mse", dtype="float64")
    history = net.fit(X, y, optimizer=cr.LBFGS(), epochs=100, engine=engine, **SILENT)
    solution = np.linalg.lstsq(np.hstack([X, np.ones((80, 1))]), y, rcond=None)[0]
    assert np.allclose(net["output"].W[:, 0], solution[:4], atol=1e-5)
    assert history.loss == sorted(history.loss, reverse=True)
    assert history.epochs < 100
    assert history.stopped == "no smaller loss was found on the way down the slope"
    assert history.learning_rate == []


def test_lbfgs_takes_weights_validation_and_early_stopping():
    X = numbers(60, 3)
    y = np.tanh(X[:, 0])
    net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse", dtype="float64")
    watch = cr.EarlyStopping(patience=2)
    history = net.fit(
        X[:40], y[:40], optimizer=cr.LBFGS(), epochs=300, sample_weight=np.arange(40) + 1.0,
        validation_data=(X[40:], y[40:]), callbacks=[watch], engine="numpy", **SILENT,
    )  # fmt: skip
    assert watch.best == min(history.val_loss)
    assert net.calculate_loss(X[40:], y[40:]) == pytest.approx(watch.best, rel=1e-12)


def test_lbfgs_with_layers_that_change_from_step_to_step_is_refused():
    net = cr.Network([cr.Dense(4), cr.Dropout(0.5), cr.Dense(1)], loss="mse")
    with pytest.raises(cr.errors.ParameterError, match="Dropout changes from step to step"):
        net.fit(numbers(9, 2), numbers(9, 1), optimizer=cr.LBFGS(), **SILENT)


def test_a_fit_of_a_frozen_network_is_refused():
    net = cr.Network([cr.Dense(1, frozen=True)], loss="mse")
    with pytest.raises(cr.errors.ParameterError, match="every weight is frozen"):
        net.fit(numbers(9, 2), numbers(9, 1), **SILENT)
