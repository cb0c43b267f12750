"""Forward mode against reverse mode: for every record, for graphs nobody thought of, in every reading."""

import dataclasses
import random
import re

import numpy as np
import pytest
from random_programs import Maker

import chainrule as cr
from chainrule.autodiff.check import rule_cases
from chainrule.autodiff.forward import jvp
from chainrule.emit.engine import compile_program
from chainrule.errors import ChainruleError, DTypeError, GradientError, ShapeError
from chainrule.graph.evaluate import interpret
from chainrule.graph.op import OPS, Kind
from chainrule.graph.tensor import apply_record, topological
from chainrule.shapes import evaluate_shape

ENGINES = ("numpy", "numba")
APART = (Kind.SOURCE, Kind.RANDOM, Kind.CONTROL, Kind.ITEM)
WITH_RULE = sorted(name for name, record in OPS.items() if record.vjp and record.kind not in APART)
rng = np.random.default_rng(11)


def inner(xs, ys):
    return sum(float((np.asarray(x) * np.asarray(y)).sum()) for x, y in zip(xs, ys, strict=True))


def dot(xs, ys):
    return sum(((x * y).sum() for x, y in zip(xs, ys, strict=True)), cr.tensor(0.0))


def assert_modes_agree(y, leaves):
    """<v, J u> is <J^T v, u>, and the Hessian times u is the same three ways round."""
    us = [cr.tensor(rng.normal(size=x.shape)) for x in leaves]
    v = cr.tensor(rng.normal(size=y.shape))
    tangent = jvp(y, zip(leaves, us, strict=True))
    assert (tangent.shape, tangent.dtype) == (y.shape, y.dtype)
    slopes = cr.gradient(y, leaves, v)
    reverse = dot(slopes, us)
    forward = (v * tangent).sum()
    np.testing.assert_allclose(float(forward), float(reverse), rtol=1e-10, atol=1e-12)
    around = cr.gradient(reverse, leaves)
    for found in (jvp(slopes, dict(zip(leaves, us, strict=True))), cr.gradient(forward, leaves)):
        for a, b in zip(found, around, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-11)
    twice = jvp(forward, zip(leaves, us, strict=True))
    np.testing.assert_allclose(float(twice), float(dot(around, us)), rtol=1e-9, atol=1e-11)


def cases(record):
    """A node for each of the record's cases, and the operands that have derivatives."""
    for attrs, arrays in rule_cases(record):
        operands = [cr.tensor(a) for a in arrays]
        leaves = [x for x in operands if x.dtype.kind == "f"]
        yield apply_record(record, operands, attrs), leaves


# every record ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_RULE)
def test_forward_equals_reverse_for_every_record(name):
    for y, leaves in cases(OPS[name]):
        assert_modes_agree(y, leaves)
        if len(leaves) > 1:
            for x in leaves:
                assert_modes_agree(y, [x])


def test_one_tensor_as_several_operands():
    x = cr.tensor(rng.normal(size=(3, 3)))
    for y in (x * x, x @ x, cr.concatenate([x, x]), cr.where(x > 0, x, x), x / cr.maximum(x, x), x @ x.T):
        assert_modes_agree(y, [x])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_of_the_records_tangents_has_the_interpreters_values(engine):
    """All of them in printed NumPy; compiled one case each of those that are no maps."""
    outputs = {}
    for name in WITH_RULE:
        if engine == "numpy" or OPS[name].kind is not Kind.MAP:
            for i, (y, leaves) in enumerate(cases(OPS[name])):
                if i == 0 or engine == "numpy":
                    outputs[f"{name}{i}"] = jvp(y, {x: rng.normal(size=x.shape) for x in leaves})
    found = compile_program(cr.Program([], outputs), engine)()
    for name, value in zip(outputs, interpret(outputs.values(), {}), strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-12, err_msg=name)


def ops_in(tangent):
    return [x.op.name for x in topological([tangent]) if x.inputs]


