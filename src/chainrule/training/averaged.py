"""The weights that a network gets from a fit that keeps an average of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emit.engine import compile_program
from ..graph.program import Program
from ..graph.tensor import Tensor
from ..nn.network import AVERAGE
from ..optim.averaging import Averaging
from .loop import Shuffler
from .plan import Plan
from .sparse import dense, is_packed, rows_at_a_time

if TYPE_CHECKING:
    from .stored import StoredNetwork

Array = np.ndarray[Any, Any]
ROWS = 1024  # that batch normalisation sees at a time


class Averaged:
    """What a network has in place of the last weights, while a fit runs and after it.

    Where there is batch normalisation, its running mean and variance are those of the last weights, and not
    what the averaged ones make of the data. So the network gets those of all training rows, computed anew
    with the averaged weights, in batches, each normalised by its own mean and variance as in training: of
    rows in a drawn order, where training draws one, for next to each other in a table stand rows alike.

    Parameters
    ----------
    network : StoredNetwork
    program : Program
        The training step.
    averaging : Averaging
    plan : Plan
    shuffler : Shuffler, optional
        What draws the rows of each epoch, where it is not just their order.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson (2018), Averaging weights leads to wider optima and
    better generalization, section 3.2, for batch normalisation.
    """

    def __init__(
        self,
        network: StoredNetwork,
        program: Program,
        averaging: Averaging,
        plan: Plan,
        shuffler: Shuffler | None = None,
    ) -> None:
        self.averaging, self.plan, self.dtype = averaging, plan, network.dtype
        self.shuffler = shuffler or Shuffler(plan.seed)
        self.graph = network.graph
        by_name = {leaf.name: leaf for leaf in program.updates}
        self.places: dict[str, Tensor] = {
            name: by_name[f"{AVERAGE}_{leaf.name}"]
            for name, leaf in self.graph.parameters.items()
            if f"{AVERAGE}_{leaf.name}" in by_name
        }
        found = network.statistics_program()
        self.statistics = None if found is None else compile_program(found, "numpy")
        self.known: tuple[int, dict[str, Array]] | None = None

    def shares(self, steps: Array) -> Array:
        """What share of the average the weights after each of these steps get, in the network's type."""
        return self.averaging.shares(steps, self.plan.stretch).astype(self.dtype)

    def taken(self, steps: int) -> int:
        """Of how many weights the average is after so many changes of them."""
        return self.averaging.taken(steps, self.plan.stretch)

    def __call__(
        self, steps: int, live: Mapping[str, Array], state: Mapping[Tensor, Array], tables: Sequence[Any]
    ) -> dict[str, Array]:
        """The network's weights by name after so many steps of the fit.

        Parameters
        ----------
        steps : int
        live : mapping of str to ndarray
            The last weights, by name.
        state : mapping of Tensor to ndarray
            All variables of the step.
        tables : sequence
            The training rows of each input.
        """
        if not self.taken(steps):
            return dict(live)
        if self.known is None or self.known[0] != steps:
            weights = {**live, **{name: state[place] for name, place in self.places.items()}}
            self.known = steps, weights | self._statistics(weights, tables)
        return self.known[1]

    def starts(self, weights: Mapping[Tensor, Array]) -> dict[Tensor, Array]:
        """Where averages start, by their leaves: at the weights, by those of the parameters."""
        return {place: weights[self.graph.parameters[name]] for name, place in self.places.items()}

    def _statistics(self, weights: Mapping[str, Array], tables: Sequence[Any]) -> dict[str, Array]:
        """The running means and variances of all rows, by name."""
        runner = self.statistics
        if runner is None:
            return {}
        g, known = self.graph, set(runner.program.variables)
        runner.load({leaf: weights[name] for name, leaf in g.parameters.items() if leaf in known})
        widest = [rows_at_a_time(x.shape[1], self.dtype) for x in tables if is_packed(x)]
        rows, size = tables[0].shape[0], min([ROWS, *widest])
        order = self.shuffler.order(rows, self.plan.first_epoch) if self.plan.shuffle else np.arange(rows)
        for number, start in enumerate(range(0, rows, size)):
            chosen = order[start : start + size]
            given: dict[Tensor, Any] = {
                x: dense(table[chosen]) for x, table in zip(g.xs, tables, strict=True)
            }
            keep = start / min(start + size, rows)
            given |= {g.seed: self.plan.seed, g.step: number}
            runner(*(given.get(x, keep) for x in runner.program.inputs))
        state = runner.state
        return {name: state[leaf] for name, leaf in g.parameters.items() if leaf in runner.program.updates}
