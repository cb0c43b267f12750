"""Initial weights: uniform numbers whose spread keeps signals alive from layer to layer.

They depend on the seed, the layer's position and the layer's size, and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from ..errors import unknown_name
from ..graph.op import HELPERS

Array = np.ndarray[Any, Any]


class Purpose(IntEnum):
    """What a seed's random numbers are for: each purpose has numbers of its own."""

    WEIGHTS = 1
    SHUFFLE = 2


def glorot(inputs: int, units: int) -> float:
    """The bound of Glorot's uniform weights, sqrt(6 / (inputs + units)).

    References
    ----------
    Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward neural networks,
    eq. 16.
    """
    return math.sqrt(6 / (inputs + units))


def he(inputs: int, units: int) -> float:
    """The bound of He's uniform weights, sqrt(6 / inputs): a variance of 2 / inputs, for ReLU and its kin.

    References
    ----------
    He, Zhang, Ren and Sun (2015), Delving deep into rectifiers, eq. 10.
    """
    return math.sqrt(6 / inputs)


INITS: dict[str, Callable[[int, int], float]] = {"glorot": glorot, "he": he}


def initial_weights(init: str, inputs: int, units: int, seed: int, position: int) -> Array:
    """Weights of a layer, uniform between minus and plus the bound of `init`.

    Parameters
    ----------
    init : {"glorot", "he"}
    inputs, units : int
    seed : int
    position : int
        The layer's, counted from 0: layers of one network get different numbers.

    Returns
    -------
    ndarray of float64, shape (inputs, units)
    """
    if init not in INITS:
        raise unknown_name("init", init, INITS)
    bound = INITS[init](inputs, units)
    drawn = HELPERS["uniform"]((inputs, units), seed, position, int(Purpose.WEIGHTS), "float64")
    weights: Array = (2 * drawn - 1) * bound
    return weights
