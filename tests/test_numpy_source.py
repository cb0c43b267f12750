"""Printed source: it runs with NumPy alone, gives the interpreter's values, and reads like a textbook."""

import ast
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_programs import classifier, random_program

import chainrule as cr
from chainrule.emit.numpy_source import compile_source, numpy_source, signature
from chainrule.errors import ParameterError
from chainrule.graph.evaluate import interpret
from chainrule.graph.op import HELPERS
from chainrule.graph.tensor import constant, size
from chainrule.shapes import Size

GOLDEN = Path(__file__).with_name("golden")
N = Size.named("n")


def run(program, arrays, source=None):
    """What the printed function returns, and what the interpreter says, as lists."""
    function = compile_source(program)
    if source is not None:
        namespace = {}
        exec(source, namespace)
        function = namespace[program.name]
    values = dict(zip(program.inputs, arrays, strict=True)) | {v: v.value for v in program.variables}
    found = function(*(np.asarray(values[leaf])[()] for leaf in signature(program)))
    return list(found) if isinstance(found, tuple) else [found], interpret(program.roots, values)


def check(program, *arrays, tolerance=1e-12):
    """The source, after a comparison of values, shapes and types."""
    found, expected = run(program, arrays)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert np.shape(a) == b.shape
        assert np.asarray(a).dtype == b.dtype
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    return numpy_source(program)


def body_of(source):
    return source.split("\n\n\n")[-1]


# how it reads ---------------------------------------------------------------------------------


def test_the_source_of_a_classifier_is_the_textbooks():
    program, _ = classifier([64, 64, 10], dtype="float32")
    assert numpy_source(program) == (GOLDEN / "classifier_64_64_10.txt").read_text(encoding="utf-8")


def test_with_momentum_and_adam_every_state_is_an_argument_and_a_result():
    for rule, states in (("momentum", ["m_W1", "m_b1"]), ("adam", ["k", "m_W1", "v_W1"])):
        source = numpy_source(classifier([4, 3, 2], rule)[0])
        head = next(line for line in source.splitlines() if line.startswith("def step"))
        for name in states:
            assert f" {name}," in head
            assert name in source.splitlines()[-1]


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_calling_the_source_again_and_again_trains(rule):
    program, _ = classifier([4, 8, 3], rule, dtype="float64")
    step = compile_source(program)
    order = signature(program)
    draw = np.random.default_rng(0)
    x, t = draw.normal(size=(30, 4)), draw.integers(0, 3, 30)
    state = {v: v.value for v in program.variables}
    inputs = dict(zip(program.inputs, [x, t, 0.05], strict=True))
    losses = []
    for _ in range(60):
        loss, *new = step(*(np.asarray((state | inputs)[leaf])[()] for leaf in order))
        expected = interpret(program.roots, state | inputs)
        for a, b in zip([loss, *new], expected, strict=True):
            assert np.allclose(a, b, rtol=1e-12, atol=1e-13)
        state.update(zip(program.updates, new, strict=True))
        losses.append(loss)
    assert losses[-1] < 0.9 * losses[0]


def test_each_section_has_one_heading():
    source = numpy_source(classifier([4, 3, 2], "adam")[0])
    for heading in ("# forward", "# backward", "# update"):
        assert source.count(heading) == 1


def test_without_updates_there_are_no_headings():
    x = cr.placeholder((N, 3), "float64", "x")
    assert "#" not in body_of(numpy_source(cr.Program([x], {"y": cr.tanh(x) + 1}))).replace("# (n, 3)", "")


def test_a_network_by_hand_reads_as_it_was_written():
    x = cr.placeholder((N, 2), "float64", "x")
    W, b = cr.tensor(np.ones((2, 3)), name="W"), cr.tensor(np.zeros(3), name="b")
    h = cr.tanh(x @ W + b)
    h.name = "h"
    source = check(cr.Program([x], {"y": h * 2 - 1}), np.ones((4, 2)))
    lines = body_of(source).splitlines()
    assert lines[0] == "def step(x, W, b):"
    assert lines[1].split("#")[0].strip() == "h = np.tanh(x @ W + b)"
    assert lines[2].split("#")[0].strip() == "y = h * 2 - 1"
    assert lines[3] == "    return y"


