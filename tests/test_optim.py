"""Update rules against their papers' formulas, written out in plain NumPy."""

import math

import numpy as np
import pytest

from chainrule.autodiff.gradient import gradient
from chainrule.emit.engine import compile_program
from chainrule.errors import ParameterError, UnknownNameError
from chainrule.graph.program import Program
from chainrule.graph.tensor import placeholder
from chainrule.optim.rules import SGD, Adam, find_optimizer


def plain(theta, g, lr, state, k):
    return theta - lr * g


def momentum(theta, g, lr, state, k):
    v = state["v"] = 0.9 * state.get("v", 0) + g
    return theta - lr * v


def nesterov(theta, g, lr, state, k):
    v = state["v"] = 0.9 * state.get("v", 0) + g
    return theta - lr * (g + 0.9 * v)


def lookahead(theta, g, lr, state, k):
    """Nesterov's in the form of Bengio et al. (2013), eq. 7: with velocities that hold the learning rate."""
    old = state.get("v", 0)
    v = state["v"] = 0.9 * old - lr * g
    return theta + 0.9 * v - lr * g


def adam(theta, g, lr, state, k):
    m = state["m"] = 0.8 * state.get("m", 0) + 0.2 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g * g
    return theta - lr * (m / (1 - 0.8**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-3)


RULES = [
    (SGD(0.1), plain),
    (SGD(0.1, momentum=0.9), momentum),
    (SGD(0.1, momentum=0.9, nesterov=True), nesterov),
    (SGD(0.1, momentum=0.9, nesterov=True), lookahead),
    (Adam(0.1, beta1=0.8, beta2=0.99, eps=1e-3), adam),
]
CENTRE = np.array([[0.5, -1.0, 2.0], [0.001, 3.0, -0.25]])


def step_program(rule, dtype="float64"):
    """One update of W and b on the loss sum(x * (W - centre)**4) + sum(b**2)."""
    x, lr = placeholder((), dtype, "x"), placeholder((), dtype, "lr")
    W, b = placeholder((2, 3), dtype, "W"), placeholder((3,), dtype, "b")
    distance = W - CENTRE.astype(dtype)
    square = distance * distance
    loss = (x * (square * square)).sum() + (b * b).sum()
    updates = rule.updates([W, b], gradient(loss, [W, b]), lr)
    return Program([x, lr], {"loss": loss}, updates), W, b


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_rules_agree_with_plain_numpy(rule, reference, engine):
    program, W, b = step_program(rule)
    runner = compile_program(program, engine)
    runner.load({leaf: np.zeros(leaf.shape) for leaf in program.updates})
    runner.load({b: np.array([1.0, -2.0, 0.5])})
    theta, beta, states = np.zeros((2, 3)), np.array([1.0, -2.0, 0.5]), ({}, {})
    for k in range(1, 31):
        x = 0.01 + 0.001 * k
        runner(x, rule.learning_rate)
        slope = 4 * x * (theta - CENTRE) ** 3
        theta = reference(theta, slope, 0.1, states[0], k)
        beta = reference(beta, 2 * beta, 0.1, states[1], k)
    state = runner.state
    np.testing.assert_allclose(state[W], theta, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(state[b], beta, rtol=1e-12, atol=1e-14)


def test_adam_adds_epsilon_after_the_correction():
    """The first step is lr * g / (|g| + eps), not lr * g / (|g| + eps / sqrt(1 - beta2))."""
    program, _, b = step_program(Adam(0.1, eps=1.0))
    runner = compile_program(program, "numpy")
    runner.load({leaf: np.zeros(leaf.shape) for leaf in program.updates})
    runner.load({b: np.array([0.5, 0.0005, -0.5])})
    runner(0.0, 0.1)
    g = np.array([1.0, 0.001, -1.0])
    np.testing.assert_allclose(runner.state[b], [0.5, 0.0005, -0.5] - 0.1 * g / (np.abs(g) + 1.0), rtol=1e-12)


def test_adam_in_float32_corrects_as_in_float64():
    """The first step has the length lr whatever the gradient; 1 - beta2 in float32 would miss it by 2e-5."""
    program, _, b = step_program(Adam(0.1), "float32")
    runner = compile_program(program, "numpy")
    runner.load({leaf: np.zeros(leaf.shape) for leaf in program.updates})
    runner.load({b: np.array([3.0, -2.0, 1.0])})
    runner(0.0, 0.1)
    np.testing.assert_allclose(runner.state[b], [2.9, -1.9, 0.9], rtol=3e-7)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (SGD(0.1), {"W", "b"}),
        (SGD(0.1, momentum=0.5), {"W", "b", "velocity_W", "velocity_b"}),
        (Adam(), {"W", "b", "k", "m_W", "m_b", "v_W", "v_b"}),
    ],
)
def test_state_has_the_names_that_source_shows(rule, names):
    program, _, _ = step_program(rule)
    assert {leaf.name for leaf in program.updates} == names


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0), "SGD: learning_rate must be above 0 and finite, got 0"),
        (lambda: SGD(-0.1), "got -0.1"),
        (lambda: SGD(math.nan), "got nan"),
        (lambda: SGD(math.inf), "got inf"),
        (lambda: SGD("fast"), "got 'fast'"),
        (lambda: SGD("0.1"), "got '0.1'"),
        (lambda: SGD(None), "got None"),
        (lambda: SGD(True), "got True"),
        (lambda: SGD(0.1, momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: SGD(0.1, momentum=-0.1), "got -0.1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov needs momentum"),
        (lambda: Adam(beta1=1), "beta1 must be at least 0 and below 1, got 1"),
        (lambda: Adam(beta2=1.5), "beta2 must be"),
        (lambda: Adam(eps=0), "eps must be above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_optimisers_by_name():
    assert find_optimizer("sgd") == SGD(0.1)
    assert find_optimizer(Adam(0.5)) == Adam(0.5)
    assert SGD(np.float32(0.5)).learning_rate == 0.5
    with pytest.raises(UnknownNameError, match="optimizer 'adan' is unknown; did you mean 'adam'"):
        find_optimizer("adan")


def test_programs_depend_on_the_rule_and_not_on_its_learning_rate():
    assert Adam(0.1).rule == Adam(0.2).rule
    assert SGD(0.1).rule != SGD(0.1, momentum=0.5).rule
