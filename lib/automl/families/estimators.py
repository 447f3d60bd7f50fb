"""Wrappers of fitted models that transform the features first, or rescale the predictions.

They skip scikit-learn's input checks, which take longer than most models need for a single row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class TransformedModel(BaseEstimator):
    """A transformer followed by a model.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    model : estimator
        Fitted on transformed features.
    """

    def __init__(self, transformer: Any, model: Any):
        self.transformer = transformer
        self.model = model

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the model's predictions, of shape (rows,)."""
        return np.asarray(self.model.predict(self.transformer.transform(features))).ravel()

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return the model's probabilities, of shape (rows, classes)."""
        return self.model.predict_proba(self.transformer.transform(features))


class RescaledRegressor(BaseEstimator):
    """A regression that was fitted on a standardized target.

    Parameters
    ----------
    model : estimator
        Fitted.
    mean : float
        Mean of the target.
    scale : float
        Standard deviation of the target.
    """

    def __init__(self, model: Any, mean: float, scale: float):
        self.model = model
        self.mean = mean
        self.scale = scale

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return predictions on the original scale."""
        return self.model.predict(features) * self.scale + self.mean


class IntegerCategories(BaseEstimator):
    """Transformer that converts category indices to integers, as CatBoost requires; missing values become -1.

    Parameters
    ----------
    positions : sequence of int
        Positions of the categories among the features.

    Examples
    --------
    >>> IntegerCategories([1]).transform(np.array([[0.5, 2.0], [0.25, np.nan]]))
          0  1
    0  0.50  2
    1  0.25 -1
    """

    def __init__(self, positions: Sequence[int]):
        self.positions = positions

    def transform(self, features: np.ndarray) -> Any:
        """Return a DataFrame with integer categories, or the unchanged features if there are no categories."""
        if not self.positions:
            return features
        import pandas as pd

        frame = pd.DataFrame(features)
        for position in self.positions:
            indices = features[:, position]
            frame[position] = np.where(np.isnan(indices), -1, indices).astype(np.int64)
        return frame
