"""scan against the same loop written out, in every reading."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.emit.loop_source import loop_source
from chainrule.errors import DTypeError, ParameterError, ShapeError

ENGINES = ("numpy", "numba")
rng = np.random.default_rng(5)
X, W, U, B = (rng.normal(size=s) for s in ((5, 2, 3), (3, 4), (4, 4), (4,)))


def weights(dtype="float64"):
    return [cr.tensor(v.astype(dtype), name=name) for name, v in (("W", W), ("U", U), ("b", B))]


def looped(xs, w, u, b, reverse=False):
    start = cr.expand(cr.tensor(np.zeros((), xs.dtype)), (xs.shape[1], 4))

    def cell(h, x):
        new = cr.tanh(x @ w + h @ u + b)
        return new, new

    return cr.scan(cell, start, xs, reverse=reverse)


def unrolled(xs, w, u, b, reverse=False):
    h = cr.tensor(np.zeros((xs.shape[1], 4)))
    states = [None] * xs.shape[0]
    for i in reversed(range(xs.shape[0])) if reverse else range(xs.shape[0]):
        h = cr.tanh(xs[i] @ w + h @ u + b)
        states[i] = h[None]
    return h, cr.concatenate(states)


def score(last, states):
    return cr.sum(last**2) + cr.mean(states * states * states)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("engine", ["interpreter", *ENGINES])
def test_value_and_gradients_equal_those_of_the_loop_written_out(engine, reverse):
    leaves = weights()
    known = cr.tensor(X)
    reference = score(*unrolled(known, *leaves, reverse))
    wanted = [reference, *cr.gradient(reference, [known, *leaves])]
    xs = known if engine == "interpreter" else cr.placeholder(("t", "n", 3), "float64", "xs")
    loss = score(*looped(xs, *leaves, reverse))
    found = [loss, *cr.gradient(loss, [xs, *leaves])]
    if engine == "interpreter":
        values = [x.numpy() for x in found]
    else:
        outputs = {f"y{i}": x for i, x in enumerate(found)}
        values = list(compile_program(cr.Program([xs], outputs), engine)(X).values())
    for value, node in zip(values, wanted, strict=True):
        np.testing.assert_allclose(value, node.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_engines_agree_for_several_lengths_in_turn(dtype):
    leaves = weights(dtype)
    xs = cr.placeholder(("t", "n", 3), dtype, "xs")
    loss = score(*looped(xs, *leaves))
    updates = {p: p - 0.1 * g for p, g in zip(leaves, cr.gradient(loss, leaves), strict=True)}
    program = cr.Program([xs], {"loss": loss}, updates)
    runners = [compile_program(program, engine) for engine in ENGINES]
    for shape in ((5, 2, 3), (1, 4, 3), (7, 1, 3), (5, 2, 3)):
        values = np.random.default_rng(shape[0]).normal(size=shape).astype(dtype)
        a, b = (runner(values)["loss"] for runner in runners)
        np.testing.assert_allclose(a, b, rtol=1e-12 if dtype == "float64" else 1e-5)
    for leaf in leaves:
        a, b = (runner.state[leaf] for runner in runners)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 if dtype == "float64" else 2e-5)


def test_second_order_and_tensors_from_outside_that_depend_on_each_other():
    def decayed(decay, x):
        def body(mean, value):
            new = decay * mean + (1 - decay) * value
            return new, new * decay

        last, outputs = cr.scan(body, x[0], x)
        return last * last + cr.sum(outputs * outputs)

    cr.check_gradients(decayed, np.array(0.7), X[:, 0, 0], order=2)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loop_in_a_loop(engine):
    table = cr.placeholder((3, 4), "float64", "table")
    factor = cr.tensor(1.5, name="factor")

    def outer(total, row):
        inner, _ = cr.scan(lambda s, v: (s * factor + v, None), total, row)
        return inner, inner

    last, states = cr.scan(outer, 0.0, table)
    objective = last + cr.sum(states * states)
    by_table, by_factor = cr.gradient(objective, [table, factor])
    values = rng.normal(size=(3, 4))
    program = cr.Program([table], {"y": objective, "by_table": by_table, "by_factor": by_factor})
    found = compile_program(program, engine)(values)

    def plain(v, f):
        total, out = 0.0, 0.0
        for row in v:
            for x in row:
                total = total * f + x
            out += total * total
        return total + out

    assert found["y"] == pytest.approx(plain(values, 1.5), rel=1e-12)
    step = 1e-6
    slope = (plain(values, 1.5 + step) - plain(values, 1.5 - step)) / (2 * step)
    assert found["by_factor"] == pytest.approx(slope, rel=1e-7)
    bumped = values.copy()
    bumped[1, 2] += step
    assert found["by_table"][1, 2] == pytest.approx(
        (plain(bumped, 1.5) - plain(values, 1.5)) / step, rel=1e-4
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_length_without_sequences_several_carries_and_no_output(engine):
    seed = cr.placeholder((), "float64", "seed")
    (a, b), outputs = cr.scan(
        lambda carry, _: ((carry[1], carry[0] + carry[1]), None), (seed, seed), length=10
    )
    assert outputs is None
    found = compile_program(cr.Program([seed], {"a": a, "b": b}), engine)(1.0)
    assert (found["a"], found["b"]) == (89.0, 144.0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_sequence_without_steps(engine):
    xs = cr.placeholder(("t",), "float64", "xs")
    last, states = cr.scan(lambda s, x: (s + x, s), 2.0, xs)
    found = compile_program(cr.Program([xs], {"last": last, "states": states}), engine)(np.zeros(0))
    assert found["last"] == 2.0
    assert found["states"].shape == (0,)


def test_printed_source_has_the_loop_and_runs_alone():
    xs = cr.placeholder(("t", "n", 3), "float64", "xs")
    program = cr.Program([xs], {"last": looped(xs, *weights())[0]}, name="run")
    source = cr.numpy_source(program)
    assert "for i in range(t):" in source
    assert "before" not in source  # what only a gradient would need is not stored
    namespace = {}
    exec(source, namespace)
    order = [x.name for x in program.variables]
    values = {"W": W, "U": U, "b": B}
    named = [values.get(name, np.zeros(())) for name in order]
    np.testing.assert_allclose(namespace["run"](X, *named), unrolled(cr.tensor(X), *weights())[0].numpy())


def test_loop_source_nests_the_body():
    xs = cr.placeholder(("t",), "float64", "xs")
    last, _ = cr.scan(lambda s, x: (cr.tanh(s + x), None), 0.0, xs)
    assert "t times" in loop_source(cr.Program([xs], {"last": last}))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cr.scan(lambda s, x: s, 0.0, X), ParameterError, "returns a pair"),
        (lambda: cr.scan(lambda s, x: (s[None], None), 0.0, X), ShapeError, r"carry has shape \(\)"),
        (lambda: cr.scan(lambda s, x: (s.astype("float32"), None), 0.0, X), DTypeError, "carry is float64"),
        (
            lambda: cr.scan(lambda s, x: ((s, s), None), 0.0, X),
            ShapeError,
            "1 tensors, the body's new carry 2",
        ),
        (lambda: cr.scan(lambda s, x: (s, None), 0.0, (X, X[1:])), ShapeError, "differ in length: 5 and 4"),
        (lambda: cr.scan(lambda s, x: (s, None), 0.0, cr.tensor(1.0)), ShapeError, "needs an axis of steps"),
        (lambda: cr.scan(lambda s, x: (s, None), 0.0, X, length=4), ShapeError, "length 4 differs"),
        (lambda: cr.scan(lambda s, x: (s, None), 0.0), ParameterError, "length=10"),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()
