"""`chainrule train` on classes of unequal size: weights, sampling, resampling, thresholds, calibration."""

import json
from importlib import util

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.model_selection import cross_val_score

import chainrule as cr
from chainrule.cli.settings import gather
from chainrule.errors import DataError, UnknownNameError
from chainrule.training.resampling import resample

QUICK = ("--epochs", "2", "--hidden", "4", "--engine", "numpy")
RNG = np.random.default_rng(0)


@pytest.fixture
def table(tmp_path):
    """300 rows of which every tenth is a yes; a number, a word and what to predict."""
    rng = np.random.default_rng(0)
    lines = ["width,colour,kind"]
    for k in range(300):
        yes = k % 10 == 0
        red = rng.random() < 0.3 + 0.5 * yes
        lines.append(f"{rng.normal(1.2 * yes):.3f},{'red' if red else 'blue'},{'yes' if yes else 'no'}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    return path


def result(run, table, *arguments):
    out, err = run("train", table, "--target", "kind", "--json", *QUICK, *arguments)
    return json.loads(out), err


def test_weights_and_shares_by_label(run, table, tmp_path):
    config = tmp_path / "net.toml"
    config.write_text("[training]\nsampling = { yes = 0.5, no = 0.5 }\n")
    ways = ("--sampling", "balanced"), ("--config", config), ("--class-weight", "yes=9,no=1")
    sampled, same, weighted = (result(run, table, *way)[0]["loss"] for way in ways)
    assert sampled == same
    config.write_text("[training]\nclass_weight = { yes = 9.0 }\n")
    assert weighted == result(run, table, "--config", config)[0]["loss"] != sampled


@pytest.mark.parametrize("loss", ["focal"])
def test_losses_take_weights_and_sampling(run, table, loss):
    weighted, _ = result(run, table, "--loss", loss, "--class-weight", "yes=5,no=1")
    sampled, _ = result(run, table, "--loss", loss, "--sampling", "balanced")
    assert weighted["loss"] != sampled["loss"]


@pytest.mark.parametrize(("way", "rows"), [("over", 432), ("smote", 432), ("under", 48)])
def test_rows_to_train_on_are_resampled_and_no_others(run, table, way, rows):
    found, err = result(run, table, "--resample", way)
    assert f"{rows} rows to train on after --resample {way}" in err
    assert found["rows"] == {"train": 240, "test": 60}
    assert found["baseline"]["accuracy"] == 0.9
    if way == "smote":
        out, _ = run("train", table, "--target", "kind", "--resample", way, "--seed", 2**62, *QUICK)
        assert "432 rows to train on after --resample smote" in out


def resampled(X, y, way, scaled):
    return resample(X, y, way, zero_or_one=~np.array(scaled))


def test_new_rows_lie_between_rows_of_their_class_and_have_whole_words():
    X = np.c_[RNG.normal(size=60) * 1e4, RNG.normal(size=60), np.eye(3)[RNG.integers(0, 3, 60)], np.ones(60)]
    y = np.arange(60) < 9
    made, labels = resampled(X, y, "smote", [True, True, False, False, False, True])
    assert np.array_equal(made[:60], X)
    new = made[60:]
    assert labels[60:].all()
    assert (np.bincount(labels.astype(int)) == 51).all()
    assert np.isin(new[:, 2:5], [0, 1]).all()
    assert (new[:, 2:5].sum(axis=1) == 1).all()
    assert (new[:, 5] == 1).all()
    low, high = X[:9].min(axis=0), X[:9].max(axis=0)
    assert ((new >= low - 1e-9) & (new <= high + 1e-9)).all()


def test_inputs_of_zero_or_one_are_told_from_the_rows():
    X = np.c_[RNG.normal(size=40), RNG.integers(0, 2, 40)]
    y = np.arange(40) < 10
    made = resample(X, y, "smote", seed=3)[0]
    assert np.array_equal(made, resample(X, y, "smote", seed=3, zero_or_one=np.array([False, True]))[0])
    with pytest.raises(UnknownNameError, match="resample 'more' is unknown"):
        resample(X, y, "more")


def test_columns_of_large_numbers_do_not_decide_who_is_near():
    X = np.array([[0.0, 0.0], [1e6, 0.1], [10.0, 5.0], [1e6, 5.1], *[[5e5, 2.5]] * 20])
    y = np.arange(24) < 4
    one, _ = resampled(X, y, "smote", [True, True])
    other, _ = resampled(X * [1e-6, 1.0], y, "smote", [True, True])
    assert np.allclose(one * [1e-6, 1.0], other)


# afterwards -----------------------------------------------------------------------------------


def test_a_threshold_is_chosen_on_rows_held_apart_and_saved(run, table, tmp_path):
    model = tmp_path / "m"
    arguments = ("--threshold", "f1", "--epochs", "20", "--model", model)
    found, _ = result(run, table, *arguments)
    assert found["rows"] == {"train": 216, "validation": 24, "test": 60}
    chosen = found["threshold"]
    assert chosen["measure"] == "f1"
    assert chosen["label"] == "yes"
    assert chosen["rows"] == 24
    assert chosen["score"] >= chosen["before"]
    net = cr.load(model)
    assert net.threshold == chosen["threshold"]
    assert net.metadata["training"]["threshold"] == chosen
    out, _ = run("evaluate", model, table, "--json")
    out2, _ = run("predict", model, table, "--probabilities", "--json")
    told = json.loads(out2)
    assert [p == "yes" for p in told["predictions"]] == [p >= chosen["threshold"] for p in told["p(yes)"]]
    right = np.array(told["predictions"]) == [
        line.split(",")[2] for line in table.read_text().split("\n")[1:]
    ]
    assert json.loads(out)["test"]["accuracy"] == right.mean()
    assert f"'yes' is predicted from a probability of {net.threshold:.4g} on" in run("inspect", model)[0]


def test_a_threshold_may_be_a_probability(run, table, tmp_path):
    found, _ = result(run, table, "--threshold", "0.3", "--model", tmp_path / "m")
    assert found["rows"] == {"train": 240, "test": 60}
    assert cr.load(tmp_path / "m").threshold == 0.3


def test_what_was_decided_is_told_between_the_tables_of_before_and_after(run, table):
    out, _ = run(
        *("train", table, "--target", "kind", "--hidden", "4", "--epochs", "30", "--engine", "numpy"),
        *("--sampling", "balanced", "--calibrate", "bias_corrected", "--threshold", "balanced_accuracy"),
    )
    first, second = out.index("On the 60 rows held back, before:"), out.index("On the 60 rows held back:")
    between = out[first:second]
    assert max(map(len, between.split("\n"))) <= 80
    assert "Calibrated: temperature " in between
    assert "log loss " in between
    assert "Threshold: 'yes' from a probability of " in between
    assert out.count("macro avg") == 2


def test_early_stopping_goes_by_a_scorer(run, table):
    out, _ = run(
        *("train", table, "--target", "kind", "--early-stopping", "2", "--monitor", "f1_macro"),
        *("--hidden", "4", "--epochs", "200", "--engine", "numpy"),
    )
    assert "val_f1_macro has not become better for 2 epochs" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--class-weight yse=5", "--class-weight: 'yse' is not among the classes, 'no', 'yes'. Correct it."),
        ("--class-weight yes=-1", "--class-weight yes must be at least 0 and finite, got -1"),
        ("--class-weight yes=x", "--class-weight yes must be at least 0 and finite, got 'x'"),
        ("--class-weight 5", "--class-weight must be balanced, or a number for each class, got 5. Pass e.g."),
        ("--sampling evenly", "--sampling 'evenly' is unknown. Known: balanced."),
        ("--sampling =1", "--sampling must be balanced, or a number for each class, got '=1'"),
        ("--sampling yes=0.5", "--sampling: the share of class 'no' is missing. Name every class's."),
        ("--sampling yes=0.5,no=0.6", "--sampling: shares must be above 0 and sum to 1"),
        ("--sampling balanced --optimizer lbfgs --dropout 0", "--sampling and LBFGS contradict each other"),
        (
            "--sampling balanced --class-weight balanced",
            "--class-weight and --sampling contradict each other",
        ),
        ("--resample over --sampling balanced", "--sampling and --resample contradict each other: both even"),
        ("--resample both", "--resample 'both' is unknown. Known: over, smote, under."),
        ("--threshold f3", "--threshold 'f3' is unknown. Known: "),
        ("--threshold 1", "--threshold must be above 0 and below 1, got 1."),
        ("--threshold roc_auc", " with every threshold. Take a measure of decisions, such as"),
        ("--threshold f1 --loss hinge", "--threshold is for probabilities, and loss hinge gives none."),
        ("--calibrate platt", "--calibrate 'platt' is unknown. Known: bias_corrected, temperature."),
        ("--calibrate temperature --loss hinge", "--calibrate is for probabilities, and loss hinge gives"),
        ("--monitor f1", "--monitor says what early stopping goes by, and there is none. Pass --early-sto"),
        ("--monitor f9 --early-stopping 3", "--monitor 'f9' is unknown. Known: "),
    ],
)
def test_a_mistake_gets_one_sentence(run, table, arguments, message):
    _, err = run("train", table, "--target", "kind", *QUICK, *arguments.split(), code=2)
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "diabetes --sampling balanced",
            "--sampling is for classes, and this is a regression. Leave it out.",
        ),
        ("diabetes --threshold f1", "--threshold is for classes, and this is a regression."),
        ("iris --threshold f1", "--threshold is for two classes, and there are 3. Leave it out;"),
        ("xor --threshold f1", "--threshold: xor has four rows, all of which are needed. Leave it out."),
        ("xor --calibrate temperature", "--calibrate: xor has four rows, all of which are needed."),
        ("iris --early-stopping 2 --monitor f1", "metric 'f1': Target is multiclass but average='binary'"),
    ],
)
def test_what_does_not_go_together_is_refused(run, arguments, message):
    _, err = run("train", *arguments.split(), *QUICK, code=2)
    assert message in err


