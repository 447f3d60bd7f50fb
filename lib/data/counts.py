"""How many values of a column are numbers in which way, from which follows what its commas and points are."""

from __future__ import annotations

import enum
from dataclasses import astuple, dataclass

# With fewer numbers than that among its values, a column is one of words.
MOSTLY = 0.9


class Mark(enum.Enum):
    """What commas and points in the numbers of a column are."""

    PLAIN = "a point before decimals"
    COMMA_THOUSANDS = "a point before decimals, commas between thousands"
    DECIMAL_COMMA = "a comma before decimals, points between thousands"


@dataclass(frozen=True)
class Counts:
    """What the commas and points of a column of texts, or of a part of it, may be.

    Attributes
    ----------
    present, numbers, sure : int
        Values that are not missing; those that are numbers where the comma is the decimal mark; those of them in
        which it can be nothing else.
    texts, thousands, points : int
        Values; those that are whole numbers, maybe with marks between thousands; those with a point.
    amounts, sure_amounts : int
        Those that are numbers where commas part thousands; those of them in which they can do nothing else.
    """

    present: int = 0
    numbers: int = 0
    sure: int = 0
    texts: int = 0
    thousands: int = 0
    points: int = 0
    amounts: int = 0
    sure_amounts: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    @property
    def are_decimal_commas(self) -> bool:
        """Whether most are numbers with a comma, and not all could be thousands (``3,750``)."""
        return self.sure > 0 and self.numbers >= MOSTLY * self.present

    @property
    def are_comma_thousands(self) -> bool:
        """Whether most are numbers whose commas part thousands, and some of them can be nothing else (``1,024.50``)."""
        return self.sure_amounts > 0 and self.amounts >= MOSTLY * self.present

    @property
    def are_decimal_points(self) -> bool:
        """Whether most are numbers, and some have a point before decimals."""
        return self.points > 0 and not self.are_thousands and self.amounts >= MOSTLY * self.present

    def mark(self, comma: bool) -> Mark:
        """What commas and points are; `comma`: whether 1,024 may be a bit more than 1, since commas do not separate."""
        if self.are_decimal_commas:
            return Mark.DECIMAL_COMMA
        return Mark.COMMA_THOUSANDS if not comma or self.are_comma_thousands else Mark.PLAIN

    @property
    def are_thousands(self) -> bool:
        """Whether all points part thousands, once the comma is known to be the decimal mark elsewhere."""
        return self.points > 0 and self.thousands == self.texts
