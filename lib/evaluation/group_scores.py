"""Scores of a model on groups of rows, such as those of one sex: error rates and metrics.

The rates are those of fairlearn (https://fairlearn.org/main/user_guide/assessment/common_fairness_metrics.html), which
tests compare them with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.errors import DataError
from lib.evaluation.not_measured import NotMeasuredError
from lib.metrics import Metric, Predictions
from lib.parameters.gates import EQUALIZED_ODDS, RATIO_SUFFIX

# With fewer rows, a rate says more about single rows than about the group.
MIN_ROWS = 20
MAX_GROUPS = 50
MISSING = "missing"
# The rates whose differences or ratios make up a combined one.
COMPONENTS = {EQUALIZED_ODDS: ("true_positive_rate", "false_positive_rate")}


@dataclass(frozen=True)
class GroupScores:
    """The scores of one group of rows.

    Attributes
    ----------
    column, value : str
        The column that defines the group, and its value.
    rows : int
    values : mapping of str to float
        Each rate and metric; NaN if it is undefined.
    counts : mapping of str to int
        Number of rows that each rate or metric is a share or a mean of, e.g. the negative rows for the false-positive
        rate.
    """

    column: str
    value: str
    rows: int
    values: Mapping[str, float]
    counts: Mapping[str, int]

    @property
    def name(self) -> str:
        """The group in words."""
        return f"{self.column} = {self.value}"

    def judged_value(self, score_name: str) -> float:
        """Return a rate or metric; NaN if the group has too few rows to judge it."""
        is_judged = self.counts[score_name] >= MIN_ROWS
        return self.values[score_name] if is_judged else math.nan


def score_groups(
    truth: np.ndarray, predictions: Predictions, groups: pd.DataFrame, metrics: Sequence[Metric]
) -> list[GroupScores]:
    """Return the scores of each group of each column, the largest group of a column first.

    Parameters
    ----------
    truth : ndarray of shape (rows,)
        True classes or values.
    predictions : Predictions
        For these rows.
    groups : DataFrame of shape (rows, columns)
        Each column divides the rows into groups.
    metrics : sequence of Metric
        Metrics to compute besides the rates.

    Raises
    ------
    NotMeasuredError
        If a column has too many different values to be one of groups.

    Examples
    --------
    >>> labels = np.array(["no", "yes", "yes", "no"])
    >>> predictions = Predictions(labels, np.eye(2)[[0, 1, 1, 0]], np.array(["no", "yes"]), "yes")
    >>> truth, groups = np.array(["no", "no", "yes", "yes"]), pd.DataFrame({"sex": list("ffmm")})
    >>> first, _ = score_groups(truth, predictions, groups, [])
    >>> first.name, first.values["false_positive_rate"], first.counts["false_positive_rate"]
    ('sex = f', 0.5, 2)
    """
    scores = []
    for column in groups:
        labels = groups[column].astype(object).where(groups[column].notna(), MISSING).map(str)
        counts = labels.value_counts()
        if len(counts) > MAX_GROUPS:
            raise NotMeasuredError(
                f"the column {column} of groups has {len(counts):,} different values; expected at most {MAX_GROUPS}. "
                "Derive a column of ranges in prepare_data"
            )
        for value in counts.index:
            is_member = (labels == value).to_numpy()
            scores.append(_score_group(str(column), value, truth[is_member], predictions.select(is_member), metrics))
    return scores


def describe_unjudged(groups: Sequence[GroupScores], score_name: str) -> str:
    """Return words about the groups with too few rows to judge a rate or metric; empty if there are none."""
    name = score_name.removesuffix(RATIO_SUFFIX)
    parts = COMPONENTS.get(name, (name,))
    smallest = {group.name: min(group.counts[part] for part in parts) for group in groups}
    few = [f"{name} ({count})" for name, count in smallest.items() if count < MIN_ROWS]
    return f" (not judged, below {MIN_ROWS} rows: {', '.join(few)})" if few else ""


def _score_group(
    column: str, value: str, truth: np.ndarray, predictions: Predictions, metrics: Sequence[Metric]
) -> GroupScores:
    """Return the scores of the rows of one group."""
    values = {metric.name: _score(metric, truth, predictions) for metric in metrics}
    counts = dict.fromkeys(values, len(truth))
    if predictions.positive_class is not None:
        rates, rate_counts = _measure_rates(truth, predictions)
        values, counts = rates | values, rate_counts | counts
    return GroupScores(column, value, len(truth), values, counts)


def _score(metric: Metric, truth: np.ndarray, predictions: Predictions) -> float:
    """Return a metric of the rows of a group; NaN if it is undefined on them."""
    try:
        return metric.score(truth, predictions)
    except DataError:  # e.g. the ROC AUC of a group with a single class
        return math.nan


def _measure_rates(truth: np.ndarray, predictions: Predictions) -> tuple[dict[str, float], dict[str, int]]:
    """Return each rate of a binary task, and the number of rows that it is a share of."""
    is_positive = truth == predictions.positive_class
    is_selected = predictions.labels == predictions.positive_class
    weights = np.ones(len(truth)) if predictions.weights is None else predictions.weights
    everyone = np.ones(len(truth), dtype=bool)
    # For each rate: the rows that it is a share of, and those among them that it counts.
    shares = {
        "selection_rate": (everyone, is_selected),
        "accuracy": (everyone, is_selected == is_positive),
        "true_positive_rate": (is_positive, is_selected),
        "false_positive_rate": (~is_positive, is_selected),
        "true_negative_rate": (~is_positive, ~is_selected),
        "false_negative_rate": (is_positive, ~is_selected),
    }
    rates = {name: _share(weights, rows, is_counted) for name, (rows, is_counted) in shares.items()}
    return rates, {name: int(rows.sum()) for name, (rows, _) in shares.items()}


def _share(weights: np.ndarray, rows: np.ndarray, is_counted: np.ndarray) -> float:
    """Return the weight of the counted rows among some rows, as a share; NaN without rows."""
    total = weights[rows].sum()
    return float(weights[rows & is_counted].sum() / total) if total else math.nan
