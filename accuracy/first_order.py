"""First-order rules in epochs: encoders, two spirals, and small batches, where some of them lose."""

import warnings
from functools import partial

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import chainrule as cr
from chainrule.examples.variants import MOST, Training, encoder
from table import table
from worked_examples import draws

PLAIN, CURED, LEFT_OUT = "logistic", "logistic(flat_spot=0.1)", "logistic(slope=0.25)"
DESCENT = "gradient descent"


def rates(make, *values):
    """A rule with each of some learning rates, by the text that tables show."""
    return {f"{value:g}": make(value) for value in values}


def delta_bar_delta(rate):
    return cr.DeltaBarDelta(rate, kappa=0.3 * rate, phi=0.3)


def quickprop(rows):
    """Fahlman's decay is for slopes that are sums over rows."""
    return lambda rate: cr.Quickprop(rate, weight_decay=1e-4 / rows)


def momentum(share):
    return lambda rate: cr.SGD(rate, momentum=share)


def adam(rate):
    return cr.Adam(rate, beta1=0.5)


# encoders -------------------------------------------------------------------------------------


def encoder_rules(rows):
    """The activation and the rules that are tried, by method."""
    return {
        DESCENT: (PLAIN, rates(cr.SGD, 8.0, 16.0, 32.0, 64.0)),
        "momentum 0.5": (PLAIN, rates(momentum(0.5), 4.0, 8.0, 16.0, 32.0)),
        "descent, slopes + 0.1": (CURED, rates(cr.SGD, 4.0, 8.0, 16.0, 32.0)),
        "descent, slopes 0.25": (LEFT_OUT, rates(cr.SGD, 4.0, 8.0, 16.0, 32.0)),
        "sign descent": (PLAIN, rates(cr.SignSGD, 0.05, 0.1, 0.2, 0.4)),
        "delta-bar-delta": (PLAIN, rates(delta_bar_delta, 4.0, 8.0, 16.0, 32.0)),
        "Rprop": (PLAIN, rates(cr.Rprop, 0.1, 0.3, 1.0, 3.0)),
        "Rprop, slopes + 0.1": (CURED, rates(cr.Rprop, 0.1, 0.3, 1.0, 3.0)),
        "quickprop": (PLAIN, rates(quickprop(rows), 2.0, 4.0, 8.0, 16.0, 32.0)),
        "quickprop, slopes + 0.1": (CURED, rates(quickprop(rows), 2.0, 4.0, 8.0, 16.0, 32.0)),
        "Adam, beta1 0.5": (PLAIN, rates(adam, 0.1, 0.2, 0.4, 0.8)),
    }


def encoders(rows, hidden, seeds, tell):
    """Epochs of each method at its best learning rate; Rprop and quickprop must be far below descent."""
    seeds, data, best = seeds or 21, np.eye(rows), {}
    for method, (activation, tried) in encoder_rules(rows).items():
        tell(f"encoder {rows}-{hidden}-{rows}: {method}")
        runs = {}
        for rate, rule in tried.items():
            training = Training(encoder(rows, hidden, activation), rule, data, data)
            runs[rate] = np.array([training.epochs(seed, rule.learning_rate) for seed in range(seeds)])
        best[method] = min(runs.items(), key=lambda item: (np.median(item[1][:, 0]), item[1][:, 1].sum()))
    lines, plain = [], np.median(best[DESCENT][1][:, 0])
    for method, (rate, found) in best.items():
        low, middle, high = np.percentile(found[:, 0], (25, 50, 75))
        failed = f"{found[:, 1].sum():.0f}"
        lines.append(
            (method, rate, f"{middle:.0f}", f"{low:.0f} to {high:.0f}", failed, f"{plain / middle:.1f}")
        )
    medians = {method: np.median(found[:, 0]) for method, (_, found) in best.items()}
    met = all(3 * medians[method] < plain for method in ("Rprop", "quickprop"))
    met = met and medians["descent, slopes + 0.1"] < plain
    head = ("method", "rate", "epochs, median", "quartiles", "failed starts", "times as fast")
    text = (
        f"### Encoder {rows}-{hidden}-{rows}, epochs of {rows} rows\n\n{table(head, lines)}\n\n"
        f"{seeds} seeds; all weights from -1 to 1; learned when every output is within 0.4 of its target; "
        f"after {MOST} epochs a new start, whose epochs count on. Asked: Rprop and quickprop at least three "
        f"times as fast as descent, slopes + 0.1 faster than without: {'met' if met else 'not met'}."
    )
    return text, met


# two spirals ----------------------------------------------------------------------------------

LONGEST, SPREAD = 6000, 0.3


def spirals():
    """Wieland's 194 points, as the CMU benchmark archive has them."""
    i = np.arange(97)
    angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return np.concatenate([points, -points]), np.repeat([[1.0], [0.0]], len(i), axis=0)


def with_shortcuts(units=10, hidden=3):
    """Lang and Witbrock's kind of network: each layer sees all the layers before it."""
    seen = [cr.Input(2)]
    for _ in range(hidden):
        seen.append(cr.Dense(units, "tanh")(cr.Concatenate()(*seen) if seen[1:] else seen[0]))
    return cr.Network(cr.Dense(1)(cr.Concatenate()(*seen)), loss="binary_cross_entropy", dtype="float64")


