"""Books' examples that have to learn something; the golden tests and `make accuracy` run the same code."""

import json
from pathlib import Path

import numpy as np

import chainrule as cr

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
XOR_ROWS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_TARGETS = np.array([0.0, 1.0, 1.0, 0.0])


def published(name):
    """An example's numbers, as tests/golden has them."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def draws(seed):
    """NumPy's generator with the Philox bits of a seed: the same numbers everywhere."""
    return np.random.Generator(np.random.Philox(key=seed))


def fit(net, X, y, **options):
    """Train compiled and without a bar; Ctrl-C ends the program, not only this training."""
    history = net.fit(X, y, **{"engine": "numba", "verbose": False, **options})
    if history.interrupted:
        raise KeyboardInterrupt
    return history


def xor(seed):
    """A 2-2-1 network trained on XOR row by row.

    Returns
    -------
    predictions : ndarray, shape (4,)
    loss : float
        Of the last epoch, summed over the four rows, as the source does it.
    """
    numbers = published("xor_hidden_2")
    net = cr.Network([cr.Dense(2, "logistic"), cr.Dense(1, "logistic")], loss="half_sum", dtype="float64")
    history = fit(
        net,
        XOR_ROWS,
        XOR_TARGETS,
        optimizer=cr.SGD(numbers["learning_rate"]),
        batch_size=numbers["batch"],
        epochs=numbers["epochs"],
        shuffle=False,
        seed=seed,
    )
    return net.predict(XOR_ROWS), 4 * history.loss[-1]


def learned_xor(predictions):
    """Whether each prediction is near its target; a local minimum leaves two of them at a half."""
    return bool(np.abs(predictions - XOR_TARGETS).max() < 0.1)


def digits(seed):
    """A 64-32-16-10 network of logistic units trained on scikit-learn's digits row by row.

    Returns
    -------
    float
        The mean over classes of F1, on the 450 rows held back; the seed draws weights and split.
    """
    from sklearn.datasets import load_digits
    from sklearn.metrics import f1_score
    from sklearn.model_selection import train_test_split

    numbers = published("digits_64_32_16_10")
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X / 16, y, test_size=numbers["test_rows"], random_state=seed
    )
    net = cr.Network([cr.Dense(units, "logistic") for units in (32, 16, 10)], loss="half_sum")
    fit(
        net,
        X_train,
        np.eye(10)[y_train],
        optimizer=cr.SGD(numbers["learning_rate"]),
        batch_size=1,
        epochs=numbers["epochs"],
        shuffle=False,
        seed=seed,
    )
    return float(f1_score(y_test, net.predict(X_test).argmax(axis=1), average="macro"))


def hidden_codes(seed):
    """How many codes of three bits Mitchell's 8-3-8 network finds for eight rows; 8 tells them all apart.

    All weights start between -0.1 and 0.1, the biases too.
    """
    numbers = published("mitchell_8_3_8")
    rows, random = np.eye(8), draws(seed)

    def layer(inputs, units):
        W, b = random.uniform(*numbers["init"], (inputs, units)), random.uniform(*numbers["init"], units)
        return cr.Dense(units, "logistic", weights=W, bias=b)

    net = cr.Network([layer(8, 3), layer(3, 8)], loss="half_sum", dtype="float64")
    fit(
        net,
        rows,
        rows,
        optimizer=cr.SGD(numbers["learning_rate"]),
        batch_size=1,
        epochs=numbers["iterations"],
        shuffle=False,
    )
    codes = cr.Network(net.layers[:1], loss="mse", dtype="float64").predict(rows).round()
    return len(np.unique(codes, axis=0))


def student(seed):
    """A student of two ReLU layers learns what a random tanh teacher of one layer answers.

    Returns
    -------
    float
        R2 on 500 rows held back.
    """
    rows = draws(seed).standard_normal((2500, 5))
    teacher = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse", dtype="float64")
    teacher.build(5, seed=seed)
    answers = teacher.predict(rows)[:, 0]
    net = cr.Network([cr.Dense(32, "relu"), cr.Dense(32, "relu"), cr.Dense(1)], loss="mse")
    fit(
        net,
        rows[:2000],
        answers[:2000],
        optimizer=cr.Adam(0.01),
        epochs=50,
        seed=seed + 1,
    )
    return net.score(rows[2000:], answers[2000:])
