"""Tables: reading them, telling kinds of columns, encoding these by scikit-learn, what models keep of it."""

import datetime as dt
import decimal
import gzip
import io
import platform
import zipfile

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from chainrule import Dense, Network, __version__
from chainrule.errors import DataError, MissingExtraError, ModelFileError, ParameterError, UnknownNameError
from chainrule.model.files import load
from chainrule.tables import archive, encoding, kinds, model, text
from chainrule.tables.archive import from_bytes, to_bytes
from chainrule.tables.encoding import fit_encoding, restored
from chainrule.tables.kinds import Column, find_form, find_kinds, guess_kind, stated_kinds
from chainrule.tables.model import encoding_of, keep, linear_of, versions
from chainrule.tables.reading import read_table
from chainrule.tables.sources import sources
from chainrule.tables.table import make_table
from chainrule.tables.target import guess_task, read_target, read_values
from chainrule.tables.text import checked_separator, find_separator
from chainrule.tables.wording import nearest, printable, shown


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a table by text, bytes or columns, and give its name."""
    monkeypatch.chdir(tmp_path)

    def write(content, name="t.csv"):
        if isinstance(content, dict):
            pl.DataFrame(content).write_parquet("t.parquet")
            return "t.parquet"
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return write


# reading --------------------------------------------------------------------------------------------

ROWS = [("1", "x"), ("2.5", None), (None, "a b")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1,x\n2.5,\n,a b\n", "t.csv"),
        ("a;b\n1;x\n2.5;\n;a b\n", "t.csv"),
        ("a\tb\n1\tx\n2.5\t\n\ta b\n", "t.tsv"),
        ("a|b\n1|x\n2.5|\n|a b", "t.txt"),
        ("a, b\n 1 , x\n2.5, \n , a b\n\n\n", "t.csv"),
        ('a,"b"\n"1","x"\n2.5,""\n,"a b"\n', "t.csv"),
        ("\ufeffa,b\r\n1,x\r\n2.5,\r\n,a b\r\n", "t.csv"),
        ("a,b\r1,x\r2.5,\r,a b", "t.csv"),
        (gzip.compress(b"a,b\n1,x\n2.5,\n,a b\n", mtime=0), "t.csv.gz"),
        (gzip.compress(b"a\tb\n1\tx\n2.5\t\n\ta b\n", mtime=0), "t.tsv"),
    ],
)
def test_text_of_many_sorts_is_one_table(written, content, name):
    frame = read_table(written(content, name))
    assert frame.columns == ["a", "b"]
    assert frame.rows() == ROWS


def test_parquet_keeps_its_types(written):
    columns = {"a": [1, 2], "b": [True, None], "c": [dt.date(2024, 1, 2), None], "d": [" x", ""]}
    frame = read_table(written(columns))
    assert frame.equals(pl.DataFrame(columns))


def test_what_polars_cannot_read_is_read_by_python(written):
    frame = read_table(written('a,b\n5" pipe,1\nx,2\n"two\nlines",3\n'))
    assert frame.rows() == [('5" pipe', "1"), ("x", "2"), ("two\nlines", "3")]


def test_a_blank_line_is_a_missing_cell_where_there_is_one_column(written):
    assert read_table(written("a\n1\n\n3\n")).rows() == [("1",), (None,), ("3",)]


def test_a_separator_is_found_by_the_names_and_can_be_stated(written):
    assert find_separator("a;b,c;d\n1;2,5;3\n") == ";"
    assert find_separator("name\nx\n") == ","
    path = written("a b\n1 2\n")
    assert read_table(path).columns == ["a b"]
    assert read_table(path, checked_separator("space")).rows() == [("1", "2")]
    assert [checked_separator(s) for s in (None, "tab", ";", "\t")] == [None, "\t", ";", "\t"]
    for wrong in ("", "ab", '"', "é", "x", "\n"):
        with pytest.raises(ParameterError, match=r"--separator must be one letter between columns, got"):
            checked_separator(wrong)


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(",;\t|"),
)
def test_cells_come_back_as_they_were_written(tmp_path_factory, rows, separator):
    rows = [["x", *row] for row in rows]  # a row of empty cells alone would be a blank line
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    frame = pl.DataFrame(dict(zip("abcd", zip(*rows, strict=True), strict=True)))
    frame.write_csv(path, separator=separator)
    expected = [tuple(cell.strip() or None for cell in row) for row in rows]
    assert read_table(str(path), separator).rows() == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "t.csv: is empty. A line of names and rows below it are needed."),
        (" \n\n", "t.csv: is empty."),
        ("a,b\n", "t.csv: has 0 rows. A line of names and rows below it are needed."),
        ("a,b\n1,2\n1,2,3\n", "t.csv: row 2 has 3 values for 2 columns. Correct the row, or put quotes"),
        ("a,b\n1,2\n1\n", "t.csv: row 2 has 1 value for 2 columns."),
        ("a,b\n1,2\n\n3,4\n", "t.csv: row 2 is a blank line. Remove it."),
        ('a,b\n1,2\n"x,3\n4,5\n', "t.csv: row 2: a quote is not closed. Close it, or write it twice"),
        ('a,b\n1,2\n"x"y,3\n', "t.csv: row 2: a quote stands in the middle of a cell."),
        ('"a,b\n1,2\n', "t.csv: a quote in the line of names is not closed. Close it."),
        ("a,a\n1,2\n", "t.csv: column 'a' is there twice. Rename one of the two."),
        ("a,,c\n1,2,3\n", "t.csv: column 2 has no name. Give every column a name in the first line."),
        (b"a,b\n1,2\n3,\xe9\n", "t.csv: row 2, column 'b': the byte 0xe9 is not UTF-8. Save the file in"),
        (b"a,\xe9\n1,2\n", "t.csv: the line of names: the byte 0xe9 is not UTF-8."),
        (b"a,b\n1,2\n3,4,\xe9\n", "t.csv: row 2: the byte 0xe9 is not UTF-8."),
        ("a,b\n1,2\n".encode("utf-16"), "t.csv: is text in UTF-16 or UTF-32. Save it as UTF-8."),
        ("a,b\n1,2\n".encode("utf-16-le"), "holds NUL bytes throughout, as UTF-16 or UTF-32 does. Save"),
        (b"a,b\n1,2\n3,\x00\n", "t.csv: row 2, column 'b': a NUL byte (0x00). Export the table anew."),
        (b"PK\x03\x04xx", "t.csv: is a zip archive or a spreadsheet, not a table as text. Export it as CSV."),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "t.csv: is a gzip file that is damaged or not whole."),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table(written, content, message):
    with pytest.raises(DataError) as caught:
        read_table(written(content))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.gz", b"a,b\n1,2\n", "t.gz: is no gzip file, in spite of its name. Rename it without .gz"),
        ("t.parquet", b"a,b\n1,2\n", "t.parquet: is no Parquet file, in spite of its name."),
        ("t.parquet", b"PAR1" + b"x" * 50, "t.parquet: cannot be read as Parquet: "),
        ("t.parquet", b"PAR1", "t.parquet: cannot be read as Parquet: "),
    ],
)
def test_a_file_that_is_not_what_it_is_called(written, name, content, message):
    with pytest.raises(DataError) as caught:
        read_table(written(content, name))
    assert message in str(caught.value)
    assert "anew" in str(caught.value) or "Rename" in str(caught.value) or "rename" in str(caught.value)


def test_what_is_no_file_or_must_not_be_read(tmp_path, monkeypatch, written):
    with pytest.raises(DataError, match=r"is a folder. Pass a CSV or Parquet file"):
        read_table(str(tmp_path))
    with pytest.raises(DataError, match=r"is a device, a pipe or a socket, not a file. Save the table"):
        read_table("/dev/null")
    with pytest.raises(DataError, match=r"cannot be read: No such file or directory. Check the file"):
        read_table(str(tmp_path / "gone.csv"))


def test_a_panic_of_polars_is_an_error_like_others(written, monkeypatch, capfd):
    path = written({"a": [1]})

    def panic(content):
        raise pl.exceptions.PanicException("Thrift")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DataError, match=r"cannot be read as Parquet: it is damaged\. Export it anew"):
        read_table(path)


def test_a_large_file_is_announced(written, monkeypatch, capsys):
    monkeypatch.setattr("chainrule.tables.reading.LARGE", 5)
    read_table(written("a,b\n1,2\n"))
    assert capsys.readouterr().err == "reading t.csv, 0 MB\n"


def test_a_header_of_numbers_is_told(written, capsys):
    read_table(written("1,3,2\n3,4,5\n"))
    told = capsys.readouterr().err
    assert "the first row was taken as column names, which are all numbers: '1', '3', '2'. If it is" in told
    read_table(written("a,1,2\n3,4,5\n"))
    assert capsys.readouterr().err == ""


# kinds ----------------------------------------------------------------------------------------------


def many(*cells, times=10):
    return [*cells] * times


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "-3.5e4", " 7 "], "number"),
        (["1", "NA", "?", "3", None, "nan", "-", "5"], "number"),
        (many("0", "1"), "number"),
        (many("true", "False", "TRUE", None), "truth value"),
        (many("red", "green", None), "category"),
        (many("yes", "no"), "category"),
        (many("1", "2", "3+"), "category"),
        (["7"] * 3 + many("x", "y"), "category"),
        (many("NA", "EU"), "category"),
        (["2024-01-01", "2024-02-30"] + ["2024-03-01"] * 20, "date"),
        (["01.12.2024", "31.12.2024"], "date"),
        (["2024-01-01T10:30:00", "2024-01-02 11:00"], "date"),
        (["1949-01", "1949-02"], "date"),
        ([f"id-{i}" for i in range(30)], "identifier"),
        ([f"a small flat number {i} by the sea" for i in range(30)], "text"),
        (many("train", "test", "train"), "split"),
        (many("train", "plane"), "category"),
    ],
)
def test_kinds_of_text(cells, kind):
    assert guess_kind("t.csv", "a", pl.Series("a", cells, dtype=pl.String))[0] == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pl.Series([1, 2]), "number"),
        (pl.Series([decimal.Decimal("1.5")]), "number"),
        (pl.Series([1.5, None]), "number"),
        (pl.Series([True, False]), "truth value"),
        (pl.Series(["u", "v"], dtype=pl.Categorical), "category"),
        (pl.Series(["u", "v"], dtype=pl.Enum(["u", "v"])), "category"),
        (pl.Series([dt.date(2024, 1, 1)]), "date"),
        (pl.Series([dt.datetime(2024, 1, 1, tzinfo=dt.UTC)]), "date"),
    ],
)
def test_kinds_of_types(values, kind):
    assert guess_kind("t.parquet", "a", values)[0] == kind


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pl.Series([None, None], dtype=pl.String), "t: column 'a' is empty: all its cells are missing. Fill"),
        (pl.Series(["NA", "?"]), "t: column 'a' is empty"),
        (pl.Series([float("nan")]), "t: column 'a' is empty"),
        (pl.Series([None], dtype=pl.Null), "or pass --column a=ignore."),
        (pl.Series([[1, 2]]), "t: column 'a' holds list, which cannot be learned from. Convert it, or pass"),
        (pl.Series([b"x"]), "t: column 'a' holds binary,"),
        (pl.Series([dt.time(1)]), "t: column 'a' holds time,"),
        (pl.Series(["1,5", "2,25", "3,5"]), "t: row 1, column 'a': '1,5' has a comma, or points between th"),
        (pl.Series(["1,234", "5,678"]), "Write numbers as 1234.5, or pass --column a=category."),
    ],
)
def test_columns_that_cannot_be_used(values, message):
    with pytest.raises(DataError) as caught:
        guess_kind("t", "a", values)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "form"),
    [
        (["31.12.2024"], "%d.%m.%Y"),
        (["12/31/2024", "01/02/2024"], "%m/%d/%Y"),
        (["31/12/2024", "01/02/2024"], "%d/%m/%Y"),
        (["2024-12-31T23:59:59.5Z"], "%Y-%m-%dT%H:%M:%S%.f%#z"),
        (["2024-12-31 23:59"], "%Y-%m-%d %H:%M"),
        (["2024-12"], "%Y-%m"),
        (["31.12.24"], "%d.%m.%y"),
        (["3/14/19", "12/1/19"], "%m/%d/%y"),
        (["05/17/2019 01:10:00 PM", "5/7/2019 1:10:59 am"], "%m/%d/%Y %I:%M:%S %p"),
        (["2024-12-31 1:10 PM"], "%Y-%m-%d %I:%M %p"),
        (["2024-12-31 23:59+02:00"], "%Y-%m-%d %H:%M%#z"),
    ],
)
def test_how_dates_are_written_is_found(cells, form):
    assert find_form(pl.Series(cells)) == form


@pytest.mark.parametrize("words", ["20-29 0-4", "1/2 3/4", "120/80 99/65", "1.2.3 10.0.13", "2020-21 99-0"])
def test_words_that_only_look_like_dates_are_none(words):
    assert guess_kind("t", "a", pl.Series(words.split() * 10)) == ("category", "")


def test_a_day_is_told_by_years_of_two_digits_and_by_hours_of_half_days():
    found = numbers_of(["31.12.24"], "date", form="%d.%m.%y", parts=("days", "weekday"))
    assert found.rows() == [(9131.0, 2.0)]
    late = numbers_of(["12/31/2024 1:30 PM"], "date", form="%m/%d/%Y %I:%M %p", parts=("hour",))
    assert late.rows() == [(13.5,)]


def test_a_column_called_as_a_part_of_a_date_is_refused():
    frame = pl.DataFrame({"a": [dt.date(2024, 1, 1)], "a (days)": [1]})
    with pytest.raises(DataError, match=r"t: column 'a \(days\)' is called as a part of the dates of 'a'"):
        sources("t", frame, find_kinds("t", frame, None, {}).columns)


def test_dates_that_can_be_read_in_two_ways_are_told(capsys):
    for cells, told in (
        (["01/02/24 10:00 AM"], True),
        (["01/02/2024", "03/04/2024"], True),
        (["12/31/2024"], False),
        (["31/12/2024"], False),
    ):
        find_kinds("t.csv", pl.DataFrame({"a": cells}), None, {})
        assert ("t.csv: column 'a' is read month first, and could be day" in capsys.readouterr().err) == told


def test_kinds_of_a_table_and_what_a_user_says_of_it():
    frame = pl.DataFrame(
        {"zip": many("0123", "4567"), "id": [f"k{i}" for i in range(20)], "y": many("1", "2")}
    )
    found = find_kinds("t", frame, "y", {})
    assert found.columns == [Column("zip", "number")]
    assert found.left_out == {"id": "20 different words in 20 cells"}
    stated = stated_kinds(["zip=category", "id=category"])
    assert [column.kind for column in find_kinds("t", frame, "y", stated).columns] == ["category"] * 2
    found = find_kinds("t", frame, "y", stated_kinds(["id=ignore"]))
    assert found.left_out == {"id": "ignored"}


def test_without_a_column_to_learn_from_there_is_an_error():
    frame = pl.DataFrame({"id": [f"k{i}" for i in range(20)], "y": many("1", "2")})
    with pytest.raises(
        DataError, match=r"no column to learn from: column 'id' is left out .20 different words"
    ):
        find_kinds("t", frame, "y", {})
    with pytest.raises(DataError, match=r"has no column beside the target 'y' to learn from. Add one."):
        find_kinds("t", frame.select("y"), "y", {})


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["zip"], "--column must be NAME=KIND, got 'zip'. Pass e.g. zip=category."),
        (["=number"], "--column must be NAME=KIND"),
        (["zip=categry"], "--column 'zip': kind 'categry' is unknown; did you mean 'category'?"),
        (["zip=number", "zip=date"], "--column 'zip' is given twice. Give it once."),
    ],
)
def test_a_mistake_in_what_a_column_is_said_to_be(pairs, message):
    with pytest.raises(ParameterError) as caught:
        stated_kinds(pairs)
    assert message in str(caught.value)


def test_names_of_columns_may_hold_equals_signs():
    assert stated_kinds(["a=b=number"]) == {"a=b": "number"}


@pytest.mark.parametrize(
    "value",
    [
        3,
        {"name": "a", "kind": "text"},
        {"name": "a", "kind": "number", "more": 1},
        {"name": 1, "kind": "number"},
        {"name": "a", "kind": "date", "parts": ["year"]},
    ],
)
def test_broken_descriptions_of_columns(value):
    with pytest.raises(ModelFileError, match=r"description is broken|is of an unknown kind"):
        Column.from_json(value)


# cells ----------------------------------------------------------------------------------------------


def numbers_of(cells, kind="number", **more):
    frame = pl.DataFrame({"a": cells})
    return sources("t", frame, [Column("a", kind, **more)])


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        (["1", " 2.5 ", "NA", None], "number", [1.0, 2.5, None, None]),
        ([1, None], "number", [1.0, None]),
        ([1.5, float("nan")], "number", [1.5, None]),
        ([True, False], "number", [1.0, 0.0]),
        ([None, None], "number", [None, None]),
        (["TRUE", "false", "n/a"], "truth value", [1.0, 0.0, None]),
        ([1, 0], "truth value", [1.0, 0.0]),
        ([True, None], "truth value", [1.0, None]),
        (["x", "", None], "category", ["x", None, None]),
        ([7, None], "category", ["7", None]),
        ([True, False], "category", ["true", "false"]),
    ],
)
def test_cells_become_numbers_or_words(cells, kind, expected):
    assert numbers_of(cells, kind)["a"].to_list() == expected


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["1", "six"], "number", "t: row 2, column 'a': 'six' is not a number. Correct it; for words, train"),
        (["1", "1,5"], "number", "t: row 2, column 'a': '1,5' is not a number. Write it as 1234.5."),
        (
            ["1", "-inf"],
            "number",
            "t: row 2, column 'a': -inf is infinite. Write a number, or leave the cell",
        ),
        ([1.0, 1e38], "number", "t: row 2, column 'a': 1e+38 is too large for a network of float32. Use a"),
        (["1", "9" * 400], "number", "t: row 2, column 'a': inf is infinite."),
        (
            [dt.date(2024, 1, 1)],
            "number",
            "t: row 1, column 'a': the column holds date, where numbers are ne",
        ),
        (["true", "maybe"], "truth value", "t: row 2, column 'a': 'maybe' is no truth value. Use true and"),
        ([1, 2], "truth value", "t: row 2, column 'a': 2 is no truth value."),
        ([[1]], "category", "t: row 1, column 'a': the column holds list, where words are needed. Convert"),
        ([dt.date(2024, 1, 1)], "truth value", "the column holds date, where truth values are needed."),
        (["2024-02-30"], "date", "row 1, column 'a': '2024-02-30' is no date like the others (YYYY-MM-DD)."),
        ([1], "date", "the column holds int64, where dates are needed."),
    ],
)
def test_a_cell_that_does_not_fit_its_column(cells, kind, message):
    with pytest.raises(DataError) as caught:
        numbers_of(cells, kind, parts=("days",) if kind == "date" else ())
    assert message in str(caught.value)


def test_dates_become_numbers():
    moments = [dt.datetime(2000, 1, 1), dt.datetime(2024, 2, 29, 18, 30), None]
    found = numbers_of(moments, "date", parts=kinds.PARTS)
    days = (moments[1] - moments[0]) / dt.timedelta(days=1)
    assert found.columns == ["a (days)", "a (month)", "a (weekday)", "a (hour)"]
    assert found.rows() == [(0.0, 1.0, 6.0, 0.0), (pytest.approx(days), 2.0, 4.0, 18.5), (None,) * 4]
    text = ["2000-01-01 00:00", "2024-02-29 18:30", None]
    assert numbers_of(text, "date", form="%Y-%m-%d %H:%M", parts=kinds.PARTS).equals(found)
    assert numbers_of(["2024-02"], "date", form="%Y-%m", parts=("month",)).rows() == [(2.0,)]


def test_of_dates_only_what_differs_is_taken():
    frame = pl.DataFrame({"a": ["2024-01-01", "2024-01-08", "2024-01-15"], "b": ["2024-01", "2024-02", None]})
    columns = find_kinds("t", frame, None, {}).columns
    assert [column.parts for column in columns] == [("days",), ("days", "month")]


def test_columns_are_taken_by_name():
    frame = pl.DataFrame({"b": [2], "a": [1], "more": ["x"]})
    assert sources("t", frame, [Column("a", "number"), Column("b", "number")]).rows() == [(1.0, 2.0)]
    with pytest.raises(
        UnknownNameError, match=r"column 'A ' is unknown; did you mean 'a'. Columns: 'b', 'a'"
    ):
        sources("t", frame, [Column("A ", "number")])
    with pytest.raises(
        UnknownNameError, match=r"columns 'x', 'y' are missing. Rename or add them. Columns: "
    ):
        sources("t", frame, [Column("x", "number"), Column("y", "number")])


# targets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pl.Series([decimal.Decimal("1.5"), decimal.Decimal(2)]), "f", [1.5, 2.0]),
        (pl.Series(["u", "v"], dtype=pl.Categorical), "U", ["u", "v"]),
        (pl.Series([2**63 + 2**12, 2], dtype=pl.UInt64), "f", [2.0**63 + 2**12, 2.0]),
        (pl.Series([7, 8], dtype=pl.UInt8), "i", [7, 8]),
        (pl.Series([True, False]), "b", [True, False]),
        (pl.Series(["true", "False"]), "b", [True, False]),
        (pl.Series(["1", "2"]), "i", [1, 2]),
        (pl.Series(["1", "2.5"]), "f", [1.0, 2.5]),
        (pl.Series(["NA", "EU", "EU"]), "U", ["NA", "EU", "EU"]),
    ],
)
def test_targets_of_many_kinds(values, kind, expected):
    y = read_target("t", "b", values)
    assert (y.dtype.kind, y.tolist()) == (kind, expected)


def test_a_target_is_read_as_what_the_classes_are():
    assert read_target("t", "b", pl.Series(["1", "2"]), np.array(["1", "x"])).tolist() == ["1", "2"]
    assert read_target("t", "b", pl.Series([1, 0]), np.array([0, 1])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pl.Series(["1", None, "NA"]), "t: row 2, column 'b': the target is missing, in 2 cells altogether."),
        (
            pl.Series(["1", "NA", "2"]),
            "t: row 2, column 'b': the target is missing ('NA'), in 1 cell altogeth",
        ),
        (pl.Series(["x", None, "x"]), "t: row 2, column 'b': the target is missing, in 1 cell"),
        (pl.Series([True, None]), "t: row 2, column 'b': the target is missing"),
        (pl.Series([None, None], dtype=pl.String), "t: column 'b', the target, has missing values alone."),
        (pl.Series([dt.date(2024, 1, 1)]), "t: column 'b' holds dates. Take a target of numbers or words."),
        (pl.Series([[1.0]]), "t: column 'b' holds list"),
        (
            pl.Series([f"w{i}" for i in range(60)]),
            "t: column 'b' has 60 different words in 60 rows, too many",
        ),
    ],
)
def test_targets_that_cannot_be(values, message):
    with pytest.raises(DataError) as caught:
        read_target("t", "b", values)
    assert message in str(caught.value)


def test_a_word_where_a_value_is_wanted():
    with pytest.raises(
        DataError, match=r"row 2, column 'b': 'x' is not a number. A target of numbers is needed"
    ):
        read_values("t", "b", pl.Series(["1", "x"]))


@pytest.mark.parametrize(
    ("values", "task", "why"),
    [
        (np.array(["a", "b"]), "classification", "it has 2 different words"),
        (np.array([True, False]), "classification", "it has 2 different truth values"),
        (np.array([0, 1]), "classification", "it has 2 different whole numbers in 2 rows"),
        (np.array([1.0, 2.0]), "classification", "it has 2 different whole numbers in 2 rows"),
        (np.arange(100) % 10, "classification", "it has 10 different whole numbers in 100 rows"),
        (np.arange(100) % 11, "regression", "it has 11 different numbers"),
        (np.arange(10) % 3, "regression", "it has 3 different numbers"),
        (np.array([0.5, 1.5] * 50), "regression", "it has 2 different numbers"),
    ],
)
def test_what_a_target_seems_to_be(values, task, why):
    assert guess_task(values) == (task, why)


def test_a_table_needs_its_target():
    frame = pl.DataFrame({"a": ["1", "2"], "price": ["1", "2.5"]})
    assert make_table("t", frame, "price", {}).task == "regression"
    with pytest.raises(UnknownNameError, match=r"column 'Prise' is unknown; did you mean 'price'"):
        make_table("t", frame, "Prise", {})
    with pytest.raises(
        UnknownNameError, match=r"column 'b' is unknown, and there is only one. Pass --separator"
    ):
        make_table("t", frame.select("a"), "b", {})
    with pytest.raises(ParameterError, match=r"--target is empty"):
        make_table("t", frame, "", {})


# encoding -------------------------------------------------------------------------------------------


def mixed(rows=40):
    """Columns of all kinds, some cells missing; what they are encoded to is plain from them."""
    return pl.DataFrame(
        {
            "size": [None if i % 8 == 3 else float(i % 7) for i in range(rows)],
            "full": [float(i) for i in range(rows)],
            "colour": [None if i % 10 == 9 else ("red", "green", "blue")[i % 3] for i in range(rows)],
            "open": [i % 2 == 0 for i in range(rows)],
            "day": [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(rows)],
        }
    )


def fitted(frame, y=None, seed=0):
    columns = find_kinds("t", frame, None, {}).columns
    y = np.array(["u", "v"] * (frame.height // 2)) if y is None else y
    cells = sources("t", frame, columns)
    return *fit_encoding("t", cells, columns, y, seed), cells


def test_what_columns_become():
    frame = mixed()
    made, X, cells = fitted(frame)
    parts = dict(zip(made.inputs, X.T, strict=True))
    assert list(parts) == [
        "full", "day (days)", "size", "open", "day (month)", "day (weekday)", "size (missing)",
        "colour=blue", "colour=green", "colour=red", "colour=(missing)",
    ]  # fmt: skip
    gaps = frame["size"].is_null().to_numpy()
    np.testing.assert_array_equal(parts["size"], frame["size"].fill_null(frame["size"].median()))
    np.testing.assert_array_equal(parts["size (missing)"], gaps)
    np.testing.assert_array_equal(parts["full"], frame["full"])
    np.testing.assert_array_equal(parts["open"], frame["open"])
    for word in ("blue", "green", "red"):
        np.testing.assert_array_equal(parts[f"colour={word}"], (frame["colour"] == word).fill_null(False))
    np.testing.assert_array_equal(parts["colour=(missing)"], frame["colour"].is_null())
    assert made.scaled.tolist() == [True] * 6 + [False] * 5
    np.testing.assert_array_equal(made.encode(cells), X)


def test_only_the_rows_to_train_on_are_learned_from():
    frame = mixed()
    whole, part = fitted(frame)[0], fitted(frame.head(8))[0]
    assert part.learned(Column("size", "number"))["median"] == frame.head(8)["size"].median()
    assert whole.learned(Column("size", "number"))["median"] == frame["size"].median()
    assert part.learned(Column("colour", "category"))["words"] == ["blue", "green", "red"]
    assert "colour=(missing)" not in part.inputs


def test_numbers_of_many_values_come_first_and_rare_words_share_an_input():
    rows = 2000
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"few": draw.integers(0, 5, rows).astype(float), "x": np.exp(3 * draw.normal(size=rows)),
         "word": ["rare1", "rare2", *draw.choice(["a", "b"], rows - 2)]}
    )  # fmt: skip
    made, X, _ = fitted(frame)
    assert made.inputs == ["x", "few", "word=a", "word=b", "word=(other)"]
    np.testing.assert_array_equal(X[:, 0], frame["x"])
    assert X[:, 4].sum() == 2


@pytest.mark.parametrize("classes", [2, 3, None])
def test_many_words_become_means_that_do_not_leak(classes):
    rows, draw = 3000, np.random.default_rng(1)
    words = [f"w{i}" for i in draw.integers(0, 100, rows)]
    noise = draw.normal(size=rows) if classes is None else draw.integers(0, classes, rows).astype(str)
    made, X, cells = fitted(pl.DataFrame({"word": words}), noise)
    names = {None: ["word (mean)"], 2: ["word (mean)"], 3: [f"word (share of {c})" for c in "012"]}
    assert made.inputs == names[classes]
    truth = noise if classes is None else (noise == "1").astype(float)
    column = 1 if classes == 3 else 0
    # The target has nothing to do with the words: what was fitted to all rows would correlate by 0.18.
    assert abs(np.corrcoef(X[:, column], truth)[0, 1]) < 0.06
    assert np.corrcoef(made.encode(cells)[:, column], truth)[0, 1] > 0.1
    np.testing.assert_array_equal(fitted(pl.DataFrame({"word": words}), noise)[1], X)
    again = restored(made.columns, to_bytes(made.transformer), len(made.inputs))
    np.testing.assert_array_equal(again.encode(cells), made.encode(cells))
    assert again.learned(Column("word", "category"))["encoding"] == "100 words, the target's mean in each"


def test_what_is_new_is_told_and_taken(capsys):
    made, _, _ = fitted(mixed())
    new = mixed(4).with_columns(
        colour=pl.Series(["red", "pink", "pink", "grey"]), full=pl.Series([1.0, None, None, 2.0])
    )
    X = made.encode_frame("new.csv", new)
    told = capsys.readouterr().err
    assert "chainrule: new.csv: row 2, column 'colour': the training did not have 'pink', 'grey'" in told
    assert (
        "chainrule: new.csv: row 2, column 'full': missing, 2 cells altogether; the training had none" in told
    )
    parts = dict(zip(made.inputs, X.T, strict=True))
    assert parts["full"].tolist() == [1.0, 19.5, 19.5, 2.0]
    assert sum(parts[name][1] for name in made.inputs if name.startswith("colour")) == 0
    made.encode_frame("same.csv", mixed())
    assert capsys.readouterr().err == ""
    whole, _, _ = fitted(mixed().with_columns(colour=pl.Series(["red", "green"] * 20)))
    whole.encode_frame("gap.csv", mixed(10).with_columns(colour=pl.Series([*["red"] * 9, None])))
    assert "row 10, column 'colour': the training did not have a missing cell" in capsys.readouterr().err


def test_a_column_without_values_in_the_rows_to_train_on():
    cells = pl.DataFrame({"a": [1.0, 2.0], "b": pl.Series([None, None], dtype=pl.Float64)})
    columns = [Column("a", "number"), Column("b", "number")]
    with pytest.raises(
        DataError, match=r"column 'b' is empty in all rows to train on. Remove it, or pass --col"
    ):
        fit_encoding("t", cells, columns, np.array(["u", "v"]), 0)


def test_encoding_much_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(encoding, "MANY", 10)
    fitted(mixed())
    assert capsys.readouterr().err == "encoding 40 rows of 7 columns\n"


# files ----------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A network of a mixed table in a file: path, encoding, encoded rows."""
    frame = mixed().with_columns(y=pl.Series([float(i) for i in range(40)]))
    table = make_table("t.csv", frame, "y", {})
    made, X = fit_encoding("t.csv", table.cells, table.kinds.columns, table.y, 0)
    network = Network([Dense(1)], loss="mse")
    network.fit(X, table.y, epochs=1, engine="numpy", verbose=False)
    keep(network, table, made, 19.5, StandardScaler().fit(X), {"epochs": 1})
    network.save(tmp_path / "m")
    return tmp_path / "m", made, X


