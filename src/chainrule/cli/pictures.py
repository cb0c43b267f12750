"""Pictures of a training: learning curves, and which classes were taken for which; drawn without a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..explain.plots.plotting import GRID, QUIET, TRAINING, VALIDATION, file_of, new_figure, tidy
from ..tables.wording import printable
from ..training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = np.ndarray[Any, Any]
MOST_CLASSES = 60  # whose names can stand beside a matrix
MOST_NUMBERS = 25  # classes of a matrix whose cells can hold their numbers


def learning_curves(history: History, title: str, suffix: str) -> bytes:
    """The loss of every epoch, in training and validation, and the accuracy where it was measured.

    Parameters
    ----------
    history : History
    title : str
    suffix : str
        ".png" or ".svg".

    Returns
    -------
    bytes
        The picture's file.
    """
    accuracy = bool(history.val_accuracy)
    figure, axes = new_figure(8.0 if not accuracy else 10.5, 4.2, columns=2 if accuracy else 1)
    epochs = np.arange(1, history.epochs + 1)
    lines = [("training", history.loss, TRAINING)]
    if history.val_loss:
        lines.append(("validation", history.val_loss, VALIDATION))
    _curves(axes[0], epochs, lines, "loss")
    if history.val_loss:
        _mark(axes[0], int(np.argmin(history.val_loss)), history.val_loss)
    if accuracy:
        _curves(axes[1], epochs, [("validation", history.val_accuracy, VALIDATION)], "accuracy")
    figure.suptitle(_plain(title), fontsize=11, x=0.01, ha="left")
    return file_of(figure, suffix)


def _curves(
    axes: Axes, epochs: Array, lines: Sequence[tuple[str, Sequence[float], str]], measure: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    for name, values, color in lines:
        marker = "o" if len(epochs) < 3 else ""
        axes.plot(epochs, values, color=color, label=name, linewidth=1.6, marker=marker, markersize=4)
    axes.set_xlabel("epoch")
    axes.set_ylabel(measure)
    axes.set_xlim(1 if len(epochs) > 1 else 0, max(len(epochs), 2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    tidy(axes)
    if len(lines) > 1:
        axes.legend(frameon=False)
    else:
        axes.set_title(f"{lines[0][0]} {measure}", fontsize=10, color=QUIET, loc="right")


def _mark(axes: Axes, best: int, values: Sequence[float]) -> None:
    """The epoch whose weights early stopping keeps."""
    axes.axvline(best + 1, color=VALIDATION, linewidth=0.9, linestyle=":")
    axes.plot([best + 1], [values[best]], marker="o", color=VALIDATION, markersize=5)
    axes.set_title(
        f"least on validation: {values[best]:.4g} in epoch {best + 1}",
        fontsize=10,
        color=VALIDATION,
        loc="right",
    )


def confusion_picture(matrix: Array, classes: Sequence[object], target: str, suffix: str) -> bytes:
    """How many rows of each class were taken for which, shaded by their share of the class.

    Parameters
    ----------
    matrix : ndarray of int, shape (classes, classes)
        A row for each true class, a column for each predicted one.
    classes : sequence
        The labels.
    target : str
    suffix : str
        ".png" or ".svg".

    Returns
    -------
    bytes
        The picture's file.
    """
    count = len(classes)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(2.2 + 0.55 * count, 4.2, 14.0))
    figure, (axes,) = new_figure(side + 1.2, side)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if count <= MOST_CLASSES:
        names = [_plain(str(label), 18) for label in classes]
        turned = sum(map(len, names)) > 9 * side
        axes.set_xticks(range(count), names, rotation=45 if turned else 0, ha="right" if turned else "center")
        axes.set_yticks(range(count), names)
    if count <= MOST_NUMBERS:
        for row, column in np.ndindex(count, count):
            axes.text(
                column,
                row,
                f"{matrix[row, column]:,}",
                ha="center",
                va="center",
                fontsize=9 if count <= 12 else 7,
                color=_ink(int(matrix[row, column]), float(share[row, column])),
            )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    right, rows = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(
        f"{_plain(target, 30)}: {right:,} of {rows:,} rows right ({right / max(rows, 1):.1%})",
        fontsize=11,
        loc="left",
    )
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    return file_of(figure, suffix)


def _ink(rows: int, share: float) -> str:
    """A colour that can be read on a cell's shade; cells of no rows step back."""
    if rows == 0:
        return "#b8b8b8"
    return "white" if share > 0.55 else "#333333"


def _plain(text: str, most: int = 60) -> str:
    """Text that cannot be taken for a formula, nor be longer than the picture."""
    shown = printable(text if len(text) <= most else f"{text[: most - 3]}...")
    return shown.replace("$", r"\$")
