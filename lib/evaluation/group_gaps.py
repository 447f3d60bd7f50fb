"""Gaps between groups: the difference or ratio of a rate between the groups of a column, as in fairlearn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lib.evaluation.group_scores import COMPONENTS, GroupScores
from lib.parameters.gates import RATIO_SUFFIX


@dataclass(frozen=True)
class Gap:
    """The gap of a rate between the two groups of a column that differ most.

    Attributes
    ----------
    rate, column : str
    lowest, highest : GroupScores
    value : float
        The highest rate minus the lowest, or the lowest divided by the highest.
    is_ratio : bool
    """

    rate: str
    column: str
    lowest: GroupScores
    highest: GroupScores
    value: float
    is_ratio: bool

    def __str__(self) -> str:
        low, high = (f"{group.value} ({group.values[self.rate]:.4g})" for group in (self.lowest, self.highest))
        kind = "ratio" if self.is_ratio else "difference"
        return f"{self.rate} by {self.column}: {kind} {self.value:.4g} between {low} and {high}"


def measure_gap(groups: Sequence[GroupScores], column: str, score_name: str) -> Gap | None:
    """Return the gap between the groups of a column; None if fewer than two groups have enough rows.

    Parameters
    ----------
    groups : sequence of GroupScores
    column : str
    score_name : str
        A rate or metric, ``equalized_odds``, or one of them with the suffix ``_ratio``. ``equalized_odds`` is the
        worse one of the gaps of the true-positive and the false-positive rate.

    Examples
    --------
    >>> groups = [
    ...     GroupScores("sex", value, 90, {"selection_rate": rate}, {"selection_rate": 90})
    ...     for value, rate in [("f", 0.2), ("m", 0.25)]
    ... ]
    >>> str(measure_gap(groups, "sex", "selection_rate_ratio"))
    'selection_rate by sex: ratio 0.8 between f (0.2) and m (0.25)'
    """
    is_ratio, name = score_name.endswith(RATIO_SUFFIX), score_name.removesuffix(RATIO_SUFFIX)
    own = [group for group in groups if group.column == column]
    gaps = [_measure_rate_gap(own, column, rate, is_ratio) for rate in COMPONENTS.get(name, (name,))]
    known = [gap for gap in gaps if gap is not None]
    if len(known) < len(gaps):
        return None
    choose = min if is_ratio else max
    return choose(known, key=lambda gap: gap.value)


def _measure_rate_gap(groups: Sequence[GroupScores], column: str, rate: str, is_ratio: bool) -> Gap | None:
    """Return the gap of a single rate between some groups."""
    judged = [group for group in groups if math.isfinite(group.judged_value(rate))]
    if len(judged) < 2:
        return None
    ordered = sorted(judged, key=lambda group: group.values[rate])
    lowest, highest = ordered[0], ordered[-1]
    low, high = lowest.values[rate], highest.values[rate]
    value = _ratio(low, high) if is_ratio else high - low
    return Gap(rate, column, lowest, highest, value, is_ratio)


def _ratio(low: float, high: float) -> float:
    """Return the ratio of two rates; 1 if both are 0, and NaN if the lower one is negative."""
    if low < 0:
        return math.nan
    return low / high if high else 1.0
