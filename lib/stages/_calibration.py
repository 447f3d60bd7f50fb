"""Calibration of a trained model on out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from lib import charts
from lib.evaluation.calibration import ISOTONIC, TEMPERATURE, VENN_ABERS, Calibration, calibrate
from lib.evaluation.calibration_error import measure_reliability
from lib.scoring.calibrated_classifier import CalibratedClassifier
from lib.scoring.calibrators import most_probable
from lib.stages._decision_worth import Display, make_display
from lib.stages._folds import Fold
from lib.training.features import target_array

if TYPE_CHECKING:
    from lib.parameters import Parameters

_NONE = "none"
_RELIABILITY_CAPTION = (
    "Reliability of out-of-fold predictions in ten bins: of the rows with a predicted probability, how many had the "
    "outcome. Of more than two classes, the most probable one is examined. Points on the dotted line are perfect."
)
_METHOD_NAMES = {
    ISOTONIC: "isotonic regression",
    VENN_ABERS: "Venn-Abers predictors",
    TEMPERATURE: "temperature scaling",
}
# Out-of-fold predictions that suffice; a large table needs fewer folds for them.
MIN_ROWS = 5_000
# On larger tables, the models of the folds would take too long.
MAX_TRAINING_ROWS = 500_000


@dataclass(frozen=True)
class CalibratedModel:
    """A model and its out-of-fold predictions, calibrated if that makes the probabilities better.

    Attributes
    ----------
    model : estimator
    folds : list of Fold
    calibration : Calibration or None
        The evidence; None if there are no out-of-fold predictions.
    note : str
        A sentence for the user.
    codes : ndarray of int, of shape (predictions,)
        The true class of each out-of-fold prediction, by its position among the classes.
    probabilities : ndarray of shape (predictions, classes)
        The out-of-fold predictions before the calibration.
    """

    model: Any
    folds: list[Fold]
    calibration: Calibration | None
    note: str
    codes: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    def show(self) -> tuple[Display, ...]:
        """Return the chart of reliability before and after, with a caption; nothing without predictions."""
        if self.calibration is None or self.codes is None or self.probabilities is None:
            return ()
        before = measure_reliability(self.probabilities, self.codes)
        is_used = self.calibration.calibrator is not None
        after = measure_reliability(self.calibration.calibrated, self.codes) if is_used else None
        caption = f"{_RELIABILITY_CAPTION} {self.note}"
        chart = charts.reliability(before, after)
        return (make_display("reliability", "Reliability of the probabilities", chart, caption, "calibration"),)

    @property
    def errors(self) -> dict[str, float]:
        """The calibration error before and after, as metrics for MLflow; after is before without a calibration."""
        if self.calibration is None:
            return {}
        before, after = self.calibration.error_before, self.calibration.error_after
        is_used = self.calibration.calibrator is not None
        return {"calibration_error_before": before, "calibration_error_after": after if is_used else before}


def is_requested(parameters: Parameters) -> bool:
    """Return whether probabilities are to be calibrated: on request, for classes, and for a table in memory."""
    return parameters.calibration != _NONE and parameters.task != "regression" and parameters.engine != "dask"


def calibrate_model(model: Any, folds: Sequence[Fold], y: pd.Series, method: str, seed: int) -> CalibratedModel:
    """Calibrate a classifier on its out-of-fold predictions, if that makes the probabilities better.

    Parameters
    ----------
    model : estimator
        Fitted on all training rows.
    folds : sequence of Fold
    y : Series of shape (rows,)
        The target of the training rows.
    method : str
        See `lib.evaluation.calibration.calibrate`.
    seed : int
    """
    if not folds:
        return CalibratedModel(model, [], None, "The probabilities are not calibrated: there are no folds for it.")
    classes = np.asarray(model.classes_)
    rows = np.concatenate([fold.rows for fold in folds])
    probabilities = np.concatenate([_align(fold, classes) for fold in folds])
    codes = pd.Index(classes).get_indexer(pd.Index(target_array(y, is_classification=True)[rows]))
    calibration = calibrate(probabilities, codes, method, seed)
    if calibration.calibrator is None:
        return CalibratedModel(model, list(folds), calibration, _describe(calibration), codes, probabilities)
    ends = np.cumsum([len(fold.rows) for fold in folds])[:-1]
    calibrated_folds = [
        replace(
            fold,
            predictions=replace(
                fold.predictions,
                labels=most_probable(classes, calibrated),
                probabilities=calibrated,
                classes=classes,
            ),
        )
        for fold, calibrated in zip(folds, np.split(calibration.calibrated, ends), strict=True)
    ]
    model = add_calibrator(model, calibration.calibrator)
    return CalibratedModel(model, calibrated_folds, calibration, _describe(calibration), codes, probabilities)


def add_calibrator(model: Any, calibrator: Any) -> Any:
    """Return a classifier, whose last step if it is a pipeline, with calibrated probabilities."""
    if not isinstance(model, Pipeline):
        return CalibratedClassifier(model, calibrator)
    *steps, (name, last) = model.steps
    return Pipeline([*steps, (name, CalibratedClassifier(last, calibrator))])


def _align(fold: Fold, classes: np.ndarray) -> np.ndarray:
    """Return the probabilities of a fold in the order of all classes; 0 for classes that its model did not learn."""
    predictions = fold.predictions
    assert predictions.probabilities is not None and predictions.classes is not None, "classifiers have probabilities"
    aligned = np.zeros((len(fold.rows), len(classes)))
    aligned[:, pd.Index(classes).get_indexer(pd.Index(predictions.classes))] = predictions.probabilities
    return aligned


def _describe(calibration: Calibration) -> str:
    method = _METHOD_NAMES[calibration.method]
    errors = f"from {calibration.error_before:.3f} to {calibration.error_after:.3f}"
    if calibration.calibrator is None:
        return (
            f"The probabilities are not calibrated: {method} would change the calibration error {errors} on "
            f"{calibration.rows:,} out-of-fold predictions, which is not better beyond chance."
        )
    return (
        f"The probabilities are calibrated by {method}, which changes the calibration error {errors} on "
        f"{calibration.rows:,} out-of-fold predictions."
    )
