"""Conjugate gradients against SciPy's, Levenberg-Marquardt against least_squares; slopes of single rows."""

import math
import signal

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import least_squares, minimize

import chainrule as cr
from chainrule.autodiff.gradient import gradient
from chainrule.autodiff.rows import each_row
from chainrule.emit.engine import compile_program
from chainrule.errors import DataError, GradientError, ParameterError
from chainrule.graph.program import Program
from chainrule.graph.tensor import placeholder
from chainrule.nn.curvature import curvature_program
from chainrule.optim.searches import minimise

ENGINES = ["numpy", "numba"]
SILENT = {"verbose": False}
RULES = [cr.ConjugateGradient(), cr.LevenbergMarquardt()]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = np.linspace(-1, 1, 40)[:, None]
Y = np.sin(3 * X[:, 0])
NOISY = 2 * np.tanh(3 * X[:, 0] - 0.5) + 1 + 0.2 * np.random.default_rng(6).normal(size=40)
W = np.random.default_rng(1).uniform(0.1, 2, 40)


def curve(loss="mse", outputs=1, dtype="float64", **settings):
    """A small network for a curve, with its weights drawn."""
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(outputs)], loss, dtype=dtype, **settings)
    net.build(1, seed=1)
    return net


def vector_of(net):
    return np.concatenate([value.ravel() for value in net.parameters.values()])


def put(net, vector):
    values, start = {}, 0
    for name, value in net.parameters.items():
        values[name] = vector[start : start + value.size].reshape(value.shape)
        start += value.size
    net.set_parameters(values)


# conjugate gradients --------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_cg_makes_the_iterations_of_scipy(engine):
    net = curve()
    program = net.gradient_program()
    runner = compile_program(program, "numpy")
    leaves = net.trained_leaves()

    def loss_and_slopes(vector):
        put(net, vector)
        runner.load(net._values(program))
        found = runner(X, Y[:, None])
        return float(found["loss"]), np.concatenate([found[f"slope{k}"].ravel() for k in range(len(leaves))])

    seen, start = [], vector_of(net)
    minimize(
        loss_and_slopes, start, method="CG", jac=True, options={"maxiter": 8, "gtol": 1e-5},
        callback=lambda intermediate_result: seen.append(float(intermediate_result.fun)),
    )  # fmt: skip
    put(net, start)
    history = net.fit(X, Y, optimizer=cr.ConjugateGradient(), epochs=8, engine=engine, **SILENT)
    np.testing.assert_allclose(history.loss, seen, rtol=1e-6)
    assert len(seen) < history.evaluations < 4 * len(seen)
    assert len(seen) == 8
    assert history.learning_rate == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_linear_regression_is_solved(rule, engine):
    table = numbers(80, 4)
    y = table @ [1.0, -2.0, 0.5, 3.0] + 0.25
    net = cr.Network([cr.Dense(1)], loss="mse", dtype="float64")
    history = net.fit(table, y, optimizer=rule, epochs=100, engine=engine, **SILENT)
    assert np.allclose(net["output"].W[:, 0], [1, -2, 0.5, 3], atol=1e-5)
    assert history.loss == sorted(history.loss, reverse=True)
    assert history.epochs < 100
    assert history.stopped == "no smaller loss was found on the way down the slope"


def bowl(x):
    return float((x**4).sum()), 4 * x**3


class Bowl:
    """The fourth powers' sum with a curvature, for a search by Levenberg and Marquardt."""

    def __init__(self):
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return bowl(x)

    def curvature(self, x):
        return np.diag(12 * x**2)


