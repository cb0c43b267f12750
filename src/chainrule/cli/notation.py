"""The option --notation: a preset's name, choices, or both."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError, unknown_name
from ..explain.trace.notation import PRESETS, Notation, find_reader_notation
from .known_settings import literal


def parse_notation(text: str | None) -> Notation:
    """A notation from a preset's name, choices NAME=VALUE, or both with commas between.

    Raises
    ------
    UnknownNameError
        If there is no such preset or choice.
    ParameterError
        If a choice is not what it can be, or two presets are named.

    Examples
    --------
    >>> parse_notation("nielsen,rate=alpha").rate
    'α'
    """
    choices: dict[str, Any] = {}
    for part in (text or "").split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name:
            continue
        if not equals:
            if "preset" in choices:
                raise ParameterError(
                    f"--notation names two presets, {choices['preset']} and {name}. Name one."
                )
            if name not in PRESETS:
                raise unknown_name("--notation", name, PRESETS)
            choices["preset"] = name
        else:
            choices[name] = literal(value)
    try:
        return find_reader_notation(choices)
    except ParameterError as error:
        raise type(error)(f"--{error}") from None
