"""Starting: LSUV, the finder of learning rates, signals by layer, one batch by heart, dry runs."""

import copy
import json
import math
import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits

import chainrule as cr
from chainrule.errors import DataError, MissingExtraError, ParameterError, UnknownNameError
from chainrule.model.overfitting import least_loss
from chainrule.training.loop import Loop
from chainrule.training.rate_finder import ended, report_of, valley


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X[:600] - 8) / 8, y[:600]


def deep(activation="relu", layers=12, units=24, **settings):
    hidden = [cr.Dense(units, activation, **settings) for _ in range(layers)]
    return cr.Network([*hidden, cr.Dense(10)], loss="cross_entropy")


def everything(net):
    """All that a network is, in bytes."""
    return pickle.dumps(
        (net.parameters, net.metadata, net._sizes, net._codings, repr(net.optimizer), repr(net))
    )


# LSUV -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "selu", "mish", "hard_tanh"])
def test_every_layer_s_sums_have_variance_1(digits, activation):
    X, y = digits
    net = deep(activation)
    report = net.build_lsuv(X, rows=len(X))
    step = net._step(X, y)
    names = [f"z{k}" for k in range(1, 14)]
    found = {node.name: node for node in cr.graph.tensor.topological([step.loss])}
    for name, z, layer in zip(names, step.values([found[n] for n in names]), report.layers, strict=True):
        assert abs(float(np.var(z, dtype=np.float64)) - layer.after) < 1e-5, name
        assert abs(layer.after - 1) <= 0.01
        W = net[layer.layer].W.astype(np.float64) / layer.factor
        small = W @ W.T if W.shape[0] < W.shape[1] else W.T @ W
        np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


def test_lsuv_is_drawn_from_the_seed(digits):
    X, _ = digits
    first, again, other = deep(), deep(), deep()
    for net, seed in ((first, 3), (again, 3), (other, 4)):
        net.build_lsuv(X, seed=seed)
    assert all(
        (a == b).all() for a, b in zip(first.parameters.values(), again.parameters.values(), strict=True)
    )
    assert (first["hidden1"].W != other["hidden1"].W).any()


def test_lsuv_through_a_wired_network_with_all_kinds_of_layers(digits):
    X, _ = digits
    a, b = cr.Input(name="a"), cr.Input(name="b")
    shared = cr.Dense(8, "tanh", name="shared")
    h = cr.Add()(shared(a), shared(b))
    m = cr.Maxout(6)(cr.Dropout(0.3)(cr.BatchNorm()(cr.Dense(16, "relu")(h))))
    fixed = cr.Dense(4, weights=np.ones((6, 4)), name="fixed")(m)
    net = cr.Network(
        [cr.Dense(3, bias=[0.0, 0.5, -0.5])(fixed), cr.Dense(1)(h)], loss=["cross_entropy", "mse"]
    )
    report = net.build_lsuv([X[:, :32], X[:, 32:]])
    weighted = [name for name, layer in zip(net.names, net.layers, strict=True) if hasattr(layer, "init")]
    assert sorted(layer.layer for layer in report.layers) == sorted(set(weighted) - {"fixed"})
    assert all(abs(layer.after - 1) <= 0.01 for layer in report.layers)
    by_name = {layer.layer: layer for layer in report.layers}
    assert by_name["output1"].rounds > 1  # biases that vary make it take several
    np.testing.assert_array_equal(net["fixed"].W, 1)
    assert str(report).splitlines()[-1] == "Variances of the weighted sums of 512 rows."
    assert max(map(len, str(report).splitlines())) <= 80


@pytest.mark.parametrize(
    ("X", "layers", "message"),
    [
        (np.zeros((9, 4)), [cr.Dense(3)], "sums of output are the same for all rows and units"),
        (
            np.ones((9, 4)),
            [cr.Dense(3, "relu", weights=-np.ones((4, 3)), bias=False, name="dead"), cr.Dense(2, bias=False)],
            "sums of output are the same for all rows and units .* all units before it dead",
        ),
        (np.full((9, 99), 3e38), [cr.Dense(3), cr.Dense(1)], "sums of hidden1 are not finite"),
        (np.eye(9), [cr.Dense(2, bias=[0.0, 100.0])], "after 10 rounds .* its biases vary too much"),
    ],
)
def test_lsuv_says_where_there_is_nothing_to_scale(X, layers, message):
    net = cr.Network(layers, loss="mse")
    with pytest.raises(DataError, match=message):
        net.build_lsuv(X)
    assert not net.built


