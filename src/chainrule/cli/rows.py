"""The rows of a training: which are for what, and all of them as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ParameterError
from ..tables.defaults import Defaults
from ..tables.encoding import Encoding, fit_encoding
from ..tables.streaming import EncodedStream
from ..tables.table import Table
from ..tables.wording import shown
from .building import Goal
from .settings import Settings
from .split import Purpose, hold_back, split_by_column
from .truth import matching

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """Encoded rows and their targets; where the training is on a stream, these are a sample of it."""

    X: Array
    y: Array
    stream: EncodedStream | None = None

    @property
    def count(self) -> int:
        return len(self.y) if self.stream is None else self.stream.rows


@dataclass(frozen=True)
class Given:
    """A table of rows to test on."""

    name: str
    frame: polars.DataFrame


def split_rows(
    table: Table,
    goal: Goal,
    settings: Settings,
    test: str | None,
    column: str | None,
    usual: Defaults,
    holding: str | None,
) -> dict[str, Array]:
    """The places of the rows to train on, to validate with if that is wanted, and to test with.

    Of xor's four rows none is held back, as each is needed.

    Parameters
    ----------
    table : Table
    goal : Goal
    settings : Settings
    test : str or None
        A table of rows to test on.
    column : str or None
        The column that says what each row is for.
    usual : Defaults
    holding : str or None
        The key of a setting that needs rows to validate with.

    Raises
    ------
    ParameterError
        If two settings say which rows to test on.
    DataError
        If too few rows would be left, or the column says something else.
    """
    share = settings.get("training", "validation_size")
    everything = np.arange(table.rows)
    label = settings.label("training", "test_size")
    if label and (test is not None or column is not None):
        other = "--test" if test is not None else "--split"
        raise ParameterError(f"{label} and {other} both say which rows to test on. Give one of them.")
    if table.name == "xor":
        for key in (holding, "validation_size", "test_size"):
            if key is not None and settings.label("training", key):
                label = settings.label("training", key)
                raise ParameterError(f"{label}: xor has four rows, all of which are needed. Leave it out.")
        return {"train": everything, "test": everything}
    by_class = goal.task == "classification"
    seed = settings.get("training", "seed", 0)
    try:
        if column is not None:
            parts = split_by_column(column, table.frame)
        elif test is not None:
            parts = {"train": everything}
        else:
            test_size = settings.get("training", "test_size", usual.test_size)
            kept, held = hold_back(table.y, test_size, seed, Purpose.TEST, by_class)
            parts = {"train": kept, "test": held}
        if "validation" not in parts and (holding or share is not None):
            kept = parts["train"]
            size = share or usual.validation_size
            places, held = hold_back(table.y[kept], size, seed, Purpose.VALIDATION, by_class)
            parts |= {"train": kept[places], "validation": kept[held]}
        return {name: parts[name] for name in ("train", "validation", "test") if name in parts}
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from None


def encode_rows(
    table: Table, goal: Goal, places: Mapping[str, Array], given: Given | None, seed: int
) -> tuple[Encoding, dict[str, Rows]]:
    """The encoding learned from the rows to train on, and all rows encoded by it."""
    values = goal.task == "regression"
    y = table.values("a regression needs numbers") if values else table.y
    train = places["train"]
    targets = y[train].astype(np.float64 if values else np.str_)
    encoding, X = fit_encoding(table.name, table.cells[train], table.kinds.columns, targets, seed)
    parts = {"train": Rows(X, y[train])}
    for name, rows in places.items():
        if name != "train":
            _check_known(table, y, train, rows, values)
            parts[name] = Rows(encoding.encode(table.cells[rows]), y[rows])
    if given is not None:
        classes = None if values else np.unique(y[train])
        truth = matching(given.name, table.target, given.frame, classes)
        parts["test"] = Rows(encoding.encode_frame(given.name, given.frame), truth)
    return encoding, parts


def _check_known(table: Table, y: Array, train: Array, rows: Array, values: bool) -> None:
    """Raise DataError for a class that the rows to train on have not got: a column may split them so."""
    new = rows[~np.isin(y[rows], np.unique(y[train]))]
    if len(new) and not values:
        label = shown(y[new[0]].item())
        raise DataError(
            f"{table.place(int(new[0]))}: no row to train on is of the class {label}. "
            "Split the rows otherwise."
        )
