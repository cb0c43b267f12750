"""Networks that explain themselves; what their methods do stands in the other files of this room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..optim.rules import Optimizer
from ..training.fitting import Past
from ..training.metrics import MeasuredNetwork
from .drawing import draw_network
from .step import Step
from .svg import Picture

if TYPE_CHECKING:
    from ..training.history import History
    from .findings import Diagnosis


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

    # health -----------------------------------------------------------------------------------

    def diagnose(
        self,
        X: Any,
        y: Any,
        *,
        names: Sequence[str] | None = None,
        history: History | Mapping[str, Any] | None = None,
        optimizer: Optimizer | str | None = None,
        batch_size: int = 32,
        seed: int = 0,
    ) -> Diagnosis:
        """What is wrong with the training, if anything is: gradients, units, learning rate, inputs, targets.

        It measures the step that would come next, and tries some; the network stays as it is. Each finding
        says what was seen, what it means, how sure that is, and what to try. A training as it should be has
        none.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs)
            As for `fit`: best the rows that it was trained on.
        y : array-like
            As for `fit`.
        names : sequence of str, optional
            What to call the inputs, those of all tables in a row.
        history : History, optional
            What `fit` returned. It tells the course of the loss, and what a schedule has made of the learning
            rate.
        optimizer : Optimizer or str, optional
            Whose steps to judge: those of the last fit where none is given, with what it remembers.
        batch_size : int
            Rows of a step; that of the fit.
        seed : int
            Of the rows that are drawn where there are more than 2,000, and of the batches.

        Returns
        -------
        Diagnosis

        Raises
        ------
        NotFittedError
            If the network has no weights yet.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.
        ParameterError
            For a history, batch size or seed that is none.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(8, "relu"), cr.Dense(2)], loss="cross_entropy")
        >>> X = [[k / 100, -k / 50, 3.0] for k in range(100)]
        >>> history = net.fit(X, [k % 3 == 0 for k in range(100)], engine="numpy", verbose=False)
        >>> "constant_inputs" in net.diagnose(X, [k % 3 == 0 for k in range(100)]).kinds
        True
        """
        from .health import diagnose

        return diagnose(
            self,
            X,
            y,
            names=names,
            history=history,
            optimizer=optimizer,
            batch_size=batch_size,
            seed=seed,
        )
