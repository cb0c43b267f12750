"""Maxout: units that take the largest of several weighted sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..checks import positive_int
from ..graph.tensor import Tensor
from .dense import Affine
from .init import Draws, Init
from .layers import Context

Array = np.ndarray[Any, Any]


class Maxout(Affine):
    """The largest of several weighted sums for each unit: an activation that is learned.

    A unit of k pieces is a convex function of k straight pieces; two can be a ReLU or an absolute value.

    Parameters
    ----------
    units : int
        The number of outputs.
    pieces : int
        The number of weighted sums of each unit. Where several are the largest, they share the gradient.
    weights : array-like, shape (inputs, pieces * units), optional
        Initial weights instead of drawn ones: the columns of all units' first pieces, then those of their
        second pieces, and so on.
    bias : array-like, shape (pieces * units,), or False, optional
        Initial biases, in the columns' order, instead of zeros; False for a layer without.
    init : str or Init
        How the weights of each piece are drawn.
    l1, l2 : float
        Added to the loss in training: l1 * sum(abs(W)) + l2 * sum(W**2).
    frozen : bool or str
        True, "W" or "b": what training leaves as it is.
    name : str, optional
        A plain identifier.
    max_norm : float, optional
        The largest norm that the weights of a piece, a column of W, may have after a step; see `Dense`.

    Raises
    ------
    ParameterError, ShapeError, DTypeError, DataError
        As for Dense; ParameterError for pieces that are not a positive int, too.

    References
    ----------
    Goodfellow, Warde-Farley, Mirza, Courville and Bengio (2013), Maxout networks.

    Examples
    --------
    >>> Maxout(1, weights=[[1.0, -1.0]])  # abs(x)
    Maxout(1, pieces=2)
    """

    kind = "maxout"

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        *,
        weights: Any = None,
        bias: Any = None,
        init: str | Init = "glorot",
        l1: float = 0.0,
        l2: float = 0.0,
        frozen: bool | str | Iterable[str] = False,
        name: str | None = None,
        max_norm: float | None = None,
    ) -> None:
        self.units = positive_int(units, "Maxout: units", "Maxout(8)")
        self.pieces = positive_int(pieces, "Maxout: pieces", "Maxout(8, pieces=2)")
        super().__init__(self.pieces * self.units, weights, bias, init, l1, l2, frozen, name, max_norm)

    def __repr__(self) -> str:
        named = f", name={self.name!r}" if self.name else ""
        return f"Maxout({self.units}, pieces={self.pieces}{named})"

    def outputs(self, *inputs: int) -> int:
        return self.units

    def draw_weights(self, inputs: int, seed: int, position: int) -> Array:
        parts = [Draws(seed, position, part) for part in range(self.pieces)]
        return np.hstack([self.init.draw(inputs, self.units, draws) for draws in parts])

    def forward(self, x: Tensor, leaves: Mapping[str, Tensor], context: Context) -> Tensor:
        z = self.product(x, leaves, context)
        a = z.reshape(x.shape[0], self.pieces, self.units).max(axis=1)
        a.name = f"a{context.tag}"
        return a

    def settings(self) -> dict[str, Any]:
        return {"units": self.units, "pieces": self.pieces, **super().settings()}
