"""Indexing, shapes and places: the moves against NumPy, with numbers and with named sizes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.autodiff.check import check_gradients
from chainrule.errors import DTypeError, ShapeError
from chainrule.graph.evaluate import interpret
from chainrule.shapes import Size, evaluate_shape

X = np.arange(60.0).reshape(3, 4, 5)

KEYS = [
    0,
    -1,
    np.int64(2),
    slice(1, None),
    slice(None, -1),
    slice(None, None, -1),
    slice(None, None, 2),
    slice(-1, 0, -2),
    slice(5, 1),
    slice(1, 100),
    None,
    Ellipsis,
    (),
    (1, 2),
    (1, 2, 3),
    (slice(None), 1),
    (slice(None), slice(None), -2),
    (Ellipsis, 1),
    (0, Ellipsis),
    (Ellipsis, slice(1, 3), None),
    (None, slice(None, None, -2), None, 1, Ellipsis, None),
    (slice(0, 0), slice(None), slice(2, None, 2)),
    [0, 2],
    [],
    [[0, 1], [2, -3]],
    np.array([2, 2, 0]),
    np.array(1),
    np.array([-1], np.int8),
    (slice(None), [3, 0]),
    (slice(None), slice(None), [[4, 0, 4]]),
    (Ellipsis, np.array([1, 1])),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_is_that_of_numpy(key):
    x = cr.tensor(X, name="x")
    got = x[key]
    assert got.shape == X[key].shape
    np.testing.assert_array_equal(got.numpy(), X[key])
    (g,) = cr.gradient((got * got).sum(), [x])
    expected = np.zeros_like(X)
    np.add.at(expected, key, 2 * X[key])
    np.testing.assert_array_equal(g.numpy(), expected)


shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@given(shapes.flatmap(lambda s: st.tuples(st.just(s), hnp.basic_indices(s, allow_newaxis=True))))
def test_any_basic_index_is_that_of_numpy(case):
    shape, key = case
    x = np.arange(float(np.prod(shape))).reshape(shape)
    got = cr.tensor(x)[key]
    assert got.shape == np.shape(x[key])
    np.testing.assert_array_equal(got.numpy(), x[key])
    if x.size:
        check_gradients(lambda v: v[key], x / 7, order=2)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (3, ShapeError, "index 3 is out of range for an axis of 3 elements"),
        (-4, ShapeError, "index -4 is out of range for an axis of 3 elements"),
        ([0, 3], ShapeError, "take: index 3 is out of range for an axis of 3 elements"),
        ((slice(None), [-5]), ShapeError, "take: index -5 is out of range for an axis of 4 elements"),
        ((0, 0, 0, 0), ShapeError, "too many indices: 4 for shape (3, 4, 5)"),
        ((Ellipsis, 0, Ellipsis), ShapeError, "an index may have one '...'"),
        (slice(None, None, 0), ShapeError, "a slice's step cannot be zero"),
        (slice(0.5), DTypeError, "a slice takes whole numbers, got slice(None, 0.5, None)"),
        (1.0, DTypeError, "an index is a whole number, slice, None, ... or array, got 1.0"),
        (True, DTypeError, "an index is a whole number, slice, None, ... or array, got True"),
        ("a", DTypeError, "an index is a whole number, slice, None, ... or array, got 'a'"),
        (
            [0.5],
            DTypeError,
            "an index must be of whole numbers, got float64. Convert it with .astype('int64')",
        ),
        (X[:, 0, 0] > 1, DTypeError, "a mask gives a shape that is not known before the values; use where"),
        (
            ([0], [1]),
            ShapeError,
            "one array of indices with whole slices beside it can be taken; use take or",
        ),
        ((0, [1]), ShapeError, "one array of indices with whole slices beside it can be taken"),
    ],
    ids=str,
)
def test_an_index_that_does_not_fit_is_refused(key, error, message):
    with pytest.raises(error, match=re.escape(message)):
        cr.tensor(X)[key]


# gather and scatter ---------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("t", [[0, 2, 2, 0], [[1, 1], [-1, 0]], 2, []])
def test_take_adds_up_where_a_place_is_named_twice(axis, t):
    got = cr.take(X, t, axis)
    np.testing.assert_array_equal(got.numpy(), np.take(X, np.array(t, int), axis))
    check_gradients(lambda x: cr.take(x, t, axis), X[:, :3, :4] / 60, elements=20, order=2)


def test_take_by_a_tensor_of_indices():
    t = cr.tensor(np.array([2, -1, 0]))
    np.testing.assert_array_equal(cr.tensor(X)[t].numpy(), X[[2, -1, 0]])
    with pytest.raises(DTypeError, match="an index must be of whole numbers, got float64"):
        cr.take(X, cr.tensor([1.0]))


def test_pick_and_one_hot():
    x = X[0] / 20
    t = np.array([4, 0, 4, 2])
    np.testing.assert_array_equal(cr.pick(x, t).numpy(), x[np.arange(4), t])
    np.testing.assert_array_equal(cr.pick(x, t - 5).numpy(), x[np.arange(4), t])
    np.testing.assert_array_equal(cr.one_hot(t, 5).numpy(), t[:, None] == np.arange(5))
    assert cr.one_hot(t, 5).dtype == np.bool_
    np.testing.assert_array_equal(cr.pick(X, np.full((3, 4), 2)).numpy(), X[..., 2])
    for indices in (t, t - 5):
        check_gradients(lambda v, i=indices: cr.pick(v, i), x, order=2)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: cr.pick(X[0], [0, 1]),
            ShapeError,
            "pick: one index a row is needed: shape (4,) for (4, 5), got",
        ),
        (lambda: cr.pick(X[0], [0, 1, 2, 5]), ShapeError, "pick: index 5 is out of range for an axis of 5"),
        (lambda: cr.pick(X[0], [0.0] * 4), DTypeError, "an index must be of whole numbers, got float64"),
        (lambda: cr.pick(1.0, 0), ShapeError, "pick: the tensor has no axes"),
        (lambda: cr.one_hot([0, 3], 3), ShapeError, "one_hot: index 3 is out of range for an axis of 3"),
        (lambda: cr.one_hot([0, 1], -3), ShapeError, "a size cannot be negative, got -3"),
        (lambda: cr.one_hot([0.5], 3), DTypeError, "an index must be of whole numbers, got float64"),
        (lambda: cr.take(X, [0], 3), ShapeError, "take: axis 3 is out of range for 3 axes"),
    ],
)
def test_places_that_do_not_exist_are_refused(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask()


# transpose, reshape, expand, concatenate ------------------------------------------------------


@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3), st.data())
def test_transpose_is_that_of_numpy(shape, data):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    axes = data.draw(st.none() | st.permutations(range(x.ndim)))
    np.testing.assert_array_equal(cr.transpose(x, axes).numpy(), np.transpose(x, axes))
    check_gradients(lambda v: cr.transpose(v, axes), x)


@pytest.mark.parametrize(
    "shape", [60, (60,), (-1,), (3, -1), (4, 5, 3), (1, 60, 1), (-1, 5), [12, 5], np.int64(60)]
)
def test_reshape_is_that_of_numpy(shape):
    np.testing.assert_array_equal(cr.reshape(X, shape).numpy(), X.reshape(shape))
    check_gradients(lambda v: cr.reshape(v, shape), X / 60)


def test_reshape_of_nothing():
    assert cr.reshape(np.zeros((0, 3)), -1).shape == (0,)
    assert cr.reshape(np.zeros((0, 3)), (-1, 3)).shape == (0, 3)
    assert cr.reshape(2.0, (1, 1)).numpy().tolist() == [[2.0]]


@given(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3), st.data())
def test_expand_is_broadcast_to(shape, data):
    source = tuple(data.draw(st.sampled_from([1, size])) for size in shape)
    drop = data.draw(st.integers(0, len(source)))
    x = np.arange(float(np.prod(source[drop:]))).reshape(source[drop:])
    np.testing.assert_array_equal(cr.expand(x, shape).numpy(), np.broadcast_to(x, shape))
    np.testing.assert_array_equal(cr.broadcast_to(x, shape).numpy(), np.broadcast_to(x, shape))
    check_gradients(lambda v: cr.expand(v, shape), x / 10, order=2)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate_is_that_of_numpy(axis):
    a, b = X[0] / 60, X[1, :, :] / 30
    c = np.zeros((0, 5)) if axis == 0 else np.zeros((4, 0))
    np.testing.assert_array_equal(cr.concatenate([a, b, c], axis).numpy(), np.concatenate([a, b, c], axis))
    check_gradients(lambda *parts: cr.concatenate(parts, axis), a, b, c, order=2)
    assert cr.concatenate([cr.tensor(a)]).shape == (4, 5)
    assert cr.concatenate([a.astype("float32"), b]).dtype == np.float64


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: cr.reshape(X, (7, -1)), "reshape: shape (3, 4, 5) has 60 elements, not a multiple of 7"),
        (
            lambda: cr.reshape(X, (-1, -1)),
            "reshape: cannot work out the size -1 in (-1, -1) for shape (3, 4, 5)",
        ),
        (lambda: cr.reshape(X[:0], (0, -1)), "reshape: cannot work out the size -1 in (0, -1) for shape"),
        (lambda: cr.reshape(X, (3, 4)), "reshape: (3, 4, 5) has 60 elements, (3, 4) has 12"),
        (lambda: cr.reshape(X, (3, -20)), "a size cannot be negative, got -20"),
        (lambda: cr.reshape(X, (3, 20.0)), "a size is a whole number or a name, got 20.0"),
        (lambda: cr.reshape(X, None), "a size is a whole number or a name, got None"),
        (lambda: cr.reshape(X, ("n", -1)), "reshape: 60 elements cannot be divided by n"),
        (lambda: cr.transpose(X, (0, 1)), "transpose: axes (0, 1) do not name each of 3 axes once"),
        (lambda: cr.transpose(X, (0, 1, 1)), "transpose: axes (0, 1, 1) do not name each of 3 axes once"),
        (lambda: cr.transpose(X, (0, 1, 3)), "transpose: axis 3 is out of range for 3 axes"),
        (lambda: cr.transpose(X, 1), "transpose: axes must be a tuple or list of whole numbers, got 1"),
        (lambda: cr.expand(X, (4, 5)), "expand: shape (3, 4, 5) does not stretch to (4, 5)"),
        (lambda: cr.expand(X, (3, 4, 6)), "expand: shapes (3, 4, 5) and (3, 4, 6) do not broadcast (5 != 6)"),
        (lambda: cr.concatenate([]), "concatenate: no tensors given"),
        (lambda: cr.concatenate([1.0, 2.0]), "concatenate: tensors without axes cannot be joined"),
        (lambda: cr.concatenate([X, X[0]]), "concatenate: shapes (3, 4, 5) and (4, 5) differ off axis 0"),
        (
            lambda: cr.concatenate([X, X[:, 1:]]),
            "concatenate: shapes (3, 4, 5) and (3, 3, 5) differ off axis 0",
        ),
        (lambda: cr.concatenate([X, X], 3), "concatenate: axis 3 is out of range for 3 axes"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(ask, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        ask()


# named sizes ----------------------------------------------------------------------------------

n = Size.named("n")


def with_names(function, array, names):
    """What a function of a placeholder with named sizes gives for an array, and the shape it said."""
    sizes = dict(zip(names, array.shape, strict=False))
    x = cr.placeholder(tuple(names) + array.shape[len(names) :], "float64")
    node = function(x)
    (got,) = interpret([node], {x: array})
    assert np.shape(got) == evaluate_shape(node.shape, sizes)
    return got


@pytest.mark.parametrize(
    "key",
    [slice(2, None), slice(None, -1), slice(1, -1), slice(-2, None), slice(None, None, -1), 0, -1, None],
)
@pytest.mark.parametrize("length", [4, 9])
def test_slices_along_a_named_axis(key, length):
    array = np.arange(length * 2.0).reshape(length, 2)
    np.testing.assert_array_equal(with_names(lambda x: x[key], array, ["n"]), array[key])


@pytest.mark.parametrize("key", [slice(0, 3), slice(None, None, 2), slice(None, 3), slice(3, None, -1)])
def test_slices_whose_length_is_not_known_are_refused(key):
    with pytest.raises(
        ShapeError, match="of an axis of named size n: only a start, a stop counted from the end"
    ):
        cr.placeholder(("n", 2))[key]


def test_moves_along_named_axes():
    array = np.arange(24.0).reshape(2, 3, 4)
    for function in (
        lambda x: x.transpose(1, 0, 2),
        lambda x: cr.concatenate([x, x[1:], x], axis=0),
        lambda x: x[:, ::-1],
        lambda x: x[:, 0],
        lambda x: cr.expand(x[:, None], (x.shape[0], 5, *x.shape[1:])) * 1.0,
    ):
        expected = function(cr.tensor(array)).numpy()
        np.testing.assert_array_equal(with_names(function, array, ["n"]), expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((-1,), (n * 12,)),
        ((-1, 4), (n * 3, 4)),
        ((-1, 6, 2), (n, 6, 2)),
        ((n, -1), (n, 12)),
        ((3, n, 4), (3, n, 4)),
    ],
)
def test_reshape_works_out_named_sizes(shape, expected):
    assert cr.placeholder(("n", 3, 4)).reshape(shape).shape == expected


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((-1, 5), "size 12*n is not divisible by 5"),
        (("t", -1), "size 12*n is not divisible by t"),
        ((n, 11), "reshape: (n, 3, 4) has 12*n elements, (n, 11) has 11*n"),
    ],
)
def test_reshape_of_named_sizes_that_does_not_fit_is_refused(shape, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        cr.placeholder(("n", 3, 4)).reshape(shape)


def test_gradients_with_named_sizes_are_those_with_numbers():
    w = cr.tensor(np.arange(6.0).reshape(3, 2))

    def slopes(x):
        joined = cr.concatenate([x[1:], x[:-1], x[::-1]], axis=0)
        return cr.gradient(((joined @ w) ** 2).mean(), [x, w])

    array = np.arange(12.0).reshape(4, 3) / 5
    x, y = cr.placeholder(("n", 3), "float64"), cr.tensor(array)
    gx, gw = slopes(x)
    assert gx.shape == x.shape
    assert gw.shape == w.shape
    for got, expected in zip(interpret([gx, gw], {x: array}), slopes(y), strict=True):
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-13)


def test_values_of_another_shape_than_declared_are_refused():
    x = cr.placeholder(("n", 3), "float64", name="x")
    with pytest.raises(ShapeError, match=re.escape("x: expected shape (n, 3) with n = 4, got (4, 2)")):
        interpret([x * 2], {x: np.ones((4, 2))})
