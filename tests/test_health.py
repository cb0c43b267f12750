"""Health of trainings: each fault is found in a network broken on purpose, and good trainings are silent."""

import json
import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from chainrule.cli.sets import BUILT_IN, COLUMNS
from chainrule.explain.health.certainty import correlation_at_least, interval, never
from chainrule.explain.health.findings import KINDS, Finding
from chainrule.explain.health.health import Course
from chainrule.explain.health.watch import LOOKS

D = cr.Dense
QUICK = {"verbose": False, "engine": "numpy"}
SEEDS = [0, 1]


def task(seed, rows=240):
    """Three classes of standard inputs."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(rows, 6))
    return X, (np.tanh(X) @ draw.normal(size=(6, 3))).argmax(axis=1)


def classifier(*hidden, classes=3):
    return cr.Network([*hidden, D(classes)], loss="cross_entropy")


def regressor(*hidden):
    return cr.Network([*hidden, D(1)], loss="mse")


def deep(layers, activation, spread=None):
    init = None if spread is None else cr.inits.Normal(spread)
    return classifier(*(D(16, activation, init=init) for _ in range(layers)))


def shallow():
    return classifier(D(16, "relu"))


def with_column(seed, make):
    X, y = task(seed)
    X[:, 2] = make(np.random.default_rng(seed), y)
    return X, y


def thousands(draw, y):
    return 1e4 * draw.normal(size=len(y))


def years(draw, y):
    return 2_000 + draw.normal(size=len(y))


def sevens(draw, y):
    return 7.0


def telling(draw, y):
    return y + 0.02 * draw.normal(size=len(y))


def rare(seed):
    X, _ = task(seed)
    return X, (np.random.default_rng(seed).random(len(X)) < 0.03).astype(int)


def repeated(seed):
    X, _ = task(seed, 40)
    return np.repeat(X, 6, axis=0), np.random.default_rng(seed).integers(0, 3, 240)


def values(seed):
    X, _ = task(seed)
    return X, X @ np.arange(6.0)


def leaking_values(seed):
    X, y = values(seed)
    X[:, 2] = np.exp(y / 10)
    return X, y


LOW = -20.0 * np.ones(16)
BROKEN = {
    "deep logistic": ("vanishing_gradients", task, lambda: deep(8, "logistic"), cr.SGD(0.1)),
    "deep logistic, Adam": ("vanishing_gradients", task, lambda: deep(10, "logistic"), cr.Adam()),
    "large weights": ("exploding_gradients", task, lambda: deep(6, "relu", 3.0), cr.SGD(1e-12)),
    "low biases": ("dead_units", task, lambda: classifier(D(16, "relu", bias=LOW)), cr.SGD(0.1)),
    "large tanh weights": ("saturated_units", task, lambda: deep(1, "tanh", 60.0), cr.SGD(0.1)),
    "SGD(1e-6)": ("rate_too_small", task, shallow, cr.SGD(1e-6)),
    "SGD(3e-5)": ("rate_too_small", task, shallow, cr.SGD(3e-5)),
    "Adam(1e-7)": ("rate_too_small", task, shallow, cr.Adam(1e-7)),
    "Adam(2e-6)": ("rate_too_small", task, shallow, cr.Adam(2e-6)),
    "SGD(30)": ("rate_too_large", task, lambda: classifier(D(16, "tanh")), cr.SGD(30.0)),
    "a linear unit": ("rate_too_large", values, lambda: regressor(), cr.SGD(1.05)),
    "a column in thousands": ("unscaled_inputs", lambda s: with_column(s, thousands), shallow, cr.Adam()),
    "a column around 2000": ("offset_inputs", lambda s: with_column(s, years), shallow, cr.Adam()),
    "a column of sevens": ("constant_inputs", lambda s: with_column(s, sevens), shallow, cr.Adam()),
    "a column of the classes": ("leakage", lambda s: with_column(s, telling), shallow, cr.Adam()),
    "a column of the values": ("leakage", leaking_values, lambda: regressor(D(16, "relu")), cr.Adam()),
    "3 rows of 100": ("imbalance", rare, lambda: classifier(D(16, "relu"), classes=2), cr.Adam()),
    "nothing passes, classes": ("one_answer", task, lambda: classifier(D(16, "relu", bias=LOW)), cr.Adam()),
    "nothing passes, values": ("one_answer", values, lambda: regressor(D(16, "relu", bias=LOW)), cr.Adam()),
    "labels drawn for copies of rows": ("conflicting_rows", repeated, shallow, cr.Adam()),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", BROKEN)
def test_what_was_broken_is_found(case, seed):
    kind, data, network, optimizer = BROKEN[case]
    X, y = data(seed)
    net = network()
    watched = seed == 0 or case == "SGD(30)"  # its weights go so far that nothing moves them any more
    health = cr.Health(X, y, verbose=False)
    batch = len(X) if case == "a linear unit" else 32
    history = net.fit(
        X,
        y,
        optimizer=optimizer,
        epochs=8,
        batch_size=batch,
        seed=seed,
        callbacks=[health] * watched,
        **QUICK,
    )
    found = net.diagnose(X, y, history=history) if case != "SGD(30)" else health.diagnosis
    told = [found, health.diagnosis] if watched else [found]
    assert all(kind in diagnosis.kinds for diagnosis in told)
    for finding in (finding for diagnosis in told for finding in diagnosis):
        assert finding.seen.endswith(".")
        assert any(letter.isdigit() for letter in finding.sure), finding.sure


def test_values_in_a_large_unit_are_found_and_the_advice_mends_it():
    X, y = values(0)
    y = 1e5 * y
    found = {}
    for last in ([], [cr.Rescale([y.mean()], [y.std()])]):
        net = cr.Network([D(16, "relu"), D(1), *last], loss="mse")
        net.fit(X, y, optimizer=cr.Adam(0.01), epochs=8, seed=0, **QUICK)
        found[len(last)] = net.diagnose(X, y)
    assert found[0].kinds == ["one_answer"]
    assert "Rescale([y.mean()], [y.std()]) as the last layer" in " ".join(str(found[0]).split())
    assert found[1].healthy


def good_sets():
    for name in ("digits", "wine", "iris", "breast-cancer", "diabetes"):
        X, y = BUILT_IN[name](name)
        if name == "diabetes":
            yield name, X, (y - y.mean()) / y.std()
        else:
            yield name, X / 16 if name == "digits" else StandardScaler().fit_transform(X), y
    yield "xor", *BUILT_IN["xor"]("xor")


GOOD = {name: (X, y) for name, X, y in good_sets()}
RULES = {
    "digits": [("relu", cr.Adam()), ("tanh", cr.SGD(0.1))],
    "wine": [("logistic", cr.Adam(0.01)), ("relu", cr.SGD(0.1)), ("gelu", cr.NAdam())],
    "iris": [("tanh", cr.Adam(0.01)), ("elu", cr.SGD(0.05, momentum=0.9)), ("relu", cr.RMSProp(0.003))],
    "breast-cancer": [
        ("relu", cr.AdamW(cr.schedules.OneCycle(0.005))), ("selu", cr.Adam()), ("softsign", cr.Adagrad(0.03)),
    ],
    "diabetes": [("relu", cr.Adam(0.01)), ("tanh", cr.SGD(0.05)), ("tanh", cr.LBFGS())],
    "xor": [("tanh", cr.Adam(0.05)), ("relu", cr.Adam(0.05)), ("tanh", cr.SGD(0.5))],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "activation", "optimizer"), [(name, a, rule) for name, own in RULES.items() for a, rule in own]
)
def test_good_trainings_are_silent(name, activation, optimizer):
    """During the training, after it, and from the weights alone, as they come from a file."""
    X, y = GOOD[name]
    output, loss = (D(1), "mse") if name == "diabetes" else (D(len(np.unique(y))), "cross_entropy")
    net = cr.Network([D(32, activation), D(16, activation), output], loss=loss)
    health = cr.Health(X, y, verbose=False)
    epochs = {"xor": 300, "digits": 8}.get(name, 30)
    history = net.fit(X, y, optimizer=optimizer, epochs=epochs, callbacks=[health], **QUICK)
    assert list(health.diagnosis) == []
    assert list(net.diagnose(X, y, history=history)) == []
    net._past = None
    assert list(net.diagnose(X, y)) == []
    assert history.loss[-1] < 0.7 * history.loss[0]  # the table is one of good trainings


def test_a_network_before_its_first_fit_is_silent():
    X, y = GOOD["wine"]
    net = cr.Network([D(16, "relu"), D(3)], loss="cross_entropy")
    net.build(13)
    assert net.diagnose(X, y).healthy


# what a diagnosis says ---------------------------------------------------------------------------


def sick():
    X, y = task(0)
    net = classifier(D(16, "relu", bias=LOW))
    net.fit(X, y, optimizer=cr.SGD(0.1), epochs=3, **QUICK)
    return net, X, y


def test_a_diagnosis_prints_in_80_columns_and_is_what_json_and_html_say():
    net, X, y = sick()
    found = net.diagnose(X, y)
    text = str(found)
    assert max(map(len, text.split("\n"))) <= 80
    assert repr(found) == text
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [finding["kind"] for finding in told["findings"]] == found.kinds == ["dead_units", "one_answer"]
    html = found._repr_html_()
    for finding in found:
        flat = " ".join(text.split())
        for part in (finding.title, finding.seen, finding.means, finding.sure, *finding.advice):
            assert part in flat
        assert finding.title in html
    assert told["rows"] == {"measured": 240, "all": 240}
    assert len(found) == 2
    assert found[0] is next(iter(found))
    assert not found.healthy


def test_names_in_html_are_escaped():
    X, y = with_column(0, lambda draw, y: 7.0)
    net = shallow()
    net.fit(X, y, epochs=1, **QUICK)
    names = ["a", "b", "<script>alert(1)</script>", "d", "e", "f"]
    html = net.diagnose(X, y, names=names)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_layers_numbers_are_those_of_the_step():
    """Against the same by hand: a linear network with mean squared error."""
    draw = np.random.default_rng(3)
    X, y, W = draw.normal(size=(50, 4)), draw.normal(size=(50, 2)), draw.normal(size=(4, 2))
    net = cr.Network([D(2, weights=W, bias=np.zeros(2))], loss="mse", dtype="float64")
    (layer,) = net.diagnose(X, y, optimizer=cr.SGD(0.1)).layers
    signal = 2 * (X @ W - y) / 100
    slopes = [X.T @ signal, signal.sum(axis=0)]
    norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
    assert layer.signal == pytest.approx(np.linalg.norm(signal), rel=1e-12)
    assert layer.gradient == pytest.approx(norm, rel=1e-12)
    assert layer.update == pytest.approx(0.1 * norm / np.linalg.norm(W), rel=1e-12)


def test_dead_and_saturated_units_are_counted():
    X, y = task(0)
    half = np.where(np.arange(16) < 12, -50.0, 0.0)
    net = classifier(D(16, "relu", bias=half), D(16, "tanh", bias=-2 * half))
    net.build(6)
    layers = net.diagnose(X, y).layers
    assert (layers[0].dead, layers[0].units) == (12, 16)
    assert (layers[1].dead, layers[1].saturated) == (0, 12)


def test_many_rows_are_sampled_and_that_is_said():
    X, y = task(0, 2_500)
    net = classifier(D(16, "relu", bias=LOW))
    net.build(6)
    found = net.diagnose(X, y)
    assert (found.rows, found.of) == (2_000, 2_500)
    assert "2,500 rows (2,000 of them drawn at random)" in str(found)
    assert "fewer than 0.15% of such rows, with 95% certainty." in found[0].sure
    assert net.diagnose(X, y).to_json() == found.to_json()


def test_networks_of_several_inputs_and_outputs_are_diagnosed():
    X, y = task(0)
    a, b = cr.Input(3), cr.Input(3, name="b")
    hidden = D(16, "relu")(cr.Concatenate()(a, b))
    net = cr.Network([D(3)(hidden), D(1)(hidden)], loss=["cross_entropy", "mse"])
    tables, targets = [X[:, :3], X[:, 3:] * [1, 1e4, 1]], [y, np.zeros(240)]
    net.fit(tables, targets, epochs=3, **QUICK)
    found = net.diagnose(tables, targets)
    assert "unscaled_inputs" in found.kinds
    assert {"hidden1", "output1", "output2"} == {layer.layer for layer in found.layers}
    tables[1][:, 1] = 5
    (finding,) = [f for f in net.diagnose(tables, targets) if f.kind == "constant_inputs"]
    assert finding.where == "b, column 1"


def test_sparse_rows_are_looked_at_as_they_are():
    """Words that come in few rows are neither constant nor badly scaled."""
    draw = np.random.default_rng(0)
    X = sparse.random_array((600, 80), density=0.02, rng=draw, format="csr")
    y = (np.asarray(X[:, :40].sum(axis=1)) > np.asarray(X[:, 40:].sum(axis=1))).astype(int)
    net = cr.Network([D(8, "relu"), D(2)], loss="cross_entropy")
    health = cr.Health(X, y, verbose=False, rows=64)
    net.fit(X, y, optimizer=cr.Adam(0.01), epochs=5, callbacks=[health], **QUICK)
    assert net.diagnose(X, y).kinds == net.diagnose(X.toarray(), y).kinds == health.diagnosis.kinds == []


def test_layers_that_scale_inputs_are_seen_through():
    X, y = task(0)
    X = X * [1, 1, 1e4, 1, 1, 1] + 3_000
    net = cr.Network(
        [cr.Standardize(X.mean(axis=0), X.std(axis=0)), D(16, "relu"), D(3)], loss="cross_entropy"
    )
    net.fit(X, y, optimizer=cr.Adam(0.01), epochs=10, **QUICK)
    assert net.diagnose(X, y).healthy
    normed = cr.Network([cr.BatchNorm(), D(16, "relu"), D(3)], loss="cross_entropy")
    normed.fit(X, y, optimizer=cr.Adam(0.01), epochs=10, **QUICK)
    assert not {"unscaled_inputs", "offset_inputs"} & set(normed.diagnose(X, y).kinds)


def test_what_cannot_be_judged_is_said():
    X, y = task(0)
    net = shallow()
    history = net.fit(X, y, optimizer=cr.Adam(cr.schedules.CosineDecay(0.01)), epochs=8, **QUICK)
    assert "changes by a schedule" in net.diagnose(X, y).skipped[0]
    assert net.diagnose(X, y, history=history).skipped == ()
    frozen = cr.Network([D(3, frozen=True)], loss="cross_entropy")
    frozen.build(6)
    assert "every weight is frozen" in frozen.diagnose(X, y).skipped[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": ["a"]}, "diagnose: 6 inputs need as many names, got 1"),
        ({"history": [1.0]}, "history must be what fit returns, got"),
        ({"batch_size": 0}, "diagnose: batch_size must be a positive int, got 0"),
        ({"seed": -1}, "seed"),
    ],
)
def test_arguments_that_are_none_are_refused(arguments, message):
    net, X, y = sick()
    with pytest.raises(cr.ChainruleError, match=message):
        net.diagnose(X, y, **arguments)


def test_a_network_without_weights_and_data_that_do_not_fit_are_refused():
    X, y = task(0)
    with pytest.raises(cr.errors.NotFittedError, match="no weights to diagnose"):
        shallow().diagnose(X, y)
    net, X, y = sick()
    with pytest.raises(cr.errors.ShapeError, match="the network has 6 inputs, got 5 columns"):
        net.diagnose(X[:, :5], y)
    with pytest.raises(cr.errors.DataError, match="label 7 is not among the classes"):
        net.diagnose(X, np.full(240, 7))
    with pytest.raises(cr.errors.ParameterError, match="Health: rows must be a positive int"):
        cr.Health(X, y, rows=0)


# numbers that are not finite ---------------------------------------------------------------------


def test_the_first_op_and_its_row_are_named():
    """An exponential overflows for one row of the data, in the layer and the unit that the row names."""
    X = np.ones((40, 1))
    X[17] = 100.0
    weights = [[0.1, 1.0, 0.2]]
    net = cr.Network([D(3, "exponential", weights=weights, bias=np.zeros(3)), D(1)], loss="mse")
    net.build(1)
    (finding,) = [f for f in net.diagnose(X, np.zeros(40)) if f.kind == "not_finite"]
    assert "the output of hidden1 became infinite: first a1 = exp(z1) (hidden1)" in finding.seen
    assert "from row 17 of the data (counted from 0); in went z1[" in finding.seen
    assert finding.seen.endswith("= 100.")
    assert finding.numbers["row"] == 17
    assert finding.numbers["element"][1] == 1
    with pytest.warns(RuntimeWarning, match="the output of hidden1 became infinite"):
        history = net.fit(X, np.zeros(40), batch_size=8, epochs=3, seed=4, **QUICK)
    assert history.fault.row == 17
    found = net.diagnose(X, np.zeros(40), history=history)
    assert found[0].seen.startswith("training ended in epoch 1, step")
    assert "row 17 of the data" in found[0].seen
    assert "layers and steps" in found.skipped[0]


def test_what_is_infinite_in_a_branch_that_is_not_taken_is_no_fault():
    def safe(z):
        return cr.where(z > 20, 20.0, cr.exp(z))

    X = np.linspace(-1, 200, 40)[:, None]
    layers = [D(4, safe, weights=np.ones((1, 4)), bias=np.zeros(4), frozen=True), cr.BatchNorm(), D(1)]
    net = cr.Network(layers, loss="mse")
    net.build(1)
    assert "not_finite" not in net.diagnose(X, np.zeros(40)).kinds


def test_a_fault_in_the_own_loss_is_traced_to_its_op_and_what_went_in():
    def likelihood(z, t):
        return -t * cr.log(z)

    X = np.linspace(0.5, 1, 40)[:, None]
    X[23] = -2.0
    net = cr.Network([D(1, weights=[[1.0]], bias=[0.0])], loss=likelihood)
    net.build(1)
    (finding,) = [f for f in net.diagnose(X, np.ones(40)) if f.kind == "not_finite"]
    assert "the loss became NaN: first log(z1) (the loss) was NaN" in finding.seen
    assert finding.numbers["row"] == 23
    assert finding.seen.endswith("= -2.")


def test_a_fault_in_the_update_is_no_rows():
    net = cr.Network([D(1, weights=[[1.0]], bias=[0.0])], loss="mse")
    net.build(1)
    found = net.diagnose([[1e10]], [0.0], optimizer=cr.SGD(1e25))
    (finding,) = [f for f in found if f.kind == "not_finite"]
    assert "output.W became infinite" in finding.seen
    assert finding.numbers["row"] is None


# the callback ------------------------------------------------------------------------------------


def test_health_tells_once_and_while_it_trains(capsys):
    X, y = task(0)
    net = classifier(D(16, "relu", bias=LOW))
    health = cr.Health(X, y)
    net.fit(X, y, optimizer=cr.SGD(0.1), epochs=12, callbacks=[health], **QUICK)
    err = capsys.readouterr().err
    assert err.count("epoch 3: Dead units: hidden1: 16 of 16 units are 0 for all 240 rows looked at.") == 1
    assert str(health.diagnosis) in err
    assert health.diagnosis.kinds == ["dead_units", "one_answer"]


def test_health_keeps_a_bounded_number_of_looks():
    X, y = task(0, 30)
    net = shallow()
    health = cr.Health(X, y, verbose=False)
    net.fit(X, y, epochs=300, batch_size=30, callbacks=[health], **QUICK)
    assert 4 < len(health.looks) < LOOKS
    assert health.looks[0].epoch == 1
    assert len(set(np.diff([look.epoch for look in health.looks]))) == 1


def test_health_does_not_change_the_training():
    X, y = task(0)
    plain, watched = classifier(D(8, "tanh"), cr.Dropout(0.3)), classifier(D(8, "tanh"), cr.Dropout(0.3))
    plain.fit(X, y, epochs=4, seed=5, **QUICK)
    watched.fit(X, y, epochs=4, seed=5, callbacks=[cr.Health(X, y, verbose=False)], **QUICK)
    for name, value in plain.parameters.items():
        assert np.array_equal(value, watched.parameters[name])


def test_a_gradient_that_grows_in_the_course_of_a_training_is_told():
    """A linear unit of too large a rate: each step makes its gradient 1.5 times as large."""
    X, y = values(0)
    net = cr.Network([D(1)], loss="mse", dtype="float64")
    health = cr.Health(X, y, verbose=False)
    rate = 2.5 / np.linalg.eigvalsh(2 * X.T @ X / len(X)).max()
    net.fit(X, y, optimizer=cr.SGD(rate), batch_size=len(X), epochs=40, callbacks=[health], **QUICK)
    (grown,) = [f for f in health.diagnosis if f.kind == "exploding_gradients"]
    assert grown.numbers["growth"] > 1e3
    assert "the gradient's norm has grown from" in grown.seen
    assert "rate_too_large" in health.diagnosis.kinds


def test_units_that_come_to_life_again_are_not_told_at_the_end():
    X, y = task(0)

    class Reviving(cr.Callback):
        def on_fit_end(self, network, history):
            network.set_parameters({"hidden1.b": np.zeros(16)})

    net = classifier(D(16, "relu", bias=LOW))
    health = cr.Health(X, y, verbose=False)
    net.fit(X, y, optimizer=cr.SGD(0.1), epochs=6, callbacks=[Reviving(), health], **QUICK)
    assert "dead_units" not in health.diagnosis.kinds


# how sure ----------------------------------------------------------------------------------------


def test_intervals_are_those_of_the_literature():
    """Wilson's: Newcombe (1998), Two-sided confidence intervals for the single proportion, table I."""
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0, 0.1611)}
    for (hits, count), ends in {**published, (1, 29): (0.0061, 0.1718)}.items():
        assert interval(hits, count) == pytest.approx(ends, abs=5e-5)
    assert interval(5, 5)[1] == 1
    assert (1 - never(50)) ** 50 == pytest.approx(0.05)
    assert correlation_at_least(0.5, 3) == -1
    assert correlation_at_least(1.0, 30) == 1
    draw = np.random.default_rng(0)
    pairs = draw.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=(2_000, 60))
    lows = [correlation_at_least(np.corrcoef(own.T)[0, 1], 60) for own in pairs]
    assert 0.96 < np.mean(np.array(lows) <= 0.9) < 0.99


