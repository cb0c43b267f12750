"""Tables in files larger than memory, and mapped files: the same as from memory; what can go wrong."""

import json
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule.errors import DataError, MissingExtraError, ParameterError, StreamError, UnknownNameError
from chainrule.tables import file_parts, streaming
from chainrule.tables.encoding import fit_encoding
from chainrule.tables.sources import sources
from chainrule.tables.text import read_text
from chainrule.training import sparse as sparse_tables
from chainrule.training.data import check_inputs
from chainrule.training.sparse import Mapped

RANDOM = np.random.default_rng(12)
X = RANDOM.normal(size=(200, 3)).round(4).astype(np.float32)
WORDS = np.where(X.sum(axis=1) > 0, "good, and cheap", "bad")
W = RANDOM.uniform(0.5, 2, 200).astype(np.float32)
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": WORDS, "w": W})


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The table as Parquet of four row groups, and as text in several blocks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(file_parts, "LEAST", 10)
    monkeypatch.setattr(file_parts, "BLOCK", 1500)
    FRAME.write_parquet("t.parquet", row_group_size=50)
    FRAME.write_csv("t.csv")
    return tmp_path


def fitted(*given, loss="cross_entropy", **more):
    net = cr.Network([cr.Dense(4, "tanh"), cr.Dense(2 if loss == "cross_entropy" else 1)], loss=loss)
    own = {"epochs": 2, "seed": 3, "engine": "numpy", "verbose": False, **more}
    net.history = net.fit(*given, **own)
    return net


def assert_same(one, other):
    assert one.history.loss == other.history.loss
    for name, value in one.parameters.items():
        np.testing.assert_array_equal(value, other.parameters[name], err_msg=name)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_file_trains_as_its_table_in_memory(name, files):
    stream = cr.FileStream(name, "y", weights="w", window=64)
    assert (stream.rows, stream.columns, len(stream.file_parts) > 3) == (200, ["a", "b", "c"], True)
    whole = fitted(X, WORDS, sample_weight=W, shuffle=False)
    streamed = fitted(stream, shuffle=False)
    assert_same(whole, streamed)
    assert streamed.predict(X[:3]).tolist() == whole.predict(X[:3]).tolist()


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_parts_and_rows_come_in_drawn_orders(name, files):
    stream = cr.FileStream(name, "y", columns=["c", "a"], window=32)
    rows = {tuple(row) for row in X[:, [2, 0]]}
    seen = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0), (3, 0)):
        seen.append(np.concatenate([batch.X for batch in stream.parts(epoch, seed)]))
        assert {tuple(row) for row in seen[-1].astype(np.float32)} == rows
        for batch in stream.parts(epoch, seed):
            np.testing.assert_array_equal(
                batch.X.astype(np.float32), X[batch.first :][: len(batch.X), [2, 0]]
            )
    assert np.array_equal(seen[0], seen[3])
    assert not any(np.array_equal(seen[0], other) for other in seen[1:3])
    assert_same(fitted(stream), fitted(stream))


def test_a_window_of_all_rows_of_one_part_is_the_order_in_memory(files):
    FRAME.drop("w").write_parquet("one.parquet")
    assert_same(fitted(X, WORDS), fitted(cr.FileStream("one.parquet", "y")))


def test_several_files_are_one_stream(files):
    for k in range(4):
        FRAME[50 * k : 50 * (k + 1)].drop("w").write_csv(f"part{k}.csv")
    whole = fitted(X, WORDS, shuffle=False)
    for given in ("part*.csv", ["part0.csv", "part[123].csv"], [files / f"part{k}.csv" for k in range(4)]):
        stream = cr.FileStream(given, "y")
        assert_same(whole, fitted(stream, shuffle=False))
    assert repr(stream).endswith("part0.csv and 3 more, 200 rows>")
    before = stream.identity()
    assert before == cr.FileStream("part*.csv", "y").identity()
    FRAME[0:50].drop("w").with_columns(b=pl.lit(0.5)).write_csv("part0.csv")
    assert before != cr.FileStream("part*.csv", "y").identity()


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pl.Series(np.arange(200) % 2 + 5), [5, 6]),
        (pl.Series(np.arange(200) % 2 == 0), [False, True]),
        (pl.Series(np.arange(200) % 2 * 1.0), [0, 1]),
        (pl.Series(WORDS, dtype=pl.Categorical), ["bad", "good, and cheap"]),
    ],
)
def test_labels_are_found_in_the_files(column, labels, files):
    FRAME.with_columns(y=column).write_parquet("l.parquet")
    FRAME.with_columns(y=column).write_csv("l.csv")
    for name in ("l.parquet", "l.csv"):
        net = fitted(cr.FileStream(name, "y"))
        expected = labels if name == "l.parquet" or labels[0] is not False else ["false", "true"]
        assert net.classes.tolist() == expected
    stream = cr.FileStream("l.parquet", "y", classes=[*labels, labels[1]])
    assert stream.labels() == [*labels, labels[1]]


