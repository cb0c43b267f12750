"""What the command line reads by name, and which rows it holds back."""

import numpy as np
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets

from chainrule.cli import sets
from chainrule.cli.sets import BUILT_IN, load_table
from chainrule.cli.split import Purpose, hold_back, split_by_column
from chainrule.errors import DataError, MissingExtraError, ParameterError, UnknownNameError

# built-in sets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "xor"])
def test_a_built_in_set_is_that_of_scikit_learn(name):
    table, theirs = load_table(name, None), getattr(datasets, f"load_{name.replace('-', '_')}")()
    assert [column.name for column in table.kinds.columns] == list(theirs.feature_names)
    assert {column.kind for column in table.kinds.columns} == {"number"}
    X = table.cells.to_numpy()
    if name == "diabetes":
        np.testing.assert_allclose(X, theirs.data, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(table.y, theirs.target)
    else:
        np.testing.assert_array_equal(X, theirs.data)
        np.testing.assert_array_equal(table.y, theirs.target_names[theirs.target])
    assert table.task == ("regression" if name == "diabetes" else "classification")


def test_xor_is_the_four_rows():
    table = load_table("xor", None)
    assert [*zip(table.cells.rows(), table.y.tolist(), strict=True)] == [
        ((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)
    ]  # fmt: skip


def test_a_built_in_set_has_its_target():
    assert load_table("iris", "species").target == "species"
    with pytest.raises(ParameterError, match="--target: iris has its own target, 'species'; leave it out"):
        load_table("iris", "kind")


def test_without_scikit_learn_there_are_no_sets(monkeypatch):
    monkeypatch.setattr(sets, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="come with scikit-learn, which is not installed"):
        load_table("iris", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("irs", "there is no such file, nor a built-in set. Did you mean 'iris'? Sets: breast-cancer, d"),
        ("zzz.csv", "zzz.csv: there is no such file, nor a built-in set. Sets: breast-cancer"),
        ("z" * 5000, "there is no such file"),
        ("a\0b", "there is no such file"),
    ],
)
def test_a_name_of_nothing(name, message):
    with pytest.raises(UnknownNameError) as caught:
        load_table(name, "a")
    assert message in str(caught.value)


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


def marked(*marks):
    return polars.DataFrame({"part": marks})


def test_a_column_says_which_rows_are_for_what():
    frame = marked("train", "Test", " training", "dev", "testing", "VAL", "train")
    parts = {name: rows.tolist() for name, rows in split_by_column("part", frame).items()}
    assert parts == {"train": [0, 2, 6], "validation": [3, 5], "test": [1, 4]}
    assert list(split_by_column("part", marked("test", "train"))) == ["train", "test"]


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (["train", "tset"], "row 2, column 'part': 'tset' does not say what the row is for. Write train, "),
        (["train", None], "row 2, column 'part': 'none' does not say what the row is for."),
        (["train", "val"], "column 'part' calls no row test. Name another column."),
        (["test", "test"], "column 'part' calls no row train. Name another column."),
    ],
)
def test_a_column_that_does_not_say_it(marks, message):
    with pytest.raises(DataError) as caught:
        split_by_column("part", marked(*marks))
    assert message in str(caught.value)