def test_lsuv_refuses_what_it_cannot_take(digits):
    X, _ = digits
    net = deep()
    net.build(64)
    with pytest.raises(ParameterError, match=r"has its weights already\. Call reset"):
        net.build_lsuv(X)
    for named, value in (("rows", 0), ("tolerance", 0), ("tolerance", 1), ("max_iterations", 0)):
        with pytest.raises(ParameterError, match=f"build_lsuv: {named}"):
            deep().build_lsuv(X, **{named: value})
    with pytest.raises(ParameterError, match=r"Call net.build_lsuv\(X\) before fit"):
        cr.Dense(3, init="lsuv")


def test_estimators_start_with_it(digits):
    X, y = digits
    model = cr.MLPClassifier((20, 20), init="lsuv", random_state=0, max_iter=1, solver="sgd", batch_size=600)
    with pytest.warns(Warning, match="iterations"):
        model.fit(X, y)
    step = model.network_._step(X, y)
    z = next(n for n in cr.graph.tensor.topological([step.loss]) if n.name == "z2")
    assert abs(float(np.var(step.values([z])[0])) - 1) < 0.1  # one small step later


# the learning rate ------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_finding_a_rate_changes_nothing(digits, built, engine):
    X, y = digits
    net = cr.Network(
        [cr.Dense(16, "relu"), cr.Dropout(0.2), cr.BatchNorm(), cr.Dense(10)], loss="cross_entropy"
    )
    if built:
        net.fit(X, y, epochs=1, optimizer=cr.Adam(), engine="numpy", verbose=False)
        net.metadata["mine"] = 1
    before, past = everything(net), copy.deepcopy(net._past)
    report = net.find_learning_rate(X, y, optimizer="rmsprop", engine="numpy")
    assert everything(net) == before
    if built:
        history = net.fit(X, y, epochs=1, optimizer=cr.Adam(), engine="numpy", verbose=False, go_on=True)
        assert history.epochs == 1
        assert past.steps == net._past.steps - 19
    assert 1e-4 < report.suggestion < 0.1


def test_both_engines_find_the_same(digits):
    X, y = digits
    found = [deep(layers=1).find_learning_rate(X, y, engine=engine) for engine in ("numpy", "numba")]
    assert found[0].suggestion == found[1].suggestion
    np.testing.assert_allclose(found[0].losses[:60], found[1].losses[:60], rtol=1e-4)


@pytest.mark.parametrize(
    ("optimizer", "low", "high"), [("sgd", 0.02, 0.5), ("adam", 1e-3, 0.03), ("lion", 3e-4, 0.03)]
)
def test_the_suggested_rate_trains_well(digits, optimizer, low, high):
    X, y = digits
    report = deep(layers=1).find_learning_rate(X, y, optimizer=optimizer)
    assert low < report.suggestion < high
    assert report.suggestion == report.lowest / 2
    assert report.steepest < report.lowest
    rule = type(cr.optim.rules.make_optimizer(optimizer, {}))(report.suggestion)
    net = deep(layers=1)
    history = net.fit(X, y, optimizer=rule, epochs=8, engine="numpy", verbose=False)
    assert history.loss[-1] < 0.35


def test_the_losses_are_those_of_a_fit_with_these_rates(digits):
    """Step by step, with weights, dropout and a batch that is cut short."""
    X, y = digits
    weights = np.linspace(0.5, 2, len(X))
    given = {
        "batch_size": 64,
        "seed": 5,
        "engine": "numpy",
        "sample_weight": weights,
        "class_weight": "balanced",
    }
    layers = [cr.Dense(16, "relu"), cr.Dropout(0.3), cr.Dense(10, l2=0.01)]
    report = cr.Network(layers, loss="cross_entropy").find_learning_rate(
        X, y, optimizer=cr.SGD(1.0, momentum=0.9), low=1e-4, high=0.1, steps=25, **given
    )
    np.testing.assert_allclose(report.rates, np.geomspace(1e-4, 0.1, 25), rtol=1e-12)

    class Rising(cr.schedules.Schedule):
        def rates(self, steps, course):
            return 1e-4 * 1000 ** (steps / 24)

    net = cr.Network(layers, loss="cross_entropy")
    with pytest.MonkeyPatch.context() as patch:
        seen = []
        real = Loop._steps
        patch.setattr(Loop, "_steps", lambda *a: seen.append(real(*a)) or seen[-1])
        net.fit(X, y, optimizer=cr.SGD(Rising(1e-4), momentum=0.9), epochs=3, verbose=False, **given)
    np.testing.assert_allclose(report.losses, np.concatenate(seen)[:25], rtol=1e-6)


