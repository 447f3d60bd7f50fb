"""Random forest: hard to get wrong, and honest about its uncertainty."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.pipeline import Pipeline

from lib.training import TrainingRequest
from lib.training.features import TableEncoder, target_array

# A tree needs no more rows than this to be a good vote, and takes far longer with a million.
ROWS_PER_TREE = 40_000
# scikit-learn's node, beside one float64 for each class.
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
    X : pandas.DataFrame
        Raw columns, without the target.
    y : pandas.Series
        Target, none missing.
    request : TrainingRequest
        Task, seed and threads.
    n_estimators : int
        Number of trees.
    min_samples_leaf : int
        Rows in a leaf, at the least.
    max_features : float
        Share of the features that are tried at each split.
    max_megabytes : int
        Size of the forest at the most: an endpoint loads all of it. On large tables it is this that
        limits the leaves of a tree.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    target = target_array(y, request.is_classification)
    model = (RandomForestClassifier if request.is_classification else RandomForestRegressor)(
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        max_features=max_features,
        max_leaf_nodes=leaf_limit(target, request.is_classification, n_estimators, max_megabytes),
        max_samples=ROWS_PER_TREE / len(X) if len(X) > ROWS_PER_TREE else None,
        n_jobs=request.threads,
        random_state=request.seed,
    )
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    pipeline = Pipeline([("encoder", encoder), ("model", model)]).fit(X, target)
    # Serving asks for a row at a time, where starting threads costs more than all the trees.
    return pipeline.set_params(model__n_jobs=1)


def leaf_limit(target: np.ndarray, is_classification: bool, n_estimators: int, max_megabytes: int) -> int | None:
    """Leaves a tree may have for the forest to stay within its size; None where it cannot get larger.

    Parameters
    ----------
    target : numpy.ndarray
        Its rows and classes.
    is_classification : bool
        Whether a leaf holds a share for each class, or one mean.
    n_estimators, max_megabytes : int
        Trees, and size of them all.
    """
    outputs = len(pd.unique(target)) if is_classification else 1
    # A binary tree has twice as many nodes as leaves.
    leaves = int(max_megabytes * 1e6 / (2 * n_estimators * (NODE_BYTES + 8 * outputs)))
    return max(2, leaves) if leaves < len(target) else None
