"""Images on the command line: folders to train on and to ask about, augmentation, contact sheets."""

import json
import os

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import checks
from chainrule.cli.images import pixel_names, placed
from chainrule.tables.encoding import fit_encoding
from chainrule.tables.kinds import Column

FAST = ["--engine", "numpy", "--epochs", "50", "--hidden", "16"]
SMALL = ["--image-size", "6x6"]


@pytest.fixture
def shapes(run, tmp_path):
    """Upright and lying bars, 6 by 6, 40 of each, in a folder for each kind."""
    drawn = np.random.default_rng(0)
    for k in range(80):
        pixels = drawn.integers(0, 60, (6, 6), np.uint8)
        pixels[drawn.integers(1, 5)] = 250
        name, pixels = ("lying", pixels) if k % 2 else ("upright", pixels.T)
        path = tmp_path / f"shapes/{name}/{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return "shapes"


def trained(run, *arguments):
    return json.loads(run("train", *arguments, "--json", *FAST)[0])


def test_a_folder_is_learned_and_asked_about(run, shapes):
    result = trained(run, shapes, *SMALL, "--augment", "shift=1,noise=0.05", "--model", "m")
    assert result["rows"] == {"train": 64, "test": 16}
    assert result["test"]["accuracy"] > 0.9
    assert result["left_out"] == {"file": "ignored"}
    net = cr.load("m")
    assert net.metadata["images"] == [6, 6]
    assert net.metadata["target"] == "class"
    assert net.inputs == 36
    assert json.loads(run("evaluate", "m", shapes, "--json")[0])["rows"] == {"test": 80}
    lines = run("predict", "m", shapes, "--probabilities")[0].splitlines()
    assert lines[0] == "class,p(lying),p(upright),file"
    assert len(lines) == 81
    assert lines[1].endswith(",lying/01.png")
    answers = json.loads(run("predict", "m", f"{shapes}/upright", "--json")[0])
    assert answers["rows"] == 40
    assert answers["file"][0] == "00.png"
    assert np.mean([answer == "upright" for answer in answers["predictions"]]) > 0.9
    assert "row 1, target 'lying'" in run("explain", "m", shapes, "--row", "1", "--layers", "output")[0]


def test_a_folder_to_test_on_and_colours(run, shapes):
    result = trained(run, shapes, "--test", shapes, *SMALL, "--color", "--model", "m")
    assert result["rows"] == {"train": 80, "test": 80}
    net = cr.load("m")
    assert net.metadata["images"] == [6, 6, 3]
    assert net.inputs == 108
    assert net.metadata["columns"][:3] == ["pixel_0_0_red", "pixel_0_0_green", "pixel_0_0_blue"]
    assert run("predict", "m", shapes)[0].startswith("class,file\n")


def test_corrupt_images_are_refused_or_skipped_and_named(run, shapes, tmp_path):
    (tmp_path / "shapes/lying/bad.png").write_bytes(b"x")
    err = run("train", shapes, *SMALL, code=2)[1]
    assert "shapes: 1 image of 81 cannot be read: lying/bad.png (cannot identify" in err
    assert "Mend or remove them, or pass --corrupt skip." in err
    out, err = run("train", shapes, *SMALL, "--corrupt", "skip", "--model", "m", *FAST)
    assert "chainrule: shapes: 1 image cannot be read and is left out: lying/bad.png (cannot identify" in err
    assert "shapes: 80 rows, 36 inputs, class in 2 classes" in out
    for k in range(6):
        (tmp_path / f"shapes/lying/bad{k}.png").write_bytes(b"x")
    for command in ("predict", "evaluate"):
        assert "or pass --corrupt skip" in run(command, "m", shapes, code=2)[1]
        err = run(command, "m", shapes, "--corrupt", "skip")[1]
        assert "7 images cannot be read and are left out: lying/bad.png" in err
        assert ", and 2 more" in err


