"""Examples that books compute by hand, through Network; where a source is wrong, its number stands beside."""

import numpy as np
import pytest

import chainrule as cr
from worked_examples import published

pytestmark = pytest.mark.golden

ENGINES = ["numpy", "numba"]


def close(got, expected, digits=9):
    np.testing.assert_allclose(got, expected, rtol=0, atol=10.0**-digits)


def trained(net, X, y, learning_rate, epochs=1, engine="numpy"):
    """The history of updates of one batch, all rows."""
    return net.fit(
        X, y, optimizer=cr.SGD(learning_rate), batch_size=len(X), epochs=epochs, engine=engine, verbose=False
    )


def slopes(before, after, learning_rate):
    """The gradients that one update by gradient descent has used, by the weights' names."""
    return {name: (before[name] - after[name]) / learning_rate for name in before}


def hidden(net, X):
    """What a network's first layer answers."""
    return cr.Network(net.layers[:1], loss="mse", dtype=net.dtype).predict(X)


# Mazur's 2-2-2 network ------------------------------------------------------------------------

MAZUR = published("mazur")
ROW, TARGET, RATE = [MAZUR["x"]], [MAZUR["target"]], MAZUR["learning_rate"]


def mazur(frozen="b"):
    layers = [
        cr.Dense(2, "logistic", weights=np.transpose(MAZUR[W]), bias=[MAZUR[b]] * 2, frozen=frozen)
        for W, b in (("W1", "b1"), ("W2", "b2"))
    ]
    return cr.Network(layers, loss="half_sum", dtype="float64")


def test_mazur_forward():
    net, numbers = mazur(), MAZUR["forward"]
    close(hidden(net, ROW), [numbers["out_h"]])
    close(net.predict(ROW), [numbers["out_o"]])
    close(0.5 * (net.predict(ROW) - TARGET) ** 2, [numbers["errors"]])
    close(net.calculate_loss(ROW, TARGET), numbers["total"])


@pytest.mark.parametrize("engine", ENGINES)
def test_mazur_backward(engine):
    net, numbers = mazur(frozen=False), MAZUR["backward"]
    before = net.parameters
    trained(net, ROW, TARGET, RATE, engine=engine)
    slope = slopes(before, net.parameters, RATE)
    delta_o = slope["output.b"]  # a bias is added to its unit's sum, so their slopes are the same
    close(slope["output.W"][0, 0], numbers["dE_dw5"])
    close(delta_o[0], numbers["delta_o1"])
    close(before["output.W"][0] @ delta_o, numbers["dE_dout_h1"])
    close(slope["hidden1.W"][0, 0], numbers["dE_dw1"])


@pytest.mark.parametrize("engine", ENGINES)
def test_mazur_one_update(engine):
    net, numbers = mazur(), MAZUR["after_one_update"]
    biases = net["hidden1"].b, net["output"].b
    history = trained(net, ROW, TARGET, RATE, engine=engine)
    close(history.loss, [MAZUR["forward"]["total"]])
    found = np.concatenate([net["hidden1"].W.T.ravel(), net["output"].W.T.ravel()])
    np.testing.assert_allclose(found, MAZUR["updated_w1_to_w8"], rtol=0, atol=5e-9)  # printed with 8 or 9
    np.testing.assert_array_equal((net["hidden1"].b, net["output"].b), biases)
    error = net.calculate_loss(ROW, TARGET)
    close(error, numbers["recomputed"])
    assert abs(error - numbers["published"]) > 1e-8


def test_mazur_one_update_as_the_printed_source_makes_it():
    net, namespace = mazur(), {}
    exec(net.source(cr.SGD(RATE)), namespace)
    first, last = net["hidden1"], net["output"]
    weights = {"W1": first.W, "b1": first.b, "W2": last.W, "b2": last.b}
    loss, W1, W2 = namespace["step"](np.array(ROW), np.array(TARGET), **weights, lr=RATE)
    close(loss, MAZUR["forward"]["total"])
    trained(net, ROW, TARGET, RATE)
    np.testing.assert_array_equal(W1, net["hidden1"].W)
    np.testing.assert_array_equal(W2, net["output"].W)


def test_mazur_one_update_with_trained_biases():
    net = mazur(frozen=False)
    trained(net, ROW, TARGET, RATE)
    close(net.calculate_loss(ROW, TARGET), MAZUR["after_one_update"]["with_trained_biases"])


@pytest.mark.parametrize("engine", ENGINES)
def test_mazur_ten_thousand_updates(engine):
    net, numbers = mazur(), MAZUR["after_10000_updates"]
    history = trained(net, ROW, TARGET, RATE, epochs=10_000, engine=engine)
    assert net.calculate_loss(ROW, TARGET) == pytest.approx(numbers["recomputed_error"], rel=1e-9)
    close(net.predict(ROW), [numbers["recomputed_outputs"]])
    assert not np.allclose(net.predict(ROW), numbers["published_outputs"], rtol=0, atol=1e-7)
    # the published error is the one before the last update
    assert history.loss[-1] == pytest.approx(numbers["error_after_9999_updates"], rel=1e-7)
    close(history.loss[-1], numbers["published_error"], digits=10)


