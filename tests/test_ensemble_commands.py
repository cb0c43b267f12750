"""Ensembles on the command line: trained, tested, used, distilled; what is said, and what is refused."""

import csv
import io
import json

import numpy as np
import pytest

import chainrule as cr
from chainrule.cli.ensembles import KINDS

FAST = ["--engine", "numpy", "--epochs", "6", "--hidden", "8", "--learning-rate", "0.05"]


def trained(run, *arguments):
    return json.loads(run("train", *arguments, "--json", *FAST)[0])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_ensemble_is_one_model(run, kind):
    result = trained(run, "wine", "--ensemble", "2", "--ensemble-kind", kind, "--model", "m")
    found, model = result["ensemble"], cr.load("m")
    assert (model.kind, len(model)) == (kind, 2) == (found["kind"], len(found["members"]))
    assert result["test"] == found["test"]
    assert result["rows"] == {"train": 142, "test": 36}
    assert ("out_of_bag" in found, "out_of_fold" in found) == (kind == "bagging", kind == "committee")
    assert model.metadata["training"]["ensemble"] == found
    told = json.loads(run("evaluate", "m", "wine", "--json")[0])
    assert told["test"]["accuracy"] > 0.5
    assert "loss" in model.metadata["training"]["history"]["members"][0]


def test_more_members_are_closer_to_the_truth_than_the_first_and_the_same_in_parallel(run):
    one = trained(run, "digits", "--ensemble", "3", "--seed", "3")
    two = trained(run, "digits", "--ensemble", "3", "--seed", "3", "--jobs", "2")
    assert one["ensemble"] == two["ensemble"]
    each = [member["accuracy"] for member in one["ensemble"]["members"]]
    assert one["test"]["accuracy"] > np.mean(each)


def test_what_a_person_reads(run):
    out, progress = run(
        "train", "wine", "--ensemble", "2", "--ensemble-kind", "bagging", "--model", "m", *FAST
    )
    assert "ensemble of 2 networks each on rows drawn with replacement\n" in out
    assert "Its members alone: 0." in out
    assert "; on rows that members were not trained on (out of bag): 0." in out
    assert "To see what is in it: chainrule inspect m" in out
    assert "member 2 of 2: loss " in progress
    out, _ = run("inspect", "m")
    assert "an ensemble by bagging of 2 networks with " in out
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads(run("inspect", "m", "--json")[0])
    assert found["ensemble"]["members"] == 2
    assert found["ensemble"]["parameters"] == 2 * found["network"]["parameters"]
    assert found["target"] == "cultivar"


def test_predictions_with_their_spread(run):
    trained(run, "iris", "--ensemble", "3", "--model", "m")
    model = cr.load("m")
    rows = list(csv.DictReader(io.StringIO(run("predict", "m", "iris", "--spread", "--probabilities")[0])))
    from sklearn.datasets import load_iris

    X, _ = load_iris(return_X_y=True)
    spread = model.predict_spread(X)
    places = np.searchsorted(model.classes, model.predict(X))
    np.testing.assert_allclose([float(r["spread"]) for r in rows], spread[np.arange(150), places], rtol=1e-5)
    assert [r["species"] for r in rows] == model.predict(X).tolist()
    trained(run, "diabetes", "--ensemble", "2", "--ensemble-kind", "seeds", "--model", "v")
    told = json.loads(run("predict", "v", "diabetes", "--spread", "--json")[0])
    assert min(told["spread"]) >= 0
    assert max(told["spread"]) > 0


def test_tables_of_words_keep_their_encoding(run, tmp_path):
    draw = np.random.default_rng(0)
    city, area = draw.choice(["Oslo", "Bergen"], 240), draw.integers(20, 90, 240)
    lines = [f"{c},{a},{a * 2 + (c == 'Oslo') * 30}" for c, a in zip(city, area, strict=True)]
    (tmp_path / "flats.csv").write_text("\n".join(["city,area,price", *lines]))
    result = json.loads(
        run("train", "flats.csv", "--target", "price", "--ensemble", "2", "--model", "m", "--json",
            "--engine", "numpy", "--epochs", "60")[0]
    )  # fmt: skip
    assert result["test"]["r2"] > 0.9
    assert json.loads(run("evaluate", "m", "flats.csv", "--json")[0])["test"]["r2"] > 0.9
    rows = list(csv.DictReader(io.StringIO(run("predict", "m", "flats.csv")[0])))
    assert len(rows) == 240


