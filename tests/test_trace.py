"""Traces: the step's own numbers to the last bit, in every notation and form; sizes, parts, messages."""

import copy
import json
import re
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pytest
from test_golden_networks import MAZUR, RATE, ROW, TARGET, mazur

import chainrule as cr
from chainrule.emit.columns import as_columns, turned_value
from chainrule.emit.mathtree import mathml, parse_latex, plain_math
from chainrule.errors import DataError, NotFittedError, ParameterError, ShapeError, UnknownNameError
from chainrule.explain.numbers import lines_of
from chainrule.explain.trace import tracing
from chainrule.explain.trace.lines import Lines
from chainrule.explain.trace.notation import PRESETS
from chainrule.graph.evaluate import interpret
from chainrule.nn.activations import ACTIVATIONS

RNG = np.random.default_rng(5)
X = RNG.normal(size=(6, 3))
CLASSES = [0, 2, 1, 1, 0, 2]
VALUES = RNG.normal(size=(6, 2))
YES = [0, 1, 1, 0, 1, 0]


def dense(loss, outputs, *layers, activation="tanh", **settings):
    return cr.Network(
        [cr.Dense(4, activation), *layers, cr.Dense(outputs)], loss=loss, dtype="float64", **settings
    )


def of(*layers):
    return cr.Network(layers, loss="mse", dtype="float64")


def running(z):
    """Each row adds to half of what was before: a loop over the rows."""
    return cr.scan(lambda c, row: (0.5 * c + row, cr.tanh(0.5 * c + row)), np.zeros(4), z)[1]


def two_in_two_out():
    left, right = cr.Input(3, name="left"), cr.Input(3, name="right")
    shared = cr.Dense(4, "tanh", name="shared")
    joined = cr.Concatenate()(shared(left), shared(right))
    ends = [cr.Dense(2, name="value")(joined), cr.Dense(3, name="kind")(joined)]
    return cr.Network(ends, ["mse", "cross_entropy"], dtype="float64", loss_weights=[1.0, 0.5])


NETWORKS = {
    **{f"activation {name}": (dense("mse", 2, activation=name), X, VALUES, "sgd") for name in ACTIVATIONS},
    **{
        f"loss {name}": (dense(name, 2), X, VALUES, "sgd")
        for name in ("mse", "half_sum", "sum", "mae", "huber", "quantile", "cosine")
    },
    "loss cross_entropy": (dense("cross_entropy", 3), X, CLASSES, "sgd"),
    "loss binary": (dense("binary_cross_entropy", 1), X, YES, "sgd"),
    "loss focal": (dense("focal", 3), X, CLASSES, "sgd"),
    "loss hinge": (dense("categorical_hinge", 3), X, CLASSES, "sgd"),
    "momentum": (dense("mse", 2), X, VALUES, cr.SGD(0.1, momentum=0.9)),
    "nesterov": (dense("mse", 2), X, VALUES, cr.SGD(0.1, momentum=0.9, nesterov=True)),
    "adam": (dense("mse", 2), X, VALUES, "adam"),
    "adamw": (dense("mse", 2), X, VALUES, "adamw"),
    "nadam": (dense("mse", 2), X, VALUES, "nadam"),
    "rmsprop": (dense("mse", 2), X, VALUES, "rmsprop"),
    "lion": (dense("mse", 2), X, VALUES, "lion"),
    "clipped": (dense("mse", 2), X, VALUES, cr.Adam(0.1, clip_norm=0.01)),
    "dropout": (dense("mse", 2, cr.Dropout(0.5)), X, VALUES, "adam"),
    "batch norm": (dense("mse", 2, cr.BatchNorm()), X, VALUES, cr.SGD(0.1, momentum=0.5)),
    "layer norm": (dense("cross_entropy", 3, cr.LayerNorm()), X, CLASSES, "sgd"),
    "maxout": (dense("mse", 2, cr.Maxout(2, 3)), X, VALUES, "sgd"),
    "penalty per row": (
        cr.Network([cr.Dense(2, l1=0.1, l2=0.1)], "mse", "float64", penalties="per_row"), X, VALUES, "sgd",
    ),
    "frozen": (of(cr.Dense(4, "relu", frozen=True), cr.Dense(2)), X, VALUES, "sgd"),
    "named": (of(cr.Dense(4, "relu", name="gate"), cr.Dense(2)), X, VALUES, "adam"),
    "loop": (of(cr.Dense(4, running), cr.Dense(2)), X, VALUES, "sgd"),
    "several": (two_in_two_out(), [X, X[::-1].copy()], [VALUES, CLASSES], "adam"),
}  # fmt: skip


