"""`chainrule examples`: every example runs, agrees with what its source prints, and is a program of its own."""

import ast
import contextlib
import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from chainrule.cli import main as entry
from chainrule.examples import catalogue, sheet
from chainrule.examples.catalogue import NAMES, find_example, standalone
from worked_examples import published

DIFFERENT = {
    "mazur": {"E, 1 update", "E, 10,000 updates", "out_o1, 10,000 updates", "out_o2, 10,000 updates"},
    "han-kamber": {"error 6"},
}
"""What differs from what its source prints by more than rounding, and is explained."""

GOLDEN = {
    "mazur": ("mazur", ("forward", "backward", "updated_w1_to_w8")),
    "han-kamber": ("han_kamber", ("net_456", "out_456", "delta_654", "updated")),
    "micrograd": ("micrograd", ("g", "da", "db")),
    "neuron": ("single_neuron", ("net", "out", "error")),
}
"""Where the tests have the same published numbers, and under which keys."""


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in this process and an empty folder: standard output and error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["chainrule", "examples", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        assert caught.value.code == code, err
        return out, err

    return call


def quick(name):
    return ["--quick"] if hasattr(find_example(name).module, "QUICK") else []


def written_and_run(example):
    """What the example prints as the file that it can be written as."""
    printed, settings = io.StringIO(), getattr(example.module, "QUICK", {})
    text = standalone(example)
    space = {"__name__": "__main__"}
    if settings:  # a long one: its main part is left out and called with the short settings
        text, space = text.replace('"__main__"', '"none"'), {"__name__": "written"}
    with contextlib.redirect_stdout(printed):
        exec(compile(text, f"{example.name}.py", "exec"), space)
        if settings:
            shorter = partial(space["run"], **settings)
            space["exhibit"](space["__doc__"], space["SOURCE"], shorter, example.differences, example.against)
    return printed.getvalue()


def flat(value):
    """All numbers within lists and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    return [x for part in value for x in flat(part)] if isinstance(value, list) else [value]


# every example --------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_and_agrees_with_its_source(run, name):
    example = find_example(name)
    shown = written_and_run(example)
    found = json.loads(run(name, "--json", *quick(name))[0])
    assert shown.startswith(example.title)
    assert example.module.SOURCE in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "nan" not in shown

    rows = found["rows"]
    assert {row["quantity"] for row in rows if row["differs"]} == DIFFERENT.get(name, set())
    assert bool(example.differences) == (name in DIFFERENT)
    assert [line.endswith("*") for line in shown.splitlines() if line.endswith("*")] == [True] * sum(
        row["differs"] for row in rows
    )
    for row in rows:
        assert f"{row['ours']:.9g}" in shown
        if row["published"] is not None:
            assert row["difference"] == row["ours"] - row["published"]
    assert found["name"] == name
    assert found["steps"]
    for step in found["steps"]:
        assert all(f"{value:.9g}" in shown for value in step["values"]), step


@pytest.mark.golden
@pytest.mark.parametrize("name", GOLDEN)
def test_the_numbers_that_an_example_states_are_those_published(name):
    stated = {float(text) for text in find_example(name).module.PUBLISHED.values()}
    file, keys = GOLDEN[name]
    numbers = published(file)
    assert set(flat([numbers[key] for key in keys])) - stated == set()


@pytest.mark.parametrize("name", NAMES)
def test_a_written_example_is_its_own_source_and_needs_nothing_else(name):
    example, text = find_example(name), standalone(find_example(name))
    own = Path(example.module.__file__).read_text(encoding="utf-8")
    assert text.startswith(own.rstrip())
    assert max(map(len, text.splitlines())) <= 110
    tree = ast.parse(text)
    imported = {
        alias.name.split(".")[0] for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert imported <= {"chainrule", "numpy", "collections.abc", *sys.stdlib_module_names}
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(defined) == len(set(defined))  # the helpers take no name of the example's


@pytest.mark.parametrize("name", ["han-kamber", "micrograd"])
def test_the_command_prints_what_a_written_example_prints(run, name):
    assert run(name)[0] == written_and_run(find_example(name))


def test_a_written_example_runs_alone(run, tmp_path):
    out, _ = run("neuron", "--write", ".")
    assert out == "Written to neuron.py; run it with: python neuron.py\n"
    done = subprocess.run(
        [sys.executable, "neuron.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == run("neuron")[0]
    assert done.stderr == ""


def test_all_are_written_where_none_is_named(run, tmp_path):
    found = json.loads(run("--write", "all", "--json")[0])
    assert found["written"] == [f"all/{name.replace('-', '_')}.py" for name in NAMES]
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == sorted(
        Path(path).name for path in found["written"]
    )


def test_every_file_of_the_folder_is_in_the_catalogue():
    files = {path.stem for path in Path(catalogue.__file__).parent.glob("*.py")}
    assert files - {"__init__", "catalogue", "sheet"} == {name.replace("-", "_") for name in NAMES}


# the list -------------------------------------------------------------------------------------


def test_the_list_names_each_with_its_source_and_its_time(run):
    out, _ = run()
    found = json.loads(run("--json")[0])["examples"]
    assert [each["name"] for each in found] == list(NAMES)
    words = " ".join(out.split())
    for each in found:
        assert each["title"] in words
        assert each["source"] in words
        assert f"{each['name']} {each['seconds']} s" in words
    assert max(map(len, out.splitlines())) <= 80


# what cannot be done --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mazurr"], "example 'mazurr' is unknown; did you mean 'mazur'? Known: "),
        (["--quick"], "which example? Name it, e.g. chainrule examples nielsen --quick."),
        (["--conventions"], "which example? Name it"),
        (["neuron", "--quick"], "neuron takes about 1 second and has no quick form. Leave --quick out."),
        (["neuron", "--conventions"], "neuron has no published numbers that conventions could be told from."),
        (["neuron", "--write", ".", "--conventions"], "--write writes and runs nothing."),
    ],
)
def test_what_cannot_be_done_is_said(run, arguments, says):
    out, err = run(*arguments, code=2)
    assert out == ""
    assert err.startswith(f"chainrule: {says}")


def test_a_file_that_is_there_is_not_written_over(run, tmp_path):
    (tmp_path / "micrograd.py").write_text("mine")
    _, err = run("micrograd", "--write", ".", code=2)
    assert err == (
        "chainrule: --write: micrograd.py is there already. Name another folder, or move it away.\n"
    )
    run("--write", ".", code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["micrograd.py"]
    assert (tmp_path / "micrograd.py").read_text() == "mine"
    assert "is not a folder" in run("mazur", "--write", "micrograd.py", code=2)[1]


# the sheet ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ours", "expected"),
    [
        ("0.5", 0.54, False),
        ("0.5", 0.56, True),
        ("0.50", 0.504, False),
        ("0.50", 0.506, True),
        ("9542", 9542, False),
        ("9542", 9541, True),
        ("", 3.0, False),
    ],
)
def test_a_number_differs_when_rounding_does_not_explain_it(text, ours, expected):
    assert sheet.differs(text, ours) is expected


def test_lines_are_broken_at_80_columns(capsys):
    sheet.show("many", *([-0.000123456789] * 12))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(lines).split() == ["many", *["-0.000123456789"] * 12]
