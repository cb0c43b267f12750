"""The command line: what it prints, what it writes, and what it says to a mistake."""

import builtins
import contextlib
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Concatenate, Dense, Input, Network, __version__
from chainrule.cli import main as entry
from chainrule.cli.known_settings import SETTINGS, option
from chainrule.cli.preparing import Request
from chainrule.cli.sets import BUILT_IN, load_table
from chainrule.cli.train import train
from chainrule.errors import CacheError
from chainrule.model.files import load
from chainrule.nn.activations import ACTIVATIONS
from chainrule.nn.init import INITS, Orthogonal
from chainrule.nn.losses import LOSSES, Focal
from chainrule.optim.averaging import EMA
from chainrule.optim.rules import OPTIMIZERS, Adam, AdamW
from chainrule.optim.schedules import SCHEDULES, CosineDecay

ROOT = Path(__file__).parents[1]

FAST = ["--engine", "numpy", "--epochs", "2"]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture
def table(tmp_path):
    """A CSV of 60 rows: two inputs, a class in words, a class in numbers, a value."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    frame = polars.DataFrame(
        {
            "width": X[:, 0],
            "height": (X[:, 1] * 100).round().astype(int),
            "kind": np.where(X[:, 0] > 0, "wide", "narrow"),
            "code": (X[:, 0] > 0).astype(int) + 1,
            "price": 1000 + 50 * X[:, 0],
        }
    )
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.csv", frame


def trimmed(table, *columns):
    path, frame = table
    target = path.with_name("trimmed.csv")
    frame.select(columns).write_csv(target)
    return target


# train ----------------------------------------------------------------------------------------


def test_train_digits_reaches_its_aim_and_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run("train", "digits", "--model", "digits.chainrule")
    assert code == 0
    assert "digits: 1,797 rows, 64 inputs, digit in 10 classes" in out
    assert "precision    recall  f1-score   support" in out
    accuracy = float(re.search(r"Accuracy (0\.\d+)", out)[1])
    assert accuracy >= 0.97
    assert "Saved to digits.chainrule\n" in out
    assert "epoch 20/20  loss" in err
    assert max(map(len, (out + err).splitlines())) <= 80


@pytest.mark.parametrize("name", [n for n in BUILT_IN if n != "digits"])
def test_train_built_in_sets(run, name, tmp_path):
    code, out, _ = run("train", name, "--json", "--engine", "numpy", "--model", tmp_path / "m")
    result = json.loads(out)
    assert code == 0
    task = "regression" if name == "diabetes" else "classification"
    assert result["task"] == task
    assert set(result) >= {"task", "rows", "test", "baseline", "seconds"}
    score = "r2" if task == "regression" else "accuracy"
    assert result["test"][score] >= {"diabetes": 0.25, "xor": 1.0}.get(name, 0.9)
    assert result["test"][score] > result["baseline"][score] + 0.2
    rows = load_table(name, None).rows
    assert sum(result["rows"].values()) == (8 if name == "xor" else rows)
    assert load(tmp_path / "m").metadata["target"] == load_table(name, None).target


def test_the_result_of_train_is_that_of_its_model(run, tmp_path):
    model = tmp_path / "m.chainrule"
    _, out, _ = run("train", "iris", "--json", "--model", model, *FAST, "--seed", 3)
    first = json.loads(out)
    assert first["model"] == str(model)
    assert first["epochs"] == 2
    _, out, _ = run("train", "iris", "--json", *FAST, "--seed", 3)
    assert json.loads(out)["test"] == first["test"]
    assert json.loads(out)["loss"] == first["loss"]
    _, out, _ = run("train", "iris", "--json", *FAST, "--seed", 4)
    assert json.loads(out)["loss"] != first["loss"]


@pytest.mark.parametrize(
    ("target", "task", "labels"),
    [
        ("kind", "classification", ["narrow", "wide"]),
        ("code", "classification", [1, 2]),
        ("price", "regression", None),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_train_a_file(run, table, tmp_path, target, task, labels, suffix):
    _, frame = table
    data = tmp_path / f"own{suffix}"
    numeric = frame.select("width", "height", target)
    numeric.write_csv(data) if suffix == ".csv" else numeric.write_parquet(data)
    model = tmp_path / "m.chainrule"
    code, out, _ = run("train", data, "--target", target, "--model", model, "--engine", "numpy", "--json")
    assert code == 0
    result = json.loads(out)
    assert result["task"] == task
    assert result["rows"] == {"train": 48, "test": 12}
    assert next(iter(result["test"].values())) > 0.85
    net = load(model)
    assert (net.metadata["data"], net.metadata["target"]) == (str(data), target)
    assert net.metadata["columns"] == net.metadata["inputs"] == ["width", "height"]
    assert (None if net.classes is None else net.classes.tolist()) == labels

    code, out, _ = run("evaluate", model, data, "--json")
    assert code == 0
    again = json.loads(out)
    assert again["task"] == task
    assert again["rows"] == {"test": 60}
    assert next(iter(again["test"].values())) > 0.85
    assert set(again) == {"task", "rows", "test", "baseline", "seconds"}
    code, out, _ = run("evaluate", model, data)
    assert ("precision" if task == "classification" else "root mean squared error") in out

    code, out, _ = run("predict", model, data)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == target
    assert len(lines) == 61
    expected = net.predict(frame.select("width", "height").to_numpy())
    assert lines[1:] == [str(v) for v in expected]


def test_plain_gradient_descent_on_a_regression_has_a_fitting_rate(run):
    _, out, _ = run("train", "diabetes", "--optimizer", "sgd", "--engine", "numpy", "--json")
    assert json.loads(out)["test"]["r2"] > 0.2


# settings -------------------------------------------------------------------------------------------


def quick(run, *arguments):
    code, out, err = run("train", *arguments, "--json", *FAST)
    assert code == 0, err
    return json.loads(out)


def test_options_reach_the_network(run, tmp_path):
    model = tmp_path / "m.chainrule"
    quick(
        run, "iris", "--model", model, "--hidden", "5,4", "--activation", "tanh,selu", "--dropout", "0.25",
        "--batch-norm", "--l1", "0.001", "--l2", "0.01", "--loss", "focal", "--loss-option", "gamma=1.5",
        "--init", "orthogonal", "--init-option", "gain=2", "--optimizer", "adamw", "--learning-rate", "0.02",
        "--option", "weight_decay=0.1", "--option", "beta1=0.8", "--clip-norm", "3", "--schedule", "cosine",
        "--schedule-option", "warmup=0.5",
    )  # fmt: skip
    net = load(model)
    assert net.names == [
        "standardize", "hidden1", "batch_norm1", "dropout1", "hidden2", "batch_norm2", "dropout2", "output"
    ]  # fmt: skip
    assert [net[name].units for name in ("hidden1", "hidden2", "output")] == [5, 4, 3]
    assert [net[name].activation for name in ("hidden1", "hidden2", "output")] == ["tanh", "selu", "linear"]
    assert net["dropout2"].rate == 0.25
    for name in ("hidden1", "hidden2", "output"):
        assert (net[name].l1, net[name].l2, net[name].init) == (0.001, 0.01, Orthogonal(2.0))
    assert net._losses == [Focal(1.5)]
    assert net.optimizer == AdamW(CosineDecay(0.02, warmup=0.5), 0.8, weight_decay=0.1, clip_norm=3.0)


def test_without_options_there_is_one_hidden_layer_and_adam(run, tmp_path):
    quick(run, "iris", "--model", tmp_path / "m")
    net = load(tmp_path / "m")
    assert net.names == ["standardize", "hidden1", "output"]
    assert (net["hidden1"].units, net["hidden1"].activation, net.optimizer) == (64, "relu", Adam())
    quick(run, "iris", "--model", tmp_path / "m", "--hidden", "")
    assert load(tmp_path / "m").names == ["standardize", "output"]


@pytest.mark.parametrize("name", sorted({*OPTIMIZERS} - {"levenberg_marquardt"}))  # for squared errors
def test_every_optimizer_trains(run, name):
    assert quick(run, "iris", "--optimizer", name)["loss"] < 1.5


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_trains(run, name):
    assert quick(run, "iris", "--schedule", name)["loss"] < 1.5


@pytest.mark.parametrize("name", sorted(INITS))
def test_all_initial_weights_train(run, name):
    assert quick(run, "iris", "--init", name)["loss"] < 2


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_trains(run, name):
    assert quick(run, "iris", "--activation", name)["loss"] < 5


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"kl_divergence", "quantiles"}))
def test_every_loss_of_one_column_trains_and_says_its_task(run, name, tmp_path):
    values = LOSSES[name].target == "values"
    result = quick(run, "diabetes" if values else "breast-cancer", "--loss", name, "--model", tmp_path / "m")
    assert result["task"] == ("regression" if values else "classification")
    net = load(tmp_path / "m")
    assert (net.loss, net.outputs) == (name, 2 if LOSSES[name].target == "classes" else 1)
    assert ("rescale" in net.names) == (values and name != "poisson")


def test_the_loss_says_what_numbers_are(run, table):
    data = trimmed(table, "width", "height", "code")
    assert quick(run, data, "--target", "code")["task"] == "classification"
    assert quick(run, data, "--target", "code", "--loss", "mae")["task"] == "regression"
    assert quick(run, data, "--target", "code", "--task", "regression")["task"] == "regression"
    assert quick(run, data, "--target", "code", "--loss", "hinge")["task"] == "classification"


def test_early_stopping_holds_rows_apart_and_keeps_the_best(run):
    code, out, _ = run("train", "wine", "--early-stopping", "3", "--learning-rate", "0.05", "--epochs", "500",
                       "--engine", "numpy")  # fmt: skip
    assert code == 0
    assert "wine: 178 rows, 13 inputs, cultivar in 3 classes" in out
    assert "128 rows to train on, 14 to validate with, 36 held back" in out
    stopped = re.search(r"Stopped after (\d+) epochs: val_loss has not become better", out)
    assert 3 < int(stopped[1]) < 500
    result = quick(run, "wine", "--early-stopping", "3", "--validation-size", "0.5")
    assert result["rows"] == {"train": 71, "validation": 71, "test": 36}
    assert quick(run, "wine", "--validation-size", "0.5")["rows"] == result["rows"]


def test_cross_validation_says_how_long_to_train(run):
    stop = ["--stop", "cross-validated", "--folds", "3"]
    arguments = ("wine", *stop, "--epochs", "12", "--learning-rate", "0.02")
    result = cross_validated(run, *arguments)
    found = result["stopping"]
    assert result["rows"] == {"train": 142, "test": 36}
    assert len(found["curves"]) == 3
    assert {len(curve) for curve in found["curves"]} == {12}
    assert found["best_epochs"] == [1 + curve.index(min(curve)) for curve in found["curves"]]
    assert result["epochs"] == found["epochs"] == max(1, round(sum(found["best_epochs"]) / 3))
    assert cross_validated(run, *arguments, "--jobs", "2")["stopping"] == found
    code, out, progress = run("train", *arguments, "--engine", "numpy")
    assert code == 0
    assert "fold  best epoch  its loss  the last epoch's\n" in out
    assert "fold 3 of 3: best after" in progress


def cross_validated(run, *arguments):
    return json.loads(run("train", *arguments, "--json", "--engine", "numpy")[1])


def test_classes_can_count_the_same(run):
    plain, balanced = (quick(run, "breast-cancer", *more) for more in ((), ("--class-weight", "balanced")))
    assert plain["loss"] != balanced["loss"]


def test_all_rows_in_one_step(run, tmp_path):
    plain, whole = (quick(run, "iris", "--batch-size", size) for size in ("120", "all"))
    assert whole["loss"] == plain["loss"]
    _, out, _ = run("train", "iris", "--optimizer", "lbfgs", "--json", "--engine", "numpy")
    assert json.loads(out)["epochs"] < 200
    assert json.loads(out)["test"]["accuracy"] >= 0.9
    small = ["--hidden", 2, "--pieces", 0, "--activation", "tanh", "--epochs", 20]
    for optimizer in ("cg", "levenberg_marquardt"):
        _, out, _ = run("train", "diabetes", "--optimizer", optimizer, *small, "--json", "--engine", "numpy")
        assert json.loads(out)["epochs"] == 20
        assert json.loads(out)["test"]["r2"] > 0.3


def test_batches_in_parts_and_gradients_uphill(run, tmp_path):
    whole = quick(run, "iris", "--batch-size", 60)
    parted = quick(run, "iris", "--batch-size", 15, "--accumulate", 4)
    assert parted["loss"] == pytest.approx(whole["loss"], rel=1e-4)
    config = tmp_path / "net.toml"
    config.write_text("[training]\naccumulate = 4\nbatch_size = 15\n", encoding="utf-8")
    assert quick(run, "iris", "--config", config)["loss"] == parted["loss"]
    assert quick(run, "iris", "--sam", 0.5)["loss"] != quick(run, "iris")["loss"]
    config.write_text("[optimizer]\nsam = 0.5\n", encoding="utf-8")
    assert quick(run, "iris", "--config", config)["loss"] == quick(run, "iris", "--sam", 0.5)["loss"]


CONFIG = """
[network]
hidden = [5, 4]
activation = "tanh"
l2 = 0.01
loss = { name = "focal", gamma = 1.5 }
init = "lecun"

