"""What is wrong with a training: everything that can be told from the network and its rows as they are
now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import checked_seed, counted, positive_int
from ...errors import NotFittedError, ParameterError, ShapeError
from ...graph.tensor import Tensor, topological
from ...nn.dense import Affine
from ...nn.init import Purpose
from ...nn.wiring import numbered
from ...optim.rules import Optimizer
from ...optim.schedules import Constant
from ...optim.whole_batch import WholeBatch
from ...training.data import split_tables
from ...training.divergence import Fault, find_fault
from ...training.history import History
from ...training.metrics import MeasuredNetwork
from ...training.sparse import dense
from ..step import Step
from .data import conflicts, constants, imbalance, leakage, scales
from .findings import KINDS, Diagnosis, Finding, LayerHealth
from .layers import UNIT_ROWS, Layers
from .probe import Found, Probe
from .rate import constant_loss, course_findings, rate_findings, try_steps

if TYPE_CHECKING:
    from ..network import ExplainedNetwork

Array = np.ndarray[Any, Any]
ROWS = 2_000
"""Rows that layers, steps and leaks are measured on: enough to tell a share to 2 %, and quick on wide
networks."""
DATA_ROWS = 20_000
"""Rows that columns, classes and equal rows are counted in."""
NUMBERS = 2**25
"""Of the rows looked at, in the widest layer: 128 MiB in float32."""
COLUMNS_FORETOLD = 5_000
"""Inputs up to which each is tried alone: their sorting takes seconds then."""
ALIKE = 0.99
"""The share of rows with one answer from which on a network is said to give the same for all."""
USUAL = 0.9
"""Where a class has this share of the rows, naming it nearly always may be right."""
FLAT_ANSWER = 0.01
"""The spread of predicted values, as a share of the targets', below which they are called the same."""


@dataclass(frozen=True)
class Course:
    """The course of a training: losses and learning rates by epoch, the loss before the first step if that is
    known, and how it ended if it diverged."""

    losses: Sequence[float] = ()
    rates: Sequence[float] = ()
    start: float | None = None
    stopped: str | None = None
    fault: Fault | None = None

    @classmethod
    def of(cls, history: Any, start: float | None = None) -> Course:
        """From a history, or from what a model file holds of one."""
        if history is None:
            return cls()
        if isinstance(history, History):
            stopped = history.stopped if history.diverged else None
            return cls(history.loss, history.learning_rate, start, stopped, history.fault)
        if not isinstance(history, Mapping) or not isinstance(history.get("loss"), list):
            raise ParameterError(
                f"diagnose: history must be what fit returns, got {history!r:.60}. Pass history=net.fit(...)."
            )
        losses = [np.nan if loss is None else float(loss) for loss in history["loss"]]
        return cls(losses, history.get("learning_rate") or ())


