"""Reductions: sum, mean, max, min, argmax, and what is built on them in a numerically safe way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph.op import Kind, arithmetic, floating, op
from ..graph.tensor import Tensor, apply, as_tensor, function, size
from ..shapes import Shape, axes_of, axis_of, product, reduced
from .elementwise import abs, equal, exp, log, stop_gradient, where
from .move import expand, reshape


def _reduced(x: Shape, axis: tuple[int, ...], keepdims: bool) -> Shape:
    return reduced(x, axis, keepdims)


def _sum_dtype(x: np.dtype[Any]) -> np.dtype[Any]:
    """NumPy's: sums of whole numbers are kept in 64 bits."""
    return np.dtype(np.uint64 if x.kind == "u" else np.int64) if x.kind in "biu" else x


def _same_shape(x: Shape, axis: tuple[int, ...]) -> Shape:
    return x


def _axis_text(node: Tensor) -> str:
    """The arguments in NumPy's words: nothing for all axes, a bare number for one."""
    axis, keepdims = node.attrs["axis"], node.attrs.get("keepdims", False)
    every = len(axis) == node.inputs[0].ndim
    parts = [] if every else [f"axis={axis[0] if len(axis) == 1 else axis}"]
    return ", ".join([*parts, "keepdims=True"] if keepdims else parts)


def _method(name: str) -> Any:
    return lambda node, texts: f"({texts[0]}).{name}({_axis_text(node)})"


def _latex(symbol: str) -> Any:
    def text(node: Tensor, texts: Sequence[str]) -> str:
        axes = node.attrs["axis"]
        index = ",".join("ijklmn"[a] if a < 6 else f"i_{a}" for a in axes)
        below = "" if len(axes) == node.inputs[0].ndim else f"_{{{index}}}"
        return f"{symbol}{below} {texts[0]}" if symbol.endswith("sum") else f"{symbol}{below}({texts[0]})"

    return text


def _back(g: Tensor, x: Tensor, axis: tuple[int, ...]) -> Tensor:
    """A reduction's gradient with the reduced axes put back as ones."""
    return reshape(g, reduced(x.shape, axis, True))


