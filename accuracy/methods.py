"""One method, trained on the rows that a seed draws and scored on its test rows, alone in a process.

python -m methods '{"dataset": "digits", "method": "ours", "seed": 0}'

answers as JSON with the score (accuracy, or R2 for values) and the processor's seconds that training took,
which other work on the machine changes less than a clock's. The networks and the linear model get the same
columns: numbers standardised, missing ones the median, words as one-hot; values to predict are standardised
as well. Boosting gets numbers as they are and words as categories. All that is learned of columns is learned
from the rows to train on.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from datasets import DATASETS

METHODS = {
    "linear": "a linear model",
    "boosting": "boosting",
    "sklearn": "scikit-learn's MLP",
    "ours": "chainrule's MLP",
    "train": "chainrule train",
}


def main():
    job = json.loads(sys.argv[1])
    dataset = DATASETS[job.pop("dataset")]
    rows = dataset.rows(job["seed"])
    method = train if job["method"] == "train" else fit
    print(json.dumps(method(dataset, rows, **job)))


def fit(dataset, rows, method, seed, warm_up=False):
    """Score and seconds of an estimator; to warm up, an epoch's compilation is enough."""
    classes = dataset.task == "classification"
    columns = categories(rows.X) if method == "boosting" else numbers(rows.X)
    X = np.ascontiguousarray(columns.fit_transform(rows.X), np.float64)
    X_test = np.ascontiguousarray(columns.transform(rows.X_test), np.float64)
    mean, spread = (0.0, 1.0) if classes else (rows.y.mean(), rows.y.std())
    y = rows.y if classes else (rows.y - mean) / spread
    model = estimator(method, classes, seed, rows.X)
    if warm_up:
        model.set_params(max_iter=1, engine="numba")
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*maximum (of|iterations)")  # the settings' own limit
        model.fit(X, y)
    seconds = time.process_time() - start
    predicted = model.predict(X_test)
    if classes:
        return {"score": float(np.mean(predicted == rows.y_test)), "seconds": seconds}
    return {"score": r2(rows.y_test, predicted * spread + mean), "seconds": seconds}


def estimator(method, classes, seed, frame):
    """A method with the settings that it has by itself."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if method == "linear":
        return LogisticRegression(max_iter=1000) if classes else Ridge()
    if method == "boosting":
        cls = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
        # The ColumnTransformer puts words first.
        return cls(random_state=seed, categorical_features=list(range(len(of_words(frame)))))
    if method == "sklearn":
        from sklearn.neural_network import MLPClassifier, MLPRegressor
    else:
        from chainrule import MLPClassifier, MLPRegressor
    return (MLPClassifier if classes else MLPRegressor)(random_state=seed)


def r2(y, predicted):
    return float(1 - np.sum((y - predicted) ** 2) / np.sum((y - y.mean()) ** 2))


# columns --------------------------------------------------------------------------------------


def of_words(frame):
    import polars as pl

    return [name for name in frame.columns if frame[name].dtype == pl.String]


def numbers(frame):
    """What networks and linear models take."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    words = of_words(frame)
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    rest = [name for name in frame.columns if name not in words]
    return ColumnTransformer([("words", one_hot, words), ("numbers", scaled, rest)], sparse_threshold=0)


def categories(frame):
    """What boosting takes: missing cells stay missing, words become the numbers of categories."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    words = of_words(frame)
    ordinal = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    return ColumnTransformer([("words", ordinal, words)], remainder="passthrough")


# the command ----------------------------------------------------------------------------------


def train(dataset, rows, method, seed, warm_up=False):
    """Score and seconds of the whole process of `chainrule train` without a setting, on tables in files."""
    import polars as pl

    with tempfile.TemporaryDirectory() as folder:
        data, test = Path(folder) / "train.parquet", Path(folder) / "test.parquet"
        rows.X.with_columns(pl.Series("target", rows.y)).write_parquet(data)
        rows.X_test.with_columns(pl.Series("target", rows.y_test)).write_parquet(test)
        command = [sys.executable, "-m", "chainrule.cli.main", "train", str(data), "--test", str(test)]
        command += ["--target", "target", "--task", dataset.task, "--seed", str(seed), "--json"]
        start = of_children()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = of_children() - start
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    answer = json.loads(done.stdout)
    return {
        "score": answer["test"]["accuracy" if dataset.task == "classification" else "r2"],
        "seconds": seconds,
    }


def of_children():
    """The processor's seconds of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
