"""Fits for MLflow: parameters, metrics of each epoch, and the trained network where that is wanted."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...errors import ParameterError
from .tracker import Tracker, as_array, as_text, last_epoch, need, settings_of

if TYPE_CHECKING:
    from ..history import History
    from ..metrics import MeasuredNetwork
    from ..stored import StoredNetwork

Array = np.ndarray[Any, Any]
LONGEST = 500  # letters of a parameter that every server takes
REFUSED = re.compile(r"[^\w\-. :/]")  # in names of metrics
FILE = "network.chainrule"


class MLflow(Tracker):
    """Log a fit to MLflow: its settings as parameters, each epoch's measures as metrics.

    Where there is an active run (``with mlflow.start_run():``) and no experiment is named, the fit is logged
    to that run, and does not end it; else a new one begins with each fit. Where an epoch cannot be logged,
    as when the server is gone, the training goes on and says so once; how long MLflow tries before, its
    environment variables say.

    Parameters
    ----------
    experiment : str, optional
        Made where it is not there; "Default" where none is named and no run is active.
    run_name : str, optional
    tracking_uri : str, optional
        The server or store, such as "http://127.0.0.1:5000" or "sqlite:///mlflow.db"; what MLflow is set to
        where none is given.
    model : bool
        Add the trained network to the run, as the file network.chainrule.

    Attributes
    ----------
    run_id : str or None
        Of the last fit's run.
    failed : str or None
        Why the last epoch could not be logged.

    Raises
    ------
    MissingExtraError
        If mlflow is not installed.
    ParameterError
        At the start of a fit, if the store cannot be used.
    """

    def __init__(
        self,
        experiment: str | None = None,
        *,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        model: bool = False,
    ) -> None:
        need("mlflow", "MLflow", "mlflow")
        super().__init__()
        self.experiment, self.run_name = experiment, run_name
        self.tracking_uri, self.model = tracking_uri, model
        self.run_id: str | None = None
        self._client: Any = None

    def __repr__(self) -> str:
        return "MLflow()" if self.experiment is None else f"MLflow({self.experiment!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None}

    def check(self, network: MeasuredNetwork, history: History) -> None:
        """Raise ParameterError where the store cannot be used; nothing is added to it."""
        from mlflow import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            self._client = MlflowClient(self.tracking_uri)
            self._client.search_experiments(max_results=1)
        except (MlflowException, OSError) as error:
            raise ParameterError(f"MLflow: the store cannot be used: {error}") from None

    def on_fit_begin(self, network: MeasuredNetwork, history: History) -> None:
        from mlflow import MlflowException

        super().on_fit_begin(network, history)
        self.errors = (MlflowException, OSError)
        self.check(network, history)
        self.run_id, self._own, self._written = None, True, 0
        self._settings = settings_of(network, history)

    def on_epoch_end(self, network: MeasuredNetwork, history: History) -> None:
        self._attempt(lambda: self._log(last_epoch(history, self.seconds), history.epochs))

    def on_fit_end(self, network: MeasuredNetwork, history: History) -> None:
        if self.run_id is not None:
            self._attempt(lambda: self._finish(network, history), epoch=False)
        self._client = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it."""
        return {"run": as_array(self.run_id or ""), "own": self._own, "seconds": self.seconds}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` gave."""
        self.run_id, self._own = as_text(state["run"]) or None, bool(state["own"])
        self._earlier = float(state["seconds"])
        if self.run_id is not None:
            self._attempt(self._go_on, epoch=False)

    # the store ----------------------------------------------------------------------------------

    def _log(self, row: Mapping[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        if self.run_id is None:
            self._begin()
        if epoch > self._written:  # a resumed fit trains some again, with the same numbers
            now = int(1000 * time.time())
            metrics = [Metric(REFUSED.sub("_", name), x, now, epoch) for name, x in row.items()]
            self._client.log_batch(self.run_id, metrics=metrics)
            self._written = epoch

    def _begin(self) -> None:
        """A run with the fit's parameters: the active one, or a new one."""
        import mlflow
        from mlflow.entities import Param

        active = mlflow.active_run() if self.experiment is None and self.run_name is None else None
        if active is not None:
            self.run_id, self._own = active.info.run_id, False
        else:
            name = self.experiment or "Default"
            found = self._client.get_experiment_by_name(name)
            place = self._client.create_experiment(name) if found is None else found.experiment_id
            self.run_id = self._client.create_run(place, run_name=self.run_name).info.run_id
        given = [Param(key, str(value)[:LONGEST]) for key, value in self._settings.items()]
        self._client.log_batch(self.run_id, params=given)

    def _go_on(self) -> None:
        """Go on with the run of a fit that is resumed."""
        if self._own:
            self._client.update_run(self.run_id, status="RUNNING")
        known = self._client.get_metric_history(self.run_id, "loss")
        self._written = max([0, *(metric.step for metric in known)])

    def _finish(self, network: MeasuredNetwork, history: History) -> None:
        if self.model:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, FILE)
                cast("StoredNetwork", network).save(path)
                self._client.log_artifact(self.run_id, os.fspath(path))
        if self._own:
            failed = history.diverged or history.failed
            status = "FAILED" if failed else "KILLED" if history.interrupted else "FINISHED"
            self._client.set_terminated(self.run_id, status=status)
