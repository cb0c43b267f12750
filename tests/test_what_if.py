"""What if: slopes foretell small changes, pictures show the loss itself, perturbation goes the same way."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import (
    MissingExtraError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.explain.step import Step
from chainrule.explain.why.slices import loss_slice, loss_surface

MAZUR = json.loads((Path(__file__).parent / "golden" / "mazur.json").read_text())
X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 2))


def network(activation="tanh", loss="mse", *extra, l2=0.01, dtype="float64"):
    net = cr.Network([cr.Dense(4, activation, l2=l2), *extra, cr.Dense(2)], loss, dtype=dtype)
    net.build(3)
    return net


def loss_of(net):
    return float(Step(net, X, Y).values([Step(net, X, Y).need_loss()])[0])


# numbers --------------------------------------------------------------------------------------


def test_the_change_is_that_of_a_network_with_the_other_weight():
    net, moved = network(), network()
    told = net.what_if("hidden1.W[2, 1]", 0.7, X, Y)
    W = moved["hidden1"].W.copy()
    W[2, 1] += 0.7
    moved.set_parameters({"hidden1.W": W})
    assert (told.before, told.after) == ([net["hidden1"].W[2, 1]], [W[2, 1]])
    step = Step(moved, X, Y)
    assert told.loss_after == float(step.values([step.need_loss()])[0])
    assert np.array_equal(told.outputs[0], net.predict(X))
    assert np.array_equal(told.outputs_after[0], moved.predict(X))
    assert net.why("hidden1.W[2, 1]", X, Y).derivative == told.slopes[0]


@settings(max_examples=20)
@given(
    activation=st.sampled_from(["tanh", "logistic", "relu", "gelu", "softplus"]),
    name=st.sampled_from(["hidden1.W[1, 2]", "output.b[1]", "x[3, 1]", "z1[2, 0]", "a1[5, 3]", "t[0, 1]"]),
    loss=st.sampled_from(["mse", "half_sum", "huber", "poisson"]),
)
def test_slope_and_bend_foretell_small_changes(activation, name, loss):
    net = network(activation, loss)
    change = 1e-3
    told = net.what_if(name, change, X, np.abs(Y))
    assert abs(told.actual - told.foretold) < 20 * change**2
    assert abs(told.actual - told.foretold_bent) < 200 * change**3
    assert told.foretold == pytest.approx(told.slopes[0] * change, rel=1e-12)


def test_several_numbers_change_at_once():
    net = network()
    one, other = (net.what_if(name, 1e-4, X, Y) for name in ("W1[0, 0]", "b2[1]"))
    both = net.what_if(["W1[0, 0]", "b2[1]"], [1e-4, 1e-4], X, Y)
    assert both.names == ["hidden1.W[0, 0]", "output.b[1]"]
    assert both.foretold == pytest.approx(one.foretold + other.foretold, rel=1e-12)
    assert both.actual == pytest.approx(one.actual + other.actual, rel=1e-3)
    assert abs(both.actual - both.foretold_bent) < 1e-10


@pytest.mark.golden
def test_mazurs_weight_one_higher():
    def layer(W, b):
        return cr.Dense(2, "logistic", weights=np.array(W).T, bias=[b, b], frozen="b")

    m = MAZUR
    net = cr.Network([layer(m["W1"], m["b1"]), layer(m["W2"], m["b2"])], "half_sum", dtype="float64")
    told = net.what_if("output.W[0, 0]", 1.0, m["x"], m["target"])
    assert told.foretold == pytest.approx(m["backward"]["dE_dw5"], abs=1e-9)
    assert told.loss == pytest.approx(m["forward"]["total"], abs=1e-9)
    assert "Raise output.W[0, 0] by 1, and the loss rises by 0.0742" in told.sentence


def test_a_number_within_a_layer_of_two_modes_changes_what_follows_it():
    net = network("relu", "cross_entropy", cr.Dropout(0.5))
    told = net.what_if("hidden1[1, 0]", 5.0, X, [0, 1, 0, 1, 0, 1])
    changed = np.any(told.outputs[0] != told.outputs_after[0], axis=1)
    kept = Step(net, X, [0, 1, 0, 1, 0, 1])
    assert changed.sum() <= 1
    assert (told.actual != 0) == changed.any()
    assert told.loss == float(kept.values([kept.need_loss()])[0])


def test_the_text_fits_80_columns_and_json_holds_it():
    told = network(dtype="float32").what_if(["hidden1.W[0, 0]", "output.W[3, 1]"], [1.0, -0.5], X, Y)
    assert max(map(len, str(told).splitlines())) <= 80
    assert "the 8 of 12 that change most" in str(told)
    held = json.loads(json.dumps(told.to_json()))
    assert held["actual"] == told.loss_after - told.loss
    assert np.allclose(held["outputs_after"], told.outputs_after)
    assert "stays as it is" in network("relu").what_if("t[0, 0]", 0.0, X, Y).sentence


# slices and pictures --------------------------------------------------------------------------


def test_slices_and_surfaces_hold_the_losses_of_the_changes():
    net = network()
    told = net.what_if("hidden1.W[0, 0]", 0.5, X, Y)
    cut = told.slice(points=5)
    assert len(cut.values) == len(cut.losses) == 5
    for value, loss in zip(cut.values, cut.losses, strict=True):
        there = net.what_if("hidden1.W[0, 0]", float(value - told.before[0]), X, Y)
        assert there.loss_after == pytest.approx(loss, rel=1e-12)
    both = net.what_if(["hidden1.W[0, 0]", "output.b[0]"], [0.5, -0.3], X, Y)
    area = both.surface(points=3)
    assert area.losses.shape == (3, 3)
    changes = [float(area.xs[2] - both.before[0]), float(area.ys[0] - both.before[1])]
    corner = net.what_if(["hidden1.W[0, 0]", "output.b[0]"], changes, X, Y)
    assert corner.loss_after == pytest.approx(area.losses[0, 2], rel=1e-12)
    inner = net.what_if("a1[0, 0]", 0.5, X, Y)
    assert inner.slice(points=4).losses[1] == pytest.approx(inner.loss, rel=1e-12)


def test_pictures_show_the_loss_both_ends_and_the_slope():
    net = network()
    told = net.what_if("hidden1.W[0, 0]", 0.5, X, Y)
    (axes,) = told.plot(points=11).axes
    curves = {line.get_label(): line for line in axes.lines}
    cut = told.slice(points=11)
    assert curves["loss"].get_ydata().tolist() == cut.losses.tolist()
    tangent = curves["its slope"].get_ydata()
    assert np.diff(tangent) / np.diff(cut.values) == pytest.approx(told.slopes[0])
    assert axes.get_xlabel() == "hidden1.W[0, 0]"
    assert any(label.startswith("now: ") for label in curves)
    both = net.what_if(["hidden1.W[0, 0]", "output.b[0]"], [0.5, -0.3], X, Y)
    axes = both.plot(points=5).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("hidden1.W[0, 0]", "output.b[0]")
    points = {line.get_label().partition(":")[0]: line.get_xydata()[0] for line in axes.lines[:2]}
    assert points["now"].tolist() == both.before
    assert points["then"].tolist() == both.after


def test_what_happens_is_told_for_no_change_several_and_too_large_ones():
    net = network()
    assert net.what_if("W1[0, 0]", 0, X, Y).sentence.startswith(
        "Raise hidden1.W[0, 0] by 0, and the loss stays"
    )
    both = net.what_if(["W1[0, 0]", "b1[0]"], [-1.0, 1.0], X, Y)
    assert both.sentence.startswith("Lower hidden1.W[0, 0] by 1, raise hidden1.b[0] by 1, and the loss ")
    assert "; the slopes foretold " in both.sentence
    lost = net.what_if("output.b[0]", 1e300, X, Y)
    assert "and the loss becomes inf; its slope foretold" in lost.sentence
    assert json.loads(json.dumps(lost.to_json(), allow_nan=False))["actual"] == "inf"


# bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("hiden1.W[0, 0]", 1.0, X, Y), UnknownNameError, "did you mean 'hidden1.W'"),
        (("hidden1.W[5, 0]", 1.0, X, Y), ShapeError, "5 is out of range"),
        (("x[6, 0]", 1.0, X, Y), ShapeError, "6 is out of range"),
        (("hidden1.W[0, 0]", "big", X, Y), ParameterError, "a change must be a finite number, got 'big'"),
        (("hidden1.W[0, 0]", np.inf, X, Y), ParameterError, "a change must be a finite number"),
        ((["W1[0, 0]", "b1[0]"], [1.0], X, Y), ParameterError, "got 2 names and 1 change\\."),
        (([], [], X, Y), ParameterError, "got 0 names"),
        (
            (3, 1.0, X, Y),
            ParameterError,
            "expected a name such as 'hidden1.W\\[0, 2\\]' or 'a1\\[2\\]', got 3",
        ),
        ((["W1[0, 0]", "hidden1.W[0,0]"], [1.0, 1.0], X, Y), ParameterError, "mean the same number"),
        (("hidden1.W[0, 0]", 1.0, X), ParameterError, "no loss without targets"),
        (("hidden1.W[0, 0]", 1.0, X[:, :2], Y), ShapeError, "3 inputs, got 2 columns"),
    ],
)
def test_bad_input_is_told(arguments, error, message):
    with pytest.raises(error, match=message):
        network().what_if(*arguments)


def test_pictures_of_what_has_none_are_refused(monkeypatch):
    net = network()
    names = ["W1[0, 0]", "W1[0, 1]", "W1[0, 2]"]
    three = net.what_if(names, [1.0, 1.0, 1.0], X, Y)
    with pytest.raises(ParameterError, match="over two numbers, and 3 are changed"):
        three.plot()
    with pytest.raises(ParameterError, match="along one number, and 3 are changed"):
        three.slice()
    step = Step(net, X, Y)
    with pytest.raises(ParameterError, match="from a lower to a higher number"):
        loss_slice(step, "W1[0, 0]", 1.0, 1.0)
    with pytest.raises(ParameterError, match="points must be at least 2"):
        loss_surface(step, names[:2], [(0.0, 1.0)] * 2, points=1)
    monkeypatch.setattr("chainrule.checks.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install 'chainrule"):
        net.what_if("W1[0, 0]", 1.0, X, Y).plot()


# without backpropagation ----------------------------------------------------------------------


def test_descent_by_perturbation_reaches_the_weights_of_backpropagation():
    nets = []
    for width in (4, 1, 2):
        net = cr.Network([cr.Dense(width, "tanh", l2=0.01), cr.Dense(2)], "mse", dtype="float64")
        net.build(3)
        nets.append(net)
    start = nets[0]["hidden1"].W.copy()
    found = cr.compare_perturbation(nets, X, Y, steps=4)
    assert [c.weights for c in found.costs] == [8, 14, 26]
    assert [c.evaluations for c in found.costs] == [16, 28, 52]
    assert all(c.apart < 1e-8 < 1e-3 < c.moved for c in found.costs)
    assert np.array_equal(nets[0]["hidden1"].W, start)
    nets[0].fit(
        X, Y, optimizer=cr.SGD(0.1), batch_size=6, shuffle=False, epochs=4, engine="numpy", verbose=False
    )
    assert np.abs(nets[0]["hidden1"].W - start).max() <= found.costs[-1].moved
    text = str(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "      26          52           1" in text
    assert "to the power" in text
    assert "to the power" not in str(cr.compare_perturbation(nets[1], X, Y, steps=1))


@pytest.mark.parametrize(
    ("networks", "settings", "error", "message"),
    [
        ([], {}, ParameterError, "needs at least one network"),
        (network(dtype="float32"), {}, ParameterError, "of type float32, in which the differences"),
        (network("tanh", "mse", cr.Dropout(0.5)), {}, ParameterError, "acts otherwise in every step"),
        (network(), {"steps": 0}, ParameterError, "steps must be a positive int"),
        (network(), {"delta": 0.0}, ParameterError, "delta must be above 0"),
        (network(), {"learning_rate": -1.0}, ParameterError, "learning_rate must be above 0"),
        (cr.Network([cr.Dense(2)], "mse", dtype="float64"), {}, NotFittedError, "no weights to explain"),
    ],
)
def test_what_cannot_be_compared_is_refused(networks, settings, error, message):
    with pytest.raises(error, match=message):
        cr.compare_perturbation(networks, X, Y, **settings)


def test_perturbation_needs_targets():
    with pytest.raises(ParameterError, match="no loss without targets"):
        cr.compare_perturbation(network(), X, None)
