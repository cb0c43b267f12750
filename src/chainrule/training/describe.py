"""A network as JSON, and back: its layers, loss, class labels and optimiser, each checked on the way in."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import ModelFileError, unknown_name
from ..nn.layers import Dense, Layer
from ..nn.network import BaseNetwork
from ..nn.scaling import Rescale, Standardize
from ..optim.rules import OPTIMIZERS, Optimizer
from .data import Coding

Array = np.ndarray[Any, Any]

LAYERS: dict[str, type[Layer]] = {cls.kind: cls for cls in (Dense, Standardize, Rescale)}


def network_to_json(network: BaseNetwork) -> dict[str, Any]:
    """Layers without their parameters, loss and type."""
    layers = [
        {"type": layer.kind, "key": key, "name": layer.name, "settings": layer.settings()}
        for key, layer in zip(network.names, network.layers, strict=True)
    ]
    return {"layers": layers, "loss": network.loss, "dtype": network.dtype.name}


def layers_from_json(header: dict[str, Any], tensors: dict[str, Array]) -> tuple[list[Layer], list[str]]:
    """Layers with their parameters, and the names that the network must give them."""
    layers, keys, used = [], [], set[str]()
    for entry in header["layers"]:
        if entry["type"] not in tuple(LAYERS):
            raise unknown_name("layer type", entry["type"], LAYERS)
        own = {name: tensors[name] for name in tensors if name.partition(".")[0] == entry["key"]}
        for name, value in own.items():
            if value.dtype.name != header["dtype"]:
                raise ModelFileError(
                    f"{name} is {value.dtype}, where the network is {header['dtype']!r:.20}."
                )
        used |= set(own)
        parameters = {name.partition(".")[2]: value for name, value in own.items()}
        layers.append(LAYERS[entry["type"]].restore(entry["settings"], parameters, entry["name"]))
        keys.append(entry["key"])
    if used != set(tensors):
        raise ModelFileError(f"{sorted(set(tensors) - used)[0]!r} belongs to no layer.")
    return layers, keys


def coding_to_json(coding: Coding | None) -> dict[str, Any] | None:
    """Class labels with their type, and whether y had columns."""
    if coding is None:
        return None
    if coding.classes is None:
        return {"columns": coding.columns, "classes": None}
    kind = "str" if coding.classes.dtype.kind == "U" else coding.classes.dtype.name
    return {"columns": coding.columns, "classes": {"dtype": kind, "labels": coding.classes.tolist()}}


def coding_from_json(value: Any, outputs: int | None) -> Coding | None:
    """The coding of targets for so many outputs."""
    if value is None:
        return None
    if not isinstance(value["columns"], bool):
        raise ModelFileError("its targets are broken (columns).")
    if value["classes"] is None:
        return Coding(None, value["columns"])
    dtype = np.dtype(value["classes"]["dtype"])
    labels = np.array(value["classes"]["labels"])
    fits = labels.dtype.kind == dtype.kind or (labels.dtype.kind == "i" and dtype.kind in "uf")
    if dtype.kind not in "biufU" or not fits or labels.ndim != 1:
        raise ModelFileError("its class labels are broken.")
    labels = labels if dtype.kind == "U" else labels.astype(dtype)
    if len(labels) != (2 if outputs == 1 else outputs) or (labels[1:] <= labels[:-1]).any():
        raise ModelFileError(f"it has {len(labels)} class labels for {outputs} outputs, or not in order.")
    return Coding(labels, value["columns"])


def optimizer_to_json(optimizer: Optimizer | None) -> dict[str, Any] | None:
    """Name and settings; None for an update rule that is not of this package."""
    names = {cls: name for name, cls in OPTIMIZERS.items()}
    if optimizer is None or type(optimizer) not in names:
        return None
    return {"name": names[type(optimizer)], "settings": dataclasses.asdict(optimizer)}


def optimizer_from_json(value: Any) -> Optimizer | None:
    """The optimiser of that name and settings."""
    if value is None:
        return None
    if value["name"] not in tuple(OPTIMIZERS):
        raise unknown_name("optimizer", value["name"], OPTIMIZERS)
    return OPTIMIZERS[value["name"]](**value["settings"])
