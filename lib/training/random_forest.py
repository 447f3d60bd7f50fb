"""Random forest: robust, with reliable probabilities."""

from __future__ import annotations

import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline

from lib.training import TrainingRequest, fit_pipeline

# With more rows, a tree takes far longer to fit and hardly improves.
ROWS_PER_TREE = 40_000
# Size of a node in scikit-learn, without its outputs: one float64 for each class.
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
        max_leaf_nodes=max_leaves(y, request.is_classification, n_estimators, max_megabytes),
        max_samples=ROWS_PER_TREE / len(X) if len(X) > ROWS_PER_TREE else None,
        n_jobs=request.threads,
        random_state=request.seed,
    )
    pipeline = fit_pipeline(model, X, y, request)
    # The endpoint predicts single rows, for which starting threads takes longer than the trees.
    return pipeline.set_params(model__n_jobs=1)


def max_leaves(y: pd.Series, is_classification: bool, n_estimators: int, max_megabytes: int) -> int | None:
    """Return the maximum number of leaves per tree that keeps a forest within its size.

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
        None if the forest is within its size anyway: a tree has at most one leaf per row.

    Examples
    --------
    >>> max_leaves(pd.Series(range(10_000)), is_classification=False, n_estimators=100, max_megabytes=40)
    2777
    >>> max_leaves(pd.Series(range(100)), is_classification=False, n_estimators=100, max_megabytes=40)
    """
    outputs = y.nunique() if is_classification else 1
    nodes = max_megabytes * 1e6 / (n_estimators * (NODE_BYTES + 8 * outputs))
    leaves = int(nodes / 2)  # a binary tree has about two nodes per leaf
    return max(2, leaves) if leaves < len(y) else None
