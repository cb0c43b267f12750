"""From what people have to what programs take: checks of X and y, class labels to numbers and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted, real_array
from ..errors import DataError, DTypeError, ParameterError, ShapeError, unknown_name
from ..nn.losses import Loss
from .sparse import Mapped, is_sparse, rows_at_a_time

Array = np.ndarray[Any, Any]


def refuse_masked(value: Any, what: str) -> None:
    """Raise DataError for a masked array in which something is missing."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):  # asarray would forget the mask
        masked = int(np.ma.getmaskarray(value).sum())
        raise DataError(
            f"{what}: {masked} of {counted(value.size, 'value')} {'is' if masked == 1 else 'are'} masked, "
            "that is missing. Fill or drop what is missing first."
        )


def _array(value: Any, what: str) -> Array:
    refuse_masked(value, what)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ShapeError(f"{what}: its rows differ in length. Pass an array with one row a sample.") from None
    return array


def split_tables(value: Any, names: Sequence[str], what: str) -> list[tuple[str, Any]]:
    """The tables of several inputs or outputs, each with what errors call it.

    Parameters
    ----------
    value : array-like, or list, tuple or dict of array-like
        For one name the table itself.
    names : sequence of str
    what : str

    Raises
    ------
    DataError
        If there are not as many tables as names.
    UnknownNameError
        If a dict holds another name.
    """
    if len(names) == 1:
        return [(what, value)]
    if isinstance(value, Mapping):
        for name in value:
            if name not in names:
                raise unknown_name(what, name, names)
        missing = [name for name in names if name not in value]
        if missing:
            raise DataError(f"{what}: {missing[0]!r} is missing. Pass {', '.join(map(repr, names))}.")
        return [(f"{what}[{name!r}]", value[name]) for name in names]
    if not isinstance(value, list | tuple) or len(value) != len(names):
        got = f"{len(value)} tables" if isinstance(value, list | tuple) else type(value).__name__
        raise DataError(
            f"{what}: a list of {len(names)} tables is needed, or a dict by {', '.join(map(repr, names))}; "
            f"got {got}."
        )
    return [(f"{what}[{i}]", part) for i, part in enumerate(value)]


def checked_rows(tables: Sequence[Array], names: Sequence[str]) -> None:
    """Raise ShapeError unless all tables have as many rows as the first."""
    for table, name in zip(tables, names, strict=True):
        if table.shape[0] != tables[0].shape[0]:
            rows, first = counted(table.shape[0], "row"), tables[0].shape[0]
            raise ShapeError(f"{name}: has {rows}, {names[0]} has {first:,}. Pass the same rows.")


def check_inputs(X: Any, inputs: int | None, dtype: np.dtype[Any], what: str = "X") -> Array:
    """The rows as a contiguous array of the network's type.

    Parameters
    ----------
    X : array-like or sparse matrix of numbers, shape (rows, inputs)
        What is sparse stays so, with its rows compressed (CSR); so do mapped files (`numpy.memmap`), whose
        rows are converted when they are taken.
    inputs : int or None
        How many columns there must be.
    dtype : numpy.dtype
    what : str
        What errors call it.

    Raises
    ------
    ShapeError
        If it has not two axes, or another number of columns.
    DTypeError
        If it holds text, objects, dates or complex numbers.
    DataError
        If it is empty, or holds NaN, infinity, or numbers too large for the type.
    """
    if is_sparse(X):
        compressed: Array = _checked_sparse(X, inputs, dtype, what)
        return compressed
    array = _array(X, what)
    if array.dtype.kind not in "biuf":
        raise DTypeError(
            f"{what}: expected numbers, got {_describe(array)}. Encode text and categories as numbers first."
        )
    if array.ndim != 2:
        hint = {
            1: f"One column: {what}.reshape(-1, 1); one row: {what}.reshape(1, -1).",
            0: "Pass an array with one row a sample.",
        }.get(array.ndim, f"Flatten each sample: {what}.reshape(len({what}), -1).")
        raise ShapeError(f"{what}: expected shape (rows, inputs), got {array.shape}. {hint}")
    _check_columns(array.shape, inputs, what)
    if isinstance(X, np.memmap) and (array.dtype != dtype or not array.flags.c_contiguous):
        mapped: Array = _checked_mapped(array, dtype, what)
        return mapped
    return finite_array(array, dtype, what)