@pytest.mark.parametrize("rule", [cr.ConjugateGradient, cr.LevenbergMarquardt])
def test_limits_of_searches(rule):
    start, go_on = np.array([3.0, -2.0]), lambda vector, loss: True
    free = rule(tolerance=1e-9).search(Bowl(), start, 1000, go_on)
    assert (free.converged, free.stopped) == (True, False)
    assert np.abs(bowl(free.vector)[1]).max() <= 1e-9
    coarse = rule(tolerance=1e-9, least_gain=0.5).search(Bowl(), start, 1000, go_on)
    assert (coarse.converged, coarse.stopped) == (True, False)
    assert "no more than the least gain" in coarse.reason
    assert bowl(coarse.vector)[0] > bowl(free.vector)[0]
    counted = Bowl()
    few = rule(tolerance=1e-9, evaluations=3).search(counted, start, 1000, go_on)
    assert not few.converged
    assert few.reason == "the limit of 3 evaluations is reached"
    assert counted.calls <= 4  # CG's first is SciPy's once more
    short = rule(tolerance=1e-9).search(Bowl(), start, 2, go_on)
    assert not short.converged
    told = rule().search(Bowl(), start, 1000, lambda vector, loss: False)
    assert (told.converged, told.stopped) == (False, True)
    assert start.tolist() == [3.0, -2.0]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_search_from_where_nothing_is_finite_says_so(rule):
    nowhere = rule.search(lambda x: (math.nan, x), np.ones(2), 10, lambda vector, loss: True)
    assert nowhere.reason == "the loss is not finite at the start"
    with pytest.warns(RuntimeWarning, match=r"step 1 of 1, the loss became infinite.*Scale the"):
        history = curve(dtype="float32").fit(X, Y * 1e30, optimizer=rule, engine="numpy", **SILENT)
    assert (history.diverged, history.epochs) == (True, 0)


def test_cg_comes_back_from_where_the_loss_is_no_number():
    def cliff(x):
        loss, slope = bowl(x)
        return (loss if loss < 100 else math.nan), slope

    losses = []
    minimise(cliff, np.array([3.0, 1.0]), cr.ConjugateGradient(), 50, lambda x, loss: not losses.append(loss))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-3


def test_levenberg_marquardt_comes_back_from_where_the_loss_is_no_number():
    class Wall(Bowl):
        def __call__(self, x):
            loss, slope = bowl(x - 2)
            return (loss if (x > 0).all() else math.nan), slope

        def curvature(self, x):
            return np.eye(2) * 1e-3  # so that the first steps are far too long

    found = cr.LevenbergMarquardt(tolerance=1e-6).search(
        Wall(), np.array([3.0, 1.5]), 500, lambda x, loss: True
    )
    assert found.converged
    np.testing.assert_allclose(found.vector, 2, atol=0.01)


def test_levenberg_marquardt_ends_where_no_step_helps():
    class Lying(Bowl):
        def __call__(self, x):
            return float(x[0]), np.array([-1.0, 0.0])  # a slope that points the wrong way

    seen = []
    found = cr.LevenbergMarquardt().search(Lying(), np.ones(2), 10, lambda x, loss: not seen.append(loss))
    assert (found.converged, found.reason, seen) == (False, "no step makes the loss smaller", [])


# the slopes of single rows --------------------------------------------------------------------


def jacobian_of_outputs(net, table, step=1e-6):
    """Slopes of all outputs by all weights, by central differences, shape (rows * outputs, weights)."""
    start, columns = vector_of(net), []
    for k in range(len(start)):
        sides = []
        for sign in (1, -1):
            moved = start.copy()
            moved[k] += sign * step
            put(net, moved)
            sides.append(net._outputs_of_rows([table], "z")[0].ravel())
        columns.append((sides[0] - sides[1]) / (2 * step))
    put(net, start)
    return np.stack(columns, axis=1)


STACKS = {
    "dense": lambda: [cr.Dense(4, "tanh"), cr.Dense(3, "logistic"), cr.Dense(2)],
    "without bias": lambda: [cr.Dense(3, "softplus", bias=False), cr.Dense(2)],
    "normed": lambda: [cr.Dense(4, "tanh"), cr.LayerNorm(), cr.Dense(2)],
    "maxout": lambda: [cr.Maxout(3, 2), cr.Dense(2)],
    "scaled": lambda: [cr.Standardize([0.1, 0.2, 0.3], [2, 1, 3]), cr.Dense(2), cr.Rescale([1, 2], [3, 4])],
}


def shared_layer():
    """A layer that is used twice, so that its gradients are sums of two."""
    x, layer = cr.Input(3), cr.Dense(3, "tanh")
    return cr.Dense(2)(layer(layer(x)))


