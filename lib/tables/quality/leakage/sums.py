"""Search for numeric columns whose sum, product or quotient is the target of a regression."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from lib.tables.quality.leakage.columns import EncodedColumn, Target

# R2 on rows that the sum was not fitted on: nearly 1, less only by rounding.
_MIN_R2 = 0.9995
# Share of the target's variance below which the residual variance is due to floating-point arithmetic.
_ARITHMETIC_NOISE = 1e-12
# A column is part of a sum if the residual variance is at least this many times larger without the column.
_MIN_RESIDUAL_RATIO = 2.0
_MAX_ADDENDS = 12
# Up to this number, all columns are fitted at once; of more columns, the best ones are chosen step by step.
_MAX_FITTED_COLUMNS = 60
_MIN_ROWS_PER_COLUMN = 5
_MIN_COMPLETE_SHARE = 0.5
_MIN_ROWS = 20


def find_sum(columns: Sequence[EncodedColumn], target: Target) -> list[Hashable]:
    """Return the columns whose weighted sum is the target, or an empty list.

    The sum is fitted on half of the rows and has to hold on the other half.
    """
    numeric = [column for column in columns if column.numbers is not None]
    return _find_combination(numeric, target.values, lambda numbers: numbers)


def find_product(columns: Sequence[EncodedColumn], target: Target) -> list[Hashable]:
    """Return the columns whose product or quotient is the target, or an empty list.

    Signs are ignored, and so are rows with zeros.
    """
    numeric = [column for column in columns if column.numbers is not None and not column.is_flag]
    return _find_combination(numeric, _log(target.values), _log)


def _log(numbers: np.ndarray) -> np.ndarray:
    """Return the logarithm of the absolute values, with NaN for 0."""
    return np.log(np.where(numbers == 0, np.nan, np.abs(numbers)))


def _find_combination(
    columns: Sequence[EncodedColumn], y: np.ndarray, transform: Callable[[np.ndarray], np.ndarray]
) -> list[Hashable]:
    """Return the columns whose transformed values have a weighted sum equal to `y`, or an empty list."""
    rows = np.flatnonzero(np.isfinite(y))
    if len(rows) < max(_MIN_ROWS, _MIN_COMPLETE_SHARE * len(y)) or np.ptp(y[rows]) == 0 or len(columns) < 2:
        return []
    fit_rows, check_rows = rows[::2], rows[1::2]
    values = [transform(column.numbers) for column in columns if column.numbers is not None]
    if len(columns) > min(_MAX_FITTED_COLUMNS, len(fit_rows) // _MIN_ROWS_PER_COLUMN):
        chosen = _choose_columns([column[fit_rows] for column in values], y[fit_rows])
    else:
        chosen = list(range(len(columns)))
    is_complete = np.isfinite(y)
    for place in list(chosen):
        is_complete_with_place = is_complete & np.isfinite(values[place])
        if np.count_nonzero(is_complete_with_place) >= _MIN_COMPLETE_SHARE * len(rows):
            is_complete = is_complete_with_place
        else:
            chosen.remove(place)
    fit_rows, check_rows = fit_rows[is_complete[fit_rows]], check_rows[is_complete[check_rows]]
    if len(chosen) < 2 or min(len(fit_rows), len(check_rows)) < max(_MIN_ROWS // 2, _MIN_ROWS_PER_COLUMN * len(chosen)):
        return []
    matrix = np.column_stack([values[place] for place in chosen])
    needed = _drop_superfluous(matrix, y, fit_rows, check_rows)
    return [columns[chosen[place]].name for place in needed]


def _choose_columns(values: Sequence[np.ndarray], y: np.ndarray) -> list[int]:
    """Return the positions of the columns that explain most of `y`, chosen one after another.

    The method is orthogonal matching pursuit.

    References
    ----------
    Pati, Y., Rezaiifar, R. and Krishnaprasad, P. (1993). Orthogonal matching pursuit. Asilomar Conference.
    """
    matrix = np.column_stack([_standardize(column) for column in values])
    y = y - y.mean()
    residual = y
    chosen: list[int] = []
    for _ in range(min(_MAX_ADDENDS, len(y) // _MIN_ROWS_PER_COLUMN)):
        correlations = np.abs(residual @ matrix)
        correlations[chosen] = -1
        chosen.append(int(correlations.argmax()))
        weights, *_ = np.linalg.lstsq(matrix[:, chosen], y, rcond=None)
        residual = y - matrix[:, chosen] @ weights
        if residual @ residual <= _ARITHMETIC_NOISE * (y @ y):
            break
    return chosen


def _standardize(values: np.ndarray) -> np.ndarray:
    """Return the values with mean 0 and length 1; missing values become 0."""
    is_present = np.isfinite(values)
    if not is_present.any():
        return np.zeros(len(values))
    values = np.where(is_present, values - values[is_present].mean(), 0.0)
    length = np.linalg.norm(values)
    return values / length if length > 0 and np.isfinite(length) else np.zeros(len(values))


def _drop_superfluous(matrix: np.ndarray, y: np.ndarray, fit_rows: np.ndarray, check_rows: np.ndarray) -> list[int]:
    """Return the positions of the columns that the sum needs; empty if all columns do not add up to the target."""
    places = list(range(matrix.shape[1]))
    residual = _residual_share(matrix, y, fit_rows, check_rows)
    if residual > 1 - _MIN_R2:
        return []
    for place in list(places):
        others = [other for other in places if other != place]
        without = _residual_share(matrix[:, others], y, fit_rows, check_rows)
        if max(without, _ARITHMETIC_NOISE) < _MIN_RESIDUAL_RATIO * max(residual, _ARITHMETIC_NOISE):
            places = others
    return places


def _residual_share(matrix: np.ndarray, y: np.ndarray, fit_rows: np.ndarray, check_rows: np.ndarray) -> float:
    """Fit a linear model, and return the residual variance of the check rows as a share of the target's variance."""
    center, scale = matrix[fit_rows].mean(axis=0), matrix[fit_rows].std(axis=0)
    standardized = (matrix - center) / np.where(scale > 0, scale, 1.0)
    with_intercept = np.column_stack([standardized, np.ones(len(matrix))])
    weights, *_ = np.linalg.lstsq(with_intercept[fit_rows], y[fit_rows], rcond=None)
    residuals = y[check_rows] - with_intercept[check_rows] @ weights
    variance = y[check_rows].var()
    return float((residuals**2).mean() / variance) if variance else 1.0
