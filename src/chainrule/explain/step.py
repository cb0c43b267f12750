"""One training step on given rows: its program, its inputs, and the value of any node in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..emit.engine import compile_program
from ..errors import NotFittedError, ParameterError
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..optim.averaging import Stretch
from ..optim.rates import Course, Custom, Schedule, checked_rates
from ..optim.rules import SGD, Optimizer, find_optimizer
from ..shapes import evaluate_shape
from ..training.metrics import MeasuredNetwork
from ..training.sparse import dense

Array = np.ndarray[Any, Any]


class Step:
    """A step that a network could take, with everything that is known before it.

    Nothing is changed by it: the network keeps its weights.

    Parameters
    ----------
    network : MeasuredNetwork
        With weights.
    X : array-like of numbers, shape (rows, inputs) or (inputs,)
        As for `Network.fit`; one row may have one axis.
    y : array-like, optional
        As for `Network.fit`; for one row also its own target alone. Without targets there is a forward pass
        and nothing else.
    optimizer : Optimizer or str, optional
        That of the last fit where none is given, or plain gradient descent, which also stands for those that
        work on all rows at once, such as L-BFGS: these have no steps.
    state : mapping of str to ndarray, optional
        What the optimizer remembers, by the names of its leaves; as at the start where it is left out.
    seed, number : int
        Of what layers draw at random: the fit's seed, and which of its steps this is, from 0.

    Attributes
    ----------
    network : MeasuredNetwork
    rule : Optimizer
    rate : float
        The learning rate: of a schedule, the one that it was given; of a function, that for epoch 0.
    program : Program or None
        The training step; None without targets.
    loss : Tensor or None
        What the step makes smaller, penalties included.
    feed : dict of Tensor to ndarray
        The values of inputs, weights, and what the optimizer remembers.
    rows : int

    Raises
    ------
    NotFittedError
        If the network has no weights yet.
    ShapeError, DTypeError, DataError
        If X or y do not fit the network.
    """

    def __init__(
        self,
        network: MeasuredNetwork,
        X: Any,
        y: Any = None,
        *,
        optimizer: Optimizer | str | None = None,
        state: Mapping[str, Array] | None = None,
        seed: int = 0,
        number: int = 0,
    ) -> None:
        if not network.built:
            raise NotFittedError(
                "the network has no weights to explain. Call fit, or build(inputs, seed=0) for drawn ones."
            )
        one = len(network._wiring.inputs) == 1 and np.ndim(X) == 1
        tables = [dense(table) for table in network._tables(np.reshape(X, (1, -1)) if one else X)]
        self.network, self.rows = network, tables[0].shape[0]
        self.rule = find_optimizer(network.optimizer or SGD() if optimizer is None else optimizer)
        if self.rule.whole_batch:
            self.rule = SGD()
        self.rate = self._rate_of(self.rule.schedule)
        self.program: Program | None = None
        self.loss: Tensor | None = None
        g = network.graph
        self.feed: dict[Tensor, Array] = dict(zip(g.xs, tables, strict=True))
        self.feed |= {leaf: np.asarray(value) for leaf, value in network._values().items()}
        self.feed |= {g.seed: np.asarray(seed), g.step: np.asarray(number)}
        if y is not None:
            given = np.reshape(y, (1, -1) if np.ndim(y) else (1,)) if one else y
            ts, _ = network._targets(given, tables, network._codings)
            self.feed |= dict(zip(g.ts, ts, strict=True))
            self.program = network.program(self.rule)
            self.loss = self.program.outputs["loss"]
            self.feed |= self.remembered(self.program, state or {})
            self.feed[g.lr] = np.asarray(self.rate, network.dtype)
            if self.rule.averaging is not None:  # as if each step were an epoch
                share = self.rule.averaging.shares(np.array([number]), Stretch(1, number + 1))
                self.feed[g.average_share] = share[0].astype(network.dtype)

    def _rate_of(self, schedule: Schedule) -> float:
        """A rate for a single step, which has no place in a fit's course."""
        if isinstance(schedule, Custom):
            return float(checked_rates(schedule, np.array([0]), Course(1, 1), self.network.dtype)[0])
        return schedule.learning_rate

    def remembered(self, program: Program, state: Mapping[str, Array]) -> dict[Tensor, Array]:
        """What the optimizer knows before the step: its variables are those that are no weights."""
        weights = set(self.network.graph.parameters.values())
        return {
            leaf: np.asarray(state[leaf.name or ""])
            if leaf.name in state
            else np.zeros(evaluate_shape(leaf.shape, {}), leaf.dtype)
            if leaf.value is None
            else leaf.value
            for leaf in program.updates
            if leaf not in weights
        }

    def values(self, nodes: Sequence[Tensor], given: Mapping[Tensor, Array] | None = None) -> list[Array]:
        """The values of nodes in this step, as the NumPy engine computes them.

        Parameters
        ----------
        nodes : sequence of Tensor
        given : mapping of Tensor to ndarray, optional
            Other values of leaves, and those of further leaves.
        """
        return self.function(nodes, list(given or {}))(given or {})

    def function(
        self, nodes: Sequence[Tensor], leaves: Sequence[Tensor]
    ) -> Callable[[Mapping[Tensor, Array]], list[Array]]:
        """`values` of the same nodes for many values of some leaves, compiled once."""
        inputs = list(dict.fromkeys([*self.feed, *leaves]))
        computed = {f"v{k}": node for k, node in enumerate(nodes) if node not in set(inputs)}
        runner = compile_program(Program(inputs, computed, name="values"), "numpy")

        def compute(given: Mapping[Tensor, Array]) -> list[Array]:
            feed = {**self.feed, **given}
            found = runner(*(feed[x] for x in inputs))
            return [found[f"v{k}"] if f"v{k}" in computed else feed[node] for k, node in enumerate(nodes)]

        return compute

    def need_loss(self) -> Tensor:
        """The loss; raises ParameterError where there are no targets."""
        if self.loss is None:
            raise ParameterError("there is no loss without targets. Pass y as well.")
        return self.loss
