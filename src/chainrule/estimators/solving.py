"""From solver parameters to an update rule, and how a fit is run and ends."""

from __future__ import annotations

import dataclasses
import math
import warnings
from typing import Any

from ..emit.engine import choose_engine
from ..errors import DataError, ParameterError
from ..model.network import Network
from ..optim.rules import LBFGS, OPTIMIZERS, SGD, Adam, Optimizer, make_optimizer
from ..training.fitting import Fit, Rows
from ..training.plan import Plan
from ..training.sampling import Sampler
from .resuming import resumed
from .watching import Followed, Held, Progress, rate_rule

COMPILATION = 0.1  # seconds of NumPy's work: estimators are fitted again and again, and kernels are kept
LEAST_GAIN = 2.2204460492503131e-09  # SciPy's ftol, which scikit-learn leaves as it is


def make_rule(estimator: Any, progress: Progress) -> Optimizer:
    """The update rule that the parameters describe."""
    e = estimator
    stated = {"clip_value": e.clip_value, "clip_norm": e.clip_norm, "average": e.averaging}
    given = {name: value for name, value in stated.items() if value is not None}
    if given and is_whole_batch(e.solver):
        name = next(iter(given)).replace("average", "averaging")
        raise ParameterError(
            f"{type(e).__name__}: {name} does not go with solver {e.solver!r:.60}, which finds the length of "
            "its steps by itself. Leave one out."
        )
    if isinstance(e.solver, Optimizer):
        return dataclasses.replace(e.solver, **given)
    if is_whole_batch(e.solver):
        limits = {"tolerance": e.tol, "least_gain": LEAST_GAIN, "evaluations": e.max_fun}
        return make_optimizer(e.solver, limits)
    rate: Any = e.learning_rate
    if isinstance(rate, str):
        rate = float(progress.learning_rate)
        if rate_rule(e) != "constant":
            rate = Followed(rate, progress=progress)
    if e.solver == "sgd":
        momentum = min(float(e.momentum), math.nextafter(1, 0))
        nesterov = bool(e.nesterovs_momentum) and momentum > 0
        return SGD(rate, momentum=momentum, nesterov=nesterov, rate_in_velocity=True, **given)
    if e.solver == "adam":
        return Adam(rate, e.beta_1, e.beta_2, e.epsilon, late_correction=True, **given)
    return make_optimizer(e.solver, {"learning_rate": rate, **given})


def is_whole_batch(solver: Any) -> bool:
    """Whether a solver, by name or as an object, works on all rows at once."""
    return bool((OPTIMIZERS[solver] if isinstance(solver, str) else solver).whole_batch)


def needs_true_slopes(solver: Any) -> bool:
    """Whether a solver compares the loss that is told with its slopes; lbfgs is as scikit-learn's."""
    return is_whole_batch(solver) and not isinstance(solver, LBFGS) and solver != LBFGS.name


def batch_rows(estimator: Any, rows: int) -> int:
    """The rows of a batch."""
    if isinstance(estimator.batch_size, str):
        return min(200, rows)
    if estimator.batch_size > rows:
        warnings.warn(
            f"batch_size={estimator.batch_size} is more than the {rows} rows that there are: all of them are "
            "taken at once.",
            UserWarning,
            stacklevel=5,
        )
    return min(int(estimator.batch_size), rows)


def run(
    estimator: Any,
    network: Network,
    rule: Optimizer,
    rows: Rows,
    held: Held | None,
    progress: Progress,
    callbacks: list[Any],
    epochs: int,
    sampler: Sampler | None = None,
) -> Fit:
    """Train from the network's weights for at most so many epochs."""
    e = estimator
    count = rows.tables[0].shape[0]
    past, size = progress.past, count if rule.whole_batch else batch_rows(e, count)
    sampling = None if sampler is None else sampler.draws
    before = past.epochs, past.steps
    plan = Plan(count, size, epochs, bool(e.shuffle), e._seed, *before, True, e.accumulate, sampling)
    plan.averaged = past.averaged
    identity, saved = resumed(e, network, rule, plan, rows, held, callbacks)
    engine = e.engine
    if engine == "auto" and saved is None and not rule.whole_batch:
        weighted = rows.weights is not None  # a partial_fit is one of many: the work is that of all epochs
        seconds = network.work(network.program(rule, weighted=weighted, accumulate=e.accumulate > 1), size)[1]
        engine = choose_engine(plan.steps * max(epochs, e.max_iter) * seconds, COMPILATION)
    past = past if saved is None else saved.past
    job = Fit(
        network,
        rule,
        plan,
        rows,
        None,
        engine,
        callbacks,
        past,
        identity=identity,
        saved=saved,
        transform=e.augment,
        shuffler=sampler,
    )
    job.run(verbose=False)
    network.optimizer, progress.past = rule, job.past
    return job


def tell_end(estimator: Any, job: Fit, incremental: bool) -> None:
    """Warn or raise where a fit did not end as it should.

    Raises
    ------
    DataError
        If numbers were not finite any more; with early stopping, that is a warning.

    Warns
    -----
    ConvergenceWarning
        If the most iterations were not enough.
    """
    from sklearn.exceptions import ConvergenceWarning

    e, history = estimator, job.history
    level = 5
    if history.diverged:
        if not (e.early_stopping and e.validation_scores_ is not None):
            raise DataError(
                "Solver produced non-finite parameter weights. The input data may contain large values and "
                f"need to be preprocessed. (What happened: {job.fault})"
            )
        e.loss_curve_.append(math.nan)
        e.validation_scores_.append(math.nan)
        warnings.warn(str(job.fault), RuntimeWarning, stacklevel=level)
    elif history.interrupted:
        warnings.warn(
            "Training interrupted by user: the weights so far are kept.", UserWarning, stacklevel=level
        )
    elif job.minimum is not None:
        if not job.minimum.converged and not job.minimum.stopped:
            warnings.warn(
                f"{job.rule.name} failed to converge after {e.n_iter_} iterations (max_iter={e.max_iter}, "
                f"max_fun={e.max_fun}): {job.minimum.reason}. Scale the data, or raise the limit.",
                ConvergenceWarning,
                stacklevel=level,
            )
    elif history.stopped is None and not incremental:
        warnings.warn(
            f"Stochastic optimizer: the maximum of {e.max_iter} iterations is reached, and the loss was "
            "still getting better. Raise max_iter.",
            ConvergenceWarning,
            stacklevel=level,
        )
