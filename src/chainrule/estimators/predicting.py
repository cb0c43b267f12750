"""Rows through an estimator's network: in parts that stay in the processor's cache, on several threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..emit.pools import side_by_side
from ..model.network import Network
from ..training.sparse import dense, is_sparse, rows_at_a_time

Array = np.ndarray[Any, Any]
CHUNK = 1024
FEW = 4096  # rows up to which one call is quicker than several


def plainly_right(X: Any, columns: int) -> bool:
    """Whether rows are such that nothing but NaN and infinity could be wrong with them."""
    return (
        type(X) is np.ndarray
        and X.ndim == 2
        and X.dtype.kind == "f"
        and X.shape[1] == columns
        and X.shape[0] > 0
    )


def outputs_of_rows(network: Network, X: Any, kind: str, weights: Mapping[str, Array]) -> Array | None:
    """The network's outputs ("z") or what they predict ("p"); None if X has numbers that are not finite.

    Parameters
    ----------
    network : Network
        With one output.
    X : ndarray or sparse array, shape (rows, inputs)
    kind : {"z", "p"}
    weights : mapping of str to ndarray
    """
    rows, size = X.shape[0], CHUNK
    if is_sparse(X):
        size = min(size, rows_at_a_time(X.shape[1], network.dtype))
    elif rows <= FEW:
        size = rows

    def part(start: int) -> Array | None:
        with np.errstate(over="ignore"):
            taken = np.ascontiguousarray(dense(X[start : start + size]), network.dtype)
            # NaN and infinity survive any sum, so that one quick pass says all is well
            if not np.isfinite(taken.sum()) and not np.isfinite(taken).all():
                return None
        return network._outputs_of([taken], kind, weights)[0]

    first = part(0)  # makes what the others share
    found = [first, *(side_by_side(part, range(size, rows, size)) if rows > size else [])]
    return None if any(p is None for p in found) else np.concatenate(found) if len(found) > 1 else first
