"""A network as JSON, and back: its layers, wiring, losses and class labels, each checked on the way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import ModelFileError, unknown_name
from ..nn.dense import Dense
from ..nn.layers import Layer
from ..nn.maxout import Maxout
from ..nn.merge import Add, Concatenate, Multiply
from ..nn.network import BaseNetwork
from ..nn.regularise import BatchNorm, Dropout, GaussianNoise, LayerNorm
from ..nn.scaling import Pieces, Rescale, Standardize
from ..nn.wiring import Call, Node, Wiring, nodes_of
from .data import Coding

Array = np.ndarray[Any, Any]
Functions = Mapping[str, Callable[..., Any]]

KINDS = (
    Dense,
    Maxout,
    Dropout,
    GaussianNoise,
    BatchNorm,
    LayerNorm,
    Standardize,
    Pieces,
    Rescale,
    Add,
    Multiply,
    Concatenate,
)
LAYERS: dict[str, type[Layer]] = {cls.kind: cls for cls in KINDS}


def network_to_json(network: BaseNetwork) -> dict[str, Any]:
    """Layers without their parameters, how they are wired, losses and type."""
    layers = [
        {"type": layer.kind, "key": key, "name": layer.name, "settings": layer.settings()}
        for key, layer in zip(network.names, network.layers, strict=True)
    ]
    wiring = network._wiring
    return {
        "layers": layers,
        "calls": [[call.layer, list(call.sources)] for call in wiring.calls],
        "inputs": [
            [columns, name]  # no weight tells them where a layer without weights comes first
            for columns, (_, name) in zip(network._known_inputs(), wiring.inputs, strict=True)
        ],
        "outputs": wiring.outputs,
        "losses": [loss.to_json() for loss in network._losses],
        "loss_weights": network._loss_weights,
        "penalties": network.penalties,
        "mixup": network.mixup,
        "dtype": network.dtype.name,
    }


def nodes_from_json(
    header: dict[str, Any], tensors: dict[str, Array], functions: Functions
) -> tuple[list[Node], list[str]]:
    """The nodes that the network ends in, and the names that it must give its layers."""
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
        settings = dict(entry["settings"])
        activation = settings.get("activation")
        if isinstance(activation, str) and activation in functions:
            settings["activation"] = functions[activation]
        layers.append(LAYERS[entry["type"]].restore(settings, parameters, entry["name"]))
        keys.append(entry["key"])
    if used != set(tensors):
        raise ModelFileError(f"{sorted(set(tensors) - used)[0]!r} belongs to no layer.")
    calls = [Call(layer, tuple(sources)) for layer, sources in header["calls"]]
    inputs = [(columns, name) for columns, name in header["inputs"]]
    return nodes_of(Wiring(layers, calls, inputs, header["outputs"])), keys


def coding_to_json(coding: Coding) -> dict[str, Any]:
    """Class labels with their type, and whether y had columns."""
    if coding.classes is None:
        return {"columns": coding.columns, "classes": None}
    kind = "str" if coding.classes.dtype.kind == "U" else coding.classes.dtype.name
    told: dict[str, Any] = {
        "columns": coding.columns,
        "classes": {"dtype": kind, "labels": coding.classes.tolist()},
    }
    return told if coding.threshold is None else {**told, "threshold": coding.threshold}


def coding_from_json(value: Any, outputs: int) -> Coding:
    """The coding of targets for so many outputs."""
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
    threshold = value.get("threshold")
    if threshold is not None and not (type(threshold) is float and 0 < threshold < 1 and len(labels) == 2):
        raise ModelFileError("its threshold is broken.")
    return Coding(labels, value["columns"], threshold)
