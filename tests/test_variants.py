"""Quickprop, delta-bar-delta and sign descent against their papers; derivatives altered by design."""

import numpy as np
import pytest
from sklearn.base import clone
from test_optim import ENGINES, runner_of, step_program, steps_of_b

import chainrule as cr
import first_order
import variants
from chainrule.autodiff.check import check_gradients, check_rule
from chainrule.autodiff.gradient import gradient
from chainrule.errors import GradientError, ParameterError, ShapeError, UnknownNameError
from chainrule.examples.variants import Training, encoder
from chainrule.graph.op import OPS
from chainrule.graph.tensor import apply_record
from chainrule.nn.activations import find_activation

QUIET = {"verbose": False, "shuffle": False}

# the papers' rules, number by number ----------------------------------------------------------


def fahlman(slopes, theta, epsilon, mu, decay):
    """The branches of Fahlman's program for one weight; his slope and decay have the opposite sign.

    `slopes` gives the slope at a weight in each step. Returns the weight after each.
    """
    shrink, d, before, found = mu / (1 + mu), 0.0, 0.0, []
    for slope in slopes:
        s = -slope(theta) - decay * theta
        step = 0.0
        if d > 0:
            if s > 0:
                step += epsilon * s
            step += mu * d if s > shrink * before else s / (before - s) * d
        elif d < 0:
            if s < 0:
                step += epsilon * s
            step += mu * d if s < shrink * before else s / (before - s) * d
        else:
            step += epsilon * s
        d, before, theta = step, s, theta + step
        found.append(theta)
    return found


def jacobs(slopes, w, epsilon, kappa, phi, theta):
    """The delta-bar-delta rule for one weight."""
    bar, found = 0.0, []
    for slope in slopes:
        delta = slope(w)
        if bar * delta > 0:
            epsilon = epsilon + kappa
        elif bar * delta < 0:
            epsilon = epsilon - phi * epsilon
        bar = (1 - theta) * delta + theta * bar
        w = w - epsilon * delta
        found.append(w)
    return found


def signed(slopes, w, epsilon):
    found = []
    for slope in slopes:
        g = slope(w)
        w = w - epsilon if g > 0 else w + epsilon if g < 0 else w
        found.append(w)
    return found


CENTRE = [[0.5, -1.0, 2.0], [0.001, 3.0, -0.25]]
RULES = [
    (cr.Quickprop(0.05, weight_decay=0), fahlman, (0.05, 1.75, 0.0)),
    (cr.Quickprop(0.3, mu=2.5, weight_decay=0.01), fahlman, (0.3, 2.5, 0.01)),
    (cr.Quickprop(0.9, mu=0.8), fahlman, (0.9, 0.8, 1e-4)),
    (cr.DeltaBarDelta(0.1), jacobs, (0.1, 0.01, 0.1, 0.7)),
    (cr.DeltaBarDelta(0.6, kappa=0.1, phi=0.5, theta=0.3), jacobs, (0.6, 0.1, 0.5, 0.3)),
    (cr.SignSGD(0.1), signed, (0.1,)),
]


@pytest.mark.parametrize(
    ("rule", "reference", "settings", "engine"),
    [*((*case, "numpy") for case in RULES), (*RULES[1], "numba")],
    ids=lambda x: getattr(x, "__name__", str(x)[:40]),
)
def test_every_weight_goes_as_in_the_paper(rule, reference, settings, engine):
    """Each of nine weights alone, on slopes that also change by themselves; later steps magnify rounding."""
    program, W, b = step_program(rule)
    start = np.array([1.0, -2.0, 0.0])
    runner, scales = runner_of(program, engine, {b: start}), [0.01 + 0.001 * k for k in range(1, 16)]
    states = []
    for x in scales:
        runner(x, rule.learning_rate)
        states.append(runner.state)
    for at in np.ndindex(2, 3):
        centre = CENTRE[at[0]][at[1]]
        slopes = [lambda w, x=x, c=centre: 4 * x * (w - c) ** 3 for x in scales]
        expected = reference(slopes, 0.0, *settings)
        np.testing.assert_allclose([s[W][at] for s in states], expected, rtol=1e-11, atol=1e-13)
    for i in range(3):
        expected = reference([lambda w: 2 * w] * 15, float(start[i]), *settings)
        np.testing.assert_allclose([s[b][i] for s in states], expected, rtol=1e-11, atol=1e-13)


