"""A derivation: what is known of one derivative, by path, by row, and what the optimizer makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...checks import counted
from ..numbers import as_json, plain
from ..wording import nine

Array = np.ndarray[Any, Any]
STEP = 0.01  # what the sentence in words raises the number by


@dataclass(frozen=True)
class Written:
    """A piece of formula in both notations."""

    text: str
    latex: str


@dataclass(frozen=True)
class Factor:
    """One derivative of a path.

    Attributes
    ----------
    of, by : Written
        Of which element, by which.
    value : float
    formula, numbers : Written or None
        With names, and with numbers in their place; None where there is no short formula.
    """

    of: Written
    by: Written
    value: float
    formula: Written | None
    numbers: Written | None


@dataclass(frozen=True)
class Chain:
    """One path from the number to the loss.

    Attributes
    ----------
    value : float
        The product of its factors.
    share : float
        What part of the derivative that is; NaN where the derivative is 0.
    factors : list of Factor
    """

    value: float
    share: float
    factors: list[Factor]


@dataclass(frozen=True)
class Sample:
    """A row of the batch, counted from 0, and what it adds to the derivative."""

    row: int
    value: float


@dataclass(frozen=True)
class Line:
    """One line of the update: a name, its value, its formula and that with numbers."""

    name: Written
    value: float
    formula: Written | None
    numbers: Written | None


@dataclass(frozen=True)
class Update:
    """What the optimizer makes of the derivative.

    Attributes
    ----------
    rule : str
        The optimizer.
    rate : float
        The learning rate of this step.
    none : str or None
        Why nothing changes the number, where nothing does.
    lines : list of Line
        What the optimizer remembers from now on, and last the new value.
    old, new : float or None
    """

    rule: str
    rate: float
    none: str | None
    lines: list[Line]
    old: float | None
    new: float | None


@dataclass(frozen=True)
class Derivation:
    """How the loss changes with one number, and why.

    Attributes
    ----------
    name : str
        The number: "hidden1.W[0, 2]".
    number : Written
        As formulas call it: W1[0, 2].
    at : float
        Its value.
    rows : int
        Of the batch.
    loss : float
        Before the step, penalties included.
    derivative : float
        Of the loss by the number, as the training step computes it.
    path_sum : float
        The sum over all paths; the same number, but for rounding.
    path_count : float
        How many paths are not 0.
    chains : list of Chain
        The strongest paths.
    data : float or None
        The derivative without penalties; None where it is not split by rows.
    by_row : ndarray or None, shape (rows,)
        What each row adds to `data`.
    samples : list of Sample
        The rows that add most, whether up or down.
    left_out : list of str
        Nodes that paths step over, as there would be too many derivatives.
    update : Update
    """

    name: str
    number: Written
    at: float
    rows: int
    loss: float
    derivative: float
    path_sum: float
    path_count: float
    chains: list[Chain]
    data: float | None
    by_row: Array | None
    samples: list[Sample]
    left_out: list[str]
    update: Update

    # in words ---------------------------------------------------------------------------------

    @property
    def sentence(self) -> str:
        """What the derivative means, in words."""
        change = self.derivative * STEP
        if not math.isfinite(self.derivative):
            said = (
                f"The derivative is {self.derivative}: diagnose(X, y) says which op first made such a number."
            )
        elif self.derivative == 0:
            said = f"A small change of {self.name} does not change the loss"
            dead = self._dead()
            said += f": {dead}." if dead else "."
        else:
            way = "raise" if change > 0 else "lower"
            said = f"Raising {self.name} by {STEP:g} would {way} the loss by about {abs(change):.3g}."
        u = self.update
        if u.none is not None:
            return f"{said} It {u.none}."
        rule = u.rule.partition("(")[0]
        if u.old == u.new:
            return f"{said} {rule} leaves it at {nine(u.old)}."
        return f"{said} {rule} moves it from {nine(u.old)} to {nine(u.new)}."

    def _dead(self) -> str:
        """The first factor that is 0 on the best path."""
        for factor in self.chains[0].factors if self.chains else []:
            if factor.value == 0:
                formula = f" = {factor.formula.text}" if factor.formula else ""
                return f"d {factor.of.text} / d {factor.by.text}{formula} is 0"
        return ""

    @property
    def coverage(self) -> str:
        """How much of the derivative the paths shown make up, in words."""
        if not self.left_out:
            return self._made_up()
        return (
            f"Paths step over {', '.join(self.left_out)}, with too many derivatives to follow each; "
            f"the step over them is a derivative in one direction. {self._made_up()}"
        )

    def _made_up(self) -> str:
        shown = sum(chain.value for chain in self.chains)
        number = self.path_count
        if not math.isfinite(self.derivative):
            return "Derivatives on its paths are not finite, so that no path has a share."
        if not self.chains:
            return "There is no path to the loss: it does not depend on this number."
        if number == 0:
            return "Every path to the loss is 0. The first that is shown:"
        paths = counted(number, "path") if isinstance(number, int) else f"about {number:.3g} paths"
        if number <= len(self.chains):
            return f"The sum of {paths}:" if number > 1 else "There is 1 path:"
        part = f"{shown / self.derivative:.1%} of it" if self.derivative else f"{nine(shown)} together"
        return f"The sum of {paths} that are not 0. The {len(self.chains)} strongest make up {part}:"

    @property
    def penalty(self) -> float:
        """What penalties add to the derivative."""
        return 0.0 if self.data is None else self.derivative - self.data

    # other forms ------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """All of it as what JSON can hold."""
        u = self.update
        return {
            "name": self.name,
            "value": plain(self.at),
            "rows": self.rows,
            "loss": plain(self.loss),
            "derivative": plain(self.derivative),
            "paths": {
                "sum": plain(self.path_sum),
                "count": self.path_count,
                "stepped_over": self.left_out,
                "strongest": [
                    {
                        "value": plain(chain.value),
                        "share": None if math.isnan(chain.share) else chain.share,
                        "factors": [
                            {
                                "of": f.of.text,
                                "by": f.by.text,
                                "value": plain(f.value),
                                **_sides(f.formula, f.numbers),
                            }
                            for f in chain.factors
                        ],
                    }
                    for chain in self.chains
                ],
            },
            "by_data": plain(self.data),
            "by_penalty": None if self.data is None else plain(self.penalty),
            "by_row": None if self.by_row is None else as_json(self.by_row),
            "update": {
                "rule": u.rule,
                "learning_rate": u.rate,
                "none": u.none,
                "old": plain(u.old),
                "new": plain(u.new),
                "lines": [
                    {"name": x.name.text, "value": plain(x.value), **_sides(x.formula, x.numbers)}
                    for x in u.lines
                ],
            },
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        from .derivation_text import as_text

        return as_text(self)

    def to_markdown(self) -> str:
        """Markdown with LaTeX between dollar signs."""
        from .derivation_markup import as_markdown

        return as_markdown(self)

    def to_html(self) -> str:
        """One HTML file that needs nothing else; formulas are MathML."""
        from .derivation_markup import as_html

        return as_html(self)

    def _repr_html_(self) -> str:
        from .derivation_markup import as_fragment

        return as_fragment(self)


def _sides(formula: Written | None, numbers: Written | None) -> dict[str, str | None]:
    return {
        "formula": None if formula is None else formula.text,
        "numbers": None if numbers is None else numbers.text,
    }
