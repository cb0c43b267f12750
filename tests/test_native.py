"""The compiled engine's memory, epochs and lanes: nothing outside a buffer, every batch as if alone."""

import ctypes
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from checked_kernels import Machine, OutsideBufferError, checked_machine
from random_programs import classifier, random_program

import chainrule as cr
from chainrule.emit.engine import compile_program
from chainrule.emit.native import instance as instances
from chainrule.emit.native import memory, runner, shards, stage, threads
from chainrule.emit.native.code import make_code
from chainrule.emit.native.render import Kernel
from chainrule.emit.native.shards import LANES, cut_rows
from chainrule.emit.native.steps import Product
from chainrule.errors import DataError, DTypeError, EvaluationError, ParameterError, ShapeError
from chainrule.graph.evaluate import interpret
from chainrule.graph.tensor import apply, placeholder
from chainrule.shapes import Size

N, M = Size.named("n"), Size.named("m")
BOTH = ["numpy", "numba"]


@pytest.fixture
def checked(monkeypatch):
    """Compiled programs run in a checked machine; the machine."""
    machine = checked_machine(monkeypatch)
    yield machine
    machine.check()


@pytest.fixture
def guarded(monkeypatch):
    """Every buffer lies between two zones that nothing may write to; a function that looks at them."""
    zones = []
    mark = 0xA5

    def aligned(elements, dtype):
        count = max(elements, 1) * dtype.itemsize
        raw = np.full(count + 3 * 4096, mark, np.uint8)
        start = 4096 + -(raw.ctypes.data + 4096) % memory.ALIGNMENT
        raw[start : start + count] = 0
        zones.append((raw, start, start + count))
        return raw[start : start + elements * dtype.itemsize].view(dtype)

    def intact():
        return all((raw[:low] == mark).all() and (raw[high:] == mark).all() for raw, low, high in zones)

    for module in (memory, runner):
        monkeypatch.setattr(module, "aligned", aligned)
    yield intact
    assert zones


def expected_epoch(program, state, arrays, rows, size):
    """Step by step through the interpreter: losses and the last state."""
    losses = []
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        taken = [
            np.asarray(a)[batch] if leaf.shape and not isinstance(leaf.shape[0], int) else np.asarray(a)
            for leaf, a in zip(program.inputs, arrays, strict=True)
        ]
        typed = [a.astype(leaf.dtype) for leaf, a in zip(program.inputs, taken, strict=True)]
        values = interpret(program.roots, dict(zip(program.inputs, typed, strict=True)) | state)
        losses.append(float(values[0]))
        state = state | dict(zip(program.updates, values[len(program.outputs) :], strict=True))
    return losses, state


def start_of(program):
    return {v: v.value for v in program.variables}


def assert_states(found, expected, tolerance=1e-11):
    for variable, value in expected.items():
        assert np.allclose(found[variable], value, rtol=tolerance, atol=tolerance), variable.name


# buffers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_machine_code_writes_nowhere_but_in_its_buffers(rule, guarded):
    program, _ = classifier([5, 7, 3], rule)
    machine = compile_program(program, "numba")
    draw = np.random.default_rng(0)
    for rows in (4, 1, 9):
        machine(draw.normal(size=(rows, 5)), draw.integers(0, 3, rows), 0.1)
        assert guarded()
    machine.epoch(
        [draw.normal(size=(40, 5)).astype("f4"), draw.integers(0, 3, 40), 0.1], draw.permutation(40), 7
    )
    assert guarded()


@pytest.mark.parametrize("seed", range(10_000, 10_012))
def test_machine_code_of_random_programs_writes_nowhere_but_in_its_buffers(seed, guarded):
    made = random_program(random.Random(seed), random.Random(seed).choice([3, 6, 12, 25]))
    machine = compile_program(made.program, "numba")
    for arrays in made.calls:
        machine(*arrays)
    assert guarded()


