"""What the estimators have beyond scikit-learn's: layers, losses, validation, callbacks, files."""

import json
import math
import pickle
import warnings

import joblib
import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from chainrule.errors import DataError, ModelFileError, NotFittedError, ParameterError, ShapeError
from chainrule.nn.layers import Layer
from chainrule.training import sparse as sparse_tables

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
XR, YR = load_diabetes(return_X_y=True)
XR, YR = XR[:150] * 10, YR[:150] / 100


def classifier(**settings):
    return MLPClassifier(**{"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0, **settings})


def regressor(**settings):
    return MLPRegressor(**{"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0, **settings})


HOLDING_MOST_BACK = classifier(early_stopping=True, validation_fraction=0.9)


def same(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True)
    )


# the network ----------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"activation": "tanh"}, {"dropout": 0.5}, {"layers": "others"}])
def test_a_warm_start_takes_the_layers_that_the_parameters_describe_by_then(changed):
    if "layers" in changed:
        changed = {"layers": [cr.Dense(8, "tanh")]}
    model = classifier(warm_start=True, max_iter=2).fit(X, Y)
    with_changed = pickle.loads(pickle.dumps(model)).set_params(**changed).fit(X, Y)
    anew = classifier(max_iter=1, **changed).fit(X, Y)
    told = [[(x.kind, x.settings()) for x in m.network_.layers[:-1]] for m in (with_changed, anew)]
    assert told[0] == told[1]
    assert not same(with_changed, model.fit(X, Y))
    again = pickle.loads(pickle.dumps(with_changed))
    network = again._network
    assert again.fit(X, Y)._network is network  # nothing has changed since


def test_partial_fit_of_many_classes_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert classifier().partial_fit(X, Y, classes=np.arange(40)).coefs_[-1].shape == (8, 40)


def test_an_activation_for_each_layer():
    model = classifier(hidden_layer_sizes=(6, 5), activation=["tanh", "gelu"]).fit(X, Y)
    assert [layer.activation for layer in model.network_.layers] == ["tanh", "gelu", "linear"]
    twice = classifier(hidden_layer_sizes=(6, 5), activation=["tanh", "tanh"]).fit(X, Y)
    assert same(twice, classifier(hidden_layer_sizes=(6, 5), activation="tanh").fit(X, Y))


def test_layers_in_place_of_sizes():
    layers = [cr.Dense(6, "tanh"), cr.LayerNorm(), cr.Maxout(4, pieces=2)]
    model = classifier(layers=layers, learning_rate_init=0.05).fit(X, NAMES)
    assert [layer.kind for layer in model.network_.layers] == ["dense", "layer_norm", "maxout", "dense"]
    assert [w.shape for w in model.coefs_] == [(4, 6), (6, 8), (4, 3)]
    assert model.score(X, NAMES) > 0.8
    assert layers[0].values == {}  # the layers given are left alone
    x = cr.Input()
    drawn = classifier(layers=cr.Dense(4, "relu")(x) + cr.Dense(4)(x)).fit(X, Y)
    assert [layer.kind for layer in drawn.network_.layers] == ["dense", "dense", "add", "dense"]
    whole = classifier(layers=lambda inputs, outputs: [cr.Dense(inputs + 1, "relu"), cr.Dense(outputs)]).fit(
        X, Y
    )
    assert [w.shape for w in whole.coefs_] == [(4, 5), (5, 3)]


def test_weights_set_by_hand_count():
    model = classifier().fit(X, Y)
    before = model.predict_proba(X)
    model.coefs_[0][:] = 0
    model.intercepts_ = [np.zeros_like(b) for b in model.intercepts_]
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3, rtol=1e-12)
    assert not model.network_["hidden1"].W.any()
    assert np.abs(before - 1 / 3).max() > 0.1
    model.coefs_ = model.coefs_[:1]
    with pytest.raises(ShapeError, match="must have 2 and 2 arrays, got 1 and 2"):
        model.predict(X)


def test_dropout_and_norm():
    model = classifier(hidden_layer_sizes=(6, 5), dropout=[0.1, 0.4], norm="batch").fit(X, Y)
    kinds = [layer.kind for layer in model.network_.layers]
    assert kinds == ["dense", "batch_norm", "dropout", "dense", "batch_norm", "dropout", "dense"]
    assert [layer.rate for layer in model.network_.layers if layer.kind == "dropout"] == [0.1, 0.4]
    assert np.array_equal(model.predict_proba(X), model.predict_proba(X))
    assert np.abs(model.network_["batch_norm1"].value("mean")).max() > 0
    layered = classifier(norm="layer").fit(X, Y)
    assert [layer.kind for layer in layered.network_.layers] == ["dense", "layer_norm", "dense"]


def test_penalties_of_each_layer():
    settings = {"max_iter": 100, "learning_rate_init": 0.02}
    plain = classifier(alpha=0, **settings).fit(X, Y)
    first = classifier(alpha=[20.0, 0], **settings).fit(X, Y)
    assert np.abs(first.coefs_[0]).sum() < 0.5 * np.abs(plain.coefs_[0]).sum()
    assert np.abs(first.coefs_[1]).sum() > 0.5 * np.abs(plain.coefs_[1]).sum()
    sparse_weights = classifier(alpha=0, l1=[5.0, 0], **settings).fit(X, Y)
    small = (np.abs(sparse_weights.coefs_[0]) < 1e-2).mean()
    assert small > (np.abs(plain.coefs_[0]) < 1e-2).mean() + 0.2


def test_penalties_of_layers_given_are_kept():
    model = classifier(layers=[cr.Dense(5, l2=0.3), cr.Dense(4)], alpha=0.5, l1=0.25).fit(X, Y)
    assert [(layer.l1, layer.l2) for layer in model.network_.layers] == [(0, 0.3), (0.25, 0.25), (0.25, 0.25)]


def test_alpha_may_change_between_warm_starts():
    model = classifier(warm_start=True, alpha=0).fit(X, Y)
    twin = pickle.loads(pickle.dumps(model))
    model.fit(X, Y)
    twin.set_params(alpha=50.0).fit(X, Y)
    assert np.abs(twin.coefs_[0]).sum() < np.abs(model.coefs_[0]).sum()


def test_the_loss_may_change_between_warm_starts():
    model = regressor(warm_start=True, max_iter=40, learning_rate_init=0.02).fit(XR, YR)
    model.set_params(loss=cr.losses.Quantile(0.95)).fit(XR, YR)
    assert model.network_.loss == "quantile"
    assert (model.predict(XR) >= YR).mean() > 0.8


def test_a_float32_network_stays_so_where_float64_rows_follow():
    model = classifier(warm_start=True).fit(X.astype("float32"), Y)
    twin = pickle.loads(pickle.dumps(model)).fit(X.astype("float32"), Y)
    assert same(model.fit(X, Y), twin)
    assert model.coefs_[0].dtype == np.float32


def test_first_weights():
    for init in ("orthogonal", cr.inits.He("normal")):
        model = classifier(init=init, max_iter=1, learning_rate_init=1e-12).fit(X, Y)
        assert not model.intercepts_[0].any() or np.abs(model.intercepts_[0]).max() < 1e-9
    W = [np.full((4, 8), 0.5), np.full((8, 3), -0.25)]
    b = [np.arange(8.0), np.zeros(3)]
    given = classifier(init=(W, b), max_iter=1, learning_rate_init=1e-12).fit(X, Y)
    np.testing.assert_allclose(given.coefs_[0], W[0], atol=1e-9)
    np.testing.assert_allclose(given.intercepts_[0], b[0], atol=1e-9)
    by_name = classifier(init={"output.b": [7.0, 8.0, 9.0]}, max_iter=1, learning_rate_init=1e-12).fit(X, Y)
    np.testing.assert_allclose(by_name.intercepts_[1], [7, 8, 9], atol=1e-9)


def test_frozen_layers_stay():
    first = classifier(max_iter=1).fit(X, Y)
    init = (first.coefs_, first.intercepts_)
    model = classifier(init=init, frozen="hidden1").fit(X, Y)
    assert np.array_equal(model.coefs_[0], first.coefs_[0])
    assert np.array_equal(model.intercepts_[0], first.intercepts_[0])
    assert not np.array_equal(model.coefs_[1], first.coefs_[1])
    half = classifier(init=init, frozen=["hidden1.W", "output.b"]).fit(X, Y)
    assert np.array_equal(half.coefs_[0], first.coefs_[0])
    assert np.array_equal(half.intercepts_[1], first.intercepts_[1])
    assert not np.array_equal(half.intercepts_[0], first.intercepts_[0])


def test_the_network_within_prints_and_checks_itself():
    model = regressor(hidden_layer_sizes=(3,)).fit(XR, YR)
    assert "penalty_per_row" in model.network_.source()
    assert model.network_.summary().count("dense") == 2
    np.testing.assert_allclose(model.network_.predict(XR), model.predict(XR), rtol=1e-12)


# losses and weights of classes ----------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", ["focal", "hinge", "categorical_hinge", "mse", cr.losses.CrossEntropy(0.1)], ids=str
)
@pytest.mark.parametrize("classes", [2, 3])
def test_any_loss_classifies(loss, classes):
    rows = classes > Y
    model = classifier(loss=loss, max_iter=80, learning_rate_init=0.02).fit(X[rows], NAMES[rows])
    assert model.score(X[rows], NAMES[rows]) > 0.9
    probable = loss == "focal" or not isinstance(loss, str)
    assert hasattr(model, "predict_proba") is probable
    if probable:
        np.testing.assert_allclose(model.predict_proba(X[rows]).sum(axis=1), 1, rtol=1e-12)


def test_binary_losses_of_several_classes_are_one_against_the_rest():
    model = classifier(loss="binary_cross_entropy", max_iter=80, learning_rate_init=0.05).fit(X, NAMES)
    assert model.n_outputs_ == 3
    assert model.out_activation_ == "logistic"
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    assert model.score(X, NAMES) > 0.85


@pytest.mark.parametrize("loss", ["mae", "huber", cr.losses.Quantile(0.9), "poisson"], ids=str)
def test_any_loss_regresses(loss):
    model = regressor(loss=loss, max_iter=200, learning_rate_init=0.01).fit(XR, YR)
    below = (model.predict(XR) >= YR).mean()
    if isinstance(loss, str):
        assert model.score(XR, YR) > 0.3
    else:
        assert 0.8 < below < 0.99


def test_own_losses_and_activations():
    def bent(z):
        return cr.tanh(z) + 0.1 * z

    def fourth(z, t):
        return (z - t) ** 4

    model = regressor(loss=fourth, activation=bent, max_iter=100).fit(XR, YR)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert model.network_.loss == "fourth"


def test_labels_of_several_columns():
    A, B = make_multilabel_classification(n_samples=80, n_features=6, n_classes=3, random_state=0)
    for loss in ("log_loss", "hinge", "mse"):
        model = classifier(loss=loss, max_iter=100, learning_rate_init=0.1).fit(A / 10, B)
        assert model.predict(A / 10).shape == B.shape
        assert (model.predict(A / 10) == B).mean() > 0.7
    by_sparse = classifier(max_iter=5).fit(A, sparse.csr_matrix(B))
    assert same(by_sparse, classifier(max_iter=5).fit(A, B))


def test_class_weights_are_sample_weights():
    rows = np.r_[0:50, 50:60, 100:105]
    weighted = classifier(class_weight={"versicolor": 5.0, "virginica": 10.0}).fit(X[rows], NAMES[rows])
    by_rows = np.array([1.0, 5.0, 10.0])[Y[rows]]
    assert same(weighted, classifier().fit(X[rows], NAMES[rows], sample_weight=by_rows))
    balanced = classifier(class_weight="balanced").fit(X[rows], NAMES[rows])
    counts = np.bincount(Y[rows])
    by_rows = (len(rows) / (3 * counts))[Y[rows]]
    assert same(balanced, classifier().fit(X[rows], NAMES[rows], sample_weight=by_rows))
    both = classifier(class_weight={"setosa": 2.0}).fit(X[rows], NAMES[rows], sample_weight=by_rows)
    assert same(both, classifier().fit(X[rows], NAMES[rows], np.where(Y[rows] == 0, 2, 1) * by_rows))


def test_one_class_is_always_predicted():
    model = classifier(max_iter=3).fit(X, np.full(150, "all"))
    assert set(model.predict(X)) == {"all"}
    assert np.array_equal(model.predict_proba(X), np.ones((150, 1)))


# validation -----------------------------------------------------------------------------------


def test_validation_rows_of_the_user():
    train, test = np.arange(0, 150, 2), np.arange(1, 150, 2)
    model = classifier(max_iter=12).fit(X[train], NAMES[train], X_val=X[test], y_val=NAMES[test])
    assert len(model.validation_loss_curve_) == 12
    assert model.validation_scores_ is None
    z = model.network_.predict_proba(X[test])
    measured = -np.log(z[np.arange(75), Y[test]]).mean()
    assert model.validation_loss_curve_[-1] == pytest.approx(measured, rel=1e-9)
    assert model.network_.loss == "cross_entropy"
    assert same(model, classifier(max_iter=12).fit(X[train], NAMES[train]))


def test_weights_of_validation_rows_count():
    weights = np.r_[np.ones(75), np.zeros(75)]
    half = regressor(early_stopping=True).fit(
        XR, YR, X_val=XR, y_val=YR, sample_weight_val=weights[: len(XR)]
    )
    kept = XR[:75], YR[:75]
    other = regressor(early_stopping=True).fit(XR, YR, X_val=kept[0], y_val=kept[1])
    np.testing.assert_allclose(half.validation_scores_, other.validation_scores_, rtol=1e-9)
    np.testing.assert_allclose(half.validation_loss_curve_, other.validation_loss_curve_, rtol=1e-9)


def test_early_stopping_by_rows_of_the_user_keeps_the_best_weights():
    settings = {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 300, "learning_rate_init": 0.05}
    model = classifier(**settings).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert model.n_iter_ < 300
    assert model.score(X[1::2], Y[1::2]) == model.best_validation_score_ == max(model.validation_scores_)


def test_validation_rows_go_through_pipelines():
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(max_iter=6).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.transform_input = ["X_val"]
        raw = 5 + 3 * X
        pipeline.fit(raw, Y, X_val=raw[:40], y_val=Y[:40])
    scaler = pipeline[0]
    direct = classifier(max_iter=6).fit(
        scaler.transform(raw), Y, X_val=scaler.transform(raw[:40]), y_val=Y[:40]
    )
    np.testing.assert_allclose(pipeline[-1].validation_loss_curve_, direct.validation_loss_curve_, rtol=1e-9)


# solvers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "solver",
    ["rmsprop", "adamw", "lion", cr.NAdam(0.01), cr.LBFGS(history=5), cr.SGD(0.1, momentum=0.5)],
    ids=str,
)
def test_any_optimizer_is_a_solver(solver):
    model = classifier(solver=solver, max_iter=60, learning_rate_init=0.01).fit(X, Y)
    assert model.score(X, Y) > 0.8
    kind = solver if isinstance(solver, str) else solver.name
    assert model.network_.optimizer.name == kind