BY_HAND = [  # on b**2, whose slope is 2 * b
    # slopes 2; 1.6, still more than 7/11 of it: 1.75 * -0.2 - 0.16; 0.58: -0.51 * 0.58 / 1.02 - 0.058; and
    # -0.116, beyond the minimum: -0.348 * -0.116 / 0.696 alone
    (cr.Quickprop(0.1, weight_decay=0), 1.0, [0.8, 0.29, -0.058, 0.0]),
    # slope 2 + 0.5 * 1; then 1.5 + 0.375, larger than 7/11 of it: 1.75 * -0.25 - 0.1875
    (cr.Quickprop(0.1, weight_decay=0.5), 1.0, [0.75, 0.125]),
    # slopes 2, 1.6 and 1.12, averages 1, 1.3: rates 0.1, 0.15 and 0.2
    (cr.DeltaBarDelta(0.1, kappa=0.05, phi=0.5, theta=0.5), 1.0, [0.8, 0.56, 0.336]),
    # slopes 2, -0.4, -0.16, -0.112 and -0.0952, averages 1, 0.3, 0.07, -0.021:
    # rates 0.6, 0.3, 0.15, 0.075 and 0.125
    (
        cr.DeltaBarDelta(0.6, kappa=0.05, phi=0.5, theta=0.5),
        1.0,
        [-0.2, -0.08, -0.056, -0.0476, -0.0357],
    ),
    (cr.SignSGD(0.4), 1.0, [0.6, 0.2, -0.2, 0.2]),
]


@pytest.mark.parametrize(("rule", "start", "by_hand"), BY_HAND, ids=lambda x: str(x)[:40])
def test_the_first_steps_are_those_worked_out_by_hand(rule, start, by_hand):
    found = steps_of_b(rule, [start, -start, 0.0], [rule.learning_rate] * len(by_hand))
    expected = np.outer(by_hand, [1.0, -1.0, 0.0])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


# what must hold of them -----------------------------------------------------------------------


def test_quickprop_finds_a_parabolas_minimum_in_two_steps_where_the_first_goes_beyond():
    """And from the near side up to the part of the slope that is added there."""
    start = np.array([3.0, -2.0, 10.0])
    beyond = steps_of_b(cr.Quickprop(0.7, weight_decay=0), start, [0.7] * 2)
    np.testing.assert_allclose(beyond[1], 0, atol=1e-14)
    near = steps_of_b(cr.Quickprop(0.2, weight_decay=0), start, [0.2] * 2)
    np.testing.assert_allclose(near[1], -0.2 * 2 * near[0], rtol=1e-12)


def test_quickprop_steps_grow_by_mu_where_the_slope_stays():
    x, lr = cr.placeholder((2,), "float64", "x"), cr.placeholder((), "float64", "lr")
    W = cr.placeholder((2,), "float64", "W")
    updates = cr.Quickprop(0.1, mu=2.0, weight_decay=0).updates([W], [x + 0 * W], lr)
    runner, found = runner_of(cr.Program([x, lr], {"x": x.sum()}, updates)), [np.zeros(2)]
    for _ in range(3):
        runner(np.array([1.0, -1.0]), 0.1)
        found.append(runner.state[W])
    np.testing.assert_allclose(np.diff(found, axis=0)[:, 0], [-0.1, -0.3, -0.7], rtol=1e-12)
    np.testing.assert_allclose(found[-1][1], -found[-1][0], rtol=1e-15)


def test_quickprop_rests_where_there_is_no_slope_and_stays_finite():
    found = steps_of_b(cr.Quickprop(0.5), [0.0, 1.0, 1e-200], [0.5] * 50)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[:, 0], 0)


def test_delta_bar_delta_without_kappa_and_phi_is_gradient_descent():
    runs = []
    for rule in (cr.DeltaBarDelta(0.1, kappa=0, phi=0), cr.SGD(0.1)):
        program, W, b = step_program(rule)
        runner = runner_of(program, "numpy", {b: np.array([1.0, -2.0, 0.5])})
        for k in range(20):
            runner(0.01 * k, 0.1)
        runs.append(np.concatenate([runner.state[W].ravel(), runner.state[b]]))
    np.testing.assert_array_equal(*runs)


