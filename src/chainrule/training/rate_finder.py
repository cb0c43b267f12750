"""Which learning rate to take: the loss while the rate rises from step to step."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_seed, positive_int, real_number
from ..emit.engine import ENGINES
from ..emit.pools import calm
from ..errors import ParameterError, unknown_name
from ..optim.rates import Course, Schedule
from ..optim.rules import Adam, Optimizer, find_optimizer
from .data import row_weights
from .fitting import Fit, Rows
from .plan import Plan
from .streams import require_table

if TYPE_CHECKING:
    from .stored import StoredNetwork

Array = np.ndarray[Any, Any]
LEAST = 20  # steps, below which no curve can be seen
SLICE = 8  # steps from one look at the losses to the next
RUNNING = 0.9  # of the running mean that tells when to end
WINDOW = 8  # which part of the steps losses are smoothed over
FALLEN = 0.05  # the least fall, as a share of the first loss, from which a rate is suggested
RISEN = 0.25  # of the fall so far: a rise after which another valley is no longer the same one
SHARE = 2  # the suggestion is the valley's rate divided by this: away from where the loss rises again
LINES, BAR = 16, 34  # of the table, and letters of its bars


@dataclass(frozen=True, eq=False)
class Rising(Schedule):
    """From `learning_rate` in the first step to `high` in the last, by one factor a step."""

    high: float = field(kw_only=True)
    count: int = field(kw_only=True)

    def rates(self, steps: Array, course: Course) -> Array:
        share = np.minimum(steps, self.count - 1) / (self.count - 1)
        found: Array = self.learning_rate * (self.high / self.learning_rate) ** share
        return found


@dataclass(frozen=True, eq=False)
class Still(Schedule):
    """No step at all: what batches differ by, the weights being as at the start."""

    def rates(self, steps: Array, course: Course) -> Array:
        return np.zeros(steps.shape)


@dataclass(frozen=True, eq=False)
class RateReport:
    """How the loss went while the learning rate rose; prints as a table.

    Attributes
    ----------
    rates, losses : ndarray of float64, shape (steps,)
        Of each step, the loss before its update.
    smoothed : ndarray of float64, shape (steps,)
        The losses without most of the noise of batches: less what the same batch's loss is with the first
        weights, more that loss's mean, and smoothed over an eighth of the steps.
    lowest : float or None
        The rate at the bottom of the smoothed losses' first valley; None where they do not fall.
    steepest : float or None
        The rate at which they fall most, on the way there.
    suggestion : float or None
        The rate to begin with: half of `lowest`.
    optimizer : str
    """

    rates: Array
    losses: Array
    smoothed: Array
    lowest: float | None
    steepest: float | None
    suggestion: float | None
    optimizer: str

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        losses = [x if math.isfinite(x) else None for x in self.losses.tolist()]
        return {
            "suggestion": self.suggestion,
            "steepest": self.steepest,
            "lowest": self.lowest,
            "rates": self.rates.tolist(),
            "losses": losses,
            "smoothed": self.smoothed.tolist(),
        }

    def __str__(self) -> str:
        marks = {self._at(self.lowest): "lowest", self._at(self.steepest): "steepest"}
        shown = set(np.linspace(0, len(self.rates) - 1, LINES).round().astype(int).tolist())
        chosen = sorted(shown | {i for i in marks if i is not None})
        most, least = float(self.smoothed.max()), float(self.smoothed.min())
        unit = (most - least) or 1.0
        lines = ["learning rate   smoothed loss"]
        for i in chosen:
            bar = "#" * (1 + round((BAR - 1) * (self.smoothed[i] - least) / unit))
            lines.append(
                f"{self.rates[i]:>13.3g}   {self.smoothed[i]:>13.4g}  {bar:<{BAR}} {marks.get(i, '')}"
            )
        lines = [line.rstrip() for line in lines]
        if len(self.losses) and not math.isfinite(self.losses[-1]):
            lines.append(f"At {self.rates[-1]:.3g} the loss was not finite any more.")
        if self.suggestion is None:
            lines.append(
                "No rate is suggested: the loss fell at none of them. net.diagnose(X, y) may tell why."
            )
        else:
            lines.append(f"Suggested for {self.optimizer}: {self.suggestion:.2g}")
        return "\n".join(lines)

    def _at(self, rate: float | None) -> int | None:
        return None if rate is None else int(np.argmin(np.abs(np.log(self.rates / rate))))


def find_learning_rate(
    network: StoredNetwork,
    X: Any,
    y: Any,
    optimizer: Optimizer | str | None,
    batch_size: int,
    low: float,
    high: float,
    steps: int,
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    seed: int,
    engine: str,
) -> RateReport:
    """What `Network.find_learning_rate` does; see there."""
    what = "find_learning_rate"
    low = real_number(low, f"{what}: low", 0, math.inf, low_too=False)
    high = real_number(high, f"{what}: high", low, math.inf, low_too=False)
    steps = positive_int(steps, f"{what}: steps", "steps=200")
    size = positive_int(batch_size, f"{what}: batch_size", "batch_size=32")
    seed = checked_seed(seed)
    if steps < LEAST:
        raise ParameterError(f"{what}: steps must be at least {LEAST}, got {steps}. Pass e.g. steps=200.")
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    require_table(X, what)
    named = find_optimizer(Adam() if optimizer is None else optimizer)
    own = copy.deepcopy(network)
    tables = own._tables(X)
    ts, codings = own._targets(y, tables, own._codings)
    weights = row_weights(sample_weight, class_weight, ts, codings, own.dtype)
    own._learn_sizes([table.shape[1] for table in tables], what)
    if not own.built:
        own._fill(seed)
    rows = tables[0].shape[0]
    each = -(-rows // min(size, rows))
    plan = Plan(rows, min(size, rows), -(-steps // each), True, seed)
    schedule = Rising(low, high=high, count=steps)
    data = Rows(tables, ts, weights, codings)
    rules = [_with_rate(named, rate) for rate in (schedule, Still(low))]
    jobs = [Fit(own, rule, plan, data, None, engine, []) for rule in rules]
    with calm(own.work(jobs[0].program, plan.batch_size)[0]), np.errstate(all="ignore"):
        losses = _losses(jobs[0], steps)
        still = _losses(jobs[1], len(losses))
    rates = schedule.rates(np.arange(len(losses)), Course(plan.steps, plan.epochs))
    return report_of(rates, losses, still, type(named).__name__)


def _with_rate(rule: Optimizer, schedule: Schedule) -> Optimizer:
    """The rule with another rate; raises ParameterError for one that has no rate to find."""
    if not rule.whole_batch:
        try:
            return dataclasses.replace(rule, learning_rate=schedule)
        except ParameterError:
            pass
    raise ParameterError(
        f"find_learning_rate: {type(rule).__name__} finds the length of its steps itself. Fit with it as it "
        "is, or pass another optimizer."
    )


def _losses(job: Fit, steps: int) -> Array:
    """The loss of each step, up to where it is far above the first ones or not finite."""
    plan = job.plan
    job.runner.load({**job._starts(), **job.network._values(job.program)})
    loop = job.loop()
    found: list[float] = []
    try:
        for epoch in range(plan.epochs):
            order = loop._order(epoch) if loop.supply is None else None
            for done in range(0, plan.steps, SLICE):
                count = min(SLICE, plan.steps - done, steps - len(found))
                found += loop._steps(epoch, order, done, count).tolist()
                if ended(found) or len(found) == steps:
                    return np.array(found[: ended(found) or steps])
    finally:
        if loop.supply is not None:
            loop.supply.close()
    return np.array(found)


def ended(losses: list[float]) -> int:
    """After how many steps the loss is too large to go on: not finite, or about twice the first; 0 if it is
    not."""
    mean, best, first = 0.0, math.inf, losses[0]
    for k, loss in enumerate(losses, 1):
        mean = RUNNING * mean + (1 - RUNNING) * loss
        now = mean / (1 - RUNNING**k)
        best = min(best, now)
        if not now - first <= max(first - best, abs(first)):
            return k
    return 0


def report_of(rates: Array, losses: Array, still: Array, optimizer: str) -> RateReport:
    """A report of what was measured: losses with steps, and of the same batches without."""
    from scipy.signal import savgol_filter

    start = float(still.mean())
    finite = losses[np.isfinite(losses)]
    if not math.isfinite(start) or len(finite) < LEAST // 2:
        return RateReport(rates, losses, np.full(len(losses), np.nan), None, None, None, optimizer)
    most = start + max(start - float(finite.min()), abs(start))  # a loss that explodes is cut there
    moved = np.where(np.isfinite(losses), losses - still[: len(losses)] + start, most)
    window = max(5, len(losses) // WINDOW) | 1
    smoothed, slopes = (savgol_filter(np.minimum(moved, most), window, 1, deriv=k) for k in (0, 1))
    lowest = valley(smoothed, start)
    if lowest is None:
        return RateReport(rates, losses, smoothed, None, None, None, optimizer)
    steepest, best = float(rates[np.argmin(slopes[: lowest + 1])]), float(rates[lowest])
    return RateReport(rates, losses, smoothed, best, steepest, best / SHARE, optimizer)


def valley(smoothed: Array, start: float) -> int | None:
    """Where the first valley is deepest; None if the losses do not fall."""
    fall = start - np.minimum.accumulate(smoothed)
    deep = fall > FALLEN * abs(start)
    risen = deep & (smoothed > start - fall + RISEN * fall)
    end = int(np.argmax(risen)) or len(smoothed)
    return int(np.argmin(smoothed[:end])) if deep[:end].any() else None
