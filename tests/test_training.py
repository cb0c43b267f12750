"""Fits against plain NumPy and scikit-learn, checks of data, histories, labels of every kind, Ctrl-C."""

import copy
import os
import signal
import threading
import time

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from chainrule.emit import engine as engines
from chainrule.errors import (
    DataError,
    DTypeError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.model.network import Network
from chainrule.nn.dense import Dense
from chainrule.nn.scaling import Rescale, Standardize
from chainrule.optim.rules import SGD, Adam
from chainrule.training.history import History
from chainrule.training.loop import SLICE_SECONDS, Pace, Shuffler
from chainrule.training.prediction import CHUNK

ENGINES = ["numpy", "numba"]
QUIET = {"engine": "numpy", "verbose": False}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def classifier(inputs=4, units=5, classes=3, activation="relu", **settings):
    weights = [numbers(inputs, units, seed=1), numbers(units, classes, seed=2)]
    biases = [numbers(units, seed=3), numbers(classes, seed=4)]
    layers = [
        Dense(units, activation, weights=weights[0], bias=biases[0]),
        Dense(classes, weights=weights[1], bias=biases[1]),
    ]
    return Network(layers, loss="cross_entropy", **settings), weights, biases


# the loop, against plain NumPy and scikit-learn -----------------------------------------------


def numpy_training(X, t, weights, biases, *, epochs, batch, lr, seed):
    """ReLU, softmax cross-entropy and gradient descent, by hand; the mean loss of each epoch's batches."""
    (W1, W2), (b1, b2) = weights, biases
    history = []
    for epoch in range(epochs):
        generator = np.random.Generator(np.random.Philox(key=[seed, 2], counter=[0, epoch, 0, 0]))
        order = generator.permutation(len(X))
        losses = []
        for start in range(0, len(X), batch):
            rows = order[start : start + batch]
            x, n = X[rows], len(rows)
            a = np.maximum(x @ W1 + b1, 0)
            z = a @ W2 + b2
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            losses.append(-np.log(p[np.arange(n), t[rows]]).mean())
            d_z = p.copy()
            d_z[np.arange(n), t[rows]] -= 1
            d_z /= n
            d_a = (d_z @ W2.T) * (a > 0)
            W2, b2 = W2 - lr * a.T @ d_z, b2 - lr * d_z.sum(axis=0)
            W1, b1 = W1 - lr * x.T @ d_a, b1 - lr * d_a.sum(axis=0)
        history.append(np.mean(losses))
    return history, [W1, b1, W2, b2]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [1, 7, 23, 100])
