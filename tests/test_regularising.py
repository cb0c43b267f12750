"""Max-norm, noise and mixup: against plain NumPy, step by step, in both engines, and in print."""

import re

import numpy as np
import pytest
from scipy import stats

import chainrule as cr
from chainrule.errors import ParameterError
from chainrule.graph.op import HELPERS
from chainrule.nn.init import Purpose
from chainrule.nn.mixup import mixing

ENGINES = ("numpy", "numba")
QUIET = {"verbose": False}
RNG = np.random.default_rng(3)
X, Y, T = RNG.normal(size=(26, 5)), np.arange(26) % 3, RNG.normal(size=(26, 2))


def fitted(layers, loss="mse", engine="numpy", epochs=3, y=T, mixup=0.0, rule=None, **more):
    net = cr.Network(layers, loss=loss, dtype="float64", mixup=mixup)
    given = {"optimizer": rule or cr.SGD(0.3), "batch_size": 8, "seed": 5, "shuffle": False, **QUIET, **more}
    return net, net.fit(X, y, engine=engine, epochs=epochs, **given)


def batches(epochs=3, size=8):
    """The steps of `fitted`: their numbers and rows."""
    listed = [slice(i, i + size) for i in range(0, len(X), size)] * epochs
    return list(enumerate(listed))


# max-norm -------------------------------------------------------------------------------------


def by_hand(W, b, rows, noise=None, rate=0.3, largest=np.inf):
    """Gradient descent on a linear layer's mean squared error, with columns of W kept to a norm."""
    for step, at in rows:
        x = X[at] if noise is None else X[at] + noise(step, X[at].shape)
        d = 2 * (x @ W + b - T[at]) / T[at].size
        W, b = W - rate * x.T @ d, b - rate * d.sum(axis=0)
        norms = np.linalg.norm(W, axis=0)
        W = np.where(norms > largest, W / norms * largest, W)
    return W, b


@pytest.mark.parametrize("engine", ENGINES)
def test_max_norm_is_the_nearest_weights_of_that_norm_after_each_step(engine):
    start = RNG.normal(size=(5, 2)) * [0.05, 0.5]
    net, _ = fitted([cr.Dense(2, weights=start, max_norm=0.4)], engine=engine)
    W, b = by_hand(start, np.zeros(2), batches(), largest=0.4)
    np.testing.assert_allclose(net["output"].W, W, rtol=1e-12)
    np.testing.assert_allclose(net["output"].b, b, rtol=1e-12)
    assert np.linalg.norm(W, axis=0)[1] == pytest.approx(0.4)


@pytest.mark.parametrize("layer", [cr.Dense(4, "relu", max_norm=0.5), cr.Maxout(4, max_norm=0.5)], ids=repr)
@pytest.mark.parametrize("rule", [cr.SGD(0.1, momentum=0.9), cr.AdamW(0.3), cr.Rprop(0.1)], ids=str)
def test_no_column_is_longer(layer, rule):
    net, _ = fitted([layer, cr.Dense(2)], rule=rule)
    norms = np.linalg.norm(net["hidden1"].W, axis=0)
    assert (norms <= 0.5 * (1 + 1e-12)).all()
    assert norms.max() == pytest.approx(0.5)
    assert np.linalg.norm(net["output"].W, axis=0).max() > 0.5


def test_a_limit_that_nothing_reaches_changes_no_bit():
    plain, _ = fitted([cr.Dense(4, "relu"), cr.Dense(2)])
    limited, _ = fitted([cr.Dense(4, "relu", max_norm=1e6), cr.Dense(2, max_norm=1e6)])
    for name, value in plain.parameters.items():
        np.testing.assert_array_equal(limited.parameters[name], value)


def test_frozen_weights_stay_as_long_as_they_are():
    W = np.full((5, 2), 3.0)
    net, _ = fitted([cr.Dense(2, weights=W, max_norm=0.1, frozen="W")])
    np.testing.assert_array_equal(net["output"].W, W)


def test_max_norm_in_print():
    net = cr.Network([cr.Dense(3, "relu", max_norm=3.0), cr.Dense(2)], loss="mse")
    net.build(5)
    lines = [line.split("  #")[0].strip() for line in net.source(cr.SGD(0.1)).splitlines()]
    for line in (
        "stepped_W1 = W1 - lr * d_W1",
        "norm_W1 = np.sqrt((stepped_W1 * stepped_W1).sum(axis=0))",
        "W1 = stepped_W1 * (3 / np.maximum(norm_W1, 3))",
        "W2 = W2 - lr * d_W2",
    ):
        assert line in lines


