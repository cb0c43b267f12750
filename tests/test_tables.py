"""Tables of the command line: the built-in sets, files, where in a file a mistake is, and rows held back."""

import datetime
import decimal

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets

from chainrule.cli import sets
from chainrule.cli.sets import BUILT_IN, load_table
from chainrule.cli.split import Purpose, hold_back
from chainrule.cli.tables import guess_task
from chainrule.errors import DataError, MissingExtraError, ParameterError, UnknownNameError

# built-in sets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "xor"])
def test_a_built_in_set_is_that_of_scikit_learn(name):
    table, theirs = load_table(name, None), getattr(datasets, f"load_{name.replace('-', '_')}")()
    assert table.columns == list(theirs.feature_names)
    if name == "diabetes":
        np.testing.assert_allclose(table.X, theirs.data, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(table.y, theirs.target)
    else:
        np.testing.assert_array_equal(table.X, theirs.data)
        np.testing.assert_array_equal(table.y, theirs.target_names[theirs.target])
    assert table.task == ("regression" if name == "diabetes" else "classification")


def test_xor_is_the_four_rows():
    table = load_table("xor", None)
    assert [*zip(table.X.tolist(), table.y.tolist(), strict=True)] == [
        ([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)
    ]  # fmt: skip


def test_a_built_in_set_has_its_target():
    assert load_table("iris", "species").target == "species"
    with pytest.raises(ParameterError, match="--target: iris has its own target, 'species'; leave it out"):
        load_table("iris", "kind")


def test_without_scikit_learn_there_are_no_sets(monkeypatch):
    monkeypatch.setattr(sets, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="come with scikit-learn, which is not installed"):
        load_table("iris", None)


# files ----------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a table by text or columns; the file is called t.csv or t.parquet."""
    monkeypatch.chdir(tmp_path)

    def write(content):
        if isinstance(content, dict):
            polars.DataFrame(content).write_parquet("t.parquet")
            return "t.parquet"
        (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
        return "t.csv"

    return write


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\nx,3\n", "t.csv: row 2, column 'a': 'x' is not a number. Encode the column as numbers"),
        ("a,c,b\n1,1,2\n1,1,3\n5,6 cm,7\n", "t.csv: row 3, column 'c': '6 cm' is not a number."),
        ("a,b\n2024-01-01,3\n", "t.csv: row 1, column 'a': '2024-01-01' is not a number."),
        ("a,b\n1,2\n,3\n", "t.csv: column 'a' has 1 missing value, first in row 2. Fill them or drop"),
        ("a,b\n1,2\nn/a,3\n", "t.csv: column 'a' has 1 missing value, first in row 2 ('n/a'). Fill them"),
        ("a,b\nnan,1\n2,3\n", "t.csv: column 'a' has 1 missing value, first in row 1 ('nan')."),
        ("a,b\n1,2\n2,?\n", "t.csv: column 'b' has 1 missing value, first in row 2 ('?')."),
        ("a,b\nNaN,1\ninf,2\n3,4\n", "t.csv: column 'a' has 2 missing or infinite values, first in row 1"),
        ("a,b\n,1\n,2\n", "t.csv: column 'a' has 2 missing values, first in row 1"),
        ("a,b\n1,2\n-1e38,3\n", "row 2, column 'a': -1e+38 is too large for a network of float32. Use a"),
        ("a,b\n1,1e300\n2,3\n", "row 1, column 'b': 1e+300 is too large for a network of float32."),
        ("a;b\n1;2\n", "t.csv: has one column only, 'a;b'. Its columns seem to be separated by semicolons"),
        ("a;b\n1,5;2\n2,5;2,1\n", "separated by semicolons: separate them by commas."),
        ("a\tb\n1\t2\n", "separated by tabs: separate them by commas."),
        ("a,b\n1,2\n1,2,3\n", "cannot be read as a table: row 2 has 3 values for 2 columns."),
        (f"a,b\n{'x' * 200_000},1\n1,2,3\n", "cannot be read as a table: found more fields than defined"),
        (b'\x00\x01\n\x00,"', "t.csv: cannot be read as a table"),
        ("", "t.csv: cannot be read as a table"),
        ("a,b\n", "t.csv: has 0 rows. A header line and rows below it are needed"),
        ("b\n1\n2\n", "t.csv: has no column beside the target 'b'"),
        ({"a": [datetime.date(2024, 1, 1)], "b": [1]}, "row 1, column 'a': '2024-01-01' is not a number."),
        ({"a": [[1, 2]], "b": [1]}, "row 1, column 'a': '[1, 2]' is not a number."),
        ({"a": [1], "b": [datetime.date(2024, 1, 1)]}, "column 'b' holds date. A target is numbers, truth"),
        ({"a": [1], "b": [[1.0]]}, "t.parquet: column 'b' holds list. A target is numbers, truth values or"),
        ({"a": [None], "b": [1]}, "t.parquet: column 'a' has 1 missing value, first in row 1."),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_named_with_its_place(written, content, message):
    with pytest.raises(DataError) as caught:
        load_table(written(content), "b")
    assert message in str(caught.value)


@pytest.mark.parametrize("raised", [polars.exceptions.PanicException("Thrift"), OSError("no")])
def test_a_damaged_parquet_file(written, monkeypatch, raised):
    path = written({"a": [1], "b": [2]})

    def fail(path):
        raise raised

    monkeypatch.setattr(polars, "read_parquet", fail)
    with pytest.raises(DataError, match=r"t.parquet: cannot be read as a table: (it is damaged|no)\."):
        load_table(path, "b")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("irs", "there is no such file, nor a built-in set. Did you mean 'iris'? Sets: breast-cancer, d"),
        ("zzz.csv", "zzz.csv: there is no such file, nor a built-in set. Sets: breast-cancer"),
        ("z" * 5000, "there is no such file"),
    ],
)
def test_a_name_of_nothing(name, message):
    with pytest.raises(UnknownNameError) as caught:
        load_table(name, "a")
    assert message in str(caught.value)


def test_a_target_must_be_named_and_be_there(written):
    path = written("a,price\n1,2\n")
    with pytest.raises(ParameterError, match="--target is needed: which column of"):
        load_table(path, None, to_learn=True)
    assert load_table(path, None).y is None
    with pytest.raises(UnknownNameError, match="column 'prise' is unknown; did you mean 'price'"):
        load_table(path, "prise")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (polars.Series([decimal.Decimal("1.5"), decimal.Decimal(2)]), "f", [1.5, 2.0]),
        (polars.Series(["u", "v"], dtype=polars.Categorical), "U", ["u", "v"]),
        (polars.Series(["u", "v"], dtype=polars.Enum(["u", "v"])), "U", ["u", "v"]),
        (polars.Series([1, 2], dtype=polars.Int128), "f", [1.0, 2.0]),
        (polars.Series([2**63 + 2**12, 2], dtype=polars.UInt64), "f", [2.0**63 + 2**12, 2.0]),
        (polars.Series([1, 2.5], dtype=polars.Float32), "f", [1.0, 2.5]),
        (polars.Series([7, 8], dtype=polars.UInt8), "u", [7, 8]),
        (polars.Series([True, False]), "b", [True, False]),
    ],
)
def test_targets_of_many_kinds(written, values, kind, expected):
    table = load_table(written({"a": [0.5, 1.0], "b": values}), "b")
    assert (table.y.dtype.kind, table.y.tolist()) == (kind, expected)


