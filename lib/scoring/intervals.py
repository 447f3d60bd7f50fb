"""Prediction intervals and prediction sets with a guaranteed coverage, in NumPy alone.

They travel with a model. `lib.evaluation.conformal` calibrates them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lib.schema.text_values import category_name
from lib.scoring.cells import json_value

# The key of the intervals or sets in the baseline, the file of a model with statistics of the training rows.
COVERAGE = "coverage"
# The group of a row: the category name in each of the columns that define groups, "" for a missing value.
GroupKey = tuple[str, ...]


@dataclass(frozen=True)
class GroupWidths:
    """Half the width of the intervals of a group, by the size of the prediction.

    Attributes
    ----------
    edges : tuple of float
        Ascending predictions at which the next width begins.
    half_widths : tuple of float
        One more than there are edges.
    """

    edges: tuple[float, ...]
    half_widths: tuple[float, ...]


@dataclass(frozen=True)
class PredictionIntervals:
    """Intervals around the predictions of a regression.

    Attributes
    ----------
    coverage : float
        Share of rows, 0 to 1, whose true value is in the interval.
    columns : tuple of str
        The columns that define groups; empty for one group of all rows.
    groups : mapping of GroupKey to GroupWidths

    Examples
    --------
    >>> intervals = PredictionIntervals(0.9, (), {(): GroupWidths((10.0,), (1.0, 4.0))})
    >>> intervals.bounds(np.array([5.0, 20.0]), [(), ()]).tolist()
    [[4.0, 6.0], [16.0, 24.0]]
    """

    coverage: float
    columns: tuple[str, ...]
    groups: Mapping[GroupKey, GroupWidths]
    name = "intervals"

    def has_group(self, key: GroupKey) -> bool:
        """Return whether a group has intervals."""
        return key in self.groups

    def bounds(self, predictions: np.ndarray, keys: Sequence[GroupKey]) -> np.ndarray:
        """Return the lower and the upper end for each row, of shape (rows, 2); NaN in a group without calibration."""
        half_widths = np.full(len(predictions), np.nan)
        for key, rows in _rows_by_group(keys).items():
            widths = self.groups.get(key)
            if widths is not None:
                bins = np.searchsorted(widths.edges, predictions[rows], side="right")
                half_widths[rows] = np.take(widths.half_widths, bins)
        return np.stack([predictions - half_widths, predictions + half_widths], axis=1)

    def answers(
        self, predictions: np.ndarray, probabilities: np.ndarray | None, keys: Sequence[GroupKey], classes: list | None
    ) -> list:
        """Return ``[low, high]`` for each row; None in a group without calibration."""
        bounds = self.bounds(np.asarray(predictions, dtype=float), keys)
        return [None if pair[0] != pair[0] else pair for pair in bounds.tolist()]  # NaN is not equal to itself

    def to_json(self) -> dict[str, Any]:
        """Return the intervals as values that JSON can store; `from_json` restores them."""
        groups = [
            {"values": list(key), "edges": list(widths.edges), "half_widths": list(widths.half_widths)}
            for key, widths in self.groups.items()
        ]
        return {"kind": self.name, "coverage": self.coverage, "columns": list(self.columns), "groups": groups}


@dataclass(frozen=True)
class PredictionSets:
    """Sets of the classes that a row may have: those whose probability reaches the threshold of the row's group.

    Attributes
    ----------
    coverage : float
        Share of rows, 0 to 1, whose true class is in the set.
    columns : tuple of str
        The columns that define groups; empty for one group of all rows.
    thresholds : mapping of GroupKey to float
        Minimum probability of a class in the set.

    Examples
    --------
    >>> sets = PredictionSets(0.9, (), {(): 0.3})
    >>> sets.answers(np.array(["a"]), np.array([[0.5, 0.4, 0.1]]), [()], ["a", "b", "c"])
    [['a', 'b']]
    """

    coverage: float
    columns: tuple[str, ...]
    thresholds: Mapping[GroupKey, float]
    name = "sets"

    def has_group(self, key: GroupKey) -> bool:
        """Return whether a group has sets."""
        return key in self.thresholds

    def members(self, probabilities: np.ndarray, keys: Sequence[GroupKey]) -> np.ndarray:
        """Return which classes are in the set of each row, of shape (rows, classes)."""
        thresholds = np.array([self.thresholds.get(key, np.nan) for key in keys])
        members: np.ndarray = probabilities >= thresholds[:, None]
        return members

    def answers(
        self, predictions: np.ndarray, probabilities: np.ndarray | None, keys: Sequence[GroupKey], classes: list | None
    ) -> list:
        """Return the classes in the set of each row; None in a group without calibration."""
        assert probabilities is not None and classes is not None, "only classifiers have sets"
        members = self.members(probabilities, keys).tolist()
        return [
            [label for label, is_member in zip(classes, row, strict=True) if is_member]
            if key in self.thresholds
            else None
            for row, key in zip(members, keys, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the sets as values that JSON can store; `from_json` restores them."""
        groups = [{"values": list(key), "threshold": threshold} for key, threshold in self.thresholds.items()]
        return {"kind": self.name, "coverage": self.coverage, "columns": list(self.columns), "groups": groups}


Coverage = PredictionIntervals | PredictionSets


def from_json(content: Mapping[str, Any]) -> Coverage:
    """Restore intervals or sets from the result of their ``to_json``."""
    coverage, columns = content["coverage"], tuple(content["columns"])
    groups = {tuple(group["values"]): group for group in content["groups"]}
    if content["kind"] == PredictionSets.name:
        return PredictionSets(coverage, columns, {key: group["threshold"] for key, group in groups.items()})
    widths = {key: GroupWidths(tuple(group["edges"]), tuple(group["half_widths"])) for key, group in groups.items()}
    return PredictionIntervals(coverage, columns, widths)


def group_keys(values: Mapping[str, Any], columns: Sequence[str], row_count: int) -> list[GroupKey]:
    """Return the group of each row.

    Parameters
    ----------
    values : mapping of str to array
        The values of each column, as training or a request contains them.
    columns : sequence of str
        The columns that define groups.
    row_count : int

    Examples
    --------
    >>> group_keys({"sex": ["F", None], "age": [40.0, 7]}, ["sex", "age"], 2)
    [('F', '40'), ('', '7')]
    """
    if not columns:
        return [()] * row_count
    names = [[_group_name(value) for value in values[column]] for column in columns]
    return list(zip(*names, strict=True))


def _group_name(value: Any) -> str:
    if value is None or value != value:  # NaN and NaT are not equal to themselves
        return ""
    return category_name(json_value(value))


def _rows_by_group(keys: Sequence[GroupKey]) -> dict[GroupKey, Any]:
    """Return the positions of the rows of each group."""
    if len(set(keys)) == 1:
        return {keys[0]: slice(None)}
    rows: dict[GroupKey, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows
