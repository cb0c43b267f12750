"""`chainrule predict`, `evaluate`, `source` and `summary`: what is done with a network in a file."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted, need_matplotlib
from ..ensembles.ensemble import Ensemble
from ..ensembles.files import load
from ..errors import DataError, ParameterError
from ..model.network import Network
from ..tables.encoding import Encoding
from ..tables.kinds import Column
from ..tables.model import encoding_of, linear_of
from ..tables.sources import sources
from ..tables.text import checked_separator
from ..tables.wording import place, printable, shown
from ..training.loop import tell
from ..training.storage import write_whole
from .baseline import Baseline, usual_answer
from .building import spoken
from .images import FILE, Reading, checked_policy, is_folder, kept_shape
from .notation import parse_notation
from .outputs import check_outputs, check_picture
from .pictures import confusion_picture
from .report import predictions, report, scores, summarise
from .sets import BUILT_IN, TARGETS, load_frame, target_of
from .settings import Settings
from .truth import matching

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
ACTIVE = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes text that begins with it for: a formula


@dataclass(frozen=True)
class Model:
    """What takes one table and gives one target, and what prepares its inputs.

    Attributes
    ----------
    path : Path
    predictor : Network or Ensemble
    encoding : Encoding or None
        None of a network that was not made of a table.
    """

    path: Path
    predictor: Network | Ensemble
    encoding: Encoding | None

    @property
    def network(self) -> Network:
        """The network; raises DataError for an ensemble."""
        return only_network(self.predictor, self.path)

    @property
    def names(self) -> list[str] | None:
        """The names of the network's inputs, where they are known."""
        if self.encoding is not None:
            return self.encoding.inputs
        names: Any = self.predictor.metadata.get("columns")
        known = isinstance(names, list) and len(names) == self.predictor.inputs
        return [str(name) for name in names] if known else None

    def answers(self, verb: str) -> bool:
        """True; raises DataError where the network has no labels that answers could be compared with."""
        if self.predictor.classes is None and self.predictor._losses[0].target != "values":
            raise DataError(
                f"{self.path}: the network was not trained on classes yet, so it cannot be {verb}. "
                "Train it first."
            )
        return True

    def reading(self, corrupt: str = "refuse") -> Reading:
        """How images for the network are read."""
        return Reading(kept_shape(self.predictor, self.path), corrupt)

    def inputs(self, data: str, frame: polars.DataFrame, target: str | None) -> Array:
        """A table's rows as the network takes them; what is new to it is told.

        Raises
        ------
        UnknownNameError
            If a column is not there.
        DataError
            If a cell does not fit its column, or there are more or fewer columns than inputs.
        """
        if self.encoding is not None:
            return self.encoding.encode_frame(data, frame)
        names = self.predictor.metadata.get("columns")
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            names = [name for name in frame.columns if name != target]
        kinds = ("truth value" if str(frame.schema.get(name)) == "Boolean" else "number" for name in names)
        columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
        if len(columns) != self.predictor.inputs:
            found = counted(len(columns), "input")
            raise DataError(
                f"{data}: has {found}, the network needs {self.predictor.inputs}. Pass a table of its "
                "columns."
            )
        cells = sources(data, frame, columns)
        for name in cells.columns:
            if cells[name].null_count():
                row = int(cells[name].is_null().arg_true()[0])
                raise DataError(f"{place(data, row, name)}: the cell is missing. Fill it, or remove the row.")
        return np.asarray(cells.to_numpy(), np.float64)


def only_network(predictor: Network | Ensemble, path: Path) -> Network:
    """A network as it is; raises DataError for an ensemble."""
    if isinstance(predictor, Ensemble):
        raise DataError(
            f"{path}: holds {counted(len(predictor), 'network')} that predict together, and this is for one. "
            "Save one of them from Python: chainrule.load(path)[0].save(other)."
        )
    return predictor


