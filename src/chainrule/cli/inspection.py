"""`chainrule inspect`: what is in a model file. Nothing is trained, and nothing in it is run."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from ..checks import counted
from ..ensembles.ensemble import Ensemble
from ..ensembles.files import load
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
        predictor = load(path)
    encoding = encoding_of(predictor, path)
    found = _found(path, predictor, encoding)
    print(json.dumps(found) if as_json else "\n\n".join(_sections(path, predictor, found)))


def _found(path: Path, predictor: Network | Ensemble, encoding: Encoding | None) -> dict[str, Any]:
    """All of it, as what JSON can hold; of an ensemble, the network is the first of its members."""
    kept, network = predictor.metadata, _shown_network(predictor)
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
        "columns": _columns(kept, encoding),
        "left_out": kept.get("left_out", {}),
        "inputs": encoding.inputs if encoding is not None else kept.get("columns"),
        "ensemble": {
            "kind": predictor.kind,
            "members": len(predictor),
            "combine": predictor.combine,
            "parameters": sum(value.size for own in predictor for value in own.parameters.values()),
        }
        if isinstance(predictor, Ensemble)
        else None,
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


def _shown_network(predictor: Network | Ensemble) -> Network:
    return predictor[0] if isinstance(predictor, Ensemble) else predictor


def _task(network: Network) -> str | None:
    if len(network._losses) != 1:
        return None
    return "regression" if network._losses[0].target == "values" else "classification"


def _units(layer: Any) -> dict[str, Any]:
    units = getattr(layer, "units", None)
    return {} if units is None else {"units": units, "activation": getattr(layer, "activation", None)}


def _columns(kept: dict[str, Any], encoding: Encoding | None) -> list[dict[str, Any]] | None:
    """The table's columns, with what is known of each."""
    if encoding is None:
        names = kept.get("columns")
        return [{"name": name} for name in names] if isinstance(names, list) else None
    return [{**column.to_json(), **encoding.learned(column)} for column in encoding.columns]


def _sections(path: Path, predictor: Network | Ensemble, found: dict[str, Any]) -> list[str]:
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
    if found["ensemble"]:
        many, own = found["ensemble"], _kind(found["ensemble"])
        size = f"{counted(many['members'], 'network')} with {many['parameters']:,} parameters in all"
        text = f"an ensemble{own} of {size}, combined by {many['combine']}; the first of them:"
        sections.append("\n".join(_wrapped(text)))
    sections.append(_shown_network(predictor).summary())
    sections.append("\n".join(_training(found)))
    return sections


def _kind(ensemble: dict[str, Any]) -> str:
    return "" if ensemble["kind"] == "networks" else f" by {ensemble['kind']}"


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