def merged():
    x = cr.Input(3)
    return cr.Dense(2)(cr.Add()(cr.Dense(4, "tanh")(x), cr.Dense(4)(x)))


STACKS |= {"shared": shared_layer, "merged": merged}


@pytest.mark.parametrize(("name", "engine"), [*((name, "numpy") for name in STACKS), ("dense", "numba")])
def test_the_curvature_is_that_of_numerical_slopes(name, engine):
    table = numbers(9, 3)
    net = cr.Network(STACKS[name](), "mse", dtype="float64")
    net.build(3, seed=2)
    leaves = net.trained_leaves()
    trained = {net.graph.parameters[key] for key in net.parameters} & set(leaves)
    program = curvature_program(net, leaves, weighted=True)
    runner = compile_program(program, engine)
    known = set(program.variables)
    runner.load({leaf: value for leaf, value in net._values().items() if leaf in known})
    weights = np.arange(9.0)
    J = jacobian_of_outputs(net, table).reshape(9, 2, -1)
    chosen = np.concatenate(
        [np.full(v.size, net.graph.parameters[k] in trained) for k, v in net.parameters.items()]
    )
    for column in range(2):
        pick = np.eye(2)[column]
        found = runner(table, pick, weights, 0.5)["H"]
        own = J[:, column, chosen]
        np.testing.assert_allclose(found, own.T @ (0.5 * weights[:, None] * own), rtol=1e-5, atol=1e-8)


def test_what_each_row_adds_follows_moves_after_the_sum():
    x, w = placeholder(("n", 3), "float64", "x"), placeholder((2, 3), "float64", "w")
    (slope,) = gradient((x @ w.T).sum(), [w])
    table = numbers(5, 3)
    runner = compile_program(Program([x, w], {"rows": each_row(slope, x.shape[0])}))
    np.testing.assert_allclose(runner(table, np.zeros((2, 3)))["rows"], np.repeat(table[:, None], 2, 1))
    flat = placeholder((6,), "float64", "flat")
    (slope,) = gradient((x @ flat.reshape(3, 2)).sum(), [flat])
    runner = compile_program(Program([x, flat], {"rows": each_row(slope, x.shape[0])}))
    np.testing.assert_allclose(runner(table, np.zeros(6))["rows"], np.repeat(table, 2, axis=1))
    (slope,) = gradient((x * 2).sum(), [w])
    runner = compile_program(Program([x], {"rows": each_row(slope, x.shape[0])}))
    assert runner(table)["rows"].tolist() == np.zeros((5, 2, 3)).tolist()


def test_what_rows_add_is_not_followed_through_other_ops():
    x, w = placeholder(("n", 3), "float64", "x"), placeholder((3, 1), "float64", "w")
    (slope,) = gradient((x @ cr.exp(w)).sum(), [w])
    with pytest.raises(GradientError, match="each_row: what single rows add is not followed through op 'mul"):
        each_row(slope, x.shape[0])


# Levenberg and Marquardt ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "weights", "factor", "engine"),
    [
        ("mse", None, 1, "numba"),
        ("mse", None, 1, "numpy"),
        ("mse", W, 1, "numpy"),
        ("half_sum", W, 0.5, "numpy"),
        ("sum", W, 1, "numpy"),
    ],
)
def test_levenberg_marquardt_ends_where_least_squares_ends(loss, weights, factor, engine):
    net = cr.Network([cr.Dense(1, "tanh"), cr.Dense(1)], loss, dtype="float64")
    net.build(1, seed=1)
    start = vector_of(net)
    w = np.ones(40) if weights is None else weights
    whole = 1 if loss == "sum" else w.sum()

    def residuals(vector):
        put(net, vector)
        return np.sqrt(factor * w / whole) * (net._outputs_of_rows([X], "z")[0][:, 0] - NOISY)

    expected = least_squares(residuals, start, xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=500)
    put(net, start)
    history = net.fit(
        X, NOISY, optimizer=cr.LevenbergMarquardt(), epochs=100, sample_weight=weights, engine=engine,
        **SILENT,
    )  # fmt: skip
    assert history.epochs < 100
    assert history.loss[-1] == pytest.approx(2 * expected.cost, rel=1e-9)
    np.testing.assert_allclose(vector_of(net), expected.x, rtol=1e-4)
    assert history.loss == sorted(history.loss, reverse=True)


