"""Epochs of a rule that works on all rows at once: each is an iteration of its search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emit.engine import Runner
from ..errors import ParameterError
from ..graph.tensor import Tensor
from ..nn.curvature import curvature_program, require_squares
from ..optim.levenberg_marquardt import LevenbergMarquardt
from ..optim.whole_batch import Minimum, WholeBatch
from .history import History
from .loop import Divergence, Interrupt
from .sparse import wholly_dense

if TYPE_CHECKING:
    from .fitting import Fit, Rows
    from .stored import StoredNetwork

Array = np.ndarray[Any, Any]
BLOCK = 2**22  # numbers of the slopes of single rows that are held at a time
MATRICES = 3  # of parameters by parameters: the curvature, that of a block of rows, and it damped


class Whole:
    """A network's loss on all rows as a function of one vector, the trained parameters in their order.

    Parameters
    ----------
    network : StoredNetwork
    rule : WholeBatch
    runner : Runner
        Of the network's `gradient_program`.
    leaves : sequence of Tensor
        The trained parameters.
    rows : Rows
    engine : {"numpy", "numba"}
        For the curvature.

    Raises
    ------
    ParameterError
        If the rule needs the curvature, and the loss is no sum of squares, or its matrix takes more memory
        than the rule may use.
    GradientError
        If single rows cannot be followed through a layer.
    """

    def __init__(
        self,
        network: StoredNetwork,
        rule: WholeBatch,
        runner: Runner,
        leaves: Sequence[Tensor],
        rows: Rows,
        engine: str,
    ) -> None:
        self.network, self.rule, self.runner, self.leaves, self.rows = network, rule, runner, leaves, rows
        values = network._values(runner.program)
        self.shapes = [values[leaf].shape for leaf in leaves]
        self.sizes = [values[leaf].size for leaf in leaves]
        self.inputs: list[Any] = []
        self.history = History()
        self.bender: Runner | None = None
        if isinstance(rule, LevenbergMarquardt):
            who = type(rule).__name__
            require_squares(network, who)
            self._require_memory(who, rule.memory)
            program = curvature_program(network, leaves, rows.weights is not None)
            self.bender = network._runner("curvature", program, engine)
            self.bender.load(network._values(program))

    def _require_memory(self, who: str, memory: int) -> None:
        count = sum(self.sizes)
        needed = MATRICES * 8 * count**2
        if needed > memory:
            raise ParameterError(
                f"{who}: {count:,} weights make matrices of {count:,} by {count:,}, {needed / 2**20:,.0f} "
                f"MiB in all, and it may take {memory / 2**20:,.0f} MiB. Train fewer weights, or take "
                f"another optimizer, such as lbfgs. Pass memory={needed} if there is so much."
            )

    # the function -----------------------------------------------------------------------------

    def put(self, vector: Array) -> None:
        """Make the vector the weights."""
        values = self._values(vector)
        self.runner.load(values)
        if self.bender is not None:
            known = set(self.bender.program.variables)
            self.bender.load({leaf: value for leaf, value in values.items() if leaf in known})

    def _values(self, vector: Array) -> dict[Tensor, Array]:
        parts = np.split(vector, np.cumsum(self.sizes)[:-1])
        each = zip(self.leaves, parts, self.shapes, strict=True)
        return {leaf: part.reshape(shape) for leaf, part, shape in each}

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """Loss and slopes there."""
        self.history.evaluations += 1
        self.put(vector)
        found = self.runner(*self.inputs)
        slopes = [np.ravel(found[f"slope{k}"]) for k in range(len(self.leaves))]
        return float(found["loss"]), np.concatenate(slopes).astype(np.float64)

    def curvature(self, vector: Array) -> Array:
        """The Gauss-Newton matrix there, with the penalties' curvature."""
        assert self.bender is not None
        self.put(vector)
        rows, weights = self.rows, self.rows.weights
        count, total = rows.tables[0].shape[0], len(vector)
        whole = float(count) if weights is None else float(weights.sum(dtype=np.float64)) or 1.0
        block = max(1, BLOCK // total)
        H, bend = np.zeros((total, total)), None
        tables = [
            wholly_dense(table, f"{self.rule.title} works on all rows at once") for table in rows.tables
        ]
        for start in range(0, count, block):
            part = slice(start, start + block)
            held = [] if weights is None else [weights[part]]
            for picks, scale in self._columns(whole):
                found = self.bender(*(table[part] for table in tables), *picks, *held, scale)
                H += found["H"]
                bend = found.get("bend")
        if bend is not None:
            H.ravel()[:: total + 1] += bend / (whole if self.network.penalties == "per_row" else 1.0)
        return H

    def _columns(self, whole: float) -> Iterator[tuple[list[Array], float]]:
        """For each column of each output what picks it, and the second derivative of its rows' loss."""
        network = self.network
        widths = network.widths
        for k, (loss, factor) in enumerate(zip(network._losses, network._loss_weights, strict=True)):
            shared = {"mean": whole * widths[k], "row_sum": whole, "sum": 1.0}[loss.over]
            for column in range(widths[k]):
                picks = [np.zeros(width, network.dtype) for width in widths]
                picks[k][column] = 1
                yield picks, 2 * loss.squares * factor / shared

    # a search ---------------------------------------------------------------------------------

    def run(self, fit: Fit, in_order: Array) -> tuple[bool, Minimum | None, Divergence | None]:
        """Search for the least loss: whether it was interrupted, how it ended, and where it diverged."""
        history, leaves = fit.history, self.leaves
        self.history = history
        why = f"{self.rule.title} works on all rows at once"
        self.inputs = [wholly_dense(x, why) for x in fit._inputs(0, 1)]
        minimum: Minimum | None = None
        last = np.concatenate([self.runner.state[x].ravel() for x in leaves]).astype(np.float64)
        loss = self(last)[0]
        if not math.isfinite(loss):
            return False, None, Divergence(0, 0, in_order, loss)
        with Interrupt() as interrupt:

            def on_iteration(vector: Array, loss: float) -> bool:
                nonlocal last
                last = vector
                self.put(vector)
                fit.progress.advance(1)
                return fit._on_epoch(loss) and not interrupt.requested

            try:
                minimum = self.rule.search(self, last, fit.plan.epochs, on_iteration)
            except KeyboardInterrupt:
                interrupt.requested = True
            finally:
                self.put(last)  # not what a search tried last
        if not interrupt.requested and history.epochs < fit.plan.epochs:
            history.stop("no smaller loss was found on the way down the slope")
        return interrupt.requested, minimum, None
