"""Coverage of intervals and sets on test rows, averaged over random splits, with ``coverage: 0.9``.

``python -m benchmarks.coverage FOLDER [SPLITS [NAME ...]]`` reads the tables of a folder, and some of scikit-learn's.
Each split trains on three quarters of at most 4,000 rows, a fifth of which calibrates, and measures on the rest: over
all test rows, and in the worst group of at least 200 test rows.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from lib import metrics, training
from lib.parameters import Parameters
from lib.stages import _coverage
from lib.stages._model_rows import ModelRows
from lib.tables import proposal, sources
from lib.tables.targets import prepare_target

# File, target, and the column of the groups.
TABLES = {
    "abalone": ("abalone.csv", "Rings", "Sex"),
    "ames_housing": ("ames_housing.csv", "SalePrice", ""),
    "bike_sharing": ("bike_sharing_hour.csv", "cnt", "workingday"),
    "california": ("california_housing.csv", "median_house_value", ""),
    "kc_house": ("kc_house.csv", "price", "waterfront"),
    "wine_quality": ("wine_quality_red.csv", "quality", ""),
    "adult": ("adult.csv.gz", "income", "sex"),
    "bank": ("bank_additional_full.csv.gz", "y", "marital"),
    "car": ("car_evaluation.csv", "class", ""),
    "german_credit": ("german_credit.csv", "class", ""),
    "letter": ("letter.csv", "letter", ""),
    "online_shoppers": ("online_shoppers.csv", "Revenue", "Weekend"),
    "phoneme": ("phoneme.csv", "Class", ""),
    "titanic": ("titanic.csv", "Survived", "Sex"),
    "diabetes (sklearn)": ("", "", ""),
    "breast_cancer (sklearn)": ("", "", ""),
}
_LEAKS = ("casual", "registered")
FUNCTIONS = {"linear": {}, "xgboost": {"n_estimators": 60, "max_depth": 4}}
COVERAGE, _MAX_ROWS, _TEST_SHARE, _MIN_CLASS_ROWS, _MIN_GROUP_ROWS = 0.9, 4_000, 0.25, 12, 200


def read(folder, name):
    """Return a table without the columns that `init` would drop, its target and its task."""
    file, target, _ = TABLES[name]
    if name.endswith("(sklearn)"):
        load = getattr(datasets, f"load_{name.partition(' ')[0]}")
        table, target = load(as_frame=True).frame, "target"
    else:
        table = sources.read(str(Path(folder) / file))
        table = table.drop(columns=[column for column in _LEAKS if column in table.columns])
    parameters = proposal.propose(table, target).parameters
    table, _ = prepare_target(table, target, parameters["task"])
    table = table.drop(columns=[column for column in parameters.get("drop_columns", []) if column in table.columns])
    if parameters["task"] != "regression":
        table = table[table.groupby(target)[target].transform("size") >= _MIN_CLASS_ROWS]
    return table, target, parameters["task"]


def measure(table, target, task, function, group, seed):
    """Return for each part of the test rows (all of them, or a group) the coverage, the mean size and the rows."""
    rows = table.sample(min(len(table), _MAX_ROWS), random_state=seed).reset_index(drop=True)
    stratum = None if task == "regression" else rows[target]
    train, test = train_test_split(rows, test_size=_TEST_SHARE, random_state=seed, stratify=stratum)
    X, X_test = (part.drop(columns=target).reset_index(drop=True) for part in (train, test))
    y, y_test = (part[target].reset_index(drop=True) for part in (train, test))
    metric = metrics.get("rmse" if task == "regression" else "log_loss", task)
    request = training.TrainingRequest(task, metric, seed, threads=1)
    groups = [group] if group else []
    parameters = Parameters({"task": task, "positive_class": "", "seed": seed, "coverage": COVERAGE, "groups": groups})
    training_rows, calibration_rows = _coverage.hold_out(ModelRows(X, y, X_test, y_test), None, parameters)
    model = training.get(function)(training_rows.X, training_rows.y, request, **FUNCTIONS[function])
    coverage = _coverage.calibrate(model, training_rows, calibration_rows, parameters)
    predictions = metrics.predict(model, X_test, task)
    return _coverage.measure(coverage, y_test, X_test, predictions, parameters.groups)


def main(folder, splits, names):
    print("| table | task | model | coverage | mean width or classes | worst group of 200 test rows | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in names or TABLES:
        table, target, task = read(folder, name)
        for function in FUNCTIONS:
            started = time.perf_counter()
            parts = [measure(table, target, task, function, TABLES[name][2], seed) for seed in range(splits)]
            figures = pd.concat(parts).groupby(level=0).mean(numeric_only=True)
            groups = figures[(figures["rows"] >= _MIN_GROUP_ROWS) & (figures.index != "all rows")]["coverage"]
            worst = f"{100 * groups.min():.1f} % ({groups.idxmin()})" if len(groups) else ""
            everything = figures.loc["all rows"]
            size = everything[[column for column in figures if column.startswith("mean")]].iloc[0]
            seconds = time.perf_counter() - started
            print(
                f"| {name} | {task} | {function} | {100 * everything['coverage']:.1f} % | {size:.4g} | {worst} | "
                f"{seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    np.seterr(all="ignore")
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20, sys.argv[3:])
