"""Layers and activations: against formulas and PyTorch's numbers, in both engines, and what they refuse."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from checked_kernels import checked_machine
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.autodiff.check import check_gradients
from chainrule.emit.engine import compile_program
from chainrule.errors import (
    ChainruleError,
    DataError,
    DTypeError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.graph.program import Program
from chainrule.graph.tensor import placeholder, tensor
from chainrule.nn.activations import ACTIVATIONS, mish, selu
from chainrule.nn.dense import Dense
from chainrule.nn.init import Orthogonal
from chainrule.nn.layers import Context
from chainrule.nn.maxout import Maxout
from chainrule.nn.network import BaseNetwork
from chainrule.nn.regularise import BatchNorm, Dropout, LayerNorm
from chainrule.nn.scaling import Pieces
from chainrule.nn.wiring import Input
from chainrule.optim.rules import SGD

GOLDEN = Path(__file__).parent / "golden"
PEER = json.loads((GOLDEN / "activations.json").read_text(encoding="utf-8"))
NORMALISED = {
    name: np.array(value) if isinstance(value, list) else value
    for name, value in json.loads((GOLDEN / "normalisation.json").read_text(encoding="utf-8")).items()
}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


W, B = numbers(3, 4), numbers(4, seed=1)


def context(training=True, step=0, position=0, changes=None):
    leaves = (tensor(np.int64(5), "seed"), tensor(np.int64(step), "step"))
    return Context("1", position, training, *leaves, {} if changes is None else changes)


def filled(layer, inputs, **values):
    """The layer's leaves, with initial values where none are given."""
    layer.fill(inputs, 0, 0, np.dtype("float64"))
    return {name: tensor(values.get(name, value), name) for name, value in layer.values.items()}


def applied(layer, x, training=True, step=0, changes=None, **values):
    x = tensor(x, "x")
    leaves = filled(layer, x.shape[1], **values)
    return layer.forward(x, leaves, context(training, step, changes=changes)), leaves


# activations ----------------------------------------------------------------------------------


def activations_program(dtype):
    z = placeholder(("n",), dtype, "z")
    outputs = {}
    for name, function in ACTIVATIONS.items():
        outputs[name] = function(z) if name != "linear" else function(z) * 1
        outputs[f"d_{name}"] = cr.gradient(outputs[name].sum(), [z])[0]
    return Program([z], outputs)


@pytest.mark.golden
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_activations_and_slopes_are_those_of_pytorch(engine):
    assert sorted(ACTIVATIONS) == sorted(PEER["values"])
    found = compile_program(activations_program("float64"), engine)(np.array(PEER["points"]))
    for name in ACTIVATIONS:
        for text, expected in ((name, PEER["values"]), (f"d_{name}", PEER["slopes"])):
            np.testing.assert_allclose(found[text], expected[name], rtol=1e-12, atol=1e-15, err_msg=text)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_activations_in_single_precision_are_finite_for_large_numbers(engine):
    points = np.array(PEER["points"], np.float32)
    for name, values in compile_program(activations_program("float32"), engine)(points).items():
        assert values.dtype == np.float32, name
        kind = "slopes" if name.startswith("d_") else "values"
        expected = np.array(PEER[kind][name.removeprefix("d_")])
        if "exponential" in name:
            assert np.isposinf(values[points >= 100]).all()
            values, expected = values[points < 100], expected[points < 100]
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_slopes_of_activations_agree_with_numerical_ones(name):
    check_gradients(ACTIVATIONS[name], np.array([-4.0, -2.0, -0.7, 0.4, 0.9, 2.5, 3.5]))


def test_activations_by_other_names_and_as_functions():
    for alias, name in (("sigmoid", "logistic"), ("identity", "linear"), ("swish", "silu")):
        assert Dense(4, alias).activation == name
    assert Dense(4, cr.tanh).activation == "tanh"
    assert Dense(4, mish).settings()["activation"] == "mish"


def cube(z):
    return z * z * z


