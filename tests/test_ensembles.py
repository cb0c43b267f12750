"""Ensembles: what members predict together against NumPy, how they are trained, files, and all messages."""

import copy
import signal
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy import sparse
from scipy.stats import entropy as scipy_entropy
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

import chainrule as cr
from chainrule.ensembles.bagging import bootstrap
from chainrule.ensembles.training import member_seeds
from chainrule.errors import DataError, ModelFileError, NotFittedError, ParameterError, ShapeError
from chainrule.model.files import load as load_network
from chainrule.training.storage import read_model, write_model

X, PLACES = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[PLACES]
VALUES = X[:, 3] * 2 + 5
QUICK = {"engine": "numpy", "verbose": False, "epochs": 4, "optimizer": cr.Adam(0.03)}
ENGINES = ["numpy", "numba"]
KINDS = [cr.DeepEnsemble, cr.Bagging, cr.SnapshotEnsemble, cr.Committee]


def network(outputs=3, loss="cross_entropy", units=6, dtype="float64"):
    return cr.Network([cr.Dense(units, "tanh"), cr.Dense(outputs)], loss=loss, dtype=dtype)


def members(count=4, y=NAMES, **settings):
    found = []
    for seed in range(count):
        net = network(**settings)
        net.fit(X, y, seed=seed, **{**QUICK, "epochs": 2})
        found.append(net)
    return found


def same_weights(one, two):
    for a, b in zip(one, two, strict=True):
        for name, value in a.parameters.items():
            np.testing.assert_array_equal(value, b.parameters[name])


# what they predict together -------------------------------------------------------------------


def test_probabilities_are_means_and_labels_those_of_the_largest():
    nets = members()
    ensemble, each = cr.Ensemble(nets), np.stack([net.predict_proba(X) for net in nets])
    np.testing.assert_array_equal(ensemble.predict_members(X), each)
    np.testing.assert_array_equal(ensemble.predict_proba(X), each.mean(axis=0))
    np.testing.assert_array_equal(ensemble.predict(X), nets[0].classes[each.mean(axis=0).argmax(axis=1)])
    np.testing.assert_array_equal(ensemble.predict_spread(X), each.std(axis=0))
    assert len(ensemble) == 4
    assert ensemble[1] is nets[1]
    assert list(ensemble) == nets
    assert ensemble.classes.tolist() == ["setosa", "versicolor", "virginica"]


def test_votes_are_counted_and_ties_go_to_the_larger_mean_probability():
    nets = members()
    voting, told = cr.Ensemble(nets, combine="vote"), np.stack([net.predict(X) for net in nets])
    votes = np.stack([(told == label).sum(axis=0) for label in voting.classes], axis=1)
    np.testing.assert_array_equal(voting.predict_votes(X), votes)
    mean = cr.Ensemble(nets).predict_proba(X)
    tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    assert 0 < tied.sum() < len(X)
    for row in range(len(X)):
        best = [k for k in range(3) if votes[row, k] == votes[row].max()]
        assert voting.predict(X)[row] == voting.classes[max(best, key=lambda k: mean[row, k])]


def test_an_ensemble_and_its_student_go_by_the_members_threshold():
    nets = members(2, y=NAMES == "setosa", outputs=2)
    for net in nets:
        net.threshold = 0.3
    both = cr.Ensemble(nets)
    yes = both.predict_proba(X)[:, 1] >= 0.3
    assert (yes != (both.predict_proba(X)[:, 1] >= 0.5)).any()
    np.testing.assert_array_equal(both.predict(X), yes)
    assert both.evaluate(X, yes)["accuracy"] == 1
    assert both.distill(network(2), X, **QUICK).threshold == 0.3
    nets[1].threshold = None
    for call in (lambda: both.predict(X), lambda: both.distill(network(2), X, **QUICK)):
        with pytest.raises(
            ParameterError, match=r"different thresholds \(0.3, none\), and combine='mean' can"
        ):
            call()
    voting = cr.Ensemble(nets, combine="vote")
    np.testing.assert_array_equal(
        voting.predict_votes(X)[:, 1], sum(net.predict(X).astype(int) for net in nets)
    )
    assert voting.distill(network(2), X, **QUICK).threshold is None


def test_votes_without_probabilities_go_to_the_first_of_tied_classes():
    nets = members(2, loss="categorical_hinge")
    voting = cr.Ensemble(nets, combine="vote")
    first, second = (np.searchsorted(voting.classes, net.predict(X)) for net in nets)
    assert (first != second).any()
    np.testing.assert_array_equal(voting.predict(X), voting.classes[np.minimum(first, second)])
    assert set(np.unique(voting.predict_members(X))) == {0.0, 1.0}
    found = voting.evaluate(X, NAMES)
    assert found["loss"] == pytest.approx(np.mean([net.calculate_loss(X, NAMES) for net in nets]))
    assert found["accuracy"] == accuracy_score(NAMES, voting.predict(X))
    for method in (voting.predict_proba, voting.predict_entropy):
        with pytest.raises(ParameterError, match="loss 'categorical_hinge' of a member gives no probabili"):
            method(X)
    with pytest.raises(ParameterError, match="combine='mean' is of probabilities, and loss 'categorical_h"):
        cr.Ensemble(nets)