[training]
epochs = 2
batch_size = "all"
seed = 3
engine = "numpy"

[optimizer]
name = "adamw"
learning_rate = 0.02
weight_decay = 0.1

[schedule]
name = "one_cycle"
rise = 0.5
"""
SAME = [
    "--hidden", "5,4", "--activation", "tanh", "--l2", "0.01", "--loss", "focal",
    "--loss-option", "gamma=1.5",
    "--init", "lecun", "--epochs", "2", "--batch-size", "all", "--seed", "3", "--engine", "numpy",
    "--optimizer", "adamw", "--learning-rate", "2e-2", "--option", "weight_decay=0.1",
    "--schedule", "one_cycle", "--schedule-option", "rise=0.5",
]  # fmt: skip


def test_a_file_says_the_same_as_options(run, tmp_path):
    config, model = tmp_path / "net.toml", tmp_path / "m"
    config.write_text(CONFIG)
    results = []
    for arguments in (["--config", config], SAME, ["--config", config, *SAME]):
        code, out, _ = run("train", "iris", "--json", "--model", model, *arguments)
        assert code == 0
        net = load(model)
        results.append((json.loads(out)["loss"], net.optimizer, net._losses, repr(net)))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[network]\nhiden = 3", "net.toml: key in [network] 'hiden' is unknown; did you mean 'hidden'?"),
        ("[training]\nbatch-size = 3", "key in [training] 'batch-size' is unknown; did you mean 'batch_size"),
        ("[optimiser]\nname = 'adam'", "net.toml: table 'optimiser' is unknown; did you mean 'optimizer'?"),
        ("[optimizer]\nmomentum = 1", "net.toml: setting of adam 'momentum' is unknown. Known: average,"),
        ("[schedule]\nfactor = 1", "net.toml: factor says nothing without a name: pass --schedule as well"),
        ("epochs = 3", "net.toml: epochs stands outside of the tables. Put it under [training]."),
        ("training = 3", "net.toml: training must be a table. Write [training] and its settings below it."),
        ("[[[", "net.toml: is not TOML: "),
        ("[training]\nepochs = 2.5", "net.toml: epochs must be a positive int, got 2.5. Pass e.g. 20."),
        ("[training]\nseed = true", "net.toml: seed must be a whole number from 0 to 2**63 - 1, got True."),
        ("[network]\nhidden = [64, 'x']", "net.toml: hidden must be sizes with commas between, none above"),
        ("[network]\nbatch_norm = 1", "net.toml: batch_norm must be true or false, got 1."),
        ("[network]\nloss = { name = 3 }", "net.toml: loss must be a name, got 3."),
        ("[network]\nloss = { name = 'huber', delta = 0 }", "net.toml: delta must be above 0 and finite"),
        ("[network]\nactivation = ['relu', 'tanh']", "net.toml: activation names 2 activations for 1 hidden"),
        ("[optimizer]\nlearning_rate = -1", "net.toml: learning_rate must be above 0 and finite, got -1."),
        ("[optimizer]\nbeta1 = [1]", "net.toml: beta1 must be a number, a name, true or false, got [1]."),
        ("[training]\ntask = 'values'", "net.toml: task 'values' is unknown. Known: classification, regress"),
        (b"\xff\xfe", "net.toml: cannot be read: it is not text in UTF-8."),
        (None, "net.toml: cannot be read: No such file or directory."),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_of_settings(run, tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "net.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, _, err = run("train", "iris", "--config", "net.toml")
    assert code == 2
    assert err.startswith("chainrule: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--epochs 3", "--epochs is 3 and net.toml: epochs is 2: they contradict each other. State it once."),
        ("--hidden 5", "--hidden is 5 and net.toml: hidden is 5,4: they contradict"),
        ("--loss huber", "--loss is huber and net.toml: loss is focal: they contradict"),
        ("--loss-option gamma=2", "--loss-option gamma is 2 and net.toml: gamma is 1.5: they contradict"),
        ("--option weight_decay=0.2", "--option weight_decay is 0.2 and net.toml: weight_decay is 0.1: they"),
        ("--optimizer lbfgs", "--optimizer is lbfgs and net.toml: optimizer is adamw: they contradict"),
        ("--schedule step", "--schedule is step and net.toml: schedule is one_cycle: they contradict"),
    ],
)
def test_options_and_a_file_that_contradict_each_other(run, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(CONFIG)
    code, _, err = run("train", "iris", "--config", "net.toml", *words.split())
    assert code == 2
    assert message in err


def test_the_examples_of_the_page_work(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "net.toml").write_text(next(block for block in blocks if block.startswith("[network]")))
    exec(re.search(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)[1], {})  # writes flats.csv
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("chainrule ")]
    assert len(lines) == 9
    for line in lines:
        words = shlex.split(line)[1:]
        quick = ["--engine", "numpy"] if words[0] == "train" and "--config" not in words else []
        code, out, err = run(*words, *quick)
        assert code == 0, f"{line}: {err}"
        assert "Trained in" in out or words[0] != "train"
    assert os.path.getsize("prices.csv") > 400
    assert os.path.getsize("curves.png") > 1000
    wanted = AdamW(CosineDecay(0.01, warmup=5), weight_decay=0.1, average=EMA(0.98))
    assert load("wine.chainrule").optimizer == wanted


# predict, evaluate, source --------------------------------------------------------------------


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "iris.chainrule"
    with contextlib.redirect_stdout(io.StringIO()):
        train(Request("iris", model=path, as_json=True), {"epochs": "2", "engine": "numpy"})
    return path


def test_predict_writes_probabilities_json_and_files(run, iris, tmp_path):
    _, out, _ = run("predict", iris, "iris", "--probabilities")
    frame = polars.read_csv(out.encode())
    assert frame.columns == ["species", "p(setosa)", "p(versicolor)", "p(virginica)"]
    np.testing.assert_allclose(
        frame.select(polars.sum_horizontal(frame.columns[1:])).to_numpy(), 1, atol=1e-5
    )
    _, out, _ = run("predict", iris, "iris", "--json")
    assert json.loads(out) == {"rows": 150, "predictions": frame["species"].to_list()}
    both = tmp_path / "p.json"
    code, out, _ = run("predict", iris, "iris", "--json", "--output", both)
    assert json.loads(out) == json.loads(both.read_text())
    assert json.loads(out)["predictions"] == frame["species"].to_list()
    code, out, err = run("predict", iris, "iris", "--output", tmp_path / "p.csv")
    assert (code, out) == (0, "")
    assert "150 predictions written to" in err
    assert polars.read_csv(tmp_path / "p.csv")["species"].to_list() == frame["species"].to_list()


def test_a_target_called_rows_hides_nothing(run, table, tmp_path):
    path, frame = table
    frame.select("width", rows="code").write_csv(path)
    run("train", path, "--target", "rows", "--model", tmp_path / "m", *FAST)
    _, out, _ = run("predict", tmp_path / "m", path, "--json")
    result = json.loads(out)
    assert result["rows"] == 60
    assert len(result["predictions"]) == 60


def test_the_version_and_short_help(run):
    assert run("--version") == (0, f"chainrule {__version__}\n", "")
    assert run("-h") == run("--help")
    assert run("train", "-h") == run("train", "--help")
    assert "Usage: chainrule" in run("-h")[1]


def test_the_package_is_a_command_as_well():
    done = subprocess.run([sys.executable, "-m", "chainrule", "--version"], capture_output=True, text=True)
    assert done.stdout == f"chainrule {__version__}\n"


def test_evaluate_takes_labels_of_the_same_kind_only(run, table, tmp_path):
    model = tmp_path / "m.chainrule"
    words, codes = (
        trimmed(table, "width", "height", c).rename(tmp_path / f"{c}.csv") for c in ("kind", "code")
    )
    run("train", words, "--target", "kind", "--model", model, *FAST)
    code, _, err = run("evaluate", model, codes, "--target", "code")
    assert code == 2
    assert "row 1, column 'code': '2' is not among the network's classes, 'narrow', 'wide'." in err
    run("train", codes, "--target", "code", "--task", "regression", "--model", model, *FAST)
    code, _, err = run("evaluate", model, words, "--target", "kind")
    assert code == 2
    assert "row 1, column 'kind': 'wide' is not a number. A target of numbers is needed: correct it." in err
    _, out, _ = run("train", codes, "--target", "code", *FAST)
    assert "Not saved: pass --model FILE to keep the network." in out
    assert "On the 12 rows held back" in out


def test_source_prints_what_runs(run, iris):
    code, out, _ = run("source", iris)
    assert code == 0
    namespace = {}
    exec(out, namespace)
    assert "m_W1" in out
    assert callable(namespace["step"])
    assert "m_W1" not in run("source", iris, "--optimizer", "sgd")[1]


@pytest.mark.parametrize("command", ["", "train", "predict", "evaluate", "inspect", "source", "summary"])
def test_help_fits_eighty_columns_and_has_examples(run, command):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert f"Usage: chainrule {command}" in out
    assert max(map(len, out.splitlines())) <= 80
    examples = out.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 1
    assert all(line.startswith(f"    chainrule {command}") for line in examples)


def test_the_help_of_train_lists_all_names_and_groups_options(run):
    words = set(re.findall(r"[\w-]+", run("train", "--help")[1]))
    assert words >= {*ACTIVATIONS, *INITS, *LOSSES, *OPTIMIZERS, *SCHEDULES}
    assert {
        f"--{key.replace('_', '-')}" for table in ("network", "training") for key in SETTINGS[table]
    } <= words
    titles = re.findall(r"^(\w+):$", run("train", "--help")[1], re.MULTILINE)
    assert titles == ["Arguments", "Options", "Network", "Training", "Optimizer", "Schedule", "Images"]


def loaded_by(*arguments):
    """The libraries that a command loads."""
    code = (
        "import sys, atexit; from chainrule.cli import main; "
        "atexit.register(lambda: print(*sorted({n.split('.')[0] for n in sys.modules}), file=sys.stderr)); "
        f"sys.argv = {['chainrule', *map(str, arguments)]!r}; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_help_loads_little():
    assert not loaded_by("--help") & {"llvmlite", "numba", "polars", "rich", "scipy", "sklearn"}


def test_training_without_a_model_or_picture_loads_nothing_for_them():
    loaded = loaded_by("train", "iris", "--json", *FAST)
    assert loaded >= {"numpy", "polars", "sklearn"}
    assert not loaded & {"matplotlib", "skops"}


# mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        # data
        ("train irs", "irs: there is no such file, nor a built-in set. Did you mean 'iris'? Sets: breast-"),
        ("train {folder} --target a", "has no folders within, and a folder for each class is needed"),
        ("train {table}", "--target is needed: which column of {table} to predict? It has"),
        ("train {table} --target prise", "column 'prise' is unknown; did you mean 'price'?"),
        ("train {one} --target b", "column 'b' has one class only, 1: there is nothing to learn."),
        ("train {single} --target b", "1 row is too few to hold back 1 and to keep one."),
        ("train {huge} --target b", "column 'b' varies by 3.5e+19, whose square float32 cannot hold."),
        ("train {tiny} --target b", "column 'a' varies by 4e-40, which float32 cannot hold. Use a"),
        ("predict {model} wine", "wine: columns 'sepal length (cm)', 'sepal width (cm)', 'petal length"),
        ("predict {model} {table}", "'petal width (cm)' are missing. Rename or add them. Columns: 'width', "),
        ("evaluate {model} {words} --target kind", "columns 'sepal length (cm)', 'sepal width (cm)', 'petal"),
        ("evaluate {model} digits", "are missing. Rename or add them. Columns: 'pixel_0_0', "),
        ("train iris --target species --target kind", "--target is given twice. Give it once."),
        ("train iris --test iris --split species", "--test and --split both say which rows to test on."),
        ("train iris --test iris --test-size 0.5", "--test-size and --test both say which rows to test on."),
        ("train {table} --target kind --split code", "row 1, column 'code': '"),
        ("train {table} --target kind --split cod", "column 'cod' is unknown; did you mean 'code'?"),
        ("train {table} --target kind --column cod=number", "column 'cod' is unknown; did you mean 'code'?"),
        ("train {table} --target kind --column kind=number", "--column 'kind': this is the target. Leave it"),
        ("train {table} --target kind --column code", "--column must be NAME=KIND, got 'code'. Pass e.g. zi"),
        ("train {table} --target kind --column code=word", "--column 'code': kind 'word' is unknown. Known:"),
        ("train {table} --target kind --separator ;;", "--separator must be one letter between columns, got"),
        ("train diabetes --confusion c.png", "--confusion is for classes, and this is a regression. Leave"),
        ("train iris --plot {missing}.jpg", "missing.jpg: pictures are PNG or SVG. Name it .png or .svg."),
        ("train iris --plot {missing}.svg --confusion {missing}.svg", "missing.svg is written by --plot too"),
        ("train {table} --target kind --model {table}", "is a file that this command reads. Name another"),
        ("predict {model} {table} --output {model}", "is a file that this command reads. Name another file."),
        ("predict {model} iris --separator ab", "--separator must be one letter between columns, got 'ab'."),
        ("inspect {table}", "is not a model file, or is truncated"),
        ("train {flat} --target b --task regression", "column 'b' has one value only, 4: there is nothing"),
        # single settings
        ("train iris --target kind", "--target: iris has its own target, 'species'; leave it out"),
        ("train iris --hidden 64,x", "--hidden must be sizes with commas between, none above 1,000,000, got"),
        ("train iris --hidden 0", "--hidden must be sizes"),
        ("train iris --hidden 9999999", "none above 1,000,000, got 9999999. Pass e.g. 64,32, or nothing"),
        ("train iris --activation rellu", "--activation 'rellu' is unknown; did you mean 'relu'?"),
        ("train iris --activation 3", "--activation must be a name, got 3."),
        ("train iris --dropout 1", "--dropout must be at least 0 and below 1, got 1."),
        ("train iris --l2 -1", "--l2 must be at least 0 and finite, got -1."),
        ("train iris --loss mes", "--loss 'mes' is unknown; did you mean 'mse'?"),
        ("train iris --init hee", "--init 'hee' is unknown; did you mean 'he'?"),
        ("train iris --optimizer adm", "--optimizer 'adm' is unknown; did you mean 'adam'?"),
        ("train iris --schedule cosin", "--schedule 'cosin' is unknown; did you mean 'cosine'?"),
        ("train iris --engine nump", "--engine 'nump' is unknown; did you mean 'numpy'?"),
        ("train iris --class-weight balance", "--class-weight 'balance' is unknown; did you mean 'balanced'"),
        ("train {table} --target kind --task clasification", "--task 'clasification' is unknown; did you"),
        ("train iris --learning-rate 0", "--learning-rate must be above 0 and finite, got 0."),
        ("train iris --learning-rate fast", "--learning-rate must be above 0 and finite, got 'fast'."),
        ("train iris --learning-rate 1e39", "--learning-rate 1e+39 in step 1 is too large for float32."),
        ("train iris --clip-norm 0", "--clip-norm must be above 0 and finite, got 0."),
        ("train iris --batch-size 0", "--batch-size must be a positive int, got 0. Pass e.g. 32, or all."),
        ("train iris --epochs x", "--epochs must be a positive int, got 'x'. Pass e.g. 20."),
        ("train iris --epochs 99999999", "--epochs must be at most 10,000,000, got 99,999,999."),
        ("train iris --early-stopping 0", "--early-stopping must be a positive int, got 0. Pass e.g. 10, or"),
        ("train iris --seed -1", "--seed must be a whole number from 0 to 2**63 - 1, got -1."),
        ("train iris --test-size 1", "--test-size must be above 0 and below 1, got 1."),
        ("train iris --test-size 0.9999", "iris: 150 rows are too few to hold back 150 and to keep one of"),
        ("train iris --validation-size 0", "--validation-size must be above 0 and below 1, got 0."),
        ("train iris --option momentum", "--option must be NAME=VALUE, got 'momentum'. Pass e.g. momentum=0"),
        ("train iris --option momentum=1", "--option: setting of adam 'momentum' is unknown. Known: average"),
        ("train iris --option bta1=1", "setting of adam 'bta1' is unknown; did you mean 'beta1'?"),
        ("train iris --option beta1=1", "--option beta1 must be at least 0 and below 1, got 1."),
        ("train iris --loss-option delta=1", "--loss-option: setting of cross_entropy 'delta' is unknown."),
        ("train iris --optimizer sgd --option nesterov=true", "--option nesterov needs momentum.\n"),
        # schedules that would go negative
        ("train iris --schedule step --schedule-option factor=-1", "--schedule-option factor must"),
        ("train iris --schedule cosine --schedule-option min_rate=-1", "min_rate must be at least 0 and"),
        ("train iris --schedule cosine --schedule-option min_rate=5", "is above the --learning-rate, 0.001."),
        ("train iris --schedule cosine --schedule-option warmup=999", "a warm-up of 999 epochs leaves noth"),
        # a loss that does not fit its targets
        ("train {table2} --target code --loss poisson", "row 2, column 'code': loss poisson needs counts or"),
        ("train diabetes --loss quantiles", "got 1. Give the last layer 3 units for each column of targets"),
        ("train diabetes --loss kl_divergence", "row 1, column 'progression': loss kl_divergence needs rows"),
        ("train iris --loss mse", "row 1, column 'species': 'setosa' is not a number, and a regression need"),
        ("train iris --task regression", "iris: row 1, column 'species': 'setosa' is not a number, and"),
        ("train {fractions} --target b --loss focal", "row 2, column 'b': 1.5 is not a class, which loss fo"),
        ("train iris --loss hinge", "loss hinge is for two classes, and iris has 3. Take cross_entropy."),
        # settings that contradict each other
        ("train iris --loss mse --task classification", "--loss mse is for regression and --task is classif"),
        ("train diabetes --class-weight balanced", "--class-weight is for classes, and this is a regression"),
        ("train iris --hidden 8,8 --activation relu,tanh,relu", "--activation names 3 activations for 2 hid"),
        ("train iris --hidden= --dropout 0.5", "--dropout is for hidden layers, and --hidden leaves none."),
        ("train iris --optimizer lbfgs --schedule cosine", "--schedule contradicts --optimizer lbfgs, which"),
        ("train iris --optimizer lbfgs --batch-size 5", "--batch-size contradicts --optimizer lbfgs, which"),
        ("train iris --optimizer lbfgs --learning-rate 1", "--learning-rate does not go with optimizer lbfg"),
        ("train iris --optimizer lbfgs --dropout 0.1", "Dropout changes from step to step, which an optimiz"),
        ("train iris --optimizer cg --accumulate 2", "--accumulate contradicts --optimizer cg, which takes"),
        ("train iris --optimizer lbfgs --sam 0.1", "--sam does not go with optimizer lbfgs. Leave it out."),
        ("train iris --sam 0.1 --accumulate 2", "--accumulate contradicts --sam, which needs the gradients"),
        ("train iris --sam 0", "--sam must be above 0 and finite, got 0."),
        ("train iris --accumulate 0", "--accumulate must be a positive int, got 0."),
        ("train iris --optimizer levenberg_marquardt", "sums of squares, such as mse, half_sum and sum"),
        ("train diabetes --optimizer levenberg_marquardt", "Train fewer weights, or take another optimizer,"),
        ("train diabetes --hidden 2 --pieces 0 --l1 1 --optimizer levenberg_marquardt", "Take l2, or"),
        ("train iris --optimizer delta_bar_delta --schedule cosine", "--schedule cosine does not go with op"),
        ("train iris --optimizer rprop --schedule cosine", "--schedule cosine does not go with optimizer rp"),
        ("train iris --schedule-option warmup=5", "--schedule-option warmup says nothing without a name: pa"),
        ("train iris --init-option gain=2", "says nothing without a name: pass --init as well"),
        ("train iris --clip-norm 1 --option clip_norm=2", "--clip-norm is 1 and --option clip_norm is 2: th"),
        (
            "train wine --stop cross-validated --early-stopping 5",
            "--stop cross-validated and --early-stopping contradict each other",
        ),
        (
            "train wine --stop cross-validated --validation-size 0.2",
            "--stop cross-validated and --validation-size contradict each other",
        ),
        (
            "train wine --stop cross-validated --checkpoint runs",
            "--stop cross-validated and --checkpoint contradict each other",
        ),
        (
            "train wine --stop cross-validated --resample over",
            "--stop cross-validated and --resample contradict each other: copies of a row would be on both",
        ),
        ("train wine --folds 5", "--folds is for --stop cross-validated. Pass that as well"),
        ("train wine --jobs 2", "--jobs is for --stop cross-validated or --ensemble. Pass that as well"),
        ("train wine --stop never", "--stop 'never' is unknown. Known: cross-validated."),
        ("train wine --stop cross-validated --folds 1", "--folds must be a whole number from 2 to 10,000,"),
        ("train wine --stop cross-validated --jobs 0", "--jobs must be a whole number from 1 to 1,000, or"),
        (
            "train wine --stop cross-validated --folds 143",
            "--folds: 143 folds need as many rows, and 142 rows can be trained on.",
        ),
        (
            "train wine --stop cross-validated --folds 2 --learning-rate 1e30",
            "in fold 1 the loss became infinite in the first epoch.",
        ),
        ("train xor --early-stopping 5", "--early-stopping: xor has four rows, all of which are needed."),
        ("train diabetes --optimizer sgd --learning-rate 1e9 --engine numpy", "Pass a smaller --learning-ra"),
        # files
        ("train iris --model {missing}/m", "--model: {missing}/m: cannot be written: there is no folder"),
        ("train iris --model {folder}", "--model: {folder}: cannot be written: it is a folder"),
        ("train iris --model /dev/null", "--model: /dev/null: cannot be written: it is a device"),
        ("predict {model} iris --output /dev/null", "--output: /dev/null: cannot be written: it is a device"),
        ("predict {model} iris --output {missing}/p.csv", "there is no folder"),
        ("predict {missing} iris", "there is no such file"),
        ("predict {table} iris", "is not a model file, or is truncated"),
        ("summary {table}", "is not a model file, or is truncated"),
        ("source {missing}", "there is no such file"),
        ("source {model} --optimizer adm", "optimizer 'adm' is unknown; did you mean 'adam'"),
        ("source {model} --optimizer lbfgs", "LBFGS takes no steps that could be printed"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(run, table, iris, tmp_path, arguments, message):
    contents = {
        "one": "a,b\n" + "1,1\n2,1\n" * 9, "single": "a,b\n1,0.5\n", "fractions": "a,b\n1,1\n2,1.5\n3,2\n",
        "table2": "width,code\n1,1\n2,-3\n3,1\n", "huge": "a,b\n" + "1,1e20\n2,2e19\n3,3e19\n" * 9,
        "flat": "a,b\n" + "1,4\n2,4\n" * 9,
        "tiny": "a,b\n" + "1e-39,1\n2e-40,0.5\n" * 9,
    }  # fmt: skip
    names = {"folder": tmp_path, "missing": tmp_path / "missing", "table": table[0], "model": iris}
    names["words"] = trimmed(table, "width", "height", "kind")
    for name, content in contents.items():
        names[name] = tmp_path / f"{name}.csv"
        names[name].write_text(content)
    before = sorted(os.listdir(tmp_path))
    code, _, err = run(*[part.format(**names) for part in arguments.split(" ")])
    assert code == 2
    assert message.format(**names) in err
    assert err.splitlines()[-1].startswith("chainrule: ")
    assert "Traceback" not in err
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("place", [0.01, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(
    "command", ["predict {} iris", "evaluate {} iris", "inspect {}", "source {}", "summary {}"]
)
def test_a_model_file_changed_by_one_bit_is_refused(run, iris, tmp_path, command, place):
    content = bytearray(iris.read_bytes())
    content[int(place * (len(content) - 1))] ^= 4
    changed = tmp_path / "changed.chainrule"
    changed.write_bytes(content)
    code, out, err = run(*command.format(changed).split())
    assert (code, out) == (2, "")
    assert err.startswith(f"chainrule: {changed}: ")
    assert err.count("\n") == 1


def test_a_network_of_several_tables_is_for_python(run, tmp_path):
    x, y = Input(2), Input(2)
    joined = Network(Dense(1)(Concatenate()(x, y)), loss="mse")
    parted = Network([Dense(1)(x), Dense(1)(x)], loss=["mse", "mse"])
    wide = Network([Dense(3)], loss="mse")
    for network, inputs, message in (
        (joined, [2, 2], "the network has 2 input tables; here it can have one. Use it from Python."),
        (parted, 2, "the network has 2 targets; here it can have one. Use it from Python."),
        (wide, 4, "the network gives 3 values for a row; here it can give one. Use it from Python."),
    ):
        network.build(inputs)
        network.save(tmp_path / "m")
        for command in ("predict", "evaluate"):
            code, _, err = run(command, tmp_path / "m", "iris")
            assert code == 2
            assert message in err


def test_a_network_that_was_never_trained_can_be_used(run, tmp_path):
    network = Network([Dense(3)], loss="cross_entropy")
    network.build(4)
    network.save(tmp_path / "m")
    code, out, _ = run("predict", tmp_path / "m", "iris", "--probabilities")
    assert code == 0
    assert out.splitlines()[0] == "prediction,p(0),p(1),p(2)"
    code, _, err = run("evaluate", tmp_path / "m", "iris")
    assert code == 2
    assert "m: the network was not trained on classes yet" in err


def test_no_probabilities_without_a_loss_that_gives_them(run, tmp_path):
    model = tmp_path / "m"
    quick(run, "breast-cancer", "--loss", "hinge", "--model", model)
    code, _, err = run("predict", model, "breast-cancer", "--probabilities")
    assert code == 2
    assert "--probabilities: a network with the loss hinge gives none. Leave it out." in err
    assert run("predict", model, "breast-cancer")[1].splitlines()[0] == "diagnosis"


def test_labels_outside_of_the_classes_are_named(run, table, tmp_path):
    data, model = trimmed(table, "width", "height", "kind"), tmp_path / "m"
    quick(run, data, "--target", "kind", "--model", model)
    lines = data.read_text().splitlines()
    data.write_text("\n".join([*lines[:3], "1,2,huge", *lines[3:]]))
    code, _, err = run("evaluate", model, data)
    assert code == 2
    assert "row 3, column 'kind': 'huge' is not among the network's classes, 'narrow', 'wide'." in err


def test_rows_far_from_those_trained_on_are_named(run, table, tmp_path):
    path, model = table[0], tmp_path / "m"
    path.write_text("a,b\n" + "1e-37,1\n3e-37,2.5\n" * 9)
    quick(run, path, "--target", "b", "--model", model)
    path.write_text("a,b\n1e-37,1\n1e37,2\n")
    for command in ("predict", "evaluate"):
        code, _, err = run(command, model, path)
        assert code == 2
        assert err.startswith(f"chainrule: {path}: row 2: the prediction is not finite. Its inputs lie too")


def test_one_row_has_no_r2(run, table):
    path, frame = table
    frame.head(5).select("width", "price").write_csv(path)
    result = quick(run, path, "--target", "price")
    assert result["rows"] == {"train": 4, "test": 1}
    assert result["test"] == {"r2": None}
    assert result["baseline"] == {"r2": None, "linear_r2": None}
    _, out, _ = run("train", path, "--target", "price", *FAST)
    assert "R2 undefined; always the mean: undefined; a linear model: undefined." in out


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["trian", "iris"], ["train", "iris", "--hiden", "3"]],
)
def test_a_wrong_command_line_shows_how(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert "Usage: chainrule" in err
    assert "Traceback" not in err


def test_evaluate_needs_a_target_it_can_know(run, table, tmp_path):
    model = tmp_path / "m.chainrule"
    run("train", trimmed(table, "width", "height", "price"), "--target", "price", "--model", model, *FAST)
    data = trimmed(table, "width", "height")
    code, _, err = run("evaluate", model, data)
    assert code == 2
    assert "column 'price' is unknown" in err
    network = load(model)
    network.metadata, network.attachments = {}, {}
    network.save(model)
    code, _, err = run("evaluate", model, data)
    assert code == 2
    assert "--target is needed" in err
    code, out, _ = run("predict", model, data)
    assert out.splitlines()[0] == "prediction"


def test_a_missing_extra_says_what_to_install(run, monkeypatch):
    real = builtins.__import__

    def without_typer(name, *arguments, **named):
        if name == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without_typer)
    for file in ("app", "commands", "explaining_commands"):
        monkeypatch.delitem(sys.modules, f"chainrule.cli.{file}", raising=False)
    code, _, err = run("train", "iris")
    assert code == 2
    assert err == (
        "chainrule: the command line needs typer, which is not installed. Run: pip install 'chainrule[cli]'\n"
    )


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (KeyboardInterrupt, 130, "interrupted"),
        (CacheError("x"), 2, "x"),
        (CacheError("a\nb"), 2, "a\\nb"),
        (OSError(36, "File name too long", "long.csv"), 2, "long.csv: File name too long."),
        (OSError(28, "No space left on device"), 2, "No space left on device."),
        (MemoryError("8 TiB"), 2, "this needs more memory than there is (8 TiB)."),
    ],
)
def test_what_ends_a_command(run, monkeypatch, raised, code, message):
    def fail():
        raise raised

    monkeypatch.setattr(entry, "_run", fail)
    assert run("train") == (code, "", f"chainrule: {message}\n")


def test_a_warning_is_a_sentence(run, monkeypatch):
    def warn():
        warnings.simplefilter("always")
        warnings.warn("something is odd.", RuntimeWarning, stacklevel=1)
        sys.exit(0)

    monkeypatch.setattr(entry, "_run", warn)
    assert run("train") == (0, "", "chainrule: warning: something is odd.\n")


def test_letters_that_cannot_be_shown_are_no_error(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(entry, "_run", lambda: print("größe \udcff"))
    entry.main()
    assert shown.buffer.getvalue() == b"gr\\xf6\\xdfe \\udcff\n"


def test_a_fault_in_an_installation_is_not_taken_for_a_missing_extra(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["chainrule", "train", "iris"])
    monkeypatch.setitem(sys.modules, "chainrule.cli.report", None)
    monkeypatch.delitem(sys.modules, "chainrule.cli.train", raising=False)
    with pytest.raises(ModuleNotFoundError):
        entry.main()


# anything at all ------------------------------------------------------------------------------------

ODD = [
    "", "0", "1", "-1", "0.5", "nan", "inf", "1e400", "true", "all", "x", "64,32", ",", "é", "\udcff", "a b",
    "{x}", "%s", "x=1", "momentum=1", "=", "--", "/", "/dev/null", "9" * 30, "z" * 300, "a\nb", "relu,tanh",
    "sgd", "lbfgs", "rprop", "cosine", "mse", "hinge", "poisson", "constant", "balanced", "regression", "a",
]  # fmt: skip
CELLS = ["1", "2", "0", "-1", "3.5", "1e39", "1e-300", "1e20", "", "nan", "x", "true", "9" * 25, '"']
OPTIONS = [
    *(option(table, key) for table, keys in SETTINGS.items() for key in keys if key != "engine"),
    *(
        "--target",
        "--config",
        "--option",
        "--loss-option",
        "--init-option",
        "--schedule-option",
        "--json",
        "--nope",
    ),
]


def outcome(*arguments):
    """The exit status and standard error of a command, without pytest's fixtures."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["chainrule", *arguments])
        with pytest.raises(SystemExit) as caught:
            entry.main()
    return caught.value.code, err.getvalue()


