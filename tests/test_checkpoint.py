"""Checkpoint and resume: a fit that goes on is, to the last bit, the fit that was never stopped."""

import json
import os
import signal
import threading

import numpy as np
import pytest
import torture
from scipy import sparse
from torture import (
    ENGINES,
    LETTERS,
    OPTIMIZERS,
    TRAININGS,
    Stop,
    StopAfter,
    X,
    Y,
    assert_same,
    network,
    settings,
)

import chainrule as cr
from chainrule.errors import CheckpointError, ModelFileError, ParameterError

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("optimizer", "kind"), TRAININGS)
def test_going_on_is_never_having_stopped(optimizer, kind, engine, tmp_path):
    """One place to stop; `make torture` tries six."""
    count = 1 + (list(OPTIMIZERS).index(optimizer) + len(kind) + len(engine)) % 4
    torture.go_on_everywhere(optimizer, kind, engine, tmp_path, [("within", count)])


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(
    ("table", "more"),
    [
        (sparse.csr_array(X * (X > 0)), {}),
        (X, {"sample_weight": RNG.uniform(0.5, 2, len(X)), "class_weight": {0: 2.0}}),
        (X, {"shuffle": False, "batch_size": 45}),
    ],
    ids=["sparse", "weighted", "whole"],
)
def test_any_kind_of_rows_goes_on(table, more, engine, tmp_path):
    given = settings("adam", engine, **more)
    given["validation_data"] = None
    net, other = network("drawn"), network("drawn")
    history = net.fit(table, Y, **given)
    with pytest.raises(Stop):
        network("drawn").fit(table, Y, callbacks=[StopAfter(tmp_path, 3, every_steps=5)], **given)
    going_on = other.fit(table, Y, callbacks=[cr.Checkpoint(tmp_path, every_steps=5)], resume=True, **given)
    assert_same(net, history, other, going_on)


def test_a_rate_that_follows_the_losses_goes_on(tmp_path):
    given = settings("adam", epochs=12)
    given["optimizer"] = cr.SGD(cr.schedules.ReduceOnPlateau(0.5, patience=1))
    net, other = network(), network()
    history = net.fit(X, Y, **given)
    assert len(set(history.learning_rate)) > 1
    with pytest.raises(Stop):
        network().fit(X, Y, callbacks=[StopAfter(tmp_path, 7)], **given)
    assert_same(
        net, history, other, other.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    )


def test_a_fit_that_went_on_from_another_goes_on(tmp_path):
    given = settings("momentum")
    nets = [network(), network()]
    for net in nets:
        net.fit(X, Y, **given)
    weights = nets[1].parameters
    history = nets[0].fit(X, Y, go_on=True, **given)
    with pytest.raises(Stop):
        nets[1].fit(X, Y, go_on=True, callbacks=[StopAfter(tmp_path, 2)], **given)
    nets[1].set_parameters(weights)
    going_on = nets[1].fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    assert_same(nets[0], history, nets[1], going_on)


def test_more_epochs_than_before_and_none_left(tmp_path):
    given = settings("adam")
    net, other = network(), network()
    history = net.fit(X, Y, **settings("adam", epochs=9))
    other.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **given)
    longer = other.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **settings("adam", epochs=9))
    assert_same(net, history, other, longer)
    again = network()
    done = again.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    assert done.epochs == 9
    assert_same(net, history, again, done)


def test_a_fit_that_stopped_early_stays_stopped(tmp_path):
    given = settings("adam", epochs=300)
    net, other = network(), network()
    history = net.fit(X, Y, callbacks=[cr.EarlyStopping(patience=2), cr.Checkpoint(tmp_path)], **given)
    assert history.stopped
    callbacks = [cr.EarlyStopping(patience=2), cr.Checkpoint(tmp_path)]
    assert_same(net, history, other, other.fit(X, Y, callbacks=callbacks, resume=True, **given))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_a_checkpoint_in_the_middle_of_an_epoch(tmp_path):
    class Interrupts(cr.Callback):
        def on_epoch_end(self, network, history):
            if history.epochs == 2:
                threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()

    given = settings("adam", epochs=4000)
    stopped = network("drawn")
    first = stopped.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path, every_epochs=10_000), Interrupts()], **given)
    assert first.interrupted
    assert len(list(tmp_path.glob("epoch*"))) == 1
    epochs = first.epochs + 3
    net, other = network("drawn"), network("drawn")
    history = net.fit(X, Y, **settings("adam", epochs=epochs))
    given = settings("adam", epochs=epochs)
    going_on = other.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    assert_same(net, history, other, going_on)


