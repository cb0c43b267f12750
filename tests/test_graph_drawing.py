"""Pictures of computation graphs: each node with its value and derivative, in layers, no two on one place."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_drawing import SVG, clashes, label, parsed

import chainrule as cr
from chainrule.explain.drawing.layering import (
    crossings,
    fewest_crossings,
    layered,
    longest_paths,
    rising,
)


def texts(picture):
    return [label(text) for text in parsed(picture).iter(f"{SVG}text")]


def micrograd():
    """The expression of the micrograd lecture, whose values and derivatives are in every account of it."""
    a, b, c, f = (cr.tensor(v, name=n) for v, n in [(2.0, "a"), (-3.0, "b"), (10.0, "c"), (-2.0, "f")])
    e = a * b
    d = e + c
    L = d * f
    e.name, d.name, L.name = "e", "d", "L"
    return L


def mazur():
    first = cr.Dense(2, "logistic", weights=[[0.15, 0.25], [0.2, 0.3]], bias=[0.35, 0.35])
    last = cr.Dense(2, "logistic", weights=[[0.4, 0.5], [0.45, 0.55]], bias=[0.6, 0.6])
    return cr.Network([first, last], "half_sum", "float64")


def tables():
    net = cr.Network([cr.Dense(16, "relu"), cr.Dropout(0.2), cr.BatchNorm(), cr.Dense(3)], "cross_entropy")
    net.build(4)
    return net, np.ones((8, 4)), [0, 1, 2, 0, 1, 2, 0, 1]


def test_every_node_has_its_value_and_derivative():
    shown = texts(cr.draw_graph(micrograd()))
    found = {}
    for name, data, grad in zip(shown, shown[1:], shown[2:], strict=False):
        if data.startswith("data"):
            found[name] = (data, grad)
    assert found["a"] == ("data 2", "grad 6")
    assert found["b"] == ("data −3", "grad −4")
    assert found["e"] == ("data −6", "grad −2")
    assert found["L"] == ("data −8", "grad 1")
    assert shown.count("×") == 2
    assert shown.count("+") == 1


def test_a_step_of_a_network_is_drawn_with_formulas():
    shown = texts(mazur().draw_graph([0.05, 0.1], [0.01, 0.99]))
    for text in ("z1", "= x @ W1 + b1", "data [0.593, 0.597]", "data 0.2984", "= logistic(z2)"):
        assert text in shown
    # d E / d w5 is 0.08216704 in Mazur's example.
    assert shown[shown.index("W2") + 3] == "grad [0.0822, −0.0226]"
    assert "@" in texts(mazur().draw_graph([0.05, 0.1], [0.01, 0.99], detail="ops"))


def test_a_prediction_has_no_derivatives():
    shown = texts(mazur().draw_graph([[0.05, 0.1], [1.0, 2.0]], rows=1))
    assert "data [1, 2]" in shown
    assert not any(text.startswith("grad") for text in shown)


def test_values_that_are_not_there_are_not_shown():
    x = cr.placeholder((3, 2), "float64", "x")
    shown = texts(cr.draw_graph((x * cr.tensor(2.0, name="two")).sum()))
    assert "shape (3, 2)" in shown
    assert "no value" in shown
    assert "data 2" in shown
    assert not any(text.startswith("grad") for text in texts(cr.draw_graph(cr.tensor([1, 2]) * 2)))


def test_large_values_are_told_by_size_and_range():
    shown = texts(cr.draw_graph(cr.tensor(np.arange(300.0).reshape(100, 3), name="a").sum()))
    assert "data 100 × 3, 0 to 299" in shown
    assert "data 100 × 3, 0 to 299" in texts(cr.draw_graph(cr.tensor(np.arange(300.0).reshape(100, 3))))
    assert "data 0 × 3" in texts(cr.draw_graph(cr.tensor(np.zeros((0, 3)))))


PICTURES = {
    "micrograd": lambda **given: cr.draw_graph(micrograd(), **given),
    "mazur": lambda **given: mazur().draw_graph([0.05, 0.1], [0.01, 0.99], **given),
    "tables": lambda **given: (lambda net, X, y: net.draw_graph(X, y, **given))(*tables()),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("given", [{"detail": "ops"}, {"detail": "named"}, {"depth": 2}])
def test_boxes_and_labels_do_not_meet(name, given):
    picture = PICTURES[name](**given)
    assert clashes(picture) == []
    rects = [
        [float(rect.get(key)) for key in ("x", "y", "width", "height")]
        for rect in parsed(picture).iter(f"{SVG}rect")
        if rect.get("x")
    ]
    assert len(rects) == int(re.search(r"(\d+) nodes", picture.title)[1])
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(rects, 2):
        assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y


def test_graphs_print_at_a_readable_size():
    assert PICTURES["micrograd"]().printed_size() > 8
    assert PICTURES["mazur"]().printed_size() > 8
    assert PICTURES["tables"](detail="named").printed_size() > 4.5


def test_depth_goes_so_far_back():
    assert cr.draw_graph(micrograd(), depth=1).title == "graph of L, 3 nodes"
    assert cr.draw_graph(micrograd(), depth=2).title == "graph of L, 5 nodes"
    assert mazur().draw_graph([0.05, 0.1], [0.01, 0.99], depth=1).title == "graph of loss, 2 nodes"


def test_a_shared_node_is_drawn_once():
    a = cr.tensor(3.0, name="a")
    assert cr.draw_graph(a * a + a).title == "graph of add, 3 nodes"


def test_a_scan_is_one_node():
    last, _ = cr.scan(lambda total, x: (total * x, total), 1.0, cr.tensor([1.0, 2.0, 3.0], name="x"))
    shown = texts(cr.draw_graph(last))
    assert "scan" in shown
    assert "data 6" in shown
    assert "grad [6, 3, 2]" in shown


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: cr.draw_graph(3.0), "DTypeError", "expected a tensor, got 3.0"),
        (lambda: cr.draw_graph(cr.tensor(1.0), detail="op"), "UnknownNameError", "detail 'op' is unknown"),
        (lambda: cr.draw_graph(cr.tensor(1.0), theme="lite"), "UnknownNameError", "theme 'lite' is unknown"),
        (lambda: cr.draw_graph(cr.tensor(1.0), depth=0), "ParameterError", "depth must be a positive int"),
        (lambda: mazur().draw_graph([[1.0, 2]], rows=3), "ParameterError", "no row 3"),
        (
            lambda: cr.Network([cr.Dense(1)], "mse").draw_graph([[1.0]]),
            "NotFittedError",
            "has no weights",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(call, kind, message):
    with pytest.raises(getattr(cr.errors, kind), match=message):
        call()


def test_a_graph_that_is_too_large_offers_its_part():
    total = cr.tensor(1.0)
    for _ in range(1000):
        total = cr.tanh(total)
    with pytest.raises(
        cr.errors.ParameterError, match=r"has 1,001 nodes, and up to 150 .* pass depth=5, or detail"
    ):
        cr.draw_graph(total)
    assert cr.draw_graph(total, depth=5).title == "graph of tanh, 6 nodes"


def test_networks_and_pictures_show_themselves_in_notebooks():
    net = mazur()
    html = net._repr_html_()
    assert html.startswith("<pre>layer")
    ET.fromstring(html[html.index("<svg") :])
    blank = cr.Network([cr.Dense(1)], "mse")._repr_html_()
    assert blank.startswith("<pre>Network([Dense(1, &#x27;linear&#x27;)]")
    assert "<svg" not in blank


# the layers -----------------------------------------------------------------------------------

graphs = st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=14).map(
    lambda drawn: [[k % i for k in own] if i else [] for i, own in enumerate(drawn)]
)


@given(graphs)
def test_edges_lead_on_by_one_layer_at_a_time_and_nodes_keep_apart(inputs):
    sizes = [10.0 + k for k in range(len(inputs))]
    found = layered(inputs, sizes, 5.0)
    where = {k: i for i, own in enumerate(found.layers) for k in own}
    assert {(path[0], path[-1]) for path in found.paths} == {
        (s, k) for k, own in enumerate(inputs) for s in own
    }
    for path in found.paths:
        assert [where[k] for k in path] == list(range(where[path[0]], where[path[-1]] + 1))
    for own in found.layers:
        real = [k for k in own if k < len(sizes)]
        for a, b in itertools.pairwise(real):
            assert found.height[b] - found.height[a] >= (sizes[a] + sizes[b]) / 2 + 5 - 1e-9


def test_leaves_stand_next_to_their_first_user():
    assert longest_paths([[], [0], [1], [], [2, 3]]) == [0, 1, 2, 2, 3]


@given(graphs)
def test_sweeps_never_add_crossings(inputs):
    layer = longest_paths(inputs)
    layers = [[k for k, own in enumerate(layer) if own == i] for i in range(max(layer) + 1)]
    links = [(s, k) for k, own in enumerate(inputs) for s in set(own) if layer[k] == layer[s] + 1]
    assert crossings(fewest_crossings([list(own) for own in layers], links), links) <= crossings(
        layers, links
    )


def test_a_crossing_that_need_not_be_is_undone():
    layers, links = [[0, 1], [2, 3]], [(0, 3), (1, 2)]
    assert crossings(layers, links) == 1
    assert crossings(fewest_crossings(layers, links), links) == 0


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=12))
def test_the_nearest_rising_values_are_those_of_scikit_learn(values):
    from sklearn.isotonic import isotonic_regression

    assert rising(np.array(values)) == pytest.approx(isotonic_regression(values), abs=1e-9)
