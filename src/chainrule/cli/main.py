"""The entry point: one place where errors become a sentence and an exit status."""

from __future__ import annotations

import sys

from ..errors import ChainruleError, MissingExtraError

NEEDED = ("polars", "rich", "sklearn", "typer")
WRONG = 2  # the exit status for a user's mistake
INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit: 0 if all went well, 2 for a mistake in what was asked."""
    try:
        _run()
    except ChainruleError as error:
        print(f"chainrule: {error}", file=sys.stderr)
        sys.exit(WRONG)
    except KeyboardInterrupt:
        print("chainrule: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _run() -> None:
    try:
        from .commands import app
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise MissingExtraError(
            f"the command line needs {error.name}, which is not installed. Run: pip install 'chainrule[cli]'"
        ) from error
    app(prog_name="chainrule")


if __name__ == "__main__":
    main()
