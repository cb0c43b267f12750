"""The reader's choice of letters: the same numbers in the notation of another book."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...emit.notation import GREEK_LETTERS, Latex, Level, Part, Text, digits, typeset
from ...errors import ParameterError, unknown_name
from ...nn.network import BaseNetwork

Array = np.ndarray[Any, Any]
LETTERS = ("rate", "target", "input", "weights", "bias", "pre_activation", "activation", "loss", "delta")
CHOICES: dict[str, tuple[Any, ...]] = {
    "gradient": ("d", "partial"),
    "first_layer": (0, 1, 2),
    "layer_index": ("below", "above"),
    "weight_shape": ("inputs_units", "units_inputs"),
}
_BY_NAME = {name: letter for letter, name in GREEK_LETTERS.items()}


@dataclass(frozen=True)
class Notation:
    """How a reader wants a network's numbers to be called. It changes what is shown, and no number.

    Letters are plain identifiers; Greek ones can be written as such, or by name (eta, or \\eta).

    Parameters
    ----------
    rate : str
        The learning rate: lr, η, α, ε, ...
    target, input, weights, bias, pre_activation, activation, loss : str
        What is called t, x, W, b, z, a and loss otherwise.
    gradient : {"d", "partial"}
        The loss's derivative by z as d_z, or as ∂loss/∂z.
    delta : str
        A letter of its own for the derivative by a layer's pre-activation, such as δ; none where it is empty.
    first_layer : {0, 1, 2}
        The number of the first layer with weights; 2 where the inputs are counted as a layer.
    layer_index : {"below", "above"}
        Where formulas set that number.
    weight_shape : {"inputs_units", "units_inputs"}
        Whether a unit's weights are a column of W, and each sample a row: z = x W + b; or a row, and each
        sample a column: z = W x + b. Everything with two axes is then shown transposed.

    Raises
    ------
    ParameterError
        If a letter is no identifier, two are the same, or a choice does not exist.

    Examples
    --------
    >>> Notation(rate="eta", target="y").rate
    'η'
    """

    rate: str = "lr"
    target: str = "t"
    input: str = "x"
    weights: str = "W"
    bias: str = "b"
    pre_activation: str = "z"
    activation: str = "a"
    loss: str = "loss"
    gradient: str = "d"
    delta: str = ""
    first_layer: int = 1
    layer_index: str = "below"
    weight_shape: str = "inputs_units"

    def __post_init__(self) -> None:
        for field in LETTERS:
            object.__setattr__(self, field, _letter(field, getattr(self, field)))
        for field, known in CHOICES.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not any(value == choice for choice in known):
                raise ParameterError(
                    f"notation: {field} must be one of {', '.join(map(str, known))}, got {value!r:.60}."
                )
        used: dict[str, str] = {}
        for field in LETTERS:
            letter = getattr(self, field)
            if letter and letter in used:
                raise ParameterError(
                    f"notation: {used[letter]} and {field} are both {letter}. Give them different letters."
                )
            used[letter] = field

    @property
    def columns(self) -> bool:
        """Whether each sample is a column."""
        return self.weight_shape == "units_inputs"

    def to_json(self) -> dict[str, Any]:
        """Its choices by name."""
        return dataclasses.asdict(self)


def _letter(field: str, value: object) -> str:
    text = value.removeprefix("\\") if isinstance(value, str) else ""
    text = _BY_NAME.get(text, text)
    plain = text.isidentifier() and "_" not in text and not text[-1].isdigit()
    if not plain and not (field == "delta" and value == ""):
        raise ParameterError(
            f"notation: {field} must be a letter or a word without digits and _, got {value!r:.60}. "
            "Pass e.g. 'eta'."
        )
    return text


PRESETS = {
    "chainrule": Notation(),
    "nielsen": Notation(
        rate="η", target="y", loss="C", weights="w", delta="δ", gradient="partial", first_layer=2,
        layer_index="above", weight_shape="units_inputs",
    ),
    "ng": Notation(rate="α", target="y", loss="J", layer_index="above", weight_shape="units_inputs"),
    "goodfellow": Notation(
        rate="ε", target="y", loss="J", pre_activation="a", activation="h", gradient="partial",
        layer_index="above", weight_shape="units_inputs",
    ),
    "bishop": Notation(
        rate="η", loss="E", weights="w", pre_activation="a", activation="z", delta="δ", gradient="partial",
        layer_index="above", weight_shape="units_inputs",
    ),
    "mitchell": Notation(
        rate="η", loss="E", weights="w", pre_activation="net", activation="o", delta="δ", gradient="partial",
        weight_shape="units_inputs",
    ),
    "mazur": Notation(
        rate="η", target="target", loss="E", weights="w", input="i", pre_activation="net", activation="out",
        gradient="partial", weight_shape="units_inputs",
    ),
}  # fmt: skip
"""Notations of books by their authors' names, as near as one set of letters for all networks comes."""


