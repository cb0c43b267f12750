"""Pages of HTML that stand alone: parts with escaped text, and the document around them. Nothing is
loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from .page_style import STYLE

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # a browser then loads and runs nothing
)


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes
    ----------
    key : str
        What links lead to; a plain identifier.
    title : str
    body : str
        HTML.
    link : str
        What the list of sections calls it; its title where it is empty.
    """

    key: str
    title: str
    body: str
    link: str = ""


def page(title: str, lead: str, sections: Sequence[Section], note: str) -> str:
    """A whole document.

    Parameters
    ----------
    title, note : str
        Text, of the top and of the foot.
    lead : str
        HTML below the title.
    sections : sequence of Section
    """
    links = "".join(f'<li><a href="#{s.key}">{escape(s.link or s.title)}</a></li>' for s in sections)
    parts = "\n".join(
        f'<section id="{s.key}" aria-labelledby="{s.key}-title">'
        f'<h2 id="{s.key}-title">{escape(s.title)}</h2>\n'
        f"{s.body}\n</section>"
        for s in sections
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{STYLE}</style>\n</head>\n"
        f'<body>\n<a class="skip" href="#main">Skip to the content</a>\n<header><h1>{escape(title)}</h1>\n'
        f'{lead}</header>\n<nav aria-label="Sections"><ul>{links}</ul></nav>\n'
        f'<main id="main" tabindex="-1">\n{parts}\n</main>\n<footer><p>{escape(note)}</p></footer>\n'
        "</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """Text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def cards(facts: Iterable[tuple[str, str, str]]) -> str:
    """Key figures: what each is, the figure, and a remark."""
    made = (
        f"<div><dt>{escape(name)}</dt><dd><strong>{escape(figure)}</strong> "
        f"<span>{escape(remark)}</span></dd></div>"
        for name, figure, remark in facts
    )
    return f'<dl class="cards">{"".join(made)}</dl>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, numbers: Iterable[int] = ()
) -> str:
    """A table of text whose first column names the rows; `numbers` are columns to set at the right."""
    right = set(numbers)
    titles = "".join(
        f'<th scope="col"{_aligned(k, right)}>{escape(name)}</th>' for k, name in enumerate(head)
    )
    lines = (
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{_aligned(k, right)}>{escape(cell)}</td>" for k, cell in enumerate(row) if k)
        + "</tr>"
        for row in rows
    )
    return scroll(
        f"<table><caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>",
        caption,
    )


def _aligned(column: int, right: set[int]) -> str:
    return ' class="n"' if column in right else ""


def scroll(html: str, label: str) -> str:
    """Something wide in a box that scrolls, with the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{html}</div>'


def folded(summary: str, html: str) -> str:
    """Something long behind a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary>{html}</details>"


def figure(html: str, caption: str, kind: str = "picture") -> str:
    """A picture with a line of text below."""
    return f'<figure class="{kind}">{html}<figcaption>{escape(caption)}</figcaption></figure>'


def lowered(html: str, levels: int) -> str:
    """A part of a page whose headings stand so many levels further down."""
    return re.sub(r"<(/?)h([1-6])\b", lambda m: f"<{m[1]}h{min(6, int(m[2]) + levels)}", html)