def run_kernel(machine, source, *numbers):
    block = np.array(numbers, np.int64)
    kernel = machine.address(f"def kernel(block):\n    a = i8p(block)\n    {source}\n", None)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(kernel)(block.ctypes.data)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("f8p(a[0])[3] = f8(1)", "write at 3 of 3 elements"),
        ("f8p(a[0])[-1] = f8(1)", "write at -1 of 3 elements"),
        ("f8p(a[1])[0] = f8p(a[0])[3]", "read at 3 of 3 elements"),
        ("f8p(a[1])[2] = f8(1)", "write at 2 of 2 elements"),
        ("f4p(a[0])[6] = f4(1)", "write at 6 of 6 elements"),
    ],
)
def test_the_checked_machine_sees_what_lies_outside(source, match):
    machine = Machine(None)
    first, second = (machine.buffers.aligned(size, np.dtype(np.float64)) for size in (3, 2))
    run_kernel(machine, "f8p(a[0])[2] = f8(7)", first.ctypes.data)
    machine.check()
    assert first[2] == 7
    run_kernel(machine, source, first.ctypes.data, second.ctypes.data)
    with pytest.raises(OutsideBufferError, match=match):
        machine.check()


def test_the_checked_machine_starts_from_nothing_that_could_be_right():
    assert np.isnan(Machine(None).buffers.aligned(3, np.dtype(np.float32))).all()


def test_a_row_of_a_view_is_no_row_of_what_it_views(checked):
    """What is read last in a loop may give its place to a result, if a row is read before it is written."""
    x, z = placeholder((2, 6), "float64", "x"), placeholder((2, 6), "float64", "z")
    h = cr.exp(x)
    column = h.reshape(4, 3)[:2, :1]
    y = cr.tanh(cr.exp(z * column) + 1) @ cr.tensor(np.eye(6))
    program = cr.Program([x, z], {"y": y})
    arrays = [np.arange(12.0).reshape(2, 6) / 10, np.linspace(-1, 1, 12).reshape(2, 6)]
    found = compile_program(program, "numba")(*arrays)
    checked.check()
    assert np.allclose(found["y"], interpret([y], dict(zip(program.inputs, arrays, strict=True)))[0])


def test_buffers_are_used_again():
    x = placeholder((N, 8), "float32", "x")
    h = x
    for _ in range(12):
        h = cr.tanh(h @ cr.tensor(np.eye(8, dtype="float32")))
    code = make_code(cr.Program([x], {"y": cr.sum(h)}))
    wide = [b for b in code.memory.buffers if b.elements == N * 8]
    assert len(wide) <= 4  # the input, and no more than a product needs


def test_hundreds_of_steps_keep_both_engines_together():
    program, _ = classifier([6, 10, 10, 4], "adam", "float64")
    draw = np.random.default_rng(0)
    x, t = draw.normal(size=(96, 6)), draw.integers(0, 4, 96)
    runners = [compile_program(program, engine) for engine in BOTH]
    for epoch in range(10):
        rows = np.random.default_rng(epoch).permutation(96)
        losses = [runner.epoch([x, t, 0.003], rows, 5) for runner in runners]
        assert np.allclose(*losses, rtol=1e-9, atol=1e-10)
    assert_states(runners[1].state, runners[0].state, 1e-8)


def test_denormal_numbers_are_back_after_a_call():
    program, _ = classifier([5, 7, 3])
    compile_program(program, "numba")(np.ones((4, 5)), [0, 1, 2, 0], 0.1)
    assert (np.array([1e-310]) * np.array([1.0]))[0] > 0
    assert np.float32(1e-40) * np.float32(1) > 0


# indices ----------------------------------------------------------------------------------------