def test_levenberg_marquardt_solves_ridge_regression_in_one_step_without_damping():
    table, y = numbers(50, 3), numbers(50, seed=3)
    for penalties in ("whole", "per_row"):
        net = cr.Network([cr.Dense(1, l2=0.3, bias=False)], "mse", dtype="float64", penalties=penalties)
        share = 0.3 if penalties == "whole" else 0.3 / 50
        net.fit(table, y, optimizer=cr.LevenbergMarquardt(1e-14), epochs=1, **SILENT)
        expected = np.linalg.solve(table.T @ table / 50 + share * np.eye(3), table.T @ y / 50)
        np.testing.assert_allclose(net["output"].W[:, 0], expected, rtol=1e-9)


def test_levenberg_marquardt_takes_several_outputs_and_losses():
    table, ys = numbers(30, 2), numbers(30, 3, seed=4)
    x = cr.Input(2)
    net = cr.Network(
        [cr.Dense(2)(x), cr.Dense(1)(x)], ["mse", "half_sum"], dtype="float64", loss_weights=[1, 3]
    )
    net.fit(table, [ys[:, :2], ys[:, 2]], optimizer=cr.LevenbergMarquardt(1e-14), epochs=1, **SILENT)
    expected = np.linalg.lstsq(np.hstack([table, np.ones((30, 1))]), ys, rcond=None)[0]
    found = np.hstack([layer.W for layer in net.layers])
    np.testing.assert_allclose(found, expected[:2], rtol=1e-9)


def test_levenberg_marquardt_needs_few_steps_where_others_need_many():
    losses = {}
    for rule in (cr.LevenbergMarquardt(), cr.LBFGS(), cr.ConjugateGradient()):
        net = curve()
        losses[rule.name] = net.fit(X, Y, optimizer=rule, epochs=30, engine="numpy", **SILENT).loss[-1]
    assert losses["levenberg_marquardt"] < 0.1 * losses["lbfgs"]
    assert losses["levenberg_marquardt"] < 0.1 * losses["cg"]


def test_frozen_weights_stay():
    net = cr.Network([cr.Dense(4, "tanh", frozen=["b"]), cr.Dense(1)], "mse", dtype="float64")
    net.fit(X, Y, optimizer=cr.LevenbergMarquardt(), epochs=5, **SILENT)
    assert net["hidden1"].b.tolist() == [0.0] * 4
    assert net["hidden1"].W.any()


def test_rows_are_taken_in_blocks_that_add_up(monkeypatch):
    found = []
    for block in (2**22, 13 * 7):  # 13 weights: seven rows at a time
        monkeypatch.setattr("chainrule.training.whole.BLOCK", block)
        net = curve()
        net.fit(X, Y, optimizer=cr.LevenbergMarquardt(), epochs=4, sample_weight=W, **SILENT)
        found.append(vector_of(net))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-8)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_validation_early_stopping_and_sparse_tables(rule):
    watch = cr.EarlyStopping(patience=2)
    table, y = numbers(60, 3), np.tanh(numbers(60, 3)[:, 0]) + 0.3 * numbers(60, seed=5)
    ends = []
    for given in (table, sparse.csr_array(table)):
        net = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse", dtype="float64")
        history = net.fit(
            given[:40], y[:40], optimizer=rule, epochs=300, validation_data=(given[40:], y[40:]),
            callbacks=[watch], engine="numpy", **SILENT,
        )  # fmt: skip
        assert history.epochs < 300
        assert watch.best == min(history.val_loss)
        assert net.calculate_loss(table[40:], y[40:]) == pytest.approx(watch.best, rel=1e-12)
        ends.append(vector_of(net))
    assert np.array_equal(*ends)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_ctrl_c_ends_a_search_after_its_iteration(rule, ctrl_c, capsys):
    class Press(cr.Callback):
        def on_epoch_end(self, network, history):
            if history.epochs == 3:
                signal.raise_signal(signal.SIGINT)

    net, twin = curve(), curve()
    history = net.fit(X, Y, optimizer=rule, epochs=50, callbacks=[Press()], engine="numpy", **SILENT)
    assert (history.interrupted, history.epochs) == (True, 3)
    assert "Stopped by Ctrl-C after 3 of 50 epochs" in capsys.readouterr().err
    twin.fit(X, Y, optimizer=rule, epochs=3, engine="numpy", **SILENT)
    assert np.array_equal(vector_of(net), vector_of(twin))

    class Twice(cr.Callback):
        def on_epoch_end(self, network, history):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second Ctrl-C did not raise")

    assert net.fit(X, Y, optimizer=rule, callbacks=[Twice()], engine="numpy", **SILENT).interrupted


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_rules_are_kept_in_files_and_take_no_steps(rule, tmp_path):
    net = curve()
    net.fit(X, Y, optimizer=rule, epochs=2, engine="numpy", **SILENT)
    net.save(tmp_path / "net")
    assert cr.load(tmp_path / "net").optimizer == rule
    name = type(rule).__name__
    with pytest.raises(ParameterError, match=f"{name} takes no steps that could be printed"):
        net.source()
    with pytest.raises(ParameterError, match=f"{name}: its steps are found by trying, and are no graph"):
        rule.updates([], [], None)
    with pytest.raises(ParameterError, match=f"Ledger: {rule.title} takes no steps"):
        net.fit(X, Y, optimizer=rule, record=cr.Ledger("output.b"), **SILENT)
    with pytest.raises(ParameterError, match=f"{name} cannot resume"):
        net.fit(X, Y, optimizer=rule, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **SILENT)
    assert rule.title in str(net.diagnose(X, Y).skipped)


