"""Fits that go on, sparse tables, penalties divided by rows, callbacks that need no weights."""

import copy

import numpy as np
import pytest
from scipy import sparse

import chainrule as cr
from chainrule.errors import DataError, DTypeError, ParameterError, ShapeError, UnknownNameError
from chainrule.optim.searches import minimise
from chainrule.training.plan import Plan

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(50, 6)) * (RANDOM.random((50, 6)) < 0.4)
Y = (X.sum(axis=1) > 0).astype(int)
ENGINES = ["numpy", "numba"]


def network(**settings):
    layers = [cr.Dense(5, "tanh", l2=0.3, l1=0.1), cr.Dropout(0.2), cr.Dense(2, l2=0.05)]
    return cr.Network(layers, loss="cross_entropy", dtype="float64", **settings)


def assert_same_weights(one, other, **close):
    for name, value in one.parameters.items():
        np.testing.assert_allclose(value, other.parameters[name], err_msg=name, **close)


# going on -------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "rule", [cr.Adam(0.01, late_correction=True), cr.SGD(0.1, momentum=0.9, rate_in_velocity=True)], ids=str
)
def test_a_fit_in_parts_is_the_whole_fit(rule, engine):
    settings = {"optimizer": rule, "batch_size": 8, "seed": 3, "engine": engine, "verbose": False}
    whole, parts = network(), network()
    history = whole.fit(X, Y, epochs=5, **settings)
    first = parts.fit(X, Y, epochs=2, **settings)
    parts = copy.deepcopy(parts)
    second = parts.fit(X, Y, epochs=3, go_on=True, **settings)
    assert_same_weights(parts, whole, rtol=1e-12)
    assert [*first.loss, *second.loss] == pytest.approx(history.loss, rel=1e-12)
    anew = network()
    anew.fit(X, Y, epochs=2, **settings)
    anew.fit(X, Y, epochs=3, **settings)
    assert np.abs(anew["hidden1"].W - whole["hidden1"].W).max() > 1e-3


def test_there_must_be_a_fit_of_that_optimizer_to_go_on_from():
    net = network()
    with pytest.raises(ParameterError, match=r"no fit with Adam.* to go on from: there was none"):
        net.fit(X, Y, go_on=True, verbose=False)
    net.fit(X, Y, epochs=1, verbose=False)
    net.fit(X, Y, epochs=1, optimizer=cr.Adam(0.1), go_on=True, verbose=False)  # another learning rate
    with pytest.raises(ParameterError, match=r"no fit with SGD.* to go on from: the last one's was Adam"):
        net.fit(X, Y, optimizer="sgd", go_on=True, verbose=False)
    net.reset()
    with pytest.raises(ParameterError, match="there was none"):
        net.fit(X, Y, go_on=True, verbose=False)


def test_an_epochs_loss_is_a_mean_over_batches_or_rows():
    losses = np.array([1.0, 2.0, 6.0])
    assert Plan(10, 4, 1, False, 0).mean(losses) == 3
    assert Plan(10, 4, 1, False, 0, row_means=True).mean(losses) == (4 * 1 + 4 * 2 + 2 * 6) / 10
    assert Plan(12, 4, 1, False, 0, row_means=True).mean(losses) == 3


# penalties ------------------------------------------------------------------------------------


def plain_network(**settings):
    net = cr.Network(
        [cr.Dense(4, "tanh", l1=0.2, l2=0.3), cr.Dense(2)], "cross_entropy", "float64", **settings
    )
    net.build(6, seed=1)
    return net


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weighted", [False, True])
def test_penalties_are_divided_by_the_batchs_rows(engine, weighted):
    net = plain_network(penalties="per_row")
    W, weights = net["hidden1"].W, np.linspace(0.5, 3, 50) if weighted else None
    free = cr.Network([cr.Dense(4, "tanh"), cr.Dense(2)], "cross_entropy", "float64")
    free.build(6, seed=1)
    settings = {"batch_size": 50, "epochs": 1, "sample_weight": weights, "engine": engine, "verbose": False}
    data_loss = free.fit(X, Y, **settings).loss[0]
    rows = 50 if weights is None else weights.sum()
    penalty = (0.2 * np.abs(W).sum() + 0.3 * (W**2).sum()) / rows
    assert net.fit(X, Y, **settings).loss[0] == pytest.approx(data_loss + penalty, rel=1e-12)


def test_how_penalties_count_is_saved(tmp_path):
    net = plain_network(penalties="per_row")
    net.save(tmp_path / "net")
    assert cr.load(tmp_path / "net").penalties == "per_row"
    with pytest.raises(UnknownNameError, match="penalties 'by_row' is unknown; did you mean 'per_row'"):
        plain_network(penalties="by_row")


