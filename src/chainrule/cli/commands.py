"""The commands with their options and help. What they do stands in `train` and `use`, and is loaded late."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from ..errors import ParameterError
from ..version import __version__


class Command(TyperCommand):
    """A command whose help groups its options, and lists what names there are."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = parameter.param_type_name == "argument"
                group = getattr(parameter, "rich_help_panel", None)
                title = group or ("Arguments" if is_argument else "Options")
                groups.setdefault(title, []).append((record[0], _with_names(record[1])))
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def _with_names(text: str) -> str:
    """Help with the names that the registries know; they are loaded for this alone."""
    if "{" not in text:
        return text
    from ..nn.activations import ACTIVATIONS
    from ..nn.init import INITS
    from ..nn.losses import LOSSES
    from ..optim.rules import OPTIMIZERS
    from ..optim.schedules import SCHEDULES

    return text.format(
        activations=", ".join(sorted(ACTIVATIONS)),
        inits=", ".join(sorted(INITS)),
        losses=", ".join(sorted(LOSSES)),
        optimizers=", ".join(sorted(OPTIMIZERS)),
        schedules=", ".join(sorted(SCHEDULES)),
    )


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for the help would take longer than all the rest of it
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


def _examples(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  chainrule {line}" for line in lines)])


@app.callback(
    epilog=_examples(
        "train digits --model digits.chainrule",
        "evaluate digits.chainrule digits",
        "predict digits.chainrule digits --probabilities | head",
        "inspect digits.chainrule",
        "source digits.chainrule",
        "examples",
        "explain digits.chainrule digits --row 1",
    )
)
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train neural networks that you can read."""


def _option(group: str, metavar: str | None, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=group)


def _single(targets: list[str] | None) -> str | None:
    """The one target; raises ParameterError if there are two."""
    if targets and len(targets) > 1:
        raise ParameterError("--target is given twice. Give it once.")
    return targets[0] if targets else None


def _pairs(group: str, name: str, whose: str) -> Any:
    return _option(group, "NAME=VALUE", f"A setting of {whose}; may be given several times.", name)


DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, iris, wine, breast-cancer, diabetes or xor; or a file: CSV, TSV or Parquet, "
        "packed with gzip or not.",
    ),
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that train --model wrote.", readable=False)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; progress goes to standard error.")
]
SeparatorOption = Annotated[
    str | None,
    typer.Option(metavar="LETTER", help="Between the columns of DATA: ; or tab. [default: found out]"),
]
NotationOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help="What formulas call things: nielsen, ng, goodfellow, bishop, mitchell or mazur, choices such as "
        "rate=eta,target=y,first_layer=0, or both with commas between.",
    ),
]
TargetOption = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="What to predict; needed for a file.")
]
Text = str | None
Pairs = list[str] | None
NETWORK, TRAINING, OPTIMIZER, SCHEDULE = "Network", "Training", "Optimizer", "Schedule"


@app.command(
    cls=Command,
    epilog=_examples(
        "train digits --model digits.chainrule",
        "train iris --hidden 32,16 --activation relu,tanh --l2 0.0001",
        "train houses.csv --target price --loss huber",
        "train people.csv --target income --column zip=category",
        "train wine --optimizer adamw --option weight_decay=0.1",
        "train wine --learning-rate 0.01 --schedule cosine",
        "train digits --early-stopping 10 --epochs 500",
        "train digits --config net.toml",
    ),
)
def train(
    context: typer.Context,
    data: DataArgument,
    target: TargetOption = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to save the network.")] = None,
    config: Annotated[
        Text,
        typer.Option(
            metavar="FILE",
            help="A TOML file with settings in [network], [training], [optimizer] and [schedule]. "
            "What it states and an option states otherwise is refused.",
        ),
    ] = None,
    test: Annotated[
        Text, typer.Option(metavar="FILE", help="A table to test on, in place of rows held back.")
    ] = None,
    split: Annotated[
        Text, typer.Option(metavar="COLUMN", help="It says of each row: train, validation or test.")
    ] = None,
    column: Annotated[
        Pairs,
        typer.Option(
            metavar="NAME=KIND",
            help="What a column is: number, category, boolean, date, or ignore; may be given several "
            "times. [default: told from its cells]",
        ),
    ] = None,
    separator: SeparatorOption = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the learning curves: .png or .svg.")
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw which classes were taken for which: .png or .svg."),
    ] = None,
    as_json: JsonOption = False,
    hidden: Annotated[
        Text,
        _option(NETWORK, "SIZES", "Units of the hidden layers, as 64,32; '' for none. [default: 128,64]"),
    ] = None,
    activation: Annotated[
        Text,
        _option(
            NETWORK,
            "NAMES",
            "Of the hidden layers: one for all, or one for each with commas between. [default: relu] "
            "There are {activations}.",
        ),
    ] = None,
    dropout: Annotated[
        Text,
        _option(NETWORK, "RATE", "Share of each hidden layer's outputs dropped in training. [default: 0.2]"),
    ] = None,
    pieces: Annotated[
        Text,
        _option(
            NETWORK,
            "N",
            "How many pieces a number of many values is cut into, so that each can count differently; 0 for "
            "none. [default: 16, fewer where there are many columns]",
        ),
    ] = None,
    batch_norm: Annotated[
        bool | None, _option(NETWORK, None, "Normalise each hidden layer's outputs.", "--batch-norm")
    ] = None,
    l1: Annotated[Text, _option(NETWORK, "FACTOR", "Penalty on the weights' absolute values.")] = None,
    l2: Annotated[Text, _option(NETWORK, "FACTOR", "Penalty on the weights' squares.")] = None,
    loss: Annotated[
        Text,
        _option(
            NETWORK,
            "NAME",
            "What is to become small; it says whether the target is classes or values. "
            "[default: cross_entropy or mse] There are {losses}.",
        ),
    ] = None,
    loss_option: Annotated[Pairs, _pairs(NETWORK, "--loss-option", "the loss")] = None,
    init: Annotated[
        Text,
        _option(
            NETWORK,
            "NAME",
            "How weights are drawn. [default: what suits the activation] There are {inits}.",
        ),
    ] = None,
    init_option: Annotated[Pairs, _pairs(NETWORK, "--init-option", "the drawing of weights")] = None,
    epochs: Annotated[
        Text,
        _option(
            TRAINING,
            "N",
            "How often each row is seen. [default: 20, or more until there are 500 steps]",
        ),
    ] = None,
    batch_size: Annotated[
        Text, _option(TRAINING, "N", "Rows a step: 1, a number, or all. [default: 32 to 512, by the rows]")
    ] = None,
    early_stopping: Annotated[
        Text,
        _option(
            TRAINING,
            "PATIENCE",
            "Stop when the validation loss has not become better for so many epochs, and keep the "
            "best weights; or off. [default: off]",
        ),
    ] = None,
    validation_size: Annotated[
        Text,
        _option(
            TRAINING,
            "SHARE",
            "Of the rows to train on, held apart to measure after each epoch. "
            "[default: 0.1 with early stopping, else none]",
        ),
    ] = None,
    test_size: Annotated[
        Text, _option(TRAINING, "SHARE", "Of all rows, held back for the test. [default: 0.2]")
    ] = None,
    class_weight: Annotated[
        Text, _option(TRAINING, "balanced", "Let every class count the same, however many rows it has.")
    ] = None,
    task: Annotated[
        Text,
        _option(TRAINING, "TASK", "classification or regression. [default: told from loss and target]"),
    ] = None,
    seed: Annotated[
        Text,
        _option(TRAINING, "N", "Of held-back rows, initial weights and the order of rows. [default: 0]"),
    ] = None,
    engine: Annotated[Text, _option(TRAINING, "NAME", "auto, numpy or numba. [default: auto]")] = None,
    optimizer: Annotated[
        Text,
        _option(
            OPTIMIZER,
            "NAME",
            "How weights are changed. [default: adamw, weight_decay=0.3] There are {optimizers}.",
        ),
    ] = None,
    learning_rate: Annotated[
        Text,
        _option(
            OPTIMIZER,
            "RATE",
            "[default: 0.005; of an --optimizer its own, and of sgd in a regression 0.01 / the target's "
            "variance]",
        ),
    ] = None,
    clip_norm: Annotated[
        Text, _option(OPTIMIZER, "NORM", "Scale the gradients down where their norm is larger.")
    ] = None,
    option: Annotated[Pairs, _pairs(OPTIMIZER, "--option", "the optimizer")] = None,
    schedule: Annotated[
        Text,
        _option(
            SCHEDULE,
            "NAME",
            "How the learning rate changes. [default: one_cycle; with an --optimizer not at all] "
            "There are {schedules}.",
        ),
    ] = None,
    schedule_option: Annotated[Pairs, _pairs(SCHEDULE, "--schedule-option", "the schedule")] = None,
) -> None:
    """Train a network and test it on rows held back."""
    from .train import Request
    from .train import train as run

    kinds = tuple(column or ())
    request = Request(
        data, _single(target), test, split, separator, kinds, config, model, plot, confusion, as_json
    )
    run(request, context.params)


@app.command(
    cls=Command,
    epilog=_examples(
        "predict iris.chainrule iris",
        "predict iris.chainrule flowers.csv --output kinds.csv",
    ),
)
def predict(
    model: ModelArgument,
    data: DataArgument,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there; without --json, print nothing.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column for each class.")
    ] = False,
    separator: SeparatorOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the target of each row, as CSV."""
    from .use import predict as run

    run(model, data, output, probabilities, as_json, separator)


@app.command(
    cls=Command,
    epilog=_examples(
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
    as_json: JsonOption = False,
) -> None:
    """Test a network on all rows of DATA."""
    from .use import evaluate as run

    run(model, data, _single(target), confusion, as_json, separator)


@app.command(
    cls=Command,
    epilog=_examples("diagnose iris.chainrule iris", "diagnose houses.chainrule houses.csv --json"),
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
    """Look for what is wrong with a training, on the rows of DATA: best those that it was trained on."""
    from .health import diagnose as run

    run(model, data, _single(target), as_json, separator)


@app.command(
    cls=Command,
    epilog=_examples(
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
    """Write a page of HTML on a network and the rows of DATA: scores, errors, health, a trace, source."""
    from .reporting import report as run

    run(model, data, output, _single(target), as_json, separator)


@app.command(
    cls=Command,
    epilog=_examples(
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
    cls=Command, epilog=_examples("inspect iris.chainrule", "inspect houses.chainrule --json | jq .columns")
)
def inspect(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Print what is in a model file: columns, encoding, network, training, versions."""
    from .inspection import inspect as run

    run(model, as_json)


@app.command(
    cls=Command,
    epilog=_examples(
        "draw iris.chainrule --output iris.svg",
        "draw iris.chainrule iris --row 1 --output row1.svg",
        "draw iris.chainrule iris --edges gradients --output slopes.svg",
    ),
)
def draw(
    model: ModelArgument,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it: .svg.")],
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
    """Draw the network as a picture, with its weights, activations or gradients."""
    from .drawing import Request
    from .drawing import draw as run

    run(Request(model, data, row, output, edges, neurons, form, theme, separator))


@app.command(cls=Command, epilog=_examples("summary iris.chainrule"))
def summary(model: ModelArgument) -> None:
    """Print the layers: shapes, parameters, operations and memory."""
    from .use import summary as run

    run(model)


@app.command(
    cls=Command,
    epilog=_examples(
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
    """Run worked examples from books, with the published numbers beside ours."""
    from .exhibit import examples as run

    run(name, write, quick, conventions, as_json)


@app.command(
    cls=Command,
    epilog=_examples(
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
        Path | None, typer.Option(metavar="FILE", help="Write there, and print nothing.")
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
    """Show every number of a training step on one row of DATA, or follow one of them to the loss."""
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
            target=_single(target),
            separator=separator,
            as_json=as_json,
        )
    )
