"""Our estimators within scikit-learn's ensembles, and these as ensembles of networks; Dask."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr

FLOWERS, KINDS = load_iris(return_X_y=True)
FLOWERS = (FLOWERS - FLOWERS.mean(axis=0)) / FLOWERS.std(axis=0)
X, Y = load_diabetes(return_X_y=True)
X, Y = X[:150] * 20, (Y[:150] - 150) / 80
SETTINGS = {"solver": "lbfgs", "max_iter": 30, "alpha": 1.0, "engine": "numpy"}


def classifier(seed=0):
    return cr.MLPClassifier((4,), random_state=seed, **SETTINGS)


def regressor(seed=0):
    return cr.MLPRegressor(hidden_layer_sizes=(4,), random_state=seed, **SETTINGS)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize(
    ("make", "table", "y", "least"),
    [
        (lambda n: BaggingClassifier(classifier(), 4, random_state=0, n_jobs=n), FLOWERS, KINDS, 0.9),
        (lambda n: BaggingRegressor(regressor(), 4, random_state=0, n_jobs=n), X, Y, 0.4),
        (
            lambda n: VotingClassifier([(f"m{s}", classifier(s)) for s in range(3)], voting="soft", n_jobs=n),
            FLOWERS,
            KINDS,
            0.9,
        ),
        (lambda n: VotingRegressor([(f"m{s}", regressor(s)) for s in range(3)], n_jobs=n), X, Y, 0.4),
        (
            lambda n: StackingClassifier(
                [("net", classifier()), ("near", KNeighborsClassifier())],
                LogisticRegression(),
                cv=3,
                n_jobs=n,
            ),
            FLOWERS,
            KINDS,
            0.9,
        ),
        (
            lambda n: StackingRegressor(
                [("net", make_pipeline(StandardScaler(), regressor())), ("near", KNeighborsRegressor())],
                RidgeCV(),
                cv=3,
                n_jobs=n,
            ),
            X,
            Y,
            0.4,
        ),
    ],
    ids=["bagging", "bagging values", "voting", "voting values", "stacking", "stacking values"],
)
def test_scikit_learns_ensembles_take_ours_and_give_the_same_in_parallel(make, table, y, least):
    alone = make(None).fit(table, y)
    assert alone.score(table, y) > least
    with joblib.parallel_config(backend="threading"):
        together = make(2).fit(table, y)
    if y is Y:  # scikit-learn adds up the estimators of each worker first
        np.testing.assert_allclose(alone.predict(table), together.predict(table), rtol=1e-12)
    else:
        np.testing.assert_array_equal(alone.predict(table), together.predict(table))


def test_bagging_in_other_processes_gives_the_same():
    alone, together = (
        BaggingClassifier(classifier(), 3, random_state=0, n_jobs=n).fit(FLOWERS, KINDS) for n in (None, 2)
    )
    np.testing.assert_array_equal(alone.predict_proba(FLOWERS), together.predict_proba(FLOWERS))


def test_the_networks_of_scikit_learns_ensembles_are_one_of_ours(tmp_path):
    bags = BaggingClassifier(classifier(), 3, random_state=0).fit(FLOWERS, KINDS)
    ensemble = cr.Ensemble([model.network_ for model in bags.estimators_])
    np.testing.assert_allclose(ensemble.predict_proba(FLOWERS), bags.predict_proba(FLOWERS), rtol=1e-9)
    np.testing.assert_array_equal(ensemble.predict(FLOWERS), bags.predict(FLOWERS))
    voting = VotingRegressor([(f"m{s}", regressor(s)) for s in range(3)]).fit(X, Y)
    ensemble = cr.Ensemble([model.network_ for model in voting.estimators_])
    np.testing.assert_allclose(ensemble.predict(X), voting.predict(X), rtol=1e-9)
    ensemble.save(tmp_path / "m.chainrule")
    np.testing.assert_array_equal(cr.load(tmp_path / "m.chainrule").predict(X), ensemble.predict(X))


def test_members_are_trained_on_a_cluster_of_dask():
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install distributed")
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(3)], loss="cross_entropy")
    settings = {"epochs": 3, "engine": "numpy", "verbose": False}
    alone = cr.Bagging(net, members=3).fit(FLOWERS, KINDS, **settings)
    local = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.Client(**local), joblib.parallel_config(backend="dask"):
        spread = cr.Bagging(net, members=3).fit(FLOWERS, KINDS, n_jobs=-1, **settings)
    np.testing.assert_array_equal(alone.predict_proba(FLOWERS), spread.predict_proba(FLOWERS))
