"""What watches a fit: the moments, early stopping, metrics, weights of rows and classes."""

import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix, f1_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

import chainrule as cr
from chainrule.errors import DataError, NotFittedError, ParameterError, ShapeError, UnknownNameError

QUIET = {"verbose": False, "engine": "numpy"}


def classes(rows=60, seed=0):
    X = np.random.default_rng(seed).normal(size=(rows, 3))
    return X, np.array(["ash", "birch", "cedar"])[X.argmax(axis=1)]


def network(**settings):
    return cr.Network([cr.Dense(6, "tanh"), cr.Dense(3)], loss="cross_entropy", **settings)


class Diary(cr.Callback):
    def __init__(self):
        self.lines = []

    def on_fit_begin(self, network, history):
        self.lines.append(("begin", history.epochs, network.built))

    def on_epoch_end(self, network, history):
        self.lines.append(("epoch", history.epochs, network.calculate_loss(*classes())))

    def on_fit_end(self, network, history):
        self.lines.append(("end", history.epochs, network.calculate_loss(*classes())))


def test_the_moments_come_in_order_with_the_weights_of_then():
    diary = Diary()
    network().fit(*classes(), epochs=3, callbacks=[diary], **QUIET)
    assert [line[:2] for line in diary.lines] == [
        ("begin", 0), ("epoch", 1), ("epoch", 2), ("epoch", 3), ("end", 3),
    ]  # fmt: skip
    assert diary.lines[0][2] is True
    losses = [line[2] for line in diary.lines[1:]]
    assert losses[0] > losses[1] > losses[2] == losses[3]


def test_a_callback_ends_the_fit_after_the_epoch():
    class Enough(cr.Callback):
        def on_epoch_end(self, network, history):
            if history.epochs == 4:
                history.stop("four are enough")

    history = network().fit(*classes(), epochs=20, callbacks=[Enough()], **QUIET)
    assert (history.epochs, history.stopped) == (4, "four are enough")


def test_early_stopping_waits_and_puts_the_best_weights_back():
    X, y = classes(40)
    Xv, yv = classes(40, seed=1)
    yv = np.roll(yv, 1)  # nothing to be learned about these: their loss rises
    net = network()
    watch = cr.EarlyStopping(patience=3)
    history = net.fit(
        X, y, epochs=200, optimizer=cr.Adam(0.05), validation_data=(Xv, yv), callbacks=[watch], **QUIET
    )
    best = int(np.argmin(history.val_loss))
    assert watch.best_epoch == best + 1
    assert history.epochs == best + 1 + 3
    assert watch.best == history.val_loss[best]
    assert net.calculate_loss(Xv, yv) == pytest.approx(history.val_loss[best], rel=1e-6)
    assert history.stopped.startswith("val_loss has not become better for 3 epochs; its best was")
    last = network()
    keep = cr.EarlyStopping(patience=3, restore_best=False)
    last.fit(X, y, epochs=200, optimizer=cr.Adam(0.05), validation_data=(Xv, yv), callbacks=[keep], **QUIET)
    assert last.calculate_loss(Xv, yv) == pytest.approx(history.val_loss[-1], rel=1e-6)


def test_early_stopping_by_a_score_and_with_a_least_gain():
    X, y = classes()
    watch = cr.EarlyStopping("val_accuracy", patience=2)
    history = network().fit(X, y, epochs=300, validation_data=(X, y), callbacks=[watch], **QUIET)
    assert watch.best == max(history.val_accuracy)
    hard = cr.EarlyStopping("loss", patience=2, min_delta=10.0)
    history = network().fit(X, y, epochs=50, callbacks=[hard], **QUIET)
    assert (history.epochs, hard.best_epoch) == (3, 1)


def test_mistakes_with_callbacks():
    X, y = classes()
    for callbacks, message in [
        ([cr.EarlyStopping()], "there is no measure 'val_loss'; this fit has loss. Pass validation_data"),
        ([cr.EarlyStopping("val_los")], "there is no measure 'val_los'"),
        ([cr.EarlyStopping], "must have a method such as on_epoch_end"),
        (cr.EarlyStopping(), "callbacks must be a list"),
    ]:
        with pytest.raises(ParameterError, match=message):
            network().fit(X, y, callbacks=callbacks, **QUIET)
    with pytest.raises(ParameterError, match="patience must be a positive int"):
        cr.EarlyStopping(patience=0)
    with pytest.raises(ParameterError, match="min_delta must be at least 0"):
        cr.EarlyStopping(min_delta=-1)


# metrics ----------------------------------------------------------------------------------------


def test_metrics_are_those_of_scikit_learn():
    X, y = classes()
    net = network()
    history = net.fit(
        X, y, epochs=3, validation_data=(X, y), metrics=["f1_macro", "neg_log_loss", "roc_auc_ovr"], **QUIET
    )
    p = net.predict_proba(X)
    assert history["val_f1_macro"][-1] == pytest.approx(f1_score(y, net.predict(X), average="macro"))
    assert history["val_neg_log_loss"][-1] == pytest.approx(-log_loss(y, p), rel=1e-6)
    assert history["val_roc_auc_ovr"][-1] == pytest.approx(roc_auc_score(y, p, multi_class="ovr"))
    assert net.score(X, y) == pytest.approx((net.predict(X) == y).mean())
    assert net.calculate_loss(X, y) == pytest.approx(log_loss(y, p), rel=1e-5)
    assert np.array_equal(net.confusion_matrix(X, y), confusion_matrix(y, net.predict(X)))
    expected = classification_report(y, net.predict(X), digits=3, zero_division=0)
    assert net.classification_report(X, y) == expected.rstrip()


