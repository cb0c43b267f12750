"""A start that ends in a local minimum, and what momentum does for it.

One logistic unit with one weight and two rows. Even so small a network has
two valleys in its error (Auer, Herbster and Warmuth): in the one both rows
are nearly met, in the other, deeper one the first row is met exactly and
the second lies where the logistic function is flat. Plain gradient descent
from w = 1 stops in the first; with momentum the same start rolls over the
hill into the second.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "after Auer, Herbster, Warmuth, Exponentially many local minima, 1995"
SECONDS = 1
AGAINST = "exact"
ROWS, WANTED = np.array([[1.0], [10.0]]), np.array([0.1, 0.3])
START, RATE, MOMENTUM, UPDATES = 1.0, 0.05, 0.9, 3_000
EXACT = {
    "local minimum: w": "-0.109576165",
    "local minimum: error": "0.141302401",
    "hill between: w": "-0.351802281",
    "hill between: error": "0.171482253",
    "global minimum: w": "-2.197224471",
    "global minimum: error": "0.090000000",
}
"""Where the slope of the error is 0, found by bisection with 30 digits."""


def slopes(w: float) -> tuple[float, float, float]:
    """The sum of squared errors for a weight, its slope, and the slope's slope."""
    weight = cr.tensor(w, name="w")
    error = ((cr.logistic(weight * ROWS[:, 0]) - WANTED) ** 2).sum()
    (slope,) = cr.gradient(error, [weight])
    (bend,) = cr.gradient(slope, [weight])
    return float(error), float(slope), float(bend)


def trained(momentum: float, show: Callable[..., None]) -> float:
    """The weight in the end; where it was on the way is shown."""
    unit = cr.Dense(1, "logistic", weights=[[START]], bias=False)
    net = cr.Network([unit], loss="sum", dtype="float64")
    rule, done, path = cr.SGD(RATE, momentum=momentum), 0, [START]
    for updates in (5, 10, 15, 20, 30, 50, 100, UPDATES):
        history = net.fit(
            ROWS, WANTED, optimizer=rule, batch_size=2, epochs=updates - done, verbose=False, go_on=done > 0
        )
        if history.interrupted:
            raise KeyboardInterrupt
        done = updates
        path.append(net.parameters["output.W"].item())
    show("w", *path)
    return path[-1]


def to_zero_slope(w: float) -> float:
    """The nearest weight without a slope, by Newton's method."""
    for _ in range(20):
        _, slope, bend = slopes(w)
        w -= slope / bend
    return w


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then what is known exactly beside ours."""
    show("1. The error along the weight")
    for w in (-4.0, -3.0, -2.0, -1.0, -0.5, -0.35, -0.2, -0.1, 0.0, 0.5, 1.0):
        error = slopes(w)[0]
        show(f"w = {w:g}", error)

    show("2. Plain gradient descent: w after 0, 5, 10, 15, 20, 30, 50, 100, 3,000 updates")
    plain = trained(0.0, show)
    show("error, slope, bend", *slopes(plain))
    show("No slope, and the error bends upwards on both sides: a minimum, not the least.")

    show("3. The same start and rate with a momentum of 0.9")
    rolled = trained(MOMENTUM, show)
    show("error, slope, bend", *slopes(rolled))

    hill = to_zero_slope(-0.35)
    found = {"local minimum": plain, "hill between": hill, "global minimum": rolled}
    ours = {f"{name}: w": w for name, w in found.items()}
    ours |= {f"{name}: error": slopes(w)[0] for name, w in found.items()}
    return [(name, text, ours[name]) for name, text in EXACT.items()]
