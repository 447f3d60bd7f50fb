"""Awkward tables: the outcome of preprocess and one training, beside the outcome that the folder's index expects.

The environment variable ``MILLRACE_TABLES`` names the folder.
"""

import csv
import os
import tempfile
import warnings
from pathlib import Path

from lib import backends, metrics, training
from lib.errors import InputError
from lib.parameters import Parameters, check_given, load
from lib.pipelines.base import BasePipeline
from lib.stages import preprocess
from lib.training import TrainingRequest

METRICS = {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}


def main():
    folder = os.environ.get("MILLRACE_TABLES")
    if not folder:
        print("Set MILLRACE_TABLES to a folder of awkward tables with an INDEX.tsv.")
        return
    with (Path(folder) / "INDEX.tsv").open(encoding="utf-8") as file:
        entries = [entry for entry in csv.DictReader(file, delimiter="\t") if entry["task"] in METRICS]
    print("| file | expected | actual | score | reference |\n| --- | --- | --- | --- | --- |")
    for entry in entries:
        expected = f"{entry['expect']}, {entry['rows_expected']} x {entry['columns_expected']}"
        with tempfile.TemporaryDirectory() as workspace, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            actual, score = run_table(Path(folder) / entry["file"], entry["target"], entry["task"], workspace)
        print(f"| {entry['file']} | {expected} | {actual} | {score} | {entry['reference_score'] or ''} |", flush=True)


def run_table(file, target, task, workspace):
    """Preprocess a table and train on it, and return a description of the outcome and the test score."""
    given = {"data": str(file), "target_column": target, "task": task, "primary_metric": METRICS[task]}
    values = {**load([]).values, **given, "name": "awkward", "workspace": workspace}
    parameters = Parameters(check_given(values))
    backend = backends.connect(parameters)
    try:
        result = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
    except InputError as error:
        message = str(error).replace(f"{file.parent}/", "").replace("\n", " ")
        return f"refused: {message}", ""
    train, test = backend.read_table(result.train_data), backend.read_table(result.test_data)
    request = TrainingRequest(task, metrics.get(METRICS[task], task), parameters.seed, 2)
    model = training.get("gradient_boosting")(train.drop(columns=target), train[target], request)
    metric = metrics.get("roc_auc_ovr_macro" if task == "multiclass" else METRICS[task], task)
    predictions = metrics.predict(model, test.drop(columns=target), task)
    notes = "; ".join(result.sizes.loc[["read", "prepared", "test"], "details"]).replace(f"{file}. ", "")
    return (
        f"{len(train) + len(test)} x {train.shape[1]}: {notes}",
        f"{metric.name} {metric.score(test[target], predictions):.3f}",
    )


if __name__ == "__main__":
    main()
