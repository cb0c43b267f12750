"""Distributions in logarithms, so that nothing is lost where a class is unlikely: tempered, and mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def log_probabilities(logits: Array, binary: bool, temperature: float = 1.0) -> Array:
    """The logarithms of the probabilities that logits stand for.

    Parameters
    ----------
    logits : ndarray, shape (rows, outputs)
    binary : bool
        Whether each output is the logit of a yes, as of binary_cross_entropy; else a row's outputs are the
        logits of its classes.
    temperature : float
        What logits are divided by: above 1, unlikely classes come out larger.

    Returns
    -------
    ndarray of float64, shape (rows, outputs); for `binary` (rows, outputs, 2), of no and of yes

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the knowledge in a neural network, eq. 1.
    """
    from scipy.special import log_expit, log_softmax

    z = np.asarray(logits, np.float64) / temperature
    found: Array = np.stack([log_expit(-z), log_expit(z)], axis=-1) if binary else log_softmax(z, axis=-1)
    return found


def log_mean(each: Sequence[Array]) -> Array:
    """The logarithms of the means of probabilities, given by their logarithms."""
    from scipy.special import logsumexp

    mixed: Array = logsumexp(np.stack(each), axis=0) - np.log(len(each))
    return mixed


def entropy(p: Array) -> Array:
    """The entropy of distributions along the last axis, in nats; 0 * log 0 is 0."""
    from scipy.special import entr

    summed: Array = entr(np.asarray(p, np.float64)).sum(axis=-1)
    return summed
