"""What families wrap around their models: features, scales and codes, without checks that cost a row time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator


class Chain(BaseEstimator):
    """Features, and a model on them; without scikit-learn's checks, which cost a row more than the model does."""

    def __init__(self, features: Any, model: Any):
        self.features = features
        self.model = model

    def predict(self, F: np.ndarray) -> np.ndarray:
        """What the model predicts."""
        return np.asarray(self.model.predict(self.features.transform(F))).ravel()

    def predict_proba(self, F: np.ndarray) -> np.ndarray:
        """Probabilities of the model."""
        return self.model.predict_proba(self.features.transform(F))


class Rescaled(BaseEstimator):
    """A regression that learnt a centred and scaled target."""

    def __init__(self, model: Any, centre: float, scale: float):
        self.model = model
        self.centre = centre
        self.scale = scale

    def predict(self, F: np.ndarray) -> np.ndarray:
        """Numbers on the target's own scale."""
        return self.model.predict(F) * self.scale + self.centre


class IntegerCodes(BaseEstimator):
    """Numbers of levels as integers, -1 where missing, as CatBoost wants them."""

    def __init__(self, places: Sequence[int]):
        self.places = places

    def transform(self, F: np.ndarray) -> Any:
        """The same features, as a table where there are categories."""
        if not self.places:
            return F
        import pandas as pd

        frame = pd.DataFrame(F)
        for place in self.places:
            frame[place] = np.where(np.isnan(F[:, place]), -1, F[:, place]).astype(np.int64)
        return frame
