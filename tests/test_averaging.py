"""Averages of weights: against PyTorch, Keras and plain sums; what the network has; fits that go on."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from torture import QUIET, X, Y, network, settings

import chainrule as cr
from chainrule.errors import ParameterError, UnknownNameError
from chainrule.optim.averaging import EMA, SWA, Stretch
from chainrule.optim.rules import optimizer_from_json

GOLDEN_FOLDER = Path(__file__).with_name("golden")
GOLDEN = json.loads(GOLDEN_FOLDER.joinpath("regularising.json").read_text("utf-8"))
PROBLEM = {
    key: np.array(value)
    for key, value in json.loads(GOLDEN_FOLDER.joinpath("optimizers.json").read_text("utf-8"))[
        "problem"
    ].items()
}
SET = GOLDEN["settings"]
ENGINES = ("numpy", "numba")


def on_problem(engine, epochs=10, average=None, **layer):
    """A network trained as golden/make_regularising.py states."""
    dense = cr.Dense(3, "tanh", weights=PROBLEM["W"], bias=PROBLEM["b"], **layer)
    net = cr.Network([dense], loss="mse", dtype="float64")
    rule = cr.SGD(SET["learning_rate"], momentum=SET["momentum"], average=average)
    batch = int(PROBLEM["batch"])
    net.fit(
        PROBLEM["X"],
        PROBLEM["T"],
        optimizer=rule,
        batch_size=batch,
        epochs=epochs,
        shuffle=False,
        engine=engine,
        **QUIET,
    )
    return net["output"]


def expected(source, name):
    return {key: np.array(value) for key, value in GOLDEN[source][name].items()}


# against others -------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize("engine", ENGINES)
def test_swa_is_pytorchs(engine):
    layer, theirs = on_problem(engine, average=SWA(SET["start"], SET["every"])), expected("pytorch", "swa")
    np.testing.assert_allclose(layer.W, theirs["W"], rtol=1e-11)
    np.testing.assert_allclose(layer.b, theirs["b"], rtol=1e-11)


@pytest.mark.golden
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("source", ["pytorch", "keras"])
def test_ema_is_theirs_without_what_the_first_weights_have_too_much(source, engine):
    """Theirs is d e + (1 - d) w from e = w after the first step: ours times 1 - d**k, and d**k times w."""
    layer, theirs, first = (
        on_problem(engine, average=EMA(SET["decay"])),
        expected(source, "ema"),
        expected("pytorch", "first"),
    )
    left = SET["decay"] ** SET["steps"]
    for key, ours in (("W", layer.W), ("b", layer.b)):
        np.testing.assert_allclose((1 - left) * ours + left * first[key], theirs[key], rtol=1e-11)


@pytest.mark.golden
@pytest.mark.parametrize("engine", ENGINES)
def test_max_norm_is_keras(engine):
    """Keras divides by the norm + 1e-7."""
    layer, theirs = on_problem(engine, max_norm=SET["max_norm"]), expected("keras", "max_norm")
    np.testing.assert_allclose(layer.W, theirs["W"], rtol=2e-5)
    np.testing.assert_allclose(layer.b, theirs["b"], rtol=2e-5)


def courses(fits, steps=3, first_epoch=0, taken=0):
    stretch = Stretch(steps, fits, first_epoch, taken)
    return stretch, np.arange(fits * steps)


def by_hand(values, shares):
    average = 7.0  # wherever it starts
    for value, share in zip(values, shares, strict=True):
        average = average + share * (value - average)
    return average


@pytest.mark.parametrize("decay", [1e-3, 0.5, 0.99, 0.999999])
def test_ema_is_the_weighted_mean(decay):
    stretch, steps = courses(20)
    values = np.random.default_rng(0).normal(size=60)
    shares = EMA(decay).shares(steps, stretch)
    assert shares[0] == 1
    weights = decay ** np.arange(59, -1, -1)
    assert by_hand(values, shares) == pytest.approx(np.average(values, weights=weights), rel=1e-11)
    assert [EMA(decay).taken(k, stretch) for k in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    ("swa", "epochs", "taken"),
    [
        (SWA(3), 5, [3, 4, 5]),
        (SWA(1, every=2), 6, [1, 3, 5]),
        (SWA(0.75), 8, [6, 7, 8]),
        (SWA(0.0, every=3), 7, [1, 4, 7]),
        (SWA(0.75), 1, [1]),
    ],
)
def test_swa_is_the_mean_of_these_epochs(swa, epochs, taken):
    stretch, steps = courses(epochs)
    values = np.random.default_rng(0).normal(size=len(steps))
    mean = values[[3 * epoch - 1 for epoch in taken]].mean()
    assert by_hand(values, swa.shares(steps, stretch)) == pytest.approx(mean, rel=1e-12)
    counts = [swa.taken(k, stretch) for k in range(len(steps) + 1)]
    assert counts.index(1) == 3 * taken[0]
    assert counts[-1] == len(taken)


def test_shares_go_on_where_an_earlier_fit_ended():
    whole = courses(9)
    for kind in (EMA(0.9), SWA(3, every=2)):
        first = courses(4)
        parts = [first, courses(5, first_epoch=4, taken=kind.taken(12, first[0]))]
        joined = np.concatenate([kind.shares(steps, stretch) for stretch, steps in parts])
        np.testing.assert_array_equal(joined, kind.shares(whole[1], whole[0]))


# in a fit -------------------------------------------------------------------------------------


def live_and_average(average, epochs=4, **more):
    """The last weights, and the network's, of two fits that differ in the average alone."""
    given = settings("sgd", epochs=epochs, validation_data=None, **more)
    plain, averaged = network(), network()
    plain.fit(X, Y, **given)
    averaged.fit(X, Y, **{**given, "optimizer": cr.SGD(0.05, average=average)})
    return plain.parameters, averaged


