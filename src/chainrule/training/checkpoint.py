"""Checkpoints: a fit kept on disk while it runs, so that it can go on where it was.

A checkpoint is a model file, which `chainrule.load` reads like any other, with the rest of the fit beside
the weights: what the optimizer and the callbacks remember, where it was, and what it was trained on.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import counted, positive_int, real_number
from ..errors import CheckpointError, ModelFileError
from .callbacks import Callback
from .history import History, falls
from .loop import tell
from .storage import read_model, write_model

Array = np.ndarray[Any, Any]
SUFFIX = ".chainrule"
NAME = re.compile(r"epoch(\d{6,})(?:-step(\d{6,}))?\.chainrule")
BEST = f"best{SUFFIX}"
TEMPORARY = re.compile(r"\.(epoch\d{6}|best).*\.tmp")  # left by a process that was killed while it wrote
Content = tuple[Mapping[str, Any], Mapping[str, Array]]
"""The header and the tensors of a model file."""


@dataclass(frozen=True)
class Position:
    """Where a fit is.

    Attributes
    ----------
    epoch, step : int
        How many epochs are finished, and how many steps of the next one.
    losses : ndarray of float64, shape (step,)
        Of those steps.
    """

    epoch: int
    step: int
    losses: Array

    @property
    def name(self) -> str:
        """The file's."""
        within = f"-step{self.step:06d}" if self.step else ""
        return f"epoch{self.epoch:06d}{within}{SUFFIX}"


