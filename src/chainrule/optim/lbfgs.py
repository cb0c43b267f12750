"""L-BFGS over a whole data set, through SciPy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..checks import positive_int
from ..errors import ParameterError
from ..graph.tensor import Tensor
from .base import Optimizer, Updates

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Quasi-Newton steps on the loss of all rows, for small data.

    It learns the loss's curvature from the last steps and gradients, and finds the length of each step by
    trying: so it takes neither a learning rate nor batches, and an epoch is one of its iterations. It ends
    by itself where the gradient vanishes or no step makes the loss smaller.

    Parameters
    ----------
    history : int
        From how many steps it knows the curvature.
    line_search : int
        The largest number of lengths it tries for one step.
    tolerance : float
        Training ends when no element of the gradient is larger than this; at least 0.
    least_gain : float
        Training ends when an iteration makes the loss smaller by no more than this share of it (of 1, where
        the loss is below 1); at least 0.
    evaluations : int, optional
        The largest number of times that loss and gradient are computed.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization. Zhu, Byrd, Lu and
    Nocedal (1997), Algorithm 778: L-BFGS-B, which is the form that SciPy has.
    """

    name = "lbfgs"
    whole_batch = True

    learning_rate: float = field(default=1.0, init=False, repr=False)
    clip_value: None = field(default=None, init=False, repr=False)
    clip_norm: None = field(default=None, init=False, repr=False)
    history: int = 10
    line_search: int = 20
    tolerance: float = 1e-5
    least_gain: float = 0.0
    evaluations: int | None = None

    def __post_init__(self) -> None:
        for name in ("history", "line_search"):
            checked = positive_int(getattr(self, name), f"LBFGS: {name}", f"{name}=10")
            object.__setattr__(self, name, checked)
        self._check_not_negative("tolerance")
        self._check_not_negative("least_gain")
        if self.evaluations is not None:
            most = positive_int(self.evaluations, "LBFGS: evaluations", "evaluations=15000")
            object.__setattr__(self, "evaluations", most)

    @property
    def rule(self) -> Optimizer:
        return self

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        raise ParameterError(
            "LBFGS: its steps are SciPy's and no graph of their own. For a step to print or compile take a "
            "rule such as SGD(0.1) or Adam(1e-3)."
        )


class Minimum(NamedTuple):
    """Where a search ended.

    Attributes
    ----------
    vector : ndarray of float64, shape (parameters,)
        Of the last iteration; the start if there was none.
    converged : bool
        Whether the gradient or the gain became as small as was asked for.
    stopped : bool
        Whether it was told to stop.
    reason : str
        Why it ended, in SciPy's words.
    """

    vector: Array
    converged: bool
    stopped: bool
    reason: str


def minimise(
    function: Callable[[Array], tuple[float, Array]],
    start: Array,
    settings: LBFGS,
    iterations: int,
    on_iteration: Callable[[Array, float], bool],
) -> Minimum:
    """Make a function of many numbers small.

    Parameters
    ----------
    function : callable
        Takes a vector of float64, gives the loss and its gradient, of the vector's shape. Where the loss is
        NaN or infinite, shorter steps are tried; where it is at the start, nothing is.
    start : ndarray of float64, shape (parameters,)
    settings : LBFGS
    iterations : int
        At most so many.
    on_iteration : callable
        Takes the vector (a copy) and its loss after each iteration; says whether to go on.

    Returns
    -------
    Minimum
    """
    from scipy.optimize import minimize

    last, told = np.array(start, np.float64), False
    reached, slopes = function(last.copy())
    highest = reached  # of the last vector with a number and the last iteration's
    if not (math.isfinite(reached) and np.isfinite(slopes).all()):
        return Minimum(last, False, False, "the loss is not finite at the start")

    def walled(vector: Array) -> tuple[float, Array]:
        """The function; where it is not finite a slope back, for SciPy takes NaN as it takes numbers."""
        nonlocal highest, slopes
        loss, found = function(vector)
        if not (math.isfinite(loss) and np.isfinite(found).all()):
            return highest + abs(highest) + 1, -slopes
        highest, slopes = max(loss, reached), found
        return loss, found

    def after(intermediate_result: Any) -> None:
        nonlocal last, reached, told
        last, reached = np.array(intermediate_result.x), float(intermediate_result.fun)
        told = not on_iteration(last.copy(), reached)
        if told:
            raise StopIteration

    options = {
        "maxcor": settings.history,
        "maxls": settings.line_search,
        "gtol": settings.tolerance,
        "ftol": settings.least_gain,
        "maxiter": iterations,
        "maxfun": settings.evaluations or sys.maxsize,
    }
    ended = minimize(walled, last.copy(), method="L-BFGS-B", jac=True, callback=after, options=options)
    return Minimum(last, ended.status == 0, told, str(ended.message))
