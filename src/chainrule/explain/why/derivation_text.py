"""A derivation as text of 80 columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..wording import WIDTH, fill, nine

if TYPE_CHECKING:
    from .derivation import Derivation, Written


def as_text(d: Derivation) -> str:
    """What `print` shows."""
    batch = f"a batch of {d.rows} rows" if d.rows > 1 else "one row"
    lines = [
        f"How the loss changes with {d.name}",
        "",
        *fill(f"{d.name} is {nine(d.at)}; on {batch} the loss is {nine(d.loss)}."),
        "",
        f"d loss / d {d.number.text} = {nine(d.derivative)}",
        "",
        *fill(d.coverage),
    ]
    for k, chain in enumerate(d.chains, 1):
        share = "" if math.isnan(chain.share) or len(d.chains) == 1 else f", {chain.share:.1%} of it"
        route = " -> ".join([chain.factors[0].by.text, *(f.of.text for f in chain.factors)])
        lines += ["", f"{k}. {nine(chain.value)}{share}", *fill(route, "   ")]
        named = [(f"d {f.of.text} / d {f.by.text}", f) for f in chain.factors]
        left = max(len(name) for name, _ in named)
        for name, f in named:
            lines += _equation(name.ljust(left), f.formula, f.numbers, f.value)
    return "\n".join([*lines, *_rows(d), *_update(d), "", *fill(d.sentence)])


def _rows(d: Derivation) -> list[str]:
    """The rows that add most, where there are several."""
    if d.by_row is None or d.rows == 1:
        return []
    up, down = float(d.by_row[d.by_row > 0].sum()), float(d.by_row[d.by_row < 0].sum())
    lines = ["", f"By row, {nine(up)} up and {nine(down)} down; the rows that add most:"]
    lines += [f"   row {s.row:>5}  {nine(s.value):>16}" for s in d.samples]
    return [*lines, f"   penalties  {nine(d.penalty):>15}"] if d.penalty else lines


def _update(d: Derivation) -> list[str]:
    u = d.update
    lines = ["", *fill(f"Update: {u.rule}", "   ", first="")]
    if u.none is not None:
        return [*lines, *fill(f"{d.name} {u.none}.", "   ")]
    lines.append(f"   learning rate lr = {nine(u.rate)}")
    left = max(len(line.name.text) for line in u.lines)
    for line in u.lines:
        lines += _equation(line.name.text.ljust(left), line.formula, line.numbers, line.value)
    return lines


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
        lines += fill(side, first=start, later=" " * (len(start) + 2))
    return lines
