"""Augmentation beside SciPy's transforms of single images, and what its random numbers depend on."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

import chainrule as cr
from chainrule.images.sampling import resample

PURPOSE = 5  # of the seed's numbers, as documented


def images(n, shape, seed=0):
    """Smooth blobs, so that what is between pixels matters."""
    noise = np.random.default_rng(seed).random((n, *shape))
    return ndimage.gaussian_filter(noise, (0, 1, 1) + (0,) * (len(shape) - 2)).astype(np.float32)


def generator(seed, epoch, row):
    return np.random.Generator(np.random.Philox(key=[seed, PURPOSE], counter=[0, epoch, row, 0]))


def expected(augment, image, seed, epoch, row):
    """One image as SciPy changes it: the inverse map as a product of matrices, then map_coordinates."""
    drawn = generator(seed, epoch, row)
    u = drawn.random(16, np.float32).astype(np.float64)
    height, width = augment.shape[:2]
    raw = drawn.bit_generator.random_raw(-(-2 * height * width // 4)) if augment.elastic else np.zeros(0)
    field = (raw.astype("<u8").view("<u2")[: 2 * height * width].astype(np.float64) - 32767.5) / 32768
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    angle = math.radians(augment.rotate) * (2 * u[2] - 1)
    turned = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    mirrored = np.diag(
        [
            -1 if augment.flip in ("vertical", "both") and u[4] < 0.5 else 1,
            -1 if augment.flip in ("horizontal", "both") and u[5] < 0.5 else 1,
        ]
    )
    linear = mirrored @ turned / (1 + augment.zoom * (2 * u[3] - 1))
    moved = augment.shift * (2 * u[:2] - 1)
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(np.float64)
    places = np.einsum("ij,jkl->ikl", linear, places - (middle + moved)[:, None, None])
    places += middle[:, None, None]
    if augment.elastic:
        for k, part in enumerate(field.reshape(2, height, width)):
            places[k] += augment.elastic * ndimage.gaussian_filter(part, augment.sigma, mode="constant")
    flat = image.reshape(height, width, -1).astype(np.float64)
    found = [
        ndimage.map_coordinates(flat[..., k], places, order=1, mode="grid-constant", cval=augment.fill)
        for k in range(flat.shape[-1])
    ]
    return np.stack(found, axis=-1).reshape(image.shape)


@pytest.mark.parametrize(
    "settings",
    [
        {"shift": 3.0},
        {"rotate": 180},
        {"zoom": 0.5, "fill": 0.3},
        {"flip": "horizontal"},
        {"flip": "vertical"},
        {"elastic": 20, "sigma": 3},
        {"shift": 2, "rotate": 25, "zoom": 0.2, "flip": "both", "elastic": 12, "sigma": 2, "fill": -1.0},
    ],
    ids=lambda settings: "-".join(settings),
)
@pytest.mark.parametrize("shape", [(12, 12), (9, 14), (10, 7, 3)], ids=str)
def test_changes_of_place_are_one_resampling_as_scipys(shape, settings):
    augment = cr.Augment(shape, **settings)
    X = images(6, shape)
    found = augment(X, seed=3, epoch=2)
    for row, image in enumerate(X):
        np.testing.assert_allclose(found[row], expected(augment, image, 3, 2, row), atol=2e-5)
    assert np.abs(found - X).max() > 0.01


def test_places_beyond_the_edges_are_filled():
    image = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)
    rows, columns = np.broadcast_arrays([[-7.0, -0.5, 0.25], [1.0, 1.5, 9.0]], np.zeros((1, 2, 3)))[0], 0.0
    found = resample(image, np.asarray(rows)[None], np.full((1, 2, 3), columns), 10.0)
    np.testing.assert_allclose(found[0, ..., 0], [[10, 5.5, 1.75], [4, 7, 10]])


def test_mirrored_images_are_exact():
    X = images(40, (6, 5))
    found = cr.Augment((6, 5), flip="horizontal")(X)
    mirrored = [np.array_equal(after, before[:, ::-1]) for before, after in zip(X, found, strict=True)]
    same = [np.array_equal(after, before) for before, after in zip(X, found, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 10 < sum(mirrored) < 30


def test_erased_is_one_rectangle_of_the_size_asked_for():
    augment = cr.Augment((20, 30), erase=0.5, erase_area=(0.1, 0.3), fill=2.0)
    found = augment(np.zeros((400, 600))).reshape(-1, 20, 30) == 2
    hit = found.any(axis=(1, 2))
    assert 150 < hit.sum() < 250
    for image in found[hit]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert image.sum() == len(rows) * len(columns)
        assert all(b - a == 1 for line in (rows, columns) for a, b in pairwise(line))
        assert image.mean() < 0.34
    assert 0.15 < found[hit].mean() < 0.25


def test_noise_has_the_deviation_asked_for():
    X = images(300, (10, 10))
    difference = cr.Augment((10, 10), noise=0.2)(X) - X
    assert difference.std() == pytest.approx(0.2, rel=0.02)
    assert abs(difference.mean()) < 0.005


def test_the_strength_of_elastic_distortion_is_what_its_documentation_says():
    augment = cr.Augment((64, 64), elastic=34)
    places = np.linspace(0, 1, 64, dtype=np.float32)[:, None] * np.ones(64, np.float32)
    moved = (augment(np.tile(places, (200, 1, 1))) - places)[:, 20:44, 20:44] * 63
    assert moved.std() == pytest.approx(1.4, abs=0.1)


EVERYTHING = {
    "shift": 1,
    "rotate": 10,
    "zoom": 0.1,
    "flip": "both",
    "elastic": 9,
    "sigma": 2,
    "erase": 0.5,
    "noise": 0.1,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_image_is_changed_alike_alone_and_among_others(dtype):
    X = images(300, (28, 28)).astype(dtype)
    augment = cr.Augment((28, 28), **EVERYTHING)
    together = augment(X, seed=5, epoch=4)
    assert together.dtype == dtype
    order = np.random.default_rng(1).permutation(300)
    assert np.array_equal(augment(X[order], seed=5, epoch=4, rows=order), together[order])
    alone = augment(X[123:124], seed=5, epoch=4, rows=[123])
    assert np.array_equal(alone[0], together[123])


def test_seed_and_epoch_give_other_numbers():
    X = images(5, (8, 8))
    augment = cr.Augment((8, 8), **EVERYTHING)
    kinds = [augment(X, seed=s, epoch=e).tobytes() for s in (0, 1) for e in (0, 1)]
    assert len(set(kinds)) == 4
    assert augment(X, seed=1, epoch=1).tobytes() == kinds[3]


def test_rows_keep_their_form_and_whole_numbers_become_float32():
    augment = cr.Augment((8, 8), shift=1)
    X = np.random.default_rng(0).integers(0, 17, (3, 64))
    given = X.copy()
    found = augment(X)
    assert found.shape == (3, 64)
    assert found.dtype == np.float32
    assert np.array_equal(augment(X.reshape(3, 8, 8)), found.reshape(3, 8, 8))
    assert np.array_equal(X, given)
    assert augment(X[:0]).shape == (0, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "nothing would change. Pass one of shift, rotate"),
        ({"shape": 28, "shift": 1}, r"shape must be \(height, width\) or"),
        ({"shape": (0, 4), "shift": 1}, "shape must be a positive int, got 0"),
        ({"shift": -1}, "shift must be at least 0"),
        ({"shift": 8}, "shift=8 moves images of 8 by 8 pixels out of sight"),
        ({"rotate": 181}, "rotate must be from 0 to 180, got 181"),
        ({"zoom": 1}, "zoom must be at least 0 and below 1, got 1"),
        ({"flip": "sideways"}, "flip must be 'horizontal', 'vertical', 'both'"),
        ({"elastic": math.inf}, "elastic must be at least 0 and finite"),
        ({"elastic": 1, "sigma": 0}, "sigma must be above 0"),
        ({"erase": 1.5}, "erase must be from 0 to 1"),
        ({"erase": 1, "erase_area": (0.3, 0.1)}, "erase_area must be two shares of the image"),
        ({"erase": 1, "erase_area": 0.3}, "erase_area must be two shares of the image"),
        ({"noise": math.nan}, "noise must be at least 0"),
        ({"noise": 1, "fill": math.nan}, "fill must be a finite number"),
        ({"shift": 1, "sigma": 3}, "sigma is a setting of elastic, which is 0. Pass both"),
        ({"shift": 1, "erase_area": (0.1, 0.2)}, "erase_area is a setting of erase, which is 0"),
    ],
)
def test_settings_that_are_none_are_refused(settings, message):
    with pytest.raises(cr.errors.ParameterError, match=message):
        cr.Augment(**{"shape": (8, 8), **settings})


@pytest.mark.parametrize(
    ("X", "more", "error", "message"),
    [
        (np.zeros((2, 63)), {}, "ShapeError", r"rows of 64 numbers, got an array of shape \(2, 63\)"),
        (np.zeros(64), {}, "ShapeError", r"got an array of shape \(64,\)"),
        ([["a"] * 64], {}, "DTypeError", "images are numbers, got <U1"),
        (np.full((1, 64), np.nan), {}, "DataError", "images hold NaN or infinity"),
        (np.zeros((2, 64)), {"rows": [1]}, "DataError", "a whole number from 0 for each of 2 images"),
        (np.zeros((2, 64)), {"rows": [0, -1]}, "DataError", "a whole number from 0 for each of 2 images"),
        (np.zeros((2, 64)), {"epoch": -1}, "ParameterError", "epoch must be a whole number from 0"),
        (np.zeros((2, 64)), {"seed": -1}, "ParameterError", "seed must be an int from 0"),
    ],
)
def test_images_that_are_none_are_refused(X, more, error, message):
    with pytest.raises(getattr(cr.errors, error), match=message):
        cr.Augment((8, 8), shift=1)(X, **more)
