"""The op record: one place that states all that anybody needs to know of an operation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import DTypeError, ParameterError, unknown_name
from ..shapes import Shape, broadcast

if TYPE_CHECKING:
    from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
Template = str | Callable[["Tensor", Sequence[str]], str]


class Kind(Enum):
    """What an op does with indices; the readings treat all ops of a kind alike."""

    SOURCE = "a value from outside: an input, a variable, a constant"
    MAP = "element by element, with broadcasting"
    REDUCE = "many elements become one along axes"
    PRODUCT = "a matrix product"
    MOVE = "elements change their place, or are repeated"
    SCATTER = "elements are added up at places that are computed"
    RANDOM = "numbers from a counter"
    CONTROL = "a nested program, run a number of times"
    ITEM = "one result of an op that has several"


@dataclass(frozen=True, eq=False)
class Op:
    """What an operation computes, how it is written, and how its derivative is made.

    Parameters
    ----------
    name : str
        Its name in the package, NumPy's where NumPy has it.
    kind : Kind
    inputs : tuple of str
        The names of its operands, as the templates use them.
    shape, dtype : callable
        ``shape(*shapes, **attrs)`` and ``dtype(*dtypes, **attrs)`` of the result.
    numpy : str or callable
        The expression in NumPy. A template with the operands' and attributes' names, or a function
        of the node and its operands' texts.
    loop : str
        The expression for one element, for maps; ``math.`` functions come from the compiled engine's own.
    helpers : tuple of str
        Names of the functions that the NumPy expression calls (see `chainrule.ops.helpers`).
    latex : str or callable
        The formula.
    derivative : callable
        For maps: ``derivative(y, *inputs)``, the derivative by each input (None: it has none).
    vjp : callable
        ``vjp(g, y, *inputs, **attrs)``, the gradient's part for each input, as graph nodes. Made of
        `derivative` where that is stated.
    jvp : callable
        For ops with a nested program: ``jvp(y, tangents)``, the tangents of its results by number, from
        those of its inputs (None: it stands still). All others' follow from their `vjp`.
    meant : callable
        ``meant(*inputs, **attrs)``, for an op whose derivative is by design not that of its value: what it is
        the derivative of, with the op's value at the point (see `stop_gradient`). The check holds to this.
    lower : callable
        ``lower(*inputs, **attrs)``, the same value in simpler ops, for the compiled engine.
    element : callable
        For moves: which element of which input an element of the result is (see `chainrule.emit.access`).
    run : callable
        ``run(node, sizes, *arrays)`` for ops that are not one NumPy expression.
    source : callable
        ``source(writer, node)`` writes the lines of an op with a nested program.
    cost : int
        Rough work per element, in additions.
    analytic : bool
        Whether it extends to complex numbers, so that a complex step can check its derivative.
    domain : sequence of (low, high)
        Where tests draw each input's points; the last pair serves the inputs that follow.
    kinks : sequence of float
        Where the derivative jumps: values of the operand, or of the difference of two; `note` says
        which derivative is taken there.
    note : str
    samples : callable
        What the tests try: a list of tuples, each the attributes, then the operands if they cannot be
        drawn from `domain` in one common shape; an operand is a shape to draw, or an array.
    """

    name: str
    kind: Kind
    inputs: tuple[str, ...]
    shape: Callable[..., Shape]
    dtype: Callable[..., np.dtype[Any]]
    numpy: Template
    loop: str = ""
    helpers: tuple[str, ...] = ()
    latex: Template = ""
    derivative: Callable[..., tuple[Tensor | float | None, ...]] | None = None
    vjp: Callable[..., tuple[Any, ...]] | None = None
    jvp: Callable[[Tensor, Sequence[Tensor | None]], dict[int, Tensor]] | None = None
    meant: Callable[..., Tensor] | None = None
    lower: Callable[..., Tensor] | None = None
    element: Callable[..., Any] | None = None
    run: Callable[..., Any] | None = None
    source: Callable[[Any, Tensor], None] | None = None
    cost: int = 1
    analytic: bool = True
    domain: Sequence[tuple[float, float]] = ((-3.0, 3.0),)
    kinks: Sequence[float] = ()
    note: str = ""
    samples: Callable[[], list[tuple[Any, ...]]] | None = field(default=None)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @property
    def differentiable(self) -> bool:
        return self.vjp is not None

    def write(self, template: Template, node: Tensor, texts: Sequence[str]) -> str:
        """A template with the operands' texts put in."""
        if callable(template):
            return template(node, texts)
        return template.format(**dict(zip(self.inputs, texts, strict=True)), **node.attrs)


