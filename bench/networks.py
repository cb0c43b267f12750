"""What the bench trains: six networks, their optimisers, random data, and the same first weights for all."""

from dataclasses import dataclass

OPTIMIZERS = ("sgd", "adam")  # what every library is timed with
RULES = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw", "nadam", "lion", "rprop")
MOMENTUM = 0.9
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Network:
    """Dense layers with ReLU between them, softmax cross-entropy at the end, float32 throughout."""

    sizes: tuple[int, ...]
    batch: int
    rows: int  # whole batches, and enough of them that an epoch is no shorter than a few hundred microseconds
    target: float  # how many times as fast as hand-written NumPy chainrule should be

    @property
    def name(self) -> str:
        return "-".join(map(str, self.sizes))

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and units of every layer."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.rows // self.batch

    @property
    def label(self) -> str:
        return f"{self.name}/{self.batch}"


NETWORKS = {
    network.name: network
    for network in (
        Network((2, 8, 2), batch=32, rows=1792, target=15),
        Network((64, 64, 10), batch=32, rows=1792, target=5),
        Network((784, 30, 10), batch=10, rows=5000, target=2.2),
        Network((54, 128, 64, 7), batch=256, rows=5120, target=1.7),
        Network((784, 128, 10), batch=128, rows=12800, target=1.4),
        Network((784, 1024, 1024, 10), batch=256, rows=2560, target=0.95),
    )
}
QUICK = ("2-8-2", "64-64-10")
RULE_LIBRARIES = ("chainrule", "torch", "sklearn")
RULE_NETWORKS = ("64-64-10", "784-128-10")  # where all rules are timed: a small network and a wider one
MEMORY = "784-128-10"  # the network whose peak memory is reported


def make_data(network: Network):
    """Standard normal inputs, shape (rows, inputs), and a random class for every row."""
    import numpy as np

    random = np.random.default_rng(0)
    X = random.standard_normal((network.rows, network.sizes[0]), dtype=np.float32)
    return X, random.integers(0, network.sizes[-1], network.rows)


def make_weights(network: Network):
    """(W, b) of every layer: He initial weights, shape (inputs, units), and zeros."""
    import numpy as np

    random = np.random.default_rng(1)
    return [
        (
            random.standard_normal((inputs, units), dtype=np.float32) * np.float32((2 / inputs) ** 0.5),
            np.zeros(units, np.float32),
        )
        for inputs, units in network.layers
    ]
