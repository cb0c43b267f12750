"""The command line's application, and what its commands share: help, arguments, options."""

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


def examples_of(*lines: str) -> str:
    return "\n".join(["\b", "Examples:", *(f"  chainrule {line}" for line in lines)])


@app.callback(
    epilog=examples_of(
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


def option_of(group: str, metavar: str | None, help: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=group)


def single(targets: list[str] | None) -> str | None:
    """The one target; raises ParameterError if there are two."""
    if targets and len(targets) > 1:
        raise ParameterError("--target is given twice. Give it once.")
    return targets[0] if targets else None


def pairs_of(group: str, name: str, whose: str) -> Any:
    return option_of(group, "NAME=VALUE", f"A setting of {whose}; may be given several times.", name)


DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, iris, wine, breast-cancer, diabetes or xor; or a file: CSV, TSV or Parquet, "
        "packed with gzip or not; or a folder of images, in it a folder for each class.",
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
CorruptOption = Annotated[
    str,
    typer.Option(metavar="POLICY", help="Of a folder's images that cannot be read: refuse or skip."),
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
