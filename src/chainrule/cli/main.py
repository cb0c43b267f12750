"""The entry point: one place where errors become a sentence and an exit status."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Any, NoReturn

from ..errors import ChainruleError, CheckpointError, MissingExtraError
from ..tables.wording import printable

NEEDED = ("polars", "rich", "sklearn", "skops", "typer")
WRONG = 2  # the exit status for a user's mistake
UNREAD = 1
INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit: 0 if all went well, 2 for a mistake in what was asked."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names in a table may be in letters that it cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                _run()
            finally:
                print(end="", flush=True)
    except BrokenPipeError:  # the reader has left, as head does; what Python still holds goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
    except CheckpointError as error:  # a list, in lines of its own
        _leave("\n".join(map(printable, str(error).split("\n"))), WRONG)
    except ChainruleError as error:
        _leave(printable(str(error)), WRONG)  # a name that somebody gave a file may hold anything
    except OSError as error:  # the system's refusals: a full disk, a name that is too long
        where = f"{error.filename}: " if error.filename else ""
        _leave(printable(f"{where}{error.strerror or error}."), WRONG)
    except MemoryError as error:
        _leave(printable(f"this needs more memory than there is ({str(error) or 'none is left'})."), WRONG)
    except KeyboardInterrupt:
        _leave("interrupted", INTERRUPTED)


def _run() -> None:
    try:
        from . import training_command  # noqa: F401, I001  they enter themselves, in this order
        from . import commands, explaining_commands  # noqa: F401
        from .app import app

        app(prog_name="chainrule")
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise MissingExtraError(
            f"the command line needs {error.name}, which is not installed. Run: pip install 'chainrule[cli]'"
        ) from error


def _leave(message: str, status: int) -> NoReturn:
    print("chainrule:", message, file=sys.stderr)
    sys.exit(status)


def _show_warning(message: Warning | str, *where: Any, **named: Any) -> None:
    print(f"chainrule: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
