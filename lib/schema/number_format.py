"""Number formats, and the per-column tallies from which they are inferred."""

from __future__ import annotations

import enum
from dataclasses import astuple, dataclass

# A column is numeric if at least this share of its values are numbers.
MIN_NUMERIC_SHARE = 0.9


class NumberFormat(enum.Enum):
    """The meaning of commas and points in the numbers of a column."""

    DECIMAL_POINT = "decimal point, no thousands separator"
    COMMA_THOUSANDS = "decimal point, comma between thousands"
    DECIMAL_COMMA = "decimal comma, point between thousands"


@dataclass(frozen=True)
class NumberTally:
    """Numbers of values of a text column that fit each number format. Tallies of parts of a column can be added.

    Attributes
    ----------
    values : int
        Values that are not null.
    present : int
        Values that are neither null nor a missing code such as ``n/a``.
    decimal_comma : int
        Values that are numbers if the comma is the decimal separator.
    certain_decimal_comma : int
        Values with a comma that cannot separate thousands, e.g. ``1,5``.
    decimal_point : int
        Values that are numbers if the point is the decimal separator, with or without commas between thousands.
    certain_comma_thousands : int
        Values whose commas can only separate thousands, e.g. ``1,024.50``.
    integers : int
        Whole numbers, with or without a comma or point between thousands.
    with_point : int
        Values that contain a point.
    """

    values: int = 0
    present: int = 0
    decimal_comma: int = 0
    certain_decimal_comma: int = 0
    decimal_point: int = 0
    certain_comma_thousands: int = 0
    integers: int = 0
    with_point: int = 0

    def __add__(self, other: NumberTally) -> NumberTally:
        return NumberTally(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))

    @property
    def uses_decimal_comma(self) -> bool:
        """Whether the column is numeric with decimal commas, at least one of which cannot separate thousands."""
        return self.certain_decimal_comma > 0 and self.decimal_comma >= MIN_NUMERIC_SHARE * self.present

    @property
    def uses_comma_thousands(self) -> bool:
        """Whether the column is numeric, with at least one comma that can only separate thousands."""
        return self.certain_comma_thousands > 0 and self.decimal_point >= MIN_NUMERIC_SHARE * self.present

    @property
    def uses_decimal_point(self) -> bool:
        """Whether the column is numeric, with at least one decimal point."""
        return (
            self.with_point > 0
            and not self.may_use_point_thousands
            and self.decimal_point >= MIN_NUMERIC_SHARE * self.present
        )

    @property
    def may_use_point_thousands(self) -> bool:
        """Whether every point may separate thousands.

        If other columns of the file use decimal commas, points are assumed to separate thousands.
        """
        return self.with_point > 0 and self.integers == self.values

    def infer_format(self, comma_separated: bool) -> NumberFormat:
        """Return the number format of the column.

        Parameters
        ----------
        comma_separated : bool
            Whether commas separate the columns of the file. If they do not, ``1,024`` may also be slightly more
            than 1, so commas separate thousands only if a number such as ``1,024.50`` proves it.

        Examples
        --------
        >>> NumberTally(values=2, present=2, decimal_comma=2, certain_decimal_comma=1).infer_format(False).name
        'DECIMAL_COMMA'
        """
        if self.uses_decimal_comma:
            return NumberFormat.DECIMAL_COMMA
        if comma_separated or self.uses_comma_thousands:
            return NumberFormat.COMMA_THOUSANDS
        return NumberFormat.DECIMAL_POINT
