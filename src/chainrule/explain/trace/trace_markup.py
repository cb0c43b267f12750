"""A trace as Markdown with LaTeX, and as HTML with MathML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from ...emit.mathtree import mathml
from ..numbers import Array, rows_of, shape_text, summary
from .trace_text import HEADINGS

if TYPE_CHECKING:
    from .trace import Entry, Trace

STYLE = """\
.chainrule { color: #1b1f24; background: #fff; font: 15px/1.45 system-ui, sans-serif; }
.chainrule h1 { font-size: 1.3em; margin: 0 0 .3em; }
.chainrule h2 { font-size: 1.05em; margin: 1.6em 0 .3em; }
.chainrule .scroll { overflow-x: auto; }
.chainrule table { border-collapse: collapse; width: 100%; margin: 0; font-size: 1em; }
.chainrule th, .chainrule td { text-align: left; vertical-align: top; padding: .35em .9em .35em 0; }
.chainrule thead th { border-bottom: 1px solid #8c959f; font-weight: 600; }
.chainrule tbody > tr { border-bottom: 1px solid #d8dee4; background: none; }
.chainrule .shape, .chainrule .note { color: #59636e; font-size: .85em; }
.chainrule .numbers { color: #59636e; margin-top: .3em; font-size: .9em; }
.chainrule table.array { width: auto; font: .85em ui-monospace, monospace; }
.chainrule table.array td { padding: 0 1em 0 0; border: 0; white-space: nowrap; }
.chainrule table.array tr { border: 0; }
.chainrule math { font-size: 1.05em; }
@media (prefers-color-scheme: dark) {
  .chainrule { color: #e6edf3; background: #0d1117; }
  .chainrule tbody > tr { border-color: #30363d; }
  .chainrule .shape, .chainrule .note, .chainrule .numbers { color: #9198a1; }
}
@media print {
  .chainrule { color: #000; background: #fff; font-size: 10px; }
  .chainrule tr { break-inside: avoid; }
  .chainrule .scroll { overflow: visible; }
}
"""


def as_html(trace: Trace) -> str:
    """One file: nothing is loaded from elsewhere."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(trace.title)}</title>\n"
        "<style>body { margin: 0; } main { max-width: 95em; margin: auto; padding: 1.2em; }</style>\n"
        f'</head>\n<body class="chainrule">\n<main>\n{as_fragment(trace)}</main>\n</body>\n</html>\n'
    )


def as_fragment(trace: Trace) -> str:
    """What stands in a notebook, or in a page of another's."""
    parts = [f"<style>{STYLE}</style>", '<div class="chainrule">', f"<h1>{escape(trace.title)}</h1>"]
    for section, entries in trace.sections():
        parts.append(f'<section><h2>{escape(HEADINGS[section])}</h2>\n<div class="scroll">')
        parts += _table(entries)
        parts.append("</div></section>")
    return "\n".join([*parts, "</div>\n"])


def _table(entries: list[Entry]) -> Iterator[str]:
    computed = any(entry.formula.latex for entry in entries)
    slopes = any(entry.gradient is not None for entry in entries)
    headings = ["name", *(["formula"] if computed else []), "value", *(["gradient"] if slopes else [])]
    titles = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    yield f"<table><thead><tr>{titles}</tr></thead><tbody>"
    for entry in entries:
        made = entry.formula
        shape = shape_text(entry.value.shape)
        name = mathml(made.latex_symbol, block=False)
        below = f'<div class="shape">{shape}</div>' if shape else ""
        cells = [f'<th scope="row">{name}{below}</th>']
        if computed:
            cells.append(f"<td>{_formula(entry)}</td>")
        cells.append(f"<td>{_array(entry.value)}</td>")
        if slopes:
            cells.append(f"<td>{'' if entry.gradient is None else _array(entry.gradient)}</td>")
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _formula(entry: Entry) -> str:
    made = entry.formula
    if not made.latex:
        return ""
    numbers = ""
    if made.latex_numbers:
        inner = mathml(f"= {made.latex_numbers}", block=False)
        numbers = f'<div class="numbers">{inner}</div>'
    return mathml(f"{made.latex_sign} {made.latex}", block=False) + numbers


def _array(value: Array) -> str:
    rows = rows_of(value)
    if rows is None:
        return "<br>".join(f'<span class="note">{escape(line)}</span>' for line in summary(value))
    cells = ("".join(f"<td>{escape(x)}</td>" for x in row) for row in rows)
    return f'<table class="array"><tbody>{"".join(f"<tr>{row}</tr>" for row in cells)}</tbody></table>'


def as_markdown(trace: Trace) -> str:
    """Headings, and for each line its formulas, value and gradient."""
    blocks = [f"# {trace.title}"]
    for section, entries in trace.sections():
        blocks.append(f"## {HEADINGS[section]}")
        for entry in entries:
            blocks += _paragraphs(entry)
    return "\n\n".join(blocks) + "\n"


def _paragraphs(entry: Entry) -> Iterator[str]:
    made = entry.formula
    shape = shape_text(entry.value.shape)
    lines = [f"{made.latex_sign} {made.latex}"] if made.latex else []
    lines += [f"= {made.latex_numbers}"] if made.latex_numbers else []
    value, slope = _latex_array(entry.value), None
    if entry.gradient is not None:
        slope = _latex_array(entry.gradient)
    lines += [f"= {value}"] if value else []
    aligned = r" \\ ".join(f"{'' if k else f'{made.latex_symbol} '}&{line}" for k, line in enumerate(lines))
    body = rf"\begin{{aligned}} {aligned} \end{{aligned}}" if lines else made.latex_symbol
    yield f"`{entry.name}`{f', shape {shape}' if shape else ''}:"
    yield f"$$ {body} $$"
    if value is None:
        yield ". ".join(summary(entry.value)) + "."
    if slope is not None:
        yield f"Gradient: $ {slope} $"
    elif entry.gradient is not None:
        yield f"Gradient: {'. '.join(summary(entry.gradient))}."


def _latex_array(value: Array) -> str | None:
    rows = rows_of(value)
    if rows is None:
        return None
    if value.ndim == 0:
        return _latex_number(rows[0][0])
    lines = r" \\ ".join(" & ".join(map(_latex_number, row)) for row in rows)
    return rf"\begin{{pmatrix}} {lines} \end{{pmatrix}}"


def _latex_number(text: str) -> str:
    mantissa, e, exponent = text.partition("e")
    if text[-1].isalpha():
        return rf"\mathrm{{{text}}}"
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else text
