"""Streams: rows that come part after part, from an iterator, a function that makes one, or files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import positive_int
from ..errors import ParameterError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Batch:
    """A part of a stream.

    Attributes
    ----------
    X, y : array-like
        As `Network.fit` takes them.
    weights : array-like or None
        How much each row counts.
    first : int or None
        The number of its first row in the data; counted from the epoch's start where it is None.
    """

    X: Any
    y: Any
    weights: Any = None
    first: int | None = None


class Stream:
    """Rows that come part after part, so that there may be more of them than memory holds.

    `Network.fit` makes one of an iterator or a function by itself; `Stream` says more of it. What comes from
    elsewhere is a class of its own that has `parts`, and `rows` where their number is known.

    Parameters
    ----------
    source : iterator, iterable or callable
        Gives parts (X, y) or (X, y, weights), arrays as `fit` takes them. An iterator, such as a generator,
        can be read once; an iterable is read anew in every epoch; a function is called for every epoch,
        with its number, counted from 0, where it takes an argument.
    window : int, optional
        So many rows are collected, drawn in a new order where `fit` shuffles, and cut into batches of
        `batch_size`. Without it each part is a batch, as it comes.
    classes : sequence, optional
        The labels that there are, where they cannot be told from the first part.
    ahead : bool
        Read in a thread, while the last parts are trained on. False reads in the thread that called `fit`,
        for what may be used in one thread alone.

    Attributes
    ----------
    rows : int or None
        How many there are in an epoch, where that is known.

    Raises
    ------
    ParameterError
        If the source gives no parts, or an argument is outside what is accepted.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> def parts(epoch):
    ...     random = np.random.default_rng(epoch)
    ...     for _ in range(20):
    ...         X = random.normal(size=(16, 3))
    ...         yield X, X.sum(axis=1)
    >>> net = cr.Network([cr.Dense(1)], loss="mse")
    >>> history = net.fit(cr.Stream(parts), epochs=5, engine="numpy", verbose=False)
    >>> history.epochs
    5
    """

    source: Any = None
    rows: int | None = None
    window: int | None = None
    classes: Any = None
    ahead: bool = True
    once: bool = False  # whether it can be read but once
    batched: bool = True  # whether parts are the batches
    first_word: str = ""  # among the targets, with its place, where that is known

    def __init__(
        self,
        source: Iterator[Any] | Iterable[Any] | Callable[..., Iterable[Any]],
        *,
        window: int | None = None,
        classes: Sequence[Any] | Array | None = None,
        ahead: bool = True,
    ) -> None:
        self.source = source
        self.once = hasattr(source, "__next__")
        if not (self.once or callable(source) or hasattr(source, "__iter__")) or isinstance(source, type):
            raise ParameterError(
                "Stream: source must be an iterator, an iterable or a function that makes one, got "
                f"{source!r:.60}. Pass e.g. a generator of (X, y)."
            )
        self.window = None if window is None else positive_int(window, "Stream: window", "window=65_536")
        self.classes, self.ahead, self.batched = classes, bool(ahead), window is None

    def parts(self, epoch: int, seed: int | None) -> Iterable[Any]:
        """The parts of an epoch, counted from 0: (X, y), (X, y, weights), or `Batch`.

        The same arguments must give the same parts. The seed is None where rows are to keep their order.
        """
        made: Iterable[Any] = self.source
        if not self.once and callable(self.source):
            made = self.source(epoch) if _takes_an_argument(self.source) else self.source()
        return made

    def labels(self) -> Any:
        """All class labels; None where only the first part can tell."""
        return self.classes

    @property
    def name(self) -> str:
        """What it is called in messages and checkpoints."""
        own = type(self).__name__
        if self.source is None:
            return own
        return f"{own} of {getattr(self.source, '__qualname__', type(self.source).__qualname__)}"

    def identity(self) -> dict[str, Any]:
        """What a checkpoint requires to be the same."""
        return {"source": self.name, "window": self.window, "rows": self.rows}

    def __repr__(self) -> str:
        return f"<{self.name}>"


def as_stream(X: Any) -> Stream | None:
    """A stream, where X is one or can only be read part after part; None for tables."""
    if isinstance(X, Stream):
        return X
    if hasattr(X, "__array__") or isinstance(X, list | tuple | dict | str | bytes | type):
        return None
    table = hasattr(X, "__getitem__") or hasattr(X, "__arrow_c_stream__") or hasattr(X, "tocsr")
    if hasattr(X, "__next__") or callable(X) or (hasattr(X, "__iter__") and not table):
        return Stream(X)
    return None


def _takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        listed = inspect.signature(function).parameters.values()
    except ValueError:  # some that are written in C do not say
        return False
    places = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return any(p.kind in places and p.default is inspect.Parameter.empty for p in listed)
