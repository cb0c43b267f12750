"""Commands on tables of mixed columns: what is said, what is written, and what a model keeps of its table."""

import csv
import io
import json

import numpy as np
import polars as pl
import pytest

from chainrule import Adam, AdamW, Concatenate, Dense, Input, Network, checks
from chainrule.cli import pictures
from chainrule.model.files import load
from chainrule.optim.schedules import CosineDecay, OneCycle

FAST = ["--engine", "numpy"]


def flats(rows=300, seed=0):
    """Prices that follow from area, city and balcony; a date, a name and a text that tell nothing."""
    draw = np.random.default_rng(seed)
    area = draw.integers(30, 200, rows).astype(float)
    city = draw.choice(["Oslo", "Bergen", "Tromsø"], rows)
    balcony = draw.integers(0, 2, rows).astype(bool)
    price = 30 * area + np.where(city == "Oslo", 2000, 0) + 500 * balcony + draw.normal(0, 50, rows)
    days = draw.integers(0, 5000, rows)
    return pl.DataFrame(
        {
            "area": [None if i % 20 == 7 else a for i, a in enumerate(area)],
            "city": city,
            "balcony": balcony,
            "built": pl.select(pl.date(2005, 1, 1) + pl.duration(days=pl.Series(days))).to_series(),
            "about": [f"a nice flat number {i} near the sea" for i in range(rows)],
            "id": [f"F{i}" for i in range(rows)],
            "part": np.where(np.arange(rows) % 4 == 0, "test", "train"),
            "price": price.round(2),
            "class": np.where(price > np.median(price), "dear", "cheap"),
        }
    )


@pytest.fixture
def data(run):
    flats().write_csv("flats.csv")
    return "flats.csv"


def trained(run, *arguments):
    return json.loads(run("train", *arguments, "--json", *FAST)[0])


LEAVE = ["--column", "price=ignore"]


def test_a_mixed_table_is_learned_and_beaten_are_the_simple_answers(run, data):
    result = trained(run, data, "--target", "price", "--column", "class=ignore", "--model", "m")
    assert result["task"] == "regression"
    assert result["rows"] == {"train": 240, "test": 60}
    assert result["test"]["r2"] > 0.9
    assert set(result["baseline"]) == {"r2", "linear_r2"}
    assert result["baseline"]["r2"] < 0.05
    assert 0.8 < result["baseline"]["linear_r2"] < 1
    kinds = {"area": "number", "city": "category", "balcony": "truth value", "built": "date"}
    assert result["columns"] == kinds
    assert set(result["left_out"]) == {"about", "id", "part", "class"}

    result = trained(run, data, "--target", "class", *LEAVE)
    assert result["task"] == "classification"
    assert result["test"]["accuracy"] > 0.8
    assert set(result["baseline"]) == {"accuracy", "linear_accuracy"}
    assert result["baseline"]["accuracy"] == pytest.approx(0.5, abs=0.05)


def test_what_is_done_is_said(run, data):
    out, _ = run("train", data, "--target", "class", *LEAVE, *FAST)
    assert "flats.csv: 300 rows, 4 columns, class in 2 classes\n" in out
    assert "task: classification, as 'class' shows: it has 2 different words\n" in out
    assert "left out: 'about': free text\n" in out
    assert "left out: 'id': 300 different words in 300 cells\n" in out
    assert "left out: 'part': says what the rows are for; pass --split with its name to use it so\n" in out
    assert "'price'" not in out
    assert "a linear model: 0." in out
    out, _ = run("train", data, "--target", "class", "--task", "classification", *LEAVE, *FAST)
    assert "task:" not in out
    out, err = run("train", data, "--target", "price", *FAST, "--json")
    assert "task: regression, as 'price' shows: it has 300 different numbers; else pass --task classif" in err
    assert "left out: 'id': 300 different words in 300 cells\n" in err
    assert json.loads(out)["left_out"]["id"] == "300 different words in 300 cells"


