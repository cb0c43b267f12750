"""Mitchell's procedure: how long to train by cross-validation, for networks and estimators."""

import copy

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold, TimeSeriesSplit
from sklearn.utils.estimator_checks import check_estimator

import chainrule as cr
from chainrule.errors import DataError, NotFittedError, ParameterError
from chainrule.model.cross_validated import StoppingReport

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120] * 10, (Y[:120] - 150) / 80
FLOWERS, KINDS = load_iris(return_X_y=True)
SETTINGS = {"optimizer": cr.Adam(0.02), "batch_size": 16, "seed": 3, "verbose": False, "engine": "numpy"}


def network(outputs=1, loss="mse"):
    return cr.Network([cr.Dense(8, "tanh"), cr.Dropout(0.1), cr.Dense(outputs)], loss=loss, dtype="float64")


def by_hand(net, table, y, splitter, epochs, groups=None, **settings):
    """The folds' curves, and the network trained for the mean of their best epochs."""
    curves = []
    for train, test in splitter.split(table, y, groups):
        fold = copy.deepcopy(net)
        history = fold.fit(
            table[train], y[train], epochs=epochs, validation_data=(table[test], y[test]), **settings
        )
        curves.append(history.val_loss)
    best = [1 + curve.index(min(curve)) for curve in curves]
    final = copy.deepcopy(net)
    final.fit(table, y, epochs=max(1, round(sum(best) / len(best))), **settings)
    return curves, best, final


@pytest.mark.parametrize(
    ("cv", "splitter", "groups"),
    [
        (4, KFold(4), None),
        (KFold(3, shuffle=True, random_state=1), KFold(3, shuffle=True, random_state=1), None),
        (GroupKFold(3), GroupKFold(3), np.arange(120) // 10),
        (TimeSeriesSplit(3), TimeSeriesSplit(3), None),
    ],
    ids=["number", "shuffled", "groups", "time"],
)
def test_it_is_what_it_says(cv, splitter, groups):
    net = network()
    curves, best, final = by_hand(net, X, Y, splitter, 12, groups, **SETTINGS)
    report = net.fit_cross_validated_stopping(X, Y, epochs=12, cv=cv, groups=groups, **SETTINGS)
    assert report.curves == curves
    assert report.best_epochs == best
    assert report.history.epochs == report.epochs == max(1, round(np.mean(best)))
    assert report.spread == np.std(best, ddof=1)
    for name, value in final.parameters.items():
        np.testing.assert_array_equal(net.parameters[name], value)


def test_classes_are_stratified_and_keep_their_labels():
    names = np.array(["setosa", "versicolor", "virginica"])[KINDS]
    net = network(3, "cross_entropy")
    curves, best, _ = by_hand(net, FLOWERS, names, StratifiedKFold(5), 8, **SETTINGS)
    report = net.fit_cross_validated_stopping(FLOWERS, names, epochs=8, cv=5, **SETTINGS)
    assert (report.curves, report.best_epochs) == (curves, best)
    assert set(net.predict(FLOWERS)) <= set(names)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_folds_at_once_give_the_same(backend):
    one, two = network(), network()
    first = one.fit_cross_validated_stopping(X, Y, epochs=5, cv=3, **SETTINGS)
    with joblib.parallel_config(backend=backend):
        second = two.fit_cross_validated_stopping(X, Y, epochs=5, cv=3, n_jobs=2, **SETTINGS)
    assert first.curves == second.curves
    np.testing.assert_array_equal(one["output"].W, two["output"].W)


def test_rows_may_be_sparse_and_have_weights():
    table, weights = X * (np.abs(X) > 0.2), np.linspace(0.1, 2, len(X))
    dense, packed, plain = network(), network(), network()
    own = {**SETTINGS, "sample_weight": weights}
    first = dense.fit_cross_validated_stopping(table, Y, epochs=4, cv=3, **own)
    second = packed.fit_cross_validated_stopping(sparse.csc_array(table), Y, epochs=4, cv=3, **own)
    np.testing.assert_allclose(first.curves, second.curves, rtol=1e-12)
    assert plain.fit_cross_validated_stopping(table, Y, epochs=4, cv=3, **SETTINGS).curves != first.curves


def test_the_report_is_read_at_a_glance(capsys):
    net = network()
    report = net.fit_cross_validated_stopping(X, Y, epochs=6, cv=3, **{**SETTINGS, "verbose": True})
    told = capsys.readouterr().err
    assert told.count("best after") == 3
    assert "fold 3 of 3: best after" in told
    text = str(report)
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[0] == "fold  best epoch  its loss  the last epoch's"
    assert f"of 6 epochs; the folds' are {min(report.best_epochs)} to {max(report.best_epochs)}," in text
    assert ("became better to the end" in text) == (report.at_the_end > 0)
    assert report.to_json()["best_epochs"] == report.best_epochs


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"cv": 1}, ParameterError, r"cv=1: "),
        ({"cv": 200}, ParameterError, r"cv=200: .*n_splits=200"),
        ({"cv": GroupKFold(3)}, ParameterError, "groups"),
        ({"cv": [(np.arange(60), np.arange(60, 120))]}, ParameterError, "makes no two folds"),
        ({"epochs": 0}, ParameterError, "fit_cross_validated_stopping: epochs"),
        ({"validation_data": (X, Y)}, ParameterError, "validation_data is set by the procedure itself"),
        ({"y": Y[:50]}, DataError, "y: has 50 rows, X has 120"),
        ({"optimizer": cr.SGD(1e200)}, DataError, "in fold 1 the loss became infinite in the first epoch"),
    ],
)
@pytest.mark.filterwarnings("ignore:in epoch 1:RuntimeWarning")
def test_what_cannot_be_done_is_said(more, error, message):
    given = {"epochs": 3, "cv": 3, **SETTINGS, **more}
    net = network()
    with pytest.raises(error, match=message):
        net.fit_cross_validated_stopping(X, given.pop("y", Y), **given)
    assert not net.built


