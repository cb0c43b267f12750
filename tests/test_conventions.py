"""Conventions: what they change, which makes a published number; update rules of other frameworks."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor
from test_optim import GOLDEN, trained

import chainrule as cr
from chainrule.errors import DataError, NotFittedError, ParameterError, ShapeError, UnknownNameError
from chainrule.explain.conventions.conventions import (
    CHOICES,
    ERRORS,
    TITLES,
    choices,
    conventions_of,
    in_words,
)
from chainrule.optim.frameworks import FRAMEWORKS
from worked_examples import published

FRAMEWORK_NUMBERS = json.loads(
    Path(__file__).with_name("golden").joinpath("frameworks.json").read_text("utf-8")
)
MAZUR = published("mazur")
ROW, TARGET, RATE = [MAZUR["x"]], [MAZUR["target"]], cr.SGD(MAZUR["learning_rate"])
WRONG_ORDER = "update order: layer by layer (a fault: slopes come of new weights)"


def mazur():
    layers = [
        cr.Dense(2, "logistic", weights=np.transpose(MAZUR[W]), bias=[MAZUR[b]] * 2, frozen="b")
        for W, b in (("W1", "b1"), ("W2", "b2"))
    ]
    return cr.Network(layers, loss="half_sum", dtype="float64")


def small(loss="mse"):
    """A 3-4-3-2 network, five rows and their targets; nothing of it is symmetric."""
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(3, "softplus"), cr.Dense(2)], loss=loss, dtype="float64")
    net.build(3, seed=4)
    net.set_parameters({name: value + 0.1 for name, value in net.parameters.items()})
    draw = np.random.default_rng(1)
    return net, draw.normal(size=(5, 3)), draw.normal(size=(5, 2))


# training under conventions -------------------------------------------------------------------


def test_without_a_convention_it_is_what_fit_does():
    """Rows come in their order, again and again: 0, 1 | 2, 3 | 4, 0 | 1, 2 | ..."""
    net, X, y = small()
    found = cr.Conventions().train(net, X, y, optimizer=cr.Adam(0.05), updates=7, batch_size=2)
    options = {"optimizer": cr.Adam(0.05), "batch_size": 2, "epochs": 1, "shuffle": False, "engine": "numpy"}
    for step, rows in enumerate(np.tile(np.arange(5), 3)[:14].reshape(7, 2)):
        net.fit(X[rows], y[rows], **options, verbose=False, go_on=step > 0)
    for name, value in net.parameters.items():
        np.testing.assert_allclose(found.parameters[name], value, rtol=1e-12)
    assert found.error == pytest.approx(net.calculate_loss(X, y), rel=1e-12)
    np.testing.assert_allclose(found.outputs, net.predict(X), rtol=1e-12)


def test_layers_draw_in_each_update_what_they_draw_in_fit():
    """The outcome is measured without dropping anything, as predict does."""
    _, X, y = small()
    nets = []
    for _ in range(2):
        net = cr.Network([cr.Dense(8, "tanh"), cr.Dropout(0.5), cr.Dense(2)], loss="mse", dtype="float64")
        net.build(3, seed=0)
        nets.append(net)
    found = cr.Conventions().train(nets[0], X, y, optimizer=cr.SGD(0.1), updates=6)
    nets[1].fit(X, y, optimizer=cr.SGD(0.1), batch_size=5, epochs=6, shuffle=False, seed=0, verbose=False)
    np.testing.assert_allclose(found.outputs, nets[1].predict(X), rtol=1e-12)


def test_the_network_keeps_its_weights_and_settings():
    net = mazur()
    before = net.parameters
    made = cr.Conventions(error="sum", biases="trained", order="layer_by_layer")
    found = made.train(net, ROW, TARGET, optimizer=RATE, updates=3)
    assert all((net.parameters[name] == value).all() for name, value in before.items())
    assert not (found.parameters["output.b"] == before["output.b"]).all()
    assert net.loss == "half_sum"
    assert net["output"].frozen == {"b"}


@pytest.mark.golden
def test_the_wrong_order_makes_the_published_numbers_of_mazur():
    numbers = MAZUR["after_one_update"]
    wrong = cr.Conventions(order="layer_by_layer")
    found = wrong.train(mazur(), ROW, TARGET, optimizer=RATE)
    assert found.error == pytest.approx(numbers["published"], abs=5e-10)
    assert found.error != pytest.approx(numbers["recomputed"], abs=5e-10)
    many = wrong.train(mazur(), ROW, TARGET, optimizer=RATE, updates=10_000)
    np.testing.assert_allclose(
        many.outputs, [MAZUR["after_10000_updates"]["published_outputs"]], rtol=0, atol=5e-10
    )


@pytest.mark.parametrize("optimizer", [cr.SGD(0.1), cr.SGD(0.1, momentum=0.5)])
def test_the_wrong_order_is_that_of_a_program_with_the_fault(optimizer):
    """Three layers in plain NumPy, each updated before the slopes below it are computed."""
    net, X, y = small("half_sum")
    W, b = ([net.parameters[f"{name}.{p}"].copy() for name in net.names] for p in "Wb")
    v = [[np.zeros_like(part) for part in parts] for parts in (W, b)]
    for _ in range(3):
        a1 = np.tanh(X @ W[0] + b[0])
        z2 = a1 @ W[1] + b[1]
        a2 = np.log1p(np.exp(z2))
        values, bends = [X, a1, a2], [1 - a1**2, 1 / (1 + np.exp(-z2)), 1]
        delta = (a2 @ W[2] + b[2] - y) / len(X)
        for k in (2, 1, 0):
            for parts, velocity, slope in ((W, v[0], values[k].T @ delta), (b, v[1], delta.sum(axis=0))):
                velocity[k] = optimizer.momentum * velocity[k] + slope
                parts[k] = parts[k] - 0.1 * velocity[k]
            if k:
                delta = (delta @ W[k].T) * bends[k - 1]  # W[k] is new already
    found = cr.Conventions(order="layer_by_layer").train(net, X, y, optimizer=optimizer, updates=3)
    for k, name in enumerate(net.names):
        np.testing.assert_allclose(found.parameters[f"{name}.W"], W[k], rtol=1e-12)
        np.testing.assert_allclose(found.parameters[f"{name}.b"], b[k], rtol=1e-12)
    right = cr.Conventions().train(net, X, y, optimizer=optimizer, updates=3)
    assert abs(right.parameters["hidden1.W"] - W[0]).max() > 1e-6


def test_a_rule_that_counts_its_steps_counts_them_in_the_wrong_order_too():
    net, X, y = small()
    one_layer = cr.Network([cr.Dense(2)], loss="mse", dtype="float64")
    one_layer.build(3, seed=0)
    for rule in (cr.Adam(0.05), cr.NAdam(0.05)):
        pair = [
            cr.Conventions(order=order).train(one_layer, X, y, optimizer=rule, updates=4)
            for order in choices("order")
        ]
        assert pair[0].error == pair[1].error  # with one layer there is one order
        wrong = cr.Conventions(order="layer_by_layer").train(net, X, y, optimizer=rule, updates=4)
        right = cr.Conventions().train(net, X, y, optimizer=rule, updates=4)
        np.testing.assert_allclose(wrong.parameters["output.W"], right.parameters["output.W"], atol=0.05)
        assert wrong.error != right.error


def test_errors_are_what_their_words_say():
    net, X, y = small()
    found = cr.Conventions().train(net, X, y, optimizer=cr.SGD(0.1))
    squares = (found.outputs - y) ** 2
    expected = {
        "half_sum": squares.sum(axis=1).mean() / 2,
        "half_total": squares.sum() / 2,
        "half_mean": squares.mean() / 2,
        "sum": squares.sum(),
        "mean": squares.mean(),
    }
    assert found.errors == pytest.approx(expected, rel=1e-12)
    assert found.error == pytest.approx(expected["mean"], rel=1e-12)
    reported = cr.Conventions(reported="sum").train(net, X, y, optimizer=cr.SGD(0.1))
    assert reported.error == pytest.approx(expected["sum"], rel=1e-12)
    assert set(expected) == set(ERRORS) == set(CHOICES["error"])


def test_a_network_for_classes_keeps_its_loss():
    net = cr.Network([cr.Dense(3, "tanh"), cr.Dense(2)], loss="cross_entropy", dtype="float64")
    net.build(2, seed=0)
    X, y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), [0, 1, 1]
    found = cr.Conventions().train(net, X, y, optimizer=cr.SGD(0.5))
    net.fit(X, y, optimizer=cr.SGD(0.5), batch_size=3, epochs=1, verbose=False)
    assert found.error == pytest.approx(net.calculate_loss(X, y), rel=1e-12)
    np.testing.assert_allclose(found.outputs, net.predict_proba(X), rtol=1e-12)
    assert found.errors == {}


# which convention it was ----------------------------------------------------------------------


@pytest.mark.golden
def test_the_cause_of_mazurs_number_is_found():
    one = MAZUR["after_one_update"]
    found = cr.compare_conventions(mazur(), ROW, TARGET, one["published"], "0.291027774", optimizer=RATE)
    assert found.cause == WRONG_ORDER
    assert found.best.conventions.order == "layer_by_layer"
    assert [candidate.reproduces for candidate in found.ranked].count(True) == 1
    assert found.other.cause == "nothing, by the network's own conventions it is the same"
    assert found.differences == {"order": ("layer_by_layer", "together")}
    text = str(found)
    assert "The two results differ by update order: layer by layer" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.golden
def test_of_trained_biases_it_is_told_that_they_are_trained():
    number = MAZUR["after_one_update"]["with_trained_biases"]
    found = cr.compare_conventions(mazur(), ROW, TARGET, number, optimizer=RATE)
    assert found.cause == "biases: trained"


def test_the_conventions_of_scikit_learn_are_found():
    """It prints half the mean, follows the slopes of half the sum, and measures before the update."""
    _, X, y = small()
    theirs = MLPRegressor(
        hidden_layer_sizes=(4,), activation="tanh", solver="sgd", learning_rate_init=0.1, momentum=0.0,
        nesterovs_momentum=False, alpha=0.0, batch_size=5, shuffle=False, random_state=0,
    )  # fmt: skip
    theirs.partial_fit(X, y)
    layers = [
        cr.Dense(len(b), activation, weights=W, bias=b)
        for W, b, activation in zip(theirs.coefs_, theirs.intercepts_, ("tanh", "linear"), strict=True)
    ]
    net = cr.Network(layers, loss="half_sum", dtype="float64")
    for _ in range(3):
        theirs.partial_fit(X, y)
    found = cr.compare_conventions(net, X, y, f"{theirs.loss_:.12g}", optimizer=cr.SGD(0.1), updates=3)
    assert [candidate.reproduces for candidate in found.ranked].count(True) == 1
    assert found.cause == (
        "error that is printed: half the mean of the squared errors; error taken: before the last update"
    )
    ours = cr.Conventions().train(net, X, y, optimizer=cr.SGD(0.1), updates=3)
    np.testing.assert_allclose(ours.parameters["hidden1.W"], theirs.coefs_[0], rtol=1e-12)


CHANGES = [
    ({}, cr.SGD(0.05)),
    ({"order": "layer_by_layer"}, cr.SGD(0.05)),
    ({"biases": "frozen"}, cr.SGD(0.05)),
    ({"error": "half_total"}, cr.SGD(0.01)),
    ({"error": "half_mean", "reported": "sum"}, cr.SGD(0.05)),
    ({"reported": "half_mean", "measured": "before"}, cr.SGD(0.05)),
    ({"epsilon": "inside"}, cr.RMSProp(0.01, eps=1e-3)),
    ({"epsilon": "inside"}, cr.Adagrad(0.1, eps=1e-2)),
    ({"correction": "step"}, cr.Adam(0.01, eps=1e-2)),
    ({"epsilon": "inside", "order": "layer_by_layer"}, cr.Adam(0.01, eps=1e-2)),
]


@pytest.mark.parametrize(("changed", "optimizer"), CHANGES, ids=lambda value: str(value)[:40])
def test_whatever_convention_made_a_number_it_is_found(changed, optimizer):
    net, X, y = small()
    made = dataclasses.replace(conventions_of(net, optimizer), **changed)
    outcome = made.train(net, X, y, optimizer=optimizer, updates=3)
    numbers = {"error": f"{outcome.error:.12g}"}
    numbers |= {"hidden1.W": [[f"{v:.12g}" for v in row] for row in outcome.parameters["hidden1.W"].tolist()]}
    found = cr.compare_conventions(net, X, y, numbers, optimizer=optimizer, updates=3)
    assert found.best.reproduces
    assert found.best.conventions.differences(conventions_of(net, optimizer)).keys() == changed.keys()
    assert {name: getattr(found.best.conventions, name) for name in changed} == changed
    ranks = [(not each.reproduces, len(each.departures) if each.reproduces else each.misfit)
             for each in found.ranked]  # fmt: skip
    assert ranks == sorted(ranks)


def test_a_number_that_no_convention_makes_is_called_so():
    found = cr.compare_conventions(mazur(), ROW, TARGET, "0.50000000", "0.291027774", optimizer=RATE)
    assert found.cause == "none of the conventions that were tried"
    assert not found.best.reproduces
    text = " ".join(str(found).split())
    assert "none of which reproduces it" in text
    assert text.endswith("is not reproduced, so what they differ by is not known.")
    same = cr.compare_conventions(mazur(), ROW, TARGET, "0.291027774", 0.2910277737, optimizer=RATE)
    assert str(same).endswith("The same conventions reproduce both.")


def test_as_many_digits_count_as_are_printed():
    exact = cr.compare_conventions(mazur(), ROW, TARGET, "0.2910278", optimizer=RATE)
    assert "nothing" in exact.cause
    rough = cr.compare_conventions(mazur(), ROW, TARGET, "0.291", optimizer=RATE)
    reproducing = [candidate for candidate in rough.ranked if candidate.reproduces]
    assert len(reproducing) > 1  # three digits do not tell the orders apart
    assert reproducing[0].departures == ()


def test_formulas_that_are_the_same_for_these_rows_are_tried_once():
    found = cr.compare_conventions(mazur(), ROW, TARGET, "0.291", optimizer=RATE)
    assert {each.conventions.error for each in found.ranked} == {"half_sum", "half_mean", "sum"}


def test_a_comparison_is_data_too():
    found = cr.compare_conventions(mazur(), ROW, TARGET, "0.291027924", 0.291027774, optimizer=RATE)
    data = json.loads(json.dumps(found.to_json()))
    assert data["cause"] == WRONG_ORDER
    assert data["reproduced"] is True
    assert data["differences"] == {"order": ["layer_by_layer", "together"]}
    assert data["ranked"][0]["conventions"]["order"] == "layer_by_layer"
    assert data["other"]["published"] == {"error": "0.291027774"}
    assert data["other"]["differences"] == {}


def test_every_convention_has_words():
    for name in TITLES:
        for value in choices(name):
            assert in_words(name, value).startswith(f"{TITLES[name]}: ")
    assert in_words("biases", None) == "biases: as the network has it"


# what cannot be done --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"order": "layerwise"}, "Conventions: order 'layerwise' is unknown"),
        ({"error": "half"}, "Conventions: error 'half' is unknown"),
        ({"measured": None}, "Conventions: measured None is unknown"),
        ({"epsilon": "within"}, "Conventions: epsilon 'within' is unknown"),
    ],
)
def test_conventions_that_do_not_exist_are_named(settings, says):
    with pytest.raises(UnknownNameError, match=says):
        cr.Conventions(**settings)


@pytest.mark.parametrize(
    ("settings", "optimizer", "says"),
    [
        ({"epsilon": "inside"}, cr.SGD(0.1), "SGD has no epsilon. Leave epsilon out."),
        ({"correction": "step"}, cr.RMSProp(0.1), "RMSProp has no correction. Leave correction out."),
        ({"correction": "step"}, cr.NAdam(0.1), "NAdam has no correction."),
        ({}, cr.SGD(cr.schedules.StepDecay(0.1)), "takes no equal steps. Pass an optimizer with a number"),
        ({}, cr.LBFGS(), "takes no equal steps"),
    ],
)
def test_rules_that_have_no_such_convention_are_refused(settings, optimizer, says):
    with pytest.raises(ParameterError, match=says):
        cr.Conventions(**settings).train(mazur(), ROW, TARGET, optimizer=optimizer)


def test_networks_that_cannot_be_trained_so_are_refused():
    plain = cr.Conventions()
    with pytest.raises(ParameterError, match="updates must be a positive int, got 0"):
        plain.train(mazur(), ROW, TARGET, optimizer=RATE, updates=0)
    with pytest.raises(ParameterError, match="batch_size must be a positive int"):
        plain.train(mazur(), ROW, TARGET, optimizer=RATE, batch_size=0)
    frozen = cr.Network([cr.Dense(1, weights=[[1.0]], frozen=True)], loss="mse")
    with pytest.raises(ParameterError, match="every weight is frozen"):
        plain.train(frozen, [[1.0]], [[1.0]], optimizer=RATE)
    with pytest.raises(NotFittedError):
        plain.train(cr.Network([cr.Dense(1)], loss="mse"), [[1.0]], [[1.0]], optimizer=RATE)
    with pytest.raises(ShapeError):
        plain.train(mazur(), [[1.0, 2.0, 3.0]], TARGET, optimizer=RATE)
    classes = cr.Network([cr.Dense(2)], loss="cross_entropy")
    classes.build(2)
    with pytest.raises(ParameterError, match="sum is a formula of values, and cross_entropy is for classes"):
        cr.Conventions(error="sum").train(classes, [[0.0, 1.0]], [1], optimizer=RATE)
    with pytest.raises(ParameterError, match="no loss without targets"):
        plain.train(mazur(), ROW, None, optimizer=RATE)
    linear = cr.Network([cr.Dense(1, weights=[[1.0]])], loss="mse")
    with pytest.raises(
        DataError, match=r"the training diverges: within 9 updates of SGD.* Lower the learning"
    ):
        plain.train(linear, [[1.0]], [[2.0]], optimizer=cr.SGD(1e30), updates=9)
    x = cr.Input(2)
    two = cr.Network([cr.Dense(1)(x), cr.Dense(1)(x)], loss=["mse", "mse"])
    two.build()
    with pytest.raises(ParameterError, match="networks have one output here, this one has 2"):
        plain.train(two, [[0.0, 1.0]], [[1.0], [1.0]], optimizer=RATE)


def test_an_optimizer_by_its_name():
    by_name = cr.Conventions().train(mazur(), ROW, TARGET, optimizer="adam")
    assert by_name.error == cr.Conventions().train(mazur(), ROW, TARGET, optimizer=cr.Adam()).error


def test_combinations_that_diverge_are_left_out():
    X, y = [[1.0], [2.0], [3.0]], [2.0, 4.0, 6.0]
    net = cr.Network([cr.Dense(1, weights=[[1.0]], bias=[0.0])], loss="mse", dtype="float64")
    settings = {"optimizer": cr.SGD(0.1), "updates": 3000}
    with pytest.raises(DataError, match="diverges"):
        cr.Conventions(error="sum").train(net, X, y, **settings)
    found = cr.compare_conventions(net, X, y, {"outputs": [["2"], ["4"], ["6"]]}, **settings)
    assert found.best.reproduces
    json.loads(json.dumps(found.to_json(), allow_nan=False))
    with pytest.raises(DataError, match="diverges"):
        cr.compare_conventions(net, X, y, "1", optimizer=cr.SGD(1e9), updates=100)


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [
        ({"loss": 0.3}, UnknownNameError, "published quantity 'loss' is unknown"),
        ({"output": 0.3}, UnknownNameError, "did you mean 'outputs'"),
        ({"outputs": [0.1, 0.2]}, ShapeError, r"published outputs: expected shape \(1, 2\), got \(2,\)"),
        ({}, DataError, "published: there are no numbers"),
        (None, DataError, "published error: must be finite numbers, got None"),
        ("0.29O", DataError, "published error: must be finite numbers, got '0.29O'"),
        (float("nan"), DataError, "published error: must be finite numbers, got nan"),
    ],
)
def test_published_numbers_that_cannot_be_compared_are_refused(number, error, says):
    with pytest.raises(error, match=says):
        cr.compare_conventions(mazur(), ROW, TARGET, number, optimizer=RATE)


# other frameworks -----------------------------------------------------------------------------


def close_to(rule, values):
    recorded = [int(steps) for steps in values]
    expected = [np.vstack([W, b]) for W, b in values.values()]
    np.testing.assert_allclose(trained(rule, record=recorded), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.golden
@pytest.mark.parametrize("entry", FRAMEWORK_NUMBERS["rules"], ids=lambda e: f"{e['framework']} {e['rule']}")
def test_presets_do_what_keras_and_scikit_learn_do(entry):
    close_to(cr.framework_optimizer(entry["framework"], entry["rule"], **entry["settings"]), entry["values"])


@pytest.mark.golden
@pytest.mark.parametrize("entry", [e for e in GOLDEN["rules"] if not e["settings"]], ids=lambda e: e["rule"])
def test_presets_do_what_pytorch_does(entry):
    close_to(cr.framework_optimizer("pytorch", entry["rule"].lower()), entry["values"])


def test_every_preset_of_a_framework_is_compared_or_has_the_formula_of_one_that_is():
    compared = {(e["framework"], e["rule"]) for e in FRAMEWORK_NUMBERS["rules"]}
    compared |= {("pytorch", e["rule"].lower()) for e in GOLDEN["rules"]}
    stated = {(framework, rule) for framework, rules in FRAMEWORKS.items() for rule in rules}
    assert {framework for framework, _ in stated - compared} <= {"tensorflow1"}


def test_tensorflow_1_adds_epsilon_inside_the_root_of_a_mean_that_starts_at_1():
    rule = cr.framework_optimizer("tensorflow1", "rmsprop", learning_rate=0.01)
    assert rule == cr.RMSProp(0.01, rho=0.9, eps=1e-10, initial=1.0, eps_inside=True)
    assert cr.framework_optimizer("tensorflow1", "adam") == cr.Adam(0.001, eps=1e-8, late_correction=True)


def test_what_a_framework_lacks_is_said():
    with pytest.raises(UnknownNameError, match="framework 'torch' is unknown; did you mean 'pytorch'"):
        cr.framework_optimizer("torch", "adam")
    with pytest.raises(UnknownNameError, match="optimizer of scikit-learn 'rmsprop' is unknown"):
        cr.framework_optimizer("scikit-learn", "rmsprop")
    with pytest.raises(UnknownNameError, match="epsilon"):
        cr.framework_optimizer("keras", "adam", epsilon=1e-3)
    with pytest.raises(ParameterError, match="tensorflow1's rmsprop has no default learning rate"):
        cr.framework_optimizer("tensorflow1", "rmsprop")
