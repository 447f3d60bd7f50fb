"""The estimates of NannyML on the labelled tables in its wheel, as JSON; run with a Python that has nannyml 0.13.1.

``python benchmarks/_nannyml_estimates.py FOLDER nannyml.json``, where FOLDER is ``nannyml/datasets/data`` of the
unpacked wheel. Each table is cut into ten chunks, NannyML's default; CBPE estimates the metrics of classifiers, and DLE
those of the regression. For each chunk, the result has the estimate and both ends of an interval of 1.96 of NannyML's
sampling errors.
"""

import json
import os
import sys
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import pandas as pd

pd.options.future.infer_string = False  # DLE cannot encode the string type of pandas 3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks._labelled_sets import CHUNKS, SETS, read_set  # noqa: E402 (the path comes first)

METRICS = {"binary": ["roc_auc", "f1", "accuracy"], "multiclass": ["roc_auc", "f1", "accuracy"]}
METRICS["regression"] = ["mae", "rmse"]


def main(folder, destination):
    result = {}
    for name, labelled in SETS.items():
        reference, analysis = read_set(folder, name)
        common = {"y_true": labelled.target, "y_pred": labelled.prediction, "chunk_number": CHUNKS}
        common["metrics"] = METRICS[labelled.task]
        if labelled.task == "regression":
            estimator = nannyml.DLE(feature_column_names=list(labelled.columns), **common)
        else:
            probabilities = labelled.probabilities
            if labelled.task == "binary":
                probabilities = probabilities[labelled.classes[1]]
            kind = {"binary": "classification_binary", "multiclass": "classification_multiclass"}[labelled.task]
            estimator = nannyml.CBPE(y_pred_proba=probabilities, problem_type=kind, **common)
        frame = estimator.fit(reference).estimate(analysis).filter(period="analysis").to_df()
        result[name] = {metric: _read(frame[metric]) for metric in METRICS[labelled.task]}
        print(name, file=sys.stderr, flush=True)
    destination.write_text(json.dumps(result), encoding="utf-8")


def _read(frame):
    """Return the estimate and the interval of each chunk."""
    error = 1.96 * frame["sampling_error"]
    return pd.DataFrame(
        {"estimate": frame["value"], "low": frame["value"] - error, "high": frame["value"] + error}
    ).values.tolist()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
