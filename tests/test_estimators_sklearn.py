"""The estimators beside scikit-learn's own: the same numbers, their test file, and their checks."""

import importlib.util
import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
import sklearn.neural_network
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import check_estimator

import chainrule

ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
RATES = ["constant", "invscaling", "adaptive"]


def problem(kind, dtype="float64"):
    """X, y, and whose estimator it is for."""
    digits, number = load_digits(n_class=3, return_X_y=True)
    digits = (digits[:250] / 16).astype(dtype)
    if kind == "multilabel":
        X, y = make_multilabel_classification(n_samples=150, n_features=8, n_classes=4, random_state=0)
        return X.astype(dtype) / 10, y, "MLPClassifier"
    if kind in ("binary", "multiclass"):
        y = number[:250] % 2 if kind == "binary" else np.array(["zero", "one", "two"])[number[:250]]
        return digits, y, "MLPClassifier"
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:200].astype(dtype) * 10, y[:200] / 100
    return X, np.column_stack([y, 1 - y, y**2]) if kind == "outputs" else y, "MLPRegressor"


def both(kind, dtype="float64", weighted=False, **settings):
    """Ours and scikit-learn's, fitted alike."""
    X, y, name = problem(kind, dtype)
    weights = np.random.default_rng(5).uniform(0.1, 3, len(X)) if weighted else None
    found = []
    for package in (chainrule, sklearn.neural_network):
        model = getattr(package, name)(random_state=3, shuffle=False, **settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found.append(model.fit(X, y, sample_weight=weights))
    return *found, X


CURVES = ["loss_curve_", "validation_scores_"]
NUMBERS = ["loss_", "best_loss_", "best_validation_score_"]
COUNTS = [
    "n_iter_",
    "t_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "_no_improvement_count",
]


def assert_same(ours, theirs, X, rtol=1e-9, atol=1e-11):
    for one, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)
    for name in [*CURVES, *NUMBERS]:
        if getattr(theirs, name, None) is None:
            assert name == "loss_curve_" or getattr(ours, name) is None
        else:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=rtol, atol=atol)
    for name in COUNTS:
        if hasattr(theirs, name):
            assert getattr(ours, name) == getattr(theirs, name), name
    for method in ("predict", "predict_proba", "predict_log_proba"):
        if hasattr(theirs, method):
            one, other = getattr(ours, method)(X), getattr(theirs, method)(X)
            assert one.shape == other.shape
            assert one.dtype.kind == other.dtype.kind
            if other.dtype.kind == "f":
                np.testing.assert_allclose(one, other, rtol=100 * rtol, atol=100 * atol)
            else:
                np.testing.assert_array_equal(one, other)


