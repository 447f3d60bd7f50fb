"""Calibration error and log loss before and after the calibration of the train stage, over random splits.

``python -m benchmarks.calibration FOLDER [SPLITS]`` reads the classification tables of a folder. Each split trains on
three quarters of at most 4,000 rows and measures on the rest. Even perfect probabilities have a calibration error on
few rows; ``by chance`` is its mean for labels that are drawn from the model's own probabilities.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from lib import metrics, training
from lib.evaluation.calibration_error import calibration_error
from lib.evaluation.folds import FOLDS, make_complete_folds
from lib.parameters import Parameters
from lib.stages._calibration import calibrate_model
from lib.stages._folds import cross_validate
from lib.tables import proposal, sources
from lib.tables.targets import prepare_target

TABLES = {
    "german_credit.csv": "class",
    "titanic.csv": "Survived",
    "car_evaluation.csv": "class",
    "phoneme.csv": "Class",
    "penguins_raw.csv": "Species",
    "online_shoppers.csv": "Revenue",
    "bank_additional_full.csv.gz": "y",
    "adult.csv.gz": "income",
    "letter.csv": "letter",
}
FUNCTIONS = ("gradient_boosting", "random_forest")
_MAX_ROWS, _TEST_SHARE, _MIN_CLASS_ROWS, _DRAWS = 4_000, 0.25, 12, 20


def read(path, target):
    """Return a table without the columns that `init` would drop, and its task."""
    table = sources.read(str(path))
    parameters = proposal.propose(table, target).parameters
    table, _ = prepare_target(table, target, parameters["task"])
    dropped = [name for name in parameters.get("drop_columns", []) if name in table.columns]
    table = table.drop(columns=dropped)
    return table[table.groupby(target)[target].transform("size") >= _MIN_CLASS_ROWS], parameters["task"]


def chance_error(probabilities, random):
    """Return the mean calibration error for labels that are drawn from the probabilities."""
    errors = []
    for _ in range(_DRAWS):
        codes = (probabilities.cumsum(axis=1) < random.random(len(probabilities))[:, None]).sum(axis=1)
        errors.append(calibration_error(probabilities, codes.clip(0, probabilities.shape[1] - 1)))
    return np.mean(errors)


def measure(table, target, task, function, seed):
    """Return error, error by chance and log loss on test rows, before and after; and whether a calibrator is used."""
    rows = table.sample(min(len(table), _MAX_ROWS), random_state=seed).reset_index(drop=True)
    train, test = train_test_split(rows, test_size=_TEST_SHARE, random_state=seed, stratify=rows[target])
    X, y = train.drop(columns=target).reset_index(drop=True), train[target].reset_index(drop=True)
    request = training.TrainingRequest(task, metrics.get("log_loss", task), seed, threads=1)
    parameters = Parameters({"task": task, "positive_class": "", "seed": seed})

    def fit(features, labels):
        return training.get(function)(features, labels, request)

    model = fit(X, y)
    folds = cross_validate(fit, X, y, make_complete_folds(X, y, None, task, seed, FOLDS), len(X), parameters)
    result = calibrate_model(model, folds, y, "auto", seed)
    codes = np.searchsorted(model.classes_, test[target].to_numpy(object).astype(model.classes_.dtype))
    random, figures = np.random.default_rng(seed), []
    for each in (model, result.model):
        probabilities = each.predict_proba(test.drop(columns=target))
        losses = -np.log(np.maximum(probabilities[np.arange(len(codes)), codes], 1e-6))
        figures += [calibration_error(probabilities, codes), chance_error(probabilities, random), losses.mean()]
    return [*figures, result.model is not model]


def main(folder, splits):
    print("| table | model | error before | by chance | log loss | error after | by chance | log loss | used |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for file, target in TABLES.items():
        if not (Path(folder) / file).exists():
            continue
        table, task = read(Path(folder) / file, target)
        for function in FUNCTIONS:
            results = np.array([measure(table, target, task, function, seed) for seed in range(splits)], dtype=float)
            figures = " | ".join(f"{value:.4f}" for value in results.mean(axis=0)[:-1])
            print(f"| {file} | {function} | {figures} | {results[:, -1].sum():.0f} of {splits} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20)
