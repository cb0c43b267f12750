"""Fits as lines of a file, one for each epoch: CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ModelFileError, ParameterError
from ..storage import writable_target, write_whole
from .tracker import Tracker, append_whole, as_array, as_text, last_epoch

if TYPE_CHECKING:
    from ..history import History
    from ..metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]
Place = tuple[int, int]
"""A line's run and epoch."""


class LineLogger(Tracker):
    """Adds a line to a file after each epoch: its kinds say what a line looks like.

    Parameters
    ----------
    path : path-like
        Made by the first epoch. Lines that are there stay: a fit that starts anew is the next run, and one
        that is resumed goes on with its own.

    Attributes
    ----------
    run : int
        The number of the fit among those of the file, from 1.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(os.fsdecode(path))
        self.run, self._epochs = 1, 0
        self._from = 1  # the first epoch that a resumed fit writes
        self._columns: list[str] = []
        self._pending = ""
        self._resumed = self._torn = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({os.fspath(self.path)!r})"

    # what kinds of it say -----------------------------------------------------------------------

    def _head(self) -> str:
        """What stands above the first line."""
        return ""

    def _check_head(self, text: str) -> None:
        """Raise ParameterError where lines of this fit cannot be added to a file."""

    def _line(self, row: Mapping[str, float]) -> str:
        """An epoch's line, with its end."""
        raise NotImplementedError

    def _place(self, line: str) -> Place | None:
        """Of which run and epoch a line is; None for what is no line of such a file."""
        raise NotImplementedError

    # the fit ------------------------------------------------------------------------------------

    def check(self, network: MeasuredNetwork, history: History) -> None:
        """Raise ParameterError where a fit could not be written there; nothing is changed."""
        self._columns = ["run", "epoch", *history.measures, "learning_rate", "seconds"]
        try:
            writable_target(self.path)
            there = self._lines()
        except (ModelFileError, OSError, UnicodeDecodeError) as error:
            reason = f"{self.path}: {error}" if isinstance(error, UnicodeDecodeError) else str(error)
            raise ParameterError(f"{type(self).__name__}: {reason}") from None
        whole = [line for line in there if line.endswith("\n")]
        if whole:
            self._check_head(whole[0])
        runs = [1]
        for number, line in enumerate(whole[bool(self._head()) :], 1):
            place = self._place(line)
            if place is None:
                raise ParameterError(
                    f"{type(self).__name__}: {self.path}, line {number + bool(self._head())}: is no line of "
                    "such a file. Pass another file."
                )
            runs.append(place[0] + 1)
        self.run, self._torn = max(runs), len(whole) < len(there)

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        super().on_fit_begin(network, history)
        self.check(network, history)
        self._epochs, self._pending, self._resumed = 0, "", False

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        self._epochs = history.epochs
        row = {"run": self.run, "epoch": history.epochs, **last_epoch(history, self.seconds)}
        self._pending += self._line(row)
        self._attempt(self._write)

    def state(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it."""
        pending = as_array(self._pending)
        return {"run": self.run, "epochs": self._epochs, "seconds": self.seconds, "pending": pending}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        self.run, self._epochs = int(state["run"]), int(state["epochs"])
        self._earlier, self._pending = float(state["seconds"]), as_text(state["pending"])
        places = [self._place(line) for line in self._pending.splitlines(keepends=True)]
        self._from = min([self._epochs + 1, *(place[1] for place in places if place is not None)])
        self._resumed = True

    # the file -----------------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        try:
            with open(self.path, encoding="utf-8", newline="\n") as file:
                return file.readlines()
        except FileNotFoundError:
            return []

    def _write(self) -> None:
        """Add what is not written yet, all of it or nothing."""
        if self._resumed or self._torn:
            self._mend()
        append_whole(self.path, self._pending.encode(), self._head().encode())
        self._pending = ""

    def _mend(self) -> None:
        """Take out what a killed process left: half a line, and epochs that a resumed fit trains again."""
        there = self._lines()
        kept = [line for line in there if line.endswith("\n") and not self._again(line)]
        if kept != there:
            write_whole(self.path, "".join(kept).encode())
        self._resumed = self._torn = False

    def _again(self, line: str) -> bool:
        place = self._place(line) if self._resumed else None
        return place is not None and place[0] == self.run and place[1] >= self._from


class CSVLogger(LineLogger):
    """Add a line of CSV to a file after each epoch: run, epoch, all measures, learning rate, seconds.

    Where a line cannot be written, as on a full disk, the training goes on and says so once; the line is
    added as soon as it can be.

    Parameters
    ----------
    path : path-like
        By habit something.csv, made by the first epoch. Lines that are there stay: a fit that starts anew
        is the next run, and one that is resumed goes on with its own.

    Attributes
    ----------
    run : int
        The number of the fit among those of the file, from 1.
    failed : str or None
        Why the last epoch could not be written.

    Raises
    ------
    ParameterError
        At the start of a fit, if the file cannot be written or its columns are others.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import chainrule as cr
    >>> path = pathlib.Path(tempfile.mkdtemp(), "runs.csv")
    >>> net = cr.Network([cr.Dense(1)], loss="mse")
    >>> history = net.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, verbose=False, callbacks=[cr.CSVLogger(path)])
    >>> print(path.read_text().splitlines()[0])
    run,epoch,loss,learning_rate,seconds
    """

    def _head(self) -> str:
        return _csv_line(self._columns)

    def _check_head(self, text: str) -> None:
        if text.replace("\r\n", "\n") != self._head():
            there = ", ".join(next(csv.reader([text]), []))
            raise ParameterError(
                f"CSVLogger: {self.path} has the columns {there:.120}; this fit has "
                f"{', '.join(self._columns)}. Pass another file."
            )

    def _line(self, row: Mapping[str, float]) -> str:
        return _csv_line([repr(row[name]) if name in row else "" for name in self._columns])

    def _place(self, line: str) -> Place | None:
        cells = next(csv.reader([line]), [])
        try:
            return int(cells[0]), int(cells[1])
        except (ValueError, IndexError):
            return None


class JSONLinesLogger(LineLogger):
    """Add a JSON object to a file after each epoch: run, epoch, all measures, learning rate, seconds.

    What is not finite is null. Where a line cannot be written, as on a full disk, the training goes on and
    says so once; the line is added as soon as it can be.

    Parameters
    ----------
    path : path-like
        By habit something.jsonl, made by the first epoch. Lines that are there stay: a fit that starts anew
        is the next run, and one that is resumed goes on with its own.

    Attributes
    ----------
    run : int
        The number of the fit among those of the file, from 1.
    failed : str or None
        Why the last epoch could not be written.

    Raises
    ------
    ParameterError
        At the start of a fit, if the file cannot be written or holds something else.
    """

    def _line(self, row: Mapping[str, float]) -> str:
        finite = {
            name: row[name] if math.isfinite(row.get(name, math.nan)) else None for name in self._columns
        }
        return f"{json.dumps(finite, allow_nan=False)}\n"

    def _place(self, line: str) -> Place | None:
        try:
            row = json.loads(line)
            return int(row["run"]), int(row["epoch"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None


def _csv_line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


LOGGERS: dict[str, type[LineLogger]] = {".csv": CSVLogger, ".jsonl": JSONLinesLogger}
"""By what a file's name ends with."""


def logger_of(path: str | os.PathLike[str]) -> LineLogger:
    """The logger for a file, told by its name's end; raises ParameterError for another end."""
    suffix = Path(os.fsdecode(path)).suffix.lower()
    if suffix not in LOGGERS:
        raise ParameterError(
            f"{os.fsdecode(path)}: a log is CSV or lines of JSON. Name it {' or '.join(LOGGERS)}."
        )
    return LOGGERS[suffix](path)