def load_model(path: Path) -> Model:
    """A model from its file; raises ModelFileError, or DataError for a network that only Python can use."""
    with spoken(Settings()):
        predictor = load(path)
    network = predictor[0] if isinstance(predictor, Ensemble) else predictor
    inputs, outputs = len(network.graph.xs), network.widths
    if inputs != 1 or len(outputs) != 1:
        what = counted(inputs, "input table") if inputs != 1 else counted(len(outputs), "target")
        raise DataError(f"{path}: the network has {what}; here it can have one. Use it from Python.")
    if network._losses[0].target != "classes" and outputs != [1]:
        raise DataError(
            f"{path}: the network gives {counted(outputs[0], 'value')} for a row; here it can give one. "
            "Use it from Python."
        )
    return Model(path, predictor, encoding_of(predictor, path))


def predict(
    path: Path,
    data: str,
    output: Path | None,
    probabilities: bool,
    spread: bool,
    as_json: bool,
    separator: str | None,
    corrupt: str = "refuse",
) -> None:
    """Predict the target of each row, as CSV."""
    check_outputs({"--output": output}, [path, None if data in BUILT_IN else data])
    letter = checked_separator(separator)
    model = load_model(path)
    network = model.predictor
    if spread and not isinstance(network, Ensemble):
        raise ParameterError("--spread: is of an ensemble, and the model is one network. Leave it out.")
    frame = load_frame(data, letter, model.reading(checked_policy(corrupt, data)), labels=False)
    target = str(network.metadata.get("target") or "prediction")
    X = model.inputs(data, frame, TARGETS.get(data, target))
    header = ["predictions"]
    columns = [_plain(predictions(network, X, data))]
    if probabilities:
        p = _probabilities(network, X, data)
        names = range(p.shape[1]) if network.classes is None else network.classes.tolist()
        header += [f"p({name})" for name in names]
        columns += [_plain(column) for column in p.T]
    if spread and isinstance(network, Ensemble):
        header.append("spread")
        columns.append(_plain(spread_of(network, X)))
    if is_folder(data):
        header.append("file")
        columns.append(frame[FILE].to_list())
    if as_json:
        text = json.dumps({"rows": frame.height, **dict(zip(header, columns, strict=True))})
    else:
        header[0] = "prediction" if target in header[1:] else target
        text = _csv(header, columns)
    if output is not None:
        write_whole(output, f"{text}\n".encode())
        tell(f"{counted(frame.height, 'prediction')} written to {printable(str(output))}.")
    if output is None or as_json:
        print(text)


def spread_of(ensemble: Ensemble, X: Array) -> Array:
    """The standard deviation of the members' values, or of their probabilities of the class predicted."""
    spread = ensemble.predict_spread(X)
    if ensemble.classes is None:
        return spread.reshape(len(spread))
    places = np.searchsorted(ensemble.classes, ensemble.predict(X))
    chosen: Array = spread[np.arange(len(spread)), places]
    return chosen


