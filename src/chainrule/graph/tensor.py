"""Tensor: a node of the graph, with operators. It has a shape and a type at once, a value when asked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from ..errors import DTypeError, EvaluationError, ShapeError
from ..shapes import Shape, Size, identifier, names_in, shape_of
from .op import OPS, Kind, Op, find_op, floating, number_type, op, promote

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Functions of tensors that are methods as well; the rooms above enter theirs here."""

_serial = itertools.count()

_NUMBERS = (float, int, bool, complex)
"""Types of Python numbers; NumPy's own scalars, though some are subclasses, keep their type."""


def function(f: F) -> F:
    """Enter a function of tensors, so that Tensor's method of that name finds it."""
    FUNCTIONS[f.__name__] = f
    return f


class Tensor:
    """A node: an op, its inputs and attributes; or a leaf with a value, or a place for one.

    Made by `tensor`, `placeholder`, or by applying functions to other tensors. Nothing is
    computed before `numpy()` or `float()` asks.

    Attributes
    ----------
    op : Op
    inputs : tuple of Tensor
    attrs : dict
    shape : tuple of int and Size
    dtype : numpy.dtype
    name : str or None
        How printed source calls it.
    grad : Tensor or None
        The sum of what `backward()` calls have brought here.
    """

    __slots__ = ("__weakref__", "attrs", "dtype", "grad", "inputs", "name", "op", "serial", "shape", "value")
    __array_priority__ = 1000  # so that array + tensor comes to us
    __array_ufunc__ = None

    def __init__(
        self,
        op: Op,
        inputs: Sequence[Tensor],
        attrs: dict[str, Any],
        shape: Shape,
        dtype: np.dtype[Any],
        name: str | None = None,
        value: Any = None,
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self.value = value
        self.grad: Tensor | None = None
        self.serial = next(_serial)

    # what it is -------------------------------------------------------------------------------

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_leaf(self) -> bool:
        return self.op.kind is Kind.SOURCE

    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("len() of a tensor without axes")
        if not isinstance(self.shape[0], int):
            raise DTypeError(f"len() of a tensor whose first size, {self.shape[0]}, is a name")
        return self.shape[0]

    def __repr__(self) -> str:
        name = f"{self.name} = " if self.name else ""
        if self.is_leaf and self.value is not None:
            return f"{name}tensor({np.array2string(self.value, precision=9, separator=', ')})"
        return f"{name}{self.op.name}{self.shape} {self.dtype}"

    # values -----------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray[Any, Any]:
        """The value, as a read-only array; computed once."""
        value: np.ndarray[Any, Any] = FUNCTIONS["evaluate"](self)
        return value

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        if self.numpy().size != 1:
            raise ShapeError(f"item() takes a tensor with one element, got shape {self.shape}")
        return self.numpy().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def backward(self, gradient: Any = None) -> None:
        """Add the derivative of this tensor by every tensor it is made of to their `grad`.

        Parameters
        ----------
        gradient : array-like, optional
            What to start from, of this tensor's shape; 1 for a tensor with one element.

        Raises
        ------
        GradientError
            If this tensor has several elements and no `gradient` is given.
        """
        FUNCTIONS["backward"](self, gradient)

    # operators --------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return apply("subtract", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return apply("multiply", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return apply("multiply", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return apply("divide", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return apply("divide", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return apply("power", self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return apply("power", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return FUNCTIONS["matmul"](self, other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return FUNCTIONS["matmul"](other, self)  # type: ignore[no-any-return]

    def __neg__(self) -> Tensor:
        return apply("negative", self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return apply("abs", self)

    def __gt__(self, other: Any) -> Tensor:
        return apply("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return apply("greater_equal", self, other)

    def __lt__(self, other: Any) -> Tensor:
        return apply("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return apply("less_equal", self, other)

    def __eq__(self, other: object) -> Any:
        return apply("equal", self, other)

    def __ne__(self, other: object) -> Any:
        return apply("not_equal", self, other)

    __hash__ = object.__hash__

    def __getitem__(self, key: Any) -> Tensor:
        return FUNCTIONS["getitem"](self, key)  # type: ignore[no-any-return]

    def __iter__(self) -> Iterable[Tensor]:
        return (self[i] for i in range(len(self)))

    # methods ----------------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:  # NumPy's name
        return self.transpose()

    def transpose(self, *axes: Any) -> Tensor:
        """See `chainrule.transpose`."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes or None
        return FUNCTIONS["transpose"](self, order)  # type: ignore[no-any-return]

    def reshape(self, *shape: Any) -> Tensor:
        """See `chainrule.reshape`."""
        new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return FUNCTIONS["reshape"](self, new)  # type: ignore[no-any-return]

    def astype(self, dtype: Any) -> Tensor:
        """See `chainrule.astype`."""
        return FUNCTIONS["astype"](self, dtype)  # type: ignore[no-any-return]

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `chainrule.sum`."""
        return FUNCTIONS["sum"](self, axis, keepdims)  # type: ignore[no-any-return]

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `chainrule.mean`."""
        return FUNCTIONS["mean"](self, axis, keepdims)  # type: ignore[no-any-return]

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `chainrule.max`."""
        return FUNCTIONS["max"](self, axis, keepdims)  # type: ignore[no-any-return]

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """See `chainrule.min`."""
        return FUNCTIONS["min"](self, axis, keepdims)  # type: ignore[no-any-return]

    def argmax(self, axis: int | None = None) -> Tensor:
        """See `chainrule.argmax`."""
        return FUNCTIONS["argmax"](self, axis)  # type: ignore[no-any-return]

    def exp(self) -> Tensor:
        return apply("exp", self)

    def log(self) -> Tensor:
        return apply("log", self)

    def tanh(self) -> Tensor:
        return apply("tanh", self)

    def relu(self) -> Tensor:
        return apply("relu", self)


# leaves ---------------------------------------------------------------------------------------


def _leaf_shape(**attrs: Any) -> Shape:
    shape: Shape = attrs["shape"]
    return shape


def _leaf_text(node: Tensor, _texts: Sequence[str]) -> str:
    return node.name or f"x{node.serial}"


LEAF = op("leaf", kind=Kind.SOURCE, inputs=(), shape=_leaf_shape, numpy=_leaf_text)
CONSTANT = op("constant", kind=Kind.SOURCE, inputs=(), shape=_leaf_shape, numpy="{value}")
SIZE = op("size", kind=Kind.SOURCE, inputs=(), shape=_leaf_shape, numpy="{dim}")


def tensor(value: Any, name: str | None = None, dtype: Any = None) -> Tensor:
    """A leaf that holds a value.

    Parameters
    ----------
    value : array-like
        Copied. An array keeps its type; Python numbers become float64.
    name : str, optional
        A plain identifier: how printed source calls it.
    dtype : optional
        Convert to this type.

    Raises
    ------
    DTypeError
        If `value` is not made of numbers.

    Examples
    --------
    >>> a = tensor(2.0, name="a")
    >>> float(a * a)
    4.0
    """
    if isinstance(value, Tensor):
        value = value.numpy()
    wanted = None if dtype is None else number_type(dtype, "tensor")
    try:
        array = np.array(value, dtype=wanted)
    except (ValueError, TypeError, OverflowError) as error:
        raise DTypeError(f"tensor: {error}") from None
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"tensor: expected numbers, got {array.dtype} ({value!r:.60})")
    if not isinstance(value, np.ndarray | np.generic) and dtype is None and array.dtype.kind in "iu":
        array = array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    array.flags.writeable = False
    return Tensor(LEAF, (), {}, array.shape, array.dtype, _checked(name), array)


def placeholder(shape: Any, dtype: Any = "float32", name: str | None = None) -> Tensor:
    """A leaf without a value: an input of a program, whose sizes may be names.

    >>> placeholder(("n", 64), name="x").shape
    (n, 64)
    """
    return Tensor(LEAF, (), {}, shape_of(shape), number_type(dtype, "placeholder"), _checked(name))


def constant(value: Any, dtype: Any = None) -> Tensor:
    """A number that is part of the program.

    Raises
    ------
    DTypeError
        If it is no number, or too large for `dtype`.
    """
    try:
        with np.errstate(over="ignore"):
            number: Any = np.asarray(value, dtype=dtype)[()]
    except (ValueError, TypeError, OverflowError) as error:
        raise DTypeError(f"constant: {error}") from None
    if np.ndim(number) or number.dtype.kind not in "biufc":
        raise DTypeError(f"constant: expected one number, got {value!r:.60}")
    return Tensor(CONSTANT, (), {"value": number}, (), number.dtype)


def size(dim: Any, dtype: Any = np.int64) -> Tensor:
    """A size of a shape as a number in the graph; a constant where it is known."""
    if isinstance(dim, int):
        return constant(dim, dtype)
    return Tensor(SIZE, (), {"dim": dim}, (), np.dtype(dtype))


def _checked(name: str | None) -> str | None:
    return None if name is None else identifier(name, "tensor name", "W1")


def as_tensor(value: Any, like: np.dtype[Any] | None = None) -> Tensor:
    """A tensor as it is; an array as a leaf; a Python number as a constant of the type `like` asks."""
    if isinstance(value, Tensor):
        return value
    kind = type(value)
    if kind in _NUMBERS:
        if kind is bool:
            return constant(value)
        if like is not None:
            plain = kind is float and like.kind == "f"
            return constant(value, like if plain else np.result_type(like, value))
        return constant(value, np.complex128 if kind is complex else np.float64)
    if isinstance(value, Size):
        return size(value, np.int64 if like is None else np.result_type(like, 1))
    return tensor(value)


def apply(op_name: str, *inputs: Any, **attrs: Any) -> Tensor:
    """The node of an op applied to tensors, arrays and numbers.

    A Python number takes the type of the other operands, as in NumPy.
    """
    return apply_record(find_op(op_name), inputs, attrs)


def apply_record(record: Op, inputs: Sequence[Any], attrs: dict[str, Any]) -> Tensor:
    """As `apply`, for a record that need not be in the registry."""
    nodes = [x if isinstance(x, Tensor) or _is_weak(x) else tensor(x) for x in inputs]
    typed = [x.dtype for x in nodes if isinstance(x, Tensor)]
    if len(typed) < len(nodes):
        like = promote(*typed) if typed else None
        nodes = [as_tensor(x, like) for x in nodes]
        typed = [x.dtype for x in nodes]
    dtype = record.dtype(*typed, **attrs)
    if record.dtype is floating and all(t.kind in "biu" for t in typed):
        nodes = [
            apply("astype", x, dtype=dtype.name) for x in nodes
        ]  # NumPy would take half precision for some
    return Tensor(record, nodes, attrs, record.shape(*[x.shape for x in nodes], **attrs), dtype)


def _is_weak(value: Any) -> bool:
    return type(value) in _NUMBERS or isinstance(value, Size)


# walking --------------------------------------------------------------------------------------


def topological(roots: Iterable[Tensor], known: Callable[[Tensor], bool] | None = None) -> list[Tensor]:
    """Every node that the roots are made of, inputs before users. No recursion.

    The walk stops at nodes that are `known`; these are left out.
    """
    order: list[Tensor] = []
    seen: set[Tensor] = set()
    path: list[Tensor] = []
    stack: list[Tensor | None] = []
    stack.extend(reversed(list(roots)))
    while stack:
        node = stack.pop()
        if node is None:  # all inputs of the last on the path are placed
            order.append(path.pop())
        elif node not in seen:
            seen.add(node)
            if known is not None and known(node):
                continue
            if not node.inputs:
                order.append(node)
                continue
            path.append(node)
            stack.append(None)
            stack.extend(reversed(node.inputs))
    return order


def require_value(node: Tensor) -> None:
    """Raise EvaluationError for a leaf that is only a place for a value."""
    if node.op is LEAF and node.value is None:
        sizes = names_in(node.shape)
        detail = f" with named sizes {sorted(sizes)}" if sizes else ""
        raise EvaluationError(
            f"input {node.name or node!r} of shape {node.shape}{detail} has no value. "
            "Make a Program of it and pass the value, or use chainrule.tensor."
        )


__all__ = ["CONSTANT", "LEAF", "OPS", "SIZE", "Tensor", "apply", "as_tensor", "constant", "placeholder"]
