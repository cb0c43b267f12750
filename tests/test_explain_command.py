"""`chainrule explain` and `source --pseudo`: what they print and write, and what they refuse."""

import json
import re
import sys

import numpy as np
import polars
import pytest

import chainrule as cr
from chainrule.cli import main as entry


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with words, trained on; the same without labels; a model of iris made in Python."""
    place = tmp_path_factory.mktemp("explain")
    rng = np.random.default_rng(0)
    width = rng.normal(size=40)
    frame = polars.DataFrame(
        {
            "width": width,
            "colour": rng.choice(["red", "blue"], 40),
            "kind": np.where(width > 0, "wide", "narrow"),
        }
    )
    frame.write_csv(place / "things.csv")
    frame.drop("kind").write_csv(place / "unknown.csv")
    with pytest.MonkeyPatch.context() as patch:
        options = ["--hidden", "3", "--epochs", "2", "--dropout", "0", "--pieces", "0", "--optimizer", "sgd"]
        model = ["--model", str(place / "things.chainrule"), "--target", "kind"]
        patch.setattr(sys, "argv", ["chainrule", "train", str(place / "things.csv"), *model, *options])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        assert caught.value.code == 0
    net = cr.Network([cr.Dense(3, "tanh"), cr.Dense(3)], loss="cross_entropy", dtype="float64")
    net.fit([[0.0, 0.0, 0.0, 0.0]] * 3, ["setosa", "versicolor", "virginica"], epochs=1, verbose=False)
    net.metadata = {"target": "species"}
    net.save(place / "iris.chainrule")
    return place


def test_a_row_of_a_table_as_a_terminal_table(run, folder):
    code, out, err = run("explain", folder / "things.chainrule", folder / "things.csv", "--row", 3)
    assert code == 0
    kind = polars.read_csv(folder / "things.csv")["kind"][2]
    head = f"{folder / 'things.csv'}, row 3, target {kind!r}\n"
    inputs = "Inputs: x[0] width, x[1] colour=blue, x[2] colour=red\n"
    assert out.startswith(f"{head}{inputs}\nA training step on 1 row\n")
    assert max(map(len, out.split("\n"))) <= max(80, len(out.split("\n")[0]))
    for heading in ("given", "forward", "loss", "update"):
        assert f"\n{heading}\n" in out
    assert "its state starts" not in out
    assert "starts anew" in err


def test_numbers_are_those_of_the_library(run, folder):
    code, out, _ = run("explain", folder / "iris.chainrule", "iris", "--row", 51, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["model"], found["data"], found["row"]) == (str(folder / "iris.chainrule"), "iris", 51)
    net = cr.load(folder / "iris.chainrule")
    trace = net.trace([7.0, 3.2, 4.7, 1.4], "versicolor")
    assert found["loss"] == trace.loss
    assert [entry["value"] for entry in found["entries"]] == [e["value"] for e in trace.to_json()["entries"]]


def test_a_table_without_labels_gives_a_forward_pass(run, folder):
    code, out, err = run(
        "explain", folder / "things.chainrule", folder / "unknown.csv", "--row", 1, "--format", "text"
    )
    assert code == 0
    assert f"{folder / 'unknown.csv'} has no labels, so this is the forward pass alone." in err
    assert "A forward pass on 1 row" in out
    assert "backward" not in out


@pytest.mark.parametrize(
    ("layout", "start"),
    [
        ("table", "iris, row 1, target 'setosa'"),
        ("text", "iris, row 1, target 'setosa'"),
        ("json", "{"),
        ("markdown", "# A training step on 1 row"),
        ("html", "<!doctype html>"),
    ],
)
def test_formats_printed_and_written(run, folder, tmp_path, layout, start):
    arguments = ("explain", folder / "iris.chainrule", "iris", "--row", 1, "--format", layout)
    code, out, _ = run(*arguments)
    assert (code, out.startswith(start)) == (0, True)
    code, nothing, err = run(*arguments, "--output", tmp_path / "trace")
    assert (code, nothing) == (0, "")
    assert "The trace is in " in err
    assert (tmp_path / "trace").read_text(encoding="utf-8") == out


def test_notation_layers_and_optimizer(run, folder):
    code, out, _ = run(
        *("explain", folder / "iris.chainrule", "iris", "--row", 1, "--format", "text", "--layers", "output"),
        *("--notation", "mitchell,rate=alpha,gradient=d", "--optimizer", "sgd"),
    )
    assert code == 0
    assert "  w2 <- w2 - α * d_w2  " in out
    assert "w1" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", 151], "--row 151: iris has 150 rows. Pass a number from 1 to 150, the line of names not"),
        (["--row", 0], "--row 0: iris has 150 rows."),
        (["--row", 1, "--format", "jsn"], "--format 'jsn' is unknown; did you mean 'json'?"),
        (["--row", 1, "--format", "html", "--json"], "--json contradicts --format html. Leave one out."),
        (["--row", 1, "--layers", "hiden1"], "layer 'hiden1' is unknown; did you mean 'hidden1'?"),
        (["--row", 1, "--notation", "bischop"], "--notation 'bischop' is unknown; did you mean 'bishop'?"),
        (["--row", 1, "--notation", "ng,nielsen"], "--notation names two presets, ng and nielsen. Name one."),
        (["--row", 1, "--notation", "rat=a"], "--notation: choice 'rat' is unknown; did you mean 'rate'?"),
        (
            ["--row", 1, "--notation", "first_layer=7"],
            "--notation: first_layer must be one of 0, 1, 2, got 7.",
        ),
        (["--row", 1, "--target", "kind"], "--target: iris has its own target, 'species'; leave it out."),
        (["--row", 1, "--target", "a", "--target", "b"], "--target is given twice. Give it once."),
        (["--row", 1, "--optimizer", "adamm"], "optimizer 'adamm' is unknown; did you mean"),
        (["--row", 1, "--optimizer", "sgd", "--output", "/no/such/folder/x"], "--output: "),
    ],
)
def test_mistakes(run, folder, arguments, message):
    code, out, err = run("explain", folder / "iris.chainrule", "iris", *arguments)
    assert (code, out) == (2, "")
    assert f"chainrule: {message}" in err


def test_samples_and_files_that_do_not_fit(run, folder, tmp_path):
    code, _, err = run("explain", folder / "iris.chainrule", "wine", "--row", 1)
    assert code == 2
    assert "wine: has 13 inputs, the network needs 4." in err
    code, _, err = run("explain", tmp_path / "none.chainrule", "iris", "--row", 1)
    assert code == 2
    assert "none.chainrule" in err
    things = folder / "things.chainrule", folder / "things.csv"
    code, _, err = run("explain", *things, "--row", 1, "--target", "x")
    assert code == 2
    assert "column 'x' is unknown" in err


def test_a_network_too_large_offers_layers(run, tmp_path):
    net = cr.Network([cr.Dense(1500, "relu"), cr.Dense(800, "relu"), cr.Dense(3)], loss="cross_entropy")
    net.build(4, seed=0)
    net.save(tmp_path / "large.chainrule")
    code, _, err = run("explain", tmp_path / "large.chainrule", "iris", "--row", 1)
    assert code == 2
    assert re.search(r"numbers, and a trace holds at most 1,000,000. Pass --layers output \([\d,]+\)", err)
    code, out, _ = run("explain", tmp_path / "large.chainrule", "iris", "--row", 1, "--layers", "output")
    assert code == 0
    assert "2,400 numbers" in out


def test_pseudocode(run, folder):
    code, out, _ = run(
        "source", folder / "iris.chainrule", "--pseudo", "--notation", "ng", "--optimizer", "sgd"
    )
    assert code == 0
    assert out.startswith("given: inputs x (4, n), targets y (n,), learning rate α\n")
    code, out, _ = run("source", folder / "things.chainrule", "--pseudo")
    assert code == 0
    assert "# x: the columns of " in out
    assert "repeat for each epoch:" in out
    code, _, err = run("source", folder / "iris.chainrule", "--notation", "ng")
    assert code == 2
    assert "--notation is for --pseudo: in Python, names are the network's. Leave it out." in err
