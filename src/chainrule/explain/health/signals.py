"""How large signals and gradients are, layer by layer: whether they vanish or explode on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .probe import Probe

if TYPE_CHECKING:
    from ...training.metrics import MeasuredNetwork
    from ..step import Step

Array = np.ndarray[Any, Any]
WIDTH = 80
SHOWN = 24  # layers in a printed table


@dataclass(frozen=True)
class LayerSignal:
    """What was measured of a layer's results, all rows and units together.

    Attributes
    ----------
    layer : str
    mean, std : float
        Of the results.
    gradient : float
        The root mean square of the loss's gradient by them.
    """

    layer: str
    mean: float
    std: float
    gradient: float


@dataclass(frozen=True)
class Signals:
    """Signals and gradients of all layers with trained weights; prints as a table.

    Attributes
    ----------
    layers : tuple of LayerSignal
        From the inputs to the outputs.
    rows : int
    """

    layers: tuple[LayerSignal, ...]
    rows: int

    @property
    def forward(self) -> float:
        """The last hidden layer's standard deviation as a multiple of the first one's; NaN below two."""
        stds = [x.std for x in self.layers[:-1]]
        return stds[-1] / stds[0] if len(stds) > 1 and stds[0] else float("nan")

    @property
    def backward(self) -> float:
        """The gradient by the first hidden layer as a multiple of that by the last; NaN below two."""
        sizes = [x.gradient for x in self.layers[:-1]]
        return sizes[0] / sizes[-1] if len(sizes) > 1 and sizes[-1] else float("nan")

    def __str__(self) -> str:
        width = min(30, max(5, *(len(x.layer) for x in self.layers)))
        lines = [f"{'layer':<{width}}  {'mean':>10}  {'std':>10}  {'gradient':>10}"]
        count = len(self.layers)
        chosen = sorted(set(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int).tolist()))
        for i in chosen:
            x = self.layers[i]
            numbers = "  ".join(f"{value:>10.3g}" for value in (x.mean, x.std, x.gradient))
            lines.append(f"{x.layer[:width]:<{width}}  {numbers}")
        if count > 2:
            lines.append(f"From the first hidden layer to the last, results change {self.forward:.3g} times;")
            lines.append(f"on the way back, gradients {self.backward:.3g} times.")
        return "\n".join(lines)


def signals(network: MeasuredNetwork, step: Step) -> Signals:
    """Measure the step that would come next."""
    probe = Probe(network, step)
    with np.errstate(all="ignore"):
        found = probe()
        layers = []
        for name, made, _ in probe.layers:
            values = np.concatenate([np.ravel(found[value]) for value in made]).astype(np.float64)
            slopes = np.concatenate([np.ravel(found[probe.results[value]]) for value in made])
            size = float(np.sqrt(np.mean(slopes.astype(np.float64) ** 2)))
            layers.append(LayerSignal(name, float(values.mean()), float(values.std()), size))
    return Signals(tuple(layers), step.rows)