# refusals -------------------------------------------------------------------------------------


def rows_meet(x):
    return x - x.mean(axis=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: curve("mae"), "LevenbergMarquardt: is for losses that are sums of squares, .* mae is not"),
        (
            lambda: cr.Network([cr.Dense(2), cr.Dense(1, l1=0.1)], "mse"),
            "LevenbergMarquardt: the penalty l1 of output is no sum of squares. Take l2",
        ),
        (lambda: cr.Network([cr.Dense(2, rows_meet), cr.Dense(1)], "mse"), "rows meet on their way through"),
        (
            lambda: cr.Network([cr.Dense(2), cr.BatchNorm(), cr.Dense(1)], "mse"),
            "BatchNorm changes from step",
        ),
    ],
)
def test_what_levenberg_marquardt_is_not_for(make, message):
    with pytest.raises(ParameterError, match=message):
        make().fit(X, Y, optimizer="levenberg_marquardt", **SILENT)


def test_weights_that_need_too_much_memory_are_refused_before_any_training():
    net = curve()
    before = vector_of(net)
    message = r"13 weights make matrices of 13 by 13, 0 MiB in all, and it may take 0 MiB.*memory=4056"
    with pytest.raises(ParameterError, match=message):
        net.fit(X, Y, optimizer=cr.LevenbergMarquardt(memory=4055), **SILENT)
    assert np.array_equal(vector_of(net), before)
    assert net.fit(X, Y, optimizer=cr.LevenbergMarquardt(memory=4056), epochs=1, **SILENT).epochs == 1


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_sparse_tables_that_would_be_too_large_are_refused(rule, monkeypatch):
    monkeypatch.setattr("chainrule.training.sparse.WHOLE", 100)
    with pytest.raises(DataError, match=f"X: is sparse, and {rule.title} works on all rows at once"):
        curve().fit(sparse.csr_array(X), Y, optimizer=rule, **SILENT)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.ConjugateGradient(tolerance=-1), "ConjugateGradient: tolerance must be at least 0"),
        (lambda: cr.ConjugateGradient(least_gain=-1), "ConjugateGradient: least_gain must be at least 0"),
        (lambda: cr.ConjugateGradient(evaluations=0), "evaluations must be a positive int, got 0"),
        (lambda: cr.LevenbergMarquardt(damping=0), "LevenbergMarquardt: damping must be above 0"),
        (lambda: cr.LevenbergMarquardt(memory=1.5), "LevenbergMarquardt: memory must be a positive int"),
        (lambda: cr.LevenbergMarquardt(tolerance=-1), "LevenbergMarquardt: tolerance must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
