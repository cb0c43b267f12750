"""How formulas are written: text in NumPy's words, and LaTeX; each with the parentheses it needs.

A record's template says where operands stand; from the template alone follows how tightly the result
binds, and how tightly an operand must bind to stand there without parentheses.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..errors import unknown_name
from ..graph.tensor import Tensor
from ..shapes import Dim, Size

_TALL = (r"\frac", r"\sum", r"\begin")  # what LaTeX's plain parentheses would not enclose


class Level(IntEnum):
    """How tightly an expression binds."""

    OPEN = 0
    COMPARE = 1
    SUM = 2  # a sum over an index, which reaches as far as it can
    ADD = 3
    MULTIPLY = 4
    JUXTAPOSE = 5  # the matrix product in LaTeX binds closer than an elementwise one
    SIGN = 6
    POWER = 7
    INDEXED = 8  # a letter with an index, which LaTeX does not give another one
    ATOM = 9


class Part(NamedTuple):
    """A piece of a formula and how tightly it binds."""

    text: str
    level: Level = Level.ATOM


@dataclass(frozen=True)
class Form:
    """A template taken apart: what stands between operands, and what each operand must bind by.

    `pieces` alternates text and numbers of operands. `surface` names the operands that stand outside all
    parentheses: what they bind by, the whole does.
    """

    pieces: tuple[str | int, ...]
    level: Level
    needs: tuple[Level, ...]  # one for each place in which an operand stands
    surface: frozenset[int] = frozenset()  # numbers of places
    inner: frozenset[int] = frozenset()  # places that have something to their left, where no sign may stand

    def fill(self, parts: Sequence[Part]) -> Part:
        """The expression with its operands put in."""
        level, texts, place = self.level, [], 0
        for piece in self.pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            part = parts[piece]
            if part.level < self.needs[place] or (place in self.inner and part.text.startswith("-")):
                tall = any(sign in part.text for sign in _TALL)
                texts.append(rf"\left({part.text}\right)" if tall else f"({part.text})")
            else:
                texts.append(part.text)
                if place in self.surface:
                    level = min(level, part.level)
            place += 1
        return Part("".join(texts), level)

    @property
    def repeats(self) -> bool:
        """Whether it shows an operand more than once."""
        shown = [piece for piece in self.pieces if isinstance(piece, int)]
        return len(set(shown)) < len(shown)


class Text:
    """NumPy's expressions without its ``np.``."""

    assigns, becomes, dots, indent = "=", "<-", "...", "    "

    def node(self, node: Tensor, parts: Sequence[Part]) -> Part:
        """The expression of a node, from its inputs'."""
        record = node.op
        if record.numpy:
            marks = [f"operand{i}_" for i in range(len(parts))]
            form = _python_form(record.write(record.numpy, node, marks), len(parts))
            if not form.repeats or all(re.fullmatch(r"[\w.]+", part.text) for part in parts):
                return form.fill(parts)
        shown = [part.text for part in parts]
        if record.numpy:
            shown += [f"{name}={value!r}" for name, value in node.attrs.items()]
        return Part(f"{record.name}({', '.join(shown)})")

    def name(self, name: str) -> Part:
        """A variable."""
        return Part(name)

    def number(self, value: object) -> Part:
        """A number with at most nine significant digits."""
        return _signed(digits(value))

    def size(self, dim: Dim) -> Part:
        """A size with names in it."""
        return Part(repr(dim), _size_level(dim))


class Latex:
    """LaTeX, for math mode."""

    assigns, becomes, dots, indent = "=", r"\leftarrow", r"\ldots", r"\quad "

    def node(self, node: Tensor, parts: Sequence[Part]) -> Part:
        """The expression of a node, from its inputs'."""
        record = node.op
        marks = [chr(_FIRST_MARK + i) for i in range(len(parts))]
        template = record.write(record.latex, node, marks)
        if not template:
            template = rf"\operatorname{{{_escaped(record.name)}}}({', '.join(marks)})"
        return _latex_form(template).fill(parts)

    def name(self, name: str) -> Part:
        """A variable: W1 as W with the index 1, theta as the letter, d_W1 as dW with the index 1."""
        return typeset(name)

    def number(self, value: object) -> Part:
        """A number with at most nine significant digits."""
        text = digits(value)
        if text.lstrip("-") in ("inf", "nan"):
            return _signed(text.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}"))
        if isinstance(value, bool | np.bool_):
            return Part(rf"\mathrm{{{text.lower()}}}")
        mantissa, e, exponent = text.partition("e")
        if not e:
            return _signed(text)
        power = f"10^{{{int(exponent)}}}"
        if mantissa == "1":
            return Part(power, Level.POWER)
        return Part(rf"{mantissa} \cdot {power}", Level.MULTIPLY)

    def size(self, dim: Dim) -> Part:
        """A size with names in it."""
        text = re.sub(r"[^\W\d]\w*", lambda found: typeset(found[0]).text, repr(dim))
        return Part(text.replace("*", r"\,"), _size_level(dim))