@pytest.mark.parametrize(
    "y", [VALUES, VALUES[:, None], X[:, :2]], ids=["one axis", "two axes", "two columns"]
)
def test_values_are_means_in_the_form_of_the_targets(y):
    outputs = 2 if y.ndim == 2 and y.shape[1] == 2 else 1
    nets = members(3, y, outputs=outputs, loss="mse")
    ensemble, each = cr.Ensemble(nets), np.stack([net.predict(X) for net in nets])
    assert ensemble.predict(X).shape == y.shape
    np.testing.assert_array_equal(ensemble.predict(X), each.mean(axis=0))
    np.testing.assert_array_equal(ensemble.predict_spread(X), each.std(axis=0))
    assert ensemble.score(X, y) == r2_score(y, ensemble.predict(X))
    loss = np.mean((each.mean(axis=0) - y) ** 2)
    assert ensemble.evaluate(X, y) == {"loss": pytest.approx(loss, rel=1e-12)}
    assert ensemble.calculate_loss(X, y) == ensemble.evaluate(X, y)["loss"]
    for method in (ensemble.predict_votes, ensemble.predict_entropy):
        with pytest.raises(ParameterError, match="is for classes, and the ensemble predicts values"):
            method(X)


def test_the_loss_is_of_the_mean_prediction():
    ensemble = cr.Ensemble(members())
    found = ensemble.evaluate(X, NAMES)
    assert found["loss"] == pytest.approx(log_loss(NAMES, ensemble.predict_proba(X)), rel=1e-9)
    assert found["accuracy"] == ensemble.score(X, NAMES) == accuracy_score(NAMES, ensemble.predict(X))
    assert ensemble.score(X, NAMES, "neg_log_loss") == pytest.approx(-found["loss"])
    assert ensemble.confusion_matrix(X, NAMES).sum() == len(X)
    assert "virginica" in ensemble.classification_report(X, NAMES)


@pytest.mark.parametrize("loss", ["poisson", "kl_divergence"])
def test_losses_whose_outputs_are_no_predictions(loss):
    y = np.exp(X[:, :2]) if loss == "poisson" else np.eye(3)[PLACES]
    nets = members(3, y, outputs=y.shape[1], loss=loss)
    ensemble, mean = cr.Ensemble(nets), np.mean([net.predict(X) for net in nets], axis=0)
    np.testing.assert_allclose(ensemble.predict(X), mean, rtol=1e-12)
    expected = (
        (mean - y * np.log(mean)).mean() if loss == "poisson" else scipy_entropy(y, mean, axis=1).mean()
    )
    assert ensemble.evaluate(X, y)["loss"] == pytest.approx(expected, rel=1e-9)
    if loss == "kl_divergence":
        np.testing.assert_allclose(ensemble.predict_proba(X), mean, rtol=1e-12)


def test_two_classes_by_one_output_or_two():
    y = NAMES == "setosa"
    one, two = members(1, y, outputs=1, loss="binary_cross_entropy") + members(1, y, outputs=2)
    both, turned = cr.Ensemble([one, two]), cr.Ensemble([two, one])
    mean = (one.predict_proba(X) + two.predict_proba(X)) / 2
    np.testing.assert_allclose(both.predict_proba(X), mean, rtol=1e-12)
    assert both.predict(X).dtype == bool
    for ensemble in (both, turned):
        assert ensemble.evaluate(X, y)["loss"] == pytest.approx(log_loss(y, mean), rel=1e-9)
    assert both.loss == "binary_cross_entropy, cross_entropy"


@pytest.mark.parametrize("combine", ["mean", "vote"])
def test_several_answers_of_yes_or_no(combine):
    y = X[:, :2] > 0
    nets = members(4, y, outputs=2, loss="binary_cross_entropy")
    ensemble, p = cr.Ensemble(nets, combine), np.stack([net.predict_proba(X) for net in nets])
    np.testing.assert_allclose(ensemble.predict_proba(X), p.mean(axis=0), rtol=1e-12)
    votes = (p > 0.5).sum(axis=0)
    np.testing.assert_array_equal(ensemble.predict_votes(X), votes)
    yes = p.mean(axis=0) > 0.5
    if combine == "vote":
        assert (votes == 2).any()
        yes = np.where(votes == 2, yes, votes > 2)
    np.testing.assert_array_equal(ensemble.predict(X), yes)
    total = ensemble.predict_entropy(X).total
    np.testing.assert_allclose(total, scipy_entropy([p.mean(axis=0), 1 - p.mean(axis=0)]), rtol=1e-9)
    q = p.mean(axis=0)
    expected = -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q))
    assert ensemble.evaluate(X, y)["loss"] == pytest.approx(expected, rel=1e-9)


