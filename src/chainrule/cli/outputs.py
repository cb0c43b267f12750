"""Files that a command writes: none of them may be one that it reads, and all are checked before the work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import ModelFileError, ParameterError
from ..training.storage import writable_target

PICTURES = (".png", ".svg")


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[str | Path | None]) -> None:
    """Raise ParameterError if a file cannot be written, or must not be.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        The files to write, by the options that name them.
    inputs : iterable of str, Path or None
        The files that are read.
    """
    taken = {_identity(path): "is a file that this command reads" for path in inputs if path is not None}
    for label, path in outputs.items():
        if path is None:
            continue
        try:
            writable_target(path)
        except ModelFileError as error:
            raise ParameterError(f"{label}: {error}") from None
        if _identity(path) in taken:
            raise ParameterError(f"{label}: {path} {taken[_identity(path)]}. Name another file.")
        taken[_identity(path)] = f"is written by {label} too"


def check_picture(label: str, path: Path | None) -> None:
    """Raise ParameterError unless a picture's file is named .png or .svg."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise ParameterError(f"{label}: {path}: pictures are PNG or SVG. Name it .png or .svg.")


def _identity(path: str | Path) -> object:
    """What two names of one file have in common, links included."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.realpath(os.fspath(path)) if "\0" not in os.fspath(path) else path
    return found.st_dev, found.st_ino
