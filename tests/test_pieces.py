"""Numbers in pieces: the layer, against np.interp, and where the knots of tables' columns lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule import AdamW, Dense, Network
from chainrule.errors import DataError, ParameterError, ShapeError
from chainrule.model.files import load
from chainrule.nn.scaling import Pieces
from chainrule.tables.defaults import MOST_PIECES, SMALL, defaults
from chainrule.tables.pieces import MANY, cut_columns, find_knots, has_many

KNOTS = np.array([[0.0, 1.0, 3.0, 3.5], [-2.0, -1.0, 5.0, 6.0]])


def numbers(*shape, seed=0):
    return 4 * np.random.default_rng(seed).normal(size=shape)


def pieces_of(x, knots):
    """How much of each piece lies below each number, by NumPy's interpolation."""
    return np.stack([np.interp(x, knots[k : k + 2], [0.0, 1.0]) for k in range(len(knots) - 1)], axis=1)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("columns", [1, 2])
def test_the_first_columns_come_once_more_in_pieces(engine, columns):
    layer, X = Pieces(KNOTS[:columns]), numbers(20, 3)
    net = Network(
        [layer, Dense(3 + 3 * columns, weights=np.eye(3 + 3 * columns))], loss="mse", dtype="float64"
    )
    net.build(3, seed=0)
    expected = np.hstack([X, *(pieces_of(X[:, k], KNOTS[k]) for k in range(columns))])
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-13, atol=1e-15)
    history = net.fit(X, expected + 1, engine=engine, epochs=1, batch_size=20, verbose=False)
    assert history.loss[0] == pytest.approx(1)
    np.testing.assert_array_equal(net["pieces"].value("knots"), KNOTS[:columns])  # it is not trained


def test_a_bend_at_a_knot_is_learned_at_once(tmp_path):
    X = np.linspace(-3, 3, 200)[:, None]
    y = np.abs(X[:, 0] - 1)
    nets = [Network([*first, Dense(1)], loss="mse") for first in ([Pieces([[-3, 1, 3]])], [])]
    bent, straight = (net.fit(X, y, optimizer="lbfgs", epochs=100, verbose=False).loss[-1] for net in nets)
    assert bent < 1e-6 < 0.1 < straight
    nets[0].save(tmp_path / "m")
    back = load(tmp_path / "m")
    assert repr(back["pieces"]) == "Pieces(1 columns, 2 pieces)"
    np.testing.assert_array_equal(back.predict(X), nets[0].predict(X))


def test_both_engines_train_alike_after_pieces():
    X, y = numbers(64, 3), numbers(64, seed=1)
    weights = []
    for engine in ("numpy", "numba"):
        net = Network([Pieces(KNOTS), Dense(5, "relu"), Dense(1)], loss="mse", dtype="float64")
        net.fit(X, y, optimizer=AdamW(0.01), epochs=3, batch_size=10, engine=engine, verbose=False)
        weights.append(net["hidden1"].W)
    np.testing.assert_allclose(*weights, rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Pieces([1, 2]), DataError, "Pieces: knots: expected 2 axes"),
        (
            lambda: Pieces([[1], [2]]),
            ShapeError,
            "knots need two numbers a column or more, got shape \\(2, 1\\)",
        ),
        (lambda: Pieces([[1, 2], [2, 2]]), DataError, "knots must rise; those of column 1 do not"),
        (lambda: Pieces([[1, np.inf]]), DataError, "Pieces: knots"),
        (
            lambda: Network([Pieces(KNOTS), Dense(1)], loss="mse").build(1, seed=0),
            ShapeError,
            "for 2 columns, got an input of 1",
        ),
        (
            lambda: Pieces.restore({"inputs": 2}, {"W": KNOTS}, None),
            ParameterError,
            "its parameter is knots, got \\['W'\\]",
        ),
        (lambda: Pieces(KNOTS, 0), ParameterError, "Pieces: inputs must be a positive int, got 0"),
    ],
)
def test_what_pieces_cannot_be_made_of(make, error, message):
    with pytest.raises(error, match=message):
        make()


# knots ----------------------------------------------------------------------------------------


def test_knots_part_the_rows_evenly():
    x = np.random.default_rng(0).permutation(1000).astype(np.float32)
    (knots,) = find_knots(np.exp(x / 100)[:, None], 8)
    counts, _ = np.histogram(np.exp(x / 100), knots)
    assert counts.min() >= 120
    assert counts.max() <= 130


def test_a_column_that_is_mostly_0_is_cut_where_it_is_not():
    x = np.zeros(1000, np.float32)
    x[:100] = np.arange(1, 101)
    (knots,) = find_knots(x[:, None], 10)
    assert knots[0] == 0
    assert knots[-1] == 100
    assert len(knots) == 11
    assert np.diff(knots[1:]).max() <= 25


@given(arrays(np.float32, 200, elements=st.floats(-1e6, 1e6, width=32)), st.integers(1, MANY))
def test_knots_rise_from_the_least_to_the_largest(x, pieces):
    x[: MANY + 1] = np.arange(MANY + 1)  # enough different numbers
    knots = find_knots(x[:, None], pieces)
    assert knots.shape == (1, pieces + 1)
    assert (np.diff(knots) > 0).all()
    assert (knots[0, 0], knots[0, -1]) == (x.min(), x.max())
    Pieces(knots)


def test_columns_are_cut_up_to_the_first_of_few_numbers():
    X = np.stack([np.arange(30), np.arange(30) % 21, np.arange(30) % 20, np.arange(30)], axis=1)
    assert cut_columns(X.astype(np.float32)) == 2
    assert cut_columns(X[:, :2].astype(np.float32)) == 2
    assert not has_many(MANY)


# defaults -------------------------------------------------------------------------------------


def test_the_batch_grows_with_the_rows_more_slowly_than_they_do():
    sizes = [defaults(rows).batch_size for rows in (SMALL, 3200, 6400, 100_000, 10**7)]
    assert sizes == sorted(sizes)
    assert sizes[0] == 32
    assert sizes[-1] == 512
    for rows in (SMALL, 1000, 5000):
        found = defaults(rows)
        assert found.epochs_of(rows, found.batch_size) * -(-rows // found.batch_size) >= found.steps


def test_many_columns_get_fewer_pieces():
    usual = defaults(SMALL)
    assert usual.pieces_of(1) == usual.pieces
    assert all(usual.pieces_of(columns) * columns <= MOST_PIECES for columns in (40, 100, 300))
    assert usual.pieces_of(MOST_PIECES) == 0
    assert defaults(SMALL - 1).pieces_of(3) == 0
