"""Derivations: the paths add up to the gradient, the strongest are found first, and every factor is right."""

import itertools
import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.errors import (
    DTypeError,
    GradientError,
    NotFittedError,
    ParameterError,
    ShapeError,
    UnknownNameError,
)
from chainrule.explain.wording import WIDTH
from chainrule.nn.losses import LOSSES

MAZUR = json.loads((Path(__file__).parent / "golden" / "mazur.json").read_text())
ACTIVATIONS = ["relu", "tanh", "logistic", "elu", "gelu", "mish", "hard_tanh", "softsign", "linear"]
EXTRAS = {
    "none": [],
    "batch_norm": [cr.BatchNorm()],
    "layer_norm": [cr.LayerNorm()],
    "dropout": [cr.Dropout(0.3)],
    "maxout": [cr.Maxout(3, 2)],
}


def mazur():
    def layer(W, b):
        return cr.Dense(2, "logistic", weights=np.array(W).T, bias=[b, b], frozen="b")

    m = MAZUR
    return cr.Network([layer(m["W1"], m["b1"]), layer(m["W2"], m["b2"])], "half_sum", dtype="float64")


def targets(loss, rng, rows, outputs):
    kind = LOSSES[loss].target
    if kind == "classes":
        return rng.integers(0, outputs, rows)
    y = rng.uniform(0.1, 0.9, (rows, outputs))
    if loss == "hinge":
        return (y > 0.5).astype(float)
    return y / y.sum(axis=1, keepdims=True)


def random_case(seed, rows, loss, activations, extra="none", l2=0.0):
    rng = np.random.default_rng(seed)
    units = [int(u) for u in rng.integers(1, 6, len(activations))]
    dense = [cr.Dense(u, a, l2=l2) for u, a in zip(units, activations, strict=True)]
    net = cr.Network([*dense, *EXTRAS[extra], cr.Dense(3)], loss, dtype="float64")
    net.build(4, seed=seed)
    X, y = rng.normal(size=(rows, 4)), targets(loss, rng, rows, 3)
    if loss == "categorical_hinge":
        y[:] = 0
    return net, X, y


# the sum over paths ---------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7])
@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"quantiles"}))
def test_paths_add_up_to_the_gradient_for_every_loss(loss, rows):
    net, X, y = random_case(3, rows, loss, ["tanh", "logistic"])
    for name in ("hidden1.W[0, 0]", "hidden2.b[0]", "output.W[0, 1]", "x[0]" if rows == 1 else "x[3, 0]"):
        found = net.why(name, X, y)
        assert found.path_sum == pytest.approx(found.derivative, rel=1e-12, abs=1e-14)
        assert "<math" in found.to_html()


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    rows=st.sampled_from([1, 2, 5]),
    loss=st.sampled_from(["mse", "half_sum", "cross_entropy", "binary_cross_entropy", "huber"]),
    activations=st.lists(st.sampled_from(ACTIVATIONS), min_size=1, max_size=3),
    extra=st.sampled_from(sorted(EXTRAS)),
    l2=st.sampled_from([0.0, 0.1]),
)
def test_paths_add_up_to_the_gradient_for_random_networks(seed, rows, loss, activations, extra, l2):
    net, X, y = random_case(seed, rows, loss, activations, extra, l2)
    names = [f"hidden1.W[{seed % 4}, 0]", "hidden1.b[0]", "x[0, 1]", "z1[0, 0]", "hidden1[0, 0]"]
    for name in (names[0], names[1 + seed % 4]):
        found = net.why(name, X, y, paths=50 if rows < 3 else 3)
        scale = max(1.0, abs(found.derivative))
        assert abs(found.path_sum - found.derivative) < 1e-12 * scale
        if found.by_row is not None:
            total = found.by_row.sum() + found.penalty
            assert abs(total - found.derivative) < 1e-12 * scale
            assert abs(found.by_row.sum() - found.data) < 1e-12 * scale
        if len(found.chains) == found.path_count:
            assert sum(c.value for c in found.chains) == pytest.approx(found.derivative, abs=1e-12 * scale)


