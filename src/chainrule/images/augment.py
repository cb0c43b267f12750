"""Images changed at random, as people would still recognise them: shifted, turned, bent, covered, noisy.

References
----------
Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks applied to visual
document analysis: elastic distortion.
Zhong, Zheng, Kang, Li and Yang (2020), Random erasing data augmentation.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..checks import checked_seed, counted, not_negative, positive_int, real_number, whole_number
from ..errors import DataError, DTypeError, ParameterError, ShapeError
from ..nn.init import Purpose
from .sampling import resample

Array = np.ndarray[Any, Any]
CHUNK = 2**16  # pixels worked on at a time: what is made of them stays in the processor's cache
SCALARS = 16  # numbers drawn for each image before those for its pixels, 10 of them in use
ASPECTS = 0.3, 1 / 0.3  # of a rectangle that is erased, height to width: as published
FLIPS = "", "horizontal", "vertical", "both"
SIGMA, ERASE_AREA = 4.0, (0.02, 0.2)
CHANGES = "shift", "rotate", "zoom", "flip", "elastic", "erase", "noise"


@dataclass(frozen=True)
class Augment:
    """How images are changed at random for training, in each epoch otherwise.

    All changes of place together are one bilinear resampling; then a part is erased, then noise added. The
    numbers come from Philox, keyed by seed, epoch and row: they do not depend on batches or threads.

    Parameters
    ----------
    shape : (int, int) or (int, int, int)
        Height and width, in pixels, and channels if they are several; a row of X holds them in C order.
    shift : float
        By up to so many pixels up or down, and left or right.
    rotate : float
        By up to so many degrees, either way.
    zoom : float
        Larger or smaller by up to this share: 0.1 makes images 0.9 to 1.1 times as large.
    flip : {"", "horizontal", "vertical", "both"}
        Mirrored left to right, upside down, or each of them; every second image on average.
    elastic : float
        Strength alpha of elastic distortion: every pixel moves by alpha times a field of uniform numbers
        from -1 to 1 that is smoothed by a Gaussian. With sigma 4, an alpha of 34 moves it by 1.4 pixels in
        each direction (the standard deviation in the middle of the image).
    sigma : float
        Standard deviation of that Gaussian, in pixels: small ones crumple, large ones shift.
    erase : float
        With this probability a rectangle at a random place becomes `fill`.
    erase_area : (float, float)
        The smallest and the largest share of the image that it covers.
    noise : float
        Standard deviation of normal noise added to every pixel, in the unit of the pixels.
    fill : float
        What is beyond the edges and where something is erased, in the unit of the pixels.

    Raises
    ------
    ParameterError
        If a range is not one, nothing would change, or a setting is for a change that is left out.

    References
    ----------
    Simard, Steinkraus and Platt (2003), Best practices for convolutional neural networks applied to visual
    document analysis.
    Zhong, Zheng, Kang, Li and Yang (2020), Random erasing data augmentation.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> augment = cr.Augment((8, 8), shift=1, rotate=10, elastic=8, sigma=2)
    >>> X = np.eye(8).reshape(1, 64)
    >>> augment(X, seed=1).shape
    (1, 64)
    """

    shape: tuple[int, ...]
    shift: float = 0.0
    rotate: float = 0.0
    zoom: float = 0.0
    flip: str = ""
    elastic: float = 0.0
    sigma: float = SIGMA
    erase: float = 0.0
    erase_area: tuple[float, float] = ERASE_AREA
    noise: float = 0.0
    fill: float = 0.0

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "shape", checked_shape(self.shape, "Augment: shape"))
        for name in ("shift", "elastic", "noise"):
            put(self, name, not_negative(getattr(self, name), f"Augment: {name}"))
        put(self, "rotate", _up_to(self.rotate, "rotate", 180))
        put(self, "zoom", real_number(self.zoom, "Augment: zoom", 0, 1))
        put(self, "sigma", real_number(self.sigma, "Augment: sigma", 0, math.inf, low_too=False))
        put(self, "erase", _up_to(self.erase, "erase", 1))
        put(self, "fill", real_number(self.fill, "Augment: fill", -math.inf, math.inf))
        if self.flip not in FLIPS:
            raise ParameterError(
                f"Augment: flip must be 'horizontal', 'vertical', 'both' or '', got {self.flip!r}."
            )
        if self.shift >= min(self.shape[:2]):
            raise ParameterError(
                f"Augment: shift={self.shift:g} moves images of {self.shape[0]} by {self.shape[1]} pixels "
                "out of sight. It is in pixels: pass e.g. shift=2."
            )
        put(self, "erase_area", self._checked_area())
        if not any(getattr(self, name) for name in CHANGES):
            raise ParameterError(f"Augment: nothing would change. Pass one of {', '.join(CHANGES)}.")
        for name, needed, usual in (("sigma", "elastic", SIGMA), ("erase_area", "erase", ERASE_AREA)):
            if getattr(self, name) != usual and not getattr(self, needed):
                raise ParameterError(
                    f"Augment: {name} is a setting of {needed}, which is 0. Pass both, or leave {name} out."
                )

    def _checked_area(self) -> tuple[float, float]:
        try:
            low, high = (float(x) for x in self.erase_area)
        except (TypeError, ValueError):
            low = high = math.nan
        if not 0 < low <= high < 1:
            raise ParameterError(
                "Augment: erase_area must be two shares of the image, the smaller first, above 0 and below "
                f"1, got {self.erase_area!r}. Pass e.g. erase_area=(0.02, 0.2)."
            )
        return low, high

    @property
    def inputs(self) -> int:
        """Numbers in a row: one for each pixel and channel."""
        return math.prod(self.shape)

    @property
    def summary(self) -> str:
        """The changes in one line, as ``shift=2, rotate=10``."""
        used = [name for name in CHANGES if getattr(self, name)]
        used += [
            f.name
            for f in fields(self)
            if f.name not in ("shape", *used) and getattr(self, f.name) != f.default
        ]
        return ", ".join(f"{name}={_plainly(getattr(self, name))}" for name in used)

    def to_json(self) -> dict[str, Any]:
        """All settings, as JSON holds them: ``Augment(**settings)`` is the same."""
        settings = asdict(self)
        return {name: list(x) if isinstance(x, tuple) else x for name, x in settings.items()}

    def __call__(self, X: Any, rows: Any = None, epoch: int = 0, seed: int = 0) -> Array:
        """Changed copies of images.

        Parameters
        ----------
        X : array-like of numbers, shape (n, inputs) or (n, *shape)
        rows : array-like of int, shape (n,), optional
            The number that each image has among all of them, 0 to n - 1 where none is given: it is changed
            in the same way alone and among others.
        epoch, seed : int
            Other ones change the images otherwise.

        Returns
        -------
        ndarray of X's shape
            In X's type; whole numbers become float32.

        Raises
        ------
        ShapeError, DTypeError, DataError
            If X does not hold finite images of this shape, or `rows` not a number for each.
        """
        X = self._checked(X)
        numbers = np.arange(len(X)) if rows is None else np.asarray(rows)
        if numbers.shape != (len(X),) or numbers.dtype.kind not in "iu" or (numbers < 0).any():
            raise DataError(
                f"Augment: rows must be a whole number from 0 for each of {counted(len(X), 'image')}, "
                f"got {numbers.dtype} of shape {numbers.shape}."
            )
        if whole_number(epoch, "Augment: epoch", "epoch=0") < 0:
            raise ParameterError(f"Augment: epoch must be a whole number from 0, got {epoch!r}.")
        height, width = self.shape[:2]
        images = X.reshape(len(X), height, width, math.prod(self.shape[2:]))
        changed = np.empty_like(images)
        drawing = Drawing(checked_seed(seed), int(epoch))
        many = max(1, CHUNK // (height * width))
        for start in range(0, len(X), many):
            part = slice(start, start + many)
            self._change(images[part], drawing, numbers[part], changed[part])
        return np.reshape(changed, X.shape)

    def with_copies(self, X: Any, y: Any, copies: int = 1, seed: int = 0) -> tuple[Array, Array]:
        """Images and, after them, changed copies of all of them, with their answers.

        For models that see their rows once: a network that trains in epochs is given the `Augment` itself.

        Parameters
        ----------
        X : array-like of numbers, shape (n, inputs) or (n, *shape)
        y : array-like, shape (n,) or (n, outputs)
        copies : int
            Of each image, changed as in so many epochs.
        seed : int

        Returns
        -------
        X : ndarray, shape (n * (1 + copies), ...)
        y : ndarray, shape (n * (1 + copies), ...)

        Raises
        ------
        ShapeError, DTypeError, DataError
            As in a call; also if there is not an answer for each image.
        """
        X, y = self._checked(X), np.asarray(y)
        if y.shape[:1] != X.shape[:1]:
            raise ShapeError(f"Augment: {counted(len(X), 'image')} and y of shape {y.shape}.")
        times = 1 + positive_int(copies, "Augment: copies", "copies=2")
        changed = [self(X, epoch=epoch, seed=seed) for epoch in range(times - 1)]
        return np.concatenate([X, *changed]), np.concatenate([y] * times)

    def require_images(self, shape: tuple[int, ...]) -> None:
        """Raise ShapeError for the shape of an array that does not hold such images."""
        if shape[1:] not in ((self.inputs,), self.shape):
            raise ShapeError(
                f"Augment: expected images of shape {self.shape}, or rows of {self.inputs:,} numbers, got an "
                f"array of shape {shape}."
            )

    def _checked(self, X: Any) -> Array:
        X = np.asarray(X)
        if X.dtype.kind not in "biuf":
            raise DTypeError(f"Augment: images are numbers, got {X.dtype}.")
        self.require_images(X.shape)
        X = X if X.dtype in (np.float32, np.float64) else X.astype(np.float32)
        if not np.isfinite(X).all():
            raise DataError("Augment: images hold NaN or infinity. Pass finite numbers.")
        return np.asarray(X)

    # the changes ------------------------------------------------------------------------------

    def _change(self, images: Array, drawing: Drawing, rows: Array, out: Array) -> None:
        """Changed copies of a chunk of images, shape (n, height, width, channels)."""
        bent = 2 * math.prod(self.shape[:2]) if self.elastic else 0
        uniform, bends, normal = drawing(rows, bent, self.inputs if self.noise else 0)
        u = uniform.T[:, :, None, None]  # number, image, row, column
        out[...] = images
        if self.shift or self.rotate or self.zoom or self.flip or self.elastic:
            out[...] = resample(images, *self._places(u, bends), self.fill)
        if self.erase:
            out[self._erased(u)] = self.fill
        if self.noise:
            out += normal.reshape(out.shape) * out.dtype.type(self.noise)

    def _places(self, u: Array, bends: Array) -> tuple[Array, Array]:
        """Where in its image each pixel is taken from: row and column, each of shape (n, height, width)."""
        height, width = self.shape[:2]
        middle = (height - 1) / 2, (width - 1) / 2
        y = (
            np.arange(height, dtype=np.float32)[:, None]
            - np.float32(middle[0])
            - self._either(u[0]) * self.shift
        )
        x = np.arange(width, dtype=np.float32) - np.float32(middle[1]) - self._either(u[1]) * self.shift
        angle = self._either(u[2]) * math.radians(self.rotate)
        size = 1 + self._either(u[3]) * self.zoom
        cosine, sine = np.cos(angle) / size, np.sin(angle) / size
        down = self._mirror(u[4]) if self.flip in ("vertical", "both") else 1
        across = self._mirror(u[5]) if self.flip in ("horizontal", "both") else 1
        rows = (down * cosine * y + np.float32(middle[0])) + down * sine * x
        columns = across * cosine * x + (np.float32(middle[1]) - across * sine * y)
        if self.elastic:
            bends = bends.reshape(-1, 2, height, width)
            # products of one image's size: their last bits do not depend on how many images there are
            bends = np.matmul(self._smooth(height) * np.float32(self.elastic), bends)
            bends = np.matmul(bends, self._smooth(width).T)
            rows += bends[:, 0]
            columns += bends[:, 1]
        return rows, columns

    @staticmethod
    def _either(u: Array) -> Array:
        """From -1 to 1."""
        return 2 * u - 1

    @staticmethod
    def _mirror(u: Array) -> Array:
        """-1 or 1, as float32."""
        return np.where(u < 0.5, np.float32(-1), np.float32(1))

    def _smooth(self, size: int) -> Array:
        """The matrix that smooths a column of so many numbers, beyond which are zeros."""
        from scipy.ndimage import gaussian_filter1d

        smooth: Array = gaussian_filter1d(np.eye(size, dtype=np.float32), self.sigma, axis=0, mode="constant")
        return smooth

    def _erased(self, u: Array) -> Array:
        """Which pixels are in the rectangles to erase, shape (n, height, width)."""
        height, width = self.shape[:2]
        least, most = self.erase_area
        area = (least + (most - least) * u[7]) * (height * width)
        low, high = (math.log(aspect) for aspect in ASPECTS)
        aspect = np.exp(low + (high - low) * u[8])
        tall = np.clip(np.rint(np.sqrt(area * aspect)), 1, height)
        wide = np.clip(np.rint(np.sqrt(area / aspect)), 1, width)
        top, left = np.floor(u[9] * (height - tall + 1)), np.floor(u[10] * (width - wide + 1))
        y, x = np.arange(height)[:, None], np.arange(width)
        rows = (y >= top) & (y < top + tall) & (u[6] < self.erase)
        return np.asarray(rows & (x >= left) & (x < left + wide))


class Drawing:
    """The random numbers of images in an epoch.

    Those of a row are what ``Philox(key=[seed, 5], counter=[0, epoch, row, 0])`` gives.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        self.philox = np.random.Philox(key=np.array([seed, int(Purpose.AUGMENT)], np.uint64))
        self.generator = np.random.Generator(self.philox)
        self.fresh: Any = self.philox.state
        self.fresh["state"]["counter"][:] = [0, epoch, 0, 0]

    def __call__(self, rows: Array, pixels: int, normals: int) -> tuple[Array, Array, Array]:
        """So many of each: uniform in [0, 1), uniform in (-1, 1), normal; each of shape (rows, number)."""
        n, words = len(rows), -(-pixels // 4)  # 16 bits are enough for numbers that are summed
        uniform = np.empty((n, SCALARS), np.float32)
        raw = np.empty((n, words), "<u8")
        normal = np.empty((n, normals), np.float32)
        for k, row in enumerate(rows.tolist()):
            self.fresh["state"]["counter"][2] = row
            self.philox.state = self.fresh  # a new generator for each would cost more than its numbers
            self.generator.random(out=uniform[k], dtype=np.float32)
            if words:
                raw[k] = self.philox.random_raw(words)
            if normals:
                self.generator.standard_normal(out=normal[k], dtype=np.float32)
        fields = raw.view("<u2")[:, :pixels].astype(np.float32)
        fields -= 32767.5
        fields /= 32768
        return uniform, fields, normal


def checked_shape(shape: Any, what: str) -> tuple[int, ...]:
    """Height and width of images, and channels if there are some."""
    example = "(28, 28)"
    if not isinstance(shape, tuple | list) or len(shape) not in (2, 3):
        raise ParameterError(f"{what} must be (height, width) or (height, width, channels), got {shape!r}.")
    return tuple(positive_int(size, what, example) for size in shape)


def _plainly(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _up_to(value: object, what: str, most: float) -> float:
    """From 0 to `most`, with both."""
    number = not_negative(value, f"Augment: {what}")
    if number > most:
        raise ParameterError(f"Augment: {what} must be from 0 to {most:g}, got {value!r}.")
    return number
