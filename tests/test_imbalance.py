"""Tools for classes of unequal size side by side, and pictures of whether probabilities come true."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, balanced_accuracy_score, classification_report

import chainrule as cr
from chainrule.errors import DataError, MissingExtraError, NotFittedError, ParameterError, UnknownNameError

RNG = np.random.default_rng(2)
X = RNG.normal(size=(600, 3)).astype(np.float32)
Y = np.where(X[:, 0] + RNG.normal(size=600) > 1.8, "yes", "no")
PARTS = [(X[rows], Y[rows]) for rows in (slice(0, 250), slice(250, 400), slice(400, None))]
TRAIN, HELD, TEST = PARTS
ALL = ["plain", "class_weight", "sampling", "over", "smote", "under", "focal", "threshold", "calibrated"]


def network(units=2, loss="cross_entropy"):
    return cr.Network([cr.Dense(8, "relu"), cr.Dense(units)], loss)


def compared(net=None, data=TRAIN, **settings):
    given = {"test_data": TEST, "epochs": 8, "optimizer": cr.Adam(0.02), "engine": "numpy", **settings}
    return cr.compare_imbalance(net or network(), *data, **given)


@pytest.fixture(scope="module")
def found():
    return compared(validation_data=HELD, tools=ALL, seed=3)


def test_each_tool_is_the_fit_that_one_would_make(found):
    own = network()
    own.fit(
        *TRAIN, epochs=8, optimizer=cr.Adam(0.02), engine="numpy", sampling="balanced", seed=3, verbose=False
    )
    same = found["sampling"].network
    assert all(np.array_equal(own.parameters[n], same.parameters[n]) for n in own.parameters)
    assert found["focal"].network.loss == "focal"
    plain = found["plain"].network
    assert plain.threshold is None
    tuned = found["threshold"].network
    assert tuned.threshold is not None
    assert all(np.array_equal(plain.parameters[n], tuned.parameters[n]) for n in plain.parameters)


def test_measures_are_scikit_learns(found):
    assert [r.tool for r in found.results] == ALL
    for result in found.results:
        predicted = result.network.predict(TEST[0])
        told = classification_report(TEST[1], predicted, output_dict=True, zero_division=0)
        for k, label in enumerate(("no", "yes")):
            own = {"recall": result.recall[k], "precision": result.precision[k], "f1-score": result.f1[k]}
            assert {name: told[label][name] for name in own} == own
            assert found.support[k] == told[label]["support"]
        p = result.network.predict_proba(TEST[0])[:, 1]
        assert result.average_precision == pytest.approx(average_precision_score(TEST[1] == "yes", p))
        assert result.balanced_accuracy == balanced_accuracy_score(TEST[1], predicted)


def test_what_the_tools_are_for(found):
    for tool in ("class_weight", "sampling", "over", "smote", "under", "threshold"):
        assert found[tool].recall[1] > found["plain"].recall[1]
        assert found[tool].recall[0] < found["plain"].recall[0]
    assert found["calibrated"].log_loss < found["sampling"].log_loss
    assert found["calibrated"].brier < found["sampling"].brier
    assert found["threshold"].log_loss == found["plain"].log_loss


def test_the_table_fits_a_terminal_and_says_all(found):
    lines = str(found).split("\n")
    assert max(map(len, lines)) <= 80
    title = f"'yes', {found.support[1]} rows"
    at = lines.index(f"{title:<36}{'recall':>9}{'precision':>11}{'F1':>7}")
    own = found["sampling"]
    assert lines[at + 3].split() == [
        "sampling",
        f"{own.recall[1]:.3f}",
        f"{own.precision[1]:.3f}",
        f"{own.f1[1]:.3f}",
    ]
    assert lines[-len(ALL)].split()[:2] == ["plain", f"{found['plain'].balanced_accuracy:.4f}"]
    told = found.to_json()
    assert told["classes"] == ["no", "yes"]
    assert told["tools"]["sampling"]["recall"] == own.recall.tolist()


def test_the_network_stays_as_it_is_and_starts_all_of_them(capsys):
    net = network()
    net.build(3, seed=5)
    before = net.parameters
    one = compared(net, tools=["plain", "sampling"], verbose=True)
    assert all(np.array_equal(before[n], net.parameters[n]) for n in before)
    assert capsys.readouterr().err == "1 of 2: plain\n2 of 2: sampling\n"
    assert one["plain"].log_loss == compared(net, tools=["plain"])["plain"].log_loss


@pytest.mark.parametrize(
    ("net", "y", "held", "tools"),
    [
        (network(), Y, None, ["plain", "class_weight", "sampling", "focal"]),
        (network(), Y, HELD, ["plain", "class_weight", "sampling", "focal", "threshold", "calibrated"]),
        (
            network(1, "binary_cross_entropy"),
            Y,
            HELD,
            ["plain", "class_weight", "sampling", "threshold", "calibrated"],
        ),
        (network(3), np.digitize(X[:, 0], [-1, 1]), None, ["plain", "class_weight", "sampling", "focal"]),
    ],
)
def test_without_names_all_that_is_possible_is_compared(net, y, held, tools):
    result = compared(net, (X[:250], y[:250]), test_data=(X[400:], y[400:]), validation_data=held, epochs=1)
    assert [r.tool for r in result.results] == tools
    assert len(result.results[0].recall) == len(result.classes) == (3 if net.outputs == 3 else 2)


def test_one_hot_rows_and_sparse_tables_are_resampled():
    one_hot = np.eye(2)[(Y == "yes").astype(int)]
    table = sparse.csr_array(X)
    result = compared(
        None,
        (table[:250], one_hot[:250]),
        test_data=(table[400:], one_hot[400:]),
        tools=["over", "plain"],
        epochs=2,
    )
    assert result.support.sum() == 200
    assert result.classes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        (
            {"sampling": "balanced"},
            ParameterError,
            "sampling is set by the comparison itself",
        ),
        ({"tools": "plain"}, ParameterError, "tools must be a list of names, got 'plain'"),
        ({"tools": []}, ParameterError, "tools must be a list of names"),
        ({"tools": ["smoote"]}, UnknownNameError, "tool 'smoote' is unknown; did you mean 'smote'"),
        (
            {"tools": ["threshold"]},
            ParameterError,
            "'threshold' is found on rows held apart",
        ),
        ({"tools": ["calibrated"]}, ParameterError, "'calibrated' is found on rows held apart"),
        (
            {"net": network(1, "binary_cross_entropy"), "tools": ["focal"]},
            ParameterError,
            "'focal' needs the loss cross_entropy, not binary_cross_entropy",
        ),
        (
            {"net": network(1, "hinge")},
            ParameterError,
            "and loss 'hinge' gives none",
        ),
        (
            {"net": network(1, "mse")},
            ParameterError,
            "is for probabilities of classes",
        ),
        (
            {
                "net": network(3),
                "data": (X, np.digitize(X[:, 0], [-1, 1])),
                "tools": ["threshold"],
                "validation_data": HELD,
            },
            ParameterError,
            "'threshold' is for two classes",
        ),
    ],
)
def test_what_the_comparison_refuses(settings, kind, message):
    with pytest.raises(kind, match=message):
        compared(**settings)


def test_results_are_looked_up_by_name(found):
    with pytest.raises(UnknownNameError, match="tool 'weights' is unknown"):
        found["weights"]


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr("chainrule.training.resampling.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"'smote' needs imbalanced-learn.*chainrule\[imbalance\]"):
        compared(tools=["smote"])


# pictures -------------------------------------------------------------------------------------


def test_the_picture_shows_scikit_learns_curve(found):
    nets = {name: found[name].network for name in ("plain", "sampling")}
    figure = cr.plots.reliability(nets, *TEST, bins=5)
    axes, below = figure.axes
    for line, net in zip(axes.lines[1:], nets.values(), strict=True):
        share, mean = calibration_curve(
            TEST[1] == "yes", net.predict_proba(TEST[0])[:, 1], n_bins=5, strategy="quantile"
        )
        assert np.allclose(line.get_xdata(), mean, atol=1e-6)
        assert np.allclose(line.get_ydata(), share)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain", "sampling"]
    assert axes.get_title(loc="left") == "200 rows"
    assert below.get_xlabel() == "probability of 'yes'"
    figure.canvas.draw()


def test_of_several_classes_it_is_the_one_that_is_predicted():
    y = np.digitize(X[:, 0], [-1, 1])
    net = network(3)
    net.fit(X, y, epochs=4, verbose=False)
    axes, below = cr.plots.reliability(net, X, y, bins=4).axes
    p = net.predict_proba(X)
    right = (net.predict(X) == y).mean()
    points = axes.lines[1]
    assert below.get_xlabel() == "probability of the class that is predicted"
    assert axes.get_legend() is None
    assert np.mean(points.get_ydata()) == pytest.approx(right, abs=0.01)
    assert np.mean(points.get_xdata()) == pytest.approx(p.max(axis=1).mean(), abs=0.01)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda net: cr.plots.reliability({}, *TEST), ParameterError, "from 1 to 8 networks have room"),
        (lambda net: cr.plots.reliability(dict.fromkeys("abcdefghi", net), *TEST), ParameterError, "got 9"),
        (lambda net: cr.plots.reliability(net, *TEST, bins=0), ParameterError, "bins must be a positive int"),
        (lambda net: cr.plots.reliability(network(), *TEST), NotFittedError, "no weights yet"),
        (lambda net: cr.plots.reliability(net, X[:0], Y[:0]), DataError, "is empty"),
    ],
)  # fmt: skip
def test_what_the_picture_refuses(found, call, kind, message):
    with pytest.raises(kind, match=message):
        call(found["plain"].network)
