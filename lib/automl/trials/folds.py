"""The rows on which models are compared: cross-validation folds or a held-out part."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from lib.automl import SearchRequest

_DEFAULT_FOLDS = 5
# With fewer folds, each model would be trained on too few rows: hold out this share of the rows instead.
_MIN_FOLDS, HELD_OUT_SHARE = 3, 0.12
# If there is time for as many folds as the second number, use the first: each model is then trained on more rows, which
# helps more than trying more models.
_MAX_FOLDS, _MIN_AFFORDABLE_FOR_MAX_FOLDS = 8, 40
# Seconds that the first configurations of the portfolio together need for each fold, per row, feature and class.
_SECONDS_PER_VALUE = 4.5e-5
HELD_OUT, ALWAYS_TRAINED = 0, -1


def assign_folds(labels: np.ndarray, feature_count: int, core_seconds: float, request: SearchRequest) -> np.ndarray:
    """Assign each row to the fold that holds it out.

    Parameters
    ----------
    labels : ndarray of shape (rows,)
        Class indices, or a regression's target.
    feature_count : int
    core_seconds : float
        Time for all models, in seconds of one core.
    request : SearchRequest

    Returns
    -------
    ndarray of shape (rows,)
        Number of the fold; `ALWAYS_TRAINED` for rows that are never held out.

    Notes
    -----
    The number of folds is `SearchRequest.folds`, or depends on the time if that is 0. Without time for three folds,
    some rows are held out instead; in a table that is split by time, always the latest ones.
    """
    if request.in_time_order is not None:
        return hold_out(labels, request.validation_fraction or HELD_OUT_SHARE, request)
    fold_count = request.folds
    if not fold_count and not request.validation_fraction:
        fold_count = _count_affordable_folds(labels, feature_count, core_seconds, request)
    # At least one class must have a row in every fold.
    fold_count = min(fold_count, np.bincount(labels).max() if request.is_classification else len(labels))
    fold_count = min(fold_count, len(labels) if request.groups is None else len(np.unique(request.groups)))
    if fold_count < 2:
        return hold_out(labels, request.validation_fraction or HELD_OUT_SHARE, request)
    if request.groups is None:
        splitter_class = StratifiedKFold if request.is_classification else KFold
    else:
        splitter_class = StratifiedGroupKFold if request.is_classification else GroupKFold
    splitter = splitter_class(fold_count, shuffle=True, random_state=request.seed)
    folds = np.full(len(labels), ALWAYS_TRAINED)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, rows) in enumerate(splitter.split(folds, labels, request.groups)):
            folds[rows] = fold
    return folds


def _count_affordable_folds(labels: np.ndarray, feature_count: int, core_seconds: float, request: SearchRequest) -> int:
    """Return the number of folds that can be fitted in time, or 0 if it is below `_MIN_FOLDS`."""
    class_count = labels.max() + 1 if request.task == "multiclass" else 1
    affordable = core_seconds / (_SECONDS_PER_VALUE * len(labels) * feature_count * class_count)
    if affordable > _MIN_AFFORDABLE_FOR_MAX_FOLDS:
        return _MAX_FOLDS
    return min(_DEFAULT_FOLDS, int(affordable)) if affordable >= _MIN_FOLDS else 0


def hold_out(labels: np.ndarray, share: float, request: SearchRequest) -> np.ndarray:
    """Hold out a share of the rows, stratified by class if each class has enough rows.

    After a split by time these are the latest rows, and of groups, each is held out as a whole or not at all.

    Returns
    -------
    ndarray of shape (rows,)
        `HELD_OUT` or `ALWAYS_TRAINED`.

    Notes
    -----
    The result is the same for the same seed and number of rows.
    """
    folds = np.full(len(labels), ALWAYS_TRAINED)
    count = max(1, round(share * len(labels)))
    if request.in_time_order is not None:
        folds[request.in_time_order[-count:]] = HELD_OUT
        return folds
    if request.groups is not None and len(np.unique(request.groups)) > 1:
        splitter = GroupShuffleSplit(1, test_size=share, random_state=request.seed)
        folds[next(splitter.split(folds, labels, request.groups))[1]] = HELD_OUT
        return folds
    rows = np.random.default_rng(request.seed).permutation(len(labels))[:count]
    if request.is_classification and np.bincount(labels).min() > 1 and count > labels.max():
        splitter = StratifiedShuffleSplit(1, test_size=count, random_state=request.seed)
        rows = next(splitter.split(folds, labels))[1]
    folds[rows] = HELD_OUT
    return folds
