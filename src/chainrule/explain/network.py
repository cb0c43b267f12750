"""Networks that explain themselves; what their methods do stands in the other files of this room.

These are loaded when first asked, so that who only trains does not wait for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ..training.stored import StoredNetwork

if TYPE_CHECKING:
    from ..optim.rules import Optimizer
    from ..training.history import History, Past
    from .drawing.svg import Picture
    from .health.findings import Diagnosis
    from .health.signals import Signals
    from .step import Step
    from .trace.equations import Equations
    from .trace.notation import Notation
    from .trace.trace import Trace
    from .why.derivation import Derivation
    from .why.what_if import WhatIf


class ExplainedNetwork(StoredNetwork):
    """A network whose numbers can be followed."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self._past: Past | None = None  # what the last fit left to the optimizer

    def reset(self) -> None:
        """Forget the weights, classes and last fit; the next fit draws and takes new ones."""
        super().reset()
        self._past = None

    def _step(
        self,
        X: Any,
        y: Any = None,
        optimizer: Optimizer | str | None = None,
        seed: int = 0,
        number: int | None = None,
    ) -> Step:
        """The step that would come next: with the last fit's optimizer also what that remembers."""
        from .step import Step

        state = self._past.state if self._past is not None and optimizer is None else None
        if number is None:
            number = 0 if self._past is None else self._past.steps
        return Step(self, X, y, optimizer=optimizer, state=state, seed=seed, number=number)

    # the step in full -------------------------------------------------------------------------

    def trace(
        self,
        X: Any,
        y: Any = None,
        *,
        optimizer: Optimizer | str | None = None,
        notation: Notation | str | Mapping[str, Any] | None = None,
        layers: str | Sequence[str] | None = None,
        only: str | Sequence[str] | None = None,
        rows: int | Sequence[int] | None = None,
        seed: int = 0,
        number: int | None = None,
    ) -> Trace:
        """Every number of the training step that would come next, line by line of `source`.

        The network keeps its weights. The numbers are those of a step of the NumPy engine, to the last bit.

        Parameters
        ----------
        X : array-like of numbers, shape (rows, inputs) or (inputs,)
            As for `fit`; of a network with one input also a single row.
        y : array-like, optional
            As for `fit`; for a single row its own target. Without it there is a forward pass alone, as in
            prediction.
        optimizer : Optimizer or str, optional
            That of the last fit where none is given, with what it remembers; or plain gradient descent.
        notation : Notation, str or dict, optional
            What things are called: by a preset's name (nielsen, ng, goodfellow, bishop, mitchell, mazur), or
            choices by name; see `Notation`.
        layers : str or sequence of str, optional
            Names of layers: what belongs to others is left out.
        only : str or sequence of str, optional
            Names in printed source, such as ["z1", "loss"]: all else is left out.
        rows : int or sequence of int, optional
            Of the batch, counted from 0: of what has a row for each sample, the others are left out. The
            step is still that on all of them.
        seed, number : int
            Of what layers draw at random: the fit's seed, and which of its steps this is, from 0; where no
            number is given, the one that comes next.

        Returns
        -------
        Trace
            Printed as text; has `table`, `to_json`, `to_markdown` and `to_html`; trace["z1"].value is a
            number of it.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network, or a row is not in the data.
        UnknownNameError
            If there is no such layer, name or notation.
        ParameterError
            If it would be more than a million numbers: the message says which parts are fewer.

        Examples
        --------
        >>> import chainrule as cr
        >>> net = cr.Network([cr.Dense(1, weights=[[2.0]], bias=[1.0])], loss="half_sum", dtype="float64")
        >>> print(net.trace([3.0], [6.0], only="loss"))
        A training step on 1 row
        <BLANKLINE>
        loss
          loss = (0.5 * error ** 2).reshape((n,)).mean()
            = (0.5 * [[1]] ** 2).reshape((1,)).mean()
            = 0.5
        """
        from .trace.tracing import trace as make_trace

        step = self._step(X, y, optimizer, seed, number)
        return make_trace(step, notation=notation, layers=layers, only=only, rows=rows)

    def equations(
        self,
        X: Any = None,
        y: Any = None,
        *,
        notation: Notation | str | Mapping[str, Any] | None = None,
    ) -> Equations:
        """The four equations of backpropagation, BP1 to BP4, for this network of dense layers.

        Parameters
        ----------
        X, y : array-like, optional
            Rows and their targets, as for `trace`: on these the equations are checked. Each right side is
            computed from its factors, and compared with the gradient of the training step.
        notation : Notation, str or dict, optional
            What things are called, as for `trace`; "nielsen" is the equations' own. Where it has no letter
            for the derivative by a layer's pre-activation, that is δ.

        Returns
        -------
        Equations
            Printed as text; has `to_markdown`, `difference`, and `chains`: for each parameter the loss's
            derivative by it as a product along the layers, in LaTeX.

        Raises
        ------
        ParameterError
            If the network is no plain stack of dense layers with an activation of each unit by itself: the
            layer is named; or if there are rows without targets.
        NotFittedError
            Before the number of inputs is known, or of weights if rows are given.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.

        References
        ----------
        Nielsen (2015), Neural Networks and Deep Learning, chapter 2.
        """
        from .trace.equations import equations as make_equations

        return make_equations(self, notation, None if X is None else self._step(X, y))

    def pseudocode(
        self,
        optimizer: Optimizer | str | None = None,
        *,
        notation: Notation | str | Mapping[str, Any] | None = None,
    ) -> str:
        """The training algorithm in the signs of mathematics: the lines of `source`, within its loops.

        Parameters
        ----------
        optimizer : Optimizer or str, optional
            As for `source`.
        notation : Notation, str or dict, optional
            As for `trace`.

        Raises
        ------
        NotFittedError
            Before the number of inputs is known.
        """
        from .trace.pseudocode import pseudocode

        return pseudocode(self, optimizer, notation)

    # one number ------------------------------------------------------------------------------

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
        from .why.why import why

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
        from .why.what_if import what_if

        return what_if(self._step(X, y), name, change)

    # pictures ---------------------------------------------------------------------------------

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
        from .drawing.drawing import draw_network

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
        from .drawing.graph_drawing import draw_network_graph

        return draw_network_graph(self, X, y, rows, detail, depth, theme)

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, and where there are weights the diagram."""
        table = f"<pre>{escape(self.summary() if self._sizes else repr(self))}</pre>"
        return table + (self.draw().svg if self.built else "")

    # health ----------------------------------------------------------------------------------

    def signals(self, X: Any, y: Any) -> Signals:
        """How large results and gradients are, layer by layer: whether they vanish or explode on the way.

        Measured in the training step that would come next, with the weights of now.

        Parameters
        ----------
        X, y : array-like
            As for `fit`; some hundred rows tell enough.

        Returns
        -------
        Signals
            Printed, a table; `plots.signals` draws one or several.

        Raises
        ------
        NotFittedError
            If the network has no weights yet.
        ShapeError, DTypeError, DataError
            If X or y do not fit the network.

        References
        ----------
        Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks,
        figures 6 and 7.

        Examples
        --------
        >>> import numpy as np
        >>> import chainrule as cr
        >>> X, y = np.eye(16), np.arange(16) % 2
        >>> hidden = [cr.Dense(16, "relu", init="glorot") for _ in range(20)]
        >>> net = cr.Network([*hidden, cr.Dense(2)], loss="cross_entropy")
        >>> net.build(16, seed=0)
        >>> net.signals(X, y).forward < 0.01
        True
        """
        from .health.signals import signals

        return signals(self, self._step(X, y))

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
        from .health.health import diagnose

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
