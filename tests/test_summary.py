"""The summary: what it counts, for chains and drawn networks, and that it fits a page."""

import pytest

from chainrule.errors import NotFittedError
from chainrule.nn.dense import Dense
from chainrule.nn.maxout import Maxout
from chainrule.nn.merge import Add, Concatenate
from chainrule.nn.network import BaseNetwork
from chainrule.nn.regularise import BatchNorm, Dropout, LayerNorm
from chainrule.nn.scaling import Rescale, Standardize
from chainrule.nn.summary import summary
from chainrule.nn.wiring import Input


def built(layers, inputs, dtype="float32"):
    net = BaseNetwork(layers, "mse", dtype)
    net.build(inputs)
    return net


def skipping(dtype="float32"):
    x = Input(8)
    return BaseNetwork(Dense(1)(Dense(8, "relu")(x) + x), "mse", dtype)


def two_inputs(dtype):
    words, picture = Input(3, name="words"), Input(2, name="picture")
    shared = Dense(4, bias=False)
    joined = Concatenate()(shared(words), Dense(3)(picture), shared(words))
    return BaseNetwork([Dense(2)(joined), Dense(1, name="size")(picture)], ["mse", "mse"], dtype)


# for each line its title, columns, trained and other numbers, and operations for one row; then what it takes
NETWORKS = [
    (
        lambda dtype: built([Dense(64, "relu"), Dense(10)], 64, dtype),
        [
            ("x (input)", 64, 0, 0, 0),
            ("hidden1 (dense)", 64, 4160, 0, 2 * 64 * 64 + 64 + 64),
            ("output (dense)", 10, 650, 0, 2 * 64 * 10 + 10),
        ],
    ),
    (
        lambda dtype: built([Dense(4, bias=False, frozen=True), Dense(2, frozen="b", name="gate")], 3, dtype),
        [
            ("x (input)", 3, 0, 0, 0),
            ("hidden1 (dense)", 4, 0, 12, 24),
            ("gate (dense)", 2, 8, 2, 16 + 2),
        ],
    ),
    (
        lambda dtype: built([Dense(4), BatchNorm(), Dropout(0.5), BatchNorm(frozen=True)], 2, dtype),
        [
            ("x (input)", 2, 0, 0, 0),
            ("output (dense)", 4, 12, 0, 2 * 2 * 4 + 4),
            # x - mean, / root, * gamma, + beta, and the root of var + eps; a division is two, a root three
            ("batch_norm1", 4, 8, 8, 4 * (1 + 2 + 1 + 1 + 1 + 3)),
            ("dropout", 4, 0, 0, 0),
            ("batch_norm2", 4, 0, 16, 36),
        ],
    ),
    (
        lambda dtype: built([Standardize([0, 0], [1, 1]), Maxout(3, 2), Rescale([0] * 3, [1] * 3)], 2, dtype),
        [
            ("x (input)", 2, 0, 0, 0),
            ("standardize", 2, 0, 4, 2 * (1 + 2)),
            # a number is moved to where its unit's other pieces are, and compared
            ("output (maxout)", 3, 18, 0, 2 * 2 * 6 + 6 + 6 + 3),
            ("rescale", 3, 0, 6, 6),
        ],
    ),
    (
        skipping,
        [
            ("x (input)", 8, 0, 0, 0),
            ("hidden1 (dense)", 8, 72, 0, 2 * 64 + 8 + 8),
            ("add", 8, 0, 0, 8, "hidden1, x"),
            ("output (dense)", 1, 9, 0, 16 + 1),
        ],
    ),
    (
        two_inputs,
        [
            ("words (input)", 3, 0, 0, 0),
            ("picture (input)", 2, 0, 0, 0),
            ("hidden1 (dense)", 4, 12, 0, 24, "words"),
            ("hidden2 (dense)", 3, 9, 0, 12 + 3, "picture"),
            ("hidden1 (dense), again", 4, 0, 0, 24, "words"),
            ("concatenate", 11, 0, 0, 11, "hidden1, hidden2, hidden1"),
            ("output1 (dense)", 2, 24, 0, 44 + 2),
            ("size (dense)", 1, 3, 0, 4 + 1, "picture"),
        ],
    ),
]


def parsed(text):
    """The table's lines as tuples, what they take at the end; the total's numbers; the last line."""
    lines = text.split("\n")
    heading, rule, *body = lines[: lines.index("")]
    assert heading.split() == ["layer", "output", "trained", "fixed", "operations", "bytes", "bytes/row"]
    assert set(rule) == {"-"}
    assert body[-2] == rule
    rows = []
    for line in body[:-2]:
        if line.startswith("  takes "):
            rows[-1] = (*rows[-1], line.removeprefix("  takes "))
            continue
        title, columns = line.split("  (n, ")
        columns, *numbers = columns.replace(",", "").replace(")", "").split()
        rows.append((title.strip(), int(columns), *map(int, numbers)))
    label, *numbers = body[-1].replace(",", "").split()
    assert label == "total"
    return rows, [int(number) for number in numbers], lines[-1]


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize(("make", "expected"), NETWORKS)
def test_lines_of_a_summary(make, expected, dtype, size):
    rows, total, last = parsed(summary(make(dtype)))
    wanted = [
        (title, columns, trained, fixed, operations, (trained + fixed) * size, columns * size, *takes)
        for title, columns, trained, fixed, operations, *takes in expected
    ]
    assert rows == wanted
    assert total == [sum(row[i] for row in wanted) for i in range(2, 7)]
    parameters = total[0] + total[1]
    assert last == f"{parameters:,} parameters of {dtype}, {parameters * size:,} bytes"


def test_numbers_of_parameters_are_those_of_the_network():
    net = built([Dense(5, "tanh"), BatchNorm(), LayerNorm(), Maxout(4, 3), Dense(2)], 7)
    _, total, _ = parsed(summary(net))
    assert total[0] + total[1] == sum(value.size for value in net.parameters.values())


def test_a_summary_needs_the_number_of_inputs_but_no_weights():
    net = BaseNetwork([Dense(4), Dense(2)], loss="mse")
    with pytest.raises(
        NotFittedError, match=r"summary: the network does not know its number of inputs yet. Call fit"
    ):
        summary(net)
    drawn = skipping()
    assert not drawn.built
    before = summary(drawn)
    drawn.build()
    assert summary(drawn) == before
    net.build(3)
    assert "(n, 4)" in summary(net)


@pytest.mark.parametrize(
    ("layers", "inputs"),
    [
        ([Dense(1024), Dense(1024), Dense(10)], 784),
        ([Dense(3, name="a_name_of_a_layer_that_is_much_too_long_for_a_table_of_eighty_columns")], 2),
    ],
)
def test_a_summary_is_at_most_80_columns_wide(layers, inputs):
    lines = summary(built(layers, inputs)).split("\n")
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)


def test_a_summary_of_a_huge_network_is_at_most_80_columns_wide():
    xs = [Input(123_456, name=f"input_with_a_long_name_{i}") for i in range(4)]
    joined = Concatenate()(*xs)
    net = BaseNetwork(Dense(99_999)(BatchNorm(frozen=True)(Add()(joined, joined))), loss="mse")
    text = summary(net)
    assert max(map(len, text.split("\n"))) <= 80
    assert "4.94e+10" in text  # 493,824 * 99,999 + 99,999 weights and biases
    assert "takes input_with_a_long_name_0, input_with_a_long_name_1, input_with_a_long..." in text
