"""`chainrule inspect`: what is in a model file. Nothing is trained, and nothing in it is run."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from ..checks import counted
from ..model.files import load
from ..model.network import Network
from ..tables.encoding import Encoding
from ..tables.model import encoding_of
from ..tables.wording import printable, shown
from .building import spoken
from .settings import Settings

WIDTH = 80


def inspect(path: Path, as_json: bool) -> None:
    """Print what is in a model file: target, columns, encoding, network, training, versions."""
    with spoken(Settings()):
        network = load(path)
    encoding = encoding_of(network, path)
    if as_json:
        print(json.dumps(_found(path, network, encoding)))
        return
    print("\n\n".join(_sections(path, network, encoding)))


def _found(path: Path, network: Network, encoding: Encoding | None) -> dict[str, Any]:
    """All of it, as what JSON can hold."""
    kept = network.metadata
    classes = network.classes
    several = isinstance(classes, list)
    labels = [None if c is None else c.tolist() for c in classes] if several else None
    if not several and classes is not None:
        labels = classes.tolist()
    return {
        "model": str(path),
        "task": _task(network),
        "data": kept.get("data"),
        "target": kept.get("target"),
        "classes": labels,
        "columns": _columns(network, encoding),
        "left_out": kept.get("left_out", {}),
        "inputs": encoding.inputs if encoding is not None else kept.get("columns"),
        "network": {
            "layers": [
                {"name": name, "kind": layer.kind, **_units(layer)}
                for name, layer in zip(network.names, network.layers, strict=True)
            ],
            "loss": network.loss,
            "dtype": network.dtype.name,
            "inputs": network.inputs,
            "parameters": sum(value.size for value in network.parameters.values()),
        },
        "optimizer": None if network.optimizer is None else repr(network.optimizer),
        "training": kept.get("training"),
        "versions": kept.get("versions"),
    }


def _task(network: Network) -> str | None:
    if len(network._losses) != 1:
        return None
    return "regression" if network._losses[0].target == "values" else "classification"


def _units(layer: Any) -> dict[str, Any]:
    units = getattr(layer, "units", None)
    return {} if units is None else {"units": units, "activation": getattr(layer, "activation", None)}


def _columns(network: Network, encoding: Encoding | None) -> list[dict[str, Any]] | None:
    """The table's columns, with what is known of each."""
    if encoding is None:
        names = network.metadata.get("columns")
        return [{"name": name} for name in names] if isinstance(names, list) else None
    return [{**column.to_json(), **encoding.learned(column)} for column in encoding.columns]


def _sections(path: Path, network: Network, encoding: Encoding | None) -> list[str]:
    found = _found(path, network, encoding)
    head = [f"{printable(str(path))}: {_purpose(found)}"]
    if isinstance(found["classes"], list):
        labels = ", ".join(shown(label, 30) for label in found["classes"][:20])
        more = len(found["classes"]) - 20
        head += _wrapped(f"classes: {labels}{f' and {more:,} more' if more > 0 else ''}")
    sections = ["\n".join(head)]
    if found["columns"]:
        sections.append("\n".join(["columns", *_table_of(found["columns"])]))
    if found["left_out"]:
        rows = [
            f"  {shown(name, 30)[1:-1]}: {printable(str(why))}" for name, why in found["left_out"].items()
        ]
        sections.append("\n".join(["left out", *rows]))
    if found["inputs"]:
        names = ", ".join(printable(str(name)) for name in found["inputs"])
        sections.append("\n".join([counted(len(found["inputs"]), "input"), *_wrapped(names, "  ")]))
    sections.append(network.summary())
    sections.append("\n".join(_training(found)))
    return sections


def _purpose(found: dict[str, Any]) -> str:
    if found["target"] is None:
        task = f" for {found['task']}" if found["task"] else ""
        return f"a network{task}, made in Python"
    made = f", learned from {shown(found['data'], 60)[1:-1]}" if found["data"] else ""
    return f"predicts {shown(found['target'], 40)[1:-1]} ({found['task']}){made}"


def _table_of(columns: list[dict[str, Any]]) -> list[str]:
    names = [shown(column["name"], 30)[1:-1] for column in columns]
    widest = max(map(len, names))
    lines = []
    for name, column in zip(names, columns, strict=True):
        kind = str(column.get("kind", ""))
        lines.append(f"  {name:<{widest}}  {kind:<11}  {column.get('encoding', '')}".rstrip())
    return lines


def _training(found: dict[str, Any]) -> list[str]:
    lines = [f"loss {found['network']['loss']}, optimizer {found['optimizer'] or 'none'}"]
    training = found["training"]
    if isinstance(training, dict):
        rows = training.get("rows", {})
        parts = ", ".join(f"{part} {count:,}" for part, count in rows.items())
        lines.append(
            f"rows: {parts}; {counted(training.get('epochs', 0), 'epoch')}, seed {training.get('seed')}"
        )
        for name in ("test", "baseline"):
            values = ", ".join(
                f"{k} {'undefined' if v is None else f'{v:.4f}'}" for k, v in training[name].items()
            )
            lines.append(f"{name}: {values}")
    if isinstance(found["versions"], dict):
        lines.append(
            "made with " + ", ".join(f"{name} {number}" for name, number in found["versions"].items())
        )
    return [line for text in lines for line in _wrapped(text)]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent or "  ")
