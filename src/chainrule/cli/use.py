"""`chainrule predict`, `evaluate`, `source` and `summary`: what is done with a network in a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import DataError, ParameterError
from ..training.files import load
from ..training.loop import tell
from ..training.network import Network
from ..training.storage import write_whole
from .building import spoken
from .report import baseline, predictions, report, scores, summarise
from .sets import BUILT_IN, load_table
from .settings import Settings, check_target
from .tables import Table

Array = np.ndarray[Any, Any]


def predict(model: Path, data: str, output: Path | None, probabilities: bool, as_json: bool) -> None:
    """Predict the target of each row, as CSV."""
    check_target("--output", output)
    network = _loaded(model)
    table = load_table(data, None, _columns(network))
    header = ["predictions"]
    columns = [_plain(predictions(network, _fitting(network, table)))]
    if probabilities:
        p = _probabilities(network, table)
        names = range(p.shape[1]) if network.classes is None else network.classes.tolist()
        header += [f"p({name})" for name in names]
        columns += [_plain(column) for column in p.T]
    if as_json:
        text = json.dumps({"rows": table.rows, **dict(zip(header, columns, strict=True))})
    else:
        import polars as pl

        target = str(network.metadata.get("target") or "prediction")
        header[0] = "prediction" if target in header[1:] else target
        text = pl.DataFrame(dict(zip(header, columns, strict=True))).write_csv().rstrip("\n")
    if output is not None:
        write_whole(output, f"{text}\n".encode())
        tell(f"{counted(table.rows, 'prediction')} written to {output}.")
    if output is None or as_json:
        print(text)


def evaluate(model: Path, data: str, target: str | None, as_json: bool) -> None:
    """Test a network on all rows of a table."""
    network = _loaded(model)
    if network.classes is None and network._losses[0].target != "values":
        raise DataError(f"{model}: the network was not trained on classes yet, so there is nothing to test.")
    started = time.perf_counter()
    known = network.metadata.get("target")
    table = load_table(data, target or (None if data in BUILT_IN else known), _columns(network))
    if table.y is None:
        raise ParameterError(f"--target is needed: which column of {data} holds the truth?")
    X = _fitting(network, table)
    task = "regression" if network.classes is None else "classification"
    y = _matching(network, table)
    result: dict[str, Any] = {
        "task": task,
        "rows": {"test": table.rows},
        "test": scores(network, X, y),
        "baseline": baseline(task, y, y),
    }
    if as_json:
        print(json.dumps({**result, "seconds": round(time.perf_counter() - started, 3)}))
        return
    print(report(network, X, y))
    print(f"\n{summarise(result)}.")


def source(model: Path, optimizer: str | None) -> None:
    """Print the training step as Python."""
    with spoken(Settings()):
        print(load(model).source(optimizer).rstrip("\n"))


def summary(model: Path) -> None:
    """Print the layers as a table."""
    with spoken(Settings()):
        print(load(model).summary())


def _loaded(model: Path) -> Network:
    """A network that takes one table and gives one target."""
    with spoken(Settings()):
        network = load(model)
    inputs, outputs = len(network.graph.xs), network.widths
    if inputs != 1 or len(outputs) != 1:
        what = counted(inputs, "input table") if inputs != 1 else counted(len(outputs), "target")
        raise DataError(f"{model}: the network has {what}; here it can have one. Use it from Python.")
    if network._losses[0].target != "classes" and outputs != [1]:
        raise DataError(
            f"{model}: the network gives {counted(outputs[0], 'value')} for a row; here it can give one. "
            "Use it from Python."
        )
    return network


def _columns(network: Network) -> list[str] | None:
    columns = network.metadata.get("columns")
    if isinstance(columns, list) and all(isinstance(c, str) for c in columns):
        return columns
    return None


def _fitting(network: Network, table: Table) -> Array:
    """The table's inputs, checked to be as many as the network's."""
    if table.X.shape[1] != network.inputs:
        found = counted(table.X.shape[1], "input")
        raise DataError(f"{table.name}: has {found}, the network needs {network.inputs}.")
    return table.X


def _probabilities(network: Network, table: Table) -> Array:
    try:
        return predictions(network, table.X, probabilities=True)
    except ParameterError:
        raise ParameterError(
            f"--probabilities: a network with the loss {network.loss} gives none. Leave it out."
        ) from None


def _plain(values: Array) -> list[Any]:
    """Python values; floats with the digits of their own type, 0.1 rather than 0.10000000149011612."""
    return [float(str(v)) for v in values] if values.dtype.kind == "f" else values.tolist()


def _matching(network: Network, table: Table) -> Array:
    """The truth in the labels' type, so that 1 and 1.0, or 0 and False, are the same class."""
    y, classes = np.asarray(table.y), network.classes
    if classes is None:
        return table.values("the network predicts numbers")
    known = ", ".join(map(repr, classes.tolist()[:6])) + (", ..." if len(classes) > 6 else "")
    strange = ~np.isin(y, classes) if (y.dtype.kind == "U") == (classes.dtype.kind == "U") else y == y
    if strange.any():
        row = int(np.argmax(strange))
        raise DataError(
            f"{table.place(row)}: {y[row].item()!r:.40} is not among the network's classes, {known}."
        )
    return y.astype(classes.dtype)
