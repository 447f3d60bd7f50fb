"""A model of the loss of a regression: how large the error of a prediction is, given the row."""

from __future__ import annotations

from typing import Any

import numpy as np

_FOLDS = 2
_SMALLEST_SHARE = 0.05  # of the mean absolute error: no prediction is expected to be more exact


class ErrorModel:
    """Expected absolute errors, by a gradient boosting fitted on the reference rows.

    Parameters
    ----------
    columns : ndarray of float, of shape (rows, columns)
        Encoded reference rows.
    is_category : list of bool
    predicted, truth : ndarray of float, of shape (rows,)
    seed : int

    Attributes
    ----------
    relative_errors : ndarray of float, of shape (rows,)
        Error of each reference row, as a multiple of the absolute error that a model without the row expects.
    """

    def __init__(
        self, columns: np.ndarray, is_category: list[bool], predicted: np.ndarray, truth: np.ndarray, seed: int
    ):
        from sklearn.model_selection import KFold, cross_val_predict

        errors = truth - predicted
        absolute = np.abs(errors)
        self._smallest = max(_SMALLEST_SHARE * absolute.mean(), np.finfo(float).tiny)
        features = np.column_stack([columns, predicted])
        absolute = np.maximum(absolute, self._smallest / 100)  # a gamma distribution has no zeros
        learner = _make_learner(is_category, len(truth), seed)
        self._model = learner.fit(features, absolute)
        folds = KFold(_FOLDS, shuffle=True, random_state=seed)
        expected = cross_val_predict(learner, features, absolute, cv=folds)
        self.relative_errors = errors / np.maximum(expected, self._smallest)

    def predict(self, columns: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return expected absolute errors, of shape (rows,)."""
        return np.maximum(self._model.predict(np.column_stack([columns, predicted])), self._smallest)


def _make_learner(is_category: list[bool], row_count: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(
        loss="gamma",  # the spread of errors grows with their size
        max_iter=60,
        max_leaf_nodes=15,
        min_samples_leaf=max(2, min(50, row_count // 20)),
        l2_regularization=5,
        early_stopping=False,
        categorical_features=[*is_category, False],
        random_state=seed,
    )
