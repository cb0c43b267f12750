"""Han and Kamber's 3-2-1 network: one row, one update, biases trained too.

Units 4 and 5 are hidden, unit 6 is the output, all of them logistic; the
learning rate is 0.9. The book's "error" of a unit is the slope of half the
squared error by the unit's net input, with the opposite sign: it points
downhill.
"""

from collections.abc import Callable

import chainrule as cr

SOURCE = "Jiawei Han and Micheline Kamber, Data Mining, example of backpropagation"
SECONDS = 1
ROW, TARGET, RATE = [[1, 0, 1]], [[1]], 0.9
W1, b1 = [[0.2, -0.3], [0.4, 0.1], [-0.5, 0.2]], [-0.4, 0.2]  # rows: inputs 1 to 3; columns: units 4 and 5
W2, b2 = [[-0.3], [-0.2]], [0.1]
PUBLISHED = {
    "net 4": "-0.7",
    "net 5": "0.1",
    "net 6": "-0.105",
    "output 4": "0.332",
    "output 5": "0.525",
    "output 6": "0.474",
    "error 6": "0.1311",
    "error 5": "-0.0065",
    "error 4": "-0.0087",
    "w46": "-0.261",
    "w56": "-0.138",
    "w14": "0.192",
    "w15": "-0.306",
    "w24": "0.4",
    "w25": "0.1",
    "w34": "-0.508",
    "w35": "0.194",
    "bias 6": "0.218",
    "bias 5": "0.194",
    "bias 4": "-0.408",
}
DIFFERENCES = """\
* The book goes on with numbers that it has rounded to three decimals, 0.474
for the output of unit 6: 0.474 * (1 - 0.474) * (1 - 0.474) = 0.1311."""


def network() -> cr.Network:
    """The network with its initial weights."""
    hidden = cr.Dense(2, "logistic", weights=W1, bias=b1)
    output = cr.Dense(1, "logistic", weights=W2, bias=b2)
    return cr.Network([hidden, output], loss="half_sum", dtype="float64")


def conventions() -> cr.ConventionComparison:
    """By which convention the published weights come: with the biases trained, all slopes first."""
    published = {
        "output.W": [[PUBLISHED["w46"]], [PUBLISHED["w56"]]],
        "output.b": [PUBLISHED["bias 6"]],
        "hidden1.b": [PUBLISHED["bias 4"], PUBLISHED["bias 5"]],
    }
    return cr.compare_conventions(network(), ROW, TARGET, published, optimizer=cr.SGD(RATE))


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    weights_1, weights_2 = cr.tensor(W1), cr.tensor(W2)
    net_45 = cr.tensor(ROW, dtype="float64") @ weights_1 + b1
    out_45 = cr.logistic(net_45)
    net_6 = out_45 @ weights_2 + b2
    out_6 = cr.logistic(net_6)
    E = (0.5 * (TARGET - out_6) ** 2).sum()
    nets = [*net_45.numpy()[0], *net_6.numpy()[0]]
    outputs = [*out_45.numpy()[0], *out_6.numpy()[0]]
    show("1. Forward: units 4, 5 and 6")
    show("net input", *nets)
    show("output = logistic(net)", *outputs)
    show("half the squared error", float(E))

    slopes = [slope.numpy()[0] for slope in cr.gradient(E, [net_45, net_6])]
    errors = [-slopes[0][0], -slopes[0][1], -slopes[1][0]]
    show("2. Backward: the error of a unit is the slope by its net input, times -1")
    show("errors of 4, 5 and 6", *errors)

    show("3. One update of weights and biases, by Network.fit")
    net = network()
    net.fit(ROW, TARGET, optimizer=cr.SGD(RATE), batch_size=1, epochs=1, verbose=False)
    new = net.parameters
    show("w46, w56", *new["output.W"][:, 0])
    for k, weights in enumerate(new["hidden1.W"], 1):
        show(f"w{k}4, w{k}5", *weights)
    show("biases of 4, 5 and 6", *new["hidden1.b"], *new["output.b"])

    ours = {f"net {unit}": value for unit, value in zip((4, 5, 6), nets, strict=True)}
    ours |= {f"output {unit}": value for unit, value in zip((4, 5, 6), outputs, strict=True)}
    ours |= {f"error {unit}": value for unit, value in zip((4, 5, 6), errors, strict=True)}
    ours |= {f"w{k}{unit}": new["hidden1.W"][k - 1, unit - 4] for k in (1, 2, 3) for unit in (4, 5)}
    ours |= {f"w{unit}6": new["output.W"][unit - 4, 0] for unit in (4, 5)}
    ours |= {"bias 4": new["hidden1.b"][0], "bias 5": new["hidden1.b"][1], "bias 6": new["output.b"][0]}
    return [(name, PUBLISHED[name], value) for name, value in ours.items()]
