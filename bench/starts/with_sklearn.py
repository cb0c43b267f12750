"""scikit-learn: MLPClassifier.partial_fit, an epoch a call; its Adam goes on from call to call."""

import numpy as np
from sklearn.neural_network import MLPClassifier

from starts import digits

(X, y), (X_held, y_held) = digits.load()
model = MLPClassifier(
    hidden_layer_sizes=(digits.HIDDEN,),
    learning_rate_init=digits.LEARNING_RATE,
    batch_size=digits.BATCH,
    random_state=digits.JOB["seed"],
)
epoch, reached = 0, False
while not reached:
    model.partial_fit(X, y, classes=np.arange(digits.CLASSES))
    epoch += 1
    reached = digits.enough(y_held, model.predict(X_held), epoch)
