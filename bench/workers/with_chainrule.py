"""chainrule: Network.fit with the compiled engine, timed whole, its checks of the data included."""

import chainrule as cr
from chainrule.optim.rules import OPTIMIZERS
from networks import BETA1, BETA2, EPSILON, MOMENTUM
from workers import harness


def make_rule(name, learning_rate):
    if name == "momentum":
        return cr.SGD(learning_rate, momentum=MOMENTUM)
    if name == "adam":
        return cr.Adam(learning_rate, beta1=BETA1, beta2=BETA2, eps=EPSILON)
    return OPTIMIZERS[name](learning_rate)


class Trainer:
    optimizers = (*OPTIMIZERS, "momentum")

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.network, self.X, self.y = network, X, y
        *hidden, (W, b) = weights
        layers = [cr.Dense(V.shape[1], "relu", weights=V, bias=c) for V, c in hidden]
        self.net = cr.Network(
            [*layers, cr.Dense(W.shape[1], weights=W, bias=b)], loss="cross_entropy", dtype="float32"
        )
        self.optimizer = make_rule(optimizer, learning_rate)

    def train(self, epochs):
        history = self.net.fit(
            self.X,
            self.y,
            optimizer=self.optimizer,
            batch_size=self.network.batch,
            epochs=epochs,
            shuffle=True,
            seed=0,
            engine="numba",
            verbose=False,
        )
        return history.loss

    def parameters(self):
        names = [*(f"hidden{k}" for k in range(1, len(self.network.layers))), "output"]
        return [(self.net[name].W, self.net[name].b) for name in names]


if __name__ == "__main__":
    harness.main(Trainer)
