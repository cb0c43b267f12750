"""`chainrule train`: from a table to a network that is tested and saved."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..checks import counted
from ..model.network import Network
from ..tables.model import keep
from ..tables.wording import printable
from ..training.history import History
from ..training.loop import tell
from ..training.storage import write_whole
from .baseline import fit_baseline
from .ensembles import in_words, measured_members
from .fitting import Trained, attempt, fit
from .images import keep_shape, sheet
from .pictures import confusion_picture, learning_curves
from .preparing import Prepared, Request, prepare
from .report import report, scores, summarise
from .settings import gather

DONE = {"calibrate": "Calibrated", "threshold": "Threshold"}


@dataclass(frozen=True)
class Decided:
    """What was decided on rows held apart, after the training.

    Attributes
    ----------
    done : dict of str to Calibration, ThresholdReport or None
        By key, what was asked for; None where the rows did not allow it.
    before : str
        The report of before; empty where nothing was asked for.
    """

    done: dict[str, Any]
    before: str


def train(request: Request, options: Mapping[str, Any]) -> None:
    """Train a network and test it on rows held back.

    Parameters
    ----------
    request : Request
    options : mapping
        The settings' options, by parameter name.
    """
    ready = prepare(request, gather(options, request.config))
    for line in ready.lines:
        (tell if request.as_json else print)(line)
    sys.stdout.flush()  # before the progress bar, which goes to standard error
    if request.trial is not None:
        attempt(ready.task, request.trial, request.plot, request.as_json)
        return
    if request.contact_sheet is not None and ready.task.change is not None:  # to be looked at meanwhile
        rows, change, seed = ready.rows, ready.task.change, ready.task.seed
        write_whole(request.contact_sheet, sheet(request.contact_sheet, rows.X, rows.y, change, seed))
    trained = fit(ready.task)
    decided = _decide(ready, trained)
    result = _finish(request, ready, trained, decided)
    if request.as_json:
        told = {column.name: column.kind for column in ready.encoding.columns}
        saved = None if request.model is None else str(request.model)
        left_out = ready.table.kinds.left_out
        print(json.dumps({**result, "columns": told, "left_out": left_out, "model": saved}))
        return
    if trained.stopping is not None:
        print(f"\n{trained.stopping}")
    _conclude(request, ready, trained, decided, result)


def _decide(ready: Prepared, trained: Trained) -> Decided:
    """Calibrate and choose a threshold, where that is asked for."""
    balance, network = ready.task.balance, trained.predictor
    if not balance.decides or not isinstance(network, Network):
        return Decided({}, "")
    before = report(network, ready.test.X, ready.test.y, ready.table.name)
    held = ready.task.parts.get("validation", ready.rows)
    return Decided(balance.decide(network, held.X, held.y), before)


def _finish(request: Request, ready: Prepared, trained: Trained, decided: Decided) -> dict[str, Any]:
    """Test, save and draw what was trained; what came out."""
    predictor, history, test = trained.predictor, trained.history, ready.test
    baseline = fit_baseline(ready.goal.task, ready.rows.X, ready.rows.y)
    result: dict[str, Any] = {
        "task": ready.goal.task,
        "rows": ready.counts,
        "test": scores(predictor, test.X, test.y, ready.table.name),
        "baseline": baseline.scores(test.X, test.y),
        "seconds": round(history.seconds, 3),
        "epochs": history.epochs,
        "loss": history.loss[-1] if history.loss else None,
        "interrupted": history.interrupted,
        "engine": history.engine,
        **{key: None if done is None else done.to_json() for key, done in decided.done.items()},
    }
    if trained.stopping is not None:
        result["stopping"] = trained.stopping.to_json()
    if ready.task.several is not None and trained.ensemble is not None:
        result["ensemble"] = measured_members(ready.task.several, trained.ensemble, test, ready.table.name)
    if request.model is not None:
        kept = {"loss_name": predictor.loss, "seed": ready.task.seed, "batch_size": ready.task.batch_size}
        course = {**result, **kept, "history": history.to_json()}
        keep(predictor, ready.table, ready.encoding, baseline.usual, baseline.linear, course)
        keep_shape(predictor, ready.shape)
        predictor.save(request.model)
    if request.plot is not None and isinstance(history, History):
        write_whole(request.plot, learning_curves(history, ready.table.name, request.plot.suffix))
    if request.confusion is not None:
        matrix, labels = predictor.confusion_matrix(test.X, test.y), predictor.classes.tolist()
        picture = confusion_picture(matrix, labels, ready.table.target, request.confusion.suffix)
        write_whole(request.confusion, picture)
    return result


def _conclude(
    request: Request,
    ready: Prepared,
    trained: Trained,
    decided: Decided,
    result: dict[str, Any],
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
    tested = f"On the {counted(result['rows']['test'], 'row')} {words[ready.tested_on]}"
    if decided.before:
        print(f"\n{tested}, before:\n\n{decided.before}\n")
        for key, done in decided.done.items():
            if done is not None:
                print(f"{DONE[key]}: {done}")
    print(f"\n{tested}:\n")
    print(report(predictor, ready.test.X, ready.test.y, request.data))
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
