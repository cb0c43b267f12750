"""Large predictions in compiled loops: the same as NumPy's, however rows are cut and shared out."""

import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.native import sweep as sweeps
from chainrule.emit.native.shards import rows_apart
from chainrule.emit.native.sweep import Sweep

RNG = np.random.default_rng(0)
MEANS = np.arange(5) / 10
LAYERS = {
    "relu": lambda: [cr.Dense(9, "relu"), cr.Dense(3)],
    "tanh": lambda: [cr.Dense(9, "tanh"), cr.Dense(4, "logistic"), cr.Dense(3)],
    "normalised": lambda: [
        cr.Standardize(MEANS, np.ones(5)),
        cr.Dense(8, "gelu"),
        cr.BatchNorm(),
        cr.Dropout(0.3),
        cr.Dense(3),
    ],
    "rows": lambda: [cr.Dense(8, "softplus"), cr.LayerNorm(), cr.Maxout(5), cr.Dense(3)],
}


def built(name, dtype="float64", inputs=5):
    net = cr.Network(LAYERS[name](), loss="cross_entropy", dtype=dtype)
    X, y = RNG.normal(size=(60, inputs)), np.arange(60) % 3
    net.fit(X, y, epochs=1, engine="numpy", verbose=False)
    return net


def swept(net, tables, kinds="zps"):
    program = net._prediction(kinds)
    sweep = Sweep(program)
    weights = [net.parameters[name] for name in net.graph.parameters]
    return [list(sweep(t, weights).values()) for t in tables]


def table(rows, inputs=5, dtype="float64"):
    return [RNG.normal(size=(rows, inputs)).astype(dtype)]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-5)])
def test_any_number_of_rows_comes_out_as_from_numpy(name, dtype, rtol, monkeypatch):
    net = built(name, dtype)
    monkeypatch.setattr(sweeps, "CACHE", 8000)
    monkeypatch.setattr(sweeps, "FEWEST", 8)
    tables = [table(rows, dtype=dtype) for rows in (1, 3, 4, 31, 32, 33, 200, 517, 1, 33)]
    for found, given in zip(swept(net, tables), tables, strict=True):
        expected = [*net._outputs_of(given), given[0].sum(axis=1)]
        for ours, numpys in zip(found, expected, strict=True):
            assert ours.dtype == np.dtype(dtype)
            np.testing.assert_allclose(ours, numpys, rtol=rtol, atol=rtol)


def test_the_number_of_threads_and_of_slices_changes_no_bit(monkeypatch):
    net, given = built("tanh", "float32"), table(700, dtype="float32")
    monkeypatch.setattr(sweeps, "CACHE", 4000)
    monkeypatch.setattr(sweeps, "FEWEST", 8)
    found = []
    for threads, at_once in ((1, 1e10), (2, 1e10), (3, 1e10), (2, 1.0)):
        monkeypatch.setattr(sweeps, "thread_count", lambda threads=threads: threads)
        monkeypatch.setattr(sweeps, "SLICE", at_once)
        found.append(swept(net, [given])[0])
    for others in found[1:]:
        for ours, first in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(ours, first)


def test_several_inputs_and_outputs():
    left, right = cr.Input(3, name="left"), cr.Input(2, name="right")
    joined = cr.Concatenate()(cr.Dense(4, "relu")(left), right)
    outputs = [cr.Dense(2, name="a")(joined), cr.Dense(1, name="b")(joined)]
    net = cr.Network(outputs, loss=["mse", "mse"], dtype="float64")
    net.build(None, seed=0)
    tables = [RNG.normal(size=(50, 3)), RNG.normal(size=(50, 2))]
    for ours, numpys in zip(swept(net, [tables], "zp")[0], net._outputs_of(tables), strict=True):
        np.testing.assert_allclose(ours, numpys, rtol=1e-12)


def test_only_networks_that_keep_rows_apart_are_taken():
    def over_rows(z):
        return z - z.mean(axis=0)

    plain = built("relu")
    mixed = cr.Network([cr.Dense(3, over_rows)], loss="mse", dtype="float64")
    mixed.build(4, seed=0)
    assert rows_apart(plain._prediction("zp"))
    assert not rows_apart(mixed._prediction("zp"))
    mixed._compiled = True
    assert mixed._sweep("z", 10**9) is None


def test_buffers_of_few_numbers_of_rows_are_kept():
    net = built("relu")
    sweep = Sweep(net._prediction("z"))
    weights = [net.parameters[name] for name in net.graph.parameters]
    for rows in range(1, 30):
        sweep(table(rows), weights)
    assert list(sweep._kept) == list(range(30 - sweeps.KEPT, 30))


def test_a_compiled_fit_is_followed_by_compiled_predictions(monkeypatch):
    X, y = RNG.normal(size=(400, 5)), np.arange(400) % 3
    net = cr.Network(LAYERS["relu"](), loss="cross_entropy", dtype="float64")
    net.fit(X, y, epochs=1, engine="numpy", verbose=False)
    net.predict(X)
    assert not net._sweeps
    net.fit(X, y, epochs=1, engine="numba", verbose=False)
    monkeypatch.setattr("chainrule.training.prediction.WORTH", 1e4)
    compiled, _ = net.predict_proba(X), net.predict(X[:1])
    assert list(net._sweeps) == ["zp"]
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_allclose(again.predict_proba(X), compiled, rtol=1e-12)
    assert not again._sweeps
    net.set_parameters({"output.b": [1e3, 0, 0]})  # weights are those of the moment
    np.testing.assert_array_equal(net.predict(X), 0)
    with pytest.raises(cr.ChainruleError, match="NaN"):
        net.predict(np.where(X > 2, np.nan, X))


def test_weights_set_by_hand_are_refused_in_another_shape(monkeypatch):
    monkeypatch.setattr("chainrule.training.prediction.WORTH", 1e4)
    X, y = RNG.normal(size=(400, 5)), np.arange(400) % 3
    model = cr.MLPClassifier((5,), engine="numba", tol=1e9, n_iter_no_change=1, random_state=0).fit(X, y)
    model.coefs_[1] = model.coefs_[1].T
    for rows in (X, X[:1]):  # by compiled loops and by NumPy
        with pytest.raises(cr.ChainruleError, match=r"input W2: expected shape \(5, 3\), got \(3, 5\)"):
            model.predict(rows)
    assert model._network._sweeps


def test_an_estimator_sees_what_is_not_finite(monkeypatch):
    monkeypatch.setattr("chainrule.training.prediction.WORTH", 1e4)
    X, y = RNG.normal(size=(400, 5)).astype("float32"), np.arange(400) % 3
    settings = {"engine": "numba", "max_iter": 20, "tol": 1e9, "n_iter_no_change": 1}
    model = cr.MLPClassifier(**settings, random_state=0).fit(X, y)
    by_numpy = pickle.loads(pickle.dumps(model)).predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X), by_numpy, rtol=1e-5)
    assert "ps" in model._network._sweeps
    large = X.copy()
    large[5] = 2e38  # finite, but no more so in sum
    assert model.predict(large).shape == (400,)
    large[5, 1] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        model.predict(large)