def test_a_single_network_learns_from_the_ensemble(run):
    result = trained(run, "wine", "--ensemble", "2", "--distill", "4", "--dropout", "0.1", "--model", "m")
    model = cr.load("m")
    assert isinstance(model, cr.Network)
    assert model["hidden1"].units == 4
    assert set(model.classes) == {"class_0", "class_1", "class_2"}
    assert len(result["ensemble"]["members"]) == 2
    assert "loss" in model.metadata["training"]["history"]
    out, _ = run("train", "diabetes", "--ensemble", "2", "--distill", "", "--model", "m", *FAST)
    assert "; a network with hidden layers of none learns from them" in out
    assert "The ensemble that it learned from: " in out
    assert "To read what it computes: chainrule source m" in out
    assert run("source", "m")[0].count("W1") > 1


def test_early_stopping_of_members_by_shared_rows_or_by_folds(run):
    many = ["--early-stopping", "1", "--learning-rate", "0.1", "--engine", "numpy", "--hidden", "8"]
    several = ["wine", "--ensemble", "2", "--epochs", "300", "--json"]
    shared = json.loads(run("train", *several, *many)[0])
    assert set(shared["rows"]) == {"train", "validation", "test"}
    folds = json.loads(run("train", *several, *many, "--ensemble-kind", "committee")[0])
    assert set(folds["rows"]) == {"train", "test"}
    assert shared["epochs"] < 300
    assert folds["epochs"] < 300


def test_an_ensemble_and_its_student_go_on_from_checkpoints(run):
    arguments = ["wine", "--ensemble", "2", "--distill", "4"]
    whole = trained(run, *arguments)
    kept = trained(run, *arguments, "--checkpoint", "runs")
    again = trained(run, *arguments, "--checkpoint", "runs", "--resume")
    assert whole["ensemble"] == kept["ensemble"] == again["ensemble"]
    assert whole["loss"] == kept["loss"] == again["loss"]


def test_snapshots_have_whole_cycles_where_no_epochs_are_stated(run):
    result = json.loads(
        run("train", "iris", "--ensemble", "7", "--ensemble-kind", "snapshot", "--json", "--engine", "numpy")[
            0
        ]
    )
    assert result["epochs"] % 7 == 0
    assert len(result["ensemble"]["members"]) == 7


def test_a_file_of_settings_says_it_as_well(run, tmp_path):
    (tmp_path / "net.toml").write_text(
        '[training]\nensemble = 2\nensemble_kind = "bagging"\ndistill = [4]\nepochs = 4\nengine = "numpy"\n'
    )
    result = json.loads(run("train", "wine", "--config", "net.toml", "--json")[0])
    assert result["ensemble"]["kind"] == "bagging"