def _checked_mapped(array: Array, dtype: np.dtype[Any], what: str) -> Any:
    """A mapped file of another type, which is looked at a few rows at a time and stays where it is."""
    size = rows_at_a_time(array.shape[1], dtype)
    for start in range(0, len(array), size):
        finite_array(array[start : start + size], dtype, what, start)
    return Mapped(array, dtype)


def _check_columns(shape: tuple[int, ...], inputs: int | None, what: str) -> None:
    if 0 in shape:
        raise DataError(f"{what}: is empty, shape {shape}. Pass at least one row and one column.")
    if inputs is not None and shape[1] != inputs:
        raise ShapeError(
            f"{what}: the network has {counted(inputs, 'input')}, got {counted(shape[1], 'column')}."
        )


def _checked_sparse(X: Any, inputs: int | None, dtype: np.dtype[Any], what: str) -> Any:
    """A sparse table with its rows compressed, in the network's type."""
    if X.dtype.kind not in "biuf":
        raise DTypeError(f"{what}: expected numbers, got {X.dtype}.")
    if X.ndim != 2:
        raise ShapeError(f"{what}: expected shape (rows, inputs), got {X.shape}.")
    _check_columns(X.shape, inputs, what)
    table: Any = X.tocsr()
    with np.errstate(over="ignore"):
        values = table.data.astype(dtype, copy=False)
    if not np.isfinite(values).all():
        raise DataError(
            f"{what}: holds NaN, infinity, or numbers too large for {dtype}. "
            "Fill or drop what is missing first."
        )
    return type(table)((values, table.indices, table.indptr), shape=table.shape)


def finite_array(array: Array, dtype: np.dtype[Any], what: str, first: int = 0) -> Array:
    """The array in the network's type, checked to be finite before and after; `first` numbers its rows."""
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
        if np.isfinite(converted.sum()):  # NaN and infinity survive any sum: one quick pass says all is well
            return converted
    bad = ~np.isfinite(converted)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"row {first + place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
        value = array[place]
        if np.isfinite(value):
            raise DataError(f"{what}: {value} in {where} is too large for {dtype}. Scale it, or use float64.")
        kind = "NaN" if np.isnan(value) else "infinity"
        raise DataError(
            f"{what}: holds {kind}, first in {where} ({int(bad.sum())} of {counted(bad.size, 'value')}). "
            "Fill or drop what is missing first."
        )
    return converted


def _describe(array: Array) -> str:
    if array.dtype.kind in "OUS" and array.size:
        kind, first = "objects" if array.dtype.kind == "O" else "text", array.ravel()[:1].tolist()[0]
        return f"{kind} such as {first!r:.40}"
    return str(array.dtype)


@dataclass(frozen=True, eq=False)
class Coding:
    """How targets are written as numbers, and predictions read back.

    Attributes
    ----------
    classes : ndarray or None
        The labels, in the order of the outputs; None for values and for several yes-or-no outputs.
    columns : bool
        Whether y had two axes, so that predicted values have as well.
    threshold : float or None
        The probability of the second of two classes from which on it is predicted; None for the likelier one.
    """

    classes: Array | None = None
    columns: bool = False
    threshold: float | None = None