def test_fit_agrees_with_plain_numpy(engine, batch):
    X, t = numbers(23, 4), np.arange(23) % 3
    net, weights, biases = classifier(dtype="float64")
    history = net.fit(
        X, t, optimizer=SGD(0.2), batch_size=batch, epochs=3, seed=5, engine=engine, verbose=False
    )
    losses, expected = numpy_training(X, t, weights, biases, epochs=3, batch=batch, lr=0.2, seed=5)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-10)
    for value, reference in zip(net.parameters.values(), expected, strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-9, atol=1e-12)
    assert history.engine == engine


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "linear"])
@pytest.mark.parametrize("task", ["cross_entropy", "binary_cross_entropy", "half_sum"])
def test_one_step_agrees_with_scikit_learn(task, activation):
    X = numbers(30, 4)
    classes = {"cross_entropy": 3, "binary_cross_entropy": 2}.get(task)
    y = numbers(30, seed=9) if classes is None else np.arange(30) % classes
    outputs = classes if task == "cross_entropy" else 1
    start = (
        [numbers(4, 6, seed=1), numbers(6, outputs, seed=2)],
        [numbers(6, seed=3), numbers(outputs, seed=4)],
    )
    settings = {
        "hidden_layer_sizes": (6,), "activation": {"linear": "identity"}.get(activation, activation),
        "solver": "sgd", "momentum": 0.0, "alpha": 0.0, "learning_rate_init": 0.3, "batch_size": 30,
        "shuffle": False,
    }  # fmt: skip
    if classes is None:
        peer = MLPRegressor(**settings).partial_fit(X, y)
    else:
        peer = MLPClassifier(**settings).partial_fit(X, y, classes=np.arange(classes))
    for place, value in zip([*peer.coefs_, *peer.intercepts_], [*start[0], *start[1]], strict=True):
        place[:] = value
    peer.partial_fit(X, y)
    layers = [
        Dense(6, activation, weights=start[0][0], bias=start[1][0]),
        Dense(outputs, weights=start[0][1], bias=start[1][1]),
    ]
    net = Network(layers, loss=task, dtype="float64")
    history = net.fit(X, y, optimizer=SGD(0.3), batch_size=30, epochs=1, shuffle=False, **QUIET)
    assert history.loss == [pytest.approx(peer.loss_, rel=1e-10)]
    for layer, W, b in zip(net.layers, peer.coefs_, peer.intercepts_, strict=True):
        np.testing.assert_allclose(layer.W, W, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.b, b, rtol=1e-9, atol=1e-12)
    expected = peer.predict(X)
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-9)
    if classes is not None:
        np.testing.assert_allclose(net.predict_proba(X), peer.predict_proba(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["mse", "half_sum", "cross_entropy", "binary_cross_entropy"])
def test_steps_follow_the_numerical_slope_of_the_loss(loss):
    X, y = numbers(9, 3), numbers(9, 2, seed=1)
    y = {"cross_entropy": y.argmax(axis=1), "binary_cross_entropy": (y > 0) * 1.0}.get(loss, y)
    W, b = numbers(3, 2, seed=2), numbers(2, seed=3)

    def loss_at(W):
        return Network([Dense(2, weights=W, bias=b)], loss=loss, dtype="float64").evaluate(X, y)["loss"]

    net = Network([Dense(2, weights=W, bias=b)], loss=loss, dtype="float64")
    net.fit(X, y, optimizer=SGD(1.0), batch_size=9, epochs=1, **QUIET)
    slope = W - net["output"].W
    for place in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[place] = 1e-3
        near, far = loss_at(W + step) - loss_at(W - step), loss_at(W + 2 * step) - loss_at(W - 2 * step)
        assert slope[place] == pytest.approx((8 * near - far) / 12e-3, rel=1e-7, abs=1e-9)


@pytest.mark.golden
def test_first_steps_of_mazurs_example_through_a_network():
    """Mazur (2015), A step by step backpropagation example; with biases that are trained.

    In his text they stay as they are, which changes no weight in the first step. The error after it is that
    of trained biases, recomputed in float64.
    """
    layers = [
        Dense(2, "logistic", weights=[[0.15, 0.25], [0.2, 0.3]], bias=[0.35, 0.35]),
        Dense(2, "logistic", weights=[[0.4, 0.5], [0.45, 0.55]], bias=[0.6, 0.6]),
    ]
    net = Network(layers, loss="half_sum", dtype="float64")
    x, t = [[0.05, 0.1]], [[0.01, 0.99]]
    np.testing.assert_allclose(net.predict(x)[0], [0.75136507, 0.772928465], atol=1e-9)
    history = net.fit(x, t, optimizer=SGD(0.5), epochs=2, batch_size=1, **QUIET)
    assert history.loss == [pytest.approx(0.298371109, abs=1e-9), pytest.approx(0.280471447, abs=1e-9)]
    net.reset()
    net.fit(x, t, optimizer=SGD(0.5), epochs=1, batch_size=1, **QUIET)
    np.testing.assert_allclose(
        net["hidden1"].W, [[0.149780716, 0.24975114], [0.19956143, 0.29950229]], atol=1e-9
    )
    np.testing.assert_allclose(
        net["output"].W, [[0.35891648, 0.51130127], [0.408666186, 0.561370121]], atol=1e-9
    )


# engines, seeds, going on ---------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9, nesterov=True), Adam(0.01)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_engines_agree(optimizer, dtype, tolerance):
    X, y = numbers(50, 4), np.arange(50) % 3
    nets = [classifier(activation="tanh", dtype=dtype)[0] for _ in ENGINES]
    histories = [
        net.fit(X, y, optimizer=optimizer, batch_size=8, epochs=2, engine=engine, verbose=False)
        for net, engine in zip(nets, ENGINES, strict=True)
    ]
    np.testing.assert_allclose(histories[0].loss, histories[1].loss, rtol=tolerance)
    for name, value in nets[0].parameters.items():
        np.testing.assert_allclose(value, nets[1].parameters[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("loss", ["mse", "half_sum", "binary_cross_entropy"])
@pytest.mark.parametrize("activation", ["logistic", "gelu", "elu"])
def test_engines_agree_on_other_losses_and_with_scaling(loss, activation):
    X, y = numbers(50, 4), numbers(50, 2, seed=1)
    y = (y > 0) * 1.0 if loss == "binary_cross_entropy" else y
    last = [] if loss == "binary_cross_entropy" else [Rescale([1, 2], [3, 4])]
    results = []
    for engine in ENGINES:
        layers = [Standardize([1, 2, 3, 4], [1, 2, 3, 4]), Dense(5, activation), Dense(2), *last]
        net = Network(layers, loss=loss, dtype="float64")
        history = net.fit(X, y, optimizer=SGD(0.01), batch_size=8, epochs=2, engine=engine, verbose=False)
        results.append((history.loss, net["hidden1"].W, net["output"].b))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


def test_auto_takes_an_engine_that_exists():
    net, _, _ = classifier()
    history = net.fit(numbers(20, 4), np.arange(20) % 3, epochs=1, verbose=False)
    assert history.engine in ENGINES


def test_one_seed_gives_one_result_and_another_seed_another():
    X, y = numbers(40, 3), np.arange(40) % 2

    def trained(seed, shuffle=True):
        net = Network([Dense(4, "relu"), Dense(2)], loss="cross_entropy")
        loss = net.fit(X, y, epochs=3, seed=seed, shuffle=shuffle, **QUIET).loss
        return loss, net["output"].W.tolist()

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)
    assert trained(1) != trained(1, shuffle=False)


def test_orders_are_those_of_philox_keyed_by_seed_and_epoch():
    shuffler = Shuffler(11)
    orders = [shuffler.order(50, epoch) for epoch in (0, 1, 2, 1)]
    for epoch, order in zip((0, 1, 2, 1), orders, strict=True):
        generator = np.random.Generator(np.random.Philox(key=[11, 2], counter=[0, epoch, 0, 0]))
        np.testing.assert_array_equal(order, generator.permutation(50))
    assert not np.array_equal(orders[0], orders[1])


def test_a_further_fit_goes_on_and_compiles_nothing(monkeypatch):
    X, y = numbers(40, 3), np.arange(40) % 2
    compiled = []
    real = engines.compile_program
    monkeypatch.setattr(engines, "compile_program", lambda *a: compiled.append(a[0].name) or real(*a))
    net = Network([Dense(4, "relu"), Dense(2)], loss="cross_entropy")
    settings = {"batch_size": 40, "shuffle": False, **QUIET}
    first = net.fit(X, y, optimizer=SGD(0.5), epochs=3, **settings)
    net.predict(X)
    second = net.fit(X, y, optimizer=SGD(0.1), epochs=1, **settings)
    net.predict_proba(X)
    assert compiled == ["step", "predict"]
    assert second.loss[0] < first.loss[-1]
    net.fit(X, y, optimizer=SGD(0.1, momentum=0.9), epochs=1, **settings)
    assert compiled == ["step", "predict", "step"]
    whole = Network([Dense(4, "relu"), Dense(2)], loss="cross_entropy")
    assert whole.fit(X, y, optimizer=SGD(0.5), epochs=4, **settings).loss == [*first.loss, *second.loss]


def test_state_of_the_optimiser_starts_anew_with_each_fit():
    X, y = numbers(10, 3), np.arange(10) % 2

    def trained(fits):
        net = Network([Dense(2, weights=numbers(3, 2))], loss="cross_entropy", dtype="float64")
        for _ in range(fits):
            net.fit(X, y, optimizer=Adam(0.1), epochs=1, batch_size=10, **QUIET)
        return net

    again = trained(1)
    again.fit(X, y, optimizer=Adam(0.1), epochs=1, batch_size=10, **QUIET)
    np.testing.assert_array_equal(again["output"].W, trained(2)["output"].W)


# labels and values ----------------------------------------------------------------------------

KINDS = [
    ["no", "yes"],
    [3, 8],
    [0, 1],
    [False, True],
    [1.0, 2.0],
    np.array([10, 20], np.uint8),
    np.array(["a", "b"], object),
    np.array([-1, 1], np.int8),
]


@pytest.mark.parametrize("labels", KINDS, ids=str)
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_labels_of_any_kind_come_back(labels, loss):
    X = np.array([[-1.0], [-0.5], [0.5], [1.0]])
    y = np.array(labels)[[0, 0, 1, 1]]
    net = Network([Dense(2 if loss == "cross_entropy" else 1)], loss=loss)
    net.fit(X, y, optimizer=SGD(1.0), epochs=50, **QUIET)
    predicted = net.predict(X)
    assert predicted.tolist() == y.tolist()
    assert predicted.dtype == (y.dtype if y.dtype != object else predicted.dtype)
    assert net.classes.tolist() == list(labels)
    p = net.predict_proba(X)
    assert p.shape == (4, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert (p.argmax(axis=1) == [0, 0, 1, 1]).all()
    assert net.evaluate(X, y)["accuracy"] == 1.0
    net.fit(X, y[::-1][::-1], epochs=1, **QUIET)
    with pytest.raises(DataError, match=r"is not among the classes|but the network's classes are"):
        net.fit(X, ["no", "yes", "maybe", "no"], epochs=1, **QUIET)


def test_labels_below_the_number_of_outputs_are_places():
    net = Network([Dense(4)], loss="cross_entropy")
    net.fit(numbers(6, 2), [0, 1, 1, 3, 0, 1], epochs=1, **QUIET)
    assert net.classes.tolist() == [0, 1, 2, 3]


def test_one_hot_rows_are_labels():
    X, t = numbers(12, 3), np.arange(12) % 4
    first, second = (Network([Dense(4)], loss="cross_entropy") for _ in range(2))
    first.fit(X, t, epochs=2, **QUIET)
    history = second.fit(X, np.eye(4)[t], epochs=2, validation_data=(X, np.eye(4)[t]), **QUIET)
    np.testing.assert_array_equal(first["output"].W, second["output"].W)
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert len(history.val_accuracy) == 2


def test_one_hot_rows_keep_the_labels_of_an_earlier_fit():
    net = Network([Dense(2)], loss="cross_entropy")
    X, y = numbers(8, 2), np.array(["no", "yes"] * 4)
    net.fit(X, y, epochs=1, **QUIET)
    expected = net.evaluate(X, y)
    assert net.evaluate(X, np.eye(2)[np.arange(8) % 2]) == expected
    net.fit(X, np.eye(2)[np.arange(8) % 2], epochs=1, **QUIET)
    assert net.classes.tolist() == ["no", "yes"]


def test_values_have_the_axes_of_y():
    X, y = numbers(12, 3), numbers(12)
    for target, shape in ((y, (7,)), (y[:, None], (7, 1)), (y.tolist(), (7,))):
        net = Network([Dense(1)], loss="mse")
        net.fit(X, target, epochs=1, **QUIET)
        assert net.predict(X[:7]).shape == shape
        assert net.predict(X[:7]).dtype == np.float32


def test_columns_of_yes_and_no():
    X = numbers(40, 2)
    Y = (X > 0).astype(int)
    net = Network([Dense(2)], loss="binary_cross_entropy")
    net.fit(X, Y, optimizer=SGD(1.0), epochs=100, **QUIET)
    assert (net.predict(X) == Y).mean() > 0.95
    assert net.predict_proba(X).shape == (40, 2)
    assert net.classes is None
    assert set(net.evaluate(X, Y)) == {"loss"}


def test_predictions_without_a_fit():
    net = Network([Dense(3, weights=np.eye(3))], loss="cross_entropy")
    assert net.predict(np.eye(3)[[2, 0]]).tolist() == [2, 0]
    net = Network([Dense(1, weights=[[1.0]])], loss="binary_cross_entropy")
    assert net.predict([[-1.0], [1.0]]).tolist() == [0, 1]
    np.testing.assert_allclose(net.predict_proba([[0.0]]), [[0.5, 0.5]])
    net = Network([Dense(2, weights=[[1.0, -1.0]])], loss="binary_cross_entropy")
    assert net.predict([[-1.0], [1.0]]).tolist() == [[0, 1], [1, 0]]
    net = Network([Dense(1, weights=[[2.0]])], loss="mse")
    assert net.predict([[3.0]]).tolist() == [[6.0]]
    with pytest.raises(ParameterError, match="gives no probabilities"):
        net.predict_proba([[3.0]])
    for call in (lambda n: n.predict([[1.0]]), lambda n: n.evaluate([[1.0]], [[1.0]])):
        with pytest.raises(NotFittedError, match="no weights yet"):
            call(Network([Dense(1)], loss="mse"))


def test_many_rows_are_predicted_as_few_are():
    net, _, _ = classifier(dtype="float64")
    X = numbers(CHUNK + 100, 4)
    parts = np.concatenate([net.predict_proba(X[:50]), net.predict_proba(X[50:])])
    np.testing.assert_allclose(net.predict_proba(X), parts, rtol=1e-12)
    y = net.predict(X)
    assert net.evaluate(X, y)["accuracy"] == 1.0
    y[-1] = (y[-1] + 1) % 3
    assert net.evaluate(X, y)["accuracy"] == 1 - 1 / len(X)


def test_what_people_have_is_taken():
    import polars

    X, y = numbers(12, 2), np.arange(12) % 2
    expected = Network([Dense(2)], loss="cross_entropy").fit(X, y, epochs=1, **QUIET).loss
    frame = polars.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    for given in (X.tolist(), np.asfortranarray(X), frame, np.repeat(X, 2, axis=0)[::2]):
        net = Network([Dense(2)], loss="cross_entropy")
        assert net.fit(given, polars.Series(y), epochs=1, **QUIET).loss == expected


def test_numbers_whose_sum_overflows_are_finite():
    X = np.full((4, 2), 3e38, np.float32)
    assert (
        Network([Dense(2, weights=np.eye(2) * 1e-38)], loss="mse").predict(X).tolist()
        == (X * np.float32(1e-38)).tolist()
    )


# bad input ------------------------------------------------------------------------------------

X4, Y4 = np.ones((4, 2)), np.array([0, 1, 0, 1])
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (
            np.ones(4),
            Y4,
            ShapeError,
            "expected shape \\(rows, inputs\\), got \\(4,\\). One column: X.reshape",
        ),
        (np.ones((4, 2, 2)), Y4, ShapeError, "Flatten each sample"),
        (np.float64(3), Y4, ShapeError, "got \\(\\)"),
        (np.ones((4, 3)), Y4, ShapeError, "the network has 2 inputs, got 3 columns"),
        (np.ones((0, 2)), [], DataError, "X: is empty"),
        (np.ones((4, 0)), Y4, DataError, "X: is empty"),
        ([[1, 2], [3]], Y4, ShapeError, "rows differ in length"),
        ([["a", "b"]] * 4, Y4, DTypeError, "text such as .*'a'"),
        (np.array([[1, None]] * 4), Y4, DTypeError, "objects such as 1"),
        (np.ones((4, 2), complex), Y4, DTypeError, "expected numbers, got complex128"),
        (np.zeros((4, 2), "M8[s]"), Y4, DTypeError, "expected numbers, got datetime64"),
        (
            [[1, 2], [NAN, 2], [3, 4], [NAN, 4]],
            Y4,
            DataError,
            "holds NaN, first in row 1, column 0 \\(2 of 8",
        ),
        ([[1, 2], [3, 4], [5, INF], [-INF, 8]], Y4, DataError, "holds infinity, first in row 2, column 1"),
        ([[1, 1e39]] * 4, Y4, DataError, "1e\\+39 in row 0, column 1 is too large for float32"),
        (X4, [0, 1, 0], ShapeError, "y: has 3 rows, X has 4"),
        (X4, [], DataError, "y: is empty"),
        (X4, 1, ShapeError, "y: expected one or two axes, got shape \\(\\)"),
        (X4, np.zeros((4, 1, 1)), ShapeError, "expected one or two axes"),
        (X4, [0, 1, NAN, 1], DataError, "y: holds NaN or infinity"),
        (X4, [0, 1, INF, 1], DataError, "y: holds NaN or infinity"),
        (X4, [0, 1, 0.5, 1], DataError, "0.5 is no class label.*Use loss='mse'"),
        (X4, ["a", "b", "c", "a"], DataError, "needs 2 classes, one an output; there are 3: 'a', 'b', 'c'"),
        (X4, ["a"] * 4, DataError, "there are 1: 'a'"),
        (X4, list(range(100, 104)), DataError, "there are 4: 100, 101, 102, 103"),
        (X4, np.array(["a", None, "b", "a"], object), DataError, "1 of 4 entries are missing"),
        (X4, np.array(["a", 1, "b", "a"], object), DTypeError, "several kinds.*int, str"),
        (X4, np.array([{}, {}, {}, {}]), DTypeError, "cannot be a target: dict"),
        (X4, Y4 * 1j, DTypeError, "got complex128"),
        (X4, np.zeros(4, "M8[s]"), DTypeError, "got datetime64"),
        (X4, Y4[:, None], ShapeError, "Labels have one axis: y.ravel\\(\\)"),
        (X4, np.eye(4), ShapeError, "the network has 2 outputs, got shape \\(4, 4\\)"),
        (X4, np.full((4, 2), 0.5), DataError, "must be one-hot"),
        (X4, np.ones((4, 2)), DataError, "must be one-hot"),
        (X4, np.full((4, 2), NAN), DataError, "must be one-hot"),
        (X4, np.full((4, 2), "a"), DataError, "must be one-hot"),
    ],
)
def test_classifiers_refuse_bad_data_and_stay_as_they_are(X, y, error, message):
    net = Network([Dense(2, weights=np.eye(2))], loss="cross_entropy")
    before = net.__getstate__()
    with pytest.raises(error, match=message):
        net.fit(X, y, **QUIET)
    assert net.__getstate__() == before
    np.testing.assert_array_equal(net["output"].W, np.eye(2))


@pytest.mark.parametrize(
    ("loss", "outputs", "y", "error", "message"),
    [
        ("mse", 1, ["a"] * 4, DTypeError, "loss mse needs numbers, got text such as"),
        ("mse", 1, [1, NAN, 2, 3], DataError, "y: holds NaN, first in row 1, column 0"),
        ("mse", 1, [1, 2, 3, 1e39], DataError, "too large for float32"),
        ("mse", 3, Y4, ShapeError, "has 3 outputs, got shape \\(4,\\).*one-hot"),
        ("mse", 3, np.ones((4, 2)), ShapeError, "expected \\(4, 3\\)"),
        ("binary_cross_entropy", 1, [0, 1, 2, 1], DataError, "needs two classes; there are 3"),
        ("binary_cross_entropy", 2, Y4, ShapeError, "y needs shape \\(4, 2\\)"),
        (
            "binary_cross_entropy",
            1,
            [[0], [2], [1], [1]],
            DataError,
            "from 0 to 1, got 2.0 in row 1",
        ),
    ],
)
def test_targets_that_do_not_suit_the_loss(loss, outputs, y, error, message):
    with pytest.raises(error, match=message):
        Network([Dense(outputs)], loss=loss).fit(X4, y, **QUIET)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch_size": 0}, ParameterError, "batch_size must be a positive int, got 0"),
        ({"batch_size": -1}, ParameterError, "got -1"),
        ({"batch_size": 2.0}, ParameterError, "got 2.0"),
        ({"epochs": 0}, ParameterError, "epochs must be a positive int, got 0"),
        ({"epochs": None}, ParameterError, "got None"),
        ({"seed": -1}, ParameterError, "seed must be an int"),
        ({"engine": "nunba"}, UnknownNameError, "engine 'nunba' is unknown; did you mean 'numba'"),
        ({"optimizer": "Adma"}, UnknownNameError, "did you mean 'adam'"),
        ({"optimizer": 0.1}, ParameterError, "optimizer must be one such as"),
        ({"callbacks": [print]}, ParameterError, "must have a method such as on_epoch_end"),
        ({"validation_data": X4}, ParameterError, "must be a pair \\(X, y\\)"),
        ({"validation_data": (np.ones((4, 3)), Y4)}, ShapeError, "validation X: the network has 2 inputs"),
        ({"validation_data": (X4, [0, 1])}, ShapeError, "validation y: has 2 rows"),
        ({"validation_data": (X4, [0, 1, 2, 3])}, DataError, "validation y: label 2 is not among"),
        ({"validation_data": (X4 * NAN, Y4)}, DataError, "validation X: holds NaN"),
    ],
)
def test_fit_refuses_bad_arguments(settings, error, message):
    net = Network([Dense(2)], loss="cross_entropy")
    with pytest.raises(error, match=message):
        net.fit(X4, Y4, **{**QUIET, **settings})
    assert not net.built