def test_entropy_falls_into_chance_and_disagreement():
    nets = members()
    ensemble, p = cr.Ensemble(nets), np.stack([net.predict_proba(X) for net in nets])
    found = ensemble.predict_entropy(X)
    np.testing.assert_allclose(found.total, scipy_entropy(p.mean(axis=0), axis=1), rtol=1e-10)
    np.testing.assert_allclose(found.expected, scipy_entropy(p, axis=2).mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.mutual_information, found.total - found.expected, atol=1e-12)
    assert found.mutual_information.min() >= 0
    alike = cr.Ensemble([nets[0], nets[0]]).predict_entropy(X)
    np.testing.assert_allclose(alike.mutual_information, 0, atol=1e-12)


def test_members_may_have_other_layers_and_types():
    small, wide = network(), network(units=20, dtype="float32")
    ensemble = cr.DeepEnsemble([small, wide]).fit(X, NAMES, **QUICK)
    assert [net["hidden1"].units for net in ensemble] == [6, 20]
    assert ensemble.dtype == ensemble.predict_proba(X).dtype == np.float64
    mean = (ensemble[0].predict_proba(X) + ensemble[1].predict_proba(X).astype(np.float64)) / 2
    np.testing.assert_array_equal(ensemble.predict_proba(X), mean)


def test_networks_with_several_inputs():
    left, right = cr.Input(2, name="a"), cr.Input(2, name="b")
    net = cr.Network(cr.Dense(3)(cr.Concatenate()(left, right)), loss="cross_entropy")
    tables = {"a": X[:, :2], "b": X[:, 2:]}
    ensemble = cr.DeepEnsemble(net, members=2).fit(tables, NAMES, **QUICK)
    assert ensemble.predict_proba(tables).shape == (150, 3)
    assert ensemble.inputs == 4
    assert ensemble.evaluate(tables, NAMES)["accuracy"] == ensemble.score(tables, NAMES)
    for kind in (cr.Bagging, cr.Committee):
        with pytest.raises(ParameterError, match="is for networks with one input"):
            kind(net).fit(tables, NAMES, **QUICK)


# how members are trained ----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_deep_ensembles_are_the_network_from_drawn_seeds(engine):
    net, settings = network(), {**QUICK, "engine": engine}
    ensemble = cr.DeepEnsemble(net, members=3).fit(X, NAMES, seed=7, **settings)
    assert not net.built
    assert ensemble.seeds == member_seeds(7, 3) == member_seeds(7, 5)[:3]
    for seed, member, history in zip(ensemble.seeds, ensemble, ensemble.histories, strict=True):
        own = copy.deepcopy(net)
        assert own.fit(X, NAMES, seed=seed, **settings).loss == history.loss
        same_weights([own], [member])
    assert set(member_seeds(8, 3)).isdisjoint(ensemble.seeds)


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_one_ensemble(kind):
    settings = {**QUICK, "epochs": 5}
    first, second = (kind(network()).fit(X, NAMES, seed=3, **settings) for _ in range(2))
    other = kind(network()).fit(X, NAMES, seed=4, **settings)
    same_weights(first, second)
    assert len(first) == 5
    assert first.kind in repr(first)
    assert (first.predict_proba(X) != other.predict_proba(X)).any()
    assert first.score(X, NAMES) > 0.6


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_several_at_once_give_the_same(backend):
    settings = {**QUICK, "engine": "numba" if backend == "threading" else "numpy"}
    for kind in (cr.Bagging, cr.Committee):
        alone = kind(network(), 3).fit(X, NAMES, **settings)
        with joblib.parallel_config(backend=backend):
            together = kind(network(), 3).fit(X, NAMES, n_jobs=2, **settings)
        same_weights(alone, together)
        np.testing.assert_array_equal(alone.predict_proba(X), together.predict_proba(X))
        assert [h.loss for h in alone.histories] == [h.loss for h in together.histories]


def test_about_63_of_100_rows_are_in_a_bootstrap():
    shares = [len(np.unique(bootstrap(2000, seed))) / 2000 for seed in member_seeds(0, 40)]
    assert np.mean(shares) == pytest.approx(1 - np.exp(-1), abs=0.003)
    rows = bootstrap(2000, 5)
    assert rows.shape == (2000,)
    assert rows.min() >= 0
    assert rows.max() < 2000
    counts = np.bincount(rows, minlength=2000)
    assert counts.var() == pytest.approx(1, abs=0.15)  # of nearly Poisson counts
    np.testing.assert_array_equal(rows, bootstrap(2000, 5))