@pytest.mark.parametrize("command", ["source", "summary", "draw", "explain", "report", "diagnose"])
def test_commands_for_one_network_refuse_ensembles(run, command):
    trained(run, "iris", "--ensemble", "2", "--model", "m")
    more = {
        "draw": ["--output", "p.svg"],
        "explain": ["iris", "--row", "1"],
        "report": ["iris", "--output", "r.html"],
        "diagnose": ["iris"],
    }
    arguments = more.get(command, [])
    _, err = run(command, "m", *arguments, code=2)
    assert "holds 2 networks that predict together, and this is for one." in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--ensemble 1", "--ensemble must be a whole number from 2 to 1,000, got 1. Pass e.g. 5"),
        ("--ensemble many", "--ensemble must be a whole number"),
        ("--ensemble-kind bagging", "--ensemble-kind is for --ensemble N. Pass that as well"),
        ("--distill 4", "--distill is for --ensemble N. Pass that as well"),
        ("--ensemble 2 --ensemble-kind magic", "--ensemble-kind 'magic' is unknown"),
        (
            "--ensemble 2 --stop cross-validated",
            "--stop cross-validated and --ensemble contradict each other",
        ),
        ("--jobs 2", "--jobs is for --stop cross-validated or --ensemble. Pass that as well"),
        ("--ensemble 2 --folds 3", "--folds is for --stop cross-validated. Pass that as well"),
        ("--ensemble 2 --plot p.png", "--ensemble and --plot contradict each other: that is for one network"),
        ("--ensemble 2 --log l.csv", "--ensemble and --log contradict each other: that is for one network"),
        ("--ensemble 2 --dry-run", "--ensemble and --dry-run contradict each other"),
        ("--ensemble 2 --calibrate temperature", "--ensemble and --calibrate contradict each other"),
        ("--ensemble 2 --ensemble-kind bagging --resample over", "copies of a row would be on both sides"),
        (
            "--ensemble 2 --ensemble-kind committee --resample over",
            "--resample contradict each other: copies",
        ),
        (
            "--ensemble 2 --ensemble-kind snapshot --schedule cosine",
            "--ensemble-kind snapshot and --schedule contradict each other: it sets the learning",
        ),
        (
            "--ensemble 2 --ensemble-kind snapshot --early-stopping 3",
            "--ensemble-kind snapshot and --early-stopping contradict each other: its members come at set",
        ),
        (
            "--ensemble 2 --ensemble-kind snapshot --jobs 2",
            "--ensemble-kind snapshot and --jobs contradict each other: its members come one after another",
        ),
        (
            "--ensemble 2 --ensemble-kind committee --validation-size 0.2",
            "--ensemble-kind committee and --validation-size contradict each other: each member is validated",
        ),
        (
            "--ensemble 3 --ensemble-kind snapshot --epochs 4",
            "--epochs must be a multiple of --ensemble, 3, so that each member has as many, got 4.",
        ),
        (
            "--ensemble 2 --ensemble-kind snapshot --optimizer lbfgs",
            "chainrule: sets the learning rate itself, and the optimizer takes no rate",
        ),
        ("--ensemble 2 --init lsuv", "--init lsuv and --ensemble contradict each other: each member draws"),
        ("--ensemble 2 --learning-rate 1e30 --optimizer sgd", "nothing was saved. Pass a smaller"),
        ("--ensemble 2 --distill 0", "--distill must be sizes with commas between"),
        ("--ensemble 2 --distill ,", "--distill must be sizes with commas between"),
        (
            "--ensemble 2 --hidden 4 --dropout 0.1 --distill= ",
            "--dropout is for hidden layers, and --distill leaves",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(run, words, message):
    arguments = [word.strip() for word in words.split(" ") if word]
    _, err = run("train", "wine", *arguments, "--engine", "numpy", code=2)
    assert message in " ".join(err.split())


def test_a_loss_without_probabilities_is_refused(run):
    _, err = run("train", "breast-cancer", "--ensemble", "2", "--loss", "hinge", code=2)
    assert "--ensemble and --loss hinge contradict each other: members predict by the mean" in err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ensemble", "2", "--ensemble-kind", "committee"], "validates each member with its own fold"),
        (["--stop", "cross-validated", "--folds", "3"], "--stop cross-validated validates with its folds"),
    ],
)
def test_rows_to_validate_with_are_refused_where_folds_do_that(run, tmp_path, more, message):
    parts = ["train", "validation", "test", "train"] * 10
    lines = [f"{i % 7},{p},{'ab'[i % 2]}" for i, p in enumerate(parts)]
    (tmp_path / "t.csv").write_text("\n".join(["x,part,kind", *lines]))
    words = ["t.csv", "--target", "kind", "--split", "part"]
    _, err = run("train", *words, *more, *FAST, code=2)
    assert f"{message}, and --split names other rows" in " ".join(err.split())


def test_a_single_network_has_no_spread(run):
    trained(run, "iris", "--model", "m")
    _, err = run("predict", "m", "iris", "--spread", code=2)
    assert "--spread: is of an ensemble, and the model is one network. Leave it out." in err
