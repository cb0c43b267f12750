"""Tensors: what they hold, which type they have, when they compute; and programs made of them."""

import operator
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import DTypeError, EvaluationError, ParameterError, ShapeError, UnknownNameError
from chainrule.graph.evaluate import interpret
from chainrule.graph.op import OPS, Kind, Op, find_op, floating, op
from chainrule.graph.tensor import apply, apply_record, as_tensor, constant, topological
from chainrule.shapes import Size

# leaves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "bool"])
def test_an_array_keeps_its_type(dtype):
    x = cr.tensor(np.array([0, 1, 1], dtype))
    assert x.dtype == dtype
    assert x.numpy().dtype == dtype
    assert x.numpy().tolist() == [0, 1, 1]


@pytest.mark.parametrize("value", [3, 3.0, [1, 2], [[1.5, 2]], (1, True)])
def test_python_numbers_are_float64(value):
    assert cr.tensor(value).dtype == np.float64


def test_truth_values_stay_truth_values():
    assert cr.tensor([True, False]).dtype == np.bool_


def test_the_value_is_a_copy_that_nobody_can_change():
    array = np.ones(3)
    x = cr.tensor(array)
    array[0] = 5
    assert x.numpy().tolist() == [1, 1, 1]
    for value in (x.numpy(), (x + 1).numpy(), cr.stop_gradient(x).numpy(), x[1:].numpy()):
        with pytest.raises(ValueError, match="read-only"):
            value[0] = 2
    assert np.array(x).flags.writeable


def test_foreign_byte_order_becomes_native():
    x = cr.tensor(np.array([1.0, 2.0], dtype=">f8"))
    assert x.dtype == np.dtype("=f8")
    assert x.dtype.isnative
    assert (x * 2).numpy().tolist() == [2.0, 4.0]


def test_a_tensor_can_be_made_of_tensors():
    a = cr.tensor(2.0)
    assert float(cr.tensor(a * 3)) == 6.0
    assert cr.tensor([a, a * 2]).numpy().tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cr.tensor("a"), DTypeError, "tensor: expected numbers, got <U1 ('a')"),
        (lambda: cr.tensor(None), DTypeError, "tensor: expected numbers, got object (None)"),
        (lambda: cr.tensor([[1], [1, 2]]), DTypeError, "tensor: setting an array element with a sequence"),
        (lambda: cr.tensor(1, dtype="number"), DTypeError, "tensor: 'number' is not a type of numbers"),
        (lambda: cr.tensor(1, dtype=str), DTypeError, "tensor: <U0 is not a type of numbers"),
        (lambda: cr.tensor(300, dtype="int8"), DTypeError, "tensor: Python integer 300 out of bounds"),
        (lambda: cr.tensor(1.0, name="a b"), ParameterError, "tensor name 'a b' is not a plain identifier"),
        (lambda: cr.tensor(1.0, name="lambda"), ParameterError, "tensor name 'lambda' is not a plain"),
        (lambda: cr.tensor(1.0, name=7), ParameterError, "tensor name 7 is not a plain identifier"),
        (lambda: cr.placeholder((2.5,)), ShapeError, "a size is a whole number or a name, got 2.5"),
        (lambda: cr.placeholder(2, "text"), DTypeError, "placeholder: 'text' is not a type of numbers"),
        (lambda: cr.placeholder(2, object), DTypeError, "placeholder: object is not a type of numbers"),
        (lambda: constant([1, 2]), DTypeError, "constant: expected one number, got [1, 2]"),
        (lambda: constant("a"), DTypeError, "constant: expected one number, got 'a'"),
        (lambda: constant(300, "int8"), DTypeError, "constant: Python integer 300 out of bounds"),
    ],
)
def test_what_is_no_leaf_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


# types ----------------------------------------------------------------------------------------

DTYPES = ["float32", "float64", "float16", "int8", "int64", "uint8", "bool"]
SCALARS = [2, 2.0, True]


