"""LaTeX as the records and notations write it, taken apart: for MathML, and for lines of plain mathematics.

This reads what `notation` and the records write, and no other LaTeX: a command that neither uses is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import zip_longest

from ..errors import ParameterError
from .notation import GREEK_LETTERS

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_FUNCTIONS = {"ln", "log", "tanh", "sin", "cos", "max", "min", "exp"}
_LETTERS = {name: letter for letter, name in GREEK_LETTERS.items()} | {"partial": "∂", "infty": "∞"}
_SIGNS = {
    "cdot": "·", "odot": "⊙", "leftarrow": "←", "geq": "≥", "leq": "≤", "neq": "≠", "sum": "∑", "ldots": "…",
    "times": "×", "quad": "\u2003", ",": "", " ": " ", "max": "max",
}  # fmt: skip
_ACCENTS = {"bar": "¯", "dot": "˙", "hat": "^", "tilde": "~"}
_OPEN, _CLOSE = {"(": ")", "[": "]"}, {")", "]"}


@dataclass(frozen=True)
class Term:
    """A piece of a formula.

    Attributes
    ----------
    kind : str
        row, letter, number, sign, word, text, index, fraction, root, table, fence or accent.
    text : str
        What letters, numbers, signs and words are; of a table its kind, of a fence its two signs.
    parts : tuple of Term
        Of an index the base, what is below and what is above; of a table its rows.
    """

    kind: str
    text: str = ""
    parts: tuple[Term, ...] = field(default=())


_NOTHING = Term("row")


def parse_latex(latex: str) -> Term:
    """A formula as a tree; raises ParameterError for LaTeX that the package does not write."""
    reader = _Reader(latex)
    term = reader.row(())
    if reader.at < len(reader.tokens):
        raise ParameterError(f"math: {reader.tokens[reader.at]!r} has no beginning in {latex!r:.80}")
    return term


class _Reader:
    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens: list[str] = [t for t in _TOKEN.findall(latex) if not t.isspace()]
        self.at = 0

    def row(self, ends: Sequence[str]) -> Term:
        """Terms up to one of the ends, which is left standing."""
        parts: list[Term] = []
        while self.at < len(self.tokens) and self.tokens[self.at] not in ends:
            token = self.tokens[self.at]
            if token in _CLOSE or token in ("}", r"\right", r"\end"):
                break
            if token in ("_", "^"):
                base = parts.pop() if parts else _NOTHING
                parts.append(self._index(base))
            else:
                parts.append(self._term())
        return parts[0] if len(parts) == 1 else Term("row", "", tuple(parts))

    def _index(self, base: Term) -> Term:
        below, above = base.parts[1:] if base.kind == "index" else (_NOTHING, _NOTHING)
        sign = self._next()
        given = self._argument()
        base = base.parts[0] if base.kind == "index" else base
        below, above = (given, above) if sign == "_" else (below, given)
        return Term("index", "", (base, below, above))

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise ParameterError(f"math: the formula ends too early: {self.latex!r:.80}")
        self.at += 1
        return self.tokens[self.at - 1]

    def _expect(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise ParameterError(f"math: expected {token!r}, got {found!r} in {self.latex!r:.80}")

    def _argument(self) -> Term:
        if self.at < len(self.tokens) and self.tokens[self.at] == "{":
            return self._group()
        return self._term()

    def _group(self) -> Term:
        self._expect("{")
        found = self.row(("}",))
        self._expect("}")
        return found

    def _words(self) -> str:
        """The letters between braces."""
        start = self.latex_at()
        self._expect("{")
        depth = 1
        while depth:
            token = self._next()
            depth += (token == "{") - (token == "}")
        return re.sub(r"\\(.)", r"\1", self.latex[start : self.latex_at()].strip()[1:-1])

    def latex_at(self) -> int:
        """Where the next token stands in the LaTeX itself, spaces counted."""
        seen = position = 0
        for token in _TOKEN.findall(self.latex):
            if not token.isspace():
                if seen == self.at:
                    return position
                seen += 1
            position += len(token)
        return position

    def _term(self) -> Term:
        token = self._next()
        if token == "{":
            self.at -= 1
            return self._group()
        if token in _OPEN:
            inner = self.row((_OPEN[token],))
            self._expect(_OPEN[token])
            return Term("fence", token + _OPEN[token], (inner,))
        if token.startswith("\\"):
            return self._command(token[1:])
        kind = "number" if token[0].isdigit() else "letter" if token.isalpha() else "sign"
        return Term(kind, "−" if token == "-" else token)

    def _command(self, name: str) -> Term:
        if name == "frac":
            return Term("fraction", "", (self._argument(), self._argument()))
        if name == "sqrt":
            return Term("root", "", (self._argument(),))
        if name in ("mathrm", "operatorname"):
            return Term("word", self._words())
        if name == "text":
            return Term("text", self._words())
        if name in _ACCENTS:
            return Term("accent", _ACCENTS[name], (self._argument(),))
        if name == "left":
            opening = self._next()
            inner = self.row((r"\right",))
            self._expect(r"\right")
            return Term("fence", opening + self._next(), (inner,))
        if name == "begin":
            return self._table(self._words())
        if name in _LETTERS:
            return Term("letter", _LETTERS[name])
        if name in _FUNCTIONS:
            return Term("word", name)
        if name in _SIGNS:
            return Term("sign", _SIGNS[name])
        raise ParameterError(f"math: \\{name} is not among what formulas here are made of")

    def _table(self, kind: str) -> Term:
        rows: list[Term] = []
        cells: list[Term] = []
        while True:
            cells.append(self.row(("&", r"\\", r"\end")))
            sign = self._next()
            if sign == "&":
                continue
            rows.append(Term("row", "", tuple(cells)))
            cells = []
            if sign == r"\end":
                self._words()
                return Term("table", kind, tuple(rows))


# MathML ---------------------------------------------------------------------------------------

_WIDE = {"⊙", "·", "←", "+", "−", "=", "<", ">", "≥", "≤", "≠"}


def mathml(latex: str, block: bool = True) -> str:
    """A formula as MathML, which browsers set without any library.

    Parameters
    ----------
    latex : str
        As formulas of this package are written.
    block : bool
        Whether it stands in a line of its own.

    Raises
    ------
    ParameterError
        If it holds what no formula of this package does.

    Examples
    --------
    >>> mathml("z_1", block=False)
    '<math displaystyle="true"><msub><mi>z</mi><mn>1</mn></msub></math>'
    """
    display = ' display="block"' if block else ' displaystyle="true"'
    return f"<math{display}>{_marked(parse_latex(latex))}</math>"


def _marked(term: Term) -> str:
    if term.kind == "row":
        inner = "".join(_marked(x) + _applied(x, y) for x, y in zip_longest(term.parts, term.parts[1:]))
        return f"<mrow>{inner}</mrow>"
    if term.kind == "index":
        base, below, above = (_marked(part) for part in term.parts)
        limits = term.parts[0].text == "∑"
        if term.parts[2] is _NOTHING:
            tag = "munder" if limits else "msub"
            return f"<{tag}>{base}{below}</{tag}>"
        if term.parts[1] is _NOTHING:
            return f"<msup>{base}{above}</msup>"
        return f"<msubsup>{base}{below}{above}</msubsup>"
    if term.kind == "fraction":
        return f"<mfrac>{''.join(map(_marked, term.parts))}</mfrac>"
    if term.kind == "root":
        return f"<msqrt>{_marked(term.parts[0])}</msqrt>"
    if term.kind == "accent":
        return f'<mover accent="true">{_marked(term.parts[0])}<mo>{term.text}</mo></mover>'
    if term.kind == "fence":
        opening, closing = [f'<mo fence="true">{escape(sign)}</mo>' for sign in term.text]
        return f"<mrow>{opening}{_marked(term.parts[0])}{closing}</mrow>"
    if term.kind == "table":
        return _marked_table(term)
    tag = {"letter": "mi", "word": "mi", "number": "mn", "text": "mtext", "sign": "mo"}[term.kind]
    if not term.text:
        return '<mspace width="0.17em"/>'
    upright = ' mathvariant="normal"' if term.kind == "word" and len(term.text) == 1 else ""
    text = escape(term.text).replace(" ", "\u00a0")  # other spaces at the ends are not shown
    return f"<{tag}{upright}>{text}</{tag}>"


def _applied(term: Term, behind: Term | None) -> str:
    """What sets a function apart from its argument where that has no parentheses."""
    function = term.kind == "word" and term.text in _FUNCTIONS
    return '<mspace width="0.17em"/>' if function and behind is not None and behind.kind != "fence" else ""


# Few fonts have parentheses that stretch: these are lines, bent at their ends.
_LINE = "border: .09em solid; border-color: transparent currentColor; padding: 0 .1em"
_STYLES = {
    "cases": "border-left: .09em solid; padding-left: .3em",
    "pmatrix": f"{_LINE}; border-radius: .5em",
}


def _marked_table(term: Term) -> str:
    cell = '<mtd style="text-align: left">' if term.text == "cases" else "<mtd>"
    cells = ("".join(f"{cell}{_marked(x)}</mtd>" for x in row.parts) for row in term.parts)
    rows = "".join(f"<mtr>{row}</mtr>" for row in cells)
    return f'<mrow style="{_STYLES[term.text]}"><mtable>{rows}</mtable></mrow>'


# plain mathematics ------------------------------------------------------------------------------

_RAISED = dict(zip("0123456789+−nkT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿᵏᵀ", strict=True))


def plain_math(latex: str) -> str:
    """A formula as a line of plain text in the signs of mathematics.

    Raises
    ------
    ParameterError
        If it holds what no formula of this package does.

    Examples
    --------
    >>> plain_math(r"dW_1 = x^T\\,dz_1")
    'd_W1 = xᵀ d_z1'
    """
    text = _plain(parse_latex(latex))
    return re.sub(r"\s+", " ", text).strip()


def _plain(term: Term) -> str:
    if term.kind == "row":
        return "".join(_plain_row(term.parts))
    if term.kind == "index":
        return _plain_index(*term.parts)
    if term.kind == "fraction":
        above, below = (_enclosed(part) for part in term.parts)
        return f"{above}/{below}" if above.startswith("∂") else f"{above} / {below}"
    if term.kind == "root":
        return f"√({_plain(term.parts[0])})"
    if term.kind == "accent":
        return f"{_plain(term.parts[0])}{term.text}"
    if term.kind == "fence":
        opening, closing = list(term.text)
        return f"{opening}{_plain(term.parts[0])}{closing}"
    if term.kind == "table":
        return _plain_table(term)
    if term.kind == "sign" and term.text in _WIDE:
        return f" {term.text} "
    return term.text or " "


def _plain_row(parts: Sequence[Term]) -> Iterator[str]:
    for k, part in enumerate(parts):
        before = parts[k - 1] if k else None
        behind = parts[k + 1] if k + 1 < len(parts) else None
        core = behind.parts[0] if behind is not None and behind.kind == "index" else behind
        named = core is not None and core.kind in ("letter", "word", "accent")
        alone = before is None or (before.kind == "sign" and (before.text in _WIDE or before.text == ","))
        if part.kind == "sign" and alone:  # a sign of its own operand, or one in place of an index
            yield part.text
        elif part.kind == "fraction" and _touches(before, behind):
            yield f"({_plain(part)})"
        else:
            yield _plain(part)
        if part == _DERIVATIVE and named:
            yield "_"
        elif part.text == "," or _is_sum(part) or (part.kind == "word" and named):
            yield " "


_DERIVATIVE = Term("letter", "d")


def _is_sum(term: Term) -> bool:
    return term.text == "∑" or (term.kind == "index" and term.parts[0].text == "∑")


def _touches(before: Term | None, behind: Term | None) -> bool:
    """Whether no sign stands on one of the two sides."""
    return any(x is not None and (x.kind != "sign" or not x.text) for x in (before, behind))


def _plain_index(base: Term, below: Term, above: Term) -> str:
    text = _plain(base)
    low = "" if below is _NOTHING else _plain(below).replace(", ", ",")
    high = "" if above is _NOTHING else _plain(above)
    raised = "".join(_RAISED.get(letter, "") for letter in high)
    power = raised if len(raised) == len(high) else f"^({high})" if len(high) > 1 else f"^{high}"
    if not low:
        return text + power
    if low[0].isdigit() and base.kind in ("letter", "word"):
        return text + low + power
    return f"{text}_{low}{power}" if high == "T" else f"{text}{power}_{low}"


def _enclosed(term: Term) -> str:
    text = _plain(term)
    simple = term.kind in ("letter", "number", "word", "index", "root", "fence") or " " not in text.strip()
    return text if simple else f"({text.strip()})"


def _plain_table(term: Term) -> str:
    if term.text == "cases":
        lines = [", ".join(_plain(cell).strip() for cell in row.parts) for row in term.parts]
        return f"{{{'; '.join(lines)}}}"
    rows = (" ".join(_plain(cell).strip() for cell in row.parts) for row in term.parts)
    return f"[{'; '.join(rows)}]"
