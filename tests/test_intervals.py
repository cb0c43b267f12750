"""Quantiles and prediction intervals: ranks by hand, coverage counted, scikit-learn's habits, real prices."""

import math
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score, make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import chainrule as cr
import intervals
from chainrule import MLPRegressor
from chainrule.errors import DataError, ModelFileError, NotFittedError, ParameterError, ShapeError
from chainrule.estimators.intervals import conformal_rank
from chainrule.training.storage import read_model, write_model
from mnist import DataMissing

QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]


def drawn(rows, seed=0, outputs=1):
    """Values whose noise grows with x."""
    draw = np.random.default_rng(seed)
    X = draw.uniform(0, 1, (rows, 2))
    y = 2 * X[:, :1] + draw.normal(0, 0.1 + X[:, :1], (rows, outputs))
    return X, y[:, 0] if outputs == 1 else y


def fitted(X=None, y=None, **settings):
    X, y = drawn(400) if X is None else (X, y)
    settings = {"hidden_layer_sizes": (6,), "max_iter": 15, "learning_rate_init": 0.02} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return MLPRegressor(random_state=0, **settings).fit(X, y)


@pytest.fixture(scope="module")
def plain():
    return fitted()


@pytest.fixture(scope="module")
def several():
    return fitted(quantiles=QUANTILES)


# ranks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coverage", "rank"), [("0.05", 1), ("0.1", 2), ("0.5", 6), ("0.8", 9), ("0.9", 10), ("0.01", 1)]
)
def test_the_rank_among_ten_rows_by_hand(coverage, rank, plain):
    assert conformal_rank(10, Fraction(coverage)) == rank
    X = drawn(10, 1)[0]
    errors = np.array([3, -1, 10, 5, -8, 2, 7, -4, 9, 6.0])  # in size 1 to 10
    plain.calibrate(X, plain.predict(X) + errors)
    expected = plain.predict(X)[:, None] + [-rank, rank]
    np.testing.assert_allclose(plain.predict_interval(X, float(coverage)), expected, rtol=1e-12)


def test_ranks_are_of_decimals_as_they_are_written():
    assert math.ceil(100 * 0.07) == 8  # in floating point
    assert conformal_rank(99, Fraction(repr(0.07))) == 7


@given(rows=st.integers(1, 10_000), percent=st.integers(1, 999))
def test_the_rank_is_the_smallest_that_covers(rows, percent):
    coverage = Fraction(percent, 1000)
    needed = math.ceil(coverage / (1 - coverage))
    if rows < needed:
        with pytest.raises(DataError, match=f"needs at least {needed:,} row.* to calibrate by, got {rows:,}"):
            conformal_rank(rows, coverage)
    else:
        rank = conformal_rank(rows, coverage)
        assert 1 <= rank <= rows
        assert Fraction(rank - 1, rows + 1) < coverage <= Fraction(rank, rows + 1)


@pytest.mark.parametrize("coverage", [0.3, 0.75, 0.9, 0.95])
@pytest.mark.parametrize("rows", [20, 57, 211])
def test_margins_are_quantiles_of_the_residuals(rows, coverage, plain):
    X, y = drawn(rows, 2)
    low, high = plain.calibrate(X, y).predict_interval(X, coverage).T
    sizes = np.abs(y - plain.predict(X))
    level = math.ceil((rows + 1) * coverage) / rows
    margin = np.quantile(sizes, level, method="inverted_cdf")
    np.testing.assert_allclose((high - low) / 2, margin, rtol=1e-12)
    np.testing.assert_allclose((high + low) / 2, plain.predict(X), rtol=1e-12, atol=1e-14)


def test_too_few_rows_are_told_with_the_number_that_is_needed(plain):
    plain.calibrate(*drawn(98, 3))
    message = (
        r"coverage=0.99 needs at least 99 rows to calibrate by, got 98\. Hold more rows back, or ask for"
    )
    with pytest.raises(DataError, match=message):
        plain.predict_interval([[0.5, 0.5]], 0.99)
    assert plain.calibrate(*drawn(99, 3)).predict_interval([[0.5, 0.5]], 0.99).shape == (1, 2)


