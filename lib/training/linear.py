"""Logistic or ridge regression: fast, small, and a reference for the other models."""

from __future__ import annotations

import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from lib.training import TrainingRequest, fit_pipeline


def train(X: pd.DataFrame, y: pd.Series, request: TrainingRequest, *, regularisation: float = 1.0) -> Pipeline:
    """Fit a linear model.

    The model does not extrapolate: numbers outside the range of the training rows are clipped to this range.

    Parameters
    ----------
    X : pandas.DataFrame of shape (rows, columns)
        Raw columns, without the target.
    y : pandas.Series of shape (rows,)
        Target, without missing values.
    request : TrainingRequest
        Task and seed.
    regularisation : float
        Strength of the L2 penalty on features of unit variance; higher values shrink the coefficients.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted; takes the raw columns.
    """
    if request.is_classification:
        # Scaled features usually converge in some hundred iterations.
        model = LogisticRegression(C=1 / regularisation, max_iter=5000)
    else:
        model = Ridge(alpha=regularisation)
    # With several threads, the last digits of the model would depend on the machine's number of cores.
    with threadpool_limits(1, user_api="blas"):
        return fit_pipeline(model, X, y, request, model_kind="linear")
