"""One fit: its program and engine, what is measured after each epoch, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..emit.engine import Runner, choose_engine, is_batched
from ..emit.pools import calm
from ..errors import ParameterError, StreamError
from ..graph.tensor import Tensor
from ..nn.accumulation import is_sum
from ..optim.rules import Optimizer
from ..optim.schedules import Constant, Course, checked_rates
from ..optim.whole_batch import Minimum, WholeBatch
from ..shapes import evaluate_shape
from .averaged import Averaged
from .callbacks import call
from .checkpoint import Checkpoint, Content, Position
from .data import Coding
from .divergence import blame
from .history import History, Past
from .loop import Divergence, Loop, Shuffler, finite
from .plan import Plan
from .progress import Bar, Progress
from .reader import Reader
from .resume import Saved, content, remembering
from .sparse import dense, is_packed
from .streamed import Streamed
from .supply import Gathered, Supply, Transform
from .whole import Whole

if TYPE_CHECKING:
    from .stored import StoredNetwork

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """Checked data: tables of every input and output, weights of the rows, and how targets were written."""

    tables: list[Array]
    ts: list[Array]
    weights: Array | None
    codings: list[Coding]


@dataclass(frozen=True)
class Validation:
    """Rows that are measured after each epoch; scorers take them as the user gave them."""

    rows: Rows
    scorers: dict[str, Callable[[Any, Any], float]]
    given: tuple[Any, Any]


class Recorder(Protocol):
    """Writes a training down: it runs the steps in place of the engine's runner."""

    def runner(self, fit: Fit, runner: Runner) -> Runner:
        """A runner that makes the same steps as the one given, which is of the NumPy engine.

        Raises
        ------
        ChainruleError
            If what is to be written down is not there, or does not fit into memory; nothing is trained then.
        """


