"""The commands: train, predict, evaluate, source."""

from __future__ import annotations

import json
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..checks import checked_seed, counted
from ..errors import DataError, ModelFileError, ParameterError, unknown_name
from ..nn.dense import Dense
from ..nn.layers import Layer
from ..nn.scaling import Rescale, Standardize
from ..optim.rules import OPTIMIZERS, SGD, Optimizer
from ..training.files import load
from ..training.network import Network
from ..training.storage import writable_target, write_whole
from ..version import __version__
from .report import baseline, report, scores
from .tables import BUILT_IN, Table, load_table

Array = np.ndarray[Any, Any]
LEAST_EPOCHS = 40
LEAST_STEPS = 1000  # so that small tables are seen often enough

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train neural networks that you can read."""


DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, iris, wine, breast-cancer, diabetes or xor; or a CSV or Parquet file of numbers.",
    ),
]
ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="A file that train --model wrote.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; progress goes to standard error.")
]


@app.command()
def train(
    data: DataArgument,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What to predict; needed for a file.")
    ] = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to save the network.")] = None,
    hidden: Annotated[
        str, typer.Option(metavar="SIZES", help="Units of the hidden layers, e.g. 64,32.")
    ] = "64",
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    epochs: Annotated[
        int | None,
        typer.Option(help=f"How often each row is seen; {LEAST_EPOCHS}, or more for {LEAST_STEPS} steps."),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows a step.")] = 32,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="For adam 0.001, for sgd 0.1; in a regression with sgd 0.01 / the target's variance."
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
    seed: Annotated[int, typer.Option(help="Of held-back rows, initial weights and shuffles.")] = 0,
    engine: Annotated[str, typer.Option(help="auto, numpy or numba.")] = "auto",
    task: Annotated[
        str | None, typer.Option(help="classification or regression; else told from the target.")
    ] = None,
    test_size: Annotated[float, typer.Option(help="Share of rows held back for the test.")] = 0.2,
    as_json: JsonOption = False,
) -> None:
    """Train a network and test it on rows held back."""
    table = load_table(data, target, to_learn=True)
    kind = _checked_task(task) or table.task
    seed = checked_seed(seed)
    _check_target("--model", model)
    split = _split(table, kind, test_size, seed)
    rule = _optimizer(optimizer, learning_rate, split.y_train if kind == "regression" else None)
    network = _network(split, kind, _sizes(hidden), activation)
    rows = {"train": len(split.y_train), "test": len(split.y_test)}
    if not as_json:
        _describe(table, network, rows, split.held_back)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="in epoch ")  # an error below
        history = network.fit(
            split.X_train,
            split.y_train,
            optimizer=rule,
            batch_size=batch_size,
            epochs=_enough_epochs(rows["train"], batch_size) if epochs is None else epochs,
            seed=seed,
            engine=engine,
        )
    if history.diverged:
        raise ParameterError(
            f"{history.stopped}; nothing was saved. "
            f"--learning-rate {rule.learning_rate:g} is too large: pass a smaller one."
        )
    network.metadata = {"data": data, "columns": table.columns, "target": table.target}
    if model is not None:
        network.save(model)
    result: dict[str, Any] = {
        "task": kind,
        "rows": rows,
        "test": scores(network, split.X_test, split.y_test),
        "baseline": baseline(str(kind), split.y_train, split.y_test),
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
        typer.echo(json.dumps(result))
        return
    those = "held back" if split.held_back else "it was trained on"
    typer.echo(f"\nOn the {counted(rows['test'], 'row')} {those}:\n")
    typer.echo(report(network, split.X_test, split.y_test))
    typer.echo(f"\n{_summary(result)}.")
    typer.echo(f"Trained in {history.seconds:.1f} s by the engine {history.engine}.")
    if model is None:
        typer.echo("Not saved: pass --model FILE to keep the network.")
    else:
        typer.echo(f"Saved to {model}\nTo read what it computes: chainrule source {model}")


@app.command()
def predict(
    model: ModelArgument,
    data: DataArgument,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there; without --json, print nothing.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column for each class.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Predict the target of each row, as CSV."""
    _check_target("--output", output)
    network = load(model)
    table = load_table(data, None, _columns(network))
    header = ["predictions"]
    columns = [_plain(network.predict(_fitting(network, table)))]
    if probabilities:
        p = network.predict_proba(table.X)
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
        typer.echo(f"{counted(table.rows, 'prediction')} written to {output}.", err=True)
    if output is None or as_json:
        typer.echo(text)


@app.command()
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="If it is called otherwise here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Test a network on all rows of DATA."""
    network = load(model)
    started = time.perf_counter()
    known = network.metadata.get("target")
    table = load_table(data, target or (None if data in BUILT_IN else known), _columns(network))
    if table.y is None:
        raise ParameterError(f"--target is needed: which column of {data} holds the truth?")
    X = _fitting(network, table)
    task = "regression" if network.classes is None else "classification"
    y = _matching(network, table.y)
    result: dict[str, Any] = {
        "task": task,
        "rows": {"test": table.rows},
        "test": scores(network, X, y),
        "baseline": baseline(task, y, y),
    }
    if as_json:
        typer.echo(json.dumps({**result, "seconds": round(time.perf_counter() - started, 3)}))
        return
    typer.echo(report(network, X, y))
    typer.echo(f"\n{_summary(result)}.")


@app.command()
def source(
    model: ModelArgument,
    optimizer: Annotated[
        str | None, typer.Option(help="Whose update to print, adam or sgd; else the one it was trained with.")
    ] = None,
) -> None:
    """Print the training step as Python that runs with NumPy alone."""
    typer.echo(load(model).source(optimizer).rstrip("\n"))


