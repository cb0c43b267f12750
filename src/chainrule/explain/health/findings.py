"""What is wrong with a training: the kinds of findings, one finding, and all of a diagnosis."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ...checks import counted

WIDTH = 80


@dataclass(frozen=True)
class Kind:
    """What all findings of a kind have in common.

    Attributes
    ----------
    title : str
    means : str
        What it does to the training.
    advice : tuple of str
        What to try, the likeliest remedy first.
    """

    title: str
    means: str
    advice: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "not_finite": Kind(
        "A number became NaN or infinite",
        "From there on every number that is computed from it is NaN or infinite too, and so are the weights "
        "after the step.",
        (
            "a smaller learning rate",
            "scaled inputs",
            "clip_norm=1 in the optimizer",
            "a form of the function that does not overflow",
        ),
    ),
    "exploding_gradients": Kind(
        "Exploding gradients",
        "The gradient grows from layer to layer on its way back, so that one learning rate cannot suit the "
        "first layers and the last.",
        (
            "the initial weights that suit the activation (the default)",
            "clip_norm=1 in the optimizer",
            "BatchNorm or LayerNorm after each layer",
        ),
    ),
    "vanishing_gradients": Kind(
        "Vanishing gradients",
        "The gradient shrinks from layer to layer on its way back: the layers near the inputs hardly learn.",
        (
            "relu, with its initial weights, in place of tanh or logistic",
            "BatchNorm or LayerNorm after each layer",
            "fewer layers, or ways around them with Add",
        ),
    ),
    "dead_units": Kind(
        "Dead units",
        "A unit that is 0 for every row passes no gradient on: its weights never change again, and the "
        "network is as good as without it.",
        (
            "a smaller learning rate",
            "leaky_relu or elu in place of relu",
            "inputs of mean 0",
            "biases that start at 0",
        ),
    ),
    "saturated_units": Kind(
        "Saturated units",
        "Where an activation is flat its slope is nearly 0: such a unit gives all rows one of two answers "
        "and learns very slowly.",
        (
            "scaled inputs",
            "smaller initial weights (the default suits the activation)",
            "a smaller learning rate",
            "relu in place of tanh or logistic",
        ),
    ),
    "rate_too_large": Kind(
        "The learning rate is too large",
        "Steps go beyond the place that the slope points to, so that the loss rises or swings instead of "
        "falling.",
        ("a third of the learning rate, then again", "clip_norm=1 in the optimizer", "a schedule that falls"),
    ),
    "rate_too_small": Kind(
        "The learning rate is too small",
        "The loss falls in a straight line by very little a step: far longer steps would go down as "
        "steadily.",
        ("a learning rate ten times as large, then again", "an optimizer that finds its own scale: Adam"),
    ),
    "unscaled_inputs": Kind(
        "Inputs that are not scaled",
        "Initial weights suit inputs around 1 in size. A column that is far larger drowns the others, and "
        "the learning rate that suits its weights is far too small for theirs.",
        (
            "Standardize(X.mean(axis=0), X.std(axis=0)) as the first layer",
            "logarithms of columns that run over orders of magnitude",
        ),
    ),
    "offset_inputs": Kind(
        "Inputs far from 0",
        "What a column tells is how it differs from its mean. Where the mean is far larger, units first "
        "see a constant, and their biases must learn it away.",
        ("Standardize(X.mean(axis=0), X.std(axis=0)) as the first layer",),
    ),
    "constant_inputs": Kind(
        "Constant inputs",
        "A column that is the same in every row tells nothing. Where it was to vary, something went wrong on "
        "the way to the network.",
        ("a look at where the column comes from", "the table without it"),
    ),
    "leakage": Kind(
        "One input nearly gives the answer away",
        "It may be known only after the answer, or be made of it. Then the network is good on these rows, "
        "and useless where the input is not known yet.",
        (
            "asking how the column comes about, and whether it is known when predictions are made",
            "the table without it, to see how good the network then is",
        ),
    ),
    "imbalance": Kind(
        "Rare classes",
        "Where one class has nearly all rows, the network is right most of the time by naming it always; "
        "accuracy does not show that.",
        (
            "class_weight='balanced' in fit",
            "metrics=['f1_macro'] or another that counts classes alike",
            "more rows of the rare classes",
        ),
    ),
    "one_answer": Kind(
        "The same answer for every row",
        "The network does not use its inputs: it has learned no more than the most frequent class, or the "
        "mean.",
        (
            "the other findings first, if there are any",
            "another learning rate",
            "class_weight='balanced' in fit",
            "for large values, Rescale([y.mean()], [y.std()]) as the last layer",
            "inputs and targets in the same order of rows",
        ),
    ),
    "conflicting_rows": Kind(
        "Equal rows of different classes",
        "No network can tell rows apart whose inputs are the same: they set a limit to the accuracy.",
        ("a look at how these rows were labelled", "further columns that tell them apart"),
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with the numbers that show it.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    where : str
        A layer, input or output; empty where it is the whole training.
    seen : str
        What was measured.
    sure : str
        How sure that makes it: an interval, a share, a number of rows.
    numbers : mapping of str to object
        What `seen` and `sure` tell, for programs.
    """

    kind: str
    where: str
    seen: str
    sure: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return KINDS[self.kind].title

    @property
    def means(self) -> str:
        return KINDS[self.kind].means

    @property
    def advice(self) -> tuple[str, ...]:
        return KINDS[self.kind].advice

    @property
    def headline(self) -> str:
        """The title with the place."""
        return f"{self.title}: {self.where}" if self.where else self.title

    def to_json(self) -> dict[str, Any]:
        """Everything as what JSON can hold."""
        told = {"kind": self.kind, "where": self.where, "title": self.title, "seen": self.seen}
        told |= {"means": self.means, "sure": self.sure}
        return {**told, "advice": list(self.advice), "numbers": dict(self.numbers)}

    def lines(self) -> list[tuple[str, str]]:
        """What it says, part by part, each with its name."""
        parts = [("seen", self.seen), ("means", self.means), ("sure", self.sure)]
        return [*parts, ("try", "; ".join(self.advice) + ".")]

    def __str__(self) -> str:
        text = textwrap.wrap(self.headline, WIDTH)
        for name, value in self.lines():
            text += textwrap.wrap(value, WIDTH, initial_indent=f"  {name:<7}", subsequent_indent=" " * 9)
        return "\n".join(text)


