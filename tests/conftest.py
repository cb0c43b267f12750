"""What all tests share: hypothesis draws the same examples in every run, and few; one cache of kernels."""

import signal
import sys

import pytest
from hypothesis import settings

settings.register_profile("chainrule", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("chainrule")


@pytest.fixture(scope="session", autouse=True)
def kernel_cache(tmp_path_factory):
    """A folder for compiled kernels, for this run alone: each is compiled once."""
    folder = tmp_path_factory.mktemp("kernels")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_CACHE", str(folder))
        yield folder


@pytest.fixture
def ctrl_c():
    """Ctrl-C as in a terminal, also where the tests, and so what they start, were to ignore it."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command in this process and an empty folder: what it prints, and its errors."""
    from chainrule.cli import main as entry

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["chainrule", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        assert (caught.value.code or 0) == code, err
        return out, err

    return call
