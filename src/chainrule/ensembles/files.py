"""From a model file to a network, or to several that are one model."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..model.files import described, extras_from, network_from
from ..model.network import Network
from ..training.describe import Functions
from ..training.storage import ATTACHED, read_model
from .ensemble import HEADER, Ensemble

Array = np.ndarray[Any, Any]
KINDS = ("networks", "seeds", "bagging", "snapshot", "committee")


def load(path: str | os.PathLike[str], functions: Functions | None = None) -> Network | Ensemble:
    """The network or ensemble from the file that its `save` wrote.

    Everything in the file is checked; nothing in it is run.

    Parameters
    ----------
    path : path-like
    functions : mapping of str to callable, optional
        The activations and losses of your own that it was made with, by their names: a file holds no code.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, not ours, of a later version, or contradicts itself.
    """
    header, tensors = read_model(path)
    with described(path, "an ensemble" if HEADER in header else "a network"):
        if HEADER in header:
            return ensemble_from(header, tensors, functions or {})
        return network_from(header, tensors, functions or {})


def ensemble_from(header: dict[str, Any], tensors: dict[str, Array], functions: Functions) -> Ensemble:
    """An ensemble from a file's header and tensors; raises whatever a broken header leads to."""
    about = header[HEADER]
    members: list[dict[str, Array]] = [{} for _ in about["members"]]
    for name, value in tensors.items():
        if name.startswith(ATTACHED):
            continue
        number, colon, own = name.partition(":")
        if not colon or not number.isdecimal() or int(number) >= len(members):
            raise ModelFileError(f"{name!r:.60} belongs to no member.")
        members[int(number)][own] = value
    networks = [
        network_from(part, own, functions) for part, own in zip(about["members"], members, strict=True)
    ]
    if about["kind"] not in KINDS:
        raise ModelFileError(f"it is an ensemble of an unknown kind, {about['kind']!r:.40}.")
    ensemble = Ensemble(networks, about["combine"])
    ensemble.kind = about["kind"]
    ensemble.metadata, ensemble.attachments = extras_from(header, tensors)
    return ensemble
