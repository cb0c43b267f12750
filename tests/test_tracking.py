"""Fits written down: lines of a file, event files of TensorBoard, runs of MLflow; each is read back."""

import copy
import csv
import errno
import json
import math
import os

import numpy as np
import pytest

import chainrule as cr
from chainrule import checks
from chainrule.errors import MissingExtraError, ParameterError
from chainrule.training.tracking import tracker
from chainrule.training.tracking.lines import CSVLogger, logger_of

X = np.linspace(-1, 1, 12)[:, None]
Y = X[:, 0] ** 2
LABELS = np.array(["low", "high"])[(X[:, 0] > 0).astype(int)]
LOGGERS = {"csv": cr.CSVLogger, "jsonl": cr.JSONLinesLogger}


def network(loss="mse", units=1):
    return cr.Network([cr.Dense(4, "tanh"), cr.Dense(units)], loss=loss)


def fit(*callbacks, net=None, epochs=3, y=Y, **settings):
    net = net or network()
    given = {"batch_size": 4, "engine": "numpy", "verbose": False, "optimizer": cr.SGD(0.1), **settings}
    return net.fit(X, y, epochs=epochs, callbacks=callbacks, **given)


def rows_of(path):
    """The lines of a log as dicts of numbers; NaN for what is empty or null."""
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return [{k: math.nan if v is None else v for k, v in row.items()} for row in rows]
    with path.open(newline="") as file:
        return [{k: float(v or "nan") for k, v in row.items()} for row in csv.DictReader(file)]


class Stop(cr.Callback):
    """Ends the process's fit in the middle, as a kill would: nothing is told of it."""

    needs_weights = False

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, network, history):
        if history.epochs == self.epoch:
            raise KeyError("killed")


# lines of a file --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LOGGERS)
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_line_an_epoch_holds_what_the_history_does(tmp_path, kind, engine):
    path = tmp_path / f"log.{kind}"
    net = network("cross_entropy", 2)
    history = fit(
        LOGGERS[kind](path),
        net=net,
        y=LABELS,
        validation_data=(X, LABELS),
        metrics="f1_macro",
        engine=engine,
        optimizer=cr.Adam(cr.schedules.StepDecay(0.1, 0.5, 1)),
    )
    rows = rows_of(path)
    assert list(rows[0]) == ["run", "epoch", *history.measures, "learning_rate", "seconds"]
    assert [row["run"] for row in rows] == [1, 1, 1]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    for name in (*history.measures, "learning_rate"):
        known = history.learning_rate if name == "learning_rate" else history[name]
        assert [row[name] for row in rows] == known, name
    seconds = [row["seconds"] for row in rows]
    assert 0 < seconds[0] <= seconds[1] <= seconds[2] < 60


