"""Activations whose derivative is altered by design: Fahlman's cure of flat spots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..checks import real_number
from ..errors import ParameterError
from ..graph.tensor import Tensor
from ..ops import logistic, straight_through, tanh

_PLAIN: Mapping[str, Callable[[Tensor], Tensor]] = {"logistic": logistic, "tanh": tanh}


@dataclass(frozen=True)
class Altered:
    """What activations share whose values are kept, to the last bit, and whose derivative is another.

    Parameters
    ----------
    flat_spot : float
        At least 0; added to the derivative.
    slope : float, optional
        Above 0; taken in place of the derivative, which is left out wholly.

    Raises
    ------
    ParameterError
        If a number is out of its range, or both are given.
    """

    flat_spot: float = 0.0
    slope: float | None = None

    name: ClassVar[str]

    def __post_init__(self) -> None:
        what = type(self).__name__
        object.__setattr__(self, "flat_spot", real_number(self.flat_spot, f"{what}: flat_spot", 0, math.inf))
        if self.slope is None:
            return
        slope = real_number(self.slope, f"{what}: slope", 0, math.inf, low_too=False)
        object.__setattr__(self, "slope", slope)
        if self.flat_spot:
            raise ParameterError(
                f"{what}: flat_spot={self.flat_spot} is added to the derivative, which slope={slope} leaves "
                "out. Pass one of them."
            )

    def __call__(self, z: Tensor) -> Tensor:
        a = _PLAIN[self.name](z)
        if self.slope is not None:
            return straight_through(a, self.slope * z)
        return straight_through(a, a + self.flat_spot * z) if self.flat_spot else a

    @property
    def text(self) -> str:
        """Its name with what is altered, as it is written for a layer and in model files."""
        if self.slope is not None:
            return f"{self.name}(slope={self.slope!r})"
        return f"{self.name}(flat_spot={self.flat_spot!r})" if self.flat_spot else self.name


class Sigmoid(Altered):
    """The logistic function, with another derivative than its own.

    Where a unit is near 0 or 1 its derivative a * (1 - a) is nearly 0, and however wrong the unit is, next to
    nothing of the error comes through: a flat spot. So a constant is added, a * (1 - a) + flat_spot, or one
    is taken in its place, slope. What the chain rule then computes is by design not the loss's gradient;
    `check_gradients` knows of it and checks the altered one.

    Parameters
    ----------
    flat_spot : float
        At least 0; added to the derivative. Fahlman's is 0.1.
    slope : float, optional
        Above 0; taken in place of the derivative. Fahlman tried 0.5.

    Raises
    ------
    ParameterError
        If a number is out of its range, or both are given.

    References
    ----------
    Fahlman (1988), An empirical study of learning speed in back-propagation networks, report CMU-CS-88-162,
    on the sigmoid-prime function.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.Dense(8, cr.activations.Sigmoid(flat_spot=0.1))
    Dense(8, 'logistic(flat_spot=0.1)')
    """

    name = "logistic"


class Tanh(Altered):
    """tanh, with another derivative than its own 1 - a**2; see `Sigmoid`.

    Parameters
    ----------
    flat_spot : float
        At least 0; added to the derivative.
    slope : float, optional
        Above 0; taken in place of the derivative.

    Raises
    ------
    ParameterError
        If a number is out of its range, or both are given.
    """

    name = "tanh"
