"""Using and printing networks: the commands with their options. What they do is loaded late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    Command,
    CorruptOption,
    DataArgument,
    JsonOption,
    ModelArgument,
    NotationOption,
    SeparatorOption,
    app,
    examples_of,
    single,
)

Text = str | None


@app.command(
    cls=Command,
    epilog=examples_of(
        "predict iris.chainrule iris",
        "predict iris.chainrule flowers.csv --output kinds.csv",
    ),
)
def predict(
    model: ModelArgument,
    data: DataArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write there; without --json, print nothing."),
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column for each class.")
    ] = False,
    spread: Annotated[
        bool,
        typer.Option(
            "--spread",
            help="Add how far an ensemble's members are apart: the standard deviation of their values, or of "
            "their probabilities of the class.",
        ),
    ] = False,
    separator: SeparatorOption = None,
    corrupt: CorruptOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Predict the target of each row, as CSV."""
    from .use import predict as run

    run(model, data, output, probabilities, spread, as_json, separator, corrupt)


@app.command(
    cls=Command,
    epilog=examples_of(
        "evaluate iris.chainrule iris", "evaluate houses.chainrule sold.csv --target paid --json"
    ),
)
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="If it is called otherwise here.")
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw which classes were taken for which: .png or .svg."),
    ] = None,
    separator: SeparatorOption = None,
    corrupt: CorruptOption = "refuse",
    as_json: JsonOption = False,
) -> None:
    """Test a network on all rows of DATA."""
    from .use import evaluate as run

    run(model, data, single(target), confusion, as_json, separator, corrupt)


@app.command(
    cls=Command,
    epilog=examples_of(
        "source iris.chainrule > step.py",
        "source iris.chainrule --optimizer sgd",
        "source iris.chainrule --pseudo",
    ),
)
def source(
    model: ModelArgument,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose update to print; the one it was trained with where none is given. "
            "There are {optimizers}.",
        ),
    ] = None,
    pseudo: Annotated[
        bool, typer.Option("--pseudo", help="Print the algorithm in the signs of mathematics instead.")
    ] = False,
    notation: NotationOption = None,
) -> None:
    """Print the training step as Python that runs with NumPy alone."""
    from .use import source as run

    run(model, optimizer, pseudo, notation)


@app.command(
    cls=Command, epilog=examples_of("inspect iris.chainrule", "inspect houses.chainrule --json | jq .columns")
)
def inspect(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Print what is in a model file.

    Columns, their encoding, the network, its training, and the versions of what wrote it.
    """
    from .inspection import inspect as run

    run(model, as_json)


@app.command(cls=Command, epilog=examples_of("summary iris.chainrule"))
def summary(model: ModelArgument) -> None:
    """Print the layers with shapes, parameters and memory."""
    from .use import summary as run

    run(model)
