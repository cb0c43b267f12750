"""MNIST's images, from the data folder, in the split that Nielsen uses."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


class DataMissing(Exception):
    """The data folder lacks a file; the message says what to do."""


@dataclass(frozen=True)
class Images:
    """Grey images, shape (rows, 784), from 0 to 1 in float32, and the digits on them, shape (rows,)."""

    X: Any
    y: Any

    def __len__(self):
        return len(self.y)


def data_folder():
    """The folder that CHAINRULE_DATA names, or data/ in the checkout."""
    return Path(os.environ.get("CHAINRULE_DATA") or ROOT / "data")


def mnist():
    """50,000 images to train on, 10,000 to choose by, and 10,000 to test on.

    Raises
    ------
    DataMissing
    """
    path = data_folder() / "mnist.npz"
    if not path.is_file():
        raise DataMissing(
            f"{path} is not there. Put MNIST's four arrays x_train, y_train, x_test and y_test there, or "
            "name their folder: CHAINRULE_DATA=folder make accuracy."
        )
    with np.load(path, allow_pickle=False) as data:
        X, y, X_test, y_test = (data[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    X, X_test = (images.reshape(len(images), -1).astype(np.float32) / 255 for images in (X, X_test))
    return Images(X[:50_000], y[:50_000]), Images(X[50_000:], y[50_000:]), Images(X_test, y_test)
