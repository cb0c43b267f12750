"""Plots: each figure shows what it says, with labels, and every mistake is said."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule import checks
from chainrule.explain.plots.distributions import quantiles, spread
from chainrule.explain.plots.plotting import file_of


def data(rows=60, seed=0):
    X = np.random.default_rng(seed).normal(size=(rows, 2))
    return X, np.where(X[:, 0] * X[:, 1] > 0, "same $", "other")


def network():
    return cr.Network([cr.Dense(6, "tanh"), cr.Dense(4, "relu"), cr.Dense(2)], "cross_entropy")


@pytest.fixture(scope="module")
def trained():
    """A network with all records of its training, its rows and classes."""
    X, y = data()
    records = cr.Histograms(X, y, bins=20, most=8), cr.DescentPath(), cr.HiddenViews(X, y, rows=40, most=4)
    net = network()
    net.metadata["columns"] = ["width", "height"]
    net.fit(
        X,
        y,
        optimizer=cr.Adam(0.05),
        epochs=21,
        verbose=False,
        engine="numpy",
        callbacks=[*records, cr.Callback()],
    )
    return net, X, y, *records


def drawn(figure):
    """The figure, which must show something."""
    assert pixels(figure)[..., :3].std() > 2
    return figure


def pixels(figure):
    figure.set_dpi(40)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).astype(float)


def parts(figure):
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_label() != "<colorbar>"]


# records --------------------------------------------------------------------------------------


def test_records_keep_the_start_the_end_and_no_more_than_they_say(trained):
    *_, histograms, path, views = trained
    assert histograms.epochs == [0, 4, 8, 12, 16, 20, 21]
    assert path.epochs == list(range(22))
    assert views.epochs == [0, 8, 16, 21]
    for most in range(2, 9):
        record = cr.DescentPath(most)
        network().fit(*data(10), epochs=13, verbose=False, engine="numpy", callbacks=[record])
        assert len(record.epochs) <= most + 1
        assert (record.epochs[0], record.epochs[-1]) == (0, 13)
        assert record.epochs == sorted(set(record.epochs))


def test_a_path_holds_the_weights_of_each_epoch():
    X, y = data(20)
    record, net = cr.DescentPath(), network()
    net.fit(X, y, epochs=1, verbose=False, engine="numpy", callbacks=[record], seed=3)
    other = network()
    other.build(2, seed=3)
    names = list(net.parameters)
    assert record.flat(names)[0] == pytest.approx(
        np.concatenate([other.parameters[n].ravel() for n in names])
    )
    assert record.flat(names)[-1] == pytest.approx(np.concatenate([net.parameters[n].ravel() for n in names]))


def test_histograms_count_every_number(trained):
    net, X, _, record, *_ = trained
    assert record.names("activations") == ["hidden1", "hidden2", "output"]
    assert record.names("weights") == record.names("gradients") == list(net.parameters)
    for name, value in net.parameters.items():
        low, high, counts = record.kept[-1]["weights", name]
        assert counts.sum() == value.size
        assert (low, high) == pytest.approx((value.min(), value.max()), rel=1e-5)
    low, high, counts = record.kept[-1]["activations", "hidden1"]
    activations = np.tanh(X @ net["hidden1"].W + net["hidden1"].b)
    assert counts.sum() == activations.size
    assert (low, high) == pytest.approx((activations.min(), activations.max()), rel=1e-4)


def test_gradients_in_histograms_are_the_losss(trained):
    net, X, y, record, *_ = trained
    low, high, _ = record.kept[-1]["gradients", "output.b"]
    hot = np.array(net.classes)[None] == y[:, None]
    slopes = (net.predict_proba(X) - hot).mean(axis=0)
    assert (low, high) == pytest.approx((slopes.min(), slopes.max()), rel=1e-3, abs=1e-8)


def test_without_rows_there_are_weights_alone():
    record, net = cr.Histograms(), cr.Network([cr.Dense(3, "relu"), cr.Dense(3)], "mse")
    net.fit(np.ones((4, 2)), np.ones((4, 3)), epochs=2, verbose=False, engine="numpy", callbacks=[record])
    assert record.names("gradients") == record.names("activations") == []
    assert len(parts(cr.plots.histograms(record))) == 4


def test_a_layer_used_twice_has_two_histograms():
    x, layer = cr.Input(2), cr.Dense(2, "tanh")
    net = cr.Network(cr.Dense(1)(layer(layer(x))), "mse")
    record = cr.Histograms(np.ones((3, 2)))
    net.fit(np.ones((3, 2)), np.ones(3), epochs=1, verbose=False, engine="numpy", callbacks=[record])
    assert record.names("activations") == ["hidden1", "hidden1, use 2", "output"]


# histograms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "panels"), [("weights", 6), ("activations", 3), ("gradients", 6)])
def test_histograms_have_a_panel_for_each_layer(trained, kind, panels):
    record = trained[3]
    figure = cr.plots.histograms(record, kind)
    assert [axes.get_title(loc="left") for axes in parts(figure)] == record.names(kind)
    assert len(parts(figure)) == panels
    for axes in parts(figure):
        assert axes.get_xlabel() == "epoch"
        assert list(axes.lines[0].get_xdata()) == record.epochs
        assert axes.collections[0].get_array().max() > 0


def test_histograms_of_chosen_parameters(trained):
    figure = drawn(cr.plots.histograms(trained[3], names=["output.W"]))
    (axes,) = parts(figure)
    median = axes.lines[0].get_ydata()[-1]
    below, above = np.sort(trained[0]["output"].W.ravel())[3:5]
    bin_width = np.ptp(trained[0]["output"].W) / 20
    assert below - bin_width <= median <= above + bin_width


def test_a_histogram_has_the_quantiles_of_its_numbers():
    values = np.random.default_rng(0).normal(size=20000)
    counts, edges = np.histogram(values, bins=200)
    shares = [0.05, 0.5, 0.95]
    assert quantiles(edges[0], edges[-1], counts, shares) == pytest.approx(
        np.quantile(values, shares), abs=0.02
    )
    assert spread(0.0, 2.0, np.array([4, 2]), np.array([-1.0, 0.5, 1.5, 3.0])).tolist() == [2.0, 3.0, 1.0]


# decision regions -----------------------------------------------------------------------------


def test_decision_regions_show_classes_points_and_names(trained):
    net, X, y, *_ = trained
    (axes,) = parts(drawn(cr.plots.decision_regions(net, X, y, resolution=40)))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width", "height")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["other", r"same \$"]
    drawn_points = [c.get_offsets() for c in axes.collections if len(c.get_offsets()) > 1]
    assert sum(map(len, drawn_points)) == len(X)
    image = axes.images[0]
    x0, x1, y0, y1 = image.get_extent()
    assert x0 < X[:, 0].min() < X[:, 0].max() < x1
    rgb = image.get_array()
    for column, row in [(5, 5), (30, 8), (20, 33)]:
        at = [[x0 + (x1 - x0) * column / 39, y0 + (y1 - y0) * row / 39]]
        blue = rgb[row, column, 2] > rgb[row, column, 0]
        assert blue == (net.predict(at)[0] == "other")


def test_decision_regions_without_classes_given_and_of_values(trained):
    net, X, *_ = trained
    (axes,) = parts(drawn(cr.plots.decision_regions(net, X, resolution=20)))
    assert axes.get_legend() is None
    values = cr.Network([cr.Dense(3, "tanh"), cr.Dense(1)], "mse")
    values.build(2)
    for y in (None, X[:, 0]):
        figure = drawn(cr.plots.decision_regions(values, X, y, resolution=20))
        assert parts(figure)[0].get_xlabel() == "x[0]"
        assert "predicted" in figure.axes[1].get_ylabel()


def test_decision_regions_of_two_classes_in_one_output():
    X, y = data()
    net = cr.Network([cr.Dense(1)], "binary_cross_entropy")
    net.fit(X, y, epochs=1, verbose=False, engine="numpy")
    (axes,) = parts(drawn(cr.plots.decision_regions(net, X, y, resolution=20)))
    assert len(axes.get_legend().get_texts()) == 2


# error surface --------------------------------------------------------------------------------


def two_weights():
    """A line through points: its error is a bowl that can be written down."""
    x = np.array([-1.0, 0.0, 1.0, 2.0])
    net = cr.Network([cr.Dense(1, weights=[[0.5]], bias=[1.0])], "mse", "float64")
    return net, x[:, None], 2 * x - 1


def test_the_surface_is_the_loss_and_the_network_stays_as_it_was():
    net, X, y = two_weights()
    before = {name: value.copy() for name, value in net.parameters.items()}
    names = ("output.W[0, 0]", "output.b[0]")
    figure = drawn(cr.plots.error_surface(net, X, y, names, span=3.0, resolution=15))
    (axes,) = parts(figure)
    assert (axes.get_xlabel(), axes.get_ylabel()) == names
    assert figure.axes[1].get_ylabel() == "loss"
    low, high = axes.get_xlim()
    assert low < 0.5 - 3 < 0.5 + 3 < high
    for name, value in net.parameters.items():
        assert (value == before[name]).all()
    losses = []
    for w, b in [(2.0, -1.0), (0.5, 1.0)]:
        net.set_parameters({"output.W": [[w]], "output.b": [b]})
        losses.append(net.calculate_loss(X, y))
    assert losses[0] == pytest.approx(0)
    assert figure.axes[1].get_ylim()[0] < 0.5 < losses[1] < figure.axes[1].get_ylim()[1]


def test_the_path_is_drawn_over_its_weights_and_its_components():
    net, X, y = two_weights()
    path = cr.DescentPath()
    net.fit(
        X, y, optimizer=cr.SGD(0.05), epochs=12, batch_size=4, verbose=False, engine="numpy", callbacks=[path]
    )
    (axes,) = parts(cr.plots.error_surface(net, X, y, ("output.W[0, 0]", "b1[0]"), path=path, resolution=9))
    line = next(own for own in axes.lines if own.get_label() == "path of descent")
    assert line.get_xydata() == pytest.approx(path.flat(["output.W", "output.b"]))
    (axes,) = parts(drawn(cr.plots.error_surface(net, X, y, path=path, resolution=9)))
    assert axes.get_xlabel().startswith("component 1 of the path (")
    line = next(own for own in axes.lines if own.get_label() == "path of descent")
    # Two directions hold all of two weights: distances along the path stay as they are.
    moves = np.diff(path.flat(["output.W", "output.b"]), axis=0)
    assert np.linalg.norm(np.diff(line.get_xydata(), axis=0), axis=1) == pytest.approx(
        np.linalg.norm(moves, axis=1)
    )
    assert line.get_xydata()[-1] == pytest.approx(0, abs=1e-9)


# first layer ----------------------------------------------------------------------------------


def test_the_first_layers_weights_are_images():
    net = cr.Network([cr.Standardize(np.zeros(16), np.ones(16)), cr.Dense(5, "relu"), cr.Dense(2)], "mse")
    net.build(16)
    figure = drawn(cr.plots.first_layer(net))
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert len(images) == 5
    assert images[3] == pytest.approx(net["hidden1"].W[:, 3].reshape(4, 4))
    figure = cr.plots.first_layer(net, (2, 8), most=3)
    assert [axes.images[0].get_array().shape for axes in figure.axes if axes.images] == [(2, 8)] * 3
    strength = (net["hidden1"].W ** 2).sum(axis=0)
    titles = [int(axes.get_title()) for axes in figure.axes if axes.images]
    assert set(titles) == set(np.argsort(-strength)[:3].tolist())


# hidden layers --------------------------------------------------------------------------------


def test_hidden_layers_over_a_training_by_principal_components(trained):
    net, X, _, *_, views = trained
    figure = drawn(cr.plots.hidden_layers(views))
    assert [axes.get_title(loc="left") for axes in parts(figure)][:4] == [
        f"hidden1, epoch {k}" for k in (0, 8, 16, 21)
    ]
    assert len(parts(figure)) == 8
    last = parts(figure)[3]
    points = np.concatenate([np.asarray(own.get_offsets()) for own in last.collections])
    assert len(points) == 40
    chosen = np.linspace(0, 59, 40).round().astype(int)
    view = np.tanh(X[chosen] @ net["hidden1"].W + net["hidden1"].b)
    view = view - view.mean(axis=0)
    strength = np.linalg.svd(view, compute_uv=False)[:2]
    assert np.sqrt((points**2).sum(axis=0)) == pytest.approx(strength, rel=1e-4)
    assert [text.get_text() for text in last.get_legend().get_texts()] == ["other", r"same \$"]


def test_hidden_layers_of_a_network_by_neighbours(trained):
    net, X, y, *_ = trained
    figure = drawn(cr.plots.hidden_layers(net, X[:24], y[:24], method="tsne", layer="hidden2"))
    (axes,) = parts(figure)
    assert axes.get_title(loc="left") == "hidden2, 4 neurons"
    assert axes.get_xlabel() == "t-SNE 1"
    again = cr.plots.hidden_layers(net, X[:24], y[:24], method="tsne", layer="hidden2")
    for a, b in zip(axes.collections, parts(again)[0].collections, strict=True):
        assert (a.get_offsets() == b.get_offsets()).all()


def test_hidden_layers_with_values_without_classes_and_of_one_neuron():
    X, _ = data(30)
    net = cr.Network([cr.Dense(1, "tanh"), cr.Dense(1)], "mse")
    net.build(2)
    figure = drawn(cr.plots.hidden_layers(net, X, X[:, 0]))
    assert figure.axes[1].get_ylabel() == "target"
    assert parts(figure)[0].get_xlabel() == "activation"
    drawn(cr.plots.hidden_layers(net, X))
    drawn(cr.plots.hidden_layers(net, X, method="tsne"))


# mistakes -------------------------------------------------------------------------------------


def built(*layers, inputs=2, loss="mse"):
    net = cr.Network(list(layers), loss)
    net.build(inputs)
    return net


X, Y = data(12)
BLANK = cr.Network([cr.Dense(1)], "mse")
ONE = built(cr.Dense(1))
DEEP = built(cr.Dense(2, "tanh"), cr.Dense(1))
LINE, STRAIGHT = cr.DescentPath(), cr.Network([cr.Dense(1, weights=[[0.0], [0.0]], bias=False)], "mse")
STRAIGHT.fit(
    np.eye(2),
    [1.0, 1.0],
    epochs=3,
    batch_size=2,
    optimizer="sgd",
    verbose=False,
    engine="numpy",
    callbacks=[LINE],
)
MISTAKES = [
    (lambda: cr.Histograms(y=[1]), "ParameterError", "Pass X as well as y"),
    (lambda: cr.Histograms(bins=0), "ParameterError", "bins must be a positive int"),
    (lambda: cr.DescentPath(most=1), "ParameterError", "most must be at least 2"),
    (lambda: cr.HiddenViews(X, rows=0), "ParameterError", "rows must be a positive int"),
    (lambda: cr.plots.histograms(cr.Histograms(), "weight"), "UnknownNameError", "did you mean 'weights'"),
    (lambda: cr.plots.histograms(cr.Histograms()), "ParameterError", "has kept nothing yet. Pass it to fit"),
    (lambda: cr.plots.decision_regions(BLANK, X), "NotFittedError", "no weights yet"),
    (
        lambda: cr.plots.decision_regions(built(cr.Dense(1), inputs=3), X),
        "ParameterError",
        "the network has 3 inputs",
    ),
    (lambda: cr.plots.decision_regions(built(cr.Dense(2)), X), "ParameterError", "gives 2 values"),
    (lambda: cr.plots.decision_regions(ONE, X, [1.0]), "ParameterError", "each of 12 rows, got shape"),
    (
        lambda: cr.plots.decision_regions(ONE, X, resolution=0),
        "ParameterError",
        "resolution must be a positive",
    ),
    (lambda: cr.plots.decision_regions(ONE, X[:, :1]), "ShapeError", "1"),
    (lambda: cr.plots.error_surface(BLANK, X, Y), "NotFittedError", "no weights yet"),
    (lambda: cr.plots.error_surface(ONE, X, X[:, 0]), "ParameterError", "name two weights, or pass the path"),
    (
        lambda: cr.plots.error_surface(ONE, X, X[:, 0], "W1"),
        "ParameterError",
        "weights are two names, got 'W1'",
    ),
    (
        lambda: cr.plots.error_surface(ONE, X, X[:, 0], ("W1[0, 0]", "output.W[0, 0]")),
        "ParameterError",
        "is named twice",
    ),
    (
        lambda: cr.plots.error_surface(ONE, X, X[:, 0], ("W1[0, 0]", "V[0]")),
        "UnknownNameError",
        "'V' is unknown",
    ),
    (lambda: cr.plots.error_surface(ONE, X, X[:, 0], ("W1[0, 0]", "x[0]")), "ParameterError", "is no weight"),
    (lambda: cr.plots.error_surface(ONE, X, X[:, 0], ("W1[0, 0]", "W1[0, 3]")), "ShapeError", "3"),
    *(
        (lambda own=own: cr.plots.error_surface(ONE, X, Y, ("W1", "W2"), **own), "ParameterError", message)
        for own, message in (
            ({"span": -1}, "span must be above 0 and finite, got -1"),
            ({"span": math.nan}, "span must be above 0"),
            ({"resolution": 1}, "resolution must be at least 2"),
        )
    ),
    (
        lambda: cr.plots.error_surface(ONE, X, X[:, 0], path=cr.DescentPath()),
        "ParameterError",
        "kept nothing yet",
    ),
    (
        lambda: cr.plots.error_surface(DEEP, X, X[:, 0], path=LINE),
        "ParameterError",
        "that of another network",
    ),
    (
        lambda: cr.plots.error_surface(STRAIGHT, X, X[:, 0], path=LINE),
        "ParameterError",
        "does not leave a line",
    ),
    (lambda: cr.plots.first_layer(BLANK), "NotFittedError", "no weights yet"),
    (lambda: cr.plots.first_layer(built(cr.LayerNorm())), "ParameterError", "no layer with weights"),
    (lambda: cr.plots.first_layer(ONE), "ShapeError", "2 inputs are no square image"),
    (lambda: cr.plots.first_layer(ONE, (2, 2)), "ShapeError", "2 x 2 has 4 pixels, the layer 2 inputs"),
    (lambda: cr.plots.first_layer(ONE, 2), "ShapeError", r"must be \(height, width\), got 2"),
    (lambda: cr.plots.first_layer(ONE, (1, 2), most=0), "ParameterError", "most must be a positive int"),
    (lambda: cr.plots.hidden_layers(DEEP), "ParameterError", "needs rows to look at"),
    (lambda: cr.plots.hidden_layers(DEEP, X, method="pka"), "UnknownNameError", "did you mean 'pca'"),
    (lambda: cr.plots.hidden_layers(DEEP, X, layer="hidden2"), "UnknownNameError", "did you mean 'hidden1'"),
    (lambda: cr.plots.hidden_layers(DEEP, X[:9], method="tsne"), "ParameterError", "at least 10 rows, got 9"),
    (lambda: cr.plots.hidden_layers(DEEP, X[:1]), "ParameterError", "one row is no picture"),
    (lambda: cr.plots.hidden_layers(ONE, X), "ParameterError", "has no hidden layer"),
    (lambda: cr.plots.hidden_layers(DEEP, X, [1.0]), "ParameterError", "for each of 12 rows, got shape"),
    (lambda: cr.plots.hidden_layers(cr.HiddenViews(X), X), "ParameterError", "Leave X and y out"),
    (lambda: cr.plots.hidden_layers(cr.HiddenViews(X)), "ParameterError", "has kept nothing yet"),
]


def test_rows_that_a_layer_sees_alike_are_one_point():
    (axes,) = parts(cr.plots.hidden_layers(DEEP, np.ones((12, X.shape[1]))))
    assert np.ptp(axes.collections[0].get_offsets(), axis=0).max() == 0
    assert axes.get_xlabel() == "component 1 (0%)"


@pytest.mark.parametrize(
    ("call", "kind", "message"), MISTAKES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_mistake_is_said(call, kind, message):
    with pytest.raises(getattr(cr.errors, kind), match=message):
        call()


def test_mistakes_with_a_record(trained):
    record = trained[3]
    with pytest.raises(cr.errors.UnknownNameError, match=r"did you mean 'hidden1\.W'"):
        cr.plots.histograms(record, names=["hidden1.V"])
    blank = cr.Histograms()
    network().fit(*data(10), epochs=1, verbose=False, engine="numpy", callbacks=[blank])
    with pytest.raises(cr.errors.ParameterError, match=r"no gradients\. Make it with Histograms\(X and y\)"):
        cr.plots.histograms(blank, "gradients")
    short, net = cr.DescentPath(), network()
    net.fit(*data(10), epochs=1, verbose=False, engine="numpy", callbacks=[short])
    with pytest.raises(cr.errors.ParameterError, match="kept 2 of the moments, needs 3"):
        cr.plots.error_surface(net, *data(10), path=short)
    deep = cr.Network([cr.Dense(2) for _ in range(16)], "mse")
    many = cr.Histograms()
    deep.fit(np.ones((2, 2)), np.ones((2, 2)), epochs=1, verbose=False, engine="numpy", callbacks=[many])
    with pytest.raises(cr.errors.ParameterError, match="32 panels, at most 30"):
        cr.plots.histograms(many)


def test_a_loss_that_is_nowhere_finite_is_said():
    net, X, y = two_weights()
    net.set_parameters({"output.b": [1e200]})
    with pytest.raises(cr.errors.ParameterError, match="nowhere finite"), np.errstate(over="ignore"):
        cr.plots.error_surface(net, X, y, ("W1[0, 0]", "b1[0]"), resolution=3)


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch, trained):
    net, X, y, record, path, views = trained
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    for call in (
        lambda: cr.plots.histograms(record),
        lambda: cr.plots.decision_regions(net, X, y, resolution=5),
        lambda: cr.plots.error_surface(net, X, y, path=path, resolution=3),
        lambda: cr.plots.first_layer(net, (1, 2)),
        lambda: cr.plots.hidden_layers(views),
    ):
        with pytest.raises(cr.errors.MissingExtraError, match=r"chainrule\[plot"):
            call()


def test_sparse_rows_are_taken(trained):
    from scipy.sparse import csr_array

    net, X, y, _, path, _ = trained
    sparse = csr_array(X)
    whole, packed = (cr.plots.decision_regions(net, rows, y, resolution=10).axes[0] for rows in (X, sparse))
    assert (whole.images[0].get_array() == packed.images[0].get_array()).all()
    cr.plots.error_surface(net, sparse, y, path=path, resolution=3)
    assert len(parts(cr.plots.hidden_layers(net, sparse, y))) == 2


def test_plots_leave_the_state_of_pyplot_alone(trained):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    first, again = (cr.plots.decision_regions(*trained[:3], resolution=10) for _ in range(2))
    assert pyplot.get_fignums() == before
    assert file_of(first, ".svg") == file_of(again, ".svg")
    assert file_of(first, ".png").startswith(b"\x89PNG")


# contact sheets -------------------------------------------------------------------------------


def digits(shape=(6, 5), n=12):
    return np.random.default_rng(0).random((n, int(np.prod(shape))))


def sheet_pixels(figure):
    """The images on a sheet of 6 by 5 pixels with gaps of 1, shape (rows, epochs + 1, 6, 5)."""
    board = figure.axes[0].images[0].get_array()[..., 0]
    down, across = (board.shape[0] + 1) // 7, board.shape[1] // 6
    lefts = [0, *(6 * k + 1 for k in range(1, across))]
    return np.array([[board[7 * i : 7 * i + 6, x : x + 5] for x in lefts] for i in range(down)])


def test_a_contact_sheet_shows_what_a_fit_would_see():
    X, augment = digits(), cr.Augment((6, 5), shift=1, noise=0.2)
    figure = drawn(cr.plots.contact_sheet(X, augment, list("abcdefghijkl"), rows=[3, 7], epochs=4, seed=9))
    found = sheet_pixels(figure)
    assert found.shape == (2, 5, 6, 5)
    low, high = X[[3, 7]].min(), X[[3, 7]].max()
    wanted = [X, *(augment(X, epoch=e, seed=9) for e in range(4))]
    for k, images in enumerate(wanted):
        scaled = np.clip((images[[3, 7]] - low) / (high - low), 0, 1).reshape(2, 6, 5)
        np.testing.assert_allclose(found[:, k], scaled, atol=1e-6)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["d\nrow 3", "h\nrow 7"]
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "as it is",
        *(f"epoch {k}" for k in (1, 2, 3, 4)),
    ]
    assert figure.get_suptitle() == "shift=1, noise=0.2"


def test_a_contact_sheet_spreads_its_rows_over_the_images_and_shows_colours():
    X = np.zeros((30, 4, 4, 3))
    X[..., 1] = 1
    figure = cr.plots.contact_sheet(X, cr.Augment((4, 4, 3), rotate=5, fill=0.5), rows=3, epochs=1)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["row 0", "row 14", "row 29"]
    assert np.array_equal(figure.axes[0].images[0].get_array()[0, 0], [0, 1, 0])
    assert figure.get_suptitle() == "rotate=5, fill=0.5"
    grey = cr.plots.contact_sheet(np.zeros((2, 16)), cr.Augment((4, 4), shift=1))
    assert len(grey.axes[0].get_yticklabels()) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": "shift=1"}, "augment must be an Augment, got 'shift=1'"),
        ({"rows": 0}, "rows must be a positive int"),
        ({"rows": [12]}, r"rows must be 1 to 24 of 12 images, counted from 0, got \[12\]"),
        ({"rows": []}, "rows must be 1 to 24"),
        ({"rows": ["a"]}, "rows must be an int"),
        ({"epochs": 25}, "epochs must be at most 24"),
        ({"y": [1, 2]}, r"12 images and y of shape \(2,\)"),
        ({"X": np.zeros((12, 7))}, "expected images of shape"),
    ],
)
def test_a_contact_sheet_of_nothing_is_refused(settings, message):
    given = {"X": digits(), "augment": cr.Augment((6, 5), shift=1), **settings}
    with pytest.raises(cr.errors.ChainruleError, match=message):
        cr.plots.contact_sheet(**given)
