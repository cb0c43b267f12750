"""Which convention makes a published number: all are tried, and ranked by how well they reproduce it."""

from __future__ import annotations

import dataclasses
import itertools
import math
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from ...errors import DataError, ShapeError, unknown_name
from ...graph.tensor import tensor
from ...optim.rules import Optimizer, find_optimizer
from ...training.metrics import MeasuredNetwork
from ..numbers import as_json, plain
from ..step import Step
from .conventions import (
    ERRORS,
    TITLES,
    Conventions,
    DivergedError,
    Outcome,
    choices,
    conventions_of,
    in_words,
    run,
)

Array = np.ndarray[Any, Any]
WIDTH, FEWEST, MOST = 80, 3, 5  # columns; how many of the ranking are printed
ROUNDING = 1 + 1e-6  # a number printed as 0.285 may be 0.2845 in binary


@dataclass(frozen=True)
class Candidate:
    """One set of conventions, and what comes of it.

    Attributes
    ----------
    conventions : Conventions
    departures : tuple of str
        Where they leave those of the network, in words: "update order: layer by layer ...".
    values : dict of str to ndarray
        Ours of each published quantity.
    misfit : float
        The largest difference from the published numbers, in half units of their last printed digit: at most
        1 where all are reproduced.
    """

    conventions: Conventions
    departures: tuple[str, ...]
    values: dict[str, Array]
    misfit: float

    @property
    def reproduces(self) -> bool:
        """Whether every published number is met to its last printed digit."""
        return self.misfit <= ROUNDING


@dataclass(frozen=True)
class ConventionComparison:
    """Conventions ranked by how well they reproduce published numbers; `print` shows the best.

    Attributes
    ----------
    published : dict of str to ndarray
        As text, with the digits that are printed.
    ranked : list of Candidate
        Those that reproduce all first, and among these such as leave the network's conventions least.
    other : ConventionComparison or None
        The same of the other result, where one was given.
    """

    published: dict[str, Array]
    ranked: list[Candidate]
    other: ConventionComparison | None = None

    @property
    def best(self) -> Candidate:
        """The first of the ranking."""
        return self.ranked[0]

    @property
    def cause(self) -> str:
        """By what the published numbers differ from ours, in words."""
        if not self.best.reproduces:
            return "none of the conventions that were tried"
        return "; ".join(self.best.departures) or "nothing, by the network's own conventions it is the same"

    @property
    def differences(self) -> dict[str, tuple[str | None, str | None]]:
        """The conventions by which the two results differ, with the value of each; empty without another."""
        if self.other is None:
            return {}
        return self.best.conventions.differences(self.other.best.conventions)

    def to_json(self) -> dict[str, Any]:
        """The ranking as what JSON can hold."""
        return {
            "published": {name: value.tolist() for name, value in self.published.items()},
            "reproduced": self.best.reproduces,
            "cause": self.cause,
            "ranked": [
                {
                    "conventions": dataclasses.asdict(candidate.conventions),
                    "departures": list(candidate.departures),
                    "values": {name: as_json(value) for name, value in candidate.values.items()},
                    "misfit": plain(candidate.misfit),
                    "reproduces": candidate.reproduces,
                }
                for candidate in self.ranked
            ],
            "differences": {name: list(pair) for name, pair in self.differences.items()},
            "other": None if self.other is None else self.other.to_json(),
        }

    def __str__(self) -> str:
        parts = [self._table()]
        if self.other is not None:
            parts += [self.other._table(), _wrapped(self._told())]
        return "\n\n".join(parts)

    def _table(self) -> str:
        count = sum(candidate.reproduces for candidate in self.ranked)
        lines = [
            f"published: {', '.join(f'{name} {_shown(value)}' for name, value in self.published.items())}",
            f"{len(self.ranked)} combinations of conventions, {count or 'none'} of which "
            f"{'reproduces' if count < 2 else 'reproduce'} it",
            f"what differs: {self.cause}",
        ]
        text = [_wrapped(line) for line in lines] + [""]
        for place, candidate in enumerate(self.ranked[: min(max(count, FEWEST), MOST)], 1):
            mark = "=" if candidate.reproduces else " "
            values = ", ".join(f"{name} {_shown(value)}" for name, value in candidate.values.items())
            text.append(_wrapped(f"{mark} {place}. {values}", "       "))
            text += [
                _wrapped(f"     {departure}", "       ")
                for departure in candidate.departures or ("the network's own conventions",)
            ]
        return "\n".join(text)

    def _told(self) -> str:
        other = self.other
        if other is None or not (self.best.reproduces and other.best.reproduces):
            return "At least one of the two results is not reproduced, so what they differ by is not known."
        if not self.differences:
            return "The same conventions reproduce both."
        pairs = "; ".join(
            f"{TITLES[name]}: {_word(name, first)} in the first, {_word(name, second)} in the second"
            for name, (first, second) in self.differences.items()
        )
        return f"The two results differ by {pairs}."


