"""Exceptions as one tree: every class is a ChainruleError and the built-in kind that people expect."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class ChainruleError(Exception):
    """Base of every error that this package raises on purpose."""


class ShapeError(ChainruleError, ValueError):
    """Shapes that do not fit together, or an axis that is not there."""


class DTypeError(ChainruleError, TypeError):
    """A kind of number, or of argument, that an operation does not take."""


class ParameterError(ChainruleError, ValueError):
    """An argument outside what the function accepts."""


class UnknownNameError(ParameterError, KeyError):
    """A name that is not in the table it is looked up in."""

    def __str__(self) -> str:  # KeyError would show the message between quotes
        return str(self.args[0])


class DataError(ChainruleError, ValueError):
    """Data that cannot be learned from: empty, NaN or infinite, or of another size than before."""


class StreamError(DataError):
    """A stream of rows that ended early, changed, or failed; what it raised itself is the cause.

    Attributes
    ----------
    history : History or None
        The course of the fit until then.
    """

    history: Any = None


class GradientError(ChainruleError, ArithmeticError):
    """A gradient that does not exist, or that numerical differentiation contradicts."""


class EvaluationError(ChainruleError, RuntimeError):
    """A value asked of a node that depends on inputs without values."""


class NotFittedError(ChainruleError, RuntimeError):
    """A network asked to predict, print or save before it has weights."""


class ModelFileError(ChainruleError, OSError):
    """A model file that is missing, truncated, or not ours."""


class CheckpointError(ModelFileError):
    """A folder of checkpoints that cannot be used, or checkpoints of another fit."""


class CacheError(ChainruleError, OSError):
    """A cache folder that cannot be used, or that others could write to."""


class MissingExtraError(ChainruleError, ImportError):
    """An optional dependency that is not installed."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not in a table: says which exist, and the nearest.

    >>> print(unknown_name("activation", "rellu", ["relu", "tanh"]))
    activation 'rellu' is unknown; did you mean 'relu'? Known: relu, tanh.
    """
    names = sorted(known)
    lowered = {own.lower(): own for own in names}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else "."
    return UnknownNameError(f"{kind} {name!r} is unknown{hint} Known: {', '.join(names)}.")
