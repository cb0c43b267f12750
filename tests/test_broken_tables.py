"""Broken tables and models get one short message: what, where, what to do. Nothing is printed or written."""

import ast
import csv
import dataclasses
import io
import json
import math
import os
import random
import re
import shlex
import shutil
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import numpy as np
import polars
import pytest
from broken_cases import BROKEN, FINE, PREDICT, TRAIN, Case
from broken_tables import (
    GOOD,
    flipped,
    good_parquet,
    good_rows,
    gzipped,
    parquet,
    renamed,
    reordered,
    table,
    text,
    without,
)
from safetensors.numpy import save as safetensors

from chainrule.cli import main as entry

FAST = ["--epochs", "2", "--engine", "numpy"]
# A message says what to do: an imperative begins a clause, or it says what is needed or which name to take.
ADVICE = re.compile(
    r"did you mean|\bneeded\b|(sets|known|columns|there are): |[.:;,?] (add|check|choose|close|compress|"
    r"convert|copy|correct|delete|do not|drop|encode|export|fill|fix|give|leave|make|name|open|pass|point|"
    r"put|quote|remove|rename|repair|replace|run|save|separate|split|take|train|try|use|write)\b",
    re.IGNORECASE,
)


@pytest.fixture
def run(monkeypatch, capfd):
    """Run a command in this process: exit status, standard output, standard error, that of libraries too."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def call(*arguments):
        words = [*map(str, arguments), *(FAST if arguments[0] == "train" else [])]
        monkeypatch.setattr(sys, "argv", ["chainrule", *words])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The bytes of a model of the good table."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "good.csv").write_bytes(GOOD)
    words = ["train", str(folder / "good.csv"), "--target", "kind", "--model", str(folder / "m"), *FAST]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["chainrule", *words])
        # Its report would be taken for that of the first test that asks for the model.
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            pytest.raises(SystemExit) as caught,
        ):
            entry.main()
    assert caught.value.code == 0
    return (folder / "m").read_bytes()


def listing(folder):
    """All that is in a folder: kind and rights, and bytes or where a link points."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if stat.S_ISREG(mode) else None
        )
        found[os.fsencode(path.relative_to(folder))] = (mode, content)
    return found


