"""The command line: what it prints, what it writes, and what it says to a mistake."""

import builtins
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import polars
import pytest

from chainrule import __version__
from chainrule.cli import main as entry
from chainrule.cli.tables import BUILT_IN, guess_task, load_table
from chainrule.errors import CacheError
from chainrule.training.files import load

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
    assert "epoch 40/40  loss" in err
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
    assert net.metadata == {"data": str(data), "columns": ["width", "height"], "target": target}
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


def test_the_task_can_be_told(run, table):
    data = trimmed(table, "width", "height", "code")
    _, out, _ = run("train", data, "--target", "code", "--task", "regression", "--json", *FAST)
    assert json.loads(out)["task"] == "regression"
    assert "r2" in json.loads(out)["test"]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (np.array(["a", "b"]), "classification"),
        (np.array([True, False]), "classification"),
        (np.array([0, 1]), "classification"),
        (np.array([1.0, 2.0]), "classification"),
        (np.arange(100) % 20, "classification"),
        (np.arange(100) % 21, "regression"),
        (np.arange(10) % 3, "regression"),
        (np.array([0.5, 1.5] * 50), "regression"),
    ],
)
def test_what_a_target_seems_to_be(values, task):
    assert guess_task(values) == task


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_settings_reach_the_network(run, tmp_path, optimizer):
    model = tmp_path / "m.chainrule"
    settings = [
        "--hidden",
        "5,4",
        "--activation",
        "tanh",
        "--optimizer",
        optimizer,
        "--learning-rate",
        "0.02",
    ]
    code, _, _ = run("train", "iris", "--model", model, *settings, *FAST)
    assert code == 0
    net = load(model)
    assert [layer.units for layer in net.layers[1:]] == [5, 4, 3]
    assert net["hidden1"].activation == "tanh"
    assert net.optimizer.learning_rate == 0.02
    code, _, _ = run("train", "iris", "--model", model, "--hidden", "", *FAST)
    assert load(model).names == ["standardize", "output"]


def test_plain_gradient_descent_on_a_regression_has_a_fitting_rate(run):
    _, out, _ = run("train", "diabetes", "--optimizer", "sgd", "--engine", "numpy", "--json")
    assert json.loads(out)["test"]["r2"] > 0.2


# predict, evaluate, source --------------------------------------------------------------------


@pytest.fixture
def iris(run, tmp_path):
    run("train", "iris", "--model", tmp_path / "iris.chainrule", *FAST)
    return tmp_path / "iris.chainrule"


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


