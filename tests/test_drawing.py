"""Diagrams of networks: no two labels meet, the file is sound, and the numbers are the network's."""

import importlib.util
import io
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.explain.drawing.diagram_layout import choose_lanes
from chainrule.explain.drawing.diagram_summary import coarse
from chainrule.explain.drawing.svg import ABOVE, BELOW, cut, short, text_width, wrap

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture):
    root = ET.fromstring(picture.svg)
    assert (float(root.get("width")), float(root.get("height"))) == pytest.approx(
        (picture.width, picture.height), abs=0.01
    )
    return root


def label(element):
    """What an element shows; a title in it is no part of that."""
    return "".join([element.text or "", *(child.tail or "" for child in element)])


def boxes(root):
    """Every text with the box that it takes at most."""
    for element in root.iter(f"{SVG}text"):
        x, y, size = (float(element.get(key)) for key in ("x", "y", "font-size"))
        wide = text_width(label(element), size, element.get("font-weight") == "bold")
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[element.get("text-anchor")]
        yield label(element), (left, y - ABOVE * size, left + wide, y + BELOW * size)


def clashes(picture):
    """Texts that meet each other or a neuron that is not their own, or that leave the picture."""
    root = parsed(picture)
    texts, found = zip(*boxes(root), strict=True)
    x0, y0, x1, y1 = np.array(found).T
    outside = (np.minimum(x0, y0) < 0) | (x1 > picture.width) | (y1 > picture.height)
    wrong = [texts[i] for i in np.flatnonzero(outside)]
    wide = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0)
    high = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0)
    meet = np.triu((wide > 0.02) & (high > 0.02), 1)
    wrong += [(texts[i], texts[j]) for i, j in zip(*np.nonzero(meet), strict=True)]
    for circle in root.iter(f"{SVG}circle"):
        x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
        inside = (x - r <= x0) & (x1 <= x + r) & (y - r < y0) & (y1 < y + r)
        dx, dy = np.maximum(np.maximum(x0 - x, x - x1), 0), np.maximum(np.maximum(y0 - y, y - y1), 0)
        touching = (np.hypot(dx, dy) < r - 0.05) & ~inside
        wrong += [(texts[i], f"neuron at {x}, {y}") for i in np.flatnonzero(touching)]
    return wrong


def network(*sizes, scale=1.0, loss="mse", seed=0):
    net = cr.Network([*(cr.Dense(k, "tanh") for k in sizes[1:-1]), cr.Dense(sizes[-1])], loss, "float64")
    net.build(sizes[0])
    draw = np.random.default_rng(seed)
    net.set_parameters({name: scale * draw.normal(size=w.shape) for name, w in net.parameters.items()})
    return net


def rows_for(net, rows=3, scale=1.0):
    draw = np.random.default_rng(1)
    return scale * draw.normal(size=(rows, net.inputs)), scale * draw.normal(size=(rows, net.outputs))


SIZES = [
    *((a, b) for a in range(1, 13) for b in {1, 13 - a, 12}),
    *((a, b, a) for a, b in [(1, 12), (12, 1), (2, 2), (3, 8), (9, 4), (12, 12)]),
    *[(12, 12, 12, 12), (7, 11, 3, 9), (1, 2, 12, 5), (12, 1, 12, 1), (4, 4, 4, 4)],
]


@pytest.mark.parametrize("sizes", SIZES, ids=lambda sizes: "-".join(map(str, sizes)))
def test_no_labels_meet_in_networks_of_up_to_twelve_by_twelve(sizes):
    scale = [1.0, 1e-7, 1234.5][sum(sizes) % 3]
    net = network(*sizes, scale=scale)
    X, y = rows_for(net, scale=max(scale, 1.0))
    assert clashes(net.draw()) == []
    assert clashes(net.draw(X, y, edges="gradients", neurons="gradients")) == []


