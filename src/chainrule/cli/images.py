"""Images on the command line: folders as tables of pixels, and what is changed of them in training."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..ensembles.ensemble import Ensemble
from ..errors import ChainruleError, DataError, ModelFileError, ParameterError, unknown_name
from ..explain.plots.contact import contact_sheet
from ..explain.plots.plotting import file_of
from ..images.augment import Augment, checked_shape
from ..images.folder import POLICIES, images_from_folder
from ..model.network import Network
from ..tables.wording import printable
from ..training.loop import tell
from .settings import Settings

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
FILE, CLASS = "file", "class"  # columns of a folder's table, beside those of its pixels
SETS = {"digits": (8, 8)}  # built-in sets of images
SIZE = (28, 28)
COLOURS = "red", "green", "blue"
NAMED = 5  # corrupt files that are named


@dataclass(frozen=True)
class Reading:
    """How a folder's images are read.

    Attributes
    ----------
    shape : tuple of int
        Height, width, and 3 channels for colours.
    corrupt : {"refuse", "skip"}
    """

    shape: tuple[int, ...] = SIZE
    corrupt: str = "refuse"


def is_folder(data: str) -> bool:
    """Whether data is a folder, and so holds images."""
    return os.path.isdir(data)


def reading_of(settings: Settings, data: str) -> Reading:
    """What was stated of a folder's images; raises ParameterError where data is none and something was."""
    if not is_folder(data):
        for key in ("image_size", "color", "corrupt"):
            if label := settings.label("images", key):
                raise ParameterError(f"{label} is for a folder of images, which {data} is not. Leave it out.")
    size = settings.get("images", "image_size", SIZE)
    colours = (3,) if settings.get("images", "color") else ()
    return Reading((*size, *colours), settings.get("images", "corrupt", "refuse"))


def checked_policy(corrupt: str, data: str) -> str:
    """What to do with corrupt images; raises ParameterError where data holds none."""
    if corrupt not in POLICIES:
        raise unknown_name("--corrupt", corrupt, POLICIES)
    if corrupt != "refuse" and not is_folder(data):
        raise ParameterError(f"--corrupt is for a folder of images, which {data} is not. Leave it out.")
    return corrupt


def pixel_names(shape: tuple[int, ...]) -> list[str]:
    """The names of a table's pixels, in the order of an image."""
    ends = [""] if len(shape) == 2 else [f"_{colour}" for colour in COLOURS]
    return [f"pixel_{y}_{x}{end}" for y in range(shape[0]) for x in range(shape[1]) for end in ends]


def folder_frame(data: str, reading: Reading, labels: bool) -> polars.DataFrame:
    """A folder's images as a table: file, class (if wanted) and pixels from 0 to 1; corrupt ones are told."""
    import polars as pl

    try:
        found = images_from_folder(
            data,
            size=(reading.shape[0], reading.shape[1]),
            grayscale=len(reading.shape) == 2,
            corrupt=reading.corrupt,
            labels=labels,
        )
    except DataError as error:
        text = str(error).replace("corrupt='skip'", "--corrupt skip")
        raise DataError(re.sub("Take a smaller size.*", "Pass a smaller --image-size.", text)) from None
    if found.corrupt:
        named = [f"{name} ({why.rstrip('.')})" for name, why in list(found.corrupt.items())[:NAMED]]
        more = len(found.corrupt) - len(named)
        others = f", and {more:,} more" if more else ""
        tell(
            f"chainrule: {printable(data)}: {counted(len(found.corrupt), 'image')} cannot be read and "
            f"{'is' if len(found.corrupt) == 1 else 'are'} left out: {printable(', '.join(named))}{others}"
        )
    columns: dict[str, Any] = {FILE: _text(found.files)}
    if found.y is not None:
        columns[CLASS] = _text(found.y.tolist())
    return pl.DataFrame(columns | dict(zip(pixel_names(reading.shape), found.X.T, strict=True)))


def _text(names: list[str]) -> list[str]:
    """Names of files as text; bytes in them that are no text become question marks."""
    return [name.encode("utf-8", "replace").decode("utf-8") for name in names]


def keep_shape(network: Network | Ensemble, shape: tuple[int, ...] | None) -> None:
    """Enter in a network what images it is for."""
    if shape is not None:
        network.metadata["images"] = list(shape)


def kept_shape(network: Network | Ensemble, path: object) -> tuple[int, ...]:
    """What `keep_shape` entered, or the usual size; raises ModelFileError if that is broken."""
    try:
        return checked_shape(network.metadata.get("images", SIZE), "its images")
    except ParameterError as error:
        raise ModelFileError(f"{path}: {error}") from None


# changes in training --------------------------------------------------------------------------


def shape_of(data: str, settings: Settings, reading: Reading) -> tuple[int, ...] | None:
    """The shape of the images that data holds; None for a table, which cannot be augmented.

    Raises
    ------
    ParameterError
        If a table is to be augmented.
    """
    if is_folder(data):
        return reading.shape
    label = settings.label("images", "augment")
    if label is None:
        return None
    if data not in SETS:
        sets = " and ".join(SETS)
        raise ParameterError(f"{label} is for images: the built-in set {sets}, or a folder. Leave it out.")
    return SETS[data]


def find_augment(settings: Settings, shape: tuple[int, ...] | None) -> Augment | None:
    """The changes that were stated; None where none were."""
    changes: Mapping[str, Any] | None = settings.get("images", "augment")
    if changes is None or shape is None:
        return None
    label = str(settings.label("images", "augment"))
    known = [field.name for field in dataclasses.fields(Augment) if field.name != "shape"]
    for name in changes:
        if name not in known:
            raise unknown_name(label, name, known)
    try:
        return Augment(shape, **changes)
    except ChainruleError as error:
        raise type(error)(f"{label}: {str(error).removeprefix('Augment: ')}") from None


@dataclass(frozen=True)
class Placed:
    """Augmentation of rows in which the pixels stand in another order.

    Attributes
    ----------
    augment : Augment
    columns : ndarray of int
        Where in a row each pixel of the image is.
    """

    augment: Augment
    columns: Array = dataclasses.field(repr=False)

    def __call__(self, x: Array, numbers: Array, epoch: int, seed: int) -> Array:
        x[:, self.columns] = self.augment(x[:, self.columns], numbers, epoch, seed)
        return x


def placed(augment: Augment, inputs: list[str]) -> Placed:
    """Augmentation of a network's inputs; raises ParameterError where some pixels are none of them."""
    places = {name: k for k, name in enumerate(inputs)}
    missing = [name for name in pixel_names(augment.shape) if name not in places]
    if missing:
        raise ParameterError(
            f"--column {missing[0]}=... and --augment contradict each other: an image needs all its pixels, "
            "as numbers. Leave one out."
        )
    return Placed(augment, np.array([places[name] for name in pixel_names(augment.shape)]))


def sheet(path: Path, X: Array, y: Array, change: Placed, seed: int) -> bytes:
    """A contact sheet of rows to train on, as its file."""
    figure = contact_sheet(X[:, change.columns], change.augment, y, seed=seed)
    return file_of(figure, path.suffix)