# what is kept ---------------------------------------------------------------------------------


def test_the_last_and_the_best_are_kept_and_are_models(tmp_path):
    net = network()
    history = net.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path, keep=2, every_epochs=2)], **settings("adam"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.chainrule",
        "epoch000004.chainrule",
        "epoch000005.chainrule",
    ]
    last, best = (cr.load(tmp_path / f"{name}.chainrule") for name in ("epoch000005", "best"))
    np.testing.assert_array_equal(last.predict_proba(X), net.predict_proba(X))
    assert best.evaluate(X[:25], Y[:25])["loss"] == pytest.approx(min(history.val_loss), rel=1e-12)


def test_the_best_by_another_measure(tmp_path):
    checkpoint = cr.Checkpoint(tmp_path, best="val_accuracy")
    history = network().fit(X, Y, callbacks=[checkpoint], **settings("adam", epochs=15))
    best = cr.load(tmp_path / "best.chainrule")
    assert best.evaluate(X[:25], Y[:25])["accuracy"] == max(history.val_accuracy)


def test_a_checkpoint_may_serve_fits_with_and_without_validation(tmp_path):
    checkpoint = cr.Checkpoint(tmp_path)
    network().fit(X, Y, callbacks=[checkpoint], **settings("sgd", epochs=1))
    network().fit(X, Y, callbacks=[checkpoint], **settings("sgd", epochs=1, validation_data=None))
    assert (tmp_path / "best.chainrule").exists()


def test_minutes(tmp_path):
    checkpoint = cr.Checkpoint(tmp_path, every_epochs=100, every_minutes=0, keep=100)
    network().fit(X, Y, callbacks=[checkpoint], **settings("sgd", epochs=2))
    names = [p.name for p in tmp_path.glob("epoch*")]
    assert any("-step" in name for name in names)


def test_a_fresh_start_moves_an_earlier_fit_away(tmp_path, capsys):
    for _ in range(3):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **settings("sgd", epochs=1))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best.chainrule",
        "earlier001",
        "earlier002",
        "epoch000001.chainrule",
    ]
    assert "2 files of an earlier fit moved to" in capsys.readouterr().err


def test_resume_without_a_checkpoint_starts_fresh(tmp_path):
    net, other = network(), network()
    history = net.fit(X, Y, **settings("adam"))
    callbacks = [cr.Checkpoint(tmp_path / "new" / "folder")]
    assert_same(net, history, other, other.fit(X, Y, callbacks=callbacks, resume=True, **settings("adam")))


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    rest = tmp_path / ".epoch000002.chainrule.0a1b2c3d.tmp"
    rest.write_bytes(b"half")
    own = tmp_path / "notes.tmp"
    own.write_text("mine")
    network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **settings("sgd", epochs=1))
    assert own.exists()
    assert not rest.exists()


# what goes wrong ------------------------------------------------------------------------------


def test_a_damaged_checkpoint_is_said_and_the_one_before_is_taken(tmp_path, capsys):
    given = settings("adam")
    net, other = network(), network()
    history = net.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **given)
    last = tmp_path / "epoch000005.chainrule"
    last.write_bytes(last.read_bytes()[:-9])
    assert_same(
        net, history, other, other.fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)
    )
    assert "epoch000004.chainrule" in capsys.readouterr().err
    for path in tmp_path.glob("epoch*"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="none of its checkpoints can be read"):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **given)


def other_network():
    return cr.Network([cr.Dense(8, "relu"), cr.Dense(3)], loss="cross_entropy", dtype="float64")


