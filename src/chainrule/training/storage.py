"""Model files: weights as safetensors, all else as JSON in the same file's header. No pickle anywhere."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError

Array = np.ndarray[Any, Any]
KEY = "chainrule"  # of our JSON in the header's metadata
VERSION = 1


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: beside it, to the disk, then in its place.

    Raises
    ------
    ModelFileError
        If it cannot be written; what was there before stays.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        reason = error.strerror or str(error)
        if not target.parent.is_dir():
            reason = f"there is no folder {target.parent}"
        raise ModelFileError(f"{target}: cannot be written: {reason}.") from error
    finally:
        with contextlib.suppress(OSError):  # gone already, unless writing failed
            beside.unlink()


def write_model(
    path: str | os.PathLike[str], header: Mapping[str, Any], tensors: Mapping[str, Array]
) -> None:
    """Write a model file.

    Parameters
    ----------
    path : path-like
    header : mapping
        What JSON can hold; the format's version is added.
    tensors : mapping of str to ndarray
    """
    from safetensors.numpy import save

    text = json.dumps({"version": VERSION, **header}, allow_nan=False)
    arrays = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    write_whole(path, save(arrays, metadata={KEY: text}))


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """A model file's header and tensors, the format checked and nothing else.

    Raises
    ------
    ModelFileError
        If it is missing, truncated, not a model file of this package, or of a later version.
    """
    from safetensors import SafetensorError, safe_open

    target = Path(path)
    if not target.is_file():
        kind = "is a folder, not a file" if target.is_dir() else "there is no such file"
        raise ModelFileError(f"{target}: {kind}.")
    try:
        with safe_open(target, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{target}: is not a model file, or is truncated ({error}).") from error
    if KEY not in metadata:
        raise ModelFileError(f"{target}: is a safetensors file, but chainrule did not write it.")
    try:
        header = json.loads(metadata[KEY])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{target}: its description is broken ({error}).") from error
    if not isinstance(header, dict) or not isinstance(header.get("version"), int):
        raise ModelFileError(f"{target}: its description is broken (no version).")
    if header["version"] > VERSION:
        raise ModelFileError(
            f"{target}: has format {header['version']}; this chainrule reads up to {VERSION}. Upgrade it."
        )
    return header, tensors
