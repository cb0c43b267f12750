"""What all cold starts share: the digits, and when to stop.

The job is the first argument, as JSON: the file of the data and a seed. The answer is the last line of
output. Nothing is imported here that takes time but NumPy, which all of them need.

Run by itself, it writes the file from the one that comes with scikit-learn, found without importing it.
"""

import json
import sys
import time

import numpy as np

HIDDEN, CLASSES, BATCH, LEARNING_RATE = 64, 10, 32, 0.001
ROWS = 1437  # to learn from; the other 360 are held back
ACCURACY, MOST_EPOCHS = 0.97, 200
JOB = json.loads(sys.argv[1])


def save(path):
    """All rows in a drawn order: the pixels, from 0 to 1, then the label."""
    from importlib.util import find_spec
    from pathlib import Path

    source = Path(find_spec("sklearn").origin).parent / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(source, np.float32, delimiter=",")
    table[:, :-1] /= 16
    np.save(path, np.random.default_rng(0).permutation(table))


def load():
    """(X, y) to learn from and (X, y) held back: float32 of shape (rows, 64), and labels from 0 to 9."""
    global imported
    imported = time.time()
    table = np.load(JOB["data"])
    X, y = table[:, :-1], table[:, -1].astype(np.int64)
    return (X[:ROWS], y[:ROWS]), (X[ROWS:], y[ROWS:])


def enough(labels, predicted, epoch):
    """Whether this epoch, counted from 1, is the last, by the labels predicted for the held-back rows."""
    accuracy = float(np.mean(predicted == labels))
    if accuracy >= ACCURACY:
        answer = {"imported": imported, "trained": time.time(), "epochs": epoch, "accuracy": accuracy}
        print(json.dumps(answer))
        return True
    if epoch >= MOST_EPOCHS:
        raise RuntimeError(f"the accuracy is {accuracy:.3f} after {epoch} epochs")
    return False


if __name__ == "__main__":
    save(JOB["save"])
    print(json.dumps(JOB))