def test_dense_takes_a_function_of_tensors():
    a, leaves = applied(Dense(4, cube, weights=W, bias=B), X := numbers(6, 3))
    assert repr(Dense(4, cube)) == "Dense(4, 'cube')"
    np.testing.assert_allclose(a.numpy(), (X @ W + B) ** 3, rtol=1e-13)
    slope = cr.gradient(a.sum(), [leaves["W"]])[0].numpy()
    np.testing.assert_allclose(slope, X.T @ (3 * (X @ W + B) ** 2), rtol=1e-12)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda z: z.sum(axis=1), "float64 of shape \\(6, 4\\), got float64 of shape \\(6,\\)"),
        (lambda z: z > 0, "got bool of shape \\(6, 4\\)"),
        (lambda z: 3, "must return a tensor of its input's shape and type, .* got 3"),
    ],
)
def test_own_activations_are_checked(function, message):
    with pytest.raises(ParameterError, match=message):
        applied(Dense(4, function), numbers(6, 3))


@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_own_activations_are_told_apart_in_model_files(name):
    def own(z):
        return cr.maximum(z, 0)

    own.__name__ = name
    with pytest.raises(ParameterError, match=f"activation {name} is a function of your own, with the name"):
        Dense(4, own).settings()
    assert Dense(4, cube).settings()["activation"] == "cube"


