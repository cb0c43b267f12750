"""Write the pictures of the pages: python docs/make_pictures.py"""

from __future__ import annotations

from pathlib import Path

import chainrule as cr
from chainrule.explain.drawing.svg import Picture
from chainrule.explain.plots.plotting import file_of

FOLDER = Path(__file__).with_name("pictures")


def network() -> Picture:
    """Matt Mazur's example: a step of a 2-2-2 network."""
    first = cr.Dense(2, "logistic", weights=[[0.15, 0.25], [0.20, 0.30]], bias=[0.35, 0.35])
    last = cr.Dense(2, "logistic", weights=[[0.40, 0.50], [0.45, 0.55]], bias=[0.60, 0.60])
    return cr.Network([first, last], loss="half_sum", dtype="float64").draw([0.05, 0.10])


def gradients() -> Picture:
    """The same network's derivatives."""
    first = cr.Dense(2, "logistic", weights=[[0.15, 0.25], [0.20, 0.30]], bias=[0.35, 0.35])
    last = cr.Dense(2, "logistic", weights=[[0.40, 0.50], [0.45, 0.55]], bias=[0.60, 0.60])
    net = cr.Network([first, last], loss="half_sum", dtype="float64")
    return net.draw([0.05, 0.10], [0.01, 0.99], edges="gradients", neurons="gradients")


def summary() -> Picture:
    """A network for images, in short."""
    net = cr.Network([cr.Dense(30, "relu"), cr.Dense(10)], loss="cross_entropy")
    net.build(64, seed=0)
    return net.draw()


def graph() -> Picture:
    """An expression of scalars, as in the lecture on micrograd."""
    a, b, c, f = (cr.tensor(v, name=n) for v, n in [(2.0, "a"), (-3.0, "b"), (10.0, "c"), (-2.0, "f")])
    e = a * b
    d = e + c
    L = d * f
    e.name, d.name, L.name = "e", "d", "L"
    return cr.draw_graph(L)


def contact_sheet() -> bytes:
    """Digits as they are, and as seven epochs of a training see them."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    augment = cr.Augment((8, 8), rotate=10, zoom=0.1, elastic=5, sigma=2)
    return file_of(cr.plots.contact_sheet(X, augment, y, rows=range(5), seed=0), ".png")


PICTURES = {"network": network, "gradients": gradients, "summary": summary, "graph": graph}

PLOTS = {"contact_sheet": contact_sheet}


def main() -> None:
    """Write them all."""
    for name, plot in PLOTS.items():
        (FOLDER / f"{name}.png").write_bytes(plot())
    for name, make in PICTURES.items():
        make().save(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