def _count(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    return size(product(x.shape[a] for a in axis), x.dtype)


op(
    "sum",
    kind=Kind.REDUCE,
    shape=_reduced,
    dtype=lambda x, **_: _sum_dtype(x),
    numpy=_method("sum"),
    latex=_latex(r"\sum"),
    vjp=lambda g, y, x, axis, keepdims: (expand(_back(g, x, axis), x.shape),),
    samples=lambda: [({"axis": (0,), "keepdims": False},), ({"axis": (0, 1), "keepdims": True},)],
)
op(
    "mean",
    kind=Kind.REDUCE,
    shape=_reduced,
    dtype=floating,
    numpy=_method("mean"),
    latex=_latex(r"\operatorname{mean}"),
    vjp=lambda g, y, x, axis, keepdims: (expand(_back(g, x, axis) / _count(x, axis), x.shape),),
    lower=lambda x, axis, keepdims: apply("sum", x, axis=axis, keepdims=keepdims) / _count(x, axis),
    samples=lambda: [({"axis": (1,), "keepdims": False},), ({"axis": (0, 1), "keepdims": True},)],
)


def _extreme_vjp(g: Tensor, y: Tensor, x: Tensor, axis: tuple[int, ...], keepdims: bool) -> tuple[Tensor]:
    best = stop_gradient(equal(x, _back(y, x, axis)))
    share = astype_of(best, x)
    return (share * (_back(g, x, axis) / apply("sum", share, axis=axis, keepdims=True)),)


def astype_of(x: Tensor, other: Tensor) -> Tensor:
    """x in the type of `other`."""
    return apply("astype", x, dtype=other.dtype.name)


for _name, _numpy in (("max", "max"), ("min", "min")):
    op(
        _name,
        kind=Kind.REDUCE,
        shape=_reduced,
        dtype=arithmetic,
        numpy=_method(_numpy),
        latex=_latex(rf"\{_name}"),
        vjp=_extreme_vjp,
        analytic=False,
        note="Where several elements are the extreme one, they share the gradient evenly.",
        samples=lambda: [({"axis": (1,), "keepdims": False},), ({"axis": (0, 1), "keepdims": True},)],
    )

op(
    "argmax",
    kind=Kind.REDUCE,
    shape=lambda x, axis: reduced(x, axis, False),
    dtype=lambda x, axis: np.dtype(np.int64),
    numpy=lambda node, texts: f"({texts[0]}).argmax({_axis_text(node)})",
    latex=_latex(r"\operatorname{argmax}"),
    analytic=False,
    samples=lambda: [({"axis": (1,)},), ({"axis": (0,)},)],
)


def _safe_top(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    """The largest, to be taken out before exp; 0 where it is infinite, as infinity less itself is NaN."""
    top = apply("max", x, axis=axis, keepdims=True)
    return stop_gradient(where(abs(top) < math.inf, top, 0.0))


def _lower_logsumexp(x: Tensor, axis: tuple[int, ...], keepdims: bool) -> Tensor:
    top = _safe_top(x, axis)
    y = log(apply("sum", exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else reshape(y, reduced(x.shape, axis, False))


def _lower_softmax(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    e = exp(x - _safe_top(x, axis))
    return e / apply("sum", e, axis=axis, keepdims=True)


def _lower_log_softmax(x: Tensor, axis: tuple[int, ...]) -> Tensor:
    shifted = x - _safe_top(x, axis)
    return shifted - log(apply("sum", exp(shifted), axis=axis, keepdims=True))


def _softmax_vjp(g: Tensor, y: Tensor, x: Tensor, axis: tuple[int, ...]) -> tuple[Tensor]:
    return (y * (g - apply("sum", g * y, axis=axis, keepdims=True)),)


def _log_softmax_vjp(g: Tensor, y: Tensor, x: Tensor, axis: tuple[int, ...]) -> tuple[Tensor]:
    return (g - exp(y) * apply("sum", g, axis=axis, keepdims=True),)


def _one_axis(node: Tensor) -> str:
    (axis,) = node.attrs["axis"]
    return "" if axis == node.inputs[0].ndim - 1 else f", axis={axis}"


def _logsumexp_text(node: Tensor, texts: Sequence[str]) -> str:
    axis = node.attrs["axis"]
    named = axis[0] if len(axis) == 1 else axis
    where = "" if named == node.inputs[0].ndim - 1 else f", axis={named}"
    return f"logsumexp({texts[0]}{where}{'' if node.attrs['keepdims'] else ', keepdims=False'})"


op(
    "logsumexp",
    kind=Kind.REDUCE,
    shape=_reduced,
    dtype=floating,
    numpy=_logsumexp_text,
    helpers=["logsumexp"],
    latex=lambda node, texts: _latex(r"\ln \sum")(node, [f"e^{{{texts[0]}}}"]),
    vjp=lambda g, y, x, axis, keepdims: (_back(g, x, axis) * exp(x - _back(y, x, axis)),),
    lower=_lower_logsumexp,
    samples=lambda: [({"axis": (1,), "keepdims": True},), ({"axis": (0,), "keepdims": False},)],
)
op(
    "softmax",
    kind=Kind.REDUCE,
    shape=_same_shape,
    dtype=floating,
    numpy=lambda node, texts: f"softmax({texts[0]}{_one_axis(node)})",
    helpers=["softmax"],
    latex=_latex(r"\operatorname{softmax}"),
    vjp=_softmax_vjp,
    lower=_lower_softmax,
    samples=lambda: [({"axis": (1,)},), ({"axis": (0,)},)],
)
op(
    "log_softmax",
    kind=Kind.REDUCE,
    shape=_same_shape,
    dtype=floating,
    numpy=lambda node, texts: f"{texts[0]} - logsumexp({texts[0]}{_one_axis(node)})",
    helpers=["logsumexp"],
    latex=lambda node, texts: "\\ln(" + _latex(r"\operatorname{softmax}")(node, texts) + ")",
    vjp=_log_softmax_vjp,
    lower=_lower_log_softmax,
    samples=lambda: [({"axis": (1,)},), ({"axis": (0,)},)],
)


def _reduce(name: str, x: Any, axis: Any, keepdims: bool, empty: bool = True) -> Tensor:
    x = as_tensor(x)
    axes = axes_of(axis, x.ndim, name)
    if not empty and any(x.shape[a] == 0 for a in axes):
        raise ShapeError(f"{name}: no elements along axis {axes} of shape {x.shape}")
    return apply(name, x, axis=axes, keepdims=bool(keepdims))


@function
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis` (all axes: None)."""
    return _reduce("sum", x, axis, keepdims)


@function
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean over `axis` (all axes: None).

    Raises
    ------
    ShapeError
        If there is nothing to take the mean of.
    """
    return _reduce("mean", x, axis, keepdims, empty=False)


@function
def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest element along `axis`; equal ones share the gradient."""
    return _reduce("max", x, axis, keepdims, empty=False)


@function
def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The smallest element along `axis`; equal ones share the gradient."""
    return _reduce("min", x, axis, keepdims, empty=False)


@function
def argmax(x: Any, axis: int | None = None) -> Tensor:
    """The index of the first largest element along `axis` (of the flattened tensor: None)."""
    x = as_tensor(x)
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    axis = axis_of(axis, x.ndim, "argmax")
    if x.shape[axis] == 0:
        raise ShapeError(f"argmax: no elements along axis {axis} of shape {x.shape}")
    return apply("argmax", x, axis=(axis,))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow."""
    return _reduce("logsumexp", x, axis, keepdims, empty=False)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`, without overflow."""
    return _along("softmax", x, axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)) over `axis`, without overflow."""
    return _along("log_softmax", x, axis)


def _along(name: str, x: Any, axis: int) -> Tensor:
    x = as_tensor(x)
    if not x.ndim:
        raise DTypeError(f"{name}: the tensor has no axes")
    axis = axis_of(axis, x.ndim, name)
    if x.shape[axis] == 0:
        raise ShapeError(f"{name}: no elements along axis {axis} of shape {x.shape}")
    return apply(name, x, axis=(axis,))


__all__ = ["argmax", "log_softmax", "logsumexp", "max", "mean", "min", "softmax", "sum"]