@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_the_same_and_the_network_has_the_average(engine):
    given = settings("sgd", engine, validation_data=None)
    seen = []

    class Watch(cr.Callback):
        def on_epoch_end(self, network, history):
            seen.append(network.parameters)

    plain = network()
    history = plain.fit(X, Y, callbacks=[Watch()], **given)
    averaged = network()
    other = averaged.fit(X, Y, **{**given, "optimizer": cr.SGD(0.05, average=SWA(3))})
    assert other.loss == history.loss
    for name, value in averaged.parameters.items():
        mean = np.mean([weights[name] for weights in seen[2:]], axis=0)
        np.testing.assert_allclose(value, mean, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(averaged._past.live[name], plain.parameters[name])


def test_before_the_start_the_network_has_the_weights_of_that_moment():
    plain, averaged = live_and_average(SWA(4))
    for name, value in averaged.parameters.items():
        np.testing.assert_array_equal(value, plain[name])


def test_validation_measures_the_average_and_early_stopping_restores_it():
    stopping, wrong = cr.EarlyStopping(patience=3), (X[:25], Y[24::-1])
    seen = []

    class Watch(cr.Callback):
        def on_epoch_end(self, network, history):
            seen.append(network.evaluate(*wrong)["loss"])

    net, given = network(), settings("ema", epochs=200, validation_data=wrong)
    history = net.fit(X, Y, callbacks=[Watch(), stopping], **given)
    assert history.stopped
    assert history.val_loss == seen
    assert net.evaluate(*wrong)["loss"] == min(history.val_loss)


@pytest.mark.parametrize("optimizer", ["ema", "swa"])
def test_two_fits_of_which_the_second_goes_on_are_one(optimizer):
    given = settings(optimizer, validation_data=None)
    whole, parts = network(), network()
    whole.fit(X, Y, **{**given, "epochs": 7})
    parts.fit(X, Y, **{**given, "epochs": 3})
    parts.fit(X, Y, go_on=True, **{**given, "epochs": 4})
    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(parts.parameters[name], value)


def test_a_fit_that_goes_on_takes_weights_that_were_set_since():
    given = settings("ema", validation_data=None)
    net = network()
    net.fit(X, Y, **given)
    start = {name: np.zeros_like(value) for name, value in net.parameters.items()}
    net.set_parameters(start)
    begun = []

    class Watch(cr.Callback):
        def on_fit_begin(self, network, history):
            begun.append(network.parameters)

    net.fit(X, Y, go_on=True, callbacks=[Watch()], **given)
    assert not any(value.any() for value in begun[0].values())
    assert abs(net._past.live["hidden1.b"]).max() < 0.5  # five epochs of Adam(0.01) from 0


def test_another_fit_begins_with_the_average_and_averages_anew():
    given = settings("ema", validation_data=None)
    net, other = network(), network()
    net.fit(X, Y, **given)
    other.build(X.shape[1])
    other.set_parameters(net.parameters)
    net.fit(X, Y, **given)
    other.fit(X, Y, **given)
    for name, value in net.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], value)


