"""Shapes of cells, such as ``9/9/9`` for a date, and the shapes that are usual in each column.

They are evidence for headers and for shifted rows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

NUMBER, TEXT, EMPTY = "number", "text", ""
_NUMBER = re.compile(r"[+-]?(\d[\d.,]*|[.,]\d+)(e[+-]?\d+)?%?", re.IGNORECASE)
_LETTERS, _DIGITS, _SPACES = re.compile(r"[^\W\d_]+"), re.compile(r"\d+"), re.compile(r"\s+")
_MAX_SHAPE_LENGTH, _MAX_SHAPES = 11, 6
# A quote between two words, as where a separator before a quoted value is missing: `pen"A pen, blue"`. Inches (`5"x3"`)
# and markup (`a="b"`) do not match. The first pattern is for pyarrow's RE2, which knows classes of Unicode characters.
INNER_QUOTE = r'[\p{L}.!?)]"+[\p{L}\d]|\d"+\p{Lu}'
_INNER_QUOTE = re.compile(r'[^\W\d_]"+[^\W_]|[.!?)]"+[^\W_]|\d"+[^\W\d_]')
_MIN_SHAPE_SHARE, _MIN_TYPED_SHARE = 0.02, 0.8


def is_number(cell: str) -> bool:
    """Return whether a cell is a number, with any decimal or thousands separator.

    >>> is_number("1.234,5"), is_number("12%"), is_number("1a")
    (True, True, False)
    """
    return bool(_NUMBER.fullmatch(cell.strip()))


def has_inner_quote(cell: str) -> bool:
    """Return whether a cell contains a quote between two words: the separator before a quoted value may be missing.

    >>> has_inner_quote('pen"A blue pen'), has_inner_quote('5"x3"'), has_inner_quote('the "best" pen')
    (True, False, False)
    """
    return any(not quote[0][0].isdigit() or quote[0][-1].isupper() for quote in _INNER_QUOTE.finditer(cell))


def has_digit(cell: str) -> bool:
    """Return whether a cell is a number, a date, a code or another text with a digit.

    >>> has_digit("MG-8769"), has_digit("price")
    (True, False)
    """
    return any(map(str.isdigit, cell))


def describe_shape(cell: str) -> str:
    """Return the shape of a cell: a run of letters becomes ``a``, a run of digits ``9``, and punctuation stays.

    >>> [describe_shape(cell) for cell in ("28/01/2018", "MG-8769", "-1.5", "", "a long remark, of more words")]
    ['9/9/9', 'a-9', 'number', '', 'text']
    """
    cell = cell.strip()
    if not cell:
        return EMPTY
    if is_number(cell):
        return NUMBER
    if len(cell) > 10 * _MAX_SHAPE_LENGTH:
        return TEXT
    collapsed = _SPACES.sub(" ", _DIGITS.sub("9", _LETTERS.sub("a", cell)))
    return collapsed if len(collapsed) <= _MAX_SHAPE_LENGTH else TEXT


class ColumnShapes:
    """The shapes that occur in each column of some rows.

    Parameters
    ----------
    rows : sequence of list of str
        Rows with the same number of cells.

    Examples
    --------
    >>> columns = ColumnShapes([["28/01/2018", "5"], ["29/01/2018", ""]])
    >>> columns.count_misfits(["5", "28/01/2018"]), columns.count_misfits(["1/2/2018", "7"])
    (2, 0)
    """

    def __init__(self, rows: Sequence[Sequence[str]]):
        self.row_count = len(rows)
        self._shape_counts = [Counter(map(describe_shape, column)) for column in zip(*rows, strict=True)]
        self._allowed_shapes = list(map(self._frequent_shapes, self._shape_counts))

    def _frequent_shapes(self, counts: Counter[str]) -> frozenset[str] | None:
        """Return the shapes of a column, or None if it contains free text, which fits_column anything."""
        frequent = frozenset(shape for shape, count in counts.items() if count >= _MIN_SHAPE_SHARE * self.row_count)
        is_free_text = TEXT in frequent or len(frequent - {EMPTY}) > _MAX_SHAPES or not frequent
        return None if is_free_text else frequent

    def count_misfits(self, row: Sequence[str]) -> int:
        """Return how many cells of a row have a shape that does not occur in their column."""
        return sum(not self.fits_column(index, cell) for index, cell in enumerate(row[: len(self._allowed_shapes)]))

    def is_typed(self, index: int) -> bool:
        """Return whether most cells of a column are numbers, dates, or codes with digits; column names rarely are."""
        counts = self._shape_counts[index]
        filled_count = self.row_count - counts[EMPTY]
        typed_count = sum(count for shape, count in counts.items() if shape == NUMBER or "9" in shape)
        return filled_count > 0 and typed_count >= _MIN_TYPED_SHARE * filled_count

    def fits_column(self, index: int, cell: str) -> bool:
        """Return whether the shape of a cell occurs in its column."""
        allowed = self._allowed_shapes[index]
        return allowed is None or describe_shape(cell) in allowed
