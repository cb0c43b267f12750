"""A teacher and its student: one network learns what another one answers.

A network with random weights knows all answers to its own questions. A
student of another shape, with another activation, sees 2,000 of them, and is
then asked 500 others.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "an exercise of many courses; an R2 of 1 would be the teacher itself"
SECONDS = 3
AGAINST = "asked"
SEEN, ASKED, LEAST_R2 = 2_000, 500, 0.99


def train(
    seed: int, epochs: int = 50, engine: str = "auto"
) -> tuple[cr.Network, np.ndarray, np.ndarray, cr.History]:
    """A student, all questions with the teacher's answers, and how the student learned the first of them."""
    random = np.random.Generator(np.random.Philox(key=seed))
    questions = random.standard_normal((SEEN + ASKED, 5))
    teacher = cr.Network([cr.Dense(8, "tanh"), cr.Dense(1)], loss="mse", dtype="float64")
    teacher.build(5, seed=seed)
    answers = teacher.predict(questions)[:, 0]
    student = cr.Network([cr.Dense(32, "relu"), cr.Dense(32, "relu"), cr.Dense(1)], loss="mse")
    history = student.fit(
        questions[:SEEN],
        answers[:SEEN],
        optimizer=cr.Adam(0.01),
        epochs=epochs,
        seed=seed + 1,
        engine=engine,
        verbose=False,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    return student, questions, answers, history


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then what was asked of the student beside ours."""
    student, questions, answers, history = train(seed=0)
    show("1. The student learns: mean squared error after epochs 1, 2, 5, 10, 20, 50")
    show("on what it saw", *(history.loss[k - 1] for k in (1, 2, 5, 10, 20, 50)))
    unseen, expected = questions[SEEN:], answers[SEEN:]
    given = student.predict(unseen)
    show("2. Questions that it has not seen: the teacher's answer, the student's")
    for k in range(5):
        show(f"question {k + 1}", expected[k], float(np.ravel(given[k])[0]))
    r2 = student.score(unseen, expected)
    show(f"R2 on {ASKED} questions", r2)
    return [
        ("R2 of at least 0.99 (1: yes)", "1", float(r2 >= LEAST_R2)),
        ("R2 on 500 unseen questions", "", r2),
    ]
