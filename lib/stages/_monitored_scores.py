"""The primary metric in each window: from labels where they have come, and estimated from the rows alone."""

from __future__ import annotations

import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lib.errors import DataError
from lib.evaluation.resampling import assign_units, draw_weights
from lib.evaluation.weighted_scores import make_weighted_scorer
from lib.metrics import Predictions
from lib.monitoring.estimates import ScoreEstimator
from lib.monitoring.labels import Labels, make_labels
from lib.monitoring.reference import ColumnReference
from lib.monitoring.scores import Interval, WindowScore
from lib.monitoring.windows import MIN_ROWS

if TYPE_CHECKING:
    from lib.backends.base import Backend
    from lib.parameters import Parameters
    from lib.stages._served_model import ServedModel

_RESAMPLES = 400
_TAIL = 2.5  # percent on either side of a 95 % interval


def read_labels(backend: Backend, parameters: Parameters) -> Labels | None:
    """Return the labels of the parameter ``labels``; None if it is empty.

    Raises
    ------
    DataError
        If the table cannot be used.
    """
    if not parameters.labels:
        return None
    uri, key = parameters.labels["data"], parameters.labels["key"]
    table = backend.read_table(uri, encoding=parameters.encoding or "")
    return make_labels(table, [key] if isinstance(key, str) else key, parameters.labels["column"], uri)


class WindowScorer:
    """Scores of the rows of windows.

    Parameters
    ----------
    served : ServedModel
    parameters : Parameters
        ``primary_metric``, ``metrics``, ``task`` and ``seed``.
    labels : Labels or None

    Attributes
    ----------
    metric : Metric
        The primary metric.
    joined_rows : int
        Number of rows whose label was found so far.
    unjoined_example : str
        The key of a row and that of a label; empty if there was no row, or the key is private.
    """

    def __init__(self, served: ServedModel, parameters: Parameters, labels: Labels | None):
        self._served, self._parameters, self.labels = served, parameters, labels
        self.metric = parameters.metric
        self.joined_rows = 0
        self.unjoined_example = ""

    @cached_property
    def promised(self) -> Interval | None:
        """The metric on the test rows of the version; None where it is undefined."""
        rows, truth = self._served.test_rows
        return self._measure(truth, self._served.predict(rows))

    @cached_property
    def _estimator(self) -> ScoreEstimator:
        rows, truth = self._served.test_rows
        return ScoreEstimator(rows, self._served.predict(rows), truth, self.metric, self._parameters.seed)

    def find_labels(self, rows: pd.DataFrame) -> pd.Series:
        """Return the label of each row; missing where it has not come."""
        if self.labels is None or rows.empty:
            return pd.Series(np.nan, rows.index, dtype=object)
        labels = self.labels.find(rows)
        self.joined_rows += int(labels.notna().sum())
        if not self.unjoined_example and not {*self.labels.key} & {*self._parameters.private_columns}:
            tables = (rows, self.labels.values)
            examples = [", ".join(str(table.iloc[0][name]) for name in self.labels.key) for table in tables]
            self.unjoined_example = f"the rows have, for example, {examples[0]}, and the labels {examples[1]}"
        return labels

    def score(
        self,
        start: datetime.datetime,
        end: datetime.datetime,
        rows: pd.DataFrame,
        predictions: Predictions | None,
        labels: pd.Series,
        earlier: WindowScore | None = None,
    ) -> WindowScore:
        """Return the metric of a window; its estimate is kept from an earlier look, because it does not change.

        Parameters
        ----------
        start, end : datetime
        rows : DataFrame
        predictions : Predictions or None
            Of the same rows; None if they are unknown.
        labels : Series
            The label of each row, from `find_labels`.
        earlier : WindowScore, optional
            Of an earlier look.
        """
        estimate = earlier.estimate if earlier else None
        is_known = labels.notna().to_numpy()
        realised = None
        if predictions is not None and earlier is None and len(rows) >= MIN_ROWS:
            estimate = self._estimator.estimate(rows, predictions)
        if predictions is not None and is_known.sum() >= MIN_ROWS:
            realised = self._measure(self._served.to_truth(labels[is_known]), predictions.select(is_known))
        return WindowScore(start, end, len(rows), int(is_known.sum()), realised, estimate)

    def count_errors(
        self, predictions: Predictions | None, labels: pd.Series, reference: ColumnReference
    ) -> tuple[int, ...]:
        """Return the number of labelled rows by cell of the error."""
        is_known = labels.notna().to_numpy()
        if predictions is None or not is_known.any():
            return (0,) * reference.cells.count
        truth = self._served.to_truth(labels[is_known])
        errors = self._served.measure_errors(predictions.select(is_known), truth)
        return tuple(reference.cells.count_rows(pd.Series(errors)).tolist())

    def _measure(self, truth: np.ndarray, predictions: Predictions) -> Interval | None:
        """Return the metric with its bootstrap interval; None where it is undefined."""
        try:
            value = self.metric.score(truth, predictions)
        except (ValueError, DataError):
            return None
        units = assign_units(len(truth), self._parameters.seed)
        weights = draw_weights(int(units.max()) + 1, _RESAMPLES, self._parameters.seed)
        scores = make_weighted_scorer(self.metric, truth, predictions, units)(weights)
        if not np.isfinite(value) or not np.isfinite(scores).any():
            return None
        low, high = np.nanpercentile(scores, [_TAIL, 100 - _TAIL])
        return Interval(float(value), float(min(low, value)), float(max(high, value)))
