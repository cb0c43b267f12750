"""Explaining networks: the commands with their options. What they do is loaded late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .app import (
    Command,
    DataArgument,
    JsonOption,
    ModelArgument,
    NotationOption,
    SeparatorOption,
    app,
    examples_of,
    single,
)


@app.command(
    cls=Command,
    epilog=examples_of(
        "explain iris.chainrule iris --row 1",
        "explain iris.chainrule flowers.csv --row 7 --format html --output row7.html",
        "explain digits.chainrule digits --row 1 --layers output --notation nielsen",
        "explain iris.chainrule iris --row 1 --notation mitchell,rate=alpha",
        "explain iris.chainrule iris --row 1 --of hidden1.W[0,2]",
    ),
)
def explain(
    model: ModelArgument,
    data: DataArgument,
    row: Annotated[int, typer.Option(metavar="N", help="Which row of DATA, counted from 1 as in messages.")],
    layout: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="table, text, json, markdown or html."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there, and print nothing.")
    ] = None,
    notation: NotationOption = None,
    layers: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of these layers alone, with commas between.")
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Instead, why the loss changes with a number as it does: hidden1.W[0,2], W1[0,2], x[3], ...",
        ),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose update to show; the one it was trained with where none is given. "
            "There are {optimizers}.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="If it is called otherwise here.")
    ] = None,
    separator: SeparatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every number of a training step on one row.

    With --of, follow one of them to the loss.
    """
    from .explaining import Request
    from .explaining import explain as run

    run(
        Request(
            path=model,
            data=data,
            row=row,
            layout=layout,
            output=output,
            notation=notation,
            layers=layers,
            of=of,
            optimizer=optimizer,
            target=single(target),
            separator=separator,
            as_json=as_json,
        )
    )


@app.command(
    cls=Command,
    epilog=examples_of(
        "draw iris.chainrule --output iris.svg",
        "draw iris.chainrule iris --row 1 --output row1.svg",
        "draw iris.chainrule iris --edges gradients --output slopes.svg",
    ),
)
def draw(
    model: ModelArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it: .svg.")],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="A built-in set or a file, to show its numbers.")
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which row of DATA, counted from 1; all where none is named."),
    ] = None,
    edges: Annotated[
        str, typer.Option(metavar="NAME", help="What the lines tell: weights, gradients or none.")
    ] = "weights",
    neurons: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What stands in the neurons: activations, gradients, biases or none. "
            "[default: activations with DATA]",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(metavar="NAME", help="full (every neuron), summary, or auto: full up to 12 in a layer."),
    ] = "auto",
    theme: Annotated[str, typer.Option(metavar="NAME", help="Colours: auto, light or dark.")] = "auto",
    separator: SeparatorOption = None,
) -> None:
    """Draw the network with its weights on the lines.

    With DATA, also with the activations or gradients of its rows.
    """
    from .drawing import Request
    from .drawing import draw as run

    run(Request(model, data, row, output, edges, neurons, form, theme, separator))


@app.command(
    cls=Command,
    epilog=examples_of("diagnose iris.chainrule iris", "diagnose houses.chainrule houses.csv --json"),
)
def diagnose(
    model: ModelArgument,
    data: DataArgument,
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="If it is called otherwise here.")
    ] = None,
    separator: SeparatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look for what is wrong with a training.

    DATA are best the rows that the network was trained on.
    """
    from .health import diagnose as run

    run(model, data, single(target), as_json, separator)


@app.command(
    cls=Command,
    epilog=examples_of(
        "report iris.chainrule iris --output iris.html", "report houses.chainrule sold.csv -o sold.html"
    ),
)
def report(
    model: ModelArgument,
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it: .html.")],
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="If it is called otherwise here.")
    ] = None,
    separator: SeparatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page of HTML on a network and DATA.

    Scores, what was most wrong, health, a trace, the source.
    """
    from .reporting import report as run

    run(model, data, output, single(target), as_json, separator)


@app.command(
    cls=Command,
    epilog=examples_of(
        "examples",
        "examples mazur",
        "examples mazur --conventions",
        "examples han-kamber --write .",
        "examples nielsen --quick",
    ),
)
def examples(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Which to run; without one, they are listed.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write it there as a program to start from; all without a NAME."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A shorter training, where one is long.")] = False,
    conventions: Annotated[
        bool, typer.Option("--conventions", help="Find the conventions that make its published numbers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run worked examples from books.

    The published numbers stand beside ours.
    """
    from .exhibit import examples as run

    run(name, write, quick, conventions, as_json)
