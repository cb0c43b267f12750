"""The tester is tested: wrong rules are caught and named, right ones pass, bad arguments are answered."""

import dataclasses
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.check import check_gradients, check_rule, rule_cases
from chainrule.errors import ChainruleError, DTypeError, GradientError, ParameterError
from chainrule.graph.op import OPS
from chainrule.graph.tensor import apply_record


def changed(op_name, /, **facts):
    """A record with other facts, which is not in the registry, and a function that applies it."""
    record = dataclasses.replace(OPS[op_name], **facts)
    return record, lambda *inputs, **attrs: apply_record(record, inputs, attrs)


wrong_tanh, tanh_wrongly = changed("tanh", name="wrong_tanh", vjp=lambda g, y, x: (g * (1 - y),))
flat_tanh, tanh_flatly = changed(
    "tanh", name="flat_tanh", vjp=lambda g, y, x: (g * cr.stop_gradient(1 - y * y),)
)

# wrong rules ----------------------------------------------------------------------------------


def test_checker_rejects_a_wrong_rule():
    with pytest.raises(
        GradientError, match=r"wrong_tanh, input 0, element \(0, 0\): the rule gives .*, a complex"
    ):
        check_rule(wrong_tanh)


def test_an_error_of_a_part_in_a_billion_is_seen():
    slightly, _ = changed("multiply", name="slightly", vjp=lambda g, out, x, y: (g * y, g * x * (1 + 1e-9)))
    with pytest.raises(GradientError, match=r"slightly, input 1, element \(0, 0\): the rule gives"):
        check_rule(slightly)
    less, _ = changed("multiply", name="less", vjp=lambda g, out, x, y: (g * y, g * x * (1 + 1e-11)))
    check_rule(less)


def test_an_error_of_a_part_in_a_million_is_seen_where_the_op_is_not_analytic():
    nearly, _ = changed("relu", name="nearly", vjp=lambda g, y, x: (g * (y > 0) * (1 + 1e-6),))
    with pytest.raises(GradientError, match=r"nearly, input 0, element .*: the rule gives .*, a five-point"):
        check_rule(nearly)


def test_a_missing_part_is_seen():
    half, _ = changed("multiply", name="half", vjp=lambda g, out, x, y: (g * y, None))
    with pytest.raises(GradientError, match=r"half, input 1, element \(0, 0\): the rule gives 0, a complex"):
        check_rule(half)


def test_a_rule_that_mixes_up_elements_is_seen():
    def backwards(g, y, x, axes):
        return (cr.transpose(g, axes)[::-1],)

    turned, _ = changed("transpose", name="turned", vjp=backwards)
    with pytest.raises(GradientError, match="turned, input 0, element"):
        check_rule(turned)


def test_the_second_derivative_is_checked_as_well():
    check_rule(flat_tanh, order=1)
    with pytest.raises(
        GradientError, match=r"flat_tanh, input 0, element \(0, 0\), second derivative: the rule"
    ):
        check_rule(flat_tanh)
    stuck, _ = changed("tanh", name="stuck", vjp=lambda g, y, x: (cr.stop_gradient(g) * (1 - y * y),))
    with pytest.raises(GradientError, match=r"stuck, incoming gradient, element \(0, 0\), second derivative"):
        check_rule(stuck)


def test_a_rule_that_is_not_finite_is_seen():
    broken, _ = changed("relu", name="broken", vjp=lambda g, y, x: (g * cr.sqrt(y * 0 - 1),))
    with pytest.raises(GradientError, match=r"broken, input 0, element .*: the rule gives nan"):
        check_rule(broken)


X = np.linspace(-1.0, 1.0, 6).reshape(2, 3)
W = np.linspace(0.3, -0.9, 6).reshape(3, 2)


def test_the_op_at_fault_is_found_in_a_function():
    def network(x, w):
        return cr.exp(tanh_wrongly(x @ w)).sum(axis=0)

    with pytest.raises(GradientError) as caught:
        check_gradients(network, X, W)
    message = str(caught.value)
    assert message.startswith("wrong_tanh, input 0, element (0, 0): the rule gives ")
    assert re.search(
        r", a complex step -?[\d.e-]+\. First seen at network, input 0, element \(0, 0\)\.$", message
    )
    ours, numerical = re.search(r"gives (\S+), a complex step (\S+)\. First", message).groups()
    assert float(ours) != pytest.approx(float(numerical), rel=1e-3)