@pytest.mark.parametrize("name", ["v.parquet", "v.csv"])
def test_values_are_learned_from_files(name, files):
    frame = FRAME.select("a", "b", "c", y=pl.col("a") * 2)
    frame.write_parquet("v.parquet")
    frame.write_csv("v.csv")
    stream = cr.FileStream(name, "y")
    given = {"loss": "mse", "shuffle": False}
    assert_same(fitted(X, frame["y"].to_numpy(), **given), fitted(stream, **given))


def test_text_may_have_quotes_over_lines_and_other_separators(files):
    text = 'a;"b\nb";y\n' + "".join(f'{k};"{k / 2}";"two\nlines; {k % 2}"\n' for k in range(400))
    (files / "q.csv").write_text(text)
    stream = cr.FileStream("q.csv", "y")
    assert (stream.rows, stream.columns) == (400, ["a", "b\nb"])
    assert len(stream.file_parts) > 3
    assert stream.labels().tolist() == ["two\nlines; 0", "two\nlines; 1"]
    found = np.concatenate([batch.X for batch in stream.parts(0, None)])
    np.testing.assert_array_equal(found[:, 1], np.arange(400) / 2)


def test_spaces_around_targets_and_blank_lines_at_the_end_count_for_nothing(files):
    (files / "s.csv").write_text('a,y\n1, yes\n 2,no \n3,"yes "\n\n\n')
    stream = cr.FileStream("s.csv", "y")
    (batch,) = stream.parts(0, None)
    assert (stream.rows, stream.labels().tolist(), batch.y.tolist()) == (
        3,
        ["no", "yes"],
        ["yes", "no", "yes"],
    )
    (files / "n.csv").write_text("a,y\n1, 1\n2, 2.5\n")
    assert next(cr.FileStream("n.csv", "y").parts(0, None)).y.tolist() == [1, 2.5]


def test_quotes_within_cells_open_nothing(files, monkeypatch):
    cells = ['5" pipe', "bolt", '"two\nlines"', '"a ""b"""', '""']
    (files / "q.csv").write_text("a,b,y\n" + "".join(f"{k},{cells[k % 5]},{k / 2}\n" for k in range(400)))
    stream = cr.FileStream("q.csv", "y", columns=["a"])
    assert (stream.rows, len(stream.file_parts) > 3) == (400, True)
    assert np.concatenate([batch.y for batch in stream.parts(0, None)]).tolist() == list(np.arange(400) / 2)
    (files / "one.csv").write_text('a,b,y\n1,5" pipe,1\n' + "2,bolt,3\n" * 200_000)
    monkeypatch.setattr(file_parts, "BLOCK", 2**18)
    assert len(cr.FileStream("one.csv", "y", columns=["a"]).file_parts) > 5


def test_a_quote_that_is_not_closed_is_told_without_reading_on(files, monkeypatch):
    monkeypatch.setattr(file_parts, "LONGEST", 4000)
    (files / "q.csv").write_text('a,b,y\n1,x,1\n1,"pipe,1\n' + "2,bolt,3\n" * 1000)
    seen = []
    monkeypatch.setattr(
        file_parts, "read_text", lambda *given: seen.append(len(given[1])) or read_text(*given)
    )
    with pytest.raises(DataError, match=r"q.csv, after row 1: row 1: a quote is not closed"):
        cr.FileStream("q.csv", "y", columns=["a"])
    assert seen[0] < 6000


def test_decimals_and_long_integers_are_numbers(files):
    pl.DataFrame(
        {"a": [Decimal("1.5"), Decimal("2.25")], "b": pl.Series([2**70, 1], dtype=pl.Int128)}
    ).with_columns(y=pl.col("a"), w=pl.col("a")).write_parquet("d.parquet")
    (batch,) = cr.FileStream("d.parquet", "y", weights="w").parts(0, None)
    assert (batch.X.tolist(), batch.y.tolist(), batch.weights.tolist()) == (
        [[1.5, 2.0**70], [2.25, 1]],
        [1.5, 2.25],
        [1.5, 2.25],
    )


