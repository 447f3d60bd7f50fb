"""Folds whose models know every class."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation.folds import make_complete_folds
from lib.metrics import Predictions
from lib.stages._folds import Fold, score_folds

ROWS = 120
LABELS = pd.Series(np.where(np.arange(ROWS) % 3, "a", "b"))


def test_rows_of_a_key_stay_together_also_those_of_a_rare_class():
    y = LABELS.where(np.arange(ROWS) >= 8, "rare")  # two customers
    X = pd.DataFrame({"customer": np.arange(ROWS) // 4, "size": np.arange(ROWS)})
    folds = make_complete_folds(X, y, {"columns": ["customer"]}, "multiclass", seed=0, fold_count=5)
    assert len(folds) == 5
    for train, held_out in folds:
        assert not {*X["customer"].iloc[train]} & {*X["customer"].iloc[held_out]}
        assert {*range(8)} <= {*train} and len(train) + len(held_out) == ROWS
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == [*range(8, ROWS)]


def test_folds_in_time_order_start_once_every_class_has_occurred():
    y = LABELS.where(np.arange(ROWS) < 70, "new")
    X = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=ROWS)})
    folds = make_complete_folds(X, y, {"columns": ["day"], "cut": "2025"}, "multiclass", seed=0, fold_count=5)
    assert [len(train) for train, _ in folds] == [80, 100]
    assert all(X["day"].iloc[train].max() < X["day"].iloc[held_out].min() for train, held_out in folds)


@pytest.mark.parametrize("is_repeated", [True, False])
def test_classes_have_their_shares_in_each_fold(is_repeated):
    X = pd.DataFrame({"size": np.arange(ROWS) // (2 if is_repeated else 1)})
    y = pd.Series(np.where(X["size"] % 3, "a", "b"))
    folds = make_complete_folds(X, y, None, "binary", seed=1, fold_count=4)
    assert [round((y.iloc[held_out] == "b").mean(), 1) for _, held_out in folds] == [0.3] * 4


def test_one_common_class_has_no_folds():
    y = pd.Series(["a"] * (ROWS - 2) + ["rare"] * 2)
    assert make_complete_folds(pd.DataFrame({"size": range(ROWS)}), y, None, "binary", seed=0, fold_count=5) == []


def test_score_that_is_undefined_on_a_fold_is_missing():
    """After a split by time, the rows of a fold may have one class."""
    y = pd.Series(["no"] * 4 + ["yes", "no"])
    probabilities = np.column_stack([np.full(4, 0.6), np.full(4, 0.4)])
    folds = [
        Fold(rows, Predictions(y.to_numpy()[rows], probabilities[: len(rows)], np.array(["no", "yes"]), "yes"))
        for rows in (np.arange(4), np.array([4, 5]))
    ]
    scores = score_folds(folds, y, "binary")["roc_auc"]
    assert np.isnan(scores[0]) and scores[1] == 0.5