@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", [*DTYPES, *SCALARS, np.float32(2), np.float64(2), np.int16(2)])
@pytest.mark.parametrize("name", ["add", "multiply", "divide", "maximum", "greater"])
def test_types_are_promoted_as_numpy_does(a, b, name):
    x = np.array([1, 1], a)
    y = np.array([1, 1], b) if isinstance(b, str) else b
    if a == "bool" and np.asarray(y).dtype == np.bool_ and name in ("add", "multiply", "maximum"):
        with pytest.raises(DTypeError, match="arithmetic on truth values alone"):
            apply(name, x, y)
        return
    expected = getattr(np, name)(x, y)
    for node in (apply(name, x, y), apply(name, y, x)):
        assert node.numpy().dtype == node.dtype == expected.dtype
    np.testing.assert_allclose(apply(name, x, y).numpy(), expected)


def test_a_python_number_takes_the_type_of_the_array():
    x = cr.tensor(np.ones(2, np.float32))
    for node in (x * 2.0, 2 * x, x + True, 1 / x, x**2, cr.maximum(x, 0.5), cr.where(x > 0, x, 0.0)):
        assert node.dtype == np.float32
        assert node.numpy().dtype == np.float32
    assert (x * np.float64(2)).dtype == np.float64
    assert (x + 1j).dtype == np.complex64
    assert cr.exp(2).dtype == np.float64
    assert cr.add(1, 2).dtype == np.float64


def test_a_python_number_that_does_not_fit_is_refused():
    with pytest.raises(DTypeError, match="constant: Python integer 300 out of bounds for int8"):
        cr.tensor(np.zeros(2, np.int8)) + 300


@pytest.mark.filterwarnings("error")
def test_a_python_number_beyond_float32_is_infinite_as_in_numpy():
    assert np.isinf((cr.tensor(np.ones(1, np.float32)) * 1e300).numpy()).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "bool", "float16", "float32"])
def test_reductions_have_the_types_of_numpy(dtype):
    x = np.array([[1, 0, 1]], dtype)
    assert cr.sum(x).dtype == x.sum().dtype
    assert cr.argmax(x).dtype == np.int64
    if dtype != "bool":
        assert cr.max(x).dtype == x.dtype
    if x.dtype.kind != "f":
        assert cr.mean(x).dtype == np.float64
    assert cr.sum(x).numpy() == x.sum()


def test_a_size_is_a_weak_number_too():
    n = Size.named("n")
    x = cr.placeholder((n, 2), "float32")
    mean = x.sum(axis=0) / x.shape[0]
    assert mean.dtype == np.float32
    assert mean.inputs[1].attrs["dim"] == n
    assert as_tensor(n).dtype == np.int64


# operators ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.pow,
        operator.gt,
        operator.ge,
        operator.lt,
        operator.le,
        operator.eq,
        operator.ne,
    ],
)
@pytest.mark.parametrize("other", [2.0, np.array([[2.0], [0.5]])])
def test_operators_are_those_of_numpy_on_either_side(operation, other):
    x = np.array([[1.0, 2.0], [3.0, 0.5]])
    np.testing.assert_array_equal(operation(cr.tensor(x), other).numpy(), operation(x, other))
    np.testing.assert_array_equal(operation(other, cr.tensor(x)).numpy(), operation(other, x))


def test_other_operators_and_methods():
    a = np.array([[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]])
    x = cr.tensor(a, name="x")
    np.testing.assert_array_equal((-x).numpy(), -a)
    assert +x is x
    np.testing.assert_array_equal(abs(x).numpy(), abs(a))
    np.testing.assert_array_equal((x @ a.T).numpy(), a @ a.T)
    np.testing.assert_array_equal((a.T @ x).numpy(), a.T @ a)
    np.testing.assert_array_equal(x.T.numpy(), a.T)
    np.testing.assert_array_equal(x.transpose(1, 0).numpy(), a.T)
    np.testing.assert_array_equal(x.transpose((1, 0)).numpy(), a.T)
    np.testing.assert_array_equal(x.reshape(3, 2).numpy(), a.reshape(3, 2))
    np.testing.assert_array_equal(x.reshape((3, -1)).numpy(), a.reshape(3, 2))
    np.testing.assert_array_equal(x.astype("int32").numpy(), a.astype("int32"))
    np.testing.assert_array_equal(x.sum(axis=0).numpy(), a.sum(axis=0))
    np.testing.assert_array_equal(x.mean(axis=1, keepdims=True).numpy(), a.mean(axis=1, keepdims=True))
    np.testing.assert_array_equal(x.max().numpy(), a.max())
    np.testing.assert_array_equal(x.min(axis=(0, 1)).numpy(), a.min())
    np.testing.assert_array_equal(x.argmax(axis=1).numpy(), a.argmax(axis=1))
    np.testing.assert_array_equal(x.relu().numpy(), np.maximum(a, 0))
    np.testing.assert_array_equal(x.exp().numpy(), np.exp(a))
    np.testing.assert_array_equal(abs(x).log().numpy(), np.log(abs(a)))
    np.testing.assert_array_equal(x.tanh().numpy(), np.tanh(a))