def index_programs(dtype="int64"):
    x = placeholder((N, 4), "float64", "x")
    rows, columns = placeholder((M,), dtype, "t"), placeholder((N,), dtype, "t")
    square = placeholder((M, 2), dtype, "t")
    w = cr.tensor(np.zeros((3, 4)), name="w")
    return {
        "take": (x, rows, cr.take(x, rows) * 2),
        "take of something computed": (x, rows, cr.take(cr.exp(x) + x, rows)),
        "take along the columns": (x, rows, cr.take(x, rows, 1)),
        "take of a variable": (x, rows, cr.take(w, rows) + cr.sum(x)),
        "take by two axes": (x, square, cr.take(x, square)),
        "take in a piece": (x, rows, cr.concatenate([cr.take(x, rows), cr.take(x, rows) * 2])),
        "pick": (x, columns, cr.pick(x, columns)),
        "pick of log_softmax": (x, columns, -cr.mean(cr.pick(cr.log_softmax(x), columns))),
        "scatter_add": (x, columns, apply("scatter_add", columns, x, shape=(3, 4))),
        "gradient of take": (x, rows, cr.gradient(cr.sum(cr.take(x, rows) ** 2), [x])[0]),
    }


INDEXED = list(index_programs())


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("wrong", [5, -6, 2**40, -(2**62)])
def test_an_index_outside_its_axis_is_an_error(engine, wrong):
    x, t, y = index_programs()["take"]
    with pytest.raises(EvaluationError, match="index"):
        compile_program(cr.Program([x, t], {"y": y}), engine)(np.ones((5, 4)), [0, wrong])


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("name", INDEXED)
def test_no_index_reads_or_writes_outside(name, dtype, checked):
    x, t, y = index_programs(dtype)[name]
    program = cr.Program([x, t], {"y": y})
    machine = compile_program(program, "numba")
    right = np.arange(6).reshape((3, 2) if t.ndim == 2 else (6,)) % 3
    given = np.random.default_rng(0).normal(size=(6, 4))
    for wrong in (100, 127) if dtype == "uint8" else (6, 1000, -7, 2**31 - 1, -(2**31)):
        bad = right.copy()
        bad[(-1,) * t.ndim] = wrong
        with pytest.raises(EvaluationError, match="an index lies outside its axis"):
            machine(given, bad.astype(dtype))
        checked.check()
        found = machine(given, right.astype(dtype))["y"]
        (expected,) = interpret([y], {x: given, t: right.astype(dtype)})
        assert np.allclose(found, expected)
    checked.check()


@pytest.mark.parametrize("name", INDEXED)
def test_indices_from_the_end_and_repeated_ones(name, checked):
    x, t, y = index_programs()[name]
    given = np.random.default_rng(0).normal(size=(6, 4))
    indices = np.array([-1, 2, 2, -3, 0, 2]).reshape((3, 2) if t.ndim == 2 else (6,))
    found = compile_program(cr.Program([x, t], {"y": y}), "numba")(given, indices)["y"]
    assert np.allclose(found, interpret([y], {x: given, t: indices})[0])


@pytest.mark.parametrize(
    "name", ["take", "take of something computed", "take by two axes", "gradient of take"]
)
def test_an_axis_without_elements_has_no_index(name, checked):
    x, t, y = index_programs()[name]
    machine = compile_program(cr.Program([x, t], {"y": y}), "numba")
    with pytest.raises(EvaluationError, match="an index lies outside its axis"):
        machine(np.ones((0, 4)), np.zeros((3, 2)[: t.ndim], int))
    checked.check()
    empty = machine(np.ones((0, 4)), np.zeros((0, 2)[: t.ndim], int))["y"]
    assert empty.size == 0
    checked.check()


@pytest.mark.parametrize(
    "expression",
    [
        lambda t: cr.take(cr.tensor(np.zeros((0, 3))), t),
        lambda t: apply("scatter_add", t, cr.tensor(np.ones((2, 3))), shape=(0, 3)),
        lambda t: cr.pick(cr.tensor(np.zeros((2, 0))), t),
    ],
)
def test_a_place_without_elements_is_not_compiled(expression):
    t = placeholder((2,), "int64", "t")
    with pytest.raises(ShapeError, match=r"the axis has no elements, and there are indices of shape \(2,\)"):
        compile_program(cr.Program([t], {"y": expression(t)}), "numba")