def test_a_ledger_explains_steps_with_max_norm():
    ledger = cr.Ledger("output.W[0, 0]")
    fitted([cr.Dense(2, max_norm=0.2)], record=ledger, engine="auto")
    assert "output.W[0, 0]" in str(ledger)


# noise ----------------------------------------------------------------------------------------


def normal(shape, seed, step, position=0):
    """The noise of a layer, from NumPy's own Philox by way of Box and Muller's formula."""
    generator = np.random.Philox(key=[seed, int(Purpose.LAYERS) + position], counter=[0, step, 0, 0])
    u, v = (generator.random_raw(2 * np.prod(shape)).reshape(2, *shape) >> np.uint64(11)) * 2.0**-53
    return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)


@pytest.mark.parametrize("engine", ENGINES)
def test_noise_is_added_in_training(engine):
    start = RNG.normal(size=(5, 2))
    net, _ = fitted([cr.GaussianNoise(0.3), cr.Dense(2, weights=start)], engine=engine)
    W, b = by_hand(start, np.zeros(2), batches(), noise=lambda step, shape: 0.3 * normal(shape, 5, step))
    np.testing.assert_allclose(net["output"].W, W, rtol=1e-11)
    np.testing.assert_allclose(net["output"].b, b, rtol=1e-11)
    np.testing.assert_allclose(net.predict(X), X @ W + b, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_normal_and_of_its_own_for_layer_and_step(dtype):
    drawn = []
    for step in (0, 1):
        net = cr.Network([cr.GaussianNoise(2.0), cr.GaussianNoise(2.0), cr.Dense(1)], loss="mse", dtype=dtype)
        net.build(40)
        made = net.graph.trained_values
        program = cr.Program([net.graph.xs[0], net.graph.seed, net.graph.step], {"a": made[0], "b": made[1]})
        found = cr.compile(program)(np.zeros((500, 40), dtype), np.int64(7), np.int64(step))
        drawn += [found["a"].ravel() / 2, (found["b"] - found["a"]).ravel() / 2]
    for noise in drawn:
        assert stats.kstest(noise, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.03


def test_noise_of_no_spread_is_none():
    plain, _ = fitted([cr.Dense(2, init="glorot")])
    noisy, _ = fitted([cr.Dense(2, init="glorot"), cr.GaussianNoise(0.0)])
    np.testing.assert_array_equal(plain.predict(X), noisy.predict(X))


def test_noise_at_the_inputs_holds_slopes_small():
    """Bishop (1995): for a linear layer, noise of variance s is s * sum(W**2) beside the squared error."""
    long = {"epochs": 1500, "batch_size": 26, "rule": cr.SGD(cr.schedules.CosineDecay(0.3))}
    noisy, _ = fitted([cr.GaussianNoise(0.5), cr.Dense(2)], **long)
    ridge, _ = fitted([cr.Dense(2, l2=0.25 / 2)], **long)  # the mean over two outputs halves the error
    np.testing.assert_allclose(noisy["output"].W, ridge["output"].W, atol=0.03)
    plain, _ = fitted([cr.Dense(2)], **long)
    assert abs(noisy["output"].W).sum() < 0.9 * abs(plain["output"].W).sum()


# mixup ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.2, 0.5, 1.0, 3.0, 50.0])
def test_shares_are_beta_distributed(alpha):
    seed, step = cr.placeholder((), "int64", "seed"), cr.placeholder((), "int64", "step_number")
    mixed = mixing(alpha, seed, step, np.dtype("float64"))
    runner = cr.compile(cr.Program([seed, step], {"lam": mixed.own, "rest": mixed.rest}))
    found = [runner(np.int64(11), np.int64(k)) for k in range(4000)]
    lam = np.array([float(f["lam"]) for f in found])
    assert ((lam >= 0) & (lam <= 1)).all()
    assert all(float(f["lam"]) + float(f["rest"]) == 1 for f in found)
    # near 0 and 1 the distribution of a small alpha has less room than floats do: it is compared in between
    bins = np.linspace(0, 1, 11)
    counts = np.histogram(lam, bins)[0]
    expected = 4000 * np.diff(stats.beta(alpha, alpha).cdf(bins))
    kept = expected > 5
    assert (
        stats.chisquare(counts[kept], expected[kept] * counts[kept].sum() / expected[kept].sum()).pvalue
        > 1e-3
    )


def share(step, alpha, seed=5):
    """The share of a step: Student's t of 2 alpha degrees of freedom, from two uniform numbers."""
    u, v = HELPERS["uniform"]((2,), seed, step, int(Purpose.MIXUP), "float64")
    t = np.sqrt(2 * alpha * ((1 - u) ** (-1 / alpha) - 1)) * np.cos(2 * np.pi * v)
    return 0.5 + 0.5 * t / np.sqrt(2 * alpha + t * t)


def mixed_by_hand(start, loss, y, weights=None, alpha=0.5):
    """Gradient descent on rows and targets that are mixed beforehand, where the loss is linear in them."""
    W, b, losses = start, np.zeros(start.shape[1]), []
    for step, at in batches():
        lam = share(step, alpha)
        w = np.ones(len(X[at])) if weights is None else weights[at]
        x = lam * X[at] + (1 - lam) * X[at][::-1]
        z = x @ W + b
        own, partner = lam * w / w.sum(), (1 - lam) * w[::-1] / w.sum()
        if loss == "mse":
            d = 2 * (own[:, None] * (z - y[at]) + partner[:, None] * (z - y[at][::-1])) / y.shape[1]
            value = (own * ((z - y[at]) ** 2).mean(1) + partner * ((z - y[at][::-1]) ** 2).mean(1)).sum()
        else:
            p = np.exp(z - z.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            target = own[:, None] * np.eye(3)[y[at]] + partner[:, None] * np.eye(3)[y[at][::-1]]
            d, value = (own + partner)[:, None] * p - target, -(target * np.log(p)).sum()
        W, b = W - 0.3 * x.T @ d, b - 0.3 * d.sum(axis=0)
        losses.append(value)
    return W, b, losses


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "y", "units"), [("mse", T, 2), ("cross_entropy", Y, 3)])
def test_mixup_is_what_it_says(loss, y, units, weighted, engine):
    start = RNG.normal(size=(5, units))
    weights = RNG.uniform(0.2, 2, len(X)) if weighted else None
    net, history = fitted(
        [cr.Dense(units, weights=start)], loss, engine, y=y, mixup=0.5, sample_weight=weights
    )
    W, b, losses = mixed_by_hand(start, loss, y, weights)
    np.testing.assert_allclose(history.loss, np.reshape(losses, (3, -1)).mean(axis=1), rtol=1e-11)
    np.testing.assert_allclose(net["output"].W, W, rtol=1e-10)
    np.testing.assert_allclose(net["output"].b, b, rtol=1e-10)
    z = X @ W + b
    np.testing.assert_allclose(
        net._outputs_of_rows([X], "z")[0], z, rtol=1e-9, err_msg="predictions are plain"
    )


@pytest.mark.parametrize("loss", ["huber", "mae", "half_sum", "sum", "binary_cross_entropy", "kl_divergence"])
def test_any_loss_can_be_mixed_and_has_its_gradient(loss):
    y = np.abs(T) / np.abs(T).sum(axis=1, keepdims=True)
    net = cr.Network([cr.Dense(4, "tanh"), cr.BatchNorm(), cr.Dense(2)], loss, dtype="float64", mixup=0.4)
    net.build(5)
    weights = net.trained_leaves()
    loss_node = net.program(cr.SGD(0.1)).outputs["loss"]
    feed = {net.graph.xs[0]: X[:7], net.graph.ts[0]: y[:7], net.graph.seed: np.int64(1)}
    feed |= {net.graph.step: np.int64(3), **net._values()}
    others = [x for x in feed if x not in set(weights)]
    slopes = cr.gradient(loss_node, weights)
    program = cr.Program(
        [*others, *weights], {"loss": loss_node} | {f"s{k}": s for k, s in enumerate(slopes)}
    )
    runner = cr.compile(program)
    found = runner(*(feed[x] for x in program.inputs))
    for k, leaf in enumerate(weights):
        direction = np.random.default_rng(k).normal(size=feed[leaf].shape)
        ahead, behind = (
            float(runner(*({**feed, leaf: feed[leaf] + s * direction}[x] for x in program.inputs))["loss"])
            for s in (1e-6, -1e-6)
        )
        assert (ahead - behind) / 2e-6 == pytest.approx(
            float((found[f"s{k}"] * direction).sum()), rel=2e-5, abs=1e-8
        )


def test_mixup_of_several_inputs_and_outputs():
    a, b = cr.Input(5, name="a"), cr.Input(5, name="b")
    h = cr.Dense(4, "tanh")(cr.Concatenate()(a, b))
    net = cr.Network([cr.Dense(2)(h), cr.Dense(3)(h)], ["mse", "cross_entropy"], dtype="float64", mixup=0.3)
    history = net.fit([X, X[::-1]], [T, Y], epochs=30, optimizer=cr.Adam(0.02), **QUIET)
    assert history.loss[-1] < 0.9 * history.loss[0]


def test_batches_of_one_row_are_not_mixed():
    plain, history = fitted([cr.Dense(2, init="glorot")], batch_size=1)
    mixed, other = fitted([cr.Dense(2, init="glorot")], batch_size=1, mixup=0.3)
    np.testing.assert_allclose(mixed["output"].W, plain["output"].W, rtol=1e-10)
    np.testing.assert_allclose(other.loss, history.loss, rtol=1e-10)


def test_mixup_in_print_and_in_a_trace():
    net = cr.Network([cr.Dense(3)], loss="cross_entropy", mixup=0.2)
    net.build(5)
    text = net.source()
    for line in ("mixed_x = lam * x + rest * x[::-1]", "z1 = mixed_x @ W1 + b1", "partners_t = t[::-1]"):
        assert re.search(rf"^    {re.escape(line)}", text, re.MULTILINE)
    assert "mixed_x" in str(net.trace(X[:3], Y[:3]))
    assert net.why("output.W[0, 0]", X[:4], Y[:4]) is not None
    plain = cr.Network([cr.Dense(3)], loss="cross_entropy")
    plain.build(5)
    assert "lam" not in plain.source()


def test_what_rows_and_paths_add_to_a_slope_adds_up_with_mixup():
    net = cr.Network([cr.Dense(3)], loss="cross_entropy", mixup=0.2, dtype="float64")
    net.build(5)
    found = net.why("output.W[0, 0]", X[:4], Y[:4])
    assert found.derivative == pytest.approx(found.by_row.sum(), rel=1e-12)
    assert found.derivative == pytest.approx(found.path_sum, rel=1e-12)


# files, other tools, what is refused ----------------------------------------------------------


def test_a_file_keeps_it_all(tmp_path):
    """Also where no layer with weights comes first to tell the number of inputs."""
    layers = [
        cr.GaussianNoise(0.1),
        cr.Dense(4, "relu", max_norm=2.0),
        cr.Maxout(3, max_norm=1.5),
        cr.Dense(2),
    ]
    net, _ = fitted(layers, mixup=0.3, rule=cr.SGD(0.1, average=cr.SWA(2)))
    net.save(tmp_path / "m.chainrule")
    loaded = cr.load(tmp_path / "m.chainrule")
    assert loaded.mixup == 0.3
    assert [layer.max_norm for layer in loaded.layers] == [None, 2.0, 1.5, None]
    assert loaded.layers[0].std == 0.1
    assert repr(loaded) == repr(net)
    assert loaded.source() == net.source()
    np.testing.assert_array_equal(loaded.predict(X), net.predict(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cr.Dense(2, max_norm=0.0), "Dense: max_norm must be"),
        (lambda: cr.Maxout(2, max_norm="3"), "Maxout: max_norm must be"),
        (lambda: cr.GaussianNoise(-0.1), "GaussianNoise: std must be"),
        (lambda: cr.Network([cr.Dense(2)], "mse", mixup=-1.0), "Network: mixup must be"),
        (
            lambda: fitted([cr.Dense(2, max_norm=1.0)], rule=cr.LBFGS()),
            "Dense: max_norm changes weights after",
        ),
        (
            lambda: fitted([cr.Dense(2)], mixup=0.2, rule=cr.LBFGS()),
            "Network: mixup changes from step to step",
        ),
        (
            lambda: fitted([cr.GaussianNoise(), cr.Dense(2)], rule=cr.LBFGS()),
            "GaussianNoise changes from step",
        ),
        (lambda: cr.GaussianNoise.restore({"std": 1.0}, {"W": X}, None), "GaussianNoise: has no parameters"),
        (
            lambda: cr.compare_perturbation(cr.Network([cr.Dense(2)], "mse", "float64", mixup=0.2), X, T),
            "a layer, or mixup, acts otherwise",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
