"""Mazur's 2-2-2 network: forward, backward and one update, number by number.

Two inputs, two hidden units and two outputs, all of them logistic. The error
is half the squared errors, summed; the biases stay as they are. One row, and
a learning rate of 0.5.
"""

from collections.abc import Callable

import numpy as np

import chainrule as cr

SOURCE = "Matt Mazur, A Step by Step Backpropagation Example (mattmazur.com, 2015)"
SECONDS = 2
ROW, TARGET, RATE = [[0.05, 0.10]], [[0.01, 0.99]], 0.5
W1, b1 = [[0.15, 0.25], [0.20, 0.30]], [0.35, 0.35]  # a column for each unit
W2, b2 = [[0.40, 0.50], [0.45, 0.55]], [0.60, 0.60]
PUBLISHED = {
    "net_h1": "0.3775",
    "out_h1": "0.593269992",
    "out_h2": "0.596884378",
    "net_o1": "1.105905967",
    "out_o1": "0.751365070",
    "out_o2": "0.772928465",
    "E_o1": "0.274811083",
    "E_o2": "0.023560026",
    "E": "0.298371109",
    "delta_o1": "0.138498562",
    "dE/dw5": "0.082167041",
    "dE/dout_h1": "0.036350306",
    "dE/dw1": "0.000438568",
    "w1": "0.149780716",
    "w2": "0.19956143",
    "w3": "0.24975114",
    "w4": "0.29950229",
    "w5": "0.358916480",
    "w6": "0.408666186",
    "w7": "0.511301270",
    "w8": "0.561370121",
    "E, 1 update": "0.291027924",
    "E, 10,000 updates": "0.0000351085",
    "out_o1, 10,000 updates": "0.015912196",
    "out_o2, 10,000 updates": "0.984065734",
}
DIFFERENCES = """\
* Three slips, which are easily made:
- The order of an update. The hidden layer's slopes depend on the output
  layer's weights, and these must be the weights of before the update. The
  published error after one update comes of updating the output layer's
  weights first ("layer by layer"), though the text warns of that, and though
  its w1 to w8 are right.
- The outputs after 10,000 updates come of the same wrong order.
- The error after 10,000 updates is that of the right order, but from before
  the last update.
`chainrule examples mazur --conventions` finds that out from the numbers."""


def network() -> cr.Network:
    """The network with its initial weights."""
    hidden = cr.Dense(2, "logistic", weights=W1, bias=b1, frozen="b")
    output = cr.Dense(2, "logistic", weights=W2, bias=b2, frozen="b")
    return cr.Network([hidden, output], loss="half_sum", dtype="float64")


def conventions() -> cr.ConventionComparison:
    """Which convention makes the published error after one update, and which makes ours."""
    ours = f"{cr.Conventions().train(network(), ROW, TARGET, optimizer=cr.SGD(RATE)).error:.9f}"
    return cr.compare_conventions(
        network(), ROW, TARGET, PUBLISHED["E, 1 update"], ours, optimizer=cr.SGD(RATE)
    )


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    x, t = cr.tensor(ROW), cr.tensor(TARGET)
    weights_1, weights_2 = cr.tensor(W1), cr.tensor(W2)

    net_h = x @ weights_1 + b1
    out_h = cr.logistic(net_h)
    net_o = out_h @ weights_2 + b2
    out_o = cr.logistic(net_o)
    errors = 0.5 * (t - out_o) ** 2
    E = errors.sum()
    show("1. Forward")
    show("net_h = x @ W1 + b1", *net_h.numpy()[0])
    show("out_h = logistic(net_h)", *out_h.numpy()[0])
    show("net_o = out_h @ W2 + b2", *net_o.numpy()[0])
    show("out_o = logistic(net_o)", *out_o.numpy()[0])
    show("errors (t - out_o)^2 / 2", *errors.numpy()[0])
    show("E, their sum", float(E))

    dE = cr.gradient(E, [out_o, net_o, weights_2, out_h, net_h, weights_1])
    d_out_o, delta_o, d_W2, d_out_h, delta_h, d_W1 = (slope.numpy() for slope in dE)
    show("2. Backward: the slopes of E, from the last to the first")
    show("dE/dout_o", *d_out_o[0])
    show("delta_o = dE/dnet_o", *delta_o[0])
    show("dE/dW2 (w5 to w8)", *d_W2.T.ravel())
    show("dE/dout_h", *d_out_h[0])
    show("delta_h = dE/dnet_h", *delta_h[0])
    show("dE/dW1 (w1 to w4)", *d_W1.T.ravel())

    new_1, new_2 = np.array(W1) - RATE * d_W1, np.array(W2) - RATE * d_W2
    show("3. Update: each weight less 0.5 times its slope")
    show("w1 to w4", *new_1.T.ravel())
    show("w5 to w8", *new_2.T.ravel())

    show("4. The same by Network.fit, and what else the update could have been")
    net = network()
    net.fit(ROW, TARGET, optimizer=cr.SGD(RATE), batch_size=1, epochs=1, verbose=False)
    show("w1 to w4", *net.parameters["hidden1.W"].T.ravel())
    right = net.calculate_loss(ROW, TARGET)
    wrong_order = cr.Conventions(order="layer_by_layer")
    wrong = wrong_order.train(network(), ROW, TARGET, optimizer=cr.SGD(RATE)).error
    trained = cr.Conventions(biases="trained").train(network(), ROW, TARGET, optimizer=cr.SGD(RATE)).error
    show("E, all slopes first", right)
    show("E, layer by layer", wrong)
    show("E, biases trained too", trained)

    show("5. 10,000 updates")
    history = net.fit(ROW, TARGET, optimizer=cr.SGD(RATE), batch_size=1, epochs=9_999, verbose=False)
    if history.interrupted:
        raise KeyboardInterrupt
    error, before = net.calculate_loss(ROW, TARGET), history.loss[-1]
    outputs = net.predict(ROW)[0]
    layered = wrong_order.train(network(), ROW, TARGET, optimizer=cr.SGD(RATE), updates=10_000)
    show("outputs", *outputs)
    show("E, and before the last", error, before)
    show("outputs, layer by layer", *layered.outputs[0])

    ours: dict[str, float] = {
        "net_h1": net_h.numpy()[0, 0],
        **dict(zip(("out_h1", "out_h2"), out_h.numpy()[0], strict=True)),
        "net_o1": net_o.numpy()[0, 0],
        **dict(zip(("out_o1", "out_o2"), out_o.numpy()[0], strict=True)),
        **dict(zip(("E_o1", "E_o2"), errors.numpy()[0], strict=True)),
        "E": float(E),
        "delta_o1": delta_o[0, 0],
        "dE/dw5": d_W2[0, 0],
        "dE/dout_h1": d_out_h[0, 0],
        "dE/dw1": d_W1[0, 0],
        **{f"w{k}": value for k, value in enumerate([*new_1.T.ravel(), *new_2.T.ravel()], 1)},
    }
    rows = [(name, PUBLISHED[name], value) for name, value in ours.items()]
    rows += [
        ("E, 1 update", PUBLISHED["E, 1 update"], right),
        ("  layer by layer", PUBLISHED["E, 1 update"], wrong),
        ("E, 10,000 updates", PUBLISHED["E, 10,000 updates"], error),
        ("  before the last update", PUBLISHED["E, 10,000 updates"], before),
    ]
    for k, name in enumerate(("out_o1, 10,000 updates", "out_o2, 10,000 updates")):
        rows.append((name, PUBLISHED[name], outputs[k]))
        rows.append(("  layer by layer", PUBLISHED[name], layered.outputs[0, k]))
    return rows