Writer = Text | Latex
NOTATIONS: dict[str, type[Writer]] = {"latex": Latex, "text": Text}


def find_notation(name: object) -> Writer:
    """The notation of that name; raises UnknownNameError."""
    if not isinstance(name, str) or name not in NOTATIONS:
        raise unknown_name("notation", name, NOTATIONS)
    return NOTATIONS[name]()


# numbers and sizes ----------------------------------------------------------------------------


def digits(value: object) -> str:
    """A number with at most nine significant digits."""
    if isinstance(value, float | np.floating):
        return f"{float(str(value)):.9g}"  # by way of the shortest form: a float32 0.1 is 0.1
    return str(value)


def _signed(text: str) -> Part:
    return Part(text, Level.SIGN if text.startswith("-") else Level.ATOM)


def _size_level(dim: Dim) -> Level:
    if isinstance(dim, Size) and (len(dim.terms) > 1 or dim.terms[0][1] < 0):
        return Level.ADD
    return Level.MULTIPLY if "*" in repr(dim) else Level.ATOM


# text: the template is Python, and Python's grammar says what binds ------------------------------

_BINARY = {ast.Add: Level.ADD, ast.Sub: Level.ADD, ast.Pow: Level.POWER}
_MARK = re.compile(r"(operand\d+_)")


