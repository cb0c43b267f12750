"""The four equations against the step's gradients, for many networks; the chains; pseudo-code."""

import re

import numpy as np
import pytest
from test_golden_networks import ROW, TARGET, mazur

import chainrule as cr
from chainrule.emit.mathtree import mathml
from chainrule.errors import NotFittedError, ParameterError, UnknownNameError
from chainrule.nn.activations import ACTIVATIONS

RNG = np.random.default_rng(3)
X = RNG.normal(size=(7, 3))
VALUES = RNG.normal(size=(7, 2))
CLASSES = [0, 1, 2, 2, 1, 0, 0]


def stack(*layers, loss="mse", **settings):
    net = cr.Network(layers, loss=loss, dtype="float64", **settings)
    net.build(3, seed=1)
    return net


CASES = {
    **{
        f"activation {name}": (stack(cr.Dense(4, name), cr.Dense(2, name)), VALUES) for name in ACTIVATIONS
    },
    **{
        f"loss {name}": (stack(cr.Dense(4, "tanh"), cr.Dense(2), loss=name), VALUES)
        for name in ("half_sum", "sum", "mae", "huber", "cosine")
    },
    "cross_entropy": (stack(cr.Dense(4, "relu"), cr.Dense(3), loss="cross_entropy"), CLASSES),
    "focal": (stack(cr.Dense(4, "relu"), cr.Dense(3), loss="focal"), CLASSES),
    "binary": (stack(cr.Dense(1), loss="binary_cross_entropy"), [0, 1, 1, 0, 0, 1, 1]),
    "one layer": (stack(cr.Dense(2, "logistic")), VALUES),
    "deep": (stack(*(cr.Dense(k, "tanh") for k in (5, 4, 3)), cr.Dense(2)), VALUES),
    "penalties": (stack(cr.Dense(4, "relu", l1=0.1, l2=0.2), cr.Dense(2, l2=0.1)), VALUES),
    "penalties per row": (stack(cr.Dense(4, l2=0.2), cr.Dense(2), penalties="per_row"), VALUES),
    "without biases": (stack(cr.Dense(4, "tanh", bias=False), cr.Dense(2)), VALUES),
    "frozen": (stack(cr.Dense(4, "tanh", frozen=True), cr.Dense(2, frozen="b")), VALUES),
    "named": (stack(cr.Dense(4, "tanh", name="gate"), cr.Dense(2)), VALUES),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_right_sides_are_the_gradients_of_the_step(name):
    net, y = CASES[name]
    made = net.equations(X, y)
    assert made.difference < 1e-14
    layers = net.names
    biases = [layer for layer in reversed(layers) if f"{layer}.b" in net.parameters]
    assert [(e.name, e.layer) for e in made.equations] == [
        ("BP1", layers[-1]),
        *(("BP2", layer) for layer in reversed(layers[:-1])),
        *(("BP3", layer) for layer in biases),
        *(("BP4", layer) for layer in reversed(layers)),
    ]
    assert set(made.chains) == set(net.parameters)


@pytest.mark.parametrize("notation", ["chainrule", "nielsen", "bishop", "mitchell"])
@pytest.mark.parametrize("name", ["deep", "penalties", "cross_entropy", "named"])
def test_all_forms_are_written_in_every_notation(name, notation):
    net, y = CASES[name]
    made = net.equations(X, y, notation=notation)
    assert made.difference == net.equations(X, y).difference
    for equation in made.equations:
        for latex in (equation.matrix, equation.component, *equation.factors):
            assert mathml(latex)
            assert latex.count("{") == latex.count("}")
    assert max(map(len, str(made).split("\n"))) <= 90
    page = made.to_markdown()
    assert page == made._repr_markdown_()
    assert all(f"$$ {e.matrix} $$" in page for e in made.equations)
    assert page.count("Largest difference") == len(made.equations)


def test_a_wrong_gradient_would_be_seen():
    """Where the step's gradient is another one: here by a penalty that the equations do not know."""
    net, y = CASES["penalties"]

    class Unknown(type(net["hidden1"])):
        asked = 0

        def penalty(self, leaves):
            Unknown.asked += 1
            return super().penalty(leaves) if Unknown.asked == 1 else None

    other = stack(Unknown(4, "relu", l2=0.2, weights=net["hidden1"].W), cr.Dense(2))
    found = {(e.name, e.layer): e.difference for e in other.equations(X, y).equations}
    wrong = {key for key, difference in found.items() if difference > 1e-3}
    assert wrong <= {("BP4", "hidden1")}


def test_nielsens_own_symbols():
    made = mazur().equations(ROW, TARGET, notation="nielsen")
    matrix = {(e.name, e.layer): e.matrix for e in made.equations}
    component = {(e.name, e.layer): e.component for e in made.equations}
    slope = r"\frac{\partial a^{2}}{\partial z^{2}}"
    assert matrix["BP2", "hidden1"] == rf"\delta^{{2}} = ((w^{{3}})^T\,\delta^{{3}}) \odot {slope}"
    assert matrix["BP4", "hidden1"] == r"\frac{\partial C}{\partial w^{2}} = \delta^{2}\,x^T"
    assert component["BP4", "output"] == (
        r"\frac{\partial C}{\partial w^{3}_{jk}} = \sum_{i} a^{2}_{ki}\,\delta^{3}_{ji}"
    )
    shapes = {(e.name, e.layer): e.shapes for e in made.equations}
    assert shapes["BP2", "hidden1"] == "(2, n) = ((2, 2) (2, n)) ⊙ (2, n)"
    assert made.loss == r"C = \operatorname{mean}(\sum_{j} 0.5 \cdot (a^{3} - y)^{2})"


def test_in_the_networks_own_symbols():
    text = str(mazur().equations(ROW, TARGET))
    for line in (
        "δ2 = ∂loss/∂a2 ⊙ ∂a2/∂z2",
        "δ1 = (δ2 W2ᵀ) ⊙ ∂a1/∂z1",
        "δ1,ij = (∑_k W2,jk δ2,ik) (∂a1,ij/∂z1,ij)",
        "where ∂a1/∂z1 = a1 ⊙ (1 − a1)",
        "∂loss/∂b1 = ∑_i δ1,i",
        "∂loss/∂W1 = xᵀ δ1",
        "hidden1.b: ∂loss/∂b1 = ∂loss/∂a2 · ∂a2/∂z2 · ∂z2/∂a1 · ∂a1/∂z1 · ∂z1/∂b1",
    ):
        assert f"  {line}\n" in text, line


def test_factors_and_penalties():
    net, y = CASES["penalties"]
    made = {(e.name, e.layer): e for e in net.equations(X, y).equations}
    assert made["BP2", "hidden1"].factors == [r"\frac{\partial a_1}{\partial z_1} = [a_1 > 0]"]
    assert made["BP4", "output"].matrix.endswith(r"a_1^T\,\delta_2 + 0.1 \cdot 2 \cdot W_2")
    assert made["BP1", "output"].matrix == r"\delta_2 = \frac{\partial \mathrm{loss}}{\partial z_2}"  # linear


def test_a_chain_skips_what_is_linear():
    chain = CASES["penalties"][0].equations().chains["hidden1.W"]
    steps = re.findall(r"\\partial (\S+?)}{\\partial (\S+?)}", chain)[1:]
    assert steps == [(r"\mathrm{loss}", "z_2"), ("z_2", "a_1"), ("a_1", "z_1"), ("z_1", "W_1")]


def test_without_rows_nothing_is_checked():
    net = cr.Network([cr.Dense(2)], loss="mse")
    with pytest.raises(NotFittedError, match="does not know its number of inputs"):
        net.equations()
    made = CASES["deep"][0].equations()
    assert made.difference is None
    assert "Not checked: pass rows and targets." in str(made)
    assert "Largest" not in made.to_markdown()


def shared():
    layer, x = cr.Dense(3, "tanh"), cr.Input(3)
    return cr.Network(cr.Dense(2)(layer(layer(x))), loss="mse", dtype="float64")


def two_inputs():
    return cr.Network(cr.Dense(2)(cr.Concatenate()(cr.Input(3), cr.Input(3))), loss="mse")


def two_outputs():
    x = cr.Input(3)
    return cr.Network([cr.Dense(2)(x), cr.Dense(2)(x)], loss=["mse", "mse"])


def softmax(z):
    return cr.softmax(z, axis=1)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (cr.Network([cr.Dense(3), cr.Dropout(0.5), cr.Dense(2)], "mse"), "layer 'dropout' is Dropout, and"),
        (
            cr.Network([cr.Dense(3), cr.BatchNorm(), cr.Dense(2)], "mse"),
            "layer 'batch_norm' is BatchNorm,",
        ),
        (cr.Network([cr.Maxout(3, 2), cr.Dense(2)], "mse"), "layer 'hidden1' is Maxout, and"),
        (
            cr.Network([cr.Dense(3, softmax), cr.Dense(2)], "mse"),
            "by the activation softmax, a unit",
        ),
        (shared(), "layer 'hidden1' does not just follow the one before it"),
        (two_inputs(), "the network has 2 inputs, and the four equations are for a plain stack of dense"),
        (two_outputs(), "the network has 2 outputs, and"),
    ],
)
def test_networks_that_are_no_plain_stack(net, message):
    net.build([3, 3] if "2 inputs" in message else 3, seed=0)
    with pytest.raises(ParameterError, match=f"equations: {message}"):
        net.equations()