def encode_targets(
    y: Any, rows: int, loss: Loss, units: int, dtype: np.dtype[Any], coding: Coding | None, what: str = "y"
) -> tuple[Array, Coding]:
    """Targets as the network's programs take them.

    Parameters
    ----------
    y : array-like
        One entry or row a sample: labels of any kind, one-hot rows, or values, as the loss asks.
    rows : int
        How many there must be.
    loss : Loss
    units : int
        The network's outputs.
    dtype : numpy.dtype
        The network's.
    coding : Coding or None
        That of an earlier fit, whose labels y's must be among.

    Returns
    -------
    t : ndarray
        For classes int64, shape (rows,); else of `dtype`, shape (rows, units).
    coding : Coding

    Raises
    ------
    ShapeError
        If the length or the number of columns does not fit.
    DTypeError
        If y holds what cannot be a label, or a value.
    DataError
        If it is empty, holds NaN or infinity, or labels that do not fit the outputs.
    """
    array = _labels(_array(y, what), what)
    if array.ndim not in (1, 2):
        raise ShapeError(f"{what}: expected one or two axes, got shape {array.shape}.")
    if array.size == 0:
        raise DataError(f"{what}: is empty, shape {array.shape}.")
    if len(array) != rows:
        raise ShapeError(f"{what}: has {counted(len(array), 'row')}, X has {rows:,}. Pass one target a row.")
    if loss.target == "values" or (loss.target == "binary" and array.ndim == 2):
        return _columns(array, loss, units, dtype, what), Coding(None, array.ndim == 2)
    if loss.target == "binary":
        if units != 1:
            raise ShapeError(
                f"{what}: the network has {counted(units, 'output')}, so y needs shape ({rows}, {units})."
            )
        t, coding = _classes(array, 2, coding, loss, what)
        return np.ascontiguousarray(t[:, None], dtype=dtype), coding
    if array.ndim == 2:
        t = _one_hot_rows(array, units, what)
        return t, coding or Coding(np.arange(units), True)
    return _classes(array, units, coding, loss, what)


def _labels(array: Array, what: str) -> Array:
    """Objects as the one type they all have; NaN and other kinds refused."""
    if array.dtype.kind == "O" and array.size:
        kinds = {type(v) for v in array.flat}
        for kind, dtype in ((str, np.str_), (bool, np.bool_), (int, np.int64), (float, np.float64)):
            if all(issubclass(k, kind) for k in kinds):
                return _whole(array, what) if kind is int else array.astype(dtype)
        missing = sum(v is None or v != v for v in array.flat)
        if missing:
            raise DataError(f"{what}: {missing} of {array.size} entries are missing. Drop these rows first.")
        names = ", ".join(sorted(k.__name__ for k in kinds))
        raise DTypeError(f"{what}: entries of several kinds, or of one that cannot be a target: {names}.")
    if array.dtype.kind not in "biufUO":
        raise DTypeError(f"{what}: expected numbers, truth values or text, got {array.dtype}.")
    return array


def _whole(array: Array, what: str) -> Array:
    """Python's whole numbers as NumPy's."""
    try:
        return array.astype(np.int64)
    except OverflowError:
        raise DataError(f"{what}: holds whole numbers beyond 64 bits. Pass them as text.") from None


def _columns(array: Array, loss: Loss, units: int, dtype: np.dtype[Any], what: str) -> Array:
    """Values, shape (rows, units)."""
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{what}: loss {loss.name} needs numbers, got {_describe(array)}.")
    columns = array[:, None] if array.ndim == 1 else array
    if columns.shape[1] != units:
        hint = ""
        if array.ndim == 1:
            hint = " For classes pass one-hot rows, or use loss='cross_entropy'."
        raise ShapeError(
            f"{what}: the network has {counted(units, 'output')}, got shape {array.shape}; "
            f"expected ({len(array)}, {units}).{hint}"
        )
    return finite_array(columns, dtype, what)


def _one_hot_rows(array: Array, units: int, what: str) -> Array:
    """The classes of one-hot rows."""
    if array.shape[1] != units:
        hint = f" Labels have one axis: {what}.ravel()." if array.shape[1] == 1 else ""
        raise ShapeError(
            f"{what}: the network has {counted(units, 'output')}, got shape {array.shape}.{hint}"
        )
    ones = array == 1
    if not (ones | (array == 0)).all() or (ones.sum(axis=1) != 1).any():
        raise DataError(
            f"{what}: with two axes, rows must be one-hot: a single 1, else 0. Labels have one axis."
        )
    places: Array = ones.argmax(axis=1).astype(np.int64)
    return places


