"""From mixed columns to what a network takes: scikit-learn's imputing and encoding, kept by skops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import counted
from ..errors import DataError, ModelFileError
from ..training.loop import tell
from .archive import from_bytes
from .defaults import ONE_HOT, least_often
from .kinds import Column
from .pieces import has_many
from .sources import source_names, sources
from .wording import place, printable, shown

if TYPE_CHECKING:
    import polars

Array = np.ndarray[Any, Any]
MANY = 5_000_000  # cells from which on it is said that they are being encoded
OTHER, NONE = "(other)", "(missing)"


@dataclass(frozen=True)
class Encoding:
    """What was learned from the rows to train on about turning columns into a network's inputs.

    Attributes
    ----------
    columns : list of Column
    transformer : sklearn.compose.ColumnTransformer
        Fitted.
    """

    columns: list[Column]
    transformer: Any

    @property
    def inputs(self) -> list[str]:
        """The names of the network's inputs, in their order."""
        return [name for name, _ in _inputs(self.transformer)]

    @property
    def scaled(self) -> Array:
        """Which inputs are to be standardised: all but those that are 0 or 1, bool of shape (inputs,)."""
        return np.array([scaled for _, scaled in _inputs(self.transformer)], np.bool_)

    def learned(self, column: Column) -> dict[str, Any]:
        """What the rows to train on said of a column: how it is encoded in words, its words, its median."""
        fitted = _fitted(self.transformer)
        known = _categories(self.transformer).get(column.name)
        if known is not None:
            words = [word for word in known if word is not None]
            many = column.name in fitted.get("mean", (None, []))[1]
            way = "the target's mean in each" if many else "an input each"
            return {"encoding": f"{counted(len(words), 'word')}, {way}", "words": words}
        if column.kind == "date":
            return {"encoding": ", ".join(column.parts)}
        part, columns = fitted["number"]
        median = float(part.statistics_[columns.index(column.name)])
        return {"encoding": f"the number; {median:g} if missing", "median": median}

    def encode(self, cells: polars.DataFrame) -> Array:
        """Rows as a network's inputs, float64 of shape (rows, inputs), from what `sources` gives of them."""
        return np.asarray(self.transformer.transform(cells), np.float64)

    def encode_frame(self, data: str, frame: polars.DataFrame) -> Array:
        """Rows of another table as inputs; what the training did not have is told on standard error.

        Parameters
        ----------
        data : str
            What messages call the table.
        frame : polars.DataFrame
            With the columns' names, in any order; others are left aside.

        Returns
        -------
        ndarray of float64, shape (rows, inputs)

        Raises
        ------
        UnknownNameError
            If a column is not there.
        DataError
            If a cell is not of its column's kind: row and column are named.
        """
        found = sources(data, frame, self.columns)
        self._tell_news(data, found)
        return self.encode(found)

    def _tell_news(self, data: str, found: polars.DataFrame) -> None:
        """Say which words and gaps the rows to train on had not got."""
        for name, known in _categories(self.transformer).items():
            words = found[name]
            strange = words.is_not_null() & ~words.is_in([word for word in known if word is not None])
            if None not in known:
                strange |= words.is_null()
            if not strange.any():
                continue
            row = int(strange.arg_true()[0])
            new = words.filter(strange).drop_nulls().unique(maintain_order=True).to_list()
            what = f"{', '.join(shown(w, 20) for w in new[:3])}"
            what += f" and {len(new) - 3:,} more" if len(new) > 3 else ""
            if not new:
                what = "a missing cell"
            tell(
                f"chainrule: {printable(place(data, row, name))}: the training did not have {what}, "
                "taken as one of the rare words."
            )
        for name in _never_missing(self.transformer):
            if found[name].null_count():
                row = int(found[name].is_null().arg_true()[0])
                count = counted(found[name].null_count(), "cell")
                tell(
                    f"chainrule: {printable(place(data, row, name))}: missing, {count} altogether; the "
                    "training had none, and the median stands for them."
                )


def fit_encoding(
    data: str, found: polars.DataFrame, columns: list[Column], y: Array, seed: int
) -> tuple[Encoding, Array]:
    """Learn from rows how columns become inputs, and encode these rows.

    Numbers that are missing become the median, with an input that says so; categories get an input each, rare
    ones one in common; columns with many categories become the target's mean in each, taken for every row
    from other rows (scikit-learn's TargetEncoder). Numbers of many values come first, as `find_knots` wants.

    Parameters
    ----------
    data : str
        What messages call the table.
    found : polars.DataFrame
        The rows to train on, as `sources` gives them.
    columns : list of Column
    y : ndarray of float64 or str, shape (rows,)
        Their targets: numbers to learn values, words to learn classes.
    seed : int
        Of the rows from which the means of the others are taken.

    Returns
    -------
    Encoding
    ndarray of float64, shape (rows, inputs)

    Raises
    ------
    DataError
        If a column has no values in these rows.
    """
    from sklearn.compose import ColumnTransformer

    if found.height * found.width > MANY:
        tell(f"encoding {counted(found.height, 'row')} of {counted(found.width, 'column')}")
    for name in found.columns:
        if found[name].null_count() == found.height:
            raise DataError(
                f"{data}: column {shown(name)} is empty in all rows to train on. "
                f"Remove it, or pass --column {shown(name, 20)[1:-1]}=ignore."
            )
    parts = [part for part in _parts(found, y, seed) if part[2]]
    transformer = ColumnTransformer(parts, sparse_threshold=0.0)
    encoded = np.asarray(transformer.fit_transform(found, y), np.float64)
    if "mean" in transformer.named_transformers_:
        # How rows are divided matters in fitting alone, and skops does not trust the object that says it.
        transformer.set_params(mean__cv=5)
        transformer.named_transformers_["mean"].set_params(cv=5)
    return Encoding(columns, transformer), encoded


