"""The networks of books and tutorials: running the checks, and their table."""

import time

from mnist import DataMissing
from table import table

HEAD = ["example", "published", "ours", "asked", "met"]


def report(checks):
    """The table of these checks as Markdown, and whether all is met that is asked."""
    lines, skipped = run(checks, Progress(checks))
    text = "\n".join([table(HEAD, map(cells, lines)), *skipped])
    return text, all(line.met in (True, None) for line in lines)


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
