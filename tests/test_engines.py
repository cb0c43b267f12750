"""The engines agree: every op in every type, random programs, updates made of each other's old values."""

import random

import numpy as np
import pytest
from checked_kernels import checked_machine
from random_programs import classifier, random_program

import chainrule as cr
from chainrule.autodiff.check import rule_cases
from chainrule.emit.engine import ENGINES, compile_program
from chainrule.errors import DTypeError, EvaluationError, ShapeError, UnknownNameError
from chainrule.graph.evaluate import interpret
from chainrule.graph.op import OPS, Kind
from chainrule.graph.tensor import apply, constant, placeholder
from chainrule.shapes import Size

BOTH = ["numpy", "numba"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
N, D = Size.named("n"), Size.named("d")
SPECIAL = [np.nan, np.inf, -np.inf, 1000.0, -1000.0, 0.0, 1.0, -1.0, 0.5, 88.5, -88.5, 1e-30, 710.0, -0.3]


@pytest.fixture
def checked(monkeypatch):
    """Compiled programs run in a checked machine; the machine."""
    machine = checked_machine(monkeypatch)
    yield machine
    machine.check()


def assert_close(found, expected, tolerance, what):
    assert found.shape == expected.shape, what
    assert found.dtype == expected.dtype, what
    if expected.dtype.kind != "f":
        assert np.array_equal(found, expected), what
        return
    for special in (np.isnan, np.isposinf, np.isneginf):
        assert np.array_equal(special(found), special(expected)), (what, found, expected)
    finite = np.isfinite(expected)
    scale = 1 + np.max(np.abs(expected[finite]), initial=0)
    assert np.max(np.abs(found[finite] - expected[finite]), initial=0) <= tolerance * scale, what


def assert_engines_agree(program, *calls, engines=BOTH, tolerance=1e-12):
    """Both engines give the interpreter's outputs and states, call after call."""
    runners = {engine: compile_program(program, engine) for engine in engines}
    state = {v: v.value for v in program.variables}
    for number, arrays in enumerate(calls):
        expected = interpret(program.roots, dict(zip(program.inputs, arrays, strict=True)) | state)
        state.update(zip(program.updates, expected[len(program.outputs) :], strict=True))
        for engine, runner in runners.items():
            outputs = runner(*arrays)
            assert list(outputs) == list(program.outputs)
            for name, value in zip(program.outputs, expected, strict=False):
                assert_close(outputs[name], value, tolerance, (engine, number, name))
            found = runner.state
            for variable in program.variables:
                assert_close(found[variable], state[variable], tolerance, (engine, number, variable.name))


# every op -------------------------------------------------------------------------------------

TESTED = sorted(
    name
    for name, record in OPS.items()
    if record.kind not in (Kind.SOURCE, Kind.CONTROL, Kind.ITEM, Kind.RANDOM)
)


def op_cases(record):
    if record.name == "one_hot":
        return [({"classes": 4}, [np.array([0, 2, 3, 1])]), ({"classes": 3}, [np.array([[0, 2], [1, 2]])])]
    return rule_cases(record)


def op_program(record, attrs, operands, shapes=None):
    """An op's value, and its gradients by all operands that have one, from a gradient that is an input."""
    leaves = [
        placeholder(s, a.dtype, f"x{i}")
        for i, (a, s) in enumerate(zip(operands, shapes or [a.shape for a in operands], strict=True))
    ]
    y = apply(record.name, *leaves, **attrs)
    outputs = {"y": y}
    arrays = list(operands)
    real = [x for x in leaves if x.dtype.kind == "f"]
    if (
        record.vjp is not None
        and y.dtype.kind == "f"
        and real
        and record.name not in ("sign", "stop_gradient")
    ):
        seed = placeholder(y.shape, y.dtype, "seed")
        leaves.append(seed)
        outputs |= {f"d_{x.name}": g for x, g in zip(real, cr.gradient(y, real, seed), strict=True)}
        (value,) = interpret([y], dict(zip(leaves, operands, strict=False)))
        arrays.append(np.random.default_rng(1).normal(size=value.shape).astype(value.dtype))
    return cr.Program(leaves, outputs), arrays


def typed(operands, dtype):
    scale = {"f": 1, "i": 3, "u": 10, "b": 1}[np.dtype(dtype).kind]
    return [
        (np.abs(a) * scale if np.dtype(dtype).kind == "u" else a * scale).astype(dtype)
        if a.dtype.kind == "f"
        else a
        for a in operands
    ]


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("name", TESTED)
def test_every_op_and_its_gradients_agree(name, dtype):
    for attrs, operands in op_cases(OPS[name]):
        program, arrays = op_program(OPS[name], attrs, typed(operands, dtype))
        assert_engines_agree(program, arrays, tolerance=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint8", "bool"])
@pytest.mark.parametrize("name", TESTED)
def test_every_op_agrees_on_whole_numbers_and_truth_values(name, dtype, checked):
    for attrs, operands in op_cases(OPS[name]):
        arrays = typed(operands, dtype)
        if name == "power":
            arrays = [arrays[0] % 4, abs(arrays[1]) % 4]
        try:
            program, arrays = op_program(OPS[name], attrs, arrays)
        except DTypeError:
            assert dtype == "bool"
            continue
        assert_engines_agree(program, arrays)
        checked.check()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "bool"])