def test_bagging_trains_on_drawn_rows_and_is_tested_on_the_others():
    ensemble = cr.Bagging(network(), members=3).fit(X, NAMES, seed=2, **QUICK)
    total, counts = np.zeros((150, 3)), np.zeros(150, int)
    for seed, member in zip(ensemble.seeds, ensemble, strict=True):
        rows, own = bootstrap(150, seed), network()
        own.fit(X[rows], NAMES[rows], seed=seed, **QUICK)
        same_weights([own], [member])
        apart = np.setdiff1d(np.arange(150), rows)
        total[apart] += member.predict_proba(X[apart])
        counts[apart] += 1
    found, known = ensemble.out_of_bag, counts > 0
    np.testing.assert_array_equal(found.members, counts)
    np.testing.assert_allclose(found.predictions[known], total[known] / counts[known][:, None], rtol=1e-12)
    assert np.isnan(found.predictions[~known]).all()
    assert 0 < (~known).sum() < 75
    told = ensemble.classes[found.predictions[known].argmax(axis=1)]
    assert (found.measure, found.score) == ("accuracy", accuracy_score(NAMES[known], told))
    assert repr(found) == f"<accuracy {found.score:.4g} on {known.sum()} of 150 rows>"


def test_bags_without_a_class_know_it_all_the_same():
    y = np.where(np.arange(150) == 149, "rare", np.where(PLACES == 0, "a", "b"))
    ensemble = cr.Bagging(network(), members=5).fit(X, y, seed=2, **QUICK)
    drawn = ["rare" in y[bootstrap(150, seed)] for seed in ensemble.seeds]
    assert not all(drawn)
    assert all(member.classes.tolist() == ["a", "b", "rare"] for member in ensemble)


def test_bagging_of_values_weights_and_sparse_rows():
    table, weights = X * (np.abs(X) > 0.5), np.linspace(0.1, 2, 150)
    more = {**QUICK, "sample_weight": weights}
    dense, packed = (
        cr.Bagging(network(1, "mse"), members=4).fit(rows, VALUES, **more)
        for rows in (table, sparse.csc_array(table))
    )
    np.testing.assert_allclose(dense.predict(table), packed.predict(sparse.csr_array(table)), rtol=1e-9)
    found = dense.out_of_bag
    known = found.members > 0
    assert (found.measure, found.score) == ("r2", r2_score(VALUES[known], found.predictions[known]))
    rows, own = bootstrap(150, dense.seeds[0]), network(1, "mse")
    own.fit(table[rows], VALUES[rows], seed=dense.seeds[0], **{**QUICK, "sample_weight": weights[rows]})
    same_weights([own], [dense[0]])


def test_out_of_bag_answers_and_rows_that_nobody_was_tested_on():
    y = X[:, :2] > 0
    several = cr.Bagging(network(2, "binary_cross_entropy"), members=3).fit(X, y, **QUICK)
    known = several.out_of_bag.members > 0
    told = several.out_of_bag.predictions[known] > 0.5
    assert several.out_of_bag.score == (told == y[known]).mean()
    alone = cr.Bagging(network(1, "mse"), members=2).fit(X[:1], VALUES[:1], **QUICK)
    assert np.isnan(alone.out_of_bag.score)
    assert repr(alone.out_of_bag) == "<r2 nan on 0 of 1 rows>"


@pytest.mark.parametrize("engine", ENGINES)
def test_snapshots_are_those_of_one_training_at_its_restarts(engine):
    settings = {**QUICK, "engine": engine, "epochs": 6}
    ensemble = cr.SnapshotEnsemble(network(), members=3).fit(X, NAMES, seed=5, **settings)
    rule = cr.Adam(cr.schedules.CosineRestarts(0.03, cycle=2))
    kept, own = [], network()

    class Keep(cr.Callback):
        def on_epoch_end(self, net, history):
            kept.append(net.parameters)

    history = own.fit(X, NAMES, seed=5, callbacks=[Keep()], **{**settings, "optimizer": rule})
    assert ensemble.histories[0].loss == history.loss
    for member, weights in zip(ensemble, kept[1::2], strict=True):
        for name, value in weights.items():
            np.testing.assert_array_equal(member.parameters[name], value)
    last = len(X) // 32 * 0.03
    assert max(history.learning_rate[1::2]) < min(history.learning_rate[::2]) < last


def test_snapshots_of_a_training_that_is_stopped_are_of_whole_cycles():
    class Stop(cr.Callback):
        def on_epoch_end(self, net, history):
            if history.epochs == self.after:
                history.stop("enough")

    stop = Stop()
    stop.after = 5
    ensemble = cr.SnapshotEnsemble(network(), members=3).fit(
        X, NAMES, callbacks=[stop], **{**QUICK, "epochs": 6}
    )
    assert len(ensemble) == 2
    stop.after = 1
    with pytest.raises(ParameterError, match="ended before the first cycle of 2 epochs did: enough"):
        cr.SnapshotEnsemble(network(), members=3).fit(X, NAMES, callbacks=[stop], **{**QUICK, "epochs": 6})


