"""Distillation: targets, loss and gradients against NumPy; students of every kind; what is refused."""

import copy

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.datasets import load_digits, load_iris

import chainrule as cr
from chainrule.ensembles.distillation import Teacher
from chainrule.errors import NotFittedError, ParameterError

X, PLACES = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[PLACES]
QUICK = {"engine": "numpy", "verbose": False, "epochs": 4, "optimizer": cr.Adam(0.03)}
DESCENT = {**QUICK, "optimizer": cr.SGD(0.5), "batch_size": 150, "epochs": 1, "shuffle": False}


def network(outputs=3, loss="cross_entropy", units=6):
    return cr.Network([cr.Dense(units, "tanh"), cr.Dense(outputs)], loss=loss, dtype="float64")


def linear(outputs, loss="cross_entropy"):
    W = np.linspace(-0.3, 0.4, 4 * outputs).reshape(4, outputs)
    return cr.Network([cr.Dense(outputs, weights=W, bias=np.zeros(outputs))], loss=loss, dtype="float64")


def teacher(y=NAMES, members=3, outputs=3, loss="cross_entropy"):
    return cr.DeepEnsemble(network(outputs, loss), members=members).fit(X, y, **QUICK)


def logits(net):
    return net._run(X)[0][0]


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize(("temperature", "hard"), [(None, 0.0), (1.0, 0.0), (5.0, 0.0), (3.0, 0.25)])
def test_a_step_is_that_of_softened_targets(temperature, hard, engine):
    ensemble, T = teacher(), 2.0 if temperature is None else temperature
    q = np.mean([softmax(logits(net) / T, axis=1) for net in ensemble], axis=0)
    student = linear(3)
    W = student["output"].W.copy()
    z = X @ W
    slope = (1 - hard) * T * (softmax(z / T, axis=1) - q) + hard * (softmax(z, axis=1) - np.eye(3)[PLACES])
    learned = ensemble.distill(
        student,
        X,
        NAMES if hard else None,
        temperature=temperature,
        hard=hard,
        **{**DESCENT, "engine": engine},
    )
    np.testing.assert_allclose(learned["output"].W, W - 0.5 * X.T @ slope / 150, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(student["output"].W, W)
    assert learned.loss == "cross_entropy"
    assert set(learned.predict(X)) <= set(NAMES)


def test_the_loss_is_the_divergence_at_the_temperature():
    ensemble, T, losses = teacher(), 4.0, []

    class Note(cr.Callback):
        def on_epoch_end(self, net, history):
            losses.append((history.loss[-1], history.val_loss[-1]))

    student = linear(3)
    z = X @ student["output"].W
    q = np.mean([softmax(logits(net) / T, axis=1) for net in ensemble], axis=0)
    expected = T**2 * (q * (np.log(q) - log_softmax(z / T, axis=1))).sum(axis=1).mean()
    settings = {**DESCENT, "validation_data": (X, None), "callbacks": [Note()]}
    ensemble.distill(student, X, temperature=T, **settings)
    assert losses[0][0] == pytest.approx(expected, rel=1e-9)
    assert losses[0][1] < expected


def test_hot_and_hard_at_once_measure_both_on_validation_rows():
    seen = {}

    class Note(cr.Callback):
        def on_epoch_end(self, net, history):
            seen.update({name: history[name][-1] for name in history.measures})

    settings = {**QUICK, "validation_data": (X[::2], NAMES[::2]), "callbacks": [Note()]}
    learned = teacher().distill(network(), X, NAMES, hard=0.5, **settings)
    assert seen["val_accuracy2"] == pytest.approx(learned.score(X[::2], NAMES[::2]))


def test_a_student_for_two_classes_with_one_output():
    y = NAMES == "setosa"
    for outputs, loss in ((1, "binary_cross_entropy"), (2, "cross_entropy")):
        ensemble, T = teacher(y, 2, outputs, loss), 3.0
        if outputs == 1:
            q = np.mean([expit(logits(net) / T) for net in ensemble], axis=0)
        else:
            q = np.mean([softmax(logits(net) / T, axis=1)[:, 1:] for net in ensemble], axis=0)
        student = linear(1, "binary_cross_entropy")
        W = student["output"].W.copy()
        learned = ensemble.distill(student, X, temperature=T, **DESCENT)
        slope = T * (expit(X @ W / T) - q)
        np.testing.assert_allclose(learned["output"].W, W - 0.5 * X.T @ slope / 150, rtol=1e-9, atol=1e-12)
        assert learned.predict(X).dtype == bool
    wide = ensemble.distill(network(2), X, **QUICK)
    assert wide.classes.tolist() == [False, True]
    wide = teacher(y, 2, 1, "binary_cross_entropy").distill(network(2), X, **QUICK)
    assert wide.classes.tolist() == [False, True]


def test_students_of_several_answers():
    y = X[:, :2] > 0
    ensemble, T = teacher(y, 2, 2, "binary_cross_entropy"), 2.0
    q = np.mean([expit(logits(net) / T) for net in ensemble], axis=0)
    student = linear(2, "binary_cross_entropy")
    W = student["output"].W.copy()
    learned = ensemble.distill(student, X, **DESCENT)
    slope = T * (expit(X @ W / T) - q) / 2
    np.testing.assert_allclose(learned["output"].W, W - 0.5 * X.T @ slope / 150, rtol=1e-9, atol=1e-12)
    assert learned.predict(X).shape == y.shape


@pytest.mark.parametrize("hard", [0.0, 0.25])
def test_values_are_learned_from_the_means(hard):
    y = X[:, 3] * 2 + 5
    ensemble = teacher(y, 2, 1, "mse")
    student = linear(1, "mse")
    W, mean = student["output"].W.copy(), ensemble.predict(X)
    learned = ensemble.distill(
        student, X, y if hard else None, hard=hard, **{**DESCENT, "optimizer": cr.SGD(0.05)}
    )
    error = X @ W - ((1 - hard) * mean + hard * y)[:, None]
    np.testing.assert_allclose(learned["output"].W, W - 0.05 * 2 * X.T @ error / 150, rtol=1e-9)
    assert learned.predict(X).shape == (150,)


def test_students_drawn_with_skips_normalisation_and_several_inputs():
    left, right = cr.Input(2, name="a"), cr.Input(2, name="b")
    whole = cr.Concatenate()(left, right)
    tables = {"a": X[:, :2], "b": X[:, 2:]}
    wide = cr.Network(cr.Dense(3)(cr.Dense(8, "relu")(whole)), loss="cross_entropy")
    ensemble = cr.DeepEnsemble(wide, members=2).fit(tables, NAMES, **QUICK)
    hidden = cr.BatchNorm()(cr.Dense(4, "relu")(whole))
    student = cr.Network(cr.Dense(3)(cr.Concatenate()(hidden, left)), loss="cross_entropy")
    learned = ensemble.distill(student, tables, seed=4, **{**QUICK, "epochs": 30})
    assert learned.names == student.names
    assert (learned["batch_norm"].values["mean"] != 0).any()
    assert (learned.predict(tables) == ensemble.predict(tables)).mean() > 0.9


def test_it_starts_from_the_weights_that_plain_training_starts_from():
    frozen = {**DESCENT, "optimizer": cr.SGD(1e-300)}
    plain, student = network(), network()
    plain.build(4, seed=9)
    learned = teacher().distill(student, X, seed=9, **frozen)
    for name, value in plain.parameters.items():
        np.testing.assert_allclose(learned.parameters[name], value, atol=1e-290)
    assert not student.built


def test_frozen_layers_and_weights_that_are_there_stay():
    student = network()
    student.fit(X, NAMES, **QUICK)
    student["hidden1"].freeze()
    before = copy.deepcopy(student.parameters)
    learned = teacher().distill(student, X, **QUICK)
    np.testing.assert_array_equal(learned["hidden1"].W, before["hidden1.W"])
    assert (before["output.W"] != learned["output"].W).any()
    np.testing.assert_array_equal(student["output"].W, before["output.W"])


def test_rows_without_labels_teach_as_well(tmp_path):
    table, digits = load_digits(return_X_y=True)
    table = table / 16
    net = cr.Network([cr.Dense(32, "relu"), cr.Dense(10)], loss="cross_entropy")
    settings = {"optimizer": cr.Adam(0.01), "verbose": False, "engine": "numpy", "epochs": 12}
    ensemble = cr.DeepEnsemble(net, members=3).fit(table[:400], digits[:400], **settings)
    small = cr.Network([cr.Dense(10, "relu"), cr.Dense(10)], loss="cross_entropy")
    learned = ensemble.distill(small, table[:1400], **settings)
    plain = copy.deepcopy(small)
    plain.fit(table[:400], digits[:400], **settings)
    agreed = [
        (own.predict(table[1400:]) == ensemble.predict(table[1400:])).mean() for own in (learned, plain)
    ]
    assert agreed[0] > agreed[1] + 0.02
    learned.save(tmp_path / "s.chainrule")
    back = cr.load(tmp_path / "s.chainrule")
    np.testing.assert_array_equal(back.predict(table), learned.predict(table))
    assert back.optimizer == cr.Adam(0.01)


def test_a_distillation_goes_on_from_its_checkpoint(tmp_path):
    ensemble = teacher()
    whole = ensemble.distill(network(), X, NAMES, hard=0.3, **{**QUICK, "epochs": 6})
    keep = {"callbacks": [cr.Checkpoint(tmp_path)]}
    ensemble.distill(network(), X, NAMES, hard=0.3, **{**QUICK, "epochs": 3}, **keep)
    keep = {"callbacks": [cr.Checkpoint(tmp_path)]}
    on = ensemble.distill(network(), X, NAMES, hard=0.3, resume=True, **{**QUICK, "epochs": 6}, **keep)
    for name, value in whole.parameters.items():
        np.testing.assert_array_equal(on.parameters[name], value)


@pytest.mark.parametrize("hard", [0.0, 0.3])
def test_a_student_is_trained_with_its_mixup(hard):
    student, ensemble = network(), teacher()
    student.mixup = 0.4
    made = Teacher(ensemble, 2.0, hard)
    made.require_student(student, [4])
    assert made.around(student, [4]).mixup == 0.4
    given = (X, NAMES) if hard else (X,)
    mixed, plain = (ensemble.distill(each, *given, hard=hard, **QUICK) for each in (student, network()))
    assert not np.array_equal(mixed.parameters["output.W"], plain.parameters["output.W"])


def test_what_is_trained_is_printed_as_any_network():
    made = Teacher(teacher(), 2.0, 0.25)
    student = network()
    made.require_student(student, [4])
    around = made.around(student, [4])
    around.build(4, seed=0)
    text = around.source()
    assert "rescaled_softened = z2 * std_softened + mean_softened" in text
    assert around.loss == "kl_divergence, cross_entropy"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda e: e.distill(network(2), X),
            ParameterError,
            "student needs 3 outputs and a loss that gives prob",
        ),
        (lambda e: e.distill(network(3, "mse"), X), ParameterError, "it has 3 and mse"),
        (
            lambda e: e.distill(network(3, "categorical_hinge"), X),
            ParameterError,
            "it has 3 and categorical_hinge",
        ),
        (lambda e: e.distill(network(), X, NAMES), ParameterError, "y would not be used with hard=0"),
        (
            lambda e: e.distill(network(), X, hard=0.5),
            ParameterError,
            "hard=0.5 is the share that the labels have",
        ),
        (
            lambda e: e.distill(network(), X, NAMES, hard=1),
            ParameterError,
            "distill: hard must be at least 0",
        ),
        (
            lambda e: e.distill(network(), X, temperature=0),
            ParameterError,
            "distill: temperature must be above 0",
        ),
        (
            lambda e: e.distill(network(), X, metrics="f1"),
            ParameterError,
            "metrics cannot be passed: the student",
        ),
        (
            lambda e: e.distill(network(), X, class_weight="balanced"),
            ParameterError,
            "class_weight cannot be",
        ),
        (lambda e: e.distill(network(), X, go_on=True), ParameterError, "go_on cannot be passed"),
        (lambda e: e.distill(network(), X, record=object()), ParameterError, "record cannot be passed"),
        (lambda e: e.distill(network(), X, validation_data=X), ParameterError, "must be a pair"),
        (lambda e: e.distill(network(), iter([X])), ParameterError, "distill: X is a stream"),
        (lambda e: e.distill(network(), X, sampling="balanced"), ParameterError, "sampling cannot be passed"),
        (lambda e: e.distill("small", X), ParameterError, "student must be a Network"),
        (
            lambda e: teacher(X[:, 3], 2, 1, "mse").distill(network(1, "mse"), X, temperature=2.0),
            ParameterError,
            "temperature is for probabilities, and the ensemble predicts values",
        ),
        (
            lambda e: teacher(X[:, 3], 2, 1, "mse").distill(network(2, "mse"), X),
            ParameterError,
            "the student needs 1 output and a loss for values, such as mse; it has 2 and mse",
        ),
        (
            lambda e: teacher(X[:, :2] > 0, 2, 2, "binary_cross_entropy").distill(network(2), X),
            ParameterError,
            "the student needs 2 outputs and the loss binary_cross_entropy; it has 2 and cross_entropy",
        ),
        (lambda e: cr.DeepEnsemble(network()).distill(network(), X), NotFittedError, "no members yet"),
        (
            lambda e: cr.Ensemble(_hinges(), combine="vote").distill(network(), X),
            ParameterError,
            "distill: loss 'categorical_hinge' of a member gives no probabilities",
        ),
    ],
)
def test_what_cannot_be_done_is_said(make, error, message):
    ensemble = teacher(members=2)
    with pytest.raises(error, match=message):
        make(ensemble)


def _hinges():
    net = network(loss="categorical_hinge")
    net.fit(X, NAMES, **QUICK)
    return [net]
