"""Maps: arithmetic, functions, comparisons, activations. One record each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.op import arithmetic, boolean, floating, number_type, op, promote
from ..graph.tensor import CONSTANT, Tensor, apply, constant, function
from ..shapes import Shape

BINARY = ("x", "y")
Unary = Callable[[Any], Tensor]
Binary = Callable[[Any, Any], Tensor]

# arithmetic -----------------------------------------------------------------------------------

op(
    "add",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="({x}) + ({y})",
    loop="{x} + {y}",
    latex="{x} + {y}",
    derivative=lambda out, x, y: (1.0, 1.0),
)
op(
    "subtract",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="({x}) - ({y})",
    loop="{x} - {y}",
    latex="{x} - {y}",
    derivative=lambda out, x, y: (1.0, -1.0),
)
op(
    "multiply",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="({x}) * ({y})",
    loop="{x} * {y}",
    latex=lambda node, texts: (r" \odot " if all(x.ndim for x in node.inputs) else r" \cdot ").join(texts),
    derivative=lambda out, x, y: (y, x),
)
op(
    "divide",
    inputs=BINARY,
    dtype=floating,
    numpy="({x}) / ({y})",
    loop="{x} / {y}",
    latex=r"\frac{{{x}}}{{{y}}}",
    vjp=lambda g, out, x, y: (g / y, -(g * out / y)),
    cost=2,
    domain=[(-3.0, 3.0), (0.5, 3.0)],
)
op(
    "negative",
    dtype=arithmetic,
    numpy="-({x})",
    loop="-{x}",
    latex="-{x}",
    derivative=lambda out, x: (-1.0,),
)


def _power_vjp(g: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor | None, Tensor | None]:
    if y.op is CONSTANT:
        n = y.attrs["value"]
        return None if n == 0 else g * (y * x ** constant(n - 1, y.dtype)), None
    safe = where(x > 0, x, 1.0)  # x**y by y is only real for x > 0; elsewhere 0 is taken
    slope = where(y == 0, 0.0, y * x ** (y - 1))  # x**0 is flat at x = 0 as well
    return g * slope, where(x > 0, g * out * log(safe), 0.0)


op(
    "power",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="({x}) ** ({y})",
    loop="math.pow({x}, {y})",
    latex="{x}^{{{y}}}",
    vjp=_power_vjp,
    cost=20,
    domain=[(0.5, 3.0), (-2.0, 2.0)],
    note="By the exponent, 0 is taken where the base is not positive.",
)

# functions ------------------------------------------------------------------------------------

op(
    "exp",
    dtype=floating,
    numpy="np.exp({x})",
    loop="math.exp({x})",
    latex=r"e^{{{x}}}",
    derivative=lambda y, x: (y,),
    cost=9,
)
op(
    "log",
    dtype=floating,
    numpy="np.log({x})",
    loop="math.log({x})",
    latex=r"\ln({x})",
    derivative=lambda y, x: (1 / x,),
    cost=9,
    domain=[(0.3, 3.0)],
)
op(
    "log1p",
    dtype=floating,
    numpy="np.log1p({x})",
    loop="math.log1p({x})",
    latex=r"\ln(1 + {x})",
    derivative=lambda y, x: (1 / (1 + x),),
    cost=12,
    domain=[(-0.5, 3.0)],
)
op(
    "sqrt",
    dtype=floating,
    numpy="np.sqrt({x})",
    loop="math.sqrt({x})",
    latex=r"\sqrt{{{x}}}",
    derivative=lambda y, x: (0.5 / y,),
    cost=3,
    domain=[(0.3, 3.0)],
)
op(
    "sin",
    dtype=floating,
    numpy="np.sin({x})",
    loop="math.sin({x})",
    latex=r"\sin({x})",
    derivative=lambda y, x: (cos(x),),
    cost=12,
)
op(
    "cos",
    dtype=floating,
    numpy="np.cos({x})",
    loop="math.cos({x})",
    latex=r"\cos({x})",
    derivative=lambda y, x: (-sin(x),),
    cost=12,
)
op(
    "abs",
    dtype=arithmetic,
    numpy="np.abs({x})",
    loop="abs({x})",
    latex=r"\left|{x}\right|",
    derivative=lambda y, x: (sign(x),),
    analytic=False,
    kinks=[0.0],
    note="At 0 the subgradient 0 is taken.",
)
op(
    "sign",
    dtype=arithmetic,
    numpy="np.sign({x})",
    loop="(one(1) if {x} > zero else (one(-1) if {x} < zero else {x}))",
    latex=r"\operatorname{{sign}}({x})",
    vjp=lambda g, y, x: (None,),
    analytic=False,
    kinks=[0.0],
    note="Flat on both sides; 0 is taken at 0 as well.",
)
op(
    "maximum",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="np.maximum({x}, {y})",
    loop="({x} if {x} >= {y} or {x} != {x} else {y})",
    latex=r"\max({x}, {y})",
    vjp=lambda g, out, x, y: (
        where(out > y, g, where(x == y, 0.5 * g, 0.0)),
        where(out > x, g, where(x == y, 0.5 * g, 0.0)),
    ),
    analytic=False,
    kinks=[0.0],
    note="Where both are equal, each gets half.",
)
op(
    "minimum",
    inputs=BINARY,
    dtype=arithmetic,
    numpy="np.minimum({x}, {y})",
    loop="({x} if {x} <= {y} or {x} != {x} else {y})",
    latex=r"\min({x}, {y})",
    vjp=lambda g, out, x, y: (
        where(out < y, g, where(x == y, 0.5 * g, 0.0)),
        where(out < x, g, where(x == y, 0.5 * g, 0.0)),
    ),
    analytic=False,
    kinks=[0.0],
    note="Where both are equal, each gets half.",
)

# comparison and choice ------------------------------------------------------------------------

for _name, _sign, _latex in (
    ("greater", ">", ">"),
    ("greater_equal", ">=", r"\geq"),
    ("less", "<", "<"),
    ("less_equal", "<=", r"\leq"),
    ("equal", "==", "="),
    ("not_equal", "!=", r"\neq"),
):
    op(
        _name,
        inputs=BINARY,
        dtype=boolean,
        numpy=f"({{x}}) {_sign} ({{y}})",
        loop=f"{{x}} {_sign} {{y}}",
        latex=f"[{{x}} {_latex} {{y}}]",
        analytic=False,
    )


def _chosen(c: np.dtype[Any], x: np.dtype[Any], y: np.dtype[Any]) -> np.dtype[Any]:
    if c.kind != "b":
        raise DTypeError(f"where: the condition must be of truth values, got {c}. Compare it, e.g. c != 0.")
    return promote(x, y)


op(
    "where",
    inputs=("c", "x", "y"),
    dtype=_chosen,
    numpy="np.where({c}, {x}, {y})",
    loop="({x} if {c} else {y})",
    latex=r"\begin{{cases}} {x} & \text{{if }} {c} \\ {y} & \text{{otherwise}} \end{{cases}}",
    vjp=lambda g, out, c, x, y: (None, where(c, g, 0.0), where(c, 0.0, g)),
    samples=lambda: [
        ({}, np.arange(12).reshape(3, 4) % 3 == 0, (3, 4), (3, 4)),
        ({}, np.array(True), (4,), (2, 1)),
    ],
)
op(
    "astype",
    dtype=lambda x, dtype: np.dtype(dtype),
    numpy=lambda node, texts: (
        f"({texts[0]}).astype({node.attrs['dtype']!r})"
        if node.shape
        else f"np.{np.dtype(node.attrs['dtype']).type.__name__}({texts[0]})"
    ),
    loop="{x}",
    latex="{x}",
    vjp=lambda g, y, x, dtype: (astype(g, x.dtype),),
    analytic=False,  # the conversion of a complex number to a real type drops the imaginary part
    samples=lambda: [({"dtype": "float64"},)],
)
op(
    "stop_gradient",
    numpy="{x}",
    loop="{x}",
    latex="{x}",
    vjp=lambda g, y, x: (None,),
    cost=0,
    note="The value passes, the gradient does not.",
)


def _one_shape(x: Shape, y: Shape) -> Shape:
    if x != y:
        raise ShapeError(f"straight_through: the two must have one shape, got {x} and {y}. Use expand.")
    return x


op(
    "straight_through",
    inputs=BINARY,
    shape=_one_shape,
    numpy="{x}",
    loop="{x}",
    latex="{x}",
    vjp=lambda g, out, x, y: (None, g),
    meant=lambda x, y: stop_gradient(x) + (y - stop_gradient(y)),
    cost=0,
    note="By design the gradient is not that of the value: x is the value, and y gets the gradient.",
    samples=lambda: [({}, (3, 4), (3, 4))],
)

# activations ----------------------------------------------------------------------------------

op(
    "logistic",
    dtype=floating,
    numpy="logistic({x})",
    helpers=["logistic"],
    loop="logistic({x})",
    latex=r"\sigma({x})",
    derivative=lambda y, x: (y * (1 - y),),
    cost=12,
)
op(
    "tanh",
    dtype=floating,
    numpy="np.tanh({x})",
    loop="math.tanh({x})",
    latex=r"\tanh({x})",
    derivative=lambda y, x: (1 - y * y,),
    cost=12,
)
op(
    "relu",
    dtype=arithmetic,
    numpy="np.maximum({x}, 0)",
    loop="(zero if {x} < zero else {x})",
    latex=r"\max(0, {x})",
    derivative=lambda y, x: (stop_gradient(y > 0),),
    analytic=False,
    kinks=[0.0],
    note="At 0 the subgradient 0 is taken.",
)
op(
    "leaky_relu",
    dtype=floating,
    numpy="np.where(({x}) > 0, {x}, {slope!r} * ({x}))",
    loop="({x} if {x} > zero else {x} * one({slope!r}))",
    latex=r"\operatorname{{LeakyReLU}}_{{{slope}}}({x})",
    derivative=lambda y, x, slope: (where(x > 0, like(1.0, x), slope),),
    analytic=False,
    kinks=[0.0],
    note="At 0 the slope of the negative side is taken.",
    samples=lambda: [({"slope": 0.01},), ({"slope": 0.3},)],
)
op(
    "elu",
    dtype=floating,
    numpy="np.where(({x}) > 0, {x}, {alpha!r} * np.expm1(np.minimum({x}, 0)))",
    loop="({x} if {x} > zero else one({alpha!r}) * math.expm1({x}))",
    latex=r"\operatorname{{ELU}}_{{{alpha}}}({x})",
    derivative=lambda y, x, alpha: (where(x > 0, like(1.0, x), y + alpha),),
    cost=12,
    analytic=False,
    kinks=[0.0],
    note="At 0 the slope alpha of the negative side is taken.",
    samples=lambda: [({"alpha": 1.0},), ({"alpha": 0.5},)],
)
op(
    "softplus",
    dtype=floating,
    numpy="softplus({x})",
    helpers=["softplus"],
    loop="softplus({x})",
    latex=r"\ln(1 + e^{{{x}}})",
    derivative=lambda y, x: (logistic(x),),
    cost=20,
)
op(
    "silu",
    dtype=floating,
    numpy="({x}) * logistic({x})",
    helpers=["logistic"],
    latex=r"\operatorname{{SiLU}}({x})",
    lower=lambda x: x * logistic(x),
    vjp=lambda g, y, x: (g * (logistic(x) * (1 + x * (1 - logistic(x)))),),
    cost=14,
)

_GELU = math.sqrt(2 / math.pi)


def _gelu_slope(x: Tensor) -> Tensor:
    t = tanh(_GELU * (x + 0.044715 * (x * x * x)))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (_GELU * (1 + 3 * 0.044715 * (x * x)))


op(
    "gelu",
    dtype=floating,
    numpy="gelu({x})",
    helpers=["gelu"],
    latex=r"\operatorname{{GELU}}({x})",
    lower=lambda x: 0.5 * x * (1 + tanh(_GELU * (x + 0.044715 * (x * x * x)))),
    vjp=lambda g, y, x: (g * _gelu_slope(x),),
    cost=20,
    note="The form with tanh, equation 2 of Hendrycks and Gimpel (2016).",
)


# functions of the package ---------------------------------------------------------------------


def _unary(name: str, text: str) -> Unary:
    def call(x: Any) -> Tensor:
        return apply(name, x)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = text
    return call


def _binary(name: str, text: str) -> Binary:
    def call(x: Any, y: Any) -> Tensor:
        return apply(name, x, y)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = text
    return call


add = _binary("add", "x + y, element by element.")
subtract = _binary("subtract", "x - y, element by element.")
multiply = _binary("multiply", "x * y, element by element.")
divide = _binary("divide", "x / y, element by element.")
power = _binary("power", "x ** y, element by element.")
maximum = _binary("maximum", "The larger of x and y; where they are equal, each gets half of the gradient.")
minimum = _binary("minimum", "The smaller of x and y; where they are equal, each gets half of the gradient.")
greater = _binary("greater", "x > y.")
greater_equal = _binary("greater_equal", "x >= y.")
less = _binary("less", "x < y.")
less_equal = _binary("less_equal", "x <= y.")
equal: Binary = _binary("equal", "x == y.")
not_equal = _binary("not_equal", "x != y.")
negative = _unary("negative", "-x.")
exp: Unary = _unary("exp", "e to the power x.")
log: Unary = _unary("log", "The natural logarithm.")
log1p = _unary("log1p", "log(1 + x), exact for small x.")
sqrt = _unary("sqrt", "The square root.")
sin: Unary = _unary("sin", "The sine of x in radians.")
cos: Unary = _unary("cos", "The cosine of x in radians.")
abs = _unary("abs", "The absolute value; at 0 the derivative 0 is taken.")
sign: Unary = _unary("sign", "-1, 0 or 1; its derivative is taken as 0 everywhere.")
logistic: Unary = _unary("logistic", "1 / (1 + exp(-x)), the logistic sigmoid; safe for any x.")
tanh: Unary = _unary("tanh", "The hyperbolic tangent.")
relu = _unary("relu", "max(0, x); at 0 the derivative 0 is taken.")
softplus = _unary("softplus", "log(1 + exp(x)); safe for any x.")
silu = _unary("silu", "x * logistic(x), also called swish (Elfwing et al., 2017).")
gelu = _unary("gelu", "The Gaussian error linear unit in its form with tanh (Hendrycks, Gimpel, 2016).")
stop_gradient: Unary = _unary("stop_gradient", "x, treated as a constant by the chain rule.")


def straight_through(x: Any, y: Any) -> Tensor:
    """x, whose gradient goes to y as if y had been computed: a derivative altered by design.

    The two have one shape. ``straight_through(sign(x), x)`` is the sign of x with the slope of x itself.
    `check_gradients` knows of it: it moves y, and holds x.

    References
    ----------
    Bengio, Léonard and Courville (2013), Estimating or propagating gradients through stochastic neurons for
    conditional computation, section 4.
    """
    return apply("straight_through", x, y)


def leaky_relu(x: Any, slope: float = 0.01) -> Tensor:
    """x where x > 0, slope * x elsewhere (Maas et al., 2013)."""
    return apply("leaky_relu", x, slope=float(slope))


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere (Clevert et al., 2016)."""
    return apply("elu", x, alpha=float(alpha))


def where(condition: Any, x: Any, y: Any) -> Tensor:
    """x where `condition` is true, y elsewhere."""
    return apply("where", condition, x, y)


@function
def astype(x: Any, dtype: Any) -> Tensor:
    """x with its elements converted to `dtype`."""
    return apply("astype", x, dtype=number_type(dtype, "astype").name)


def like(value: float, x: Tensor) -> Tensor:
    """A number in the type of x."""
    return constant(value, np.result_type(x.dtype, value))


__all__ = [
    "abs", "add", "astype", "cos", "divide", "elu", "equal", "exp", "gelu", "greater", "greater_equal",
    "leaky_relu", "less", "less_equal", "log", "log1p", "logistic", "maximum", "minimum", "multiply",
    "negative", "not_equal", "power", "relu", "sign", "silu", "sin", "softplus", "sqrt", "stop_gradient",
    "straight_through", "subtract", "tanh", "where",
]  # fmt: skip
