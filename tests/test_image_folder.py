"""Folders of images: what is read, what is refused, and what happens to files that are damaged."""

import struct

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.images import folder as room


@pytest.fixture
def classes(tmp_path):
    """Three images of cats and two of dogs, of several sizes and kinds, and what is no image beside them."""
    drawn = np.random.default_rng(0)
    for name, size in [("cat/a.png", (10, 8)), ("cat/B.PNG", (8, 8)), ("cat/deeper/c.png", (30, 20))]:
        save(tmp_path / name, drawn.integers(0, 256, (*size, 3), np.uint8))
    for name in ("dog/1.jpg", "dog/2.bmp"):
        save(tmp_path / name, drawn.integers(0, 256, (12, 16), np.uint8))
    (tmp_path / "dog/.hidden.png").write_bytes(b"nothing")
    (tmp_path / "dog/notes.txt").write_text("barks")
    (tmp_path / "labels.csv").write_text("a,b\n")
    return tmp_path


def save(path, pixels, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **settings)


def test_classes_are_the_names_of_folders(classes):
    found = cr.images_from_folder(classes, size=(8, 9))
    assert found.files == ["cat/B.PNG", "cat/a.png", "cat/deeper/c.png", "dog/1.jpg", "dog/2.bmp"]
    assert found.y.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert found.X.shape == (5, 72)
    assert found.X.dtype == np.float32
    assert 0 <= found.X.min() < found.X.max() <= 1
    assert found.shape == (8, 9)
    assert len(found) == 5
    assert found.corrupt == {}
    assert repr(found) == "ImageFolder(shape=(8, 9), corrupt={})"