def test_a_clash_is_found():
    picture = network(2, 2).draw()
    root = parsed(picture)
    texts = list(root.iter(f"{SVG}text"))
    for key in ("x", "y"):
        texts[-1].set(key, texts[4].get(key))
    texts[5].set("x", "-3")
    moved = type(picture)(ET.tostring(root, "unicode"), "", picture.width, picture.height, 11.0)
    assert len(clashes(moved)) >= 2


def skipping():
    x = cr.Input(3)
    h = cr.Dense(3, "relu", name="first")(x)
    deep = cr.BatchNorm()(cr.Dense(3, "tanh")(cr.Dropout(0.2)(h)))
    net = cr.Network(cr.Dense(2)(cr.Concatenate()(deep * h + x, h, x)), "cross_entropy")
    net.build()
    return net


def several():
    a, b = cr.Input(2, name="left"), cr.Input(3, name="right")
    h = cr.Concatenate()(cr.Dense(3, "tanh")(a), cr.Maxout(2)(b))
    net = cr.Network([cr.Dense(1)(h), cr.Dense(2)(h), cr.Dense(3)(a)], ["mse", "cross_entropy", "mse"])
    net.build()
    return net


def scaled():
    layers = [
        cr.Standardize([1, 2], [3, 4]),
        cr.Pieces([[0.0, 1, 2]]),
        cr.Maxout(3),
        cr.LayerNorm(),
        cr.Dense(1),
    ]
    net = cr.Network([*layers, cr.Rescale([5.0], [2.0])], "mse")
    net.build(2)
    return net


def shared():
    x, layer = cr.Input(2), cr.Dense(2, "tanh", bias=False)
    net = cr.Network(cr.Dense(1)(layer(layer(x))), "half_sum")
    net.build()
    return net


WIRED = {
    "skipping": (skipping, [[1.0, 2, 3]], [1]),
    "several": (several, [[[1.0, 2]], [[1.0, 2, 3]]], [[1.0], [1], [[1.0, 2, 3]]]),
    "scaled": (scaled, [[1.0, 2], [0.5, 3]], [1.0, 2]),
    "shared": (shared, [[1.0, 2], [0.5, 3]], [1.0, 2]),
}


@pytest.mark.parametrize("form", ["full", "summary"])
@pytest.mark.parametrize("name", WIRED)
def test_networks_of_any_wiring_have_labels_that_do_not_meet(name, form):
    make, X, y = WIRED[name]
    net = make()
    for edges in ("weights", "gradients", "none"):
        for neurons in ("activations", "gradients", "biases", "none"):
            assert clashes(net.draw(X, y, edges=edges, neurons=neurons, form=form)) == []


def test_every_layer_is_named_in_the_picture():
    shown = " ".join(label(text) for text in parsed(skipping().draw()).iter(f"{SVG}text"))
    for name in (
        "x",
        "first",
        "dropout",
        "rate 0.2",
        "batch_norm",
        "multiply",
        "add",
        "concatenate",
        "output",
    ):
        assert re.search(rf"(^| ){re.escape(name)}( |$)", shown), name
    assert "x → add" in shown
    assert "first → multiply" in shown


@pytest.mark.parametrize("sizes", [(784, 100, 10), (13, 1), (64, 9, 8, 40), (20, 300, 300, 3)])
def test_large_networks_are_drawn_in_short(sizes):
    net = network(*sizes)
    X, y = rows_for(net)
    for picture in (net.draw(), net.draw(X, y, edges="gradients", neurons="gradients")):
        assert clashes(picture) == []
        assert len(list(parsed(picture).iter(f"{SVG}image"))) == len(sizes) - 1
        assert len(picture.svg) < 60_000
    texts = [label(text) for text in parsed(picture).iter(f"{SVG}text")]
    for a, b in pairwise(sizes):
        assert f"{a:,} × {b:,}" in texts


def tips(picture):
    """The exact numbers: what a browser shows where the pointer rests."""
    found = [
        element.findtext(f"{SVG}title") for element in parsed(picture).iter() if element.tag != f"{SVG}svg"
    ]
    pairs = [text.replace("−", "-").split(" = ") for text in found if text and " = " in text]
    return {name: float(value) for name, value in pairs}