@pytest.mark.parametrize("kind", LOGGERS)
def test_another_fit_is_another_run_below(tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    for run in (1, 2, 3):
        logger = LOGGERS[kind](path)
        fit(logger, epochs=2)
        assert logger.run == run
    assert [(row["run"], row["epoch"]) for row in rows_of(path)] == [
        (r, e) for r in (1, 2, 3) for e in (1, 2)
    ]
    assert path.read_text().count("run") == (1 if kind == "csv" else 6)


@pytest.mark.parametrize("kind", LOGGERS)
def test_what_is_not_finite_and_what_is_not_there(tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    logger = LOGGERS[kind](path)
    history = cr.History(["loss", "val_loss", "val_f1"])
    logger.on_fit_begin(network(), history)
    history.record({"loss": 0.5, "val_loss": math.nan, "val_f1": math.inf})
    logger.on_epoch_end(network(), history)
    text = path.read_text()
    if kind == "csv":
        assert text.splitlines()[1].startswith("1,1,0.5,nan,inf,,")
    else:
        known = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert (known["loss"], known["val_loss"], known["val_f1"]) == (0.5, None, None)
        assert known["learning_rate"] is None


def test_names_are_quoted_as_csv_has_it(tmp_path):
    logger, history = cr.CSVLogger(tmp_path / "log.csv"), cr.History(["loss", 'val_"odd", too'])
    logger.on_fit_begin(network(), history)
    history.record({"loss": 1.0, 'val_"odd", too': 2.0})
    logger.on_epoch_end(network(), history)
    assert rows_of(tmp_path / "log.csv")[0]['val_"odd", too'] == 2.0
    again = cr.CSVLogger(tmp_path / "log.csv")
    again.on_fit_begin(network(), history)
    assert again.run == 2


@pytest.mark.parametrize("kind", LOGGERS)
@pytest.mark.parametrize(("killed", "kept"), [(5, 5), (5, 3), (2, 2)])
def test_a_resumed_fit_goes_on_without_doubles(tmp_path, kind, killed, kept):
    """Killed after an epoch; the last checkpoint is of that epoch, or of an earlier one."""
    path, whole = tmp_path / f"log.{kind}", tmp_path / f"whole.{kind}"
    fit(LOGGERS[kind](whole), epochs=8)

    def part(*more, **settings):
        keep = cr.Checkpoint(tmp_path / "runs", every_epochs=1, keep=10)
        fit(LOGGERS[kind](path), keep, *more, epochs=8, **settings)

    with pytest.raises(KeyError):
        part(Stop(killed + 1))  # logged, and killed before its checkpoint
    for epoch in range(kept + 1, killed + 1):
        (tmp_path / "runs" / f"epoch{epoch:06d}.chainrule").unlink()
    fit(LOGGERS[kind](path), epochs=2)  # another run in between, which stays
    with path.open("a") as file:
        file.write("1,")  # half a line
    part(resume=True)
    found = rows_of(path)
    own = [row for row in found if row["run"] == 1]
    assert [row["epoch"] for row in own] == list(range(1, 9))
    assert [row["loss"] for row in own] == [row["loss"] for row in rows_of(whole)]
    assert [row["epoch"] for row in found if row["run"] == 2] == [1, 2]
    assert sorted(row["seconds"] for row in own) == [row["seconds"] for row in own]


@pytest.mark.parametrize("kind", LOGGERS)
def test_a_full_disk_does_not_end_the_training_and_loses_no_line(tmp_path, kind, capfd, monkeypatch):
    path, real, calls = tmp_path / f"log.{kind}", os.write, []

    def nearly_full(handle, content):
        """Room for two lines, then for half of one, and in the sixth epoch for all again."""
        calls.append(content)
        if 3 <= len(calls) <= 8:
            if len(calls) % 2:
                return real(handle, content[:9])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content)

    class Look(cr.Callback):
        def on_epoch_end(self, network, history):
            there = [1, 2] if 3 <= history.epochs <= 5 else list(range(1, history.epochs + 1))
            assert [row["epoch"] for row in rows_of(path)] == there
            failed.append(logger.failed)

    failed, logger = [], LOGGERS[kind](path)
    monkeypatch.setattr(tracker.os, "write", nearly_full)
    assert fit(logger, Look(), epochs=7).epochs == 7
    assert failed == [None] * 2 + ["No space left on device"] * 3 + [None] * 2
    told = capfd.readouterr().err
    assert told.count("not written, training goes on: No space left on device") == 1
    assert told.count("epochs are written again") == 1


def test_lost_permission_is_told_once(tmp_path, capfd, monkeypatch):
    real = os.open

    def refused(path, *rest, **named):
        if str(path).endswith("log.csv"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, *rest, **named)

    logger = cr.CSVLogger(tmp_path / "log.csv")
    monkeypatch.setattr(tracker.os, "open", refused)
    assert fit(logger, epochs=5).epochs == 5
    assert capfd.readouterr().err.count("Permission denied") == 1
    assert logger.failed == "Permission denied"


def test_a_pending_line_is_in_the_checkpoint(tmp_path, monkeypatch):
    logger = cr.CSVLogger(tmp_path / "log.csv")
    real = os.open
    monkeypatch.setattr(tracker.os, "open", lambda *_, **__: os.close(-1))
    keep = cr.Checkpoint(tmp_path / "runs")
    with pytest.raises(KeyError):
        fit(logger, keep, Stop(3), epochs=4)
    monkeypatch.setattr(tracker.os, "open", real)
    fit(cr.CSVLogger(tmp_path / "log.csv"), cr.Checkpoint(tmp_path / "runs"), epochs=4, resume=True)
    assert [row["epoch"] for row in rows_of(tmp_path / "log.csv")] == [1, 2, 3, 4]


WRONG = [
    ("csv", "run,epoch,loss,val_loss,learning_rate,seconds\n", "has the columns run, epoch, loss, val_loss"),
    ("csv", "run,epoch,loss,learning_rate,seconds\n1,1,1,1,1\nnotes\n", "line 3: is no line of such a file"),
    ("csv", "a,b\n", "has the columns a, b"),
    ("jsonl", '{"run": 1, "epoch": 1}\nnotes\n', "line 2: is no line of such a file"),
    ("jsonl", '{"loss": 1}\n', "line 1: is no line of such a file"),
    ("jsonl", "[" * 100_000 + "\n", "line 1: is no line of such a file"),
    ("csv", b"\xff\xfe\n", "can't decode"),
]


@pytest.mark.parametrize(("kind", "content", "message"), WRONG)
def test_another_file_is_refused_and_stays(tmp_path, kind, content, message):
    path = tmp_path / f"log.{kind}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = path.read_bytes()
    with pytest.raises(ParameterError, match=message):
        fit(LOGGERS[kind](path))
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_is_refused_at_once(tmp_path):
    with pytest.raises(ParameterError, match="there is no folder"):
        fit(cr.CSVLogger(tmp_path / "none" / "log.csv"))
    with pytest.raises(ParameterError, match="it is a folder"):
        fit(cr.JSONLinesLogger(tmp_path))
    with pytest.raises(ParameterError, match=r"Name it \.csv or \.jsonl"):
        logger_of("log.txt")
    assert isinstance(logger_of("LOG.CSV"), CSVLogger)


def test_a_rule_without_a_rate_leaves_its_column_empty(tmp_path):
    history = fit(cr.CSVLogger(tmp_path / "log.csv"), optimizer=cr.LBFGS(), epochs=2)
    rows = rows_of(tmp_path / "log.csv")
    assert len(rows) == history.epochs > 0
    assert all(math.isnan(row["learning_rate"]) for row in rows)


def test_estimators_are_logged_too(tmp_path):
    model = cr.MLPRegressor(
        hidden_layer_sizes=(3,), max_iter=3, callbacks=[cr.CSVLogger(tmp_path / "log.csv")]
    )
    copy.deepcopy(model)
    with pytest.warns(Warning, match="iterations"):
        model.fit(X, Y)
    assert [row["loss"] for row in rows_of(tmp_path / "log.csv")] == model.loss_curve_


def test_trackers_need_no_weights_and_change_nothing(tmp_path):
    logger = cr.CSVLogger(tmp_path / "log.csv")
    assert not logger.needs_weights
    with_log, without = network(), network()
    fit(logger, net=with_log)
    fit(net=without)
    for name, value in without.parameters.items():
        np.testing.assert_array_equal(with_log.parameters[name], value)


# TensorBoard ------------------------------------------------------------------------------------


@pytest.fixture
def events():
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return lambda folder: EventAccumulator(str(folder)).Reload()


def test_tensorboard_reads_its_files(tmp_path, events):
    watch = cr.TensorBoard(tmp_path / "logs")
    history = fit(watch, y=LABELS, net=network("cross_entropy", 2), validation_data=(X, LABELS), seed=7)
    assert watch.path == tmp_path / "logs" / "run1"
    found = events(watch.path)
    assert set(found.Tags()["scalars"]) == {*history.measures, "learning_rate", "seconds"}
    for name in history.measures:
        assert [event.step for event in found.Scalars(name)] == [1, 2, 3]
        np.testing.assert_allclose([event.value for event in found.Scalars(name)], history[name], rtol=1e-7)
    fit(cr.TensorBoard(tmp_path / "logs"))
    fit(cr.TensorBoard(tmp_path / "logs", run="mine"))
    fit(cr.TensorBoard(tmp_path / "logs", run="mine"))
    assert {p.name for p in (tmp_path / "logs").iterdir()} == {"run1", "run2", "mine", "mine-2"}


def test_tensorboard_has_the_settings_as_hyperparameters(tmp_path, events):
    from tensorboard.plugins.hparams import metadata

    watch = cr.TensorBoard(tmp_path)
    fit(watch, seed=7, optimizer=cr.SGD(0.1, momentum=0.5))
    content = events(watch.path).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    given = metadata.parse_session_start_info_plugin_data(content).hparams
    assert given["seed"].number_value == 7
    assert given["batch_size"].number_value == 4
    assert given["sizes"].string_value == "1-4-1"
    assert given["optimizer.name"].string_value == "sgd"
    assert given["optimizer.settings.momentum"].number_value == 0.5
    assert given["shuffle"].bool_value is True


def test_tensorboard_shows_a_resumed_fit_once(tmp_path, events):
    keep = cr.Checkpoint(tmp_path / "runs")
    watch = cr.TensorBoard(tmp_path / "logs")
    with pytest.raises(KeyError):
        fit(watch, keep, Stop(4), epochs=6)
    history = fit(cr.TensorBoard(tmp_path / "logs"), keep, epochs=6, resume=True)
    (folder,) = (tmp_path / "logs").iterdir()
    found = events(folder).Scalars("loss")
    assert [event.step for event in found] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([event.value for event in found], history.loss, rtol=1e-7)


def test_tensorboard_on_a_full_disk(tmp_path, events, capfd, monkeypatch):
    watch, real = cr.TensorBoard(tmp_path), os.write

    def full(handle, content):
        if b"learning_rate" in content and watch.written == 2:
            real(handle, content[:20])
            raise OSError(errno.ENOSPC, "No space left on device")
        watch.written += 1
        return real(handle, content)

    watch.written = -1  # the head is written first
    monkeypatch.setattr(tracker.os, "write", full)
    assert fit(watch, epochs=5).epochs == 5
    assert watch.failed == "No space left on device"
    assert capfd.readouterr().err.count("No space left") == 1
    assert [event.step for event in events(watch.path).Scalars("loss")] == [1, 2]


def test_tensorboard_refuses_what_is_no_folder(tmp_path, events):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="is not a folder"):
        fit(cr.TensorBoard(tmp_path / "file" / "logs"))
    for name in ("", "..", "a/b", "a\\b", "a\n", 3):
        with pytest.raises(ParameterError, match="must be a plain name for a folder"):
            cr.TensorBoard(tmp_path, run=name)


