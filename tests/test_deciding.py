"""Thresholds, calibration and scorers of networks, beside scikit-learn's own."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, f1_score, fbeta_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

import chainrule as cr
from chainrule.errors import DataError, ModelFileError, NotFittedError, ParameterError, UnknownNameError
from chainrule.model.thresholds import MOST, candidates
from chainrule.training.storage import read_model, write_model

RNG = np.random.default_rng(0)
ROWS = 900
X = RNG.normal(size=(ROWS, 3))
Y = np.where(X[:, 0] + RNG.normal(size=ROWS) > 1.5, "yes", "no")
TRAIN, HELD, TEST = slice(0, 300), slice(300, 600), slice(600, None)
KINDS = {
    "softmax": (2, "cross_entropy"),
    "logistic": (1, "binary_cross_entropy"),
    "focal": (2, "focal"),
}
F2 = make_scorer(fbeta_score, beta=2, pos_label="yes")


def trained(kind="softmax", y=Y, **settings):
    units, loss = KINDS[kind]
    net = cr.Network([cr.Dense(12, "relu"), cr.Dense(units)], loss)
    given = {"epochs": 20, "optimizer": cr.Adam(0.02), "engine": "numpy", "verbose": False, **settings}
    net.fit(X[TRAIN], y[TRAIN], **given)
    return net


@pytest.fixture(scope="module")
def nets():
    return {kind: trained(kind, sampling="balanced") for kind in KINDS}


@pytest.fixture(params=KINDS)
def net(request, nets, tmp_path):
    """A copy, from a file."""
    nets[request.param].save(tmp_path / "net")
    return cr.load(tmp_path / "net")


# scorers --------------------------------------------------------------------------------------


def test_measures_of_one_class_ask_for_the_second_where_none_is_called_one(nets):
    net = nets["softmax"]
    assert net.score(X[TEST], Y[TEST], "f1") == f1_score(Y[TEST], net.predict(X[TEST]), pos_label="yes")
    p = net.predict_proba(X[TEST])[:, 1]
    assert net.score(X[TEST], Y[TEST], "average_precision") == average_precision_score(Y[TEST] == "yes", p)
    assert net.score(X[TEST], Y[TEST], F2) == fbeta_score(
        Y[TEST], net.predict(X[TEST]), beta=2, pos_label="yes"
    )
    # one-hot rows too; and where a label is 1, that is it, as scikit-learn has it
    other = trained(y=np.where(Y == "yes", 2, 1))
    assert (
        other.score(X[TEST], np.where(Y == "yes", 2, 1)[TEST], "recall")
        == (other.predict(X[TEST])[Y[TEST] == "no"] == 1).mean()
    )


def test_a_fit_measures_scorers_of_ones_own_and_stops_by_them():
    watch = cr.EarlyStopping("val_f2", patience=3)
    net = cr.Network([cr.Dense(12, "relu"), cr.Dense(2)], "cross_entropy")
    history = net.fit(
        X[TRAIN],
        Y[TRAIN],
        epochs=12,
        validation_data=(X[HELD], Y[HELD]),
        metrics={"f2": F2},
        callbacks=[watch],
        optimizer=cr.Adam(0.05),
        verbose=False,
    )
    assert history.measures == ["loss", "val_loss", "val_accuracy", "val_f2"]
    assert watch.best == max(history["val_f2"])
    assert net.score(X[HELD], Y[HELD], F2) == pytest.approx(watch.best)


@pytest.mark.parametrize("way", ["early stopping", "checkpoint"])
def test_a_scorer_that_is_called_a_loss_is_still_better_when_larger(way, tmp_path):
    """neg_log_loss is negative, so that more is better, as of all of scikit-learn's scorers."""
    watch = cr.EarlyStopping("val_neg_log_loss", patience=100)
    kept = cr.Checkpoint(tmp_path, best="val_neg_log_loss")
    net = cr.Network([cr.Dense(12, "relu"), cr.Dense(2)], "cross_entropy")
    history = net.fit(
        X[TRAIN],
        Y[TRAIN],
        epochs=10,
        validation_data=(X[HELD], Y[HELD]),
        metrics="neg_log_loss",
        callbacks=[watch if way == "early stopping" else kept],
        verbose=False,
    )
    best = max(history["val_neg_log_loss"])
    found = net if way == "early stopping" else cr.load(tmp_path / "best.chainrule")
    assert found.score(X[HELD], Y[HELD], "neg_log_loss") == pytest.approx(best)
    assert best > history["val_neg_log_loss"][0]