def test_functions_of_narrow_types_are_computed_in_the_type_they_are_said_to_have(dtype, checked):
    x = placeholder((4,), dtype, "x")
    value = np.array([0, 1, 1, 0] if dtype == "bool" else [1, 3, 30, 100], dtype)
    program = cr.Program([x], {"exp": cr.exp(x), "mean": cr.mean(x), "tanh": cr.tanh(x), "sqrt": cr.sqrt(x)})
    found = interpret(program.roots, {x: value})
    expected = [np.exp(value * 1.0), np.mean(value), np.tanh(value * 1.0), np.sqrt(value * 1.0)]
    for a, b in zip(found, expected, strict=True):
        assert np.allclose(a, b, rtol=1e-12)
    assert_engines_agree(program, [value])


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("name", [n for n in TESTED if OPS[n].kind is Kind.MAP])
def test_maps_agree_on_nan_infinity_and_very_large_numbers(name, dtype):
    record = OPS[name]
    if record.samples is None:
        cases = [{}]
    else:
        cases = [attrs for attrs, *_ in record.samples()]
    count = len(record.inputs)
    values = np.array(np.meshgrid(*[SPECIAL] * min(count, 2))).reshape(min(count, 2), -1).astype(dtype)
    operands = list(values)
    if name == "where":
        operands = [np.arange(values.shape[1]) % 3 == 0, *operands]
    for attrs in cases[:1]:
        program, arrays = op_program(record, attrs, operands, [(N,)] * count)
        with np.errstate(all="ignore"):
            assert_engines_agree(
                program, arrays, [a[:0] for a in arrays], [a[5:6] for a in arrays], tolerance=TOLERANCE[dtype]
            )


ROWS = np.array(
    [
        [np.nan, 1, 2, 3],
        [1, np.inf, 0, 2],
        [-np.inf] * 4,
        [np.inf, -np.inf, 0, 1],
        [1000, -1000, 0, 999],
        [1, 1, 1, 1],
        [3, np.nan, np.nan, 9],
    ]
)


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("axis", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "max",
        "min",
        "argmax",
        "softmax",
        "log_softmax",
        "logsumexp",
    ],
)
def test_reductions_agree_on_nan_and_infinity(name, axis, dtype):
    attrs = {"axis": axis} | ({} if name in ("argmax", "softmax", "log_softmax") else {"keepdims": False})
    if name in ("softmax", "log_softmax", "argmax") and len(axis) > 1:
        attrs["axis"] = (1,)
    table = (ROWS.T if axis == (0,) else ROWS).astype(dtype)
    program, arrays = op_program(OPS[name], attrs, [table], [(N, D)])
    calls = [arrays]
    for i in range(len(table)):
        _, one = op_program(OPS[name], attrs, [table[i : i + 1]])
        calls.append(one)
    # NumPy takes exp of the log-probability, which near -1000 is rounded by as much
    rounding = 1000 * np.finfo(dtype).eps / 2 if name == "log_softmax" else 0
    assert_engines_agree(program, *calls, tolerance=max(TOLERANCE[dtype], rounding))