def test_delta_bar_delta_takes_its_first_rate_from_the_learning_rate_and_none_after():
    found = steps_of_b(cr.DeltaBarDelta(0.1, kappa=0, phi=0), [1.0, -2.0, 0.5], [0.1, 7.0, 7.0])
    np.testing.assert_allclose(found[2], 0.8**3 * np.array([1.0, -2.0, 0.5]), rtol=1e-12)


def test_the_size_of_a_loss_does_not_change_sign_descent():
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0) % 3
    found = []
    for scale in (1.0, 1024.0):
        net = cr.Network(
            [cr.Dense(4, "tanh"), cr.Dense(1)], loss="mse", dtype="float64", loss_weights=[scale]
        )
        net.fit(X, y, optimizer=cr.SignSGD(0.01), epochs=5, batch_size=10, engine="numpy", seed=1, **QUIET)
        found.append(net.parameters)
    for name, value in found[0].items():
        np.testing.assert_array_equal(found[1][name], value)


def test_sign_descent_is_lion_without_memory():
    start = [1e-6, -300.0, 0.0]
    lion = steps_of_b(cr.Lion(0.25, beta1=0, beta2=0), start, [0.25] * 4)
    np.testing.assert_array_equal(steps_of_b(cr.SignSGD(0.25), start, [0.25] * 4), lion)


# derivatives altered by design ----------------------------------------------------------------

Z = np.array([-np.inf, -800.0, -20.0, -1.5, -0.0, 0.0, 0.25, 3.0, 40.0, np.inf, np.nan])
ALTERED = [
    (cr.activations.Sigmoid(flat_spot=0.1), cr.logistic, lambda a: a * (1 - a) + 0.1),
    (cr.activations.Sigmoid(slope=0.5), cr.logistic, lambda a: 0.5),
    (cr.activations.Tanh(flat_spot=0.2), cr.tanh, lambda a: 1 - a * a + 0.2),
    (cr.activations.Tanh(slope=1), cr.tanh, lambda a: 1.0),
]
NAMES = [a.text for a, _, _ in ALTERED]


@pytest.mark.parametrize(
    ("engine", "dtype"), [("numpy", "float64"), ("numpy", "float32"), ("numba", "float32")]
)
@pytest.mark.parametrize(("activation", "plain", "slope"), ALTERED, ids=NAMES)
def test_values_keep_every_bit_and_slopes_are_those_of_the_formula(activation, plain, slope, dtype, engine):
    z = cr.placeholder((len(Z),), dtype, "z")
    a, unaltered = activation(z), plain(z)
    (g,) = gradient(a, [z], cr.tensor(np.ones(len(Z), dtype)))
    found = cr.compile(cr.Program([z], {"a": a, "plain": unaltered, "g": g}), engine)(Z.astype(dtype))
    assert found["a"].tobytes() == found["plain"].tobytes()
    np.testing.assert_allclose(found["g"], slope(found["plain"].astype("float64")), rtol=1e-6)
    asked = activation(cr.tensor(Z.astype(dtype))).numpy()  # node by node, with nothing simplified
    assert asked.tobytes() == plain(cr.tensor(Z.astype(dtype))).numpy().tobytes()


@pytest.mark.parametrize(("activation", "plain", "slope"), ALTERED, ids=NAMES)
def test_a_second_derivative_is_that_of_the_altered_one(activation, plain, slope):
    z = cr.tensor([-2.0, 0.3, 1.1])
    (first,) = cr.gradient(activation(z).sum(), [z])
    (second,) = cr.gradient(first.sum(), [z])
    assert np.isfinite(second.numpy()).all()
    check_gradients(activation, [-2.0, 0.3, 1.1], order=2)


