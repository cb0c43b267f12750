"""What fits, predictions and reports have got wrong once."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.training import loop

ENGINES = ["numpy", "numba"]
SILENT = {"verbose": False, "seed": 0}


def numbers(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns))


def classifier(**settings):
    return cr.Network([cr.Dense(5, "relu"), cr.Dense(3)], loss="cross_entropy", **settings)


X, Y = numbers(37, 4), np.arange(37) % 3


# freezing ---------------------------------------------------------------------------------------


def test_predictions_follow_weights_that_are_set_before_freezing():
    net = classifier()
    net.fit(X, Y, epochs=1, engine="numpy", **SILENT)
    net.predict(X)
    before = net.calculate_loss(X, Y)
    net.set_parameters({name: np.zeros_like(value) for name, value in net.parameters.items()})
    net[0].freeze()
    assert before != pytest.approx(np.log(3), rel=1e-6)
    assert net.calculate_loss(X, Y) == pytest.approx(np.log(3), rel=1e-6)
    net[0].freeze(False)
    assert np.allclose(net.predict_proba(X), 1 / 3)


@pytest.mark.parametrize("rule", [cr.Adam(0.01), cr.LBFGS()])
def test_what_a_callback_freezes_is_trained_to_the_end_of_the_fit(rule):
    class Freeze(cr.Callback):
        def on_epoch_end(self, network, history):
            network["hidden1"].freeze()

    trained = []
    for callbacks in ([], [Freeze()]):
        net = classifier()
        net.fit(X, Y, epochs=4, optimizer=rule, engine="numpy", callbacks=callbacks, **SILENT)
        trained.append(net.parameters)
    for name, value in trained[0].items():
        assert np.array_equal(value, trained[1][name]), name
    net.fit(X, Y, epochs=1, engine="numpy", **SILENT)
    assert np.array_equal(net["hidden1"].W, trained[1]["hidden1.W"])


# numbers that are not finite --------------------------------------------------------------------


def quietly_infinite():
    """A network whose first step makes a weight infinite, while all losses stay finite, and its data."""
    net = cr.Network(
        [
            cr.Dense(1, "relu", weights=[[1.0]], bias=[0.0]),
            cr.Dense(2, weights=[[1.0, -1.0]], bias=[0.0, 0.0], frozen=True),
        ],
        loss="cross_entropy",
    )
    return net, np.full((200, 1), 1e30, np.float32), np.tile([0, 1], 100)


@pytest.mark.filterwarnings("ignore:in epoch 1")
@pytest.mark.parametrize("engine", ENGINES)
def test_the_way_back_to_an_infinite_weight_is_short(engine, monkeypatch):
    """As many steps again as were made, not their square."""
    monkeypatch.setattr(loop, "KEEP_SECONDS", 1e9)
    net, x, y = quietly_infinite()
    made = []
    steps = loop.Loop._steps
    monkeypatch.setattr(
        loop.Loop, "_steps", lambda self, *where: made.append(where[-1]) or steps(self, *where)
    )
    history = net.fit(
        x, y, epochs=20, batch_size=1, optimizer=cr.SGD(1e9), shuffle=False, engine=engine, **SILENT
    )
    assert history.stopped == "in epoch 1, step 2 of 200, hidden1.W became infinite"
    assert net["hidden1"].W.tolist() == [[1.0]]
    assert history.loss == history.learning_rate == []
    assert sum(made) < 4 * 20 * 200


@pytest.mark.filterwarnings("ignore:in epoch 1")
def test_callbacks_never_see_an_infinite_weight():
    net, x, y = quietly_infinite()
    watch = cr.EarlyStopping("loss")
    history = net.fit(
        x,
        y,
        epochs=5,
        batch_size=1,
        optimizer=cr.SGD(1e9),
        shuffle=False,
        engine="numpy",
        callbacks=[watch],
        **SILENT,
    )
    assert (history.diverged, history.epochs, watch.best_epoch) == (True, 0, 0)
    assert net["hidden1"].W.tolist() == [[1.0]]


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_optimizer_remembers_is_named_where_it_overflows(engine):
    net = cr.Network([cr.Dense(1)], loss="mse")
    with pytest.warns(RuntimeWarning, match="step 1 of 2, the optimizer's v_W1 became infinite"):
        net.fit(X * 1e10, X[:, 0] * 1e10, epochs=2, engine=engine, **SILENT)


def test_lbfgs_on_a_loss_that_is_infinite_from_the_start_says_so():
    net = cr.Network([cr.Dense(1)], loss="mse")
    with pytest.warns(RuntimeWarning, match=r"in epoch 1, step 1 of 1, the loss became infinite.*Scale the"):
        history = net.fit(X * 1e25, X[:, 0], optimizer=cr.LBFGS(), engine="numpy", **SILENT)
    assert (history.diverged, history.epochs) == (True, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("start", [3.0, 1000.0])
def test_lbfgs_comes_back_from_where_the_loss_is_no_number(engine, start):
    """z - log(z) is least for z = 1, and NaN below 0, where long steps lead."""

    def walled(z, t):
        return (z - cr.log(z) + 0 * t).mean()

    net = cr.Network([cr.Dense(1, weights=np.zeros((4, 1)), bias=[start])], loss=walled, dtype="float64")
    history = net.fit(X, X[:, 0], optimizer=cr.LBFGS(), epochs=300, engine=engine, **SILENT)
    assert history.loss == sorted(history.loss, reverse=True)
    assert np.allclose(net.predict(X), 1, atol=1e-3)


def test_the_loss_of_an_epoch_does_not_depend_on_the_clock(monkeypatch):
    losses = []
    for seconds in (1e-9, 10.0):
        monkeypatch.setattr(loop, "SLICE_SECONDS", seconds)
        net = classifier(dtype="float64")
        losses.append(net.fit(X, Y, epochs=8, batch_size=1, engine="numpy", **SILENT).loss)
    assert losses[0] == losses[1]


# arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "message"),
    [(1e300, "1e\\+300 is too large for float32"), (1e-60, "all are zero, or too small for float32")],
)
def test_weights_that_the_type_cannot_hold_are_refused(weight, message):
    with pytest.raises(cr.errors.DataError, match=message):
        classifier().fit(X, Y, sample_weight=np.full(37, weight), **SILENT)
    classifier(dtype="float64").fit(X, Y, sample_weight=np.full(37, weight), epochs=1, **SILENT)


def test_labels_beyond_64_bits_are_refused():
    with pytest.raises(cr.errors.DataError, match="y: holds whole numbers beyond 64 bits"):
        classifier().fit(X, [2**70, 1, 2] * 12 + [1], **SILENT)


def test_a_single_loss_weight_is_a_list_too_short():
    with pytest.raises(cr.errors.ParameterError, match="expected 2 loss weights, got 1"):
        cr.Network([cr.Dense(1)(h := cr.Input(2)), cr.Dense(1)(h)], loss=["mse", "mse"], loss_weights=2)


def test_the_width_of_a_sum_is_not_known_before_its_parts():
    x = cr.Input()
    net = cr.Network(cr.Dense(3)(x) + cr.Dense(3)(x), loss="mse")
    assert net.outputs is None
    net.build(2)
    assert net.outputs == 3


def test_a_layer_used_on_two_widths_is_refused():
    dense = cr.Dense(4)
    with pytest.raises(cr.errors.ShapeError, match="hidden1: is used on 3 columns, and on 5"):
        cr.Network(cr.Dense(1)(dense(cr.Input(3)) + dense(cr.Input(5))), loss="mse")
    join = cr.Concatenate()  # has no weights to share
    x = cr.Input(3)
    net = cr.Network(cr.Dense(1)(join(join(x, x), x)), loss="mse")
    net.build()
    assert net.predict(numbers(2, 3)).shape == (2, 1)


# reports ----------------------------------------------------------------------------------------


def test_one_hot_targets_are_measured_like_their_labels():
    rows = np.eye(3)[Y]
    net = classifier()
    history = net.fit(
        X, rows, validation_data=(X, rows), metrics=["f1_macro"], epochs=3, engine="numpy", **SILENT
    )
    assert history["val_f1_macro"][-1] == net.score(X, Y, "f1_macro") == net.score(X, rows, "f1_macro")
    assert net.score(X, rows) == net.evaluate(X, rows)["accuracy"]
    assert np.array_equal(net.confusion_matrix(X, rows), net.confusion_matrix(X, Y))
    assert net.classification_report(X, rows) == net.classification_report(X, Y)
