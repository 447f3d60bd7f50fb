"""Cross-validated scores of models with several columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lib.tables.quality.leakage.columns import EncodedColumn, Target

_BOOSTING_ROUNDS = 50


def score_together(columns: Sequence[EncodedColumn], target: Target, with_linear: bool = True) -> float:
    """Return the cross-validated score of a model with the given columns.

    The score is R2 for a regression, otherwise the AUC, averaged over the classes if there are more than two.

    Parameters
    ----------
    columns : sequence of EncodedColumn
    target : Target
    with_linear : bool
        Whether to try a linear model too, which averages noisy copies of the target, and return the better score.
    """
    matrix = np.column_stack([column.features for column in columns])
    score = _cross_validate(_make_boosting_model(target), matrix, target)
    if not with_linear:
        return score
    center, scale = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0)
    standardized = np.nan_to_num((matrix - center) / np.where(scale > 0, scale, 1.0))
    return max(score, _cross_validate(_make_linear_model(target), standardized, target))


def _make_boosting_model(target: Target) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if target.is_regression else HistGradientBoostingClassifier
    return kind(max_iter=_BOOSTING_ROUNDS, l2_regularization=1.0, early_stopping=False, random_state=0)


def _make_linear_model(target: Target) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return Ridge(1e-3) if target.is_regression else LogisticRegression(max_iter=200)


def _cross_validate(model: Any, matrix: np.ndarray, target: Target) -> float:
    from sklearn.model_selection import PredefinedSplit, cross_val_score

    is_multiclass = len(target.classes) > 2
    scoring = "r2" if target.is_regression else "roc_auc_ovr" if is_multiclass else "roc_auc"
    # For few rows, starting threads takes longer than they save. scikit-learn warns about rare classes.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = cross_val_score(model, matrix, target.values, cv=PredefinedSplit(target.folds), scoring=scoring)
    return float(np.mean(scores))
