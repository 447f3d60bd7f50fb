"""Predictions on the folds of the training rows, for the spread of the scores and for calibration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import DataError
from lib.evaluation.folds import FoldRows
from lib.evaluation.out_of_fold import fit_rows
from lib.metrics import Metric, Predictions

if TYPE_CHECKING:
    from lib.parameters import Parameters


@dataclass(frozen=True)
class Fold:
    """The predictions for one fold of the training rows.

    Attributes
    ----------
    rows : ndarray of int, of shape (fold rows,)
        Positions of the rows in the training table.
    predictions : Predictions
        Predictions for these rows by a model that learned from other rows.
    """

    rows: np.ndarray
    predictions: Predictions


def cross_validate(
    fit: Callable[..., Any],
    X: pd.DataFrame,
    y: pd.Series,
    folds: Sequence[FoldRows],
    min_rows: int,
    parameters: Parameters,
    weights: np.ndarray | None = None,
) -> list[Fold]:
    """Fit a model for each fold, and predict the rows of the fold with it.

    Parameters
    ----------
    fit : callable
        Returns a model fitted on features and target, and on the weights if there are some.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    folds : sequence of (ndarray of int, ndarray of int)
        Positions of the rows to fit a model on, and of those to predict.
    min_rows : int
        Further folds are left out once this number of rows is predicted.
    parameters : Parameters
        ``task`` and ``positive_class``.
    weights : ndarray of shape (rows,), optional
        Weight of each row in the fits and in metrics; 1 by default.
    """
    predicted: list[Fold] = []
    for train, held_out in folds:
        if sum(len(fold.rows) for fold in predicted) >= min_rows:
            break
        model = fit_rows(fit, X, y, train, weights)
        predictions = metrics.predict(model, X.iloc[held_out], parameters.task, parameters.positive_class)
        fold_weights = None if weights is None else weights[held_out]
        predicted.append(Fold(held_out, replace(predictions, weights=fold_weights)))
    return predicted


def score_folds(folds: Sequence[Fold], y: pd.Series, task: str, own: Sequence[Metric] = ()) -> pd.DataFrame:
    """Return a row for each fold with its score by every metric of the task, and by the customer's own metrics.

    A score that is undefined on a fold, such as the ROC AUC of one class, is NaN.
    """
    known_metrics = metrics.for_task(task, own)
    return pd.DataFrame([{metric.name: _score(metric, y, fold) for metric in known_metrics} for fold in folds])


def _score(metric: Metric, y: pd.Series, fold: Fold) -> float:
    try:
        return metric.score(y.iloc[fold.rows], fold.predictions)
    except DataError:
        return math.nan
