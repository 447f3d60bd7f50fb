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
from lib.automl.trials.worker import Fitted
from lib.metrics import Metric


@dataclass
class Attempt:
    """A configuration, and its models by number of the fold."""

    trial: Trial
    fitted: dict[int, Fitted] = field(default_factory=dict)

    def finish(self, elapsed_seconds: float) -> None:
        """Complete the trial with what is known from the fits.

        Parameters
        ----------
        elapsed_seconds : float
            Seconds since the start of the search.
        """
        trial, folds = self.trial, self.fitted.values()
        trial.outcome = DONE
        trial.fit_seconds = sum(fold.seconds for fold in folds)
        trial.row_ms = sum(fold.row_ms for fold in folds)
        trial.megabytes = sum(fold.megabytes for fold in folds)
        trial.done_seconds = elapsed_seconds


def is_bagged(family: str, folds: np.ndarray) -> bool:
    """Return whether each model of a family is fitted on all rows, and compared out of bag.

    Parameters
    ----------
    family : str
    folds : ndarray of shape (rows,)
        Fold of each row, as `lib.automl.trials.folds.assign_folds` returns it.
    """
    return family in BAGGED_FIT_FUNCTIONS and folds.min() >= 0


@dataclass(frozen=True)
class Outputs:
    """The outputs of all finished attempts, by name of the configuration.

    Attributes
    ----------
    validation_rows : ndarray of int
        Positions of the training rows that were held out once.
    target : EncodedTarget
        Target of these rows.
    validation : dict of str to ndarray of shape (validation rows, outputs)
    test : dict of str to ndarray of shape (test rows, outputs)
    """

    validation_rows: np.ndarray
    target: EncodedTarget
    validation: dict[str, np.ndarray] = field(default_factory=dict)
    test: dict[str, np.ndarray] = field(default_factory=dict)

    def score(self, trial: Trial, validation: np.ndarray, test: np.ndarray, metric: Metric) -> None:
        """Set the predictions of a trial, and its score."""
        predictions = self.target.make_predictions(validation)
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
            training, outputs.test[name] = _read_attempt(attempt, target, folds, folder)
            outputs.validation[name] = training[rows]
            outputs.score(attempt.trial, outputs.validation[name], outputs.test[name], metric)
    return outputs


def _read_attempt(
    attempt: Attempt, target: EncodedTarget, folds: np.ndarray, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Return outputs for all training rows, NaN if they were never held out, and mean outputs for test rows."""
    training = np.full((len(folds), target.output_count), np.nan)
    out_of_bag, test = [], []
    for fold in attempt.fitted:
        with np.load(folder / f"{attempt.trial.name}-{fold}.npz") as arrays:
            if is_bagged(attempt.trial.family, folds):
                out_of_bag.append(arrays["held_out"])
            else:
                training[folds == fold] = arrays["held_out"]
            test.append(arrays["test"])
    return average_out_of_bag(out_of_bag) if out_of_bag else training, np.mean(test, axis=0)
