"""What if a number were another: what its derivative foretells of the loss, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from ...autodiff.gradient import gradient
from ...checks import counted, real_number
from ...errors import ParameterError
from ...graph.evaluate import interpret
from ...graph.tensor import LEAF, Tensor
from ..naming import Names
from ..numbers import as_json, plain
from ..step import Step
from ..wording import fill
from .slices import Slice, Surface, draw_slice, draw_surface, loss_slice, loss_surface
from .why import shortest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
SHOWN = 8  # outputs that are listed


@dataclass(frozen=True)
class WhatIf:
    """What a change of one or several numbers does to the loss.

    Attributes
    ----------
    names : list of str
    before, after : list of float
        The numbers.
    changes : list of float
    slopes : list of float
        The derivative of the loss by each.
    loss, loss_after : float
        Penalties included.
    foretold : float
        The change of the loss by the slopes: their sum, each times its change.
    foretold_bent : float
        The same with the second derivatives, half of the change times them times the change.
    outputs, outputs_after : list of ndarray, shape (rows, outputs)
        What the network predicts in this step, of each output; of a classifier probabilities.
    rows : int
    """

    names: list[str]
    before: list[float]
    after: list[float]
    changes: list[float]
    slopes: list[float]
    loss: float
    loss_after: float
    foretold: float
    foretold_bent: float
    outputs: list[Array]
    outputs_after: list[Array]
    rows: int
    step: Step = field(repr=False)

    @property
    def actual(self) -> float:
        """The change of the loss."""
        return self.loss_after - self.loss

    @property
    def sentence(self) -> str:
        """What happens, in words."""
        moves = [
            f"{'lower' if change < 0 else 'raise'} {name} by {abs(change):g}"
            for name, change in zip(self.names, self.changes, strict=True)
        ]
        said = ", ".join(moves)
        if np.isfinite(self.actual):
            went = "rises" if self.actual > 0 else "falls"
            came = f"{went} by {abs(self.actual):.3g}" if self.actual else "stays as it is"
        else:
            came = f"becomes {self.loss_after:g}"
        slopes = "its slope" if len(self.names) == 1 else "the slopes"
        return f"{said[0].upper()}{said[1:]}, and the loss {came}; {slopes} foretold {self.foretold:+.3g}."

    def slice(self, points: int = 81) -> Slice:
        """The loss along the number, for one that is changed; see `loss_slice`."""
        if len(self.names) != 1:
            raise ParameterError(
                f"slice: is along one number, and {len(self.names)} are changed. Take surface() for two."
            )
        low, high = _span(self.before[0], self.after[0])
        return loss_slice(self.step, self.names[0], low, high, points)

    def surface(self, points: int = 41) -> Surface:
        """The loss over two numbers, for two that are changed; see `loss_surface`."""
        if len(self.names) != 2:
            raise ParameterError(
                f"surface: is over two numbers, and {len(self.names)} are changed. Take slice() for one."
            )
        spans = [_span(b, a) for b, a in zip(self.before, self.after, strict=True)]
        return loss_surface(self.step, self.names, spans, points)

    def plot(self, points: int | None = None) -> Figure:
        """The slice along one number, or the surface over two, with where it starts and where it leads.

        Returns
        -------
        matplotlib.figure.Figure
            Save it: ``figure.savefig("slice.png")``.

        Raises
        ------
        ParameterError
            If more than two numbers are changed.
        MissingExtraError
            If matplotlib is not installed.
        """
        if len(self.names) == 1:
            return draw_slice(self, self.slice(points or 81))
        return draw_surface(self, self.surface(points or 41))

    def __str__(self) -> str:
        lines = ["What if", ""]
        wide = max(map(len, self.names))
        for name, b, a in zip(self.names, self.before, self.after, strict=True):
            lines.append(f"   {name:<{wide}}  were {a:.9g} instead of {b:.9g}")
        lines += ["", f"{'':<22}{'loss':>16}{'change':>18}", f"   {'as it is':<19}{self.loss:>16.9g}"]
        for label, change in (
            ("by the slope", self.foretold),
            ("and its bend", self.foretold_bent),
            ("really", self.actual),
        ):
            after = self.loss_after if label == "really" else self.loss + change
            lines.append(f"   {label:<19}{after:>16.9g}{change:>+18.9g}")
        return "\n".join([*lines, "", *self._outputs_text(), *fill(self.sentence)])

    def _outputs_text(self) -> list[str]:
        """The outputs that change most."""
        listed = []
        for k, (old, new) in enumerate(zip(self.outputs, self.outputs_after, strict=True)):
            name = self.step.network._output_names()[k] if len(self.outputs) > 1 else "output"
            for row, unit in np.ndindex(*old.shape):
                row_said = f"row {row}, " if self.rows > 1 else ""
                listed.append((f"{row_said}{name} {unit}", float(old[row, unit]), float(new[row, unit])))
        order = sorted(range(len(listed)), key=lambda i: -abs(listed[i][2] - listed[i][1]))[:SHOWN]
        most = "" if len(listed) <= SHOWN else f", the {SHOWN} of {len(listed):,} that change most"
        lines = [f"Predictions{most}:"]
        for i in sorted(order):
            name, b, a = listed[i]
            lines.append(f"   {name:<19}{b:>16.9g} -> {a:<16.9g}".rstrip())
        return [*lines, ""]

    def to_json(self) -> dict[str, Any]:
        """All of it as what JSON can hold."""
        lists = ("before", "after", "changes", "slopes")
        numbers = ("loss", "loss_after", "foretold", "foretold_bent", "actual")
        return {
            "names": self.names,
            **{name: as_json(np.array(getattr(self, name))) for name in lists},
            **{name: plain(getattr(self, name)) for name in numbers},
            "rows": self.rows,
            "outputs": [as_json(x) for x in self.outputs],
            "outputs_after": [as_json(x) for x in self.outputs_after],
            "sentence": self.sentence,
        }


def what_if(step: Step, name: Any, change: Any) -> WhatIf:
    """What a change does; see `Network.what_if`."""
    several = isinstance(name, Iterable) and not isinstance(name, str)
    listed: list[Any] = list(name) if several else [name]
    given = list(change) if several and np.ndim(change) else [change]
    if not listed or len(given) != len(listed):
        raise ParameterError(
            f"what_if: got {counted(len(listed), 'name')} and {counted(len(given), 'change')}. Pass a change "
            "for each, e.g. what_if(['W1[0, 0]', 'W1[0, 1]'], [0.5, -0.5], X, y)."
        )
    changes = [real_number(c, "what_if: a change", -np.inf, np.inf, low_too=False) for c in given]
    loss = step.need_loss()
    names = Names(step.network, loss, step.rows)
    places = [names.place(n) for n in listed]
    if len({(p.node, p.index) for p in places}) < len(places):
        raise ParameterError("what_if: two of the names mean the same number. Name each once.")
    nodes = list(dict.fromkeys(p.node for p in places))
    slopes = dict(zip(nodes, gradient(loss, nodes), strict=True))
    each = [slopes[p.node][p.index] if p.index else slopes[p.node] for p in places]
    way = reduce(add, [c * s for c, s in zip(changes, each, strict=True)])
    bends = dict(zip(nodes, gradient(way, nodes), strict=True))
    outputs = step.network.graph.trained_outputs
    predictions = [own.prediction(z) for own, z in zip(step.network._losses, outputs, strict=True)]
    wanted = [loss, *predictions]
    found = step.values([*wanted, *nodes, *each, *(bends[p.node] for p in places)])
    now, found = found[: len(wanted)], found[len(wanted) :]
    values = dict(zip(nodes, found, strict=False))
    found = found[len(nodes) :]
    moved = {node: np.array(values[node]) for node in nodes}
    for p, c in zip(places, changes, strict=True):
        moved[p.node][p.index] += c
    then = changed_values(step, wanted, moved)
    slope_values = [float(s) for s in found[: len(places)]]
    bend = sum(c * float(b[p.index]) for p, c, b in zip(places, changes, found[len(places) :], strict=True))
    first = sum(c * s for c, s in zip(changes, slope_values, strict=True))
    return WhatIf(
        names=[p.name for p in places],
        before=[shortest(values[p.node][p.index]) for p in places],
        after=[shortest(moved[p.node][p.index]) for p in places],
        changes=changes,
        slopes=slope_values,
        loss=float(now[0]),
        loss_after=float(then[0]),
        foretold=float(first),
        foretold_bent=float(first + bend / 2),
        outputs=[np.asarray(x) for x in now[1:]],
        outputs_after=[np.asarray(x) for x in then[1:]],
        rows=step.rows,
        step=step,
    )


def changed_values(step: Step, wanted: Sequence[Tensor], moved: dict[Tensor, Array]) -> list[Array]:
    """The values of nodes with others put in."""
    if all(node.op is LEAF for node in moved):
        return step.values(wanted, moved)
    return [np.asarray(value) for value in interpret(wanted, {**step.feed, **moved})]


def _span(before: float, after: float) -> tuple[float, float]:
    """What to show of a number's values: both, and as much again to either side."""
    room = abs(after - before) or 1.0
    return min(before, after) - room, max(before, after) + room
