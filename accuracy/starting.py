"""What a start decides: first weights of deep networks, and the learning rate that the finder suggests.

python accuracy/run.py starting

Signals are measured before training; then each network is trained, with the same rule and seeds.
"""

import warnings

import numpy as np

import chainrule as cr
from batch_sizes import digits
from chainrule.training.rate_finder import SHARE
from table import table
from worked_examples import fit

SEEDS = 3
DEPTHS, UNITS, EPOCHS = (10, 30, 50), 64, 5
TRAINED = 30  # the depth at which networks are trained
INITS = {
    "normal, 0.01": cr.inits.Normal(0.01),
    "glorot": cr.inits.Glorot(),
    "lecun": cr.inits.LeCun(),
    "he": cr.inits.He(),
    "orthogonal": cr.inits.Orthogonal(),
    "orthogonal, sqrt 2": cr.inits.Orthogonal(2**0.5),
    "lsuv": None,
}
SUITED = {"tanh": "glorot", "relu": "he", "selu": "lecun"}
WRONG = {"tanh": "normal, 0.01", "relu": "glorot", "selu": "normal, 0.01"}
ACTIVATIONS = ("tanh", "relu", "selu", "logistic")
RULE = cr.SGD(0.05, momentum=0.9, clip_norm=1.0)
SAID = "gradient descent (rate 0.05, momentum 0.9, gradients clipped to a norm of 1)"
SPAN = 100.0  # a signal that stays is within this factor over thirty layers, forwards and backwards

RATES = tuple(10 ** (k / 2) for k in range(-8, 1))
FINDER_EPOCHS = 10
RULES = {"sgd": cr.SGD, "adam": cr.Adam, "rmsprop": cr.RMSProp}
WITHIN = 0.02, 0.15  # above the least loss of all rates, as a share of a constant answer's: mean and most


def report(seeds, tell):
    """The section's text, and whether all that is asked is met."""
    count = SEEDS if seeds is None else seeds
    signals, learned, starts_met = starts(count, tell)
    found, finder_met, above = rates(count, tell)
    depths = [f"{depth} layers" for depth in DEPTHS]
    text = [
        f"Deep networks of {UNITS} units a layer on the digits, standardised: first the standard deviation "
        "of the last hidden layer's results as a multiple of the first one's, then the gradient of the "
        "loss by the first one's as a multiple of the last one's (root mean square), before training:",
        table(["activation, first weights", *depths, *(f"back, {depth}" for depth in DEPTHS)], signals),
        f"The same with {TRAINED} layers after {EPOCHS} epochs of {SAID}, batches of 32, mean of "
        f"{count} seeds (guessing has a loss of 2.30 and 10%):",
        table(["activation, first weights", "training loss", "accuracy on test rows"], learned),
        f"Learning rates that `find_learning_rate` suggests, beside the best of {len(RATES)} from 0.0001 to "
        f"1: {FINDER_EPOCHS} epochs of two hidden layers of 64 units, batches of 32, mean of {count} seeds. "
        "`above` is by how much the training loss is then above that with the best rate, as a share of the "
        "loss of a constant answer:",
        table(["data, activation, rule", "suggested", "best", "its loss", "suggested's", "above"], found),
        f"That is, with the rate at the bottom of the valley divided by {SHARE}, on average "
        f"{_average(above[SHARE])}; undivided, {_average(above[1])}; divided by 10, {_average(above[10])}.",
    ]
    return "\n\n".join(text), starts_met and finder_met


def _average(shares):
    return f"{np.mean(shares):.1%} (at most {max(shares):.1%})"


# first weights ------------------------------------------------------------------------------------


def data():
    """Rows to train on and to test on, standardised by the first."""
    (X, y), _, (X_test, y_test) = digits()
    mean, spread = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-9)
    return ((X - mean) / spread, y), ((X_test - mean) / spread, y_test)


def deep(activation, init, depth, seed, X):
    """A deep network with its first weights."""
    layers = [cr.Dense(UNITS, activation, init=init) for _ in range(depth)]
    net = cr.Network([*layers, cr.Dense(10, init=init)], loss="cross_entropy")
    if init is None:
        net.build_lsuv(X, seed=seed)
    else:
        net.build(X.shape[1], seed=seed)
    return net