def test_rows_that_weigh_nothing_leave_penalties_whole():
    net = plain_network(penalties="per_row")
    weights = np.r_[np.zeros(25), np.ones(25)]
    history = net.fit(X, Y, batch_size=25, epochs=1, sample_weight=weights, shuffle=False, verbose=False)
    assert np.isfinite(history.loss[0])


# sparse tables --------------------------------------------------------------------------------

KINDS = [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_tables_train_and_predict_as_dense_ones(kind, engine):
    settings = {"batch_size": 8, "epochs": 3, "engine": engine, "verbose": False}
    dense, thin = network(), network()
    expected = dense.fit(X, Y, validation_data=(X[:20], Y[:20]), **settings)
    got = thin.fit(kind(X), Y, validation_data=(kind(X[:20]), Y[:20]), **settings)
    assert_same_weights(thin, dense, rtol=0)
    assert (got.loss, got.val_loss) == (expected.loss, expected.val_loss)
    assert np.array_equal(thin.predict_proba(kind(X)), dense.predict_proba(X))
    assert thin.evaluate(kind(X), Y) == dense.evaluate(X, Y)


def test_lbfgs_makes_sparse_tables_dense():
    found = []
    for table in (X, sparse.csr_array(X)):
        net = plain_network()
        net.fit(table, Y, optimizer="lbfgs", epochs=5, verbose=False)
        found.append(net)
    assert_same_weights(*found, rtol=0)


def test_where_a_sparse_fit_diverges_is_told():
    net = cr.Network([cr.Dense(1)], loss="mse")
    with pytest.warns(RuntimeWarning, match="in epoch 1, step 2 of 2, the output of output became infinite"):
        net.fit(sparse.csr_array(1e4 * X), X[:, 0], optimizer=cr.SGD(1e30), epochs=3, verbose=False)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (
            sparse.csr_array(np.where(X > 1, np.nan, X)),
            DataError,
            "X: holds NaN, infinity, or numbers too large",
        ),
        (sparse.csr_array(X * 1e300), DataError, "numbers too large for float32"),
        (sparse.csr_array(X[:, :4]), ShapeError, "the network has 6 inputs, got 4 columns"),
        (sparse.csr_array((0, 6)), DataError, "is empty"),
        (sparse.csr_array(X.astype(complex)), DTypeError, "expected numbers, got complex128"),
        (sparse.coo_array(X[0]), ShapeError, "expected shape \\(rows, inputs\\), got \\(6,\\)"),
    ],
)
def test_sparse_tables_are_checked(table, error, message):
    net = cr.Network([cr.Dense(2)], loss="cross_entropy")
    net.build(6)
    with pytest.raises(error, match=message):
        net.predict(table)


# callbacks and limits -------------------------------------------------------------------------


@pytest.mark.parametrize("needs", [True, False])
def test_callbacks_that_need_no_weights_see_those_of_before_the_fit(needs):
    class Watcher(cr.Callback):
        needs_weights = needs

        def on_epoch_end(self, network, history):
            seen.append(network["hidden1"].W)

    seen, net = [], plain_network()
    before = net["hidden1"].W
    net.fit(X, Y, epochs=2, callbacks=[Watcher()], verbose=False)
    assert np.array_equal(seen[-1], net["hidden1"].W if needs else before)
    assert not np.array_equal(net["hidden1"].W, before)


def bowl(x):
    return float((x**4).sum()), 4 * x**3


def test_limits_of_lbfgs():
    start, go_on = np.array([3.0, -2.0]), lambda vector, loss: True
    free = minimise(bowl, start, cr.LBFGS(tolerance=1e-12), 1000, go_on)
    assert (free.converged, free.stopped) == (True, False)
    coarse = minimise(bowl, start, cr.LBFGS(tolerance=1e-12, least_gain=0.5), 1000, go_on)
    assert coarse.converged
    assert bowl(coarse.vector)[0] > bowl(free.vector)[0]
    few = minimise(bowl, start, cr.LBFGS(tolerance=1e-12, evaluations=3), 1000, go_on)
    assert not few.converged
    assert "LIMIT" in few.reason
    told = minimise(bowl, start, cr.LBFGS(), 1000, lambda vector, loss: False)
    assert (told.converged, told.stopped) == (False, True)
    nowhere = minimise(lambda x: (np.nan, x), start, cr.LBFGS(), 10, go_on)
    assert nowhere.reason == "the loss is not finite at the start"