class Fit:
    """A training from the network's present weights.

    Parameters
    ----------
    network : StoredNetwork
        With weights.
    rule : Optimizer
    plan : Plan
    rows : Rows
    validation : Validation or None
    engine : {"auto", "numpy", "numba"}
    callbacks : list
    past : Past, optional
        What the rule remembers from the start.
    record : Recorder, optional
        Writes the steps down; the engine is NumPy's then.
    identity : dict, optional
        What a checkpoint says of the fit; needed where `callbacks` has a `Checkpoint`.
    saved : Saved, optional
        The checkpoint from which it goes on, whose weights the network has already.
    transform : callable, optional
        Changes the inputs' rows on their way to the engine; see `Gathered`.
    shuffler : Shuffler, optional
        What draws the rows of each epoch, where it is not just their order.
    reader : Reader, optional
        Where rows come from a stream: reads it, and has looked at its first part, which `rows` are then.
    limited : bool
        Whether the plan ends a stream's epochs, not the stream.

    Attributes
    ----------
    history : History
    past : Past
        After `run`, for a fit that goes on.
    minimum : Minimum or None
        After `run` with a rule that works on all rows at once, how its search ended.
    fault : str or None
        After `run`, where numbers were not finite any more, and what to do.
    """

    def __init__(
        self,
        network: StoredNetwork,
        rule: Optimizer,
        plan: Plan,
        rows: Rows,
        validation: Validation | None,
        engine: str,
        callbacks: list[Any],
        past: Past | None = None,
        record: Recorder | None = None,
        identity: Mapping[str, Any] | None = None,
        saved: Saved | None = None,
        transform: Transform | None = None,
        shuffler: Shuffler | None = None,
        reader: Reader | None = None,
        limited: bool = False,
    ) -> None:
        self.network, self.rule, self.plan, self.rows = network, rule, plan, rows
        self.validation, self.callbacks = validation, callbacks
        self.transform, self.shuffler = transform, shuffler
        self.reader, self.limited = reader, limited
        self.graph = g = network.graph  # kept: where a callback freezes layers, the network makes another
        self.leaves = network.trained_leaves()
        weighted = rows.weights is not None
        if not self.leaves:
            raise ParameterError("fit: every weight is frozen, so that nothing can be trained.")
        if plan.accumulate > 1 and (rule.whole_batch or record is not None):
            what = f"optimizer {rule.name}, which takes all rows at once," if rule.whole_batch else "record"
            raise ParameterError(f"fit: accumulate and {what} contradict each other. Leave one out.")
        if rule.whole_batch:
            self.program = network.gradient_program(weighted=weighted)
        else:
            self.program = network.program(rule, weighted=weighted, accumulate=plan.accumulate > 1)
        if engine == "auto" and saved is not None:
            engine = saved.header["engine"]
        if record is not None:
            engine = "numpy"
        if engine == "auto":
            seconds = plan.epochs * plan.steps * network.work(self.program, plan.batch_size)[1]
            engine = choose_engine(seconds)
        self.runner = network._runner("step", self.program, engine)
        network._compiled = engine == "numba"
        self.whole: Whole | None = None
        if isinstance(rule, WholeBatch):
            self.whole = Whole(network, rule, self.runner, self.leaves, rows, engine)
        if record is not None:
            self.runner = record.runner(self, self.runner)
        self.history = History(self._measures(), engine)
        self.history.settings = {"optimizer": rule.to_json() or repr(rule), **plan.settings}
        self.given: dict[Tensor, Any] = {**dict(zip(g.xs, rows.tables, strict=True))}
        self.given |= dict(zip(g.ts, rows.ts, strict=True))
        self.given |= {g.weights: rows.weights, g.seed: plan.seed}
        self.constant = isinstance(rule.schedule, Constant) and not any(
            x is g.step or x is g.last_part or x is g.average_share for x in self.program.inputs
        )
        self.averaged: Averaged | None = None
        if rule.averaging is not None:
            self.averaged = Averaged(network, self.program, rule.averaging, plan, shuffler)
        self.rate = 0.0
        self.progress = Progress()
        self.watched = validation is not None or any(getattr(c, "needs_weights", True) for c in callbacks)
        self.past = Past() if past is None else past
        self.minimum: Minimum | None = None
        self.fault: str | None = None
        self.checkpoint = next((c for c in callbacks if isinstance(c, Checkpoint)), None)
        self.identity, self.saved = dict(identity or {}), saved

    def run(self, verbose: bool) -> History:
        """Train to the end, Ctrl-C, or until something stops it."""
        network, history = self.network, self.history
        self.runner.load({**self._starts(), **self._weights_to_begin()})
        call(self.callbacks, "on_fit_begin", network, history)
        start = self._go_on() if self.saved is not None else Position(0, 0, np.zeros(0))
        self.running = loop = self.loop((start.epoch, start.losses))
        if self.checkpoint is not None:
            self.checkpoint.begin(history, self.saved is not None)
            loop.stride = self.checkpoint.every_steps
            loop.between = lambda: self._write_within(loop)
        started, broken = time.perf_counter(), None
        steps = self.plan.steps if self.plan.length != 0 else None
        bar = Bar(self.plan.epochs, steps, loop.done) if verbose else Progress()
        effort = network.work(self.program, self.plan.batch_size)[0]
        quiet = history.engine == "numpy" or self.rule.whole_batch  # compiled loops see to it themselves
        with bar as self.progress, calm(effort) if quiet else nullcontext():
            loop.progress = self.progress
            try:
                if self.whole is not None:
                    history.interrupted, self.minimum, loop.divergence = self.whole.run(self, loop.in_order)
                elif history.stopped is None:
                    history.interrupted = loop.run(self._on_epoch)
                    if history.interrupted and loop.divergence is None and not loop.torn:
                        self._write_within(loop, at_once=True)
            except StreamError as error:
                self._write_within(loop, at_once=True)
                broken, error.history, history.failed = error, history, True
            finally:
                if loop.supply is not None:
                    loop.supply.close()
                state = self.runner.state
                self._hand_over(state)
                self._keep_past(state, loop.done)
                history.seconds = time.perf_counter() - started
        if loop.divergence is not None:
            self._report(loop.divergence)
        call(self.callbacks, "on_fit_end", network, history)
        if broken is not None:
            raise broken
        return history

    # inputs -----------------------------------------------------------------------------------

    def loop(self, start: tuple[int, Array] = (0, np.zeros(0))) -> Loop:
        """What runs the steps, from where a fit goes on; the runner's variables must be loaded."""
        supply = partial(self._supply, start[0]) if self._has_supply() else None
        return Loop(self.runner, self.plan, self._inputs, self.progress, supply, start, self.shuffler)

    def _has_supply(self) -> bool:
        """Whether rows have to be made before the engine can take them."""
        packed = any(map(is_packed, self.rows.tables))
        return packed or self.transform is not None or self.reader is not None

    def _supply(self, epoch: int, order: Callable[[int], Array]) -> Supply:
        """What gives the rows, from that epoch on."""
        if self.reader is not None:
            return Streamed(self.reader, self.plan, self.limited, epoch, self.transform)
        inputs = self.program.inputs
        tables = [self.given.get(x) for x in inputs]
        return Gathered(inputs, tables, self.plan, order, self.transform, len(self.graph.xs))

    def _inputs(self, first: int, count: int) -> list[Any]:
        """The program's inputs for steps: tables, and numbers that change from step to step."""
        if not self.constant or not self.rate:
            g, steps = self.graph, np.arange(first, first + count)
            epoch = first // self.plan.steps
            measured = self.history.val_loss or self.history.loss
            course = Course(self.plan.updates, self.plan.epochs, measured[:epoch])
            updates, self.given[g.last_part] = self.plan.update_of(steps)
            rates = checked_rates(self.rule.schedule, updates, course, self.network.dtype)
            self.given |= {g.step: steps + self.plan.first_step, g.lr: rates[0] if self.constant else rates}
            if self.averaged is not None:
                self.given[g.average_share] = self.averaged.shares(updates)
            self.rate = float(rates[-1])
            self.listed = [self.given[x] for x in self.program.inputs]
        return self.listed

    # epochs -----------------------------------------------------------------------------------

    def _measures(self) -> list[str]:
        if self.validation is None:
            return ["loss"]
        several = len(self.rows.codings) > 1
        accuracies = [
            f"val_accuracy{k + 1 if several else ''}"
            for k, coding in enumerate(self.rows.codings)
            if coding.classes is not None
        ]
        return ["loss", "val_loss", *accuracies, *(f"val_{name}" for name in self.validation.scorers)]

    def _on_epoch(self, loss: float) -> bool:
        network, history = self.network, self.history
        measured = {"loss": loss}
        if self.watched:
            state = self.runner.state
            if not finite(state):
                return False  # nobody is to see it: the loop goes back to the step at fault
            self._hand_over(state)
        if self.validation is not None:
            v = self.validation
            found = network._measure(v.rows.tables, v.rows.ts, v.rows.codings)
            found |= {name: score(*v.given) for name, score in v.scorers.items()}
            measured |= {f"val_{name}": value for name, value in found.items()}
        history.record(measured)
        if not self.rule.whole_batch:
            if not self.rate:  # where a fit went on, and its stream's epoch had no step left
                self._inputs(self.running.done - 1, 1)
            history.learning_rate.append(self.rate)
        self.progress.epoch(history)
        if self.callbacks:
            call(self.callbacks, "on_epoch_end", network, history)
        if self.checkpoint is not None:
            self._write_epoch(self.checkpoint)
        return history.stopped is None

    def _hand_over(self, state: Mapping[Tensor, Array]) -> None:
        """Give the network the weights of that moment, or their average."""
        self.network._take(self._weights(state))

    def _weights(self, state: Mapping[Tensor, Array]) -> dict[str, Array]:
        """What the network has after so many steps, by the names of parameters."""
        live = self._live(state)
        if self.averaged is None:
            return live
        return self.averaged(self.plan.updates_made(self.running.done), live, state, self.rows.tables)

    def _live(self, state: Mapping[Tensor, Array]) -> dict[str, Array]:
        """The weights that steps change."""
        return {name: state[leaf] for name, leaf in self.graph.parameters.items() if leaf in state}

    # the end ----------------------------------------------------------------------------------

    def _report(self, found: Divergence) -> None:
        """Say in which epoch, step and layer numbers were not finite any more."""
        g, rows = self.graph, found.rows
        self.constant = False
        self._inputs(found.epoch * self.plan.steps + found.step, 1)
        if found.tables is not None:
            taken = dict(zip(filter(is_batched, self.program.inputs), found.tables, strict=True))
        else:
            taken = {x: dense(self.given[x][rows]) for x in (*g.xs, *g.ts)}
            if self.rows.weights is not None:
                taken[g.weights] = self.rows.weights[rows]
        changing = [x for x in (g.step, g.lr, g.last_part, g.average_share) if x in self.given]
        single = {g.seed: self.plan.seed, **{x: self.given[x][0] for x in changing}}
        values = {**self.runner.state, **taken, **single}
        what, self.history.fault = blame(self.network, g, self.program, values, rows)
        self.history.cut(found.epoch)
        self.history.diverged = True
        hint = "Scale the inputs."
        if not self.rule.whole_batch:
            hint = f"Lower the learning rate ({self.rate:g}), scale the inputs, or clip the gradients."
        of = "" if self.plan.length == 0 else f" of {self.plan.steps}"
        self.history.stop(f"in epoch {found.epoch + 1}, step {found.step + 1}{of}, {what}")
        self.fault = (
            f"{self.history.stopped}, and training ended with the weights of before that step. {hint}"
        )

    # checkpoints ------------------------------------------------------------------------------

    def _go_on(self) -> Position:
        """Take up the history and the callbacks' memories of the checkpoint; where the fit was."""
        assert self.saved is not None
        known = self.saved.part("history")
        self.history.learning_rate = known.pop("learning_rate").tolist()
        for values in zip(*(known[name].tolist() for name in self.history.measures), strict=True):
            self.history.record(dict(zip(self.history.measures, values, strict=True)))
        self.history.stopped = self.saved.header["stopped"]
        for i, callback in enumerate(remembering(self.callbacks)):
            callback.restore(self.saved.part(f"callback{i}"))
        return self.saved.position

    def _write_epoch(self, checkpoint: Checkpoint) -> None:
        """A checkpoint after an epoch, if it is time."""
        epochs = self.history.epochs
        due = epochs % checkpoint.every_epochs == 0 or epochs == self.plan.epochs or self.history.stopped
        best = checkpoint.improved(self.history)
        if due or best:
            position = Position(epochs, 0, np.zeros(0))
            found = self._content(position, self.runner.state)
            if best:
                checkpoint.write(position, found, best=True)
            if due:
                checkpoint.write(position, found)

    def _write_within(self, loop: Loop, at_once: bool = False) -> None:
        """A checkpoint in the middle of an epoch, if it is time and all numbers are finite."""
        if self.checkpoint is None or not (at_once or self.checkpoint.due_within(loop.done)):
            return
        state = self.runner.state
        if finite(state):
            epoch, step = divmod(loop.done, self.plan.steps)
            position = Position(epoch, step, loop.losses[:step])
            self.checkpoint.write(position, self._content(position, state))

    def _content(self, position: Position, state: Mapping[Tensor, Array]) -> Content:
        memory = {f"state:{leaf.name}": state[leaf] for leaf in self._remembered()}
        if self.averaged is not None:
            memory |= {f"live:{name}": value for name, value in self._live(state).items()}
        parts = self.history, self.callbacks
        place = position, self.plan.length
        return content(self.network, self.identity, *place, self._weights(state), memory, *parts)

    # what the rule remembers ------------------------------------------------------------------

    def _remembered(self) -> list[Tensor]:
        """The variables of the rule: those that are no weights."""
        weights = set(self.graph.parameters.values())
        return [leaf for leaf in self.program.updates if leaf not in weights]

    def _starts(self) -> dict[Tensor, Array]:
        """Where they start: as an earlier fit has left them, at their leaf's value, or at 0."""
        left = self.past.state
        begun = self._weights_to_begin()
        # an average that there is already cannot have had what was frozen until now
        own = {} if self.averaged is None or not self.past.averaged else self.averaged.starts(begun)
        return {
            leaf: left[leaf.name or ""]
            if leaf.name in left
            else own[leaf]
            if leaf in own
            else np.zeros(evaluate_shape(leaf.shape, {}), leaf.dtype)
            if leaf.value is None
            else leaf.value
            for leaf in self._remembered()
        }

    def _weights_to_begin(self) -> dict[Tensor, Array]:
        """The network's weights, or those that a fit with an average has left behind for the next one."""
        weights = self.past.weights_from(self.network.parameters)
        known = set(self.program.variables)
        return {leaf: weights[name] for name, leaf in self.graph.parameters.items() if leaf in known}

    def _keep_past(self, state: Mapping[Tensor, Array], steps: int) -> None:
        plan = self.plan
        kept = {leaf.name or "": state[leaf] for leaf in self._remembered() if not is_sum(leaf)}
        epochs = -(-steps // plan.steps)
        self.past = Past(plan.first_epoch + epochs, plan.first_step + steps, kept)
        if self.averaged is not None:
            count = self.averaged.taken(plan.updates_made(steps))
            self.past = replace(self.past, live=self._live(state), given=self._weights(state), averaged=count)