def test_every_kind_says_what_it_means_and_what_to_try():
    for name, kind in KINDS.items():
        finding = Finding(name, "here", "1.", "2.")
        assert finding.headline == f"{kind.title}: here"
        assert kind.means.endswith(".")
        assert len(kind.advice) >= 1


def test_a_single_input_is_no_leak_nor_are_several_that_all_tell():
    draw = np.random.default_rng(0)
    X = draw.normal(size=(200, 2))
    net = cr.Network([D(8, "tanh"), D(1)], loss="mse")
    net.fit(X[:, :1], np.sin(X[:, 0]), optimizer=cr.Adam(0.03), epochs=30, **QUICK)
    assert "leakage" not in net.diagnose(X[:, :1], np.sin(X[:, 0])).kinds
    y = draw.integers(0, 2, 200)
    apart = cr.Network([D(8, "relu"), D(2)], loss="cross_entropy")
    apart.fit(X / 5 + y[:, None] * 4, y, epochs=10, **QUICK)
    assert "leakage" not in apart.diagnose(X / 5 + y[:, None] * 4, y).kinds


def test_the_first_of_equal_rows_is_named_as_it_stands_in_the_data():
    X, y = task(0)
    X[200:], y[200:] = X[180], np.arange(40) % 3
    y[180] = 0
    (finding,) = [f for f in untrained(X).diagnose(X, y) if f.kind == "conflicting_rows"]
    assert finding.numbers["first"] == 180
    assert "1 set of equal rows" in finding.seen