def test_one_hot_has_no_place_for_what_is_outside():
    t = placeholder((N,), "int64", "t")
    program = cr.Program([t], {"y": cr.one_hot(t, 3)})
    for engine in BOTH:
        assert compile_program(program, engine)([0, 3, -1])["y"].astype(int).tolist() == [
            [1, 0, 0],
            [0] * 3,
            [0] * 3,
        ]


# epochs -----------------------------------------------------------------------------------------

KINDS = {
    "f4": ((N,), "float32"),
    "f8": ((N, 3), "float64"),
    "u1": ((N, 2, 3), "uint8"),
    "b1": ((N, 1, 2, 2), "bool"),
    "i8": ((N,), "int64"),
    "i4": ((N, 2), "int32"),
    "i2": ((N, 3), "int16"),
    "i1": ((N, 1), "int8"),
    "u2": ((N, 2), "uint16"),
}


def many_inputs():
    """A step that reads inputs of every type and rank, an array that is no batch, and a number."""
    leaves = [placeholder(shape, dtype, name) for name, (shape, dtype) in KINDS.items()]
    table, rate = placeholder((4, 2), "float64", "table"), placeholder((), "float64", "rate")
    w = cr.tensor(np.array([0.5, -0.5]), name="w")
    total = cr.mean(cr.take(table, leaves[4]) * w)
    for i, x in enumerate(leaves):
        total = total + cr.mean(x.astype("float64")) * (i + 1) * 0.01
    return cr.Program([*leaves, table, rate], {"loss": total}, {w: w * (1 - rate) + total})


def many_arrays(rows=23):
    draw = np.random.default_rng(0)
    arrays = [
        draw.integers(0, 4, (rows, *shape[1:])).astype(dtype)
        if dtype != "bool"
        else draw.random((rows, *shape[1:])) > 0.5
        for shape, dtype in KINDS.values()
    ]
    return [*arrays, draw.normal(size=(4, 2)), 0.1]