KINDS = ["binary", "multiclass", "multilabel", "values", "outputs"]
SETTINGS = [
    *({"solver": "sgd", "learning_rate": rate, "learning_rate_init": 0.05} for rate in RATES),
    {"solver": "sgd", "momentum": 0},
    {"solver": "sgd", "nesterovs_momentum": False, "alpha": 1.0},
    {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "tol": 0.5,
        "learning_rate_init": 1e-5,
        "n_iter_no_change": 1,
    },
    {"solver": "adam"},
    {"solver": "adam", "alpha": 0.5, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3},
    {"solver": "adam", "learning_rate": "invscaling", "tol": 0.1, "n_iter_no_change": 2},
    {"solver": "lbfgs", "max_iter": 10},
    {"solver": "lbfgs", "max_fun": 12, "alpha": 0.5},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_scikit_learn(kind, settings):
    settings = {"max_iter": 12, "hidden_layer_sizes": (9,), **settings}
    ours, theirs, X = both(kind, weighted=settings["solver"] == "adam", **settings)
    assert_same(ours, theirs, X)


@pytest.mark.parametrize(
    ("activation", "kind"), list(itertools.product(ACTIVATIONS, ["multiclass", "values"]))
)
def test_activations_and_layers_are_those_of_scikit_learn(activation, kind):
    for sizes, solver in (((7, 5), "adam"), (6, "sgd"), ((), "adam"), ((4, 3, 2), "lbfgs")):
        ours, theirs, X = both(
            kind, activation=activation, hidden_layer_sizes=sizes, solver=solver, max_iter=8, weighted=True
        )
        assert_same(ours, theirs, X)


@pytest.mark.parametrize("batch_size", [1, 7, 64, 250, "auto"])
def test_batches_are_those_of_scikit_learn(batch_size):
    ours, theirs, X = both("multiclass", batch_size=batch_size, max_iter=3, hidden_layer_sizes=5)
    assert_same(ours, theirs, X)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_poisson_regression_is_that_of_scikit_learn(solver):
    for kind in ("values", "outputs"):
        X, y, _ = problem(kind)
        y = np.abs(np.round(3 * y))
        found = []
        for package in (chainrule, sklearn.neural_network):
            model = package.MLPRegressor(
                "poisson", (6,), solver=solver, max_iter=9, random_state=1, shuffle=False
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                found.append(model.fit(X, y))
        assert_same(*found, X)


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_is_that_of_scikit_learn(kind):
    for weighted in (False, True):
        ours, theirs, X = both(
            kind,
            weighted=weighted,
            early_stopping=True,
            n_iter_no_change=3,
            max_iter=40,
            hidden_layer_sizes=(8,),
            learning_rate_init=0.02,
            validation_fraction=0.2,
        )
        assert_same(ours, theirs, X)
        assert len(ours.validation_loss_curve_) == ours.n_iter_


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fits_and_warm_starts_are_those_of_scikit_learn(solver):
    X, y, _ = problem("multiclass")
    settings = {"solver": solver, "hidden_layer_sizes": (5,), "random_state": 2, "shuffle": False}
    found = []
    for package in (chainrule, sklearn.neural_network):
        model = package.MLPClassifier(**settings, warm_start=True, max_iter=4, learning_rate="invscaling")
        for part in (slice(0, 90), slice(90, 200), slice(150, 250)):
            model.partial_fit(X[part], y[part], classes=np.unique(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y).set_params(alpha=0.3).fit(X, y)
        found.append(model.partial_fit(X[:50], y[:50]))
    assert_same(*found, X)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(("kind", "solver"), [("multiclass", "adam"), ("values", "sgd"), ("binary", "lbfgs")])
def test_float32_stays_float32_and_near_scikit_learn(kind, solver, engine):
    X, y, name = problem(kind, "float32")
    model = getattr(chainrule, name)((9,) if name == "MLPClassifier" else "squared_error", engine=engine)
    model.set_params(hidden_layer_sizes=(9,), solver=solver, max_iter=8, shuffle=False, random_state=3)
    theirs = getattr(sklearn.neural_network, name)(
        hidden_layer_sizes=(9,), solver=solver, max_iter=8, shuffle=False, random_state=3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
        theirs.fit(X, y)
    assert {w.dtype.name for w in model.coefs_ + model.intercepts_} == {"float32"}
    assert model.loss_ == pytest.approx(theirs.loss_, rel=1e-3)
    np.testing.assert_allclose(model.coefs_[0], theirs.coefs_[0], rtol=0.01, atol=1e-3)


def test_shuffled_fits_reach_what_scikit_learn_reaches():
    X, y, _ = problem("multiclass")
    losses = []
    for package in (chainrule, sklearn.neural_network):
        models = [
            package.MLPClassifier((10,), max_iter=30, batch_size=50, random_state=seed) for seed in range(8)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            losses.append([model.fit(X, y).loss_ for model in models])
    ours, theirs = np.array(losses)
    difference = ours - theirs
    assert (
        abs(difference.mean()) < 3 * difference.std(ddof=1) / np.sqrt(len(difference)) + 0.01 * theirs.mean()
    )


# scikit-learn's own tests ---------------------------------------------------------------------

CANNOT_HOLD = {"test_gradient": "it calls the private method _loss_grad_lbfgs with scratch arrays of its own"}


def sklearn_tests():
    """scikit-learn's test module with our estimators in place of its own."""
    path = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    text = path.read_text(encoding="utf-8")
    line = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
    assert text.count(line) == 1
    spec = importlib.util.spec_from_loader("sklearn_test_mlp", loader=None)
    module = importlib.util.module_from_spec(spec)
    exec(
        compile(text.replace(line, "from chainrule import MLPClassifier, MLPRegressor\n"), path, "exec"),
        vars(module),
    )
    return module


def cases():
    """Every test of that module with each of its parameters."""
    module = sklearn_tests()
    for name, test in vars(module).items():
        if not name.startswith("test_") or name in CANNOT_HOLD:
            continue
        marks = [m for m in getattr(test, "pytestmark", []) if m.name == "parametrize"]
        choices = []
        for mark in marks:
            names = (
                [part.strip() for part in mark.args[0].split(",")]
                if isinstance(mark.args[0], str)
                else mark.args[0]
            )
            rows = [row if len(names) > 1 else (row,) for row in mark.args[1]]
            choices.append([dict(zip(names, row, strict=True)) for row in rows])
        for number, chosen in enumerate(itertools.product(*choices)):
            arguments = {key: value for part in chosen for key, value in part.items()}
            yield pytest.param(test, arguments, id=f"{name}-{number}")


CASES = list(cases())


def test_all_but_the_listed_tests_of_scikit_learn_are_run():
    module = sklearn_tests()
    assert module.MLPClassifier is chainrule.MLPClassifier
    names = {name for name in vars(module) if name.startswith("test_")}
    assert set(CANNOT_HOLD) <= names
    assert {case.id.rsplit("-", 1)[0] for case in CASES} == names - set(CANNOT_HOLD)
    assert len(CASES) + len(CANNOT_HOLD) >= 59


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("test", "arguments"), CASES)
def test_of_scikit_learn_holds(test, arguments, request):
    wanted = {"tmp_path", "capsys"} & set(test.__code__.co_varnames[: test.__code__.co_argcount])
    given = {name: request.getfixturevalue(name) for name in wanted}
    if "global_random_seed" in test.__code__.co_varnames[: test.__code__.co_argcount]:
        given["global_random_seed"] = 42
    test(**arguments, **given)


# check_estimator ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_check_estimator_passes_whole(name, solver, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    model = getattr(chainrule, name)(solver=solver, max_iter=50, learning_rate_init=0.01)
    if solver == "sgd" and name == "MLPRegressor":
        model.set_params(clip_norm=1.0)
    results = check_estimator(model, on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    skipped = [r["check_name"] for r in results if r["status"] == "skipped"]
    assert failed == {}
    multilabel_scores = "check_classifiers_multilabel_output_format_decision_function"  # there are none
    assert skipped == ([multilabel_scores] if name == "MLPClassifier" else [])
    assert len(results) >= (60 if name == "MLPRegressor" else 67)


WEIGHTS = "weights are repeated rows to 1e-7, which float32 does not resolve"
IN_FLOAT32 = {
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
}


class Single:
    """An estimator that takes all data as float32."""

    def _validated(self, X, y, reset):
        X, y = super()._validated(X, y, reset)
        return X.astype(np.float32), y


class SingleClassifier(Single, chainrule.MLPClassifier):
    pass


class SingleRegressor(Single, chainrule.MLPRegressor):
    pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("estimator", [SingleClassifier, SingleRegressor])
def test_check_estimator_passes_with_all_data_made_float32(estimator, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    results = check_estimator(estimator(max_iter=50, learning_rate_init=0.01), on_fail=None)
    failed = {r["check_name"] for r in results if r["status"] not in ("passed", "skipped")}
    assert failed <= set(IN_FLOAT32), failed
    assert len(results) >= 60


# kinds of input -------------------------------------------------------------------------------


def frames():
    """The iris-like table as all that scikit-learn's estimators take."""
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y, _ = problem("multiclass")
    X = X[:, :10]
    names = [f"pixel{i}" for i in range(X.shape[1])]
    yield X, y
    yield X.tolist(), y.tolist()
    yield pandas.DataFrame(X, columns=names), pandas.Series(y)
    yield polars.DataFrame(X, schema=names), polars.Series(y)
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        yield kind(X), y


def test_arrays_of_other_libraries(monkeypatch):
    strict = pytest.importorskip("array_api_strict")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    X, y, _ = problem("binary")
    models = [
        chainrule.MLPClassifier((5,), max_iter=9, tol=1, n_iter_no_change=2, random_state=0) for _ in "abc"
    ]
    models[0].fit(X, y)
    for model, dispatch in zip(models[1:], (False, True), strict=True):
        with sklearn.config_context(array_api_dispatch=dispatch):
            model.fit(strict.asarray(X), strict.asarray(y))
            p = model.predict_proba(strict.asarray(X))
        assert np.array_equal(p, models[0].predict_proba(X))


def test_all_kinds_of_tables_give_one_model():
    found = []
    for X, y in frames():
        model = chainrule.MLPClassifier((5,), max_iter=5, tol=1, n_iter_no_change=2, random_state=0).fit(X, y)
        found.append((model.coefs_[0], model.predict_proba(X)))
        assert model.predict(X).tolist() == model.classes_[model.predict_proba(X).argmax(axis=1)].tolist()
    for coefs, p in found[1:]:
        np.testing.assert_allclose(coefs, found[0][0], rtol=1e-10)
        np.testing.assert_allclose(p, found[0][1], rtol=1e-10)