def test_schedules_and_functions_as_learning_rates():
    rates = []
    for rate in (
        cr.schedules.StepDecay(0.1, factor=0.5, every=2),
        lambda epoch: 0.1 * 0.5 ** (int(epoch) // 2),
    ):
        model = classifier(solver="sgd", learning_rate=rate, max_iter=6).fit(X, Y)
        rates.append(model.history_.learning_rate)
    assert rates[0] == rates[1] == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_gradients_are_clipped():
    still = classifier(solver="sgd", momentum=0, clip_norm=1e-9, max_iter=3).fit(X, Y)
    start = classifier(solver="sgd", momentum=0, learning_rate_init=1e-15, max_iter=1).fit(X, Y)
    np.testing.assert_allclose(still.coefs_[0], start.coefs_[0], atol=1e-9)
    by_value = classifier(solver="sgd", momentum=0, clip_value=1e-9, max_iter=3).fit(X, Y)
    np.testing.assert_allclose(by_value.coefs_[0], start.coefs_[0], atol=1e-9)


def test_rows_are_predicted_in_parts_as_at_once(monkeypatch):
    model = classifier(dropout=0.1, norm="batch").fit(X, NAMES)
    whole = model.predict_proba(X)
    monkeypatch.setattr("chainrule.training.prediction.CHUNK", 16)
    np.testing.assert_allclose(model.predict_proba(X), whole, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(sparse.csr_array(X)), whole, rtol=1e-12)
    spoilt = X.copy()
    spoilt[130, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(spoilt)


def test_rows_beyond_the_networks_type_are_refused():
    model = classifier(max_iter=2).fit(X.astype("float32"), Y)
    assert model.coefs_[0].dtype == np.float32
    assert model.predict_proba(X).dtype == np.float32
    with pytest.raises(DataError, match=r"X: 1e\+60 in row 3, column 1 is too large for float32"):
        model.predict(np.where(np.arange(600).reshape(150, 4) == 13, 1e60, X))


def test_blas_has_its_threads_again_afterwards():
    from threadpoolctl import threadpool_info

    from chainrule.emit.pools import MUCH, calm

    def counts():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = counts()
    with calm() as threads, calm():
        assert threads == max(before)
        assert set(counts()) == {1}
    with calm(2 * MUCH):
        assert counts() == before
    assert counts() == before


def test_both_engines_find_the_same():
    by_numpy, by_numba = (classifier(engine=engine, dropout=0.2).fit(X, Y) for engine in ("numpy", "numba"))
    np.testing.assert_allclose(by_numpy.coefs_[0], by_numba.coefs_[0], rtol=1e-9)
    assert (by_numpy.history_.engine, by_numba.history_.engine) == ("numpy", "numba")


def test_partial_fits_are_a_fit_in_parts():
    settings = {"dropout": 0.1, "batch_size": 32, "n_iter_no_change": math.inf}
    whole = classifier(max_iter=7, **settings).fit(X, Y)
    parts = classifier(**settings)
    for _ in range(7):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=1e-12)
    assert parts.loss_curve_ == pytest.approx(whole.loss_curve_, rel=1e-12)
    pickled = pickle.loads(pickle.dumps(parts)).partial_fit(X, Y)
    assert same(pickled, parts.partial_fit(X, Y))


# callbacks ------------------------------------------------------------------------------------


def test_callbacks_of_this_package():
    seen = []

    class Watcher(cr.Callback):
        def on_epoch_end(self, network, history):
            seen.append((history.epochs, float(np.abs(network["hidden1"].W).sum())))
            if history.epochs == 4:
                history.stop("enough")

    model = classifier(callbacks=[Watcher()]).fit(X, Y)
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    assert seen[-1][1] == pytest.approx(np.abs(model.coefs_[0]).sum())
    with pytest.raises(ParameterError, match="callbacks must have a method"):
        classifier(callbacks=[3]).fit(X, Y)


def test_callbacks_of_scikit_learn(capsys):
    callback = pytest.importorskip("sklearn.callback")
    told = []

    class Recorder:
        def setup(self, estimator, context):
            told.append("setup")

        def teardown(self, estimator, context):
            told.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            told.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            told.append(f"end {context.task_name}")
            assert X is given
            if context.task_name == "epoch":
                scores.append(fitted_estimator.score(X, y))
            return len(scores) == 3

    scores, given = [], X
    model = classifier().set_callbacks(Recorder()).fit(X, Y)
    epochs = ["begin epoch", "end epoch"] * 3
    assert told == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert model.n_iter_ == 3
    assert scores[-1] == model.score(X, Y)
    classifier(max_iter=3, norm="batch").set_callbacks(callback.ProgressBar()).fit(X, Y)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(StandardScaler(), classifier(max_iter=4).set_callbacks(monitor))
    pipeline.fit(X, Y)
    assert (
        len(monitor.get_logs()[0].data if isinstance(monitor.get_logs(), list) else monitor.get_logs().data)
        >= 4
    )


# scikit-learn's tools -------------------------------------------------------------------------


def test_searches_and_ensembles():
    model = make_pipeline(StandardScaler(), classifier(max_iter=10, learning_rate_init=0.05))
    grid = GridSearchCV(
        model, {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__dropout": [0, 0.2]}, cv=2
    )
    assert grid.fit(X, NAMES).best_score_ > 0.7
    search = HalvingRandomSearchCV(
        classifier(max_iter=5),
        {"hidden_layer_sizes": [(4,), (5, 3), (3,)]},
        cv=2,
        random_state=0,
        min_resources=40,
    )
    assert set(search.fit(X, Y).best_params_) == {"hidden_layer_sizes"}
    calibrated = CalibratedClassifierCV(classifier(max_iter=10), cv=2).fit(X, Y)
    assert calibrated.predict_proba(X).shape == (150, 3)
    voting = VotingClassifier([("a", classifier()), ("b", classifier(random_state=1))], voting="soft").fit(
        X, NAMES
    )
    assert voting.score(X, NAMES) > 0.3


def test_cross_validation_in_two_processes():
    alone = cross_val_score(classifier(max_iter=5), X, NAMES, cv=3)
    assert cross_val_score(classifier(max_iter=5), X, NAMES, cv=3, n_jobs=2).tolist() == alone.tolist()


def test_set_output_of_a_pipeline_reaches_the_estimator():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = (
        make_pipeline(StandardScaler(), classifier(max_iter=3)).set_output(transform="pandas").fit(frame, Y)
    )
    assert model[-1].feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        model[-1].predict(frame.rename(columns={"a": "z"}))


def test_parameters_are_kept_as_they_are_given():
    given = {"hidden_layer_sizes": [3], "solver": cr.NAdam(0.01), "layers": [cr.Dense(2)], "callbacks": []}
    model = MLPClassifier(**given)
    assert all(model.get_params()[name] is value for name, value in given.items())
    copy = clone(model)
    assert copy.solver == given["solver"]
    assert isinstance(copy.layers[0], Layer)
    unchecked = MLPRegressor(alpha="nonsense", solver=3)
    assert unchecked.get_params()["alpha"] == "nonsense"
    assert repr(MLPClassifier(max_iter=3)) == "MLPClassifier(max_iter=3)"


def test_pickles_and_joblib(tmp_path):
    model = classifier(norm="batch").fit(X, NAMES)
    for copy in (pickle.loads(pickle.dumps(model)), clone(model).fit(X, NAMES)):
        assert np.array_equal(copy.predict_proba(X), model.predict_proba(X))
    joblib.dump(model, tmp_path / "model.joblib")
    assert np.array_equal(joblib.load(tmp_path / "model.joblib").predict(X), model.predict(X))


# files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "x", "y"),
    [
        (lambda: classifier(hidden_layer_sizes=(6, 4), activation=("tanh", "relu"), norm="batch"), X, NAMES),
        (lambda: classifier(early_stopping=True, n_iter_no_change=math.inf), X, Y),
        (lambda: classifier(loss=cr.losses.Focal(1.0), solver=cr.NAdam(0.01)), X, Y > 0),
        (lambda: classifier(loss="mse"), X, NAMES.astype(object)),
        (lambda: classifier(class_weight={1: 2.0, 0: 1.5}, init="he"), X, (Y > 0).astype(np.int8)),
        (lambda: classifier(), X, np.column_stack([Y > 0, Y > 1, Y == 0]).astype(int)),
        (lambda: regressor(loss="poisson", alpha=[0.1, 0.2]), XR, YR),
        (
            lambda: regressor(learning_rate=cr.schedules.StepDecay(0.01)),
            XR.astype("float32"),
            np.c_[YR, YR**2],
        ),
    ],
)
def test_estimators_are_saved_and_loaded(make, x, y, tmp_path):
    model = make().fit(x, y)
    path = tmp_path / "model.chainrule"
    model.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = type(model).load(path)
    assert repr(loaded) == repr(model)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert loaded.predict(x).dtype == model.predict(x).dtype
    if hasattr(model, "predict_proba"):
        assert np.array_equal(loaded.predict_proba(x), model.predict_proba(x))
    for name in ("loss_curve_", "n_iter_", "t_", "validation_scores_", "n_features_in_", "out_activation_"):
        assert getattr(loaded, name) == getattr(model, name)
    network = cr.load(path)
    assert all(
        np.array_equal(a, b)
        for a, b in zip(network.parameters.values(), model.network_.parameters.values(), strict=True)
    )
    loaded.set_params(early_stopping=False).partial_fit(x, y)
    assert loaded.t_ > model.t_


def test_a_loaded_network_predicts_labels(tmp_path):
    model = classifier().fit(X, NAMES)
    model.save(tmp_path / "m")
    assert cr.load(tmp_path / "m").predict(X).tolist() == model.predict(X).tolist()
    two = classifier().fit(X, NAMES == "setosa")
    two.save(tmp_path / "two")
    assert cr.load(tmp_path / "two").predict(X).tolist() == two.predict(X).tolist()


def test_feature_names_are_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    classifier().fit(frame, Y).save(tmp_path / "m")
    loaded = MLPClassifier.load(tmp_path / "m")
    assert loaded.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(frame.rename(columns={"a": "z"}))


def test_what_a_file_cannot_hold_is_said(tmp_path):
    def bent(z):
        return cr.tanh(z)

    model = classifier(activation=bent, callbacks=[cr.EarlyStopping("loss")]).fit(X, Y)
    model.save(tmp_path / "m")
    with pytest.warns(UserWarning, match="activation, callbacks had such"):
        loaded = MLPClassifier.load(tmp_path / "m", functions={"bent": bent})
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ModelFileError, match="bent"):
        MLPClassifier.load(tmp_path / "m")


