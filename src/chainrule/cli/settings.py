"""What a user asks of a training, by options and in a TOML file: each setting stated once, and checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ChainruleError, ParameterError, unknown_name
from .known_settings import IN_NETWORK, NAMED, PAIRS, SETTINGS, TABLES, literal, option, plain


@dataclass(frozen=True)
class Stated:
    """A setting and what messages call it: by its option, or by file and key."""

    value: Any
    label: str


_CALL = re.compile(r"^(?:\w+\.fit|fit\w*|build_lsuv|dry_run|find_learning_rate|overfit_one_batch): ")
_ADVICE = re.compile(r";? (?:[Pp]ass|Use|Call) .*?[(=].*$")


class Settings:
    """What was stated, by table and key."""

    def __init__(self) -> None:
        self._stated: dict[tuple[str, str], Stated] = {}

    def state(self, table: str, key: str, value: Any, label: str) -> None:
        """Enter a setting.

        Raises
        ------
        ParameterError
            If it is not what it can be, or was stated before with another value.
        """
        checked = SETTINGS[table].get(key, plain)(value, label)
        before = self._stated.setdefault((table, key), Stated(checked, label))
        if before.value != checked:
            raise ParameterError(
                f"{before.label} is {_shown(before.value)} and {label} is {_shown(checked)}: "
                "they contradict each other. State it once."
            )

    def get(self, table: str, key: str, default: Any = None) -> Any:
        """A setting, or what holds where it was not stated."""
        stated = self._stated.get((table, key))
        return default if stated is None else stated.value

    def label(self, table: str, key: str) -> str | None:
        """What messages call a setting; None if it was not stated."""
        stated = self._stated.get((table, key))
        return None if stated is None else stated.label

    def but(self, table: str, key: str, value: Any, label: str) -> Settings:
        """The same settings with another one in place of what was stated, or beside it."""
        other = Settings()
        other._stated = {**self._stated, (table, key): Stated(value, label)}
        return other

    def own(self, table: str) -> dict[str, Any]:
        """The settings of what a table names."""
        return {k: stated.value for (t, k), stated in self._stated.items() if t == table and k != "name"}

    def spoken(self, error: ChainruleError) -> ChainruleError:
        """An error of the library in the words of the command line.

        Arguments are called by their options, or by file and key, and advice in Python is left out.
        """
        text = _ADVICE.sub("", _CALL.sub("", str(error)))
        text = text if text.endswith(".") else f"{text}."
        labels = {key: option(table, key) for table, keys in SETTINGS.items() for key in keys}
        labels |= {key: stated.label for (_, key), stated in self._stated.items()}
        text = re.sub(rf"^\w+: (?=(?:{'|'.join(labels)})\b)", "", text)
        # Names that are words of the language too are taken for arguments where the text begins with them.
        pattern = "|".join(rf"(?<![.\w]){key}\b" if "_" in key else rf"^{key}\b" for key in labels)
        text = re.sub(pattern, lambda found: labels[found[0]], text)
        return type(error)(text)


def _shown(value: Any) -> str:
    """A value as it is written on a command line."""
    if isinstance(value, dict):
        return ",".join(
            f"{name}={':'.join(map(str, own)) if isinstance(own, list | tuple) else own}"
            for name, own in value.items()
        )
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "''"
    return str(value).lower() if isinstance(value, bool) else str(value)


# where it comes from ------------------------------------------------------------------------------


def gather(options: Mapping[str, Any], config: str | None) -> Settings:
    """The settings that options and a TOML file state together.

    Parameters
    ----------
    options : mapping of str to object
        By parameter name, batch_size for --batch-size; those that were not given are None. Text is read as
        numbers and truth values where it looks like such.
    config : str or None
        The file's path.

    Raises
    ------
    ParameterError
        If a setting is not what it can be, two contradict each other, or the file cannot be read;
        UnknownNameError, one of its kinds, for a table or key that does not exist.
    """
    settings = Settings()
    for table, keys in SETTINGS.items():
        for key in keys:
            value = options.get(table if key == "name" else key)
            if value is not None:
                settings.state(table, key, literal(value), option(table, key))
    for name, table in PAIRS.items():
        label = f"--{name.replace('_', '-')}"
        for pair in options.get(name) or ():
            key, equals, value = pair.partition("=")
            if not equals or not key.strip().isidentifier():
                raise ParameterError(f"{label} must be NAME=VALUE, got {pair!r:.60}. Pass e.g. momentum=0.9.")
            settings.state(table, key.strip(), literal(value), f"{label} {key.strip()}")
    if config is not None:
        for table, key, value in _read(config):
            settings.state(table, key, value, f"{config}: {key if key != 'name' else table}")
    return settings


def _read(path: str) -> Iterator[tuple[str, str, Any]]:
    """Table, key and value of every setting in a file."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{path}: is not TOML: {error}.") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ParameterError(f"{path}: cannot be read: {reason}.") from None
    for table, content in document.items():
        home = next((known for known in TABLES if table in _keys(known)), None)
        if table not in TABLES and home is not None:
            raise ParameterError(f"{path}: {table} stands outside of the tables. Put it under [{home}].")
        if table not in TABLES:
            raise unknown_name(f"{path}: table", table, TABLES)
        if not isinstance(content, dict):
            raise ParameterError(
                f"{path}: {table} must be a table. Write [{table}] and its settings below it."
            )
        for key, value in content.items():
            if table not in NAMED and key not in _keys(table):
                raise unknown_name(f"{path}: key in [{table}]", key, _keys(table))
            if key in IN_NETWORK and table == "network":
                inner = value if isinstance(value, dict) else {"name": value}
                yield from ((key, own, setting) for own, setting in inner.items())
            else:
                yield table, key, value


def _keys(table: str) -> list[str]:
    """What can stand in a table of a file, the settings of what is named apart."""
    return [*SETTINGS[table], *(IN_NETWORK if table == "network" else ())]
