"""Networks that explain themselves; what their methods do stands in the other files of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..optim.rules import Optimizer
from ..training.history import Past
from ..training.stored import StoredNetwork
from .step import Step


class ExplainedNetwork(StoredNetwork):
    """A network whose numbers can be followed."""

    def __init__(
        self,
        layers: Any,
        loss: Any,
        dtype: str = "float32",
        loss_weights: Sequence[float] | None = None,
        penalties: str = "whole",
    ) -> None:
        super().__init__(layers, loss, dtype, loss_weights, penalties)
        self._past: Past | None = None  # what the last fit left to the optimizer

    def reset(self) -> None:
        """Forget the weights, classes and last fit; the next fit draws and takes new ones."""
        super().reset()
        self._past = None

    def _step(self, X: Any, y: Any = None, optimizer: Optimizer | str | None = None) -> Step:
        """The step that would come next: with the last fit's optimizer also what that remembers."""
        state = self._past.state if self._past is not None and optimizer is None else None
        return Step(self, X, y, optimizer=optimizer, state=state)
