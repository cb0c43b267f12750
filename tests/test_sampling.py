"""Rows drawn by their classes: shares, seeds, resume, both engines, and what contradicts it."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV
from torture import Stop, StopAfter, assert_same

import chainrule as cr
from chainrule.errors import CheckpointError, DataError, ParameterError, UnknownNameError
from chainrule.training.sampling import Sampler

RNG = np.random.default_rng(3)
Y = np.array(["no"] * 120 + ["maybe"] * 24 + ["yes"] * 6)
CLASSES, PLACES = np.unique(Y, return_inverse=True)
X = (RNG.normal(size=(150, 4)) + PLACES[:, None] * [1.0, -0.5, 0, 0]).astype(np.float32)
ENGINES = ["numpy", "numba"]


def network(loss="cross_entropy", units=3):
    return cr.Network([cr.Dense(6, "tanh", name="hidden"), cr.Dropout(0.2), cr.Dense(units)], loss)


def fitted(net=None, y=Y, **settings):
    net = net or network()
    return net, net.fit(X, y, **{"epochs": 3, "verbose": False, "batch_size": 16, **settings})


@pytest.mark.parametrize("draws", [[50, 50, 50], [10, 139, 1], [150, 0, 0]])
def test_each_class_has_its_draws_and_no_row_comes_again_before_all_others(draws):
    sampler = Sampler(7, PLACES, draws)
    for epoch in range(4):
        order = sampler.order(150, epoch)
        assert np.bincount(PLACES[order], minlength=3).tolist() == draws
        for k, count in enumerate(draws):
            size = int((k == PLACES).sum())
            times = np.bincount(order, minlength=150)[k == PLACES]
            assert set(times.tolist()) <= {count // size, -(-count // size)}


def test_an_epochs_rows_depend_on_seed_and_epoch_alone():
    one, other = Sampler(7, PLACES, [50] * 3), Sampler(7, PLACES, [50] * 3)
    for epoch in (5, 0, 5):
        assert np.array_equal(one.order(150, epoch), other.order(150, epoch))
    assert not np.array_equal(one.order(150, 0), one.order(150, 1))
    assert not np.array_equal(one.order(150, 0), Sampler(8, PLACES, [50] * 3).order(150, 0))


def test_rows_of_a_class_are_mixed_with_those_of_others():
    drawn = PLACES[Sampler(0, PLACES, [50] * 3).order(150, 0)]
    halves = [np.bincount(part, minlength=3) for part in (drawn[:75], drawn[75:])]
    assert min(map(min, halves)) >= 15


@pytest.mark.parametrize("engine", ENGINES)
def test_training_takes_the_rows_that_are_drawn(engine):
    """The fit on drawn rows is the fit on a table that holds them in their order."""
    net, history = fitted(engine=engine, sampling="balanced", seed=4, epochs=1)
    order = Sampler(4, PLACES, [50] * 3).order(150, 0)
    other = network()
    told = other.fit(
        X[order], Y[order], epochs=1, batch_size=16, shuffle=False, seed=4, engine=engine, verbose=False
    )
    assert_same(net, history, other, told)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sampling", ["balanced", {"no": 0.5, "maybe": 0.25, "yes": 0.25}])
@pytest.mark.parametrize("table", [X, sparse.csr_array(X * (X > 0))], ids=["dense", "sparse"])
def test_a_sampled_fit_goes_on_bit_for_bit(table, sampling, engine, tmp_path):
    given = {
        "epochs": 4,
        "batch_size": 16,
        "sampling": sampling,
        "engine": engine,
        "verbose": False,
        "sample_weight": np.linspace(0.5, 2, len(X)),
        "class_weight": {"yes": 2.0},
    }
    net, other = network(), network()
    history = net.fit(table, Y, **given)
    with pytest.raises(Stop):
        network().fit(table, Y, callbacks=[StopAfter(tmp_path, 3, every_steps=5)], **given)
    going_on = other.fit(table, Y, callbacks=[cr.Checkpoint(tmp_path, every_steps=5)], resume=True, **given)
    assert_same(net, history, other, going_on)


def test_another_sampling_is_another_fit(tmp_path):
    fitted(sampling="balanced", callbacks=[cr.Checkpoint(tmp_path)])
    for other in (None, {"no": 0.5, "maybe": 0.25, "yes": 0.25}):
        with pytest.raises(CheckpointError, match=r"plan\.sampling.* there, .* here"):
            fitted(sampling=other, callbacks=[cr.Checkpoint(tmp_path)], resume=True)
    # equal shares by name and as a dict are one sampling
    shares = dict.fromkeys(CLASSES.tolist(), 1 / 3)
    assert fitted(sampling=shares, callbacks=[cr.Checkpoint(tmp_path)], resume=True)[1].epochs == 3


def test_a_fit_that_goes_on_draws_the_epochs_that_come_next():
    net, _ = fitted(sampling="balanced", epochs=4, optimizer=cr.SGD(0.1))
    other, _ = fitted(sampling="balanced", epochs=2, optimizer=cr.SGD(0.1))
    fitted(other, sampling="balanced", epochs=2, optimizer=cr.SGD(0.1), go_on=True)
    assert all(np.array_equal(net.parameters[name], other.parameters[name]) for name in net.parameters)


def test_rare_classes_are_found():
    X2 = np.r_[RNG.normal(size=(380, 2)), RNG.normal(1.5, 1, size=(20, 2))]
    y2 = np.arange(400) >= 380
    recalls = {}
    for sampling in (None, "balanced"):
        net = cr.Network([cr.Dense(1)], "binary_cross_entropy")
        net.fit(X2, y2, epochs=40, optimizer=cr.Adam(0.05), sampling=sampling, verbose=False)
        recalls[sampling] = net.score(X2, y2, "recall")
    assert recalls["balanced"] > recalls[None] + 0.3


def test_folds_and_the_table_of_epochs_take_it_too():
    report = network().fit_cross_validated_stopping(
        X, Y, epochs=2, cv=2, sampling="balanced", verbose=False, seed=1
    )
    assert report.epochs in (1, 2)


def test_a_class_without_rows_gets_none():
    net = network(units=4)
    net.fit(X, PLACES, epochs=1, sampling="balanced", verbose=False)
    assert net.classes.tolist() == [0, 1, 2, 3]


# estimators -----------------------------------------------------------------------------------


def model(**settings):
    return cr.MLPClassifier(
        (6,), **{"max_iter": 15, "tol": 0, "random_state": 0, "learning_rate_init": 0.02, **settings}
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("loss", "y"),
    [("log_loss", Y), ("log_loss", Y == "no"), ("focal", Y == "no"), ("mse", Y), ("hinge", Y == "no")],
)
def test_estimators_draw_by_classes_whatever_the_loss(loss, y):
    plain, sampled, again = (
        model(loss=loss, sampling=sampling).fit(X, y) for sampling in (None, "balanced", "balanced")
    )
    rare = Y != "no"
    found = [(m.predict(X)[rare] == y[rare]).mean() for m in (plain, sampled)]
    assert found[1] > found[0]
    assert all(np.array_equal(a, b) for a, b in zip(sampled.coefs_, again.coefs_, strict=True))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_held_back_rows_are_not_drawn_by_classes():
    """The curve of rows held back is that of the very network on them, each once."""
    held = X[::3], Y[::3]
    sampled = model(sampling="balanced").fit(X, Y, X_val=held[0], y_val=held[1])
    last = -np.log(sampled.predict_proba(held[0])[np.arange(50), PLACES[::3]]).mean()
    assert sampled.validation_loss_curve_[-1] == pytest.approx(last, rel=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_search_chooses_a_sampling_and_files_keep_it(tmp_path):
    search = GridSearchCV(model(), {"sampling": [None, "balanced"]}, scoring="recall_macro", cv=2).fit(X, Y)
    assert search.best_params_ == {"sampling": "balanced"}
    search.best_estimator_.save(tmp_path / "m")
    assert cr.MLPClassifier.load(tmp_path / "m").sampling == "balanced"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_sampled_estimator_goes_on_and_not_by_another_score(tmp_path):
    settings = {"sampling": "balanced", "early_stopping": True, "scoring": "f1_macro", "n_iter_no_change": 50}
    whole = model(**settings, max_iter=6).fit(X, Y)
    model(**settings, max_iter=3, callbacks=[cr.Checkpoint(tmp_path)]).fit(X, Y)
    kept = {"callbacks": [cr.Checkpoint(tmp_path)], "resume": True, "max_iter": 6}
    again = model(**settings, **kept).fit(X, Y)
    assert again.validation_scores_ == whole.validation_scores_
    assert all(np.array_equal(a, b) for a, b in zip(whole.coefs_, again.coefs_, strict=True))
    with pytest.raises(CheckpointError, match="scoring: 'f1_macro' there, 'accuracy' here"):
        model(**{**settings, "scoring": "accuracy"}, **kept).fit(X, Y)
    with pytest.raises(CheckpointError, match=r"plan\.sampling: .* there, None here"):
        model(**{**settings, "sampling": None}, **kept).fit(X, Y)


# what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"sampling": "balance"}, UnknownNameError, "sampling 'balance' is unknown; did you mean 'balanced'"),
        ({"sampling": 3}, ParameterError, "sampling must be a dict or 'balanced', got 3"),
        (
            {"sampling": {"never": 1.0}},
            ParameterError,
            "'never' is not among the classes, 'maybe', 'no', 'yes'",
        ),
        ({"sampling": {"no": 1.0}}, ParameterError, "the share of class 'maybe' is missing"),
        (
            {"sampling": {"no": 0.5, "maybe": 0.1, "yes": 0.1}},
            ParameterError,
            r"must be above 0 and sum to 1, got \{'no': 0.5",
        ),
        ({"sampling": {"no": 0.5, "maybe": 0.5, "yes": 0.0}}, ParameterError, "must be above 0 and sum to 1"),
        (
            {"sampling": {"no": 0.5, "maybe": 0.499, "yes": 0.001}},
            DataError,
            "with 150 rows an epoch has none of class 'yes'. Raise its share",
        ),
        (
            {"sampling": "balanced", "shuffle": False},
            ParameterError,
            "sampling and shuffle=False contradict each other",
        ),
        (
            {"sampling": "balanced", "class_weight": "balanced"},
            ParameterError,
            "sampling and class_weight='balanced' contradict each other: both even",
        ),
        (
            {"sampling": "balanced", "optimizer": "lbfgs"},
            ParameterError,
            "sampling and LBFGS contradict each other: the rule takes all rows at once",
        ),
    ],
)
def test_what_sampling_refuses(settings, kind, message):
    net = network()
    with pytest.raises(kind, match=message):
        fitted(net, **settings)
    assert not net.built


def test_sampling_is_for_classes():
    with pytest.raises(ParameterError, match="sampling: is for networks with one output of classes"):
        fitted(network("mse", 1), X[:, 0], sampling="balanced")
    inputs = cr.Input(4)
    two = cr.Network([cr.Dense(3)(inputs), cr.Dense(3)(inputs)], ["cross_entropy"] * 2)
    with pytest.raises(ParameterError, match="sampling: is for networks with one output of classes"):
        two.fit(X, [Y, Y], sampling="balanced", verbose=False)
    with pytest.raises(DataError, match="there is no row of class 3 to draw"):
        network(units=4).fit(X, PLACES, sampling={0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25}, verbose=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: model(sampling="balanced", solver="lbfgs").fit(X, Y),
            "sampling and solver='lbfgs' contradict",
        ),
        (lambda: model(sampling="balanced", class_weight="balanced").fit(X, Y), "both even the classes out"),
        (
            lambda: model(sampling="balanced", shuffle=False).fit(X, Y),
            "sampling and shuffle=False contradict",
        ),
        (lambda: model(sampling="balanced").fit(X, np.c_[PLACES > 0, PLACES > 1]), "is for one label a row"),
        (
            lambda: model(sampling="balanced").partial_fit(X, Y, classes=CLASSES),
            "partial_fit: sampling needs all rows at once",
        ),
        (lambda: model(sampling="evenly").fit(X, Y), "sampling 'evenly' is unknown"),
    ],
)
def test_what_estimators_refuse(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