def test_the_derivative_is_that_of_numerical_differentiation():
    net, X, y = random_case(5, 4, "mse", ["tanh"], l2=0.05)
    found = net.why("hidden1.W[1, 0]", X, y)
    h, W = 1e-6, net["hidden1"].W.copy()

    def loss(change):
        moved = W.copy()
        moved[1, 0] += change
        net.set_parameters({"hidden1.W": moved})
        return net.why("hidden1.W[1, 0]", X, y).loss

    assert found.derivative == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-7)


def test_networks_with_branches_and_shared_layers_have_paths_through_each_branch():
    x = cr.Input(3)
    shared = cr.Dense(3, "tanh", name="shared")
    once = shared(x)
    joined = cr.Add()(once, shared(once), x)
    net = cr.Network(cr.Dense(2)(cr.Concatenate()(joined, once)), "mse", dtype="float64")
    net.build()
    found = net.why("x[1]", [0.1, -0.2, 0.3], [1.0, 0.0], paths=1000)
    assert found.path_count == len(found.chains)
    assert sum(c.value for c in found.chains) == pytest.approx(found.derivative, rel=1e-12)
    routes = {len(c.factors) for c in found.chains}
    assert len(routes) > 2


def test_several_outputs_add_up():
    x = cr.Input(2)
    hidden = cr.Dense(3, "tanh")(x)
    net = cr.Network(
        [cr.Dense(1)(hidden), cr.Dense(2)(hidden)],
        ["mse", "cross_entropy"],
        dtype="float64",
        loss_weights=[1.0, 0.3],
    )
    net.build()
    found = net.why("hidden1.W[0, 1]", [[0.5, -1.0]] * 2, [[0.3, 0.1], [0, 1]], paths=1000)
    assert sum(c.value for c in found.chains) == pytest.approx(found.derivative, rel=1e-12)
    assert found.by_row.sum() == pytest.approx(found.derivative, rel=1e-12)


# the strongest --------------------------------------------------------------------------------


def test_the_strongest_paths_are_those_of_a_full_list():
    net, X, y = random_case(12, 3, "mse", ["tanh", "logistic", "tanh"])
    every = net.why("hidden1.W[0, 0]", X, y, paths=100_000).chains
    some = net.why("hidden1.W[0, 0]", X, y, paths=7).chains
    by_hand = sorted((abs(c.value) for c in every), reverse=True)
    assert len(every) > 50
    assert [abs(c.value) for c in some] == pytest.approx(by_hand[:7])
    assert len({tuple(f.of.text for f in c.factors) for c in every}) == len(every)


def test_paths_of_a_small_network_are_those_that_one_lists_by_hand():
    net, X, y = random_case(2, 1, "half_sum", ["tanh", "tanh"])
    W2, W3 = net["hidden2"].W, net["output"].W
    found = net.why("x[0]", X, y, paths=10_000)
    p = net.predict(X)
    a1 = np.tanh(X @ net["hidden1"].W + net["hidden1"].b)
    a2 = np.tanh(a1 @ W2 + net["hidden2"].b)
    listed = sorted(
        net["hidden1"].W[0, i] * (1 - a1[0, i] ** 2) * W2[i, j] * (1 - a2[0, j] ** 2) * W3[j, k]
        * (p[0, k] - y[0, k])
        for i, j, k in itertools.product(range(W2.shape[0]), range(W2.shape[1]), range(3))
    )  # fmt: skip
    assert sorted(c.value for c in found.chains) == pytest.approx(listed, rel=1e-12)


@pytest.mark.parametrize("rows", [1, 40])
def test_a_network_for_images_shows_its_strongest_paths_and_says_how_many_there_are(rows):
    net = cr.Network([cr.Dense(100, "relu"), cr.Dense(10)], "cross_entropy", dtype="float64")
    net.build(784)
    rng = np.random.default_rng(0)
    found = net.why("x[300]" if rows == 1 else "x[7, 300]", rng.random((rows, 784)), np.arange(rows) % 10)
    live = sum(1 for c in found.chains for f in c.factors if f.value == 0)
    assert live == 0
    assert 300 < found.path_count < 1000
    assert len(found.chains) == 5
    assert found.path_sum == pytest.approx(found.derivative, rel=1e-12)
    assert f"of {found.path_count} paths that are not 0. The 5 strongest make up" in str(found)