def test_other_files_are_predicted_by_name(run, data):
    trained(run, data, "--target", "price", "--column", "class=ignore", "--model", "m")
    new = flats(500, seed=1)
    new.select(reversed(new.columns)).write_csv("new.tsv", separator="\t")
    new.drop("price", "class", "part").write_parquet("new.parquet")
    straight, _ = run("predict", "m", "new.tsv")
    assert straight.splitlines()[0] == "price"
    assert run("predict", "m", "new.parquet")[0] == straight
    predicted = np.array(straight.splitlines()[1:], float)
    assert np.corrcoef(predicted, new["price"])[0, 1] > 0.95
    result = json.loads(run("evaluate", "m", "new.tsv", "--json")[0])
    assert result["test"]["r2"] > 0.9
    assert set(result["baseline"]) == {"r2", "linear_r2"}
    again = json.loads(run("evaluate", "m", data, "--json")[0])
    assert again["baseline"]["linear_r2"] != result["baseline"]["linear_r2"]


def test_new_words_are_told_and_their_rows_predicted(run, data):
    trained(run, data, "--target", "price", "--column", "class=ignore", "--model", "m")
    flats(5).with_columns(city=pl.Series(["Oslo", "Paris", "Rome", "Paris", None])).write_csv("new.csv")
    out, err = run("predict", "m", "new.csv")
    assert len(out.splitlines()) == 6
    assert "chainrule: new.csv: row 2, column 'city': the training did not have 'Paris', 'Rome'" in err


def test_a_table_of_its_own_can_be_the_test(run, data):
    flats(80, seed=2).write_csv("later.csv")
    arguments = [data, "--target", "class", *LEAVE, "--test", "later.csv"]
    result = trained(run, *arguments, "--model", "m")
    assert result["rows"] == {"train": 300, "test": 80}
    assert json.loads(run("evaluate", "m", "later.csv", "--json")[0])["test"] == result["test"]
    out, _ = run("train", *arguments, *FAST, "--validation-size", "0.1")
    assert "270 rows to train on, 30 to validate with, 80 held back" in out
    assert "On the 80 rows of later.csv:" in out
    flats(5).with_columns(pl.lit("free").alias("class")).write_csv("later.csv")
    _, err = run("train", *arguments, *FAST, code=2)
    assert "later.csv: row 1, column 'class': 'free' is not among the network's classes, 'cheap', 'de" in err


def test_a_column_can_say_which_rows_are_the_test(run, data):
    result = trained(run, data, "--target", "class", *LEAVE, "--split", "part")
    assert result["rows"] == {"train": 225, "test": 75}
    assert "part" not in result["columns"]
    _, err = run("train", data, "--target", "class", "--split", "city", *FAST, code=2)
    assert "flats.csv: row 1, column 'city': '" in err
    assert "Write train, validation or test." in err
    new = pl.when(pl.col("part") == "test").then(pl.lit("new")).otherwise(pl.col("class"))
    flats().with_columns(new.alias("class")).write_csv("new.csv")
    _, err = run("train", "new.csv", "--target", "class", *LEAVE, "--split", "part", *FAST, code=2)
    assert "new.csv: row 1, column 'class': no row to train on is of the class 'new'. Split the rows" in err


def test_what_holds_without_options(run):
    flats(2500).drop("about", "id", "part").write_csv("large.csv")
    arguments = ["large.csv", "--target", "class", *LEAVE]
    result = trained(run, *arguments, "--model", "m")
    assert result["rows"] == {"train": 2000, "test": 500}
    assert result["epochs"] == 20
    assert result["test"]["accuracy"] > 0.95
    net = load("m")
    assert net.names == ["standardize", "pieces", "hidden1", "dropout1", "hidden2", "dropout2", "output"]
    assert [net[name].units for name in ("hidden1", "hidden2")] == [128, 64]
    assert net.optimizer == AdamW(OneCycle(0.005), weight_decay=0.3)


def test_every_part_of_what_holds_can_be_stated(run):
    flats(300).drop("about", "id", "part").write_csv("t.csv")
    arguments = ["t.csv", "--target", "class", *LEAVE, "--model", "m", "--epochs", "2"]
    trained(run, *arguments, "--pieces", "0", "--dropout", "0", "--hidden", "8", "--learning-rate", "0.01")
    net = load("m")
    assert net.names == ["standardize", "hidden1", "output"]
    assert net.optimizer == AdamW(OneCycle(0.01), weight_decay=0.3)
    trained(run, *arguments, "--pieces", "3", "--option", "weight_decay=0", "--schedule", "cosine")
    net = load("m")
    assert net["pieces"].value("knots").shape[1] == 4
    assert net.optimizer == AdamW(CosineDecay(0.005), weight_decay=0.0)
    trained(run, *arguments, "--optimizer", "adam")
    assert load("m").optimizer == Adam()
    _, err = run("train", *arguments, "--pieces", "21", code=2)
    assert "--pieces must be at most 20, got 21." in err
    result = trained(run, *arguments[:-2], "--early-stopping", "3", "--epochs", "200")
    assert "validation" in result["rows"]


