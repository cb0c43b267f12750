"""Model files: weights as safetensors, all else as JSON in the same file's header. No pickle anywhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError, ParameterError

Array = np.ndarray[Any, Any]
KEY, CHECKSUM = "chainrule", "sha256"  # of our JSON, and of the file's digest, in the header's metadata
VERSION = 1
ATTACHED = "attached:"  # what the names of attachments begin with; a layer's never hold a colon


def _checked_path(path: Any) -> str:
    try:
        name = os.fsdecode(path)
    except TypeError:
        name = ""
    if not name or "\0" in name:
        raise ModelFileError(f"a file's name is needed, got {path!r:.60}. Pass e.g. 'net.chainrule'.")
    return name


def writable_target(path: str | os.PathLike[str]) -> Path:
    """The file that writing to `path` would make or replace: the path itself, or where its links lead.

    Raises
    ------
    ModelFileError
        If there is something else than a regular file, no folder, or we may not write to one of them.
    """
    name = _checked_path(path)
    target = Path(os.path.realpath(name))
    reason = None
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError:
        if not target.parent.is_dir():
            reason = f"there is no folder {target.parent}"
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if stat.S_ISDIR(mode):
            reason = "it is a folder"
        elif not stat.S_ISREG(mode):
            reason = "it is a device, a pipe or a socket, not a file"
        elif not os.access(target, os.W_OK):
            reason = "it is write-protected"
    if reason is None and not os.access(target.parent, os.W_OK | os.X_OK):
        reason = "its folder is write-protected"
    if reason is not None:
        raise ModelFileError(f"{name}: cannot be written: {reason}. Pass another file.")
    return target


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: beside it, to the disk, then in its place.

    A file that is replaced passes its permissions on; a link stays, and the file that it leads to is written.

    Raises
    ------
    ModelFileError
        If it cannot be written; what was there before stays.
    """
    target = writable_target(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):  # a new file has the mode that the umask gives it
            os.chmod(beside, target.stat().st_mode & 0o777)
        os.replace(beside, target)
        _to_disk(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelFileError(f"{os.fsdecode(path)}: cannot be written: {reason}.") from error
    finally:
        with contextlib.suppress(OSError):  # gone already, unless writing failed
            beside.unlink()


def _to_disk(folder: Path) -> None:
    """See to it that a folder's new entries outlast a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    write_whole(path, save(arrays, metadata={KEY: text, CHECKSUM: checksum(text, arrays)}))


def attachment_key(name: object) -> str:
    """The name under which a file holds an attachment; raises ParameterError for what is no name."""
    if not isinstance(name, str) or not name.isprintable() or not name:
        raise ParameterError(f"save: an attachment needs a plain name, got {name!r:.60}. Pass e.g. 'notes'.")
    return f"{ATTACHED}{name}"


def checksum(text: str, tensors: Mapping[str, Array]) -> str:
    """A digest of all that a model file says, so that a damaged one is noticed."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"\0{name} {value.dtype.str} {value.shape}\0".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """A model file's header and tensors, the format checked and nothing else.

    Raises
    ------
    ModelFileError
        If it is missing, truncated, not a model file of this package, or of a later version.
    """
    from safetensors import SafetensorError, safe_open

    target = Path(_checked_path(path))
    if not os.path.isfile(target):
        kind = "there is no such file. Check the name"
        if os.path.exists(target):
            what = "folder" if os.path.isdir(target) else "device, a pipe or a socket"
            kind = f"is a {what}, not a file. Pass the model's file"
        raise ModelFileError(f"{target}: {kind}.")
    if not os.access(target, os.R_OK):
        raise ModelFileError(f"{target}: cannot be read: it is protected. Check its rights.")
    try:
        with safe_open(target, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f"{target}: is not a model file, or is truncated ({str(error)[:100]}). Take another copy."
        ) from error
    if KEY not in metadata:
        raise ModelFileError(
            f"{target}: is a safetensors file, but chainrule did not write it. Pass another."
        )
    try:
        header = json.loads(metadata[KEY])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{target}: its description is broken ({error}). Take another copy.") from error
    if not isinstance(header, dict) or not isinstance(header.get("version"), int):
        raise ModelFileError(f"{target}: its description is broken (no version). Take another copy.")
    if header["version"] > VERSION:
        raise ModelFileError(
            f"{target}: has format {header['version']}; this chainrule reads up to {VERSION}. Upgrade it."
        )
    if metadata.get(CHECKSUM) != checksum(metadata[KEY], tensors):
        raise ModelFileError(
            f"{target}: is damaged: its content is not what was written (the checksum differs). "
            "Take a copy of it, or train again."
        )
    return header, tensors
