"""Update rules as other frameworks have them: where epsilon is added, what is corrected, what is default."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import ParameterError, unknown_name
from .rules import Optimizer, make_optimizer

FRAMEWORKS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "pytorch": {
            "sgd": {"learning_rate": 0.001},
            "adagrad": {"learning_rate": 0.01, "eps": 1e-10},
            "rmsprop": {"learning_rate": 0.01, "rho": 0.99, "eps": 1e-8},
            "adam": {"learning_rate": 0.001, "eps": 1e-8},
            "adamw": {"learning_rate": 0.001, "eps": 1e-8, "weight_decay": 0.01},
            "nadam": {"learning_rate": 0.002, "eps": 1e-8, "momentum_decay": 0.004},
            "rprop": {"learning_rate": 0.01},
        },
        "keras": {
            "sgd": {"learning_rate": 0.01, "rate_in_velocity": True},
            "adagrad": {"learning_rate": 0.001, "initial": 0.1, "eps": 1e-7, "eps_inside": True},
            "rmsprop": {"learning_rate": 0.001, "rho": 0.9, "eps": 1e-7, "eps_inside": True},
            "adam": {"learning_rate": 0.001, "eps": 1e-7, "late_correction": True},
            "adamw": {"learning_rate": 0.001, "eps": 1e-7, "late_correction": True, "weight_decay": 0.004},
            "nadam": {"learning_rate": 0.001, "eps": 1e-7, "momentum_decay": 1.0},
            "lion": {"learning_rate": 0.001},
        },
        "scikit-learn": {
            "sgd": {"learning_rate": 0.001, "momentum": 0.9, "nesterov": True, "rate_in_velocity": True},
            "adam": {"learning_rate": 0.001, "eps": 1e-8, "late_correction": True},
        },
        "tensorflow1": {
            "sgd": {},
            "rmsprop": {"rho": 0.9, "eps": 1e-10, "eps_inside": True, "initial": 1.0},
            "adam": {"learning_rate": 0.001, "eps": 1e-8, "late_correction": True},
        },
    }
)
"""Settings by framework and rule: `torch.optim` 2.13, `keras.optimizers` 3.15 (TensorFlow 2 has the same),
scikit-learn's `MLPClassifier`, and `tf.compat.v1.train` of TensorFlow 1. What is not stated is as in ours."""


def framework_optimizer(framework: str, rule: str, **settings: Any) -> Optimizer:
    """The update rule that a framework's optimizer of that name is, with that framework's defaults.

    Parameters
    ----------
    framework : {"pytorch", "keras", "scikit-learn", "tensorflow1"}
    rule : str
        "adam", "rmsprop", "sgd", ...
    **settings
        What is to be otherwise, by our names: ``learning_rate=0.01``.

    Returns
    -------
    Optimizer

    Raises
    ------
    UnknownNameError
        If the framework, its rule or a setting is not known.
    ParameterError
        If a setting is out of range, or the framework has no default learning rate and none is given.

    References
    ----------
    The frameworks' documentation: torch.optim, keras.io/api/optimizers, sklearn.neural_network,
    tf.compat.v1.train.

    Examples
    --------
    >>> rule = framework_optimizer("keras", "rmsprop", learning_rate=0.01)
    >>> rule.rho, rule.eps, rule.eps_inside
    (0.9, 1e-07, True)
    """
    if framework not in tuple(FRAMEWORKS):
        raise unknown_name("framework", framework, FRAMEWORKS)
    rules = FRAMEWORKS[framework]
    if rule not in tuple(rules):
        raise unknown_name(f"optimizer of {framework}", rule, rules)
    merged = {**rules[rule], **settings}
    if "learning_rate" not in merged:
        raise ParameterError(f"{framework}'s {rule} has no default learning rate. Pass learning_rate=0.01.")
    return make_optimizer(rule, merged)
