"""`chainrule diagnose`: what is wrong with a training, told from its model file and rows."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from ..explain.health.findings import WIDTH, Diagnosis
from ..tables.text import checked_separator
from ..tables.wording import printable
from .building import spoken
from .settings import Settings
from .use import Labelled, Model, labelled, load_model


def diagnose(path: Path, data: str, target: str | None, as_json: bool, separator: str | None) -> None:
    """Print what is wrong with the training of a model, if anything is."""
    letter = checked_separator(separator)
    model = load_model(path)
    rows = labelled(model, data, target, letter, "diagnosed")
    found = diagnosed(model, rows)
    if as_json:
        print(json.dumps({"model": str(path), "data": data, **found.to_json()}))
        return
    lines = f"{printable(str(path))} on {printable(data)}: {found}".split("\n")
    head = textwrap.wrap(printable(lines[0]), WIDTH)
    print("\n".join([*head, *map(printable, lines[1:])]))


def diagnosed(model: Model, rows: Labelled) -> Diagnosis:
    """What `Network.diagnose` finds, with the names of the inputs and the course of the training."""
    training = model.network.metadata.get("training")
    kept: dict[str, Any] = training if isinstance(training, dict) else {}
    with spoken(Settings()):
        return model.network.diagnose(
            rows.X,
            rows.y,
            names=model.names,
            history=kept.get("history"),
            batch_size=kept.get("batch_size", 32),
        )
