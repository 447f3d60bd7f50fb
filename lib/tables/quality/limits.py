"""Limits of a new contract: wide enough for the next table from the same population, given the size of the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lib.tables.quality.profile import WHOLE, ColumnProfile

# One in 2,000 samples of the same population differs by more than this many standard errors.
_TOLERATED_STANDARD_ERRORS = 3.3
_BISECTIONS = 50
# Distance of a limit from the median, in distances of the extreme value from the median.
_TAIL_FACTOR = 3
_RATIO_UNCERTAINTY = 4
# A long tail that few rows do not show, such as that of Student's t with 3 degrees of freedom, grows with the cube root
# of the number of rows.
_MANY_ROWS, _TAIL_EXPONENT = 10_000, 1 / 3
# Normal values rarely exceed their expected extreme value by this factor. Fewer rows do not tell them from long tails.
_NORMAL_TOLERANCE, _MIN_ROWS_OF_NORMAL = 1.1, 300
_NORMAL_QUARTILE = 0.674
# A range ends where many values are equal, e.g. ratings at 5 and counts at 0.
_MIN_ROWS_OF_END, _MIN_SHARE_AT_END = 300, 0.05
_MIN_ROWS_AT_ZERO, _MIN_SHARE_AT_ZERO = 10, 0.01
# Ratio of the extreme value's distance from the median to the quartile's: 2 for uniform values, 3.9 for 150 normal.
_SHORT_TAIL, _MIN_ROWS_OF_SHORT_TAIL = 2.5, 150


def tolerated_share(count: int, rows: int, next_rows: int) -> float:
    """Return the largest share in the next table that does not differ significantly from the share in this one.

    A share differs significantly if the two-proportion z test says so at 3.3 standard errors (Fleiss, Levin and Paik:
    Statistical methods for rates and proportions, 2003, section 3.2).

    Parameters
    ----------
    count : int
        Rows of this table with the property, e.g. a missing value.
    rows : int
        Rows of this table.
    next_rows : int
        Rows of the smallest table that is accepted.

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


def value_range(column: ColumnProfile) -> tuple[float | None, float | None]:
    """Return the smallest and the largest plausible number of a column; None where the sample does not show an end.

    A limit is three times as far from the median as the sample's extreme value, and farther if the tail may be longer
    than that of normal values. Where it is longer than exponential, as in incomes, the distance grows with the square
    of the ratio of the extreme value's distance to the quartile's. A column without negative numbers has the limit 0
    unless its lower tail seems to continue below it.
    """
    low, median, high = column.quartiles
    assert column.minimum is not None and column.maximum is not None
    margin = (column.maximum - column.minimum) / 2
    lower_tail = _Tail(median - low, median - column.minimum, column.at_minimum, column.present)
    upper_tail = _Tail(high - median, column.maximum - median, column.at_maximum, column.present)
    lower = lower_tail.limit(margin, upper_tail.is_heavy)
    upper = upper_tail.limit(margin, lower_tail.is_heavy)
    minimum = None if lower is None else median - lower
    maximum = None if upper is None else median + upper
    if column.minimum >= 0 and (minimum is None or minimum < 0):
        minimum = 0.0 if _ends_at_zero(column) else minimum
    return minimum, maximum


@dataclass(frozen=True)
class _Tail:
    """The values on one side of the median.

    Attributes
    ----------
    quartile, extreme : float
        Distances of the quartile and of the extreme value from the median.
    rows_at_extreme : int
        Number of rows with the extreme value.
    rows : int
        Number of rows with a value, on both sides.
    """

    quartile: float
    extreme: float
    rows_at_extreme: int
    rows: int

    @property
    def ratio(self) -> float:
        """How many times as far from the median the extreme value is as the quartile."""
        return self.extreme / self.quartile if self.quartile else math.inf

    @property
    def uncertainty(self) -> float:
        """The relative error of the ratio: the fewer rows, the less certain it is."""
        return _RATIO_UNCERTAINTY / math.sqrt(self.rows)

    @property
    def is_heavy(self) -> bool:
        """Whether the tail is longer than that of exponential values, which have the ratio log2(rows) - 1."""
        return self.ratio > (math.log2(self.rows) - 1) * (1 - self.uncertainty)

    def limit(self, margin: float, other_is_heavy: bool) -> float | None:
        """Return the distance of the limit from the median.

        Parameters
        ----------
        margin : float
            Distance of the limit from an extreme value at which the values end.
        other_is_heavy : bool
            Whether the tail on the other side of the median is heavy.
        """
        if self.rows >= _MIN_ROWS_OF_END and self.rows_at_extreme >= _MIN_SHARE_AT_END * self.rows:
            return self.extreme + margin
        if self.quartile == 0:
            return None
        heavy_factor = self.ratio ** (2 + self.uncertainty) if self.is_heavy else 0.0
        return self.extreme * max(self._light_factor(other_is_heavy), heavy_factor)

    def _light_factor(self, other_is_heavy: bool) -> float:
        """Return how many times as far from the median the limit of a tail that is not heavy is as its extreme value.

        A tail beside a heavy one is seldom as short as that of normal values.
        """
        is_short = self.ratio <= _SHORT_TAIL and self.rows >= _MIN_ROWS_OF_SHORT_TAIL
        normal_ratio = math.sqrt(2 * math.log(self.rows)) / _NORMAL_QUARTILE
        is_normal = self.ratio <= _NORMAL_TOLERANCE * normal_ratio and self.rows >= _MIN_ROWS_OF_NORMAL
        if is_short or (is_normal and not other_is_heavy):
            return _TAIL_FACTOR
        return _TAIL_FACTOR * max(1.0, (_MANY_ROWS / self.rows) ** _TAIL_EXPONENT)


def _ends_at_zero(column: ColumnProfile) -> bool:
    """Return whether 0 is a natural lower end of a column without negative numbers."""
    low, median, _ = column.quartiles
    if column.minimum == 0 and column.kind == WHOLE:
        return column.at_minimum >= max(_MIN_ROWS_AT_ZERO, _MIN_SHARE_AT_ZERO * column.present)
    reach = median - (column.minimum or 0.0)
    is_short = column.present >= _MIN_ROWS_OF_SHORT_TAIL and reach <= _SHORT_TAIL * (median - low)
    return is_short or median >= 2 * reach