def test_scorers_that_cannot_be_are_refused(nets):
    net = nets["softmax"]
    with pytest.raises(
        ParameterError, match="metric must be the name of a scorer or what make_scorer gives, got 3"
    ):
        net.score(X, Y, 3)
    never = make_scorer(f1_score, pos_label="never")
    with pytest.raises(
        ParameterError, match=r"metric make_scorer.*never is not a valid label.* Take another"
    ):
        net.score(X, Y, never)
    three = three_classes()
    with pytest.raises(ParameterError, match=r"metric 'f1': Target is multiclass .* Take another"):
        three.score(X, np.digitize(X[:, 0], [-0.5, 0.5]), "f1")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scoring", ["f1", "f1_macro", "neg_log_loss", "loss", F2])
def test_estimators_stop_by_any_scorer(scoring):
    model = cr.MLPClassifier((8,), early_stopping=True, scoring=scoring, random_state=0, max_iter=12)
    model.fit(X[TRAIN], Y[TRAIN], X_val=X[HELD], y_val=Y[HELD])
    best = model.best_validation_score_
    assert best == max(model.validation_scores_)
    if scoring == "loss":
        assert best == pytest.approx(-log_loss(Y[HELD], model.predict_proba(X[HELD])), rel=1e-6)
    elif scoring == "f1":
        assert best == f1_score(Y[HELD], model.predict(X[HELD]), pos_label="yes")
    else:
        scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
        assert best == pytest.approx(scorer(model, X[HELD], Y[HELD]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_class_weights_do_not_weigh_a_scorer_and_sample_weights_do():
    weights = RNG.uniform(0.1, 5, ROWS)
    settings = {"early_stopping": True, "scoring": "accuracy", "random_state": 0, "max_iter": 4}
    plain = cr.MLPClassifier((8,), class_weight="balanced", **settings).fit(X, Y)
    assert plain.best_validation_score_ * 90 == pytest.approx(round(plain.best_validation_score_ * 90))
    weighted = cr.MLPClassifier((8,), **settings).fit(
        X, Y, weights, X_val=X[:50], y_val=Y[:50], sample_weight_val=weights[:50]
    )
    right = weighted.predict(X[:50]) == Y[:50]
    assert weighted.best_validation_score_ == pytest.approx(np.average(right, weights=weights[:50]))
    with pytest.raises(ParameterError, match=r"metric .*sample_weight.* Take another"):
        cr.MLPClassifier((8,), **{**settings, "scoring": lambda model, X, y: 1.0}).fit(X, Y, weights)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("columns", [1, 2])
def test_regressors_stop_by_any_scorer(columns):
    y = X[:, :columns] if columns > 1 else X[:, 0]
    model = cr.MLPRegressor(
        hidden_layer_sizes=(8,),
        early_stopping=True,
        scoring="neg_mean_absolute_error",
        random_state=0,
        max_iter=6,
    ).fit(X[TRAIN], y[TRAIN], X_val=X[HELD], y_val=y[HELD])
    assert model.best_validation_score_ == pytest.approx(-np.abs(model.predict(X[HELD]) - y[HELD]).mean())
    with pytest.raises(UnknownNameError, match="metric 'mae' is unknown"):
        cr.MLPRegressor(scoring="mae", early_stopping=True).fit(X, y)


# thresholds -----------------------------------------------------------------------------------


def test_no_threshold_of_all_is_better(net):
    measure = F2 if net.loss == "focal" else "f1"
    p = net.predict_proba(X[HELD]).astype(float)
    report = net.tune_threshold(X[HELD], Y[HELD], measure)
    assert np.array_equal(net.predict_proba(X[HELD]).astype(float), p)
    assert net.score(X[HELD], Y[HELD], measure) == report.score >= report.before
    assert np.array_equal(net.predict(X[HELD]) == "yes", p[:, 1] >= net.threshold)
    every = [
        (net.__setattr__("threshold", float(t)), net.score(X[HELD], Y[HELD], measure))[1]
        for t in np.linspace(p[:, 1].min() + 1e-9, p[:, 1].max() - 1e-9, 20)
    ]
    assert report.score >= max(every)


def test_it_finds_what_scikit_learns_finds(net):
    """On the same rows, with the same thresholds to choose from."""
    report = net.tune_threshold(X[HELD], Y[HELD], "balanced_accuracy")
    theirs = TunedThresholdClassifierCV(
        FrozenEstimator(Given(net)),
        cv="prefit",
        refit=False,
        thresholds=report.thresholds,
        store_cv_results=True,
    ).fit(X[HELD], Y[HELD])
    assert theirs.best_score_ == pytest.approx(report.score)
    assert np.allclose(theirs.cv_results_["scores"], report.scores)


def test_all_that_counts_decisions_goes_by_the_threshold(net, tmp_path):
    plain = net.predict(X[TEST])
    likelier = net.classes[net.predict_proba(X[TEST]).argmax(axis=1)]
    assert np.array_equal(plain, likelier)
    assert net.threshold is None
    text = net.summary()
    net.threshold = 0.8
    assert (net.predict(X[TEST]) != plain).any()
    assert net.summary() == f"{text}\n'yes' is predicted from a probability of 0.8 on"
    right = net.predict(X[TEST]) == Y[TEST]
    assert net.evaluate(X[TEST], Y[TEST])["accuracy"] == right.mean() == net.score(X[TEST], Y[TEST])
    assert np.trace(net.confusion_matrix(X[TEST], Y[TEST])) == right.sum()
    net.save(tmp_path / "model")
    loaded = cr.load(tmp_path / "model")
    assert loaded.threshold == 0.8
    assert np.array_equal(loaded.predict(X), net.predict(X))
    net.threshold = None
    assert np.array_equal(net.predict(X[TEST]), plain)


def test_a_fit_forgets_the_threshold(net):
    net.threshold = 0.9
    history = net.fit(X[TRAIN], Y[TRAIN], epochs=1, validation_data=(X[HELD], Y[HELD]), verbose=False)
    assert net.threshold is None
    assert history.val_accuracy[-1] == net.evaluate(X[HELD], Y[HELD])["accuracy"]


def test_a_threshold_and_one_hot_rows(nets):
    net = trained(y=np.eye(2)[(Y == "yes").astype(int)])
    report = net.tune_threshold(X[HELD], np.eye(2)[(Y == "yes").astype(int)][HELD], "f1")
    assert report.label == 1
    assert set(net.predict(X[TEST]).tolist()) == {0, 1}


def test_of_equal_thresholds_the_one_nearest_to_a_half_is_taken():
    net = cr.Network([cr.Dense(1, weights=[[1.0]], bias=[0.0])], "binary_cross_entropy")
    table, y = np.array([[-3.0], [-2.0], [2.0], [3.0]]), np.array([0, 0, 1, 1])
    net.fit(table, y, epochs=1, optimizer=cr.SGD(1e-9), verbose=False)
    report = net.tune_threshold(table, y)
    assert report.threshold == 0.5
    assert report.score == report.before == 1.0


def test_candidates_lie_below_each_yes():
    p, places = RNG.uniform(size=3000), RNG.integers(0, 2, 3000)
    found = candidates(p, places)
    assert len(found) == MOST
    every = np.sort(p)
    for threshold in found[::20]:
        assert places[p == every[np.searchsorted(every, threshold)]] == 1
    assert candidates(np.array([0.0, 0.5]), np.array([1, 1])).tolist() == [0.25]
    assert candidates(np.array([0.5, 1 - 2**-53, 1.0]), np.array([1, 0, 1])).tolist() == [0.25]


def test_a_measure_that_some_thresholds_have_not_is_chosen_by_the_others(net):
    share = make_scorer(lambda t, said: np.nan if (said == "yes").mean() > 0.3 else (said == "yes").mean())
    assert 0 < net.tune_threshold(X[HELD], Y[HELD], share).score <= 0.3


def test_reports_say_what_was_done(nets):
    net = trained()
    report = net.tune_threshold(X[HELD], Y[HELD], F2)
    assert str(report) == (
        f"'yes' from a probability of {net.threshold:.4g} on\nfbeta_score {report.before:.4f} before, "
        f"{report.score:.4f} after\non the 300 rows that it was chosen on"
    )
    assert report.to_json() == {
        "threshold": net.threshold,
        "label": "yes",
        "measure": "fbeta_score",
        "score": report.score,
        "before": report.before,
        "rows": 300,
    }


def broken_threshold(path, value):
    header, tensors = read_model(path)
    header["targets"][0]["threshold"] = value
    write_model(path, {k: v for k, v in header.items() if k != "version"}, tensors)
    return path


@pytest.mark.parametrize("value", [0.0, 1.0, -1, "0.5", [0.5], True])
def test_a_broken_threshold_in_a_file_is_refused(value, nets, tmp_path):
    net = trained(epochs=1)
    net.threshold = 0.5
    net.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="its threshold is broken"):
        cr.load(broken_threshold(tmp_path / "model", value))


def three_classes():
    net = cr.Network([cr.Dense(3)], "cross_entropy")
    net.fit(X, np.digitize(X[:, 0], [-0.5, 0.5]), epochs=1, verbose=False)
    return net


def hinged():
    net = cr.Network([cr.Dense(1)], "hinge")
    net.fit(X, Y, epochs=1, verbose=False)
    return net


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda net: cr.Network([cr.Dense(2)], "cross_entropy").tune_threshold(X, Y),
            NotFittedError,
            "not fitted yet",
        ),
        (
            lambda net: three_classes().tune_threshold(X, Y),
            ParameterError,
            "is for two classes, and the network has 3",
        ),
        (
            lambda net: setattr(three_classes(), "threshold", 0.5),
            ParameterError,
            "threshold: is for two classes",
        ),
        (lambda net: hinged().tune_threshold(X, Y), ParameterError, "loss 'hinge' gives none here"),
        (lambda net: net.tune_threshold(X, Y, "f3"), UnknownNameError, "metric 'f3' is unknown"),
        (
            lambda net: net.tune_threshold(X, Y, "roc_auc"),
            ParameterError,
            "roc_auc is 0.* with every threshold",
        ),
        (
            lambda net: net.tune_threshold(X, Y, make_scorer(lambda t, said: np.nan)),
            ParameterError,
            "is nan with every threshold",
        ),
        (lambda net: net.tune_threshold(X, ["no"] * ROWS), DataError, "all rows are of class 'no'"),
        (lambda net: setattr(net, "threshold", 1.0), ParameterError, "threshold must be above 0 and below 1"),
        (
            lambda net: setattr(net, "threshold", 0),
            ParameterError,
            "threshold must be above 0 and below 1, got 0",
        ),
    ],
)
def test_what_thresholds_refuse(nets, call, kind, message):
    with pytest.raises(kind, match=message):
        call(nets["softmax"])
    assert nets["softmax"].threshold is None


