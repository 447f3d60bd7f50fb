"""Predictions for training rows by models that were not fitted on them.

The folds respect the split of the table: rows that it keeps together share a fold, and after a split by time, each fold
is predicted by a model of earlier rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, TimeSeriesSplit

from lib import metrics
from lib.errors import DataError
from lib.metrics import Predictions
from lib.schema.date_columns import to_datetimes
from lib.tables.split.row_hash import row_hash

FOLDS = 5
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
    fit: Callable[[pd.DataFrame, pd.Series], Any],
    X: pd.DataFrame,
    y: pd.Series,
    split: Mapping[str, Any] | None,
    task: str,
    positive_class: Any = None,
    seed: int = 0,
) -> OutOfFold:
    """Fit a model per fold, and predict the rows of the fold with it.

    Parameters
    ----------
    fit : callable
        Returns a classifier fitted on features and target.
    X : DataFrame of shape (rows, columns)
    y : Series of shape (rows,)
    split : mapping or None
        The rule that split the table, as the baseline stores it.
    task : {"binary", "multiclass"}
    positive_class : object, optional
        See `lib.metrics.find_positive_class`.
    seed : int
        Seed of the folds.

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
    for train, held_out in make_folds(X, y, split, task, seed):
        model = fit(X.iloc[train].reset_index(drop=True), y.iloc[train].reset_index(drop=True))
        fold_probabilities = np.asarray(model.predict_proba(X.iloc[held_out]), dtype=float)
        columns = [column_by_class[label] for label in np.asarray(model.classes_).tolist()]
        probabilities[held_out] = 0  # of classes without a row in this fold's training rows
        probabilities[np.ix_(held_out, np.array(columns))] = fold_probabilities
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    positive = metrics.find_positive_class(classes, positive_class) if task == "binary" else None
    labels = classes[probabilities[rows].argmax(axis=1)]
    return OutOfFold(rows, Predictions(labels, probabilities[rows], classes, positive, rows=X.iloc[rows]))


def check_class_sizes(y: pd.Series) -> None:
    """Raise a DataError if a class of the target has too few rows for folds."""
    counts = y.value_counts()
    small_classes = [f"{str(label)!r} has {count}" for label, count in counts.items() if count < MIN_ROWS_PER_CLASS]
    if small_classes:
        raise DataError(
            f"threshold: it is chosen on folds of the training rows, which need at least {MIN_ROWS_PER_CLASS} rows of "
            f"each class of {y.name}; {', '.join(small_classes)}. Set threshold to a number, or provide more rows."
        )


def make_folds(
    X: pd.DataFrame, y: pd.Series, split: Mapping[str, Any] | None, task: str, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the positions of the training rows and of the held-out rows of each fold.

    Parameters
    ----------
    X, y : DataFrame and Series
        The training rows.
    split : mapping or None
        The rule that split the table. Rows with equal keys share a fold; without keys, or if no key is a column of `X`,
        rows with equal features do.
    task, seed
        See `predict_out_of_fold`.
    """
    columns = [name for name in (split or {}).get("columns", ()) if name in X.columns]
    if split is not None and "cut" in split and columns:
        times = to_datetimes(X[columns[0]], split.get("form", ""))
        in_time_order = np.arange(len(X)) if times is None else np.argsort(times.to_numpy(), kind="stable")
        return [
            (in_time_order[earlier], in_time_order[later])
            for earlier, later in TimeSeriesSplit(FOLDS).split(in_time_order)
        ]
    groups = row_hash(X, columns or list(X.columns), normalize=True)
    splitter_class = GroupKFold if task == "regression" else StratifiedGroupKFold
    splitter = splitter_class(min(FOLDS, len(np.unique(groups))), shuffle=True, random_state=seed)
    return list(splitter.split(X, y, groups))