def test_a_header_of_numbers_is_told(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("1,1,2\n" + "3,4,5\n6,7,8\n" * 9)
    code, _, err = run("train", path, "--target", "2", *FAST)
    assert code == 0
    assert "the first row was taken as column names, which are all numbers: '1', '1_duplicated_0', '2'" in err
    path.write_text("a,1,2\n" + "3,4,5\n6,7,8\n" * 9)
    assert "warning" not in run("train", path, "--target", "2", *FAST)[2]


def test_words_for_missing_values_are_labels_beside_other_words(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "1,NA\n2,EU\n" * 9)
    code, out, _ = run("train", path, "--target", "b", *FAST)
    assert code == 0
    assert "t.csv: 18 rows, 1 input, b in 2 classes" in out


def test_truth_values_are_inputs(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "true,yes\nfalse,no\n" * 9)
    assert run("train", path, "--target", "b", *FAST)[0] == 0
    np.testing.assert_array_equal(load_table(str(path), "b").X[:2], [[1.0], [0.0]])


def test_the_version_and_short_help(run):
    assert run("--version") == (0, f"chainrule {__version__}\n", "")
    assert run("-h") == run("--help")
    assert run("train", "-h") == run("train", "--help")
    assert "Usage: chainrule" in run("-h")[1]


def test_evaluate_takes_labels_of_the_same_kind_only(run, table, tmp_path):
    model = tmp_path / "m.chainrule"
    words, codes = (
        trimmed(table, "width", "height", c).rename(tmp_path / f"{c}.csv") for c in ("kind", "code")
    )
    run("train", words, "--target", "kind", "--model", model, *FAST)
    code, _, err = run("evaluate", model, codes, "--target", "code")
    assert code == 2
    assert "the target holds int64, but the network's classes are 'narrow', 'wide'" in err
    run("train", codes, "--target", "code", "--task", "regression", "--model", model, *FAST)
    code, _, err = run("evaluate", model, words, "--target", "kind")
    assert code == 2
    assert "the target holds text, but the network predicts numbers" in err
    _, out, _ = run("train", codes, "--target", "code", *FAST)
    assert "Not saved: pass --model FILE to keep the network." in out
    assert "On the 12 rows held back" in out


def test_columns_are_found_by_name(run, table, tmp_path):
    data = trimmed(table, "width", "height", "kind")
    model = tmp_path / "m.chainrule"
    run("train", data, "--target", "kind", "--model", model, *FAST)
    _, expected, _ = run("predict", model, data)
    other = trimmed(table, "kind", "price", "height", "width")
    assert run("predict", model, other)[1] == expected


def test_source_prints_what_runs(run, iris):
    code, out, _ = run("source", iris)
    assert code == 0
    namespace = {}
    exec(out, namespace)
    assert "m_W1" in out
    assert callable(namespace["step"])
    assert "m_W1" not in run("source", iris, "--optimizer", "sgd")[1]


def test_help_fits_eighty_columns(run):
    for arguments in (["--help"], ["train", "--help"], ["predict", "--help"], ["evaluate", "--help"]):
        code, out, _ = run(*arguments)
        assert code == 0
        assert "Usage: chainrule" in out
        assert max(map(len, out.splitlines())) <= 80


# mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train irs", "irs: there is no such file, nor a built-in set. Did you mean 'iris'? Sets: breast-"),
        ("train {missing}.csv --target a", "there is no such file"),
        ("train {folder} --target a", "is a folder. Pass a CSV or Parquet file"),
        ("train {table}", "--target is needed: which column of {table} to predict? It has"),
        ("train {table} --target prise", "column 'prise' is unknown; did you mean 'price'?"),
        ("train {table} --target price", "column 'kind' is not numeric ('"),
        ("train {marks} --target b", "column 'a' has 1 missing value, first in row 2 ('n/a'). Fill them"),
        ("train {marks} --target a", "column 'a' has 1 missing value, first in row 2 ('n/a')."),
        ("train {lower} --target b", "column 'a' has 1 missing value, first in row 1 ('nan')."),
        ("train {words} --target width", "column 'kind' is not numeric ('"),
        ("train {semicolons} --target b", "separated by semicolons: separate them by commas."),
        ("train {decimals} --target b", "separated by semicolons: separate them by commas."),
        ("train {tabs} --target b", "separated by tabs: separate them by commas."),
        ("train {days} --target b", "column 'a' is not numeric ('2024-01-01')."),
        ("train {two} --target c", "columns 'a', 'b' are not numeric ('x')."),
        ("train {table} --target kind --task clasification", "did you mean 'classification'"),
        ("train {words} --target kind --task regression", "the target holds text, which a regression cannot"),
        ("train iris --target kind", "--target: iris has its own target, 'species'; leave it out"),
        ("train iris --hidden 64,x", "--hidden must be sizes with commas between, got '64,x'. Pass e.g."),
        ("train iris --hidden 0", "--hidden must be sizes"),
        ("train iris --activation rellu", "activation 'rellu' is unknown; did you mean 'relu'?"),
        ("train iris --optimizer adm", "optimizer 'adm' is unknown; did you mean 'adam'?"),
        ("train iris --engine nump", "engine 'nump' is unknown; did you mean 'numpy'?"),
        ("train iris --learning-rate 0", "Adam: learning_rate must be above 0 and finite, got 0.0."),
        ("train iris --batch-size 0", "batch_size must be a positive int, got 0"),
        ("train iris --epochs 0", "epochs must be a positive int, got 0"),
        ("train iris --seed -1", "seed must be an int"),
        ("train iris --test-size 1", "--test-size must lie between 0 and 1, got 1."),
        ("train iris --test-size 0.9999", "150 rows are too few to hold back 150 and train on the rest"),
        ("train iris --model {missing}/m", "cannot be written: there is no folder"),
        ("train iris --model {folder}", "--model: {folder}: cannot be written: it is a folder"),
        ("train iris --model /dev/null", "--model: /dev/null: cannot be written: it is a device"),
        ("predict {model} iris --output /dev/null", "--output: /dev/null: cannot be written: it is a device"),
        ("train diabetes --optimizer sgd --learning-rate 1e9 --engine numpy", "nothing was saved"),
        ("train {text}", "cannot be read as a table"),
        ("train {empty}", "cannot be read as a table"),
        ("train {header} --target a", "has 0 rows. A header line and rows below it are needed"),
        ("train {gaps} --target b", "column 'a' has 1 missing value, first in row 2. Fill them"),
        ("train {nan} --target b", "column 'a' has 2 missing or infinite values, first in row 1"),
        ("train {hollow} --target b", "column 'a' has 2 missing values, first in row 1"),
        ("train {alone} --target a", "has no column beside the target 'a'"),
        ("train {one} --target b", "the target has one class only, 1: nothing to learn"),
        ("train {single} --target b", "1 row is too few to hold back 1"),
        ("predict {missing} iris", "there is no such file"),
        ("predict {table} iris", "is not a model file, or is truncated"),
        ("predict {model} wine", "wine: has 13 inputs, the network needs 4"),
        ("predict {model} {table}", "column 'sepal length (cm)' is unknown"),
        ("predict {model} iris --output {missing}/p.csv", "there is no folder"),
        ("evaluate {model} {words} --target kind", "column 'sepal length (cm)' is unknown"),
        ("evaluate {model} digits", "digits: has 64 inputs, the network needs 4"),
        ("source {missing}", "there is no such file"),
        ("source {model} --optimizer adm", "did you mean 'adam'"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(run, table, iris, tmp_path, arguments, message):
    contents = {
        "text": "\x00\x01\n\x00,\"", "empty": "", "header": "a,b\n", "gaps": "a,b\n1,2\n,3\n",
        "alone": "a\n1\n2\n", "nan": "a,b\nNaN,1\ninf,2\n3,4\n", "marks": "a,b\n1,2\nn/a,3\n",
        "lower": "a,b\nnan,1\n2,3\n", "semicolons": "a;b\n1;2\n", "decimals": "a;b\n1,5;2\n2,5;2,1\n",
        "tabs": "a\tb\n1\t2\n",
        "days": "a,b\n2024-01-01,3\n",
        "hollow": "a,b\n,1\n,2\n", "two": "a,b,c\nx,y,1\n", "one": "a,b\n" + "1,1\n2,1\n" * 9,
        "single": "a,b\n1,2\n",
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


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["trian", "iris"], ["train", "iris", "--hiden", "3"], ["train", "iris", "--epochs", "x"]],
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
    network.metadata = {}
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
    monkeypatch.delitem(sys.modules, "chainrule.cli.commands", raising=False)
    code, _, err = run("train", "iris")
    assert code == 2
    assert err == (
        "chainrule: the command line needs typer, which is not installed. Run: pip install 'chainrule[cli]'\n"
    )


@pytest.mark.parametrize(
    ("raised", "code", "message"), [(KeyboardInterrupt, 130, "interrupted"), (CacheError("x"), 2, "x")]
)
def test_what_ends_a_command(run, monkeypatch, raised, code, message):
    def fail():
        raise raised

    monkeypatch.setattr(entry, "_run", fail)
    assert run("train") == (code, "", f"chainrule: {message}\n")


def test_a_fault_in_an_installation_is_not_taken_for_a_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "chainrule.cli.report", None)
    monkeypatch.delitem(sys.modules, "chainrule.cli.commands", raising=False)
    with pytest.raises(ModuleNotFoundError):
        entry.main()


# as a process ---------------------------------------------------------------------------------


def start(*arguments, **settings):
    return subprocess.Popen(
        [sys.executable, "-m", "chainrule.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal, for what is started from here; it would inherit that it is ignored."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


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