def compare_conventions(
    network: MeasuredNetwork,
    X: Any,
    y: Any,
    published: Any,
    other: Any = None,
    *,
    optimizer: Optimizer,
    updates: int = 1,
    batch_size: int | None = None,
) -> ConventionComparison:
    """Find the conventions that make published numbers of a small network's training.

    All combinations are tried of: the formula of the squared errors that is descended, and that of the one
    that is printed; biases trained or frozen; all slopes before all updates, or layer by layer; numbers taken
    after or before the last update; of Adagrad, RMSProp and Adam also epsilon outside or inside the root, of
    Adam the correction of the moments or of the step. Those that diverge are left out. The network keeps its
    weights.

    Parameters
    ----------
    network : Network
        With the initial weights, and one output.
    X, y : array-like
        As for `Network.fit`; a single row may have one axis.
    published : number, str or mapping
        The published error; or numbers by what they are: "error", "outputs" of shape (rows, outputs), and
        parameters, "hidden1.W", each whole and of its own shape. As many digits count as are printed: text,
        "0.2910", keeps its last zero.
    other : number, str or mapping, optional
        A second result, to be told from the first.
    optimizer : Optimizer
        With a constant learning rate: ``SGD(0.5)``.
    updates : int
        How many the numbers come after.
    batch_size : int, optional
        Rows an update, in their order; all where it is left out.

    Returns
    -------
    ConventionComparison

    Raises
    ------
    UnknownNameError
        If a published quantity is none of the network's.
    ShapeError, DataError
        If published numbers are of another shape, or no finite numbers.
    ParameterError, NotFittedError, DataError
        As `Conventions.train`; DataError also if every combination diverges.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([cr.Dense(1, weights=[[0.5]], bias=[0.0])], loss="half_sum", dtype="float64")
    >>> print(compare_conventions(net, [2.0], [3.0], "1.28", optimizer=cr.SGD(0.05)).cause)
    biases: frozen
    """
    optimizer = find_optimizer(optimizer)
    own = conventions_of(network, optimizer)
    outcomes = list(_outcomes(network, X, y, own, optimizer, updates, batch_size))
    found = _compared(_checked(published, outcomes[0][1]), own, outcomes)
    if other is None:
        return found
    return dataclasses.replace(found, other=_compared(_checked(other, outcomes[0][1]), own, outcomes))


def _outcomes(
    network: MeasuredNetwork,
    X: Any,
    y: Any,
    own: Conventions,
    optimizer: Optimizer,
    updates: int,
    batch_size: int | None,
) -> Iterator[tuple[Conventions, Outcome]]:
    """Every combination with what comes of it; each training gives many of them."""
    tried = {
        name: (value,) if value is None else choices(name)
        for name, value in dataclasses.asdict(own).items()
        if name not in ("reported", "measured")
    }
    if len([layer for layer in network.layers if layer.trained]) == 1:
        tried["order"] = ("together",)
    reported: list[str] = []
    if own.error is not None:
        rows, outputs = Step(network, X, y).rows, network.widths[0]
        reported = _distinct(own.error, rows, outputs)
        tried["error"] = tuple(_distinct(own.error, min(batch_size or rows, rows), outputs))
    times = math.prod(map(len, tried.values()))
    found, failed = False, None
    for values in itertools.product(*tried.values()):
        chosen: dict[str, Any] = dict(zip(tried, values, strict=True))
        conventions = dataclasses.replace(own, **chosen)
        try:
            pair = run(conventions, network, X, y, optimizer, updates, batch_size, times)
        except DivergedError as fault:
            failed = fault
            continue
        found = True
        for measured, outcome in zip(("before", "after"), pair, strict=True):
            made = dataclasses.replace(conventions, measured=measured)
            yield made, outcome
            for name in reported:
                if name != made.error:
                    error = outcome.errors[name]
                    yield dataclasses.replace(made, reported=name), dataclasses.replace(outcome, error=error)
    if failed is not None and not found:
        raise failed


