"""How examples print; `catalogue.standalone` writes these functions below an example's own source."""

from __future__ import annotations

from collections.abc import Callable


def show(text: str = "", *values: float) -> None:
    """Print a line: a text, and numbers with nine significant digits, at most 80 columns wide."""
    line = f"  {text:<24}" if values else text
    numbers = [f"{value:.9g}" for value in values]
    width = 13 if any(len(number) > 9 for number in numbers) else 9
    for number in (f" {number:>{width}}" for number in numbers):
        if len(line) + len(number) > 80:
            print(line)
            line = " " * 26
        line += number
    print(line)


def differs(published: str, ours: float) -> bool:
    """Whether ours is further from a published number than half a unit of that's last printed digit."""
    half_unit = 0.5 * 10.0 ** -len(published.partition(".")[2])
    return bool(published and abs(ours - float(published)) > half_unit * (1 + 1e-6))


def table(rows: list[tuple[str, str, float]], against: str = "published") -> str:
    """Quantities, their published numbers, ours and the difference; * where that is more than rounding."""
    lines = [f"{'quantity':<34}{against:>14}{'ours':>16}{'difference':>12}"]
    for quantity, published, ours in rows:
        line = f"{quantity:<34}{published or '-':>14}{ours:>16.9g}"
        if published:
            difference = ours - float(published)
            line += f"{difference:>12.1e}" if difference else f"{'0':>12}"
            line += " *" if differs(published, ours) else ""
        lines.append(line)
    return "\n".join(lines)


def exhibit(
    about: str | None,
    source: str,
    run: Callable[..., list[tuple[str, str, float]]],
    differences: str = "",
    against: str = "published",
) -> None:
    """Run an example: what it is about, its steps, the numbers side by side, why some differ."""
    print(f"{(about or '').strip()}\n\nSource: {source}\n")
    rows = run(show)
    print(f"\n{table(rows, against)}")
    if differences:
        print(f"\n{differences.strip()}")
