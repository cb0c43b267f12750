"""`chainrule train`: from a table to a network that is tested and saved."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import counted, need_matplotlib
from ..errors import ParameterError
from ..model.network import Network
from ..nn.dense import Dense
from ..tables.archive import need_skops
from ..tables.defaults import defaults
from ..tables.encoding import Encoding
from ..tables.kinds import stated_kinds
from ..tables.model import keep
from ..tables.streaming import EncodedStream
from ..tables.table import Table
from ..tables.text import checked_separator
from ..tables.wording import printable, shown
from ..training.history import History
from ..training.loop import tell
from ..training.storage import write_whole
from .balance import find_balance
from .baseline import fit_baseline
from .building import Goal, find_goal, make_network, make_optimizer
from .ensembles import asked_for, in_words, measured_members
from .fitting import Task, Trained, attempt, fit, patience_of
from .images import find_augment, keep_shape, placed, reading_of, shape_of, sheet
from .outputs import check_outputs, check_picture
from .pictures import confusion_picture, learning_curves
from .report import report, scores, summarise
from .rows import Given, Rows, encode_rows, split_rows
from .sampled import refuse_streamed, sample_of
from .sets import BUILT_IN, load_frame, load_table
from .settings import Settings, gather
from .stopping import defaults_of_folds, stops_by_folds
from .trying import Tracking

Array = np.ndarray[Any, Any]
DONE = {"calibrate": "Calibrated", "threshold": "Threshold"}


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


def train(request: Request, options: Mapping[str, Any]) -> None:
    """Train a network and test it on rows held back.

    Parameters
    ----------
    request : Request
    options : mapping
        The settings' options, by parameter name.
    """
    settings = gather(options, request.config)
    _check(request)
    say = tell if request.as_json else print
    if request.stream:
        refuse_streamed(
            request.data, {"--split": request.split, request.trial or "": request.trial}, settings
        )
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
    several = asked_for(settings, _of_single_networks(request))
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
    for line in _describe(table, encoding, network, goal, counts, settings):
        say(line)
    if augment is not None:
        say(f"changed anew in each epoch: {augment.summary}")
    resampled = Rows(*balance.rows(rows.X, rows.y, encoding), rows.stream)
    if balance.resample is not None:
        say(f"{counted(len(resampled.y), 'row')} to train on after --resample {balance.resample}")
    if several is not None:
        say(several.describe())
    sys.stdout.flush()  # before the progress bar, which goes to standard error
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
    if request.trial is not None:
        attempt(task, request.trial, request.plot, request.as_json)
        return
    if request.contact_sheet is not None and change is not None:  # before the training: to be looked at
        write_whole(request.contact_sheet, sheet(request.contact_sheet, rows.X, rows.y, change, seed))
    trained = fit(task)
    predictor, history = trained.predictor, trained.history
    baseline = fit_baseline(goal.task, rows.X, rows.y)
    before, decided = "", {}
    if balance.decides and isinstance(predictor, Network):
        before = report(predictor, test.X, test.y, table.name)
        held = parts.get("validation", rows)
        decided = balance.decide(predictor, held.X, held.y)
    result: dict[str, Any] = {
        "task": goal.task,
        "rows": counts,
        "test": scores(predictor, test.X, test.y, table.name),
        "baseline": baseline.scores(test.X, test.y),
        "seconds": round(history.seconds, 3),
        "epochs": history.epochs,
        "loss": history.loss[-1] if history.loss else None,
        "interrupted": history.interrupted,
        "engine": history.engine,
        **{key: None if done is None else done.to_json() for key, done in decided.items()},
    }
    if trained.stopping is not None:
        result["stopping"] = trained.stopping.to_json()
    if several is not None and trained.ensemble is not None:
        result["ensemble"] = measured_members(several, trained.ensemble, test, table.name)
    if request.model is not None:
        kept = {"loss_name": predictor.loss, "seed": seed, "batch_size": task.batch_size}
        course = {**result, **kept, "history": history.to_json()}
        keep(predictor, table, encoding, baseline.usual, baseline.linear, course)
        keep_shape(predictor, shape)
        predictor.save(request.model)
    if request.plot is not None and isinstance(history, History):
        write_whole(request.plot, learning_curves(history, table.name, request.plot.suffix))
    if request.confusion is not None:
        matrix, labels = predictor.confusion_matrix(test.X, test.y), predictor.classes.tolist()
        picture = confusion_picture(matrix, labels, table.target, request.confusion.suffix)
        write_whole(request.confusion, picture)
    if request.as_json:
        told = {column.name: column.kind for column in encoding.columns}
        result |= {
            "columns": told,
            "left_out": table.kinds.left_out,
            "model": None if request.model is None else str(request.model),
        }
        print(json.dumps(result))
        return
    if trained.stopping is not None:
        print(f"\n{trained.stopping}")
    those = "test" if given is not None else _those(places)
    _conclude(request, result, trained, test, those, before, decided)


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


def _those(places: Mapping[str, Array]) -> str:
    return "trained" if np.array_equal(places["train"], places["test"]) else "held"


def _conclude(
    request: Request,
    result: dict[str, Any],
    trained: Trained,
    test: Rows,
    those: str,
    before: str,
    decided: dict[str, Any],
) -> None:
    """Print how it ended, how good it is, and what can be done with it."""
    predictor, history = trained.predictor, trained.history
    if history.stopped is not None:
        print(f"Stopped after {counted(history.epochs, 'epoch')}: {history.stopped}.")
    words = {
        "trained": "it was trained on",
        "held": "held back",
        "test": f"of {printable(str(request.test))}",
    }
    tested = f"On the {counted(result['rows']['test'], 'row')} {words[those]}"
    if before:
        print(f"\n{tested}, before:\n\n{before}\n")
        for key, done in decided.items():
            if done is not None:
                print(f"{DONE[key]}: {done}")
    print(f"\n{tested}:\n")
    print(report(predictor, test.X, test.y, request.data))
    print(f"\n{summarise(result)}.")
    if "ensemble" in result:
        print(f"{in_words(result['ensemble'], isinstance(predictor, Network))}.")
    print(f"Trained in {history.seconds:.1f} s by the engine {history.engine}.")
    pictures = {
        "Learning curves": request.plot,
        "Confusion matrix": request.confusion,
        "Contact sheet": request.contact_sheet,
    }
    for what, path in pictures.items():
        if path is not None:
            print(f"{what}: {printable(str(path))}")
    if request.model is None:
        print("Not saved: pass --model FILE to keep the network.")
    else:
        name, single = printable(str(request.model)), isinstance(predictor, Network)
        print(f"Saved to {name}")
        what = "read what it computes: chainrule source" if single else "see what is in it: chainrule inspect"
        print(f"To {what} {name}")