def test_lines_and_neurons_carry_the_networks_own_numbers():
    net = network(3, 4, 2)
    X, _ = rows_for(net)
    found = tips(net.draw(X, neurons="activations"))
    hidden = np.tanh(X @ net["hidden1"].W + net["hidden1"].b).mean(axis=0)
    for k, j in np.ndindex(3, 4):
        assert found[f"hidden1.W[{k}, {j}]"] == pytest.approx(net["hidden1"].W[k, j], rel=1e-8)
    for j in range(4):
        assert found[f"hidden1[{j}]"] == pytest.approx(hidden[j], rel=1e-8)
    assert found["output[1]"] == pytest.approx(net.predict(X)[:, 1].mean(), rel=1e-8)


def test_gradients_are_those_of_numerical_differences():
    net = network(2, 3, 2)
    X, y = rows_for(net)
    found = tips(net.draw(X, y, edges="gradients", neurons="gradients", rows=[2, 0]))
    W, step = np.array(net["hidden1"].W), 1e-6
    losses = []
    for way in (1, -1):
        moved = W.copy()
        moved[1, 2] += way * step
        net.set_parameters({"hidden1.W": moved})
        losses.append(net.calculate_loss(X[[2, 0]], y[[2, 0]]))
    assert found["d loss / d hidden1.W[1, 2]"] == pytest.approx(
        (losses[0] - losses[1]) / (2 * step), rel=1e-5
    )
    net.set_parameters({"hidden1.W": W})
    residual = 2 * (net.predict(X[[2, 0]]) - y[[2, 0]]) / 4  # of the mean over two rows and two outputs
    assert found["d loss / d output[0]"] == pytest.approx(residual[:, 0].sum(), rel=1e-8)


def test_numbers_without_targets_are_those_of_a_prediction():
    net = cr.Network([cr.Dense(4, "relu"), cr.Dropout(0.9), cr.Dense(1)], "mse", "float64")
    net.build(2, seed=1)
    X = [[1.0, 2.0]]
    found = tips(net.draw(X))
    assert found["output[0]"] == pytest.approx(net.predict(X).item(), rel=1e-8)
    assert found["dropout[1]"] == found["hidden1[1]"]


def test_names_of_columns_and_classes_stand_beside_the_neurons():
    net = cr.Network([cr.Dense(3, "tanh"), cr.Dense(2)], "cross_entropy")
    net.metadata["columns"] = ["<b>&\x00", "a name that is much too long to stand beside a neuron"]
    net.fit([[0.0, 1], [1, 0]], ['"no"', "yes\u2028"], epochs=1, verbose=False, engine="numpy")
    texts = [label(text) for text in parsed(net.draw([0.0, 1])).iter(f"{SVG}text")]
    assert "<b>&\ufffd" in texts
    assert '"no"' in texts
    assert any(text.startswith("a name that is") and text.endswith("…") for text in texts)
    assert {"p", "softmax"} <= set(texts)


def test_signs_have_colours_that_the_colour_blind_tell_apart():
    root = parsed(network(2, 2).draw(theme="light"))
    style = root.findtext(f"{SVG}style")
    colours = dict(re.findall(r"\.(plus|minus)\{stroke:(#\w+)\}", style))
    red, blue = ({name: int(c[i : i + 2], 16) for name, c in colours.items()} for i in (1, 5))
    assert blue["plus"] > red["plus"] + 60  # blue and orange: what differs is seen by all
    assert red["minus"] > blue["minus"] + 60


def contrast(a, b):
    """By the Web Content Accessibility Guidelines 2.2, from 1 to 21."""

    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_type_can_be_read_on_its_page(theme):
    style = parsed(network(1, 1).draw(theme=theme)).findtext(f"{SVG}style")
    fills = dict(re.findall(r"\.(\w+)\{fill:(#\w+)", style))
    for kind in ("ink", "quiet", "fplus", "fminus"):
        assert contrast(fills[kind], fills["page"]) >= 4.5, kind
    assert contrast(fills["ink"], fills["panel"]) >= 4.5