def test_a_fit_on_files_resumes_bit_for_bit(files):
    stream = cr.FileStream("t.parquet", "y", weights="w", window=64)

    class Stop(cr.Checkpoint):
        def write(self, position, content, best=False):
            super().write(position, content, best)
            if self.written == 3:
                raise KeyboardInterrupt

    fitted(stream, callbacks=[Stop("runs", every_epochs=9, every_steps=3)])
    resumed = fitted(stream, callbacks=[cr.Checkpoint("runs")], resume=True)
    assert_same(fitted(stream), resumed)
    with pytest.raises(cr.ChainruleError, match=r"stream.files\[0\].content: .*\n.*Fit as before|stream"):
        fitted(cr.FileStream("t.csv", "y"), callbacks=[cr.Checkpoint("runs")], resume=True)


# what goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("t.csv", lambda t: t.replace(",bad,", ",,", 1), r"t.csv: row \d+, column 'y': the cell is empty"),
        ("t.csv", lambda t: t.replace("\n", "\nword", 190), r"row \d+, column 'a': 'word.*' is not a number"),
        ("t.csv", lambda t: t.replace("0.", "nan0.", 1), "is not a number. Correct it, or leave the column"),
        ("t.csv", lambda t: f"{t}1,2,3,bad,1,9\n", r"t.csv, after row \d+: row \d+ has 6 values for 5"),
        (
            "t.parquet",
            lambda f: f.with_columns(b=pl.lit(None, pl.Float32)),
            "row 1, column 'b': the cell is em",
        ),
        ("t.parquet", lambda f: _at(f, "b", 77, np.nan), "t.parquet: row 78, column 'b': the number is NaN"),
        ("t.parquet", lambda f: _at(f, "c", 150, -np.inf), "row 151, column 'c': the number is infinite"),
        ("t.parquet", lambda f: _at(f, "w", 150, -1), "weights must not be negative, got -1 in row"),
    ],
)
def test_cells_that_are_no_numbers_are_named(name, change, message, files):
    if name == "t.csv":
        (files / name).write_text(change((files / name).read_text()))
    else:
        change(FRAME).write_parquet(name, row_group_size=50)
    with pytest.raises(StreamError, match=message):
        fitted(cr.FileStream(name, "y", weights="w"), shuffle=False)


def _at(frame, column, row, value):
    values = frame[column].to_numpy().copy()
    values[row] = value
    return frame.with_columns(pl.Series(column, values))


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("NA", r"v.csv: row 2, column 'y': 'NA' is no number. Fill it in, or drop the row"),
        ("nan", r"v.csv: row 2, column 'y': the number is NaN"),
        ("foo", r"loss mse needs numbers, got text such as '1'. The first word .* v.csv: row 2, .* 'foo'"),
        ("1\n\n2", r"v.csv: row 3 is a blank line. Remove it."),
        ("2\n3", r"v.csv: row 3 has 1 value for 2 columns"),
    ],
)
def test_a_target_among_numbers_that_is_none_is_named(cell, message, files):
    (files / "v.csv").write_text(f"a,y\n1,1\n1,{cell}\n3,3\n")
    with pytest.raises(StreamError, match=message):
        fitted(cr.FileStream("v.csv", "y"), loss="mse")


def test_targets_that_are_no_numbers_are_named(files):
    _at(FRAME.with_columns(y=pl.col("a")), "y", 120, np.nan).write_parquet("n.parquet", row_group_size=50)
    with pytest.raises(StreamError, match=r"n.parquet: row 121, column 'y': the number is NaN"):
        fitted(cr.FileStream("n.parquet", "y"), loss="mse", shuffle=False)


