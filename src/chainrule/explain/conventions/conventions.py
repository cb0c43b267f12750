"""What books and frameworks do differently, as data, and a training under such conventions."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from ...checks import counted, positive_int
from ...emit.engine import choose_engine, compile_program
from ...errors import DataError, ParameterError, unknown_name
from ...graph.tensor import tensor
from ...nn.loss_base import Loss
from ...nn.losses import MSE, HalfSum, Sum, find_loss
from ...optim.rates import Constant
from ...optim.rules import Adam, Optimizer, find_optimizer
from ...training.metrics import MeasuredNetwork
from ..step import Step
from .order import layered_program

Array = np.ndarray[Any, Any]


def half_total(z: Any, t: Any) -> Any:
    """Half the squared errors, summed over outputs and rows."""
    return 0.5 * ((z - t) ** 2).sum()


def half_mean(z: Any, t: Any) -> Any:
    """Half the squared errors, mean over outputs and rows: scikit-learn's."""
    return 0.5 * ((z - t) ** 2).mean()


ERRORS: Mapping[str, Loss] = MappingProxyType(
    {
        "half_sum": HalfSum(),
        "half_total": find_loss(half_total),
        "half_mean": find_loss(half_mean),
        "sum": Sum(),
        "mean": MSE(),
    }
)
"""Formulas of squared errors by the names that `Conventions` takes."""

CHOICES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "error": {
            "half_sum": "half the squared errors, summed over outputs, mean over rows",
            "half_total": "half the squared errors, summed over outputs and rows",
            "half_mean": "half the mean of the squared errors",
            "sum": "the sum of the squared errors",
            "mean": "the mean of the squared errors",
        },
        "biases": {"trained": "trained", "frozen": "frozen"},
        "epsilon": {"outside": "added to the root", "inside": "inside the root"},
        "correction": {"moments": "of m and v", "step": "of the step, so that epsilon is not corrected"},
        "order": {
            "together": "all slopes, then all weights",
            "layer_by_layer": "layer by layer (a fault: slopes come of new weights)",
        },
        "measured": {"after": "after the last update", "before": "before the last update"},
    }
)
"""What each convention can be, in words."""

TITLES: Mapping[str, str] = MappingProxyType(
    {
        "error": "error that is descended",
        "reported": "error that is printed",
        "biases": "biases",
        "epsilon": "epsilon",
        "correction": "Adam's correction",
        "order": "update order",
        "measured": "error taken",
    }
)