SPIRAL_RULES = {
    DESCENT: rates(cr.SGD, 0.1, 0.3, 1.0),
    "momentum 0.9": rates(momentum(0.9), 0.1, 0.3, 1.0),
    "sign descent": rates(cr.SignSGD, 0.0003, 0.001, 0.003),
    "delta-bar-delta": rates(delta_bar_delta, 0.03, 0.1, 0.3),
    "Rprop": rates(cr.Rprop, 0.01, 0.1, 1.0),
    "quickprop": rates(quickprop(194), 0.1, 0.3, 1.0),
    "Adam": rates(cr.Adam, 0.01, 0.03, 0.1),
}


def two_spirals(seeds, tell):
    """Epochs of each method at its best learning rate, without new starts; Rprop must be below descent."""
    (X, T), seeds, best = spirals(), seeds or 5, {}
    for method, tried in SPIRAL_RULES.items():
        tell(f"two spirals: {method}")
        runs = {}
        for rate, rule in tried.items():
            training = Training(with_shortcuts(), rule, X, T, cr.logistic)
            counts = [training.wrong(draws(s), SPREAD, rule.learning_rate, LONGEST) for s in range(seeds)]
            runs[rate] = np.array([(np.append(c, 0).argmin(), c.min()) for c in counts])
        best[method] = min(runs.items(), key=lambda item: tuple(np.median(item[1], axis=0)))
    lines = []
    for method, (rate, found) in best.items():
        learned = (found[:, 1] == 0).sum()
        lines.append(
            (method, rate, epochs(np.median(found[:, 0])), epochs(found[:, 0].min()), f"{learned} of {seeds}")
        )
    medians = {method: np.median(found[:, 0]) for method, (_, found) in best.items()}
    met = medians["Rprop"] < medians[DESCENT] and medians["quickprop"] < medians[DESCENT]
    text = (
        f"### Two spirals, epochs of {len(X)} rows\n\n"
        f"{table(('method', 'rate', 'epochs, median', 'least', 'learned'), lines)}\n\n"
        f"2-10-10-10-1 with shortcuts, tanh, cross-entropy; {seeds} seeds, weights from -{SPREAD} to "
        f"{SPREAD}; learned when every row's probability is within 0.4 of its class. Lang and Witbrock's "
        "2-5-5-5-1 of logistic units is reported to take 20,000 epochs of descent, 8,000 of quickprop and "
        f"6,000 of Rprop. Asked: Rprop and quickprop sooner than descent: {'met' if met else 'not met'}."
    )
    return text, met


def epochs(number):
    return f"{number:.0f}" if number < LONGEST else f"over {LONGEST}"


# batches --------------------------------------------------------------------------------------

BATCH, TIMES = 16, 30
BATCH_RULES = {
    DESCENT: rates(cr.SGD, 0.1, 0.3, 1.0, 3.0),
    "momentum 0.9": rates(momentum(0.9), 0.03, 0.1, 0.3, 1.0),
    "sign descent": rates(cr.SignSGD, 0.001, 0.003, 0.01, 0.03),
    "delta-bar-delta": rates(delta_bar_delta, 0.1, 0.3, 1.0, 3.0),
    "Rprop": rates(cr.Rprop, 0.0001, 0.001, 0.01, 0.1),
    "quickprop": rates(quickprop(1437), 0.1, 0.3, 1.0, 3.0),
    "Adam": rates(cr.Adam, 0.003, 0.01, 0.03, 0.1),
}


def small_batches(seeds, tell):
    """Accuracy of each method on all rows at once and on small batches; on these, descent must not lose."""
    X, y = load_digits(return_X_y=True)
    seeds, lines, medians = seeds or 5, [], {}
    for method, tried in BATCH_RULES.items():
        tell(f"digits in batches: {method}")
        line = [method]
        for size in (len(X), BATCH):
            runs = {
                rate: [digits(X / 16, y, rule, size, seed) for seed in range(seeds)]
                for rate, rule in tried.items()
            }
            rate = max(runs, key=lambda rate, runs=runs: np.median(runs[rate]))
            medians[method, size] = np.median(runs[rate])
            line += [rate, f"{medians[method, size]:.4f}"]
        lines.append(line)
    gains = {
        (method, size): medians[method, size] - medians[DESCENT, size]
        for method in ("Rprop", "quickprop")
        for size in (len(X), BATCH)
    }
    met = all((gain > 0) == (size == len(X)) for (_, size), gain in gains.items())
    text = (
        f"### Digits, all rows at once and {BATCH} at a time\n\n"
        f"{table(('method', 'rate', 'accuracy, all rows', 'rate', f'accuracy, {BATCH} rows'), lines)}\n\n"
        f"scikit-learn's digits, 64-32-10, tanh, cross-entropy; {TIMES} epochs; median accuracy on the fifth "
        f"of the rows that each of {seeds} seeds holds back. Expected: Rprop and quickprop better than "
        f"descent on all rows, no better on small batches: {'so it is' if met else 'not so'}."
    )
    return text, met


def digits(X, y, rule, batch, seed):
    """The accuracy on rows held back; of a training that diverges, that of what it had reached."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=y)
    net = cr.Network([cr.Dense(32, "tanh"), cr.Dense(10)], loss="cross_entropy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        history = net.fit(
            X, y, optimizer=rule, batch_size=batch, epochs=TIMES, seed=seed, engine="numba", verbose=False
        )
    if history.interrupted:
        raise KeyboardInterrupt
    return float((net.predict(X_test) == y_test).mean())


PROBLEMS = [partial(encoders, 8, 3), partial(encoders, 10, 5), two_spirals, small_batches]
