"""`chainrule train` without the training: which learning rate, whether it can learn, what it would take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..explain.plots.plotting import file_of
from ..model.network import Network
from ..training.callbacks import Callback
from ..training.storage import write_whole
from ..training.tracking.lines import logger_of

Array = np.ndarray[Any, Any]
TRIALS = ("--find-rate", "--overfit-batch", "--dry-run")
Fitting = Mapping[str, Any]


@dataclass(frozen=True)
class Tracking:
    """Where a training is to be written down.

    Attributes
    ----------
    log : Path or None
        A file of lines.
    tensorboard : Path or None
        A folder.
    mlflow : str or None
        An experiment.
    """

    log: Path | None = None
    tensorboard: Path | None = None
    mlflow: str | None = None

    def callbacks(self) -> list[Callback]:
        """What writes it down.

        Raises
        ------
        ParameterError
            For a file that is no log; MissingExtraError where what is needed is not installed.
        """
        from ..training.tracking.mlflow import MLflow
        from ..training.tracking.tensorboard import TensorBoard

        made: list[Callback] = []
        if self.log is not None:
            try:
                made.append(logger_of(self.log))
            except ParameterError as error:
                raise ParameterError(f"--log: {error}") from None
        if self.tensorboard is not None:
            made.append(TensorBoard(self.tensorboard))
        if self.mlflow is not None:
            made.append(MLflow(self.mlflow))
        return made

    @property
    def stated(self) -> list[str]:
        """The options."""
        found = {"--log": self.log, "--tensorboard": self.tensorboard, "--mlflow": self.mlflow}
        return [name for name, value in found.items() if value is not None]


def trial_of(chosen: Mapping[str, bool], stated: Mapping[str, object]) -> str | None:
    """The one trial that is asked for, by its option; None for a training.

    Parameters
    ----------
    chosen : mapping of str to bool
        Which of `TRIALS` are asked for.
    stated : mapping of str to object
        Options by name, None or False where they were not given, that a trial which trains nothing has no
        use for.

    Raises
    ------
    ParameterError
        If there are two, or one contradicts another option.
    """
    found = [name for name in TRIALS if chosen[name]]
    if len(found) > 1:
        raise ParameterError(f"{found[0]} and {found[1]} are two trials. Give one of them.")
    if not found or found == ["--dry-run"]:
        return found[0] if found else None
    for name, value in stated.items():
        if value not in (None, False):
            raise ParameterError(
                f"{found[0]} trains nothing, and {name} is for what was trained. Leave one of them out."
            )
    return found[0]


def try_out(
    trial: str,
    network: Network,
    rows: tuple[Array, Array],
    fitting: Fitting,
    whole: Fitting,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Make a trial and print what it shows.

    Parameters
    ----------
    trial : str
        One of `TRIALS`.
    network : Network
        Stays as it is.
    rows : (ndarray, ndarray)
        To train on, and their targets.
    fitting : mapping
        The training's arguments: optimizer, batch_size, accumulate, epochs, class_weight, seed, engine, ...
    whole : mapping
        Those that come to them in a training: validation_data, callbacks, resume.
    plot : Path or None
        Where to draw the losses of a search for the learning rate.
    as_json : bool

    Raises
    ------
    ParameterError
        If the training could not be, or its first steps lead to numbers that are not finite.
    """
    X, y = rows
    shared: dict[str, Any] = {name: fitting[name] for name in ("optimizer", "seed", "engine")}
    if trial == "--find-rate":
        size = fitting["batch_size"] * fitting["accumulate"]  # a step has the rows of several batches
        more: dict[str, Any] = {"batch_size": size, "class_weight": fitting["class_weight"]}
        rate = network.find_learning_rate(X, y, **shared, **more)
        if plot is not None:
            from ..explain.plots.starting import learning_rates

            write_whole(plot, file_of(learning_rates(rate), plot.suffix))
        _tell(rate, rate.to_json(), as_json)
    elif trial == "--overfit-batch":
        found = network.overfit_one_batch(X, y, **shared)
        _tell(found, found.to_json(), as_json)
    else:
        report = network.dry_run(X, y, **fitting, **whole)
        _tell(report, report.to_json(), as_json)
        if not report.ok:
            raise ParameterError(f"the training would fail: {report.problem}")


def _tell(report: object, told: Mapping[str, Any], as_json: bool) -> None:
    print(json.dumps(told) if as_json else f"\n{report}")