def test_the_numbers_in_the_message_are_the_derivatives():
    with pytest.raises(GradientError) as caught:
        check_gradients(lambda x: tanh_wrongly(x), 0.5)
    ours, numerical = re.search(r"gives (\S+), a complex step (\S+)\. First", str(caught.value)).groups()
    assert float(ours) == pytest.approx(1 - np.tanh(0.5), rel=1e-11)
    assert float(numerical) == pytest.approx(1 - np.tanh(0.5) ** 2, rel=1e-11)


def test_the_input_and_the_element_at_fault_are_named():
    def only_last(g, out, x, y):
        wrong = np.zeros((2, 3))
        wrong[1, 2] = 1.0
        return g * y, g * (x + wrong)

    _, multiply = changed("multiply", name="almost", vjp=only_last)
    with pytest.raises(
        GradientError, match=r"^almost, input 1, element \(1, 2\): .* at <lambda>, input 2, element"
    ):
        check_gradients(lambda n, x, w: multiply(cr.sin(x), cr.exp(w)) * n, np.array(3), X, X)


def test_the_op_at_fault_in_a_second_derivative_is_found():
    check_gradients(lambda x: cr.exp(tanh_flatly(x)), X)
    with pytest.raises(
        GradientError, match=r"^flat_tanh, input 0, element .*, second derivative: .*First seen"
    ):
        check_gradients(lambda x: cr.exp(tanh_flatly(x)), X, order=2)


def test_the_op_at_fault_in_a_loop_is_found():
    def loop(step, h, xs):
        return cr.scan(lambda state, x: (step(state + x), state), h, xs)[0]

    check_gradients(lambda h, xs: loop(cr.tanh, h, xs), np.array([0.1, 0.2, 0.3]), X, order=2)
    check_gradients(lambda h, xs: loop(cr.relu, h, xs), np.array([0.1, 0.2, 0.3]), X)
    for step in (tanh_wrongly, lambda state: loop(tanh_wrongly, state, cr.tensor(X))):
        with pytest.raises(
            GradientError, match=r"^wrong_tanh, input 0, element .*, within a nested program\."
        ):
            check_gradients(lambda h, xs, step=step: loop(step, h, xs), np.array([0.1, 0.2, 0.3]), X)


def test_a_fault_between_ops_is_told_apart():
    def fickle(g, y, x):
        return (g * y if x.is_leaf else g * y * 2,)

    _, exp_fickly = changed("exp", name="fickle", vjp=fickle)
    check_gradients(exp_fickly, X)
    with pytest.raises(
        GradientError, match=r"^<lambda>, input 0, .*Each op agrees by itself: their connection"
    ):
        check_gradients(lambda x: exp_fickly(x * 2), X)


def test_a_gradient_of_another_shape_names_the_op():
    cut, _ = changed("exp", name="cut", vjp=lambda g, y, x: ((g * y)[:2, :3],))
    message = "gradient: op 'cut' gives an input of shape (3, 4) a gradient of shape (2, 3)"
    with pytest.raises(GradientError, match=re.escape(message)):
        check_rule(cut)


# right ones -----------------------------------------------------------------------------------


def test_functions_of_many_ops_pass():
    def loss(x, w, b, t):
        a = cr.softplus(x @ w + b)
        return (
            -cr.log_softmax(a * cr.tanh(a))[np.arange(0, 2), ...].sum()
            + (a**2).mean() * t.astype("float64").sum()
        )

    check_gradients(loss, X, W, np.zeros(2) + 0.1, np.array([1, 0]), order=2)


def test_a_function_with_values_asked_on_the_way_is_not_stuck_to_them():
    def shifted(x):
        y = x * x
        assert float(y.sum()) > 0  # keeps the value of y
        return cr.exp(y)

    check_gradients(shifted, X)
    with pytest.raises(GradientError, match="wrong_tanh, input 0"):
        check_gradients(lambda x: tanh_wrongly(shifted(x)), X)


def test_a_constant_part_is_not_moved():
    check_gradients(lambda x: x * cr.stop_gradient(cr.exp(x)), X, order=2)
    check_gradients(lambda x: x + cr.stop_gradient(cr.sign(x) - x), X)  # the sign, with the slope of x


def test_kinks_near_the_point_do_not_disturb():
    check_gradients(lambda x: cr.relu(x) * cr.abs(x), [1.0, -1.0, 1e-4, -2e-5, 3e-5])
    check_gradients(lambda x: cr.sqrt(cr.relu(x)), [1e-3, 2.0])


def test_shapes_of_every_kind_pass():
    for shape in ((), (1,), (0,), (2, 0), (1, 1, 1)):
        check_gradients(lambda x: cr.tanh(x) * 2, np.full(shape, 0.3), order=2)
    check_gradients(lambda x: x.T @ x, np.arange(24.0).reshape(4, 6)[::2, ::-3] / 9, order=2)
    check_gradients(lambda x, y: x * y + x, X, X[:1], order=2)
    check_gradients(lambda x: x, X)


