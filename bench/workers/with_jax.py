"""JAX: one jit-compiled call an epoch, which scans over the batches; Adam by hand; its buffers donated."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from networks import BETA1, BETA2, EPSILON
from workers import harness


def loss_of(layers, x, t):
    *hidden, (W, b) = layers
    for V, c in hidden:
        x = jax.nn.relu(x @ V + c)
    log_p = jax.nn.log_softmax(x @ W + b)
    return -jnp.take_along_axis(log_p, t[:, None], axis=1).mean()


def sgd(layers, gradients, state, learning_rate):
    return jax.tree.map(lambda p, g: p - learning_rate * g, layers, gradients), state


def adam(layers, gradients, state, learning_rate):
    m, v, t = state
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, gradients)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, gradients)
    rate, root_correction = learning_rate / (1 - BETA1**t), jnp.sqrt(1 - BETA2**t)
    layers = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) / root_correction + EPSILON), layers, m, v
    )
    return layers, (m, v, t)


@partial(jax.jit, static_argnames=("update", "learning_rate"), donate_argnames=("layers", "state"))
def run_epoch(layers, state, X, y, order, update, learning_rate):
    """An epoch over `order`, shape (steps, batch); returns the layers, the state and the mean loss."""

    def step(carry, index):
        layers, state = carry
        loss, gradients = jax.value_and_grad(loss_of)(layers, X[index], y[index])
        return update(layers, gradients, state, learning_rate), loss

    (layers, state), losses = jax.lax.scan(step, (layers, state), order)
    return layers, state, losses.mean()


class Trainer:
    optimizers = ("sgd", "adam")

    def __init__(self, network, optimizer, learning_rate, X, y, weights):
        self.network = network
        self.X, self.y = jnp.asarray(X), jnp.asarray(y, dtype=jnp.int32)
        self.layers = [(jnp.array(W), jnp.array(b)) for W, b in weights]
        self.update, self.learning_rate = {"sgd": sgd, "adam": adam}[optimizer], learning_rate
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.state = (
            () if optimizer == "sgd" else (zeros(self.layers), zeros(self.layers), jnp.zeros((), jnp.float32))
        )
        self.random = np.random.default_rng(0)

    def train(self, epochs):
        shape = (self.network.steps, self.network.batch)
        losses = []
        for _ in range(epochs):
            order = self.random.permutation(self.network.rows).astype(np.int32).reshape(shape)
            self.layers, self.state, loss = run_epoch(
                self.layers, self.state, self.X, self.y, order, self.update, self.learning_rate
            )
            losses.append(loss)
        jax.block_until_ready(self.layers)
        return losses

    def parameters(self):
        return [(np.asarray(W), np.asarray(b)) for W, b in self.layers]


if __name__ == "__main__":
    harness.main(Trainer)