def test_a_tensor_acts_as_a_number_and_a_sequence():
    x = cr.tensor([1.5, 2.5])
    assert float(x[0]) == 1.5
    assert int(x[1]) == 2
    assert bool(x[0] > 1)
    assert len(x) == 2
    assert [float(v) for v in x] == [1.5, 2.5]
    assert np.asarray(x).tolist() == [1.5, 2.5]
    assert np.asarray(x, dtype="float32").dtype == np.float32
    assert x.ndim == 1
    assert cr.tensor([[7.0]]).item() == 7.0


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda x: float(x), ShapeError, "item() takes a tensor with one element, got shape (2,)"),
        (lambda x: bool(x > 0), ShapeError, "item() takes a tensor with one element, got shape (2,)"),
        (lambda x: len(x[0]), DTypeError, "len() of a tensor without axes"),
        (lambda x: len(cr.placeholder("n")), DTypeError, "len() of a tensor whose first size, n, is a name"),
        (lambda x: x + "a", DTypeError, "tensor: expected numbers, got <U1 ('a')"),
    ],
)
def test_what_a_tensor_is_not_is_said(ask, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ask(cr.tensor([1.0, 2.0]))


def test_a_tensor_shows_what_it_is():
    assert repr(cr.tensor([1.0, 2.5], name="w")) == "w = tensor([1. , 2.5])"
    assert repr(cr.tensor(1 / 3)) == "tensor(0.333333333)"
    assert repr(cr.exp(cr.placeholder(("n", 3), name="x"))) == "exp(n, 3) float32"


# evaluation -----------------------------------------------------------------------------------


def counting(calls):
    """An op that says when it runs."""

    def run(node, sizes, x):
        calls.append(node)
        return x + 1

    return Op("counted", Kind.MAP, ("x",), lambda x: x, floating, "{x} + 1", run=run)


def test_nothing_is_computed_before_it_is_asked_for_and_then_once():
    calls = []
    record = counting(calls)
    x = cr.tensor(1.0)
    once = apply_record(record, [x], {})
    left, right = once * 2, once * 3
    assert not calls
    assert float(left) == 4.0
    assert float(right) == 6.0
    assert float(left + right) == 10.0
    assert len(calls) == 1


def test_values_put_in_reach_all_that_is_made_of_them():
    x, w = cr.tensor(2.0), cr.tensor(3.0)
    y = x * w
    z = y + 1
    assert float(z) == 7.0
    assert interpret([z, y], {x: np.float64(5.0)}) == [16.0, 15.0]
    assert interpret([z], {y: np.float64(0.0)}) == [1.0]
    assert interpret([y], {y: np.float64(9.0)}) == [9.0]
    assert interpret([z], {x: np.complex128(2 + 1j)}) == [7 + 3j]
    assert float(z) == 7.0


def test_a_place_without_a_value_says_so():
    x = cr.placeholder(("n", 3), name="x")
    with pytest.raises(EvaluationError, match=re.escape("input 'x' of shape (n, 3) with named sizes ['n']")):
        cr.exp(x).numpy()
    with pytest.raises(EvaluationError, match=r"has no value\. Make a Program of it and pass the value"):
        cr.placeholder(3).numpy()


def test_what_numpy_cannot_compute_names_the_op():
    with pytest.raises(EvaluationError, match="power: Integers to negative integer powers are not allowed"):
        (cr.tensor(np.array([2, 3])) ** -1).numpy()
    with pytest.raises(EvaluationError, match="take: index 5 is out of bounds"):
        cr.take(np.ones(3), cr.tensor(np.array([5]))).numpy()


def test_an_error_in_between_leaves_the_rest_usable():
    x = cr.tensor(np.array([2, 3]))
    y = x * 2
    bad = y**-1
    with pytest.raises(EvaluationError, match="power"):
        bad.numpy()
    assert y.numpy().tolist() == [4, 6]


def test_the_order_has_inputs_before_users_and_each_node_once():
    x = cr.tensor(1.0)
    a = x + 1
    b = a * a
    c = b - a
    order = topological([c, b, x])
    assert len(order) == len({id(node) for node in order}) == 5
    place = {id(node): i for i, node in enumerate(order)}
    assert all(place[id(i)] < place[id(node)] for node in order for i in node.inputs)
    assert [node.op.name for node in topological([c], known=lambda node: node is a)] == [
        "multiply",
        "subtract",
    ]
    assert topological([]) == []


def test_a_chain_of_100_000_ops_is_evaluated_and_released():
    x = cr.tensor(1.0)
    y = x
    for _ in range(100_000):
        y = -y
    assert float(y) == 1.0
    del y


# records --------------------------------------------------------------------------------------


def test_an_unknown_op_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="op 'tahn' is unknown; did you mean 'tanh'"):
        find_op("tahn")