def test_every_line_of_an_array_says_its_shape():
    source = numpy_source(classifier([4, 3, 2])[0])
    assert "z1 = x @ W1 + b1                         # (n, 3)" in source
    assert "d_b2 = d_z2.sum(axis=0)                  # (2,)" in source


def test_only_the_helpers_that_are_called_are_printed():
    x = cr.placeholder((N,), "float64", "x")
    source = numpy_source(cr.Program([x], {"y": cr.softplus(x)}))
    assert [line for line in source.splitlines() if line.startswith("def ")] == [
        "def softplus(x):",
        "def step(x):",
    ]
    assert "import math" not in source


def test_math_is_imported_where_a_helper_needs_it():
    program = cr.Program([], {"y": cr.random_uniform((2, 3), 1)})
    assert numpy_source(program).startswith("import math\n\nimport numpy as np\n")
    check(program)


# it runs with NumPy alone -----------------------------------------------------------------------


def test_it_runs_in_a_process_that_has_numpy_alone(tmp_path):
    program, _ = classifier([5, 4, 3], "adam", dtype="float64")
    draw = np.random.default_rng(1)
    arrays = [draw.normal(size=(7, 5)), draw.integers(0, 3, 7), np.float64(0.1)]
    values = dict(zip(program.inputs, arrays, strict=True)) | {v: v.value for v in program.variables}
    np.savez(tmp_path / "given.npz", *(np.asarray(values[leaf]) for leaf in signature(program)))
    script = (
        f"{numpy_source(program)}\n"
        "import sys\n"
        f"given = np.load({str(tmp_path / 'given.npz')!r})\n"
        "found = step(*(given[k][()] for k in given.files))\n"
        f"np.savez({str(tmp_path / 'found.npz')!r}, *found)\n"
        "foreign = {'chainrule', 'scipy', 'numba', 'sklearn', 'llvmlite'} & set(sys.modules)\n"
        "sys.exit(f'loaded {foreign}' if foreign else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    for name, expected in zip(found.files, interpret(program.roots, values), strict=True):
        assert np.allclose(found[name], expected, rtol=1e-12, atol=1e-13)


def test_the_only_names_from_outside_are_numpys():
    for seed in range(30):
        source = numpy_source(random_program(random.Random(seed), 12).program)
        imported = [
            node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert {alias.name for node in imported for alias in node.names} <= {"numpy", "math"}


@pytest.mark.parametrize("name", sorted(HELPERS))
def test_every_helper_works_from_its_printed_text(name):
    x = cr.placeholder((3, 4), "float64", "x")
    t = cr.placeholder((3,), "int64", "t")
    uses = {
        "logistic": cr.logistic(x),
        "softplus": cr.softplus(x),
        "gelu": cr.gelu(x),
        "logsumexp": cr.logsumexp(x, 0),
        "softmax": cr.softmax(x),
        "one_hot": cr.one_hot(t, 4),
        "scatter_add": cr.gradient(cr.sum(cr.take(x, t) ** 2), [x])[0],
        "place": cr.gradient(cr.sum(x[1:, ::2] ** 2), [x])[0],
        "uniform": cr.random_uniform((2, 2), 3),
    }
    value = np.random.default_rng(0).normal(size=(3, 4)) * 500
    source = check(cr.Program([x, t], {"y": uses[name]}), value, np.array([0, 2, 2]))
    assert f"\ndef {name}(" in source


# it gives the interpreter's values --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("block", range(4))
def test_random_programs_have_the_interpreters_values_and_types(block, dtype):
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        made = random_program(random.Random(seed), random.Random(seed).choice([5, 15, 30]), dtype)
        for arrays in made.calls:
            found, expected = run(made.program, arrays)
            for a, b in zip(found, expected, strict=True):
                assert np.asarray(a).dtype == b.dtype, seed
                assert np.shape(a) == b.shape, seed
                scale = 1 + np.max(np.abs(b), initial=0)
                assert np.allclose(a, b, rtol=0, atol=scale * (1e-9 if dtype == "float64" else 2e-4)), seed


def test_the_source_is_the_same_in_every_run():
    sources = [numpy_source(random_program(random.Random(7), 20).program) for _ in range(2)]
    assert sources[0] == sources[1]


@pytest.mark.parametrize(
    "expression",
    [
        lambda x, n: cr.where(x > 0, 1.0, 0.5) + 0 * x,
        lambda x, n: cr.expand(constant(0.1, "float32"), (N, 3)),
        lambda x, n: cr.concatenate([x, cr.expand(constant(0.1, "float32"), (N, 3))]),
        lambda x, n: cr.expand(1 / n, (N, 3)) @ cr.tensor(np.ones((3, 2), "float32")),
        lambda x, n: x * cr.sqrt(2 / n),
        lambda x, n: cr.exp(-n) * x,
        lambda x, n: cr.gradient(cr.mean(x @ cr.tensor(np.ones((3, 2), "float32"))), [x])[0],
        lambda x, n: cr.gradient(cr.sum(cr.leaky_relu(x)), [x])[0],
        lambda x, n: cr.gradient(cr.sum(cr.elu(x)), [x])[0],
        lambda x, n: x * constant(0.1, "float64"),
        lambda x, n: x > constant(0.1, "float64"),
        lambda x, n: cr.maximum(constant(0.1, "float32"), constant(0.3, "float32") * n),
        lambda x, n: constant(2.5, "float32"),
        lambda x, n: cr.where(x > 0, constant(1, "int32"), constant(2, "int32")),
        lambda x, n: cr.sum(x) / n,
        lambda x, n: n * n,
    ],
)
def test_python_numbers_take_no_other_type_than_the_graph_says(expression):
    x = cr.placeholder((N, 3), "float32", "x")
    y = expression(x, size(N, "float32"))
    check(cr.Program([x], {"y": y}), np.array([[1, -2, 3], [0.5, 0, -1]], "float32"), tolerance=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8"])
def test_whole_numbers_keep_their_type(dtype):
    x = cr.placeholder((N,), dtype, "x")
    outputs = {
        "a": x + 1,
        "b": x * x - 3,
        "c": x * constant(2, "int64"),
        "d": x * 0.5,
        "e": x + size(N, "int64"),
    }
    check(cr.Program([x], outputs), np.array([1, 5, 100, 0], dtype))


@pytest.mark.parametrize(
    "expression",
    [
        lambda c: cr.max(cr.expand(c, (2,))),
        lambda c: cr.softmax(cr.expand(c, (2,))),
        lambda c: c[None],
        lambda c: cr.logsumexp(c),
        lambda c: cr.argmax(cr.expand(c, (4,))),
        lambda c: cr.sum(c[None]) + cr.tanh(c),
        lambda c: cr.gradient(cr.sum(cr.tensor([1.0, 2.0, 3.0])[1] * c), [c])[0] * c,
    ],
)
def test_ops_that_need_an_array_get_one_from_a_constant(expression):
    check(cr.Program([], {"y": expression(constant(0.75))}))


def test_empty_arrays():
    x = cr.placeholder((N, 3), "float64", "x")
    program = cr.Program([x], {"y": cr.sum(cr.tanh(x), 0), "z": cr.concatenate([x, x]) * 2})
    for rows in (0, 2):
        check(program, np.ones((rows, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_constants_that_are_not_finite(value):
    x = cr.placeholder((N,), "float32", "x")
    check(
        cr.Program([x], {"y": cr.where(x > 1, x, value), "c": cr.maximum(x, value)}),
        np.arange(3, dtype="float32"),
    )


# updates ----------------------------------------------------------------------------------------


def variables(*shapes):
    draw = np.random.default_rng(5)
    return [cr.tensor(draw.normal(size=s), name=name) for s, name in zip(shapes, "abcd", strict=False)]


def test_two_variables_that_need_each_others_old_value():
    a, b = variables((3,), (3,))
    source = check(cr.Program([], {"loss": cr.sum(a * b)}, {a: a + b, b: a - b}))
    assert "new_a = a + b" in source
    assert source.splitlines()[-1] == "    return loss, new_a, b"


@pytest.mark.parametrize(
    "program",
    [
        lambda a, b, x: cr.Program([x], {"old": a}, {a: a * 2}),
        lambda a, b, x: cr.Program([x], {"old": a, "other": b}, {a: a - x, b: b + a}),
        lambda a, b, x: cr.Program([x], {}, {a: b, b: a}),
        lambda a, b, x: cr.Program([x], {}, {a: b * 2, b: a}),
        lambda a, b, x: cr.Program([x], {}, {a: b, b: b + 1}),
        lambda a, b, x: cr.Program([x], {}, {b: a * 2, a: a * 2 + 1}),
        lambda a, b, x: cr.Program([x], {}, {a: a * 2 + 1, b: a * 2}),
        lambda a, b, x: cr.Program([x], {"new": a + 1}, {a: a + 1}),
        lambda a, b, x: cr.Program([x], {"new": a + 1, "twice": (a + 1) * 2}, {a: a + 1, b: a + 1}),
        lambda a, b, x: cr.Program([x], {"x": x, "again": x}, {a: x, b: x}),
        lambda a, b, x: cr.Program([x], {}, {a: cr.expand(constant(1.0), (3,)), b: a[::-1]}),
        lambda a, b, x: cr.Program([x], {"a": a, "b": b}, {a: b, b: a}),
        lambda a, b, x: cr.Program([x], {"half": a * 0.5}, {a: a * 0.5 - b, b: cr.tanh(a * 0.5)}),
    ],
)
def test_new_values_are_made_of_old_ones(program):
    a, b = variables((3,), (3,))
    x = cr.placeholder((3,), "float64", "x")
    check(program(a, b, x), np.array([0.5, -1.0, 2.0]))


def test_a_scalar_variable_that_is_counted_up():
    k = cr.tensor(np.array(0, "float32"), name="k")
    check(cr.Program([], {"k": k}, {k: k + 1}))


# names ------------------------------------------------------------------------------------------

AWKWARD = [
    "n",
    "np",
    "step",
    "math",
    "range",
    "reversed",
    "slice",
    "logsumexp",
    "one_hot",
    "place",
    "v1",
    "x0",
    "x1",
    "new_a",
    "a",
    "i",
    "carry",
    "z",
    "len",
    "self",
    "d_a",
    "match",
    "loss",
    "ﬁ",
    "fi",
    "µ",
    "_",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_any_name_can_be_given_to_an_input_a_variable_and_a_node(name):
    def program(*names):
        x = cr.placeholder((N, 4), "float64", names[0])
        t = cr.placeholder((N,), "int64")
        w = cr.tensor(np.arange(8.0).reshape(4, 2), name=names[1])
        z = x @ w
        z.name = names[2]
        loss = -cr.mean(cr.pick(cr.log_softmax(z), t)) + cr.sum(cr.one_hot(t, 3) * 0.5)
        (slope,) = cr.gradient(loss, [w])
        (by_x,) = cr.gradient(cr.sum(x[:, 1:3] ** 2) / size(N, "float64") + cr.sum(cr.exp(z)), [x])
        total, partial = cr.scan(lambda c, row: (c + row, c * row), cr.tensor(np.zeros(4)), x)
        outputs = {"loss": loss, "by_x": by_x, "total": total, "partial": partial}
        return cr.Program([x, t], outputs, {w: w - 0.1 * slope})

    arrays = [np.random.default_rng(0).normal(size=(3, 4)), np.array([1, 0, 1])]
    for names in (
        (name, None, None),
        (None, name, None),
        (None, None, name),
        ("x", "w", name),
        (name, "b", name),
    ):
        source = check(program(*names), *arrays)
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef):
                arguments = [a.arg for a in function.args.args]
                assert len(set(arguments)) == len(arguments)
                assert not {"np", "math", "range", "reversed", "slice", *HELPERS} & set(arguments)


@pytest.mark.parametrize("name", ["lambda", "1x", "a b", "", "x;import os", "None", "x\n", "x-y"])
def test_what_is_no_plain_identifier_is_no_name(name):
    with pytest.raises(ParameterError, match="plain identifier"):
        cr.tensor(1.0, name=name)
    with pytest.raises(ParameterError, match="plain identifier"):
        cr.placeholder((2,), name=name)


@pytest.mark.parametrize("name", ["softmax", "np", "range"])
def test_a_program_is_not_called_like_a_function_that_it_uses(name):
    with pytest.raises(ParameterError, match=f"program name '{name}' is what printed source calls"):
        numpy_source(cr.Program([], {"y": constant(1.0)}, name=name))


@pytest.mark.parametrize("name", ["lambda", "a b", "1", "np", "x", "loss/1", ""])
def test_outputs_may_be_called_anything(name):
    x = cr.placeholder((N,), "float64", "x")
    check(cr.Program([x], {name: cr.tanh(x) * 2}), np.ones(3))


def test_two_nodes_of_one_name_are_told_apart():
    x = cr.placeholder((N,), "float64", "x")
    first, second, third = cr.tanh(x), cr.exp(x), cr.sin(x)
    first.name = second.name = third.name = "h1"
    source = check(cr.Program([x], {"y": first * second * third}), np.ones(3))
    for name in ("h1 = ", "h2 = ", "h3 = "):
        assert source.count(name) == 1


def test_leaves_without_names_get_some():
    x, w = cr.placeholder((2,), "float64"), cr.tensor([1.0, 2.0])
    source = check(cr.Program([x], {"y": x * w}), np.ones(2))
    assert "def step(x0, x1):" in source


def test_sizes_are_read_from_the_first_input_that_has_them():
    t = Size.named("t")
    x, y = cr.placeholder((t, N), "float64", "x"), cr.placeholder((N, 2), "float64", "y")
    source = check(cr.Program([x, y], {"m": cr.mean(x) + cr.mean(y)}), np.ones((3, 4)), np.ones((4, 2)))
    assert "shape" not in source
    source = check(
        cr.Program([x, y], {"m": cr.sum(x) * size(N * t, "float64")}), np.ones((3, 4)), np.ones((4, 2))
    )
    assert "t = x.shape[0]" in source
    assert "n = x.shape[1]" in source


# size and depth ---------------------------------------------------------------------------------


def test_long_expressions_are_split():
    xs = [cr.placeholder((N,), "float64", f"a_rather_long_name_{i}") for i in range(12)]
    total = xs[0]
    for x in xs[1:]:
        total = total * x + cr.tanh(x)
    source = check(cr.Program(xs, {"y": total}), *(np.full(2, 0.5) for _ in xs))
    assert max(map(len, body_of(source).splitlines()[1:])) < 140


def test_a_long_chain_is_no_deep_expression():
    x = cr.placeholder((N,), "float64", "x")
    y = x
    for _ in range(2000):
        y = cr.sin(y) + 0.1
    found, expected = run(cr.Program([x], {"y": y}), [np.ones(2)])
    assert np.allclose(found[0], expected[0])
