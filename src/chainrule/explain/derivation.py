"""A derivation as it is shown: text of 80 columns, Markdown with LaTeX, JSON, HTML."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted

Array = np.ndarray[Any, Any]
WIDTH = 80
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
        if self.derivative == 0:
            said = f"A small change of {self.name} does not change the loss"
            dead = self._dead()
            said += f": {dead}." if dead else "."
        else:
            way = "raise" if change > 0 else "lower"
            said = f"Raising {self.name} by {STEP:g} would {way} the loss by about {abs(change):.3g}."
        u = self.update
        if u.none is not None:
            return f"{said} It {u.none}."
        return f"{said} {u.rule.partition('(')[0]} moves it from {nine(u.old)} to {nine(u.new)}."

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
        shown = sum(chain.value for chain in self.chains)
        number = self.path_count
        if not self.chains:
            return "There is no path to the loss: it does not depend on this number."
        if number == 0:
            return "Every path to the loss is 0. The first that is shown:"
        paths = counted(number, "path") if isinstance(number, int) else f"about {number:.3g} paths"
        if number <= len(self.chains):
            return f"The sum of {paths}:" if number > 1 else "There is 1 path:"
        part = f"{shown / self.derivative:.1%} of it" if self.derivative else f"{nine(shown)} together"
        return f"The sum of {paths} that are not 0. The {len(self.chains)} strongest make up {part}:"

    # text -------------------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = [f"How the loss changes with {self.name}", ""]
        batch = f"a batch of {self.rows} rows" if self.rows > 1 else "one row"
        lines += [f"{self.name} is {nine(self.at)}; on {batch} the loss is {nine(self.loss)}.", ""]
        lines += [f"d loss / d {self.number.text} = {nine(self.derivative)}", "", *fill(self.coverage)]
        lines += fill(self._stepped_over()) if self.left_out else []
        for k, chain in enumerate(self.chains, 1):
            share = "" if math.isnan(chain.share) or len(self.chains) == 1 else f", {chain.share:.1%} of it"
            route = " -> ".join([chain.factors[0].by.text, *(f.of.text for f in chain.factors)])
            lines += ["", f"{k}. {nine(chain.value)}{share}", *fill(route, "   ")]
            left = max(len(f"d {f.of.text} / d {f.by.text}") for f in chain.factors)
            for f in chain.factors:
                lines += _equation(
                    f"d {f.of.text} / d {f.by.text}".ljust(left), f.formula, f.numbers, f.value
                )
        lines += self._rows_text()
        u = self.update
        lines += ["", f"Update: {u.rule}"]
        if u.none is not None:
            lines += fill(f"{self.name} {u.none}.", "   ")
        else:
            lines.append(f"   learning rate lr = {nine(u.rate)}")
            left = max(len(line.name.text) for line in u.lines)
            for line in u.lines:
                lines += _equation(line.name.text.ljust(left), line.formula, line.numbers, line.value)
        return "\n".join([*lines, "", *fill(self.sentence)])

    def _stepped_over(self) -> str:
        return (
            f"Paths step over {', '.join(self.left_out)}, where there are too many derivatives to follow "
            "each; the step over them is a derivative in one direction."
        )

    def _rows_text(self) -> list[str]:
        if self.by_row is None or self.rows == 1:
            return []
        up, down = float(self.by_row[self.by_row > 0].sum()), float(self.by_row[self.by_row < 0].sum())
        lines = ["", f"By row, {nine(up)} up and {nine(down)} down; the rows that add most:"]
        lines += [f"   row {s.row:>5}  {nine(s.value):>16}" for s in self.samples]
        if self.penalty:
            lines.append(f"   penalties  {nine(self.penalty):>15}")
        return lines

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
            "value": self.at,
            "rows": self.rows,
            "loss": self.loss,
            "derivative": self.derivative,
            "paths": {
                "sum": self.path_sum,
                "count": self.path_count,
                "stepped_over": self.left_out,
                "strongest": [
                    {
                        "value": chain.value,
                        "share": None if math.isnan(chain.share) else chain.share,
                        "factors": [
                            {
                                "of": f.of.text,
                                "by": f.by.text,
                                "value": f.value,
                                **_sides(f.formula, f.numbers),
                            }
                            for f in chain.factors
                        ],
                    }
                    for chain in self.chains
                ],
            },
            "data": self.data,
            "penalty": None if self.data is None else self.penalty,
            "by_row": None if self.by_row is None else [float(v) for v in self.by_row],
            "update": {
                "rule": u.rule,
                "learning_rate": u.rate,
                "none": u.none,
                "old": u.old,
                "new": u.new,
                "lines": [
                    {"name": x.name.text, "value": x.value, **_sides(x.formula, x.numbers)} for x in u.lines
                ],
            },
            "sentence": self.sentence,
        }

    def to_markdown(self) -> str:
        """Markdown with LaTeX between dollar signs."""
        number = self.number.latex
        lines = [f"## How the loss changes with `{self.name}`", ""]
        lines += ["$$", rf"{_partial('loss', number)} = {_tex(self.derivative)}", "$$", "", self.coverage]
        for k, chain in enumerate(self.chains, 1):
            share = "" if math.isnan(chain.share) else f", {chain.share:.1%} of it"
            product = r" \cdot ".join(_partial(f.of.latex, f.by.latex) for f in reversed(chain.factors))
            lines += ["", f"**{k}.** ${_tex(chain.value)}${share}", "", "$$", product, "$$", "", "$$"]
            lines += [r"\begin{aligned}"]
            for f in chain.factors:
                sides = [_partial(f.of.latex, f.by.latex), *_latex_sides(f.formula, f.numbers, f.value)]
                lines.append(f"{sides[0]} &= {' = '.join(sides[1:])} \\\\")
            lines += [r"\end{aligned}", "$$"]
        if self.by_row is not None and self.rows > 1:
            lines += ["", "| row | adds |", "|---:|---:|"]
            lines += [f"| {s.row} | {nine(s.value)} |" for s in self.samples]
        u = self.update
        lines += ["", f"**Update** by `{u.rule}`"]
        if u.none is None:
            lines += ["", "$$", r"\begin{aligned}"]
            for x in u.lines:
                lines.append(
                    f"{x.name.latex} &= {' = '.join(_latex_sides(x.formula, x.numbers, x.value))} \\\\"
                )
            lines += [r"\end{aligned}", "$$"]
        return "\n".join([*lines, "", self.sentence, ""])

    def to_html(self) -> str:
        """A piece of HTML that needs nothing else."""
        cell = 'style="text-align:left;padding:0 1em 0 0;font-family:monospace"'
        rows = [f"<p>{html.escape(self.coverage)}</p>"]
        for k, chain in enumerate(self.chains, 1):
            share = "" if math.isnan(chain.share) else f", {chain.share:.1%}"
            rows.append(f"<p>{k}. {nine(chain.value)}{share}</p><table>")
            for f in chain.factors:
                of, by = (html.escape(side.text) for side in (f.of, f.by))
                sides = [f"∂{of} / ∂{by}", *_text_sides(f.formula, f.numbers), f"<b>{nine(f.value)}</b>"]
                cells = [f"<td {cell}>{side}</td>" for side in sides]
                rows.append(f"<tr>{''.join(cells)}</tr>")
            rows.append("</table>")
        if self.by_row is not None and self.rows > 1:
            found = "".join(
                f"<tr><td {cell}>row {s.row}</td><td>{nine(s.value)}</td></tr>" for s in self.samples
            )
            rows.append(f"<p>The rows that add most:</p><table>{found}</table>")
        u = self.update
        rows.append(f"<p>Update: {html.escape(u.rule)}</p>")
        if u.none is None:
            rows.append("<table>")
            for x in u.lines:
                sides = [
                    html.escape(x.name.text),
                    *_text_sides(x.formula, x.numbers),
                    f"<b>{nine(x.value)}</b>",
                ]
                rows.append("<tr>" + "".join(f"<td {cell}>{side}</td>" for side in sides) + "</tr>")
            rows.append("</table>")
        head = f"<h3>How the loss changes with <code>{html.escape(self.name)}</code></h3>"
        derivative = f"<p>∂loss / ∂{html.escape(self.number.text)} = <b>{nine(self.derivative)}</b></p>"
        return f"<div>{head}{derivative}{''.join(rows)}<p>{html.escape(self.sentence)}</p></div>"

    def _repr_html_(self) -> str:
        return self.to_html()


# pieces ---------------------------------------------------------------------------------------


def nine(value: float | None) -> str:
    """Nine significant digits."""
    return "" if value is None else f"{value + 0:.9g}"


def _tex(value: float) -> str:
    mantissa, e, exponent = nine(value).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa


def _partial(of: str, by: str) -> str:
    of = r"\mathrm{loss}" if of == "loss" else of
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def _sides(formula: Written | None, numbers: Written | None) -> dict[str, str | None]:
    return {
        "formula": None if formula is None else formula.text,
        "numbers": None if numbers is None else numbers.text,
    }


def _text_sides(formula: Written | None, numbers: Written | None) -> list[str]:
    """The two sides, if they say anything, for HTML."""
    if formula is None or numbers is None:
        return ["", ""]
    return [f"= {html.escape(formula.text)}", f"= {html.escape(numbers.text)}"]


def _latex_sides(formula: Written | None, numbers: Written | None, value: float) -> list[str]:
    sides = [] if formula is None or numbers is None else [formula.latex, numbers.latex]
    return list(dict.fromkeys([*sides, _tex(value)]))


def _equation(left: str, formula: Written | None, numbers: Written | None, value: float) -> list[str]:
    """``left = formula = numbers = value``, on one line where it fits, else a line for each side."""
    sides = [] if formula is None or numbers is None else [formula.text, numbers.text]
    sides = list(dict.fromkeys([*sides, nine(value)]))
    whole = f"   {left} = {' = '.join(sides)}"
    if len(whole) <= WIDTH:
        return [whole]
    lines = []
    for k, side in enumerate(sides):
        start = f"   {left if k == 0 else ' ' * len(left)} = "
        lines += _cut(side, start)
    return lines


def _cut(side: str, start: str) -> list[str]:
    """A long side in several lines, broken at its spaces."""
    lines, line = [], start
    for word in side.split(" "):
        if len(line) + len(word) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = " " * len(start) + "  "
        line += word + " "
    return [*lines, line.rstrip()]


def fill(text: str, indent: str = "") -> list[str]:
    """Words in lines of at most 80 columns."""
    lines, line = [], indent
    for word in text.split(" "):
        if len(line) + len(word) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += word + " "
    return [*lines, line.rstrip()]