def test_float32_arrays_and_tensors_are_checked_in_float64():
    check_gradients(lambda x: cr.exp(x), X.astype("float32"))
    check_gradients(lambda x: cr.exp(x), cr.tensor(X.astype("float16")))


def test_only_some_elements_are_checked_on_request():
    almost_all_right = cr.tensor(np.arange(400) == 17)
    _, one_wrong = changed("exp", name="one_wrong", vjp=lambda g, y, x: (g * y * (1 + almost_all_right),))
    check_gradients(one_wrong, np.zeros(400), elements=5)
    with pytest.raises(GradientError, match=r"one_wrong, input 0, element \(17,\)"):
        check_gradients(one_wrong, np.zeros(400))


def test_operands_are_drawn_from_the_domain_and_never_tie():
    for name in ("log", "power", "divide", "max"):
        record = OPS[name]
        for _, arrays in rule_cases(record):
            for i, array in enumerate(arrays):
                low, high = record.domain[min(i, len(record.domain) - 1)]
                assert low < array.min()
                assert array.max() < high
                assert len(np.unique(array)) == array.size


def test_a_domain_at_a_kink_is_refused():
    stuck, _ = changed("abs", name="stuck", domain=[(-0.01, 0.01)])
    with pytest.raises(
        ParameterError, match=r"stuck: no point of its domain \[\(-0.01, 0.01\)\] is away from its"
    ):
        check_rule(stuck)


# points without a derivative, and arguments that make no sense --------------------------------


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda: check_gradients(lambda x: cr.relu(x) * 3, [0.0]),
            GradientError,
            "relu, input 0, element (0,): a kink: the slope is 0 on the left and 1 on the right, and the "
            "rule gives 0. Check at another point. First seen at <lambda>, input 0, element (0,).",
        ),
        (
            lambda: check_gradients(cr.log, [1.0, -1.0]),
            GradientError,
            "log, element (1,): the value is nan; there is no derivative. Check at another point.",
        ),
        (
            lambda: check_gradients(cr.sqrt, [1.0, 0.0]),
            GradientError,
            "sqrt, input 0, element (1,): the rule gives",
        ),
        (
            lambda: check_gradients(lambda x: cr.stop_gradient(x) * 2, [1.0]),
            GradientError,
            "check_gradients: the result depends on none of the arrays that could be differentiated.",
        ),
        (
            lambda: check_gradients(lambda x: (x > 0).astype("float64"), [1.0]),
            GradientError,
            "gradient: op 'greater' has no derivative",
        ),
        (
            lambda: check_gradients(lambda x: x > 0, [1.0]),
            GradientError,
            "check_gradients: the result holds bool; only real numbers have derivatives",
        ),
        (
            lambda: check_gradients(lambda x: x.astype("float32") * 2, [1.0]),
            GradientError,
            "check_gradients: op 'astype' computes in float32, too coarse for numerical differentiation.",
        ),
        (
            lambda: check_gradients(lambda i: i, np.arange(3)),
            GradientError,
            "check_gradients: nothing to differentiate; pass at least one array of real numbers",
        ),
        (lambda: check_gradients(lambda: 1), GradientError, "check_gradients: nothing to differentiate"),
        (
            lambda: check_gradients(np.ones(3), np.ones(3)),
            DTypeError,
            "check_gradients: the first argument must be a function, got array([1., 1., 1.]).",
        ),
        (
            lambda: check_gradients(lambda x: x.numpy(), [1.0]),
            DTypeError,
            "check_gradients: the function must return a tensor, got ndarray.",
        ),
        (
            lambda: check_gradients(cr.exp, [1j]),
            DTypeError,
            "check_gradients: array 0 is complex; only real functions are checked",
        ),
        (
            lambda: check_gradients(cr.add, X, [[1.0, np.inf, 0.0]]),
            ParameterError,
            "check_gradients: array 1 is inf at element (0, 1)",
        ),
        (lambda: check_gradients(cr.exp, "a"), DTypeError, "tensor: expected numbers, got <U1 ('a')"),
        (
            lambda: check_gradients(cr.exp, X, order=3),
            ParameterError,
            "check_gradients: order must be 1 or 2, got 3",
        ),
        (
            lambda: check_gradients(cr.exp, X, elements=0),
            ParameterError,
            "check_gradients: elements must be a positive int or None, got 0",
        ),
    ],
)
def test_what_cannot_be_checked_is_said(ask, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        ask()
    assert isinstance(caught.value, ChainruleError)


def test_the_package_offers_the_check():
    assert cr.check_gradients is check_gradients