def test_the_check_knows_of_alterations_by_design_within_a_network():
    """The sigmoid of a sum of altered ones; and another function of the same values."""

    def loss(x, W, V):
        a = cr.activations.Sigmoid(flat_spot=0.1)(x @ W)
        return ((cr.activations.Tanh(slope=0.5)(a @ V) - 0.3) ** 2).sum() + cr.exp(a).sum() * cr.relu(
            a
        ).mean()

    random = np.random.default_rng(2)
    check_gradients(loss, *(random.normal(size=s) for s in ((4, 3), (3, 2), (2, 2))), order=2)
    check_gradients(lambda x: cr.straight_through(cr.sign(x), x) * x, [0.5, -1.5], order=2)


def test_the_check_still_sees_a_wrong_rule_behind_an_alteration():
    wrong = OPS["tanh"].__class__(
        **{**vars(OPS["tanh"]), "name": "wrong", "vjp": lambda g, y, x: (g * (1 - y),)}
    )
    with pytest.raises(GradientError, match="wrong, input 0"):
        check_gradients(lambda z: cr.straight_through(cr.logistic(z), apply_record(wrong, [z], {})), [0.4])
    record = OPS["straight_through"]
    halved = record.__class__(
        **{**vars(record), "name": "halved", "vjp": lambda g, out, x, y: (None, 0.5 * g)}
    )
    with pytest.raises(GradientError, match="halved, input 1"):
        check_rule(halved)
    through = record.__class__(**{**vars(record), "name": "through", "vjp": lambda g, out, x, y: (g, g)})
    with pytest.raises(GradientError, match="through, input 0"):
        check_rule(through)