@cache
def prepared(name):
    """A network after two steps, and its rows: its optimizer remembers something."""
    net, rows, y, rule = NETWORKS[name]
    fit(net, rows, y, rule, epochs=2)
    return net, rows, y, rule


@cache
def traced(name):
    net, rows, y, _ = prepared(name)
    return net.trace(rows, y)


def fit(net, rows, y, rule, **settings):
    return net.fit(
        rows, y, optimizer=rule, batch_size=6, shuffle=False, engine="numpy", verbose=False, **settings
    )


@pytest.fixture(scope="module")
def net():
    made = dense("cross_entropy", 3)
    made.build(3, seed=0)
    return made


# numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_are_those_of_the_next_step_to_the_last_bit(name):
    net, rows, y, rule = prepared(name)
    trace, net = traced(name), copy.deepcopy(net)
    before = {leaf: net.parameters[key] for key, leaf in net.graph.parameters.items()}
    history = fit(net, rows, y, rule, epochs=1, go_on=True)
    assert trace.loss == history.loss[0]
    for key, leaf in net.graph.parameters.items():
        given = trace["given", leaf.name].value if leaf.name in names(trace, "given") else before[leaf]
        np.testing.assert_array_equal(given, before[leaf])
        if leaf.name in names(trace, "update"):
            np.testing.assert_array_equal(trace["update", leaf.name].value, net.parameters[key])
        else:
            np.testing.assert_array_equal(before[leaf], net.parameters[key])
    for remembered, value in net._past.state.items():
        np.testing.assert_array_equal(trace["update", remembered].value, value)


@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"loop"}))
def test_every_line_of_the_printed_source_is_there_in_order(name):
    net = prepared(name)[0]
    function = net.source().partition("\ndef step(")[2]
    lines = re.findall(r"^    (\w+) = (?!\w+\.shape)", function, re.MULTILINE)
    shown = [entry.name for entry in traced(name) if entry.section != "given"]
    assert shown == [line.removeprefix("new_") for line in lines]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_beside_an_activation_is_that_of_its_own_line_to_the_last_bit(name):
    trace = traced(name)
    compared = 0
    for entry in trace:
        if entry.gradient is not None and f"d_{entry.name}" in names(trace, "backward"):
            np.testing.assert_array_equal(entry.gradient, trace[f"d_{entry.name}"].value)
            compared += 1
    assert compared or name in ("frozen", "penalty per row")
    last = [entry for entry in trace if entry.section == "forward"][-1]
    assert last.gradient is not None


def test_outputs_whose_errors_have_one_name_have_gradients_of_their_own():
    x = cr.Input(3)
    net = cr.Network([cr.Dense(2)(x), cr.Dense(2)(x)], ["half_sum", "mse"], dtype="float64")
    net.build(3, seed=0)
    trace = net.trace(X, [VALUES, -VALUES])
    for error, z in (("error", "z1"), ("error_2", "z2")):
        np.testing.assert_array_equal(trace[error].gradient, trace[z].gradient)
    np.testing.assert_allclose(trace["error"].gradient, trace["error"].value / 6, rtol=1e-15)
    np.testing.assert_allclose(trace["error_2"].gradient, trace["error_2"].value / 6, rtol=1e-15)


def test_gradients_agree_with_differences_of_the_loss(net):
    trace = net.trace(X, CLASSES)
    for i, j in ((0, 0), (3, 2)):
        moved = [X.copy(), X.copy()]
        moved[0][i, j] += 1e-6
        moved[1][i, j] -= 1e-6
        up, down = (net.calculate_loss(rows, CLASSES) for rows in moved)
        assert trace["x"].gradient[i, j] == pytest.approx((up - down) / 2e-6, rel=1e-6)