def test_sparse_rows_and_several_tables(digits):
    from scipy.sparse import csr_array

    X, y = digits
    dense = deep(layers=1).find_learning_rate(X, y, engine="numpy")
    sparse = deep(layers=1).find_learning_rate(csr_array(X), y, engine="numpy")
    np.testing.assert_allclose(sparse.losses, dense.losses, rtol=1e-4)
    a, b = cr.Input(name="a"), cr.Input(name="b")
    net = cr.Network(cr.Dense(10)(cr.Concatenate()(a, b)), loss="cross_entropy")
    assert net.find_learning_rate({"a": X[:, :20], "b": X[:, 20:]}, y, optimizer="sgd").suggestion > 0


def test_where_nothing_falls_no_rate_is_suggested():
    X, y = np.zeros((64, 2)), np.arange(64) % 2
    report = cr.Network([cr.Dense(2)], loss="cross_entropy").find_learning_rate(X, y, high=1e-3)
    assert report.suggestion is None
    assert "No rate is suggested" in str(report)
    assert report.to_json()["suggestion"] is None


def test_a_loss_that_is_not_finite_ends_the_test(digits):
    X, y = digits
    net = cr.Network([cr.Dense(8, "relu"), cr.Dense(1)], loss="mse")
    report = net.find_learning_rate(1e3 * X, y.astype(float), optimizer="sgd", low=1e-10, high=1e10)
    assert len(report.losses) < 200
    json.dumps(report.to_json(), allow_nan=False)
    assert max(map(len, str(report).splitlines())) <= 80