def test_a_picture_can_follow_the_viewers_system():
    net = network(1, 1)
    assert "prefers-color-scheme:dark" in net.draw().svg
    assert "prefers-color-scheme" not in net.draw(theme="dark").svg
    root = parsed(net.draw())
    assert root.findtext(f"{SVG}style").count(f"#{root.get('id')} .page") == 2


def test_pictures_say_in_words_what_they_show():
    net = network(2, 3, 1)
    root = parsed(net.draw(*rows_for(net), rows=1))
    ids = root.get("aria-labelledby").split()
    named = {element.get("id"): element.text for element in root if element.get("id") in ids}
    assert root.get("role") == "img"
    assert named[ids[0]] == "network 2-3-1 with loss mse"
    for part in ("hidden1: 3 numbers, tanh, from x.", "Weights output.W: from ", "Data: row 1.", "Loss "):
        assert part in named[ids[1]]


def test_pictures_are_readable_in_print():
    assert network(12, 12).draw().printed_size() >= 7
    assert network(12, 12, 12).draw().printed_size() >= 7
    assert network(12, 12, 12, 12).draw().printed_size() >= 5.5
    for size in re.findall(r'font-size="([\d.]+)"', skipping().draw().svg):
        assert float(size) >= 11


def test_a_picture_is_written_to_a_file(tmp_path):
    picture = network(1, 2).draw()
    picture.save(tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text("utf-8") == picture.svg == picture._repr_svg_()
    assert repr(picture).startswith("<Picture of network 1-2 with loss mse, ")
    with pytest.raises(cr.errors.ParameterError, match=r"written as \.svg, got 'net\.png'"):
        picture.save(tmp_path / "net.png")


def test_numbers_that_are_none_can_be_drawn():
    net = network(2, 2)
    net["output"].set("W", np.array([[np.nan, np.inf], [-np.inf, 0.0]]), np.dtype("float64"))
    net["output"].set("b", np.array([0.0, np.nan]), np.dtype("float64"))
    for form in ("full", "summary"):
        picture = net.draw(form=form)
        assert clashes(picture) == []
    texts = [label(text) for text in parsed(net.draw()).iter(f"{SVG}text")]
    assert {"NaN", "∞", "−∞", "0"} <= set(texts)


def test_one_picture_is_the_same_each_time():
    assert network(3, 2).draw().svg == network(3, 2).draw().svg


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"edges": "weight"}, "UnknownNameError", "draw: edges 'weight' is unknown; did you mean 'weights'"),
        ({"neurons": "biasses"}, "UnknownNameError", "neurons 'biasses' is unknown; did you mean 'biases'"),
        ({"form": "ful"}, "UnknownNameError", "form 'ful' is unknown; did you mean 'full'"),
        ({"theme": "drak"}, "UnknownNameError", "theme 'drak' is unknown; did you mean 'dark'"),
        ({"edges": "gradients"}, "ParameterError", "belong to data. Pass X"),
        ({"rows": 0}, "ParameterError", "belong to data. Pass X"),
        ({"neurons": "activations"}, "ParameterError", "no activations without data"),
        ({"X": [[1.0, 2]], "neurons": "gradients"}, "ParameterError", "no gradients without targets"),
        ({"X": [[1.0, 2]], "rows": 1}, "ParameterError", "no row 1; the data have 1 row, from 0"),
        ({"X": [[1.0, 2]], "rows": []}, "ParameterError", "rows is empty"),
        (
            {"X": [[1.0, 2]], "rows": "a"},
            "ParameterError",
            "a row's number or a list of them, got 'a'",
        ),
        ({"X": [[1.0, 2]], "rows": 0.5}, "ParameterError", "got 0.5. Pass e.g. rows="),
        ({"X": [[1.0, 2]], "rows": [True]}, "ParameterError", "must be a row's number"),
        ({"X": [[1.0, 2, 3]]}, "ShapeError", "3"),
    ],
)
def test_what_cannot_be_drawn_is_said(given, kind, message):
    with pytest.raises(getattr(cr.errors, kind), match=message):
        network(2, 2).draw(**given)


