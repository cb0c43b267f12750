"""`chainrule train --stream`: a sample of the file, and what does not go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ..tables.streaming import Sampled, sample_table
from ..training.loop import tell
from .sets import BUILT_IN
from .settings import Settings

ALL_ROWS = {  # settings by table and key, and why they need all rows
    ("training", "stop"): "a cross-validation splits all rows",
    ("training", "ensemble"): "its members are trained on rows in memory",
    ("training", "resample"): "rows are drawn anew from all of them",
    ("training", "sampling"): "rows are drawn by their classes from all of them",
    ("images", "augment"): "pictures are read as a table in memory",
}


def refuse_streamed(data: str, given: Mapping[str, Any], settings: Settings) -> None:
    """Raise ParameterError for what contradicts --stream: built-in sets, options, settings."""
    if data in BUILT_IN:
        raise ParameterError(f"--stream is for files, and {data} is a built-in set. Leave it out.")
    for option, value in given.items():
        if value is not None:
            raise ParameterError(f"--stream and {option} contradict each other. Leave one of them out.")
    for (table, key), why in ALL_ROWS.items():
        if settings.get(table, key) is not None:
            label = settings.label(table, key)
            raise ParameterError(f"--stream and {label} contradict each other: {why}. Leave one out.")


def sample_of(
    data: str, target: str | None, separator: str | None, stated: Mapping[str, str], settings: Settings
) -> Sampled:
    """Rows of a file that tell what its columns are, and that the network is tested on."""
    if target is None:
        raise ParameterError(f"--target is needed: which column of {data} to predict?")
    sampled = sample_table(data, target, separator, stated, settings.get("training", "seed", 0))
    tell(
        f"{data}: {sampled.rows:,} rows are streamed; kinds of columns, encoding, validation and test are "
        f"from {sampled.table.rows:,} of them"
    )
    return sampled
