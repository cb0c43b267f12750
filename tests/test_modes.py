"""compare_modes: what it counts and compares, and how its table reads. Speed is the bench's."""

import math
import re

import numpy as np
import pytest

from chainrule.errors import ChainruleError, DataError, ParameterError, ShapeError, UnknownNameError
from chainrule.model.network import Network
from chainrule.nn.dense import Dense
from chainrule.nn.maxout import Maxout
from chainrule.nn.regularise import BatchNorm, Dropout, LayerNorm
from chainrule.nn.scaling import Standardize
from chainrule.nn.wiring import Input
from chainrule.training import modes
from chainrule.training.mode_table import WAYS, Cost, ModeComparison, ModeRow
from chainrule.training.modes import compare_modes

rng = np.random.default_rng(3)
X, LABELS = rng.normal(size=(40, 4)), np.arange(40) % 3


def classifier(*hidden, **settings):
    layers = [Dense(units, "tanh") for units in hidden]
    return Network([*layers, Dense(3, **settings)], loss="cross_entropy")


@pytest.fixture
def patient(monkeypatch):
    """Samples are never cut short by the clock."""
    monkeypatch.setattr(modes, "SECONDS", 60.0)
    monkeypatch.setattr(modes, "MOST", 30)


@pytest.fixture
def hasty(monkeypatch):
    """Samples are of five weights, whatever the clock says."""
    monkeypatch.setattr(modes, "SECONDS", 0.0)


def weights_of(found):
    return [row.weights for row in found.rows]


# what is counted and compared -----------------------------------------------------------------


def test_rows_have_the_weights_evaluations_and_derivatives_of_networks_of_growing_width(hasty):
    found = compare_modes(classifier(6), X, LABELS, widths=[2, 0.5, 1])
    assert weights_of(found) == [(4 + 1) * h + (h + 1) * 3 for h in (3, 6, 12)]
    for row in found.rows:
        assert [getattr(row, way).evaluations for way in WAYS] == [1, row.weights, 2 * row.weights]
        assert [getattr(row, way).weights for way in WAYS] == [row.weights, 5, 5]
        assert all(getattr(row, way).seconds > 0 for way in WAYS)
        assert row.reverse.apart == 0
        assert row.forward.apart < 1e-13
        assert 0 < row.differences.apart < 1e-7
    assert (found.samples, found.engine) == (40, "numpy")


def test_a_small_network_is_measured_whole(patient):
    (row,) = compare_modes(classifier(2), X, LABELS, widths=[1]).rows
    assert (row.weights, row.forward.weights, row.differences.weights) == (19, 19, 19)


def test_a_wrong_derivative_would_show(patient, monkeypatch):
    right = modes.jvp
    monkeypatch.setattr(modes, "jvp", lambda y, tangents: right(y, tangents) * 1.001)
    (row,) = compare_modes(classifier(2), X, LABELS, widths=[1]).rows
    assert row.forward.apart == pytest.approx(1e-3, rel=1e-6)


def test_derivatives_are_those_at_the_networks_own_weights(patient, monkeypatch):
    net = classifier(2)
    net.fit(X, LABELS, epochs=3, engine="numpy", verbose=False)
    made = []
    measured = modes._measured
    monkeypatch.setattr(modes, "_measured", lambda ways, random: made.append(ways) or measured(ways, random))
    compare_modes(net, X, LABELS, widths=[1])
    (ways,) = made
    for leaf, value in zip(ways.leaves, net.parameters.values(), strict=True):
        np.testing.assert_array_equal(ways.values[leaf], value)


def test_the_network_stays_as_it_is(hasty):
    fresh = classifier(4)
    compare_modes(fresh, X, LABELS, widths=[1, 2])
    assert not fresh.built
    fresh.fit(X, LABELS, epochs=2, engine="numpy", verbose=False)
    before = fresh.parameters
    compare_modes(fresh, X, LABELS, widths=[1, 2])
    assert [layer.units for layer in fresh.layers] == [4, 3]
    assert fresh.dtype == np.float32
    assert all(fresh.parameters[name] is value for name, value in before.items())