def _classes(array: Array, units: int, coding: Coding | None, loss: Loss, what: str) -> tuple[Array, Coding]:
    """Labels as places in the sorted classes."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise DataError(f"{what}: holds NaN or infinity. Drop these rows first.")
        if (array != np.floor(array)).any():
            value = array[array != np.floor(array)][0]
            raise DataError(
                f"{what}: {value} is no class label; loss {loss.name} is for classes. "
                "Use loss='mse' for continuous values."
            )
    known = None if coding is None else coding.classes
    classes = _new_classes(array, units, loss, what) if known is None else known
    if (classes.dtype.kind == "U") != (array.dtype.kind == "U"):
        raise DataError(f"{what}: holds {array.dtype}, but the network's classes are {listed(classes)}.")
    t = np.searchsorted(classes, array).astype(np.int64)
    t[t == len(classes)] = 0
    strange = classes[t] != array
    if strange.any():
        raise DataError(
            f"{what}: label {array[strange][0].item()!r} is not among the classes, {listed(classes)}."
        )
    return t, Coding(classes, threshold=None if coding is None else coding.threshold)


def _new_classes(array: Array, units: int, loss: Loss, what: str) -> Array:
    """The labels that outputs stand for: 0 to units - 1 where y holds only such, else those of y."""
    if array.dtype.kind == "b":
        array = np.array([False, True]) if units == 2 else array
    elif array.dtype.kind in "iuf" and array.min() >= 0 and array.max() < units:
        return np.arange(units, dtype=array.dtype)
    classes = np.unique(array)
    if len(classes) != units:
        needed = "two classes" if loss.target == "binary" else f"{units} classes, one an output"
        found = f"{len(classes)}: {listed(classes)}"
        raise DataError(f"{what}: loss {loss.name} here needs {needed}; there are {found}.")
    return classes


def listed(classes: Array) -> str:
    """The first class labels, for errors."""
    shown = ", ".join(repr(c) for c in classes[:6].tolist())
    return f"{shown}, ..." if len(classes) > 6 else shown


def row_weights(
    sample_weight: Any,
    class_weight: Mapping[Any, float] | str | None,
    ts: Sequence[Array],
    codings: Sequence[Coding],
    dtype: np.dtype[Any],
) -> Array | None:
    """How much each row counts: its own weight times its class's; None where neither is given.

    Raises
    ------
    ShapeError, DTypeError, DataError
        If there is not one weight a row, or one is negative, NaN or infinite, or all are 0.
    ParameterError
        If class weights are given where there are no classes, or name another label.
    """
    if sample_weight is None and class_weight is None:
        return None
    rows = len(ts[0])
    weights = np.ones(rows)
    if sample_weight is not None:
        weights = real_array(sample_weight, "sample_weight", 1)
        if len(weights) != rows:
            raise ShapeError(f"sample_weight: has {counted(len(weights), 'number')}, X has {rows:,} rows.")
    if class_weight is not None:
        if len(codings) > 1 or codings[0].classes is None:
            raise ParameterError("class_weight: is for networks with one output of classes.")
        places = ts[0].reshape(rows, -1)[:, 0].astype(np.int64)
        weights = weights * _class_weights(class_weight, codings[0].classes, places)[places]
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise DataError(f"weights must not be negative, got {weights[row]:g} in row {row}.")
    with np.errstate(over="ignore", under="ignore"):
        held = np.ascontiguousarray(weights, dtype)
    if not np.isfinite(held).all():
        raise DataError(f"weights: {weights.max():g} is too large for {dtype}. Divide them all by a number.")
    if not held.any():
        small = f", or too small for {dtype}" if weights.any() else ""
        raise DataError(f"weights: all are zero{small}, so that nothing counts.")
    return held


def _class_weights(given: Mapping[Any, float] | str, classes: Array, places: Array) -> Array:
    """The weight of each class, in the order of the classes."""
    if isinstance(given, str):
        if given != "balanced":
            raise unknown_name("class_weight", given, ["balanced"])
        counts = np.bincount(places, minlength=len(classes))
        return len(places) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    if not isinstance(given, Mapping):
        raise ParameterError(f"class_weight must be a dict or 'balanced', got {given!r:.60}.")
    labels = classes.tolist()
    for label in given:
        if label not in labels:
            raise ParameterError(f"class_weight: {label!r} is not among the classes, {listed(classes)}.")
    return real_array([given.get(label, 1.0) for label in labels], "class_weight", 1)
