"""Calibration of prediction intervals and prediction sets on rows that the model did not learn from.

Split conformal prediction: if calibration rows and new rows are exchangeable, the coverage is at least the requested
one, whatever the model and the distribution, and exceeds it by less than 1 / (calibration rows + 1) if no two rows have
the same score. Calibrating each group by itself (Mondrian conformal prediction) gives the same guarantee in each group.

References
----------
Lei, G'Sell, Rinaldo, Tibshirani and Wasserman: Distribution-free predictive inference for regression. JASA 2018
(theorem 2.2). Vovk: Conditional validity of inductive conformal predictors. ACML 2012 (groups). Bostrom and Johansson:
Mondrian conformal regressors. COPA 2020 (groups by the size of the prediction). Sadinle, Lei and Wasserman: Least
ambiguous set-valued classifiers with bounded error levels. JASA 2019 (sets by a threshold of the probability).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lib.errors import DataError, format_count
from lib.scoring.intervals import GroupKey, GroupWidths, PredictionIntervals, PredictionSets

# Calibration rows for each width of a group. Fewer rows would make the coverage in a bin of predictions uncertain.
_ROWS_PER_BIN = 200
_MAX_BINS = 5


def min_calibration_rows(coverage: float) -> int:
    """Return the number of calibration rows that a coverage needs: 1 / (1 - coverage) - 1.

    With fewer rows, only infinite intervals have the coverage.

    >>> min_calibration_rows(0.9), min_calibration_rows(0.95)
    (9, 19)
    """
    return math.ceil(round(coverage / (1 - coverage), 9))


def calibrate_intervals(
    predictions: np.ndarray,
    truth: np.ndarray,
    keys: Sequence[GroupKey],
    training_predictions: np.ndarray,
    columns: Sequence[str],
    coverage: float,
) -> PredictionIntervals:
    """Calibrate intervals around the predictions of a regression, by the absolute errors of calibration rows.

    A group with at least 400 calibration rows gets up to five widths, by the size of the prediction.

    Parameters
    ----------
    predictions, truth : ndarray of float, of shape (calibration rows,)
    keys : sequence of GroupKey
        The group of each calibration row; see `lib.scoring.intervals.group_keys`.
    training_predictions : ndarray of float
        Predictions for training rows. Their quantiles separate the widths, so they must not depend on calibration rows.
    columns : sequence of str
        The columns that define groups.
    coverage : float

    Raises
    ------
    DataError
        If a group has too few calibration rows.

    Examples
    --------
    >>> truth = np.arange(1.0, 20.0)
    >>> intervals = calibrate_intervals(np.zeros(19), truth, [()] * 19, np.zeros(19), [], 0.9)
    >>> intervals.groups[()].half_widths  # the 18th of 19 errors: at least 90 % of 20
    (18.0,)
    """
    errors = np.abs(truth - predictions)
    rows_by_group = _split_by_group(keys, columns, coverage)
    groups = {
        key: _fit_widths(predictions[rows], errors[rows], training_predictions, coverage)
        for key, rows in rows_by_group.items()
    }
    return PredictionIntervals(coverage, tuple(columns), groups)


def calibrate_sets(
    probabilities: np.ndarray, codes: np.ndarray, keys: Sequence[GroupKey], columns: Sequence[str], coverage: float
) -> PredictionSets:
    """Calibrate sets of classes, by the probabilities of the true classes of calibration rows.

    Parameters
    ----------
    probabilities : ndarray of float, of shape (calibration rows, classes)
    codes : ndarray of int, of shape (calibration rows,)
        The column of the true class; -1 for a class that the model does not know.
    keys, columns, coverage
        See `calibrate_intervals`.

    Raises
    ------
    DataError
        If a group has too few calibration rows.

    Examples
    --------
    >>> probabilities = np.linspace(0.05, 0.95, 19)
    >>> sets = calibrate_sets(np.stack([1 - probabilities, probabilities], 1), np.ones(19, int), [()] * 19, [], 0.9)
    >>> round(sets.thresholds[()], 3)  # 18 of 19 true classes have at least this probability
    0.1
    """
    of_true_class = np.where(codes >= 0, probabilities[np.arange(len(codes)), codes], 0.0)
    rows_by_group = _split_by_group(keys, columns, coverage)
    thresholds = {key: -_upper_quantile(-of_true_class[rows], coverage) for key, rows in rows_by_group.items()}
    return PredictionSets(coverage, tuple(columns), thresholds)


def _fit_widths(
    predictions: np.ndarray, errors: np.ndarray, training_predictions: np.ndarray, coverage: float
) -> GroupWidths:
    """Return the widths of a group, by the size of the prediction if there are enough calibration rows."""
    bin_count = min(_MAX_BINS, len(predictions) // _ROWS_PER_BIN)
    if bin_count > 1:
        shares = np.arange(1, bin_count) / bin_count
        edges = np.unique(np.quantile(training_predictions, shares))
        bins = np.searchsorted(edges, predictions, side="right")
        counts = np.bincount(bins, minlength=len(edges) + 1)
        if counts.min() >= min_calibration_rows(coverage):
            widths = [_upper_quantile(errors[bins == number], coverage) for number in range(len(edges) + 1)]
            return GroupWidths(tuple(edges.tolist()), tuple(widths))
    return GroupWidths((), (_upper_quantile(errors, coverage),))


def _upper_quantile(scores: np.ndarray, coverage: float) -> float:
    """Return the smallest score that is at least as high as the share `coverage` of the scores and a new one."""
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return float(np.partition(scores, rank - 1)[rank - 1])


def _split_by_group(keys: Sequence[GroupKey], columns: Sequence[str], coverage: float) -> dict[GroupKey, np.ndarray]:
    """Return the positions of the rows of each group, or raise a DataError if a group has too few."""
    positions: dict[GroupKey, list[int]] = {}
    for row, key in enumerate(keys):
        positions.setdefault(key, []).append(row)
    needed = min_calibration_rows(coverage)
    for key, rows in positions.items():
        if len(rows) < needed:
            raise DataError(describe_shortage(key, len(rows), columns, coverage))
    return {key: np.array(rows) for key, rows in positions.items()}


def describe_shortage(key: GroupKey, row_count: int, columns: Sequence[str], coverage: float) -> str:
    """Return a message about a group, or a whole table, with too few calibration rows."""
    group = ", ".join(f"{name} = {value or 'missing'}" for name, value in zip(columns, key, strict=True))
    where = f"the group {group} has" if group else "there are"
    remedy = "merge its categories, remove the column from groups, " if group else ""
    return (
        f"coverage: {coverage:g} needs at least {format_count(min_calibration_rows(coverage), 'calibration row')}, a "
        f"fifth of the training rows, and {where} {row_count}. Provide more rows, {remedy}or lower coverage."
    )
