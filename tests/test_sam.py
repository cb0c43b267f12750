"""Sharpness-aware minimisation: PyTorch's numbers, the paper's formulas, dropout and batch normalisation."""

import json
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.errors import ParameterError, ShapeError
from chainrule.graph.substitute import substitute
from chainrule.graph.tensor import placeholder
from chainrule.optim import rules
from chainrule.optim.rules import optimizer_from_json

ENGINES = ["numpy", "numba"]
SILENT = {"verbose": False}
FOLDER = Path(__file__).with_name("golden")
GOLDEN = json.loads(FOLDER.joinpath("sam.json").read_text("utf-8"))
PROBLEM = json.loads(FOLDER.joinpath("optimizers.json").read_text("utf-8"))["problem"]
X = np.random.default_rng(0).normal(size=(40, 5))
Y = np.arange(40) % 3


def network(layers=None, dtype="float64", **settings):
    net = cr.Network(layers or [cr.Dense(6, "tanh"), cr.Dense(3)], "cross_entropy", dtype=dtype, **settings)
    net.build(5, seed=3)
    return net


@pytest.mark.golden
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("entry", GOLDEN["rules"], ids=lambda e: f"{e['rule']}-{e['rho']}")
def test_steps_agree_with_pytorch(entry, engine):
    rule = cr.SAM(getattr(rules, entry["rule"])(**entry["settings"]), rho=entry["rho"])
    layer = cr.Dense(3, "tanh", weights=PROBLEM["W"], bias=PROBLEM["b"])
    net = cr.Network([layer], "mse", dtype="float64")
    net.build(2)
    program = net.program(rule)
    runner = compile_program(program, engine)
    runner.load({v: np.zeros(v.shape) for v in program.updates} | net._values())
    tables = [np.array(PROBLEM["X"]), np.array(PROBLEM["T"]), rule.learning_rate]
    batch, done = PROBLEM["batch"], 0
    for steps, expected in entry["values"].items():
        runner.epoch(tables, np.arange(done * batch, int(steps) * batch) % len(tables[0]), batch)
        done = int(steps)
        W, b = (runner.state[leaf] for leaf in net.trained_leaves())
        np.testing.assert_allclose(W, expected[0], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(b, expected[1], rtol=1e-10, atol=1e-12)


def test_without_distance_it_is_the_rule_itself():
    found = []
    for rule in (cr.Adam(0.01), cr.SAM(cr.Adam(0.01), rho=1e-9)):
        net = network()
        net.fit(X, Y, optimizer=rule, epochs=5, **SILENT)
        found.append(net.parameters)
    for name, value in found[0].items():
        np.testing.assert_allclose(found[1][name], value, rtol=1e-6, atol=1e-9)


def test_what_is_not_asked_for_is_the_program_of_before():
    net = network()
    assert cr.numpy_source(net.program(cr.SGD(0.1))) == cr.numpy_source(net.program(cr.SGD(0.1, sam=None)))
    assert "_sam" not in net.source(cr.Adam())
    assert net.program(cr.SGD(0.1)) is not net.program(cr.SGD(0.1, sam=0.05))


@pytest.mark.parametrize(("engine", "norm"), [("numpy", [cr.BatchNorm()]), ("numba", [])])
def test_the_printed_source_gives_the_weights_of_fit(engine, norm):
    layers = [cr.Dense(6, "relu"), *norm, cr.Dropout(0.3), cr.Dense(3)]
    rule = cr.SAM(cr.SGD(0.1, momentum=0.9), rho=0.2)
    net = network(layers)
    space = {}
    exec(net.source(rule), space)
    program = net.program(rule)
    values = {v: np.zeros(v.shape) for v in program.updates} | net._values()
    loss, *state = space["step"](X, Y, *(values[v] for v in program.variables), 0, 0, 0.1)
    history = net.fit(X, Y, optimizer=rule, batch_size=40, epochs=1, shuffle=False, engine=engine, **SILENT)
    assert history.loss == pytest.approx([loss], rel=1e-12)
    found = dict(zip(program.updates, state, strict=True))
    for leaf, value in net._values().items():
        np.testing.assert_allclose(value, found[leaf], rtol=1e-9, atol=1e-12)


def test_both_passes_drop_the_same_and_the_first_alone_counts_for_running_means():
    layers = [cr.Dense(6, "relu"), cr.BatchNorm(), cr.Dropout(0.3), cr.Dense(3)]
    net = network(layers)
    text = net.source(cr.SAM(cr.SGD(0.1)))
    assert text.count("uniform((n, 6)") == 1
    assert "kept_dropout, d_dropped_dropout_sam" in text
    means = []
    for rule in (cr.SGD(0.1), cr.SAM(cr.SGD(0.1), rho=3.0)):
        net = network(layers)
        net.fit(X, Y, optimizer=rule, batch_size=40, epochs=1, shuffle=False, **SILENT)
        means.append(net.parameters["batch_norm.mean"])
    assert np.array_equal(*means)
    assert means[0].any()


def test_clipping_is_of_the_second_gradient_and_frozen_weights_do_not_move():
    rule = cr.SAM(cr.SGD(0.1, clip_norm=1e-3), rho=0.5)
    net = network([cr.Dense(6, "tanh", frozen=True), cr.Dense(3)])
    before = net.parameters
    net.fit(X, Y, optimizer=rule, batch_size=40, epochs=1, **SILENT)
    moved = {name: value - before[name] for name, value in net.parameters.items()}
    assert not moved["hidden1.W"].any()
    norm = np.sqrt(sum((m**2).sum() for m in moved.values()))
    assert norm == pytest.approx(0.1 * 1e-3, rel=0.01)  # the 1e-6 that clipping adds
    assert "W1_sam" not in net.source(rule)


def test_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    rule = cr.SAM(cr.NAdam(0.01), rho=0.1)
    layers = [cr.Dense(6, "relu"), cr.Dropout(0.3), cr.Dense(3)]
    whole, parted = network(layers), network(layers)
    whole.fit(X, Y, optimizer=rule, batch_size=16, epochs=6, **SILENT)
    for epochs in (2, 6):
        saver = cr.Checkpoint(tmp_path)
        parted.fit(
            X, Y, optimizer=rule, batch_size=16, epochs=epochs, callbacks=[saver], resume=True, **SILENT
        )
    for name, value in whole.parameters.items():
        assert np.array_equal(parted.parameters[name], value)


@pytest.mark.parametrize("rule", [cr.SAM(cr.SGD(0.1, momentum=0.9)), cr.SAM(cr.Lion(), 0.2)], ids=str)
def test_rules_with_sam_survive_files(rule, tmp_path):
    assert optimizer_from_json(json.loads(json.dumps(rule.to_json()))) == rule
    assert cr.SAM(cr.SGD(0.1)) == cr.SGD(0.1, sam=0.05)
    net = network()
    net.fit(X, Y, optimizer=rule, epochs=1, **SILENT)
    net.save(tmp_path / "net")
    assert cr.load(tmp_path / "net").optimizer == rule
    assert cr.load(tmp_path / "net").source() == net.source()


def test_a_step_with_sam_can_be_explained():
    net = network()
    net.fit(X, Y, optimizer=cr.SAM(cr.Adam(0.01)), epochs=1, **SILENT)
    assert "W1_sam" in str(net.trace(X[:3], Y[:3]))
    told = str(net.why("hidden1.W[0, 2]", X[0], Y[0]))
    assert "Adam(0.01, sam=0.05)" in told
    assert "sam_scale" in told


def test_estimators_take_rules_with_sam():
    model = cr.MLPClassifier(
        (8,), solver=cr.SAM(cr.Adam(0.01)), max_iter=30, n_iter_no_change=50, random_state=0
    )
    with pytest.warns(Warning, match="the maximum of 30 iterations"):
        model.fit(X, Y)
    assert "sam_norm" in model.network_.source()


def test_nodes_that_do_not_depend_on_what_is_replaced_stay():
    x, w, v = (placeholder(("n",), "float64", name) for name in ("x", "w", "v"))
    kept = cr.exp(x)
    kept.name = "kept"
    y = kept * w
    y.name = "y"
    (made,) = substitute([y], {w: v}, "_new")
    assert made.inputs[0] is kept
    assert made.inputs[1] is v
    assert (made.name, y.name) == ("y_new", "y")
    assert substitute([kept], {w: v}, "_new")[0] is kept


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.SAM(cr.SGD(0.1), rho=0), "SGD: sam must be above 0 and finite, got 0"),
        (lambda: cr.Adam(sam=-1), "Adam: sam must be above 0 and finite, got -1"),
        (lambda: cr.SAM("sgd"), "SAM: expected an update rule, got 'sgd'"),
        (lambda: cr.SAM(cr.LBFGS()), "SAM: LBFGS works on all rows at once, and takes no steps of its own"),
        (lambda: cr.SAM(cr.SAM(cr.SGD(0.1))), r"SAM: SGD has sam=0.05 already. State it once"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_what_does_not_go_with_sam_is_refused():
    net, rule = network(), cr.SAM(cr.SGD(0.1))
    with pytest.raises(ParameterError, match="Ledger: with sam the slopes are those of other weights"):
        net.fit(X, Y, optimizer=rule, record=cr.Ledger("output.b"), **SILENT)
    with pytest.raises(ParameterError, match="accumulate and sam contradict each other"):
        net.fit(X, Y, optimizer=rule, accumulate=2, **SILENT)
    layered = cr.Conventions(order="layer_by_layer")
    with pytest.raises(ParameterError, match="Conventions: sam takes slopes at other weights, and order="):
        layered.train(net, X, Y, optimizer=rule)
    with pytest.raises(ShapeError):
        net.fit(X[:, :2], Y, optimizer=rule, **SILENT)
