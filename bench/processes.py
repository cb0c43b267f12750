"""Starting children: every measurement has its own process, whose thread counts are set before it imports."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = {  # shown as, and the packages that must be there
    "numpy": ("NumPy", "numpy"),  # by hand, plainly: what ratios and targets refer to
    "numpy_tuned": ("tuned NumPy", "numpy"),
    "chainrule": ("chainrule", "chainrule"),
    "sklearn": ("scikit-learn", "sklearn"),
    "torch": ("PyTorch", "torch"),
    "torch_compile": ("torch.compile", "torch"),
    "jax": ("JAX", "jax"),
    "keras": ("Keras", "keras", "jax"),
}


class WorkerError(Exception):
    """A child that failed or answered nothing; the message is the last line that it wrote."""


def why_missing(library):
    """What stands in the way of a library's worker, in words; None if nothing does."""
    _, *packages = LIBRARIES[library]
    if absent := [package for package in packages if not find_spec(package)]:
        return f"not installed: {', '.join(absent)}"
    try:
        version_of(packages[0])
    except WorkerError as error:
        return f"importing it fails: {error}"
    if library == "torch_compile":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
        if not shutil.which(compiler):
            return f"it needs a C++ compiler and there is no {compiler}; install one, or name another in CXX"
        header = Path(sysconfig.get_path("include")) / "Python.h"
        if not header.exists():
            return f"it needs Python's C headers and there is no {header}; install python3-dev or its like"
    return None


def surroundings():
    """This process's environment, with JAX on the CPU and Keras on JAX; bytecode is kept whatever it says.

    Installed packages have theirs; a checkout whose source Python compiles at every start would look a tenth
    of a second slower than it is.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax"}


def environment(threads, **more):
    """A child's environment, with one thread count for every pool that a library may open."""
    pools = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "BLIS_NUM", "VECLIB_MAXIMUM", "NUMBA_NUM", "BENCH")
    settings = {f"{pool}_THREADS": str(threads) for pool in pools}
    settings["NPROC"] = str(threads)  # JAX sizes its pools by it
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return surroundings() | settings | more


def run_worker(module, job, threads=1, timeout=900, folder=HERE, **more):
    """What `python -m module job`, run in the folder, answers: its last line of output, read as JSON."""
    command = [sys.executable, "-m", module, json.dumps(job)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(threads, **more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise WorkerError(f"no answer within {timeout} s") from None
    if done.returncode or not done.stdout.strip():
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}, no message"]
        raise WorkerError(said[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_code(code):
    """The wall time of a whole `python -c code`, and what it prints."""
    command, env = [sys.executable, "-c", code], surroundings()
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=HERE, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise WorkerError(done.stderr.strip().splitlines()[-1])
    return seconds, done.stdout


@cache
def version_of(package):
    """The version of a package that a child imports; raises WorkerError if it cannot be imported."""
    return run_code(f"import {package}; print({package}.__version__)")[1].strip()


class Progress:
    """One line on standard error: rewritten on a terminal, one line for each heading elsewhere."""

    def __init__(self):
        self.live, self.heading, self.start = sys.stderr.isatty(), None, time.monotonic()

    def show(self, heading, detail=""):
        if self.live:
            print(f"\r\033[K{self.elapsed()}  {heading}  {detail}", end="", file=sys.stderr, flush=True)
        elif heading != self.heading:
            print(f"{self.elapsed()}  {heading}", file=sys.stderr, flush=True)
        self.heading = heading

    def note(self, line):
        """A line that stays."""
        print(f"\r\033[K{line}" if self.live else line, file=sys.stderr, flush=True)

    def done(self):
        self.note(f"{self.elapsed()}  done")

    def elapsed(self):
        minutes, seconds = divmod(int(time.monotonic() - self.start), 60)
        return f"{minutes:3d}:{seconds:02d}"