def test_a_regression_is_scored_by_r2():
    X, _ = classes()
    net = cr.Network([cr.Dense(1)], loss="mse")
    net.fit(X, X[:, 0], epochs=200, optimizer=cr.Adam(0.05), **QUIET)
    assert net.score(X, X[:, 0]) > 0.99
    assert net.score(X, X[:, 0], "neg_mean_absolute_error") > -0.1
    with pytest.raises(ParameterError, match="confusion_matrix: is for classes"):
        net.confusion_matrix(X, X[:, 0])


def test_mistakes_with_metrics():
    X, y = classes()
    with pytest.raises(UnknownNameError, match="did you mean 'f1_macro'"):
        network().fit(X, y, validation_data=(X, y), metrics="f1macro", **QUIET)
    with pytest.raises(ParameterError, match="metrics are measured on validation data"):
        network().fit(X, y, metrics=["f1_macro"], **QUIET)
    with pytest.raises(NotFittedError, match="no weights yet"):
        network().confusion_matrix(X, y)
    x = cr.Input(3)
    several = cr.Network([cr.Dense(1)(x), cr.Dense(1, name="b")(x)], loss=["mse", "mse"])
    several.fit(X, [X[:, 0], X[:, 1]], epochs=1, **QUIET)
    with pytest.raises(ParameterError, match="the network has 2 outputs"):
        several.score(X, X[:, 0])


# weights ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("loss", ["mse", "half_sum", "sum", "cross_entropy", "binary_cross_entropy"])
def test_a_row_that_counts_twice_is_a_row_that_is_there_twice(loss, engine):
    X = np.random.default_rng(0).normal(size=(12, 3))
    classes = loss == "cross_entropy"
    y = np.arange(12) % 2 if classes else (X[:, :2] > 0).astype(float)
    weights = np.array([1, 2, 1, 1, 3, 1, 0, 1, 1, 1, 2, 1])

    def trained(X, y, **settings):
        net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(2)], loss=loss, dtype="float64")
        history = net.fit(
            X, y, batch_size=100, epochs=5, optimizer=cr.SGD(0.05), verbose=False, engine=engine, **settings
        )
        return history.loss, net.parameters

    losses, found = trained(X, y, sample_weight=weights)
    wanted_losses, wanted = trained(np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0))
    assert np.allclose(losses, wanted_losses, rtol=1e-12)
    for name, value in wanted.items():
        assert np.allclose(found[name], value, rtol=1e-9, atol=1e-12), name


def test_class_weights_are_scikit_learns():
    X, y = classes()
    own = {"ash": 2.0, "cedar": 0.5}
    for given, rows in [
        ("balanced", compute_sample_weight("balanced", y)),
        (own, np.array([own.get(label, 1.0) for label in y])),
    ]:
        one, two = network(dtype="float64"), network(dtype="float64")
        one.fit(X, y, epochs=2, class_weight=given, sample_weight=np.arange(60) + 1, **QUIET)
        two.fit(X, y, epochs=2, sample_weight=rows * (np.arange(60) + 1), **QUIET)
        for name, value in one.parameters.items():
            assert np.allclose(value, two.parameters[name], rtol=1e-12)


def test_a_batch_without_weight_changes_nothing():
    X, y = classes(8)
    net, other = network(dtype="float64"), network(dtype="float64")
    settings = {"batch_size": 4, "epochs": 1, "shuffle": False, "optimizer": cr.SGD(0.1), **QUIET}
    history = net.fit(X, y, sample_weight=[0] * 4 + [1] * 4, **settings)
    expected = other.fit(X[4:], y[4:], **settings)
    assert history.loss[0] == pytest.approx(expected.loss[0] / 2, rel=1e-12)  # the first batch's is 0
    for name, value in other.parameters.items():
        assert np.allclose(net.parameters[name], value, rtol=1e-12, atol=0), name


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sample_weight": [1.0]}, ShapeError, "sample_weight: has 1 number, X has 60 rows"),
        ({"sample_weight": [-1.0] * 60}, DataError, "must not be negative, got -1 in row 0"),
        ({"sample_weight": [0.0] * 60}, DataError, "all are zero"),
        ({"sample_weight": [np.nan] * 60}, DataError, "sample_weight: holds NaN"),
        ({"class_weight": {"oak": 1}}, ParameterError, "'oak' is not among the classes"),
        ({"class_weight": "balance"}, UnknownNameError, "did you mean 'balanced'"),
        ({"class_weight": 3}, ParameterError, "must be a dict or 'balanced'"),
    ],
)
def test_weights_that_cannot_be(settings, error, message):
    net = network()
    with pytest.raises(error, match=message):
        net.fit(*classes(), **settings, **QUIET)
    assert not net.built


def test_class_weights_are_for_classes():
    X, _ = classes()
    with pytest.raises(ParameterError, match="is for networks with one output of classes"):
        cr.Network([cr.Dense(1)], loss="mse").fit(X, X[:, 0], class_weight="balanced", **QUIET)
