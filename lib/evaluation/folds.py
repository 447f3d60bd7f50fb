"""Folds of the training rows that respect the split of the table.

Rows that the split keeps together share a fold, and after a split by time, the rows of a fold are later than those on
which its model is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

from lib.evaluation.row_division import RowDivision
from lib.schema.date_columns import to_datetimes
from lib.tables.split.row_hash import row_hash

FOLDS = 5
# The positions of the rows on which a model is fitted, and those of the rows that it predicts.
FoldRows = tuple[np.ndarray, np.ndarray]


def divide_rows(X: pd.DataFrame, split: Mapping[str, Any] | None) -> RowDivision:
    """Return how a split divides the training rows.

    Parameters
    ----------
    X : DataFrame of shape (rows, columns)
        The training rows, with the columns of the split that models do not see.
    split : mapping or None
        The rule that split the table, as the baseline stores it.

    Examples
    --------
    >>> rows = pd.DataFrame({"customer": [7, 8, 7], "size": [1, 2, 3]})
    >>> divide_rows(rows, {"columns": ["customer"]}).groups.tolist()
    [0, 1, 0]
    """
    columns = [name for name in (split or {}).get("columns", ()) if name in X.columns]
    if split is None or not columns:
        return RowDivision()
    if "cut" in split:
        times = to_datetimes(X[columns[0]], split.get("form", ""))
        order = np.arange(len(X)) if times is None else np.argsort(times.to_numpy(), kind="stable")
        return RowDivision(in_time_order=order)
    return RowDivision(groups=pd.factorize(row_hash(X, columns, normalize=True))[0])


def make_folds(
    X: pd.DataFrame, y: pd.Series, split: Mapping[str, Any] | None, task: str, seed: int, fold_count: int = FOLDS
) -> list[FoldRows]:
    """Return the folds of the training rows.

    Parameters
    ----------
    X, y : DataFrame and Series
        The training rows; `X` may have columns that models do not see, such as the keys of the split.
    split : mapping or None
        The rule that split the table. Rows with equal keys share a fold; without keys, or if no key is a column of `X`,
        rows with equal features do.
    task : {"binary", "multiclass", "regression"}
    seed : int
    fold_count : int
        Number of folds; fewer if there are fewer groups of rows.
    """
    division = divide_rows(X, split)
    if division.in_time_order is not None:
        return _make_time_folds(division.in_time_order, fold_count)
    return _make_group_folds(_find_groups(X, division), y, task, seed, fold_count)


def make_complete_folds(
    X: pd.DataFrame, y: pd.Series, split: Mapping[str, Any] | None, task: str, seed: int, fold_count: int
) -> list[FoldRows]:
    """Return folds whose models know every class; empty if there are none.

    The rows of a class with fewer groups than there are folds are in no fold: every model is fitted on them. After a
    split by time, the folds are left out whose earlier rows lack a class. Parameters are those of `make_folds`.

    Examples
    --------
    >>> X, y = pd.DataFrame({"size": range(9)}), pd.Series(["a", "b"] * 4 + ["rare"])
    >>> folds = make_complete_folds(X, y, None, "multiclass", seed=0, fold_count=2)
    >>> [8 in train and 8 not in held_out for train, held_out in folds]
    [True, True]
    """
    if task == "regression":
        return make_folds(X, y, split, task, seed, fold_count)
    division = divide_rows(X, split)
    if division.in_time_order is not None:
        folds = _make_time_folds(division.in_time_order, fold_count)
        return [fold for fold in folds if y.iloc[fold[0]].nunique() == y.nunique()]
    groups = _find_groups(X, division)
    is_rare = (pd.Series(groups).groupby(y.to_numpy()).transform("nunique") < fold_count).to_numpy()
    rare, common = np.flatnonzero(is_rare), np.flatnonzero(~is_rare)
    if y.iloc[common].nunique() < 2:
        return []
    folds = _make_group_folds(groups[common], y.iloc[common], task, seed, fold_count)
    return [(np.sort(np.concatenate([common[train], rare])), common[held_out]) for train, held_out in folds]


def _find_groups(X: pd.DataFrame, division: RowDivision) -> np.ndarray:
    """Return the group of each row; rows with equal features are a group unless the split has keys."""
    return row_hash(X, list(X.columns), normalize=True) if division.groups is None else division.groups


def _make_time_folds(order: np.ndarray, fold_count: int) -> list[FoldRows]:
    """Return folds of rows in time order, each with the rows before it."""
    return [(order[earlier], order[later]) for earlier, later in TimeSeriesSplit(fold_count).split(order)]


def _make_group_folds(groups: np.ndarray, y: pd.Series, task: str, seed: int, fold_count: int) -> list[FoldRows]:
    """Return random folds, with classes in their proportions. Rows of the same group share a fold."""
    group_count = len(np.unique(groups))
    options = {"n_splits": min(fold_count, group_count), "shuffle": True, "random_state": seed}
    is_regression = task == "regression"
    if group_count == len(groups):  # many times faster than one group for each row
        return list((KFold if is_regression else StratifiedKFold)(**options).split(y, y))
    return list((GroupKFold if is_regression else StratifiedGroupKFold)(**options).split(y, y, groups))