def test_a_semicolon_file_can_be_read_and_its_letter_stated(run):
    flats().write_csv("s.csv", separator=";")
    assert trained(run, "s.csv", "--target", "class", "--epochs", "1")["task"] == "classification"
    assert trained(run, "s.csv", "--target", "class", "--epochs", "1", "--separator", ";")["epochs"] == 1
    _, err = run("train", "s.csv", "--target", "class", "--separator", "tab", code=2)
    assert "column 'class' is unknown, and there is only one. Pass --separator if something else" in err


def test_the_kind_of_a_column_can_be_stated(run):
    frame = flats().with_columns(zip=pl.Series([f"{i % 9:05}" for i in range(300)]))
    frame.write_csv("z.csv")
    base = ["z.csv", "--target", "class", "--epochs", "1"]
    assert trained(run, *base)["columns"]["zip"] == "number"
    assert trained(run, *base, "--column", "zip=category")["columns"]["zip"] == "category"
    assert "id" in trained(run, *base, "--column", "id=category")["columns"]


def test_the_linear_model_of_a_large_table_is_fitted_to_some_rows_of_every_class(run, monkeypatch):
    monkeypatch.setattr("chainrule.cli.baseline.LINEAR_ROWS", 50)
    monkeypatch.setattr("chainrule.cli.baseline.MANY", 100)
    rare = pl.when(pl.int_range(300) == 17).then(pl.lit("rare")).otherwise(pl.col("class"))
    flats().with_columns(rare.alias("class")).write_csv("f.csv")
    out, err = run("train", "f.csv", "--target", "class", "--json", *FAST)
    assert json.loads(out)["baseline"]["linear_accuracy"] > 0.8
    assert "fitting a linear model to 51 rows, to compare with" in err
    monkeypatch.setattr("chainrule.cli.baseline.LINEAR_ROWS", 1000)
    monkeypatch.setattr("chainrule.cli.baseline.LINEAR_WORK", 1)
    _, err = run("train", "f.csv", "--target", "class", "--json", *FAST)
    assert "fitting a linear model to 101 rows, to compare with" in err


# inspect and source ---------------------------------------------------------------------------------


def test_inspect_tells_what_is_in_a_model(run, data):
    result = trained(run, data, "--target", "class", *LEAVE, "--model", "m", "--hidden", "7", "--seed", "5")
    found = json.loads(run("inspect", "m", "--json")[0])
    assert (found["task"], found["target"], found["data"]) == ("classification", "class", "flats.csv")
    assert found["classes"] == ["cheap", "dear"]
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["city"]["words"] == ["Bergen", "Oslo", "Tromsø"]
    assert columns["area"]["median"] > 30
    assert columns["built"]["form"] == "%Y-%m-%d"
    assert set(found["left_out"]) == {"about", "id", "part", "price"}
    assert found["inputs"][:2] == ["area", "built (days)"]  # the numbers of many values, which are cut
    assert "city=Tromsø" in found["inputs"]
    layers = [(layer["name"], layer.get("units")) for layer in found["network"]["layers"]]
    dropped = ("dropout", None)
    assert layers == [("standardize", None), ("pieces", None), ("hidden1", 7), dropped, ("output", 2)]
    assert found["network"]["inputs"] == len(found["inputs"])
    assert found["training"]["test"] == result["test"]
    assert found["training"]["seed"] == 5
    assert set(found["versions"]) >= {"chainrule", "numpy", "scikit-learn", "skops"}

    out, _ = run("inspect", "m")
    assert "m: predicts class (classification), learned from flats.csv" in out
    assert "classes: 'cheap', 'dear'" in out
    assert "city     category     3 words, an input each" in out
    assert "about: free text" in out
    assert "hidden1 (dense)" in out
    assert "baseline: accuracy 0." in out
    assert max(map(len, out.splitlines())) <= 80