def starts(seeds, tell):
    """Rows of both tables, and whether suited weights keep signals and learn, and wrong ones do not."""
    (X, y), testing = data()
    signals, learned, kept, losses = [], [], {}, {}
    for activation in ACTIVATIONS:
        for name, init in INITS.items():
            tell(f"starting: {activation}, {name}")
            forward, backward = [], []
            for depth in DEPTHS:
                found = deep(activation, init, depth, 0, X).signals(X[:256], y[:256])
                forward.append(found.forward)
                backward.append(found.backward)
                kept[activation, name, depth] = found
            signals.append([f"{activation}, {name}", *(f"{x:.2g}" for x in (*forward, *backward))])
            ends = [trained(activation, init, X, y, testing, seed) for seed in range(seeds)]
            loss, accuracy = np.mean(ends, axis=0)
            losses[activation, name] = loss
            learned.append([f"{activation}, {name}", f"{loss:.3f}", f"{accuracy:.1%}"])
    met = True
    for activation, suited in SUITED.items():
        right, wrong = kept[activation, suited, TRAINED], kept[activation, WRONG[activation], TRAINED]
        met &= all(1 / SPAN < x < SPAN for x in (right.forward, right.backward))
        met &= not 1 / SPAN < wrong.forward < SPAN
        met &= losses[activation, suited] < 1.9 < 2.2 < losses[activation, WRONG[activation]]
    return signals, learned, met


def trained(activation, init, X, y, testing, seed):
    """The last epoch's loss, and the accuracy on rows to test on."""
    net = deep(activation, init, TRAINED, seed, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        history = fit(net, X, y, optimizer=RULE, batch_size=32, epochs=EPOCHS, seed=seed, engine="numba")
    return history.loss[-1], net.evaluate(*testing)["accuracy"]


# learning rates -----------------------------------------------------------------------------------


def sets():
    """Small sets of scikit-learn's, all columns standardised, with the outputs that they need."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

    for load, outputs in ((load_digits, 10), (load_breast_cancer, 2), (load_diabetes, 1)):
        X, y = load(return_X_y=True)
        X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
        yield load.__name__.removeprefix("load_"), X, (y - y.mean()) / y.std() if outputs == 1 else y, outputs


def rates(seeds, tell):
    """Rows of the table, whether the suggestions are good, and how far above the best any share would be."""
    rows, above = [], {SHARE: [], 1: [], 10: []}
    for name, X, y, outputs in sets():
        constant = 1.0 if outputs == 1 else -sum(p * np.log(p) for p in np.bincount(y) / len(y))
        for activation in ("relu", "tanh"):
            for title, rule in RULES.items():
                tell(f"learning rates: {name}, {activation}, {title}")
                losses = {rate: mean_loss(X, y, outputs, activation, rule(rate), seeds) for rate in RATES}
                best = min(losses, key=losses.get)
                lowest = [
                    network(outputs, activation).find_learning_rate(X, y, optimizer=title, seed=seed).lowest
                    for seed in range(seeds)
                ]
                own = {}
                for share, each in above.items():
                    own[share] = np.mean(
                        [
                            one_loss(X, y, outputs, activation, rule(rate / share), seed)
                            for seed, rate in enumerate(lowest)
                        ]
                    )
                    each.append((own[share] - losses[best]) / constant)
                rows.append(
                    [
                        f"{name}, {activation}, {title}",
                        f"{np.exp(np.mean(np.log(lowest))) / SHARE:.2g}",
                        f"{best:.2g}",
                        f"{losses[best]:.3g}",
                        f"{own[SHARE]:.3g}",
                        f"{above[SHARE][-1]:.1%}",
                    ]
                )
    mean, most = WITHIN
    return rows, bool(np.mean(above[SHARE]) <= mean and max(above[SHARE]) <= most), above


def network(outputs, activation):
    layers = [cr.Dense(64, activation), cr.Dense(64, activation), cr.Dense(outputs)]
    return cr.Network(layers, loss="mse" if outputs == 1 else "cross_entropy")


def one_loss(X, y, outputs, activation, rule, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        net = network(outputs, activation)
        history = fit(
            net, X, y, optimizer=rule, batch_size=32, epochs=FINDER_EPOCHS, seed=seed, engine="numba"
        )
    return np.inf if history.diverged else history.loss[-1]


def mean_loss(X, y, outputs, activation, rule, seeds):
    return np.mean([one_loss(X, y, outputs, activation, rule, seed) for seed in range(seeds)])
