"""`make accuracy` on its own: what it prints, what it skips, and how it exits."""

import numpy as np
import pytest

import images
import run
from checks import Check, Line
from mnist import Images, data_folder


def checked(monkeypatch, *lines):
    """The command with checks that return these lines."""
    made = [Check(f"check{k}", 1.0, lambda tick, line=line: line) for k, line in enumerate(lines)]
    monkeypatch.setattr(run, "CHECKS", made)
    return run.main(["books"])


def test_a_number_that_is_not_met_is_shown_and_fails(monkeypatch, capsys):
    lines = [
        Line("met", "0.98", "0.97", "0.96", True),
        Line("missed [really]", "9,542", "9,400", "9,500", False),
        Line("shown", "-", "17 of 20"),
    ]
    assert checked(monkeypatch, *lines) == 1
    printed = capsys.readouterr()
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in printed.out.splitlines() if "|" in row]
    assert rows[0] == ["example", "published", "ours", "asked", "met"]
    assert rows[2:] == [
        ["met", "0.98", "0.97", "0.96", "yes"],
        ["missed [really]", "9,542", "9,400", "9,500", "no"],
        ["shown", "-", "17 of 20", "-", "-"],
    ]
    assert "check1: done" in printed.err
    assert "about 0 s left" in printed.err


def test_a_miss_that_numpy_has_found_fails_too(monkeypatch):
    assert checked(monkeypatch, Line("missed", "1", "0", "1", np.float64(0.0) >= 1)) == 1


def test_all_that_is_asked_being_met_is_success(monkeypatch):
    assert checked(monkeypatch, Line("met", "1", "1", "1", True), Line("shown", "-", "1")) == 0


def test_missing_data_is_skipped_with_a_reason(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert run.main(["books", "--only", "darkness"]) == 0
    printed = capsys.readouterr().out
    assert f"Skipped: darkness. {tmp_path / 'mnist.npz'} is not there." in printed
    assert "CHAINRULE_DATA=folder make accuracy" in printed


def test_the_data_folder_is_in_the_checkout_unless_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("CHAINRULE_DATA")
    assert data_folder() == run.RESULTS.parents[1] / "data"


def test_an_unknown_check_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        run.main(["books", "--only", "xor,nielson"])
    assert "'nielson' is none of xor, mitchell" in capsys.readouterr().err


def test_results_are_written_where_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "CHECKS", [Check("one", 1.0, lambda tick: Line("one", "1", "2", "1", True))])
    monkeypatch.setattr(run, "RESULTS", tmp_path / "RESULTS.md")
    assert run.main(["books", "--write"]) == 0
    assert run.RESULTS.read_text(encoding="utf-8").startswith("# Accuracy\n")


# augmentation on images -----------------------------------------------------------------------


def bars(rows, seed):
    """Images with one bright line, whose place is the class."""
    y = np.random.default_rng(seed).integers(0, 10, rows)
    X = np.zeros((rows, 28, 28), np.float32)
    X[np.arange(rows), 2 * y + 4] = 1
    return Images(X.reshape(rows, 784), y)


@pytest.mark.parametrize(("asked", "met"), [(0.5, True), (1.01, False)])
def test_augmentation_reports_what_each_network_reaches(monkeypatch, asked, met):
    recipe = images.Recipe(8, 6, 16, 0.02, 0.1, {"noise": 0.01})
    monkeypatch.setattr(images, "mnist", lambda: (bars(150, 0), bars(50, 1), bars(40, 2)))
    monkeypatch.setattr(images, "ASKED", ((recipe, asked, "0.9"),))
    monkeypatch.setattr(images, "NARROW", recipe)
    monkeypatch.setattr(images, "ENGINE", "numpy")
    monkeypatch.setattr(images, "FEW", 100)
    monkeypatch.setattr(images, "FEW_EPOCHS", 2)
    monkeypatch.setattr(images, "EACH", {"none": {}, "noise": {"noise": 0.1}})
    told = []
    text, well = images.report(2, told.append)
    assert well is met
    assert f"| {'yes' if met else 'no'} |" in text.replace("  ", " ").replace("  ", " ")
    assert "784-8-10, dropout 0.1; noise 0.01" in text
    assert "Changing 200 images so (rotate=7.5, zoom=0.08, elastic=26) takes" in text
    assert len(told) == 4


def test_augmentation_without_images_is_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAINRULE_DATA", str(tmp_path))
    text, met = images.report(None, print)
    assert met
    assert text.startswith(f"Skipped. {tmp_path / 'mnist.npz'} is not there.")
