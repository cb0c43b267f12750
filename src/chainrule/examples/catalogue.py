"""Which examples there are; what each says of itself; each as a file that runs alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import ParameterError, unknown_name

NAMES = (
    "neuron",
    "descent",
    "micrograd",
    "perceptron",
    "delta-rule",
    "mazur",
    "han-kamber",
    "student-scores",
    "pyimagesearch-xor",
    "mitchell",
    "teacher-student",
    "local-minimum",
    "deep-start",
    "variants",
    "nielsen",
)
"""In the order in which they are listed: from one neuron to images."""


@dataclass(frozen=True)
class Example:
    """A worked example: a module of this folder that is a program in itself.

    Attributes
    ----------
    name : str
    module : module
        It states SOURCE, SECONDS, run, and where there is something to say: PUBLISHED, DIFFERENCES, AGAINST,
        QUICK, conventions.
    """

    name: str
    module: Any

    @property
    def title(self) -> str:
        """One line: what it is about."""
        return str(self.module.__doc__).partition("\n")[0]

    @property
    def differences(self) -> str:
        """Why published numbers differ from ours; empty where none does."""
        return str(getattr(self.module, "DIFFERENCES", ""))

    @property
    def against(self) -> str:
        """What our numbers are compared with."""
        return str(getattr(self.module, "AGAINST", "published"))


def find_example(name: str) -> Example:
    """The example of that name; raises UnknownNameError where there is none."""
    plain = name.replace("_", "-")
    if plain not in NAMES:
        raise unknown_name("example", name, NAMES)
    return Example(plain, import_module(f".{_stem(plain)}", __package__))


def standalone(example: Example) -> str:
    """The example's own source, with what prints its numbers below it: a program of its own."""
    helpers = _text("sheet")
    helpers = helpers[helpers.index("\n\n\ndef ") :].rstrip()
    own = [name for name in ("DIFFERENCES", "AGAINST") if hasattr(example.module, name)]
    settings = "".join(f", {name.lower()}={name}" for name in own)
    return (
        f"{_text(_stem(example.name)).rstrip()}\n\n\n# How every example prints its numbers.{helpers}\n\n\n"
        f'if __name__ == "__main__":\n    exhibit(__doc__, SOURCE, run{settings})\n'
    )


def write(examples: Iterable[Example], folder: Path) -> list[Path]:
    """Write examples as files, none of which may be there yet.

    Raises
    ------
    ParameterError
        If a file is there, or the folder's name is a file's; nothing is written then.
    OSError
        If the system refuses.
    """
    texts = {folder / f"{_stem(example.name)}.py": standalone(example) for example in examples}
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"--write: {folder} is not a folder. Name another.")
    there = [path for path in texts if path.exists()]
    if there:
        raise ParameterError(f"--write: {there[0]} is there already. Name another folder, or move it away.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(texts)


def _stem(name: str) -> str:
    return name.replace("-", "_")


def _text(stem: str) -> str:
    return files(__package__ or "").joinpath(f"{stem}.py").read_text(encoding="utf-8")
