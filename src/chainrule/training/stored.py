"""Networks that can be written to a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import NotFittedError, ParameterError
from .describe import coding_to_json, network_to_json
from .metrics import MeasuredNetwork
from .storage import attachment_key, write_model

Array = np.ndarray[Any, Any]


class StoredNetwork(MeasuredNetwork):
    """A network with what belongs to its file."""

    def __init__(self, *settings: Any, **named: Any) -> None:
        super().__init__(*settings, **named)
        self.metadata: dict[str, Any] = {}
        self.attachments: dict[str, bytes] = {}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights, layers and labels to one file, whole or not at all.

        The file is safetensors, with all else as JSON in its header.

        Parameters
        ----------
        path : path-like
            By habit something.chainrule.

        Raises
        ------
        NotFittedError
            If there are no weights yet.
        ParameterError
            If `metadata` holds what JSON cannot, or `attachments` anything but bytes by names.
        ModelFileError
            If the file cannot be written, is write-protected, or is a folder or a device.
        """
        write_model(path, *self.file_content())

    def file_content(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The header and the tensors of a model file; errors as in `save`."""
        if not self.built:
            raise NotFittedError("the network has no weights to save. Call fit, or build(inputs, seed=0).")
        header = {
            **network_to_json(self),
            "targets": [coding_to_json(coding) for coding in self._codings],
            "optimizer": None if self.optimizer is None else self.optimizer.to_json(),
            "metadata": self.metadata,
        }
        require_json(header)
        return header, {**self.parameters, **attached_tensors(self.attachments)}


def require_json(header: Mapping[str, Any]) -> None:
    """Raise ParameterError if a header holds what JSON cannot: the metadata, as we write the rest."""
    try:
        json.dumps(header, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"save: metadata must be what JSON can hold ({error}).") from None


def attached_tensors(attachments: Mapping[str, bytes]) -> dict[str, Array]:
    """Attachments as a file holds them; raises ParameterError for what is no bytes by name."""
    keys = {attachment_key(name): name for name in attachments}
    if not all(isinstance(content, bytes) for content in attachments.values()):
        raise ParameterError("save: attachments must be bytes by name. Pass e.g. {'notes': b'...'}.")
    return {key: np.frombuffer(attachments[name], np.uint8) for key, name in keys.items()}
