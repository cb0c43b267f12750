"""`--stop cross-validated`: how long to train, found by cross-validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..checks import counted
from ..errors import ParameterError
from ..tables.defaults import Defaults
from .settings import Settings

FOLDS = 10
LONGER = 3  # times the usual epochs: the folds look for where more would be too many
RATE = 0.001


def stops_by_folds(settings: Settings, others: Sequence[str]) -> bool:
    """Whether cross-validation is to say how long to train.

    Parameters
    ----------
    settings : Settings
    others : sequence of str
        What was stated beside them and is for a single fit, by option.

    Raises
    ------
    ParameterError
        If something stated contradicts it, or says something of folds where there are none.
    """
    stop = settings.label("training", "stop")
    if stop is None:
        for key, too in (("folds", ""), ("jobs", " or --ensemble")):
            label = settings.label("training", key)
            if label and not (too and settings.label("training", "ensemble")):
                raise ParameterError(
                    f"{label} is for --stop cross-validated{too}. Pass that as well, or leave it out."
                )
        return False
    apart = ("early_stopping", "validation_size", "ensemble")
    labels = [settings.label("training", key) for key in apart]
    for other in (*labels, *others):
        if other is not None:
            raise ParameterError(
                f"{stop} cross-validated and {other} contradict each other: every row to train on is trained "
                "on, in a fit for each fold and one at the end. Leave one out."
            )
    if label := settings.label("training", "resample"):
        raise ParameterError(
            f"{stop} cross-validated and {label} contradict each other: copies of a row would be on both "
            "sides of a fold. Leave one out; --sampling evens classes out within each fit."
        )
    return True


def defaults_of_folds(usual: Defaults) -> Defaults:
    """What holds where nothing is stated: a rate that does not depend on how long is trained."""
    return dataclasses.replace(
        usual,
        schedule=None,
        learning_rate=RATE,
        epochs=LONGER * usual.epochs,
        steps=LONGER * usual.steps,
    )


def folds_of(settings: Settings, rows: int) -> Mapping[str, Any]:
    """The arguments of `Network.fit_cross_validated_stopping` beside those of a fit.

    Raises
    ------
    ParameterError
        If there are more folds than rows.
    """
    folds = settings.get("training", "folds", FOLDS)
    if folds > rows:
        label = settings.label("training", "folds") or "--stop cross-validated"
        raise ParameterError(
            f"{label}: {folds:,} folds need as many rows, and {counted(rows, 'row')} can be trained on. Pass "
            "a smaller --folds."
        )
    return {"cv": folds, "n_jobs": settings.get("training", "jobs")}
