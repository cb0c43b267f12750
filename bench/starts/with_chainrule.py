"""chainrule: one fit, which a callback ends; with the engine that the job names."""

import chainrule as cr
from starts import digits


class Watch:
    def on_epoch_end(self, network, history):
        if digits.enough(y_held, network.predict(X_held), history.epochs):
            history.stop("the held-back accuracy is reached")


(X, y), (X_held, y_held) = digits.load()
network = cr.Network([cr.Dense(digits.HIDDEN, "relu"), cr.Dense(digits.CLASSES)], loss="cross_entropy")
network.fit(
    X,
    y,
    optimizer=cr.Adam(digits.LEARNING_RATE),
    batch_size=digits.BATCH,
    epochs=digits.MOST_EPOCHS,
    seed=digits.JOB["seed"],
    engine=digits.JOB["engine"],
    verbose=False,
    callbacks=[Watch()],
)