# coverage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantiles", [None, QUANTILES, [0.4]], ids=str)
@pytest.mark.parametrize("coverage", [0.5, 0.75, 0.9])
def test_coverage_of_exchangeable_rows_is_as_promised(coverage, quantiles):
    calibrating, testing, seeds = 39, 50, 150
    model = fitted(quantiles=quantiles, max_iter=3)
    within = []
    for seed in range(seeds):
        X, y = drawn(calibrating + testing, 100 + seed)
        model.calibrate(X[:calibrating], y[:calibrating])
        low, high = model.predict_interval(X[calibrating:], coverage).T
        within.append(np.sum((low <= y[calibrating:]) & (y[calibrating:] <= high)))
    rank = conformal_rank(calibrating, Fraction(repr(coverage)))
    law = stats.betabinom(testing, rank, calibrating + 1 - rank)  # of the rows within, for a continuous law
    assert law.mean() == pytest.approx(testing * coverage)
    assert abs(np.mean(within) - law.mean()) < 3 * law.std() / np.sqrt(seeds)
    assert np.std(within) == pytest.approx(law.std(), rel=0.25)


def test_several_outputs_are_covered_each_by_itself():
    X, y = drawn(3000, 4, outputs=2)
    y[:, 1] = 5 - 3 * y[:, 1]
    for quantiles in (None, [0.1, 0.9]):
        model = fitted(X[:800], y[:800], quantiles=quantiles, calibration_fraction=0.5, max_iter=60)
        found = model.predict_interval(X[800:], 0.8)
        assert found.shape == (2200, 2, 2)
        within = (found[:, :, 0] <= y[800:]) & (y[800:] <= found[:, :, 1])
        np.testing.assert_allclose(within.mean(axis=0), 0.8, atol=0.06)
        one = model.calibrate(X[:60], y[:60]).calibration_residuals_
        assert one.shape == (60, 2, 2 if quantiles else 1)


def test_intervals_of_quantiles_are_long_where_values_scatter():
    X, y = drawn(3000, 5)
    model = fitted(X, y, quantiles=[0.05, 0.95], calibration_fraction=0.3, max_iter=60)
    low, high = model.predict_interval(X).T
    lengths = high - low
    assert lengths[X[:, 0] > 0.8].mean() > 2 * lengths[X[:, 0] < 0.2].mean()
    plain = fitted(X, y, calibration_fraction=0.3)
    assert np.ptp(np.diff(plain.predict_interval(X))) < 1e-12


# quantiles ------------------------------------------------------------------------------------


def test_quantiles_never_cross_where_the_outputs_do():
    X, _ = drawn(300, 6)
    model = fitted(quantiles=np.linspace(0.05, 0.95, 19), max_iter=2)
    outputs, found = model.network_.predict(X), model.predict_quantiles(X)
    assert (np.diff(outputs) < 0).any(axis=1).mean() > 0.5
    assert (np.diff(found) >= 0).all()
    np.testing.assert_array_equal(found, np.sort(outputs))


def test_quantiles_are_learned():
    X, y = drawn(4000, 7)
    model = fitted(X, y, quantiles=[0.1, 0.5, 0.9], hidden_layer_sizes=(16,), max_iter=80)
    X, y = drawn(4000, 8)
    found = model.predict_quantiles(X)
    np.testing.assert_allclose((y[:, None] < found).mean(axis=0), [0.1, 0.5, 0.9], atol=0.03)
    truth = 2 * X[:, :1] + (0.1 + X[:, :1]) * stats.norm.ppf([0.1, 0.5, 0.9])
    for k, q in enumerate([0.1, 0.5, 0.9]):
        own, best = (mean_pinball_loss(y, p[:, k], alpha=q) for p in (found, truth))
        assert own < 1.05 * best


def test_each_output_learns_its_own_column():
    X, y = drawn(800, 9, outputs=2)
    model = fitted(X, y + np.array([0, 10]), quantiles=[0.2, 0.8], max_iter=150)
    assert model.n_outputs_ == 4
    found = model.predict_quantiles(X)
    assert found.shape == (800, 2, 2)
    assert abs(found[:, 0].mean() - 1) < 0.5
    assert abs(found[:, 1].mean() - 11) < 0.5
    np.testing.assert_allclose(model.predict(X), found.mean(axis=2), rtol=1e-12)


@pytest.mark.parametrize(
    ("quantiles", "shares"),
    [([0.05, 0.5, 0.95], [0, 1, 0]), ([0.25, 0.75], [0.5, 0.5]), ([0.9], [1]), ((0.4, 0.8), [0.75, 0.25])],
)
def test_a_prediction_is_the_median(quantiles, shares):
    X, _ = drawn(50, 10)
    model = fitted(quantiles=quantiles, max_iter=3)
    np.testing.assert_allclose(model.predict(X), model.predict_quantiles(X) @ shares, rtol=1e-12)