def untrained(X):
    net = shallow()
    net.build(X.shape[1])
    return net


def test_constant_columns_of_rows_that_stand_in_the_order_of_their_classes_tell_nothing():
    X, y = task(0)
    order = np.argsort(y)
    X = np.round(X[order])  # many equal numbers
    net = shallow()
    net.fit(X, y[order], epochs=2, **QUICK)
    assert "leakage" not in net.diagnose(X, y[order]).kinds


# the course of a training, and files ------------------------------------------------------------


def test_a_history_is_kept_in_few_epochs_and_as_json():
    X, y = task(0, 30)
    net = shallow()
    history = net.fit(X, y, epochs=600, batch_size=30, validation_data=(X, y), **QUICK)
    kept = json.loads(json.dumps(history.to_json(), allow_nan=False))
    assert len(kept["epoch"]) == 500
    assert (kept["epoch"][0], kept["epoch"][-1]) == (1, 600)
    assert kept["loss"] == [history.loss[int(e) - 1] for e in kept["epoch"]]
    assert set(kept) == {"epoch", "loss", "val_loss", "val_accuracy", "learning_rate"}
    assert Course.of(kept).losses == kept["loss"]
    history.loss[0] = np.inf
    assert None in history.to_json()["loss"]
    assert cr.History().to_json() == {"epoch": []}