def test_rows_without_targets():
    with pytest.raises(ParameterError, match="there is no loss without targets"):
        CASES["deep"][0].equations(X)


# pseudo-code --------------------------------------------------------------------------------------


def test_pseudocode_has_the_lines_of_the_source():
    for name in ("deep", "penalties", "cross_entropy", "activation gelu"):
        net = CASES[name][0]
        source = net.source("adam").partition("\ndef step(")[2]
        assigned = re.findall(r"^    (\w+) = (?!\w+\.shape)", source, re.MULTILINE)
        lines = [line for line in net.pseudocode("adam").split("\n") if line.startswith(" " * 12)]
        shown = [line.strip().partition(" ←")[0] for line in lines if not line.startswith(" " * 13)]
        assert [name.replace(" ", "_") for name in shown] == [n.removeprefix("new_") for n in assigned]


def test_pseudocode_of_mazur():
    assert (
        mazur().pseudocode(notation={"rate": "eta"})
        == """\
given: inputs x (n, 2), targets t (n, 2), learning rate η
weights: W1 (2, 2), W2 (2, 2), b1 (2,), b2 (2,)
repeat for each epoch:
    for each batch (x, t) of n rows:
        forward
            z1 ← x W1 + b1                                                (n, 2)
            a1 ← σ(z1)                                                    (n, 2)
            z2 ← a1 W2 + b2                                               (n, 2)
            a2 ← σ(z2)                                                    (n, 2)
            error ← a2 − t                                                (n, 2)
            loss ← mean(∑_j 0.5 · error²)
        backward
            d_error ← 0.5 / n · 2 · error                                 (n, 2)
            d_z2 ← d_error ⊙ a2 ⊙ (1 − a2)                                (n, 2)
            d_W2 ← a1ᵀ d_z2                                               (2, 2)
            d_a1 ← d_z2 W2ᵀ                                               (n, 2)
            d_z1 ← d_a1 ⊙ a1 ⊙ (1 − a1)                                   (n, 2)
            d_W1 ← xᵀ d_z1                                                (2, 2)
        update
            W1 ← W1 − η · d_W1                                            (2, 2)
            W2 ← W2 − η · d_W2                                            (2, 2)"""
    )


def test_pseudocode_says_what_the_optimizer_starts_with():
    text = CASES["one layer"][0].pseudocode("adam")
    assert "start: k ← 0, m_W1 ← 0, v_W1 ← 0, m_b1 ← 0, v_b1 ← 0" in text
    assert "z ← w x + b" not in text
    other = CASES["one layer"][0].pseudocode(cr.Adagrad(0.1, initial=0.5))
    assert "start: v_W1 ← 0.5, v_b1 ← 0.5" in other


def test_pseudocode_of_an_optimizer_without_steps():
    with pytest.raises(ParameterError, match="LBFGS takes no steps that could be printed"):
        CASES["deep"][0].pseudocode("lbfgs")
    with pytest.raises(UnknownNameError, match="notation 'x' is unknown"):
        CASES["deep"][0].pseudocode(notation="x")