def test_sparse_rows_are_taken():
    from scipy.sparse import csr_array

    net = network(3, 2)
    X, y = rows_for(net)
    assert net.draw(csr_array(X), y, rows=[0, 2]).svg == net.draw(X, y, rows=[0, 2]).svg


def test_networks_that_are_not_built_or_too_large_are_refused():
    with pytest.raises(cr.errors.NotFittedError, match="has no weights yet"):
        cr.Network([cr.Dense(1)], "mse").draw()
    with pytest.raises(cr.errors.ParameterError, match="x has 40 neurons; up to 32"):
        network(40, 2).draw(form="full")
    assert clashes(network(32, 20, 3).draw(form="full")) == []


# the parts ------------------------------------------------------------------------------------


def test_no_letter_is_wider_than_the_table_says():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    paths = TextToPath()
    for bold in (False, True):
        font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
        for letter in map(chr, [*range(33, 127), 0x2212, 0xD7, 0x2026, 0x2192, 0x221E]):
            wide, _, _ = paths.get_text_width_height_descent(letter * 10, font, ismath=False)
            assert wide <= 10.5 * text_width(letter, font.get_size(), bold), letter


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        *[
            (0.5, 3, "0.5"),
            (-0.12345, 2, "−0.12"),
            (99999.0, 3, "99999"),
            (123456.0, 3, "1.2e5"),
            (0.001, 3, "0.001"),
        ],
        *[(0.000999, 3, "1e−3"), (-1e-300, 3, "−1e−300"), (float("-inf"), 3, "−∞"), (-0.0, 2, "0")],
    ],
)
def test_short_numbers(value, digits, text):
    assert short(value, digits) == text


def test_text_is_cut_and_wrapped_to_a_width():
    text = "one two three four five six seven"
    assert text_width(cut(text, 80), 11) <= 80
    assert cut("one", 80) == "one"
    lines = wrap(text, 80)
    assert " ".join(lines) == text
    assert max(text_width(line, 11) for line in lines) <= 80


def test_lanes_keep_their_distance_or_there_are_none():
    heights = np.random.default_rng(0).uniform(0, 500, size=(60, 4))
    lane = choose_lanes(heights, 12.0)
    for k in range(4):
        own = np.sort(heights[lane == k, k])
        assert (np.diff(own) >= 12).all()
    assert choose_lanes(np.zeros((3, 2)), 12.0) is None


def test_a_coarse_map_keeps_the_mean():
    weights = np.arange(90.0 * 50).reshape(90, 50)
    cells = coarse(weights, 45)
    assert cells.shape == (45, 45)
    assert coarse(weights[:, :45], 45) == pytest.approx(weights[:, :45].reshape(45, 2, 45).mean(axis=1))
    assert coarse(weights[:3, :3]).tolist() == weights[:3, :3].tolist()


# the page of pictures -------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]


def make_pictures():
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", make_pictures().PLOTS)
def test_the_plots_of_the_pages_are_up_to_date(name):
    """But for the letters, which other versions of matplotlib draw otherwise by a pixel or two."""
    made, file = io.BytesIO(make_pictures().PLOTS[name]()), ROOT / "docs" / "pictures" / f"{name}.png"
    now, then = (
        np.asarray(Image.open(source).convert("L").resize((60, 40)), float) for source in (made, file)
    )
    assert np.abs(now - then).max() < 40, "run: python docs/make_pictures.py"
    assert now.std() > 50


@pytest.mark.parametrize("name", make_pictures().PICTURES)
def test_the_pictures_of_the_page_are_up_to_date(name):
    """But for what the bytes of a packed map are, which other versions of zlib write otherwise."""
    file = ROOT / "docs" / "pictures" / f"{name}.svg"
    now, then = (
        re.sub(r'href="[^"]*"|\bcr\w{10}', "", svg)
        for svg in (make_pictures().PICTURES[name]().svg, file.read_text("utf-8"))
    )
    assert now == then, "run: python docs/make_pictures.py"
    assert clashes(make_pictures().PICTURES[name]()) == []
