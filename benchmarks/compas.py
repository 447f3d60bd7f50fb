"""Error rates by group of the COMPAS scores that ProPublica published, and the gap gate on them.

``python -m benchmarks.compas compas-scores-two-years.csv`` reads the table of
https://github.com/propublica/compas-analysis, which is not part of this repository. A medium or high score predicts a
new offense within two years.

Larson, Mattu, Kirchner and Angwin: How we analyzed the COMPAS recidivism algorithm, 2016.
"""

import sys

import numpy as np
import pandas as pd

from lib import metrics
from lib.evaluation.gates import Evidence, check_all
from lib.evaluation.gates.groups import GroupGapGate
from lib.evaluation.group_scores import score_groups
from lib.metrics import Predictions

GROUPS = ["race", "sex"]
_COLUMNS = ("rows", "selection_rate", "false_positive_rate", "false_negative_rate", "accuracy")


def read_scores(path):
    """Return the truth, the predictions of the published scores, and the columns of groups."""
    table = pd.read_csv(path)
    is_called = (table["score_text"] != "Low").to_numpy()
    probabilities = np.column_stack([1 - is_called, is_called]).astype(float)
    predictions = Predictions(is_called.astype(int), probabilities, np.array([0, 1]), 1)
    return table["two_year_recid"].to_numpy(), predictions, table[GROUPS]


def main(path):
    """Print a row per group, and the verdict of the gap gate."""
    truth, predictions, groups = read_scores(path)
    scores = score_groups(truth, predictions, groups, [])
    print(f"| group | {' | '.join(_COLUMNS)} |\n|{' --- |' * (len(_COLUMNS) + 1)}")
    for group in scores:
        print(f"| {group.name} | {group.rows:,} | {' | '.join(f'{group.values[name]:.2%}' for name in _COLUMNS[1:])} |")
    evidence = Evidence(metrics.get("accuracy", "binary"), 0.0, None, measurements={"group_gap": lambda: scores})
    (result,) = check_all([GroupGapGate({"false_positive_rate": 0.1})], evidence, [])
    print(f"\n{result.gate}: {result.verdict}. {result.measured}")


if __name__ == "__main__":
    main(sys.argv[1])
