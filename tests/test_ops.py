"""The ops: values against NumPy, gradients against numerical differentiation, kinks, and large arguments."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

import chainrule as cr
from chainrule.autodiff.check import check_gradients, check_rule, rule_cases
from chainrule.errors import DTypeError, GradientError, ParameterError, ShapeError
from chainrule.graph.op import OPS, Kind
from chainrule.graph.tensor import apply, apply_record

NESTED = {name for name, record in OPS.items() if record.kind in (Kind.CONTROL, Kind.ITEM)}
WITHOUT_RULE = {
    name for name, record in OPS.items() if not record.vjp or record.kind in (Kind.SOURCE, Kind.RANDOM)
}
WITH_RULE = set(OPS) - WITHOUT_RULE - NESTED


@pytest.mark.parametrize("name", sorted(WITH_RULE))
def test_gradient_agrees_with_numerical_derivative(name):
    check_rule(OPS[name], order=2)


@pytest.mark.parametrize("name", sorted(WITHOUT_RULE))
def test_an_op_without_gradient_says_so(name):
    with pytest.raises(GradientError, match=f"op '{name}' has no derivative"):
        check_rule(OPS[name])


@pytest.mark.parametrize("name", sorted(NESTED))
def test_ops_with_a_nested_program_are_checked_within_a_function(name):
    with pytest.raises(
        ParameterError, match=f"op '{name}' runs a program; check a function that uses it, with"
    ):
        check_rule(OPS[name])


@pytest.mark.parametrize("name", ["greater", "greater_equal", "less", "less_equal", "equal", "not_equal"])
def test_a_gradient_through_a_comparison_is_refused(name):
    x = cr.tensor([1.0, 2.0], name="x")
    y = apply(name, x, 1.5).astype("float64").sum()
    with pytest.raises(GradientError, match=f"op '{name}' has no derivative, and every way from x to sum"):
        cr.gradient(y, [x])
    with pytest.raises(GradientError, match=f"op '{name}' has no derivative"):
        y.backward()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("argmax", lambda x: cr.argmax(x).astype("float64")),
        ("astype", lambda x: x.astype("int64").astype("float64").sum()),
        ("greater", lambda x: ((x > 1).reshape(2, 1) * 2.0).sum()),
    ],
)
def test_a_gradient_through_whole_numbers_is_refused(name, make):
    x = cr.tensor([1.0, 2.0], name="x")
    with pytest.raises(GradientError, match=f"op '{name}' has no derivative"):
        cr.gradient(make(x), [x])


# values ---------------------------------------------------------------------------------------

A = np.array([[-2.5, -1.0, 0.0, 0.3], [1.0, 2.0, -0.7, 3.0]])
POSITIVE = np.abs(A) + 0.1

UNARY = {
    "negative": lambda x: 0 - x,
    "exp": lambda x: np.e**x,
    "sin": lambda x: np.exp(1j * x).imag,
    "cos": lambda x: np.exp(1j * x).real,
    "abs": lambda x: np.sqrt(x * x),
    "sign": lambda x: (x > 0) * 1.0 - (x < 0),
    "logistic": special.expit,
    "tanh": lambda x: 2 * special.expit(2 * x) - 1,
    "relu": lambda x: x * (x > 0),
    "leaky_relu": lambda x: x * np.where(x > 0, 1, 0.01),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "softplus": lambda x: np.logaddexp(x, 0),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)),
    "stop_gradient": lambda x: x,
}
UNARY_POSITIVE = {
    "log": lambda x: np.log2(x) / np.log2(np.e),
    "log1p": lambda x: np.log(1 + x),
    "sqrt": lambda x: x**0.5,
}
BINARY = {
    "add": lambda x, y: x - (-y),
    "subtract": lambda x, y: x + (-y),
    "multiply": lambda x, y: x / (1 / y),
    "divide": lambda x, y: x * (1 / y),
    "power": lambda x, y: np.exp(y * np.log(np.abs(x))),
    "maximum": lambda x, y: (x + y + abs(x - y)) / 2,
    "minimum": lambda x, y: (x + y - abs(x - y)) / 2,
    "greater": lambda x, y: ~(x <= y),
    "greater_equal": lambda x, y: ~(x < y),
    "less": lambda x, y: ~(x >= y),
    "less_equal": lambda x, y: ~(x > y),
    "equal": lambda x, y: (x <= y) & (x >= y),
    "not_equal": lambda x, y: (x < y) | (x > y),
}


@pytest.mark.parametrize("name", [*UNARY, *UNARY_POSITIVE])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
def test_functions_of_one_operand(name, dtype, tolerance):
    x = (A if name in UNARY else POSITIVE).astype(dtype)
    expected = (UNARY | UNARY_POSITIVE)[name](x.astype("float64"))
    y = getattr(cr, name)(x)
    assert y.dtype == dtype
    assert y.numpy().dtype == dtype
    np.testing.assert_allclose(y.numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("y", [POSITIVE, POSITIVE[:1], np.array([[1.0], [2.0]]), np.array(2.0)])
def test_functions_of_two_operands(name, y):
    x = POSITIVE if name == "power" else A
    np.testing.assert_allclose(getattr(cr, name)(x, y).numpy(), BINARY[name](x, y), rtol=1e-13, atol=1e-15)


def test_parameters_of_maps():
    np.testing.assert_allclose(cr.leaky_relu(A, 0.3).numpy(), np.where(A > 0, A, 0.3 * A))
    np.testing.assert_allclose(cr.elu(A, 2.0).numpy(), np.where(A > 0, A, 2 * (np.exp(A) - 1)))
    np.testing.assert_array_equal(cr.where(A > 0, A, 7.0).numpy(), np.where(A > 0, A, 7.0))
    np.testing.assert_array_equal(cr.where(True, A, A + 1).numpy(), A)
    assert cr.astype(A, np.float32).numpy().dtype == np.float32
    assert cr.astype(A, "bool").numpy().tolist() == (A != 0).tolist()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: cr.where(A, A, A), DTypeError, "where: the condition must be of truth values, got float64"),
        (lambda: cr.astype(A, "text"), DTypeError, "astype: 'text' is not a type of numbers. Use e.g."),
        (lambda: cr.add(A, np.ones(3)), ShapeError, "add: shapes (2, 4) and (3,) do not broadcast (4 != 3)"),
        (
            lambda: cr.where(A > 0, A, np.ones(3)),
            ShapeError,
            "where: shapes (2, 4) and (2, 4) and (3,) do not",
        ),
    ],
)
def test_operands_that_do_not_fit_are_refused(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask()


# kinks: the derivative that the record's note promises ----------------------------------------


@pytest.mark.parametrize(
    ("name", "attrs", "at_zero"),
    [
        ("abs", {}, 0.0),
        ("sign", {}, 0.0),
        ("relu", {}, 0.0),
        ("leaky_relu", {"slope": 0.3}, 0.3),
        ("elu", {"alpha": 0.5}, 0.5),
    ],
)
def test_derivative_at_the_kink(name, attrs, at_zero):
    assert OPS[name].kinks == [0.0]
    assert OPS[name].note
    for zero in (0.0, -0.0):
        x = cr.tensor([zero, 1.0])
        (slope,) = cr.gradient(apply(name, x, **attrs).sum(), [x])
        assert slope.numpy()[0] == at_zero


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_equal_operands_share_the_gradient(name):
    x, y = cr.tensor([1.0, 2.0]), cr.tensor([1.0, 3.0])
    gx, gy = cr.gradient((apply(name, x, y) * [4.0, 4.0]).sum(), [x, y])
    larger = name == "maximum"
    assert gx.numpy().tolist() == [2.0, 0.0 if larger else 4.0]
    assert gy.numpy().tolist() == [2.0, 4.0 if larger else 0.0]


@pytest.mark.parametrize("name", ["max", "min"])
def test_equal_extremes_share_the_gradient_evenly(name):
    x = cr.tensor([[1.0, 1.0, 1.0], [2.0, 5.0, 2.0]])
    (g,) = cr.gradient(getattr(cr, name)(x, axis=1).sum(), [x])
    expected = [0.0, 1.0, 0.0] if name == "max" else [0.5, 0.0, 0.5]
    np.testing.assert_allclose(g.numpy(), [[1 / 3] * 3, expected], rtol=1e-15)


def test_every_kink_has_a_note_and_is_kept_away_from():
    kinked = [record for record in OPS.values() if record.kinks]
    assert {"abs", "relu", "maximum"} <= {record.name for record in kinked}
    for record in kinked:
        assert record.note.endswith(".")
        for _, arrays in rule_cases(record):
            away = arrays[0] if len(arrays) == 1 else arrays[0] - arrays[1]
            assert np.abs(away).min() > 0.05


@pytest.mark.parametrize(("x", "n", "slope"), [(0.0, 0, 0.0), (0.0, 1, 1.0), (0.0, 2, 0.0), (-2.0, 3, 12.0)])
def test_powers_at_zero_and_below(x, n, slope):
    base = cr.tensor(x)
    for exponent in (n, cr.tensor(float(n))):
        (g,) = cr.gradient(base**exponent, [base])
        assert float(g) == slope
    exponent = cr.tensor(float(n))
    (by_exponent,) = cr.gradient(base**exponent, [exponent])
    assert float(by_exponent) == 0.0


# large arguments ------------------------------------------------------------------------------

ONE_SIDED = {"log", "log1p", "sqrt"}
OVERFLOWING = {"exp"}  # by what it is
MAPS = sorted(
    name
    for name, record in OPS.items()
    if record.kind is Kind.MAP
    and len(record.inputs) == 1
    and record.vjp
    and name not in ONE_SIDED | OVERFLOWING
    and record.domain == ((-3.0, 3.0),)
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MAPS)
def test_maps_are_safe_at_a_thousand(name, dtype):
    record = OPS[name]
    for attrs, *_ in record.samples() if record.samples else [({},)]:
        if "dtype" in attrs:
            continue
        x = cr.tensor(np.array([-1000.0, -100.0, 100.0, 1000.0], dtype))
        y = apply_record(record, [x], attrs)
        (g,) = cr.gradient(y.sum(), [x])
        (second,) = cr.gradient(g.sum(), [x])
        for value in (y, g, second):
            assert np.isfinite(value.numpy()).all()
            assert value.dtype == dtype


@pytest.mark.parametrize(
    ("name", "at_minus", "at_plus"),
    [
        ("logistic", 0.0, 1.0),
        ("tanh", -1.0, 1.0),
        ("relu", 0.0, 1000.0),
        ("elu", -1.0, 1000.0),
        ("softplus", 0.0, 1000.0),
        ("silu", 0.0, 1000.0),
        ("gelu", 0.0, 1000.0),
    ],
)
def test_activations_have_their_limits_at_a_thousand(name, at_minus, at_plus):
    np.testing.assert_array_equal(getattr(cr, name)([-1000.0, 1000.0]).numpy(), [at_minus, at_plus])


@pytest.mark.parametrize("shift", [-1000.0, 0.0, 1000.0])
def test_softmax_and_its_kin_do_not_care_for_a_shift(shift):
    x = A + shift
    np.testing.assert_allclose(cr.softmax(x).numpy(), special.softmax(A, axis=1), rtol=1e-12)
    np.testing.assert_allclose(cr.log_softmax(x).numpy(), special.log_softmax(A, axis=1), rtol=1e-11)
    np.testing.assert_allclose(
        cr.logsumexp(x, axis=1).numpy() - shift, special.logsumexp(A, axis=1), rtol=1e-11
    )


def test_softmax_of_distant_logits():
    x = cr.tensor([[-1000.0, 0.0, 1000.0]])
    assert cr.softmax(x).numpy().tolist() == [[0.0, 0.0, 1.0]]
    assert cr.log_softmax(x).numpy().tolist() == [[-2000.0, -1000.0, 0.0]]
    assert float(cr.logsumexp(x)) == 1000.0
    (g,) = cr.gradient(-cr.log_softmax(x)[0, 0], [x])
    assert g.numpy().tolist() == [[-1.0, 0.0, 1.0]]
    assert float(cr.logsumexp([-np.inf, -np.inf])) == -np.inf


# reductions -----------------------------------------------------------------------------------

REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "logsumexp": lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
}
arrays = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=3),
    elements=st.floats(-3, 3, width=32),
)


def some_axes(data, ndim):
    if not ndim:
        return None
    several = st.lists(st.integers(-ndim, ndim - 1), unique_by=lambda a: a % ndim).map(tuple)
    return data.draw(st.none() | st.integers(-ndim, ndim - 1) | several)


@pytest.mark.parametrize("name", REDUCTIONS)
@given(x=arrays, keepdims=st.booleans(), data=st.data())
def test_reductions_are_those_of_numpy(name, x, keepdims, data):
    axis = some_axes(data, x.ndim)
    got = getattr(cr, name)(x, axis=axis, keepdims=keepdims)
    expected = REDUCTIONS[name](x, axis=axis, keepdims=keepdims)
    assert got.shape == np.shape(expected) == got.numpy().shape
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp"])
@given(x=arrays, keepdims=st.booleans(), data=st.data())
def test_gradients_of_reductions_over_any_axes(name, x, keepdims, data):
    axis = some_axes(data, x.ndim)
    check_gradients(lambda v: getattr(cr, name)(v, axis=axis, keepdims=keepdims), x, order=2)


@given(x=arrays.filter(lambda x: x.ndim), data=st.data())
def test_argmax_and_softmax_along_any_axis(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    np.testing.assert_array_equal(cr.argmax(x, axis=axis).numpy(), x.argmax(axis=axis))
    np.testing.assert_array_equal(cr.argmax(x).numpy(), x.argmax())
    np.testing.assert_allclose(cr.softmax(x, axis=axis).numpy(), special.softmax(x, axis=axis), rtol=1e-12)
    check_gradients(lambda v: cr.log_softmax(v, axis=axis), x, order=2)


def test_sums_over_nothing_are_zero():
    assert float(cr.sum(np.zeros((0, 3)))) == 0.0
    assert cr.sum(np.zeros((0, 3)), axis=0).numpy().tolist() == [0.0, 0.0, 0.0]
    assert cr.sum(np.ones((2, 3)), axis=()).numpy().tolist() == np.ones((2, 3)).tolist()


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: cr.sum(A, axis=2), ShapeError, "sum: axis 2 is out of range for 2 axes"),
        (lambda: cr.mean(A, axis="rows"), ShapeError, "mean: an axis is a whole number, got 'rows'"),
        (lambda: cr.max(A, axis=(0, 0)), ShapeError, "max: axis (0, 0) names an axis twice"),
        (lambda: cr.mean(A[:0]), ShapeError, "mean: no elements along axis (0, 1) of shape (0, 4)"),
        (lambda: cr.max(A[:0], axis=0), ShapeError, "max: no elements along axis (0,) of shape (0, 4)"),
        (lambda: cr.min(A[:, :0], axis=1), ShapeError, "min: no elements along axis (1,) of shape (2, 0)"),
        (lambda: cr.logsumexp(A[:0]), ShapeError, "logsumexp: no elements along axis (0, 1) of shape (0, 4)"),
        (lambda: cr.argmax(A[:0], axis=0), ShapeError, "argmax: no elements along axis 0 of shape (0, 4)"),
        (lambda: cr.softmax(A[:, :0]), ShapeError, "softmax: no elements along axis 1 of shape (2, 0)"),
        (lambda: cr.log_softmax(2.0), DTypeError, "log_softmax: the tensor has no axes"),
    ],
)
def test_reductions_of_nothing_are_refused(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask()


# products -------------------------------------------------------------------------------------

FORMS = [
    ((4,), (4,)),
    ((4,), (4, 2)),
    ((3, 4), (4,)),
    ((3, 4), (4, 2)),
    ((2, 3, 4), (4, 2)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 3)),
    ((3, 4), (2, 4, 3)),
    ((2, 3, 4), (2, 4, 3)),
    ((2, 1, 3, 4), (3, 4, 2)),
    ((0, 4), (4, 2)),
    ((3, 0), (0, 2)),
    ((2, 3, 0), (0, 2)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), FORMS)
def test_products_of_all_forms(left, right):
    random = np.random.default_rng(0)
    x, y = random.normal(size=left), random.normal(size=right)
    product = cr.matmul(x, y)
    assert product.shape == (x @ y).shape
    np.testing.assert_allclose(product.numpy(), x @ y, rtol=1e-13, atol=1e-14)
    check_gradients(cr.matmul, x, y, order=2)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (2, 3), "matmul: inner sizes differ: (2, 3) @ (2, 3) (3 != 2)"),
        ((3,), (2, 4), "matmul: inner sizes differ: (1, 3) @ (2, 4) (3 != 2)"),
        ((2, 2, 3), (3, 3, 4), "matmul: shapes (2,) and (3,) do not broadcast (2 != 3)"),
        ((), (3,), "matmul: operands need axes, got shapes () and (3,). Use * for numbers."),
    ],
)
def test_products_that_do_not_fit_are_refused(left, right, message):
    with pytest.raises(ShapeError, match=re.escape(message)):
        cr.matmul(np.ones(left), np.ones(right))


# memory layouts -------------------------------------------------------------------------------


def layouts(x):
    wide = np.empty((*x.shape[:-1], 2 * x.shape[-1]))
    wide[..., ::2] = x
    return [x, np.asfortranarray(x), wide[..., ::2], x[::-1].copy()[::-1], np.broadcast_to(x[:1], x.shape)]


@pytest.mark.parametrize("name", ["tanh", "relu", "softmax", "sum", "transpose", "logsumexp"])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 2)])
def test_the_layout_in_memory_does_not_matter(name, shape):
    base = np.linspace(-1, 2, 6)[: np.prod(shape)].reshape(shape)
    for x in layouts(base):
        plain = np.ascontiguousarray(x)
        if name == "logsumexp" and not x.size:
            continue
        for layout, expected in ((x, plain), (x.T, np.ascontiguousarray(plain.T))):
            if name == "softmax" and not layout.shape[-1]:
                continue
            got = getattr(cr, name)(layout)
            np.testing.assert_allclose(got.numpy(), getattr(cr, name)(expected).numpy(), rtol=1e-14)
        check_gradients(getattr(cr, name), x)