def _distinct(own: str, rows: int, outputs: int) -> list[str]:
    """The formulas that give different numbers for so many rows and outputs, the network's own first."""
    names = sorted(ERRORS, key=lambda name: name != own)
    ones, zeros = tensor(np.ones((rows, outputs))), tensor(np.zeros((rows, outputs)))
    factors = {name: float(ERRORS[name](ones, zeros)) for name in names}
    first = {factor: name for name, factor in reversed(factors.items())}
    return [name for name in names if first[factors[name]] == name]


def _checked(published: Any, outcome: Outcome) -> dict[str, Array]:
    """Published numbers as arrays of text, by their quantities."""
    given = published if isinstance(published, Mapping) else {"error": published}
    if not given:
        raise DataError(
            "published: there are no numbers. Pass an error, or a dict of numbers by their names."
        )
    known = _quantities(outcome)
    found = {}
    for name, value in given.items():
        if name not in tuple(known):
            raise unknown_name("published quantity", name, known)
        texts = np.asarray(value, dtype=object)
        if texts.shape != known[name].shape:
            raise ShapeError(
                f"published {name}: expected shape {known[name].shape}, got {texts.shape}. Pass it whole."
            )
        try:
            texts = np.array([str(text) for text in texts.ravel()]).reshape(texts.shape)
            finite = bool(np.isfinite(texts.astype(np.float64)).all())
        except ValueError:
            finite = False
        if not finite:
            raise DataError(f"published {name}: must be finite numbers, got {value!r:.60}.")
        found[name] = texts
    return found


def _quantities(outcome: Outcome) -> dict[str, Array]:
    return {"error": np.asarray(outcome.error), "outputs": outcome.outputs, **outcome.parameters}


def _compared(
    published: dict[str, Array], own: Conventions, outcomes: list[tuple[Conventions, Outcome]]
) -> ConventionComparison:
    """The ranking of all combinations."""
    expected = {name: (texts.astype(np.float64), _half_units(texts)) for name, texts in published.items()}
    candidates = []
    for conventions, outcome in outcomes:
        if conventions.reported is not None and "error" not in published:
            continue
        ours = _quantities(outcome)
        misfits = [(abs(ours[name] - value) / half).max() for name, (value, half) in expected.items()]
        departures = tuple(in_words(name, pair[0]) for name, pair in conventions.differences(own).items())
        misfit = float(max(misfits))
        misfit = math.inf if math.isnan(misfit) else misfit
        candidates.append(Candidate(conventions, departures, {name: ours[name] for name in expected}, misfit))
    candidates.sort(key=_rank)
    return ConventionComparison(published, candidates)


def _rank(candidate: Candidate) -> tuple[bool, float, float]:
    few = float(len(candidate.departures))
    if candidate.reproduces:
        return False, few, candidate.misfit
    return True, candidate.misfit, few


def _half_units(texts: Array) -> Array:
    """Half a unit of each number's last printed digit."""
    exponents = [int(Decimal(text).as_tuple().exponent) for text in texts.ravel()]
    return np.array([0.5 * 10.0**exponent for exponent in exponents]).reshape(texts.shape)


def _shown(value: Array) -> str:
    """Numbers with nine significant digits, or as they were printed."""
    return " ".join(x if isinstance(x, str) else f"{x:.9g}" for x in value.ravel().tolist())


def _word(name: str, value: str | None) -> str:
    return in_words(name, value).partition(": ")[2]


def _wrapped(text: str, indent: str = "  ") -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=indent, drop_whitespace=True))