def test_the_valley_is_the_first_one_and_noise_is_none():
    rates = np.geomspace(1e-5, 10, 200)
    x = np.log10(rates)
    curve = 2 - np.clip(x + 4, 0, 2) * 0.8 + 3 * np.maximum(x + 1.5, 0)
    noise = np.random.default_rng(0).normal(0, 0.5, 200)
    report = report_of(rates, curve + noise, 2 + noise, "SGD")
    assert 5e-3 < report.lowest < 5e-2
    two = np.concatenate([np.linspace(2, 1, 50), np.linspace(1, 1.6, 30), np.linspace(1.6, 0.5, 50)])
    assert valley(two, 2.0) == 49
    assert valley(np.full(20, 2.0), 2.0) is None
    assert ended([1.0] * 30) == 0
    assert ended([1.0] * 30 + [math.nan]) == 31
    assert 31 < ended([1.0] * 30 + [50.0] * 9) < 40 or ended([1.0] * 30 + [50.0]) == 31


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low": 0}, "find_learning_rate: low"),
        ({"low": 1, "high": 1}, "find_learning_rate: high"),
        ({"steps": 19}, "steps must be at least 20, got 19"),
        ({"batch_size": 0}, "find_learning_rate: batch_size"),
        ({"optimizer": cr.LBFGS()}, "LBFGS finds the length of its steps itself"),
        ({"optimizer": "rprop"}, "Rprop finds the length of its steps itself"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_tested_is_refused(digits, settings, message):
    with pytest.raises(ParameterError, match=message):
        deep().find_learning_rate(*digits, **settings)
    with pytest.raises(UnknownNameError, match="engine"):
        deep().find_learning_rate(*digits, engine="gpu")


def test_the_test_is_drawn(digits, monkeypatch):
    report = deep(layers=1).find_learning_rate(*digits)
    (axes,) = cr.plots.learning_rates(report).axes
    assert axes.get_xscale() == "log"
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), report.smoothed)
    assert axes.lines[3].get_xdata()[0] == report.suggestion
    monkeypatch.setattr("chainrule.checks.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="plot"):
        cr.plots.learning_rates(report)


# signals ----------------------------------------------------------------------------------------


def test_signals_are_what_numpy_gives(digits):
    X, y = digits
    net = deep("tanh", 3)
    net.build(64, seed=1)
    found = net.signals(X, y)
    a, units = X.astype(np.float32), ["hidden1", "hidden2", "hidden3"]
    values = []
    for name in units:
        a = np.tanh(a @ net[name].W + net[name].b)
        values.append(a)
    z = a @ net["output"].W + net["output"].b
    p = np.exp(z - z.max(1, keepdims=True))
    d = (p / p.sum(1, keepdims=True) - np.eye(10)[y]) / len(X)
    for name, value in zip(["output", *units[::-1]], [z, *values[::-1]], strict=True):
        layer = next(x for x in found.layers if x.layer == name)
        np.testing.assert_allclose([layer.mean, layer.std], [value.mean(), value.std()], rtol=1e-4, atol=1e-6)
        assert math.isclose(layer.gradient, math.sqrt((d**2).mean()), rel_tol=1e-3)
        W = net[name].W
        d = d @ W.T if name == "output" else (d * (1 - value**2)) @ W.T
    assert max(map(len, str(found).splitlines())) <= 80


@pytest.mark.parametrize(
    ("init", "low", "high"), [("glorot", 0, 1e-3), ("he", 0.1, 10), (cr.inits.Normal(1.0), 1e6, 1e40)]
)
def test_signals_vanish_and_explode_with_depth(digits, init, low, high):
    X, y = digits
    net = deep(layers=30, init=init)
    net.build(64, seed=0)
    found = net.signals(X, y)
    assert low < found.forward < high
    assert low < found.backward < high


def test_signals_are_drawn(digits):
    X, y = digits
    net = deep(layers=4)
    net.build(64)
    found = net.signals(X, y)
    forward, backward = cr.plots.signals({"he": found, "$again$": found}).axes
    np.testing.assert_allclose(forward.lines[0].get_ydata(), [x.std for x in found.layers[:-1]])
    np.testing.assert_allclose(backward.lines[1].get_ydata(), [x.gradient for x in found.layers[:-1]])
    assert len(cr.plots.signals(found).axes[0].lines) == 1
    for wrong in ({}, dict.fromkeys(map(str, range(11)), found)):
        with pytest.raises(ParameterError, match=f"room for 1 to 10 networks, got {len(wrong)}"):
            cr.plots.signals(wrong)


# one batch by heart -----------------------------------------------------------------------------


def test_a_network_that_can_learn_does(digits):
    X, y = digits
    net = cr.Network(
        [cr.Dense(32, "relu", l2=1.0), cr.Dropout(0.8), cr.Dense(10, l1=1.0)], loss="cross_entropy"
    )
    before = everything(net)
    report = net.overfit_one_batch(X, y, optimizer=cr.Adam(0.01), rows=20)
    assert report
    assert report.last <= report.wanted < report.first
    assert report.rows == 20
    assert report.diagnosis is None
    assert "learned by heart" in str(report)
    assert everything(net) == before


def test_one_that_cannot_learn_is_told_why(digits):
    X, y = digits
    report = deep(layers=1).overfit_one_batch(np.ones_like(X), y, steps=30)
    assert not report
    assert "constant_inputs" in report.diagnosis.kinds
    assert "It is not learned" in str(report)
    assert "Constant inputs" in str(report)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["learned"] is False
    assert max(map(len, str(report).splitlines())) <= 80
    slow = deep(layers=1).overfit_one_batch(X, y, optimizer=cr.Adam(1e-4), steps=40)
    if not slow.diagnosis.findings:
        assert "Try find_learning_rate" in str(slow)


@pytest.mark.parametrize(
    ("loss", "least"),
    [("mse", 0.0), (cr.losses.Poisson(), None), (cr.losses.CrossEntropy(label_smoothing=0.1), None)],
)
def test_the_least_loss_is_the_target(digits, loss, least):
    """Some losses are not 0 for the right answer: what counts is how near they come to their least."""
    X, y = digits
    classes = isinstance(loss, cr.losses.CrossEntropy)
    net = cr.Network([cr.Dense(32, "tanh"), cr.Dense(10 if classes else 1)], loss=loss)
    report = net.overfit_one_batch(X, y if classes else y.astype(float), optimizer=cr.Adam(0.02), rows=16)
    assert report
    if least is not None:
        assert abs(report.least - least) < 1e-6
    elif classes:
        q = np.array([0.91, *[0.01] * 9])
        assert math.isclose(report.least, -(q * np.log(q)).sum(), rel_tol=1e-3)
    else:
        assert report.least < 0


def test_what_cannot_be_overfitted_is_refused(digits):
    X, y = digits
    for named, value in (("rows", 0), ("steps", 0), ("share", 0), ("share", 1)):
        with pytest.raises(ParameterError, match=f"overfit_one_batch: {named}"):
            deep().overfit_one_batch(X, y, **{named: value})
    with pytest.raises(ParameterError, match="one row is learned by any network"):
        deep().overfit_one_batch(X[:1], y[:1])
    assert callable(least_loss)


# dry runs ---------------------------------------------------------------------------------------


def test_a_dry_run_tells_what_the_fit_will_be_and_changes_nothing(digits, tmp_path):
    X, y = digits
    net = cr.Network([cr.Dense(16, "relu"), cr.Dropout(0.2), cr.Dense(10)], loss="cross_entropy")
    callbacks = [
        cr.Checkpoint(tmp_path / "runs" / "first"),
        cr.CSVLogger(tmp_path / "log.csv"),
        cr.EarlyStopping("val_f1_macro", patience=3),
    ]
    before = everything(net)
    settings = {
        "epochs": 40,
        "batch_size": 50,
        "validation_data": (X[:99], y[:99]),
        "metrics": "f1_macro",
        "class_weight": "balanced",
        "sample_weight": np.linspace(1, 2, len(X)),
        "callbacks": callbacks,
        "seed": 3,
    }
    report = net.dry_run(X, y, **settings)
    assert everything(net) == before
    assert list(tmp_path.iterdir()) == []
    assert callbacks[2].best_epoch == 0
    assert report
    assert (report.rows, report.batch_size, report.epochs, report.steps) == (600, 50, 40, 480)
    assert report.parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert set(report.measures) == {"val_loss", "val_accuracy", "val_f1_macro"}
    assert len(report.callbacks) == 3
    assert report.losses[1] < report.losses[0] < 4
    expected = 40 * (12 * report.step_seconds + report.validation_seconds)
    assert math.isclose(report.seconds, expected)
    assert 4 * report.parameters < report.memory < 2**24
    assert max(map(len, str(report).splitlines())) <= 80
    json.dumps(report.to_json(), allow_nan=False)
    history = net.fit(X, y, **settings | {"epochs": 1}, verbose=False)
    assert history.engine == report.engine


def test_a_dry_run_refuses_what_the_fit_would(digits, tmp_path):
    X, y = digits
    (tmp_path / "file").write_text("")
    wrong = [
        ({"epochs": 0}, "fit: epochs"),
        ({"callbacks": [cr.EarlyStopping("val_loss")]}, "there is no measure 'val_loss'"),
        ({"callbacks": [cr.Checkpoint(tmp_path / "file" / "x")]}, "is not a folder"),
        ({"callbacks": [cr.Checkpoint(tmp_path, best="val_f1")]}, "there is no measure 'val_f1'"),
        ({"callbacks": [cr.CSVLogger(tmp_path / "none" / "log.csv")]}, "there is no folder"),
        ({"metrics": "f1_macro"}, "metrics are measured on validation data"),
        ({"record": cr.Ledger("output.W[0, 0]")}, "leave record out|Leave record out"),
        ({"resume": True}, "resume=True needs to know the folder"),
    ]
    for settings, message in wrong:
        with pytest.raises((ParameterError, cr.errors.CheckpointError), match=message):
            deep().dry_run(X, y, **settings)
    with pytest.raises(DataError, match="NaN"):
        deep().dry_run(np.full_like(X, np.nan), y)


def test_a_dry_run_tries_rows_of_which_some_class_or_weight_is_missing():
    X, y = np.random.default_rng(0).normal(size=(300, 4)), np.arange(300) // 100
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(3)], "cross_entropy")
    for given in ({"sampling": {0: 0.2, 1: 0.2, 2: 0.6}}, {"sample_weight": y}):
        assert net.dry_run(X, y, epochs=3, engine="numpy", **given).ok


