"""Networks that explain themselves; what their methods do stands in the other files of this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..optim.rules import Optimizer
from ..training.fitting import Past
from ..training.metrics import MeasuredNetwork
from .derivation import Derivation
from .step import Step
from .what_if import WhatIf, what_if
from .why import why


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

    def why(
        self,
        name: str,
        X: Any,
        y: Any = None,
        *,
        paths: int = 5,
        samples: int = 5,
        optimizer: Optimizer | str | None = None,
    ) -> Derivation:
        """Why the loss changes with one number as it does, factor by factor.

        By the chain rule, the derivative of the loss by a number is a sum over all paths from the number to
        the loss, through the units of the layers between; each path's part is the product of the derivatives
        along it. Paths are found from the strongest down, without listing them all.

        Parameters
        ----------
        name : str
            Of any number in the step: "hidden1.W[0, 2]" or, as in printed source, "W1[0, 2]"; "output.b[1]",
            "x[3]", "z1[2]", "a1[2]" or "hidden1[2]". With several rows, those that have rows begin with
            the row: "a1[7, 2]".
        X, y : array-like
            A batch as for `Network.fit`; one row may have one axis.
        paths : int
            How many of the strongest paths to show.
        samples : int
            How many of the rows that add most to show.
        optimizer : Optimizer or str, optional
            Whose update is shown: that of the last fit, with what it remembers; or plain gradient descent.

        Returns
        -------
        Derivation
            Print it, or take `to_markdown()`, `to_json()`, `to_html()`; its attributes are the numbers.

        Raises
        ------
        NotFittedError
            If the network has no weights yet.
        UnknownNameError, ShapeError, ParameterError
            If there is no such number, its index is out of range or has another number of axes; if there are
            no targets.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.
        GradientError
            If the number is no real one, as a class is.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(1, weights=[[0.5], [2.0]], bias=[0.0])], "half_sum", dtype="float64")
        >>> derivation = net.why("output.W[1, 0]", [1.0, 3.0], [6.0])
        >>> derivation.derivative, len(derivation.chains), derivation.update.new
        (1.5, 1, 1.85)
        """
        return why(self, name, X, y, paths=paths, samples=samples, step=self._step(X, y, optimizer))

    def what_if(
        self,
        name: str | Sequence[str],
        change: Any,
        X: Any,
        y: Any = None,
    ) -> WhatIf:
        """What a change of one number, or of several at once, does to the loss.

        Nothing is changed by it: the network keeps its weights.

        Parameters
        ----------
        name : str or sequence of str
            As for `why`.
        change : float or sequence of float
            What is added to each.
        X, y : array-like
            A batch as for `fit`; one row may have one axis.

        Returns
        -------
        WhatIf
            What the slope foretells, and what comes of it; print it, or `plot()` the loss along the number,
            or over two.

        Raises
        ------
        NotFittedError
            If the network has no weights yet.
        UnknownNameError, ShapeError, ParameterError
            If there is no such number, or a number is named twice; if there is not a finite change for each;
            if there are no targets.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(1, weights=[[0.5], [2.0]], bias=[0.0])], "half_sum", dtype="float64")
        >>> told = net.what_if("output.W[1, 0]", 1.0, [1.0, 3.0], [6.0])
        >>> told.loss, told.loss_after, told.foretold, told.foretold_bent
        (0.125, 6.125, 1.5, 6.0)
        """
        return what_if(self._step(X, y), name, change)

    def _step(self, X: Any, y: Any = None, optimizer: Optimizer | str | None = None) -> Step:
        """The step that would come next: with the last fit's optimizer also what that remembers."""
        state = self._past.state if self._past is not None and optimizer is None else None
        return Step(self, X, y, optimizer=optimizer, state=state)
