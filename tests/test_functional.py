"""Networks drawn by calling layers: skip connections, several inputs, several outputs, shared layers."""

import copy
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DataError, ParameterError, ShapeError, UnknownNameError
from chainrule.graph.evaluate import interpret

QUIET = {"verbose": False, "engine": "numpy"}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def test_a_chain_drawn_is_the_chain_listed():
    x = cr.Input(5)
    drawn = cr.Network(cr.Dense(3)(cr.Dense(4, "relu")(x)), loss="cross_entropy")
    listed = cr.Network([cr.Dense(4, "relu"), cr.Dense(3)], loss="cross_entropy")
    drawn.build()
    listed.build(5)
    assert drawn.names == listed.names == ["hidden1", "output"]
    assert drawn.source() == listed.source()
    for name, value in listed.parameters.items():
        assert np.array_equal(value, drawn.parameters[name])


def test_a_skip_connection_adds_what_went_in():
    x = cr.Input(4)
    h = cr.Dense(4, "logistic")(x)
    net = cr.Network(cr.Dense(1)(h + x), loss="mse", dtype="float64")
    net.build()
    p = net.parameters
    X = numbers(6, 4)
    a = logistic(X @ p["hidden1.W"] + p["hidden1.b"])
    assert np.allclose(net.predict(X), (a + X) @ p["output.W"] + p["output.b"], rtol=1e-12)
    assert "add = a1 + x" in net.source()


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        (cr.Add(), lambda a, b: a + b),
        (cr.Multiply(), lambda a, b: a * b),
        (cr.Concatenate(), lambda a, b: np.hstack([a, b])),
    ],
)
def test_inputs_are_joined(join, expected):
    a, b = cr.Input(3, name="a"), cr.Input(3, name="b")
    net = cr.Network(cr.Dense(2)(join(a, b)), loss="mse", dtype="float64")
    net.build()
    A, B = numbers(5, 3), numbers(5, 3, seed=1)
    W, c = net.parameters["output.W"], net.parameters["output.b"]
    wanted = expected(A, B) @ W + c
    assert np.allclose(net.predict([A, B]), wanted, rtol=1e-12)
    assert np.allclose(net.predict({"b": B, "a": A}), wanted, rtol=1e-12)


def test_three_inputs_in_one_join():
    nodes = [cr.Input(2) for _ in range(3)]
    net = cr.Network(cr.Dense(1)(cr.Add()(*nodes)), loss="mse", dtype="float64")
    net.build([2, 2, 2])
    tables = [numbers(4, 2, seed=k) for k in range(3)]
    wanted = sum(tables) @ net.parameters["output.W"]
    assert np.allclose(net.predict(tables), wanted + net.parameters["output.b"])


def two_headed():
    x = cr.Input(4)
    h = cr.Dense(6, "tanh")(x)
    heads = [cr.Dense(1)(h), cr.Dense(3)(h)]
    return cr.Network(heads, loss=["mse", "cross_entropy"], loss_weights=[2.0, 0.5], dtype="float64")


def test_several_outputs_learn_together():
    net = two_headed()
    X = numbers(80, 4)
    value, label = X[:, 0] - X[:, 1], np.array(["a", "b", "c"])[X[:, :3].argmax(axis=1)]
    history = net.fit(
        X, [value, label], epochs=150, optimizer=cr.Adam(0.01), validation_data=(X, [value, label]), **QUIET
    )
    assert history.measures == ["loss", "val_loss", "val_accuracy2"]
    predicted, labels = net.predict(X)
    assert np.corrcoef(predicted, value)[0, 1] > 0.95
    assert (labels == label).mean() > 0.9
    assert net.classes[0] is None
    assert net.classes[1].tolist() == ["a", "b", "c"]
    assert net.names == ["hidden1", "output1", "output2"]


def test_the_loss_is_the_weighted_sum_of_the_outputs():
    net = two_headed()
    X, t = numbers(7, 4), np.arange(7) % 3
    net.build()
    value = numbers(7, 1, seed=3)
    outputs = net.graph.outputs
    leaves = {leaf: net.parameters[name] for name, leaf in net.graph.parameters.items()}
    z1, z2 = interpret(outputs, {net.graph.xs[0]: X, **leaves})
    parts = [float(cr.losses.MSE()(z1, value)), float(cr.losses.CrossEntropy()(z2, t))]
    assert net.calculate_loss(X, [value, t]) == pytest.approx(2 * parts[0] + 0.5 * parts[1], rel=1e-12)


