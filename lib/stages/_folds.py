"""Cross-validation on random folds, for the spread of the scores and for calibration.

`lib.evaluation.out_of_fold` makes folds for any split of the table, to choose a threshold. The folds here suit only a
split by a hash of all features, and leave out classes with too few rows instead of refusing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from lib import metrics
from lib.evaluation.out_of_fold import fit_rows
from lib.metrics import Metric, Predictions
from lib.tables.split.row_hash import row_hash

if TYPE_CHECKING:
    from lib.parameters import Parameters


@dataclass(frozen=True)
class Fold:
    """The predictions for one fold of the training rows.

    Attributes
    ----------
    rows : ndarray of int, of shape (fold rows,)
        Positions of the rows in the training table.
    predictions : Predictions
        Predictions for these rows by a model that learned from the other rows.
    """

    rows: np.ndarray
    predictions: Predictions


def cross_validate(
    fit: Callable[..., Any],
    X: pd.DataFrame,
    y: pd.Series,
    fold_count: int,
    min_rows: int,
    parameters: Parameters,
    weights: np.ndarray | None = None,
) -> list[Fold]:
    """Train models on all folds except one, and predict the rows of that fold.

    Rows with equal features share a fold, as they share a side of the split. A class with fewer distinct rows than
    there are folds is never predicted: its rows train in every fold.

    Parameters
    ----------
    fit : callable
        Returns a model fitted on features and target, and on the weights if there are some.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    fold_count : int
    min_rows : int
        Further folds are left out once this number of rows is predicted.
    parameters : Parameters
        ``task``, ``positive_class`` and ``seed``.
    weights : ndarray of shape (rows,), optional
        Weight of each row in the fits and in metrics; 1 by default.

    Returns
    -------
    list of Fold
        Empty if fewer than two classes have enough rows.
    """
    rows = np.arange(len(y))
    groups = row_hash(X, list(X.columns), normalize=True)
    fold_rows = rows
    if parameters.task != "regression":
        class_sizes = pd.Series(groups).groupby(y.to_numpy()).transform("nunique")
        fold_rows = rows[(class_sizes >= fold_count).to_numpy()]
    if y.iloc[fold_rows].nunique() < 2:
        return []
    folds: list[Fold] = []
    for positions in _make_folds(y.iloc[fold_rows], groups[fold_rows], fold_count, parameters):
        if sum(len(fold.rows) for fold in folds) >= min_rows:
            break
        test = fold_rows[positions]
        train = np.setdiff1d(rows, test)
        model = fit_rows(fit, X, y, train, weights)
        predictions = metrics.predict(model, X.iloc[test], parameters.task, parameters.positive_class)
        folds.append(Fold(test, replace(predictions, weights=None if weights is None else weights[test])))
    return folds


def allows_random_folds(rule: dict[str, Any] | None, X: pd.DataFrame) -> bool:
    """Return whether random folds suit the split of the table: a hash of all features, not a time or a key."""
    return rule is not None and "cut" not in rule and {*X.columns} <= {*rule["columns"]}


def score_folds(folds: Sequence[Fold], y: pd.Series, task: str, own: Sequence[Metric] = ()) -> pd.DataFrame:
    """Return a row for each fold with its score by every metric of the task, and by the customer's own metrics."""
    return pd.DataFrame(
        [
            {metric.name: metric.score(y.iloc[fold.rows], fold.predictions) for metric in metrics.for_task(task, own)}
            for fold in folds
        ]
    )


def _make_folds(y: pd.Series, groups: np.ndarray, fold_count: int, parameters: Parameters) -> list[np.ndarray]:
    """Return the row positions of each random fold. Rows of the same group share a fold."""
    options = {"n_splits": fold_count, "shuffle": True, "random_state": parameters.seed}
    is_regression = parameters.task == "regression"
    if len(np.unique(groups)) == len(groups):
        splitter = (KFold if is_regression else StratifiedKFold)(**options)
        return [fold for _, fold in splitter.split(y, y)]
    group_splitter = (GroupKFold if is_regression else StratifiedGroupKFold)(**options)
    return [fold for _, fold in group_splitter.split(y, y, groups)]
