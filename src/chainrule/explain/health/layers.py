"""What is wrong in a network's layers: gradients that shrink or grow, units that are dead or stuck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...checks import counted
from ...training.metrics import MeasuredNetwork
from .certainty import interval, never
from .findings import Finding, LayerHealth
from .probe import Found, Probe

Array = np.ndarray[Any, Any]

VANISHED = 1e-3
"""The gradient by a layer's results, as a share of that by the last layer's, below which it has vanished:
three hidden layers of logistic units from Glorot's weights still have a hundredth, five a thousandth."""
EXPLODED = 1e3
"""The same the other way."""
MOVES = 1e-2
"""A layer whose weights move by this share of what the others' do may learn all the same: rules that scale
each weight's step (Adam, RMSProp) make up for a small gradient, if the loss shows it."""
LEARNS = 0.9
"""The share of the loss of a constant answer below which it does."""
NUMB = 1e-6
"""Below this share of the last layer's gradient no rule makes up for it: rounding in float32 drowns it."""
FLAT = 0.01
"""How near to an end of its range, as a share of the range, an activation is flat: for logistic the slope is
there 4 % of what it is in the middle, and falls on."""
STUCK = 0.95
"""The share of rows for which a unit must be at a flat end to be called saturated."""
SERVED = 0.1
"""Below this share of the loss of a constant answer, saturation is no fault: units that tell classes apart
for good end there."""
UNITS = 0.5
"""The share of a layer's units that must be dead or saturated: some are in most good networks, and cost
little."""
UNIT_ROWS = 30
"""Rows below which no unit is called dead: a living one that is active for every tenth row is 0 for 30 rows
with a chance of 4 %, but for the four rows of xor most of the time."""
ENDS = {
    "tanh": (-1.0, 1.0),
    "logistic": (0.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softsign": (-1.0, 1.0),
}
"""The ranges of activations with two flat ends."""
ZERO = {"relu"}
"""Activations that are 0, with slope 0, on one whole side."""


class Layers:
    """The trained layers' numbers in a step, and what is wrong with them."""

    def __init__(self, network: MeasuredNetwork, probe: Probe) -> None:
        g = network.graph
        self.network, self.probe = network, probe
        outputs = {g.trained_values[value - len(g.xs)] for value in network._wiring.outputs}
        self.last = [not outputs.isdisjoint(made) for _, made, _ in probe.layers]
        if not any(self.last):  # what follows the last weights scales their results, no more
            self.last[-1:] = [True]

    def measure(self, found: Found) -> list[LayerHealth]:
        """The layers' numbers from what the probe has found."""
        probe, layers = self.probe, []
        for name, made, own in probe.layers:
            moved = _norm([found[probe.updates[leaf]] - found[leaf] for leaf in own])
            size = _norm([found[leaf] for leaf in own])
            rows = np.concatenate([found[value] for value in made])
            signal = _norm([found[probe.results[value]] for value in made])
            gradient = _norm([found[probe.slopes[leaf]] for leaf in own])
            update = moved / size if size > 0 else math.nan
            layers.append(
                LayerHealth(name, signal, gradient, update, rows.shape[1], *self._units(name, rows))
            )
        return layers

    def _units(self, name: str, a: Array) -> tuple[int, int]:
        """How many of a layer's units are dead, and how many saturated."""
        kind = getattr(self.network[name], "activation", None)
        if kind in ZERO:
            return int((a == 0).all(axis=0).sum()), 0
        if kind not in ENDS:
            return 0, 0
        low, high = ENDS[kind]
        near = (a - low < FLAT * (high - low)) | (high - a < FLAT * (high - low))
        return 0, int((near.mean(axis=0) >= STUCK).sum())

    def findings(
        self, layers: Sequence[LayerHealth], rows: int, whole: bool, reached: float
    ) -> list[Finding]:
        """What is wrong with them.

        Parameters
        ----------
        layers : sequence of LayerHealth
            As `measure` gives them.
        rows : int
            That they were measured on.
        whole : bool
            Whether these are all.
        reached : float
            The loss as a share of that of the best constant answer.
        """
        found = [*self._gradients(layers, rows, reached < LEARNS)]
        for layer, last in zip(layers, self.last, strict=True):
            if rows >= UNIT_ROWS and not last:
                found += unit_findings(layer, rows, whole, reached > SERVED)
        return found

    def _gradients(self, layers: Sequence[LayerHealth], rows: int, learns: bool) -> list[Finding]:
        """Layers whose gradient is far smaller or larger than the last one's."""
        reference = max((x.signal for x, last in zip(layers, self.last, strict=True) if last), default=0.0)
        moves = max((x.update for x in layers if x.update == x.update), default=0.0)
        if not (reference > 0 and math.isfinite(reference)):
            return []
        small, large = [], []
        for layer in layers:
            share = layer.signal / reference
            if share < NUMB or (share < VANISHED and not (learns and layer.update >= MOVES * moves)):
                small.append(layer)
            elif share > EXPLODED:
                large.append(layer)
        found = []
        for kind, own, extreme in (
            ("vanishing_gradients", small, min),
            ("exploding_gradients", large, max),
        ):
            if own:
                worst = extreme(own, key=lambda x: x.signal)
                seen = (
                    f"the gradient by the results of {worst.layer} is {worst.signal / reference:.2g} of that "
                    f"by the last layer's ({worst.signal:.2e} to {reference:.2e}); {worst.layer}'s next "
                    f"update is {worst.update:.2e} of its weights, the largest of all layers {moves:.2e}."
                )
                sure = (
                    f"exact for {counted(rows, 'row')} together and the weights of now; the line is at a "
                    f"factor of {EXPLODED:g}."
                )
                numbers = {
                    "layers": [x.layer for x in own],
                    "share": worst.signal / reference,
                    "update": worst.update,
                }
                where = ", ".join(x.layer for x in own[:4]) + (", ..." if len(own) > 4 else "")
                found.append(Finding(kind, where, seen, sure, numbers))
        return found


def unit_findings(layer: LayerHealth, rows: int, whole: bool, saturation: bool) -> list[Finding]:
    """A layer of which half and more of the units do nothing; `saturation` if that is a fault."""
    found = []
    if layer.dead >= UNITS * layer.units:
        seen = f"{layer.dead:,} of {counted(layer.units, 'unit')} are 0 for all {rows:,} rows looked at."
        sure = f"each is active for fewer than {never(rows):.2%} of such rows, with 95% certainty"
        sure += "; these are all the rows there are." if whole else "."
        numbers = {"dead": layer.dead, "units": layer.units, "rows": rows}
        found.append(Finding("dead_units", layer.layer, seen, sure, numbers))
    if saturation and layer.saturated >= UNITS * layer.units:
        low, _ = interval(math.ceil(STUCK * rows), rows)
        seen = (
            f"{layer.saturated:,} of {counted(layer.units, 'unit')} are within {FLAT:.0%} of an end of their "
            f"range for at least {STUCK:.0%} of {rows:,} rows."
        )
        sure = f"with 95% certainty each is there for more than {low:.1%} of such rows."
        numbers = {"saturated": layer.saturated, "units": layer.units, "rows": rows}
        found.append(Finding("saturated_units", layer.layer, seen, sure, numbers))
    return found


def _norm(arrays: Sequence[Array]) -> float:
    """The root of the sum of all squares."""
    return math.sqrt(sum(float(np.square(x, dtype=np.float64).sum()) for x in arrays))
