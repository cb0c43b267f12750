"""The rows that a network is most wrong about: each row's loss, what it is, and what it was taken for."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import ParameterError
from ..explain.drawing.svg import _png
from ..explain.pages.page import folded, paragraph
from ..graph.evaluate import interpret
from ..tables.wording import printable
from .report import predictions
from .use import Labelled, Model

Array = np.ndarray[Any, Any]
MOST = 12  # rows shown
MOST_VALUES = 100  # of a row, in words
NUMBERED = re.compile(r"(.*?)\d+(\D*\d*)$")  # as in pixel_0_7 and px12


@dataclass(frozen=True)
class Judged:
    """What the network makes of each row.

    Attributes
    ----------
    losses : ndarray, shape (rows,)
    order : ndarray of int
        The rows from the largest loss to the smallest.
    predicted : ndarray, shape (rows,)
    probabilities : ndarray, shape (rows, classes), or None
    """

    losses: Array
    order: Array
    predicted: Array
    probabilities: Array | None


def judged(model: Model, rows: Labelled) -> Judged:
    """Each row's loss and prediction; raises DataError where a prediction is not finite."""
    network = model.network
    predicted = predictions(network, rows.X, rows.data)
    losses = row_losses(model, rows)
    try:
        probabilities = predictions(network, rows.X, rows.data, probabilities=True)
    except ParameterError:  # a loss that gives none
        probabilities = None
    return Judged(losses, np.argsort(-losses, kind="stable"), predicted, probabilities)


def row_losses(model: Model, rows: Labelled) -> Array:
    """The loss of each row by itself, without penalties: of the graph's own loss."""
    network, g = model.network, model.network.graph
    (loss,) = network._losses
    tables = network._tables(rows.X)
    ts, _ = network._targets(rows.y, tables, network._codings)
    each = loss.elements(g.outputs[0], g.ts[0])
    if each.ndim == 2:
        each = each.mean(axis=1) if loss.over == "mean" else each.sum(axis=1)
    if each.ndim == 0:  # an own loss that gives one number for a batch
        each = abs(g.predictions[0] - g.ts[0]).sum(axis=1)
    ((z, p),) = network._run(rows.X)
    (found,) = interpret([each], {g.outputs[0]: z, g.predictions[0]: p, g.ts[0]: ts[0]})
    return np.asarray(found, np.float64)


def wrong(model: Model, rows: Labelled, each: Judged) -> str:
    """The rows of largest loss, with their values or as images."""
    shown = each.order[:MOST]
    side = square(model)
    items = [_item(model, rows, each, int(row), side) for row in shown]
    share = each.losses[shown].sum() / max(each.losses.sum(), 1e-300)
    lead = (
        f"The {counted(len(shown), 'row')} of largest loss have {share:.0%} of the loss of all "
        f"{len(each.losses):,} rows. Rows are counted from 1."
    )
    return paragraph(lead) + f'<ol class="wrong">{"".join(items)}</ol>'


def _item(model: Model, rows: Labelled, each: Judged, row: int, side: int | None) -> str:
    true, predicted = (printable(str(values[row])) for values in (rows.y, each.predicted))
    picture = ""
    if side is not None:
        picture = image(
            rows.X[row], side, f"row {row + 1} as an image of {side} by {side} pixels; it is {true}"
        )
    if model.network.classes is None:
        told = [f"is {float(rows.y[row]):.6g}, predicted {float(each.predicted[row]):.6g}"]
    else:
        told = [
            f"is {true}, taken for {predicted}" if true != predicted else f"is {true}, and taken for that"
        ]
        if each.probabilities is not None:
            classes = model.network.classes.tolist()
            places = [classes.index(values[row].item()) for values in (rows.y, each.predicted)]
            p = [each.probabilities[row, place] for place in places]
            told.append(f"probability of {true}: {p[0]:.3g}")
            if true != predicted:
                told.append(f"probability of {predicted}: {p[1]:.3g}")
    told.append(f"loss {each.losses[row]:.4g}")
    text = "".join(f"<p>{escape(line)}</p>" for line in told)
    return f"<li>{picture}<h3>Row {row + 1}</h3>{text}{_values(rows, row)}</li>"


def _values(rows: Labelled, row: int) -> str:
    names = [name for name in rows.frame.columns if name != rows.target][:MOST_VALUES]
    more = len(rows.frame.columns) - 1 - len(names)
    cells = "".join(
        f"<dt>{escape(printable(name))}</dt><dd>{escape(cell(rows.frame[name][row]))}</dd>" for name in names
    )
    rest = paragraph(f"and {more:,} more") if more > 0 else ""
    return folded(f"values of row {row + 1}", f'<dl class="facts">{cells}</dl>{rest}')


def cell(value: Any) -> str:
    """A cell as text."""
    if value is None:
        return "missing"
    text = f"{value:.6g}" if isinstance(value, float) else printable(str(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def square(model: Model) -> int | None:
    """The side of the image that a row is: for as many numbered inputs as a square has, such as pixels."""
    names, inputs = model.names, model.network.inputs or 0
    side = math.isqrt(inputs)
    if side < 4 or side * side != inputs or not names:
        return None
    stems = {m[1] if (m := NUMBERED.match(name)) else name for name in names}
    return side if len(stems) == 1 else None


def image(values: Array, side: int, text: str) -> str:
    """A row as an image; the larger a number, the darker or, on a dark page, the brighter."""
    size = np.abs(values).max()
    pixels = (values / size if size > 0 else values).reshape(side, side)
    data = base64.b64encode(_png(pixels)).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(text)}" width="112" height="112">'
