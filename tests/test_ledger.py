"""The ledger: terms add up to each update, samples to the data's gradient, and the weights stay the same."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import (
    DataError,
    MissingExtraError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.explain.ledger.recording import TERMS

RULES = {
    "sgd": cr.SGD(0.1),
    "decay": cr.SGD(0.1, weight_decay=0.05),
    "momentum": cr.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rate_in_velocity": cr.SGD(0.1, momentum=0.9, rate_in_velocity=True, clip_norm=0.3),
    "dampening": cr.SGD(0.1, momentum=0.9, dampening=0.3),
    "adam": cr.Adam(0.01),
    "adam_late": cr.Adam(0.01, late_correction=True),
    "adamw": cr.AdamW(0.01, clip_value=0.05),
    "nadam": cr.NAdam(0.01),
    "rmsprop": cr.RMSProp(0.01, momentum=0.5, centered=True),
    "adagrad": cr.Adagrad(0.1),
    "lion": cr.Lion(0.01, weight_decay=0.1),
    "rprop": cr.Rprop(0.01),
    "quickprop": cr.Quickprop(0.1),
    "delta_bar_delta": cr.DeltaBarDelta(0.1),
    "signsgd": cr.SignSGD(0.01),
}
SETTINGS = {"batch_size": 16, "epochs": 2, "verbose": False}


def data(rows=40, outputs=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 4)), rng.normal(size=(rows, outputs))


def network(*extra, loss="mse", l2=0.01, dtype="float64", outputs=2):
    net = cr.Network([cr.Dense(5, "tanh", l2=l2), *extra, cr.Dense(outputs)], loss, dtype=dtype)
    net.build(4)
    return net


def recorded(net, X, y, *names, memory=2**20, **settings):
    ledger = cr.Ledger(*names, memory=memory)
    net.fit(X, y, record=ledger, **{**SETTINGS, **settings})
    return ledger


# sums -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["plain", "batch_norm", "dropout"])
@pytest.mark.parametrize("rule", RULES)
def test_terms_add_up_to_the_update_and_samples_to_the_gradient(rule, extra):
    layers = {"plain": [], "batch_norm": [cr.BatchNorm()], "dropout": [cr.Dropout(0.2)]}[extra]
    X, y = data()
    plain, written = network(*layers), network(*layers)
    plain.fit(X, y, optimizer=RULES[rule], engine="numpy", **SETTINGS)
    ledger = recorded(written, X, y, "hidden1.W[0, 2]", "output.b", optimizer=RULES[rule])
    for name, value in plain.parameters.items():
        assert np.array_equal(value, written.parameters[name]), name
    assert ledger.names == ["hidden1.W[0, 2]", "output.b[0]", "output.b[1]"]
    assert (ledger.count, ledger.kept) == (6, 6)
    for name in ledger.names:
        steps = ledger.steps(name)
        whole = sum(steps[term] for term in TERMS)
        assert np.abs(whole - steps["update"]).max() < 1e-12
        assert np.abs(steps["data_gradient"] + steps["penalty_gradient"] - steps["gradient"]).max() < 1e-15
        assert np.abs(steps["value"][1:] - steps["value"][:-1] - steps["update"][:-1]).max() < 1e-15
        for number in range(ledger.count):
            rows, parts = ledger.step_samples(name, number)
            assert len(rows) == len(parts) == (16 if number % 3 < 2 else 8)
            assert abs(parts.sum() - steps["data_gradient"][number]) < 1e-12
        totals = ledger.terms(name)
        assert totals.end - totals.start == pytest.approx(sum(totals.totals.values()), abs=1e-12)
        assert ledger.samples(name).pulls.sum() == pytest.approx(totals.totals["data"], abs=1e-12)
        assert np.abs(steps["other"]).max() < 1e-12


def test_terms_of_gradient_descent_are_those_by_hand():
    X, y = data()
    net = network()
    W = net["hidden1"].W.copy()
    ledger = recorded(net, X, y, "hidden1.W[1, 1]", optimizer=cr.SGD(0.1, momentum=0.9), batch_size=40)
    steps = ledger.steps("hidden1.W[1, 1]")
    assert steps["penalty_gradient"][0] == pytest.approx(2 * 0.01 * W[1, 1], rel=1e-12)
    assert steps["penalty"] == pytest.approx(-0.1 * steps["penalty_gradient"], rel=1e-12)
    assert steps["data"] == pytest.approx(-0.1 * steps["data_gradient"], rel=1e-12)
    assert steps["memory"][1] == pytest.approx(0.9 * steps["update"][0], rel=1e-12)
    assert steps["value"][0] == W[1, 1]
    assert steps["step"].tolist() == steps["epoch"].tolist() == [0, 1]


def test_a_sample_pulls_as_a_training_on_it_alone_would():
    X, y = data(rows=8)
    net = network(l2=0.0)
    start = {name: value.copy() for name, value in net.parameters.items()}
    ledger = recorded(net, X, y, "hidden1.W", optimizer=cr.SGD(0.1), batch_size=8, epochs=1)
    for row in (0, 5):
        alone = network(l2=0.0)
        alone.set_parameters(start)
        alone.fit(X[[row]], y[[row]], optimizer=cr.SGD(0.1), **{**SETTINGS, "epochs": 1})
        moved = (alone["hidden1"].W - start["hidden1.W"]) / 8
        pulls = [ledger.samples(name).pulls[row] for name in ledger.names]
        assert pulls == pytest.approx(moved.ravel().tolist(), rel=1e-10)


def test_weights_of_rows_count_and_classes_are_no_different():
    rng = np.random.default_rng(3)
    X, y, w = rng.normal(size=(30, 4)), rng.integers(0, 3, 30), rng.uniform(0, 2, 30)
    w[4] = 0
    plain, written = (network(loss="cross_entropy", outputs=3) for _ in range(2))
    plain.fit(X, y, sample_weight=w, engine="numpy", **SETTINGS)
    ledger = recorded(written, X, y, "*", sample_weight=w)
    assert all(np.array_equal(v, written.parameters[k]) for k, v in plain.parameters.items())
    assert len(ledger.names) == 4 * 5 + 5 + 5 * 3 + 3
    for name in ("hidden1.W[2, 3]", "output.b[1]"):
        gradient = ledger.steps(name)["data_gradient"]
        sums = [ledger.step_samples(name, k)[1].sum() for k in range(ledger.count)]
        assert sums == pytest.approx(gradient.tolist(), abs=1e-12)
        assert ledger.samples(name).pulls[4] == 0


def test_rows_that_meet_are_told_apart_by_their_terms_of_the_loss():
    X, y = data(rows=12)
    by_reading = recorded(network(), X, y, "hidden1.W[0, 0]", epochs=1)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("chainrule.explain.ledger.recording.rows_apart", lambda network: False)
    by_deriving = recorded(network(), X, y, "hidden1.W[0, 0]", epochs=1)
    monkey.undo()
    first, second = (ledger.samples("hidden1.W[0, 0]").pulls for ledger in (by_reading, by_deriving))
    assert first == pytest.approx(second, rel=1e-12)


def test_branches_and_several_outputs_add_up():
    x = cr.Input(4)
    shared = cr.Dense(4, "tanh", name="shared")
    hidden = shared(shared(x))
    net = cr.Network(
        [cr.Dense(1)(hidden), cr.Dense(2)(hidden)],
        ["sum", "cross_entropy"],
        dtype="float64",
        loss_weights=[0.2, 1.0],
    )
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(10, 4)), [rng.normal(size=10), rng.integers(0, 2, 10)]
    ledger = recorded(net, X, y, "shared.*", batch_size=4)
    for name in ("shared.W[1, 2]", "shared.b[0]"):
        gradient = ledger.steps(name)["data_gradient"]
        sums = [ledger.step_samples(name, k)[1].sum() for k in range(ledger.count)]
        assert sums == pytest.approx(gradient.tolist(), abs=1e-12)


def test_a_rule_that_cannot_be_followed_is_told_as_all_else():
    class Bent(cr.SGD):
        def updates(self, parameters, gradients, lr):
            return {theta: theta - lr * cr.tanh(g) for theta, g in zip(parameters, gradients, strict=True)}

    X, y = data()
    ledger = recorded(network(), X, y, "output.b[0]", optimizer=Bent(0.1))
    steps = ledger.steps("output.b[0]")
    assert np.array_equal(steps["other"], steps["update"])
    assert not steps["data"].any()


# memory ---------------------------------------------------------------------------------------


def test_the_last_steps_are_kept_as_memory_allows_and_sums_stay_exact():
    X, y = data()
    full = recorded(network(), X, y, "output.b[0]", epochs=20)
    tight = recorded(network(), X, y, "output.b[0]", epochs=20, memory=6000)
    assert full.kept == full.count == tight.count == 60
    assert 0 < tight.kept < 30
    assert tight.used <= 6000
    assert tight.terms("output.b[0]") == full.terms("output.b[0]")
    assert np.array_equal(tight.samples("output.b[0]").pulls, full.samples("output.b[0]").pulls)
    kept = tight.steps("output.b[0]")
    assert kept["step"].tolist() == list(range(60 - tight.kept, 60))
    assert np.array_equal(kept["update"], full.steps("output.b[0]")["update"][-tight.kept :])
    assert f"the last {tight.kept} in detail" in " ".join(str(tight).split())
    rows, parts = tight.step_samples("output.b[0]", -1)
    for one, other in zip((rows, parts), full.step_samples("output.b[0]", 59), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(ParameterError, match="step 0 is not kept in detail; those from"):
        tight.step_samples("output.b[0]", 0)


def test_what_does_not_fit_into_memory_is_told_before_the_training():
    X, y = data()
    net = network()
    before = net["output"].W.copy()
    with pytest.raises(DataError, match=r"20 weights and 40 rows need \d+ KiB, .* pass memory=\d+"):
        recorded(net, X, y, "hidden1.W", memory=5000)
    assert np.array_equal(net["output"].W, before)


# how a training goes --------------------------------------------------------------------------


def test_a_training_that_diverges_ends_the_ledger_before_the_step_at_fault():
    X, y = data()
    plain, written = network(), network()
    with pytest.warns(RuntimeWarning, match="lower the learning rate|Lower the learning rate"):
        plain.fit(X * 1e3, y, optimizer=cr.SGD(1e60), engine="numpy", **{**SETTINGS, "epochs": 30})
    ledger = cr.Ledger("output.W[0, 0]")
    with pytest.warns(RuntimeWarning, match="Lower the learning rate"):
        written.fit(X * 1e3, y, optimizer=cr.SGD(1e60), record=ledger, **{**SETTINGS, "epochs": 30})
    assert np.array_equal(plain["output"].W, written["output"].W)
    assert np.isfinite(ledger.terms("output.W[0, 0]").end)
    assert ledger.terms("output.W[0, 0]").end == written["output"].W[0, 0]


def test_a_fit_that_goes_on_begins_a_new_ledger_with_what_the_rule_remembers():
    X, y = data()
    net, ledger = network(), cr.Ledger("output.b[1]")
    net.fit(X, y, optimizer=cr.SGD(0.1, momentum=0.9), record=ledger, **SETTINGS)
    end = ledger.terms("output.b[1]").end
    net.fit(X, y, optimizer=cr.SGD(0.1, momentum=0.9), record=ledger, go_on=True, **SETTINGS)
    assert ledger.count == 6
    assert ledger.terms("output.b[1]").start == end
    assert ledger.steps("output.b[1]")["memory"][0] != 0


def test_single_precision_is_written_down_to_its_own_digits():
    X, y = data()
    plain, written = network(dtype="float32"), network(dtype="float32")
    plain.fit(X, y, engine="numpy", **SETTINGS)
    ledger = recorded(written, X, y, "hidden1.W[0, 2]")
    assert all(np.array_equal(v, written.parameters[k]) for k, v in plain.parameters.items())
    steps = ledger.steps("hidden1.W[0, 2]")
    assert sum(steps[t] for t in TERMS) == pytest.approx(steps["update"], abs=1e-7)


def test_without_a_ledger_the_runner_is_the_engines_own():
    net = network()
    net.fit(*data(), engine="numpy", **SETTINGS)
    assert type(net._runners["step"][1]).__name__ == "NumpyRunner"


# as text --------------------------------------------------------------------------------------


def test_texts_fit_80_columns_and_hold_the_numbers():
    X, y = data()
    ledger = recorded(network(), X, y, "hidden1.*", optimizer=cr.AdamW(0.01))
    samples, terms = ledger.samples("hidden1.W[0, 2]", most=3), ledger.terms("hidden1.W[0, 2]")
    for text in (str(ledger), str(samples), str(terms)):
        assert max(map(len, text.splitlines())) <= 80
    assert ledger.terms("W1[0,2]") == terms
    assert samples.pulls[samples.up[0]] == samples.pulls.max() > 0
    assert samples.pulls[samples.down[0]] == samples.pulls.min() < 0
    assert len(samples.up) == len(samples.down) == 3
    assert f"{samples.pulls.max():+.9g}" in str(samples)
    assert "the gradient of the data" in str(terms)
    assert "... and 13 more" in str(ledger)
    assert "empty" in str(cr.Ledger("output.b"))
    assert json.dumps(ledger.terms("hidden1.b[0]").totals)


def test_a_picture_shows_what_moved_a_weight():
    ledger = recorded(network(), *data(), "output.b[0]", optimizer=cr.SGD(0.1, momentum=0.9))
    (axes,) = ledger.plot("output.b[0]").axes
    labels = [line.get_label() for line in axes.lines]
    assert labels[:2] == ["change", "the gradient of the data"]
    assert "what the optimizer remembers" in labels
    curves = {line.get_label(): line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 6}
    whole = sum(curve for label, curve in curves.items() if label != "change")
    assert whole == pytest.approx(curves["change"], abs=1e-12)


def test_numbers_are_found_by_all_names_that_the_ledger_takes():
    net = cr.Network([cr.Dense(2, "tanh"), cr.Dense(1)], "mse", dtype="float64")
    ledger = cr.Ledger("hidden1.W[-1, 0]", "output.b")
    net.fit([[1.0, 2.0], [0.0, 1.0]], [1.0, 0.0], epochs=1, verbose=False, record=ledger)
    for asked, name in (
        ("hidden1.W[-1, 0]", "hidden1.W[1, 0]"),
        ("W1[ 1,-2]", "hidden1.W[1, 0]"),
        ("output.b", "output.b[0]"),
        ("b2", "output.b[0]"),
    ):
        assert ledger.terms(asked).name == name


# bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        (("hidden2.W",), UnknownNameError, "did you mean 'hidden1.W'"),
        (("hidden1.W[0, 7]",), ShapeError, "7 is out of range"),
        (("hidden1.W[0]",), ShapeError, "needs 2 numbers, got 1"),
        (("a1[0]",), UnknownNameError, "parameter 'a1' is unknown"),
        (("batch_norm.mean",), ParameterError, "batch_norm.mean is not trained"),
        (("gate.b",), ParameterError, "gate.b is not trained: it is frozen"),
    ],
)
def test_wrong_names_are_told_before_the_training(names, error, message):
    net = network(cr.BatchNorm(), cr.Dense(3, frozen="b", name="gate"))
    before = net["hidden1"].W.copy()
    with pytest.raises(error, match=message):
        recorded(net, *data(), *names)
    assert np.array_equal(net["hidden1"].W, before)


def test_wrong_arguments_and_questions_are_told():
    X, y = data()
    with pytest.raises(ParameterError, match="expected names of weights"):
        cr.Ledger()
    with pytest.raises(ParameterError, match="expected names of weights, got"):
        cr.Ledger(["output.b"])
    with pytest.raises(ParameterError, match="memory must be a positive int"):
        cr.Ledger("output.b", memory=0)
    with pytest.raises(ParameterError, match="record must be a Ledger"):
        network().fit(X, y, record="output.b")
    with pytest.raises(ParameterError, match="record needs the NumPy engine"):
        network().fit(X, y, record=cr.Ledger("output.b"), engine="numba")
    with pytest.raises(ParameterError, match="L-BFGS takes no steps"):
        recorded(network(), X, y, "output.b", optimizer=cr.LBFGS())
    with pytest.raises(NotFittedError, match="the ledger is empty"):
        cr.Ledger("output.b").terms("output.b[0]")
    ledger = recorded(network(), X, y, "output.b")
    with pytest.raises(UnknownNameError, match=r"did you mean 'output.b\[1\]'"):
        ledger.samples("output.b[7]")
    with pytest.raises(UnknownNameError, match=r"recorded weight 'output.b' is unknown"):
        ledger.terms("output.b")
    with pytest.raises(ParameterError, match="expected a name such as"):
        ledger.terms(3)
    with pytest.raises(ParameterError, match=r"step must be an int, got 1\.5\. Pass e\.g\. -1"):
        ledger.step_samples("output.b[0]", 1.5)
    with pytest.raises(ParameterError, match=r"there is no step 999; steps go from 0 to"):
        ledger.step_samples("output.b[0]", 999)
    with pytest.raises(ParameterError, match="most must be a positive int"):
        ledger.samples("output.b[0]", most=0)


def test_sparse_tables_are_refused():
    from scipy.sparse import csr_matrix

    X, y = data()
    with pytest.raises(ParameterError, match="sparse tables cannot be recorded"):
        recorded(network(), csr_matrix(X), y, "output.b")


def test_a_loss_of_the_whole_batch_has_terms_and_no_samples():
    def spread(z, t):
        error = (z - t) ** 2
        return cr.sqrt(error.sum())

    ledger = recorded(network(loss=spread, l2=0.0), *data(), "output.b[0]")
    steps = ledger.steps("output.b[0]")
    assert steps["data"] == pytest.approx(steps["update"] - steps["memory"], abs=1e-12)
    with pytest.raises(ParameterError, match="one number for a whole batch, which is not split"):
        ledger.samples("output.b[0]")
    with pytest.raises(ParameterError, match="one number for a whole batch"):
        ledger.step_samples("output.b[0]", 0)


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch):
    ledger = recorded(network(), *data(), "output.b")
    monkeypatch.setattr("chainrule.checks.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install 'chainrule"):
        ledger.plot("output.b[0]")
