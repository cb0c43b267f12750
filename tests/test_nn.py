"""Scaling layers, and a network's structure, names and source."""

import copy
import pickle

import numpy as np
import pytest

from chainrule.errors import (
    ChainruleError,
    DataError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.model.network import Network
from chainrule.nn.dense import Dense
from chainrule.nn.scaling import Rescale, Standardize
from chainrule.optim.rules import SGD, Adam


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# layers ---------------------------------------------------------------------------------------

W, B = numbers(3, 4), numbers(4, seed=1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Standardize([1, 2], [1]), ShapeError, "one number a column each"),
        (lambda: Standardize([], []), ShapeError, "one number a column each"),
        (lambda: Standardize([0, 0], [1, 0]), DataError, "std must be positive"),
        (lambda: Rescale([0], [-1]), DataError, "std must be positive"),
    ],
)
def test_layers_refuse_bad_arguments(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert isinstance(caught.value, ChainruleError)


def test_standardize_and_rescale_are_inverse_and_not_trained():
    mean, std = [1.0, -2.0], [0.5, 4.0]
    net = Network([Standardize(mean, std), Rescale(mean, std)], loss="mse", dtype="float64")
    X = numbers(5, 2)
    np.testing.assert_allclose(net.predict(X), X, rtol=1e-13)
    net = Network([Standardize(mean, std), Dense(1), Rescale([3.0], [2.0])], loss="mse")
    net.fit(X, X[:, 0], engine="numpy", epochs=2, verbose=False)
    np.testing.assert_array_equal(net["standardize"].std, np.float32(std))
    np.testing.assert_array_equal(net["rescale"].mean, np.float32([3.0]))
    assert net.names == ["standardize", "output", "rescale"]
    assert "(x - mean_x) / std_x" in net.source()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, None, True, "1"])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ParameterError, match="seed must be an int"):
        Network([Dense(5)], loss="mse").build(3, seed)


# structure ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "loss", "dtype", "message"),
    [
        ([], "mse", "float32", "at least one layer"),
        (Dense(2), "mse", "float32", "must be a list"),
        ("Dense", "mse", "float32", "must be a list"),
        ([Dense(2), 3], "mse", "float32", "expected layers, got 3"),
        ([Dense], "mse", "float32", "expected layers"),
        ([Dense(2)], "mse", "float16", "dtype must be"),
        ([Dense(2)], "mse", int, "dtype must be"),
        (
            [Dense(2, "logistic")],
            "cross_entropy",
            "float32",
            "takes logits, but the last layer applies 'logistic'",
        ),
        ([Dense(1, "logistic")], "binary_cross_entropy", "float32", "Make it linear: Dense\\(1\\)"),
        ([Dense(1)], "cross_entropy", "float32", "an output for each class"),
        ([Dense(2, name="a"), Dense(2, name="a")], "mse", "float32", "two layers are called 'a'"),
        ([Dense(2), Dense(2, name="hidden1"), Dense(2)], "mse", "float32", "two layers are called 'hidden1'"),
        (
            [Dense(3, weights=W[:, :3]), Dense(4, weights=numbers(2, 4))],
            "mse",
            "float32",
            "3 inputs need \\(3, 4\\)",
        ),
        ([Dense(3), Rescale([0], [1])], "mse", "float32", "3 inputs need \\(3,\\)"),
    ],
)
def test_networks_that_cannot_be(layers, loss, dtype, message):
    with pytest.raises((ParameterError, ShapeError), match=message):
        Network(layers, loss=loss, dtype=dtype).build(3)


def test_layers_have_names():
    net = Network([Dense(5), Dense(4, name="gate"), Dense(3), Dense(2)], loss="mse")
    assert net.names == ["hidden1", "gate", "hidden3", "output"]
    assert net["gate"] is net.layers[1] is net[1]
    assert net[-1].units == 2
    assert len(net) == 4
    with pytest.raises(UnknownNameError, match="did you mean 'hidden1'"):
        net["hiden1"]
    with pytest.raises(UnknownNameError, match="layer 9 is unknown"):
        net[9]
    assert repr(net).startswith("Network([Dense(5, 'linear'), Dense(4, 'linear', name='gate')")


def test_build_draws_once_and_reset_forgets():
    net = Network([Dense(4, "relu"), Dense(2)], loss="mse")
    assert (net.built, net.inputs, net.outputs, net.parameters) == (False, None, 2, {})
    with pytest.raises(ParameterError, match="number of inputs is not known"):
        net.build()
    for inputs in (0, -1, 2.5, "3"):
        with pytest.raises(ParameterError, match="inputs must be a positive int"):
            net.build(inputs)
    for call in (lambda: net.predict([[1.0]]), lambda: net.source(), lambda: net.program()):
        with pytest.raises(NotFittedError, match="Call fit"):
            call()
    net.build(3, seed=1)
    drawn = net["hidden1"].W
    assert list(net.parameters) == ["hidden1.W", "hidden1.b", "output.W", "output.b"]
    assert drawn.dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        drawn[0, 0] = 1
    net.build(3, seed=2)
    assert net["hidden1"].W is drawn
    with pytest.raises(ShapeError, match="has weights for 3 inputs, got 4"):
        net.build(4)
    net.reset()
    assert not net.built
    net.build(5, seed=2)
    assert net["hidden1"].W.shape == (5, 4)


