"""Scores of how well a single column predicts the target, without fitting a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lib.tables.quality.leakage.bounds import auc_lower_bound, bonferroni_deviations, r2_lower_bound
from lib.tables.quality.leakage.columns import FOLDS, EncodedColumn, Target, rank


@dataclass(frozen=True)
class ColumnScore:
    """Score of a column.

    Attributes
    ----------
    column : EncodedColumn
    score : float
        R2 of a regression, otherwise AUC (averaged over the classes).
    lower : float
        Lower confidence bound of the score, corrected for the number of columns.
    class_score, class_lower : float
        AUC of the class that a flag tells best from the others, and its lower confidence bound; 0 for other columns.
    class_code : int
        Code of that class. In a regression, the most frequent target counts as a class.
    """

    column: EncodedColumn
    score: float
    lower: float
    class_score: float = 0.0
    class_lower: float = 0.0
    class_code: int = 0

    @property
    def best(self) -> float:
        """The score of the whole target or of a class, whichever is better."""
        return max(self.score, self.class_score)


def score_columns(columns: Iterable[EncodedColumn], target: Target, n_columns: int) -> list[ColumnScore]:
    """Score each column alone.

    The score is the better one of two: that of the values' order, and that of the mean target in each bin, which is
    measured out of fold.

    Parameters
    ----------
    columns : iterable of EncodedColumn
        An iterator saves memory: columns are scored one by one, though all of them are kept.
    target : Target
    n_columns : int
        Number of columns of the table, for the confidence bounds.
    """
    deviations = bonferroni_deviations(n_columns)
    score = _score_regression if target.is_regression else _score_classes
    return [score(column, target, deviations) for column in columns]


def _score_classes(column: EncodedColumn, target: Target, deviations: float) -> ColumnScore:
    by_bin = _binned_aucs(column.bins, target)
    if column.numbers is not None and not column.is_flag:
        by_bin = np.maximum(by_bin, _ordered_aucs(column.numbers, target))
    if len(target.classes) == 2:
        by_bin = np.full(2, by_bin.max())
    auc = float(by_bin.mean())
    lower = lower_bound(auc, target, deviations)
    if not column.is_flag:
        return ColumnScore(column, auc, lower)
    best = int(by_bin.argmax())
    positives = int(np.count_nonzero(target.values == best))
    class_lower = auc_lower_bound(float(by_bin[best]), positives, len(target.values) - positives, deviations)
    return ColumnScore(column, auc, lower, float(by_bin[best]), class_lower, best)


def lower_bound(score: float, target: Target, deviations: float) -> float:
    """Return the lower confidence bound of an R2, or of an AUC averaged over the classes.

    Two classes count with the rows of the smaller one, more classes with their mean number of rows.
    """
    rows, n_classes = len(target.values), len(target.classes)
    if target.is_regression:
        return r2_lower_bound(score, rows, deviations)
    positives = float(np.bincount(target.values).min()) if n_classes == 2 else rows / n_classes
    return auc_lower_bound(score, positives, rows - positives, deviations)


def _binned_aucs(bins: np.ndarray, target: Target) -> np.ndarray:
    """Return the AUC of each class against the others, if a bin's share of the class in other folds is the score.

    A bin's share is drawn to the class's overall share as if by one more row (the m-estimate of Micci-Barreca, 2001,
    "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD Explorations 3).
    """
    n_bins, n_classes = int(bins.max()) + 1, len(target.classes)
    cells = (target.folds * n_bins + bins) * n_classes + target.values
    counts = np.bincount(cells, minlength=FOLDS * n_bins * n_classes).reshape(FOLDS, n_bins, n_classes)
    others = counts.sum(axis=0) - counts
    prior = others.sum(axis=1, keepdims=True) / others.sum(axis=(1, 2), keepdims=True)
    shares = (others + prior) / (others.sum(axis=2, keepdims=True) + 1)
    order = shares.argsort(axis=1, kind="stable")
    positives = np.take_along_axis(counts, order, axis=1)
    totals = np.take_along_axis(np.broadcast_to(counts.sum(axis=2, keepdims=True), counts.shape), order, axis=1)
    aucs: np.ndarray = _area(positives, totals - positives, axis=1).mean(axis=0)
    return aucs


def _ordered_aucs(numbers: np.ndarray, target: Target) -> np.ndarray:
    """Return the AUC of each class against the others if the numbers themselves are the scores, in either direction."""
    distinct, places = np.unique(np.nan_to_num(numbers, nan=-np.inf), return_inverse=True)
    n_classes = len(target.classes)
    counts = np.bincount(places * n_classes + target.values, minlength=len(distinct) * n_classes)
    positives = counts.reshape(len(distinct), n_classes)
    aucs = _area(positives, positives.sum(axis=1, keepdims=True) - positives, axis=0)
    return np.maximum(aucs, 1 - aucs)


def _area(positives: np.ndarray, negatives: np.ndarray, axis: int) -> np.ndarray:
    """Return the area under the ROC curve from counts in increasing order of the score along an axis."""
    below = negatives.cumsum(axis=axis) - negatives / 2
    pairs = positives.sum(axis=axis) * negatives.sum(axis=axis)
    areas: np.ndarray = np.where(pairs > 0, (positives * below).sum(axis=axis) / np.maximum(pairs, 1), 0.5)
    return areas


def _score_regression(column: EncodedColumn, target: Target, deviations: float) -> ColumnScore:
    r2 = max(_binned_r2(column.bins, y, target.folds) for y in (target.values, target.ranks))
    if column.numbers is not None:
        r2 = max(r2, _ordered_r2(column.numbers, target))
    lower = lower_bound(r2, target, deviations)
    if not column.is_flag or target.is_mode is None:
        return ColumnScore(column, r2, lower)
    classes = Target(False, target.is_mode.astype(int), [False, True], target.folds)
    auc = float(_binned_aucs(column.bins, classes).max())
    modes = int(np.count_nonzero(target.is_mode))
    class_lower = auc_lower_bound(auc, modes, len(target.values) - modes, deviations)
    return ColumnScore(column, r2, lower, auc, class_lower, class_code=1)


def _binned_r2(bins: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    """Return the R2 of predicting the mean target of a bin's rows in other folds."""
    n_bins = int(bins.max()) + 1
    cells = folds * n_bins + bins
    y = y - y.mean()
    counts = np.bincount(cells, minlength=FOLDS * n_bins).reshape(FOLDS, n_bins)
    sums = np.bincount(cells, y, minlength=FOLDS * n_bins).reshape(FOLDS, n_bins)
    means = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts + 1)  # drawn to the overall mean, which is 0
    total = float(y @ y)
    residual = total - 2 * float((means * sums).sum()) + float((means**2 * counts).sum())
    return 1 - residual / total if total else 0.0


def _ordered_r2(numbers: np.ndarray, target: Target) -> float:
    """Return the squared correlation with the target: of the values or of the ranks, whichever is greater.

    Rows without a number are left out, and the result is multiplied by the share of rows with one.
    """
    is_present = ~np.isnan(numbers)
    y, ranks = target.values, target.ranks
    if not is_present.all():
        numbers, y, ranks = numbers[is_present], y[is_present], ranks[is_present]
    r2 = max(_squared_correlation(numbers, y), _squared_correlation(rank(numbers), ranks))
    return r2 * len(numbers) / len(is_present)


def _squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    scale = float(np.abs(x).max(initial=0.0))
    if not scale:
        return 0.0
    x = x / scale  # squares of very large numbers would overflow
    x, y = x - x.mean(), y - y.mean()
    product = float(x @ x) * float(y @ y)
    return float(x @ y) ** 2 / product if product > 0 else 0.0
