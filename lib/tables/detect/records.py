"""Records of a text file, read by Python's csv module, with a second way to read lines whose quotes are malformed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# Stands for a separator of several characters, which the csv module does not support.
_STAND_IN = "\x1f"
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
            "delimiter": self.separator if len(self.separator) == 1 else _STAND_IN,
            "quotechar": self.quote_character,
            "skipinitialspace": self.skip_initial_space,
            "escapechar": self.escape_character or None,
        }


class Record(NamedTuple):
    """A row and the lines it was read from.

    Attributes
    ----------
    line, last_line : int
        Numbers of its first and last line, relative to the lines given.
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


class _Lines:
    """Lines that can be given back, counted for the current record."""

    def __init__(self, lines: Iterable[str], separator: str):
        self._source, self._separator = iter(lines), separator
        self._returned: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) > _MAX_RECORD_LINES:
            raise csv.Error("a quote is not closed")
        line = self._returned.pop() if self._returned else next(self._source)
        self.taken.append(line)
        return line.replace(self._separator, _STAND_IN) if self._separator else line

    def give_back(self, lines: list[str]) -> None:
        self._returned.extend(reversed(lines))


def read_records(lines: Iterable[str], csv_format: CsvFormat, width: int) -> Iterator[Record]:
    r"""Yield the records of some lines, without empty lines.

    A malformed record is read as a single line, in which a quote is part of the value unless it begins or ends a field.

    Parameters
    ----------
    lines : iterable of str
        With their line breaks.
    csv_format : CsvFormat
    width : int
        Expected number of fields; decides between ways to read a malformed line.
    """
    separator = csv_format.separator if len(csv_format.separator) > 1 else ""
    source = _Lines(lines, separator)
    reader = csv.reader(source, strict=True, **csv_format.csv_options)
    line = 1
    while True:
        source.taken = []
        try:
            cells, is_malformed = next(reader), False
        except StopIteration:
            return
        except csv.Error:
            cells, is_malformed = [], True
        taken = source.taken
        if is_malformed or (len(cells) != width and _may_be_misquoted(taken, csv_format.quote_character)):
            first = split_malformed(taken[0].rstrip("\r\n"), csv_format, width)
            if is_malformed or len(first) == width:
                source.give_back(taken[1:])
                taken, cells, is_malformed = taken[:1], first, True
        if separator:
            cells = [cell.replace(_STAND_IN, separator) for cell in cells]
        if cells:
            has_open_quote = is_malformed and taken[0].count(csv_format.quote_character) % 2 == 1
            yield Record(line, line + len(taken) - 1, cells, is_malformed, has_open_quote)
        line += len(taken)


def _may_be_misquoted(lines: list[str], quote: str) -> bool:
    return len(lines) > 1 or quote in lines[0]


def split_malformed(line: str, csv_format: CsvFormat, width: int) -> list[str]:
    """Split a line whose quotes are malformed into fields, if possible into as many as expected.

    A quote begins a quoted value at the start of a field, and ends it before a separator. Any other quote is part of
    the value. If that does not yield `width` fields, a quoted value must not contain the beginning of another one
    either: the quote before it is part of an unquoted value.
    """
    first = _split(line, csv_format, may_contain_quoted=True)
    if len(first) == width:
        return first
    second = _split(line, csv_format, may_contain_quoted=False)
    return second if len(second) == width else first


def _split(line: str, csv_format: CsvFormat, may_contain_quoted: bool) -> list[str]:
    separator, quote = csv_format.separator, csv_format.quote_character
    cells, position = [], 0
    while True:
        if csv_format.skip_initial_space:
            position += len(line) - position - len(line[position:].lstrip(" "))
        end = -1
        if line.startswith(quote, position):
            end = _closing_quote(line, position + 1, csv_format)
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


def _closing_quote(line: str, position: int, csv_format: CsvFormat) -> int:
    """Return the position of the first quote before a separator or the end of the line, or -1."""
    while (position := line.find(csv_format.quote_character, position)) >= 0:
        rest = line[position + 1 :].lstrip(" ")
        if (not rest or rest.startswith(csv_format.separator)) and not _is_escaped(line, position, csv_format):
            return position
        position += 1
    return -1


def _is_escaped(line: str, position: int, csv_format: CsvFormat) -> bool:
    return bool(csv_format.escape_character) and line[position - 1] == csv_format.escape_character
