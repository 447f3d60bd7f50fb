"""scikit-learn's histogram gradient boosting: the first choice for most tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from lib.training import TrainingRequest
from lib.training.features import TableEncoder, target_array

# Below, rows held back for stopping early are worth more as training rows.
LARGE_TABLE_ROWS = 10_000
HELD_BACK_SHARE = 0.1  # scikit-learn's own
# The inner split is stratified and fails on a class with one row; some margin lets a fold of the rows pass too.
EARLY_STOPPING_ROWS_PER_CLASS = 20

_ROWS_AT_ONCE = 2**14

# A round has a tree for each class; with many classes, fewer rounds keep fit and model within bounds.
MOST_TREES = 5_000


def train(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    *,
    learning_rate: float = 0.08,
    max_iter: int = 300,
    max_iter_small: int = 120,
    max_leaf_nodes: int = 31,
    min_samples_leaf: int = 20,
    max_features: float = 0.5,
    l2_regularization: float = 1.0,
) -> Pipeline:
    """Fit histogram gradient boosting.

    Parameters
    ----------
    X : pandas.DataFrame
        Raw columns, without the target.
    y : pandas.Series
        Target, none missing.
    request : TrainingRequest
        Task, seed and threads.
    learning_rate : float
        Share of each tree's step that is taken.
    max_iter : int
        Rounds at the most; fewer when held-back rows gain no more.
    max_iter_small : int
        Rounds up to 10,000 rows and where a class is rare: there, no rows are held back.
    max_leaf_nodes, min_samples_leaf : int
        Size of a tree, and rows in its leaves.
    max_features : float
        Share of the features that are tried at each split; fewer make a steadier model.
    l2_regularization : float
        Keep it above 0: without it, boosting diverges where classes are rare.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    target = target_array(y, request.is_classification)
    can_stop_early = _can_stop_early(target, request.is_classification)
    rounds = max_iter if can_stop_early else max_iter_small
    if request.task == "multiclass":
        rounds = max(1, min(rounds, MOST_TREES // len(np.unique(target))))
    model = (HistGradientBoostingClassifier if request.is_classification else HistGradientBoostingRegressor)(
        learning_rate=learning_rate,
        max_iter=rounds,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        l2_regularization=l2_regularization,
        early_stopping=can_stop_early,
        random_state=request.seed,
    )
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    # On small tables threads wait for one another longer than they work.
    threads = request.threads if len(X) > LARGE_TABLE_ROWS else 1
    with threadpool_limits(threads, user_api="openmp"):
        features = encoder.fit_transform(X, target)
        if can_stop_early:
            features, target, *held_back = _held_back(features, target, request)
            model.fit(features, target, X_val=held_back[0], y_val=held_back[1])
        else:
            model.fit(features, target)
    return Pipeline([("encoder", encoder), ("model", model)])


def _held_back(features: np.ndarray, target: np.ndarray, request: TrainingRequest) -> tuple[np.ndarray, ...]:
    """Rows to learn from, and rows that say when to stop; the former move up in place, for a copy is as large again."""
    train, held = train_test_split(
        np.arange(len(target)),
        test_size=HELD_BACK_SHARE,
        stratify=target if request.is_classification else None,
        random_state=request.seed,
    )
    train.sort()
    unseen = features[held]
    for start in range(0, len(train), _ROWS_AT_ONCE):
        some = train[start : start + _ROWS_AT_ONCE]
        features[start : start + len(some)] = features[some]
    return features[: len(train)], target[train], unseen, target[held]


def _can_stop_early(target: np.ndarray, is_classification: bool) -> bool:
    if len(target) <= LARGE_TABLE_ROWS:
        return False
    return not is_classification or np.unique(target, return_counts=True)[1].min() >= EARLY_STOPPING_ROWS_PER_CLASS