def broken(tmp_path, change):
    """A file whose description of the estimator was changed, with a checksum that fits."""
    from chainrule.training.storage import read_model, write_model

    model = classifier().fit(X, NAMES)
    model.save(tmp_path / "m")
    header, tensors = read_model(tmp_path / "m")
    header = json.loads(json.dumps(header))
    change(header["estimator"])
    write_model(tmp_path / "m", {k: v for k, v in header.items() if k != "version"}, tensors)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.update({"class": "MLPRegressor"}), "is a 'MLPRegressor', not a MLPClassifier"),
        (lambda e: e["parameters"].update(nonsense=1), "does not describe an estimator"),
        (lambda e: e["parameters"].update(alpha={"code": "x"}), "its parameters are broken \\('code'\\)"),
        (lambda e: e["parameters"].update(alpha=-1), "alpha must be at least 0"),
        (lambda e: e["curves"].update(loss_=["a"]), "its loss_ is broken"),
        (lambda e: e["targets"].update(classes=["a", "b"]), "does not describe an estimator"),
        (lambda e: e["targets"].update(dtype="V8"), "class labels of type 'V8'"),
        (lambda e: e["targets"].update(classes=[[1], 2, 3]), "class labels are broken"),
        (lambda e: e.update(feature_names=["a"]), "it has 1 names for 4 columns"),
        (lambda e: e.pop("left_out"), "does not describe an estimator"),
    ],
)
def test_broken_files_are_refused(change, message, tmp_path):
    broken(tmp_path, change)
    with pytest.raises(ModelFileError, match=message):
        MLPClassifier.load(tmp_path / "m")


