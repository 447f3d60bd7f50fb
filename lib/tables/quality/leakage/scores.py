"""Scores of how well each single column predicts the target, computed without fitting a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lib.tables.quality.leakage.bounds import auc_lower_bound, bonferroni_deviations, r2_lower_bound
from lib.tables.quality.leakage.columns import FOLDS, EncodedColumn, Target, rank


@dataclass(frozen=True)
class ColumnScore:
    """The score of a column, and its lower confidence bound.

    Attributes
    ----------
    column : EncodedColumn
    score : float
        R2 for a regression, otherwise AUC (averaged over the classes).
    lower : float
        Lower confidence bound of the score, corrected for the number of columns.
    class_score, class_lower : float
        For a flag, the best AUC of one class against all other classes, and its lower confidence bound; 0 for columns
        that are not flags. In a regression, the most frequent target counts as a class.
    class_code : int
        Code of the class of `class_score`.
    """

    column: EncodedColumn
    score: float
    lower: float
    class_score: float = 0.0
    class_lower: float = 0.0
    class_code: int = 0

    @property
    def best(self) -> float:
        """The better one of `score` and `class_score`."""
        return max(self.score, self.class_score)


def score_columns(columns: Iterable[EncodedColumn], target: Target, n_columns: int) -> list[ColumnScore]:
    """Score each column alone.

    Two predictions are tried, and the better score is kept: the value of the column itself, and the mean target of the
    value's bin, computed from the rows of other folds.

    Parameters
    ----------
    columns : iterable of EncodedColumn
        Columns to score, one after another.
    target : Target
    n_columns : int
        Number of columns of the table, for the confidence bounds.
    """
    deviations = bonferroni_deviations(n_columns)
    score = _score_regression if target.is_regression else _score_classes
    return [score(column, target, deviations) for column in columns]


def _score_classes(column: EncodedColumn, target: Target, deviations: float) -> ColumnScore:
    """Score a column by its mean AUC over the classes; a flag also by its best AUC of one class against all others."""
    aucs = _binned_aucs(column.bins, target)
    if column.numbers is not None and not column.is_flag:
        aucs = np.maximum(aucs, _one_vs_rest_aucs(column.numbers, target))
    if len(target.classes) == 2:
        aucs = np.full(2, aucs.max())
    auc = float(aucs.mean())
    lower = lower_bound(auc, target, deviations)
    if not column.is_flag:
        return ColumnScore(column, auc, lower)
    best_class = int(aucs.argmax())
    positives = int(np.count_nonzero(target.values == best_class))
    class_lower = auc_lower_bound(float(aucs[best_class]), positives, len(target.values) - positives, deviations)
    return ColumnScore(column, auc, lower, float(aucs[best_class]), class_lower, best_class)


def lower_bound(score: float, target: Target, deviations: float) -> float:
    """Return the lower confidence bound of an R2, or of an AUC averaged over the classes.

    For an AUC, the number of positive rows is that of the smaller of two classes, or the mean over more than two
    classes.
    """
    rows, n_classes = len(target.values), len(target.classes)
    if target.is_regression:
        return r2_lower_bound(score, rows, deviations)
    positives = float(np.bincount(target.values).min()) if n_classes == 2 else rows / n_classes
    return auc_lower_bound(score, positives, rows - positives, deviations)


def _binned_aucs(bins: np.ndarray, target: Target) -> np.ndarray:
    """Return the AUC of each class against all others, with the share of the class in a row's bin as the prediction.

    The share is computed from the other folds, and shrunk towards the overall share of the class by the weight of one
    row (the m-estimate of Micci-Barreca, 2001, "A preprocessing scheme for high-cardinality categorical attributes",
    SIGKDD Explorations 3).
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
    aucs: np.ndarray = _area_under_curve(positives, totals - positives, axis=1).mean(axis=0)
    return aucs


