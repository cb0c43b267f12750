"""Nielsen's learning rates on handwritten digits: too small, right, too large.

Logistic units, the quadratic cost, batches of 10, 30 epochs; weights and
biases start normal with a standard deviation of 1. A rate of 3 reads 95 of
100 digits; with 0.001 the network learns, but hardly; 100 throws it to where
all outputs are nearly 0 for every image, and there the slopes are 0 too. The
loss tells the last two apart: it falls, or stands at 0.5, the half square of
the one output that should be 1.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import chainrule as cr

SOURCE = "Michael Nielsen, Neural Networks and Deep Learning, chapter 1"
SECONDS = 30
QUICK = {"epochs": 3}
TRAININGS = ((30, 3.0), (100, 0.001), (30, 100.0))  # hidden units, learning rate
PUBLISHED = {
    (30, 3.0): ("9129", "9534", "9542"),
    (100, 0.001): ("1139", "2142", ""),
    (30, 100.0): ("1009", "982", ""),
}
"""Of 10,000 images, how many are read rightly after the first, the last and the best of 30 epochs."""
DIFFERENCES = """\
* The initial weights are drawn, and every draw ends elsewhere; the source
prints the best of three trainings. Of other data, of fewer epochs or of a
rate at which hardly anything is learned, the numbers are not to be compared
digit by digit: what counts is the order of the three."""


class Count:
    """How many images are read rightly after each epoch; each epoch is told on standard error."""

    def __init__(self, X: np.ndarray, digits: np.ndarray) -> None:
        self.X, self.digits = X, digits
        self.right: list[int] = []

    def on_epoch_end(self, network: cr.Network, history: cr.History) -> None:
        self.right.append(int((network.predict(self.X).argmax(axis=1) == self.digits).sum()))
        print(f"epoch {len(self.right)}: {self.right[-1]} of {len(self.X)}", file=sys.stderr)


def images() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, str]:
    """Images and digits to train on and to test on, and what they are."""
    folder = os.environ.get("CHAINRULE_DATA")
    if folder and (Path(folder) / "mnist.npz").is_file():
        with np.load(Path(folder) / "mnist.npz", allow_pickle=False) as data:
            X, y, X_test, y_test = (data[name] for name in ("x_train", "y_train", "x_test", "y_test"))
        X, X_test = (table.reshape(len(table), -1).astype(np.float32) / 255 for table in (X, X_test))
        return X[:50_000], y[:50_000], X_test, y_test, "MNIST, 50,000 images to train on and 10,000 to test"
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    what = "scikit-learn's digits, 1,347 images of 8 x 8 to train on and 450 to\n"
    what += "test, smaller and easier than MNIST. MNIST is taken where CHAINRULE_DATA names\n"
    what += "a folder with mnist.npz in it."
    return X[:1347] / 16, y[:1347], X[1347:] / 16, y[1347:], what


def train(units: int, rate: float, epochs: int, seed: int = 0) -> tuple[list[int], list[float]]:
    """How many test images are read rightly after each epoch, and the losses."""
    X, y, X_test, y_test, _ = images()
    random = np.random.Generator(np.random.Philox(key=seed))
    layers = []
    for inputs, outputs in ((X.shape[1], units), (units, 10)):
        b, W = random.standard_normal(outputs), random.standard_normal((inputs, outputs))
        layers.append(cr.Dense(outputs, "logistic", weights=W, bias=b))
    net, count = cr.Network(layers, loss="half_sum"), Count(X_test, y_test)
    history = net.fit(
        X,
        np.eye(10)[y],
        optimizer=cr.SGD(rate),
        batch_size=10,
        epochs=epochs,
        seed=seed,
        verbose=False,
        callbacks=[count],
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return count.right, history.loss


def run(show: Callable[..., None], epochs: int = 30) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    _, _, X_test, _, what = images()
    mnist = len(X_test) == 10_000
    show(f"Data: {what}")
    rows = []
    for units, rate in TRAININGS:
        print(f"{units} hidden units, learning rate {rate:g}", file=sys.stderr)
        right, loss = train(units, rate, epochs)
        show(f"{units} hidden units, learning rate {rate:g}: images read rightly, of {len(X_test):,}")
        show(f"after epochs 1 to {epochs}", *right)
        show("first and last loss", loss[0], loss[-1])
        printed = PUBLISHED[units, rate] if mnist and epochs == 30 else ("", "", "")
        ours = (right[0], right[-1], max(right))
        for name, text, value in zip(("first", "last", "best"), printed, ours, strict=True):
            rows.append((f"{units} units, rate {rate:g}: {name}", text, float(value)))
    return rows
