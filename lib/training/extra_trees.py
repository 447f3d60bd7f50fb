"""Extremely randomized trees; copy this file to ``custom/training/`` to write a training function of your own.

A training function needs no registration:

1. Create a file in ``custom/training/``. Its name is what ``training_functions:`` in the parameter file refers to.
2. Define ``train(X, y, request, *, ...)`` in it. `X` contains the raw columns: the table's column names, text, dates
   and missing values included. Each argument after ``*`` is a hyperparameter that users can set under
   ``hyperparameters:``. Give it a type and a literal default.
3. Return a fitted scikit-learn Pipeline that takes the same raw columns. ``fit_pipeline`` does this for most models.
   Its ``model_kind="trees"`` keeps missing values and replaces categories by their index; ``model_kind="linear"``
   imputes, scales and encodes one-hot. To transform the columns yourself, add a step to the pipeline: the endpoint then
   repeats the transformation.

Run ``make check-custom`` to check your function.
"""

from __future__ import annotations

import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.pipeline import Pipeline

from lib.training import TrainingRequest, fit_pipeline
from lib.training.random_forest import ROWS_PER_TREE, compute_max_leaves


def train(
    X: pd.DataFrame,
    y: pd.Series,
    request: TrainingRequest,
    *,
    n_estimators: int = 100,
    min_samples_leaf: int = 3,
    max_megabytes: int = 40,
) -> Pipeline:
    """Fit extremely randomized trees: a forest with random split thresholds, which overfits noisy tables less.

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
    max_megabytes : int
        Maximum size of all trees, which the endpoint loads into memory.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.

    References
    ----------
    Geurts, Ernst and Wehenkel (2006), Extremely randomized trees. Machine Learning 63(1).
    """
    estimator = ExtraTreesClassifier if request.is_classification else ExtraTreesRegressor
    is_large = len(X) > ROWS_PER_TREE
    model = estimator(
        n_estimators=n_estimators,
        min_samples_leaf=min_samples_leaf,
        max_leaf_nodes=compute_max_leaves(y, request.is_classification, n_estimators, max_megabytes),
        max_features=0.5,
        bootstrap=is_large,
        max_samples=ROWS_PER_TREE / len(X) if is_large else None,
        n_jobs=request.threads,
        random_state=request.seed,
    )
    pipeline = fit_pipeline(model, X, y, request)
    # The endpoint predicts single rows, for which starting threads takes longer than the trees.
    return pipeline.set_params(model__n_jobs=1)
