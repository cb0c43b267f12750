"""Layers, losses, initial weights, and a network's structure, names and source."""

import copy
import math
import pickle

import numpy as np
import pytest

from chainrule.autodiff.gradient import gradient
from chainrule.errors import (
    ChainruleError,
    DataError,
    DTypeError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.graph.tensor import tensor
from chainrule.nn.init import initial_weights
from chainrule.nn.layers import ACTIVATIONS, Dense
from chainrule.nn.losses import LOSSES, binary_cross_entropy, cross_entropy, half_sum, mse
from chainrule.nn.scaling import Rescale, Standardize
from chainrule.optim.rules import SGD, Adam
from chainrule.training.network import Network


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# layers ---------------------------------------------------------------------------------------

W, B = numbers(3, 4), numbers(4, seed=1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(0), ParameterError, "units must be a positive int, got 0"),
        (lambda: Dense(-3), ParameterError, "got -3. Pass e.g. Dense\\(8\\)"),
        (lambda: Dense(2.5), ParameterError, "got 2.5"),
        (lambda: Dense(True), ParameterError, "got True"),
        (lambda: Dense("8"), ParameterError, "got '8'"),
        (lambda: Dense(4, "rellu"), UnknownNameError, "did you mean 'relu'"),
        (lambda: Dense(4, None), UnknownNameError, "activation None is unknown"),
        (lambda: Dense(4, ["relu"]), UnknownNameError, "is unknown"),
        (lambda: Dense(4, init="hee"), UnknownNameError, "did you mean 'he'"),
        (lambda: Dense(4, name="my gate"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="x; import os"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="class"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="größe"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name=3), ParameterError, "not a plain identifier"),
        (
            lambda: Dense(4, weights=numbers(3, 5)),
            ShapeError,
            "must have shape \\(inputs, 4\\), got \\(3, 5\\)",
        ),
        (lambda: Dense(4, weights=numbers(0, 4)), ShapeError, "got \\(0, 4\\)"),
        (lambda: Dense(4, weights=numbers(4)), DataError, "expected 2 axes"),
        (lambda: Dense(4, weights=[[1, 2, 3, 4], [1]]), DTypeError, "weights"),
        (lambda: Dense(1, weights=[["a"]]), DTypeError, "expected real numbers"),
        (lambda: Dense(1, weights=[[math.nan]]), DataError, "NaN or infinity"),
        (lambda: Dense(4, bias=numbers(3)), ShapeError, "bias must have shape \\(4,\\), got \\(3,\\)"),
        (lambda: Dense(1, bias=[math.inf]), DataError, "NaN or infinity"),
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


REFERENCE = {
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "linear": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.where(z > 0, z, 0),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_dense_computes_its_formula(activation):
    net = Network([Dense(4, activation, weights=W, bias=B)], loss="mse", dtype="float64")
    X = numbers(6, 3, seed=2)
    np.testing.assert_allclose(net.predict(X), REFERENCE[activation](X @ W + B), rtol=1e-13)


@pytest.mark.parametrize(
    ("alias", "name"), [("sigmoid", "logistic"), ("identity", "linear"), ("swish", "silu")]
)
def test_common_other_names_of_activations_are_taken(alias, name):
    assert Dense(4, alias).activation == name


def test_weights_asked_before_there_are_any():
    layer = Dense(4)
    for ask in (lambda: layer.W, lambda: layer.b):
        with pytest.raises(NotFittedError, match="build\\(inputs, seed=0\\)"):
            ask()
    np.testing.assert_array_equal(Dense(4, weights=W).W, W)


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


# initial weights ------------------------------------------------------------------------------


@pytest.mark.parametrize(("init", "bound"), [("glorot", math.sqrt(6 / 700)), ("he", math.sqrt(6 / 400))])
def test_initial_weights_fill_their_interval_evenly(init, bound):
    drawn = initial_weights(init, 400, 300, seed=3, position=0)
    assert drawn.shape == (400, 300)
    assert np.abs(drawn).max() <= bound
    assert np.abs(drawn).max() > 0.999 * bound
    # 120,000 draws: mean and variance within five standard errors of a uniform distribution's
    assert abs(drawn.mean()) < 5 * bound / math.sqrt(3 * drawn.size)
    assert abs(drawn.var() / (bound**2 / 3) - 1) < 5 * math.sqrt(0.8 / drawn.size)


def test_initial_weights_are_those_of_philox_keyed_by_seed_and_position():
    bits = np.random.Philox(key=[7, 1], counter=[0, 2, 0, 0]).random_raw(12).reshape(3, 4)
    expected = (2 * ((bits >> 11) * 2.0**-53) - 1) * math.sqrt(6 / 7)
    np.testing.assert_allclose(initial_weights("glorot", 3, 4, seed=7, position=2), expected, rtol=1e-15)


def test_initial_weights_depend_on_seed_position_and_nothing_else():
    def drawn(dtype="float64", seed=0, **settings):
        net = Network([Dense(5, **settings), Dense(5), Dense(5)], loss="mse", dtype=dtype)
        net.build(5, seed)
        return net

    first, second = drawn(), drawn()
    assert all(np.array_equal(first.parameters[k], second.parameters[k]) for k in first.parameters)
    assert not np.array_equal(first["hidden1"].W, first["hidden2"].W)
    assert not np.array_equal(first["hidden1"].W, drawn(seed=1)["hidden1"].W)
    np.testing.assert_array_equal(first["hidden1"].W.astype(np.float32), drawn("float32")["hidden1"].W)
    assert not first["hidden1"].b.any()
    np.random.seed(5)  # noqa: NPY002 (global state must not matter)
    assert np.array_equal(drawn()["hidden1"].W, first["hidden1"].W)


@pytest.mark.parametrize(
    ("activation", "init"), [("relu", "he"), ("gelu", "he"), ("tanh", "glorot"), ("linear", "glorot")]
)
def test_default_init_suits_the_activation(activation, init):
    net = Network([Dense(5, activation)], loss="mse", dtype="float64")
    net.build(3, seed=4)
    np.testing.assert_array_equal(net["output"].W, initial_weights(init, 3, 5, 4, 0))


def test_unknown_initial_weights():
    with pytest.raises(UnknownNameError, match="init 'hee' is unknown; did you mean 'he'"):
        initial_weights("hee", 3, 4, 0, 0)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, None, True, "1"])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ParameterError, match="seed must be an int"):
        Network([Dense(5)], loss="mse").build(3, seed)


