"""A derivation as Markdown with LaTeX, and as HTML with MathML."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from ...emit.mathtree import mathml
from ..trace.trace_markup import STYLE
from ..wording import nine

if TYPE_CHECKING:
    from .derivation import Chain, Derivation, Written


def as_markdown(d: Derivation) -> str:
    """Markdown; formulas stand between dollar signs."""
    lines = [f"## How the loss changes with `{d.name}`", ""]
    lines += ["$$", rf"{_partial('loss', d.number.latex)} = {_tex(d.derivative)}", "$$", "", d.coverage]
    for k, chain in enumerate(d.chains, 1):
        lines += ["", f"**{k}.** ${_tex(chain.value)}${_share(chain)}", "", "$$", _product(chain), "$$", ""]
        lines += _aligned(_factors(chain))
    if d.by_row is not None and d.rows > 1:
        lines += ["", "| row | adds |", "|---:|---:|"]
        lines += [f"| {s.row} | {nine(s.value)} |" for s in d.samples]
    lines += ["", f"**Update** by `{d.update.rule}`"]
    if d.update.none is None:
        lines += ["", *_aligned(_assigned(d))]
    return "\n".join([*lines, "", d.sentence, ""])


def as_html(d: Derivation) -> str:
    """One file: nothing is loaded from elsewhere."""
    title = escape(f"How the loss changes with {d.name}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n"
        "<style>body { margin: 0; } main { max-width: 60em; margin: auto; padding: 1.2em; }</style>\n"
        f'</head>\n<body class="chainrule">\n<main>\n{as_fragment(d)}</main>\n</body>\n</html>\n'
    )


def as_fragment(d: Derivation) -> str:
    """What stands in a notebook, or in a page of another's."""
    parts = [f"<style>{STYLE}</style>", '<div class="chainrule">']
    parts.append(f"<h1>How the loss changes with <code>{escape(d.name)}</code></h1>")
    parts.append(mathml(rf"{_partial('loss', d.number.latex)} = {_tex(d.derivative)}"))
    parts.append(f"<p>{escape(d.coverage)}</p>")
    for k, chain in enumerate(d.chains, 1):
        parts.append(f"<section><h2>{k}. {nine(chain.value)}{_share(chain)}</h2>")
        parts += [
            f'<div class="scroll">{mathml(_product(chain))}',
            _table(_factors(chain)),
            "</div></section>",
        ]
    if d.by_row is not None and d.rows > 1:
        rows = "".join(f"<tr><td>{s.row}</td><td>{nine(s.value)}</td></tr>" for s in d.samples)
        head = "<thead><tr><th>row</th><th>adds</th></tr></thead>"
        parts.append(f"<section><h2>The rows that add most</h2><table>{head}<tbody>{rows}</tbody></table>")
        parts.append("</section>")
    parts.append(f"<section><h2>Update: {escape(d.update.rule)}</h2>")
    if d.update.none is None:
        parts.append(f'<div class="scroll">{_table(_assigned(d))}</div>')
    parts += ["</section>", f"<p>{escape(d.sentence)}</p>", "</div>\n"]
    return "\n".join(parts)


# equations: a left side, and what it is equal to ------------------------------------------------

Equation = tuple[str, list[str]]


def _factors(chain: Chain) -> list[Equation]:
    return [(_partial(f.of.latex, f.by.latex), _sides(f.formula, f.numbers, f.value)) for f in chain.factors]


def _assigned(d: Derivation) -> list[Equation]:
    return [(x.name.latex, _sides(x.formula, x.numbers, x.value)) for x in d.update.lines]


def _sides(formula: Written | None, numbers: Written | None, value: float) -> list[str]:
    sides = [] if formula is None or numbers is None else [formula.latex, numbers.latex]
    return list(dict.fromkeys([*sides, _tex(value)]))


def _aligned(equations: list[Equation]) -> list[str]:
    """Equations below one another, in LaTeX."""
    rows = [f"{left} &= {' = '.join(sides)} \\\\" for left, sides in equations]
    return ["$$", r"\begin{aligned}", *rows, r"\end{aligned}", "$$"]


def _table(equations: list[Equation]) -> str:
    """Equations below one another, in MathML: numbers stand below the formula that they are put into."""
    rows = []
    for left, (*between, value) in equations:
        formula, *numbers = [mathml(f"= {side}", block=False) for side in between] or [""]
        below = f'<div class="numbers">{numbers[0]}</div>' if numbers else ""
        cells = [mathml(left, block=False), formula + below, mathml(f"= {value}", block=False)]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def _product(chain: Chain) -> str:
    """The derivatives along a path, the last one first, as the chain rule writes them."""
    return r" \cdot ".join(_partial(f.of.latex, f.by.latex) for f in reversed(chain.factors))


def _share(chain: Chain) -> str:
    return "" if math.isnan(chain.share) else f", {chain.share:.1%} of it"


def _partial(of: str, by: str) -> str:
    of = r"\mathrm{loss}" if of == "loss" else of
    return rf"\frac{{\partial {of}}}{{\partial {by}}}"


def _tex(value: float) -> str:
    mantissa, e, exponent = nine(value).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa
