"""`chainrule train`: from a table to a network that is tested and saved."""

from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted, need_matplotlib
from ..ensembles.ensemble import Ensemble
from ..errors import DataError, ParameterError
from ..model.network import Network
from ..nn.dense import Dense
from ..optim.rules import Optimizer
from ..tables.archive import need_skops
from ..tables.defaults import Defaults, defaults
from ..tables.encoding import Encoding, fit_encoding
from ..tables.kinds import stated_kinds
from ..tables.model import keep
from ..tables.table import Table
from ..tables.text import checked_separator
from ..tables.wording import printable, shown
from ..training.callbacks import Callback, EarlyStopping
from ..training.checkpoint import Checkpoint
from ..training.history import History
from ..training.loop import tell
from ..training.storage import write_whole
from .balance import Balance, find_balance, known_measure
from .baseline import fit_baseline
from .building import Goal, find_goal, make_network, make_optimizer, spoken
from .ensembles import (
    Course,
    Several,
    asked_for,
    in_words,
    measured_members,
    train_several,
    train_student,
)
from .images import Placed, Reading, find_augment, keep_shape, placed, reading_of, shape_of, sheet
from .outputs import check_outputs, check_picture
from .pictures import confusion_picture, learning_curves
from .report import report, scores, summarise
from .sets import BUILT_IN, load_frame, load_table
from .settings import Settings, gather
from .split import Purpose, hold_back, split_by_column
from .stopping import defaults_of_folds, folds_of, stops_by_folds
from .truth import matching
from .trying import Tracking, try_out

if TYPE_CHECKING:
    import polars

    from ..model.cross_validated import StoppingReport

Array = np.ndarray[Any, Any]
ITERATIONS = 200  # of an optimizer that takes all rows at once, and ends by itself