# MLflow -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in a folder, which MLflow makes in no time (its SQL one takes seconds), and its client."""
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.chdir(folder)
        import mlflow

        uri = (folder / "mlruns").as_uri()
        mlflow.set_tracking_uri(uri)
        yield uri, mlflow.tracking.MlflowClient(uri)
        mlflow.set_tracking_uri(None)


def curve(client, run, name="loss"):
    found = client.get_metric_history(run, name)
    return [metric.step for metric in found], [metric.value for metric in found]


def test_mlflow_has_settings_measures_and_the_network(store, tmp_path):
    uri, client = store
    watch = cr.MLflow("first", run_name="a", tracking_uri=uri, model=True)
    net = network("cross_entropy", 2)
    history = fit(watch, net=net, y=LABELS, validation_data=(X, LABELS), seed=7)
    run = client.get_run(watch.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "a"
    assert client.get_experiment(run.info.experiment_id).name == "first"
    assert run.data.params["seed"] == "7"
    assert run.data.params["sizes"] == "1-4-2"
    assert run.data.params["optimizer.name"] == "sgd"
    for name in history.measures:
        assert curve(client, watch.run_id, name) == ([1, 2, 3], history[name])
    saved = cr.load(client.download_artifacts(watch.run_id, "network.chainrule", str(tmp_path)))
    np.testing.assert_array_equal(saved.predict(X), net.predict(X))


def test_mlflow_goes_on_with_the_run_of_a_resumed_fit(store, tmp_path):
    uri, client = store
    keep = cr.Checkpoint(tmp_path / "runs")
    watch = cr.MLflow("first", tracking_uri=uri)
    with pytest.raises(KeyError):
        fit(watch, keep, Stop(4), epochs=6)
    again = cr.MLflow("first", tracking_uri=uri)
    history = fit(again, keep, epochs=6, resume=True)
    assert again.run_id == watch.run_id
    assert curve(client, again.run_id) == ([1, 2, 3, 4, 5, 6], history.loss)
    assert client.get_run(again.run_id).info.status == "FINISHED"


def test_mlflow_logs_to_the_active_run_and_leaves_it_active(store):
    import mlflow

    _, client = store
    with mlflow.start_run() as active:
        watch = cr.MLflow()
        history = fit(watch)
        assert watch.run_id == active.info.run_id
        assert client.get_run(watch.run_id).info.status == "RUNNING"
    assert curve(client, watch.run_id)[1] == history.loss


def test_mlflow_without_its_store(store, capfd, monkeypatch):
    uri, _ = store
    import mlflow

    with pytest.raises(ParameterError, match="MLflow: the store cannot be used"):
        fit(cr.MLflow("first", tracking_uri="nowhere://at/all"))

    def gone(*_, **__):
        raise mlflow.MlflowException("the server is gone")

    monkeypatch.setattr(mlflow.tracking.MlflowClient, "log_batch", gone)
    watch = cr.MLflow("first", tracking_uri=uri)
    assert fit(watch, epochs=4).epochs == 4
    told = capfd.readouterr().err
    assert (told.count("the server is gone"), told.count("written again")) == (1, 0)
    assert watch.failed == "the server is gone"  # also where the run itself could be ended


def test_mlflow_takes_measures_of_any_name(store):
    uri, client = store
    watch = cr.MLflow("first", tracking_uri=uri)
    metrics = {"yes, of all": lambda net, X, y: 0.25}
    fit(watch, validation_data=(X, Y), metrics=metrics)
    assert client.get_run(watch.run_id).data.metrics["val_yes_ of all"] == 0.25


# what is not installed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "extra"), [(lambda: cr.TensorBoard("logs"), "tensorboard"), (lambda: cr.MLflow(), "mlflow")]
)
def test_a_missing_extra_says_which_command_installs_it(monkeypatch, make, extra):
    monkeypatch.setattr(tracker, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'chainrule\[{extra}\]'"):
        make()
    assert checks.find_spec("numpy") is not None
