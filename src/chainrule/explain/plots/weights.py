"""The first layer's weights as images, one for each neuron."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...checks import positive_int
from ...errors import NotFittedError, ParameterError, ShapeError
from ...nn.dense import Affine
from ..drawing.diagram_full import strongest
from .plotting import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...training.metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]


def first_layer(network: MeasuredNetwork, shape: tuple[int, int] | None = None, *, most: int = 64) -> Figure:
    """The weights of the first layer's neurons as images: blue where light excites a neuron, orange where it
    inhibits it.

    Parameters
    ----------
    network : Network
        Trained on images, a row of pixels each.
    shape : (int, int), optional
        An image's height and width; square where it is left out.
    most : int
        How many neurons are shown: those with the strongest weights.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    NotFittedError
        If the network has no weights yet.
    ShapeError
        If the inputs are no square and no shape is given, or they do not fill it.
    ParameterError
        If the network has no layer of weights.
    MissingExtraError
        If matplotlib is not installed.
    """
    if not network.built:
        raise NotFittedError("plots.first_layer: the network has no weights yet. Call fit first.")
    layers = [
        (name, own)
        for name, own in zip(network.names, network.layers, strict=True)
        if isinstance(own, Affine)
    ]
    if not layers:
        raise ParameterError(
            "plots.first_layer: the network has no layer with weights. Add one, e.g. Dense(8)."
        )
    name, layer = layers[0]
    W = np.asarray(layer.W, dtype=np.float64)
    high, wide = _checked_shape(shape, W.shape[0])
    most = positive_int(most, "plots.first_layer: most", "most=64")
    sizes = (W**2).sum(axis=0)
    chosen = np.sort(np.argsort(-sizes, kind="stable")[:most])
    columns = math.ceil(math.sqrt(len(chosen) * high / wide))
    columns = min(max(columns, min(len(chosen), 3)), 16, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    side = min(1.1, 9.0 / columns)
    figure, parts = new_figure(
        side * columns + 1.2, side * rows * high / wide + 0.25 * rows + 0.6, rows, columns
    )
    limit = strongest([W])
    image = None
    for k, axes in zip(chosen, parts, strict=False):
        image = axes.imshow(W[:, k].reshape(high, wide), cmap=_colours(), vmin=-limit, vmax=limit)
        axes.set_title(str(k), fontsize=7, pad=2)
    for axes in parts:
        axes.set_axis_off()
    if image is not None:
        figure.colorbar(image, ax=parts, shrink=0.7, label="weight")
    shown = (
        f"the {len(chosen)} strongest of {W.shape[1]} neurons" if len(chosen) < W.shape[1] else "by neuron"
    )
    figure.suptitle(f"{name}.W, {shown}", fontsize=10, x=0.01, ha="left")
    return figure


def _checked_shape(shape: Any, inputs: int) -> tuple[int, int]:
    if shape is None:
        side = math.isqrt(inputs)
        if side * side != inputs:
            raise ShapeError(
                f"plots.first_layer: {inputs} inputs are no square image. Pass shape=(height, width)."
            )
        return side, side
    if not isinstance(shape, list | tuple) or len(shape) != 2:
        raise ShapeError(f"plots.first_layer: shape must be (height, width), got {shape!r}.")
    high, wide = (
        positive_int(size, "plots.first_layer: a side of shape", "shape=(28, 28)") for size in shape
    )
    if high * wide != inputs:
        raise ShapeError(
            f"plots.first_layer: shape {high} x {wide} has {high * wide} pixels, the layer {inputs} inputs."
        )
    return high, wide


def _colours() -> Any:
    """From orange through white to blue, the colours of the diagrams."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(
        "chainrule", ["#a8430f", "#e9a27c", "#ffffff", "#86b2df", "#174a85"]
    )