def test_one_row_of_a_class_has_no_neighbours():
    with pytest.raises(DataError, match="resample smote: class 'b' has 1 row to train on"):
        resampled(np.zeros((5, 2)), np.array(list("aaaab")), "smote", [True, False])


def test_what_the_rows_do_not_allow_is_told_and_left_out(run, tmp_path):
    """Two rows held apart that are told apart without a mistake say nothing of a temperature."""
    path = tmp_path / "easy.csv"
    path.write_text("width,kind\n" + "".join(f"{k % 2},{'ab'[k % 2]}\n" for k in range(40)))
    out, err = run(
        "train", path, "--target", "kind", "--calibrate", "temperature", "--epochs", "60", "--json"
    )
    assert "left out: --calibrate: the 3 rows are told apart without a mistake" in err
    assert json.loads(out)["calibrate"] is None
    assert json.loads(out)["test"]["accuracy"] == 1.0


def test_a_missing_library_is_named_with_what_installs_it(run, table, monkeypatch):
    find = util.find_spec
    monkeypatch.setattr(
        "chainrule.training.resampling.find_spec", lambda name: None if name == "imblearn" else find(name)
    )
    _, err = run("train", table, "--target", "kind", "--resample", "over", *QUICK, code=2)
    assert (
        "--resample needs imbalanced-learn, which is not installed. Run: pip install 'chainrule[imba" in err
    )