# calibration ----------------------------------------------------------------------------------


def log_loss_of(net, rows):
    return -net.score(X[rows], Y[rows], "neg_log_loss")


@pytest.mark.parametrize("method", ["temperature", "bias_corrected"])
def test_no_other_temperature_has_a_smaller_log_loss(net, method):
    """Against SciPy's search for the same number, and its gradient by differences."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    z = net._outputs_of_rows(net._tables(X[HELD]), "z")[0].astype(float)
    z = np.c_[np.zeros(len(z)), z] if z.shape[1] == 1 else z
    t = (Y[HELD] == "yes").astype(int)
    before, plain = log_loss_of(net, HELD), net.predict(X[HELD])

    def loss(v):
        shifts = np.array([0.0, v[1]]) if method == "bias_corrected" else 0.0
        return -log_softmax(z * np.exp(v[0]) + shifts, axis=1)[np.arange(len(t)), t].mean()

    found = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    done = net.calibrate(X[HELD], Y[HELD], method)
    assert done.temperature == pytest.approx(np.exp(-found.x[0]), rel=1e-3)
    assert log_loss_of(net, HELD) == pytest.approx(found.fun, abs=1e-6)
    assert done.log_loss == pytest.approx((before, found.fun), abs=1e-5)
    assert done.brier[1] == pytest.approx(-net.score(X[HELD], Y[HELD], "neg_brier_score"), abs=1e-6)
    if method == "temperature":
        assert np.array_equal(net.predict(X[HELD]), plain)
        assert done.shifts == []
    again = net.calibrate(X[HELD], Y[HELD], method)
    assert again.temperature == pytest.approx(1, abs=1e-3)


def test_bias_corrected_mends_what_sampling_did_on_rows_never_seen(net):
    """The mean probability becomes the share of the class."""
    share = (Y == "yes").mean()
    assert net.predict_proba(X[TEST])[:, 1].mean() > share + 0.1
    before = log_loss_of(net, TEST)
    net.calibrate(X[HELD], Y[HELD], "bias_corrected")
    assert abs(net.predict_proba(X[TEST])[:, 1].mean() - share) < 0.05
    assert log_loss_of(net, TEST) < before - 0.1


class Given(ClassifierMixin, BaseEstimator):
    """A network for scikit-learn's tools."""

    def __init__(self, net):
        self.net, self.classes_ = net, net.classes

    def fit(self, X, y):
        raise AssertionError("it is fitted already")

    def predict(self, X):
        return self.net.predict(X)

    def predict_proba(self, X):
        return self.net.predict_proba(X)


