"""What a person sees of a fit: a bar with the time left on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from ..checks import counted
from .history import History

LINES = 10  # how many a fit prints where there is no terminal


class Progress:
    """Shows nothing; what the loop calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def advance(self, steps: int) -> None:
        """So many more steps are done."""

    def found(self, steps: int) -> None:
        """An epoch has so many steps, which nobody knew before."""

    def epoch(self, history: History) -> None:
        """An epoch is finished."""


class Bar(Progress):
    """A bar on standard error: epoch, loss, validation loss, time left.

    Where the steps of an epoch are not known (None), the bar only moves to and fro in the first one, beside
    the number of steps, and the time left is not shown before that epoch's end.
    """

    def __init__(self, epochs: int, steps: int | None, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.epochs, self.first = epochs, done // steps if steps else 0
        self.steps, self.done = steps, done
        self.started = time.perf_counter()
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.shown = 0.0
        self.pending = 0
        self.last: dict[str, Any] = {}
        self.bar = RichProgress(
            TextColumn("epoch {task.fields[epoch]:>{task.fields[width]}}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[losses]}"),
            TextColumn("[dim]time[/]"),
            TimeElapsedColumn(),
            TextColumn("[dim]left[/]"),
            TimeRemainingColumn(),
            console=self.console,
            expand=True,
            disable=not self.live,
        )
        self.task = self.bar.add_task(
            "",
            total=epochs * steps if steps else None,
            completed=done,
            epoch=self.first,
            epochs=epochs,
            width=len(str(epochs)),
            losses="",
        )

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show()
        self.bar.stop()

    def advance(self, steps: int) -> None:
        self.pending += steps
        if time.perf_counter() - self.shown > 0.05:
            self._show()

    def found(self, steps: int) -> None:
        self.steps = steps
        self.bar.update(self.task, total=self.epochs * steps)

    def epoch(self, history: History) -> None:
        self.last = {"epoch": history.epochs, "losses": _losses(history)}
        if not self.live and self._has_line(history.epochs):
            seconds = time.perf_counter() - self.started
            left = seconds / (history.epochs - self.first) * (self.epochs - history.epochs)
            self.console.print(
                f"epoch {history.epochs:>{len(str(self.epochs))}}/{self.epochs}  {_losses(history)}  "
                f"{seconds:.1f} s, {left:.1f} s left",
                highlight=False,
                soft_wrap=True,
            )

    def _has_line(self, epoch: int) -> bool:
        """Whether one of about ten lines, evenly spread, is due; the first and the last are."""
        if epoch in (1, self.epochs) or self.epochs <= LINES:
            return True
        return epoch * LINES // self.epochs > (epoch - 1) * LINES // self.epochs

    def _show(self) -> None:
        self.done += self.pending
        if self.steps is None:
            self.last = {"losses": f"{counted(self.done, 'step')}"}
        self.bar.update(self.task, advance=self.pending, **self.last)
        self.pending = 0
        self.shown = time.perf_counter()


def _losses(history: History) -> str:
    text = f"loss {history.loss[-1]:.4f}"
    if history.val_loss:
        text += f"  val_loss {history.val_loss[-1]:.4f}"
    if history.val_accuracy:
        text += f"  val_acc {history.val_accuracy[-1]:.3f}"
    return text