SIZES = [(3, 4), (1, 1), (5, 1), (1, 6), (4, 3), (17, 33)]


@pytest.mark.parametrize(
    "name",
    [
        "sum",
        "mean",
        "max",
        "min",
        "argmax",
        "logsumexp",
        "softmax",
        "log_softmax",
        "transpose",
        "relu",
        "where",
        "pick",
        "matmul",
        "concatenate",
        "take",
    ],
)
def test_one_program_serves_every_size(name):
    """Named sizes: called with several sizes in turn, and back again; also with none."""
    x, t = placeholder((N, D), "float64", "x"), placeholder((N,), "int64", "t")
    forms = {
        "transpose": lambda: x.T * 2,
        "relu": lambda: cr.relu(x),
        "where": lambda: cr.where(x > 0, x, cr.sum(x, 0)),
        "pick": lambda: cr.pick(x, t),
        "matmul": lambda: x @ x.T,
        "take": lambda: x[t],
        "concatenate": lambda: cr.concatenate([x, x * 2, cr.sum(x, 0, keepdims=True)]),
    }
    reductions = {
        n: (lambda n=n: getattr(cr, n)(x, 1) * getattr(cr, n)(x, 0)[0])
        for n in ("sum", "mean", "max", "min", "argmax", "logsumexp")
    }
    reductions |= {
        n: (lambda n=n: getattr(cr, n)(x, 0) + getattr(cr, n)(x, 1)) for n in ("softmax", "log_softmax")
    }
    y = (forms | reductions)[name]()
    (slope,) = cr.gradient(cr.sum(cr.tanh(y)), [x]) if y.dtype.kind == "f" else [y]
    draw = np.random.default_rng(0)
    calls = [[draw.normal(size=s), draw.integers(0, min(s), s[0])] for s in [*SIZES, *SIZES]]
    if name in ("transpose", "relu", "concatenate", "where"):
        calls.insert(3, [np.zeros((0, 4)), np.zeros(0, int)])
        calls.insert(5, [np.zeros((3, 0)), np.zeros(3, int)])
    assert_engines_agree(cr.Program([x, t], {"y": y, "slope": slope}), *calls)


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_every_rank(rank, checked):
    draw = np.random.default_rng(rank)
    for shape in ([2, 3, 1, 2][:rank], [1, 1, 1, 1][:rank], [3, 1, 2, 0][:rank], [2, 2, 2, 2][:rank]):
        x = placeholder(tuple(shape), "float64", "x")
        outputs = {
            "map": cr.tanh(x) + x,
            "turned": cr.transpose(x) * 2,
            "total": cr.sum(x),
            "flat": cr.exp(x).reshape(-1),
        }
        for axis in range(rank):
            outputs[f"sum{axis}"] = cr.sum(x, axis)
            outputs[f"kept{axis}"] = x - cr.sum(x, axis, keepdims=True)
            outputs[f"reversed{axis}"] = x[(slice(None),) * axis + (slice(None, None, -1),)]
            outputs[f"joined{axis}"] = cr.concatenate([x, -x, x], axis)
            if shape[axis]:
                outputs[f"soft{axis}"] = cr.softmax(x, axis)
                outputs[f"max{axis}"] = cr.max(x, axis)
                outputs[f"best{axis}"] = cr.argmax(x, axis)
                outputs[f"lse{axis}"] = cr.logsumexp(x, tuple(range(axis, rank))) if 0 not in shape else x
        slopes = cr.gradient(
            sum((cr.sum(cr.sin(y)) for y in outputs.values() if y.dtype.kind == "f"), cr.sum(x)), [x]
        )
        assert_engines_agree(cr.Program([x], outputs | {"slope": slopes[0]}), [draw.normal(size=shape)])


def test_random_numbers_are_the_same_bits_in_both_engines():
    seed, step = placeholder((), "int64", "seed"), placeholder((), "int64", "step")
    outputs = {
        f"{dtype}{i}": cr.random_uniform((N, 3) if i else (7,), seed, step, purpose=i, dtype=dtype)
        for dtype in TOLERANCE
        for i in range(2)
    }
    x = placeholder((N,), "float64", "x")
    program = cr.Program([x, seed, step], outputs | {"x": x})
    runners = [compile_program(program, engine) for engine in BOTH]
    for arrays in ([np.zeros(5), 0, 0], [np.zeros(2), -1, 3], [np.zeros(1), 2**62, -7]):
        first, second = (runner(*arrays) for runner in runners)
        for name in outputs:
            assert np.array_equal(first[name], second[name])
            assert first[name].dtype == second[name].dtype


