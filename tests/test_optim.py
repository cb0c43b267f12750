"""Update rules against PyTorch's numbers and the papers' formulas; L-BFGS; clipping, settings, files."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from chainrule.autodiff.gradient import gradient
from chainrule.emit.engine import compile_program
from chainrule.errors import ParameterError, UnknownNameError
from chainrule.graph.program import Program
from chainrule.graph.tensor import placeholder
from chainrule.ops import tanh
from chainrule.optim import rules
from chainrule.optim.rules import (
    LBFGS,
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    DeltaBarDelta,
    Lion,
    NAdam,
    Optimizer,
    Quickprop,
    RMSProp,
    Rprop,
    SignSGD,
    find_optimizer,
    make_optimizer,
    optimizer_from_json,
)
from chainrule.optim.schedules import Constant, CosineDecay, Custom, Schedule, StepDecay
from chainrule.optim.searches import minimise

ENGINES = ["numpy", "numba"]
GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("optimizers.json").read_text("utf-8"))
PROBLEM = {key: np.array(value) for key, value in GOLDEN["problem"].items()}
STEPS = 100


def runner_of(program, engine="numpy", start=None):
    """A program ready to run: leaves without a value start at 0."""
    runner = compile_program(program, engine)
    runner.load({v: np.zeros(v.shape) for v in program.updates if v.value is None})
    runner.load(start or {})
    return runner


# against PyTorch ------------------------------------------------------------------------------


def network(rule, dtype="float64"):
    """A step of the problem that golden/make_optimizers.py states, and its parameters."""
    x, t = placeholder(("n", 2), dtype, "x"), placeholder(("n", 3), dtype, "t")
    lr = placeholder((), dtype, "lr")
    W, b = placeholder((2, 3), dtype, "W"), placeholder((3,), dtype, "b")
    loss = ((tanh(x @ W + b) - t) ** 2).mean()
    updates = rule.new_values([W, b], gradient(loss, [W, b]), lr)
    return Program([x, t, lr], {"loss": loss}, updates), W, b


def trained(rule, engine="numpy", dtype="float64", record=(STEPS,)):
    """W and b side by side, after some of the steps."""
    program, W, b = network(rule, dtype)
    runner = runner_of(program, engine, {W: PROBLEM["W"], b: PROBLEM["b"]})
    batch, rows = int(PROBLEM["batch"]), len(PROBLEM["X"])
    tables = [np.asarray(a, dtype) for a in (PROBLEM["X"], PROBLEM["T"], rule.learning_rate)]
    found, done = [], 0
    for steps in record:
        runner.epoch(tables, np.arange(done * batch, steps * batch) % rows, batch)
        found.append(np.vstack([runner.state[W], runner.state[b]]))
        done = steps
    return np.array(found)


def case(entry):
    return getattr(rules, entry["rule"])(**entry["settings"])


@pytest.mark.golden
@pytest.mark.parametrize("entry", GOLDEN["rules"], ids=lambda e: str(case(e)))
def test_updates_agree_with_pytorch(entry):
    recorded = [int(steps) for steps in entry["values"]]
    assert recorded == [1, 2, 10, STEPS]
    expected = [np.vstack([W, b]) for W, b in entry["values"].values()]
    np.testing.assert_allclose(trained(case(entry), record=recorded), expected, rtol=1e-10, atol=1e-12)


def test_every_rule_that_pytorch_has_is_among_its_numbers():
    compared = {entry["rule"] for entry in GOLDEN["rules"]}
    ours = {"Lion", "SignSGD", "Quickprop", "DeltaBarDelta"}
    assert compared == {cls.__name__ for cls in OPTIMIZERS.values() if not cls.whole_batch} - ours


# both engines ---------------------------------------------------------------------------------

COVERING = [
    SGD(0.1, momentum=0.8, dampening=0.3, weight_decay=0.02),
    SGD(0.1, momentum=0.9, nesterov=True, clip_value=0.1, clip_norm=0.2),
    SGD(0.1, momentum=0.9, nesterov=True, rate_in_velocity=True),
    Adam(0.05, late_correction=True),
    Adam(0.05, eps_inside=True),
    Adagrad(0.1, initial=0.2, eps_inside=True),
    RMSProp(0.02, rho=0.9, initial=1.0, eps_inside=True),
    RMSProp(0.02, rho=0.9, momentum=0.5, centered=True),
    Adam(0.05),
    AdamW(0.05, weight_decay=0.1),
    NAdam(0.05, momentum_decay=0.1),
    Lion(0.01, weight_decay=0.1),
    Rprop(0.05),
    SignSGD(0.01),
    Quickprop(0.05, mu=1.2, weight_decay=0.01),
    DeltaBarDelta(0.05),
]


def test_the_covering_set_has_every_rule_with_steps():
    assert {type(rule) for rule in COVERING} == {r for r in OPTIMIZERS.values() if not r.whole_batch}


@pytest.mark.parametrize(("dtype", "close"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("rule", COVERING, ids=str)
def test_both_engines_agree(rule, dtype, close):
    record = (3, 23)
    by_numpy, by_numba = (trained(rule, engine, dtype, record) for engine in ENGINES)
    np.testing.assert_allclose(by_numba, by_numpy, rtol=close, atol=close)
    np.testing.assert_allclose(by_numpy, trained(rule, record=record), rtol=2 * close, atol=2 * close)


# against the papers ---------------------------------------------------------------------------


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


def dampened(theta, g, lr, state, k):
    v = state["v"] = 0.9 * state["v"] + 0.1 * g if "v" in state else g
    return theta - lr * v


def classical(theta, g, lr, state, k):
    """Sutskever et al. (2013), eq. 1 and 2."""
    v = state["v"] = 0.9 * state.get("v", 0) - lr * g
    return theta + v


def late_adam(theta, g, lr, state, k):
    """Kingma and Ba (2015), end of section 2."""
    m = state["m"] = 0.8 * state.get("m", 0) + 0.2 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g * g
    return theta - lr * np.sqrt(1 - 0.99**k) / (1 - 0.8**k) * m / (np.sqrt(v) + 1e-3)


def adam(theta, g, lr, state, k):
    m = state["m"] = 0.8 * state.get("m", 0) + 0.2 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g * g
    return theta - lr * (m / (1 - 0.8**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-3)


def adam_inside(theta, g, lr, state, k):
    m = state["m"] = 0.8 * state.get("m", 0) + 0.2 * g
    v = state["v"] = 0.99 * state.get("v", 0) + 0.01 * g * g
    return theta - lr * (m / (1 - 0.8**k)) / np.sqrt(v / (1 - 0.99**k) + 1e-3)


def tensorflow_rmsprop(theta, g, lr, state, k):
    """TensorFlow 1's, whose mean starts at 1 and whose velocity holds the learning rate."""
    v = state["v"] = 0.9 * state.get("v", 1.0) + 0.1 * g * g
    b = state["b"] = 0.5 * state.get("b", 0) + lr * g / np.sqrt(v + 1e-3)
    return theta - b