@contextmanager
def nobody_waits(path):
    """If `path` is a pipe, whoever opens it meets an end at once, in place of waiting for a writer."""
    if not (path.exists() and stat.S_ISFIFO(path.stat().st_mode)):
        yield
        return
    over = threading.Event()

    def write_nothing():
        while not over.is_set():
            os.close(os.open(path, os.O_WRONLY))

    thread = threading.Thread(target=write_nothing, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        thread.join(10)
    assert not thread.is_alive()


def lay_out(case, folder):
    """Make the case's file and return the words of its command."""
    (name,) = shlex.split(case.file)
    content = case.content(folder / name) if callable(case.content) else case.content
    if content is not None:
        (folder / name).write_bytes(content)
    return folder / name, shlex.split(case.command.format(file=case.file))


# Control characters, but for line ends: a terminal obeys them.
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def tame(out, err):
    """Whether nothing printed commands a terminal; messages show what cannot be seen by its code, too."""
    return not CONTROLS.search(out) and all(line.isprintable() for line in err.split("\n"))


def assert_told(case, err):
    """Standard error has what a refusal must say, and nothing that it must not."""
    lines = err.splitlines()
    assert "Traceback" not in err
    assert "panicked" not in err
    assert 0 < len(err) < 600, len(err)
    assert max(map(len, lines)) <= 200
    assert tame("", err), ascii(err)
    assert lines[-1].startswith(("chainrule: ", "Error: "))
    assert ADVICE.search(err)
    name = case.file if case.names is None else case.names
    assert name in err
    if case.row is not None:
        assert re.search(rf"\brow {case.row:_}\b".replace("_", ",?"), err)
    if case.column is not None:
        assert re.search(rf"""\bcolumns? .*['"]?{case.column}\b""", err)
    assert re.search(case.says, err, re.IGNORECASE)


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_broken_file_is_refused_in_one_message_and_nothing_is_written(case, run, place, request):
    if "m.chainrule" in case.command:
        (place / "m.chainrule").write_bytes(request.getfixturevalue("model"))
    (place / "good.csv").write_bytes(GOOD)
    path, words = lay_out(case, place)
    before = listing(place)
    with nobody_waits(path):
        code, out, err = run(*words)
    assert (code, out) == (2, ""), f"{case.about}: {err[-600:]}"
    assert_told(case, err)
    assert listing(place) == before


@pytest.mark.parametrize("case", FINE, ids=str)
def test_what_is_no_mistake_is_read_and_oddities_are_told(case, run, place, request):
    if "m.chainrule" in case.command:
        (place / "m.chainrule").write_bytes(request.getfixturevalue("model"))
    _, words = lay_out(case, place)
    before = listing(place)
    code, out, err = run(*words)
    if code and case.may_refuse:
        assert (code, out) == (2, "")
        assert_told(dataclasses.replace(case, names=shlex.split(case.file)[0]), err)
        assert listing(place) == before
        return
    assert code == 0, f"{case.about}: {err[-600:]}"
    said = out + err
    assert max(map(len, said.splitlines())) <= 200
    assert tame(out, err), ascii(said)
    if not case.may_refuse:
        assert re.search(case.says, said, re.IGNORECASE)
        assert case.column is None or case.column in said
    written = [name for name in listing(place) if name not in before]
    assert len(written) == 1
    assert (place / os.fsdecode(written[0])).stat().st_size > 0


def test_the_corpus_is_as_large_as_it_was_meant_to_be():
    assert len(BROKEN) >= 70
    names = [case.id for case in (*BROKEN, *FINE)]
    assert len(names) == len(set(names))


def test_the_order_of_columns_changes_nothing(run, place, model):
    (place / "m.chainrule").write_bytes(model)
    contents = {"straight": GOOD, "reordered": reordered(), "windows": GOOD.replace(b"\n", b"\r\n"),
                "bom": b"\xef\xbb\xbf" + GOOD, "zipped": gzipped(GOOD), "typed": good_parquet(),
                "without": without("kind")}  # fmt: skip
    found = {}
    for name, content in contents.items():
        file = f"{name}.{'parquet' if name == 'typed' else 'csv.gz' if name == 'zipped' else 'csv'}"
        (place / file).write_bytes(content)
        code, found[name], err = run("predict", "m.chainrule", file)
        assert code == 0, err
    assert found["straight"].count("\n") == 61
    assert set(found.values()) == {found["straight"]}


# Model files ------------------------------------------------------------------------------------------


def preprocessing_changed(content):
    """The model with a byte changed inside its preprocessing, a skops archive: a zip."""
    start = content.index(b"PK\x03\x04")
    return content[: start + 40] + bytes([content[start + 40] ^ 0x55]) + content[start + 41 :]


def pickle_for_preprocessing(content):
    """The model with a pickle, which would run a command, in the place of its preprocessing."""
    start, end = content.index(b"PK\x03\x04"), content.rindex(b"PK\x05\x06") + 22
    pickle = b"cos\nsystem\n(S'touch hacked'\ntR."
    return content[:start] + pickle.ljust(end - start, b".") + content[end:]


MODELS = {
    "half": lambda content: content[: len(content) // 2],
    "all but a byte": lambda content: content[:-1],
    "eight bytes": lambda content: content[:8],
    "a byte more": lambda content: content + b"\0",
    "a byte changed in the header": lambda content: flipped(content, 0.01),
    "a byte changed in the middle": lambda content: flipped(content, 0.5),
    "a byte changed at the end": lambda content: flipped(content, 1),
    "its preprocessing changed": preprocessing_changed,
    "a pickle for its preprocessing": pickle_for_preprocessing,
    "weights of another program": lambda content: safetensors({"w": np.zeros(3, np.float32)}),
    "weights with a header of another program": lambda content: safetensors(
        {"w": np.zeros(3, np.float32)}, {"format": "pt"}
    ),
    "the same, zipped": gzipped,
}


@pytest.mark.parametrize("command", ["predict x.chainrule good.csv", "evaluate x.chainrule good.csv",
                                     "inspect x.chainrule", "source x.chainrule"])  # fmt: skip
@pytest.mark.parametrize("change", MODELS)
def test_a_damaged_model_is_refused(change, command, run, place, model):
    (place / "good.csv").write_bytes(GOOD)
    (place / "x.chainrule").write_bytes(MODELS[change](model))
    before = listing(place)
    code, out, err = run(*command.split())
    assert (code, out) == (2, ""), err
    assert_told(Case(change, change, b"", file="x.chainrule"), err)
    assert listing(place) == before


def test_a_model_of_another_table_names_the_columns_that_it_lacks(run, place):
    (place / "other.csv").write_bytes(renamed("width", "breadth"))
    code, _, err = run("train", "other.csv", "--target", "kind", "--model", "m.chainrule")
    assert code == 0, err
    (place / "t.csv").write_bytes(GOOD)
    for command in ("predict", "evaluate"):
        before = listing(place)
        code, out, err = run(command, "m.chainrule", "t.csv")
        assert (code, out) == (2, "")
        assert_told(Case("other", "a model of another table", b"", column="breadth"), err)
        assert listing(place) == before


def test_a_failed_training_leaves_the_model_that_was_there(run, place, model):
    (place / "m.chainrule").write_bytes(model)
    (place / "t.csv").write_bytes(GOOD)
    code, out, _ = run("train", "t.csv", "--target", "kind", "--model", "m.chainrule", "--optimizer", "adm")
    assert (code, out) == (2, "")
    assert (place / "m.chainrule").read_bytes() == model


# What is in a table never acts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x\nraise SystemExit(9)\n#", "'''\nraise SystemExit(9)", "x\r\x1b[31mraise"]
)
def test_a_column_name_never_becomes_code_or_a_terminal_command(name, run, place):
    (place / "t.csv").write_bytes(renamed("size", name))
    code, out, err = run("train", "t.csv", "--target", "kind", "--model", "m.chainrule")
    assert tame(out, err), ascii(out + err)
    if code:
        assert (code, out) == (2, "")
        assert ADVICE.search(err)
        return
    _, source, _ = run("source", "m.chainrule")
    assert not any(isinstance(node, ast.Raise) for node in ast.parse(source).body)
    assert not {"\x1b", "\r"} & set(source)
    _, shown, _ = run("inspect", "m.chainrule")
    assert tame(shown, ""), ascii(shown)
    code, out, err = run("inspect", "m.chainrule", "--json")
    assert code == 0, err
    assert isinstance(json.loads(out), dict)
    assert "\x1b" not in out


LABELS = [
    "=1+1",
    "+1 more",
    "-none",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "plain",
    "a=b",
    '=HYPERLINK("x")',
    "-2-3",
]
ACTIVE = ("=", "+", "-", "@", "\t", "\r")


def words_to_predict(target):
    """A table whose classes begin with what a spreadsheet takes for a formula; `kind` decides them."""
    labels = [LABELS[i % len(LABELS)] for i in range(120)]
    return parquet({"code": [float(i % len(LABELS)) * 10 for i in range(120)],
                    "colour": [f"c{i % len(LABELS)}" for i in range(120)], target: labels})  # fmt: skip


@pytest.mark.parametrize("target", ["kind", "=cmd|' /C calc'!A0", "-kind", "@kind", "+kind", "\tkind"])
@pytest.mark.parametrize("options", [[], ["--probabilities"], ["--output", "p.csv"]], ids=" ".join)
def test_no_text_in_exported_predictions_is_a_formula(target, options, run, place):
    (place / "t.parquet").write_bytes(words_to_predict(target))
    code, _, err = run("train", "t.parquet", f"--target={target}", "--model", "m", "--hidden", "32",
                       "--learning-rate", "0.1", "--batch-size", "4")  # fmt: skip
    assert code == 0, err
    code, out, err = run("predict", "m", "t.parquet", *options)
    assert code == 0, err
    exported = (place / "p.csv").read_bytes().decode() if "--output" in options else out
    lines = [*csv.reader(io.StringIO(exported, newline=""))]
    assert len(lines) == 121
    for line in lines:
        for content in line:
            assert not content.startswith(ACTIVE), content
    assert target.strip() in lines[0][0]
    _, out, _ = run("predict", "m", "t.parquet", "--json")
    plain = json.loads(out)["predictions"]
    assert set(plain) <= set(LABELS)
    assert sum(label.startswith(ACTIVE) for label in plain) > 30
    for line, label in zip(lines[1:], plain, strict=True):
        assert label.strip() in line[0]
        assert line[0] == label or label.startswith(ACTIVE)
        assert all(0 <= float(share) <= 1 for share in line[1:])


def test_numbers_in_exported_predictions_stay_numbers(run, place):
    rows = [[str(i % 10), f"{-50 - 10 * (i % 10)}.5", str((-1, 1)[i % 10 < 5])] for i in range(60)]
    (place / "t.csv").write_bytes(table(rows, ["a", "b", "sign"]))
    for target, drop, task in (("b", "sign", "regression"), ("sign", "b", "classification")):
        frame = polars.read_csv(place / "t.csv").drop(drop)
        frame.write_csv(place / "own.csv")
        code, _, err = run(
            "train",
            "own.csv",
            "--target",
            target,
            "--task",
            task,
            "--model",
            "m",
            "--learning-rate",
            "0.1",
            "--batch-size",
            "4",
        )
        assert code == 0, err
        code, _, err = run("predict", "m", "own.csv", "--output", "p.csv")
        assert code == 0, err
        lines = [*csv.reader((place / "p.csv").read_text().splitlines())]
        values = [float(line[0]) for line in lines[1:]]
        assert len(values) == 60
        assert any(value < 0 for value in values)
        assert all(math.isfinite(value) for value in values)
        if target == "sign":
            assert {line[0] for line in lines[1:]} <= {"-1", "1"}


# Rights -----------------------------------------------------------------------------------------------

# Root may read and write everything: give up the two capabilities that say so, then run the command.
AS_ANYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:
    try:
        refused = any(ctypes.CDLL(None).prctl(24, right, 0, 0, 0) for right in (1, 2))
    except (AttributeError, OSError):
        refused = True
    if refused:
        sys.exit(99)
os.execv(sys.executable, [sys.executable, "-m", "chainrule.cli.main", *sys.argv[1:]])
"""


@pytest.mark.parametrize(
    ("locked", "mode", "command"),
    [
        ("t.csv", 0o000, "train t.csv --target kind --model new.chainrule"),
        ("t.csv", 0o000, "predict m.chainrule t.csv --output new.csv"),
        ("m.chainrule", 0o000, "inspect m.chainrule"),
        ("m.chainrule", 0o444, "train t.csv --target kind --model m.chainrule"),
        ("old.csv", 0o444, "predict m.chainrule t.csv --output old.csv"),
        ("locked", 0o555, "train t.csv --target kind --model locked/new.chainrule"),
        ("locked", 0o000, "train locked/t.csv --target kind --model new.chainrule"),
    ],
)
def test_without_the_right_to_read_or_write_nothing_happens(locked, mode, command, place, model):
    for name, content in (("t.csv", GOOD), ("m.chainrule", model), ("old.csv", b"kind\nwide\n")):
        (place / name).write_bytes(content)
    (place / "locked").mkdir()
    shutil.copy(place / "t.csv", place / "locked")
    before = listing(place)
    usual = (place / locked).stat().st_mode
    (place / locked).chmod(mode)
    words = shlex.split(command)
    words += FAST if words[0] == "train" else []
    done = subprocess.run(
        [sys.executable, "-c", AS_ANYBODY, *words], capture_output=True, text=True, timeout=120
    )
    (place / locked).chmod(usual)
    if done.returncode == 99:
        pytest.skip("root here cannot give up its rights")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr[-600:]
    assert_told(
        Case("rights", command, b"", file=locked, says="permission|right|cannot be (read|written)"),
        done.stderr,
    )
    assert listing(place) == before


# Anything at all ------------------------------------------------------------------------------------------

SMALL = text(good_rows(20)).encode()
TOKENS = [
    b'"', b"\n", b",", b"\r", b"\0", b"\xff", b"nan", b"inf", b"9" * 40, b"-", b";;;", b"\t", b"\xef\xbb\xbf"
]  # fmt: skip


def mutated(content, draw):
    """The content with one to three changes: a byte, a cut, a piece gone, doubled or put in."""
    for _ in range(draw.randint(1, 3)):
        at = draw.randrange(len(content) + 1)
        end = min(len(content), at + draw.randint(1, 30))
        content = draw.choice(
            [
                content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :],
                content[:at]
                + bytes([draw.choice(content or b"0") ^ 1 << draw.randrange(8)])
                + content[at + 1 :],
                content[:at],
                content[:at] + content[end:],
                content[:end] + content[at:],
                content[:at] + draw.choice(TOKENS) + content[at:],
                content[:at] + draw.randbytes(draw.randint(1, 8)) + content[at:],
            ]
        )
    return content


@pytest.mark.parametrize(
    ("file", "command", "times"),
    [
        ("t.csv", TRAIN, 60),
        ("t.csv", PREDICT, 120),
        ("t.csv.gz", TRAIN, 30),
        ("t.csv.gz", PREDICT, 60),
        ("t.parquet", TRAIN, 60),
        ("t.parquet", PREDICT, 120),
    ],
)
def test_a_file_changed_at_random_ends_well_or_in_one_message(file, command, times, run, place, model):
    frame = polars.read_csv(SMALL, try_parse_dates=True)
    good = {"t.csv": SMALL, "t.csv.gz": gzipped(SMALL), "t.parquet": parquet(frame.to_dict())}[file]
    draw = random.Random(f"{file} {command}")
    (place / "m.chainrule").write_bytes(model)
    codes = []
    for trial in range(times):
        content = mutated(good, draw)
        (place / file).write_bytes(content)
        before = listing(place)
        code, out, err = run(*command.format(file=file).split())
        note = f"trial {trial}: {content!r}: {code} {err!a}"
        assert code in (0, 2), note
        assert "Traceback" not in err, note
        assert "panicked" not in err, note
        assert tame(out, err), note
        if code:
            assert out == "", note
            assert len(err) < 600, note
            assert max(map(len, err.splitlines())) <= 200, note
            assert file in err, note
            assert ADVICE.search(err), note
            assert listing(place) == before, note
        for name in ("new.chainrule", "new.csv"):
            (place / name).unlink(missing_ok=True)
        codes.append(code)
    assert 2 in codes
    assert (place / "m.chainrule").read_bytes() == model