def test_an_encoding_comes_back_from_its_file(saved):
    path, made, X = saved
    network = load(path)
    found = encoding_of(network, path)
    assert found.columns == made.columns
    assert found.inputs == made.inputs == network.metadata["inputs"]
    np.testing.assert_array_equal(found.encode_frame("t.csv", mixed()), X)
    assert set(network.metadata["versions"]) >= {"chainrule", "python", "numpy", "scikit-learn", "skops"}
    bare = Network([Dense(1)], loss="mse")
    assert encoding_of(bare, "x") is linear_of(bare, "x") is None


def changed(path, **attachments):
    network = load(path)
    network.attachments |= attachments
    network.save(path)
    return load(path)


def test_types_that_might_run_code_are_refused(saved):
    path, _, _ = saved
    acting = ColumnTransformer([("x", FunctionTransformer(exec), [0])])
    with pytest.raises(
        ModelFileError, match=r"m: its preprocessing holds 'builtins.exec', which may run code"
    ):
        encoding_of(changed(path, preprocessing=to_bytes(acting)), path)
    with pytest.raises(ModelFileError, match=r"its linear model is something else. Train it again"):
        linear_of(changed(path, linear=to_bytes(StandardScaler())), path)


def test_preprocessing_that_does_not_fit_is_refused(saved):
    path, made, _ = saved
    network = load(path)
    for columns, content, inputs in (
        (made.columns[1:], to_bytes(made.transformer), len(made.inputs)),
        (made.columns, to_bytes(made.transformer), len(made.inputs) + 1),
        (made.columns, to_bytes(ColumnTransformer([])), len(made.inputs)),
    ):
        with pytest.raises(ModelFileError, match=r"does not fit its columns or its network. Train it again"):
            restored(columns, content, inputs)
    network.metadata["kinds"] = None
    with pytest.raises(ModelFileError, match=r"its columns are not described"):
        encoding_of(network, path)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_damaged_archive_is_refused(place):
    content = bytearray(to_bytes(StandardScaler().fit([[1.0], [2.0]])))
    for at in range(int(place * len(content)), len(content), 11):
        content[at] ^= 0x55
    with pytest.raises(ModelFileError, match=r"its scaler (cannot be restored|holds)"):
        from_bytes(bytes(content), "scaler", StandardScaler)


