"""Checks of arguments that several rooms share."""

from __future__ import annotations

import contextlib
import keyword
import math
import operator
from importlib.util import find_spec
from numbers import Real
from typing import Any

import numpy as np

from .errors import DataError, DTypeError, MissingExtraError, ParameterError

Array = np.ndarray[Any, Any]


def positive_int(value: object, what: str, example: str) -> int:
    """A whole number of at least 1; `example` is what to write instead."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ParameterError(f"{what} must be a positive int, got {value!r}. Pass e.g. {example}.")
    return number


def whole_number(value: object, what: str, example: str) -> int:
    """A whole number, also a negative one."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise ParameterError(f"{what} must be an int, got {value!r:.60}. Pass e.g. {example}.")
    return int(value)


def real_number(value: object, what: str, low: float, high: float, *, low_too: bool = True) -> float:
    """A finite number from `low` (or above it) to below `high`."""
    number = math.nan
    if not isinstance(value, bool) and isinstance(value, Real):
        with contextlib.suppress(OverflowError):  # a whole number that no float holds: refused below
            number = float(value)
    if not (low < number < high or (low_too and number == low)):
        interval = f"{'at least' if low_too else 'above'} {low:g}"
        interval += " and finite" if math.isinf(high) else f" and below {high:g}"
        interval = "a finite number" if math.isinf(low) else interval
        raise ParameterError(f"{what} must be {interval}, got {value!r}.")
    return number


def not_negative(value: object, what: str) -> float:
    """A finite number of at least 0."""
    return real_number(value, what, 0, math.inf)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def checked_seed(seed: object) -> int:
    """A seed: a whole number from 0 to 2**63 - 1."""
    try:
        number = operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if not 0 <= number < 2**63 or isinstance(seed, bool):
        raise ParameterError(f"seed must be an int from 0 to 2**63 - 1, got {seed!r}. Pass e.g. seed=0.")
    return number


def checked_name(name: object, what: str) -> str | None:
    """A plain identifier that printed source can use, or None."""
    if name is None:
        return None
    if not isinstance(name, str) or not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise ParameterError(
            f"{what}: name {name!r:.60} is not a plain identifier. Use letters, digits and _, e.g. 'gate'."
        )
    return name


def need_matplotlib() -> None:
    """Raise MissingExtraError if there is nothing to draw with."""
    if find_spec("matplotlib") is None:
        raise MissingExtraError(
            "pictures need matplotlib, which is not installed. Run: pip install 'chainrule[plot]'"
        )


def need_pillow() -> None:
    """Raise MissingExtraError if there is nothing to read images with."""
    if find_spec("PIL") is None:
        raise MissingExtraError(
            "image files need Pillow, which is not installed. Run: pip install 'chainrule[images]'"
        )


def real_array(value: Any, what: str, ndim: int) -> Array:
    """A finite array of real numbers, as float64, with `ndim` axes.

    Raises
    ------
    DTypeError
        If it holds anything but real numbers.
    DataError
        If it holds NaN or infinity, or has another number of axes.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DTypeError(f"{what}: {error}") from None
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{what}: expected real numbers, got {array.dtype} ({value!r:.60})")
    if array.ndim != ndim:
        raise DataError(f"{what}: expected {ndim} axes, got shape {array.shape}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise DataError(f"{what}: holds NaN or infinity. Pass finite numbers.")
    return array