@pytest.mark.parametrize("trial", ["dry_run", "find_learning_rate", "overfit_one_batch"])
def test_trials_refuse_streams(trial):
    net = cr.Network([cr.Dense(1)], "mse")
    with pytest.raises(ParameterError, match=f"{trial}: X must be a table, got the stream"):
        getattr(net, trial)(lambda: iter([]), None)


def test_a_dry_run_of_a_fit_that_resumes_leaves_its_folder(digits, tmp_path):
    X, y = digits
    settings = {"callbacks": [cr.Checkpoint(tmp_path)], "engine": "numpy", "optimizer": "sgd"}
    net = deep(layers=1)
    net.fit(X, y, epochs=2, verbose=False, **settings)
    there = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert deep(layers=1).dry_run(X, y, epochs=5, resume=True, **settings)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == there
    with pytest.raises(cr.errors.CheckpointError, match="another fit"):
        deep(layers=2).dry_run(X, y, epochs=5, resume=True, **settings)


def test_a_dry_run_sees_numbers_that_are_not_finite(digits):
    X, y = digits
    report = deep(layers=2).dry_run(X, y, optimizer=cr.SGD(1e30))
    assert not report
    assert "infinite" in report.problem or "NaN" in report.problem
    assert str(report).splitlines()[-1].startswith("PROBLEM: in epoch 1, step")
    assert report.to_json()["seconds"] is None


