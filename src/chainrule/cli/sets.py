"""Data by name: the built-in sets, or a file.

The sets are read from the files that scikit-learn brings along, without importing it: that would take longer
than training on any of them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingExtraError, ParameterError, UnknownNameError
from ..tables.reading import read_table
from ..tables.table import Table, make_table
from ..tables.wording import listed
from .images import CLASS, FILE, Reading, folder_frame, is_folder

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
Arrays = tuple[Array, Array]  # inputs and targets
BREAST_CANCER = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
    *("concave points", "symmetry", "fractal dimension"),
)
COLUMNS = {
    "breast-cancer": [
        *(f"mean {measure}" for measure in BREAST_CANCER),
        *(f"{measure} error" for measure in BREAST_CANCER),
        *(f"worst {measure}" for measure in BREAST_CANCER),
    ],
    "diabetes": ["age", "sex", "bmi", "bp", *(f"s{i}" for i in range(1, 7))],
    "digits": [f"pixel_{row}_{column}" for row in range(8) for column in range(8)],
    "iris": [f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")],
    "wine": [
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue"),
        *("od280/od315_of_diluted_wines", "proline"),
    ],
    "xor": ["a", "b"],
}
TARGETS = {
    "breast-cancer": "diagnosis",
    "diabetes": "progression",
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
    "xor": "a xor b",
}


def load_frame(
    data: str, separator: str | None = None, reading: Reading | None = None, labels: bool = True
) -> polars.DataFrame:
    """All columns of a built-in set by name, of a file, or of a folder of images.

    Parameters
    ----------
    data : str
        Name or path.
    separator : str, optional
        Between the columns of a text file; found out where none is given.
    reading : Reading, optional
        How images are read.
    labels : bool
        Whether the classes of images are wanted.

    Raises
    ------
    UnknownNameError
        If there is no such set or file.
    DataError
        If the file or folder cannot be read or is empty.
    ParameterError
        If a separator is stated for images.
    """
    if data in BUILT_IN:
        import polars as pl

        X, y = BUILT_IN[data](data)
        inputs = dict(zip(COLUMNS[data], X.T, strict=True))
        return pl.DataFrame(inputs | {TARGETS[data]: y})
    if _is_missing(data):
        near = difflib.get_close_matches(data.lower()[:100], BUILT_IN, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        sets = ", ".join(BUILT_IN)
        name = data if len(data) <= 80 else f"{data[:77]}..."
        raise UnknownNameError(f"{name}: there is no such file, nor a built-in set.{hint} Sets: {sets}.")
    if is_folder(data):
        if separator is not None:
            raise ParameterError(f"--separator is for text, and {data} is a folder of images. Leave it out.")
        return folder_frame(data, reading or Reading(), labels)
    return read_table(data, separator)


def _is_missing(path: str) -> bool:
    """Whether there is nothing of that name; what may not be looked at is for the reader to refuse."""
    try:
        os.lstat(path)
    except PermissionError:
        return False
    except (OSError, ValueError):
        return True
    return False


def load_table(
    data: str,
    target: str | None,
    separator: str | None = None,
    stated: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> Table:
    """A built-in set, a file or a folder of images to learn from.

    Parameters
    ----------
    data : str
        Name or path.
    target : str or None
        The column to predict; of a built-in set, None or its own.
    separator : str, optional
    stated : mapping of str to str, optional
        Kinds of columns that a user says.
    reading : Reading, optional
        How images are read.

    Raises
    ------
    UnknownNameError
        If there is no such set, file or column.
    ParameterError
        If another target is named for a built-in set, or none for a file.
    DataError
        If the file cannot be read, is empty, or has cells that cannot be learned from.
    """
    frame = load_frame(data, separator, reading)
    kinds = {FILE: "ignored"} if is_folder(data) else {}
    return make_table(data, frame, target_of(data, target, frame), {**kinds, **(stated or {})})


def target_of(data: str, target: str | None, frame: polars.DataFrame) -> str:
    """The name of the target; raises ParameterError where none is known, or a built-in set has another."""
    if data in BUILT_IN:
        if target not in (None, TARGETS[data]):
            raise ParameterError(f"--target: {data} has its own target, {TARGETS[data]!r}; leave it out.")
        return TARGETS[data]
    if is_folder(data):
        if target not in (None, CLASS):
            raise ParameterError("--target: the classes of images are their folders' names; leave it out.")
        return CLASS
    if target is None:
        names = listed(frame.columns)
        raise ParameterError(f"--target is needed: which column of {data} to predict? It has {names}.")
    return target


def _path(file: str) -> Path:
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "the built-in sets come with scikit-learn, which is not installed. Run: pip install scikit-learn"
        )
    return Path(spec.submodule_search_locations[0], "datasets", "data", file)


def _with_names(file: str) -> Callable[[str], Arrays]:
    """A set in whose file a line of counts and class names comes first, and each row ends in its class."""

    def load(name: str) -> Arrays:
        with open(_path(file), encoding="utf-8") as lines:
            classes = np.array(lines.readline().strip().split(",")[2:])
            rows = np.loadtxt(lines, delimiter=",")
        return rows[:, :-1], classes[rows[:, -1].astype(int)]

    return load


def _digits(name: str) -> Arrays:
    rows = np.loadtxt(_path("digits.csv.gz"), delimiter=",")
    return rows[:, :-1], rows[:, -1].astype(int)


def _diabetes(name: str) -> Arrays:
    """With every input brought to mean 0 and length 1, the form in which this set is known."""
    X = np.loadtxt(_path("diabetes_data_raw.csv.gz"))
    X -= X.mean(axis=0)
    X /= np.sqrt((X * X).sum(axis=0))
    return X, np.loadtxt(_path("diabetes_target.csv.gz"))


def _xor(name: str) -> Arrays:
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return X, np.array([0, 1, 1, 0])


BUILT_IN: dict[str, Callable[[str], Arrays]] = {
    "breast-cancer": _with_names("breast_cancer.csv"),
    "diabetes": _diabetes,
    "digits": _digits,
    "iris": _with_names("iris.csv"),
    "wine": _with_names("wine_data.csv"),
    "xor": _xor,
}
