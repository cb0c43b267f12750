"""NumPy by hand, the plain one of `workers/with_numpy.py`: what a process without any library takes."""

import numpy as np

from networks import Network
from starts import digits
from workers.with_numpy import Trainer

(X, y), (X_held, y_held) = digits.load()
network = Network((X.shape[1], digits.HIDDEN, digits.CLASSES), digits.BATCH, rows=len(X), target=0)
random = np.random.default_rng(digits.JOB["seed"])
weights = [
    (
        random.standard_normal(shape, dtype=np.float32) * np.float32((2 / shape[0]) ** 0.5),
        np.zeros(shape[1], np.float32),
    )
    for shape in network.layers
]
trainer = Trainer(network, "adam", digits.LEARNING_RATE, X, y, weights)
epoch, reached = 0, False
while not reached:
    trainer.train(1)
    epoch += 1
    (W1, b1), (W2, b2) = trainer.parameters()
    reached = digits.enough(y_held, (np.maximum(X_held @ W1 + b1, 0) @ W2 + b2).argmax(axis=1), epoch)