@dataclass(frozen=True)
class Conventions:
    """What two computations of the same example can differ by, though both follow the same formulas.

    Parameters
    ----------
    error : {"half_sum", "half_total", "half_mean", "sum", "mean"}, optional
        Which formula of the squared errors is descended; the network's loss where it is left out.
    reported : str, optional
        Which formula the printed error follows, where that is another; names as for `error`.
    biases : {"trained", "frozen"}, optional
        As the layers have it where it is left out.
    epsilon : {"outside", "inside"}, optional
        Whether Adagrad, RMSProp and Adam add it to the root or under it; as the optimizer has it where it is
        left out.
    correction : {"moments", "step"}, optional
        Whether Adam corrects m and v, or the step: see `Adam`'s late_correction.
    order : {"together", "layer_by_layer"}
        In "layer_by_layer" each layer's weights are updated before the slopes of the layers below it are
        computed, so that those come of weights that are already new. That is a fault, met in books and
        programs, and offered to reproduce their numbers alone.
    measured : {"after", "before"}
        Whether numbers are those after the last update or those before it, which a training loop prints that
        measures on its way forward.

    Raises
    ------
    UnknownNameError
        If a convention is none of these.

    Examples
    --------
    >>> Conventions(order="layer_by_layer").differences(Conventions())
    {'order': ('layer_by_layer', 'together')}
    """

    error: str | None = None
    reported: str | None = None
    biases: str | None = None
    epsilon: str | None = None
    correction: str | None = None
    order: str = "together"
    measured: str = "after"

    def __post_init__(self) -> None:
        for name in TITLES:
            value, known = getattr(self, name), choices(name)
            if value not in tuple(known) and (value is not None or name in ("order", "measured")):
                raise unknown_name(f"Conventions: {name}", value, known)

    def differences(self, other: Conventions) -> dict[str, tuple[str | None, str | None]]:
        """The fields in which two differ, with the value of each."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in TITLES}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def rule(self, optimizer: Optimizer) -> Optimizer:
        """The optimizer with its epsilon and correction as stated.

        Raises
        ------
        ParameterError
            If it has no epsilon or no such correction.
        """
        settings: dict[str, Any] = {}
        if self.epsilon is not None:
            settings["eps_inside"] = self.epsilon == "inside"
        if self.correction is not None:
            settings["late_correction"] = self.correction == "step"
        for setting in settings:
            if not _has(optimizer, setting):
                what = "epsilon" if setting == "eps_inside" else "correction"
                raise ParameterError(
                    f"Conventions: {type(optimizer).__name__} has no {what}. Leave {what} out."
                )
        return dataclasses.replace(optimizer, **settings)

    def train(
        self,
        network: MeasuredNetwork,
        X: Any,
        y: Any,
        *,
        optimizer: Optimizer,
        updates: int = 1,
        batch_size: int | None = None,
    ) -> Outcome:
        """Train a copy of a network under these conventions; the network itself keeps its weights.

        Parameters
        ----------
        network : Network
            With weights and one output.
        X, y : array-like
            As for `Network.fit`; a single row may have one axis.
        optimizer : Optimizer
            With a constant learning rate.
        updates : int
            How many there are, at least 1.
        batch_size : int, optional
            Rows an update, taken in their order, again and again; all rows where it is left out.

        Returns
        -------
        Outcome
            The numbers after the last update, or before it if `measured` says so.

        Raises
        ------
        ParameterError
            If the network has several outputs or cannot be trained, the learning rate changes, or an `error`
            is asked for and targets are not values.
        DataError
            If the training diverges.
        NotFittedError, ShapeError, DTypeError, DataError
            As `Network.fit`.
        """
        before, after = run(self, network, X, y, optimizer, updates, batch_size)
        return after if self.measured == "after" else before


class DivergedError(DataError):
    """A training whose weights do not stay finite."""


@dataclass(frozen=True)
class Outcome:
    """What a training has come to.

    Attributes
    ----------
    error : float
        On all rows, by the formula that is reported.
    errors : dict of str to float
        By every formula of squared errors; empty where targets are not values.
    outputs : ndarray, shape (rows, outputs)
    parameters : dict of str to ndarray
        hidden1.W, hidden1.b, ...
    """

    error: float
    errors: dict[str, float]
    outputs: Array
    parameters: dict[str, Array]


def choices(name: str) -> tuple[str, ...]:
    """The values that a convention can have."""
    return tuple(CHOICES["error" if name == "reported" else name])


def in_words(name: str, value: str | None) -> str:
    """A convention and its value, as a sentence's part: 'update order: layer by layer ...'."""
    words = CHOICES["error" if name == "reported" else name]
    return f"{TITLES[name]}: {'as the network has it' if value is None else words[value]}"


def conventions_of(network: MeasuredNetwork, optimizer: Optimizer) -> Conventions:
    """The conventions that a network and an optimizer follow by themselves."""
    loss = network._losses[0]
    known = [name for name, formula in ERRORS.items() if formula == loss]
    frozen = {"b" in layer.frozen for layer in network.layers if "b" in layer.trained}
    inside, late = (getattr(optimizer, name, None) for name in ("eps_inside", "late_correction"))
    return Conventions(
        error=known[0] if known else None,
        biases=None if len(frozen) != 1 else "frozen" if True in frozen else "trained",
        epsilon=None if inside is None else "inside" if inside else "outside",
        correction=None if not _has(optimizer, "late_correction") else "step" if late else "moments",
    )


