"""Published accuracies beside ours; exits 1 if one that is asked for is not met.

python accuracy/run.py                     all of it: about five minutes
python accuracy/run.py --only xor,mitchell
python accuracy/run.py --batch-sizes       the table of docs/batch_sizes.md instead: about half a minute
"""

import argparse
import sys
import time
from pathlib import Path

import batch_sizes
from chainrule.version import __version__
from checks import CHECKS
from mnist import DataMissing
from table import table

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = ["example", "published", "ours", "asked", "met"]


def main(arguments=None):
    options = parse_options(arguments)
    if options.batch_sizes:
        print(batch_sizes.report())
        return 0
    checks = [check for check in CHECKS if check.name in options.only]
    lines, skipped = run(checks, Progress(checks))
    text = "\n".join([f"chainrule {__version__}\n", table(HEAD, map(cells, lines)), *skipped])
    print(text)
    if options.write:
        RESULTS.write_text(f"# Accuracy\n\n{text}\n", encoding="utf-8")
    return 0 if all(line.met in (True, None) for line in lines) else 1


def run(checks, progress):
    """The table's lines, and a sentence for the checks that have no data."""
    lines, skipped = [], {}
    with progress:
        for check in checks:
            try:
                lines.append(check.run(progress.of(check)))
            except DataMissing as missing:
                skipped.setdefault(str(missing), []).append(check.name)
            progress.finished(check)
    return lines, [f"Skipped: {', '.join(names)}. {reason}" for reason, names in skipped.items()]


def cells(line):
    met = {True: "yes", False: "no", None: "-"}[line.met]
    return [line.example, line.published, line.ours, line.asked, met]


class Progress:
    """A bar on standard error with the time left of all checks; elsewhere a line for each."""

    def __init__(self, checks):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.console = Console(stderr=True)
        columns = [TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn(), TextColumn("left")]
        self.bar = Bar(
            *columns,
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.total, self.done = sum(check.seconds for check in checks), 0.0
        self.task, self.started = self.bar.add_task("", total=self.total), time.perf_counter()

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, kind, error, trace):
        self.bar.stop()

    def of(self, check):
        """What a check calls with the share of it that is done."""
        self.bar.update(self.task, description=check.name)
        return lambda share: self.bar.update(self.task, completed=self.done + share * check.seconds)

    def finished(self, check):
        self.done += check.seconds
        self.bar.update(self.task, completed=self.done)
        if not self.console.is_terminal:
            seconds = time.perf_counter() - self.started
            left = seconds * (self.total / self.done - 1)
            self.console.print(
                f"{check.name}: done, {seconds:.0f} s in all, about {left:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )


def parse_options(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [check.name for check in CHECKS]
    parser.add_argument("--only", type=names_of(names), default=names, help="some of " + ", ".join(names))
    parser.add_argument("--batch-sizes", action="store_true", help="print the table of docs/batch_sizes.md")
    parser.add_argument("--write", action="store_true", help=f"write the table to accuracy/{RESULTS.name}")
    return parser.parse_args(arguments)


def names_of(known):
    """An argparse type: names from `known`, separated by commas."""

    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
