"""Mixup: a step learns from rows between rows, and from targets between their targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph.tensor import Tensor
from ..ops import cos, random_uniform, sqrt
from .init import Purpose


@dataclass(frozen=True)
class Mixing:
    """What a step makes of a batch.

    Each row has a partner, which stands as far from the batch's end as it from the beginning: rows come in a
    drawn order, so that partners are drawn as well.

    Attributes
    ----------
    own, rest : Tensor, shape ()
        The share of each row, and that of its partner; together 1.
    """

    own: Tensor
    rest: Tensor

    def rows(self, x: Tensor) -> Tensor:
        """Rows between rows and their partners."""
        mixed = self.own * x + self.rest * x[::-1]
        mixed.name = f"mixed_{x.name}"
        return mixed

    def loss(self, own: Tensor, partners: Tensor) -> Tensor:
        """The loss for the rows' own targets and that for their partners', as they take part."""
        return self.own * own + self.rest * partners


def partners(t: Tensor) -> Tensor:
    """What the partners of a batch's rows have."""
    turned = t[::-1]
    turned.name = f"partners_{t.name}"
    return turned


def mixing(alpha: float, seed: Tensor, step: Tensor, dtype: np.dtype[Any]) -> Mixing:
    """Mixup with a share of the distribution Beta(alpha, alpha), another one for each step.

    The share is made of two uniform numbers: Student's t of 2 * alpha degrees of freedom by Bailey's polar
    method, brought to between 0 and 1. No part of it overflows, however small alpha is.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: beyond empirical risk minimization. Bailey (1994),
    Polar generation of random variates with the t-distribution. Devroye (1996), Random variate generation in
    one line of code.
    """
    u = random_uniform((2,), seed, step, int(Purpose.MIXUP))
    u.name = "u"
    q = (1 - u[0]) ** (1 / alpha)
    q.name = "q"
    c = cos(2 * math.pi * u[1])
    c.name = "c"
    own = 0.5 + 0.5 * c / sqrt(c * c + q / (1 - q))
    own = own if own.dtype == dtype else own.astype(dtype)
    own.name = "lam"
    rest = 1 - own
    rest.name = "rest"
    return Mixing(own, rest)