def test_inspect_takes_any_model(run):
    plain = Network([Dense(3)], loss="cross_entropy")
    plain.build(4)
    plain.save("plain")
    out, _ = run("inspect", "plain")
    assert "plain: a network for classification, made in Python" in out
    assert json.loads(run("inspect", "plain", "--json")[0])["columns"] is None
    x, y = Input(2), Input(2)
    parted = Network([Dense(1)(Concatenate()(x, y)), Dense(2)(y)], loss=["mse", "cross_entropy"])
    parted.build([2, 2])
    parted.save("parted")
    found = json.loads(run("inspect", "parted", "--json")[0])
    assert found["task"] is None
    assert found["network"]["parameters"] == 5 + 6
    assert "parted: a network, made in Python" in run("inspect", "parted")[0]


def test_source_names_the_inputs(run, data):
    trained(run, data, "--target", "class", *LEAVE, "--model", "m")
    out, _ = run("source", "m")
    comment = out.partition("import ")[0]
    assert all(line.startswith("#") for line in comment.splitlines() if line)
    names = load("m").metadata["inputs"]
    text = " ".join(line.removeprefix("#").strip() for line in comment.splitlines())
    assert all(f"{k} {name}" in text for k, name in enumerate(names))
    assert "t: 0 'cheap'; 1 'dear'" in text
    namespace = {}
    exec(out, namespace)
    assert callable(namespace["step"])


def test_a_model_is_the_same_whatever_is_printed(run, data):
    for name, more in (("a", []), ("b", ["--json"])):
        run("train", data, "--target", "class", *LEAVE, *FAST, "--model", name, *more)
    first, second = load("a"), load("b")
    assert first.metadata["inputs"] == second.metadata["inputs"]
    np.testing.assert_array_equal(first["hidden1"].W, second["hidden1"].W)


# pictures -------------------------------------------------------------------------------------------

MARKS = {".png": b"\x89PNG\r\n", ".svg": b"<?xml"}


@pytest.mark.parametrize("suffix", MARKS)
def test_pictures_are_drawn(run, data, tmp_path, suffix):
    curves, matrix = tmp_path / f"curves{suffix}", tmp_path / f"matrix{suffix}"
    arguments = ["--plot", curves, "--confusion", matrix, "--validation-size", "0.2", "--model", "m"]
    out, _ = run("train", data, "--target", "class", *LEAVE, *FAST, *arguments)
    assert f"Learning curves: {curves}" in out
    assert f"Confusion matrix: {matrix}" in out
    assert curves.read_bytes().startswith(MARKS[suffix])
    assert matrix.read_bytes().startswith(MARKS[suffix])
    again = tmp_path / f"again{suffix}"
    out, _ = run("evaluate", "m", data, "--confusion", again)
    assert again.read_bytes().startswith(MARKS[suffix])
    assert f"Confusion matrix: {again}" in out


def drawn(monkeypatch):
    """The figures that are drawn, kept for a look at what is on them."""
    found = []
    real = pictures.file_of
    monkeypatch.setattr(
        pictures, "file_of", lambda figure, suffix: found.append(figure) or real(figure, suffix)
    )
    return found


def test_a_learning_curve_shows_the_history(run, data, monkeypatch):
    figures = drawn(monkeypatch)
    trained(
        run,
        data,
        "--target",
        "class",
        *LEAVE,
        "--epochs",
        "9",
        "--validation-size",
        "0.2",
        "--plot",
        "c.svg",
        "--optimizer",
        "adam",
        "--dropout",
        "0",
    )
    losses, accuracy = figures[0].axes
    lines = {line.get_label(): line.get_ydata() for line in losses.lines if len(line.get_ydata()) == 9}
    assert set(lines) == {"training", "validation"}
    assert (np.diff(lines["training"]) < 0).all()
    best = int(np.argmin(lines["validation"])) + 1
    assert (
        losses.get_title(loc="right")
        == f"least on validation: {min(lines['validation']):.4g} in epoch {best}"
    )
    assert len(accuracy.lines[0].get_ydata()) == 9
    trained(run, data, "--target", "price", "--epochs", "1", "--plot", "c.png")
    assert len(figures[1].axes) == 1


