"""Prediction intervals on California housing: how many held-back values lie within, and how long they are."""

import csv
import gzip
from dataclasses import dataclass
from functools import cache

import numpy as np

import chainrule as cr
from mnist import DataMissing, data_folder

FILE = "california_housing.csv.gz"
PRICE, PLACE = "median_house_value", "ocean_proximity"
COVERAGE = 0.9
BETWEEN = (0.88, 0.92)  # what a seed's coverage is asked to be
SEEDS = 10
SETTINGS = {
    "hidden_layer_sizes": (64, 32),
    "early_stopping": True,
    "calibration_fraction": 0.25,
}


@dataclass(frozen=True)
class Found:
    """What one seed's intervals came to, on rows held back from training and calibration.

    Attributes
    ----------
    coverage : float
        The share of values within their intervals.
    length : float
        The intervals' mean length, in dollars.
    """

    coverage: float
    length: float


@cache
def housing():
    """Numbers of each district, shape (rows, 8), with NaN where missing; its place; its price in dollars.

    Raises
    ------
    DataMissing
    """
    path = data_folder() / FILE
    if not path.is_file():
        raise DataMissing(
            f"{path} is not there. Put the 1990 census table of California's districts there, with columns "
            f"{PRICE} and {PLACE}, or name its folder: CHAINRULE_DATA=folder make accuracy."
        )
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in (PRICE, PLACE)]
    X = np.array([[float(row[name] or "nan") for name in names] for row in rows])
    return X, np.array([row[PLACE] for row in rows]), np.array([float(row[PRICE]) for row in rows])


def prepared(train):
    """All districts as numbers of like size: medians, means and spreads are those of the rows in `train`."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers, places, _ = housing()
    steps = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    numbers = steps.fit(numbers[train]).transform(numbers)
    return np.hstack([numbers, places[:, None] == np.unique(places)]).astype(np.float32)


def intervals(seed, quantiles):
    """One seed's split, 4 of 5 rows to train and calibrate by, and its intervals on the rest."""
    from sklearn.model_selection import train_test_split

    prices = housing()[2]
    train, test = train_test_split(np.arange(len(prices)), test_size=0.2, random_state=seed)
    X = prepared(train)
    mean, spread = prices[train].mean(), prices[train].std()
    model = cr.MLPRegressor(quantiles=quantiles, random_state=seed, **SETTINGS)
    model.fit(X[train], (prices[train] - mean) / spread)
    low, high = (model.predict_interval(X[test], COVERAGE) * spread + mean).T
    within = (low <= prices[test]) & (prices[test] <= high)
    return Found(float(within.mean()), float((high - low).mean()))