def test_labels_are_those_of_the_fit_and_rows_the_first_ones(hasty):
    net = Network([Dense(2, "relu"), Dense(2)], loss="cross_entropy")
    net.fit(X, np.where(X[:, 0] > 0, "yes", "no"), epochs=1, engine="numpy", verbose=False)
    assert compare_modes(net, X[:2], ["yes", "yes"], widths=[1]).samples == 2
    assert compare_modes(net, X, ["no"] * 40, widths=[1], rows=7).samples == 7


def test_by_default_four_networks_double_their_width_up_to_a_number_of_weights(hasty, monkeypatch):
    net = classifier(8)
    assert weights_of(compare_modes(net, X, LABELS)) == [8 * h + 3 for h in (8, 16, 32, 64)]
    monkeypatch.setattr(modes, "WEIGHTS", 4 * (8 * 8 + 3))
    assert weights_of(compare_modes(net, X, LABELS)) == [8 * h + 3 for h in (2, 4, 8, 16)]
    monkeypatch.setattr(modes, "WEIGHTS", 0)
    assert weights_of(compare_modes(net, X, LABELS)) == [8 * h + 3 for h in (1, 2, 4, 8)]


def test_widths_that_round_to_one_network_make_one_row(hasty):
    assert weights_of(compare_modes(classifier(1), X, LABELS, widths=[0.1, 0.4, 1, 1.2])) == [11]


def test_layers_of_every_kind_are_scaled_and_frozen_weights_not_counted(hasty):
    net = Network(
        [
            Standardize([0.0] * 4, [1.0] * 4),
            Dense(4, "tanh"),
            BatchNorm(),
            Dropout(0.5),
            Maxout(2),
            LayerNorm(),
            Dense(3, frozen="W"),
            Dropout(0.1),
        ],
        loss="cross_entropy",
    )
    net.build(4)
    found = compare_modes(net, X, LABELS, widths=[1, 2])

    def weights(dense, maxout):
        return 5 * dense + 2 * dense + (dense + 1) * 2 * maxout + 2 * maxout + 3

    assert weights_of(found) == [weights(4, 2), weights(8, 4)]
    assert all(row.forward.apart < 1e-13 for row in found.rows)


def test_several_inputs_and_outputs(hasty):
    left, right = Input(2, name="left"), Input(2, name="right")
    both = Dense(3, "tanh")(left) * Dense(3, "tanh")(right)
    net = Network([Dense(1)(both), Dense(3)(both)], loss=["mse", "cross_entropy"])
    found = compare_modes(net, [X[:, :2], X[:, 2:]], [X[:, 0], LABELS], widths=[1, 2])
    assert weights_of(found) == [18 + 4 + 12, 36 + 7 + 21]


def test_in_compiled_loops_the_derivatives_are_the_same(hasty):
    (row,) = compare_modes(classifier(2), X, LABELS, widths=[1], engine="numba").rows
    assert row.forward.apart < 1e-12
    assert row.differences.apart < 1e-6


# what a person sees ---------------------------------------------------------------------------


def comparison(*weights, timed=5, power=2.0):
    rows = []
    for p in weights:
        reverse = Cost(1e-7 * p, 1, p, 0.0)
        forward = Cost(1e-8 * p**power, p, min(p, timed), 2e-16)
        rows.append(ModeRow(p, reverse, forward, Cost(3e-8 * p**power, 2 * p, min(p, timed), 4e-10)))
    return ModeComparison(tuple(rows), 1024, "numpy")


def test_exponents_are_the_slopes_of_logarithms():
    found = comparison(10, 100, 1000, power=1.9)
    assert found.exponents == pytest.approx({"reverse": 1.0, "forward": 1.9, "differences": 1.9})
    assert all(math.isnan(exponent) for exponent in comparison(10).exponents.values())