def test_a_model_from_the_command_line_is_diagnosed(run):
    X, y = BUILT_IN["wine"]("wine")
    layers = [cr.Standardize(X.mean(axis=0), X.std(axis=0)), D(16, "relu"), D(3)]
    net = cr.Network(layers, loss="cross_entropy")
    history = net.fit(X, y, optimizer=cr.Adam(cr.schedules.OneCycle(0.01)), epochs=20, **QUICK)
    net.metadata = {"columns": COLUMNS["wine"], "training": {"batch_size": 32, "history": history.to_json()}}
    net.save("m")
    out, _ = run("diagnose", "m", "wine")
    assert out.startswith("m on wine: No findings in 178 rows.")
    assert max(map(len, out.split("\n"))) <= 80
    told = json.loads(run("diagnose", "m", "wine", "--json")[0])
    assert told["healthy"]
    assert told["rows"] == {"measured": 178, "all": 178}
    assert (told["model"], told["data"]) == ("m", "wine")


def test_a_sick_model_is_told_with_the_names_of_its_columns(run):
    rows = ["a,b,kind", *(f"{i % 7},3,{'x' if i % 2 else 'y'}" for i in range(80))]
    with open("t.csv", "w", encoding="utf-8") as file:
        file.write("\n".join(rows))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = cr.Network([D(2)], loss="cross_entropy")
        X = np.array([[i % 7, 3] for i in range(80)])
        net.fit(X, [row[-1] for row in rows[1:]], epochs=1, **QUICK)
    net.metadata = {"columns": ["a", "b"], "target": "kind"}
    net.save("m")
    out, _ = run("diagnose", "m", "t.csv")
    assert "Constant inputs: b" in out


def test_models_and_data_that_cannot_be_diagnosed_are_refused(run):
    net = cr.Network([D(3)], loss="cross_entropy")
    net.build(13)
    net.save("untrained")
    _, err = run("diagnose", "untrained", "wine", code=2)
    assert "was not trained on classes yet, so it cannot be diagnosed. Train it first." in err
    net.fit(*BUILT_IN["wine"]("wine"), epochs=1, **QUICK)
    net.metadata = {"columns": COLUMNS["wine"]}
    net.save("m")
    _, err = run("diagnose", "m", "iris", code=2)
    assert "iris: columns 'alcohol', 'malic_acid', 'ash'" in err
    _, err = run("diagnose", "nowhere", "iris", code=2)
    assert "there is no such file" in err
