"""Tables and images to compare methods on, each with the splits that seeds draw."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mnist import DataMissing, data_folder

TEST_SIZE = 0.2  # of the rows, where a set has no test rows of its own


@dataclass(frozen=True)
class Rows:
    """Rows to train on and to test with.

    Attributes
    ----------
    X, X_test : polars.DataFrame
    y, y_test : ndarray
        Words or whole numbers for classes, float64 for values.
    """

    X: Any
    y: Any
    X_test: Any
    y_test: Any


@dataclass(frozen=True)
class Dataset:
    """A set to learn.

    Attributes
    ----------
    name, title : str
    task : {"classification", "regression"}
    seeds : int
        In a whole run.
    seconds : float
        What one seed of all methods takes on two cores, for the time left.
    load : callable
        ``load()`` gives a polars.DataFrame, the target's values, and which rows are the set's own test rows
        (None where seeds draw them). Raises DataMissing.
    """

    name: str
    title: str
    task: str
    seeds: int
    seconds: float
    load: Callable[[], Any]

    def rows(self, seed):
        """The split of a seed; where a set has its own test rows, the same for all seeds."""
        from sklearn.model_selection import train_test_split

        frame, y, tests = self.load()
        places = np.arange(len(y))
        if tests is None:
            classes = y if self.task == "classification" else None
            train, test = train_test_split(places, test_size=TEST_SIZE, random_state=seed, stratify=classes)
        else:
            train, test = places[~tests], places[tests]
        return Rows(frame[train], y[train], frame[test], y[test])


# how each is read -----------------------------------------------------------------------------


def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return pixels(X), y, None


def mnist():
    with np.load(found("mnist.npz"), allow_pickle=False) as data:
        X = np.concatenate([data["x_train"], data["x_test"]]).reshape(-1, 784)
        y = np.concatenate([data["y_train"], data["y_test"]]).astype(np.int64)
    return pixels(X), y, np.arange(len(y)) >= 60_000


def adult():
    frame = table("adult.csv.gz")
    return frame.drop("income", "split"), words(frame, "income"), (frame["split"] == "test").to_numpy()


def california():
    frame = table("california_housing.csv.gz")
    return frame.drop("median_house_value"), values(frame, "median_house_value"), None


def credit():
    import polars as pl

    with np.load(found("credit_default.npz"), allow_pickle=False) as data:
        X, y = data["X"], data["y"].astype(np.int64)
    return pl.DataFrame({f"x{k + 1}": X[:, k] for k in range(X.shape[1])}), y, None


def wine():
    frame = table("wine_quality.csv.gz").unique(maintain_order=True)
    return frame.drop("quality"), values(frame, "quality"), None


def student():
    frame = table("student_mat.csv.gz")
    return frame.drop("G1", "G2", "G3"), values(frame, "G3"), None


def student_with_grades():
    frame = table("student_mat.csv.gz")
    return frame.drop("G3"), values(frame, "G3"), None


def found(name):
    path = data_folder() / name
    if not path.is_file():
        raise DataMissing(
            f"{path} is not there. Name the folder that holds it: CHAINRULE_DATA=folder make accuracy."
        )
    return path


def table(name):
    import polars as pl

    return pl.read_csv(found(name), infer_schema_length=None)


def pixels(X):
    import polars as pl

    return pl.DataFrame({f"p{k}": X[:, k] for k in range(X.shape[1])})


def words(frame, name):
    return frame[name].to_numpy().astype(np.str_)


def values(frame, name):
    return frame[name].to_numpy().astype(np.float64)


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("digits", "digits, 10 classes", "classification", 10, 8, digits),
        Dataset("adult", "adult, income above 50K", "classification", 10, 60, adult),
        Dataset("california", "California housing, value", "regression", 10, 30, california),
        Dataset("credit", "credit default", "classification", 10, 40, credit),
        Dataset("wine", "wine quality, as a number", "regression", 10, 10, wine),
        Dataset("student", "student scores, G3 from the questionnaire", "regression", 10, 5, student),
        Dataset("grades", "student scores, G3 with G1 and G2", "regression", 10, 5, student_with_grades),
        Dataset("mnist", "MNIST", "classification", 3, 300, mnist),
    )
}