def test_what_is_linear_is_applied_to_the_tangents():
    x, y, t = cr.tensor(np.ones((3, 4))), cr.tensor(np.ones((4, 2))), np.array([1, 0, 2])
    u, v = cr.placeholder((3, 4), "float64", "u"), cr.placeholder((4, 2), "float64", "v")
    assert ops_in(jvp(x @ y, {x: u, y: v})) == ["matmul", "matmul", "add"]
    for node in (x.sum(axis=0), x.mean(), x.T, x[1:], x.reshape((12,)), cr.take(x, t), cr.pick(x, t)):
        assert ops_in(jvp(node, {x: u})) == [node.op.name]
    assert ops_in(jvp(cr.concatenate([x, y.T]), {x: u, y: v})) == ["transpose", "concatenate"]
    assert ops_in(jvp(cr.concatenate([x, x + 1]), {x: u})) == ["concatenate"]
    assert ops_in(jvp(cr.exp(x), {x: u})) == ["exp", "multiply"]


# graphs nobody thought of ---------------------------------------------------------------------


def drawn_graph(seed):
    """A random graph's last node, tensors to move, and values for its places."""
    draw = random.Random(seed)
    maker = Maker(draw)
    maker.leaves()
    maker.grow(draw.choice([3, 6, 12, 25]))
    leaves = [x for x in maker.inputs if x.dtype.kind == "f"] + maker.variables
    sizes = {"n": draw.choice([1, 2, 3, 5]), "t": draw.choice([1, 2, 3])}
    values = {}
    for x in maker.inputs:
        shape = evaluate_shape(x.shape, sizes)
        whole = x.dtype.kind == "i"
        values[x] = rng.integers(0, maker.index_axes[x], shape) if whole else rng.normal(size=shape)
    return maker.floats[-1], draw.sample(leaves, draw.randint(1, len(leaves))), sizes, values


@pytest.mark.parametrize("block", range(4))
def test_random_graphs_with_named_sizes_have_the_same_derivatives_both_ways(block):
    compared = 0
    for seed in range(60 * block, 60 * block + 60):
        y, leaves, sizes, values = drawn_graph(seed)
        us = [cr.placeholder(x.shape, "float64") for x in leaves]
        v = cr.placeholder(y.shape, "float64")
        for place in (*us, v):
            values[place] = rng.normal(size=evaluate_shape(place.shape, sizes))
        try:
            slopes = cr.gradient(y, leaves, v)
        except GradientError:  # a comparison bars the way
            continue
        tangent = jvp(y, zip(leaves, us, strict=True))
        compared += tangent.op.name != "expand"
        pairs = [((v * tangent).sum(), dot(slopes, us))]
        try:
            around = cr.gradient(pairs[0][1], leaves)
        except GradientError:
            around = []
        if around:
            pairs += zip(jvp(slopes, dict(zip(leaves, us, strict=True))), around, strict=True)
        found = interpret([x for pair in pairs for x in pair], values)
        for a, b in zip(found[::2], found[1::2], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10, err_msg=f"seed {seed}")
    assert compared > 20


