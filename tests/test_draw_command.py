"""`chainrule draw`: diagrams of networks in files, with a table's rows on them."""

import shutil
import sys
import xml.etree.ElementTree as ET

import pytest
from test_drawing import clashes, parsed, tips

import chainrule as cr
from chainrule.cli import main as entry
from chainrule.cli.sets import load_frame
from chainrule.explain.drawing.svg import Picture

OPTIONS = "--hidden 5 --dropout 0 --pieces 0 --epochs 1 --engine numpy"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model of iris in a file."""
    path = tmp_path_factory.mktemp("model") / "iris"
    words = ["train", "iris", "--model", str(path), *OPTIONS.split()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["chainrule", *words])
        with pytest.raises(SystemExit):
            entry.main()
    return path


@pytest.fixture
def iris(model, tmp_path):
    """The model, and beside the pictures its file."""
    shutil.copy(model, tmp_path / "iris")
    return cr.load(model)


def picture(path):
    svg = path.read_text("utf-8")
    root = parsed(Picture(svg, "", *sizes(svg), 11.0))
    return Picture(svg, root[0].text, *sizes(svg), 11.0)


def sizes(svg):
    root = ET.fromstring(svg)
    return float(root.get("width")), float(root.get("height"))


def test_a_network_is_drawn(run, iris, tmp_path):
    out, _ = run("draw", "iris", "--output", "net.svg")
    assert out == "The picture is in net.svg.\n"
    found = picture(tmp_path / "net.svg")
    assert clashes(found) == []
    for name in ("sepal length (cm)", "versicolor", "softmax"):
        assert f">{name}<" in found.svg
    assert tips(found)["hidden1.W[2, 3]"] == pytest.approx(iris["hidden1"].W[2, 3], rel=1e-7)


def test_a_row_is_drawn_with_activations_or_gradients(run, iris, tmp_path):
    run("draw", "iris", "iris", "--row", "51", "--output", "row.svg", "--theme", "dark")
    row = load_frame("iris").row(50)
    found = tips(picture(tmp_path / "row.svg"))
    assert found["x[1]"] == pytest.approx(row[1])
    assert found["p[1]"] == pytest.approx(iris.predict_proba([row[:4]])[0, 1], rel=1e-4)
    run("draw", "iris", "iris", "--row", "51", "--output", "row.svg", "--edges", "gradients")
    slopes = tips(picture(tmp_path / "row.svg"))
    p = iris.predict_proba([row[:4]])[0]
    place = iris.classes.tolist().index("versicolor")
    assert "d loss / d output.W[0, 1]" in slopes
    ink = picture(tmp_path / "row.svg").svg
    assert f"b[{place}] −" in ink  # the right class's bias lowers the loss: its slope p - 1 is negative
    assert p[place] < 1


def test_all_rows_are_drawn_as_means(run, iris, tmp_path):
    run("draw", "iris", "iris", "--output", "all.svg", "--form", "summary", "--neurons", "activations")
    frame = load_frame("iris")
    assert tips(picture(tmp_path / "all.svg"))["x[0]"] == pytest.approx(frame[:, 0].mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("draw iris --output net.png", "--output: net.png: diagrams are SVG. Name it .svg."),
        ("draw iris --output no/net.svg", "--output: "),
        ("draw iris --row 1 --output net.svg", "--row: of which table? Name DATA as well."),
        ("draw iris --edges gradients -o net.svg", "--edges gradients: of which rows? Name DATA as well."),
        ("draw iris --neurons activations -o net.svg", "--neurons activations: of which rows?"),
        (
            "draw iris iris --row 151 --output net.svg",
            "--row 151: iris has 150 rows. Pass a number from 1 to 150",
        ),
        ("draw iris iris --row 0 --output net.svg", "--row 0: iris has 150 rows"),
        ("draw iris wine --output net.svg", "wine"),
        ("draw iris --edges weight --output net.svg", "edges 'weight' is unknown; did you mean 'weights'"),
        ("draw iris --neurons x --output net.svg", "neurons 'x' is unknown"),
        ("draw iris --form long --output net.svg", "form 'long' is unknown"),
        ("draw iris --theme lite --output net.svg", "theme 'lite' is unknown"),
        ("draw nothing --output net.svg", "nothing"),
    ],
)
def test_a_mistake_gets_one_sentence(run, iris, words, message):
    out, err = run(*words.split(), code=2)
    assert out == ""
    assert err.startswith("chainrule: ")
    assert message in err


def test_the_help_fits_eighty_columns(run):
    out, _ = run("draw", "--help")
    assert max(map(len, out.splitlines())) <= 80
    assert "chainrule draw iris.chainrule iris --row 1" in out
