"""Books' examples that have to learn something, over many seeds: for the golden tests and `make accuracy`."""

import json
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.examples import mitchell, pyimagesearch_xor, teacher_student

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"


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
    return pyimagesearch_xor.train(2, seed, engine="numba")


def learned_xor(predictions):
    """Whether each prediction is near its target; trainings that fail leave two of them at a half."""
    return bool(np.abs(predictions - pyimagesearch_xor.TRUTH).max() < 0.1)


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
    """How many codes of three bits Mitchell's 8-3-8 network finds for eight rows; 8 tells them all apart."""
    return mitchell.codes(mitchell.train(seed, engine="numba"))


def student(seed):
    """A student of two ReLU layers learns what a random tanh teacher of one layer answers.

    Returns
    -------
    float
        R2 on 500 rows held back.
    """
    net, questions, answers, _ = teacher_student.train(seed, engine="numba")
    seen = teacher_student.SEEN
    return net.score(questions[seen:], answers[seen:])