def test_options_and_files_must_say_the_same(tmp_path):
    config = tmp_path / "net.toml"
    config.write_text("[training]\nclass_weight = { yes = 2.0 }\n")
    with pytest.raises(cr.ChainruleError, match=r"--class-weight is yes=3\.0,no=1\.0 and .* is yes=2\.0"):
        gather({"class_weight": "yes=3,no=1"}, str(config))


# imbalanced-learn's own pipelines ----------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("sampler", [RandomOverSampler, RandomUnderSampler, SMOTE])
def test_estimators_work_in_pipelines_of_imbalanced_learn(sampler):
    """Rows are resampled in fits alone: what is scored is as it was."""
    X = RNG.normal(size=(300, 3)) + (np.arange(300)[:, None] < 24)
    y = np.where(np.arange(300) < 24, "yes", "no")
    network = cr.MLPClassifier((6,), max_iter=20, learning_rate_init=0.02, random_state=0)
    pipeline = Pipeline([("rows", sampler(random_state=0)), ("network", network)])
    sampled = cross_val_score(pipeline, X, y, scoring="balanced_accuracy", cv=3)
    plain = cross_val_score(network, X, y, scoring="balanced_accuracy", cv=3)
    assert sampled.mean() > plain.mean() + 0.05
    fitted = pipeline.fit(X, y)
    rows = sampler(random_state=0).fit_resample(X, y)
    assert np.array_equal(fitted.predict_proba(X), network.fit(*rows).predict_proba(X))
    assert fitted.predict(X).shape == (300,)