def test_normalised_batches_too_wide_to_follow_are_stepped_over(monkeypatch):
    monkeypatch.setattr("chainrule.explain.why.stations.MOST", 500)
    net, X, y = random_case(4, 12, "mse", ["tanh"], "batch_norm")
    found = net.why("hidden1.W[0, 0]", X, y)
    assert found.left_out == ["a1", "z1"] or found.left_out == ["a1"]
    assert found.path_sum == pytest.approx(found.derivative, rel=1e-12)
    assert f"Paths step over {', '.join(found.left_out)}, with" in str(found)


# factors --------------------------------------------------------------------------------------


@pytest.mark.golden
def test_mazurs_derivatives_factor_by_factor():
    b = MAZUR["backward"]
    (chain,) = mazur().why("output.W[0, 0]", MAZUR["x"], MAZUR["target"]).chains
    values = [f.value for f in chain.factors]
    out_o1, out_h1 = MAZUR["forward"]["out_o"][0], MAZUR["forward"]["out_h"][0]
    assert values == pytest.approx([out_h1, out_o1 * (1 - out_o1), out_o1 - MAZUR["target"][0]], abs=1e-9)
    assert chain.value == pytest.approx(b["dE_dw5"], abs=1e-9)
    assert values[1] * values[2] == pytest.approx(b["delta_o1"], abs=1e-9)
    formulas = [f.formula.text for f in chain.factors]
    assert formulas == ["a1[0]", "a2[0] * (1 - a2[0])", "a2[0] - t[0]"]
    first = mazur().why("hidden1.W[0, 0]", MAZUR["x"], MAZUR["target"], optimizer=cr.SGD(0.5))
    assert first.derivative == pytest.approx(b["dE_dw1"], abs=1e-9)
    by_out = sum(c.value / c.factors[0].value / c.factors[1].value for c in first.chains)
    assert by_out == pytest.approx(b["dE_dout_h1"], abs=1e-9)
    assert first.update.new == pytest.approx(MAZUR["updated_w1_to_w8"][0], abs=1e-9)


@pytest.mark.parametrize("extra", sorted(EXTRAS))
@pytest.mark.parametrize("loss", ["mse", "cross_entropy", "huber", "mae", "binary_cross_entropy"])
def test_every_formula_has_the_value_that_stands_beside_it(loss, extra):
    net, X, y = random_case(6, 3, loss, ["gelu", "softsign"], extra)
    derivation = net.why("hidden1.W[1, 0]", X, y, paths=4)
    assert "<math" in derivation.to_html()  # all LaTeX is such as MathML is made of
    functions = {name: getattr(np, name) for name in ("abs", "exp", "sign", "sqrt", "tanh")}
    functions["logistic"] = lambda z: 1 / (1 + np.exp(-z))
    formulas = 0
    for chain in derivation.chains:
        for f in chain.factors:
            if f.numbers is not None:
                formulas += 1
                value = eval(f.numbers.text, {"__builtins__": {}, **functions})
                assert float(value) == pytest.approx(f.value, rel=1e-6, abs=1e-8)
    assert formulas >= 2 * len(derivation.chains)


def test_the_formula_is_left_out_where_an_op_has_no_elements_of_its_own():
    net, X, y = random_case(6, 2, "cross_entropy", ["tanh"], "layer_norm")
    (chain,) = net.why("hidden1.W[0, 0]", X, y, paths=1).chains
    factors = {f.of.text.partition("[")[0]: f for f in chain.factors}
    assert factors["normed_layer_norm"].formula is None
    assert factors["scaled_layer_norm"].formula.text.startswith("gamma_layer_norm[")


def test_a_dead_unit_is_told():
    net = cr.Network(
        [
            cr.Dense(2, "relu", weights=[[1.0, 1.0]], bias=[-5.0, 5.0]),
            cr.Dense(1, weights=[[1.0], [1.0]], bias=[0.0]),
        ],
        "mse",
        dtype="float64",
    )
    found = net.why("hidden1.W[0, 0]", [1.0], [0.0])
    assert (found.derivative, found.path_count) == (0, 0)
    assert found.chains[0].factors[0].of.text == "z1[0]"
    assert "d a1[0] / d z1[0] = a1[0] > 0 is 0" in found.sentence
    assert "Every path to the loss is 0" in str(found)


