"""Cross-validated scores of models of several columns, on a sample of the rows."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lib.tables.quality.leakage.columns import EncodedColumn, Target

_BOOSTING_ROUNDS = 50


def score_together(columns: Sequence[EncodedColumn], target: Target, with_linear: bool = True) -> float:
    """Return the score of the columns together: R2 of a regression, otherwise AUC (averaged over the classes).

    Parameters
    ----------
    columns : sequence of EncodedColumn
    target : Target
    with_linear : bool
        Whether a linear model is also tried, and the better score returned: it averages noisy copies of the target.
    """
    matrix = np.column_stack([column.features for column in columns])
    score = _cross_validate(_boosting(target), matrix, target)
    if not with_linear:
        return score
    center, scale = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0)
    standardized = np.nan_to_num((matrix - center) / np.where(scale > 0, scale, 1.0))
    return max(score, _cross_validate(_linear(target), standardized, target))


def _boosting(target: Target) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if target.is_regression else HistGradientBoostingClassifier
    return kind(max_iter=_BOOSTING_ROUNDS, l2_regularization=1.0, early_stopping=False, random_state=0)


def _linear(target: Target) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge(1e-3) if target.is_regression else LogisticRegression(max_iter=200)


def _cross_validate(model: Any, matrix: np.ndarray, target: Target) -> float:
    from sklearn.model_selection import PredefinedSplit, cross_val_score

    is_multiclass = len(target.classes) > 2
    scoring = "r2" if target.is_regression else "roc_auc_ovr" if is_multiclass else "roc_auc"
    # With few rows, threads cost more than they save. Rare classes make scikit-learn warn.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(model, matrix, target.values, cv=PredefinedSplit(target.folds), scoring=scoring)
    return float(np.mean(scores))
