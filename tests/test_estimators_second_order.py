"""The estimators' solvers that work on all rows at once, and gradients accumulated over batches."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from chainrule.errors import ParameterError

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
XR, YR = load_diabetes(return_X_y=True)
XR, YR = XR[:150] * 10, YR[:150] / 100
SOLVERS = ["lbfgs", "cg", "levenberg_marquardt"]


def regressor(**settings):
    return MLPRegressor(**{"hidden_layer_sizes": (4,), "activation": "tanh", "random_state": 0, **settings})


def classifier(**settings):
    return MLPClassifier(**{"hidden_layer_sizes": (4,), "random_state": 0, **settings})


@pytest.mark.parametrize("solver", [*SOLVERS, cr.ConjugateGradient(), cr.LevenbergMarquardt()], ids=str)
def test_a_linear_model_is_ridge_regression(solver):
    for targets in (YR, np.c_[YR, YR[::-1]]):
        model = regressor(solver=solver, hidden_layer_sizes=(), alpha=0.5, tol=1e-5, max_iter=500).fit(
            XR, targets
        )
        A, b = XR - XR.mean(axis=0), targets - targets.mean(axis=0)
        expected = np.linalg.solve(A.T @ A + 0.5 * np.eye(10), A.T @ b)
        np.testing.assert_allclose(model.coefs_[0], expected.reshape(10, -1), atol=1e-2)  # of the least gain
        assert not hasattr(model, "partial_fit")
        assert model.loss_curve_ == sorted(model.loss_curve_, reverse=True)


@pytest.mark.parametrize("solver", SOLVERS[1:])
def test_a_search_that_is_not_at_its_end_warns(solver):
    with pytest.warns(ConvergenceWarning, match=f"{solver} failed to converge after 2 iterations"):
        regressor(solver=solver, max_iter=2).fit(XR, YR)
    with pytest.warns(ConvergenceWarning, match="the limit of 5 evaluations is reached"):
        regressor(solver=solver, max_fun=5).fit(XR, YR)


def test_estimators_of_these_solvers_survive_files(tmp_path):
    model = regressor(solver="levenberg_marquardt", tol=0.01).fit(XR, np.c_[YR, YR[::-1]])
    model.save(tmp_path / "m")
    loaded = MLPRegressor.load(tmp_path / "m")
    assert np.array_equal(loaded.predict(XR), model.predict(XR))
    assert classifier(solver="cg", max_iter=30, tol=0.05).fit(X, Y).score(X, Y) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_batches_in_parts_give_the_weights_of_whole_ones():
    settings = {"max_iter": 5, "shuffle": True, "learning_rate_init": 0.01, "alpha": 0.1}
    whole = classifier(batch_size=60, **settings).fit(X, Y)
    parted = classifier(batch_size=15, accumulate=4, **settings).fit(X, Y)
    for a, b in zip(whole.coefs_ + whole.intercepts_, parted.coefs_ + parted.intercepts_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    on, off = (classifier(batch_size=15, accumulate=n, **settings) for n in (4, 1))
    for model in (on, off):
        for _ in range(5):
            model.partial_fit(X, Y, classes=np.unique(Y))
    np.testing.assert_allclose(on.coefs_[0], parted.coefs_[0], rtol=1e-9, atol=1e-12)
    assert not np.allclose(on.coefs_[0], off.coefs_[0], rtol=1e-3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (classifier(accumulate=0), "MLPClassifier: accumulate must be a positive int, got 0"),
        (
            classifier(solver="cg", accumulate=2),
            "accumulate and optimizer cg, which takes all rows at once, con",
        ),
        (
            classifier(solver="cg", clip_norm=1.0),
            "clip_norm does not go with solver 'cg', which finds the leng",
        ),
        (classifier(solver=cr.LBFGS(), clip_value=1.0), "clip_value does not go with solver LBFGS"),
        (classifier(solver="levenberg_marquardt"), "sums of squares, .*, which cross_entropy is not"),
        (regressor(solver="levenberg_marquardt", l1=0.1), "the penalty l1 of hidden1 is no sum of squares"),
        (
            regressor(solver="levenberg_marquardt", quantiles=[0.5]),
            "sums of squares, .* which quantiles is not",
        ),
    ],
)
def test_what_cannot_be_is_refused(model, message):
    with pytest.raises(ParameterError, match=message):
        model.fit(X, Y)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_passes(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    model = MLPClassifier(hidden_layer_sizes=(10,), solver="cg", max_iter=30)
    results = check_estimator(model, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    assert failed == {}
    assert len(results) >= 60