def test_a_derivative_that_is_not_finite_is_told():
    hidden = cr.Dense(1, weights=[[1e200]], bias=[0.0])
    net = cr.Network([hidden, cr.Dense(1, weights=[[1e200]], bias=[0.0])], "mse", dtype="float64")
    found = net.why("hidden1.W[0, 0]", [1.0], [1.0])
    assert "Derivatives on its paths are not finite" in str(found)
    assert "no path to the loss" not in str(found)
    assert found.sentence.startswith("The derivative is inf: diagnose(X, y) says which op")
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["derivative"] == "inf"


def test_an_update_that_changes_nothing_is_told():
    hidden = cr.Dense(1, "relu", weights=[[1.0]], bias=[-5.0])
    net = cr.Network([hidden, cr.Dense(1, weights=[[1.0]], bias=[0.0])], "mse", dtype="float64")
    assert net.why("hidden1.W[0, 0]", [1.0], [0.0]).sentence.endswith(" SGD leaves it at 1.")


# the update -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        cr.SGD(0.3),
        cr.SGD(0.3, momentum=0.9, nesterov=True),
        cr.SGD(0.3, momentum=0.9, weight_decay=0.01, clip_norm=0.1),
        cr.Adam(0.01),
        cr.AdamW(0.01, clip_value=0.01),
        cr.NAdam(0.01),
        cr.RMSProp(0.01, momentum=0.5, centered=True),
        cr.Adagrad(0.1),
        cr.Lion(0.01),
        cr.Rprop(0.01),
        cr.Quickprop(0.1),
        cr.DeltaBarDelta(0.1),
        cr.SignSGD(0.01),
    ],
    ids=lambda rule: f"{type(rule).__name__}{len(repr(rule))}",
)
def test_the_new_value_is_that_of_the_next_step_to_the_bit(optimizer):
    net, X, y = random_case(8, 6, "mse", ["tanh"], l2=0.01)
    settings = {
        "optimizer": optimizer,
        "batch_size": 6,
        "shuffle": False,
        "engine": "numpy",
        "verbose": False,
    }
    net.fit(X, y, epochs=3, **settings)
    told = {name: net.why(name, X, y).update for name in ("hidden1.W[2, 0]", "output.b[1]")}
    before = {k: v.copy() for k, v in net.parameters.items()}
    net.fit(X, y, epochs=1, go_on=True, **settings)
    after = net.parameters
    for name, parameter, index in (
        ("hidden1.W[2, 0]", "hidden1.W", (2, 0)),
        ("output.b[1]", "output.b", (1,)),
    ):
        assert told[name].old == before[parameter][index]
        assert told[name].new == after[parameter][index]
        assert told[name].lines[-1].value == told[name].new
        assert told[name].lines[-1].formula is not None


def test_what_the_loss_does_not_depend_on_has_no_path():
    net, X, y = random_case(1, 4, "mse", ["tanh"], "batch_norm")
    found = net.why("batch_norm.mean[0]", X, y)
    assert (found.derivative, found.chains) == (0, [])
    assert "There is no path to the loss" in str(found)
    assert found.update.lines[-1].name.text == "new_mean_batch_norm[0]"


def test_what_no_step_changes_is_told():
    net = mazur()
    frozen = net.why("hidden1.b[0]", MAZUR["x"], MAZUR["target"])
    assert frozen.update.new is None
    assert "It is frozen: training leaves it as it is." in frozen.sentence
    assert "It is no weight: no step changes it." in net.why("a1[1]", MAZUR["x"], MAZUR["target"]).sentence


# forms ----------------------------------------------------------------------------------------


