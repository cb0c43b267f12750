"""Gradient descent on (x + 2)^2, step by step, from both sides.

No network: one number x, and the slope 2 (x + 2). A step takes away the
learning rate times the slope, so x + 2, the way that is left, is multiplied
by 1 - 2 * rate each time. What comes out is therefore known exactly.
"""

from collections.abc import Callable

import chainrule as cr

SOURCE = "many courses; exactly, x is -2 + (start + 2) (1 - 2 rate)^k"
SECONDS = 1
AGAINST = "exact"
EXACT = {
    "from 0, step 1": "-0.4",
    "from 0, step 2": "-0.72",
    "from 0, step 3": "-0.976",
    "from 0, step 4": "-1.1808",
    "from 0, step 5": "-1.34464",
    "from 0, step 60": "-1.9999969350089",
    "from -4, step 5": "-2.65536",
    "from -4, step 60": "-2.0000030649911",
    "rate 0.5, step 1": "-2",
    "rate 1, step 1": "-4",
    "rate 1, step 2": "0",
}


def path(start: float, rate: float, steps: int) -> list[float]:
    """Where x is before the first step, and after each."""
    x = cr.tensor(start, name="x")
    (slope,) = cr.gradient((x + 2) ** 2, [x])
    step = cr.compile(cr.Program([], {"x": x}, {x: x - rate * slope}), "numpy")
    return [float(step()["x"]) for _ in range(steps + 1)]


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then what is known exactly beside ours."""
    x = cr.tensor(0.0, name="x")
    y = (x + 2) ** 2
    (slope,) = cr.gradient(y, [x])
    show("1. Where it starts")
    show("x, y and the slope", float(x), float(y), float(slope))
    show("x - 0.1 * slope", float(x) - 0.1 * float(slope))

    show("2. A rate of 0.1, from 0 and from -4: a fifth of the way in each step")
    right, left = path(0.0, 0.1, 60), path(-4.0, 0.1, 60)
    show("steps 0 to 7 from 0", *right[:8])
    show("steps 0 to 7 from -4", *left[:8])

    show("3. Other rates, from 0")
    half, one, more = path(0.0, 0.5, 3), path(0.0, 1.0, 3), path(0.0, 1.1, 3)
    show("0.5 arrives at once", *half)
    show("1 jumps to and fro", *one)
    show("1.1 leaves for ever", *more)

    ours = {f"from 0, step {k}": right[k] for k in (1, 2, 3, 4, 5, 60)}
    ours |= {f"from -4, step {k}": left[k] for k in (5, 60)}
    ours |= {"rate 0.5, step 1": half[1], "rate 1, step 1": one[1], "rate 1, step 2": one[2]}
    return [(name, EXACT[name], value) for name, value in ours.items()]
