"""All that can be set of a training, each setting with the check of its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..checks import not_negative, positive_int, real_number
from ..errors import ParameterError, unknown_name
from ..tables.pieces import MANY

MOST_UNITS, MOST_EPOCHS, MOST_PIECES, MOST_SIDE = 10**6, 10**7, MANY, 10**4
MOST_FOLDS, MOST_JOBS, MOST_MEMBERS = 10**4, 10**3, 10**3
Check = Callable[[Any, str], Any]


def literal(text: Any) -> Any:
    """A word of a command line as a number or truth value if it looks like one.

    >>> [literal(text) for text in ("64", "1e-3", "true", "64,32", "relu")]
    [64, 0.001, True, '64,32', 'relu']
    """
    if not isinstance(text, str):
        return text
    word = text.strip()
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


# checks of a value; the label is what messages call the setting -----------------------------------


def _up_to(most: int, example: str) -> Check:
    def check(value: Any, label: str) -> int:
        number = positive_int(value, label, example)
        if number > most:
            raise ParameterError(f"{label} must be at most {most:,}, got {number:,}.")
        return number

    return check


def _sizes(value: Any, label: str) -> tuple[int, ...]:
    parts = _parts(value)
    if not all(type(part) is int and 1 <= part <= MOST_UNITS for part in parts):
        raise ParameterError(
            f"{label} must be sizes with commas between, none above {MOST_UNITS:,}, got {value!r:.60}. "
            "Pass e.g. 64,32, or nothing for no hidden layer."
        )
    return tuple(parts)


def _words(value: Any, label: str) -> tuple[str, ...]:
    return tuple(_word(part, label) for part in _parts(value) or [""])


def _parts(value: Any) -> list[Any]:
    """What stands between commas, or in a list."""
    if isinstance(value, str):
        return [literal(part) for part in value.split(",")] if value.strip() else []
    return value if isinstance(value, list) else [value]


def _word(value: Any, label: str) -> str:
    if not isinstance(value, str) or not value:
        raise ParameterError(f"{label} must be a name, got {value!r:.60}.")
    return value


def _truth(value: Any, label: str) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{label} must be true or false, got {value!r:.60}.")
    return value


def _rate(value: Any, label: str) -> float:
    return real_number(value, label, 0, 1)


def _pieces(value: Any, label: str) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else _up_to(MOST_PIECES, "16, or 0")(value, label)


def _share(value: Any, label: str) -> float:
    return real_number(value, label, 0, 1, low_too=False)


def _positive(value: Any, label: str) -> float:
    return real_number(value, label, 0, math.inf, low_too=False)


def _batch(value: Any, label: str) -> int | str:
    return value if value == "all" else positive_int(value, label, "32, or all")


def _patience(value: Any, label: str) -> int | str:
    return value if value == "off" else int(_up_to(MOST_EPOCHS, "10, or off")(value, label))


def _folds(value: Any, label: str) -> int:
    if type(value) is not int or not 2 <= value <= MOST_FOLDS:
        raise ParameterError(f"{label} must be a whole number from 2 to {MOST_FOLDS:,}, got {value!r:.60}.")
    return value


def _jobs(value: Any, label: str) -> int:
    if type(value) is not int or (value != -1 and not 1 <= value <= MOST_JOBS):
        raise ParameterError(
            f"{label} must be a whole number from 1 to {MOST_JOBS:,}, or -1 for one a processor, got "
            f"{value!r:.60}."
        )
    return value


def _members(value: Any, label: str) -> int:
    if type(value) is not int or not 2 <= value <= MOST_MEMBERS:
        raise ParameterError(
            f"{label} must be a whole number from 2 to {MOST_MEMBERS:,}, got {value!r:.60}. Pass e.g. 5."
        )
    return value


def _seed(value: Any, label: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ParameterError(f"{label} must be a whole number from 0 to 2**63 - 1, got {value!r:.60}.")
    return value


def _image_size(value: Any, label: str) -> tuple[int, int]:
    sides = value.lower().split("x") if isinstance(value, str) else value
    if type(sides) is int:
        sides = [sides, sides]
    sizes = [literal(side) for side in sides] if isinstance(sides, list) else []
    if len(sizes) != 2 or not all(type(side) is int and 1 <= side <= MOST_SIDE for side in sizes):
        raise ParameterError(
            f"{label} must be height x width in pixels, none above {MOST_SIDE:,}, got {value!r:.60}. "
            "Pass e.g. 28x28."
        )
    return sizes[0], sizes[1]


def _changes(value: Any, label: str) -> dict[str, Any]:
    """Settings of `Augment`, as ``shift=2,rotate=10`` or a table of a file; two numbers stand as 0.02:0.2."""
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        parts = [part.partition("=") for part in str(value).split(",")]
        if not all(equals and name.strip() and text.strip() for name, equals, text in parts):
            raise ParameterError(
                f"{label} must be NAME=VALUE with commas between, got {value!r:.60}. Pass e.g. "
                "shift=2,rotate=10."
            )
        pairs = [(name.strip(), _setting(text)) for name, _, text in parts]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParameterError(f"{label} states a change twice, got {value!r:.60}. State it once.")
    return found


def _setting(text: str) -> Any:
    return tuple(literal(part) for part in text.split(":")) if ":" in text else literal(text)


def _among(*names: str) -> Check:
    def check(value: Any, label: str) -> str:
        if value not in names:
            raise unknown_name(label, value, names)
        return str(value)

    return check


def _by_class(value: Any, label: str) -> Any:
    """The word balanced, or numbers by class: NAME=NUMBER with commas between, or a table of TOML."""
    if isinstance(value, str) and "=" not in value:
        return _among("balanced")(value, label)
    pairs = value
    if isinstance(value, str):
        parts = [part.rpartition("=") for part in value.split(",")]
        pairs = {name.strip(): literal(number) for name, _, number in parts}
    if not isinstance(pairs, dict) or not pairs or "" in pairs:
        raise ParameterError(
            f"{label} must be balanced, or a number for each class, got {value!r:.60}. Pass e.g. yes=5,no=1."
        )
    return {str(name): not_negative(number, f"{label} {name}") for name, number in pairs.items()}


def _threshold(value: Any, label: str) -> Any:
    return value if isinstance(value, str) and value else real_number(value, label, 0, 1, low_too=False)


def plain(value: Any, label: str) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise ParameterError(f"{label} must be a number, a name, true or false, got {value!r:.60}.")
    return value


# what can be set ----------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Check]] = {
    "network": {
        "hidden": _sizes,
        "activation": _words,
        "dropout": _rate,
        "pieces": _pieces,
        "batch_norm": _truth,
        "l1": not_negative,
        "l2": not_negative,
        "max_norm": _positive,
        "input_noise": not_negative,
        "mixup": not_negative,
    },
    "training": {
        "task": _among("classification", "regression"),
        "epochs": _up_to(MOST_EPOCHS, "20"),
        "batch_size": _batch,
        "early_stopping": _patience,
        "stop": _among("cross-validated"),
        "folds": _folds,
        "jobs": _jobs,
        "ensemble": _members,
        "ensemble_kind": _among("seeds", "bagging", "snapshot", "committee"),
        "distill": _sizes,
        "validation_size": _share,
        "test_size": _share,
        "class_weight": _by_class,
        "sampling": _by_class,
        "resample": _among("over", "smote", "under"),
        "threshold": _threshold,
        "calibrate": _among("bias_corrected", "temperature"),
        "monitor": _word,
        "accumulate": _up_to(MOST_UNITS, "4"),
        "seed": _seed,
        "engine": _among("auto", "numpy", "numba"),
    },
    "loss": {"name": _word},
    "init": {"name": _word},
    "optimizer": {"name": _word, "learning_rate": plain, "clip_norm": plain, "sam": plain},
    "schedule": {"name": _word},
    "images": {
        "image_size": _image_size,
        "color": _truth,
        "corrupt": _among("refuse", "skip"),
        "augment": _changes,
    },
    "average": {"name": _word},
}
"""Tables and their keys. A table with a name holds the settings of what is named besides."""

NAMED = ("loss", "init", "optimizer", "schedule", "average")
IN_NETWORK = ("loss", "init")  # in a file they stand in [network]
TABLES = [table for table in SETTINGS if table not in IN_NETWORK]
PAIRS = {"option": "optimizer"} | {f"{table}_option": table for table in NAMED if table != "optimizer"}
"""The options that take NAME=VALUE, and whose settings these are."""


def option(table: str, key: str) -> str:
    """What the option for a setting of the table above is called."""
    return f"--{table if key == 'name' else key.replace('_', '-')}"