@pytest.mark.golden
def test_mazur():
    """Each of the published numbers, in his notation: a row of W is a unit's weights."""
    trace = mazur().trace(ROW[0], TARGET[0], optimizer=cr.SGD(RATE), notation="mazur")
    forward, backward = MAZUR["forward"], MAZUR["backward"]

    def close(got, expected):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)

    close(trace["given", "W1"].value, MAZUR["W1"])
    close(trace["z1"].value[0, 0], forward["net_h1"])
    close(trace["a1"].value[:, 0], forward["out_h"])
    close(trace["z2"].value[0, 0], forward["net_o1"])
    close(trace["a2"].value[:, 0], forward["out_o"])
    close(0.5 * trace["error"].value[:, 0] ** 2, forward["errors"])
    close(trace.loss, forward["total"])
    close(trace["d_W2"].value[0, 0], backward["dE_dw5"])
    close(trace["d_z2"].value[0, 0], backward["delta_o1"])
    close(trace["a1"].gradient[0, 0], backward["dE_dout_h1"])
    close(trace["d_W1"].value[0, 0], backward["dE_dw1"])
    new = [*trace["update", "W1"].value.ravel(), *trace["update", "W2"].value.ravel()]
    np.testing.assert_allclose(new, MAZUR["updated_w1_to_w8"], rtol=0, atol=5e-9)  # printed with 8 or 9


def names(trace, section):
    return {entry.name for entry in trace if entry.section == section}


def test_a_loop_is_a_line_for_each_of_its_results():
    trace = traced("loop")
    shown = [(entry.section, entry.name, entry.formula.text) for entry in trace if entry.section == "forward"]
    assert [name for _, name, _ in shown] == ["z1", "a1", "before", "z2"]
    assert shown[1][2] == "scan(x6, z1)[2]"
    rows = trace["z1"].value
    carried = np.zeros(4)
    for k, row in enumerate(rows):
        np.testing.assert_array_equal(trace["before"].value[k], carried)
        carried = 0.5 * carried + row
        np.testing.assert_array_equal(trace["a1"].value[k], np.tanh(carried))


def test_a_single_row_may_have_one_axis():
    net = mazur()
    one, batch = (net.trace(*given) for given in ((ROW[0], TARGET[0]), (ROW, TARGET)))
    assert str(one) == str(batch)


def test_dropout_draws_by_seed_and_number():
    net = dense("mse", 2, cr.Dropout(0.5))
    net.build(3, seed=0)
    kept = [
        net.trace(X, VALUES, seed=seed, number=number)["kept_dropout"].value.tolist()
        for seed, number in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert kept[0] == kept[1]
    assert kept[2] != kept[0] != kept[3]


def test_without_targets_there_is_a_forward_pass_as_in_prediction(net):
    trace = net.trace(X)
    assert not trace.complete
    assert {entry.section for entry in trace} == {"given", "forward"}
    np.testing.assert_array_equal(trace["p"].value, net.predict_proba(X))
    assert str(trace).startswith("A forward pass on 6 rows\n")
    assert trace.to_json()["loss"] is None
    with pytest.raises(ParameterError, match=r"there is no loss without targets. Pass y as well."):
        _ = trace.loss


# notations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("notation", [*PRESETS, {"weight_shape": "units_inputs", "target": "ideal"}])
@pytest.mark.parametrize("name", ["dropout", "batch norm", "several"])
def test_a_notation_changes_no_number(name, notation):
    net, rows, y, _ = prepared(name)
    plain, other = traced(name), net.trace(rows, y, notation=notation)
    assert [entry.name for entry in plain] == [entry.name for entry in other]
    for a, b in zip(plain, other, strict=True):
        for mine, theirs in ((a.value, b.value), (a.gradient, b.gradient)):
            if mine is not None:
                theirs = theirs.T if other.notation.columns and mine.ndim == 2 else theirs
                np.testing.assert_array_equal(mine.ravel(), theirs.ravel())


@pytest.mark.parametrize("name", NETWORKS)
def test_formulas_with_samples_as_columns_give_the_transposed_values(name):
    """The turned graph, evaluated line by line, against the values of the step itself."""
    net, rows, y, _ = prepared(name)
    step = net._step(rows, y)
    lines = Lines(step.program)
    values = lines.run(step.feed, lambda line: True)
    turned = as_columns([line.node for line in lines.assigned])
    feed = {turned[leaf]: turned_value(lines.value(leaf, step.feed), leaf.shape) for leaf in lines.leaves
            if leaf in turned}  # fmt: skip
    got = interpret([turned[line.node] for line in lines.assigned], feed)
    for line, value in zip(lines.assigned, got, strict=True):
        expected = turned_value(values[line], line.node.shape)
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-12, err_msg=line.name)


