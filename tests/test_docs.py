"""README and docs: code runs and prints what they say, commands and links exist, the op page is current."""

import contextlib
import doctest
import importlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.graph.op import OPS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        ROOT / "bench" / "README.md",
        ROOT / "accuracy" / "README.md",
    ]
)
CODE = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<output>.*?)^```$)?", re.DOTALL | re.MULTILINE
)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WITH_EXAMPLES = sorted(
    path.relative_to(ROOT / "src").as_posix()
    for path in (ROOT / "src").rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
FENCE = re.compile(r"^```(\w*)$", re.MULTILINE)


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def pages_with(pattern):
    return [page for page in PAGES if pattern.search(text_of(page))]


@pytest.mark.parametrize("file", WITH_EXAMPLES)
def test_examples_in_docstrings_print_what_they_say(file):
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("page", pages_with(CODE))
def test_python_in_a_page_runs_and_prints_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    text, namespace = text_of(page), {}
    for block in CODE.finditer(text):
        line = text[: block.start("code")].count("\n")
        code = compile("\n" * line + block["code"], page, "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if block["output"] is not None:
            assert printed.getvalue().strip("\n") == block["output"].strip("\n"), f"{page}, line {line}"


def test_the_first_network_of_the_readme_reads_digits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(next(CODE.finditer(text_of("README.md")))["code"], namespace)
    assert eval(printed.getvalue())["accuracy"] > 0.9
    assert namespace["history"].epochs == 30


@pytest.mark.parametrize("page", pages_with(SHELL))
def test_commands_in_a_page_work(page, tmp_path):
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    for block in SHELL.findall(text_of(page)):
        for line in block.splitlines():
            words = shlex.split(line)
            given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
            words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
            if words[0] == "make":
                assert words[1] in targets, line
                continue
            assert words[0] == "chainrule", f"{page}: do not know how to try {line!r}"
            done = subprocess.run(
                [sys.executable, "-m", "chainrule.cli.main", *words[1:]],
                cwd=tmp_path,
                env={**os.environ, **given},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{line}: {done.stderr}"
            assert done.stdout, line


def test_the_readme_starts_with_the_two_commands():
    assert SHELL.findall(text_of("README.md"))[0].split("\n") == ["make demo", "make test", ""]


@pytest.mark.parametrize("page", PAGES)
def test_fences_are_of_known_kinds_and_closed(page):
    kinds = FENCE.findall(text_of(page))
    assert set(kinds[::2]) <= {"python", "text", "sh"}
    assert set(kinds[1::2]) <= {""}
    assert len(kinds) % 2 == 0


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page):
    folder = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL)):
        if not target.startswith(("http://", "https://", "#")):
            assert (folder / target.split("#")[0]).exists(), f"{page}: {target}"


def make_ops():
    spec = importlib.util.spec_from_file_location("make_ops", ROOT / "docs" / "make_ops.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_op_page_is_up_to_date():
    assert make_ops().page() == text_of("docs/ops.md"), "run: python docs/make_ops.py"


def test_the_op_page_lists_every_op():
    listed = re.findall(r"^\| `(\w+)` \|", text_of("docs/ops.md"), re.MULTILINE)
    assert sorted(listed) == sorted(OPS)


def test_the_op_page_shows_derivatives_that_it_did_not_state():
    rows = {line.split("|")[1].strip(): line for line in text_of("docs/ops.md").splitlines() if "|" in line}
    assert "d_x: `g * (1 - y * y)`" in rows["`tanh`"]
    assert "d_x: `g @ y.T`; d_y: `x.T @ g`" in rows["`matmul`"]
    assert "none" in rows["`argmax`"]


def test_decisions_are_numbered_and_state_question_choice_and_cost():
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:3] for page in pages] == [f"{i + 1:03}" for i in range(len(pages))]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:3])}. ")
        for part in ("**Question.**", "**Choice.**", "**What it costs.**"):
            assert text.count(part) == 1, page.name
