"""The floors that docs/architecture.md states: imports run one way, and heavy libraries are loaded late."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "chainrule"
TABLE = re.compile(r"^\| (\d+) \| `(\w+)` \|", re.MULTILINE)
FLOORS = {
    room: int(floor) for floor, room in TABLE.findall((ROOT / "docs" / "architecture.md").read_text("utf-8"))
}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
ABOVE_ALL = ("__init__.py", "__main__.py")
LATE = {
    **{
        f"cli/{file}.py": {"typer"} for file in ("app", "commands", "explaining_commands", "training_command")
    },
    "emit/native/runtime.py": {"llvmlite", "numba"},
    **{
        f"estimators/{file}.py": {"sklearn"}
        for file in ("base", "classifier", "images", "intervals", "regressor", "stopping")
    },
}
"""Files that import heavy libraries at their top, and are themselves loaded late."""


def imports(tree):
    """Every import of a module: the statement, how many folders up it starts, and the dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, 0, alias.name
        elif isinstance(node, ast.ImportFrom):
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield node, node.level, name


def room_of(file, level, name):
    """The room that an import within the package leads to."""
    if level == 0:
        return name.split(".")[1] if name.startswith("chainrule.") else None
    folder = file.split("/")[:-1]
    return [*folder[: len(folder) - level + 1], name][0].split(".")[0]


def only_for_types(tree):
    blocks = [x for x in ast.walk(tree) if isinstance(x, ast.If) and ast.unparse(x.test) == "TYPE_CHECKING"]
    return {id(node) for block in blocks for node in ast.walk(block)}


def parsed(file):
    return ast.parse((PACKAGE / file).read_text(encoding="utf-8"))


def upward(file, tree):
    """Imports that lead to a floor that is not below the file's own."""
    own = file.split("/")[0].removesuffix(".py")
    for node, level, name in imports(tree):
        room = room_of(file, level, name)
        if room is not None and room != own and FLOORS[room] >= FLOORS[own]:
            floors = f"{own}, floor {FLOORS[own]}, imports {room}, floor {FLOORS[room]}"
            yield f"{file}, line {node.lineno}: {floors}"


def test_the_table_lists_every_room():
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    assert set(FLOORS) == {room for room in rooms if not room.startswith((".", "_"))}
    assert len(set(FLOORS.values())) == len(FLOORS)


@pytest.mark.parametrize("file", [file for file in FILES if file not in ABOVE_ALL])
def test_imports_lead_to_lower_floors(file):
    assert list(upward(file, parsed(file))) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("graph/op.py", "from ..ops.move import expand"),
        ("graph/op.py", "def f():\n    from ..emit.native import plan"),
        ("emit/native/plan.py", "from ...nn.dense import Dense"),
        ("emit/native/plan.py", "import chainrule.model.network"),
        ("shapes.py", "from . import graph"),
        ("errors.py", "from .shapes import Size"),
    ],
)
def test_an_import_that_leads_up_is_found(file, text):
    assert len(list(upward(file, ast.parse(text)))) == 1


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("emit/native/plan.py", "from ..simplify import simplify\nfrom . import nest"),
        ("emit/native/plan.py", "from ...ops import move\nimport numpy.linalg"),
        ("cli/main.py", "from .commands import app\nfrom ..errors import ChainruleError"),
    ],
)
def test_an_import_that_leads_down_is_let_pass(file, text):
    assert list(upward(file, ast.parse(text))) == []


@pytest.mark.parametrize("file", FILES)
def test_heavy_libraries_are_imported_inside_functions(file):
    tree = parsed(file)
    apart = only_for_types(tree)
    at_top = {
        name.split(".")[0]
        for node, level, name in imports(tree)
        if level == 0 and node.col_offset == 0 and id(node) not in apart
    }
    heavy = at_top - set(sys.stdlib_module_names) - {"numpy", "chainrule"}
    assert heavy == LATE.get(file, set())


def test_import_chainrule_loads_numpy_and_nothing_else_of_weight():
    code = "import sys, chainrule; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    others = set(loaded) - set(sys.stdlib_module_names)
    assert {"numpy", "chainrule"} <= others
    assert not others & {
        *(
            "llvmlite",
            "matplotlib",
            "numba",
            "pandas",
            "polars",
            "rich",
            "safetensors",
            "scipy",
            "sklearn",
            "typer",
        )
    }
