"""Kernels as machine code: compiled once, kept on disk, shared by all networks.

The cache holds, for each kernel, its source (to read) and its object code. Object code is loaded
through llvmlite alone, so that a network that has been compiled before starts without Numba.
"""

from __future__ import annotations

import gc
import hashlib
import os
import platform
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import util
from pathlib import Path
from typing import Any

from ...errors import CacheError

_addresses: dict[str, int] = {}
_alive: list[Any] = []  # engines and compiled functions: machine code must outlive its calls


def cache_folder() -> Path:
    """The private folder for compiled kernels: CHAINRULE_CACHE, or chainrule in the user's cache folder.

    Raises
    ------
    CacheError
        If it cannot be made, belongs to somebody else, or others may write to it: whoever can
        write there could run code as this user.
    """
    given = os.environ.get("CHAINRULE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(given) if given else Path(base) / "chainrule"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
    except OSError as error:
        raise CacheError(
            f"cache folder {folder}: {error.strerror}. Set CHAINRULE_CACHE to a folder of your own."
        ) from None
    if not stat.S_ISDIR(facts.st_mode):
        raise CacheError(f"cache folder {folder} is not a folder")
    if hasattr(os, "getuid") and facts.st_uid != os.getuid():
        raise CacheError(f"cache folder {folder} belongs to another user. Set CHAINRULE_CACHE to your own.")
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CacheError(f"cache folder {folder} can be written to by others. Run: chmod go-w '{folder}'")
    return folder


def addresses(sources: Iterable[str]) -> list[int]:
    """The machine code of kernels, given their sources (or the name of a fixed kernel)."""
    listed = list(sources)
    missing = [s for s in dict.fromkeys(listed) if s not in _addresses]
    if missing:
        folder = cache_folder()
        for source in missing:
            _addresses[source] = _load_or_compile(source, folder)
    return [_addresses[s] for s in listed]


def _load_or_compile(source: str, folder: Path) -> int:
    key = hashlib.sha256(f"{_machine()}\n{source}".encode()).hexdigest()[:24]
    stored = folder / f"{key}.o"
    if stored.exists():
        address = _load(stored.read_bytes())
        if address:
            return address
    address, symbol, code = _compile(source, key)
    _write(folder / f"{key}.py", f"{source}\n".encode())
    _write(stored, _pack(symbol, code))
    return address


def _pack(symbol: str, code: bytes) -> bytes:
    """A file's content: a digest of the rest, the function's name, the object code."""
    body = symbol.encode() + b"\0" + code
    return hashlib.sha256(body).digest() + body


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; two processes may do it at once."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise CacheError(
            f"cache folder {path.parent}: {error.strerror}. Set CHAINRULE_CACHE to another folder."
        ) from None


@cache
def _machine() -> str:
    """What object code depends on: processor, versions, and the runtime's own text."""
    import llvmlite
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features().flatten()
    runtime = Path(__file__).with_name("runtime.py").read_text(encoding="utf-8")
    numba = _installed("numba")
    facts = [
        llvm.get_host_cpu_name(),
        features,
        platform.machine(),
        sys.platform,
        llvmlite.__version__,
        numba,
    ]
    return hashlib.sha256("\n".join([*facts, runtime]).encode()).hexdigest()


def _installed(package: str) -> str:
    """What tells one installed version of a package from another, without importing it."""
    found = util.find_spec(package)
    origin = Path(found.origin) if found is not None and found.origin is not None else Path(package)
    return f"{origin} {origin.stat().st_mtime_ns if origin.exists() else 0}"


@cache
def _target() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine()


def _load(data: bytes) -> int:
    """Map a stored kernel into memory; its address, or 0 if the file is cut or altered."""
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest:
        return 0
    import llvmlite.binding as llvm

    symbol, _, code = body.partition(b"\0")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _alive.append(engine)
    return int(engine.get_function_address(symbol.decode()))


def _compile(source: str, key: str) -> tuple[int, str, bytes]:
    """Compile a kernel: its address, its name in the object code, the object code."""
    from numba import cfunc

    from . import runtime

    function = runtime.FIXED.get(source)
    if function is None:
        namespace = dict(vars(runtime))
        exec(compile(source, f"<kernel {key}>", "exec"), namespace)
        function = namespace["kernel"]
    with _without_collection():
        compiled: Any = cfunc("void(int64)", **runtime.OPTIONS)(function)
    _alive.append(compiled)
    return int(compiled.address), compiled.native_name, bytes(compiled._library._get_compiled_object())


@contextmanager
def _without_collection() -> Iterator[None]:
    """No search for garbage meanwhile: a compilation makes many objects and frees them by itself."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
