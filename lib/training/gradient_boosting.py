"""scikit-learn's histogram gradient boosting: the first choice for most tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from lib.training import TrainingRequest, make_encoder
from lib.training.features import target_array

# Smaller tables need all rows for training, so none are held out for early stopping.
MIN_EARLY_STOPPING_ROWS = 10_000
VALIDATION_SHARE = 0.1  # scikit-learn's default
# The stratified validation split fails on a class with a single row. The margin leaves enough rows of each class in
# every training fold of a cross-validation.
MIN_EARLY_STOPPING_ROWS_PER_CLASS = 20
# Each round fits one tree per class; with many classes, fewer rounds limit training time and model size.
MAX_TREES = 5_000
_CHUNK_ROWS = 2**14


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
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns, without the target.
    y : pandas.Series of shape (rows,)
        Target, without missing values.
    request : TrainingRequest
        Task, seed and threads.
    learning_rate : float
        Factor applied to each tree's contribution.
    max_iter : int
        Maximum number of rounds. Training stops earlier if the score on held-out rows no longer improves.
    max_iter_small : int
        Number of rounds on tables without early stopping: those of at most 10,000 rows, or with a rare class.
    max_leaf_nodes : int
        Maximum number of leaves per tree.
    min_samples_leaf : int
        Minimum number of rows in a leaf.
    max_features : float
        Share of the features considered at each split; a smaller share gives a more stable model.
    l2_regularization : float
        Strength of the L2 penalty on the leaves. Keep it above 0: boosting diverges on rare classes without it.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    target = target_array(y, request.is_classification)
    stops_early = _can_stop_early(target, request.is_classification)
    rounds = max_iter if stops_early else max_iter_small
    if request.task == "multiclass":
        rounds = max(1, min(rounds, MAX_TREES // len(np.unique(target))))
    estimator = HistGradientBoostingClassifier if request.is_classification else HistGradientBoostingRegressor
    model = estimator(
        learning_rate=learning_rate,
        max_iter=rounds,
        max_leaf_nodes=max_leaf_nodes,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        l2_regularization=l2_regularization,
        early_stopping=stops_early,
        random_state=request.seed,
    )
    encoder = make_encoder(request)
    # On small tables, threads spend more time waiting for each other than computing.
    threads = request.threads if len(X) > MIN_EARLY_STOPPING_ROWS else 1
    with threadpool_limits(threads, user_api="openmp"):
        features = encoder.fit_transform(X, target)
        if stops_early:
            train_rows, validation_rows = _draw_validation_rows(target, request)
            validation_features, validation_target = features[validation_rows], target[validation_rows]
            features, target = _keep_rows(features, train_rows), target[train_rows]
            model.fit(
                features,
                target,
                sample_weight=request.sample_weights(target, train_rows),
                X_val=validation_features,
                y_val=validation_target,
                sample_weight_val=request.sample_weights(validation_target, validation_rows),
            )
        else:
            model.fit(features, target, sample_weight=request.sample_weights(target))
    return Pipeline([("encoder", encoder), ("model", model)])


def _can_stop_early(target: np.ndarray, is_classification: bool) -> bool:
    """Return whether the table and each class have enough rows to hold some out for early stopping."""
    if len(target) <= MIN_EARLY_STOPPING_ROWS:
        return False
    if not is_classification:
        return True
    rows_per_class = np.unique(target, return_counts=True)[1]
    return rows_per_class.min() >= MIN_EARLY_STOPPING_ROWS_PER_CLASS


def _draw_validation_rows(target: np.ndarray, request: TrainingRequest) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the training rows, ascending, and of the rows that are held out for early stopping."""
    train_rows, validation_rows = train_test_split(
        np.arange(len(target)),
        test_size=VALIDATION_SHARE,
        stratify=target if request.is_classification else None,
        random_state=request.seed,
    )
    train_rows.sort()
    return train_rows, validation_rows


def _keep_rows(features: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return some rows as a view of `features`, which is overwritten: a copy would double the memory of a large table.

    Parameters
    ----------
    features : ndarray of shape (rows, columns)
    rows : ndarray of int
        Positions of the rows, ascending.
    """
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows[start : start + _CHUNK_ROWS]
        features[start : start + len(chunk)] = features[chunk]
    return features[: len(rows)]
