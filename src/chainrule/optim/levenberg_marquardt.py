"""Levenberg and Marquardt's damped least squares, for small regressions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .whole_batch import Array, Minimum, Objective, OnIteration, WholeBatch

LEAST_DAMPING = 1e-15  # of the curvature's largest: beside it, rounding is as large as what is damped


@dataclass(frozen=True)
class LevenbergMarquardt(WholeBatch):
    """Steps to where the squared errors would be least if outputs were linear in the weights; damped.

    A step s solves (H + mu * I) s = -g, where g is the loss's gradient and H = J^T J, scaled as the loss is,
    its curvature as the outputs' derivatives J by all weights tell it. A step that makes the loss smaller is
    taken, and mu shrinks the more, the better H foretold the gain; else mu grows, which turns the step
    towards the gradient and shortens it. An epoch is a step that is taken.

    It is for losses that are sums of squares ("mse", "half_sum", "sum"), with l2 penalties if need be, on
    all rows at once. Few steps are needed where J tells much: with up to some hundred weights, in float64. A
    step takes time that grows with rows times weights squared, plus weights cubed, and memory for three
    matrices of weights by weights.

    Parameters
    ----------
    damping : float
        The first mu, as a share of the largest element on H's diagonal; above 0. Small where the start is
        near the end.
    memory : int
        Bytes that the matrices may take.
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
    Levenberg (1944), A method for the solution of certain non-linear problems in least squares. Marquardt
    (1963), An algorithm for least-squares estimation of nonlinear parameters. Hagan and Menhaj (1994),
    Training feedforward networks with the Marquardt algorithm. Madsen, Nielsen and Tingleff (2004), Methods
    for non-linear least squares problems, algorithm 3.16: how mu changes.
    """

    name = "levenberg_marquardt"
    title = "Levenberg-Marquardt"

    damping: float = 1e-3
    memory: int = 512 * 2**20
    tolerance: float = field(default=1e-8, kw_only=True)

    def __post_init__(self) -> None:
        self._check("damping", 0, math.inf)
        self._check_counts("memory")
        super().__post_init__()

    def search(
        self, objective: Objective, start: Array, iterations: int, on_iteration: OnIteration
    ) -> Minimum:
        vector = np.array(start, np.float64)
        loss, slope = objective(vector)
        if not (math.isfinite(loss) and np.isfinite(slope).all()):
            return Minimum(vector, False, False, "the loss is not finite at the start")
        left = math.inf if self.evaluations is None else self.evaluations - 1
        damping, growth = 0.0, 2.0
        for _ in range(iterations):
            if np.abs(slope).max() <= self.tolerance:
                return Minimum(vector, True, False, "the gradient is as small as the tolerance")
            H = objective.curvature(vector)
            largest = float(H.diagonal().max())
            damping = max(damping or self.damping * largest, LEAST_DAMPING * largest)
            while True:
                step = _damped_step(H, damping, slope)
                if step is not None and np.linalg.norm(step) <= np.finfo(float).eps * np.linalg.norm(vector):
                    return Minimum(vector, False, False, "no step makes the loss smaller")
                if step is not None:
                    if left <= 0:
                        reason = f"the limit of {self.evaluations} evaluations is reached"
                        return Minimum(vector, False, False, reason)
                    left -= 1
                    found, slope_there = objective(vector + step)
                    if found < loss and np.isfinite(slope_there).all():
                        break
                damping, growth = damping * growth, 2 * growth
                if not math.isfinite(damping):
                    return Minimum(vector, False, False, "no step makes the loss smaller")
            foretold = 0.5 * float(step @ (damping * step - slope))
            gain, before = loss - found, loss
            damping *= max(1 / 3, 1 - (2 * gain / foretold - 1) ** 3)
            growth = 2.0
            vector, loss, slope = vector + step, found, slope_there
            if not on_iteration(vector.copy(), loss):
                return Minimum(vector, False, True, "it was told to stop")
            if self.least_gain and gain <= self.least_gain * max(abs(before), 1):
                reason = "the loss became smaller by no more than the least gain"
                return Minimum(vector, True, False, reason)
        return Minimum(vector, False, False, f"the limit of {iterations} iterations is reached")


def _damped_step(H: Array, damping: float, slope: Array) -> Array | None:
    """The solution s of (H + damping * I) s = -slope; None where rounding leaves no positive matrix."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    damped = H.copy()
    damped.ravel()[:: len(H) + 1] += damping
    try:
        step: Array = cho_solve(cho_factor(damped, overwrite_a=True), -slope)
    except (LinAlgError, ValueError):
        return None
    return step if np.isfinite(step).all() else None