def find_reader_notation(value: Any) -> Notation:
    """A notation: as it is, by a preset's name, or from its choices in a dict.

    Parameters
    ----------
    value : Notation, str, dict or None
        Of a dict, "preset" names what the other choices change. None is the package's own.

    Raises
    ------
    UnknownNameError
        If there is no such preset or choice.
    ParameterError
        If a choice is not what it can be, or the value is nothing of that.
    """
    if value is None or isinstance(value, Notation):
        return value or PRESETS["chainrule"]
    if isinstance(value, str):
        if value not in PRESETS:
            raise unknown_name("notation", value, PRESETS)
        return PRESETS[value]
    if not isinstance(value, Mapping):
        raise ParameterError(
            f"notation must be a name, a dict or a Notation, got {value!r:.60}. Pass e.g. 'nielsen'."
        )
    known = [field.name for field in dataclasses.fields(Notation)]
    for key in value:
        if key not in known and key != "preset":
            raise unknown_name("notation: choice", key, [*known, "preset"])
    changes = {key: choice for key, choice in value.items() if key != "preset"}
    return dataclasses.replace(find_reader_notation(value.get("preset")), **changes)


# the names of one network ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Symbol:
    letter: str
    index: str = ""
    pre_activation: bool = False


class Symbols:
    """What a network's nodes are called in a notation.

    Raises
    ------
    ParameterError
        If two would have one name.
    """

    def __init__(self, network: BaseNetwork, notation: Notation) -> None:
        self.notation = notation
        self._known = {"lr": _Symbol(notation.rate), "loss": _Symbol(notation.loss)}
        for k in range(len(network.graph.losses)):
            self._known[f"loss{k + 1}"] = _Symbol(notation.loss, str(k + 1))
        for leaves, letter, own in (
            (network.graph.xs, notation.input, "x"),
            (network.graph.ts, notation.target, "t"),
        ):
            for leaf in leaves:
                stem = str(leaf.name).rstrip("0123456789")
                if stem == own:
                    self._known[str(leaf.name)] = _Symbol(letter, str(leaf.name)[len(stem) :])
        letters = {
            "z": notation.pre_activation,
            "a": notation.activation,
            "W": notation.weights,
            "b": notation.bias,
        }
        for tag in network._tags():
            index = str(int(tag) + notation.first_layer - 1) if tag.isdigit() else tag.lstrip("_")
            for use in ("", *(f"_{k}" for k in range(2, 2 + len(network._wiring.calls)))):
                for stem, letter in letters.items():
                    self._known[f"{stem}{tag}{use}"] = _Symbol(
                        letter, f"{index}{use.replace('_', ',')}", stem == "z"
                    )

    def check(self, names: Sequence[str]) -> None:
        """Raise ParameterError if two names would be shown alike."""
        shown: dict[str, str] = {}
        for name in dict.fromkeys(names):
            other = shown.setdefault(self.text(name).text, name)
            if other != name:
                raise ParameterError(
                    f"notation: {other} and {name} would both be called {self.text(name).text}. "
                    "Choose other letters."
                )

    def text(self, name: str) -> Part:
        """A name of the printed source in plain text."""
        prefix, inner = self._split(name)
        if prefix == "d" and (inner is not None or self.notation.gradient == "partial"):
            return self._derivative_text(name.removeprefix("d_"), inner)
        if inner is None:
            return Part(name)
        plain = _plain(inner)
        return Part(f"{prefix}_{plain}" if prefix else plain)

    def latex(self, name: str) -> Part:
        """The same in LaTeX."""
        prefix, inner = self._split(name)
        if prefix == "d" and (inner is not None or self.notation.gradient == "partial"):
            return self._derivative_latex(name.removeprefix("d_"), inner)
        if inner is None:
            return typeset(name)
        own = self._set(inner)
        if not prefix:
            return own
        start = typeset(prefix)
        joined = f"{start.text[:-1]},{own.text}}}" if start.text.endswith("}") and "_{" in start.text else ""
        return Part(joined or f"{start.text}_{{{own.text}}}", Level.INDEXED)

    def element(self, name: str, indices: str) -> Part:
        """An element in LaTeX: a name with the letters of its place as indices; d_z1 is a delta here."""
        _, found = self._split(name)
        symbol = found or _Symbol(name)
        if name.startswith("d_"):
            symbol = dataclasses.replace(symbol, letter=self.notation.delta)
        own = self._set(symbol)
        if self.notation.layer_index == "above" or not symbol.index:
            return Part(f"{own.text}_{{{indices}}}", Level.INDEXED)
        return Part(f"{typeset(symbol.letter).text}_{{{symbol.index},{indices}}}", Level.INDEXED)

    def _split(self, name: str) -> tuple[str, _Symbol | None]:
        """What stands before a symbol that is known, such as d or m, and the symbol."""
        if name in self._known:
            return "", self._known[name]
        for at in (found.start() for found in re.finditer("_", name)):
            if name[at + 1 :] in self._known:
                return name[:at], self._known[name[at + 1 :]]
        return ("d" if name.startswith("d_") else ""), None

    def _derivative_text(self, inner: str, symbol: _Symbol | None) -> Part:
        own = _plain(symbol) if symbol else inner
        if symbol and symbol.pre_activation and self.notation.delta:
            return Part(_plain(dataclasses.replace(symbol, letter=self.notation.delta)))
        if self.notation.gradient == "d":
            return Part(f"d_{own}")
        return Part(f"∂{self.notation.loss}/∂{own}", Level.MULTIPLY)

    def _derivative_latex(self, inner: str, symbol: _Symbol | None) -> Part:
        if symbol and symbol.pre_activation and self.notation.delta:
            return self._set(dataclasses.replace(symbol, letter=self.notation.delta))
        own = self._set(symbol) if symbol else typeset(inner)
        if self.notation.gradient == "d":
            return Part(f"d{own.text}", min(own.level, Level.POWER))
        return Part(
            rf"\frac{{\partial {typeset(self.notation.loss).text}}}{{\partial {own.text}}}", Level.POWER
        )

    def _set(self, symbol: _Symbol) -> Part:
        letter = typeset(symbol.letter)
        if not symbol.index:
            return letter
        words = [typeset(part).text for part in symbol.index.split(",")]
        above = self.notation.layer_index == "above"
        sign, level = ("^", Level.POWER) if above else ("_", Level.INDEXED)
        index = ",".join(words)
        brief = len(index) == 1 and not above
        return Part(f"{letter.text}{sign}{index if brief else f'{{{index}}}'}", level)


