"""`chainrule draw`: a network in a file as a picture, with the numbers of rows of a table on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks import counted
from ..ensembles.files import load
from ..errors import DataError, ParameterError
from ..model.network import Network
from ..tables.text import checked_separator
from ..tables.wording import printable
from .building import spoken
from .outputs import check_outputs
from .sets import BUILT_IN, TARGETS, load_frame, target_of
from .settings import Settings
from .truth import matching
from .use import load_model, only_network


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes
    ----------
    path : Path
        The model's file.
    data : str or None
        Name of a built-in set, or path of a table.
    row : int or None
        Counted from 1; all rows where none is named.
    output : Path
    edges : str
    neurons : str or None
    form, theme : str
    separator : str or None
    """

    path: Path
    data: str | None
    row: int | None
    output: Path
    edges: str
    neurons: str | None
    form: str
    theme: str
    separator: str | None


def draw(request: Request) -> None:
    """Draw a network, and on it the numbers of a table's rows."""
    data = request.data
    if request.output.suffix.lower() != ".svg":
        raise ParameterError(f"--output: {request.output}: diagrams are SVG. Name it .svg.")
    check_outputs({"--output": request.output}, [request.path, None if data in BUILT_IN else data])
    if data is None:
        if request.row is not None:
            raise ParameterError("--row: of which table? Name DATA as well.")
        for option, value in (("--edges", request.edges), ("--neurons", request.neurons)):
            if value == "gradients" or (option, value) == ("--neurons", "activations"):
                raise ParameterError(f"{option} {value}: of which rows? Name DATA as well.")
        with spoken(Settings()):
            network, X, y = only_network(load(request.path), request.path), None, None
    else:
        network, X, y = _rows(request, data)
    with spoken(Settings()):
        picture = network.draw(
            X, y, edges=request.edges, neurons=request.neurons, form=request.form, theme=request.theme
        )
    picture.save(request.output)
    print(f"The picture is in {printable(str(request.output))}.")


def _rows(request: Request, data: str) -> tuple[Network, Any, Any]:
    """The network, the rows that were asked for, and where gradients are drawn their right answers."""
    letter = checked_separator(request.separator)
    model = load_model(request.path)
    network = model.network
    frame = load_frame(data, letter, model.reading())
    row = request.row
    if row is not None and not 1 <= row <= frame.height:
        raise DataError(
            f"--row {row}: {data} has {counted(frame.height, 'row')}. Pass a number from 1 to "
            f"{frame.height}, the line of names not counted."
        )
    chosen = slice(None) if row is None else slice(row - 1, row)
    stated = network.metadata.get("target")
    X = model.inputs(data, frame, TARGETS.get(data, stated))
    y = None
    if "gradients" in (request.edges, request.neurons):
        target = target_of(data, None if data in BUILT_IN else stated, frame)
        y = matching(data, target, frame, network.classes)[chosen]
    return network, X[chosen], y