def test_letters_of_nielsen():
    trace = mazur().trace(ROW, TARGET, notation="nielsen")
    shown = {entry.formula.symbol: entry.formula for entry in trace if entry.section != "given"}
    assert shown["z2"].text == "w2 @ x + b2"
    assert shown["z2"].latex_line == r"z^{2} = w^{2}\,x + b^{2}"
    assert shown["δ3"].text == "∂C/∂error * (a3 * (1 - a3))"
    assert shown["∂C/∂w2"].latex_line == r"\frac{\partial C}{\partial w^{2}} = \delta^{2}\,x^T"
    assert shown["w2"].text == "w2 - η * (∂C/∂w2)"


def test_choices_by_name():
    given = {"preset": "mitchell", "rate": r"\epsilon", "first_layer": 0, "gradient": "d", "target": "ideal"}
    trace = mazur().trace(ROW, TARGET, notation=given)
    symbols = [entry.formula.symbol for entry in trace]
    assert symbols[:7] == ["x", "ideal", "w0", "w1", "b0", "b1", "ε"]
    assert trace["update", "W1"].formula.text == "w0 - ε * d_w0"
    assert trace["update", "W1"].formula.latex_line == r"w_0 \leftarrow w_0 - \epsilon \cdot dw_0"


def test_state_and_named_layers_keep_their_names_around_the_letters():
    net, rows, y, _ = prepared("named")
    trace = net.trace(rows, y, notation={"weights": "w", "pre_activation": "net", "layer_index": "above"})
    found = trace["update", "m_W_gate"].formula
    assert found.text == "0.9 * m_w_gate + 0.09999999999999998 * d_w_gate".replace(
        "0.09999999999999998", "0.1"
    )
    assert found.latex_symbol == r"m_{w^{\mathrm{gate}}}"
    assert trace["z_gate"].formula.symbol == "net_gate"


@pytest.mark.parametrize(
    ("notation", "error", "message"),
    [
        ("nilsen", UnknownNameError, "notation 'nilsen' is unknown; did you mean 'nielsen'?"),
        ({"rat": "η"}, UnknownNameError, "notation: choice 'rat' is unknown; did you mean 'rate'?"),
        (3, ParameterError, "notation must be a name, a dict or a Notation, got 3. Pass e.g. 'nielsen'."),
        ({"rate": "x1"}, ParameterError, "notation: rate must be a letter or a word without digits and _"),
        ({"rate": ""}, ParameterError, "notation: rate must be a letter or a word"),
        ({"rate": 1}, ParameterError, "notation: rate must be a letter or a word"),
        ({"first_layer": 3}, ParameterError, "notation: first_layer must be one of 0, 1, 2, got 3."),
        ({"gradient": "nabla"}, ParameterError, "notation: gradient must be one of d, partial, got 'nabla'."),
        (
            {"target": "x"},
            ParameterError,
            "notation: target and input are both x. Give them",
        ),
        ({"target": "error"}, ParameterError, "notation: t and error would both be called error. Choose"),
    ],
)
def test_notations_that_do_not_exist(notation, error, message):
    with pytest.raises(error, match=re.escape(message)):
        mazur().trace(ROW, TARGET, notation=notation)


# parts --------------------------------------------------------------------------------------------


