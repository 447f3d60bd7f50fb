"""Detection of a second table in a text file, by its header among the rows of the first table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from lib.schema.missing_codes import MISSING_CODES
from lib.tables.detect.cell_shapes import has_digit

# Number of rows from which the columns of numbers, dates and codes are learned.
_MAX_PROFILE_ROWS = 1_000
_MIN_PROFILE_ROWS, _MIN_TYPED_SHARE, _MIN_EVIDENCE_COUNT = 3, 0.8, 2
_MIN_SHARED_NAMES = 3
_MISSING_WORDS = {*MISSING_CODES, "unknown", "not available", "not applicable", "not known", "not reported"}
_MAX_NAME_LENGTH = 60


class Verdict(Enum):
    """Whether a row is the header of a second table."""

    NO = 0
    POSSIBLE = 1
    CERTAIN = 2


class SecondTableDetector:
    """A detector of the row that is the header of a second table.

    Such a row has most names of the header, or it has a name in every column although most cells above are numbers,
    dates or codes in at least two columns. With a single such column, a word may also be a missing value there, so the
    row is only possibly a header, unless an empty line precedes it. In a table of texts, a row of names is possibly a
    header if an empty line precedes it. A row that repeats the whole header begins no second table.

    Parameters
    ----------
    header : sequence of str
        Column names of the first table, as written.
    column_count : int
        Number of columns of the first table.

    Examples
    --------
    >>> detector = SecondTableDetector(["item", "price", "sold"], 3)
    >>> rows = [["pen", "2.50", "3"], ["ink", "7", "1"], ["cup", "4", "8"], ["city", "visits", "sales"]]
    >>> [detector.judge(row).name for row in rows]
    ['NO', 'NO', 'NO', 'CERTAIN']
    """

    def __init__(self, header: Sequence[str], column_count: int):
        self._header = list(map(_clean, header))
        self._names = {name for name in self._header if name}
        self._spellings = {*self._names, *filter(None, header)}
        self._column_count = column_count
        self._row_count = 0
        self._filled_counts = [0] * column_count
        self._typed_counts = [0] * column_count
        self._typed: list[int] = []  # indices of the columns in which most filled cells have a digit

    def judge(self, cells: Sequence[str], follows_empty_line: bool = False) -> Verdict:
        """Return whether a row is the header of a second table. The rows must be given in their order."""
        if self._has_names(cells):
            is_repeated = len(cells) == self._column_count and list(map(_clean, cells)) == self._header
            return Verdict.NO if is_repeated else Verdict.CERTAIN
        if len(cells) != self._column_count:
            return Verdict.NO
        verdict = self._judge_names(cells, follows_empty_line)
        if verdict is Verdict.NO:
            self._add(cells)
        return verdict

    def _has_names(self, cells: Sequence[str]) -> bool:
        """Return whether a row has most of the header's names."""
        if self._spellings.isdisjoint(cells):
            return False  # quick, and true for nearly all rows
        shared_count = len(self._names.intersection(map(_clean, cells)))
        min_count = _MIN_SHARED_NAMES if len(cells) == self._column_count else 2
        return shared_count >= min_count and 2 * shared_count > len(self._names)

    def _judge_names(self, cells: Sequence[str], follows_empty_line: bool) -> Verdict:
        """Return whether a row is a header because it has a name in every column, below rows with values."""
        min_row_count = 1 if follows_empty_line else _MIN_PROFILE_ROWS
        if self._column_count < 2 or self._row_count < min_row_count:
            return Verdict.NO
        evidence_count = len(self._typed) + follows_empty_line
        if not evidence_count or any(has_digit(cells[index]) for index in self._typed) or not are_names(cells):
            return Verdict.NO
        return Verdict.CERTAIN if self._typed and evidence_count >= _MIN_EVIDENCE_COUNT else Verdict.POSSIBLE

    def _add(self, cells: Sequence[str]) -> None:
        """Count the filled cells and the cells with a digit, by column, until enough rows have been counted."""
        if self._row_count >= _MAX_PROFILE_ROWS:
            return
        self._row_count += 1
        for index, cell in enumerate(cells):
            if cell.strip():
                self._filled_counts[index] += 1
                self._typed_counts[index] += has_digit(cell)
        counts = enumerate(zip(self._typed_counts, self._filled_counts, strict=True))
        self._typed = [index for index, (typed, filled) in counts if 0 < typed >= _MIN_TYPED_SHARE * filled]


def _clean(cell: str) -> str:
    """Return a cell without surrounding spaces and byte order mark, which concatenated files have."""
    return cell.strip("\ufeff \t")


def are_names(cells: Sequence[str]) -> bool:
    """Return whether the cells of a row could be column names: distinct short texts without digits.

    >>> are_names(["city", "visits"]), are_names(["city", "7"]), are_names(["city", "n/a"])
    (True, False, False)
    """
    names = {cell.strip().casefold() for cell in cells}
    return (
        len(names) == len(cells)
        and not any(not name or len(name) > _MAX_NAME_LENGTH or has_digit(name) for name in names)
        and names.isdisjoint(_MISSING_WORDS)
    )