def test_files_of_networks_are_no_estimators(tmp_path):
    net = cr.Network([cr.Dense(2)], loss="mse")
    net.build(3)
    net.save(tmp_path / "net")
    with pytest.raises(ModelFileError, match="is a network, not an estimator"):
        MLPRegressor.load(tmp_path / "net")
    with pytest.raises(NotFittedError, match="nothing to save yet"):
        MLPRegressor().save(tmp_path / "m")


# sparse tables --------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_sparse_rows_are_made_dense_a_few_at_a_time(engine, monkeypatch):
    table = np.where(np.random.default_rng(0).random((90, 12)) < 0.2, 1.0, 0.0)
    labels = np.arange(90) % 3
    monkeypatch.setattr(sparse_tables, "BYTES", 30 * 12 * 8)
    given = {"sample_weight": np.linspace(0.5, 2, 90)}
    by_rows = classifier(batch_size=16, engine=engine).fit(table, labels, **given)
    by_sparse = classifier(batch_size=16, engine=engine).fit(sparse.csr_array(table), labels, **given)
    assert same(by_rows, by_sparse)
    assert np.array_equal(by_rows.predict_proba(table), by_sparse.predict_proba(sparse.coo_array(table)))
    stopped = [
        classifier(early_stopping=True, engine=engine).fit(kind(table), labels).validation_scores_
        for kind in (np.asarray, sparse.csc_matrix)
    ]
    assert stopped[0] == stopped[1]


