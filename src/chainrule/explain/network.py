"""Networks that explain themselves; what their methods do stands in the other files of this room."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ..optim.rules import Optimizer
from ..training.fitting import Past
from ..training.metrics import MeasuredNetwork
from .drawing import draw_network
from .graph_drawing import draw_network_graph
from .step import Step
from .svg import Picture


class ExplainedNetwork(MeasuredNetwork):
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

    def draw(
        self,
        X: Any = None,
        y: Any = None,
        *,
        edges: str = "weights",
        neurons: str | None = None,
        rows: int | Sequence[int] | None = None,
        form: str = "auto",
        theme: str = "auto",
    ) -> Picture:
        """The network as a picture: its neurons, what links them, and numbers on both.

        Lines are blue for numbers above 0 and orange for those below, and the wider, the larger the number.
        Layers that only change each number for itself, as dropout does, are bands. A browser shows every
        number with nine digits where the pointer rests.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs) or (inputs,), optional
            As for `fit`.
        y : array-like, optional
            As for `fit`. With targets the numbers are those of a training step, with what dropout and batch
            normalisation do in one; without, those of a prediction.
        edges : {"weights", "gradients", "none"}
            What the lines tell: the weights and biases, or the derivatives of the loss by them.
        neurons : {"activations", "gradients", "biases", "none"}, optional
            What stands in the neurons: what comes out of them (of several rows the mean), the derivatives of
            the loss by that (of several rows the sum), or their biases. Activations where there is X.
        rows : int or sequence of int, optional
            Which rows of X and y, counted from 0; all where none are named.
        form : {"auto", "full", "summary"}
            Every neuron, with numbers on the lines; or in short: the first and last neurons, and for each
            layer a map and the distribution of its weights. "auto" draws up to 12 neurons in a layer, "full"
            up to 32.
        theme : {"auto", "light", "dark"}
            Colours; "auto" asks the viewer's system.

        Returns
        -------
        Picture
            As SVG; a notebook shows it, and its `save` writes it to a file.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        UnknownNameError
            If there are no such edges, neurons, form or theme.
        ParameterError
            If data or targets are missing that the numbers need, a row is not in the data, or a network is
            too large to be drawn in full.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.
        """
        return draw_network(self, X, y, edges, neurons, rows, form, theme)

    def draw_graph(
        self,
        X: Any,
        y: Any = None,
        *,
        rows: int | Sequence[int] | None = None,
        detail: str = "named",
        depth: int | None = None,
        theme: str = "auto",
    ) -> Picture:
        """The computation graph of a step as a picture, with values and derivatives of the loss by them.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs) or (inputs,)
            As for `fit`.
        y : array-like, optional
            As for `fit`. With targets it is the graph of a training step's loss, with penalties; without,
            that of a prediction, in which there are no derivatives.
        rows : int or sequence of int, optional
            Which rows of X and y, counted from 0; all where none are named.
        detail : {"named", "ops"}
            A box for every tensor that has a name, with its formula; or for every op.
        depth : int, optional
            How many of these steps to go back from the loss; all where it is left out.
        theme : {"auto", "light", "dark"}
            Colours; "auto" asks the viewer's system.

        Returns
        -------
        Picture
            As SVG; a notebook shows it, and its `save` writes it to a file.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        UnknownNameError
            If there is no such detail or theme.
        ParameterError
            If a row is not in the data, depth is not a positive int, or more than 150 nodes would have to be
            drawn.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.
        """
        return draw_network_graph(self, X, y, rows, detail, depth, theme)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and where there are weights the diagram."""
        table = f"<pre>{escape(self.summary() if self._sizes else repr(self))}</pre>"
        return table + (self.draw().svg if self.built else "")
