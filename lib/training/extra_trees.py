"""Extremely randomised trees: the example to copy for a training function of your own.

Three things make one, and there is nothing to register:

1. A file in this folder; its name is what ``training_functions:`` in your parameters asks for.
2. In it ``train(X, y, request, *, ...)``. `X` has your raw columns: names as they stand in the table,
   text, dates and missing values included. Each argument after ``*`` is a hyperparameter, which
   ``hyperparameters:`` can set; give it a type and a plain default.
3. It returns a fitted scikit-learn Pipeline that takes the same raw columns. ``TableEncoder`` does that
   part for most models: style ``"trees"`` leaves missing values in and numbers the levels, style
   ``"linear"`` fills, scales and has a feature for each level. A transformation of your own is one
   more step of the pipeline, so that the endpoint repeats it without being told.

The tests of this folder run over whatever is in it: ``pytest tests/training`` says whether yours keeps
the contract.
"""

from __future__ import annotations

import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.pipeline import Pipeline

from lib.training import TrainingRequest
from lib.training.features import TableEncoder, target_array
from lib.training.random_forest import ROWS_PER_TREE, leaf_limit


def train(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    *,
    n_estimators: int = 100,
    min_samples_leaf: int = 3,
    max_megabytes: int = 40,
) -> Pipeline:
    """Fit extremely randomised trees: a forest whose splits are drawn, which smooths noisy tables.

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
    max_megabytes : int
        Size of all trees at the most: an endpoint loads them.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.

    References
    ----------
    Geurts, Ernst and Wehenkel (2006), Extremely randomized trees. Machine Learning 63(1).
    """
    target = target_array(y, request.is_classification)
    is_large = len(X) > ROWS_PER_TREE
    model = (ExtraTreesClassifier if request.is_classification else ExtraTreesRegressor)(
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        max_leaf_nodes=leaf_limit(target, request.is_classification, n_estimators, max_megabytes),
        max_features=0.5,
        bootstrap=is_large,
        max_samples=ROWS_PER_TREE / len(X) if is_large else None,
        n_jobs=request.threads,
        random_state=request.seed,
    )
    encoder = TableEncoder("trees", request.is_classification, request.seed, month_first=request.month_first)
    pipeline = Pipeline([("encoder", encoder), ("model", model)]).fit(X, target)
    return pipeline.set_params(model__n_jobs=1)  # one row at a time is served faster without threads