def test_columns_where_labels_were_learned_and_the_other_way_round():
    net = Network([Dense(1)], loss="binary_cross_entropy")
    net.fit(X4, Y4[:, None], epochs=1, **QUIET)
    net.fit(X4, ["no", "yes", "no", "yes"], epochs=1, **QUIET)
    assert net.classes.tolist() == ["no", "yes"]


# history, progress, callbacks -----------------------------------------------------------------


def test_validation_is_measured_after_each_epoch():
    X, y = numbers(30, 4), np.arange(30) % 3
    Xv, yv = numbers(10, 4, seed=8), np.arange(10) % 3
    net, _, _ = classifier()
    measured = []

    class Watch:
        def on_epoch_end(self, network, history):
            assert network is net
            assert history.epochs == len(measured) + 1
            measured.append((network.evaluate(Xv, yv), network["output"].W))

    history = net.fit(X, y, epochs=3, validation_data=(Xv, yv), callbacks=[Watch()], **QUIET)
    assert history.val_loss == [m["loss"] for m, _ in measured]
    assert history.val_accuracy == [m["accuracy"] for m, _ in measured]
    assert not np.array_equal(measured[0][1], measured[1][1])
    np.testing.assert_array_equal(measured[-1][1], net["output"].W)
    p = net.predict_proba(Xv)
    assert history.val_loss[-1] == pytest.approx(-np.log(p[np.arange(10), yv]).mean(), rel=1e-5)
    assert "val_accuracy" in repr(history)
    assert history.seconds > 0