# random programs ------------------------------------------------------------------------------


def agree_on_random_programs(seeds, dtype, check=lambda: None):
    for seed in seeds:
        made = random_program(random.Random(seed), random.Random(seed).choice([3, 6, 12, 25]), dtype)
        try:
            assert_engines_agree(
                made.program, *made.calls, *made.calls[:1], tolerance=1e-9 if dtype == "float64" else 3e-4
            )
            check()
        except Exception as error:
            error.add_note(f"random_program(random.Random({seed})) in {dtype}")
            raise


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("block", range(10))
def test_random_programs_agree_and_stay_in_their_buffers(block, dtype, checked):
    agree_on_random_programs(range(25 * block, 25 * block + 25), dtype, checked.check)


@pytest.mark.parametrize("block", range(5))
def test_random_programs_agree_when_compiled(block):
    agree_on_random_programs(range(10_000 + 5 * block, 10_005 + 5 * block), "float64")


# updates --------------------------------------------------------------------------------------


def variables(*shapes, dtype="float64"):
    draw = np.random.default_rng(3)
    return [
        cr.tensor(draw.normal(size=s).astype(dtype) * 0.5, name=n)
        for s, n in zip(shapes, "abcd", strict=False)
    ]


def nasty(name):
    """Programs whose new values are made of old ones in every way."""
    a, b, c = variables((3, 3), (3, 3), (3,))
    x, rate = placeholder((3, 3), "float64", "x"), placeholder((), "float64", "rate")
    s, k = cr.tensor(np.array(0.5), name="s"), cr.tensor(np.array(2.0), name="k")
    half = cr.expand(constant(0.5), (3, 3))
    updates = {
        "sum and difference": {a: a + b, b: a - b},
        "swapped": {a: b, b: a},
        "round of three": {a: b, b: x, c: cr.sum(a, 0)},
        "transposed": {a: a.T},
        "reversed": {a: a[::-1], b: b[:, ::-1]},
        "shifted": {a: cr.concatenate([a[1:], a[:1]])},
        "row sums": {a: a - 0.1 * cr.sum(a, 1, keepdims=True)},
        "column sums": {a: a - 0.1 * cr.sum(a, 0)},
        "softmax": {a: cr.softmax(a, 0), b: cr.softmax(b, 1)},
        "squared": {a: a @ a, b: b.T @ b},
        "product of each other": {a: a @ b, b: b @ a},
        "folded": {a: a - rate * (x.T @ b)},
        "folded, scaled on the right": {a: a + (x @ x) * rate},
        "folded with itself": {a: a - rate * (a.T @ x)},
        "folded with each other": {a: a - rate * (b @ b), b: b + rate * (a @ a)},
        "folded with each other's factor": {a: a - rate * (x @ b), b: b - rate * (a @ x)},
        "folded and the rate changes": {a: a - s * (x @ x), s: s * 0.9 + cr.sum(a)},
        "folded into two": {a: a - rate * (x @ x), b: b - rate * (x @ x)},
        "the same node": {a: cr.tanh(a + b), b: cr.tanh(a + b)},
        "shared part": {a: (a + b) * 2, b: (a + b) * 3},
        "an input": {a: x, b: x},
        "a reshaped input": {a: x.reshape(9).reshape(3, 3), b: x.T},
        "a constant": {a: half, b: half},
        "itself": {a: a, b: b + a},
        "counted": {k: k + 1, a: a * (1 - 0.5**k)},
        "scalar from all": {s: cr.mean(a) + s, a: a * s},
        "taken from itself": {a: cr.take(a, np.array([2, 2, 0])), c: c[np.array([1, 0, 2])]},
        "diagonal": {c: cr.pick(a, np.array([0, 1, 2])), a: a * c},
        "ranked": {c: c - cr.max(c), a: a / cr.max(cr.abs(a), 1, keepdims=True)},
        "momentum": {b: 0.9 * b + x @ a, a: a - rate * (0.9 * b + x @ a)},
        "momentum of a product": {b: x.T @ a, a: a - rate * (x.T @ a)},
    }[name]
    loss = cr.sum(a * b)
    old, new = next(iter(updates)), next(iter(updates.values()))
    outputs = {"loss": loss, "old": old, "new": new, "view": x.reshape(9), "x": x, "two": constant(2.0)}
    return x, rate, outputs, updates


