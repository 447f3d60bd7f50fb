"""Test scores against cross-validation folds, for the split rule of release 0.1 and the current one.

``python -m benchmarks.splits FOLDER`` adds the small tables of a folder with an ``INDEX.tsv`` to generated tables of
few distinct rows, which are like blood_transfusion (748 rows, 533 distinct). Each table is split with 20 seeds. Scores
are ROC AUC, or R2 for a regression, of gradient boosting with few trees. In the folds, rows with equal features stay
together. A split whose test rows are all of one class has no test score. Agreeing twins are the test rows with the most
frequent target of the training rows with equal features.
"""

import csv
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from lib import metrics, training
from lib.evaluation.folds import FOLDS, make_complete_folds
from lib.parameters import Parameters
from lib.stages._folds import cross_validate, score_folds
from lib.tables import frames
from lib.tables.split.rules import HashSplit, LegacyHashSplit
from lib.tables.targets import prepare_target
from lib.training import TrainingRequest

SEEDS = range(20)
TEST_FRACTION = 0.2
TREES = 40
MAX_ROWS = 1_300  # of a table, so that its training rows are cross-validated
METRICS = {"binary": "roc_auc", "regression": "r2"}


def main():
    warnings.simplefilter("ignore")
    tables = {**generated_tables(), **(tables_of(Path(sys.argv[1])) if len(sys.argv) > 1 else {})}
    headings = ["table", "rows", "distinct", "rule", "test share", "test", "folds", "difference", "agreeing twins"]
    print(f"| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")
    for name, (frame, target, task) in tables.items():
        features = [column for column in frame.columns if column != target]
        distinct = len(frame[features].drop_duplicates())
        for rule_name in ("0.1", "current"):
            results = pd.DataFrame([score(frame, target, task, rule_name, seed) for seed in SEEDS])
            print(f"| {name} | {len(frame):,} | {distinct:,} | {rule_name} | {describe(results)} |", flush=True)


def generated_tables():
    """Return tables whose features have few distinct combinations, so that rows repeat."""
    tables = {}
    for levels, rows, noise in ((6, 800, 0.5), (12, 800, 1.0), (25, 750, 2.0), (25, 750, 1.0)):
        random = np.random.default_rng(levels + rows)
        frame = pd.DataFrame({name: random.integers(0, levels, rows) for name in "ab"})
        worth = (frame["a"] - frame["b"] / 2) * 6 / levels + random.normal(scale=noise, size=rows)
        name = f"{levels} x {levels} values, noise {noise:g}"
        tables[name] = (frame.assign(y=(worth > worth.median()).astype(int)), "y", "binary")
    # Like blood_transfusion: months since the last donation, number of donations, months since the first.
    random = np.random.default_rng(0)
    recency, frequency = random.geometric(0.12, 748) * 2, random.geometric(0.2, 748)
    first = recency + frequency * random.integers(2, 6, 748)
    logit = 0.12 * frequency - 0.08 * recency - 0.5
    donated = (random.random(748) < 1 / (1 + np.exp(-logit))).astype(int)
    donors = pd.DataFrame({"recency": recency, "frequency": frequency, "first": first // 4, "donated": donated})
    tables["blood donors"] = (donors, "donated", "binary")
    tables["blood donors, 3 times"] = (pd.concat([donors.head(400)] * 3, ignore_index=True), "donated", "binary")
    return tables


def tables_of(folder):
    """Return the binary and regression tables of a folder, by name: the first rows, the target and the task."""
    with (folder / "INDEX.tsv").open(encoding="utf-8") as file:
        entries = [entry for entry in csv.DictReader(file, delimiter="\t") if entry["task"] in METRICS]
    tables = {}
    for entry in entries:
        frame = frames.read(folder / entry["file"]).sample(frac=1, random_state=0).head(MAX_ROWS)
        frame, _ = prepare_target(frame, entry["target"], entry["task"])
        frame = frame.drop(columns=[name for name in entry["id_or_leak_columns"].split() if name in frame.columns])
        tables[entry["name"]] = (frame, entry["target"], entry["task"])
    return tables


def score(frame, target, task, rule_name, seed):
    """Split a table, train, and return test share, test score, mean of the folds and agreement of repeated rows."""
    features = [name for name in frame.columns if name != target]
    if rule_name == "0.1":
        rule = LegacyHashSplit(tuple(sorted(frame.columns)), TEST_FRACTION, seed)
    else:
        rule = HashSplit.from_table(frame, features, TEST_FRACTION, seed, target if task == "binary" else "")
    train, test = rule.apply(frame)
    metric = metrics.get(METRICS[task], task)
    request = TrainingRequest(task, metric, seed, 1)

    def fit(X, y):
        return training.get("gradient_boosting")(X, y, request, max_iter_small=TREES)

    model = fit(train[features], train[target])
    settings = {"task": task, "target_column": target, "positive_class": "", "seed": seed}
    X, y, parameters = train[features], train[target], Parameters(settings)
    folds = make_complete_folds(X, y, None, task, seed, FOLDS)
    predicted = cross_validate(fit, X, y, folds, len(X), parameters)
    fold_scores = score_folds(predicted, y, task)
    known = train.groupby(features, dropna=False)[target].agg(lambda values: values.mode().iloc[0]).rename("known")
    repeated = test.merge(known.reset_index(), on=features)
    is_scored = task == "regression" or test[target].nunique() > 1
    return {
        "share": len(test) / len(frame),
        "test": metric.score(test[target], metrics.predict(model, test[features], task)) if is_scored else np.nan,
        "folds": fold_scores[metric.name].mean() if predicted else np.nan,
        "repeated": len(repeated),
        "agree": int((repeated["known"] == repeated[target]).sum()),
    }


def describe(results):
    """Return the means over the seeds, and the largest distance of the test share from the requested one."""
    difference = results["test"] - results["folds"]
    share = f"{results['share'].mean():.3f} (± {(results['share'] - TEST_FRACTION).abs().max():.3f})"
    scores = f"{results['test'].mean():.3f} | {results['folds'].mean():.3f}"
    agreement = f"{results['agree'].sum()} of {results['repeated'].sum()}"
    return f"{share} | {scores} | {difference.mean():+.3f} ± {difference.std(ddof=1):.3f} | {agreement}"


if __name__ == "__main__":
    main()
