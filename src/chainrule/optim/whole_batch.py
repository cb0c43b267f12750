"""What rules share that work on all rows at once, and find the length of their steps by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from ..checks import positive_int
from ..errors import ParameterError
from ..graph.tensor import Tensor
from .base import Optimizer, Updates

Array = np.ndarray[Any, Any]
OnIteration = Callable[[Array, float], bool]


class Objective(Protocol):
    """What is to become small: takes a vector of all weights, gives the loss and its gradient."""

    def __call__(self, vector: Array) -> tuple[float, Array]:
        """Loss and gradient, float64 and of the vector's shape; not finite where the loss is not."""

    def curvature(self, vector: Array) -> Array:
        """The Gauss-Newton matrix, shape (parameters, parameters): the squares' part of the Hessian."""


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
        Why it ended; in SciPy's words where SciPy searched.
    """

    vector: Array
    converged: bool
    stopped: bool
    reason: str


@dataclass(frozen=True)
class WholeBatch(Optimizer):
    """A search for the least loss of all rows; an epoch is one of its iterations.

    Parameters
    ----------
    tolerance : float
        Training ends when no element of the gradient is larger than this; at least 0.
    least_gain : float
        Training ends when an iteration makes the loss smaller by no more than this share of it (of 1, where
        the loss is below 1); at least 0.
    evaluations : int, optional
        The largest number of times that loss and gradient are computed.

    Attributes
    ----------
    title : str
        What messages call it.
    """

    whole_batch = True
    title: ClassVar[str]

    learning_rate: float = field(default=1.0, init=False, repr=False)
    clip_value: None = field(default=None, init=False, repr=False)
    clip_norm: None = field(default=None, init=False, repr=False)
    sam: None = field(default=None, init=False, repr=False)
    average: None = field(default=None, init=False, repr=False)
    tolerance: float = field(default=1e-5, kw_only=True)
    least_gain: float = field(default=0.0, kw_only=True)
    evaluations: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check_not_negative("tolerance")
        self._check_not_negative("least_gain")
        if self.evaluations is not None:
            self._check_counts("evaluations")

    def search(
        self, objective: Objective, start: Array, iterations: int, on_iteration: OnIteration
    ) -> Minimum:
        """Make a function of many numbers small.

        Parameters
        ----------
        objective : Objective
            Where the loss is NaN or infinite, shorter steps are tried; where it is at the start, nothing is.
        start : ndarray of float64, shape (parameters,)
        iterations : int
            At most so many.
        on_iteration : callable
            Takes the vector (a copy) and its loss after each iteration; says whether to go on.

        Returns
        -------
        Minimum
        """
        raise NotImplementedError

    @property
    def rule(self) -> Optimizer:
        return self

    def updates(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor], lr: Tensor) -> Updates:
        raise ParameterError(
            f"{type(self).__name__}: its steps are found by trying, and are no graph. For a step to print or "
            "compile take a rule such as SGD(0.1) or Adam(1e-3)."
        )

    def _check_counts(self, *names: str) -> None:
        for name in names:
            what, example = f"{type(self).__name__}: {name}", f"{name}=10"
            object.__setattr__(self, name, positive_int(getattr(self, name), what, example))
