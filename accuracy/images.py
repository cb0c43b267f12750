"""Augmentation on MNIST: what published networks reach with it, and what each change does to few images.

python accuracy/images.py    how the settings were chosen: on 10,000 of the training images; half an hour
"""

import os
import time
from dataclasses import dataclass, replace

import numpy as np

import chainrule as cr
from mnist import DataMissing, mnist
from table import table

FEW, FEW_EPOCHS = 5_000, 30  # images and epochs of what each change does
SEEDS = 2  # of it
ENGINE = "numba"


@dataclass(frozen=True)
class Recipe:
    """A network with one hidden layer, and how it is trained.

    Attributes
    ----------
    units, epochs, batch_size : int
    rate : float
        The largest of a one-cycle schedule, for Adam.
    dropout : float
        Of the hidden layer.
    changes : dict
        Of `Augment`; none for images as they are.
    """

    units: int
    epochs: int
    batch_size: int
    rate: float
    dropout: float
    changes: dict

    def train(self, X, y, seed, verbose=False):
        """A trained network, and the processor's seconds that it took, those of augmentation with them."""
        layers = [cr.Dense(self.units, "relu"), cr.Dropout(self.dropout), cr.Dense(10)]
        net = cr.Network(layers if self.dropout else [layers[0], layers[2]], loss="cross_entropy")
        started = time.process_time()
        net.fit(
            X,
            y,
            optimizer=cr.Adam(cr.schedules.OneCycle(self.rate)),
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=seed,
            engine=ENGINE,
            verbose=verbose,
            transform=cr.Augment((28, 28), **self.changes) if self.changes else None,
        )
        return net, time.process_time() - started

    def __str__(self):
        changes = ", ".join(f"{name} {value:g}" for name, value in self.changes.items())
        return f"784-{self.units}-10, dropout {self.dropout:g}; {changes or 'no changes'}"


NARROW = Recipe(100, 30, 64, 3e-3, 0.1, {"rotate": 5, "zoom": 0.05, "elastic": 12})
WIDE = Recipe(800, 100, 64, 1.5e-3, 0.0, {"rotate": 7.5, "zoom": 0.08, "elastic": 26})
ASKED = ((NARROW, 0.983, "-"), (WIDE, 0.992, "0.993"))  # published: Simard, Steinkraus and Platt (2003)

EACH = {
    "none": {},
    "shift 2": {"shift": 2},
    "rotate 10": {"rotate": 10},
    "zoom 0.1": {"zoom": 0.1},
    "elastic 26": {"elastic": 26},
    "rotate, zoom, elastic": {"rotate": 7.5, "zoom": 0.08, "elastic": 26},
    "erase 0.5": {"erase": 0.5},
    "noise 0.2": {"noise": 0.2},
    "flip horizontal": {"flip": "horizontal"},
}


def report(seeds, tell):
    """What is asked, on the test images, after training on all 60,000; and what each change does."""
    try:
        train, held, test = mnist()
    except DataMissing as error:
        return f"Skipped. {error}", True
    X, y = np.concatenate([train.X, held.X]), np.concatenate([train.y, held.y])
    rows, met = [], True
    for recipe, asked, published in ASKED:
        found = []
        for seed in range(seeds or 1):
            net, seconds = recipe.train(X, y, seed)
            found.append((net.score(test.X, test.y), seconds))
            tell(f"{recipe}: {found[-1][0]:.4f} in {seconds:,.0f} s")
        accuracies, times = zip(*found, strict=True)
        well = float(np.mean(accuracies)) >= asked
        met = met and well
        shown = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
        epoch = f"{np.mean(times) / recipe.epochs:.1f}"
        rows.append(
            [str(recipe), str(recipe.epochs), published, shown, str(asked), "yes" if well else "no", epoch]
        )
    head = [
        "MNIST, 60,000 images",
        "epochs",
        "published",
        "test images right",
        "asked",
        "met",
        "processor's s an epoch",
    ]
    return f"{table(head, rows)}\n\n{speed(X)}\n\n{each(X, y, test, seeds or SEEDS, tell)}", met


def speed(X):
    """How long augmentation itself takes."""
    augment = cr.Augment((28, 28), **WIDE.changes)
    started = time.process_time()
    augment(X)
    seconds = time.process_time() - started
    return f"Changing {len(X):,} images so ({augment.summary}) takes {seconds:.1f} s of the processor."


def each(X, y, test, seeds, tell):
    """What each change alone does to a network that has seen few images."""
    rows, plain = [], None
    for name, changes in EACH.items():
        recipe = replace(NARROW, epochs=FEW_EPOCHS, changes=changes)
        found = []
        for seed in range(seeds):
            chosen = np.random.default_rng(seed).permutation(len(X))[:FEW]
            net, _ = recipe.train(X[chosen], y[chosen], seed)
            found.append(net.score(test.X, test.y))
        plain = plain or found
        gain = np.subtract(found, plain)
        rows.append([name, f"{np.mean(found):.4f}", f"{gain.mean():+.4f}" if changes else "-"])
        tell(f"{FEW:,} images, {name}: {rows[-1][1]}")
    head = [f"784-100-10, {FEW:,} images, {FEW_EPOCHS} epochs, {seeds} seeds", "test images right", "gain"]
    return table(head, rows)


CANDIDATES = (
    replace(WIDE, epochs=15, batch_size=128, rate=2e-3, changes={"elastic": 34}),
    replace(WIDE, epochs=15, batch_size=128, rate=2e-3, changes={"rotate": 10, "zoom": 0.1, "elastic": 34}),
    replace(WIDE, epochs=15, batch_size=128, rate=2e-3, changes={"rotate": 7.5, "zoom": 0.08, "elastic": 24}),
    replace(WIDE, epochs=15, changes={"rotate": 10, "zoom": 0.1, "elastic": 34}),
    replace(WIDE, epochs=50),
    replace(NARROW, changes={"rotate": 7.5, "zoom": 0.08}),
    NARROW,
)


def main():
    """Train each candidate on 50,000 images, and count which of the other 10,000 it has right."""
    train, held, _ = mnist()
    for recipe in CANDIDATES:
        net, seconds = recipe.train(train.X, train.y, 0)
        settings = f"{recipe.epochs} epochs, batches of {recipe.batch_size}, rate {recipe.rate:g}"
        print(f"{recipe}; {settings}: {net.score(held.X, held.y):.4f} in {seconds:,.0f} s", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
