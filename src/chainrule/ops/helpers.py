"""NumPy functions that expressions call where NumPy has none. Printed source shows their text."""

from __future__ import annotations

import math

import numpy as np

from ..graph.op import helper


@helper
def logistic(x):  # type: ignore[no-untyped-def]
    """1 / (1 + exp(-x)), without overflow: exp is taken of a negative number only."""
    e = np.exp(np.where(x >= 0, -x, x))
    return np.where(x >= 0, 1, e) / (1 + e)


@helper
def softplus(x):  # type: ignore[no-untyped-def]
    """log(1 + exp(x)), without overflow."""
    return np.where(x >= 0, x, 0) + np.log1p(np.exp(np.where(x >= 0, -x, x)))


@helper
def gelu(x):  # type: ignore[no-untyped-def]
    """x times the normal distribution's probability of x, in its form with tanh."""
    return 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * (x * x * x))))


@helper
def logsumexp(x, axis=-1, keepdims=True):  # type: ignore[no-untyped-def]
    """log(sum(exp(x))), with the largest taken out first so that exp cannot overflow."""
    m = x.max(axis=axis, keepdims=True)
    m = np.where(np.isfinite(m), m, 0)
    y = np.log(np.exp(x - m).sum(axis=axis, keepdims=True)) + m
    return y if keepdims else y.squeeze(axis)


@helper
def softmax(x, axis=-1):  # type: ignore[no-untyped-def]
    """exp(x) / sum(exp(x)), with the largest taken out first."""
    m = x.max(axis=axis, keepdims=True)
    e = np.exp(x - np.where(np.isfinite(m), m, 0))
    return e / e.sum(axis=axis, keepdims=True)


@helper
def one_hot(t, classes):  # type: ignore[no-untyped-def]
    """True at the place that t names, shape (..., classes)."""
    return np.expand_dims(t, -1) == np.arange(classes)


@helper
def scatter_add(shape, t, values):  # type: ignore[no-untyped-def]
    """Zeros of `shape`, to whose rows t the values are added."""
    y = np.zeros(shape, values.dtype)
    np.add.at(y, t, values)
    return y


@helper
def place(shape, key, values):  # type: ignore[no-untyped-def]
    """Zeros of `shape` with `values` at `key`."""
    y = np.zeros(shape, values.dtype)
    y[key] = values
    return y


@helper
def uniform(shape, seed, step, purpose, dtype):  # type: ignore[no-untyped-def]
    """Numbers in [0, 1) from the counter-based generator Philox4x64-10 (Salmon et al., 2011)."""
    key = np.array([int(seed) % 2**64, purpose], np.uint64)
    counter = np.array([0, int(step) % 2**64, 0, 0], np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(math.prod(shape)).reshape(shape)
    if np.dtype(dtype) == np.float32:
        return (bits >> 40).astype(dtype) * np.float32(2.0**-24)
    return (bits >> 11) * 2.0**-53