def test_weights_are_kept_when_a_callback_fails():
    class Fail:
        def on_epoch_end(self, network, history):
            raise RuntimeError("no more")

    net = Network([Dense(2)], loss="cross_entropy")
    with pytest.raises(RuntimeError, match="no more"):
        net.fit(numbers(8, 2), Y4.repeat(2), callbacks=[Fail()], epochs=9, **QUIET)
    other = Network([Dense(2)], loss="cross_entropy")
    other.fit(numbers(8, 2), Y4.repeat(2), epochs=1, **QUIET)
    np.testing.assert_array_equal(net["output"].W, other["output"].W)


def test_progress_is_lines_where_there_is_no_terminal(capsys):
    net, _, _ = classifier()
    X, y = numbers(30, 4), np.arange(30) % 3
    net.fit(X, y, epochs=3, validation_data=(X, y), engine="numpy")
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("  loss " in line and "  val_loss " in line and "s left" in line for line in lines)
    net.fit(X, y, epochs=500, engine="numpy")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1].startswith("epoch 500/500")
    net.fit(X, y, epochs=3, **QUIET)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    net, _, _ = classifier()
    net.fit(numbers(30, 4), np.arange(30) % 3, epochs=5, engine="numpy")
    shown = capsys.readouterr().err
    assert "5/5" in shown
    assert "loss" in shown
    assert "left" in shown