@pytest.mark.parametrize(
    ("given", "more", "error", "message"),
    [
        ("no*.csv", {}, DataError, "no.*: there is no such file. Check the path or the pattern"),
        ([], {}, DataError, "FileStream: got no files"),
        (".", {}, DataError, "cannot be read: Is a directory"),
        ("t.csv.gz", {}, DataError, "is packed with gzip, which cannot be read in parts"),
        ("empty.csv", {}, DataError, "empty.csv: is empty"),
        ("names.csv", {}, DataError, "names.csv: has no rows"),
        ("t.csv", {"target": "z"}, UnknownNameError, "t.csv: column 'z' is unknown"),
        ("t.csv", {"columns": ["a", "B"]}, UnknownNameError, "column 'B' is unknown; did you mean 'b'"),
        ("t.csv", {"columns": ["a", "a"]}, ParameterError, "column 'a' is named twice"),
        ("t.csv", {"columns": ["a", "y"]}, ParameterError, "column 'y' is named twice"),
        (
            "t.csv",
            {"columns": "a"},
            ParameterError,
            r"columns must be a list of names, got 'a'. Pass \['a'\]",
        ),
        ("t.csv", {"separator": "||"}, ParameterError, "FileStream: separator must be one letter between"),
        ("t.csv", {"separator": 5}, ParameterError, "FileStream: separator must be one letter between"),
        ("t.csv", {"columns": []}, ParameterError, "there is no column for inputs"),
        ("t.csv", {"window": 0}, ParameterError, "FileStream: window must be a positive int"),
        (
            "t.parquet",
            {"target": "a"},
            DataError,
            "column 'y' is of type String, not numbers. Encode it first",
        ),
        (["t.parquet", "other.parquet"], {}, UnknownNameError, "other.parquet: column 'c' is unknown"),
        ("broken.parquet", {}, DataError, "broken.parquet: cannot be read as Parquet"),
    ],
)
def test_files_that_cannot_be_streamed_are_refused(given, more, error, message, files):
    (files / "t.csv.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    (files / "empty.csv").write_text("")
    (files / "names.csv").write_text("a,y\n")
    (files / "broken.parquet").write_bytes((files / "t.parquet").read_bytes()[:2000])
    FRAME.drop("c").write_parquet("other.parquet")
    with pytest.raises(error, match=message):
        cr.FileStream(given, **{"target": "y", **more})


def test_polars_is_asked_for(files, monkeypatch):
    monkeypatch.setattr(file_parts, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chainrule\[cli\]'"):
        cr.FileStream("t.csv", "y")


def test_a_file_that_changes_while_it_is_read_is_noticed(files):
    stream = cr.FileStream("t.parquet", "y", weights="w", window=64)
    FRAME[:90].write_parquet("t.parquet", row_group_size=50)
    with pytest.raises(StreamError, match=r"epoch 1: it ended after \d steps, where 7 were expected"):
        fitted(stream)


# mapped files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_mapped_files_train_and_predict_as_arrays(dtype, engine, tmp_path, monkeypatch):
    monkeypatch.setattr(sparse_tables, "BYTES", 64 * 3 * 4)
    table = (100 * np.abs(X)).clip(0, 255).astype(dtype)
    np.save(tmp_path / "x.npy", table)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole, other = (fitted(x, WORDS, engine=engine, batch_size=16) for x in (table, mapped))
    assert_same(whole, other)
    assert np.array_equal(whole.predict_proba(table), other.predict_proba(mapped))
    assert whole.evaluate(table, WORDS) == other.evaluate(mapped, WORDS)
    (before, after) = (fitted(x, WORDS, optimizer=cr.LBFGS()) for x in (table, mapped))
    assert_same(before, after)


def test_a_mapped_file_is_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(check_inputs(mapped, None, np.dtype("float32")), mapped)
    converted = check_inputs(mapped, None, np.dtype("float64"))
    assert isinstance(converted, Mapped)
    assert np.shares_memory(converted.array, mapped)
    assert converted[[3, 1]].dtype == np.float64
    assert len(converted) == 200


def test_a_mapped_file_is_checked_a_few_rows_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(sparse_tables, "BYTES", 64 * 3 * 4)
    wrong = X.astype(np.float64)
    wrong[150, 1] = np.nan
    np.save(tmp_path / "x.npy", wrong)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    with pytest.raises(DataError, match="X: holds NaN, first in row 150, column 1"):
        fitted(mapped, WORDS)
    with pytest.raises(ParameterError, match="nor files that are mapped in another type"):
        fitted(mapped[:100], WORDS[:100], record=cr.Ledger("hidden1.W"))
    monkeypatch.setattr(sparse_tables, "WHOLE", 1000)
    with pytest.raises(DataError, match="X: is a mapped file, and L-BFGS works on all rows at once"):
        fitted(mapped[:100], WORDS[:100], optimizer=cr.LBFGS())


def test_a_fit_on_a_mapped_file_resumes(tmp_path):
    np.save(tmp_path / "x.npy", X.astype(np.float64))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    checkpoint = cr.Checkpoint(tmp_path / "runs")
    fitted(mapped, WORDS, epochs=1, callbacks=[checkpoint])
    assert_same(fitted(X, WORDS), fitted(mapped, WORDS, callbacks=[checkpoint], resume=True))


# chainrule train --stream ---------------------------------------------------------------------


@pytest.fixture
def mixed(tmp_path, monkeypatch):
    """Numbers with gaps, words, dates; a class that comes once."""
    monkeypatch.setattr(file_parts, "LEAST", 10)
    monkeypatch.setattr(file_parts, "BLOCK", 8000)
    monkeypatch.setattr(streaming, "ROWS", 70)
    n = 1200
    number, color = RANDOM.normal(size=n), RANDOM.choice(["red", "green", "blue"], n)
    target = np.where(number + (color == "red") > 0.4, "yes", "no")
    gaps = pl.Series(np.where(RANDOM.random(n) < 0.1, np.nan, number)).fill_nan(None)
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 1) + pl.duration(days=n - 1), eager=True)
    frame = pl.DataFrame({"a": number, "gap": gaps, "color": color, "day": days, "y": target})
    frame.write_parquet(tmp_path / "m.parquet", row_group_size=200)
    frame.write_csv(tmp_path / "m.csv")
    return frame