def test_images_of_the_size_asked_for_are_not_changed(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    save(tmp_path / "x/a.png", pixels)
    colour = cr.images_from_folder(tmp_path, size=(7, 5), grayscale=False)
    assert colour.shape == (7, 5, 3)
    assert np.array_equal(np.rint(colour.X * 255).reshape(7, 5, 3), pixels)
    grey = cr.images_from_folder(tmp_path, size=(7, 5)).X.reshape(7, 5) * 255
    assert np.abs(grey - pixels @ [0.299, 0.587, 0.114]).max() < 1


def test_other_sizes_are_averaged_not_sampled(tmp_path):
    save(tmp_path / "x/a.png", np.tile(np.array([[0, 200]], np.uint8), (40, 20)))
    found = cr.images_from_folder(tmp_path, size=(4, 4)).X
    assert np.abs(found * 255 - 100).max() < 8


def kinds(folder):
    """A grey of 128 in the ways that files hold it."""
    grey = np.full((4, 4), 128, np.uint8)
    save(folder / "x/palette.gif", grey)
    Image.fromarray(np.full((4, 4), 128 * 257, np.uint16)).save(folder / "x/sixteen.png")
    half = np.dstack([np.full((4, 4, 3), 255, np.uint8), np.full((4, 4), 128, np.uint8)])
    save(folder / "x/transparent.png", half)
    Image.fromarray(half).convert("LA").save(folder / "x/grey_transparent.png")
    Image.fromarray(grey).convert("CMYK").save(folder / "x/printed.tif")


def test_all_kinds_of_pixels_become_the_same_grey(tmp_path):
    kinds(tmp_path)
    for grayscale in (True, False):
        found = cr.images_from_folder(tmp_path, size=(4, 4), grayscale=grayscale)
        assert len(found) == 5
        assert np.abs(found.X * 255 - 128).max() < 1.5, found.files


def test_photographs_are_turned_upright(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: to be turned by 90 degrees clockwise
    save(tmp_path / "x/a.png", pixels, exif=exif)
    found = cr.images_from_folder(tmp_path, size=(16, 8)).X.reshape(16, 8)
    assert found[:7].min() == 1
    assert found[9:].max() == 0


def damage(classes):
    """Four damaged files beside the good ones, one of them of a class of its own."""
    whole = (classes / "cat/a.png").read_bytes()
    (classes / "cat/short.png").write_bytes(whole[: len(whole) // 2])
    (classes / "dog/empty.jpg").write_bytes(b"")
    (classes / "dog/page.png").write_bytes(b"<html>404</html>")
    header = whole[:16] + struct.pack(">II", 60_000, 60_000) + whole[24:]
    (classes / "dog/vast.png").write_bytes(header)
    return ["cat/short.png", "dog/empty.jpg", "dog/page.png", "dog/vast.png"]


def test_corrupt_images_are_counted_and_named(classes):
    names = damage(classes)
    with pytest.raises(cr.errors.DataError, match=r"4 images of 9 cannot be read: cat/short.png") as caught:
        cr.images_from_folder(classes)
    assert all(name in str(caught.value) for name in names)
    assert "or pass corrupt='skip'" in str(caught.value)


def test_corrupt_images_are_left_out_if_that_is_asked_for(classes):
    good = cr.images_from_folder(classes)
    names = damage(classes)
    found = cr.images_from_folder(classes, corrupt="skip")
    assert np.array_equal(found.X, good.X)
    assert found.files == good.files
    assert list(found.corrupt) == names
    assert all(found.corrupt.values())
    assert repr(found).startswith("ImageFolder(shape=(28, 28), corrupt={'cat/short.png': ")


def test_many_corrupt_images_are_not_all_named(classes):
    for k in range(8):
        (classes / f"cat/x{k}.png").write_bytes(b"x")
    with pytest.raises(cr.errors.DataError, match=r"8 images of 13 .*x4.png \(.*\), and 3 more\. Mend"):
        cr.images_from_folder(classes)


def test_no_damage_raises_another_error(tmp_path):
    """Bytes changed and files cut, at random: each is read or named."""
    drawn = np.random.default_rng(2)
    pixels = drawn.integers(0, 256, (9, 9, 3), np.uint8)
    for ending in ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm"):
        save(tmp_path / f"good/a.{ending}", pixels)
        whole = (tmp_path / f"good/a.{ending}").read_bytes()
        for k in range(20):
            changed = bytearray(whole[: drawn.integers(1, len(whole) + 1)])
            for place in drawn.integers(0, len(changed), 1 + k % 4):
                changed[place] = drawn.integers(256)
            (tmp_path / "bad").mkdir(exist_ok=True)
            (tmp_path / f"bad/{k}.{ending}").write_bytes(changed)
    found = cr.images_from_folder(tmp_path, size=(9, 9), corrupt="skip")
    assert len(found) + len(found.corrupt) == 7 * 21
    assert len(found.corrupt) > 40
    assert {f"good/a.{e}" for e in ("png", "jpg", "gif")} <= set(found.files)


def test_without_classes_images_may_lie_in_the_folder_itself(classes):
    save(classes / "top.png", np.zeros((3, 3), np.uint8))
    found = cr.images_from_folder(classes, labels=False)
    assert found.files[0] == "top.png"
    assert len(found) == 6
    assert found.y is None


def only(classes, bad):
    for name in ("a.png", "B.PNG", "deeper/c.png"):
        (classes / "cat" / name).unlink()
    if bad:
        (classes / "cat/bad.png").write_bytes(b"x")


@pytest.mark.parametrize(
    ("prepare", "settings", "message"),
    [
        (lambda c: c / "nowhere", {}, "there is no such folder. Pass a folder with"),
        (lambda c: c / "labels.csv", {}, "labels.csv: is a file"),
        (lambda c: c / "cat/deeper", {}, "has no folders within, and a folder for each class is needed"),
        (lambda c: only(c, False) or c, {}, r"class 'cat' has no images. Add some \(.bmp, .gif"),
        (lambda c: only(c, True) or c, {"corrupt": "skip"}, "class 'cat' has no image that can be read"),
        (
            lambda c: only(c, True) or c / "cat",
            {"labels": False, "corrupt": "skip"},
            "none of 1 image can be",
        ),
        (lambda c: (c / "new").mkdir() or c / "new", {"labels": False}, r"has no images \(.bmp"),
        (lambda c: c, {"most_bytes": 10_000}, r"5 images of 28 x 28 need 0.0 GiB, and 0.0 are allowed"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(classes, prepare, settings, message):
    with pytest.raises(cr.errors.DataError, match=message):
        cr.images_from_folder(prepare(classes), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 28}, r"size must be \(height, width\), got 28"),
        ({"size": (28, 0)}, "size must be a positive int, got 0"),
        ({"corrupt": "ignore"}, "corrupt 'ignore' is unknown"),
        ({"most_bytes": 0}, "most_bytes must be a positive int"),
    ],
)
def test_arguments_that_are_none_are_refused(classes, settings, message):
    with pytest.raises(cr.errors.ParameterError, match=message):
        cr.images_from_folder(classes, **settings)


def test_pixels_of_32_bits_are_corrupt(tmp_path):
    save(tmp_path / "x/a.tif", np.zeros((3, 3), np.float32))
    with pytest.raises(cr.errors.DataError, match=r"x/a.tif \(has pixels of 32 bits"):
        cr.images_from_folder(tmp_path)


def test_a_folder_that_may_not_be_read_is_refused(classes, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(room.os, "scandir", refused)
    with pytest.raises(cr.errors.DataError, match=r"cannot be read: Permission denied. Check the folder"):
        cr.images_from_folder(classes)


def test_without_pillow_it_is_said_what_to_install(classes, monkeypatch):
    monkeypatch.setattr("chainrule.checks.find_spec", lambda name: None)
    with pytest.raises(cr.errors.MissingExtraError, match=r"pip install 'chainrule\[images\]'"):
        cr.images_from_folder(classes)
