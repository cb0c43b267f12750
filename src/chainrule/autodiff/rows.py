"""What each row of a batch adds to a derivative that is a sum over rows, as more graph.

Where the rows of a batch stay apart, a weight's gradient is a sum over them: a product whose inner axis they
are, or a plain sum. Leaving out that sum gives the gradients of all rows at once, from one sweep through the
graph and without a loop over rows.

References
----------
Goodfellow (2015), Efficient per-example gradient computations.
"""

from __future__ import annotations

from ..errors import GradientError
from ..graph.op import Kind
from ..graph.tensor import Tensor, topological
from ..ops.move import expand, reshape, transpose
from ..ops.reduce import sum as summed
from ..shapes import Dim, names_in


def each_row(total: Tensor, rows: Dim) -> Tensor:
    """What each row adds to a sum over rows.

    Parameters
    ----------
    total : Tensor
        A gradient, as `gradient` makes it, of something whose rows stay apart.
    rows : Size
        The named number of rows: the first size of whatever has rows, and of nothing else.

    Returns
    -------
    Tensor, shape (rows, *total.shape)

    Raises
    ------
    GradientError
        If it is no sum over rows, or an op comes after the sum through which rows are not followed: all but
        sums, transpositions and reshapes.

    Examples
    --------
    >>> import chainrule as cr
    >>> x, w = cr.placeholder(("n", 2), "float64", "x"), cr.placeholder((2, 1), "float64", "w")
    >>> (slope,) = cr.gradient((x @ w).sum(), [w])
    >>> slope.shape, each_row(slope, x.shape[0]).shape
    ((2, 1), (n, 2, 1))
    """
    found: dict[Tensor, Tensor] = {}
    for node in topological([total]):
        apart = _apart(node, rows)
        if apart is None:
            apart = _followed(node, found, rows)
        if apart is not None:
            found[node] = apart
    if total not in found:
        raise GradientError(
            f"each_row: what single rows add is not followed through op {total.op.name!r}, of shape "
            f"{total.shape}. It is through sums, transpositions and reshapes of a sum over rows."
        )
    return found[total]


def _has_rows(x: Tensor, rows: Dim) -> bool:
    return bool(x.shape) and x.shape[0] == rows and not names_in(x.shape[1:])


def _apart(node: Tensor, rows: Dim) -> Tensor | None:
    """A sum over rows without that sum; None for another node."""
    if node.op.kind is Kind.PRODUCT and node.ndim == 2 and _has_rows(node.inputs[1], rows):
        x, y = transpose(node.inputs[0]), node.inputs[1]
        return x[:, :, None] * y[:, None, :]
    if node.op.name == "sum" and 0 in node.attrs["axis"] and _has_rows(node.inputs[0], rows):
        others = tuple(a for a in node.attrs["axis"] if a)
        kept = summed(node.inputs[0], others) if others else node.inputs[0]
        return reshape(kept, (rows, *node.shape))
    return None


def _followed(node: Tensor, found: dict[Tensor, Tensor], rows: Dim) -> Tensor | None:
    """What is made of sums over rows, without these sums; None for another node."""
    parts = [found[x] for x in node.inputs if x in found]
    if parts and len(parts) == len(node.inputs):
        if node.op.name == "add" and all(x.shape == node.shape for x in node.inputs):
            return parts[0] + parts[1]
        if node.op.name == "transpose":
            return transpose(parts[0], (0, *(a + 1 for a in node.attrs["axes"])))
        if node.op.name == "reshape":
            return reshape(parts[0], (rows, *node.shape))
    if node.op.name == "expand" and node.inputs[0].attrs.get("value") == 0:  # nothing depends on the weight
        return expand(node.inputs[0], (rows, *node.shape))
    return None