def lion(theta, g, lr, state, k):
    """Chen et al. (2023), algorithm 2."""
    m = state.get("m", 0)
    c = 0.8 * m + 0.2 * g
    state["m"] = 0.95 * m + 0.05 * g
    return theta - lr * (np.sign(c) + 0.2 * theta)


def rprop(theta, g, lr, state, k):
    """Igel and Hüsken (2003), iRprop-, element by element."""
    theta, old = theta.copy(), state.get("g", np.zeros_like(g))
    size = state.get("size", np.full(g.shape, lr))
    g = g.copy()
    for i in np.ndindex(g.shape):
        if old[i] * g[i] > 0:
            size[i] = min(size[i] * 1.2, 50)
        elif old[i] * g[i] < 0:
            size[i] = max(size[i] * 0.5, 1e-6)
            g[i] = 0
        theta[i] -= np.sign(g[i]) * size[i]
    state["g"], state["size"] = g, size
    return theta


RULES = [
    (SGD(0.1), plain),
    (SGD(0.1, momentum=0.9), momentum),
    (SGD(0.1, momentum=0.9, nesterov=True), nesterov),
    (SGD(0.1, momentum=0.9, nesterov=True), lookahead),
    (SGD(0.1, momentum=0.9, dampening=0.9), dampened),
    (SGD(0.1, rate_in_velocity=True), plain),
    (SGD(0.1, momentum=0.9, rate_in_velocity=True), classical),
    (SGD(0.1, momentum=0.9, nesterov=True, rate_in_velocity=True), lookahead),
    (Adam(0.1, beta1=0.8, beta2=0.99, eps=1e-3, late_correction=True), late_adam),
    (Adam(0.1, beta1=0.8, beta2=0.99, eps=1e-3), adam),
    (Adam(0.1, beta1=0.8, beta2=0.99, eps=1e-3, eps_inside=True), adam_inside),
    (RMSProp(0.1, rho=0.9, eps=1e-3, momentum=0.5, initial=1.0, eps_inside=True), tensorflow_rmsprop),
    (Lion(0.1, beta1=0.8, beta2=0.95, weight_decay=0.2), lion),
    (Rprop(0.1), rprop),
]
CENTRE = np.array([[0.5, -1.0, 2.0], [0.001, 3.0, -0.25]])


