"""What derivatives cost in each mode, as numbers and as a table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WAYS = ("reverse", "forward", "differences")  # attributes of a ModeRow


@dataclass(frozen=True)
class Cost:
    """What all derivatives of one network cost in one way.

    Attributes
    ----------
    seconds : float
        For the derivatives by all weights.
    evaluations : int
        Sweeps through the graph; of finite differences, computations of the loss.
    weights : int
        By how many weights the derivatives were computed and timed; the rest is multiplied.
    apart : float
        The largest difference to reverse mode, as a share of the largest derivative.
    """

    seconds: float
    evaluations: int
    weights: int
    apart: float


@dataclass(frozen=True)
class ModeRow:
    """One network of a comparison: its number of weights, and what each way costs."""

    weights: int
    reverse: Cost
    forward: Cost
    differences: Cost


@dataclass(frozen=True, repr=False)
class ModeComparison:
    """What `compare_modes` found; prints as a table.

    Attributes
    ----------
    rows : tuple of ModeRow
        From the fewest weights to the most.
    samples : int
        Rows of data in the loss.
    engine : str
    """

    rows: tuple[ModeRow, ...]
    samples: int
    engine: str

    @property
    def exponents(self) -> dict[str, float]:
        """The slope of log(seconds) against log(weights) by way: 1 where time grows as the network does.

        By least squares; NaN for a single network.
        """
        if len(self.rows) < 2:
            return dict.fromkeys(WAYS, math.nan)
        sizes = np.log([row.weights for row in self.rows])
        times = [np.log([getattr(row, way).seconds for row in self.rows]) for way in WAYS]
        return {way: float(np.polyfit(sizes, t, 1)[0]) for way, t in zip(WAYS, times, strict=True)}

    def __str__(self) -> str:
        lines = [
            f"{'':9}{'one reverse sweep':>17}{'P forward sweeps':>24}{'P finite differences':>29}",
            f"{'P':>9}{'seconds':>11}{'evals':>6}{'seconds':>11}{'evals':>9}{'apart':>7}"
            f"{'seconds':>11}{'evals':>9}{'apart':>7}",
        ]
        for row in self.rows:
            cells = [_cells(getattr(row, way), row.weights, way) for way in WAYS]
            lines.append(f"{_counted(row.weights):>9}{''.join(cells)}")
        if len(self.rows) > 1:
            growth = [f"P^{exponent:.2f}" for exponent in self.exponents.values()]
            lines.append(f"{'growth':>9}{growth[0]:>11}{'':6}{growth[1]:>11}{'':16}{growth[2]:>11}")
        lines.append("")
        if any(getattr(row, way).weights < row.weights for row in self.rows for way in WAYS):
            lines.append("~ timed for a sample of the weights (the median) and multiplied by P.")
        lines += [
            "P: weights. evals: sweeps through the graph, or computations of the loss.",
            "apart: largest difference to reverse mode, in parts of the largest derivative.",
            f"Loss over {self.samples:,} rows in float64; engine {self.engine}.",
        ]
        return "\n".join(lines)

    __repr__ = __str__


def _cells(cost: Cost, weights: int, way: str) -> str:
    seconds = f"{'~' if cost.weights < weights else ''}{cost.seconds:.3g}"
    if way == "reverse":
        return f"{seconds:>11}{cost.evaluations:>6}"
    return f"{seconds:>11}{_counted(cost.evaluations):>9}{cost.apart:>7.0e}"


def _counted(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number:.3g}"