NASTY = [
    "sum and difference",
    "swapped",
    "round of three",
    "transposed",
    "reversed",
    "shifted",
    "row sums",
    "column sums",
    "softmax",
    "squared",
    "product of each other",
    "folded",
    "folded, scaled on the right",
    "folded with itself",
    "folded with each other",
    "folded with each other's factor",
    "folded and the rate changes",
    "folded into two",
    "the same node",
    "shared part",
    "an input",
    "a reshaped input",
    "a constant",
    "itself",
    "counted",
    "scalar from all",
    "taken from itself",
    "diagonal",
    "ranked",
    "momentum",
    "momentum of a product",
]


@pytest.mark.parametrize("with_outputs", [False, True])
@pytest.mark.parametrize("name", NASTY)
def test_new_values_are_made_of_old_ones(name, with_outputs, checked):
    x, rate, outputs, updates = nasty(name)
    program = cr.Program([x, rate], outputs if with_outputs else {"loss": outputs["loss"]}, updates)
    draw = np.random.default_rng(0)
    calls = [[draw.normal(size=(3, 3)) * 0.5, np.float64(0.1)] for _ in range(4)]
    assert_engines_agree(program, *calls)


@pytest.mark.parametrize(
    "name", ["swapped", "folded", "folded with each other", "softmax", "momentum of a product"]
)
def test_new_values_are_made_of_old_ones_in_machine_code(name):
    x, rate, outputs, updates = nasty(name)
    draw = np.random.default_rng(0)
    calls = [[draw.normal(size=(3, 3)) * 0.5, np.float64(0.1)] for _ in range(4)]
    assert_engines_agree(cr.Program([x, rate], outputs, updates), *calls)


def test_a_folded_product_can_be_an_output_as_well(checked):
    (a,) = variables((3, 2))
    x, y = placeholder((N, 3), "float64", "x"), placeholder((N, 2), "float64", "y")
    rate = placeholder((), "float64", "rate")
    slope = x.T @ y
    draw = np.random.default_rng(0)
    for outputs in ({"slope": slope}, {"scaled": rate * slope}, {"slope": slope, "new": a - rate * slope}):
        program = cr.Program([x, y, rate], outputs, {a: a - rate * slope})
        assert_engines_agree(program, [draw.normal(size=(4, 3)), draw.normal(size=(4, 2)), np.float64(0.5)])


def test_an_update_of_another_type_than_its_product(checked):
    (a,) = variables((3, 2))
    x, y = placeholder((N, 3), "float32", "x"), placeholder((N, 2), "float32", "y")
    program = cr.Program([x, y], {}, {a: a - cr.tensor(np.array(0.5), name="rate") * (x.T @ y)})
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=s).astype("float32") for s in ((4, 3), (4, 2))]
    assert_engines_agree(program, arrays, tolerance=1e-6)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
def test_training_agrees_step_by_step(rule, dtype):
    program, _ = classifier([6, 9, 4], rule, dtype)
    draw = np.random.default_rng(0)
    calls = [
        [draw.normal(size=(rows, 6)).astype(dtype), draw.integers(0, 4, rows), np.asarray(0.05, dtype)]
        for rows in [8, 8, 3, 8, 1, 8, 8, 5]
    ]
    assert_engines_agree(program, *calls, tolerance=1e-11 if dtype == "float64" else 2e-5)


# one value, one rounding ------------------------------------------------------------------------

