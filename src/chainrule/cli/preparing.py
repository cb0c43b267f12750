"""What `chainrule train` is asked for, checked and made ready: rows, network, update rule."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..checks import counted, need_matplotlib
from ..errors import ParameterError
from ..model.network import Network
from ..nn.dense import Dense
from ..tables.archive import need_skops
from ..tables.defaults import defaults
from ..tables.encoding import Encoding
from ..tables.kinds import stated_kinds
from ..tables.streaming import EncodedStream
from ..tables.table import Table
from ..tables.text import checked_separator
from ..tables.wording import printable, shown
from .balance import find_balance
from .building import Goal, find_goal, make_network, make_optimizer
from .ensembles import asked_for
from .fitting import Task, patience_of
from .images import find_augment, placed, reading_of, shape_of
from .outputs import check_outputs, check_picture
from .rows import Given, Rows, encode_rows, split_rows
from .sampled import refuse_streamed, sample_of
from .sets import BUILT_IN, load_frame, load_table
from .settings import Settings
from .stopping import defaults_of_folds, stops_by_folds
from .trying import Tracking


@dataclass(frozen=True)
class Request:
    """What is to be read and written.

    Attributes
    ----------
    data : str
    target : str or None
    test : str or None
        A table of rows to test on.
    split : str or None
        The column that says which rows are for the test.
    separator : str or None
    columns : sequence of str
        NAME=KIND.
    config : str or None
    model, plot, confusion : Path or None
    as_json : bool
    checkpoint : Path or None
        The folder of checkpoints.
    resume : bool
    contact_sheet : Path or None
    tracking : Tracking
    trial : str or None
        One of `TRIALS`, in place of a training.
    stream : bool
        Whether the table is read part after part.
    """

    data: str
    target: str | None = None
    test: str | None = None
    split: str | None = None
    separator: str | None = None
    columns: tuple[str, ...] = ()
    config: str | None = None
    model: Path | None = None
    plot: Path | None = None
    confusion: Path | None = None
    as_json: bool = False
    checkpoint: Path | None = None
    resume: bool = False
    contact_sheet: Path | None = None
    tracking: Tracking = field(default_factory=Tracking)
    trial: str | None = None
    stream: bool = False


@dataclass(frozen=True)
class Prepared:
    """A training that is ready.

    Attributes
    ----------
    task : Task
    table : Table
        Of a stream, a sample of it.
    goal : Goal
    encoding : Encoding
    rows, test : Rows
        To train on, before any resampling, and to test with.
    counts : dict of str to int
        How many rows are for what.
    tested_on : {"held", "trained", "test"}
        Rows held back, those trained on, or a table of their own.
    shape : tuple of int or None
        Of images.
    lines : list of str
        What is said beforehand.
    """

    task: Task
    table: Table
    goal: Goal
    encoding: Encoding
    rows: Rows
    test: Rows
    counts: dict[str, int]
    tested_on: str
    shape: tuple[int, ...] | None
    lines: list[str]


def prepare(request: Request, settings: Settings) -> Prepared:
    """Read the table, and make all that a training needs.

    Raises
    ------
    ChainruleError
        If the table cannot be read or learned from so, or settings contradict each other.
    """
    _check(request)
    if request.stream:
        given_besides = {"--split": request.split, request.trial or "": request.trial}
        refuse_streamed(request.data, given_besides, settings)
    stated = stated_kinds(request.columns)
    if request.split is not None:
        stated[request.split] = "ignored"
    separator = checked_separator(request.separator)
    reading = reading_of(settings, request.data)
    shape = shape_of(request.data, settings, reading)
    augment = find_augment(settings, shape)
    if augment is None and request.contact_sheet is not None:
        raise ParameterError("--contact-sheet shows what --augment does. Pass --augment as well.")
    sampled = None
    if request.stream:
        sampled = sample_of(request.data, request.target, separator, stated, settings)
        table = sampled.table
    else:
        table = load_table(request.data, request.target, separator, stated, reading)
    goal = find_goal(table, settings)
    if request.confusion is not None and goal.task == "regression":
        raise ParameterError("--confusion is for classes, and this is a regression. Leave it out.")
    usual = defaults(table.rows if sampled is None else sampled.rows)
    if shape is not None:
        usual = dataclasses.replace(usual, pieces=0)
    by_folds = stops_by_folds(settings, _of_single_trainings(request))
    if by_folds:
        usual = defaults_of_folds(usual)
    several = asked_for(settings, goal, _of_single_networks(request))
    if several is not None and several.kind == "snapshot":
        usual = dataclasses.replace(usual, schedule=None)
    patience = patience_of(settings)
    balance = find_balance(settings, goal, table.y)
    holding = balance.held_by
    if patience is not None and (several is None or several.holds_back):
        holding = "early_stopping"
    places = split_rows(table, goal, settings, request.test, request.split, usual, holding)
    given = None
    if request.test is not None:
        given = Given(request.test, load_frame(request.test, separator, reading))
    counts = {name: len(rows) for name, rows in places.items()}
    if given is not None:
        counts["test"] = given.frame.height
    seed = settings.get("training", "seed", 0)
    encoding, parts = encode_rows(table, goal, places, given, seed)
    rows, test = parts["train"], parts["test"]
    if sampled is not None:
        labels = None if goal.task == "regression" else np.unique(rows.y)
        rows = Rows(rows.X, rows.y, EncodedStream(sampled, encoding, places["train"], labels))
        counts["train"] = rows.count
    network = make_network(table, rows.X, rows.y, encoding, goal, settings, usual, shape is not None)
    student = None
    if several is not None and several.student is not None:
        small = settings.but("network", "hidden", several.student, "--distill")
        plain = dataclasses.replace(usual, dropout=0.0)
        student = make_network(table, rows.X, rows.y, encoding, goal, small, plain, shape is not None)
    rule = make_optimizer(settings, rows.y if goal.in_unit else None, usual)
    change = None if augment is None else placed(augment, encoding.inputs)
    if change is not None and rule.whole_batch:
        raise ParameterError(
            f"{settings.label('images', 'augment')} and {settings.label('optimizer', 'name')} "
            f"{settings.get('optimizer', 'name')} contradict each other: images that change from epoch to "
            "epoch have no minimum to search for. Leave one out."
        )
    resampled = Rows(*balance.rows(rows.X, rows.y, encoding), rows.stream)
    lines = _describe(table, encoding, network, goal, counts, settings)
    if augment is not None:
        lines.append(f"changed anew in each epoch: {augment.summary}")
    if balance.resample is not None:
        lines.append(f"{counted(len(resampled.y), 'row')} to train on after --resample {balance.resample}")
    if several is not None:
        lines.append(several.describe())
    task = Task(
        parts={**parts, "train": resampled},
        network=network,
        rule=rule,
        settings=settings,
        usual=usual,
        balance=balance,
        patience=patience,
        change=change,
        by_folds=by_folds,
        several=several,
        student=student,
        checkpoint=request.checkpoint,
        resume=request.resume,
        tracking=request.tracking,
    )
    tested_on = "held"
    if given is not None:
        tested_on = "test"
    elif np.array_equal(places["train"], places["test"]):
        tested_on = "trained"
    return Prepared(task, table, goal, encoding, rows, test, counts, tested_on, shape, lines)


def _of_single_trainings(request: Request) -> list[str]:
    """The options given that are for one training, and not for one of each fold."""
    trial = [request.trial] if request.trial == "--dry-run" else []
    return [*(["--checkpoint"] if request.checkpoint is not None else []), *request.tracking.stated, *trial]


def _of_single_networks(request: Request) -> list[str]:
    """The options given that are for one network."""
    plot = ["--plot"] if request.plot is not None else []
    return [*plot, *([request.trial] if request.trial is not None else []), *request.tracking.stated]


def _check(request: Request) -> None:
    """Refuse what cannot be read or written before the work, not after it."""
    pictures = {
        "--plot": request.plot,
        "--confusion": request.confusion,
        "--contact-sheet": request.contact_sheet,
    }
    for option, path in pictures.items():
        check_picture(option, path)
    if any(path is not None for path in pictures.values()):
        need_matplotlib()
    if request.model is not None:
        need_skops()
    files = [path for path in (request.data, request.test) if path not in BUILT_IN]
    outputs = {"--model": request.model, **pictures, "--log": request.tracking.log}
    check_outputs(outputs, [*files, request.config])
    request.tracking.callbacks()
    if request.test is not None and request.split is not None:
        raise ParameterError("--test and --split both say which rows to test on. Give one of them.")
    if request.resume and request.checkpoint is None:
        raise ParameterError("--resume needs to know the folder. Pass --checkpoint FOLDER as well.")


def _describe(
    table: Table, encoding: Encoding, network: Network, goal: Goal, rows: dict[str, int], settings: Settings
) -> list[str]:
    """What is learned from what, in lines."""
    outputs = "1 value" if goal.task == "regression" else f"{len(np.unique(table.y)):,} classes"
    columns = len(encoding.columns)
    size = f"{counted(table.rows, 'row')}, {counted(columns, 'input' if _plain(encoding) else 'column')}"
    lines = [f"{printable(table.name)}: {size}, {printable(table.target[:40])} in {outputs}"]
    stated = settings.label("training", "task") or settings.label("loss", "name")
    if not stated and table.name not in BUILT_IN:
        other = "regression" if goal.task == "classification" else "classification"
        override = "" if table.y.dtype.kind == "U" else f"; else pass --task {other}"
        lines.append(f"task: {goal.task}, as {shown(table.target)} shows: {table.why}{override}")
    for name, why in table.kinds.left_out.items():
        if why != "ignored":
            lines.append(f"left out: {shown(name)}: {why}")
    sizes = "-".join(str(layer.units) for layer in network.layers if isinstance(layer, Dense))
    parts = [f"{counted(rows['train'], 'row')} to train on"]
    if "validation" in rows:
        parts.append(f"{rows['validation']:,} to validate with")
    if table.name != "xor":
        parts.append(f"{rows['test']:,} held back")
    return [*lines, f"network {len(encoding.inputs)}-{sizes}, {', '.join(parts)}"]


def _plain(encoding: Encoding) -> bool:
    """Whether every column is one input."""
    return encoding.inputs == [column.name for column in encoding.columns]
