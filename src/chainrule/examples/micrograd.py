"""The expression in micrograd's README: two numbers, a long formula, its slopes.

Every line makes nodes of a graph. The chain rule goes through them from the
last to the first, and gives how g changes with each; g.backward() would leave
the same in a.grad and b.grad, as micrograd does.
"""

from collections.abc import Callable

import chainrule as cr

SOURCE = "Andrej Karpathy, micrograd, README (github.com/karpathy/micrograd)"
SECONDS = 1
PUBLISHED = {"g": "24.7041", "dg/da": "138.8338", "dg/db": "645.5773"}


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    a, b = cr.tensor(-4.0, name="a"), cr.tensor(2.0, name="b")
    show("1. Forward")
    c = a + b
    d = a * b + b**3
    show("c = a + b", float(c))
    show("d = a * b + b^3", float(d))
    c = c + c + 1
    c = c + 1 + c + (-a)
    show("c, twice changed", float(c))
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    show("d, twice changed", float(d))
    e = c - d
    f = e**2
    show("e = c - d", float(e))
    show("f = e^2", float(f))
    g = f / 2.0
    g = g + 10.0 / f
    show("g = f / 2 + 10 / f", float(g))

    show("2. Backward")
    slopes = dict(zip("fedcab", cr.gradient(g, [f, e, d, c, a, b]), strict=True))
    for name, slope in slopes.items():
        show(f"dg/d{name}", float(slope))
    ours = {"g": float(g), "dg/da": float(slopes["a"]), "dg/db": float(slopes["b"])}
    return [(name, PUBLISHED[name], value) for name, value in ours.items()]
