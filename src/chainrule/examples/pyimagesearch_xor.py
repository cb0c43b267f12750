"""XOR without and with hidden units: what one layer cannot, two can.

No straight line parts the two rows that are true from the two that are not,
so a single logistic unit comes to the same four numbers from any start. Two
hidden units are enough, from most starts. Row by row in the order of the
rows, a learning rate of 0.5, 20,000 epochs.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "PyImageSearch, Backpropagation from scratch with Python, 2021"
SECONDS = 5
ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TRUTH = np.array([0.0, 1.0, 1.0, 0.0])
RATE, EPOCHS = 0.5, 20_000
LEARNS, FAILS = 2, 1  # seeds
PUBLISHED = {
    "no hidden layer: 0 xor 0": "0.516106",
    "no hidden layer: 0 xor 1": "0.5",
    "no hidden layer: 1 xor 0": "0.483894",
    "no hidden layer: 1 xor 1": "0.467821",
    "two hidden units: 0 xor 0": "0.0054",
    "two hidden units: 0 xor 1": "0.9894",
    "two hidden units: 1 xor 0": "0.9876",
    "two hidden units: 1 xor 1": "0.0140",
    "two hidden units: last loss": "0.0002452",
}
DIFFERENCES = """\
* The source draws its initial weights without a seed, so that its numbers for
two hidden units cannot be met again; ours are of the same kind. Of 100 seeds
80 learn XOR. The others end like seed 1, on a plain where two rows get 0.5. It
is no minimum: a way leads on down (L. Hamey, XOR has no local minima, 1998).
But the plain is so flat that gradient descent hardly moves."""


def train(hidden: int, seed: int, engine: str = "auto") -> tuple[np.ndarray, float]:
    """Train a network with so many hidden units, 0 for none.

    Returns
    -------
    predictions : ndarray, shape (4,)
    loss : float
        Of the last epoch, summed over the four rows, as the source does it.
    """
    layers = [cr.Dense(units, "logistic") for units in (hidden, 1) if units]
    net = cr.Network(layers, loss="half_sum", dtype="float64")
    history = net.fit(
        ROWS,
        TRUTH,
        optimizer=cr.SGD(RATE),
        batch_size=1,
        epochs=EPOCHS,
        shuffle=False,
        seed=seed,
        engine=engine,
        verbose=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return net.predict(ROWS), len(ROWS) * history.loss[-1]


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    show("1. No hidden layer: predictions for 0 xor 0, 0 xor 1, 1 xor 0, 1 xor 1")
    flat, _ = train(0, seed=0)
    other, _ = train(0, seed=1)
    show("from one start", *flat)
    show("from another", *other)

    show("2. Two hidden units")
    learned, loss = train(2, seed=LEARNS)
    stuck, stuck_loss = train(2, seed=FAILS)
    show(f"seed {LEARNS}", *learned)
    show("last loss", loss)
    show(f"seed {FAILS}", *stuck)
    show("last loss", stuck_loss)

    ours = [*flat, *learned, loss]
    return [(name, text, float(value)) for (name, text), value in zip(PUBLISHED.items(), ours, strict=True)]