def _csv(header: list[str], columns: list[list[Any]]) -> str:
    import polars as pl

    safe = {
        safe_cell(name): [safe_cell(value) for value in own]
        for name, own in zip(header, columns, strict=True)
    }
    return pl.DataFrame(safe).write_csv().rstrip("\n")


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets a ' in front.

    >>> safe_cell("=1+1"), safe_cell("-none"), safe_cell(-1.5)
    ("'=1+1", "'-none", -1.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(ACTIVE) else value


@dataclass(frozen=True)
class Labelled:
    """Rows of a table with their right answers.

    Attributes
    ----------
    data, target : str
        The table, and the column of the answers.
    frame : polars.DataFrame
        As it was read.
    X : ndarray, shape (rows, inputs)
        As the network takes them.
    y : ndarray, shape (rows,)
    """

    data: str
    target: str
    frame: polars.DataFrame
    X: Array
    y: Array


def labelled(
    model: Model, data: str, target: str | None, separator: str | None, verb: str, corrupt: str = "refuse"
) -> Labelled:
    """A table's rows and answers for a model; `verb` says what is to be done, as in "tested".

    Raises
    ------
    DataError
        If the model knows no answers yet, or a cell does not fit.
    ParameterError, UnknownNameError
        If no target is known, or it is not in the table.
    """
    model.answers(verb)
    frame = load_frame(data, separator, model.reading(checked_policy(corrupt, data)))
    told = data in BUILT_IN or is_folder(data)
    stated = target or (None if told else model.predictor.metadata.get("target"))
    target = target_of(data, stated, frame)
    X = model.inputs(data, frame, target)
    return Labelled(data, target, frame, X, matching(data, target, frame, model.predictor.classes))


def measured(model: Model, rows: Labelled) -> dict[str, Any]:
    """Task, number of rows, scores and those of the baselines."""
    network = model.predictor
    task = "regression" if network.classes is None else "classification"
    usual = network.metadata.get("usual", usual_answer(task, rows.y))
    return {
        "task": task,
        "rows": {"test": rows.frame.height},
        "test": scores(network, rows.X, rows.y, rows.data),
        "baseline": Baseline(task, usual, linear_of(network, model.path)).scores(rows.X, rows.y),
    }


def evaluate(
    path: Path,
    data: str,
    target: str | None,
    confusion: Path | None,
    as_json: bool,
    separator: str | None,
    corrupt: str = "refuse",
) -> None:
    """Test a network on all rows of a table."""
    check_picture("--confusion", confusion)
    if confusion is not None:
        need_matplotlib()
    check_outputs({"--confusion": confusion}, [path, None if data in BUILT_IN else data])
    letter = checked_separator(separator)
    model = load_model(path)
    network = model.predictor
    if confusion is not None and network.classes is None and model.answers("tested"):
        raise ParameterError("--confusion is for classes, and the network predicts values. Leave it out.")
    started = time.perf_counter()
    rows = labelled(model, data, target, letter, "tested", corrupt)
    result = measured(model, rows)
    if confusion is not None:
        matrix = network.confusion_matrix(rows.X, rows.y)
        picture = confusion_picture(matrix, network.classes.tolist(), rows.target, confusion.suffix)
        write_whole(confusion, picture)
    if as_json:
        print(json.dumps({**result, "seconds": round(time.perf_counter() - started, 3)}))
        return
    print(report(network, rows.X, rows.y, data))
    print(f"\n{summarise(result)}.")
    if confusion is not None:
        print(f"Confusion matrix: {printable(str(confusion))}")


def source(path: Path, optimizer: str | None, pseudo: bool, notation: str | None) -> None:
    """Print the training step as Python or pseudo-code, with the names of a table's inputs above it."""
    if notation is not None and not pseudo:
        raise ParameterError("--notation is for --pseudo: in Python, names are the network's. Leave it out.")
    style = parse_notation(notation)
    with spoken(Settings()):
        network = only_network(load(path), path)
        text = network.pseudocode(optimizer, notation=style) if pseudo else network.source(optimizer)
        text = text.rstrip("\n")
    encoding = encoding_of(network, path)
    if encoding is not None:
        names = [f"{k} {printable(name)}" for k, name in enumerate(encoding.inputs)]
        lines = [
            f"x: the columns of {printable(str(network.metadata.get('data')))}, encoded; x[:, k] is for k ="
        ]
        lines += textwrap.wrap("; ".join(names), 96, initial_indent="  ", subsequent_indent="  ")
        if network.classes is not None:
            labels = [f"{k} {shown(label, 30)}" for k, label in enumerate(network.classes.tolist())]
            lines += textwrap.wrap(f"t: {'; '.join(labels)}", 96, subsequent_indent="  ")
        print("\n".join(f"# {line}" for line in lines), end="\n\n")
    print(text)


def summary(path: Path) -> None:
    """Print the layers as a table."""
    with spoken(Settings()):
        print(only_network(load(path), path).summary())


def _probabilities(network: Network | Ensemble, X: Array, data: str) -> Array:
    try:
        return predictions(network, X, data, probabilities=True)
    except ParameterError:
        raise ParameterError(
            f"--probabilities: a network with the loss {network.loss} gives none. Leave it out."
        ) from None


def _plain(values: Array) -> list[Any]:
    """Python values; floats with the digits of their own type, 0.1 rather than 0.10000000149011612."""
    return [float(str(v)) for v in values] if values.dtype.kind == "f" else values.tolist()
