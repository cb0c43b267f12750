"""Fitted estimators as bytes and back, through skops: no pickle, and no type that might run code."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any
from zipfile import ZIP_DEFLATED

from ..errors import MissingExtraError, ModelFileError
from .wording import shown

TRUSTED = ["numpy.dtype"]  # a type of numbers, which SimpleImputer keeps; skops itself knows the rest


def to_bytes(estimator: Any) -> bytes:
    """A fitted estimator of scikit-learn's as skops keeps it: a zip archive of JSON and arrays, no pickle."""
    content: bytes = _skops().dumps(estimator, compression=ZIP_DEFLATED)
    return content


def from_bytes(content: bytes, what: str, kind: type) -> Any:
    """An estimator that `to_bytes` wrote.

    Parameters
    ----------
    content : bytes
    what : str
        What messages call it.
    kind : type
        What it must be.

    Raises
    ------
    ModelFileError
        If it is damaged, of another kind, or holds types that skops does not know to be harmless.
    """
    io = _skops()
    try:
        untrusted = sorted(set(io.get_untrusted_types(data=content)) - set(TRUSTED))
        if untrusted:
            raise ModelFileError(
                f"its {what} holds {shown(untrusted[0])}, which may run code. Take another model."
            )
        estimator = io.loads(content, trusted=TRUSTED)
    except ModelFileError:
        raise
    except Exception as error:  # whatever a damaged archive leads skops to
        raise ModelFileError(
            f"its {what} cannot be restored ({type(error).__name__}). Train it again with the versions here."
        ) from error
    if not isinstance(estimator, kind):
        raise ModelFileError(f"its {what} is something else. Train it again.")
    return estimator


def need_skops() -> None:
    """Raise MissingExtraError if skops is not there: that is told before the work, not after it."""
    if find_spec("skops") is None:
        raise MissingExtraError(
            "models of tables need skops, which is not installed. Run: pip install 'chainrule[cli]'"
        )


def _skops() -> Any:
    need_skops()
    import skops.io

    return skops.io
