"""Numbers by name: every way to call one leads to its node and index; wrong names are told what is right."""

import pytest

import chainrule as cr
from chainrule.errors import ParameterError, ShapeError, UnknownNameError
from chainrule.explain.naming import Names
from chainrule.explain.step import Step


def network(**kinds):
    net = cr.Network(
        [cr.Dense(4, "tanh"), cr.Dense(2, "logistic", name="gate"), cr.Dense(3)], "mse", dtype="float64"
    )
    net.build(5)
    return net


def names(rows):
    net = network()
    step = Step(net, [[0.1] * 5] * rows, [[0.0] * 3] * rows)
    return net, Names(net, step.loss, step.rows)


@pytest.mark.parametrize(
    ("rows", "name", "node", "index", "called"),
    [
        (1, "hidden1.W[0, 2]", "W1", (0, 2), "hidden1.W[0, 2]"),
        (1, " W1[ 0,2 ] ", "W1", (0, 2), "hidden1.W[0, 2]"),
        (1, "hidden1.W[-1,-1]", "W1", (4, 3), "hidden1.W[4, 3]"),
        (3, "output.b[1]", "b3", (1,), "output.b[1]"),
        (1, "gate.W[3, 0]", "W_gate", (3, 0), "gate.W[3, 0]"),
        (1, "W_gate[3, 0]", "W_gate", (3, 0), "gate.W[3, 0]"),
        (1, "x[3]", "x", (0, 3), "x[3]"),
        (3, "x[2, 3]", "x", (2, 3), "x[2, 3]"),
        (1, "z1[2]", "z1", (0, 2), "z1[2]"),
        (1, "hidden1[2]", "a1", (0, 2), "a1[2]"),
        (3, "hidden1[1, 2]", "a1", (1, 2), "a1[1, 2]"),
        (1, "gate[1]", "a_gate", (0, 1), "a_gate[1]"),
        (1, "output[1]", "z3", (0, 1), "z3[1]"),
        (2, "loss", "loss", (), "loss"),
    ],
)
def test_a_name_leads_to_a_node_and_an_index(rows, name, node, index, called):
    _, found = names(rows)
    place = found.place(name)
    assert (place.node.name, place.index, place.name) == (node, index, called)


@pytest.mark.parametrize(
    ("rows", "name", "error", "message"),
    [
        (1, "hiden1.W[0, 2]", UnknownNameError, "did you mean 'hidden1.W'"),
        (1, "W11[0, 2]", UnknownNameError, "did you mean 'W1'"),
        (
            1,
            "hidden1.W",
            ParameterError,
            r"20 numbers, shape \(5, 4\). Say which one, e.g. 'hidden1.W\[0, 0\]'",
        ),
        (1, "hidden1.W[0]", ShapeError, r"has shape \(5, 4\), so its index needs 2 numbers, got 1"),
        (1, "hidden1.W[]", ShapeError, "got 0"),
        (1, "hidden1.W[0, 4]", ShapeError, r"4 is out of range: hidden1.W has shape \(5, 4\), .* 0 to 3"),
        (1, "output.b[-4]", ShapeError, "-4 is out of range"),
        (3, "a1[2]", ShapeError, r"a1 has shape \(3, 4\).* Write e.g. 'a1\[0, 0\]'"),
        (3, "a1[3, 2]", ShapeError, "3 is out of range"),
        (1, "hidden1.W[0, x]", ParameterError, "whole numbers, got 'x'"),
        (1, "hidden1.W[0, 1", ParameterError, "expected a name such as"),
        (1, 7, ParameterError, "expected a name such as .* got 7"),
    ],
)
def test_wrong_names_are_told_what_is_right(rows, name, error, message):
    _, found = names(rows)
    with pytest.raises(error, match=message):
        found.place(name)


@pytest.mark.parametrize(
    ("pattern", "parameters", "count", "first"),
    [
        ("hidden1.W[0, 2]", ["hidden1.W"], 1, "hidden1.W[0, 2]"),
        ("W1[:, 2]", ["hidden1.W"], 5, "hidden1.W[0, 2]"),
        ("hidden1.W", ["hidden1.W"], 20, "hidden1.W[0, 0]"),
        ("output.*", ["output.W", "output.b"], 9, "output.W[0, 0]"),
        ("*.b", ["hidden1.b", "gate.b", "output.b"], 9, "hidden1.b[0]"),
    ],
)
def test_a_pattern_names_many_numbers(pattern, parameters, count, first):
    _, found = names(1)
    chosen = found.select(pattern)
    assert [s.parameter for s in chosen] == parameters
    assert sum(len(s.places) for s in chosen) == sum(len(s.names) for s in chosen) == count
    assert chosen[0].names[0] == first


@pytest.mark.parametrize(
    ("pattern", "error", "message"),
    [
        ("outputs.*", UnknownNameError, "did you mean 'output"),
        ("a1[0]", UnknownNameError, "parameter 'a1' is unknown"),
        ("hidden1.W[0]", ShapeError, "needs 2 numbers, got 1"),
        ("hidden1.W[0, 4]", ShapeError, "out of range"),
        ("hidden1.W[0, 1:2]", ParameterError, "or : for all, got '1:2'"),
    ],
)
def test_wrong_patterns_are_told_what_is_right(pattern, error, message):
    _, found = names(1)
    with pytest.raises(error, match=message):
        found.select(pattern)


def test_layers_of_two_modes_are_named_as_in_the_step_that_is_looked_at():
    net = cr.Network([cr.Dense(3, "relu"), cr.Dropout(0.5), cr.Dense(1)], "mse")
    net.build(2)
    step = Step(net, [0.1, 0.2], [1.0])
    in_training, in_prediction = Names(net, step.loss), Names(net)
    assert in_training.place("dropout[1]").node.name == "dropped_dropout"
    assert in_training.place("a1[1]").node is not in_prediction.place("a1[1]").node
    with pytest.raises(UnknownNameError, match="'dropped_dropout' is unknown"):
        in_prediction.place("dropped_dropout[1]")