def test_an_op_is_defined_once():
    with pytest.raises(ParameterError, match="op 'tanh' is defined twice"):
        op("tanh", numpy="np.tanh({x})")
    assert OPS["tanh"].loop


def test_truth_values_alone_have_no_arithmetic():
    mask = cr.tensor([True, False])
    with pytest.raises(DTypeError, match=r"arithmetic on truth values alone; convert one with \.astype"):
        mask + mask
    assert (mask * 2).dtype == np.int64


# programs -------------------------------------------------------------------------------------


def test_a_program_lists_its_variables():
    x = cr.placeholder(("n", 2), "float64", name="x")
    w = cr.tensor([1.0, 2.0], name="w")
    b = cr.tensor(0.5, name="b")
    loss = ((x @ w + b) ** 2).mean()
    (slope,) = cr.gradient(loss, [w])
    step = cr.Program([x], {"loss": loss}, {w: w - 0.1 * slope})
    assert [v.name for v in step.variables] == ["w", "b"]
    assert repr(step) == "<Program step(x) -> loss>"
    assert len(step.roots) == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda x, w: cr.Program([x * 2], {}),
            ParameterError,
            "Program: inputs and variables are leaves, got",
        ),
        (lambda x, w: cr.Program([x], {}, {w * 1: w}), ParameterError, "Program: inputs and variables are"),
        (
            lambda x, w: cr.Program([x], {}, {w: cr.tensor([1.0, 2.0])}),
            ShapeError,
            "Program: variable w has shape (), its new value (2,)",
        ),
        (
            lambda x, w: cr.Program([x], {}, {w: w.astype("float32")}),
            DTypeError,
            "Program: variable w is float64, its new value float32. Convert it with .astype.",
        ),
        (
            lambda x, w: cr.Program([x], {"y": x * cr.tensor(1.0, name="x")}),
            ParameterError,
            "Program: two leaves are called 'x'. Names must differ.",
        ),
    ],
)
def test_what_is_no_program_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make(cr.placeholder("n", "float64", name="x"), cr.tensor(1.0, name="w"))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: cr.Program([x], {"y": 3.0}), DTypeError, "are tensors, got 3.0"),
        (lambda x: cr.Program([x], {3: x}), DTypeError, "outputs have names, got 3"),
        (lambda x: cr.Program([x], {"y": x}, {"w": x}), DTypeError, "are tensors, got 'w'"),
        (lambda x: cr.Program([x], {"y": x}, name="f(): pass"), ParameterError, "program name"),
        (lambda x: cr.Program([x], {"y": x}, {x: x + 1}), ParameterError, "is an input and a variable"),
    ],
)
def test_a_program_says_what_it_cannot_be_made_of(make, error, message):
    with pytest.raises(error, match=message):
        make(cr.tensor(1.0, name="x"))