class _WithoutPrefix(ast.NodeTransformer):
    """np.exp(x) as exp(x)."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:  # the name that ast.NodeTransformer calls
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "np":
            return ast.Name(node.attr, ast.Load())
        return node


@lru_cache(maxsize=4096)
def _python_form(template: str, operands: int) -> Form:
    tree = _WithoutPrefix().visit(ast.parse(template, mode="eval")).body
    wanted: dict[str, list[Level]] = {}
    _collect(tree, Level.OPEN, {f"operand{i}_" for i in range(operands)}, wanted)
    pieces = [int(p[7:-1]) if _MARK.fullmatch(p) else p for p in _MARK.split(ast.unparse(tree)) if p]
    places = [p for p in pieces if isinstance(p, int)]
    needs = tuple(wanted[f"operand{i}_"].pop(0) for i in places)
    alone = frozenset({0}) if isinstance(tree, ast.Name) else frozenset[int]()
    return Form(tuple(pieces), _python_level(tree), needs, alone)


def _python_level(tree: ast.AST) -> Level:
    if isinstance(tree, ast.BinOp):
        return _BINARY.get(type(tree.op), Level.MULTIPLY)
    if isinstance(tree, ast.UnaryOp):
        return Level.SIGN
    return Level.COMPARE if isinstance(tree, ast.Compare) else Level.ATOM


def _collect(tree: ast.AST, need: Level, marks: set[str], found: dict[str, list[Level]]) -> None:
    """Note what each operand must bind by, in the order in which they are written."""
    if isinstance(tree, ast.Name):
        if tree.id in marks:
            found.setdefault(tree.id, []).append(need)
    elif isinstance(tree, ast.BinOp):
        level = _python_level(tree)
        power = isinstance(tree.op, ast.Pow)  # the one that is taken from the right
        left, right = (Level.ATOM, Level.SIGN) if power else (level, Level(level + 1))
        _collect(tree.left, left, marks, found)
        _collect(tree.right, right, marks, found)
    else:
        inner = Level.OPEN
        if isinstance(tree, ast.UnaryOp):
            inner = Level.POWER
        elif isinstance(tree, ast.Compare):
            inner = Level.SUM
        for name, child in ast.iter_fields(tree):
            base = isinstance(tree, ast.Attribute | ast.Subscript) and name == "value"
            for x in child if isinstance(child, list) else [child]:
                if isinstance(x, ast.AST):
                    _collect(x, Level.ATOM if base else inner, marks, found)


# LaTeX: signs bind as a reader takes them --------------------------------------------------------

_FIRST_MARK = 0xF0000  # of Unicode's private letters: no name can have one
_TOKEN = re.compile(r"\\left.|\\right.|\\(?:begin|end)\{\w+\}|\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)
_OPENING = ("{", "(", "[", r"\left", r"\begin")
_CLOSING = ("}", ")", "]", r"\right", r"\end")
_SEPARATORS = (",", ";", "&", r"\\")
_COMPARISONS = ("=", "<", ">", r"\leq", r"\geq", r"\neq")
_SIGNS = {
    **dict.fromkeys(_COMPARISONS, Level.COMPARE),
    r"\sum": Level.SUM,
    "+": Level.ADD,
    "-": Level.ADD,
    r"\cdot": Level.MULTIPLY,
    r"\odot": Level.MULTIPLY,
    r"\,": Level.JUXTAPOSE,
    "^": Level.POWER,
    r"\frac": Level.POWER,
}
_NEEDED_BEFORE = {  # what the operand in front of a sign must bind by, so as not to be torn apart
    **dict.fromkeys(_COMPARISONS, Level.SUM),
    "+": Level.ADD,
    "-": Level.ADD,
    r"\cdot": Level.MULTIPLY,
    r"\odot": Level.MULTIPLY,
    r"\,": Level.JUXTAPOSE,
    **dict.fromkeys(("^", "(", "["), Level.INDEXED),
    "_": Level.ATOM,
}
_NEEDED_AFTER = {
    **dict.fromkeys(_COMPARISONS, Level.SUM),
    r"\sum": Level.MULTIPLY,
    "+": Level.ADD,
    "-": Level.MULTIPLY,
    r"\cdot": Level.MULTIPLY,
    r"\odot": Level.MULTIPLY,
    r"\,": Level.JUXTAPOSE,
}


@lru_cache(maxsize=4096)
def _latex_form(template: str) -> Form:
    pieces: list[str | int] = []
    needs: list[Level] = []
    inner: set[int] = set()
    groups: list[list[str | int]] = [[]]  # the tokens of each that is open; an int is a place of an operand
    for token in _TOKEN.findall(template):
        if ord(token[0]) >= _FIRST_MARK:
            pieces.append(ord(token) - _FIRST_MARK)
            groups[-1].append(len(needs))
            needs.append(Level.OPEN)
            continue
        pieces.append(token)
        if token.startswith(_CLOSING) or token in _SEPARATORS:
            _look(groups.pop(), needs, inner)
            if token in _SEPARATORS:
                groups.append([])
        elif token.startswith(_OPENING):
            groups[-1].append(token)
            groups.append([])
        elif not token.isspace():
            groups[-1].append(token)
    level = _look(groups[-1], needs, inner)
    surface = frozenset(x for x in groups[-1] if isinstance(x, int))
    return Form(tuple(pieces), level, tuple(needs), surface, frozenset(inner))


def _look(tokens: Sequence[str | int], needs: list[Level], inner: set[int]) -> Level:
    """Enter what the operands in a run of tokens must bind by; how tightly the run binds."""
    after_sum = False
    for k, place in enumerate(tokens):
        after_sum = after_sum or place == r"\sum"
        if isinstance(place, int):
            before = r"\sum" if after_sum else tokens[k - 1] if k else None
            behind = tokens[k + 1] if k + 1 < len(tokens) else None
            needs[place] = max(_needed(_NEEDED_AFTER, before), _needed(_NEEDED_BEFORE, behind))
            if k:
                inner.add(place)
    levels = [_SIGNS.get(token, Level.ATOM) for token in tokens if isinstance(token, str)]
    if tokens and tokens[0] == "-":
        levels[0] = Level.SIGN
    return min(levels, default=Level.ATOM)


def _needed(table: dict[str, Level], token: str | int | None) -> Level:
    return table.get(token, Level.OPEN) if isinstance(token, str) else Level.OPEN


# names in LaTeX -------------------------------------------------------------------------------

GREEK_LETTERS = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        [
            "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda",
            "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma",
            "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
        ],
        strict=True,
    )
)  # fmt: skip
"""Greek letters and their names in LaTeX."""
_NAMES_OF_LETTERS = set(GREEK_LETTERS.values())
_ACCENTS = ("bar", "dot", "hat", "tilde")
_MOST_PARTS = 6  # of a name, that are still set as an index of an index


def typeset(name: str) -> Part:
    """A name in LaTeX: digits at its end and words after _ become indices, Greek letters themselves."""
    parts = name.split("_")
    if len(parts) > _MOST_PARTS or "" in parts:
        return Part(rf"\mathrm{{{_escaped(name)}}}")
    head, rest = parts[0], "_".join(parts[1:])
    if head in ("d", "log") and rest:
        inner = typeset(rest)
        if head == "d":
            return Part(f"d{inner.text}", min(inner.level, Level.POWER))
        return Part(rf"\log {inner.text}", Level.MULTIPLY)
    letters = head.rstrip("0123456789")
    index = [head[len(letters) :]] if letters != head else []
    if letters in GREEK_LETTERS or letters in _NAMES_OF_LETTERS:
        letters = rf"\{GREEK_LETTERS.get(letters, letters)}"
    elif len(letters) > 1:
        letters = rf"\mathrm{{{_escaped(letters)}}}"
    accent, _, others = rest.partition("_")
    if letters and accent in _ACCENTS:
        letters, rest = rf"\{accent}{{{letters}}}", others
    if rest:
        index.append(typeset(rest).text)
    if not letters:
        return Part(",".join(index))
    below = ",".join(index)
    if not below:
        return Part(letters)
    return Part(f"{letters}_{below}" if len(below) == 1 else f"{letters}_{{{below}}}", Level.INDEXED)


def _escaped(text: str) -> str:
    return text.replace("_", r"\_")
