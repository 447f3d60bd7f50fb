"""How soon a loss of ROC AUC by covariate shift is found without labels, on labelled tables.

``python -m benchmarks.covariate_loss FOLDER``: FOLDER is ``nannyml/datasets/data`` of the unpacked wheel of NannyML
0.13.1. The rows of each binary table are divided: one half is the reference, and windows of 2,000 rows are drawn from
the other one. Their weights grow exponentially in one column, so strongly that the ROC AUC of the weighted half is .03
lower: the relation between columns and target stays the same. A loss is found if the verdict of monitoring is *act*.
The table also has the mean error of the estimate, and how often it is at least half of the loss below the promise.
"""

import datetime
import sys
from pathlib import Path

import numpy as np

from benchmarks._labelled_sets import SETS, read_set
from benchmarks.performance import get_predictions, get_truth
from lib import metrics
from lib.monitoring.cells import make_number_cells
from lib.monitoring.estimates import ScoreEstimator
from lib.monitoring.reference import PREDICTION, count_reference
from lib.monitoring.row_encoding import fit_encoding
from lib.monitoring.verdict import ACT, judge
from lib.monitoring.windows import count_window

LOSS, ROWS, DRAWS = 0.03, 2_000, 20
ALARM_RATE = 0.01
_NOW = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
_STRENGTHS = np.linspace(-3, 3, 61)


def main(folder):
    """Print a line for each table and column in which a shift loses enough."""
    print("| table | column | realised loss | act | estimate at least half of the loss lower | error of the estimate |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, labelled in SETS.items():
        if labelled.task == "binary":
            for line in measure_table(folder, name, labelled):
                print(line, flush=True)


def measure_table(folder, name, labelled):
    """Yield a line for each column of a table by which a shift can lose enough."""
    rows, _ = read_set(folder, name)
    random = np.random.default_rng(0)
    is_reference = random.permutation(len(rows)) % 2 == 0
    reference, pool = rows[is_reference].reset_index(drop=True), rows[~is_reference].reset_index(drop=True)
    metric, columns = metrics.get("roc_auc", "binary"), list(labelled.columns)
    truth = get_truth(labelled, reference)
    estimator = ScoreEstimator(reference[columns], get_predictions(labelled, reference), truth, metric, seed=0)
    promised = metric.score(truth, get_predictions(labelled, reference))
    for column in columns:
        weights = find_weights(labelled, pool, column, metric)
        if weights is None:
            continue
        results = []
        for _ in range(DRAWS):
            drawn = pool.iloc[random.choice(len(pool), ROWS, p=weights)]
            results.append(measure_window(labelled, reference, drawn, columns, estimator, metric, promised))
        losses, acts, detections, errors = np.array(results, dtype=float).T
        cells = [f"{losses.mean():.3f}", f"{acts.mean():.0%}", f"{detections.mean():.0%}", f"{errors.mean():.4f}"]
        yield f"| {name} | {column} | {' | '.join(cells)} |"


def find_weights(labelled, pool, column, metric):
    """Return the probability of each row at which the metric is about `LOSS` lower; None if no shift reaches that."""
    values = fit_encoding(pool[[column]]).encode(pool[[column]])[:, 0]
    ranks = np.argsort(np.argsort(np.nan_to_num(values, nan=np.nanmedian(values)))) / len(values)
    truth, predictions = get_truth(labelled, pool), get_predictions(labelled, pool)
    best, weights = np.inf, None
    unweighted = metric.score(truth, predictions)
    for strength in _STRENGTHS:
        tried = np.exp(strength * ranks)
        drawn = np.random.default_rng(1).choice(len(pool), 20_000, p=tried / tried.sum())
        loss = unweighted - metric.score(truth[drawn], predictions.select(drawn))
        if abs(loss - LOSS) < best:
            best, weights = abs(loss - LOSS), tried / tried.sum()
    return weights if best < LOSS / 6 else None


def measure_window(labelled, reference, drawn, columns, estimator, metric, promised):
    """Return the realised loss, whether it was found in both ways, and the error of the estimate."""
    predictions = get_predictions(labelled, drawn)
    realised = metric.score(get_truth(labelled, drawn), predictions)
    estimate = estimator.estimate(drawn[columns], predictions)
    verdict = judge_window(labelled, reference, drawn, columns)
    return promised - realised, verdict == ACT, estimate.value < promised - LOSS / 2, abs(estimate.value - realised)


def judge_window(labelled, reference, drawn, columns):
    """Return the verdict on a window."""
    tables = [
        rows[columns].assign(**{PREDICTION: get_predictions(labelled, rows).positive_probability})
        for rows in (reference, drawn)
    ]
    references = {}
    for column in tables[0]:
        codes = fit_encoding(tables[0][[column]])
        encoded = [codes.encode(table[[column]])[:, 0] for table in tables]
        cells = make_number_cells(np.nanquantile(encoded[0], np.linspace(0.1, 0.9, 9)).tolist())
        tables = [table.assign(**{column: values}) for table, values in zip(tables, encoded, strict=True)]
        references[column] = count_reference(cells, tables[0][column], 1.0)
    window = count_window(tables[1], references, _NOW, _NOW)
    return judge(references, [window], ALARM_RATE, "benchmark").verdict


if __name__ == "__main__":
    main(Path(sys.argv[1]))
