"""Records of a text file, read by Python's csv module, or by rules of our own if the quotes of a line are malformed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# Replaces a separator of several characters, which the csv module does not support.
_SUBSTITUTE_SEPARATOR = "\x1f"
# More lines than this in one record are taken for an unclosed quote.
_MAX_RECORD_LINES = 5_000


class CsvFormat(NamedTuple):
    """How fields are written; see `Dialect` for the attributes."""

    separator: str
    quote_character: str = '"'
    escape_character: str = ""
    skip_initial_space: bool = False

    @property
    def csv_options(self) -> dict[str, Any]:
        """Keyword arguments for `csv.reader`."""
        return {
            "delimiter": self.separator if len(self.separator) == 1 else _SUBSTITUTE_SEPARATOR,
            "quotechar": self.quote_character,
            "skipinitialspace": self.skip_initial_space,
            "escapechar": self.escape_character or None,
        }


class Record(NamedTuple):
    """A row, and the lines from which it was read.

    Attributes
    ----------
    line, last_line : int
        Numbers of the first and last line, from 1 for the first line that was given.
    cells : list of str
    is_malformed : bool
        Whether a quote is not closed, or a character follows a closing quote.
    has_open_quote : bool
        Whether the line is malformed and has an odd number of quotes.
    """

    line: int
    last_line: int
    cells: list[str]
    is_malformed: bool = False
    has_open_quote: bool = False


class _LineSource:
    """An iterator over lines that takes lines back, and remembers the lines of the current record."""

    def __init__(self, lines: Iterable[str], separator: str):
        self._source, self._separator = iter(lines), separator
        self._returned: list[str] = []
        self.record_lines: list[str] = []

    def __iter__(self) -> _LineSource:
        return self

    def __next__(self) -> str:
        if len(self.record_lines) > _MAX_RECORD_LINES:
            raise csv.Error("a quote is not closed")
        line = self._returned.pop() if self._returned else next(self._source)
        self.record_lines.append(line)
        return line.replace(self._separator, _SUBSTITUTE_SEPARATOR) if self._separator else line

    def give_back(self, lines: list[str]) -> None:
        """Take back lines, to return them again next."""
        self._returned.extend(reversed(lines))


def read_records(lines: Iterable[str], csv_format: CsvFormat, expected_fields: int) -> Iterator[Record]:
    r"""Yield the records of some lines, without empty lines.

    A malformed record is read as a single line, in which a quote is part of the value unless it begins or ends a field.

    Parameters
    ----------
    lines : iterable of str
        With their line breaks.
    csv_format : CsvFormat
    expected_fields : int
        Expected number of fields. It decides between several ways to read a malformed line.
    """
    separator = csv_format.separator if len(csv_format.separator) > 1 else ""
    source = _LineSource(lines, separator)
    reader = csv.reader(source, strict=True, **csv_format.csv_options)
    line = 1
    while True:
        source.record_lines = []
        try:
            cells, is_malformed = next(reader), False
        except StopIteration:
            return
        except csv.Error:
            cells, is_malformed = [], True
        taken = source.record_lines
        if is_malformed or (len(cells) != expected_fields and _may_be_malformed(taken, csv_format)):
            cells_of_first_line = split_malformed(taken[0].rstrip("\r\n"), csv_format, expected_fields)
            if is_malformed or len(cells_of_first_line) == expected_fields:
                source.give_back(taken[1:])
                taken, cells, is_malformed = taken[:1], cells_of_first_line, True
        if separator:
            cells = [cell.replace(_SUBSTITUTE_SEPARATOR, separator) for cell in cells]
        if cells:
            has_open_quote = is_malformed and taken[0].count(csv_format.quote_character) % 2 == 1
            yield Record(line, line + len(taken) - 1, cells, is_malformed, has_open_quote)
        line += len(taken)


def _may_be_malformed(lines: list[str], csv_format: CsvFormat) -> bool:
    """Return whether the lines of a record may contain a misplaced quote, although the csv module could read them."""
    if csv_format.separator == " ":
        return False  # a value with spaces but without quotes is more likely
    return len(lines) > 1 or csv_format.quote_character in lines[0]


def split_malformed(line: str, csv_format: CsvFormat, expected_fields: int) -> list[str]:
    """Split a line whose quotes are malformed into fields, if possible into as many as expected.

    A quote at the start of a field begins a quoted value, and a quote before a separator ends it. Any other quote is
    part of a value. If this does not yield `expected_fields` fields, the line is split again, and a quote no longer
    begins a quoted value if another field with a quote would begin within that value.
    """
    cells = _split_fields(line, csv_format, may_contain_quoted=True)
    if len(cells) == expected_fields:
        return cells
    other_cells = _split_fields(line, csv_format, may_contain_quoted=False)
    return other_cells if len(other_cells) == expected_fields else cells


def _split_fields(line: str, csv_format: CsvFormat, may_contain_quoted: bool) -> list[str]:
    """Split a line into fields; `may_contain_quoted` allows a separator and a quote within a quoted value."""
    separator, quote = csv_format.separator, csv_format.quote_character
    cells, position = [], 0
    while True:
        if csv_format.skip_initial_space:
            position += len(line) - position - len(line[position:].lstrip(" "))
        end = -1
        if line.startswith(quote, position):
            end = _find_closing_quote(line, position + 1, csv_format)
            if not may_contain_quoted and separator + quote in line[position + 1 : max(end, 0)]:
                end = -1
        if end >= 0:
            cells.append(line[position + 1 : end].replace(quote * 2, quote))
            separator_position = line.find(separator, end)
        else:
            separator_position = line.find(separator, position)
            cells.append(line[position:] if separator_position < 0 else line[position:separator_position])
        if separator_position < 0:
            return cells
        position = separator_position + len(separator)


def _find_closing_quote(line: str, position: int, csv_format: CsvFormat) -> int:
    """Return the position of the first quote before a separator or the end of the line, or -1."""
    while (position := line.find(csv_format.quote_character, position)) >= 0:
        rest = line[position + 1 :].lstrip(" ")
        if (not rest or rest.startswith(csv_format.separator)) and not _is_escaped(line, position, csv_format):
            return position
        position += 1
    return -1


def _is_escaped(line: str, position: int, csv_format: CsvFormat) -> bool:
    return bool(csv_format.escape_character) and line[position - 1] == csv_format.escape_character
