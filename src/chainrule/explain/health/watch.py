"""A callback that looks at a training's health while it runs, and finds what only time shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...checks import counted, positive_int
from ...training.callbacks import Callback
from ...training.history import History
from ...training.loop import tell
from .findings import Diagnosis, Finding, LayerHealth
from .health import ROWS, Course, Rows, diagnosis
from .layers import Layers
from .probe import Probe
from .rate import constant_loss

LOOKS = 32
"""Looks that are kept; when there are so many, every other one is dropped, and from then on twice as many
epochs pass between two. So a fit of E epochs is looked at at most 16 * (1 + log2(E / 16)) times."""
LASTING = 3  # looks in a row that must see the same: what passes in the first epochs is no fault
GROWN = 1e3
"""A gradient's norm as a multiple of that after the first epoch that tells of an explosion: it falls as a
network learns, and rises tenfold at most where a rule gathers speed."""
MEASURED_AGAIN = {"dead_units", "saturated_units"}
"""What the end's diagnosis settles on more rows: a unit that is 0 for 256 rows may be active for others."""


@dataclass(frozen=True)
class Look:
    """What was seen after an epoch."""

    epoch: int
    loss: float
    layers: tuple[LayerHealth, ...]

    @property
    def gradient(self) -> float:
        """The norm of the loss's gradient by all weights."""
        return math.sqrt(sum(layer.gradient**2 for layer in self.layers))


class Health(Callback):
    """Watches a training's health, tells what goes wrong when it does, and diagnoses it at the end.

    After the first epoch, and then ever more rarely, it computes a step on the rows given, without making it.
    What it sees three times in a row it tells on standard error, once; so it finds units that die and
    gradients that grow in the course of a training, while there is time to stop it. At the end it adds what
    `Network.diagnose` finds.

    Parameters
    ----------
    X, y : array-like
        Rows to look at, as for `fit`: best those that it trains on.
    rows : int
        How many of them, drawn at random, each look takes.
    names : sequence of str, optional
        Of the inputs.
    batch_size : int
        That of the fit, for the steps that are tried at the end.
    verbose : bool
        Whether to tell what it finds as soon as it does.

    Attributes
    ----------
    diagnosis : Diagnosis or None
        After the fit: of the whole of it.
    looks : list of Look
        At most 32, whatever the number of epochs.

    Raises
    ------
    ParameterError
        For a number of rows or a batch size that is none.
    ShapeError, DTypeError, DataError
        At the start of a fit, if X or y do not fit the network.

    Notes
    -----
    A look costs one forward and backward pass of `rows` rows, and keeps a few numbers for each layer.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        rows: int = 256,
        names: Sequence[str] | None = None,
        batch_size: int = 32,
        verbose: bool = True,
    ) -> None:
        self.rows = min(positive_int(rows, "Health: rows", "rows=256"), ROWS)
        self.batch_size = positive_int(batch_size, "Health: batch_size", "batch_size=32")
        self.names, self.verbose = names, verbose
        self.diagnosis: Diagnosis | None = None
        self.looks: list[Look] = []
        self._given = X, y
        self._start()

    def __repr__(self) -> str:
        return f"Health(rows={self.rows})"

    def _start(self) -> None:
        self.diagnosis, self.looks, self._every = None, [], 1
        self._found: dict[tuple[str, str], tuple[int, Finding]] = {}

    def on_fit_begin(self, network: Any, history: History) -> None:
        self._start()
        self._data = Rows(network, *self._given, self.names, seed=0)
        self._chosen = self._data.some(self.rows)
        step = self._data.step(self._chosen, network.optimizer, None)
        self._probe = Probe(network, step)
        self._layers, self._leaves = Layers(network, self._probe), network.graph.parameters
        self._scale = constant_loss(network, step.feed)
        self._first = self._look(network, 0).loss

    def on_epoch_end(self, network: Any, history: History) -> None:
        if (history.epochs - 1) % self._every:
            return
        self.looks.append(self._look(network, history.epochs))
        for finding in self._lasting():
            key = finding.kind, finding.where
            if key not in self._found:
                self._found[key] = history.epochs, finding
                if self.verbose:
                    tell(f"epoch {history.epochs}: {finding.headline}: {finding.seen}")
        if len(self.looks) >= LOOKS:
            self.looks, self._every = self.looks[::2], 2 * self._every

    def on_fit_end(self, network: Any, history: History) -> None:
        course = Course.of(history, self._first)
        # What the optimizer remembers is the network's only after the fit; named, it starts without memory.
        now = diagnosis(network, self._data, course, network.optimizer, self.batch_size, seed=0)
        known = {(finding.kind, finding.where) for finding in now}
        seen = [
            Finding(f.kind, f.where, f"from epoch {epoch}: {f.seen}", f.sure, {**f.numbers, "epoch": epoch})
            for key, (epoch, f) in self._found.items()
            if key not in known and f.kind not in MEASURED_AGAIN
        ]
        self.diagnosis = Diagnosis((*now.findings, *seen), now.layers, now.rows, now.of, now.skipped)
        if self.verbose and self.diagnosis.findings:
            tell(str(self.diagnosis))

    def _look(self, network: Any, epoch: int) -> Look:
        weights = network.parameters
        found = self._probe({leaf: weights[name] for name, leaf in self._leaves.items()})
        return Look(epoch, float(found[self._probe.loss]), tuple(self._layers.measure(found)))

    def _lasting(self) -> list[Finding]:
        """What each of the last looks has seen."""
        if len(self.looks) < LASTING:
            return []
        rows, last = len(self._chosen), self.looks[-LASTING:]
        whole = rows >= self._data.count
        each = []
        for look in last:
            findings = self._layers.findings(look.layers, rows, whole, look.loss / self._scale)
            each.append({(finding.kind, finding.where): finding for finding in findings})
        lasting = set(each[0]).intersection(*each)
        found = [self._since(finding, last) for key, finding in each[-1].items() if key in lasting]
        first = self.looks[0].gradient
        if first > 0 and all(look.gradient > GROWN * first for look in last):
            growth = last[-1].gradient / first
            seen = (
                f"the gradient's norm has grown from {first:.2e} after the first epoch to "
                f"{last[-1].gradient:.2e}, {growth:.2g} times that."
            )
            found.append(self._since(Finding("exploding_gradients", "", seen, "", {"growth": growth}), last))
        return found

    @staticmethod
    def _since(finding: Finding, last: Sequence[Look]) -> Finding:
        epochs = ", ".join(str(look.epoch) for look in last)
        seen_in = f"seen in each of {counted(len(last), 'look')} in a row, after epochs {epochs}"
        sure = f"{seen_in}; {finding.sure}" if finding.sure else f"{seen_in}."
        return Finding(finding.kind, finding.where, finding.seen, sure, finding.numbers)
