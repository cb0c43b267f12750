"""`chainrule examples`: each runs, agrees with what its source prints, and is a program of its own."""

import ast
import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chainrule import Network
from chainrule.cli import main as entry
from chainrule.examples import catalogue, sheet
from chainrule.examples.catalogue import NAMES, find_example, standalone
from worked_examples import published

DIFFERENT = {
    "mazur": {"E, 1 update", "E, 10,000 updates", "out_o1, 10,000 updates", "out_o2, 10,000 updates"},
    "han-kamber": {"error 6"},
    "pyimagesearch-xor": {
        *(f"two hidden units: {a} xor {b}" for a in (0, 1) for b in (0, 1)),
        "two hidden units: last loss",
    },
    "nielsen": set(),  # in its quick form, on other data, nothing is beside it
}
"""What differs from what its source prints by more than rounding, and is explained."""

GOLDEN = [
    ("mazur", "mazur", ["forward", "backward", "updated_w1_to_w8", "after_one_update.published"]),
    ("mazur", "mazur", ["after_10000_updates.published_error", "after_10000_updates.published_outputs"]),
    ("han-kamber", "han_kamber", ["net_456", "out_456", "delta_654", "updated"]),
    ("micrograd", "micrograd", ["g", "da", "db"]),
    ("neuron", "single_neuron", ["net", "out", "error"]),
    ("pyimagesearch-xor", "xor_no_hidden_layer", ["predictions"]),
    ("pyimagesearch-xor", "xor_hidden_2", ["published_predictions", "published_last_loss"]),
]
"""Examples, where the tests have the same published numbers, and under which keys."""


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


def written(example, name="written"):
    """The names in an example's file once it is run; under another name than __main__ without its main."""
    space = {"__name__": name}
    exec(compile(standalone(example), f"{example.name}.py", "exec"), space)
    return space


def printed(function, *arguments):
    """What a call prints."""
    with contextlib.redirect_stdout(io.StringIO()) as text:
        function(*arguments)
    return text.getvalue()


