"""`chainrule examples`: the list of worked examples, one of them run, or written as a file."""

from __future__ import annotations

import json
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Any

from ..checks import counted
from ..errors import ParameterError
from ..examples.catalogue import NAMES, Example, find_example, write
from ..examples.sheet import differs, exhibit

WIDTH, INDENT = 80, " " * 26


def examples(name: str | None, folder: Path | None, quick: bool, conventions: bool, as_json: bool) -> None:
    """Do what `chainrule examples` was asked for."""
    if folder is not None and (quick or conventions):
        raise ParameterError("--write writes and runs nothing. Leave --quick and --conventions out.")
    if name is None and (quick or conventions):
        raise ParameterError("which example? Name it, e.g. chainrule examples nielsen --quick.")
    if folder is not None:
        _write([name] if name else NAMES, folder, as_json)
    elif name is None:
        _list(as_json)
    elif conventions:
        _compare(find_example(name), as_json)
    else:
        _run(find_example(name), quick, as_json)


def _list(as_json: bool) -> None:
    found = [_about(find_example(name)) for name in NAMES]
    if as_json:
        print(json.dumps({"examples": found}))
        return
    for each in found:
        head = f"{each['name']:<18}{each['seconds']:>4} s  "
        print(textwrap.fill(each["title"], WIDTH, initial_indent=head, subsequent_indent=INDENT))
        print(textwrap.fill(each["source"], WIDTH, initial_indent=INDENT, subsequent_indent=INDENT))
    print("\nchainrule examples NAME runs one; --write DIR makes a file of it to start from.")


def _about(example: Example) -> dict[str, Any]:
    return {
        "name": example.name,
        "title": example.title,
        "source": example.module.SOURCE,
        "seconds": example.module.SECONDS,
    }


def _run(example: Example, quick: bool, as_json: bool) -> None:
    settings: dict[str, Any] = getattr(example.module, "QUICK", {})
    if quick and not settings:
        seconds = counted(example.module.SECONDS, "second")
        raise ParameterError(
            f"{example.name} takes about {seconds} and has no quick form. Leave --quick out."
        )
    run = partial(example.module.run, **settings) if quick else example.module.run
    if not as_json:
        exhibit(example.module.__doc__, example.module.SOURCE, run, example.differences, example.against)
        return
    steps: list[dict[str, Any]] = []
    started = time.perf_counter()
    rows = run(lambda text="", *values: steps.append({"text": text, "values": [float(v) for v in values]}))
    found = _about(example) | {
        "steps": steps,
        "against": example.against,
        "rows": [_row(*row) for row in rows],
        "differences": example.differences,
        "seconds": time.perf_counter() - started,
    }
    print(json.dumps(found))


def _row(quantity: str, published: str, ours: float) -> dict[str, Any]:
    return {
        "quantity": quantity.strip(),
        "published": float(published) if published else None,
        "ours": float(ours),
        "difference": float(ours) - float(published) if published else None,
        "differs": differs(published, ours),
    }


def _compare(example: Example, as_json: bool) -> None:
    if not hasattr(example.module, "conventions"):
        having = [name for name in NAMES if hasattr(find_example(name).module, "conventions")]
        raise ParameterError(
            f"{example.name} has no published numbers that conventions could be told from. Those of "
            f"{', '.join(having)} can."
        )
    found = example.module.conventions()
    print(json.dumps(found.to_json()) if as_json else found)


def _write(names: Any, folder: Path, as_json: bool) -> None:
    paths = write([find_example(name) for name in names], folder)
    if as_json:
        print(json.dumps({"written": [str(path) for path in paths]}))
        return
    for path in paths:
        print(f"Written to {path}; run it with: python {path}")