def step_program(rule, dtype="float64"):
    """One update of W and b on the loss sum(x * (W - centre)**4) + sum(b**2)."""
    x, lr = placeholder((), dtype, "x"), placeholder((), dtype, "lr")
    W, b = placeholder((2, 3), dtype, "W"), placeholder((3,), dtype, "b")
    distance = W - CENTRE.astype(dtype)
    square = distance * distance
    loss = (x * (square * square)).sum() + (b * b).sum()
    updates = rule.new_values([W, b], gradient(loss, [W, b]), lr)
    return Program([x, lr], {"loss": loss}, updates), W, b


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("rule", "reference"), RULES)
def test_rules_agree_with_plain_numpy(rule, reference, engine):
    program, W, b = step_program(rule)
    runner = runner_of(program, engine, {b: np.array([1.0, -2.0, 0.5])})
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


def steps_of_b(rule, start, rates, dtype="float64"):
    """b after each of some steps on the loss sum(b**2), whose gradient is 2 * b."""
    program, _, b = step_program(rule, dtype)
    runner = runner_of(program, "numpy", {b: np.array(start)})
    found = []
    for rate in rates:
        runner(0.0, rate)
        found.append(runner.state[b])
    return np.array(found)


def test_adam_adds_epsilon_after_the_correction():
    """The first step is lr * g / (|g| + eps), not lr * g / (|g| + eps / sqrt(1 - beta2))."""
    start = np.array([0.5, 0.0005, -0.5])
    g = 2 * start
    found = steps_of_b(Adam(0.1, eps=1.0), start, [0.1])
    np.testing.assert_allclose(found[0], start - 0.1 * g / (np.abs(g) + 1.0), rtol=1e-12)


@pytest.mark.parametrize("rule", [Adam(0.1), AdamW(0.1, weight_decay=0)])
def test_adam_in_float32_corrects_as_in_float64(rule):
    """The first step has the length lr whatever the gradient; 1 - beta2 in float32 would miss it by 2e-5."""
    found = steps_of_b(rule, [3.0, -2.0, 1.0], [0.1], "float32")
    np.testing.assert_allclose(found[0], [2.9, -1.9, 0.9], rtol=3e-7)


def test_nadam_in_float32_corrects_as_in_float64():
    rates = [0.1] * 5
    found = steps_of_b(NAdam(0.1), [3.0, -2.0, 1.0], rates, "float32")
    np.testing.assert_allclose(found, steps_of_b(NAdam(0.1), [3.0, -2.0, 1.0], rates), rtol=5e-7)


def test_weights_decay_with_the_learning_rate_and_apart_from_the_gradient():
    start = np.array([4.0, -2.0, 1.0])
    with_decay, without = (
        steps_of_b(AdamW(1.0, weight_decay=decay), start, [0.5])[0] for decay in (0.1, 0.0)
    )
    np.testing.assert_allclose(without - with_decay, 0.5 * 0.1 * start, rtol=1e-12)