EXPRESSIONS = {
    "a b + c d": lambda a, b, c, d, e, f: a * b + c * d,
    "a b + c d + e f - a d": lambda a, b, c, d, e, f: a * b + c * d + e * f - a * d,
    "a b c (d + e) + a f": lambda a, b, c, d, e, f: (a * b * c) * (d + e) + a * f,
    "a / b + c / d": lambda a, b, c, d, e, f: a / b + c / d,
    "a b / c": lambda a, b, c, d, e, f: a * b / c,
}


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_operand_equals_the_maximum_that_was_taken_of_it(name, dtype):
    """Computed in two places, an expression may be rounded in two ways: then no element is the largest."""
    leaves = [placeholder((N, 8), dtype, letter) for letter in "abcdef"]
    y = EXPRESSIONS[name](*leaves)
    z = leaves[4] * leaves[5] + leaves[0] * leaves[3]
    weights = cr.tensor(np.random.default_rng(1).normal(size=(8, 3)).astype(dtype))
    for made in (
        cr.sum(cr.max(y, 1) ** 2) + cr.sum(cr.min(y, 0) ** 2),
        cr.sum(cr.tanh(cr.maximum(y, z) @ weights)),
    ):
        slopes = cr.gradient(made, [y, z, leaves[0]] if made.op.name == "sum" else [y, leaves[0]])
        program = cr.Program(leaves, {f"slope{i}": g for i, g in enumerate(slopes)})
        draw = np.random.default_rng(0)
        for rows in (3, 17, 64):
            arrays = [draw.normal(size=(rows, 8)).astype(dtype) for _ in leaves]
            first, second = (compile_program(program, engine)(*arrays) for engine in BOTH)
            for key in first:
                scale = 1 + np.abs(first[key]).max()
                assert (
                    np.abs(first[key] - second[key]).max() < (1e-10 if dtype == "float64" else 1e-3) * scale
                )


# calls ------------------------------------------------------------------------------------------


def doubling():
    x = placeholder((N, 2), "float64", "x")
    w = cr.tensor(np.ones(2), name="w")
    return cr.Program([x], {"y": x * w}, {w: w * 2}), w


@pytest.mark.parametrize("engine", BOTH)
def test_what_a_runner_gives_is_a_copy(engine):
    program, w = doubling()
    runner = compile_program(program, engine)
    first = runner(np.ones((1, 2)))["y"]
    kept = first.copy()
    runner(np.ones((1, 2)))
    assert np.array_equal(first, kept)
    runner.state[w][:] = 100
    assert runner.state[w].tolist() == [4, 4]
    first[:] = 7
    assert runner(np.ones((1, 2)))["y"].tolist() == [[4, 4]]


@pytest.mark.parametrize("engine", BOTH)
def test_load_copies_and_sets_the_state(engine):
    program, w = doubling()
    runner = compile_program(program, engine)
    given = np.array([3.0, 5.0])
    runner.load({w: given})
    given[:] = 0
    assert runner(np.ones((1, 2)))["y"].tolist() == [[3, 5]]
    assert runner.state[w].tolist() == [6, 10]
    assert w.numpy().tolist() == [1, 1]
    with pytest.raises(ShapeError, match="variable w"):
        runner.load({w: np.ones(3)})


@pytest.mark.parametrize("engine", BOTH)
def test_a_state_taken_from_an_input_is_a_copy(engine):
    x, w = placeholder((2,), "float64", "x"), cr.tensor(np.ones(2), name="w")
    runner = compile_program(cr.Program([x], {}, {w: x}), engine)
    given = np.array([3.0, 5.0])
    runner(given)
    given[:] = 0
    assert runner.state[w].tolist() == [3, 5]


@pytest.mark.parametrize("engine", BOTH)
def test_runners_of_one_program_have_states_of_their_own(engine):
    program, w = doubling()
    first, second = compile_program(program, engine), compile_program(program, engine)
    first(np.ones((1, 2)))
    assert first.state[w].tolist() == [2, 2]
    assert second.state[w].tolist() == [1, 1]


@pytest.mark.parametrize("engine", BOTH)
def test_inputs_that_do_not_fit_are_refused(engine):
    program, _ = doubling()
    runner = compile_program(program, engine)
    for arrays, error, match in [
        ((), DTypeError, "takes 1 inputs, got 0"),
        ((np.ones((1, 2)), 1.0), DTypeError, "takes 1 inputs, got 2"),
        ((np.ones((1, 3)),), ShapeError, r"input x: expected shape \(n, 2\)"),
        ((np.ones(2),), ShapeError, "input x"),
        ((np.ones((1, 2), complex),), DTypeError, "expected float64, got complex128"),
        ((np.array([["a", "b"]]),), DTypeError, "expected float64, got <U1"),
    ]:
        with pytest.raises(error, match=match):
            runner(*arrays)


