"""Ledger: what moved chosen weights in a training, by step, by term of the update, and by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted, positive_int, whole_number
from ...emit.engine import Runner
from ...errors import DataError, NotFittedError, ParameterError, unknown_name
from ...optim.whole_batch import WholeBatch
from ...shapes import evaluate_shape
from ...training.fitting import Fit
from ...training.sparse import is_packed
from ..naming import Names, Selection, index_of, taken_apart
from ..wording import WIDTH, fill
from .answers import Samples, Terms, draw_steps
from .recording import TERMS, Entry, Recorder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
SERIES = ("value", "gradient", "data_gradient", "penalty_gradient", "update", *TERMS)
LISTED = 12  # numbers in the table of a ledger
COLUMN = 10  # its columns' width


class Ledger:
    """Writes down what moves chosen weights while a network is trained: ``net.fit(..., record=Ledger(...))``.

    Each step's update of a weight is split into terms that add up to it: what the gradient of the data does,
    that of penalties, what the optimizer remembers of earlier steps (momentum), and the weight's decay. The
    data's part is further split by the samples of the batch. Over all steps, sums by term and by sample are
    kept exactly; beside these, the last steps are kept in detail, as many as memory allows.

    A ledger holds one training: a further fit with it begins anew. If the training diverges, the ledger ends
    before the step at fault. For a loss that gives one number for a whole batch, there is no split by
    samples, and penalties count as data.

    Parameters
    ----------
    *names : str
        Which weights: "hidden1.W[0, 2]", "hidden1.W[:, 2]", "hidden1.W", "output.*".
    memory : int
        Bytes that it may take.

    Attributes
    ----------
    names : list of str
        The numbers that are recorded, one by one.
    count : int
        Steps so far.
    kept : int
        How many of them, the last ones, are kept in detail.

    Raises
    ------
    ParameterError
        If no names are given, one is no text, or memory is no positive int.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(1, weights=[[0.5]], bias=[0.0])], "half_sum", dtype="float64")
    >>> ledger = Ledger("output.W[0, 0]")
    >>> settings = dict(optimizer=cr.SGD(0.1), batch_size=2, shuffle=False, verbose=False)
    >>> history = net.fit([[1.0], [2.0]], [1.0, 0.0], epochs=1, record=ledger, **settings)
    >>> ledger.samples("output.W[0, 0]").pulls.tolist()
    [0.025, -0.1]
    """

    def __init__(self, *names: str, memory: int = 64 * 2**20) -> None:
        if not names or not all(isinstance(name, str) for name in names):
            raise ParameterError(
                f"Ledger: expected names of weights, got {names!r:.60}. Pass e.g. Ledger('hidden1.W[0, 2]')."
            )
        self.patterns = names
        self.memory = positive_int(memory, "Ledger: memory", "memory=64 * 2**20")
        self._clear()

    def _clear(self) -> None:
        self.names: list[str] = []
        self.count = self.kept = 0
        self.by_rows = False
        self._detail: dict[str, Array] = {}

    def __repr__(self) -> str:
        return f"Ledger({', '.join(map(repr, self.patterns))}, memory={self.memory})"

    # training ---------------------------------------------------------------------------------

    def runner(self, fit: Fit, runner: Runner) -> Runner:
        """What `Network.fit` runs: the same steps, written down here."""
        if isinstance(fit.rule, WholeBatch):
            raise ParameterError(
                f"Ledger: {fit.rule.title} takes no steps of its own that could be recorded. Take another "
                "optimizer."
            )
        if fit.rule.sam is not None:
            raise ParameterError(
                "Ledger: with sam the slopes are those of other weights, and no row's share in them is "
                "recorded. Leave sam or the ledger out."
            )
        if any(is_packed(table) for table in fit.rows.tables):
            raise ParameterError(
                "Ledger: sparse tables cannot be recorded, nor files that are mapped in another type. Pass "
                "X.toarray(), or a copy in memory."
            )
        if fit.transform is not None:
            raise ParameterError(
                "fit: record and transform contradict each other: a ledger follows rows of the data as they "
                "are. Pass one of them."
            )
        chosen = self._chosen(fit)
        self._clear()
        recorder = Recorder(fit, runner, chosen, self._write)
        self._allocate(fit, chosen, recorder.by_rows)
        return recorder

    def _chosen(self, fit: Fit) -> list[Selection]:
        """The numbers, each once, by parameter; checked to be trained."""
        names, trained = Names(fit.network), set(fit.leaves)
        places: dict[str, set[int]] = {}
        for pattern in self.patterns:
            found = [s for s in names.select(pattern) if s.leaf in trained]
            if not found:
                raise ParameterError(
                    f"Ledger: {pattern} is not trained: it is frozen, or changes without a gradient. Name "
                    f"others, such as {next(names.own[leaf] for leaf in fit.leaves)!r}."
                )
            for s in found:
                places.setdefault(s.parameter, set()).update(s.places.tolist())
        return [
            names.selection(parameter, np.array(sorted(places[parameter]), np.int64))
            for parameter in names.parameters
            if parameter in places
        ]

    def _allocate(self, fit: Fit, chosen: Sequence[Selection], by_rows: bool) -> None:
        plan = fit.plan
        names = [name for s in chosen for name in s.names]
        numbers, rows, batch = len(names), plan.rows, plan.batch_size
        always = 8 * numbers * (len(TERMS) + 2) + (8 * numbers * rows if by_rows else 0)
        each = 8 * numbers * len(SERIES) + (8 * (numbers + 1) * batch + 8 if by_rows else 0)
        if always + each > self.memory:
            raise DataError(
                f"Ledger: {counted(numbers, 'weight')} and {counted(rows, 'row')} need "
                f"{_bytes(always + each)}, and it may take {_bytes(self.memory)}. Name fewer "
                f"weights, or pass memory={always + each}."
            )
        self.names, self.by_rows = names, by_rows
        self.rows, self.steps_an_epoch = rows, plan.steps
        self.room = min((self.memory - always) // each, plan.epochs * plan.steps)
        self._shapes = {s.parameter: evaluate_shape(s.leaf.shape, {}) for s in chosen}
        self._printed = {s.leaf.name or "": s.parameter for s in chosen}
        indices = [
            (s.parameter, tuple(int(i) for i in np.unravel_index(k, self._shapes[s.parameter])))
            for s in chosen
            for k in s.places
        ]
        self._place = {index: k for k, index in enumerate(indices)}
        self._start, self._end = np.full(numbers, math.nan), np.full(numbers, math.nan)
        self._totals = {name: np.zeros(numbers) for name in TERMS}
        self._pulls = np.zeros((numbers, rows)) if by_rows else None
        self._detail = {name: np.zeros((self.room, numbers)) for name in SERIES}
        self._batch = np.full((self.room, batch), -1, np.int64) if by_rows else None
        self._by_row = np.zeros((self.room, numbers, batch)) if by_rows else None

    def _write(self, entry: Entry) -> None:
        """Enter a step."""
        if self.count == 0:
            self._start[:] = entry.value
        self._end[:] = entry.value + entry.update
        at = self.count % self.room
        series = {
            "value": entry.value,
            "gradient": entry.slope,
            "data_gradient": entry.data,
            "penalty_gradient": entry.penalty,
            "update": entry.update,
            **entry.terms,
        }
        for name, values in series.items():
            self._detail[name][at] = values
        for name, total in self._totals.items():
            total += entry.terms[name]
        if self._pulls is not None and entry.pulls is not None and entry.by_row is not None:
            np.add.at(self._pulls.T, entry.rows, entry.pulls.T)
            count = len(entry.rows)
            self._batch[at] = -1  # type: ignore[index]
            self._batch[at, :count] = entry.rows  # type: ignore[index]
            self._by_row[at, :, :count] = entry.by_row  # type: ignore[index]
        self.count += 1
        self.kept = min(self.count, self.room)

    # questions --------------------------------------------------------------------------------

    def terms(self, name: str) -> Terms:
        """What moved a weight over all steps, by term of the update.

        Raises
        ------
        NotFittedError
            If nothing has been recorded yet.
        UnknownNameError
            If the weight was not recorded.
        """
        k = self._find(name)
        totals = {term: float(total[k]) for term, total in self._totals.items()}
        return Terms(self.names[k], float(self._start[k]), float(self._end[k]), totals, self.count)

    def samples(self, name: str, most: int = 10) -> Samples:
        """Which samples pulled a weight up, and which down, over all steps.

        Parameters
        ----------
        name : str
        most : int
            How many of each to list.

        Raises
        ------
        NotFittedError, UnknownNameError
            As `terms`.
        ParameterError
            If the loss gives one number for a whole batch, that cannot be split.
        """
        most = positive_int(most, "samples: most", "most=10")
        k = self._find(name)
        if self._pulls is None:
            raise ParameterError(
                "samples: the loss gives one number for a whole batch, which is not split by rows. Return an "
                "element for each row."
            )
        pulls = self._pulls[k].copy()
        order = np.argsort(-pulls, kind="stable")
        up = [int(row) for row in order[:most] if pulls[row] > 0]
        down = [int(row) for row in order[::-1][:most] if pulls[row] < 0]
        return Samples(self.names[k], pulls, up, down)

    def steps(self, name: str) -> dict[str, Array]:
        """A weight's last steps in detail, each array of shape (kept,).

        Returns
        -------
        dict of str to ndarray
            "step" and "epoch", counted from 0; "value" before the step; "gradient", and its parts
            "data_gradient" and "penalty_gradient"; "update", and its parts "data", "penalty", "memory",
            "decay", "other".

        Raises
        ------
        NotFittedError, UnknownNameError
            As `terms`.
        """
        k = self._find(name)
        numbers = np.arange(self.count - self.kept, self.count)
        found: dict[str, Array] = {"step": numbers, "epoch": numbers // self.steps_an_epoch}
        return found | {series: table[numbers % self.room, k] for series, table in self._detail.items()}

    def step_samples(self, name: str, step: int) -> tuple[Array, Array]:
        """What each row of a step's batch adds to the data's gradient.

        Parameters
        ----------
        name : str
        step : int
            Counted from 0; negative from the last, -1.

        Returns
        -------
        rows : ndarray of int64, shape (batch,)
        parts : ndarray, shape (batch,)

        Raises
        ------
        ParameterError
            If that step is not kept, or the loss is not split by rows.
        NotFittedError, UnknownNameError
            As `terms`.
        """
        k = self._find(name)
        number = whole_number(step, "step_samples: step", "-1")
        number += self.count if number < 0 else 0
        if not 0 <= number < self.count:
            raise ParameterError(
                f"step_samples: there is no step {step}; steps go from 0 to {self.count - 1}."
            )
        if number < self.count - self.kept:
            raise ParameterError(
                f"step_samples: step {step} is not kept in detail; those from {self.count - self.kept} to "
                f"{self.count - 1} are. Give the ledger more memory, or name fewer weights."
            )
        if self._batch is None or self._by_row is None:
            raise ParameterError("step_samples: the loss gives one number for a whole batch.")
        rows = self._batch[number % self.room]
        there = rows >= 0
        return rows[there], self._by_row[number % self.room, k][there]

    def plot(self, name: str) -> Figure:
        """A weight over the steps that are kept, with what each term added up to.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        NotFittedError, UnknownNameError
            As `terms`.
        """
        return draw_steps(self.names[self._find(name)], self.steps(name))

    def _find(self, name: str) -> int:
        if not self.count:
            raise NotFittedError("the ledger is empty. Pass it to a fit: net.fit(X, y, record=ledger).")
        stem, entries = taken_apart(name)
        parameter = self._printed.get(stem, stem)
        index = index_of(entries, self._shapes.get(parameter, ()))
        k = None if index is None else self._place.get((parameter, index))
        if k is None:
            raise unknown_name(
                "recorded weight", name, self.names if len(self.names) <= LISTED else self.patterns
            )
        return k

    # as text ----------------------------------------------------------------------------------

    def __str__(self) -> str:
        if not self.count:
            return f"{self!r}, empty"
        policy = f"all {self.kept:,}" if self.kept == self.count else f"the last {self.kept:,}"
        sums = f"sums by term{' and by sample' if self.by_rows else ''} over all steps"
        lines = fill(
            f"Ledger of {counted(len(self.names), 'weight')} over {counted(self.count, 'step')}: {sums}, "
            f"{policy} in detail; {_bytes(self.used)}."
        )
        terms = [term for term in TERMS if any(self._totals[term])]
        wide = max(10, min(max(map(len, self.names)), WIDTH - COLUMN * (len(terms) + 2)))
        head = "".join(f"{title:>{COLUMN}}" for title in ("start", *terms, "end"))
        lines += ["", f"{'':<{wide}}{head}"]
        for k, name in list(enumerate(self.names))[:LISTED]:
            numbers = [self._start[k], *(self._totals[t][k] for t in terms), self._end[k]]
            lines.append(f"{name[:wide]:<{wide}}" + "".join(f"{n:>{COLUMN}.3g}" for n in numbers))
        if len(self.names) > LISTED:
            lines.append(f"... and {len(self.names) - LISTED:,} more")
        return "\n".join(lines)

    @property
    def used(self) -> int:
        """Bytes that it holds."""
        tables = [*self._detail.values()]
        if self._detail:
            tables += [self._start, self._end, *self._totals.values()]
            tables += [x for x in (self._pulls, self._batch, self._by_row) if x is not None]
        return sum(table.nbytes for table in tables)


def checked_record(record: object, engine: str) -> Ledger:
    """What `Network.fit` was given to write into; raises ParameterError."""
    if not isinstance(record, Ledger):
        raise ParameterError(
            f"fit: record must be a Ledger, got {record!r:.60}. Pass e.g. record=Ledger('output.*')."
        )
    if engine == "numba":
        raise ParameterError("fit: record needs the NumPy engine, got engine='numba'. Leave the engine out.")
    return record


def _bytes(count: int) -> str:
    if count < 2**20:
        return f"{math.ceil(count / 2**10):,} KiB"
    return f"{count / 2**20:,.1f} MiB"
