"""A stream's parts, one after another, checked and as a network's programs take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ChainruleError, DTypeError, ShapeError, StreamError
from .data import Coding, encode_targets, row_weights
from .sparse import dense
from .streams import Batch, Stream

if TYPE_CHECKING:
    from .prediction import PredictingNetwork

Array = np.ndarray[Any, Any]
NOTHING = object()


class Reader:
    """Reads a stream for a fit.

    Parameters
    ----------
    network : PredictingNetwork
    stream : Stream
    seed : int or None
        That the order of parts is drawn from.
    class_weight : mapping, optional
    first_epoch : int
        How many there have been before, of a fit that goes on.

    Attributes
    ----------
    codings : list of Coding
        How targets are written.
    weighted : bool
        Whether rows have weights.
    first : list of ndarray
        The tables of the first part: inputs, targets, and weights where there are some.
    batch : int
        How many parts have been asked for: in this epoch, of what can be read once in all.
    """

    def __init__(
        self,
        network: PredictingNetwork,
        stream: Stream,
        seed: int | None,
        class_weight: Mapping[Any, float] | str | None = None,
        first_epoch: int = 0,
    ) -> None:
        self.network, self.stream, self.seed = network, stream, seed
        self.class_weight, self.first_epoch = class_weight, first_epoch
        self.codings: list[Coding] = network._codings
        self.first: list[Array] = []
        self.batch = 0
        self.opened: Iterator[Any] | None = None
        self.waiting: Any = NOTHING  # the first part, which `look` has read

    def look(self, epoch: int) -> None:
        """Read the first part of the epoch that will be the first, and learn from it what all are like."""
        self._open(epoch)
        item = self._next(epoch)
        if item is NOTHING:
            raise StreamError(f"stream, epoch {self._shown(epoch)}: there are no rows in it.")
        self.first = self._checked(item, epoch)
        self.waiting = item
        self.weighted = len(self.first) > len(self.network._wiring.inputs) + len(self.network._losses)

    def like(self) -> tuple[list[Array], list[Array], Array | None]:
        """Inputs, targets and weights of the first part, which all others are like."""
        inputs = len(self.network._wiring.inputs)
        weights = self.first[-1] if self.weighted else None
        return self.first[:inputs], self.first[inputs : inputs + len(self.network._losses)], weights

    def parts(self, epoch: int) -> Iterator[tuple[list[Array], Array]]:
        """The tables and the row numbers of each part of an epoch, or of what is left of all."""
        if self.opened is None or not (self.stream.once or self.waiting is not NOTHING):
            self._open(epoch)
        number = 0
        while (item := self._next(epoch)) is not NOTHING:
            tables = self._checked(item, epoch)
            start = item.first if isinstance(item, Batch) and item.first is not None else number
            number = start + len(tables[-1])
            yield tables, np.arange(start, number)

    def close(self) -> None:
        """Close what was opened here; what the user has opened stays as it is."""
        if self.opened is not None and not self.stream.once and hasattr(self.opened, "close"):
            self.opened.close()

    def _shown(self, epoch: int) -> int:
        return self.first_epoch + epoch + 1

    def _place(self, epoch: int) -> str:
        return f"stream, epoch {self._shown(epoch)}, batch {self.batch}"

    def _open(self, epoch: int) -> None:
        self.close()
        self.batch = 0
        try:
            made = self.stream.parts(self.first_epoch + epoch, self.seed)
            self.opened = iter(made)
        except ChainruleError as error:
            raise StreamError(str(error)) from error
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise StreamError(f"stream, epoch {self._shown(epoch)}: cannot be read: {told}") from error

    def _next(self, epoch: int) -> Any:
        if self.waiting is not NOTHING:
            item, self.waiting = self.waiting, NOTHING
            return item
        assert self.opened is not None
        self.batch += 1
        try:
            return next(self.opened, NOTHING)
        except ChainruleError as error:
            raise StreamError(str(error)) from error
        except Exception as error:
            raise StreamError(f"{self._place(epoch)}: {type(error).__name__}: {error}") from error

    def _checked(self, item: Any, epoch: int) -> list[Array]:
        """A part's tables: inputs, targets, and weights where there are some."""
        network = self.network
        if not isinstance(item, Batch):
            if not isinstance(item, tuple | list) or len(item) not in (2, 3):
                got = f"{len(item)} things" if isinstance(item, tuple | list) else type(item).__name__
                raise StreamError(
                    f"{self._place(epoch)}: expected (X, y) or (X, y, weights), got {got}. Yield tuples."
                )
            item = Batch(*item)
        try:
            tables = network._tables(item.X)
            if not self.codings:
                self.codings = self._coded(tables)
            ts, codings = network._targets(item.y, tables, self.codings)
            weights = row_weights(item.weights, self.class_weight, ts, codings, network.dtype)
            found = [dense(x) for x in tables] + ts + ([] if weights is None else [weights])
            if self.first:
                self._compare(found, codings)
        except ChainruleError as error:
            told = f"{self._place(epoch)}: {error}"
            if not (self.codings or self.first) and network._losses[0].target != "values":
                told += " Where this part has not all classes, pass Stream(source, classes=[...])."
            elif self.stream.first_word and isinstance(error, DTypeError):
                told += f" The first word among the targets is at {self.stream.first_word}."
            raise StreamError(told) from error
        self.codings = codings
        return found

    def _coded(self, tables: list[Array]) -> list[Coding]:
        """How classes are written, where the stream knows all labels."""
        labels, losses = self.stream.labels(), self.network._losses
        if labels is None or len(losses) > 1 or losses[0].target == "values":
            return []
        listed = np.asarray(labels)
        (units,) = self.network._outputs_for([table.shape[1] for table in tables])
        return [encode_targets(listed, len(listed), losses[0], units, self.network.dtype, None, "classes")[1]]

    def _compare(self, found: list[Array], codings: list[Coding]) -> None:
        """Raise ShapeError where a part is not like the first."""
        if len(found) != len(self.first):
            one, other = ("weights", "none") if len(found) > len(self.first) else ("no weights", "some")
            raise ShapeError(f"it has {one}, the first part had {other}. Give weights with all or with none.")
        for x, own in zip(found, self.first, strict=True):
            if x.shape[1:] != own.shape[1:]:
                raise ShapeError(f"it has rows of shape {x.shape[1:]}, the first part had {own.shape[1:]}.")
        if [c.columns for c in codings] != [c.columns for c in self.codings]:
            raise ShapeError("y has another number of axes than in the first part.")