def test_the_network_sees_what_the_contact_sheet_shows(run, monkeypatch):
    seen, drawn = [], []
    fit = cr.Network.fit

    def watched(self, X, y, *, transform, seed, **settings):
        numbers = np.arange(5)
        seen.append(transform(np.array(X[:5], np.float32), numbers, 0, seed)[:, transform.columns])
        return fit(self, X, y, transform=transform, seed=seed, **settings)

    def sheet(X, augment, y, seed):
        drawn.append(augment(X[:5].astype(np.float32), np.arange(5), 0, seed))
        return cr.plots.contact_sheet(X, augment, y, rows=2, epochs=1, seed=seed)

    monkeypatch.setattr(cr.Network, "fit", watched)
    monkeypatch.setattr("chainrule.cli.images.contact_sheet", sheet)
    arguments = ["digits", "--augment", "rotate=10,zoom=0.1", "--contact-sheet", "s.svg", "--seed", "3"]
    out = run("train", *arguments, "--engine", "numpy", "--epochs", "2")[0]
    np.testing.assert_allclose(seen[0], drawn[0], atol=1e-6)
    assert "changed anew in each epoch: rotate=10, zoom=0.1" in out
    assert "Contact sheet: s.svg" in out
    with open("s.svg", encoding="utf-8") as file:
        assert file.read(100).startswith("<?xml")


def test_names_of_files_may_be_any_bytes(run, shapes, tmp_path):
    trained(run, shapes, *SMALL, "--model", "m")
    old = tmp_path / "shapes/lying/01.png"
    try:
        old.rename(os.fsdecode(os.fsencode(old.parent) + b"/0\xff.png"))
    except OSError:
        pytest.skip("this file system takes no such names")
    assert "lying,lying/0?.png\n" in run("predict", "m", shapes)[0]


def test_augmented_rows_are_put_back_in_the_order_of_the_inputs():
    import polars as pl

    names = pixel_names((2, 2))
    assert names == ["pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1"]
    values = np.random.default_rng(0).random((50, 4))
    values[:, 0] = values[:, 0] > 0.5  # few different numbers: encoding puts this column last
    frame = pl.DataFrame(dict(zip(names, values.T, strict=True)))
    columns = [Column(name, "number") for name in names]
    encoding, X = fit_encoding("x", frame, columns, np.array(["a", "b"] * 25), 0)
    change = placed(cr.Augment((2, 2), flip="horizontal"), encoding.inputs)
    assert change.columns.tolist() == [3, 0, 1, 2]
    found = change(X.copy(), np.arange(50), 0, 0)[:, change.columns]
    np.testing.assert_array_equal(found, change.augment(values, np.arange(50), 0, 0))
    assert "columns" not in repr(change)


def test_images_are_set_in_a_file_too(run, shapes, tmp_path):
    (tmp_path / "net.toml").write_text(
        "[images]\nimage_size = [6, 6]\ncorrupt = 'skip'\naugment = {erase = 0.5, erase_area = [0.1, 0.2]}\n"
    )
    out = run("train", shapes, "--config", "net.toml", *FAST)[0]
    assert "changed anew in each epoch: erase=0.5, erase_area=(0.1, 0.2)" in out
    assert out.startswith("shapes: 80 rows, 36 inputs")
    same = ["--augment", "erase=0.5,erase_area=0.1:0.2"]
    out = run("train", shapes, *SMALL, *same, *FAST)[0]
    assert "changed anew in each epoch: erase=0.5, erase_area=(0.1, 0.2)" in out
    err = run("train", shapes, "--config", "net.toml", "--augment", "shift=1", code=2)[1]
    assert "--augment is shift=1 and net.toml: augment is erase=0.5,erase_area=0.1:0.2: they contra" in err


