"""What all plots share: figures without a screen, colours, and how they become files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import need_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]
TRAINING, VALIDATION, QUIET = "#1f5fa8", "#d1652b", "#6b6b6b"  # told apart by those who see red as green too
GRID = "#e4e4e4"
CLASSES = (
    "#1f5fa8",
    "#d1652b",
    "#2a9d8f",
    "#8e5ea2",
    "#c9a227",
    "#5b6068",
    "#7fb2e5",
    "#a8324a",
    "#4f7d2f",
    "#d48fc0",
)
MARKERS = "os^Dv<>Ph*"  # beside the colours, for those who cannot tell these apart


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of so many inches, and its parts row by row; pyplot knows nothing of it, so no window opens.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    need_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).ravel())


def file_of(figure: Figure, suffix: str) -> bytes:
    """A figure's file, .png or .svg: the same each time."""
    import matplotlib

    file = io.BytesIO()
    kind = suffix.lower().removeprefix(".")
    # No date and no drawn ids: one training gives one file.
    with matplotlib.rc_context({"svg.hashsalt": "chainrule", "svg.fonttype": "path"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(file, format=kind, dpi=150, metadata=metadata, bbox_inches="tight", pad_inches=0.1)
    return file.getvalue()


def plain(text: str, most: int = 40) -> str:
    """Text that cannot be taken for a formula, nor be longer than the picture has room for."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return "".join(c if c.isprintable() else "\ufffd" for c in shown).replace("$", r"\$")


def tidy(axes: Axes) -> None:
    """Without a frame at the top and at the right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def colour_of(k: int) -> str:
    """The colour of the k-th class; after ten they come again, with other markers."""
    return CLASSES[k % len(CLASSES)]


def marker_of(k: int) -> str:
    """The marker of the k-th class, so that class and marker together repeat late."""
    return MARKERS[(k + k // len(CLASSES)) % len(MARKERS)]
