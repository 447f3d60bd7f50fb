"""A classifier with calibrated probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from lib.scoring.calibrators import Calibrator, most_probable


class CalibratedClassifier(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities go through a calibrator. Its label is the most probable class.

    Parameters
    ----------
    estimator : classifier
        Fitted; has ``predict_proba`` and ``classes_``.
    calibrator : callable
        See `lib.scoring.calibrators`.
    """

    def __init__(self, estimator: Any, calibrator: Calibrator):
        self.estimator = estimator
        self.calibrator = calibrator

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the probabilities."""
        return np.asarray(self.estimator.classes_)

    def fit(self, X: Any, y: Any) -> CalibratedClassifier:
        """Do nothing: estimator and calibrator are fitted already."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return calibrated probabilities of shape (rows, classes)."""
        return self.calibrator(np.asarray(self.estimator.predict_proba(X)))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row."""
        return most_probable(self.classes_, self.predict_proba(X))