@pytest.mark.parametrize(
    ("coverage", "low", "high"),
    [
        (0.9, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]),
        (0.5, [0, 1, 0, 0, 0], [0, 0, 0, 1, 0]),
        (0.7, [0.5, 0.5, 0, 0, 0], [0, 0, 0, 0.5, 0.5]),
        (0.95, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]),
    ],
)
def test_intervals_start_from_the_quantiles_that_fit_the_coverage(coverage, low, high, several):
    X, y = drawn(80, 11)
    centres = several.predict_quantiles(X)
    errors = np.maximum(centres @ low - y, y - centres @ high)
    margin = np.sort(errors)[math.ceil(81 * coverage) - 1]
    found = several.calibrate(X, y).predict_interval(X, coverage)
    expected = np.column_stack([centres @ low - margin, centres @ high + margin])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_bounds_that_would_cross_become_their_middle(several):
    X, _ = drawn(200, 12)
    quantiles = several.predict_quantiles(X)
    widest = np.argsort(np.diff(quantiles[:, [0, -1]])[:, 0])[-30:]
    several.calibrate(X[widest], quantiles[widest].mean(axis=1))
    found = several.predict_interval(X, 0.9)
    assert (found[:, 0] <= found[:, 1]).all()
    crossed = found[:, 0] == found[:, 1]
    assert 0 < crossed.sum() < 200
    np.testing.assert_allclose(found[crossed, 0], quantiles[crossed][:, [0, -1]].mean(axis=1), rtol=1e-12)


# fitting and calibrating ----------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_that_are_held_back_are_not_trained_on(weighted):
    X, y = drawn(200, 13)
    weights = np.random.default_rng(0).uniform(0, 2, 200) if weighted else None
    parts = train_test_split(
        X, y, np.ones(200) if weights is None else weights, test_size=0.3, random_state=0
    )
    settings = {"hidden_layer_sizes": (4,), "max_iter": 3, "tol": 1, "n_iter_no_change": 1, "random_state": 0}
    whole = MLPRegressor(**settings, calibration_fraction=0.3).fit(X, y, weights)
    apart = MLPRegressor(**settings).fit(parts[0], parts[2], parts[4] if weighted else None)
    np.testing.assert_array_equal(whole.coefs_[0], apart.coefs_[0])
    apart.calibrate(parts[1], parts[3])
    np.testing.assert_array_equal(whole.calibration_residuals_, apart.calibration_residuals_)
    assert whole.calibration_residuals_.shape == (60, 1, 1)


def test_a_calibration_ends_with_the_next_fit(plain):
    model = clone(plain)
    with pytest.warns(ConvergenceWarning):
        model.fit(*drawn(100))
    for refit in (lambda: fitted_again(model), lambda: model.partial_fit(*drawn(100))):
        model.calibrate(*drawn(30, 1)).predict_interval([[0, 0]])
        refit()
        message = r"no rows to calibrate by\. Fit with calibration_fraction=0\.2, or call calibrate\(X, y\)"
        with pytest.raises(NotFittedError, match=message):
            model.predict_interval([[0, 0]])


def fitted_again(model):
    with pytest.warns(ConvergenceWarning):
        model.fit(*drawn(100))


def test_partial_fits_learn_quantiles_and_are_calibrated_afterwards():
    X, y = drawn(300, 14)
    model = MLPRegressor(
        quantiles=[0.1, 0.9], hidden_layer_sizes=(5,), calibration_fraction=0.2, random_state=0
    )
    for _ in range(3):
        model.partial_fit(X, y)
    assert model.t_ == 900
    assert model.calibrate(*drawn(50, 1)).predict_interval(X).shape == (300, 2)
    with pytest.raises(
        ParameterError, match=r"fitted to quantiles \[0.1, 0.9\] and cannot go on with \[0.2, 0.9\]"
    ):
        model.set_params(quantiles=[0.2, 0.9]).partial_fit(X, y)
    with pytest.raises(ParameterError, match=r"cannot go on with \[\]\. Fit anew with warm_start=False"):
        model.set_params(quantiles=None).partial_fit(X, y)


def test_early_stopping_goes_by_the_share_of_the_loss_that_is_saved():
    X, y = drawn(300, 15)
    model = fitted(X, y, quantiles=[0.1, 0.6, 0.9], early_stopping=True, max_iter=4)
    found = model.predict_quantiles(X)
    scores = [d2_pinball_score(y, found[:, k], alpha=q) for k, q in enumerate([0.1, 0.6, 0.9])]
    numbers = y[:, None]
    assert model._score_outputs(model.network_.predict(X), numbers, None) == pytest.approx(np.mean(scores))
    assert len(model.validation_scores_) == 4
    assert max(model.validation_scores_) == model.best_validation_score_
    broken = np.full((300, 3), np.nan)
    assert math.isnan(model._score_outputs(broken, numbers, None))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_types_stay(dtype):
    X, y = drawn(100, 16)
    model = fitted(X.astype(dtype), y.astype(dtype), quantiles=[0.2, 0.8], calibration_fraction=0.5)
    X = X.astype(dtype)
    for found in (model.predict(X), model.predict_quantiles(X), model.predict_interval(X, 0.5)):
        assert found.dtype == dtype