LAYOUTS = {
    "as it is": lambda a: a,
    "columns first": np.asfortranarray,
    "every second row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "every second byte": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim > 1 else a,
    "foreign byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "not at a multiple of its size": lambda a: (
        np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape)
    ),
}


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_epoch_is_its_batches_one_by_one(engine, layout):
    program = many_inputs()
    arrays = [LAYOUTS[layout](a) if np.ndim(a) else a for a in many_arrays()]
    rows = np.array([3, 3, 22, 0, 7, 1, 1, 1, 19, 20, 5, 4, 3])
    machine = compile_program(program, engine)
    expected, state = expected_epoch(program, start_of(program), arrays, rows, 4)
    losses = machine.epoch(arrays, rows, 4)
    assert losses.dtype == np.float64
    assert np.allclose(losses, expected, rtol=1e-12)
    assert_states(machine.state, state)


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("size", [1, 2, 5, 13, 14, 100])
def test_the_last_batch_may_be_smaller(engine, size):
    program, _ = classifier([4, 6, 3], "momentum", "float64")
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(20, 4)), draw.integers(0, 3, 20), 0.1]
    rows = draw.permutation(20)[:13]
    machine = compile_program(program, engine)
    state = start_of(program)
    for _ in range(2):
        expected, state = expected_epoch(program, state, arrays, rows, size)
        assert np.allclose(machine.epoch(arrays, rows, size), expected, rtol=1e-11)
        assert_states(machine.state, state)
    assert len(expected) == -(-13 // size)


@pytest.mark.parametrize("engine", BOTH)
def test_calls_and_epochs_may_take_turns(engine):
    program, _ = classifier([4, 6, 3], "sgd", "float64")
    draw = np.random.default_rng(0)
    machine, state = compile_program(program, engine), start_of(program)
    for i in range(4):
        arrays = [draw.normal(size=(9, 4)), draw.integers(0, 3, 9), 0.1]
        _, state = expected_epoch(program, state, arrays, np.arange(9), 2 + i)
        machine.epoch(arrays, np.arange(9), 2 + i)
        values = interpret(program.roots, dict(zip(program.inputs, arrays, strict=True)) | state)
        assert machine(*arrays)["loss"] == pytest.approx(float(values[0]), rel=1e-12)
        state = state | dict(zip(program.updates, values[1:], strict=True))
        assert_states(machine.state, state)


@pytest.mark.parametrize("engine", BOTH)
def test_an_epoch_without_rows_does_nothing(engine):
    program, _ = classifier([4, 3])
    machine = compile_program(program, engine)
    assert machine.epoch([np.ones((5, 4)), np.zeros(5, int), 0.1], np.arange(0), 2).shape == (0,)
    assert_states(machine.state, start_of(program))


def test_rows_that_are_not_there_are_refused():
    program, _ = classifier([4, 3])
    machine = compile_program(program, "numba")
    arrays = [np.ones((5, 4), "f4"), np.zeros(5, int), 0.1]
    for rows in ([0, 5], [-1, 2], [0, 2**40]):
        with pytest.raises(DataError, match="a row number is outside the 5 rows that there are"):
            machine.epoch(arrays, np.array(rows), 2)
    with pytest.raises(DataError, match="outside the 4 rows"):
        machine.epoch([np.ones((5, 4), "f4"), np.zeros(4, int), 0.1], np.array([4]), 1)
    assert_states(machine.state, start_of(program))


@pytest.mark.parametrize("engine", BOTH)
def test_a_table_of_another_shape_is_refused(engine):
    program, _ = classifier([4, 3])
    machine = compile_program(program, engine)
    with pytest.raises(ShapeError, match=r"input x: expected shape \(n, 4\)"):
        machine.epoch([np.ones((5, 3), "f4"), np.zeros(5, int), 0.1], np.arange(5), 2)


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize(
    ("arrays", "error"),
    [
        (lambda x, t: [x, t + 0.5, 0.1], DTypeError),  # labels would be cut to whole numbers
        (lambda x, t: [x, t], DTypeError),
        (lambda x, t: [x + 1j, t, 0.1], DTypeError),
    ],
)
def test_an_epoch_refuses_what_a_call_refuses(engine, arrays, error):
    program, _ = classifier([4, 3])
    given = arrays(np.ones((5, 4), "f4"), np.zeros(5, int))
    with pytest.raises(error):
        compile_program(program, engine).epoch(given, np.arange(5), 2)


@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_row(engine, size):
    program, _ = classifier([4, 3])
    machine = compile_program(program, engine)
    with pytest.raises(ParameterError, match="batch"):
        machine.epoch([np.ones((5, 4), "f4"), np.zeros(5, int), 0.1], np.arange(5), size)


def test_an_index_outside_ends_an_epoch_with_an_error():
    program, _ = classifier([4, 3])
    machine = compile_program(program, "numba")
    labels = np.array([0, 1, 2, 3, 0])
    with pytest.raises(EvaluationError, match="an index lies outside its axis: check the labels"):
        machine.epoch([np.ones((5, 4), "f4"), labels, 0.1], np.arange(5), 2)
    assert np.isfinite(machine.epoch([np.ones((5, 4), "f4"), labels % 3, 0.1], np.arange(5), 2)).all()


@pytest.mark.parametrize("engine", BOTH)
def test_an_array_may_change_between_epochs(engine):
    program, _ = classifier([4, 3], dtype="float32")
    machine = compile_program(program, engine)
    x, t = np.ones((6, 4)), np.zeros(6, int)  # float64: it has to be converted
    first = machine.epoch([x, t, 0.0], np.arange(6), 3)
    x *= -3
    assert not np.allclose(machine.epoch([x, t, 0.0], np.arange(6), 3), first)


# lanes --------------------------------------------------------------------------------------------


@pytest.fixture(params=[4, 2**15], ids=["large products", "none large"])
def shared(request, monkeypatch):
    """Programs of any size are shared out among lanes where they can be."""
    monkeypatch.setattr(runner, "SHARED", (0.0, float("inf")))
    for module in (instances, shards):
        monkeypatch.setattr(module, "LARGE", request.param)


def use_threads(monkeypatch, count):
    monkeypatch.setattr(stage, "thread_count", lambda: count)


@pytest.mark.parametrize("rule", ["sgd", "momentum", "adam"])
def test_lanes_give_what_one_lane_gives(rule, shared, monkeypatch):
    program, _ = classifier([6, 70, 5], rule, "float64")
    assert cut_rows(program) is not None
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(60, 6)), draw.integers(0, 5, 60), 0.01]
    rows = draw.permutation(60)
    expected, state = expected_epoch(program, start_of(program), arrays, rows, 13)
    results = []
    for count in (1, 2):
        use_threads(monkeypatch, count)
        machine = compile_program(program, "numba")
        losses = machine.epoch(arrays, rows, 13)
        assert any(len(s.lanes) == LANES for s in machine._stages.values())
        assert np.allclose(losses, expected, rtol=1e-11)
        assert_states(machine.state, state)
        outputs = machine(*(a[:10] if np.ndim(a) else a for a in arrays))
        results.append([losses, outputs["loss"], *machine.state.values()])
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)  # bit for bit: the threads do not decide what is added first


