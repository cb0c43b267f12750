"""Keras on JAX: Sequential, compile and fit, as many steps as an epoch has in one call of its train function.

Of the ways that Keras has on a CPU this was the fastest. For 64-64-10, `fit` with its default of one step a
call took three times as long, `train_on_batch` in a loop seven times, its PyTorch backend more than ten.
"""

import keras

from networks import BETA1, BETA2, EPSILON
from workers import harness


class Trainer:
    optimizers = ("sgd", "adam", "lion")

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.X, self.y, self.batch = X, y, network.batch
        keras.utils.set_random_seed(0)
        *hidden, last = network.sizes[1:]
        dense = [*(keras.layers.Dense(units, "relu") for units in hidden), keras.layers.Dense(last)]
        self.model = keras.Sequential([keras.Input(network.sizes[:1]), *dense])
        for layer, pair in zip(dense, weights, strict=True):
            layer.set_weights(pair)
        if optimizer == "sgd":
            rule = keras.optimizers.SGD(learning_rate)
        elif optimizer == "lion":
            rule = keras.optimizers.Lion(learning_rate)
        else:
            rule = keras.optimizers.Adam(learning_rate, beta_1=BETA1, beta_2=BETA2, epsilon=EPSILON)
        self.model.compile(
            optimizer=rule,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=network.steps,
            jit_compile=True,
        )

    def train(self, epochs):
        history = self.model.fit(
            self.X, self.y, batch_size=self.batch, epochs=epochs, shuffle=True, verbose=0
        )
        return history.history["loss"]

    def parameters(self):
        return [layer.get_weights() for layer in self.model.layers]


if __name__ == "__main__":
    harness.main(Trainer)