def test_folds_run_on_a_cluster_of_dask():
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")
    one, two = network(), network()
    first = one.fit_cross_validated_stopping(X, Y, epochs=4, cv=3, **SETTINGS)
    local = {"processes": False, "n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**local), joblib.parallel_config(backend="dask"):
        second = two.fit_cross_validated_stopping(X, Y, epochs=4, cv=3, n_jobs=-1, **SETTINGS)
    assert first.curves == second.curves
    np.testing.assert_array_equal(one["output"].W, two["output"].W)


def test_a_fold_may_lack_a_class():
    names = np.array(["common", "frequent"] * 29 + ["frequent", "once"])
    net = network(3, "cross_entropy")
    with pytest.warns(UserWarning, match="least populated class in y has only 1 member"):
        report = net.fit_cross_validated_stopping(X[:60], names, epochs=3, cv=3, **SETTINGS)
    assert len(report.curves) == 3
    assert net.classes.tolist() == ["common", "frequent", "once"]


@pytest.mark.parametrize("schedule", [cr.schedules.OneCycle, cr.schedules.CosineDecay])
def test_the_final_learning_rates_are_those_of_the_folds(schedule):
    settings = {**SETTINGS, "optimizer": cr.SGD(schedule(0.3))}
    net, most = network(), 30
    report = net.fit_cross_validated_stopping(X, Y, epochs=most, cv=3, **settings)
    assert report.epochs < most
    other = network()
    found = other.fit(X, Y, epochs=most, callbacks=[Ended(report.epochs)], **settings)
    assert report.trained.learning_rate == found.learning_rate
    np.testing.assert_array_equal(net["output"].W, other["output"].W)
    settings = {"solver": cr.SGD(schedule(0.3)), "batch_size": 16, "max_iter": most, "random_state": 0}
    inner = cr.MLPRegressor(hidden_layer_sizes=(40,), **settings)
    model = cr.CrossValidatedStopping(inner, cv=3).fit(X, Y)
    assert model.estimator_.n_iter_ == model.report_.epochs < most
    rates = model.estimator_.history_.learning_rate
    shorter = min(len(rates), report.epochs)
    assert rates[:shorter] == found.learning_rate[:shorter]


class Ended(cr.Callback):
    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, network, history):
        if history.epochs == self.epochs:
            history.stop("enough")


def test_a_report_without_a_final_network_says_so():
    with pytest.raises(NotFittedError, match="no final network has been trained"):
        StoppingReport([1, 2], [[1.0], [1.0, 0.5]], 2, 2).trained


def test_networks_with_several_tables_are_refused():
    left, right = cr.Input(3, name="a"), cr.Input(2, name="b")
    net = cr.Network(cr.Dense(1)(cr.Concatenate()(left, right)), loss="mse")
    with pytest.raises(ParameterError, match="one input and one output"):
        net.fit_cross_validated_stopping([X[:, :3], X[:, :2]], Y, epochs=2)


# the estimator --------------------------------------------------------------------------------


def test_an_estimator_around_ours():
    inner = cr.MLPRegressor(hidden_layer_sizes=(6,), max_iter=15, random_state=0, learning_rate_init=0.01)
    model = cr.CrossValidatedStopping(inner, cv=3).fit(X, Y)
    curves = []
    for train, test in KFold(3).split(X):
        fold = cr.MLPRegressor(**{**inner.get_params(), "n_iter_no_change": 10**9})
        with pytest.warns(UserWarning, match="maximum of 15 iterations"):
            fold.fit(X[train], Y[train], X_val=X[test], y_val=Y[test])
        curves.append(fold.validation_loss_curve_)
    assert model.report_.curves == curves
    assert model.estimator_.n_iter_ == model.report_.epochs
    assert not hasattr(inner, "coefs_")
    assert model.score(X, Y) == model.estimator_.score(X, Y)


def test_it_is_searched_over_as_any_estimator():
    inner = cr.MLPClassifier((5,), max_iter=10, random_state=0, learning_rate_init=0.05)
    search = GridSearchCV(cr.CrossValidatedStopping(inner, cv=2), {"estimator__alpha": [0.0, 1.0]}, cv=2)
    search.fit(FLOWERS, KINDS)
    assert search.predict_proba(FLOWERS).shape == (150, 3)
    assert search.best_estimator_.classes_.tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator_passes(name, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    settings = {"hidden_layer_sizes": (8,), "max_iter": 25, "learning_rate_init": 0.05, "engine": "numpy"}
    inner = getattr(cr, name)(**settings, random_state=0)
    results = check_estimator(cr.CrossValidatedStopping(inner, cv=2), on_fail=None)
    assert [r["check_name"] for r in results if r["status"] == "failed"] == []


@pytest.mark.parametrize("inner", [cr.MLPClassifier(solver="lbfgs"), KFold(3), None])
def test_estimators_without_epochs_are_refused(inner):
    with pytest.raises(ParameterError, match="must be a MLPClassifier or MLPRegressor of this package"):
        cr.CrossValidatedStopping(inner).fit(FLOWERS, KINDS)