# dense ----------------------------------------------------------------------------------------


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
        (lambda: Dense(4, init=W), ParameterError, "Arrays go to the layer as weights="),
        (lambda: Dense(4, name="my gate"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="x; import os"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="class"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name="größe"), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, name=3), ParameterError, "not a plain identifier"),
        (lambda: Dense(4, weights=numbers(3, 5)), ShapeError, "shape \\(inputs, 4\\), got \\(3, 5\\)"),
        (lambda: Dense(4, weights=numbers(0, 4)), ShapeError, "got \\(0, 4\\)"),
        (lambda: Dense(4, weights=numbers(4)), DataError, "expected 2 axes"),
        (lambda: Dense(4, weights=[[1, 2, 3, 4], [1]]), DTypeError, "weights"),
        (lambda: Dense(1, weights=[["a"]]), DTypeError, "expected real numbers"),
        (lambda: Dense(1, weights=[[math.nan]]), DataError, "NaN or infinity"),
        (lambda: Dense(4, bias=numbers(3)), ShapeError, "bias must have shape \\(4,\\), got \\(3,\\)"),
        (lambda: Dense(1, bias=[math.inf]), DataError, "NaN or infinity"),
        (lambda: Dense(4, l1=-1), ParameterError, "Dense: l1 must be at least 0 and finite, got -1"),
        (lambda: Dense(4, l2=math.nan), ParameterError, "Dense: l2 must be at least 0 and finite, got nan"),
        (
            lambda: Dense(4, frozen="w"),
            UnknownNameError,
            r"parameter to freeze 'w' is unknown; did you mean 'W'\? Known: W, b",
        ),
        (lambda: Dense(4, bias=False, frozen="b"), UnknownNameError, "'b' is unknown. Known: W"),
        (lambda: Maxout(0), ParameterError, "Maxout: units must be a positive int, got 0"),
        (lambda: Maxout(2, 0), ParameterError, "Maxout: pieces must be a positive int, got 0"),
        (lambda: Maxout(2, weights=W[:, :3]), ShapeError, "Maxout: weights must have shape \\(inputs, 4\\)"),
        (lambda: Maxout(2, bias=numbers(2)), ShapeError, "Maxout: bias must have shape \\(4,\\)"),
        (lambda: Dropout(1), ParameterError, "Dropout: rate must be at least 0 and below 1, got 1"),
        (lambda: Dropout(-0.1), ParameterError, "Dropout: rate must be at least 0"),
        (lambda: Dropout("half"), ParameterError, "got 'half'"),
        (lambda: BatchNorm(1.0), ParameterError, "BatchNorm: momentum must be at least 0 and below 1"),
        (lambda: BatchNorm(eps=0), ParameterError, "BatchNorm: eps must be above 0 and finite, got 0"),
        (lambda: BatchNorm(frozen="mean"), UnknownNameError, "Known: beta, gamma"),
        (lambda: LayerNorm(-1e-5), ParameterError, "LayerNorm: eps must be above 0 and finite"),
        (lambda: LayerNorm(name="a b"), ParameterError, "not a plain identifier"),
    ],
)
def test_layers_refuse_bad_arguments(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert isinstance(caught.value, ChainruleError)


@pytest.mark.parametrize("activation", ["linear", "relu", "selu"])
@pytest.mark.parametrize("bias", [B, None, False])
def test_dense_computes_its_formula(activation, bias):
    a, leaves = applied(Dense(4, activation, weights=W, bias=bias), X := numbers(6, 3))
    assert list(leaves) == (["W"] if bias is False else ["W", "b"])
    z = X @ W + (B if bias is B else 0)
    np.testing.assert_allclose(a.numpy(), ACTIVATIONS[activation](tensor(z)).numpy(), rtol=1e-13)


def test_weights_asked_before_there_are_any():
    layer = Dense(4)
    for ask in (lambda: layer.W, lambda: layer.b):
        with pytest.raises(NotFittedError, match="build\\(inputs, seed=0\\)"):
            ask()
    np.testing.assert_array_equal(Dense(4, weights=W).W, W)
    np.testing.assert_array_equal(Dense(4, bias=B).b, B)


@pytest.mark.parametrize("l1", [0.0, 0.03])
@pytest.mark.parametrize("l2", [0.0, 0.2])
def test_penalties_and_their_slopes(l1, l2):
    layer, leaf = Dense(4, l1=l1, l2=l2), tensor(W, "W")
    penalty = layer.penalty({"W": leaf})
    if not l1 and not l2:
        assert penalty is None
        return
    assert float(penalty) == pytest.approx(l1 * np.abs(W).sum() + l2 * (W**2).sum(), rel=1e-14)
    expected = l1 * np.sign(W) + 2 * l2 * W
    np.testing.assert_allclose(cr.gradient(penalty, [leaf])[0].numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("kind", [Dense, Maxout])
def test_penalties_are_in_the_training_step_and_print_as_one_would_write_them(kind):
    net = BaseNetwork([kind(4, l1=0.5, l2=0.1), Dense(2, bias=False, l2=0.01)], "mse", "float64")
    net.build(3)
    lines = [line.split("  #")[0].strip() for line in net.source().splitlines()]
    assert "penalty_hidden1 = 0.5 * np.abs(W1).sum() + 0.1 * (W1 ** 2).sum()" in lines
    assert "penalty_output = 0.01 * (W2 ** 2).sum()" in lines
    assert "loss = data_loss + penalty_hidden1 + penalty_output" in lines
    assert any(line.startswith("d_W2 = ") and "0.01 * (2 * W2)" in line for line in lines)
    assert "b2" not in net.source()


@pytest.mark.parametrize(
    ("frozen", "trained"),
    [
        (False, {"W1", "b1"}),
        (True, set()),
        ("W", {"b1"}),
        ("b", {"W1"}),
        (["W", "b"], set()),
        ((), {"W1", "b1"}),
    ],
)
@pytest.mark.parametrize("kind", [Dense, Maxout])
def test_frozen_parameters_have_no_update(kind, frozen, trained):
    net = BaseNetwork([kind(4, frozen=frozen), Dense(2)], "mse")
    net.build(3)
    assert {leaf.name for leaf in net.program("adam").updates if leaf.name in ("W1", "b1")} == trained
    assert {"W2", "b2"} <= {leaf.name for leaf in net.program("adam").updates}
    net["hidden1"].freeze(False)
    assert {"W1", "b1"} <= {leaf.name for leaf in net.program("adam").updates}
    net["hidden1"].freeze()
    assert not {"W1", "b1"} & {leaf.name for leaf in net.program("adam").updates}


# maxout ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "pieces"), [(4, 1), (2, 2), (1, 4), (3, 5)])
def test_maxout_takes_the_largest_of_its_pieces(units, pieces):
    weights, bias = numbers(3, units * pieces, seed=3), numbers(units * pieces, seed=4)
    a, leaves = applied(Maxout(units, pieces, weights=weights, bias=bias), X := numbers(6, 3))
    each = [X @ weights[:, k : k + units] + bias[k : k + units] for k in range(0, units * pieces, units)]
    np.testing.assert_allclose(a.numpy(), np.max(each, axis=0), rtol=1e-14)
    assert a.name == "a1"
    check_gradients(
        lambda x, W, b: Maxout(units, pieces).forward(x, {"W": W, "b": b}, context()), X, weights, bias
    )
    assert leaves["W"].shape == (3, units * pieces)


def test_pieces_of_maxout_are_drawn_each_for_itself():
    layer = Maxout(4, 3, init="orthogonal")
    layer.fill(6, 3, 2, np.dtype("float64"))
    pieces = np.split(layer.W, 3, axis=1)
    for piece in pieces:
        np.testing.assert_allclose(piece.T @ piece, np.eye(4), atol=1e-14)
    assert not np.allclose(pieces[0], pieces[1])
    np.testing.assert_array_equal(layer.b, np.zeros(12))
    first = Dense(4, init="orthogonal")
    first.fill(6, 3, 2, np.dtype("float64"))
    np.testing.assert_array_equal(pieces[0], first.W)


# dropout --------------------------------------------------------------------------------------


def test_dropout_does_nothing_in_prediction_and_at_rate_0():
    x = tensor(numbers(4, 3))
    assert Dropout(0.5).forward(x, {}, context(training=False)) is x
    assert Dropout(0).forward(x, {}, context(training=True)) is x


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate):
    y, _ = applied(Dropout(rate), np.ones((400, 100)))
    values = y.numpy()
    np.testing.assert_allclose(np.unique(values), [0.0, 1 / (1 - rate)], rtol=1e-12)
    # 40,000 draws: the share of zeros within five standard errors
    assert abs((values == 0).mean() - rate) < 5 * math.sqrt(rate * (1 - rate) / values.size)


def test_dropout_draws_anew_for_every_step_seed_and_layer():
    def mask(seed, step, position):
        leaves = tensor(np.int64(seed)), tensor(np.int64(step))
        return Dropout(0.5).forward(tensor(np.ones((8, 8))), {}, Context("", position, True, *leaves)).numpy()

    masks = [mask(1, 0, 0), mask(2, 0, 0), mask(1, 1, 0), mask(1, 0, 1)]
    assert len({m.tobytes() for m in masks}) == 4
    np.testing.assert_array_equal(mask(1, 0, 0), masks[0])


def test_dropout_passes_the_slope_of_what_it_keeps():
    y, _ = applied(Dropout(0.4), x := numbers(5, 6))
    leaf = next(node for node in y.inputs[1].inputs if node.name == "x")
    expected = np.where(y.numpy() == 0, 0, 1 / 0.6)
    assert 0 < (expected == 0).sum() < expected.size
    np.testing.assert_allclose(cr.gradient(y.sum(), [leaf])[0].numpy(), expected, rtol=1e-15)
    check_gradients(lambda x: Dropout(0.4).forward(x, {}, context()), x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_dropout_keeps_the_same_numbers_in_both_engines(dtype):
    x, seed, step = (
        placeholder(*s) for s in ((("n", 7), dtype, "x"), ((), "int64", "seed"), ((), "int64", "k"))
    )
    y = Dropout(0.3).forward(x, {}, Context("", 2, True, seed, step))
    program = Program([x, seed, step], {"y": y, "kept": y.inputs[0]})
    runners = [compile_program(program, engine) for engine in ("numpy", "numba")]
    for rows, seeds in ((1, (0, 0)), (33, (2**63 - 1, 2**40)), (5, (7, 8))):
        a, b = (runner(numbers(rows, 7).astype(dtype), *seeds) for runner in runners)
        np.testing.assert_array_equal(a["kept"], b["kept"])
        np.testing.assert_allclose(a["y"], b["y"], rtol=4 * np.finfo(dtype).eps)


# normalisation --------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize(
    ("key", "layer", "training"),
    [
        ("batch_norm, prediction", BatchNorm(), False),
        ("batch_norm, training", BatchNorm(), True),
        ("layer_norm", LayerNorm(1e-3), True),
        ("layer_norm", LayerNorm(1e-3), False),
    ],
)
def test_normalisation_and_slopes_are_those_of_pytorch(key, layer, training):
    peer = NORMALISED[key]
    values = {name: NORMALISED[name] for name in layer.starts}
    x = tensor(NORMALISED["x"], "x")
    leaves = filled(layer, 4, **values)
    y = layer.forward(x, leaves, context(training))
    np.testing.assert_allclose(y.numpy(), peer["y"], rtol=1e-12, atol=1e-12)
    wanted = {"x": x, "gamma": leaves["gamma"], "beta": leaves["beta"]}
    slopes = cr.gradient((y * NORMALISED["weight"]).sum(), list(wanted.values()))
    for name, slope in zip(wanted, slopes, strict=True):
        np.testing.assert_allclose(slope.numpy(), peer[f"d_{name}"], rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("rows", [1, 2, 6])
@pytest.mark.parametrize("layer", [BatchNorm(), BatchNorm(0.0, 0.1), LayerNorm()], ids=repr)
def test_slopes_of_normalisation_agree_with_numerical_ones(layer, rows):
    starts = {name: NORMALISED[name] for name in ("mean", "var") if name in layer.starts}

    def trained(x, gamma, beta):
        fixed = {name: tensor(value) for name, value in starts.items()}
        return layer.forward(x, {"gamma": gamma, "beta": beta, **fixed}, context())

    check_gradients(trained, NORMALISED["x"][:rows], NORMALISED["gamma"], NORMALISED["beta"], order=2)


def test_batch_norm_of_one_row_takes_the_running_statistics():
    x, mean, var = NORMALISED["x"][:1], NORMALISED["mean"], NORMALISED["var"]
    y, _ = applied(BatchNorm(), x, mean=mean, var=var)
    np.testing.assert_allclose(y.numpy(), (x - mean) / np.sqrt(var + 1e-5), rtol=1e-14)
    y, _ = applied(BatchNorm(), NORMALISED["x"], mean=mean, var=var)
    np.testing.assert_allclose(y.numpy().mean(axis=0), 0, atol=1e-15)


def running(layer, batches):
    """The running mean and variance after the batches, from 0 and 1."""
    mean, var = np.zeros(batches[0].shape[1]), np.ones(batches[0].shape[1])
    for x in batches:
        changes = {}
        _, leaves = applied(layer, x, changes=changes, mean=mean, var=var)
        mean, var = (changes[leaves[name]].numpy() for name in ("mean", "var"))
    return mean, var


@given(
    momentum=st.floats(0, 0.99),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    seed=st.integers(0, 100),
)
def test_running_statistics_are_those_of_the_weighted_mixture(momentum, sizes, seed):
    batches = [numbers(n, 2, seed=seed + i) * 3 + i for i, n in enumerate(sizes)]
    mean, var = running(BatchNorm(momentum), batches)
    # a start of mean 0 and variance 1, two rows at -1 and 1, then each batch with its own weight
    rows = np.concatenate([[[-1.0, -1.0], [1.0, 1.0]], *batches])
    weights, start = [], momentum ** len(batches)
    for i, x in enumerate(batches):
        weights += [momentum ** (len(batches) - 1 - i) * (1 - momentum) / len(x)] * len(x)
    weights = np.array([start / 2, start / 2, *weights])[:, None]
    expected = (weights * rows).sum(axis=0)
    np.testing.assert_allclose(mean, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(var, (weights * (rows - expected) ** 2).sum(axis=0), rtol=1e-10, atol=1e-12)


def test_batches_of_one_row_find_the_rows_mean_and_variance():
    X = 3 * numbers(2000, 2) + 5
    mean, var = running(BatchNorm(0.99), np.split(X, 2000))
    # an exponential mean over about 200 rows: within four standard errors
    assert np.all(np.abs(mean - 5) < 4 * 3 * math.sqrt(0.01 / 1.99))
    assert np.all(np.abs(var / 9 - 1) < 4 * math.sqrt(2 * 0.01 / 1.99))


def test_a_frozen_batch_norm_is_that_of_prediction():
    changes = {}
    values = {name: NORMALISED[name] for name in BatchNorm.starts}
    y, _ = applied(BatchNorm(frozen=True), NORMALISED["x"], changes=changes, **values)
    assert changes == {}
    np.testing.assert_allclose(y.numpy(), NORMALISED["batch_norm, prediction"]["y"], rtol=1e-12)
    applied(BatchNorm(frozen="gamma"), NORMALISED["x"], changes=changes, **values)
    assert len(changes) == 2


def test_a_batch_norm_used_twice_takes_in_both():
    layer, changes = BatchNorm(0.5), {}
    leaves = filled(layer, 2)
    for x in (np.full((3, 2), 4.0), np.full((3, 2), 8.0)):
        layer.forward(tensor(x), leaves, context(changes=changes))
    np.testing.assert_allclose(changes[leaves["mean"]].numpy(), [5.0, 5.0])


# in a network ---------------------------------------------------------------------------------


def mixed(dtype):
    net = BaseNetwork(
        [
            Dense(6, "selu", l1=0.01, l2=0.02),
            BatchNorm(0.8),
            Maxout(5, 3),
            Dropout(0.3),
            LayerNorm(),
            Dense(4, "mish", bias=False),
            BatchNorm(name="last"),
            Dense(2, "hard_tanh"),
        ],
        "mse",
        dtype,
    )
    net.build(3, seed=2)
    return net


def test_names_in_printed_source():
    net = mixed("float64")
    assert net.names == [
        *("hidden1", "batch_norm1", "hidden2", "dropout", "layer_norm", "hidden3", "last", "output")
    ]
    lines = [line.split("  #")[0].strip() for line in net.source().splitlines()]
    for line in (
        "z2 = scaled_batch_norm1 @ W2 + b2",
        "kept_dropout = uniform((n, 5), seed, step_number, 1027, 'float64') >= 0.3",
        "dropped_dropout = np.where(kept_dropout, a2 / 0.7, 0)",
        "batch_mean_batch_norm1 = a1.mean(axis=0)",
        "several_rows = n > 1",
        "z3 = scaled_layer_norm @ W3",
        "mean_last = 0.9 * mean_last + 0.1 * batch_mean_last",
        "spread_last = batch_var_last + 0.9 * (batch_mean_last - mean_last) ** 2",
        "var_last = 0.9 * var_last + 0.1 * spread_last",
    ):
        assert line in lines
    headings = [line.strip().split(":")[0] for line in net.source().splitlines() if line.startswith("    # ")]
    assert headings == ["# forward", "# backward", "# update"]


def assert_engines_agree(net, tolerance):
    """Epochs of several batch sizes in both engines: the same losses, weights and running statistics."""
    program = net.program(SGD())
    X, T = (numbers(7, k, seed=k).astype(net.dtype) for k in (3, 2))
    runners = [compile_program(program, engine) for engine in ("numpy", "numba")]
    for runner in runners:
        runner.load(net._values())
    for step, batch in enumerate((4, 7, 1)):  # the last batch of 4 has 3 rows
        tables = [X, T, *map(np.asarray, (3, step, 0.05))]
        a, b = (runner.epoch(tables, np.arange(7), batch) for runner in runners)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
        found, expected = (runner.state for runner in runners)
        for leaf in program.updates:
            np.testing.assert_allclose(
                found[leaf], expected[leaf], rtol=tolerance, atol=tolerance, err_msg=leaf.name
            )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_engines_agree_on_a_network_of_all_layers(monkeypatch, dtype):
    net = mixed(dtype)
    changed = {leaf.name for leaf in net.program().updates}
    assert {"mean_batch_norm1", "var_batch_norm1", "mean_last", "var_last"} <= changed
    machine = checked_machine(monkeypatch)
    assert_engines_agree(net, 1e-12 if dtype == "float64" else 1e-4)
    machine.check()


def test_compiled_dropout_and_batch_norm_agree_with_numpy():
    net = BaseNetwork([Dense(4, "tanh"), BatchNorm(), Dropout(0.5), Dense(2)], "mse", "float64")
    net.build(3)
    assert_engines_agree(net, 1e-13)


def test_slopes_of_a_training_step_agree_with_numerical_ones():
    names = list(mixed("float64").graph.parameters)
    start = list(mixed("float64").parameters.values())
    X = numbers(5, 3)

    def loss(*values):
        net = mixed("float64")
        value, changes = tensor(X), {}
        for i, (name, layer) in enumerate(zip(net.names, net.layers, strict=True)):
            own = {
                n.partition(".")[2]: v for n, v in zip(names, values, strict=True) if n.split(".")[0] == name
            }
            value = layer.forward(value, own, context(position=i, changes=changes))
        return (value**2).mean()

    check_gradients(loss, *start)


LAYERS = [
    Dense(4, "selu", l1=0.5, l2=0.25, init=Orthogonal(2.0), frozen="b", name="gate"),
    Dense(4, bias=False),
    Maxout(2, 3, init="normal", l2=1.0),
    Dropout(0.25, name="drop"),
    Pieces([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
    BatchNorm(0.75, 1e-3, frozen=True),
    LayerNorm(1e-4, frozen="gamma", name="norm"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_layers_come_back_from_settings_and_parameters(layer):
    layer = layer.copy()
    layer.fill(4, 0, 0, np.dtype("float64"))
    settings = json.loads(json.dumps(layer.settings()))
    again = type(layer).restore(settings, layer.values, layer.name)
    assert repr(again) == repr(layer)
    assert (again.name, again.frozen, again.settings()) == (layer.name, layer.frozen, layer.settings())
    assert again.shapes(4) == layer.shapes(4)
    if layer.values:
        assert again.inputs == 4
    for name, value in layer.values.items():
        np.testing.assert_array_equal(again.value(name), value)


@pytest.mark.parametrize(
    ("kind", "parameters", "error", "message"),
    [
        (Dense(4), {"W": W, "c": B}, ParameterError, "Dense: parameters are W and b, got \\['W', 'c'\\]"),
        (Maxout(2), {"b": B}, ParameterError, "Maxout: parameters are W and b, got \\['b'\\]"),
        (Dropout(), {"W": W}, ParameterError, "Dropout: has no parameters, got \\['W'\\]"),
        (LayerNorm(), {"gamma": B}, ParameterError, "parameters are gamma, beta, got \\['gamma'\\]"),
        (LayerNorm(), {"gamma": B, "beta": W}, DataError, "LayerNorm: beta: expected 1 axes"),
        (BatchNorm(), {"gamma": B, "beta": B}, ParameterError, "are gamma, beta, mean, var, got"),
        (
            BatchNorm(),
            dict.fromkeys(["gamma", "beta", "mean", "var"], -np.ones(3)),
            DataError,
            "BatchNorm: var must not be negative",
        ),
    ],
)
def test_what_no_layer_can_be_made_of(kind, parameters, error, message):
    with pytest.raises(error, match=message):
        type(kind).restore(kind.settings(), parameters, None)


def test_normalisation_of_another_number_of_columns():
    layer = LayerNorm.restore({"eps": 1e-5, "frozen": []}, {"gamma": np.ones(3), "beta": np.ones(3)}, None)
    with pytest.raises(ShapeError, match="LayerNorm: gamma has shape \\(3,\\), 4 inputs need \\(4,\\)"):
        BaseNetwork([Dense(4), layer], "mse").build(3)


def test_layers_without_a_size_of_their_own_take_any():
    x = Input(3)
    h = BatchNorm()(Dropout(0.1)(LayerNorm()(x)))
    net = BaseNetwork(Dense(3)(h) + x, "mse")
    net.build()
    assert net["batch_norm"].value("var").tolist() == [1.0, 1.0, 1.0]
    assert [x.name for x in net.program().inputs] == ["x", "t", "seed", "step_number", "lr"]
    assert selu(tensor(1.0)).item() == pytest.approx(1.0507009873554805)
