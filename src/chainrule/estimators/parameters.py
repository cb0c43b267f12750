"""What an estimator's parameters may be; looked at when it is fitted, as scikit-learn asks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..checks import not_negative, positive_int, real_number
from ..emit.engine import ENGINES
from ..errors import ParameterError, unknown_name
from ..optim.averaging import SWA, find_averaging
from ..optim.rates import Schedule
from ..optim.rules import OPTIMIZERS, Optimizer
from .scoring import check_scoring

SKLEARN_SOLVERS = ("adam", "lbfgs", "sgd")
RATES = ("adaptive", "constant", "invscaling")
NORMS = ("batch", "layer")
REGULARISING = ("max_norm", "input_noise", "mixup", "averaging")
FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "resume")


def check_parameters(estimator: Any) -> None:
    """Raise ParameterError, or UnknownNameError for a name, where a parameter is not what it can be."""
    e, kind = estimator, type(estimator).__name__
    hidden_sizes(e)
    for name in FLAGS:
        if not isinstance(getattr(e, name), bool | np.bool_):
            raise ParameterError(f"{kind}: {name} must be True or False, got {getattr(e, name)!r:.60}.")
    positive_int(e.accumulate, f"{kind}: accumulate", "accumulate=4")
    for name in ("max_iter", "max_fun"):
        positive_int(getattr(e, name), f"{kind}: {name}", f"{name}=200")
    if not (isinstance(e.batch_size, str) and e.batch_size == "auto"):
        positive_int(e.batch_size, f"{kind}: batch_size", "batch_size='auto', or 32")
    if e.n_iter_no_change != math.inf:
        positive_int(e.n_iter_no_change, f"{kind}: n_iter_no_change", "n_iter_no_change=10, or infinity")
    for name in ("power_t", "tol", "input_noise", "mixup"):
        not_negative(getattr(e, name), f"{kind}: {name}")
    for name in ("learning_rate_init", "epsilon"):
        real_number(getattr(e, name), f"{kind}: {name}", 0, math.inf, low_too=False)
    for name in ("beta_1", "beta_2", "validation_fraction"):
        real_number(getattr(e, name), f"{kind}: {name}", 0, 1)
    if e.max_norm is not None:
        real_number(e.max_norm, f"{kind}: max_norm", 0, math.inf, low_too=False)
    if e.momentum != 1:
        real_number(e.momentum, f"{kind}: momentum", 0, 1)
    if e.augment is not None and (isinstance(e.augment, type) or not callable(e.augment)):
        raise ParameterError(
            f"{kind}: augment must be callable, augment(x, numbers, epoch, seed), got {e.augment!r:.60}. "
            "Pass e.g. Augment((28, 28), shift=2)."
        )
    _check_names(e, kind)
    if e.augment is not None and e._whole_batch:
        raise ParameterError(
            f"{kind}: augment and solver={e.solver!r} contradict each other: rows that change from epoch to "
            "epoch have no minimum to search for. Leave augment out, or take e.g. solver='adam'."
        )
    check_scoring(e)
    _check_together(e, kind)


def check_average(e: Any) -> None:
    """Raise ParameterError where every `partial_fit` would begin its average anew."""
    stated = e.averaging or (e.solver.average if isinstance(e.solver, Optimizer) else None)
    average = find_averaging(stated)
    if isinstance(average, SWA) and not isinstance(average.start, int):
        raise ParameterError(
            f"partial_fit: a call is one epoch, and {average} begins with a share of a fit's epochs, so that "
            "there would be no average. Pass the number of an epoch, as in averaging=SWA(10), or EMA()."
        )


def _check_names(e: Any, kind: str) -> None:
    if e.engine not in ENGINES:
        raise unknown_name(f"{kind}: engine", e.engine, ENGINES)
    find_averaging(e.averaging)
    if e.norm not in (None, *NORMS):
        raise unknown_name(f"{kind}: norm", e.norm, NORMS)
    if not isinstance(e.solver, Optimizer) and e.solver not in tuple(OPTIMIZERS):
        raise unknown_name(f"{kind}: solver", e.solver, OPTIMIZERS)
    rate = e.learning_rate
    if not (isinstance(rate, Schedule) or callable(rate)) and rate not in RATES:
        raise unknown_name(f"{kind}: learning_rate", rate, RATES)


def _check_together(e: Any, kind: str) -> None:
    """What regularises needs steps, and the layers that it is said of."""
    given = [name for name in REGULARISING if getattr(e, name)]
    if given and e._whole_batch:
        raise ParameterError(
            f"{kind}: {given[0]} and solver={e.solver!r:.60} contradict each other: it works on all rows at "
            "once, and has no steps. Leave one out."
        )
    inside = [name for name in ("max_norm", "input_noise") if getattr(e, name)]
    if inside and e.layers is not None:
        raise ParameterError(
            f"{kind}: {inside[0]} and layers contradict each other: layers say it themselves, as in "
            "Dense(64, max_norm=3.0) or GaussianNoise(0.1). Leave one out."
        )


def hidden_sizes(estimator: Any) -> list[int]:
    """The units of each hidden layer."""
    given = estimator.hidden_layer_sizes
    sizes = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size <= 0:
            raise ParameterError(
                f"{type(estimator).__name__}: hidden_layer_sizes must be > 0, got {sizes}. "
                "Pass a whole number for each hidden layer, e.g. (100,)."
            )
    return [int(size) for size in sizes]


def per_layer(value: Any, count: int, what: str, most: float = math.inf) -> list[float]:
    """A number for each layer, from one for all or from a list."""
    listed = [value] * count if np.ndim(value) == 0 else list(value)
    if len(listed) != count:
        raise ParameterError(f"{what} must be one number or {count}, one a layer, got {len(listed)}.")
    return [real_number(number, what, 0, most) for number in listed]
