"""Logistic or ridge regression: fast, small, and the yardstick the others have to beat."""

from __future__ import annotations

import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from lib.training import TrainingRequest
from lib.training.features import TableEncoder, target_array


def train(X: pd.DataFrame, y: pd.Series, request: TrainingRequest, *, regularisation: float = 1.0) -> Pipeline:
    """Fit a linear model.

    It does not extrapolate: a number beyond those of the training table counts as the nearest of them.

    Parameters
    ----------
    X : pandas.DataFrame
        Raw columns, without the target.
    y : pandas.Series
        Target, none missing.
    request : TrainingRequest
        Task, seed and threads.
    regularisation : float
        Strength of the L2 penalty on features of unit variance: more makes smaller coefficients.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    encoder = TableEncoder("linear", request.is_classification, request.seed, month_first=request.month_first)
    if request.is_classification:
        # Scaled features converge in some hundred iterations; the limit is there for those that do not.
        model = LogisticRegression(C=1 / regularisation, max_iter=5000)
    else:
        model = Ridge(alpha=regularisation)
    pipeline = Pipeline([("encoder", encoder), ("model", model)])
    # One thread, whatever is allowed: more would change the last digits from one machine to another.
    with threadpool_limits(1, user_api="blas"):
        return pipeline.fit(X, target_array(y, request.is_classification))