OPS: dict[str, Op] = {}

HELPERS: dict[str, Callable[..., Any]] = {}
"""Functions of arrays that NumPy expressions call where NumPy has no such function."""


def helper(function: F) -> F:
    """Enter a NumPy function that templates may call; printed source shows its text."""
    HELPERS[function.__name__] = function
    return function


def op(
    name: str,
    *,
    kind: Kind = Kind.MAP,
    inputs: Sequence[str] = ("x",),
    shape: Callable[..., Shape] | None = None,
    dtype: Callable[..., np.dtype[Any]] | None = None,
    numpy: Template,
    helpers: Sequence[str] = (),
    **facts: Any,
) -> Op:
    """Make a record and enter it into the registry `OPS`."""
    if name in OPS:
        raise ParameterError(f"op {name!r} is defined twice")
    if facts.get("derivative") is not None:
        facts["vjp"] = _vjp_of(facts["derivative"])
    record = Op(
        name,
        kind,
        tuple(inputs),
        shape or _same(name),
        dtype or promote,
        numpy,
        helpers=tuple(helpers),
        **facts,
    )
    OPS[name] = record
    return record


def find_op(name: str) -> Op:
    """The record of that name."""
    if name not in OPS:
        raise unknown_name("op", name, OPS)
    return OPS[name]


def _same(name: str) -> Callable[..., Shape]:
    def shape(*shapes: Shape, **_attrs: Any) -> Shape:
        return broadcast(*shapes, what=name)

    return shape


def _vjp_of(derivative: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    def vjp(g: Tensor, y: Tensor, *inputs: Tensor, **attrs: Any) -> tuple[Any, ...]:
        return tuple(_times(g, d) for d in derivative(y, *inputs, **attrs))

    return vjp


def _times(g: Tensor, slope: Any) -> Tensor | None:
    if slope is None:
        return None
    if isinstance(slope, float) and abs(slope) == 1.0:
        return g if slope > 0 else -g
    part: Tensor = g * slope
    return part


def promote(*dtypes: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    """NumPy's common type."""
    return _common(dtypes)


def _common(dtypes: tuple[np.dtype[Any], ...]) -> np.dtype[Any]:
    first = dtypes[0]
    return first if dtypes.count(first) == len(dtypes) else np.result_type(*dtypes)


def number_type(dtype: Any, what: str) -> np.dtype[Any]:
    """The NumPy type of that name; DTypeError if there is none, or if it is not one of numbers."""
    try:
        found: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise DTypeError(f"{what}: {dtype!r} is not a type of numbers. Use e.g. 'float32'.") from None
    if found.kind not in "biufc":
        raise DTypeError(f"{what}: {found} is not a type of numbers. Use e.g. 'float32'.")
    return found


def floating(*dtypes: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    """NumPy's common type, float64 for whole numbers."""
    common = _common(dtypes)
    return common if common.kind in "fc" else np.dtype(np.float64)


def boolean(*_dtypes: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    """The type of a comparison."""
    return np.dtype(np.bool_)


def arithmetic(*dtypes: np.dtype[Any], **_attrs: Any) -> np.dtype[Any]:
    """NumPy's common type, refused where every operand is a truth value."""
    common = _common(dtypes)
    if common.kind == "b":
        raise DTypeError("arithmetic on truth values alone; convert one with .astype('float64')")
    return common


def literal(value: Any) -> str:
    """A number as Python source, in the shortest form that gives it back in its type."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float):
        if math.isnan(number):
            return "np.nan"
        if math.isinf(number):
            return "np.inf" if number > 0 else "-np.inf"
        return repr(float(str(value)))
    return f"({number!r})" if isinstance(number, complex) else repr(number)
