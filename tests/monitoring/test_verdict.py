"""The verdict over columns of several kinds, and windows in which columns are absent."""

import datetime

import numpy as np
import pandas as pd

from lib.monitoring.cells import CATEGORY, Cells
from lib.monitoring.reference import PREDICTION, ColumnReference, ModelOutput, make_references
from lib.monitoring.verdict import ACT, STABLE, TOO_FEW, judge
from lib.monitoring.windows import Window

FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
WEEK = datetime.timedelta(days=7)


def windows_of(counts):
    """Return a window for each mapping of counts by column."""
    return [
        Window(FIRST + number * WEEK, FIRST + (number + 1) * WEEK, 100, by_column)
        for number, by_column in enumerate(counts)
    ]


def test_classes_without_a_test_row_are_no_drift():
    random = np.random.default_rng(0)
    classes = [f"class {number}" for number in range(200)]
    rows = pd.DataFrame({"a": random.normal(size=200)})
    statistics = {"a": {"kind": "number", "quantiles": {"0.25": -0.7, "0.5": 0.0, "0.75": 0.7}}}

    def predict(frame):
        chosen = np.random.default_rng(len(frame)).choice(classes, len(frame))
        return ModelOutput(chosen, np.zeros(len(frame)))

    references = make_references(statistics, rows, predict, classes, seed=1)
    cells = references[PREDICTION].cells
    counts = [{PREDICTION: tuple(cells.count_rows(pd.Series(random.choice(classes, 500))).tolist())} for _ in range(10)]
    assert judge(references, windows_of(counts), 0.01, "seed").verdict == STABLE


def test_a_constant_column_counts_as_used():
    rows = pd.DataFrame({"a": ["x"] * 50})
    statistics = {"a": {"kind": "category", "categories": {"x": 200}}}
    references = make_references(
        statistics, rows, lambda frame: ModelOutput(np.zeros(len(frame)), np.zeros(len(frame))), [], seed=1
    )
    assert references["a"].is_used


def test_no_window_with_the_columns_is_too_few_to_say():
    references = {"a": ColumnReference(Cells(CATEGORY, categories=("x",)), (0, 90, 10))}
    judgement = judge(references, windows_of([{}, {}]), 0.01, "seed")
    assert judgement.verdict == TOO_FEW and judgement.unmonitored == ["a"]


def test_an_alarm_stays_and_names_what_raised_it():
    references = {
        "a": ColumnReference(Cells(CATEGORY, categories=("x",)), (0, 900, 100)),
        "b": ColumnReference(Cells(CATEGORY, categories=("x",)), (0, 900, 100)),
    }
    steady, drifted = (0, 90, 10), (0, 20, 80)
    counts = [{"a": steady, "b": steady}] * 3 + [{"a": drifted, "b": steady}] * 2 + [{"a": steady, "b": steady}] * 30
    judgement = judge(references, windows_of(counts), 0.01, "seed")
    assert judgement.verdict == ACT and judgement.drifted == ["a"]
    assert judgement.acted_in.start == FIRST + 3 * WEEK
