"""Estimators in model files: the network's own file, with parameters and curves in its header. No pickle."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModelFileError, NotFittedError, ParameterError
from ..images.augment import Augment
from ..model.files import described, network_from
from ..model.network import Network
from ..nn.init import Init, init_from_json
from ..nn.loss_base import Loss
from ..nn.losses import loss_from_json
from ..optim.averaging import Averaging, averaging_from_json
from ..optim.rates import Schedule
from ..optim.rules import Optimizer, optimizer_from_json
from ..optim.schedules import schedule_from_json
from ..training.describe import Functions
from ..training.storage import read_model, write_model

CURVES = (
    *("n_iter_", "t_", "loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_"),
    *("validation_loss_curve_", "_no_improvement_count", "_seed"),
)
"""Attributes that are numbers, lists of numbers, or None."""
KINDS: dict[type[Any], str] = {
    Optimizer: "optimizer",
    Schedule: "schedule",
    Loss: "loss",
    Init: "init",
    Averaging: "averaging",
    Augment: "augment",
}
"""Parameters that are objects with a `to_json`, and what a file calls them."""


def save_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator; errors as in `BasePerceptron.save`."""
    if not hasattr(estimator, "coefs_"):
        raise NotFittedError("save: the estimator has nothing to save yet. Call fit.")
    network: Network = estimator.network_
    parameters, left_out = {}, []
    for name, value in estimator.get_params(deep=False).items():
        try:
            parameters[name] = _to_json(value)
        except ParameterError:
            left_out.append(name)
    names = getattr(estimator, "feature_names_in_", None)
    header, tensors = network.file_content()
    header |= {
        "estimator": {
            "class": type(estimator).__name__,
            "parameters": parameters,
            "left_out": left_out,
            "curves": {name: _to_json(getattr(estimator, name)) for name in CURVES},
            "targets": estimator._targets_to_json(),
            "feature_names": None if names is None else [str(name) for name in names],
        }
    }
    write_model(path, header, tensors)


def load_estimator(kind: Any, path: str | os.PathLike[str], functions: Functions | None) -> Any:
    """The estimator from a file; errors as in `BasePerceptron.load`."""
    header, tensors = read_model(path)
    with described(path, "an estimator"):
        network = network_from(header, tensors, functions or {})
        return _restored(kind, header.get("estimator"), network, functions or {})


def _restored(kind: Any, stored: Any, network: Network, functions: Functions) -> Any:
    if not isinstance(stored, dict):
        raise ModelFileError("is a network, not an estimator. Use chainrule.load.")
    if stored["class"] != kind.__name__:
        raise ModelFileError(f"is a {stored['class']!r:.40}, not a {kind.__name__}.")
    parameters = {name: _from_json(value, functions) for name, value in stored["parameters"].items()}
    estimator = kind(**parameters)
    for name in CURVES:
        setattr(estimator, name, _numbers(stored["curves"][name], name))
    estimator._restore_targets(stored["targets"])
    estimator._adopt(network)
    if stored["feature_names"] is not None:
        names = np.array([str(name) for name in stored["feature_names"]], dtype=object)
        if len(names) != estimator.n_features_in_:
            raise ModelFileError(f"it has {len(names)} names for {estimator.n_features_in_} columns.")
        estimator.feature_names_in_ = names
    left_out = [str(name) for name in stored["left_out"]]
    if left_out:
        warnings.warn(
            f"load: a file holds no code and no random state; {', '.join(left_out)} had such, and have their "
            "default now. Predictions need none of it; before another fit, set it with set_params.",
            UserWarning,
            stacklevel=5,
        )
    return estimator


def _to_json(value: Any) -> Any:
    """A parameter as JSON has it; raises ParameterError where it cannot be told so."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, tuple | list | np.ndarray):
        listed = [_to_json(part) for part in value]
        return {"tuple": listed} if isinstance(value, tuple) else listed
    if isinstance(value, dict):
        return {"dict": [[_to_json(key), _to_json(part)] for key, part in value.items()]}
    for kind, name in KINDS.items():
        if isinstance(value, kind):
            told = value.to_json()
            if told is not None:
                return {name: told}
    raise ParameterError(f"save: {value!r:.60} cannot be told in a file.")


def _from_json(value: Any, functions: Functions) -> Any:
    """What `_to_json` was given."""
    if isinstance(value, list):
        return [_from_json(part, functions) for part in value]
    if not isinstance(value, dict):
        return value
    (name, told), *more = value.items()
    readers: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "tuple": lambda parts: tuple(_from_json(part, functions) for part in parts),
        "dict": lambda pairs: {_from_json(k, functions): _from_json(v, functions) for k, v in pairs},
        "optimizer": optimizer_from_json,
        "schedule": schedule_from_json,
        "loss": lambda told: loss_from_json(told, functions),
        "init": init_from_json,
        "augment": lambda settings: Augment(**settings),
        "averaging": averaging_from_json,
    }
    if more or name not in readers:
        raise ModelFileError(f"its parameters are broken ({name!r:.40}).")
    return readers[name](told)


def _numbers(value: Any, name: str) -> Any:
    """A stored number, list of numbers, or None."""
    found = _from_json(value, {})
    for number in found if isinstance(found, list) else [found]:
        if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
            raise ModelFileError(f"its {name} is broken.")
    return found