def shared_programs():
    """Random programs that can be shared out, and how to call them."""
    for seed in range(120):
        made = random_program(random.Random(seed), random.Random(seed).choice([3, 6, 12]))
        odd = any(N in x.shape[1:] for x in made.program.inputs)
        if not odd and made.program.updates and cut_rows(made.program) is not None:
            for arrays in made.calls:
                if len(arrays[0]) >= 2 * LANES:
                    yield seed, made.program, arrays


def check_lanes(order):
    """Compare all shared programs with the interpreter; `order` may change a stage's phases."""
    count = 0
    for seed, program, arrays in shared_programs():
        machine = compile_program(program, "numba")
        lanes = machine._stage({"n": len(arrays[0]), "t": arrays[0].shape[1]})
        assert len(lanes.lanes) == LANES
        lanes.assign([lanes.phases[0], *map(order, lanes.phases[1:])])
        found = machine(*arrays)
        values = interpret(program.roots, dict(zip(program.inputs, arrays, strict=True)))
        for name, value in zip(program.outputs, values, strict=False):
            assert np.allclose(found[name], value, rtol=1e-9, atol=1e-10), seed
        assert_states(
            machine.state, dict(zip(program.updates, values[len(program.outputs) :], strict=True)), 1e-9
        )
        count += 1
    assert count > 10


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(lambda phase: phase, id="first lane first"),
        pytest.param(lambda phase: phase[::-1], id="last lane first"),
    ],
)
def test_the_lanes_of_a_phase_may_run_in_any_order(order, shared, checked, monkeypatch):
    use_threads(monkeypatch, 1)
    check_lanes(order)
    checked.check()


