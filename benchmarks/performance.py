"""Estimates of performance without labels, against the realised metric and NannyML's estimates.

``python -m benchmarks.performance FOLDER NANNYML.json``: FOLDER is ``nannyml/datasets/data`` of the unpacked wheel of
NannyML 0.13.1, and the file is from `benchmarks._nannyml_estimates`. Each table is cut into ten chunks. The result
has the mean absolute error of the estimate over the chunks, and how many intervals contain the realised metric.
"""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks._labelled_sets import CHUNKS, SETS, read_set
from lib import metrics
from lib.metrics import Predictions
from lib.monitoring.estimates import ScoreEstimator

METRICS = {
    "binary": {"roc_auc": "roc_auc", "accuracy": "accuracy", "f1": "f1"},
    "multiclass": {"roc_auc": "roc_auc_ovr_macro", "accuracy": "accuracy", "f1": "f1_macro"},
    "regression": {"mae": "mae", "rmse": "rmse"},
}


def main(folder, rivals):
    print("| table | metric | mean error of Millrace | of NannyML | realised in the interval, Millrace | NannyML |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, labelled in SETS.items():
        reference, analysis = read_set(folder, name)
        size = len(analysis) // CHUNKS  # NannyML makes an eleventh chunk of the remaining rows, which is left out here
        chunks = [analysis.iloc[size * number : size * (number + 1)] for number in range(CHUNKS)]
        for their_name, our_name in METRICS[labelled.task].items():
            metric = metrics.get(our_name, labelled.task)
            columns = list(labelled.columns)
            truth = get_truth(labelled, reference)
            estimator = ScoreEstimator(reference[columns], get_predictions(labelled, reference), truth, metric, seed=0)
            realised, ours = [], []
            for chunk in chunks:
                known = chunk.dropna(subset=[labelled.target])
                realised.append(metric.score(get_truth(labelled, known), get_predictions(labelled, known)))
                estimate = estimator.estimate(chunk[columns], get_predictions(labelled, chunk))
                ours.append((estimate.value, estimate.low, estimate.high))
            cells = [_judge(values, realised) for values in (ours, rivals[name][their_name][:CHUNKS])]
            print(f"| {name} | {our_name} | {' | '.join(f'{error:.4g}' for error, _ in cells)} | ", end="")
            print(f"{' | '.join(f'{covered} of {CHUNKS}' for _, covered in cells)} |", flush=True)


def _judge(estimates, realised):
    """Return the mean absolute error of estimates, and the number of intervals that contain the realised value."""
    values, low, high = np.array(estimates).T
    realised = np.array(realised)
    return np.abs(values - realised).mean(), int(((low <= realised) & (realised <= high)).sum())


def get_truth(labelled, rows):
    values = rows[labelled.target].to_numpy()
    return values.astype(float if labelled.task == "regression" else type(labelled.classes[0]))


def get_predictions(labelled, rows):
    if labelled.task == "regression":
        return Predictions(rows[labelled.prediction].to_numpy(dtype=float), rows=rows)
    if labelled.task == "binary":
        positive = rows[labelled.probabilities[1]].to_numpy(dtype=float)
        probabilities, positive_class = np.column_stack([1 - positive, positive]), 1
    else:
        probabilities, positive_class = rows[list(labelled.probabilities.values())].to_numpy(dtype=float), None
    labels = rows[labelled.prediction].to_numpy()
    return Predictions(labels, probabilities, np.array(labelled.classes), positive_class, rows=rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
