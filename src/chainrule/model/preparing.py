"""From the arguments of `Network.fit` to a training that runs: all is checked before anything changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_seed, counted, positive_int
from ..emit.engine import ENGINES
from ..errors import ParameterError, ShapeError, unknown_name
from ..images.augment import Augment
from ..optim.rules import Adam, Optimizer, find_optimizer
from ..optim.schedules import Course, checked_rates
from ..training.callbacks import checked_callbacks
from ..training.data import Coding, row_weights
from ..training.fitting import Fit, Rows, Validation
from ..training.history import Past
from ..training.metrics import Metric
from ..training.opening import opened, require_streamable
from ..training.plan import Plan
from ..training.reader import Reader
from ..training.resume import Saved, identity_of, require_same, saved_fit, the_checkpoint
from ..training.sampling import Sampler, make_sampler
from ..training.streams import Stream, as_stream
from ..training.supply import Transform, require_transform, told_transform

if TYPE_CHECKING:
    from ..explain.ledger.ledger import Ledger
    from .network import Network

Array = np.ndarray[Any, Any]
Metrics = str | Sequence[str] | Mapping[str, Metric]
USUAL_BATCH = 32
SAMPLED = 10_000  # epochs whose learning rate is looked at before the first step; the others when they come


@dataclass(frozen=True)
class Asked:
    """The arguments of `Network.fit`, as they were given; there it says what each means."""

    optimizer: Optimizer | str | None
    batch_size: int | None
    epochs: int
    validation_data: tuple[Any, Any] | None
    metrics: Metrics
    sample_weight: Any
    class_weight: Mapping[Any, float] | str | None
    shuffle: bool
    seed: int
    engine: str
    callbacks: Iterable[Any]
    go_on: bool
    resume: bool
    record: Ledger | None
    accumulate: int
    transform: Transform | None
    sampling: Mapping[Any, float] | str | None
    steps_per_epoch: int | None

    def checked(self) -> Asked:
        """The same with numbers that are such; errors as in `Network.fit`."""
        if self.engine not in ENGINES:
            raise unknown_name("engine", self.engine, ENGINES)
        size = self.batch_size
        return replace(
            self,
            epochs=positive_int(self.epochs, "fit: epochs", "epochs=20"),
            accumulate=positive_int(self.accumulate, "fit: accumulate", "accumulate=4"),
            seed=checked_seed(self.seed),
            batch_size=None if size is None else positive_int(size, "fit: batch_size", "batch_size=32"),
        )


@dataclass(frozen=True)
class Source:
    """Where the rows come from.

    Attributes
    ----------
    plan : Plan
    tables, ts : list of ndarray
        Of a stream, some of its rows.
    weights : ndarray or None
    codings : list of Coding
    sampler : Sampler or None
        What draws rows by their classes.
    stream : Stream or None
    reader : Reader or None
        Of a stream.
    """

    plan: Plan
    tables: list[Array]
    ts: list[Array]
    weights: Array | None
    codings: list[Coding]
    sampler: Sampler | None = None
    stream: Stream | None = None
    reader: Reader | None = None


def prepare(network: Network, X: Any, y: Any, asked: Asked) -> Fit:
    """The training that was asked for; the network has its first weights then. Errors as in `Network.fit`."""
    rule = find_optimizer(Adam() if asked.optimizer is None else asked.optimizer)
    asked = asked.checked()
    record = asked.record
    if record is not None:
        from ..explain.ledger.ledger import checked_record

        record = checked_record(record, asked.engine)
    watching = checked_callbacks(asked.callbacks)
    if asked.transform is not None:
        require_transform(asked.transform, rule)
    checkpoint = the_checkpoint(watching, rule, asked.resume, asked.go_on, record is not None)
    past = _past_of(network, rule) if asked.go_on else Past()
    saved = saved_fit(checkpoint) if checkpoint is not None and asked.resume else None
    if saved is not None:
        past = saved.past
    stream = as_stream(X)
    if stream is None:
        source = _in_memory(network, X, y, asked, rule, past)
    else:
        source = _streamed(network, stream, y, asked, rule, past, saved)
    tables, plan = source.tables, source.plan
    codings = [replace(coding, threshold=None) for coding in source.codings]
    if isinstance(asked.transform, Augment):
        for table in tables:
            asked.transform.require_images(table.shape)
    validation = None
    if asked.validation_data is not None:
        validation = _validation(network, asked.validation_data, codings, tables, asked.metrics)
    elif asked.metrics:
        raise ParameterError("fit: metrics are measured on validation data. Pass validation_data=(X, y).")
    if rule.averaging is not None:
        rule.averaging.check(plan.stretch)
    looked_at = np.linspace(0, plan.epochs - 1, min(plan.epochs, SAMPLED)).astype(np.int64) * plan.updates
    checked_rates(rule.schedule, looked_at, Course(plan.updates, plan.epochs), network.dtype)
    identity: dict[str, Any] = {}
    if checkpoint is not None:
        identity = _identity(network, asked, rule, source, codings, validation, watching)
    if saved is not None:
        require_same(saved, identity)
    network._learn_sizes([table.shape[1] for table in tables], "fit")
    if saved is not None:
        network._take(saved.weights)
    if not network.built:
        network._fill(asked.seed)
    return Fit(
        network,
        rule,
        plan,
        Rows(tables, source.ts, source.weights, codings),
        validation,
        asked.engine,
        watching,
        past,
        record,
        identity,
        saved,
        transform=asked.transform,
        shuffler=source.sampler,
        reader=source.reader,
        limited=asked.steps_per_epoch is not None,
    )


def _past_of(network: Network, rule: Optimizer) -> Past:
    """Where the last fit ended, for one that goes on."""
    if network._past is None or network.optimizer is None or network.optimizer.rule != rule.rule:
        last = "there was none" if network._past is None else f"the last one's was {network.optimizer}"
        raise ParameterError(f"fit: no fit with {rule} to go on from: {last}. Leave go_on out.")
    return network._past


def _in_memory(network: Network, X: Any, y: Any, asked: Asked, rule: Optimizer, past: Past) -> Source:
    """Rows that are given as arrays."""
    if y is None or asked.steps_per_epoch is not None:
        wrong = "y is missing" if y is None else "steps_per_epoch is for streams, and X is a table"
        raise ParameterError(f"fit: {wrong}. Pass fit(X, y), or a stream that gives both.")
    tables = network._tables(X)
    ts, codings = network._targets(y, tables, network._codings)
    weights = row_weights(asked.sample_weight, asked.class_weight, ts, codings, network.dtype)
    rows = tables[0].shape[0]
    sampler = make_sampler(
        asked.sampling,
        asked.seed,
        ts[0],
        codings[0] if len(codings) == 1 else Coding(),  # of several outputs, none says the row's class
        shuffle=asked.shuffle,
        class_weight=asked.class_weight,
        whole_batch=type(rule).__name__ if rule.whole_batch else None,
    )
    plan = Plan(
        rows,
        rows if rule.whole_batch else min(asked.batch_size or USUAL_BATCH, rows),
        asked.epochs,
        asked.shuffle,
        asked.seed,
        past.epochs,
        past.steps,
        accumulate=asked.accumulate,
        sampling=None if sampler is None else sampler.draws,
        averaged=past.averaged,
    )
    return Source(plan, tables, ts, weights, codings, sampler)


def _streamed(
    network: Network,
    stream: Stream,
    y: Any,
    asked: Asked,
    rule: Optimizer,
    past: Past,
    saved: Saved | None,
) -> Source:
    """Rows that come part after part."""
    names = ("sample_weight", "record", "sampling", "class_weight", "steps_per_epoch", "resume")
    given = {name: getattr(asked, name) for name in (*names, "batch_size", "epochs")}
    require_streamable(network, stream, rule, {"y": y, **given})
    size = asked.batch_size or USUAL_BATCH
    wanted = size, asked.steps_per_epoch, asked.epochs, asked.shuffle, asked.seed, asked.accumulate
    reader, plan = opened(network, stream, rule, wanted, asked.class_weight, past, saved)
    tables, ts, weights = reader.like()
    return Source(plan, tables, ts, weights, reader.codings, stream=stream, reader=reader)


def _identity(
    network: Network,
    asked: Asked,
    rule: Optimizer,
    source: Source,
    codings: list[Coding],
    validation: Validation | None,
    callbacks: Sequence[Any],
) -> dict[str, Any]:
    """What a checkpoint says of the fit."""
    given: dict[str, Any] = {}
    if source.stream is None:
        given = {"X": source.tables, "y": source.ts, "weights": [source.weights]}
    if validation is not None:
        given |= {"validation X": validation.rows.tables, "validation y": validation.rows.ts}
    found = identity_of(network, rule, source.plan, given, callbacks, codings)
    found["metrics"] = [] if validation is None else list(validation.scorers)
    found["transform"] = None if asked.transform is None else told_transform(asked.transform)
    if source.stream is not None:
        found["stream"] = {**source.stream.identity(), "steps_per_epoch": asked.steps_per_epoch}
    return found


def _validation(
    network: Network, pair: Any, codings: list[Coding], tables: list[Array], metrics: Metrics
) -> Validation:
    """The rows to measure after each epoch, and how."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ParameterError("fit: validation_data must be a pair (X, y).")
    rows = network._tables(pair[0], "validation X")
    for own, table in zip(rows, tables, strict=True):
        if own.shape[1] != table.shape[1]:
            raise ShapeError(
                f"validation X: the network has {counted(table.shape[1], 'input')}, "
                f"got {counted(own.shape[1], 'column')}."
            )
    ts, _ = network._targets(pair[1], rows, codings, "validation y")
    listed = [metrics] if isinstance(metrics, str) else metrics
    named = listed if isinstance(listed, Mapping) else {name: name for name in listed}
    scorers = {name: network.scorer(metric) for name, metric in named.items()}
    return Validation(Rows(rows, ts, None, codings), scorers, (pair[0], pair[1]))