@pytest.mark.parametrize(
    ("change", "net", "message"),
    [
        ({}, other_network, r"network.layers\[0\].settings.units: 7 there, 8 here"),
        ({"optimizer": cr.Adam(0.02)}, network, r"optimizer.settings.learning_rate: 0.01 there, 0.02 here"),
        ({"optimizer": cr.SGD(0.05)}, network, r"optimizer.name: 'adam' there, 'sgd' here"),
        ({"batch_size": 15}, network, r"plan.batch_size: 10 there, 15 here"),
        ({"seed": 5}, network, r"plan.seed: 4 there, 5 here"),
        ({"X": X + 1e-9}, network, r"data.X\[0\]: other values"),
        ({"y": Y[::-1]}, network, r"data.y\[0\]: other values"),
        ({"y": LETTERS, "validation_data": (X[:25], LETTERS[:25])}, network, r"targets\[0\].classes.dtype"),
        (
            {"validation_data": (X[:20], Y[:20])},
            network,
            r"data.validation X\[0\].shape\[0\]: 25 there, 20 here",
        ),
        ({"metrics": ["f1_macro"]}, network, r"metrics: \[\] there, \['f1_macro'\] here"),
        ({"callbacks": [cr.EarlyStopping()]}, network, r"callbacks: \[\] there, \['EarlyStopping'\] here"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused_with_the_differences(change, net, message, tmp_path):
    given = settings("adam", epochs=1)
    network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **given)
    change = dict(change)
    table, y = change.pop("X", X), change.pop("y", Y)
    callbacks = [cr.Checkpoint(tmp_path), *change.pop("callbacks", [])]
    made = net()
    with pytest.raises(CheckpointError, match=r"(?s)is a checkpoint of another fit:.*" + message):
        made.fit(table, y, callbacks=callbacks, resume=True, **{**given, **change})
    assert not made.built


def test_a_model_among_the_checkpoints_is_refused(tmp_path):
    net = network()
    net.fit(X, Y, **settings("sgd", epochs=1))
    net.save(tmp_path / "epoch000001.chainrule")
    with pytest.raises(CheckpointError, match="is a model, and holds nothing of a fit"):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **settings("sgd"))


def test_a_disk_that_fails_stops_no_training(tmp_path, monkeypatch, capsys):
    import chainrule.training.checkpoint as place

    real, calls = place.write_model, []

    def failing(path, header, tensors):
        calls.append(path)
        if 3 <= len(calls) <= 6:
            raise ModelFileError(f"{path}: cannot be written: No space left on device.")
        real(path, header, tensors)

    monkeypatch.setattr(place, "write_model", failing)
    net, other = network(), network()
    history = net.fit(X, Y, **settings("adam"))
    checkpoint = cr.Checkpoint(tmp_path, keep=9)
    assert_same(net, history, other, other.fit(X, Y, callbacks=[checkpoint], **settings("adam")))
    told = capsys.readouterr().err
    assert told.count("No space left on device") == 1
    assert "Checkpoint not written, training goes on" in told
    assert "Checkpoints are written again" in told
    assert checkpoint.failed is None
    assert "epoch000001.chainrule" in [p.name for p in tmp_path.iterdir()]


def test_folders_that_cannot_be_used(tmp_path):
    taken = tmp_path / "file"
    taken.write_text("")
    with pytest.raises(CheckpointError, match=r"Checkpoint: .*file cannot be used: .*Pass another folder"):
        network().fit(X, Y, callbacks=[cr.Checkpoint(taken)], **settings("sgd"))


def test_settings_that_are_none(tmp_path):
    for wrong in ({"keep": 0}, {"every_epochs": 1.5}, {"every_steps": -1}, {"every_minutes": "soon"}):
        with pytest.raises(ParameterError, match=f"Checkpoint: {next(iter(wrong))}"):
            cr.Checkpoint(tmp_path, **wrong)
    with pytest.raises(
        CheckpointError, match=r"no measure 'val_f1'; this fit has loss, val_loss, val_accuracy"
    ):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path, best="val_f1")], **settings("sgd"))


def test_options_that_contradict_each_other(tmp_path):
    checkpoint = cr.Checkpoint(tmp_path)
    given = settings("sgd")
    for more, message in (
        ({"resume": True}, "resume=True needs to know the folder"),
        ({"callbacks": [checkpoint, checkpoint]}, "two Checkpoints"),
        (
            {"callbacks": [checkpoint], "resume": True, "go_on": True},
            "go_on and resume contradict each other",
        ),
        ({"callbacks": [checkpoint], "resume": True, "optimizer": cr.LBFGS()}, "LBFGS cannot resume"),
        (
            {"callbacks": [checkpoint], "resume": True, "record": cr.Ledger("output.b")},
            "record and resume contradict each other",
        ),
    ):
        with pytest.raises(ParameterError, match=message):
            network().fit(X, Y, **{**given, **more})


def test_a_checkpoint_holds_no_code(tmp_path):
    network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], **settings("adam", epochs=1))
    content = (tmp_path / "epoch000001.chainrule").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert set(json.loads(header["__metadata__"]["chainrule"])["fit"]) >= {"epoch", "step", "plan", "data"}


# torture --------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_fits_lose_nothing():
    assert torture.kills(25, seed=int.from_bytes(os.urandom(2), "little")) == 25


def test_altered_checkpoints_are_not_read():
    assert torture.files(400, seed=int.from_bytes(os.urandom(2), "little")) == 400