@pytest.mark.parametrize(
    ("cv", "splitter", "groups"),
    [
        (3, StratifiedKFold(3), None),
        (KFold(4, shuffle=True, random_state=1), KFold(4, shuffle=True, random_state=1), None),
        (GroupKFold(3), GroupKFold(3), np.arange(150) // 10),
    ],
    ids=["stratified", "shuffled", "groups"],
)
def test_committees_have_a_member_for_each_fold(cv, splitter, groups):
    ensemble = cr.Committee(network(), cv=cv).fit(X, NAMES, groups=groups, seed=1, **QUICK)
    parts = list(splitter.split(X, NAMES, groups))
    told = np.empty(150, dtype=NAMES.dtype)
    for (train, held), seed, member, history in zip(
        parts, ensemble.seeds, ensemble, ensemble.histories, strict=True
    ):
        own = network()
        validation = X[held], NAMES[held]
        mine = own.fit(X[train], NAMES[train], seed=seed, validation_data=validation, **QUICK)
        assert mine.val_loss == history.val_loss
        same_weights([own], [member])
        told[held] = own.predict(X[held])
    assert ensemble.out_of_fold.score == accuracy_score(NAMES, told)
    assert (ensemble.out_of_fold.members == 1).all()


def test_committees_stop_each_by_their_own_fold():
    stopping = cr.EarlyStopping(patience=1, min_delta=0.2)
    settings = {**QUICK, "epochs": 60, "optimizer": cr.Adam(0.1)}
    ensemble = cr.Committee(network(), cv=3).fit(X, NAMES, callbacks=[stopping], **settings)
    assert len({history.epochs for history in ensemble.histories} - {60}) > 0
    assert all("val_loss has not become better" in history.stopped for history in ensemble.histories)
    assert stopping.best_epoch == 0  # each has a copy


def test_committees_of_values_and_of_one_hot_rows():
    values = cr.Committee(network(1, "mse"), cv=3).fit(X, VALUES, **QUICK)
    assert values.out_of_fold.measure == "r2"
    one_hot = cr.Committee(network(), cv=3).fit(X, np.eye(3)[PLACES], **QUICK)
    same_weights(one_hot, cr.Committee(network(), cv=3).fit(X, PLACES, **QUICK))
    assert one_hot.out_of_fold.score > 0.5


def test_what_is_given_or_frozen_is_taken_over_and_the_rest_drawn():
    net = cr.Network([cr.Dense(6, "tanh", name="base"), cr.Dense(3)], loss="cross_entropy")
    net.fit(X, NAMES, **QUICK)
    base, last = net["base"].W.copy(), net["output"].W.copy()
    net["base"].freeze()
    ensemble = cr.DeepEnsemble(net, members=2).fit(X, NAMES, **QUICK)
    for member in ensemble:
        np.testing.assert_array_equal(member["base"].W, base)
        assert (last != member["output"].W).all()
    assert (ensemble[0]["output"].W != ensemble[1]["output"].W).all()
    np.testing.assert_array_equal(net["output"].W, last)


def test_members_are_told_of_with_the_time_left(capsys):
    cr.Committee(network(), cv=3).fit(X, NAMES, **{**QUICK, "verbose": True})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("member 1 of 3: loss ")
    assert ", validation loss " in lines[0]
    assert lines[2].endswith(" after 4 epochs; 0 s left")


# interruption and resuming --------------------------------------------------------------------


class PressCtrlC(cr.Callback):
    """Ctrl-C in the second epoch of the member of that number, counted by the fits that begin."""

    begun = 0

    def __init__(self, at):
        self.at = at
        type(self).begun = 0

    def on_fit_begin(self, net, history):
        type(self).begun += 1

    def on_epoch_end(self, net, history):
        if type(self).begun == self.at and history.epochs == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("kind", [cr.DeepEnsemble, cr.Bagging, cr.Committee])
def test_ctrl_c_keeps_whole_members(kind, ctrl_c, capsys):
    whole = kind(network()).fit(X, NAMES, **QUICK)
    cut = kind(network()).fit(X, NAMES, callbacks=[PressCtrlC(3)], **QUICK)
    assert cut.interrupted
    assert len(cut) == len(cut.histories) == 2
    same_weights(cut, whole[:2])
    assert "kept are the 2 finished members." in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        kind(network()).fit(X, NAMES, callbacks=[PressCtrlC(1)], **QUICK)


def test_ctrl_c_keeps_the_snapshots_of_whole_cycles(ctrl_c):
    settings = {**QUICK, "epochs": 6}
    ensemble = cr.SnapshotEnsemble(network(), members=6).fit(X, NAMES, callbacks=[PressCtrlC(1)], **settings)
    assert (len(ensemble), ensemble.interrupted) == (2, True)
    with pytest.raises(KeyboardInterrupt):
        cr.SnapshotEnsemble(network(), members=2).fit(X, NAMES, callbacks=[PressCtrlC(1)], **settings)


CUT = """
import os, signal, sys, threading, time
import numpy as np
import chainrule as cr

X = np.random.default_rng(0).normal(size=(40, 3))
class Wait(cr.Callback):
    def on_fit_begin(self, net, history):
        open(f"{sys.argv[1]}/{os.getpid()}-{time.monotonic_ns()}", "w").close()
    def on_epoch_end(self, net, history):
        time.sleep(0.01 if len(os.listdir(sys.argv[1])) < 5 else 0.3)

def press():
    while len(os.listdir(sys.argv[1])) < 5:
        time.sleep(0.01)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=press, daemon=True).start()
    net = cr.Network([cr.Dense(1)], loss="mse")
    ensemble = cr.DeepEnsemble(net, members=8).fit(
        X, X[:, 0], n_jobs=2, epochs=8, engine="numpy", verbose=False, callbacks=[Wait()]
    )
    print(len(ensemble), ensemble.interrupted)
"""


def test_ctrl_c_while_other_processes_train(tmp_path):
    script, folder = tmp_path / "cut.py", tmp_path / "begun"
    script.write_text(CUT)
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    count, interrupted = done.stdout.split()
    assert 1 <= int(count) < 8
    assert interrupted == "True"


@pytest.mark.parametrize("kind", KINDS)
def test_an_ensemble_goes_on_from_its_checkpoints(kind, tmp_path, ctrl_c):
    settings = {**QUICK, "epochs": 5}
    whole = kind(network()).fit(X, NAMES, **settings)
    at = 3 if kind is not cr.SnapshotEnsemble else 1
    folder = tmp_path / "runs"
    cut = kind(network()).fit(X, NAMES, callbacks=[cr.Checkpoint(folder), PressCtrlC(at)], **settings)
    assert len(cut) == 2
    on = kind(network()).fit(
        X, NAMES, callbacks=[cr.Checkpoint(folder), PressCtrlC(9)], resume=True, **settings
    )
    same_weights(whole, on)
    if kind is not cr.SnapshotEnsemble:
        assert sorted(path.name for path in folder.iterdir()) == [f"member{k}" for k in range(1, 6)]


# files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "y"),
    [
        (lambda: cr.DeepEnsemble(network(), members=3, combine="vote"), NAMES),
        (lambda: cr.Bagging(network(dtype="float32"), members=2), PLACES),
        (lambda: cr.SnapshotEnsemble(network(1, "mse"), members=2), VALUES),
        (lambda: cr.Committee(network(2, "mse"), cv=2), X[:, :2]),
        (lambda: cr.DeepEnsemble([network(), network(units=9, dtype="float32")]), NAMES),
    ],
)
def test_ensembles_come_back_as_they_were(tmp_path, make, y):
    ensemble = make().fit(X, y, **QUICK)
    ensemble.metadata = {"columns": ["a", "ü"], "note": None}
    ensemble.attachments = {"preprocessing": b"\x00\x01", "empty": b""}
    path = tmp_path / "e.chainrule"
    ensemble.save(path)
    back = cr.load(path)
    assert type(back) is cr.Ensemble
    assert (back.kind, back.combine, back.metadata, back.attachments) == (
        ensemble.kind,
        ensemble.combine,
        ensemble.metadata,
        ensemble.attachments,
    )
    same_weights(ensemble, back)
    np.testing.assert_array_equal(back.predict(X), ensemble.predict(X))
    assert back.predict(X).dtype == ensemble.predict(X).dtype
    assert back.evaluate(X, y) == ensemble.evaluate(X, y)
    assert [net.optimizer for net in back] == [net.optimizer for net in ensemble]
    back.save(path)
    assert cr.load(path).kind == ensemble.kind


