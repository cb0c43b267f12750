"""Python source for a page: words, comments and texts marked, so that the page's style can colour them."""

from __future__ import annotations

import io
import keyword
import tokenize
from html import escape


def highlighted(source: str) -> str:
    """Source as the inside of a <pre>: keywords, comments and strings in spans k, c and s.

    >>> highlighted("return 1 < 2  # yes")
    '<span class="k">return</span> 1 &lt; 2  <span class="c"># yes</span>'
    """
    lines = source.split("\n")
    made: list[str] = []
    row, column = 1, 0

    def upto(end: tuple[int, int]) -> str:
        """The text from where we are to a place."""
        if row == end[0]:
            return lines[row - 1][column : end[1]]
        between = [lines[row - 1][column:], *lines[row : end[0] - 1], lines[end[0] - 1][: end[1]]]
        return "\n".join(between)

    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = _kind(token)
        if not kind:
            continue
        made.append(escape(upto(token.start), quote=False))
        row, column = token.start
        made.append(f'<span class="{kind}">{escape(upto(token.end), quote=False)}</span>')
        row, column = token.end
    made.append(escape(upto((len(lines), len(lines[-1]))), quote=False))
    return "".join(made)


def _kind(token: tokenize.TokenInfo) -> str:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING:
        return "s"
    return "k" if token.type == tokenize.NAME and keyword.iskeyword(token.string) else ""
