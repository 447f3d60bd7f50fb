"""Calibrated probabilities: how probable each class is, given the model's probabilities and the row.

A gradient boosting of stumps, which is additive in the columns and in the logits of the model's probabilities, is
fitted on the reference rows. It follows the probabilities where the model is calibrated, and corrects them for columns
with which the model is not. Being additive, it extrapolates cautiously.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_MIN_STUMPS, _MAX_STUMPS, _FOLDS = 50, 600, 2
_SMALLEST = 1e-3


class ClassModel:
    """Calibrated probabilities of the classes.

    Parameters
    ----------
    columns : ndarray of float, of shape (rows, columns)
        Encoded reference rows.
    is_category : list of bool
    probabilities : ndarray of float, of shape (rows, classes)
        Of the model.
    codes : ndarray of int, of shape (rows,)
        The true class of each row, as a column of `probabilities`.
    seed : int

    Attributes
    ----------
    out_of_fold : ndarray of float, of shape (rows, classes)
        Calibrated probabilities of the reference rows, each by a model that has not seen the row.
    """

    def __init__(
        self, columns: np.ndarray, is_category: list[bool], probabilities: np.ndarray, codes: np.ndarray, seed: int
    ):
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        self._is_category, self._class_count = is_category, probabilities.shape[1]
        self._codes, counts = np.unique(codes, return_counts=True)
        features = self._make_features(columns, probabilities)
        learner = self._make_learner(len(codes), seed)
        self._model = learner.fit(features, codes) if len(counts) > 1 else None
        if self._model is None:
            calibrated = np.ones((len(codes), 1))
        elif counts.min() >= _FOLDS:
            folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
            calibrated = cross_val_predict(learner, features, codes, cv=folds, method="predict_proba")
        else:
            calibrated = self._model.predict_proba(features)
        self.out_of_fold = self._spread(calibrated)

    def predict(self, columns: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, of shape (rows, classes)."""
        if self._model is None:
            return self._spread(np.ones((len(columns), 1)))
        return self._spread(self._model.predict_proba(self._make_features(columns, probabilities)))

    def _make_features(self, columns: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        # The last class's probability follows from the others'.
        clipped = np.clip(probabilities if self._class_count > 2 else probabilities[:, 1:], _SMALLEST, 1 - _SMALLEST)
        return np.column_stack([columns, np.log(clipped / (1 - clipped))])

    def _make_learner(self, row_count: int, seed: int) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        logits = self._class_count if self._class_count > 2 else 1
        return HistGradientBoostingClassifier(
            max_iter=int(np.clip(row_count // 10, _MIN_STUMPS, _MAX_STUMPS)),
            max_leaf_nodes=2,
            min_samples_leaf=max(2, min(50, row_count // 20)),
            l2_regularization=5,
            early_stopping=False,
            categorical_features=[*self._is_category, *[False] * logits],
            random_state=seed,
        )

    def _spread(self, probabilities: np.ndarray) -> np.ndarray:
        """Return a column for each class; a class without a reference row has probability 0."""
        spread = np.zeros((len(probabilities), self._class_count))
        spread[:, self._codes] = probabilities
        return spread