# parts ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Split:
    X_train: Array
    X_test: Array
    y_train: Array
    y_test: Array
    held_back: bool = True


def _split(table: Table, task: str | None, test_size: float, seed: int) -> _Split:
    """Rows to train on and rows held back; of xor's four rows none is, as each is needed."""
    from sklearn.model_selection import train_test_split

    X, y = table.X, np.asarray(table.y)
    if not 0 < test_size < 1:
        raise ParameterError(f"--test-size must lie between 0 and 1, got {test_size:g}. Pass e.g. 0.2.")
    if table.name == "xor":
        return _Split(X, X, y, y, held_back=False)
    held = max(1, round(test_size * len(X)))
    if len(X) - held < 1:
        few = f"{counted(len(X), 'row')} {'is' if len(X) == 1 else 'are'}"
        raise DataError(f"{table.name}: {few} too few to hold back {held:,} and train on the rest.")
    _, counts = np.unique(y, return_counts=True)
    classes = task == "classification"
    even = classes and counts.min() > 1 and len(counts) <= min(held, len(X) - held)
    groups = y if even else None
    return _Split(*train_test_split(X, y, test_size=held, stratify=groups, random_state=seed % 2**32))


def _network(split: _Split, task: str | None, hidden: list[int], activation: str) -> Network:
    from sklearn.preprocessing import StandardScaler

    inputs = StandardScaler().fit(split.X_train)
    layers: list[Layer] = [Standardize(inputs.mean_, inputs.scale_)]
    layers += [Dense(units, activation) for units in hidden]
    if task == "classification":
        classes = np.unique(split.y_train)
        if len(classes) < 2:
            raise DataError(f"the target has one class only, {classes[0].item()!r}: nothing to learn.")
        return Network([*layers, Dense(len(classes))], loss="cross_entropy")
    if split.y_train.dtype.kind not in "biuf":
        raise DataError("the target holds text, which a regression cannot predict. Leave out --task.")
    outputs = StandardScaler().fit(split.y_train[:, None])
    return Network([*layers, Dense(1), Rescale(outputs.mean_, outputs.scale_)], loss="mse")


def _optimizer(name: str, learning_rate: float | None, values: Array | None) -> Optimizer:
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    rule = OPTIMIZERS[name]
    if learning_rate is not None:
        return rule(learning_rate)
    if rule is SGD and values is not None:  # the loss's slope grows with the square of the target's unit
        return SGD(0.01 / max(float(np.var(values)), 1e-12))
    return rule()  # type: ignore[call-arg]


def _enough_epochs(rows: int, batch_size: int) -> int:
    steps = -(-rows // max(1, batch_size))
    return max(LEAST_EPOCHS, -(-LEAST_STEPS // steps))


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise ParameterError(f"--hidden must be sizes with commas between, got {text!r}. Pass e.g. 64,32.")
    return sizes


def _checked_task(task: str | None) -> str | None:
    if task not in (None, "classification", "regression"):
        raise unknown_name("task", task, ["classification", "regression"])
    return task


def _check_target(option: str, path: Path | None) -> None:
    """What cannot be written is told before the work, not after it."""
    if path is not None:
        try:
            writable_target(path)
        except ModelFileError as error:
            raise ParameterError(f"{option}: {error}") from None


def _columns(network: Network) -> list[str] | None:
    columns = network.metadata.get("columns")
    if isinstance(columns, list) and all(isinstance(c, str) for c in columns):
        return columns
    return None


def _plain(values: Array) -> list[Any]:
    """Python values; floats with the digits of their own type, 0.1 rather than 0.10000000149011612."""
    return [float(str(v)) for v in values] if values.dtype.kind == "f" else values.tolist()


def _fitting(network: Network, table: Table) -> Array:
    """The table's inputs, checked to be as many as the network's."""
    if table.X.shape[1] != network.inputs:
        found = counted(table.X.shape[1], "input")
        raise DataError(f"{table.name}: has {found}, the network needs {network.inputs}.")
    return table.X


def _matching(network: Network, y: Array) -> Array:
    """The truth in the labels' type, so that 1 and 1.0, or 0 and False, are the same class."""
    if network.classes is None:
        if y.dtype.kind not in "biuf":
            raise DataError("the target holds text, but the network predicts numbers.")
        return y
    if (y.dtype.kind == "U") != (network.classes.dtype.kind == "U"):
        known = ", ".join(map(repr, network.classes.tolist()))
        raise DataError(f"the target holds {y.dtype.name}, but the network's classes are {known}.")
    return y if y.dtype.kind == "U" else y.astype(network.classes.dtype)


def _describe(table: Table, network: Network, rows: dict[str, int], held_back: bool) -> None:
    outputs = "1 value" if network.loss == "mse" else f"{network.outputs} classes"
    size = f"{counted(table.rows, 'row')}, {counted(len(table.columns), 'input')}"
    typer.echo(f"{table.name}: {size}, {table.target} in {outputs}")
    sizes = "-".join(str(layer.units) for layer in network.layers if isinstance(layer, Dense))
    parts = f"{counted(rows['train'], 'row')} to train on"
    if held_back:
        parts += f", {rows['test']:,} held back"
    typer.echo(f"network {len(table.columns)}-{sizes}, {parts}")
    sys.stdout.flush()  # before the progress bar, which goes to standard error


def _summary(result: dict[str, Any]) -> str:
    test, least = result["test"], result["baseline"]
    if "accuracy" in test:
        return f"Accuracy {test['accuracy']:.4f}; always the most frequent class: {least['accuracy']:.4f}"
    return f"R2 {test['r2']:.4f}; always the mean: {least['r2']:.4f}"
