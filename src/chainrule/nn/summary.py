"""A network as a table: what each layer gives, and what it costs in numbers, operations and memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..checks import counted
from ..emit.work import operations
from ..errors import NotFittedError
from ..graph.program import Program
from ..graph.tensor import placeholder
from .layers import Context, Layer
from .network import BaseNetwork
from .wiring import numbered

WIDTH = 80
HEADINGS = ("layer", "output", "trained", "fixed", "operations", "bytes", "bytes/row")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    title : str
    columns : int
        Of the layer's result.
    trained, fixed : int
        Numbers that training changes by their gradients, and others: frozen, or running means.
    operations : int
        For one row of the data, in prediction.
    sources : str
        The names of the layer's inputs, where it takes something else than the line above gives.
    """

    title: str
    columns: int
    trained: int = 0
    fixed: int = 0
    operations: int = 0
    sources: str = ""


def summary(network: BaseNetwork) -> str:
    """A table of a network's layers, at most 80 columns wide.

    ``trained`` counts the numbers that training changes by their gradients, ``fixed`` the others: frozen
    ones, and means and variances. ``operations`` are those of the forward pass in prediction, for one row of
    the data, where an addition or multiplication is one and a function such as exp about nine: a product with
    a matrix has two for each weight. ``bytes`` is the memory of the parameters, ``bytes/row`` that of the
    layer's result for one row. Under a layer that does not take what the line above gives stands what it
    takes. A layer that is used again has its parameters in the first line.

    Parameters
    ----------
    network : BaseNetwork
        Whose number of inputs is known; the weights need not be there.

    Returns
    -------
    str

    Raises
    ------
    NotFittedError
        Before the number of inputs is known.
    """
    if not network._sizes:
        raise NotFittedError(
            "summary: the network does not know its number of inputs yet. Call fit, or "
            "build(inputs, seed=0), or start it with Input(inputs)."
        )
    rows = _rows(network)
    size = network.dtype.itemsize
    total = Row(
        "total",
        sum(row.columns for row in rows),
        sum(row.trained for row in rows),
        sum(row.fixed for row in rows),
        sum(row.operations for row in rows),
    )
    cells = [_cells(row, size) for row in (*rows, total)]
    cells[-1][1] = ""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *cells, strict=True)]
    widths[0] = min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:]))
    rule = "-" * (sum(widths) + 2 * len(widths[1:]))
    lines = [_line(HEADINGS, widths), rule]
    for row, texts in zip(rows, cells, strict=False):
        lines.append(_line(texts, widths))
        if row.sources:
            lines.append(_cut(f"  takes {row.sources}", WIDTH))
    parameters = total.trained + total.fixed
    lines += [rule, _line(cells[-1], widths), ""]
    lines.append(
        f"{counted(parameters, 'parameter')} of {network.dtype}, {counted(parameters * size, 'byte')}"
    )
    return "\n".join(lines)


def _rows(network: BaseNetwork) -> list[Row]:
    """A line for each input, then for each use of a layer, in the order of the values' numbers."""
    wiring = network._wiring
    names = [given or numbered("x", i, len(wiring.inputs)) for i, (_, given) in enumerate(wiring.inputs)]
    rows = [Row(f"{name} (input)", size) for name, size in zip(names, network._sizes, strict=False)]
    seen: set[int] = set()
    for call in wiring.calls:
        layer, name = network.layers[call.layer], network.names[call.layer]
        inputs = [network._sizes[i] for i in call.sources]
        again = call.layer in seen
        seen.add(call.layer)
        trained, fixed = (0, 0) if again else _parameters(layer, inputs[0])
        previous = call.sources == (len(rows) - 1,)
        rows.append(
            Row(
                _title(layer, name, again),
                network._sizes[len(rows)],
                trained,
                fixed,
                _operations(layer, inputs, network.dtype.name),
                "" if previous else ", ".join(names[i] for i in call.sources),
            )
        )
        names.append(name)
    return rows


def _title(layer: Layer, name: str, again: bool) -> str:
    own = name if name.startswith(layer.kind) else f"{name} ({layer.kind})"
    return f"{own}, again" if again else own


def _parameters(layer: Layer, inputs: int) -> tuple[int, int]:
    """How many numbers training changes by their gradients, and how many others there are."""
    counts = {name: math.prod(shape) for name, shape in layer.shapes(inputs).items()}
    trained = sum(n for name, n in counts.items() if name in layer.trained and name not in layer.frozen)
    return trained, sum(counts.values()) - trained


def _operations(layer: Layer, inputs: Sequence[int], dtype: str) -> int:
    """Those of one row's prediction, from the layer's graph."""
    xs = [placeholder(("n", size), dtype) for size in inputs]
    leaves = {name: placeholder(shape, dtype) for name, shape in layer.shapes(inputs[0]).items()}
    seed, step = placeholder((), "int64"), placeholder((), "int64")
    made = layer.join(xs, leaves, Context("", 0, False, seed, step))
    return round(operations(Program(xs, {"y": made}), {"n": 1}))


def _cells(row: Row, size: int) -> list[str]:
    numbers = (row.trained, row.fixed, row.operations, (row.trained + row.fixed) * size, row.columns * size)
    return [row.title, f"(n, {row.columns})", *map(_number, numbers)]


def _number(value: int) -> str:
    """With thousands set apart, or in powers of ten where that would be too wide."""
    return f"{value:,}" if value < 10**8 else f"{value:.2e}"


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    title = f"{_cut(texts[0], widths[0]):<{widths[0]}}"
    return "  ".join([title, *(f"{t:>{w}}" for t, w in zip(texts[1:], widths[1:], strict=True))])


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
