"""From a model file to a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import ChainruleError, ModelFileError
from ..nn.losses import loss_from_json
from ..optim.rules import optimizer_from_json
from ..training.describe import Functions, coding_from_json, nodes_from_json
from ..training.storage import ATTACHED, read_model
from .network import Network

Array = np.ndarray[Any, Any]


def load(path: str | os.PathLike[str], functions: Functions | None = None) -> Network:
    """A network from the file that `Network.save` wrote.

    Everything in the file is checked; nothing in it is run.

    Parameters
    ----------
    path : path-like
    functions : mapping of str to callable, optional
        The activations and losses of your own that the network was made with, by their names: a file holds
        no code.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, not ours, of a later version, or contradicts itself.
    """
    header, tensors = read_model(path)
    with described(path, "a network"):
        if "ensemble" in header:
            raise ModelFileError("holds an ensemble of networks. Use chainrule.load.")
        return network_from(header, tensors, functions or {})


@contextmanager
def described(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Within it, whatever a broken header leads to becomes a ModelFileError that names the file."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from None
    except (ChainruleError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if type(error) is KeyError else error
        raise ModelFileError(f"{os.fspath(path)}: does not describe {what}: {reason}") from error


def network_from(header: dict[str, Any], tensors: dict[str, Array], functions: Functions) -> Network:
    """A network from a file's header and tensors; raises whatever a broken header leads to."""
    weights = {name: value for name, value in tensors.items() if ":" not in name}  # a checkpoint has others
    nodes, keys = nodes_from_json(header, weights, functions)
    losses = [loss_from_json(value, functions) for value in header["losses"]]
    further = header.get("penalties", "whole"), header.get("mixup", 0.0)  # which older files have not
    network = Network(nodes, losses, header["dtype"], header["loss_weights"], *further)
    if network.names != keys or not network.built:
        raise ModelFileError(f"its layers are called {keys}, expected {network.names}.")
    targets = header["targets"]
    if len(targets) not in (0, len(losses)):
        raise ModelFileError(f"it has {len(targets)} targets for {len(losses)} outputs.")
    network._codings = [coding_from_json(t, k) for t, k in zip(targets, network.widths, strict=False)]
    network.optimizer = None if header["optimizer"] is None else optimizer_from_json(header["optimizer"])
    network.metadata, network.attachments = extras_from(header, tensors)
    return network


def extras_from(header: dict[str, Any], tensors: dict[str, Array]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Metadata and attachments of a file; raises ModelFileError where they are none."""
    if not isinstance(header["metadata"], dict):
        raise ModelFileError("its metadata is no JSON object.")
    attached = {name: value for name, value in tensors.items() if name.startswith(ATTACHED)}
    if any(value.dtype != np.uint8 or value.ndim != 1 for value in attached.values()):
        raise ModelFileError("an attachment is not bytes.")
    return header["metadata"], {
        name.removeprefix(ATTACHED): value.tobytes() for name, value in attached.items()
    }
