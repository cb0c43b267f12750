"""The cache of compiled kernels: private, whole, shared by all networks, and loaded without the compiler."""

import ctypes
import hashlib
import os
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from random_programs import classifier

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.emit.native import kernels
from chainrule.emit.native.code import make_code
from chainrule.errors import CacheError

SOURCE = "def kernel(block):\n    a = i8p(block)\n    f8p(a[0])[0] = f8(42)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty private folder for the cache, and nothing compiled yet."""
    folder = tmp_path / "kernels"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("CHAINRULE_CACHE", str(folder))
    monkeypatch.setattr(kernels, "_addresses", {})
    return folder


def call(source=SOURCE):
    """What a kernel writes."""
    number = np.zeros(1)
    block = np.array([number.ctypes.data], np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(kernels.addresses([source])[0])(block.ctypes.data)
    return number[0]


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def no_compiler(monkeypatch):
    def refuse(source, key):
        raise AssertionError("compiled again")

    monkeypatch.setattr(kernels, "_addresses", {})
    monkeypatch.setattr(kernels, "_compile", refuse)


# the folder -----------------------------------------------------------------------------------


def test_the_folder_is_made_private(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "a" / "b"))
    before = os.umask(0)
    try:
        folder = kernels.cache_folder()
    finally:
        os.umask(before)
    assert folder == tmp_path / "a" / "b"
    assert mode(folder) == 0o700


def test_without_a_wish_it_lies_in_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("CHAINRULE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.cache_folder() == tmp_path / "chainrule"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert kernels.cache_folder() == tmp_path / "home" / ".cache" / "chainrule"


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o777, 0o720])
def test_a_folder_that_others_can_write_to_is_refused(folder, bits):
    folder.chmod(bits)
    with pytest.raises(CacheError, match=r"can be written to by others. Run: chmod go-w"):
        call()
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    assert call() == 42


def test_a_folder_of_somebody_else_is_refused(folder, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(CacheError, match=r"belongs to another user. Set CHAINRULE_CACHE to your own"):
        call()


def test_a_link_is_judged_by_what_it_leads_to(folder, tmp_path, monkeypatch):
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    (tmp_path / "link").symlink_to(open_to_all)
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "link"))
    with pytest.raises(CacheError, match="can be written to by others"):
        call()


def test_what_is_no_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_addresses", {})
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/dev/null")):
        monkeypatch.setenv("CHAINRULE_CACHE", str(place))
        with pytest.raises(CacheError, match=r"cache folder .*(file|null)"):
            call()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_addresses", {})
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / ("x" * 300)))
    with pytest.raises(CacheError, match="Set CHAINRULE_CACHE to a folder of your own"):
        call()


def test_a_folder_that_cannot_be_written_to_is_refused(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernels.tempfile, "mkstemp", full)
    with pytest.raises(CacheError, match="No space left on device"):
        call()


def test_a_file_that_could_not_be_written_is_not_left_behind(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kernels.os, "replace", full)
    with pytest.raises(CacheError, match="No space left on device"):
        call()
    assert list(folder.iterdir()) == []


# the files ------------------------------------------------------------------------------------


def test_a_kernel_is_kept_with_its_source_and_for_nobody_else(folder):
    assert call() == 42
    code, source = sorted(folder.iterdir())
    assert code.suffix == ".o"
    assert source.suffix == ".py"
    assert source.stem == code.stem
    assert source.read_text() == SOURCE + "\n"
    assert mode(code) & 0o077 == 0
    assert mode(source) & 0o077 == 0


def test_a_kernel_is_compiled_once(folder, monkeypatch):
    assert call() == 42
    written = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    no_compiler(monkeypatch)
    assert call() == 42
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == written