DONE = {"calibrate": "Calibrated", "threshold": "Threshold"}
MINUTES = 1.0  # from one checkpoint to the next, where an epoch takes longer


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


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    predictor : Network or Ensemble
    history : History or Course
    stopping : StoppingReport or None
    ensemble : Ensemble or None
        Also where a network has learned from it.
    """

    predictor: Network | Ensemble
    history: History | Course
    stopping: StoppingReport | None
    ensemble: Ensemble | None


@dataclass(frozen=True)
class Rows:
    """Encoded rows and their targets."""

    X: Array
    y: Array


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
    stated = stated_kinds(request.columns)
    if request.split is not None:
        stated[request.split] = "ignored"
    separator = checked_separator(request.separator)
    reading = reading_of(settings, request.data)
    shape = shape_of(request.data, settings, reading)
    augment = find_augment(settings, shape)
    if augment is None and request.contact_sheet is not None:
        raise ParameterError("--contact-sheet shows what --augment does. Pass --augment as well.")
    table = load_table(request.data, request.target, separator, stated, reading)
    goal = find_goal(table, settings)
    if request.confusion is not None and goal.task == "regression":
        raise ParameterError("--confusion is for classes, and this is a regression. Leave it out.")
    usual = defaults(table.rows)
    if shape is not None:
        usual = dataclasses.replace(usual, pieces=0)
    single = ["--checkpoint"] if request.checkpoint is not None else []
    single += [*request.tracking.stated, *(["--dry-run"] if request.trial == "--dry-run" else [])]
    by_folds = stops_by_folds(settings, single)
    if by_folds:
        usual = defaults_of_folds(usual)
    patience = _patience(settings)
    balance = find_balance(settings, goal, table.y)
    tracked = [*request.tracking.stated, *([request.trial] if request.trial else [])]
    several = asked_for(settings, ["--plot", *tracked] if request.plot is not None else tracked)
    if several is not None and several.kind == "snapshot":
        usual = dataclasses.replace(usual, schedule=None)
    holding = "early_stopping" if patience is not None else balance.held_by
    if several is not None and not several.holds_back:
        holding = None
    places = _split(table, goal, settings, request, usual, holding)
    given = _given_test(table, request, separator, reading)
    counts = {name: len(rows) for name, rows in places.items()}
    if given is not None:
        counts["test"] = given.frame.height
    encoding, parts = _encoded(table, goal, places, given, settings.get("training", "seed", 0))
    train = parts["train"]
    network = make_network(table, train.X, train.y, encoding, goal, settings, usual, shape is not None)
    change = None if augment is None else placed(augment, encoding.inputs)
    rule = make_optimizer(settings, train.y if goal.in_unit else None, usual)
    if change is not None and rule.whole_batch:
        raise ParameterError(
            f"{settings.label('images', 'augment')} and {settings.label('optimizer', 'name')} "
            f"{settings.get('optimizer', 'name')} contradict each other: images that change from epoch to "
            "epoch have no minimum to search for. Leave one out."
        )
    student = None
    if several is not None and several.student is not None:
        small = settings.but("network", "hidden", several.student, "--distill")
        own = dataclasses.replace(usual, dropout=0.0)
        student = make_network(table, train.X, train.y, encoding, goal, small, own, shape is not None)
    lines = _describe(table, encoding, network, goal, counts, settings)
    if several is not None:
        lines.append(several.describe())
    if augment is not None:
        lines.append(f"changed anew in each epoch: {augment.summary}")
    for line in lines:
        (tell if request.as_json else print)(line)
    taken = {**parts, "train": Rows(*balance.rows(train.X, train.y, encoding))}
    rows = len(taken["train"].y)
    if balance.resample is not None:
        line = f"{counted(rows, 'row')} to train on after --resample {balance.resample}"
        (tell if request.as_json else print)(line)
    sys.stdout.flush()  # before the progress bar, which goes to standard error
    if request.trial is not None:
        _try_out(taken, network, rule, balance, usual, patience, request, change)
        return
    if request.contact_sheet is not None and change is not None:  # before the training: to be looked at
        seed = settings.get("training", "seed", 0)
        write_whole(request.contact_sheet, sheet(request.contact_sheet, train.X, train.y, change, seed))
    asked = several, student
    trained = _fit(taken, network, rule, balance, usual, patience, request, by_folds, change, asked)
    predictor, history, stopping = trained.predictor, trained.history, trained.stopping
    baseline = fit_baseline(goal.task, train.X, train.y)
    test, held = parts["test"], parts.get("validation", train)
    before = report(predictor, test.X, test.y, table.name) if balance.decides else ""
    decided = balance.decide(network, held.X, held.y)
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
    if stopping is not None:
        result["stopping"] = stopping.to_json()
    if several is not None and trained.ensemble is not None:
        result["ensemble"] = measured_members(several, trained.ensemble, test, table.name)
    training = {**result, "loss_name": predictor.loss, "seed": settings.get("training", "seed", 0)}
    training |= {
        "batch_size": _batch_size(settings, usual, rule, rows),
        "history": history.to_json(),
    }
    if request.model is not None:
        keep(predictor, table, encoding, baseline.usual, baseline.linear, training)
        keep_shape(predictor, shape)
        predictor.save(request.model)
    if request.plot is not None and isinstance(history, History):
        write_whole(request.plot, learning_curves(history, table.name, request.plot.suffix))
    if request.confusion is not None:
        matrix = predictor.confusion_matrix(test.X, test.y)
        names, suffix = predictor.classes.tolist(), request.confusion.suffix
        picture = confusion_picture(matrix, names, table.target, suffix)
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
    if stopping is not None:
        print(f"\n{stopping}")
    those = "test" if given is not None else _those(places)
    _conclude(request, result, predictor, test, history, those, before, decided)


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


def _patience(settings: Settings) -> int | None:
    """The epochs without a gain that end the training; None for none."""
    stated, monitor = (settings.get("training", key) for key in ("early_stopping", "monitor"))
    label = settings.label("training", "monitor")
    if stated in (None, "off"):
        if monitor is not None:
            raise ParameterError(
                f"{label} says what early stopping goes by, and there is none. Pass --early-stopping as well."
            )
        return None
    if monitor not in (None, "loss"):
        known_measure(monitor, str(label))
    return int(stated)


def _split(
    table: Table, goal: Goal, settings: Settings, request: Request, usual: Defaults, holding: str | None
) -> dict[str, Array]:
    """The places of the rows to train on, to validate with if that is wanted, and to test with.

    Of xor's four rows none is held back, as each is needed. `holding` is a setting that needs such rows.
    """
    share = settings.get("training", "validation_size")
    everything = np.arange(table.rows)
    label = settings.label("training", "test_size")
    if label and (request.test is not None or request.split is not None):
        other = "--test" if request.test is not None else "--split"
        raise ParameterError(f"{label} and {other} both say which rows to test on. Give one of them.")
    if table.name == "xor":
        for key in (holding, "validation_size", "test_size"):
            if key is not None and settings.label("training", key):
                label = settings.label("training", key)
                raise ParameterError(f"{label}: xor has four rows, all of which are needed. Leave it out.")
        return {"train": everything, "test": everything}
    by_class = goal.task == "classification"
    seed = settings.get("training", "seed", 0)
    try:
        if request.split is not None:
            parts = split_by_column(request.split, table.frame)
        elif request.test is not None:
            parts = {"train": everything}
        else:
            test_size = settings.get("training", "test_size", usual.test_size)
            kept, test = hold_back(table.y, test_size, seed, Purpose.TEST, by_class)
            parts = {"train": kept, "test": test}
        if "validation" not in parts and (holding or share is not None):
            kept = parts["train"]
            size = share or usual.validation_size
            places, held = hold_back(table.y[kept], size, seed, Purpose.VALIDATION, by_class)
            parts |= {"train": kept[places], "validation": kept[held]}
        return {name: parts[name] for name in ("train", "validation", "test") if name in parts}
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from None


@dataclass(frozen=True)
class Given:
    """A table of rows to test on."""

    name: str
    frame: polars.DataFrame


def _given_test(table: Table, request: Request, separator: str | None, reading: Reading) -> Given | None:
    if request.test is None:
        return None
    return Given(request.test, load_frame(request.test, separator, reading))


def _encoded(
    table: Table, goal: Goal, places: Mapping[str, Array], given: Given | None, seed: int
) -> tuple[Encoding, dict[str, Rows]]:
    """The encoding learned from the rows to train on, and all rows encoded by it."""
    values = goal.task == "regression"
    y = table.values("a regression needs numbers") if values else table.y
    train = places["train"]
    targets = y[train].astype(np.float64 if values else np.str_)
    encoding, X = fit_encoding(table.name, table.cells[train], table.kinds.columns, targets, seed)
    parts = {"train": Rows(X, y[train])}
    for name, rows in places.items():
        if name != "train":
            _check_known(table, y, train, rows, values)
            parts[name] = Rows(encoding.encode(table.cells[rows]), y[rows])
    if given is not None:
        classes = None if values else np.unique(y[train])
        truth = matching(given.name, table.target, given.frame, classes)
        parts["test"] = Rows(encoding.encode_frame(given.name, given.frame), truth)
    return encoding, parts


def _check_known(table: Table, y: Array, train: Array, rows: Array, values: bool) -> None:
    """Raise DataError for a class that the rows to train on have not got: a column may split them so."""
    new = rows[~np.isin(y[rows], np.unique(y[train]))]
    if len(new) and not values:
        label = shown(y[new[0]].item())
        raise DataError(
            f"{table.place(int(new[0]))}: no row to train on is of the class {label}. "
            "Split the rows otherwise."
        )


def _fit(
    parts: Mapping[str, Rows],
    network: Network,
    rule: Optimizer,
    balance: Balance,
    usual: Defaults,
    patience: int | None,
    request: Request,
    by_folds: bool,
    change: Placed | None,
    asked: tuple[Several | None, Network | None],
) -> Trained:
    """Train; raises ParameterError if the loss leaves the numbers that can be reckoned with."""
    train = parts["train"]
    settings = balance.settings
    arguments, whole = _arguments(parts, rule, balance, usual, patience, request, change)
    stopping = ensemble = None
    predictor: Network | Ensemble = network
    history: History | Course
    several, student = asked
    with spoken(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # numbers that overflow: an error below
        if by_folds:
            stopping = network.fit_cross_validated_stopping(
                train.X, train.y, **arguments, **folds_of(settings, len(train.y))
            )
            history = stopping.trained
        elif several is not None:
            if not settings.label("training", "epochs"):
                arguments["epochs"] = several.epochs(arguments["epochs"])
            rows = train.X, train.y
            ensemble, history = train_several(several, network, rows, arguments, whole)
            predictor = ensemble
            if student is not None and not history.diverged:
                kept = {**arguments, "resume": request.resume}
                if request.checkpoint is not None:
                    folder = request.checkpoint / "student"
                    kept["callbacks"] = [Checkpoint(folder, every_minutes=MINUTES)]
                predictor, history = train_student(ensemble, student, train.X, kept)
        else:
            history = network.fit(train.X, train.y, **arguments, **whole)
    if history.diverged:
        advice = "another --optimizer"
        if not rule.whole_batch:
            advice = f"a smaller --learning-rate than {rule.schedule.learning_rate:g}, or --clip-norm 1"
        raise ParameterError(f"{history.stopped}; nothing was saved. Pass {advice}.")
    return Trained(predictor, history, stopping, ensemble)


def _arguments(
    parts: Mapping[str, Rows],
    rule: Optimizer,
    balance: Balance,
    usual: Defaults,
    patience: int | None,
    request: Request,
    change: Placed | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `Network.fit` is called with: what any training has, and what only a single one has."""
    train, validation = parts["train"], parts.get("validation")
    rows, settings = len(train.y), balance.settings
    batch_size = _batch_size(settings, usual, rule, rows)
    monitor = settings.get("training", "monitor", "loss")
    accumulate = settings.get("training", "accumulate", 1)
    enough = ITERATIONS if rule.whole_batch else usual.epochs_of(rows, batch_size * accumulate)
    callbacks: list[Callback] = []
    if patience is not None:
        callbacks.append(EarlyStopping(f"val_{monitor}", patience=patience))
    if request.checkpoint is not None:
        callbacks.append(Checkpoint(request.checkpoint, every_minutes=MINUTES))
    callbacks += request.tracking.callbacks()
    arguments: dict[str, Any] = {
        "optimizer": rule,
        "batch_size": batch_size,
        "epochs": settings.get("training", "epochs", enough),
        "class_weight": balance.class_weight,
        "sampling": balance.sampling,
        "seed": settings.get("training", "seed", 0),
        "engine": settings.get("training", "engine", "auto"),
        "transform": change,
        "accumulate": accumulate,
    }
    validated = None if validation is None else (validation.X, validation.y)
    whole = {
        "validation_data": validated,
        "metrics": () if monitor == "loss" else monitor,
        "callbacks": callbacks,
        "resume": request.resume,
    }
    return arguments, whole


def _try_out(
    parts: Mapping[str, Rows],
    network: Network,
    rule: Optimizer,
    balance: Balance,
    usual: Defaults,
    patience: int | None,
    request: Request,
    change: Placed | None,
) -> None:
    """Make the trial that is asked for in place of a training."""
    arguments, whole = _arguments(parts, rule, balance, usual, patience, request, change)
    rows = parts["train"].X, parts["train"].y
    with spoken(balance.settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        try_out(str(request.trial), network, rows, arguments, whole, request.plot, request.as_json)


def _batch_size(settings: Settings, usual: Defaults, rule: Optimizer, rows: int) -> int:
    """The rows of a step."""
    wanted = settings.get("training", "batch_size", usual.batch_size)
    return rows if wanted == "all" or rule.whole_batch else int(min(wanted, rows))


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
    predictor: Network | Ensemble,
    test: Rows,
    history: History | Course,
    those: str,
    before: str,
    decided: dict[str, Any],
) -> None:
    """Print how it ended, how good it is, and what can be done with it."""
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
        what = "read what it computes: chainrule source" if single else "see what is in it: chainrule inspect"
        print(f"Saved to {name}\nTo {what} {name}")
