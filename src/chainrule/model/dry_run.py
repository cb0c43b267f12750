"""A fit tried before it is made: all is checked, some steps made on a copy, and told what it will take."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import tracemalloc
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import ParameterError
from ..optim.averaging import SWA
from ..optim.rules import Adam, find_optimizer
from ..training.callbacks import Callback, checked_callbacks
from ..training.checkpoint import Checkpoint
from ..training.data import split_tables
from ..training.streams import require_table

if TYPE_CHECKING:
    from ..training.history import History
    from .network import Network

Array = np.ndarray[Any, Any]
STEPS = 4  # that are tried
LONG_ENOUGH = 0.02  # seconds that steps must take to be timed
MEBI, DAY = 2**20, 86_400


@dataclass(frozen=True)
class DryRunReport:
    """What a fit would be; prints as text.

    Attributes
    ----------
    ok : bool
        Whether all numbers of the first steps are finite.
    problem : str or None
        What is not, and what to do.
    rows, batch_size, epochs, steps : int
        Of the fit; the steps those of all epochs.
    engine : str
    parameters : int
    losses : list of float
        Before the steps that were tried, and after.
    measures : dict of str to float
        What an epoch would be measured by, after these steps.
    step_seconds, validation_seconds, seconds : float
        Of a step, of an epoch's validation, and of the whole fit, about; what callbacks take, apart.
    memory : int
        Bytes that the fit takes beside the data it was given, about.
    callbacks : list of str
        Those that were asked whether they can work, and did not refuse.
    """

    ok: bool
    problem: str | None
    rows: int
    batch_size: int
    epochs: int
    steps: int
    engine: str
    parameters: int
    losses: list[float]
    measures: dict[str, float]
    step_seconds: float
    validation_seconds: float
    seconds: float
    memory: int
    callbacks: list[str]

    def __bool__(self) -> bool:
        return self.ok

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold; NaN and infinity are None."""
        found = {name: _finite(value) for name, value in self.__dict__.items()}
        found["losses"] = [_finite(x) for x in self.losses]
        return found | {"measures": {name: _finite(x) for name, x in self.measures.items()}}

    def __str__(self) -> str:
        size = f"{counted(self.rows, 'row')} in batches of {self.batch_size:,}"
        lines = [
            f"Dry run: {counted(self.epochs, 'epoch')} of {size}, {counted(self.steps, 'step')} in all",
            f"network     {counted(self.parameters, 'parameter')}, engine {self.engine}",
        ]
        if self.ok:
            course = " -> ".join(f"{loss:.4g}" for loss in self.losses)
            lines.append(f"first steps loss {course}; all numbers finite")
        if self.measures:
            told = [f"{name} {value:.4g}" for name, value in self.measures.items()]
            lines += _wrapped("measured", told)
        if self.callbacks:
            lines += _wrapped("callbacks", self.callbacks)
        if not self.ok:
            return "\n".join([*lines, f"PROBLEM: {self.problem}"])
        each = f"{_duration(self.step_seconds)} a step"
        if self.validation_seconds:
            each += f", {_duration(self.validation_seconds)} a validation"
        lines.append(f"time        about {_duration(self.seconds)}: {each}")
        lines.append(f"memory      about {self.memory / MEBI:,.1f} MiB beside the data")
        lines.append("Nothing was changed or written.")
        return "\n".join(lines)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrapped(title: str, parts: Sequence[str]) -> list[str]:
    lines = [f"{title:<11}"]
    for part in parts:
        if len(lines[-1]) + len(part) + 2 > 79 and len(lines[-1]) > 11:
            lines.append(" " * 11)
        lines[-1] += f" {part}," if len(part) < 66 else f" {part[:62]}...,"
    lines[-1] = lines[-1].removesuffix(",")
    return lines


def _duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for least, unit, name in (
        (2 * DAY, DAY, "days"),
        (7200, 3600, "hours"),
        (120, 60, "minutes"),
        (1, 1, "s"),
    ):
        if seconds >= least:
            return f"{seconds / unit:.3g} {name}"
    return f"{1000 * seconds:.3g} ms"


class _Enough(Exception):
    """All is checked, and nothing trained yet."""


class _Gate(Callback):
    """Asks the callbacks whether they can work, and ends the fit before its first step."""

    needs_weights = False

    def __init__(self, others: Sequence[Any]) -> None:
        self.others, self.asked = others, list[str]()
        self.history: History | None = None

    def on_fit_begin(self, network: Any, history: History) -> None:
        self.history = history
        for other in self.others:
            if hasattr(other, "check"):
                other.check(network, history)
                self.asked.append(type(other).__name__ if repr(other).startswith("<") else repr(other))
        raise _Enough