def test_the_table():
    assert repr(comparison(5, 100, 2_000_000)) == str(comparison(5, 100, 2_000_000))
    assert str(comparison(5, 100, 2_000_000)).splitlines() == [
        "         one reverse sweep        P forward sweeps         P finite differences",
        "        P    seconds evals    seconds    evals  apart    seconds    evals  apart",
        "        5      5e-07     1    2.5e-07        5  2e-16    7.5e-07       10  4e-10",
        "      100      1e-05     1    ~0.0001      100  2e-16    ~0.0003      200  4e-10",
        "    2e+06        0.2     1     ~4e+04    2e+06  2e-16   ~1.2e+05    4e+06  4e-10",
        "   growth     P^1.00           P^2.00                     P^2.00",
        "",
        "~ timed for a sample of the weights (the median) and multiplied by P.",
        "P: weights. evals: sweeps through the graph, or computations of the loss.",
        "apart: largest difference to reverse mode, in parts of the largest derivative.",
        "Loss over 1,024 rows in float64; engine numpy.",
    ]


def test_the_table_of_one_network_measured_whole_says_nothing_of_growth_and_samples():
    text = str(comparison(5))
    assert "growth" not in text
    assert "~" not in text


def test_tables_fit_on_a_line(hasty):
    text = str(compare_modes(classifier(6), X, LABELS))
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall(r"^ +[\d,]+ .*e-\d\d", text, re.MULTILINE)) == 4


def test_progress_is_said_on_standard_error_on_request(hasty, capsys):
    compare_modes(classifier(2), X, LABELS, widths=[1, 2])
    assert capsys.readouterr() == ("", "")
    compare_modes(classifier(2), X, LABELS, widths=[1, 2], verbose=True)
    said = capsys.readouterr()
    assert said.out == ""
    first, second = said.err.splitlines()
    assert re.fullmatch(r"1 of 2 networks, 19 weights; about \d+ s left", first)
    assert second == "2 of 2 networks, 35 weights; about 0 s left"


# errors ---------------------------------------------------------------------------------------


def skip_connection():
    x = Input(4)
    return Network(Dense(3)(Dense(4, "tanh")(x) + x), loss="cross_entropy")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: compare_modes([Dense(2)], X, LABELS),
            ParameterError,
            "compare_modes: expected a network",
        ),
        (
            lambda: compare_modes(classifier(), X, LABELS),
            ParameterError,
            "compare_modes: the network has no hidden layer whose width could change. Add one before",
        ),
        (
            lambda: compare_modes(skip_connection(), X, LABELS, widths=[1, 2]),
            ParameterError,
            "compare_modes: with hidden layers 2 times as wide the layers do not fit one another. Add: all "
            "inputs need one number of columns, got 8, 4. Pass widths=[1] for this network alone.",
        ),
        (
            lambda: compare_modes(classifier(frozen=True), X, LABELS),
            ParameterError,
            "compare_modes: training changes no weight of the network. Unfreeze a layer.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, widths=[]),
            ParameterError,
            "compare_modes: widths must be a list of numbers, got []. Pass e.g. [0.5, 1, 2].",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, widths="12"),
            ParameterError,
            "compare_modes: widths must be a list of numbers, got '12'.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, widths=2),
            ParameterError,
            "compare_modes: widths must be a list of numbers, got 2.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, widths=[1, 0]),
            ParameterError,
            "compare_modes: a width must be above 0 and finite, got 0.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, rows=0),
            ParameterError,
            "compare_modes: rows must be a positive int, got 0. Pass e.g. rows=1024.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, engine="auto"),
            UnknownNameError,
            "engine 'auto' is unknown. Known: numba, numpy.",
        ),
        (
            lambda: compare_modes(classifier(2), X, LABELS, seed=-1),
            ParameterError,
            "seed must be an int from 0",
        ),
        (lambda: compare_modes(classifier(2), X, LABELS[:3]), ShapeError, "y: has 3 rows, X has 40."),
        (lambda: compare_modes(classifier(2), X[0], LABELS), ShapeError, "X: expected shape (rows, inputs)"),
        (lambda: compare_modes(classifier(2), X, LABELS + 7.5), DataError, "y: 7.5 is no class label"),
    ],
)
def test_what_cannot_be_compared_is_said(ask, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        ask()
    assert isinstance(caught.value, ChainruleError)
