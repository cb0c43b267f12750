"""Whether a network can learn at all: it must get one small batch by heart."""

from __future__ import annotations

import copy
import dataclasses
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff.gradient import gradient
from ..checks import checked_seed, counted, positive_int, real_number
from ..errors import ParameterError
from ..explain.health.findings import WIDTH, Diagnosis
from ..explain.health.rate import constant_loss
from ..graph.evaluate import interpret
from ..graph.tensor import Tensor
from ..nn.dense import Affine
from ..nn.regularise import Dropout, GaussianNoise
from ..optim.rules import Adam, Optimizer, find_optimizer
from ..training.callbacks import Callback
from ..training.data import split_tables
from ..training.loop import Shuffler
from ..training.sparse import dense
from ..training.streams import require_table

if TYPE_CHECKING:
    from ..training.history import History
    from .network import Network

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class OverfitReport:
    """Whether one batch could be learned by heart; prints as text.

    Attributes
    ----------
    learned : bool
        Whether the loss came near enough to the least that there is.
    rows, steps : int
        Of the batch, and how many steps were made.
    first, last : float
        The loss of the first step and of the last.
    constant, least : float
        The loss of the best constant answer, and the least that any answers have.
    wanted : float
        The loss at which the batch counts as learned.
    optimizer : str
    diagnosis : Diagnosis or None
        Of the copy that was trained, where it did not learn.
    """

    learned: bool
    rows: int
    steps: int
    first: float
    last: float
    constant: float
    least: float
    wanted: float
    optimizer: str
    diagnosis: Diagnosis | None = None

    def __bool__(self) -> bool:
        return self.learned

    def to_json(self) -> dict[str, Any]:
        """What JSON can hold."""
        names = ("learned", "rows", "steps", "first", "last", "constant", "least", "wanted")
        found = [] if self.diagnosis is None else [finding.to_json() for finding in self.diagnosis]
        values = {name: getattr(self, name) for name in names}
        finite = {name: x if np.isfinite(x) else None for name, x in values.items()}
        return {**finite, "findings": found}

    def __str__(self) -> str:
        what = f"One batch of {counted(self.rows, 'row')}, {counted(self.steps, 'step')} of {self.optimizer}"
        lines = [f"{what}, without dropout, penalties and the like:"]
        lines.append(f"loss {self.first:.4g} -> {self.last:.4g}; a constant answer has {self.constant:.4g}.")
        if self.learned:
            return "\n".join([*lines, "The batch is learned by heart: the network can learn."])
        lines.append(f"It is not learned: that is a loss of {self.wanted:.4g}.")
        found = list(self.diagnosis or ())
        if found:
            return "\n".join([*lines, "", *(str(finding) for finding in found)])
        lines += textwrap.wrap(
            "diagnose finds nothing wrong with the step. Try find_learning_rate, more steps, or a network "
            "with more units; see whether inputs and targets are in the same order of rows.",
            WIDTH,
        )
        return "\n".join(lines)


class Learned(Callback):
    """Ends a fit once its loss is small enough."""

    needs_weights = False

    def __init__(self, wanted: float) -> None:
        self.wanted = wanted

    def on_epoch_end(self, network: Any, history: History) -> None:
        if history.loss[-1] <= self.wanted:
            history.stop("the batch is learned")


def overfit_one_batch(
    network: Network,
    X: Any,
    y: Any,
    optimizer: Optimizer | str | None,
    rows: int,
    steps: int,
    share: float,
    seed: int,
    engine: str,
) -> OverfitReport:
    """What `Network.overfit_one_batch` does; see there."""
    what = "overfit_one_batch"
    rows = positive_int(rows, f"{what}: rows", "rows=32")
    steps = positive_int(steps, f"{what}: steps", "steps=1000")
    share = real_number(share, f"{what}: share", 0, 1, low_too=False)
    seed = checked_seed(seed)
    require_table(X, what)
    rule = find_optimizer(Adam() if optimizer is None else optimizer)
    if rule.averaging is not None:
        rule = dataclasses.replace(rule, average=None)
    own = copy.deepcopy(network)
    _without_regularisers(own)
    tables = own._tables(X)
    ts, codings = own._targets(y, tables, own._codings)
    count = tables[0].shape[0]
    if count < 2:
        raise ParameterError(f"{what}: one row is learned by any network. Pass more.")
    chosen = np.sort(Shuffler(seed).order(count, 0)[: max(2, rows)])
    inputs = [dense(table[chosen]) for table in tables]
    labels = [np.asarray(part)[chosen] for _, part in split_tables(y, own._output_names(), "y")]
    own._learn_sizes([table.shape[1] for table in tables], what)
    if not own.built:
        own._fill(seed)
    own._codings = codings
    feed = dict(zip(own.graph.ts, [t[chosen] for t in ts], strict=True))
    constant = constant_loss(own, feed)
    given = inputs if len(inputs) > 1 else inputs[0], labels if len(labels) > 1 else labels[0]
    least = min(least_loss(own, feed), constant)
    wanted = least + share * (constant - least)
    history = own.fit(
        *given,
        optimizer=rule,
        batch_size=len(chosen),
        epochs=steps,
        seed=seed,
        engine=engine,
        verbose=False,
        callbacks=[Learned(wanted)],
    )
    last = history.loss[-1] if history.loss else float("nan")
    learned = bool(last <= wanted)
    diagnosis = None
    if not learned:
        diagnosis = own.diagnose(*given, history=history, batch_size=len(chosen), seed=seed)
    first = history.loss[0] if history.loss else float("nan")
    numbers = first, last, constant, least, wanted
    return OverfitReport(learned, len(chosen), history.epochs, *numbers, type(rule).__name__, diagnosis)


def _without_regularisers(network: Network) -> None:
    """Take out what keeps a network from learning rows by heart."""
    network.mixup = 0.0
    for layer in network.layers:
        if isinstance(layer, Affine):
            layer.l1, layer.l2, layer.max_norm = 0.0, 0.0, None
        if isinstance(layer, Dropout):
            layer.rate = 0.0
        if isinstance(layer, GaussianNoise):
            layer.std = 0.0
    network._forget_graph()


def least_loss(network: Network, ts: Mapping[Tensor, Array]) -> float:
    """The least loss that any outputs have for these targets, by L-BFGS on the outputs themselves."""
    from scipy.optimize import minimize

    g = network.graph
    nodes = [g.loss, *gradient(g.loss, g.outputs)]
    rows = len(next(iter(ts.values())))
    shapes = [(rows, width) for width in network.widths]
    ends = np.cumsum([n * width for n, width in shapes])[:-1]

    def function(vector: Array) -> tuple[float, Array]:
        parts = [p.reshape(s) for p, s in zip(np.split(vector, ends), shapes, strict=True)]
        outputs = {z: part.astype(z.dtype) for z, part in zip(g.outputs, parts, strict=True)}
        loss, *slopes = interpret(nodes, {**outputs, **ts})
        return float(loss), np.concatenate([np.ravel(d) for d in slopes]).astype(np.float64)

    start = np.zeros(sum(n * width for n, width in shapes))
    return float(minimize(function, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).fun)
