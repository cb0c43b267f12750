"""Fits for TensorBoard: event files, written by TensorBoard's own package without TensorFlow."""

from __future__ import annotations

import io
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import ParameterError
from .tracker import (
    Tracker,
    append_whole,
    as_array,
    as_text,
    checked_file_name,
    last_epoch,
    need,
    settings_of,
)

if TYPE_CHECKING:
    from ..history import History
    from ..metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]


class TensorBoard(Tracker):
    """Write a fit for TensorBoard: each epoch's measures and learning rate, and the fit's settings.

    ``tensorboard --logdir logs`` shows the fits of a folder side by side. Where an epoch cannot be written,
    as on a full disk, the training goes on and says so once.

    Parameters
    ----------
    folder : path-like
        Made where it is not there. Each fit gets a folder in it.
    run : str, optional
        What that folder is called, with a number after it where it is taken; run1, run2, ... where it is not
        named. A fit that is resumed goes on in its own.

    Attributes
    ----------
    path : Path or None
        The last fit's folder.
    failed : str or None
        Why the last epoch could not be written.

    Raises
    ------
    MissingExtraError
        If tensorboard is not installed.
    ParameterError
        For a run that cannot name a folder; at the start of a fit, if the folder cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str], *, run: str | None = None) -> None:
        need("tensorboard", "TensorBoard", "tensorboard")
        super().__init__()
        self.folder, self.run = Path(os.fsdecode(folder)), checked_file_name(run, "TensorBoard: run")
        self.path: Path | None = None
        self._file: Path | None = None

    def __repr__(self) -> str:
        return f"TensorBoard({os.fspath(self.folder)!r})"

    def check(self, network: MeasuredNetwork, history: History) -> None:
        """Raise ParameterError where a fit could not be written there; nothing is changed."""
        near = next(p for p in (self.folder.absolute(), *self.folder.absolute().parents) if p.exists())
        if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
            kind = "write-protected" if near.is_dir() else "not a folder"
            raise ParameterError(f"TensorBoard: {near} is {kind}. Pass another folder.")

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        super().on_fit_begin(network, history)
        self.check(network, history)
        self.path = self._file = None
        self._settings = settings_of(network, history)

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        self._attempt(lambda: self._write(last_epoch(history, self.seconds), history.epochs))

    def state(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it."""
        name = "" if self.path is None else self.path.name
        return {"run": as_array(name), "seconds": self.seconds}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        name = as_text(state["run"])
        if name:
            self.path = self.folder / str(checked_file_name(name, "TensorBoard: run"))
        self._earlier = float(state["seconds"])

    # the files ----------------------------------------------------------------------------------

    def _write(self, row: Mapping[str, float], epoch: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._file is None:
            self._begin(epoch)
        assert self._file is not None
        values = [Summary.Value(tag=name, simple_value=x) for name, x in row.items()]
        append_whole(self._file, _records(Event(step=epoch, summary=Summary(value=values))))

    def _begin(self, epoch: int) -> None:
        """A new file; what earlier ones of the run have from this epoch on counts no more."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        if self.path is None:
            self.path = self._new_folder()
            first = Event(step=0, summary=hparams_pb(self._settings))
        else:
            first = Event(step=epoch, session_log=SessionLog(status=SessionLog.START))
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / f"events.out.tfevents.{time.time_ns():020d}.{socket.gethostname()}.{os.getpid()}"
        append_whole(file, _records(Event(file_version="brain.Event:2"), first))
        self._file = file

    def _new_folder(self) -> Path:
        path, number = self.folder / (self.run or "run1"), 1
        while path.exists():
            number += 1
            path = self.folder / (f"{self.run}-{number}" if self.run else f"run{number}")
        return path


def _records(*events: Any) -> bytes:
    """Events of this moment as a file holds them."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    file = io.BytesIO()
    for event in events:
        event.wall_time = time.time()
        RecordWriter(file).write(event.SerializeToString())
    return file.getvalue()