# losses ---------------------------------------------------------------------------------------

Z, T = numbers(5, 3), numbers(5, 3, seed=1)
LABELS = np.array([0, 2, 1, 1, 0])
PROBABILITY = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
YES = (T > 0).astype(float)
P = 1 / (1 + np.exp(-Z))


@pytest.mark.parametrize(
    ("loss", "z", "t", "value", "slope"),
    [
        (mse, Z, T, ((Z - T) ** 2).mean(), 2 * (Z - T) / 15),
        (half_sum, Z, T, ((Z - T) ** 2).sum() / 2 / 5, (Z - T) / 5),
        (
            cross_entropy,
            Z,
            LABELS,
            -np.log(PROBABILITY[range(5), LABELS]).mean(),
            (PROBABILITY - np.eye(3)[LABELS]) / 5,
        ),
        (binary_cross_entropy, Z, YES, -(YES * np.log(P) + (1 - YES) * np.log(1 - P)).mean(), (P - YES) / 15),
    ],
)
def test_losses_agree_with_their_formulas(loss, z, t, value, slope):
    z = tensor(z)
    result = loss(z, tensor(t))
    assert result.name == "loss"
    assert float(result) == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(gradient(result, [z])[0].numpy(), slope, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sign", [-1, 1])
def test_losses_of_large_logits_are_exact(sign):
    z = np.array([[1000.0, -1000.0]]) * sign
    assert float(cross_entropy(z, np.array([0]))) == (0.0 if sign > 0 else 2000.0)
    assert float(binary_cross_entropy(z, np.array([[1.0, 0.0]]))) == (0.0 if sign > 0 else 1000.0)
    slope = gradient(cross_entropy(x := tensor(z), np.array([0])), [x])[0].numpy()
    np.testing.assert_array_equal(slope, [[0.0, 0.0]] if sign > 0 else [[-1.0, 1.0]])


@pytest.mark.parametrize(
    ("loss", "z", "t", "error"),
    [
        (mse, Z, T[:, :1], ShapeError),
        (mse, Z, T[:1], ShapeError),
        (half_sum, Z[:, 0], T[:, 0], ShapeError),
        (binary_cross_entropy, Z, YES[:, 0], ShapeError),
        (cross_entropy, Z, LABELS[:4], ShapeError),
        (cross_entropy, Z, T[:, 0], DTypeError),
    ],
)
def test_losses_refuse_shapes_that_differ(loss, z, t, error):
    with pytest.raises(error):
        loss(z, t)


def test_loss_names():
    assert sorted(LOSSES) == ["binary_cross_entropy", "cross_entropy", "half_sum", "mse"]
    for unknown in ("crossentropy", None, mse):
        with pytest.raises(UnknownNameError, match=r"loss .* is unknown"):
            Network([Dense(2)], loss=unknown)


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
