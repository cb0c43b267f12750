"""`chainrule train`: from a table to a network that is tested and saved."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import DataError, ParameterError
from ..nn.dense import Dense
from ..optim.rules import Optimizer
from ..training.callbacks import EarlyStopping
from ..training.history import History
from ..training.network import Network
from .building import Goal, find_goal, make_network, make_optimizer, spoken
from .report import baseline, report, scores, summarise
from .sets import load_table
from .settings import Settings, check_target, gather
from .split import Purpose, hold_back
from .tables import Table

Array = np.ndarray[Any, Any]
LEAST_EPOCHS = 40
LEAST_STEPS = 1000  # so that small tables are seen often enough
ITERATIONS = 200  # of an optimizer that takes all rows at once, and ends by itself


def train(
    data: str,
    target: str | None,
    model: Path | None,
    as_json: bool,
    config: str | None,
    options: dict[str, Any],
) -> None:
    """Train a network and test it on rows held back."""
    settings = gather(options, config)
    check_target("--model", model)
    table = load_table(data, target, to_learn=True)
    goal = find_goal(table, settings)
    parts = _split(table, goal, settings)
    network = make_network(table, parts["train"], goal, settings)
    y = np.asarray(table.y)
    X_test, y_test = table.X[parts["test"]], y[parts["test"]]
    rule = make_optimizer(settings, y[parts["train"]] if goal.in_unit else None)
    rows = {name: len(places) for name, places in parts.items()}
    if not as_json:
        _describe(table, network, goal, rows)
    history = _fit(table, parts, network, rule, goal, settings)
    network.metadata = {"data": data, "columns": table.columns, "target": table.target}
    if model is not None:
        network.save(model)
    result: dict[str, Any] = {
        "task": goal.task,
        "rows": rows,
        "test": scores(network, X_test, y_test),
        "baseline": baseline(goal.task, y[parts["train"]], y_test),
        "seconds": round(history.seconds, 3),
    }
    if as_json:
        result |= {
            "epochs": history.epochs,
            "loss": history.loss[-1] if history.loss else None,
            "interrupted": history.interrupted,
            "engine": history.engine,
            "model": None if model is None else str(model),
        }
        print(json.dumps(result))
        return
    if history.stopped is not None:
        print(f"Stopped after {counted(history.epochs, 'epoch')}: {history.stopped}.")
    those = "it was trained on" if np.array_equal(parts["train"], parts["test"]) else "held back"
    print(f"\nOn the {counted(rows['test'], 'row')} {those}:\n")
    print(report(network, X_test, y_test))
    print(f"\n{summarise(result)}.")
    print(f"Trained in {history.seconds:.1f} s by the engine {history.engine}.")
    if model is None:
        print("Not saved: pass --model FILE to keep the network.")
    else:
        print(f"Saved to {model}\nTo read what it computes: chainrule source {model}")


def _split(table: Table, goal: Goal, settings: Settings) -> dict[str, Array]:
    """The places of the rows to train on, to validate with if that is wanted, and to test with.

    Of xor's four rows none is held back, as each is needed.
    """
    patience, share = settings.get("training", "early_stopping"), settings.get("training", "validation_size")
    watched = patience is not None or share is not None
    everything = np.arange(table.rows)
    if table.name == "xor":
        for key in ("early_stopping", "validation_size", "test_size"):
            if settings.label("training", key):
                label = settings.label("training", key)
                raise ParameterError(f"{label}: xor has four rows, all of which are needed. Leave it out.")
        return {"train": everything, "test": everything}
    y, by_class = np.asarray(table.y), goal.task == "classification"
    seed = settings.get("training", "seed", 0)
    try:
        test_size = settings.get("training", "test_size", 0.2)
        kept, test = hold_back(y, test_size, seed, Purpose.TEST, by_class)
        if not watched:
            return {"train": kept, "test": test}
        places, held = hold_back(y[kept], share or 0.1, seed, Purpose.VALIDATION, by_class)
        return {"train": kept[places], "validation": kept[held], "test": test}
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from None


def _fit(
    table: Table,
    parts: dict[str, Array],
    network: Network,
    rule: Optimizer,
    goal: Goal,
    settings: Settings,
) -> History:
    """Train; raises ParameterError if the loss leaves the numbers that can be reckoned with."""
    X, y = table.X, np.asarray(table.y)
    rows = len(parts["train"])
    wanted = settings.get("training", "batch_size", 32)
    batch_size = rows if wanted == "all" or rule.whole_batch else min(wanted, rows)
    balance = settings.get("training", "class_weight")
    if balance and goal.task == "regression":
        raise ParameterError(
            f"{settings.label('training', 'class_weight')} is for classes, and this is a regression. "
            "Leave it out."
        )
    enough = ITERATIONS if rule.whole_batch else max(LEAST_EPOCHS, -(-LEAST_STEPS // -(-rows // batch_size)))
    patience = settings.get("training", "early_stopping")
    validation = parts.get("validation")
    with spoken(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning)  # numbers that overflow: an error below
        history = network.fit(
            X[parts["train"]],
            y[parts["train"]],
            optimizer=rule,
            batch_size=batch_size,
            epochs=settings.get("training", "epochs", enough),
            validation_data=None if validation is None else (X[validation], y[validation]),
            class_weight=balance,
            seed=settings.get("training", "seed", 0),
            engine=settings.get("training", "engine", "auto"),
            callbacks=[] if patience is None else [EarlyStopping("val_loss", patience=patience)],
        )
    if history.diverged:
        advice = "another --optimizer"
        if not rule.whole_batch:
            advice = f"a smaller --learning-rate than {rule.schedule.learning_rate:g}, or --clip-norm 1"
        raise ParameterError(f"{history.stopped}; nothing was saved. Pass {advice}.")
    return history


def _describe(table: Table, network: Network, goal: Goal, rows: dict[str, int]) -> None:
    classes = len(np.unique(np.asarray(table.y)))
    outputs = "1 value" if goal.task == "regression" else f"{classes} classes"
    size = f"{counted(table.rows, 'row')}, {counted(len(table.columns), 'input')}"
    print(f"{table.name}: {size}, {table.target} in {outputs}")
    sizes = "-".join(str(layer.units) for layer in network.layers if isinstance(layer, Dense))
    parts = [f"{counted(rows['train'], 'row')} to train on"]
    if "validation" in rows:
        parts.append(f"{rows['validation']:,} to validate with")
    if table.name != "xor":
        parts.append(f"{rows['test']:,} held back")
    print(f"network {len(table.columns)}-{sizes}, {', '.join(parts)}")
    sys.stdout.flush()  # before the progress bar, which goes to standard error