def test_layers_leave_out_what_belongs_to_others():
    net, rows, y, _ = prepared("adam")
    whole, part = net.trace(rows, y), net.trace(rows, y, layers="output")
    assert names(part, "forward") == {"z2"}
    left_out = {entry.name for entry in whole} - {entry.name for entry in part}
    assert left_out == {
        *("z1", "a1", "W1", "b1", "d_z1", "d_a1", "d_W1", "d_b1", "m_W1", "v_W1", "m_b1", "v_b1")
    }
    assert {entry.layer for entry in part} == {"output", None}


def test_lines_without_a_name_of_their_own_belong_to_the_layer_that_reads_them():
    trace = prepared("activation gelu")[0].trace(X, VALUES)
    unnamed = [entry for entry in trace if re.fullmatch(r"v\d+", entry.name)]
    assert unnamed
    assert {entry.layer for entry in unnamed} == {"hidden1"}


def test_only_and_rows():
    net, rows, y, _ = prepared("loss cross_entropy")
    whole, part = net.trace(rows, y), net.trace(rows, y, only=["z1", "loss", "d_W1"], rows=[4, 1])
    assert [entry.name for entry in part] == ["z1", "loss", "d_W1"]
    np.testing.assert_array_equal(part["z1"].value, whole["z1"].value[[4, 1]])
    np.testing.assert_array_equal(part["z1"].gradient, whole["z1"].gradient[[4, 1]])
    np.testing.assert_array_equal(part["d_W1"].value, whole["d_W1"].value)
    columns = net.trace(rows, y, only="z1", rows=2, notation="nielsen")
    np.testing.assert_array_equal(columns["z1"].value, whole["z1"].value[[2]].T)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layers": "hidden"}, UnknownNameError, "layer 'hidden' is unknown; did you mean 'hidden1'?"),
        ({"only": ["z1", "z9"]}, UnknownNameError, "trace: node 'z9' is unknown. Known: W1, "),
        ({"rows": [0, 6]}, DataError, "trace: row 6 is not in the data, which has 6 rows. Rows are counted"),
        ({"rows": -1}, DataError, "trace: row -1 is not in the data"),
        ({"rows": [True]}, DataError, "trace: row True is not in the data"),
        ({"rows": 1.5}, DataError, "trace: row 1.5 is not in the data"),
    ],
)
def test_parts_that_are_not_there(net, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        net.trace(X, CLASSES, **options)


def test_names_that_are_not_in_a_trace(net):
    trace = net.trace(X, CLASSES)
    with pytest.raises(UnknownNameError, match=r"trace: node 'z3' is unknown\. Known: W1, "):
        trace["z3"]
    with pytest.raises(UnknownNameError, match=r"trace: node of update 'z1' is unknown\. Known: W1, W2, b1"):
        trace["update", "z1"]


def test_rows_and_samples_that_do_not_fit(net):
    with pytest.raises(ShapeError, match=r"X: the network has 3 inputs, got 2 columns\."):
        net.trace([1.0, 2.0], 0)
    with pytest.raises(ShapeError, match=r"y: has 2 rows, X has 6\."):
        net.trace(X, [0, 1])
    with pytest.raises(NotFittedError, match="the network has no weights to explain"):
        dense("mse", 1).trace(X)


def test_a_network_too_large_says_its_size_and_offers_parts():
    net = cr.Network([cr.Dense(600, "relu"), cr.Dense(800), cr.Dense(2)], loss="mse")
    net.build(3, seed=0)
    with pytest.raises(ParameterError) as caught:
        net.trace(X, VALUES)
    total = 6 * (3 * 2 + 2) + 3 * 2402 + 3 * (480_000 + 800) + 3 * (2 * 800 + 2)
    assert str(caught.value).startswith("trace: this would be ")
    size = int(re.search(r"([\d,]+) numbers", str(caught.value))[1].replace(",", ""))
    assert total < size < total + 200_000
    assert "holds at most 1,000,000. Ask for a part: layers=['output'] (" in str(caught.value)
    assert "layers=['hidden2']" not in str(caught.value)
    assert "; only=['loss'], or other names of net.source(); fewer rows." in str(caught.value)
    part = net.trace(X, VALUES, layers=["output"])
    stated = int(re.search(r"\['output'\] \(([\d,]+)\)", str(caught.value))[1].replace(",", ""))
    held = sum(e.value.size * (e.section in ("forward", "loss")) for e in part if e.value.ndim)
    assert stated == held + sum(e.value.size for e in part if e.value.ndim)
    assert stated < tracing.MOST


# forms --------------------------------------------------------------------------------------------


def test_text_of_mazur():
    text = str(mazur().trace(ROW[0], TARGET[0], optimizer=cr.SGD(RATE)))
    assert max(map(len, text.split("\n"))) <= 80
    assert (
        """\
  z1 = x @ W1 + b1                                                        (1, 2)
    = [[0.05 0.1]] @ [[0.15 0.25] [0.2 0.3]] + [0.35 0.35]
    = 0.3775  0.3925
    gradient 0.00877135469  0.00995425471
"""
        in text
    )
    headings = [line for line in text.split("\n") if line and not line.startswith(" ")]
    assert headings[1:] == ["given", "forward", "loss", headings[4], "update"]
    assert "  W1 <- W1 - lr * d_W1  " in text


@pytest.mark.parametrize("width", [72, 80, 120])
@pytest.mark.parametrize("name", ["batch norm", "adam", "several"])
def test_tables_cut_nothing(name, width):
    trace = traced(name)
    table = trace.table(width)
    assert max(map(len, table.split("\n"))) <= width
    letters = re.sub(r"\s", "", table)
    for entry in trace:
        if len(entry.formula.symbol) <= width // 4:
            assert entry.formula.symbol in letters
        if width == 120:
            for number in lines_of(entry.value)[0].split()[:1]:
                assert number in letters
    assert "…" not in table
    assert "\x1b" not in table


def test_tables_can_have_colours_and_a_least_width(net):
    assert "\x1b[1m" in net.trace(X, CLASSES).table(color=True)
    with pytest.raises(ParameterError, match=r"table: width must be at least 72, got 10\. Pass e"):
        net.trace(X, CLASSES).table(10)


def test_a_table_needs_rich(net, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rich.console", None)
    with pytest.raises(cr.ChainruleError, match=r"a table needs rich, which is not installed."):
        net.trace(X, CLASSES).table()


def test_json_holds_every_number_with_all_digits(net):
    trace = net.trace(X, CLASSES)
    again = json.loads(json.dumps(trace.to_json(), allow_nan=False))
    assert again["loss"] == trace.loss
    assert again["notation"]["rate"] == "lr"
    for entry, found in zip(trace, again["entries"], strict=True):
        np.testing.assert_array_equal(np.array(found["value"]), entry.value)
        assert found["shape"] == list(entry.value.shape)
        assert ("gradient" in found) == (entry.gradient is not None)
    z1 = next(found for found in again["entries"] if found["name"] == "z1")
    assert (z1["section"], z1["layer"], z1["formula"]) == ("forward", "hidden1", "x @ W1 + b1")
    assert z1["latex"] == r"z_1 = x\,W_1 + b_1"


def test_numbers_that_are_not_finite_are_text_in_json():
    net = cr.Network([cr.Dense(1, "exponential", weights=[[1.0]], bias=[0.0])], loss="mse", dtype="float64")
    trace = net.trace([1000.0])
    found = {entry["name"]: entry["value"] for entry in trace.to_json()["entries"]}
    assert found["a1"] == [["inf"]]
    assert "a1 = exp(z1)" in str(trace)


def test_markdown(net):
    text = net.trace(X, CLASSES).to_markdown()
    assert text.startswith("# A training step on 6 rows\n\n## given\n")
    assert r"$$ \begin{aligned} z_1 &= x\,W_1 + b_1 \\ &= \begin{pmatrix}" in text
    assert text.count("$$") % 2 == 0
    assert re.search(r"24 numbers: \S+ ", str(net.trace(X[:, :3], CLASSES))) is None
    assert "Gradient: " in text


@pytest.mark.parametrize(
    ("name", "notation"),
    [("batch norm", "nielsen"), ("several", "mitchell"), ("adam", None), ("loss focal", "bishop"),
     ("activation gelu", "mazur"), ("loop", "ng")],
)  # fmt: skip
def test_html_is_well_formed_and_needs_nothing_else(name, notation):
    net, rows, y, _ = prepared(name)
    trace = net.trace(rows, y, notation=notation)
    page = trace.to_html()
    assert not re.search(r"<script|<link|src=|url\(|https?:", page)
    root = ET.fromstring(page.removeprefix("<!doctype html>\n").replace('<meta charset="utf-8">', "")
                         .replace('<meta name="viewport" content="width=device-width, initial-scale=1">', "")
                         .replace("<br>", "<br/>"))  # fmt: skip
    shown = root.findall(".//section//tbody/tr/th")
    assert len(shown) == len(trace)
    assert all(cell.find("math") is not None for cell in shown)
    assert trace._repr_html_() in page


def test_large_arrays_are_summarised():
    assert lines_of(np.arange(100.0)) == ["100 numbers: 0 1 2 3 4 5 ...", "min 0, mean 49.5, max 99"]
    assert lines_of(np.zeros((3, 4))) == ["all 12 are 0"]
    assert lines_of(np.array([np.nan, *range(40)]))[-1] == "1 of them not finite"
    assert lines_of(np.arange(30) > 3)[-1] == "26 of them True"
    assert lines_of(np.zeros((2, 0))) == ["(no numbers)"]
    assert lines_of(np.array([[1 / 3, 2.0], [10.0, 1e-12]])) == ["0.333333333  2", "10           1e-12"]


# formulas as trees --------------------------------------------------------------------------------


def test_mathml_of_all_formulas_that_records_write():
    from chainrule.graph.op import OPS

    tried = 0
    for record in OPS.values():
        if isinstance(record.latex, str) and record.latex:
            texts = [f"x_{i}" for i in range(len(record.inputs))]
            attrs = {"slope": 0.1, "alpha": 1.0, "item": 0, "shape": (), "classes": 3}
            latex = record.latex.format(**dict(zip(record.inputs, texts, strict=True)), **attrs)
            ET.fromstring(mathml(latex))
            tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"dW_1 = x^T\,dz_1", "d_W1 = xᵀ d_z1"),
        (r"\frac{a + b}{n}", "(a + b) / n"),
        (r"\frac{1}{2}\,x", "(1 / 2) x"),
        (r"-x^{2} + 10^{-8}", "−x² + 10⁻⁸"),
        (r"\sum_{j} e^{z_1}", "∑_j e^(z1)"),
        (r"\sqrt{\hat{v}_{W_1}}", "√(v^_W1)"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "[1 2; 3 4]"),
        (r"\log p[\cdot, t]", "log p[·, t]"),
        (r"\left|x\right|", "|x|"),
        (r"\theta \leftarrow \theta - \eta \cdot \frac{\partial C}{\partial w^{2}}", "θ ← θ − η · ∂C/∂w²"),
    ],
)
def test_plain_mathematics(latex, plain):
    assert plain_math(latex) == plain
    ET.fromstring(mathml(latex))


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        (r"\foo", r"math: \\foo is not among what formulas here are made of"),
        ("x}", "math: '}' has no beginning in 'x}'"),
        (r"\frac{1}", "math: the formula ends too early"),
        (r"\left(x\right", "math: the formula ends too early"),
        ("(x]", r"math: expected '\)', got '\]'"),
    ],
)
def test_latex_that_the_package_does_not_write(latex, message):
    with pytest.raises(ParameterError, match=message):
        parse_latex(latex)


def test_of_a_schedule_the_rate_that_it_was_given():
    X, y = np.ones((4, 3)), np.arange(4) % 2
    for rate, shown in ((cr.schedules.OneCycle(0.005), 0.005), (lambda epoch: 0.25 - epoch, 0.25)):
        net = cr.Network([cr.Dense(2)], loss="cross_entropy", dtype="float64")
        net.build(3, seed=0)
        assert net.trace(X, y, optimizer=cr.SGD(rate))["lr"].value == shown
