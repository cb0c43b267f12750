"""What regularises, as parameters of estimators and as options of the command line."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import MLPClassifier, MLPRegressor
from chainrule.optim.averaging import EMA, SWA

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), np.arange(60) % 3
SET = {"hidden_layer_sizes": (6, 5), "random_state": 0, "max_iter": 8, "engine": "numpy", "tol": 0.0}
ALL = {"max_norm": 1.0, "input_noise": 0.2, "mixup": 0.3, "averaging": "ema"}

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic optimizer")


# estimators -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_parameters_reach_the_network(kind):
    model = kind(**SET, **ALL).fit(X, Y)
    net = model.network_
    assert [layer.kind for layer in net.layers] == ["gaussian_noise", "dense", "dense", "dense"]
    assert [layer.max_norm for layer in net.layers] == [None, 1.0, 1.0, None]
    assert (net.layers[0].std, net.mixup, net.optimizer.average) == (0.2, 0.3, EMA())
    assert np.linalg.norm(net["hidden1"].W, axis=0).max() <= 1.0 + 1e-12
    for other in (SWA(0.5), EMA(0.9)):
        assert kind(**SET, averaging=other).fit(X, Y).network_.optimizer.average == other


def test_without_them_the_program_is_the_same():
    plain, stated = (
        MLPClassifier(**SET, **more).fit(X, Y)
        for more in ({}, {"max_norm": None, "input_noise": 0.0, "mixup": 0.0, "averaging": None})
    )
    assert plain.network_.source() == stated.network_.source()
    assert not any(word in plain.network_.source() for word in ("noise", "lam", "average", "norm_"))


def test_partial_fits_with_an_average_are_a_fit_in_parts():
    whole = MLPClassifier(**SET, averaging=EMA(0.9), shuffle=False).fit(X, Y)
    parts = MLPClassifier(**SET, averaging=EMA(0.9), shuffle=False)
    for _ in range(whole.n_iter_):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    for ours, theirs in zip(parts.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_warm_start_takes_what_is_set_then():
    model = MLPClassifier(**SET, warm_start=True).fit(X, Y)
    before = [W.copy() for W in model.coefs_]
    model.set_params(**{**ALL, "max_norm": 0.5}, max_iter=1).fit(X, Y)
    assert model.network_.mixup == 0.3
    assert np.linalg.norm(model.coefs_[0], axis=0).max() <= 0.5 + 1e-12
    assert np.linalg.norm(before[0], axis=0).max() > 0.6


def test_early_stopping_measures_and_keeps_the_best_average():
    long = {**SET, "max_iter": 60, "n_iter_no_change": 3, "early_stopping": True, "averaging": "ema"}
    model = MLPClassifier(**long).fit(X, Y, X_val=X[:30], y_val=Y[:30])
    assert max(model.validation_scores_) == model.best_validation_score_ == model.score(X[:30], Y[:30])


def test_files_keep_them(tmp_path):
    model = MLPClassifier(**SET, **{**ALL, "averaging": SWA(3, every=2)}).fit(X, Y)
    model.save(tmp_path / "m.chainrule")
    loaded = MLPClassifier.load(tmp_path / "m.chainrule")
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_norm": 0.0}, "MLPClassifier: max_norm must be above 0"),
        ({"input_noise": -1.0}, "MLPClassifier: input_noise must be at least 0"),
        ({"mixup": "much"}, "MLPClassifier: mixup must be"),
        ({"averaging": "mean"}, "average 'mean' is unknown"),
        ({"averaging": 0.9}, "average must be 'ema', 'swa' or an object"),
        ({"max_norm": 2.0, "layers": [cr.Dense(3)]}, "max_norm and layers contradict each other"),
        ({"input_noise": 0.1, "layers": [cr.Dense(3)]}, "input_noise and layers contradict each other"),
        *(
            ({name: value, "solver": solver}, f"{name} and solver=.* contradict each other")
            for name, value in ALL.items()
            for solver in ("lbfgs", cr.LBFGS())
        ),
    ],
)
def test_what_estimators_refuse(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**settings).fit(X, Y)


# the command line -----------------------------------------------------------------------------

OPTIONS = ["--max-norm", "2", "--input-noise", "0.1", "--mixup", "0.2", "--average", "ema"]


def test_options_and_files_say_the_same(run, tmp_path):
    first, second, config = tmp_path / "a.chainrule", tmp_path / "b.chainrule", tmp_path / "net.toml"
    config.write_text(
        '[network]\nmax_norm = 2\ninput_noise = 0.1\nmixup = 0.2\n\n[average]\nname = "ema"\ndecay = 0.9\n'
    )
    fast = ["train", "iris", "--epochs", "3", "--engine", "numpy", "--json", "--model"]
    run(*fast, first, *OPTIONS, "--average-option", "decay=0.9")
    run(*fast, second, "--config", config)
    net, other = cr.load(first), cr.load(second)
    kinds = [layer.kind for layer in net.layers]
    assert kinds[:2] == ["standardize", "gaussian_noise"]
    assert (net.mixup, net["hidden1"].max_norm, net["output"].max_norm) == (0.2, 2.0, None)
    assert net.optimizer.average == EMA(0.9)
    for name, value in net.parameters.items():
        np.testing.assert_array_equal(other.parameters[name], value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-norm", "0"], "--max-norm must be above 0"),
        (["--input-noise", "-1"], "--input-noise must be at least 0"),
        (["--mixup", "x"], "--mixup must be"),
        (["--average", "mean"], "--average 'mean' is unknown. Known: ema, swa"),
        (["--average-option", "decay=0.9"], "--average-option decay says nothing without a name"),
        (["--average", "ema", "--average-option", "decay=2"], "decay must be above 0 and below 1"),
        (["--average", "ema", "--average-option", "start=2"], "setting of ema 'start' is unknown"),
        (["--average", "swa", "--average-option", "start=9", "--epochs", "5"], "starts with epoch 9"),
        (["--max-norm", "2", "--hidden", ""], "--max-norm is for hidden layers, and --hidden leaves none"),
        *(
            ([*OPTIONS[k : k + 2], "--optimizer", "lbfgs"], f"{OPTIONS[k]} contradicts --optimizer lbfgs")
            for k in range(0, len(OPTIONS), 2)
        ),
    ],
)
def test_what_the_command_line_refuses(arguments, message, run):
    _, err = run("train", "iris", "--engine", "numpy", *arguments, code=2)
    assert message in " ".join(err.split())


def test_json_is_as_ever(run):
    out, _ = run("train", "iris", "--epochs", "2", "--engine", "numpy", "--json", *OPTIONS)
    assert json.loads(out)["task"] == "classification"