def test_augmented_training_resumes(run, shapes):
    arguments = [shapes, *SMALL, "--augment", "shift=1", "--checkpoint", "runs"]
    whole = trained(run, shapes, *SMALL, "--augment", "shift=1")
    json.loads(run("train", *arguments, "--json", *FAST, "--epochs", "5")[0])
    resumed = trained(run, *arguments, "--resume")
    assert resumed["loss"] == whole["loss"]
    err = run("train", *arguments[:3], "--augment", "shift=2", *arguments[5:], "--resume", *FAST, code=2)[1]
    assert "is a checkpoint of another fit" in err
    err = run("train", *arguments, "--resume", "--max-norm", "2", *FAST, code=2)[1]
    assert (
        "is a checkpoint of another fit:\n  network.layers[1].settings.max_norm: None there, 2.0 here\n"
        in err
    )
    assert err.endswith("\nFit as before, or with another folder.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("iris --augment shift=1", "--augment is for images: the built-in set digits, or a folder. Leave"),
        ("iris --image-size 8x8", "--image-size is for a folder of images, which iris is not. Leave it out."),
        ("digits --color", "--color is for a folder of images, which digits is not. Leave it out."),
        ("digits --corrupt skip", "--corrupt is for a folder of images, which digits is not. Leave it out."),
        (
            "digits --contact-sheet s.png",
            "--contact-sheet shows what --augment does. Pass --augment as well.",
        ),
        ("digits --augment shift=1 --contact-sheet s.jpg", "--contact-sheet: s.jpg: pictures are PNG or SVG"),
        (
            "digits --augment shift",
            "--augment must be NAME=VALUE with commas between, got 'shift'. Pass e.g.",
        ),
        ("digits --augment shift=1,shift=2", "--augment states a change twice"),
        ("digits --augment shfit=1", "--augment 'shfit' is unknown; did you mean 'shift'?"),
        ("digits --augment shift=9", "--augment: shift=9 moves images of 8 by 8 pixels out of sight."),
        ("digits --augment shift=1,sigma=2", "--augment: sigma is a setting of elastic, which is 0."),
        (
            "digits --augment rotate=5 --column pixel_0_1=ignore",
            "--column pixel_0_1=... and --augment contra",
        ),
        ("digits --augment rotate=5 --optimizer lbfgs", "--augment and --optimizer lbfgs contradict each"),
        (
            "shapes --image-size 6x",
            "--image-size must be height x width in pixels, none above 10,000, got '6x",
        ),
        ("shapes --image-size 0", "--image-size must be height x width in pixels"),
        ("shapes --image-size 9000x9000", "GiB, and 4.0 are allowed. Pass a smaller --image-size."),
        ("shapes --corrupt ignore", "--corrupt 'ignore' is unknown. Known: refuse, skip."),
        ("shapes --separator ;", "--separator is for text, and shapes is a folder of images. Leave it out."),
        ("shapes --target kind", "--target: the classes of images are their folders' names; leave it out."),
        ("shapes/lying", "shapes/lying: has no folders within, and a folder for each class is needed"),
    ],
)
def test_contradictions_are_named(run, shapes, arguments, message):
    err = run("train", *arguments.split(), code=2)[1]
    assert message in err, err


def test_policies_are_for_folders(run, shapes):
    trained(run, "iris", "--model", "m")
    for command in ("predict", "evaluate"):
        err = run(command, "m", "iris", "--corrupt", "skip", code=2)[1]
        assert "--corrupt is for a folder of images, which iris is not. Leave it out." in err
        assert "--corrupt 'drop' is unknown" in run(command, "m", "iris", "--corrupt", "drop", code=2)[1]
    assert "are missing. Rename or add them" in run("predict", "m", shapes, code=2)[1]


def test_a_model_with_a_broken_size_is_refused(run, shapes):
    trained(run, shapes, *SMALL, "--model", "m")
    net = cr.load("m")
    net.metadata["images"] = [6, "x"]
    net.save("m")
    assert "m: its images must be a positive int, got 'x'" in run("predict", "m", shapes, code=2)[1]


def test_a_contact_sheet_needs_matplotlib(run, monkeypatch):
    find = checks.find_spec
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    err = run("train", "digits", "--augment", "shift=1", "--contact-sheet", "s.png", code=2)[1]
    assert "pip install 'chainrule[plot]'" in err


def test_folds_are_trained_on_changed_images_too(run, shapes):
    arguments = [shapes, *SMALL, "--stop", "cross-validated", "--folds", "2"]
    plain = trained(run, *arguments)
    changed = trained(run, *arguments, "--augment", "noise=1")
    assert plain["loss"] < changed["loss"]
