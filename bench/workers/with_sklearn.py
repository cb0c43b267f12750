"""scikit-learn: MLPClassifier.fit with a warm start, as many epochs as asked.

Two classes are one logistic output there, so its 2-8-2 network is 2-8-1: a little less work than the others.
"""

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from networks import BETA1, BETA2, EPSILON, MOMENTUM
from workers import harness

warnings.simplefilter("ignore", ConvergenceWarning)  # it says that max_iter was reached: it should be


class Trainer:
    optimizers = ("sgd", "momentum", "adam")

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.X, self.y = X, y
        self.model = MLPClassifier(
            hidden_layer_sizes=network.sizes[1:-1],
            activation="relu",
            solver="adam" if optimizer == "adam" else "sgd",
            momentum=MOMENTUM if optimizer == "momentum" else 0,
            nesterovs_momentum=False,
            beta_1=BETA1,
            beta_2=BETA2,
            epsilon=EPSILON,
            learning_rate_init=learning_rate,
            alpha=0,
            batch_size=network.batch,
            shuffle=True,
            random_state=0,
            warm_start=True,
            tol=0,
            n_iter_no_change=10**9,
            max_iter=1,
        )
        self.model.fit(X, y)  # makes the arrays that the given weights then replace
        if self.model.n_outputs_ == network.sizes[-1]:
            self.model.coefs_ = [W.copy() for W, _ in weights]
            self.model.intercepts_ = [b.copy() for _, b in weights]

    def train(self, epochs):
        self.model.set_params(max_iter=epochs)
        self.model.fit(self.X, self.y)
        if self.model.n_iter_ != epochs:
            raise RuntimeError(f"scikit-learn trained {self.model.n_iter_} epochs and not {epochs}")
        return self.model.loss_curve_[-epochs:]

    def parameters(self):
        return list(zip(self.model.coefs_, self.model.intercepts_, strict=True))


if __name__ == "__main__":
    harness.main(Trainer)