def flat(value):
    """All numbers within lists and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    return [x for part in value for x in flat(part)] if isinstance(value, list | tuple) else [value]


def at(numbers, key):
    """What stands under a key of keys."""
    for part in key.split("."):
        numbers = numbers[part]
    return numbers


# every example --------------------------------------------------------------------------------


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_and_agrees_with_its_source(run, name, monkeypatch):
    example = find_example(name)
    file = written(example)
    steps, settings = [], getattr(example.module, "QUICK", {})
    rows = file["run"](lambda *step: steps.append(step), **settings)

    def again(show, **given):
        """The same without the work: an example is run once here, and printed in two ways."""
        assert given in ({}, settings)
        for step in steps:
            show(*step)
        return rows

    monkeypatch.setattr(example.module, "run", again)
    shown = printed(
        file["exhibit"], file["__doc__"], file["SOURCE"], again, example.differences, example.against
    )
    found = json.loads(run(name, "--json", *(["--quick"] if settings else []))[0])
    assert run(name)[0] == shown
    assert shown.startswith(example.title)
    assert f"Source: {example.module.SOURCE}\n" in shown
    assert max(map(len, shown.splitlines())) <= 80

    different = {row["quantity"] for row in found["rows"] if row["differs"]}
    assert different == DIFFERENT.get(name, set())
    assert bool(example.differences) == (name in DIFFERENT)
    assert shown.count(" *\n") == len(different)
    assert len(found["rows"]) == len(rows)
    for row in found["rows"]:
        assert f"{row['ours']:.9g}" in shown
        if row["published"] is not None:
            assert row["difference"] == row["ours"] - row["published"]
    assert found["name"] == name
    assert [step["text"] for step in found["steps"]] == [text for text, *_ in steps]
    for step in found["steps"]:
        assert np.isfinite(step["values"]).all()
        assert all(f"{value:.9g}" in shown for value in step["values"]), step


@pytest.mark.golden
@pytest.mark.parametrize(("name", "file", "keys"), GOLDEN)
def test_the_numbers_that_an_example_states_are_those_published(name, file, keys):
    stated = {float(text) for text in find_example(name).module.PUBLISHED.values()}
    numbers = published(file)
    assert set(flat([at(numbers, key) for key in keys])) - stated == set()


@pytest.mark.golden
def test_examples_that_learn_do_it_as_their_sources_say():
    xor, numbers = find_example("pyimagesearch-xor").module, published("xor_hidden_2")
    assert (numbers["learning_rate"], numbers["epochs"]) == (xor.RATE, xor.EPOCHS)
    flat_xor = published("xor_no_hidden_layer")
    assert (flat_xor["learning_rate"], flat_xor["epochs"]) == (xor.RATE, xor.EPOCHS)
    mitchell, numbers = find_example("mitchell").module, published("mitchell_8_3_8")
    assert numbers["init"] == [-mitchell.START, mitchell.START]
    assert (numbers["learning_rate"], numbers["iterations"]) == (mitchell.RATE, mitchell.EPOCHS)
    scores, numbers = find_example("student-scores").module, published("student_scores")
    assert scores.HOURS.tolist() == numbers["x_hours"]
    assert scores.SCORES.tolist() == numbers["score"]
    assert scores.NEW.tolist() == numbers["to_predict"]
    assert (numbers["learning_rate"], numbers["updates"]) == (scores.RATE, scores.UPDATES)
    assert numbers["largest_mse"] == scores.LARGEST_ERROR


@pytest.mark.golden
def test_the_numbers_of_nielsen_are_those_published():
    stated = {float(text) for text in flat(find_example("nielsen").module.PUBLISHED) if text}
    assert stated - set(flat(published("nielsen_mnist"))) == set()


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


@pytest.mark.parametrize("name", ["descent", "han-kamber", "micrograd", "perceptron"])
def test_a_written_example_prints_what_the_command_prints(run, name):
    assert printed(written, find_example(name), "__main__") == run(name)[0]


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


def test_mnist_is_taken_from_the_data_folder(monkeypatch, tmp_path):
    draw = np.random.default_rng(0)
    numbers = {"x_train": (60, 28, 28), "y_train": 60, "x_test": (20, 28, 28), "y_test": 20}
    np.savez(
        tmp_path / "mnist.npz",
        **{name: draw.integers(0, 256 if name[0] == "x" else 10, shape) for name, shape in numbers.items()},
    )
    images = find_example("nielsen").module.images
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path / "not there"))
    assert images()[0].shape == (1347, 64)
    assert "smaller and easier than MNIST" in images()[-1]
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    X, y, X_test, y_test, what = images()
    assert [table.shape for table in (X, y, X_test, y_test)] == [(60, 784), (60,), (20, 784), (20,)]
    assert X.dtype == np.float32
    assert 0 <= X.min() < X.max() <= 1
    assert what.startswith("MNIST")


def test_the_page_shows_what_the_command_prints(run):
    page = Path(__file__).parents[1] / "docs" / "worked_examples.md"
    shown = page.read_text(encoding="utf-8").split("chainrule examples micrograd\n```\n\n```text\n")[1]
    assert shown.split("```")[0] == run("micrograd")[0]


# Ctrl-C -----------------------------------------------------------------------------------------


TRAINED = ["mazur", "mitchell", "pyimagesearch-xor", "student-scores", "teacher-student", "local-minimum",
           "nielsen"]  # fmt: skip


@pytest.mark.parametrize("name", TRAINED)
def test_an_example_ends_where_its_training_is_interrupted(run, monkeypatch, name):
    whole = Network.fit

    def interrupted(self, *arguments, **options):
        history = whole(self, *arguments, **{**options, "epochs": 1, "engine": "numpy"})
        history.interrupted = True
        return history

    monkeypatch.setattr(Network, "fit", interrupted)
    out, _ = run(name, *(["--quick"] if name == "nielsen" else []), code=130)
    assert "difference" not in out  # no table of numbers that are not the example's


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
