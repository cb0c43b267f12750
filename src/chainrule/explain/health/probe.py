"""Everything that health looks at in a step, computed at once and as often as asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...autodiff.gradient import gradient
from ...emit.engine import compile_program
from ...graph.program import Program
from ...graph.tensor import Tensor
from ...training.metrics import MeasuredNetwork
from ..step import Step

Array = np.ndarray[Any, Any]
Found = Mapping[Tensor, Array]


class Probe:
    """A step's loss, results, gradients and new values as one compiled function of its inputs.

    Parameters
    ----------
    network : MeasuredNetwork
        With weights that are trained.
    step : Step
        With targets.

    Attributes
    ----------
    layers : list of (str, list of Tensor, list of Tensor)
        Of each layer with trained weights the name, its results (one for each use), and its weights.
    results, slopes : dict of Tensor to Tensor
        The loss's gradient by each of these results, and by each trained weight.
    updates : dict of Tensor to Tensor
        The step's new values.
    memory : list of Tensor
        What the optimizer remembers.
    """

    def __init__(self, network: MeasuredNetwork, step: Step) -> None:
        g, calls = network.graph, network._wiring.calls
        self.loss, self.leaves, self.feed = step.need_loss(), network.trained_leaves(), step.feed
        self.updates = {} if step.program is None else step.program.updates
        weights = set(g.parameters.values())
        self.memory = [leaf for leaf in self.updates if leaf not in weights]
        trained = set(self.leaves)
        self.layers = []
        for i, name in enumerate(network.names):
            own = [leaf for p, leaf in g.parameters.items() if p.startswith(f"{name}.") and leaf in trained]
            made = [value for value, call in zip(g.trained_values, calls, strict=True) if call.layer == i]
            if own:
                self.layers.append((name, made, own))
        results = [value for _, made, _ in self.layers for value in made]
        self.results = dict(zip(results, gradient(self.loss, results), strict=True))
        self.slopes = dict(zip(self.leaves, gradient(self.loss, self.leaves), strict=True))
        wanted = [self.loss, *g.trained_values, *self.results.values(), *self.slopes.values()]
        self._nodes = list(dict.fromkeys(x for x in [*wanted, *self.updates.values()] if x not in self.feed))
        self._places = list(self.feed)
        outputs = {f"v{k}": node for k, node in enumerate(self._nodes)}
        self._all = compile_program(Program(self._places, outputs, name="probe"), "numpy")
        self._loss = compile_program(Program(self._places, {"loss": self.loss}, name="loss"), "numpy")

    def __call__(self, changed: Found | None = None) -> dict[Tensor, Array]:
        """The values of inputs and of all that is computed, with some inputs other than the step's."""
        feed = {**self.feed, **(changed or {})}
        found = self._all(*(feed[x] for x in self._places))
        return feed | dict(zip(self._nodes, found.values(), strict=True))

    def loss_at(self, changed: Found) -> float:
        """The loss alone."""
        feed = {**self.feed, **changed}
        return float(self._loss(*(feed[x] for x in self._places))["loss"])

    def moves(self, found: Found) -> list[Array]:
        """What the step adds to each trained weight."""
        return [found[self.updates[leaf]].astype(np.float64) - found[leaf] for leaf in self.leaves]

    def foretold(self, found: Found, moves: Sequence[Array]) -> float:
        """The change of the loss that its slope foretells for a move."""
        slopes = [found[self.slopes[leaf]] for leaf in self.leaves]
        return sum(float((d * m).sum(dtype=np.float64)) for d, m in zip(slopes, moves, strict=True))

    def moved(self, found: Found, moves: Sequence[Array], times: float = 1.0) -> dict[Tensor, Array]:
        """The trained weights after a move."""
        return {leaf: found[leaf] + times * move for leaf, move in zip(self.leaves, moves, strict=True)}

    def remembered(self, found: Found) -> dict[Tensor, Array]:
        """What the optimizer remembers after the step."""
        return {leaf: found[self.updates[leaf]] for leaf in self.memory}