def test_history_before_any_epoch():
    assert repr(History()) == "<History of 0 epochs>"
    history = History(("loss", "val_loss"))
    history.record({"loss": 2.0, "val_loss": 1.5})
    history.stop("enough")
    history.stop("a later reason")
    assert (history.epochs, history["val_loss"], history.stopped) == (1, [1.5], "enough")
    assert repr(history) == "<History of 1 epoch: loss 2 -> 2, val_loss 1.5, stopped>"


@pytest.mark.parametrize(("rate", "size"), [(1e39, "large"), (1e-60, "small")])
def test_a_learning_rate_must_fit_the_type(rate, size):
    net = Network([Dense(3)], loss="cross_entropy")
    with pytest.raises(ParameterError, match=f"is too {size} for float32"):
        net.fit(X4, [0, 1, 2, 0], optimizer=SGD(rate), **QUIET)
    assert not net.built
    wide = Network([Dense(3)], loss="cross_entropy", dtype="float64")
    assert wide.fit(X4, [0, 1, 2, 0], optimizer=SGD(1e-60), epochs=1, **QUIET).epochs == 1


def test_masked_values_are_missing():
    net = Network([Dense(1)], loss="mse")
    X = np.ma.masked_equal([[1.0], [-99.0], [3.0]], -99.0)
    with pytest.raises(DataError, match="X: 1 of 3 values is masked, that is missing"):
        net.fit(X, [1, 2, 3], **QUIET)
    with pytest.raises(DataError, match="y: 1 of 3 values is masked"):
        net.fit(X.data, X[:, 0], **QUIET)
    assert net.fit(X[[0, 2]], [1, 2], epochs=1, **QUIET).epochs == 1