def test_temperature_is_scikit_learns(net):
    theirs = CalibratedClassifierCV(FrozenEstimator(Given(net)), method="temperature")
    p = theirs.fit(X[HELD], Y[HELD]).predict_proba(X[TEST])
    net.calibrate(X[HELD], Y[HELD])
    assert np.allclose(p, net.predict_proba(X[TEST]), atol=1e-4)


def test_a_threshold_moves_along_so_that_decisions_stay(net):
    net.tune_threshold(X[HELD], Y[HELD], "f1")
    before, plain = net.threshold, net.predict(X)
    net.calibrate(X[HELD], Y[HELD], "bias_corrected")
    assert net.threshold < before
    assert np.array_equal(net.predict(X), plain)


@pytest.mark.parametrize("threshold", [0.999999, 1e-200])
def test_a_threshold_that_moves_to_the_end_stays_one(threshold, net, tmp_path):
    last = {name: value / 9 for name, value in net.parameters.items() if name.startswith("output.")}
    net.set_parameters(last)
    net.threshold = threshold
    net.calibrate(X[HELD], Y[HELD])
    net.save(tmp_path / "model")
    assert 0 < net.threshold < 1
    assert cr.load(tmp_path / "model").threshold == net.threshold


def test_several_classes_are_calibrated():
    t = np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 1.2])
    net = cr.Network([cr.Dense(16, "relu"), cr.Dense(3)], "cross_entropy")
    net.fit(X[TRAIN, :1], t[TRAIN], epochs=60, sampling="balanced", optimizer=cr.Adam(0.02), verbose=False)
    before = net.score(X[TEST, :1], t[TEST], "neg_log_loss")
    done = net.calibrate(X[HELD, :1], t[HELD], "bias_corrected")
    assert len(done.shifts) == 3
    assert sum(done.shifts) == pytest.approx(0, abs=1e-6)
    assert net.score(X[TEST, :1], t[TEST], "neg_log_loss") > before
    assert str(done).splitlines()[0].startswith(f"temperature {done.temperature:.4g}, shifts ")
    assert str(done).splitlines()[-1] == "on the 300 rows that it was found on"
    assert set(done.to_json()) == {"method", "temperature", "shifts", "rows", "log_loss", "brier"}