def test_a_centred_spread_that_rounding_makes_negative_counts_as_0():
    """The mean of constant gradients' squares is the square of their mean, but for rounding."""
    x, lr = placeholder((1000,), "float32", "x"), placeholder((), "float32", "lr")
    W = placeholder((1000,), "float32", "W")
    updates = RMSProp(0.1, rho=0.5, centered=True).updates([W], [x + 0 * W], lr)
    runner = runner_of(Program([x, lr], {"x": x.sum()}, updates))
    constant = np.linspace(1, 2, 1000, dtype=np.float32)
    for _ in range(60):
        runner(constant, np.float32(0.0))
    state = {v.name: value for v, value in runner.state.items()}
    assert (state["v_W"] < state["m_W"] * state["m_W"]).any()  # or this shows nothing
    assert np.isfinite(state["W"]).all()


def test_rprop_takes_its_first_size_from_the_learning_rate_and_none_after():
    start = [3.0, -2.0, 10.0]
    found = steps_of_b(Rprop(0.1), start, [0.1, 7.0, 7.0])
    sizes = np.cumsum([0.1, 0.12, 0.144])[:, None]
    np.testing.assert_allclose(found, start - sizes * np.sign(start), rtol=1e-12)


def test_rprop_sees_the_sign_of_gradients_whose_product_underflows():
    """In float32, 2e-25 squared is 0."""
    start = np.array([1e-25, -1e-25, 0.0])
    found = steps_of_b(Rprop(1e-27, step_min=1e-30), start, [1e-27] * 2, "float32")
    np.testing.assert_allclose(found[1], start - 2.2e-27 * np.sign(start), rtol=1e-6)


def test_lion_moves_every_element_by_the_learning_rate():
    found = steps_of_b(Lion(), [1e-6, -300.0, 0.0], [0.25])
    np.testing.assert_allclose(found[0], [1e-6 - 0.25, -299.75, 0], rtol=1e-12)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (SGD(0.1), {"W", "b"}),
        (SGD(0.1, momentum=0.5), {"W", "b", "velocity_W", "velocity_b"}),
        (SGD(0.1, momentum=0.5, dampening=0.5), {"W", "b", "velocity_W", "velocity_b", "k"}),
        (Adagrad(), {"W", "b", "v_W", "v_b"}),
        (RMSProp(), {"W", "b", "v_W", "v_b"}),
        (
            RMSProp(momentum=0.5, centered=True),
            {"W", "b", "v_W", "v_b", "m_W", "m_b", "velocity_W", "velocity_b"},
        ),
        (Adam(), {"W", "b", "k", "m_W", "m_b", "v_W", "v_b"}),
        (AdamW(), {"W", "b", "k", "m_W", "m_b", "v_W", "v_b"}),
        (NAdam(), {"W", "b", "k", "mu_product", "m_W", "m_b", "v_W", "v_b"}),
        (Lion(), {"W", "b", "m_W", "m_b"}),
        (Rprop(), {"W", "b", "sign_W", "sign_b", "size_W", "size_b"}),
        (SignSGD(), {"W", "b"}),
        (Quickprop(), {"W", "b", "slope_W", "slope_b", "step_W", "step_b"}),
        (DeltaBarDelta(), {"W", "b", "k", "rate_W", "rate_b", "bar_W", "bar_b"}),
    ],
)
def test_state_has_the_names_that_source_shows(rule, names):
    program, _, _ = step_program(rule)
    assert {leaf.name for leaf in program.updates} == names


# L-BFGS ---------------------------------------------------------------------------------------


def rosenbrock(x):
    """Minimum 0 at (1, 1, ...)."""
    left, right = x[:-1], x[1:]
    bend, slope = right - left**2, np.zeros_like(x)
    slope[:-1] = -400 * left * bend - 2 * (1 - left)
    slope[1:] += 200 * bend
    return float((100 * bend**2 + (1 - left) ** 2).sum()), slope


def iterations(settings, start=(0.5, -1.0, 0.3, 2.0), function=rosenbrock, most=1000, until=-1.0):
    """The vectors and losses of the iterations, and where they end."""
    seen = []

    def on_iteration(vector, loss):
        seen.append((vector, loss))
        return loss > until

    return seen, minimise(function, np.array(start), settings, most, on_iteration).vector