def test_a_layer_used_twice_shares_its_weights():
    a, b = cr.Input(3), cr.Input(3)
    shared = cr.Dense(4, "tanh", name="tower")
    net = cr.Network(cr.Dense(1)(shared(a) * shared(b)), loss="mse", dtype="float64")
    net.build([3, 3])
    assert net.names == ["tower", "multiply", "output"]
    A, B = numbers(9, 3), numbers(9, 3, seed=1)
    p = net.parameters
    towers = [np.tanh(x @ p["tower.W"] + p["tower.b"]) for x in (A, B)]
    expected = towers[0] * towers[1] @ p["output.W"] + p["output.b"]
    assert np.allclose(net.predict([A, B]), expected, rtol=1e-12)
    y = numbers(9, 1, seed=2)
    leaves = net.graph.parameters
    (slope,) = cr.gradient(net.graph.loss, [leaves["tower.W"]])
    values = {**dict(zip(net.graph.xs, (A, B), strict=True)), net.graph.ts[0]: y}
    (found,) = interpret([slope], values | {leaf: p[name] for name, leaf in leaves.items()})
    for place in [(0, 0), (1, 3), (2, 2)]:
        losses = []
        for step in (1e-5, -1e-5):
            moved = p["tower.W"].copy()
            moved[place] += step
            net.set_parameters({"tower.W": moved})
            losses.append(net.calculate_loss([A, B], y))
        assert found[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_both_engines_train_a_drawn_network_alike(engine):
    def make():
        x, y = cr.Input(name="left"), cr.Input(name="right")
        h = cr.Dense(5, "relu")(x)
        k = cr.Dense(5, "tanh")(y)
        return cr.Network(cr.Dense(3)(cr.Concatenate()(h + k, h)), loss="cross_entropy", dtype="float64")

    left, right, t = numbers(33, 4), numbers(33, 2, seed=1), np.arange(33) % 3
    settings = {"epochs": 3, "batch_size": 8, "verbose": False, "optimizer": cr.SGD(0.1, momentum=0.9)}
    reference, net = make(), make()
    wanted = reference.fit({"left": left, "right": right}, t, engine="numpy", **settings)
    found = net.fit([left, right], t, engine=engine, **settings)
    assert np.allclose(found.loss, wanted.loss, rtol=1e-12)
    for name, value in reference.parameters.items():
        assert np.allclose(net.parameters[name], value, rtol=1e-10)


def test_drawn_networks_are_copied_pickled_saved_and_loaded(tmp_path):
    net = two_headed()
    X = numbers(20, 4)
    net.fit(X, [X[:, 0], np.arange(20) % 3], epochs=2, **QUIET)
    net.save(tmp_path / "m.chainrule")
    for other in (copy.copy(net), pickle.loads(pickle.dumps(net)), cr.load(tmp_path / "m.chainrule")):
        assert other.names == net.names
        assert other.source() == net.source()
        for one, two in zip(net.predict(X), other.predict(X), strict=True):
            assert np.array_equal(one, two)


def _two(one, other):
    nodes = cr.Input(2, name=one), cr.Input(2, name=other)
    return cr.Network(cr.Dense(1)(cr.Add()(*nodes)), loss="mse")


def test_what_cannot_be_drawn():
    x = cr.Input(3)
    h = cr.Dense(2)(x)
    for make, error, message in [
        (lambda: cr.Network(x, loss="mse"), ParameterError, "must be another node that a layer makes"),
        (lambda: cr.Network([h, h], loss=["mse", "mse"]), ParameterError, "must be another node"),
        (lambda: cr.Network([h], loss=["mse", "mse"]), ParameterError, "need as many losses, got 2"),
        (lambda: cr.Network([h, cr.Dense(2)], loss="mse"), ParameterError, "expected layers"),
        (lambda: cr.Network([h], loss="mse", loss_weights=[1, 2]), ParameterError, "expected 1 loss weights"),
        (
            lambda: cr.Network(h, loss="mse", loss_weights=[-1]),
            ParameterError,
            "weight must be above",
        ),
        (lambda: cr.Dense(2)(), ParameterError, "layers are called on nodes"),
        (lambda: cr.Dense(2)([[1.0]]), ParameterError, "Start with Input"),
        (lambda: cr.Dense(2)(x, h), ParameterError, "Join them with Concatenate"),
        (lambda: cr.Network(cr.Add()(x), loss="mse"), ParameterError, "needs at least two inputs, got 1"),
        (lambda: cr.Network(x + h, loss="mse"), ShapeError, "one number of columns, got 3, 2"),
        (lambda: _two("lr", "b"), ParameterError, "cannot be called 'lr': the training step calls"),
        (lambda: _two("a", "a"), ParameterError, "cannot be called 'a': another input has it"),
        (
            lambda: cr.Network([cr.Maxout(1)], loss="cross_entropy"),
            ParameterError,
            "needs an output for each",
        ),
        (lambda: cr.Input(0), ParameterError, "Input: columns must be a positive int"),
        (lambda: cr.Input(3, name="1x"), ParameterError, "not a plain identifier"),
        (lambda: cr.Network(h, loss="mse").build([3, 3]), ParameterError, "has 1 inputs, got 2 sizes"),
        (lambda: cr.Network(h, loss="mse").build(4), ShapeError, "weights for 3 inputs, got 4"),
    ]:
        with pytest.raises(error, match=message):
            make()


def test_tables_that_do_not_fit_the_inputs():
    a, b = cr.Input(3, name="a"), cr.Input(2, name="b")
    net = cr.Network(cr.Dense(1)(cr.Concatenate()(a, b)), loss="mse")
    A, B, y = numbers(6, 3), numbers(6, 2), numbers(6)
    for X, error, message in [
        (A, DataError, "X: a list of 2 tables is needed, or a dict by 'a', 'b'; got ndarray"),
        ([A], DataError, "got 1 tables"),
        ({"a": A}, DataError, "X: 'b' is missing. Pass 'a', 'b'"),
        ({"a": A, "c": B}, UnknownNameError, "X 'c' is unknown"),
        ([A, B[:5]], ShapeError, "has 5 rows, X\\[0\\] has 6"),
        ([A, A], ShapeError, "X\\[1\\]: the network has 2 inputs, got 3 columns"),
    ]:
        with pytest.raises(error, match=message):
            net.fit(X, y, **QUIET)
    assert not net.built


def test_reset_forgets_sizes_that_were_learned():
    x = cr.Input()
    net = cr.Network(cr.Dense(2)(x), loss="mse")
    net.fit(numbers(5, 3), numbers(5, 2), epochs=1, **QUIET)
    assert net.inputs == 3
    net.reset()
    assert net.inputs is None
    net.fit(numbers(5, 4), numbers(5, 2), epochs=1, **QUIET)
    assert net.inputs == 4