def test_a_calibrated_network_is_saved_and_trained_on(net, tmp_path):
    net.calibrate(X[HELD], Y[HELD])
    net.save(tmp_path / "model")
    assert np.array_equal(cr.load(tmp_path / "model").predict_proba(X), net.predict_proba(X))
    net.fit(X[TRAIN], Y[TRAIN], epochs=1, verbose=False)


def shared_last():
    shared = cr.Dense(2)
    x = cr.Input(2)
    net = cr.Network(shared(shared(x)), "cross_entropy")
    net.fit(X[:, :2], Y, epochs=1, verbose=False)
    return net


def without_bias():
    net = cr.Network([cr.Dense(2, bias=False)], "cross_entropy")
    net.fit(X, Y, epochs=1, verbose=False)
    return net


def normalised():
    net = cr.Network([cr.Dense(2), cr.LayerNorm()], "cross_entropy")
    net.fit(X, Y, epochs=1, verbose=False)
    return net


def certain(sign):
    net = cr.Network([cr.Dense(1, weights=[[sign]], bias=[0.0])], "binary_cross_entropy")
    net.fit([[-1.0], [1.0]], [0, 1], epochs=1, optimizer=cr.SGD(1e-9), verbose=False)
    return net


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda net: net.calibrate(X, Y, "platt"), UnknownNameError, "calibrate: method 'platt' is unknown"),
        (
            lambda net: cr.Network([cr.Dense(2)], "cross_entropy").calibrate(X, Y),
            NotFittedError,
            "not fitted yet",
        ),
        (lambda net: hinged().calibrate(X, Y), ParameterError, "loss 'hinge' gives none here"),
        (
            lambda net: shared_last().calibrate(X[:, :2], Y),
            ParameterError,
            "linear Dense that nothing else uses",
        ),
        (lambda net: normalised().calibrate(X, Y), ParameterError, "linear Dense that nothing else uses"),
        (
            lambda net: without_bias().calibrate(X, Y, "bias_corrected"),
            ParameterError,
            "shifts the biases, and layer output has none",
        ),
        (
            lambda net: net.calibrate(X[Y == "no"], Y[Y == "no"], "bias_corrected"),
            DataError,
            "no row is of class 'yes', so that its shift is not known",
        ),
        (
            lambda net: certain(1.0).calibrate([[-1.0], [1.0]], [0, 1]),
            DataError,
            "the 2 rows are told apart without a mistake",
        ),
        (
            lambda net: certain(-1.0).calibrate([[-1.0], [1.0]], [0, 1]),
            DataError,
            "are not told apart better than by chance",
        ),
    ],
)
def test_what_calibration_refuses(nets, call, kind, message):
    with pytest.raises(kind, match=message):
        call(nets["softmax"])


