"""Published numbers, reproduced on plain tensors; where a source is wrong, its number stands beside."""

import json
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.engine import compile_program

pytestmark = pytest.mark.golden

GOLDEN = Path(__file__).parent / "golden"
ENGINES = ["numpy", "numba"]


def published(name):
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


# micrograd ------------------------------------------------------------------------------------


def test_the_program_of_micrograds_readme():
    numbers = published("micrograd")
    a, b = cr.tensor(numbers["a"], name="a"), cr.tensor(numbers["b"], name="b")
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{float(g):.4f}" == f"{numbers['g']:.4f}"
    g.backward()
    assert f"{float(a.grad):.4f}" == f"{numbers['da']:.4f}"
    assert f"{float(b.grad):.4f}" == f"{numbers['db']:.4f}"


# Mazur's 2-2-2 network ------------------------------------------------------------------------

MAZUR = published("mazur")


class Mazur:
    """The network of the example: two inputs, two hidden and two output units, biases frozen."""

    def __init__(self, weights=None):
        hidden, output = (MAZUR["W1"], MAZUR["W2"]) if weights is None else weights
        self.W1, self.W2 = cr.tensor(hidden, name="W1"), cr.tensor(output, name="W2")
        x, t = cr.tensor(MAZUR["x"]), cr.tensor(MAZUR["target"])
        self.net_h = self.W1 @ x + MAZUR["b1"]
        self.out_h = cr.logistic(self.net_h)
        self.net_o = self.W2 @ self.out_h + MAZUR["b2"]
        self.out_o = cr.logistic(self.net_o)
        self.errors = 0.5 * (t - self.out_o) ** 2
        self.loss = self.errors.sum()

    def updated(self):
        slopes = cr.gradient(self.loss, [self.W1, self.W2])
        return [w - MAZUR["learning_rate"] * g for w, g in zip([self.W1, self.W2], slopes, strict=True)]


def close(got, expected):
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-9)


def test_mazur_forward():
    net, numbers = Mazur(), MAZUR["forward"]
    close(net.net_h[0], numbers["net_h1"])
    close(net.out_h, numbers["out_h"])
    close(net.net_o[0], numbers["net_o1"])
    close(net.out_o, numbers["out_o"])
    close(net.errors, numbers["errors"])
    close(net.loss, numbers["total"])


def test_mazur_backward():
    net, numbers = Mazur(), MAZUR["backward"]
    net.loss.backward()
    close(net.W2.grad[0, 0], numbers["dE_dw5"])
    close(net.net_o.grad[0], numbers["delta_o1"])
    close(net.out_h.grad[0], numbers["dE_dout_h1"])
    close(net.W1.grad[0, 0], numbers["dE_dw1"])


def recomputed_update():
    """The new weights by the delta rule, written in NumPy by hand."""
    x, t, W1, W2 = (np.array(MAZUR[key]) for key in ("x", "target", "W1", "W2"))
    out_h = 1 / (1 + np.exp(-(W1 @ x + MAZUR["b1"])))
    out_o = 1 / (1 + np.exp(-(W2 @ out_h + MAZUR["b2"])))
    delta_o = (out_o - t) * out_o * (1 - out_o)
    delta_h = (delta_o @ W2) * out_h * (1 - out_h)
    rate = MAZUR["learning_rate"]
    return W1 - rate * np.outer(delta_h, x), W2 - rate * np.outer(delta_o, out_h)


def test_mazur_one_update():
    new = Mazur().updated()
    for got, expected in zip(new, recomputed_update(), strict=True):
        close(got, expected)
    printed = MAZUR["updated_w1_to_w8"]  # with eight or nine decimals
    np.testing.assert_allclose(np.concatenate([w.numpy().ravel() for w in new]), printed, rtol=0, atol=5e-9)
    numbers = MAZUR["after_one_update"]
    error = float(Mazur(new).loss)
    assert error == pytest.approx(numbers["recomputed"], abs=1e-9)
    assert error != pytest.approx(numbers["published"], abs=1e-9)


def test_mazur_published_error_comes_of_another_order():
    """The source updates the output weights before it computes the hidden layer's deltas from them."""
    net = Mazur()
    W1, W2 = (w.numpy() for w in net.updated())
    delta_o = ((net.out_o - MAZUR["target"]) * net.out_o * (1 - net.out_o)).numpy()
    out_h = net.out_h.numpy()
    delta_h = (delta_o @ W2) * out_h * (1 - out_h)
    wrong = np.array(MAZUR["W1"]) - MAZUR["learning_rate"] * np.outer(delta_h, MAZUR["x"])
    assert float(Mazur((wrong, W2)).loss) == pytest.approx(MAZUR["after_one_update"]["published"], abs=1e-9)
    assert not np.allclose(wrong, W1, rtol=0, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_mazur_ten_thousand_updates(engine):
    net, numbers = Mazur(), MAZUR["after_10000_updates"]
    updates = dict(zip([net.W1, net.W2], net.updated(), strict=True))
    run = compile_program(cr.Program([], {"loss": net.loss, "outputs": net.out_o}, updates), engine)
    for _ in range(10_000):
        run()
    last = run()
    assert float(last["loss"]) == pytest.approx(numbers["recomputed_error"], rel=1e-9)
    np.testing.assert_allclose(last["outputs"], numbers["recomputed_outputs"], rtol=0, atol=1e-9)
    assert not np.allclose(last["outputs"], numbers["published_outputs"], rtol=0, atol=1e-7)


# XOR without a hidden layer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "weights"), [("numba", [0.0, 0.0]), ("numba", [2.0, -1.0]), ("numpy", [2.0, -1.0])]
)
def test_xor_is_too_much_for_one_layer(engine, weights):
    numbers = published("xor_no_hidden_layer")
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    targets = np.array([0.0, 1.0, 1.0, 0.0])
    x = cr.placeholder(("n", 2), "float64", name="x")
    t = cr.placeholder(("n",), "float64", name="t")
    w, b = cr.tensor(weights, name="w"), cr.tensor(0.5, name="b")
    loss = (0.5 * (cr.logistic(x @ w + b) - t) ** 2).sum()
    slopes = cr.gradient(loss, [w, b])
    rate = numbers["learning_rate"]
    updates = {v: v - rate * g for v, g in zip([w, b], slopes, strict=True)}
    run = compile_program(cr.Program([x, t], {"loss": loss}, updates), engine)
    order = np.tile(np.arange(4), numbers["epochs"])
    losses = run.epoch([rows, targets], order, 1)
    assert len(losses) == len(order)
    ends = cr.logistic(rows @ cr.tensor(run.state[w]) + run.state[b]).numpy()
    np.testing.assert_allclose(ends, numbers["predictions"], rtol=0, atol=5e-7)