def test_an_alteration_needs_values_of_one_shape():
    with pytest.raises(
        ShapeError, match=r"straight_through: the two must have one shape, got \(3,\) and \(\)"
    ):
        cr.straight_through([1.0, 2.0, 3.0], 0.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_of_a_network_with_flat_spots_is_the_textbooks(engine):
    random = np.random.default_rng(5)
    X, T = random.normal(size=(6, 3)), random.uniform(size=(6, 2))
    W1, b1, W2, b2 = (random.normal(size=s) for s in ((3, 4), (4,), (4, 2), (2,)))
    layers = [
        cr.Dense(4, cr.activations.Tanh(flat_spot=0.1), weights=W1, bias=b1),
        cr.Dense(2, cr.activations.Sigmoid(slope=0.5), weights=W2, bias=b2),
    ]
    net = cr.Network(layers, loss="half_sum", dtype="float64")
    net.fit(X, T, optimizer=cr.SGD(0.7), epochs=1, batch_size=6, engine=engine, **QUIET)
    a1 = np.tanh(X @ W1 + b1)
    a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
    d2 = (a2 - T) / 6 * 0.5
    d1 = d2 @ W2.T * (1 - a1 * a1 + 0.1)
    expected = [W1 - 0.7 * X.T @ d1, b1 - 0.7 * d1.sum(0), W2 - 0.7 * a1.T @ d2, b2 - 0.7 * d2.sum(0)]
    for found, value in zip(net.parameters.values(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-14)


def test_printed_source_differs_in_the_altered_slope_alone():
    def source(activation):
        net = cr.Network([cr.Dense(3, activation), cr.Dense(1)], loss="mse", dtype="float64")
        net.build(2)
        return net.source(cr.SGD(0.1)).splitlines()

    plain = source("logistic")
    for activation, line in (
        ("logistic(flat_spot=0.1)", "d_z1 = d_a1 * 0.1 + d_a1 * (a1 * (1 - a1))"),
        ("logistic(slope=0.5)", "d_z1 = d_a1 * 0.5"),
    ):
        altered = [new for old, new in zip(plain, source(activation), strict=True) if old != new]
        assert [new.partition("  # ")[0].strip() for new in altered] == [line]


@pytest.mark.parametrize("name", NAMES)
def test_altered_activations_travel_in_files(name, tmp_path):
    X, y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    net = cr.Network([cr.Dense(3, name), cr.Dense(2)], loss="cross_entropy")
    net.fit(X, y, epochs=2, engine="numpy", seed=1, **QUIET)
    net.save(tmp_path / "m.chainrule")
    read = cr.load(tmp_path / "m.chainrule")
    assert (repr(read.layers[0]), repr(net.layers[0])) == (f"Dense(3, {name!r})",) * 2
    assert read.source() == net.source()
    for other in (net, read):
        other.fit(X, y, epochs=2, engine="numpy", seed=2, **QUIET)
    np.testing.assert_array_equal(read.predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (cr.activations.Sigmoid(0.1), "logistic(flat_spot=0.1)"),
        (cr.activations.Sigmoid(slope=0.5), "logistic(slope=0.5)"),
        (cr.activations.Sigmoid(), "logistic"),
        (cr.activations.Tanh(flat_spot=0), "tanh"),
        ("sigmoid(flat_spot=1e-3)", "logistic(flat_spot=0.001)"),
        ("tanh(slope=2)", "tanh(slope=2.0)"),
    ],
)
def test_altered_activations_have_names_that_say_what_is_altered(given, name):
    assert find_activation(given)[0] == name
    assert find_activation(name) == find_activation(given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: cr.activations.Sigmoid(flat_spot=-0.1),
            "Sigmoid: flat_spot must be at least 0 and finite, got -0.1",
        ),
        (lambda: cr.activations.Tanh(slope=0), "Tanh: slope must be above 0 and finite, got 0"),
        (
            lambda: cr.activations.Tanh(0.1, 0.5),
            r"Tanh: flat_spot=0.1 is added .* slope=0.5 leaves out. Pass one",
        ),
        (lambda: cr.Dense(2, "logistic(flat_spot=x)"), "Sigmoid: flat_spot must be a number, got 'x'"),
        (lambda: cr.Dense(2, "tanh(slope=inf)"), "Tanh: slope must be above 0 and finite, got inf"),
        (
            lambda: cr.Dense(2, "relu(slope=1)"),
            "activation with another derivative 'relu' is unknown.* Known: logistic",
        ),
        (
            lambda: cr.Dense(2, "tanh(flatspot=1)"),
            "Tanh: setting 'flatspot' is unknown; did you mean 'flat_spot'",
        ),
        (lambda: cr.Dense(2, "tanh()"), r"activation 'tanh\(\)' is unknown"),
        (lambda: cr.Quickprop(mu=0), "Quickprop: mu must be above 0 and finite, got 0"),
        (
            lambda: cr.Quickprop(weight_decay=-1),
            "Quickprop: weight_decay must be at least 0 and finite, got -1",
        ),
        (lambda: cr.DeltaBarDelta(kappa=-1), "DeltaBarDelta: kappa must be at least 0 and finite, got -1"),
        (lambda: cr.DeltaBarDelta(phi=1), "DeltaBarDelta: phi must be at least 0 and below 1, got 1"),
        (lambda: cr.DeltaBarDelta(theta=1), "DeltaBarDelta: theta must be at least 0 and below 1, got 1"),
        (
            lambda: cr.DeltaBarDelta(lambda epoch: 0.1),
            "DeltaBarDelta: learning_rate is the first rate of each weight",
        ),
        (lambda: cr.SignSGD(0), "SignSGD: learning_rate must be above 0 and finite, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
    assert issubclass(UnknownNameError, ParameterError)


# where people meet them -----------------------------------------------------------------------

XS, YS = np.random.default_rng(3).normal(size=(60, 2)), np.arange(60) % 2
XS[:, 0] += 3 * YS


@pytest.mark.parametrize("solver", ["signsgd", "quickprop", "delta_bar_delta", cr.Quickprop(0.5)])
def test_estimators_take_them_as_solvers(solver):
    model = cr.MLPClassifier(
        (6,), solver=solver, learning_rate_init=0.05, batch_size=60, max_iter=80, n_iter_no_change=80
    )
    model.set_params(activation=cr.activations.Sigmoid(flat_spot=0.1), random_state=0, engine="numpy")
    with pytest.warns(match="the maximum of 80 iterations is reached"):
        model = clone(model).fit(XS, YS)
    assert model.score(XS, YS) > 0.85
    assert repr(model.network_.layers[-2]) == "Dense(6, 'logistic(flat_spot=0.1)')"


def test_the_command_line_takes_them(run, tmp_path):
    command = (
        "train",
        "iris",
        "--epochs",
        "3",
        "--hidden",
        "5",
        "--engine",
        "numpy",
        "--model",
        tmp_path / "m",
    )
    more = ("--optimizer", "quickprop", "--option", "mu=1.5", "--activation", "logistic(flat_spot=0.1)")
    run(*command, *more)
    net = cr.load(tmp_path / "m")
    assert (net.optimizer.name, net.optimizer.mu) == ("quickprop", 1.5)
    assert any(repr(layer) == "Dense(5, 'logistic(flat_spot=0.1)')" for layer in net.layers)


# the comparison -------------------------------------------------------------------------------


def test_epochs_are_counted_on_the_steps_that_fit_makes():
    """What is far from its target after 0, 1, 2, ... epochs of `fit` from the same weights."""
    rows, rule = np.eye(5), cr.Quickprop(4.0)
    training = Training(encoder(5, 2, "logistic"), rule, rows, rows)
    counts = training.wrong(first_order.draws(3), 1.0, 4.0, 40)
    random = first_order.draws(3)
    W1, b1, W2, b2 = (random.uniform(-1, 1, shape) for shape in ((5, 2), (2,), (2, 5), (5,)))
    for epochs in (0, 1, 7, 30):
        hidden = cr.Dense(2, "logistic", weights=W1, bias=b1)
        again = cr.Network(
            [hidden, cr.Dense(5, "logistic", weights=W2, bias=b2)], loss="half_sum", dtype="float64"
        )
        if epochs:
            again.fit(rows, rows, optimizer=rule, batch_size=5, epochs=epochs, engine="numba", **QUIET)
        assert counts[epochs] == (np.abs(again.predict(rows) - rows) >= 0.4).sum()


def test_starts_that_fail_are_counted_with_their_epochs():
    rows = np.eye(8)
    slow = Training(encoder(8, 3, "logistic"), cr.SGD(1e-3), rows, rows)
    assert slow.epochs(0, 1e-3, most=3) == (150, 50)
    quick = Training(encoder(8, 3, "logistic(flat_spot=0.1)"), cr.Quickprop(8.0), rows, rows)
    whole, failed = quick.epochs(2, 8.0, most=400)
    assert (failed, 0 < whole < 100) == (0, True)
    epochs, failed = quick.epochs(2, 8.0, most=whole)  # one epoch too few for the first start
    assert (failed, epochs > whole) == (epochs // whole, True)


def test_a_training_that_diverges_has_learned_nothing():
    rows = np.eye(5)
    diverging = Training(encoder(5, 2, "logistic"), cr.SGD(1.0), rows, rows)
    counts = diverging.wrong(first_order.draws(0), 1.0, np.nan, 10)
    assert counts[1:].tolist() == [25] * 9


def test_the_spirals_are_wielands():
    X, T = first_order.spirals()
    assert (X.shape, T.sum()) == ((194, 2), 97)
    np.testing.assert_allclose(X[[0, 8, 97]], [[0, 6.5], [6, 0], [0, -6.5]], atol=1e-12)
    assert with_shapes(first_order.with_shortcuts()) == [2, 12, 22, 32]


def with_shapes(net):
    net.build(2)
    return [value.shape[0] for value in net.parameters.values() if value.ndim == 2]


def test_an_encoders_report_names_what_is_asked(monkeypatch):
    monkeypatch.setattr(
        first_order,
        "encoder_rules",
        lambda rows: {
            "gradient descent": ("logistic", first_order.rates(cr.SGD, 8.0)),
            "descent, slopes + 0.1": (first_order.CURED, first_order.rates(cr.SGD, 8.0)),
            "Rprop": ("logistic", first_order.rates(cr.Rprop, 0.1, 30.0)),
            "quickprop": ("logistic", first_order.rates(cr.Quickprop, 8.0)),
        },
    )
    monkeypatch.setattr(first_order, "PROBLEMS", [first_order.partial(first_order.encoders, 6, 3)])
    monkeypatch.setattr(variants, "FILES", ("first_order",))
    told = []
    text, met = variants.report(3, told.append)
    assert text.startswith("### Encoder 6-3-6, epochs of 6 rows")
    assert "| Rprop                 |  0.1 |" in text  # of two rates the better one
    assert met
    assert text.endswith(": met.")
    assert told[-1] == "encoder 6-3-6: quickprop"
