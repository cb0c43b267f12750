"""The delta rule on a linear unit: Adaline learns OR of 1 and -1.

The output is the weighted sum itself, and each row changes every weight by
rate * (wanted - output) * input: gradient descent on half the squared error,
row by row. Unlike the perceptron it never stops: it comes near the weights
with the least squared error, which no row fulfils exactly.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "lectures and tutorials on Adaline (OR, all weights 0.1 at first)"
SECONDS = 1
ROWS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
WANTED, RATE = np.array([1.0, 1.0, 1.0, -1.0]), 0.1
W, b = [[0.1], [0.1]], [0.1]
PUBLISHED = {
    "epoch 1: squared errors": "3.02",
    "epoch 2: squared errors": "1.938",
}


def network() -> cr.Network:
    """The unit with its initial weights."""
    return cr.Network([cr.Dense(1, weights=W, bias=b)], loss="half_sum", dtype="float64")


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    show("1. The first epoch, row by row: output, error, the new w1, w2 and bias")
    net = network()
    for row, wanted in zip(ROWS, WANTED, strict=True):
        output = net.predict([row]).item()
        net.fit([row], [wanted], optimizer=cr.SGD(RATE), batch_size=1, epochs=1, verbose=False)
        w1, w2 = net.parameters["output.W"][:, 0]
        show(f"row {row[0]:g}, {row[1]:g}", output, wanted - output, w1, w2, net.parameters["output.b"][0])

    show("2. Five epochs by Network.fit: squared errors of an epoch's rows, summed")
    net = network()
    history = net.fit(
        ROWS, WANTED, optimizer=cr.SGD(RATE), batch_size=1, epochs=5, shuffle=False, verbose=False
    )
    squares = [2 * len(ROWS) * loss for loss in history.loss]  # the loss is half of them, mean over rows
    show("epochs 1 to 5", *squares)

    show("3. Where it goes: the weights with the least squared error")
    best, (least,), *_ = np.linalg.lstsq(np.column_stack([ROWS, np.ones(4)]), WANTED, rcond=None)
    show("w1, w2 and bias", *best)
    show("squared errors", least)
    net.fit(ROWS, WANTED, optimizer=cr.SGD(0.05), batch_size=4, epochs=2_000, verbose=False)
    parameters = net.parameters
    show("ours in the end", *parameters["output.W"][:, 0], *parameters["output.b"])
    rows = [
        (name, PUBLISHED.get(name, ""), squares[k - 1])
        for k in range(1, 6)
        for name in (f"epoch {k}: squared errors",)
    ]
    return [
        *rows,
        ("w1 in the end", "", parameters["output.W"][0, 0]),
        ("w1 with the least errors", "", best[0]),
    ]
