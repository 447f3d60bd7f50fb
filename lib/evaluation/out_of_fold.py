"""Predictions for training rows by models that were not fitted on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lib import metrics
from lib.errors import DataError
from lib.evaluation.folds import make_folds
from lib.metrics import Predictions

# A class with fewer rows could be missing in a fold, or be judged by a handful of rows.
MIN_ROWS_PER_CLASS = 10


@dataclass(frozen=True)
class OutOfFold:
    """Out-of-fold predictions.

    Attributes
    ----------
    rows : ndarray of int
        Positions of the predicted training rows, ascending. After a split by time, the earliest rows are missing.
    predictions : Predictions
        Predictions for these rows, with the classes of the whole table.
    """

    rows: np.ndarray
    predictions: Predictions


def predict_out_of_fold(
    fit: Callable[..., Any],
    X: pd.DataFrame,
    y: pd.Series,
    split: Mapping[str, Any] | None,
    task: str,
    positive_class: Any = None,
    seed: int = 0,
    keys: pd.DataFrame | None = None,
    weights: np.ndarray | None = None,
) -> OutOfFold:
    """Fit a model per fold, and predict the rows of the fold with it.

    Parameters
    ----------
    fit : callable
        Returns a classifier fitted on features and target, and on the weights if there are some.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    split : mapping or None
        The rule that split the table, as the baseline stores it.
    task : {"binary", "multiclass"}
    positive_class : object, optional
        See `lib.metrics.find_positive_class`.
    seed : int
        Seed of the folds.
    keys : DataFrame of shape (rows, columns), optional
        Columns that the split used, also those that models do not see; by default those of `X`.
    weights : ndarray of shape (rows,), optional
        Weight of each row in the fits and in metrics; 1 by default.

    Returns
    -------
    OutOfFold

    Raises
    ------
    DataError
        If a class has too few rows.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> X, y = pd.DataFrame({"size": range(40)}), pd.Series(["a", "b"] * 20)
    >>> result = predict_out_of_fold(lambda X, y: DummyClassifier().fit(X, y), X, y, None, "binary")
    >>> len(result.rows), result.predictions.probabilities.shape
    (40, (40, 2))
    """
    classes = np.unique(y.to_numpy())
    check_class_sizes(y)
    column_by_class = {label: column for column, label in enumerate(classes.tolist())}
    probabilities = np.full((len(y), len(classes)), np.nan)
    divided = X if keys is None or split is None else keys
    for train, held_out in make_folds(divided, y, split, task, seed):
        model = fit_rows(fit, X, y, train, weights)
        fold_probabilities = np.asarray(model.predict_proba(X.iloc[held_out]), dtype=float)
        columns = [column_by_class[label] for label in np.asarray(model.classes_).tolist()]
        probabilities[held_out] = 0  # of classes without a row in this fold's training rows
        probabilities[np.ix_(held_out, np.array(columns))] = fold_probabilities
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    positive = metrics.find_positive_class(classes, positive_class) if task == "binary" else None
    labels = classes[probabilities[rows].argmax(axis=1)]
    held_out_weights = None if weights is None else weights[rows]
    predictions = Predictions(
        labels, probabilities[rows], classes, positive, rows=X.iloc[rows], weights=held_out_weights
    )
    return OutOfFold(rows, predictions)


def fit_rows(
    fit: Callable[..., Any], X: pd.DataFrame, y: pd.Series, rows: np.ndarray, weights: np.ndarray | None = None
) -> Any:
    """Return a model fitted on some rows.

    Parameters
    ----------
    fit : callable
        Called with features and target, and with the weights if there are some.
    X, y : DataFrame and Series
    rows : ndarray of int
        Positions of the rows.
    weights : ndarray of shape (all rows,), optional
    """
    own_weights = () if weights is None else (weights[rows],)
    return fit(X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True), *own_weights)


def check_class_sizes(y: pd.Series) -> None:
    """Raise a DataError if a class of the target has too few rows for folds."""
    counts = y.value_counts()
    small_classes = [f"{str(label)!r} has {count}" for label, count in counts.items() if count < MIN_ROWS_PER_CLASS]
    if small_classes:
        raise DataError(
            f"threshold: it is chosen on folds of the training rows, which need at least {MIN_ROWS_PER_CLASS} rows of "
            f"each class of {y.name}; {', '.join(small_classes)}. Set threshold to a number, or provide more rows."
        )