@pytest.mark.parametrize("batch_size", [7, 45])
def test_batch_normalisation_gets_the_statistics_of_all_rows(batch_size):
    """For the first such layer those of what the layer before it makes of the rows."""
    layers = [cr.Dense(6, "tanh"), cr.BatchNorm(), cr.Dense(4, "relu"), cr.BatchNorm(), cr.Dense(3)]
    net = cr.Network(layers, loss="cross_entropy", dtype="float64")
    rule = cr.Adam(0.05, average=EMA(0.8))
    net.fit(X, Y, optimizer=rule, batch_size=batch_size, epochs=5, **QUIET)
    first, second, third, fourth, _ = net.layers
    a1 = np.tanh(X @ first.W + first.b)
    np.testing.assert_allclose(second.value("mean"), a1.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(second.value("var"), a1.var(axis=0), rtol=1e-12)
    normed = (a1 - a1.mean(axis=0)) / np.sqrt(a1.var(axis=0) + second.eps)
    normed = normed * second.value("gamma") + second.value("beta")
    a2 = np.maximum(normed @ third.W + third.b, 0)
    np.testing.assert_allclose(fourth.value("mean"), a2.mean(axis=0), rtol=1e-11)
    np.testing.assert_allclose(fourth.value("var"), a2.var(axis=0), rtol=1e-11)


def test_statistics_of_many_rows_are_pooled_from_batches(monkeypatch):
    from chainrule.training import averaged

    monkeypatch.setattr(averaged, "ROWS", 20)
    net = cr.Network(
        [cr.Dense(6, "tanh"), cr.BatchNorm(), cr.Dense(3)], loss="cross_entropy", dtype="float64"
    )
    net.fit(X, Y, optimizer=cr.Adam(0.05, average="ema"), epochs=2, **QUIET)
    a = np.tanh(X @ net["hidden1"].W + net["hidden1"].b)
    np.testing.assert_allclose(net["batch_norm"].value("mean"), a.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(net["batch_norm"].value("var"), a.var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["ema", "swa"])
def test_a_checkpoint_is_the_averaged_network(optimizer, tmp_path):
    net = network("drawn")
    net.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **settings(optimizer))
    loaded = cr.load(tmp_path / "epoch000005.chainrule")
    np.testing.assert_array_equal(loaded.predict_proba(X), net.predict_proba(X))
    assert loaded.optimizer == net.optimizer


def test_what_diverges_is_said_and_the_average_of_before_stays():
    net = network()
    rule = cr.SGD(1e200, average=EMA(0.5))
    with pytest.warns(RuntimeWarning, match="ended with the weights of before"):
        net.fit(X, Y, optimizer=rule, engine="numpy", **QUIET)
    assert all(np.isfinite(value).all() for value in net.parameters.values())


def test_printed_step_shows_the_average():
    net = network()
    net.build(X.shape[1])
    lines = [line.split("  #")[0].strip() for line in net.source(cr.SGD(0.1, average=EMA())).splitlines()]
    assert "average_W1 = average_W1 + average_share * (new_W1 - average_W1)" in lines
    assert "new_W1 = W1 - lr * d_W1" in lines
    assert "average" not in net.source(cr.SGD(0.1))


def test_a_trace_and_a_ledger_follow_the_step():
    net = network()
    ledger = cr.Ledger("hidden1.W[0, 0]")
    net.fit(X, Y, record=ledger, **{**settings("ema", validation_data=None), "engine": "auto"})
    text = str(net.trace(X[:4], Y[:4], only="average_W1"))
    assert "average_W1" in text


@pytest.mark.parametrize("average", [EMA(0.7), SWA(2)])
def test_steps_on_parts_of_a_batch_count_once(average):
    given = settings("sgd", validation_data=None)
    given |= {"optimizer": cr.SGD(0.05, average=average), "batch_size": 15}
    whole, parts = network(), network()
    whole.fit(X, Y, **given)
    parts.fit(X, Y, **{**given, "batch_size": 5}, accumulate=3)
    for name, value in whole.parameters.items():
        np.testing.assert_allclose(parts.parameters[name], value, rtol=1e-12, atol=1e-15)
    parts.fit(X, Y, go_on=True, **{**given, "batch_size": 5}, accumulate=3)
    whole.fit(X, Y, go_on=True, **given)
    for name, value in whole.parameters.items():
        np.testing.assert_allclose(parts.parameters[name], value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("average", [EMA(0.9), SWA(2)])
def test_streams_have_the_same_averages(average):
    def rows():
        for k in range(0, 45, 9):
            yield X[k : k + 9], Y[k : k + 9]

    given = {"optimizer": cr.SGD(0.05, average=average), "epochs": 4, "engine": "numpy", "seed": 4, **QUIET}
    whole, streamed = network(), network()
    whole.fit(X, Y, batch_size=9, shuffle=False, **given)
    if isinstance(average, SWA):
        with pytest.raises(
            ParameterError, match=r"the averaging SWA\(.*has to know how many steps an epoch has"
        ):
            streamed.fit(rows, **given)
        given["steps_per_epoch"] = 5
    streamed.fit(rows, **given)
    for name, value in whole.parameters.items():
        np.testing.assert_allclose(streamed.parameters[name], value, rtol=1e-12, atol=1e-15)


def test_dry_runs_and_one_batch_do_not_wait_for_an_average():
    layers = [cr.GaussianNoise(0.5), cr.Dense(32, "relu", max_norm=0.5), cr.Dense(3)]
    net = cr.Network(layers, "cross_entropy", mixup=0.5)
    rule = cr.Adam(0.01, average=SWA(30))
    assert net.dry_run(X, Y, optimizer=rule, epochs=40).ok
    with pytest.raises(ParameterError, match="starts with epoch 30"):
        net.dry_run(X, Y, optimizer=rule, epochs=20)
    assert net.overfit_one_batch(X, Y, optimizer=rule).learned
    assert (net.mixup, net["hidden1"].max_norm, net.layers[0].std) == (0.5, 0.5, 0.5)


def test_what_was_frozen_joins_an_average_with_the_weights_that_it_has():
    net = network()
    net.build(X.shape[1], seed=4)
    net["hidden1"].freeze()
    given = settings("ema", validation_data=None, epochs=3)
    net.fit(X, Y, **given)
    net["hidden1"].freeze(False)
    before = net["hidden1"].W.copy()
    net.fit(X, Y, go_on=True, **given | {"optimizer": cr.Adam(1e-6, average=EMA(0.9)), "epochs": 1})
    np.testing.assert_allclose(net["hidden1"].W, before, atol=1e-4)


@pytest.mark.parametrize("start", [1, 2])
def test_an_epoch_that_ctrl_c_cuts_short_counts_for_nothing(start, tmp_path):
    """Whatever was taken before, the mean is that of the weights after whole epochs."""

    class Interrupt(cr.Checkpoint):
        def write(self, position, content, best=False):
            if (position.epoch, position.step) == (1, 1):
                signal.raise_signal(signal.SIGINT)

    def fit(average, epochs, net, **more):
        given = settings("sgd", validation_data=None, batch_size=10, epochs=epochs, **more)
        return net.fit(X, Y, **given | {"optimizer": cr.SGD(0.05, average=average)})

    net, other = network(), network()
    fit(None, 1, other)
    weights = [other.parameters] if start == 1 else []
    history = fit(SWA(start), 3, net, callbacks=[Interrupt(tmp_path, every_steps=1)])
    assert history.interrupted
    assert history.epochs == 1
    for _ in range(2):
        fit(SWA(start), 1, net, go_on=True)
        weights.append(net._past.live)
    for name, value in net.parameters.items():
        np.testing.assert_allclose(value, np.mean([w[name] for w in weights], axis=0), rtol=1e-12)


def test_statistics_do_not_depend_on_the_order_of_a_table():
    """Rows of a sorted table are like their neighbours: batches of these would have next to no spread."""
    rng = np.random.default_rng(0)
    table = np.sort(rng.normal(size=(3000, 1)), axis=0) + 0.01 * rng.normal(size=(3000, 3))
    layers = [cr.BatchNorm(), cr.Dense(4, "relu"), cr.BatchNorm(), cr.Dense(2)]
    net = cr.Network(layers, "cross_entropy", "float64")
    given = {"epochs": 1, "batch_size": 1000, "optimizer": cr.SGD(1e-9, average=SWA(1)), "verbose": False}
    net.fit(table, table[:, 0] > 0, **given)
    hidden = (table - table.mean(axis=0)) / table.std(axis=0) @ net["hidden1"].W
    hidden = np.maximum(hidden, 0)
    np.testing.assert_allclose(net.parameters["batch_norm2.mean"], hidden.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(net.parameters["batch_norm2.var"], hidden.var(axis=0), rtol=0.02)


@pytest.mark.parametrize("given", [{"averaging": "swa"}, {"solver": cr.Adam(0.01, average=SWA(0.5))}])
def test_calls_of_partial_fit_refuse_an_average_that_each_would_begin_anew(given):
    model = cr.MLPClassifier((4,), **given)
    with pytest.raises(ParameterError, match=r"there would be no average\. Pass the number of an epoch"):
        model.partial_fit(X, Y, classes=[0, 1, 2])


def test_an_average_may_begin_between_calls_of_partial_fit():
    model = cr.MLPClassifier((4,), random_state=0)
    for _ in range(3):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    before = model.coefs_[0].copy()
    model.set_params(averaging="ema").partial_fit(X, Y)
    np.testing.assert_allclose(model.coefs_[0], before, atol=0.01)


# what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EMA(0.0), ParameterError, "EMA: decay must be"),
        (lambda: EMA(1.0), ParameterError, "EMA: decay must be"),
        (lambda: EMA("a"), ParameterError, "EMA: decay must be"),
        (lambda: SWA(0), ParameterError, "SWA: start must be a positive int"),
        (lambda: SWA(1.0), ParameterError, "SWA: start, a share of the epochs, must be"),
        (lambda: SWA(3, every=0), ParameterError, "SWA: every must be a positive int"),
        (lambda: cr.SGD(0.1, average=0.99), ParameterError, r"average must be 'ema', 'swa' or an object"),
        (lambda: cr.SGD(0.1, average="mean"), UnknownNameError, "'mean'"),
        (lambda: cr.LBFGS(average="ema"), TypeError, "average"),
    ],
)
def test_averages_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_an_average_that_would_begin_after_the_end_is_refused():
    given = settings("sgd", epochs=5)
    given["optimizer"] = cr.SGD(0.1, average=SWA(6))
    with pytest.raises(ParameterError, match="starts with epoch 6, and the fit ends with epoch 5"):
        network().fit(X, Y, **given)


@pytest.mark.parametrize("average", [EMA(0.95), SWA(0.5, every=3), SWA(7), None])
def test_optimizers_with_an_average_survive_json(average):
    rule = cr.Adam(0.1, average=average)
    assert optimizer_from_json(json.loads(json.dumps(rule.to_json()))) == rule
    assert cr.Adam(0.1, average="ema") == cr.Adam(0.1, average=EMA())
    broken = {**rule.to_json(), "settings": {"average": {"name": "mode", "settings": {}}}}
    with pytest.raises(UnknownNameError, match="mode"):
        optimizer_from_json(broken)