def _one_vs_rest_aucs(numbers: np.ndarray, target: Target) -> np.ndarray:
    """Return the AUC of each class against all others; the numbers are the prediction, or their negatives if better."""
    distinct, places = np.unique(np.nan_to_num(numbers, nan=-np.inf), return_inverse=True)
    n_classes = len(target.classes)
    counts = np.bincount(places * n_classes + target.values, minlength=len(distinct) * n_classes)
    positives = counts.reshape(len(distinct), n_classes)
    aucs = _area_under_curve(positives, positives.sum(axis=1, keepdims=True) - positives, axis=0)
    return np.maximum(aucs, 1 - aucs)


def _area_under_curve(positives: np.ndarray, negatives: np.ndarray, axis: int) -> np.ndarray:
    """Return the area under the ROC curve.

    `positives` and `negatives` are the numbers of rows with each prediction, in increasing order along the axis.
    """
    below = negatives.cumsum(axis=axis) - negatives / 2
    pairs = positives.sum(axis=axis) * negatives.sum(axis=axis)
    areas: np.ndarray = np.where(pairs > 0, (positives * below).sum(axis=axis) / np.maximum(pairs, 1), 0.5)
    return areas


def _score_regression(column: EncodedColumn, target: Target, deviations: float) -> ColumnScore:
    """Score a column by R2; a flag also by the AUC of the most frequent target against all others."""
    r2 = max(_binned_r2(column.bins, y, target.folds) for y in (target.values, target.ranks))
    if column.numbers is not None:
        r2 = max(r2, _best_correlation_r2(column.numbers, target))
    lower = lower_bound(r2, target, deviations)
    if not column.is_flag or target.is_mode is None:
        return ColumnScore(column, r2, lower)
    classes = Target(False, target.is_mode.astype(int), [False, True], target.folds)
    class_auc = float(_binned_aucs(column.bins, classes).max())
    mode_count = int(np.count_nonzero(target.is_mode))
    class_lower = auc_lower_bound(class_auc, mode_count, len(target.values) - mode_count, deviations)
    return ColumnScore(column, r2, lower, class_auc, class_lower, class_code=1)


def _binned_r2(bins: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    """Return the R2 of a prediction: the mean target of the rows in the same bin and in other folds."""
    n_bins = int(bins.max()) + 1
    cells = folds * n_bins + bins
    y = y - y.mean()
    counts = np.bincount(cells, minlength=FOLDS * n_bins).reshape(FOLDS, n_bins)
    sums = np.bincount(cells, y, minlength=FOLDS * n_bins).reshape(FOLDS, n_bins)
    means = (sums.sum(axis=0) - sums) / (counts.sum(axis=0) - counts + 1)  # shrunk towards the overall mean, 0
    total = float(y @ y)
    residual = total - 2 * float((means * sums).sum()) + float((means**2 * counts).sum())
    return 1 - residual / total if total else 0.0


def _best_correlation_r2(numbers: np.ndarray, target: Target) -> float:
    """Return the squared correlation of a column and the target: of values or of ranks, whichever is greater.

    Rows without a number are left out. The result is multiplied by the share of rows with a number, so that columns
    with many missing values score lower.
    """
    is_present = ~np.isnan(numbers)
    y, ranks = target.values, target.ranks
    if not is_present.all():
        numbers, y, ranks = numbers[is_present], y[is_present], ranks[is_present]
    r2 = max(_squared_correlation(numbers, y), _squared_correlation(rank(numbers), ranks))
    return r2 * len(numbers) / len(is_present)


def _squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return the square of Pearson's correlation; 0 if one of the arrays is constant."""
    scale = float(np.abs(x).max(initial=0.0))
    if not scale:
        return 0.0
    x = x / scale  # squares of very large numbers would overflow
    x, y = x - x.mean(), y - y.mean()
    product = float(x @ x) * float(y @ y)
    return float(x @ y) ** 2 / product if product > 0 else 0.0