def test_networks_are_loaded_as_before_and_ensembles_are_no_networks(tmp_path):
    nets = members(2)
    nets[0].save(tmp_path / "n.chainrule")
    cr.Ensemble(nets).save(tmp_path / "e.chainrule")
    assert isinstance(cr.load(tmp_path / "n.chainrule"), cr.Network)
    with pytest.raises(ModelFileError, match=r"holds an ensemble of networks\. Use chainrule\.load"):
        load_network(tmp_path / "e.chainrule")
    with pytest.raises(ModelFileError, match="there is no such file"):
        cr.load(tmp_path / "missing.chainrule")


def test_any_altered_byte_is_noticed(tmp_path):
    path = tmp_path / "e.chainrule"
    cr.Ensemble(members(2)).save(path)
    content = path.read_bytes()
    for place in range(7, len(content), len(content) // 60):
        altered = bytearray(content)
        altered[place] ^= 1
        path.write_bytes(altered)
        with pytest.raises(ModelFileError):
            cr.load(path)
    path.write_bytes(content[:-9])
    with pytest.raises(ModelFileError, match="truncated"):
        cr.load(path)


def _without_a_member(header, tensors):
    header["ensemble"]["members"].pop()


def _unknown_kind(header, tensors):
    header["ensemble"]["kind"] = "magic"


def _no_members(header, tensors):
    header["ensemble"]["members"] = []
    tensors.clear()


def _other_inputs(header, tensors):
    tensors["1:hidden1.W"] = np.zeros((3, 6))


def _other_classes(header, tensors):
    header["ensemble"]["members"][1]["targets"][0]["classes"]["labels"] = ["a", "b", "c"]


def _strange_tensor(header, tensors):
    tensors["W"] = np.zeros(3)


def _bad_combine(header, tensors):
    header["ensemble"]["combine"] = ["mean"]


def _no_description(header, tensors):
    header["ensemble"] = 3


def _bad_metadata(header, tensors):
    header["metadata"] = []


def _bad_attachment(header, tensors):
    tensors["attached:x"] = np.zeros(3)


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (_without_a_member, "'1:.*' belongs to no member"),
        (_unknown_kind, "an ensemble of an unknown kind, 'magic'"),
        (_no_members, "expected networks"),
        (_other_inputs, "does not describe an ensemble: Dense: W has shape"),
        (_other_classes, "classes: setosa, versicolor, virginica of network 1, a, b, c of network 2"),
        (_strange_tensor, "'W' belongs to no member"),
        (_bad_combine, "combine .* is unknown"),
        (_no_description, "does not describe an ensemble"),
        (_bad_metadata, "its metadata is no JSON object"),
        (_bad_attachment, "an attachment is not bytes"),
    ],
)
def test_files_that_contradict_themselves_are_refused(tmp_path, alter, message):
    path = tmp_path / "e.chainrule"
    cr.Ensemble(members(2)).save(path)
    header, tensors = read_model(path)
    alter(header, tensors)
    write_model(path, header, tensors)
    with pytest.raises(ModelFileError, match=message):
        cr.load(path)