# scikit-learn's habits ------------------------------------------------------------------------


def test_it_works_in_a_pipeline_and_in_searches_and_with_set_output():
    pandas = pytest.importorskip("pandas")
    X, y = drawn(120, 17)
    table = pandas.DataFrame(X, columns=["a", "b"])
    model = MLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", max_iter=4000, tol=0.01, random_state=0)
    model.set_params(quantiles=[0.1, 0.9], calibration_fraction=0.25)
    pipe = make_pipeline(StandardScaler(), model).set_output(transform="pandas").fit(table, y)
    low, high = pipe[-1].predict_interval(pipe[:-1].transform(table), 0.8).T
    assert 0.6 < np.mean((low <= y) & (y <= high)) <= 1
    assert pipe[-1].feature_names_in_.tolist() == ["a", "b"]
    search = GridSearchCV(
        pipe,
        {"mlpregressor__quantiles": [None, (0.5,)]},
        cv=2,
        scoring=make_scorer(d2_pinball_score, alpha=0.5),
        error_score="raise",
    )
    assert search.fit(table, y).best_estimator_.predict(table).shape == (120,)


def test_clones_pickles_and_sparse_rows():
    X, y = drawn(100, 18)
    model = fitted(sparse.csr_matrix(X), y, quantiles=[0.2, 0.8], calibration_fraction=0.5)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_interval(X, 0.5), model.predict_interval(X, 0.5))
    np.testing.assert_allclose(model.predict_quantiles(sparse.csc_array(X)), model.predict_quantiles(X))
    fresh = clone(model)
    assert (fresh.quantiles, fresh.calibration_fraction) == ([0.2, 0.8], 0.5)
    assert not hasattr(fresh, "calibration_residuals_")


def test_a_network_of_quantiles_is_saved_and_loaded(tmp_path, several):
    X, _ = drawn(20, 19)
    several.network_.save(tmp_path / "m.chainrule")
    network = cr.load(tmp_path / "m.chainrule")
    assert network.loss == "quantiles"
    assert network._losses == [cr.losses.Quantiles(QUANTILES)]
    np.testing.assert_array_equal(np.sort(network.predict(X)), several.predict_quantiles(X))


WEIGHTS = "check_sample_weight_equivalence_on_"  # other rows are held back where rows are repeated or removed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("quantiles", [None, [0.1, 0.5, 0.9]], ids=str)
def test_estimators_are_saved_with_their_calibration(quantiles, dtype, tmp_path):
    X, y = (part.astype(dtype) for part in drawn(100, 21, outputs=2))
    model = fitted(X, y, quantiles=quantiles, calibration_fraction=0.4)
    model.save(tmp_path / "m")
    loaded = MLPRegressor.load(tmp_path / "m")
    assert repr(loaded) == repr(model)
    assert loaded.quantiles_ == model.quantiles_
    assert loaded.predict_interval(X).dtype == dtype
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_interval(X), model.predict_interval(X))
    fitted(X, y, quantiles=quantiles).save(tmp_path / "m")
    with pytest.raises(NotFittedError, match="no rows to calibrate by"):
        MLPRegressor.load(tmp_path / "m").predict_interval(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e["targets"].update(quantiles=[0.9, 0.1]), "must rise"),
        (lambda e: e["targets"].update(quantiles=[0.9]), "its residuals are broken"),
        (
            lambda e: e["targets"].update(quantiles=[0.1, 0.2, 0.3], calibration=None),
            "outputs, its targets need",
        ),
        (lambda e: e["targets"]["calibration"].update(rows=[[0.0]]), "its residuals are broken"),
        (lambda e: e["targets"]["calibration"].update(rows=[[[0.0, None]]]), "its residuals are broken"),
        (lambda e: e["targets"]["calibration"].update(rows=[[[0.0], [1.0, 2.0]]]), "does not describe an"),
        (
            lambda e: e["targets"]["calibration"].update(dtype="object"),
            "residuals of type 'object' are not known",
        ),
        (lambda e: e["targets"].pop("calibration"), "does not describe an estimator"),
    ],
)
def test_broken_files_are_refused(change, message, tmp_path):
    fitted(quantiles=[0.2, 0.8], calibration_fraction=0.2, max_iter=2).save(tmp_path / "m")
    header, tensors = read_model(tmp_path / "m")
    change(header["estimator"])
    write_model(tmp_path / "n", header, tensors)
    with pytest.raises(ModelFileError, match=message):
        MLPRegressor.load(tmp_path / "n")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("fraction", "cannot"), [(None, set()), (0.1, {f"{WEIGHTS}dense_data", f"{WEIGHTS}sparse_data"})]
)
def test_check_estimator_passes(fraction, cannot, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    model = MLPRegressor(quantiles=[0.1, 0.5, 0.9], calibration_fraction=fraction, max_iter=50)
    results = check_estimator(model.set_params(learning_rate_init=0.02), on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] != "passed"}
    assert set(failed) == cannot, failed
    assert len(results) >= 60


# mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"quantiles": 0.5},
            "MLPRegressor: quantiles must be a list of numbers between 0 and 1, got 0.5. Pass",
        ),
        ({"quantiles": []}, "got []"),
        ({"quantiles": [0.1, 90]}, "quantiles must be above 0 and below 1, got 90"),
        ({"quantiles": [0.9, 0.1]}, "quantiles must rise from one to the next, got [0.9, 0.1]. Sort them"),
        (
            {"quantiles": [0.1], "loss": "mae"},
            "by their own loss, and loss='mae' is another. Leave one of them",
        ),
        ({"quantiles": [0.1], "loss": cr.losses.Quantile(0.2)}, "loss=Quantile(q=0.2) is another"),
        ({"calibration_fraction": 0}, "calibration_fraction must be above 0 and below 1, got 0"),
        ({"calibration_fraction": 1.0}, "calibration_fraction must be above 0 and below 1, got 1.0"),
        ({"calibration_fraction": "auto"}, "got 'auto'"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ParameterError) as caught:
        fitted(**settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, np.nan, "0.9", True])
def test_coverages_that_cannot_be(coverage, plain):
    with pytest.raises(ParameterError, match="predict_interval: coverage must be above 0 and below 1, got"):
        plain.calibrate(*drawn(30)).predict_interval([[0, 0]], coverage)


def test_calls_that_come_too_early(plain):
    unfitted = MLPRegressor(quantiles=[0.5])
    calls = [
        lambda: unfitted.predict_quantiles([[0, 0]]),
        lambda: unfitted.predict_interval([[0, 0]]),
        lambda: unfitted.calibrate([[0, 0]], [0]),
        lambda: unfitted.predict([[0, 0]]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not fitted yet"):
            call()
    assert not hasattr(plain, "predict_quantiles")
    with pytest.raises(AttributeError) as caught:
        plain.predict_quantiles([[0, 0]])
    assert "no quantiles are learned. Pass e.g. quantiles=[0.05, 0.5, 0.95]" in str(caught.value.__cause__)
    changed = fitted(max_iter=2).set_params(quantiles=[0.5])
    with pytest.raises(NotFittedError, match=r"the network was fitted without quantiles\. Fit it anew"):
        changed.predict_quantiles([[0, 0]])


def test_calibration_rows_must_be_like_those_of_the_fit(plain):
    X, y = drawn(30, 20)
    with pytest.raises(ValueError, match="X has 1 features, but MLPRegressor is expecting 2"):
        plain.calibrate(X[:, :1], y)
    with pytest.raises(DataError, match="y: 1 columns are needed, got 2"):
        plain.calibrate(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        plain.calibrate(X, y[:-1])


def test_outputs_of_a_network_of_ones_own_must_be_as_many():
    with pytest.raises(ShapeError, match="3 quantiles need 3 outputs, or a multiple of that, got 2"):
        fitted(quantiles=[0.1, 0.5, 0.9], layers=lambda inputs, outputs: [cr.Dense(2)])


# California housing ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("quantiles", [None, [0.05, 0.5, 0.95]], ids=["residuals", "quantiles"])
def test_intervals_cover_prices_in_california(quantiles):
    try:
        intervals.housing()
    except DataMissing as missing:
        pytest.skip(str(missing))
    found = intervals.intervals(0, quantiles)
    assert intervals.BETWEEN[0] <= found.coverage <= intervals.BETWEEN[1]
    assert 120_000 < found.length < 180_000


def test_without_the_table_the_check_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    intervals.housing.cache_clear()
    with pytest.raises(DataMissing, match=r"california_housing\.csv\.gz is not there\. Put the 1990 census"):
        intervals.housing()