@dataclass(frozen=True)
class LayerHealth:
    """What was measured of one layer with trained weights, for the step that would come next.

    Attributes
    ----------
    layer : str
    signal : float
        The norm of the loss's gradient by the layer's results, all rows together.
    gradient : float
        The norm of the loss's gradient by its weights.
    update : float
        The norm of the step's change of its weights over that of the weights; NaN where these are 0.
    units, dead, saturated : int
        How many units it has, and how many are 0 for all rows, or at a flat end for nearly all.
    """

    layer: str
    signal: float
    gradient: float
    update: float
    units: int
    dead: int
    saturated: int


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What was looked at and what was found; prints as text, and iterates over its findings.

    Attributes
    ----------
    findings : tuple of Finding
        The gravest first.
    layers : tuple of LayerHealth
    rows, of : int
        How many rows the layers were measured on, and how many there are.
    skipped : tuple of str
        What could not be looked for, and why.
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerHealth, ...] = ()
    rows: int = 0
    of: int = 0
    skipped: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings, in their order."""
        return [finding.kind for finding in self.findings]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, i: int) -> Finding:
        return self.findings[i]

    def __bool__(self) -> bool:
        return True

    @property
    def summary(self) -> str:
        """A sentence of what was found in how many rows."""
        rows = counted(self.of, "row")
        if self.rows < self.of:
            rows = f"{rows} ({self.rows:,} of them drawn at random)"
        return f"{counted(len(self), 'finding') if len(self) else 'No findings'} in {rows}"

    def __str__(self) -> str:
        parts = [f"{self.summary}."]
        parts += [f"{i + 1}. {finding}" for i, finding in enumerate(self)]
        if self.layers:
            parts.append("\n".join(layer_table(self.layers)))
        parts += ["\n".join(textwrap.wrap(f"Not looked at: {why}", WIDTH)) for why in self.skipped]
        return "\n\n".join(parts)

    __repr__ = __str__

    def to_json(self) -> dict[str, Any]:
        """Everything as what JSON can hold; what is no number there is None."""
        layers = [{name: _plain(value) for name, value in vars(layer).items()} for layer in self.layers]
        return {
            "healthy": self.healthy,
            "rows": {"measured": self.rows, "all": self.of},
            "findings": [_plain(finding.to_json()) for finding in self],
            "layers": layers,
            "skipped": list(self.skipped),
        }

    def _repr_html_(self) -> str:
        parts = [f"<p>{escape(self.summary)}.</p>"]
        for finding in self:
            told = "".join(
                f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in finding.lines()
            )
            parts.append(f"<section><h4>{escape(finding.headline)}</h4><dl>{told}</dl></section>")
        if self.layers:
            head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in COLUMNS)
            rows = "".join(
                f"<tr><th scope='row'>{escape(row[0])}</th>{''.join(f'<td>{c}</td>' for c in row[1:])}</tr>"
                for row in map(_cells, self.layers)
            )
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        parts += [f"<p>Not looked at: {escape(why)}</p>" for why in self.skipped]
        return f"<div class='chainrule-health'>{''.join(parts)}</div>"


COLUMNS = ("layer", "signal", "gradient", "update", "units", "dead", "flat")


def layer_table(layers: Sequence[LayerHealth]) -> list[str]:
    """The layers' numbers in lines of at most 80 columns."""
    rows = [COLUMNS, *map(_cells, layers)]
    wide = min(24, max(len(row[0]) for row in rows))
    return [
        f"{row[0][:wide]:<{wide}}{row[1]:>11}{row[2]:>11}{row[3]:>11}{row[4]:>7}{row[5]:>7}{row[6]:>7}"
        for row in rows
    ]


def _cells(layer: LayerHealth) -> tuple[str, ...]:
    numbers = [f"{value:.2e}" for value in (layer.signal, layer.gradient, layer.update)]
    return (layer.layer, *numbers, str(layer.units), str(layer.dead), str(layer.saturated))


def _plain(value: Any) -> Any:
    """Python's own kinds; None for NaN and infinity, which JSON has not got."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value - value != 0:
        return None
    return value
