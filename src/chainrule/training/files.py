"""From a model file to a network."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import ChainruleError, ModelFileError
from .describe import coding_from_json, layers_from_json, optimizer_from_json
from .network import Network
from .storage import read_model

Array = np.ndarray[Any, Any]


def load(path: str | os.PathLike[str]) -> Network:
    """A network from the file that `Network.save` wrote.

    Everything in the file is checked; nothing in it is run.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, not ours, of a later version, or contradicts itself.
    """
    header, tensors = read_model(path)
    try:
        return _from_file(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from None
    except (ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if type(error) is KeyError else error
        raise ModelFileError(f"{os.fspath(path)}: does not describe a network: {reason}") from error


def _from_file(header: dict[str, Any], tensors: dict[str, Array]) -> Network:
    layers, keys = layers_from_json(header, tensors)
    network = Network(layers, header["loss"], header["dtype"])
    if network.names != keys or not network.built:
        raise ModelFileError(f"its layers are called {keys}, expected {network.names}.")
    network._coding = coding_from_json(header["targets"], network.outputs)
    network.optimizer = optimizer_from_json(header["optimizer"])
    if not isinstance(header["metadata"], dict):
        raise ModelFileError("its metadata is no JSON object.")
    network.metadata = header["metadata"]
    return network
