"""Images from folders: a folder for each class, in it the images of that class."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted, need_pillow, positive_int
from ..errors import DataError, ParameterError, unknown_name

if TYPE_CHECKING:
    from PIL.Image import Image

Array = np.ndarray[Any, Any]
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
POLICIES = "refuse", "skip"
MOST_BYTES = 4 * 2**30  # of the images that are returned
MOST_PIXELS = 50_000_000  # of one file: that is what is in memory beside the images
NAMED = 5  # files that a message names


@dataclass(frozen=True)
class ImageFolder:
    """Images of one size.

    Attributes
    ----------
    X : ndarray of float32, shape (n, height * width * channels)
        From 0, black, to 1.
    y : ndarray of str, shape (n,), or None
        Their classes; None where the folder holds images without any.
    shape : tuple of int
        Height and width; of colour images, 3 channels as well: red, green, blue.
    files : list of str
        Where each is, from the folder on.
    corrupt : dict of str to str
        The files that were left out because they cannot be read, and why.
    """

    X: Array = field(repr=False)
    y: Array | None = field(repr=False)
    shape: tuple[int, ...]
    files: list[str] = field(repr=False)
    corrupt: dict[str, str]

    def __len__(self) -> int:
        return len(self.X)


def images_from_folder(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] = (28, 28),
    grayscale: bool = True,
    corrupt: str = "refuse",
    labels: bool = True,
    most_bytes: int = MOST_BYTES,
) -> ImageFolder:
    """Read the images of a folder into an array.

    Images of other sizes are resized with smoothing (Pillow's bilinear filter), whatever their proportions
    are. Cameras' notes about which side is up are followed; what is transparent becomes black; of a film, the
    first picture is taken. Files that have no image's ending, and hidden ones, are passed over.

    Needed are 4 bytes for each number returned, and what one file takes while it is read: images of more than
    50 million pixels count as corrupt.

    Parameters
    ----------
    path : path-like
        A folder with a folder for each class, whose name is the class; images may lie deeper within these.
    size : (int, int)
        Height and width that all images are brought to, in pixels.
    grayscale : bool
        One number for each pixel, by the luma of ITU-R 601; else red, green and blue.
    corrupt : {"refuse", "skip"}
        What to do if files cannot be read: raise an error that names them, or leave them out.
    labels : bool
        Whether classes are wanted; without, images may lie in `path` itself.
    most_bytes : int
        Raise DataError rather than return more than that; 4 GiB unless told otherwise.

    Returns
    -------
    ImageFolder

    Raises
    ------
    DataError
        If there is no such folder, it has no classes or a class has no images, files are corrupt, or all of
        them together are too large.
    ParameterError
        If an argument is not what it can be.
    MissingExtraError
        If Pillow is not installed.

    Examples
    --------
    >>> import chainrule as cr
    >>> folder = cr.images_from_folder("flowers", size=(32, 32), corrupt="skip")  # doctest: +SKIP
    >>> net.fit(folder.X, folder.y, augment=cr.Augment(folder.shape, flip="horizontal"))  # doctest: +SKIP
    """
    need_pillow()
    height, width = _checked_size(size)
    if corrupt not in POLICIES:
        raise unknown_name("images_from_folder: corrupt", corrupt, POLICIES)
    root = Path(path)
    files, classes = _files(root, labels)
    shape = (height, width) if grayscale else (height, width, 3)
    _require_room(
        root, len(files), shape, positive_int(most_bytes, "images_from_folder: most_bytes", "2**32")
    )
    X = np.empty((len(files), *shape), np.float32)
    broken: dict[str, str] = {}
    kept: list[str] = []
    for file in files:
        try:
            image = _read(root / file, shape)
        except Exception as error:  # Pillow's readers raise any kind for a damaged file: struct.error, ...
            broken[file] = (
                f"{error}".strip().splitlines()[0][:200] if f"{error}".strip() else type(error).__name__
            )
        else:
            X[len(kept)] = image
            kept.append(file)
    if broken and corrupt == "refuse":
        raise DataError(
            f"{root}: {counted(len(broken), 'image')} of {len(files):,} cannot be read: {_named(broken)}. "
            "Mend or remove them, or pass corrupt='skip'."
        )
    if not kept:
        raise DataError(f"{root}: none of {counted(len(files), 'image')} can be read: {_named(broken)}.")
    X = X[: len(kept)] if len(kept) < len(files) else X
    X /= 255
    y = None
    if labels:
        y = np.array([file.partition("/")[0] for file in kept])
        for name in set(classes) - set(y.tolist()):
            raise DataError(f"{root}: class {name!r} has no image that can be read. Remove its folder.")
    return ImageFolder(X.reshape(len(X), -1), y, shape, kept, broken)


def _checked_size(size: Any) -> tuple[int, int]:
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise ParameterError(f"images_from_folder: size must be (height, width), got {size!r}.")
    height, width = (positive_int(side, "images_from_folder: size", "size=(28, 28)") for side in size)
    return height, width


def _require_room(root: Path, count: int, shape: tuple[int, ...], most: int) -> None:
    needed = 4 * count * int(np.prod(shape))
    if needed > most:
        raise DataError(
            f"{root}: {counted(count, 'image')} of {' x '.join(map(str, shape))} need {needed / 2**30:.1f} "
            f"GiB, and {most / 2**30:.1f} are allowed. Take a smaller size, or allow more by most_bytes."
        )


def _named(broken: dict[str, str]) -> str:
    listed = [f"{name} ({why.rstrip('.')})" for name, why in list(broken.items())[:NAMED]]
    more = len(broken) - len(listed)
    return ", ".join(listed) + (f", and {more:,} more" if more else "")


# which files ----------------------------------------------------------------------------------


def _files(root: Path, labels: bool) -> tuple[list[str], list[str]]:
    """Images below a folder, in order, and the classes."""
    if not root.is_dir():
        what = "is a file" if root.exists() else "there is no such folder"
        raise DataError(f"{root}: {what}. Pass a folder with a folder for each class.")
    try:
        inside = sorted(entry for entry in os.listdir(root) if not entry.startswith("."))
        classes = [name for name in inside if (root / name).is_dir()]
        if labels and not classes:
            raise DataError(
                f"{root}: has no folders within, and a folder for each class is needed, with its name."
            )
        found = [] if labels else [name for name in inside if _is_image(name)]
        for name in classes:
            own = sorted(_below(root, name))
            if labels and not own:
                raise DataError(
                    f"{root}: class {name!r} has no images. Add some ({', '.join(ENDINGS)}), or remove it."
                )
            found += own
    except OSError as error:
        raise DataError(
            f"{root}: cannot be read: {error.strerror}. Check the folder and its rights."
        ) from None
    if not found:
        raise DataError(f"{root}: has no images ({', '.join(ENDINGS)}).")
    return found, classes


def _below(root: Path, name: str) -> Iterator[str]:
    """The images in a folder and in those within, their paths from the root on."""
    for entry in os.scandir(root / name):
        inner = f"{name}/{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(root, inner)
        elif _is_image(entry.name):
            yield inner


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


# one file -------------------------------------------------------------------------------------


def _read(path: Path, shape: Sequence[int]) -> Array:
    """An image's pixels from 0 to 255, at the size wanted."""
    from PIL import Image, ImageOps

    height, width = shape[:2]
    mode = "L" if len(shape) == 2 else "RGB"
    with Image.open(path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(f"has {image.width:,} by {image.height:,} pixels")
        image.draft(mode, (width, height))  # a large JPEG is decoded at a half, a quarter, ... of its size
        upright = ImageOps.exif_transpose(image)
        plain = _plain(upright, mode)
        if plain.size != (width, height):
            plain = plain.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(plain)


def _plain(image: Image, mode: str) -> Image:
    """An image as 8 bits for each of its channels, without transparency."""
    from PIL import Image

    if image.mode in ("I", "F"):
        raise DataError("has pixels of 32 bits, of which it is not known what is black and what is white")
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) / 257).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, layered).convert(mode)
    return image.convert(mode)