def damage(code, how):
    if how == "cut":
        return code[: len(code) // 2]
    if how == "empty":
        return b""
    if how == "shorter than its digest":
        return code[:20]
    if how == "one bit":
        return code[:-100] + bytes([code[-100] ^ 1]) + code[-99:]
    if how == "name":
        return code[:32] + b"x" + code[33:]
    if how == "longer":
        return code + b"\0"
    return b"garbage" * 1000


@pytest.mark.parametrize(
    "how", ["cut", "empty", "shorter than its digest", "one bit", "name", "longer", "garbage"]
)
def test_a_damaged_file_is_compiled_again(folder, monkeypatch, how):
    assert call() == 42
    (stored,) = folder.glob("*.o")
    whole = stored.read_bytes()
    stored.write_bytes(damage(whole, how))
    monkeypatch.setattr(kernels, "_addresses", {})
    assert call() == 42
    repaired = stored.read_bytes()
    assert hashlib.sha256(repaired[32:]).digest() == repaired[:32]
    no_compiler(monkeypatch)
    assert call() == 42


def test_another_machine_has_files_of_its_own(folder, monkeypatch):
    assert call() == 42
    monkeypatch.setattr(kernels, "_addresses", {})
    monkeypatch.setattr(kernels, "_machine", lambda: "another processor")
    assert call() == 42
    assert len(list(folder.glob("*.o"))) == 2


def test_several_threads_may_fill_it_at_once(folder):
    program, _ = classifier([3, 4, 2])
    with ThreadPoolExecutor(3) as pool:
        losses = list(pool.map(lambda _: train(program), range(3)))
    assert losses[0] == losses[1] == losses[2]
    assert not [p for p in folder.iterdir() if p.suffix not in (".o", ".py")]


def train(program):
    return float(
        compile_program(program, "numba")(np.ones((4, program.inputs[0].shape[1])), [0, 1, 0, 1], 0.1)["loss"]
    )


# sharing --------------------------------------------------------------------------------------


def count(folder):
    return len(list(folder.glob("*.o")))


def test_networks_of_other_sizes_share_all_kernels(folder, monkeypatch):
    train(classifier([8, 16, 4])[0])
    first = count(folder)
    assert 0 < first <= 12
    no_compiler(monkeypatch)
    train(classifier([30, 50, 7])[0])
    train(classifier([2, 100, 3], seed=5)[0])
    assert count(folder) == first


def test_a_deeper_network_needs_no_more(folder):
    train(classifier([8, 16, 16, 4])[0])
    first = count(folder)
    train(classifier([8, 16, 16, 16, 16, 16, 4])[0])
    assert count(folder) == first


def test_another_type_or_rule_has_kernels_of_its_own_where_it_must(folder):
    train(classifier([8, 16, 4])[0])
    first = count(folder)
    train(classifier([8, 16, 4], dtype="float64")[0])
    second = count(folder)
    assert second > first
    train(classifier([8, 16, 4], "adam")[0])
    assert second < count(folder) < second + first


def test_a_kernels_source_has_no_name_and_no_number_of_its_network():
    one, two = (
        make_code(classifier(sizes, "adam", seed=i)[0]).sources
        for i, sizes in enumerate(([8, 16, 4], [31, 57, 9]))
    )
    assert one == two
    x, y = cr.placeholder(("n", 50), name="x"), cr.placeholder(("rows", 77), name="other")
    sources = [make_code(cr.Program([z], {name: cr.tanh(z) * 2})).sources for z, name in ((x, "a"), (y, "b"))]
    assert sources[0] == sources[1]


# a second process -----------------------------------------------------------------------------

SCRIPT = """
    import sys, time
    import numpy as np
    from chainrule.emit.engine import compile_program
    from random_programs import classifier
    program, _ = classifier([5, 6, 3], "adam")
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(20, 5)), draw.integers(0, 3, 20), 0.1]
    machine = compile_program(program, "numba")
    losses = machine.epoch(arrays, np.arange(20), 6)
    print(losses.tolist())
    print("numba" in sys.modules, "sklearn" in sys.modules)
"""


def run_script():
    path = os.pathsep.join([p for p in sys.path if p] + [os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_second_process_has_the_same_numbers_without_the_compiler(folder):
    losses, loaded = run_script()
    assert loaded == "True False"
    files = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    again, loaded = run_script()
    assert again == losses
    assert loaded == "False False"
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == files
