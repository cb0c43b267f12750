"""What is not used costs nothing: a fit without training tools runs the very steps that were recorded."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr

MAKER = Path(__file__).resolve().parent / "golden" / "make_plain_step.py"


@pytest.fixture
def maker():
    spec = importlib.util.spec_from_file_location("make_plain_step", MAKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_plain_step_is_the_one_recorded(maker):
    assert maker.plain_step() == maker.FILE.read_text(encoding="utf-8"), f"changed on purpose? run {MAKER}"


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_what_watches_a_fit_leaves_its_steps_as_they_are(engine, tmp_path):
    """The same program, and the same compiled runner, with callbacks and without."""
    X = np.random.default_rng(0).normal(size=(64, 4))
    y = X[:, 0] > 0
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(2)], loss="cross_entropy")
    rule, shared = cr.SGD(0.1), {"epochs": 2, "verbose": False, "engine": engine}
    net.fit(X, y, optimizer=rule, **shared)
    plain = net._runners["step"]
    watching = [
        cr.EarlyStopping("val_loss"),
        cr.Checkpoint(tmp_path / "runs"),
        cr.CSVLogger(tmp_path / "log.csv"),
        cr.Histograms(X, y),
    ]
    net.fit(X, y, optimizer=rule, validation_data=(X, y), callbacks=watching, **shared)
    assert net._runners["step"] is plain


def test_without_watchers_the_weights_stay_in_the_engine(monkeypatch):
    """Nobody asks for them between epochs, so they are not copied out."""
    from chainrule.training.fitting import Fit

    calls = []
    real = Fit._hand_over
    monkeypatch.setattr(Fit, "_hand_over", lambda self, state: calls.append(1) or real(self, state))
    net = cr.Network([cr.Dense(2)], loss="mse")
    net.fit(np.eye(4), np.eye(4)[:, :2], epochs=9, verbose=False, engine="numpy")
    assert len(calls) == 1
    logged = []

    class Watch(cr.Callback):
        needs_weights = False

        def on_epoch_end(self, network, history):
            logged.append(history.loss[-1])

    net.fit(np.eye(4), np.eye(4)[:, :2], epochs=9, verbose=False, engine="numpy", callbacks=[Watch()])
    assert len(calls) == 2
    assert len(logged) == 9