def test_a_shallow_copy_shares_no_weights():
    net, _, _ = classifier()
    before = net["output"].W.copy()
    other = copy.copy(net)
    other.fit(numbers(9, 4), np.arange(9) % 3, epochs=2, **QUIET)
    np.testing.assert_array_equal(net["output"].W, before)
    assert not np.array_equal(other["output"].W, before)


@pytest.mark.parametrize("callbacks", [3, None])
def test_callbacks_must_be_a_list(callbacks):
    with pytest.raises(ParameterError, match="fit: callbacks must be a list, got"):
        Network([Dense(1)], loss="mse").fit([[1.0]], [1.0], callbacks=callbacks, **QUIET)


# Ctrl-C ---------------------------------------------------------------------------------------


class Limit:
    """Fails a fit that does not end."""

    def __init__(self, seconds=30):
        self.end = time.perf_counter() + seconds

    def on_epoch_end(self, network, history):
        if time.perf_counter() > self.end:
            pytest.fail("Ctrl-C did not end the fit")


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_ends_a_fit_and_keeps_the_weights(engine, capsys, ctrl_c):
    X, y = numbers(2000, 20), np.arange(2000) % 3
    net = Network([Dense(64, "relu"), Dense(3)], loss="cross_entropy")
    net.fit(X, y, epochs=1, engine=engine, verbose=False)
    before = net["output"].W
    sent = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, send)
    timer.start()
    try:
        history = net.fit(X, y, epochs=1_000_000, engine=engine, verbose=False, callbacks=[Limit()])
        answered = time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        timer.join()
    assert history.interrupted
    assert history.loss
    assert not np.array_equal(net["output"].W, before)
    assert np.isfinite(net["output"].W).all()
    assert f"Stopped by Ctrl-C after {history.epochs:,} of 1,000,000 epochs" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert answered < 5  # half a second is the aim, on a machine that does nothing else
    assert len(net.fit(X, y, epochs=1, engine=engine, verbose=False).loss) == 1


