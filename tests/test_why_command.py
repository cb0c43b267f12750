"""`chainrule explain --of`: one number followed to the loss, from the command line."""

import json
import sys

import pytest

import chainrule as cr
from chainrule.cli import main as entry


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `chainrule explain` in this process: exit status, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["chainrule", "explain", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            entry.main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    net = cr.Network([cr.Dense(3, "tanh"), cr.Dense(3)], loss="cross_entropy", dtype="float64")
    species = ["setosa", "versicolor", "virginica"]
    net.fit([[0.0, 0.0, 0.0, 0.0]] * 3, species, optimizer=cr.SGD(0.1), epochs=1, verbose=False)
    net.metadata = {"target": "species"}
    path = tmp_path_factory.mktemp("why") / "iris.chainrule"
    net.save(path)
    return path


def test_one_number_is_followed_to_the_loss(run, model):
    code, out, _ = run(model, "iris", "--row", 1, "--of", "hidden1.W[0,2]")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "iris, row 1, target 'setosa'" in out
    assert "d z1[2] / d W1[0, 2]" in out
    assert "SGD" in out.splitlines()[-1] + out.splitlines()[-2]


def test_its_numbers_as_json_markdown_and_html(run, model, tmp_path):
    code, out, _ = run(model, "iris", "--row", 1, "--of", "x[2]", "--json", "--optimizer", "adam")
    held = json.loads(out)
    assert code == 0
    assert (held["row"], held["name"], held["paths"]["count"]) == (1, "x[2]", 9)
    assert (held["model"], held["data"], held["rows"]) == (str(model), "iris", 1)
    network = cr.load(model)
    from sklearn.datasets import load_iris

    answer = network.why("x[2]", load_iris().data[0], "setosa")
    assert held["derivative"] == answer.derivative
    code, out, _ = run(model, "iris", "--row", 1, "--of", "x[2]", "--format", "markdown")
    assert out.rstrip() == answer.to_markdown().rstrip()
    code, out, err = run(
        model, "iris", "--row", 1, "--of", "x[2]", "--format", "html", "--output", tmp_path / "x.html"
    )
    assert (code, out) == (0, "")
    assert "The derivation is in" in err
    assert "<code>x[2]</code>" in (tmp_path / "x.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--of", "hiden1.W[0,2]"], "did you mean 'hidden1.W'"),
        (["--of", "hidden1.W[0,9]"], "9 is out of range"),
        (["--of", "x[2]", "--layers", "output"], "leave --layers out"),
        (["--of", "x[2]", "--notation", "nielsen"], "leave --notation out"),
    ],
)
def test_bad_input_is_told(run, model, arguments, message):
    code, _, err = run(model, "iris", "--row", 1, *arguments)
    assert code == 2
    assert message in err


def test_rows_without_labels_have_no_loss(run, model, tmp_path):
    (tmp_path / "flowers.csv").write_text("a,b,c,d\n1,2,3,4\n")
    code, _, err = run(model, tmp_path / "flowers.csv", "--row", 1, "--of", "x[2]")
    assert code == 2
    assert "has no labels, so there is no loss" in err
