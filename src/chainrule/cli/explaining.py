"""`chainrule explain`: every number of a training step on one row of a table, or why one is what it is."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import DataError, ParameterError, unknown_name
from ..explain.numbers import WHOLE
from ..explain.trace.trace import Trace
from ..explain.trace.trace_text import NARROWEST
from ..explain.trace.tracing import MOST, TraceSizeError, trace
from ..explain.why.derivation import Derivation
from ..explain.why.why import why
from ..explain.wording import fill
from ..tables.text import checked_separator
from ..tables.wording import printable, shown
from ..training.loop import tell
from ..training.storage import write_whole
from .building import spoken
from .notation import parse_notation
from .outputs import check_outputs
from .sets import BUILT_IN, TARGETS, load_frame
from .settings import Settings
from .truth import matching
from .use import Model, load_model

FORMATS = ("table", "text", "json", "markdown", "html")
WIDTH = 80  # of a table that goes to a file or another program


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes
    ----------
    path : Path
        The model's file.
    data : str
        Name of a built-in set, or path of a table.
    row : int
        Counted from 1.
    layout : str
        One of `FORMATS`.
    output : Path or None
    notation, layers, of, optimizer, target, separator : str or None
        As on the command line.
    as_json : bool
    """

    path: Path
    data: str
    row: int
    layout: str
    output: Path | None
    notation: str | None
    layers: str | None
    of: str | None
    optimizer: str | None
    target: str | None
    separator: str | None
    as_json: bool


def explain(request: Request) -> None:
    """Show the training step on one row; a forward pass where the table has no labels."""
    layout = _checked_layout(request)
    if request.of is not None and (request.layers is not None or request.notation is not None):
        option = "--layers" if request.layers is not None else "--notation"
        raise ParameterError(f"--of follows one number, in the letters of source: leave {option} out.")
    notation = parse_notation(request.notation)
    data = request.data
    check_outputs({"--output": request.output}, [request.path, None if data in BUILT_IN else data])
    letter = checked_separator(request.separator)
    model = load_model(request.path)
    frame = load_frame(data, letter, model.reading())
    row = _checked_row(request.row, data, frame.height)
    target = _target(request, model, frame.columns)
    label = target or TARGETS.get(data) or model.network.metadata.get("target")
    X = model.inputs(data, frame, None if label is None else str(label))[row : row + 1]
    y = None if target is None else matching(data, target, frame, model.network.classes)[row : row + 1]
    if y is None and request.of is not None:
        raise ParameterError(f"--of: {data} has no labels, so there is no loss. Leave --of out, or add them.")
    layers = None if request.layers is None else [name.strip() for name in request.layers.split(",")]
    try:
        with spoken(Settings()):
            step = model.network._step(X, y, request.optimizer)
            if request.of is not None:
                made: Trace | Derivation = why(model.network, request.of, X, y, step=step)
        if request.of is None:
            made = trace(step, notation=notation, layers=layers)
    except TraceSizeError as error:
        parts = [f"--layers {name} ({size:,})" for name, size in [*error.parts.items()][:3]]
        offer = f" Pass {' or '.join(parts)}." if parts else ""
        raise ParameterError(
            f"this would be {error.numbers:,} numbers, and a trace holds at most {MOST:,}.{offer}"
        ) from None
    if y is None:
        tell(f"{data} has no labels, so this is the forward pass alone.")
    elif request.optimizer is None and model.network.optimizer is not None:
        tell("What the optimizer remembers of earlier steps is not in a model file: it starts anew here.")
    text = _written(made, layout, request, model, y)
    if request.output is None:
        print(text.rstrip("\n"))
        return
    write_whole(request.output, f"{text.rstrip()}\n".encode())
    tell(f"The {'trace' if request.of is None else 'derivation'} is in {printable(str(request.output))}.")


def _checked_layout(request: Request) -> str:
    if request.layout not in FORMATS:
        raise unknown_name("--format", request.layout, FORMATS)
    if request.as_json and request.layout not in ("table", "json"):
        raise ParameterError(f"--json contradicts --format {request.layout}. Leave one out.")
    return "json" if request.as_json else request.layout


def _checked_row(row: int, data: str, count: int) -> int:
    """The row's place, from 0."""
    if not 1 <= row <= count:
        raise DataError(
            f"--row {row}: {data} has {counted(count, 'row')}. Pass a number from 1 to {count}, "
            "the line of names not counted."
        )
    return row - 1


def _target(request: Request, model: Model, columns: list[str]) -> str | None:
    """The column of right answers; None if the table has none, or the network knows none."""
    network, data = model.network, request.data
    if data in BUILT_IN and request.target not in (None, TARGETS[data]):
        raise ParameterError(f"--target: {data} has its own target, {TARGETS[data]!r}; leave it out.")
    if network.classes is None and network._losses[0].target != "values":
        return None
    stated = request.target or (TARGETS.get(data) or network.metadata.get("target"))
    known = isinstance(stated, str) and stated in columns
    return str(stated) if known or request.target is not None else None


def _inputs(model: Model) -> str:
    """Which column each x is made of; nothing where there are too many inputs to list."""
    names = model.names
    if names is None or len(names) > WHOLE:
        return ""
    listed = [f"x[{k}] {shown(name)[1:-1]}".replace(" ", "\0") for k, name in enumerate(names)]  # in one line
    return "\n".join(fill(f"Inputs: {', '.join(listed)}")).replace("\0", " ")


def _written(
    made: Trace | Derivation, layout: str, request: Request, model: Model, y: np.ndarray[Any, Any] | None
) -> str:
    if layout == "json":
        where = {"model": str(request.path), "data": request.data, "row": request.row}
        return json.dumps({**where, "inputs": model.names, **made.to_json()})
    if layout == "markdown":
        return made.to_markdown()
    if layout == "html":
        return made.to_html()
    target = "" if y is None else f", target {shown(y[0].item())}"
    head = f"{printable(request.data)}, row {request.row}{target}\n{_inputs(model)}".rstrip("\n")
    if layout == "text" or isinstance(made, Derivation):
        return f"{head}\n\n{made}"
    terminal = request.output is None and sys.stdout.isatty()
    width = max(NARROWEST, shutil.get_terminal_size((WIDTH, 24)).columns) if terminal else WIDTH
    return f"{head}\n\n{made.table(width, color=terminal)}"