def test_what_a_file_cannot_hold_is_said(tmp_path):
    ensemble = cr.Ensemble(members(1))
    ensemble.metadata = {"x": np.float32(1)}
    with pytest.raises(ParameterError, match="metadata must be what JSON can hold"):
        ensemble.save(tmp_path / "e")
    ensemble.metadata, ensemble.attachments = {}, {"x": "text"}
    with pytest.raises(ParameterError, match="attachments must be bytes by name"):
        ensemble.save(tmp_path / "e")
    with pytest.raises(NotFittedError, match="no members yet"):
        cr.DeepEnsemble(network()).save(tmp_path / "e")
    assert not (tmp_path / "e").exists()


# messages -------------------------------------------------------------------------------------


def test_networks_that_disagree_are_refused_with_the_differences():
    three, other = members(2)[0], network(2)
    other.fit(X[:, :3], NAMES == "setosa", **QUICK)
    with pytest.raises(ParameterError) as caught:
        cr.Ensemble([three, other])
    text = str(caught.value)
    assert "inputs: 4 of network 1, 3 of network 2" in text
    assert "classes: setosa, versicolor, virginica of network 1, False, True of network 2" in text
    assert "number of classes: 3 of network 1, 2 of network 2" in text
    values = members(1, VALUES, outputs=1, loss="mse") + members(1, VALUES[:, None], outputs=1, loss="mae")
    with pytest.raises(ParameterError, match="axes of targets: 1 of network 1, 2 of network 2"):
        cr.Ensemble(values)
    with pytest.raises(ParameterError, match="targets: classes of network 1, values of network 2"):
        cr.Ensemble([three, values[0]])
    with pytest.raises(ParameterError, match="targets: classes of network 1, values of network 2"):
        cr.DeepEnsemble([network(), network(loss="mse")]).fit(X, np.eye(3)[PLACES], **QUICK)
    drawn = cr.Network(cr.Dense(3)(cr.Input(4, name="rows")), loss="cross_entropy")
    drawn.fit(X, NAMES, **QUICK)
    with pytest.raises(ParameterError, match="names of inputs: none of network 1, rows of network 2"):
        cr.Ensemble([three, drawn])