def test_an_archive_of_something_else_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("x", "y")
    for content in (file.getvalue(), b"", b"cos\nsystem\n(S'touch hacked'\ntR."):
        with pytest.raises(ModelFileError, match=r"its scaler cannot be restored .* Train it again"):
            from_bytes(content, "scaler", StandardScaler)


def test_without_skops_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(archive, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"models of tables need skops.* pip install 'chainrule\[cli\]'"
    ):
        to_bytes(StandardScaler())


def test_versions_of_what_is_not_installed_are_unknown(monkeypatch):
    monkeypatch.setattr(model, "LIBRARIES", ("numpy", "no-such-library"))
    assert versions() == {
        "chainrule": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "no-such-library": "unknown",
    }


# words of messages ----------------------------------------------------------------------------------


def test_names_are_shown_so_that_no_terminal_obeys_them():
    assert shown("\x1b[31mred") == r"'\x1b[31mred'"
    assert shown("x" * 100) == f"'{'x' * 37}...'"
    assert printable("a\nb\u202e\udcff") == r"a\nb\u202e\udcff"
    assert printable("größe 表") == "größe 表"


def test_the_nearest_name_is_found_whatever_its_case():
    assert nearest("INCOME", ["age", "income"]) == "income"
    assert nearest("colour", ["Color", "size"]) == "Color"
    assert nearest("xyz", ["age"]) is None
    assert text.is_number(" -1.5e3 ")
    assert not text.is_number("1_000")
    assert not text.is_number("nan")