def test_given_weights_are_there_at_once_and_after_reset():
    net = Network([Dense(4, weights=W)], loss="mse", dtype="float64")
    assert net.built
    net.fit(numbers(8, 3), numbers(8, 4), engine="numpy", epochs=1, verbose=False)
    assert not np.array_equal(net["output"].W, W)
    net.reset()
    np.testing.assert_array_equal(net["output"].W, W)
    assert not net["output"].b.any()


def test_networks_share_no_weights_but_copies_start_from_them():
    layers = [Dense(4, "relu"), Dense(2)]
    first = Network(layers, loss="mse")
    first.build(3)
    second = Network([*first.layers[:1], Dense(5)], loss="mse")
    assert layers[0].values == {}
    second.build(seed=1)
    np.testing.assert_array_equal(second["hidden1"].W, first["hidden1"].W)
    second.fit(numbers(8, 3), numbers(8, 5), engine="numpy", epochs=1, verbose=False)
    assert not np.array_equal(second["hidden1"].W, first["hidden1"].W)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_networks_can_be_copied_and_go_on(duplicate):
    X, y = numbers(20, 3), np.array(["no", "yes"] * 10)
    net = Network([Dense(4, "tanh"), Dense(2)], loss="cross_entropy")
    net.fit(X, y, engine="numpy", epochs=2, verbose=False)
    other = duplicate(net)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    a, b = (n.fit(X, y, engine="numpy", epochs=2, verbose=False).loss for n in (net, other))
    assert a == b


# source ---------------------------------------------------------------------------------------


def run_source(text, arguments):
    namespace = {}
    exec(text, namespace)
    return namespace["step"](*arguments)


@pytest.mark.parametrize(
    ("optimizer", "state"),
    [
        (SGD(0.1), 0),
        (SGD(0.1, momentum=0.9), 4),
        (SGD(0.1, momentum=0.9, nesterov=True), 4),
        (Adam(0.01), 9),
    ],
)
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_printed_step_gives_the_weights_that_fit_gives(optimizer, state, loss):
    X, y = numbers(12, 3), numbers(12, 2, seed=1)
    y = y.argmax(axis=1) if loss == "cross_entropy" else y
    net = Network([Dense(4, "relu"), Dense(2)], loss=loss, dtype="float64")
    net.build(3)
    text = net.source(optimizer)
    weights = list(net.parameters.values())
    shapes = [w.shape for w in weights]
    zeros = [np.zeros(s) for s in ([()] * (state % 2) + [s for s in shapes for _ in range(state // 4)])]
    results = run_source(text, [X, y, *weights, *zeros, optimizer.learning_rate])
    results = run_source(text, [X, y, *results[1:], optimizer.learning_rate])
    assert len(results) == 1 + len(weights) + state
    history = net.fit(
        X, y, optimizer=optimizer, engine="numpy", batch_size=12, epochs=2, shuffle=False, verbose=False
    )
    assert history.loss[1] == pytest.approx(float(results[0]), rel=1e-14)
    for value, expected in zip(net.parameters.values(), results[1:5], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-15)


def test_source_reads_like_the_textbook():
    net = Network([Dense(64, "relu"), Dense(16, "tanh", name="gate"), Dense(10)], loss="cross_entropy")
    net.build(64)
    text = net.source()
    lines = [line.split("  #")[0].strip() for line in text.splitlines()]
    for line in (
        "import numpy as np",
        "def step(x, t, W1, b1, W_gate, b_gate, W3, b3, lr):",
        "z1 = x @ W1 + b1",
        "a1 = np.maximum(z1, 0)",
        "z_gate = a1 @ W_gate + b_gate",
        "a_gate = np.tanh(z_gate)",
        "z3 = a_gate @ W3 + b3",
        "log_p = z3 - logsumexp(z3)",
        "loss = -log_p[np.arange(n), t].mean()",
        "d_W_gate = a1.T @ d_z_gate",
        "W1 = W1 - lr * d_W1",
        "return loss, W1, b1, W_gate, b_gate, W3, b3",
    ):
        assert line in lines
    assert "(n, 64)" in text


def test_source_is_that_of_the_last_fit_unless_told_otherwise():
    net = Network([Dense(2)], loss="mse")
    net.build(3)
    assert "lr * d_W1" in net.source()
    net.fit(numbers(4, 3), numbers(4, 2), optimizer=Adam(), engine="numpy", epochs=1, verbose=False)
    assert "m_W1" in net.source()
    assert "velocity_W1" in net.source(SGD(momentum=0.5))
    assert "m_W1" not in net.source("sgd")
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        net.source("adm")
    with pytest.raises(ParameterError, match="optimizer must be one such as Adam"):
        net.source(Adam)