def _parts(found: polars.DataFrame, y: Array, seed: int) -> list[tuple[str, Any, list[str]]]:
    """The ColumnTransformer's parts: a name, an encoder and its columns."""
    import polars as pl
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import OneHotEncoder, TargetEncoder

    words = [name for name in found.columns if found[name].dtype == pl.String]
    numbers = [name for name in found.columns if name not in set(words)]
    distinct = {name: found[name].n_unique() for name in found.columns}
    many = [name for name in words if distinct[name] > ONE_HOT]
    few = [name for name in words if distinct[name] <= ONE_HOT]
    numbers.sort(key=lambda name: not has_many(found[name].drop_nulls().n_unique()))
    median = SimpleImputer(strategy="median", add_indicator=True)
    one_hot = OneHotEncoder(
        min_frequency=least_often(found.height), handle_unknown="infrequent_if_exist", sparse_output=False
    )
    mean = TargetEncoder(
        target_type="continuous" if y.dtype.kind == "f" else "auto",
        cv=KFold(5, shuffle=True, random_state=seed % 2**32),
    )
    return [
        ("number", median, numbers),
        ("category", one_hot, few),
        ("mean", mean, many),
    ]


# what a fitted transformer says of itself ---------------------------------------------------------


def _fitted(transformer: Any) -> dict[str, tuple[Any, list[str]]]:
    return {
        name: (part, list(columns))
        for name, part, columns in transformer.transformers_
        if name != "remainder"
    }


def _inputs(transformer: Any) -> list[tuple[str, bool]]:
    """The name of every input, and whether it is to be standardised."""
    found: list[tuple[str, bool]] = []
    for kind, (part, columns) in _fitted(transformer).items():
        names = [shown(name, 60)[1:-1] for name in columns]
        if kind == "number":
            found += [(name, True) for name in names]
            gaps = [] if part.indicator_ is None else part.indicator_.features_.tolist()
            found += [(f"{names[k]} {NONE}", False) for k in gaps]
        elif kind == "category":
            found += [(f"{name}={word}", False) for name, word in _one_hot_words(part, names)]
        elif part.target_type_ == "multiclass":
            found += [(f"{name} (share of {c})", True) for name in names for c in part.classes_]
        else:
            found += [(f"{name} (mean)", True) for name in names]
    return found


def _one_hot_words(encoder: Any, names: Sequence[str]) -> list[tuple[str, str]]:
    """Column and word of every input of a OneHotEncoder."""
    found = []
    for name, words, rare in zip(names, encoder.categories_, encoder.infrequent_categories_, strict=True):
        scarce = set() if rare is None else set(rare.tolist())
        kept = [word for word in words.tolist() if word not in scarce]
        found += [(name, NONE if word is None else shown(word, 60)[1:-1]) for word in kept]
        found += [(name, OTHER)] if scarce else []
    return found


def _categories(transformer: Any) -> dict[str, list[str | None]]:
    """The words that the rows to train on had, by column."""
    fitted = _fitted(transformer)
    found: dict[str, list[str | None]] = {}
    for kind in ("category", "mean"):
        if kind in fitted:
            part, columns = fitted[kind]
            found |= {c: words.tolist() for c, words in zip(columns, part.categories_, strict=True)}
    return found


def _never_missing(transformer: Any) -> list[str]:
    """The columns of numbers in which the rows to train on missed none."""
    fitted = _fitted(transformer)
    if "number" not in fitted:
        return []
    part, columns = fitted["number"]
    gaps = set() if part.indicator_ is None else set(part.indicator_.features_.tolist())
    return [name for k, name in enumerate(columns) if k not in gaps]


def restored(columns: list[Column], content: bytes, inputs: int | None) -> Encoding:
    """An encoding from a model file; raises ModelFileError if it does not fit the columns or the network."""
    from sklearn.compose import ColumnTransformer

    encoding = Encoding(columns, from_bytes(content, "preprocessing", ColumnTransformer))
    try:
        names = list(encoding.transformer.feature_names_in_)
        fits = names == source_names(columns) and len(encoding.inputs) == inputs
    except (AttributeError, KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise ModelFileError("its preprocessing does not fit its columns or its network. Train it again.")
    return encoding