def test_lbfgs_finds_a_minimum():
    seen, found = iterations(LBFGS(tolerance=1e-8))
    np.testing.assert_allclose(found, 1, rtol=1e-7)
    losses = [loss for _, loss in seen]
    assert losses == sorted(losses, reverse=True)
    assert [rosenbrock(vector)[0] for vector, _ in seen] == losses
    assert len(seen) < 100


def test_lbfgs_stops_when_told_and_gives_the_last_iteration():
    whole, _ = iterations(LBFGS())
    wanted = whole[4][1]
    for settings in ({"most": 5}, {"until": wanted}):
        seen, found = iterations(LBFGS(), **settings)
        assert [loss for _, loss in seen] == [loss for _, loss in whole[:5]]
        assert np.array_equal(found, seen[-1][0])
    assert rosenbrock(found)[0] == wanted > 1e-3


def test_settings_of_lbfgs_count():
    usual, _ = iterations(LBFGS(tolerance=1e-8))
    forgetful, _ = iterations(LBFGS(history=1, tolerance=1e-8))
    assert len(forgetful) > len(usual)
    rough, found = iterations(LBFGS(tolerance=1.0))
    assert len(rough) < len(usual)
    assert np.abs(rosenbrock(found)[1]).max() <= 1
    calls = []

    def counted(x):
        calls.append(x)
        return rosenbrock(x)

    impatient, _ = iterations(LBFGS(line_search=1), function=counted)
    assert len(impatient) < 5
    assert len(calls) <= 4 * (len(impatient) + 2)


def test_lbfgs_leaves_what_it_is_given_alone():
    start = np.array([-1.2, 1.0])

    def tampers(vector, loss):
        vector[:] = 0
        return True

    found = minimise(rosenbrock, start, LBFGS(), 1000, tampers)
    np.testing.assert_allclose(found.vector, 1, rtol=1e-4)
    assert start.tolist() == [-1.2, 1.0]


def test_lbfgs_keeps_the_last_good_vector_where_the_loss_is_no_number():
    seen, found = iterations(LBFGS(), function=lambda x: (math.nan, np.ones_like(x)))
    assert not seen
    assert found.tolist() == [0.5, -1.0, 0.3, 2.0]

    def cliff(x):
        loss, slope = rosenbrock(x)
        return (loss if loss > 2 else math.inf), slope

    seen, found = iterations(LBFGS(), function=cliff)
    assert len(seen) > 0
    assert 2 < cliff(found)[0] < math.inf
    assert np.array_equal(found, seen[-1][0])


