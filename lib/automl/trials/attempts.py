"""The configurations that a portfolio search has tried, and the outputs of their models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lib.automl import DONE, Trial
from lib.automl.families import BAGGED_FIT_FUNCTIONS
from lib.automl.trials.blend import average_out_of_bag
from lib.automl.trials.encoding import EncodedTarget
from lib.automl.trials.worker import FitResult
from lib.metrics import Metric


@dataclass
class Attempt:
    """A configuration that the search tries.

    Attributes
    ----------
    trial : Trial
    fits : dict of int to FitResult
        The fits that succeeded, by number of the fold.
    """

    trial: Trial
    fits: dict[int, FitResult] = field(default_factory=dict)

    def finish(self, elapsed_seconds: float) -> None:
        """Complete the trial with the sums of duration, latency and size over the fits.

        Parameters
        ----------
        elapsed_seconds : float
            Seconds since the start of the search.
        """
        trial, fits = self.trial, self.fits.values()
        trial.outcome = DONE
        trial.fit_seconds = sum(fit.seconds for fit in fits)
        trial.row_ms = sum(fit.row_ms for fit in fits)
        trial.megabytes = sum(fit.megabytes for fit in fits)
        trial.done_seconds = elapsed_seconds


def is_bagged(family: str, folds: np.ndarray) -> bool:
    """Return whether each model of a family is fitted on all rows and scored by its out-of-bag outputs.

    Parameters
    ----------
    family : str
    folds : ndarray of shape (rows,)
        Fold of each row, as `lib.automl.trials.folds.assign_folds` returns it.
    """
    return family in BAGGED_FIT_FUNCTIONS and folds.min() >= 0


@dataclass(frozen=True)
class Outputs:
    """The outputs of all finished attempts.

    Attributes
    ----------
    validation_rows : ndarray of int
        Positions of the validation rows: the training rows that were held out once.
    target : EncodedTarget
        Target of the validation rows.
    validation : dict of str to ndarray of shape (validation rows, outputs)
        Outputs for the validation rows, by name of the configuration.
    test : dict of str to ndarray of shape (test rows, outputs)
        Outputs for the test rows, by name of the configuration.
    """

    validation_rows: np.ndarray
    target: EncodedTarget
    validation: dict[str, np.ndarray] = field(default_factory=dict)
    test: dict[str, np.ndarray] = field(default_factory=dict)

    def score_trial(self, trial: Trial, validation: np.ndarray, test: np.ndarray, metric: Metric) -> None:
        """Set the predictions and the score of a trial, given its outputs for validation and test rows."""
        predictions = self.target.make_predictions(validation, self.target.raw)
        trial.validation = self.validation_rows, predictions
        trial.test = self.target.make_predictions(test)
        trial.score = metric.score(self.target.values, predictions)


def read_outputs(
    attempts: Mapping[str, Attempt], target: EncodedTarget, folds: np.ndarray, folder: Path, metric: Metric
) -> Outputs:
    """Read the outputs of all finished attempts, and score the attempts.

    Parameters
    ----------
    attempts : mapping of str to Attempt
    target : EncodedTarget
        Target of the training rows.
    folds : ndarray of shape (training rows,)
        Fold of each row.
    folder : Path
        The folder in which `lib.automl.trials.worker` wrote the outputs.
    metric : Metric
        The primary metric.
    """
    rows = np.flatnonzero(folds >= 0)
    outputs = Outputs(rows, target.take(rows))
    for name, attempt in attempts.items():
        if attempt.trial.outcome == DONE:
            training_outputs, outputs.test[name] = _read_attempt(attempt, target, folds, folder)
            outputs.validation[name] = training_outputs[rows]
            outputs.score_trial(attempt.trial, outputs.validation[name], outputs.test[name], metric)
    return outputs


def _read_attempt(
    attempt: Attempt, target: EncodedTarget, folds: np.ndarray, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outputs for training rows, NaN where a row was never held out, and the mean outputs for test rows."""
    held_out = np.full((len(folds), target.output_count), np.nan)
    out_of_bag, test = [], []
    for fold in attempt.fits:
        with np.load(folder / f"{attempt.trial.name}-{fold}.npz") as arrays:
            if is_bagged(attempt.trial.family, folds):
                out_of_bag.append(arrays["held_out"])
            else:
                held_out[folds == fold] = arrays["held_out"]
            test.append(arrays["test"])
    return average_out_of_bag(out_of_bag) if out_of_bag else held_out, np.mean(test, axis=0)
