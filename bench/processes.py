"""Starting children: every measurement has its own process, whose thread counts are set before it imports."""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
LIBRARIES = {  # shown as, and the package that must be there
    "numpy": ("NumPy", "numpy"),  # by hand, plainly: what ratios and targets refer to
    "numpy_tuned": ("tuned NumPy", "numpy"),
    "chainrule": ("chainrule", "chainrule"),
    "sklearn": ("scikit-learn", "sklearn"),
    "torch": ("PyTorch", "torch"),
    "jax": ("JAX", "jax"),
}


class WorkerError(Exception):
    """A child that failed or answered nothing; the message is the last line that it wrote."""


def missing_package(library):
    package = LIBRARIES[library][1]
    return None if find_spec(package) else package


def environment(threads, **more):
    """This process's environment with one thread count for every pool that a library may open."""
    pools = ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "BLIS_NUM", "VECLIB_MAXIMUM", "NUMBA_NUM", "BENCH")
    settings = {f"{pool}_THREADS": str(threads) for pool in pools}
    settings |= {"JAX_PLATFORMS": "cpu", "NPROC": str(threads)}  # JAX sizes its pools by NPROC
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return os.environ | settings | more


def run_worker(module, job, threads=1, timeout=900, **more):
    """What `python -m module job` answers: its last line of output, read as JSON."""
    command = [sys.executable, "-m", module, json.dumps(job)]
    try:
        done = subprocess.run(
            command,
            cwd=HERE,
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
    start = time.perf_counter()
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise WorkerError(done.stderr.strip().splitlines()[-1])
    return seconds, done.stdout


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