def test_a_chain_of_100_000_ops():
    x = cr.tensor(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.00001 + 0.00001
    assert float(jvp(y, {x: 2.0})) == pytest.approx(2 * 1.00001**50_000, rel=1e-9)


def test_a_long_chain_of_rules_turned_round():
    x = cr.tensor([1.0, 2.0])
    y = x
    for _ in range(2000):
        y = cr.max(y[None] * [[1.0], [0.5]], axis=0)
    np.testing.assert_array_equal(jvp(y, {x: [1.0, 3.0]}).numpy(), [1.0, 3.0])


# what the result is ---------------------------------------------------------------------------


def test_a_jacobian_by_columns():
    a = rng.normal(size=(3, 3))
    x = cr.tensor([1.0, -2.0, 0.5])
    columns = [jvp(cr.tanh(a @ x), {x: column}).numpy() for column in np.eye(3)]
    slope = 1 - np.tanh(a @ x.numpy()) ** 2
    np.testing.assert_allclose(np.transpose(columns), slope[:, None] * a, rtol=1e-13)


def test_derivatives_of_every_order():
    x = cr.tensor(2.0)
    y = x**4
    for expected in (32.0, 48.0, 48.0, 24.0, 0.0):
        y = jvp(y, {x: 1.0})
        assert float(y) == expected


def test_the_result_has_the_type_of_what_moves():
    x, w = cr.tensor(np.ones(2, np.float32)), cr.tensor(np.ones(2))
    assert jvp(cr.tanh(x), {x: np.array([1.0, 2.0])}).dtype == np.float32
    mixed = jvp(cr.tanh(x) * w, {x: [1, 2]})
    assert mixed.dtype == np.float64
    assert jvp(x.astype("float64").sum(), {x: np.array([1, 0])}).dtype == np.float64
    np.testing.assert_allclose(mixed.numpy(), (1 - np.tanh(np.ones(2)) ** 2) * [1, 2], rtol=1e-6)


def test_zeros_where_nothing_moves():
    x, other = cr.tensor([1.0, 2.0]), cr.tensor(np.zeros((3, 1), np.float32))
    for moving in ({x: [1.0, 1.0]}, {}):
        still = jvp(cr.exp(other), moving)
        assert (still.shape, still.dtype) == ((3, 1), np.float32)
        assert not still.numpy().any()
    assert jvp(cr.stop_gradient(x), {x: [1.0, 1.0]}).numpy().tolist() == [0.0, 0.0]
    assert jvp(cr.sign(x), {x: [1.0, 1.0]}).numpy().tolist() == [0.0, 0.0]
    assert jvp(x, {x: [3.0, 4.0]}).numpy().tolist() == [3.0, 4.0]


def test_several_results_of_one_sweep():
    x = cr.tensor([1.0, 2.0])
    square, total, still = jvp([x * x, x.sum(), cr.tensor(1.0)], {x: [1.0, 10.0]})
    assert square.numpy().tolist() == [2.0, 40.0]
    assert (float(total), float(still)) == (11.0, 0.0)


def test_what_an_inner_node_is_given_is_added_to_what_arrives():
    x = cr.tensor([1.0, 2.0])
    a = x * x
    y = (a * a).sum()
    by_x, by_a = cr.gradient(y, [x, a])
    u, w = np.array([1.0, -1.0]), np.array([0.5, 3.0])
    assert float(jvp(y, {x: u, a: w})) == inner([by_x, by_a], [u, w])
    assert float(jvp(y, {a: w})) == inner([by_a], [w])


def test_kinks_are_those_of_reverse_mode():
    x = cr.tensor([0.0, -1.0, 2.0])
    moving = {x: [1.0, 1.0, 1.0]}
    for function in (cr.relu, cr.abs, cr.leaky_relu, cr.elu, lambda x: cr.maximum(x, 0), cr.sign):
        y = function(x)
        np.testing.assert_array_equal(jvp(y, moving).numpy(), cr.gradient(y.sum(), [x])[0].numpy())
    tied = cr.tensor([3.0, 3.0, 1.0])
    assert float(jvp(cr.max(tied), {tied: [1.0, 0.0, 5.0]})) == 0.5


def test_tangents_are_named_after_what_they_belong_to():
    x, w, own = cr.tensor([[1.0]], name="x"), cr.tensor([[2.0]], name="w"), cr.tensor([[3.0]])
    z = x @ w
    z.name = "z"
    y = z + 1.0
    y.name = "y"
    moving = own * 2.0
    assert jvp(z, {w: own}).name == "z_dot"
    assert jvp(y, {z: moving}) is moving
    assert moving.name is None


def test_printed_source_reads_as_one_would_write_it_and_runs_alone():
    x, W = cr.placeholder(("n", 3), "float64", "x"), cr.placeholder((3, 2), "float64", "W")
    W_dot = cr.placeholder((3, 2), "float64", "W_dot")
    z = x @ W
    z.name = "z"
    a = cr.tanh(z)
    a.name = "a"
    program = cr.Program([x, W, W_dot], {"loss": a.sum(), "loss_dot": jvp(a.sum(), {W: W_dot})})
    source = cr.numpy_source(program)
    lines = [line.split("  #")[0].strip() for line in source.splitlines()]
    assert lines[-7:] == [
        "z = x @ W",
        "a = np.tanh(z)",
        "loss = a.sum()",
        "z_dot = x @ W_dot",
        "a_dot = z_dot * (1 - a * a)",
        "loss_dot = a_dot.sum()",
        "return loss, loss_dot",
    ]
    namespace = {}
    exec(source, namespace)
    values = [rng.normal(size=s) for s in ((5, 3), (3, 2), (3, 2))]
    a_now = np.tanh(values[0] @ values[1])
    expected = ((1 - a_now**2) * (values[0] @ values[2])).sum()
    np.testing.assert_allclose(namespace["step"](*values)[1], expected, rtol=1e-12)


# loops ----------------------------------------------------------------------------------------

X, W, U = (rng.normal(size=s) for s in ((5, 2, 3), (3, 4), (4, 4)))


def recurrent(xs, w, u, start, reverse=False):
    def cell(h, x):
        new = cr.tanh(x @ w + h @ u)
        return new, new * new

    last, squares = cr.scan(cell, start, xs, reverse=reverse)
    return (last * squares.sum(axis=0)).sum()


@pytest.mark.parametrize("reverse", [False, True])
def test_a_loop_in_both_modes(reverse):
    xs, w, u = cr.tensor(X), cr.tensor(W), cr.tensor(U)
    start = cr.tensor(rng.normal(size=(2, 4)))
    y = recurrent(xs, w, u, start, reverse)
    for leaves in ([xs, w, u, start], [xs], [w], [start]):
        assert_modes_agree(y, leaves)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loop_in_both_engines(engine):
    xs, w, u = cr.placeholder(("t", "n", 3), "float64", "xs"), cr.tensor(W, "W"), cr.tensor(U, "U")
    start = cr.expand(cr.tensor(0.0), (xs.shape[1], 4))
    y = recurrent(xs, w, u, start)
    moving = {w: rng.normal(size=W.shape), u: rng.normal(size=U.shape)}
    (slope,) = cr.gradient(y, [u])
    outputs = {"y_dot": jvp(y, moving), "slope_dot": jvp(slope, moving)}
    found = compile_program(cr.Program([xs], outputs), engine)(X)
    wanted = interpret(list(outputs.values()), {xs: X})
    for value, name in zip(wanted, outputs, strict=True):
        np.testing.assert_allclose(found[name], value, rtol=1e-10)


def test_a_carry_that_moves_from_a_later_step_on():
    def shifted(carry, x):
        first, second, third, count = carry
        return (x * 1.0, first * first, second + third, count + 1), third * second

    x, zero = cr.tensor([0.3, -0.7, 1.1, 0.4]), cr.tensor(0.0)
    start = (zero, cr.tensor(0.5), zero, cr.tensor(np.array(0)))
    (_, _, third, count), outputs = cr.scan(shifted, start, x)
    assert int(count) == 4
    assert_modes_agree(third + (outputs * outputs).sum(), [x])


def test_a_loop_in_a_loop_and_tensors_from_outside_made_of_each_other():
    table, factor = cr.tensor(rng.normal(size=(3, 4))), cr.tensor(1.3)
    square = factor * factor

    def outer(total, row):
        inside, _ = cr.scan(lambda s, v: (s * factor + v * square, None), total, row)
        return inside, inside * square

    last, states = cr.scan(outer, 0.0, table)
    assert_modes_agree(last + (states * states).sum(), [table, factor])
    assert_modes_agree(last + (states * states).sum(), [square])


def test_a_loop_that_only_maps_rows_and_one_that_does_not_move():
    x, other = cr.tensor([1.0, 2.0, 3.0]), cr.tensor(2.0)
    _, rows = cr.scan(lambda carry, v: (carry, cr.sin(v) * other), cr.tensor(0.0), x)
    assert_modes_agree(rows, [x])
    last, _ = cr.scan(lambda s, v: (s + v * 0.0 + cr.stop_gradient(other), None), 0.0, x)
    assert float(jvp(last, {other: 1.0})) == 0.0
    empty, _ = cr.scan(lambda s, v: (s * v, None), other, cr.tensor(np.zeros(0)))
    assert float(jvp(empty, {other: 3.0})) == 3.0


# ops that are not in the registry -------------------------------------------------------------


def changed(op_name, /, **facts):
    record = dataclasses.replace(OPS[op_name], **facts)
    return lambda *inputs, **attrs: apply_record(record, inputs, attrs)


def test_an_op_that_adds_something_of_its_own_is_not_taken_for_linear():
    dense = changed(
        "matmul",
        name="dense",
        inputs=("x", "w", "b"),
        shape=lambda x, w, b: (x[0], w[1]),
        numpy="({x}) @ ({w}) + ({b})",
        vjp=lambda g, out, x, w, b: (g @ w.T, x.T @ g, g),
    )
    x, w, b = (cr.tensor(rng.normal(size=s)) for s in ((2, 3), (3, 4), (4,)))
    for leaves in ([x, w, b], [b], [x]):
        assert_modes_agree(dense(x, w, b), leaves)


def test_new_ops_join_by_their_reverse_rule_alone():
    cube = changed("negative", name="cube", numpy="({x}) ** 3", vjp=lambda g, y, x: (g * (3 * x * x),))
    norm = changed(
        "sum",
        name="norm",
        numpy=lambda node, texts: f"np.sqrt((({texts[0]}) ** 2).sum({node.attrs['axis'][0]}))",
        vjp=lambda g, y, x, axis, keepdims: (g[:, None] * x / y[:, None],),
    )
    x = cr.tensor(rng.normal(size=(3, 4)))
    assert_modes_agree(norm(cube(x), axis=(1,), keepdims=False), [x])


@pytest.mark.parametrize(
    "rule",
    [lambda g, y, x, axis, keepdims: (cr.tanh(g) * x,), lambda g, y, x, **_: (cr.stop_gradient(g) * x,)],
)
def test_a_rule_that_cannot_be_turned_round_is_named(rule):
    odd = changed("sum", name="odd", vjp=rule)
    x = cr.tensor([1.0, 2.0, 3.0])
    with pytest.raises(GradientError, match="the rule of op 'odd' is not a differentiable, linear function"):
        jvp(odd(x, axis=(0,), keepdims=False), {x: [1.0, 1.0, 1.0]})


def test_a_nested_program_without_a_rule_is_named(monkeypatch):
    monkeypatch.setitem(OPS, "scan", dataclasses.replace(OPS["scan"], name="while_loop", jvp=None))
    x = cr.tensor([1.0, 2.0])
    last, _ = cr.scan(lambda s, v: (s * v, None), 1.0, x)
    with pytest.raises(GradientError, match=r"jvp: op 'while_loop' has no forward mode\. Use"):
        jvp(last, {x: [1.0, 0.0]})


# errors ---------------------------------------------------------------------------------------

W0 = cr.tensor(1.0)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (
            lambda x, i: jvp(x * 2, {x: [1.0, 2.0, 3.0]}),
            ShapeError,
            "jvp: the tangent of x has shape (3,), x has (2,). Pass a number for each element.",
        ),
        (lambda x, i: jvp(x, {x: 1.0}), ShapeError, "jvp: the tangent of x has shape (), x has (2,)"),
        (lambda x, i: jvp(x, {x: [1j, 0]}), DTypeError, "jvp: the tangent of x is complex. Pass real"),
        (lambda x, i: jvp(x, {x: ["a", "b"]}), DTypeError, "tensor: expected numbers"),
        (lambda x, i: jvp(x * i, {i: [1, 1]}), GradientError, "jvp: i holds int64; only real numbers have"),
        (lambda x, i: jvp(i, {x: [1, 1]}), GradientError, "jvp: i holds int64; only real numbers have"),
        (lambda x, i: jvp(x > 1, {x: [1, 1]}), GradientError, "jvp: greater holds bool; only real numbers"),
        (
            lambda x, i: jvp((x > 1).astype("float64"), {x: [1.0, 1.0]}),
            GradientError,
            "gradient: op 'greater' has no derivative, and every way from x to astype leads through one",
        ),
        (
            lambda x, i: jvp(W0 + (x.argmax() > 0).astype("float64"), {W0: 1.0, x: [1.0, 1.0]}),
            GradientError,
            "gradient: op 'greater' has no derivative, and every way from x to add leads through one like it",
        ),
        (
            lambda x, i: jvp(3.0, {x: [1, 1]}),
            GradientError,
            "jvp: expected tensors, got 3.0. Write jvp",
        ),
        (lambda x, i: jvp([x, None], {}), GradientError, "jvp: expected tensors, got None. Write jvp(y, {x:"),
        (
            lambda x, i: jvp(x, x),
            GradientError,
            "jvp: expected tensors with their tangents, got x = tensor([1., 2.]). Write jvp(y",
        ),
        (lambda x, i: jvp(x, 3), GradientError, "jvp: expected tensors with their tangents, got 3. Write"),
        (
            lambda x, i: jvp(x, [x]),
            GradientError,
            "jvp: expected tensors with their tangents, got x =",
        ),
        (lambda x, i: jvp(x, {"x": 1.0}), GradientError, "with their tangents, got ('x', 1.0). Write jvp(y,"),
        (
            lambda x, i: jvp(x, [(x, [1, 1]), (x, [1, 1])]),
            GradientError,
            "jvp: x is given two tangents. Add them up.",
        ),
    ],
)
def test_errors_say_what_is_wrong(ask, error, message):
    with pytest.raises(error, match=re.escape(message)) as caught:
        ask(cr.tensor([1.0, 2.0], name="x"), cr.tensor(np.array([1, 2]), name="i"))
    assert isinstance(caught.value, ChainruleError)
