"""What a ledger answers: terms, samples, and a picture of a weight's way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted
from ..plots.plotting import new_figure, tidy
from ..wording import fill, nine
from .recording import TERMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
MEANING = {
    "data": "the gradient of the data",
    "penalty": "the gradient of penalties",
    "memory": "what the optimizer remembers",
    "decay": "the weight's own decay",
    "other": "all else",
}


@dataclass(frozen=True)
class Terms:
    """What moved one number over a whole training, by term.

    Attributes
    ----------
    name : str
    start, end : float
        The number before the first and after the last step.
    totals : dict of str to float
        The sum of each term over all steps: "data", "penalty", "memory", "decay", "other". Together they are
        end - start, but for rounding.
    steps : int
    """

    name: str
    start: float
    end: float
    totals: dict[str, float]
    steps: int

    def __str__(self) -> str:
        moved = self.end - self.start
        lines = [
            f"{self.name} went from {nine(self.start)} to {nine(self.end)} in {counted(self.steps, 'step')}:",
            "",
        ]
        for name, total in self.totals.items():
            if total:
                lines.append(f"   {total:>+16.9g}  {MEANING[name]}")
        return "\n".join([*lines, f"   {moved:>+16.9g}  in all"])


@dataclass(frozen=True)
class Samples:
    """What each sample did to one number over a whole training.

    Attributes
    ----------
    name : str
    pulls : ndarray, shape (rows,)
        By row of the data: by how much it moved the number in the steps it was in. They add up to the term
        "data" of `Ledger.terms`; what later steps make of it by the optimizer's memory is the term "memory".
    up, down : list of int
        The rows that pulled it up and down, the strongest first.
    """

    name: str
    pulls: Array
    up: list[int]
    down: list[int]

    def __str__(self) -> str:
        up, down = float(self.pulls[self.pulls > 0].sum()), float(self.pulls[self.pulls < 0].sum())
        asked = f"Which samples pulled {self.name} up, and which down ({nine(up)} and {nine(down)} in all):"
        lines = [*fill(asked), ""]
        lines.append(f"   {'row':>7}{'up':>18}      {'row':>7}{'down':>18}")
        for k in range(max(len(self.up), len(self.down))):
            sides = [
                f"{rows[k]:>7}{self.pulls[rows[k]]:>+18.9g}" if k < len(rows) else " " * 25
                for rows in (self.up, self.down)
            ]
            lines.append(f"   {sides[0]}      {sides[1]}".rstrip())
        return "\n".join(lines)


def draw_steps(name: str, steps: dict[str, Array]) -> Figure:
    """A weight over steps, as `Ledger.steps` gives them, with what each term added up to."""
    figure, (axes,) = new_figure(7.6, 4.4)
    tidy(axes)
    axes.plot(
        steps["step"], steps["value"] - steps["value"][0], color="#222222", linewidth=2.2, label="change"
    )
    for term, color, line in zip(
        TERMS,
        ("#1f5fa8", "#d1652b", "#4f8f4f", "#8a4fa0", "#6b6b6b"),
        ("-", "--", "-.", ":", ":"),
        strict=True,
    ):
        total = np.cumsum(steps[term]) - steps[term]  # before each step, as the value is
        if np.any(steps[term]):
            axes.plot(steps["step"], total, color=color, linestyle=line, linewidth=1.5, label=MEANING[term])
    axes.axhline(0, color="#cccccc", linewidth=0.8, zorder=0)
    axes.set_xlabel("step")
    axes.set_ylabel("change since the first step shown")
    axes.legend(frameon=False, fontsize=9)
    axes.set_title(f"What moved {name}, which began at {steps['value'][0]:.4g}", fontsize=11, loc="left")
    return figure