def test_a_dry_run_of_a_rule_on_all_rows_and_of_callbacks_of_one_s_own(digits):
    X, y = digits

    class Mine:
        def on_epoch_end(self, network, history):
            raise AssertionError("a dry run calls no callback")

    report = deep(layers=1).dry_run(X, y, optimizer="lbfgs", epochs=7, callbacks=[Mine()])
    assert report
    assert report.batch_size == len(X)
    assert report.steps == 7
    assert report.callbacks == []


# the command line -------------------------------------------------------------------------------


def test_trials_on_the_command_line(run, tmp_path):
    out, _ = run("train", "iris", "--find-rate", "--optimizer", "sgd", "--plot", "rate.png")
    assert "Suggested for SGD" in out
    assert (tmp_path / "rate.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads(run("train", "iris", "--find-rate", "--json")[0])
    assert 0 < found["suggestion"] < 1
    assert json.loads(run("train", "iris", "--overfit-batch", "--json")[0])["learned"] is True
    out, _ = run(
        "train", "iris", "--dry-run", "--log", "log.csv", "--checkpoint", "runs", "--model", "x.chainrule"
    )
    assert "Nothing was changed or written." in out
    assert [path.name for path in tmp_path.iterdir()] == ["rate.png"]
    _, err = run("train", "iris", "--dry-run", "--optimizer", "sgd", "--learning-rate", "1e30", code=2)
    assert "the training would fail: in epoch 1" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--find-rate", "--dry-run"], "--find-rate and --dry-run are two trials"),
        (["--find-rate", "--model", "x.chainrule"], "--find-rate trains nothing, and --model is for"),
        (["--overfit-batch", "--plot", "x.png"], "--overfit-batch trains nothing, and --plot is for"),
        (["--find-rate", "--log", "x.csv"], "--find-rate trains nothing, and --log is for"),
        (["--find-rate", "--optimizer", "lbfgs"], "chainrule: LBFGS finds the length of its steps itself"),
        (["--log", "x.txt"], "--log: x.txt: a log is CSV or lines of JSON"),
        (["--log", "none/x.csv"], "--log: none/x.csv: cannot be written"),
        (["--stop", "cross-validated", "--log", "x.csv"], "cross-validated and --log contradict each other"),
        (["--stop", "cross-validated", "--dry-run"], "cross-validated and --dry-run contradict each other"),
        (["--init", "lsuv", "--init-option", "gain=2"], "setting of lsuv 'gain' is unknown"),
        (["--init", "lsuv", "--init-option", "tolerance=2"], "tolerance must be above 0 and below 1"),
    ],
)
def test_contradictions_on_the_command_line(run, options, message):
    _, err = run("train", "iris", *options, code=2)
    assert message in err


def test_trainings_are_logged_by_the_command_line(run, tmp_path):
    config = tmp_path / "net.toml"
    config.write_text('[network]\ninit = { name = "lsuv", tolerance = 0.1 }\n[training]\nepochs = 3\n')
    options = (
        ["--log", "log.jsonl", "--tensorboard", "logs"] if _has("tensorboard") else ["--log", "log.jsonl"]
    )
    run("train", "iris", "--config", config, *options)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    if _has("tensorboard"):
        assert [path.name for path in (tmp_path / "logs").iterdir()] == ["run1"]


def _has(package):
    from importlib.util import find_spec

    return find_spec(package) is not None