def test_the_text_fits_80_columns_and_says_it_in_words():
    net, X, y = random_case(9, 5, "cross_entropy", ["gelu", "tanh"], l2=0.01)
    found = net.why("hidden1.W[0, 0]", X, y, optimizer=cr.AdamW(0.01, clip_norm=1.0))
    text = str(found)
    assert max(map(len, text.splitlines())) <= WIDTH
    way = "raise" if found.derivative > 0 else "lower"
    said = (
        f"Raising hidden1.W[0, 0] by 0.01 would {way} the loss by about {abs(found.derivative) * 0.01:.3g}."
    )
    assert said in " ".join(text.split())
    assert "By row," in text
    assert "AdamW moves it from" in found.sentence


def test_json_markdown_and_html_hold_the_same_numbers():
    found = mazur().why("hidden1.W[0, 0]", MAZUR["x"], MAZUR["target"], optimizer=cr.SGD(0.5))
    held = json.loads(json.dumps(found.to_json()))
    assert held["derivative"] == found.derivative
    assert math.prod(f["value"] for f in held["paths"]["strongest"][0]["factors"]) == pytest.approx(
        found.chains[0].value, rel=1e-15
    )
    assert held["update"]["new"] == found.update.new
    page = found.to_markdown()
    assert r"\frac{\partial a_1[0]}{\partial z_1[0]} &= a_1[0] \cdot (1 - a_1[0])" in page
    assert page.count("$$") % 2 == 0
    markup = found._repr_html_()
    assert "<mn>0.000438567734</mn>" in markup
    assert markup.count("<table>") == markup.count("</table>") == 3
    ElementTree.fromstring(markup.replace("<style>", "<p>").partition("</style>")[2].strip())
    assert found.to_html().startswith("<!doctype html>")
    assert markup.strip() in found.to_html()


def test_numbers_of_single_precision_are_written_as_such():
    net = cr.Network([cr.Dense(1, weights=[[0.1]], bias=[0.0])], "half_sum")
    text = str(net.why("W1[0, 0]", [0.3], [1.0], optimizer="sgd"))
    assert "d z1[0] / d W1[0, 0] = x[0] = 0.3\n" in text
    assert "= 0.1 - 0.1 * -0.291 = 0.1291\n" in text


# bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        (("hidden9.W[0, 0]", [0.1, 0.2], [0.0, 1.0]), {}, UnknownNameError, "did you mean 'hidden1.W'"),
        (("hidden1.W[0, 9]", [0.1, 0.2], [0.0, 1.0]), {}, ShapeError, "9 is out of range"),
        (("hidden1.W[0, 0]", [0.1, 0.2]), {}, ParameterError, "no loss without targets"),
        (("hidden1.W[0, 0]", [0.1, 0.2, 0.3], [0.0, 1.0]), {}, ShapeError, "2 inputs, got 3 columns"),
        (("hidden1.W[0, 0]", ["a", "b"], [0.0, 1.0]), {}, DTypeError, "expected numbers"),
        (("W1[0, 0]", [0.1, 0.2], [0.0, 1.0]), {"paths": 0}, ParameterError, "paths must be a positive int"),
        (("W1[0, 0]", [0.1, 0.2], [0.0, 1.0]), {"samples": 0}, ParameterError, "samples must be a positive"),
    ],
)
def test_bad_input_is_told(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        mazur().why(*arguments, **settings)


def test_a_network_without_weights_and_a_class_are_refused():
    with pytest.raises(NotFittedError, match="no weights to explain"):
        cr.Network([cr.Dense(2)], "cross_entropy").why("output.W[0, 0]", [0.1], [0])
    net = cr.Network([cr.Dense(2, weights=[[1.0, 2.0]], bias=[0.0, 0.0])], "cross_entropy")
    with pytest.raises(GradientError, match="t holds int64"):
        net.why("t", [0.1], 0)


def test_a_loss_of_the_whole_batch_is_not_split_by_rows():
    def spread(z, t):
        error = (z - t) ** 2
        return cr.sqrt(error.sum())

    net = cr.Network([cr.Dense(1)], spread, dtype="float64")
    net.build(2)
    found = net.why("output.W[0, 0]", [[0.1, 0.2], [0.5, -1.0]], [1.0, 2.0])
    assert found.by_row is None
    assert found.path_sum == pytest.approx(found.derivative, rel=1e-12)
    assert "By row" not in str(found)
