"""Sizes with names, shapes, axes and broadcasting, against numbers and NumPy."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import shapes
from chainrule.errors import ParameterError, ShapeError, UnknownNameError, unknown_name
from chainrule.shapes import Size

NUMBERS = {"n": 5, "t": 7, "d": 11}
n, t, d = (Size.named(name) for name in NUMBERS)

dims = st.recursive(
    st.integers(-4, 4) | st.sampled_from([n, t, d]),
    lambda inner: (
        st.tuples(inner, inner).map(lambda p: p[0] + p[1])
        | st.tuples(inner, inner).map(lambda p: p[0] * p[1])
        | st.tuples(inner, inner).map(lambda p: p[0] - p[1])
    ),
    max_leaves=6,
)


def number(dim):
    return shapes.evaluate(dim, NUMBERS)


@given(dims, dims)
def test_arithmetic_of_sizes_is_that_of_their_numbers(a, b):
    assert number(a + b) == number(a) + number(b)
    assert number(a - b) == number(a) - number(b)
    assert number(a * b) == number(a) * number(b)
    assert number(-a) == -number(a)


@given(dims, dims, dims)
def test_equal_sizes_are_equal_however_they_were_made(a, b, c):
    one, other = (a + b) * c, c * b + c * a
    assert one == other
    assert hash(one) == hash(other)


@given(dims, st.sampled_from([n, t, n * t, 2 * d, 3, -2]))
def test_a_product_divides_by_its_factor(a, factor):
    assert (a * factor) // factor == a


def test_sizes_become_ints_where_their_names_cancel():
    for value in (n - n, n * 0, (n + 3) - n, (2 * n) // n):
        assert type(value) is int
    assert n - n == 0
    assert (n + 3) - n == 3
    assert n != 5
    assert n + np.int64(2) == n + 2
    assert repr(n + np.int64(2)) == "n + 2"


def test_sizes_are_written_as_formulas():
    assert repr(n * t + 1) == "n*t + 1"
    assert repr(2 * n - 3) == "2*n - 3"
    assert repr(-n) == "-n"
    assert repr(n - t) == "-t + n"
    assert repr((n, 64)) == "(n, 64)"


@pytest.mark.parametrize(
    ("size", "by"), [(n, 2), (n + 1, n), (n * t, d), (n, n + t), (n, 0), (2 * n, 4), (6, n)]
)
def test_division_that_leaves_a_rest_is_refused(size, by):
    with pytest.raises(ShapeError, match=re.escape(f"size {size} is not divisible by {by}")):
        size // by


@pytest.mark.parametrize("operation", [lambda: n + 0.5, lambda: n * 0.5, lambda: n - 0.5, lambda: 0.5 - n])
def test_sizes_meet_whole_numbers_only(operation):
    with pytest.raises(TypeError, match="unsupported operand"):
        operation()
    with pytest.raises(TypeError, match="unsupported operand"):
        n // 0.5


@pytest.mark.parametrize("name", ["2n", "n m", "", "class", 3])
def test_a_size_has_a_plain_name(name):
    with pytest.raises(ParameterError, match=re.escape(f"size name {name!r} is not a plain identifier")):
        Size.named(name)


def test_a_shape_is_read_from_what_people_write():
    assert shapes.shape_of(3) == (3,)
    assert shapes.shape_of("n") == (n,)
    assert shapes.shape_of(["n", np.int64(4), n * 2]) == (n, 4, 2 * n)
    assert all(type(x) is int for x in shapes.shape_of(np.array([2, 3])))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "a shape is a tuple of sizes, got None. Write e.g. ('n', 64)."),
        ((2.0, 3), "a size is a whole number or a name, got 2.0"),
        ((-1,), "a size cannot be negative, got -1"),
    ],
)
def test_what_is_no_shape_is_refused(given, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        shapes.shape_of(given)


def test_binding_finds_the_numbers_of_names():
    sizes = {}
    shapes.bind((n, n * 2, 3), (5, 10, 3), "x", sizes)
    shapes.bind((t, n), (4, 5), "y", sizes)
    assert sizes == {"n": 5, "t": 4}
    assert shapes.evaluate_shape((n * t, 2), sizes) == (20, 2)


@pytest.mark.parametrize(
    ("declared", "actual", "message"),
    [
        ((n, 3), (5,), "x: expected shape (n, 3), got (5,)"),
        ((n, 3), (5, 4), "x: expected shape (n, 3) with n = 5, got (5, 4)"),
        ((n, n), (5, 4), "x: expected shape (n, n) with n = 5, got (5, 4)"),
        ((2, 3), (2, 4), "x: expected shape (2, 3), got (2, 4)"),
        ((2 * n,), (4,), "x: cannot tell size 'n' from shape (2*n,)"),
    ],
)
def test_an_array_of_another_shape_is_refused(declared, actual, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        shapes.bind(declared, actual, "x", {})


small = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@given(st.lists(small, min_size=1, max_size=3))
def test_broadcasting_is_that_of_numpy(several):
    try:
        expected = np.broadcast_shapes(*several)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            shapes.broadcast(*several)
    else:
        assert shapes.broadcast(*several) == expected


def test_broadcasting_knows_names():
    assert shapes.broadcast((n, 1), (3,)) == (n, 3)
    assert shapes.broadcast((1, n), (t, 1)) == (t, n)
    with pytest.raises(ShapeError, match=re.escape("add: shapes (n,) and (3,) do not broadcast (n != 3)")):
        shapes.broadcast((n,), (3,), what="add")
    assert shapes.broadcast() == ()


@given(small, st.integers(0, 2), st.data())
def test_the_axes_that_were_broadcast_are_found(shape, lead, data):
    source = tuple(1 if data.draw(st.booleans()) else size for size in shape)
    wide = (2,) * lead + shape
    axes = shapes.kept_axes(wide, source)
    summed = np.ones(wide).sum(axis=axes, keepdims=True)
    assert summed.reshape(summed.shape[lead:]).shape == source


def test_axes_count_from_both_ends():
    assert shapes.axis_of(-1, 3, "sum") == 2
    assert shapes.axes_of(None, 2, "sum") == (0, 1)
    assert shapes.axes_of((-1, 0), 3, "sum") == (0, 2)
    assert shapes.reduced((n, 3, 4), (0, 2), True) == (1, 3, 1)
    assert shapes.reduced((n, 3, 4), (0, 2), False) == (3,)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (2, "sum: axis 2 is out of range for 2 axes"),
        (-3, "sum: axis -3 is out of range for 2 axes"),
        (1.0, "sum: an axis is a whole number, got 1.0"),
        (True, "sum: an axis is a whole number, got True"),
        ((0, -2), "sum: axis (0, -2) names an axis twice"),
    ],
)
def test_what_is_no_axis_is_refused(axis, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        shapes.axes_of(axis, 2, "sum")


def test_an_unknown_name_is_answered_with_the_nearest():
    error = unknown_name("activation", "rellu", ["relu", "tanh"])
    assert str(error) == "activation 'rellu' is unknown; did you mean 'relu'? Known: relu, tanh."
    assert all(isinstance(error, kind) for kind in (UnknownNameError, ParameterError, KeyError, ValueError))
    assert str(unknown_name("op", "zzz", ["relu"])) == "op 'zzz' is unknown. Known: relu."
