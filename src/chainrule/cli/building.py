"""From what was asked to what trains: the task, the loss, the network and the optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import counted
from ..errors import ChainruleError, DataError, ParameterError, unknown_name
from ..model.network import Network
from ..nn.dense import Dense
from ..nn.init import INITS
from ..nn.layers import Layer
from ..nn.losses import LOSSES, Loss
from ..nn.regularise import BatchNorm, Dropout, GaussianNoise
from ..nn.scaling import Pieces, Rescale, Standardize
from ..optim.averaging import AVERAGES
from ..optim.rules import OPTIMIZERS, SGD, Optimizer
from ..optim.schedules import SCHEDULES
from ..tables.defaults import Defaults
from ..tables.encoding import Encoding
from ..tables.pieces import cut_columns, find_knots
from ..tables.table import Table
from ..tables.target import EXACT
from ..tables.wording import shown
from .known_settings import SETTINGS
from .settings import Settings

Array = np.ndarray[Any, Any]
NEED_STEPS = (
    *(("schedule", "name"), ("training", "batch_size"), ("training", "accumulate"), ("average", "name")),
    *(("network", key) for key in ("max_norm", "input_noise", "mixup")),
)
"""Settings that say nothing to an optimizer that takes all rows at once."""
LSUV, LSUV_SETTINGS = "lsuv", ("max_iterations", "rows", "tolerance")
LEAST_SPREAD, LARGEST_SPREAD = 1e-15, 1e15  # of a target, whose square must fit into float32


@dataclass(frozen=True)
class Goal:
    """What a network is to learn from a table.

    Attributes
    ----------
    task : {"classification", "regression"}
    loss : Loss
    """

    task: str
    loss: Loss

    @property
    def in_unit(self) -> bool:
        """Whether the network's outputs are values in the target's unit, not logits or logarithms."""
        return self.task == "regression" and type(self.loss).prediction is Loss.prediction


@contextmanager
def spoken(settings: Settings) -> Iterator[None]:
    """Within it, errors of the library speak of options."""
    try:
        yield
    except ChainruleError as error:
        raise settings.spoken(error) from None


def find_goal(table: Table, settings: Settings) -> Goal:
    """The task and its loss, checked to suit the target.

    A loss says which task it is for; where none is stated, the target's values do.

    Raises
    ------
    ParameterError
        If loss and task contradict each other; UnknownNameError for a loss that does not exist.
    DataError
        If the target is not for this task or loss: the row is named.
    """
    task, name = settings.get("training", "task"), settings.get("loss", "name")
    if name is None:
        task = task or table.task
        loss = _make(settings, "loss", LOSSES, "cross_entropy" if task == "classification" else "mse")
    else:
        loss = _make(settings, "loss", LOSSES, name)
        suited = "regression" if loss.target == "values" else "classification"
        if task not in (None, suited):
            raise ParameterError(
                f"{settings.label('loss', 'name')} {name} is for {suited} and "
                f"{settings.label('training', 'task')} is {task}: they contradict each other. Leave one out."
            )
        task = suited
    if task == "classification":
        _check_classes(table, loss)
    else:
        _check_values(table, loss)
    return Goal(task, loss)


def _check_classes(table: Table, loss: Loss) -> None:
    y = table.y
    unfit = (y != np.floor(y)) | (np.abs(y) >= EXACT) if y.dtype.kind == "f" else np.zeros(len(y), bool)
    if unfit.any():
        row = int(np.argmax(unfit))
        raise DataError(f"{table.place(row)}: {y[row]:g} is not a class, which loss {loss.name} needs.")
    classes = np.unique(y)
    if len(classes) < 2:
        raise DataError(
            f"{table.name}: column {shown(table.target)} has one class only, {shown(classes[0].item())}: "
            "there is nothing to learn. Take another target."
        )
    if loss.target == "binary" and len(classes) > 2:
        raise ParameterError(
            f"loss {loss.name} is for two classes, and {table.name} has {len(classes):,}. Take cross_entropy."
        )


def _check_values(table: Table, loss: Loss) -> None:
    values = table.values("a regression needs numbers")
    if table.rows > 1 and (values == values[0]).all():
        raise DataError(
            f"{table.name}: column {shown(table.target)} has one value only, {values[0]:g}: "
            "there is nothing to learn. Take another target."
        )
    t = values[:, None].astype(np.float32)
    try:
        loss.check(t, "")
    except DataError:
        for row in range(len(t)):
            try:
                loss.check(t[row : row + 1], table.place(row))
            except DataError as error:
                raise DataError(f"{str(error).partition(' in row ')[0].rstrip('.')}.") from None
        raise


def make_network(
    table: Table,
    X: Array,
    y: Array,
    encoding: Encoding,
    goal: Goal,
    settings: Settings,
    usual: Defaults,
    even: bool = False,
) -> Network:
    """A network that standardises its inputs and, for values, gives them in the target's unit.

    Parameters
    ----------
    table : Table
    X : ndarray, shape (rows, inputs)
        The rows to train on, encoded: means and standard deviations are theirs.
    y : ndarray, shape (rows,)
    encoding : Encoding
    goal : Goal
    settings : Settings
    usual : Defaults
        What holds where nothing is stated.
    even : bool
        Whether all inputs have one mean and one spread, as pixels have: those at the edges hardly vary, and
        an image that is shifted brings them what they never had.

    Raises
    ------
    ParameterError
        If a setting is not what it can be, or two do not go together; UnknownNameError for an activation
        or initial weights that do not exist.
    DataError
        If an input or the target varies by more or less than float32 can hold.
    """
    hidden: tuple[int, ...] = settings.get("network", "hidden", usual.hidden)
    start = _named(settings, "init")
    weights = {
        "l1": settings.get("network", "l1", 0.0),
        "l2": settings.get("network", "l2", 0.0),
        "init": None if start in (None, LSUV) else _make(settings, "init", INITS, start),
    }
    mean, spread = _mean_and_spread(table.name, X, encoding)
    if even:
        mean, spread = np.full_like(mean, X.mean()), np.full_like(spread, X.std() or 1.0)
    layers: list[Layer] = [Standardize(mean, spread)]
    scaled = ((X - mean) / spread).astype(np.float32)
    columns = cut_columns(scaled)
    pieces = settings.get("network", "pieces", usual.pieces_of(columns))
    rule = OPTIMIZERS.get(settings.get("optimizer", "name"))
    stepless = rule is not None and rule.whole_batch  # it cannot follow what changes from step to step
    dropout = settings.get("network", "dropout", 0.0 if stepless else usual.dropout)
    noise = settings.get("network", "input_noise", 0.0)
    with spoken(settings):
        if noise:
            layers.append(GaussianNoise(noise))
        if pieces and columns:
            layers.append(Pieces(find_knots(scaled[:, :columns], pieces)))
        for units, activation in zip(hidden, _activations(settings, len(hidden)), strict=True):
            layers.append(Dense(units, activation, **weights, max_norm=settings.get("network", "max_norm")))
            if settings.get("network", "batch_norm"):
                layers.append(BatchNorm())
            if dropout:
                layers.append(Dropout(dropout))
        outputs = len(np.unique(y)) if goal.loss.target == "classes" else 1
        layers.append(Dense(outputs, **weights))
        if goal.in_unit:
            unit = float(y.std())
            if unit and not LEAST_SPREAD < unit < LARGEST_SPREAD:
                raise DataError(
                    f"{table.name}: column {shown(table.target)} varies by {unit:.3g}, whose square "
                    "float32 cannot hold. Use another unit."
                )
            layers.append(Rescale([y.mean()], [unit or 1.0]))
        network = Network(layers, loss=goal.loss, mixup=settings.get("network", "mixup", 0.0))
        if start == LSUV:
            network.build_lsuv(X, seed=settings.get("training", "seed", 0), **_settings_of_lsuv(settings))
        return network


def _settings_of_lsuv(settings: Settings) -> dict[str, Any]:
    """What --init-option states of it."""
    own = settings.own("init")
    for key in own:
        if key not in LSUV_SETTINGS:
            label = str(settings.label("init", key)).removesuffix(key).rstrip(" :")
            raise unknown_name(f"{label}: setting of {LSUV}", key, LSUV_SETTINGS)
    return own


def _activations(settings: Settings, layers: int) -> list[str]:
    names: tuple[str, ...] = settings.get("network", "activation", ("relu",))
    for key in ("activation", "dropout", "batch_norm", "max_norm"):
        if not layers and settings.get("network", key):
            raise ParameterError(
                f"{settings.label('network', key)} is for hidden layers, and "
                f"{settings.label('network', 'hidden')} leaves none. Leave it out."
            )
    if len(names) not in (1, layers):
        raise ParameterError(
            f"{settings.label('network', 'activation')} names {len(names)} activations for "
            f"{counted(layers, 'hidden layer')}. Name one for all, or one for each."
        )
    return list(names) if len(names) == layers else list(names) * layers


def _mean_and_spread(name: str, X: Array, encoding: Encoding) -> tuple[Array, Array]:
    """Mean and standard deviation of every input, 1 for a constant one; 0 and 1 for those that are 0 or 1."""
    spread = X.std(axis=0)
    constant = X.min(axis=0) == X.max(axis=0)
    small = (spread < np.finfo(np.float32).tiny) & ~constant
    if small.any():
        column = int(np.argmax(small))
        raise DataError(
            f"{name}: column {shown(encoding.inputs[column])} varies by {spread[column]:.3g}, which float32 "
            "cannot hold. Use a smaller unit."
        )
    scaled = encoding.scaled
    return np.where(scaled, X.mean(axis=0), 0.0), np.where(constant | ~scaled, 1.0, spread)


def make_optimizer(settings: Settings, values: Array | None, usual: Defaults) -> Optimizer:
    """The optimizer, with its schedule if one is stated.

    Parameters
    ----------
    settings : Settings
    values : ndarray or None
        The training rows' targets where the network gives values in their unit.
    usual : Defaults
        What holds where nothing is stated; of the rate and its course, where no optimizer is.

    Raises
    ------
    ParameterError
        If a setting is not what it can be, or does not go with the optimizer; UnknownNameError for a name
        that does not exist.
    """
    name = settings.get("optimizer", "name", usual.optimizer)
    schedule, average = _named(settings, "schedule"), _named(settings, "average")
    given: dict[str, Any] = {}
    rate = settings.get("optimizer", "learning_rate")
    if settings.get("optimizer", "name") is None:
        schedule = schedule or usual.schedule
        rate = usual.learning_rate if rate is None else rate
        if name == "adamw" and "weight_decay" not in settings.own("optimizer"):
            given["weight_decay"] = usual.weight_decay
    cls = OPTIMIZERS.get(name)
    if cls is None or cls.whole_batch:
        for table, key in NEED_STEPS:
            if cls is not None and settings.get(table, key) not in (None, "all", 0.0):
                raise ParameterError(
                    f"{settings.label(table, key)} contradicts {settings.label('optimizer', 'name')} {name}, "
                    "which takes all rows at once and finds the length of its steps. Leave one out."
                )
        return _make(settings, "optimizer", OPTIMIZERS, name)  # type: ignore[no-any-return]
    if rate is None:
        rate = {field.name: field.default for field in dataclasses.fields(cls)}["learning_rate"]
        if cls is SGD and values is not None:  # the loss's slope grows with the square of the target's unit
            rate = 0.01 / max(float(np.var(values)), 1e-12)
    if average is not None:
        given["average"] = _make(settings, "average", AVERAGES, average)
    made: Optimizer = _make(settings, "optimizer", OPTIMIZERS, name, learning_rate=rate, **given)
    if made.sam is not None and settings.get("training", "accumulate", 1) > 1:
        raise ParameterError(
            f"{settings.label('training', 'accumulate')} contradicts {settings.label('optimizer', 'sam')}, "
            "which needs the gradients of a whole batch before it takes those that count. Leave one out."
        )
    if schedule is None:
        return made
    course = _make(settings, "schedule", SCHEDULES, schedule, learning_rate=made.learning_rate)
    try:
        return dataclasses.replace(made, learning_rate=course)
    except ParameterError:
        raise ParameterError(
            f"{settings.label('schedule', 'name')} {schedule} does not go with optimizer {name}, whose "
            "learning rate is one number. Leave it out."
        ) from None


def _named(settings: Settings, table: str) -> str | None:
    """The name that a table states; None if there is none."""
    name: str | None = settings.get(table, "name")
    own = settings.own(table)
    if name is None and own:
        label = settings.label(table, next(iter(own)))
        raise ParameterError(f"{label} says nothing without a name: pass --{table} as well.")
    return name


def _make(settings: Settings, table: str, known: Mapping[str, Any], name: str, **given: Any) -> Any:
    """An object of the dataclass that a table names, with the settings stated and those given."""
    if name not in known:
        raise unknown_name(settings.label(table, "name") or table, name, known)
    stated = settings.own(table)
    fields = [field.name for field in dataclasses.fields(known[name]) if field.init]
    free = [field for field in fields if field in SETTINGS[table] or field not in given]
    for key in stated:
        if key not in free:
            label = str(settings.label(table, key))
            if key in SETTINGS[table]:
                raise ParameterError(f"{label} does not go with {table} {name}. Leave it out.")
            raise unknown_name(f"{label.removesuffix(key).rstrip(' :')}: setting of {name}", key, free)
    with spoken(settings):
        return known[name](**(stated | given))
