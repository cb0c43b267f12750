"""What a model file holds of a table: its columns, the encoding, the baselines, and how it was trained."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from ..ensembles.ensemble import Ensemble
from ..errors import ModelFileError
from ..model.network import Network
from ..version import __version__
from .archive import from_bytes, to_bytes
from .encoding import Encoding, restored
from .kinds import Column
from .table import Table

PREPROCESSING, LINEAR = "preprocessing", "linear"  # the attachments' names
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops", "polars")


def keep(
    network: Network | Ensemble,
    table: Table,
    encoding: Encoding,
    usual: Any,
    linear: Any,
    training: dict[str, Any],
) -> None:
    """Enter in a network what its file is to hold of the table.

    Parameters
    ----------
    network : Network or Ensemble
    table : Table
    encoding : Encoding
    usual : object
        The most frequent class, or the mean.
    linear : estimator
        That the network is compared with.
    training : dict
        How it was trained, as what JSON can hold.
    """
    network.metadata = {
        "data": table.name,
        "target": table.target,
        "columns": [column.name for column in encoding.columns],
        "kinds": [column.to_json() for column in encoding.columns],
        "left_out": table.kinds.left_out,
        "inputs": encoding.inputs,
        "usual": usual,
        "training": training,
        "versions": versions(),
    }
    network.attachments = {PREPROCESSING: to_bytes(encoding.transformer), LINEAR: to_bytes(linear)}


def versions() -> dict[str, str]:
    """The versions of this package, of Python, and of the libraries that a model of a table needs."""
    found = {"chainrule": __version__, "python": python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:  # a library that is there without having been installed
            found[library] = "unknown"
    return found


def encoding_of(network: Network | Ensemble, path: object) -> Encoding | None:
    """The encoding in a network's file; None for a network that was not made of a table.

    Raises
    ------
    ModelFileError
        If it is damaged, does not fit the network, or holds what might run code.
    """
    if PREPROCESSING not in network.attachments:
        return None
    try:
        described = network.metadata.get("kinds")
        if not isinstance(described, list):
            raise ModelFileError("its columns are not described. Train it again.")
        columns = [Column.from_json(value) for value in described]
        return restored(columns, network.attachments[PREPROCESSING], network.inputs)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None


def linear_of(network: Network | Ensemble, path: object) -> Any:
    """The linear model that a network was compared with; None if its file holds none."""
    if LINEAR not in network.attachments:
        return None
    from sklearn.pipeline import Pipeline

    try:
        return from_bytes(network.attachments[LINEAR], "linear model", Pipeline)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from None