def _plain(symbol: _Symbol) -> str:
    index = symbol.index.replace(",", "_")
    return f"{symbol.letter}{'' if index[:1].isdigit() or not index else '_'}{index}"


_NEXT_ROW = r" \\ "


class ReaderText(Text):
    """Plain text with a reader's names, and small arrays written out."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    def name(self, name: str) -> Part:
        return self.symbols.text(name)

    def array(self, value: Array) -> Part:
        """Numbers between brackets; a single one as it is."""
        if value.ndim == 0:
            return self.number(value[()])
        return Part(f"[{' '.join(self.array(x).text for x in value)}]")


class ReaderLatex(Latex):
    """LaTeX with a reader's names, and small arrays as matrices."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols

    def name(self, name: str) -> Part:
        return self.symbols.latex(name)

    def array(self, value: Array) -> Part:
        """A matrix; a vector as a row of one; a single number as it is."""
        if value.ndim == 0:
            return self.number(value[()])
        if value.ndim > 2:
            return Part(rf"\mathrm{{array\ of\ shape\ }}({', '.join(map(str, value.shape))})")
        rows = [" & ".join(self.number(x).text for x in row) for row in np.atleast_2d(value)]
        return Part(rf"\begin{{pmatrix}} {_NEXT_ROW.join(rows)} \end{{pmatrix}}")


__all__ = ["CHOICES", "LETTERS", "PRESETS", "Notation", "ReaderLatex", "ReaderText", "Symbols", "digits"]