def two_outputs():
    x = cr.Input(4)
    return cr.Network([cr.Dense(1)(x), cr.Dense(1)(x)], loss=["mse", "mse"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cr.Ensemble([]), ParameterError, r"expected networks, got \[\]"),
        (lambda: cr.Ensemble([network(), 3]), ParameterError, "expected networks, got 3"),
        (lambda: cr.Ensemble([network()]), NotFittedError, "network 1 has no weights yet"),
        (lambda: cr.DeepEnsemble(two_outputs()), ParameterError, "network 1 has 2 outputs; members have one"),
        (lambda: cr.DeepEnsemble(network(), combine="median"), ParameterError, "combine 'median' is unknown"),
        (
            lambda: cr.DeepEnsemble(network(), members=0),
            ParameterError,
            "DeepEnsemble: members must be a pos",
        ),
        (
            lambda: cr.Bagging([network(), network()], members=3),
            ParameterError,
            "members=3 and 2 networks both say how many",
        ),
        (lambda: cr.Committee([network(), network()]), ParameterError, "Committee: takes one network, got 2"),
        (
            lambda: cr.SnapshotEnsemble(network(), members=0),
            ParameterError,
            "SnapshotEnsemble: members must be a positive",
        ),
        (
            lambda: cr.SnapshotEnsemble([network(), network()]),
            ParameterError,
            "SnapshotEnsemble: takes one network",
        ),
        (lambda: cr.DeepEnsemble(network()).predict(X), NotFittedError, "no members yet. Call fit first"),
        (
            lambda: cr.DeepEnsemble(network(1, "mse"), combine="vote").fit(X, VALUES, **QUICK),
            ParameterError,
            "combine='vote' is for classes, and the networks predict values",
        ),
        (
            lambda: cr.DeepEnsemble(network()).fit(X, NAMES, go_on=True, **QUICK),
            ParameterError,
            "DeepEnsemble.fit: go_on cannot be passed: members start anew",
        ),
        (
            lambda: cr.Bagging(network()).fit(X, NAMES, record=object(), **QUICK),
            ParameterError,
            "Bagging.fit: record cannot be passed: a ledger is of one network",
        ),
        (
            lambda: cr.Committee(network()).fit(X, NAMES, validation_data=(X, NAMES), **QUICK),
            ParameterError,
            "validation_data cannot be passed: each member is validated with its own fold",
        ),
        (
            lambda: cr.SnapshotEnsemble(network()).fit(X, NAMES, n_jobs=2, **{**QUICK, "epochs": 5}),
            ParameterError,
            "n_jobs cannot be passed: its members come one by one",
        ),
        (
            lambda: cr.SnapshotEnsemble(network()).fit(X, NAMES, **{**QUICK, "epochs": 12}),
            ParameterError,
            "epochs=12 cannot be shared among members=5 cycles of whole epochs. Pass e.g. epochs=15",
        ),
        (
            lambda: cr.SnapshotEnsemble(network()).fit(
                X, NAMES, epochs=5, optimizer=cr.Adam(cr.schedules.OneCycle(0.1))
            ),
            ParameterError,
            "sets the learning rate itself, and the optimizer has a schedule, OneCycle",
        ),
        (
            lambda: cr.SnapshotEnsemble(network()).fit(X, NAMES, epochs=5, optimizer="lbfgs"),
            ParameterError,
            "sets the learning rate itself, and the optimizer takes no rate",
        ),
        (
            lambda: cr.SnapshotEnsemble(network()).fit(X, NAMES, epochs=5, optimizer="rprop"),
            ParameterError,
            "sets the learning rate itself, which Rprop adapts",
        ),
        (
            lambda: cr.DeepEnsemble(network()).fit(X, NAMES, n_jobs=0, **QUICK),
            ParameterError,
            "n_jobs must be an int other than 0, got 0",
        ),
        (
            lambda: cr.DeepEnsemble(network()).fit(X, NAMES, callbacks=[cr.CSVLogger("log.csv")], **QUICK),
            ParameterError,
            "DeepEnsemble.fit: CSVLogger writes down one fit, and each member is one",
        ),
        (
            lambda: cr.Bagging(network()).fit(iter([(X, NAMES)]), None, **QUICK),
            ParameterError,
            "Bagging.fit: X is a stream, and its rows are needed more than once",
        ),
        (
            lambda: cr.DeepEnsemble(network()).fit(X, NAMES, callbacks=[3], **QUICK),
            ParameterError,
            "callbacks must have a method",
        ),
        (
            lambda: cr.DeepEnsemble(network()).fit(X, NAMES[:9], **QUICK),
            ShapeError,
            "y: has 9 rows, X has 150",
        ),
        (lambda: cr.Committee(network(), cv=1).fit(X, NAMES, **QUICK), ParameterError, "cv=1: "),
        (
            lambda: cr.Committee(network(), cv=[(np.arange(9), np.arange(9))]).fit(X, NAMES, **QUICK),
            ParameterError,
            "makes no two folds",
        ),
        (
            lambda: cr.Bagging(network()).fit(np.ma.masked_equal(PLACES[:, None] * X, 0), NAMES, **QUICK),
            DataError,
            "are masked",
        ),
    ],
)
def test_what_cannot_be_done_is_said(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.filterwarnings("ignore:in epoch 1:RuntimeWarning")
def test_members_that_diverge_are_named(n_jobs):
    settings = {**QUICK, "optimizer": cr.SGD(1e200)}
    with pytest.warns(RuntimeWarning, match=r"of member 2 in epoch 1, step .* or leave these members out"):
        cr.DeepEnsemble(network(1, "mse"), members=2).fit(X, VALUES, n_jobs=n_jobs, **settings)
