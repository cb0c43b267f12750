"""A single neuron: inputs times weights, a bias, and a curve that bends the sum.

Two inputs; first the sum alone, a linear neuron, then the logistic function
of it, and how far that is from what it should be.
"""

from collections.abc import Callable

import chainrule as cr

SOURCE = "the first network of a tutorial on neural networks in NumPy"
SECONDS = 1
ROW, TARGET = [[0.1, 0.3]], [[0.03]]
WEIGHTS, BIAS = [[0.5], [0.2]], [1.83]
PUBLISHED = {"sum": "1.94", "output": "0.874352143", "error": "0.356465271"}


def run(show: Callable[..., None]) -> list[tuple[str, str, float]]:
    """The steps, then each published quantity with the number printed and ours."""
    summed = cr.Network([cr.Dense(1, weights=WEIGHTS, bias=BIAS)], loss="half_sum", dtype="float64")
    bent = cr.Dense(1, "logistic", weights=WEIGHTS, bias=BIAS)
    neuron = cr.Network([bent], loss="half_sum", dtype="float64")
    total, output = summed.predict(ROW)[0, 0], neuron.predict(ROW)[0, 0]
    error = neuron.calculate_loss(ROW, TARGET)
    show("1. Forward")
    show("0.1 * 0.5 + 0.3 * 0.2", 0.1 * 0.5 + 0.3 * 0.2)
    show("and the bias, 1.83", total)
    show("logistic of that", output)
    show("half (0.03 - output)^2", error)

    show("2. One update with a learning rate of 1: the output comes nearer")
    neuron.fit(ROW, TARGET, optimizer=cr.SGD(1.0), batch_size=1, epochs=1, verbose=False)
    show("weights and bias", *neuron.parameters["output.W"][:, 0], *neuron.parameters["output.b"])
    show("output", neuron.predict(ROW)[0, 0])
    show("error", neuron.calculate_loss(ROW, TARGET))
    ours = {"sum": total, "output": output, "error": error}
    return [(name, PUBLISHED[name], value) for name, value in ours.items()]
