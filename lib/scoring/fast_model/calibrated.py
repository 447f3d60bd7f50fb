"""The last step of a fast model whose probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lib.scoring.calibrators import Calibrator, most_probable
from lib.scoring.fast_model.form import Answers, NoFastModel


class CalibratedStep:
    """Predicts from rows of features, as `lib.scoring.calibrated_classifier.CalibratedClassifier` does.

    Parameters
    ----------
    step : callable
        The uncalibrated last step, which returns labels and probabilities.
    calibrator : callable
        See `lib.scoring.calibrators`.
    classes : numpy.ndarray
        The labels, in the order of the probabilities.
    """

    def __init__(self, step: Callable[[np.ndarray], Answers], calibrator: Calibrator, classes: np.ndarray):
        self.step, self.calibrator, self.classes = step, calibrator, classes

    def __call__(self, rows: np.ndarray) -> Answers:
        """Return labels and calibrated probabilities of shape (rows, classes)."""
        probabilities = self.step(rows)[1]
        if probabilities is None:
            raise NoFastModel("the model whose probabilities are calibrated returned none")
        calibrated = self.calibrator(probabilities)
        return most_probable(self.classes, calibrated), calibrated