def test_shares_of_flat_loops_and_products_meet_every_element_once(checked, monkeypatch):
    """A flat kernel or a product in parts does what it does at once."""
    monkeypatch.setattr(instances, "LARGE", 4)
    counts = {Kernel: 0, Product: 0}
    for seed in range(60):
        made = random_program(random.Random(seed), 12)
        code = make_code(made.program)
        if any(isinstance(k, Kernel) and k.flat for k in code.kernels):
            machine, expected = (compile_program(made.program, "numba") for _ in range(2))
            sizes = {"n": len(made.calls[0][0]), "t": made.calls[0][0].shape[1]}
            whole = machine._stage(sizes)
            (instance,) = whole.lanes
            calls = []
            for (function, block), kernel in zip(instance.calls, instance.code.kernels, strict=True):
                shares = instance.shares(kernel, 3)
                if shares is not None:
                    counts[type(kernel)] += 1
                calls += [(function, b) for b in reversed([block] if shares is None else shares[0])]
            whole.assign([[calls]])
            found, wanted = machine(*made.calls[0]), expected(*made.calls[0])
            for name in wanted:
                assert np.array_equal(found[name], wanted[name], equal_nan=True), seed
    assert min(counts.values()) > 10, counts


def test_flat_loops_are_told_from_others():
    x, y = placeholder((N, 4), "float64", "x"), placeholder((N, 4), "float64", "y")
    s, t = placeholder((), "float64", "s"), placeholder((N,), "int64", "t")

    def flat(z):
        code = make_code(cr.Program([x, y, s, t], {"z": z}))
        return all(kernel.flat for kernel in code.kernels if isinstance(kernel, Kernel))

    assert flat(cr.tanh(x) * y + 1)
    assert flat(x * s)
    assert not flat(cr.sum(x * y))
    assert not flat(cr.max(x))
    assert not flat(cr.argmax(x.reshape(-1)))
    assert not flat(x + y[:, ::-1])
    assert not flat(x[1:] * 2)
    assert not flat(cr.take(x, t))
    assert not flat(x / cr.graph.tensor.size(N * 4, "float64"))
    assert not flat(x + cr.sum(y, 1, keepdims=True))


def test_an_input_that_nothing_reads_does_no_harm(shared):
    x, extra = placeholder((N, 3), "float64", "x"), placeholder((3, N), "float64", "extra")
    w = cr.tensor(np.ones(3), name="w")
    loss = cr.sum((x @ w) ** 2)
    (slope,) = cr.gradient(loss, [w])
    machine = compile_program(cr.Program([x, extra], {"loss": loss}, {w: w - 0.1 * slope}), "numba")
    assert machine(np.ones((8, 3)), np.ones((3, 8)))["loss"] == 72


