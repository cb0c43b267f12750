"""L-BFGS and conjugate gradients over a whole data set, through SciPy."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .whole_batch import Array, Minimum, Objective, OnIteration, WholeBatch


@dataclass(frozen=True)
class ScipySearch(WholeBatch):
    """A method of `scipy.optimize.minimize` that takes gradients.

    Attributes
    ----------
    method : str
        SciPy's name for it.
    limited : bool
        Whether SciPy's method has limits of its own for evaluations and the least gain.
    """

    method: ClassVar[str]
    limited: ClassVar[bool] = False

    def options(self, iterations: int) -> dict[str, Any]:
        """The settings as SciPy takes them."""
        raise NotImplementedError

    def search(
        self, objective: Objective, start: Array, iterations: int, on_iteration: OnIteration
    ) -> Minimum:
        return minimise(objective, start, self, iterations, on_iteration)


@dataclass(frozen=True)
class LBFGS(ScipySearch):
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
    title = "L-BFGS"
    method = "L-BFGS-B"
    limited = True

    history: int = 10
    line_search: int = 20

    def __post_init__(self) -> None:
        self._check_counts("history", "line_search")
        super().__post_init__()

    def options(self, iterations: int) -> dict[str, Any]:
        return {
            "maxcor": self.history,
            "maxls": self.line_search,
            "gtol": self.tolerance,
            "ftol": self.least_gain,
            "maxiter": iterations,
            "maxfun": self.evaluations or sys.maxsize,
        }


@dataclass(frozen=True)
class ConjugateGradient(ScipySearch):
    """Conjugate gradients on the loss of all rows, for small data.

    Each direction is the slope downwards with a share of the last direction, so that the gains of earlier
    steps are kept (Polak and Ribiere's, with a share that is never negative); how far to go is found by
    trying. It takes neither a learning rate nor batches, and an epoch is one of its iterations. Beside the
    weights it remembers one direction where `LBFGS` has twenty vectors, and as a rule takes more evaluations
    than that. It ends by itself where the gradient vanishes or no step makes the loss smaller.

    Parameters
    ----------
    tolerance : float
        Training ends when no element of the gradient is larger than this; at least 0.
    least_gain : float
        Training ends when an iteration makes the loss smaller by no more than this share of it (of 1, where
        the loss is below 1); at least 0, for no such end.
    evaluations : int, optional
        The largest number of times that loss and gradient are computed.

    Raises
    ------
    ParameterError
        If a number is out of its range.

    References
    ----------
    Polak and Ribiere (1969), Note sur la convergence de methodes de directions conjuguees. Møller (1993), A
    scaled conjugate gradient algorithm for fast supervised learning, of its use for networks. Nocedal and
    Wright (2006), Numerical Optimization, section 5.2, which is the form that SciPy has.
    """

    name = "cg"
    title = "CG"
    method = "CG"

    def options(self, iterations: int) -> dict[str, Any]:
        return {"gtol": self.tolerance, "maxiter": iterations}


class _Enough(Exception):
    """Ends a search of SciPy's from within the function that it evaluates."""


def minimise(
    function: Callable[[Array], tuple[float, Array]],
    start: Array,
    settings: ScipySearch,
    iterations: int,
    on_iteration: OnIteration,
) -> Minimum:
    """Make a function of many numbers small; see `WholeBatch.search`."""
    from scipy.optimize import minimize

    last, told, small = np.array(start, np.float64), False, False
    reached, slopes = function(last.copy())
    highest = reached  # of the last vector with a number and the last iteration's
    if not (math.isfinite(reached) and np.isfinite(slopes).all()):
        return Minimum(last, False, False, "the loss is not finite at the start")
    left = math.inf if settings.limited or settings.evaluations is None else settings.evaluations

    def walled(vector: Array) -> tuple[float, Array]:
        """The function; where it is not finite a slope back, for SciPy takes NaN as it takes numbers."""
        nonlocal highest, slopes, left
        if left <= 0:
            raise _Enough
        left -= 1
        loss, found = function(vector)
        if not (math.isfinite(loss) and np.isfinite(found).all()):
            return highest + abs(highest) + 1, -slopes
        highest, slopes = max(loss, reached), found
        return loss, found

    def after(intermediate_result: Any) -> None:
        nonlocal last, reached, told, small
        gain = reached - float(intermediate_result.fun)
        least = settings.least_gain * max(abs(reached), 1)
        last, reached = np.array(intermediate_result.x), float(intermediate_result.fun)
        told = not on_iteration(last.copy(), reached)
        small = not settings.limited and settings.least_gain > 0 and gain <= least
        if told or small:
            raise StopIteration

    options = settings.options(iterations)
    try:
        ended = minimize(
            walled, last.copy(), method=settings.method, jac=True, callback=after, options=options
        )
    except _Enough:
        return Minimum(last, False, False, f"the limit of {settings.evaluations} evaluations is reached")
    if small and not told:
        return Minimum(last, True, False, "the loss became smaller by no more than the least gain")
    return Minimum(last, ended.status == 0 and not told, told, str(ended.message).rstrip("."))