def test_errors_within_lbfgs_come_out():
    def broken(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iterations(LBFGS(), function=broken)


def test_lbfgs_has_no_step_of_its_own():
    assert {name for name, cls in OPTIMIZERS.items() if cls.whole_batch} == {
        "lbfgs",
        "cg",
        "levenberg_marquardt",
    }
    assert LBFGS(5).rule == LBFGS(5) == LBFGS(history=5)
    with pytest.raises(ParameterError, match="steps are found by trying, and are no graph"):
        network(LBFGS())


# settings -------------------------------------------------------------------------------------


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
        (lambda: SGD(CosineDecay), "learning_rate must be above 0 and finite, got <class"),
        (lambda: SGD(0.1, momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (lambda: SGD(0.1, momentum=-0.1), "got -0.1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov needs momentum"),
        (lambda: SGD(0.1, momentum=0.9, nesterov="no"), "SGD: nesterov must be True or False, got 'no'"),
        (
            lambda: SGD(0.1, dampening=0.5),
            "dampening needs momentum, not Nesterov's, and no rate_in_velocity",
        ),
        (lambda: SGD(0.1, momentum=0.9, nesterov=True, dampening=0.5), "dampening needs momentum"),
        (lambda: SGD(0.1, momentum=0.9, dampening=1), "dampening must be at least 0 and below 1, got 1"),
        (lambda: SGD(weight_decay=-1), "SGD: weight_decay must be at least 0 and finite, got -1"),
        (lambda: SGD(clip_value=0), "SGD: clip_value must be above 0 and finite, got 0"),
        (lambda: SGD(clip_norm=-1.0), "SGD: clip_norm must be above 0 and finite, got -1.0"),
        (lambda: Adagrad(eps=0), "Adagrad: eps must be above 0"),
        (lambda: Adagrad(initial=-1), "Adagrad: initial must be at least 0"),
        (lambda: RMSProp(rho=1), "RMSProp: rho must be at least 0 and below 1, got 1"),
        (lambda: RMSProp(eps=0), "RMSProp: eps must be above 0"),
        (lambda: RMSProp(momentum=1), "RMSProp: momentum must be at least 0 and below 1, got 1"),
        (lambda: RMSProp(centered=1), "RMSProp: centered must be True or False, got 1"),
        (lambda: Adam(beta1=1), "beta1 must be at least 0 and below 1, got 1"),
        (lambda: Adam(beta2=1.5), "beta2 must be"),
        (lambda: Adam(eps=0), "eps must be above 0"),
        (lambda: AdamW(weight_decay=-0.1), "AdamW: weight_decay must be at least 0 and finite, got -0.1"),
        (lambda: NAdam(momentum_decay=-1), "NAdam: momentum_decay must be at least 0"),
        (lambda: Lion(beta1=1), "Lion: beta1 must be at least 0 and below 1, got 1"),
        (lambda: Lion(beta2=1), "Lion: beta2 must be at least 0 and below 1, got 1"),
        (lambda: Lion(weight_decay="a lot"), "Lion: weight_decay must be at least 0 .*, got 'a lot'"),
        (lambda: Rprop(StepDecay(0.1)), "Rprop: learning_rate is the first step size, a number, got StepD"),
        (lambda: Rprop(lambda epoch: 0.1), "leave the schedule out, or take another optimizer"),
        (lambda: Rprop(eta_minus=1), "Rprop: eta_minus must be above 0 and below 1, got 1"),
        (lambda: Rprop(eta_plus=1), "Rprop: eta_plus must be above 1 and finite, got 1"),
        (lambda: Rprop(step_min=0), "Rprop: step_min must be above 0"),
        (lambda: Rprop(step_max=-1), "Rprop: step_max must be above 0"),
        (lambda: Rprop(step_min=2, step_max=1), "Rprop: step_min 2 is above step_max 1"),
        (lambda: LBFGS(history=0), "LBFGS: history must be a positive int, got 0"),
        (lambda: LBFGS(line_search=2.5), "LBFGS: line_search must be a positive int, got 2.5"),
        (lambda: LBFGS(tolerance=-1), "LBFGS: tolerance must be at least 0 and finite, got -1"),
        (lambda: LBFGS(least_gain=-1), "LBFGS: least_gain must be at least 0 and finite, got -1"),
        (lambda: LBFGS(evaluations=0), "LBFGS: evaluations must be a positive int, got 0"),
        (lambda: Adam(late_correction=1), "Adam: late_correction must be True or False, got 1"),
        (lambda: NAdam(late_correction=True), "NAdam: has no late_correction"),
        (lambda: SGD(rate_in_velocity=None), "SGD: rate_in_velocity must be True or False, got None"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()


def test_learning_rates_are_numbers_schedules_or_functions():
    assert Adam(0.5).schedule == Constant(0.5)
    assert Adam(CosineDecay(0.5)).schedule == CosineDecay(0.5)
    assert Rprop(Constant(0.5)).schedule == Constant(0.5)
    made = Adam(math.exp).schedule
    assert isinstance(made, Custom)
    assert made.function is math.exp


def test_optimisers_by_name():
    names = (
        "adagrad adam adamw cg delta_bar_delta lbfgs levenberg_marquardt lion nadam quickprop rmsprop rprop "
        "sgd signsgd"
    )
    assert " ".join(sorted(OPTIMIZERS)) == names
    for name, cls in OPTIMIZERS.items():
        assert find_optimizer(name) == cls()
    assert find_optimizer("sgd") == SGD(0.1)
    assert find_optimizer(Adam(0.5)) == Adam(0.5)
    assert SGD(np.float32(0.5)).learning_rate == 0.5
    with pytest.raises(UnknownNameError, match="optimizer 'adan' is unknown; did you mean 'adam'"):
        find_optimizer("adan")
    with pytest.raises(ParameterError, match="optimizer must be one such as Adam"):
        find_optimizer(Adam)


def test_optimisers_by_name_and_settings():
    assert make_optimizer("lbfgs", {"history": 5}) == LBFGS(history=5)
    made = make_optimizer("adamw", {"learning_rate": 0.1, "clip_norm": 1})
    assert made == AdamW(0.1, clip_norm=1.0)
    message = "AdamW: setting 'weightdecay' is unknown; did you mean 'weight_decay'"
    with pytest.raises(UnknownNameError, match=message):
        make_optimizer("adamw", {"weightdecay": 1})
    with pytest.raises(UnknownNameError, match="LBFGS: setting 'learning_rate' is unknown"):
        make_optimizer("lbfgs", {"learning_rate": 0.1})
    with pytest.raises(UnknownNameError, match="optimizer 'sdg' is unknown; did you mean 'sgd'"):
        make_optimizer("sdg", {})


def test_programs_depend_on_the_rule_and_not_on_its_learning_rate():
    assert Adam(0.1).rule == Adam(0.2).rule == Adam(CosineDecay(0.2)).rule
    assert SGD(0.1).rule != SGD(0.1, momentum=0.5).rule
    assert Adam(0.1).rule != AdamW(0.1).rule


# files ----------------------------------------------------------------------------------------

STORED = [
    *COVERING,
    LBFGS(history=3, tolerance=0),
    Adam(CosineDecay(0.1, warmup=2, min_rate=0.01), clip_value=0.5),
    SGD(Constant(0.5)),
    Adagrad(np.float32(0.5)),
    SGD(0.1, momentum=np.float64(0.5), nesterov=np.True_),
]


@pytest.mark.parametrize("optimizer", STORED, ids=str)
def test_optimisers_survive_json(optimizer):
    text = json.dumps(optimizer.to_json(), allow_nan=False)
    assert optimizer_from_json(json.loads(text)) == optimizer


def test_optimisers_of_earlier_files_are_read():
    settings = {"learning_rate": 0.2, "momentum": 0.9, "nesterov": True}
    assert optimizer_from_json({"name": "sgd", "settings": settings}) == SGD(0.2, 0.9, nesterov=True)
    assert optimizer_from_json(None) is None


class OwnSchedule(Schedule):
    def rates(self, steps, course):
        return np.ones(steps.shape)


@dataclasses.dataclass(frozen=True)
class OwnRule(Adam):
    pass


class UnnamedRule(Optimizer):
    pass


@pytest.mark.parametrize(
    "optimizer",
    [Adam(lambda epoch: 0.1), Adam(OwnSchedule(0.1)), OwnRule(), UnnamedRule(0.1)],
    ids=["function", "own schedule", "own rule", "unnamed rule"],
)
def test_what_no_file_can_hold_is_none(optimizer):
    assert optimizer.to_json() is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "adan", "settings": {}}, "optimizer 'adan' is unknown; did you mean 'adam'"),
        ({"name": ["adam"], "settings": {}}, "optimizer .* is unknown"),
        ({"name": "adam", "settings": {"beta3": 0.5}}, "Adam: setting 'beta3' is unknown"),
        ({"name": "adam", "settings": {"beta1": "0.5"}}, "Adam: beta1 must be"),
        (
            {"name": "adam", "settings": {"learning_rate": {"name": "cosin", "learning_rate": 1}}},
            "schedule 'cosin' is unknown; did you mean 'cosine'",
        ),
        (
            {"name": "adam", "settings": {"learning_rate": {"name": "cosine"}}},
            "CosineDecay: learning_rate is missing",
        ),
    ],
)
def test_broken_settings_in_a_file_are_refused(value, message):
    with pytest.raises(ParameterError, match=message):
        optimizer_from_json(value)