def test_two_threads_may_train_two_networks(shared, monkeypatch):
    use_threads(monkeypatch, 2)
    program, _ = classifier([6, 70, 5], "sgd", "float64")
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(64, 6)), draw.integers(0, 5, 64), 0.01]
    machines = [compile_program(program, "numba") for _ in range(3)]
    losses = [None] * 3

    def train(i):
        losses[i] = [machines[i].epoch(arrays, np.arange(64), 16) for _ in range(5)]

    workers = [threading.Thread(target=train, args=(i,), daemon=True) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    assert np.array_equal(losses[0], losses[1])
    assert np.array_equal(losses[0], losses[2])


def run_script(script):
    """The exit status and the errors of a script in a process of its own, with the tests' helpers at hand."""
    path = os.pathsep.join([p for p in sys.path if p] + [os.path.dirname(__file__)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


CALL_AFTER_EPOCH = """
    import numpy as np
    from chainrule.emit.engine import compile_program
    from random_programs import classifier
    program, _ = classifier([4, 3], dtype="float64")
    machines = [compile_program(program, "numba") for _ in range(2)]
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=(9, 4)), draw.integers(0, 3, 9), 0.0]
    machines[0].epoch(arrays, np.arange(9), 3)
    batch = [arrays[0][4:7], arrays[1][4:7], 0.0]
    assert machines[0](*batch) == machines[1](*batch)
"""


def test_a_call_may_have_as_many_rows_as_the_batches_of_an_epoch():
    assert run_script(CALL_AFTER_EPOCH) == (0, "")


FORKING = """
    import os, sys, signal
    import numpy as np
    from chainrule.emit.engine import compile_program
    from chainrule.emit.native import runner, stage
    from random_programs import classifier
    runner.SHARED = (0.0, float("inf"))
    stage.thread_count = lambda: 2
    program, _ = classifier([6, 70, 5])
    arrays = [np.ones((64, 6), "f4"), np.zeros(64, int), 0.01]
    first = compile_program(program, "numba").epoch(arrays, np.arange(64), 16)
    child = os.fork()
    if child == 0:
        signal.alarm(15)  # a lane that nobody runs would be waited for without end
        again = compile_program(program, "numba").epoch(arrays, np.arange(64), 16)
        os._exit(0 if np.array_equal(first, again) else 1)
    sys.exit(0 if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 else 3)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_process_can_go_on():
    assert run_script(FORKING) == (0, "")


FORKING_BESIDE_A_CALL = """
    import os, signal, sys, threading
    import numpy as np
    import chainrule as cr
    from chainrule.emit.native.threads import blas_threads
    X, y = np.ones((400, 5)), np.arange(400) % 3
    net = cr.Network([cr.Dense(9, "relu"), cr.Dense(3)], loss="cross_entropy")
    net.fit(X, y, epochs=1, engine="numba", verbose=False)
    cr.training.prediction.WORTH = 0
    first = net.predict_proba(X)
    begun, over = threading.Event(), threading.Event()

    def call():
        with blas_threads(1):
            begun.set()
            over.wait()

    threading.Thread(target=call).start()
    begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(15)
        os._exit(0 if net._sweeps and np.array_equal(first, net.predict_proba(X)) else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    over.set()
    sys.exit(0 if status == 0 else 3)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_process_forked_while_another_thread_runs_loops_can_predict():
    assert run_script(FORKING_BESIDE_A_CALL) == (0, "")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a system without timers")
def test_ctrl_c_does_not_leave_other_threads_behind(monkeypatch):
    ended = []

    def slow(block):
        if block:
            time.sleep(0.5)
            ended.append(block)

    monkeypatch.setattr(threads, "_driver", lambda: slow)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            threads.drive([0, 1, 2], np.zeros(1, np.int64), None)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert sorted(ended) == [1, 2]


def gate(h, w):
    """Columns of a matrix weighed by another column of it."""
    y = cr.sum((h[:, 1:3] * h[:, 0:1]) ** 2)
    return [y, *cr.gradient(y, [h, w])]


def joined(h, w):
    return [cr.concatenate([cr.expand(h[:, 0:1], (N, 2)), h], 1) * 3]


@pytest.mark.parametrize("form", [gate, joined])
def test_a_column_is_not_overwritten_while_others_read_it(form):
    x = placeholder((N, 4), "float64", "x")
    w = cr.tensor(np.random.default_rng(1).normal(size=(4, 4)), name="w")
    outputs = {f"y{i}": y @ w if y.shape[-1:] == (4,) else y for i, y in enumerate(form(x @ w, w))}
    program = cr.Program([x], outputs)
    values = np.random.default_rng(0).normal(size=(9, 4))
    expected = compile_program(program, "numpy")(values)
    for name, found in compile_program(program, "numba")(values).items():
        np.testing.assert_allclose(found, expected[name], rtol=1e-12, atol=1e-12)


def test_one_machine_may_be_called_from_several_threads():
    x = placeholder((N, 3), "float64", "x")
    machine = compile_program(cr.Program([x], {"y": cr.sum(cr.tanh(x), 1)}), "numba")
    wrong = []

    def work(value):
        given = np.full((50, 3), value)
        wrong.extend(1 for _ in range(300) if not np.allclose(machine(given)["y"], 3 * np.tanh(value)))

    workers = [threading.Thread(target=work, args=(v,)) for v in (0.1, 0.5, -2.0)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not wrong
