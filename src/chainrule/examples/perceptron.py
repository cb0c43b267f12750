"""A perceptron learns OR: a threshold, and a weight that moves when it is wrong.

The output is 1 where the weighted sum is 0 or more, else 0. The third input
is always -1, so its weight is the threshold. A step has no slope, so this is
no gradient descent: after each row that it gets wrong, every weight changes
by rate * (wanted - given) * input, and it stops when all rows are right.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "Cornell University, CS 472 Foundations of Artificial Intelligence, 2004"
SECONDS = 1
ROWS = np.array([[0, 0, -1], [0, 1, -1], [1, 0, -1], [1, 1, -1]], float)
WANTED, RATE = np.array([0.0, 1.0, 1.0, 1.0]), 0.5
PUBLISHED = {
    "epoch 1, row 1": ("0", "0", "0.5"),
    "epoch 1, row 2": ("0", "0.5", "0"),
    "epoch 2, row 1": ("0", "0.5", "0.5"),
}


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    w, x, t = cr.tensor(np.zeros(3), name="w"), cr.tensor(ROWS[0], name="x"), cr.tensor(0.0, name="t")
    output = (x @ w >= 0).astype("float64")
    new = w + RATE * (t - output) * x
    step = cr.compile(cr.Program([x, t], {"output": output, "w": w, "new": new}, {w: new}), "numpy")
    show("weights before each row, the output, what was wanted")
    changed: dict[str, np.ndarray] = {}
    epoch, wrong = 0, 1
    while wrong:
        epoch, wrong = epoch + 1, 0
        for row, (inputs, wanted) in enumerate(zip(ROWS, WANTED, strict=True), 1):
            found = step(inputs, wanted)
            show(f"epoch {epoch}, row {row}", *found["w"], found["output"], wanted)
            if found["output"] != wanted:
                wrong += 1
                changed[f"epoch {epoch}, row {row}"] = found["new"]
    show(f"No row was wrong in epoch {epoch}: the last weights stay.")
    rows = []
    for name, weights in changed.items():
        printed = PUBLISHED.get(name, ("", "", ""))
        rows += [(f"{name}: w{k + 1}", printed[k], float(weights[k])) for k in range(3)]
    return [*rows, ("epochs until all rows are right", "", float(epoch))]
