"""Augmentation in training: what the network sees, what it does not, going on, estimators and pipelines."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import chainrule as cr
from chainrule.errors import CheckpointError, DataError, ParameterError, ShapeError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ENGINES = ["numpy", "numba"]
DRAWN = np.random.default_rng(0)
X = DRAWN.random((90, 36)).astype(np.float32)
Y = DRAWN.integers(0, 3, 90)
AUGMENT = cr.Augment(
    (6, 6), shift=1, rotate=20, flip="horizontal", elastic=4, sigma=1.5, erase=0.3, noise=0.1
)


def network():
    return cr.Network([cr.Dense(7, "tanh"), cr.Dropout(0.2), cr.Dense(3)], loss="cross_entropy")


def settings(**more):
    return {"epochs": 1, "batch_size": 16, "seed": 5, "engine": "numpy", "verbose": False, **more}


def same(one, other):
    return all(np.array_equal(value, other.parameters[name]) for name, value in one.parameters.items())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_sees_what_augment_gives_for_each_epoch(engine):
    given = settings(engine=engine)
    on_the_way, before = network(), network()
    losses = on_the_way.fit(X, Y, transform=AUGMENT, **{**given, "epochs": 2}).loss
    apart = [before.fit(AUGMENT(X, seed=5, epoch=e), Y, go_on=e > 0, **given).loss[0] for e in (0, 1)]
    assert losses == apart
    assert same(on_the_way, before)


def test_an_unfinished_fit_goes_on_with_the_changes_of_the_next_epoch():
    at_once, in_two = network(), network()
    at_once.fit(X, Y, transform=AUGMENT, **settings(epochs=4))
    in_two.fit(X, Y, transform=AUGMENT, **settings(epochs=2))
    in_two.fit(X, Y, transform=AUGMENT, go_on=True, **settings(epochs=2))
    assert same(at_once, in_two)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fit_resumes_bit_for_bit(engine, tmp_path):
    whole, stopped, resumed = network(), network(), network()
    whole.fit(X, Y, transform=AUGMENT, **settings(engine=engine, epochs=5))
    folder = {"callbacks": [cr.Checkpoint(tmp_path)], "transform": AUGMENT}
    stopped.fit(X, Y, **folder, **settings(engine=engine, epochs=2))
    history = resumed.fit(X, Y, **folder, resume=True, **settings(engine=engine, epochs=5))
    assert same(whole, resumed)
    assert history.epochs == 5


def test_a_checkpoint_with_other_changes_is_another_fit(tmp_path):
    network().fit(X, Y, transform=AUGMENT, callbacks=[cr.Checkpoint(tmp_path)], **settings())
    with pytest.raises(CheckpointError, match=r"transform: .*shift=1.0, rotate.* there, None here"):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, **settings())
    other = cr.Augment((6, 6), shift=2)
    with pytest.raises(CheckpointError, match=r"transform: .* there, .* here"):
        network().fit(X, Y, callbacks=[cr.Checkpoint(tmp_path)], resume=True, transform=other, **settings())


def test_validation_and_prediction_see_images_as_they_are():
    still = settings(optimizer=cr.SGD(1e-30), validation_data=(X[:20], Y[:20]))
    changed, plain = network(), network()
    with_changes = changed.fit(X, Y, transform=AUGMENT, **still)
    without = plain.fit(X, Y, **still)
    assert with_changes.val_loss == without.val_loss
    assert with_changes.loss != without.loss
    assert np.array_equal(changed.predict_proba(X), plain.predict_proba(X))


def test_images_of_another_shape_are_refused_before_anything_is_changed():
    net = network()
    with pytest.raises(ShapeError, match=r"rows of 64 numbers, got an array of shape \(90, 36\)"):
        net.fit(X, Y, transform=cr.Augment((8, 8), shift=1), **settings())
    assert not net.built


# estimators -----------------------------------------------------------------------------------


def classifier(**more):
    return cr.MLPClassifier(**{"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0, **more})


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_classifier_is_trained_on_changed_rows(early_stopping):
    plain = classifier(early_stopping=early_stopping).fit(X, Y)
    changed = classifier(early_stopping=early_stopping, augment=AUGMENT).fit(X, Y)
    again = clone(changed).fit(X, Y)
    assert not np.array_equal(plain.coefs_[0], changed.coefs_[0])
    assert np.array_equal(again.coefs_[0], changed.coefs_[0])
    assert changed.get_params()["augment"] == AUGMENT


def test_a_classifier_resumes_with_the_same_changes_alone(tmp_path):
    kept = {"callbacks": [cr.Checkpoint(tmp_path)], "resume": True}
    whole = classifier(augment=AUGMENT).fit(X, Y)
    classifier(augment=AUGMENT, max_iter=2, **kept).fit(X, Y)
    resumed = classifier(augment=AUGMENT, **kept).fit(X, Y)
    assert np.array_equal(whole.coefs_[0], resumed.coefs_[0])
    with pytest.raises(CheckpointError, match=r"transform: .Augment\(shape=.* there, None here"):
        classifier(max_iter=6, **kept).fit(X, Y)


def test_rows_given_to_an_estimator_to_be_measured_are_not_changed():
    still = {"learning_rate_init": 1e-30, "max_iter": 2}
    held = {"X_val": X[:20], "y_val": Y[:20]}
    plain = classifier(**still).fit(X, Y, **held)
    changed = classifier(augment=AUGMENT, **still).fit(X, Y, **held)
    assert plain.validation_loss_curve_ == changed.validation_loss_curve_
    assert plain.loss_curve_ != changed.loss_curve_


def test_calls_of_partial_fit_see_other_changes_as_epochs_do():
    whole = classifier(augment=AUGMENT, max_iter=2).fit(X, Y)
    parts = classifier(augment=AUGMENT)
    for _ in range(2):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    assert np.array_equal(whole.coefs_[0], parts.coefs_[0])


def test_a_regressor_takes_any_function_of_rows():
    def nothing(x, numbers, epoch, seed):
        return x * 0

    given = {"hidden_layer_sizes": (4,), "alpha": 0.0, "max_iter": 3, "random_state": 0}
    model = cr.MLPRegressor(augment=nothing, **given).fit(X, X[:, 0])
    started = cr.MLPRegressor(learning_rate_init=1e-30, **given).fit(X, X[:, 0])
    assert np.array_equal(model.coefs_[0], started.coefs_[0])  # which rows of zeros cannot move
    assert not np.array_equal(model.coefs_[1], started.coefs_[1])


def test_augmentation_is_kept_in_a_file(tmp_path):
    classifier(augment=AUGMENT).fit(X, Y).save(tmp_path / "m.chainrule")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cr.MLPClassifier.load(tmp_path / "m.chainrule").augment == AUGMENT


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"augment": "shift=2"}, "augment must be callable, .* got 'shift=2'"),
        ({"augment": cr.Augment}, "augment must be callable"),
        ({"augment": AUGMENT, "solver": "lbfgs"}, "augment and solver='lbfgs' contradict each other"),
    ],
)
def test_augmentation_that_is_none_is_refused(parameters, message):
    with pytest.raises(ParameterError, match=message):
        classifier(**parameters).fit(X, Y)


# pipelines of other models --------------------------------------------------------------------


def test_a_pipeline_changes_images_where_it_is_fitted_and_nowhere_else():
    augmenter = cr.ImageAugmenter(AUGMENT, random_state=3)
    model = make_pipeline(augmenter, KNeighborsClassifier(1)).fit(X, Y)
    assert np.array_equal(model[-1]._fit_X, AUGMENT(X, seed=3))
    assert np.array_equal(augmenter.transform(X), X)
    alone = KNeighborsClassifier(1).fit(AUGMENT(X, seed=3), Y)
    assert np.array_equal(model.predict(X), alone.predict(X))
    assert augmenter.n_features_in_ == 36


@pytest.mark.parametrize(
    ("parameters", "rows", "error", "message"),
    [
        ({"augment": None}, X, ParameterError, "augment must be an Augment, got None"),
        ({"random_state": None}, X, ParameterError, "seed must be an int from 0"),
        ({}, X[:, :35], ShapeError, "rows of 36 numbers"),
        ({}, np.full((90, 36), np.nan), ValueError, "NaN"),
    ],
)
def test_what_cannot_be_changed_is_refused(parameters, rows, error, message):
    with pytest.raises(error, match=message):
        clone(cr.ImageAugmenter(**{"augment": AUGMENT, **parameters})).fit_transform(rows, Y)


def test_a_transform_gets_rows_of_the_size_it_was_fitted_to():
    with pytest.raises(ValueError, match="36 features"):
        cr.ImageAugmenter(AUGMENT).fit(X).transform(X[:, :30])


def test_copies_are_added_to_images():
    more, answers = AUGMENT.with_copies(X, Y, copies=2, seed=3)
    assert np.array_equal(more, np.concatenate([X, AUGMENT(X, seed=3), AUGMENT(X, seed=3, epoch=1)]))
    assert np.array_equal(answers, np.tile(Y, 3))
    with pytest.raises(ShapeError, match=r"90 images and y of shape \(80,\)"):
        AUGMENT.with_copies(X, Y[:80])
    with pytest.raises(ParameterError, match="copies must be a positive int, got 0"):
        AUGMENT.with_copies(X, Y, copies=0)


def test_a_pipeline_of_imbalanced_learn_adds_copies_where_it_is_fitted():
    imblearn = pytest.importorskip("imblearn", reason="imbalanced-learn is not installed")
    sampler = imblearn.FunctionSampler(func=AUGMENT.with_copies, kw_args={"copies": 2, "seed": 3})
    model = imblearn.pipeline.make_pipeline(sampler, KNeighborsClassifier(1)).fit(X, Y)
    assert np.array_equal(model[-1]._fit_X, AUGMENT.with_copies(X, Y, copies=2, seed=3)[0])
    assert np.array_equal(model.predict(X), Y)


def test_an_error_in_a_function_of_the_user_is_the_cause():
    def fails(x, numbers, epoch, seed):
        raise ZeroDivisionError("no")

    with pytest.raises(DataError, match="ZeroDivisionError in epoch 1") as caught:
        classifier(augment=fails).fit(X, Y)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