def test_a_matrix_shows_who_was_taken_for_whom():
    matrix = np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]])
    picture = pictures.confusion_picture(matrix, ["a$", "b\x1b", 3], "kind", ".svg")
    assert picture.startswith(MARKS[".svg"])
    assert picture == pictures.confusion_picture(matrix, ["a$", "b\x1b", 3], "kind", ".svg")
    wide = pictures.confusion_picture(np.eye(100, dtype=int), list(range(100)), "kind", ".png")
    assert wide.startswith(MARKS[".png"])


def test_without_matplotlib_it_is_said_what_to_install_before_the_work(run, data, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    for option in ("--plot", "--confusion"):
        _, err = run("train", data, "--target", "class", option, "c.png", code=2)
        assert err.startswith(
            "chainrule: pictures need matplotlib, which is not installed. Run: pip install 'ch"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["flats.csv"]


def test_there_is_no_confusion_of_values(run, data):
    trained(run, data, "--target", "price", "--epochs", "1", "--model", "m")
    _, err = run("evaluate", "m", data, "--confusion", "c.png", code=2)
    assert "--confusion is for classes, and the network predicts values. Leave it out." in err


# spreadsheets ---------------------------------------------------------------------------------------


def test_predictions_are_no_formulas(run):
    labels = ["=1+1", "-x", "plain"]
    rows = pl.DataFrame({"a": [float(i % 3) for i in range(60)], "=b": [labels[i % 3] for i in range(60)]})
    rows.write_csv("f.csv")
    trained(run, "f.csv", "--target", "=b", "--model", "m", "--learning-rate", "0.1")
    out, _ = run("predict", "m", "f.csv", "--probabilities")
    lines = list(csv.reader(io.StringIO(out)))
    assert lines[0][0] == "'=b"
    assert [line[0] for line in lines[1:4]] == ["'=1+1", "'-x", "plain"]
    assert lines[0][1:] == ["p(-x)", "p(=1+1)", "p(plain)"]
    assert all(float(p) >= 0 for line in lines[1:] for p in line[1:])
    assert set(json.loads(run("predict", "m", "f.csv", "--json")[0])["predictions"]) == set(labels)


# networks made in Python ----------------------------------------------------------------------------


def test_a_network_without_an_encoding_takes_numbers(run):
    network = Network([Dense(1)], loss="mse")
    network.build(2)
    network.metadata = {"columns": ["a", "b"], "target": "y"}
    network.save("m")
    pl.DataFrame({"b": [1.0, 2.0], "a": [True, False]}).write_parquet("t.parquet")
    values = network.predict(np.array([[1.0, 1.0], [0.0, 2.0]]))
    out, _ = run("predict", "m", "t.parquet")
    np.testing.assert_allclose([float(line) for line in out.splitlines()[1:]], values[:, 0], rtol=1e-6)
    pl.DataFrame({"a": [1.0, None], "b": [1.0, 2.0]}).write_parquet("t.parquet")
    _, err = run("predict", "m", "t.parquet", code=2)
    assert "t.parquet: row 2, column 'a': the cell is missing. Fill it, or remove the row." in err
    network.metadata = {}
    network.save("m")
    pl.DataFrame({"a": [1.0], "b": [1.0], "c": [1.0]}).write_parquet("t.parquet")
    _, err = run("predict", "m", "t.parquet", code=2)
    assert "t.parquet: has 3 inputs, the network needs 2. Pass a table of its columns." in err


def test_a_target_of_truth_values_is_read_alike_in_every_command(run):
    table = flats(60).select("area", pl.col("balcony").alias("sold"))
    table.write_csv("sold.csv")
    table.with_columns(pl.col("sold").cast(pl.Int64)).write_csv("numbers.csv")
    run("train", "sold.csv", "--target", "sold", "--model", "m.chainrule", "--test", "sold.csv", *FAST)
    for data in ("sold.csv", "numbers.csv"):
        out, _ = run("evaluate", "m.chainrule", data, "--json")
        assert json.loads(out)["rows"] == {"test": 60}
    table.with_columns(sold=pl.lit("yes")).write_csv("yes.csv")
    _, err = run("evaluate", "m.chainrule", "yes.csv", code=2)
    assert "yes.csv: row 1, column 'sold': 'yes' is not among the network's classes, False, True." in err
