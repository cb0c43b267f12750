"""Hours of sleep and study, and a score: a 2-3-1 network learns three students.

Three units of logistic functions and one output, without biases; all rows in
each of 10,000 updates, with a learning rate of 1. Columns are divided by
their largest value, scores by 100. Three rows and nine weights: it learns
the three by heart, and what it says of others is worth little.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "a tutorial that predicts test scores from hours of sleep and study"
SECONDS = 2
AGAINST = "asked"
HOURS, SCORES = np.array([[2, 9], [1, 5], [3, 6]]), np.array([92, 86, 89])
NEW = np.array([[4, 8], [5, 10]])
RATE, UPDATES, LARGEST_ERROR = 1.0, 10_000, 2e-4


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then what was asked of the network beside ours."""
    X, y = HOURS / HOURS.max(axis=0), SCORES / 100
    layers = [cr.Dense(3, "logistic", bias=False), cr.Dense(1, "logistic", bias=False)]
    net = cr.Network(layers, loss="mse", dtype="float64")
    net.build(2, seed=0)
    show("1. The rows, scaled: sleep, study, score")
    for row, score in zip(X, y, strict=True):
        show("", *row, score)
    start = net.calculate_loss(X, y)
    show("mean squared error", start)

    show("2. Updates with all rows")
    done = 0
    for updates in (10, 100, 1_000, UPDATES):
        history = net.fit(
            X, y, optimizer=cr.SGD(RATE), batch_size=3, epochs=updates - done, shuffle=False, verbose=False
        )
        if history.interrupted:
            raise KeyboardInterrupt
        done = updates
        error = net.calculate_loss(X, y)
        show(f"error after {updates:,}", error)

    show("3. The three students, and two others")
    scores = 100 * net.predict(np.vstack([HOURS, NEW]) / HOURS.max(axis=0))
    for (sleep, study), score in zip(np.vstack([HOURS, NEW]), scores, strict=True):
        show(f"{sleep} h sleep, {study} h study", score)
    return [
        ("error below 0.0002 (1: yes)", "1", float(error < LARGEST_ERROR)),
        ("mean squared error", "", error),
        ("score for 4 h sleep, 8 h study", "", scores[3]),
        ("score for 5 h sleep, 10 h study", "", scores[4]),
    ]
