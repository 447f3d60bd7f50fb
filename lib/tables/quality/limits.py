"""Limits of a new contract, wide enough for the next table from the same population, given the size of the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lib.tables.quality.profile import WHOLE, ColumnProfile

# In one of 2,000 samples from the same population, a share is more than this number of standard errors too large.
_TOLERATED_STANDARD_ERRORS = 3.3
_BISECTIONS = 50
# A limit is this many times as far from the median as the extreme value.
_TAIL_FACTOR = 3
_RATIO_UNCERTAINTY = 4
# A small sample may hide a long tail. With Student's t of 3 degrees of freedom, the distance of the extreme value grows
# with the cube root of the number of rows.
_MANY_ROWS, _TAIL_EXPONENT = 10_000, 1 / 3
# Normal values rarely exceed their expected extreme value by this factor. With fewer rows than this, normal values
# cannot be distinguished from values with long tails.
_NORMAL_TOLERANCE, _MIN_ROWS_OF_NORMAL = 1.1, 300
_NORMAL_QUARTILE = 0.674
# The extreme value is the natural end of a range if many rows have it, such as the rating 5 or the count 0.
_MIN_ROWS_OF_END, _MIN_SHARE_AT_END = 300, 0.05
_MIN_ROWS_AT_ZERO, _MIN_SHARE_AT_ZERO = 10, 0.01
# Ratio of two distances from the median, that of the extreme value to that of the quartile: 2 for uniform values, and
# 3.9 for 150 normal values.
_SHORT_TAIL, _MIN_ROWS_OF_SHORT_TAIL = 2.5, 150


def tolerated_share(count: int, rows: int, next_rows: int) -> float:
    """Return the largest share of rows in the next table that is not significantly larger than the share in this one.

    A share differs significantly if the two-proportion z test says so at 3.3 standard errors (Fleiss, Levin and Paik:
    Statistical methods for rates and proportions, 2003, section 3.2).

    Parameters
    ----------
    count : int
        Number of rows of this table with a property, e.g. a missing value.
    rows : int
        Number of rows of this table.
    next_rows : int
        Number of rows of the smallest table that is accepted next.

    Examples
    --------
    >>> round(tolerated_share(0, 200, 100), 3), round(tolerated_share(0, 20_000, 10_000), 5)
    (0.053, 0.00054)
    """
    share = count / rows
    low, high = share, 1.0
    for _ in range(_BISECTIONS):
        candidate = (low + high) / 2
        pooled = (candidate * next_rows + count) / (next_rows + rows)
        error = math.sqrt(pooled * (1 - pooled) * (1 / next_rows + 1 / rows))
        if candidate - share > _TOLERATED_STANDARD_ERRORS * error:
            high = candidate
        else:
            low = candidate
    return high


def find_plausible_range(column: ColumnProfile) -> tuple[float | None, float | None]:
    """Return the smallest and the largest plausible number of a column; None if the sample does not show a limit.

    A limit is three times as far from the median as the sample's extreme value, and farther if the tail may be longer
    than that of normal values. If the tail is longer than that of exponential values, as with incomes, the distance
    grows with the square of a ratio: the extreme value's distance from the median to the quartile's. A column without
    negative numbers has the lower limit 0 unless its values seem to continue below 0.
    """
    low, median, high = column.quartiles
    assert column.minimum is not None and column.maximum is not None
    margin = (column.maximum - column.minimum) / 2
    lower_tail = _Tail(median - low, median - column.minimum, column.at_minimum, column.present)
    upper_tail = _Tail(high - median, column.maximum - median, column.at_maximum, column.present)
    lower_distance = lower_tail.find_limit(margin, upper_tail.is_heavy)
    upper_distance = upper_tail.find_limit(margin, lower_tail.is_heavy)
    minimum = None if lower_distance is None else median - lower_distance
    maximum = None if upper_distance is None else median + upper_distance
    if column.minimum >= 0 and (minimum is None or minimum < 0):
        minimum = 0.0 if _ends_at_zero(column) else minimum
    return minimum, maximum


@dataclass(frozen=True)
class _Tail:
    """The values below the median, or the values above the median.

    Attributes
    ----------
    quartile, extreme : float
        Distance of the quartile, and of the extreme value, from the median.
    rows_at_extreme : int
        Number of rows with the extreme value.
    rows : int
        Number of rows with a value, below and above the median.
    """

    quartile: float
    extreme: float
    rows_at_extreme: int
    rows: int

    @property
    def ratio(self) -> float:
        """Distance of the extreme value from the median, divided by the distance of the quartile."""
        return self.extreme / self.quartile if self.quartile else math.inf

    @property
    def uncertainty(self) -> float:
        """The relative error of the ratio, which decreases with the number of rows."""
        return _RATIO_UNCERTAINTY / math.sqrt(self.rows)

    @property
    def is_heavy(self) -> bool:
        """Whether the tail is longer than that of exponential values, whose ratio is log2(rows) - 1."""
        return self.ratio > (math.log2(self.rows) - 1) * (1 - self.uncertainty)

    def find_limit(self, margin: float, is_other_heavy: bool) -> float | None:
        """Return the distance of a limit from the median; None if the sample does not show one.

        Parameters
        ----------
        margin : float
            Distance of the limit from the extreme value if many rows have the extreme value.
        is_other_heavy : bool
            Whether the tail beyond the other side of the median is heavy.
        """
        if self.rows >= _MIN_ROWS_OF_END and self.rows_at_extreme >= _MIN_SHARE_AT_END * self.rows:
            return self.extreme + margin
        if self.quartile == 0:
            return None
        heavy_factor = self.ratio ** (2 + self.uncertainty) if self.is_heavy else 0.0
        return self.extreme * max(self._find_light_factor(is_other_heavy), heavy_factor)

    def _find_light_factor(self, is_other_heavy: bool) -> float:
        """Return the limit's distance from the median in units of the extreme value's, for a tail that is not heavy.

        If the other tail is heavy, this one is seldom as short as that of normal values.
        """
        is_short = self.ratio <= _SHORT_TAIL and self.rows >= _MIN_ROWS_OF_SHORT_TAIL
        normal_ratio = math.sqrt(2 * math.log(self.rows)) / _NORMAL_QUARTILE
        is_normal = self.ratio <= _NORMAL_TOLERANCE * normal_ratio and self.rows >= _MIN_ROWS_OF_NORMAL
        if is_short or (is_normal and not is_other_heavy):
            return _TAIL_FACTOR
        return _TAIL_FACTOR * max(1.0, (_MANY_ROWS / self.rows) ** _TAIL_EXPONENT)


def _ends_at_zero(column: ColumnProfile) -> bool:
    """Return whether 0 is a natural lower end of a column without negative numbers."""
    low, median, _ = column.quartiles
    if column.minimum == 0 and column.kind == WHOLE:
        return column.at_minimum >= max(_MIN_ROWS_AT_ZERO, _MIN_SHARE_AT_ZERO * column.present)
    minimum_distance = median - (column.minimum or 0.0)
    is_short = column.present >= _MIN_ROWS_OF_SHORT_TAIL and minimum_distance <= _SHORT_TAIL * (median - low)
    return is_short or median >= 2 * minimum_distance