def dry_run(network: Network, X: Any, y: Any, settings: dict[str, Any]) -> DryRunReport:
    """What `Network.dry_run` does; see there."""
    if settings.pop("record", None) is not None:
        raise ParameterError("dry_run: a ledger writes steps down, and here are none. Leave record out.")
    require_table(X, "dry_run")
    settings["verbose"] = False
    callbacks = [copy.copy(each) for each in checked_callbacks(settings.pop("callbacks", ()))]
    kept = [each for each in callbacks if isinstance(each, Checkpoint)]
    own, gate = copy.deepcopy(network), _Gate(callbacks)
    _begin(own, X, y, [gate, *kept], settings)
    with _allocated() as preparing:  # everything is compiled by now, and compilers are not counted
        _begin(own, X, y, [_Gate(()), *kept], settings)
    assert gate.history is not None
    made = gate.history.settings
    rows, size, epochs = made["rows"], made["batch_size"], made["epochs"]
    steps = -(-rows // size)
    for name in ("resume", "go_on", "sampling"):  # of few rows, some class may have none
        settings.pop(name, None)
    settings |= {"engine": gate.history.engine, "batch_size": size}
    trial = _Trial(own, X, y, settings, own.parameters)
    few = min(STEPS, steps)
    first = trial.fit(min(rows, few * size), epochs=2, validated=True)
    taken = math.nan
    step_seconds = validation_seconds = taken
    running: list[int] = [0]
    if not first.diverged:
        while (taken := trial.fit(min(rows, few * size)).seconds) < LONG_ENOUGH and few < steps:
            few = min(16 * few, steps)
        step_seconds = taken / few
        both = trial.fit(min(rows, size), validated=True).seconds
        validation_seconds = max(0.0, both - step_seconds) if "val_loss" in first.measures else 0.0
        with _allocated() as running:
            trial.fit(min(rows, size), validated=True)
    return DryRunReport(
        ok=not first.diverged,
        problem=f"{first.stopped}." if first.diverged else None,
        rows=rows,
        batch_size=size,
        epochs=epochs,
        steps=steps * epochs,
        engine=gate.history.engine,
        parameters=sum(value.size for value in own.parameters.values()),
        losses=first.loss,
        measures={name: first[name][-1] for name in first.measures if name != "loss" and first[name]},
        step_seconds=step_seconds,
        validation_seconds=validation_seconds,
        seconds=epochs * (steps * step_seconds + validation_seconds),
        memory=preparing[0] + running[0],
        callbacks=gate.asked,
    )


def _begin(own: Network, X: Any, y: Any, callbacks: list[Any], settings: dict[str, Any]) -> None:
    """A fit up to its first step."""
    with contextlib.suppress(_Enough):
        own.fit(X, y, callbacks=callbacks, **settings)


class _Trial:
    """Short fits of a copy on the first rows, each from the same weights."""

    def __init__(
        self, own: Network, X: Any, y: Any, settings: dict[str, Any], weights: dict[str, Array]
    ) -> None:
        self.own, self.settings, self.weights = own, settings, weights
        self.tables = own._tables(X)
        self.labels = [np.asarray(part) for _, part in split_tables(y, own._output_names(), "y")]

    def fit(self, rows: int, epochs: int = 1, validated: bool = False) -> History:
        """Train on so many rows; what becomes of it is in the history."""
        given = dict(self.settings)
        rule = find_optimizer(given.get("optimizer") or Adam())
        if isinstance(rule.averaging, SWA):  # a few steps never come to its start
            given["optimizer"] = dataclasses.replace(rule, average=SWA(1))
        for name in () if validated else ("validation_data", "metrics"):
            given.pop(name, None)
        if given.get("sample_weight") is not None:
            own = np.asarray(given["sample_weight"])[:rows]
            given["sample_weight"] = own if np.any(own) else None  # of all rows, some count
        X, y = [table[:rows] for table in self.tables], [label[:rows] for label in self.labels]
        self.own.set_parameters(self.weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the history says what it would warn of
            return self.own.fit(
                X if len(X) > 1 else X[0], y if len(y) > 1 else y[0], **given | {"epochs": epochs}
            )


@contextlib.contextmanager
def _allocated() -> Iterator[list[int]]:
    """The most bytes that were allocated at once within it; 0 where somebody else counts already."""
    found = [0]
    if tracemalloc.is_tracing():
        yield found
        return
    tracemalloc.start()
    try:
        yield found
        found[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
