"""The right answers in a table that a network is tested on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from ..tables.target import read_target, read_values
from ..tables.wording import listed, place, shown, unknown_column

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]


def matching(data: str, target: str, frame: polars.DataFrame, classes: Array | None) -> Array:
    """The target's values, in the type of the network's classes: 1 and 1.0, or 0 and False, are the same.

    Parameters
    ----------
    data : str
        What messages call the table.
    target : str
    frame : polars.DataFrame
    classes : ndarray or None
        The labels that the network knows; None if it predicts numbers.

    Raises
    ------
    UnknownNameError
        If the column is not there.
    DataError
        If an answer is missing, is no number where numbers are predicted, or no class that the network knows.
    """
    if target not in frame.columns:
        raise unknown_column(data, target, frame.columns)
    if classes is None:
        return read_values(data, target, frame[target])
    y = read_target(data, target, frame[target], classes)
    strange = ~np.isin(y, classes)
    if strange.any():
        row = int(np.argmax(strange))
        known = listed(classes.tolist())
        raise DataError(
            f"{place(data, row, target)}: {shown(y[row].item())} is not among the network's classes, "
            f"{known}. Correct it, or train anew."
        )
    return y.astype(classes.dtype)