class Rows:
    """Checked rows, and some of them drawn at random for what takes longer.

    Attributes
    ----------
    tables, ts : list of ndarray
        Of every input and output, all rows.
    names : list of str
        Of all inputs' columns.
    """

    def __init__(
        self, network: MeasuredNetwork, X: Any, y: Any, names: Sequence[str] | None, seed: int
    ) -> None:
        if not network.built:
            raise NotFittedError(
                "the network has no weights to diagnose. Call fit, or build(inputs, seed=0) for drawn ones."
            )
        self.network = network
        self.tables = network._tables(X)
        self.ts, self.codings = network._targets(y, self.tables, network._codings)
        self.labels = [np.asarray(part) for _, part in split_tables(y, network._output_names(), "y")]
        self.count = self.tables[0].shape[0]
        self.names = self._names(names)
        key = np.array([seed, int(Purpose.SHUFFLE)], np.uint64)
        self.order = np.random.Generator(np.random.Philox(key=key)).permutation(self.count)

    def _names(self, names: Sequence[str] | None) -> list[str]:
        widths = [table.shape[1] for table in self.tables]
        if names is not None:
            if len(names) != sum(widths):
                raise ShapeError(
                    f"diagnose: {counted(sum(widths), 'input')} need as many names, got {len(names):,}."
                )
            return [str(name) for name in names]
        several = len(widths) > 1
        known = [
            name or numbered("x", i, len(widths)) for i, (_, name) in enumerate(self.network._wiring.inputs)
        ]
        return [
            f"{known[i]}, column {k}" if several else f"column {k}"
            for i, width in enumerate(widths)
            for k in range(width)
        ]

    def some(self, most: int) -> Array:
        """Rows drawn at random, in the drawn order; of each class at least one.

        So many, or fewer where the network is so wide that their numbers would not fit into `NUMBERS`.
        """
        widest = max([sum(table.shape[1] for table in self.tables), *self.network._sizes])
        most = min(most, max(UNIT_ROWS, NUMBERS // widest))
        rows = self.order[:most]
        if self.network._codings or most >= self.count:
            return rows
        firsts = [
            np.unique(t, return_index=True)[1]
            for t, coding in zip(self.ts, self.codings, strict=True)
            if coding.classes is not None
        ]
        return np.concatenate([rows, np.setdiff1d(np.concatenate(firsts), rows)]) if firsts else rows

    def inputs(self, rows: Array) -> Array:
        """All inputs' columns side by side."""
        parts = [dense(table[rows]) for table in self.tables]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def step(self, rows: Array, optimizer: Optimizer | str | None, state: Mapping[str, Array] | None) -> Step:
        """The step that would come next, on these rows."""
        tables = [dense(table[rows]) for table in self.tables]
        labels = [label[rows] for label in self.labels]
        return Step(
            self.network,
            tables if len(tables) > 1 else tables[0],
            labels if len(labels) > 1 else labels[0],
            optimizer=optimizer,
            state=state,
        )


def diagnose(
    network: ExplainedNetwork,
    X: Any,
    y: Any,
    *,
    names: Sequence[str] | None = None,
    history: History | Mapping[str, Any] | None = None,
    optimizer: Optimizer | str | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> Diagnosis:
    """What `Network.diagnose` does; see there."""
    batch_size, seed = positive_int(batch_size, "diagnose: batch_size", "batch_size=32"), checked_seed(seed)
    return diagnosis(
        network, Rows(network, X, y, names, seed), Course.of(history), optimizer, batch_size, seed
    )


def diagnosis(
    network: ExplainedNetwork,
    data: Rows,
    course: Course,
    optimizer: Optimizer | str | None,
    batch_size: int,
    seed: int,
) -> Diagnosis:
    """All that can be found in checked rows and the course of a training."""
    past = network._past
    state = past.state if past is not None and optimizer is None else None
    rows = data.some(ROWS)
    step = data.step(rows, optimizer, state)
    if course.rates and not isinstance(step.rule.schedule, Constant):
        largest = max(course.rates)  # which the next one is, nobody knows
        step.feed[network.graph.lr] = np.asarray(largest, network.dtype)
    found, skipped = data_findings(data), list[str]()
    if len(data.names) > COLUMNS_FORETOLD:
        skipped.append(f"leakage: {len(data.names):,} inputs are too many to try each alone.")
    layers: list[LayerHealth] = []
    if not network.trained_leaves():
        skipped.append("layers and steps: every weight is frozen.")
    else:
        probe = Probe(network, step)
        values = probe()
        fault = fault_finding(network, step, rows, course, values)
        if fault is not None:
            found.append(fault)
            skipped.append("layers and steps: their numbers are not finite.")
        else:
            measured = Layers(network, probe)
            layers, scale = measured.measure(values), constant_loss(network, step.feed)
            whole = len(rows) >= data.count
            found += measured.findings(layers, len(rows), whole, float(values[probe.loss]) / scale)
            for node, name in _first_values(network):
                value = values[node]
                found += scales(value, _column_names(data, name, value.shape[1]))
            trained = network.optimizer is not None
            found += answers(data, rows) if trained else []
            warm = trained and not state
            rates, why = _rate(network, step, probe, course, scale, warm, batch_size, seed)
            found += rates
            skipped += why
    order = list(KINDS)
    found.sort(key=lambda finding: order.index(finding.kind))
    return Diagnosis(tuple(found), tuple(layers), len(rows), data.count, tuple(skipped))


def data_findings(data: Rows) -> list[Finding]:
    """What is wrong with the rows, whatever the network."""
    rows = data.some(DATA_ROWS)
    X = data.inputs(rows)
    low, high = (np.concatenate([_extreme(x, kind) for x in data.tables]) for kind in ("min", "max"))
    found = constants(low, high, data.count, data.names)
    several = len(data.ts) > 1
    for k, (t, coding) in enumerate(zip(data.ts, data.codings, strict=True)):
        where = numbered("output ", k, len(data.ts)) if several else ""
        own = t[rows]
        if coding.classes is None:
            for column in own.reshape(len(own), -1).T[:10]:
                found += _leakage(X, column.astype(np.float64), data.names, False)
            continue
        places = own.reshape(len(own), -1)[:, 0].astype(np.int64)
        labels = coding.classes.tolist()
        found += _leakage(X, places, data.names, True)
        found += imbalance(places, labels, where)
        found += conflicts(X, places, rows, where)
    return list({(finding.kind, finding.where): finding for finding in found}.values())


def _extreme(table: Any, kind: str) -> Array:
    """The least or largest number of each column, of all rows; of a sparse table the zeros too."""
    found = getattr(table, kind)(axis=0)
    return np.ravel(dense(found))


def _leakage(X: Array, t: Array, names: Sequence[str], classes: bool) -> list[Finding]:
    return leakage(X[:ROWS], t[:ROWS], names, classes) if X.shape[1] <= COLUMNS_FORETOLD else []


def fault_finding(
    network: MeasuredNetwork, step: Step, rows: Array, course: Course, known: Found
) -> Finding | None:
    """A number that is not finite: in the step that ended a training, or in the one that would come next."""
    fault, sure = course.fault, ""
    if course.stopped is not None:
        seen = f"training ended {course.stopped}."
        if fault is not None:
            seen = f"training ended {course.stopped}: {_shortly(fault)}."
        sure = "it happened: computed anew, that step has the same numbers."
    elif step.program is not None:

        def values(nodes: Sequence[Tensor]) -> list[Array]:
            return [known[x] for x in nodes] if all(x in known for x in nodes) else step.values(nodes)

        fault = find_fault(network, network.graph, step.program, values, rows)
        seen = "" if fault is None else f"in the step that would come next, {fault}."
        sure = "computed with the weights of now: the step would do just so."
    if fault is None and course.stopped is None:
        return None
    numbers: dict[str, Any] = {} if fault is None else dict(vars(fault))
    where = "" if fault is None else fault.layer
    return Finding("not_finite", where, seen, sure, numbers)


def _shortly(fault: Any) -> str:
    return str(fault).removeprefix(f"{fault.what}: ")


def answers(data: Rows, rows: Array) -> list[Finding]:
    """A network that gives one answer, whatever the row."""
    if len(rows) < UNIT_ROWS:
        return []
    network, found = data.network, []
    outputs = network._outputs_of([dense(table[rows]) for table in data.tables], "zp")
    for k, (t, coding, loss) in enumerate(zip(data.ts, data.codings, network._losses, strict=True)):
        where = numbered("output ", k, len(data.ts)) if len(data.ts) > 1 else ""
        z, p, own = outputs[2 * k], outputs[2 * k + 1], t[rows]
        if coding.classes is not None:
            places = z.argmax(axis=1) if z.shape[1] > 1 else (z[:, 0] > 0).astype(np.int64)
            true = own.reshape(len(own), -1)[:, 0].astype(np.int64)
            named, have = (np.bincount(x, minlength=len(coding.classes)) / len(rows) for x in (places, true))
            most = int(named.argmax())
            if named[most] < ALIKE or have.max() >= USUAL:
                continue
            label = coding.classes.tolist()[most]
            seen = f"{named[most]:.1%} of the rows are taken for {label}; {have[most]:.1%} are."
            numbers: dict[str, Any] = {"answer": label, "predicted": named[most], "true": have[most]}
        elif loss.target == "values" and p.shape == own.shape and own.std() > 0:
            spread = float(p.std(axis=0).max() / own.std(axis=0).max())
            if spread >= FLAT_ANSWER:
                continue
            seen = (
                f"predictions differ by a standard deviation of {p.std():.3g} around {p.mean():.4g}, the "
                f"targets by {own.std():.3g}: {spread:.2%} of that."
            )
            numbers = {"answer": float(p.mean()), "spread": spread}
        else:
            continue
        sure = f"counted in {counted(len(rows), 'row')}, with the weights of now."
        found.append(Finding("one_answer", where, seen, sure, numbers))
    return found


def _rate(
    network: MeasuredNetwork,
    step: Step,
    probe: Probe,
    course: Course,
    scale: float,
    warm: bool,
    batch_size: int,
    seed: int,
) -> tuple[list[Finding], list[str]]:
    """What is wrong with the learning rate, and why it may be that none was judged."""
    if isinstance(network.optimizer, WholeBatch):
        return [], [f"the learning rate: {network.optimizer.title} finds the length of its steps by itself."]
    found = course_findings(course.losses, course.rates, scale, course.start)
    if found:
        return found, []
    if not isinstance(step.rule.schedule, Constant) and not course.rates:
        return [], ["the learning rate: it changes by a schedule. Pass history=, what fit returned."]
    trial = try_steps(network, probe, batch_size, warm=warm, seed=seed)
    return rate_findings(trial, course.losses), []


def _first_values(network: MeasuredNetwork) -> list[tuple[Tensor, str]]:
    """What the first layers of weights get, where nothing that is trained comes before them; each with the
    name of the input that it is, or empty where layers without weights have changed it."""
    wiring, g = network._wiring, network.graph
    values = [*g.xs, *g.trained_values]
    trained = set(g.parameters.values())
    found: dict[Tensor, str] = {}
    for call in wiring.calls:
        layer = network.layers[call.layer]
        node = values[call.sources[0]]
        if not isinstance(layer, Affine) or node in found:
            continue
        before = [x for x in topological([node]) if x in trained]
        fixed = {leaf for name, leaf in g.parameters.items() if not network[name.partition(".")[0]].trained}
        if all(leaf in fixed for leaf in before):
            found[node] = str(node.name) if node in set(g.xs) else ""
    return list(found.items())


def _column_names(data: Rows, name: str, width: int) -> list[str]:
    """The names of a value's columns: an input's own, or else its places."""
    start = 0
    for x, table in zip(data.network.graph.xs, data.tables, strict=True):
        if name and x.name == name:
            return data.names[start : start + table.shape[1]]
        start += table.shape[1]
    if width == len(data.names) and len(data.tables) == 1:  # each column scaled by itself
        return data.names
    return [f"column {k} of what the first layer gets" for k in range(width)]