def test_lbfgs_refuses_a_sparse_table_that_would_be_too_large(monkeypatch):
    monkeypatch.setattr(sparse_tables, "WHOLE", 1000)
    with pytest.raises(
        DataError, match=r"L-BFGS works on all rows at once. As a dense array of shape \(150, 4\)"
    ):
        classifier(solver="lbfgs").fit(sparse.csr_array(X), Y)


# errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_layer_sizes": -1}, "MLPClassifier: hidden_layer_sizes must be > 0, got \\[-1\\]"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes must be > 0"),
        ({"shuffle": 1}, "MLPClassifier: shuffle must be True or False, got 1"),
        ({"max_iter": 0}, "MLPClassifier: max_iter must be a positive int"),
        ({"max_fun": -1}, "max_fun must be a positive int"),
        ({"batch_size": "big"}, "batch_size must be a positive int"),
        ({"n_iter_no_change": -1}, "n_iter_no_change must be a positive int"),
        ({"tol": -1.0}, "tol must be at least 0"),
        ({"power_t": "a"}, "power_t must be at least 0"),
        ({"learning_rate_init": 0}, "learning_rate_init must be above 0"),
        ({"epsilon": 0}, "epsilon must be above 0"),
        ({"beta_1": 1.0}, "beta_1 must be at least 0 and below 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1"),
        ({"momentum": 1.5}, "momentum must be at least 0 and below 1"),
        ({"alpha": -1}, "MLPClassifier: alpha must be at least 0"),
        ({"alpha": [1, 2, 3]}, "alpha must be one number or 2, one a layer, got 3"),
        ({"l1": [1]}, "l1 must be one number or 2"),
        ({"dropout": [0.1, 0.2]}, "dropout must be one number or 1"),
        ({"activation": ["relu", "tanh"]}, "activation must be one, or 1, one a hidden layer, got 2"),
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"engine": "fast"}, "MLPClassifier: engine 'fast' is unknown"),
        ({"norm": "batches"}, "norm 'batches' is unknown"),
        ({"solver": "adma"}, "solver 'adma' is unknown; did you mean 'adam'"),
        ({"learning_rate": "constnat"}, "learning_rate 'constnat' is unknown"),
        ({"loss": "log_los"}, "loss 'log_los' is unknown"),
        ({"layers": 3}, "layers must be a list of layers"),
        ({"init": ([], [])}, "a pair \\(coefs, intercepts\\) of 2 and 2 arrays"),
        ({"frozen": "hidden9"}, "layer 'hidden9' is unknown"),
        ({"class_weight": {7: 1.0}}, "7 is not among the classes"),
    ],
)
def test_parameters_are_checked_when_the_estimator_is_fitted(settings, message):
    model = MLPClassifier(**settings)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: classifier().partial_fit(X, Y), "classes must be passed on the first call"),
        (
            lambda: classifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2]),
            "needs all rows at once",
        ),
        (lambda: classifier().fit(X, Y, X_val=X), "X_val and y_val belong together"),
        (lambda: classifier().fit(X, Y, sample_weight_val=Y), "sample_weight_val needs X_val"),
        (lambda: classifier().fit(X, Y, X_val=X, y_val=Y + 1), "classes not in `self.classes_`"),
        (lambda: regressor(loss="cross_entropy").fit(XR, YR), "loss cross_entropy is for classes"),
        (lambda: regressor(loss="poisson").fit(XR, -YR), "needs counts or rates of at least 0"),
        (lambda: regressor().fit(XR, YR, sample_weight=-YR), "weights must not be negative"),
        (lambda: classifier(loss="cross_entropy").fit(X, np.c_[Y > 0, Y > 1]), "is for one label a row"),
        (lambda: classifier(class_weight="balanced").fit(X, np.c_[Y > 0, Y > 1]), "is for one label a row"),
        (lambda: classifier().fit(X, np.c_[Y, Y]), "Multioutput target data is not supported"),
        (
            lambda: regressor(warm_start=True).fit(XR, YR).fit(XR, np.c_[YR, YR]),
            "the network has 10 inputs and 1 outputs, got data for 10 and 2",
        ),
        (lambda: regressor().fit(XR.astype("float32"), YR * 1e300), "y: .* is too large for float32"),
        (
            lambda: classifier(warm_start=True).fit(X, Y).set_params(hidden_layer_sizes=(4,)).fit(X, Y),
            r"other layers than those that were fitted: weights of shapes \[\(4, 4\), .*, not \[\(4, 8\)",
        ),
        (
            lambda: regressor(early_stopping=True).fit(XR, YR, X_val=XR[:1], y_val=YR[:1]),
            "X_val: early stopping goes by R2, which one row has not got",
        ),
        (
            lambda: classifier(early_stopping=True).fit(X, Y, sample_weight=np.arange(150) == 7),
            "all rows held back have the weight 0",
        ),
        (
            lambda: HOLDING_MOST_BACK.fit(X, Y, sample_weight=np.arange(150) == 7),
            "all rows to train on have the weight 0",
        ),
        (lambda: classifier().fit(np.ma.masked_less(X, -2), Y), "X: 1 of 600 values is masked"),
        (lambda: regressor().fit(XR, np.ma.masked_less(YR, 1)), "y: .* of 150 values are masked"),
        (
            lambda: classifier().fit(X, Y).predict(np.ma.masked_less(X, -2)),
            "X: .* is masked, that is missing",
        ),
        (lambda: classifier().partial_fit(X, NAMES, classes=[0, 1, 2]), "y has classes not in .* 'setosa'"),
        (lambda: classifier().partial_fit(X, Y, classes=["a", "b"]), "y has classes not in `self.classes_`"),
    ],
)
def test_calls_are_checked(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_is_not_there_is_not_offered():
    assert not hasattr(classifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(regressor(solver=cr.LBFGS()), "partial_fit")
    assert not hasattr(classifier(loss="hinge"), "predict_proba")
    with pytest.raises(sklearn.exceptions.NotFittedError):
        classifier().predict(X)


def test_a_batch_larger_than_the_data_is_told():
    with pytest.warns(UserWarning, match="batch_size=1000 is more than the 150 rows"):
        classifier(batch_size=1000).fit(X, Y)


def test_ends_that_are_told():
    with pytest.warns(ConvergenceWarning, match="the maximum of 20 iterations is reached"):
        classifier().fit(X, Y)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge after 20 iterations"):
        classifier(solver="lbfgs").fit(X, Y)
    with pytest.raises(
        DataError, match=r"Solver produced non-finite .*epoch [0-9]+, step .*Lower the learning rate"
    ):
        regressor(solver="sgd", learning_rate_init=1e200).fit(XR, YR)


def test_what_is_printed(capsys):
    regressor(verbose=True, early_stopping=True, max_iter=2).fit(XR, YR)
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == ["Iteration", "Validation"] * 2
    classifier(
        solver="sgd", verbose=True, learning_rate="adaptive", tol=10, n_iter_no_change=1, max_iter=99
    ).fit(X, Y)
    printed = capsys.readouterr().out
    assert "Setting learning rate to 0.000200" in printed
    assert printed.endswith("for 1 epochs in a row. Stopping.\n")