# scikit-learn's own tools around our estimator --------------------------------------------------


@pytest.fixture(scope="module")
def settings():
    return {"hidden_layer_sizes": (8,), "max_iter": 30, "learning_rate_init": 0.02, "random_state": 0}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_scikit_learns_calibration_takes_our_classifier(method, settings):
    model = cr.MLPClassifier(sampling="balanced", **settings)
    plain = model.fit(X[TRAIN], Y[TRAIN]).predict_proba(X[TEST])
    calibrated = CalibratedClassifierCV(model, method=method, cv=3).fit(X[:600], Y[:600])
    p = calibrated.predict_proba(X[TEST])
    assert np.allclose(p.sum(axis=1), 1)
    if (
        method == "sigmoid"
    ):  # a temperature cannot undo what sampling shifts; isotonic says 0, and may be wrong
        assert log_loss(Y[TEST], p) < log_loss(Y[TEST], plain) - 0.05


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_thresholds_take_our_classifier(settings):
    scorer = make_scorer(f1_score, pos_label="yes")
    model = cr.MLPClassifier(**settings)
    tuned = TunedThresholdClassifierCV(model, scoring=scorer, cv=2, thresholds=30).fit(X[:600], Y[:600])
    plain = model.fit(X[:600], Y[:600])
    assert tuned.best_threshold_ < 0.5
    assert scorer(tuned, X[TEST], Y[TEST]) > scorer(plain, X[TEST], Y[TEST])
    fixed = FixedThresholdClassifier(FrozenEstimator(plain), threshold=0.2, pos_label="yes").fit(X, Y)
    assert np.array_equal(fixed.predict(X[TEST]) == "yes", plain.predict_proba(X[TEST])[:, 1] >= 0.2)
