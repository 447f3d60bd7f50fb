"""Random forest: robust, with reliable probabilities."""

from __future__ import annotations

import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline

from lib.training import TrainingRequest, fit_pipeline

# Maximum number of rows that are sampled for each tree: with more rows, a tree hardly improves.
ROWS_PER_TREE = 40_000
# Bytes of a tree node in scikit-learn, without its output values: one float64 per class, or one for a regression.
NODE_BYTES = 64


def train(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    *,
    n_estimators: int = 100,
    min_samples_leaf: int = 2,
    max_features: float = 0.4,
    max_megabytes: int = 40,
) -> Pipeline:
    """Fit a random forest.

    Parameters
    ----------
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns, without the target.
    y : pandas.Series of shape (rows,)
        Target, without missing values.
    request : TrainingRequest
        Task, seed and threads.
    n_estimators : int
        Number of trees.
    min_samples_leaf : int
        Minimum number of rows in a leaf.
    max_features : float
        Share of the features considered at each split.
    max_megabytes : int
        Maximum size of the forest, which the endpoint loads into memory. It limits the number of leaves on large
        tables.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    estimator = RandomForestClassifier if request.is_classification else RandomForestRegressor
    model = estimator(
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        max_leaf_nodes=compute_max_leaves(y, request.is_classification, n_estimators, max_megabytes),
        max_samples=ROWS_PER_TREE / len(X) if len(X) > ROWS_PER_TREE else None,
        n_jobs=request.threads,
        random_state=request.seed,
    )
    pipeline = fit_pipeline(model, X, y, request)
    # The endpoint predicts single rows, for which starting threads takes longer than the trees.
    return pipeline.set_params(model__n_jobs=1)


def compute_max_leaves(y: pd.Series, is_classification: bool, n_estimators: int, max_megabytes: int) -> int | None:
    """Return the number of leaves per tree that a forest may have within a size limit.

    Parameters
    ----------
    y : pandas.Series of shape (rows,)
        Target.
    is_classification : bool
        Whether a leaf stores a share per class instead of one mean.
    n_estimators : int
        Number of trees.
    max_megabytes : int
        Maximum size of the forest.

    Returns
    -------
    int or None
        None if no tree can have that many leaves, because it has at most one leaf per row.

    Examples
    --------
    >>> compute_max_leaves(pd.Series(range(10_000)), is_classification=False, n_estimators=100, max_megabytes=40)
    2777
    >>> compute_max_leaves(pd.Series(range(100)), is_classification=False, n_estimators=100, max_megabytes=40)
    """
    output_count = y.nunique() if is_classification else 1
    nodes_per_tree = max_megabytes * 1e6 / (n_estimators * (NODE_BYTES + 8 * output_count))
    leaves_per_tree = int(nodes_per_tree / 2)  # a binary tree has about two nodes per leaf
    return max(2, leaves_per_tree) if leaves_per_tree < len(y) else None