@pytest.mark.parametrize("engine", BOTH)
def test_whole_numbers_and_lists_are_taken_for_real_ones(engine):
    program, _ = doubling()
    runner = compile_program(program, engine)
    assert runner([[1, 2]])["y"].tolist() == [[1, 2]]
    assert runner(np.array([[1, 2]], np.int8))["y"].tolist() == [[2, 4]]
    assert runner(np.asfortranarray(np.arange(6.0).reshape(3, 2)))["y"].tolist() == [
        [0, 4],
        [8, 12],
        [16, 20],
    ]
    assert runner(np.arange(12.0).reshape(3, 4)[:, ::-2])["y"].tolist() == [[24, 8], [56, 40], [88, 72]]


@pytest.mark.parametrize("engine", BOTH)
def test_a_variable_without_a_value_is_asked_for(engine):
    w = placeholder((2,), "float64", "w")
    runner = compile_program(cr.Program([], {"y": w * 2}, {w: w + 1}), engine)
    with pytest.raises(EvaluationError, match="variable w has no value"):
        runner()
    runner.load({w: np.ones(2)})
    assert runner()["y"].tolist() == [2, 2]
    assert runner.state[w].tolist() == [2, 2]


@pytest.mark.parametrize("engine", BOTH)
def test_a_program_without_anything(engine):
    x = placeholder((N,), "float64", "x")
    assert compile_program(cr.Program([x], {}), engine)(np.ones(2)) == {}


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_variables_without_elements(engine, shape):
    w = cr.tensor(np.ones(shape), name="w")
    runner = compile_program(cr.Program([], {"y": w * 2, "s": cr.sum(w)}, {w: w + 1}), engine)
    out = runner()
    assert out["y"].shape == shape
    assert out["s"] == 0
    assert runner.state[w].shape == shape
    runner.load({w: np.ones(shape)})


def test_an_unknown_engine_says_which_exist():
    with pytest.raises(
        UnknownNameError, match=r"engine 'nunba' is unknown; did you mean 'numba'.*auto, numba, numpy"
    ):
        compile_program(doubling()[0], "nunba")
    assert sorted(ENGINES) == ["auto", "numba", "numpy"]


@pytest.mark.parametrize("dtype", ["float16", "complex128", "complex64"])
def test_types_that_are_not_compiled_are_refused(dtype):
    x = placeholder((2,), dtype, "x")
    program = cr.Program([x], {"y": x + x})
    assert compile_program(program, "numpy")(np.ones(2, dtype))["y"].dtype == dtype
    with pytest.raises(DTypeError, match=f"the compiled engine has no {dtype}. Use float32 or float64"):
        compile_program(program, "numba")


def test_a_deep_graph(checked):
    x = placeholder((N,), "float64", "x")
    y = x
    for _ in range(600):
        y = y * 0.99 + cr.sin(x) * 0.01
    (slope,) = cr.gradient(cr.sum(y * y), [x])
    assert_engines_agree(cr.Program([x], {"y": y, "slope": slope}), [np.array([0.5, -2.0])])


@pytest.mark.parametrize(
    ("name", "low", "high"), [("log", 0.0, np.inf), ("exp", -87.0, 88.7), ("tanh", -12.0, 12.0)]
)
def test_polynomials_are_as_good_as_float32_allows(name, low, high):
    """Over the whole domain, numbers below the normal ones included, against float64."""
    bits = np.arange(1, np.float32(np.inf).view(np.int32), 9973, dtype=np.int32)
    values = bits.view(np.float32)
    values = np.concatenate([values, -values])
    values = values[(values > low) & (values < high)]
    x = placeholder((N,), "float32", "x")
    found = compile_program(cr.Program([x], {"y": getattr(cr, name)(x)}), "numba")(values)["y"]
    expected = getattr(np, name)(values.astype(np.float64))
    normal = np.abs(expected) > np.finfo(np.float32).tiny
    assert np.max(np.abs(found / expected - 1)[normal]) < 5e-7
