"""What accuracy's part about curvature and sharpness measures."""

import math

import numpy as np

import chainrule as cr
import second_order

X = np.linspace(-1, 1, 30)[:, None]
Y = np.sin(3 * X[:, 0])


def reached(rule, loss, epochs=100):
    net = cr.Network([cr.Dense(5, "tanh"), cr.Dense(1)], "mse", dtype="float64")
    goal = second_order.Goal(loss)
    history = net.fit(
        X, Y, optimizer=rule, batch_size=30, epochs=epochs, callbacks=[goal], engine="numpy", verbose=False
    )
    return goal, history


def test_a_goal_ends_a_fit_and_counts():
    goal, history = reached(cr.LevenbergMarquardt(), 1e-4)
    assert history.loss[-1] <= 1e-4 < history.loss[-2]
    assert (goal.updates, goal.evaluations) == (history.epochs, history.evaluations)
    assert history.stopped == "the goal is reached"
    assert 0 < goal.seconds < math.inf
    goal, history = reached(cr.Adam(0.01), 0.3)
    assert goal.evaluations == goal.updates == history.epochs


def test_a_goal_that_is_not_reached_is_infinite():
    goal, history = reached(cr.SGD(0.001), 1e-9, epochs=3)
    assert (goal.updates, goal.seconds, history.epochs) == (math.inf, math.inf, 3)
    assert second_order.whole(second_order.middle([3, math.inf, math.inf])) == "not reached"
    assert second_order.whole(second_order.middle([1000, 3000, math.inf])) == "3,000"


def test_wrong_labels_are_trained_on_and_right_ones_tested():
    score, seconds = second_order.digits(cr.SGD(0.05, momentum=0.9), 0, 1.0, 3)
    assert score < 0.1  # every label is wrong, so that the right one is the least likely
    assert seconds > 0