def test_truth_values_are_inputs(written):
    table = load_table(written("a,b\n" + "true,yes\nfalse,no\n" * 9), "b")
    np.testing.assert_array_equal(table.X[:2], [[1.0], [0.0]])
    assert set(table.y) == {"yes", "no"}


def test_words_for_missing_values_are_labels_beside_other_words(written):
    assert set(load_table(written("a,b\n" + "1,NA\n2,EU\n" * 9), "b").y) == {"NA", "EU"}


def test_columns_are_taken_by_name_and_in_order(written):
    table = load_table(written("a,b,c\n1,2,3\n4,5,6\n"), "b", ["c", "a"])
    assert table.columns == ["c", "a"]
    np.testing.assert_array_equal(table.X, [[3, 1], [6, 4]])


def test_a_header_of_numbers_is_told(written, capsys):
    load_table(written("1,1,2\n3,4,5\n"), "2")
    told = capsys.readouterr().err
    assert (
        "the first row was taken as column names, which are all numbers: '1', '1_duplicated_0', '2'" in told
    )
    load_table(written("a,1,2\n3,4,5\n"), "2")
    assert capsys.readouterr().err == ""


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


# rows held back -------------------------------------------------------------------------------------

SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**63 - 1)


@given(st.lists(st.sampled_from("abcd"), min_size=8, max_size=200), SHARES, SEEDS)
def test_of_each_class_the_same_share_is_held_back(labels, share, seed):
    y = np.array(labels)
    classes, counts = np.unique(y, return_counts=True)
    wanted = max(1, round(share * len(y)))
    if wanted > len(y) - len(classes):
        with pytest.raises(DataError, match=r"too few to hold back .* and to keep one of every class"):
            hold_back(y, share, seed, Purpose.TEST, by_class=True)
        return
    kept, held = hold_back(y, share, seed, Purpose.TEST, by_class=True)
    assert len(held) == wanted
    assert sorted([*kept, *held]) == list(range(len(y)))
    assert set(y[kept]) == set(classes)
    for label, count in zip(classes, counts, strict=True):
        fair = wanted * (count - 1) / (len(y) - len(classes))
        assert abs((y[held] == label).sum() - fair) < 1


@given(st.integers(2, 200), SHARES, SEEDS)
def test_values_are_held_back_by_chance_alone(rows, share, seed):
    y = np.zeros(rows)
    if round(share * rows) == rows:
        with pytest.raises(DataError, match="too few to hold back"):
            hold_back(y, share, seed, Purpose.TEST, by_class=False)
        return
    kept, held = hold_back(y, share, seed, Purpose.TEST, by_class=False)
    assert sorted([*kept, *held]) == list(range(rows))
    assert len(held) == max(1, round(share * rows))
    np.testing.assert_array_equal(held, hold_back(y, share, seed, Purpose.TEST, by_class=False)[1])


def test_seeds_and_purposes_hold_back_other_rows():
    y = np.arange(100) % 3
    drawn = {
        tuple(hold_back(y, 0.2, seed, purpose, by_class=True)[1]) for seed in range(3) for purpose in Purpose
    }
    assert len(drawn) == 6


def test_every_row_is_held_back_equally_often():
    y = np.arange(20) % 2
    counts = np.zeros(20)
    for seed in range(2000):
        counts[hold_back(y, 0.2, seed, Purpose.TEST, by_class=True)[1]] += 1
    assert abs(counts - 400).max() < 5 * np.sqrt(2000 * 0.2 * 0.8)
