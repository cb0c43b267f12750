"""The chain rule: broadcasting undone, sums over paths, higher orders, backward() and its memory."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule.autodiff.check import check_gradients
from chainrule.autodiff.gradient import sum_to
from chainrule.errors import EvaluationError, GradientError, ShapeError

# broadcasting ---------------------------------------------------------------------------------

pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3).map(
    lambda drawn: drawn.input_shapes
)


def numbers(shape, start):
    return np.linspace(start, 2.5, int(np.prod(shape))).reshape(shape)


@given(pairs)
def test_broadcasting_is_undone(shapes):
    x, y = numbers(shapes[0], 0.5), numbers(shapes[1], 0.7)
    for function in (cr.add, cr.subtract, cr.multiply, cr.divide, cr.power):
        check_gradients(function, x, y, order=2)


@given(pairs)
def test_the_gradient_of_a_sum_counts_the_repetitions(shapes):
    x, y = cr.tensor(np.zeros(shapes[0])), cr.tensor(np.zeros(shapes[1]))
    z = x + y
    for leaf, g in zip((x, y), cr.gradient(z.sum(), [x, y]), strict=True):
        assert g.shape == leaf.shape
        assert np.all(g.numpy() * max(leaf.numpy().size, 1) == np.prod(z.shape))


@given(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), st.integers(0, 2), st.data())
def test_sum_to_goes_back_to_any_source(shape, lead, data):
    source = tuple(data.draw(st.sampled_from([1, size])) for size in shape)
    wide = cr.tensor(np.random.default_rng(0).normal(size=(2,) * lead + shape))
    got = sum_to(wide, source)
    expected = wide.numpy().sum(axis=tuple(range(lead)))
    for axis, size in enumerate(source):
        if size == 1:
            expected = expected.sum(axis=axis, keepdims=True)
    assert got.shape == source
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-14)


# gradient -------------------------------------------------------------------------------------


def test_paths_that_meet_are_added():
    x = cr.tensor(3.0)
    a = x * x
    y = a * x + a + x
    (g,) = cr.gradient(y, [x])
    assert float(g) == 3 * 9 + 6 + 1
    assert float(cr.gradient(x * x, [x])[0]) == 6.0
    assert float(cr.gradient(x, [x])[0]) == 1.0


def test_intermediate_nodes_may_be_asked_for():
    x = cr.tensor([1.0, 2.0])
    a = cr.exp(x)
    y = (a * a).sum()
    ga, gx = cr.gradient(y, [a, x])
    np.testing.assert_allclose(ga.numpy(), 2 * np.exp([1.0, 2.0]))
    np.testing.assert_allclose(gx.numpy(), 2 * np.exp([2.0, 4.0]))


def test_what_has_no_part_in_the_result_has_gradient_zero():
    x, y = cr.tensor([1.0, 2.0]), cr.tensor(np.ones((2, 3), np.float32))
    for g, leaf in zip(cr.gradient((x * 0 + 1).sum(), [y, x]), (y, x), strict=True):
        assert g.dtype == leaf.dtype
        assert g.numpy().tolist() == np.zeros(leaf.shape).tolist()
    (g,) = cr.gradient(cr.stop_gradient(x).sum(), [x])
    assert g.numpy().tolist() == [0.0, 0.0]


def test_a_seed_starts_the_gradient():
    x = cr.tensor([1.0, 2.0])
    (g,) = cr.gradient(x * x, [x], seed=cr.tensor([1.0, 10.0]))
    assert g.numpy().tolist() == [2.0, 40.0]


def test_a_gradient_has_the_type_of_its_tensor():
    x, w = cr.tensor(np.ones(3, np.float32)), cr.tensor(np.ones(3))
    gx, gw = cr.gradient((x * w * 2.0).sum(), [x, w])
    assert (gx.dtype, gw.dtype) == (np.float32, np.float64)
    assert (gx.numpy().dtype, gw.numpy().dtype) == (np.float32, np.float64)
    y = cr.tensor(np.ones(3, np.float16))
    (gy,) = cr.gradient(cr.tanh(y.astype("float32")).sum(), [y])
    assert gy.dtype == np.float16


def test_gradients_get_names_that_printed_source_can_use():
    w, x = cr.tensor([1.0, 2.0], name="w"), cr.tensor([3.0, 4.0], name="x")
    z = w * x
    z.name = "z"
    gw, gx = cr.gradient((z * z).sum(), [w, x])
    assert (gw.name, gx.name) == ("d_w", "d_x")


def test_a_mask_is_a_constant():
    x, y = cr.tensor([-1.0, 2.0]), cr.tensor([5.0, 7.0])
    gx, gy = cr.gradient(cr.where(x > 0, x * y, y).sum(), [x, y])
    assert gx.numpy().tolist() == [0.0, 7.0]
    assert gy.numpy().tolist() == [1.0, 2.0]
    (g,) = cr.gradient((x * (x > 0)).sum(), [x])
    assert g.numpy().tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda x, i: cr.gradient(x.sum(), x),
            GradientError,
            "gradient: expected a list of tensors, got one.",
        ),
        (
            lambda x, i: cr.gradient(x.sum(), [1.0]),
            GradientError,
            "gradient: expected tensors, got 1.0. Write",
        ),
        (
            lambda x, i: cr.gradient(3.0, [x]),
            GradientError,
            "gradient: expected tensors, got 3.0. Write gradient",
        ),
        (
            lambda x, i: cr.gradient(x * x, [x]),
            GradientError,
            "gradient: multiply has shape (2,); only one number",
        ),
        (
            lambda x, i: cr.gradient(x.sum(), [i]),
            GradientError,
            "gradient: i holds int64; only real numbers have",
        ),
        (
            lambda x, i: cr.gradient(i.sum(), [x]),
            GradientError,
            "gradient: sum holds int64; only real numbers",
        ),
        (
            lambda x, i: cr.gradient((x + 1j).sum(), [x]),
            GradientError,
            "gradient: sum holds complex128; only real",
        ),
        (
            lambda x, i: cr.gradient(x * x, [x], seed=cr.tensor([1.0])),
            ShapeError,
            "gradient: the seed has shape (1,), y has (2,)",
        ),
        (
            lambda x, i: cr.gradient((x > 1).astype("float64").sum(), [x]),
            GradientError,
            "gradient: op 'greater' has no derivative, and every way from x to sum leads through one like "
            "it. Use stop_gradient if a constant is meant.",
        ),
        (
            lambda x, i: (x * x).backward(),
            GradientError,
            "gradient: multiply has shape (2,); only one number can",
        ),
        (lambda x, i: (x * x).backward([1.0]), ShapeError, "gradient: the seed has shape (1,), y has (2,)"),
        (lambda x, i: i.sum().backward(), GradientError, "gradient: sum holds int64; only real numbers have"),
        (
            lambda x, i: (x > 1).astype("float64").sum().backward(),
            GradientError,
            "gradient: op 'greater' has no",
        ),
        (
            lambda x, i: (cr.placeholder((), "float64", "t") * x.sum()).backward(),
            EvaluationError,
            "input 't' of shape () has no value",
        ),
        (
            lambda x, i: cr.value_and_grad(lambda a: a, by=1)(x),
            GradientError,
            "value_and_grad: by=1 is not one of the 1 arguments",
        ),
        (
            lambda x, i: cr.value_and_grad(lambda a: a.numpy())(1.0),
            GradientError,
            "gradient: expected tensors, got array(1.)",
        ),
    ],
)
def test_a_gradient_that_does_not_exist_is_refused(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask(cr.tensor([1.0, 2.0], name="x"), cr.tensor(np.array([1, 2]), name="i"))


# higher orders --------------------------------------------------------------------------------


def test_derivatives_of_every_order():
    x = cr.tensor(2.0)
    y = x**4
    for expected in (32.0, 48.0, 48.0, 24.0, 0.0):
        (y,) = cr.gradient(y, [x])
        assert float(y) == expected


def test_higher_derivatives_of_tanh():
    x = cr.tensor(0.3)
    t = np.tanh(0.3)
    y = cr.tanh(x)
    for expected in (1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2)):
        (y,) = cr.gradient(y, [x])
        assert float(y) == pytest.approx(expected, rel=1e-14)


def test_a_hessian_by_rows():
    a = np.array([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 4.0]])
    x = cr.tensor([1.0, -2.0, 0.5])
    (g,) = cr.gradient(x @ (a @ x), [x])
    rows = [cr.gradient(g[i], [x])[0].numpy() for i in range(3)]
    np.testing.assert_allclose(rows, a + a.T)


@pytest.mark.parametrize("function", [cr.relu, cr.abs, cr.leaky_relu, lambda x: cr.maximum(x, 0.5), cr.max])
def test_pieces_of_straight_lines_have_second_derivative_zero(function):
    x = cr.tensor([-1.0, 2.0, 0.0])
    (g,) = cr.gradient(function(x).sum(), [x])
    (second,) = cr.gradient(g.sum(), [x])
    assert second.numpy().tolist() == [0.0, 0.0, 0.0]


# backward() -----------------------------------------------------------------------------------


def test_backward_fills_in_every_gradient():
    a, b = cr.tensor(2.0, name="a"), cr.tensor(-3.0, name="b")
    c = a * b
    d = c + a
    (d * d).backward()
    assert float(d.grad) == 2 * (2 * -3 + 2)
    assert float(c.grad) == float(d.grad)
    assert float(a.grad) == float(d.grad) * (-3 + 1)
    assert float(b.grad) == float(d.grad) * 2


def test_each_call_adds_to_grad_once():
    x = cr.tensor(3.0)
    a = x * x
    y = a * x
    for call in range(1, 4):
        y.backward()
        assert float(x.grad) == call * 27.0
        assert float(a.grad) == call * 3.0
        assert float(y.grad) == call * 1.0


def test_two_results_add_up_as_in_pytorch():
    x = cr.tensor([1.0, 2.0])
    a = x * x
    a.sum().backward()
    cr.exp(a).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.numpy() + 2 * x.numpy() * np.exp(x.numpy() ** 2))
    np.testing.assert_allclose(a.grad.numpy(), 1 + np.exp(x.numpy() ** 2))


def test_grad_may_be_forgotten():
    x = cr.tensor(3.0)
    y = x * x
    y.backward()
    x.grad = None
    y.backward()
    assert float(x.grad) == 6.0


def test_backward_takes_a_gradient_to_start_from():
    x = cr.tensor([1.0, 2.0])
    (x * x).backward([1.0, 10.0])
    assert x.grad.numpy().tolist() == [2.0, 40.0]
    y = cr.tensor(np.float32(2.0))
    (y * y).backward(3.0)
    assert (float(y.grad), y.grad.dtype) == (12.0, np.float32)


def test_grad_is_graph_too():
    x = cr.tensor(2.0)
    (x**3).backward()
    (second,) = cr.gradient(x.grad, [x])
    assert float(second) == 12.0


def test_numbers_in_a_formula_keep_no_gradient():
    x = cr.tensor(2.0)
    y = x * 3.0
    y.backward()
    assert y.inputs[1].grad is None
    assert cr.tensor(np.array([1, 2])).grad is None


def test_a_chain_of_100_000_ops_forward_backward_and_again():
    x = cr.tensor(1.0, name="x")
    y = x
    for _ in range(50_000):
        y = y * 1.00001 + 0.00001
    slope = 1.00001**50_000
    assert float(y) == pytest.approx(2 * slope - 1, rel=1e-9)
    for call in (1, 2):
        y.backward()
        assert float(x.grad) == pytest.approx(call * slope, rel=1e-9)


# value_and_grad -------------------------------------------------------------------------------


def test_value_and_grad():
    value, slope = cr.value_and_grad(lambda x, y: (x * y).sum())([1.0, 2.0], np.array([3.0, 4.0]))
    assert float(value) == 11.0
    assert slope.numpy().tolist() == [3.0, 4.0]
    value, (by_y, by_x) = cr.value_and_grad(lambda x, y: x**y, by=[-1, 0])(2.0, 3)
    assert float(value) == 8.0
    assert float(by_x) == 12.0
    assert float(by_y) == pytest.approx(8 * np.log(2))


def test_a_stopped_gradient_is_zero_whatever_comes_after_it():
    x = cr.tensor([1.0, -2.0])
    y = cr.where(cr.stop_gradient(x) > 0, 1.0, 0.0).sum()
    (slope,) = cr.gradient(y, [x])
    assert slope.numpy().tolist() == [0.0, 0.0]
