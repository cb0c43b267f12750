"""Estimators that go on from a checkpoint: the fit that was never stopped, to the last bit."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import chainrule as cr
from chainrule.errors import CheckpointError, ParameterError

X, Y = load_iris(return_X_y=True)
XR, YR = load_diabetes(return_X_y=True)
YR = (YR - 150) / 80
KEPT = ["loss_curve_", "validation_loss_curve_", "validation_scores_", "best_loss_", "n_iter_", "t_"]

CASES = {
    "adam": {"solver": "adam", "dropout": 0.1, "norm": "batch"},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 4, "validation_fraction": 0.3},
    "schedule": {"solver": "rmsprop", "learning_rate": cr.schedules.CosineDecay(0.01)},
}


class Cut(cr.Callback):
    """Ends a fit as a crash would: after an epoch, before anything is tidied."""

    needs_weights = False

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, network, history):
        if history.epochs == self.epochs:
            raise RuntimeError("the power failed")


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [cr.MLPClassifier, cr.MLPRegressor])
@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
def test_a_resumed_fit_is_the_fit_that_was_never_stopped(kind, case, engine, tmp_path):
    settings = {"hidden_layer_sizes": (6,), "max_iter": 9, "random_state": 3, "batch_size": 32, **CASES[case]}
    table, targets = (X, Y) if kind is cr.MLPClassifier else (XR[:150], YR[:150])
    whole = kind(**settings, engine=engine).fit(table, targets)
    folder = [cr.Checkpoint(tmp_path, every_steps=3)]
    with pytest.raises(RuntimeError, match="the power failed"):
        kind(**settings, engine=engine, callbacks=[*folder, Cut(3)]).fit(table, targets)
    resumed = kind(**settings, engine=engine, callbacks=folder, resume=True).fit(table, targets)
    for name in KEPT:
        assert getattr(resumed, name) == getattr(whole, name), name
    for mine, theirs in zip(resumed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(resumed.predict(table), whole.predict(table))


@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
def test_more_epochs_may_be_asked_for_and_without_checkpoints_it_starts_anew(tmp_path):
    settings = {"hidden_layer_sizes": (5,), "random_state": 1, "engine": "numpy"}
    whole = cr.MLPClassifier(**settings, max_iter=6).fit(X, Y)
    given = {**settings, "callbacks": [cr.Checkpoint(tmp_path)], "resume": True}
    assert cr.MLPClassifier(**given, max_iter=4).fit(X, Y).n_iter_ == 4
    longer = cr.MLPClassifier(**given, max_iter=6).fit(X, Y)
    assert longer.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(longer.coefs_[0], whole.coefs_[0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"warm_start": True}, ParameterError, "warm_start and resume both say where training begins"),
        ({"random_state": None}, ParameterError, "random_state must be a number, got None"),
        ({"callbacks": []}, ParameterError, r"Pass callbacks=\[Checkpoint\('runs'\)\] as well"),
        ({"solver": "lbfgs"}, ParameterError, "LBFGS cannot resume"),
        ({"random_state": 2}, CheckpointError, r"plan\.seed: \d+ there, \d+ here"),
        ({"alpha": 0.5}, CheckpointError, "is a checkpoint of another fit:\n  network"),
        ({"learning_rate_init": 0.5}, CheckpointError, "learning_rate: 0.001 there, 0.5 here"),
        ({"resume": "yes"}, ParameterError, "resume must be True or False, got 'yes'"),
    ],
    ids=lambda x: str(x)[:30],
)
@pytest.mark.filterwarnings("ignore:Stochastic optimizer")
def test_what_cannot_be_resumed_is_said(change, error, message, tmp_path):
    settings = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 1, "engine": "numpy"}
    given = {**settings, "callbacks": [cr.Checkpoint(tmp_path)], "resume": True}
    cr.MLPClassifier(**given).fit(X, Y)
    with pytest.raises(error, match=message):
        cr.MLPClassifier(**{**given, **change}).fit(X, Y)


def test_partial_fit_and_folds_have_checkpoints_of_their_own_way(tmp_path):
    model = cr.MLPClassifier((4,), resume=True, random_state=1)
    with pytest.raises(ParameterError, match="partial_fit: goes on from the last call by itself"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    inner = cr.MLPClassifier((4,), callbacks=[cr.Checkpoint(tmp_path)])
    with pytest.raises(ParameterError, match="Checkpoint among its callbacks, whose folder is for one fit"):
        cr.CrossValidatedStopping(inner, cv=2).fit(X, Y)