@pytest.mark.parametrize("name", ["m.parquet", "m.csv"])
def test_a_mixed_table_is_streamed_from_the_command_line(name, mixed, run, monkeypatch):
    monkeypatch.setattr(streaming, "SAMPLE", 600)
    shared = ("--target", "y", "--epochs", "8", "--hidden", "16", "--engine", "numpy", "--pieces", "0")
    out, err = run("train", name, *shared, "--stream", "--json", "--model", "m.chainrule")
    result = json.loads(out)
    assert f"{name}: 1,200 rows are streamed" in err
    assert 80 <= result["rows"]["test"] <= 160
    assert sum(result["rows"].values()) == 1200
    assert result["test"]["accuracy"] > 0.85
    assert result["columns"] == {"a": "number", "gap": "number", "color": "category", "day": "date"}
    assert json.loads(run("evaluate", "m.chainrule", "m.csv", "--json")[0])["test"]["accuracy"] > 0.85


def test_rows_held_back_are_not_streamed(mixed, tmp_path):
    sampled = streaming.sample_table(str(tmp_path / "m.parquet"), "y", None, {}, 0, rows=400)
    table = sampled.table
    trained = np.arange(0, table.rows, 2)
    encoding, _ = fit_encoding("m", table.cells[trained], table.kinds.columns, table.y[trained], 0)
    stream = streaming.EncodedStream(sampled, encoding, trained, np.unique(table.y))
    held = np.delete(sampled.places, trained)
    expected = encoding.encode(sources("m", mixed, encoding.columns))
    for seed in (None, 3):
        parts = list(stream.parts(0, seed))
        rows = np.concatenate([part.X for part in parts])
        kept = np.delete(expected, held, axis=0)
        if seed is not None:
            rows, kept = (x[np.lexsort(x.T)] for x in (rows, kept))
        np.testing.assert_array_equal(rows, kept)
        assert len(rows) == stream.rows


def test_the_sample_has_a_row_of_each_label(mixed, tmp_path):
    labels = mixed["y"].to_list()
    labels[777] = "rare"
    mixed.with_columns(y=pl.Series(labels)).write_parquet(tmp_path / "m.parquet", row_group_size=200)
    sampled = streaming.sample_table(str(tmp_path / "m.parquet"), "y", None, {}, 0, rows=50)
    assert set(sampled.table.y) == {"yes", "no", "rare"}
    assert 777 in sampled.places
    assert sampled.table.rows < 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("iris", "--stream"), "--stream is for files, and iris is a built-in set"),
        (("m.csv", "--stream"), "--target is needed"),
        (("m.csv", "--stream", "--target", "y", "--split", "color"), "--stream and --split contradict"),
        (("m.csv", "--stream", "--target", "y", "--dry-run"), "--stream and --dry-run contradict"),
        (
            ("m.csv", "--stream", "--target", "y", "--stop", "cross-validated"),
            "--stream and --stop contradict",
        ),
        (("m.csv", "--stream", "--target", "y", "--sampling", "balanced"), "--stream and --sampling contra"),
        (("m.csv", "--stream", "--target", "y", "--ensemble", "3"), "--stream and --ensemble contradict"),
        (("m.csv", "--stream", "--target", "z"), "column 'z' is unknown"),
    ],
)
def test_what_contradicts_streaming_is_refused(arguments, message, mixed, run):
    assert message in run("train", *arguments, code=2)[1]


def test_balanced_weights_are_those_of_the_sample(mixed, run, monkeypatch):
    given = ("--target", "y", "--stream", "--epochs", "1", "--hidden", "4", "--engine", "numpy", "--json")
    plain = json.loads(run("train", "m.csv", *given)[0])
    balanced = json.loads(run("train", "m.csv", *given, "--class-weight", "balanced")[0])
    assert balanced["loss"] != plain["loss"]
