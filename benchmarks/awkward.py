"""Awkward tables: what the index of a folder expects of each, and what came. ``MILLRACE_TABLES`` names the folder."""

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
        print("MILLRACE_TABLES names no folder of awkward tables.")
        return
    with (Path(folder) / "INDEX.tsv").open(encoding="utf-8") as file:
        entries = [entry for entry in csv.DictReader(file, delimiter="\t") if entry["task"] in METRICS]
    print("| file | expected | got | score | reference |\n| --- | --- | --- | --- | --- |")
    for entry in entries:
        expected = f"{entry['expect']}, {entry['rows_expected']} x {entry['columns_expected']}"
        with tempfile.TemporaryDirectory() as workspace, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got, score = outcome(Path(folder) / entry["file"], entry["target"], entry["task"], workspace)
        print(f"| {entry['file']} | {expected} | {got} | {score} | {entry['reference_score'] or ''} |", flush=True)


def outcome(file, target, task, workspace):
    """What preprocess and one training make of a file, in words, and the test score."""
    given = {"data": str(file), "target_column": target, "task": task, "primary_metric": METRICS[task]}
    values = {**load([]).values, **given, "name": "awkward", "workspace": workspace}
    parameters = Parameters(check_given(values))
    backend = backends.connect(parameters)
    try:
        done = preprocess.run(BasePipeline(parameters, backend), backend, parameters)
    except InputError as error:
        return f"refused: {str(error).replace(f'{file.parent}/', '')}".replace("\n", " "), ""
    train, test = backend.read_table(done.train_data), backend.read_table(done.test_data)
    request = TrainingRequest(task, metrics.get(METRICS[task], task), parameters.seed, 2)
    model = training.get("gradient_boosting")(train.drop(columns=target), train[target], request)
    metric = metrics.get("roc_auc_ovr_macro" if task == "multiclass" else METRICS[task], task)
    predictions = metrics.predict(model, test.drop(columns=target), task)
    said = "; ".join(one for one in done.sizes.loc[["read", "prepared", "test"], "what"])
    said = said.replace(f"{file}. ", "").replace("as prepare_data made it; ", "")
    return (
        f"{len(train) + len(test)} x {train.shape[1]}: {said}",
        f"{metric.name} {metric.score(test[target], predictions):.3f}",
    )


if __name__ == "__main__":
    main()
