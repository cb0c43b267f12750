"""The update rules by name: found, made with settings, and read from what a model file holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError, unknown_name
from .adaptive import Adagrad, Adam, AdamW, NAdam, RMSProp
from .averaging import averaging_from_json
from .base import OPTIMIZERS, Optimizer, Updates
from .levenberg_marquardt import LevenbergMarquardt
from .per_weight import DeltaBarDelta, Quickprop
from .rates import checked_settings
from .sam import SAM
from .schedules import schedule_from_json
from .searches import LBFGS, ConjugateGradient
from .sgd import SGD
from .signs import Lion, Rprop, SignSGD

RULES = (
    *(SGD, Adagrad, RMSProp, Adam, AdamW, NAdam, Lion, SignSGD, Rprop, Quickprop, DeltaBarDelta),
    *(LBFGS, ConjugateGradient, LevenbergMarquardt),
)
OPTIMIZERS.update({cls.name: cls for cls in RULES})


def find_optimizer(optimizer: Optimizer | str) -> Optimizer:
    """An optimiser as it is, or by name with its default settings; raises ParameterError."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return make_optimizer(optimizer, {})
    raise ParameterError(f"optimizer must be one such as Adam(1e-3), got {optimizer!r:.60}.")


def make_optimizer(name: str, settings: Mapping[str, Any]) -> Optimizer:
    """The optimiser of that name with some settings, the others at their defaults.

    Raises
    ------
    UnknownNameError
        If there is no such optimiser, or it has no such setting.
    ParameterError
        If a setting is not what it can be.
    """
    if name not in tuple(OPTIMIZERS):
        raise unknown_name("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name](**checked_settings(OPTIMIZERS[name], settings))


def optimizer_from_json(value: Any) -> Optimizer | None:
    """The optimiser that `Optimizer.to_json` has written; errors as in `make_optimizer`."""
    if value is None:
        return None
    settings = dict(value["settings"])
    if "learning_rate" in settings:
        settings["learning_rate"] = schedule_from_json(settings["learning_rate"])
    if "average" in settings:
        settings["average"] = averaging_from_json(settings["average"])
    return make_optimizer(value["name"], settings)


__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SAM",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "ConjugateGradient",
    "DeltaBarDelta",
    "LevenbergMarquardt",
    "Lion",
    "NAdam",
    "Optimizer",
    "Quickprop",
    "RMSProp",
    "Rprop",
    "SignSGD",
    "Updates",
    "find_optimizer",
    "make_optimizer",
    "optimizer_from_json",
]
