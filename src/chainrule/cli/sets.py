"""Data by name: the built-in sets, or a file.

The sets are read from the files that scikit-learn brings along, without importing it: that would take longer
than training on any of them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError, ParameterError, UnknownNameError
from .tables import Table, listed, read_frame, table_from

Array = np.ndarray[Any, Any]
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
}


def load_table(
    data: str, target: str | None, columns: Sequence[str] | None = None, to_learn: bool = False
) -> Table:
    """A built-in set by name, or a CSV or Parquet file with a header line.

    Parameters
    ----------
    data : str
        Name or path.
    target : str or None
        The column to predict; of a built-in set, None.
    columns : sequence of str, optional
        The inputs to take, in this order; all but the target where none are given.
    to_learn : bool
        Whether there must be a target.

    Raises
    ------
    UnknownNameError
        If there is no such set, file or column.
    ParameterError
        If a target is named for a built-in set, or none for a file that needs one.
    DataError
        If the file cannot be read, is empty, misses values, or holds inputs that are no numbers.
    """
    if data in BUILT_IN:
        table = BUILT_IN[data](data)
        if target not in (None, table.target):
            raise ParameterError(f"--target: {data} has its own target, {table.target!r}; leave it out.")
        return table
    if not os.path.exists(data):
        near = difflib.get_close_matches(data.lower(), BUILT_IN, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        sets = ", ".join(BUILT_IN)
        raise UnknownNameError(f"{data}: there is no such file, nor a built-in set.{hint} Sets: {sets}.")
    frame = read_frame(data)
    if to_learn and target is None:
        names = listed(frame.columns)
        raise ParameterError(f"--target is needed: which column of {data} to predict? It has {names}.")
    return table_from(data, frame, target, columns)


def _path(file: str) -> Path:
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "the built-in sets come with scikit-learn, which is not installed. Run: pip install scikit-learn"
        )
    return Path(spec.submodule_search_locations[0], "datasets", "data", file)


def _with_names(file: str, target: str) -> Callable[[str], Table]:
    """A set in whose file a line of counts and class names comes first, and each row ends in its class."""

    def load(name: str) -> Table:
        with open(_path(file), encoding="utf-8") as lines:
            classes = np.array(lines.readline().strip().split(",")[2:])
            rows = np.loadtxt(lines, delimiter=",")
        y = classes[rows[:, -1].astype(int)]
        return Table(name, COLUMNS[name], rows[:, :-1], target, y, "classification")

    return load


def _digits(name: str) -> Table:
    rows = np.loadtxt(_path("digits.csv.gz"), delimiter=",")
    return Table(name, COLUMNS[name], rows[:, :-1], "digit", rows[:, -1].astype(int), "classification")


def _diabetes(name: str) -> Table:
    """With every input brought to mean 0 and length 1, the form in which this set is known."""
    X = np.loadtxt(_path("diabetes_data_raw.csv.gz"))
    X -= X.mean(axis=0)
    X /= np.sqrt((X * X).sum(axis=0))
    y = np.loadtxt(_path("diabetes_target.csv.gz"))
    return Table(name, COLUMNS[name], X, "progression", y, "regression")


def _xor(name: str) -> Table:
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Table(name, ["a", "b"], X, "a xor b", np.array([0, 1, 1, 0]), "classification")


BUILT_IN: dict[str, Callable[[str], Table]] = {
    "breast-cancer": _with_names("breast_cancer.csv", "diagnosis"),
    "diabetes": _diabetes,
    "digits": _digits,
    "iris": _with_names("iris.csv", "species"),
    "wine": _with_names("wine_data.csv", "cultivar"),
    "xor": _xor,
}
