"""What all trackers share: an epoch's numbers, a fit's settings, and that a failure does not end the fit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import MissingExtraError, ParameterError
from ...nn.dense import Affine
from ...version import __version__
from ..callbacks import Callback
from ..loop import tell

if TYPE_CHECKING:
    from ..history import History
    from ..metrics import MeasuredNetwork

Array = np.ndarray[Any, Any]


class Tracker(Callback):
    """A callback that writes each epoch down, and does not need the network's weights for it.

    Where it cannot write in the middle of a fit, as on a full disk, the training goes on and says so once.

    Attributes
    ----------
    failed : str or None
        Why the last epoch could not be written.
    """

    needs_weights = False
    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self) -> None:
        self.failed: str | None = None
        self._started, self._earlier = time.perf_counter(), 0.0

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        self.failed = None
        self._started, self._earlier = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """How long the fit has taken, with what it took before it was resumed."""
        return self._earlier + time.perf_counter() - self._started

    def _attempt(self, write: Callable[[], None], epoch: bool = True) -> None:
        """Write, an epoch or what else there is; a failure is told, once, and not raised."""
        name = type(self).__name__
        try:
            write()
        except self.errors as error:
            reason = getattr(error, "strerror", None) or str(error)
            if self.failed is None:
                tell(f"{self!r}: not written, training goes on: {reason}")
            self.failed = reason
        else:
            if epoch and self.failed is not None:
                tell(f"{name}: epochs are written again.")
            self.failed = None if epoch else self.failed


def last_epoch(history: History, seconds: float) -> dict[str, float]:
    """What there is to be written of the last epoch: every measure, the learning rate if there is one, and
    the time."""
    row = {name: float(history[name][-1]) for name in history.measures}
    if history.learning_rate:
        row["learning_rate"] = float(history.learning_rate[-1])
    return {**row, "seconds": round(seconds, 6)}


def settings_of(network: MeasuredNetwork, history: History) -> dict[str, Any]:
    """What a fit was made with, by name: numbers, truth values and texts."""
    sizes = [network.inputs, *(layer.outputs(0) for layer in network.layers if isinstance(layer, Affine))]
    found: dict[str, Any] = {
        "layers": ", ".join(map(repr, network.layers)),
        "sizes": "-".join(map(str, sizes)),
        "parameters": sum(value.size for value in network.parameters.values()),
        "loss": network.loss,
        "dtype": network.dtype.name,
        "engine": history.engine,
        "chainrule": __version__,
    }
    return found | _flat(history.settings)


def _flat(settings: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Settings within settings under names with points between; those that are None are left out."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{start}{key}.")
        elif value is not None:
            found[f"{start}{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return found


def append_whole(path: str | os.PathLike[str], content: bytes, head: bytes = b"") -> None:
    """Add to the end of a file, all of it or nothing; the head before it where the file is empty or new.

    Raises
    ------
    OSError
        If that is not possible, as on a full disk; the file is as before then.
    """
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(handle).st_size
        rest = content if size else head + content
        try:
            while rest:
                rest = rest[os.write(handle, rest) :]
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def checked_file_name(name: object, what: str) -> str | None:
    """A plain name for a file or folder, or None; raises ParameterError for any other."""
    if name is None:
        return None
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or name in ("", ".", "..")
        or set(name) & set("/\\:")
    ):
        raise ParameterError(
            f"{what} must be a plain name for a folder, got {name!r:.60}. Pass e.g. 'first'."
        )
    return name


def need(package: str, what: str, extra: str) -> None:
    """Raise MissingExtraError if a package is not installed."""
    if find_spec(package) is None:
        raise MissingExtraError(
            f"{what} needs {package}, which is not installed. Run: pip install 'chainrule[{extra}]'"
        )


def as_array(text: str) -> Array:
    """Text as a checkpoint holds it."""
    return np.frombuffer(text.encode(), np.uint8)


def as_text(array: Array) -> str:
    """The inverse of `as_array`."""
    return array.astype(np.uint8).tobytes().decode()