def test_mazur_published_outputs_come_of_another_order():
    """The source computes the hidden layer's deltas from output weights that are already updated."""
    numbers = MAZUR["after_10000_updates"]
    x, t, W1, W2 = (np.array(MAZUR[key]) for key in ("x", "target", "W1", "W2"))

    def forward():
        out_h = 1 / (1 + np.exp(-(W1 @ x + MAZUR["b1"])))
        return out_h, 1 / (1 + np.exp(-(W2 @ out_h + MAZUR["b2"])))

    for update in range(10_000):
        out_h, out_o = forward()
        delta_o = (out_o - t) * out_o * (1 - out_o)
        W2 = W2 - RATE * np.outer(delta_o, out_h)
        W1 = W1 - RATE * np.outer((delta_o @ W2) * out_h * (1 - out_h), x)
        if update == 0:
            close(0.5 * ((forward()[1] - t) ** 2).sum(), MAZUR["after_one_update"]["published"])
    close(forward()[1], numbers["outputs_in_the_wrong_order"])
    close(forward()[1], numbers["published_outputs"])


# Han and Kamber's 3-2-1 network ---------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_han_and_kamber(engine):
    numbers = published("han_kamber")
    row, target, rate = [numbers["x"]], [numbers["target"]], numbers["learning_rate"]
    W1 = [[numbers[f"w{i}{j}"] for j in (4, 5)] for i in (1, 2, 3)]
    W2 = [[numbers["w46"]], [numbers["w56"]]]
    first = cr.Dense(2, "logistic", weights=W1, bias=[numbers["b4"], numbers["b5"]])
    second = cr.Dense(1, "logistic", weights=W2, bias=[numbers["b6"]])
    net = cr.Network([first, second], loss="half_sum", dtype="float64")

    outputs = np.append(hidden(net, row), net.predict(row))
    close(outputs, numbers["out_456"], digits=3)
    close(np.log(outputs / (1 - outputs)), numbers["net_456"], digits=3)

    before = net.parameters
    trained(net, row, target, rate, engine=engine)
    slope = slopes(before, net.parameters, rate)
    delta_6, (delta_4, delta_5) = slope["output.b"][0], slope["hidden1.b"]
    close([-delta_6, -delta_5, -delta_4], numbers["delta_654"], digits=3)  # the book's are of target - output

    after = net.parameters
    named = {f"w{i}{j}": after["hidden1.W"][i - 1, j - 4] for i in (1, 2, 3) for j in (4, 5)}
    named |= {f"w{i}6": after["output.W"][i - 4, 0] for i in (4, 5)}
    named |= {"b4": after["hidden1.b"][0], "b5": after["hidden1.b"][1], "b6": after["output.b"][0]}
    assert named.keys() == numbers["updated"].keys()
    for name, value in named.items():
        close(value, numbers["updated"][name], digits=3)


# a single neuron ------------------------------------------------------------------------------


def test_a_single_neuron():
    numbers = published("single_neuron")
    weights = {"weights": np.transpose([numbers["w"]]), "bias": [numbers["b"]]}
    row, target = [numbers["x"]], [[numbers["target"]]]
    summed = cr.Network([cr.Dense(1, **weights)], loss="half_sum", dtype="float64")
    close(summed.predict(row), [[numbers["net"]]])
    neuron = cr.Network([cr.Dense(1, "logistic", **weights)], loss="half_sum", dtype="float64")
    close(neuron.predict(row), [[numbers["out"]]])
    close(neuron.calculate_loss(row, target), numbers["error"])


# hours of sleep and study, and a score --------------------------------------------------------


@pytest.mark.parametrize(("engine", "seed"), [("numba", 0), ("numba", 1), ("numba", 2), ("numpy", 0)])
def test_student_scores(engine, seed):
    numbers = published("student_scores")
    hours, score = np.array(numbers["x_hours"], float), np.array(numbers["score"]) / 100
    X = hours / hours.max(axis=0)
    layers = [cr.Dense(3, "logistic", bias=False), cr.Dense(1, "logistic", bias=False)]
    net = cr.Network(layers, loss="mse", dtype="float64")
    net.build(2, seed=seed)
    assert sum(weights.size for weights in net.parameters.values()) == 2 * 3 + 3 * 1
    start = net.calculate_loss(X, score)
    trained(net, X, score, numbers["learning_rate"], epochs=numbers["updates"], engine=engine)
    assert net.calculate_loss(X, score) < numbers["largest_mse"] < start
