"""Folds and held-out rows of AutoML respect the groups and times by which the table is split."""

import numpy as np
import pandas as pd
import pytest

from lib import metrics
from lib.automl import FAMILIES, SearchRequest
from lib.automl.autogluon import _add_folds
from lib.automl.flaml import _separate_rows
from lib.automl.trials.encoding import EncodedTarget
from lib.automl.trials.folds import ALWAYS_TRAINED, HELD_OUT, assign_folds, hold_out
from lib.automl.trials.isolated_search import EncodedTable
from lib.evaluation.folds import divide_rows

ROWS = 400
GROUPS = np.repeat(np.arange(ROWS // 8), 8)
LABELS = np.random.default_rng(0).integers(0, 2, ROWS)
ORDER = np.random.default_rng(1).permutation(ROWS)


def make_request(task="binary", **changes):
    """Return a request for a search."""
    values = {
        "task": task,
        "metric": metrics.get("r2" if task == "regression" else "roc_auc", task),
        "positive_class": "",
        "seed": 3,
        "threads": 1,
        "budget_seconds": 60.0,
        "max_trials": 5,
        "families": FAMILIES,
        "folds": 0,
        "validation_fraction": 0.0,
        "ensemble": True,
        "max_latency_ms": 0.0,
        "memory_bytes": 2**33,
    }
    return SearchRequest(**{**values, **changes})


def sides_per_group(folds):
    """Return the largest number of folds that rows of one group are in."""
    return max(len(set(folds[group == GROUPS].tolist())) for group in np.unique(GROUPS))


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("changes", [{"folds": 5}, {"validation_fraction": 0.25}, {}])
def test_groups_stay_together(task, changes):
    labels = LABELS if task == "binary" else np.linspace(0, 1, ROWS)
    folds = assign_folds(labels, 4, core_seconds=1_000, request=make_request(task, groups=GROUPS, **changes))
    assert sides_per_group(folds) == 1 and len(set(folds.tolist())) > 1
    if "folds" in changes:
        assert set(folds.tolist()) == set(range(5))


@pytest.mark.parametrize("changes", [{"folds": 5}, {"validation_fraction": 0.25}, {}])
def test_the_latest_rows_are_held_out_after_a_split_by_time(changes):
    folds = assign_folds(LABELS, 4, core_seconds=1_000, request=make_request(in_time_order=ORDER, **changes))
    assert set(folds.tolist()) == {HELD_OUT, ALWAYS_TRAINED}
    held_out = int((folds == HELD_OUT).sum())
    assert set(np.flatnonzero(folds == HELD_OUT).tolist()) == set(ORDER[-held_out:].tolist())


def test_without_a_division_each_row_is_held_out_once():
    folds = assign_folds(LABELS, 4, core_seconds=1_000, request=make_request(folds=5))
    assert np.bincount(folds).tolist() == [80] * 5 and sides_per_group(folds) > 1


def test_flaml_gets_whole_groups_as_held_out_rows():
    features = np.arange(ROWS, dtype=float)[:, None]
    table = EncodedTable(features, features[:0], [], EncodedTarget(LABELS, LABELS, np.array([0, 1]), 1), 0.0)
    request = make_request(groups=GROUPS, validation_fraction=0.25)
    train, labels, held_out = _separate_rows(table, request)
    assert len(train) == len(labels) and len(train) + len(held_out["X_val"]) == ROWS
    shared = set(GROUPS[train[:, 0].astype(int)]) & set(GROUPS[held_out["X_val"][:, 0].astype(int)])
    assert not shared and len(held_out["X_val"]) == int((hold_out(LABELS, 0.25, request) == HELD_OUT).sum())
    assert _separate_rows(table, make_request())[2] == {}


def test_autogluon_gets_a_column_of_folds_that_keep_groups_together():
    train = pd.DataFrame({"size": range(ROWS)})
    folds = _add_folds(train, make_request(folds=4, groups=GROUPS))["fold"].to_numpy()
    assert sides_per_group(folds) == 1 and set(folds.tolist()) == set(range(4))
    assert "fold" not in _add_folds(train, make_request(folds=4))


def test_rows_are_divided_by_the_rule_of_the_split():
    times = [f"2026-01-01T00:{position // 60:02}:{position % 60:02}" for position in ORDER]
    rows = pd.DataFrame({"customer": GROUPS, "day": times})
    assert divide_rows(rows, {"columns": ["customer"]}).groups.tolist() == GROUPS.tolist()
    by_time = divide_rows(rows, {"columns": ["day"], "cut": "2026"})
    assert by_time.in_time_order.tolist() == np.argsort(ORDER).tolist() and by_time.groups is None
    nothing = divide_rows(rows, None)
    assert nothing.groups is None and nothing.in_time_order is None
