"""Tables of text that are Markdown as well."""

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from rich.text import Text


def table(head, rows):
    """Markdown with its columns in line: the first to the left, the others to the right."""
    made = Table(box=MARKDOWN)
    for k, title in enumerate(head):
        made.add_column(title, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        made.add_row(*map(Text, row))
    console = Console(width=1000, color_system=None)
    with console.capture() as capture:
        console.print(made)
    lines = [line.strip() for line in capture.get().splitlines()]
    return "\n".join(line for line in lines if line)
