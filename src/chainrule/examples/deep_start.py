"""What first weights do to a deep network: signals that vanish, explode, or stay.

Thirty layers of 32 units on the handwritten digits. Each layer multiplies
the size of what passes through it by about the same factor, forwards and
backwards; over thirty layers even 0.7 makes a hundred-thousandth of it.
Glorot's weights suit tanh, He's suit ReLU, which lets half of the signal
through; LSUV finds the factors from the rows. With the wrong ones a network
of this depth does not begin to learn. The logistic function's slope is at
most a quarter: no weights mend that, and gradients vanish.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "after Glorot and Bengio, 2010; He et al., 2015; Mishkin and Matas, 2016"
SECONDS = 3
AGAINST = "exact"
LAYERS, UNITS, SHOWN = 30, 32, (1, 5, 10, 15, 20, 25, 30)
STARTS = [
    ("tanh", "small, 0.01", cr.inits.Normal(0.01)),
    ("tanh", "glorot", cr.inits.Glorot()),
    ("relu", "glorot", cr.inits.Glorot()),
    ("relu", "he", cr.inits.He()),
    ("relu", "large, 0.5", cr.inits.Normal(0.5)),
    ("relu", "lsuv", None),
    ("logistic", "glorot", cr.inits.Glorot()),
]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images of handwritten digits with every pixel standardised, and what they show."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9), y


def deep(activation: str, init: cr.inits.Init | None, X: np.ndarray) -> cr.Network:
    """A deep network with its first weights."""
    hidden = [cr.Dense(UNITS, activation, init=init) for _ in range(LAYERS)]
    net = cr.Network([*hidden, cr.Dense(10)], loss="cross_entropy")
    if init is None:
        net.build_lsuv(X, seed=0)
    else:
        net.build(X.shape[1], seed=0)
    return net


def length_kept() -> float:
    """How long a signal is after thirty rotations, as a multiple of what it was."""
    turns = [cr.Dense(UNITS, bias=False, init=cr.inits.Orthogonal()) for _ in range(LAYERS)]
    net = cr.Network(turns, loss="mse", dtype="float64")
    net.build(UNITS, seed=0)
    x = np.random.default_rng(0).normal(size=(1, UNITS))
    return float(np.linalg.norm(net.predict(x)) / np.linalg.norm(x))


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """Signals, gradients, and whether the networks then learn."""
    X, y = digits()
    networks = [(f"{activation}, {name}", deep(activation, init, X)) for activation, name, init in STARTS]
    found = {name: net.signals(X[:256], y[:256]).layers for name, net in networks}

    show("1. The standard deviation of what layers 1, 5, 10, 15, 20, 25, 30 give")
    for name, layers in found.items():
        show(name, *(layers[k - 1].std for k in SHOWN))

    show("2. The gradient of the loss by that, its root mean square")
    for name, layers in found.items():
        show(name, *(layers[k - 1].gradient for k in SHOWN))

    show("3. The loss of the first epoch and of the fifth; guessing has 2.302585")
    rows: list[tuple[str, str, float]] = []
    for name, net in networks:
        rule = cr.SGD(0.05, momentum=0.9, clip_norm=1.0)
        history = net.fit(X, y, optimizer=rule, batch_size=64, epochs=5, engine="numpy", verbose=False)
        if history.interrupted:
            raise KeyboardInterrupt
        show(name, history.loss[0], history.loss[-1])
        rows.append((f"{name}: loss", "", history.loss[-1]))
    return [*rows, ("rotations: length kept", "1.000000", length_kept())]
