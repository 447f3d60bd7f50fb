"""Intervals and sets with a guaranteed coverage: their calibration rows, and the coverage on the test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lib import charts, metrics
from lib.errors import DataError
from lib.evaluation.conformal import calibrate_intervals, calibrate_sets, describe_shortage, min_calibration_rows
from lib.evaluation.folds import FOLDS, make_folds
from lib.evaluation.out_of_fold import MIN_ROWS_PER_CLASS
from lib.metrics import Predictions
from lib.scoring.intervals import COVERAGE, Coverage, PredictionIntervals, PredictionSets, group_keys
from lib.stages._model_rows import ModelRows

if TYPE_CHECKING:
    from lib.parameters import Parameters

_ALL_ROWS = "all rows"


def hold_out(
    rows: ModelRows, split: Mapping[str, Any] | None, parameters: Parameters
) -> tuple[ModelRows, ModelRows | None]:
    """Separate calibration rows from the training rows.

    They are a random fifth of the training rows, which respects the split of the table: rows of a key, or with equal
    features, stay together. After a split by time they are the latest sixth.

    Parameters
    ----------
    rows : ModelRows
    split : mapping or None
        The rule that split the table, as the baseline stores it.
    parameters : Parameters
        ``coverage``, ``task`` and ``seed``.

    Returns
    -------
    training_rows : ModelRows
    calibration_rows : ModelRows or None
        None if no coverage is requested.

    Raises
    ------
    DataError
        If there are too few rows.
    """
    if not parameters.coverage:
        return rows, None
    eligible = np.arange(len(rows.y))
    if parameters.task != "regression":  # the model must learn each class
        class_sizes = rows.y.map(rows.y.value_counts()).to_numpy(int)
        eligible = eligible[class_sizes >= MIN_ROWS_PER_CLASS]
    if len(eligible) // FOLDS < min_calibration_rows(parameters.coverage):
        raise DataError(describe_shortage((), len(eligible) // FOLDS, (), parameters.coverage))
    keys, y = rows.find_keys(split).iloc[eligible], rows.y.iloc[eligible]
    folds = make_folds(keys, y, split, parameters.task, parameters.seed)
    held_out = eligible[folds[-1][1]]
    training = np.setdiff1d(np.arange(len(rows.y)), held_out)
    return rows.select(training), rows.select(held_out)


def calibrate(
    model: Any, rows: ModelRows, calibration_rows: ModelRows | None, parameters: Parameters
) -> Coverage | None:
    """Calibrate the intervals or sets of a trained model; return None without calibration rows.

    Parameters
    ----------
    model : estimator
        Fitted on the training rows, with its calibrator and its decision rule.
    rows, calibration_rows : ModelRows
        From `hold_out`.
    parameters : Parameters
        ``coverage``, ``groups``, ``task`` and ``positive_class``.

    Raises
    ------
    DataError
        If a group has too few calibration rows.
    """
    if calibration_rows is None:
        return None
    X, y = calibration_rows.X, calibration_rows.y
    columns = [name for name in parameters.groups if name in X.columns]
    keys = group_keys(X, columns, len(X))
    predictions = metrics.predict(model, X, parameters.task, parameters.positive_class)
    if parameters.task == "regression":
        training = metrics.predict(model, rows.X, parameters.task)
        return calibrate_intervals(
            predictions.labels.astype(float), y.to_numpy(float), keys, training.labels, columns, parameters.coverage
        )
    codes = _encode(y, predictions)
    return calibrate_sets(predictions.class_probabilities, codes, keys, columns, parameters.coverage)


def add_to_baseline(baseline: Mapping[str, Any], coverage: Coverage | None) -> dict[str, Any]:
    """Return a baseline with the intervals or sets, which are stored with the model in this way."""
    return {**baseline, **({} if coverage is None else {COVERAGE: coverage.to_json()})}


def describe(coverage: Coverage | None, calibration_rows: ModelRows | None, parameters: Parameters) -> tuple[str, ...]:
    """Return sentences about the calibration, for the user."""
    if coverage is None or calibration_rows is None:
        return ()
    kind = "Intervals" if isinstance(coverage, PredictionIntervals) else "Sets of classes"
    by = f", separately by {', '.join(coverage.columns)}" if coverage.columns else ""
    share = f"{100 * coverage.coverage:.4g} % of the rows"
    sentences = [f"{kind} for {share} are calibrated on {len(calibration_rows.y):,} training rows{by}."]
    hidden = [name for name in parameters.groups if name not in coverage.columns]
    if hidden:
        sentences.append(f"They are not calibrated by {', '.join(hidden)}: the model does not get this column.")
    return tuple(sentences)


def measure(
    coverage: Coverage, y: pd.Series, test: pd.DataFrame, predictions: Predictions, groups: Sequence[str]
) -> charts.Table:
    """Return the coverage and the mean size on test rows, of all rows and by group.

    Parameters
    ----------
    coverage : PredictionIntervals or PredictionSets
    y : Series of shape (rows,)
    test : DataFrame
    predictions : Predictions
    groups : sequence of str
        Columns by which the coverage is measured, too.
    """
    is_covered, sizes = _measure_rows(coverage, y, test, predictions)
    parts = {_ALL_ROWS: np.ones(len(y), dtype=bool)}
    for name in [name for name in groups if name in test.columns]:
        keys = pd.Series([key for (key,) in group_keys(test, [name], len(test))])
        parts |= {f"{name} = {key or 'missing'}": (keys == key).to_numpy() for key in sorted(keys.unique())}
    size_name = "mean width" if isinstance(coverage, PredictionIntervals) else "mean classes"
    table = charts.Table(
        [
            {
                "rows": int(part.sum()),
                "requested": coverage.coverage,
                "coverage": float(is_covered[part].mean()),
                size_name: float(np.nanmean(sizes[part])) if np.isfinite(sizes[part]).any() else np.nan,
            }
            for part in parts.values()
        ],
        index=pd.Index(parts, name="test rows"),
    )
    if isinstance(coverage, PredictionSets):
        table["empty"] = [int((sizes[part] == 0).sum()) for part in parts.values()]
    return table


def measure_coverage(coverage: Coverage, y: pd.Series, test: pd.DataFrame, predictions: Predictions) -> float:
    """Return the share of the test rows whose true value the intervals or sets contain; parameters as in `measure`."""
    return float(_measure_rows(coverage, y, test, predictions)[0].mean())


def _measure_rows(
    coverage: Coverage, y: pd.Series, test: pd.DataFrame, predictions: Predictions
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row whether the interval or set has the true value, and its width or number of classes."""
    keys = group_keys(test, coverage.columns, len(test))
    if isinstance(coverage, PredictionIntervals):
        low, high = coverage.bounds(predictions.labels.astype(float), keys).T
        truth = y.to_numpy(float)
        return (low <= truth) & (truth <= high), high - low
    members = coverage.members(predictions.class_probabilities, keys)
    codes = _encode(y, predictions)
    return (codes >= 0) & members[np.arange(len(codes)), codes], members.sum(axis=1).astype(float)


def _encode(y: pd.Series, predictions: Predictions) -> np.ndarray:
    """Return the column of each row's class in the probabilities; -1 for a class that the model does not know."""
    columns = {label: column for column, label in enumerate(predictions.class_names)}
    return np.array([columns.get(label, -1) for label in y.tolist()], dtype=int)
