"""Many images resampled at once, bilinearly, each at places of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def resample(images: Array, rows: Array, columns: Array, fill: float) -> Array:
    """What images are at other places than at their pixels.

    Between pixels the four around a place are interpolated; beyond the edge everything is `fill`.

    Parameters
    ----------
    images : ndarray of floats, shape (n, height, width, channels)
    rows, columns : ndarray of floats, shape (n, height, width)
        For each pixel of the results, the place in its image, in pixels from the middle of the first.
    fill : float

    Returns
    -------
    ndarray, shape (n, height, width, channels)
    """
    n, height, width, channels = images.shape
    framed = np.full((channels, n, height + 2, width + 2), fill, images.dtype)
    framed[:, :, 1:-1, 1:-1] = images.transpose(3, 0, 1, 2)
    top, down = _split(rows, height)
    left, right = _split(columns, width)
    corner = top * (width + 2)
    corner += left
    corner += (np.arange(n) * ((height + 2) * (width + 2)))[:, None, None]
    found = np.empty((n, height, width, channels), images.dtype)
    for k in range(channels):
        pixels = framed[k].ravel()
        above = _between(pixels, corner, right)
        below = _between(pixels[width + 2 :], corner, right)
        below -= above
        below *= down
        below += above
        found[..., k] = below
    return found


def _split(places: Array, size: int) -> tuple[Array, Array]:
    """In a frame one pixel wider, the pixel before each place, and how far the place lies behind it."""
    places = np.clip(places, -1, size)
    places += 1
    before = np.minimum(places.astype(np.intp), size)  # the last pixel has one behind it too
    places -= before
    return before, places


def _between(pixels: Array, first: Array, share: Array) -> Array:
    """From pixels to their right neighbours, so far."""
    here = pixels.take(first)
    step = pixels[1:].take(first)
    step -= here
    step *= share
    step += here
    return step