def run(
    conventions: Conventions,
    network: MeasuredNetwork,
    X: Any,
    y: Any,
    optimizer: Optimizer,
    updates: int = 1,
    batch_size: int | None = None,
    times: int = 1,
) -> tuple[Outcome, Outcome]:
    """The outcomes before and after the last update; see `Conventions.train`.

    `times` is how many such trainings there will be: many are worth compiling.
    """
    updates = positive_int(updates, "Conventions: updates", "updates=1")
    rule = conventions.rule(find_optimizer(optimizer))
    if not isinstance(rule.schedule, Constant) or rule.whole_batch:
        raise ParameterError(
            f"Conventions: {optimizer!r:.60} takes no equal steps. Pass an optimizer with a number as its "
            "learning rate, e.g. SGD(0.5)."
        )
    trained = _variant(network, conventions)
    if rule.sam is not None and conventions.order == "layer_by_layer":
        raise ParameterError(
            "Conventions: sam takes slopes at other weights, and order='layer_by_layer' at new ones: they "
            "contradict each other. Leave one out."
        )
    step = Step(trained, X, y, optimizer=rule)
    step.need_loss()
    if not trained.trained_leaves():
        raise ParameterError("Conventions: every weight is frozen, so that nothing can be trained.")
    layered = conventions.order == "layer_by_layer"
    program = layered_program(trained, rule) if layered else trained.program(rule)
    batch = step.rows if batch_size is None else positive_int(batch_size, "Conventions: batch_size", "1")
    batch = min(batch, step.rows)
    runner = compile_program(program, choose_engine(times * updates * trained.work(program, batch)[1]))
    feed = {**step.feed, **step.remembered(program, {})}
    runner.load({leaf: feed[leaf] for leaf in program.variables})
    whole = -(-updates * batch // step.rows) + 1
    rows = np.tile(np.arange(step.rows), whole)[: updates * batch]
    leaves = {leaf: name for name, leaf in trained.graph.parameters.items()}
    found = []
    for first, taken in ((0, rows[:-batch]), (updates - 1, rows[-batch:])):
        if len(taken):
            feed[trained.graph.step] = first + np.arange(len(taken) // batch)
            runner.epoch([feed[leaf] for leaf in program.inputs], taken, batch)
        state = runner.state
        if not all(np.isfinite(state[leaf]).all() for leaf in leaves if leaf in state):
            raise DivergedError(
                f"Conventions: the training diverges: within {counted(updates, 'update')} of "
                f"{optimizer!r:.60} a weight is not finite any more. Lower the learning rate."
            )
        trained.set_parameters({name: state[leaf] for leaf, name in leaves.items() if leaf in state})
        found.append(_outcome(conventions, trained, X, y, rule))
    return found[0], found[1]


def _variant(network: MeasuredNetwork, conventions: Conventions) -> MeasuredNetwork:
    """A copy with the error to descend and the biases to train."""
    if len(network._losses) != 1:
        raise ParameterError(
            f"Conventions: networks have one output here, this one has {len(network._losses)}."
        )
    made = copy.copy(network)
    for name in (conventions.error, conventions.reported):
        if name is not None and made._losses[0].target != "values":
            raise ParameterError(
                f"Conventions: {name} is a formula of values, and {made.loss} is for classes. Leave "
                "error and reported out."
            )
    if conventions.error is not None:
        made._losses = [ERRORS[conventions.error]]
    for layer in made.layers:
        if conventions.biases == "trained":
            layer.freeze(layer.frozen - {"b"})
        elif conventions.biases == "frozen" and "b" in layer.trained:
            layer.freeze(layer.frozen | {"b"})
    made._forget_graph()
    return made


def _outcome(conventions: Conventions, network: MeasuredNetwork, X: Any, y: Any, rule: Optimizer) -> Outcome:
    step, g = Step(network, X, y, optimizer=rule), network.graph
    loss, z, outputs = step.values([g.losses[0], g.outputs[0], g.predictions[0]])
    errors = {}
    if network._losses[0].target == "values":
        t = tensor(step.feed[g.ts[0]])
        errors = {name: float(formula(tensor(z), t)) for name, formula in ERRORS.items()}
    reported = conventions.reported
    error = float(loss) if reported is None else errors[reported]
    return Outcome(error, errors, outputs, dict(network.parameters))


def _has(optimizer: Optimizer, setting: str) -> bool:
    if setting == "late_correction":  # NAdam has the field, and refuses it
        return isinstance(optimizer, Adam) and optimizer.name != "nadam"
    return hasattr(optimizer, setting)