class Checkpoint(Callback):
    """Keep a fit on disk, so that ``fit(..., resume=True)`` goes on where it was.

    Checkpoints are written after epochs, and when Ctrl-C ends the fit; each whole or not at all. Where one
    cannot be written, as on a full disk, the training goes on and says so, and those that are there stay.

    Parameters
    ----------
    folder : path-like
        Made where it is not there. It holds the checkpoints of one fit: those of an earlier one are moved to
        a folder in it when a fit starts anew.
    every_epochs : int
        Epochs from one checkpoint to the next.
    every_minutes : float, optional
        Minutes after which there is one in the middle of an epoch as well.
    every_steps : int, optional
        Steps after which there is one in the middle of an epoch as well.
    keep : int
        How many of the last are kept.
    best : str, optional
        The measure whose best epoch is kept as well, in best.chainrule: "val_loss", "val_accuracy", "loss",
        ...; "val_loss" where none is named, or "loss" without validation data.

    Attributes
    ----------
    written : int
        How many there have been in this fit.
    failed : str or None
        Why the last one could not be written.

    Raises
    ------
    ParameterError
        For numbers that are none.
    CheckpointError
        At the start of a fit, if the folder cannot be made or written to, or there is no such measure.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_epochs: int = 1,
        every_minutes: float | None = None,
        every_steps: int | None = None,
        keep: int = 3,
        best: str | None = None,
    ) -> None:
        self.folder = Path(os.fsdecode(folder))
        self.every_epochs = positive_int(every_epochs, "Checkpoint: every_epochs", "every_epochs=1")
        self.every_minutes = self.every_steps = None
        if every_minutes is not None:
            self.every_minutes = real_number(every_minutes, "Checkpoint: every_minutes", 0, 1e6)
        if every_steps is not None:
            self.every_steps = positive_int(every_steps, "Checkpoint: every_steps", "every_steps=100")
        self.keep = positive_int(keep, "Checkpoint: keep", "keep=3")
        self.best, self.monitor = best, ""
        self.written = 0
        self.failed: str | None = None
        self.last = 0.0

    def __repr__(self) -> str:
        return f"Checkpoint({os.fspath(self.folder)!r})"

    # the folder -------------------------------------------------------------------------------

    def found(self) -> list[Path]:
        """The checkpoints that there are, the last first; that of the best epoch apart."""
        if not self.folder.is_dir():
            return []
        numbered = [(NAME.fullmatch(path.name), path) for path in self.folder.iterdir()]
        places = [(int(m[1]), int(m[2] or 0), path) for m, path in numbered if m is not None]
        return [path for *_, path in sorted(places, reverse=True)]

    def newest(self) -> tuple[Path, Content] | None:
        """The last checkpoint that can be read, with its header and tensors; None if there is none at all.

        Raises
        ------
        CheckpointError
            If there are some, and none of them can be read.
        """
        refused = []
        for path in self.found():
            try:
                header, tensors = read_model(path)
            except ModelFileError as error:
                refused.append(str(error))
                continue
            for message in refused:
                tell(f"{message} The checkpoint before it is taken: {path.name}.")
            return path, (header, tensors)
        if refused:
            raise CheckpointError(
                f"{self.folder}: none of its checkpoints can be read. {refused[0]} Pass another folder, or "
                "fit without resume=True."
            )
        return None

    def check(self, network: Any, history: History) -> None:
        """Raise CheckpointError where a fit could not be kept there; nothing is changed."""
        self._find_monitor(history)
        folder = self.folder.absolute()
        near = next(path for path in (folder, *folder.parents) if path.exists())
        if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
            kind = "write-protected" if near.is_dir() else "not a folder"
            raise CheckpointError(f"Checkpoint: {near} is {kind}. Pass another folder.")

    def _find_monitor(self, history: History) -> None:
        self.monitor = self.best or ("val_loss" if "val_loss" in history.measures else "loss")
        if self.monitor not in history.measures:
            known = ", ".join(history.measures)
            raise CheckpointError(f"Checkpoint: there is no measure {self.monitor!r}; this fit has {known}.")

    def begin(self, history: History, resumed: bool) -> None:
        """Make the folder ready; move an earlier fit's checkpoints away unless this one goes on from them."""
        self._find_monitor(history)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in list(self.folder.iterdir()):
                if TEMPORARY.fullmatch(path.name):
                    path.unlink()
            if not resumed:
                self._set_aside()
        except OSError as error:
            raise CheckpointError(
                f"Checkpoint: {self.folder} cannot be used: {error.strerror or error}. Pass another folder."
            ) from None
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise CheckpointError(f"Checkpoint: {self.folder} is write-protected. Pass another folder.")
        self.written, self.failed, self.last = 0, None, time.monotonic()

    def _set_aside(self) -> None:
        old = [path for path in (*self.found(), self.folder / BEST) if path.exists()]
        if not old:
            return
        number = 1
        while (place := self.folder / f"earlier{number:03d}").exists():
            number += 1
        place.mkdir()
        for path in old:
            path.rename(place / path.name)
        tell(f"Checkpoint: {counted(len(old), 'file')} of an earlier fit moved to {place}.")

    # writing ----------------------------------------------------------------------------------

    def due_within(self, step: int) -> bool:
        """Whether it is time for one in the middle of an epoch, after so many steps of the fit."""
        if self.every_steps is not None and step % self.every_steps == 0:
            return True
        return self.every_minutes is not None and time.monotonic() - self.last >= 60 * self.every_minutes

    def improved(self, history: History) -> bool:
        """Whether the last epoch is the best so far."""
        values = history[self.monitor]
        best = np.nanargmin if falls(self.monitor) else np.nanargmax
        return not np.isnan(values[-1]) and int(best(values)) == len(values) - 1

    def write(self, position: Position, content: Content, best: bool = False) -> None:
        """Write a checkpoint, and remove those that are too many."""
        try:
            if best:
                write_model(self.folder / BEST, *content)
            else:
                write_model(self.folder / position.name, *content)
        except ModelFileError as error:
            if self.failed is None:
                tell(f"Checkpoint not written, training goes on: {error}")
            self.failed = str(error)
            return
        if self.failed is not None:
            tell(f"Checkpoints are written again: {position.name}.")
        self.failed, self.last = None, time.monotonic()
        if not best:
            self.written += 1
            for path in self.found()[self.keep :]:
                with contextlib.suppress(OSError):  # it only takes room
                    path.unlink()
