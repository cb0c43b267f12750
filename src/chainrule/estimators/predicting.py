"""Rows through an estimator's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..model.network import Network

Array = np.ndarray[Any, Any]


def plainly_right(X: Any, columns: int) -> bool:
    """Whether rows are such that nothing but NaN and infinity could be wrong with them."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind == "f"
        and X.shape[1] == columns
        and X.shape[0] > 0
    )


def outputs_if_finite(network: Network, X: Array, kind: str, weights: Mapping[str, Array]) -> Array | None:
    """The network's outputs ("z") or what they predict ("p"); None if X has numbers that are not finite.

    Parameters
    ----------
    network : Network
        With one output.
    X : ndarray, shape (rows, inputs)
    kind : {"z", "p"}
    weights : mapping of str to ndarray
    """
    with np.errstate(over="ignore"):
        table = np.ascontiguousarray(X, network.dtype)
    found, sums = network._outputs_of_rows([table], kind + "s", weights)
    # large numbers may have an infinite sum, so that the numbers themselves have the last word
    return found if np.isfinite(sums).all() or np.isfinite(table).all() else None
