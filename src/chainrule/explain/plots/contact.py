"""Images beside what a training makes of them, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import counted, positive_int, whole_number
from ...errors import ParameterError, ShapeError
from ...images.augment import Augment
from .plotting import new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
SIDE, GAP = 0.75, 0.12  # of an image, in inches; between two, as a share of it
MOST = 24  # rows, or epochs, in one picture


def contact_sheet(
    X: Any,
    augment: Augment,
    y: Any = None,
    *,
    rows: int | Sequence[int] = 8,
    epochs: int = 7,
    seed: int = 0,
) -> Figure:
    """Images as they are, and beside each what the network sees of it in the first epochs.

    They are the very images of a fit of X with that seed: a row has the same random numbers there.

    Parameters
    ----------
    X : array-like, shape (n, inputs) or (n, *shape)
        The images to train on.
    augment : Augment
    y : array-like, shape (n,), optional
        What is on them, to be written beside.
    rows : int or sequence of int
        How many of them, spread over all, or which.
    epochs : int
    seed : int
        Of the fit.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        If `augment` is none, a row is not there, or more than 24 rows or epochs are asked for.
    ShapeError, DataError
        If X does not hold such images, or y not one answer for each.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not isinstance(augment, Augment):
        raise ParameterError(
            f"plots.contact_sheet: augment must be an Augment, got {augment!r:.60}. "
            "Pass e.g. Augment((28, 28), shift=2)."
        )
    images = np.asarray(X)
    labels = None if y is None else np.asarray(y)
    if labels is not None and labels.shape[:1] != images.shape[:1]:
        raise ShapeError(
            f"plots.contact_sheet: {counted(len(images), 'image')} and y of shape {labels.shape}. "
            "Pass an answer for each image."
        )
    chosen = _chosen(rows, len(images))
    epochs = positive_int(epochs, "plots.contact_sheet: epochs", "epochs=7")
    if epochs > MOST:
        raise ParameterError(f"plots.contact_sheet: epochs must be at most {MOST}, got {epochs}.")
    seen = [augment(images[chosen], chosen, epoch, seed) for epoch in range(epochs)]
    sheet = np.stack([images[chosen].astype(seen[0].dtype), *seen], axis=1)
    return _drawn(sheet.reshape(len(chosen), epochs + 1, *augment.shape), augment, chosen, labels)


def _chosen(rows: Any, count: int) -> Array:
    if isinstance(rows, int | np.integer):
        many = min(positive_int(rows, "plots.contact_sheet: rows", "rows=8"), count)
        found = np.linspace(0, count - 1, many).astype(np.int64)
    else:
        found = np.array([whole_number(row, "plots.contact_sheet: rows", "rows=[0, 5]") for row in rows])
    if not 1 <= len(found) <= MOST or found.min() < 0 or found.max() >= count:
        raise ParameterError(
            f"plots.contact_sheet: rows must be 1 to {MOST} of {counted(count, 'image')}, counted from 0, "
            f"got {rows!r:.60}."
        )
    return found


def _drawn(sheet: Array, augment: Augment, chosen: Array, labels: Array | None) -> Figure:
    """A picture of images of shape (rows, 1 + epochs, *augment.shape)."""
    down, across, height, width = sheet.shape[:4]
    gap = max(1, round(GAP * max(height, width)))
    low, high = (float(limit) for limit in (sheet[:, 0].min(), sheet[:, 0].max()))
    pixels = np.clip((sheet - low) / ((high - low) or 1.0), 0, 1).reshape(*sheet.shape[:4], -1)
    if pixels.shape[-1] != 3:  # neither grey nor red, green and blue: the first channel then
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    board = np.ones((down * (height + gap) - gap, across * (width + gap), 3))
    tops = np.arange(down) * (height + gap)
    lefts = np.arange(across) * (width + gap)
    lefts[1:] += gap  # the originals stand apart
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            board[top : top + height, left : left + width] = pixels[i, j]
    scale = SIDE / max(height, width)
    figure, (axes,) = new_figure(board.shape[1] * scale + 1.4, board.shape[0] * scale + 0.9)
    axes.imshow(board, interpolation="nearest")
    names = ["as it is", *(f"epoch {k + 1}" for k in range(across - 1))]
    axes.set_xticks(lefts + (width - 1) / 2, names, fontsize=7)
    axes.xaxis.tick_top()
    beside = [f"row {row}" for row in chosen]
    if labels is not None:
        beside = [f"{plain(str(labels[row]), 16)}\nrow {row}" for row in chosen]
    axes.set_yticks(tops + (height - 1) / 2, beside, fontsize=7)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.suptitle(augment.summary, fontsize=9, x=0.01, ha="left")
    return figure