def test_a_program_that_handles_ctrl_c_itself_may():
    X, y = numbers(20, 2), np.arange(20) % 2
    own = []
    previous = signal.signal(signal.SIGINT, lambda *_: own.append(1))
    try:

        class Press:
            def on_epoch_end(self, network, history):
                signal.raise_signal(signal.SIGINT)

        history = Network([Dense(2)], loss="cross_entropy").fit(X, y, epochs=3, callbacks=[Press()], **QUIET)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert own == [1, 1, 1]
    assert not history.interrupted


def test_an_ignored_ctrl_c_stays_ignored(ctrl_c):
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    class Press:
        def on_epoch_end(self, network, history):
            signal.raise_signal(signal.SIGINT)

    history = Network([Dense(2)], loss="cross_entropy").fit(X4, Y4, epochs=3, callbacks=[Press()], **QUIET)
    assert history.epochs == 3
    assert not history.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_ctrl_c_twice_does_not_wait(ctrl_c):
    class Press:
        def on_epoch_end(self, network, history):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second Ctrl-C did not raise")

    net = Network([Dense(2)], loss="cross_entropy")
    assert net.fit(numbers(8, 2), Y4.repeat(2), callbacks=[Press()], epochs=3, **QUIET).interrupted


def test_fits_run_beside_the_main_thread():
    results = []

    def work():
        net = Network([Dense(2)], loss="cross_entropy")
        results.append(net.fit(numbers(8, 2), Y4.repeat(2), epochs=2, **QUIET).epochs)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [2]


def test_slices_are_short_and_begin_with_one_step():
    pace = Pace()
    assert pace.steps == 1
    pace.record(1, 1e-6)
    assert pace.steps == 16  # not 100,000 after one short step
    for _ in range(10):
        pace.record(pace.steps, pace.steps * 1e-3)
    assert pace.steps * 1e-3 == pytest.approx(SLICE_SECONDS, rel=0.02)
    pace.record(100, 60.0)
    assert pace.steps == 1


# learning -------------------------------------------------------------------------------------


def test_digits_are_learned():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.25, random_state=1)
    net = Network([Dense(64, "relu"), Dense(10)], loss="cross_entropy")
    net.fit(X_train, y_train, optimizer=Adam(0.003), epochs=40, engine="numba", verbose=False)
    assert (net.predict(X_test) == y_test).mean() >= 0.97


def test_xor_is_learned():
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
    learned = 0
    for seed in range(5):
        net = Network([Dense(8, "tanh"), Dense(1)], loss="binary_cross_entropy")
        net.fit(X, y, optimizer=Adam(0.05), epochs=500, seed=seed, **QUIET)
        learned += net.predict(X).tolist() == y
    assert learned == 5