def one_sentence_or_well(code, err):
    last = err.strip().splitlines()[-1]
    return code == 0 or (code == 2 and last.startswith(("chainrule: ", "Error: ")))


@given(
    st.lists(st.tuples(st.sampled_from(OPTIONS), st.sampled_from(ODD)), max_size=3),
    st.sampled_from(["iris", "xor", "diabetes"]),
)
def test_odd_options_end_well_or_with_a_sentence(pairs, data):
    words = [word for name, value in pairs for word in (name, value)]
    code, err = outcome("train", data, *words, *FAST)
    assert one_sentence_or_well(code, err), (code, err)


@given(
    st.lists(st.lists(st.sampled_from(CELLS), min_size=2, max_size=2), max_size=12),
    st.sampled_from([",", ",", ",", ";", "\t"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([(), ("--task", "regression"), ("--loss", "poisson"), ("--early-stopping", "2")]),
)
def test_odd_tables_end_well_or_with_a_sentence(tmp_path_factory, rows, separator, target, more):
    path = tmp_path_factory.getbasetemp() / "odd.csv"
    path.write_text("\n".join(separator.join(row) for row in [["a", "b"], *rows]))
    code, err = outcome("train", str(path), "--target", target, *more, *FAST)
    assert one_sentence_or_well(code, err), (code, err)


@given(
    st.binary(max_size=60), st.sampled_from(["train iris --config {}", "train {} --target a", "summary {}"])
)
def test_odd_bytes_end_well_or_with_a_sentence(tmp_path_factory, content, command):
    path = tmp_path_factory.getbasetemp() / "odd"
    path.write_bytes(content)
    code, err = outcome(*command.format(path).split(), *(FAST if "train" in command else []))
    assert one_sentence_or_well(code, err), (code, err)


# as a process ---------------------------------------------------------------------------------


def start(*arguments, **settings):
    return subprocess.Popen(
        [sys.executable, "-m", "chainrule.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_ctrl_c_keeps_what_was_learned(tmp_path, ctrl_c):
    model = tmp_path / "m.chainrule"
    process = start("train", "digits", "--model", model, "--engine", "numpy", "--epochs", "100000", "--json")
    limit = threading.Timer(60, process.kill)
    limit.start()
    try:
        while "epoch " not in (line := process.stderr.readline()):
            assert line or process.poll() is None
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        limit.cancel()
        process.kill()
    assert process.returncode == 0
    assert "Stopped by Ctrl-C after" in err
    result = json.loads(out)
    assert result["interrupted"]
    assert result["test"]["accuracy"] > 0.8
    assert load(model).built


def test_a_reader_that_leaves_early_is_no_error(iris):
    process = start("predict", iris, "iris")
    process.stdout.close()
    process.wait(timeout=60)
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
